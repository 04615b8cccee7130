"""``t38fsp preview``: what would be sent, page by page, and how long it would take."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from t38fsp.cli import running
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.options import Chosen
from t38fsp.cli.output import print_line
from t38fsp.cli.send import PASSWORD_OPTION, FaxToSend
from t38fsp.image.errors import DocumentError, EncryptedError, ImageError
from t38fsp.prepared import PreparedDocument
from t38fsp.provider import FaxProvider
from t38fsp.received.facts import to_json
from t38fsp.settings.address import AddressError, NoPeerError

# A width of one digit at most: %999999999d would make a name of that length.
_NUMBERED = re.compile(r"%0?\d?d")
_CALL = 15
"""Seconds of a call beside its pages: until it is answered and trained, and its end."""


def run(fax: FaxToSend, chosen: Chosen, output: Path | None, as_json: bool) -> Exit:
    if output is not None:
        _check(output, fax)
    return running.run(_preview(fax, chosen, output, as_json))


def _check(output: Path, fax: FaxToSend) -> None:
    """Raises CommandError."""
    kind, numbers = output.suffix.lower(), len(_NUMBERED.findall(output.name))
    if not (kind == ".pdf" and not numbers) and not (kind == ".png" and numbers == 1):
        raise CommandError(
            f"--output: {output} is neither a PDF (pages.pdf) nor a PNG for each page (pages-%d.png); "
            "name one of these",
            Exit.USAGE,
        )
    if not output.parent.is_dir():
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        raise CommandError.unwritable(output.parent, missing)
    # By device and inode, so that links and other spellings of a path are seen.
    if output.exists() and any(each.exists() and output.samefile(each) for each in fax.documents):
        raise CommandError(f"--output: {output} is one of the documents; name another file", Exit.USAGE)


async def _preview(fax: FaxToSend, chosen: Chosen, output: Path | None, as_json: bool) -> Exit:
    try:
        async with await _prepared(fax, chosen) as prepared:
            files = [] if output is None else await _write(prepared, output)
    except EncryptedError as error:
        raise CommandError(f"{error}: {PASSWORD_OPTION}", Exit.BAD_DOCUMENT) from error
    except DocumentError as error:
        raise CommandError(str(error), Exit.BAD_DOCUMENT) from error
    except ImageError as error:
        raise CommandError(str(error), Exit.ERROR) from error
    except AddressError as error:
        raise CommandError(str(error), Exit.BAD_NUMBER) from error
    if as_json:
        _print_json(prepared, files)
    else:
        _print(prepared, chosen.call.max_rate, files)
    return Exit.COMPLETED


async def _prepared(fax: FaxToSend, chosen: Chosen) -> PreparedDocument:
    """The pages as ``t38fsp send`` would send them. Raises ImageError and AddressError."""
    provider = FaxProvider(settings=chosen.engine, routes=chosen.routes, register=False)

    async def prepared(to: str) -> PreparedDocument:
        return await provider.prepare(
            fax.documents,
            to,
            route=chosen.name,
            caller=chosen.caller,
            password=fax.password,
            cover=fax.cover,
        )

    try:
        return await prepared(fax.to)
    except NoPeerError as error:
        return await prepared(f"sip:{error.number}@invalid")  # nothing is called


# --- files --------------------------------------------------------------------------------------------------


async def _write(prepared: PreparedDocument, output: Path) -> list[Path]:
    """The files that were written. Raises CommandError, ImageError."""
    try:
        if output.suffix.lower() == ".pdf":
            with _replacing(output) as file:
                await prepared.write_pdf(file)
            return [output]
        files = []
        for page in prepared.pages:
            name = _NUMBERED.sub(lambda found: found[0] % page.number, output.name)  # noqa: B023
            files.append(output.with_name(name))
            with _replacing(files[-1]) as file:
                await prepared.write_png(page.number, file)
    except OSError as error:
        raise CommandError.unwritable(output.parent, error) from error
    return files


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of ``path`` once it is whole. Raises OSError."""
    # In the same folder: a rename is atomic only within a file system.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file  # type: ignore[misc]
            file.close()
            os.replace(file.name, path)
        # A cancelled command leaves no temporary file either.
        except BaseException:
            os.unlink(file.name)
            raise


# --- words --------------------------------------------------------------------------------------------------


def _print_json(prepared: PreparedDocument, files: list[Path]) -> None:
    facts = {
        "pages": to_json(prepared.pages),
        "octets": prepared.octets,
        "seconds": round(prepared.seconds, 1),
        "warnings": list(prepared.warnings),
        "files": to_json(files),
    }
    print_line(json.dumps(facts), sys.stdout)


def _print(prepared: PreparedDocument, rate: int, files: list[Path]) -> None:
    names = {page.number: f"{os.path.basename(page.document)}, {page.sheet}" for page in prepared.pages}
    longest = max(len("document"), *map(len, names.values()))
    print_line(f"page  {'document':{longest}}  resolution  pixels         octets  seconds", sys.stdout)
    for page in prepared.pages:
        resolution, pixels = "{}x{}".format(*page.resolution.value), f"{page.width} x {page.rows}"
        print_line(
            f"{page.number:4}  {names[page.number]:{longest}}  {resolution:10}  {pixels:11}  "
            f"{page.octets:8}  {page.seconds:7.1f}",
            sys.stdout,
        )
    count = len(prepared.pages)
    print_line(
        f"{count} page{'' if count == 1 else 's'}, {prepared.octets} octets: {prepared.seconds:.0f} s at "
        f"{rate} bit/s with the commands after each page, and about {_CALL} s for the rest of the call",
        sys.stdout,
    )
    for warning in prepared.warnings:
        print_line(f"warning: {warning}", sys.stdout)
    for file in files:
        print_line(f"written: {file}", sys.stdout)
