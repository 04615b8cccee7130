"""Deliveries that do not arrive: they are tried again, given up, asked for again, and stop no other."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from t38fsp.choices import FileFormat
from t38fsp.errors import SettingError
from t38fsp.service.deliveries.queue import Deliveries
from t38fsp.service.delivery_settings import MailSecurity, MailServer, RetrySettings
from t38fsp.service.targets import Target
from t38fsp.service.values import DeliveryState
from tests.received.faxes import Call
from tests.service.deliveries_host import PATIENCE, QUICK, delivered_to, host, looks_often, plain_mail, until
from tests.service.destinations import SECRET, Hook, hook, mailbox
from tests.sip.certificates import Authority

__all__ = ["looks_often"]


def webhook(there: Hook, name: str = "crm", **more: object) -> Target:
    return Target(name, webhook=there.url, private=True, secrets=(SECRET,), **more)  # type: ignore[arg-type]


def archive(folder: Path) -> Target:
    return Target("archive", folder=str(folder), format=FileFormat.TIFF)


@pytest.mark.full
async def test_a_server_that_is_down_for_a_while(tmp_path: Path) -> None:
    async with hook() as there:
        pass
    port = int(there.url.rpartition(":")[2].partition("/")[0])
    async with host(tmp_path, delivered_to(webhook(there))) as here:
        id = await here.receives()

        async def was_tried() -> bool:
            (delivery,) = await here.delivery(id)
            return delivery.attempts >= 2 and "cannot be reached" in delivery.error

        await until(was_tried)
        async with hook(port) as back:
            await here.over(id)
        (delivery,) = await here.delivery(id)
    assert (delivery.error, delivery.next_attempt) == ("", None)
    # The same delivery, though it was tried several times.
    assert [headers["webhook-id"] for headers, _ in back.got] == [f"{id}-1"]


@pytest.mark.full
async def test_one_that_hangs_stops_no_other(tmp_path: Path) -> None:
    retries = RetrySettings(first_delay=0.05, growth=1.0, at_a_time=4, per_target=2)
    async with hook() as hangs, hook() as there:
        hangs.answers.clear()
        settings = delivered_to(webhook(hangs, "hangs"), webhook(there), retries=retries)
        async with host(tmp_path, settings) as here:
            ids = [await here.receives() for _ in range(6)]
            await until(lambda: len(there.got) == 6)
            assert {told["subject"] for told in there.verified()} == set(ids)
            assert hangs.tried == 2
            hangs.answers.set()
            await here.over(*ids)


@pytest.mark.full
async def test_an_attempt_has_an_end(tmp_path: Path) -> None:
    async with hook() as there:
        there.answers.clear()
        async with host(tmp_path, delivered_to(webhook(there, seconds=1.0))) as here:
            id = await here.receives()
            await until(lambda: there.tried == 2)
            (delivery,) = await here.delivery(id)
            assert "within 1 s" in delivery.error
            there.answers.set()
            await here.over(id)


@pytest.mark.full
async def test_a_webhook_that_wants_no_more(tmp_path: Path) -> None:
    async with hook(status=410) as there, host(tmp_path, delivered_to(webhook(there))) as here:
        first = await here.receives()
        await here.over(first, state=DeliveryState.FAILED)
        second = await here.receives()
        await here.over(second, state=DeliveryState.FAILED)
        # The second one was not even tried.
        assert there.tried == 1
        kinds = [event.kind for event in await here.events()]
        assert kinds == ["received.stored", "target.disabled", "delivery.failed", "received.stored"]
        there.status = 204
        assert await here.deliveries.again(f"{second}-1")
        await here.over(second)
        third = await here.receives()
        await here.over(third)
        assert not await here.deliveries.again("unknown")
    assert [told["subject"] for told in there.verified()] == [second, third]


@pytest.mark.full
async def test_it_is_given_up_and_asked_for_again(tmp_path: Path) -> None:
    retries = RetrySettings(first_delay=0.05, growth=1.0, attempts=3)
    async with (
        hook(status=500) as there,
        host(tmp_path, delivered_to(webhook(there), retries=retries)) as here,
    ):
        id = await here.receives()
        await here.over(id, state=DeliveryState.FAILED)
        (delivery,) = await here.delivery(id)
        assert (delivery.attempts, there.tried) == (3, 3)
        assert "500" in delivery.error
        told = (await here.events())[-1]
        assert (told.kind, told.subject, told.body["delivery"]) == ("delivery.failed", id, f"{id}-1")
        there.status = 200
        assert await here.deliveries.again(delivery.id)
        await here.over(id)
    assert len(there.got) == 1


@pytest.mark.full
async def test_it_waits_as_the_far_end_asks(tmp_path: Path) -> None:
    async with (
        hook(status=503, headers=("Retry-After: 3600",)) as there,
        host(tmp_path, delivered_to(webhook(there)), clock=lambda: 1000.0) as here,
    ):
        id = await here.receives()

        async def waits() -> bool:
            (delivery,) = await here.delivery(id)
            return delivery.next_attempt == 4600.0

        await until(waits)


@pytest.mark.full
async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with hook() as elsewhere, hook(status=302) as there:
        there.headers = (f"Location: {elsewhere.url}",)
        settings = delivered_to(webhook(there), retries=RetrySettings(attempts=1))
        async with host(tmp_path, settings) as here:
            id = await here.receives()
            await here.over(id, state=DeliveryState.FAILED)
    assert elsewhere.tried == 0


@pytest.mark.full
async def test_a_private_address_only_if_it_is_meant(tmp_path: Path) -> None:
    async with hook() as there:
        with pytest.raises(SettingError, match="private"):
            Target("crm", webhook=there.url, secrets=(SECRET,))
        url = there.url.replace("http:", "https:")
        target = Target("crm", webhook=url, secrets=(SECRET,))
        settings = delivered_to(target, retries=RetrySettings(attempts=1))
        async with host(tmp_path, settings) as here:
            id = await here.receives()
            await here.over(id, state=DeliveryState.FAILED)
            (delivery,) = await here.delivery(id)
    assert "public address" in delivery.error
    assert there.tried == 0


@pytest.mark.full
async def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    place = tmp_path / "mount"
    place.write_text("a file where the folder belongs")
    async with host(tmp_path, delivered_to(archive(place / "faxes"))) as here:
        id = await here.receives()

        async def was_tried() -> bool:
            (delivery,) = await here.delivery(id)
            return bool(delivery.error)

        await until(was_tried)
        place.unlink()
        await here.over(id)
    assert len(list((place / "faxes").glob("*.tif"))) == 1


@pytest.mark.full
async def test_a_program_that_fails_at_first(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import pathlib, sys\n"
        "tried = pathlib.Path(__file__ + '.tried')\n"
        "tried.write_text(tried.read_text() + 'x' if tried.exists() else 'x')\n"
        "sys.exit(3 if len(tried.read_text()) < 3 else 0)\n"
    )
    settings = delivered_to(Target("script", command=f"{sys.executable} {program}", format=FileFormat.TIFF))
    async with host(tmp_path, settings) as here:
        id = await here.receives()
        await here.over(id)
        (delivery,) = await here.delivery(id)
    assert delivery.attempts == 3


@pytest.mark.full
async def test_a_recipient_that_is_refused_stops_no_other(tmp_path: Path) -> None:
    async with mailbox() as box:
        box.refuses = {"gone@office.example": "550 no such user", "slow@office.example": "451 later"}
        target = Target(
            "office",
            mail=("gone@office.example", "slow@office.example", "here@office.example"),
            format=FileFormat.TIFF,
        )
        async with host(tmp_path, delivered_to(target, mail=plain_mail(box.port))) as here:
            id = await here.receives()

            async def gone_and_slow() -> bool:
                gone, slow, ready = await here.delivery(id)
                return (
                    gone.state is DeliveryState.FAILED
                    and "550 no such user" in gone.error
                    and slow.attempts >= 2
                    and ready.state is DeliveryState.DELIVERED
                )

            await until(gone_and_slow)
            del box.refuses["slow@office.example"]

            async def slow_is_there() -> bool:
                return (await here.delivery(id))[1].state is DeliveryState.DELIVERED

            await until(slow_is_there)
            gone = (await here.delivery(id))[0]
    assert gone.attempts == 1
    assert sorted(str(message["To"]) for message in box.messages) == [
        "here@office.example",
        "slow@office.example",
    ]


@pytest.mark.full
async def test_a_mail_server_that_says_nothing(tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        closed.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    target = Target("office", mail=("a@office.example",), format=FileFormat.TIFF, seconds=1.0)
    settings = delivered_to(target, mail=plain_mail(port), retries=RetrySettings(attempts=1))
    async with host(tmp_path, settings) as here:
        id = await here.receives()
        await here.over(id, state=DeliveryState.FAILED)
        # Its thread does not wait on.
        await asyncio.wait_for(closed.wait(), 30)
    server.close()


@pytest.mark.full
async def test_a_fax_too_large_for_mail_is_seen(tmp_path: Path) -> None:
    async with mailbox() as box:
        mail = plain_mail(box.port)
        settings = delivered_to(
            Target("office", mail=("a@office.example",), format=FileFormat.TIFF),
            mail=type(mail)("127.0.0.1", box.port, mail.security, sender=mail.sender, most_octets=10_000),
        )
        async with host(tmp_path, settings) as here:
            id = await here.receives(Call(8))
            await here.over(id, state=DeliveryState.FAILED)
            (delivery,) = await here.delivery(id)
    assert "10000" in delivery.error
    assert not box.messages


@pytest.mark.full
@pytest.mark.tesseract
async def test_a_program_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    for target, told in (
        (Target("a", command="/no/such/program"), "targets.a: command:"),
        (Target("b", command='echo "$FAX_FILE"'), "no shell"),
        (Target("c", folder=str(tmp_path), ocr=True, ocr_languages="tlh"), "targets.c: ocr_languages"),
    ):
        with pytest.raises(SettingError, match=told):
            async with host(tmp_path, delivered_to(target)):
                pass


@pytest.mark.full
async def test_mail_by_tls_with_an_account(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    issued = authority.issue("mail", "IP:127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    assert issued.certificate is not None
    context.load_cert_chain(issued.certificate, issued.key)
    target = Target("office", mail=("a@office.example",), format=FileFormat.TIFF)
    right = MailServer(
        "127.0.0.1",
        security=MailSecurity.STARTTLS,
        authorities=authority.certificate,
        user="fax",
        password="secret",
        sender="fax@office.example",
    )
    async with mailbox(context=context) as box:
        wrong = {
            "does not take the account": replace(right, port=box.port, password="other"),
            "certificate verify failed": replace(right, port=box.port, authorities=""),
            "TLS|STARTTLS": replace(right, port=box.port, security=MailSecurity.NONE, password=None, user=""),
        }
        for number, (told, server) in enumerate(wrong.items()):
            settings = delivered_to(target, mail=server, retries=RetrySettings(attempts=1))
            async with host(tmp_path / str(number), settings) as here:
                id = await here.receives()
                await here.over(id, state=DeliveryState.FAILED)
                (delivery,) = await here.delivery(id)
                assert re.search(told, delivery.error)
                assert "other" not in delivery.error
        async with host(tmp_path, delivered_to(target, mail=replace(right, port=box.port))) as here:
            await here.over(await here.receives())
    assert (box.over_tls, set(box.users)) == ([True], {"fax"})
    async with mailbox(context=context, at_once=True) as box:
        at_once = replace(right, port=box.port, security=MailSecurity.TLS, user="", password=None)
        async with host(tmp_path / "tls", delivered_to(target, mail=at_once)) as here:
            await here.over(await here.receives())
        elsewhere = replace(at_once, host="localhost")
        settings = delivered_to(target, mail=elsewhere, retries=RetrySettings(attempts=1))
        async with host(tmp_path / "name", settings) as here:
            id = await here.receives()
            await here.over(id, state=DeliveryState.FAILED)
            (delivery,) = await here.delivery(id)
            assert "localhost" in delivery.error
    assert len(box.messages) == 1


@pytest.mark.full
async def test_it_ends_while_old_deliveries_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def tidy(self: Deliveries) -> None:
        begun.set()
        await asyncio.sleep(0.2)

    monkeypatch.setattr(Deliveries, "_tidy", tidy)
    async with asyncio.timeout(PATIENCE), host(tmp_path, delivered_to(archive(tmp_path))):
        await begun.wait()


@pytest.mark.full
async def test_what_is_not_in_the_settings_any_more(tmp_path: Path) -> None:
    async with hook(status=500) as there:
        async with host(tmp_path, delivered_to(webhook(there))) as here:
            id = await here.receives()
            await until(lambda: there.tried)
        async with host(tmp_path, delivered_to(archive(tmp_path), retries=QUICK)) as here:

            async def is_told() -> bool:
                (delivery,) = await here.delivery(id)
                return "'crm'" in delivery.error

            await until(is_told)
