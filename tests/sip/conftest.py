"""Certificates for calls over TLS."""

from __future__ import annotations

import pytest

from sip.line_settings import TlsSettings
from tests.sip.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def trunk(authority: Authority) -> TlsSettings:
    """The server trunk.example."""
    return authority.issue("trunk", "DNS:trunk.example", "DNS:*.pool.example", "URI:sip:uri.example")
