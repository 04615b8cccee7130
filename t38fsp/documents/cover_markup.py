"""The markup of a cover page: XML with a few elements, described for administrators in ``docs/covers.md``.

==========  ============================================================  ====================================
element     attributes (millimetres; sizes of letters in points)          contains
==========  ============================================================  ====================================
cover       margin, size                                                  the page, from top to bottom
text        size, bold, align (start, left, center, right), serif, gap    words; lines stay lines
row         gap                                                           cells beside each other
cell        width, size, bold, align, serif                               words
rule        thickness, gap                                                a line across
space       height                                                        nothing
box         padding, thickness, inverse, gap                              what a cover contains, in a frame
logo        height, align, gap                                            the picture that the fax has as logo
fill                                                                      nothing: takes the height left over
==========  ============================================================  ====================================

It cannot name files, addresses or programs. Nothing else is understood: an unknown element or attribute is
refused, so that what is in a template is also on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from t38fsp.image.errors import DocumentError

# A page has room for a few hundred; a loop in a template makes any number.
MOST_ELEMENTS = 2000
MOST_DEPTH = 8

Value = float | bool | str


class CoverMarkupError(DocumentError):
    """A filled template is not a page. ``line`` counts from 1; ``names`` are the element and the attribute
    that are wrong, as far as the fault is in one."""

    def __init__(self, text: str, line: int, names: tuple[str, ...]) -> None:
        super().__init__(text)
        self.line = line
        self.names = names


@dataclass(slots=True)
class Element:
    name: str
    line: int
    """Line of the filled template, from 1."""
    values: dict[str, Value]
    """Those that the template sets."""
    children: list[Element] = field(default_factory=list)
    words: str = ""

    def number(self, name: str, default: float) -> float:
        value = self.values.get(name, default)
        assert isinstance(value, float)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.values.get(name, default)
        assert isinstance(value, bool)
        return value


def parse(text: str, name: str) -> Element:
    """The page that a filled template describes; ``name`` is the template's. Raises CoverMarkupError."""
    reader = _Reader(name)
    parser = expat.ParserCreate()
    # Otherwise expat delivers a text in pieces, at each line and each escaped character.
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, attributes: reader.start(
        tag, attributes, parser.CurrentLineNumber
    )
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    # Entities could be as long as they like, and name files.
    parser.StartDoctypeDeclHandler = lambda *_: reader.refuse(
        "it declares a DOCTYPE", parser.CurrentLineNumber
    )
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        said = expat.errors.messages[error.code]
        raise reader.fault(f"it is not valid XML: {said}", error.lineno) from error
    assert reader.root is not None
    return reader.root


class _Reader:
    def __init__(self, name: str) -> None:
        self.root: Element | None = None
        self._name = name
        self._open: list[Element] = []
        self._count = 0

    def start(self, tag: str, attributes: Mapping[str, str], line: int) -> None:
        kinds = _ATTRIBUTES.get(tag)
        if kinds is None:
            self.refuse(f"there is no <{tag[:40]}>; use one of {', '.join(_ATTRIBUTES)}", line, tag[:40])
        parent = self._open[-1].name if self._open else None
        if tag not in _INSIDE.get(parent, ()):
            where = f"in a <{parent}>" if parent else "at the top, where only the page can be"
            self.refuse(f"a <{tag}> cannot be {where}", line, tag)
        self._count += 1
        if self._count > MOST_ELEMENTS or len(self._open) >= MOST_DEPTH:
            self.refuse("it has too many elements, or they are nested too deeply", line)
        # refuse() has raised, which the type checker cannot see.
        assert kinds is not None
        values = {}
        for attribute, text in attributes.items():
            if attribute not in kinds:
                known = ", ".join(kinds) or "none"
                self.refuse(
                    f"<{tag}> has no {attribute[:40]}; its attributes: {known}", line, tag, attribute[:40]
                )
            try:
                values[attribute] = kinds[attribute](text.strip())
            except ValueError as error:
                self.refuse(f"{attribute} of <{tag}>: {error}", line, tag, attribute)
        element = Element(tag, line, values)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, tag: str) -> None:
        element = self._open.pop()
        lines = [" ".join(line.split()) for line in element.words.split("\n")]
        # The line breaks after the opening tag and before the closing one are those of the markup.
        while lines and not lines[0]:
            del lines[0]
        while lines and not lines[-1]:
            del lines[-1]
        element.words = "\n".join(lines)

    def data(self, text: str) -> None:
        element = self._open[-1]
        if element.name in _WORDS:
            element.words += text
        elif text.strip():
            self.refuse(
                f"the words {text.strip()[:30]!r} are directly in a <{element.name}>; put them in a <text>",
                element.line,
                element.name,
            )

    def fault(self, reason: str, line: int, *names: str) -> CoverMarkupError:
        said = f"the cover template {self._name}, line {line} as filled: {reason} (docs/covers.md)"
        return CoverMarkupError(said, line, names)

    def refuse(self, reason: str, line: int, *names: str) -> None:
        raise self.fault(reason, line, *names)


# --- attributes ---------------------------------------------------------------------------------------------


def _number(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{text[:40]!r} is not a number") from None
        # Written so that NaN, which float() reads, is refused, too.
        if not least <= value <= most:
            raise ValueError(f"{text[:40]} is not from {least:g} to {most:g}")
        return value

    return read


def _flag(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"{text[:40]!r} is neither yes nor no")
    return text == "yes"


def _among(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text[:40]!r} is not one of {', '.join(words)}")
        return text

    return read


_LENGTH = _number(0, 300)
_LETTERS: dict[str, Callable[[str], Value]] = {
    "size": _number(5, 144),
    "bold": _flag,
    "serif": _flag,
    "align": _among("start", "left", "center", "right"),
}
_GAP: dict[str, Callable[[str], Value]] = {"gap": _LENGTH}
_PLACE = _among("left", "center", "right")
_ATTRIBUTES: dict[str, dict[str, Callable[[str], Value]]] = {
    "cover": {"margin": _number(5, 60), "size": _number(5, 144), "serif": _flag},
    "text": {**_LETTERS, **_GAP},
    "row": _GAP,
    "cell": {"width": _number(1, 300), **_LETTERS},
    "rule": {"thickness": _number(0.1, 20), **_GAP},
    "space": {"height": _LENGTH},
    "box": {"padding": _number(0, 50), "thickness": _number(0, 20), "inverse": _flag, **_GAP},
    "logo": {"height": _number(3, 150), "align": _PLACE, **_GAP},
    "fill": {},
}
_STACKED = ("text", "row", "rule", "space", "box", "logo")
_INSIDE: dict[str | None, tuple[str, ...]] = {
    None: ("cover",),
    "cover": (*_STACKED, "fill"),
    "box": _STACKED,
    "row": ("cell",),
}
_WORDS = ("text", "cell")
