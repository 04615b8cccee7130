"""Makes the files of a fax, and gives them their names. Runs in the processes that deliver faxes.

All files are made beside the pages (spool.py). Then the record says which of them is to have which name, and
they are renamed, the sidecar last: a file that has its name is complete, and a program that waits for
sidecars finds the other files. If the process is killed in between, the next attempt goes on from there.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from t38fsp.choices import FileFormat
from t38fsp.image import document
from t38fsp.image.errors import ImageError, StoreError
from t38fsp.image.growing import alone_in
from t38fsp.image.pdf_text import Word
from t38fsp.image.room import error_text
from t38fsp.image.store import sync_folder
from t38fsp.image.to_pdf import write_pdf
from t38fsp.received.facts import FaxFacts, file_name, information
from t38fsp.received.spool import Entry, locked, write_json
from t38fsp.received.wire import Deliver, Delivered

_TIFF, _PDF, _SIDECAR = ".tif", ".pdf", ".json"
_MADE = {_TIFF: ".tif", _PDF: ".pdf", _SIDECAR: ".sidecar"}
"""Suffixes before the files have their names; the record itself is JSON, too."""
_MOST_NAMES = 100_000


def deliver(order: Deliver) -> Delivered:
    """Raises StoreError; the fax is where it was then, and can be delivered later."""
    entry = Entry(order.record)
    # Held here, too: if the program that gave the order is killed, another one must not deliver the same
    # fax meanwhile.
    handle = locked(os.path.dirname(order.record))
    try:
        return _deliver(order, entry)
    except OSError as error:
        raise StoreError(f"the fax could not be stored in {order.folder}: {error_text(error)}") from error
    finally:
        if handle is not None:
            os.close(handle)


def _deliver(order: Deliver, entry: Entry) -> Delivered:
    record = entry.read()
    decided = _from_record(record, order.folder)
    if decided is None:
        return _made(order, entry, record)
    with alone_in(order.folder):
        return _renamed(entry, decided)


def _made(order: Deliver, entry: Entry, record: dict[str, Any]) -> Delivered:
    pages = entry.pages()
    facts = record.get("facts")
    facts = dict(facts) if isinstance(facts, dict) else {}
    if facts.get("pages_confirmed") is None:  # the call was cut off, or the record was lost
        facts["pages_confirmed"] = entry.count()
        if not facts["pages_confirmed"]:
            return Delivered("", "", "")
    if pages is None:
        raise StoreError(f"the pages of {order.record} were moved away")
    # A file that was still growing has the suffix .part; it is a valid TIFF all the same.
    if pages != entry.tiff:
        os.rename(pages, entry.tiff)
    warnings: list[str] = []
    suffixes = [_TIFF] if order.format is not FileFormat.PDF else []
    if order.format is not FileFormat.TIFF:
        try:
            _make_pdf(order, entry, facts, warnings)
            suffixes.append(_PDF)
        except ImageError as error:
            # The fax is delivered in any case: the pages are worth more than their form.
            warnings.append(f"{error}; the fax is in a TIFF file instead")
            suffixes = [_TIFF]
    if order.sidecar:
        suffixes.append(_SIDECAR)
    with alone_in(order.folder):
        stem = _free(os.path.join(order.folder, file_name(order.name, facts)))
        tiff, pdf, sidecar = (stem + each if each in suffixes else "" for each in (_TIFF, _PDF, _SIDECAR))
        delivered = Delivered(tiff, pdf, sidecar, tuple(warnings))
        if order.sidecar:
            try:
                write_json(entry.beside(_MADE[_SIDECAR]), _sidecar(facts, delivered))
            except OSError as error:
                warnings.append(f"the sidecar is missing: {error_text(error)}")
                delivered = Delivered(tiff, pdf, "", tuple(warnings))
        files = {"tiff": delivered.tiff, "pdf": delivered.pdf, "sidecar": delivered.sidecar}
        files = {kind: os.path.basename(path) for kind, path in files.items()}
        # On a full disk the pages get their name all the same.
        with suppress(OSError):
            entry.write({"facts": facts, "files": files, "warnings": warnings})
        return _renamed(entry, delivered)


def _from_record(record: dict[str, Any], folder: str) -> Delivered | None:
    """What an earlier attempt has decided. The folder may have been moved since."""
    files, warnings = record.get("files"), record.get("warnings")
    if not isinstance(files, dict) or not isinstance(warnings, list):
        return None
    named = (os.path.basename(str(files.get(kind) or "")) for kind in ("tiff", "pdf", "sidecar"))
    tiff, pdf, sidecar = (name and os.path.join(folder, name) for name in named)
    return Delivered(tiff, pdf, sidecar, tuple(map(str, warnings)))


def _renamed(entry: Entry, decided: Delivered) -> Delivered:
    """Give the files their names, those that do not have them yet.

    A name that another program has taken since it was decided is replaced by the next free one.
    """
    # In this order, so that the sidecar gets its name last.
    names = {_TIFF: decided.tiff, _PDF: decided.pdf, _SIDECAR: decided.sidecar}
    for suffix, name in names.items():
        made = entry.beside(_MADE[suffix])
        # Renamed by an earlier attempt.
        if not name or not os.path.lexists(made):
            continue
        if os.path.lexists(name):
            names[suffix] = name = _free(name.removesuffix(suffix)) + suffix
        # A rename, not a link: programs that watch a folder wait for one.
        os.rename(made, name)
    for name in filter(None, names.values()):
        with suppress(OSError):
            # All are in one folder, so once is enough.
            sync_folder(name)
        break
    return Delivered(names[_TIFF], names[_PDF], names[_SIDECAR], decided.warnings)


def _free(stem: str) -> str:
    """``stem``, or the first of ``stem-2`` and so on, of which there is no file."""
    for number in itertools.islice(itertools.count(1), _MOST_NAMES):
        name = stem if number == 1 else f"{stem}-{number}"
        # lexists: the name of a dangling link is taken, too.
        if not any(os.path.lexists(name + suffix) for suffix in (_TIFF, _PDF, _SIDECAR)):
            return name
    raise StoreError(f"there are {_MOST_NAMES} files named {stem}; use a name with the time of the fax")


def _sidecar(facts: FaxFacts, delivered: Delivered) -> dict[str, Any]:
    """Names without the folder, so that they are right where the files are moved to together."""
    files = {
        kind: os.path.basename(path)
        for kind, path in (("tiff", delivered.tiff), ("pdf", delivered.pdf))
        if path
    }
    warnings = facts.get("warnings")
    return {
        **facts,
        "file": next(iter(files.values()), None),
        "files": files,
        "warnings": [*(warnings if isinstance(warnings, list) else []), *delivered.warnings],
    }


def _make_pdf(order: Deliver, entry: Entry, facts: FaxFacts, warnings: list[str]) -> None:
    pdf = entry.beside(_MADE[_PDF])
    with suppress(FileNotFoundError):
        os.unlink(pdf)  # of an attempt that was cut off
    created = None
    with suppress(ValueError):
        created = datetime.fromisoformat(str(facts.get("began")))
    if order.languages:
        words = _words_of(order, entry.tiff, warnings)
        write_pdf(entry.tiff, pdf, information(facts), created, words)
    else:
        write_pdf(entry.tiff, pdf, information(facts), created)


def _words_of(order: Deliver, tiff: str, warnings: list[str]) -> Callable[[int], Sequence[Word]]:
    from t38fsp.received.text import NoTextError, recognised

    def in_order() -> Iterator[Sequence[Word]]:
        for number, (page, pixels) in enumerate(document.pages(tiff), start=1):
            try:
                yield recognised(page, pixels, order.languages, order.seconds)
            except NoTextError as error:
                warnings.append(f"the text of page {number} is missing: {error}")
                yield ()

    pages = in_order()
    # The pages are asked for in order, so that the file is read once.
    return lambda number: next(pages)
