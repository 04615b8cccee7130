"""What quirks of IFP need to know of packets and their fields."""

from __future__ import annotations

from t38fsp.t38 import ifp
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket
from t38fsp.t38.values import DataType, FieldType

FRAME_ENDS = frozenset(
    {
        FieldType.HDLC_FCS_OK,
        FieldType.HDLC_FCS_BAD,
        FieldType.HDLC_FCS_OK_SIG_END,
        FieldType.HDLC_FCS_BAD_SIG_END,
    }
)
BURST_ENDS = frozenset(
    {
        FieldType.HDLC_SIG_END,
        FieldType.HDLC_FCS_OK_SIG_END,
        FieldType.HDLC_FCS_BAD_SIG_END,
        FieldType.T4_NON_ECM_SIG_END,
    }
)
WITH_SIG_END = {
    FieldType.HDLC_FCS_OK_SIG_END: FieldType.HDLC_FCS_OK,
    FieldType.HDLC_FCS_BAD_SIG_END: FieldType.HDLC_FCS_BAD,
}
"""Those that end a frame and its burst, and what ends the frame alone."""
SPOILT = {
    FieldType.HDLC_FCS_OK: FieldType.HDLC_FCS_BAD,
    FieldType.HDLC_FCS_OK_SIG_END: FieldType.HDLC_FCS_BAD_SIG_END,
}
"""Ends of good frames, and of bad ones."""


def bare_field(packet: ifp.Packet) -> tuple[DataType, FieldType] | None:
    """Type and field of a packet that ends something, and says nothing else."""
    if isinstance(packet, DataPacket) and len(packet.fields) == 1 and not packet.fields[0].data:
        return packet.type, packet.fields[0].type
    return None


def only(data_type: DataType, *field_types: FieldType) -> DataPacket:
    """A packet of fields without data."""
    return DataPacket(data_type, tuple(Field(field_type) for field_type in field_types))


def ends_burst(packet: ifp.Packet) -> bool:
    if isinstance(packet, IndicatorPacket):
        return packet.indicator.modem is None
    return any(field.type in BURST_ENDS for field in packet.fields)


def spoilt(packet: DataPacket) -> DataPacket:
    """The same, but each frame that ends in it is bad."""
    fields = (Field(SPOILT.get(field.type, field.type), field.data) for field in packet.fields)
    return DataPacket(packet.type, tuple(fields))
