"""What a command uses: the command line over the environment over the file over the default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from t38fsp.choices import Backend, Switch
from t38fsp.cli import receive
from t38fsp.cli.exits import CommandError
from t38fsp.cli.options import Given, choose
from t38fsp.jobs import EngineSettings

FILE = """
listen = "192.0.2.1:5070"
tls_listen = "192.0.2.1:5071"
signalling = "of-file.sock"

[tls]
certificate = "ours.pem"
key = "ours.pem"

[routes.office]
peer = "trunk.example"
switch = "either"
"""


@pytest.fixture(autouse=True)
def _file(empty_directory: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("t38fsp.settings.file.client_context", lambda settings: None)
    (tmp_path / "t38fsp.toml").write_text(FILE)


def engine(port: int = 5060, **given: object) -> EngineSettings:
    """Of a command whose default port is this, 0 for send."""
    return choose(Given(**{"route": "office", "config": None, **given}), port=port).engine


ABOVE = """
advertised = ["203.0.113.5"]
media_ports = "10000-10999"
"""
INCOMING = """
[incoming]
allow = ["198.51.100.0/24"]
max_waiting = 8
"""


@pytest.mark.parametrize("port", [0, 5060])
@pytest.mark.parametrize("given", [{}, {"listen": "127.0.0.1:0"}, {"config": Path("other.toml")}])
def test_what_stands_above_the_routes_holds_with_and_without_one(
    tmp_path: Path, port: int, given: dict[str, object]
) -> None:
    for name in ("t38fsp.toml", "other.toml"):
        (tmp_path / name).write_text(f"{ABOVE}{FILE}{INCOMING}")
    of_file = engine(port, **given)
    assert (of_file.advertised, of_file.media_ports) == (("203.0.113.5",), (10000, 10999))
    assert of_file.tls.certificate is not None
    assert (of_file.callers.allow, of_file.limits.waiting) == (("198.51.100.0/24",), 8)
    assert engine(port, route=None, **given) == of_file


def test_without_a_file_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").unlink()
    assert engine(route=None).listen == ("0.0.0.0", 5060)
    assert engine(0, route=None).listen == ("0.0.0.0", 0)


def test_a_file_that_is_found_can_be_left_out() -> None:
    without = engine(route=None, config=Path("/dev/null"))
    assert (without.listen, without.tls_listen, without.signalling) == (("0.0.0.0", 5060), None, None)


def test_a_folder_that_we_may_not_look_into_has_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the home of another user, whose environment came along."""
    (tmp_path / "t38fsp.toml").unlink()
    real = os.stat

    def stat(path: str, **options: Any) -> os.stat_result:
        if "config.toml" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    assert engine(route=None).listen == ("0.0.0.0", 5060)


def test_who_has_no_home_has_no_file_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t38fsp.toml").unlink()
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    assert engine(route=None).listen == ("0.0.0.0", 5060)


def test_an_address_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine().listen == ("192.0.2.1", 5070)
    assert engine().tls_listen == ("192.0.2.1", 5071)
    # Who sends takes the address, and leaves the ports to who receives.
    assert (engine(0).listen, engine(0).tls_listen) == (("192.0.2.1", 0), None)
    assert engine(0, listen="192.0.2.3:5090").tls_listen is None
    assert engine(listen="192.0.2.3:5090").tls_listen == ("192.0.2.1", 5071)
    monkeypatch.setenv("T38FSP_LISTEN", "192.0.2.2:5080")
    assert engine().listen == engine(route=None).listen == ("192.0.2.2", 5080)
    assert engine(listen="192.0.2.3:5090").listen == engine(0, listen="192.0.2.3:5090").listen
    assert engine(listen="192.0.2.3:5090").listen == ("192.0.2.3", 5090)


def test_the_address_of_a_signalling_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine().signalling == "of-file.sock"
    monkeypatch.setenv("T38FSP_SIGNALLING", "of-environment.sock")
    assert engine().signalling == engine(route=None).signalling == "of-environment.sock"
    assert engine(signalling=Path("given.sock")).signalling == "given.sock"
    # An address that is given is one of our own.
    assert engine(listen="192.0.2.3:5090").signalling is None


def test_a_service_has_an_engine_process_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "usable_cores", lambda: 3)

    def service(own_end: EngineSettings, backend: Backend | None = None, count: int = 0) -> int:
        return receive.workers_for(own_end, backend, count)

    own = EngineSettings()
    assert service(own) == 3
    # What ends by itself, one of several behind an address, and pjsua2, which has the address itself.
    assert service(own, count=2) == 1
    assert service(EngineSettings(signalling="of-file.sock")) == 1
    assert service(own, Backend.PJSUA2) == service(EngineSettings(backend=Backend.PJSUA2)) == 1
    assert service(EngineSettings(workers=2), count=1) == 2


def test_how_many_engine_processes_is_said_like_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine().workers is None
    monkeypatch.setenv("T38FSP_WORKERS", "4")
    assert engine().workers == 4
    assert engine(workers=2).workers == 2
    # Who sends has one call.
    assert engine(0).workers == 1
    with pytest.raises(CommandError, match="--workers: 65 is too large: the maximum is 64"):
        engine(workers=65)


@pytest.mark.parametrize(("given", "said"), [(True, True), (None, True), (False, False)])
def test_the_header_line(monkeypatch: pytest.MonkeyPatch, given: bool | None, said: bool) -> None:
    monkeypatch.setenv("T38FSP_HEADER", "true")
    route = choose(Given("office", None, settings={"header": given}), port=0).route
    assert (route.send_job(("letter.tif",), "1").header is not None) is said


def test_settings_of_the_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("t38fsp.settings.route.find_spec", lambda name: name)

    def chosen(**settings: object) -> tuple[Switch, Backend | None]:
        route = choose(Given("office", None, settings=settings), port=0).route
        return route.switch, route.backend

    assert chosen() == (Switch.EITHER, None)
    monkeypatch.setenv("T38FSP_SWITCH", "caller")
    monkeypatch.setenv("T38FSP_BACKEND", "own")
    assert chosen() == chosen(switch=None, backend=None) == (Switch.CALLER, Backend.OWN)
    assert chosen(switch=Switch.CALLEE, backend=Backend.PJSUA2) == (Switch.CALLEE, Backend.PJSUA2)
