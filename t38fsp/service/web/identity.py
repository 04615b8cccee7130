"""Who makes a request: a key with its scopes, or the local socket; and how often it may."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from sip.frozen import dataclass
from t38fsp.service import keys
from t38fsp.service.errors import NotFoundError
from t38fsp.service.values import ApiKey, Scope
from t38fsp.service.web.context import Context, context_of
from t38fsp.service.web.edge import LOCAL
from t38fsp.service.web.problems import ProblemError, limited

_MINUTE = 60.0
# A host with IPv6 has 2^64 addresses in its network, so they must not be remembered without a limit.
_MOST_ADDRESSES = 10_000
_WRONG_KEYS = 30
"""Requests of a minute with a wrong key or none, from one address."""

# Its own answer to a missing key would not be a problem document, hence ``auto_error``.
BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="A key made by `t38fsp keys`. The Unix socket needs none.",
)


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. Without a key it is the local socket, which may do everything."""

    key: ApiKey | None
    address: str
    """IP address; empty for the local socket."""

    @property
    def id(self) -> str:
        """Id of the key; empty for the local socket."""
        return "" if self.key is None else self.key.id

    def may(self, *scopes: Scope) -> bool:
        """Whether it has one of the scopes, or is an administrator."""
        if self.key is None:
            return True
        return Scope.ADMIN in self.key.scopes or any(each in self.key.scopes for each in scopes)

    @property
    def sees_all(self) -> bool:
        return self.may(Scope.READ_ALL)

    def check_own(self, key: str, what: str, id: str) -> None:
        """Raises NotFoundError for what another key submitted, unless all may be seen."""
        # 404, as for an id that does not exist: a key learns nothing of what others sent.
        if not self.sees_all and key != self.id:
            raise NotFoundError(what, id)


class Rates:
    """How many requests there were, by key or address: tokens that come back at a steady rate."""

    def __init__(self, most: int = _MOST_ADDRESSES) -> None:
        # In this process alone: limits by the minute hold on each host.
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tokens, and the time at which they were counted."""

    def wait(self, who: str, per_minute: int, now: float) -> float:
        """Take a token; returns 0, or the seconds until there is one."""
        tokens, at = self._left.pop(who, (float(per_minute), now))
        tokens = min(float(per_minute), tokens + (now - at) * per_minute / _MINUTE)
        enough = tokens >= 1.0
        # At the end again, so that the one that is dropped has asked for nothing the longest.
        self._left[who] = (tokens - 1.0 if enough else tokens, now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return 0.0 if enough else (1.0 - tokens) * _MINUTE / per_minute


async def identify(
    request: Request,
    context: Annotated[Context, Depends(context_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
) -> Client:
    """The client of a request. A key counts also on the local socket, if it is presented there."""
    local = bool(request.scope.get(LOCAL))
    if local and "authorization" not in request.headers:
        return Client(None, "")
    address = "" if local or request.client is None else request.client.host
    now = time.monotonic()
    token = "" if credentials is None else credentials.credentials
    key = await context.database.read(lambda connection: keys.find(connection, token)) if token else None
    if key is None:
        # Only a wrong key takes a token of the address, which clients with good ones may share.
        if wait := context.rates.wait(f"address {address}", _WRONG_KEYS, now):
            raise limited("too many requests without a valid key came from this address; wait", wait)
        raise ProblemError(
            401,
            "the key is missing, wrong or revoked; make one with t38fsp keys, and send it as "
            "Authorization: Bearer KEY",
            # A 401 must have it (RFC 9110 15.5.2); the scheme is that of RFC 6750.
            headers={"WWW-Authenticate": 'Bearer realm="t38fsp"'},
        )
    per_minute = key.per_minute or context.settings.per_minute
    if wait := context.rates.wait(key.id, per_minute, now):
        raise limited(f"the key {key.name!r} may make {per_minute} requests a minute; wait", wait)
    context.used(key)
    return Client(key, address)


def needs(*scopes: Scope) -> Callable[[Client], Awaitable[Client]]:
    """A dependency: the client, which has one of the scopes; none means any valid key."""

    async def client(client: Annotated[Client, Depends(identify)]) -> Client:
        if scopes and not client.may(*scopes):
            names = " or ".join(each.value for each in scopes)
            raise ProblemError(403, f"this needs a key with the scope {names}", "permit")
        return client

    return client


Sender = Annotated[Client, Depends(needs(Scope.SEND))]
Reader = Annotated[Client, Depends(needs(Scope.READ_OWN, Scope.READ_ALL))]
Overseer = Annotated[Client, Depends(needs(Scope.READ_ALL))]
Admin = Annotated[Client, Depends(needs(Scope.ADMIN))]
Anyone = Annotated[Client, Depends(needs())]
