"""Commands of clients of the fax service; ``t38fsp.cli.usage`` has them imported when one is used."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t38fsp.cli.option_groups import (
    DocumentPassword,
    FaxOptions,
    LogOptions,
    PageOptions,
    as_settings,
    spread,
)
from t38fsp.cli.service.options import CLIENT_EXITS, Json, WhereOptions, run_command, where_of

if TYPE_CHECKING:
    from t38fsp.cli.exits import Exit

app = typer.Typer(rich_markup_mode=None)

_SUBMIT_EXITS = (
    "Exit status: 0 queued (with --wait: delivered), 1 the service cannot be reached, or refuses the key, "
    "2 usage, or the service refuses the fax, 11 a document that cannot be faxed, 12 cancelled. With --wait "
    "that of the first fax that was not delivered, as in send."
)

Most = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Entries at most.")]
Since = Annotated[
    str, typer.Option(metavar="TIME", help="Only since then: 2026-12-24T18:30 or 18:30.", show_default=False)
]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs or faxes.", show_default=False)]


@app.command(epilog=_SUBMIT_EXITS)
@spread
def submit(
    *,
    documents: Annotated[
        list[Path],
        typer.Argument(
            readable=False,
            help="PDF, picture, text, office file or TIFF-F; several: one fax.",
            show_default=False,
        ),
    ],
    to: Annotated[
        list[str] | None, typer.Option(help="Number or SIP URI; may be repeated.", show_default=False)
    ] = None,
    to_file: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="CSV with a receiver in each row: columns to, name, sub_address; others for the cover page.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str, typer.Option(metavar="TIME", help="Not before: 18:30 or 2026-12-24T18:30.", show_default=False)
    ] = "",
    deadline: Annotated[
        str, typer.Option(metavar="TIME", help="No call begins after this time.", show_default=False)
    ] = "",
    window: Annotated[
        str, typer.Option(help="Hours for calls: a name of the settings, or 08:00-18:00.", show_default=False)
    ] = "",
    priority: Annotated[int, typer.Option(min=1, max=9, help="1 is the most urgent.")] = 5,
    route: Annotated[
        str,
        typer.Option(
            help="A route, or several, A,B: the first that works; by number otherwise.", show_default=False
        ),
    ] = "",
    reference: Annotated[str, typer.Option(help="Your own name for the job.", show_default=False)] = "",
    caller: Annotated[str, typer.Option("--from", help="SIP URI of the caller.", show_default=False)] = "",
    station_id: Annotated[
        str | None, typer.Option(help="Our TSI: up to 20 characters, usually digits, spaces and +.")
    ] = None,
    sender_id: Annotated[str, typer.Option(help="Who sends (SID): up to 20 characters.")] = "",
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header", help="Line at the top of each page; as the route says otherwise."
        ),
    ] = None,
    cover: Annotated[
        str | None, typer.Option(help="Cover page: classic, business or bold.", show_default=False)
    ] = None,
    to_name: Annotated[
        str, typer.Option(help="Addressee of --to, for the cover page; a CSV file has a column for it.")
    ] = "",
    from_name: Annotated[str, typer.Option(help="Sender, for the cover page.")] = "",
    subject: Annotated[str, typer.Option(help="Subject, for the cover page.")] = "",
    comment: Annotated[str, typer.Option(help="Text of the cover page.")] = "",
    fax: FaxOptions,
    pages: PageOptions,
    document_password_file: DocumentPassword = None,
    after_crash: Annotated[
        str, typer.Option(help="resume or hold, instead of what the service is set to.", show_default=False)
    ] = "",
    webhook: Annotated[
        str, typer.Option(metavar="URL", help="Is told of the job's events.", show_default=False)
    ] = "",
    idempotency_key: Annotated[
        str, typer.Option(help="The same key with the same fax is accepted once.", show_default=False)
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until every fax is over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as one JSON object.")] = False,
    where: WhereOptions,
    log: LogOptions,
) -> None:
    """Queue documents as a fax to one or more receivers."""

    def run() -> Exit:
        from t38fsp.cli.exits import CommandError, Exit
        from t38fsp.cli.send import password_in
        from t38fsp.cli.service import submit as command
        from t38fsp.cli.service.receivers import read_receivers, read_time

        now = datetime.now().astimezone()
        receivers = [{"to": each, "name": to_name} for each in to or ()]
        receivers += read_receivers(to_file) if to_file is not None else []
        lines = {"from_name": from_name, "subject": subject, "comment": comment}
        if cover is None and any(lines.values()):
            raise CommandError(
                "--from-name, --subject and --comment are for a cover page; add --cover", Exit.USAGE
            )
        if to_name and not to:
            raise CommandError("--to-name is for --to; with --to-file the column name has it", Exit.USAGE)
        given: dict[str, object] = {
            "priority": priority,
            "not_before": at and read_time("at", at, now),
            "deadline": deadline and read_time("deadline", deadline, now),
            "window": window,
            "route": route,
            "reference": reference,
            "caller": caller,
            "sender_id": sender_id,
            "header": header,
            "cover": None if cover is None else {"template": cover} | {k: v for k, v in lines.items() if v},
            "call": _named(as_settings(fax) | {"station_id": station_id}),
            "pages": _named(as_settings(pages)),
            "password": password_in(document_password_file),
            "after_crash": after_crash,
            "webhook": webhook,
        }
        fields = {name: value for name, value in given.items() if value not in (None, "", {})}
        wanted = command.WantedFax(tuple(documents), tuple(receivers), fields, idempotency_key)
        return command.run(where_of(where), wanted, wait, as_json)

    raise run_command(run, log)


def _named(settings: dict[str, object]) -> dict[str, object]:
    """Those that were given, enumerations by their values."""
    return {name: getattr(value, "value", value) for name, value in settings.items() if value is not None}


@app.command(epilog=CLIENT_EXITS)
@spread
def queue(
    *,
    state: Annotated[
        list[str] | None,
        typer.Option(help="queued, sending, held, delivered, failed or cancelled.", show_default=False),
    ] = None,
    number: Annotated[str, typer.Option(help="Only to this number.", show_default=False)] = "",
    most: Most = 200,
    as_json: Json = False,
    where: WhereOptions,
    log: LogOptions,
) -> None:
    """List the faxes that are not over, and the routes."""

    def run() -> Exit:
        from t38fsp.cli.service import looking

        return looking.queue(where_of(where), tuple(state or ()), number, most, as_json)

    raise run_command(run, log)


@app.command(epilog=CLIENT_EXITS)
@spread
def show(
    *,
    id: Annotated[
        str, typer.Argument(metavar="ID", help="Of a job, a fax or a received fax.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(readable=False, help="Write the pages to this file, .pdf or .tif.", show_default=False),
    ] = None,
    as_json: Json = False,
    where: WhereOptions,
    log: LogOptions,
) -> None:
    """Show a job, a fax with its calls, or a received fax with its deliveries; or write its pages."""

    def run() -> Exit:
        from t38fsp.cli.service import looking

        return looking.show(where_of(where), id, output, as_json)

    raise run_command(run, log)


@app.command(epilog=CLIENT_EXITS)
@spread
def cancel(*, ids: Ids, as_json: Json = False, where: WhereOptions, log: LogOptions) -> None:
    """Cancel jobs or faxes; calls that are up are ended."""

    def run() -> Exit:
        from t38fsp.cli.service import changing

        return changing.cancel(where_of(where), tuple(ids), as_json)

    raise run_command(run, log)


@app.command(epilog=CLIENT_EXITS)
@spread
def retry(
    *,
    ids: Ids,
    arrived: Annotated[
        bool, typer.Option("--arrived", help="Of a fax that is held: the page in question has arrived.")
    ] = False,
    as_json: Json = False,
    where: WhereOptions,
    log: LogOptions,
) -> None:
    """Send again what failed, was cancelled or is held, from the first page that is not confirmed."""

    def run() -> Exit:
        from t38fsp.cli.service import changing

        return changing.retry(where_of(where), tuple(ids), arrived, as_json)

    raise run_command(run, log)


@app.command(epilog=CLIENT_EXITS)
@spread
def received(
    *,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="Only those of which a delivery has failed.")
    ] = False,
    since: Since = "",
    most: Most = 200,
    as_json: Json = False,
    where: WhereOptions,
    log: LogOptions,
) -> None:
    """List the faxes that came in, the newest first."""

    def run() -> Exit:
        from t38fsp.cli.service import looking

        return looking.received(where_of(where), undelivered, _since(since), most, as_json)

    raise run_command(run, log)


@app.command(epilog=CLIENT_EXITS)
@spread
def journal(
    *,
    since: Since = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with a row of names.")] = False,
    as_json: Json = False,
    where: WhereOptions,
    log: LogOptions,
) -> None:
    """List all calls that are over, both ways, in the order of their ends."""

    def run() -> Exit:
        from t38fsp.cli.service import looking

        return looking.journal(where_of(where), _since(since), as_csv, as_json)

    raise run_command(run, log)


def _since(text: str) -> str:
    from t38fsp.cli.service.receivers import read_time

    return read_time("since", text, datetime.now().astimezone(), past=True) if text else ""
