"""What the document says of requests that take files."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from intake.web.uploads import FILES, MOST_FILES


def multipart_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return what the document says of a request that takes this model as multipart, too (`openapi_extra`)."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": MOST_FILES}
    named = {name: _without_null(one) for name, one in schema["properties"].items()}
    schema["properties"] = {**named, FILES: files}
    schema["description"] = (
        "The fields of the JSON, and files, sent by a program (without cookies). What is null there is left out."
    )
    return {"requestBody": {"content": {"multipart/form-data": {"schema": schema}}}}


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """A form has no null: what isn't there is left out."""
    kinds = [one for one in field.get("anyOf", ()) if one.get("type") != "null"]
    if len(kinds) != 1:
        return field
    return {**{key: value for key, value in field.items() if key not in ("anyOf", "default")}, **kinds[0]}
