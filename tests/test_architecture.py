"""The import table of docs/design.md, and what sans-IO means, enforced on the source of every module.

A module that belongs to no room, or imports what its room may not know, fails here with its line. Change the
table of docs/design.md together with that of ``tests.architecture``.
"""

from __future__ import annotations

import ast

import pytest

from tests.architecture import (
    MODULES,
    PACKAGES,
    ROOMS,
    ROOT,
    arrows,
    below,
    faults,
    main,
    module_name,
    tree_of,
)


def test_every_module_keeps_to_its_room() -> None:
    found = [
        fault
        for path in MODULES
        for fault in faults(path.read_text(encoding="utf-8"), module_name(path), path.name == "__init__.py")
    ]
    assert not found, "\n".join(found)


def test_arrows_point_only_at_what_stands_above_in_the_table() -> None:
    """So there is no circle of rooms."""
    order = [room.name for room in ROOMS]
    upward = [
        f"{room} -> {other}"
        for room, others in arrows().items()
        for other in others
        if order.index(other) > order.index(room)
    ]
    assert not upward


def test_the_table_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    printed = capsys.readouterr().out
    assert all(f"{room.name}: " in printed for room in ROOMS)


def test_no_room_is_empty() -> None:
    for room in ROOMS:
        inside = [path for path in MODULES if below(module_name(path), room.modules)]
        assert inside, room.name
    assert all(room.modules[0].partition(".")[0] in PACKAGES for room in ROOMS)


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("t38fsp.audio.leg", "from t38fsp.engine.media import MediaPort", "audio may import only"),
        ("t38fsp.audio.leg", "from t38fsp.t30 import transmitter", "imports t38fsp.t30.transmitter"),
        ("t38fsp.t30.frames", "import t38fsp.t4.scan_lines", "t30 may import only sip.bounds"),
        ("t38fsp.t30.frames", "from .. import engine", "imports t38fsp.engine"),
        ("t38fsp.t38.terminal", "from sip.syntax.message import Request", "imports sip.syntax.message"),
        ("t38fsp.call.faxcall", "def now():\n    import time", "line 2: imports time"),
        ("t38fsp.call.faxcall", "import PIL.Image", "the standard library only"),
        (
            "t38fsp.virtual.endpoint",
            "from sip.transport.agent_on_network import SipLine",
            "imports sip.transport.agent_on_network",
        ),
        ("t38fsp.virtual.endpoint", "import random", "sans-IO: take it as an argument"),
        ("t38fsp.virtual.endpoint", "from random import randrange", "sans-IO"),
        ("sip.agent", "from random import Random\nrandom = Random()", "line 2: calls Random()"),
        ("sip.agent", "import asyncio", "sip agent is sans-IO"),
        ("sip.agent", "from t38fsp.results import FaxResult", "sip agent may import only"),
        ("t38fsp.t4.reader", "data = open('page').read()", "calls open()"),
        ("t38fsp.engine.engine", "from t38fsp.provider import FaxProvider", "engine may import only"),
        ("t38fsp.settings.file", "import typer", "settings may use phonenumbers"),
        ("t38fsp.provider", "import pydantic", "provider may use the standard library only"),
        ("sip.syntax.message", "from sip.ua.dialog import Dialog", "sip syntax may import only"),
        ("sip.transaction.layer", "from sip.ua.core import UaCore", "sip transactions may import only"),
        ("sip.ua.core", "from sip.transport.udp import UdpPort", "sip user agent core may import only"),
        ("sip.remote.line", "from sip.pjsua.line import PjsuaLine", "sip in another process may import only"),
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
        ("t38fsp.audio.leg", "from . import tones\nfrom sip.syntax.sdp import Attribute"),
        ("sip.transport.udp", "import asyncio, socket\nfrom sip.agent import UserAgent\nimport dns.resolver"),
        (
            "sip.agent",
            "from random import Random\ndef tag(random: Random) -> int:\n    return random.getrandbits(9)",
        ),
        (
            "t38fsp.engine.engine",
            "import asyncio, random\nfrom sip.transport.agent_on_network import SipLine",
        ),
        ("t38fsp.virtual.endpoint", "from sip.agent import UserAgent"),
        ("t38fsp.cli.send", "import typer\nfrom t38fsp.provider import FaxProvider"),
    ],
)
def test_what_is_allowed(module: str, source: str) -> None:
    assert faults(source, module) == []


def test_every_logger_makes_what_strangers_sent_printable() -> None:
    """Those that are named by another process of ours get records that went through its filter."""
    loggers = [
        f"{module_name(path)}, line {node.lineno}"
        for path in MODULES
        if path != ROOT / "sip" / "logs.py"
        for node in ast.walk(tree_of(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "getLogger"
        and not (node.args and isinstance(node.args[0], ast.Name) and node.args[0].id == "name")
        and not (node.args and isinstance(node.args[0], ast.Constant))
    ]
    assert not loggers
