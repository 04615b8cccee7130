"""The OpenAPI description, with the two kinds of bodies that FastAPI cannot describe together."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from t38fsp.service.web.events import EventModel
from t38fsp.service.web.models import FaxFields, FaxRequest
from t38fsp.service.web.submissions import JSON_FIELDS

_REFERENCE = "#/components/schemas/{model}"


def install(app: FastAPI) -> None:
    """Have the application describe itself completely."""

    def description() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                separate_input_output_schemas=app.separate_input_output_schemas,
            )
            _add_bodies(made["components"]["schemas"])
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = description  # type: ignore[method-assign]


def _add_bodies(schemas: dict[str, Any]) -> None:
    request = FaxRequest.model_json_schema(ref_template=_REFERENCE)
    # pydantic puts models that are used below a schema, OpenAPI beside it.
    for name, schema in request.pop("$defs").items():
        schemas.setdefault(name, schema)
    schemas["FaxRequest"] = request
    schemas["FaxForm"] = _form()
    # What a stream of events consists of has no place of its own in a description.
    schemas["EventModel"] = EventModel.model_json_schema(ref_template=_REFERENCE)


def _form() -> dict[str, Any]:
    """A form: the same fields, objects as JSON, and the files."""
    fields = FaxFields.model_json_schema(ref_template=_REFERENCE)
    properties = dict(fields["properties"])
    for name in JSON_FIELDS:
        known = properties[name]
        text = f"{known.get('description', '')} As JSON, as in a FaxRequest.".strip()
        properties[name] = {"type": "string", "description": text}
    properties["document"] = {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "description": "Files.",
    }
    return {
        "type": "object",
        "description": "A submission as a form.",
        "properties": properties,
        "additionalProperties": False,
    }
