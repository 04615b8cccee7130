"""FaxDevSettings with a route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sip.line_settings import RegistrationSettings
from sip.values import Credentials
from t38fsp.choices import Backend
from t38fsp.faxdev import FaxDevSettings
from t38fsp.jobs import EngineRoute, EngineSettings
from t38fsp.settings.file import Configuration
from t38fsp.settings.route import Route
from tests.faxdev.service import Clock, Service


@pytest.fixture
def route(tmp_path: Path) -> Route:
    file = tmp_path / "t38fsp.toml"
    file.write_text("""
        [routes.office]
        peer = "trunk.example"
        user = "account"
        password = "secret"
        registration = true
        channels = 2
        station_id = "+15550142"
        t38 = { redundancy = 1 }
        """)
    file.chmod(0o600)
    return Configuration.read(file).route("office")


@pytest.fixture
def service(clock: Clock, route: Route) -> Iterator[Service]:
    running = Service(FaxDevSettings(route, EngineSettings(("127.0.0.1", 5060), accept_calls=True)), clock)
    yield running
    running.provider.FaxDevShutdown()


def test_the_route_says_where_a_number_goes_and_how(route: Route) -> None:
    settings = FaxDevSettings(route=route)
    job = settings.send_job("letter.tif", "+15550100")
    assert job.target == "sip:+15550100@trunk.example"
    assert job.credentials == Credentials("account", "secret")
    assert (job.settings.redundancy, job.route) == (1, "office")
    registration = RegistrationSettings(
        "sip:trunk.example", "sip:account@trunk.example", job.credentials, 3600
    )
    assert settings.engine.routes == (
        EngineRoute("office", "trunk.example", 2, registration, job.credentials),
    )


def test_the_file_says_all_of_our_own_end(tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").write_text("""
        listen = "127.0.0.1:5070"
        signalling = "sip.sock"
        tls = { verify = false }
        incoming = { allow = ["192.0.2.0/24"], max_waiting = 3, max_calls = 500 }
        [routes.office]
        peer = "h.example"
        backend = "own"
        """)
    file = Configuration.read(tmp_path / "t38fsp.toml")
    settings = FaxDevSettings(route=file.route("office"), own_end=file.engine, device_count=4)
    engine = settings.engine
    assert replace(engine, limits=file.engine.limits, workers=None, routes=()) == file.engine
    # A device has one call, whatever the file allows.
    assert engine.limits.calls == 4


def test_the_backend_of_the_route_is_that_of_the_engine(route: Route) -> None:
    for backend in Backend:
        settings = FaxDevSettings(route=route.model_copy(update={"backend": backend}))
        assert settings.engine.backend is backend
        assert settings.send_job("letter.tif", "1").backend is backend
    assert FaxDevSettings(route=route).engine.backend is Backend.OWN


def test_its_station_id_is_ours_unless_the_service_gives_one(service: Service) -> None:
    for number, station_id in (("", "+15550142"), ("+1 555 0100", "+1 555 0100")):
        fax = service.send("completed", CallerNumber=number).wait()
        assert service.provider.GetJobResult(fax.handle).reason == f"completed as {station_id!r}"
        service.provider.FaxDevEndJob(fax.handle)


def test_its_header_line_has_the_name_of_the_caller(route: Route) -> None:
    headed = route.model_copy(update={"header": "{name}", "caller_name": "Example Ltd"})
    service = Service(FaxDevSettings(route=headed), Clock())
    try:
        for name, shown in (("", "Example Ltd"), ("Accounts", "Accounts")):
            fax = service.send("completed", CallerName=name).wait()
            assert f"headed {shown!r}" in service.provider.GetJobResult(fax.handle).reason
            service.provider.FaxDevEndJob(fax.handle)
    finally:
        service.provider.FaxDevShutdown()
