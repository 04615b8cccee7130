"""A fax on each way: from the database to a folder, to a webhook, to a program, by mail."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest

from t38fsp.choices import FileFormat
from t38fsp.image.compare import differing_pages
from t38fsp.service.targets import Target
from tests.cli.commands import names
from tests.peers import pdf
from tests.received.faxes import Call, store_pages
from tests.service.deliveries_host import delivered_to, host, plain_mail
from tests.service.destinations import OTHER_SECRET, SECRET, attachments, hook, mailbox

TELLS = """
import json, os, pathlib
facts = {name: value for name, value in os.environ.items() if name.startswith("FAX_")}
facts["octets"] = len(pathlib.Path(facts["FAX_FILE"]).read_bytes())
with open(__file__ + ".told", "a") as file:
    print(json.dumps(facts), file=file)
"""


def program(folder: Path, source: str) -> str:
    path = folder / "program.py"
    path.write_text(source)
    return f"{sys.executable} {path}"


@pytest.mark.full
async def test_into_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "faxes"
    target = Target("archive", folder=str(folder), format=FileFormat.TIFF, file_name="{csi}", sidecar=True)
    async with host(tmp_path, delivered_to(target)) as here:
        id = await here.receives(Call(2))
        await here.over(id)
        (fax,) = await here.faxes()
    assert [name for name in names(folder) if not name.startswith(".")] == [
        "+49_711_55.json",
        "+49_711_55.tif",
    ]
    store_pages(tmp_path / "same.tif", 2)
    assert differing_pages(folder / "+49_711_55.tif", tmp_path / "same.tif") == []
    assert json.loads((folder / "+49_711_55.json").read_text())["job"] == id == fax.id
    assert (fax.pages, fax.partial, fax.station_id, fax.route, fax.rule) == (
        2,
        False,
        "+49 711 55",
        "office",
        "rule 1",
    )
    assert not list((folder / ".delivering").iterdir())
    assert not list((tmp_path / "one" / "work").iterdir())


@pytest.mark.full
@pytest.mark.pdf
async def test_to_a_webhook(tmp_path: Path) -> None:
    async with hook() as there:
        target = Target(
            "crm",
            webhook=there.url,
            private=True,
            secrets=(SECRET, OTHER_SECRET),
            attach=True,
            file_name="fax",
        )
        async with host(tmp_path, delivered_to(target)) as here:
            id = await here.receives()
            await here.over(id)
    (told,) = there.verified()
    # While its secret changes, the far end verifies with either.
    assert there.verified(OTHER_SECRET) == [told]
    assert (told["type"], told["subject"], told["sequence"]) == ("received.stored", id, 1)
    assert (told["data"]["id"], told["data"]["pages"]) == (id, 1)
    (file,) = told["data"]["files"]
    assert (file["name"], file["type"]) == ("fax.pdf", "application/pdf")
    (tmp_path / "got.pdf").write_bytes(base64.b64decode(file["content"]))
    pdf.check(tmp_path / "got.pdf")


@pytest.mark.full
async def test_to_a_program(tmp_path: Path) -> None:
    target = Target("script", command=program(tmp_path, TELLS), format=FileFormat.BOTH)
    async with host(tmp_path, delivered_to(target)) as here:
        id = await here.receives()
        await here.over(id)
    facts = json.loads((tmp_path / "program.py.told").read_text())
    assert (facts["FAX_ID"], facts["FAX_RULE"], facts["FAX_DELIVERY"]) == (id, "rule 1", f"{id}-1")
    assert facts["FAX_FILE"] == facts["FAX_TIFF"]
    assert (facts["FAX_PAGES"], facts["FAX_STATION_ID"]) == ("1", "+49 711 55")
    assert facts["octets"] > 0
    assert facts["FAX_PDF"].endswith(".pdf")
    assert not list((tmp_path / "one" / "work").iterdir())


@pytest.mark.pdf
async def test_by_mail(tmp_path: Path) -> None:
    async with mailbox() as box:
        target = Target("office", mail=("a@office.example", "b@office.example"), file_name="fax-{csi}")
        async with host(tmp_path, delivered_to(target, mail=plain_mail(box.port))) as here:
            id = await here.receives(Call(2))
            await here.over(id)
    assert sorted(str(message["To"]) for message in box.messages) == ["a@office.example", "b@office.example"]
    message = box.messages[0]
    assert (str(message["From"]), str(message["Subject"])) == (
        "fax@office.example",
        "Fax from +49 711 55, 2 pages",
    )
    ((name, content),) = attachments(message)
    assert name == "fax-+49_711_55.pdf"
    (tmp_path / "got.pdf").write_bytes(content)
    pdf.check(tmp_path / "got.pdf")
