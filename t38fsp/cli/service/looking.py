"""``t38fsp queue``, ``show``, ``received`` and ``journal``."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.output import print_line
from t38fsp.cli.service.client import ServiceClient, Where
from t38fsp.cli.service.tables import local_time, print_facts, print_objects, print_table

_NUMERAL = re.compile(r"[+-]?[0-9.*#]+")
_OPEN = ("sending", "held", "queued")


def queue(where: Where, states: tuple[str, ...], number: str, most: int, as_json: bool) -> Exit:
    """Faxes that are not over, or those in these states."""
    with ServiceClient(where) as service:
        found: list[dict[str, Any]] = []
        for state in states or _OPEN:
            found += service.every("/v1/faxes", most - len(found), state=state, number=number)
        routes = [] if as_json else service.get("/v1/routes")["items"]
    if as_json:
        return print_objects(found)
    rows = [
        (
            fax["id"],
            fax["state"],
            fax["to"],
            fax["route"],
            str(fax["priority"]),
            str(fax["attempts"]),
            f"{fax['pages_confirmed']}/{fax['pages'] or '?'}",
            local_time(fax["next_attempt"]),
            fax["reason"],
        )
        for fax in found
    ]
    heads = ("ID", "STATE", "TO", "ROUTE", "PRIORITY", "CALLS", "PAGES", "NOT BEFORE", "WHY")
    print_table(heads, rows)
    if not rows:
        print_line("no fax is waiting" if not states else "there is none", sys.stdout)
    for route in routes:
        print_line(
            f"route {route['name']}: {route['busy']} of {route['channels']} channels busy, "
            f"{route['waiting']} waiting{'' if route['healthy'] else ', not in order'}",
            sys.stdout,
        )
    return Exit.COMPLETED


def show(where: Where, id: str, output: Path | None, as_json: bool) -> Exit:
    """A job, a fax or a received fax; with ``output`` its pages."""
    # The first letter of an id tells its kind, and a hyphen a fax from its job.
    kind = "received" if id.startswith("r") else "faxes" if "-" in id else "jobs"
    with ServiceClient(where) as service:
        if output is not None:
            _write_pages(service, kind, id, output)
            return Exit.COMPLETED
        found = service.get(f"/v1/{kind}/{checked_id(id)}")
    if as_json:
        return print_objects([found])
    {"received": _show_received, "faxes": _show_fax, "jobs": _show_job}[kind](found)
    return Exit.COMPLETED


def received(where: Where, undelivered: bool, since: str, most: int, as_json: bool) -> Exit:
    """Faxes that came in."""
    with ServiceClient(where) as service:
        query = {"since": since, "undelivered": "true" if undelivered else ""}
        found = list(service.every("/v1/received", most, **query))
    if as_json:
        return print_objects(found)
    rows = [
        (
            fax["id"],
            local_time(fax["at"]),
            fax["caller"],
            fax["called"],
            fax["station_id"],
            f"{fax['pages']}{' (partial)' if fax['partial'] else ''}",
            fax["rule"],
        )
        for fax in found
    ]
    print_table(("ID", "AT", "CALLER", "CALLED", "STATION ID", "PAGES", "RULE"), rows)
    if not rows:
        print_line("there is none", sys.stdout)
    return Exit.COMPLETED


def journal(where: Where, since: str, as_csv: bool, as_json: bool) -> Exit:
    """Calls that are over, both ways, in the order of their ends."""
    with ServiceClient(where) as service:
        sent = (_sent(each) for each in service.every("/v1/journal", since=since))
        # Received faxes are listed by their beginnings, the journal by the ends.
        first = datetime.fromisoformat(since) if since else _EARLIEST
        begun = (first - _LONGEST_CALL).isoformat() if since else ""
        came = (_came(each) for each in service.every("/v1/received", since=begun))
        late = (each for each in came if datetime.fromisoformat(each["ended"]) >= first)
        # As times, not as texts: these have their fraction only where it is not 0.
        rows = sorted([*sent, *late], key=lambda row: datetime.fromisoformat(row["ended"]))
    if as_json:
        return print_objects(rows)
    if as_csv:
        text = io.StringIO()
        writer = csv.DictWriter(text, _JOURNAL, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: plain_cell(value) for name, value in row.items()} for row in rows)
        for line in text.getvalue().splitlines():
            print_line(line, sys.stdout)
        return Exit.COMPLETED
    heads = ("ENDED", "WAY", "NUMBER", "ROUTE", "PAGES", "SECONDS", "OUTCOME", "ID")
    names = ("ended", "direction", "number", "route", "pages", "seconds", "outcome", "id")
    print_table(
        heads,
        [[local_time(row["ended"]), *(str(row[name]) for name in names[1:])] for row in rows],
    )
    return Exit.COMPLETED


_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_CALL = timedelta(hours=12)
"""How long before an end its call may have begun."""

_JOURNAL = (
    *("ended", "direction", "id", "number", "caller", "route", "host", "pages", "seconds", "outcome"),
    *("reason", "key", "reference"),
)


def plain_cell(value: object) -> object:
    """What a spreadsheet takes for a formula gets an apostrophe in front: names and numbers come from
    strangers."""
    if isinstance(value, str) and value[:1] in "=@+-\t\r" and not _NUMERAL.fullmatch(value):
        return f"'{value}" if value else value
    return value


def _sent(call: Mapping[str, Any]) -> dict[str, Any]:
    result = call["result"] or {}
    return {
        "ended": call["ended"] or "",
        "direction": "out",
        "id": call["id"],
        "number": call["called"],
        "caller": "",
        "route": call["route"],
        "host": call["host"],
        "pages": sum(page.get("confirmed", False) for page in result.get("pages", ())),
        "seconds": round(float(result.get("seconds") or 0.0), 1),
        "outcome": result.get("outcome", ""),
        "reason": result.get("reason", ""),
        "key": call["key"],
        "reference": call["reference"],
    }


def _came(fax: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ended": fax["ended"],
        "direction": "in",
        "id": fax["id"],
        "number": fax["called"],
        "caller": fax["caller"],
        "route": fax["route"],
        "host": fax["host"],
        "pages": fax["pages"],
        "seconds": round(fax["seconds"], 1),
        "outcome": fax["outcome"],
        "reason": fax["reason"],
        "key": "",
        "reference": "",
    }


# --- one thing ----------------------------------------------------------------------------------------------


def _show_job(job: Mapping[str, Any]) -> None:
    print_facts(
        [
            ("job", job["id"]),
            ("submitted", local_time(job["created"])),
            ("key", job["key"]),
            ("reference", job["reference"]),
            (
                "documents",
                ", ".join(f"{each['name']} ({each['octets']} octets)" for each in job["documents"]),
            ),
            ("route", job["route"]),
            ("priority", job["priority"]),
            ("not before", local_time(job["not_before"])),
            ("deadline", local_time(job["deadline"])),
            ("window", job["window"]),
            ("faxes", ", ".join(f"{count} {state}" for state, count in job["states"].items())),
        ]
    )
    print_table(
        ("ID", "STATE", "TO", "CALLS", "PAGES", "WHY"),
        [
            (
                fax["id"],
                fax["state"],
                fax["to"],
                str(fax["attempts"]),
                f"{fax['pages_confirmed']}/{fax['pages'] or '?'}",
                fax["reason"],
            )
            for fax in job["faxes"]
        ],
    )
    if (more := job["receivers"] - len(job["faxes"])) > 0:
        print_line(f"and {more} more; t38fsp queue lists them", sys.stdout)


def _show_fax(fax: Mapping[str, Any]) -> None:
    print_facts(
        [
            ("fax", fax["id"]),
            ("to", fax["to"]),
            ("number", fax["number"] if fax["number"] != fax["to"] else ""),
            ("name", fax["name"]),
            ("state", fax["state"]),
            ("why", fax["reason"]),
            ("submitted", local_time(fax["created"])),
            ("not before", local_time(fax["next_attempt"])),
            ("over", local_time(fax["finished"])),
            ("route", fax["route"]),
            ("pages", f"{fax['pages_confirmed']} of {fax['pages'] or 'an unknown number'} confirmed"),
            ("perhaps twice", fax["possibly_duplicated_page"] and f"page {fax['possibly_duplicated_page']}"),
        ]
    )
    rows = []
    for call in fax["calls"]:
        result = call["result"] or {}
        rows.append(
            (
                call["id"],
                local_time(call["started"]),
                call["route"],
                call["host"],
                call["state"],
                str(call["first_page"]),
                str(result.get("outcome", "")),
                str(result.get("reason", "")),
            )
        )
    print_table(("CALL", "STARTED", "ROUTE", "HOST", "STATE", "FROM PAGE", "OUTCOME", "WHY"), rows)


def _show_received(fax: Mapping[str, Any]) -> None:
    print_facts(
        [
            ("received", fax["id"]),
            ("at", local_time(fax["at"])),
            ("caller", fax["caller"]),
            ("called", fax["called"]),
            ("station ID", fax["station_id"]),
            ("subaddress", fax["sub_address"]),
            ("pages", f"{fax['pages']}{', perhaps not all' if fax['partial'] else ''}"),
            ("rule", fax["rule"]),
            ("host", fax["host"]),
            ("pages kept", "yes" if fax["kept"] else "no"),
        ]
    )
    print_table(
        ("DELIVERY", "TO", "STATE", "ATTEMPTS", "NEXT", "ERROR"),
        [
            (
                each["id"],
                f"{each['kind']} {each['target']}",
                each["state"],
                str(each["attempts"]),
                local_time(each["next_attempt"]),
                each["error"],
            )
            for each in fax["deliveries"]
        ],
    )


def _write_pages(service: ServiceClient, kind: str, id: str, output: Path) -> None:
    """The pages of a fax or a received one as a PDF or a TIFF. Raises CommandError."""
    suffix = {".pdf": "pdf", ".tif": "tiff", ".tiff": "tiff"}.get(output.suffix.lower())
    if suffix is None:
        raise CommandError(f"--output {output}: name a file that ends in .pdf or .tif", Exit.USAGE)
    if kind == "jobs":
        raise CommandError(f"{id} is a job; name one of its faxes, such as {id}-1", Exit.USAGE)
    content = service.octets(f"/v1/{kind}/{checked_id(id)}/pages.{suffix}")
    try:
        # Never over a file that exists, as with received faxes.
        with output.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise CommandError(f"--output {output} exists; name another file", Exit.ERROR) from error
    except OSError as error:
        raise CommandError(f"--output {output} cannot be written: {error.strerror}", Exit.ERROR) from error


def checked_id(id: str) -> str:
    """Raises CommandError for what is no id, and could be another path."""
    if not id.replace("-", "").replace(".", "").isalnum() or not id.isascii() or len(id) > 60:
        raise CommandError(f"{id[:60]!r} is not an id; take one from t38fsp queue or received", Exit.USAGE)
    return id
