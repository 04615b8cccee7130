"""The import table of docs/design.md, and what sans-IO means, enforced on the source of every module.

A module that belongs to no room, or imports what its room may not know, fails here with its line. Change the
table of docs/design.md together with this one.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

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


_SIP_TRANSPORTS = (
    "sip.ending",
    "sip.udp",
    "sip.tcp",
    "sip.connection",
    "sip.tls",
    "sip.listening",
    "sip.network",
    "sip.resolver",
)
_SIP_BACKENDS = ("sip.remote", "sip.pjsua")
_VIRTUAL_SHELL = tuple(
    f"t38fsp.virtual.{module}" for module in ("background", "fixtures", "paper", "sockets", "trial")
)
_VOCABULARY = "t38fsp.t30.vocabulary"
_WORDS = tuple(
    f"t38fsp.{module}"
    for module in ("choices", "errors", "events", "header", "jobs", "outcome", "results", "status")
)
_SANS_IO_ROOMS = ("t38fsp.t30", "t38fsp.t4", "t38fsp.t38", "t38fsp.audio", "t38fsp.call")

ROOMS = (
    Room("sip core", ("sip",), sans_io=True),
    Room("sip transports", _SIP_TRANSPORTS, ("sip",), frozenset({"dns"})),
    Room("sip line backends", _SIP_BACKENDS, ("sip",), frozenset({"pjsua2"})),
    Room("t30", ("t38fsp.t30",), sans_io=True),
    Room("t4", ("t38fsp.t4",), (_VOCABULARY,), sans_io=True),
    Room("t38", ("t38fsp.t38",), (_VOCABULARY, "sip.sdp"), sans_io=True),
    Room("audio", ("t38fsp.audio",), (_VOCABULARY, "sip.sdp"), sans_io=True),
    Room(
        "image",
        ("t38fsp.image",),
        ("t38fsp.errors", _VOCABULARY, "t38fsp.t4", "sip.logs"),
        frozenset({"PIL"}),
    ),
    Room("words", _WORDS, ("sip.line", "t38fsp.t30"), sans_io=True),
    Room("call", ("t38fsp.call",), ("sip.line", "sip.sdp", *_WORDS, *_SANS_IO_ROOMS), sans_io=True),
    Room("engine", ("t38fsp.engine",), ("sip", "t38fsp.image", *_WORDS, *_SANS_IO_ROOMS)),
    Room("virtual", ("t38fsp.virtual",), ("sip", *_WORDS, *_SANS_IO_ROOMS), sans_io=True),
    Room(
        "virtual shell",
        _VIRTUAL_SHELL,
        ("sip", "t38fsp.engine.media", "t38fsp.image", "t38fsp.virtual", *_WORDS, *_SANS_IO_ROOMS),
        frozenset({"pytest"}),
    ),
    Room(
        "provider",
        (
            "t38fsp.provider",
            "t38fsp.faxdev",
            "t38fsp.address",
            "t38fsp.callers",
            "t38fsp.configuration",
            "t38fsp.layers",
            "t38fsp.passwords",
            "t38fsp.dialling",
            "t38fsp.endpoint",
            "t38fsp.routes",
            "t38fsp.setting_errors",
            "t38fsp",
        ),
        ("sip", "t38fsp.engine", "t38fsp.image", *_WORDS, *_SANS_IO_ROOMS),
        frozenset({"phonenumbers", "pydantic", "pydantic_settings"}),
    ),
    Room(
        "command line",
        ("t38fsp.cli", "t38fsp.__main__"),
        ("sip", "t38fsp"),
        frozenset({"typer"}),
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
        # The package t38fsp itself is a room for its __init__ only.
        if (module == name if name == "t38fsp" else below(module, (name,)))
    ]
    return max(named, key=lambda pair: pair[0])[1] if named else None


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


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
    tree = ast.parse(source)
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
    if not below(imported, room.may_import):
        return False
    # "sip" stands for its core here: a sans-IO room has no use for sockets and processes.
    return not (room.sans_io and below(imported, (*_SIP_TRANSPORTS, *_SIP_BACKENDS)))


MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_keeps_to_its_room(path: Path) -> None:
    found = faults(path.read_text(encoding="utf-8"), module_name(path), path.name == "__init__.py")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("t38fsp.audio.leg", "from t38fsp.engine.media import MediaPort", "audio may import only"),
        ("t38fsp.audio.leg", "from t38fsp.t30 import transmitter", "imports t38fsp.t30.transmitter"),
        ("t38fsp.t30.frames", "import t38fsp.t4.lines", "t30 may import only itself"),
        ("t38fsp.t30.frames", "from .. import engine", "imports t38fsp.engine"),
        ("t38fsp.t38.terminal", "from sip.message import Request", "imports sip.message"),
        ("t38fsp.call.faxcall", "def now():\n    import time", "line 2: imports time"),
        ("t38fsp.call.faxcall", "import PIL.Image", "the standard library only"),
        ("t38fsp.virtual.endpoint", "from sip.network import SipLine", "imports sip.network"),
        ("t38fsp.virtual.endpoint", "import random", "sans-IO: take it as an argument"),
        ("t38fsp.virtual.endpoint", "from random import randrange", "sans-IO"),
        ("sip.agent", "from random import Random\nrandom = Random()", "line 2: calls Random()"),
        ("sip.agent", "import asyncio", "sip core is sans-IO"),
        ("sip.agent", "from t38fsp.results import FaxResult", "sip core may import only itself"),
        ("t38fsp.t4.reader", "data = open('page').read()", "calls open()"),
        ("t38fsp.engine.engine", "from t38fsp.provider import FaxProvider", "engine may import only"),
        ("t38fsp.provider", "import typer", "provider may use phonenumbers"),
        ("t38fsp.kitchen", "", "belongs to no room"),
    ],
)
def test_what_is_forbidden(module: str, source: str, fault: str) -> None:
    found = faults(source, module)
    assert len(found) == 1
    assert fault in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("t38fsp.audio.leg", "from t38fsp.audio import tones\nfrom t38fsp.t30.vocabulary import Tone"),
        ("t38fsp.audio.leg", "from . import tones\nfrom sip.sdp import Attribute"),
        ("sip.udp", "import asyncio, socket\nfrom sip.agent import UserAgent\nimport dns.resolver"),
        (
            "sip.agent",
            "from random import Random\ndef tag(random: Random) -> int:\n    return random.getrandbits(9)",
        ),
        ("t38fsp.engine.engine", "import asyncio, random\nfrom sip.network import SipLine"),
        ("t38fsp.virtual.endpoint", "from sip.agent import UserAgent"),
        ("t38fsp.cli.send", "import typer\nfrom t38fsp.provider import FaxProvider"),
    ],
)
def test_what_is_allowed(module: str, source: str) -> None:
    assert faults(source, module) == []


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_logger_makes_what_strangers_sent_printable(path: Path) -> None:
    """Those that are named by another process of ours get records that went through its filter."""
    loggers = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "getLogger"
        and not (node.args and isinstance(node.args[0], ast.Name) and node.args[0].id == "name")
        and not (node.args and isinstance(node.args[0], ast.Constant))
    ]
    assert not loggers or path == ROOT / "sip" / "logs.py"
