"""``t38fsp routes``, and routes in the other commands: what is listed, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import Run

FILE = """
listen = "127.0.0.1:5060"

[routes.office]
peer = "trunk.example"
user = "account"
password_file = "office.password"
registration = true
channels = 4
caller = "sip:+15550199@trunk.example"
privacy = "id"
headers = { X-Account = "12" }
dial = { region = "US", format = "digits" }

[routes.ata]
peer = "192.0.2.50"
proxy = "192.0.2.51:5070"
transport = "tls"
t38 = { copies = 4 }
"""


@pytest.fixture(autouse=True)
def _files(empty_directory: None, tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").write_text(FILE)
    (tmp_path / "office.password").write_text("secret\n")
    (tmp_path / "office.password").chmod(0o600)


def test_what_would_be_used_is_listed(run: Run) -> None:
    result = run("routes")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "t38fsp.toml: office, ata",
        "  listens              at 127.0.0.1:5060, UDP and TCP",
        "",
        "office",
        "  goes to              trunk.example",
        "  a number becomes     sip:15550100@trunk.example",
        '  From                 "Anonymous" <sip:anonymous@anonymous.invalid>',
        "  user                 account",
        "  registration         sip:account@trunk.example at sip:trunk.example, 3600 s",
        "  channels             4",
        "  switch               callee",
        "  X-Account            12",
        "  P-Asserted-Identity  sip:+15550199@trunk.example",
        "  Privacy              id",
        "  dial.region          US",
        "  dial.format          digits",
        "",
        "ata",
        "  goes to              192.0.2.51:5070 over TLS",
        "  a number becomes     sip:+15550100@192.0.2.50",
        "  From                 our address",
        "  user                 none",
        "  registration         none",
        "  channels             no limit",
        "  switch               callee",
        "  t38.copies           4",
    ]


def test_our_own_end_is_listed_without_secrets(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").write_text(
        """
        signalling = "sip.sock"
        advertised = ["192.0.2.1", "2001:db8::1"]
        [incoming]
        allow = ["198.51.100.0/24"]
        max_waiting = 8
        accounts = [{ user = "ata", password_file = "office.password" }, { user = "pbx", password = "other" }]
        """
    )
    (tmp_path / "t38fsp.toml").chmod(0o600)
    assert run("routes").stdout.splitlines() == [
        "t38fsp.toml: no routes",
        "  listens              as the signalling process at sip.sock does",
        "  advertised           192.0.2.1, 2001:db8::1",
        "  incoming.accounts    ata, pbx",
        "  incoming.allow       198.51.100.0/24",
        "  incoming.max_waiting 8",
    ]


def test_programs_get_every_setting_and_no_password(run: Run) -> None:
    result = run("routes", "--json")
    office, ata = map(json.loads, result.stdout.splitlines())
    assert (office["route"], office["channels"], office["dial"]["region"]) == ("office", 4, "US")
    assert office["password"] == "**********"
    assert (ata["route"], ata["t38"]["copies"], ata["password"]) == ("ata", 4, None)


def test_the_environment_is_shown_to_count(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T38FSP_CHANNELS", "9")
    assert run("routes").stdout.count("channels             9") == 2


def test_every_mistake_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").write_text(f"{FILE}redundancy = 3\n[routes.bad]\npeer = 5\nswich = 1\n")
    result = run("routes")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "t38fsp: t38fsp.toml, route 'ata', redundancy: unknown setting here; move it to [routes.NAME.t38]",
        "t38fsp: t38fsp.toml, route 'bad', peer: 5 is not a string; put it in quotes",
        "t38fsp: t38fsp.toml, route 'bad', swich: unknown setting; did you mean 'switch'?",
    ]
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("routes", "--config", "none.toml"), "none.toml cannot be read: No such file or directory"),
        (
            ("send", "x", "--to", "1", "--route", "o"),
            "t38fsp.toml has no route 'o'; known routes: office, ata",
        ),
        (("send", "x", "--to", "1", "--config", "none.toml"), "none.toml cannot be read: No such file"),
        (("receive", "--output", "x", "--route", "home"), "t38fsp.toml has no route 'home'"),
        (
            ("send", "x", "--to", "1", "--route", "office", "--password-file", "none"),
            "the secret file none cannot be read",
        ),
        (
            ("send", "x", "--to", "1", "--route", "office", "--station-id", "1" * 21),
            "--station-id: a station ID has at most 20 characters",
        ),
    ],
)
def test_a_wrong_route_ends_the_command_before_any_call(
    run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"t38fsp: {sentence}")


def test_of_several_mistakes_the_first_is_told_and_the_others_counted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").write_text("[routes.bad]\npeer = 5\nswich = 1\necm = 7\n")
    result = run("send", "x", "--to", "1", "--route", "bad")
    assert result.exit_code == 2
    assert result.stderr == (
        "t38fsp: t38fsp.toml, route 'bad', peer: 5 is not a string; put it in quotes "
        "(and 2 more: t38fsp routes lists them all)\n"
    )


def test_without_a_file_the_places_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").unlink()
    for command in (("send", "x", "--to", "1", "--route", "office"), ("routes",)):
        result = run(*command)
        assert result.exit_code == 2
        assert "none of t38fsp.toml, " in result.stderr
        assert "exists; create one of them, or name another" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("send", "x", "--to", "sip:1@127.0.0.1:9"),
        ("poll", "--output", "x.tif", "--to", "sip:1@127.0.0.1:9"),
        ("receive", "--output", "x"),
        ("signalling", "sip.sock"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_a_file_that_is_wrong_ends_every_command_that_finds_it(
    run: Run, tmp_path: Path, command: tuple[str, ...], named: bool
) -> None:
    (tmp_path / ("other.toml" if named else "t38fsp.toml")).write_text('listen = "here"\n')
    result = run(*command, *(["--config", "other.toml"] if named else []))
    assert result.exit_code == 2
    assert "toml, listen: 'here' has no port" in result.stderr
