"""What a file leaves out or has wrong is computed where the rest of it tells, and else named."""

import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.image.document import encode_page, inspect
from t38fsp.image.document import pages as pages_of
from t38fsp.image.errors import DocumentError
from t38fsp.image.fields import FieldType, Tag
from t38fsp.image.tiff import MAX_PAGE_OCTETS, MAX_STRIPS, TiffFile
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, Resolution
from tests.pages import load_page, make_document
from tests.peers import libtiff
from tests.peers.libtiff import tiffcp
from tests.sweep import examples

FINE, STANDARD = Resolution.R8_FINE, Resolution.R8_STANDARD
PAGES = [(1728, FINE, 120, "text"), (1728, STANDARD, 90, "lines"), (2048, FINE, 60, "halftone")]
MMR = PageMode(Coding.MMR, 1728, FINE, True, 14400, 0.0)

_LETTERS = {
    FieldType.BYTE: "B",
    FieldType.ASCII: "B",
    FieldType.SHORT: "H",
    FieldType.LONG: "I",
    FieldType.RATIONAL: "II",
    FieldType.SBYTE: "b",
    FieldType.SSHORT: "h",
    FieldType.SLONG: "i",
    FieldType.SRATIONAL: "ii",
    FieldType.FLOAT: "f",
    FieldType.DOUBLE: "d",
    FieldType.IFD: "I",
}


def _field(kind: FieldType) -> st.SearchStrategy[tuple[FieldType, list[float]]]:
    """Any values of a type; small ones are those that fields have."""
    bits = 8 * struct.calcsize("=" + _LETTERS[kind][0])
    values: st.SearchStrategy[float]
    if kind in (FieldType.FLOAT, FieldType.DOUBLE):
        values = st.floats(width=32 if kind is FieldType.FLOAT else 64)
    elif _LETTERS[kind][0].islower():
        values = st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) | st.integers(-2, 8)
    else:
        values = st.integers(0, 2**bits - 1) | st.integers(0, 8)
    pair = len(_LETTERS[kind])
    return st.tuples(
        st.just(kind),
        st.lists(values, min_size=1, max_size=6).map(lambda drawn: drawn * pair),
    )


FIELDS = st.none() | st.sampled_from([*_LETTERS]).flatmap(_field)


class Editor:
    """A document whose directories can be rewritten, field by field."""

    def __init__(self, path: Path, **how: object) -> None:
        self.path = path
        self.pixels = make_document(path, PAGES, **how)
        self.octets = bytearray(path.read_bytes())
        self.order = {b"II": "<", b"MM": ">"}[bytes(self.octets[:2])]

    def fields(self, number: int) -> tuple[int, dict[int, bytes], int]:
        """Where the link to the directory stands, its entries, and where its own link stands."""
        link = 4
        for _ in range(number + 1):
            (directory,) = struct.unpack_from(self.order + "I", self.octets, link)
            (count,) = struct.unpack_from(self.order + "H", self.octets, directory)
            here, link = link, directory + 2 + 12 * count
        raw = self.octets[directory + 2 : link]
        entries = {
            struct.unpack_from(self.order + "H", raw, start)[0]: bytes(raw[start : start + 12])
            for start in range(0, len(raw), 12)
        }
        return here, entries, link

    def change(self, number: int, changes: dict[int, tuple[FieldType, Sequence[float]] | None]) -> None:
        """Put another directory behind the file, with fields of any type set or (None) left out."""
        here, entries, link = self.fields(number)
        following = self.octets[link : link + 4]
        for tag, field in changes.items():
            entries.pop(tag, None)
            if field is not None:
                entries[tag] = self._entry(tag, *field)
        struct.pack_into(self.order + "I", self.octets, here, len(self.octets))
        self.octets += struct.pack(self.order + "H", len(entries))
        self.octets += b"".join(entries[tag] for tag in sorted(entries)) + following

    def _entry(self, tag: int, kind: FieldType, values: Sequence[float]) -> bytes:
        letter = _LETTERS[kind]
        count = len(values) // len(letter)
        value = struct.pack(self.order + letter * count, *values)
        if len(value) > 4:
            place = struct.pack(self.order + "I", len(self.octets))
            self.octets += value + bytes(len(value) % 2)
            value = place
        return struct.pack(self.order + "HHI", tag, kind, count) + value.ljust(4, b"\0")

    def set_link(self, number: int, value: int) -> None:
        struct.pack_into(self.order + "I", self.octets, self.fields(number)[2], value)

    def save(self) -> Path:
        self.path.write_bytes(self.octets)
        return self.path

    def assert_read(self, pages: Sequence[int] = (0, 1, 2)) -> None:
        """As they were, and as libtiff reads them through Pillow."""
        path = self.save()
        expected = [PageFormat(PAGES[page][0], PAGES[page][2], PAGES[page][1]) for page in pages]
        assert inspect(path) == expected
        for index, page in enumerate(pages):
            assert load_page(path, index)[1] == self.pixels[page]

    def error(self) -> str:
        with pytest.raises(DocumentError) as caught:
            list(pages_of(self.save()))
        return str(caught.value)


@pytest.fixture(params=["<", ">"])
def editor(request: pytest.FixtureRequest, tmp_path: Path) -> Editor:
    return Editor(tmp_path / "document.tif", byte_order=request.param)


# --- lengths of strips --------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("strips", [1, 3])
@pytest.mark.parametrize("field", [(FieldType.LONG, [0]), None])
def test_strips_without_lengths_go_on_to_what_follows_them(tmp_path, coding, strips, field):
    editor = Editor(tmp_path / "document.tif", coding=coding, strips=strips)
    for number in range(3):
        of_all = None if field is None else (field[0], field[1] * strips)
        editor.change(number, {Tag.STRIP_BYTE_COUNTS: of_all})
    editor.assert_read()
    if strips == 1 and field is not None:
        for index, page in enumerate(libtiff.pages(editor.path)):
            assert page.tobytes() == bytes(255 - octet for octet in editor.pixels[index])


def test_one_length_of_several_is_missing(tmp_path):
    editor = Editor(tmp_path / "document.tif", strips=3)
    with editor.path.open("rb") as file:
        lengths = [strip.length for strip in TiffFile(file).pages[1].strips]
    editor.change(1, {Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, [lengths[0], 0, lengths[2]])})
    editor.change(2, {Tag.STRIP_BYTE_COUNTS: (FieldType.SHORT, [0])})
    editor.assert_read()


def test_a_page_whose_length_is_computed_is_still_handed_on_as_it_is(tmp_path):
    """The computed length is exact, so the decoder of libtiff does, which is twenty times as fast."""
    editor = Editor(tmp_path / "document.tif")
    whole = encode_page(editor.path, 0, MMR)
    editor.change(0, {Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, [0])})
    assert encode_page(editor.save(), 0, MMR) == whole
    with editor.path.open("rb") as file:
        (strip,) = TiffFile(file).pages[0].strips
    assert 0 <= strip.length - len(whole) <= 1


def test_the_last_strip_goes_on_to_the_end_of_the_file(tmp_path):
    """What a scanner leaves that writes its directory first."""
    editor = Editor(tmp_path / "document.tif")
    with editor.path.open("rb") as file:
        (strip,) = TiffFile(file).pages[2].strips
    data = bytes(editor.octets[strip.offset : strip.offset + strip.length])
    editor.change(
        2,
        {
            Tag.STRIP_OFFSETS: (FieldType.LONG, [len(editor.octets) + 2 + 12 * 14 + 4]),
            Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, [0]),
            Tag.T6_OPTIONS: None,
        },
    )
    editor.octets += data
    editor.assert_read()


def test_many_directories_with_one_strip_of_unknown_length_take_no_more_than_they_hold(tmp_path):
    editor = Editor(tmp_path / "document.tif")
    editor.change(2, {Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, [0])})
    editor.octets += bytes(2_000_000)
    editor.assert_read()
    with editor.path.open("rb") as file:
        (strip,) = TiffFile(file).pages[2].strips
    assert strip.length < 100_000


def test_a_strip_of_unknown_length_goes_on_no_longer_than_a_page_may(tmp_path):
    """What lies far behind the last strip is not read into memory."""
    editor = Editor(tmp_path / "document.tif")
    with editor.path.open("rb") as file:
        (strip,) = TiffFile(file).pages[2].strips
    data = bytes(editor.octets[strip.offset : strip.offset + strip.length])
    # The second change moves the directory, but the place of the data stays.
    for place in (strip.offset, len(editor.octets) + 1000):
        editor.change(
            2,
            {Tag.STRIP_OFFSETS: (FieldType.LONG, [place]), Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, [0])},
        )
    editor.octets += bytes(place - len(editor.octets)) + data
    editor.assert_read()
    os.truncate(editor.path, 3 << 30)  # of which the disk holds nothing
    with editor.path.open("rb") as file:
        (strip,) = TiffFile(file).pages[2].strips
    assert strip.length == MAX_PAGE_OCTETS
    assert inspect(editor.path)[2].rows == PAGES[2][2]


def test_strips_of_unknown_length_hold_no_more_than_a_page_may(tmp_path):
    """Each would go on to the end of the file."""
    editor = Editor(tmp_path / "document.tif", strips=3)
    place = len(editor.octets) + 1000
    editor.change(
        0,
        {
            Tag.STRIP_OFFSETS: (FieldType.LONG, [place] * 3),
            Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, [0] * 3),
        },
    )
    editor.octets += bytes(place + MAX_PAGE_OCTETS // 2 - len(editor.octets))
    assert f"page 1 cannot be faxed: it holds more than {MAX_PAGE_OCTETS} octets" in editor.error()


# --- strips -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [1, 7, 200])
def test_longer_arrays_than_the_page_takes(tmp_path, more):
    editor = Editor(tmp_path / "document.tif", strips=3)
    with editor.path.open("rb") as file:
        strips = TiffFile(file).pages[0].strips
    offsets = [*(strip.offset for strip in strips), *[0] * more]
    lengths = [*(strip.length for strip in strips), *[0] * more]
    editor.change(
        0,
        {
            Tag.STRIP_OFFSETS: (FieldType.LONG, offsets),
            Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, lengths),
        },
    )
    editor.assert_read()


def test_one_strip_in_long_arrays(editor):
    with editor.path.open("rb") as file:
        (strip,) = TiffFile(file).pages[0].strips
    for rows in (120, 2**32 - 1):
        editor.change(
            0,
            {
                Tag.STRIP_OFFSETS: (FieldType.LONG, [strip.offset, 0, 0]),
                Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, [strip.length, 0]),
                Tag.ROWS_PER_STRIP: (FieldType.LONG, [rows]),
            },
        )
        editor.assert_read()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({Tag.ROWS_PER_STRIP: None}, "it has 3 strips and no RowsPerStrip field"),
        ({Tag.ROWS_PER_STRIP: (FieldType.LONG, [0])}, "its RowsPerStrip field is 0"),
        ({Tag.ROWS_PER_STRIP: (FieldType.LONG, [30])}, "do not make 3 strips of 30 rows (RowsPerStrip)"),
        ({Tag.ROWS_PER_STRIP: (FieldType.LONG, [60])}, "damaged or cut short at row 41 of 120"),
        ({Tag.ROWS_PER_STRIP: (FieldType.SLONG, [-40])}, "its RowsPerStrip field is -40"),
        ({Tag.STRIP_OFFSETS: None}, "there is no StripOffsets field"),
        ({Tag.STRIP_OFFSETS: (FieldType.LONG, [8, 2**31, 8])}, "outside the file (StripOffsets)"),
        ({Tag.STRIP_OFFSETS: (FieldType.LONG, [8, 0, 8])}, "its StripOffsets field contains 0"),
        ({Tag.STRIP_OFFSETS: (FieldType.ASCII, [8, 8, 8, 8, 8])}, "StripOffsets field has the wrong type 2"),
        ({Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, [1, 1, 2**24])}, "the file (StripByteCounts)"),
        ({Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, [1, 1, 2**31])}, "33554432 octets (StripByteCounts)"),
        ({Tag.IMAGE_WIDTH: None}, "it has no ImageWidth field"),
        ({Tag.IMAGE_LENGTH: None}, "it has no ImageLength field"),
        ({Tag.PHOTOMETRIC: (FieldType.SHORT, [3])}, "(PhotometricInterpretation 3)"),
        ({Tag.BITS_PER_SAMPLE: (FieldType.SHORT, [8])}, "(BitsPerSample 8)"),
        ({Tag.SAMPLES_PER_PIXEL: (FieldType.SHORT, [3])}, "(SamplesPerPixel 3)"),
        ({Tag.X_RESOLUTION: (FieldType.ASCII, [0])}, "XResolution field has the wrong type 2"),
        ({Tag.X_RESOLUTION: (FieldType.FLOAT, [204, 204])}, "XResolution field has 2 values"),
    ],
)
def test_what_cannot_be_computed_is_named(tmp_path, changes, what):
    editor = Editor(tmp_path / "document.tif", strips=3)
    editor.change(0, changes)
    message = editor.error()
    assert message.startswith("page 1 cannot be faxed: ")
    assert what in message
    assert "; " in message


def test_an_array_that_no_document_needs(tmp_path):
    editor = Editor(tmp_path / "document.tif")
    editor.change(0, {Tag.STRIP_OFFSETS: (FieldType.LONG, [8] * (MAX_STRIPS + 1))})
    assert f"StripOffsets field has {MAX_STRIPS + 1} values" in editor.error()


def test_lengths_of_more_strips_than_a_document_has_are_not_computed(tmp_path, monkeypatch):
    """The directories of many pages may share one array."""
    editor = Editor(tmp_path / "document.tif", strips=3)
    for number in (0, 2):
        editor.change(number, {Tag.STRIP_BYTE_COUNTS: None})
    monkeypatch.setattr("t38fsp.image.tiff.MAX_COMPUTED", 6)
    assert len(inspect(editor.save())) == 3
    monkeypatch.setattr("t38fsp.image.tiff.MAX_COMPUTED", 5)
    assert "more than 5 strips without their lengths (StripByteCounts)" in editor.error()


# --- other fields -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "x", "y"),
    [
        (FieldType.FLOAT, [204.0], [98.0]),
        (FieldType.DOUBLE, [203.2], [97.79]),
        (FieldType.SRATIONAL, [2040, 10], [980, 10]),
        (FieldType.RATIONAL, [2040, 10], [980, 10]),
        (FieldType.SHORT, [204], [98]),
        (FieldType.LONG, [204], [98]),
        (FieldType.SLONG, [204], [98]),
    ],
)
def test_resolutions_of_any_type(editor, kind, x, y):
    editor.change(1, {Tag.X_RESOLUTION: (kind, x), Tag.Y_RESOLUTION: (kind, y)})
    editor.assert_read()


@pytest.mark.parametrize(
    ("kind", "x"),
    [
        (FieldType.FLOAT, [float("nan")]),
        (FieldType.DOUBLE, [float("inf")]),
        (FieldType.DOUBLE, [5e-324]),
        (FieldType.DOUBLE, [1.7e308]),
        (FieldType.FLOAT, [3e38]),
        (FieldType.DOUBLE, [-204.0]),
        (FieldType.SRATIONAL, [-204, 1]),
        (FieldType.SRATIONAL, [204, -1]),
        (FieldType.RATIONAL, [204, 0]),
        (FieldType.FLOAT, [0.0]),
    ],
)
def test_a_senseless_resolution_counts_as_none(editor, kind, x):
    editor.change(0, {Tag.X_RESOLUTION: (kind, x)})
    editor.assert_read()


@pytest.mark.parametrize("kind", [FieldType.BYTE, FieldType.SHORT, FieldType.LONG, FieldType.SSHORT])
def test_whole_numbers_of_any_type(editor, kind):
    small = [Tag.BITS_PER_SAMPLE, Tag.SAMPLES_PER_PIXEL, Tag.FILL_ORDER]
    editor.change(0, {tag: (kind, [1]) for tag in small} | {Tag.COMPRESSION: (kind, [4])})
    editor.assert_read()


def test_a_fill_order_of_0_is_the_usual_one(editor):
    editor.change(1, {Tag.FILL_ORDER: (FieldType.SHORT, [0])})
    editor.assert_read()


# --- what is no page ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {Tag.NEW_SUBFILE_TYPE: (FieldType.LONG, [1])},
        {Tag.NEW_SUBFILE_TYPE: (FieldType.LONG, [4])},
        {Tag.NEW_SUBFILE_TYPE: (FieldType.LONG, [2 | 4])},
        {Tag.NEW_SUBFILE_TYPE: None, Tag.SUBFILE_TYPE: (FieldType.SHORT, [2])},
        {Tag.PHOTOMETRIC: (FieldType.SHORT, [4])},
    ],
)
@pytest.mark.parametrize("number", [0, 1])
def test_thumbnails_and_masks_are_no_pages(editor, changes, number):
    editor.change(number, changes)
    editor.assert_read([page for page in range(3) if page != number])


@pytest.mark.parametrize("old", [1, 3])
def test_other_values_of_the_old_field_are_pages(editor, old):
    editor.change(1, {Tag.NEW_SUBFILE_TYPE: None, Tag.SUBFILE_TYPE: (FieldType.SHORT, [old])})
    editor.assert_read()


# --- links --------------------------------------------------------------------------------------------------

LINKS = [(2**32 - 1, "lies outside the file"), (4, "claims"), (None, "linked in a loop")]


def link(editor: Editor, value: int | None) -> int:
    return struct.unpack_from(editor.order + "I", editor.octets, 4)[0] if value is None else value


@pytest.mark.parametrize(("value", "what"), LINKS)
def test_a_wrong_link_may_hide_pages_but_those_before_it_are_good(editor, value, what):
    editor.set_link(1, link(editor, value))
    message = editor.error()
    assert message.startswith("page 3 cannot be faxed: its directory ")
    assert what in message
    assert message.endswith("(the 2 pages before it are good; if there are no more, save the document again)")


@pytest.mark.parametrize(("value", "_what"), LINKS)
def test_a_wrong_link_behind_all_the_pages_is_passed_over(editor, value, _what):
    """The last page says that it is the third of three."""
    editor.change(2, {Tag.PAGE_NUMBER: (FieldType.SHORT, [2, 3])})
    editor.set_link(2, link(editor, value))
    editor.assert_read()


def test_a_wrong_link_before_the_last_page_is_none_that_may_be_passed_over(editor):
    editor.change(1, {Tag.PAGE_NUMBER: (FieldType.SHORT, [1, 3])})
    editor.set_link(1, 2**32 - 1)
    assert "page 3 cannot be faxed" in editor.error()


# --- anything at all --------------------------------------------------------------------------------------


@given(st.data())
@examples(push=66, full=200)
def test_directories_of_any_content_are_read_or_refused(tmp_path_factory, data):
    coding, order, strips = (data.draw(st.sampled_from(choices)) for choices in ([*Coding], "<>", (1, 3)))
    editor = Editor(
        tmp_path_factory.mktemp("any") / "document.tif", coding=coding, byte_order=order, strips=strips
    )
    for _ in range(data.draw(st.integers(1, 4))):
        editor.change(data.draw(st.integers(0, 2)), {data.draw(st.sampled_from(Tag)): data.draw(FIELDS)})
    if data.draw(st.booleans()):
        editor.set_link(data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2**32 - 1)))
    with suppress(DocumentError):
        formats = inspect(editor.save())
        for (page, pixels), found in zip(pages_of(editor.path), formats, strict=True):
            assert page == found
            assert len(pixels) == page.width // 8 * page.rows


# --- files of others ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["-r", "16"], ["-B"], ["-L", "-f", "lsb2msb"], ["-c", "g3:1d:fill"]])
def test_what_libtiff_copies_reads_without_lengths(tmp_path, options):
    pixels = make_document(tmp_path / "made.tif", PAGES[:1])
    path = tiffcp(tmp_path / "made.tif", tmp_path / "copied.tif", *options)
    editor = Editor.__new__(Editor)
    editor.path, editor.pixels, editor.octets = path, pixels, bytearray(path.read_bytes())
    editor.order = {b"II": "<", b"MM": ">"}[bytes(editor.octets[:2])]
    editor.change(0, {Tag.STRIP_BYTE_COUNTS: None})
    editor.assert_read([0])


def test_libtiff_reads_the_same_of_a_scanner_s_file(tmp_path):
    editor = Editor(tmp_path / "document.tif")
    editor.change(
        0,
        {
            Tag.STRIP_BYTE_COUNTS: (FieldType.LONG, [0]),
            Tag.FILL_ORDER: (FieldType.SHORT, [0]),
            Tag.X_RESOLUTION: (FieldType.FLOAT, [204.0]),
            Tag.Y_RESOLUTION: (FieldType.FLOAT, [196.0]),
        },
    )
    editor.assert_read()
    for index, page in enumerate(libtiff.pages(tiffcp(editor.path, tmp_path / "copied.tif"))):
        assert page.tobytes() == bytes(255 - octet for octet in editor.pixels[index])
