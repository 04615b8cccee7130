"""A line whose SIP address belongs to a signalling process, reached over a Unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from itertools import count
from socket import AddressFamily

from sip.ipc.codec import WireError
from sip.line import Answerer, CallRequest, LineEvent
from sip.logs import contained, get_logger
from sip.remote.calls import RemoteCalls
from sip.remote.wire import (
    CallHappened,
    Hello,
    Limit,
    Message,
    NotPlaced,
    Peers,
    Redirect,
    Register,
    RegistrationIs,
    Unregister,
    Welcome,
    codec,
)
from sip.syntax.errors import SipError, told
from sip.syntax.sdp import MediaDescription
from sip.transport.listening import WILDCARDS, family_of, host_towards
from sip.ua.registration_messages import RegistrationFailed, RegistrationRequest, RegistrationState
from sip.values import Address, Credentials, Hop

_logger = get_logger(__name__)

_START_LIMIT = 10.0
"""Seconds for the signalling process to respond."""
_RETRY = 1.0
"""Seconds between attempts to connect to a signalling process again."""
_CODEC = codec()
GONE = "the connection to the signalling process is lost"


class SignallingError(SipError):
    """Cannot connect to a signalling process; the text contains the path of its socket."""


class RemoteLine:
    """A ``sip.line.Line`` of the signalling process at the Unix socket ``path``.

    ``name`` identifies this engine there, ``max_incoming`` is the number of incoming calls that we accept at
    a time. ``on_event`` gets each event in a separate callback on the loop, ``on_registration`` each change
    of a registration. ``now`` is ignored: the signalling process has its own clock.

    When the signalling process dies, every call ends with Failed or Ended. We try to connect again every
    second; until that succeeds, new calls fail at once.
    """

    addresses: Sequence[Hop]
    """Where the line listens, once ``start`` has returned."""

    def __init__(
        self,
        on_event: Callable[[LineEvent], None],
        *,
        path: str,
        name: str,
        max_incoming: int,
        on_registration: Callable[[RegistrationState], None] | None = None,
    ) -> None:
        self._on_event = on_event
        self._on_registration = on_registration
        self._path = path
        self._hello = Hello(name, max_incoming)
        self._calls = RemoteCalls(count(1), self._write, ())
        self._registrations: dict[int, RegistrationRequest] = {}
        self._registration_numbers = count(1)
        self._peers: frozenset[str] = frozenset()
        self._limit: int | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._settled = asyncio.Event()
        self._why = ""
        self._advertised: dict[AddressFamily, str] = {}
        self._undo = AsyncExitStack()

    async def start(self) -> None:
        """Connect to the signalling process. Raises SignallingError; then nothing is left open."""
        self._loop = asyncio.get_running_loop()
        try:
            async with AsyncExitStack() as undo:
                await self._start(undo)
                self._undo = undo.pop_all()
        except OSError as error:
            raise SignallingError(f"the signalling process cannot be reached: {told(error)}") from error

    async def _start(self, undo: AsyncExitStack) -> None:
        self._welcomed: asyncio.Future[None] = self._loop.create_future()
        task = self._loop.create_task(self._run())
        undo.push_async_callback(self._disconnect, task)
        done, _ = await asyncio.wait(
            [task, self._welcomed], timeout=_START_LIMIT, return_when=asyncio.FIRST_COMPLETED
        )
        if self._welcomed in done:
            return
        if task in done:
            # An internal error is raised here.
            task.result()
            raise SignallingError(
                f"no signalling process listens at {self._path} ({self._why}); start one as the same user"
            )
        raise SignallingError(f"the signalling process at {self._path} does not respond; look at its log")

    async def close(self, limit: float = 5.0) -> None:
        """Hang up every call, wait at most ``limit`` seconds for confirmation, and disconnect."""
        async with self._undo:
            self._settled.clear()
            for call in self._calls:
                self._calls.hang_up(call, None)
            if len(self._calls):
                try:
                    async with asyncio.timeout(limit):
                        await self._settled.wait()
                except TimeoutError:
                    _logger.warning("closed while the end of %d calls was not confirmed", len(self._calls))

    async def _disconnect(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait([task])
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    # --- addresses ------------------------------------------------------------------------------------------

    @property
    def address(self) -> Address:
        """The first address that the line listens at."""
        return self.addresses[0].address

    @property
    def families(self) -> Sequence[AddressFamily]:
        """The address families that the line listens in."""
        return tuple(dict.fromkeys(family_of(hop.host) for hop in self.addresses))

    def local_host(self, peer: Hop) -> str:
        """Our IP address as ``peer`` sees it; session descriptions for it should contain the same."""
        return self._advertised.get(family_of(peer.host)) or self.interface(peer)

    def interface(self, peer: Hop) -> str:
        """The local IP address on the route to ``peer``; media should be bound to it."""
        family = family_of(peer.host)
        ours = (hop.host for hop in self.addresses if family_of(hop.host) == family)
        return host_towards(next(ours, WILDCARDS[0]), peer)

    # --- verbs ----------------------------------------------------------------------------------------------

    def place(self, request: CallRequest, now: float) -> int:
        """As Line; raises UnsupportedError for an answerer that the signalling process does not allow.

        Any other error in the request is reported as Failed.
        """
        call = self._calls.place(request)
        # Placed all the same, and lost: the caller gets a number, and the reason as an event, as for any
        # other failure.
        if self._writer is None:
            for event in self._calls.lose(GONE):
                self._happened(event)
        return call

    def ring(self, call: int, now: float) -> None:
        self._calls.ring(call)

    def accept(
        self,
        call: int,
        media: Sequence[MediaDescription],
        media_address: str,
        answerer: Answerer,
        now: float,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        """As Line; raises UnsupportedError for an answerer that the signalling process does not allow."""
        self._calls.accept(call, media, media_address, answerer, credentials)

    def refuse(self, call: int, status: int, now: float) -> None:
        self._calls.refuse(call, status)

    def answer_with(self, call: int, answerer: Answerer, now: float) -> None:
        """As Line; raises UnsupportedError for an answerer that the signalling process does not allow."""
        self._calls.answer_with(call, answerer)

    def offer(self, call: int, media: Sequence[MediaDescription], now: float) -> None:
        self._calls.offer(call, media)

    def hang_up(self, call: int, now: float, *, reason: str | None = None) -> None:
        self._calls.hang_up(call, reason)

    def register(self, request: RegistrationRequest, now: float) -> int:
        """Register, or share the same registration of another engine; it ends when the last engine
        unregisters."""
        number = next(self._registration_numbers)
        self._registrations[number] = request
        self._write(Register(number, request))
        return number

    def redirect(self, registration: int, hops: Sequence[Hop]) -> None:
        """Send further REGISTER requests to these hops."""
        if registration in self._registrations:
            self._registrations[registration] = replace(
                self._registrations[registration], destination=tuple(hops)
            )
            self._write(Redirect(registration, hops))

    def unregister(self, registration: int, now: float) -> None:
        self._registrations.pop(registration, None)
        self._write(Unregister(registration))

    def admit(self, addresses: frozenset[str]) -> None:
        """Admit calls from these IP addresses, as long as we are connected."""
        self._peers = addresses
        self._write(Peers(tuple(sorted(addresses))))

    def take_at_most(self, calls: int | None) -> None:
        """While overloaded: accept no more calls than this, in both directions; None removes the limit."""
        self._limit = calls
        self._write(Limit(calls))

    # --- the connection -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Keep the connection, opening it again when it breaks; return if the first attempt fails."""
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(self._path)
            except OSError as error:
                if not self._welcomed.done():
                    self._why = error.strerror or str(error)
                    return
            else:
                self._write(self._hello)
                # Before anything of the calls: this state belongs to a connection, and the process behind
                # it may be new.
                self.admit(self._peers)
                self.take_at_most(self._limit)
                # A new process knows nothing of us: tell it all that the old one knew.
                for number, request in self._registrations.items():
                    self._write(Register(number, request))
                await self._read(reader)
                self._lost()
            await asyncio.sleep(_RETRY)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        decoder = _CODEC.decoder()
        try:
            while data := await reader.read(65536):
                for message in decoder.feed(data):
                    with contained(
                        _logger, "a message of the signalling process was ignored after an internal error"
                    ):
                        self._take(message)
        except WireError as error:
            _logger.error("the signalling process wrote an invalid message: %s", error)
        except ConnectionError as error:
            _logger.warning("the connection to the signalling process broke: %s", error)
        except Exception:
            # The decoder is in an unknown state: open another connection.
            _logger.exception("reading from the signalling process failed with an internal error")

    def _lost(self) -> None:
        calls = len(self._calls)
        # A signalling process that was stopped normally has ended its calls before.
        with_it = f", and {calls} call{'' if calls == 1 else 's'} with it" if calls else ""
        _logger.warning(
            "the connection to the signalling process at %s is lost%s; no call can be placed or accepted "
            "until it is back, which is tried every second",
            self._path,
            with_it,
        )
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for event in self._calls.lose(GONE):
            self._happened(event)
        for number in self._registrations:
            self._registered(RegistrationFailed(number, 503, GONE, self._loop.time() + _RETRY))

    def _write(self, message: Message) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(_CODEC.encode(message))

    def _take(self, message: Message) -> None:
        match message:
            case CallHappened(event):
                self._tell(self._calls.event(event))
            case NotPlaced(call, reason):
                self._tell(self._calls.not_placed(call, reason))
            case RegistrationIs(state):
                if state.registration in self._registrations:
                    self._registered(state)
            case Welcome(addresses, advertised, answerers):
                self.addresses = addresses
                self._advertised = {family_of(host): host for host in advertised}
                self._calls.answerers = answerers
                if self._welcomed.done():
                    _logger.warning("connected to the signalling process at %s again", self._path)
                else:
                    self._welcomed.set_result(None)

    def _tell(self, event: LineEvent | None) -> None:
        if event is not None:
            self._happened(event)

    def _happened(self, event: LineEvent) -> None:
        # Never from inside a verb: the caller does not have the number of its call yet.
        self._loop.call_soon(self._on_event, event)
        if not len(self._calls):
            self._settled.set()

    def _registered(self, state: RegistrationState) -> None:
        if self._on_registration is not None:
            self._loop.call_soon(self._on_registration, state)
