"""Blocks of the error correction mode (T.30 annex A, T.4 annex A).

A page is cut into blocks (partial pages) of up to 256 frames, a frame carries 256 or 64 octets of the coded
page. The transmitter builds frames when the modem wants them; the receiver keeps those that came.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import overload

from t38fsp.t30.frames import BLOCK_FRAMES, RETURN_TO_CONTROL, image_frame

_RCP_COPIES = 3

_REQUEST_LIMIT = 4
"""After the fourth PPR for a block comes CTC or EOR (A.4.3)."""


class Block:
    """One block of a page to send."""

    def __init__(self, page: bytes, number: int, frame_size: int) -> None:
        size = BLOCK_FRAMES * frame_size
        self._octets = memoryview(page)[number * size : (number + 1) * size]
        self._frame_size = frame_size
        self.last = len(page) <= (number + 1) * size
        """No more octets of the page come after it."""

    def __len__(self) -> int:
        """Frames in the block, 1 to 256."""
        return max(1, -(-len(self._octets) // self._frame_size))

    def frame(self, number: int) -> bytes:
        """The FCD frame; the last of the page is padded with zeros, as most receivers want it."""
        start = number * self._frame_size
        octets = bytes(self._octets[start : start + self._frame_size])
        return image_frame(number, octets.ljust(self._frame_size, b"\0"))


class BlockSender:
    """The block on the line, and how its correction goes (A.4.3)."""

    def __init__(self, page: bytes, number: int, frame_size: int) -> None:
        self.block = Block(page, number, frame_size)
        self.number = number
        self.outstanding: Sequence[int] = range(len(self.block))
        """Numbers of the frames to send, or just sent."""
        self._requests = 0
        self._outstanding_before = len(self.block) + 1

    def burst_frames(self) -> BlockFrames:
        return BlockFrames(self.block, self.outstanding)

    def requested(self, flagged: Collection[int]) -> bool:
        """PPR asks for these frames again; false when it has done so too often: then CTC or EOR follows."""
        wanted = sorted(number for number in flagged if number < len(self.block))
        self.outstanding = wanted or [len(self.block) - 1]
        self._requests += 1
        return self._requests < _REQUEST_LIMIT

    @property
    def progressed(self) -> bool:
        """Fewer frames are missing than when the rate was last changed."""
        return len(self.outstanding) < self._outstanding_before

    def begin_again(self) -> None:
        """The rate was changed: PPR are counted anew."""
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


class BlockCollector:
    """The frames of the block that is being received."""

    def __init__(self, frame_size: int) -> None:
        self._frame_size = frame_size
        self._frames: dict[int, bytes] = {}
        self._count = 0

    def add(self, number: int, octets: bytes) -> bool:
        """Keep a good frame; one that is too long is no frame of this page. False when it was there."""
        known = number in self._frames
        if len(octets) <= self._frame_size:
            self._frames[number] = octets
            self._count = max(self._count, number + 1)
        return not known

    def announce(self, count: int) -> None:
        """PPS told how many frames there are, or how many were in its last burst: the most counts.

        Only the last frame may be shorter than the others (T.4 annex A): one among them has lost octets on
        its way through a gateway, whatever its FCS says.
        """
        self._count = max(self._count, count)
        longest = max(map(len, self._frames.values()), default=0)
        for number, octets in list(self._frames.items()):
            if len(octets) < longest and number + 1 < self._count:
                del self._frames[number]

    @property
    def empty(self) -> bool:
        return not self._frames

    @property
    def complete(self) -> bool:
        return 0 < self._count == len(self._frames)

    @property
    def present(self) -> frozenset[int]:
        return frozenset(self._frames)

    def octets(self) -> bytes:
        """The frames in order, as far as there is none missing."""
        whole: list[bytes] = []
        for number in range(self._count):
            if number not in self._frames:
                break
            whole.append(self._frames[number])
        return b"".join(whole)
