"""A virtual gateway on real sockets that runs beside the program, on its own thread and loop.

For tests, which may block or run an event loop of their own. Results that come later are of type
``concurrent.futures.Future``: ``future.result(60)`` waits for one in a thread, ``await
asyncio.wrap_future(future)`` on a loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Self

from sip.line import Incoming
from sip.syntax.errors import SipError, told
from sip.syntax.uri import Uri
from sip.transport.listening import ListenError
from sip.values import Address
from t38fsp.events import FaxEvent, Finished
from t38fsp.results import FaxResult
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.virtual.documents import DocumentFile, GrowingFile
from t38fsp.virtual.gateway_call import GatewayCall
from t38fsp.virtual.hooks import Quirk
from t38fsp.virtual.network import Faults
from t38fsp.virtual.sockets import NO_FAULTS, SocketGateway

_CLOSE_LIMIT = 10.0
"""Seconds; the gateway itself needs five at most."""


@dataclass(frozen=True, slots=True)
class GatewayFax:
    """A call of the gateway that is over."""

    result: FaxResult
    """As its machine sees it."""
    file: Path
    """The document that it sent, or the file of the received pages, which exists only if there are any."""
    shown: Counter[str]
    """How often each quirk took effect, of those that can be counted."""


class BackgroundGateway:
    """Takes calls as soon as it is made, each into a file of ``folder``. Close it, or use it as a context.

    ``listen`` with port 0 takes a free port. Raises SipError if the address cannot be bound.
    """

    def __init__(
        self,
        folder: Path,
        quirks: Sequence[Quirk] = (),
        faults: Faults = NO_FAULTS,
        *,
        listen: Address = ("127.0.0.1", 0),
        transmit: TransmitOptions | None = None,
        receive: ReceiveOptions | None = None,
        random: Random | None = None,
    ) -> None:
        self._folder = folder
        self._transmit = transmit
        self._receive = receive
        self._gateway = SocketGateway(listen, quirks, faults, random=random or Random())
        self._gateway.on_event = self._on_event
        self._numbers = count(1)
        # Shared by the thread that waits for faxes and by the loop that ends them.
        self._lock = threading.Lock()
        self._unclaimed: deque[GatewayFax] = deque()
        self._waiting: deque[Future[GatewayFax]] = deque()
        self._placed: dict[int, tuple[Future[GatewayFax], Path]] = {}
        self._files: dict[int, GrowingFile] = {}
        # Made here, awaited on the thread: an event belongs to no loop until something waits for it.
        self._stop = asyncio.Event()
        started: Future[Address] = Future()
        # A daemon: a test that forgets to close its gateway still ends.
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="virtual gateway", daemon=True
        )
        try:
            # Before the thread: a loop needs descriptors, and a lack of them is to be raised here.
            self._loop = asyncio.new_event_loop()
        except OSError as error:
            raise ListenError(f"the virtual gateway cannot start: {told(error)}") from error
        try:
            self._thread.start()
        except BaseException as error:
            self._loop.close()
            # "can't start new thread"
            if isinstance(error, RuntimeError):
                raise ListenError(f"the virtual gateway cannot start: {error}") from error
            raise
        try:
            self.address = started.result()
            """Where it takes calls."""
        except BaseException:
            self.close()
            raise

    def uri(self, user: str = "100") -> str:
        """The SIP URI to call."""
        return str(Uri("sip", user, *self.address))

    def next_fax(self) -> Future[GatewayFax]:
        """The next incoming call that has ended; each call is returned once, in the order of their ends."""
        future: Future[GatewayFax] = Future()
        with self._lock:
            if self._unclaimed:
                future.set_result(self._unclaimed.popleft())
            else:
                self._waiting.append(future)
        return future

    def call(self, target: str, document: Path) -> Future[GatewayFax]:
        """Send the document to ``target``, a SIP URI.

        Raises DocumentError if it cannot be faxed; the future raises the SipError or OSError of a call that
        cannot be placed.
        """
        loaded = DocumentFile(document)
        future: Future[GatewayFax] = Future()
        asyncio.run_coroutine_threadsafe(self._call(target, loaded, future), self._loop)
        return future

    def close(self) -> None:
        """End every call, and stop. Pending futures are cancelled."""
        with suppress(RuntimeError):  # the loop is closed: it has ended
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_CLOSE_LIMIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- on the thread --------------------------------------------------------------------------------------

    def _run(self, started: Future[Address]) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: Future[Address]) -> None:
        address = await self._gateway.start()
        # In reverse order: calls are ended first, so that their faxes still reach those that wait for
        # them; what is left then is cancelled.
        async with AsyncExitStack() as undo:
            undo.callback(self._cancel_waiting)
            undo.push_async_callback(self._gateway.close)
            self._gateway.answer_calls(self._file_for, self._receive)
            started.set_result(address)
            await self._stop.wait()

    def _cancel_waiting(self) -> None:
        with self._lock:
            for future in (*self._waiting, *(future for future, _ in self._placed.values())):
                future.cancel()
            self._waiting.clear()

    async def _call(self, target: str, loaded: DocumentFile, future: Future[GatewayFax]) -> None:
        try:
            call = await self._gateway.call(target, loaded, self._transmit)
        except (SipError, OSError) as error:
            future.set_exception(error)
        else:
            self._placed[call.line_call] = future, loaded.path

    def _file_for(self, incoming: Incoming) -> GrowingFile:
        file = self._files[incoming.call] = GrowingFile(self._folder / f"received-{next(self._numbers)}.tif")
        return file

    def _on_event(self, call: GatewayCall, event: FaxEvent) -> None:
        if not isinstance(event, Finished):
            return
        if call.line_call in self._placed:
            future, path = self._placed.pop(call.line_call)
            _fulfil(future, GatewayFax(event.result, path, call.happened))
            return
        file = self._files.pop(call.line_call)
        with suppress(OSError):
            # The pages are stored even if their number cannot be written into them.
            file.finish()
        fax = GatewayFax(event.result, file.path, call.happened)
        with self._lock:
            # A future that was cancelled takes no fax; the next one gets it.
            while self._waiting:
                if _fulfil(self._waiting.popleft(), fax):
                    return
            self._unclaimed.append(fax)


def _fulfil(future: Future[GatewayFax], fax: GatewayFax) -> bool:
    """Set the result of ``future``; false if it was cancelled."""
    try:
        future.set_result(fax)
    except InvalidStateError:
        return False
    return True
