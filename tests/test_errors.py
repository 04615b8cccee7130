"""The errors that a program meets: one root, drawn in one place, raised before a call."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sip
import t38fsp
from sip.syntax.errors import SipError
from t38fsp import errors
from t38fsp.call_settings import CallSettings
from t38fsp.errors import FaxError, SettingError
from t38fsp.faxdev import FaxDevSettings
from t38fsp.header import Header
from t38fsp.image.document import inspect as inspect_document
from t38fsp.jobs import Addressing, EngineError, EngineSettings, Resume
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult
from t38fsp.settings.errors import ConfigurationError, UnknownRouteError
from t38fsp.settings.file import Configuration
from t38fsp.status import FaxStatus

INTERNAL = {
    # What a parser says of what arrived, or an encoder of what it was given; caught in the same room.
    "FrameError",
    "IfpError",
    "OddTailError",
    "RtpError",
    "ScanLineError",
    "TpktError",
    "UdptlError",
    # A limit of time, caught where it is set.
    "_TooLong",
    "OverrunError",
    # The end of a command.
    "CommandError",
    # An OSError for the engine alone.
    "MediaPortError",
    # They become warnings of a fax that was received.
    "NotDeliveredError",
    "WorkerDiedError",
    "NoTextError",
    "FailedCommandError",
    # It becomes the verdict on the call that waited to be set up.
    "OverloadedError",
    # The answer to a request of the REST API.
    "ProblemError",
    # It ends what a host does for an attempt that another one has taken over.
    "SupersededError",
}


def classes_of(package: object) -> Iterator[type[BaseException]]:
    """The exceptions that its modules define."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):  # type: ignore[attr-defined]
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, BaseException) and kind.__module__ == module.__name__:
                yield kind


def test_every_error_has_the_root_or_is_internal() -> None:
    kinds = list(classes_of(t38fsp))
    assert {kind.__name__ for kind in kinds if not issubclass(kind, FaxError)} == INTERNAL
    assert not any(issubclass(kind, SipError) for kind in kinds)
    assert not any(issubclass(kind, FaxError) for kind in classes_of(sip))


def test_the_tree_is_the_one_that_is_drawn() -> None:
    drawn = re.findall(r"^ *(?:│ +)*[├└]── (\w+)(?: \((\w+)\))?", errors.__doc__ or "", re.M)
    known = {
        kind.__name__: next((base.__name__ for base in kind.__bases__ if not issubclass(base, FaxError)), "")
        for kind in classes_of(t38fsp)
        if issubclass(kind, FaxError) and kind is not FaxError
    }
    assert dict(drawn) == known


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CallSettings(station_id="Büro"),
        lambda: CallSettings(max_rate=1200),
        lambda: CallSettings(preamble=9.0),
        lambda: Addressing("1" * 21),
        lambda: Resume(0),
        lambda: Resume.after(FaxResult(FaxStatus.COMPLETED, "")),
        lambda: Header("{nobody}"),
        lambda: FaxDevSettings(device_count=0),
    ],
)
def test_a_wrong_argument(wrong: Callable[[], object]) -> None:
    with pytest.raises(SettingError) as caught:
        wrong()
    assert isinstance(caught.value, ValueError)


async def test_what_a_provider_raises(tmp_path: Path) -> None:
    settings = EngineSettings(signalling=str(tmp_path / "none.sock"))
    with pytest.raises(EngineError, match="no signalling process"):
        await FaxProvider(settings=settings).__aenter__()
    async with FaxProvider(("127.0.0.1", 0)) as provider:
        with pytest.raises(UnknownRouteError) as unknown:
            await provider.send("letter.tif", "1", route="office")
        assert isinstance(unknown.value, LookupError)
        assert isinstance(unknown.value, ConfigurationError)
        for to, kind in (("letter.tif", ValueError), ("sip:", ValueError), ("1", ValueError)):
            with pytest.raises(FaxError) as caught:
                await provider.send("letter.tif", to)
            assert isinstance(caught.value, kind)
        with pytest.raises(SettingError):
            await provider.poll("sip:1@127.0.0.1:9", "x.tif", password="ä")
        with pytest.raises(SettingError):
            await provider.send("letter.tif", "sip:1@127.0.0.1:9", resume=-1)


def test_what_files_raise(tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").write_text("listen = 5")
    for read in (lambda: Configuration.read(tmp_path / "t38fsp.toml"), lambda: inspect_document(tmp_path)):
        with pytest.raises(FaxError) as caught:
            read()
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("status", FaxStatus)
def test_a_status_is_printed_by_its_name(status: FaxStatus) -> None:
    assert str(status) == f"{status}" == "{}".format(status) == "%s" % status == status.name  # noqa: UP031, UP032
    assert f"{status:#010x}" == hex(status)
    assert status == int(status)
