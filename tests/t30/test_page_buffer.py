"""Requests for pages: at most one for each page, which counts for the mode in which the page is to travel."""

from __future__ import annotations

from dataclasses import replace

from t38fsp.t30.page_buffer import PageBuffer
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution

MMR = PageMode(Coding.MMR, 1728, Resolution.R8_FINE, True, 14400)
MH = replace(MMR, coding=Coding.MH)


def test_a_page_is_asked_for_once() -> None:
    buffer = PageBuffer()
    first = buffer.want(0, MMR)
    assert first is not None
    assert (first.index, first.mode) == (0, MMR)
    assert buffer.want(0, MMR) is None
    assert buffer.put(first.request, b"page") == 0
    assert buffer.get(0, MMR) == b"page"
    assert buffer.want(0, MMR) is None


def test_another_rate_of_ecm_needs_the_page_no_second_time() -> None:
    """Without a least scan line time the octets are the same at each rate."""
    buffer = PageBuffer()
    wanted = buffer.want(0, MMR)
    assert wanted is not None
    assert buffer.want(0, replace(MMR, bit_rate=9600)) is None
    buffer.put(wanted.request, b"page")
    assert buffer.get(0, replace(MMR, bit_rate=9600)) == b"page"


def test_a_page_that_is_wanted_in_another_mode_is_asked_for_anew() -> None:
    """What comes for the earlier request is not used, and requests for other pages stand."""
    buffer = PageBuffer()
    earlier, other, later = buffer.want(0, MMR), buffer.want(1, MMR), buffer.want(0, MH)
    assert earlier is not None
    assert other is not None
    assert later is not None
    assert buffer.put(earlier.request, b"page in MMR") is None
    assert buffer.fail(earlier.request, "too late") is None
    assert buffer.put(other.request, b"the next page") == 1
    assert buffer.put(later.request, b"page in MH") == 0
    assert (buffer.get(0, MMR), buffer.get(0, MH)) == (None, b"page in MH")
    assert buffer.get(1, MMR) == b"the next page"


def test_a_page_that_cannot_be_coded_is_not_asked_for_again() -> None:
    buffer = PageBuffer()
    wanted = buffer.want(0, MMR)
    assert wanted is not None
    assert buffer.fail(wanted.request, "no such page") == 0
    assert buffer.error(0) == "no such page"
    assert buffer.want(0, MMR) is None
    assert buffer.want(0, MH) is None
    assert buffer.error(1) is None


def test_a_page_that_was_dropped_can_be_had_again() -> None:
    buffer = PageBuffer()
    wanted = buffer.want(0, MMR)
    assert wanted is not None
    buffer.put(wanted.request, b"page")
    buffer.drop(0)
    assert buffer.get(0, MMR) is None
    assert buffer.want(0, MMR) is not None
