"""T.30 on a terminal, of T.38 or of audio: the part of a call that carries the fax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from t38fsp.audio.rtp import looks_like_rtp
from t38fsp.lanes import Lane
from t38fsp.t30.outputs import Listen, Output, RevokeBurst, RoundTripMeasured, SendBurst
from t38fsp.t30.vocabulary import LineSignal, ToneBurst
from t38fsp.t38.terminal import Terminal

if TYPE_CHECKING:  # ctypes and the library are loaded when a call needs them
    from t38fsp.audio.modem.terminal import AudioTerminal


class T30Session(Protocol):
    """What both T.30 machines share."""

    def limit_rate(self, bit_rate: int) -> None: ...
    def be_internet_aware(self) -> None: ...
    def leave_internet_aware_mode(self, now: float) -> None: ...
    def receive(self, signal: LineSignal, now: float) -> None: ...
    def burst_sent(self, now: float) -> None: ...
    def abort(self, now: float) -> None: ...
    def line_dropped(self, now: float) -> None: ...
    def next_deadline(self) -> float | None: ...
    def handle_deadline(self, now: float) -> None: ...
    def take_outputs(self) -> list[Output]: ...


_STRAGGLING = 2.0
"""Seconds after the switch in which RTP, RTCP and the like may still be in transit, and are not counted."""


@dataclass(slots=True)
class Strays:
    """Counts of what arrived instead of the fax's own medium."""

    audio: int = 0
    """RTP packets, after the switch to T.38."""
    other: int = 0
    """Datagrams, or pieces of a stream, that could not be read."""


class FaxLeg:
    """Carries bursts from T.30 to the terminal and signals back; created at the switch.

    ``on_output`` gets all other outputs of T.30, in order. Outputs are carried only in :meth:`pump`, so
    ``on_output`` never runs within a call from outside into T.30.
    """

    def __init__(
        self,
        session: T30Session,
        terminal: Terminal | AudioTerminal,
        on_output: Callable[[Output, float], None],
        now: float,
    ) -> None:
        self._session = session
        self._terminal = terminal
        self.in_audio = not isinstance(terminal, Terminal)
        """The fax is carried by modems in audio, not by T.38."""
        self._on_output = on_output
        self._may_begin = True
        """T.30 may begin another burst."""
        self._began = now
        self.spoke = False
        """T.30 has sent something other than tones."""
        self.strays = Strays()

    @property
    def terminal(self) -> Terminal | AudioTerminal:
        return self._terminal

    @property
    def lost(self) -> int:
        """Packets of the far end that are lost for good."""
        return self._terminal.counters.lost

    @property
    def has_news(self) -> bool:
        """Whether T.30, or a timer, has to know of what was received last; most packets of audio only bring
        more of what is heard, or nothing."""
        return isinstance(self._terminal, Terminal) or self._terminal.has_news

    @property
    def modem_paced(self) -> bool:
        """The current burst, or the last one, is sent at the rate of a modem."""
        return self._terminal.modem_paced

    def receive_datagram(self, datagram: bytes, now: float) -> bool:
        """Take a datagram; true if it was understood. RTP in place of T.38 is counted and dropped."""
        if self.in_audio or not looks_like_rtp(datagram):
            return self.receive(datagram, now)
        # Counted only after a while: audio that was on its way at the switch is normal.
        self.strays.audio += now - self._began >= _STRAGGLING
        return False

    def extend_frame(self, datagram: bytes, now: float) -> bool:
        """Take a datagram that contains octets of one frame and nothing else (:meth:`Terminal.extend_frame`).

        Nothing needs to be pumped after one that was taken.
        """
        if self.in_audio:
            return False
        # RTP has version 2 in its top two bits (RFC 3550 5.1): most UDPTL needs no closer look.
        if datagram[:1] >= b"\x80" and looks_like_rtp(datagram):
            return False
        return self._terminal.extend_frame(datagram, now)

    def receive(self, octets: bytes, now: float) -> bool:
        """Take what is of this medium: a piece of a stream, say, or T.38 kept from before the switch."""
        understood = self._terminal.receive(octets, now)
        self.strays.other += not understood and now - self._began >= _STRAGGLING
        return understood

    def line_dropped(self, now: float) -> None:
        """The far end has hung up; T.30 reports at what moment."""
        self._session.line_dropped(now)
        self._drain(now)

    def stop_bursts(self) -> None:
        """Begin no further burst; the current one continues."""
        self._may_begin = False

    def stop_sending(self) -> None:
        """Send nothing more, but continue to receive."""
        self._may_begin = False
        self._terminal.stop()

    def end(self) -> None:
        """The call is over, or goes on in the other medium."""
        self._may_begin = False
        if not isinstance(self._terminal, Terminal):
            self._terminal.release()

    @property
    def lane(self) -> Lane:
        return self._terminal.lane

    def next_deadline(self) -> float | None:
        terminal, session = self._terminal.next_deadline(), self._session.next_deadline()
        if terminal is None or session is None:
            return session if terminal is None else terminal
        return min(terminal, session)

    def handle_deadline(self, now: float) -> None:
        for part in (self._terminal, self._session):
            due = part.next_deadline()
            if due is not None and due <= now:
                part.handle_deadline(now)

    def pump(self, now: float) -> None:
        """Carry the outputs of each part to the other until neither has any."""
        moving = True
        while moving:
            # Without modem pace a response may come at once: T.30 must first know that its command is over.
            for _ in range(self._terminal.take_sent()):
                self._session.burst_sent(now)
            for signal in self._terminal.take_signals():
                self._session.receive(signal, now)
            # An output may cause another (a burst that is over at once, without pace), so until
            # nothing moves.
            moving = self._drain(now)

    def _drain(self, now: float) -> bool:
        outputs = self._session.take_outputs()
        for output in outputs:
            match output:
                case SendBurst(burst=burst):
                    # A burst of T.30 that comes after our BYE is dropped; T.30 itself has nothing more to
                    # wait for.
                    if self._may_begin:
                        self.spoke |= not isinstance(burst, ToneBurst)
                        self._terminal.send(burst, now)
                case Listen():
                    # A T.38 terminal is told the modem by each burst.
                    if not isinstance(self._terminal, Terminal):
                        self._terminal.listen(output, now)
                case RoundTripMeasured(seconds, burst, frames, missing, stored):
                    share = missing / frames if frames else 0.0
                    if isinstance(self._terminal, Terminal):
                        self._terminal.rate_control.answered(seconds, burst, share, stored=stored)
                case RevokeBurst():
                    self._terminal.revoke(now)
                case _:
                    self._on_output(output, now)
        return bool(outputs)
