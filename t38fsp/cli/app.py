"""Commands and options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import getdoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t38fsp import __version__
from t38fsp.choices import FileFormat
from t38fsp.cli import virtual_gateway
from t38fsp.cli.option_groups import (
    ConfigFile,
    CoverOptions,
    DocumentPassword,
    FaxOptions,
    InboxOptions,
    LogOptions,
    OwnEndOptions,
    PageOptions,
    PeerOptions,
    RouteName,
    SignallingSocket,
    Stack,
    as_settings,
    spread,
)
from t38fsp.cli.usage import CommandGroup

if TYPE_CHECKING:
    from t38fsp.cli.exits import Exit
    from t38fsp.cli.options import Given

app = typer.Typer(
    name="t38fsp",
    cls=CommandGroup,
    help="Send and receive fax over SIP and T.38.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    # A traceback from here is a defect to be reported; those of rich are cut to the width of the terminal
    # and can print local variables, passwords among them.
    pretty_exceptions_enable=False,
    # Frames around the help would take as long to import as all the rest of it.
    rich_markup_mode=None,
)

_EXITS = (
    "Exit status: 0 every page confirmed, 1 error here (a port in use, a directory that cannot be written), "
    "2 usage, 3 busy, 4 no answer, 5 bad number or address, 6 not a fax, 7 only some pages confirmed, "
    "8 cut off, 9 line unavailable, 10 fax failed, 11 bad document, "
    "12 cancelled by a signal (INT, TERM, HUP), "
    "13 a fax machine was heard, but the call never switched to T.38."
)
_RECEIVE_EXITS = (
    "Exit status: after --count calls 0 when each fax was complete, else that of the first one that was "
    "not, as in send. After a signal (INT, TERM, HUP) 0, or 12 when it cut off a call or the start. "
    "1 error here, also of --exec, 2 usage, 11 a document of --offer that cannot be faxed."
)

Json = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object; progress goes to stderr.")
]
Documents = Annotated[
    list[Path],
    # readable=False, here and at all other paths: click's own check would be a usage error (2), where a
    # document that cannot be read has a status of its own (11) and a message that names the remedy.
    typer.Argument(
        readable=False,
        help="PDF, picture, text, office file or TIFF-F; several: one fax.",
        show_default=False,
    ),
]
HeaderLine = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Line at the top of each page: date, sender, receiver, page; none unless the route sets it.",
    ),
]
SelectiveAddress = Annotated[
    str, typer.Option(help="Which document is polled (SEP): up to 20 characters, usually digits.")
]
Password = Annotated[
    str, typer.Option(help="Password of the document (PWD), which the network hears: up to 20 characters.")
]


def _finish(
    command: Callable[[], Exit],
    log: LogOptions,
    *,
    json_result: bool = False,
    to: str = "",
    documents: Sequence[Path] = (),
) -> SystemExit:
    """Import what runs commands only for one that runs, not for help or completion."""
    from t38fsp.cli.running import finish

    return finish(command, log, json_result=json_result, to=to, documents=documents)


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
@spread
def demo(
    *,
    output: Annotated[
        Path, typer.Option(readable=False, help="Directory for the sample and the received TIFF.")
    ] = Path("t38fsp-demo"),
    as_json: Json = False,
    log: LogOptions,
) -> None:
    """Send the sample to a receiver on this machine, over real SIP and T.38, and compare the pages."""
    from t38fsp.cli import demo as command

    raise _finish(lambda: command.run(output, as_json), log, json_result=as_json)


@app.command(epilog=_EXITS)
@spread
def send(
    *,
    documents: Documents,
    to: Annotated[
        str, typer.Option(help="Number, or SIP URI such as sip:+15550100@trunk.example.", show_default=False)
    ],
    peer: PeerOptions,
    fax: FaxOptions,
    station_id: Annotated[
        str | None, typer.Option(help="Our TSI: up to 20 characters, usually digits, spaces and +.")
    ] = None,
    header: HeaderLine = None,
    resume_from: Annotated[
        int, typer.Option(min=1, help="Page to begin with, after a call that sent those before it.")
    ] = 1,
    sub_address: Annotated[
        str, typer.Option(help="Whom the far end is to pass the fax on to (SUB): up to 20 characters.")
    ] = "",
    sender_id: Annotated[
        str, typer.Option(help="Who sends, for a far end that passes faxes on (SID): up to 20 characters.")
    ] = "",
    cover: CoverOptions,
    pages: PageOptions,
    document_password_file: DocumentPassword = None,
    end: OwnEndOptions,
    as_json: Json = False,
    log: LogOptions,
) -> None:
    """Send documents as one fax; exit status 0 means that every page was confirmed."""
    from t38fsp.cli import send as command
    from t38fsp.cli.covers import cover_of
    from t38fsp.cli.options import choose

    def run() -> Exit:
        given = _given(peer, fax, end, station_id=station_id, header=header, **as_settings(pages))
        # Read before the address is bound and any call placed: a wrong file is a usage error.
        secret = command.password_in(document_password_file)
        first = cover_of(cover)
        what = command.FaxToSend(tuple(documents), to, resume_from, sub_address, sender_id, secret, first)
        # Port 0: 5060 may belong to a receiver on this machine, and a caller can be reached at any port.
        return command.run(what, choose(given, port=0), as_json)

    raise _finish(run, log, json_result=as_json, to=to, documents=documents)


@app.command(
    epilog="Exit status: 0, 1 error here (a directory that cannot be written), 2 usage, "
    "5 bad number or address, 11 bad document."
)
@spread
def preview(
    *,
    documents: Documents,
    output: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Write the pages: pages.pdf, or pages-%d.png for a file each.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str, typer.Option(help="Number or SIP URI, for header line and cover page.", show_default=False)
    ] = "",
    route: RouteName = None,
    config: ConfigFile = None,
    caller: Annotated[
        str | None, typer.Option("--from", help="SIP URI of the caller.", show_default=False)
    ] = None,
    fax: FaxOptions,
    station_id: Annotated[
        str | None, typer.Option(help="Our TSI: up to 20 characters, usually digits, spaces and +.")
    ] = None,
    header: HeaderLine = None,
    cover: CoverOptions,
    pages: PageOptions,
    document_password_file: DocumentPassword = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    log: LogOptions,
) -> None:
    """Show what send would send, with the time that each page takes; nothing is called."""
    from t38fsp.cli import preview as command
    from t38fsp.cli.covers import cover_of
    from t38fsp.cli.options import choose
    from t38fsp.cli.send import FaxToSend, password_in

    def run() -> Exit:
        # The options that concern a peer or our own address are left out on purpose: nothing is called.
        given = _given(
            PeerOptions(route, config, caller=caller),
            fax,
            OwnEndOptions(),
            station_id=station_id,
            header=header,
            **as_settings(pages),
        )
        secret = password_in(document_password_file)
        what = FaxToSend(tuple(documents), to, password=secret, cover=cover_of(cover))
        return command.run(what, choose(given, port=0), output, as_json)

    raise _finish(run, log)


@app.command(epilog=_EXITS)
@spread
def poll(
    *,
    to: Annotated[
        str, typer.Option(help="Number, or SIP URI such as sip:+15550100@trunk.example.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option(
            readable=False,
            help="The file to make of the document, a new one; with --format both, the other is beside it.",
            show_default=False,
        ),
    ],
    format: Annotated[
        FileFormat | None,
        typer.Option(help="Files of the document; pdf for the suffix .pdf and tiff for others by default."),
    ] = None,
    selective_address: SelectiveAddress = "",
    password: Password = "",
    peer: PeerOptions,
    fax: FaxOptions,
    station_id: Annotated[
        str | None, typer.Option(help="Our CIG: up to 20 characters, usually digits, spaces and +.")
    ] = None,
    end: OwnEndOptions,
    as_json: Json = False,
    log: LogOptions,
) -> None:
    """Call a fax machine, and fetch the document that it has ready to be polled."""
    from t38fsp.cli import poll as command
    from t38fsp.cli.options import choose

    def run() -> Exit:
        given = _given(peer, fax, end, station_id=station_id)
        wanted = command.Wanted(to, output, format, selective_address, password)
        return command.run(wanted, choose(given, port=0), as_json)

    raise _finish(run, log, json_result=as_json, to=to)


@app.command(epilog=_RECEIVE_EXITS)
@spread
def receive(
    *,
    output: Annotated[
        Path, typer.Option(readable=False, help="Directory for the received faxes.", show_default=False)
    ],
    inbox: InboxOptions,
    route: RouteName = None,
    config: ConfigFile = None,
    listen: Annotated[
        str | None,
        typer.Option(help="Our SIP address, HOST:PORT, port 0 for any; 0.0.0.0:5060 unless set in the file."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="Network or address that may call, beside this machine and the route's peer; any for all."
        ),
    ] = None,
    signalling: SignallingSocket = None,
    backend: Stack = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Engine processes for the calls; one per core (one with --count) unless set in the file."
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=0, help="Stop after this many calls; 0 never stops.")] = 0,
    fax: FaxOptions,
    station_id: Annotated[
        str | None, typer.Option(help="Our CSI: up to 20 characters, usually digits, spaces and +.")
    ] = None,
    offer: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Document that a caller may poll instead of sending.",
            show_default=False,
        ),
    ] = None,
    selective_address: SelectiveAddress = "",
    password: Password = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each fax, one per line.")
    ] = False,
    log: LogOptions,
) -> None:
    """Receive incoming faxes, each into files of its own; registers at the route if that asks for it."""
    from t38fsp.cli import receive as command
    from t38fsp.cli.options import Given, choose

    def run() -> Exit:
        settings = as_settings(fax) | {"station_id": station_id, "backend": backend}
        given = Given(
            route,
            config,
            settings=settings,
            allow=tuple(allow or ()),
            listen=listen,
            signalling=signalling,
            workers=workers,
            inbox=as_settings(inbox),
        )
        offered = command.offer_of(offer, selective_address, password)
        # Here the port counts: far ends send their INVITEs to the default port of SIP (RFC 3261 19.1.2).
        return command.run(output, choose(given, port=5060), count, as_json, offered)

    raise _finish(run, log)


@app.command(epilog="Exit status: 0, or 2 when a setting is wrong.")
@spread
def routes(
    *,
    config: Annotated[
        Path | None, typer.Option(readable=False, help="File of routes, instead of the one that is found.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each route.")] = False,
    log: LogOptions,
) -> None:
    """Check the configuration file, and list its routes with what would be used.

    The file is the first of: $T38FSP_CONFIG, t38fsp.toml, $XDG_CONFIG_HOME/t38fsp/config.toml,
    /etc/t38fsp.toml.
    """
    from t38fsp.cli import routes as command

    raise _finish(lambda: command.run(config, as_json), log)


@app.command(
    epilog="Exit status: 0 after SIGINT, SIGTERM or SIGHUP, 1 when it cannot listen at an address, 2 usage."
)
@spread
def signalling(
    *,
    socket: Annotated[
        Path | None,
        typer.Argument(
            readable=False, help="Unix socket to serve; that of the file (signalling) unless given."
        ),
    ] = None,
    config: ConfigFile = None,
    listen: Annotated[
        str | None,
        typer.Option(help="SIP address, HOST:PORT, port 0 for any; 0.0.0.0:5060 unless set in the file."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Network or address that may call, beside this machine and the routes' peers."),
    ] = None,
    log: LogOptions,
) -> None:
    """Serve one SIP address to several t38fsp processes over a Unix socket, until stopped.

    The configuration file sets the addresses, TLS and who may call; the
    processes that connect bring the routes. An incoming call goes to the
    process that has the fewest calls.
    """
    from t38fsp.cli import signalling_command as command

    raise _finish(lambda: command.run(config, socket, listen, tuple(allow or ()), log), log)


app.command("virtual-gateway", epilog=virtual_gateway.EXITS)(spread(virtual_gateway.virtual_gateway))

for _command in app.registered_commands:
    # The list of commands would cut the sentence after 45 characters otherwise.
    _command.short_help = " ".join(str(getdoc(_command.callback)).partition("\n\n")[0].split())


def _given(peer: PeerOptions, fax: FaxOptions, end: OwnEndOptions, **settings: object) -> Given:
    """What is said of a call that is placed; ``settings`` are those of the route beside ``fax``."""
    from t38fsp.cli.options import Given

    return Given(
        peer.route,
        peer.config,
        peer.via,
        peer.caller,
        peer.user,
        peer.password_file,
        as_settings(fax) | settings | {"backend": end.backend},
        listen=end.listen,
        signalling=end.signalling,
    )
