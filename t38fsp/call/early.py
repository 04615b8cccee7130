"""T.38 that arrives before the SDP which says from whom it is to come."""

from __future__ import annotations

from sip.line import Address

_MOST_SOURCES = 4
_MOST_OF_ONE = 64
"""Datagrams: more than a second of anything that a gateway says before the switch."""


class EarlyDatagrams:
    """Keeps datagrams by their source, since anybody who guesses the port can send some.

    No source takes the place of another. Those of the host that ``expected`` names always find a place.
    """

    def __init__(self) -> None:
        self._by_source: dict[Address, list[bytes]] = {}

    def keep(self, data: bytes, source: Address, expected: Address | None) -> None:
        """``expected`` is where the far end's media is known to be so far."""
        kept = self._by_source.get(source)
        if kept is None:
            if len(self._by_source) >= _MOST_SOURCES and not self._make_room(source, expected):
                return
            kept = self._by_source[source] = []
        if len(kept) < _MOST_OF_ONE:
            kept.append(data)

    def _make_room(self, source: Address, expected: Address | None) -> bool:
        if expected is None or source[0] != expected[0]:
            return False
        stranger = next((known for known in self._by_source if known[0] != expected[0]), None)
        if stranger is not None:
            del self._by_source[stranger]
        return stranger is not None

    def take(self, announced: Address) -> list[bytes]:
        """Those of one source: the address announced, else another port of its host, else the first heard.

        The last is for far ends behind a NAT, which know their address wrongly.
        """
        kept, self._by_source = self._by_source, {}
        same_host = (source for source in kept if source[0] == announced[0])
        source = announced if announced in kept else next(same_host, next(iter(kept), None))
        return [] if source is None else kept[source]
