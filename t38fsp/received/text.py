"""The text of a page, as tesseract recognises it. Runs in the processes that deliver faxes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from sip.logs import printable
from t38fsp.image.pdf_text import Word
from t38fsp.received.programs import TESSERACT, text_environment
from t38fsp.t30.vocabulary import PageFormat

_INVERT = bytes(255 - octet for octet in range(256))
_WORD = 5
"""Level of a row that is a word."""
_COLUMNS = 12
_MOST_WORDS = 20_000
_MOST_CHARACTERS = 200
"""Characters of a word."""
_SHOWN = 200


class NoTextError(Exception):
    """The text could not be recognised; the message is one clause: why."""


def recognised(page: PageFormat, pixels: bytes, languages: str, seconds: float) -> list[Word]:
    """The words of a page of packed ``pixels``, of which 1 is black. Raises NoTextError."""
    picture, across, down = _nearly_square(page, pixels)
    file = BytesIO()
    # Uncompressed: for an image of one bit a pixel Pillow writes PBM (P4) under this name.
    picture.save(file, "PPM")
    dpi = max(page.resolution.x * across, page.resolution.y * down)
    # As a table: a word a row, with its box.
    command = [TESSERACT, "stdin", "stdout", "-l", languages, "--dpi", str(dpi), "tsv"]
    # One thread: it shares the machine with calls.
    environment = text_environment(OMP_THREAD_LIMIT="1")
    try:
        ran = subprocess.run(
            command, input=file.getvalue(), capture_output=True, timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NoTextError(f"{TESSERACT} took more than {seconds:g} s") from error
    except OSError as error:
        raise NoTextError(f"{TESSERACT} cannot be run: {error.strerror}") from error
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        why = printable(said[-1])[:_SHOWN] if said else "it printed nothing"
        raise NoTextError(f"{TESSERACT} failed with status {ran.returncode}: {why}")
    words: list[Word] = []
    for word in _words(ran.stdout.decode(errors="replace"), across, down):
        if len(words) == _MOST_WORDS:
            break
        words.append(word)
    return words


def _nearly_square(page: PageFormat, pixels: bytes) -> tuple[Image.Image, int, int]:
    """The page as letters have their right shape, and by what it was enlarged in each direction."""
    image = Image.frombytes("1", (page.width, page.rows), pixels.translate(_INVERT))
    across = max(1, round(page.resolution.y / page.resolution.x))
    down = max(1, round(page.resolution.x / page.resolution.y))
    # Standard resolution has pixels twice as high as wide, in which tesseract reads badly.
    if across > 1 or down > 1:
        # Each pixel is repeated: another filter needs levels of grey, of which this image has none.
        image = image.resize((page.width * across, page.rows * down), Image.Resampling.NEAREST)
    return image, across, down


def _words(table: str, across: int, down: int) -> Iterator[Word]:
    """The words in the table (TSV) of tesseract, whose last five columns are a box, a confidence, a text."""
    for line in table.split("\n"):
        columns = line.split("\t", _COLUMNS - 1)
        if len(columns) < _COLUMNS or columns[0] != str(_WORD):
            continue
        text = columns[-1].strip()[:_MOST_CHARACTERS]
        try:
            left, top, width, height = map(int, columns[6:10])
        except ValueError:
            continue
        if text and width > 0 and height > 0:
            # Back in pixels of the page; rounded outwards, so that the box still covers the word.
            yield Word(text, left // across, top // down, -(-width // across), -(-height // down))
