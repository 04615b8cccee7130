"""A real fax, and somebody who asks for OPTIONS, while strangers send hostile datagrams.

    python -m tests.benchmarks.hostile [SECONDS [RATE]]

``t38fsp receive``, with accounts, gets RATE (1,000) hostile datagrams a second of every kind in KINDS for
SECONDS (60), from fifty addresses of the loopback interface, all of which it admits; ten connections a second
bring hostile streams. Meanwhile ``t38fsp send`` sends it a fax, and a client asks OPTIONS twice a second,
repeating what is not answered as RFC 3261 17.1.2 has it. The receiver logs from INFO on.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, cycle
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random
from typing import cast

from sip.syntax.errors import ParseError
from sip.syntax.message import Request, parse_message
from t38fsp.image.compare import differing_pages
from t38fsp.t30.vocabulary import Resolution
from tests.pages import make_document
from tests.peers.programs import Program, started
from tests.sip.besieged import Besieged, mutate
from tests.sip.rfc4475 import MESSAGES as TORTURE

HOST = "127.0.0.1"
GUNS = 50
"""Addresses that the datagrams come from."""
STREAMS = 10.0
"""Connections per second."""
EACH = 0.5
"""Seconds between two OPTIONS."""
PATIENCE = 32.0
"""Seconds until an OPTIONS counts as not answered (Timer F)."""
LARGEST = 9000
"""Octets of a hostile datagram, but for those of KINDS that are large on purpose."""
_PAGE_SECONDS = 24
"""About what a page of the fax takes."""

FILE = """
[incoming]
accounts = [{ user = "ata", password_file = "ata.password" }]
"""
VIA = "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{n}"


def request(
    *fields: str,
    start: str = "OPTIONS sip:b@127.0.0.1 SIP/2.0",
    vias: Sequence[str] = (VIA + ";rport",),
    to: str = "<sip:b@y>",
    cseq: str = "1 OPTIONS",
    body: str = "",
) -> str:
    """The text of a request with a place ``{n}`` for a number."""
    lines = [start, *(f"Via: {via}" for via in vias), "From: <sip:a@x>;tag={n}", f"To: {to}"]
    lines += ["Call-ID: {n}", f"CSeq: {cseq}", *fields, "", body]
    return "\r\n".join(lines)


def within(method: str, *fields: str) -> str:
    return request(
        *fields, start=f"{method} sip:b@127.0.0.1 SIP/2.0", cseq=f"1 {method}", to="<sip:b@y>;tag=x"
    )


TEXTS: Mapping[str, Sequence[str]] = {
    "a Via that is not the same when it is joined or stamped": [
        request(vias=(VIA + ";x=<", "SIP/2.0/UDP h;y=>;a b=c")),
        request(vias=(VIA + ';x="', "SIP/2.0/UDP h")),
        request(vias=(VIA + ";x=<;rport",)),
        request(vias=(VIA + ";x" * 63,)),
        request(vias=(VIA, ",".join(["SIP/2.0/UDP h"] * 99))),
    ],
    "one branch for all": [
        request(vias=("SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK;rport",)),
        request(vias=("SIP/2.0/UDP 127.0.0.1;branch=1",)),
    ],
    "malformed, with all that an answer needs": [
        request("Content-Length: 9999"),
        request("Content-Length: -1"),
        request("Content-Length: 0", "Content-Length: 1", body="x"),
        request(start="OPTIONS <sip:b@127.0.0.1> SIP/2.0"),
        request(start="OPTIONS  sip:b@127.0.0.1; lr  SIP/2.0 "),
        request(start="OPTIONS sip:b@127.0.0.1 SIP/7.0", vias=("SIP/7.0/UDP 127.0.0.1;rport",)),
        request(to='"unclosed <sip:b@y>'),
        request(to="<sip:b@y>;x=<"),
        request("To: <sip:c@y>", "CSeq: 2 OPTIONS", "Call-ID: other"),
    ],
    "requests of calls that are none": [
        within("BYE"),
        within("CANCEL"),
        within("ACK"),
        within("INFO"),
        request("Require: no-such-extension", start="INVITE sip:b@127.0.0.1 SIP/2.0", cseq="1 INVITE"),
        request(
            "Contact: <sip:a@127.0.0.1>",
            "Content-Type: application/sdp",
            start="INVITE sip:b@127.0.0.1 SIP/2.0",
            cseq="1 INVITE",
            body="v=0\x1b]0;owned\x07\r\nm=",
        ),
    ],
    "at the limits and beyond": [
        request(*["no colon"] * 300),
        request(*["X: y"] * 300),
        request(*["Record-Route: <sip:p;lr>"] * 101),
        request("Subject: " + "y" * 9000),
        request("Subject:" + "\r\n y" * 3000),
        request(vias=("SIP/2.0/UDP h;x=" + "y" * 8000, *["SIP/2.0/UDP h;x=" + "y" * 8000] * 3)),
        "\x1b[2J" * 2000,
        "\0",
        "",
    ],
    "control characters": [
        request(
            "Contact: <sip:a@127.0.0.1>",
            "Content-Type: application/sdp",
            f"Call-ID\t: \x1b[31m\x9b2J\u202e{field}",
            start="INVITE sip:b@127.0.0.1 SIP/2.0",
            cseq="1 INVITE",
            body="\x1b[31m",
        ).replace("Call-ID: {n}\r\n", "")
        for field in ("{n}", "{n}\x07")
    ],
}  # fmt: skip
"""The kinds that are made by hand."""

STREAM = [
    b"OPTIONS sip:b@h SIP/2.0\r\nl:x" + b" " * 15_000 + b"x" + b" " * 15_000 + b"x\r\n\r\n",
    b"OPTIONS sip:b@h SIP/2.0\r\nContent-Length:\r\n 99999\r\n\r\n" + b"x" * 60_000,
    b"OPTIONS sip:b@h SIP/7.0\r\n\r\n" * 100,
    b"\r\n" * 5000,
    b"GET / HTTP/1.1\r\n\r\n",
]


def datagrams() -> Mapping[str, Sequence[bytes]]:
    """The datagrams of every kind, none of which makes a call."""
    kinds = {
        kind: [text.replace("{n}", f"{kind[:3]}-{n}").encode() for n, text in enumerate(texts)]
        for kind, texts in TEXTS.items()
    }
    kinds["RFC 4475"] = [data for data in TORTURE.values() if not _calls(data)]
    besieged = Besieged(1)
    besieged.begin()
    corpus = [*besieged.expected, *TORTURE.values(), *(data for kind in kinds.values() for data in kind)]
    random = Random(1)
    noise = (mutate(random.choice(corpus), corpus, random) for _ in range(2000))
    kinds["mutated"] = [data for data in noise if len(data) <= LARGEST and not _calls(data)]
    return kinds


def _calls(data: bytes) -> bool:
    """Whether this may make a call, which would have us send to addresses of others."""
    try:
        message = parse_message(data)
    except ParseError:
        return False
    return isinstance(message, Request) and message.method == "INVITE"


# --- the hostile --------------------------------------------------------------------------------------------


def shoot(port: int, rate: int, shots: Synchronized[int]) -> None:
    """Send so many a second, as evenly over the kinds as over their datagrams, while our parent lives."""
    parent = multiprocessing.parent_process()
    guns = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(GUNS)]
    for number, gun in enumerate(guns):
        gun.bind((f"127.0.1.{number + 1}", 0))
        gun.setblocking(False)
    kinds = cycle([cycle(kind) for kind in datagrams().values()])
    began = time.monotonic()
    for number, gun, kind in zip(count(), cycle(guns), kinds, strict=False):
        if number % 10 == 0:
            if parent is None or not parent.is_alive():
                return
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            shots.value = number
        # A refusal that is waiting here is of an earlier one.
        with suppress(OSError):
            gun.sendto(next(kind), (HOST, port))


async def stream(port: int) -> None:
    """Bring hostile streams until cancelled."""
    for number, data in zip(count(), cycle(STREAM), strict=False):
        with suppress(OSError):
            _, writer = await asyncio.open_connection(
                HOST, port, local_addr=(f"127.0.2.{number % 250 + 1}", 0)
            )
            writer.write(data)
            await asyncio.sleep(1 / STREAMS)
            writer.close()


# --- the others ---------------------------------------------------------------------------------------------


class Asker(asyncio.DatagramProtocol):
    """Asks OPTIONS; ``took`` are the seconds to the answers, ``repeated`` how many needed more than one."""

    def __init__(self, there: tuple[str, int]) -> None:
        self.asked = 0
        self.repeated = 0
        self.took: list[float] = []
        self._there = there
        self._waiting: dict[str, asyncio.Event] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        if event := self._waiting.get(parse_message(data).call_id):
            event.set()

    async def ask(self) -> None:
        self.asked += 1
        name = f"asked-{self.asked}"
        event = self._waiting[name] = asyncio.Event()
        message = request(to="<sip:fax@127.0.0.1>").replace("{n}", name).encode()
        loop = asyncio.get_running_loop()
        began, interval = loop.time(), 0.5
        while not event.is_set() and loop.time() < began + PATIENCE:
            self._transport.sendto(message, self._there)
            self.repeated += interval == 1.0
            with suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await event.wait()
            interval = min(2 * interval, 4.0)
        if event.is_set():
            self.took.append(loop.time() - began)

    async def go_on(self) -> None:
        """Ask until cancelled; what has been asked is still waited for."""
        async with asyncio.TaskGroup() as asking:
            with suppress(asyncio.CancelledError):
                while True:
                    asking.create_task(self.ask())
                    await asyncio.sleep(EACH)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    seconds: float
    shots: int
    asked: int
    answered: int
    repeated: int
    longest: float
    """Seconds to an answer."""
    fax: Mapping[str, object]
    """What ``send --json`` printed."""
    pages: int
    identical: bool
    log: int
    """Octets that the receiver wrote, progress included."""
    cpu: float
    """Seconds, of the receiver."""

    @property
    def rate(self) -> float:
        return self.shots / self.seconds


async def under_fire(folder: Path, seconds: float, rate: int, document: Path) -> Outcome:
    """Until the fax is over, but at least for ``seconds``."""
    (folder / "ata.password").write_text("secret of the ata")
    (folder / "ata.password").chmod(0o600)
    (folder / "t38fsp.toml").write_text(FILE)
    faxes, log = folder / "faxes", folder / "log"
    taking = (
        "receive",
        "-v",
        "--output",
        faxes,
        "--listen",
        f"{HOST}:0",
        "--config",
        folder / "t38fsp.toml",
    )
    receiver = await asyncio.to_thread(
        started,
        lambda: Program([sys.executable, "-m", "t38fsp", *taking], folder, log),
        lambda _: b"listening on" in log.read_bytes(),
    )
    assert receiver is not None, log.read_text()
    port = int(log.read_text().partition(f"listening on sip:{HOST}:")[2].split()[0])
    loop = asyncio.get_running_loop()
    shots = multiprocessing.get_context("spawn").Value("Q", 0)
    gunner = multiprocessing.get_context("spawn").Process(target=shoot, args=(port, rate, shots), daemon=True)
    transport, asker = await loop.create_datagram_endpoint(
        lambda: Asker((HOST, port)), local_addr=("127.0.0.3", 0)
    )
    try:
        gunner.start()
        while not shots.value:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        began = loop.time()
        others = [loop.create_task(stream(port)), loop.create_task(asker.go_on())]
        fax = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "t38fsp", "send", document, "--to", f"sip:fax@{HOST}:{port}", "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=folder,
        )
        told, _ = await fax.communicate()
        await asyncio.sleep(began + seconds - loop.time())
        took, fired = loop.time() - began, shots.value
        for each in others:
            each.cancel()
        # While the last OPTIONS are waited for, the shooting goes on.
        for ended in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        cpu = _cpu_of(receiver)
    finally:
        gunner.kill()
        gunner.join()
        transport.close()
        await asyncio.to_thread(receiver.stop)
    received = sorted(faxes.iterdir())
    return Outcome(
        took,
        fired,
        asker.asked,
        len(asker.took),
        asker.repeated,
        max(asker.took, default=0.0),
        json.loads(told),
        len(json.loads(told)["pages"]),
        len(received) == 1 and not differing_pages(document, received[0]),
        log.stat().st_size,
        cpu,
    )


def _cpu_of(program: Program) -> float:
    fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def figures(outcome: Outcome) -> Iterator[str]:
    fax = outcome.fax
    yield f"{outcome.shots} hostile datagrams in {outcome.seconds:.0f} s, {outcome.rate:.0f} a second"
    yield (
        f"fax: {fax['status']}, {fax['pages_confirmed']} of {outcome.pages} pages confirmed, "
        f"{'identical' if outcome.identical else 'NOT identical'}"
    )
    yield (
        f"OPTIONS: {outcome.answered} of {outcome.asked} answered, {outcome.repeated} after a repetition, "
        f"the last after {outcome.longest:.2f} s"
    )
    yield f"receiver: {outcome.log} octets of log, {outcome.cpu / outcome.seconds:.0%} of a CPU"


def main() -> None:
    seconds, rate = [int(value) for value in sys.argv[1:]] + [60, 1000][len(sys.argv) - 1 :]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        document = folder / "sent.tif"
        pages = max(1, seconds // _PAGE_SECONDS)
        make_document(document, [(1728, Resolution.R8_FINE, 1100, "text")] * pages)
        outcome = asyncio.run(under_fire(folder, seconds, rate, document))
    print(*figures(outcome), sep="\n")
    print(f"load of the machine: {load:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
