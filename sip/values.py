"""Values that all of SIP uses: addresses, hops, dialog IDs, credentials, identities."""

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
        """Whether it loses nothing while its connection is open, so that nothing is retransmitted."""
        return self is not Transport.UDP

    @property
    def default_port(self) -> int:
        return 5061 if self is Transport.TLS else 5060


@dataclass(frozen=True, slots=True)
class Hop:
    """Where messages go to or come from: an address, a transport, and the name that TLS must verify.

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
class NetworkFault:
    """Why the network carried nothing to a hop."""

    what: str = ""
    """A sentence for people; empty where the network did not say why."""
    advice: str | None = None
    """What to do or look at; None where that is not known."""

    def __str__(self) -> str:
        return f"{self.what}; {self.advice}" if self.advice else self.what


NO_REASON = NetworkFault()
"""The fault of a network that did not say why."""


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


@dataclass(frozen=True, slots=True)
class Identity:
    """Caller identity beside From (RFC 3323, RFC 3325). Identities are URIs or name-addrs."""

    asserted: tuple[str, ...] = ()
    """P-Asserted-Identity, for a proxy that trusts us: a SIP URI, a tel URI, or both."""
    preferred: str | None = None
    """P-Preferred-Identity, for a proxy that knows us and is to assert one of our identities."""
    privacy: tuple[str, ...] = ()
    """Privacy: ``id``, ``user``, ``header``, …. With ``id`` or ``user`` From and Contact are anonymous."""
