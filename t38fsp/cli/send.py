"""``t38fsp send``."""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import dataclass
from pathlib import Path

from t38fsp.address import AddressError
from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for
from t38fsp.cli.options import Chosen
from t38fsp.cli.report import Reporter, print_json
from t38fsp.jobs import Addressing
from t38fsp.provider import FaxProvider


@dataclass(frozen=True, slots=True)
class Fax:
    """What to send, and to whom."""

    document: Path
    to: str
    first_page: int = 1
    sub_address: str = ""
    sender_id: str = ""


def run(fax: Fax, chosen: Chosen, as_json: bool) -> Exit:
    try:
        addressing = Addressing(fax.sub_address, fax.sender_id)
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    return running.run(_send(fax, addressing, chosen, as_json))


async def _send(fax: Fax, addressing: Addressing, chosen: Chosen, as_json: bool) -> Exit:
    route = chosen.route
    with Reporter(as_json=as_json) as reporter:
        call = reporter.call()
        try:
            async with FaxProvider(
                chosen.engine.listen, settings=chosen.engine, routes=[route], register=False
            ) as provider:
                await provider.send(
                    fax.document,
                    fax.to,
                    route=route.name,
                    resume=fax.first_page,
                    addressing=addressing,
                    on_event=call.event,
                )
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
        print_json(result, exit_status=status, next_page=result.next_page)
    else:
        reporter.line(sentences.of_result(result))
        # A document that could not be read has no pages to go on with.
        if result.pages and (result.next_page or 1) > 1:
            reporter.line(f"to send only the rest: --resume-from {result.next_page}")
    return status
