"""A fax by REST from submission to delivery."""

from __future__ import annotations

import json

from t38fsp.service.values import Scope
from tests.service.web.conftest import Api, faults, state_of


async def test_a_form_with_files_is_sent_to_all_receivers(api: Api) -> None:
    client = await api.client(Scope.SEND, Scope.READ_OWN)
    answer = await client.post(
        "/v1/faxes",
        files=[("document", ("C:\\letters\\one.pdf", b"1")), ("document", ("two.txt", b"22"))],
        data={
            "to": ["+15550100", "sip:fax@gateway.example"],
            "receivers": json.dumps([{"to": "+15550101", "name": "Ann", "fields": {"Ref": "7"}}]),
            "priority": "2",
            "reference": "A-17",
            "cover": '{"subject": "Offer", "comment": "Two\\nlines"}',
            "header": "true",
            "pages": '{"quality": "fast"}',
            "call": '{"ecm": false}',
            "deadline": "2036-01-01T12:00:00+01:00",
        },
    )
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert [(each["name"], each["octets"]) for each in job["documents"]] == [("one.pdf", 1), ("two.txt", 2)]
    assert [each["to"] for each in job["faxes"]] == ["+15550100", "sip:fax@gateway.example", "+15550101"]
    assert (job["priority"], job["reference"], job["receivers"]) == (2, "A-17", 3)
    assert job["deadline"] == "2036-01-01T11:00:00Z"
    assert job["options"]["cover"]["subject"] == "Offer"
    assert (job["options"]["header"], job["options"]["call"]) == (True, {"ecm": False})
    assert job["options"]["pages"]["quality"] == "fast"
    done = await state_of(client, job["faxes"][2]["id"], "delivered")
    assert (done["pages"], done["pages_confirmed"], done["attempts"], done["name"]) == (2, 2, 1, "Ann")
    (call,) = done["calls"]
    assert (call["state"], call["host"], call["result"]["outcome"]) == ("released", "here", "COMPLETED")
    document = await client.get(f"/v1/jobs/{job['id']}/documents/2")
    assert (document.content, document.headers["content-type"]) == (b"22", "application/octet-stream")
    assert faults(await client.get(f"/v1/jobs/{job['id']}/documents/3"), 404) == []
