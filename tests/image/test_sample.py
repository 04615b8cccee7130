"""The shipped sample document."""

from t38fsp.image.document import inspect, pages
from t38fsp.image.sample import ROWS, WIDTH, write_sample
from t38fsp.t30.vocabulary import PageFormat, Resolution


def test_three_fine_pages_that_take_about_half_a_minute_on_the_line(tmp_path):
    path = tmp_path / "sample.tif"
    write_sample(path)
    assert inspect(path) == [PageFormat(WIDTH, ROWS, Resolution.R8_FINE)] * 3
    assert path.stat().st_size / (14400 / 8) < 35


def test_it_is_the_same_every_time_and_replaces_what_was_there(tmp_path):
    one, other = tmp_path / "one.tif", tmp_path / "other.tif"
    other.write_bytes(b"something else")
    write_sample(one)
    write_sample(other)
    assert one.read_bytes() == other.read_bytes()


def test_every_page_has_something_on_it_but_is_mostly_white(tmp_path):
    path = tmp_path / "sample.tif"
    write_sample(path)
    shares = [int.from_bytes(pixels).bit_count() / (page.width * page.rows) for page, pixels in pages(path)]
    assert all(0.01 < share < 0.3 for share in shares)
