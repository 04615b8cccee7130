"""The engine in this process: one SIP address, and every call on it, on one asyncio loop."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from sip.line import Ended, Failed, Incoming, LineEvent
from sip.logs import get_logger
from sip.syntax.errors import SipError, told
from sip.syntax.headers import NameAddress
from sip.syntax.uri import parse_uri
from sip.transport.listening import family_of
from sip.transport.resolver import Resolver
from sip.ua.target import Target
from sip.values import Address, Hop
from t38fsp import events
from t38fsp.audio.leg import RtpStart
from t38fsp.call.driver import CallContext
from t38fsp.call.faxcall import FaxCall
from t38fsp.call.receiving import ReceivingCall
from t38fsp.call_settings import CallSettings
from t38fsp.engine.audio_places import AudioPlaces
from t38fsp.engine.call_log import CallFacts, CallLog
from t38fsp.engine.capacity import Capacity, OverloadedError
from t38fsp.engine.channels import Channels, all_taken
from t38fsp.engine.engine_routes import EngineRoutes
from t38fsp.engine.known_facts import KnownFacts
from t38fsp.engine.media import MediaPair, MediaPort
from t38fsp.engine.media_reader import MediaReader
from t38fsp.engine.modems import modems_for
from t38fsp.engine.open_jobs import OpenJobs
from t38fsp.engine.outgoing import (
    fax_to_send,
    first_page,
    header_of,
    outgoing_call,
    request_for,
)
from t38fsp.engine.pacer import Pacer
from t38fsp.engine.received_file import ReceivedFile, Room
from t38fsp.engine.running import RunningCall
from t38fsp.engine.set_up import Turns, told_of_delay
from t38fsp.engine.sip_lines import EngineLine, SipLines, admission_for
from t38fsp.engine.waiting import WaitingCalls
from t38fsp.engine.watch import Watch
from t38fsp.header import CallHeader
from t38fsp.image.errors import ImageError
from t38fsp.image.fax import Fax, inspect_all
from t38fsp.image.pool import ImagePool
from t38fsp.jobs import (
    EngineError,
    EngineSettings,
    Observer,
    PollJob,
    ReceiveJob,
    SendJob,
    WaitingCall,
)
from t38fsp.outcome import Outcome

logger = get_logger(__name__)

_PATIENCE = 5.0
"""Seconds that we send audio to an unauthenticated caller from which we receive nothing: its SDP may contain
the address of a victim."""
_GOODBYE_LIMIT = 3.0
"""Seconds for aborted calls to end."""
_UNBIND_LIMIT = 2.0
"""Seconds of these for SIP responses; a peer that never responds would take 32 s (64 * T1)."""
_LAST_WORDS = 1.0
"""Seconds for results, once nothing is left that they could wait for."""
_LEAST_UNBIND = 0.5
"""Least seconds for SIP responses: registrations end last."""


class FaxEngine:
    """Sends and receives faxes. Call every method on the loop's thread.

    A busy thread of the same interpreter delays the pacing of packets: programs that compute keep the engine
    in a separate process (:class:`t38fsp.engine.remote.EngineProcess`).
    """

    def __init__(
        self,
        settings: EngineSettings,
        on_incoming: Callable[[WaitingCall], None],
        on_gone: Callable[[int], None] | None = None,
        on_registration: Callable[[events.RegistrationChanged], None] | None = None,
        on_limit: Callable[[int | None], None] | None = None,
    ) -> None:
        self._settings = settings
        self._on_limit = on_limit
        self._on_registration = on_registration
        self._on_incoming = on_incoming
        self._on_gone = on_gone
        # Tags, branches, SSRC and nonces: an attacker must not be able to guess them (RFC 3261
        # 19.3, RFC 3550 8.1).
        self._random = random.SystemRandom()
        self._resolver = Resolver(self._random)
        self._running: dict[int, RunningCall] = {}
        self._by_line_call: dict[tuple[EngineLine, int], RunningCall] = {}
        self._closed: asyncio.Task[None] | None = None
        self._goodbye_ends = math.inf

    async def start(self) -> Address:
        """Start an image worker and bind the SIP address; returns the address.

        Raises EngineError when no worker can start, or the address is not available; then nothing is left.
        """
        self._loop = asyncio.get_running_loop()
        try:
            async with AsyncExitStack() as undo:
                address = await self._start(undo)
                self._undo = undo.pop_all()
                return address
        except OSError as error:
            raise EngineError(f"the engine cannot start: {told(error)}") from error
        except (SipError, ImageError, ValueError) as error:
            raise EngineError(str(error)) from error

    async def _start(self, undo: AsyncExitStack) -> Address:
        settings = self._settings
        self._pacer = Pacer(self._loop)
        self._reader = MediaReader(self._loop)
        self._admission = admission_for(settings, self._random)
        self._lines = SipLines(
            settings,
            self._on_line_event,
            lambda state: self._routes.changed(state),
            self._random,
            self._admission,
        )
        self._line = self._lines.main
        self._routes = EngineRoutes(
            settings.routes, self._line, self._find_route, self._registration_changed, self._lines.admit
        )
        self._channels = Channels(settings.routes)
        self._places = AudioPlaces(settings.audio_calls)
        self._jobs = OpenJobs(self._channels, self._places)
        self._waiting = WaitingCalls(self._line, self._channels, settings.take_limit, self._on_gone)
        self._images = ImagePool(settings.image_workers)
        self._turns = Turns()
        self._capacity = Capacity(settings.limits.calls)
        self._watch = Watch(
            self._capacity,
            lambda: len(self._running),
            self._pacer.take_lateness,
            self._images.page_wait,
            self._limited,
        )
        self._room = Room(self._images)
        # Undone in reverse order. Received files are renamed, or lose their workers, before all jobs are
        # over; preparations of faxes use the workers until they have ended.
        # Pushed first, so it comes last.
        undo.push_async_callback(self._jobs.wait_for_all, _LAST_WORDS)
        undo.push_async_callback(self._images.close)
        undo.push_async_callback(self._jobs.wait_for_preparations)
        await self._images.start()
        await self._line.start()
        undo.push_async_callback(self._close_lines)
        undo.callback(self._routes.end)
        undo.callback(self._watch.end)
        self._routes.begin()
        return self._line.address

    @property
    def addresses(self) -> Sequence[Hop]:
        """Where we listen, for each transport, after ``start``, which returns the first one."""
        return self._line.addresses

    def forsake(self) -> None:
        """The program is gone: emit no more events."""
        for running in self._running.values():
            running.forsake()

    async def close(self, drain: float = 0.0) -> None:
        """Accept no new calls, wait up to ``drain`` seconds for running ones to end, then abort them.

        A second ``close`` waits for the first.
        """
        if self._closed is None:
            self._closed = self._loop.create_task(self._close(drain))
        await asyncio.shield(self._closed)

    async def _close(self, drain: float) -> None:
        # Leaving it closes lines and workers, in the order that _start has set up.
        async with self._undo:
            self._routes.end()
            for call in list(self._waiting):
                self._waiting.refuse(call)
            if drain > 0:
                await self._jobs.wait_for_all(drain)
            self._goodbye_ends = self._loop.time() + _GOODBYE_LIMIT
            for job in list(self._jobs):
                self.abort(job)
            await self._jobs.wait_for_all(_GOODBYE_LIMIT)
            # A call that did not end in time still gets its result, before the workers that would rename
            # its file are gone.
            for running in list(self._running.values()):
                running.give_up()
        late = self._pacer.lateness
        logger.info(
            "%d packets were paced; 99 of 100 left at most %.1f ms late, all at most %.1f",
            late.count,
            1000 * late.p99,
            1000 * late.maximum,
        )

    async def _close_lines(self) -> None:
        left = self._goodbye_ends - self._loop.time()
        await self._lines.close(max(_LEAST_UNBIND, min(left, _UNBIND_LIMIT)))

    # --- jobs ----------------------------------------------------------------------------------------------

    def send(self, job: int, what: SendJob, observer: Observer) -> None:
        """Send a document; see :class:`t38fsp.jobs.Engine`."""
        self._add(job, what, observer)
        self._place(job, what)

    def poll(self, job: int, what: PollJob, observer: Observer) -> None:
        """Poll a document."""
        self._add(job, what, observer)
        self._place(job, what)

    def _add(self, job: int, what: SendJob | PollJob | ReceiveJob, observer: Observer) -> None:
        known = KnownFacts(what)
        incoming = self._waiting.incoming(what.call) if isinstance(what, ReceiveJob) else None
        facts = CallFacts.of(job, what, incoming, self._settings.log_numbers)

        def noted(event: events.FaxEvent) -> None:
            self._jobs.note_medium(job, event)
            observer(known.note(event))

        self._jobs.add(job, noted, CallLog(logger, facts))

    def _place(self, job: int, what: SendJob | PollJob) -> None:
        try:
            self._places.take_first(job, what.settings.audio)
        except OverloadedError as error:
            self._jobs.fail(job, error)
            return
        if self._refused_for_load(job, what.route):
            return
        self._jobs.holds(job, what.route)
        self._jobs.prepare(job, self._prepare(job, what))

    def receive(self, job: int, what: ReceiveJob, observer: Observer) -> None:
        """Accept a waiting call."""
        self._add(job, what, observer)
        # Counted as a job from now on, and no longer as a waiting call: counted twice, it would take two
        # of the lines.
        self._waiting.claim(what.call)
        task = self._jobs.prepare(job, self._prepare_to_take(job, what))
        # If the preparation was cancelled: a call that was accepted does not wait any more, and
        # this does nothing.
        task.add_done_callback(lambda task: self._waiting.refuse(what.call))

    async def _prepare_to_take(self, job: int, what: ReceiveJob) -> None:
        """Accept the call once it is known that its pages can be stored and the document can be sent."""
        try:
            await self._room.check(what.file, what.append)
        except Exception as error:
            # 480 and not 486: we are not busy, and the caller may try again later.
            self._waiting.refuse(what.call, 480)
            self._jobs.fail(job, error)
            return
        try:
            self._places.take_first(job, what.settings.audio)
            offered = None
            if (offer := what.offer) is not None:
                offered = await inspect_all(self._images, (offer.document,), offer.pages, None)
            # A call's set-up blocks the loop for a moment; a burst of calls is spread out (Turns).
            async with self._turns:
                self._check_load()
                self._take(job, what, offered)
        # 503 with Retry-After: a trunk tries its next gateway, or another engine.
        except OverloadedError as error:
            self._waiting.refuse(what.call, 503)
            self._jobs.fail(job, error)
        except Exception as error:
            self._jobs.fail(job, error)

    def _take(self, job: int, what: ReceiveJob, offered: Fax | None) -> None:
        waiting = self._waiting.take(what.call)
        if waiting is None:
            self._jobs.end(job, Outcome.NO_ANSWER, "the caller hung up before the call was accepted")
            return
        incoming = waiting.incoming
        self._jobs.holds(job, waiting.route)
        try:
            media = self._open_media(job, self._line, incoming.source)
        except OSError as error:
            self._line.refuse(incoming.call, 503, self._loop.time())
            self._jobs.end(job, Outcome.UNAVAILABLE, str(error))
            return
        try:
            context = self._context(job, media, self._line, [incoming.source], what.settings)
            if incoming.stranger:
                context = replace(context, patience=_PATIENCE)
            credentials = self._routes.credentials(waiting.route, incoming.source)
            call = ReceivingCall(
                self._line,
                incoming,
                what.settings,
                context,
                credentials=credentials,
                offered=() if offered is None else offered.pages,
                terms=None if what.offer is None else what.offer.terms,
            )
            call.start(self._loop.time())
        except Exception as error:
            media.close()
            self._line.hang_up(incoming.call, self._loop.time())
            self._jobs.fail(job, error)
        else:
            file = ReceivedFile(self._images, what.file, what.append, self._jobs.log(job))
            self._run(job, call, self._line, media, fax=offered, file=file)

    def proceed(self, job: int, go_on: bool) -> None:
        running = self._running.get(job)
        if running is not None:
            running.proceed(go_on)

    def abort(self, job: int) -> None:
        if job in self._running:
            self._running[job].abort()
        elif self._jobs.stop_preparing(job):
            self._jobs.end(job, Outcome.CANCELLED, "the fax was cancelled before dialling")

    def refuse(self, call: int, status: int = 486) -> None:
        self._waiting.refuse(call, status)

    def _refused_for_load(self, job: int, route: str | None) -> bool:
        """End the job if no call can begin now; if one can, take a channel of its route and return False."""
        if self._closed is not None:
            self._jobs.end(job, Outcome.UNAVAILABLE, "the engine is shutting down")
        elif self._calls > self._settings.limits.calls:
            self._jobs.end(
                job,
                Outcome.NO_LINE,
                f"all {self._settings.limits.calls} lines are in use; try again later",
            )
        # The job itself is already counted.
        elif (why := self._capacity.refusal(self._calls - 1)) is not None:
            self._jobs.end(job, Outcome.OVERLOADED, why)
        elif not self._channels.take(route):
            self._jobs.end(job, Outcome.NO_LINE, all_taken(route))
        else:
            return False
        return True

    @property
    def _calls(self) -> int:
        """The number of jobs that are not over and calls that wait."""
        return len(self._jobs) + len(self._waiting)

    def _limited(self, calls: int | None) -> None:
        self._lines.take_at_most(calls)
        if self._on_limit is not None:
            self._on_limit(calls)

    async def _prepare(self, job: int, what: SendJob | PollJob) -> None:
        """Do everything that can fail before dialling, then dial."""
        try:
            async with told_of_delay(self._jobs.log(job), partial(self._jobs.tell, job)):
                if isinstance(what, PollJob):
                    await self._room.check(what.file, what.append)
                fax = await fax_to_send(what, self._images) if isinstance(what, SendJob) else None
                header = None
                if fax is not None and isinstance(what, SendJob):
                    header = header_of(what, len(fax.pages))
                    await first_page(what, fax, header, self._images)
            line = await self._lines.of(what.backend)
            routes = self._routes.service_route(what.route)
            # A sips: target requires TLS on every hop (RFC 3261 26.2.2), so also to the proxy.
            scheme = what.target.partition(":")[0]
            first = what.target if what.via is None else f"{scheme}:{what.via}"
            hops = await self._hops(NameAddress.parse(routes[0]).uri if routes else first, line)
            async with self._turns:
                self._check_load()
                self._dial(job, what, line, fax, header, hops, routes)
        except Exception as error:
            self._jobs.fail(job, error)

    def _check_load(self) -> None:
        """Raises OverloadedError if the calls that are up exceed the capacity."""
        # Calls waiting for their turn were admitted before: only an overload refuses them, not the limit.
        if (why := self._capacity.refusal(0)) is not None:
            raise OverloadedError(why)

    async def _find_route(self, via: str) -> Sequence[Hop]:
        return await self._hops(f"sip:{via}", self._line)

    async def _hops(self, target: str, line: EngineLine) -> Sequence[Hop]:
        """The hops of a request, best first. Raises SipError."""
        return await self._resolver.locate(Target.of(parse_uri(target)), line.families)

    def _dial(
        self,
        job: int,
        what: SendJob | PollJob,
        line: EngineLine,
        fax: Fax | None,
        header: CallHeader | None,
        hops: Sequence[Hop],
        routes: tuple[str, ...],
    ) -> None:
        # Media use the address family of the hop that the call is placed through.
        # If failover may change the family, ports of both are opened: the offer must name one before the hop
        # is known.
        other = next((hop for hop in hops if family_of(hop.host) != family_of(hops[0].host)), None)
        media = self._open_media(job, line, hops[0], other)
        try:
            context = self._context(job, media, line, hops, what.settings)
            request = request_for(what, line, hops, other, routes, context.media_address)
            call = outgoing_call(what, line, request, () if fax is None else fax.pages, context)
            call.start(self._loop.time())
        except Exception:
            media.close()
            raise
        if isinstance(what, SendJob):
            self._run(job, call, line, media, fax=fax, header=header)
        else:
            file = ReceivedFile(self._images, what.file, what.append, self._jobs.log(job))
            self._run(job, call, line, media, file=file)

    def _open_media(
        self, job: int, line: EngineLine, peer: Hop, other: Hop | None = None
    ) -> MediaPort | MediaPair:
        def on_datagram(data: bytes, source: Address) -> bool:
            running = self._running.get(job)
            return running is not None and running.datagram_received(data, source)

        def on_read() -> None:
            if (running := self._running.get(job)) is not None:
                running.settle()

        ports, reader = self._settings.media_ports, self._reader
        if other is not None:
            hosts = line.interface(peer), line.interface(other)
            return MediaPair.open(hosts, on_datagram, on_read=on_read, reader=reader, port_range=ports)
        return MediaPort.open(
            line.interface(peer), on_datagram, on_read=on_read, reader=reader, port_range=ports
        )

    def _context(
        self,
        job: int,
        media: MediaPort | MediaPair,
        line: EngineLine,
        peers: Sequence[Hop],
        settings: CallSettings,
    ) -> CallContext:
        """``peers`` are the hops of the signalling, best first. Raises SettingError if only audio is wanted,
        and cannot be used."""
        start = RtpStart(
            ssrc=self._random.getrandbits(32),
            sequence=self._random.getrandbits(16),
            timestamp=self._random.getrandbits(32),
        )
        return CallContext(
            # As the first hop sees us: behind a router that is its outer address.
            line.local_host(peers[0]),
            media.port,
            start,
            tcp=True,
            modems=modems_for(settings.audio),
            no_audio_now=partial(self._places.refusal, job),
            # The hosts to which T.38 over TCP may connect: SDP alone could make us open connections
            # anywhere.
            connects_to=(*(peer.host for peer in peers), *map(str, self._settings.callers.networks)),
        )

    def _run(
        self,
        job: int,
        call: FaxCall,
        line: EngineLine,
        media: MediaPort | MediaPair,
        *,
        fax: Fax | None = None,
        file: ReceivedFile | None = None,
        header: CallHeader | None = None,
    ) -> None:
        """Run a call that has been started: connect it to SIP, media and pages."""
        running = RunningCall(
            call,
            media,
            self._pacer,
            self._images,
            self._jobs.observer(job),
            self._jobs.log(job),
            on_over=lambda: self._over(job, line),
            on_fault=lambda: self._hang_up(call, line),
            fax=fax,
            file=file,
            header=header,
        )
        self._running[job] = running
        if call.line_call is not None:
            self._by_line_call[line, call.line_call] = running
        self._watch.begin()
        running.begin()

    def _hang_up(self, call: FaxCall, line: EngineLine) -> None:
        if call.line_call is not None:
            line.hang_up(call.line_call, self._loop.time())

    def _over(self, job: int, line: EngineLine) -> None:
        running = self._running.pop(job)
        if running.call.line_call is not None:
            self._by_line_call.pop((line, running.call.line_call), None)
        self._jobs.remove(job)

    def _registration_changed(self, event: events.RegistrationChanged) -> None:
        if self._on_registration is not None:
            self._on_registration(event)
        elif event.status is events.RegistrationStatus.FAILED:
            logger.warning("route %s is not registered: %s", event.route, event.reason)

    # --- the line ------------------------------------------------------------------------------------------

    def _on_line_event(self, line: EngineLine, event: LineEvent) -> None:
        running = self._by_line_call.get((line, event.call))
        if running is not None:
            running.line_event(event)
        elif isinstance(event, Incoming):
            self._on_call(event)
        # Only calls on the main line wait; other lines take none.
        elif isinstance(event, Failed | Ended) and line is self._line:
            self._waiting.lose(event.call)

    def _on_call(self, incoming: Incoming) -> None:
        route = self._routes.of(incoming)
        status = None
        # Busy, which a caller's machine tries again by itself; 480 and 503 are for an engine that takes no
        # call at all.
        if self._calls >= self._settings.limits.calls or self._channels.full(route):
            status = 486
        elif self._closed is not None or not self._settings.accept_calls:
            status = 480
        elif self._capacity.refusal(self._calls) is not None:
            status = 503
        if status is not None:
            self._line.refuse(incoming.call, status, self._loop.time())
            return
        self._channels.take(route)
        self._on_incoming(self._waiting.add(incoming, route))
