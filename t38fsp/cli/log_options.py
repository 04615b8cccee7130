"""``-v`` and ``--log-format``, which every command has."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from sip.frozen import dataclass


class LogFormat(Enum):
    TEXT = "text"
    JSON = "json"
    """One object a line."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What the log of a command shows, and how."""

    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            help="Log more to stderr: -v calls and connections, -vv also each message that is dropped.",
        ),
    ] = 0
    log_format: Annotated[
        LogFormat, typer.Option(help="Form of the log on stderr; json is one object a line.")
    ] = LogFormat.TEXT
