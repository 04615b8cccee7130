"""The page that shows the API: complete, and loading nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.service.web.conftest import Api

pytestmark = pytest.mark.full


class Page(HTMLParser):
    """What a page would load, where it leads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: set[str] = set()
        self.anchors: set[str] = set()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            match name:
                case "id":
                    self.anchors.add(value or "")
                case "href" if tag == "a":
                    self.leads.add(value or "")
                case "src" | "href" | "action" | "data":
                    self.loads.append(value or "")


async def test_the_page_has_every_operation_and_object_and_loads_nothing(api: Api) -> None:
    stranger = await api.connect(local=False)
    answer = await stranger.get("/reference")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    page = Page(answer.text)
    assert not page.loads
    assert not page.tags & {"script", "img", "link", "iframe", "object", "form"}
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    description = (await stranger.get("/openapi.json")).json()
    operations = {each["operationId"] for path in description["paths"].values() for each in path.values()}
    assert operations | set(description["components"]["schemas"]) == page.anchors
    # Everything it leads to is there.
    assert {lead[1:] for lead in page.leads if lead.startswith("#")} <= page.anchors
    assert {lead for lead in page.leads if not lead.startswith("#")} == {"/openapi.json"}
    assert (await stranger.get("/")).headers["location"] == "/reference"


async def test_the_description_has_all_that_it_refers_to(api: Api) -> None:
    answer = await api.local.get("/openapi.json")
    described = set(answer.json()["components"]["schemas"])
    assert set(re.findall(r'"#/components/schemas/(\w+)"', answer.text)) <= described
    assert {"FaxRequest", "FaxForm", "Problem", "EventModel"} <= described
