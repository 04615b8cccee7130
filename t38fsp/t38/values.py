"""The enumerations of T.38: indicators, modulations of data, and field types (T.38 annex A)."""

from __future__ import annotations

from enum import Enum

from t38fsp.t30.vocabulary import Modem


class Indicator(Enum):
    """t30-indicator; from 16 on, values of the extension list (T.38 version 3)."""

    NO_SIGNAL = 0
    CNG = 1
    CED = 2
    V21_PREAMBLE = 3
    V27_2400_TRAINING = 4
    V27_4800_TRAINING = 5
    V29_7200_TRAINING = 6
    V29_9600_TRAINING = 7
    V17_7200_SHORT_TRAINING = 8
    V17_7200_LONG_TRAINING = 9
    V17_9600_SHORT_TRAINING = 10
    V17_9600_LONG_TRAINING = 11
    V17_12000_SHORT_TRAINING = 12
    V17_12000_LONG_TRAINING = 13
    V17_14400_SHORT_TRAINING = 14
    V17_14400_LONG_TRAINING = 15
    V8_ANSAM = 16
    V8_SIGNAL = 17
    V34_CNTL_CHANNEL_1200 = 18
    V34_PRI_CHANNEL = 19
    V34_CC_RETRAIN = 20
    V33_12000_TRAINING = 21
    V33_14400_TRAINING = 22

    __hash__ = object.__hash__  # Enum's own is slow, and every packet is looked up

    @classmethod
    def of(cls, modem: Modem, *, short_training: bool = False) -> Indicator:
        """The preamble or training indicator of ``modem``; only V.17 has short training."""
        return _SHORT_TRAINING.get(modem, _TRAINING[modem]) if short_training else _TRAINING[modem]

    @property
    def modem(self) -> Modem | None:
        """The modem that this indicator announces, or None for tones, silence, V.8, V.33 and V.34."""
        return _ANNOUNCED.get(self)

    @property
    def is_short_training(self) -> bool:
        return self in _SHORT_INDICATORS


class DataType(Enum):
    """t30-data: the modulation of data; from 9 on, values of the extension list."""

    V21 = 0
    V27_2400 = 1
    V27_4800 = 2
    V29_7200 = 3
    V29_9600 = 4
    V17_7200 = 5
    V17_9600 = 6
    V17_12000 = 7
    V17_14400 = 8
    V8 = 9
    V34_PRI_RATE = 10
    V34_CC_1200 = 11
    V34_PRI_CH = 12
    V33_12000 = 13
    V33_14400 = 14

    __hash__ = object.__hash__  # Enum's own is slow, and every packet is looked up

    @classmethod
    def of(cls, modem: Modem) -> DataType:
        return _DATA_TYPES[modem]

    @property
    def modem(self) -> Modem | None:
        """None for V.8, V.33 and V.34."""
        return _MODEMS.get(self)


class FieldType(Enum):
    """field-type; from 8 on, values of the extension list, which the 1998 syntax cannot carry."""

    HDLC_DATA = 0
    HDLC_SIG_END = 1
    HDLC_FCS_OK = 2
    HDLC_FCS_BAD = 3
    HDLC_FCS_OK_SIG_END = 4
    HDLC_FCS_BAD_SIG_END = 5
    T4_NON_ECM_DATA = 6
    T4_NON_ECM_SIG_END = 7
    CM_MESSAGE = 8
    JM_MESSAGE = 9
    CI_MESSAGE = 10
    V34_RATE = 11

    __hash__ = object.__hash__  # Enum's own is slow, and every packet is looked up


_TRAINING = {
    Modem.V21: Indicator.V21_PREAMBLE,
    Modem.V27TER_2400: Indicator.V27_2400_TRAINING,
    Modem.V27TER_4800: Indicator.V27_4800_TRAINING,
    Modem.V29_7200: Indicator.V29_7200_TRAINING,
    Modem.V29_9600: Indicator.V29_9600_TRAINING,
    Modem.V17_7200: Indicator.V17_7200_LONG_TRAINING,
    Modem.V17_9600: Indicator.V17_9600_LONG_TRAINING,
    Modem.V17_12000: Indicator.V17_12000_LONG_TRAINING,
    Modem.V17_14400: Indicator.V17_14400_LONG_TRAINING,
}
_SHORT_TRAINING = {
    Modem.V17_7200: Indicator.V17_7200_SHORT_TRAINING,
    Modem.V17_9600: Indicator.V17_9600_SHORT_TRAINING,
    Modem.V17_12000: Indicator.V17_12000_SHORT_TRAINING,
    Modem.V17_14400: Indicator.V17_14400_SHORT_TRAINING,
}
_SHORT_INDICATORS = frozenset(_SHORT_TRAINING.values())
_ANNOUNCED = {
    indicator: modem for table in (_TRAINING, _SHORT_TRAINING) for modem, indicator in table.items()
}
# The modems stand above in the order in which t30-data numbers them (annex A).
_DATA_TYPES = {modem: DataType(number) for number, modem in enumerate(_TRAINING)}
_MODEMS = {data_type: modem for modem, data_type in _DATA_TYPES.items()}
