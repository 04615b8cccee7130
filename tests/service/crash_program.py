"""A program that runs a service as two processes which are killed in mid-call, again and again.

``python -m tests.service.crash_program PLAN``: see :class:`Plan`. What the stand-in's calls do is written
into a log that no database and no service is involved in (:mod:`tests.service.call_log`). The processes are
forked from this one, so that a start does not import all that again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sip.values import DialogId
from t38fsp.events import Connected, Dialing, Finished, PageDone, PageStarted
from t38fsp.outcome import Outcome
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult, PageRecord
from t38fsp.service import attempt_records, durable, jobs  # noqa: F401  # imported before the fork
from t38fsp.service.attempts import Attempts
from t38fsp.service.call_rules import Rules
from t38fsp.service.caller import Caller, CallOrder, OnConnected, OnEvent
from t38fsp.service.database import Database, DatabaseError
from t38fsp.service.jobs import QueuePlace
from t38fsp.service.policy.retry import RetryPolicy, RetryRule
from t38fsp.service.preparing import Preparing, ProviderCaller
from t38fsp.service.queue_settings import QueueSettings
from t38fsp.service.service import FaxService
from t38fsp.service.submission import Submission
from t38fsp.service.values import Receiver
from t38fsp.settings.file import direct_route
from tests.service.call_log import CallLog

SOON = RetryRule(first_delay=1.0, growth=1.0)


@dataclass(frozen=True)
class Plan:
    """``kills`` are pairs: seconds after the last one, and whether the process is started again at once; else
    the other one has to adopt its calls, and it is started before the next kill."""

    url: str
    log: str
    errors: str
    kills: list[tuple[float, bool]]
    faxes: int = 24
    numbers: int = 12
    channels: int = 6
    pages: int = 3
    page_seconds: float = 0.5
    dial_seconds: float = 0.3
    patience: float = 90.0
    hosts: tuple[str, ...] = ("first", "second")
    peer: str = ""
    """HOST:PORT that real calls go to, with the file ``document``, instead of those of the stand-in."""
    document: str = ""
    drain_after: float = 0.0
    """Seconds after which the first host gets SIGTERM, and is not started again."""
    die: str = ""
    """Where the first process dies in its last attempt: ``call``, when the call is over and nothing of its
    end is stored; ``end``, when all of it is stored in our tables, but the durable engine does not know;
    ``page``, soon after the first page was confirmed."""


class LoggedCalls:
    """Calls that take their time and are written into the log, with the pages that far ends printed."""

    def __init__(self, plan: Plan, host: str) -> None:
        self._plan = plan
        self._log = CallLog(Path(plan.log), host)

    async def call(self, order: CallOrder, on_event: OnEvent, on_connected: OnConnected) -> FaxResult:
        fax, number = order.fax.id, order.fax.number
        self._log.write("dial", fax, number)
        records: list[PageRecord] = []
        try:
            on_event(Dialing(number))
            await asyncio.sleep(self._plan.dial_seconds)
            dialog = DialogId(f"call-{fax}", "ours", "theirs")
            on_event(Connected(dialog))
            if not await on_connected(dialog):
                return self._over(order, Outcome.CANCELLED, records, on_event)
            for page in range(order.first_page, self._plan.pages + 1):
                on_event(PageStarted(page, self._plan.pages))
                await asyncio.sleep(self._plan.page_seconds)
                self._log.write("page", fax, number, page)
                records.append(PageRecord(page, True, "MCF"))
                on_event(PageDone(records[-1]))
            return self._over(order, Outcome.COMPLETED, records, on_event)
        except asyncio.CancelledError:
            self._over(order, Outcome.CANCELLED, records, on_event)
            raise
        finally:
            self._log.write("end", fax, number)

    def _over(
        self, order: CallOrder, outcome: Outcome, records: list[PageRecord], on_event: OnEvent
    ) -> FaxResult:
        result = FaxResult(
            outcome.status,
            outcome.value,
            retry=outcome is not Outcome.COMPLETED,
            pages=tuple(records),
            first_page=order.first_page,
            outcome=outcome,
        )
        on_event(Finished(result))
        return result


async def serve(plan: Plan, host: str) -> None:
    database = Database(plan.url)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    policy = RetryPolicy(jitter=0.0, busy=SOON, line=SOON, partial=SOON, other=SOON, no_answer=SOON)
    async with AsyncExitStack() as stack:
        caller: Caller = LoggedCalls(plan, host)
        if plan.peer:
            route = direct_route(peer=plan.peer).named("trunk")
            provider = await stack.enter_async_context(FaxProvider(("127.0.0.1", 0), routes=[route]))
            preparing = await stack.enter_async_context(Preparing(database))
            caller = ProviderCaller(provider, preparing)
        await stack.enter_async_context(
            FaxService(
                database,
                caller,
                {"trunk": plan.channels},
                rules=Rules(policy),
                settings=QueueSettings(drain=30.0),
                host=host,
            )
        )
        await stop.wait()
    await database.close()


def start(plan: Plan, host: str, *, again: bool = False) -> int:
    process = os.fork()
    if process:
        return process
    try:
        if plan.die and not again:
            die_in(plan.die, plan.faxes)
        logging.basicConfig(
            filename=plan.errors, level=logging.WARNING, format=f"%(created).3f {host} %(message)s"
        )
        asyncio.run(serve(plan, host))
    except BaseException:
        logging.exception("the service ended")
        os._exit(1)
    os._exit(0)


def die_in(where: str, attempts: int) -> None:
    """Have this process die in the last of this number of attempts."""
    if where == "page":
        die_after_a_page()
        return
    name = {"call": "_call", "end": "_run"}[where]
    original = getattr(Attempts, name)
    done = 0

    async def until_then(self: Attempts, *arguments: object) -> object:
        nonlocal done
        result = await original(self, *arguments)
        done += 1
        if done == attempts:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(Attempts, name, until_then)


def die_after_a_page() -> None:
    original = attempt_records.page_confirmed

    def and_die(*arguments: Any) -> None:
        original(*arguments)
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGKILL)).start()

    attempt_records.page_confirmed = and_die


def end(process: int, number: signal.Signals) -> None:
    os.kill(process, number)
    os.waitpid(process, 0)


def submit(plan: Plan) -> str:
    """By a program that runs no service."""
    database = Database(plan.url)
    database.create()
    numbers = [f"+1555010{at % plan.numbers:02}" for at in range(plan.faxes)]
    content = Path(plan.document).read_bytes() if plan.document else b"content"
    given = Submission((("letter.tif", content),), tuple(map(Receiver, numbers)))
    targets = [QueuePlace(number, ("trunk",), None) for number in numbers]
    job, _ = database.transact(
        lambda connection: jobs.insert_job(connection, given, targets, "", time.time())
    )
    database.engine.dispose()
    return job


def unfinished(plan: Plan, job: str) -> int:
    """All, while the database cannot be reached."""
    database = Database(plan.url)
    try:
        faxes = database.transact(lambda connection: jobs.faxes_of(connection, job))
    except DatabaseError:
        return plan.faxes
    finally:
        database.engine.dispose()
    return sum(not each.state.final for each in faxes)


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    log = CallLog(Path(plan.log), "controller")
    job = submit(plan)
    processes = {host: start(plan, host) for host in plan.hosts}
    try:
        if plan.die:
            (host,) = plan.hosts
            os.waitpid(processes[host], 0)
            log.write("kill", host, "")
            processes[host] = start(plan, host, again=True)
        if plan.drain_after:
            time.sleep(plan.drain_after)
            end(processes.pop(plan.hosts[0]), signal.SIGTERM)
        for at, (seconds, again) in enumerate(plan.kills):
            time.sleep(seconds)
            host, other = ("first", "second") if at % 2 == 0 else ("second", "first")
            if other not in processes:
                processes[other] = start(plan, other)
                time.sleep(1.0)
            if host not in processes:
                continue
            end(processes.pop(host), signal.SIGKILL)
            log.write("kill", host, "")
            if again:
                processes[host] = start(plan, host)
        until = time.monotonic() + plan.patience
        while unfinished(plan, job) and time.monotonic() < until:
            time.sleep(0.5)
    finally:
        for process in processes.values():
            end(process, signal.SIGTERM)
    print(job)


def command(plan: Plan) -> list[str]:
    """The command that runs a plan."""
    return [sys.executable, "-m", "tests.service.crash_program", json.dumps(asdict(plan))]


if __name__ == "__main__":
    main()
