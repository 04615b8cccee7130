"""The settings of our own end in the configuration file: addresses, certificate, and ``[incoming]``, which
has the admitted callers and the limits of their calls."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from sip.line_settings import Callers, Limits, TlsSettings
from sip.values import Credentials
from t38fsp.inbox_settings import InboxSettings
from t38fsp.jobs import LISTEN, EngineSettings
from t38fsp.settings.address import listen_address
from t38fsp.settings.keys import made, with_keys
from t38fsp.settings.sources import Layered


def _listen(text: str) -> str:
    listen_address(text)
    return text


def _ip_address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not an IP address") from None


def _port_range(text: str) -> str:
    first_and_last(text)
    return text


def first_and_last(text: str) -> tuple[int, int]:
    """Parse a range of ports, ``FIRST-LAST``. Raises ValueError if a call could not use it."""
    first, hyphen, last = (part.strip() for part in text.partition("-"))
    # int() takes signs, underlines and digits of other scripts, too.
    if not (hyphen and all(port.isascii() and port.isdigit() and len(port) <= 5 for port in (first, last))):
        raise ValueError(f"{text[:60]!r} is not a port range; write it as FIRST-LAST, such as 10000-10999")
    ports = int(first), int(last)
    # RTP takes even ports (RFC 3550 11), and a range of one odd port has none. Lower ones need privileges.
    if not (1024 <= ports[0] <= ports[1] <= 65535 and (ports[0] % 2 == 0 or ports[0] < ports[1])):
        raise ValueError(
            f"{text[:60]!r} has no even port from 1024 to 65535; write it as FIRST-LAST, such as 10000-10999"
        )
    return ports


Listen = Annotated[str, AfterValidator(_listen)]


@with_keys("tls", TlsSettings)
class Tls(BaseModel):
    """``[tls]``; files are PEM."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _ = self.settings  # checks settings that depend on each other
        return self

    @property
    def settings(self) -> TlsSettings:
        return made(TlsSettings, {"tls": self})


class CallerAccount(BaseModel):
    """``{ user = "ata", password_file = "ata.password" }``"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)


@with_keys("incoming", Callers, Limits)
class IncomingTable(BaseModel):
    """``[incoming]``; the other keys come from the dataclasses named above."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    accounts: tuple[CallerAccount, ...] = ()
    """Accounts that may call from any address, with digest authentication:
    ``[{ user = "ata", password_file = "ata.password" }]``."""

    @property
    def callers(self) -> Callers:
        accounts = (Credentials(each.user, each.password.get_secret_value()) for each in self.accounts)
        return made(Callers, {"incoming": self}, accounts=tuple(accounts))

    @property
    def limits(self) -> Limits:
        return made(Limits, {"incoming": self})


@with_keys("received", InboxSettings)
class ReceivedTable(BaseModel):
    """``[received]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @property
    def settings(self) -> InboxSettings:
        """The same as settings of an inbox."""
        return made(InboxSettings, {"received": self})


@with_keys("", EngineSettings)
class Endpoint(Layered):
    """The keys above all tables."""

    listen: Listen | None = None
    """Our SIP address for UDP and TCP, HOST:PORT, port 0 for any; ``send`` uses its host with any port.
    ``"[::]:5060"`` is IPv6 only. Default: ``"0.0.0.0:5060"``."""
    tls_listen: Listen | None = None
    """Our address for TLS, usually with port 5061; needs a certificate."""
    advertised: tuple[Annotated[str, AfterValidator(_ip_address)], ...] = Field(default=(), max_length=2)
    """IP addresses to announce to far ends in place of ours, behind a router that forwards our ports: at most
    one of IPv4 and one of IPv6."""
    media_ports: Annotated[str, AfterValidator(_port_range)] | None = None
    """UDP ports for RTP and T.38, ``"10000-10999"``, as opened in a firewall; each call uses one even port.
    Default: any."""
    signalling: Annotated[str, Field(min_length=1)] | None = None
    """Unix socket of a process that owns the SIP address for several others; see the end of this page."""
    tls: Tls = Tls()
    incoming: IncomingTable = IncomingTable()
    received: ReceivedTable = ReceivedTable()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        # A far end gets one address: that of its own family.
        if len({ip_address(each).version for each in self.advertised}) < len(self.advertised):
            raise ValueError(
                "advertised has two addresses of one family; give at most one of IPv4 and one of IPv6"
            )
        if self.tls_listen is not None and self.tls.settings.certificate is None:
            raise ValueError("tls_listen needs a certificate; name its file and its key file in [tls]")
        return self

    @property
    def address(self) -> tuple[str, int] | None:
        """Our SIP address, if it is set."""
        return None if self.listen is None else listen_address(self.listen)

    @property
    def settings(self) -> EngineSettings:
        """The same as settings of an engine."""
        return made(
            EngineSettings,
            {"": self},
            listen=self.address or LISTEN,
            callers=self.incoming.callers,
            limits=self.incoming.limits,
            signalling=self.signalling,
            tls_listen=None if self.tls_listen is None else listen_address(self.tls_listen),
            tls=self.tls.settings,
            advertised=self.advertised,
            media_ports=None if self.media_ports is None else first_and_last(self.media_ports),
        )
