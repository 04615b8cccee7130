"""Quirks of the stream of datagrams: numbers, and what is sent when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from t38fsp.t38.udptl import Datagram, UdptlError
from t38fsp.t38.values import Indicator
from t38fsp.virtual.hooks import Gateway, Habits, Moment, Quirk, check


# T.38 has the first number at 0; t38modem had to learn that CUBE begins in the middle (change log, 3.13.0).
@dataclass(frozen=True, slots=True)
class FirstNumber(Quirk):
    """Numbers its datagrams from 32768 instead of 0 (Cisco CUBE).

    An endpoint that expects 0 counts half the number space as lost, or drops everything as late.
    """

    number: int = 32768
    name: ClassVar[str] = "first-seq"

    def __post_init__(self) -> None:
        check(0 <= self.number <= 0xFFFF, self.name, "a number from 0 to 65535")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, first_number=self.number)

    def stage(self, gateway: Gateway) -> Quirk:
        return _First()


class _First(Quirk):
    """Counts that the numbers began, once: it does nothing to them."""

    def __init__(self) -> None:
        self._noted = False

    def datagram_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        if not self._noted:
            self._noted = True
            gateway.note(FirstNumber.name)
        return (datagram,)


# spandsp's notes name such senders; Asterisk, as a receiver, lost packets at each wrap until 2019.
@dataclass(frozen=True, slots=True)
class WrapToOne(Quirk):
    """Counts from 65535 on to 1, never again to 0.

    An endpoint that computes modulo 65536 sees a packet lost at each wrap. Shows soon with first-seq=65400.
    """

    name: ClassVar[str] = "wrap-to-one"

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, number_after_ffff=1)


# spandsp has a dozen notes on such senders. Copies of one datagram have one number, which is easier
# to ignore.
@dataclass(frozen=True, slots=True)
class NewNumbers(Quirk):
    """Repeats indicators and ends of bursts under new numbers, not as copies of the same datagram.

    An endpoint that takes each for a new event reports bursts that were not sent.
    """

    name: ClassVar[str] = "new-numbers"

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, renumbered_copies=True)


@dataclass(frozen=True, slots=True)
class NumberJump(Quirk):
    """Restarts the numbering in mid-call, ``ahead`` of where it was, after each ``every`` datagrams.

    An endpoint that takes the jump for loss waits for thousands of packets, or drops all that follow as late.
    """

    every: int = 150
    ahead: int = 30000
    name: ClassVar[str] = "seq-jump"

    def __post_init__(self) -> None:
        check(self.every >= 20 and 3000 <= self.ahead <= 62000, self.name, "20 or more, and 3000 to 62000")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Jumps(self)


class _Jumps(Quirk):
    def __init__(self, quirk: NumberJump) -> None:
        self._quirk = quirk
        self._sent = 0

    def datagram_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        self._sent += 1
        if self._sent % self._quirk.every == 0:
            number = int.from_bytes(datagram[:2], "big")
            gateway.jump(number + self._quirk.ahead & 0xFFFF)
            gateway.note(self._quirk.name)
        return (datagram,)


# MediaPack manual, page 148. Together with a NAT it is why we send no-signal as soon as the switch is agreed.
@dataclass(frozen=True, slots=True)
class SilentUntilHeard(Quirk):
    """Sends no T.38 until it has received some (AudioCodes, by default).

    An endpoint that waits for a packet first waits forever; and its first DIS is lost.
    """

    name: ClassVar[str] = "silent-until-heard"

    def stage(self, gateway: Gateway) -> Quirk:
        return _Silent()


class _Silent(Quirk):
    def __init__(self) -> None:
        self._heard = False

    def datagram_in(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        try:
            # Audio before the switch is not T.38.
            Datagram.parse(datagram)
        except UdptlError:
            return (datagram,)
        self._heard = True
        return (datagram,)

    def datagram_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        if self._heard:
            return (datagram,)
        gateway.note(SilentUntilHeard.name)
        return ()


# A public trace of a CUBE shows T.38 before the 200 of the re-INVITE.
@dataclass(frozen=True, slots=True)
class EarlyPackets(Quirk):
    """Sends T.38 as soon as the call is up, before any offer of T.38 was answered (CUBE).

    An endpoint that drops it loses the beginning; one that synchronises to its numbers late loses more.
    """

    name: ClassVar[str] = "early-packets"

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.ANSWERED:
            # Three, as indicators are usually sent.
            for _ in range(3):
                gateway.note(self.name)
                gateway.send_indicator(Indicator.NO_SIGNAL)


@dataclass(frozen=True, slots=True)
class JunkAtStart(Quirk):
    """Begins with packets that cannot be read (Asterisk's parity once restored packets that were never sent).

    An endpoint that interprets them takes their remains for the first burst, or for evidence of the
    syntax.
    """

    name: ClassVar[str] = "junk-at-start"

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.SWITCHED:
            # Zeros as from a repaired packet that never was; data cut short; noise; an unknown addition with
            # data; an indicator that does not exist.
            for octets in (b"\0" * 5, b"\xc0\x01", b"\xff" * 9, b"\xc7\x70\x00\x00", b"\x1f"):
                gateway.note(self.name)
                gateway.send_packet(octets)


@dataclass(frozen=True, slots=True)
class JunkAfterEnd(Quirk):
    """Continues with meaningless T.38 and noise when the fax is over.

    An endpoint that still interprets packets takes it for a new fax, or for a result of the old one.
    """

    name: ClassVar[str] = "junk-after-end"

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.FINISHED:
            for step in range(20):
                gateway.after(0.05 * step, lambda: self._junk(gateway))

    def _junk(self, gateway: Gateway) -> None:
        gateway.note(self.name)
        for indicator in (Indicator.V21_PREAMBLE, Indicator.CED, Indicator.V17_14400_LONG_TRAINING):
            gateway.send_indicator(indicator)
        gateway.send(gateway.random.randbytes(gateway.random.randint(1, 60)))


@dataclass(frozen=True, slots=True)
class RtpStragglers(Quirk):
    """Continues to send RTP to the T.38 port for a second after the switch.

    An endpoint that reads it as UDPTL finds numbers far ahead, and drops the T.38 that follows.
    """

    name: ClassVar[str] = "rtp-stragglers"

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.SWITCHED:
            for step in range(50):
                gateway.after(0.02 * step, partial(self._straggle, step, gateway))

    def _straggle(self, step: int, gateway: Gateway) -> None:
        gateway.note(self.name)
        # Version 2, payload type 8 (PCMA), number, time stamp; as UDPTL it would be number 32776 with a
        # primary that does not end in the datagram.
        header = b"\x80\x08" + (7000 + step).to_bytes(2, "big") + (160 * step).to_bytes(4, "big")
        gateway.send(header + b"\x12\x34\x56\x78" + b"\xd5" * 160)


@dataclass(frozen=True, slots=True)
class Bunched(Quirk):
    """Sends packets in groups ``seconds`` (0.02 to 0.5) apart, not when they are due.

    An endpoint that judges the line by the time between packets, or plays them on arrival, underruns between
    groups.
    """

    seconds: float = 0.2
    name: ClassVar[str] = "bunched"

    def __post_init__(self) -> None:
        check(0.02 <= self.seconds <= 0.5, self.name, "0.02 to 0.5 seconds")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Bunch(self.seconds)


class _Bunch(Quirk):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held: list[bytes] = []

    def datagram_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        if not self._held:
            gateway.after(self._seconds, lambda: self._release(gateway))
        self._held.append(datagram)
        return ()

    def _release(self, gateway: Gateway) -> None:
        gateway.note(Bunched.name)
        held, self._held = self._held, []
        for datagram in held:
            gateway.send(datagram)


# Commetrex advises to keep the stream up while nothing happens, so that no middlebox takes the call for dead.
@dataclass(frozen=True, slots=True)
class KeepAlive(Quirk):
    """Repeats the state of the line each ``seconds`` (0.1 or more) while nothing happens.

    An endpoint that counts each packet as a sign of life of the machine never gives up.
    """

    seconds: float = 0.5
    name: ClassVar[str] = "keep-alive"

    def __post_init__(self) -> None:
        check(self.seconds >= 0.1, self.name, "0.1 seconds or more")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, timing=replace(habits.timing, keep_alive=self.seconds))


# FreeSWITCH issue 3044: the reader blocked until its own limit of ten minutes, after a fax that was complete.
@dataclass(frozen=True, slots=True)
class FallsSilent(Quirk):
    """Neither sends nor receives T.38 any more, 0 or more seconds after the switch; SIP continues.

    An endpoint that waits for the next packet waits forever (FreeSWITCH, 600 s).
    """

    seconds: float = 20.0
    name: ClassVar[str] = "falls-silent"
    survivable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check(self.seconds >= 0, self.name, "0 seconds or more")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Silenced(self.seconds)


class _Silenced(Quirk):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._from = float("inf")

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.SWITCHED:
            self._from = gateway.now + self._seconds

    def datagram_in(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        return self._passes(datagram, gateway)

    def datagram_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        return self._passes(datagram, gateway)

    def _passes(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        if gateway.now < self._from:
            return (datagram,)
        gateway.note(FallsSilent.name)
        return ()


QUIRKS: tuple[type[Quirk], ...] = (
    FirstNumber,
    WrapToOne,
    NewNumbers,
    NumberJump,
    SilentUntilHeard,
    EarlyPackets,
    JunkAtStart,
    JunkAfterEnd,
    RtpStragglers,
    Bunched,
    KeepAlive,
    FallsSilent,
)
