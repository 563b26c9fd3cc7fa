"""Who may what: every route of the site, asked by everybody, with a token and with a session. A route that has no row
here fails, and so does an answer that tells somebody what isn't theirs to know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute

from intake.web.site import build_site
from tests.interfaces.counter import ANN, BEN, REPORT, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML, asks, browser, mails
from tests.web.people import CARL, DORA, EMAILS, NOTE, ROLES, STAFF, Crowd, crowd_on
from tests.web.stage import all_is_well, parts_with

JSON = {"Accept": "application/json"}
FILES = {"files": ("a.txt", b"a", "text/plain")}
PERSONS = {ANN: "own", CARL: "part", BEN: "other"}


@dataclass(frozen=True)
class Row:
    """A request and its statuses, for nobody, own, part, other, agent, manager in this order; `session`: where a
    browser's differ. `form`: a form's fields; its token is put beside them."""

    method: str
    path: str
    kind: str
    token: str
    session: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None
    form: dict[str, str] | None = None
    files: Any = None
    at: dict[str, str] = field(default_factory=dict)  # parts of the path, where they aren't the crowd's


SAME, ALL_200, ALL_404 = "200 200 404 200 200", " ".join(["200"] * 6), " ".join(["404"] * 6)
SEES = f"401 {SAME}"
SHOWN = f"303 {SAME}"
DESK = "303 404 404 404 200 200"
OWN_MAIL = "303 200 404 404 200 200"  # what others' mails quote isn't for everybody
NO_SESSION = " ".join(["303"] * 6)  # whoever has only a token: the forms of pages are for browsers
OLD_FORM = " ".join(["403"] * 6)
SENT = "401 303 303 404 303 303"
ACTS = {"token": " ".join(["401"] * 6), "session": SENT}
STAFFS = {"token": NO_SESSION, "session": "303 404 404 404 303 303"}
WRITES = "401 201 201 404 201 201"
X = {"token": "x" * 43}

ROWS = [
    Row("GET", "/view-tickets", "NegotiatedRoute", "303 200 200 200 200 200", headers=HTML),
    Row("GET", "/tickets/{id}", "NegotiatedRoute", SHOWN, headers=HTML),
    Row("GET", "/report-issue", "PageRoute", ALL_200, headers=HTML),
    Row("POST", "/report-issue", "FormRoute", "403 422 422 422 422 422", "403 303 303 303 303 303", form=REPORT),
    Row("POST", "/report-issue", "UploadRoute", "403 201 201 201 201 201", "403 303 303 303 303 303",
        form=REPORT, files=FILES),
    Row("POST", "/tickets/{id}/messages", "UploadRoute", WRITES, form={"message": "a"}, files=FILES),
    Row("POST", "/ui/tickets/{id}/reply", "PageRoute", **ACTS, form={"message": "More."}),
    Row("POST", "/ui/tickets/{id}/status", "PageRoute", **ACTS, form={"status": "open"}),
    Row("POST", "/ui/tickets/{id}/rate", "PageRoute", ACTS["token"], "401 409 403 404 403 403",
        form={"score": "5"}),
    Row("POST", "/ui/tickets/{id}/confirm", "PageRoute", ACTS["token"], "401 303 403 404 403 403", form={}),
    Row("GET", "/tickets/{id}/messages/{message_id}", "NegotiatedRoute", SHOWN, headers=HTML),
    Row("GET", "/tickets/{id}/messages/{message_id}", "NegotiatedRoute", "303 404 404 404 200 200", headers=HTML,
        at={"message_id": "note"}),
    Row("GET", "/tickets/{id}/messages/{message_id}/mail", "NegotiatedRoute", OWN_MAIL, headers=HTML),
    Row("GET", "/tickets/{id}/messages/{message_id}/html", "NegotiatedRoute", OWN_MAIL, headers=HTML),
    Row("POST", "/report-issue", "JsonRoute", "422 201 201 201 201 201", json=REPORT),
    Row("GET", "/view-tickets", "JsonRoute", "401 200 200 200 200 200"),
    Row("GET", "/tickets/{id}", "JsonRoute", SEES),
    Row("POST", "/tickets/{id}/messages", "JsonRoute", WRITES, json={"message": "Still."}),
    Row("POST", "/tickets/{id}/messages", "JsonRoute", "401 403 403 403 201 201",
        json={"message": NOTE, "visibility": "note"}),
    Row("PUT", "/tickets/{id}/status", "JsonRoute", SEES, json={"status": "open"}),
    Row("PUT", "/tickets/{id}/assignee", "JsonRoute", "401 403 403 403 200 200", json={"username": "grace"}),
    Row("GET", "/analyze-data", "JsonRoute", "401 403 403 403 200 200"),
    Row("GET", "/attachments/{id}", "APIRoute", SEES, at={"id": "file"}),
    Row("GET", "/attachments/{id}", "APIRoute", "401 404 404 404 200 200", at={"id": "note file"}),
    Row("GET", "/files/{token}", "APIRoute", ALL_404),
    Row("GET", "/status", "NegotiatedRoute", DESK, headers=HTML),
    Row("GET", "/status", "APIRoute", "401 403 403 403 200 200"),
    Row("GET", "/healthz", "APIRoute", ALL_200),
    Row("GET", "/readyz", "APIRoute", ALL_200),
    Row("GET", "/metrics", "APIRoute", ALL_200),
    Row("GET", "/openapi.json", "APIRoute", ALL_200),
    Row("GET", "/docs", "PageRoute", ALL_200, headers=HTML),
    Row("GET", "/confirm/{token}", "APIRoute", ALL_200),
    Row("POST", "/confirm/{token}", "APIRoute", OLD_FORM, form={}),
    Row("POST", "/sign-in/slack", "PageRoute", ALL_404, form={}),
    Row("GET", "/sign-in/slack/back", "PageRoute", ALL_404),
    Row("GET", "/sign-in", "PageRoute", ALL_200, "200 303 303 303 303 303"),
    Row("POST", "/sign-in", "PageRoute", OLD_FORM, form={"email": ANN}),
    Row("GET", "/sign-in/{token}", "PageRoute", ALL_404),
    Row("POST", "/sign-in/{token}", "PageRoute", OLD_FORM, form={}),
    Row("POST", "/ui/sign-out", "PageRoute", OLD_FORM, form={"token": "forged"}),
    Row("GET", "/", "PageRoute", "303 200 200 200 200 200", headers=HTML),
    Row("GET", "/static/{name}", "PageRoute", ALL_404, at={"name": "pages.css"}),
    Row("GET", "/favicon.ico", "PageRoute", " ".join(["204"] * 6)),
    Row("GET", "/ui/tickets/{id}/version", "PageRoute", DESK),
    Row("GET", "/ui/tickets/{id}/canned/{name}", "PageRoute", DESK, at={"name": "hours"}),
    Row("POST", "/ui/tickets/{id}/desk/{name}", "PageRoute", **STAFFS, at={"name": "priority"},
        form={"word": "high"}),
    Row("POST", "/ui/tickets/{id}/canned", "PageRoute", NO_SESSION, DESK, form={"name": "hours"}),
    *(Row("GET", f"/ui/tickets/{{id}}/{act}", "PageRoute", NO_SESSION, at={"name": "priority"})
        for act in ("reply", "status", "rate", "confirm", "canned", "desk/{name}")),
    Row("GET", "/desk/failed", "PageRoute", DESK),
    Row("POST", "/ui/desk/deliveries/{id}/{name}", "PageRoute", NO_SESSION, "303 404 404 404 404 404",
        at={"id": "none", "name": "retry"}, form={}),
    Row("GET", "/desk/inbox/{id}/raw", "PageRoute", DESK, at={"id": "inbox"}),
    Row("POST", "/ui/desk/inbox/{id}/read", "PageRoute", **STAFFS, at={"id": "inbox"}, form={}),
    Row("GET", "/reports", "PageRoute", "303 404 404 404 404 200", headers=HTML),
    Row("GET", "/reports.csv", "PageRoute", "303 404 404 404 404 200"),
    Row("POST", "/ui/reports/send", "PageRoute", NO_SESSION, "303 404 404 404 404 403", form={"token": "forged"}),
    Row("GET", "/preferences", "PageRoute", DESK),
    Row("POST", "/preferences", "PageRoute", NO_SESSION, "303 404 404 404 403 403", form={"token": "forged"}),
    Row("GET", "/rate/{token}", "PageRoute", ALL_404),
    Row("POST", "/ui/rate", "PageRoute", ALL_404, form={"token": "forged", "score": "5"}),
    Row("GET", "/unsubscribe/{token}", "APIRoute", ALL_404),
    Row("POST", "/unsubscribe/{token}", "APIRoute", ALL_404),
    Row("POST", "/unsubscribe/{token}/undo", "APIRoute", ALL_404),
]  # fmt: skip
BY_ITS_OWN_SIGNATURE = {("POST", "/slack/events", "APIRoute")}  # tests/test_slack_over_http.py


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[Any]:
    """Every route, also of routers within routers."""
    for route in routes:
        within = getattr(route, "original_router", None)
        if within is None:
            yield route
        else:
            yield from routes_of(within.routes)


def test_every_route_has_a_row() -> None:
    async def take(*_: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b""

    site = build_site(parts_with(), readiness=all_is_well, slack_events=take)
    found = {
        (method, route.path, type(route).__name__)
        for route in routes_of(site.routes)
        for method in route.methods
    }
    assert found == {(row.method, row.path, row.kind) for row in ROWS} | BY_ITS_OWN_SIGNATURE


@pytest.fixture
async def crowd(store: Store) -> AsyncIterator[Crowd]:
    """Everybody, before a served desk."""
    canned = [{"name": "hours", "text": "We are here."}]
    async with counter_on(store, canned=canned) as desk, crowd_on(desk) as people:
        yield people


@on_sqlite
@pytest.mark.slow
async def test_everybody_gets_what_is_theirs(crowd: Crowd) -> None:
    wrong = []
    for row in ROWS:
        for way in ("token", "session"):
            expected = (row.session if way == "session" and row.session else row.token).split()
            for role, status in zip(ROLES, expected, strict=True):
                answer = await _ask(crowd, row, way, role)
                if str(answer.status_code) != status:
                    wrong.append(
                        f"{row.method} {row.path} {row.kind} {way} {role}: {answer.status_code}, not {status}"
                    )
                wrong += [f"{row.method} {row.path} {way} {role} {said}" for said in _told(role, row, answer)]
    assert wrong == []


async def _ask(crowd: Crowd, row: Row, way: str, role: str) -> httpx.Response:
    http = (crowd.programs if way == "token" else crowd.browsers)[role]
    named = {"id": crowd.ticket, "message_id": crowd.ids["message"], "token": "x" * 43}
    named |= {name: crowd.ids.get(word, 999_999 if word == "none" else word) for name, word in row.at.items()}
    form = None if row.form is None else {"token": crowd.forms[role], **row.form}
    if form is not None and row.kind == "UploadRoute" and (way == "token" or "message" in form):
        del form["token"]  # a program knows of none
    return await http.request(
        row.method,
        row.path.format(**named),
        headers=row.headers or JSON,
        json=row.json,
        data=form,
        files=row.files,
    )


def _told(role: str, row: Row, answer: httpx.Response) -> Iterator[str]:
    """What was told to somebody whom it isn't for."""
    if role in STAFF:
        return
    text = answer.text + repr(answer.headers)
    secrets = [NOTE, "secret-plan", *STAFF.values()]
    secrets += [email for email, whose in PERSONS.items() if whose != role]
    if role in ("other", "nobody"):
        secrets += ["The safe won", "won't open", "plan.txt"]
    for secret in secrets:
        own = row.path == "/sign-in" and secret == ANN  # which the form just said
        if secret in text and not own:
            yield f"heard of {secret}"


@on_sqlite
async def test_who_takes_part_sees_who_else_does_by_name_alone(crowd: Crowd) -> None:
    """No address but one's own, in what JSON and pages hold."""
    for role, email in (("own", ANN), ("part", CARL)):
        for headers in (JSON, HTML):
            seen = await crowd.programs[role].get(f"/tickets/{crowd.ticket}", headers=headers)
            others = {*EMAILS.values()} - {email}
            assert not [one for one in others if one in seen.text]


async def test_an_unconfirmed_reporter_is_nobody(store: Store) -> None:
    """They get the one link that confirms; no link to sign in, and nothing automatic."""
    async with counter_on(store) as desk, browser(desk) as http:
        await desk.opened(desk.nobody, email=DORA)
        form = await http.get("/sign-in")
        token = form.text.partition('name="token" value="')[2].partition('"')[0]
        known = await http.post("/sign-in", data={"email": DORA, "token": token, "next": "/"})
        unknown = await http.post("/sign-in", data={"email": f"x{DORA}", "token": token, "next": "/"})
        assert (known.status_code, known.text) == (unknown.status_code, unknown.text)
        await asks(desk, http, "ada@example.com")  # what was asked before is done by then
        assert mails(desk, DORA) == []
        waiting = desk.store.rows("SELECT kind, state FROM deliveries WHERE place = :place", place=DORA)
        assert [row["kind"] for row in waiting if row["state"] == "queued"] == ["notice"]
