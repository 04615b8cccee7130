"""Clients that we did not write: one generated of the OpenAPI description, and one that tries all of it."""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from t38fsp.service.values import Scope
from t38fsp.service.web.server import WebServer
from t38fsp.service.web_settings import WebSettings
from tests.service.conftest import Running
from tests.service.web.conftest import PDF, Api
from tests.service.web.test_events import key_of

pytestmark = pytest.mark.full

PACKAGE = "generated_fax_client"


@pytest.fixture
def generated(tmp_path: Path) -> Iterator[Path]:
    """Where the package of the client is to be made; afterwards it is forgotten."""
    sys.path.insert(0, str(tmp_path))
    yield tmp_path / PACKAGE
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{name}")


async def run(*command: str, cwd: Path) -> tuple[int, str]:
    """Status and output of a program of this environment; ``cwd`` is where it may leave files."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name(command[0])),
        *command[1:],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "200"},
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


async def test_a_generated_client_submits_lists_gets_and_cancels(
    api: Api, running: Running, generated: Path, tmp_path: Path
) -> None:
    description = tmp_path / "openapi.json"
    description.write_text(json.dumps(api.app.openapi()))
    status, output = await run(
        *("openapi-python-client", "generate", "--path", str(description), "--meta", "none"),
        *("--output-path", str(generated)),
        cwd=tmp_path,
    )
    assert status == 0, output
    faxes, models = "api.faxes", part("models")
    token = await key_of(running.service, Scope.SEND, Scope.READ_OWN)
    async with WebServer(running.service, WebSettings(listen="127.0.0.1:0")) as web:
        client: Any = part("client").AuthenticatedClient(base_url=web.urls[0].rstrip("/"), token=token)
        async with client:
            document = part("types").File(payload=io.BytesIO(PDF), file_name="letter.pdf")
            form = models.FaxForm(to=["+15550100"], document=[document], reference="A-17", priority=2)
            job = await part(f"{faxes}.submit_fax").asyncio(client=client, body=form)
            assert isinstance(job, models.JobModel), job
            assert (job.reference, job.priority, job.documents[0].octets) == ("A-17", 2, len(PDF))
            await running.until(job.faxes[0].id)
            found = await part(f"{faxes}.get_fax").asyncio(client=client, fax=job.faxes[0].id)
            assert (found.state, found.pages_confirmed) == (models.FaxState.DELIVERED, 2)
            assert found.calls[0].result["outcome"] == "COMPLETED"
            body = models.FaxRequest(
                documents=[models.DocumentInput(content="JVBERg==", name="a.pdf")],
                receivers=[models.ReceiverInput(to="+15550101", name="Ann")],
                not_before=job.created.replace(year=2036),
            )
            later = await part(f"{faxes}.submit_fax").asyncio(client=client, body=body)
            assert isinstance(later, models.JobModel), later
            cancelled = await part(f"{faxes}.cancel_fax").asyncio(client=client, fax=later.faxes[0].id)
            assert cancelled.state is models.FaxState.CANCELLED
            listed = await part(f"{faxes}.list_faxes").asyncio(client=client, state=models.FaxState.CANCELLED)
            assert [each.id for each in listed.items] == [later.faxes[0].id]
            refused = await part(f"{faxes}.get_fax").asyncio(client=client, fax="nothing")
            assert isinstance(refused, models.Problem)
            assert refused.status == 404


async def test_schemathesis_finds_no_error_of_the_server(running: Running, tmp_path: Path) -> None:
    token = await key_of(running.service, *Scope, per_minute=100_000)
    checks = (
        *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
        *("response_headers_conformance", "response_schema_conformance", "unsupported_method"),
        *("negative_data_rejection", "use_after_free"),
    )
    async with WebServer(running.service, WebSettings(listen="127.0.0.1:0")) as web:
        status, output = await run(
            *("schemathesis", "run", f"{web.urls[0]}openapi.json"),
            *("--header", f"Authorization: Bearer {token}", "--checks", ",".join(checks)),
            # A stream has no end.
            *("--exclude-path", "/v1/events", "--phases", "coverage,fuzzing"),
            *("--max-examples", "3", "--seed", "1", "--request-timeout", "60", "--no-color"),
            *("--suppress-health-check", "all", "--continue-on-failure"),
            cwd=tmp_path,
        )
    assert status == 0, output[-6000:]
