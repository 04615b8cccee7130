"""The limit of the time that a page may take."""

from __future__ import annotations

from t38fsp.page_settings import PageSettings
from t38fsp.pages.seconds import page_seconds
from t38fsp.t30.vocabulary import PageMode


def seconds_over(octets: int, mode: PageMode, settings: PageSettings) -> float:
    """By how many seconds a page of so many coded octets takes longer than it may; 0 if it does not.

    Without modem pace the time that a page takes does not matter.
    """
    limit = settings.page_seconds
    if limit is None or not mode.bit_rate:
        return 0.0
    return max(0.0, page_seconds(octets, mode.bit_rate, mode.ecm) - limit)


def over_time(octets: int, mode: PageMode, settings: PageSettings) -> str:
    """That a page takes longer than it may, as a phrase; empty if it does not."""
    if not seconds_over(octets, mode, settings):
        return ""
    seconds = page_seconds(octets, mode.bit_rate, mode.ecm)
    return f"takes {seconds:.0f} s at {mode.bit_rate} bit/s, and the limit is {settings.page_seconds:g} s"
