"""Patterns of rules, and what settings of receiving and deliveries are refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from t38fsp.choices import FileFormat
from t38fsp.errors import SettingError
from t38fsp.service.delivery_settings import DeliverySettings, MailSecurity, MailServer, RetrySettings
from t38fsp.service.policy.rules import ReceivedFacts, Rule, matches, rule_for
from t38fsp.service.targets import Target

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("pattern", "value", "does"),
    [
        ("+4930123", "sip:+4930123@trunk.example", True),
        ("+4930123", "sip:+49-30-123@trunk.example;user=phone", True),
        ("+49 (30) 123", "sip:4930123@trunk.example", True),
        ("4930123", "sip:+4930123;npdi@trunk.example", True),
        ("+4930*", "sip:+4930123@trunk.example", True),
        ("+4930???", "sip:%2B4930123@trunk.example", True),
        ("+4930[1-3]23", "tel:+4930123", True),
        ("+4930", "sip:+4930123@trunk.example", False),
        ("*123", "sip:1234@trunk.example", False),
        ("fax", "sip:Fax@trunk.example", True),
        ("*@trunk.example", "sip:anything@TRUNK.example", True),
        ("fax@trunk.example", "sip:fax@other.example", False),
        ("", "", True),
        ("", "sip:trunk.example", True),
        ("", "sip:1@trunk.example", False),
        ("*", "", True),
        ("acme*", "ACME Ltd. 12", True),
        ("[", "[", True),
        ("a" * 200, "a" * 5000, False),
        ("*a" * 100, "a" * 5000, True),
        ("*a" * 99 + "b", "a" * 5000, False),
    ],
)
def test_patterns(pattern: str, value: str, does: bool) -> None:
    Rule(called=(pattern,))
    assert matches(pattern, value) is does


def test_all_conditions_of_a_rule_and_any_pattern_of_each() -> None:
    rules = (
        Rule("both", called=("1", "2"), caller=("3",)),
        Rule("sub", sub_address=("7*",)),
        Rule("station", station_id=("acme",)),
    )
    found = [
        rule_for(rules, ReceivedFacts(*facts))
        for facts in (("2", "3", "", ""), ("2", "4", "", ""), ("2", "4", "ACME", "71"), ("", "", "ACME", ""))
    ]
    assert [rule and rule.name for rule in found] == ["both", None, "sub", "station"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "none"),
        ({"folder": "/x", "mail": ("a@b.example",)}, "folder and mail"),
        ({"webhook": "https://a.example/x"}, "secrets"),
        ({"webhook": "a.example/x", "secrets": (SECRET,)}, "https://"),
        ({"webhook": "https://u:p@a.example/x", "secrets": (SECRET,)}, "password"),
        ({"webhook": "https://a.example/x", "secrets": ("whsec_c2hvcnQ=",)}, "24 to 64"),
        ({"webhook": "https://a.example/x", "secrets": ("secret",)}, "whsec_"),
        ({"webhook": "http://a.example/x", "secrets": (SECRET,)}, "https"),
        ({"webhook": "https://a.example/x", "secrets": (SECRET,), "events": ("Fax delivered",)}, "events"),
        ({"folder": "/x", "events": ("fax.*",)}, "webhook"),
        ({"folder": "/x", "attach": True}, "webhook"),
        ({"mail": ("a@b.example",), "sidecar": True}, "folder"),
        ({"mail": ("a b@b.example",)}, "NAME@DOMAIN"),
        ({"mail": ("a@b.example\r\nBcc: c@d.example",)}, "NAME@DOMAIN"),
        ({"mail": ("ü@b.example",)}, "ASCII"),
        ({"folder": "/x", "format": FileFormat.TIFF, "ocr": True}, "TIFF"),
        ({"folder": "/x", "file_name": "../{csi}"}, "slash"),
        ({"command": "'unclosed"}, "not a command"),
        ({"folder": "/x", "seconds": 0.0}, "minimum"),
    ],
)
def test_targets_that_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingError, match=told) as caught:
        Target("x", **options)
    assert SECRET not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    target = Target("x", webhook="https://a.example/x", secrets=(SECRET,))
    server = MailServer("mail.example", user="fax", password="hidden", sender="a@b.example")
    retries = RetrySettings(webhook_hosts=("a.example",), webhook_secrets=(SECRET,))
    assert not any(each in repr((target, server, retries)) for each in (SECRET, "hidden"))


def test_what_does_not_fit_together() -> None:
    with pytest.raises(SettingError, match="no target 'b'"):
        DeliverySettings(targets={"a": Target("a", folder="/x")}, rules=(Rule(deliver=("a", "b")),))
    with pytest.raises(SettingError, match="mail server"):
        DeliverySettings(targets={"a": Target("a", mail=("a@b.example",))})
    with pytest.raises(SettingError, match="invalid"):
        DeliverySettings(targets={"a/b": Target("a/b", folder="/x")})
    with pytest.raises(SettingError, match="sender"):
        MailServer("mail.example")
    with pytest.raises(SettingError, match="in the clear"):
        MailServer("h", security=MailSecurity.NONE, user="u", password="p", sender="a@b.example")
    with pytest.raises(SettingError, match="webhook_secrets"):
        RetrySettings(webhook_hosts=("a.example",))


def test_delays_grow_to_a_limit() -> None:
    retries = RetrySettings(first_delay=10.0, growth=3.0, longest_delay=100.0)
    assert [retries.delay(attempt, 0.5) for attempt in (1, 2, 3, 4, 1000)] == [10.0, 30.0, 90.0, 100.0, 100.0]
    assert (retries.delay(1, 0.0), retries.delay(1, 1.0)) == pytest.approx((8.0, 12.0))
