"""What the configuration file says of our own end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sip.line_settings import Limits, TlsSettings
from t38fsp.jobs import EngineSettings
from t38fsp.provider import FaxProvider
from t38fsp.settings.file import Configuration, ConfigurationError
from t38fsp.settings.local import Endpoint, IncomingTable, Tls
from tests.sip.certificates import Authority, openssl

pytestmark = pytest.mark.usefixtures("page_threads")


def read(folder: Path, text: str) -> Configuration:
    file = folder / "t38fsp.toml"
    file.write_text(text)
    return Configuration.read(file)


def test_an_empty_file_says_what_an_engine_does_by_itself(tmp_path: Path) -> None:
    configuration = read(tmp_path, "")
    assert configuration.engine == EngineSettings(tls=TlsSettings())
    assert configuration.listen is None


def test_every_key_arrives(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ca").issue("ours", "DNS:fax.example")
    engine = read(
        tmp_path,
        f"""
        listen = "[::1]:5070"
        tls_listen = "127.0.0.1:0"
        advertised = ["203.0.113.7", "2001:db8::7"]
        media_ports = "10000-10999"
        signalling = "run/sip.sock"

        [tls]
        certificate = "ca/ours.pem"
        key = "{ours.key}"
        authorities = "ca/ca.pem"
        verify = false
        demand = true

        [incoming]
        max_calls = 30
        max_waiting = 8
        max_per_source = 4
        max_transactions = 500
        """,
    ).engine
    assert engine.listen == ("::1", 5070)
    assert engine.tls_listen == ("127.0.0.1", 0)
    assert engine.advertised == ("203.0.113.7", "2001:db8::7")
    assert engine.media_ports == (10000, 10999)
    assert engine.signalling == str(tmp_path / "run" / "sip.sock")
    assert engine.tls == TlsSettings(
        ours.certificate,
        ours.key,
        authorities=ours.authorities,
        verify=False,
        demand=True,
    )
    assert engine.limits == Limits(30, 8, 4, 500)


def test_a_key_may_have_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Authority(tmp_path / "ca").issue("ours", "DNS:fax.example")
    assert ours.key is not None
    locked = str(tmp_path / "locked.key")
    openssl("ec", "-in", ours.key, "-aes256", "-passout", "pass:secret", "-out", locked)
    (tmp_path / "key.password").write_text("secret\n")
    (tmp_path / "key.password").chmod(0o600)
    monkeypatch.setenv("KEY_PASSWORD", "secret")
    text = '[tls]\ncertificate = "ca/ours.pem"\nkey = "locked.key"\n'
    for source in ('key_password_file = "key.password"', 'key_password_variable = "KEY_PASSWORD"'):
        engine = read(tmp_path, text + source).engine
        assert engine.tls is not None
        assert engine.tls.key_password == "secret"
        assert "secret" not in repr(engine)
    monkeypatch.setenv("KEY_PASSWORD", "wrong")
    for source in ("", 'key_password_variable = "KEY_PASSWORD"'):
        with pytest.raises(
            ConfigurationError, match=r"tls: the certificate .* a key with (a|another) password"
        ):
            read(tmp_path, text + source)
    with pytest.raises(
        ConfigurationError, match=r"tls, key_password: other users can read this file \(mode 0644\)"
    ):
        read(tmp_path, f'{text}key_password = "secret"')
    with pytest.raises(ConfigurationError, match="key_password is set, but key is not"):
        read(tmp_path, '[tls]\ncertificate = "ca/ours.pem"\nkey_password_variable = "KEY_PASSWORD"')


def test_the_environment_comes_before_the_file_and_after_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T38FSP_LISTEN", "127.0.0.1:5099")
    monkeypatch.setenv("T38FSP_INCOMING__MAX_WAITING", "5")
    monkeypatch.setenv("T38FSP_INCOMING__ALLOW", '["192.0.2.0/24"]')
    monkeypatch.setenv("T38FSP_SIGNALLING", "sip.sock")
    of_file = read(tmp_path, 'listen = "0.0.0.0:5060"\n[incoming]\nmax_waiting = 9\nmax_per_source = 2')
    for engine, per_source in ((of_file.engine, 2), (Configuration.find().engine, None)):
        assert engine.listen == ("127.0.0.1", 5099)
        assert engine.limits == Limits(waiting=5, per_source=per_source)
        assert engine.callers.allow == ("192.0.2.0/24",)
        # What a variable names is not beside the file.
        assert engine.signalling == "sip.sock"
    monkeypatch.setenv("T38FSP_INCOMING__ALLOW", "192.0.2.0/24")
    with pytest.raises(ConfigurationError) as caught:
        Configuration.find()
    (told,) = caught.value.sentences
    assert told == (
        "the environment, T38FSP_INCOMING__ALLOW or T38FSP_INCOMING__MAX_WAITING: "
        "the value is not JSON; write lists and tables as JSON"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('listen = "5060"', "listen: '5060' has no port; write it as HOST:PORT, with port 0 for any"),
        ('tls_listen = ":1"', "tls_listen: ':1': "),
        ('advertised = ["router"]', "advertised.0: 'router' is not an IP address"),
        ('advertised = ["::1", "::2", "::3"]', "advertised: "),
        ('media_ports = "10000"', "media_ports: '10000' is not a port range; write it as FIRST-LAST"),
        ('media_ports = "10001-10001"', "media_ports: '10001-10001' has no even port from 1024 to 65535"),
        ('media_ports = "10999-10000"', "media_ports: '10999-10000' has no even port"),
        ('media_ports = "60000-70000"', "media_ports: '60000-70000' has no even port"),
        ("media_ports = 10000", "media_ports: "),
        ("tls.verify = 7", "tls.verify: 7 is neither true nor false"),
        ('tls.cert = "x"', "tls.cert: unknown setting"),
        ('tls.key = "x"', "tls: certificate is not set"),
        ('tls.authorities = "none.pem"', "tls: no CA certificates can be read from "),
        ('peer = "h.example"', "peer: unknown setting here; move it to [routes.NAME]"),
        (
            'office.peer = "h.example"',
            "office: unknown setting; for a route write [routes.office]",
        ),
        ('signalling = ""', "signalling: '' is empty"),
        ("incoming.max_waiting = 0", "incoming.max_waiting: 0 is too small: the minimum is 1"),
        (
            'incoming.accounts = [{ usr = "a", password_variable = "HOME" }]',
            "incoming.accounts.0.usr: unknown setting; did you mean 'user'?",
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    assert caught.value.sentences[-1].startswith(f"{tmp_path / 't38fsp.toml'}, {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'tls_listen = "127.0.0.1:0"',
            "tls_listen needs a certificate; name its file and its key file in [tls]",
        ),
        ('advertised = ["192.0.2.1", "192.0.2.2"]', "advertised has two addresses of one family"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    (told,) = caught.value.sentences
    assert told.startswith(f"{tmp_path / 't38fsp.toml'}: {sentence}")


def toml(value: object) -> str:
    """A value as it stands in a file."""
    match value:
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{key} = {toml(each)}' for key, each in value.items())}}}"
        case float():
            return repr(value)
        case _:
            return json.dumps(value)


PLAIN = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x7f"))
)
KEYS = st.sampled_from(
    [
        *Endpoint.model_fields,
        *Tls.model_fields,
        *IncomingTable.model_fields,
        "user",
        "password_file",
        "routes",
        "x",
    ]
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_whatever_stands_in_the_file_is_our_end_or_sentences(
    tmp_path: Path, content: dict[str, object]
) -> None:
    text = "".join(f"{key} = {toml(value)}\n" for key, value in content.items())
    wrong: tuple[str, ...] = ()
    try:
        configuration = read(tmp_path, text)
        assert isinstance(configuration.engine, EngineSettings)
        wrong = tuple(configuration.check())
    except ConfigurationError as error:
        wrong = error.sentences
    assert all(sentence and "\n" not in sentence for sentence in wrong)


async def test_the_provider_listens_where_the_file_says_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    config = read(tmp_path, 'listen = "127.0.0.1:0"')
    async with FaxProvider(config=config) as provider:
        assert provider.address[0] == "127.0.0.1"
    async with FaxProvider(("::1", 0), config=config) as provider:
        assert provider.address[0] == "::1"
