"""Routes: what the file says, what counts, and what is asked of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.line_settings import RegistrationSettings, SessionTimers
from sip.values import Credentials, Identity
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Backend, Switch, common_backend
from t38fsp.header import STANDARD, Header
from t38fsp.jobs import EngineRoute
from t38fsp.settings.address import AddressError
from t38fsp.settings.errors import UnknownRouteError
from t38fsp.settings.file import Configuration, ConfigurationError, direct_route
from tests.routes import OFFICE, told, write

pytestmark = pytest.mark.usefixtures("empty_directory")


# --- what a route asks of the engine ------------------------------------------------------------------------


def test_a_short_route_is_enough(tmp_path: Path) -> None:
    route = Configuration.read(write(tmp_path, OFFICE)).route("office")
    job = route.send_job(("letter.tif",), "+15550100")
    assert job.target == "sip:+15550100@trunk.example:5070"
    assert job.via == "trunk.example:5070"
    assert job.caller == "sip:account@trunk.example"
    assert job.credentials == Credentials("account", "secret")
    assert job.settings == CallSettings()
    assert job.headers == ()
    assert job.route == "office"
    assert route.engine_route == EngineRoute("office", "trunk.example:5070", credentials=job.credentials)


def test_every_key_arrives(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        listen = "192.0.2.1:5060"

        [routes.office]
        peer = "trunk.example"
        transport = "tcp"
        proxy = "sbc.example:5080"
        user = "account"
        password = "secret"
        registration = true
        expires = 600
        follow_rport = true
        address_of_record = "sip:fax@example.org"
        registrar = "sip:registrar.example"
        channels = 2
        caller = "sip:+15550199@trunk.example"
        caller_name = "Example Ltd"
        asserted_identity = "tel:+15550198"
        preferred_identity = "Me <sip:+15550197@trunk.example>"
        privacy = "none"
        session_expires = 1800
        headers = { X-Account = "12", X-Kind = "fax, T.38" }
        station_id = "+1 555 0199"
        switch = "either"
        switch_wait = 4
        ring_limit = 45.5
        max_rate = 9600
        ecm = false

        [routes.office.dial]
        region = "DE"
        format = "digits"
        access_code = "9"
        user_phone = true

        [[routes.office.dial.rules]]
        begins = "**"
        strip = 2

        [routes.office.t38]
        version = 3
        redundancy = 2
        control_redundancy = 4
        parity = 3
        parity_span = 4
        fill_bit_removal = true
        max_datagram = 300
        max_ifp = 60
        max_buffer = 200
        preamble = 1.2
        echo_protection = true
        whole_frames = true
        copies = 4
        internet_aware = true
        keep_alive = 0
        """,
        mode=0o600,
    )
    configuration = Configuration.read(file)
    assert configuration.listen == ("192.0.2.1", 5060)
    route = configuration.route("office")
    job = route.send_job(("letter.tif",), "0211 / 1234567")
    assert job.target == "sip:9492111234567@trunk.example;user=phone"
    assert route.send_job(("letter.tif",), "**12").target == "sip:12@trunk.example;user=phone"
    assert job.via == "sbc.example:5080;transport=tcp"
    assert job.caller == '"Example Ltd" <sip:+15550199@trunk.example>'
    assert job.headers == (("X-Account", "12"), ("X-Kind", "fax, T.38"))
    assert job.identity == Identity(("tel:+15550198",), "sip:+15550197@trunk.example")
    assert job.session_timers == SessionTimers(1800)
    assert job.settings == CallSettings(
        station_id="+1 555 0199",
        ecm=False,
        max_rate=9600,
        switch=Switch.EITHER,
        switch_wait=4,
        ring_limit=45.5,
        redundancy=2,
        control_redundancy=4,
        parity=3,
        parity_span=4,
        fill_bit_removal=True,
        t38_version=3,
        max_datagram=300,
        max_ifp=60,
        max_buffer=200,
        preamble=1.2,
        echo_protection=True,
        whole_frames=True,
        copies=4,
        internet_aware=True,
        keep_alive=0.0,
    )
    credentials = Credentials("account", "secret")
    registration = RegistrationSettings(
        "sip:registrar.example", "sip:fax@example.org", credentials, 600, True
    )
    assert route.engine_route == EngineRoute(
        "office", "sbc.example:5080;transport=tcp", 2, registration, credentials
    )
    assert "secret" not in repr(route)
    assert "secret" not in repr(job)


def test_a_registration_follows_from_the_peer_and_the_user(tmp_path: Path) -> None:
    route = Configuration.read(write(tmp_path, f"{OFFICE}registration = true")).route("office")
    assert route.engine_route is not None
    assert route.engine_route.registration == RegistrationSettings(
        "sip:trunk.example:5070",
        "sip:account@trunk.example",
        Credentials("account", "secret"),
        3600,
    )
    whole = Configuration.read(write(tmp_path, OFFICE.replace('"account"', '"me@my.example"')))
    assert whole.route("office").send_job(("x",), "1").caller == "sip:me@my.example"


def test_a_hidden_caller_is_told_to_the_trunk_only(tmp_path: Path) -> None:
    file = write(tmp_path, f'{OFFICE}privacy = "id"\ncaller = "Boss <sip:+15550199@trunk.example>"')
    job = Configuration.read(file).route("office").send_job(("letter.tif",), "100")
    assert job.identity == Identity(("sip:+15550199@trunk.example",), None, ("id",))
    other = Configuration.read(file).route("office", preferred_identity="sip:me@trunk.example")
    assert other.identity == Identity((), "sip:me@trunk.example", ("id",))


def test_a_route_to_an_ata_needs_no_account(tmp_path: Path) -> None:
    route = Configuration.read(write(tmp_path, '[routes.ata]\npeer = "192.0.2.50"')).route("ata")
    job = route.send_job(("letter.tif",), "100")
    assert (job.target, job.caller, job.credentials) == ("sip:100@192.0.2.50", None, None)
    assert route.send_job(("letter.tif",), "sip:fax@other.example").target == "sip:fax@other.example"
    assert route.send_job(("letter.tif",), "fax-room").target == "sip:fax-room@192.0.2.50"
    with pytest.raises(AddressError, match="neither a number nor a SIP URI"):
        route.send_job(("letter.tif",), "letter.tif")


def test_the_transport_comes_from_the_peer_or_from_its_own_key(tmp_path: Path) -> None:
    text = '[routes.ata]\npeer = "sips:ata.example:5071"'
    for more, via in (
        ("", "ata.example:5071;transport=tls"),
        ('transport = "TCP"', "ata.example:5071;transport=tcp"),
        ('proxy = "sbc.example"', "sbc.example"),
    ):
        job = Configuration.read(write(tmp_path, f"{text}\n{more}")).route("ata").send_job(("x",), "100")
        assert (job.target, job.via) == ("sip:100@ata.example:5071", via)


def test_without_a_route_the_settings_stand_alone() -> None:
    route = direct_route(peer="trunk.example", switch=Switch.FIRST)
    assert route.send_job(("x",), "100").route is None
    assert route.engine_route is None
    assert route.call.switch is Switch.FIRST
    with pytest.raises(AddressError, match="needs a SIP peer"):
        direct_route().send_job(("x",), "100")


# --- what counts --------------------------------------------------------------------------------------------


def test_the_command_line_comes_before_the_environment_the_file_and_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, f'{OFFICE}switch = "first"\n[routes.office.t38]\nredundancy = 1\ncopies = 2')

    def switch_and_redundancy(**given_: object) -> tuple[Switch, int]:
        call = Configuration.read(file).route("office", **given_).call
        assert call.copies == 2
        return call.switch, call.redundancy

    assert switch_and_redundancy() == (Switch.FIRST, 1)
    monkeypatch.setenv("T38FSP_SWITCH", "caller")
    monkeypatch.setenv("T38FSP_T38__REDUNDANCY", "5")
    assert switch_and_redundancy() == (Switch.CALLER, 5)
    assert switch_and_redundancy(switch="either", t38={"redundancy": 0}) == (Switch.EITHER, 0)
    monkeypatch.setenv("T38FSP_SWITCH", "")
    assert switch_and_redundancy() == (Switch.FIRST, 5)


def test_the_password_of_the_environment_comes_before_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, OFFICE.replace("office.password", "not there"))
    monkeypatch.setenv("T38FSP_PASSWORD", "other")
    assert Configuration.read(file).route("office").credentials == Credentials("account", "other")
    given_ = Configuration.read(file).route("office", password="third")
    assert given_.credentials == Credentials("account", "third")


def test_a_variable_that_the_file_names_holds_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(
        tmp_path, '[routes.office]\npeer = "h.example"\nuser = "a"\npassword_variable = "OFFICE_PASSWORD"'
    )
    assert told(file).startswith("FILE, route 'office', password_variable: ")
    assert "OFFICE_PASSWORD" in told(file)
    monkeypatch.setenv("OFFICE_PASSWORD", "secret")
    assert Configuration.read(file).route("office").credentials == Credentials("a", "secret")


def test_the_file_is_looked_for_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = Configuration.find()
    assert (none.file, none.names, none.listen, none.engine.listen) == (None, (), None, ("0.0.0.0", 5060))
    with pytest.raises(ConfigurationError, match=r"t38fsp\.toml, "):
        none.route("home")
    home = tmp_path / "xdg" / "t38fsp"
    home.mkdir(parents=True)
    (home / "config.toml").write_text('[routes.home]\npeer = "h.example"')
    assert Configuration.find().names == ("home",)
    (tmp_path / "t38fsp.toml").write_text('[routes.here]\npeer = "h.example"')
    assert Configuration.find().names == ("here",)
    named = tmp_path / "named.toml"
    monkeypatch.setenv("T38FSP_CONFIG", str(named))
    with pytest.raises(ConfigurationError, match=r"named\.toml cannot be read"):
        Configuration.find()
    named.write_text('[routes.named]\npeer = "h.example"')
    assert Configuration.find().names == ("named",)
    assert Configuration.find(home / "config.toml").names == ("home",)


DEFAULT = {
    "listen": "127.0.0.1:5070",
    "signalling": "sip.sock",
    "routes": {
        "office": {"peer": "h.example", "user": "a", "password": "secret", "max_rate": 9600},
        "wrong": {"peer": "h.example", "max_rate": 1},
    },
}


def test_a_program_has_settings_of_its_own_where_there_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = Configuration.find(default=DEFAULT)
    assert (configuration.file, configuration.names) == (None, ("office", "wrong"))
    assert (configuration.listen, configuration.engine.signalling) == (("127.0.0.1", 5070), "sip.sock")
    route = configuration.route("office")
    assert (route.call.max_rate, route.credentials) == (9600, Credentials("a", "secret"))
    (sentence,) = configuration.check()
    assert sentence.startswith("the default configuration, route 'wrong', max_rate: 1 is ")
    with pytest.raises(UnknownRouteError, match=r"'home'.*office"):
        configuration.route("home")
    monkeypatch.setenv("T38FSP_MAX_RATE", "4800")
    assert configuration.route("office").call.max_rate == 4800
    (tmp_path / "t38fsp.toml").write_text('[routes.here]\npeer = "h.example"')
    assert Configuration.find(default=DEFAULT).names == ("here",)


@pytest.mark.parametrize(
    ("default", "sentence"),
    [
        (
            {"listn": "127.0.0.1:5070"},
            "the default configuration, listn: unknown setting; did you mean 'listen'",
        ),
        ({"routes": {"a b": {}}}, "the default configuration, route 'a b': the name is invalid"),
        ({"routes": []}, "the default configuration, routes: "),
    ],
)
def test_a_wrong_default_is_refused_as_a_wrong_file_is(default: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Configuration.find(default=default)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("setting", "header"),
    [
        ("false", None),
        ("true", Header(name="Accounts")),
        ('"{date}|{page}"', Header("{date}|{page}", "Accounts")),
    ],
)
def test_the_header_line(tmp_path: Path, setting: str, header: Header | None) -> None:
    file = write(tmp_path, f'[routes.a]\npeer = "a.example"\ncaller_name = "Accounts"\nheader = {setting}\n')
    assert Configuration.read(file).route("a").send_job(("letter.tif",), "100").header == header


def test_the_header_line_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, '[routes.a]\npeer = "a.example"\nheader = true\n')
    monkeypatch.setenv("T38FSP_HEADER", "false")
    assert Configuration.read(file).route("a").header is None
    monkeypatch.setenv("T38FSP_HEADER", "{page}")
    assert Configuration.read(file).route("a").header == "{page}"
    assert Configuration.read(file).route("a", header=True).header == STANDARD


def test_the_backend_of_a_route_goes_with_each_of_its_faxes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("t38fsp.settings.route.find_spec", lambda name: name)
    other = '[routes.home]\npeer = "h.example"\nbackend = "own"'
    configuration = Configuration.read(write(tmp_path, f'{OFFICE}backend = "pjsua2"\n{other}'))
    office, home = (configuration.route(name) for name in configuration.names)
    assert office.send_job(("x",), "1").backend is Backend.PJSUA2
    assert home.send_job(("x",), "1").backend is Backend.OWN
    # Calls are taken by the stack that all routes agree on.
    assert [
        common_backend(route.backend for route in routes)
        for routes in ((office,), (home,), (office, home), ())
    ] == [
        Backend.PJSUA2,
        Backend.OWN,
        None,
        None,
    ]
    assert configuration.route("office", backend="own").backend is Backend.OWN
    monkeypatch.setenv("T38FSP_BACKEND", "own")
    assert configuration.route("office").backend is Backend.OWN
    assert configuration.route("office", backend="pjsua2").backend is Backend.PJSUA2
