"""``t38fsp virtual-gateway``: both roles between processes, its options, and how it is stopped."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from t38fsp.cli.exits import CommandError
from t38fsp.cli.fault_options import faults
from t38fsp.image.compare import differing_pages
from t38fsp.virtual.network import Faults, GilbertElliott
from t38fsp.virtual.quirks import QUIRKS
from tests.cli.commands import invoke, names, port_of, t38fsp
from tests.peers.realtime import udp_socket

HERE = ("--listen", "127.0.0.1:0")


async def test_it_takes_a_fax_of_send(tmp_path: Path, letter: Path) -> None:
    quirks = ("--quirk", "first-seq=100", "--quirk", "silent-until-heard,echo", "--loss", "5%")
    taking = ("virtual-gateway", *HERE, "--output", tmp_path, "--count", "1", "--json", *quirks)
    async with t38fsp(*taking) as gateway:
        port = port_of(await gateway.progress("listening on sip:127.0.0.1:"))
        async with t38fsp("send", letter, "--to", f"sip:100@127.0.0.1:{port}") as send:
            received, sent = await asyncio.gather(gateway.end(), send.end())
    assert (received.status, sent.status) == (0, 0)
    fax = received.json
    assert (fax["status"], fax["pages_confirmed"]) == ("COMPLETED", 1)
    assert fax["called"] == f"sip:100@127.0.0.1:{port}"
    assert set(fax["quirks"]) == {"first-seq=100", "silent-until-heard", "echo"}
    assert fax["quirks"]["echo"] > 0
    assert fax["quirks"]["first-seq=100"] == 1
    assert names(tmp_path) == [Path(fax["file"]).name]
    assert differing_pages(letter, Path(fax["file"])) == []


async def test_it_sends_a_fax_to_receive(tmp_path: Path, letter: Path) -> None:
    async with t38fsp("receive", *HERE, "--output", tmp_path, "--count", "1", "--json") as receive:
        port = port_of(await receive.progress("listening on sip:127.0.0.1:"))
        calling = ("--call", f"sip:fax@127.0.0.1:{port}", "--document", letter, "--quirk", "early-hang-up")
        async with t38fsp("virtual-gateway", *HERE, *calling, "--no-ecm", "--delay", "40ms") as gateway:
            received, sent = await asyncio.gather(receive.end(), gateway.end())
    assert (received.status, sent.status) == (0, 0)
    assert sent.output.splitlines()[-1] == "COMPLETED: 1 page was sent and confirmed by the far end"
    assert sent.output.splitlines()[-2] == "quirks that took effect: early-hang-up (1)"
    assert differing_pages(letter, Path(received.json["file"])) == []


async def test_a_stopped_gateway_says_goodbye(tmp_path: Path, letter: Path) -> None:
    async with t38fsp("virtual-gateway", *HERE, "--output", tmp_path, "--json") as gateway:
        port = port_of(await gateway.progress("listening on sip:127.0.0.1:"))
        async with t38fsp("send", letter, "--to", f"sip:100@127.0.0.1:{port}", "--json") as send:
            await gateway.progress("switched to T.38")
            gateway.process.send_signal(signal.SIGTERM)
            received, sent = await asyncio.gather(gateway.end(), send.end())
    assert received.status == 12
    assert received.json["status"] == "USER_ABORT"
    assert sent.json["status"] == "DISCONNECTED"
    assert names(tmp_path) == [], "an empty file stays behind"


async def test_a_stopped_gateway_that_calls_gives_its_result(letter: Path) -> None:
    with udp_socket() as silent:
        to = "sip:fax@{}:{}".format(*silent.getsockname())
        async with t38fsp("virtual-gateway", "--call", to, "--document", letter, "--json") as gateway:
            await gateway.progress("calling")
            gateway.process.send_signal(signal.SIGINT)
            ended = await gateway.end()
    assert ended.status == 12
    assert ended.json["status"] == "USER_ABORT"


async def test_a_gateway_that_nobody_called_ends_well(tmp_path: Path) -> None:
    async with t38fsp("virtual-gateway", *HERE, "--output", tmp_path) as gateway:
        await gateway.printed("listening")
        gateway.process.send_signal(signal.SIGTERM)
        ended = await gateway.end()
    assert (ended.status, ended.output) == (0, "")


def test_the_list_of_quirks_has_a_sentence_for_each() -> None:
    in_words = invoke("virtual-gateway", "--list-quirks")
    for_programs = invoke("virtual-gateway", "--list-quirks", "--json")
    assert in_words.exit_code == for_programs.exit_code == 0
    lines = in_words.stdout.splitlines()
    assert [line.split()[0].partition("=")[0] for line in lines] == list(QUIRKS)
    assert all(line.endswith(".") for line in lines)
    assert [json.loads(line)["name"] for line in for_programs.stdout.splitlines()] == list(QUIRKS)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--quirk", "first-sequence-32768"], 2, "first-seq;"),
        (["--quirk", "xyzzy"], 2, "'xyzzy'"),
        (["--quirk", "version=7"], 2, "the quirk version takes 0 to 3"),
        (["--quirk", "booleans=two"], 2, "zero, one, bare"),
        (["--quirk", "max-ifp,max-datagram"], 2, "max-datagram cannot be combined with max-ifp"),
        (["--quirk", "echo=1"], 2, "echo takes no values"),
        (["--loss", "5"], 2, "--loss '5': write a share, such as 5% or 0.05"),
        (["--loss", "101%"], 2, "write a share of at most 100%"),
        (["--delay", "soon"], 2, "--delay 'soon': write a time, such as 30ms or 1.5s"),
        (["--dead", "12s-10s"], 2, "a dead interval must begin at 0 s or later"),
        (["--dead", "12s"], 2, "--dead '12s': write from when to when, such as 10s-12s"),
        (["--burst-loss", "5%:0"], 2, "--burst-loss '5%:0': write a share below 100% and a length from 1 on"),
        (["--drift", "fast"], 2, "--drift 'fast': write parts per million"),
        (["--bandwidth", "0"], 2, "the rate must be above 0 bit/s"),
        (["--max-rate", "300"], 2, "max_rate: 300 is too small: the minimum is 2400"),
        (["--listen", "127.0.0.1"], 2, "--listen '127.0.0.1' has no port"),
        (["--call", "sip:fax@127.0.0.1"], 2, "--call and --document go together"),
        (["--via", "sip:127.0.0.1"], 2, "--via has no effect without --call"),
        (["--call", "100", "--document", "missing.tif"], 5, "100 needs a SIP peer"),
        (["--call", "sip:fax@127.0.0.1", "--document", "missing.tif"], 11, "missing.tif"),
    ],
)
def test_what_it_refuses(arguments: list[str], status: int, sentence: str) -> None:
    ended = invoke("virtual-gateway", *arguments)
    assert ended.exit_code == status
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_faults_as_they_are_written() -> None:
    assert faults({"loss": None}) == Faults(delay=0.0)
    assert faults(
        {
            "loss": "2.5%",
            "burst-loss": "0.05:4",
            "duplication": ".01",
            "reordering": "2%:50ms",
            "delay": "80ms",
            "jitter": "0.03s",
            "drift": "-50ppm",
            "dead": "10-12s",
            "bandwidth": "64k",
        }
    ) == Faults(
        loss=0.025,
        bursts=GilbertElliott.of(0.05, 4),
        duplication=0.01,
        reordering=0.02,
        held_back=0.05,
        delay=0.08,
        jitter=0.03,
        drift=-0.00005,
        dead=(10.0, 12.0),
        rate=64_000.0,
    )
    with pytest.raises(CommandError):
        faults({"jitter": "1e9"})
