"""SIGINT, SIGTERM and SIGHUP end calls cleanly: the far end hears of it, JSON still comes, pages stay."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from t38fsp.cli.exits import Exit
from t38fsp.image.document import pages
from t38fsp.t30.vocabulary import Resolution
from tests.cli.commands import names, port_of, started, t38fsp
from tests.pages import make_document
from tests.peers.libtiff import tiffinfo
from tests.peers.realtime import udp_socket


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("letter") / "letter.tif"
    make_document(path, [(1728, Resolution.R8_STANDARD, 60, "lines")] * 2)
    return path


WHILE_IT_IMPORTS = """
import os, signal, sys
from t38fsp.cli import main

class Finder:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == "t38fsp.cli.app":
            os.kill(os.getpid(), int(sys.argv[1]))

sys.meta_path.insert(0, Finder)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_command_that_has_not_begun_ends_quietly(number: signal.Signals) -> None:
    async with started("-c", WHILE_IT_IMPORTS, str(int(number))) as command:
        ended = await command.end()
    assert (ended.status, ended.output, ended.progress) == (Exit.CANCELLED, "", "")


async def test_a_call_that_nobody_answers_is_given_up_also_by_an_impatient_person(letter: Path) -> None:
    with udp_socket() as silent:
        to = "sip:fax@{}:{}".format(*silent.getsockname())
        async with t38fsp("send", letter, "--to", to, "--json") as send:
            await send.progress("calling")
            send.process.send_signal(signal.SIGINT)
            send.process.send_signal(signal.SIGINT)
            ended = await send.end()
    assert ended.status == 12
    assert ended.json["status"] == "USER_ABORT"
    assert [page["confirmed"] for page in ended.json["pages"]] == [False, False]
    assert "Traceback" not in ended.progress


async def test_a_stopped_sender_says_goodbye_and_the_receiver_goes_on(tmp_path: Path, letter: Path) -> None:
    async with t38fsp("receive", "--output", tmp_path, "--listen", "127.0.0.1:0", "--json") as receive:
        port = port_of(await receive.progress("listening"))
        async with t38fsp("send", letter, "--to", f"sip:fax@127.0.0.1:{port}") as send:
            await send.printed("switched to T.38")
            send.process.send_signal(signal.SIGHUP)
            sent = await send.end()
        assert sent.status == 12
        assert sent.output.splitlines()[-1].startswith("USER_ABORT: ")
        # The first line of the receiver's output is there as soon as the far end has hung up.
        assert '"exit_status": ' in await receive.printed('"completed": false')
        assert names(tmp_path) == [], "an empty file stays behind"
        assert receive.process.returncode is None, "the receiver does not go on"
        receive.process.send_signal(signal.SIGHUP)
        received = await receive.end()
    assert (received.status, received.output) == (0, "")


async def test_a_receiver_under_nohup_stays(tmp_path: Path) -> None:
    nohup = (
        "-c",
        "import os, sys; os.execvp('nohup', ['nohup', sys.executable, '-m', 't38fsp', *sys.argv[1:]])",
    )
    async with started(*nohup, "receive", "--output", tmp_path, "--listen", "127.0.0.1:0") as receive:
        await receive.printed("listening")
        receive.process.send_signal(signal.SIGHUP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive.process.wait(), 1.0)
        receive.process.send_signal(signal.SIGTERM)
        assert (await receive.end()).status == 0


@pytest.mark.parametrize("command", ["signalling", "virtual-gateway"])
async def test_every_command_that_waits_ends_with_its_terminal(tmp_path: Path, command: str) -> None:
    arguments = {"signalling": (tmp_path / "sip.sock",), "virtual-gateway": ("--output", tmp_path)}[command]
    async with t38fsp(command, *arguments, "--listen", "127.0.0.1:0") as waiting:
        await waiting.printed("listening")
        waiting.process.send_signal(signal.SIGHUP)
        ended = await waiting.end()
    assert ended.status == 0, ended.progress
    assert names(tmp_path) == []


@pytest.mark.full
async def test_a_stopped_demo_prints_its_result(tmp_path: Path) -> None:
    async with t38fsp("demo", "--output", tmp_path, "--json") as demo:
        await demo.progress("switched to T.38")
        demo.process.send_signal(signal.SIGINT)
        ended = await demo.end()
    assert ended.status == 12
    assert (ended.json["status"], ended.json["received"]) == ("USER_ABORT", None)
    assert ended.json["sample"] == str(tmp_path / "sample.tif")
    assert names(tmp_path) == ["sample.tif"]


@pytest.mark.full
async def test_a_stopped_receiver_keeps_the_pages_that_it_confirmed(tmp_path: Path, letter: Path) -> None:
    async with t38fsp("receive", "--output", tmp_path, "--listen", "127.0.0.1:0", "--json") as receive:
        port = port_of(await receive.progress("listening"))
        async with t38fsp("send", letter, "--to", f"sip:fax@127.0.0.1:{port}", "--json") as send:
            await receive.progress("page 2")
            receive.process.send_signal(signal.SIGTERM)
            received, sent = await asyncio.gather(receive.end(), send.end())
    assert received.status == 12
    assert (received.json["status"], received.json["pages_confirmed"]) == ("USER_ABORT", 1)
    assert list(pages(received.json["file"])) == list(pages(letter))[:1]
    assert sent.status == 7
    assert [page["confirmed"] for page in sent.json["pages"]] == [True, False]
    assert (sent.json["status"], sent.json["retry"]) == ("DISCONNECTED", True)


@pytest.mark.full
@pytest.mark.parametrize(("when", "pages"), [("trained at", 0), ("page 1 confirmed", 1)])
async def test_what_a_killed_receiver_has_confirmed_is_delivered_by_the_next_one(
    tmp_path: Path, letter: Path, when: str, pages: int
) -> None:
    faxes = tmp_path / "faxes"
    async with t38fsp("receive", "--output", faxes, "--listen", "127.0.0.1:0") as receiver:
        port = port_of(await receiver.printed("listening"))
        async with t38fsp("send", letter, "--to", f"sip:fax@127.0.0.1:{port}"):
            await receiver.printed(when)
            receiver.process.kill()
            await receiver.end()
    assert [file for file in faxes.iterdir() if file.is_file()] == [], "a file looks whole"
    async with t38fsp("receive", "--output", faxes, "--listen", "127.0.0.1:0") as receiver:
        await receiver.printed("listening")
        receiver.process.send_signal(signal.SIGTERM)
        ended = await receiver.end()
    assert ended.status == 0
    left = list(faxes.iterdir())
    assert [file.name.endswith("-partial.tif") for file in left] == [True] * pages
    for file in left:
        assert file.name in ended.progress
        assert tiffinfo(file).count("Image Width: 1728") >= pages


@pytest.mark.full
async def test_the_whole_demo(tmp_path: Path) -> None:
    async with (
        t38fsp("demo", "--output", tmp_path / "one") as words,
        t38fsp("demo", "--output", tmp_path / "other", "--json") as program,
    ):
        in_words, for_programs = await asyncio.gather(words.end(), program.end())
    assert in_words.status == for_programs.status == 0
    *_, identical, where = in_words.output.splitlines()
    assert identical == "all 3 pages arrived identical to the sample, pixel for pixel"
    assert where.startswith(f"the received fax is {tmp_path / 'one' / 'received.tif'}")
    assert for_programs.json["differing_pages"] == []
    received = Path(json.loads(for_programs.output)["received"])
    assert list(pages(received)) == list(pages(tmp_path / "other" / "sample.tif"))
