"""Office files become PDF, by LibreOffice if it is installed.

Documents come from strangers, and an office program follows what they refer to: files of this machine would
be faxed, and addresses of its network called. Three things prevent that, each by itself:

* what refers to other files or runs a program is cut out (``office_archive``), or the file is refused
  (``markup``, ``markup_rtf``);
* the profile is new for each document, and in it macros, active content, updates of links and Java are off;
* bubblewrap is used wherever it works (``office_sandbox``); kinds of which nothing can be cut need it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from t38fsp.documents import office_archive
from t38fsp.documents.markup import clean_html
from t38fsp.documents.markup_rtf import clean_rtf
from t38fsp.documents.office_kinds import App, Guard, Kind, kind_of
from t38fsp.documents.office_sandbox import WITHIN, Limits, OverrunError, bubblewrap, run, soffice
from t38fsp.image.errors import DocumentError

MAX_OFFICE_OCTETS = 128 << 20
"""Octets of an office file."""

_PROFILE = "profile"
_RESULT = "document.pdf"
_SETTINGS: dict[str, dict[str, int | bool | str]] = {
    "Office.Common/Security/Scripting": {
        "MacroSecurityLevel": 3,
        "DisableMacrosExecution": True,
        "DisableActiveContent": True,
        "BlockUntrustedRefererLinks": True,
        "DisableOLEAutomation": True,
    },
    # Links are never updated: 0 in Writer, 1 in Calc.
    "Office.Writer/Content/Update": {"Link": 0, "Field": False, "Chart": False},
    "Office.WriterWeb/Content/Update": {"Link": 0},
    "Office.Calc/Content/Update": {"Link": 1},
    "Office.Java/VirtualMachine": {"Enable": False},
    # Nothing listens at port 9 of this machine: what is asked for by HTTP ends there.
    "Inet/Settings": {
        "ooInetProxyType": 1,
        "ooInetHTTPProxyName": "127.0.0.1",
        "ooInetHTTPProxyPort": 9,
        "ooInetHTTPSProxyName": "127.0.0.1",
        "ooInetHTTPSProxyPort": 9,
        "ooInetNoProxy": "",
    },
    # Paper is A4 where a document does not say.
    "Setup/L10N": {"ooSetupSystemLocale": "en-GB"},
}
"""Settings of a new profile, beside its defaults."""


def convert(path: Path, into: Path, limits: Limits | None = None) -> Path:
    """Make a PDF of an office file in the folder ``into``, and return its path.

    It takes seconds, and waits for another process: call it in a process that has nothing else to do. Raises
    DocumentError for a file that is refused, damaged, or takes more than ``limits``, and where LibreOffice is
    not installed; OSError when a file cannot be read or written.
    """
    limits = limits or Limits()
    try:
        return _converted(path, into, limits)
    except DocumentError as error:
        raise DocumentError(f"the document {path} cannot be converted: {error}") from error


def _converted(path: Path, into: Path, limits: Limits) -> Path:
    if path.stat().st_size > MAX_OFFICE_OCTETS:
        raise DocumentError(f"it has more than {MAX_OFFICE_OCTETS >> 20} MiB; save it as PDF")
    kind = kind_of(path)
    program = soffice()
    if program is None:
        raise DocumentError(
            f"this {kind.name} needs LibreOffice, which is not installed; install it (on Debian "
            "libreoffice-writer, -calc and -impress), or save the document as PDF"
        )
    sandbox = bubblewrap()
    if kind.guard is Guard.SANDBOX and sandbox is None:
        raise DocumentError(
            f"this {kind.name} is converted only where bubblewrap works, as it could show other files of "
            f"this machine; save it as {'PDF' if kind.app is App.DRAW else 'PDF, or in a current format'}"
        )
    with tempfile.TemporaryDirectory(prefix="t38fsp-office-", dir=into) as made:
        folder = Path(made)
        given = folder / f"document{kind.suffix}"
        prepare(path, given, kind)
        _make_profile(folder / _PROFILE)
        place = folder if sandbox is None else WITHIN
        arguments = [
            f"-env:UserInstallation=file://{place}/{_PROFILE}",
            # Never a window, a dialog or a lock file, and no recovery of what an earlier run left.
            "--headless",
            "--norestore",
            "--nolockcheck",
            "--nodefault",
            "--nologo",
            f"--infilter={kind.filter}",
            "--convert-to",
            f"pdf:{kind.app.value}_pdf_Export",
            "--outdir",
            f"{place}/out",
            f"{place}/{given.name}",
        ]
        try:
            run(program, arguments, folder, limits, sandbox)
        except OverrunError:
            raise DocumentError(
                f"LibreOffice took more than {limits.seconds:g} s for this {kind.name}; save it as PDF"
            ) from None
        return _taken(folder / "out" / _RESULT, into / f"{path.stem}.pdf", kind)


def prepare(path: Path, given: Path, kind: Kind) -> None:
    """What LibreOffice gets of a file."""
    match kind.guard:
        case Guard.ARCHIVE:
            office_archive.cleaned(path, given)
        case Guard.HTML:
            given.write_text(clean_html(path.read_bytes()), encoding="utf-8")
        case Guard.RTF:
            given.write_bytes(clean_rtf(path.read_bytes()))
        case Guard.SANDBOX:
            shutil.copyfile(path, given)


def _taken(made: Path, result: Path, kind: Kind) -> Path:
    """Move what LibreOffice made to its place. A link that it was made to leave is not followed."""
    try:
        descriptor = os.open(made, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with open(descriptor, "rb") as file:
            is_pdf = file.read(5) == b"%PDF-"
    except OSError:
        is_pdf = False
    # Its exit status does not tell: it is 0 also when the file could not be loaded.
    if not is_pdf:
        raise DocumentError(
            f"LibreOffice could not convert this {kind.name}: it is damaged or too large; save it as PDF"
        )
    return made.replace(result)


def _make_profile(folder: Path) -> None:
    items = "".join(
        f'<item oor:path="/org.openoffice.{path}"><prop oor:name="{name}" oor:op="fuse">'
        f"<value>{str(value).lower() if isinstance(value, bool) else value}</value></prop></item>"
        for path, values in _SETTINGS.items()
        for name, value in values.items()
    )
    (folder / "user").mkdir(parents=True)
    (folder / "user" / "registrymodifications.xcu").write_text(
        '<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry" '
        f'xmlns:xs="http://www.w3.org/2001/XMLSchema" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{items}</oor:items>',
        encoding="utf-8",
    )
