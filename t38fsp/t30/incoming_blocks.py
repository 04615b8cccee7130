"""The blocks of the error correction mode at the receiver: which frames belong to which (T.30 A.4.3).

A frame says its number in the block, but not which block that is; only the PPS after it does, by its page and
block counters. Answers may be late and commands may be lost, so a transmitter may send frames of a block that
is complete here already, and the PPS after them may never arrive. Two things hold whatever is lost, as the
line below keeps the order: a transmitter never goes back to an earlier block, and once the first PPS of a
block was heard, no frame of the block before can come any more. So::

    frames                                       with the next PPS they
    of the block's later bursts                  count, if it has the counters of the block
    of its first burst, nothing lost since       count
    before those, in this burst or another       count, unless they are those of the block taken last
    of any burst, with the counters of that      do not count: it is a repetition

A confirmation that was said twice may be taken for one of the next block as well. From then on the
transmitter may be one answer ahead, until it skips a block that never came whole, which its counters show.
"""

from __future__ import annotations

from enum import Enum, auto

from t38fsp.t30.frames import FCF, PartialPageSignal

_Counters = tuple[int, int]


class Standing(Enum):
    """What a PPS says to the receiver."""

    INCOMPLETE = auto()
    """Frames of its block are missing."""
    COMPLETE = auto()
    """Its block is there."""
    REPEATED = auto()
    """It is of the block taken last, whose answer it has missed, or not yet heard."""
    OUTDATED = auto()
    """It is of the block taken last, but the next one has begun: nobody waits for an answer."""
    SKIPPED = auto()
    """The transmitter takes a block for confirmed that never was."""


class IncomingBlocks:
    """The block that is being received, and what is known of the one before.

    ``frame_size`` is 256 or 64 octets; longer frames are dropped.
    """

    def __init__(self, frame_size: int) -> None:
        self._frame_size = frame_size
        # the block
        self._counters: _Counters | None = None  # since its first PPS
        self._frames: dict[int, bytes] = {}
        self._count = 0
        # since the last PPS
        self._recent: dict[int, bytes] = {}
        self._doubtful: dict[int, bytes] = {}
        """Before the first PPS of a block: what may be of the block before."""
        self._last_number = -1
        self._again = 0
        # the block taken last
        self._taken: dict[int, bytes] = {}
        self._taken_counters: _Counters | None = None
        self._expected: _Counters | None = None
        """The counters of the block after it."""
        self._answered_again = False

    @property
    def begun(self) -> bool:
        """A PPS of the block has come."""
        return self._counters is not None

    @property
    def between(self) -> bool:
        """A block was taken, and no PPS of the next one has come."""
        return self._counters is None and self._taken_counters is not None

    @property
    def untouched(self) -> bool:
        """Nothing of the block has come."""
        return not (self.begun or self._recent or self._doubtful)

    @property
    def present(self) -> frozenset[int]:
        """Numbers of the frames that are there."""
        return frozenset(self._frames)

    # --- what comes ---------------------------------------------------------------------------------------

    def break_off(self) -> None:
        """An image carrier came up, or packets were lost: a PPS of what came so far may have been missed."""
        if self._counters is None and self._recent:
            self._doubtful.update(self._recent)
            self._recent.clear()
        self._last_number = -1

    def add(self, number: int, octets: bytes) -> None:
        """Keep a good frame until its PPS comes."""
        if len(octets) > self._frame_size:
            return
        if number <= self._last_number:
            self.break_off()
        self._last_number = number
        self._again += self._counters is not None or number in self._recent or number in self._doubtful
        self._recent[number] = octets

    def signal(self, signal: PartialPageSignal) -> Standing:
        """A PPS came; what does not count of the frames before it is dropped."""
        counters = (signal.page, signal.block)
        recent, doubtful = self._recent, self._doubtful
        self._recent, self._doubtful, self._last_number = {}, {}, -1
        if counters == self._taken_counters:
            if self._counters is not None:
                return Standing.OUTDATED
            self._again += len(recent) + len(doubtful)
            return Standing.SKIPPED if self._is_another(recent) else Standing.REPEATED
        expected = self._expected if self._counters is None else self._counters
        if self._answered_again and expected not in (counters, None):
            return Standing.SKIPPED
        if self._counters is None:
            self._counters = counters
            self._frames.update(self._credible(doubtful, signal.frames))
        self._frames.update(recent)
        self._announce(signal.frames)
        return Standing.COMPLETE if len(self._frames) == self._count else Standing.INCOMPLETE

    def answered_again(self) -> None:
        """The answer to the block taken last was said once more."""
        self._answered_again = True

    def take(self, following: FCF | None) -> bytes:
        """The octets of the block, as far as no frame is missing. The next block begins.

        ``following`` is that of its PPS.
        """
        octets = self._octets()
        self._taken, self._taken_counters = self._frames, self._counters
        if self._counters is not None:
            page, block = self._counters
            after = (page, block + 1 & 0xFF) if following is None else (page + 1 & 0xFF, 0)
            self._expected = after
        self._begin_block()
        return octets

    def give_up(self) -> bytes:
        """As :meth:`take`, of a block that the transmitter gave up (EOR), whose PPS may not have come."""
        self._frames = self._doubtful | self._recent | self._frames
        self._announce(max(self._frames, default=-1) + 1)
        octets = self._octets()
        self._taken, self._taken_counters, self._expected = {}, None, None
        self._begin_block()
        return octets

    def take_repeats(self) -> int:
        """How many frames came again since the last call, or after their first PPS."""
        again, self._again = self._again, 0
        return again

    # --- inside -------------------------------------------------------------------------------------------

    def _begin_block(self) -> None:
        self._counters = None
        self._frames, self._recent, self._doubtful = {}, {}, {}
        self._count = 0
        self._last_number = -1

    def _is_another(self, frames: dict[int, bytes]) -> bool:
        """Whether frames with the counters of the block taken last are not of it: they stand still.

        One or the other frame may differ, because a gateway has lost octets of it, whatever its FCS says.
        """
        unlike = [n for n, octets in frames.items() if n in self._taken and octets != self._taken[n]]
        return 2 * len(unlike) > len(frames)

    def _credible(self, doubtful: dict[int, bytes], announced: int) -> dict[int, bytes]:
        if not self._taken:
            return doubtful
        return {
            number: octets
            for number, octets in doubtful.items()
            if number < announced
            and len(octets) == self._frame_size  # others are not what they were when they were sent
            and octets != self._taken.get(number)
        }

    def _announce(self, count: int) -> None:
        """PPS told how many frames there are, or how many were in its last burst: the most counts.

        Only the last frame may be shorter than the others (T.4 annex A): one among them has lost octets on
        its way through a gateway, whatever its FCS says.
        """
        self._count = max(self._count, count, max(self._frames, default=-1) + 1)
        longest = max(map(len, self._frames.values()), default=0)
        for number, octets in list(self._frames.items()):
            if len(octets) < longest and number + 1 < self._count:
                del self._frames[number]

    def _octets(self) -> bytes:
        whole: list[bytes] = []
        for number in range(self._count):
            if number not in self._frames:
                break
            whole.append(self._frames[number])
        return b"".join(whole)
