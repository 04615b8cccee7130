"""The programs that an inbox runs: looked for before any call."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE

from sip.ipc.child import bare_environment
from t38fsp.choices import FileFormat
from t38fsp.errors import SettingError
from t38fsp.inbox_settings import InboxSettings

TESSERACT = "tesseract"

_A_FACT = re.compile(r"\$(FAX_[A-Z_]+|\{FAX_[A-Z_]+\})")
"""A word that is just this variable: only a shell would replace it, within its script."""
_ANSWERS_WITHIN = 30.0
"""Seconds; it takes a hundredth of one."""


def text_environment(**more: str) -> dict[str, str]:
    """The environment for tesseract, without what it does not need."""
    # Where tesseract looks for languages that are not in its usual folder.
    kept = {name: os.environ[name] for name in ("TESSDATA_PREFIX",) if name in os.environ}
    return bare_environment(**kept, **more)


async def check_programs(settings: InboxSettings) -> None:
    """Raises SettingError for a program, or a language, that is not there."""
    if (words := settings.command) and shutil.which(words[0]) is None:
        raise SettingError(
            f"exec: {words[0]!r} is not a program; give its whole path, and make the file executable"
        )
    for word in settings.command:
        if _A_FACT.fullmatch(word):
            raise SettingError(
                f"exec: {word} stays as it is, as there is no shell; write sh -c '… \"{word}\" …', or a "
                "program that reads its environment"
            )
    if not settings.ocr:
        return
    if settings.format is FileFormat.TIFF:
        raise SettingError("ocr: a TIFF file has no text; set format to pdf or both")
    if shutil.which(TESSERACT) is None:
        raise SettingError(
            f"ocr: {TESSERACT} is not installed; install it (on Debian: tesseract-ocr), or leave the text out"
        )
    known = await _languages()
    missing = [each for each in settings.ocr_languages.split("+") if each not in known]
    if missing:
        raise SettingError(
            f"ocr_languages: {TESSERACT} does not have {', '.join(missing)}, only "
            f"{', '.join(sorted(known))}; install it (on Debian: tesseract-ocr-LANGUAGE)"
        )


async def _languages() -> set[str]:
    """Those that are installed. Raises SettingError."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(TESSERACT, "--list-langs"), stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=text_environment()
        )
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    except (OSError, TimeoutError) as error:
        raise SettingError(f"ocr: {TESSERACT} cannot be run ({error}); install it again") from error
    # A line about their folder comes before them.
    return set(output.decode(errors="replace").splitlines()[1:])
