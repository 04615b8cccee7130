"""A PDF of a fax, as our own of received ones: its pixels are sent as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from t38fsp.image.document import encode_page
from t38fsp.image.pdf_text import Word
from t38fsp.image.to_pdf import write_pdf
from t38fsp.page_settings import USUAL
from t38fsp.t30.vocabulary import Coding, Resolution
from tests.documents.drawn import Drawn
from tests.pages import make_document


def drawn(tmp_path: Path, resolution: Resolution, coding: Coding, words: tuple[Word, ...] = ()) -> Drawn:
    fax, pdf = tmp_path / "fax.tif", tmp_path / "fax.pdf"
    rows = round(8 * resolution.y)
    make_document(fax, [(1728, resolution, rows, "text"), (1728, resolution, rows, "halftone")], coding)
    write_pdf(fax, pdf, {}, words_of=lambda number: words)
    return Drawn(pdf, USUAL)


@pytest.mark.parametrize("coding", [Coding.MMR, Coding.MH])
@pytest.mark.parametrize(
    "resolution", [Resolution.R8_STANDARD, Resolution.R8_FINE, Resolution.R8_SUPERFINE, Resolution.INCH_200]
)
def test_it_is_sent_bit_for_bit(tmp_path: Path, resolution: Resolution, coding: Coding) -> None:
    document = drawn(tmp_path, resolution, coding)
    for index in (0, 1):
        mode = document.mode(index)
        assert mode.resolution.y / resolution.y == pytest.approx(1, abs=0.03)
        assert document.burst(index, mode) == encode_page(tmp_path / "fax.tif", index, mode)


def test_hidden_text_does_not_matter(tmp_path: Path) -> None:
    document = drawn(tmp_path, Resolution.R8_FINE, Coding.MMR, (Word("hidden", 40, 40, 300, 60),))
    assert document.burst(0, document.mode()) == encode_page(tmp_path / "fax.tif", 0, document.mode())


@pytest.mark.parametrize(("dpi", "mode"), [(300, "1"), (200, "L")])
def test_other_scans_are_drawn(tmp_path: Path, dpi: int, mode: str) -> None:
    """At another resolution pixels cannot be kept, and grey ones are to be made black and white."""
    path = tmp_path / "scan.pdf"
    Image.new(mode, (8 * dpi, 8 * dpi), "white").save(path, resolution=dpi)
    document = Drawn(path, USUAL)
    assert document.formats[0].rows == (8 * 196)
