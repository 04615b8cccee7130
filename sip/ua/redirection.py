"""Where an INVITE may go after 3xx responses (RFC 3261 8.1.3.4, 19.1.5)."""

from __future__ import annotations

import re

from sip.syntax.errors import ParseError
from sip.syntax.headers import NameAddress
from sip.syntax.message import Response
from sip.syntax.uri import Uri, parse_uri

_FOLLOWED = frozenset({300, 301, 302})
"""Not 305, which names a proxy, and not 380, which names another service (RFC 3261 21.3)."""
_MAX_CONTACTS = 64
"""Contacts used of one response."""
_Q = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


class Redirection:
    """The targets of one call: each is tried once, ``limit`` of them beyond the first, best first.

    Only URIs of the scheme that the call began with are followed, so that ``sips`` never becomes less secure.
    """

    def __init__(self, first: Uri, limit: int) -> None:
        self._scheme = first.scheme
        self._known = {_name(first)}
        self._left = limit
        self._waiting: list[Uri] = []

    def learn(self, response: Response) -> None:
        """Note the Contacts of a 3xx, before those that still wait from an earlier one."""
        if response.status not in _FOLLOWED:
            return
        found: list[tuple[float, Uri]] = []
        for value in response.headers.get_all("Contact")[:_MAX_CONTACTS]:
            try:
                contact = NameAddress.parse(value)
                uri = parse_uri(contact.uri)
            except ParseError:
                continue
            # RFC 3261 8.1.3.4: a target is never tried twice, so a loop of redirections ends.
            if uri.scheme == self._scheme and uri.host and _name(uri) not in self._known:
                self._known.add(_name(uri))
                # Headers of the Contact are not taken over: RFC 3261 19.1.5 warns of obeying them.
                found.append((_quality(contact.params.get("q")), uri.as_target()))
        self._waiting = [uri for _, uri in sorted(found, key=lambda pair: -pair[0])] + self._waiting

    def next(self) -> Uri | None:
        """The target to try now; None when there is none, or enough were tried."""
        if not self._waiting or self._left == 0:
            return None
        self._left -= 1
        return self._waiting.pop(0)


def _name(uri: Uri) -> tuple[str | None, str, int | None]:
    """What two URIs for one target have in common."""
    return uri.user, uri.host.lower(), uri.port


def _quality(text: str | None) -> float:
    return float(text) if text is not None and _Q.fullmatch(text) else 1.0
