"""The FaxDev functions over the real engine: from one provider to another, over SIP and T.38 on loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from t38fsp.faxdev import (
    FAX_RECEIVE,
    FAX_SEND,
    FS_BAD_DOCUMENT,
    FS_DIALING,
    FS_USER_ABORT,
    LINE_DEVSPECIFIC,
    CompletionPort,
    FaxDevSettings,
    FaxServiceProvider,
)
from t38fsp.image.compare import differing_pages
from t38fsp.jobs import EngineSettings
from tests.documents.drawn import assert_marks
from tests.documents.pdfs import A4, marked
from tests.peers.pages import text_page, write_document

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_document(
        tmp_path_factory.mktemp("letter") / "letter.tif", [text_page(rows=200, noise_rows=0)]
    )


class Receiver:
    """A provider whose service takes every call into a file of its own."""

    def __init__(self, directory: Path, lines: int, **own_end: object) -> None:
        self._directory = directory
        self._port = CompletionPort()
        self.provider = FaxServiceProvider(
            FaxDevSettings(
                own_end=EngineSettings(("127.0.0.1", 0), accept_calls=True, **own_end), device_count=lines
            )
        )
        devices = self.provider.FaxDevVirtualDeviceCreation(self._port, "incoming")
        line_callback = self.provider.FaxDevInitialize()
        for index in range(lines):
            line_callback(None, devices.DeviceIdPrefix + index, LINE_DEVSPECIFIC, 0, 1, 1, 0)

    @property
    def uri(self) -> str:
        host, port = self.provider.address
        return f"sip:+15550100@{host}:{port}"

    def take(self, number: int) -> Path | None:
        """Wait for a call and receive it; the file when every page was confirmed."""
        packet = self._port.get(PATIENCE)
        file = self._directory / f"{number}.tif"
        file.touch()
        job = self.provider.FaxDevStartJob(0, packet.Overlapped.hDevice, None, None)
        received = self.provider.FaxDevReceive(
            job, 0, FAX_RECEIVE(FileName=str(file), ReceiverNumber="+15550100")
        )
        self.provider.FaxDevEndJob(job)
        return file if received else None


@contextlib.contextmanager
def provider(device_count: int = 1, **own_end: object) -> Iterator[FaxServiceProvider]:
    running = FaxServiceProvider(
        FaxDevSettings(own_end=EngineSettings(("127.0.0.1", 0), **own_end), device_count=device_count)
    )
    assert running.FaxDevInitialize() is not None
    try:
        yield running
    finally:
        running.FaxDevShutdown()


@contextlib.contextmanager
def receiver(directory: Path, lines: int, **own_end: object) -> Iterator[Receiver]:
    running = Receiver(directory, lines, **own_end)
    try:
        yield running
    finally:
        running.provider.FaxDevShutdown()


@contextlib.contextmanager
def busy_thread(rest: float) -> Iterator[None]:
    """Another thread of the program, which holds the interpreter for 50 ms at a time and rests between."""
    over = threading.Event()

    def spin() -> None:
        while not over.wait(rest):
            until = time.monotonic() + 0.05
            while time.monotonic() < until:
                sum(range(1000))

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def send(fsp: FaxServiceProvider, device: int, document: Path, number: str, identity: str = "") -> bool:
    job = fsp.FaxDevStartJob(0, device, None, None)
    return fsp.FaxDevSend(
        job, FAX_SEND(FileName=str(document), ReceiverNumber=number, CallerNumber=identity), lambda *_: True
    )


@pytest.mark.parametrize(
    ("lines", "far_workers", "rest"), [(4, 1, 0.25), pytest.param(32, 2, 0.0, marks=pytest.mark.full)]
)
def test_many_threads_send_at_once_beside_a_busy_one(
    tmp_path: Path, letter: Path, lines: int, far_workers: int, rest: float
) -> None:
    """Over two engine processes; the far end has one or two of its own."""
    with (
        receiver(tmp_path, lines, workers=far_workers) as far,
        provider(device_count=lines, workers=2) as fsp,
        busy_thread(rest),
        ThreadPoolExecutor(2 * lines) as threads,
    ):
        takes = [threads.submit(far.take, number) for number in range(lines)]
        sends = [threads.submit(send, fsp, line, letter, far.uri, f"+1555{line}") for line in range(lines)]
        assert [fax.result(PATIENCE) for fax in sends] == [True] * lines
        files = [take.result(PATIENCE) for take in takes]
    assert [differing_pages(letter, file) for file in files] == [[]] * lines


def test_the_example_sends(tmp_path: Path, letter: Path) -> None:
    with receiver(tmp_path, 1) as far, ThreadPoolExecutor(1) as threads:
        take = threads.submit(far.take, 0)
        example = subprocess.run(
            [sys.executable, ROOT / "examples" / "send_faxdev.py", letter, far.uri],
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert example.returncode == 0, example.stderr
        assert "FS_COMPLETED" in example.stdout
        assert "local-tag=" in example.stdout
        assert differing_pages(letter, take.result(PATIENCE)) == []


def test_a_pdf_is_a_document_as_any_other(tmp_path: Path) -> None:
    """FileName names it, as it names the TIFF that Microsoft's service makes."""
    document = tmp_path / "letter.pdf"
    document.write_bytes(marked(A4))
    with receiver(tmp_path, 1) as far, provider() as fsp, ThreadPoolExecutor(1) as threads:
        take = threads.submit(far.take, 0)
        assert send(fsp, 0, document, far.uri)
        file = take.result(PATIENCE)
    assert file is not None
    with Image.open(file) as page:
        assert page.size == (1728, 2292)
        assert_marks(page)


def test_a_document_that_is_no_tiff_is_refused_before_any_call(tmp_path: Path) -> None:
    (tmp_path / "letter.tif").write_bytes(b"GIF89a" + bytes(100))
    with provider() as fsp:
        job = fsp.FaxDevStartJob(0, 0, None, None)
        fax = FAX_SEND(FileName=str(tmp_path / "letter.tif"), ReceiverNumber="sip:nobody@127.0.0.1:9")
        assert fsp.FaxDevSend(job, fax) is False
        assert fsp.FaxDevReportStatus(job).StatusId is FS_BAD_DOCUMENT
        assert fsp.GetJobResult(job).reason


def test_a_call_that_nobody_answers_is_aborted(letter: Path) -> None:
    """Twice, as an impatient person does; and the next fax on the same engine is none the worse."""
    port = CompletionPort()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, provider(device_count=2) as fsp:
        silent.bind(("127.0.0.1", 0))
        job = fsp.FaxDevStartJob(0, 0, port, "job")
        fax = FAX_SEND(FileName=str(letter), ReceiverNumber=f"sip:nobody@127.0.0.1:{silent.getsockname()[1]}")
        with ThreadPoolExecutor(1) as threads:
            sending = threads.submit(fsp.FaxDevSend, job, fax)
            while port.get(PATIENCE).Overlapped.StatusId is not FS_DIALING:
                pass
            assert [fsp.FaxDevAbortOperation(job), fsp.FaxDevAbortOperation(job)] == [True, True]
            assert sending.result(PATIENCE) is False
        assert fsp.FaxDevReportStatus(job).StatusId is FS_USER_ABORT
        other = fsp.FaxDevStartJob(0, 1, port, "job")
        assert fsp.FaxDevAbortOperation(other)
        assert fsp.FaxDevSend(other, fax) is False
        assert fsp.FaxDevReportStatus(other).StatusId is FS_USER_ABORT


def test_a_port_in_use_fails_the_initialisation(caplog: pytest.LogCaptureFixture) -> None:
    with provider() as fsp:
        second = FaxServiceProvider(FaxDevSettings(own_end=EngineSettings(fsp.address)))
        assert second.FaxDevInitialize() is None
        assert str(fsp.address[1]) in caplog.text
