"""Settings of the REST API: where it listens, who may connect, limits; and which documents it fetches."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from sip.bounds import check, setting, text
from sip.frozen import dataclass
from sip.line_settings import parse_network
from t38fsp.errors import SettingError

SOCKET = "service.sock"
"""Name of the Unix socket, where nothing else is set."""

_SOCKET_PATH = 100
"""Octets of the path of a Unix socket; systems take 104 to 108."""


def parse_listen(listen: str) -> tuple[str, int]:
    """Address and port of ``127.0.0.1:8038`` or ``[::1]:8038``; raises ValueError."""
    host, _, port = listen.rpartition(":")
    try:
        if not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError
        if host.startswith("["):
            return str(IPv6Address(host[1:].removesuffix("]") if host.endswith("]") else host)), int(port)
        return str(IPv4Address(host)), int(port)
    except ValueError:
        raise ValueError(f"{listen[:60]!r} is not an address and a port; write 127.0.0.1:8038") from None


def _check_listen(listen: object) -> None:
    text(listen)
    if listen:
        parse_listen(str(listen))


def _check_socket(path: object) -> None:
    text(path)
    if len(str(path).encode()) > _SOCKET_PATH:
        raise ValueError(f"the path has more than {_SOCKET_PATH} octets, which systems do not take")


def _check_networks(networks: object) -> None:
    if not isinstance(networks, tuple) or not all(isinstance(each, str) for each in networks):
        raise ValueError(f"{networks!r} is not a list of networks")
    for each in networks:
        parse_network(each)


def _check_hosts(hosts: object) -> None:
    if not isinstance(hosts, tuple) or not all(isinstance(each, str) and each.strip() for each in hosts):
        raise ValueError(f"{hosts!r} is not a list of names of hosts")
    if "*" in hosts:
        raise ValueError("* would let clients name any host; list those that have documents")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The REST API; raises SettingError."""

    listen: str = setting("127.0.0.1:8038", check=_check_listen, table="web")
    """Address and port; empty for none, so that there is only the socket. An address that others can reach
    needs a certificate, or a proxy with one (``proxies``)."""
    socket: str = setting("", check=_check_socket, table="web")
    """Path of a Unix socket. It needs no key: the permissions of the file decide, and let in its owner."""
    socket_group: bool = setting(False, table="web")
    """Let in the group of the socket, too."""
    certificate: str | None = setting(None, check=text, table="web")
    """Certificate for TLS, followed by its chain (PEM)."""
    key: str | None = setting(None, check=text, table="web")
    """Its key (PEM)."""
    key_password: str | None = setting(None, check=text, table="web", secret=True)
    """Password of the key."""
    proxies: tuple[str, ...] = setting((), check=_check_networks, table="web")
    """Networks and addresses of proxies in front, whose X-Forwarded-For and X-Forwarded-Proto count."""
    max_body: int = setting(70_000_000, least=10_000, most=2_000_000_000, unit="octets", table="web")
    """Size of a request."""
    max_connections: int = setting(500, least=1, most=100_000, table="web")
    """Connections at the same time; further ones are closed."""
    max_streams: int = setting(50, least=0, most=10_000, table="web")
    """Clients of ``/v1/events`` at the same time."""
    patience: float = setting(30.0, least=0.1, most=600.0, unit="seconds", table="web")
    """How long a client may take for the header of a request, for each 30 kB of a body, or for reading what
    it asked for."""
    per_minute: int = setting(600, least=1, most=1_000_000, table="web")
    """Requests in a minute of a key that has no limit of its own, on each host."""
    audit_days: float = setting(365.0, above=0.0, most=36500.0, unit="days", table="web")
    """How long the audit log is kept."""

    def __post_init__(self) -> None:
        check(self, SettingError)
        if (self.certificate is None) is not (self.key is None):
            raise SettingError("certificate and key: one is missing; give both, or neither")
        if not self.listen:
            return
        address = ip_address(parse_listen(self.listen)[0])
        if not address.is_loopback and self.certificate is None and not self.proxies:
            raise SettingError(
                f"listen: {self.listen} can be reached by others, and keys would pass in the clear; give a "
                "certificate and its key, or the addresses of the proxies that have one"
            )


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """Documents by URL; raises SettingError."""

    hosts: tuple[str, ...] = setting((), check=_check_hosts, table="fetch")
    """Hosts that documents may be fetched from, ``["files.example.com", "*.example.org"]``. Default: none, so
    that a URL is refused."""
    networks: tuple[str, ...] = setting((), check=_check_networks, table="fetch")
    """Private networks in which these hosts may be; all others that are not public are refused."""
    plain: bool = setting(False, table="fetch")
    """Allow ``http`` beside ``https``."""
    fetch_seconds: float = setting(30.0, above=0.0, most=300.0, unit="seconds", table="fetch")
    """Time for a document."""

    def __post_init__(self) -> None:
        check(self, SettingError)
