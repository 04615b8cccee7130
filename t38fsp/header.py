"""The header line at the top of each page sent: date, sender, recipient and page number."""

from __future__ import annotations

import re
from datetime import datetime
from string import Formatter

from sip.frozen import dataclass
from t38fsp.errors import SettingError

FIELDS = ("date", "name", "number", "to", "page", "pages")

STANDARD = "{date:%Y-%m-%d %H:%M}|{name} {number}|{to}  {page}/{pages}"

# Of what is left out, a lone surrogate makes strftime raise, a NUL ends its output, and braces and bars
# have a meaning in the template.
_DATE_FORMAT = re.compile(r"([^%{}|\0\ud800-\udfff]|%-?[A-Za-z%])*")
"""A format of strftime, without field widths: a width could make the line arbitrarily long."""

_LONGEST = 200
"""Characters; a line holds 134."""


@dataclass(frozen=True, slots=True)
class Header:
    """Content of the header line; ``|`` in ``template`` separates the left, middle and right parts.

    The fields are ``{date}``, the local time at which the call began, optionally with a format as in
    ``{date:%d.%m.%Y %H:%M}``; ``{name}``; ``{number}``, our station id; ``{to}``, the number called;
    ``{page}`` and ``{pages}``, the page number and the number of pages. Raises SettingError for an unknown
    field, a format for a field other than the date, more than three parts, or more than 200 characters.
    """

    template: str = STANDARD
    name: str = ""
    """Name of the sender; by default that of the caller."""

    def __post_init__(self) -> None:
        if len(self.template) > _LONGEST or self.template.count("|") > 2:
            raise SettingError(
                f"the header is too long or has too many parts: use at most {_LONGEST} characters, "
                "and at most two | to separate left, middle and right"
            )
        try:
            parts = list(Formatter().parse(self.template))
        except ValueError as error:
            raise SettingError(f"the header {self.template!r} is malformed: {error}") from error
        # Only whole names are known, so str.format never follows an attribute or an index
        # ({name.__class__}).
        for _, field, form, conversion in parts:
            if field is not None and (field not in FIELDS or conversion or (form and field != "date")):
                known = ", ".join(f"{{{name}}}" for name in FIELDS)
                raise SettingError(f"{{{field}}} is not a valid header field; use {known}")
            if form and not _DATE_FORMAT.fullmatch(form):
                raise SettingError(
                    f"{form!r} is not a valid date format in a header; use %Y, %m, %d, %H, %M and the like"
                )

    def of_call(self, date: datetime, number: str, to: str, pages: int, font: str = "") -> CallHeader:
        return CallHeader(self, date, number, to, pages, font)


@dataclass(frozen=True, slots=True)
class CallHeader:
    """The header of one call; only the page number varies."""

    header: Header
    date: datetime
    number: str
    to: str
    pages: int
    font: str

    def line(self, page: int) -> tuple[str, str, str, str]:
        """Left, middle and right of the line on page ``page`` (from 1), and its font."""
        texts = [
            part.format(
                date=self.date,
                name=self.header.name,
                number=self.number,
                to=self.to,
                page=page,
                pages=self.pages,
            ).strip()
            for part in self.header.template.split("|")
        ]
        left, middle, right = [*texts, "", ""][:3]
        return left, middle, right, self.font
