"""ECM blocks at the transmitter (T.30 annex A, T.4 annex A).

A page is divided into blocks (partial pages) of up to 256 frames; a frame carries 256 or 64 octets of the
coded page. Frames are built when the modem needs them. The receiving side is ``t38fsp.t30.incoming_blocks``.

At low rates a block of 256 frames keeps the carrier up for minutes, and many gateways cut any carrier after
90 s, so blocks have fewer frames there. A receiver that supports only full blocks can be recognised by a PPR
for frames after the last one and none before; blocks then have 256 frames, and take several bursts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import overload

from t38fsp.t30.frames import BLOCK_FRAMES, RETURN_TO_CONTROL, image_frame
from t38fsp.t30.vocabulary import Modem

_RCP_COPIES = 3

_REQUEST_LIMIT = 4
"""The fourth PPR for a block is followed by CTC or EOR (A.4.3)."""

LONGEST_BURST = 80.0
"""Seconds; a gateway that cuts carriers does so after about 90 s."""

_AROUND_FRAMES = 2.5
"""Seconds of training, flags and RCP."""
_FRAME_OVERHEAD = 6
"""Octets besides the image: address, control, FCF, number, FCS; flags and stuffed bits add 2 %."""
_STUFFING = 1.02


def frames_per_burst(modem: Modem, frame_size: int) -> int:
    """How many frames fit into the longest burst, 1 to 256."""
    frame = (frame_size + _FRAME_OVERHEAD) * _STUFFING * 8 / modem.rate
    return min(BLOCK_FRAMES, int((LONGEST_BURST - _AROUND_FRAMES) / frame))


class Block:
    """One block of a page to send: at most ``most`` frames from octet ``start`` on."""

    def __init__(self, page: bytes, start: int, frame_size: int, most: int = BLOCK_FRAMES) -> None:
        self._octets = memoryview(page)[start : start + most * frame_size]
        self._frame_size = frame_size
        self.end = start + len(self._octets)
        """Where the next block begins."""
        self.last = len(page) <= self.end
        """True for the last block of the page."""

    def __len__(self) -> int:
        """Frames in the block, 1 to 256."""
        # At least one frame: a page of no octets still has to be announced by a PPS.
        return max(1, -(-len(self._octets) // self._frame_size))

    def frame(self, number: int) -> bytes:
        """The FCD frame; the last of the page is padded with zeros, as most receivers expect."""
        start = number * self._frame_size
        octets = bytes(self._octets[start : start + self._frame_size])
        return image_frame(number, octets.ljust(self._frame_size, b"\0"))


class BlockSender:
    """The block being sent, and the state of its error correction (A.4.3).

    ``number`` counts the blocks of the page, ``per_burst`` limits the frames of a burst. With ``whole`` the
    block has 256 frames as long as the page has, however many bursts that takes.
    """

    def __init__(
        self, page: bytes, start: int, number: int, frame_size: int, per_burst: int, *, whole: bool = False
    ) -> None:
        self._page = page
        self._start = start
        self._frame_size = frame_size
        self.block = Block(page, start, frame_size, BLOCK_FRAMES if whole else per_burst)
        self.number = number
        self.per_burst = per_burst
        self.whole = whole
        self.outstanding: Sequence[int] = range(len(self.block))
        """Numbers of the frames that the receiver is known to lack."""
        self.repeats = 0
        """Number of retransmitted frames."""
        self._sent: set[int] = set()
        self._requests = 0
        self._outstanding_before = len(self.block)

    def next_burst(self) -> BlockFrames:
        """The outstanding frames, up to the limit of a burst."""
        numbers = self.on_line
        self.repeats += len(self._sent.intersection(numbers))
        self._sent.update(numbers)
        return BlockFrames(self.block, numbers)

    @property
    def on_line(self) -> Sequence[int]:
        """Numbers of the frames in the next burst, or in the last one until its response."""
        return self.outstanding[: self.per_burst]

    @property
    def announced(self) -> int:
        """The frame count in PPS: that of the burst, or that of the block while some frames are deferred."""
        # Some send the frames of the burst here, others those of the block; receivers take the greatest that
        # they saw.
        left = len(self.outstanding) > self.per_burst
        return len(self.block) if left else len(self.outstanding)

    def requested(self, flagged: Collection[int]) -> bool:
        """Process a PPR for these frames; false if there were too many: CTC or EOR follows."""
        # A PPR has ones for frames that do not exist, too (A.4.4).
        wanted = sorted(number for number in flagged if number < len(self.block))
        # It asks only for frames after ours: a receiver that waits until it has 256 (see the top of this
        # file).
        if not wanted and not self.whole and not self.block.last:
            self.whole = True
            self.block = Block(self._page, self._start, self._frame_size)
            wanted = sorted(number for number in flagged if number < len(self.block))
        # Another PPS needs a frame before it, even if none that exists was asked for.
        self.outstanding = wanted or [len(self.block) - 1]
        self._requests += 1
        # A block of several bursts gets a PPR after each of them, without any loss.
        bursts = -(-len(self.block) // self.per_burst)
        return self._requests < _REQUEST_LIMIT + bursts - 1

    @property
    def progressed(self) -> bool:
        """Fewer frames are missing than when the count of requests was last reset."""
        return len(self.outstanding) < self._outstanding_before

    def begin_again(self, per_burst: int) -> None:
        """Reset the count of requests, as the rate has changed or there is progress."""
        self.per_burst = per_burst
        self._requests = 0
        self._outstanding_before = len(self.outstanding)


class BlockFrames(Sequence[bytes]):
    """Frames of one burst, built when read: the FCD frames asked for and three RCP (A.3.3)."""

    def __init__(self, block: Block, numbers: Sequence[int]) -> None:
        self._block = block
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers) + _RCP_COPIES

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        if position < len(self._numbers):
            return self._block.frame(self._numbers[position])
        return RETURN_TO_CONTROL
