"""One end of ours in a process of its own: ``python -m tests.benchmarks.harness.party SETTINGS``.

A :class:`t38fsp.FaxProvider` on the loopback interface, told what to do on standard input, a word
and an object of JSON in a line, and saying so what happens. It ends with its input. :mod:`.ours` drives it.

    send {documents, to, count, rate, settings}   place calls, RATE in a second, or all at once
    abort {}                                      end all calls that were placed
    port PORT · connected NUMBER · over {...}     where it listens; a call is up; a fax is over
"""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from t38fsp import (
    Audio,
    CallSettings,
    Connected,
    EngineSettings,
    FaxEvent,
    FaxProvider,
    FaxResult,
    IncomingFax,
    Limits,
    Switch,
)

HERE = ("127.0.0.1", 0)
LOGGERS = ("t38fsp.engine", "t38fsp.image.workers")
"""They say at the end how late packets left, and how long pages waited."""


def call_settings(given: dict[str, Any]) -> CallSettings:
    kinds = {"switch": Switch, "audio": Audio}
    chosen = {name: kinds[name](given[name]) for name in kinds.keys() & given.keys()}
    return CallSettings(**given | chosen)


class Party:
    def __init__(self, given: dict[str, Any]) -> None:
        self._folder = Path(given["folder"])
        self._settings = call_settings(given.get("settings", {}))
        self._accepts = bool(given.get("accept"))
        # All calls may come at the same moment, before the first of them is taken.
        engine = dict(given.get("engine", {}))
        calls = engine.pop("max_calls", Limits().calls)
        limits = Limits(calls, waiting=10_000)
        self._engine = EngineSettings(limits=limits, audio_calls=calls, **engine)
        self._numbers = count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._placing: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        async with FaxProvider(HERE, accept_calls=self._accepts, settings=self._engine) as provider:
            say("port", provider.address[1])
            if self._accepts:
                self._begin(self._take_calls(provider))
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
            )
            while line := await reader.readline():
                word, _, rest = line.decode().partition(" ")
                if word == "send":
                    self._placing.append(self._begin(self._place(provider, json.loads(rest))))
                elif word == "abort":
                    for task in self._placing:
                        task.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _place(self, provider: FaxProvider, what: dict[str, Any]) -> None:
        began = time.monotonic()
        settings = call_settings(what.get("settings", {}))
        async with asyncio.TaskGroup() as group:
            for turn in range(what["count"]):
                if what.get("rate"):
                    await asyncio.sleep(began + turn / what["rate"] - time.monotonic())
                document = what["documents"][turn % len(what["documents"])]
                group.create_task(self._send(provider, document, what["to"], settings))

    async def _send(self, provider: FaxProvider, document: str, to: str, settings: CallSettings) -> None:
        number, began = next(self._numbers), time.monotonic()

        def on_event(event: FaxEvent) -> None:
            if isinstance(event, Connected):
                say("connected", number)

        result = await provider.send(document, to, settings=settings, on_event=on_event)
        tell(number, result, began, document)

    async def _take_calls(self, provider: FaxProvider) -> None:
        async for call in provider.calls():
            self._begin(self._receive(call))

    async def _receive(self, call: IncomingFax) -> None:
        number, began = next(self._numbers), time.monotonic()
        say("connected", number)
        result = await call.receive(self._folder / f"{number}.tif", settings=self._settings)
        tell(number, result, began, result.file)


def say(word: str, what: object) -> None:
    print(word, json.dumps(what), flush=True)


def tell(number: int, result: FaxResult, began: float, document: str | None) -> None:
    say(
        "over",
        {
            "number": number,
            "completed": result.completed,
            "status": str(result.status),
            "reason": result.reason,
            "sip_status": result.sip_status,
            "pages": result.pages_confirmed,
            "seconds": result.seconds,
            "waited": time.monotonic() - began,
            "document": document,
            "line": sum(page.seconds for page in result.pages),
        },
    )


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(name)s %(message)s")
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG if name.endswith("workers") else logging.INFO)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with suppress(KeyboardInterrupt):
        asyncio.run(Party(json.loads(sys.argv[1])).run())


if __name__ == "__main__":
    main()
