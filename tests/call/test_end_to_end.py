"""Whole faxes between two of our endpoints: codings, rates, formats, and every page identical."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from PIL import ImageChops

from t38fsp import events
from t38fsp.image.convert import convert
from t38fsp.status import FaxStatus
from t38fsp.t30.dis_dcs_values import pixels
from t38fsp.t30.options import ReceiveOptions
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.vocabulary import Coding, PageFormat, Resolution
from tests.call.faults import MIDDLE_OF_TCF, LostPackets
from tests.call.harness import Scene, make_pages, names
from tests.pages import PageSpec, make_pixels
from tests.peers import libtiff
from tests.sweep import Share, sweep

RATES = (14400, 12000, 9600, 7200, 4800, 2400)


def allow(monkeypatch: pytest.MonkeyPatch, *codings: Coding) -> None:
    """Have receivers offer these codings only."""
    monkeypatch.setattr("t38fsp.call.receiving.ReceiveOptions", partial(ReceiveOptions, codings=codings))


def fax(scene: Scene, pages: list[PageSpec], **settings: object) -> None:
    """Send ``pages``; both ends share the settings. Nothing is left of the call afterwards."""
    scene.answer(**settings)
    scene.send(pages, **settings)
    scene.run()
    scene.assert_delivered(len(pages))
    scene.assert_truthful()
    scene.run_out()


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("coding", [Coding.MMR, Coding.MR, Coding.MH])
def test_every_coding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coding: Coding, ecm: bool) -> None:
    allow(monkeypatch, coding)
    scene = Scene(tmp_path)
    fax(scene, make_pages(2), ecm=ecm)
    # MMR is for ECM only (T.30 table 2, bit 31); without it there is MH, which everybody has.
    used = Coding.MH if coding is Coding.MMR and not ecm else coding
    for result in (scene.sent, scene.received):
        assert [(page.coding, page.ecm, page.bit_rate) for page in result.pages] == [(used, ecm, 14400)] * 2
        assert [(page.response, page.repeats) for page in result.pages] == [("MCF", 0)] * 2


@sweep(push=Share.EACH, rate=RATES, ecm=[True, False])
def test_every_rate_by_the_limit_of_the_sender(tmp_path: Path, rate: int, ecm: bool) -> None:
    scene = Scene(tmp_path)
    scene.answer(ecm=ecm)
    scene.send(make_pages(1, rows=100), ecm=ecm, max_rate=rate)
    scene.run()
    scene.assert_delivered(1)
    assert scene.sent.pages[0].bit_rate == scene.received.pages[0].bit_rate == rate


@pytest.mark.parametrize(("limit", "rate"), [(14400, 14400), (9600, 9600), (4800, 4800), (2400, 2400)])
def test_the_modems_of_the_receiver(tmp_path: Path, limit: int, rate: int) -> None:
    """A DIS names modulations: V.17, V.29 and V.27ter end at these rates."""
    scene = Scene(tmp_path)
    scene.answer(max_rate=limit)
    scene.send(make_pages(1, rows=100))
    scene.run()
    scene.assert_delivered(1)
    assert scene.sent.pages[0].bit_rate == rate


@sweep(push=Share.EACH, failures=range(8), ecm=[True, False])
def test_every_rate_by_failed_training(tmp_path: Path, failures: int, ecm: bool) -> None:
    """V.17 goes down with V.29 in between; each FTT is one step."""
    rate = (14400, 12000, 9600, 9600, 7200, 7200, 4800, 2400)[failures]
    spoilt = LostPackets(range(1, failures + 1), MIDDLE_OF_TCF)
    scene = Scene(tmp_path, faults_for=spoilt.faults_for)
    spoilt.watch(scene)
    fax(scene, make_pages(1, rows=100), ecm=ecm)
    trained = [event for event in scene.call.events if isinstance(event, events.Trained)]
    assert [event.bit_rate for event in trained] == [rate]
    assert scene.sent.pages[0].bit_rate == scene.received.pages[0].bit_rate == rate


def test_training_that_fails_at_every_rate(tmp_path: Path) -> None:
    spoilt = LostPackets(range(1, 100), MIDDLE_OF_TCF)
    scene = Scene(tmp_path, faults_for=spoilt.faults_for)
    spoilt.watch(scene)
    scene.answer()
    scene.send(make_pages(2))
    scene.run()
    assert scene.sent.status is FaxStatus.FATAL_ERROR
    assert scene.sent.t30_error is T30Failure.TRAINING_FAILED
    assert scene.sent.pages_confirmed == scene.received.pages_confirmed == 0
    assert scene.received.status is FaxStatus.DISCONNECTED
    scene.assert_truthful()
    scene.run_out()


@sweep(push=Share.EACH, millimetres=[215, 255, 303], resolution=Resolution, ecm=[True, False])
def test_every_format(tmp_path: Path, millimetres: int, resolution: Resolution, ecm: bool) -> None:
    """All that T.4 and TIFF Class F have in common, inch and metric twins told apart."""
    scene = Scene(tmp_path)
    width = pixels(resolution, millimetres)
    fax(scene, [(width, resolution, 160, "lines")], ecm=ecm)
    assert {(mode.width, mode.resolution, mode.ecm) for mode in scene.sender.modes} == {
        (width, resolution, ecm)
    }


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize(
    ("page", "size"),
    [
        ((1728, Resolution.R8_SUPERFINE, 800, "text"), (1728, 200)),
        ((2432, Resolution.R8_FINE, 700, "lines"), (1728, 249)),
        ((3456, Resolution.INCH_400, 800, "text"), (1728, 200)),
        ((3648, Resolution.INCH_300, 600, "lines"), (1728, 142)),
    ],
)
def test_a_page_that_the_receiver_cannot_take_keeps_its_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: PageSpec, size: tuple[int, int], ecm: bool
) -> None:
    """A receiver of A4 in standard resolution only, which every machine is (T.30 table 2)."""
    least = partial(ReceiveOptions, resolutions=frozenset(), width=215)
    monkeypatch.setattr("t38fsp.call.receiving.ReceiveOptions", least)
    scene = Scene(tmp_path)
    scene.answer(ecm=ecm)
    scene.send([page], ecm=ecm)
    scene.run()
    assert scene.sent.completed
    (warning,) = scene.sent.warnings
    assert warning.startswith("page 1 is sent ")
    assert [each.resolution for each in scene.sent.pages] == [Resolution.R8_STANDARD]
    assert [each.resolution for each in scene.received.pages] == [Resolution.R8_STANDARD]
    width, resolution, rows, kind = page
    dots = make_pixels(width, rows, kind)
    smaller = convert(dots, PageFormat(width, rows, resolution), 1728, Resolution.R8_STANDARD)
    (held,) = libtiff.pages(scene.output)
    assert held.size == size
    assert ImageChops.invert(held).tobytes() == smaller


@pytest.mark.parametrize("ecm", [True, False])
def test_mixed_formats_in_one_document(tmp_path: Path, ecm: bool) -> None:
    """A change of format is EOM: DIS, DCS and training again (T.30 5.3.6.1.6)."""
    scene = Scene(tmp_path)
    pages: list[PageSpec] = [
        (1728, Resolution.R8_FINE, 200, "text"),
        (1728, Resolution.R8_STANDARD, 120, "halftone"),
        (1728, Resolution.R8_STANDARD, 90, "white"),
        (2432, Resolution.R8_FINE, 150, "lines"),
        (2048, Resolution.R8_SUPERFINE, 150, "black"),
        (1728, Resolution.R8_FINE, 200, "noise"),
    ]
    fax(scene, pages, ecm=ecm)
    trained = [event for event in scene.call.events if isinstance(event, events.Trained)]
    assert len(trained) == 5  # pages 2 and 3 are alike


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_documents_of_some_pages(tmp_path: Path, count: int, ecm: bool) -> None:
    scene = Scene(tmp_path)
    fax(scene, make_pages(count, rows=120), ecm=ecm)


@pytest.mark.full
@pytest.mark.parametrize("ecm", [True, False])
def test_a_hundred_pages(tmp_path: Path, ecm: bool) -> None:
    scene = Scene(tmp_path)
    fax(scene, make_pages(100, rows=300), ecm=ecm)


@sweep(push=Share.EACH, kind=["white", "black", "text", "lines", "halftone", "noise"], ecm=[True, False])
def test_every_kind_of_page(tmp_path: Path, kind: str, ecm: bool) -> None:
    scene = Scene(tmp_path)
    fax(scene, make_pages(1, kind=kind, rows=80), ecm=ecm)


def test_a_page_of_more_than_one_block(tmp_path: Path) -> None:
    """A block has 256 frames of 256 octets (T.4 annex A)."""
    scene = Scene(tmp_path)
    fax(scene, make_pages(1, kind="noise", rows=320))
    assert scene.sent.pages[0].octets > 2 * 65536


@sweep(push=Share.EACH, version=[0, 2, 3], redundancy=[0, 1, 7])
def test_every_syntax_and_redundancy(tmp_path: Path, version: int, redundancy: int) -> None:
    scene = Scene(tmp_path)
    fax(scene, make_pages(1, rows=100), t38_version=version, redundancy=redundancy)


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("delay", [0.0, 1.0, 3.0, 4.5])
def test_slow_page_work(tmp_path: Path, delay: float, ecm: bool) -> None:
    """Coding and storing take their time: silence, RNR or repeated commands, but no page twice."""
    scene = Scene(tmp_path, page_delay=delay)
    fax(scene, make_pages(3, rows=100), ecm=ecm)


def test_what_the_application_hears(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer(station_id="+1 555 0100")
    scene.send(make_pages(2, rows=100), station_id="+1 555 0199")
    scene.run()
    scene.assert_delivered(2)
    fax_events = ["Connected", "SwitchedToT38", "Identified", "Trained"]
    fax_events += ["PageStarted", "PageDone"] * 2 + ["Disconnected", "Finished"]
    assert names(scene.call.events) == ["Dialing", *fax_events]
    assert names(scene.taken.events) == fax_events
    assert (scene.sent.remote_id, scene.received.remote_id) == ("+1 555 0100", "+1 555 0199")
    started = [event for event in scene.call.events if isinstance(event, events.PageStarted)]
    assert [(event.number, event.total) for event in started] == [(1, 2), (2, 2)]
    # Each end names the dialog from its own side.
    ours, theirs = scene.sent.dialog, scene.received.dialog
    assert ours is not None
    assert theirs is not None
    assert (ours.call_id, ours.local_tag, ours.remote_tag) == (
        theirs.call_id,
        theirs.remote_tag,
        theirs.local_tag,
    )
    for call in (scene.call, scene.taken):
        dialogs = {event.dialog for event in call.events if hasattr(event, "dialog")}
        assert len(dialogs) == 1
