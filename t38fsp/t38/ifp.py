"""IFP: the packets of T.38 clause 7, in the aligned PER of its 1998 and of its 2002 ASN.1.

The two differ in one bit: ``field-type`` has an extension marker in the 2002 module and none in that of 1998,
so every octet that starts a field is different (T.38 annex A). A packet is an indicator, or data of one
modulation in fields::

    IFPPacket ::= SEQUENCE { type-of-msg CHOICE { t30-indicator, t30-data }, data-field OPTIONAL }

    octet 0   bit 7: fields follow   bit 6: 0 indicator, 1 data   bit 5: value from the extension list
              bits 4..1: value
    1998      P fff, four bits; not aligned, so two fields without data share an octet
    2002      P e fff, five bits; P 1 0 nnnnnn for a field type of the extension list
    then, when P: align, sixteen bits of length minus one, the octets

Implementations write a 2002 packet in which a field without data is followed by another field in two ways:
packed, as PER requires, or with every field octet-aligned. :func:`parse` reads both; :func:`encode` writes
PER, and our senders put such a field last.
"""

from __future__ import annotations

from enum import Enum
from functools import cache

from sip.frozen import dataclass
from t38fsp.t30.vocabulary import Modem
from t38fsp.t38.values import DataType, FieldType, Indicator

MAX_FIELD = 65535
"""Upper bound for the octets of one field."""


class IfpError(ValueError):
    """The octets are not an IFP packet in this syntax."""


class Syntax(Enum):
    """The ASN.1 module that packets follow, by the year of its Recommendation."""

    Y1998 = 1998
    Y2002 = 2002

    @classmethod
    def for_version(cls, version: int) -> Syntax:
        """The syntax of a negotiated T38FaxVersion: 1998 for 0 and 1, 2002 for higher versions."""
        # The ASN.1 of versions 0 and 1 is that of 1998; version 2 is the module of 2002, with the extension
        # marker. spandsp changes at 1, so we never answer 1, and ``dialect`` watches what really comes.
        return cls.Y1998 if version < 2 else cls.Y2002

    @property
    def other(self) -> Syntax:
        return Syntax.Y2002 if self is Syntax.Y1998 else Syntax.Y1998


@dataclass(frozen=True, slots=True)
class Field:
    """One data field. No octets means that field-data is absent; 65535 at most."""

    type: FieldType
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class IndicatorPacket:
    indicator: Indicator


@dataclass(frozen=True, slots=True)
class DataPacket:
    type: DataType
    fields: tuple[Field, ...]


Packet = IndicatorPacket | DataPacket


# Field types that are meaningless without octets: such a field indicates a misread packet.
_NEEDS_DATA = frozenset({FieldType.HDLC_DATA, FieldType.T4_NON_ECM_DATA})

# Values below these are in the extension root of their ENUMERATED, those from here on in its list of
# additions (V.8, V.33, V.34), which PER codes differently.
_ROOT_INDICATORS = 16
_ROOT_DATA_TYPES = 9
_ROOT_FIELD_TYPES = 8


# --- writing ------------------------------------------------------------------------------------------------


def encode(packet: Packet, syntax: Syntax) -> bytes:
    """The octets of ``packet``.

    Raises IfpError when the syntax has no such field, a field is longer than 65535 octets, or there are more
    than 16383 fields.
    """
    if isinstance(packet, IndicatorPacket):
        return _INDICATOR_OCTETS[packet.indicator]
    head = data_header(packet.type, fields=bool(packet.fields))
    if not packet.fields:
        return head
    # Above that a PER length determinant is fragmented (X.691); no packet of fax comes near it.
    if len(packet.fields) > 0x3FFF:
        raise IfpError(f"{len(packet.fields)} fields are more than one IFP packet carries")
    out = bytearray(head + _length_determinant(len(packet.fields)))
    free = 0  # bits left in the last octet
    for field in packet.fields:
        bits, value = _field_preamble(field, syntax)
        while bits:
            if not free:
                out.append(0)
                free = 8
            take = min(bits, free)
            # A field of four or nine bits may begin in the middle of an octet, after a field without data.
            out[-1] |= (value >> (bits - take) & (1 << take) - 1) << (free - take)
            bits -= take
            free -= take
        if field.data:
            # OCTET STRING (SIZE(1..65535)): PER counts from the lower bound, so 3 octets have length 2.
            out += (len(field.data) - 1).to_bytes(2, "big") + field.data
            # The length is octet-aligned, and so is all that follows the octets.
            free = 0
    return bytes(out)


def data_header(data_type: DataType, *, fields: bool = True) -> bytes:
    """The one or two octets before the field count."""
    present = 0x80 if fields else 0
    if data_type.value < _ROOT_DATA_TYPES:
        return bytes((present | 0x40 | data_type.value << 1,))
    # An addition is a "normally small" number: the extension bit, a zero bit, six bits of index.
    return (((present | 0x60) << 8) + (data_type.value - _ROOT_DATA_TYPES) * 64).to_bytes(2, "big")


@cache
def field_prefix(data_type: DataType, field_type: FieldType, syntax: Syntax) -> bytes:
    """The octets before the length in a packet of one field with data; cached for speed."""
    return encode(DataPacket(data_type, (Field(field_type, b"\0"),)), syntax)[:-3]


def _field_preamble(field: Field, syntax: Syntax) -> tuple[int, int]:
    """Number and value of the bits that begin a field."""
    number = field.type.value
    present = 1 if field.data else 0
    if len(field.data) > MAX_FIELD:
        raise IfpError(f"a field of {len(field.data)} octets is longer than {MAX_FIELD}")
    if syntax is Syntax.Y1998:
        if number >= _ROOT_FIELD_TYPES:
            raise IfpError(f"the 1998 syntax has no field type {field.type.name}")
        # 1998: no extension marker before the three bits of the type.
        return 4, present << 3 | number
    if number < _ROOT_FIELD_TYPES:
        return 5, present << 4 | number
    # The zero bit of a "normally small" number, and the upper bits of its six, are zero for all
    # four additions.
    return 9, present << 8 | 1 << 7 | (number - _ROOT_FIELD_TYPES)


def _length_determinant(count: int) -> bytes:
    return bytes((count,)) if count < 0x80 else (0x8000 | count).to_bytes(2, "big")


def _indicator_octets(indicator: Indicator) -> bytes:
    if indicator.value < _ROOT_INDICATORS:
        return bytes((indicator.value << 1,))
    return (0x2000 + (indicator.value - _ROOT_INDICATORS) * 64).to_bytes(2, "big")


_INDICATOR_OCTETS = {indicator: _indicator_octets(indicator) for indicator in Indicator}

HDLC_DATA_PREFIX = {
    modem: field_prefix(DataType.of(modem), FieldType.HDLC_DATA, Syntax.Y1998) for modem in Modem
}
"""The octets before the length in a packet of HDLC data alone; the same in both syntaxes."""


# --- reading ------------------------------------------------------------------------------------------------

_INDICATOR_PACKETS: dict[bytes, Packet] = {
    octets: IndicatorPacket(indicator) for indicator, octets in _INDICATOR_OCTETS.items()
}
_ROOT_TYPES = tuple(DataType(number) for number in range(_ROOT_DATA_TYPES))
_FIELD_TYPES = tuple(FieldType)
_BARE_FIELDS = {field_type: Field(field_type) for field_type in FieldType}


class _Usual:
    """Tables for the most frequent packets: whole short packets, and the octets before a single field of
    data."""

    def __init__(self, syntax: Syntax) -> None:
        self.packets = dict(_INDICATOR_PACKETS)
        self.prefixes: dict[bytes, tuple[DataType, FieldType]] = {}
        for data_type in _ROOT_TYPES:
            for field_type in _FIELD_TYPES[:_ROOT_FIELD_TYPES]:
                self.prefixes[field_prefix(data_type, field_type, syntax)] = (data_type, field_type)
                if field_type not in _NEEDS_DATA:
                    packet = DataPacket(data_type, (_BARE_FIELDS[field_type],))
                    self.packets[encode(packet, syntax)] = packet


_USUAL_1998 = _Usual(Syntax.Y1998)
_USUAL_2002 = _Usual(Syntax.Y2002)


def parse(data: bytes, syntax: Syntax, *, padded: bool = False) -> Packet:
    """Read one packet; ``padded`` allows zero octets after it, as parity repair leaves them.

    Raises IfpError when the octets are not a packet, are cut short, or continue after its end.
    """
    usual = _USUAL_1998 if syntax is Syntax.Y1998 else _USUAL_2002
    # A page is 10 to 40 packets a second, nearly all of a single field: two look-ups spare them the
    # parser below.
    known = usual.packets.get(data)
    if known is not None:
        return known
    types = usual.prefixes.get(data[:3])
    if types is not None and len(data) == 6 + int.from_bytes(data[3:5], "big"):
        return DataPacket(types[0], (Field(types[1], data[5:]),))
    if not data:
        raise IfpError("an empty IFP packet")
    head = data[0]
    if not head & 0x40:
        return _parse_odd_indicator(data, padded)
    if head & 0x20:
        if len(data) < 2:
            raise IfpError("the IFP packet ends in its type")
        number = _ROOT_DATA_TYPES + ((head & 0x1F) << 2 | data[1] >> 6)
        if number >= len(DataType):
            raise IfpError(f"unknown t30-data value {number}")
        data_type, at = DataType(number), 2
    else:
        number = head >> 1 & 0x0F
        if number >= _ROOT_DATA_TYPES:
            raise IfpError(f"unknown t30-data value {number}")
        data_type, at = _ROOT_TYPES[number], 1
    if not head & 0x80:
        _check_end(data, at, padded)
        return DataPacket(data_type, ())
    if len(data) <= at:
        raise IfpError("the IFP packet ends before its field count")
    count = data[at]
    at += 1
    if count >= 0x80:
        # 0xC0 would be a fragmented length.
        if count >= 0xC0 or len(data) <= at:
            raise IfpError("the field count of the IFP packet is unreadable")
        count = (count & 0x3F) << 8 | data[at]
        at += 1
    if syntax is Syntax.Y1998:
        return DataPacket(data_type, _parse_1998(data, at, count, padded))
    return DataPacket(data_type, _parse_2002(data, at, count, padded))


def _parse_odd_indicator(data: bytes, padded: bool) -> Packet:
    size = 2 if data[0] & 0x20 else 1
    packet = _INDICATOR_PACKETS.get(data[:size])
    if packet is None:
        raise IfpError(f"unknown t30-indicator, octets {data[:2].hex()}")
    _check_end(data, size, padded)
    return packet


def _check_end(data: bytes, at: int, padded: bool) -> None:
    if at != len(data) and not (padded and not data[at:].strip(b"\0")):
        raise IfpError(f"{len(data) - at} octets too many after the IFP packet")


def _parse_1998(data: bytes, at: int, count: int, padded: bool) -> tuple[Field, ...]:
    fields: list[Field] = []
    size = len(data)
    low = False  # the next field is in the low nibble of the octet at ``at``
    for _ in range(count):
        if at >= size:
            raise IfpError("the IFP packet ends before its last field")
        nibble = data[at] & 0x0F if low else data[at] >> 4
        # The presence bit is the highest of the four; data follow in the next whole octet.
        if nibble & 0x08:
            if not low and data[at] & 0x0F:
                raise IfpError("padding of the IFP packet is not zero")
            # In the low nibble as in the high one, the length begins with the octet after this.
            field, at = _octets(data, at + 1, _FIELD_TYPES[nibble & 0x07])
            fields.append(field)
            low = False
        else:
            fields.append(_bare(_FIELD_TYPES[nibble]))
            at += low
            low = not low
    if low:
        if data[at] & 0x0F:
            raise IfpError("padding of the IFP packet is not zero")
        at += 1
    _check_end(data, at, padded)
    return tuple(fields)


def _parse_2002(data: bytes, at: int, count: int, padded: bool) -> tuple[Field, ...]:
    """Try octet-aligned fields first: if both readings are valid, that one is more likely."""
    if count == 1:
        return _fields_2002(data, at, count, padded, packed=True)
    try:
        return _fields_2002(data, at, count, padded, packed=False)
    except IfpError:
        return _fields_2002(data, at, count, padded, packed=True)


def _fields_2002(data: bytes, at: int, count: int, padded: bool, *, packed: bool) -> tuple[Field, ...]:
    fields: list[Field] = []
    size = len(data)
    used = 0  # bits used of the octet at ``at``
    for _ in range(count):
        # A field's preamble is at most nine bits, so sixteen bits contain it whatever ``used`` is.
        # Bits of the word, from the left: 15 present, 14 extension, 13 to 11 the type; for an addition 13 is
        # the zero bit of a small number, and 12 to 7 its index.
        word = int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") << used & 0xFFFF
        number = word >> 11 & 0x07
        bits = 5
        if word & 0x4000:
            number = _ROOT_FIELD_TYPES + (word >> 7 & 0x7F)
            bits = 9
            if number >= len(_FIELD_TYPES):
                raise IfpError(f"unknown field-type value {number}")
        end = at * 8 + used + bits
        if end > size * 8:
            raise IfpError("the IFP packet ends before its last field")
        at, used = divmod(end, 8)
        present = word & 0x8000
        # spandsp and what is built on it put each field at a new octet; strict PER does so only before data.
        if used and (present or not packed):
            at, used = _aligned(data, at, used)
        if present:
            field, at = _octets(data, at, _FIELD_TYPES[number])
            fields.append(field)
        else:
            fields.append(_bare(_FIELD_TYPES[number]))
    if used:
        at, used = _aligned(data, at, used)
    _check_end(data, at, padded)
    return tuple(fields)


def _aligned(data: bytes, at: int, used: int) -> tuple[int, int]:
    if data[at] & 0xFF >> used:
        raise IfpError("padding of the IFP packet is not zero")
    return at + 1, 0


def _bare(field_type: FieldType) -> Field:
    if field_type in _NEEDS_DATA:
        raise IfpError(f"a field of type {field_type.name} without data")
    return _BARE_FIELDS[field_type]


def _octets(data: bytes, at: int, field_type: FieldType) -> tuple[Field, int]:
    end = at + 3 + int.from_bytes(data[at : at + 2], "big")
    if end > len(data) or at + 2 > len(data):
        raise IfpError("the IFP packet ends inside a field")
    return Field(field_type, data[at + 2 : end]), end
