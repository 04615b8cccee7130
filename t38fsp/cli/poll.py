"""``t38fsp poll``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for
from t38fsp.cli.options import Chosen
from t38fsp.cli.placing import placed
from t38fsp.cli.report import CallReport, Reporter, print_json
from t38fsp.image.errors import StoreError
from t38fsp.image.room import check_room
from t38fsp.provider import FaxProvider
from t38fsp.settings.address import AddressError


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fetch, from whom, and into which file."""

    to: str
    output: Path
    selective_address: str = ""
    password: str = ""


def run(wanted: Wanted, chosen: Chosen, as_json: bool) -> Exit:
    # Before the call: the far end would otherwise send a document that has no place here, and may delete
    # its own copy.
    if os.path.lexists(wanted.output):
        raise CommandError(f"{wanted.output} exists; name a new file", Exit.USAGE)
    try:
        check_room(wanted.output)
    except StoreError as error:
        cause = error.__cause__
        raise CommandError.unwritable(
            wanted.output.parent, cause if isinstance(cause, OSError) else error
        ) from error
    return running.run(_poll(wanted, chosen, as_json))


async def _poll(wanted: Wanted, chosen: Chosen, as_json: bool) -> Exit:
    async def place(provider: FaxProvider, call: CallReport) -> None:
        try:
            await provider.poll(
                wanted.to,
                wanted.output,
                selective_address=wanted.selective_address,
                password=wanted.password,
                route=chosen.name,
                via=chosen.via,
                caller=chosen.caller,
                on_event=call.event,
            )
        # It is a ValueError, too, but one that ``placed`` turns into a status of its own.
        except AddressError:
            raise
        except ValueError as error:
            raise CommandError(str(error), Exit.USAGE) from error

    reporter = Reporter(as_json=as_json)
    result = await placed(chosen, reporter, place)
    status = exit_for(result)
    if as_json:
        print_json(result, exit_status=status)
    else:
        reporter.result(sentences.of_result(result))
    return status
