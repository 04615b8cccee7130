"""What is made of a received fax: the settings of an inbox."""

from __future__ import annotations

import re
import shlex
from string import Formatter

from sip.bounds import check, setting
from sip.frozen import dataclass
from t38fsp.choices import FileFormat
from t38fsp.errors import SettingError

NAME_FIELDS = ("date", "time", "caller", "called", "csi", "subaddress", "job")
"""The fields of a name, in braces."""

_LONGEST_NAME = 200
_LANGUAGES = re.compile(r"[A-Za-z0-9_]{1,40}(\+[A-Za-z0-9_]{1,40}){0,9}")


def _check_name(template: str) -> None:
    if not template or len(template) > _LONGEST_NAME:
        raise ValueError(f"a name has 1 to {_LONGEST_NAME} characters")
    if not template.isprintable() or "/" in template or "\\" in template:
        raise ValueError(
            f"{template!r} has a slash or an unprintable character; give the name of a file without a folder"
        )
    known = ", ".join(f"{{{name}}}" for name in NAME_FIELDS)
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{template!r} is malformed: {error}; the fields are {known}") from None
    for _, name, form, conversion in parts:
        if name is not None and (name not in NAME_FIELDS or form or conversion):
            shown = f"{name}{f'!{conversion}' if conversion else ''}{f':{form}' if form else ''}"
            raise ValueError(f"{{{shown}}} is not a field; the fields are {known}")


def _check_languages(languages: str) -> None:
    if not _LANGUAGES.fullmatch(languages):
        raise ValueError(
            f"{languages[:60]!r} is not a list of languages; write them as tesseract does, such as eng+deu"
        )


def _check_command(command: str) -> None:
    if "\0" in command:
        raise ValueError("a command cannot have a NUL character")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{command[:60]!r} is not a command: {error}") from None
    if command and not words:
        raise ValueError(f"{command[:60]!r} is not a command; name a program")


@dataclass(frozen=True, slots=True)
class InboxSettings:
    """What is made of each received fax; the default is a TIFF Class F file.

    Raises SettingError for a value out of range. The keys of the table ``[received]`` are generated from
    these fields.
    """

    format: FileFormat = setting(FileFormat.TIFF, table="received")
    """The file or files of a fax."""
    name: str = setting("fax-{date}-{time}-{job}", check=_check_name, table="received")
    """Name of the files, without their suffix. Fields: ``{date}`` and ``{time}`` of the beginning of the call
    (``20261201``, ``093015``), ``{caller}`` and ``{called}``, ``{csi}`` (the station ID of the caller),
    ``{subaddress}``, ``{job}`` (a number that counts the calls). The name of a fax of which pages may be
    missing ends with ``-partial``; ``-2`` and so on is added to a name that exists. Default:
    ``"fax-{date}-{time}-{job}"``."""
    sidecar: bool = setting(False, table="received")
    """Put a JSON file with the facts of the fax beside its files; it appears after them."""
    ocr: bool = setting(False, table="received")
    """Recognise the text of the pages, for the search in a PDF; needs tesseract."""
    ocr_languages: str = setting("eng", check=_check_languages, table="received")
    """Languages of the text, as tesseract names them, such as ``"eng+deu"``. Default: ``"eng"``."""
    ocr_seconds: float = setting(60.0, least=1.0, most=600.0, unit="seconds", table="received")
    """Limit for the text of one page; a page that takes longer has none."""
    exec: str = setting("", check=_check_command, table="received")
    """Program with arguments to run for each fax once its files are there, without a shell; variables
    ``FAX_…`` of its environment contain the facts. Default: none."""
    exec_seconds: float = setting(60.0, above=0.0, most=3600.0, unit="seconds", table="received")
    """Limit for this program, after which it is killed."""

    def __post_init__(self) -> None:
        check(self, SettingError)

    @property
    def command(self) -> tuple[str, ...]:
        """``exec`` in words."""
        return tuple(shlex.split(self.exec))
