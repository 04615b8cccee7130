"""What an engine is asked to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Protocol

from sip.bounds import check, like, setting
from sip.frozen import dataclass
from sip.line_settings import Callers, Limits, RegistrationSettings, SessionTimers, TlsSettings
from sip.values import Credentials, Hop, Identity
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Backend
from t38fsp.errors import FaxError, SettingError
from t38fsp.events import FaxEvent
from t38fsp.header import Header
from t38fsp.results import FaxResult, PageRecord
from t38fsp.t30.options import PollDocument, PollOptions, TransmitOptions


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

    sub_address: str = like(TransmitOptions, "sub_address")
    """Whom it shall pass the fax on to (SUB)."""
    sender_id: str = like(TransmitOptions, "sender_id")
    """Who sends (SID)."""

    def __post_init__(self) -> None:
        check(self, SettingError)


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
class Trunk:
    """What an engine is to know of a trunk beside its calls.

    ``via`` is where it is reached, as in SendJob. ``credentials`` answer its challenges within calls that
    come from there. Raises SettingError.
    """

    name: str
    via: str
    channels: int | None = setting(None, least=1, most=10000, table="")
    """Calls at a time, in both directions; more are ``LINE_UNAVAILABLE`` at once, or get 486. Default: no
    limit."""
    registration: RegistrationSettings | None = None
    credentials: Credentials | None = None

    def __post_init__(self) -> None:
        check(self, SettingError)


LISTEN = ("0.0.0.0", 5060)
"""Where SIP is listened for when nothing else is said."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where an engine listens and how it treats calls for it.

    ``listen`` is (host, port), port 0 for any. With ``accept_calls`` false every incoming call gets 480.
    ``tls_listen`` is where TLS is listened for, which takes a
    certificate in ``tls``. ``advertised`` are the IP addresses, one of IPv4 and one of IPv6 at most, that far
    ends shall see in place of ours: those of the router in front of us. ``media_ports`` are the first and the
    last UDP port for RTP and T.38, of which calls use the even ones; without them the kernel chooses.
    Raises SettingError.
    """

    listen: tuple[str, int] = LISTEN
    """For UDP and for TCP."""
    accept_calls: bool = False
    take_limit: float = setting(20.0, above=0.0, unit="seconds")
    """How long an incoming call may wait to be taken before it is refused with 480."""
    workers: int | None = setting(None, least=1, most=64, table="")
    """Engine processes that share our address, the calls and the channels of routes; several need the own
    stack. ``send`` and ``poll`` have one, whatever is said here. Default: for ``receive`` one a core, but one
    alone with ``--count``, pjsua2, or ``signalling``; else one."""
    image_workers: int | None = setting(None, least=1)
    """Processes that code and store pages of calls, shared by all ``workers``; None for one a core, and at
    least 2. Half as many, but 2 at least, inspect documents at a lower priority. All are started as they are
    needed."""
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

    def __post_init__(self) -> None:
        check(self, SettingError)


Observer = Callable[[FaxEvent], None]


class Engine(Protocol):
    """What the provider and FaxDev need of an engine, in this process (asyncio) or in one of its own.

    ``job`` numbers are the caller's, unique for the life of the engine. Everything is reported by events;
    ``Finished`` is the last of every job, always comes, and comes once.
    """

    async def start(self) -> tuple[str, int]:
        """Bind; return the SIP address. Raises EngineError, naming what to change."""

    @property
    def addresses(self) -> Sequence[Hop]:
        """Where SIP is listened for, for each transport, once started; the first is that of ``start``."""

    def send(self, job: int, what: SendJob, observer: Observer) -> None: ...

    def poll(self, job: int, what: PollJob, observer: Observer) -> None: ...

    def receive(self, job: int, what: ReceiveJob, observer: Observer) -> None: ...

    def proceed(self, job: int, go_on: bool) -> None:
        """The application's answer to Connected; DCS waits for it. False ends the call (FS_USER_ABORT)."""

    def abort(self, job: int) -> None: ...

    def refuse(self, call: int) -> None:
        """Do not take this incoming call (486)."""

    def forsake(self) -> None:
        """The program is gone, and told of nothing any more; files that are received keep their ``.part``."""

    async def close(self, drain: float = 0.0) -> None:
        """No new calls; wait up to ``drain`` seconds for those that run, then abort them."""


class EngineError(FaxError):
    """The engine cannot start or has died; the message says what would help."""
