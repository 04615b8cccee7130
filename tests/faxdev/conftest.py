from __future__ import annotations

from collections.abc import Iterator

import pytest

from t38fsp.faxdev import FaxDevSettings
from t38fsp.jobs import EngineSettings
from t38fsp.settings.route import Route
from tests.faxdev.service import Clock, Service


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> Iterator[Service]:
    """A fax service with four devices on a scripted engine, initialised."""
    running = Service(
        FaxDevSettings(
            route=Route(peer="gateway.example"),
            own_end=EngineSettings(("127.0.0.1", 5060), accept_calls=True),
            device_count=4,
        ),
        clock,
    )
    yield running
    running.provider.FaxDevShutdown()
