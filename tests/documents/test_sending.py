"""Documents that are not TIFF-F, from the provider to the far end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from sip.ipc.async_child import AsyncChild
from t38fsp import DocumentError, FaxProvider, FaxResult, FaxStatus, PageSettings, prepare
from t38fsp.call_settings import CallSettings
from t38fsp.choices import OverTime, PageResolution, Quality
from t38fsp.image.errors import DocumentChangedError
from t38fsp.image.pool import ImagePool
from t38fsp.image.wire import Message
from t38fsp.page_settings import USUAL
from t38fsp.t30.vocabulary import Resolution
from tests.call.harness import Scene
from tests.documents.drawn import Drawn, assert_marks, marks, received, send
from tests.documents.pdfs import A4, CATALOG, lettered, marked, pdf, stream
from tests.documents.test_programs import MADE
from tests.pages import make_document

UNPACED = CallSettings(internet_aware=True)
"""Both ends are ours: without the pace of modems a page takes no time."""


def written(folder: Path, data: bytes, name: str = "letter.pdf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


async def sent_all(
    folder: Path, *faxes: list[Path], settings: CallSettings = UNPACED, pages: PageSettings = USUAL
) -> list[FaxResult]:
    """Send the faxes at the same time; they arrive in ``folder/0.tif`` and so on, by the number called."""
    async with (
        FaxProvider(("127.0.0.1", 0), accept_calls=True) as receiver,
        FaxProvider(("127.0.0.1", 0)) as sender,
    ):

        async def take() -> None:
            async with asyncio.TaskGroup() as calls:
                async for call in receiver.calls():
                    number = call.called.partition("@")[0].removeprefix("sip:")
                    calls.create_task(call.receive(folder / f"{number}.tif", settings=settings))

        taking = asyncio.create_task(take())
        host, port = receiver.address
        results = await asyncio.gather(
            *(
                sender.send(fax, f"sip:{number}@{host}:{port}", settings=settings, pages=pages)
                for number, fax in enumerate(faxes)
            )
        )
        taking.cancel()
        return results


async def test_several_documents_are_one_fax(tmp_path: Path) -> None:
    letter = written(tmp_path, marked(A4, A4))
    photo, fax = tmp_path / "photo.png", tmp_path / "fax.tif"
    marks((827, 1169)).save(photo, dpi=(100, 100))
    marks((1728, 2292)).convert("1").save(fax, compression="group4", dpi=(204, 196))
    (result,) = await sent_all(tmp_path, [letter, photo, fax])
    assert result.status is FaxStatus.COMPLETED, result.reason
    assert result.documents == (str(letter), str(photo), str(fax))
    with Image.open(tmp_path / "0.tif") as file:
        assert file.n_frames == 4
        for index in range(4):
            file.seek(index)
            assert_marks(file.convert("L"))


async def test_the_document_that_is_at_fault_is_named(tmp_path: Path) -> None:
    good, bad = written(tmp_path, marked(A4)), written(tmp_path, b"%PDF-1.7 nothing", "bad.pdf")
    (result,) = await sent_all(tmp_path, [good, bad])
    assert (result.status, result.retry) == (FaxStatus.BAD_DOCUMENT, False)
    assert str(bad) in result.reason


def test_the_first_page_is_on_the_line_before_the_others_are_made(tmp_path: Path) -> None:
    document = Drawn(written(tmp_path, marked(*[(595.0, 200.0)] * 12)))
    scene = Scene(tmp_path)
    scene.answer()
    send(scene, document)
    scene.run(until=lambda: bool(scene.callee.received and scene.receiver.qualities))
    # The page that has arrived, and the one after it.
    assert document.asked == [0, 1]
    scene.run()
    assert scene.sent.status is FaxStatus.COMPLETED
    assert document.asked == list(range(12))
    assert len(received(scene)) == 12


async def test_a_page_that_is_damaged_ends_the_fax_after_those_before_it(tmp_path: Path) -> None:
    """Its directory is good, so that it is found only when it is drawn."""
    noise = tmp_path / "noise.png"
    Image.effect_noise((800, 1131), 80).save(noise, dpi=(97, 97))
    noise.write_bytes(noise.read_bytes()[:-100_000])
    good = written(tmp_path, marked(A4, A4))
    (result,) = await sent_all(tmp_path, [good, noise])
    assert (result.pages_confirmed, result.retry) == (2, False)
    assert str(noise) in result.reason


async def test_an_encrypted_document_is_opened_by_its_password(tmp_path: Path) -> None:
    plain, secret = written(tmp_path, marked(A4)), tmp_path / "secret.pdf"
    process = await asyncio.create_subprocess_exec(
        *("qpdf", "--encrypt", "letmein", "owner", "256", "--", str(plain), str(secret))
    )
    assert await process.wait() == 0
    async with ImagePool(1) as images:
        for password in (None, "wrong"):
            with pytest.raises(DocumentError, match="encrypted"):
                await images.inspect(secret, password=password)
        assert len((await images.inspect(secret, password="letmein")).pages) == 1


async def test_prepared_pages_are_made_once_and_sent_often(tmp_path: Path) -> None:
    letter = written(tmp_path, marked(A4, A4))
    async with await prepare(letter) as prepared:
        store = Path(prepared.prepared.store)
        assert [page.rows for page in prepared.pages] == [2292, 2292]
        made = files_in(store)
        assert len(made) == 2
        coded = await prepared.coded(1)
        assert len(coded) == prepared.pages[0].octets
        results = await sent_prepared(prepared, 2)
        assert all(result.completed for result in results)
        assert files_in(store) == made
        letter.write_bytes(marked(A4))
        (changed,) = await sent_prepared(prepared, 1)
        assert (changed.completed, changed.pages_confirmed) == (False, 0)
    assert not files_in(store)


def files_in(folder: Path) -> dict[Path, int]:
    """When each page was written."""
    return {file: file.stat().st_mtime_ns for file in folder.glob("?" * 64)}


async def sent_prepared(prepared: object, count: int) -> list[FaxResult]:
    async with (
        FaxProvider(("127.0.0.1", 0), accept_calls=True) as receiver,
        FaxProvider(("127.0.0.1", 0)) as sender,
    ):
        store = Path(prepared.prepared.store).with_suffix(".received")  # type: ignore[attr-defined]
        store.mkdir(exist_ok=True)

        async def take() -> None:
            number = 0
            async with asyncio.TaskGroup() as calls:
                async for call in receiver.calls():
                    number += 1
                    file = store / f"{number}-{count}.tif"
                    calls.create_task(call.receive(file, settings=UNPACED))

        taking = asyncio.create_task(take())
        to = "sip:1@{}:{}".format(*receiver.address)
        results = await asyncio.gather(
            *(sender.send(prepared, to, settings=UNPACED) for _ in range(count))  # type: ignore[arg-type]
        )
        taking.cancel()
        return results


@pytest.mark.parametrize("action", OverTime)
async def test_a_page_that_takes_too_long(tmp_path: Path, action: OverTime) -> None:
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((827, 1169)).save(photo, dpi=(100, 100))
    settings = PageSettings(quality=Quality.PHOTO, page_seconds=20.0, over_page_seconds=action)
    if action is OverTime.REFUSE:
        with pytest.raises(DocumentError, match="20 s"):
            await prepare(photo, settings)
        return
    async with await prepare(photo, settings) as prepared:
        (page,) = prepared.pages
        assert (page.seconds > 20) is (action is OverTime.WARN)
        assert any("lines" in text for text in page.warnings) is (action is OverTime.SIMPLIFY)
        assert any("limit" in text for text in page.warnings) is (action is OverTime.WARN)


async def test_a_call_warns_of_its_pages_as_a_preview_does(tmp_path: Path) -> None:
    """A plan on A0, small letters, and a text that is not UTF-8."""
    plan, small = tmp_path / "plan.pdf", tmp_path / "small.pdf"
    plan.write_bytes(marked((2384.0, 3370.0), (2384.0, 3370.0)))
    small.write_bytes(lettered(4.0))
    old = tmp_path / "old.txt"
    old.write_bytes("Grüße".encode("latin-1"))
    settings = PageSettings(page_resolution=PageResolution.FINE)
    fax = [plan, small, old]
    async with await prepare(fax, settings) as prepared:
        told = prepared.warnings
    (result,) = await sent_all(tmp_path, fax, pages=settings)
    assert result.status is FaxStatus.COMPLETED, result.reason
    assert [page.number for page in prepared.pages if page.warnings] == [1, 2, 3, 4]
    # The second page of the plan is no news.
    assert result.warnings == (told[0], told[2], told[3])
    assert "%" in told[0]
    assert "4.0 points" in told[2]
    assert "UTF-8" in told[3]


async def test_a_fax_ready_page_is_sent_as_it_is_whatever_time_it_takes(tmp_path: Path) -> None:
    path = tmp_path / "noise.tif"
    make_document(path, [(1728, Resolution.R8_FINE, 300, "noise")])
    for action in OverTime:
        settings = PageSettings(page_seconds=1.0, over_page_seconds=action)
        if action is OverTime.REFUSE:
            with pytest.raises(DocumentError, match="1 s"):
                await prepare(path, settings)
            continue
        async with await prepare(path, settings) as prepared:
            assert await prepared.coded(1) in path.read_bytes()
            assert "limit" in prepared.pages[0].warnings[0]


async def test_a_changed_document_is_not_sent_in_part(tmp_path: Path) -> None:
    path = written(tmp_path, marked(A4, A4))
    async with ImagePool(1) as images:
        document = await images.inspect(path)
        path.write_bytes(marked(A4, A4, A4))
        with pytest.raises(DocumentChangedError):
            await images.make_page(document, 1, Drawn(path).mode())


@pytest.mark.full
@pytest.mark.parametrize("copies", [1, 2])
async def test_a_form_that_draws_itself_is_the_fault_of_the_document(tmp_path: Path, copies: int) -> None:
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<</XObject<</F %d 0 R>>>>"
    page = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</F 5 0 R>>>>>>"
    )
    objects = [CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", page, stream(b"/F Do")]
    depth = 26 if copies == 1 else 1
    objects += [stream(b"/F Do /F Do", form % (6 + at if depth > 1 else 5)) for at in range(depth)]
    objects.append(stream(b"0 0 10 10 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]"))
    path = written(tmp_path, pdf(objects))
    with pytest.raises(DocumentError):
        await prepare(path)


@pytest.mark.full
async def test_a_hundred_pages_need_no_more_memory_than_one(tmp_path: Path) -> None:
    path = written(tmp_path, marked(*[A4] * 100))
    mode = Drawn(path).mode()
    async with ImagePool(1) as images:
        document = await images.inspect(path)
        assert len(document.pages) == 100
        peaks = []
        for index in range(100):
            await images.encode_page(document, index, mode)
            if index in (9, 99):
                peaks.append(max(peak_memory(worker._child) for worker in images._workers._for_calls))
        assert peaks[1] < peaks[0] + 20_000


def peak_memory(child: AsyncChild[Message] | None) -> int:
    """Kibibytes."""
    if child is None:
        return 0
    status = Path(f"/proc/{child.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


TEN = (
    *("gs.pdf", "gs-grey.png", "gs-cmyk.jpg", "gs-g32d.tif", "im.webp", "im.gif", "img2pdf-g4.pdf"),
    *("tiles.tif", "qpdf-objects.pdf", "scan.jpg"),
)


@pytest.mark.full
async def test_ten_of_other_programs_over_sockets(tmp_path: Path) -> None:
    faxes = []
    for name in TEN:
        beside = tmp_path / f"for-{name}"
        beside.mkdir()
        MADE[name](tmp_path / name, beside)
        faxes.append([tmp_path / name])
    results = await sent_all(tmp_path, *faxes, settings=CallSettings())
    for number, result in enumerate(results):
        assert result.status is FaxStatus.COMPLETED, f"{TEN[number]}: {result.reason}"
        with Image.open(tmp_path / f"{number}.tif") as file:
            assert_marks(file.convert("L"))
