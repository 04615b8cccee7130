"""Certificates made while the tests run, by the openssl command."""

from __future__ import annotations

from pathlib import Path

from sip.line_settings import TlsSettings
from tests.peers.programs import run


class Authority:
    """A CA in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir()
        self.certificate = str(directory / "ca.pem")
        self._key = str(directory / "ca.key")
        openssl(
            *("req", "-x509", *_NEW_KEY, "-keyout", self._key, "-out", self.certificate),
            *("-subj", "/CN=Test CA", "-addext", "keyUsage=critical,keyCertSign"),
        )

    def issue(self, name: str, *names: str, days: int = 2) -> TlsSettings:
        """Settings of a server (or client) with a certificate for ``names``, each as openssl writes
        subjectAltName (``DNS:trunk.example``); ``days`` below zero makes one that has expired."""
        request, certificate, key = (str(self._directory / f"{name}.{end}") for end in ("csr", "pem", "key"))
        extensions = self._directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\n" if names else "")
        openssl("req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", request, "-out", certificate, "-days", str(days)),
            *("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-extfile", str(extensions)),
        )
        return TlsSettings(certificate, key, authorities=self.certificate)

    @property
    def trusted(self) -> TlsSettings:
        """Settings of a client that trusts this CA and no other."""
        return TlsSettings(authorities=self.certificate)


def openssl(*arguments: str) -> None:
    """Run the command; it must succeed."""
    result = run("openssl", *arguments, package="openssl")
    assert result.returncode == 0, result.stderr


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
