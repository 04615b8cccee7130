"""CPU until a command has done what one waits for: its version, its help, its first INVITE, its end.

    python -m tests.benchmarks.starting [RUNS]

The commands and two anchors, ``python -c pass`` and ``python -c "import asyncio"``, run in turn, RUNS times.
CPU is that of the process and of all processes that it started. ``INVITE`` is CPU and wall time from exec to
the first INVITE at a UDP socket of ours; ``exit`` from our 486 until the process has ended. Byte code is
there before the first run that counts, as after an installation.

``fax`` is a whole call of one light page to a receiver on this machine. Its ``exit`` begins with the MCF of
that page, and has the DCN in it, which takes a modem 1.2 s; ``over`` is from our BYE to the end of the
process. Figures are medians.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

from tests.peers.pages import text_page, write_document

LIMIT = 60.0
"""Seconds after which a run is stuck."""

Figures = dict[str, list[float]]


def commands() -> dict[str, list[str]]:
    """What is run to its end, by name; the first two are the anchors."""
    return {
        "python -c pass": ["-c", "pass"],
        "import asyncio": ["-c", "import asyncio"],
        "--version": ["-m", "t38fsp", "--version"],
        "--help": ["-m", "t38fsp", "--help"],
        "send --help": ["-m", "t38fsp", "send", "--help"],
        "import t38fsp.provider": ["-c", "import t38fsp.provider"],
    }


def ended(arguments: list[str], environment: dict[str, str]) -> float:
    """CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True, timeout=LIMIT
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def family(pid: int) -> Iterator[int]:
    """A process and all that came of it and are alive."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text("ascii").split():
                yield from family(int(child))


def used(pid: int) -> float:
    """CPU seconds so far of a process and all that came of it and are alive."""
    total = 0
    for member in family(pid):
        for schedule in Path(f"/proc/{member}/task").glob("*/schedstat"):
            with suppress(OSError):
                total += int(schedule.read_text("ascii").split()[0])
    return total / 1e9


def send(document: Path, folder: Path, environment: dict[str, str]) -> dict[str, float]:
    """One command that gets 486; seconds by name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(LIMIT)
        to = f"sip:100@127.0.0.1:{far.getsockname()[1]}"
        command = [sys.executable, "-m", "t38fsp", "send", str(document), "--to", to]
        began = time.monotonic()
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
            invite, source = far.recvfrom(65536)
            invited, cpu = time.monotonic(), used(process.pid)
            assert invite.startswith(b"INVITE "), invite
            kept = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
            lines = [line for line in invite.split(b"\r\n") if line.lower().startswith(kept)]
            lines = [line + b";tag=far" if line.lower().startswith(b"to:") else line for line in lines]
            far.sendto(
                b"\r\n".join([b"SIP/2.0 486 Busy Here", *lines, b"Content-Length: 0", b"", b""]), source
            )
            process.wait(LIMIT)
            over = time.monotonic()
        assert process.returncode == 3, process.returncode
    return {"INVITE CPU": cpu, "INVITE wall": invited - began, "exit wall": over - invited}


def fax(document: Path, folder: Path, environment: dict[str, str]) -> dict[str, float]:
    """One whole call; seconds by name."""
    faxes = Path(tempfile.mkdtemp(dir=folder))
    receive = [sys.executable, "-m", "t38fsp", "receive", "--listen", "127.0.0.1:0", "--output", str(faxes)]
    listener = subprocess.Popen(
        [*receive, "--count", "1"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    with listener, subprocess.Popen(
        [
            *(sys.executable, "-u", "-m", "t38fsp", "send", str(document)),
            *("--to", f"sip:100@{_address(listener)}"),
        ],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        confirmed = over = cpu = 0.0
        for line in process.stdout:
            if "page 1 confirmed" in line:
                confirmed, cpu = time.monotonic(), used(process.pid)
            elif line.startswith("COMPLETED"):
                over = time.monotonic()
        # Before it is waited for, its children's time is not counted; it has waited for its own.
        _, status, usage = os.wait4(process.pid, 0)
        ended = time.monotonic()
        process.returncode = os.waitstatus_to_exitcode(status)
        listener.communicate(timeout=LIMIT)
        assert process.returncode == 0, process.returncode
    return {
        "exit wall": ended - confirmed,
        "over wall": ended - over,
        "exit CPU": usage.ru_utime + usage.ru_stime - cpu,
    }


def _address(listener: subprocess.Popen[str]) -> str:
    assert listener.stdout is not None
    for line in listener.stdout:
        if line.startswith("listening on sip:"):
            return line.removeprefix("listening on sip:").strip()
    raise RuntimeError("the receiver ended before it listened")


def measure(runs: int, folder: Path) -> dict[str, Figures]:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.getcwd()
    documents = {"send, 1 page": 1, "send, 100 pages": 100}
    for name, pages in documents.items():
        write_document(folder / f"{name}.tif", [text_page() for _ in range(pages)])
    found: dict[str, Figures] = defaultdict(lambda: defaultdict(list))
    for run in range(runs + 1):
        figures = {name: {"CPU": ended(command, environment)} for name, command in commands().items()}
        figures |= {name: send(folder / f"{name}.tif", folder, environment) for name in documents}
        figures["fax"] = fax(folder / "send, 1 page.tif", folder, environment)
        if run:  # the first one has made the byte code
            for name, each in figures.items():
                for what, seconds in each.items():
                    found[name][what].append(seconds)
    return found


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        found = measure(runs, Path(folder))
    anchor = median(found["import asyncio"]["CPU"])
    print(f"load {os.getloadavg()[0]:.1f}; seconds; in brackets the ratio to the import of asyncio")
    for name, figures in found.items():
        told = (
            f"{what} {median(each):.3f} [{median(each) / anchor:.2f}] (least {min(each):.3f})"
            for what, each in figures.items()
        )
        print(f"{name:24} {'  '.join(told)}")


if __name__ == "__main__":
    main()
