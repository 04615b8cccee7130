"""What the command line says, to people and to programs."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import datetime
from pathlib import Path

import pytest

from sip.values import DialogId
from t38fsp import events
from t38fsp.cli import sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for
from t38fsp.cli.output import print_line
from t38fsp.cli.report import Reporter, print_json
from t38fsp.image.errors import StoreError
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult, PageRecord
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.vocabulary import Coding

DIALOG = DialogId("a1@host", "ours", "theirs")
CONFIRMED = PageRecord(1, True, "MCF", 14400, Coding.MMR, True, 15330, 2, 12.13)
REFUSED = PageRecord(2, False, "RTN", 9600, Coding.MR, False, 20000, 1, 30.0)
NEVER_SENT = PageRecord(3, False)


def test_a_call_in_sentences() -> None:
    told = [
        sentences.of_event(event)
        for event in (
            events.Dialing("sip:+15550100@trunk.example"),
            events.Ringing(180, "Ringing"),
            events.Connected(DIALOG),
            events.SwitchedToT38(DIALOG, ours=False),
            events.Identified("+1 555 0100"),
            events.Identified(""),
            events.Trained(14400, Coding.MMR, ecm=True),
            events.PageStarted(1, 3),
            events.PageDone(CONFIRMED),
            events.SwitchedToT38(DIALOG, ours=True),
            events.Trained(9600, Coding.MR, ecm=False),
            events.Trained(0, Coding.MMR, ecm=True),
            events.PageStarted(2, 0),
            events.PageDone(REFUSED),
            events.PageDone(NEVER_SENT),
            events.Disconnected(DIALOG, remote=True),
        )
    ]
    assert told == [
        "calling sip:+15550100@trunk.example",
        "ringing (180 Ringing)",
        f"connected, dialog {DIALOG}",
        "switched to T.38 (the far end asked for it)",
        "the far end is +1 555 0100",
        "",
        "trained at 14400 bit/s, MMR, error correction",
        "page 1 of 3",
        "page 1 confirmed (MCF): 15330 octets in 12.1 s, 2 repeated",
        "switched to T.38 (we asked for it)",
        "trained at 9600 bit/s, MR, no error correction",
        "agreed to send without modem pace, MMR, error correction",
        "page 2",
        "page 2 not confirmed (RTN): 20000 octets in 30.0 s, 1 repeated",
        "page 3 not confirmed (never sent): 0 octets in 0.0 s",
        "",
    ]


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (
            FaxResult(FaxStatus.BUSY, "the far end is busy (SIP 486)", True, "the line may be free later"),
            "BUSY: the far end is busy (SIP 486); sending again can help: the line may be free later",
        ),
        (
            FaxResult(FaxStatus.BAD_ADDRESS, "the number does not exist", False, "it will stay wrong"),
            "BAD_ADDRESS: the number does not exist; sending again cannot help: it will stay wrong",
        ),
        (FaxResult(FaxStatus.COMPLETED, "1 page was sent", False, "confirmed"), "COMPLETED: 1 page was sent"),
        (FaxResult(FaxStatus.USER_ABORT, "cancelled here", False, "cancelled"), "USER_ABORT: cancelled here"),
        (
            FaxResult(FaxStatus.BUSY, "it is busy", True, "the line may be free later", polled=True),
            "BUSY: it is busy; polling again can help: the line may be free later",
        ),
        (
            FaxResult(FaxStatus.DISCONNECTED, "cut off", retry_reason="it may be better", incoming=True),
            "DISCONNECTED: cut off; it may be better",
        ),
        (
            FaxResult(FaxStatus.COMPLETED, "1 page was received", incoming=True),
            "COMPLETED: 1 page was received",
        ),
    ],
)
def test_the_last_line_says_why_and_whether_sending_again_can_help(result: FaxResult, told: str) -> None:
    assert sentences.of_result(result) == told


@pytest.mark.parametrize(
    ("status", "pages", "exit_status"),
    [
        (FaxStatus.COMPLETED, (CONFIRMED,), 0),
        (FaxStatus.BUSY, (), 3),
        (FaxStatus.NO_ANSWER, (), 4),
        (FaxStatus.BAD_ADDRESS, (), 5),
        (FaxStatus.CALL_BLACKLISTED, (), 5),
        (FaxStatus.NOT_FAX_CALL, (), 6),
        (FaxStatus.DISCONNECTED, (CONFIRMED, REFUSED), 7),
        # of a fax received, broken off between two pages
        (FaxStatus.DISCONNECTED, (CONFIRMED,), 7),
        (FaxStatus.FATAL_ERROR, (CONFIRMED,), 7),
        (FaxStatus.FATAL_ERROR, (CONFIRMED, NEVER_SENT), 7),
        (FaxStatus.DISCONNECTED, (REFUSED, NEVER_SENT), 8),
        (FaxStatus.LINE_UNAVAILABLE, (), 9),
        (FaxStatus.FATAL_ERROR, (REFUSED,), 10),
        (FaxStatus.NO_DIAL_TONE, (), 10),
        (FaxStatus.BAD_DOCUMENT, (), 11),
        (FaxStatus.USER_ABORT, (CONFIRMED, NEVER_SENT), 12),
    ],
)
def test_exit_statuses(status: FaxStatus, pages: tuple[PageRecord, ...], exit_status: int) -> None:
    assert exit_for(FaxResult(status, "", pages=pages)) == exit_status


def test_no_t38_has_an_exit_status_of_its_own() -> None:
    result = FaxResult(FaxStatus.NOT_FAX_CALL, "", outcome=Outcome.NO_T38)
    assert exit_for(result) == 13


@pytest.mark.parametrize("status", FaxStatus)
def test_no_status_but_completed_ends_with_zero(status: FaxStatus) -> None:
    assert (exit_for(FaxResult(status, "")) == 0) is (status is FaxStatus.COMPLETED)


def test_json_has_everything_in_plain_types(capsys: pytest.CaptureFixture[str]) -> None:
    result = FaxResult(
        FaxStatus.DISCONNECTED,
        "cut off",
        retry=True,
        retry_reason="it may not happen again",
        sip_status=200,
        t30_error=T30Failure.DISCONNECTED,
        dialog=DIALOG,
        remote_id="Büro\udc80",
        pages=(CONFIRMED, NEVER_SENT),
        seconds=20.5,
        counters={"lost": 1},
    )
    print_json(result, exit_status=Exit.PARTIAL, file="fax.tif")
    (line,) = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert (document["status"], document["outcome"]) == ("DISCONNECTED", "DISCONNECTED")
    assert document["t30_error"] == "DISCONNECTED"
    assert document["dialog"] == str(DIALOG)
    assert document["remote_id"] == "Büro\udc80"
    assert document["counters"] == {"lost": 1}
    assert [page["confirmed"] for page in document["pages"]] == [True, False]
    assert (document["pages"][0]["coding"], document["pages"][1]["coding"]) == ("MMR", None)
    assert (document["completed"], document["pages_confirmed"], document["exit_status"]) == (False, 1, 7)
    assert document["file"] == "fax.tif"


def test_what_comes_from_the_network_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter() as reporter:
        reporter.call("[1] ").event(events.Ringing(180, "\x1b]0;owned\x07\r\n\udc80 [bold]Ringing"))
    assert capsys.readouterr().out.partition(" ")[2] == (
        "[1] ringing (180 \\x1b]0;owned\\x07\\x0d\\x0a\\udc80 [bold]Ringing)\n"
    )


def test_a_stream_that_cannot_show_a_character_shows_its_number() -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    print_line("Büro", ascii_only)
    assert ascii_only.buffer.getvalue() == b"B\\xfcro\n"


def test_a_closed_standard_output_fails_no_fax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with Reporter() as reporter:
        call = reporter.call()
        call.event(events.Dialing("sip:fax@trunk.example"))
        call.event(events.Finished(FaxResult(FaxStatus.COMPLETED, "done")))
    assert call.result is not None


def test_a_reader_that_has_gone_away_fails_no_fax() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as nobody:
        print_line("page 1 of 3", nobody)
        print_line("page 2 of 3", nobody)


def test_with_json_the_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter(as_json=True) as reporter:
        reporter.call().event(events.PageStarted(1, 1))
    assert tuple(capsys.readouterr()) == ("", "page 1 of 1\n")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileExistsError(17, "File exists"), "(it is a file)"),
        (PermissionError(13, "Permission denied"), "(Permission denied)"),
        (StoreError("the disk is full"), "(the disk is full)"),
    ],
)
def test_a_directory_that_cannot_be_written(error: Exception, told: str) -> None:
    refusal = CommandError.unwritable(Path("faxes"), error)
    assert told in str(refusal)
    assert "--output" in str(refusal)
    assert refusal.status is Exit.ERROR
    assert refusal.result("", (), datetime.now().astimezone()).retry is False
