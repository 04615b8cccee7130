"""What README.md and docs/routes.md say of routes is so; a fax goes by the route of the README."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from t38fsp.choices import Switch
from t38fsp.image.compare import differing_pages
from t38fsp.settings.dial_plan import DialPlan
from t38fsp.settings.file import Configuration
from t38fsp.settings.local import Endpoint, IncomingTable, ReceivedTable, Tls
from t38fsp.settings.route import T38, Route
from tests.cli.commands import names, t38fsp
from tests.peers.kamailio import Kamailio
from tests.routes_page import TABLES, page

ROOT = Path(__file__).parents[1]


def route_of_readme(folder: Path) -> Configuration:
    """The file of the README, and the password file that it names."""
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    (folder / "t38fsp.toml").write_text(example)
    (folder / "office.password").write_text("secret\n")
    (folder / "office.password").chmod(0o600)
    return Configuration.read(folder / "t38fsp.toml")


def test_the_route_of_the_readme_is_what_the_text_says(tmp_path: Path) -> None:
    route = route_of_readme(tmp_path).route("office")
    assert route.target("(212) 555-0100") == "sip:+12125550100@trunk.example"
    assert route.call.switch is Switch.EITHER
    assert route.engine_route is not None
    assert route.engine_route.registration is not None


def table(section: str) -> dict[str, str]:
    """Keys and defaults."""
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\|", section, re.M))


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.name)
def test_the_tables_say_what_the_code_says(file: Path) -> None:
    assert page(file) == file.read_text(encoding="utf-8"), "write them anew: python -m tests.routes_page"


def test_every_key_above_all_tables_is_documented() -> None:
    text = (ROOT / "docs" / "routes.md").read_text(encoding="utf-8")
    section = text.partition("## Above all tables\n")[2].partition("\n## ")[0]
    assert set(table(section)) == set(Endpoint.model_fields) - {"tls", "incoming", "received"}


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("[tls]", Tls),
        ("[incoming]", IncomingTable),
        ("[received]", ReceivedTable),
        ("[routes.NAME]", Route),
        ("[routes.NAME.dial]", DialPlan),
        ("[routes.NAME.t38]", T38),
    ],
)
def test_every_key_is_documented_with_its_default(heading: str, model: type[BaseModel]) -> None:
    text = (ROOT / "docs" / "routes.md").read_text(encoding="utf-8")
    section = text.partition(f"## `{heading}`\n")[2].partition("\n## ")[0]
    told = table(section)
    sources = {key for key in told if key.endswith(("password_file", "password_variable"))}
    assert set(told) - sources == set(model.model_fields)
    for key, field in model.model_fields.items():
        if isinstance(field.default, bool | int | float):
            shown = str(field.default).lower() if isinstance(field.default, bool) else f"{field.default:g}"
            assert told[key] in (f"`{shown}`", f"`{shown}.0`"), key


@pytest.mark.kamailio
@pytest.mark.parametrize("transport", ["udp", pytest.param("tcp", marks=pytest.mark.full)])
async def test_a_fax_goes_by_the_route_of_the_readme_and_comes_in_through_its_registration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letter: Path, transport: str
) -> None:
    """The commands of the README. Kamailio is the trunk: it challenges, registers and records routes."""
    route_of_readme(tmp_path)
    folder = tmp_path / "kamailio"
    folder.mkdir()
    account = "+12125550100"
    with Kamailio(folder, users={"myaccount": "secret"}, challenge_calls=True) as trunk:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("T38FSP_PEER", trunk.place)
        monkeypatch.setenv("T38FSP_TRANSPORT", transport)
        monkeypatch.setenv("T38FSP_T38__INTERNET_AWARE", "true")  # no page takes the time of a modem
        monkeypatch.setenv("T38FSP_CALLER", f"sip:myaccount@{trunk.place}")
        monkeypatch.setenv("T38FSP_ADDRESS_OF_RECORD", f"sip:{account}@{trunk.place}")
        receiving = ("receive", "--output", "faxes", "--route", "office", "--listen", "127.0.0.1:0")
        async with t38fsp(*receiving, "--count", "1") as receiver:
            assert await receiver.printed("registered at office for 3600 s")
            assert await asyncio.to_thread(trunk.registered, account)
            sending = ("send", letter, "--to", "(212) 555-0100", "--route", "office")
            async with t38fsp(*sending, "--listen", "127.0.0.1:0", "--json") as sender:
                sent, received = await asyncio.gather(sender.end(), receiver.end())
        assert not await asyncio.to_thread(trunk.registered, account)
    assert f"by {transport}:127.0.0.1" in trunk.log.read_text()
    assert (sent.status, received.status) == (0, 0), sent.progress + received.output
    assert sent.json["pages_confirmed"] == 1
    assert f"calling sip:{account}@{trunk.place}" in sent.progress
    assert "unregistered at office" in received.output
    (fax,) = names(tmp_path / "faxes")
    assert differing_pages(letter, tmp_path / "faxes" / fax) == []
