"""Which modems two terminals share, in the order in which they are tried (T.30 table 2, bits 11 to 14)."""

from __future__ import annotations

from collections.abc import Collection

from t38fsp.t30.dcs import BitField
from t38fsp.t30.vocabulary import Modem

# Of equal rates V.17 comes first: it is trellis coded and bears more noise than V.29.
DESCENDING = (
    Modem.V17_14400,
    Modem.V17_12000,
    Modem.V17_9600,
    Modem.V29_9600,
    Modem.V17_7200,
    Modem.V29_7200,
    Modem.V27TER_4800,
    Modem.V27TER_2400,
)
"""Every image modem, best first; each FTT goes one step down among those that both ends have."""

_V27 = frozenset({Modem.V27TER_4800, Modem.V27TER_2400})
_V29 = frozenset({Modem.V29_9600, Modem.V29_7200})
_V17 = frozenset({Modem.V17_14400, Modem.V17_12000, Modem.V17_9600, Modem.V17_7200})

# Bits 11 to 14 in this order. A DIS names modulations, so a terminal with V.17 has all four of its rates.
_CAPABILITY = {
    "0000": frozenset({Modem.V27TER_2400}),
    "0100": _V27,
    "1000": _V29,
    "1100": _V27 | _V29,
    "1110": _V27 | _V29,  # and V.33, which is obsolete
    "1101": _V27 | _V29 | _V17,
}

# A DCS names one rate. 0010 and 0110 are V.33 of earlier editions.
_SELECTION = {
    "0000": Modem.V27TER_2400,
    "0100": Modem.V27TER_4800,
    "1000": Modem.V29_9600,
    "1100": Modem.V29_7200,
    "0001": Modem.V17_14400,
    "0101": Modem.V17_12000,
    "1001": Modem.V17_9600,
    "1101": Modem.V17_7200,
}
_SELECTION_VALUES = {modem: values for values, modem in _SELECTION.items()}


def modems_of_dis(dis: BitField) -> frozenset[Modem]:
    """The modems that a DIS or DTC states; for reserved values what every terminal has, V.27ter."""
    # Reserved values are of later editions, whose terminals have V.27ter as well.
    return _CAPABILITY.get(dis.number(11, 14), _V27)


def dis_values(modems: Collection[Modem]) -> str:
    """Bits 11 to 14 of a DIS that states as many of these modems as a DIS can, and no other."""
    wanted = frozenset(modems)
    # "1110" states V.33 as well, which we do not have.
    fitting = [values for values, stated in _CAPABILITY.items() if stated <= wanted and values != "1110"]
    return max(fitting, key=lambda values: len(_CAPABILITY[values]), default="0000")


def modem_of_dcs(dcs: BitField) -> Modem | None:
    """The modem that a DCS or CTC chose; None for a reserved value or V.33."""
    return _SELECTION.get(dcs.number(11, 14))


def dcs_values(modem: Modem) -> str:
    """Bits 11 to 14 of a DCS or CTC that chooses this modem."""
    return _SELECTION_VALUES[modem]


def ladder(modems: Collection[Modem], max_rate: int) -> tuple[Modem, ...]:
    """Those modems of at most ``max_rate`` bit/s, best first."""
    return tuple(modem for modem in DESCENDING if modem in modems and modem.rate <= max_rate)
