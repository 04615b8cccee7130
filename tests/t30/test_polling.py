"""Polling, row by row: the caller that fetches a document, and the called end that has one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t38fsp.t30.capabilities import Capabilities
from t38fsp.t30.dcs import Bit
from t38fsp.t30.frames import FCF, Frame, encode_station_id
from t38fsp.t30.options import PollDocument, PollOptions, ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import (
    FarEndAddressed,
    FarEndIdentified,
    RevokeBurst,
    SendBurst,
    SessionWarned,
    T30Failure,
)
from t38fsp.t30.polling import Poller, PollServer
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import CarrierDetected, CarrierLost, FrameReceived, HdlcBurst, Modem, PageFormat
from tests.sweep import Share, sweep
from tests.t30.alone import (
    DCS_ECM,
    DIS,
    DIS_NO_RECEIVER,
    Event,
    hears,
    hears_block,
    hears_damage,
    hears_nothing,
    hears_training,
    partial_page,
    poll_server,
    poller,
    rows,
    said,
)
from tests.t30.calls import FINE, OURS, STANDARD, THEIRS, assert_delivered, assert_honest, coded
from tests.t30.link import Damage, Link, LosesBursts, Noise, Sender

DIS_WITH_DOCUMENT = bytes.fromhex("00f71f22")
SILENCE = [hears_nothing] * 3
"""T4 for the command and its two repetitions."""
TO_IMAGE = [hears(FCF.DCS, DCS_ECM, x=True), hears_training()]
TO_BLOCK = [*TO_IMAGE, hears_block(0, 1)]
TO_STORE = [*TO_BLOCK, partial_page(FCF.EOP)]


@rows(
    ("WAIT_DIS: DIS with bit 9", [hears(FCF.DIS, DIS_WITH_DOCUMENT)], said("DTC")),
    ("WAIT_DIS: DIS without bit 9", [hears(FCF.DIS, DIS)], said("DCN", "END NO_DOCUMENT")),
    ("WAIT_DIS: a DIS too short", [hears(FCF.DIS, b"\0")], said()),
    ("WAIT_DIS: T1", [hears_nothing], said("END NO_FAX")),
    ("WAIT_DIS: bad FCS, T1", [hears_damage, hears_nothing], said("DCN", "END NO_FAX")),
    ("R: DIS again, DTC was lost", [*[hears(FCF.DIS, DIS_WITH_DOCUMENT)] * 2], said("DTC")),
    ("R: T4", [hears(FCF.DIS, DIS_WITH_DOCUMENT), hears_nothing], said("DTC")),
    ("R: T4 three times", [hears(FCF.DIS, DIS_WITH_DOCUMENT), *SILENCE], said("DCN", "END NO_ANSWER_TO_DTC")),
    ("R: our DTC as an echo", [hears(FCF.DIS, DIS_WITH_DOCUMENT), hears(FCF.DTC, DIS)], said()),
    ("R: FNV", [hears(FCF.DIS, DIS_WITH_DOCUMENT), hears(FCF.FNV, b"\x80")],
     said("DCN", "END FIELD_REFUSED")),
    ("R: DCS, TCF", [hears(FCF.DIS, DIS_WITH_DOCUMENT), *TO_IMAGE], said("CFR")),
    ("PPS-EOP, DCN", [hears(FCF.DIS, DIS_WITH_DOCUMENT), *TO_STORE, hears(FCF.DCN)], said("END OK")),
    ("PPS-EOM, silence", [hears(FCF.DIS, DIS_WITH_DOCUMENT), *TO_BLOCK, partial_page(FCF.EOM),
                          hears_nothing], said("DTC")),
)  # fmt: skip
def test_the_caller_that_polls(events: Sequence[Event], expected: list[str]) -> None:
    assert poller().do(events) == expected


@rows(
    ("R: DTC", [hears(FCF.DTC, DIS)], said("DCS", "TCF 14400")),
    ("R: a DTC too short", [hears(FCF.DTC, b"\0"), hears_nothing], said("DIS")),
    ("R: a DTC too short, DTC", [hears(FCF.DTC, b"\0"), hears(FCF.DTC, DIS)], said("DCS", "TCF 14400")),
    ("R: DTC without bit 10", [hears(FCF.DTC, DIS_NO_RECEIVER)], said("DCS", "TCF 14400")),
    ("WAIT_CFR: DTC again", [*[hears(FCF.DTC, DIS)] * 2], said("DCS", "TCF 14400")),
    ("WAIT_CFR: our DIS as an echo", [hears(FCF.DTC, DIS), hears(FCF.DIS, DIS)], said()),
    ("WAIT_CFR: CFR", [hears(FCF.DTC, DIS), hears(FCF.CFR)], said("block 14400", "PPS-MPS")),
    ("PPS-EOP: MCF", [hears(FCF.DTC, DIS), hears(FCF.CFR), *[hears(FCF.MCF)] * 2], said("DCN", "END OK")),
    ("R: DCS, the caller sends instead", TO_IMAGE, said("CFR")),
    ("R: PPS-EOP, DCN", [*TO_STORE, hears(FCF.DCN)], said("END OK")),
    ("PPS-EOM, DTC: it has sent a page", [*TO_BLOCK, partial_page(FCF.EOM), hears_nothing,
                                          hears(FCF.DTC, DIS)], said("DCN", "END PROTOCOL")),
)  # fmt: skip
def test_the_called_end_with_a_document(events: Sequence[Event], expected: list[str]) -> None:
    assert poll_server().do(events) == expected


def test_a_caller_that_has_sent_pages_is_offered_no_document() -> None:
    alone = poll_server()
    alone.do([*TO_BLOCK, partial_page(FCF.EOM), hears_nothing])
    bursts = [output.burst for output in alone.outputs if isinstance(output, SendBurst)]
    frames = [Frame.parse(burst.frames[-1]) for burst in bursts if isinstance(burst, HdlcBurst)]
    offers = [
        Bit.DOCUMENT_TO_POLL in Capabilities.parse(frame.fif).others
        for frame in frames
        if frame.fcf is FCF.DIS
    ]
    assert offers == [True, False]


def test_what_is_polled_is_named_only_where_the_dis_allows_it() -> None:
    poll = PollOptions(selective_address="7", password="1234", cng=False)
    alone = poller(poll=poll, station_id="1")
    assert alone.do([hears(FCF.DIS, DIS_WITH_DOCUMENT)]) == ["CIG DTC"]
    assert len([output for output in alone.outputs if isinstance(output, SessionWarned)]) == 2


def test_what_is_polled_is_named() -> None:
    dis = bytes.fromhex("00f71f2321034001")  # bits 9, 35, 47 and 50
    poll = PollOptions(selective_address="7", sub_address="8", password="1234", cng=False)
    alone = poller(poll=poll, station_id="1")
    assert alone.do([hears(FCF.DIS, dis)]) == ["PWD SEP PSA CIG DTC"]


def asked(fcf: FCF, text: str, dtc: bytes = DIS) -> Event:
    """A DTC with one optional frame."""
    return hears(FCF.DTC, dtc, before=[Frame(fcf, encode_station_id(text), final=False)])


DTC_KNOWS_FNV = bytes.fromhex("00771f2380")
LOCKED = PollDocument(password="1234")
NUMBERED = PollDocument(selective_address="7")


@pytest.mark.parametrize(
    ("document", "events", "expected"),
    [
        (LOCKED, [asked(FCF.PWD, "1234")], ["DCS", "TCF 14400"]),
        (LOCKED, [asked(FCF.PWD, "4321")], ["DCN", "END FIELD_REFUSED"]),
        (LOCKED, [hears(FCF.DTC, DIS)], ["DCN", "END FIELD_REFUSED"]),
        (LOCKED, [asked(FCF.PWD, "4321", DTC_KNOWS_FNV)], ["FNV"]),
        (LOCKED, [asked(FCF.PWD, "4321", DTC_KNOWS_FNV), hears(FCF.FNV, b"\x80")], []),
        (LOCKED, [asked(FCF.PWD, "4321", DTC_KNOWS_FNV), asked(FCF.PWD, "1234")], ["DCS", "TCF 14400"]),
        (LOCKED, [asked(FCF.PWD, "4321", DTC_KNOWS_FNV)] * 3, ["DCN", "END FIELD_REFUSED"]),
        (LOCKED, [asked(FCF.PWD, "4321", DTC_KNOWS_FNV), hears(FCF.DCN)], ["END FIELD_REFUSED"]),
        (LOCKED, [asked(FCF.PWD, "4321", DTC_KNOWS_FNV), *TO_IMAGE, hears(FCF.DCN)], ["END DISCONNECTED"]),
        (NUMBERED, [asked(FCF.SEP, "7")], ["DCS", "TCF 14400"]),
        (NUMBERED, [asked(FCF.SEP, "8")], ["DCN", "END FIELD_REFUSED"]),
        (LOCKED, TO_IMAGE, ["CFR"]),
    ],
    ids=["right password", "wrong", "none", "wrong, FNV", "FNV as an echo", "FNV, then right",
         "wrong three times", "wrong, FNV, DCN", "wrong, FNV, then it sends", "right document",
         "another document", "no poll"],
)  # fmt: skip
def test_a_document_for_those_who_know(
    document: PollDocument, events: Sequence[Event], expected: list[str]
) -> None:
    assert poll_server(document=document).do(events) == expected


# --- whole calls --------------------------------------------------------------------------------------------


def poll_call(
    pages: Sequence[PageFormat] = (FINE, FINE),
    *,
    poll: PollOptions | None = None,
    options: ReceiveOptions | None = None,
    sending: TransmitOptions | None = None,
    damage: Damage | None = None,
) -> Link:
    """A caller fetches ``pages``."""
    link = Link(
        PollServer(options or ReceiveOptions(THEIRS), pages, sending),
        Poller(ReceiveOptions(OURS), poll or PollOptions(cng=False)),
        Sender(lambda index, mode: coded(index)),
        None,
        damage,
    )
    link.run()
    return link


@pytest.mark.parametrize("ecm", [True, False])
def test_a_document_is_fetched(ecm: bool) -> None:
    link = poll_call(sending=TransmitOptions(THEIRS, ecm=ecm))
    assert_delivered(link, 2)
    assert link.transmitter.polled
    command = "PPS" if ecm else "MPS"
    assert link.said(link.transmitter) == ["DIS", "DCS", command, "PPS" if ecm else "EOP", "DCN"]
    assert link.said(link.receiver) == ["DTC", "CFR", "MCF", "MCF"]
    assert link.of(link.receiver, FarEndIdentified)[0].station_id == THEIRS
    assert link.of(link.transmitter, FarEndIdentified)[0].station_id == OURS


def test_the_x_bit_follows_the_dis_and_not_the_document() -> None:
    link = poll_call()
    bits = {
        who: {
            Frame.parse(octets).x
            for _, sender, burst in link.bursts
            if sender is who and isinstance(burst, HdlcBurst) and burst.modem is Modem.V21
            for octets in burst.frames
            if Frame.parse(octets).fcf.has_x
        }
        for who in (link.transmitter, link.receiver)
    }
    assert bits == {link.transmitter: {False}, link.receiver: {True}}


@pytest.mark.parametrize("ecm", [True, False])
def test_formats_change_within_a_polled_document(ecm: bool) -> None:
    link = poll_call((FINE, STANDARD), sending=TransmitOptions(THEIRS, ecm=ecm))
    assert_delivered(link, 2)
    assert link.said(link.receiver).count("DTC") == 2


def test_a_caller_that_knows_what_it_wants() -> None:
    document = PollDocument(selective_address="7", password="1234")
    poll = PollOptions(selective_address="7", password="1234", cng=False)
    link = poll_call(poll=poll, options=ReceiveOptions(THEIRS, document=document))
    assert_delivered(link, 2)
    (asked_for,) = link.of(link.transmitter, FarEndAddressed)
    assert asked_for == FarEndAddressed(selective_address="7", password="1234")


def test_a_caller_with_the_wrong_password() -> None:
    document = PollDocument(password="1234")
    poll = PollOptions(password="4321", cng=False)
    link = poll_call(poll=poll, options=ReceiveOptions(THEIRS, document=document))
    finished = link.finished(link.receiver)
    assert finished.error is T30Failure.FIELD_REFUSED
    assert "PWD" in finished.detail
    assert link.store.pages == {}


@pytest.mark.parametrize("lost", [FCF.DIS, FCF.DTC, FCF.DCS, FCF.CFR, FCF.PPS, FCF.MCF, FCF.DCN], ids=str)
def test_a_lost_word_of_a_poll_is_said_again(lost: FCF) -> None:
    assert_delivered(poll_call(damage=LosesBursts([lost])), 2)


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("echo", [0.2, 1.2])
@pytest.mark.parametrize("lost", [None, FCF.DIS, FCF.DTC, FCF.DCS, FCF.CFR, FCF.MCF])
def test_a_poll_on_a_line_that_echoes(lost: FCF | None, echo: float, ecm: bool) -> None:
    damage = LosesBursts([] if lost is None else [lost])
    damage.echo = echo
    link = poll_call((FINE, STANDARD), sending=TransmitOptions(THEIRS, ecm=ecm), damage=damage)
    assert_delivered(link, 2)
    assert len(link.store.kept) == 2


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    bursts=st.sampled_from([0.0, 0.05, 0.2]),
    control=st.sampled_from([0.0, 0.1]),
    image=st.sampled_from([0.0, 0.1]),
)
def test_no_loss_makes_a_polled_page_count_that_was_not_stored(
    seed: int, bursts: float, control: float, image: float
) -> None:
    noise = Noise(seed, bursts=bursts, control_frames=control, image_frames=image, training=0.1)
    link = poll_call((FINE, STANDARD, STANDARD), damage=noise)
    if link.transmitter.polled:
        assert_honest(link)
    assert link.finished(link.receiver)
    assert link.finished(link.transmitter)


@sweep(push=Share.ALL, moment=[step * 0.9 for step in range(40)], whose=["transmitter", "receiver"])
def test_a_poll_is_aborted_at_any_moment(whose: str, moment: float) -> None:
    link = Link(
        PollServer(ReceiveOptions(THEIRS), [FINE]),
        Poller(ReceiveOptions(OURS), PollOptions(cng=False)),
        Sender(lambda index, mode: coded(index)),
    )
    link.run(until=moment)
    machine = getattr(link, whose)
    machine.abort(link.now)
    since = link.now
    link.go_on()
    assert link.finished(machine).error in (None, T30Failure.ABORTED)
    assert link.finished_at[machine] <= since + 3.0
    assert link.finished(link.receiver if whose == "transmitter" else link.transmitter)


def test_a_line_that_drops_in_the_middle_of_a_poll() -> None:
    link = Link(
        PollServer(ReceiveOptions(THEIRS), [FINE, FINE]),
        Poller(ReceiveOptions(OURS), PollOptions(cng=False)),
        Sender(lambda index, mode: coded(index)),
    )
    link.run(until=12.0)
    for machine in (link.transmitter, link.receiver):
        machine.line_dropped(link.now)
    link.go_on()
    assert link.finished(link.transmitter).error is T30Failure.LINE_DROPPED
    assert link.finished(link.receiver).error is T30Failure.LINE_DROPPED


def test_a_line_that_drops_right_behind_the_dtc() -> None:
    alone = poll_server()
    alone.machine.receive(CarrierDetected(Modem.V21), alone.now)
    alone.machine.receive(FrameReceived(Modem.V21, bytes(Frame(FCF.DTC, DIS)), good=True), alone.now)
    assert alone.do([lambda _: alone.machine.line_dropped(alone.now)])[-1] == "END LINE_DROPPED"


def test_a_dtc_that_crosses_our_dis() -> None:
    """The end of the DIS would pass for that of the DCS."""
    machine = PollServer(ReceiveOptions(), [FINE])
    machine.start(0.0, ced=False)
    (dis,) = machine.take_outputs()
    assert isinstance(dis, SendBurst)
    machine.receive(CarrierDetected(Modem.V21), 0.5)
    machine.receive(FrameReceived(Modem.V21, bytes(Frame(FCF.DTC, DIS)), good=True), 1.0)
    machine.receive(CarrierLost(Modem.V21), 1.0)
    kinds = [type(output) for output in machine.take_outputs()]
    assert kinds.index(RevokeBurst) < kinds.index(SendBurst)


def test_a_caller_with_a_fax_of_its_own_is_served_by_the_same_machine() -> None:
    link = Link(
        Transmitter((FINE,), TransmitOptions(OURS)),
        PollServer(ReceiveOptions(THEIRS), [FINE]),
        Sender(lambda index, mode: coded(index)),
    )
    link.run()
    assert_delivered(link, 1)
    assert not link.receiver.polled


def test_a_document_without_pages() -> None:
    with pytest.raises(ValueError, match="at least one page"):
        PollServer(ReceiveOptions(), [])
