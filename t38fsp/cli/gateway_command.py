"""What ``t38fsp virtual-gateway`` does: takes calls into files, or sends a document."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from sip.line import Incoming
from sip.syntax.errors import SipError
from sip.syntax.uri import Uri
from sip.values import Address
from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for, exit_of_all
from t38fsp.cli.files import new_name, writable
from t38fsp.cli.output import print_line
from t38fsp.cli.report import CallReport, Reporter, print_json
from t38fsp.events import FaxEvent, Finished
from t38fsp.image.errors import DocumentError, StoreError
from t38fsp.image.room import check_room
from t38fsp.results import FaxResult
from t38fsp.settings.address import AddressError, listen_address, peer_address, target_uri
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.virtual.documents import DocumentFile, GrowingFile
from t38fsp.virtual.gateway_call import GatewayCall
from t38fsp.virtual.hooks import Quirk
from t38fsp.virtual.network import Faults
from t38fsp.virtual.quirks import QUIRKS, QuirkError, consequence, describe, parse_quirks, summary
from t38fsp.virtual.sockets import SocketGateway


@dataclass(frozen=True, slots=True)
class Machine:
    """The fax machine behind the gateway."""

    ecm: bool
    max_rate: int
    station_id: str


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """The gateway as the options describe it."""

    listen: Address
    quirks: tuple[Quirk, ...]
    faults: Faults
    transmit: TransmitOptions
    receive: ReceiveOptions
    seed: int | None

    @classmethod
    def of(
        cls, listen: str, quirks: list[str], faults: Faults, machine: Machine, seed: int | None
    ) -> GatewayPlan:
        """Raises CommandError."""
        try:
            return cls(
                listen_address(listen),
                parse_quirks(",".join(quirks)),
                faults,
                TransmitOptions(machine.station_id, machine.ecm, machine.max_rate),
                ReceiveOptions(machine.station_id, machine.ecm, max_rate=machine.max_rate),
                seed,
            )
        except AddressError as error:
            raise CommandError(f"--listen {error}", Exit.USAGE) from error
        except QuirkError as error:
            raise CommandError(f"{error}; --list-quirks lists them all", Exit.USAGE) from error
        except ValueError as error:
            raise CommandError(str(error), Exit.USAGE) from error

    def gateway(self) -> SocketGateway:
        return SocketGateway(self.listen, self.quirks, self.faults, random=Random(self.seed))


def list_quirks(as_json: bool) -> Exit:
    """Print every quirk with its values, or those that hold when none are given."""
    for name, kind in QUIRKS.items():
        usual = describe(kind())
        if as_json:
            roles = sorted(role.name.lower() for role in kind.roles)
            entry = {
                "name": name,
                "usual": usual,
                "does": summary(kind),
                "consequence": consequence(kind),
                "roles": roles,
            }
            print_line(json.dumps(entry), sys.stdout)
        else:
            print_line(f"{usual:24} {summary(kind)}", sys.stdout)
    return Exit.COMPLETED


# --- sending ------------------------------------------------------------------------------------------------


def send(plan: GatewayPlan, to: str, document: Path, via: str | None, as_json: bool) -> Exit:
    """Raises CommandError."""
    try:
        peer = None if via is None else peer_address(via)
        target = target_uri(to, peer)
        loaded = DocumentFile(document)
    except AddressError as error:
        raise CommandError(str(error), Exit.BAD_NUMBER) from error
    except DocumentError as error:
        raise CommandError(str(error), Exit.BAD_DOCUMENT) from error
    return running.run(_send(plan, target, loaded, peer, as_json))


async def _send(plan: GatewayPlan, target: str, loaded: DocumentFile, via: str | None, as_json: bool) -> Exit:
    gateway = plan.gateway()
    over = asyncio.Event()
    with Reporter(as_json=as_json) as reporter:
        report = reporter.call()

        def on_event(call: GatewayCall, event: FaxEvent) -> None:
            report.event(event)
            if isinstance(event, Finished):
                over.set()

        # Set before the gateway is started: no event of a call can be missed.
        gateway.on_event = on_event
        call = None
        await _start(gateway)
        try:
            report.line(f"calling {target}")
            call = await gateway.call(target, loaded, plan.transmit, via=via)
            await over.wait()
        except asyncio.CancelledError:
            # The call is ended; its result has the pages sent so far.
            if call is None:
                raise
        except SipError as error:
            raise CommandError(str(error), Exit.BAD_NUMBER) from error
        except OSError as error:
            raise CommandError(str(error), Exit.LINE_UNAVAILABLE) from error
        finally:
            await gateway.close()
    result = call.result
    if result is None:
        raise CommandError("cancelled; the far end did not confirm the end of the call", Exit.CANCELLED)
    status = exit_for(result)
    if as_json:
        print_json(result, exit_status=status, target=target, quirks=_shown(plan, call))
    else:
        _show(reporter.result, plan, call, result)
    return status


async def _start(gateway: SocketGateway) -> Address:
    try:
        return await gateway.start()
    except SipError as error:
        raise CommandError(str(error), Exit.ERROR) from error


# --- receiving ----------------------------------------------------------------------------------------------


def receive(plan: GatewayPlan, output: Path, count: int, as_json: bool) -> Exit:
    """Raises CommandError."""
    writable(output)
    return running.run(_receive(plan, output, count, as_json))


async def _receive(plan: GatewayPlan, output: Path, count: int, as_json: bool) -> Exit:
    with Reporter(as_json=as_json) as reporter:
        gateway = plan.gateway()
        receiver = _Receiver(plan, output, count, as_json, reporter)
        gateway.on_event = receiver.on_event
        host, port = await _start(gateway)
        gateway.answer_calls(receiver.file_for, plan.receive)
        reporter.line(f"listening on {Uri('sip', None, host, port)}")
        try:
            await receiver.done.wait()
        except asyncio.CancelledError:
            # First: this ends the calls in progress, whose results then count, too.
            await gateway.close()
            return exit_of_all(receiver.exits, stopped=True)
        await gateway.close()
    return exit_of_all(receiver.exits)


@dataclass(slots=True)
class _Fax:
    """One incoming call, and where its pages go."""

    caller: str
    called: str
    file: GrowingFile
    report: CallReport


@dataclass(slots=True)
class _Receiver:
    """Gives each call a file, and prints its result."""

    plan: GatewayPlan
    output: Path
    count: int
    as_json: bool
    reporter: Reporter
    exits: list[Exit] = field(default_factory=list)
    """How the calls so far ended."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    _faxes: dict[int, _Fax] = field(default_factory=dict)
    _taken: int = 0

    def file_for(self, incoming: Incoming) -> GrowingFile:
        """Where the pages of a call go. Raises OSError when there is no room, or enough calls were taken."""
        # The gateway refuses a call for which there is no file (OSError). Calls are counted as they are
        # taken and not as they end, because several can be in progress.
        if self._taken == self.count != 0:
            raise OSError("the given number of calls has been taken")
        number = self._taken + 1
        name = new_name(self.output, number)
        try:
            check_room(name)
        except StoreError as error:
            raise OSError(str(error)) from error
        file = GrowingFile(name, beside=True)
        self._taken = number
        report = self.reporter.call(f"[{number}] ")
        report.line(f"call from {incoming.caller}")
        self._faxes[incoming.call] = _Fax(incoming.caller, incoming.called, file, report)
        return file

    def on_event(self, call: GatewayCall, event: FaxEvent) -> None:
        fax = self._faxes[call.line_call]
        fax.report.event(event)
        if not isinstance(event, Finished):
            return
        del self._faxes[call.line_call]
        with suppress(OSError):
            # The pages are there, whatever becomes of their count.
            fax.file.finish()
        file = str(fax.file.path) if fax.file.pages else None
        self._conclude(call, fax, replace(event.result, file=file))

    def _conclude(self, call: GatewayCall, fax: _Fax, result: FaxResult) -> None:
        status = exit_for(result)
        self.exits.append(status)
        if self.as_json:
            print_json(
                result,
                exit_status=status,
                caller=fax.caller,
                called=fax.called,
                quirks=_shown(self.plan, call),
            )
        else:
            _show(fax.report.tell, self.plan, call, result)
        if len(self.exits) == self.count:
            self.done.set()


def _shown(plan: GatewayPlan, call: GatewayCall) -> dict[str, int]:
    """How often each quirk took effect, of those that can be counted."""
    return {describe(quirk): call.happened[quirk.name] for quirk in plan.quirks}


def _show(show: Callable[[str], None], plan: GatewayPlan, call: GatewayCall, result: FaxResult) -> None:
    times = {quirk: times for quirk, times in _shown(plan, call).items() if times}
    if times:
        show(f"quirks that took effect: {', '.join(f'{quirk} ({n})' for quirk, n in times.items())}")
    show(sentences.of_result(result))
