"""Commands and options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from t38fsp.cli.exits import Exit
from t38fsp.cli.report import fail
from t38fsp.jobs import CallSettings, Switch

app = typer.Typer(
    name="t38fsp",
    help="Send and receive fax over SIP and T.38.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_EXITS = (
    "Exit status: 0 every page confirmed, 1 error here, 2 usage, 3 busy, 4 no answer, 5 bad number, "
    "6 not a fax, 7 only some pages confirmed, 8 cut off, 9 line unavailable, 10 fax failed, "
    "11 bad document, 12 cancelled."
)

Json = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object; progress goes to stderr.")
]


def host_port(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[IPv6]:PORT``; ends the program with a sentence when it is neither."""
    from sip.errors import ParseError
    from sip.uri import parse_host_port

    try:
        host, port = parse_host_port(text)
    except ParseError as error:
        raise fail(f"--listen {text!r}: {error}", Exit.USAGE) from error
    if port is None and text.rpartition(":")[2] == "0":
        port = 0
    if port is None:
        raise fail(f"--listen {text!r} has no port; write it as HOST:PORT, port 0 for any", Exit.USAGE)
    return host, port


@app.command(epilog=_EXITS)
def demo(
    output: Annotated[Path, typer.Option(help="Directory for the sample and the received TIFF.")] = Path(
        "t38fsp-demo"
    ),
    as_json: Json = False,
) -> None:
    """Send the sample to a receiver on this machine, over real SIP and T.38, and compare the pages."""
    from t38fsp.cli import demo as command

    raise SystemExit(command.run(output, as_json))


@app.command(epilog=_EXITS)
def send(
    document: Annotated[Path, typer.Argument(help="TIFF Class F file.", show_default=False)],
    to: Annotated[
        str, typer.Option(help="Number, or SIP URI such as sip:+15550100@trunk.example.", show_default=False)
    ],
    via: Annotated[
        str | None, typer.Option(help="SIP peer that takes the call: sip:HOST[:PORT].", show_default=False)
    ] = None,
    caller: Annotated[
        str | None, typer.Option("--from", help="SIP URI of the caller.", show_default=False)
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="User name for digest authentication.", show_default=False)
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password; or set T38FSP_PASSWORD.", show_default=False)
    ] = None,
    switch: Annotated[Switch, typer.Option(help="Who switches to T.38.")] = Switch.CALLEE,
    ecm: Annotated[bool, typer.Option("--ecm/--no-ecm", help="Error correction mode.")] = True,
    max_rate: Annotated[int, typer.Option(help="Fastest modem rate in bit/s.")] = 14400,
    station_id: Annotated[str, typer.Option(help="Our TSI: up to 20 digits, spaces and +.")] = "",
    listen: Annotated[str, typer.Option(help="Our SIP address, HOST:PORT; port 0 for any.")] = "0.0.0.0:0",
    as_json: Json = False,
) -> None:
    """Send a document; exit status 0 means that every page was confirmed."""
    from t38fsp.cli import send as command

    settings = _settings(switch=switch, ecm=ecm, max_rate=max_rate, station_id=station_id)
    password = _password(user, password_file)
    request = command.Request(document, to, via, caller, user, password, settings, host_port(listen), as_json)
    raise SystemExit(command.run(request))


@app.command(epilog=_EXITS)
def receive(
    output: Annotated[Path, typer.Option(help="Directory for the received TIFFs.", show_default=False)],
    listen: Annotated[str, typer.Option(help="Our SIP address, HOST:PORT; port 0 for any.")] = "0.0.0.0:5060",
    count: Annotated[int, typer.Option(min=0, help="Stop after this many calls; 0 never stops.")] = 0,
    switch: Annotated[Switch, typer.Option(help="Who switches to T.38.")] = Switch.CALLEE,
    ecm: Annotated[bool, typer.Option("--ecm/--no-ecm", help="Error correction mode.")] = True,
    max_rate: Annotated[int, typer.Option(help="Fastest modem rate in bit/s.")] = 14400,
    station_id: Annotated[str, typer.Option(help="Our CSI: up to 20 digits, spaces and +.")] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each fax, one per line.")
    ] = False,
) -> None:
    """Take incoming faxes, each into a TIFF of its own."""
    from t38fsp.cli import receive as command

    settings = _settings(switch=switch, ecm=ecm, max_rate=max_rate, station_id=station_id)
    raise SystemExit(command.run(output, host_port(listen), count, settings, as_json))


def _settings(*, switch: Switch, ecm: bool, max_rate: int, station_id: str) -> CallSettings:
    try:
        return CallSettings(switch=switch, ecm=ecm, max_rate=max_rate, station_id=station_id)
    except ValueError as error:
        raise fail(str(error), Exit.USAGE) from error


def _password(user: str | None, file: Path | None) -> str:
    if user is None:
        if file is not None:
            raise fail("--password-file is of no use without --user", Exit.USAGE)
        return ""
    if file is None:
        password = os.environ.get("T38FSP_PASSWORD", "")
        if not password:
            raise fail("--user needs --password-file or the environment variable T38FSP_PASSWORD", Exit.USAGE)
        return password
    try:
        return file.read_text().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"the password file {file} cannot be read: {error}", Exit.USAGE) from error


def main() -> None:
    """Entry point of ``t38fsp``."""
    app()
