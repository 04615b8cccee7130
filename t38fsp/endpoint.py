"""What the configuration file says of our own end: where we listen, our certificate, who may call."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sip.line import TlsSettings
from t38fsp.address import listen_address
from t38fsp.callers import Incoming
from t38fsp.jobs import EngineSettings


def _listen(text: str) -> str:
    listen_address(text)
    return text


def _ip_address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no IP address") from None


Listen = Annotated[str, AfterValidator(_listen)]


class Tls(BaseModel):
    """``[tls]``; files are PEM, relative to the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: str | None = None
    """Ours, with the chain behind it; needed to listen."""
    key: str | None = None
    authorities: str | None = None
    """CAs that we trust; default the system's."""
    verify: bool = True
    """False believes whoever answers."""
    demand: bool = False
    """Whoever connects to us must show a certificate."""


class Endpoint(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Listen | None = None
    """HOST:PORT for UDP and TCP."""
    tls_listen: Listen | None = None
    """HOST:PORT for TLS."""
    advertised: tuple[Annotated[str, AfterValidator(_ip_address)], ...] = Field(default=(), max_length=2)
    """Addresses that far ends shall see: the router's, one of IPv4 and one of IPv6 at most."""
    tls: Tls = Tls()
    incoming: Incoming = Incoming()

    def settings(self, folder: Path) -> EngineSettings:
        """Those of an engine; ``folder`` is where the file is."""

        def beside(name: str | None) -> str | None:
            return None if name is None else str(folder / Path(name).expanduser())

        tls = TlsSettings(
            beside(self.tls.certificate),
            beside(self.tls.key),
            authorities=beside(self.tls.authorities),
            verify=self.tls.verify,
            demand=self.tls.demand,
        )
        return EngineSettings(
            listen=("0.0.0.0", 5060) if self.listen is None else listen_address(self.listen),
            callers=self.incoming.callers,
            tls_listen=None if self.tls_listen is None else listen_address(self.tls_listen),
            tls=tls,
            advertised=self.advertised,
        )
