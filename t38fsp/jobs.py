"""The interface of an engine: its settings, its jobs, and the calls that it offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Protocol

from sip.bounds import check, like, setting
from sip.frozen import dataclass
from sip.line_settings import Callers, Limits, RegistrationSettings, SessionTimers, TlsSettings
from sip.values import Credentials, Hop, Identity
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Backend, LogNumbers
from t38fsp.cover import Cover
from t38fsp.errors import FaxError, SettingError
from t38fsp.events import FaxEvent
from t38fsp.header import Header
from t38fsp.page_settings import PageSettings
from t38fsp.results import FaxResult, PageRecord
from t38fsp.t30.options import PollDocument, PollOptions, TransmitOptions


@dataclass(frozen=True, slots=True)
class Resume:
    """Where to continue a document of which an earlier call sent only a part.

    ``first_page`` counts from 1. ``earlier`` are the records of the pages before it, if known; the result
    repeats them. The document must have ``page_count`` pages, unless that is None.

    Raises SettingError for a first page below 1.
    """

    first_page: int = 1
    earlier: tuple[PageRecord, ...] = ()
    page_count: int | None = None

    def __post_init__(self) -> None:
        if self.first_page < 1:
            raise SettingError(f"page {self.first_page} does not exist; give a first page of 1 or higher")

    @classmethod
    def after(cls, result: FaxResult) -> Resume:
        """Continue after the pages that are confirmed in ``result``.

        A page whose confirmation was lost is sent again: the far end may get it twice, but no page is
        missing. Raises SettingError if every page is confirmed.
        """
        first = result.next_page
        if first is None:
            raise SettingError(
                "every page of the earlier fax was confirmed, so there is nothing left to send"
            )
        # A page after an unconfirmed one may be confirmed (the far end's answer to one was lost): it is
        # sent again, as pages are received in order.
        earlier = tuple(page for page in result.pages if page.number < first)
        rest = result.pages[len(earlier) :]
        return cls(first, earlier, rest[-1].number if rest else None)

    def fault(self, pages: int) -> str | None:
        """Why a document with this number of pages cannot be continued, as a sentence; None if it can."""
        has = f"the document has {pages} page{'' if pages == 1 else 's'}"
        if self.page_count not in (None, pages):
            return (
                f"{has} but had {self.page_count} when a part of it was sent, "
                f"so it has changed since; send it from the beginning"
            )
        if self.first_page > pages:
            return f"{has}, so it cannot be continued at page {self.first_page}"
        return None


WHOLE = Resume()
"""Send every page."""


@dataclass(frozen=True, slots=True)
class Addressing:
    """Subaddressing for machines that forward faxes; up to 20 characters each.

    Sent only if the far end announces the capability in its DIS. Raises SettingError for a text that cannot
    be coded.
    """

    sub_address: str = like(TransmitOptions, "sub_address")
    """The recipient to whom the machine forwards the fax (SUB)."""
    sender_id: str = like(TransmitOptions, "sender_id")
    """Identification of the sender (SID)."""

    def __post_init__(self) -> None:
        check(self, SettingError)


NO_SUBADDRESS = Addressing()
"""No subaddressing: the fax is for the called machine itself."""


@dataclass(frozen=True, slots=True)
class OutgoingJob:
    """A fax for which we place a call to a SIP URI.

    ``files`` are the paths of the documents to send, one after the other, or of the one file to poll into.
    ``caller`` is the URI of From; None uses our own address. ``via`` is the proxy or gateway that receives
    the INVITE (``host:port``, ``host;transport=tls``); None sends it to where the URI points. ``headers`` are
    added to the INVITE. ``route`` names one of the engine's routes, whose channels the call counts towards.
    """

    files: tuple[str, ...]
    target: str
    caller: str | None = None
    via: str | None = None
    credentials: Credentials | None = None
    settings: CallSettings = CallSettings()
    headers: tuple[tuple[str, str], ...] = ()
    route: str | None = None
    identity: Identity = field(default_factory=Identity)
    session_timers: SessionTimers | None = None
    """None uses those of the engine."""
    backend: Backend | None = None
    """The stack that places the call; None uses that of the engine."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where the pages of documents are that were prepared (``t38fsp.prepared``)."""

    store: str
    """Directory."""
    identities: tuple[tuple[int, ...], ...]
    """Identities of the files, which must not have changed since."""


@dataclass(frozen=True, slots=True)
class SendJob(OutgoingJob):
    """Send documents (``t38fsp.documents``) as one fax."""

    resume: Resume = WHOLE
    addressing: Addressing = NO_SUBADDRESS
    header: Header | None = None
    """The header line at the top of each page; None sends the pages unchanged."""
    pages: PageSettings = PageSettings()
    """How documents that are not TIFF-F become pages."""
    password: str | None = field(default=None, repr=False)
    """Opens the documents that are encrypted."""
    prepared: Prepared | None = None
    """The pages that were made before."""
    cover: Cover | None = None
    """The page in front of the documents; None for none."""


@dataclass(frozen=True, slots=True)
class PollJob(OutgoingJob):
    """Poll the far end's document into ``file``, which must not exist unless ``append`` is true."""

    poll: PollOptions = field(default_factory=PollOptions)
    append: bool = False

    @property
    def file(self) -> str:
        return self.files[0]


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A call that waits to be taken. ``call`` identifies it until then.

    The engine calls ``on_gone(call)`` when the call no longer waits: its caller hung up, or ``take_limit``
    has passed.
    """

    call: int
    caller: str
    caller_name: str
    called: str
    route: str | None = None
    """Name of the route that the call came through, if it is one of the engine's."""


@dataclass(frozen=True, slots=True)
class PollOffer:
    """A document (a path) that a caller may poll if it meets the ``terms``."""

    document: str
    terms: PollDocument = field(default_factory=PollDocument)
    pages: PageSettings = PageSettings()
    """As in SendJob."""


@dataclass(frozen=True, slots=True)
class ReceiveJob:
    """Receive incoming call ``call`` into ``file``, or send the document that it polls.

    The file must not exist; pages are written to ``FILE.part`` (``t38fsp.image.growing``), which is renamed
    at the end. With ``append`` they are written to ``file`` itself, which is created if missing.
    """

    call: int
    file: str
    settings: CallSettings = CallSettings()
    offer: PollOffer | None = None
    append: bool = False


@dataclass(frozen=True, slots=True)
class EngineRoute:
    """The settings of a route that hold for an engine rather than for one call.

    ``via`` is its address, as in SendJob. ``credentials`` answer its challenges within calls that come from
    there. Raises SettingError for a value out of range.
    """

    name: str
    via: str
    channels: int | None = setting(None, least=1, most=10000, table="")
    """Concurrent calls, in both directions; further faxes end at once as ``LINE_UNAVAILABLE``, and further
    callers get 486. Default: no limit."""
    registration: RegistrationSettings | None = None
    credentials: Credentials | None = None

    def __post_init__(self) -> None:
        check(self, SettingError)


# All addresses of IPv4; the well-known port of SIP (RFC 3261 19.1.2).
LISTEN = ("0.0.0.0", 5060)
"""Default SIP address."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where an engine listens and how it handles calls.

    ``listen`` is (host, port), port 0 for any. With ``accept_calls`` false every incoming call gets 480.
    ``tls_listen`` is the address for TLS, which needs a certificate in ``tls``. ``advertised`` are the IP
    addresses, at most one of IPv4 and one of IPv6, that are announced to far ends in place of ours: those of
    the router in front of us. ``media_ports`` are the first and the last UDP port for RTP and T.38, of which
    calls use the even ones; without them the kernel chooses. Raises SettingError for a value out of range.
    """

    listen: tuple[str, int] = LISTEN
    """For UDP and for TCP."""
    accept_calls: bool = False
    take_limit: float = setting(20.0, above=0.0, unit="seconds")
    """Seconds for which an incoming call may wait to be taken before it is refused with 480."""
    workers: int | None = setting(None, least=1, most=64, table="")
    """Engine processes that share our address, the calls and the channels of routes; more than one requires
    our own stack. ``send`` and ``poll`` always use one. Default: one per core for ``receive``, but only one
    with ``--count``, pjsua2, or ``signalling``; otherwise one."""
    audio_calls: int = setting(120, least=0, most=100000, table="", key="max_audio_calls")
    """Faxes that are in audio at the same time, in each engine process; there the processor works for every
    packet (``docs/audio.md``). Further ones that are to use audio alone end at once as ``LINE_UNAVAILABLE``,
    or get 503; those that would fall back to audio end then."""
    image_workers: int | None = setting(None, least=1)
    """Processes that code and store the pages of calls, shared by all ``workers``; None for one per core, at
    least 2. Half that number, at least 2, inspect documents at a lower priority. All are started on
    demand."""
    user_agent: str = "t38fsp"
    """Our User-Agent and Server header fields in SIP."""
    log_numbers: LogNumbers = setting(LogNumbers.FULL, table="")
    """Numbers of calls in the log: ``"full"``, or ``"masked"`` with only their last three characters."""
    routes: tuple[EngineRoute, ...] = ()
    callers: Callers = Callers()
    limits: Limits = Limits()
    backend: Backend = Backend.OWN
    """The stack that listens, takes calls, and places the calls that do not name another one."""
    signalling: str | None = None
    """Unix socket of a signalling process (``sip.remote.signalling``) that owns the SIP address for several
    engines; ``backend`` and all settings of addresses and callers are ignored then."""
    name: str = "engine"
    """Name of this engine in the signalling process, which appends a number to equal names."""
    tls_listen: tuple[str, int] | None = None
    tls: TlsSettings | None = None
    advertised: tuple[str, ...] = ()
    media_ports: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check(self, SettingError)


Observer = Callable[[FaxEvent], None]


class Engine(Protocol):
    """An engine as the provider and FaxDev use it, in this process (asyncio) or in a separate one.

    ``job`` numbers are chosen by the caller and unique for the life of the engine. Everything is reported by
    events; ``Finished`` is the last event of every job and is delivered exactly once.
    """

    async def start(self) -> tuple[str, int]:
        """Bind; return the SIP address. Raises EngineError, whose message names the remedy."""

    @property
    def addresses(self) -> Sequence[Hop]:
        """SIP addresses by transport, once started; the first is the one that ``start`` returned."""

    def send(self, job: int, what: SendJob, observer: Observer) -> None: ...

    def poll(self, job: int, what: PollJob, observer: Observer) -> None: ...

    def receive(self, job: int, what: ReceiveJob, observer: Observer) -> None: ...

    def proceed(self, job: int, go_on: bool) -> None:
        """The application's decision after Connected; DCS waits for it. False ends the call (USER_ABORT)."""

    def abort(self, job: int) -> None: ...

    def refuse(self, call: int, status: int = 486) -> None:
        """Refuse this incoming call."""

    def forsake(self) -> None:
        """The program has ended: report nothing more to it. Files being received keep the name ``.part``."""

    async def close(self, drain: float = 0.0) -> None:
        """Accept no new calls; wait up to ``drain`` seconds for the running ones, then abort them."""


class EngineError(FaxError):
    """The engine cannot start or has died; the message names the remedy."""
