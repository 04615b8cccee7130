"""What an engine is asked to do is checked before it is asked."""

from __future__ import annotations

import pytest

from t38fsp.call_settings import CallSettings


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("max_rate", 1200, "max_rate: 1200 is too small: the minimum is 2400"),
        ("max_rate", 33600, "max_rate: 33600 is too large: the maximum is 14400"),
        ("redundancy", 8, "redundancy: 8 is too large: the maximum is 7"),
        ("t38_version", 1, "t38_version: 1 is not one of 0, 2 or 3"),
        ("ring_limit", 0, "ring_limit: 0 must be above 0"),
        ("ring_limit", float("nan"), "ring_limit: nan is not a number"),
        ("ring_limit", 3600, "ring_limit: 3600 is too large: the maximum is 600"),
        ("switch_wait", float("inf"), "switch_wait: inf is not a number"),
        ("switch_wait", -1, "switch_wait: -1 is too small: the minimum is 0"),
        ("switch_wait", 60, "switch_wait: 60 is too large: the maximum is 35"),
        ("switch", "first", "switch: 'first' is not one of 'callee', 'caller', 'either' or 'first'"),
        ("ecm", 7, "ecm: 7 is neither true nor false"),
        ("max_pages", 0, "max_pages: 0 is too small: the minimum is 1"),
        ("max_pages", 2001, "max_pages: 2001 is too large: the maximum is 2000"),
        ("max_pages", None, "max_pages: None is not a whole number"),
        ("max_octets", 0, "max_octets: 0 is too small: the minimum is 1"),
        ("max_datagram", 39, "max_datagram: 39 is too small: the minimum is 40"),
        ("max_datagram", 1401, "max_datagram: 1401 is too large: the maximum is 1400"),
        ("max_datagram", 40.5, "max_datagram: 40.5 is not a whole number"),
        ("preamble", 0.8, "preamble: 0.8 is too small: the minimum is 0.85"),
        ("preamble", "1", "preamble: '1' is not a number"),
        ("copies", 0, "copies: 0 is too small: the minimum is 1"),
        ("control_redundancy", 8, "control_redundancy: 8 is too large: the maximum is 7"),
        ("parity", 6, "parity: 6 is too large: the maximum is 5"),
        ("parity_span", 0, "parity_span: 0 is too small: the minimum is 1"),
        ("parity_span", 20, "parity_span: 20 is too large: the maximum is 10"),
        ("max_ifp", 23, "max_ifp: 23 is too small: the minimum is 24"),
        ("max_buffer", 23, "max_buffer: 23 is too small: the minimum is 24"),
        ("keep_alive", 0.05, "keep_alive: 0.05 is too small: the minimum is 0.1, or 0 for none"),
        ("keep_alive", None, "keep_alive: None is not a number"),
        ("station_id", 15550100, "station_id: 15550100 is not a string"),
        ("station_id", "+1 555 0100 0100 01000", "station_id: a station ID has at most 20 characters"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_what_would_do(
    setting: str, value: float | str | None, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence.replace("+", r"\+")):
        CallSettings(**{setting: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("strings", "span"), [(4, 4), (2, 8), (5, 10)])
def test_parity_that_reaches_further_back_than_peers_keep_packets_is_refused(strings: int, span: int) -> None:
    with pytest.raises(ValueError, match=f"reach back {strings * span} packets, and many peers keep 16"):
        CallSettings(parity=strings, parity_span=span)


@pytest.mark.parametrize(("strings", "span"), [(5, 3), (3, 5), (1, 10), (0, 10)])
def test_parity_within_reach_will_do(strings: int, span: int) -> None:
    CallSettings(parity=strings, parity_span=span)


def test_the_ends_of_the_ranges_will_do() -> None:
    CallSettings(max_rate=2400, redundancy=0, max_datagram=40, preamble=0.85, copies=1, keep_alive=0.0)
    CallSettings(t38_version=3, redundancy=7, max_datagram=1400, preamble=3.0, copies=8, keep_alive=30.0)
