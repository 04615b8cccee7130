"""A fax in audio in simulated time: our T.30 on the audio terminal, a line with faults, and spandsp's whole
fax.

Packets of 20 ms travel both ways; each :class:`Line` delays, loses, amplifies and disturbs one direction.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from t38fsp.audio import g711
from t38fsp.audio.g711 import Law
from t38fsp.audio.leg import AudioLeg, Role, RtpStart
from t38fsp.audio.modem.library import modem_library
from t38fsp.audio.modem.terminal import AudioTerminal
from t38fsp.audio.rtp import RtpPacket
from t38fsp.call.fax_leg import FaxLeg, Strays
from t38fsp.image.document import encode_page, inspect
from t38fsp.image.store import append_page
from t38fsp.lanes import Lanes
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import (
    Negotiated,
    Output,
    PageBegun,
    PageData,
    PageOutcome,
    PageReceived,
    PageWanted,
    SessionFinished,
)
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from tests.peers import audio_fax, machine, spandsp

FRAME = 0.02
_PEER_LAWS = {Law.PCMA: spandsp.A_LAW, Law.PCMU: spandsp.U_LAW}
_PAYLOAD_TYPES = {Law.PCMU: 0, Law.PCMA: 8}


@dataclass(frozen=True, slots=True)
class Line:
    """One direction. ``loss`` is the share of packets lost, in bursts of ``burst``; levels in dB."""

    delay: float = 0.1
    loss: float = 0.0
    burst: int = 1
    gain: float = 0.0
    noise: float | None = None
    """White noise, dB under the library's sending level; None without."""
    echo: float | None = None
    """Level of the receiving end's own signal that comes back to it, dB; None without."""
    echo_delay: float = 0.1

    @property
    def frames(self) -> int:
        return round(self.delay / FRAME)


LIBRARY_RMS = 3208.0
"""The library's sending level."""


@dataclass(slots=True)
class Way:
    """A direction in use; what is put into it comes out later, or not."""

    line: Line
    law: Law
    chance: random.Random
    lost: int = 0
    _burst_left: int = 0
    _waiting: list[bytes | None] = field(default_factory=list)
    _echoes: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting = [bytes([self.law.silence]) * 160] * self.line.frames

    def carry(self, payload: bytes, own: bytes) -> bytes | None:
        """One packet in, one out, or None where one is lost; ``own`` is what the receiving end says now."""
        line = self.line
        self._echoes.append(own)
        if line.gain or line.noise is not None or line.echo is not None:
            payload = self._disturb(payload)
        if self._burst_left:
            self._burst_left -= 1
            gone = True
        else:
            gone = self.chance.random() < line.loss / line.burst
            self._burst_left = line.burst - 1 if gone else 0
        self.lost += gone
        self._waiting.append(None if gone else payload)
        return self._waiting.pop(0)

    def _disturb(self, payload: bytes) -> bytes:
        line = self.line
        samples = list(g711.decode(payload, self.law))
        if line.echo is not None:
            back = round((line.delay + line.echo_delay) / FRAME)
            if len(self._echoes) > back:
                echo = g711.decode(self._echoes[-1 - back], self.law)
                share = 10 ** (line.echo / 20)
                samples = [int(a + share * b) for a, b in zip(samples, echo, strict=True)]
        factor = 10 ** (line.gain / 20)
        sigma = 0.0 if line.noise is None else LIBRARY_RMS * factor * 10 ** (-line.noise / 20)
        gauss = self.chance.gauss
        samples = [
            max(-32768, min(32767, int(sample * factor + (gauss(0.0, sigma) if sigma else 0.0))))
            for sample in samples
        ]
        del self._echoes[:-60]
        return g711.encode(array("h", samples), self.law)


class _Packets:
    """Makes RTP packets of any length of the frames of 20 ms that come; None stands for one that is lost."""

    def __init__(self, payload_type: int, octets: int) -> None:
        self._payload_type, self._octets = payload_type, octets
        self._waiting = b""
        self._number = self._stamp = 0

    def take(self, frame: bytes | None) -> list[bytes]:
        if frame is None:
            self._number += 1
            self._stamp += 160
            return []
        self._waiting += frame
        made = []
        while len(self._waiting) >= self._octets:
            payload, self._waiting = self._waiting[: self._octets], self._waiting[self._octets :]
            stamp = self._stamp & 0xFFFFFFFF
            made.append(bytes(RtpPacket(self._payload_type, self._number & 0xFFFF, stamp, 77, payload)))
            self._number += 1
            self._stamp += self._octets
        return made


class OurFax:
    """One of our T.30 machines on the audio terminal; packets in and out."""

    def __init__(self, session: Transmitter | Receiver, law: Law) -> None:
        role = Role.CALLING if isinstance(session, Transmitter) else Role.ANSWERING
        start = RtpStart(0x1234, 65000, 0xFFFFF000)
        self.session = session
        self.outputs: list[tuple[float, Output]] = []
        self.sent: list[bytes] = []
        self._leg = AudioLeg(role=role, payload_type=_PAYLOAD_TYPES[law], law=law, start=start)
        self._leg.send = self.sent.append
        self._leg.start(0.0)
        self.terminal = AudioTerminal(self._leg, modem_library(), 0.0)
        self._fax = FaxLeg(session, self.terminal, self._on_output, 0.0)
        self.terminal.start(0.0)
        self._lanes = Lanes()
        self.on_page: Callable[[Output, float], None] = lambda output, now: None
        session.start(0.0)
        if isinstance(session, Transmitter):
            session.proceed(0.0)

    def _on_output(self, output: Output, now: float) -> None:
        if not isinstance(output, PageData):
            self.outputs.append((now, output))
        self.on_page(output, now)

    def said(self, kind: type[Any]) -> list[Any]:
        return [output for _, output in self.outputs if isinstance(output, kind)]

    @property
    def strays(self) -> Strays:
        return self._fax.strays

    @property
    def result(self) -> SessionFinished | None:
        return next(iter(self.said(SessionFinished)), None)

    def turn(self, now: float) -> None:
        due = self._fax.next_deadline()
        if due is not None and due <= now:
            self._fax.handle_deadline(now)
        self._fax.pump(now)
        if self._leg.moved:
            self._lanes.schedule(self._leg)
        self._lanes.turn(lambda: now)
        due = self._fax.next_deadline()
        if due is not None and due <= now:
            self._fax.handle_deadline(now)
        self._fax.pump(now)

    def receive(self, datagram: bytes, now: float) -> None:
        self._fax.receive_datagram(datagram, now)
        self._fax.pump(now)


@dataclass(slots=True)
class Telephone:
    """A fax between ``ours`` and ``peer``; the seconds that it took."""

    ours: OurFax
    peer: audio_fax.AudioFax
    seconds: float
    lost: int

    @property
    def completed(self) -> bool:
        result = self.ours.result
        return result is not None and result.error is None

    @property
    def modems(self) -> list[str]:
        return [negotiated.modem.name for negotiated in self.ours.said(Negotiated)]

    @property
    def outcomes(self) -> list[PageOutcome]:
        return self.ours.said(PageOutcome)


def send(document: Path, received: Path, *, options: TransmitOptions | None = None, **line: Any) -> Telephone:
    """Our end calls and sends ``document``; spandsp's fax stores it as ``received``."""
    session = Transmitter(inspect(document), options or TransmitOptions())
    return _run(session, machine.Role.ANSWERING, document, received, **line)


def receive(
    document: Path, received: Path, *, options: ReceiveOptions | None = None, **line: Any
) -> Telephone:
    """spandsp's fax calls and sends ``document``; our end stores it as ``received``."""
    return _run(Receiver(options or ReceiveOptions()), machine.Role.CALLING, document, received, **line)


def _run(
    session: Transmitter | Receiver,
    role: machine.Role,
    document: Path,
    received: Path,
    *,
    ecm: bool = True,
    modems: spandsp.Modems = spandsp.ALL_MODEMS,
    law: Law = Law.PCMA,
    there: Line = Line(),
    back: Line | None = None,
    seed: int = 0,
    limit: float = 900.0,
    on_frame: Callable[[OurFax, float], None] | None = None,
    octets: int = 160,
    ppm: float = 0.0,
    gap: tuple[float, float] | None = None,
) -> Telephone:
    """``there`` is the line to us, ``back`` the one from us, which is alike but without loss by default.

    The far end's packets have ``octets`` each, and its clock is ``ppm`` fast. In ``gap``, a moment and its
    seconds, all of them are lost.
    """
    received.unlink(missing_ok=True)
    sends = isinstance(session, Transmitter)
    file = {"rx_file": received} if sends else {"tx_file": document}
    peer = audio_fax.AudioFax(role, _PEER_LAWS[law], modems=modems, ecm=ecm, **file)
    ours = OurFax(session, law)
    data = bytearray()

    def on_page(output: Output, now: float) -> None:
        match output:
            case PageWanted(request=request, index=index, mode=mode):
                session.page_ready(request, encode_page(document, index, mode), now)
            case PageBegun():
                data.clear()
            case PageData(data=octets):
                data.extend(octets)
            case PageReceived(index=index, mode=mode):
                session.page_stored(index, append_page(received, bytes(data), mode), now)

    ours.on_page = on_page
    chance = random.Random(seed)
    to_us = Way(there, law, random.Random(chance.random()))
    from_us = Way(back or replace(there, loss=0.0), law, random.Random(chance.random()))
    silence = bytes([law.silence]) * 160
    packets = _Packets(_PAYLOAD_TYPES[law], octets)
    drift = 0.0
    number, over_since = 0, None
    said = silence
    while number * FRAME < limit:
        now = number * FRAME
        ours.turn(now)
        packet = RtpPacket.parse(ours.sent.pop()) if ours.sent else None
        payload = silence if packet is None else packet.payload
        drift += ppm * 1e-6
        steps = 1 + int(drift)  # of the far end, whose clock differs
        drift -= int(drift)
        for _ in range(steps):
            spoken = peer.speak(160)
            heard = from_us.carry(payload, said)
            peer.hear(silence if heard is None else heard)
            coming = to_us.carry(spoken, payload)
            said = spoken
            missing = gap is not None and gap[0] <= now < gap[0] + gap[1]
            for datagram in packets.take(None if missing else coming):
                ours.receive(datagram, now)
        if on_frame is not None:
            on_frame(ours, now)
        number += 1
        if ours.result is not None:
            over_since = now if over_since is None else over_since
            if peer.completed or now - over_since > 6:
                break
    seconds = number * FRAME
    if not peer.completed:
        peer.machine.terminate()
    completion = peer.machine.completion
    telephone = Telephone(ours, peer, seconds, to_us.lost)
    peer.close()
    assert completion is not None
    return telephone
