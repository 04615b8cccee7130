"""Polling with the asyncio API: what is settled before any page (whole calls: tests/cli/test_polling.py)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sip.values import Credentials
from t38fsp.jobs import PollOffer
from t38fsp.provider import FaxProvider
from t38fsp.settings.address import AddressError
from t38fsp.settings.file import Configuration
from t38fsp.status import FaxStatus

pytestmark = pytest.mark.usefixtures("page_threads")

HOST = "127.0.0.1"


async def test_an_offer_that_is_no_fax_is_told_and_the_call_refused(tmp_path: Path) -> None:
    (tmp_path / "offer.tif").write_bytes(b"%PDF-1.7")
    async with (
        asyncio.timeout(60.0),
        FaxProvider((HOST, 0), accept_calls=True) as far,
        FaxProvider((HOST, 0)) as provider,
    ):
        target = f"sip:fax@{HOST}:{far.address[1]}"
        polling = asyncio.create_task(provider.poll(target, tmp_path / "fetched.tif"))
        call = await anext(far.calls())
        taken = await call.receive(tmp_path / "received.tif", offer=PollOffer(str(tmp_path / "offer.tif")))
        polled = await polling
    assert taken.status is FaxStatus.BAD_DOCUMENT
    assert "cannot be read" in taken.reason
    assert (polled.status, polled.sip_status, polled.file) == (FaxStatus.BUSY, 486, None)
    assert not (tmp_path / "fetched.tif").exists()


async def test_what_cannot_be_asked_for_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with FaxProvider((HOST, 0)) as provider:
        with pytest.raises(AddressError, match="needs a SIP peer"):
            await provider.poll("+15550100", tmp_path / "fetched.tif")
        with pytest.raises(LookupError, match="no route 'office'"):
            await provider.poll("+15550100", tmp_path / "fetched.tif", route="office")
        with pytest.raises(ValueError, match="a selective address has at most 20"):
            await provider.poll("sip:a@127.0.0.1", tmp_path / "fetched.tif", selective_address="1" * 21)


def test_a_poll_goes_the_way_of_its_route(tmp_path: Path) -> None:
    file = tmp_path / "t38fsp.toml"
    file.write_text(
        '[routes.office]\npeer = "trunk.example"\nuser = "me"\npassword = "secret"\n'
        'station_id = "+1 555 0199"\nheader = "{page}"\n'
    )
    file.chmod(0o600)
    job = Configuration.read(file).route("office").poll_job("fetched.tif", "+15550100")
    assert (job.file, job.target, job.route) == ("fetched.tif", "sip:+15550100@trunk.example", "office")
    assert (job.credentials, job.settings.station_id) == (Credentials("me", "secret"), "+1 555 0199")
