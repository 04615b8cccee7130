"""The settings of a SIP line: who may call, how much of it is taken, sessions, TLS, registrations.

Their bounds are data beside the fields (``sip.bounds``). Each raises ValueError for a value out of range.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network

from sip.bounds import check, setting, text
from sip.frozen import dataclass
from sip.values import Credentials

# --- calls for us -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """What strangers can take of a line. Raises ValueError."""

    calls: int = setting(250, least=1, most=100000, table="incoming", key="max_calls")
    """Calls at a time in each engine process (``workers``), in both directions; more get 486."""
    waiting: int = setting(64, least=1, most=100000, table="incoming", key="max_waiting")
    """Incoming calls that are neither taken nor refused; more get 486."""
    per_source: int | None = setting(None, least=1, most=100000, table="incoming", key="max_per_source")
    """Incoming calls from one IP address, that of a trunk as well; more get 486. Default: no limit."""
    transactions: int = setting(4096, least=16, most=1000000, table="incoming", key="max_transactions")
    """Requests that have no final answer yet; calls beyond that get 503 with Retry-After."""

    def __post_init__(self) -> None:
        check(self)


Network = IPv4Network | IPv6Network
ANYBODY = "any"
"""Stands for every network."""


def parse_network(text: str) -> Network:
    """Read ``192.0.2.0/24``, ``2001:db8::/32`` or one address; raises ValueError."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no network; write 192.0.2.0/24 or an address") from None


def _check_networks(allow: tuple[str, ...]) -> None:
    for each in allow:
        if each != ANYBODY:
            parse_network(each)


@dataclass(frozen=True, slots=True)
class Callers:
    """Who may call: this machine, the trunks, and those named here. Raises ValueError."""

    allow: tuple[str, ...] = setting((), check=_check_networks, table="incoming")
    """Networks and addresses, ``["192.0.2.0/24", "2001:db8::7"]``; ``["any"]`` is everybody. ``receive
    --allow`` comes before it."""
    accounts: tuple[Credentials, ...] = ()
    """Who may call from anywhere, with digest authentication."""
    silent: bool = setting(True, table="incoming")
    """Give all others no answer, so that scanners find nothing; ``false`` refuses them with 403. Does not
    hold with accounts, as those are asked for the password."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def networks(self) -> tuple[Network, ...]:
        """Those of ``allow``."""
        return tuple(parse_network(each) for each in self.allow if each != ANYBODY)

    @property
    def anybody(self) -> bool:
        """Whether everybody may call."""
        return ANYBODY in self.allow


# --- sessions -----------------------------------------------------------------------------------------------

LEAST_SESSION = 90
"""Seconds (RFC 4028 4)."""
LONGEST_SESSION = 7 * 86400
"""Seconds. RFC 4028 has no upper bound; a call that outlives a week has been forgotten."""


class Refresher(Enum):
    """Who refreshes a session (RFC 4028 3)."""

    US = "us"
    THEM = "them"


@dataclass(frozen=True, slots=True)
class SessionTimers:
    """Session timer parameters (RFC 4028), in seconds.

    Whatever is set here, timers that the far end asks for are kept. Raises ValueError.
    """

    session_expires: int | None = setting(
        None, least=LEAST_SESSION, most=LONGEST_SESSION, unit="seconds", table=""
    )
    """Time after which a call that is not refreshed is over (RFC 4028); the trunk's own wish is kept in any
    case."""
    least: int = setting(LEAST_SESSION, least=LEAST_SESSION, unit="seconds")
    """Min-SE: a far end that wants to be refreshed more often gets 422."""
    refresher: Refresher = Refresher.THEM
    """Whom we propose, or choose when the choice is ours."""

    def __post_init__(self) -> None:
        check(self)
        if self.session_expires is not None and self.session_expires < self.least:
            raise ValueError(
                f"session_expires: {self.session_expires} is too small: "
                f"{self.least} is the least of this line"
            )


# --- TLS ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Files are paths of PEM files. Raises ValueError for what does not go together."""

    certificate: str | None = setting(None, check=text, table="tls")
    """Our certificate with the chain behind it; without one TLS is used as a client only."""
    key: str | None = setting(None, check=text, table="tls")
    """Its key."""
    key_password: str | None = setting(None, check=text, table="tls", secret=True)
    """The password itself."""
    authorities: str | None = setting(None, check=text, table="tls")
    """The CAs that we trust. Default: the system's."""
    verify: bool = setting(True, table="tls")
    """``false`` believes whoever answers: for tests, and private networks at their own risk."""
    demand: bool = setting(False, table="tls")
    """Whoever connects to us must show a certificate of these authorities."""

    def __post_init__(self) -> None:
        check(self)
        if self.certificate is None and (self.key is not None or self.demand):
            raise ValueError("certificate is missing; name the file of ours")
        if self.key_password is not None and self.key is None:
            raise ValueError("key_password is set, but key is not; name the file of the key")


# --- registrations ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """A registration to keep up (RFC 3261 10)."""

    registrar: str
    """The Request-URI, ``sip:trunk.example``."""
    identity: str
    """The address of record as a URI or name-addr; its user part is that of our Contact."""
    credentials: Credentials | None = None
    # A registrar that wants longer ones says so (423, RFC 3261 10.2.8), and is obeyed.
    expires: int = setting(3600, least=1, most=604800, unit="seconds", table="")
    """How long a registration is asked for; it is refreshed in time."""
    follow_rport: bool = setting(False, table="")
    """Register the address that the registrar sees (RFC 3581) in place of ours, behind a NAT whose registrar
    does not do so itself."""

    def __post_init__(self) -> None:
        check(self)
