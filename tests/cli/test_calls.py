"""Whole calls between commands, each in a process of its own, over SIP and T.38 on the loopback interface."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from t38fsp.image.compare import differing_pages
from tests.cli.commands import Ended, port_of, t38fsp


@dataclass(frozen=True, slots=True)
class Calls:
    letter: Path
    faxes: Path
    receiver: Ended
    with_json: Ended
    in_words: Ended
    too_late: Ended

    @property
    def received(self) -> dict[str, dict[str, Any]]:
        """The receiver's objects, by the user part that was called."""
        objects = map(json.loads, self.receiver.output.splitlines())
        return {fax["called"].removeprefix("sip:").partition("@")[0]: fax for fax in objects}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory, letter: Path) -> Calls:
    """Two faxes at once to ``receive --count 2``, and a third call while they last."""
    return asyncio.run(make_calls(letter, tmp_path_factory.mktemp("calls") / "faxes"))


async def make_calls(letter: Path, faxes: Path) -> Calls:
    taking = ("receive", "--output", faxes, "--listen", "127.0.0.1:0", "--count", "2", "--json")
    async with t38fsp(*taking) as receiver:
        port = port_of(await receiver.progress("listening on sip:127.0.0.1:"))
        there = f"127.0.0.1:{port}"
        one = ("send", letter, "--to", f"sip:one@{there}", "--station-id", "+1 555 0199", "--json")
        other = ("send", letter, "--to", "+1 (555) 0100", "--via", f"sip:{there}")
        options = ("--no-ecm", "--max-rate", "9600", "--from", "Accounts <sip:+15550199@trunk.example>")
        async with t38fsp(*one) as with_json, t38fsp(*other, *options) as in_words:
            await asyncio.gather(with_json.progress("connected"), in_words.printed("connected"))
            async with t38fsp(*one) as third:
                too_late = await third.end()
            ended = await asyncio.gather(receiver.end(), with_json.end(), in_words.end())
    return Calls(letter, faxes, *ended, too_late)


def test_every_page_arrives_as_it_was_in_files_for_their_owner_only(calls: Calls) -> None:
    assert calls.receiver.status == 0
    files = sorted(calls.faxes.iterdir())
    assert files == sorted(Path(fax["file"]) for fax in calls.received.values())
    assert [differing_pages(calls.letter, file) for file in files] == [[], []]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]


def test_the_senders_json(calls: Calls) -> None:
    result = calls.with_json.json
    assert (calls.with_json.status, result["exit_status"], result["status"]) == (0, 0, "COMPLETED")
    assert (result["completed"], result["pages_confirmed"], result["retry"]) == (True, 1, False)
    (page,) = result["pages"]
    assert (page["number"], page["confirmed"], page["response"]) == (1, True, "MCF")
    assert (page["coding"], page["ecm"], page["bit_rate"]) == ("MMR", True, 14400)
    assert result["sip_status"] == 200
    assert "local-tag=" in result["dialog"]
    assert (result["outcome"], result["incoming"]) == ("COMPLETED", False)
    assert result["documents"] == [str(calls.letter)]
    assert result["number"]
    assert datetime.fromisoformat(result["began"]) < datetime.fromisoformat(result["ended"])


def test_the_receivers_json(calls: Calls) -> None:
    one, other = calls.received["one"], calls.received["+15550100"]
    assert (one["status"], one["pages_confirmed"], one["exit_status"]) == ("COMPLETED", 1, 0)
    assert one["remote_id"] == "+1 555 0199"
    assert other["caller"] == "sip:+15550199@trunk.example"
    assert (other["incoming"], other["number"], other["documents"]) == (True, "", [])
    assert datetime.fromisoformat(other["began"]) < datetime.fromisoformat(other["ended"])
    (page,) = other["pages"]
    assert (page["ecm"], page["bit_rate"]) == (False, 9600)
    assert "[1] page 1 confirmed (MCF): " in calls.receiver.progress
    assert not re.search(r"^\d\d:\d\d:\d\d", calls.receiver.progress, re.M)


def test_progress_in_plain_lines(calls: Calls) -> None:
    assert calls.in_words.status == 0
    lines = calls.in_words.output.splitlines()
    times, steps = zip(*(line.split(" ", 1) for line in lines[:-1]), strict=True)
    assert all(re.fullmatch(r"[0-2]\d:[0-5]\d:[0-5]\d", each) for each in times)
    assert [line.split(":")[0] for line in (*steps, lines[-1])] == [
        "switched to T.38 (the far end asked for it)",
        "trained at 9600 bit/s, MR, no error correction",
        "page 1 of 1",
        "page 1 confirmed (MCF)",
        "COMPLETED",
    ]
    assert "\x1b" not in calls.in_words.output


def test_calls_beyond_the_count_are_busy(calls: Calls) -> None:
    assert calls.too_late.status == 3
    assert (calls.too_late.json["status"], calls.too_late.json["sip_status"]) == ("BUSY", 486)
