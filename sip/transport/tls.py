"""TLS for SIP: contexts, and the names in a certificate (RFC 3261 26.3.1, RFC 5922)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from sip.line_settings import TlsSettings
from sip.syntax.errors import SipError
from sip.ua.target import is_address
from sip.values import NetworkFault

_EXPIRED = 10
_NOT_YET_VALID = 9
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR_*: no issuer, self-signed, self-signed in the chain, no local issuer, no signature to check."""

ASKS_FOR_CERTIFICATE = "it may require a certificate of ours"

_MISSED_CERTIFICATE = frozenset(
    {"HANDSHAKE_FAILURE", "CERTIFICATE_REQUIRED", "NO_CERTIFICATE", "BAD_CERTIFICATE"}
)
"""Alerts of a server to which we sent no certificate. In TLS 1.2 handshake_failure also has other reasons."""
_DISLIKED_CERTIFICATE = frozenset(
    {"BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_REVOKED", "CERTIFICATE_EXPIRED"}
    | {"CERTIFICATE_UNKNOWN", "UNKNOWN_CA", "ACCESS_DENIED"}
)
"""Alerts of a server to which we sent one (RFC 8446 6.2)."""


class TlsError(SipError):
    """A certificate or setting cannot be used for TLS; the text names it."""


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """For connections that we open. Raises TlsError. :func:`check_name` checks the name: OpenSSL does not
    know the rules of RFC 5922."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, settings)
    context.check_hostname = False
    # Without verification TLS still encrypts, but anyone in between can read along.
    context.verify_mode = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
    return context


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """For connections that are opened to us. Raises TlsError."""
    if settings.certificate is None:
        raise TlsError("listening for TLS needs a certificate; set the files of the certificate and its key")
    context = _context(ssl.PROTOCOL_TLS_SERVER, settings)
    context.verify_mode = ssl.CERT_REQUIRED if settings.demand else ssl.CERT_NONE
    return context


def _context(protocol: int, settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    # Older versions are deprecated (RFC 8996).
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.authorities is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(settings.authorities)
        except (OSError, ssl.SSLError) as error:
            why = "it contains none" if isinstance(error, ssl.SSLError) else error.strerror
            raise TlsError(f"no CA certificates can be read from {settings.authorities}: {why}") from error
    if settings.certificate is not None:
        try:
            # Without a password OpenSSL would prompt for one on the terminal.
            context.load_cert_chain(settings.certificate, settings.key, settings.key_password or "")
        except (OSError, ssl.SSLError, ValueError) as error:
            files = settings.certificate + (f" with the key {settings.key}" if settings.key else "")
            raise TlsError(
                f"the certificate {files} cannot be used: {_why_useless(error, settings)}"
            ) from error
    return context


def _why_useless(error: Exception, settings: TlsSettings) -> str:
    """The reason in words: OpenSSL's own errors do not name the cause."""
    if not isinstance(error, ssl.SSLError):
        return getattr(error, "strerror", None) or str(error)
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    if settings.key_password is None:
        return "a file is not PEM, lacks the key, or has a key with a password, and none is set"
    return "a file is not PEM, lacks the key, or has a key with another password"


def check_name(certificate: Mapping[str, object], name: str) -> None:
    """Raises TlsError unless a verified certificate is for ``name``, a domain or an IP address.

    The subjectAltName must contain a SIP URI of the domain, or its DNS name (RFC 5922 7.1, 7.2). RFC 5922
    forbids wildcards, but carriers use them: one for the first label is accepted. The common name is ignored.
    """
    names = list(_names(certificate))
    if not any(_covers(each, name) for each in names):
        shown = ", ".join(list(dict.fromkeys(names))[:4]) or "no SIP domain"
        raise TlsError(f"the certificate is for {shown} and not for {name}")


def _names(certificate: Mapping[str, object]) -> Iterator[str]:
    names = certificate.get("subjectAltName")
    for kind, value in names if isinstance(names, tuple) else ():
        if kind in ("DNS", "IP Address"):
            yield value
        # A URI with a user part names a person, not a domain (RFC 5922 7.1).
        elif kind == "URI" and value.lower().startswith("sip:") and "@" not in value:
            yield value[len("sip:") :]


def _covers(pattern: str, name: str) -> bool:
    if is_address(name):
        return is_address(pattern.strip()) and ip_address(pattern.strip()) == ip_address(name)
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    # A wildcard is for one label, and never for a top-level domain.
    if pattern.startswith("*."):
        first, _, rest = name.partition(".")
        return bool(first) and "." in rest and rest == pattern[2:]
    return pattern == name


def why_refused(error: BaseException, name: str, *, certificate: bool) -> NetworkFault:
    """The reason why TLS with ``name`` failed.

    ``certificate`` is true if we have one of our own.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == _EXPIRED:
            return NetworkFault(f"the certificate of {name} has expired", "its owner has to renew it")
        if error.verify_code == _NOT_YET_VALID:
            return NetworkFault(
                f"the certificate of {name} is not valid yet", "check the clock of this machine"
            )
        if error.verify_code in _UNKNOWN_AUTHORITY:
            return NetworkFault(
                f"the certificate of {name} is not signed by a trusted CA",
                "set the file of the CA",
            )
        return NetworkFault(f"the certificate of {name} cannot be trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        what = (error.reason or "no common protocol").lower().replace("_", " ")
        sentence = f"the TLS handshake with {name} failed: {what}"
        # OpenSSL's names of alerts: TLSV13_ALERT_CERTIFICATE_REQUIRED, SSLV3_ALERT_BAD_CERTIFICATE.
        alert = (error.reason or "").partition("ALERT_")[2]
        if alert in _MISSED_CERTIFICATE and not certificate:
            return NetworkFault(sentence, ASKS_FOR_CERTIFICATE)
        if alert in _DISLIKED_CERTIFICATE and certificate:
            return NetworkFault(sentence, "it does not accept our certificate")
        return NetworkFault(sentence)
    return NetworkFault(f"{name} closed the TLS connection: {error}")
