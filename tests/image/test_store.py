"""Received pages on disk: whole or not at all, readable by others, and honest about damage."""

import os
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from t38fsp.image import store
from t38fsp.image.coder import encode_burst
from t38fsp.image.document import inspect
from t38fsp.image.errors import StoreError
from t38fsp.image.fields import Tag
from t38fsp.image.store import append_page, finish, store_page
from t38fsp.t4.scan_lines import to_bits
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, PageQuality, Resolution
from tests.pages import load_page, make_document, make_pixels

FINE, STANDARD = Resolution.R8_FINE, Resolution.R8_STANDARD


def mode(coding: Coding, ecm: bool, width: int = 1728, resolution: Resolution = FINE) -> PageMode:
    return PageMode(coding, width, resolution, ecm, 14400, 0.0 if ecm else 0.01)


MMR = mode(Coding.MMR, ecm=True)
MH = mode(Coding.MH, ecm=False)


def burst(rows: int, kind: str, how: PageMode) -> bytes:
    return encode_burst(make_pixels(how.width, rows, kind), how)


def tags(path: Path, index: int) -> dict[int, object]:
    with Image.open(path) as document:
        document.seek(index)
        return dict(document.tag_v2)


@pytest.mark.parametrize("empty_file", [True, False])
def test_pages_of_every_kind_follow_each_other_in_one_file(tmp_path, empty_file):
    path = tmp_path / "received.tif"
    if empty_file:
        path.touch()
    modes = [
        mode(Coding.MMR, True),
        mode(Coding.MR, False, 2048, STANDARD),
        mode(Coding.MH, False, 2432),
        mode(Coding.MR, True, 1728, Resolution.INCH_200X400),
        mode(Coding.MH, True, 3456, Resolution.R16_SUPERFINE),
    ]
    for number, how in enumerate(modes):
        rows = 60 + number
        assert append_page(path, burst(rows, "text", how), how) == PageQuality(rows)
        assert inspect(path)[number] == PageFormat(how.width, rows, how.resolution)
    for number, how in enumerate(modes):
        assert load_page(path, number)[1] == make_pixels(how.width, 60 + number, "text")
        assert tags(path, number)[297] == (number, 0)
    finish(path, len(modes))
    assert [tags(path, number)[297] for number in range(5)] == [(number, 5) for number in range(5)]


def test_a_file_made_here_is_for_its_owner_only(tmp_path):
    append_page(tmp_path / "received.tif", burst(20, "text", MMR), MMR)
    assert stat.S_IMODE((tmp_path / "received.tif").stat().st_mode) == 0o600


def test_the_file_is_opened_and_not_replaced(tmp_path):
    path = tmp_path / "received.tif"
    path.touch(mode=0o640)
    before = path.stat()
    append_page(path, burst(20, "text", MMR), MMR)
    assert (path.stat().st_ino, path.stat().st_mode) == (before.st_ino, before.st_mode)


def test_mmr_is_stored_as_it_came_without_the_padding_of_ecm(tmp_path):
    path = tmp_path / "received.tif"
    octets = burst(100, "noise", MMR)
    append_page(path, octets + bytes(200), MMR)
    assert octets in path.read_bytes()
    assert octets + bytes(100) not in path.read_bytes()


def test_mmr_padded_with_ones_as_libspandsp_does_is_not_coded_again(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "decode_page", None)
    bursts = (burst(rows, "text", MMR) for rows in range(100, 120))
    plain = next(data for data in bursts if not data[-1] & 1)
    lowest = plain[-1] & -plain[-1]
    padded = plain[:-1] + bytes([plain[-1] | lowest - 1]) + bytes(5)
    append_page(tmp_path / "padded.tif", padded, MMR)
    append_page(tmp_path / "plain.tif", plain, MMR)
    assert (tmp_path / "padded.tif").read_bytes() == (tmp_path / "plain.tif").read_bytes()


def test_mmr_without_eofb_gets_one(tmp_path):
    path = tmp_path / "received.tif"
    bits = to_bits(burst(100, "text", MMR))
    bits = bits[: bits.rindex("000000000001" * 2)]
    octets = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))
    assert append_page(path, octets, MMR) == PageQuality(100)
    assert load_page(path, 0)[1] == make_pixels(1728, 100, "text")


def test_tags_of_a_clean_page_and_of_a_damaged_one(tmp_path):
    path = tmp_path / "received.tif"
    append_page(path, burst(80, "noise", MMR), MMR)
    append_page(path, burst(80, "noise", MH), MH)
    damaged = bytearray(burst(80, "noise", MH))
    damaged[9000] ^= 0xFF
    quality = append_page(path, bytes(damaged), MH)
    assert quality.rows == 80
    assert quality.bad_rows == quality.longest_bad_run == 1
    ecm, clean, bad = (tags(path, number) for number in range(3))
    assert [ecm.get(tag) for tag in (326, 327, 328)] == [None, None, None]
    assert [clean.get(tag) for tag in (326, 327, 328)] == [0, None, None]
    assert [bad.get(tag) for tag in (326, 327, 328)] == [1, 1, 1]
    assert (ecm[254], ecm[259], ecm[262], ecm[266], ecm[278], ecm[293], ecm[296]) == (2, 4, 0, 1, 80, 0, 2)


def test_a_damaged_row_is_the_row_above_it(tmp_path):
    path = tmp_path / "received.tif"
    damaged = bytearray(burst(80, "noise", MH))
    damaged[9000] ^= 0xFF
    append_page(path, bytes(damaged), MH)
    sent, got = make_pixels(1728, 80, "noise"), load_page(path, 0)[1]
    (row,) = [n for n in range(80) if sent[n * 216 : n * 216 + 216] != got[n * 216 : n * 216 + 216]]
    assert got[row * 216 : row * 216 + 216] == sent[row * 216 - 216 : row * 216]


@pytest.mark.parametrize("octets", [b"", bytes(500), b"\x00\x10\x01" * 3, b"\xaa" * 100])
def test_a_page_without_any_line_is_not_stored(tmp_path, octets):
    path = tmp_path / "received.tif"
    append_page(path, burst(20, "text", MMR), MMR)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no readable line"):
        append_page(path, octets, MH)
    assert path.read_bytes() == before


def test_a_file_that_is_not_ours_is_left_alone(tmp_path):
    path = tmp_path / "received.tif"
    for octets in (b"some notes of somebody", b"MM\0*\0\0\0\x08"):
        path.write_bytes(octets)
        with pytest.raises(StoreError, match="could not be stored"):
            append_page(path, burst(20, "text", MMR), MMR)
        assert path.read_bytes() == octets
    make_document(path, [(1728, FINE, 10, "text")], byte_order=">")
    with pytest.raises(StoreError, match="big-endian"):
        append_page(path, burst(20, "text", MMR), MMR)


def test_a_document_of_another_program_is_continued(tmp_path):
    path = tmp_path / "received.tif"
    make_document(path, [(1728, FINE, 10, "text")])
    append_page(path, burst(20, "lines", MMR), MMR)
    assert [page.rows for page in inspect(path)] == [10, 20]


def test_a_file_that_is_as_long_as_tiff_allows(tmp_path):
    path = tmp_path / "received.tif"
    append_page(path, burst(20, "text", MMR), MMR)
    os.truncate(path, 2**32 - 2000)  # a hole, which takes no room on disk
    with pytest.raises(StoreError, match="the 4 GB that TIFF allows"):
        append_page(path, burst(80, "noise", MMR), MMR)
    assert path.stat().st_size == 2**32 - 2000
    assert len(inspect(path)) == 1


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(StoreError, match=r"could not be stored in .*: No such file or directory"):
        append_page(tmp_path / "nowhere" / "received.tif", burst(20, "text", MMR), MMR)
    with pytest.raises(StoreError, match="could not be numbered"):
        finish(tmp_path / "nowhere" / "received.tif", 1)


def test_the_null_device_of_a_full_disk():
    with pytest.raises(StoreError, match="could not be stored"):
        append_page("/dev/full", burst(20, "text", MMR), MMR)


FULL_DISK = """
import resource, sys
from t38fsp.image.errors import StoreError
from t38fsp.image.fields import Tag
from t38fsp.image.store import append_page
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution
path, limit = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    mode = PageMode(Coding.MMR, 1728, Resolution.R8_FINE, True, 14400)
    append_page(path, sys.stdin.buffer.read(), mode)
except StoreError as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.parametrize("room", [0, 1, 100, 5000, 10_000])
def test_a_full_disk_leaves_the_pages_before(tmp_path, room):
    path = tmp_path / "received.tif"
    append_page(path, burst(50, "text", MMR), MMR)
    before = path.read_bytes()
    octets = burst(80, "noise", MMR)
    assert len(octets) > 10_000
    limit = len(before) + room
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), str(limit)],
        input=octets,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.returncode == 3, result.stderr.decode()
    assert b"could not be stored" in result.stdout
    assert path.read_bytes() == before
    append_page(path, octets, MMR)
    assert [page.rows for page in inspect(path)] == [50, 80]


# --- a second try -------------------------------------------------------------------------------------------


class Died(BaseException):
    """The process was killed: nothing is cleaned up."""


@pytest.mark.parametrize("pages_before", [0, 2])
@pytest.mark.parametrize("torn", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("step", range(8))
def test_a_page_is_stored_once_wherever_the_first_try_died(tmp_path, monkeypatch, pages_before, torn, step):
    """At the ``step``-th write or fsync, of which a part was done."""
    path = tmp_path / "received.tif"
    for _ in range(pages_before):
        append_page(path, burst(60, "text", MMR), MMR)
    before = path.read_bytes() if pages_before else b""
    steps = iter(range(8))
    real_write, real_fsync = store._write, os.fsync

    def write(file, data):
        if next(steps) == step:
            real_write(file, data[: int(torn * len(data))])
            raise Died
        real_write(file, data)

    def fsync(descriptor):
        if next(steps) == step:
            raise Died
        real_fsync(descriptor)

    sizes = []
    with monkeypatch.context() as patched:
        patched.setattr(store, "_write", write)
        patched.setattr(os, "fsync", fsync)
        with suppress(Died):
            store_page(path, burst(70, "lines", MMR), MMR, on_size=sizes.append)
    assert sizes == [len(before)]
    quality, last = store_page(path, burst(70, "lines", MMR), MMR, since=sizes[0])
    assert (quality, last.pages, last.size) == (PageQuality(70), pages_before + 1, path.stat().st_size)
    assert [page.rows for page in inspect(path)] == [60] * pages_before + [70]
    assert load_page(path, pages_before)[1] == make_pixels(MMR.width, 70, "lines")


def test_a_second_try_for_a_page_like_the_one_before(tmp_path):
    """Of two blank pages the second one is not taken for the first."""
    path = tmp_path / "received.tif"
    append_page(path, burst(60, "white", MMR), MMR)
    store_page(path, burst(60, "white", MMR), MMR, since=path.stat().st_size)
    assert len(inspect(path)) == 2


# --- a long fax ---------------------------------------------------------------------------------------------


def test_the_directories_before_a_page_are_not_read(tmp_path, monkeypatch):
    """A page costs the same however many there are."""
    path = tmp_path / "received.tif"
    _, last = store_page(path, burst(20, "text", MMR), MMR)
    with monkeypatch.context() as patched:
        patched.setattr(store, "TiffFile", None)
        for pages in range(2, 30):
            _, last = store_page(path, burst(20, "text", MMR), MMR, last=last)
            assert last.pages == pages
    assert len(inspect(path)) == 29
    assert [tags(path, index)[Tag.PAGE_NUMBER] for index in (0, 28)] == [(0, 0), (28, 0)]


@pytest.mark.parametrize("what", ["longer", "linked"])
def test_a_file_that_was_changed_is_looked_through(tmp_path, what):
    path = tmp_path / "received.tif"
    _, first = store_page(path, burst(20, "text", MMR), MMR)
    _, second = store_page(path, burst(30, "text", MMR), MMR, last=first)
    if what == "longer":
        path.write_bytes(path.read_bytes() + b"more")
        stale = second
    else:  # as if the first page were the last one
        stale = replace(first, size=second.size)
    _, last = store_page(path, burst(40, "text", MMR), MMR, last=stale)
    assert (last.pages, [page.rows for page in inspect(path)]) == (3, [20, 30, 40])
