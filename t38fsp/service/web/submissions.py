"""A submission out of the body of a request: JSON, or a form with files."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from t38fsp.cover import Cover
from t38fsp.errors import SettingError
from t38fsp.header import Header
from t38fsp.page_settings import PageSettings
from t38fsp.service.deliveries import job_webhooks
from t38fsp.service.fetching import fetch
from t38fsp.service.guard import GuardError
from t38fsp.service.submission import Submission, of_values
from t38fsp.service.values import Receiver
from t38fsp.service.web.context import Context
from t38fsp.service.web.models import DocumentInput, FaxFields, FaxRequest, HeaderInput, seconds_or_none
from t38fsp.service.web.problems import ProblemError, invalid, invalid_field

MOST_JSON = 16 * 1024 * 1024
"""Octets of a JSON body, which is read in one go; larger documents come as a form."""
# Many, as each receiver may be a field `to` of its own.
_MOST_FIELDS = 5000
"""Parts of a form that are not files."""
_FILES = "document"
_LISTS = ("to",)
JSON_FIELDS = ("receivers", "cover", "header", "pages", "call")
"""Fields of a form whose text is JSON."""

_Documents = tuple[tuple[str, bytes], ...]


async def submission_of(request: Request, context: Context, idempotency_key: str) -> Submission:
    """Raises ProblemError for a body that is not a submission."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        fields, documents = await _from_json(request, context)
    elif kind == "multipart/form-data":
        fields, documents = await _from_form(request, context)
    else:
        raise ProblemError(
            415,
            "the body is neither JSON nor a form with files; send application/json or multipart/form-data",
        )
    if fields.webhook:
        try:
            job_webhooks.check(fields.webhook, context.webhooks)
        except SettingError as error:
            raise invalid_field("webhook", str(error)) from None
    return _submission(fields, documents, idempotency_key)


async def _from_json(request: Request, context: Context) -> tuple[FaxFields, _Documents]:
    body = await request.body()
    if len(body) > MOST_JSON:
        raise ProblemError(
            413, f"the JSON has more than {MOST_JSON} octets; send the documents as multipart/form-data"
        )
    try:
        # In a thread: reading megabytes would delay the packets of calls that this process may have.
        read = await asyncio.to_thread(FaxRequest.model_validate_json, body)
    except ValidationError as error:
        raise invalid(error.errors(include_input=False, include_context=False)) from None
    most = context.service.settings.max_document_octets
    if len(read.documents) > context.service.settings.max_documents:
        raise invalid_field(
            "documents",
            f"there are {len(read.documents)}: the maximum is {context.service.settings.max_documents}",
        )
    documents: list[tuple[str, bytes]] = []
    for at, each in enumerate(read.documents):
        document = await _document(each, f"documents[{at}]", context, most)
        # What is left for the documents after it.
        most = max(0, most - len(document[1]))
        documents.append(document)
    return read, tuple(documents)


async def _document(given: DocumentInput, field: str, context: Context, most: int) -> tuple[str, bytes]:
    if (given.content is None) is (given.url is None):
        raise invalid_field(field, "give either its content or its url")
    if given.url is not None:
        try:
            name, content = await fetch(given.url, context.fetch, most)
        except GuardError as error:
            raise invalid_field(f"{field}.url", str(error)) from None
        return given.name or name, content
    assert given.content is not None
    try:
        return given.name, await asyncio.to_thread(_decode, given.content)
    except (binascii.Error, ValueError):
        raise invalid_field(f"{field}.content", "it is not base64 (RFC 4648 4)") from None


def _decode(content: str) -> bytes:
    # Some encoders break lines.
    return base64.b64decode("".join(content.split()), validate=True)


async def _from_form(request: Request, context: Context) -> tuple[FaxFields, _Documents]:
    most_files = context.service.settings.max_documents
    # max_part_size is for fields alone: files go to disk, and max_body limits them (edge.py).
    async with request.form(max_files=most_files, max_fields=_MOST_FIELDS, max_part_size=MOST_JSON) as form:
        values, files = _parts(form)
        try:
            # As JSON once more, so that a form is checked by the same rules as a body of JSON.
            read = FaxFields.model_validate_json(json.dumps(values))
        except ValidationError as error:
            raise invalid(error.errors(include_input=False, include_context=False)) from None
        # Within the block, at whose end the files are closed.
        documents = tuple([(_base_name(each.filename), await each.read()) for each in files])
    return read, documents


def _parts(form: FormData) -> tuple[dict[str, Any], list[UploadFile]]:
    """The values of the fields as JSON, and the files. Raises ProblemError."""
    values: dict[str, Any] = {}
    files: list[UploadFile] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != _FILES:
                raise invalid_field(name[:60], f"it is a file; files are sent as {_FILES!r}")
            files.append(value)
        elif name in _LISTS:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise invalid_field(name[:60], "it is there twice; send it once")
        else:
            values[name] = _value(name, value)
    return values, files


def _value(name: str, text: str) -> object:
    if name == _FILES:
        raise invalid_field(name, "it is not a file: its part needs a file name (curl: document=@FILE)")
    if name == "priority":
        # What is no number stays a text, of which the model then says what is wrong.
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
    if name in JSON_FIELDS:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise invalid_field(name, "it is not JSON, which this field is in a form") from None
    # An empty field of a form is one that was not filled in.
    return text or None if name in ("not_before", "deadline", "after_crash") else text


def _base_name(name: str | None) -> str:
    """Some programs send a path."""
    return (name or "").replace("\\", "/").rpartition("/")[2]


def _submission(given: FaxFields, documents: _Documents, idempotency_key: str) -> Submission:
    receivers = [Receiver(each) for each in given.to]
    receivers += [
        Receiver(each.to, each.name, each.sub_address, tuple(each.fields.items())) for each in given.receivers
    ]
    try:
        return Submission(
            documents=documents,
            receivers=tuple(receivers),
            route=given.route,
            priority=given.priority,
            not_before=seconds_or_none(given.not_before),
            deadline=seconds_or_none(given.deadline),
            window=given.window,
            reference=given.reference,
            cover=_cover(given),
            header=_header(given.header),
            pages=None if given.pages is None else of_values(PageSettings, _given(given.pages)),
            call={} if given.call is None else _given(given.call),
            password=given.password,
            caller=given.caller,
            sender_id=given.sender_id,
            after_crash=given.after_crash,
            webhook=given.webhook,
            idempotency_key=idempotency_key,
        )
    except SettingError as error:
        raise invalid_field("", str(error)) from None


def _given(model: Any) -> Mapping[str, Any]:
    values: dict[str, Any] = model.model_dump(exclude_none=True)
    return values


def _cover(given: FaxFields) -> Cover | None:
    if (cover := given.cover) is None:
        return None
    return Cover(
        template=cover.template,
        from_name=cover.from_name,
        subject=cover.subject,
        comment=cover.comment,
        fields=tuple(cover.fields.items()),
    )


def _header(header: bool | HeaderInput | None) -> Header | bool | None:
    if not isinstance(header, HeaderInput):
        return header
    return Header(name=header.name) if header.template is None else Header(header.template, header.name)
