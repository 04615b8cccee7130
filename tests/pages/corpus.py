"""The pages by which t38fsp.pages is measured: all made by code, none chosen for what comes out of it."""

from __future__ import annotations

from tests.pages import drawn, graded, scanned, written
from tests.pages.sheets import Kind, Sheet

SHEETS = (
    Sheet("letter", Kind.BLACK, written.letter, (56, 200)),
    Sheet("columns", Kind.BLACK, written.columns, (56, 70)),
    Sheet("small-type", Kind.BLACK, written.small_type, (56, 55)),
    Sheet("drawing", Kind.BLACK, drawn.drawing, (60, 230)),
    Sheet("codes", Kind.TONES, drawn.codes, (300, 300)),
    Sheet("table", Kind.TONES, written.table, (56, 75)),
    Sheet("form", Kind.TONES, written.form, (56, 290)),
    Sheet("watermark", Kind.TONES, written.watermark, (56, 10)),
    Sheet("coloured-text", Kind.TONES, written.coloured_text, (52, 480)),
    Sheet("charts", Kind.TONES, drawn.charts, (80, 520)),
    Sheet("slide", Kind.TONES, drawn.slide, (250, 400)),
    Sheet("photograph", Kind.TONES, drawn.photograph, (200, 500)),
    Sheet("photographs", Kind.TONES, drawn.photographs, (120, 130)),
    Sheet("magazine", Kind.TONES, drawn.magazine, (40, 190)),
    Sheet("graded-slide", Kind.TONES, graded.graded_slide, (60, 470)),
    Sheet("graded-table", Kind.TONES, graded.graded_table, (52, 270)),
    Sheet("scan", Kind.TONES, scanned.scan, (330, 20)),
    Sheet("photo-of-form", Kind.TONES, scanned.photo_of_form, (56, 440)),
    Sheet("scanned-magazine", Kind.TONES, scanned.scanned_magazine, (40, 190)),
    Sheet("scanned-twice", Kind.BLACK, scanned.scanned_twice, (56, 90)),
)
