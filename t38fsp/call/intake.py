"""The pages that a call receives: gathered, judged, and given out to be stored."""

from __future__ import annotations

from typing import Protocol

from t38fsp.call.environment import StorePage
from t38fsp.jobs import CallSettings
from t38fsp.t4.checker import LineChecker
from t38fsp.t30.options import ReceiveOptions
from t38fsp.t30.outputs import Negotiated, Output, PageBegun, PageData, PageReceived

_MOST_REFUSALS = 2
"""Of one page, for lost packets: a transmitter tries three times, and the third one is better than none."""
_PAGE_LIMIT = 32 * 1024 * 1024
"""Octets of one coded page beyond which it is not taken: no page at V.17 speed in an hour is larger."""


class Taker(Protocol):
    """The T.30 machine that is told of pages which are not even stored."""

    def page_refused(self, index: int, now: float) -> None: ...
    def page_not_stored(self, index: int, error: str, now: float) -> None: ...


class PageIntake:
    """Takes what ``session``, which has these ``options``, says of the pages that come."""

    def __init__(self, session: Taker, options: ReceiveOptions, settings: CallSettings) -> None:
        self._session = session
        self._options = options
        self._settings = settings
        self._octets = 0
        """Of the pages given out to be stored."""
        self._data = bytearray()
        self._checker: LineChecker | None = None
        self._index = 0
        self._too_long = False
        """The page has more octets than are kept."""
        self._incomplete = False
        """Packets of the page are lost."""
        self._pieces = 0
        """Packets of the page that came."""
        self._lost_before = 0
        """Packets that the call had lost when the page could begin."""
        self._refusals = 0
        """Of the page, because packets of it were lost."""

    def take(self, output: Output, lost: int, now: float) -> list[StorePage]:
        """The page to store, if this completes one and it is not refused.

        ``lost`` is the number of packets that the call has lost so far.
        """
        match output:
            case PageBegun(index=index, mode=mode):
                self._data.clear()
                self._checker = None if mode.ecm else LineChecker(mode.coding, mode.width)
                self._too_long = self._incomplete = False
                self._pieces = 0
                if index != self._index:
                    self._index, self._refusals = index, 0
            case PageData(data=data, after_gap=after_gap):
                self._too_long |= len(self._data) + len(data) > _PAGE_LIMIT
                self._pieces += bool(data)
                if not self._too_long:
                    self._data += data
                    if self._checker is not None:
                        self._incomplete |= after_gap and not self._checker.ended
                        self._checker.feed(data, after_gap)
            case PageReceived():
                lost_of_page, self._lost_before = lost - self._lost_before, lost
                return self._received(output, lost_of_page, now)
            case Negotiated():
                self._lost_before = lost
        return []

    def _received(self, page: PageReceived, lost: int, now: float) -> list[StorePage]:
        data = bytes(self._data)
        self._data.clear()
        refused = self._checker is not None and self._is_refused(self._checker, lost)
        if (error := self._too_much(page.index, len(data))) is not None:
            self._session.page_not_stored(page.index, error, now)
        elif refused:
            self._session.page_refused(page.index, now)
        else:
            self._octets += len(data)
            return [StorePage(page.index, page.mode, data)]
        return []

    def _too_much(self, index: int, octets: int) -> str | None:
        """Why a page is not kept, whatever its quality."""
        settings = self._settings
        if self._too_long:
            return f"it has more than the {_PAGE_LIMIT} octets that are kept of a page"
        if index >= settings.max_pages:
            return f"the fax has more than the {settings.max_pages} pages that are taken (max_pages)"
        if settings.max_octets is not None and self._octets + octets > settings.max_octets:
            return f"the fax has more than the {settings.max_octets} octets that are taken (max_octets)"
        return None

    def _is_refused(self, checker: LineChecker, lost: int) -> bool:
        """Whether a page without ECM has to come again, rather than be kept as it is.

        A bad line on the telephone costs a few rows, which T.30 leaves to our tolerance. Lost packets cost
        content that may not show in the rows that did come, and the next attempt is likely to bring it. The
        last attempt is kept if but little of its middle is missing.
        """
        ended = checker.ended
        quality = checker.finish()
        if self._incomplete:
            self._refusals += 1
            if self._refusals <= _MOST_REFUSALS or not ended:
                return True
            if lost >= self._options.bad_share * (lost + self._pieces):
                return True
        return quality.bad_rows >= self._options.bad_share * quality.rows
