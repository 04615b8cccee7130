"""The settings of a SIP line: admitted callers, limits, session timers, TLS, registrations.

Their bounds are declared with the fields (``sip.bounds``). Each class raises ValueError for a value out of
range.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network

from sip.bounds import check, setting, text
from sip.frozen import dataclass
from sip.values import Credentials

# --- incoming calls -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of what callers can use of a line. Raises ValueError."""

    calls: int = setting(250, least=1, most=100000, table="incoming", key="max_calls")
    """Concurrent calls in each engine process (``workers``), in both directions; further ones get 486."""
    waiting: int = setting(64, least=1, most=100000, table="incoming", key="max_waiting")
    """Incoming calls that are neither taken nor refused yet; further ones get 486."""
    per_source: int | None = setting(None, least=1, most=100000, table="incoming", key="max_per_source")
    """Incoming calls from one IP address, also that of a trunk; further ones get 486. Default: no limit."""
    transactions: int = setting(4096, least=16, most=1000000, table="incoming", key="max_transactions")
    """Requests without a final response yet; further calls get 503 with Retry-After."""

    def __post_init__(self) -> None:
        check(self)


Network = IPv4Network | IPv6Network
ANY = "any"
"""In place of a network: every address."""


def parse_network(text: str) -> Network:
    """Read ``192.0.2.0/24``, ``2001:db8::/32`` or one address; raises ValueError."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not a network; write 192.0.2.0/24 or an address") from None


def _check_networks(allow: tuple[str, ...]) -> None:
    for each in allow:
        if each != ANY:
            parse_network(each)


@dataclass(frozen=True, slots=True)
class Callers:
    """Admitted callers: this machine, the trunks, and those named here. Raises ValueError."""

    allow: tuple[str, ...] = setting((), check=_check_networks, table="incoming")
    """Networks and addresses, ``["192.0.2.0/24", "2001:db8::7"]``; ``["any"]`` admits every address."""
    accounts: tuple[Credentials, ...] = ()
    """Accounts that may call from any address, with digest authentication."""
    silent: bool = setting(True, table="incoming")
    """Ignore all other callers, so that scanners find nothing; ``false`` refuses them with 403. Has no effect
    with accounts, as every caller is then challenged for a password."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks in ``allow``."""
        return tuple(parse_network(each) for each in self.allow if each != ANY)

    @property
    def any_address(self) -> bool:
        """Whether every address is admitted."""
        return ANY in self.allow


# --- sessions -----------------------------------------------------------------------------------------------

LEAST_SESSION = 90
"""Seconds (RFC 4028 4)."""
LONGEST_SESSION = 7 * 86400
"""Seconds. RFC 4028 has no upper bound; a call longer than a week is certainly stale."""


class Refresher(Enum):
    """The side that refreshes a session (RFC 4028 3)."""

    US = "us"
    THEM = "them"


@dataclass(frozen=True, slots=True)
class SessionTimers:
    """Session timer parameters (RFC 4028), in seconds.

    Timers that the far end requests are honoured in any case. Raises ValueError.
    """

    session_expires: int | None = setting(
        None, least=LEAST_SESSION, most=LONGEST_SESSION, unit="seconds", table=""
    )
    """Time after which a call that is not refreshed ends (RFC 4028); timers that the trunk requests are
    honoured in any case."""
    least: int = setting(LEAST_SESSION, least=LEAST_SESSION, unit="seconds")
    """Min-SE: a far end that requests a shorter interval gets 422."""
    refresher: Refresher = Refresher.THEM
    """The refresher that we propose, or choose if the choice is ours."""

    def __post_init__(self) -> None:
        check(self)
        if self.session_expires is not None and self.session_expires < self.least:
            raise ValueError(
                f"session_expires: {self.session_expires} is too small: "
                f"the minimum of this line is {self.least}"
            )


# --- TLS ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """TLS certificate and trust; files are paths of PEM files. Raises ValueError for conflicting settings."""

    certificate: str | None = setting(None, check=text, table="tls")
    """Our certificate, followed by its chain; without one TLS is used only as a client."""
    key: str | None = setting(None, check=text, table="tls")
    """Its key."""
    key_password: str | None = setting(None, check=text, table="tls", secret=True)
    """The password itself."""
    authorities: str | None = setting(None, check=text, table="tls")
    """Trusted CAs. Default: those of the system."""
    verify: bool = setting(True, table="tls")
    """``false`` accepts any certificate: for tests, and for private networks at your own risk."""
    demand: bool = setting(False, table="tls")
    """Peers that connect to us must present a certificate of these authorities."""

    def __post_init__(self) -> None:
        check(self)
        if self.certificate is None and (self.key is not None or self.demand):
            raise ValueError("certificate is not set; set it to the file of our certificate")
        if self.key_password is not None and self.key is None:
            raise ValueError("key_password is set, but key is not; set key to the file of the key")


# --- registrations ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """A registration to maintain (RFC 3261 10)."""

    registrar: str
    """The Request-URI, ``sip:trunk.example``."""
    identity: str
    """The address of record as a URI or name-addr; our Contact has the same user part."""
    credentials: Credentials | None = None
    # A registrar with a longer minimum responds 423 (RFC 3261 10.2.8); its Min-Expires is then used.
    expires: int = setting(3600, least=1, most=604800, unit="seconds", table="")
    """Requested lifetime of a registration; it is refreshed in time."""
    follow_rport: bool = setting(False, table="")
    """Register the address that the registrar sees (RFC 3581) in place of ours: for use behind a NAT, with a
    registrar that does not correct the address itself."""

    def __post_init__(self) -> None:
        check(self)
