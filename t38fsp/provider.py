"""The asyncio API: send a document, receive faxes, poll.

    async with FaxProvider() as provider:
        result = await provider.send("letter.tif", "sip:+15550100@trunk.example")

The engine runs in this process, on this event loop: code that blocks the loop delays the packets of every
call. Move such work to another process; or run the engine in two or more processes (``workers`` of the
settings), which also spreads its calls over the cores; or use :mod:`t38fsp.faxdev`, whose engine always runs
in a separate process.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import itertools
import os
from asyncio import CancelledError
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sip.values import Credentials, DialogId, Hop
from t38fsp.arguments import StrPath, poll_job, poll_options, send_job
from t38fsp.call_settings import CallSettings
from t38fsp.choices import common_backend
from t38fsp.cover import Cover
from t38fsp.engine.engine import FaxEngine
from t38fsp.errors import SettingError
from t38fsp.events import Connected, FaxEvent, Finished, RegistrationChanged
from t38fsp.header import Header
from t38fsp.jobs import (
    NO_SUBADDRESS,
    Addressing,
    EngineSettings,
    PollOffer,
    ReceiveJob,
    WaitingCall,
)
from t38fsp.page_settings import PageSettings
from t38fsp.results import FaxResult

if TYPE_CHECKING:
    from t38fsp.engine.apart import EngineApart
    from t38fsp.prepared import PreparedDocument

    # Not at run time: a program without a configuration does not need pydantic, whose import takes as
    # long as that of an engine; one with a Configuration or a Route has imported it already.
    from t38fsp.settings.file import Configuration
    from t38fsp.settings.route import Route

OnEvent = Callable[[FaxEvent], None]
OnConnected = Callable[[DialogId], bool | Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class IncomingFax:
    """An incoming call that waits; take it with :meth:`receive` or reject it with :meth:`refuse`."""

    caller: str
    """SIP URI of the caller."""
    caller_name: str
    called: str
    """The called SIP URI."""
    route: str | None
    """Name of the route that the call came through, if known."""
    _provider: FaxProvider = field(repr=False)
    _call: WaitingCall = field(repr=False)

    async def receive(
        self,
        file: str | os.PathLike[str],
        *,
        settings: CallSettings | None = None,
        offer: PollOffer | None = None,
        append: bool = False,
        on_event: OnEvent | None = None,
    ) -> FaxResult:
        """Take the call and receive its pages into ``file``, a new TIFF. Cancelling the task ends the call.

        The pages are written to ``FILE.part``, which is renamed when the fax is over; ``file`` of the result
        is the final name: a different one if ``file`` was created meanwhile. With ``append`` they are written
        to ``file`` itself, after the pages that it holds. Without ``settings`` those of the route apply, or
        else the defaults. The caller may poll the document of ``offer`` instead of sending; ``polled`` of the
        result is true then.

        Raises FileExistsError if ``file`` exists and ``append`` is false; the call still waits then. A call
        that cannot be stored, for example because the disk is full, is refused with 480.
        """
        chosen = settings or self._provider._settings_of(self.route)
        job = ReceiveJob(self._call.call, _to_receive(file, append), chosen, offer, append)
        return await self._provider._receive(job, on_event)

    def refuse(self, status: int = 486) -> None:
        """Refuse the call: as busy (486), or with another SIP ``status`` from 400 to 699, such as 603, which
        tells the caller not to try again.

        Raises SettingError for another status.
        """
        if not 400 <= status <= 699:
            raise SettingError(f"a call cannot be refused with {status}; choose a status from 400 to 699")
        self._provider._engine.refuse(self._call.call, status)


class FaxProvider:
    """Sends and receives faxes on one SIP address.

    ``listen`` is (host, port), port 0 for any; by default that of ``config``, or else any port. With
    ``accept_calls`` false, incoming calls are refused; otherwise they are accepted from this machine, from
    the routes' peers, and from the callers that ``settings.callers`` allows.

    With ``settings.workers`` above 1 the engine runs in that number of separate processes, plus one that owns
    the SIP address (:mod:`t38fsp.engine.remote`); everything else is the same.

    ``config`` supplies the settings (unless ``settings`` is given) and all routes of a file; ``routes`` adds
    routes that were merged with other settings. The channels of the routes are counted and, with
    ``register``, those that ask for it are kept registered while the provider runs; changes are reported to
    ``on_registration``. Raises ConfigurationError for an invalid route, and EngineError from ``async with``
    if the address cannot be bound.
    """

    def __init__(
        self,
        listen: tuple[str, int] | None = None,
        *,
        accept_calls: bool = False,
        settings: EngineSettings | None = None,
        config: Configuration | None = None,
        routes: Iterable[Route] = (),
        register: bool = True,
        on_registration: Callable[[RegistrationChanged], None] | None = None,
    ) -> None:
        base = settings or (EngineSettings() if config is None else config.engine)
        of_file = None if config is None else config.listen
        # Port 0 by default: a program that only sends must not need a port that a service may have.
        listen = listen or of_file or ("0.0.0.0", 0)
        all_of_file = [] if config is None else [config.route(name) for name in config.names]
        self._routes = {route.name: route for route in (*all_of_file, *routes)}
        of_engine = [route.engine_route for route in self._routes.values() if route.engine_route is not None]
        if not register:
            of_engine = [replace(route, registration=None) for route in of_engine]
        own_end = replace(
            base,
            listen=listen,
            accept_calls=accept_calls,
            routes=tuple(of_engine),
            # One stack listens. When all routes are of one kind, calls that come in take that one, too.
            backend=common_backend(route.backend for route in self._routes.values()) or base.backend,
        )
        self._engine: FaxEngine | EngineApart
        if (own_end.workers or 1) > 1:
            # A lazy import: programs with one engine process do not need it.
            from t38fsp.engine.apart import EngineApart

            self._engine = EngineApart(own_end, self._on_incoming, self._on_gone, on_registration)
        else:
            self._engine = FaxEngine(
                own_end, self._on_incoming, self._on_gone, on_registration=on_registration
            )
        self._jobs = itertools.count(1)
        self._waiting: dict[int, IncomingFax] = {}
        self._news = asyncio.Event()
        """Set while calls wait, and when the provider is closed."""
        self._entered = self._left = False
        self.address: tuple[str, int] = listen
        """The address that we listen on; known once the provider is entered."""

    @property
    def addresses(self) -> Sequence[Hop]:
        """Our addresses by transport; known once the provider is entered. The first is ``address``."""
        return self._engine.addresses

    async def __aenter__(self) -> Self:
        self.address = await self._engine.start()
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        self._news.set()
        await self._engine.close()

    async def send(
        self,
        document: StrPath | Sequence[StrPath] | PreparedDocument,
        to: str,
        *,
        route: str | None = None,
        via: str | None = None,
        caller: str | None = None,
        credentials: Credentials | None = None,
        settings: CallSettings | None = None,
        pages: PageSettings | None = None,
        password: str | None = None,
        cover: Cover | None = None,
        resume: FaxResult | int | None = None,
        addressing: Addressing = NO_SUBADDRESS,
        header: Header | bool | None = None,
        on_event: OnEvent | None = None,
        on_connected: OnConnected | None = None,
    ) -> FaxResult:
        """Send a document, or several as one fax, to a number (by ``route``, or ``via`` ``sip:HOST[:PORT]``)
        or a SIP URI.

        A TIFF Class F file is sent unchanged; PDF, pictures, text and office files are converted to pages, as
        ``pages`` says, or else the route. ``password`` opens encrypted documents. A PreparedDocument
        (:meth:`prepare`) brings its own ``pages`` and ``password``. ``cover`` is a page in front of them.

        ``route`` names one of the provider's routes; the other arguments override its settings. ``caller`` is
        the SIP URI of From, also as ``Name <URI>``. ``on_event`` is called with each event of the fax
        (``FaxEvent``), on the loop, and must return soon. ``on_connected``, a function or a coroutine
        function, is the FaxSendCallback: called on the 2xx with the dialog; no page is sent before it
        returns, and False ends the call. Cancelling the task ends the call within 3 s, and so does an
        exception from a callback, which is raised here afterwards.

        ``resume`` is the result of an earlier call that sent a part of the same document, or the number of
        the page to continue with: only the rest is sent. A page whose confirmation was lost is sent again.
        ``addressing`` is for machines that forward faxes; others get the fax without it, and the result has a
        warning. ``header`` is the header line of each page: a Header, true for the standard one, false for
        none, None for the setting of the route, which is none by default.

        Raises AddressError for an unusable number, URI, ``via`` or ``caller``, UnknownRouteError for a route
        that the provider does not have, and SettingError if nothing is left to send, all before the call is
        placed; every other outcome is in the result.
        """
        job = send_job(
            self._routes,
            document,
            to,
            route,
            via=via,
            caller=caller,
            credentials=credentials,
            settings=settings,
            pages=pages,
            password=password,
            cover=cover,
            header=header,
            resume=resume,
            addressing=addressing,
        )
        return await self._run(
            lambda number, observer: self._engine.send(number, job, observer), on_event, on_connected
        )

    async def prepare(
        self,
        documents: StrPath | Sequence[StrPath],
        to: str = "",
        *,
        route: str | None = None,
        caller: str | None = None,
        settings: CallSettings | None = None,
        pages: PageSettings | None = None,
        password: str | None = None,
        cover: Cover | None = None,
        header: Header | bool | None = None,
    ) -> PreparedDocument:
        """Make the pages of documents, to be looked at, or to be sent many times.

        The arguments are those of :meth:`send`. The pages, with the cover page and the header line, are those
        of a call to ``to`` that begins now; each call that sends the result has its own cover and header.
        Close the result after its last call. The provider need not be entered. Raises DocumentError for a
        document that cannot be sent, also if that shows only on its last page, ImageWorkerError,
        AddressError, UnknownRouteError and SettingError.
        """
        from t38fsp.prepared import UNKNOWN_CALLEE, prepare_job  # not for programs that do without it

        job = send_job(
            self._routes,
            documents,
            to or UNKNOWN_CALLEE,
            route,
            caller=caller,
            settings=settings,
            pages=pages,
            password=password,
            cover=cover,
            header=header,
        )
        return await prepare_job(job)

    async def poll(
        self,
        to: str,
        file: str | os.PathLike[str],
        *,
        selective_address: str = "",
        sub_address: str = "",
        password: str = "",
        route: str | None = None,
        via: str | None = None,
        caller: str | None = None,
        credentials: Credentials | None = None,
        settings: CallSettings | None = None,
        append: bool = False,
        on_event: OnEvent | None = None,
    ) -> FaxResult:
        """Call a fax machine and poll its document into ``file``, a new TIFF.

        ``file`` and ``append`` are those of :meth:`IncomingFax.receive`.

        ``selective_address`` (SEP) or ``sub_address`` (PSA) select the document, ``password`` (PWD)
        authorises us: up to 20 characters each. A far end that does not support them is polled without, and
        the result has a warning. The other arguments are as in :meth:`send`.

        Raises AddressError and UnknownRouteError as :meth:`send` does, SettingError for text that cannot be
        coded, and FileExistsError if ``file`` exists and ``append`` is false.
        """
        path = _to_receive(file, append)
        job = poll_job(
            self._routes,
            path,
            to,
            route,
            via=via,
            caller=caller,
            credentials=credentials,
            settings=settings,
            poll=poll_options(selective_address, sub_address, password),
            append=append,
        )
        return await self._run(
            lambda number, observer: self._engine.poll(number, job, observer), on_event, None
        )

    def _settings_of(self, route: str | None) -> CallSettings:
        known = None if route is None else self._routes.get(route)
        return CallSettings() if known is None else known.call

    async def calls(self) -> AsyncIterator[IncomingFax]:
        """Yield incoming calls until the provider is closed. Receive each in its own task to serve several.

        A call is not yielded once its caller has hung up or ``take_limit`` has passed.
        """
        while True:
            await self._news.wait()
            if self._left:
                return
            # Dictionaries keep the order of insertion: the call that has waited longest.
            oldest = next(iter(self._waiting), None)
            # Another iterator that waited for the same event may have been faster.
            if oldest is not None:
                yield self._take(oldest)

    def _take(self, call: int) -> IncomingFax:
        taken = self._waiting.pop(call)
        if not self._waiting:
            self._news.clear()
        return taken

    async def _receive(self, job: ReceiveJob, on_event: OnEvent | None) -> FaxResult:
        return await self._run(
            lambda number, observer: self._engine.receive(number, job, observer), on_event, None
        )

    async def _run(
        self,
        begin: Callable[[int, OnEvent], None],
        on_event: OnEvent | None,
        on_connected: OnConnected | None,
    ) -> FaxResult:
        if not self._entered:
            raise RuntimeError("the provider is not running; enter it: async with FaxProvider() as provider")
        number = next(self._jobs)
        # Not the observer itself calls the program: a callback that raises or blocks must not do so
        # inside the engine, which serves other calls.
        happened: asyncio.Queue[FaxEvent] = asyncio.Queue()
        begin(number, happened.put_nowait)
        over = False
        try:
            while True:
                event = await happened.get()
                over = isinstance(event, Finished)
                if on_event is not None:
                    on_event(event)
                if isinstance(event, Finished):
                    return event.result
                if isinstance(event, Connected):
                    self._engine.proceed(number, await _answer(on_connected, event.dialog))
        except BaseException as error:
            # The call must not outlive the task that waits for it. A callback that raised is not called
            # again.
            if not over:
                # After a cancellation the program still gets its events, up to the result with the pages
                # that were sent.
                await self._end(number, happened, on_event if isinstance(error, CancelledError) else None)
            raise

    async def _end(self, number: int, happened: asyncio.Queue[FaxEvent], on_event: OnEvent | None) -> None:
        self._engine.abort(number)
        over = False
        while not over:
            event = await happened.get()
            over = isinstance(event, Finished)
            if on_event is not None:
                on_event(event)

    def _on_incoming(self, call: WaitingCall) -> None:
        self._waiting[call.call] = IncomingFax(
            call.caller, call.caller_name, call.called, call.route, self, call
        )
        self._news.set()

    def _on_gone(self, call: int) -> None:
        if call in self._waiting:
            self._take(call)


def _to_receive(file: str | os.PathLike[str], append: bool) -> str:
    """The path as text. Raises FileExistsError: two faxes in one file are rarely intended."""
    # lexists: a dangling link is a file that would be created elsewhere.
    if not append and os.path.lexists(file):
        why = "the file exists; name a new file, or append to this one"
        raise FileExistsError(errno.EEXIST, why, os.fspath(file))
    return os.fspath(file)


async def _answer(on_connected: OnConnected | None, dialog: DialogId) -> bool:
    if on_connected is None:
        return True
    answer = on_connected(dialog)
    return await answer if inspect.isawaitable(answer) else answer
