"""The reference part of docs/api.md, made of the docstrings: ``python -m tests.api_page`` writes it.

What stands before its first marker, the programs for each job, is written by hand; a test runs them.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any

import sip
import t38fsp
from t38fsp import events, faxdev
from tests.docstrings import markdown, texts_of_fields

PAGE = Path(__file__).parent.parent / "docs" / "api.md"
_MARKER = "<!-- written by python -m tests.api_page: change the docstrings, not this page -->\n"

_GROUPS = {
    "Sending and receiving": (
        "FaxProvider",
        "IncomingFax",
        "Inbox",
        "ReceivedFax",
        "Addressing",
        "PollOffer",
        "PollDocument",
        "Header",
        "Cover",
        "prepare",
        "PreparedDocument",
        "PreparedPage",
    ),
    "Results": (
        "FaxResult",
        "PageRecord",
        "Medium",
        "AudioQuality",
        "FaxStatus",
        "Outcome",
        "Coding",
        "Resolution",
    ),
    "Settings": (
        "CallSettings",
        "EngineSettings",
        "PageSettings",
        "InboxSettings",
        "Callers",
        "Limits",
        "Configuration",
        "Route",
        "Switch",
        "Audio",
        "Backend",
        "FileFormat",
        "LogNumbers",
        "Quality",
        "PageResolution",
        "PaperSize",
        "Fit",
        "Landscape",
        "OverTime",
        "Credentials",
        "listen_address",
    ),
    "Events": (
        "Delayed",
        "Dialing",
        "Ringing",
        "Connected",
        "DialogId",
        "SwitchedToT38",
        "BeganInAudio",
        "Identified",
        "Addressed",
        "Warned",
        "Trained",
        "PageStarted",
        "PageDone",
        "Disconnected",
        "Finished",
        "RegistrationChanged",
        "RegistrationStatus",
    ),
}


def page(text: str) -> str:
    """The page with its reference as it should be."""
    by_hand, found, _ = text.partition(_MARKER)
    assert found, f"docs/api.md has no line {_MARKER}"
    return by_hand + _MARKER + "\n" + reference()


def reference() -> str:
    parts = []
    for title, names in _GROUPS.items():
        parts.append(f"## {title}\n")
        if title == "Events":
            parts.append(_with_blocks(inspect.getdoc(events) or "") + "\n")
        parts += [_described("t38fsp", name, getattr(t38fsp, name)) for name in names]
    errors = [name for name in _exported(t38fsp) if _is_error(getattr(t38fsp, name))]
    tree = inspect.getdoc(t38fsp.errors)
    assert tree is not None
    parts.append(f"## Errors\n\n{_with_blocks(tree)}\n")
    named = {name for names in _GROUPS.values() for name in names} | set(errors) | {"FaxEvent"}
    missing = set(_exported(t38fsp)) - named
    assert not missing, f"no group of docs/api.md has {', '.join(sorted(missing))}"
    parts.append(f"## t38fsp.faxdev\n\n{_with_blocks(inspect.getdoc(faxdev) or '')}\n")
    parts += [
        _described("t38fsp.faxdev", name, getattr(faxdev, name))
        for name in faxdev.__all__
        if inspect.isclass(getattr(faxdev, name)) or inspect.ismethod(getattr(faxdev, name))
        if name != "FaxServiceProvider"  # its methods are the functions
    ]
    parts.append(f"## sip\n\n{markdown(sip.__doc__ or '')}\n")
    parts += [_described("sip", name, getattr(sip, name)) for name in _exported(sip)]
    return "\n".join(part for part in parts if part)


def _exported(package: Any) -> list[str]:
    return [name for names in package._MODULES.values() for name in names]


def _is_error(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, BaseException)


def _described(package: str, name: str, value: Any) -> str:
    if inspect.isclass(value):
        return "\n".join(_class(f"{package}.{name}", value))
    if inspect.isroutine(value):
        return f"### {package}.{name}\n\n{_call(name, value)}\n\n{_text(value)}\n"
    return ""  # an alias of types


def _class(title: str, kind: type) -> Iterable[str]:
    yield f"### {title}\n"
    if issubclass(kind, Enum):
        if own := _own_doc(kind):
            yield f"{own}\n"
        texts = _texts_of_members(kind)
        yield "| member | value | |\n|---|---|---|"
        yield from (
            f"| `{each.name}` | `{each.value!r}` | {_cell(texts.get(each.name, ''))} |" for each in kind
        )
        yield ""
        return
    if _is_error(kind):
        yield f"{_own_doc(kind)}\n"
        return
    fields = _fields(kind)
    is_model = hasattr(kind, "model_fields")
    if not (fields or is_model or getattr(kind, "_is_protocol", False)):
        yield f"{_call(kind.__name__, kind)}\n"
    if own := _own_doc(kind):
        yield f"{own}\n"
    if is_model:
        yield "Its fields are the keys of its table in [routes.md](routes.md).\n"
    if fields:
        yield "| field | type | default | |\n|---|---|---|---|"
        yield from fields
        yield ""
    for method, function in vars(kind).items():
        if method.startswith(("_", "model_")):
            continue
        if isinstance(function, property):
            kind_text = inspect.signature(function.fget).return_annotation  # type: ignore[arg-type]
            yield f"`{method}: {kind_text}`\n\n{textwrap.indent(_text(function), ': ', lambda _: True)}\n"
        elif isinstance(function, classmethod | staticmethod):
            yield f"{_call(method, function.__func__, 'classmethod ')}\n\n{_text(function.__func__)}\n"
        elif inspect.isfunction(function):
            yield f"{_call(method, function)}\n\n{_text(function)}\n"


def _fields(kind: type) -> list[str]:
    """Rows of a table for a dataclass."""
    if dataclasses.is_dataclass(kind):
        rows = [
            (each.name, each.type, _default(each)) for each in dataclasses.fields(kind) if each.name[0] != "_"
        ]
    else:
        return []
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        if base.__module__.startswith(("sip", "t38fsp")):
            texts |= texts_of_fields(base)
    return [
        f"| `{name}` | {_cell(f'`{type_}`')} | {_cell(default)} | {_cell(texts.get(name, ''))} |"
        for name, type_, default in rows
    ]


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return _shown(field.default)
    return "" if field.default_factory is dataclasses.MISSING else "empty"


def _shown(value: object) -> str:
    if isinstance(value, Enum):
        return f"`{type(value).__name__}.{value.name}`"
    if inspect.isroutine(value):
        return f"`{value.__name__}`"
    if dataclasses.is_dataclass(value):
        return f"`{type(value).__name__}()`"
    shown = repr(value)
    return "" if "PydanticUndefined" in shown else f"`{shown}`"


def _texts_of_members(kind: type) -> dict[str, str]:
    """The string below each member of an enumeration."""
    texts = {}
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    for member, below in zip(body.body, body.body[1:], strict=False):
        match member, below:
            case ast.Assign(targets=[ast.Name(name)]), ast.Expr(ast.Constant(text)):
                texts[name] = " ".join(markdown(str(text)).split())
    return texts


def _own_doc(kind: type) -> str:
    doc = vars(kind).get("__doc__") or ""
    return "" if doc.startswith(f"{kind.__name__}(") else _with_blocks(inspect.cleandoc(doc))


def _text(value: object) -> str:
    return _with_blocks(inspect.getdoc(value) or "")


def _with_blocks(text: str) -> str:
    """Literal blocks of a docstring fenced, tables of reStructuredText too."""
    lines: list[str] = []
    fenced = False
    for line in markdown(text).splitlines():
        opens = line.startswith(("    ", "===="))
        if opens and not fenced and not (lines and lines[-1].strip()):
            lines.append("```text")
            fenced = True
        elif fenced and line and not line.startswith(" ") and not _in_table(line, lines):
            lines[-1:] = ["```", ""] if not lines[-1] else [lines[-1], "```", ""]
            fenced = False
        lines.append(line.removesuffix("::") + (":" if line.endswith("::") and line != "::" else ""))
    if fenced:
        lines.append("```")
    return "\n".join(line for line in lines if line != "::")


def _in_table(line: str, before: list[str]) -> bool:
    return any(each.startswith("====") for each in before[before.index("```text") :]) and bool(before[-1])


def _call(name: str, function: Any, prefix: str = "") -> str:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return f"```python\n{prefix}{name}\n```"
    arguments = list(_arguments(signature))
    if inspect.iscoroutinefunction(function):
        prefix = "async " + prefix
    returns = signature.return_annotation
    arrow = "" if returns is inspect.Signature.empty or inspect.isclass(function) else f" -> {returns}"
    line = f"{prefix}{name}({', '.join(arguments)}){arrow}"
    if len(line) > 96:
        line = f"{prefix}{name}(\n" + "".join(f"    {each},\n" for each in arguments) + f"){arrow}"
    return f"```python\n{line}\n```"


def _arguments(signature: inspect.Signature) -> Iterable[str]:
    keyword_only = False
    for each in signature.parameters.values():
        if each.name in ("self", "cls"):
            continue
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            yield "*"
        default = "" if each.default is inspect.Parameter.empty else f" = {_shown(each.default).strip('`')}"
        yield f"{each.name}: {each.annotation}{default}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
