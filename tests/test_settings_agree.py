"""Each setting through each of its ways in: one verdict and one sentence, whichever way it comes.

The values are those at, below and above the bounds that stand beside the fields of the engine's dataclasses
(``sip.bounds``). A way in that has bounds of its own, or forgets those, fails here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from math import inf, nan, nextafter
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from sip.bounds import Bounds, settings_of
from sip.line_settings import Callers, Limits, RegistrationSettings, SessionTimers, TlsSettings
from t38fsp.call_settings import CallSettings
from t38fsp.cli.app import app
from t38fsp.cli.options import allowing
from t38fsp.cli.virtual_gateway import virtual_gateway
from t38fsp.errors import FaxError
from t38fsp.faxdev.settings import FaxDevSettings
from t38fsp.inbox_settings import InboxSettings
from t38fsp.jobs import LISTEN, Addressing, EngineRoute, EngineSettings
from t38fsp.page_settings import PageSettings
from t38fsp.settings.file import Configuration
from t38fsp.settings.keys import with_keys
from t38fsp.settings.local import Endpoint, IncomingTable, Tls
from t38fsp.settings.route import T38, Route
from t38fsp.t30.options import PollDocument, PollOptions, ReceiveOptions, TransmitOptions
from t38fsp.t38.timing import Timing
from tests.routes import OFFICE, write

pytestmark = pytest.mark.usefixtures("empty_directory")

KINDS = (
    SessionTimers,
    CallSettings,
    PageSettings,
    RegistrationSettings,
    EngineRoute,
    Callers,
    Limits,
    TlsSettings,
    EngineSettings,
    InboxSettings,
)
"""The dataclasses whose settings are keys of the file."""
INSIDE = (TransmitOptions, ReceiveOptions, PollDocument, PollOptions, FaxDevSettings, Addressing)
"""Those that apply their bounds, too, but have none in the file."""
OPTIONS = {
    "max_rate": "--max-rate",
    "station_id": "--station-id",
    "switch": "--switch",
    "quality": "--quality",
    "page_resolution": "--page-resolution",
    "paper": "--paper",
    "fit": "--fit",
    "landscape": "--landscape",
    "margin": "--margin",
    "page_seconds": "--page-seconds",
    "over_page_seconds": "--over-page-seconds",
    "font": "--font",
}
"""Settings that have an option of ``t38fsp send``."""


@dataclass(frozen=True)
class Setting:
    kind: type
    name: str
    bounds: Bounds
    default: Any

    @property
    def key(self) -> str:
        """As it stands in the file, with its table."""
        table = f"{self.bounds.table}." if self.bounds.table else ""
        return table + (self.bounds.key or self.name)

    @property
    def of_route(self) -> bool:
        """It stands in the tables of a route."""
        return not self.key.startswith(("incoming.", "received.", "tls.")) and self.kind is not EngineSettings

    def values(self) -> Iterator[Any]:
        """At, below and above each bound, and some that are none at all."""
        bounds = self.bounds
        if isinstance(self.default, bool):
            yield from (True, False)
            return
        if isinstance(self.default, Enum):
            yield from type(self.default)
            return
        if self.kind is TlsSettings:
            # The files themselves are looked at by the file, and by the line when it starts.
            yield from ("ours.key",) if self.name == "key" else ()
            return
        if isinstance(self.default, tuple):
            yield from ((), ("any",), ("192.0.2.0/24", "2001:db8::7"), ("192.0.2.0/24", "office"), ("",))
            return
        if self.name == "exec":
            yield from ("", "cat", "cat 'it", "  ")
            return
        if isinstance(self.default, str):
            yield from ("", "+1 555 0199", "1" * 20, "1" * 21, "\u00fc")
            return
        whole = bool(bounds.among) or isinstance(bounds.least, int)
        for bound in (bounds.least, bounds.most, bounds.above, bounds.off, *bounds.among):
            if bound is not None:
                yield bound
                yield from (
                    (bound - 1, bound + 1) if whole else (nextafter(bound, -inf), nextafter(bound, inf))
                )
        yield from (-1, 0, 2**40)
        if whole:
            yield 10**400  # which no float holds
        if not whole:
            yield from (nan, inf)
        if self.default is not None:
            yield self.default


SETTINGS = [
    Setting(kind, name, bounds, field.default)
    for kind in KINDS
    for name, (field, bounds) in settings_of(kind).items()
]
IN_FILE = [setting for setting in SETTINGS if setting.bounds.table is not None]


def required(kind: type) -> dict[str, Any]:
    """Arguments for the fields without a default."""
    assert is_dataclass(kind)
    return {
        field.name: "sip:a@b.example"
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    }


def by_program(setting: Setting, value: Any) -> str | None:
    """What is said of ``value``; None when it is taken."""
    try:
        setting.kind(**required(setting.kind), **{setting.name: value})
    except ValueError as error:
        return str(error).removeprefix(f"{setting.name}: ")
    return None


def toml(value: Any) -> str:
    if isinstance(value, Enum):
        return f'"{value.value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def told(read: Callable[[], object], key: str) -> str | None:
    """The sentence without the words for the place that the value came from."""
    try:
        read()
    except FaxError as error:
        return re.sub(rf"^.*?({key}|tls): ", "", str(error), flags=re.IGNORECASE)
    return None


def by_file(setting: Setting, value: Any, folder: Path) -> str | None:
    line = f"{setting.key} = {toml(value)}\n"
    file = write(folder, OFFICE + line if setting.of_route else line + OFFICE)
    return told(lambda: Configuration.read(file).route("office"), setting.key)


def by_environment(setting: Setting, value: Any, folder: Path, patch: pytest.MonkeyPatch) -> str | None:
    variable = f"T38FSP_{setting.key.replace('.', '__').upper()}"
    file = write(folder, OFFICE)
    with patch.context() as context:
        context.setenv(variable, toml(value).strip('"'))
        said = told(lambda: Configuration.read(file).route("office"), variable)
    # What is no number at all is shown as the text that the variable holds.
    return said and re.sub(r"'(nan|inf)'", r"\1", said)


def by_argument(setting: Setting, value: Any, folder: Path) -> str | None:
    """Of ``Configuration.route``, which is where the options of the command line go, too."""
    given: Any = value
    for part in reversed(setting.key.split(".")):
        given = {part: given}
    file = write(folder, OFFICE)
    return told(lambda: Configuration.read(file).route("office", **given), setting.key)


def by_option(setting: Setting, value: Any, folder: Path) -> str | None:
    """``t38fsp send``, with a document that does not exist: it is missed once every setting is taken."""
    file = write(folder, OFFICE)
    shown = value.value if isinstance(value, Enum) else str(value)
    ran = CliRunner().invoke(
        app,
        [
            "send",
            "none.tif",
            "--to",
            "1",
            "--route",
            "office",
            "--config",
            str(file),
            f"{OPTIONS[setting.name]}={shown}",
        ],
    )
    assert ran.exit_code in (2, 11), ran.output
    return None if ran.exit_code == 11 else ran.stderr.strip().partition(f"{OPTIONS[setting.name]}: ")[2]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: f"{setting.kind.__name__}.{setting.name}")
def test_every_way_in_gives_one_verdict_and_one_sentence(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """At a push the environment and the arguments of a route take turns, as they share most of their way, and
    the command line gets the values around the bounds, and one of a choice."""
    verdicts = set()
    whole = request.config.getoption("tier") in ("full", "long")
    by_options = 99 if whole else 1 if isinstance(setting.default, Enum) else 6
    for number, value in enumerate(setting.values()):
        said = by_program(setting, value)
        verdicts.add(said is None)
        if setting.bounds.table is None:
            continue
        ways = {"file": by_file(setting, value, tmp_path)}
        if value != "" and (whole or number % 2):  # an empty variable counts as none
            ways["environment"] = by_environment(setting, value, tmp_path, monkeypatch)
        if setting.of_route and (whole or not number % 2):
            ways["argument"] = by_argument(setting, value, tmp_path)
        if setting.name == "allow" and value:  # no option is no list that is empty
            ways["option"] = told(lambda: allowing(value, Callers()), "--allow")  # noqa: B023
        if setting.name in OPTIONS and number < by_options:
            ways["option"] = by_option(setting, value, tmp_path)
        assert all(each == said for each in ways.values()), (value, said, ways)
    if setting.kind is TlsSettings:
        return
    unbounded = isinstance(setting.default, bool | Enum)
    assert verdicts == ({True} if unbounded else {True, False})


@pytest.mark.parametrize("kind", INSIDE)
def test_bounds_are_applied_wherever_they_stand(kind: type) -> None:
    for name, (field, bounds) in settings_of(kind).items():
        setting = Setting(kind, name, bounds, field.default)
        for value in setting.values():
            said = bounds.fault(value, field.default)
            assert by_program(setting, value) == said, (name, value)


def test_every_number_of_the_file_has_bounds_beside_the_field_that_the_engine_uses() -> None:
    """A key with bounds of its own would be the beginning of the next drift."""
    generated = {setting.bounds.key or setting.name for setting in IN_FILE}
    for model in (Route, T38, IncomingTable, Endpoint):
        for key, field in model.model_fields.items():
            number = "int" in str(field.annotation) or "float" in str(field.annotation)
            assert key in generated or not number, key
    assert set(T38.model_fields) | set(Tls.model_fields) <= generated


@pytest.mark.parametrize("kind", [CallSettings, Limits, TlsSettings])
def test_no_setting_is_missing_in_the_file(kind: type) -> None:
    assert is_dataclass(kind)
    assert {field.name for field in fields(kind)} == {
        setting.name for setting in IN_FILE if setting.kind is kind
    }


def test_a_key_with_bounds_of_its_own_is_refused() -> None:
    with pytest.raises(AssertionError, match="copies is declared twice"):

        @with_keys("t38", CallSettings)
        class _Drifted(BaseModel):
            copies: int = 99


def test_what_a_setting_repeats_of_another_it_takes_from_there() -> None:
    call, sending = settings_of(CallSettings), settings_of(TransmitOptions)
    for name in ("station_id", "ecm", "max_rate", "internet_aware"):
        assert call[name][0].default == sending[name][0].default
        assert call[name][1].most == sending[name][1].most
    timing = settings_of(Timing)
    for name in ("preamble", "copies", "keep_alive", "whole_frames"):
        assert (call[name][0].default, call[name][1].most) == (timing[name][0].default, timing[name][1].most)


def test_the_command_line_names_the_defaults_that_there_are() -> None:
    """It does not import them: help has to come at once."""
    text = " ".join(CliRunner().invoke(app, ["send", "--help"], env={"COLUMNS": "300"}).output.split())
    call = CallSettings()
    for default in (call.max_rate, call.switch.value, EngineSettings().backend.value):
        assert f"; {default} unless the route sets another" in text
    of_machine = inspect.signature(virtual_gateway).parameters["max_rate"].default
    assert of_machine == TransmitOptions().max_rate
    text = " ".join(CliRunner().invoke(app, ["receive", "--help"], env={"COLUMNS": "300"}).output.split())
    assert f"{LISTEN[0]}:{LISTEN[1]} unless set in the file" in text
