"""Commands that run the fax service: itself, its keys, hosts and copies of its database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t38fsp.cli.option_groups import ConfigFile, LogOptions, spread
from t38fsp.cli.service.options import CLIENT_EXITS, Json, WhereOptions, run_command, where_of

if TYPE_CHECKING:
    from t38fsp.cli.exits import Exit

app = typer.Typer(rich_markup_mode=None)

_SERVE_EXITS = (
    "Exit status: 0 after SIGINT, SIGTERM or SIGHUP, 1 when the database, an address or a folder cannot be "
    "used, 2 usage."
)
_FILE_EXITS = "Exit status: 0, 1 the files cannot be read or written, 2 usage."


@app.command(epilog=_SERVE_EXITS)
@spread
def serve(
    *,
    config: ConfigFile = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="sqlite:///PATH or postgresql://USER@HOST/NAME; SQLite by default.",
            show_default=False,
        ),
    ] = None,
    listen: Annotated[
        str | None, typer.Option(help="Our SIP address, HOST:PORT; 0.0.0.0:5060 unless set in the file.")
    ] = None,
    web: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Address of the REST API; 127.0.0.1:8038 unless set in the file."
        ),
    ] = None,
    socket: Annotated[
        Path | None,
        typer.Option(readable=False, help="Unix socket of the REST API.", show_default=False),
    ] = None,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo",
            help="Without any settings: a route to a receiver on this machine, and a key, until stopped.",
        ),
    ] = False,
    log: LogOptions,
) -> None:
    """Run the fax service: a queue that is sent, received faxes that are delivered, and a REST API.

    The settings are those of [service] in the configuration file (docs/service.md).
    The signals INT, TERM and HUP end it: no new calls, those that are up have the
    time that drain sets, and whatever is left continues at the next start.
    """

    def run() -> Exit:
        from t38fsp.cli.service import serve, serve_demo

        given = serve.ServeOptions(config, database, listen, web, socket)
        return serve_demo.run(given) if demo else serve.run(given)

    raise run_command(run, log)


keys_app = typer.Typer(help="List, make and revoke keys of the REST API.", rich_markup_mode=None)
app.add_typer(keys_app, name="keys", invoke_without_command=True)


@keys_app.callback(epilog=CLIENT_EXITS, invoke_without_command=True)
@spread
def keys(*, context: typer.Context, as_json: Json = False, where: WhereOptions, log: LogOptions) -> None:
    """List the keys of the REST API; add and revoke change them."""
    # typer calls this before a subcommand, too.
    if context.invoked_subcommand is not None:
        return

    def run() -> Exit:
        from t38fsp.cli.service import changing

        return changing.list_keys(where_of(where), as_json)

    raise run_command(run, log)


@keys_app.command("add", epilog=CLIENT_EXITS)
@spread
def keys_add(
    *,
    name: Annotated[str, typer.Argument(help="Whose key it is.", show_default=False)],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="send, read-own, read-all or admin; may be repeated; send and read-own by default."
        ),
    ] = None,
    route: Annotated[
        list[str] | None, typer.Option(help="A route that it may use; all by default.", show_default=False)
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Beginning of numbers that it may call; all by default.", show_default=False),
    ] = None,
    refuse: Annotated[
        list[str] | None, typer.Option(help="Beginning of numbers that it may not call.", show_default=False)
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option(min=1, help="Requests a minute, on each host.", show_default=False)
    ] = None,
    per_day: Annotated[int | None, typer.Option(min=1, help="Faxes in 24 hours.", show_default=False)] = None,
    as_json: Json = False,
    where: WhereOptions,
    log: LogOptions,
) -> None:
    """Make a key, and print it: it is not shown again."""

    def run() -> Exit:
        from t38fsp.cli.service import changing

        wanted = {
            "name": name,
            "scopes": scope or ["send", "read-own"],
            "routes": route or [],
            "allowed": allow or [],
            "refused": refuse or [],
            "per_minute": per_minute,
            "per_day": per_day,
        }
        return changing.add_key(where_of(where), wanted, as_json)

    raise run_command(run, log)


@keys_app.command("revoke", epilog=CLIENT_EXITS)
@spread
def keys_revoke(
    *,
    id: Annotated[str, typer.Argument(metavar="ID", help="Of the key, k….", show_default=False)],
    where: WhereOptions,
    log: LogOptions,
) -> None:
    """Revoke a key: it is refused from now on."""

    def run() -> Exit:
        from t38fsp.cli.service import changing

        return changing.revoke_key(where_of(where), id)

    raise run_command(run, log)


@app.command(epilog=CLIENT_EXITS)
@spread
def hosts(*, as_json: Json = False, where: WhereOptions, log: LogOptions) -> None:
    """List the hosts that share the database."""

    def run() -> Exit:
        from t38fsp.cli.service import changing

        return changing.list_hosts(where_of(where), as_json)

    raise run_command(run, log)


@app.command(epilog=_FILE_EXITS)
@spread
def backup(
    *,
    file: Annotated[Path, typer.Argument(readable=False, help="A new file.", show_default=False)],
    config: ConfigFile = None,
    log: LogOptions,
) -> None:
    """Copy the SQLite database of the service into a file, also while it runs."""

    def run() -> Exit:
        from t38fsp.cli.service import backup as command

        return command.backup(config, file)

    raise run_command(run, log)


@app.command(epilog=_FILE_EXITS)
@spread
def restore(
    *,
    file: Annotated[Path, typer.Argument(readable=False, help="Made by backup.", show_default=False)],
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of a database that exists, which is kept beside it.")
    ] = False,
    cancel_queue: Annotated[
        bool,
        typer.Option(
            "--cancel-queue", help="Cancel what waits in it: some of it was sent since the copy was made."
        ),
    ] = False,
    config: ConfigFile = None,
    log: LogOptions,
) -> None:
    """Put a copy that backup made into place; the service must not be running."""

    def run() -> Exit:
        from t38fsp.cli.service import backup as command

        return command.restore(config, file, replace, cancel_queue)

    raise run_command(run, log)
