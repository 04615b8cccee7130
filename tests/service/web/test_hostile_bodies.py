"""Bodies that were damaged on purpose: each is answered, none with an error of the server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from random import Random

import httpx
import pytest

from tests.service.web.conftest import PDF, Api

pytestmark = pytest.mark.full

BOUNDARY = b"----boundary"
FORM = {"content-type": "multipart/form-data; boundary=" + BOUNDARY.decode()}
JSON = {"content-type": "application/json"}
PIECES = (
    *(b"\r\n", b"--", BOUNDARY, b"\0", b"\xff\xfe", b'"', b"\\", b"=", b";", b"[", b"{", b"null", b"1e999"),
    *(b"filename*=UTF-8''%ff%00\"", b"Content-Disposition: form-data", b"Content-Transfer-Encoding: base64"),
    *("\u202e".encode(), b"A" * 3000, b'"to":' * 50, b"-1", b"NaN", b"\\ud800", b"9" * 400),
)


def form() -> bytes:
    parts = [
        b'Content-Disposition: form-data; name="document"; filename="a.pdf"\r\n\r\n' + PDF,
        b'Content-Disposition: form-data; name="to"\r\n\r\n+15550100',
        b'Content-Disposition: form-data; name="receivers"\r\n\r\n[{"to": "+15550101"}]',
        b'Content-Disposition: form-data; name="priority"\r\n\r\n3',
        b'Content-Disposition: form-data; name="not_before"\r\n\r\n2036-01-01T00:00:00Z',
        b'Content-Disposition: form-data; name="cover"\r\n\r\n{"subject": "x"}',
    ]
    return (
        b"".join(b"--" + BOUNDARY + b"\r\n" + each + b"\r\n" for each in parts) + b"--" + BOUNDARY + b"--\r\n"
    )


def body() -> bytes:
    document = {"name": "a.pdf", "content": base64.b64encode(PDF).decode()}
    whole = {
        "documents": [document],
        "to": ["+15550100"],
        "receivers": [{"to": "+15550101", "fields": {"a": "b"}}],
        "not_before": "2036-01-01T00:00:00Z",
        "priority": 3,
        "cover": {"subject": "x", "comment": "y"},
        "call": {"ecm": True, "max_rate": 9600},
        "header": {"template": "{date}|{to}|{page}"},
    }
    return json.dumps(whole).encode()


def damaged(whole: bytes, number: int, seed: int) -> Iterator[bytes]:
    random = Random(seed)
    for _ in range(number):
        octets = bytearray(whole)
        for _ in range(random.choice((1, 1, 2, 5))):
            at = random.randrange(len(octets) + 1)
            match random.randrange(5):
                case 0:
                    octets[at:at] = random.choice(PIECES)
                case 1:
                    del octets[at : at + random.randrange(1, 30)]
                case 2:
                    octets[at : at + 1] = bytes([random.randrange(256)])
                case 3:
                    other = random.randrange(len(octets) + 1)
                    octets[at:at] = octets[other : other + random.randrange(200)]
                case _:
                    del octets[at:]
        yield bytes(octets)


async def assert_answered(client: httpx.AsyncClient, number: int) -> None:
    statuses: set[int] = set()
    for whole, headers in ((form(), FORM), (body(), JSON)):
        assert (await client.post("/v1/faxes", content=whole, headers=headers)).status_code == 201
        for at, octets in enumerate(damaged(whole, number, len(whole))):
            answer = await client.post("/v1/faxes", content=octets, headers=headers)
            assert answer.status_code in (201, 400, 422), (at, answer.text, octets)
            if answer.status_code != 201:
                assert answer.headers["content-type"] == "application/problem+json"
            statuses.add(answer.status_code)
    assert statuses == {201, 400, 422}


async def test_damaged_bodies_are_answered(api: Api) -> None:
    await assert_answered(api.local, 300)
