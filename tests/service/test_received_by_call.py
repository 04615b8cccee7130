"""A fax by a real call over loopback: received by the service, and delivered as PDF by mail."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from t38fsp.call_settings import CallSettings
from t38fsp.image.compare import differing_pages
from t38fsp.provider import FaxProvider
from t38fsp.service import documents
from t38fsp.service.delivery_settings import BlockedAnswer, ReceivingSettings
from t38fsp.service.targets import Target
from t38fsp.t30.vocabulary import Resolution
from tests.image.test_pdf import picture
from tests.pages import load_page, make_document
from tests.peers import pdf
from tests.service.deliveries_host import PATIENCE, delivered_to, host, plain_mail, until
from tests.service.destinations import attachments, mailbox

UNPACED = CallSettings(internet_aware=True, station_id="+1 555 0199")


@pytest.mark.usefixtures("page_threads")
@pytest.mark.full
async def test_a_call_becomes_a_mail_and_a_blocked_caller_is_refused(tmp_path: Path) -> None:
    letter = tmp_path / "letter.tif"
    make_document(letter, [(1728, Resolution.R8_FINE, 200, "lines"), (1728, Resolution.R8_FINE, 200, "text")])
    async with asyncio.timeout(PATIENCE), mailbox() as box:
        settings = delivered_to(
            Target("office", mail=("a@office.example",)),
            mail=plain_mail(box.port),
            receiving=ReceivingSettings(blocked=("+15550666",), blocked_answer=BlockedAnswer.DECLINE),
        )
        async with (
            host(tmp_path, settings) as here,
            FaxProvider(("127.0.0.1", 0), accept_calls=True) as called,
            FaxProvider(("127.0.0.1", 0)) as calling,
        ):
            serving = asyncio.create_task(here.receiving.serve(called.calls()))
            to = "sip:+4930123@{}:{}".format(*called.address)
            sent = await calling.send(letter, to, caller="sip:+15550199@trunk.example", settings=UNPACED)
            assert sent.completed, sent.reason
            refused = await calling.send(letter, to, caller="sip:+15550666@trunk.example", settings=UNPACED)
            assert (refused.completed, refused.sip_status) == (False, 603)
            await until(here.faxes)
            (fax,) = await here.faxes()
            await here.over(fax.id)
            kept = fax.document
            assert kept is not None
            content = await here.database.run(lambda connection: documents.content(connection, kept.id))
            await called.__aexit__(None, None, None)
            await serving
    assert (fax.pages, fax.partial, fax.station_id) == (2, False, "+1 555 0199")
    assert fax.caller.startswith("sip:+15550199@")
    assert fax.called.startswith("sip:+4930123@")
    (tmp_path / "stored.tif").write_bytes(content)
    assert differing_pages(tmp_path / "stored.tif", letter) == []
    ((_, attached),) = attachments(box.messages[0])
    (tmp_path / "got.pdf").write_bytes(attached)
    for index in range(2):
        page, pixels = load_page(letter, index)
        shown = pdf.drawn_by_pdfium(tmp_path / "got.pdf", index, page.width, page.rows)
        assert shown.tobytes() == picture(page.width, pixels).tobytes()
