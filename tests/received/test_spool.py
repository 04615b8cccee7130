"""The folder in which faxes wait: what a process leaves, another one finds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from t38fsp.received.spool import FOLDER, Entry, Spool

HOLDS = """
import sys
from t38fsp.received.spool import Spool
spool = Spool(sys.argv[1])
entry = spool.begin(1, {"facts": {"job": 1}})
print(entry.record, flush=True)
sys.stdin.read()
"""


def test_a_fax_and_nothing_afterwards(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    one, other = spool.begin(1, {"a": 1}), spool.begin(2, {})
    assert Path(one.record).parent == Path(other.record).parent
    assert one.read() == {"a": 1}
    assert os.stat(one.record).st_mode & 0o777 == 0o600
    assert os.stat(Path(one.record).parent).st_mode & 0o777 == 0o700
    one.write({"a": 2})
    assert one.read() == {"a": 2}
    assert one.pages() is None
    Path(f"{one.tiff}.part").touch()
    assert one.pages() == f"{one.tiff}.part"
    Path(one.beside(".pdf")).touch()
    spool.forget(one)
    assert list(os.listdir(Path(other.record).parent)) == ["000002.json"]
    spool.forget(other)
    assert os.listdir(tmp_path) == []


def test_after_all_faxes_the_next_one_has_a_folder_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.forget(spool.begin(1, {}))
    entry = spool.begin(2, {})
    assert os.path.exists(entry.record)
    spool.forget(entry)
    spool.close()


def test_a_folder_that_is_removed_meanwhile(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    entry = spool.begin(1, {})
    os.unlink(entry.record)
    os.rmdir(Path(entry.record).parent)
    assert entry.read() == {}
    spool.forget(entry)
    assert os.path.exists(spool.begin(2, {}).record)


def test_what_a_killed_process_leaves_is_found_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        record = process.stdout.readline().strip()
        spool = Spool(tmp_path)
        own = spool.begin(9, {})
        assert spool.left() == [], "a process that lives keeps its faxes"
        process.kill()
        process.wait()
    assert spool.left() == [Entry(record)]
    assert spool.left() == [], "it is ours now"
    assert Spool(tmp_path).left() == [], "and of no other"
    spool.forget(Entry(record))
    spool.forget(own)
    assert os.listdir(tmp_path) == []


def test_closing_leaves_what_was_not_delivered_to_the_next_one(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    entry = spool.begin(1, {"a": 1})
    spool.close()
    (found,) = Spool(tmp_path).left()
    assert (found, found.read()) == (entry, {"a": 1})


def test_what_is_no_record_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FOLDER / "x").mkdir(parents=True)
    (tmp_path / FOLDER / "file").touch()
    assert Spool(tmp_path).left() == []
    assert os.listdir(tmp_path / FOLDER) == ["file"]


def test_a_record_that_cannot_be_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    entry = spool.begin(1, {})
    for content in (b"", b"\xff", b"[1]", b"{", b"[" * 100_000):
        Path(entry.record).write_bytes(content)
        assert entry.read() == {}
