"""What holds for every test."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sip import logs
from t38fsp.t30.vocabulary import Resolution
from tests import haste, order
from tests.page_threads import WorkerThread
from tests.pages import make_document
from tests.sweep import TIERS

# No test depends on speed, neither of the machine nor of what else runs on it.
settings.register_profile(
    "search", deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow]
)
# The same examples each time: a push is red because of the push. The full tier goes on searching.
settings.register_profile("push", settings.get_profile("search"), derandomize=True)
settings.load_profile("search")

_TESTS = Path(__file__).parent
_SELECT = {"push": "not full and not long", "full": "not long", "long": ""}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--tier", choices=TIERS, help="select the tests and the cases of a tier (docs/testing.md)"
    )
    parser.addoption("--case", help="run only this case of sweeps, as the failing test named it")


def pytest_configure(config: pytest.Config) -> None:
    tier = config.getoption("tier")
    if tier is not None:
        config.option.markexpr = config.option.markexpr or _SELECT[tier]
        settings.load_profile("push" if tier == "push" else "search")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What sweeps all of its cases takes longer than a test of a push may; workers share what is long."""
    seconds = {"full": 900, "long": 7200}.get(config.getoption("tier"))
    for item in items:
        if seconds and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(seconds))
    if (workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))) > 1:
        items[:] = order.arranged(items, workers, lambda item: item.path.relative_to(_TESTS).as_posix())


def pytest_collection() -> None:
    """Nothing that is made while tests are collected is garbage: looking for it takes a sixth of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What is there by now stays to the end; the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


# A shell starts background jobs deaf to Ctrl-C, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test depends on what is set on this machine.
for name in [name for name in os.environ if name.upper().startswith("T38FSP_")]:
    del os.environ[name]


@pytest.fixture(autouse=True)
def fresh_logs() -> None:
    """What another test logged keeps no record of this one back."""
    logs.forget()


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``tmp_path`` is the current directory, and there is no file with settings elsewhere."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def letter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A document that is sent quickly: one short page."""
    path = tmp_path_factory.mktemp("letter") / "letter.tif"
    make_document(path, [(1728, Resolution.R8_STANDARD, 60, "lines")])
    return path


@pytest.fixture
def page_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines of this process have threads for image workers, which start at once (``page_threads.py``)."""
    monkeypatch.setattr("t38fsp.image.workers.WorkerProcess", WorkerThread)


@pytest.fixture
async def hasty() -> AsyncIterator[None]:
    """The clock of the test's event loop runs fast; for tests whose calls have both ends on it."""
    with haste.hastened(asyncio.get_running_loop()):
        yield
