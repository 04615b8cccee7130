"""Where faxes are while they are received, and until their files are delivered.

It is a folder ``.incoming`` in the folder that takes the faxes, so that a rename delivers a file. In it each
process has a folder of its own, which it holds with a lock; there a fax has a *record*, a JSON file with what
is known of it, beside its pages. What a process leaves when it is killed is found and delivered by the next
one that takes faxes into the same folder. Folders without faxes are removed.

Functions here wait for the disk; they are called in threads.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from sip.frozen import dataclass
from t38fsp.image.errors import DocumentError
from t38fsp.image.values import GROWING_SUFFIX

FOLDER = ".incoming"

_MOST_RECORD = 8 * 1024 * 1024
"""Octets; the record of a fax of 2000 pages has half a million."""
_RECORD = ".json"
_TRIES = 10
_KEPT_SUFFIXES = (".tif", f".tif{GROWING_SUFFIX}")
"""Those of pages; everything else is made of these."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One fax: ``record`` is the path of its record."""

    record: str

    @property
    def tiff(self) -> str:
        """Where its pages are received."""
        return self.beside(".tif")

    def beside(self, suffix: str) -> str:
        """The path of another file of this fax."""
        return self.record.removesuffix(_RECORD) + suffix

    def pages(self) -> str | None:
        """The file with its pages; None if there is none. One that was never finished is valid, too."""
        return next((name for suffix in _KEPT_SUFFIXES if os.path.lexists(name := self.beside(suffix))), None)

    def count(self) -> int:
        """How many pages are in its file; a file that was growing has none until the first is confirmed."""
        # Only after a call: it takes Pillow, for which a command that receives should not wait.
        from t38fsp.image import document

        try:
            return 0 if (path := self.pages()) is None else len(document.inspect(path))
        except DocumentError:
            return 0

    def read(self) -> dict[str, Any]:
        """The record; empty if it cannot be read, as after a power failure."""
        with suppress(OSError, ValueError, RecursionError), open(self.record, "rb") as file:
            content = json.loads(file.read(_MOST_RECORD))
            if isinstance(content, dict):
                return content
        return {}

    def write(self, content: dict[str, Any]) -> None:
        """Replace the record; it is on disk on return. Raises OSError."""
        write_json(self.beside(".new"), content)
        # Replaced as a whole: a reader finds the old record or the new one.
        os.replace(self.beside(".new"), self.record)

    def forget(self) -> None:
        """Remove the record, and whatever else was not delivered. Raises OSError."""
        folder, name = os.path.split(self.record.removesuffix(_RECORD))
        with suppress(FileNotFoundError):
            for each in os.listdir(folder):
                if each.startswith(f"{name}."):
                    os.unlink(os.path.join(folder, each))


def write_json(path: str, content: object) -> None:
    """Write a file with mode 0600, replacing it; it is on disk on return. Raises OSError."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
        file.flush()
        # Else a rename could reach the disk before the content: an empty record after a power failure.
        os.fsync(file.fileno())


def locked(folder: str | os.PathLike[str], *, alone: bool = False) -> int | None:
    """A descriptor that keeps other processes from taking the faxes in ``folder`` for left ones.

    The lock is shared, since the worker of a process that was killed may still be delivering. With ``alone``
    no other process may hold it at this moment. None if another process holds it.
    """
    handle = None
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
        if alone:
            # Changed to a shared lock at once. That is not atomic (flock(2)): if another process comes in
            # between, this one fails and leaves the folder to it.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (OSError, ImportError):
        # Where a file system or a system has no such locks, what a process leaves is not delivered later.
        if handle is not None:
            os.close(handle)
        return None
    return handle


class Spool:
    """The faxes of this process that go to ``folder``, and those that others left there."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._all = Path(os.path.abspath(folder)) / FOLDER
        self._held: dict[Path, int] = {}
        """Descriptors of the folders that are ours."""
        self._own: Path | None = None
        self._lock = threading.Lock()

    def begin(self, number: int, content: dict[str, Any]) -> Entry:
        """Make the record of a new fax. Raises OSError."""
        with self._lock:
            entry = Entry(str(self._ours() / f"{number:06d}{_RECORD}"))
            write_json(entry.record, content)
        return entry

    def forget(self, entry: Entry) -> None:
        """All files of the fax are delivered, or it has none. Raises OSError."""
        with self._lock:
            entry.forget()
            self._tidy(Path(entry.record).parent)

    def left(self) -> list[Entry]:
        """The faxes that processes left that are gone; they are ours from now on."""
        found: list[Entry] = []
        with self._lock:
            if not self._all.is_dir():
                return found
            for folder in sorted(self._all.iterdir()):
                if folder in self._held or not folder.is_dir() or not self._hold(folder):
                    continue
                names = {name.partition(".")[0] for name in sorted(os.listdir(folder))}
                found += [Entry(str(folder / f"{name}{_RECORD}")) for name in sorted(names)]
                self._tidy(folder)
        return found

    def close(self) -> None:
        """Leave to the next process what was not delivered."""
        with self._lock:
            for folder in list(self._held):
                self._tidy(folder)
            while self._held:
                os.close(self._held.popitem()[1])
            self._own = None

    def _ours(self) -> Path:
        if self._own is not None and self._own.is_dir():
            return self._own
        for _ in range(_TRIES):
            # At random: process ids repeat among the containers and machines that may share the folder.
            folder = self._all / secrets.token_hex(8)
            folder.mkdir(mode=0o700, parents=True)
            self._hold(folder, new=True)
            # Before that another process may have taken it for one that was left, and removed it.
            if folder.is_dir():
                self._own = folder
                return folder
        raise OSError(f"{self._all} was removed each time that it was created")

    def _hold(self, folder: Path, *, new: bool = False) -> bool:
        """Keep a folder from other processes for as long as this one lives; false if another keeps it."""
        # A lock, not a file with a process id: the system gives it up however the process ends.
        handle = locked(folder, alone=not new)
        if handle is None:
            return False
        self._held[folder] = handle
        return True

    def _tidy(self, folder: Path) -> None:
        """Remove the folder if it has no fax any more."""
        with suppress(OSError):
            # Fails for a folder that still has files, which is how that is found out without a race.
            folder.rmdir()
            if (handle := self._held.pop(folder, None)) is not None:
                os.close(handle)
            if folder == self._own:
                self._own = None
            self._all.rmdir()
