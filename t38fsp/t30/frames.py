"""HDLC frames of T.30 (5.3) and of its error correction mode (annex A).

Octets are in the order in which T.30 prints them and T.38 carries them: the bit transmitted first is the most
significant one. A frame runs from the address to the last octet of its facsimile information field (FIF).
"""

from __future__ import annotations

from enum import Enum
from typing import Self

from sip.frozen import dataclass

# 5.3.4 and 5.3.5: the address of all stations, and 1100 X000 as control field, whose X marks the last
# frame.
_ADDRESS = 0xFF
_CONTROL = 0xC0
_FINAL = 0x08
_X = 0x80
_ID_LENGTH = 20
# Numbers in information fields are sent low bit first, codes high bit first; the order of the octets here is
# that of the line.
_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))

BLOCK_FRAMES = 256
"""Most frames in one ECM block (partial page), A.3.1."""


class FrameError(ValueError):
    """The octets are not a frame, or not the information field, that T.30 describes."""


class FCF(Enum):
    """Facsimile control fields (5.3.6) with their X bit clear.

    X is set by the terminal that received the DIS. DIS to NSF and DTC to ISP have no X: there the bit is part
    of the code.
    """

    DIS = 0x01
    CSI = 0x02
    NSF = 0x04
    DTC = 0x81
    CIG = 0x82
    PWD = 0x83
    NSC = 0x84
    SEP = 0x85
    PSA = 0x86
    CIA = 0x87
    ISP = 0x88
    DCS = 0x41
    TSI = 0x42
    SUB = 0x43
    NSS = 0x44
    SID = 0x45
    TSA = 0x46
    IRA = 0x47
    CTC = 0x48
    CFR = 0x21
    FTT = 0x22
    CTR = 0x23
    CSA = 0x24
    EOM = 0x71
    MPS = 0x72
    EOR = 0x73
    EOP = 0x74
    RR = 0x76
    EOS = 0x78
    PRI_EOM = 0x79
    PRI_MPS = 0x7A
    PRI_EOP = 0x7C
    PPS = 0x7D
    MCF = 0x31
    RTN = 0x32
    RTP = 0x33
    PIN = 0x34
    PIP = 0x35
    PID = 0x36
    RNR = 0x37
    ERR = 0x38
    PPR = 0x3D
    FDM = 0x3F
    FNV = 0x53
    TR = 0x56
    TNR = 0x57
    CRP = 0x58
    DCN = 0x5F
    FCD = 0x60
    RCP = 0x61
    CCD = 0x62

    @property
    def has_x(self) -> bool:
        """Whether the first bit of the octet is the X bit, not part of the code."""
        return self.value & 0x70 != 0

    def __str__(self) -> str:
        return self.name.replace("_", "-")


_IMAGE_CODES = frozenset({FCF.FCD.value, FCF.RCP.value, FCF.CCD.value})
_BY_OCTET = {fcf.value: fcf for fcf in FCF}
_BY_OCTET.update({fcf.value | _X: fcf for fcf in FCF if fcf.has_x})

WITHOUT_INTERRUPT = {FCF.PRI_EOM: FCF.EOM, FCF.PRI_MPS: FCF.MPS, FCF.PRI_EOP: FCF.EOP}
"""What a request for the operator (5.3.6.1.6) means where there is none."""

PLAIN_COMMANDS = {**WITHOUT_INTERRUPT, FCF.EOS: FCF.EOM}
"""What all other post-message commands come down to: EOS leads to the next document as EOM does."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. ``final`` is the last bit of the control field: no frame follows in this burst."""

    fcf: FCF
    fif: bytes = b""
    final: bool = True
    x: bool = False

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Read a frame.

        Raises:
            FrameError: too short, a foreign address or control field, or an FCF that T.30 does not list.
        """
        if len(octets) < 3:
            raise FrameError(f"a frame has at least 3 octets, this one has {len(octets)}")
        # T.30 has one address (5.3.4) and one control field (5.3.5): anything else is noise with a good FCS.
        if octets[0] != _ADDRESS or octets[1] & ~_FINAL != _CONTROL:
            raise FrameError(f"address and control are {octets[:2].hex()}, not ffc0 or ffc8")
        fcf = _BY_OCTET.get(octets[2])
        if fcf is None:
            raise FrameError(f"facsimile control field {octets[2]:02x} is not one of T.30")
        return cls(fcf, bytes(octets[3:]), bool(octets[1] & _FINAL), fcf.has_x and bool(octets[2] & _X))

    def __bytes__(self) -> bytes:
        control = _CONTROL | (_FINAL if self.final else 0)
        fcf = self.fcf.value | (_X if self.x and self.fcf.has_x else 0)
        return bytes((_ADDRESS, control, fcf)) + self.fif


# --- station identification (5.3.6.2.4 to 5.3.6.2.6) --------------------------------------------------------


def encode_station_id(text: str, name: str = "station ID") -> bytes:
    """Code a CSI, TSI, CIG, SUB or the like: 20 characters, the last one first, each low bit first.

    ``name`` is what the error calls it.

    Raises:
        FrameError: longer than 20 characters, or not printable ASCII.
    """
    if len(text) > _ID_LENGTH:
        raise FrameError(
            f"a {name} has at most {_ID_LENGTH} characters, but {text!r} has {len(text)}; shorten it"
        )
    # More than the digits, space and + of T.30, because machines send and print letters, too.
    if not all(" " <= character <= "~" for character in text):
        raise FrameError(f"{text!r} is not a {name}; use digits, spaces and +, or printable ASCII")
    # Unlike all other fields: the last character first, and of each the low bit first (5.3.6.2.4).
    return text.rjust(_ID_LENGTH).encode("ascii")[::-1].translate(_REVERSED)


def decode_station_id(fif: bytes) -> str:
    """Parse a station ID, stripped of spaces. Characters other than printable ASCII become ``?``."""
    # Some fill it up with NUL in place of spaces: those are left out below.
    octets = fif[:_ID_LENGTH].translate(_REVERSED)[::-1]
    return "".join(chr(octet) if 0x20 <= octet <= 0x7E else "?" for octet in octets if octet).strip()


# --- error correction mode (annex A) ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PartialPageSignal:
    """Information field of PPS: what follows the block, and which block it is (A.4.3).

    ``following`` is None for PPS-NULL: more blocks of this page come. ``page`` and ``block`` count from 0,
    modulo 256. ``frames`` (1 to 256) were sent in the burst before it.
    """

    following: FCF | None
    page: int
    block: int
    frames: int

    @classmethod
    def parse(cls, fif: bytes) -> Self:
        """Read the field.

        Raises:
            FrameError: shorter than 4 octets, or the second FCF is not a post-message command.
        """
        if len(fif) < 4:
            raise FrameError(f"the information of PPS has 4 octets, not {len(fif)}")
        # The counters go low bit first, unlike the FCF before them; that of the frames is one less (A.4.3),
        # as a block has 256 of them.
        page, block, frames = fif[1:4].translate(_REVERSED)
        return cls(_parse_following(fif[0]), page, block, frames + 1)

    def to_fif(self, *, x: bool) -> bytes:
        """The field, its second FCF with the X bit of the sender."""
        counters = bytes((self.page & 0xFF, self.block & 0xFF, self.frames - 1)).translate(_REVERSED)
        return bytes((_following_octet(self.following, x=x),)) + counters

    def __str__(self) -> str:
        return f"PPS-{self.following or 'NULL'}"


_POST_MESSAGE = frozenset(
    {FCF.EOM, FCF.MPS, FCF.EOP, FCF.EOS, FCF.PRI_EOM, FCF.PRI_MPS, FCF.PRI_EOP},
)


def _parse_following(octet: int) -> FCF | None:
    if octet & ~_X == 0:
        return None
    fcf = _BY_OCTET.get(octet)
    if fcf not in _POST_MESSAGE:
        raise FrameError(f"{octet:02x} is not a post-message command that PPS or EOR can carry")
    return fcf


def _following_octet(following: FCF | None, *, x: bool) -> int:
    return 0 if following is None else following.value | (_X if x else 0)


def parse_end_of_retransmission(fif: bytes) -> FCF | None:
    """Read the information field of EOR (A.4.3): its second FCF, or None for EOR-NULL.

    Raises:
        FrameError: empty, or the second FCF is not a post-message command.
    """
    if not fif:
        raise FrameError("the information of EOR has one octet, not 0")
    return _parse_following(fif[0])


def end_of_retransmission(following: FCF | None, *, x: bool) -> bytes:
    """The information field of EOR."""
    return bytes((_following_octet(following, x=x),))


def parse_partial_page_request(fif: bytes) -> frozenset[int]:
    """Read the information field of PPR (A.4.4): the numbers (0 to 255) of the frames to send again.

    Raises:
        FrameError: shorter than 32 octets.
    """
    if len(fif) < BLOCK_FRAMES // 8:
        raise FrameError(f"the information of PPR has {BLOCK_FRAMES // 8} octets, not {len(fif)}")
    return frozenset(number for number in range(BLOCK_FRAMES) if fif[number >> 3] & (0x80 >> (number & 7)))


def partial_page_request(present: frozenset[int]) -> bytes:
    """The information field of PPR that asks for all frames but those present (0 to 255)."""
    # Ones also for frames that the block does not have: A.4.4 leaves them to the transmitter to ignore.
    bitmap = bytearray(b"\xff" * (BLOCK_FRAMES // 8))
    for number in present:
        bitmap[number >> 3] &= ~(0x80 >> (number & 7))
    return bytes(bitmap)


def is_image_frame(octets: bytes) -> bool:
    """Whether a frame is one of an ECM block (FCD, RCP, CCD), which no command or response looks like."""
    return len(octets) > 2 and octets[2] in _IMAGE_CODES


def image_frame(number: int, octets: bytes) -> bytes:
    """An FCD frame (T.4 annex A): ``number`` 0 to 255 in its block, and its part of the coded page."""
    return bytes((_ADDRESS, _CONTROL, FCF.FCD.value, _REVERSED[number])) + octets


def parse_image_frame(frame: Frame) -> tuple[int, bytes]:
    """The number (0 to 255) and the octets of an FCD frame.

    Raises:
        FrameError: no number, or no octets.
    """
    if len(frame.fif) < 2:
        raise FrameError(f"an FCD frame carries a number and octets, this one {len(frame.fif)} octets in all")
    return _REVERSED[frame.fif[0]], frame.fif[1:]


RETURN_TO_CONTROL = bytes((_ADDRESS, _CONTROL, FCF.RCP.value))
"""The RCP frame; three of them end a block."""
