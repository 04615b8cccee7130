"""The files that faxes are received into."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from t38fsp.cli.exits import CommandError


def writable(directory: Path) -> None:
    """Make the directory, and see that it takes files. Raises CommandError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise CommandError.unwritable(directory, error) from error


def make(file: Path) -> None:
    """An empty file that only its owner may read. Raises OSError, FileExistsError for one that is there."""
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def new_file(directory: Path, number: int) -> Path:
    """Make one, named by the time and by ``number``. Raises OSError."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    for attempt in itertools.count(1):
        path = directory / f"fax-{stamp}-{number:04d}{f'-{attempt}' if attempt > 1 else ''}.tif"
        with suppress(FileExistsError):
            make(path)
            break
    return path


@contextmanager
def kept_with_pages(file: Path) -> Iterator[None]:
    """Remove the file at the end if no page came into it."""
    try:
        yield
    finally:
        with suppress(OSError):
            if not file.stat().st_size:
                file.unlink()
