"""``t38fsp send``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from sip.line import Credentials
from t38fsp.address import AddressError
from t38fsp.cli import running
from t38fsp.cli.exits import Exit, exit_for
from t38fsp.cli.report import Reporter, fail, print_json, result_sentence
from t38fsp.events import FaxEvent, Finished
from t38fsp.jobs import CallSettings
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult


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
    result: FaxResult | None = None
    credentials = None if request.user is None else Credentials(request.user, request.password)
    with Reporter(as_json=request.as_json) as reporter:

        def on_event(event: FaxEvent) -> None:
            nonlocal result
            if isinstance(event, Finished):
                result = event.result
            reporter.event(event)

        try:
            async with FaxProvider(request.listen) as provider:
                await provider.send(
                    request.document,
                    request.to,
                    via=request.via,
                    caller=request.caller,
                    credentials=credentials,
                    settings=request.settings,
                    on_event=on_event,
                )
        except AddressError as error:
            raise fail(str(error), Exit.BAD_NUMBER) from error
        except asyncio.CancelledError:
            # The call has been ended; its result says how far it came.
            if result is None:
                raise
    assert result is not None
    if request.as_json:
        print_json(result)
    else:
        reporter.line(result_sentence(result))
    return exit_for(result)
