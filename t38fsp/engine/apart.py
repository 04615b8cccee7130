"""Engine processes for a program with an event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from sip.logs import get_logger
from sip.values import Address, Hop
from t38fsp.call.verdict import result_of, verdict
from t38fsp.engine.known_facts import KnownFacts
from t38fsp.engine.remote import EngineProcess
from t38fsp.engine.remote_job import ABORT_LIMIT, RemoteJob
from t38fsp.events import FaxEvent, Finished, RegistrationChanged
from t38fsp.jobs import EngineError, EngineSettings, Observer, PollJob, ReceiveJob, SendJob, WaitingCall
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult

_logger = get_logger(__name__)

What = TypeVar("What", SendJob, PollJob, ReceiveJob)


class EngineApart:
    """The processes of :class:`~t38fsp.engine.remote.EngineProcess` as one engine (``t38fsp.jobs.Engine``).

    Call every method on the loop's thread; callbacks run there, too. A separate thread writes the commands,
    in order, because a full pipe blocks.
    """

    def __init__(
        self,
        settings: EngineSettings,
        on_incoming: Callable[[WaitingCall], None],
        on_gone: Callable[[int], None],
        on_registration: Callable[[RegistrationChanged], None] | None = None,
    ) -> None:
        self._process = EngineProcess(
            settings,
            lambda call: self._tell(on_incoming, call),
            lambda call: self._tell(on_gone, call),
            on_registration=None
            if on_registration is None
            else lambda event: self._tell(on_registration, event),
        )
        self._observers: dict[int, Observer] = {}
        """The jobs that are not over, with their observers."""
        self._jobs: dict[int, RemoteJob] = {}
        """The jobs that an engine process has; only the command thread changes it."""
        self._patience: dict[int, asyncio.TimerHandle] = {}
        """When to stop waiting for the end of each aborted job."""

    async def start(self) -> Address:
        """Raises EngineError."""
        self._loop = asyncio.get_running_loop()
        # One worker: the commands of a job must reach its process in the order in which they were given.
        self._commands = ThreadPoolExecutor(1, "t38fsp-commands")
        try:
            return await asyncio.shield(self._loop.run_in_executor(self._commands, self._process.start))
        except BaseException as error:
            # A cancelled start would still run in its thread: wait for it.
            await self.close()
            if isinstance(error, RuntimeError):
                raise EngineError(f"the engine processes cannot be used: {error}") from error
            raise

    @property
    def addresses(self) -> Sequence[Hop]:
        return self._process.addresses

    async def close(self, drain: float = 0.0) -> None:
        # Beside the commands, which are still to come through while calls drain.
        try:
            await asyncio.shield(self._loop.run_in_executor(None, self._process.close, drain))
        except RuntimeError:
            # No thread can be started. Then none has started an engine process either, and this is quick.
            self._process.close(drain)
        finally:
            self._commands.shutdown(wait=False)
            for timer in self._patience.values():
                timer.cancel()

    def send(self, job: int, what: SendJob, observer: Observer) -> None:
        self._begin(job, what, observer, self._process.send)

    def poll(self, job: int, what: PollJob, observer: Observer) -> None:
        self._begin(job, what, observer, self._process.poll)

    def receive(self, job: int, what: ReceiveJob, observer: Observer) -> None:
        if what.offer is not None:
            document = os.path.abspath(what.offer.document)
            what = replace(what, offer=replace(what.offer, document=document))
        self._begin(job, what, observer, self._process.receive)

    def proceed(self, job: int, go_on: bool) -> None:
        self._with(job, lambda remote: remote.proceed(go_on))

    def abort(self, job: int) -> None:
        if job in self._observers and job not in self._patience:
            self._patience[job] = self._loop.call_later(ABORT_LIMIT, self._give_up, job)
            self._with(job, RemoteJob.abort)

    def refuse(self, call: int, status: int = 486) -> None:
        self._command(lambda: self._process.refuse(call, status))

    # --- inside ---------------------------------------------------------------------------------------------

    def _begin(
        self, job: int, what: What, observer: Observer, verb: Callable[[What, Observer], RemoteJob]
    ) -> None:
        # The processes may have another current directory than the program has by now.
        if isinstance(what, ReceiveJob):
            # Kept for the result, which names files as the program did.
            given = {os.path.abspath(what.file): what.file}
            what = replace(what, file=os.path.abspath(what.file))
        else:
            given = {os.path.abspath(file): file for file in what.files}
            what = replace(what, files=tuple(map(os.path.abspath, what.files)))

        def tell(event: FaxEvent) -> None:
            if isinstance(event, Finished):
                event = Finished(_named(event.result, given))
            self._tell(self._happened, job, event)

        def begin() -> None:
            try:
                self._jobs[job] = verb(what, tell)
            except EngineError as error:
                failed = result_of(verdict(Outcome.UNAVAILABLE, str(error)))
                tell(Finished(KnownFacts(what).complete(failed)))

        self._observers[job] = observer
        # After close() nothing runs any more: the job still needs its end.
        if not self._command(begin):
            closed = result_of(verdict(Outcome.UNAVAILABLE, "the engine is shutting down"))
            tell(Finished(KnownFacts(what).complete(closed)))

    def _with(self, job: int, do: Callable[[RemoteJob], None]) -> None:
        def command() -> None:
            if (remote := self._jobs.get(job)) is not None:
                do(remote)

        self._command(command)

    def _command(self, command: Callable[[], object]) -> bool:
        """False when the engine is closed, and no job of it is left."""

        def obey() -> None:
            try:
                command()
            except Exception:
                _logger.exception("a command to an engine process failed with an internal error")

        try:
            self._commands.submit(obey)
        except RuntimeError:
            return False
        return True

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        """Run on the loop; any thread may call this."""
        with suppress(RuntimeError):  # the loop is closed: there is no receiver any more
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _happened(self, job: int, event: FaxEvent) -> None:
        if job not in self._observers:
            return
        observer = self._observers[job]
        if isinstance(event, Finished):
            del self._observers[job]
            self._command(lambda: self._jobs.pop(job, None))
            if (timer := self._patience.pop(job, None)) is not None:
                timer.cancel()
        observer(event)

    def _give_up(self, job: int) -> None:
        # Ended here even though its process is silent: a cancelled task must not wait for a process that
        # hangs.
        remote = self._jobs.get(job)
        if remote is None:
            cancelled = result_of(verdict(Outcome.CANCELLED, "the fax was cancelled before it began"))
            self._happened(job, Finished(cancelled))
        else:
            self._happened(job, remote.given_up())


def _named(result: FaxResult, given: Mapping[str, str]) -> FaxResult:
    """``result`` with the names of files as the program gave them, by their absolute paths."""
    return replace(
        result,
        documents=tuple(given.get(document, document) for document in result.documents),
        file=given.get(result.file or "", result.file),
    )
