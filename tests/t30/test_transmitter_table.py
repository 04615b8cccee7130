"""The transmitter in the state tables of T.30 (figure 5-2, annex A), row by row: what it hears, what it says.

A row is named by the state it begins in and what happens there.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from t38fsp.t30.frames import FCF, Frame, encode_station_id
from t38fsp.t30.outputs import CapabilitiesReceived, PageOutcome, SessionWarned
from tests.t30.alone import (
    DCS_ECM,
    DIS,
    DIS_NO_RECEIVER,
    Event,
    hears,
    hears_damage,
    hears_for,
    hears_nothing,
    partial_page,
    rows,
    said,
    transmitter,
)
from tests.t30.calls import FINE, STANDARD

DIS_WITHOUT_ECM = bytes.fromhex("00771f")
DIS_V27TER = bytes.fromhex("00531f22")
ALL_FRAMES = b"\xff" * 32
ONE_FRAME = b"\x80" + bytes(31)
SILENCE = [hears_nothing] * 3
"""T4 for the command and its two repetitions."""

TO_CFR = [hears(FCF.DIS, DIS)]
TO_PAGE = [*TO_CFR, hears(FCF.CFR)]
FOUR_REQUESTS = [hears(FCF.PPR, ALL_FRAMES)] * 4
TO_CTR = [*TO_PAGE, *FOUR_REQUESTS]
TO_BUSY = [*TO_PAGE, hears(FCF.RNR)]


@rows(
    ("WAIT_DIS: DIS", [hears(FCF.DIS, DIS)], said("DCS", "TCF 14400")),
    ("WAIT_DIS: NSF CSI DIS", [hears(FCF.DIS, DIS, before=[
        Frame(FCF.NSF, b"\xb5\x00\x2a", final=False), Frame(FCF.CSI, encode_station_id("1"), final=False),
    ])], said("DCS", "TCF 14400")),
    ("WAIT_DIS: DIS without bit 10", [hears(FCF.DIS, DIS_NO_RECEIVER)], said("DCN", "END NOT_A_RECEIVER")),
    ("WAIT_DIS: DTC", [hears(FCF.DTC, DIS)], said("DCN", "END NOT_A_RECEIVER")),
    ("WAIT_DIS: T1", [hears_nothing], said("END NO_FAX")),
    ("WAIT_DIS: DCN", [hears(FCF.DCN)], said("END DISCONNECTED")),
    ("WAIT_DIS: bad FCS, T1", [hears_damage, hears_nothing], said("DCN", "END NO_FAX")),
    ("WAIT_CFR: CFR", [*TO_CFR, hears(FCF.CFR)], said("block 14400", "PPS-MPS")),
    ("WAIT_CFR: FTT", [*TO_CFR, hears(FCF.FTT)], said("DCS", "TCF 12000")),
    ("WAIT_CFR: FTT, no rate left", [hears(FCF.DIS, DIS), *[hears(FCF.FTT)] * 8],
     said("DCN", "END TRAINING_FAILED")),
    ("WAIT_CFR: FTT counts tries anew", [*TO_CFR, *SILENCE[:2], hears(FCF.FTT), *SILENCE[:2]],
     said("DCS", "TCF 12000")),
    ("WAIT_CFR: DIS again", [*TO_CFR, hears(FCF.DIS, DIS)], said("DCS", "TCF 14400")),
    ("WAIT_CFR: another DIS", [*TO_CFR, hears(FCF.DIS, DIS_V27TER)], said("DCS", "TCF 4800")),
    ("WAIT_CFR: DIS three times", [*TO_CFR, *[hears(FCF.DIS, DIS)] * 3],
     said("DCN", "END NO_ANSWER_TO_DCS")),
    ("WAIT_CFR: T4", [*TO_CFR, hears_nothing], said("DCS", "TCF 14400")),
    ("WAIT_CFR: T4 three times", [*TO_CFR, *SILENCE], said("DCN", "END NO_ANSWER_TO_DCS")),
    ("WAIT_CFR: CRP", [*TO_CFR, hears(FCF.CRP)], said("DCS", "TCF 14400")),
    ("WAIT_CFR: DCN", [*TO_CFR, hears(FCF.DCN)], said("END DISCONNECTED")),
    ("WAIT_CFR: our DCS as an echo", [*TO_CFR, hears(FCF.DCS, DCS_ECM, x=True)], said()),
    ("WAIT_CFR: FNV", [*TO_CFR, hears(FCF.FNV, b"\x20")], said("DCN", "END FIELD_REFUSED")),
)  # fmt: skip
def test_the_transmitter_in_phase_b(events: Sequence[Event], expected: list[str]) -> None:
    assert transmitter().do(events) == expected


@rows(
    ("C_NON: page sent, one more alike", TO_PAGE, said("page 14400", "MPS")),
    ("WAIT_PM: MCF to MPS", [*TO_PAGE, hears(FCF.MCF)], said("page 14400", "EOP")),
    ("WAIT_PM: MCF to EOP", [*TO_PAGE, *[hears(FCF.MCF)] * 2], said("DCN", "END OK")),
    ("WAIT_PM: RTP to MPS", [*TO_PAGE, hears(FCF.RTP)], said("DCS", "TCF 14400")),
    ("WAIT_PM: RTP to MPS, CFR", [*TO_PAGE, hears(FCF.RTP), hears(FCF.CFR)], said("page 14400", "EOP")),
    ("WAIT_PM: RTP to EOP", [*TO_PAGE, hears(FCF.MCF), hears(FCF.RTP)], said("DCN", "END OK")),
    ("WAIT_PM: RTN to MPS", [*TO_PAGE, hears(FCF.RTN)], said("DCS", "TCF 12000")),
    ("WAIT_PM: RTN, CFR", [*TO_PAGE, hears(FCF.RTN), hears(FCF.CFR)], said("page 12000", "MPS")),
    ("WAIT_PM: RTN to EOP", [*TO_PAGE, hears(FCF.MCF), hears(FCF.RTN)], said("DCS", "TCF 12000")),
    ("WAIT_PM: RTN three times", [*TO_PAGE, *[hears(FCF.RTN), hears(FCF.CFR)] * 2, hears(FCF.RTN)],
     said("DCN", "END PAGE_REFUSED")),
    ("WAIT_PM: PIP is MCF", [*TO_PAGE, hears(FCF.PIP)], said("page 14400", "EOP")),
    ("WAIT_PM: PIP to EOP", [*TO_PAGE, hears(FCF.MCF), hears(FCF.PIP)], said("DCN", "END OK")),
    ("WAIT_PM: PIN is RTN", [*TO_PAGE, hears(FCF.PIN)], said("DCS", "TCF 12000")),
    ("WAIT_PM: PID to MPS", [*TO_PAGE, hears(FCF.PID)], said("DCN", "END RECEIVER_STOPPED")),
    ("WAIT_PM: PID to EOP", [*TO_PAGE, hears(FCF.MCF), hears(FCF.PID)], said("DCN", "END OK")),
    ("WAIT_PM: T4", [*TO_PAGE, hears_nothing], said("MPS")),
    ("WAIT_PM: T4 three times", [*TO_PAGE, *SILENCE], said("DCN", "END NO_ANSWER_TO_PAGE")),
    ("WAIT_PM: our command as an echo", [*TO_PAGE, hears(FCF.MPS, x=True)], said()),
    ("WAIT_PM: echo, T4", [*TO_PAGE, hears(FCF.MPS, x=True), hears_nothing], said("MPS")),
    ("WAIT_PM: CRP", [*TO_PAGE, hears(FCF.CRP)], said("MPS")),
    ("WAIT_PM: DIS, the far end begins anew", [*TO_PAGE, hears(FCF.DIS, DIS_WITHOUT_ECM)],
     said("DCS", "TCF 14400")),
    ("WAIT_PM: a DIS too short", [*TO_PAGE, hears(FCF.DIS, b"\0")], said()),
    ("WAIT_PM: DCN", [*TO_PAGE, hears(FCF.DCN)], said("END DISCONNECTED")),
    ("WAIT_PM: CFR, late", [*TO_PAGE, hears(FCF.CFR)], said()),
    ("WAIT_PM: PPR without ECM", [*TO_PAGE, hears(FCF.PPR, ALL_FRAMES)], said()),
)  # fmt: skip
def test_the_transmitter_without_ecm(events: Sequence[Event], expected: list[str]) -> None:
    assert transmitter(ecm=False).do(events) == expected


@rows(
    ("mode change: EOM", TO_PAGE, said("page 14400", "EOM")),
    ("WAIT_PM: MCF to EOM", [*TO_PAGE, hears(FCF.MCF)], said()),
    ("WAIT_PM: MCF to EOM, DIS", [*TO_PAGE, hears(FCF.MCF), hears(FCF.DIS, DIS)], said("DCS", "TCF 14400")),
    ("WAIT_PM: RTP to EOM, DIS", [*TO_PAGE, hears(FCF.RTP), hears(FCF.DIS, DIS)], said("DCS", "TCF 14400")),
    ("WAIT_PM: MCF to EOM, T1", [*TO_PAGE, hears(FCF.MCF), hears_nothing], said("DCN", "END PROTOCOL")),
    ("WAIT_PM: RTN to EOM", [*TO_PAGE, hears(FCF.RTN)], said("DCS", "TCF 12000")),
)
def test_the_transmitter_and_pages_of_two_kinds(events: Sequence[Event], expected: list[str]) -> None:
    assert transmitter([FINE, STANDARD], ecm=False).do(events) == expected


@rows(
    ("C_ECM: block sent", TO_PAGE, said("block 14400", "PPS-MPS")),
    ("WAIT_PPS: MCF to PPS-MPS", [*TO_PAGE, hears(FCF.MCF)], said("block 14400", "PPS-EOP")),
    ("WAIT_PPS: MCF to PPS-EOP", [*TO_PAGE, *[hears(FCF.MCF)] * 2], said("DCN", "END OK")),
    ("WAIT_PPS: PPR", [*TO_PAGE, hears(FCF.PPR, ALL_FRAMES)], said("block 14400", "PPS-MPS")),
    ("WAIT_PPS: PPR, the third", [*TO_PAGE, *FOUR_REQUESTS[:3]], said("block 14400", "PPS-MPS")),
    ("WAIT_PPS: PPR, the fourth", [*TO_PAGE, *FOUR_REQUESTS], said("CTC")),
    ("WAIT_PPS: PPR too short", [*TO_PAGE, hears(FCF.PPR, b"\xff")], said()),
    ("WAIT_PPS: RNR", [*TO_PAGE, hears(FCF.RNR)], said("RR")),
    ("WAIT_PPS: PIP is MCF", [*TO_PAGE, hears(FCF.PIP)], said("block 14400", "PPS-EOP")),
    ("WAIT_PPS: PID to PPS-MPS", [*TO_PAGE, hears(FCF.PID)], said("DCN", "END RECEIVER_STOPPED")),
    ("WAIT_PPS: PID to PPS-EOP", [*TO_PAGE, hears(FCF.MCF), hears(FCF.PID)], said("DCN", "END OK")),
    ("WAIT_PPS: RTP", [*TO_PAGE, hears(FCF.RTP)], said("DCS", "TCF 14400")),
    ("WAIT_PPS: PIN is RTN", [*TO_PAGE, hears(FCF.PIN)], said("DCS", "TCF 12000")),
    ("WAIT_PPS: RTN", [*TO_PAGE, hears(FCF.RTN)], said("DCS", "TCF 12000")),
    ("WAIT_PPS: RTN to PPS-EOP", [*TO_PAGE, hears(FCF.MCF), hears(FCF.RTN)], said("DCS", "TCF 12000")),
    ("WAIT_PPS: T4", [*TO_PAGE, hears_nothing], said("PPS-MPS")),
    ("WAIT_PPS: T4 three times", [*TO_PAGE, *SILENCE], said("DCN", "END NO_ANSWER_TO_PAGE")),
    ("WAIT_PPS: our PPS as an echo", [*TO_PAGE, partial_page(FCF.MPS)], said()),
    ("WAIT_PPS: CRP", [*TO_PAGE, hears(FCF.CRP)], said("PPS-MPS")),
    ("WAIT_PPS: CRP three times", [*TO_PAGE, *[hears(FCF.CRP)] * 3], said("DCN", "END NO_ANSWER_TO_PAGE")),
    ("WAIT_PPS: DIS", [*TO_PAGE, hears(FCF.DIS, DIS)], said("DCS", "TCF 14400")),
    ("WAIT_PPS: DCN", [*TO_PAGE, hears(FCF.DCN)], said("END DISCONNECTED")),
    ("WAIT_RR: RNR", [*TO_BUSY, hears(FCF.RNR)], said("RR")),
    ("WAIT_RR: MCF", [*TO_BUSY, hears(FCF.MCF)], said("block 14400", "PPS-EOP")),
    ("WAIT_RR: PPR", [*TO_BUSY, hears(FCF.PPR, ALL_FRAMES)], said("block 14400", "PPS-MPS")),
    ("WAIT_RR: PIP", [*TO_BUSY, hears(FCF.PIP)], said("block 14400", "PPS-EOP")),
    ("WAIT_RR: RTN", [*TO_BUSY, hears(FCF.RTN)], said("DCS", "TCF 12000")),
    ("WAIT_RR: T4", [*TO_BUSY, hears_nothing], said("RR")),
    ("WAIT_RR: T4 three times", [*TO_BUSY, *SILENCE], said("DCN", "END NO_ANSWER_TO_PAGE")),
    ("WAIT_RR: RNR until T5", [*TO_BUSY, hears_for(60, FCF.RNR)], said("RR")),
    ("WAIT_RR: RNR beyond T5", [*TO_BUSY, hears_for(70, FCF.RNR)],
     said("RR", "DCN", "END RECEIVER_BUSY")),
    ("WAIT_CTR: CTR", [*TO_CTR, hears(FCF.CTR)], said("long block 12000", "PPS-MPS")),
    ("WAIT_CTR: CTR, PPR", [*TO_CTR, hears(FCF.CTR), hears(FCF.PPR, ALL_FRAMES)],
     said("block 12000", "PPS-MPS")),
    ("WAIT_CTR: T4", [*TO_CTR, hears_nothing], said("CTC")),
    ("WAIT_CTR: T4 three times", [*TO_CTR, *SILENCE], said("DCS", "TCF 12000")),
    ("WAIT_CTR: T4 three times, CFR", [*TO_CTR, *SILENCE, hears(FCF.CFR)], said("block 12000", "PPS-MPS")),
    ("WAIT_CTR: PPR, on at the old rate", [*TO_CTR, hears(FCF.PPR, ALL_FRAMES)],
     said("block 14400", "PPS-EOM")),
    ("CTC refused, no progress", [*TO_CTR, hears(FCF.PPR, ALL_FRAMES), *FOUR_REQUESTS],
     said("DCS", "TCF 9600")),
    ("CTC refused, progress", [*TO_CTR, hears(FCF.PPR, ALL_FRAMES), *[hears(FCF.PPR, ONE_FRAME)] * 4],
     said("block 14400", "PPS-EOM")),
    ("WAIT_CTR: ERR", [*TO_CTR, hears(FCF.ERR)], said("DCN", "END ECM_FAILED")),
    ("WAIT_CTR: DIS", [*TO_CTR, hears(FCF.DIS, DIS)], said("DCS", "TCF 12000")),
    ("WAIT_CTR: CRP", [*TO_CTR, hears(FCF.CRP)], said("CTC")),
)  # fmt: skip
def test_the_transmitter_with_ecm(events: Sequence[Event], expected: list[str]) -> None:
    assert transmitter().do(events) == expected


@rows(
    ("WAIT_PPS: PPR, the fourth", TO_CTR, said("EOR-MPS")),
    ("WAIT_ERR: ERR", [*TO_CTR, hears(FCF.ERR)], said("DCN", "END ECM_FAILED")),
    ("WAIT_ERR: RNR", [*TO_CTR, hears(FCF.RNR)], said("RR")),
    ("WAIT_ERR: RNR, ERR", [*TO_CTR, hears(FCF.RNR), hears(FCF.ERR)], said("DCN", "END ECM_FAILED")),
    ("WAIT_ERR: RNR beyond T5", [*TO_CTR, hears_for(70, FCF.RNR)], said("RR", "DCN", "END RECEIVER_BUSY")),
    ("WAIT_ERR: DIS", [*TO_CTR, hears(FCF.DIS, DIS)], said("DCS", "TCF 14400")),
    ("WAIT_ERR: CRP", [*TO_CTR, hears(FCF.CRP)], said("EOR-MPS")),
    ("WAIT_ERR: T4", [*TO_CTR, hears_nothing], said("EOR-MPS")),
    ("WAIT_ERR: T4 three times", [*TO_CTR, *SILENCE], said("DCN", "END NO_ANSWER_TO_PAGE")),
)
def test_the_transmitter_that_knows_no_ctc(events: Sequence[Event], expected: list[str]) -> None:
    assert transmitter(continue_to_correct=False).do(events) == expected


@rows(
    ("C_ECM: the first of two blocks", TO_PAGE, said("block 14400", "PPS-NULL")),
    ("WAIT_PPS: MCF to PPS-NULL", [*TO_PAGE, hears(FCF.MCF)], said("block 14400", "PPS-EOP")),
    ("WAIT_PPS: PPR to PPS-NULL", [*TO_PAGE, hears(FCF.PPR, ALL_FRAMES)], said("block 14400", "PPS-NULL")),
    ("WAIT_PPS: PID within a page", [*TO_PAGE, hears(FCF.PID)], said("DCN", "END RECEIVER_STOPPED")),
    ("WAIT_PPS: RTP within a page", [*TO_PAGE, hears(FCF.RTP)], said("block 14400", "PPS-EOP")),
    ("WAIT_PPS: RTN within a page", [*TO_PAGE, hears(FCF.MCF), hears(FCF.RTN), hears(FCF.CFR)],
     said("block 12000", "PPS-NULL")),
)  # fmt: skip
def test_the_transmitter_and_a_page_of_two_blocks(events: Sequence[Event], expected: list[str]) -> None:
    alone = transmitter(1)
    alone.octets = 70_000
    assert alone.do(events) == expected


@rows(
    ("WAIT_PPS: PPR to PPS-NULL, the fourth", TO_CTR, said("EOR-NULL")),
    ("WAIT_ERR: ERR to EOR-NULL", [*TO_CTR, hears(FCF.ERR)], said("DCN", "END ECM_FAILED")),
)
def test_the_transmitter_that_gives_up_a_block(events: Sequence[Event], expected: list[str]) -> None:
    alone = transmitter(1, continue_to_correct=False)
    alone.octets = 70_000
    assert alone.do(events) == expected


def test_a_dis_too_short_loses_no_page() -> None:
    alone = transmitter(1, [*TO_PAGE, hears(FCF.DIS, b"\0"), hears(FCF.MCF)], ecm=False)
    outcomes = [output for output in alone.outputs if isinstance(output, PageOutcome)]
    assert [(outcome.confirmed, outcome.response) for outcome in outcomes] == [(True, "MCF")]


def test_capabilities_are_told_when_they_change() -> None:
    alone = transmitter(events=[hears(FCF.DIS, DIS), hears(FCF.DIS, DIS), hears(FCF.DIS, DIS_V27TER)])
    told = [output for output in alone.outputs if isinstance(output, CapabilitiesReceived)]
    assert [bytes(output.capabilities) for output in told] == [DIS, DIS_V27TER]


@pytest.mark.parametrize(
    ("dis", "burst", "warnings"),
    [
        ("00771f230101c0", "SUB SID TSI DCS", 0),
        ("00771f23010180", "SUB TSI DCS", 1),
        ("00771f23010140", "SID TSI DCS", 1),
        ("00771f22", "TSI DCS", 2),
    ],
    ids=["bits 49 and 50", "bit 49", "bit 50", "neither"],
)
def test_a_sub_address_goes_only_where_the_dis_allows_it(dis: str, burst: str, warnings: int) -> None:
    alone = transmitter(station_id="1", sub_address="22", sender_id="33")
    assert alone.do([hears(FCF.DIS, bytes.fromhex(dis))]) == [burst, "TCF 14400"]
    assert len([output for output in alone.outputs if isinstance(output, SessionWarned)]) == warnings
