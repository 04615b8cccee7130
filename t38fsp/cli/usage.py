"""Usage errors, in the form of every other error: what is wrong; what to do."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperGroup

# typer does not export the class under a name; every error about an option or an argument is one.
_UsageError = cast("type[Exception]", typer.BadParameter.__bases__[0])
_USAGE = 2


_OPERATION = ("serve", "keys", "hosts", "backup", "restore")
_CLIENTS = ("submit", "queue", "show", "cancel", "retry", "received", "journal")
_LATER = dict.fromkeys(_OPERATION, "operation") | dict.fromkeys(_CLIENTS, "commands")
"""Modules of ``t38fsp.cli.service`` that have the commands of the fax service."""


class CommandGroup(TyperGroup):
    """The commands, of which wrong usage is one line on standard error and exit status 2.

    Those of the fax service are made when one of them, or the list, is asked for: typer looks at all options
    of all commands that it has, and a command that sends has no time for that.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *_LATER]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _LATER:
            return super().get_command(ctx, cmd_name)
        return _commands_of(_LATER[cmd_name])[cmd_name]

    def main(self, *args: Any, **more: Any) -> Any:
        more["standalone_mode"] = False  # otherwise typer prints the errors itself
        try:
            status = super().main(*args, **more)
        except _UsageError as error:
            print(_shown(error), file=sys.stderr)
            sys.exit(_USAGE)
        sys.exit(status if isinstance(status, int) else 0)


@cache
def _commands_of(module: str) -> dict[str, Any]:
    group: Any = typer.main.get_command(import_module(f"t38fsp.cli.service.{module}").app)
    commands: dict[str, Any] = group.commands
    for command in commands.values():
        # The list of commands would cut the sentence after 45 characters otherwise.
        command.short_help = " ".join(str(command.help).partition("\n\n")[0].split())
    return commands


def _shown(error: Exception) -> str:
    from sip.logs import printable

    context = getattr(error, "ctx", None)
    message = str(cast(Any, error).format_message())
    if context is not None and message == context.get_help():
        return message  # nothing was given at all
    command = "t38fsp" if context is None else context.command_path
    # Typer writes sentences: "Missing option '--to'." and "No such option: --too Did you mean --to?"
    said = re.sub(r"\s+", " ", message).strip().rstrip(".?")
    said = said.replace(" Did you mean", ", did you mean").replace("(Possible", "(possible")
    said = said.replace("?,", ",").replace(".,", ",")
    return printable(f"t38fsp: {said[:1].lower()}{said[1:]}; see {command} --help")
