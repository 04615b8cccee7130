"""The pages by which t38fsp.pages is measured: all made by code, none chosen for what comes out of it."""

from __future__ import annotations

from tests.pages import drawn, scanned, written
from tests.pages.sheets import Kind, Sheet

SHEETS = (
    Sheet("letter", Kind.BLACK, written.letter),
    Sheet("columns", Kind.BLACK, written.columns),
    Sheet("small-type", Kind.BLACK, written.small_type),
    Sheet("drawing", Kind.BLACK, drawn.drawing),
    Sheet("codes", Kind.TONES, drawn.codes),
    Sheet("table", Kind.TONES, written.table),
    Sheet("form", Kind.TONES, written.form),
    Sheet("watermark", Kind.TONES, written.watermark),
    Sheet("coloured-text", Kind.TONES, written.coloured_text),
    Sheet("charts", Kind.TONES, drawn.charts),
    Sheet("slide", Kind.TONES, drawn.slide),
    Sheet("photograph", Kind.TONES, drawn.photograph),
    Sheet("photographs", Kind.TONES, drawn.photographs),
    Sheet("magazine", Kind.TONES, drawn.magazine),
    Sheet("scan", Kind.TONES, scanned.scan),
    Sheet("photo-of-form", Kind.TONES, scanned.photo_of_form),
    Sheet("scanned-magazine", Kind.TONES, scanned.scanned_magazine),
    Sheet("scanned-twice", Kind.TONES, scanned.scanned_twice),
)
