"""Structure of TIFF files: everything a fax file may be is read, everything else is one sentence."""

import os
import random
import struct
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from t38fsp.image.directory import HEADER
from t38fsp.image.document import inspect
from t38fsp.image.document import pages as pages_of
from t38fsp.image.errors import DocumentError
from t38fsp.image.fields import FieldType, Tag
from t38fsp.image.resolutions import nearest_resolution
from t38fsp.image.tiff import TiffFile
from t38fsp.image.values import MAX_PAGES
from t38fsp.t4.reader import MAX_ROWS
from t38fsp.t30.vocabulary import Coding, PageFormat, Resolution
from tests.pages import load_page, make_document

FINE, STANDARD = Resolution.R8_FINE, Resolution.R8_STANDARD
PAGES = [(1728, FINE, 150, "text"), (2048, STANDARD, 90, "lines"), (2432, Resolution.INCH_200, 70, "noise")]


@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("fill_order", [1, 2])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("strips", [1, 4])
@pytest.mark.parametrize("photometric", [0, 1])
def test_every_form_of_fax_file_is_read(tmp_path, coding, fill_order, byte_order, strips, photometric):
    path = tmp_path / "document.tif"
    pixels = make_document(path, PAGES, coding, fill_order, byte_order, strips, photometric)
    expected = [PageFormat(width, rows, resolution) for width, resolution, rows, _ in PAGES]
    assert inspect(path) == expected
    assert [load_page(path, index) for index in range(3)] == list(zip(expected, pixels, strict=True))


@pytest.mark.parametrize("resolution", Resolution)
def test_every_resolution_is_recognised(resolution):
    width = {200: 1728, 204: 1728, 300: 2592, 400: 3456, 408: 3456}[resolution.x]
    assert nearest_resolution(width, resolution.x, resolution.y) is resolution


@pytest.mark.parametrize(
    ("width", "x", "y", "resolution"),
    [
        (1728, 77 * 2.54, 38.5 * 2.54, STANDARD),  # in centimetres
        (1728, 80 * 2.54, 77 * 2.54, FINE),
        (1728, 72, 72, FINE),  # a program that knows nothing of fax: square pixels
        (1728, 96, 48, STANDARD),
        (2048, 0, 0, FINE),  # missing
        (1728, 204, 200, FINE),
        (1728, 200, 98, Resolution.INCH_200X100),
        (2592, 300, 300, Resolution.INCH_300),
        (3456, 0, 0, Resolution.R16_SUPERFINE),
    ],
)
def test_odd_resolutions_are_taken_for_the_nearest(width, x, y, resolution):
    assert nearest_resolution(width, x, y) is resolution


class Patch:
    """A document whose fields can be overwritten."""

    def __init__(self, tmp_path, **how):
        self.path = tmp_path / "document.tif"
        make_document(self.path, [(1728, FINE, 40, "text"), (1728, FINE, 40, "text")], **how)
        self.octets = bytearray(self.path.read_bytes())

    def directory(self, number):
        (offset,) = struct.unpack_from("<I", self.octets, 4)
        for _ in range(number):
            (offset,) = struct.unpack_from("<I", self.octets, self.link(offset))
        return offset

    def link(self, directory):
        return directory + 2 + 12 * struct.unpack_from("<H", self.octets, directory)[0]

    def entry(self, number, tag):
        start = self.directory(number) + 2
        return next(
            position
            for position in range(start, self.link(start - 2), 12)
            if struct.unpack_from("<H", self.octets, position)[0] == tag
        )

    def set(self, tag, value, number=1, layout="<I", at=8):
        struct.pack_into(layout, self.octets, self.entry(number, tag) + at, value)

    def error(self):
        self.path.write_bytes(self.octets)
        with pytest.raises(DocumentError) as caught:
            inspect(self.path)
        return str(caught.value)


@pytest.mark.parametrize(
    ("tag", "value", "what"),
    [
        (Tag.COMPRESSION, 5, "compression is 5 (LZW)"),
        (Tag.COMPRESSION, 1, "compression is 1 (none)"),
        (Tag.COMPRESSION, 4711, "compression is 4711 (unknown)"),
        (Tag.IMAGE_WIDTH, 1700, "1700 pixels wide, which is not a fax width"),
        (Tag.IMAGE_LENGTH, 0, "it has 0 rows"),
        (Tag.IMAGE_LENGTH, 2**32 - 1, "it has 4294967295 rows"),
        (Tag.BITS_PER_SAMPLE, 8, "in colour or grey"),
        (Tag.SAMPLES_PER_PIXEL, 3, "in colour or grey"),
        (Tag.PHOTOMETRIC, 2, "not a black and white picture"),
        (Tag.FILL_ORDER, 3, "its FillOrder is 3"),
        (Tag.STRIP_OFFSETS, 2**32 - 2, "image data lies outside the file"),
        (Tag.STRIP_BYTE_COUNTS, 2**31, "holds more than"),
        (Tag.STRIP_BYTE_COUNTS, 1_000_000, "image data lies outside the file"),
        (Tag.STRIP_OFFSETS, 0, "its StripOffsets field contains 0, which is inside the file header"),
    ],
)
def test_what_is_no_fax_page_is_refused_by_name(tmp_path, tag, value, what):
    document = Patch(tmp_path)
    document.set(tag, value)
    message = document.error()
    assert message.startswith("page 2 cannot be faxed: ")
    assert what in message
    assert "; " in message


@pytest.mark.parametrize(
    ("layout", "at", "value", "what"),
    [
        ("<H", 2, 12, "StripOffsets field has the wrong type"),
        ("<I", 4, 2**32 - 1, "StripOffsets field has 4294967295 values"),
        ("<I", 4, 3, "StripOffsets field lies outside the file"),
        ("<I", 4, 0, "StripOffsets field has 0 values"),
        ("<H", 0, 9999, "it has 0 strip offsets and 1 strip lengths"),
    ],
)
def test_a_field_that_lies_is_refused(tmp_path, layout, at, value, what):
    document = Patch(tmp_path)
    if value == 3:
        document.set(Tag.STRIP_OFFSETS, 2**31)
    document.set(Tag.STRIP_OFFSETS, value, layout=layout, at=at)
    assert what in document.error()


def test_uncompressed_mode_is_refused(tmp_path):
    document = Patch(tmp_path, coding=Coding.MR)
    document.set(Tag.T4_OPTIONS, 7)
    assert "uncompressed mode" in document.error()


def test_strips_that_do_not_make_the_page_are_refused(tmp_path):
    document = Patch(tmp_path, strips=4)
    document.set(Tag.ROWS_PER_STRIP, 5)
    assert "40 rows do not make 4 strips of 5 rows" in document.error()


def test_a_loop_of_pages_is_refused(tmp_path):
    document = Patch(tmp_path)
    struct.pack_into("<I", document.octets, document.link(document.directory(1)), document.directory(0))
    assert "page 3 cannot be faxed: its directory is linked in a loop" in document.error()


def test_a_directory_outside_the_file_is_refused(tmp_path):
    document = Patch(tmp_path)
    struct.pack_into("<I", document.octets, document.link(document.directory(1)), 2**32 - 1)
    assert "page 3 cannot be faxed: its directory lies outside the file" in document.error()


def test_a_directory_of_many_entries_is_refused(tmp_path):
    document = Patch(tmp_path)
    struct.pack_into("<H", document.octets, document.directory(1), 65535)
    assert "claims 65535 entries" in document.error()


def test_more_pages_than_a_fax_has_are_refused():
    directory = struct.pack("<HHHI", 1, Tag.NEW_SUBFILE_TYPE, 4, 1) + struct.pack("<I", 1)
    file = bytearray(b"II*\0" + struct.pack("<I", 8))
    for _ in range(MAX_PAGES + 1):
        file += directory + struct.pack("<I", len(file) + len(directory) + 4)
    with pytest.raises(DocumentError, match="more than 2000 pages"):
        TiffFile(BytesIO(file))


def test_directories_that_share_their_strips_are_refused():
    """Half a megabyte that would be 80 million strips."""
    rows = MAX_ROWS
    place = 8 + 8 * rows
    file = bytearray(HEADER + struct.pack("<I", place))
    file += struct.pack(f"<{2 * rows}I", *[8] * rows, *[1] * rows)
    entries = [
        (Tag.IMAGE_WIDTH, FieldType.LONG, 1, 1728),
        (Tag.IMAGE_LENGTH, FieldType.LONG, 1, rows),
        (Tag.COMPRESSION, FieldType.SHORT, 1, 4),
        (Tag.STRIP_OFFSETS, FieldType.LONG, rows, 8),
        (Tag.ROWS_PER_STRIP, FieldType.LONG, 1, 1),
        (Tag.STRIP_BYTE_COUNTS, FieldType.LONG, rows, 8 + 4 * rows),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    for _ in range(MAX_PAGES):
        file += directory + struct.pack("<I", len(file) + len(directory) + 4)
    with pytest.raises(DocumentError, match="more than 500000 strips"):
        TiffFile(BytesIO(file))


def test_thumbnails_are_no_pages(tmp_path):
    document = Patch(tmp_path)
    document.set(Tag.NEW_SUBFILE_TYPE, 1, number=0)
    document.path.write_bytes(document.octets)
    assert len(inspect(document.path)) == 1


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"", "the document is empty"),
        (b"II*\0", "not a TIFF file"),
        (b"%PDF-1.7 of which there is more", "not a TIFF file"),
        (b"II+\0\x08\0\0\0\0\0\0\0\0\0\0\0", "BigTIFF"),
        (b"II*\0\0\0\0\0", "has no pages"),
        (b"MM\0*\0\0\0\x08", "page 1 cannot be faxed: its directory lies outside the file"),
    ],
)
def test_other_files_are_refused(tmp_path, octets, what):
    path = tmp_path / "document"
    path.write_bytes(octets)
    with pytest.raises(DocumentError, match=what):
        inspect(path)


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path):
    with pytest.raises(DocumentError, match=r"missing\.tif cannot be read: no such file"):
        inspect(tmp_path / "missing.tif")
    with pytest.raises(DocumentError, match="cannot be read: is a directory"):
        inspect(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DocumentError, match="is a pipe or a device"):
        inspect(tmp_path / "pipe")


@pytest.mark.parametrize(("mode", "what"), [("RGB", "in colour or grey"), ("L", "in colour or grey")])
def test_pictures_are_refused(tmp_path, mode, what):
    Image.new(mode, (1728, 100)).save(tmp_path / "picture.tif", compression="tiff_lzw")
    with pytest.raises(DocumentError, match=what):
        inspect(tmp_path / "picture.tif")


@pytest.mark.parametrize("coding", Coding)
def test_a_page_cut_short_is_refused(tmp_path, coding):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 400, "text")], coding)
    octets = bytearray(path.read_bytes())
    (offset,) = struct.unpack_from("<I", octets, 4)
    length = next(
        position + 8
        for position in range(offset + 2, len(octets), 12)
        if struct.unpack_from("<H", octets, position)[0] == Tag.STRIP_BYTE_COUNTS
    )
    struct.pack_into("<I", octets, length, struct.unpack_from("<I", octets, length)[0] * 3 // 4)
    path.write_bytes(octets)
    with pytest.raises(DocumentError, match=r"page 1 .* damaged or cut short at row \d+ of 400"):
        load_page(path, 0)


def test_damaged_mmr_is_refused_and_a_damaged_mh_row_is_repaired(tmp_path):
    for coding, readable in ((Coding.MMR, False), (Coding.MH, True)):
        path = tmp_path / f"{coding.value}.tif"
        make_document(path, [(1728, FINE, 300, "noise")], coding)
        octets = bytearray(path.read_bytes())
        octets[3000] ^= 0xFF
        path.write_bytes(octets)
        if readable:
            assert load_page(path, 0)[0] == PageFormat(1728, 300, FINE)
        else:
            with pytest.raises(DocumentError, match="damaged or cut short"):
                load_page(path, 0)


def test_a_page_mostly_damaged_is_refused(tmp_path):
    path = tmp_path / "document.tif"
    make_document(path, [(1728, FINE, 300, "noise")], Coding.MH)
    octets = bytearray(path.read_bytes())
    for position in range(1000, 40_000, 200):
        octets[position] ^= 0x55
    path.write_bytes(octets)
    with pytest.raises(DocumentError, match=r"\d+ of its 300 rows are damaged"):
        load_page(path, 0)


@given(st.integers(0, 2**32), st.sampled_from(Coding), st.sampled_from("<>"), st.sampled_from([1, 3]))
@settings(max_examples=150, deadline=None)
def test_mutated_files_are_read_or_refused(tmp_path_factory, seed, coding, byte_order, strips):
    chance = random.Random(seed)
    path = tmp_path_factory.mktemp("hostile") / "document.tif"
    pages = [(1728, FINE, 20, "text"), (1728, STANDARD, 16, "lines")]
    make_document(path, pages, coding, 1, byte_order, strips)
    octets = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 8)):
        position = chance.randrange(len(octets))
        match chance.randrange(4):
            case 0:
                octets[position] = chance.randrange(256)
            case 1:
                octets[position : position + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\x01\0\0\0"])
            case 2:
                del octets[position : position + chance.randrange(20)]
            case 3:
                octets[position:position] = chance.randbytes(chance.randrange(20))
    path.write_bytes(octets)
    with suppress(DocumentError):
        formats = inspect(path)
        for (page, pixels), found in zip(pages_of(path), formats, strict=True):
            assert page == found
            assert len(pixels) == page.width // 8 * page.rows
