"""Keys of the REST API: made, found by what a client presents, revoked.

A key is presented as ``t38fsp_ID_SECRET``. Only a hash of the secret is stored: the secret has 256 random
bits, so that a slow hash would protect nothing. The row is found by the ID, which is not secret, and the
hashes are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection

from sqlalchemy import Connection, Row, func, select, text

from sip.bounds import settings_of
from t38fsp.errors import SettingError
from t38fsp.service import tables
from t38fsp.service.errors import LimitError, NotFoundError
from t38fsp.service.values import ApiKey, Json, Scope
from t38fsp.service.web_settings import WebSettings

PREFIX = "t38fsp_"
"""Tells programs that look for secrets in files what they have found."""

DAY = 86400.0

_LONGEST_TOKEN = 200
_LONGEST_NAME = 80
_MOST_PREFIXES = 100
MOST_PER_MINUTE = int(settings_of(WebSettings)["per_minute"][1].most or 0)
MOST_PER_DAY = 10_000_000
_ID = re.compile(r"k[a-z2-7]{15}")
_NUMBER_PREFIX = re.compile(r"\+?[0-9]{1,20}")
_USED_AGAIN = 60.0
"""Seconds for which the time of the last use is not written again."""
_NO_HASH = hashlib.sha256(b"").hexdigest()


def create(
    connection: Connection,
    name: str,
    scopes: Collection[Scope],
    now: float,
    *,
    routes: Collection[str] = (),
    allowed: Collection[str] = (),
    refused: Collection[str] = (),
    per_minute: int | None = None,
    per_day: int | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; returns it with what the client presents, which is not stored.

    ``per_minute`` limits requests (of each host), ``per_day`` faxes. Raises SettingError.
    """
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise SettingError(f"a key needs a printable name of at most {_LONGEST_NAME} characters")
    if not scopes:
        raise SettingError(f"the key {name!r} has no scope; use {', '.join(each.value for each in Scope)}")
    for prefix in (*allowed, *refused):
        if not _NUMBER_PREFIX.fullmatch(prefix):
            raise SettingError(f"{prefix[:60]!r} is not the beginning of a number; write it as in +4930")
    if max(len(routes), len(allowed), len(refused)) > _MOST_PREFIXES:
        raise SettingError(f"a key has at most {_MOST_PREFIXES} routes and prefixes of each kind")
    for route in routes:
        if not route.strip() or len(route) > _LONGEST_NAME or not route.isprintable():
            raise SettingError(f"{route[:60]!r} is not the name of a route; see t38fsp routes")
    _check_limit("per minute", per_minute, MOST_PER_MINUTE)
    _check_limit("per day", per_day, MOST_PER_DAY)
    # No underscore, at which ``find`` divides a token; the secret after it may have some.
    id = "k" + "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(15))
    secret = secrets.token_urlsafe(32)
    limits = {
        "routes": sorted(routes),
        "allowed": sorted(allowed),
        "refused": sorted(refused),
        "per_minute": per_minute,
        "per_day": per_day,
    }
    values = {
        "id": id,
        "name": name.strip(),
        "hash": _hash(secret),
        "scopes": sorted(each.value for each in scopes),
        "created": now,
        "limits": limits,
    }
    connection.execute(tables.api_key.insert().values(values))
    return read(connection, id), f"{PREFIX}{id}_{secret}"


def _check_limit(what: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise SettingError(f"the limit {what} is {value}: it must be 1 to {most}, or none")


def read(connection: Connection, id: str) -> ApiKey:
    """Raises NotFoundError."""
    row = _row(connection, id)
    if row is None:
        raise NotFoundError("key", id)
    return _key(row)


def all_keys(connection: Connection) -> list[ApiKey]:
    """Also those that were revoked, oldest first."""
    rows = connection.execute(select(tables.api_key).order_by(tables.api_key.c.created, tables.api_key.c.id))
    return [_key(row) for row in rows]


def revoke(connection: Connection, id: str, now: float) -> ApiKey:
    """The key is refused from now on; a second time changes nothing. Raises NotFoundError."""
    key = read(connection, id)
    if key.revoked is None:
        connection.execute(tables.api_key.update().where(tables.api_key.c.id == id).values(revoked=now))
    return read(connection, id)


def find(connection: Connection, token: str) -> ApiKey | None:
    """The key that a client presents, or None if there is none such or it was revoked."""
    id, _, secret = (
        token.removeprefix(PREFIX).partition("_") if len(token) <= _LONGEST_TOKEN else ("", "", "")
    )
    row = _row(connection, id)
    # An unknown ID takes the same steps as a wrong secret.
    equal = hmac.compare_digest(_hash(secret), _NO_HASH if row is None else row.hash)
    if row is None or not equal or row.revoked is not None or not token.startswith(PREFIX):
        return None
    return _key(row)


def note_use(connection: Connection, id: str, now: float) -> None:
    """Store when the key was used last, at most once a minute."""
    key = tables.api_key.c
    used_before = (key.last_used.is_(None)) | (key.last_used < now - _USED_AGAIN)
    connection.execute(tables.api_key.update().where(key.id == id, used_before).values(last_used=now))


def check_day(connection: Connection, key: ApiKey, added: int, now: float) -> None:
    """See whether ``added`` faxes, which this transaction has just added, are within the key's limit for 24
    hours. Raises LimitError, which the transaction must not survive."""
    if key.per_day is None:
        return
    if connection.dialect.name == "postgresql":
        # Two hosts that accept faxes of one key count one after the other.
        connection.execute(text("SELECT pg_advisory_xact_lock(738413, hashtext(:key))"), {"key": key.id})
    since = now - DAY
    job, fax = tables.job.c, tables.fax.c
    of_day = (
        select(fax.created)
        .join(tables.job, fax.job == job.id)
        .where(job.key == key.id, fax.created > since)
        .subquery()
    )
    sent, first = connection.execute(select(func.count(), func.min(of_day.c.created))).one()
    if sent > key.per_day:
        # Until the oldest of them is a day old; a submission above the limit never fits.
        wait = max(1.0, first - since) if added <= key.per_day else DAY
        raise LimitError(
            f"the key {key.name!r} may send {key.per_day} faxes in 24 hours, and has sent {sent - added}; "
            "send fewer at once, try again later, or have the limit raised",
            wait,
        )


def _row(connection: Connection, id: str) -> Row[tuple[object, ...]] | None:
    # Looked for all the same, so that a wrong form cannot be told from an unknown ID by the time.
    if not _ID.fullmatch(id):
        id = ""
    return connection.execute(select(tables.api_key).where(tables.api_key.c.id == id)).one_or_none()


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    limits: Json = row.limits
    routes, allowed, refused = (_texts(limits.get(name)) for name in ("routes", "allowed", "refused"))
    return ApiKey(
        row.id,
        row.name,
        frozenset(map(Scope, row.scopes)),
        row.created,
        row.revoked,
        row.last_used,
        routes,
        allowed,
        refused,
        _number(limits.get("per_minute")),
        _number(limits.get("per_day")),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
