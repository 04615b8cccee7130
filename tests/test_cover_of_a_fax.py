"""A cover page and a header line on their way: in front of the documents, numbered as the fax is, also in a
second call that sends the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from t38fsp.call_settings import CallSettings
from t38fsp.choices import PaperSize
from t38fsp.cover import Cover, CoverPage
from t38fsp.header import Header
from t38fsp.image.document import encode_page
from t38fsp.image.rendered import DrawnPage, encode_drawn
from t38fsp.image.values import HeaderLine
from t38fsp.page_settings import PageSettings
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t4.decode import decode_page
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution
from tests.pages import load_page, make_document

pytestmark = pytest.mark.usefixtures("page_threads")

HOST = "127.0.0.1"
UNPACED = CallSettings(internet_aware=True, station_id="+1 555 0199")
MODE = PageMode(Coding.MMR, 1728, Resolution.R8_FINE, ecm=True, bit_rate=14400)
TEMPLATE = """
<cover><text size="30">{{ pages }} pages to {{ to_name }} at {{ to_number }}</text>
<text>from {{ from_name }}, {{ from_number }}: {{ subject }}</text></cover>
"""


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.tif"
    make_document(path, [(1728, Resolution.R8_FINE, rows, "text") for rows in (200, 300)])
    return path


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "own.xml"
    path.write_text(TEMPLATE)
    return path


async def sent(
    folder: Path, letter: Path, cover: Cover | None, resume: int | None = None
) -> tuple[FaxResult, Path]:
    file = folder / f"received-{resume}.tif"

    async def take(receiver: FaxProvider) -> None:
        async for call in receiver.calls():
            await call.receive(file, settings=UNPACED)
            return

    async with FaxProvider((HOST, 0), accept_calls=True) as far, FaxProvider((HOST, 0)) as provider:
        taking = asyncio.create_task(take(far))
        result = await provider.send(
            letter,
            f"sip:+12125550100@{HOST}:{far.address[1]}",
            caller="Accounts <sip:us@example.com>",
            settings=UNPACED,
            cover=cover,
            header=Header("{name}||{page}/{pages}"),
            resume=resume,
        )
        if result.completed:
            await taking
        taking.cancel()
    return result, file


def pixels(burst: bytes) -> bytes:
    return decode_page(burst, MODE.coding, MODE.width).pixels


def line(page: int) -> HeaderLine:
    return "Accounts", "", f"{page}/3", ""


async def test_it_is_page_1_and_the_header_counts_it(tmp_path: Path, letter: Path, template: Path) -> None:
    cover = Cover(str(template), to_name="Ms Dvořák", subject="Drawings")
    result, file = await sent(tmp_path, letter, cover)
    assert (result.status, len(result.pages)) == (FaxStatus.COMPLETED, 3), result.reason
    said = CoverPage(
        Cover(str(template), "Ms Dvořák", "Accounts", "Drawings"),
        "2026-11-22T12:00:00+00:00",  # which this template does not say
        "+1 555 0199",
        "+12125550100",
        3,
        PaperSize.A4,
    )
    drawn = DrawnPage((), 1, Resolution.R8_FINE, PageSettings(), None, said)
    assert load_page(file, 0)[1] == pixels(encode_drawn("", drawn, MODE, line(1)).octets)
    for page in (2, 3):
        assert load_page(file, page - 1)[1] == pixels(encode_page(letter, page - 2, MODE, line(page)))


async def test_a_preview_is_what_is_sent(tmp_path: Path, letter: Path, template: Path) -> None:
    cover = Cover(str(template), to_name="Ms Dvořák")
    _, file = await sent(tmp_path, letter, cover)
    async with await FaxProvider().prepare(
        letter,
        "sip:+12125550100@invalid",
        caller="Accounts <sip:us@example.com>",
        settings=UNPACED,
        cover=cover,
        header=Header("{name}||{page}/{pages}"),
    ) as prepared:
        for page in prepared.pages:
            assert load_page(file, page.number - 1)[1] == pixels(await prepared.coded(page.number))
            assert page.rows * page.width // 8 == len(load_page(file, page.number - 1)[1])
        assert [page.document for page in prepared.pages[1:]] == [str(letter)] * 2


async def test_the_rest_has_the_numbers_of_the_whole(tmp_path: Path, letter: Path, template: Path) -> None:
    result, file = await sent(tmp_path, letter, Cover(str(template)), resume=3)
    assert [page.number for page in result.pages] == [3]
    assert load_page(file, 0)[1] == pixels(encode_page(letter, 1, MODE, line(3)))
    with Image.open(file) as received:
        assert received.n_frames == 1


@pytest.mark.parametrize(
    ("cover", "fault"),
    [
        (Cover("clasic"), "no cover template 'clasic'"),
        (Cover("./missing.xml"), "missing.xml cannot be read"),
        (Cover(comment="line\n" * 100), "mm too long"),
        (Cover(logo="missing.png"), "missing.png"),
        (Cover(to_name="\U00013000"), "U+13000"),
    ],
)
async def test_a_cover_that_cannot_be_drawn_ends_the_fax_before_the_call(
    letter: Path, cover: Cover, fault: str
) -> None:
    async with FaxProvider((HOST, 0)) as provider:
        # To a port where nothing listens: it is not asked.
        result = await provider.send(letter, f"sip:1@{HOST}:9", cover=cover)
    assert (result.status, result.retry, result.dialog) == (FaxStatus.BAD_DOCUMENT, False, None)
    assert fault in result.reason
