"""Rows of the state tables that few calls come to: late pages, lost answers, bounds, the end of a call.

A row is named by the state it begins in. With the tables of ``test_transmitter_table``,
``test_receiver_table`` and ``test_polling`` these reach every row of the product's (``test_tables``).
"""

from __future__ import annotations

from collections.abc import Sequence

from t38fsp.t30.capabilities import capabilities_of
from t38fsp.t30.dcs_choice import choose_mode
from t38fsp.t30.frames import FCF, Frame, PartialPageSignal, image_frame
from t38fsp.t30.options import ReceiveOptions, T30Timers, TransmitOptions
from t38fsp.t30.outputs import RevokeBurst, SendBurst
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import Coding, FrameReceived, HdlcBurst, Modem, PageQuality
from tests.t30.alone import (
    DCS_ECM,
    DCS_PLAIN,
    DIS,
    Alone,
    Event,
    aborts,
    at_once,
    cannot_code_pages,
    codes_pages,
    hears,
    hears_block,
    hears_damage,
    hears_empty_page,
    hears_for,
    hears_late,
    hears_no_end,
    hears_nothing,
    hears_page,
    hears_training,
    line_drops,
    partial_page,
    poller,
    receiver,
    rows,
    said,
    together,
    transmitter,
    waits,
)
from tests.t30.calls import FINE

DIS_WITHOUT_ECM = bytes.fromhex("00771f")
DIS_WITH_DOCUMENT = bytes.fromhex("00f71f22")
DIS_INTERNET = bytes(capabilities_of(ReceiveOptions(internet_aware=True)))
ALL_FRAMES = b"\xff" * 32
SHORT_STALL = T30Timers(stall=3.0)

TO_CFR = [hears(FCF.DIS, DIS)]
TO_PAGE = [*TO_CFR, hears(FCF.CFR)]
TO_INTERNET_CFR = [hears(FCF.DIS, DIS_INTERNET)]
TO_INTERNET_PAGE = [*TO_INTERNET_CFR, hears(FCF.CFR)]


def proceeds(alone: Alone) -> None:
    assert isinstance(alone.machine, Transmitter)
    alone.machine.proceed(alone.now)


def moves(alone: Alone) -> None:
    """The far end goes to another address."""
    alone.machine.leave_internet_aware_mode(alone.now)


# --- the transmitter ----------------------------------------------------------------------------------------


@rows(
    ("WAIT_PROCEED: leave", [*TO_CFR, proceeds], said("DCS", "TCF 14400")),
    ("WAIT_PROCEED: leave, too late after the DIS", [*TO_CFR, waits(3), proceeds], said()),
    ("WAIT_DIS: leave, the DIS again", [*TO_CFR, waits(3), proceeds, *TO_CFR], said("DCS", "TCF 14400")),
    ("WAIT_DIS: leave, no DIS any more", [*TO_CFR, waits(3), proceeds, hears_nothing],
     said("DCS", "TCF 14400")),
    ("WAIT_PROCEED: another DIS", [*TO_CFR, hears(FCF.DIS, DIS_WITHOUT_ECM)], said()),
    ("WAIT_PROCEED: T1", [*TO_CFR, hears_nothing], said("DCN", "END ABORTED")),
    ("WAIT_DIS: abort, nobody there", [aborts], said("END ABORTED")),
    ("WAIT_PROCEED: abort", [*TO_CFR, aborts], said("DCN", "END ABORTED")),
)  # fmt: skip
def test_the_transmitter_without_leave(events: Sequence[Event], expected: list[str]) -> None:
    machine = Transmitter([FINE], TransmitOptions(cng=False))
    machine.start(0.0)
    assert Alone(machine).do(events) == expected


@rows(
    ("WAIT_DIS: no coding in common", [hears(FCF.DIS, DIS_WITHOUT_ECM)], said("DCN", "END INCOMPATIBLE")),
    ("WAIT_CFR: DIS, no coding in common any more", [*TO_CFR, hears(FCF.DIS, DIS_WITHOUT_ECM)],
     said("DCN", "END INCOMPATIBLE")),
)  # fmt: skip
def test_the_transmitter_with_one_coding(events: Sequence[Event], expected: list[str]) -> None:
    assert transmitter(codings=(Coding.MMR,)).do(events) == expected


@rows(
    ("WAIT_CFR: CFR at once", TO_INTERNET_PAGE, said("block 14400", "PPS-MPS")),
    ("WAIT_CFR: CFR as slow as that of a modem", [*TO_INTERNET_CFR, waits(0.5), hears(FCF.CFR)],
     said("DCS", "TCF 14400")),
    ("WAIT_CFR: CFR from another end", [*TO_INTERNET_CFR, moves, hears(FCF.CFR)], said("DCS", "TCF 14400")),
    ("WAIT_CFR: FTT", [*TO_INTERNET_CFR, hears(FCF.FTT)], said("DCS", "TCF 14400")),
    ("WAIT_CFR: T4", [*TO_INTERNET_CFR, hears_nothing], said("DCS", "TCF 14400")),
    ("WAIT_CFR: DIS again", [*TO_INTERNET_CFR, *TO_INTERNET_CFR], said("DCS", "TCF 14400")),
    ("WAIT_PPS: T4", [*TO_INTERNET_PAGE, hears_nothing], said("PPS-MPS")),
    ("WAIT_PPS: T4 four times", [*TO_INTERNET_PAGE, *[hears_nothing] * 4],
     said("DCN", "END NO_ANSWER_TO_PAGE")),
    ("WAIT_PPS: MCF from another end", [*TO_INTERNET_PAGE, moves, hears(FCF.MCF)], said("DCS", "TCF 14400")),
    ("WAIT_PPS: PPR from another end", [*TO_INTERNET_PAGE, moves, hears(FCF.PPR, ALL_FRAMES)], said("CTC")),
)  # fmt: skip
def test_the_transmitter_without_a_modem(events: Sequence[Event], expected: list[str]) -> None:
    assert transmitter(internet_aware=True).do(events) == expected


@rows(
    ("WAIT_CFR: CFR, the page is not ready", TO_PAGE, said()),
    ("WAIT_PAGE: page ready", [*TO_PAGE, codes_pages], said("block 14400", "PPS-MPS")),
    ("WAIT_PAGE: page cannot be coded", [*TO_PAGE, cannot_code_pages], said("DCN", "END PAGE_UNAVAILABLE")),
    ("WAIT_PAGE: nothing", [*TO_PAGE, waits(6)], said("DCN", "END PAGE_LATE")),
    ("WAIT_PAGE: TR", [*TO_PAGE, hears(FCF.TR)], said("TNR")),
    ("WAIT_CFR: CFR, the page cannot be coded", [*TO_CFR, cannot_code_pages, hears(FCF.CFR)],
     said("DCN", "END PAGE_UNAVAILABLE")),
    ("WAIT_PPS: MCF, the next page cannot be coded", [*TO_PAGE, codes_pages, cannot_code_pages,
                                                      hears(FCF.MCF)], said("DCN", "END PAGE_UNAVAILABLE")),
)  # fmt: skip
def test_the_transmitter_whose_pages_are_late(events: Sequence[Event], expected: list[str]) -> None:
    alone = transmitter()
    alone.codes = False
    assert alone.do(events) == expected


@rows(("WAIT_PAGE: page ready, the far end is another by now", [
    *TO_INTERNET_PAGE, moves, codes_pages,
], said("CTC")))  # fmt: skip
def test_the_transmitter_that_waited_without_a_modem(events: Sequence[Event], expected: list[str]) -> None:
    alone = transmitter(internet_aware=True)
    alone.codes = False
    assert alone.do(events) == expected


@rows(
    ("WAIT_PPS: RTN", [*TO_PAGE, hears(FCF.RTN)], said("DCN", "END PAGE_REFUSED")),
    ("WAIT_PPS: DIS", [*TO_PAGE, hears(FCF.DIS, DIS)], said("DCN", "END PROTOCOL")),
    ("WAIT_CTR: T4 three times", [*TO_PAGE, *[hears(FCF.PPR, ALL_FRAMES)] * 4, *[hears_nothing] * 3],
     said("DCN", "END NO_ANSWER_TO_PAGE")),
    ("WAIT_PPS: PPR, CTC is not known", [*TO_PAGE, *[hears(FCF.PPR, ALL_FRAMES)] * 9],
     said("DCN", "END ECM_FAILED")),
)  # fmt: skip
def test_the_transmitter_that_tries_a_page_once(events: Sequence[Event], expected: list[str]) -> None:
    assert transmitter(page_tries=1).do(events) == expected


@rows(
    ("WAIT_PPS: a block takes too long", [*TO_PAGE, hears_nothing], said("DCN", "END ECM_FAILED")),
)
def test_the_transmitter_that_is_kept_busy(events: Sequence[Event], expected: list[str]) -> None:
    assert transmitter(timers=SHORT_STALL).do(events) == expected


@rows(
    ("WAIT_CFR: CFR, as DCS is repeated", [*TO_CFR, hears_late(FCF.CFR)],
     said("DCS", "block 14400", "PPS-MPS")),
    ("WAIT_PPS: MCF, as PPS is repeated", [*TO_PAGE, hears_late(FCF.MCF)],
     said("PPS-MPS", "block 14400", "PPS-EOP")),
    ("WAIT_CFR: a carrier without end", [*TO_CFR, hears_no_end], said("DCN", "END CARRIER_STUCK")),
    ("WAIT_PPS: abort", [*TO_PAGE, aborts], said("DCN", "END ABORTED")),
    ("WAIT_PPS: the line drops", [*TO_PAGE, line_drops], said("END LINE_DROPPED")),
    ("DISCONNECT: a carrier, as DCS was being repeated", [
        *TO_CFR, together(hears_nothing, aborts, at_once(Frame(FCF.CFR))),
    ], said("DCS", "DCN", "END ABORTED")),
    ("DISCONNECT: the line drops", [*TO_PAGE, together(aborts, line_drops)], said("DCN", "END ABORTED")),
)  # fmt: skip
def test_the_transmitter_at_odd_moments(events: Sequence[Event], expected: list[str]) -> None:
    assert transmitter().do(events) == expected


# --- the receiver -------------------------------------------------------------------------------------------

CTC = DCS_ECM[:2]
DCS = hears(FCF.DCS, DCS_ECM, x=True)
TO_IMAGE = [DCS, hears_training()]
TO_IMAGE_PLAIN = [hears(FCF.DCS, DCS_PLAIN, x=True), hears_training()]
TO_BLOCK = [*TO_IMAGE, hears_block(0, 1)]
TO_PAGE_PLAIN = [*TO_IMAGE_PLAIN, hears_page]
TO_DCN = [*TO_BLOCK, partial_page(FCF.EOP)]
MPS, EOM = hears(FCF.MPS, x=True), hears(FCF.EOM, x=True)
EOR_EOM, EOR_MPS = hears(FCF.EOR, b"\xf1", x=True), hears(FCF.EOR, b"\xf2", x=True)
ENDLESS = said("DCN", "END PROTOCOL")
REPEATS = 7
"""One more than the answers to the same command."""


def pps(following: FCF | None, frames: int) -> Frame:
    return Frame(FCF.PPS, PartialPageSignal(following, 0, 0, frames).to_fif(x=True), x=True)


def hears_another_block(alone: Alone) -> None:
    """Frames with the numbers of the block before, and other octets."""
    modem = Modem.V17_14400
    frames = [FrameReceived(modem, image_frame(number, b"\x55" * 256), good=True) for number in (0, 1)]
    alone.hear_image(modem, list(frames))


@rows(
    ("TCF: a carrier that brings nothing", [DCS, hears_empty_page], said()),
    ("TCF: a carrier that brings nothing, training", [DCS, hears_empty_page, hears_training()], said("CFR")),
    ("TCF: a carrier that brings nothing, and time for another", [DCS, waits(5), hears_empty_page, waits(3)],
     said()),
    ("TCF: a carrier that brings nothing, and nothing else", [DCS, hears_empty_page, waits(8)], said("FTT")),
    ("TCF: bad twenty times", [DCS, hears_training(good=False)] * 20, said("DCN", "END TRAINING_FAILED")),
    ("TCF: DCS a thousand times", [DCS] * 1001, ENDLESS),
    ("R: DCS crosses our FTT", [DCS, together(
        hears_training(good=False), at_once(Frame(FCF.DCS, DCS_ECM, x=True)),
    ), hears_training()], said("CFR")),
    ("TCF: DCS crosses our FTT, time from its end on", [DCS, together(
        hears_training(good=False), at_once(Frame(FCF.DCS, DCS_ECM, x=True)),
    ), waits(6.5)], said()),
    ("C_WAIT: nothing for T2", [*TO_IMAGE, waits(17)], said("DCN", "END NO_COMMAND")),
    ("R: CRP time and again", [hears(FCF.CRP)] * REPEATS, ENDLESS),
    ("C_WAIT: MPS time and again", [*TO_PAGE_PLAIN, MPS, *[MPS] * REPEATS], ENDLESS),
    ("AFTER_EOM: EOM time and again", [*TO_PAGE_PLAIN, EOM, *[EOM] * REPEATS], ENDLESS),
    ("C_WAIT: PPS time and again", [*TO_BLOCK, partial_page(None), *[partial_page(None)] * REPEATS], ENDLESS),
    ("C_WAIT: EOR time and again", [*TO_BLOCK, EOR_MPS, *[EOR_MPS] * REPEATS], ENDLESS),
    ("C_WAIT: RR time and again", [*TO_BLOCK, partial_page(None), *[hears(FCF.RR, x=True)] * REPEATS],
     ENDLESS),
    ("C_WAIT: CTC a thousand times", [*TO_BLOCK, partial_page(None, 3),
                                      *[hears(FCF.CTC, CTC, x=True)] * 1000], ENDLESS),
    ("AFTER_EOM: EOM, damaged", [*TO_PAGE_PLAIN, EOM, hears_damage], said()),
    ("AFTER_EOM: EOM, damaged, silence", [*TO_PAGE_PLAIN, EOM, hears_damage, hears_nothing], said("DIS")),
    ("AFTER_EOM: EOM, damaged, and time for another", [
        *TO_PAGE_PLAIN, EOM, waits(3), hears_damage, waits(5),
    ], said()),
    ("C_WAIT: EOR-MPS", [*TO_BLOCK, partial_page(FCF.MPS, 3), EOR_MPS], said("ERR")),
    ("C_WAIT: EOR-EOM", [*TO_BLOCK, partial_page(FCF.EOM, 3), EOR_EOM], said("ERR")),
    ("C_WAIT: EOR-EOM, silence", [*TO_BLOCK, partial_page(FCF.EOM, 3), EOR_EOM, hears_nothing], said("DIS")),
    ("C_WAIT: PPS twice before our PPR is over", [*TO_BLOCK, at_once(pps(None, 3), pps(None, 3))],
     said("PPR")),
    ("C_WAIT: PPS for which a PPR too many had asked", [
        *TO_BLOCK, partial_page(None, 3), partial_page(None, 3), hears_block(2), partial_page(None, 1),
        hears_block(2), partial_page(None, 1),
    ], said()),
    ("C_WAIT: PPS of the block before, the next has begun", [
        *TO_BLOCK, partial_page(None), hears_block(0), partial_page(None, 3, block=1), partial_page(None),
    ], said()),
    ("C_WAIT: the counters stand still", [
        *TO_BLOCK, partial_page(None), hears_another_block, partial_page(None),
    ], ENDLESS),
    ("R: a carrier without end", [hears_no_end], said("DCN", "END CARRIER_STUCK")),
    ("R: abort, nobody there", [aborts], said("END ABORTED")),
    ("C_WAIT: abort", [*TO_IMAGE, aborts], said("DCN", "END ABORTED")),
    ("C_WAIT: the line drops", [*TO_IMAGE, line_drops], said("END LINE_DROPPED")),
    ("WAIT_DCN: abort", [*TO_DCN, aborts], said("END OK")),
    ("WAIT_DCN: abort before MCF is over", [*TO_BLOCK, together(partial_page(FCF.EOP), aborts)],
     said("MCF", "END OK")),
    ("WAIT_DCN: the line drops", [*TO_DCN, line_drops], said("END OK")),
)  # fmt: skip
def test_the_receiver_at_odd_moments(events: Sequence[Event], expected: list[str]) -> None:
    assert receiver().do(events) == expected


@rows(("R: a DCS without a modem", [hears(FCF.DCS, choose_mode(
    capabilities_of(ReceiveOptions(internet_aware=True)), FINE, TransmitOptions(internet_aware=True),
    Modem.V17_14400,
).fif, x=True)], said("CFR")))  # fmt: skip
def test_the_receiver_without_a_modem(events: Sequence[Event], expected: list[str]) -> None:
    assert receiver(internet_aware=True).do(events) == expected


@rows(("R: RTN, MPS time and again", [*TO_PAGE_PLAIN, MPS, *[MPS] * REPEATS], ENDLESS))
def test_the_receiver_and_a_far_end_deaf_to_rtn(events: Sequence[Event], expected: list[str]) -> None:
    alone = receiver()
    alone.quality = PageQuality(1000, 200)
    assert alone.do(events) == expected


@rows(("R: no page for too long", [hears_nothing], said("DCN", "END NO_COMMAND")))
def test_the_receiver_that_is_kept_busy(events: Sequence[Event], expected: list[str]) -> None:
    assert receiver(timers=SHORT_STALL).do(events) == expected


def stores(alone: Alone) -> None:
    """The page is safe at last."""
    alone.machine.page_stored(0, PageQuality(1000), alone.now)


def cannot_store(alone: Alone) -> None:
    alone.machine.page_not_stored(0, "the disk is full", alone.now)


TO_STORE_PLAIN = [*TO_PAGE_PLAIN, MPS]
NOT_STORED = said("DCN", "END PAGE_NOT_STORED")


@rows(
    ("STORE: nothing", [*TO_STORE_PLAIN, hears_nothing], said()),
    ("BUSY: stored in time for an answer", [*TO_STORE_PLAIN, hears_nothing, stores], said("MCF")),
    ("BUSY: stored too late", [*TO_STORE_PLAIN, hears_nothing, waits(3), stores], said()),
    ("BUSY: stored too late, MPS again", [*TO_STORE_PLAIN, hears_nothing, waits(3), stores, MPS],
     said("MCF")),
    ("BUSY: MPS again, not stored yet", [*TO_STORE_PLAIN, hears_nothing, MPS], said()),
    ("BUSY: MPS again, stored in time for an answer", [*TO_STORE_PLAIN, hears_nothing, MPS, stores],
     said("MCF")),
    ("BUSY: stored, RR", [*TO_DCN, hears_nothing, stores, hears(FCF.RR, x=True)], said("MCF")),
    ("STORE: it cannot be stored", [*TO_STORE_PLAIN, cannot_store], NOT_STORED),
    ("STORE: pages come faster than they are stored", TO_DCN * 5, NOT_STORED),
    ("C_WAIT: EOR, pages come faster than they are stored", [
        *TO_DCN * 4, *TO_BLOCK, partial_page(FCF.MPS, 3), EOR_MPS,
    ], NOT_STORED),
)  # fmt: skip
def test_the_receiver_whose_disk_is_slow(events: Sequence[Event], expected: list[str]) -> None:
    alone = receiver()
    alone.stores = False
    assert alone.do(events) == expected


@rows(("R: DIS again before our DTC is over", [together(
    hears(FCF.DIS, DIS_WITH_DOCUMENT), at_once(Frame(FCF.DIS, DIS_WITH_DOCUMENT)),
)], said("DTC")))  # fmt: skip
def test_the_caller_that_polls_at_odd_moments(events: Sequence[Event], expected: list[str]) -> None:
    assert poller().do(events) == expected


# --- what the words do not tell -----------------------------------------------------------------------------


def test_two_receivers_are_told_so() -> None:
    alone = receiver(events=[hears_for(70, FCF.DIS, DIS_WITHOUT_ECM)])
    finished = alone.finished()
    assert finished is not None
    assert finished.detail.startswith("it sends DIS, as a receiver does; ")


def test_the_last_confirmation_is_not_revoked_by_an_abort() -> None:
    alone = receiver(events=[*TO_BLOCK, together(partial_page(FCF.EOP), aborts)])
    assert not [output for output in alone.outputs if isinstance(output, RevokeBurst)]


def test_a_dcs_that_is_the_same_again_is_a_repetition() -> None:
    alone = transmitter(events=TO_CFR * 2)
    bursts = [output.burst for output in alone.outputs if isinstance(output, SendBurst)]
    assert [burst.attempt for burst in bursts if isinstance(burst, HdlcBurst)] == [1, 2]
