"""The signalling process by itself: its arguments, and whom it admits."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from sip.line_settings import Limits
from sip.remote.rules import least_busy
from sip.remote.signalling import Signalling, read_arguments
from sip.syntax.message import Headers, Request
from sip.ua.admission import Admit, Demand, Ignore, RefuseCaller, Verdict
from sip.values import Hop, Transport


def verdict(settings: Signalling, host: str) -> Verdict:
    """What becomes of an INVITE from there."""
    request = Request("INVITE", "sip:fax@192.0.2.1", Headers([("Call-ID", "1")]))
    return settings.admission(Random(1)).admit(request, Hop(host, 5060), 0.0)


def test_few_arguments_are_enough() -> None:
    settings = read_arguments(["line.sock"])
    assert settings.listen == [Hop("0.0.0.0", 5060, each) for each in (Transport.UDP, Transport.TCP)]
    assert (settings.socket, settings.answerers, settings.rule) == ("line.sock", [], least_busy)
    assert isinstance(verdict(settings, "127.0.0.1"), Admit)
    assert isinstance(verdict(settings, "203.0.113.9"), Ignore)


def test_who_may_call_is_told_as_in_an_engine(tmp_path: Path) -> None:
    some = read_arguments(["line.sock", "--allow", "192.0.2.0/24", "--allow", "2001:db8::7", "--forbid"])
    for host, expected in (("192.0.2.9", Admit), ("2001:db8::7", Admit), ("203.0.113.9", RefuseCaller)):
        assert isinstance(verdict(some, host), expected)
    assert isinstance(verdict(read_arguments(["line.sock", "--allow", "any"]), "203.0.113.9"), Admit)

    (tmp_path / "ata.password").write_text("secret\n")
    known = read_arguments(["line.sock", "--account", f"ata:{tmp_path / 'ata.password'}"])
    assert [(each.username, each.password) for each in known.callers.accounts] == [("ata", "secret")]
    assert isinstance(verdict(known, "203.0.113.9"), Demand)


def test_limits_arrive() -> None:
    settings = read_arguments(
        ["line.sock", "--max-calls", "10", "--max-waiting", "3", "--max-per-source", "2"]
    )
    assert settings.limits == Limits(calls=10, waiting=3, per_source=2)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--listen", "5060", "'5060' is not HOST:PORT"),
        ("--allow", "trunk", "'trunk' is not a network; write 192.0.2.0/24 or an address"),
        ("--account", "ata:none", "cannot read a password from 'none'"),
        ("--account", "ata", "cannot read a password from ''"),
        ("--max-calls", "0", "calls: 0 is too small: the minimum is 1"),
        ("--rule", "nowhere:rule", "'nowhere:rule' is not the name of a rule"),
    ],
)
def test_a_wrong_argument_is_told(
    capsys: pytest.CaptureFixture[str], option: str, value: str, sentence: str
) -> None:
    with pytest.raises(SystemExit):
        read_arguments(["line.sock", option, value])
    assert sentence in capsys.readouterr().err
