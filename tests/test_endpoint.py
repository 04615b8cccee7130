"""What the configuration file says of our own end."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.line import TlsSettings
from t38fsp.configuration import Configuration, ConfigurationError
from t38fsp.jobs import EngineSettings
from t38fsp.provider import FaxProvider


def read(folder: Path, text: str) -> Configuration:
    file = folder / "t38fsp.toml"
    file.write_text(text)
    return Configuration.read(file)


def test_an_empty_file_says_what_an_engine_does_by_itself(tmp_path: Path) -> None:
    configuration = read(tmp_path, "")
    assert configuration.engine == EngineSettings(tls=TlsSettings())
    assert configuration.listen is None


def test_every_key_arrives(tmp_path: Path) -> None:
    engine = read(
        tmp_path,
        """
        listen = "[::1]:5070"
        tls_listen = "127.0.0.1:0"
        advertised = ["203.0.113.7", "2001:db8::7"]

        [tls]
        certificate = "ours.pem"
        key = "/etc/ours.key"
        authorities = "cas/trunk.pem"
        verify = false
        demand = true
        """,
    ).engine
    assert engine.listen == ("::1", 5070)
    assert engine.tls_listen == ("127.0.0.1", 0)
    assert engine.advertised == ("203.0.113.7", "2001:db8::7")
    assert engine.tls == TlsSettings(
        str(tmp_path / "ours.pem"),
        "/etc/ours.key",
        authorities=str(tmp_path / "cas" / "trunk.pem"),
        verify=False,
        demand=True,
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('listen = "5060"', "listen: '5060' has no port; write it as HOST:PORT, with port 0 for any"),
        ('tls_listen = ":1"', "tls_listen: ':1': "),
        ('advertised = ["router"]', "advertised.0: 'router' is no IP address"),
        ('advertised = ["::1", "::2", "::3"]', "advertised: "),
        ("tls.verify = 7", "tls.verify: 7 is neither true nor false"),
        ('tls.cert = "x"', "tls.cert: there is no such setting"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    (told,) = caught.value.sentences
    assert told.startswith(f"{tmp_path / 't38fsp.toml'}, {sentence}")


async def test_the_provider_listens_where_the_file_says_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    config = read(tmp_path, 'listen = "127.0.0.1:0"')
    async with FaxProvider(config=config) as provider:
        assert provider.address[0] == "127.0.0.1"
    async with FaxProvider(("::1", 0), config=config) as provider:
        assert provider.address[0] == "::1"
