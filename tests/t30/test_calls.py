"""Whole calls on a good line: what is said, on which modems, and that the pages arrive."""

from __future__ import annotations

import pytest

from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import FarEndIdentified, Negotiated, PageBegun, PageWanted
from t38fsp.t30.vocabulary import Coding, Modem, Resolution
from tests.t30.calls import FINE, OURS, STANDARD, THEIRS, WIDE, assert_delivered, call, run


def test_two_pages_with_ecm() -> None:
    link = run()
    assert_delivered(link, 2)
    assert link.said(link.transmitter) == ["DCS", "PPS", "PPS", "DCN"]
    assert link.said(link.receiver) == ["DIS", "CFR", "MCF", "MCF"]
    assert link.image_modems() == [
        (Modem.V17_14400, False),  # TCF
        (Modem.V17_14400, True),
        (Modem.V17_14400, True),
    ]
    for outcome in link.outcomes(link.transmitter):
        assert (outcome.confirmed, outcome.response, outcome.bit_rate) == (True, "MCF", 14400)
        assert (outcome.coding, outcome.ecm, outcome.octets, outcome.repeats) == (Coding.MMR, True, 6000, 0)
        assert 5 < outcome.seconds < 10


def test_two_pages_without_ecm() -> None:
    link = run(sending=TransmitOptions(ecm=False))
    assert_delivered(link, 2)
    assert link.said(link.transmitter) == ["DCS", "MPS", "EOP", "DCN"]
    assert link.store.modes[0].coding is Coding.MR
    assert not link.store.modes[0].ecm


def test_both_ends_say_who_they_are() -> None:
    link = run()
    assert link.of(link.transmitter, FarEndIdentified) == [FarEndIdentified(THEIRS)]
    assert link.of(link.receiver, FarEndIdentified) == [FarEndIdentified(OURS)]


def test_both_ends_agree_on_the_mode() -> None:
    link = run((STANDARD,))
    (ours,), (theirs,) = link.of(link.transmitter, Negotiated), link.of(link.receiver, Negotiated)
    assert ours == theirs
    assert ours.mode.resolution is Resolution.R8_STANDARD


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("rate", [14400, 12000, 9600, 7200, 4800, 2400])
def test_every_coding_at_every_rate(coding: Coding, rate: int, ecm: bool) -> None:
    options = TransmitOptions(ecm=ecm, codings=(coding, Coding.MH), max_rate=rate)
    link = run(sending=options, octets=3000)
    assert_delivered(link, 2, 3000)
    mode = link.store.modes[1]
    assert mode.bit_rate == rate
    assert mode.coding is (Coding.MH if coding is Coding.MMR and not ecm else coding)


@pytest.mark.parametrize(
    ("rate", "modem"), [(14400, Modem.V17_14400), (12000, Modem.V29_9600), (4800, Modem.V27TER_4800)]
)
def test_the_receiver_sets_the_limit(rate: int, modem: Modem) -> None:
    link = run(receiving=ReceiveOptions(max_rate=rate))
    assert link.image_modems()[0] == (modem, False)
    assert_delivered(link, 2)


@pytest.mark.parametrize(("frame_size", "blocks"), [(256, 3), (64, 9)])
def test_a_page_of_several_blocks(frame_size: int, blocks: int) -> None:
    octets = 140_000
    link = run((FINE, STANDARD, FINE), octets=octets, sending=TransmitOptions(ecm_frame_size=frame_size))
    assert_delivered(link, 3, octets)
    assert link.said(link.transmitter).count("PPS") == 3 * blocks


@pytest.mark.parametrize("octets", [1, 256, 257, 65_536, 65_537])
def test_pages_at_the_edges_of_frames_and_blocks(octets: int) -> None:
    assert_delivered(run((FINE,), octets=octets), 1, octets)


@pytest.mark.parametrize("ecm", [True, False])
def test_mixed_formats_begin_anew_with_eom(ecm: bool) -> None:
    link = run((FINE, STANDARD, STANDARD, WIDE), sending=TransmitOptions(ecm=ecm))
    assert_delivered(link, 4)
    assert link.said(link.transmitter).count("DCS") == 3
    assert link.said(link.receiver).count("DIS") == 3
    assert [link.store.modes[index].width for index in range(4)] == [1728, 1728, 1728, 2432]
    if not ecm:
        assert [word for word in link.said(link.transmitter) if word != "DCS"] == [
            "EOM",
            "MPS",
            "EOM",
            "EOP",
            "DCN",
        ]


def test_formats_that_travel_alike_need_no_eom() -> None:
    link = run((FINE, STANDARD), receiving=ReceiveOptions(resolutions=frozenset()))
    assert_delivered(link, 2)
    assert link.said(link.transmitter).count("DCS") == 1


@pytest.mark.parametrize(
    ("pages", "octets", "frame_size"),
    [
        pytest.param(258, 60, 64, id="pages"),
        pytest.param(1, 257 * 256 * 64 + 1, 64, id="blocks of a page", marks=pytest.mark.full),
    ],
)
def test_counters_of_pps_go_round(pages: int, octets: int, frame_size: int) -> None:
    """Page and block count modulo 256 (A.4.3)."""
    link = run((FINE,) * pages, receiving=ReceiveOptions(ecm_frame_size=frame_size), octets=octets)
    assert_delivered(link, pages, octets)


def test_a_hundred_pages() -> None:
    assert_delivered(run((FINE,) * 100, octets=2000), 100, 2000)


def test_pages_are_asked_for_early() -> None:
    """Page 0 while training goes on, each other while the one before it is on the line."""
    link = run((FINE,) * 3)
    order = [
        f"{type(output).__name__} {output.index}"
        for output in link.outputs[link.transmitter]
        if isinstance(output, PageWanted | PageBegun)
    ]
    assert order == [
        "PageWanted 0",
        "PageBegun 0",
        "PageWanted 1",
        "PageBegun 1",
        "PageWanted 2",
        "PageBegun 2",
    ]
    assert all(output.mode.ecm for output in link.sender.asked)


def test_a_slow_line_and_a_slow_far_end() -> None:
    assert_delivered(run(delay=0.6), 2)


def test_nothing_is_sent_before_leave() -> None:
    link = call()
    link.transmitter.start(0.0)
    link.receiver.start(0.0, ced=True)
    link.go_on(until=20.0)
    assert link.said(link.transmitter) == []
    assert link.said(link.receiver).count("DIS") >= 3
    link.transmitter.proceed(link.now)
    link.go_on()
    assert_delivered(link, 2)


@pytest.mark.parametrize("ecm", [True, False])
def test_an_overlong_silence_about_a_page_means_rnr_or_a_repeat(ecm: bool) -> None:
    link = call(sending=TransmitOptions(ecm=ecm))
    link.store.delay = 2.6
    link.run()
    assert_delivered(link, 2)
    assert ("RNR" in link.said(link.receiver)) is ecm
    assert ("RR" in link.said(link.transmitter)) is ecm


def test_storing_goes_on_while_rr_asks() -> None:
    link = call()
    link.store.delay = 40.0
    link.run()
    assert_delivered(link, 2)
    assert link.said(link.receiver).count("RNR") > 5
