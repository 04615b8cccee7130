"""The rooms of both packages and the arrows between them, as docs/design.md draws them; what each may know.

``python -m tests.architecture`` prints the rooms from the bottom up, with the arrows that the source has.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("sip", "t38fsp")


@dataclass(frozen=True, slots=True)
class Room:
    """``modules`` and ``may_import`` name modules, each with everything below it."""

    name: str
    modules: tuple[str, ...]
    may_import: tuple[str, ...] = ()
    """Of our own packages, beside the room itself."""
    third_party: frozenset[str] = frozenset()
    sans_io: bool = False


EVERYWHERE = ("sip.frozen",)
"""What every room may import; it stands for the ``dataclasses`` of the standard library."""
_VIRTUAL_SHELL = tuple(
    f"t38fsp.virtual.{module}" for module in ("background", "fixtures", "documents", "sockets", "scenario")
)
_VOCABULARY = "t38fsp.t30.vocabulary"
_BOUNDS = ("sip.bounds", "t38fsp.errors")
_LANES = ("t38fsp.lanes", "t38fsp.lateness")
_WORDS = tuple(
    f"t38fsp.{module}"
    for module in (
        "call_settings",
        "choices",
        "cover",
        "events",
        "header",
        "inbox_settings",
        "jobs",
        "outcome",
        "page_settings",
        "results",
        "status",
    )
)
_SANS_IO_ROOMS = (*_LANES, "t38fsp.t30", "t38fsp.t4", "t38fsp.t38", "t38fsp.audio", "t38fsp.call")
_SIP_VALUES = ("sip.bounds", "sip.line_settings", "sip.logs", "sip.values")
_SIP_SYNTAX = (*_SIP_VALUES, "sip.syntax")
_SIP_UA = (*_SIP_SYNTAX, "sip.line", "sip.transaction", "sip.ua")
_SIP_CORE = (*_SIP_UA, "sip.agent")

# From the bottom up: a room imports only what stands above it in this table, and of that only what it names.
ROOMS = (
    Room("frozen values", EVERYWHERE, sans_io=True),
    Room("sip values", (*_SIP_VALUES, "sip.exports"), sans_io=True),
    Room("sip syntax", ("sip.syntax",), _SIP_VALUES, sans_io=True),
    Room("sip line interface", ("sip.line",), _SIP_SYNTAX, sans_io=True),
    Room("sip transactions", ("sip.transaction",), _SIP_SYNTAX, sans_io=True),
    Room("sip user agent core", ("sip.ua",), _SIP_UA[:-1], sans_io=True),
    Room("sip agent", ("sip.agent",), _SIP_UA, sans_io=True),
    Room("sip transport", ("sip.transport",), _SIP_CORE, frozenset({"dns"})),
    Room("processes", ("sip.ipc",), _SIP_SYNTAX),
    Room("sip in another process", ("sip.remote",), (*_SIP_CORE, "sip.transport", "sip.ipc")),
    Room(
        "pjsua2 backend",
        ("sip.pjsua",),
        (*_SIP_CORE, "sip.transport", "sip.ipc", "sip.remote"),
        frozenset({"pjsua2"}),
    ),
    Room("sip public names", ("sip",), ("sip",)),
    Room("errors", ("t38fsp.errors",), sans_io=True),
    Room("lanes", _LANES, sans_io=True),
    Room("t30", ("t38fsp.t30",), _BOUNDS, sans_io=True),
    Room("t4", ("t38fsp.t4",), (_VOCABULARY,), sans_io=True),
    Room("t38", ("t38fsp.t38",), (*_BOUNDS, *_LANES, _VOCABULARY, "sip.syntax.sdp"), sans_io=True),
    Room("audio", ("t38fsp.audio",), (*_LANES, _VOCABULARY, "sip.syntax.sdp"), sans_io=True),
    Room(
        "audio modem",
        ("t38fsp.audio.modem",),
        ("t38fsp.errors", "t38fsp.audio", "t38fsp.t30.outputs", *_LANES, _VOCABULARY),
        sans_io=True,
    ),
    Room("words", _WORDS, (*_SIP_VALUES, *_BOUNDS, "t38fsp.t30", "t38fsp.t38.timing"), sans_io=True),
    Room("pages", ("t38fsp.pages",), ("t38fsp.choices",), frozenset({"PIL", "numpy"})),
    Room("image errors", ("t38fsp.image.errors",), ("t38fsp.errors",)),
    Room("fonts", ("t38fsp.fonts",), ("t38fsp.image.errors",), frozenset({"PIL", "pypdfium2"})),
    Room(
        "documents",
        ("t38fsp.documents",),
        (
            "t38fsp.errors",
            "t38fsp.choices",
            "t38fsp.cover",
            "t38fsp.page_settings",
            "t38fsp.fonts",
            "t38fsp.image.errors",
        ),
        frozenset({"PIL", "jinja2", "pypdfium2"}),
    ),
    Room(
        "image",
        ("t38fsp.image",),
        (
            "t38fsp.errors",
            "t38fsp.choices",
            "t38fsp.cover",
            "t38fsp.page_settings",
            "t38fsp.fonts",
            "t38fsp.pages",
            "t38fsp.documents",
            "t38fsp.image.errors",
            _VOCABULARY,
            "t38fsp.t4",
            "sip.logs",
            "sip.ipc",
        ),
        frozenset({"PIL"}),
    ),
    Room(
        "call",
        ("t38fsp.call",),
        ("sip.values", "sip.line", "sip.syntax.sdp", *_BOUNDS, *_WORDS, *_SANS_IO_ROOMS),
        sans_io=True,
    ),
    Room("engine", ("t38fsp.engine",), ("sip", "t38fsp.image", *_BOUNDS, *_WORDS, *_SANS_IO_ROOMS)),
    Room("virtual", ("t38fsp.virtual",), (*_SIP_CORE, *_BOUNDS, *_WORDS, *_SANS_IO_ROOMS), sans_io=True),
    Room(
        "virtual shell",
        _VIRTUAL_SHELL,
        ("sip", "t38fsp.engine.media", "t38fsp.image", "t38fsp.virtual", *_BOUNDS, *_WORDS, *_SANS_IO_ROOMS),
        frozenset({"pytest"}),
    ),
    Room(
        "settings",
        ("t38fsp.settings",),
        ("sip", *_BOUNDS, *_WORDS, *_SANS_IO_ROOMS),
        frozenset({"phonenumbers", "pydantic", "pydantic_settings"}),
    ),
    Room(
        "provider",
        ("t38fsp.provider", "t38fsp.arguments", "t38fsp.prepared", "t38fsp.faxdev"),
        (
            *("sip", "t38fsp.settings", "t38fsp.engine", "t38fsp.image", "t38fsp.pages.seconds"),
            *(*_BOUNDS, *_WORDS, *_SANS_IO_ROOMS),
        ),
    ),
    Room(
        "received",
        ("t38fsp.received",),
        ("sip", "t38fsp.provider", "t38fsp.image", *_BOUNDS, *_WORDS, *_SANS_IO_ROOMS),
        frozenset({"PIL"}),
    ),
    Room("service values", ("t38fsp.service.values",), sans_io=True),
    Room(
        "service policy",
        ("t38fsp.service.policy",),
        (
            *("t38fsp.service.values", "t38fsp.settings.dial_plan", "t38fsp.settings.address"),
            *("t38fsp.t30.outputs", "t38fsp.errors", *_SIP_SYNTAX, *_WORDS),
        ),
        frozenset({"phonenumbers"}),
        sans_io=True,
    ),
    Room(
        "service",
        ("t38fsp.service",),
        (
            *("t38fsp.service.values", "t38fsp.service.policy"),
            *("sip", "t38fsp.settings", "t38fsp.provider", "t38fsp.arguments", "t38fsp.prepared"),
            *("t38fsp.received", "t38fsp.image", *_BOUNDS, *_WORDS, "t38fsp.t30.vocabulary"),
        ),
        frozenset({"sqlalchemy", "dbos", "pydantic"}),
    ),
    Room(
        "service fetching",
        ("t38fsp.service.guard", "t38fsp.service.fetching"),
        ("sip.line_settings", "t38fsp.service.web_settings", *_BOUNDS),
        frozenset({"httpx"}),
    ),
    Room(
        "service deliveries",
        ("t38fsp.service.deliveries",),
        (
            *("sip", "t38fsp.service", "t38fsp.settings", "t38fsp.received", "t38fsp.image"),
            *(*_BOUNDS, *_WORDS),
        ),
        frozenset({"sqlalchemy", "httpx"}),
    ),
    Room(
        "service web",
        ("t38fsp.service.web",),
        (
            *("sip", "t38fsp.service", "t38fsp.settings", "t38fsp.image", "t38fsp.prepared"),
            *("t38fsp.received.facts", _VOCABULARY, *_BOUNDS, *_WORDS),
        ),
        frozenset({"fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client", "sqlalchemy"}),
    ),
    Room("public names", ("t38fsp",), ("sip.exports", "sip.line_settings", "sip.values", "t38fsp")),
    Room(
        "command line",
        ("t38fsp.cli", "t38fsp.__main__"),
        ("sip", "t38fsp"),
        frozenset({"typer", "httpx"}),
    ),
)

OUTSIDE_WORLD = frozenset(
    {
        "asyncio",
        "concurrent",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "uuid",
    }
)
"""Clock, socket, thread, randomness, file, process: what a sans-IO room leaves to its caller."""

FORBIDDEN_CALLS = frozenset({"open", "input", "print", "breakpoint", "Random"})


def below(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def room_of(module: str) -> Room | None:
    """The room that names the longest beginning of ``module``."""
    named = [
        (len(name), room)
        for room in ROOMS
        for name in room.modules
        # A package itself is a room for its __init__ only.
        if (module == name if name in PACKAGES else below(module, (name,)))
    ]
    return max(named, key=lambda pair: pair[0])[1] if named else None


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


tree_of = cache(ast.parse)
"""Each source is parsed once, however many of these checks read it."""


@dataclass(frozen=True, slots=True)
class Import:
    line: int
    module: str
    name: str | None = None
    """What a ``from`` import takes out of the module."""


def imports(tree: ast.AST, module: str, is_package: bool) -> Iterator[Import]:
    """Every import, also inside functions; submodules taken from a package count by their full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            package = node.module or ""
            if node.level:
                kept = module.split(".")[: len(module.split(".")) - node.level + is_package]
                package = ".".join([*kept, package] if package else kept)
            for alias in node.names:
                full = f"{package}.{alias.name}"
                yield Import(node.lineno, full if is_module(full) else package, alias.name)


def faults(source: str, module: str, is_package: bool = False) -> list[str]:
    """What ``module`` with this source does that its room may not, one sentence each."""
    room = room_of(module)
    if room is None:
        return [f"{module} belongs to no room: give it one here and in docs/design.md"]
    tree = tree_of(source)
    found = []
    for each in imports(tree, module, is_package):
        top = each.module.partition(".")[0]
        where = f"{module}, line {each.line}: imports {each.module}"
        if top in PACKAGES:
            if room_of(each.module) is not room and not allowed(each.module, room):
                found.append(f"{where}; {room.name} may import only {', '.join(room.may_import) or 'itself'}")
        elif top in sys.stdlib_module_names:
            # An injected generator of random numbers needs the name of its type.
            is_type = each.module == "random" and each.name == "Random"
            if room.sans_io and top in OUTSIDE_WORLD and not is_type:
                found.append(f"{where}; {room.name} is sans-IO: take it as an argument")
        elif top not in room.third_party:
            allowed_here = ", ".join(sorted(room.third_party)) or "the standard library only"
            found.append(f"{where}; {room.name} may use {allowed_here}")
    if room.sans_io:
        found += [
            f"{module}, line {node.lineno}: calls {node.func.id}(); {room.name} is sans-IO"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in FORBIDDEN_CALLS
        ]
    return found


def allowed(imported: str, room: Room) -> bool:
    return below(imported, (*room.may_import, *EVERYWHERE))


MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@cache
def arrows() -> dict[str, dict[str, int]]:
    """For each room, the rooms that its modules import from, and how many imports that is."""
    found: dict[str, dict[str, int]] = {room.name: {} for room in ROOMS}
    for path in MODULES:
        module = module_name(path)
        room = room_of(module)
        for each in imports(tree_of(path.read_text(encoding="utf-8")), module, path.name == "__init__.py"):
            other = room_of(each.module)
            if room is not None and other is not None and other is not room:
                found[room.name][other.name] = found[room.name].get(other.name, 0) + 1
    return found


def main() -> None:
    drawn = arrows()
    for room in ROOMS:
        kinds = ["sans-IO"] if room.sans_io else []
        print(f"{room.name}: {', '.join([*room.modules, *kinds, *sorted(room.third_party)])}")
        for other, count in sorted(drawn[room.name].items(), key=lambda item: -item[1]):
            print(f"    -> {other} ({count})")


if __name__ == "__main__":
    main()
