"""DIS and DCS: the bits of table 2, and the mode that is chosen for a page."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.t30.capabilities import Capabilities, Length, ScanLineTime, capabilities_of
from t38fsp.t30.dcs import Bit, BitField
from t38fsp.t30.dcs_choice import Choice, choose_mode, likely_mode
from t38fsp.t30.frames import FrameError
from t38fsp.t30.modems import DESCENDING, dis_values, ladder, modems_of_dis
from t38fsp.t30.options import PollDocument, PollOptions, ReceiveOptions, TransmitOptions
from t38fsp.t30.vocabulary import Coding, Modem, PageFormat, Resolution

EVERYTHING = Capabilities(
    modems=frozenset(DESCENDING),
    resolutions=frozenset(Resolution),
    width=303,
    codings=frozenset(Coding),
    ecm=True,
)
FINE = PageFormat(1728, 2287, Resolution.R8_FINE)
OPTIONS = TransmitOptions()


def choice_for(
    capabilities: Capabilities, page: PageFormat = FINE, options: TransmitOptions = OPTIONS
) -> Choice:
    modem = ladder(capabilities.modems, options.max_rate)[0]
    choice = choose_mode(capabilities, page, options, modem)
    assert choice is not None
    return choice


# --- bits ---------------------------------------------------------------------------------------------------


def test_the_dis_of_an_ordinary_machine() -> None:
    dis = Capabilities.parse(bytes.fromhex("00771f22"))
    assert dis.modems == frozenset(DESCENDING)
    assert dis.resolutions == {Resolution.R8_STANDARD, Resolution.R8_FINE}
    assert dis.codings == {Coding.MH, Coding.MR, Coding.MMR}
    assert (dis.width, dis.length, dis.ecm, dis.receives) == (215, Length.UNLIMITED, True, True)
    assert dis.scan_line_time == ScanLineTime(0, 0)
    assert bytes(dis).hex() == "00771f22"


def test_the_dis_of_a_recorded_call() -> None:
    dis = Capabilities.parse(bytes.fromhex("20771f23018901010118"))
    assert Resolution.R8_SUPERFINE in dis.resolutions
    assert dis.others.names() == ["T38", "LETTER", "LEGAL"]


def test_bits_without_a_name_are_kept_for_display() -> None:
    assert BitField.of([2, 10]).names() == ["bit 2", "RECEIVES"]


@given(st.frozensets(st.integers(1, 127).filter(lambda bit: bit < 24 or bit % 8)))
def test_any_bits_survive_the_line(bits: frozenset[int]) -> None:
    assert BitField.parse(bytes(BitField(bits))) == BitField(bits)


def test_extension_bits_lead_to_the_last_octet() -> None:
    assert bytes(BitField.of([Bit.SUPERFINE_R8])).hex() == "000001010180"


@given(st.binary(max_size=80))
def test_a_dis_of_noise_is_read_or_refused(fif: bytes) -> None:
    with contextlib.suppress(FrameError):
        dis = Capabilities.parse(fif)
        assert Capabilities.parse(bytes(dis)) == dis
        for options in (OPTIONS, TransmitOptions(ecm=False)):
            for modem in ladder(dis.modems, options.max_rate):
                choice = choose_mode(dis, FINE, options, modem)
                assert choice is not None
                assert Choice.parse(BitField.parse(choice.fif)) == choice


@given(st.binary(min_size=3, max_size=20))
def test_a_dcs_of_noise_is_read_or_refused(fif: bytes) -> None:
    choice = Choice.parse(BitField.parse(fif))
    assert choice is None or choice.mode.bit_rate == choice.modem.rate


@pytest.mark.parametrize("octets", [0, 2, 65])
def test_a_dis_of_a_foreign_length_is_refused(octets: int) -> None:
    with pytest.raises(FrameError, match="octets"):
        Capabilities.parse(bytes(octets))


# --- modems -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "rates"),
    [
        ("0000", [2400]),
        ("0100", [4800, 2400]),
        ("1000", [9600, 7200]),
        ("1100", [9600, 7200, 4800, 2400]),
        ("1101", [14400, 12000, 9600, 9600, 7200, 7200, 4800, 2400]),
        ("1111", [4800, 2400]),
    ],
)
def test_the_ladder_of_a_dis(values: str, rates: list[int]) -> None:
    dis = BitField().replacing(11, values)
    assert [modem.rate for modem in ladder(modems_of_dis(dis), 14400)] == rates


@pytest.mark.parametrize(
    ("max_rate", "values"), [(14400, "1101"), (12000, "1100"), (9600, "1100"), (4800, "0100"), (2400, "0000")]
)
def test_a_dis_states_only_modems_within_the_rate(max_rate: int, values: str) -> None:
    assert dis_values(ladder(DESCENDING, max_rate)) == values
    assert capabilities_of(ReceiveOptions(max_rate=max_rate)).modems <= set(ladder(DESCENDING, max_rate))


# --- the mode -----------------------------------------------------------------------------------------------


def test_the_dcs_of_an_ordinary_call() -> None:
    choice = choice_for(Capabilities.parse(bytes.fromhex("00771f22")))
    assert choice.fif.hex() == "00461f22"
    assert choice.rate_fif.hex() == "0046"
    assert choice.at(Modem.V29_9600).fif[:2].hex() == "0062"


def test_ecm_with_mmr_is_preferred() -> None:
    assert choice_for(EVERYTHING).mode.coding is Coding.MMR
    assert choice_for(EVERYTHING, options=TransmitOptions(codings=(Coding.MR,))).mode.coding is Coding.MR
    assert choice_for(EVERYTHING, options=TransmitOptions(ecm=False)).mode.coding is Coding.MR
    simple = Capabilities(modems=frozenset(DESCENDING))
    assert choice_for(simple).mode.coding is Coding.MH


@pytest.mark.parametrize("options", [TransmitOptions(), TransmitOptions(ecm=False, max_rate=9600)])
def test_a_page_that_is_coded_before_the_call_suits_the_usual_receiver(options: TransmitOptions) -> None:
    """Whatever paper it has, and without a least time for a line."""
    machine = Capabilities(
        modems=frozenset(DESCENDING),
        resolutions=frozenset({Resolution.R8_STANDARD, Resolution.R8_FINE}),
        codings=frozenset(Coding),
        ecm=True,
    )
    for receiver in (machine, EVERYTHING, capabilities_of(ReceiveOptions())):
        assert choice_for(receiver, options=options).mode == likely_mode(FINE, options)


def test_no_coding_in_common() -> None:
    options = TransmitOptions(codings=(Coding.MMR,))
    assert choose_mode(Capabilities(), FINE, options, Modem.V27TER_2400) is None


@pytest.mark.parametrize(
    ("page", "taken", "travels"),
    [
        ((1728, Resolution.R8_FINE), {Resolution.R8_STANDARD}, (1728, Resolution.R8_STANDARD)),
        ((1728, Resolution.R8_FINE), {Resolution.INCH_200}, (1728, Resolution.INCH_200)),
        ((1728, Resolution.INCH_200), {Resolution.R8_FINE}, (1728, Resolution.R8_FINE)),
        ((1728, Resolution.R8_SUPERFINE), {Resolution.R8_FINE}, (1728, Resolution.R8_FINE)),
        ((3456, Resolution.R16_SUPERFINE), {Resolution.R8_SUPERFINE}, (1728, Resolution.R8_SUPERFINE)),
        ((3456, Resolution.INCH_400), {Resolution.R16_SUPERFINE}, (3456, Resolution.R16_SUPERFINE)),
        ((2592, Resolution.INCH_300), {Resolution.INCH_200}, (1728, Resolution.INCH_200)),
        ((2592, Resolution.INCH_300), {Resolution.INCH_300}, (2592, Resolution.INCH_300)),
        ((2592, Resolution.INCH_300), {Resolution.INCH_400}, (3456, Resolution.INCH_400)),
        ((1728, Resolution.R8_SUPERFINE), {Resolution.R16_SUPERFINE}, (3456, Resolution.R16_SUPERFINE)),
        ((1728, Resolution.INCH_200X100), set(), (1728, Resolution.R8_STANDARD)),
        ((1700, Resolution.R8_FINE), {Resolution.R8_FINE}, (1728, Resolution.R8_FINE)),
    ],
)
def test_the_closest_resolution_that_the_receiver_takes(
    page: tuple[int, Resolution], taken: set[Resolution], travels: tuple[int, Resolution]
) -> None:
    receiver = Capabilities(modems=frozenset(DESCENDING), resolutions=frozenset(taken))
    mode = choice_for(receiver, PageFormat(page[0], 1000, page[1])).mode
    assert (mode.width, mode.resolution) == travels


@pytest.mark.parametrize(("widest", "width"), [(215, 1728), (255, 2048), (303, 2432)])
def test_a_wide_page_travels_as_wide_as_the_receiver_takes(widest: int, width: int) -> None:
    receiver = Capabilities(modems=frozenset(DESCENDING), width=widest)
    page = PageFormat(2432, 1000, Resolution.R8_STANDARD)
    choice = choice_for(receiver, page)
    assert choice.mode.width == width
    assert Choice.parse(BitField.parse(choice.fif)) == choice


@pytest.mark.parametrize(
    ("values", "superfine_half", "standard", "fine", "superfine"),
    [
        ("000", False, 20, 20, 20),
        ("001", False, 40, 40, 40),
        ("010", True, 10, 10, 5),
        ("100", True, 5, 5, 5),
        ("011", True, 10, 5, 5),
        ("110", True, 20, 10, 5),
        ("101", True, 40, 20, 10),
        ("111", True, 0, 0, 0),
    ],
)
def test_minimum_scan_line_times(
    values: str, superfine_half: bool, standard: int, fine: int, superfine: int
) -> None:
    dis = BitField.of([Bit.RECEIVES, Bit.FINE, Bit.SUPERFINE_R8]).replacing(11, "1101").replacing(21, values)
    if superfine_half:
        dis = BitField(dis.bits | {Bit.HALF_TIME_AT_SUPERFINE})
    receiver = Capabilities.parse(bytes(dis))
    times = [
        choice_for(receiver, PageFormat(1728, 1000, resolution)).mode.scan_line_time
        for resolution in (Resolution.R8_STANDARD, Resolution.R8_FINE, Resolution.R8_SUPERFINE)
    ]
    assert times == [standard / 1000, fine / 1000, superfine / 1000]


def test_ecm_needs_no_scan_line_time() -> None:
    dis = BitField.parse(bytes.fromhex("00771f22")).replacing(21, "001")
    assert choice_for(Capabilities.parse(bytes(dis))).mode.scan_line_time == 0


def test_small_frames_where_the_receiver_prefers_them() -> None:
    dis = BitField.parse(bytes.fromhex("00771f22"))
    small = Capabilities.parse(bytes(BitField(dis.bits | {Bit.FRAMES_64_PREFERRED})))
    assert choice_for(small).frame_size == 64
    assert choice_for(EVERYTHING, options=TransmitOptions(ecm_frame_size=64)).frame_size == 64
    assert choice_for(EVERYTHING).frame_size == 256


@pytest.mark.parametrize(
    ("rows", "length", "legal", "values", "max_rows"),
    [
        (2287, Length.A4, False, "00", None),
        (2310, Length.A4, False, "00", None),  # what a scanner adds
        (2744, Length.A4, False, "00", 2291),  # Legal on A4: made smaller
        (2744, Length.A4, True, "00 legal", None),
        (2809, Length.A4, True, "00 legal", 2744),
        (2809, Length.A4_B4, False, "10", None),
        (3241, Length.A4_B4, False, "10", 2808),  # A3, 420 mm
        (3241, Length.A4, False, "00", 2291),
        (3241, Length.UNLIMITED, False, "01", None),
        (20_000, Length.A4, False, "00", None),  # would become illegible: the receiver cuts it into sheets
    ],
)
def test_a_long_page_to_a_receiver_of_sheets(
    rows: int, length: Length, legal: bool, values: str, max_rows: int | None
) -> None:
    sheets = Capabilities(
        modems=frozenset(DESCENDING),
        resolutions=frozenset({Resolution.R8_FINE}),
        length=length,
        others=BitField.of({Bit.LEGAL} if legal else set()),
    )
    choice = choice_for(sheets, PageFormat(1728, rows, Resolution.R8_FINE))
    said = choice.dcs.number(19, 20) + (" legal" if Bit.LEGAL in choice.dcs else "")
    assert (said, choice.mode.max_rows) == (values, max_rows)


def test_a_wide_page_gets_shorter_with_its_width() -> None:
    """B4 is 364 mm long, on 215 mm of width 307; only the rest has to be taken off."""
    sheets = Capabilities(modems=frozenset(DESCENDING), length=Length.A4)
    choice = choice_for(sheets, PageFormat(2048, 1401, Resolution.R8_STANDARD))
    assert (choice.mode.width, choice.mode.max_rows) == (1728, 1145)
    assert choice_for(sheets, PageFormat(2432, 1600, Resolution.R8_STANDARD)).mode.max_rows is None


def test_bits_that_only_later_machines_have_are_shown() -> None:
    dis = BitField.of(
        [Bit.STORE_AND_FORWARD, Bit.T38, Bit.RECEIVES, Bit.T38_FLOW_CONTROL, Bit.INTERNET_AWARE]
    )
    capabilities = Capabilities.parse(bytes(dis))
    assert capabilities.names() == [
        "STORE_AND_FORWARD",
        "T38",
        "RECEIVES",
        "T38_FLOW_CONTROL",
        "INTERNET_AWARE",
    ]


def test_what_our_own_dis_offers() -> None:
    ours = Capabilities.parse(bytes(capabilities_of(ReceiveOptions())))
    assert ours.resolutions == frozenset(Resolution)
    assert (ours.width, ours.length) == (303, Length.UNLIMITED)
    assert ours.others.names() == ["FIELD_NOT_VALID", "SUBADDRESS", "PASSWORD"]
    with_document = ReceiveOptions(document=PollDocument("1", "2"), addressing=False, ecm_frame_size=64)
    assert capabilities_of(with_document).others.names() == [
        "DOCUMENT_TO_POLL",
        "FIELD_NOT_VALID",
        "SELECTIVE_POLLING",
        "PASSWORD",
    ]
    assert capabilities_of(with_document).frames_64_preferred


@pytest.mark.parametrize("bit", [Bit.JPEG, Bit.T85, Bit.UNCOMPRESSED, Bit.INCH_600])
def test_a_dcs_for_what_was_not_offered_is_refused(bit: Bit) -> None:
    dcs = BitField.parse(bytes.fromhex("00461f22"))
    assert Choice.parse(BitField(dcs.bits | {bit})) is None


# --- options ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"station_id": "+" * 21}, "20 characters"),
        ({"codings": ()}, "no coding"),
        ({"max_rate": 1200}, "2400"),
        ({"ecm_frame_size": 128}, "256 or 64"),
        ({"tries": 0}, "tries: 0 is too small: the minimum is 1"),
        ({"sub_address": "1" * 21}, "20 characters"),
        ({"sender_id": "\n"}, "ASCII"),
    ],
)
def test_unusable_options_for_sending(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransmitOptions(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 216}, "215, 255 or 303"),
        ({"poor_share": 0.5}, "poor <= bad"),
        ({"ecm_frame_size": 128}, "256 or 64"),
    ],
)
def test_unusable_options_for_receiving(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReceiveOptions(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"password": "1" * 21}, "20 characters"),
        ({"tries": 0}, "tries: 0 is too small: the minimum is 1"),
        ({"sub_address": "ä"}, "ASCII"),
    ],
)
def test_unusable_options_for_polling(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PollOptions(**wrong)


def test_an_unusable_password_of_a_document() -> None:
    with pytest.raises(ValueError, match="20 characters"):
        PollDocument(password="1" * 21)


def test_secrets_are_not_shown() -> None:
    assert "1234" not in repr(PollDocument(password="1234")) + repr(PollOptions(password="1234"))
