"""Who may call: what the file says of it, what the engine makes of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sip.line_settings import Callers
from sip.syntax.message import parse_message
from sip.values import Credentials, Hop
from t38fsp.cli.options import allowing
from t38fsp.engine.engine import FaxEngine
from t38fsp.jobs import EngineRoute, EngineSettings
from t38fsp.provider import FaxProvider
from t38fsp.settings.file import Configuration, ConfigurationError
from tests.routes import write

pytestmark = pytest.mark.usefixtures("page_threads")

LIMIT = 60.0
LOOPBACK = "127.0.0.1"


def read(folder: Path, text: str, *, mode: int = 0o600) -> Configuration:
    return Configuration.read(write(folder, text, mode=mode, password_file="ata.password"))


# --- the file -----------------------------------------------------------------------------------------------


def test_without_a_word_nobody_from_elsewhere_may_call(tmp_path: Path) -> None:
    assert read(tmp_path, "").engine.callers == Callers((), (), silent=True)


def test_every_key_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_PASSWORD", "third")
    configuration = read(
        tmp_path,
        """
        [incoming]
        allow = ["192.0.2.1/24", "2001:db8::7"]
        silent = false
        accounts = [
            { user = "ata", password_file = "ata.password" },
            { user = "pbx", password = "other" },
            { user = "desk", password_variable = "DESK_PASSWORD" },
        ]
        """,
    )
    accounts = (Credentials("ata", "secret"), Credentials("pbx", "other"), Credentials("desk", "third"))
    assert configuration.engine.callers == Callers(("192.0.2.1/24", "2001:db8::7"), accounts, silent=False)
    assert "secret" not in repr(configuration.engine.callers)
    assert read(tmp_path, '[incoming]\nallow = ["any"]').engine.callers.any_address


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("allow = 5", "FILE, incoming.allow: 5 is not a list; put it in [brackets]"),
        ('allow = ["trunk"]', "FILE, incoming.allow: 'trunk' is not a network; write 192.0.2.0/24 or"),
        ("silence = true", "FILE, incoming.silence: unknown setting; did you mean 'silent'?"),
        ("accounts = 5", "FILE, incoming.accounts: 5 is not a list; put it in [brackets]"),
        ("accounts = [5]", "FILE, incoming.accounts.0: 5 is not a table"),
        ('accounts = [{ user = "a" }]', "FILE, incoming.accounts.0.password: it is missing"),
        (
            'accounts = [{ user = "a", password_file = "none" }]',
            "FILE, incoming.accounts.0, password_file: the secret file",
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, f"[incoming]\n{text}")
    (told,) = caught.value.sentences
    assert told.replace(str(tmp_path / "t38fsp.toml"), "FILE").startswith(sentence)


def test_a_password_in_a_file_that_others_read_is_refused(tmp_path: Path) -> None:
    text = '[incoming]\naccounts = [{ user = "a", password = "b" }]'
    with pytest.raises(
        ConfigurationError, match=r"incoming\.accounts\.0, password: other users can read this file"
    ):
        read(tmp_path, text, mode=0o644)


def test_the_command_line_stands_for_the_networks_of_the_file() -> None:
    of_file = Callers(("192.0.2.0/24",), (Credentials("a", "b"),), silent=False)
    assert allowing((), of_file) is of_file
    assert allowing(["10.0.0.0/8"], of_file) == Callers(("10.0.0.0/8",), of_file.accounts, silent=False)
    assert allowing(["any"], of_file) == Callers(("any",), of_file.accounts, silent=False)
    with pytest.raises(ConfigurationError, match="--allow: 'trunk' is not a network"):
        allowing(["trunk"], of_file)


# --- the engine ---------------------------------------------------------------------------------------------


async def started(engine: FaxEngine) -> None:
    """Until the trunks have been looked up."""
    await engine.start()
    async with asyncio.timeout(LIMIT):
        while not engine._admission.peers:  # noqa: ASYNC110 (the engine has nobody to tell)
            await asyncio.sleep(0)


async def test_the_engine_admits_its_trunks_and_whom_the_settings_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    callers = Callers(("192.0.2.0/24",))
    routes = (EngineRoute("office", "203.0.113.5"),)
    engine = FaxEngine(EngineSettings((LOOPBACK, 0), routes=routes, callers=callers), print)
    try:
        await started(engine)
        known = {
            host: engine._admission.knows(Hop(host, 5060))
            for host in (LOOPBACK, "192.0.2.9", "203.0.113.5", "203.0.113.6", "2001:db8::5")
        }
        assert list(known.values()) == [True, True, True, False, False]
        # Who is not known hears nothing; whoever runs it is told what would admit him.
        invite = ("INVITE sip:fax@192.0.2.1 SIP/2.0", "Via: SIP/2.0/UDP h;branch=z9hG4bK1", "CSeq: 1 INVITE")
        ends = ("From: <sip:x@h>;tag=1", "To: <sip:fax@h>", "Call-ID: 1", "Content-Length: 0", "", "")
        request = parse_message("\r\n".join((*invite, *ends)).encode())
        engine._admission.admit(request, Hop("203.0.113.6", 5060), 0.0)
        assert "a call from 203.0.113.6:5060 over UDP is not admitted" in caplog.text
        assert "add it to Callers.allow, or to allow of [incoming]" in caplog.text
    finally:
        await engine.close()


def test_what_is_no_network_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="allow: 'office' is not a network"):
        Callers(("office",))


async def test_the_provider_takes_the_callers_of_the_file_unless_it_is_told_others(tmp_path: Path) -> None:
    config = read(tmp_path, '[incoming]\nallow = ["192.0.2.0/24"]')
    stranger = Hop("192.0.2.9", 5060)
    for provider, known in (
        (FaxProvider((LOOPBACK, 0), config=config), True),
        (FaxProvider((LOOPBACK, 0), config=config, settings=EngineSettings()), False),
        (FaxProvider((LOOPBACK, 0)), False),
        (FaxProvider((LOOPBACK, 0), settings=EngineSettings(callers=Callers(("any",)))), True),
    ):
        async with provider:
            assert provider._engine._admission.knows(stranger) is known
