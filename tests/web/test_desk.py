"""Staff's buttons on a ticket's page and on the page of what failed, without a script: acts, refusals, who may."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from core.desk_acts import ACTS
from core.desk_failures import fields_of
from core.inbox import Arrival, store_once
from core.shapes import key_of
from tests.interfaces.counter import ANN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML, browser, field, signs_in

QUEUES = [
    {"name": "support", "addresses": ["support@example.com"]},
    {"name": "billing", "addresses": ["billing@example.com"]},
]
CANNED = [{"name": "hours", "text": "Dear {requester}, we open at nine. {agent} <b>"}]


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk with two queues and a canned answer."""
    async with counter_on(store, queue=QUEUES, canned=CANNED) as counter:
        yield counter


@dataclass
class Clerk:
    """Somebody at their browser."""

    desk: Counter
    http: httpx.AsyncClient

    async def page(self, number: int, query: str = "") -> httpx.Response:
        answer = await self.http.get(f"/tickets/{number}{query}")
        assert answer.status_code == 200, answer.text
        return answer

    async def presses(
        self, number: int, name: str, shown: httpx.Response | None = None, **fields: str
    ) -> Any:
        """Press a button of a ticket's page, as it is or as it was `shown`."""
        page = shown or await self.page(number)
        form = page.text.partition(f'action="/ui/tickets/{number}/desk/{name}"')[2].partition("</form>")[0]
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
        always = {"token": field(page, "token")}
        return await self.http.post(f"/ui/tickets/{number}/desk/{name}", data={**always, **hidden, **fields})

    async def token(self) -> str:
        return field(await self.http.get("/desk/failed"), "token")


@asynccontextmanager
async def clerk(desk: Counter, email: str = "grace@example.com") -> AsyncIterator[Clerk]:
    async with browser(desk) as http:
        await signs_in(desk, http, email)
        yield Clerk(desk, http)


async def test_the_buttons_of_a_ticket(desk: Counter) -> None:
    ticket = await desk.opened()
    number = ticket["id"]
    async with clerk(desk) as grace:
        for name, fields in (
            ("assignee", {"word": "grace"}),
            ("status", {"word": "pending"}),
            ("priority", {"word": "urgent"}),
            ("queue", {"word": "billing"}),
            ("title", {"word": "Fire <b>"}),
            ("tag", {"word": "hot"}),
            ("snooze", {"word": "1d", "until": ""}),
        ):
            answer = await grace.presses(number, name, **fields)
            assert answer.status_code == 303, answer.text
            assert answer.headers["location"] == f"/tickets/{number}?done={name}"
        now = await desk.shown(number)
        assert [now[k] for k in ("assignee", "status", "priority", "queue", "title")] == [
            "grace",
            "pending",
            "urgent",
            "billing",
            "Fire <b>",
        ]
        shown = (await grace.page(number, "?done=status")).text
        for words in ("The status is set.", "Fire &lt;b&gt;", ">hot<", "Take it up again"):
            assert words in shown
        assert "Take it<" not in shown  # it is hers
        assert (await grace.presses(number, "snooze", word="off")).status_code == 303
        assert (await grace.presses(number, "snooze", until="2000-01-01T10:00")).status_code == 422


async def test_two_people_at_one_ticket(desk: Counter) -> None:
    number = (await desk.opened())["id"]
    async with clerk(desk) as grace, clerk(desk, "ada@example.com") as ada:
        before = await ada.page(number)
        assert (await grace.presses(number, "assignee", word="grace")).status_code == 303
        late = await ada.presses(number, "assignee", before, word="ada")
        assert late.status_code == 409
        assert "Somebody was quicker: the assignee is grace now. Nothing was changed." in late.text
        assert (await desk.shown(number))["assignee"] == "grace"
        assert 'name="was" value="grace"' in late.text  # what comes back shows what is now
        again = await ada.presses(number, "assignee", late, word="ada")
        assert again.status_code == 303
        before = await ada.page(number)
        await desk.ann.post(f"/tickets/{number}/messages", json={"message": "It burns again"})
        late = await ada.presses(number, "status", before, word="closed")
        assert late.status_code == 409
        assert "Something was added" in late.text
        assert "It burns again" in late.text


async def test_merging_asks_first(desk: Counter) -> None:
    one, other = (await desk.opened())["id"], (await desk.opened(desk.ben, title="Another <i>"))["id"]
    async with clerk(desk) as grace:
        asked = await grace.presses(one, "merge", word=f"#{other}")
        assert asked.status_code == 200
        assert "Another &lt;i&gt;" in asked.text
        assert "different people" in asked.text
        assert (await desk.shown(one))["status"] == "new"
        fields = {"token": field(asked, "token"), "word": str(other), "sure": "yes"}
        assert (await grace.http.post(f"/ui/tickets/{one}/desk/merge", data=fields)).status_code == 303
        assert (await desk.shown(one))["status"] == "closed"
        for word, status in (("999999", 422), ("x", 422), (str(one), 409)):
            answer = await grace.http.post(
                f"/ui/tickets/{other}/desk/merge", data={**fields, "word": word, "sure": ""}
            )
            assert answer.status_code == status, answer.text
            assert 'role="alert"' in answer.text
        gone = await grace.http.post(f"/ui/tickets/{one}/desk/status", data={**fields, "word": "open"})
        assert gone.status_code == 409
        assert f"merged into {other}" in gone.text


@on_sqlite
async def test_refusals_are_the_page_with_a_line(desk: Counter) -> None:
    number = (await desk.opened())["id"]
    async with clerk(desk) as grace:
        for name, word, status in (
            ("status", "burning", 422),
            ("assignee", "nobody-here", 422),
            ("queue", "nowhere", 422),
            ("title", "", 422),
            ("tag", "a b!", 422),
            ("untag", "cold", 409),
            ("admit", "no address", 422),
        ):
            answer = await grace.presses(number, name, word=word)
            assert answer.status_code == status, (name, answer.text)
            assert '<p class="problem" role="alert">' in answer.text
            assert "The printer is on fire" in answer.text
        assert (await grace.presses(number, "explode", word="x")).status_code == 404
        missing = await grace.presses(number, "status", await grace.page(number), word="open")
        assert missing.status_code == 303
        token = await grace.token()
        fields = {"token": token, "word": "open"}
        assert (await grace.http.post("/ui/tickets/999999/desk/status", data=fields)).status_code == 404


@on_sqlite
async def test_canned_answers(desk: Counter) -> None:
    number = (await desk.opened())["id"]
    async with clerk(desk) as grace:
        said = "we open at nine. Grace Hopper"
        answer = await grace.http.get(f"/ui/tickets/{number}/canned/hours")
        assert said in answer.json()["text"]
        fields = {"token": await grace.token(), "name": "hours"}
        filled = await grace.http.post(f"/ui/tickets/{number}/canned", data=fields)
        assert filled.status_code == 200
        box = filled.text.partition("<textarea")[2].partition("</textarea>")[0]
        assert said in box
        assert "&lt;b&gt;" in box
        none = await grace.http.post(f"/ui/tickets/{number}/canned", data={**fields, "name": "hour"})
        assert none.status_code == 422
        assert "did you mean" in none.text
        assert len((await desk.shown(number))["messages"]) == 1


@on_sqlite
async def test_a_canned_answer_comes_below_what_was_typed(desk: Counter) -> None:
    """Draft and *Note* stay, also where there is no such answer, or the form is too old; long drafts too."""
    number = (await desk.opened())["id"]
    async with clerk(desk) as grace:
        token = await grace.token()
        typed = {"token": token, "name": "hours", "message": "Hello <Ann>!\r\n\r\n", "visibility": "note"}
        for change, status in (({}, 200), ({"name": "hour"}, 422), ({"token": "0" * 64}, 403)):
            answer = await grace.http.post(f"/ui/tickets/{number}/canned", data={**typed, **change})
            assert answer.status_code == status
            box = answer.text.partition("<textarea")[2].partition("</textarea>")[0]
            assert "Hello &lt;Ann&gt;!" in box
            assert ("Hello &lt;Ann&gt;!\n\nDear " in box) == (status == 200)
            assert re.search(r'id="note"[^>]* checked', answer.text)
        del typed["visibility"]
        long = await grace.http.post(f"/ui/tickets/{number}/canned", data={**typed, "message": "ü" * 100_000})
        assert "ü" * 100_000 in long.text
        assert not re.search(r'id="note"[^>]* checked', long.text)
        assert len((await desk.shown(number))["messages"]) == 1


@on_sqlite
async def test_enter_sends_and_fills_nothing(desk: Counter) -> None:
    """The first button of the form is what Enter presses; the token and the draft go with the other one."""
    number = (await desk.opened())["id"]
    async with clerk(desk) as grace:
        page = (await grace.http.get(f"/tickets/{number}")).text
        form = page.partition('id="reply"')[2].partition("</form>")[0]
        assert form.index("<button>Send") < form.index(f'formaction="/ui/tickets/{number}/canned"')


@on_sqlite
async def test_is_there_something_new(desk: Counter) -> None:
    number = (await desk.opened())["id"]
    path = f"/ui/tickets/{number}/version"
    first = await desk.grace.get(path)
    tag = first.headers["etag"]
    assert first.json() == {"version": int(tag.strip('"'))}
    assert (await desk.grace.get(path, headers={"If-None-Match": tag})).status_code == 304
    await desk.ann.post(f"/tickets/{number}/messages", json={"message": "More"})
    second = await desk.grace.get(path, headers={"If-None-Match": tag})
    assert second.status_code == 200
    assert second.headers["etag"] != tag
    assert (await desk.grace.get("/ui/tickets/999999/version")).status_code == 404
    assert (await desk.ann.get(path)).status_code == 404


@on_sqlite
async def test_requesters_and_other_sites_do_nothing(desk: Counter) -> None:
    """To a requester there are no such pages, whatever token they send; without the token staff do nothing."""
    number = (await desk.opened())["id"]
    fields = {"word": "closed", "name": "hours", "sure": "yes"}
    posts = [f"/ui/tickets/{number}/desk/{name}" for name in ACTS]
    posts += [f"/ui/tickets/{number}/canned", "/ui/desk/deliveries/1/retry", "/ui/desk/deliveries/1/cancel"]
    posts += ["/ui/desk/inbox/1/read"]
    gets = ["/desk/failed", "/desk/inbox/1/raw", f"/ui/tickets/{number}/version"]
    gets += [f"/ui/tickets/{number}/canned/hours"]
    async with browser(desk) as ann, browser(desk) as nobody, clerk(desk) as grace:
        await signs_in(desk, ann, ANN)
        token = field(await ann.get("/"), "token")
        for path in gets:
            assert (await ann.get(path)).status_code == 404, path
            assert (await nobody.get(path)).status_code == 303, path
        for path in posts:
            assert (await ann.post(path, data={**fields, "token": token})).status_code == 404, path
            assert (await nobody.post(path, data={**fields, "token": token})).status_code == 303, path
            for wrong in ({}, {"token": token}, {"token": "é"}):
                assert (await grace.http.post(path, data={**fields, **wrong})).status_code in (403, 404), path
        shown = (await ann.get(f"/tickets/{number}")).text
        for words in ("/desk", "Canned", "staff.", "spam"):
            assert words not in shown
    assert (await desk.shown(number))["status"] == "new"


# -- what failed ------------------------------------------------------------------------------------------------------


def fails(desk: Counter, number: int, state: str = "failed") -> int:
    """Let the ticket's first delivery have failed."""
    row = desk.store.rows("SELECT id FROM deliveries WHERE ticket_id = :n ORDER BY id LIMIT 1", n=number)[0]
    desk.store.execute(
        "UPDATE deliveries SET state = :state, last_error = '550 <no> such user', attempts = 3, due_at = NULL "
        "WHERE id = :id",
        state=state,
        id=row["id"],
    )
    return int(row["id"])


def state_of(desk: Counter, delivery: int) -> str:
    return str(desk.store.rows("SELECT state FROM deliveries WHERE id = :id", id=delivery)[0]["state"])


async def test_deliveries_that_failed(desk: Counter) -> None:
    numbers = [(await desk.opened(title=f"T{n}"))["id"] for n in range(3)]
    one, other, third = (
        fails(desk, n, s) for n, s in zip(numbers, ("failed", "bounced", "failed"), strict=True)
    )
    async with clerk(desk) as grace:
        shown = await grace.http.get("/desk/failed")
        for words in ("550 &lt;no&gt; such user", "T0", "T1", "3 tries", "Try again", "by mail"):
            assert words in shown.text
        fields = {"token": field(shown, "token")}
        answer = await grace.http.post(f"/ui/desk/deliveries/{one}/retry", data=fields)
        assert answer.headers["location"] == "/desk/failed?done=retry"
        assert state_of(desk, one) == "queued"
        await grace.http.post(f"/ui/desk/deliveries/{other}/cancel", data=fields)
        assert state_of(desk, other) == "cancelled"
        assert "550 &lt;no&gt;" in (await grace.page(numbers[2])).text
        back = await grace.http.post(
            f"/ui/desk/deliveries/{third}/retry", data={**fields, "ticket": str(numbers[2])}
        )
        assert back.headers["location"] == f"/tickets/{numbers[2]}?done=retry"
        for path, status in (
            (f"{other}/retry", 409),
            (f"{other}/cancel", 409),
            ("999999/retry", 404),
            ("1/eat", 404),
        ):
            assert (
                await grace.http.post(f"/ui/desk/deliveries/{path}", data=fields)
            ).status_code == status, path
        assert "Everything that left arrived" in (await grace.http.get("/desk/failed")).text


async def arrives(desk: Counter, raw: bytes, state: str, **more: Any) -> int:
    arrival = Arrival(
        key=key_of(f"test:{raw[:80]!r}"),
        channel="email",
        shard_by="x",
        envelope={"sender": "mallory@bad.example", "recipients": ["support@example.com"], "queue": "support"},
        raw=raw,
        **more,
    )
    await store_once(desk.parts.database, desk.parts.blobs, [arrival])
    row = desk.store.rows("SELECT id FROM inbox ORDER BY id DESC LIMIT 1")[0]
    desk.store.execute(
        "UPDATE inbox SET state = :s, reason = 'it is <odd>' WHERE id = :id", s=state, id=row["id"]
    )
    return int(row["id"])


async def test_what_could_not_be_read(desk: Counter) -> None:
    small = (
        b"From: Mallory <m@bad.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe_=3Cscript=3E?=\r\n\r\nHello\r\n"
    )
    large = b"Subject: Large\r\n\r\n" + b"x" * 200_000
    held, broken = await arrives(desk, small, "held"), await arrives(desk, large, "unreadable")
    async with clerk(desk) as grace:
        shown = await grace.http.get("/desk/failed")
        for words in (
            "Mallory &lt;m@bad.example&gt;",
            "Grüße &lt;script&gt;",
            "mallory@bad.example",
            "Large",
            "it is &lt;odd&gt;",
            "Make a ticket",
            "Read again",
        ):
            assert words in shown.text, words
        for item, raw in ((held, small), (broken, large)):
            answer = await grace.http.get(f"/desk/inbox/{item}/raw")
            assert answer.content == raw
            assert answer.headers["content-disposition"] == f'attachment; filename="inbox-{item}.eml"'
            assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
            assert answer.headers["x-content-type-options"] == "nosniff"
        fields = {"token": field(shown, "token")}
        for item in (held, broken):
            assert (await grace.http.post(f"/ui/desk/inbox/{item}/read", data=fields)).status_code == 303
            assert (await grace.http.get(f"/desk/inbox/{item}/raw")).status_code == 404
        states = {row["state"] for row in desk.store.rows("SELECT state FROM inbox")}
        assert states == {"new"}
        desk.store.execute("UPDATE inbox SET state = 'done'")
        assert (await grace.http.post(f"/ui/desk/inbox/{held}/read", data=fields)).status_code == 409
        assert "All that came in was read." in (await grace.http.get("/desk/failed")).text


@pytest.mark.parametrize(
    ("head", "fields"),
    [
        (b"", {}),
        (b"\xff\xfe\x00", {}),
        (b"From: a\r\n b\r\nSubject:  c \r\n\r\nFrom: d", {"from": "a b", "subject": "c"}),
        (b"SUBJECT: =?nope?b?x?=\nsubject: second\n", {"subject": "=?nope?b?x?="}),
        (b"Subject: =?utf-8?b?x?=\n", {"subject": "=?utf-8?b?x?="}),
        (b"Subject: a\x00\x1b[31mb\n", {"subject": "a  [31mb"}),
        (b"Subject: " + b"x" * 9000, {"subject": "x" * 500}),
        (b" folded\nX: y\n z\n", {}),
    ],
)
def test_the_head_of_a_mail(head: bytes, fields: dict[str, str]) -> None:
    assert fields_of(head) == fields


@on_sqlite
async def test_agents_see_nothing_of_managers_alone(desk: Counter) -> None:
    number = (await desk.opened())["id"]
    for path in ("/", f"/tickets/{number}", "/desk/failed"):
        assert "/reports" not in (await desk.grace.get(path, headers=HTML)).text
        assert "/reports" in (await desk.ada.get(path, headers=HTML)).text
