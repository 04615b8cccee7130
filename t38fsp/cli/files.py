"""The files that faxes are received into."""

from __future__ import annotations

import itertools
import os
import tempfile
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


def new_name(directory: Path, number: int) -> Path:
    """A name that no file has, made of the time and ``number``."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    names = (
        directory / f"fax-{stamp}-{number:04d}{f'-{attempt}' if attempt > 1 else ''}.tif"
        for attempt in itertools.count(1)
    )
    return next(name for name in names if not os.path.lexists(name))
