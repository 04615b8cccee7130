"""Fixtures for the tests of programs that fax.

``pytest_plugins = ["t38fsp.virtual.fixtures"]`` in conftest.py brings them. They need no plugin of pytest,
and work in tests that block and in coroutines alike.
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
    """What ``virtual_gateway`` gives."""

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
    """What ``simulated_gateway`` gives."""

    def __call__(self, quirks: str = "", faults: Faults = LINE, *, seed: int = 1) -> Scenario: ...


@pytest.fixture
def virtual_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayFactory]:
    """Makes virtual gateways on real sockets of this machine, and stops them after the test.

    ``virtual_gateway("first-seq,echo", Faults(loss=0.05)).uri()`` is what to call. A QuirkError says what is
    wrong with the quirks.
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
    """Makes scenarios in simulated time: ``simulated_gateway("rtn-last").send(Path("letter.tif"))``."""

    def make(quirks: str = "", faults: Faults = LINE, *, seed: int = 1) -> Scenario:
        return Scenario(tmp_path_factory.mktemp("scenario"), parse_quirks(quirks), faults, seed=seed)

    return make
