"""spandsp's audio fax machine at the end of an RTP stream, in a thread of its own, by the real clock.

Nothing here knows of T.38: what comes in and goes out is G.711 A-law in RTP (RFC 3550, RFC 3551).
"""

from __future__ import annotations

import ctypes
import re
import select
import socket
import struct
import threading
import time
import weakref
from types import TracebackType
from typing import Unpack

from tests.peers import spandsp
from tests.peers.machine import MachineOptions, Role, T30Machine

Address = tuple[str, int]

_FRAME = 160
_FRAME_SECONDS = 0.02
_SILENT_SECONDS = 0.5
"""Without a packet for so long the line is silent; until then a packet is late, and waited for."""
_PCMA = 8
_MARKER = 0x80
_HEADER = struct.Struct("!BBHII")
_VERSION_2 = 0x80
_AUDIO_LINE = re.compile(r"^m=audio (\d+) RTP/AVP .*\b8\b", re.MULTILINE)
_CONNECTION = re.compile(r"^c=IN IP4 (\S+)", re.MULTILINE)


class AudioFax:
    """A G3 fax machine with real modems and a telephone line in G.711.

    Args:
        role: ``CALLING`` sends CNG and its document.
        law: ``spandsp.A_LAW`` or ``spandsp.U_LAW``.
        options: see :class:`tests.peers.machine.T30Machine`.
    """

    def __init__(self, role: Role, law: int = spandsp.A_LAW, **options: Unpack[MachineOptions]) -> None:
        self._library = library = spandsp.library()
        self._law = library.g711_init(None, law)
        self._free_law = weakref.finalize(self, library.g711_free, self._law)
        self._fax = library.fax_init(None, role is Role.CALLING)
        self._free_fax = weakref.finalize(self, library.fax_free, self._fax)
        library.fax_set_transmit_on_idle(self._fax, True)
        self.machine = T30Machine(library.fax_get_t30_state(self._fax), **options)
        self.machine.trace(library.fax_get_logging_state(self._fax), options.get("trace", False))

    @property
    def completed(self) -> bool:
        """Whether the T.30 session is over; ``machine.completion`` says how."""
        return self.machine.completion is not None

    def hear(self, coded: bytes) -> None:
        """Coded samples came; the machine's timers run by what it hears, so silence has to be given too."""
        samples = (ctypes.c_int16 * len(coded))()
        self._library.g711_decode(self._law, samples, coded, len(coded))
        self._library.fax_rx(self._fax, samples, len(coded))

    def hear_silence(self, count: int) -> None:
        """``count`` samples passed without a sound."""
        self._library.fax_rx(self._fax, (ctypes.c_int16 * count)(), count)

    def speak(self, count: int) -> bytes:
        """The next ``count`` coded samples to send."""
        samples = (ctypes.c_int16 * count)()
        self._library.fax_tx(self._fax, samples, count)
        coded = ctypes.create_string_buffer(count)
        self._library.g711_encode(self._law, coded, samples, count)
        return coded.raw

    def close(self) -> None:
        """Free the library's state; nothing else may be called afterwards."""
        self._free_fax()
        self._free_law()


class RtpFax:
    """Runs an :class:`AudioFax` on a UDP socket of its own from :meth:`start` to :meth:`stop`.

    It sends 20 ms in each packet and hears each packet as it comes, of whatever length.
    """

    def __init__(self, role: Role, **options: Unpack[MachineOptions]) -> None:
        self._fax = AudioFax(role, **options)
        self.machine = self._fax.machine
        self.spoke = threading.Event()
        """Set when the machine sends its first T.30 frame, after CED or CNG."""
        self.done = threading.Event()
        """Set when the T.30 session is over."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address: Address = self._socket.getsockname()
        self._remote: Address | None = None
        self._last_heard = 0.0
        self._sent = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audio-fax", daemon=True)

    @property
    def description(self) -> str:
        """Its SDP, as an offer and as an answer. RTCP comes to the RTP port, where it is passed over."""
        host, port = self.address
        lines = ["v=0", f"o=fax 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
        lines += [f"m=audio {port} RTP/AVP {_PCMA}", f"a=rtpmap:{_PCMA} PCMA/8000", f"a=rtcp:{port}"]
        return "".join(f"{line}\r\n" for line in lines)

    def connect(self, description: str) -> None:
        """Send where the other side's SDP says, before or after :meth:`start`."""
        port, host = _AUDIO_LINE.search(description), _CONNECTION.search(description)
        if port is None or host is None:
            raise ValueError(f"the fax machine is offered something else than A-law audio: {description}")
        self._remote = (host[1], int(port[1]))

    def start(self) -> None:
        """The call is answered: the machine begins."""
        self._thread.start()

    def stop(self) -> None:
        """The call was dropped: end the session if it still runs, and free everything."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if not self._fax.completed:
            self.machine.terminate()
        self._socket.close()
        self._fax.close()

    def __enter__(self) -> RtpFax:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        origin = time.monotonic()
        while not self._stopping.is_set():
            due = origin + self._sent * _FRAME_SECONDS
            readable, _, _ = select.select([self._socket], [], [], max(0.0, due - time.monotonic()))
            now = time.monotonic()
            if readable:
                self._receive(self._socket.recv(2048), now)
            elif now >= due:
                self._send()
                if now - self._last_heard > _SILENT_SECONDS:
                    self._fax.hear_silence(_FRAME)
            if any(direction == "out" for direction, _ in self.machine.frames):
                self.spoke.set()
            if self._fax.completed:
                self.done.set()

    def _receive(self, packet: bytes, now: float) -> None:
        if len(packet) <= _HEADER.size:
            return
        first, kind, *_ = _HEADER.unpack_from(packet)
        if first == _VERSION_2 and kind & ~_MARKER == _PCMA:
            self._last_heard = now
            self._fax.hear(packet[_HEADER.size :])

    def _send(self) -> None:
        payload = self._fax.speak(_FRAME)
        kind = _PCMA if self._sent else _PCMA | _MARKER
        number, stamp = self._sent & 0xFFFF, self._sent * _FRAME & 0xFFFFFFFF
        self._sent += 1
        if self._remote is not None:
            header = _HEADER.pack(_VERSION_2, kind, number, stamp, self.address[1])
            self._socket.sendto(header + payload, self._remote)
