"""Transports of PJSIP, and the checks of certificates."""

from __future__ import annotations

import pjsua2 as pj

from sip.line_settings import TlsSettings
from sip.logs import get_logger
from sip.pjsua.wire import StartStack
from sip.syntax.errors import UnsupportedError
from sip.transport.listening import host_towards
from sip.transport.tls import TlsError, check_name
from sip.values import Address, Hop, Transport

_logger = get_logger(__name__)

_TRIES = 16
"""Ports tried to find one that is free for both UDP and TCP."""
_TYPES = {
    Transport.UDP: pj.PJSIP_TRANSPORT_UDP,
    Transport.TCP: pj.PJSIP_TRANSPORT_TCP,
    Transport.TLS: pj.PJSIP_TRANSPORT_TLS,
}
_ANY = "0.0.0.0"
_KINDS = {
    pj.PJ_SSL_CERT_NAME_DNS: "DNS",
    pj.PJ_SSL_CERT_NAME_IP: "IP Address",
    pj.PJ_SSL_CERT_NAME_URI: "URI",
}


class Transports:
    """UDP and TCP at one address, and TLS if it is configured or a call needs it."""

    def __init__(self, endpoint: pj.Endpoint, start: StartStack) -> None:
        self._endpoint = endpoint
        self._host = start.host
        self._advertised = start.advertised
        self._tls = start.tls
        self._names: dict[Address, str] = {}
        self._ports: dict[Transport, int] = {}
        self._refused: dict[Address, str] = {}

    def listen(self, port: int, tls_listen: Address | None) -> int:
        """Listen at ``port``, 0 for any that is free for both. Returns the port. Raises pj.Error."""
        for attempt in range(_TRIES):
            udp = self._create(Transport.UDP, self._host, port)
            try:
                self._create(Transport.TCP, self._host, self._ports[Transport.UDP])
            except pj.Error:
                self._endpoint.transportClose(udp)
                if port or attempt == _TRIES - 1:
                    raise
            else:
                break
        if tls_listen is not None:
            self._create(Transport.TLS, *tls_listen)
        return self._ports[Transport.UDP]

    def prepare(self, hop: Hop) -> None:
        """Create the transport for ``hop`` if needed. Raises pj.Error or UnsupportedError."""
        if hop.transport is not Transport.TLS:
            return
        self._refused.pop(hop.address, None)
        # PJSIP reuses a connection by its address alone, whatever name its certificate was checked for.
        name = hop.server_name or hop.host
        if self._names.setdefault(hop.address, name) != name:
            raise UnsupportedError(
                f"pjsua2 knows {hop} as {self._names[hop.address]}; use the backend 'own' for {name} there"
            )
        if Transport.TLS not in self._ports:
            self._create(Transport.TLS, self._host, 0)

    def why_refused(self, hop: Hop) -> str | None:
        """Why the certificate of ``hop`` was refused, or None."""
        return self._refused.get(hop.address)

    def contact(self, user: str | None, peer: Hop) -> str:
        """The URI of our Contact for ``peer``."""
        host = self._advertised or host_towards(self._host, peer)
        kind = f";transport={peer.transport.value.lower()}" if peer.transport.reliable else ""
        return f"sip:{'' if user is None else f'{user}@'}{host}:{self._ports[peer.transport]}{kind}"

    def port(self, transport: Transport) -> int:
        """The port of a transport. Raises KeyError if there is none."""
        return self._ports[transport]

    def owns(self, port: int) -> bool:
        """Whether this is the port of our UDP transport."""
        return port == self._ports.get(Transport.UDP)

    def _create(self, transport: Transport, host: str, port: int) -> int:
        config = pj.TransportConfig()
        config.boundAddress = "" if host == _ANY else host
        config.port = port
        config.publicAddress = self._advertised or ""
        if transport is Transport.TLS:
            _set_tls(config.tlsConfig, self._tls)
        number = self._endpoint.transportCreate(_TYPES[transport], config)
        address = self._endpoint.transportGetInfo(number).localAddress
        self._ports[transport] = int(address.rpartition(":")[2])
        return int(number)

    # --- TLS ------------------------------------------------------------------------------------------------

    def state_changed(self, prm: pj.OnTransportStateParam) -> None:
        """Check a new TLS connection; one to the wrong far end is closed before anything is sent.

        PJSIP's own check compares the certificate with the IP address that it connected to, not with the
        domain (RFC 5922 4).
        """
        if prm.state != pj.PJSIP_TP_STATE_CONNECTED or prm.tlsInfo.isEmpty() or not self._tls.verify:
            return
        ours, theirs = _address(prm.tlsInfo.localAddr), _address(prm.tlsInfo.remoteAddr)
        # Opened to us: the far end has no name that it must have.
        if ours[1] == self._ports.get(Transport.TLS):
            return
        try:
            _check(prm.tlsInfo, self._names.get(theirs, theirs[0]))
        except TlsError as error:
            _logger.warning("%s: %s", Hop(*theirs, Transport.TLS), error)
            if theirs in self._names:
                self._refused[theirs] = str(error)
            self._endpoint.transportShutdown(prm.hnd)


def _check(info: pj.TlsInfo, name: str) -> None:
    """Raises TlsError unless the certificate can be trusted, and is for ``name``."""
    # All of PJSIP's verdict but that on the name, which is checked below.
    if info.verifyStatus & ~pj.PJ_SSL_CERT_EIDENTITY_NOT_MATCH:
        raise TlsError(f"the certificate of {name} cannot be trusted: {'; '.join(info.verifyMsgs)}")
    names = tuple(
        (_KINDS[each.type], each.name) for each in info.remoteCertInfo.subjectAltName if each.type in _KINDS
    )
    check_name({"subjectAltName": names}, name)


def _set_tls(config: pj.TlsConfig, settings: TlsSettings) -> None:
    config.proto = pj.PJ_SSL_SOCK_PROTO_TLS1_2
    config.CaListFile = settings.authorities or ""
    config.certFile = settings.certificate or ""
    config.privKeyFile = settings.key or settings.certificate or ""
    config.password = settings.key_password or ""
    # PJSIP would compare the certificate with the IP address; ``state_changed`` checks chain and name.
    config.verifyServer = False
    config.verifyClient = config.requireClientCert = settings.demand


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)
