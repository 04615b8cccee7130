"""Several calls on one simulated endpoint."""

from __future__ import annotations

from pathlib import Path

from t38fsp.call_settings import CallSettings
from t38fsp.events import Disconnected
from t38fsp.image import document
from t38fsp.status import FaxStatus
from tests.call.harness import CALLEE, SIP_PORT, Receiver, Scene, Sender, make_pages
from tests.pages import make_document
from tests.peers import libtiff


def test_many_calls_at_once(tmp_path: Path) -> None:
    """Each call has its own ports, dialog, packets and result."""
    scene = Scene(tmp_path)
    scene.answer()
    make_document(scene.document, make_pages(1, rows=100))
    sender = Sender(scene.document)
    formats = document.inspect(scene.document)
    calls = [
        scene.caller.send(
            f"sip:{number}@{CALLEE}", (CALLEE, SIP_PORT), formats, sender, CallSettings(ecm=number % 2 == 0)
        )
        for number in range(8)
    ]
    scene.placed += calls
    scene.run()
    for call in scene.calls:
        assert call.call.result is not None
        assert call.call.result.status is FaxStatus.COMPLETED
    dialogs = {call.call.result.dialog for call in calls if call.call.result is not None}
    assert len(dialogs) == 8
    ports = {source for _, source, _, _ in scene.tapped if source[1] != SIP_PORT}
    assert len(ports) == 16
    # They share one file here, and all sent the same page.
    pages = list(libtiff.pages(scene.output))
    (page,) = libtiff.pages(scene.document)
    assert [each.tobytes() for each in pages] == [page.tobytes()] * 8
    scene.run_out()


def test_calls_in_both_directions(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer()
    there = scene.send(make_pages(2, rows=100))
    back_file = tmp_path / "back.tif"
    scene.caller.take_calls(Receiver(back_file))
    back = scene.callee.send(
        "sip:fax@192.0.2.1", ("192.0.2.1", SIP_PORT), document.inspect(scene.document), scene.sender
    )
    scene.placed.append(back)
    scene.run()
    for call in (there, back):
        assert call.call.result is not None
        assert call.call.result.pages_confirmed == 2
    for received in (scene.output, back_file):
        assert libtiff.assert_same_pages(scene.document, received) == 2
    scene.run_out()


def test_nothing_leaves_a_call_that_is_over(tmp_path: Path) -> None:
    """Packets are planned ahead; those of a call that was cut off stay behind."""
    scene = Scene(tmp_path)
    scene.answer(ecm=False)
    call = scene.send(make_pages(1))
    scene.run(seconds=14.0)
    line_call = scene.taken.call.line_call
    assert line_call is not None
    scene.callee.agent.hang_up(line_call, scene.simulator.now)
    scene.callee.flush()
    scene.run(until=lambda: isinstance(call.events[-1], Disconnected))
    over = scene.simulator.now
    scene.run_out()
    assert not [at for at, source, _, _ in scene.tapped if source == ("192.0.2.1", 10_000) and at > over]
