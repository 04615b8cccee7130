"""``t38fsp submit``."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sip.frozen import dataclass
from t38fsp.cli import running
from t38fsp.cli.exits import CommandError, Exit, exit_of, exit_of_all
from t38fsp.cli.output import print_line
from t38fsp.cli.service.client import ServiceClient, Where
from t38fsp.outcome import Outcome

# Of a fax that is held a person has to decide, which may take days.
_AT_REST = ("delivered", "failed", "cancelled", "held")
_WAIT = 1.0
_WAIT_LONG = 5.0
"""Seconds between two looks, at first and later."""


@dataclass(frozen=True, slots=True)
class WantedFax:
    """What is submitted: files, and the fields of the API."""

    documents: tuple[Path, ...]
    receivers: tuple[Mapping[str, Any], ...]
    fields: Mapping[str, Any]
    """Without those that were not given."""
    idempotency_key: str = ""


def run(where: Where, wanted: WantedFax, wait: bool, as_json: bool) -> Exit:
    with ServiceClient(where) as service:
        job = _submit(service, wanted)
        if not wait:
            if as_json:
                print_line(json.dumps(job), sys.stdout)
            else:
                _tell(job)
            return Exit.COMPLETED
        if not as_json:
            _tell(job)
        return running.run(_wait(service, job, as_json))


def _submit(service: ServiceClient, wanted: WantedFax) -> dict[str, Any]:
    """Raises CommandError."""
    if not wanted.receivers:
        raise CommandError("the fax has no receiver; name one with --to or --to-file", Exit.USAGE)
    data = dict(_form(wanted.fields), receivers=json.dumps(list(wanted.receivers)))
    headers = {"Idempotency-Key": wanted.idempotency_key} if wanted.idempotency_key else {}
    with ExitStack() as stack:
        files = []
        for document in wanted.documents:
            try:
                opened = stack.enter_context(document.open("rb"))
            except OSError as error:
                raise CommandError(
                    f"{document} cannot be read: {error.strerror}; check its name", Exit.BAD_DOCUMENT
                ) from error
            kind = mimetypes.guess_type(document.name)[0] or "application/octet-stream"
            files.append(("document", (document.name, opened, kind)))
        return service.post("/v1/faxes", data=data, files=files or None, headers=headers)


def _form(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields of a form: what is no text is JSON."""
    for name, value in fields.items():
        yield name, value if isinstance(value, str) else json.dumps(value)


def _tell(job: Mapping[str, Any]) -> None:
    count = job["receivers"]
    print_line(f"{job['id']}: {count} fax{'' if count == 1 else 'es'} queued", sys.stdout)


async def _wait(service: ServiceClient, job: dict[str, Any], as_json: bool) -> Exit:
    """Until all faxes of the job are over or held."""
    id: str = job["id"]
    told: dict[str, str] = {}
    pause = _WAIT
    try:
        while True:
            # In a thread: httpx waits, and a signal has to reach the loop meanwhile.
            faxes = await asyncio.to_thread(lambda: list(service.every("/v1/faxes", job=id)))
            # The newest comes first in the list: this is the order of the receivers.
            for fax in reversed(faxes):
                if not as_json and told.get(fax["id"]) != (said := _said(fax)):
                    told[fax["id"]] = said
                    print_line(said, sys.stdout)
            if all(fax["state"] in _AT_REST for fax in faxes):
                break
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, _WAIT_LONG)
    except asyncio.CancelledError:
        raise CommandError(
            f"the faxes remain in the queue; follow them with t38fsp show {id}, or end them with t38fsp "
            f"cancel {id}",
            Exit.CANCELLED,
        ) from None
    if as_json:
        print_line(json.dumps(await asyncio.to_thread(service.get, f"/v1/jobs/{id}")), sys.stdout)
    return exit_of_all([_exit(fax) for fax in reversed(faxes)])


def _said(fax: Mapping[str, Any]) -> str:
    reason = f": {fax['reason']}" if fax["reason"] else ""
    pages = f", {fax['pages_confirmed']} of {fax['pages']} pages confirmed" if fax["pages"] else ""
    return f"{fax['id']} to {fax['to']}: {fax['state']}{pages}{reason}"


def _exit(fax: Mapping[str, Any]) -> Exit:
    if fax["state"] == "delivered":
        return Exit.COMPLETED
    if fax["state"] == "cancelled":
        return Exit.CANCELLED
    outcome = Outcome.__members__.get(fax["outcome"], Outcome.FAILED)
    return exit_of(outcome, fax["pages_confirmed"])
