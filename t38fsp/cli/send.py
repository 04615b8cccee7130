"""``t38fsp send``."""

from __future__ import annotations

from asyncio import CancelledError
from pathlib import Path

from t38fsp.address import AddressError
from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for
from t38fsp.cli.options import Chosen
from t38fsp.cli.report import Reporter, print_json
from t38fsp.provider import FaxProvider


def run(document: Path, to: str, chosen: Chosen, as_json: bool) -> Exit:
    return running.run(_send(document, to, chosen, as_json))


async def _send(document: Path, to: str, chosen: Chosen, as_json: bool) -> Exit:
    route = chosen.route
    with Reporter(as_json=as_json) as reporter:
        call = reporter.call()
        try:
            async with FaxProvider(
                chosen.engine.listen, settings=chosen.engine, routes=[route], register=False
            ) as provider:
                await provider.send(document, to, route=route.name, on_event=call.event)
        except AddressError as error:
            raise CommandError(str(error), Exit.BAD_NUMBER) from error
        except CancelledError:
            # The call has been ended; its result says how far it came.
            if call.result is None:
                raise
    result = call.result
    assert result is not None
    status = exit_for(result)
    if as_json:
        print_json(result, exit_status=status)
    else:
        reporter.line(sentences.of_result(result))
    return status
