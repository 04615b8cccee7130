"""The Reason header (RFC 3326)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.syntax.message import Headers, q850_cause
from sip.syntax.reason import reason_header, reason_text


def test_a_reason_has_cause_and_text() -> None:
    assert reason_header('page "3"') == ("Reason", r'Q.850;cause=16;text="page \"3\""')


@given(st.text(max_size=300))
def test_any_text_can_be_a_reason(text: str) -> None:
    headers = Headers([reason_header(text)])
    assert q850_cause(headers) == 16
    if text.isprintable() and 0 < len(text) <= 200:
        assert reason_text(headers) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((), None),
        (("Q.850;cause=17",), None),
        (('Q.850;cause=17;text="User busy"',), "User busy"),
        (('Q.850;cause=17, SIP;cause=200;text="Call completed elsewhere"',), "Call completed elsewhere"),
        ((';=";text=x', "SIP;text=fine"), "fine"),
        (('Q.850;cause=17;text="\x1b[31mred"',), "\\x1b[31mred"),
    ],
)
def test_the_text_of_a_reason(values: tuple[str, ...], text: str | None) -> None:
    assert reason_text(Headers(("Reason", value) for value in values)) == text
