"""The cover page of a fax: which template, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Self

from sip.bounds import check, setting
from sip.frozen import dataclass
from t38fsp.choices import PaperSize
from t38fsp.errors import SettingError

_LONGEST = 200
"""Characters of a text of one line."""
_LONGEST_COMMENT = 6000
"""Characters of the comment: about a page."""
_MOST_FIELDS = 50


def _one_line(value: object) -> None:
    _text(value, _LONGEST)


def _comment(value: object) -> None:
    _text(value, _LONGEST_COMMENT)


def _text(value: object, most: int) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a string")
    if len(value) > most:
        raise ValueError(f"the text has {len(value)} characters: the maximum is {most}")


@dataclass(frozen=True, slots=True)
class Cover:
    """A page in front of the documents, drawn from a template (``docs/covers.md``).

    It counts as page 1, also in the total. It says when the call began, the number called and ours
    (``station_id``), the number of pages, and what is set here. Raises SettingError for a text that is too
    long.
    """

    template: str = "classic"
    """Name of a template of this package (``"classic"``, ``"business"``, ``"bold"``), or the path of a file,
    which has a ``/`` or a dot."""
    to_name: str = setting("", check=_one_line)
    from_name: str = setting("", check=_one_line)
    """The sender; by default the name in ``caller`` (``caller_name`` of the route)."""
    subject: str = setting("", check=_one_line)
    comment: str = setting("", check=_comment)
    """A text of several lines, up to 6000 characters. What does not fit on the page is refused."""
    logo: str = ""
    """Path of a picture."""
    fields: tuple[tuple[str, str], ...] = ()
    """Further lines, each a name and a text, such as ``("Reference", "A-17")``. The templates of this package
    show them below the others."""

    def __post_init__(self) -> None:
        check(self, SettingError)
        if len(self.fields) > _MOST_FIELDS:
            raise SettingError(f"the cover page has {len(self.fields)} fields: the maximum is {_MOST_FIELDS}")
        for name, value in self.fields:
            for text in (name, value):
                try:
                    _one_line(text)
                except ValueError as error:
                    raise SettingError(f"the field {str(name)[:60]!r} of the cover page: {error}") from error

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """A cover of a mapping, such as the content of a file or a row of a table: what is not the name of a
        setting above becomes one of ``fields``. Raises SettingError."""
        own = {each.name for each in fields(cls)} - {"fields"}
        known: dict[str, Any] = {}
        further: list[tuple[str, str]] = []
        for name, value in values.items():
            # bool is an int in Python, and a page that says "True" is not what a file with true in it
            # means.
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                raise SettingError(f"the field {name[:60]!r} of the cover page is neither text nor number")
            if name in own:
                known[name] = str(value)
            else:
                further.append((name, str(value)))
        return cls(**known, fields=tuple(further))

    @property
    def files(self) -> list[str]:
        """Names of the fields that are paths: a template that comes with this package has none."""
        return ["logo", "template"] if self.is_own else ["logo"]

    @property
    def is_own(self) -> bool:
        """The template is a file."""
        return "/" in self.template or "." in self.template

    def of_call(
        self, date: datetime, from_name: str, from_number: str, to_number: str, pages: int, paper: PaperSize
    ) -> CoverPage:
        """The page for one call; ``pages`` includes it."""
        cover = replace(self, from_name=self.from_name or from_name)
        return CoverPage(cover, date.isoformat(), from_number, to_number, pages, paper)


@dataclass(frozen=True, slots=True)
class CoverPage:
    """The cover page of one call, with all that a template may say."""

    cover: Cover
    date: str
    """ISO 8601."""
    from_number: str
    to_number: str
    pages: int
    paper: PaperSize
