"""An engine without a network: the user part of the target says what becomes of the fax.

``dial-ring-answer-switch-page-done-bye-completed`` is a whole call. ``hold`` waits until the job is aborted,
``block`` blocks the engine, and the name of a FaxStatus is the end. ``call-`` and a script makes a call come
in which goes like that when it is taken; the job itself is then over at once. ``gone`` makes the caller of
the last one hang up, and ``full`` is an engine that has too much to do.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine

from sip.values import DialogId, Hop
from t38fsp.events import (
    Connected,
    Dialing,
    Disconnected,
    Finished,
    Identified,
    PageDone,
    PageStarted,
    RegistrationChanged,
    RegistrationStatus,
    Ringing,
    SwitchedToT38,
)
from t38fsp.jobs import EngineError, EngineSettings, Observer, PollJob, ReceiveJob, SendJob, WaitingCall
from t38fsp.results import FaxResult, PageRecord
from t38fsp.status import FaxStatus

_logger = logging.getLogger("t38fsp.fake")

DIALOG = DialogId("call-1@127.0.0.1", "ours", "theirs")


class FakeEngine:
    def __init__(
        self,
        settings: EngineSettings,
        on_incoming: Callable[[WaitingCall], None],
        on_gone: Callable[[int], None],
        on_registration: Callable[[RegistrationChanged], None],
        on_limit: Callable[[int | None], None],
    ) -> None:
        self._settings = settings
        self._on_incoming = on_incoming
        self._on_gone = on_gone
        self._on_registration = on_registration
        self._on_limit = on_limit
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._verdicts: dict[int, asyncio.Future[bool]] = {}
        self._waiting: dict[int, str] = {}

    async def start(self) -> tuple[str, int]:
        if self._settings.listen[0] == "203.0.113.1":
            raise EngineError("203.0.113.1 is no address of this machine; listen on 0.0.0.0")
        _logger.warning("started")
        for route in self._settings.routes:
            self._on_registration(RegistrationChanged(route.name, RegistrationStatus.REGISTERED, "", 600.0))
        print("what an engine prints is no report")
        return self._settings.listen

    @property
    def addresses(self) -> list[Hop]:
        return [Hop(*self._settings.listen)]

    def send(self, job: int, what: SendJob, observer: Observer) -> None:
        script = what.target.removeprefix("sip:").partition("@")[0]
        if script.startswith("call-"):
            # A call comes in, from a caller who is named after its script.
            call = len(self._waiting) + 1
            self._waiting[call] = script.removeprefix("call-")
            self._on_incoming(WaitingCall(call, f"sip:{self._waiting[call]}@far", "Far", "sip:+15550199@us"))
            script = "completed"
        elif script == "full":
            self._on_limit(0)
            script = "completed"
        elif script == "gone":
            self._on_gone(len(self._waiting))
            script = "completed"
        self._verdicts[job] = asyncio.get_running_loop().create_future()
        sender = what.settings.station_id + (f" headed {what.header.name!r}" if what.header else "")
        self._run(job, self._play(job, script, observer, sender), observer)

    def poll(self, job: int, what: PollJob, observer: Observer) -> None:
        script = what.target.removeprefix("sip:").partition("@")[0]
        self._run(job, self._play(job, script, observer, f"polls {what.poll.selective_address}"), observer)

    def receive(self, job: int, what: ReceiveJob, observer: Observer) -> None:
        script = self._waiting[what.call]
        self._verdicts[job] = asyncio.get_running_loop().create_future()
        self._verdicts[job].set_result(True)
        self._run(job, self._play(job, script, observer, what.settings.station_id), observer)

    def proceed(self, job: int, go_on: bool) -> None:
        self._verdicts[job].set_result(go_on)

    def abort(self, job: int) -> None:
        self._tasks[job].cancel()

    def refuse(self, call: int, status: int = 486) -> None:
        _logger.warning("refused call %d of %s", call, self._waiting[call])

    def forsake(self) -> None:
        print("the program is gone")

    async def close(self, drain: float = 0.0) -> None:
        if self._tasks and drain > 0:
            await asyncio.wait(self._tasks.values(), timeout=drain)
        live = [task for task in self._tasks.values() if not task.done()]
        print(f"closed with {len(live)} jobs")
        for task in live:
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _run(self, job: int, play: Coroutine[object, object, None], observer: Observer) -> None:
        def over(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                observer(Finished(FaxResult(FaxStatus.USER_ABORT, "aborted")))

        self._tasks[job] = asyncio.create_task(play)
        self._tasks[job].add_done_callback(over)

    async def _play(self, job: int, script: str, observer: Observer, station_id: str) -> None:
        pages, dialog = 0, None
        for step in script.split("-"):
            match step:
                case "dial":
                    observer(Dialing("sip:far"))
                case "ring":
                    observer(Ringing(180, "Ringing"))
                case "answer":
                    dialog = DIALOG
                    observer(Connected(DIALOG))
                    if not await self._verdicts[job]:
                        observer(Disconnected(DIALOG, remote=False))
                        observer(Finished(FaxResult(FaxStatus.USER_ABORT, "the application said no")))
                        return
                case "switch":
                    observer(SwitchedToT38(DIALOG, ours=False))
                    observer(Identified("+15550123"))
                case "page":
                    pages += 1
                    observer(PageStarted(pages, 2))
                case "done":
                    observer(PageDone(PageRecord(pages, True, "MCF", 14400)))
                case "bye":
                    observer(Disconnected(DIALOG, remote=True))
                case "block":
                    threading.Event().wait()  # the loop, that is
                case "hold":
                    await asyncio.get_running_loop().create_future()
                case _:
                    status = FaxStatus[step.upper()]
                    reason = f"{step} as {station_id!r}"
                    observer(Finished(FaxResult(status, reason, dialog=dialog, remote_id="+15550123")))
