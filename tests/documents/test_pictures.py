"""Pictures as documents: of whatever mode and ground, text comes out black on white."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from t38fsp.image.rendered import DrawnPage, encode_drawn, inspect_drawn
from t38fsp.page_settings import PageSettings
from t38fsp.t4.decode import decode_page
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution

FINE = PageMode(Coding.MMR, 1728, Resolution.R8_FINE, True, 14400)


def letter_in(mode: str, ground: str | None, *, palette: bool = False) -> Image.Image:
    """Black text, smoothed at its edges; ``ground`` None is transparent."""
    picture = Image.new(mode, (864, 1144), ground or (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.text((60, 60), "An ordinary line of text\n" * 12, fill="black", font=ImageFont.load_default(30))
    draw.rectangle((60, 900, 500, 1000), fill="black")
    return picture.quantize() if palette else picture


PICTURES = {
    "colour": letter_in("RGB", "white"),
    "grey": letter_in("L", "white"),
    "on light grey": letter_in("L", "#d0d0d0"),
    "on light yellow": letter_in("RGB", "#fff6c8"),
    "black and white": letter_in("1", "white"),
    "transparent": letter_in("RGBA", None),
    "transparent grey": letter_in("RGBA", None).convert("LA"),
    "with a palette": letter_in("RGBA", None, palette=True),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_text_in_a_picture_is_black_on_white(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "letter.png"
    # Half the resolution of a fine page: each pixel becomes two by two.
    PICTURES[kind].save(path, dpi=(102, 98))
    settings = PageSettings()
    inspected = inspect_drawn(str(path), settings, None)
    assert len(inspected.pages) == 1
    drawn = DrawnPage(inspected.identity, 1, Resolution.R8_FINE, settings)
    coded = encode_drawn(str(path), drawn, FINE)
    page = decode_page(coded.octets, Coding.MMR, 1728)
    assert coded.rows == page.quality.rows
    picture = Image.frombytes("1", (1728, page.quality.rows), page.pixels)
    ground, bar = picture.crop((0, 1000, 1728, 1700)), picture.crop((130, 1810, 990, 1990))
    assert ground.getcolors() == [(1728 * 700, 0)], "dots on the white ground"
    assert bar.getcolors() == [(860 * 180, 255)], "holes in what is black"
    text = picture.crop((0, 0, 1728, 1000)).histogram()[255]
    assert 0.005 < text / (1728 * 1000) < 0.2
