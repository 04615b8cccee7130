"""What the commands of the service share: options, and how they are run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sip.frozen import dataclass
from t38fsp.cli.option_groups import ConfigFile, LogOptions

if TYPE_CHECKING:
    from t38fsp.cli.exits import Exit
    from t38fsp.cli.service.client import Where

CLIENT_EXITS = (
    "Exit status: 0, 1 the service cannot be reached, or refuses the key, 2 usage, or the service refuses "
    "what was asked for."
)

Json = Annotated[bool, typer.Option("--json", help="Print a JSON object for each entry, one per line.")]


@dataclass(frozen=True, slots=True)
class WhereOptions:
    """Which service is meant."""

    url: Annotated[
        str | None,
        typer.Option(
            help="URL of the service, or set T38FSP_URL; by default its Unix socket.", show_default=False
        ),
    ] = None
    key_file: Annotated[
        Path | None,
        typer.Option(readable=False, help="File with the key, or set T38FSP_KEY.", show_default=False),
    ] = None
    socket: Annotated[
        Path | None,
        typer.Option(readable=False, help="Its Unix socket, if it is at no usual place.", show_default=False),
    ] = None
    config: ConfigFile = None


def run_command(command: Callable[[], Exit], log: LogOptions) -> SystemExit:
    """Import what runs commands only for one that runs, not for help or completion."""
    from t38fsp.cli.exits import CommandError, Exit
    from t38fsp.cli.running import finish

    def checked() -> Exit:
        try:
            return command()
        except ModuleNotFoundError as error:
            # A module of ours that is missing is a fault, and no extra would bring it.
            if (error.name or "").partition(".")[0] in ("sip", "t38fsp"):
                raise
            raise CommandError(
                f"the fax service needs {error.name}, which is not installed; pip install 't38fsp[service]'",
                Exit.ERROR,
            ) from error

    return finish(checked, log)


def where_of(options: WhereOptions) -> Where:
    from t38fsp.cli.service.client import Where

    return Where(options.url, options.key_file, options.socket, options.config)
