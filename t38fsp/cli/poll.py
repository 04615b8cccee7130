"""``t38fsp poll``."""

from __future__ import annotations

import os
from asyncio import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from t38fsp.address import AddressError
from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for
from t38fsp.cli.options import Chosen
from t38fsp.cli.report import Reporter, print_json
from t38fsp.provider import FaxProvider


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fetch, from whom, and into which file."""

    to: str
    output: Path
    selective_address: str = ""
    password: str = ""


def run(wanted: Wanted, chosen: Chosen, as_json: bool) -> Exit:
    try:
        os.close(os.open(wanted.output, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError as error:
        raise CommandError(f"{wanted.output} exists; name a new file", Exit.USAGE) from error
    except OSError as error:
        raise CommandError.unwritable(wanted.output.parent, error) from error
    try:
        return running.run(_poll(wanted, chosen, as_json))
    finally:
        with suppress(OSError):
            if not wanted.output.stat().st_size:
                wanted.output.unlink()


async def _poll(wanted: Wanted, chosen: Chosen, as_json: bool) -> Exit:
    route = chosen.route
    with Reporter(as_json=as_json) as reporter:
        call = reporter.call()
        try:
            async with FaxProvider(
                chosen.engine.listen, settings=chosen.engine, routes=[route], register=False
            ) as provider:
                await provider.poll(
                    wanted.to,
                    wanted.output,
                    selective_address=wanted.selective_address,
                    password=wanted.password,
                    route=route.name,
                    on_event=call.event,
                )
        except AddressError as error:
            raise CommandError(str(error), Exit.BAD_NUMBER) from error
        except ValueError as error:
            raise CommandError(str(error), Exit.USAGE) from error
        except CancelledError:
            # The call has been ended; its result says how far it came.
            if call.result is None:
                raise
    result = call.result
    assert result is not None
    status = exit_for(result)
    kept = str(wanted.output) if result.pages_confirmed else None
    if as_json:
        print_json(result, exit_status=status, file=kept)
    else:
        reporter.line(f"{sentences.of_result(result)}{f' -> {kept}' if kept else ''}")
    return status
