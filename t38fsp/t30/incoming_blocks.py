"""ECM blocks at the receiver: assigns frames to blocks (T.30 A.4.3).

An FCD frame has its number in the block, but no block number; only the PPS after it identifies the block, by
its page and block counters. Responses may be late and commands may be lost, so a transmitter may send frames
of a block that is already complete here, and the PPS after them may never arrive. As the layer below keeps
the order, two rules hold whatever is lost: a transmitter never returns to an earlier block, and once the
first PPS of a block was received, no frame of the previous block can arrive. Therefore::

    frames                                        on the next PPS they are
    from later bursts of the block                accepted if it has the counters of the block
    from its first burst, with no loss since      accepted
    before those, in this burst or another        accepted unless equal to those of the last taken block
    from any burst, with the counters of that     dropped: a repetition

A confirmation that was sent twice may also be taken as that of the next block. From then on the transmitter
may be one response ahead, until it skips a block that never arrived in full, which its counters reveal.
"""

from __future__ import annotations

from enum import Enum, auto

from t38fsp.t30.frames import FCF, PartialPageSignal

_Counters = tuple[int, int]


class Standing(Enum):
    """What a PPS means to the receiver."""

    INCOMPLETE = auto()
    """Frames of its block are missing."""
    COMPLETE = auto()
    """Its block is complete."""
    REPEATED = auto()
    """It is for the last taken block: the transmitter has missed the response, or not yet received it."""
    OUTDATED = auto()
    """It is for the last taken block, but the next one has begun: no response is expected."""
    SKIPPED = auto()
    """The transmitter treats a block as confirmed that was not."""


class IncomingBlocks:
    """The block being received, and what is known of the previous one.

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
        """Before the first PPS of a block: frames that may belong to the previous block."""
        self._last_number = -1
        self._again = 0
        # the last taken block
        self._taken: dict[int, bytes] = {}
        self._taken_counters: _Counters | None = None
        self._expected: _Counters | None = None
        """The counters of the block after it."""
        self._answered_again = False

    @property
    def begun(self) -> bool:
        """A PPS of the block was received."""
        return self._counters is not None

    @property
    def between(self) -> bool:
        """A block was taken, and no PPS of the next one was received yet."""
        return self._counters is None and self._taken_counters is not None

    @property
    def untouched(self) -> bool:
        """Nothing of the block was received yet."""
        return not (self.begun or self._recent or self._doubtful)

    @property
    def present(self) -> frozenset[int]:
        """Numbers of the frames received."""
        return frozenset(self._frames)

    # --- inputs -------------------------------------------------------------------------------------------

    def break_off(self) -> None:
        """An image carrier began, or packets were lost: a PPS for the frames so far may have been missed."""
        if self._counters is None and self._recent:
            self._doubtful.update(self._recent)
            self._recent.clear()
        self._last_number = -1

    def add(self, number: int, octets: bytes) -> None:
        """Keep a good frame until its PPS arrives."""
        # Not shorter ones: some transmitters do not pad the last frame of a page.
        if len(octets) > self._frame_size:
            return
        # Frames of a burst come in ascending order: another burst has begun.
        if number <= self._last_number:
            self.break_off()
        self._last_number = number
        self._again += self._counters is not None or number in self._recent or number in self._doubtful
        self._recent[number] = octets

    def signal(self, signal: PartialPageSignal) -> Standing:
        """Process a PPS; frames before it that do not belong to its block are dropped."""
        counters = (signal.page, signal.block)
        recent, doubtful = self._recent, self._doubtful
        self._recent, self._doubtful, self._last_number = {}, {}, -1
        if counters == self._taken_counters:
            if self._counters is not None:
                return Standing.OUTDATED
            self._again += len(recent) + len(doubtful)
            return Standing.SKIPPED if self._is_another(recent) else Standing.REPEATED
        expected = self._expected if self._counters is None else self._counters
        # The confirmation that was repeated has been taken for that of the block after (see the top of
        # this file).
        if self._answered_again and expected not in (counters, None):
            return Standing.SKIPPED
        if self._counters is None:
            self._counters = counters
            self._frames.update(self._credible(doubtful, signal.frames))
        self._frames.update(recent)
        self._announce(signal.frames)
        return Standing.COMPLETE if len(self._frames) == self._count else Standing.INCOMPLETE

    def answered_again(self) -> None:
        """The response to the last taken block was repeated."""
        self._answered_again = True

    def take(self, following: FCF | None) -> bytes:
        """Return the octets of the block up to the first missing frame, and begin the next block.

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
        """Like :meth:`take`, for a block that the transmitter gave up (EOR), whose PPS may be missing."""
        # What a PPS has placed in the block comes before what only seems to belong to it.
        self._frames = self._doubtful | self._recent | self._frames
        self._announce(max(self._frames, default=-1) + 1)
        octets = self._octets()
        self._taken, self._taken_counters, self._expected = {}, None, None
        self._begin_block()
        return octets

    def take_repeats(self) -> int:
        """Number of repeated frames since the last call."""
        again, self._again = self._again, 0
        return again

    # --- internals ----------------------------------------------------------------------------------------

    def _begin_block(self) -> None:
        self._counters = None
        self._frames, self._recent, self._doubtful = {}, {}, {}
        self._count = 0
        self._last_number = -1

    def _is_another(self, frames: dict[int, bytes]) -> bool:
        """Whether frames with the counters of the last taken block are of a new one: its counters do not
        advance.

        A single frame may differ because a gateway lost octets of it and still reported a good FCS.
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
            and len(octets) == self._frame_size  # a shorter one lost octets on the way
            and octets != self._taken.get(number)
        }

    def _announce(self, count: int) -> None:
        """Note the frame count of a PPS. Some peers give that of the block, others of the burst: use the
        maximum.

        Only the last frame may be shorter than the others (T.4 annex A): any other short frame lost octets in
        a gateway, even if its FCS was good, and is dropped.
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
