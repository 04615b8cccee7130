"""What an engine is asked to do is checked before it is asked."""

from __future__ import annotations

import pytest

from t38fsp.jobs import CallSettings


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("max_rate", 1200, "the rate limit 1200 is too low: fax modems begin at 2400 bit/s"),
        ("redundancy", 8, "redundancy 8 is out of range: 0 to 7 earlier packets"),
        ("t38_version", 1, "T.38 version 1 is not offered: use 0, 2 or 3"),
        ("ring_limit", 0, "time limits are positive numbers of seconds"),
        ("ring_limit", float("nan"), "time limits are positive numbers of seconds"),
        ("switch_wait", float("inf"), "time limits are positive numbers of seconds"),
        ("switch_wait", -1, "time limits are positive numbers of seconds"),
        ("max_pages", 0, "a fax of no pages, or of no octets, cannot be received: allow at least 1"),
        ("max_octets", 0, "a fax of no pages, or of no octets, cannot be received: allow at least 1"),
        ("max_datagram", 39, "datagrams of 39 octets do not do: 40 to 1400"),
        ("max_datagram", 1401, "datagrams of 1401 octets do not do: 40 to 1400"),
        ("preamble", 0.8, "a preamble of 0.8 s does not do: 0.85 to 3 seconds"),
        ("copies", 0, "0 copies of an indicator do not do: 1 to 8"),
        ("control_redundancy", 8, "8 copies of control data do not do: 0 to 7"),
        ("parity", 6, "6 parity strings over 3 packets do not do: 0 to 5 over 1 to 10"),
        ("parity_span", 0, "0 parity strings over 0 packets do not do: 0 to 5 over 1 to 10"),
        ("parity_span", 20, "0 parity strings over 20 packets do not do"),
        ("max_ifp", 23, "IFP packets of 23 octets do not do: 24 to 1400"),
        ("max_buffer", 23, "a buffer of 23 octets does not do: 24 or more"),
        ("keep_alive", 0.0, "a keep-alive each 0 s does not do: 0.1 to 30 seconds"),
        ("station_id", "+1 555 0100 0100 01000", "a station ID has at most 20 characters"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_what_would_do(
    setting: str, value: float | str, sentence: str
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
    CallSettings(max_rate=2400, redundancy=0, max_datagram=40, preamble=0.85, copies=1, keep_alive=None)
    CallSettings(t38_version=3, redundancy=7, max_datagram=1400, preamble=3.0, copies=8, keep_alive=30.0)
