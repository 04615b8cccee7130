"""IFP in both syntaxes: the worked examples, round trips, and octets that are no packet."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t38fsp.t30.vocabulary import Modem
from t38fsp.t38.ifp import (
    DataPacket,
    Field,
    IfpError,
    IndicatorPacket,
    Packet,
    Syntax,
    encode,
    field_prefix,
    parse,
)
from t38fsp.t38.values import DataType, FieldType, Indicator
from tests.sweep import examples

V21, V17 = DataType.V21, DataType.V17_14400


def data(data_type: DataType, *fields: Field | FieldType) -> DataPacket:
    return DataPacket(data_type, tuple(f if isinstance(f, Field) else Field(f) for f in fields))


def hdlc(octets: str) -> Field:
    return Field(FieldType.HDLC_DATA, bytes.fromhex(octets))


BOTH = [
    (IndicatorPacket(Indicator.NO_SIGNAL), "00"),
    (IndicatorPacket(Indicator.CNG), "02"),
    (IndicatorPacket(Indicator.CED), "04"),
    (IndicatorPacket(Indicator.V21_PREAMBLE), "06"),
    (IndicatorPacket(Indicator.V27_2400_TRAINING), "08"),
    (IndicatorPacket(Indicator.V29_9600_TRAINING), "0E"),
    (IndicatorPacket(Indicator.V17_14400_LONG_TRAINING), "1E"),
    (IndicatorPacket(Indicator.V17_14400_SHORT_TRAINING), "1C"),
    (data(V21, hdlc("FFC80100771F22")), "C0 01 80 00 06 FF C8 01 00 77 1F 22"),
    (data(V17, hdlc("FFC060003512")), "D0 01 80 00 05 FF C0 60 00 35 12"),
    (data(V17, hdlc("FFC060803512")), "D0 01 80 00 05 FF C0 60 80 35 12"),
    (data(V21), "40"),
]
ONLY_1998 = [
    (data(V21, FieldType.HDLC_FCS_OK), "C0 01 20"),
    (data(V21, FieldType.HDLC_FCS_OK_SIG_END), "C0 01 40"),
    (data(V21, FieldType.HDLC_SIG_END), "C0 01 10"),
    (data(V21, hdlc("FFC831"), FieldType.HDLC_FCS_OK_SIG_END), "C0 02 80 00 02 FF C8 31 40"),
    (data(V21, FieldType.HDLC_FCS_OK, FieldType.HDLC_SIG_END), "C0 02 21"),
    (data(V17, Field(FieldType.T4_NON_ECM_DATA, bytes(4))), "D0 01 E0 00 03 00 00 00 00"),
    (data(V17, FieldType.T4_NON_ECM_SIG_END), "D0 01 70"),
    (data(V17, Field(FieldType.T4_NON_ECM_SIG_END, b"\x00\x10\x01")), "D0 01 F0 00 02 00 10 01"),
    (data(V17, FieldType.HDLC_FCS_OK), "D0 01 20"),
    (data(V17, hdlc("FFC061"), FieldType.HDLC_FCS_OK), "D0 02 80 00 02 FF C0 61 20"),
    (data(V17, hdlc("FFC061"), FieldType.HDLC_FCS_OK_SIG_END), "D0 02 80 00 02 FF C0 61 40"),
]
ONLY_2002 = [
    (IndicatorPacket(Indicator.V33_14400_TRAINING), "21 80"),
    (data(V21, FieldType.HDLC_FCS_OK), "C0 01 10"),
    (data(V21, FieldType.HDLC_FCS_OK_SIG_END), "C0 01 20"),
    (data(V21, FieldType.HDLC_SIG_END), "C0 01 08"),
    (data(V21, hdlc("FFC831"), FieldType.HDLC_FCS_OK_SIG_END), "C0 02 80 00 02 FF C8 31 20"),
    (data(V21, FieldType.HDLC_FCS_OK, FieldType.HDLC_SIG_END), "C0 02 10 40"),
    (data(V17, Field(FieldType.T4_NON_ECM_DATA, bytes(4))), "D0 01 B0 00 03 00 00 00 00"),
    (data(V17, FieldType.T4_NON_ECM_SIG_END), "D0 01 38"),
    (data(V17, Field(FieldType.T4_NON_ECM_SIG_END, b"\x00\x10\x01")), "D0 01 B8 00 02 00 10 01"),
    (data(V17, FieldType.HDLC_FCS_OK), "D0 01 10"),
    (data(V17, hdlc("FFC061"), FieldType.HDLC_FCS_OK), "D0 02 80 00 02 FF C0 61 10"),
    (data(V17, hdlc("FFC061"), FieldType.HDLC_FCS_OK_SIG_END), "D0 02 80 00 02 FF C0 61 20"),
    (data(DataType.V8, Field(FieldType.CM_MESSAGE, b"1")), "E0 00 01 C0 00 00 00 31"),
    (data(DataType.V34_PRI_RATE, Field(FieldType.V34_RATE, b"336")), "E0 40 01 C1 80 00 02 33 33 36"),
]
EXAMPLES = [(syntax, *example) for syntax in Syntax for example in BOTH]
EXAMPLES += [(Syntax.Y1998, *example) for example in ONLY_1998]
EXAMPLES += [(Syntax.Y2002, *example) for example in ONLY_2002]


@pytest.mark.parametrize(("syntax", "packet", "octets"), EXAMPLES)
def test_worked_examples_in_both_directions(syntax: Syntax, packet: Packet, octets: str) -> None:
    assert encode(packet, syntax) == bytes.fromhex(octets)
    assert parse(bytes.fromhex(octets), syntax) == packet


def test_a_field_without_data_may_also_fill_its_octet_in_2002() -> None:
    unpacked = bytes.fromhex("C0021008")
    assert parse(unpacked, Syntax.Y2002) == data(V21, FieldType.HDLC_FCS_OK, FieldType.HDLC_SIG_END)
    three = bytes.fromhex("C003 80 0002 FFC831 10 08")
    expected = data(V21, hdlc("FFC831"), FieldType.HDLC_FCS_OK, FieldType.HDLC_SIG_END)
    assert parse(three, Syntax.Y2002) == expected


def test_version_0_and_1_are_of_1998() -> None:
    assert [Syntax.for_version(version) for version in range(5)] == [Syntax.Y1998] * 2 + [Syntax.Y2002] * 3


@pytest.mark.parametrize("modem", Modem)
def test_modems_have_an_indicator_and_a_data_type(modem: Modem) -> None:
    assert DataType.of(modem).modem is modem
    for short in (False, True):
        indicator = Indicator.of(modem, short_training=short)
        assert indicator.modem is modem
        assert indicator.is_short_training is (short and modem.modulation == "V.17")


def test_what_belongs_to_no_modem_of_ours_says_so() -> None:
    assert DataType.V34_PRI_CH.modem is None
    assert Indicator.V8_ANSAM.modem is None
    assert Indicator.CED.modem is None


@pytest.mark.parametrize("syntax", Syntax)
@pytest.mark.parametrize(("count", "determinant"), [(127, "7F"), (128, "80 80"), (0x3FFF, "BF FF")])
def test_the_count_of_fields_has_two_octets_from_128_on(count: int, determinant: str, syntax: Syntax) -> None:
    """The length determinant of PER (X.691 11.9.3.6, 11.9.3.7)."""
    packet = data(V21, *[FieldType.HDLC_FCS_OK] * count)
    octets = encode(packet, syntax)
    assert octets.startswith(bytes.fromhex(f"C0 {determinant}"))
    assert parse(octets, syntax) == packet


@pytest.mark.parametrize(
    ("octets", "syntax", "why"),
    [
        ("", Syntax.Y1998, "empty"),
        ("0000", Syntax.Y1998, "too many"),
        ("D2 01 20", Syntax.Y1998, "unknown t30-data"),
        ("E3 C0 01 20", Syntax.Y2002, "unknown t30-data"),
        ("FF", Syntax.Y2002, "ends in its type"),
        ("23", Syntax.Y1998, "unknown t30-indicator"),
        ("C0", Syntax.Y1998, "before its field count"),
        ("C0 FF 20", Syntax.Y1998, "field count"),
        ("C0 01", Syntax.Y1998, "before its last field"),
        ("C0 01 80 00 06 FF C8", Syntax.Y1998, "inside a field"),
        ("C0 01 80 00", Syntax.Y2002, "inside a field"),
        ("C0 01 00", Syntax.Y2002, "HDLC_DATA without data"),
        ("C0 01 60", Syntax.Y1998, "T4_NON_ECM_DATA without data"),
        ("C0 01 38", Syntax.Y1998, "padding"),
        ("D0 01 B8 00 02 00 10 01", Syntax.Y1998, "padding"),
        ("C0 01 12", Syntax.Y2002, "padding"),
        ("C0 01 20 00", Syntax.Y1998, "too many"),
        ("C0 01 DF 80 00 00 00", Syntax.Y2002, "unknown field-type"),
        ("C0 BF FF 10", Syntax.Y2002, "before its last field"),
    ],
)
def test_octets_that_are_no_packet(octets: str, syntax: Syntax, why: str) -> None:
    with pytest.raises(IfpError, match=why):
        parse(bytes.fromhex(octets), syntax)


def test_zero_octets_behind_a_packet_are_padding_only_when_asked_for() -> None:
    octets = bytes.fromhex("C00120 0000")
    assert parse(octets, Syntax.Y1998, padded=True) == data(V21, FieldType.HDLC_FCS_OK)
    assert parse(bytes(7), Syntax.Y1998, padded=True) == IndicatorPacket(Indicator.NO_SIGNAL)
    with pytest.raises(IfpError):
        parse(octets + b"\x01", Syntax.Y1998, padded=True)


@pytest.mark.parametrize(
    ("packet", "syntax", "why"),
    [
        (data(DataType.V8, Field(FieldType.CM_MESSAGE, b"1")), Syntax.Y1998, "has no field type CM_MESSAGE"),
        (data(V17, Field(FieldType.HDLC_DATA, bytes(65536))), Syntax.Y2002, "65536 octets"),
        (data(V17, *[FieldType.HDLC_FCS_OK] * 0x4000), Syntax.Y2002, "16384 fields"),
    ],
)
def test_what_no_packet_can_say(packet: Packet, syntax: Syntax, why: str) -> None:
    with pytest.raises(IfpError, match=why):
        encode(packet, syntax)


def test_the_prefix_of_a_field_saves_building_the_packet() -> None:
    for syntax in Syntax:
        packet = data(V17, Field(FieldType.T4_NON_ECM_DATA, b"abc"))
        assert field_prefix(V17, FieldType.T4_NON_ECM_DATA, syntax) + b"\0\x02abc" == encode(packet, syntax)


# --- any packet, any octets ------------------------------------------------------------------------------

BARE = sorted(
    set(list(FieldType)[:8]) - {FieldType.HDLC_DATA, FieldType.T4_NON_ECM_DATA}, key=lambda f: f.value
)


def packets(syntax: Syntax) -> st.SearchStrategy[Packet]:
    types = list(FieldType)[:8] if syntax is Syntax.Y1998 else list(FieldType)
    with_data = st.builds(Field, st.sampled_from(types), st.binary(min_size=1, max_size=300))
    bare = st.builds(Field, st.sampled_from(BARE))
    fields = st.lists(with_data | bare, max_size=6)
    if syntax is Syntax.Y2002:
        # Behind a field without data the octets can be read in two ways, so nothing may follow it.
        fields = st.builds(
            lambda some, last: some + last, st.lists(with_data, max_size=5), st.lists(bare, max_size=1)
        )
    built = st.builds(lambda t, f: DataPacket(t, tuple(f)), st.sampled_from(DataType), fields)
    return st.builds(IndicatorPacket, st.sampled_from(Indicator)) | built


@pytest.mark.parametrize("syntax", Syntax)
@given(pick=st.data())
@examples(push=50, full=100)
def test_every_packet_comes_back(syntax: Syntax, pick: st.DataObject) -> None:
    packet = pick.draw(packets(syntax))
    assert parse(encode(packet, syntax), syntax) == packet


@pytest.mark.parametrize("syntax", Syntax)
@given(octets=st.binary(max_size=40) | st.builds(lambda tail: b"\xc0\x03" + tail, st.binary(max_size=12)))
@settings(max_examples=300)
def test_any_octets_are_a_packet_or_an_ifp_error(syntax: Syntax, octets: bytes) -> None:
    for padded in (False, True):
        try:
            packet = parse(octets, syntax, padded=padded)
        except IfpError:
            continue
        # Field boundaries and padding may be written in several ways, so only the meaning is compared.
        assert parse(encode(packet, syntax), syntax) == packet or len(packet.fields) > 1
