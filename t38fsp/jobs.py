"""What an engine is asked to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from sip.values import Credentials, Identity, SessionTimers, TlsSettings
from t38fsp.choices import Backend as Backend
from t38fsp.choices import Switch as Switch
from t38fsp.errors import FaxError, SettingError
from t38fsp.events import FaxEvent
from t38fsp.header import Header
from t38fsp.results import FaxResult, PageRecord
from t38fsp.t30.frames import encode_station_id
from t38fsp.t30.options import PollDocument, PollOptions


def _codable(text: str, what: str) -> None:
    """Raises SettingError for a text that no T.30 frame carries."""
    try:
        encode_station_id(text, what)
    except ValueError as error:
        raise SettingError(str(error)) from error


MOST_IN_PARITY = 15
"""Packets that parity may reach back to. Many receivers keep 16, and repair others wrongly without a word."""


def parity_too_far(strings: int, span: int) -> str:
    """Why so many parity strings over so many packets each are refused."""
    return (
        f"{strings} parity strings over {span} packets reach back {strings * span} packets, and many peers "
        f"keep 16: choose strings and packets whose product is {MOST_IN_PARITY} at most"
    )


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How a fax travels; the defaults suit most trunks. Times are in seconds, ``max_rate`` in bit/s.

    Those from ``redundancy`` on suit gateways that cannot take the defaults (``t38fsp.t38.timing``). Raises
    SettingError for a value out of range, with a sentence that says what would do.
    """

    station_id: str = ""
    ecm: bool = True
    max_rate: int = 14400
    switch: Switch = Switch.CALLEE
    switch_wait: float = 10.0
    ring_limit: float = 60.0
    max_pages: int = 2000
    """Pages that are taken of a fax that is received; with another one it ends."""
    max_octets: int | None = None
    """The same for the octets of its coded pages together; None sets no limit."""
    redundancy: int = 3
    """Copies of image data in the packets behind them."""
    control_redundancy: int = 5
    """The same of control data, when there are copies at all."""
    parity: int = 0
    """Parity strings in a packet instead of copies, where the far end agrees; 0 for copies."""
    parity_span: int = 3
    """Packets that a parity string covers."""
    fill_bit_removal: bool = False
    """Offer to leave fill out of pages without ECM."""
    t38_version: int = 0
    max_datagram: int | None = None
    """Octets of a UDPTL datagram, whatever the far end says that it takes."""
    max_ifp: int | None = None
    """Octets of one IFP packet, likewise."""
    max_buffer: int | None = None
    """Octets that may wait at the far end for its modem, likewise."""
    preamble: float = 1.0
    """V.21 flags before a frame; T.30 allows 0.85."""
    echo_protection: bool = False
    """Leave the gateway time to play talker echo protection before each training."""
    whole_frames: bool = False
    """Send a V.21 frame in one packet."""
    copies: int = 3
    """Times that an indicator and the end of a burst are sent."""
    internet_aware: bool = False
    """Leave the pace of modems to far ends that are known, by a mark in SDP and by their DIS, for terminals
    without one; only with ECM."""
    keep_alive: float | None = 1.0
    """Between packets of a silent line; None for silence."""

    def __post_init__(self) -> None:
        _codable(self.station_id, "station ID")
        if self.max_rate < 2400:
            raise SettingError(f"the rate limit {self.max_rate} is too low: fax modems begin at 2400 bit/s")
        if not 0 <= self.redundancy <= 7:
            raise SettingError(f"redundancy {self.redundancy} is out of range: 0 to 7 earlier packets")
        if not 0 <= self.control_redundancy <= 7:
            raise SettingError(f"{self.control_redundancy} copies of control data do not do: 0 to 7")
        if not 0 <= self.parity <= 5 or not 1 <= self.parity_span <= 10:
            raise SettingError(
                f"{self.parity} parity strings over {self.parity_span} packets do not do: 0 to 5 over 1 to 10"
            )
        if self.parity * self.parity_span > MOST_IN_PARITY:
            raise ValueError(parity_too_far(self.parity, self.parity_span))
        if self.t38_version not in (0, 2, 3):
            raise SettingError(f"T.38 version {self.t38_version} is not offered: use 0, 2 or 3")
        if not 0 < self.ring_limit < inf or not 0 <= self.switch_wait < inf:
            raise SettingError("time limits are positive numbers of seconds")
        if self.max_pages < 1 or (self.max_octets is not None and self.max_octets < 1):
            raise SettingError("a fax of no pages, or of no octets, cannot be received: allow at least 1")
        if self.max_datagram is not None and not 40 <= self.max_datagram <= 1400:
            raise SettingError(f"datagrams of {self.max_datagram} octets do not do: 40 to 1400")
        if self.max_ifp is not None and not 24 <= self.max_ifp <= 1400:
            raise SettingError(f"IFP packets of {self.max_ifp} octets do not do: 24 to 1400")
        if self.max_buffer is not None and self.max_buffer < 24:
            raise SettingError(f"a buffer of {self.max_buffer} octets does not do: 24 or more")
        if not 0.85 <= self.preamble <= 3.0:
            raise SettingError(f"a preamble of {self.preamble:g} s does not do: 0.85 to 3 seconds")
        if not 1 <= self.copies <= 8:
            raise SettingError(f"{self.copies} copies of an indicator do not do: 1 to 8")
        if self.keep_alive is not None and not 0.1 <= self.keep_alive <= 30:
            raise SettingError(f"a keep-alive each {self.keep_alive:g} s does not do: 0.1 to 30 seconds")


@dataclass(frozen=True, slots=True)
class Resume:
    """Where to go on with a document of which an earlier call sent only a part.

    ``first_page`` counts from 1. ``earlier`` are the records of the pages before it, if they are known; the
    result repeats them. The document has to have ``page_count`` pages, unless that is None.

    Raises SettingError for a first page below 1.
    """

    first_page: int = 1
    earlier: tuple[PageRecord, ...] = ()
    page_count: int | None = None

    def __post_init__(self) -> None:
        if self.first_page < 1:
            raise SettingError(f"there is no page {self.first_page} to begin with; pages count from 1")

    @classmethod
    def after(cls, result: FaxResult) -> Resume:
        """Go on behind the pages that ``result`` says are confirmed.

        A page whose confirmation was lost is among the rest: the far end may get it twice, but never not at
        all. Raises SettingError when there is no rest.
        """
        first = result.next_page
        if first is None:
            raise SettingError(
                "every page of the earlier fax was confirmed, so there is nothing to go on with"
            )
        earlier = tuple(page for page in result.pages if page.number < first)
        rest = result.pages[len(earlier) :]
        return cls(first, earlier, rest[-1].number if rest else None)

    def fault(self, pages: int) -> str | None:
        """Why a document of so many pages cannot be gone on with, in a sentence; None when it can."""
        has = f"the document has {pages} page{'' if pages == 1 else 's'}"
        if self.page_count not in (None, pages):
            return (
                f"{has} but had {self.page_count} when a part of it was sent, "
                f"so it was changed since; send it from the beginning"
            )
        if self.first_page > pages:
            return f"{has}, so it cannot go on with page {self.first_page}"
        return None


WHOLE = Resume()
"""From the first page on."""


@dataclass(frozen=True, slots=True)
class Addressing:
    """For machines that pass faxes on, where the far end says that it is one; up to 20 characters each.

    Raises SettingError for a text that cannot be coded.
    """

    sub_address: str = ""
    """Whom it shall pass the fax on to (SUB)."""
    sender_id: str = ""
    """Who sends (SID)."""

    def __post_init__(self) -> None:
        _codable(self.sub_address, "sub-address")
        _codable(self.sender_id, "sender identity")


NOBODY_ELSE = Addressing()
"""The fax is for the machine that is called."""


@dataclass(frozen=True, slots=True)
class OutgoingJob:
    """A fax for which we place a call to a SIP URI; ``file`` is the path of its pages.

    ``caller`` is the URI of From; None makes one of our address. ``via`` is the proxy or gateway that takes
    the INVITE (``host:port``, ``host;transport=tls``), or None to go where the URI points. ``headers`` are
    added to the INVITE. ``trunk`` names one of the engine's trunks, whose channels the call counts for.
    """

    file: str
    target: str
    caller: str | None = None
    via: str | None = None
    credentials: Credentials | None = None
    settings: CallSettings = CallSettings()
    headers: tuple[tuple[str, str], ...] = ()
    trunk: str | None = None
    identity: Identity = field(default_factory=Identity)
    session_timers: SessionTimers | None = None
    """None leaves it to the engine's line."""
    backend: Backend | None = None
    """The stack that places the call; None leaves it to the engine."""


@dataclass(frozen=True, slots=True)
class SendJob(OutgoingJob):
    """Send ``file``, a TIFF Class F document."""

    resume: Resume = WHOLE
    addressing: Addressing = NOBODY_ELSE
    header: Header | None = None
    """The line at the top of each page; None sends the pages as they are."""


@dataclass(frozen=True, slots=True)
class PollJob(OutgoingJob):
    """Fetch the document that the far end has ready into ``file``, which must not exist, or ``append`` it."""

    poll: PollOptions = field(default_factory=PollOptions)
    append: bool = False


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call that waits to be taken. ``call`` names it until then.

    An engine tells with ``on_gone(call)`` when it does so no more: its caller hung up, or ``take_limit`` was
    over.
    """

    call: int
    caller: str
    caller_name: str
    called: str
    trunk: str | None = None
    """Name of the trunk that it came through, if it is one of the engine's."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A document (path of a TIFF Class F file) that a caller may fetch if it says what ``terms`` ask for."""

    document: str
    terms: PollDocument = field(default_factory=PollDocument)


@dataclass(frozen=True, slots=True)
class ReceiveJob:
    """Take incoming call ``call`` into ``file``, or send what it polls.

    The file must not exist; it grows as ``FILE.part`` (``t38fsp.image.growing``) and gets its name at the
    end. To ``append`` is to let a file grow in its place, made if missing.
    """

    call: int
    file: str
    settings: CallSettings = CallSettings()
    offer: Offer | None = None
    append: bool = False


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration to keep up for ``identity`` (URI of the address of record).

    ``registrar`` is the Request-URI, ``expires`` in seconds. With ``follow_rport`` our Contact becomes the
    address that the registrar sees.
    """

    registrar: str
    identity: str
    credentials: Credentials | None = None
    expires: int = 3600
    follow_rport: bool = False


@dataclass(frozen=True, slots=True)
class Trunk:
    """What an engine is to know of a trunk beside its calls.

    ``via`` is where it is reached, as in SendJob. ``channels`` is the number of calls at a time, in
    both directions; None for any. ``credentials`` answer its challenges within calls that come from there.
    """

    name: str
    via: str
    channels: int | None = None
    registration: Registration | None = None
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class Callers:
    """Who may call an engine: this machine, its trunks, ``networks`` (192.0.2.0/24, or one address), whoever
    answers a challenge with one of ``accounts``; or ``anybody``. Others get no answer with ``silent``, else
    403 (``sip.ua.admission``).
    """

    networks: tuple[str, ...] = ()
    accounts: tuple[Credentials, ...] = ()
    anybody: bool = False
    silent: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What strangers can take of our own stack: calls that are neither taken nor refused yet, calls from one
    IP address (None: as many as there may be), and requests that are not finished. Calls beyond get 486,
    requests no answer."""

    waiting: int = 64
    per_source: int | None = None
    transactions: int = 4096


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where an engine listens and how it treats calls for it.

    ``listen`` is (host, port), port 0 for any. ``take_limit``: seconds that an incoming call may wait to be
    taken before it is refused with 480. With ``accept_calls`` false every incoming call gets 480.
    ``max_calls`` bounds calls in both directions. ``tls_listen`` is where TLS is listened for, which takes a
    certificate in ``tls``. ``advertised`` are the IP addresses, one of IPv4 and one of IPv6 at most, that far
    ends shall see in place of ours: those of the router in front of us. ``media_ports`` are the first and the
    last UDP port for RTP and T.38, of which calls use the even ones; without them the kernel chooses.
    """

    listen: tuple[str, int] = ("0.0.0.0", 5060)
    """For UDP and for TCP."""
    accept_calls: bool = False
    take_limit: float = 20.0
    max_calls: int = 1000
    image_workers: int | None = None
    """Processes that code and store pages of calls; None for one a core, and at least 2. Half as many, but 2
    at least, inspect documents at a lower priority. All are started as they are needed."""
    user_agent: str = "t38fsp"
    """What we call ourselves in SIP."""
    trunks: tuple[Trunk, ...] = ()
    callers: Callers = Callers()
    limits: Limits = Limits()
    backend: Backend = Backend.OWN
    """The stack that has ``listen``, takes calls, and places those that ask for no other."""
    signalling: str | None = None
    """Unix socket of a signalling process (``sip.remote.signalling``) that owns the SIP address, for several
    engines; ``backend``, and all that is said here of addresses and callers, means nothing then."""
    name: str = "engine"
    """What the signalling process knows this engine by; it puts numbers behind equal names."""
    tls_listen: tuple[str, int] | None = None
    tls: TlsSettings | None = None
    advertised: tuple[str, ...] = ()
    media_ports: tuple[int, int] | None = None


Observer = Callable[[FaxEvent], None]


class Engine(Protocol):
    """What the provider and FaxDev need of an engine, in this process (asyncio) or in one of its own.

    ``job`` numbers are the caller's, unique for the life of the engine. Everything is reported by events;
    ``Finished`` is the last of every job, always comes, and comes once.
    """

    async def start(self) -> tuple[str, int]:
        """Bind; return the SIP address. Raises EngineError, naming what to change."""

    def send(self, job: int, what: SendJob, observer: Observer) -> None: ...

    def poll(self, job: int, what: PollJob, observer: Observer) -> None: ...

    def receive(self, job: int, what: ReceiveJob, observer: Observer) -> None: ...

    def proceed(self, job: int, go_on: bool) -> None:
        """The application's answer to Connected; DCS waits for it. False ends the call (FS_USER_ABORT)."""

    def abort(self, job: int) -> None: ...

    def refuse(self, call: int) -> None:
        """Do not take this incoming call (486)."""

    async def close(self, drain: float = 0.0) -> None:
        """No new calls; wait up to ``drain`` seconds for those that run, then abort them."""


class EngineError(FaxError):
    """The engine cannot start or has died; the message says what would help."""
