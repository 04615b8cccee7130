"""``t38fsp signalling``: one SIP address for several processes, and what is refused."""

from __future__ import annotations

import asyncio
import re
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from t38fsp.image.compare import differing_pages
from tests.cli.commands import Run, Running, port_of, t38fsp
from tests.peers.kamailio import Kamailio
from tests.sip.certificates import Authority

FILE = """
listen = "127.0.0.1:0"
signalling = "sip.sock"

[routes.office]
peer = "127.0.0.1"
"""


@pytest.fixture(autouse=True)
def _file(empty_directory: None, tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").write_text(FILE)


async def test_two_receivers_and_a_sender_have_one_address(tmp_path: Path, letter: Path) -> None:
    """Each receiver gets one of two calls to the address; the sender's call comes from there."""
    async with AsyncExitStack() as stack:

        async def start(*arguments: str | Path) -> Running:
            return await stack.enter_async_context(t38fsp(*arguments))

        owner = await start("signalling")
        address = f"127.0.0.1:{port_of(await owner.printed('listening on'))}"
        far = await start("receive", "--output", "far", "--listen", "127.0.0.1:0", "--count", "1")
        far_address = f"127.0.0.1:{port_of(await far.printed('listening on'))}"
        receivers = [
            await start("receive", "--output", output, "--route", "office", "--count", "1")
            for output in ("one", "two")
        ]
        for receiver in receivers:
            assert (await receiver.printed("listening on")).endswith(f" listening on sip:{address}")
        senders = [
            await start("send", letter, "--to", f"sip:fax@{address}"),
            await start("send", letter, "--to", f"sip:fax@{address}"),
            await start("send", letter, "--to", f"sip:fax@{far_address}", "--signalling", "sip.sock"),
        ]
        ended = await asyncio.gather(*(each.end() for each in (*senders, *receivers, far)))
        assert [each.status for each in ended] == [0] * 6
        for output in ("one", "two", "far"):
            (received,) = (tmp_path / output).iterdir()
            assert differing_pages(letter, received) == []
        owner.process.send_signal(signal.SIGTERM)
        last = await owner.end()
        assert (last.status, last.output) == (0, "")
        assert "engine engine-2 is disconnected, with 0 calls" in last.progress
    assert not (tmp_path / "sip.sock").exists()


async def test_an_idle_receiver_tells_that_the_signalling_process_has_died(tmp_path: Path) -> None:
    async with t38fsp("signalling") as owner:
        await owner.printed("listening on")
        async with t38fsp("receive", "--output", "faxes", "--route", "office") as receiver:
            await receiver.printed("listening on")
            owner.process.kill()
            await receiver.progress("the connection to the signalling process at sip.sock is lost")
            receiver.process.send_signal(signal.SIGTERM)
            await receiver.end()


@pytest.mark.full
@pytest.mark.kamailio
async def test_receivers_share_a_registration(tmp_path: Path, letter: Path) -> None:
    """Kamailio is the trunk: it challenges, registers one contact, and sends two calls there."""
    (tmp_path / "office.password").write_text("secret\n")
    (tmp_path / "office.password").chmod(0o600)
    (tmp_path / "kamailio").mkdir()
    with Kamailio(tmp_path / "kamailio", users={"account": "secret"}, challenge_calls=True) as trunk:
        account = f"""
            user = "account"
            password_file = "office.password"
            address_of_record = "sip:account@{trunk.place}"
        """
        (tmp_path / "t38fsp.toml").write_text(
            f"""{FILE.replace('"127.0.0.1"', f'"{trunk.place}"')}{account}registration = true
            [routes.outside]
            peer = "{trunk.place}"
            {account}"""
        )
        async with AsyncExitStack() as stack:

            async def start(*arguments: str | Path) -> Running:
                return await stack.enter_async_context(t38fsp(*arguments))

            owner = await start("signalling")
            await owner.printed("listening on")
            receivers = [
                await start("receive", "--output", output, "--route", "office", "--count", "1")
                for output in ("one", "two")
            ]
            for receiver in receivers:
                await receiver.printed("registered at office")
            assert await asyncio.to_thread(trunk.registered, "account")
            there = ("--to", f"sip:account@{trunk.place}", "--route", "outside")
            senders = [
                # One with an address of its own, one from where the call comes to.
                await start("send", letter, *there, "--listen", "127.0.0.1:0"),
                await start("send", letter, *there),
            ]
            ended = await asyncio.gather(*(each.end() for each in (*senders, *receivers)))
            assert [each.status for each in ended] == [0] * 4, ended
            for output in ("one", "two"):
                (received,) = (tmp_path / output).iterdir()
                assert differing_pages(letter, received) == []
            owner.process.send_signal(signal.SIGTERM)
            assert (await owner.end()).status == 0
            assert not await asyncio.to_thread(trunk.registered, "account")


async def test_a_receiver_without_a_route_listens_where_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").write_text('listen = "127.0.0.1:0"\n')
    async with t38fsp("receive", "--output", "faxes") as receiver:
        assert "listening on sip:127.0.0.1:" in await receiver.printed("listening")


@pytest.mark.full
async def test_the_address_for_tls_is_told_by_whoever_has_it_and_who_uses_it(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ca").issue("ours", "IP:127.0.0.1")
    (tmp_path / "t38fsp.toml").write_text(
        f"""
        listen = "127.0.0.1:0"
        tls_listen = "127.0.0.1:0"
        signalling = "sip.sock"
        tls = {{ certificate = "{ours.certificate}", key = "{ours.key}" }}
        """
    )
    async with (
        t38fsp("signalling") as owner,
        t38fsp("receive", "--output", "own", "--listen", "127.0.0.1:0") as with_its_own,
    ):
        both = [await owner.printed("listening on"), await owner.printed("listening on")]
        assert re.fullmatch(r"listening on sip:127\.0\.0\.1:\d+", both[0])
        assert re.fullmatch(r"listening on sip:127\.0\.0\.1:\d+;transport=tls", both[1])
        async with t38fsp("receive", "--output", "shared") as sharing:
            assert [(await sharing.printed("listening on")).partition(" ")[2] for _ in both] == both
        assert "listening on sip:127.0.0.1:" in await with_its_own.printed("listening on")
        assert (await with_its_own.printed("listening on")).endswith(";transport=tls")


def test_without_a_signalling_process_nothing_starts(run: Run) -> None:
    result = run("receive", "--output", "faxes", "--route", "office")
    assert result.exit_code == 1
    assert result.stderr == (
        "t38fsp: no signalling process listens at sip.sock (No such file or directory); "
        "start one as the same user\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("send", "x", "--to", "1", "--signalling", "s", "--listen", ":0"), "--listen has no effect with"),
        (
            ("receive", "--output", "x", "--route", "office", "--allow", "any"),
            "--allow has no effect here, as the signalling process at sip.sock takes the calls; allow",
        ),
        (("signalling", "--allow", "trunk"), "--allow: 'trunk' is not a network"),
        (("signalling", "--listen", "here"), "--listen 'here'"),
        (("signalling", "--config", "none.toml"), "none.toml cannot be read"),
    ],
)
def test_wrong_arguments_are_told(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"t38fsp: {sentence}")


def test_a_socket_must_be_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t38fsp.toml").unlink()
    result = run("signalling")
    assert (result.exit_code, result.stderr) == (
        2,
        "t38fsp: no socket is named; give its path, or set signalling in the file\n",
    )
    for path, why in (
        ("no/folder/sip.sock", "the folder does not exist; create it first"),
        ("s" * 200, "AF_UNIX path too long"),
    ):
        missing = run("signalling", path, "--listen", "127.0.0.1:0")
        assert missing.exit_code == 1
        assert missing.stderr == f"t38fsp: cannot listen at the socket {path}: {why}\n"


def test_a_file_that_is_named_and_missing_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T38FSP_CONFIG", "none.toml")
    result = run("signalling", "sip.sock")
    assert (result.exit_code, result.stderr) == (
        2,
        "t38fsp: none.toml cannot be read: No such file or directory; check its name\n",
    )
