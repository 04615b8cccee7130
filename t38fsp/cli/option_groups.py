"""Options that several commands have, in groups: each is written once, and is in the help of each command
as if it were written there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from sip.frozen import dataclass
from t38fsp.choices import (
    Audio,
    Backend,
    FileFormat,
    Fit,
    Landscape,
    OverTime,
    PageResolution,
    PaperSize,
    Quality,
    Switch,
)

RouteName = Annotated[
    # In every group the default is None, "not given": any other default would override what the
    # environment, the route or the file sets.
    str | None, typer.Option(help="Route of the configuration file; other options override its settings.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        readable=False,
        help="Configuration file, instead of the one that is found (see t38fsp routes --help).",
    ),
]
Stack = Annotated[
    Backend | None, typer.Option(help="SIP stack of the calls; own unless the route sets another.")
]
SignallingSocket = Annotated[
    Path | None,
    typer.Option(
        readable=False,
        help="Unix socket of a process that has the SIP address for several (t38fsp signalling).",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """Through whom a call is placed, and as whom."""

    route: RouteName = None
    config: ConfigFile = None
    via: Annotated[
        str | None, typer.Option(help="SIP peer that takes the call: sip:HOST[:PORT].", show_default=False)
    ] = None
    caller: Annotated[
        str | None, typer.Option("--from", help="SIP URI of the caller.", show_default=False)
    ] = None
    user: Annotated[
        str | None, typer.Option(help="User name for digest authentication.", show_default=False)
    ] = None
    password_file: Annotated[
        Path | None,
        typer.Option(
            readable=False, help="File with the password; or set T38FSP_PASSWORD.", show_default=False
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class FaxOptions:
    """How a fax travels, with the names of the route's settings."""

    switch: Annotated[
        Switch | None, typer.Option(help="Who switches to T.38; callee unless the route sets another.")
    ] = None
    audio: Annotated[
        Audio | None,
        typer.Option(help="Whether a fax may go in audio; fallback unless the route sets another."),
    ] = None
    ecm: Annotated[
        bool | None,
        typer.Option("--ecm/--no-ecm", help="Error correction mode; on unless the route turns it off."),
    ] = None
    max_rate: Annotated[
        int | None,
        typer.Option(help="Fastest modem rate in bit/s; 14400 unless the route sets another."),
    ] = None


@dataclass(frozen=True, slots=True)
class PageOptions:
    """How documents become pages, with the names of the route's settings."""

    quality: Annotated[
        Quality | None, typer.Option(help="How grey and colour become black and white; balanced by default.")
    ] = None
    page_resolution: Annotated[
        PageResolution | None, typer.Option(help="Lines per inch: 98, 196, 391; by content by default.")
    ] = None
    paper: Annotated[
        PaperSize | None, typer.Option(help="Paper that pages are made for; that of the document by default.")
    ] = None
    fit: Annotated[
        Fit | None, typer.Option(help="What becomes of sheets larger than the paper: smaller, or refused.")
    ] = None
    landscape: Annotated[
        Landscape | None, typer.Option(help="What becomes of sheets wider than high; turned if too wide.")
    ] = None
    margin: Annotated[
        float | None, typer.Option(help="White border in millimetres; 0 by default.", show_default=False)
    ] = None
    page_seconds: Annotated[
        float | None, typer.Option(help="Seconds that a page may be on the line.", show_default=False)
    ] = None
    over_page_seconds: Annotated[
        OverTime | None, typer.Option(help="What becomes of a page that takes longer; a warning by default.")
    ] = None
    font: Annotated[
        str | None,
        typer.Option(help="Font file for header line, cover page and text; built in by default."),
    ] = None


@dataclass(frozen=True, slots=True)
class CoverOptions:
    """The page in front of the documents."""

    cover: Annotated[
        str | None,
        typer.Option(
            help="Cover page: classic, business, bold, or the file of a template (docs/covers.md).",
            show_default=False,
        ),
    ] = None
    to_name: Annotated[str | None, typer.Option(help="Addressee, for the cover page.")] = None
    from_name: Annotated[
        str | None, typer.Option(help="Sender, for the cover page; the route's caller_name by default.")
    ] = None
    subject: Annotated[str | None, typer.Option(help="Subject, for the cover page.")] = None
    comment: Annotated[str | None, typer.Option(help="Text of the cover page, of any number of lines.")] = (
        None
    )
    logo: Annotated[
        Path | None, typer.Option(readable=False, help="Picture for the cover page.", show_default=False)
    ] = None
    cover_fields: Annotated[
        Path | None,
        typer.Option(
            readable=False, help="TOML or JSON file with these and further lines.", show_default=False
        ),
    ] = None


DocumentPassword = Annotated[
    Path | None,
    typer.Option(readable=False, help="File with the password of encrypted documents.", show_default=False),
]


@dataclass(frozen=True, slots=True)
class OwnEndOptions:
    """The SIP address that a call is placed from."""

    listen: Annotated[
        str | None, typer.Option(help="Our SIP address, HOST:PORT; port 0 (the default) for any.")
    ] = None
    signalling: SignallingSocket = None
    backend: Stack = None


@dataclass(frozen=True, slots=True)
class InboxOptions:
    """What is made of each received fax, with the names of the settings of an inbox."""

    format: Annotated[
        FileFormat | None, typer.Option(help="Files of a fax; tiff unless the file sets another.")
    ] = None
    name: Annotated[
        str | None,
        typer.Option(
            metavar="TEMPLATE",
            help="Name of the files, without suffix; fields: {date} {time} {caller} {called} {csi} "
            "{subaddress} {job}.",
        ),
    ] = None
    sidecar: Annotated[
        bool | None, typer.Option("--sidecar/--no-sidecar", help="Put a JSON file beside each fax.")
    ] = None
    ocr: Annotated[
        bool | None,
        typer.Option("--ocr/--no-ocr", help="Put the text of the pages into the PDF; needs tesseract."),
    ] = None
    ocr_languages: Annotated[
        str | None, typer.Option(help="Languages of the text, as in tesseract: eng+deu.", show_default=False)
    ] = None
    ocr_seconds: Annotated[
        float | None, typer.Option(help="Limit for the text of a page; 60 unless the file sets another.")
    ] = None
    exec: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Program to run for each fax, with the facts in its environment (FAX_FILE …); no shell.",
        ),
    ] = None
    exec_seconds: Annotated[
        float | None, typer.Option(help="Limit for that program; 60 unless the file sets another.")
    ] = None


def as_settings(group: Any) -> dict[str, object]:
    """The options of a group by their names."""
    return {field.name: getattr(group, field.name) for field in fields(group)}


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` as typer has to see it: with the options of each group in place of the group."""
    groups: dict[str, tuple[type, list[str]]] = {}
    parameters: list[Parameter] = []
    # eval_str: annotations are strings in modules that postpone their evaluation (PEP 563).
    for parameter in signature(command, eval_str=True).parameters.values():
        group = parameter.annotation
        if not is_dataclass(group):
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
            continue
        assert isinstance(group, type)
        hints = get_type_hints(group, include_extras=True)
        options = [
            Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
            for each in fields(group)
        ]
        groups[parameter.name] = group, [option.name for option in options]
        parameters += options

    # typer knows a function by its signature alone, so a wrapper with a signature made here is enough.
    def spread_out(**given: Any) -> None:
        made = {name: kind(**{each: given.pop(each) for each in own}) for name, (kind, own) in groups.items()}
        command(**given, **made)

    spread_out.__name__, spread_out.__doc__ = command.__name__, command.__doc__
    spread_out.__annotations__ = {}
    spread_out.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return spread_out


class LogFormat(Enum):
    TEXT = "text"
    JSON = "json"
    """One object a line."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What the log of a command shows, and how."""

    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            help="Log more to stderr: -v calls and connections, -vv also each message that is dropped.",
        ),
    ] = 0
    log_format: Annotated[
        LogFormat, typer.Option(help="Form of the log on stderr; json is one object a line.")
    ] = LogFormat.TEXT
