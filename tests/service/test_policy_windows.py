"""Windows of hours by the clock of the site, with the changes of its clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from t38fsp.errors import SettingError
from t38fsp.service.policy.windows import ALWAYS, Window

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clock changes by half an hour


def at(text: str) -> float:
    """Of a time with an offset."""
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("window", "zone", "now", "opens"),
    [
        ("08:00-18:00", BERLIN, "2026-12-01T07:59:59+01:00", "2026-12-01T08:00:00+01:00"),
        ("08:00-18:00", BERLIN, "2026-12-01T08:00:00+01:00", "2026-12-01T08:00:00+01:00"),
        ("08:00-18:00", BERLIN, "2026-12-01T17:59:59+01:00", "2026-12-01T17:59:59+01:00"),
        ("08:00-18:00", BERLIN, "2026-12-01T18:00:00+01:00", "2026-12-02T08:00:00+01:00"),
        ("00:00-24:00", BERLIN, "2026-12-01T23:59:59+01:00", "2026-12-01T23:59:59+01:00"),
        # 2026-12-04 is a Friday.
        ("Mon-Fri 8:00-18:00", BERLIN, "2026-12-04T18:00:00+01:00", "2026-12-07T08:00:00+01:00"),
        (
            "mon-fri 08:00-18:00; Saturday 10:00-12:00",
            BERLIN,
            "2026-12-04T19:00+01:00",
            "2026-12-05T10:00+01:00",
        ),
        ("Sat,Sun 10:00-14:00", BERLIN, "2026-12-04T12:00+01:00", "2026-12-05T10:00+01:00"),
        # Days across the end of the week, and hours across midnight.
        ("Sat-Mon 10:00-14:00", BERLIN, "2026-12-06T15:00+01:00", "2026-12-07T10:00+01:00"),
        ("Fri 22:00-06:00", BERLIN, "2026-12-05T05:59+01:00", "2026-12-05T05:59+01:00"),
        ("Fri 22:00-06:00", BERLIN, "2026-12-05T06:00+01:00", "2026-12-11T22:00+01:00"),
        ("Fri 22:00-06:00", BERLIN, "2026-12-04T05:59+01:00", "2026-12-04T22:00+01:00"),
        # Forward: 2026-03-29 in Berlin, 02:00 becomes 03:00.
        ("08:00-18:00", BERLIN, "2026-03-28T20:00+01:00", "2026-03-29T08:00+02:00"),
        ("02:30-06:00", BERLIN, "2026-03-28T20:00+01:00", "2026-03-29T03:00+02:00"),
        ("02:15-02:45", BERLIN, "2026-03-28T20:00+01:00", "2026-03-30T02:15+02:00"),
        # Back: 2026-10-25 in Berlin, 03:00 becomes 02:00.
        ("08:00-18:00", BERLIN, "2026-10-24T20:00+02:00", "2026-10-25T08:00+01:00"),
        ("02:30-06:00", BERLIN, "2026-10-24T20:00+02:00", "2026-10-25T02:30+02:00"),
        ("02:15-02:45", BERLIN, "2026-10-25T02:50+02:00", "2026-10-25T02:15+01:00"),
        ("01:00-02:30", BERLIN, "2026-10-25T02:40+02:00", "2026-10-25T02:00+01:00"),
        # The other hemisphere, another direction, and half an hour.
        ("08:00-18:00", NEW_YORK, "2026-03-07T20:00-05:00", "2026-03-08T08:00-04:00"),
        ("08:00-18:00", NEW_YORK, "2026-10-31T20:00-04:00", "2026-11-01T08:00-05:00"),
        ("02:15-06:00", LORD_HOWE, "2026-10-03T20:00+10:30", "2026-10-04T02:30+11:00"),
    ],
)
def test_next_opening(window: str, zone: ZoneInfo, now: str, opens: str) -> None:
    parsed = Window.parse(window)
    found = parsed.next_open(at(now), zone)
    assert datetime.fromtimestamp(found, UTC) == datetime.fromisoformat(opens).astimezone(UTC)
    assert parsed.is_open(found, zone)
    assert parsed.is_open(at(now), zone) == (found == at(now))


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, LORD_HOWE, UTC])
@pytest.mark.parametrize("text", ["02:15-02:45", "Sun 23:00-03:00", "Sat 22:30-02:30; Sun 01:50-02:10"])
def test_no_open_minute_is_passed_over(zone: ZoneInfo, text: str) -> None:
    """Minute by minute over both changes of the clock: an opening is the first minute that is open."""
    window = Window.parse(text)
    for begin in (
        "2026-03-07T20:00+00:00",
        "2026-03-28T20:00+00:00",
        "2026-10-03T10:00+00:00",
        "2026-10-24T20:00+00:00",
    ):
        start = at(begin)
        minutes = [start + 60 * index for index in range(30 * 60)]
        is_open = [window.is_open(minute, zone) for minute in minutes]
        for index in range(0, len(minutes), 97):
            if True in is_open[index:]:
                assert window.next_open(minutes[index], zone) == minutes[is_open.index(True, index)]


def test_a_fraction_of_a_second_before_and_the_whole_week() -> None:
    assert Window.parse("08:00-18:00").next_open(at("2026-12-01T07:59:59.75+00:00"), UTC) == at(
        "2026-12-01T08:00Z"
    )
    now = at("2026-12-01T12:34:56.5+00:00")
    assert ALWAYS.next_open(now, UTC) == now
    once = Window.parse("Mon 00:00-00:01").next_open(at("2026-12-07T00:01:00+00:00"), UTC)
    assert once - at("2026-12-07T00:00:00+00:00") == timedelta(weeks=1).total_seconds()


@pytest.mark.parametrize(
    "text",
    [
        *("", ";", "8-18", "08:00", "08:00-25:00", "24:00-08:00", "08:60-09:00", "08:00-08:00"),
        *("Foo 08:00-09:00", "Mo 8:00-9:00", "Mon- 08:00-09:00", "x" * 300, "; ".join(["08:00-09:00"] * 21)),
    ],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(SettingError):
        Window.parse(text)
