"""The document against the site: whatever it allows or forbids is asked, as three people; no answer is a 5xx, one that
it doesn't name, or one that isn't as it says."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.shapes import File, Visibility
from intake.web.auth import scope_of
from tests.conftest import CI
from tests.interfaces.counter import Counter, counter_on, on_sqlite
from tests.stores import Store

EXAMPLES = 6  # of each request, each way, by each person
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDS = [  # of time, and of what is taken of it
    ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ("2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ("1970-01-01T00:00:00Z", "9000-12-31T23:59:59Z"),
    ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:01-12:00"),
]
# The scrape of a monitor is text, and the document of itself is any object: asked like the others.
OPEN = {"/healthz", "/readyz", "/metrics", "/openapi.json"}


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk on which something happened."""
    async with counter_on(store) as counter:
        ticket = await counter.opened()
        ada, manager = await counter.staff(), counter.parts.manager
        files = [File(name="a.txt", content_type="text/plain", size=1, content=b"a")]
        await manager.exchange_messages(ada, ticket["id"], "We look.", files=files)
        await manager.exchange_messages(ada, ticket["id"], "Hm.", visibility=Visibility.NOTE)
        await counter.grace.put(f"/tickets/{ticket['id']}/assignee", json={"username": "grace"})
        yield counter


@on_sqlite
@pytest.mark.slow
@pytest.mark.parametrize("who", ["ada", "ann", "nobody"])
async def test_every_answer_is_as_the_document_says(desk: Counter, who: str) -> None:
    document = (await desk.nobody.get("/openapi.json")).json()
    header = getattr(desk, who).headers.get("authorization")
    headers = {"Authorization": header} if header else {}
    got = await asyncio.to_thread(_ask_all, document, desk.url, headers)
    assert (
        got >= {"ada": {200, 201, 404, 422}, "ann": {200, 201, 403, 404, 422}, "nobody": {200, 401, 422}}[who]
    )


@on_sqlite
async def test_the_document_names_what_needs_a_token(desk: Counter) -> None:
    """All but the report of a stranger and what monitors ask; and which scope it must have."""
    document = (await desk.nobody.get("/openapi.json")).json()
    asked = {
        (method, path): one for path, methods in document["paths"].items() for method, one in methods.items()
    }
    free = {key for key, one in asked.items() if not one.get("security")}
    assert free == {("get", path) for path in OPEN}
    either = {key for key, one in asked.items() if {} in one.get("security", ())}
    assert either == {("post", "/report-issue")}
    for (method, path), one in asked.items():
        said = "needs" in one["description"]
        assert said is ((method, path) not in free)
        if said:
            assert f"`{scope_of(method.upper(), path)}`" in one["description"]
            assert "Retry-After" in one["responses"]["429"]["headers"]


def _ask_all(document: dict[str, Any], url: str, headers: dict[str, str]) -> set[int]:
    """Ask for everything; returns the statuses that were answered."""
    got: set[int] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_dict(_without_tokens(document))
        for result in schema.get_all_operations():
            operation = result.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for fixed in _fixed(operation.path):
                    _ask(operation, mode, fixed, url, headers, got)
    return got


def _without_tokens(document: dict[str, Any]) -> dict[str, Any]:
    """So that none is made up: who asks is said below."""
    kept = json.loads(json.dumps(document))
    for methods in kept["paths"].values():
        for one in methods.values():
            one.pop("security", None)
    del kept["components"]["securitySchemes"]
    return dict(kept)


def _fixed(path: str) -> Iterator[dict[str, Any]]:
    """Parts of a request that no chance would find."""
    yield {}
    if "{id}" in path:
        yield {"path_parameters": {"id": 1}}
    if path == "/analyze-data":
        yield from ({"query": dict(zip(("since", "until"), ends, strict=True))} for ends in ENDS)


def _ask(
    operation: Any,
    mode: GenerationMode,
    fixed: dict[str, Any],
    url: str,
    headers: dict[str, str],
    got: set[int],
) -> None:
    @given(case=operation.as_strategy(mode, **fixed))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=CI,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        response = case.call(base_url=url, headers=headers, timeout=20)
        case.validate_response(response, checks=CHECKS)
        got.add(response.status_code)

    try:
        ask()
    except Unsatisfiable:  # there is nothing to get wrong
        assert mode is GenerationMode.NEGATIVE
