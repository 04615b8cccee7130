"""``t38fsp receive``."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sip.ipc.system import usable_cores
from sip.logs import get_logger
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Backend
from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for, exit_of_all
from t38fsp.cli.files import writable
from t38fsp.cli.options import Chosen, of_setting
from t38fsp.cli.report import CallReport, Reporter, print_json
from t38fsp.errors import SettingError
from t38fsp.image.errors import DocumentError, ImageError
from t38fsp.image.pool import ImagePool
from t38fsp.jobs import EngineSettings, PollOffer
from t38fsp.provider import FaxProvider, IncomingFax
from t38fsp.received.inbox import Inbox, ReceivedFax
from t38fsp.t30.options import PollDocument

_logger = get_logger(__name__)


def run(output: Path, chosen: Chosen, count: int, as_json: bool, offer: PollOffer | None) -> Exit:
    writable(output)
    return running.run(_receive(output, chosen, count, as_json, offer))


def offer_of(document: Path | None, selective_address: str, password: str) -> PollOffer | None:
    """What callers may poll. Raises CommandError."""
    if document is None:
        if selective_address or password:
            raise CommandError("--selective-address and --password need --offer", Exit.USAGE)
        return None
    try:
        # Before the address is bound: no caller may find an offer that cannot be sent.
        asyncio.run(_inspect(document))
        return PollOffer(str(document), PollDocument(selective_address, password))
    except DocumentError as error:
        raise CommandError(str(error), Exit.BAD_DOCUMENT) from error
    except ImageError as error:
        raise CommandError(str(error), Exit.ERROR) from error
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from error


async def _inspect(document: Path) -> None:
    """Raises ImageError if it cannot be faxed."""
    async with ImagePool(1) as images:
        await images.inspect(document)


def workers_for(engine: EngineSettings, backend: Backend | None, count: int) -> int:
    """Engine processes: by default one per core for a service, one for a command that ends by itself."""
    if engine.workers is not None:
        return engine.workers
    # The processes share the address through a signalling process with our own stack, over Unix sockets.
    # With --signalling the address belongs to such a process already.
    shares = count == 0 and engine.signalling is None and (backend or engine.backend) is Backend.OWN
    return usable_cores() if shares and hasattr(socket, "AF_UNIX") else 1


async def _receive(output: Path, chosen: Chosen, count: int, as_json: bool, offer: PollOffer | None) -> Exit:
    backend = None if chosen.route is None else chosen.route.backend
    engine = replace(chosen.engine, workers=workers_for(chosen.engine, backend, count))
    with Reporter(as_json=as_json) as reporter:
        inbox = Inbox(output, chosen.inbox)
        receiver = _Receiver(inbox, chosen.call, offer, as_json, reporter)
        try:
            async with (
                inbox,
                FaxProvider(
                    engine.listen,
                    accept_calls=True,
                    settings=engine,
                    routes=chosen.routes,
                    on_registration=lambda event: reporter.line(sentences.of_registration(event)),
                ) as provider,
            ):
                for line in sentences.of_addresses(provider.addresses):
                    reporter.line(line)
                await receiver.serve(provider, count)
        except SettingError as error:
            raise of_setting(error) from error
        except asyncio.CancelledError:
            return exit_of_all(receiver.exits, stopped=True)
    return exit_of_all(receiver.exits)


@dataclass(slots=True)
class _Receiver:
    """Takes calls, each into its own files."""

    inbox: Inbox
    settings: CallSettings
    offer: PollOffer | None
    as_json: bool
    reporter: Reporter
    exits: list[Exit] = field(default_factory=list)
    """How the calls so far ended."""

    async def serve(self, provider: FaxProvider, count: int) -> None:
        """Take ``count`` calls (0: all that come), several at once; return when they are over."""
        async with asyncio.TaskGroup() as faxes:
            taken = 0
            async for call in provider.calls():
                taken += 1
                faxes.create_task(self._take(call, taken))
                if taken == count:
                    break
            # Calls beyond --count, while those that were taken go on: without an answer they would ring on.
            others = asyncio.create_task(_refuse_all(provider))
        others.cancel()

    async def _take(self, call: IncomingFax, number: int) -> None:
        """Never raises but CancelledError: a fault in one call must not end the others."""
        report = self.reporter.call(f"[{number}] ")
        report.line(f"call from {call.caller}")
        try:
            await self.inbox.take(
                call,
                settings=self.settings,
                offer=self.offer,
                on_event=report.event,
                on_received=partial(self._tell, call, report),
            )
        except Exception:
            _logger.exception("call %d failed with an internal error", number)
            self.exits.append(Exit.ERROR)
        finally:
            report.close()

    def _tell(self, call: IncomingFax, report: CallReport, received: ReceivedFax) -> None:
        """Also of a call that was cancelled: it has a result, and perhaps pages."""
        result = received.result
        status = exit_for(result)
        if received.failed and status is Exit.COMPLETED:
            status = Exit.ERROR
        self.exits.append(status)
        if self.as_json:
            files = {"tiff": received.tiff, "pdf": received.pdf, "sidecar": received.sidecar}
            print_json(result, exit_status=status, caller=call.caller, called=call.called, files=files)
        else:
            report.tell(sentences.of_result(result, received.files))


async def _refuse_all(provider: FaxProvider) -> None:
    async for call in provider.calls():
        call.refuse()
