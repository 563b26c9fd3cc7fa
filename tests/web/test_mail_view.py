"""A mail as it came: harmless, in a frame, with its own pictures, seen by who may see it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert

from core.tables import attachments
from intake.email.html import sanitised as at_the_door
from intake.web.mail_view import document, sanitised, sources
from tests.evil import XSS
from tests.interfaces.counter import ANN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML, browser, signs_in

PIXEL = b"\x89PNG\r\n\x1a\n-a-picture"
NONE = sources({}, remote=False)
HOSTILE = """<html><head><style>body{background:url(https://evil.example/a)}</style><title>t</title>
<meta http-equiv=refresh content="0;url=https://evil.example"><base href="https://evil.example/"></head>
<body onload=alert(1)><p style="color:red;position:fixed;background:url(https://evil.example/b)">Hello</p>
<script>alert(1)</script><iframe src="https://evil.example"></iframe><form action="https://evil.example"><input name=a>
<button>Pay</button></form><img src="https://evil.example/c.png" onerror=alert(1)><img src=http://evil.example/d.png>
<img src="cid:Logo@x" alt=logo><img src="/attachments/1"><img srcset="https://evil.example/e 2x">
<svg onload=alert(1)></svg>
<a href="javascript:alert(1)">a</a><a href="https://good.example/" target=_self>b</a><a href="/ui/sign-out">c</a>
<link rel=stylesheet href=https://evil.example/f><video src=https://evil.example/g></video>
<table background="https://evil.example/h"><tr><td background=https://evil.example/i colspan=2>x</td></tr></table>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">
<object data=https://evil.example/j></object><img src="data:text/html,x"><img src="data:image/svg+xml,<svg/>">"""


def test_what_a_mail_could_do_is_gone() -> None:
    shown = sanitised(HOSTILE, sources({"logo@x": "data:image/png;base64,AAAA"}, remote=False))
    for bad in (
        *(
            "evil.example",
            "<script",
            "<iframe",
            "<form",
            "<input",
            "<button",
            "<svg",
            "<style",
            "<meta",
            "<base",
        ),
        *(
            "onerror=",
            "onload",
            "javascript:",
            "position",
            "url(",
            "srcset",
            "/attachments/",
            "/ui/",
            "<link",
        ),
        *("data:text", "svg+xml", "background="),
    ):
        assert bad not in shown.replace("&lt;", "")
    assert '<p style="color:red">Hello</p>' in shown
    assert 'src="data:image/png;base64,AAAA"' in shown
    assert '<a href="https://good.example/" rel="nofollow noopener noreferrer">b</a>' in shown
    assert 'colspan="2"' in shown


def test_pictures_from_elsewhere_only_over_https_and_when_asked_for() -> None:
    shown = sanitised(HOSTILE, sources({}, remote=True))
    assert 'src="https://evil.example/c.png"' in shown
    assert "d.png" not in shown
    assert "onerror=" not in shown.replace("onerror=alert(1)&gt;", "")


@pytest.mark.parametrize("evil", XSS)
def test_samples(evil: str) -> None:
    shown = document(f"<p>{evil}</p>", NONE)
    for bad in ("<script", "<svg", "onerror", "onload"):
        assert bad not in shown.replace("&lt;", "")


def test_what_the_door_keeps_of_a_mail_has_its_pictures() -> None:
    """Those from elsewhere are there to be asked for; over http, or as text of a page, they aren't."""
    mail = '<img src="https://a.example/x.png"><img src="http://b.example/y.png"><img src="cid:z">'
    kept = at_the_door(mail) or ""
    assert "a.example" in kept
    assert "b.example" not in kept
    assert "a.example" not in sanitised(kept, sources({}, remote=False))
    assert "a.example" in sanitised(kept, sources({}, remote=True))


def test_a_mail_that_grows_by_being_made_safe_isnt_kept() -> None:
    """Tags that are left open are repeated in each paragraph."""
    opened = "".join(f"<b lang=a{n}>" for n in range(20))
    assert at_the_door(f"<p>{opened}</p>" + "<p>x" * 9_000) is None


def test_a_very_long_mail_is_cut() -> None:
    shown = document("<p>x</p>" * 400_000, NONE)
    assert "too long to be shown" in shown
    assert len(shown) < 2_200_000


async def _with_html(desk: Counter, ticket_id: int, message_id: int, html: str) -> str:
    """Keep a mail's HTML and a picture with the message, as the mail's door does."""
    blobs = desk.parts.blobs
    blob, picture = await blobs.put(html.encode()), await blobs.put(PIXEL)
    desk.store.execute("UPDATE messages SET html_blob = :b WHERE id = :i", b=blob, i=message_id)
    row = {"message_id": message_id, "name": "logo.png", "type": "image/png", "bytes": len(PIXEL)}
    row |= {"sha256": bytes(32), "blob": picture, "inline_cid": "Logo@x", "state": "stored"}
    await desk.parts.database.unit(lambda tx: tx.run(insert(attachments).values(row)))
    return f"/tickets/{ticket_id}/messages/{message_id}"


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


async def test_who_sees_a_mail(desk: Counter) -> None:
    """Staff any, its writer their own; nobody else: what it quotes isn't for everybody."""
    ticket = await desk.opened()
    first = (await desk.shown(ticket["id"]))["messages"][0]["id"]
    ada = await desk.staff()
    second = (await desk.parts.manager.exchange_messages(ada, ticket["id"], "We come.")).id
    theirs = await _with_html(desk, ticket["id"], first, HOSTILE)
    staffs = await _with_html(desk, ticket["id"], second, "<p>quoted: a secret</p>")
    for path, by, status in (
        (theirs, desk.ada, 200),
        (theirs, desk.ann, 200),
        (theirs, desk.ben, 404),
        (staffs, desk.ada, 200),
        (staffs, desk.ann, 404),
        (f"/tickets/{ticket['id'] + 1}/messages/{first}", desk.ada, 404),
        (f"/tickets/{ticket['id']}/messages/999", desk.ada, 404),
    ):
        for kind in ("mail", "html"):
            answer = await by.get(f"{path}/{kind}", headers=HTML)
            assert answer.status_code == status, (path, kind)
            assert "evil.example" not in answer.text
    page = (await desk.ann.get(f"/tickets/{ticket['id']}", headers=HTML)).text
    assert f"{theirs}/mail" in page
    assert f"{staffs}/mail" not in page
    assert f"{staffs}/mail" in (await desk.ada.get(f"/tickets/{ticket['id']}", headers=HTML)).text


@on_sqlite
async def test_the_frame_and_its_policy(desk: Counter) -> None:
    ticket = await desk.opened()
    first = (await desk.shown(ticket["id"]))["messages"][0]["id"]
    path = await _with_html(desk, ticket["id"], first, HOSTILE)
    async with browser(desk) as http:
        assert (await http.get(f"{path}/html")).status_code == 303
        await signs_in(desk, http, ANN)
        page = await http.get(f"{path}/mail")
        assert "frame-src 'self'" in page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "allow-scripts" not in page.text
        assert "allow-same-origin" not in page.text
        assert "Load remote pictures" in page.text
        for query, pictures in (("", "img-src data:;"), ("?pictures=remote", "img-src data: https:;")):
            shown = await http.get(f"{path}/html{query}")
            policy = shown.headers["content-security-policy"]
            assert policy.startswith("sandbox ")
            assert "default-src 'none'" in policy
            assert pictures in policy
            assert "script-src" not in policy
            assert ("evil.example" in shown.text) is bool(query)
            assert 'src="data:image/png;base64,' in shown.text
    desk.store.execute("UPDATE messages SET deleted_at = created_at")
    assert (await desk.ann.get(f"{path}/html", headers=HTML)).status_code == 404
