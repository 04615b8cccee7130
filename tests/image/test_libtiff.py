"""Against the libtiff tools: what they write is read here, what is written here they read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t38fsp.image.document import encode_page
from t38fsp.image.sample import write_sample
from t38fsp.image.store import append_page, finish
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution
from tests.pages import load_page, make_document
from tests.peers.libtiff import assert_same_pages, tiffcmp, tiffcp, tiffinfo

pytestmark = pytest.mark.libtiff

FINE, STANDARD = Resolution.R8_FINE, Resolution.R8_STANDARD
KINDS = ["text", "lines", "halftone", "noise", "white", "black"]
CODINGS = {
    "g3:1d": Coding.MH,
    "g3:1d:fill": Coding.MH,
    "g3:2d": Coding.MR,
    "g3:2d:fill": Coding.MR,
    "g4": Coding.MMR,
}


@pytest.mark.parametrize("compression", CODINGS)
@pytest.mark.parametrize("order", ["msb2lsb", "lsb2msb"])
@pytest.mark.parametrize("endian", ["-B", "-L"])
def test_files_of_libtiff_are_read_as_they_were_meant(tmp_path, compression, order, endian):
    ours, theirs = tmp_path / "ours.tif", tmp_path / "theirs.tif"
    pixels = make_document(ours, [(1728, FINE, 100, kind) for kind in KINDS])
    tiffcp(ours, theirs, "-c", compression, "-f", order, endian, "-r", "33")
    assert [load_page(theirs, index)[1] for index in range(len(KINDS))] == pixels


@given(
    st.lists(st.tuples(st.sampled_from([1728, 2048, 2432]), st.integers(1, 80)), min_size=1, max_size=3),
    st.sampled_from(sorted(CODINGS)),
    st.sampled_from(KINDS),
    st.integers(1, 90),
)
@settings(max_examples=30, deadline=None)
def test_any_page_goes_through_libtiff_and_back(tmp_path_factory, sizes, compression, kind, rows_per_strip):
    folder = tmp_path_factory.mktemp("libtiff")
    pixels = make_document(folder / "ours.tif", [(width, FINE, rows, kind) for width, rows in sizes])
    tiffcp(folder / "ours.tif", folder / "theirs.tif", "-c", compression, "-r", str(rows_per_strip))
    assert [load_page(folder / "theirs.tif", index)[1] for index in range(len(sizes))] == pixels


@pytest.mark.parametrize("coding", Coding)
def test_pages_that_travelled_and_were_stored_are_those_that_were_sent(tmp_path, coding):
    sent, received, copy = (tmp_path / f"{name}.tif" for name in ("sent", "received", "copy"))
    specs = [(1728, FINE, 150, kind) for kind in KINDS] + [(2048, STANDARD, 80, "text")]
    make_document(sent, specs, fill_order=2, strips=3)
    for index, (width, resolution, _, _) in enumerate(specs):
        ecm = coding is Coding.MMR
        mode = PageMode(coding, width, resolution, ecm, 14400, 0.0 if ecm else 0.02)
        append_page(received, encode_page(sent, index, mode), mode)
    finish(received, len(specs))
    assert assert_same_pages(sent, received) == len(specs)
    tiffcp(received, copy, "-c", "g4")
    differences = [line for line in tiffcmp(received, copy).splitlines() if not line.startswith("Directory ")]
    assert differences == []
    text = tiffinfo(received)
    assert text.count("CCITT Group 4") == len(specs)
    assert text.count("Rows/Strip: 150") == len(KINDS)
    assert f"Page Number: 0-{len(specs)}" in text
    assert "min-is-white" in text
    assert "min-is-black" not in text


def test_the_sample_is_a_proper_document(tmp_path):
    write_sample(tmp_path / "sample.tif")
    text = tiffinfo(tmp_path / "sample.tif")
    assert text.count("Resolution: 204, 196 pixels/inch") == 3
    assert text.count("multi-page document") == 3
