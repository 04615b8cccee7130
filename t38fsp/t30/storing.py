"""The receiver's pages on their way to the disk, and the answers that wait for it."""

from __future__ import annotations

from t38fsp.t30.answering import Answering, State
from t38fsp.t30.frames import FCF, Frame
from t38fsp.t30.options import ReceiveOptions
from t38fsp.t30.outputs import PageReceived, T30Error
from t38fsp.t30.session import Timer
from t38fsp.t30.vocabulary import PageQuality

_MOST_STORES = 4
"""Pages of one call that may be on their way to the disk, behind which those of the others wait."""

_ANSWER_WINDOW = 2.4
"""A transmitter repeats its command 2.55 s after it at the earliest; an answer begins before."""


class Storing(Answering):
    """A receiver that answers for a page once it is stored."""

    def __init__(self, options: ReceiveOptions) -> None:
        super().__init__(options)
        self._following = FCF.EOP
        self._attempts = 0
        self._command_at = 0.0
        self._stores: list[int] = []
        """Indexes of pages handed up and not answered for."""
        self._stored: FCF | None = None
        self._damaged = False

    def page_stored(self, index: int, quality: PageQuality, now: float) -> None:
        """The page is safe: it may be confirmed, or refused for its quality when it came without ECM."""
        self._page_judged(index, quality, now)

    def page_refused(self, index: int, now: float) -> None:
        """The page came damaged without ECM and was not kept: ask for it again (RTN)."""
        self._page_judged(index, None, now)

    def _page_judged(self, index: int, quality: PageQuality | None, now: float) -> None:
        waited_for = self._take_answer(index, now) and self._state in (State.STORE, State.BUSY)
        if not waited_for or index in self._stores:
            return  # it was given up, or came again, meanwhile
        self._stored = FCF.RTN if quality is None else self._judgement(quality)
        in_time = self._carrier is None and self._on_line is None and not self._choice.mode.ecm
        if self._state is State.STORE or (in_time and now - self._command_at <= _ANSWER_WINDOW):
            self._answer_page(self._stored)

    def page_not_stored(self, index: int, error: str, now: float) -> None:
        """The page is lost here: it is never confirmed, and the session ends.

        But for one that the far end gave up (EOR), of which there may be nothing to store.
        """
        if self._take_answer(index, now):
            self._end(T30Error.PAGE_NOT_STORED, error)

    def _take_answer(self, index: int, now: float) -> bool:
        """Take what came of a page handed up; false when the far end has given the page up meanwhile."""
        if self._finished or index not in self._stores:
            return False
        self._now = now
        self._stores.remove(index)
        return index == self._index

    def _judgement(self, quality: PageQuality) -> FCF:
        if self._choice.mode.ecm:
            return FCF.MCF
        share = quality.bad_rows / quality.rows if quality.rows > 0 else 1.0
        if share < self._options.poor_share:
            return FCF.MCF
        return FCF.RTP if share < self._options.bad_share else FCF.RTN

    def _page_over(self) -> None:
        """Have the page stored; the answer waits for that."""
        self._stored = None
        self._state = State.STORE
        self._stop(Timer.T2)
        self._start(Timer.STORE, self._timers.store_wait)
        self._hand_up()

    def _hand_up(self) -> bool:
        """False when the session ends instead: nobody honest begins so many pages before an answer to one."""
        if len(self._stores) >= _MOST_STORES:
            self._end(T30Error.PAGE_NOT_STORED, "pages come faster than they can be stored")
            return False
        self._stores.append(self._index)
        self._emit(PageReceived(self._index, self._choice.mode))
        return True

    def _answer_page(self, response: FCF) -> None:
        """The page was stored: confirm or refuse it, and wait for what its command announced."""
        self._stop(Timer.STORE)
        self._stop(Timer.T5)
        if response is FCF.RTN:
            self._attempts += 1
            self._report(confirmed=False, response=str(response))
            self._await_dcs((response, b""))
            return
        # A page of which a block was given up (EOR) is not confirmed by the MCF to the rest of it.
        self._pages_confirmed += not self._damaged
        self._report(confirmed=not self._damaged, response=str(FCF.ERR if self._damaged else response))
        state = self._next_page(self._following)
        if state is State.IMAGE and response is FCF.RTP:
            self._await_dcs((response, b""))
        else:
            self._respond(state, (response, b""))

    def _next_page(self, command: FCF) -> State:
        """What comes after a page that ended with this command."""
        self._index += 1
        self._attempts = 0
        self._trainings = self._negotiations = 0
        self._damaged = False
        self._start(Timer.STALL, self._timers.stall)
        return {FCF.EOP: State.DCN, FCF.EOM: State.EOM}.get(command, State.IMAGE)

    def _store_is_slow(self) -> None:
        """With ECM say RNR (A.5.4.1); without, silence makes the transmitter repeat its command."""
        self._state = State.BUSY
        self._start(Timer.T5, self._timers.t5)
        self._put_off()

    def _result_wanted(self, _: Frame) -> None:
        """RR, or the command again, while the page is being stored (A.5.4.1)."""
        self._command_at = self._now
        if self._stored is not None:
            self._answer_page(self._stored)
        else:
            self._put_off()

    def _put_off(self) -> None:
        if self._choice.mode.ecm:
            self._respond(State.BUSY, (FCF.RNR, b""))
        else:
            self._await_command()

    def _store_too_slow(self) -> None:
        self._end(T30Error.PAGE_NOT_STORED, "storing it took longer than the far end waits", "RNR")
