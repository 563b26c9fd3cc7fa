"""The page that shows the document of the API to people: made from it, without a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from markupsafe import Markup, escape
from starlette.responses import Response

from intake.web.render import PageRoute, head, page
from intake.web.sessions import session_actor

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_LIMITS: Final = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "{} or more",
    "maximum": "{} or less",
    "maxItems": "at most {}",
    "pattern": "like {}",
}


@dataclass(frozen=True, slots=True)
class Named:
    """A parameter, or a field of a body. `place`: where it goes. `limits`: its type and what it may be."""

    name: str
    place: str
    needed: bool
    limits: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of the API. `answers`: (status, what it means)."""

    id: str
    method: str
    path: str
    title: str
    text: str
    token: bool
    named: tuple[Named, ...]
    answers: tuple[tuple[str, str], ...]


def requests_of(document: Mapping[str, Any]) -> list[Asked]:
    """Return the requests that an OpenAPI document describes, in its order. Pure."""
    return [
        Asked(
            id=f"{method}{path.translate({ord(c): '-' for c in '/{}.'})}",
            method=method.upper(),
            path=path,
            title=str(one.get("summary", "")),
            text=_written(one.get("description", "")),
            token={} not in one.get("security", [{}]),
            named=(*_parameters(document, one), *_fields(document, one)),
            answers=tuple((status, said["description"]) for status, said in sorted(one["responses"].items())),
        )
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    ]


def _written(text: str) -> Markup:
    """The document's text as HTML: what stands between backticks is code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # one stands alone
        return escape(text)
    return Markup().join(Markup("<code>{}</code>").format(x) if n % 2 else x for n, x in enumerate(pieces))


def _parameters(document: Mapping[str, Any], one: Mapping[str, Any]) -> Iterator[Named]:
    for parameter in one.get("parameters", ()):
        yield Named(
            name=parameter["name"],
            place=parameter["in"],
            needed=bool(parameter.get("required")),
            limits=_limits(document, parameter["schema"]),
            text=_written(parameter.get("description", "")),
        )


def _fields(document: Mapping[str, Any], one: Mapping[str, Any]) -> Iterator[Named]:
    """The fields of a body; of one that may come in several types, each once."""
    seen = set()
    for kind, content in one.get("requestBody", {}).get("content", {}).items():
        schema = _found(document, content["schema"])
        for name, about in schema.get("properties", {}).items():
            if name not in seen:
                seen.add(name)
                yield Named(
                    name=name,
                    place="body" if kind == "application/json" else kind,
                    needed=name in schema.get("required", ()),
                    limits=_limits(document, about),
                    text=_written(about.get("description", "")),
                )


def _found(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference within the document."""
    found: Any = schema
    if "$ref" in schema:
        found = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
    result: Mapping[str, Any] = found
    return result


def _limits(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _found(document, schema)
    if "anyOf" in schema:
        return " or ".join(_limits(document, one) for one in schema["anyOf"])
    words = [_type(document, schema)]
    words += [text.format(schema[name]) for name, text in _LIMITS.items() if name in schema]
    if schema.get("default") not in (None, "", []):
        words.append(f"{schema['default']} where it's left out")
    return ", ".join(words)


def _type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"a list of: {_limits(document, schema['items'])}"
    return str(schema.get("format") or schema.get("type") or "anything")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Show the document."""
    asked = requests_of(request.app.openapi())
    return page(request, "docs", asked=asked, **head(request, await session_actor(request)))
