"""The receiver in the state tables of T.30 (figure 5-2, annex A), row by row: what it hears, what it says.

A row is named by the state it begins in and what happens there.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from t38fsp.t30.frames import FCF, Frame, encode_station_id
from t38fsp.t30.outputs import FarEndAddressed, FarEndIdentified, PageData
from t38fsp.t30.vocabulary import CarrierDetected, CarrierLost, DataReceived, Modem, PageQuality
from tests.t30.alone import (
    DCS_ECM,
    DCS_PLAIN,
    DIS,
    Event,
    hears,
    hears_block,
    hears_empty_page,
    hears_for,
    hears_mistaken,
    hears_nothing,
    hears_page,
    hears_training,
    partial_page,
    receiver,
    rows,
    said,
    waits,
)

CTC = DCS_ECM[:2]
CTC_9600 = bytes.fromhex("0064")
DIS_ALSO = bytes.fromhex("00531f")
"""Of another machine than ours."""
TO_TCF = [hears(FCF.DCS, DCS_ECM, x=True)]
TO_IMAGE = [*TO_TCF, hears_training()]
TO_IMAGE_PLAIN = [hears(FCF.DCS, DCS_PLAIN, x=True), hears_training()]
TO_BLOCK = [*TO_IMAGE, hears_block(0, 1)]
TO_PAGE_PLAIN = [*TO_IMAGE_PLAIN, hears_page]


@rows(
    ("R: NSS SUB SID TSI DCS", [hears(FCF.DCS, DCS_ECM, x=True, before=[
        Frame(fcf, encode_station_id("1"), final=False, x=True)
        for fcf in (FCF.NSS, FCF.SUB, FCF.SID, FCF.TSI)
    ])], said()),
    ("R: TSA IRA DCS, TCF", [hears(FCF.DCS, DCS_ECM, x=True, before=[
        Frame(FCF.TSA, b"\0sip:a@b", final=False, x=True), Frame(FCF.IRA, b"\0b", final=False, x=True),
    ]), hears_training()], said("CFR")),
    ("R: DTC without a document", [hears(FCF.DTC, DIS)], said("DCN", "END PROTOCOL")),
    ("R: our DIS as an echo", [hears(FCF.DIS, DIS)], said()),
    ("R: T4", [hears_nothing], said("DIS")),
    ("R: DCN", [hears(FCF.DCN)], said("END DISCONNECTED")),
    ("R: CRP", [hears(FCF.CRP)], said("DIS")),
    ("R: a DCS that we did not offer", [hears(FCF.DCS, bytes.fromhex("00461f2301010110"))],
     said("DCN", "END INCOMPATIBLE")),
    ("R: a DCS too short", [hears(FCF.DCS, b"\0")], said()),
    ("TCF: good", TO_IMAGE, said("CFR")),
    ("TCF: bad", [*TO_TCF, hears_training(good=False)], said("FTT")),
    ("TCF: bad, then DCS and good", [*TO_TCF, hears_training(good=False), *TO_IMAGE], said("CFR")),
    ("TCF: no carrier, T2", [*TO_TCF, hears_nothing], said("FTT")),
    ("C_WAIT: DCS again, CFR was lost", [*TO_IMAGE, *TO_IMAGE], said("CFR")),
    ("C_WAIT: T2", [*TO_IMAGE, hears_nothing], said("DCN", "END NO_COMMAND")),
    ("C_WAIT: TNR", [*TO_IMAGE, hears(FCF.TNR, x=True)], said("TR")),
    ("C_WAIT: TNR beyond T5", [*TO_IMAGE, hears_for(70, FCF.TNR, x=True)],
     said("TR", "DCN", "END NO_COMMAND")),
    ("C_WAIT: TNR, a page, TNR", [*TO_IMAGE, hears_for(40, FCF.TNR), hears_block(0, 1),
                                  partial_page(FCF.MPS), hears_for(40, FCF.TNR)], said("TR")),
    ("R: TNR", [hears(FCF.TNR, x=True)], said("TR")),
    ("R: DIS of a far end that receives too, until T1", [hears_for(70, FCF.DIS, DIS_ALSO)],
     said("DCN", "END NO_COMMAND")),
    ("R: FNV", [hears(FCF.FNV, b"\x04")], said("DCN", "END FIELD_REFUSED")),
)  # fmt: skip
def test_the_receiver_in_phase_b(events: Sequence[Event], expected: list[str]) -> None:
    assert receiver().do(events) == expected


@rows(
    ("POST_NON: MPS", [*TO_PAGE_PLAIN, hears(FCF.MPS, x=True)], said("MCF")),
    ("POST_NON: EOM", [*TO_PAGE_PLAIN, hears(FCF.EOM, x=True)], said("MCF")),
    ("POST_NON: EOM, silence", [*TO_PAGE_PLAIN, hears(FCF.EOM, x=True), hears_nothing], said("DIS")),
    ("POST_NON: EOP", [*TO_PAGE_PLAIN, hears(FCF.EOP, x=True)], said("MCF")),
    ("POST_NON: PRI-MPS", [*TO_PAGE_PLAIN, hears(FCF.PRI_MPS, x=True)], said("MCF")),
    ("POST_NON: PRI-MPS, a page, EOP", [
        *TO_PAGE_PLAIN, hears(FCF.PRI_MPS, x=True), hears_page, hears(FCF.EOP, x=True),
    ], said("MCF")),
    ("POST_NON: PRI-EOM, silence", [*TO_PAGE_PLAIN, hears(FCF.PRI_EOM, x=True), hears_nothing], said("DIS")),
    ("POST_NON: PRI-EOP, DCN", [*TO_PAGE_PLAIN, hears(FCF.PRI_EOP, x=True), hears(FCF.DCN)], said("END OK")),
    ("POST_NON: EOS is EOM", [*TO_PAGE_PLAIN, hears(FCF.EOS, x=True), hears_nothing], said("DIS")),
    ("POST_NON: DCS", [*TO_PAGE_PLAIN, *TO_IMAGE_PLAIN], said("CFR")),
    ("POST_NON: T2", [*TO_PAGE_PLAIN, hears_nothing], said("DCN", "END NO_COMMAND")),
    ("POST_NON: DCN", [*TO_PAGE_PLAIN, hears(FCF.DCN)], said("END DISCONNECTED")),
    ("POST_NON: CRP", [*TO_PAGE_PLAIN, hears(FCF.MPS, x=True), hears(FCF.CRP)], said("MCF")),
    ("C_WAIT: EOP without an image", [*TO_IMAGE_PLAIN, hears(FCF.EOP, x=True)], said("RTN")),
    ("C_WAIT: PPS without ECM", [*TO_IMAGE_PLAIN, partial_page(FCF.EOP)], said()),
    ("repeated MPS", [*TO_PAGE_PLAIN, *[hears(FCF.MPS, x=True)] * 2], said("MCF")),
    ("repeated MPS, our MCF as an echo on an image modem between", [
        *TO_PAGE_PLAIN, hears(FCF.MPS, x=True), hears_mistaken(FCF.MCF), hears(FCF.MPS, x=True),
    ], said("MCF")),
    ("repeated MPS, a damaged echo on an image modem between", [
        *TO_PAGE_PLAIN, hears(FCF.MPS, x=True), hears_mistaken(FCF.MCF, good=False), hears(FCF.MPS, x=True),
    ], said("MCF")),
    ("repeated MPS, once damaged and on an image modem", [
        *TO_PAGE_PLAIN, hears(FCF.MPS, x=True), waits(3.0), hears_mistaken(FCF.MPS, good=False), waits(3.0),
        hears(FCF.MPS, x=True),
    ], said("MCF")),
    ("MPS again, so late that a page may be lost", [
        *TO_PAGE_PLAIN, hears(FCF.MPS, x=True), waits(7.0), hears(FCF.MPS, x=True),
    ], said("RTN")),
    ("MPS again, a page between of which nothing came", [
        *TO_PAGE_PLAIN, hears(FCF.MPS, x=True), hears_empty_page, hears(FCF.MPS, x=True),
    ], said("RTN")),
    ("WAIT_DCN: EOP again", [*TO_PAGE_PLAIN, *[hears(FCF.EOP, x=True)] * 2], said("MCF")),
    ("WAIT_DCN: DCN", [*TO_PAGE_PLAIN, hears(FCF.EOP, x=True), hears(FCF.DCN)], said("END OK")),
    ("WAIT_DCN: T2", [*TO_PAGE_PLAIN, hears(FCF.EOP, x=True), hears_nothing], said("END OK")),
    ("WAIT_DCN: DCS, the fax goes on", [*TO_PAGE_PLAIN, hears(FCF.EOP, x=True), *TO_IMAGE_PLAIN],
     said("CFR")),
)  # fmt: skip
def test_the_receiver_without_ecm(events: Sequence[Event], expected: list[str]) -> None:
    assert receiver().do(events) == expected


@rows(
    ("5 % bad: RTP to MPS", [*TO_PAGE_PLAIN, hears(FCF.MPS, x=True)], said("RTP")),
    ("RTP: DCS, TCF", [*TO_PAGE_PLAIN, hears(FCF.MPS, x=True), *TO_IMAGE_PLAIN], said("CFR")),
    ("RTP: MPS again, the answer was lost", [*TO_PAGE_PLAIN, *[hears(FCF.MPS, x=True)] * 2], said("RTP")),
    (
        "RTP: a page without training",
        [*TO_PAGE_PLAIN, hears(FCF.MPS, x=True), hears_page, hears(FCF.EOP)],
        said("RTN"),
    ),
    ("RTP to EOP, DCN", [*TO_PAGE_PLAIN, hears(FCF.EOP, x=True), hears(FCF.DCN)], said("END OK")),
    ("RTP to EOM, silence", [*TO_PAGE_PLAIN, hears(FCF.EOM, x=True), hears_nothing], said("DIS")),
)
def test_the_receiver_and_a_poor_page(events: Sequence[Event], expected: list[str]) -> None:
    alone = receiver()
    alone.quality = PageQuality(1000, 60)
    assert alone.do(events) == expected


@rows(
    ("15 % bad: RTN to MPS", [*TO_PAGE_PLAIN, hears(FCF.MPS, x=True)], said("RTN")),
    ("RTN to EOP", [*TO_PAGE_PLAIN, hears(FCF.EOP, x=True)], said("RTN")),
    ("RTN to EOP, DCN", [*TO_PAGE_PLAIN, hears(FCF.EOP, x=True), hears(FCF.DCN)], said("END DISCONNECTED")),
    ("RTN to EOM, DCS", [*TO_PAGE_PLAIN, hears(FCF.EOM, x=True), *TO_IMAGE_PLAIN], said("CFR")),
)
def test_the_receiver_and_a_bad_page(events: Sequence[Event], expected: list[str]) -> None:
    alone = receiver()
    alone.quality = PageQuality(1000, 200)
    assert alone.do(events) == expected


EOR = b"\xf4"
EOR_NULL = b"\0"
EOR_MPS = b"\xf2"


@rows(
    ("POST_ECM: PPS-NULL", [*TO_BLOCK, partial_page(None)], said("MCF")),
    ("POST_ECM: PPS-NULL, frames missing", [*TO_BLOCK, partial_page(None, 3)], said("PPR")),
    ("POST_ECM: PPR, the rest", [*TO_BLOCK, partial_page(None, 3), hears_block(2), partial_page(None, 1)],
     said("MCF")),
    ("POST_ECM: PPS-MPS", [*TO_BLOCK, partial_page(FCF.MPS)], said("MCF")),
    ("POST_ECM: PPS-EOM, silence", [*TO_BLOCK, partial_page(FCF.EOM), hears_nothing], said("DIS")),
    ("POST_ECM: PPS-EOS, silence", [*TO_BLOCK, partial_page(FCF.EOS), hears_nothing], said("DIS")),
    ("POST_ECM: PPS-EOP", [*TO_BLOCK, partial_page(FCF.EOP)], said("MCF")),
    ("POST_ECM: PPS-PRI-EOP, DCN", [*TO_BLOCK, partial_page(FCF.PRI_EOP), hears(FCF.DCN)], said("END OK")),
    ("POST_ECM: PPS-PRI-MPS, the next page", [
        *TO_BLOCK, partial_page(FCF.PRI_MPS), hears_block(0, 1), partial_page(FCF.EOP, page=1),
    ], said("MCF")),
    ("C_WAIT: PPS without an image", [*TO_IMAGE, partial_page(FCF.EOP)], said("PPR")),
    ("C_WAIT: EOP with ECM", [*TO_IMAGE, hears(FCF.EOP, x=True)], said()),
    ("POST_ECM: PPS too short", [*TO_BLOCK, hears(FCF.PPS, b"\0")], said()),
    ("POST_ECM: PPS with a foreign FCF", [*TO_BLOCK, hears(FCF.PPS, bytes.fromhex("31000080"))], said()),
    ("repeated PPS of the block before", [*TO_BLOCK, partial_page(None), partial_page(None)], said("MCF")),
    ("RR, the answer was lost", [*TO_BLOCK, partial_page(None), hears(FCF.RR, x=True)], said("MCF")),
    ("CRP", [*TO_BLOCK, partial_page(None, 3), hears(FCF.CRP, x=True)], said("PPR")),
    ("CTC", [*TO_BLOCK, partial_page(None, 3), hears(FCF.CTC, CTC, x=True)], said("CTR")),
    ("CTC to a lower rate, the rest", [
        *TO_BLOCK, partial_page(FCF.EOP, 3), hears(FCF.CTC, CTC_9600, x=True), hears_block(2),
        partial_page(FCF.EOP, 1),
    ], said("MCF")),
    ("CTC to a reserved rate", [*TO_BLOCK, partial_page(None, 3), hears(FCF.CTC, b"\0\x3c", x=True)], said()),
    ("CTC too short", [*TO_BLOCK, partial_page(None, 3), hears(FCF.CTC, b"\0", x=True)], said()),
    ("EOR-EOP", [*TO_BLOCK, partial_page(FCF.EOP, 3), hears(FCF.EOR, EOR, x=True)], said("ERR")),
    ("EOR-EOP again", [*TO_BLOCK, partial_page(FCF.EOP, 3), *[hears(FCF.EOR, EOR, x=True)] * 2],
     said("ERR")),
    ("EOR-EOP, DCN", [*TO_BLOCK, partial_page(FCF.EOP, 3), hears(FCF.EOR, EOR, x=True), hears(FCF.DCN)],
     said("END ECM_FAILED")),
    ("EOR-MPS, the next page", [
        *TO_BLOCK, partial_page(FCF.MPS, 3), hears(FCF.EOR, EOR_MPS, x=True),
        hears_block(0), partial_page(FCF.EOP, 1, page=1),
    ], said("MCF")),
    ("EOR-NULL, the next block", [
        *TO_BLOCK, partial_page(None, 3), hears(FCF.EOR, EOR_NULL, x=True),
        hears_block(0), partial_page(FCF.EOP, 1, block=1),
    ], said("MCF")),
    ("WAIT_DCN: PPS-EOP again", [*TO_BLOCK, *[partial_page(FCF.EOP)] * 2], said("MCF")),
    ("WAIT_DCN: DCN", [*TO_BLOCK, partial_page(FCF.EOP), hears(FCF.DCN)], said("END OK")),
    ("WAIT_DCN: T2", [*TO_BLOCK, partial_page(FCF.EOP), hears_nothing], said("END OK")),
)  # fmt: skip
def test_the_receiver_with_ecm(events: Sequence[Event], expected: list[str]) -> None:
    assert receiver().do(events) == expected


def test_a_page_given_up_of_which_nothing_can_be_stored_does_not_end_the_fax() -> None:
    alone = receiver()
    alone.stores = False
    alone.do([*TO_IMAGE, hears_block(1), partial_page(FCF.MPS, 3), hears(FCF.EOR, EOR_MPS, x=True)])
    alone.do([lambda alone: alone.machine.page_not_stored(0, "nothing came of it", alone.now)])
    alone.stores = True
    page = [hears_block(0), partial_page(FCF.EOP, 1, page=1)]
    assert alone.do(page) == ["MCF"]
    assert alone.do([hears(FCF.DCN)]) == ["END ECM_FAILED"]


TO_STORE = [*TO_BLOCK, partial_page(FCF.EOP)]


@rows(
    ("the store is slow: silence", TO_STORE, said()),
    ("the store is slow: RNR", [*TO_STORE, hears_nothing], said("RNR")),
    ("BUSY: RR", [*TO_STORE, hears_nothing, hears(FCF.RR, x=True)], said("RNR")),
    ("BUSY: CRP", [*TO_STORE, hears_nothing, hears(FCF.CRP, x=True)], said("RNR")),
    ("BUSY: PPS again", [*TO_STORE, hears_nothing, partial_page(FCF.EOP)], said("RNR")),
    ("BUSY: DCN", [*TO_STORE, hears_nothing, hears(FCF.DCN)], said("END DISCONNECTED")),
    ("BUSY: silence", [*TO_STORE, hears_nothing, hears_nothing], said("DCN", "END NO_COMMAND")),
    ("BUSY: T5", [*TO_STORE, hears_nothing, hears_for(70, FCF.RR, x=True)],
     said("RNR", "DCN", "END PAGE_NOT_STORED")),
)  # fmt: skip
def test_the_receiver_that_is_busy(events: Sequence[Event], expected: list[str]) -> None:
    alone = receiver()
    alone.stores = False
    assert alone.do(events) == expected


@pytest.mark.parametrize(("clean", "gaps"), [(True, [False]), (False, [False, True])])
def test_a_page_whose_end_may_be_missing_is_said_to_have_a_gap(clean: bool, gaps: list[bool]) -> None:
    alone = receiver(TO_IMAGE_PLAIN)
    modem = Modem.V17_14400
    for signal in (CarrierDetected(modem), DataReceived(modem, b"\x01" * 2000), CarrierLost(modem, clean)):
        alone.machine.receive(signal, alone.now)
    assert alone.do([hears(FCF.EOP, x=True)]) == ["MCF"]
    assert [output.after_gap for output in alone.outputs if isinstance(output, PageData)] == gaps


def test_what_the_caller_says_beside_the_dcs_is_told_once() -> None:
    texts = {FCF.SUB: "12#3", FCF.SID: "77", FCF.TSI: "+1 555"}
    before = [Frame(fcf, encode_station_id(text), final=False, x=True) for fcf, text in texts.items()]
    before.append(Frame(FCF.NSS, b"\x00\x86\x85\x01", final=False, x=True))
    alone = receiver([hears(FCF.DCS, DCS_ECM, before=before, x=True)] * 2)
    told = [output for output in alone.outputs if isinstance(output, FarEndIdentified | FarEndAddressed)]
    assert told == [
        FarEndIdentified("+1 555", b"\x00\x86\x85\x01"),
        FarEndAddressed(sub_address="12#3", sender_id="77"),
    ]
