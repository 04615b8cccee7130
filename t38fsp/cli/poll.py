"""``t38fsp poll``."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sip.frozen import dataclass
from t38fsp.choices import FileFormat
from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for
from t38fsp.cli.options import Chosen
from t38fsp.cli.placing import placed
from t38fsp.cli.report import CallReport, Reporter, print_json
from t38fsp.image.errors import ImageError, StoreError
from t38fsp.image.room import check_room
from t38fsp.provider import FaxProvider
from t38fsp.received import facts
from t38fsp.results import FaxResult
from t38fsp.settings.address import AddressError


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fetch, from whom, and into which file. Without a ``format`` its suffix says."""

    to: str
    output: Path
    format: FileFormat | None = None
    selective_address: str = ""
    password: str = ""

    @property
    def files(self) -> dict[str, Path]:
        """What is made, by its kind: tiff or pdf, or both, which differ in their suffix."""
        is_pdf = self.output.suffix.lower() == ".pdf"
        match self.format or (FileFormat.PDF if is_pdf else FileFormat.TIFF):
            case FileFormat.TIFF:
                return {"tiff": self.output}
            case FileFormat.PDF:
                return {"pdf": self.output}
            case FileFormat.BOTH:
                tiff = self.output.with_suffix(".tif") if is_pdf else self.output
                return {"tiff": tiff, "pdf": self.output.with_suffix(".pdf")}

    @property
    def fetched(self) -> Path:
        """The TIFF that the call makes; hidden if only a PDF of it is wanted."""
        return self.files.get("tiff") or self.output.with_name(f".{self.output.name}.tif")


def run(wanted: Wanted, chosen: Chosen, as_json: bool) -> Exit:
    for file in {*wanted.files.values(), wanted.fetched}:
        if os.path.lexists(file):
            raise CommandError(f"{file} exists; name a new file", Exit.USAGE)
    try:
        check_room(wanted.fetched)
    except StoreError as error:
        cause = error.__cause__
        raise CommandError.unwritable(
            wanted.output.parent, cause if isinstance(cause, OSError) else error
        ) from error
    return running.run(_poll(wanted, chosen, as_json))


async def _poll(wanted: Wanted, chosen: Chosen, as_json: bool) -> Exit:
    async def place(provider: FaxProvider, call: CallReport) -> None:
        try:
            await provider.poll(
                wanted.to,
                wanted.fetched,
                selective_address=wanted.selective_address,
                password=wanted.password,
                route=chosen.name,
                via=chosen.via,
                caller=chosen.caller,
                on_event=call.event,
            )
        except AddressError:
            raise
        except ValueError as error:
            raise CommandError(str(error), Exit.USAGE) from error

    reporter = Reporter(as_json=as_json)
    result = await placed(chosen, reporter, place)
    status = exit_for(result)
    files: dict[str, str] = {}
    if result.file is not None:
        result, files = await asyncio.to_thread(_kept, wanted, result, Path(result.file))
        if result.warnings and "pdf" in wanted.files and "pdf" not in files:
            status = Exit.ERROR if status is Exit.COMPLETED else status
    if as_json:
        print_json(result, exit_status=status, files=files)
    else:
        reporter.result(sentences.of_result(result, tuple(files.values())))
    return status


def _kept(wanted: Wanted, result: FaxResult, fetched: Path) -> tuple[FaxResult, dict[str, str]]:
    """Make the files of the one that was fetched. If that fails it is kept, and a warning says so."""
    made = {kind: str(file) for kind, file in wanted.files.items()}
    if "pdf" in made:
        # Not for a command that makes no PDF.
        from t38fsp.image.to_pdf import write_pdf

        about = facts.information(facts.of_result(result))
        try:
            write_pdf(fetched, made["pdf"], about, datetime.fromisoformat(result.began))
        except (ImageError, ValueError) as error:
            fetched = fetched.rename(wanted.output.with_suffix(".tif"))
            warnings = (*result.warnings, f"{error}; the fax is in the TIFF file {fetched}")
            return replace(result, file=str(fetched), warnings=warnings), {"tiff": str(fetched)}
    if "tiff" not in made:
        fetched.unlink()
    return replace(result, file=str(wanted.output)), made
