"""``/reference``: the API as one page, made of its OpenAPI description. It loads nothing, no script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse

router = APIRouter(include_in_schema=False)

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222}
h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem;border-bottom:1px solid #ccc}
code,pre{font:14px/1.4 ui-monospace,monospace;background:#f4f4f4}code{padding:0 .2em}
pre{padding:.7rem;overflow:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #eee}
details{margin:.6rem 0}summary{cursor:pointer}.method{display:inline-block;min-width:4.5em;font-weight:bold}
@media (prefers-color-scheme:dark){body{background:#181818;color:#ddd}code,pre{background:#2a2a2a}
a{color:#8bf}td,th{border-color:#333}}
"""
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_METHODS = ("get", "post", "put", "delete")
_EXAMPLE = """\
curl -H "Authorization: Bearer $KEY" -F document=@letter.pdf -F to=+15550100 {base}v1/faxes
curl -H "Authorization: Bearer $KEY" {base}v1/faxes
curl -N -H "Authorization: Bearer $KEY" {base}v1/events"""

Json = dict[str, Any]


@router.get("/")
async def root() -> RedirectResponse:
    return RedirectResponse("/reference")


@router.get("/reference", response_class=HTMLResponse)
async def reference(request: Request) -> HTMLResponse:
    """The page. It needs no key, as it says nothing of this installation."""
    page = _page(request.app, str(request.base_url))
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"})


# Few, because ``base`` has the Host header, which clients choose.
@lru_cache(maxsize=8)
def _page(app: FastAPI, base: str) -> str:
    return "".join(_parts(app.openapi(), base))


def _parts(description: Json, base: str) -> Iterator[str]:
    info = description["info"]
    yield (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(info['title'])}: API</title><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])} {escape(info['version'])}: API</h1>{_text(info['description'])}"
        f"<p>Machine-readable: <a href=/openapi.json>/openapi.json</a>. For example:</p>"
        f"<pre>{escape(_EXAMPLE.format(base=base))}</pre>"
    )
    tags: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in description["paths"].items():
        for method in _METHODS:
            if (operation := methods.get(method)) is not None:
                tag = (operation.get("tags") or ["other"])[0]
                tags.setdefault(tag, []).append((method, path, operation))
    for tag, operations in tags.items():
        yield f"<h2>{escape(tag.capitalize())}</h2>"
        for method, path, operation in operations:
            yield from _operation(method, path, operation)
    yield "<h2>Objects</h2>"
    for name, schema in sorted(description["components"]["schemas"].items()):
        yield from _schema(name, schema)


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    yield (
        f"<details id={escape(operation['operationId'])}><summary><span class=method>{method.upper()}</span>"
        f"<code>{escape(path)}</code> {escape(_first_line(operation))}</summary>"
    )
    yield _text(operation.get("description", ""))
    if parameters := operation.get("parameters"):
        yield "<table><tr><th>Parameter<th>In<th>Type<th>"
        for each in parameters:
            yield (
                f"<tr><td><code>{escape(each['name'])}</code><td>{each['in']}<td>{_type(each['schema'])}"
                f"<td>{_words(each.get('description', ''))}"
            )
        yield "</table>"
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body <code>{escape(kind)}</code>: {_type(body['schema'])}</p>"
    for status, response in operation["responses"].items():
        kinds = response.get("content", {})
        shown = ", ".join(
            f"<code>{escape(kind)}</code> {_type(content.get('schema', {}))}"
            for kind, content in kinds.items()
        )
        yield f"<p>{'Otherwise' if status == 'default' else escape(status)}: {shown or 'nothing'}</p>"
    yield "</details>"


def _schema(name: str, schema: Json) -> Iterator[str]:
    yield f"<h3 id={escape(name)}>{escape(name)}</h3>{_text(schema.get('description', ''))}"
    if values := schema.get("enum"):
        yield f"<p>One of {', '.join(f'<code>{escape(str(each))}</code>' for each in values)}.</p>"
    if properties := schema.get("properties"):
        required = schema.get("required", ())
        yield "<table><tr><th>Field<th>Type<th>"
        for field, each in properties.items():
            must = " (required)" if field in required else ""
            yield (
                f"<tr><td><code>{escape(field)}</code>{must}<td>{_type(each)}"
                f"<td>{_words(each.get('description', ''))}"
            )
        yield "</table>"


def _type(schema: Json) -> str:
    if reference := schema.get("$ref"):
        name = escape(reference.rpartition("/")[2])
        return f"<a href=#{name}>{name}</a>"
    if choices := schema.get("anyOf") or schema.get("allOf"):
        return " or ".join(_type(each) for each in choices)
    if values := schema.get("enum"):
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in values)
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("maxLength", "up to"),
        )
        if key in schema
    ]
    form = schema.get("format") or schema.get("contentEncoding")
    return escape(" ".join([str(kind), *([f"({form})"] if form else []), *bounds]))


def _first_line(operation: Json) -> str:
    return str(operation.get("description") or operation.get("summary", "")).split("\n")[0]


def _text(text: str) -> str:
    return "".join(f"<p>{_words(each)}</p>" for each in text.split("\n\n") if each.strip())


def _words(text: str) -> str:
    """Text with the two marks that descriptions have: *emphasis* and `code`."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\*(\w+)\*", r"<em>\1</em>", marked)
