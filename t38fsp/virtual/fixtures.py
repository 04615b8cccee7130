"""Fixtures for the tests of programs that fax.

Enable them in conftest.py: ``pytest_plugins = ["t38fsp.virtual.fixtures"]``. They need no plugin of pytest,
and work in blocking tests and in coroutines.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Protocol

import pytest

from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.virtual.background import BackgroundGateway
from t38fsp.virtual.network import Faults
from t38fsp.virtual.quirks import parse_quirks
from t38fsp.virtual.scenario import LINE, Scenario
from t38fsp.virtual.sockets import NO_FAULTS


class GatewayFactory(Protocol):
    """The type of ``virtual_gateway``."""

    def __call__(
        self,
        quirks: str = "",
        faults: Faults = NO_FAULTS,
        *,
        transmit: TransmitOptions | None = None,
        receive: ReceiveOptions | None = None,
        seed: int = 1,
    ) -> BackgroundGateway: ...


class ScenarioFactory(Protocol):
    """The type of ``simulated_gateway``."""

    def __call__(self, quirks: str = "", faults: Faults = LINE, *, seed: int = 1) -> Scenario: ...


@pytest.fixture
def virtual_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayFactory]:
    """Create virtual gateways on real sockets of this machine, which are stopped after the test.

    ``virtual_gateway("first-seq,echo", Faults(loss=0.05)).uri()`` is the SIP URI to call. Raises QuirkError
    for invalid quirks.
    """
    made: list[BackgroundGateway] = []

    def make(
        quirks: str = "",
        faults: Faults = NO_FAULTS,
        *,
        transmit: TransmitOptions | None = None,
        receive: ReceiveOptions | None = None,
        seed: int = 1,
    ) -> BackgroundGateway:
        gateway = BackgroundGateway(
            tmp_path_factory.mktemp("virtual_gateway"),
            parse_quirks(quirks),
            faults,
            transmit=transmit,
            receive=receive,
            random=Random(seed),
        )
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture
def simulated_gateway(tmp_path_factory: pytest.TempPathFactory) -> ScenarioFactory:
    """Create scenarios in simulated time: ``simulated_gateway("rtn-last").send(Path("letter.tif"))``."""

    def make(quirks: str = "", faults: Faults = LINE, *, seed: int = 1) -> Scenario:
        return Scenario(tmp_path_factory.mktemp("scenario"), parse_quirks(quirks), faults, seed=seed)

    return make
