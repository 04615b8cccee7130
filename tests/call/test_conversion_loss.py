"""Pages that lose detail because of the far end, and rows that were damaged: the result says so."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from t38fsp import events
from t38fsp.call.conversion_loss import conversion_loss
from t38fsp.t30.options import ReceiveOptions
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, PageQuality, Resolution
from tests.call.harness import Receiver, Scene, make_pages


def mode(width: int, resolution: Resolution, max_rows: int | None = None) -> PageMode:
    return PageMode(Coding.MMR, width, resolution, True, 14400, 0.0, max_rows)


@pytest.mark.parametrize(
    ("page", "width", "resolution", "max_rows", "loss"),
    [
        ((1728, Resolution.R8_FINE), 1728, Resolution.R8_FINE, None, ""),
        ((1728, Resolution.R8_FINE), 1728, Resolution.INCH_200, None, ""),
        ((1728, Resolution.R8_STANDARD), 1728, Resolution.R8_FINE, None, ""),
        (
            (1728, Resolution.R8_FINE),
            1728,
            Resolution.R8_STANDARD,
            None,
            "at 204 by 98 dots per inch instead of 204 by 196",
        ),
        (
            (3456, Resolution.INCH_400),
            1728,
            Resolution.R8_FINE,
            None,
            "at 204 by 196 dots per inch instead of 400 by 400",
        ),
        ((2432, Resolution.R8_FINE), 1728, Resolution.R8_FINE, None, "made smaller to fit narrower paper"),
        ((1728, Resolution.R8_FINE), 1728, Resolution.R8_FINE, 2292, "made smaller to fit shorter paper"),
        (
            (2048, Resolution.R8_FINE),
            1728,
            Resolution.R8_STANDARD,
            None,
            "at 204 by 98 dots per inch instead of 204 by 196 and made smaller to fit narrower paper",
        ),
    ],
)
def test_what_a_page_loses(
    page: tuple[int, Resolution], width: int, resolution: Resolution, max_rows: int | None, loss: str
) -> None:
    assert conversion_loss(PageFormat(page[0], 100, page[1]), mode(width, resolution, max_rows)) == loss


def test_many_fine_pages_for_a_machine_without_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told once, and each page has its resolution."""
    least = partial(ReceiveOptions, resolutions=frozenset(), width=215)
    monkeypatch.setattr("t38fsp.call.receiving.ReceiveOptions", least)
    scene = Scene(tmp_path)
    scene.answer()
    scene.send(make_pages(3, rows=100))
    scene.run()
    assert scene.sent.completed
    (warning,) = scene.sent.warnings
    assert "page 1 is sent at 204 by 98 dots per inch instead of 204 by 196" in warning
    assert events.Warned(warning) in scene.call.events
    assert [page.resolution for page in scene.sent.pages] == [Resolution.R8_STANDARD] * 3


class Worn(Receiver):
    """Says that some rows of each page were damaged, which the test does not have to bring about."""

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality:
        return PageQuality(super().store(index, mode, data).rows, 2 + index)


def test_bad_rows_of_a_received_page(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.receiver = Worn(scene.output)
    scene.answer(ecm=False)
    scene.send(make_pages(2, rows=300), ecm=False)
    scene.run()
    assert [page.bad_rows for page in scene.received.pages] == [2, 3]
    assert [page.bad_rows for page in scene.sent.pages] == [0, 0]
    assert [page.resolution for page in scene.received.pages] == [Resolution.R8_FINE] * 2
