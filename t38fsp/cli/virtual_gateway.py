"""``t38fsp virtual-gateway``: its options. What it does is in ``t38fsp.cli.gateway_command``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t38fsp.cli.option_groups import LogOptions

if TYPE_CHECKING:
    from t38fsp.cli.exits import Exit

EXITS = (
    "Exit status: with --call as of send; else as of receive: after --count calls 0 when each fax was "
    "complete, else that of the first one that was not. 1 error here, 2 usage, 12 cut off by a signal."
)

_LINE = "Line faults (both directions, not SIP)"


def virtual_gateway(
    *,
    listen: Annotated[
        str, typer.Option(help="Its SIP address, HOST:PORT; port 0 for any.")
    ] = "127.0.0.1:5060",
    quirk: Annotated[
        list[str] | None,
        typer.Option(
            help="What it does wrong: NAME or NAME=VALUE; several times, or several with commas.",
            show_default=False,
        ),
    ] = None,
    list_quirks: Annotated[
        bool, typer.Option("--list-quirks", help="List the quirks, each with its values and a sentence.")
    ] = False,
    output: Annotated[Path, typer.Option(readable=False, help="Directory for the received TIFFs.")] = Path(
        "t38fsp-virtual-gateway"
    ),
    count: Annotated[int, typer.Option(min=0, help="Stop after this many calls; 0 never stops.")] = 0,
    call: Annotated[
        str | None,
        typer.Option(help="Call this SIP URI (or a number, with --via) and send.", show_default=False),
    ] = None,
    document: Annotated[
        Path | None,
        typer.Option(readable=False, help="TIFF Class F file to send, with --call.", show_default=False),
    ] = None,
    via: Annotated[
        str | None,
        typer.Option(help="SIP peer that takes the call: sip:HOST[:PORT].", show_default=False),
    ] = None,
    ecm: Annotated[bool, typer.Option("--ecm/--no-ecm", help="Error correction mode of the machine.")] = True,
    max_rate: Annotated[int, typer.Option(help="Fastest modem rate of the machine in bit/s.")] = 14400,
    station_id: Annotated[str, typer.Option(help="The machine's CSI or TSI: up to 20 characters.")] = "",
    loss: Annotated[
        str | None, typer.Option(help="Share of datagrams lost: 5% or 0.05.", rich_help_panel=_LINE)
    ] = None,
    burst_loss: Annotated[
        str | None,
        typer.Option(help="The same in bursts of LENGTH on average: 5%:8.", rich_help_panel=_LINE),
    ] = None,
    duplication: Annotated[
        str | None, typer.Option(help="Share that arrives twice.", rich_help_panel=_LINE)
    ] = None,
    reordering: Annotated[
        str | None,
        typer.Option(help="Share that is overtaken, and by how much: 2%:100ms.", rich_help_panel=_LINE),
    ] = None,
    delay: Annotated[
        str | None, typer.Option(help="Delay of each datagram: 80ms.", rich_help_panel=_LINE)
    ] = None,
    jitter: Annotated[
        str | None, typer.Option(help="Additional delay of each, up to this: 30ms.", rich_help_panel=_LINE)
    ] = None,
    drift: Annotated[
        str | None,
        typer.Option(help="A sender's clock that is slow, in ppm; fast below 0.", rich_help_panel=_LINE),
    ] = None,
    dead: Annotated[
        str | None,
        typer.Option(help="Interval in which nothing passes: 10s-12s.", rich_help_panel=_LINE),
    ] = None,
    bandwidth: Annotated[
        str | None,
        typer.Option(help="bit/s that pass: 64k; what comes faster is queued.", rich_help_panel=_LINE),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the random faults, to repeat them.", show_default=False),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each call, one per line.")
    ] = False,
    log: LogOptions,
) -> None:
    """Run a T.38 gateway with a fax machine, which misbehaves as the options say.

    It takes calls and keeps their pages, or with --call sends a document:
    to test a program, or to see what a route has to cope with.
    """
    from t38fsp.cli import gateway_command
    from t38fsp.cli.exits import CommandError, Exit
    from t38fsp.cli.fault_options import faults
    from t38fsp.cli.running import finish

    def run() -> Exit:
        if list_quirks:
            return gateway_command.list_quirks(as_json)
        if (call is None) is not (document is None):
            raise CommandError("--call and --document go together; give both, or neither", Exit.USAGE)
        if via is not None and call is None:
            raise CommandError("--via has no effect without --call; give both, or leave it out", Exit.USAGE)
        line = faults(
            {
                "loss": loss,
                "burst-loss": burst_loss,
                "duplication": duplication,
                "reordering": reordering,
                "delay": delay,
                "jitter": jitter,
                "drift": drift,
                "dead": dead,
                "bandwidth": bandwidth,
            }
        )
        at = listen or ("127.0.0.1:5060" if call is None else "0.0.0.0:0")
        machine = gateway_command.Machine(ecm, max_rate, station_id)
        gateway = gateway_command.GatewayPlan.of(at, quirk or [], line, machine, seed)
        if call is not None and document is not None:
            return gateway_command.send(gateway, call, document, via, as_json)
        return gateway_command.receive(gateway, output, count, as_json)

    raise finish(
        run,
        log,
        json_result=as_json and call is not None,
        to=call or "",
        documents=() if document is None else (document,),
    )
