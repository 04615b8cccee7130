"""The programs of examples/ and the README, used as they say, over SIP and T.38 on the loopback interface.

``send_faxdev.py`` is tried where the FaxDev functions are tested.
"""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import pytest
from PIL import Image

from t38fsp.cli.exits import Exit
from t38fsp.image.compare import differing_pages
from t38fsp.image.document import inspect
from t38fsp.t30.vocabulary import PageFormat, Resolution
from tests.cli.commands import ROOT, port_of, started, t38fsp

EXAMPLES = ROOT / "examples"


async def test_the_sender_and_the_receiver(tmp_path: Path, letter: Path) -> None:
    """``send.py`` to ``t38fsp receive`` and to ``receive.py``, at the same time."""
    faxes, ours = tmp_path / "faxes", tmp_path / "ours"
    any_port = "127.0.0.1:0"
    async with (
        t38fsp("receive", "--output", faxes, "--listen", any_port, "--count", "1") as command,
        started(EXAMPLES / "receive.py", ours, any_port) as example,
    ):
        one, other = [port_of(await receiver.printed("listening")) for receiver in (command, example)]
        async with (
            started(EXAMPLES / "send.py", letter, f"sip:+15550100@127.0.0.1:{one}") as to_command,
            started(EXAMPLES / "send.py", letter, f"sip:+15550100@127.0.0.1:{other}") as to_example,
        ):
            sent = await asyncio.gather(to_command.end(), to_example.end())
        for sender in sent:
            assert sender.status == 0, sender.output + sender.progress
        # Whatever became of its call, it tells, and then waits for the next.
        told = await example.printed(" pages in ")
        example.process.send_signal(signal.SIGINT)
        received, stopped = await asyncio.gather(command.end(), example.end())
    for sender in sent:
        result, page = sender.output.splitlines()
        assert result == "COMPLETED; 1 page was sent and confirmed by the far end; final"
        assert page.startswith("page 1: confirmed")
    assert received.status == 0
    (file,) = faxes.iterdir()
    assert differing_pages(letter, file) == []
    assert told.endswith(f": 1 page was received; 1 pages in {ours / 'fax-1.tif'}")
    assert differing_pages(letter, ours / "fax-1.tif") == []
    assert (stopped.status, stopped.output, stopped.progress) == (0, "stopped\n", "")


@pytest.mark.parametrize(
    ("program", "arguments", "sentence"),
    [
        ("send.py", ("letter.tif",), "write: send.py DOCUMENT NUMBER-OR-URI"),
        ("send.py", ("letter.tif", "letter.tif"), "send.py: 'letter.tif' is neither a number nor a SIP URI"),
        ("send.py", ("letter.tif", "+15550100"), "send.py: the number +15550100 needs a SIP peer"),
        ("receive.py", ("faxes",), "write: receive.py DIRECTORY HOST:PORT"),
        ("receive.py", (".", "127.0.0.1"), "receive.py: '127.0.0.1' has no port; write it as HOST:PORT"),
        ("receive.py", (".", "192.0.2.1:0"), "receive.py: cannot listen at 192.0.2.1:0 over UDP"),
    ],
)
async def test_they_say_what_they_cannot_use(program: str, arguments: tuple[str, ...], sentence: str) -> None:
    async with started(EXAMPLES / program, *arguments) as example:
        ended = await example.end()
    assert (ended.status, ended.output) == (1, "")
    assert ended.progress.startswith(sentence)
    assert ended.progress.count("\n") == 1


def test_the_readme_makes_a_document_from_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (ROOT / "README.md").read_text()
    (program,) = re.findall(r"```python\n(from PIL .*?)```", readme, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").convert("RGB").save("letter.png")
    exec(program)
    assert inspect("letter.tif") == [PageFormat(1728, 2287, Resolution.R8_FINE)]


def test_the_readme_tells_every_exit_status() -> None:
    readme = (ROOT / "README.md").read_text()
    told = {int(number) for number in re.findall(r"\| (\d+) \| \S", readme)}
    assert told == {int(status) for status in Exit}
