"""The side with the SIP address: one line shared by engines, which connect to a Unix socket.

A rule chooses the engine for each incoming call. When an engine dies, its calls are hung up, and
registrations that no other engine uses are removed. Equal registrations of several engines are one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain, count
from math import inf
from typing import Protocol

from sip.ipc.codec import WireError
from sip.ipc.unix_socket import SocketError, bind
from sip.line import CallRequest, Ended, Failed, Incoming, LineEvent, SipLine
from sip.logs import contained, get_logger
from sip.remote.rules import EngineLoad, Rule, least_busy
from sip.remote.wire import (
    Accept,
    AnswerWith,
    CallHappened,
    HangUp,
    Hello,
    Limit,
    Message,
    NotPlaced,
    Offer,
    Peers,
    Place,
    Redirect,
    Refuse,
    Register,
    RegistrationIs,
    Ring,
    Unregister,
    Verb,
    Welcome,
    codec,
)
from sip.syntax.errors import SipError, told
from sip.ua.registration_messages import RegistrationFailed, RegistrationRequest, RegistrationState
from sip.values import Hop

_logger = get_logger(__name__)

_MOST_UNREAD = 4 * 1024 * 1024
"""Octets queued for an engine before it counts as dead."""
_NO_ENGINE, _BUSY, _OVERLOADED = 480, 486, 503
_CLOSE_LIMIT = 5.0
"""Seconds for far ends to confirm the end of calls and registrations."""


class ServedLine(SipLine, Protocol):
    """A line that can be shared: calls and registrations."""

    @property
    def addresses(self) -> Sequence[Hop]: ...

    async def start(self) -> None: ...

    async def close(self, limit: float = 5.0) -> None: ...

    def register(self, request: RegistrationRequest, now: float) -> int: ...

    def redirect(self, registration: int, hops: tuple[Hop, ...]) -> None: ...

    def unregister(self, registration: int, now: float) -> None: ...


MakeLine = Callable[[Callable[[LineEvent], None], Callable[[RegistrationState], None]], ServedLine]
"""Creates the line, given callbacks for events of calls and of registrations."""


@dataclass(slots=True, eq=False)
class _Client:
    writer: asyncio.StreamWriter
    hello: Hello
    limit: int | None = None
    peers: frozenset[str] = frozenset()
    calls: dict[int, int] = field(default_factory=dict)
    """Call numbers in messages to call numbers of the line."""
    registrations: dict[int, _Registration] = field(default_factory=dict)

    @property
    def engine(self) -> EngineLoad:
        # Incoming calls have negative numbers (wire.py).
        incoming = sum(number < 0 for number in self.calls)
        return EngineLoad(self.hello.name, len(self.calls), incoming, self.hello.max_incoming, self.limit)


@dataclass(slots=True, eq=False)
class _Registration:
    """A registration and its users: engines with their own numbers for it (one engine has several numbers if
    several of its routes use one account)."""

    wanted: RegistrationRequest
    number: int
    users: set[tuple[_Client, int]] = field(default_factory=set)
    state: RegistrationState | None = None


class LineServer:
    """Serves one line at the Unix socket ``path``, for its own user only (mode 0600).

    ``answerers`` are the functions, each ``module:function``, that engines may use to answer offers.
    ``advertised`` are the addresses that the line shows to far ends. ``rule`` chooses among the engines with
    room; engines with an equal name get a number appended. ``admit`` is called with the addresses of the
    engines' trunks, whenever they change.
    """

    def __init__(
        self,
        path: str,
        make_line: MakeLine,
        *,
        answerers: Iterable[str],
        advertised: Iterable[str] = (),
        rule: Rule = least_busy,
        admit: Callable[[frozenset[str]], None] | None = None,
    ) -> None:
        self._admit = admit
        self._path = path
        self._advertised = tuple(advertised)
        self._answerers = tuple(answerers)
        self._codec = codec(self._answerers)
        self._rule = rule
        self._line = make_line(self._on_event, self._on_registration)
        self._clients: list[_Client] = []
        self._owners: dict[int, tuple[_Client, int]] = {}
        self._registrations: list[_Registration] = []
        self._incoming = count(-1, -1)
        self._connections: set[asyncio.Task[None]] = set()
        self._undo = AsyncExitStack()
        self._limit = _CLOSE_LIMIT

    async def start(self) -> Sequence[Hop]:
        """Listen for calls and engines; returns the SIP addresses.

        Raises SipError; then nothing is left open.
        """
        self._loop = asyncio.get_running_loop()
        try:
            async with AsyncExitStack() as undo:
                await self._start(undo)
                self._undo = undo.pop_all()
        except OSError as error:
            raise SocketError(f"the socket {self._path} cannot be created: {told(error)}") from error
        return self._line.addresses

    async def _start(self, undo: AsyncExitStack) -> None:
        sock = bind(self._path)
        undo.callback(sock.close)
        undo.callback(os.unlink, self._path)
        # Before engines can connect: Welcome tells them where it listens.
        await self._line.start()
        undo.push_async_callback(self._disconnect_engines)
        undo.push_async_callback(self._close_line)
        server = await asyncio.start_unix_server(self._connected, sock=sock)
        undo.callback(server.close)

    async def close(self, limit: float = _CLOSE_LIMIT) -> None:
        """Hang up every call, unregister, and disconnect the engines."""
        self._limit = limit
        await self._undo.aclose()

    async def _close_line(self) -> None:
        await self._line.close(self._limit)
        # Let the loop run the callbacks of the last events.
        await asyncio.sleep(0)

    async def _disconnect_engines(self) -> None:
        for client in list(self._clients):
            client.writer.close()
        if self._connections:
            await asyncio.wait(self._connections, timeout=self._limit)

    # --- engines --------------------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        client = None
        decoder = self._codec.decoder()
        try:
            while data := await reader.read(65536):
                for message in decoder.feed(data):
                    if client is not None:
                        with contained(_logger, "a command of an engine failed with an internal error"):
                            self._execute(client, message)
                    elif isinstance(message, Hello):
                        client = self._welcome(writer, message)
        except WireError as error:
            _logger.error("an engine wrote an invalid message: %s", error)
        except ConnectionError as error:
            _logger.warning("the connection to an engine broke: %s", error)
        finally:
            # Also after an internal error: a client that is not read must not get calls.
            with ExitStack() as undo:
                undo.callback(writer.close)
                if client is not None:
                    undo.callback(self._forget, client)

    def _welcome(self, writer: asyncio.StreamWriter, hello: Hello) -> _Client:
        taken = {client.hello.name for client in self._clients}
        names = chain([hello.name], (f"{hello.name}-{number}" for number in count(2)))
        # Rules choose by name: two engines of one name would be one to them.
        hello = replace(hello, name=next(name for name in names if name not in taken))
        _logger.info("engine %s is connected and accepts up to %d calls", hello.name, hello.max_incoming)
        client = _Client(writer, hello)
        self._clients.append(client)
        self._tell(client, Welcome(tuple(self._line.addresses), self._advertised, self._answerers))
        return client

    def _tell(self, client: _Client, message: Message) -> None:
        # Events of its calls would be lost otherwise, one by one, with calls that never end.
        if client.writer.transport.get_write_buffer_size() > _MOST_UNREAD:
            _logger.error("engine %s does not read its messages; closing its connection", client.hello.name)
            client.writer.transport.abort()
        elif not client.writer.is_closing():
            client.writer.write(self._codec.encode(message))

    def _forget(self, client: _Client) -> None:
        """Clean up after an engine: every step runs, even if another raises."""
        _logger.info("engine %s is disconnected, with %d calls", client.hello.name, len(client.calls))
        now = self._loop.time()
        with ExitStack() as undo:
            for number in list(client.registrations):
                undo.callback(self._leave, client, number)
            for number, call in list(client.calls.items()):
                undo.callback(self._line.hang_up, call, now, reason="the engine of this call has ended")
                # Undone in reverse order: released first, so that no engine gets the events of the end.
                undo.callback(self._release, client, number)
            undo.callback(self._tell_peers)
            undo.callback(self._clients.remove, client)

    def _tell_peers(self) -> None:
        if self._admit is not None:
            self._admit(frozenset().union(*(client.peers for client in self._clients)))

    # --- commands -------------------------------------------------------------------------------------------

    def _execute(self, client: _Client, command: Message) -> None:
        now = self._loop.time()
        match command:
            case Place(number, request):
                self._place(client, number, request, now)
            case Ring() | Accept() | Refuse() | AnswerWith() | Offer() | HangUp():
                call_of_line = client.calls.get(command.call)
                if call_of_line is not None:
                    self._carry_out(client, command, call_of_line, now)
            case Register(number, registration):
                self._register(client, number, registration, now)
            case Redirect(number, hops):
                if (known := client.registrations.get(number)) is not None:
                    self._line.redirect(known.number, tuple(hops))
            case Unregister(number):
                # An engine that reconnects registers again under its old numbers.
                self._leave(client, number)
            case Limit(calls):
                client.limit = calls
            case Peers(addresses):
                client.peers = frozenset(addresses)
                self._tell_peers()

    def _place(self, client: _Client, number: int, request: CallRequest, now: float) -> None:
        try:
            call = self._line.place(request, now)
        except Exception as error:
            self._tell(client, NotPlaced(number, _why(error)))
        else:
            self._assign(client, number, call)

    def _carry_out(self, client: _Client, verb: Verb, call: int, now: float) -> None:
        line = self._line
        try:
            match verb:
                case Ring():
                    line.ring(call, now)
                case Accept(_, media, media_address, answerer, credentials):
                    line.accept(call, media, media_address, answerer, now, credentials=credentials)
                case Refuse(_, status):
                    line.refuse(call, status, now)
                case AnswerWith(_, answerer):
                    line.answer_with(call, answerer, now)
                case Offer(_, media):
                    line.offer(call, media, now)
                case HangUp(_, reason):
                    line.hang_up(call, now, reason=reason)
        except Exception as error:
            # An internal error ends this call only, and not all calls of the engine.
            self._release(client, verb.call)
            self._tell(client, NotPlaced(verb.call, _why(error)))
            try:
                line.hang_up(call, now)
            except Exception:
                _logger.exception("call %d cannot be hung up", call)

    # --- calls ----------------------------------------------------------------------------------------------

    def _assign(self, client: _Client, number: int, call: int) -> None:
        client.calls[number] = call
        self._owners[call] = client, number

    def _release(self, client: _Client, number: int) -> None:
        del self._owners[client.calls.pop(number)]

    def _on_event(self, event: LineEvent) -> None:
        if isinstance(event, Incoming):
            self._on_call(event)
            return
        if event.call not in self._owners:
            return
        client, number = self._owners[event.call]
        if isinstance(event, Failed | Ended):
            self._release(client, number)
        self._tell(client, CallHappened(replace(event, call=number)))

    def _on_call(self, incoming: Incoming) -> None:
        open_to_calls = [client for client in self._clients if client.hello.max_incoming > 0]
        with_room = [client for client in open_to_calls if client.engine.has_room]
        name = self._chosen(incoming, [client.engine for client in with_room]) if with_room else None
        chosen = next((client for client in with_room if client.hello.name == name), None)
        if chosen is None:
            status = _NO_ENGINE
            if open_to_calls and not with_room:
                # 503 only if more calls would fit at another time; 486 is the limit that was set.
                overloaded = any(client.engine.overloaded for client in open_to_calls)
                status = _OVERLOADED if overloaded else _BUSY
            self._line.refuse(incoming.call, status, self._loop.time())
            return
        number = next(self._incoming)
        self._assign(chosen, number, incoming.call)
        self._tell(chosen, CallHappened(replace(incoming, call=number)))

    def _chosen(self, incoming: Incoming, engines: Sequence[EngineLoad]) -> str | None:
        try:
            return self._rule(incoming, engines)
        except Exception:
            # The rule is code of the user: its exceptions must not affect other calls.
            _logger.exception("the rule for incoming calls failed")
            return None

    # --- registrations --------------------------------------------------------------------------------------

    def _register(self, client: _Client, number: int, request: RegistrationRequest, now: float) -> None:
        # A reconnected engine uses its old numbers again.
        self._leave(client, number)
        # Hops change with each look-up of a name, and are not part of what is registered.
        wanted = replace(request, destination=())
        known = next((each for each in self._registrations if each.wanted == wanted), None)
        if known is None:
            try:
                known = _Registration(wanted, self._line.register(request, now))
            except Exception as error:
                why = _why(error)
                _logger.error("engine %s cannot register: %s", client.hello.name, why)
                # A request that is invalid stays invalid: never try again.
                self._tell(client, RegistrationIs(RegistrationFailed(number, 0, why, inf)))
                return
            self._registrations.append(known)
        known.users.add((client, number))
        client.registrations[number] = known
        if known.state is not None:
            self._tell(client, RegistrationIs(replace(known.state, registration=number)))

    def _leave(self, client: _Client, number: int) -> None:
        """The engine does not use its registration ``number`` any more; no-op for an unknown number."""
        registration = client.registrations.pop(number, None)
        if registration is None:
            return
        registration.users.discard((client, number))
        if not registration.users:
            self._registrations.remove(registration)
            self._line.unregister(registration.number, self._loop.time())

    def _on_registration(self, state: RegistrationState) -> None:
        for registration in self._registrations:
            if registration.number == state.registration:
                registration.state = state
                for client, number in registration.users:
                    self._tell(client, RegistrationIs(replace(state, registration=number)))


def _why(error: Exception) -> str:
    """The reason to report to an engine for an exception in its command; logs internal errors."""
    if isinstance(error, SipError | ValueError):
        return str(error)
    _logger.error("a command failed with an internal error", exc_info=error)
    return "an internal error of the signalling process; its trace is in the log"
