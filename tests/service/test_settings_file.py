"""``[service]`` of the configuration file: keys, environment, secrets, paths, and what is refused."""

from __future__ import annotations

import os
from enum import Enum
from math import inf, nextafter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sip.bounds import Bounds, settings_of
from t38fsp.errors import SettingError
from t38fsp.service.delivery_settings import MailServer, ReceivingSettings, RetrySettings
from t38fsp.service.policy.memory import MemorySettings
from t38fsp.service.policy.permits import Permits
from t38fsp.service.policy.retry import RetryPolicy, RetryRule
from t38fsp.service.policy.routing import FailOver, RoutingRule
from t38fsp.service.policy.rules import Rule
from t38fsp.service.policy.windows import ALWAYS
from t38fsp.service.queue_settings import QueueSettings
from t38fsp.service.settings import PlaceSettings, ServiceSettings, default_socket
from t38fsp.service.settings_file import read_service
from t38fsp.service.targets import Target
from t38fsp.service.values import AfterCrash
from t38fsp.service.web_settings import FetchSettings, WebSettings
from t38fsp.settings.errors import ConfigurationError
from t38fsp.settings.file import Configuration

pytestmark = pytest.mark.usefixtures("empty_directory")

SECRET = "whsec_" + "QUFB" * 8

WHOLE = f"""
listen = "127.0.0.1:0"
routes.office.peer = "pbx.example"
routes.world.peer = "trunk.example"
[service]
database = "sqlite:///queue.db"
after_crash = "hold"
time_zone = "Europe/Berlin"
memory_days = 0
[service.retry]
attempts = 7
busy.attempts = 3
[service.failover]
failures = 1
[service.windows]
office = "Mon-Fri 08:00-18:00"
[[service.routing]]
begins = "+49"
routes = ["office", "world"]
[[service.routing]]
routes = ["world"]
[service.routes.world]
refused = ["+881"]
premium = true
[service.web]
listen = "127.0.0.1:0"
certificate = "tls.pem"
key = "tls.key"
[service.fetch]
hosts = ["files.example"]
[service.mail]
host = "mail.example"
sender = "fax@example.org"
[service.targets.inbox]
folder = "in"
[service.targets.sales]
mail = "sales@example.org"
[service.targets.hook]
webhook = "https://hooks.example/fax"
secrets = "{SECRET}"
[[service.rules]]
called = "+4930*"
deliver = ["inbox", "sales"]
[[service.rules]]
deliver = "inbox"
"""


def read(text: str, mode: int = 0o600, **given: Any) -> ServiceSettings:
    file = Path("t38fsp.toml")
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return read_service(Configuration.find(), given)


def refused(text: str, mode: int = 0o600) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as error:
        read(text, mode)
    return error.value.sentences


def test_a_whole_file() -> None:
    settings = read(WHOLE)
    here = Path.cwd()
    assert settings.place.url == f"sqlite:///{here}/queue.db"
    assert settings.place.zone == ZoneInfo("Europe/Berlin")
    assert settings.queue.after_crash is AfterCrash.HOLD
    assert settings.memory.memory_days == 0
    assert settings.retry == RetryPolicy(7, busy=RetryRule(3, 120.0, 1.5, 1800.0))
    assert settings.failover.failures == 1
    assert settings.routing == (RoutingRule("+49", ("office", "world")), RoutingRule("", ("world",)))
    assert settings.permits == {"world": Permits(refused=("+881",), premium=True)}
    assert (settings.web.certificate, settings.web.key) == (f"{here}/tls.pem", f"{here}/tls.key")
    assert settings.delivery.targets["inbox"].folder == f"{here}/in"
    assert settings.delivery.targets["sales"].mail == ("sales@example.org",)
    assert settings.delivery.targets["hook"].secrets == (SECRET,)
    assert settings.delivery.targets["hook"].name == "hook"
    assert [rule.deliver for rule in settings.delivery.rules] == [("inbox", "sales"), ("inbox",)]
    assert settings.window("office") == settings.window("Mon-Fri 08:00-18:00")
    assert settings.window("") == ALWAYS
    with pytest.raises(SettingError):
        settings.window("night")


def test_nothing_at_all_is_the_defaults_and_what_is_given_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/t38fsp:/elsewhere")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/t38fsp")
    settings = read_service(Configuration.find())
    assert settings == ServiceSettings()
    assert settings.place.url == "sqlite:////var/lib/t38fsp/service.db"
    assert settings.socket == Path("/run/t38fsp/service.sock")
    given = read_service(
        Configuration.find(), {"database": "postgresql://fax@db/fax", "web": {"listen": "127.0.0.1:1"}}
    )
    assert given.place.url == "postgresql://fax@db/fax"
    assert given.web == WebSettings("127.0.0.1:1")
    monkeypatch.setenv("T38FSP_SERVICE__WEB__LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("T38FSP_SERVICE__MAX_CALLS", "7")
    assert read_service(Configuration.find()).web.listen == "127.0.0.1:2"
    assert read(WHOLE).web.listen == "127.0.0.1:2"
    assert read(WHOLE).queue.max_calls == 7
    assert read(WHOLE, web={"listen": "127.0.0.1:3"}).web.listen == "127.0.0.1:3"


def test_the_folder_of_a_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = ServiceSettings()
    assert settings.place.folder == tmp_path / "t38fsp"
    assert settings.socket == tmp_path / "t38fsp" / "service.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    assert default_socket(tmp_path) == tmp_path / "run" / "t38fsp" / "service.sock"


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("[service]\nafter_crash = 'perhaps'", "service.after_crash", "'resume' or 'hold'"),
        ("[service]\nmax_call = 3", "service.max_call", "max_calls"),
        ("[service]\ntime_zone = 'Mars/Olympus'", "service.time_zone", "not a time zone"),
        ("[service]\ndatabase = 'mysql://x'", "service.database", "postgresql://"),
        ("[service]\nhost = 'a b'", "service.host", "name of a host"),
        ("[service.retry.busy]\nattempts = 0", "service.retry.busy.attempts", "the minimum is 1"),
        ("[service.retry.bussy]\nattempts = 1", "service.retry.bussy", "busy"),
        ("[service.retry]\nbusy = 3", "service.retry.busy", "not a table"),
        ("[service.windows]\nnight = '22-6'", "service", "windows.night"),
        ("[service.windows]\n'8:00' = '22:00-06:00'", "service", "invalid"),
        ("[[service.routing]]\nbegins = '+49'", "service.routing.0", "routes: missing"),
        ("[[service.routing]]\nroutes = ['x']", "service.routing", "no route 'x'"),
        ("[service.routes.x]\npremium = true", "service.routes", "no route 'x'"),
        ("[service.web]\nlisten = '0.0.0.0:80'", "service.web", "certificate"),
        ("[service.web]\nport = 80", "service.web.port", "unknown setting"),
        ("[service.targets.a]\nfolder = 'x'\nmail = ['a@b.example']", "service.targets.a", "folder and mail"),
        ("[service.targets.a]\nmail = ['a@b.example']", "service", "[service.mail]"),
        ("[[service.rules]]\ndeliver = 'a'", "service", "no target 'a'"),
        ("[service.rules]\ndeliver = 'a'", "service.rules", "double brackets"),
        ("[service.mail]\npassword_file = 'missing'", "service.mail", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(text: str, where: str, what: str) -> None:
    (sentence,) = refused(text)
    assert sentence.startswith("t38fsp.toml, ")
    assert where in sentence
    assert what in sentence


def test_all_mistakes_are_told_at_once() -> None:
    assert len(refused("[service]\nmax_calls = 0\ndrain = -1\n[service.web]\nlisten = 'x'")) == 3


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
@pytest.mark.parametrize(
    "text",
    [
        "[service.mail]\npassword = 'hidden'",
        f"[service.targets.a]\nwebhook = 'https://h.example'\nsecrets = ['{SECRET}']",
        f"[service.deliveries]\nwebhook_secrets = ['{SECRET}']",
        "[service.web]\nkey_password = 'hidden'",
    ],
)
def test_secrets_are_for_the_owner_alone_or_in_files_and_never_shown(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sentence,) = refused(text, 0o644)
    assert "0600" in sentence
    assert "hidden" not in sentence
    assert SECRET not in sentence
    # What stands in the environment needs no file that others cannot read.
    monkeypatch.setenv("T38FSP_SERVICE__MAIL__PASSWORD", "other")
    if "mail" in text:
        assert read(text, 0o644).delivery.mail.password == "other"


def test_secrets_in_files() -> None:
    for name, content in (("mail", "hidden\n"), ("hook", f"{SECRET}\n{SECRET}\n")):
        Path(name).write_text(content, encoding="utf-8")
        Path(name).chmod(0o600)
    text = """
[service.mail]
password_file = "mail"
[service.targets.a]
webhook = "https://h.example"
secrets_file = "hook"
"""
    settings = read(text, 0o644)
    assert settings.delivery.mail.password == "hidden"
    assert settings.delivery.targets["a"].secrets == (SECRET, SECRET)
    for wrong in ("x" * 2000, "", f"{SECRET}\n" * 9, "no secret"):
        Path("hook").write_text(wrong, encoding="utf-8")
        (sentence,) = refused(text, 0o644)
        assert "service.targets.a" in sentence
        assert not wrong or wrong not in sentence
    Path("hook").write_text(SECRET, encoding="utf-8")
    Path("hook").chmod(0o644)
    assert "0600" in refused(text, 0o644)[0]


KINDS = (
    *(PlaceSettings, QueueSettings, MemorySettings, RetryPolicy, RetryRule, FailOver, RoutingRule, Permits),
    *(WebSettings, FetchSettings, MailServer, ReceivingSettings, RetrySettings, Target, Rule),
)


def _path(kind: type) -> tuple[str, ...]:
    """Where the keys of a kind are in ``[service]``."""
    return {
        RetryPolicy: ("retry",),
        RetryRule: ("retry", "other"),
        FailOver: ("failover",),
        Permits: ("routes", "office"),
        WebSettings: ("web",),
        FetchSettings: ("fetch",),
        MailServer: ("mail",),
        ReceivingSettings: ("receiving",),
        RetrySettings: ("deliveries",),
        Target: ("targets", "a"),
    }.get(kind, ())


def _numbers(bounds: Bounds, default: object) -> list[tuple[float, bool]]:
    """Values at and beyond the bounds of a number, and whether they are valid."""
    if isinstance(default, bool | str | Enum | tuple) or bounds.check is not None:
        return []

    def beyond(bound: float, to: float) -> float:
        is_whole = isinstance(bounds.least, int)
        return bound + (1 if to > 0 else -1) if is_whole else nextafter(bound, to)

    found: list[tuple[float, bool]] = []
    if bounds.least is not None:
        below = beyond(bounds.least, -inf)
        found += [(bounds.least, True), (below, below == bounds.off)]
    if bounds.most is not None:
        found += [(bounds.most, True), (beyond(bounds.most, inf), False)]
    if bounds.above is not None:
        found += [(bounds.above, False)]
    return found


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in (Rule, RoutingRule)])
def test_bounds_are_those_of_the_dataclasses(kind: type) -> None:
    """One verdict and one sentence for a value, in the file as in the dataclass."""
    for name, (field, bounds) in settings_of(kind).items():
        for value, valid in _numbers(bounds, field.default):
            table: dict[str, object] = {bounds.key or name: value}
            if kind is Target:
                table["folder"] = "in"
            for part in reversed(_path(kind)):
                table = {part: table}
            configuration = Configuration.find(
                default={"routes": {"office": {"peer": "pbx"}}, "service": table}
            )
            fault = bounds.fault(value, field.default)
            assert (fault is None) == valid, f"{kind.__name__}.{name} = {value}"
            if valid:
                read_service(configuration)
                continue
            with pytest.raises(ConfigurationError) as error:
                read_service(configuration)
            assert error.value.sentences[0].endswith(f"{name}: {fault}")
