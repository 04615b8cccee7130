"""rtpengine in user space on the loopback interface, as a T.38 gateway, and its ``ng`` control protocol.

What 10.5 does as a gateway: it offers T.38 version 0, and answers with the offer's version. It tells of no
CED, so nothing comes before the fax machine's first V.21. It goes on with the error correction that it
offered, whatever the answer says, and answers with the offered one. Its audio moves to new ports with each
offer. The lines of GLib-CRITICAL in its log are harmless.
"""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

from tests.peers.programs import HOST, Daemon, PeerError, Program, find, free_port

Bencoded = str | int | list["Bencoded"] | dict[str, "Bencoded"]
"""What an ``ng`` message is made of; octet strings stand here as text."""

_ANSWER_SECONDS = 20.0
_PORTS = 200
"""For media; each side of a call takes two at each offer."""


class Rtpengine(Daemon):
    """A running rtpengine; a context manager that stops it.

    Calls are named by the Call-ID and the tags of their two sides. Descriptions go in and come out as text.
    ``folder`` keeps its log.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "rtpengine.log")
        self._cookies = itertools.count(1)
        self._control = (HOST, 0)

    def offer(self, call: str, offerer: str, description: str, **options: Bencoded) -> str:
        """The description that the other side is to be offered; ``offerer`` is the offering side's tag."""
        return self._describe("offer", call, {"from-tag": offerer}, description, options)

    def answer(self, call: str, offerer: str, answerer: str, description: str) -> str:
        """The description that the offering side is to be answered with."""
        tags: dict[str, Bencoded] = {"from-tag": offerer, "to-tag": answerer}
        return self._describe("answer", call, tags, description, {})

    def delete(self, call: str, tag: str) -> None:
        """The call is over: its ports are closed."""
        self._ask({"command": "delete", "call-id": call, "from-tag": tag, "delete-delay": 0})

    def _describe(
        self,
        command: str,
        call: str,
        tags: dict[str, Bencoded],
        description: str,
        options: dict[str, Bencoded],
    ) -> str:
        order: dict[str, Bencoded] = {"command": command, "call-id": call, "sdp": description, **tags}
        # A description out of which every private address and ICE candidate is gone, as a B2BUA wants it.
        order |= {"replace": ["origin"], "ICE": "remove", **options}
        described = self._ask(order)["sdp"]
        assert isinstance(described, str)
        return described

    def _ask(self, order: dict[str, Bencoded], seconds: float = _ANSWER_SECONDS) -> dict[str, Bencoded]:
        cookie = str(next(self._cookies))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(seconds)
            sock.connect(self._control)
            sock.send(f"{cookie} ".encode() + bencode(order))
            _, _, message = sock.recv(65536).partition(b" ")
        answer = bdecode(message)
        assert isinstance(answer, dict)
        if answer["result"] == "error":
            raise PeerError(f"rtpengine refuses {order['command']}: {answer['error-reason']}")
        return answer

    def _start(self) -> Program:
        self._control, first = (HOST, free_port()), _free_run(_PORTS)
        command = [find("rtpengine", "rtpengine-daemon"), "--config-file=none", "--foreground"]
        command += ["--log-stderr", "--log-level=6", "--table=-1"]
        command += [f"--interface={HOST}", "--listen-ng={}:{}".format(*self._control)]
        command += [f"--port-min={first}", f"--port-max={first + _PORTS - 1}"]
        return Program(command, self.log.parent, self.log)

    def _is_ready(self, program: Program) -> bool:
        try:
            return self._ask({"command": "ping"}, 0.1)["result"] == "pong"
        except (TimeoutError, ConnectionRefusedError):
            return False


def bencode(value: Bencoded) -> bytes:
    """``value`` as octets."""
    match value:
        case str():
            octets = value.encode()
            return b"%d:%b" % (len(octets), octets)
        case int():
            return b"i%de" % value
        case list():
            return b"l%be" % b"".join(map(bencode, value))
        case dict():
            return b"d%be" % b"".join(bencode(key) + bencode(value[key]) for key in sorted(value))


def bdecode(octets: bytes) -> Bencoded:
    """The one value that ``octets`` are; raises ValueError or IndexError for anything else."""
    value, end = _parse(octets, 0)
    if end != len(octets):
        raise ValueError(f"{len(octets) - end} octets follow the bencoded value")
    return value


def _parse(octets: bytes, at: int) -> tuple[Bencoded, int]:
    kind = octets[at : at + 1]
    if kind == b"i":
        end = octets.index(b"e", at)
        return int(octets[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        values: list[Bencoded] = []
        at += 1
        while octets[at] != ord("e"):
            value, at = _parse(octets, at)
            values.append(value)
        if kind == b"l":
            return values, at + 1
        return {str(key): value for key, value in zip(values[::2], values[1::2], strict=True)}, at + 1
    colon = octets.index(b":", at)
    end = colon + 1 + int(octets[at:colon])
    return octets[colon + 1 : end].decode(), end


def _free_run(length: int) -> int:
    """The first of a run of ports, even, near one that the kernel gave; rtpengine passes over taken ones."""
    while True:
        first = free_port() & ~1
        if first + length <= 65536:
            return first
