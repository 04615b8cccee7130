"""Breaks text into lines of a given width."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

from t38fsp.fonts import fitting


def in_lines(text: str, room: float, width_of: Callable[[str], float]) -> list[str]:
    """The lines of ``text``, each as wide as ``room`` at most if it has more than one character.

    Lines end at spaces, and before letters of scripts without spaces; a word that is too long is cut.
    """
    return [line for given in text.split("\n") for line in _broken(given, room, width_of)]


def _broken(line: str, room: float, width_of: Callable[[str], float]) -> Iterator[str]:
    taken, used = "", 0.0
    for word in _words(line):
        # Spaces at the end of a line may stand in the margin.
        width = width_of(word.rstrip())
        if taken and used + width > room:
            yield taken.rstrip()
            taken, used = "", 0.0
        while width > room and len(word) > 1:
            # One character at least, however narrow the column, or this would not end.
            fits = max(1, fitting(word, room, width_of))
            yield word[:fits]
            word = word[fits:]
            width = width_of(word.rstrip())
        taken += word
        used += width_of(word)
    yield taken.rstrip()


def _words(line: str) -> Iterator[str]:
    """The parts of a line after which it may be broken, each with the spaces that follow it."""
    begin = 0
    for place in range(1, len(line)):
        after_space = line[place - 1] == " " and line[place] != " "
        if after_space or _may_begin_a_line(line[place]):
            yield line[begin:place]
            begin = place
    yield line[begin:]


def _may_begin_a_line(character: str) -> bool:
    """Chinese, Japanese: before any letter, but not before a full stop or a closing bracket."""
    return unicodedata.east_asian_width(character) in "WF" and character.isalnum()
