"""LibreOffice as a program that is run once for each document: with limits, and where it can, in bubblewrap.

bubblewrap gives it a system of its own: programs and fonts that cannot be written, the document, a folder for
the result, no network, and no other file of this machine.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from sip.frozen import dataclass

_PLACES = ("/opt/libreoffice*/program/soffice", "/Applications/LibreOffice.app/Contents/MacOS/soffice")
_TRIAL_SECONDS = 10.0
_MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Links into /usr on most systems, folders on others."""
_READ_ONLY = (
    "/etc/fonts",
    "/etc/libreoffice",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/var/cache/fontconfig",
    "/var/lib/libreoffice",
    "/nix/store",
)
"""Beside /usr. Nothing here is private; /etc itself is."""
WITHIN = Path("/document")
"""Where the folder of the conversion is in the sandbox."""

# By the shell: code between fork and exec (preexec_fn) is not safe in a program with threads, and the
# limits must hold for bubblewrap's child, too.
_LIMITED = (  # POSIX sh
    'ulimit -v "$1" 2>/dev/null; ulimit -t "$2"; ulimit -f "$3"; ulimit -c 0; shift 3; exec 3<&0 </dev/null; '
    '{ read -r _ <&3; kill -s KILL 0; } & exec "$@" 3<&-'
)
"""A limit of our own process that is lower stays. Standard input is a pipe that ends with our process, also
with one that is killed: then the whole process group is killed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a conversion may take."""

    seconds: float = 60.0
    """Seconds of time, and twice as many of processor time, for it has several threads."""
    memory: int = 2 << 30
    """Octets of address space."""
    file: int = 256 << 20
    """Octets of the PDF, and of each other file."""


class OverrunError(Exception):
    """The program was killed: it exceeded its time."""


def soffice() -> str | None:
    """The program of LibreOffice, if it is installed."""
    found = shutil.which("soffice") or shutil.which("libreoffice")
    if found is None:
        places = (path for pattern in _PLACES for path in Path("/").glob(pattern.lstrip("/")))
        found = next((str(path) for path in places), None)
    # The link in /usr/bin leads to the folder that the sandbox has to contain.
    return found if found is None else os.path.realpath(found)


@lru_cache(maxsize=1)
def bubblewrap() -> str | None:
    """The program of bubblewrap, if it is installed and works: many containers do not let it."""
    # Tried rather than asked: containers, AppArmor and kernel settings can each forbid user namespaces.
    program = shutil.which("bwrap")
    if program is None or sys.platform != "linux":
        return None
    try:
        tried = subprocess.run(
            [program, *_walls("/usr"), "--", "/usr/bin/env", "true"],
            env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return program if tried.returncode == 0 else None


def _walls(program: str) -> list[str]:
    # --new-session: with a terminal of ours the program could put characters into its input (TIOCSTI).
    arguments = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    arguments += ["--ro-bind", "/usr", "/usr"]
    for path in _MERGED:
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            arguments += ["--ro-bind", path, path]
    for path in _READ_ONLY:
        arguments += ["--ro-bind-try", path, path]
    if program.startswith("/opt/"):
        installed = str(Path(program).parents[1])
        arguments += ["--ro-bind", installed, installed]
    return [*arguments, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]


def run(program: str, arguments: list[str], folder: Path, limits: Limits, sandbox: str | None) -> None:
    """Run ``program`` in ``folder``, in which alone it may write.

    ``sandbox`` is that of :func:`bubblewrap`; without one it is only limited. Its whole process group is
    killed when it exceeds its time (OverrunError), and when this process ends. Raises OSError when it cannot
    be started.
    """
    place = WITHIN if sandbox is not None else folder
    # Nothing of our own environment: no proxy, no password, no desktop session.
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(place),
        "TMPDIR": str(place),
        "LANG": "C.UTF-8",
        "SAL_USE_VCLPLUGIN": "svp",  # without a display
        "SAL_DISABLE_OPENCL": "1",
    }
    command = [program, *arguments]
    if sandbox is not None:
        walls = [*_walls(program), "--bind", str(folder), str(WITHIN), "--chdir", str(WITHIN)]
        command = [sandbox, *walls, "--", *command]
    # ulimit counts address space in KiB, and files in blocks of 512 octets.
    numbers = limits.memory >> 10, math.ceil(2 * limits.seconds), limits.file >> 9
    process = subprocess.Popen(
        ["sh", "-c", _LIMITED, "sh", *map(str, numbers), *command],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(timeout=limits.seconds)
    except subprocess.TimeoutExpired:
        raise OverrunError from None
    finally:
        # Also what it started itself and left behind.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
