"""Write the figures and pictures of docs/pages.md: ``python -m tests.pages`` (some minutes)."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from tests.pages.compare import OURS, Figures, figures, missed
from tests.pages.corpus import SHEETS
from tests.pages.others import OTHERS, Cost, cost, grey, made, picture
from tests.pages.sheets import X_DPI, Y_DPI, Kind, Sheet

_PAGE = Path(__file__).parents[2] / "docs" / "pages.md"
_PICTURES = _PAGE.with_suffix("")
_BEGIN = "<!-- from here on written by python -m tests.pages -->\n"
_QUALITIES = ("fast", "photo")
_SHOWN = ("Ghostscript", "Floyd-Steinberg", OURS)
_CUT = (300, 240)
"""Pixels of a page that are shown."""

Table = dict[Sheet, dict[str, Figures]]


def _measured() -> Table:
    def all_of(sheet: Sheet) -> dict[str, Figures]:
        return {
            method: figures(sheet, method, method not in _QUALITIES)
            for method in (*OTHERS, OURS, *_QUALITIES)
        }

    with ThreadPoolExecutor(2) as both:
        return dict(zip(SHEETS, both.map(all_of, SHEETS), strict=True))


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(head)
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"


def _octets(table: Table) -> str:
    methods = (*OTHERS, OURS, *_QUALITIES)

    def cells(name: str, by_method: dict[str, int]) -> list[str]:
        share = by_method[OURS] / by_method["Ghostscript"]
        return [name, *(f"{by_method[method]:,}" for method in methods), f"{share:.2f}"]

    rows = [
        cells(sheet.name, {method: found[method].octets for method in methods})
        for sheet, found in table.items()
    ]
    for kind in Kind:
        of_kind = [found for sheet, found in table.items() if sheet.kind is kind]
        total = {method: sum(found[method].octets for found in of_kind) for method in methods}
        rows.append(cells(f"all with {kind.value}", total))
    return _rows(["page", *methods, "ours to Ghostscript"], rows)


def _unread(table: Table) -> str:
    methods = (*OTHERS, OURS)
    rows = [
        [sheet.name, str(len(sheet.paper.words)), *(str(found[method].unread) for method in methods)]
        for sheet, found in table.items()
        if found[OURS].unread is not None
    ]
    return _rows(["page", "words", *methods], rows)


def _seen(table: Table) -> str:
    methods = (*OTHERS, OURS, *_QUALITIES)
    rows = []
    for sheet, found in table.items():
        if sheet.paper.codes:
            count = len(set(sheet.paper.codes))
            codes = [str(len(found[method].codes or ())) for method in methods]
            rows.append([f"{sheet.name}: codes read, of {count}", *codes])
        if sheet.paper.pictures:
            rows.append([f"{sheet.name}: tone error", *(f"{found[m].tone:.1f}" for m in methods)])
        if sheet.paper.drawings:
            rows.append([f"{sheet.name}: SSIM", *(f"{found[m].likeness:.3f}" for m in methods)])
    return _rows(["", *methods], rows)


def _costs(costs: dict[Sheet, Cost]) -> str:
    rows = [
        [
            sheet.name,
            *(f"{milliseconds:.0f}" for milliseconds in (found.ghostscript, found.drawing, found.ours)),
            f"{found.ours / found.ghostscript:.1f}",
        ]
        for sheet, found in costs.items()
    ]
    return _rows(["page", "Ghostscript", "ours: drawing", "ours: in all", "ratio"], rows)


def _shown(sheet: Sheet) -> str:
    """A strip of cuts of one place: the grey page, and by the methods shown."""
    left, top = (round(length * dpi / 72) for length, dpi in zip(sheet.shown, (X_DPI, Y_DPI), strict=True))
    box = (left, top, left + _CUT[0], top + _CUT[1])
    pdf = sheet.paper.pdf
    pages = [grey(pdf), *(picture(made(method, pdf)) for method in _SHOWN)]
    strip = Image.new("L", (len(pages) * (_CUT[0] + 8) - 8, _CUT[1]), 128)
    for index, page in enumerate(pages):
        strip.paste(page.crop(box).convert("L"), (index * (_CUT[0] + 8), 0))
    _PICTURES.mkdir(exist_ok=True)
    strip.quantize(16).save(_PICTURES / f"{sheet.name}.png", optimize=True)
    return f"{sheet.name}:\n\n![{sheet.name}](pages/{sheet.name}.png)\n\n"


def _not_reached(table: Table) -> str:
    lines = [
        f"* {sheet.name}: {what}.\n"
        for sheet, found in table.items()
        for what in missed(sheet, found[OURS], {method: found[method] for method in OTHERS})
    ]
    return "".join(lines) + "\n" if lines else "Nothing.\n\n"


def main() -> None:
    table = _measured()
    costs = {sheet: cost(sheet.paper.pdf) for sheet in SHEETS}
    text = _PAGE.read_text(encoding="utf-8").split(_BEGIN)[0] + _BEGIN
    text += "\n### Octets in MMR\n\n" + _octets(table)
    text += "### Words that tesseract does not read\n\n" + _unread(table)
    text += "### Codes, tones, line art\n\n" + _seen(table)
    text += "### Milliseconds of processor time for a page\n\n" + _costs(costs)
    text += "### Not reached\n\n" + _not_reached(table)
    text += "### Pictures\n\nEach time: the grey page, Ghostscript, Floyd-Steinberg, ours.\n\n"
    text += "".join(_shown(sheet) for sheet in SHEETS)
    _PAGE.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
