"""What a result tells of the far end, beside what became of the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp import events
from t38fsp.call.record import CallRecord
from t38fsp.call_settings import CallSettings
from t38fsp.image import document
from t38fsp.jobs import Addressing
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import FarEndIdentified
from tests.call.harness import CALLEE, SIP_PORT, Scene, Sender, make_pages
from tests.pages import make_document


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A call with SUB and SID, run to its end."""
    scene = Scene(tmp_path)
    make_document(scene.document, make_pages(1))
    scene.answer(station_id="+1 555 0199")
    call = scene.caller.send(
        f"sip:+15550100@{CALLEE}",
        (CALLEE, SIP_PORT),
        document.inspect(scene.document),
        Sender(scene.document),
        CallSettings(station_id="+1 555 0100"),
        addressing=Addressing("12#3", "4711"),
    )
    scene.placed.append(call)
    scene.run()
    scene.assert_delivered(1)
    return scene


def test_whom_the_fax_is_for(scene: Scene) -> None:
    assert (scene.received.sub_address, scene.received.sender_id) == ("12#3", "4711")
    assert events.Addressed("12#3", "4711") in scene.taken.events
    assert (scene.sent.sub_address, scene.sent.warnings) == ("", ())


def test_what_the_far_end_can_do(scene: Scene) -> None:
    assert {"RECEIVES", "ECM", "MMR", "SUBADDRESS", "INCH_300"} <= set(scene.sent.remote_capabilities)
    assert scene.received.remote_capabilities == ()


@pytest.mark.parametrize(
    ("non_standard", "equipment"),
    [
        (b"\xb5\x00\x2a\x01\x02", "T.35 country b5, manufacturer 002a"),
        (b"\xff\x01\x00\x2a", "T.35 country ff01, manufacturer 002a"),
        (b"\xb5", "T.35 country b5"),
        (b"", ""),
    ],
)
def test_who_made_the_far_end(non_standard: bytes, equipment: str) -> None:
    record = CallRecord()
    record.note(FarEndIdentified("+1", non_standard))
    assert record.result(0.0).remote_equipment == equipment


def test_a_long_page_without_ecm_is_warned_of(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer()
    scene.send(make_pages(1, kind="noise", rows=300), ecm=False, max_rate=4800)
    scene.run()
    assert scene.sent.status is FaxStatus.COMPLETED
    (warning,) = scene.sent.warnings
    assert warning.startswith("page 1 keeps the carrier up for ")
    assert events.Warned(warning) in scene.call.events
