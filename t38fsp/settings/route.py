"""A route: a trunk, PBX or ATA with all settings of calls through it; ``docs/routes.md`` lists the keys."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from importlib.util import find_spec
from typing import Annotated, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from sip.line_settings import RegistrationSettings, SessionTimers
from sip.syntax.headers import TOKEN, NameAddress
from sip.syntax.uri import Uri, parse_request_uri
from sip.ua.identity import OWN_HEADERS
from sip.ua.target import Target
from sip.values import Credentials, Identity, Transport
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Backend, Switch
from t38fsp.header import STANDARD, Header
from t38fsp.jobs import EngineRoute, PollJob, SendJob
from t38fsp.page_settings import PageSettings
from t38fsp.settings.address import (
    NoPeerError,
    caller_address,
    host_and_port,
    number_or_sip_uri,
    peer_address,
)
from t38fsp.settings.dial_plan import DialPlan, NumberFormat
from t38fsp.settings.keys import made, with_keys
from t38fsp.settings.sources import Layered

Job = TypeVar("Job", SendJob, PollJob)

_IDENTITY_HEADERS = frozenset({"p-asserted-identity", "p-preferred-identity", "privacy"})


class Privacy(Enum):
    NONE = "none"
    ID = "id"
    """Hides the caller from the far end (RFC 3325 9.3); the trunk still learns it."""


def _template(value: object) -> object:
    """``header``: a template, or a boolean for the standard one; from the environment it is always a
    string."""
    known: dict[object, str | None] = {True: STANDARD, False: None, "true": STANDARD, "false": None}
    # The type first, as 1 and 0 are equal to True and False, and would be found in the dictionary.
    if isinstance(value, bool | str) and value in known:
        return known[value]
    if isinstance(value, str):
        Header(value)
    elif value is not None:
        raise ValueError(f"{value!r} is not valid; use true, false, or a template such as {STANDARD!r}")
    return value


def _one_line(text: str) -> str:
    # A line end would begin another header field.
    if not text.isprintable():
        raise ValueError(
            f"{text!r} has control characters, which are not allowed in a SIP header; remove them"
        )
    return text


def _sip_uri(text: str) -> str:
    uri = parse_request_uri(text)
    if not uri.host:
        raise ValueError(f"{text!r} has no host; write it as sip:NAME@HOST")
    # Raises for a host or a transport that no call could be sent to.
    Target.of(uri)
    return text


def _in_upper_case(name: object) -> object:
    # Transport has the names as Via has them, UDP and TLS; a parameter of a URI has them in lower case.
    return name.upper() if isinstance(name, str) else name


def _installed(backend: Backend) -> Backend:
    # Looked for without importing it, which would load PJSIP into this process.
    if backend is Backend.PJSUA2 and find_spec("pjsua2") is None:
        raise ValueError("pjsua2 is not installed; install t38fsp[pjsua2], or use 'own'")
    return backend


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not TOKEN.fullmatch(name) or not value.isprintable():
            raise ValueError(f"{name!r} is not a valid header name, or its value has control characters")
        # A second Via, From or Contact would make the request ambiguous.
        if name.lower() in OWN_HEADERS:
            raise ValueError(f"{name} is set by the user agent itself; remove it")
        if name.lower() in _IDENTITY_HEADERS:
            raise ValueError(
                f"{name} has its own settings; use them: asserted_identity, preferred_identity, privacy"
            )
    return headers


Peer = Annotated[str, AfterValidator(peer_address)]
Caller = Annotated[str, AfterValidator(caller_address)]
TransportName = Annotated[Transport, BeforeValidator(_in_upper_case)]
Line = Annotated[str, AfterValidator(_one_line)]
SipUri = Annotated[str, AfterValidator(_sip_uri)]


@with_keys("t38", CallSettings)
class T38(BaseModel):
    """``[routes.NAME.t38]``: adjustments to far ends that cannot handle the defaults, or announce wrong
    values."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


@with_keys("", SessionTimers, CallSettings, PageSettings, RegistrationSettings, EngineRoute)
class Route(Layered):
    """``[routes.NAME]``, merged with the command line and the environment (``t38fsp.settings.sources``).

    The keys below are those of the route itself; the others come from the dataclasses named above.
    """

    peer: Peer | None = None
    """HOST[:PORT] of the trunk, PBX or ATA: the host of the URIs, and where calls are sent. Default: must be
    set."""
    transport: TransportName | None = None
    """Transport of SIP: that of ``peer``, or of the DNS records of its domain (RFC 3263), or else UDP.
    Default: by DNS."""
    proxy: Peer | None = None
    """HOST[:PORT] that requests are sent to instead (outbound proxy). Default: ``peer``."""
    backend: Annotated[Backend, AfterValidator(_installed)] | None = None
    """SIP stack that places the calls; pjsua2 (``docs/pjsua2.md``) needs ``t38fsp[pjsua2]``. Default: the
    engine's."""
    user: Annotated[str, Field(min_length=1), AfterValidator(_one_line)] | None = None
    """User name for digest authentication; our own stack also uses it within calls from the trunk."""
    password: SecretStr | None = None
    """The password itself. ``T38FSP_PASSWORD`` takes precedence over all three."""
    registration: bool = False
    """Register at the trunk, to receive calls."""
    address_of_record: SipUri | None = None
    """The address that is registered. Default: ``sip:USER@HOST``."""
    registrar: SipUri | None = None
    """Request-URI of REGISTER. Default: ``sip:HOST``."""
    caller: Caller | None = None
    """URI of From, also as ``Name <URI>``; without a ``user`` it is made from our own address. Default:
    ``address_of_record``."""
    caller_name: Line = ""
    """Display name of From, and the name in the header line."""
    asserted_identity: Caller | None = None
    """P-Asserted-Identity (RFC 3325), for trunks that trust us."""
    preferred_identity: Caller | None = None
    """P-Preferred-Identity, for trunks that assert one of our identities themselves."""
    privacy: Privacy = Privacy.NONE
    """``"id"`` hides the caller from the far end; the trunk gets the identities above, or else the caller."""
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default_factory=dict)
    """Header fields added to each INVITE: ``{ X-Account = "12" }``."""
    header: Annotated[str | None, BeforeValidator(_template)] = None
    """Header line at the top of each page sent: ``true`` for date and time, ``caller_name`` and
    ``station_id``, the number called, and the page number; or a template (below). Default: ``false``."""
    dial: DialPlan = DialPlan()
    """See below."""
    t38: T38 = T38()
    """See below."""

    _name: str = PrivateAttr(default="")

    def named(self, name: str) -> Self:
        """A copy with the name that the route has in the file."""
        # The model is frozen, and the name is not one of its keys.
        route = self.model_copy()
        route._name = name
        return route

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.user is None) != (self.password is None):
            there, missing = ("password", "user") if self.user is None else ("user", "password")
            raise ValueError(
                f"{there} is set, but {missing} is not; digest authentication needs both, so set both"
            )
        if self.registration and self._address() is None:
            raise ValueError(
                "registration is incomplete; set peer and user, or address_of_record and registrar"
            )
        if self.dial.format is NumberFormat.NATIONAL and self.dial.region is None:
            raise ValueError("dial.format 'national' needs a country; set dial.region")
        call = self.call  # also checks settings that depend on each other
        if self.backend is Backend.PJSUA2 and call.switch is Switch.FIRST:
            raise ValueError("pjsua2 does not support switch 'first'; use another switch, or backend 'own'")
        return self

    # --- jobs and settings for the engine -------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the route; empty if it has none."""
        return self._name

    @property
    def via(self) -> str | None:
        """The peer that requests are sent to, in the form of ``address.peer_address``."""
        named = self.proxy or self.peer
        if named is None or self.transport is None:
            return named
        host, port = host_and_port(named)
        return peer_address(str(Uri("sip", None, host, port, {"transport": self.transport.value.lower()})))

    @property
    def credentials(self) -> Credentials | None:
        if self.user is None or self.password is None:
            return None
        return Credentials(self.user, self.password.get_secret_value())

    @property
    def call(self) -> CallSettings:
        return made(CallSettings, {"": self, "t38": self.t38})

    @property
    def pages(self) -> PageSettings:
        return made(PageSettings, {"": self})

    @property
    def header_line(self) -> Header | None:
        """The header line with the name of the sender; None without one."""
        return None if self.header is None else Header(self.header, self.caller_name)

    def target(self, to: str) -> str:
        """The Request-URI for a number or a SIP URI. Raises AddressError."""
        dialled = number_or_sip_uri(to)
        if isinstance(dialled, Uri):
            return str(dialled)
        if self.peer is None:
            raise NoPeerError(dialled)
        return str(self.dial.uri(dialled, *host_and_port(self.peer)))

    def send_job(self, documents: tuple[str, ...], to: str) -> SendJob:
        """A job that sends ``documents`` through this route. Raises AddressError."""
        return replace(self._job(SendJob, documents, to), header=self.header_line, pages=self.pages)

    def poll_job(self, file: str, to: str) -> PollJob:
        """A job that polls into ``file`` through this route. Raises AddressError."""
        return self._job(PollJob, (file,), to)

    def _job(self, kind: type[Job], files: tuple[str, ...], to: str) -> Job:
        return kind(
            files,
            self.target(to),
            self.from_,
            self.via,
            self.credentials,
            self.call,
            tuple(self.headers.items()),
            self._name or None,
            self.identity,
            self.session_timers,
            backend=self.backend,
        )

    @property
    def session_timers(self) -> SessionTimers | None:
        """Session timers of the route; None uses those of the engine."""
        # Without an interval the other keys have no effect, and the engine's timers count as a whole.
        timers = made(SessionTimers, {"": self})
        return None if timers.session_expires is None else timers

    @property
    def engine_route(self) -> EngineRoute | None:
        """What an engine needs of the route; None without a name or a peer."""
        identity = self._address() if self.registration else None
        if not self._name or self.via is None:
            return None
        registration = None
        if identity is not None:
            registrar = self.registrar or str(Uri("sip", None, *host_and_port(self.peer or self.via)))
            registration = made(
                RegistrationSettings,
                {"": self},
                registrar=registrar,
                identity=identity,
                credentials=self.credentials,
            )
        return made(
            EngineRoute,
            {"": self},
            name=self._name,
            via=self.via,
            registration=registration,
            credentials=self.credentials,
        )

    @property
    def from_(self) -> str | None:
        """URI or name-addr of From; None uses the address of the engine."""
        caller = self.caller or self._address()
        if caller is None or not self.caller_name:
            return caller
        return str(NameAddress(self.caller_name, _bare(caller)))

    @property
    def identity(self) -> Identity:
        """Identity header fields besides From; with privacy the trunk still gets the caller to assert."""
        asserted = self.asserted_identity
        # The trunk needs to know who calls; "id" keeps the identity from going further (RFC 3325 9.3).
        if self.privacy is Privacy.ID and asserted is None and self.preferred_identity is None:
            asserted = self.caller or self._address()
        return Identity(
            () if asserted is None else (_bare(asserted),),
            None if self.preferred_identity is None else _bare(self.preferred_identity),
            ("id",) if self.privacy is Privacy.ID else (),
        )

    def _address(self) -> str | None:
        if self.address_of_record is not None:
            return self.address_of_record
        if self.user is None or self.peer is None:
            return None
        # Some providers give out user names that are already complete, NAME@DOMAIN.
        user, _, domain = self.user.partition("@")
        return str(Uri("sip", user, domain or host_and_port(self.peer)[0]))


def _bare(identity: str) -> str:
    return NameAddress.parse(identity).uri if "<" in identity else identity
