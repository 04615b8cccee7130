"""Fills the template of a cover page, which is Jinja2, with what it may say.

Templates come from an administrator, the values in them from anyone. So a template can read no file and reach
nothing of this program: it runs in Jinja's sandbox, without a loader, in an image worker, which limits its
memory; its time and the length of what it writes are limited here. Values cannot contain markup: they are
escaped.
"""

from __future__ import annotations

import os
import signal
import stat
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files
from types import FrameType

from jinja2 import StrictUndefined, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from t38fsp.cover import CoverPage
from t38fsp.image.errors import DocumentError, unreadable

MOST_OCTETS = 64 * 1024
"""Octets of a template."""
MOST_WRITTEN = 256 * 1024
"""Characters that a filled template may have."""
MOST_SECONDS = 1.0
"""Processor time for filling one."""

_FOLDER = files("t38fsp.documents") / "covers"
_SUFFIX = ".xml"


class _Sandbox(ImmutableSandboxedEnvironment):
    """One operation of Python can take hours in a single step, where no limit of time is looked at."""

    intercepted_binops = frozenset({"**"})

    def call_binop(self, context: object, operator: str, left: object, right: object) -> object:
        raise ArithmeticError("powers are not available in the template of a cover page")


def filled(page: CoverPage) -> str:
    """The markup of the page (:mod:`t38fsp.documents.cover_markup`). Raises DocumentError."""
    name = page.cover.template
    text = _own(name) if page.cover.is_own else _shipped(name)
    # StrictUndefined: a misspelt name is an error, instead of an empty place on the page.
    environment = _Sandbox(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, extensions=()
    )
    try:
        with _limited(MOST_SECONDS):
            template = environment.from_string(text)
            return _written(template.generate(values_of(page)), name)
    except (DocumentError, MemoryError):
        raise
    except _TooLong as error:
        raise DocumentError(
            f"the cover template {name} takes more than {MOST_SECONDS:.0f} s to fill; simplify its loops"
        ) from error
    except Exception as error:  # whatever its expressions raise
        line = error.lineno if isinstance(error, TemplateSyntaxError) else _line(error)
        where = f", line {line}" if line else ""
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DocumentError(
            f"the cover template {name}{where} cannot be filled: {reason}; correct it (docs/covers.md)"
        ) from error


def values_of(page: CoverPage) -> dict[str, object]:
    """What a template may say."""
    cover = page.cover
    return {
        "to_name": _plain(cover.to_name),
        "to_number": _plain(page.to_number),
        "from_name": _plain(cover.from_name),
        "from_number": _plain(page.from_number),
        "subject": _plain(cover.subject),
        "comment": _plain(cover.comment),
        "date": datetime.fromisoformat(page.date),
        "pages": page.pages,
        "logo": bool(cover.logo),
        "fields": {_plain(name): _plain(value) for name, value in cover.fields},
    }


def shipped() -> list[str]:
    """Names of the templates that come with this package."""
    return sorted(
        each.name.removesuffix(_SUFFIX) for each in _FOLDER.iterdir() if each.name.endswith(_SUFFIX)
    )


def _shipped(name: str) -> str:
    """Raises DocumentError."""
    # Compared with the list, never joined to a path: a name with dots or slashes leads nowhere.
    if name not in shipped():
        known = ", ".join(shipped())
        raise DocumentError(
            f"there is no cover template {name!r}; use one of {known}, or the path of a file (./{name})"
        )
    return (_FOLDER / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def _own(path: str) -> str:
    """The text of an administrator's template. Raises DocumentError."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DocumentError(f"the cover template {path} is not a regular file; check its name")
        with open(path, "rb") as file:
            data = file.read(MOST_OCTETS + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise unreadable("cover template", path, error) from error
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"the cover template {path} is not UTF-8 text; save it in that encoding"
        ) from error
    if len(data) > MOST_OCTETS:
        raise DocumentError(f"the cover template {path} has more than {MOST_OCTETS} octets; make it shorter")
    return text


def _written(parts: Iterator[str], name: str) -> str:
    written, length = [], 0
    for part in parts:
        written.append(part)
        length += len(part)
        if length > MOST_WRITTEN:
            raise DocumentError(
                f"the cover template {name} writes more than a page can hold; simplify its loops"
            )
    return "".join(written)


def _plain(text: str) -> str:
    """Without control characters, which XML cannot have; lines stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(each if each.isprintable() or each == "\n" else " " for each in text)


def _line(error: Exception) -> int | None:
    """The line of the template in which it was raised."""
    # Jinja compiles a template to code whose file is named "<template>".
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if "template" in frame.filename
    ]
    return lines[-1] if lines else None


class _TooLong(BaseException):
    """Not an Exception, which a function called on the way might take for one of its own."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raises _TooLong after so much processor time. Without such a timer the worker's limit holds."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooLong

    # Of the two timers of processor time the worker has the other one (ITIMER_PROF, t38fsp.image.worker).
    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
