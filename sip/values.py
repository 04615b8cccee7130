"""Values that all of SIP uses: addresses, hops, dialog IDs, credentials, session timers, TLS settings."""

from __future__ import annotations

from dataclasses import field
from enum import Enum

from sip.frozen import dataclass

Address = tuple[str, int]
"""Host as a literal IP address, and port."""


class Transport(Enum):
    """What carries messages; the value is its name in Via (RFC 3261 20.42)."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"

    @property
    def reliable(self) -> bool:
        """Whether it loses nothing while its connection stands, so that nothing is repeated."""
        return self is not Transport.UDP

    @property
    def default_port(self) -> int:
        return 5061 if self is Transport.TLS else 5060


@dataclass(frozen=True, slots=True)
class Hop:
    """Where messages go to or come from: an address, what carries them, and who must be there.

    On a connection that the far end opened, the port is the one it opened it from.
    """

    host: str
    """Literal IP address, without brackets."""
    port: int
    transport: Transport = Transport.UDP
    server_name: str | None = None
    """Domain that a TLS certificate must be for (RFC 5922 7.1); None when only the address is known."""

    @property
    def address(self) -> Address:
        return self.host, self.port

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port} over {self.transport.value}"


@dataclass(frozen=True, slots=True)
class DialogId:
    """The three parts that name a dialog (RFC 3261 12); *local* means ours."""

    call_id: str
    local_tag: str
    remote_tag: str

    def __str__(self) -> str:
        """The text form of RFC 4538."""
        return f"{self.call_id};local-tag={self.local_tag};remote-tag={self.remote_tag}"


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: str = field(repr=False)


LEAST_SESSION = 90
"""Seconds (RFC 4028 4)."""


LONGEST_SESSION = 7 * 86400
"""Seconds; more is not told from for ever."""


class Refresher(Enum):
    """Who refreshes a session (RFC 4028 3)."""

    US = "us"
    THEM = "them"


@dataclass(frozen=True, slots=True)
class SessionTimers:
    """How a call is kept alive between far ends that lose sight of it (RFC 4028). Times are in seconds.

    Whatever is set here, timers that the far end asks for are kept. Raises ValueError for times that the RFC
    does not have.
    """

    expires: int | None = None
    """Session-Expires that we ask for; None asks for none. Longer than the call, it costs nothing."""
    least: int = 90
    """Min-SE: a far end that wants to be refreshed more often gets 422."""
    refresher: Refresher = Refresher.THEM
    """Whom we propose, or choose when the choice is ours."""

    def __post_init__(self) -> None:
        if self.least < LEAST_SESSION:
            raise ValueError(f"the least session interval is {LEAST_SESSION} seconds, not {self.least}")
        if self.expires is not None and not self.least <= self.expires <= LONGEST_SESSION:
            raise ValueError(
                f"a session that expires after {self.expires} seconds is not kept; "
                f"choose {self.least} to {LONGEST_SESSION}"
            )


@dataclass(frozen=True, slots=True)
class Identity:
    """What a call says of its caller beside From (RFC 3323, RFC 3325). Identities are URIs or name-addrs."""

    asserted: tuple[str, ...] = ()
    """P-Asserted-Identity, for a proxy that trusts us: a SIP URI, a tel URI, or both."""
    preferred: str | None = None
    """P-Preferred-Identity, for a proxy that knows us and is to assert one of our identities."""
    privacy: tuple[str, ...] = ()
    """Privacy: ``id``, ``user``, ``header``, …. With ``id`` or ``user`` From and Contact name nobody."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Files are paths of PEM files.

    ``certificate`` (with the chain behind it) and ``key`` are ours: needed to listen, and shown to servers
    that ask. ``authorities`` are the CAs that we trust, the system's when None. With ``verify`` false whoever
    answers is believed: for tests, and for private networks at their own risk. With ``demand`` true, whoever
    connects to us must show a certificate of these authorities.
    """

    certificate: str | None = None
    key: str | None = None
    key_password: str | None = field(default=None, repr=False)
    authorities: str | None = None
    verify: bool = True
    demand: bool = False
