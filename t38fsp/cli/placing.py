"""A command that places one call through the route that was chosen."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable

from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.options import Chosen
from t38fsp.cli.report import CallReport, Reporter
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult
from t38fsp.settings.address import AddressError, NoPeerError


async def placed(
    chosen: Chosen, reporter: Reporter, place: Callable[[FaxProvider, CallReport], Awaitable[object]]
) -> FaxResult:
    """The result of the call that ``place`` makes, also when it was cancelled. Raises CommandError."""
    with reporter:
        call = reporter.call()
        try:
            async with FaxProvider(
                chosen.engine.listen, settings=chosen.engine, routes=chosen.routes, register=False
            ) as provider:
                await place(provider, call)
        except NoPeerError as error:
            raise CommandError(
                f"{error.number} needs a SIP peer to call it through: --via sip:HOST, a route with a peer, "
                f"or sip:{error.number}@HOST",
                Exit.BAD_NUMBER,
            ) from error
        except AddressError as error:
            raise CommandError(str(error), Exit.BAD_NUMBER) from error
        except CancelledError:
            # The call has been ended; its result has the pages sent so far.
            if call.result is None:
                raise
    assert call.result is not None
    return call.result
