"""Certificates for calls over TLS, and which tests of a backend of the line run at each push."""

from __future__ import annotations

import pytest

from sip.line_settings import TlsSettings
from tests.sip.certificates import Authority


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and (at_push := getattr(item.cls, "at_push", None)) is not None:
            assert all(hasattr(item.cls, name) for name in at_push)
            if item.originalname not in at_push:
                item.add_marker(pytest.mark.full)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def trunk(authority: Authority) -> TlsSettings:
    """The server trunk.example."""
    return authority.issue("trunk", "DNS:trunk.example", "DNS:*.pool.example", "URI:sip:uri.example")
