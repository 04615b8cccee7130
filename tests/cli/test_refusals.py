"""What the command line refuses before any call: one sentence, a documented exit status, no datagram."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

import t38fsp
from t38fsp.cli.exits import Exit
from t38fsp.image.sample import write_sample
from tests.cli.commands import Invoked, Run
from tests.peers.realtime import udp_socket


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """A SIP peer that must not hear of the call."""
    with udp_socket() as sock:
        sock.setblocking(False)
        yield sock
        with pytest.raises(BlockingIOError):
            sock.recv(1)


@pytest.fixture
def run(run: Run, peer: socket.socket, letter: Path) -> Run:
    """``{peer}`` and ``{letter}`` are filled in."""

    def filled(*arguments: str) -> Invoked:
        there = "{}:{}".format(*peer.getsockname())
        return run(*(each.replace("{peer}", there).replace("{letter}", str(letter)) for each in arguments))

    return filled


def told(result: Invoked) -> str:
    """The one sentence on standard error."""
    (line,) = result.stderr.splitlines()
    assert line.startswith("t38fsp: ")
    return line.removeprefix("t38fsp: ")


SEND = ("send", "{letter}", "--to", "sip:+15550100@{peer}", "--listen", "127.0.0.1:0")


# --- usage --------------------------------------------------------------------------------------------------


def test_the_version(run: Run) -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"t38fsp {t38fsp.__version__}\n")


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", ["demo", "send", "receive"])
def test_help_tells_the_exit_statuses(run: Run, command: str, option: str) -> None:
    result = run(command, option)
    assert result.exit_code == 0
    assert "Exit status: " in result.stdout


@pytest.mark.parametrize("command", ["demo", "send", "poll"])
def test_help_tells_every_exit_status(run: Run, command: str) -> None:
    told = " ".join(run(command, "-h").stdout.partition("Exit status: ")[2].split())
    assert [int(number) for number in re.findall(r"(?:^|, )(\d+) ", told)] == [int(status) for status in Exit]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "Usage"),
        (("fax",), "fax"),
        (("send",), "document"),
        (("send", "{letter}"), "--to"),
        (("receive",), "--output"),
        ((*SEND, "--switch", "nobody"), "--switch"),
        ((*SEND, "--max-rate", "fast"), "--max-rate"),
        (("receive", "--output", "faxes", "--count", "-1"), "--count"),
    ],
)
def test_usage_errors_name_what_is_wrong(run: Run, arguments: tuple[str, ...], named: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert named in result.stdout + result.stderr
    if arguments:
        assert told(result).endswith(" --help")


@pytest.mark.parametrize(
    ("arguments", "hint"), [(("snd",), "did you mean 'send'"), ((*SEND, "--widen", "1"), "--widen")]
)
def test_usage_errors_are_one_line_without_boxes(run: Run, arguments: tuple[str, ...], hint: str) -> None:
    result = run(*arguments)
    assert result.stdout == ""
    assert hint in told(result)
    assert result.stderr.isprintable() or result.stderr.count("\n") == 1


def test_what_a_user_wrote_does_not_steer_the_terminal(run: Run) -> None:
    assert "\\x1b[2J" in told(run("\x1b[2J"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--max-rate", "1200"), "the minimum is 2400"),
        (("--station-id", "+1 555 0199 0199 0199 0"), "at most 20 characters"),
        (("--listen", "5060"), "no port"),
        (("--listen", "127.0.0.1"), "write it as HOST:PORT"),
        (("--listen", "127.0.0.1:port"), "'port' is not a port"),
        (("--listen", "127.0.0.1:65536"), "'65536' is not a port"),
        (("--listen", ":5060"), "is not a host"),
        (("--from", "me"), "--from 'me' is not a caller"),
        (("--user", "account"), "--password-file or the environment variable T38FSP_PASSWORD"),
        (("--password-file", "{letter}"), "has no effect without --user"),
        (("--user", "account", "--password-file", "missing"), "missing cannot be read: No such file"),
        (("--user", "account", "--password-file", "."), "cannot be read: Is a directory"),
        (("--user", "account", "--password-file", "{letter}"), "not UTF-8 text"),
        (("--user", "account", "--password-file", "/dev/null"), "must contain one line"),
        (("--user", "account", "--password-file", "/dev/zero"), "must contain one line"),
    ],
)
def test_unusable_options(run: Run, options: tuple[str, ...], sentence: str) -> None:
    result = run(*SEND, *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in told(result)


def test_a_password_file_holds_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse\nsecond line\n")
    result = run(*SEND, "--user", "account", "--password-file", "password")
    assert result.exit_code == 2
    assert "one line" in told(result)
    assert "horse" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_status", "sentence"),
    [
        (("send", "empty", "--to", "sip:1@{peer}", "--listen", "127.0.0.1:0"), 11, "is empty; give"),
        ((*SEND, "--config", "config"), 2, "config, listen: 5 is not a string"),
        (
            (*SEND, "--user", "account", "--password-file", "empty"),
            2,
            "empty is invalid; it must contain one line",
        ),
        (("receive", "--output", "empty"), 1, "no file can be made in empty (it is a file)"),
        (("receive", "--output", "faxes", "--offer", "empty"), 11, "is empty; give"),
        (("poll", "--to", "sip:1@{peer}", "--output", "empty"), 2, "empty exists; name a new file"),
        (("virtual-gateway", "--call", "sip:1@{peer}", "--document", "empty"), 11, "is empty; give"),
    ],
)
def test_a_file_is_tried_and_not_judged_by_its_mode(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    exit_status: int,
    sentence: str,
) -> None:
    """A file that may not be read is told by the same sentences as other bad ones, not as wrong usage."""
    (tmp_path / "empty").touch()
    (tmp_path / "config").write_text("listen = 5")
    monkeypatch.setattr(os, "access", lambda path, mode, **options: False)
    result = run(*arguments)
    assert result.exit_code == exit_status
    assert sentence in result.stdout + result.stderr
    assert "Usage" not in result.stderr


# --- numbers and documents ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        (("--to", "+15550100"), "needs a SIP peer to call it through: --via sip:HOST"),
        (("--to", "letter.tif"), "neither a number nor a SIP URI; write +15550100 or sip:NAME@HOST"),
        (("--to", "sip:fax@{peer};transport=sctp"), "write udp, tcp or tls"),
        (("--to", "+15550100", "--via", "http://{peer}"), "not a SIP peer"),
    ],
)
def test_unusable_numbers(run: Run, to: tuple[str, ...], sentence: str) -> None:
    result = run("send", "{letter}", "--listen", "127.0.0.1:0", *to)
    assert result.exit_code == 5
    assert sentence in told(result)


def test_a_host_that_does_not_resolve(run: Run) -> None:
    result = run("send", "{letter}", "--listen", "127.0.0.1:0", "--to", "sip:fax@[::1]")
    assert result.exit_code == 5
    assert "listen at [::]:0" in result.stdout


def bad_documents(directory: Path) -> dict[str, Path]:
    write_sample(directory / "sample.tif")
    sample = (directory / "sample.tif").read_bytes()
    contents = {
        "empty": b"",
        "a picture of another kind": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "a header alone": b"II*\0\x08\0\0\0",
        "cut short": sample[: len(sample) // 2],
        "directories in a circle": b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0",
        "a directory of 65535 entries": b"II*\0\x08\0\0\0\xff\xff" + bytes(12),
    }
    for name, octets in contents.items():
        (directory / name).write_bytes(octets)
    (directory / "directory").mkdir()
    os.mkfifo(directory / "pipe")
    return {path.name: path for path in directory.iterdir()} | {
        "missing": directory / "missing",
        "device": Path("/dev/zero"),
    }


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return bad_documents(tmp_path_factory.mktemp("documents"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing", "no such file or directory; check its name"),
        ("empty", "is empty; give one with at least one page"),
        ("directory", "is a directory"),
        ("pipe", "a pipe or a device; give a regular file"),
        ("device", "a pipe or a device; give a regular file"),
        ("a picture of another kind", "cannot be read"),
        ("a header alone", "cut short"),
        ("cut short", "cut short"),
        ("directories in a circle", ";"),
        ("a directory of 65535 entries", ";"),
    ],
)
def test_bad_documents(run: Run, documents: dict[str, Path], name: str, sentence: str) -> None:
    result = run("send", str(documents[name]), *SEND[2:])
    assert result.exit_code == 11
    (line,) = result.stdout.splitlines()
    assert line.startswith("BAD_DOCUMENT: ")
    assert sentence in line


def test_a_bad_document_that_callers_could_poll(run: Run, documents: dict[str, Path]) -> None:
    offer = ("--offer", str(documents["empty"]))
    result = run("receive", "--output", "faxes", "--listen", "127.0.0.1:0", *offer)
    assert result.exit_code == 11
    assert "is empty; give one with at least one page" in told(result)


# --- this machine -------------------------------------------------------------------------------------------


def test_a_port_in_use(run: Run, peer: socket.socket) -> None:
    port = peer.getsockname()[1]
    for command in (SEND[:4], ("receive", "--output", "faxes")):
        result = run(*command, "--listen", "{peer}")
        assert result.exit_code == 1
        assert f"port {port} of 127.0.0.1 is in use" in told(result)


def test_an_address_of_another_machine(run: Run) -> None:
    result = run(*SEND[:4], "--listen", "192.0.2.1:0")
    assert result.exit_code == 1
    assert "not an address of this machine; choose one of its own" in told(result)


@pytest.mark.parametrize("command", ["demo", "receive"])
@pytest.mark.parametrize("output", ["file", "file/faxes", "/proc/faxes"])
def test_an_output_directory_that_cannot_be_written(
    run: Run, tmp_path: Path, command: str, output: str
) -> None:
    (tmp_path / "file").touch()
    result = run(command, "--output", output)
    assert result.exit_code == 1
    assert re.fullmatch(
        f"no file can be made in {output} .*; name another directory with --output", told(result)
    )


# --- for programs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "exit_status", "status"),
    [
        (("send", "missing.tif", *SEND[2:]), 11, "BAD_DOCUMENT"),
        ((*SEND[:2], "--to", "letter.tif"), 5, "BAD_ADDRESS"),
        ((*SEND, "--max-rate", "1"), 2, "FATAL_ERROR"),
        ((*SEND[:4], "--listen", "{peer}"), 1, "FATAL_ERROR"),
        (("demo", "--output", "/proc/faxes"), 1, "FATAL_ERROR"),
        (("virtual-gateway", "--call", "sip:1@{peer}", "--document", "missing.tif"), 11, "BAD_DOCUMENT"),
    ],
)
def test_json_says_the_same_also_after_a_refusal(
    run: Run, arguments: tuple[str, ...], exit_status: int, status: str
) -> None:
    result = run(*arguments, "--json")
    assert result.exit_code == exit_status
    (line,) = result.stdout.splitlines()
    document = json.loads(line)
    assert (document["exit_status"], document["status"]) == (exit_status, status)
    assert (document["completed"], document["retry"], document["pages"]) == (False, False, [])
    assert document["reason"]
    if arguments[0] == "send":
        assert document["number"] in ("+15550100", "letter.tif")
        assert document["documents"]
        assert datetime.fromisoformat(document["began"]) <= datetime.fromisoformat(document["ended"])


@pytest.mark.parametrize(
    ("words", "found"), [("t38fsp se", "send"), ("t38fsp receive --cou", "--count"), ("t38fsp send -h", "-h")]
)
def test_a_shell_completes_commands_and_options(words: str, found: str) -> None:
    completed = subprocess.run(
        [sys.executable, "-c", "import sys; from t38fsp.cli import main; sys.argv[0] = 't38fsp'; main()"],
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            "_T38FSP_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert found in completed.stdout.split(), completed.stderr


def test_the_module_is_the_command() -> None:
    version = subprocess.run(
        [sys.executable, "-m", "t38fsp", "--version"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert version.stdout == f"t38fsp {t38fsp.__version__}\n"
