"""Routes: what is told of mistakes, in the file, in the environment, and in what they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sip.values import Credentials
from t38fsp.call_settings import CallSettings
from t38fsp.settings.file import Configuration, ConfigurationError, direct_route
from tests.routes import OFFICE, told, write

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('swich = "first"', "swich: unknown setting; did you mean 'switch'?"),
        ("colour = 1", "colour: unknown setting"),
        ('switch = "soon"', "switch: 'soon' is not one of 'callee', 'caller', 'either' or 'first'"),
        ("switch_wait = 60", "switch_wait: 60 is too large: the maximum is 35"),
        ("ring_limit = 0", "ring_limit: 0 must be above 0"),
        ('channels = "many"', "channels: 'many' is not a whole number"),
        ("channels = 0", "channels: 0 is too small: the minimum is 1"),
        ("channels = 1.5", "channels: 1.5 is not a whole number"),
        ("ecm = 7", "ecm: 7 is neither true nor false"),
        ("station_id = 15550199", "station_id: 15550199 is not a string; put it in quotes"),
        ('station_id = "+1 555 0100 0100 0100 1"', "station_id: a station ID has at most 20 characters"),
        ("header = 5", "header: 5 is not valid; use true, false, or a template"),
        ('header = "{when}"', "header: {when} is not a valid header field; use {date}, {name}"),
        ('proxy = "a b"', "proxy: 'a b' is not a SIP peer: 'sip:a b' has a blank"),
        ('caller = "me"', "caller: 'me' is not a caller"),
        ('registrar = "trunk"', "registrar: 'trunk' is not a SIP URI; write it as sip:number@host"),
        ('registrar = "tel:1"', "registrar: 'tel:1' has no host"),
        ('proxy = "127.1"', "proxy: '127.1' is not a SIP peer: '127.1' is neither a host name nor a whole"),
        ('registrar = "sip:100"', "registrar: '100' is neither a host name nor a whole IP address"),
        ('registrar = "sip:h.example?x=y"', "registrar: 'sip:h.example?x=y' has headers after a '?'"),
        ('transport = "carrier pigeon"', "transport: 'CARRIER PIGEON' is not one of 'UDP', 'TCP' or 'TLS'"),
        ("expires = 0", "expires: 0 is too small: the minimum is 1"),
        ("headers = 5", "headers: 5 is not a table"),
        ('headers = { From = "x" }', "headers: From is set by the user agent itself"),
        ('headers = { "a b" = "x" }', "headers: 'a b' is not a valid header name"),
        ('headers = { Privacy = "id" }', "headers: Privacy has its own settings"),
        ("t38.parity = 4\nt38.parity_span = 4", "4 parity strings over 4 packets reach back 16 packets"),
        ("session_expires = 60", "session_expires: 60 is too small: the minimum is 90"),
        ("dial = 5", "dial: 5 is not a table"),
        ("dial.reg = 5", "dial.reg: unknown setting; did you mean 'region'?"),
        (
            'dial.region = "Germany"',
            "dial.region: 'Germany' is not a region; write two letters such as US or DE",
        ),
        ("dial.rules = 5", "dial.rules: 5 is not a list; put it in [brackets]"),
        ("dial.rules = [{ strip = 40 }]", "dial.rules.0.strip: 40 is too large: the maximum is 32"),
        ("t38.version = 1", "t38.version: 1 is not one of 0, 2 or 3"),
        ("t38.max_datagram = 10", "t38.max_datagram: 10 is too small: the minimum is 40"),
        ("t38.keep_alive = 0.01", "t38.keep_alive: 0.01 is too small: the minimum is 0.1, or 0 for none"),
        ('password_variable = "X"', "password_file and password_variable are both set; keep only one"),
        ("password_file = 5", None),
        ('backend = "pjsip"', "backend: 'pjsip' is not one of 'own' or 'pjsua2'"),
        ('listen = "0.0.0.0:5060"', "listen: unknown setting here; move it above all tables"),
        ("redundancy = 3", "redundancy: unknown setting here; move it to [routes.NAME.t38]"),
        ('region = "US"', "region: unknown setting here; move it to [routes.NAME.dial]"),
        (
            'dial.format = "national"',
            "dial.format 'national' needs a country; set dial.region",
        ),
        ('dial.rules = [{ begin = "0" }]', "dial.rules.0.begin: unknown setting; did you mean 'begins'"),
        ("dial.rules.begins = '0'", "dial.rules: it is a single table; write its name in double brackets"),
        ('headers = [{ X-A = "1" }]', "headers: it is a list; write its name in single brackets"),
        (
            'caller_name = "a\\nb"',
            r"caller_name: 'a\nb' has control characters, which are not allowed in a SIP header",
        ),
        ("privacy = true", "privacy: true is not one of 'none' or 'id'"),
        ("expires = 2026-01-01", "expires: 2026-01-01 is not a whole number"),
        ("switch_wait = nan", "switch_wait: nan is not a number"),
    ],
)
def test_a_wrong_setting_is_one_sentence_with_file_route_and_key(
    tmp_path: Path, line: str, sentence: str | None
) -> None:
    text = f"{OFFICE}{line}"
    if sentence is None:
        text = OFFICE.replace('"office.password"', "5")
        sentence = "password_file: 5 is not a string; put it in quotes"
    found = told(write(tmp_path, text))
    assert found.startswith("FILE, route 'office'")
    assert sentence in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "FILE has no route 'office'; known routes: none"),
        ("[routes.home]\npeer = 'h.example'", "FILE has no route 'office'; known routes: home"),
        (
            "[routes.office]\nregistration = false",
            "FILE, route 'office', peer: missing; set it to the HOST[:PORT] that calls are sent to",
        ),
        ("[routes.office]\npeer = 5", "FILE, route 'office', peer: 5 is not a string; put it in quotes"),
        (
            "[routes.office]\npeer = 'h.example'\nuser = 'a'",
            "FILE, route 'office': user is set, but password is not; digest authentication needs both",
        ),
        (
            "[routes.office]\npeer = 'h.example'\npassword_file = 'office.password'",
            "FILE, route 'office': password is set, but user is not; digest authentication needs both",
        ),
        (
            "[routes.office]\npeer = 'h.example'\nregistration = true",
            "FILE, route 'office': registration is incomplete; set peer and user, or address_of_record",
        ),
        ("routes = 5", "FILE, routes: 5 is not a table"),
        ("[[routes]]\npeer = 'h'", "FILE, routes: it is a list; write its name in single brackets, […]"),
        (
            "[routes.office]\npeer = h.example",
            "FILE is not valid TOML: Invalid value (at line 2, column 8); put strings in quotes",
        ),
        (
            "[route.office]\npeer = 'h.example'",
            "FILE, route: unknown setting; did you mean 'routes'?",
        ),
        (
            "[routes.office]\npeer = 'h.example'\nuser = ''\npassword_file = 'office.password'",
            "FILE, route 'office', user: '' is empty",
        ),
        ("listen = 5060", "FILE, listen: 5060 is not a string; put it in quotes"),
        (
            "[routes.office\n",
            "FILE is not valid TOML: Expected ']' at the end of a table declaration (at line 1,",
        ),
        (
            "[routes.'my office']\npeer = 'h'",
            "FILE, route 'my office': the name is invalid; use up to 64 letters",
        ),
    ],
)
def test_a_file_that_is_wrong_as_a_whole(tmp_path: Path, text: str, sentence: str) -> None:
    assert told(write(tmp_path, text)).startswith(sentence)


def test_a_password_in_a_file_that_others_read_is_refused(tmp_path: Path) -> None:
    text = '[routes.office]\npeer = "h.example"\nuser = "a"\npassword = "secret"'
    message = told(write(tmp_path, text, mode=0o640))
    assert message.startswith("FILE, route 'office', password: ")
    assert all(token in message for token in ("0640", "0600", "password_file"))
    route = Configuration.read(write(tmp_path, text, mode=0o600)).route("office")
    assert route.credentials == Credentials("a", "secret")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "must contain one line"),
        (b"one\ntwo\n", "must contain one line"),
        (b"\xff", "is not UTF-8 text"),
        (b"x" * 2000, "must contain one line"),
        (None, "cannot be read: No such file or directory; check its name"),
    ],
)
def test_a_password_file_that_is_none(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    file = write(tmp_path, OFFICE)
    (tmp_path / "office.password").unlink()
    if content is not None:
        (tmp_path / "office.password").write_bytes(content)
    assert sentence in told(file)


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    file = write(tmp_path, "[routes.office]\npeer = 'h.example'\nuser = 'a'\npassword = 998877", mode=0o600)
    message = told(file)
    assert message.startswith("FILE, route 'office', password: ")
    assert "998877" not in message


def test_a_wrong_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, OFFICE)
    monkeypatch.setenv("T38FSP_CHANNELS", "many")
    assert "T38FSP_CHANNELS: 'many'" in told(file)
    monkeypatch.delenv("T38FSP_CHANNELS")
    monkeypatch.setenv("T38FSP_T38__COPIES", "99")
    assert "T38FSP_T38__COPIES: 99" in told(file)
    assert told(file).endswith("8")
    monkeypatch.delenv("T38FSP_T38__COPIES")
    monkeypatch.setenv("T38FSP_HEADERS", "X-Account: 12")
    assert all(token in told(file) for token in ("T38FSP_HEADERS", "JSON"))
    monkeypatch.setenv("T38FSP_HEADERS", '{"X-Account": "12"}')
    assert Configuration.read(file).route("office").headers == {"X-Account": "12"}
    assert told(file, switch="soon").startswith("the setting switch: 'soon' is not one of")


def test_a_variable_with_a_slip_in_its_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T38FSP_SWICH", "first")
    file = write(tmp_path, OFFICE)
    assert all(name in told(file) for name in ("T38FSP_SWICH", "T38FSP_SWITCH"))
    monkeypatch.delenv("T38FSP_SWICH")
    # Whoever names a password so may.
    monkeypatch.setenv("T38FSP_OFFICE_PASSWORD", "secret")
    text = OFFICE.replace('password_file = "office.password"', 'password_variable = "T38FSP_OFFICE_PASSWORD"')
    credentials = Configuration.read(write(tmp_path, text)).route("office").credentials
    assert credentials == Credentials("account", "secret")


def test_a_password_file_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, OFFICE)
    (tmp_path / "office.password").chmod(0o604)
    assert "can read the secret file" in told(file)
    (tmp_path / "office.password").chmod(0o640)
    assert Configuration.read(file).route("office").credentials == Credentials("account", "secret")


def test_a_backend_that_cannot_be_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, f'{OFFICE}backend = "pjsua2"')
    monkeypatch.setattr("t38fsp.settings.route.find_spec", lambda name: None)
    assert told(file).startswith("FILE, route 'office', backend: ")
    assert "t38fsp[pjsua2]" in told(file)
    monkeypatch.setattr("t38fsp.settings.route.find_spec", lambda name: name)
    message = told(file, switch="first")
    assert message.startswith("FILE, route 'office': ")
    assert all(token in message for token in ("'first'", "'own'"))


def test_all_mistakes_of_all_routes_are_told_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, f"{OFFICE}ecm = 7\nchannels = 0\n[routes.home]\npeer = ''")
    assert len(Configuration.read(file).check()) == 3
    assert Configuration.read(write(tmp_path, OFFICE)).check() == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"\xff\xfe", "is not UTF-8 text"), (b"#" * 2_000_000, "is larger than 1048576 octets")],
)
def test_a_file_that_is_no_file_of_routes(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "t38fsp.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=sentence):
        Configuration.find()


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(
            ["peer", "switch", "channels", "headers", "dial", "t38", "station_id", "x", "caller"]
        ),
        ANYTHING | st.dictionaries(st.sampled_from(["version", "copies", "region", "rules", "y"]), ANYTHING),
    )
)
def test_whatever_is_set_is_a_route_or_sentences(given_: dict[str, object]) -> None:
    wrong: tuple[str, ...] = ()
    try:
        # What a route takes the engine takes, too.
        assert isinstance(direct_route(**given_).call, CallSettings)
    except ConfigurationError as error:
        wrong = error.sentences
    assert all(sentence and "\n" not in sentence for sentence in wrong)
