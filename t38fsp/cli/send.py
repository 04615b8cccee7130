"""``t38fsp send``."""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import dataclass, field
from pathlib import Path

from sip.line import Credentials
from t38fsp.address import AddressError
from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for
from t38fsp.cli.report import Reporter, print_json
from t38fsp.jobs import CallSettings
from t38fsp.provider import FaxProvider


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    document: Path
    to: str
    via: str | None
    caller: str | None
    user: str | None
    password: str = field(repr=False)
    settings: CallSettings
    listen: tuple[str, int]
    as_json: bool


def run(request: Request) -> Exit:
    return running.run(_send(request))


async def _send(request: Request) -> Exit:
    credentials = None if request.user is None else Credentials(request.user, request.password)
    with Reporter(as_json=request.as_json) as reporter:
        call = reporter.call()
        try:
            async with FaxProvider(request.listen) as provider:
                await provider.send(
                    request.document,
                    request.to,
                    via=request.via,
                    caller=request.caller,
                    credentials=credentials,
                    settings=request.settings,
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
    if request.as_json:
        print_json(result, exit_status=status)
    else:
        reporter.line(sentences.of_result(result))
    return status
