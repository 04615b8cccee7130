"""P15: an hour (``--minutes``) of mixed load on ``t38fsp serve``: sending, receiving, cancelling, lists.

Faxes of a short page are submitted by REST, some are cancelled, others call in and are delivered into a
folder, and clients list what there is. Memory and descriptors of all processes of the service are sampled
each minute. At the end every fax is accounted for: by its state, at the far end, and in the journal.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.harness.faxes import MANY
from tests.benchmarks.harness.figures import Outcome, Plan, Row
from tests.benchmarks.harness.ours import Ours, ours
from tests.benchmarks.harness.pages import Kind, document
from tests.benchmarks.harness.processes import Child, Usage, child, python

_MIB = 1 << 20
_OF_CANCELLED = 8
"""One fax of so many is cancelled."""
_NUMBERS = 40
_FILE = """
listen = "127.0.0.1:0"
[routes.out]
peer = "127.0.0.1:{port}"
channels = 12
[service]
state = "state"
host = "here"
# Calls that come from the peer of the route use its channels, too.
reserve = 4
[service.web]
listen = ""
socket = "api"
[service.targets.inbox]
folder = "inbox"
format = "both"
[[service.rules]]
name = "all"
deliver = ["inbox"]
"""


async def measure(plan: Plan, folder: Path) -> Outcome:
    seconds = 60 * plan.of(plan.minutes, min(plan.minutes, 3.0), 0.3)
    fax = document(folder / "light.tif", Kind.LIGHT, 1, rows=plan.of(300, 300, 100))
    async with (
        ours(folder / "far", accept=True, settings=plan.pace, max_calls=MANY) as far,
        ours(folder / "caller", max_calls=MANY) as near,
        _serve(folder, far.port) as (service, sip, client),
    ):
        load = _Load(client, fax)
        every = plan.of(4.0, 4.0, 1.0)
        incoming = max(1, round(seconds / 10))
        near.send([fax], f"sip:+15550999@127.0.0.1:{sip}", incoming, rate=0.1, **plan.pace)
        samples: list[Usage] = []
        async with asyncio.timeout(seconds + 600):
            tasks = [asyncio.create_task(load.submit(seconds, every)), asyncio.create_task(load.look())]
            sample_each = plan.of(60.0, 10.0, 1.0)
            while not tasks[0].done() or not await load.is_over() or len(near.over) < incoming:
                samples.append(service.usage())
                await asyncio.sleep(sample_each)
            tasks[0].result()
            tasks[1].cancel()
        return await _outcome(load, far, near, folder, samples, incoming, seconds)


async def _outcome(
    load: _Load,
    far: Ours,
    near: Ours,
    folder: Path,
    samples: list[Usage],
    incoming: int,
    seconds: float,
) -> Outcome:
    states = Counter(each["state"] for each in await load.everything("/v1/faxes"))
    calls = await load.everything("/v1/journal")
    received = await load.everything("/v1/received")
    # A delivery into the folder is made after the caller has its result.
    for _ in range(60):
        files = len(list((folder / "inbox").glob("*.tif"))), len(list((folder / "inbox").glob("*.pdf")))
        if files == (incoming, incoming):
            break
        await asyncio.sleep(1.0)
    delivered = states["delivered"]
    wrong = load.submitted - delivered - states["cancelled"] + incoming - len(near.completed)
    quarter = max(1, len(samples) // 4)
    second, last = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    memory = (max(s.resident for s in last) - max(s.resident for s in second)) / _MIB
    descriptors = max(s.descriptors for s in last) - max(s.descriptors for s in second)
    arrived = sum(each.completed for each in far.over)
    rows = [
        Row("faxes neither delivered nor cancelled", load.submitted - delivered - states["cancelled"],
            f"of {load.submitted}", 0.0),
        Row("delivered less arrived at the far end", delivered - arrived, f"of {delivered}", 0.0),
        Row("files missing in the inbox", 2 * incoming - sum(files), f"of {2 * incoming}", 0.0),
        Row("calls missing in the journal", arrived
            - sum(each["result"]["completed"] for each in calls), f"of {len(calls)}", 0.0),
        Row("received faxes not listed", incoming - len(received), f"of {incoming}", 0.0),
        Row("answers of 500 or more", load.faults, f"of {load.requests} requests", 0.0),
        Row("RSS of all processes, growth", memory, "MiB", 0.05 * max(s.resident for s in second) / _MIB,
            note=f"{max(s.resident for s in last) / _MIB:.0f} MiB at the end"),
        Row("descriptors, growth", descriptors, "", 0.05 * max(s.descriptors for s in second),
            note=f"{max(s.descriptors for s in last)} at the end"),
    ]  # fmt: skip
    notes = [f"{seconds / 60:.1f} minutes; states {dict(states)}", *near.failures(), *far.failures()]
    notes += [
        f"sample {number}: {sample.resident / _MIB:.0f} MiB, {sample.descriptors} descriptors, "
        f"{sample.processes} processes"
        for number, sample in enumerate(samples)
        if number % max(1, len(samples) // 12) == 0
    ]
    return Outcome(rows, notes=notes, faxes=load.submitted + incoming, wrong=wrong)


class _Load:
    """What clients do."""

    def __init__(self, client: httpx.AsyncClient, fax: Path) -> None:
        self._client = client
        self._fax = fax.read_bytes()
        self._random = random.Random(15)
        self._cancelling: set[asyncio.Task[None]] = set()
        self.submitted = self.requests = self.faults = 0

    async def _ask(self, method: str, path: str, **given: Any) -> Any:
        answer = await self._client.request(method, path, **given)
        self.requests += 1
        self.faults += answer.status_code >= 500
        # A fax may be over before it is cancelled.
        if answer.status_code not in (409,):
            answer.raise_for_status()
        return answer.json() if answer.content else None

    async def submit(self, seconds: float, every: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            number = f"+1555010{self._random.randrange(_NUMBERS):04}"
            job = await self._ask(
                "POST", "/v1/faxes", data={"to": number}, files={"document": ("light.tif", self._fax)}
            )
            self.submitted += 1
            if self.submitted % _OF_CANCELLED == 0:
                task = asyncio.create_task(self._cancel(job["id"], self._random.uniform(0.0, 30.0)))
                self._cancelling.add(task)
                task.add_done_callback(self._cancelling.discard)
            await asyncio.sleep(every)
        await asyncio.gather(*self._cancelling)

    async def _cancel(self, job: str, after: float) -> None:
        await asyncio.sleep(after)
        await self._ask("POST", f"/v1/jobs/{job}/cancel")

    async def look(self) -> None:
        """List and show, again and again."""
        while True:
            (*listed,) = (await self._ask("GET", "/v1/faxes", params={"limit": 50}))["items"]
            for path in ("/v1/received", "/v1/routes", "/v1/journal", "/v1/hosts", "/readyz"):
                await self._ask("GET", path)
            if listed:
                await self._ask("GET", f"/v1/faxes/{self._random.choice(listed)['id']}")
            metrics = await self._client.get("/metrics")
            self.requests += 1
            self.faults += metrics.status_code >= 500
            await asyncio.sleep(1.0)

    async def is_over(self) -> bool:
        open_faxes = [
            await self._ask("GET", "/v1/faxes", params={"state": state, "limit": 1})
            for state in ("queued", "sending")
        ]
        return not any(each["items"] for each in open_faxes)

    async def everything(self, path: str) -> list[Any]:
        """All pages of a list."""
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self._ask("GET", path, params={"limit": 100, **cursor})
            found += page["items"]
            if not page["next"]:
                return found
            cursor = {"cursor": page["next"]}


@asynccontextmanager
async def _serve(folder: Path, port: int) -> AsyncIterator[tuple[Child, int, httpx.AsyncClient]]:
    """The service as a process, its SIP port, and a client of its socket."""
    file = folder / "t38fsp.toml"
    file.write_text(_FILE.format(port=port), encoding="utf-8")
    (folder / "inbox").mkdir()
    command = python("-c", _IN, str(folder), "serve", "--config", str(file))
    async with child(*command, log=folder / "serve.log", name="the service", grace=60.0) as service:
        listening = await service.expect("listening", 60.0)
        while not (await service.line() or "ready").startswith("ready"):
            pass
        transport = httpx.AsyncHTTPTransport(uds=str(folder / "api"))
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60.0) as client:
            yield service, int(listening[-1].rpartition(":")[2]), client
        os.kill(service.pid, signal.SIGTERM)


_IN = "import os, sys; os.chdir(sys.argv.pop(1)); from t38fsp.cli import main; main()"
