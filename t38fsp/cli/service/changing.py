"""``t38fsp cancel`` and ``retry``; ``keys`` and ``hosts``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.output import print_line
from t38fsp.cli.service.client import ServiceClient, Where
from t38fsp.cli.service.looking import checked_id
from t38fsp.cli.service.tables import local_time, print_objects, print_table


def cancel(where: Where, ids: tuple[str, ...], as_json: bool) -> Exit:
    """Jobs and faxes."""
    return _each(where, ids, "cancel", as_json)


def retry(where: Where, ids: tuple[str, ...], arrived: bool, as_json: bool) -> Exit:
    """Faxes that failed or were cancelled, and those that are held."""
    with ServiceClient(where) as service:
        for id in ids:
            checked_id(id)
            if "-" in id and service.get(f"/v1/faxes/{id}")["state"] == "held":
                decision = {"send_again": not arrived}
                _told(service.post(f"/v1/faxes/{id}/resolve", json=decision), as_json)
            elif arrived:
                raise CommandError(
                    f"{id} is not a fax that is held, so --arrived does not apply; leave it out", Exit.USAGE
                )
            else:
                _told(service.post(_path(id, "retry")), as_json)
    return Exit.COMPLETED


def _each(where: Where, ids: tuple[str, ...], what: str, as_json: bool) -> Exit:
    with ServiceClient(where) as service:
        for id in ids:
            _told(service.post(_path(id, what)), as_json)
    return Exit.COMPLETED


def _path(id: str, what: str) -> str:
    # The id of a fax is that of its job, a hyphen and a number.
    return f"/v1/{'faxes' if '-' in checked_id(id) else 'jobs'}/{id}/{what}"


def _told(found: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_line(json.dumps(found), sys.stdout)
    elif "states" in found:
        states = ", ".join(f"{count} {state}" for state, count in found["states"].items())
        print_line(f"{found['id']}: {states}", sys.stdout)
    else:
        print_line(f"{found['id']}: {found['state']}", sys.stdout)


# --- keys ---------------------------------------------------------------------------------------------------


def list_keys(where: Where, as_json: bool) -> Exit:
    with ServiceClient(where) as service:
        keys = service.get("/v1/keys")["items"]
    if as_json:
        return print_objects(keys)
    rows = [
        (
            key["id"],
            key["name"],
            ",".join(key["scopes"]),
            local_time(key["created"]),
            local_time(key["last_used"]),
            f"revoked {local_time(key['revoked'])}" if key["revoked"] else _limits(key),
        )
        for key in keys
    ]
    print_table(("ID", "NAME", "SCOPES", "MADE", "LAST USED", "LIMITS"), rows)
    if not rows:
        print_line("there is none; make one with t38fsp keys add NAME", sys.stdout)
    return Exit.COMPLETED


def _limits(key: Mapping[str, Any]) -> str:
    named = [
        *(f"route {name}" for name in key["routes"]),
        *(f"allowed {prefix}" for prefix in key["allowed"]),
        *(f"refused {prefix}" for prefix in key["refused"]),
        f"{key['per_minute']} requests a minute" if key["per_minute"] else "",
        f"{key['per_day']} faxes a day" if key["per_day"] else "",
    ]
    return ", ".join(filter(None, named))


def add_key(where: Where, wanted: Mapping[str, Any], as_json: bool) -> Exit:
    """Print the key alone, so that it can be put into a file."""
    with ServiceClient(where) as service:
        key = service.post("/v1/keys", json=dict(wanted))
    if as_json:
        return print_objects([key])
    print_line(key["token"], sys.stdout)
    # On the other stream, so that `t38fsp keys add NAME > FILE` leaves the key alone in the file.
    print_line(f"key {key['id']} ({', '.join(key['scopes'])}); it is not shown again", sys.stderr)
    return Exit.COMPLETED


def revoke_key(where: Where, id: str) -> Exit:
    with ServiceClient(where) as service:
        key = service.delete(f"/v1/keys/{checked_id(id)}")
    print_line(f"{key['id']} ({key['name']}) is revoked", sys.stdout)
    return Exit.COMPLETED


# --- hosts --------------------------------------------------------------------------------------------------


def list_hosts(where: Where, as_json: bool) -> Exit:
    with ServiceClient(where) as service:
        hosts = service.get("/v1/hosts")["items"]
    if as_json:
        return print_objects(hosts)
    rows = [
        (host["id"], host["state"], local_time(host["started"]), local_time(host["seen"]), host["version"])
        for host in hosts
    ]
    print_table(("HOST", "STATE", "STARTED", "SEEN", "VERSION"), rows)
    return Exit.COMPLETED
