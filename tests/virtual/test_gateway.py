"""The virtual gateway without quirks: how its calls end, and what it tells of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from sip.line import Failed
from t38fsp.audio.offer import audio_media
from t38fsp.events import FaxEvent, Finished
from t38fsp.image import document
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.virtual.documents import DocumentFile, GrowingFile
from t38fsp.virtual.gateway import SimulatedGateway
from t38fsp.virtual.gateway_call import GatewayCall
from t38fsp.virtual.quirks import parse_quirks
from tests.call.harness import CALLEE, SIP_PORT, Scene, make_pages
from tests.call.phone import MEDIA_PORT, PHONE, Phone
from tests.pages import make_document

GATEWAY = "192.0.2.99"


def gateway_in(scene: Scene) -> SimulatedGateway:
    return SimulatedGateway(scene.simulator, scene.network, (GATEWAY, SIP_PORT), random.Random(GATEWAY))


def call(scene: Scene, host: str) -> FaxResult:
    """What becomes of a call of the gateway to somebody at ``host``."""
    make_document(scene.document, make_pages(1, rows=60))
    loaded = DocumentFile(scene.document)
    gateway = gateway_in(scene)
    placed = gateway.call(f"sip:fax@{host}", (host, SIP_PORT), loaded, loaded.formats)
    scene.run(until=lambda: gateway.idle)
    assert gateway.calls == [placed]
    assert placed.result is not None
    return placed.result


@pytest.mark.parametrize(
    ("does", "status", "within"),
    [
        (lambda phone: None, FaxStatus.NO_ANSWER, 70),
        (lambda phone: phone.ring(), FaxStatus.NO_ANSWER, 70),
        (lambda phone: phone.accept(), FaxStatus.NOT_FAX_CALL, 70),
        (lambda phone: phone.refuse(486), FaxStatus.BUSY, 10),
        (lambda phone: phone.refuse(404), FaxStatus.BAD_ADDRESS, 10),
    ],
    ids=["says nothing", "rings for ever", "never switches", "is busy", "does not exist"],
)
def test_a_call_that_comes_to_nothing_ends_in_time(
    tmp_path: Path, does: Callable[[Phone], None], status: FaxStatus, within: float
) -> None:
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: does(phone)
    result = call(scene, PHONE)
    assert result.status is status, result.reason
    assert [page.confirmed for page in result.pages] == [False]
    assert result.seconds < within


def test_a_call_tells_of_its_pages_as_a_call_of_the_product_does(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer()
    result = call(scene, CALLEE)
    assert result.status is FaxStatus.COMPLETED
    assert result.reason == "1 page was sent and confirmed by the far end"
    ((number, confirmed),) = ((page.number, page.confirmed) for page in result.pages)
    assert (number, confirmed) == (1, True)
    assert result.counters["received"] > 0


def test_a_voice_call_leaves_no_page(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    gateway, phone = gateway_in(scene), Phone(scene)
    file = GrowingFile(tmp_path / "file.tif")
    gateway.answer_calls(file)
    phone.dial([audio_media(MEDIA_PORT, (0,))], to=GATEWAY)
    scene.run(seconds=5)
    phone.hang_up()
    scene.run(until=lambda: gateway.idle)
    (taken,) = gateway.calls
    assert taken.result is not None
    assert taken.result.status is FaxStatus.NOT_FAX_CALL
    assert taken.result.reason == "the far end hung up before any switch to T.38"
    assert not file.path.exists()


@pytest.mark.parametrize("seconds", [1, 8, 11])
def test_nothing_is_told_of_a_call_that_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    scene = Scene(tmp_path)
    gateway = gateway_in(scene)
    told: list[FaxEvent] = []
    take_events = gateway.gateway.take_events

    def taking() -> list[tuple[GatewayCall, FaxEvent]]:
        taken = take_events()
        told.extend(event for _, event in taken)
        return taken

    monkeypatch.setattr(gateway.gateway, "take_events", taking)
    gateway.answer_calls(GrowingFile(tmp_path / "file.tif"), parse_quirks(f"hangs-up={seconds}"))
    scene.send(make_pages(3), to=GATEWAY)
    scene.run(until=lambda: len(gateway.calls) == 1)
    assert [type(event) for event in told].index(Finished) == len(told) - 1


@pytest.mark.parametrize(
    ("quirk", "status", "confirmed"),
    [("early-hang-up", FaxStatus.COMPLETED, 2), ("hangs-up=11", FaxStatus.DISCONNECTED, 0)],
)
def test_a_gateway_that_hangs_up_tells_whether_the_fax_is_there(
    tmp_path: Path, quirk: str, status: FaxStatus, confirmed: int
) -> None:
    scene = Scene(tmp_path)
    gateway = gateway_in(scene)
    gateway.answer_calls(GrowingFile(tmp_path / "file.tif"), parse_quirks(quirk))
    scene.send(make_pages(2, rows=300), to=GATEWAY)
    scene.run(until=lambda: len(gateway.calls) == 1)
    (taken,) = gateway.calls
    assert taken.result is not None
    assert (taken.result.status, taken.result.pages_confirmed) == (status, confirmed)


def test_calls_get_486_until_they_are_to_be_taken(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    gateway, phone = gateway_in(scene), Phone(scene)
    phone.dial([audio_media(MEDIA_PORT, (0,))], to=GATEWAY)
    scene.run(until=lambda: bool(phone.heard(Failed)))
    (failed,) = phone.heard(Failed)
    assert failed.status == 486
    assert gateway.calls == []


def test_a_place_for_pages_that_cannot_be_had_refuses_the_call(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    gateway, phone = gateway_in(scene), Phone(scene)

    def full(incoming: object) -> GrowingFile:
        raise OSError("no room")

    gateway.gateway.answer_calls(full)
    phone.dial([audio_media(MEDIA_PORT, (0,))], to=GATEWAY)
    scene.run(until=lambda: bool(phone.heard(Failed)))
    assert [failed.status for failed in phone.heard(Failed)] == [503]
    assert gateway.calls == []


def test_several_calls_at_once_keep_their_pages_apart(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    gateway = gateway_in(scene)
    files: list[GrowingFile] = []

    def file(incoming: object) -> GrowingFile:
        files.append(GrowingFile(tmp_path / f"file {len(files)}.tif"))
        return files[-1]

    gateway.gateway.answer_calls(file)
    for _ in range(3):
        scene.send(make_pages(2, rows=60), to=GATEWAY)
    scene.run(until=lambda: len(gateway.calls) == 3)
    assert all(taken.result is not None and taken.result.completed for taken in gateway.calls)
    assert [each.pages for each in files] == [2, 2, 2]
    sent = [pixels for _, pixels in document.pages(scene.document)]
    for each in files:
        assert [pixels for _, pixels in document.pages(each.path)] == sent


def test_a_gateway_that_is_stopped_says_dcn(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    gateway = gateway_in(scene)
    gateway.answer_calls(GrowingFile(tmp_path / "file.tif"))
    scene.send(make_pages(2, rows=300), to=GATEWAY)
    scene.run(until=lambda: scene.simulator.now > 20)
    gateway.abort()
    stopped = scene.simulator.now
    scene.run(until=lambda: bool(gateway.calls) and scene.call.call.result is not None)
    assert scene.sent.status is FaxStatus.DISCONNECTED, scene.sent.reason
    assert scene.simulator.now - stopped < 5
    (taken,) = gateway.calls
    assert taken.result is not None
    assert taken.result.status is FaxStatus.USER_ABORT
