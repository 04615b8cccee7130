"""Commands and options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from sip.errors import ParseError
from sip.uri import parse_host_port
from t38fsp import __version__
from t38fsp.address import AddressError, caller_address
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.running import finish
from t38fsp.jobs import CallSettings, Switch

app = typer.Typer(
    name="t38fsp",
    help="Send and receive fax over SIP and T.38.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_EXITS = (
    "Exit status: 0 every page confirmed, 1 error here (a port in use, a directory that cannot be written), "
    "2 usage, 3 busy, 4 no answer, 5 bad number or address, 6 not a fax, 7 only some pages confirmed, "
    "8 cut off, 9 line unavailable, 10 fax failed, 11 bad document, 12 cancelled by SIGINT or SIGTERM."
)
_RECEIVE_EXITS = (
    "Exit status: after --count calls 0 when each fax was complete, else that of the first one that was not, "
    "as in send. After SIGINT or SIGTERM 0, or 12 when a call was cut off by it. 1 error here, 2 usage."
)

Json = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object; progress goes to stderr.")
]
MaxRate = Annotated[int, typer.Option(help="Fastest modem rate in bit/s.")]
WhoSwitches = Annotated[Switch, typer.Option(help="Who switches to T.38.")]
Correction = Annotated[bool, typer.Option("--ecm/--no-ecm", help="Error correction mode.")]

_LONGEST_PASSWORD = 1024


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"t38fsp {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Send and receive fax over SIP and T.38."""


@app.command(epilog=_EXITS)
def demo(
    output: Annotated[Path, typer.Option(help="Directory for the sample and the received TIFF.")] = Path(
        "t38fsp-demo"
    ),
    as_json: Json = False,
) -> None:
    """Send the sample to a receiver on this machine, over real SIP and T.38, and compare the pages."""
    from t38fsp.cli import demo as command

    raise finish(lambda: command.run(output, as_json), json_result=as_json)


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
    switch: WhoSwitches = Switch.CALLEE,
    ecm: Correction = True,
    max_rate: MaxRate = 14400,
    station_id: Annotated[
        str, typer.Option(help="Our TSI: up to 20 characters, usually digits, spaces and +.")
    ] = "",
    listen: Annotated[str, typer.Option(help="Our SIP address, HOST:PORT; port 0 for any.")] = "0.0.0.0:0",
    as_json: Json = False,
) -> None:
    """Send a document; exit status 0 means that every page was confirmed."""
    from t38fsp.cli import send as command

    def run() -> Exit:
        settings = _settings(switch=switch, ecm=ecm, max_rate=max_rate, station_id=station_id)
        password = _password(user, password_file)
        address = _host_port(listen)
        identity = None if caller is None else _caller(caller)
        return command.run(
            command.Request(document, to, via, identity, user, password, settings, address, as_json)
        )

    raise finish(run, json_result=as_json)


@app.command(epilog=_RECEIVE_EXITS)
def receive(
    output: Annotated[Path, typer.Option(help="Directory for the received TIFFs.", show_default=False)],
    listen: Annotated[str, typer.Option(help="Our SIP address, HOST:PORT; port 0 for any.")] = "0.0.0.0:5060",
    count: Annotated[int, typer.Option(min=0, help="Stop after this many calls; 0 never stops.")] = 0,
    switch: WhoSwitches = Switch.CALLEE,
    ecm: Correction = True,
    max_rate: MaxRate = 14400,
    station_id: Annotated[
        str, typer.Option(help="Our CSI: up to 20 characters, usually digits, spaces and +.")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each fax, one per line.")
    ] = False,
) -> None:
    """Take incoming faxes, each into a TIFF of its own."""
    from t38fsp.cli import receive as command

    def run() -> Exit:
        settings = _settings(switch=switch, ecm=ecm, max_rate=max_rate, station_id=station_id)
        return command.run(output, _host_port(listen), count, settings, as_json)

    raise finish(run)


def _host_port(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[IPv6]:PORT``. Raises CommandError."""
    # Port 0, "any", is no port of an address, but means something here.
    host_text, _, port_text = text.rpartition(":")
    try:
        host, port = parse_host_port(host_text if port_text == "0" else text)
    except ParseError as error:
        raise CommandError(f"--listen {text!r}: {error}", Exit.USAGE) from error
    if port_text == "0":
        port = 0
    if port is None:
        raise CommandError(
            f"--listen {text!r} has no port; write it as HOST:PORT, with port 0 for any", Exit.USAGE
        )
    return host, port


def _settings(*, switch: Switch, ecm: bool, max_rate: int, station_id: str) -> CallSettings:
    try:
        return CallSettings(switch=switch, ecm=ecm, max_rate=max_rate, station_id=station_id)
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from error


def _caller(text: str) -> str:
    try:
        return caller_address(text)
    except AddressError as error:
        raise CommandError(f"--from {error}", Exit.USAGE) from error


def _password(user: str | None, file: Path | None) -> str:
    if user is None:
        if file is not None:
            raise CommandError("--password-file is of no use without --user", Exit.USAGE)
        return ""
    if file is None:
        password = os.environ.get("T38FSP_PASSWORD", "")
        if not password:
            raise CommandError(
                "--user needs --password-file or the environment variable T38FSP_PASSWORD", Exit.USAGE
            )
        return password
    try:
        with file.open(encoding="utf-8") as stream:
            password = stream.read(_LONGEST_PASSWORD + 1).rstrip("\r\n")
    except OSError as error:
        raise CommandError(
            f"the password file {file} cannot be read: {error.strerror}; check its name", Exit.USAGE
        ) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"the password file {file} is not text in UTF-8", Exit.USAGE) from error
    if not password or len(password) > _LONGEST_PASSWORD or not password.isprintable():
        raise CommandError(
            f"the password file {file} must hold one line, the password, and nothing else", Exit.USAGE
        )
    return password


def main() -> None:
    """Entry point of ``t38fsp``."""
    app()
