"""Review: what a mail may do hangs on who proved what, never on words that its sender chose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.blobs import Blobs
from core.children import Children
from core.shapes import Auth, NewMessage, Person, Visibility
from core.status import Status
from intake.email.channel import EmailChannel
from intake.email.composed import ComposedMail
from intake.email.read import read_mail
from tests.core.desk import BOB, TestDesk
from tests.core.received import ADA_MAIL, event_kinds, noted, opened
from tests.core.test_courier import go
from tests.core.test_manager import as_person
from tests.mail.test_channel import config
from tests.mail.test_compose import notice, texts
from tests.mail.test_relay import FakeRelay, relayed
from tests.mail.written import CONTEXT, mail
from tests.stores import Store

FORGED = '"x; dmarc=pass header.from=customer.example; y"@evil.example'
COMMENT = r"(sent by x\) ; dmarc=pass header.from=customer.example ; \(y)"


def proof(results: str) -> Auth:
    """How well the sender of a mail is known whose trusted hop says this."""
    raw = mail(authentication_results=f"mx.example.com; {results}")
    inbound = read_mail(raw, {"sender": "x@evil.example", "queue": "support"}, CONTEXT)
    assert isinstance(inbound, NewMessage)
    assert inbound.sender.address == "ada@customer.example"
    return inbound.auth


@pytest.mark.parametrize(
    "results",
    [
        f"spf=pass smtp.mailfrom={FORGED}; dmarc=fail header.from=customer.example",
        f"spf=pass smtp.mailfrom={FORGED}",
        f"dkim=none; spf=pass smtp.helo={FORGED} smtp.mailfrom=x@evil.example",
        r'spf=pass smtp.mailfrom="a\"; dmarc=pass header.from=customer.example; b"@evil.example',
        'spf=pass smtp.mailfrom="open; dmarc=pass header.from=customer.example',
        f"spf=pass (mx: domain of {FORGED} designates it) smtp.mailfrom=x@evil.example",
        f"spf=pass {COMMENT} smtp.mailfrom=x@evil.example",
        'dkim=pass header.i="@customer.example"@evil.example',
    ],
)
def test_the_senders_words_are_no_result(results: str) -> None:
    """What a sender chose (a quoted local part, a comment) never counts as a result, whatever stands in it."""
    assert proof(results) is Auth.CLAIMED


@pytest.mark.parametrize(
    ("results", "level"),
    [
        ("dmarc=fail header.from=customer.example; dmarc=pass header.from=customer.example", Auth.CLAIMED),
        ("dmarc=pass header.from=customer.example; dmarc=fail header.from=customer.example", Auth.VERIFIED),
        (
            "spf=fail smtp.mailfrom=a@customer.example; spf=pass smtp.mailfrom=a@customer.example",
            Auth.CLAIMED,
        ),
    ],
)
def test_a_later_result_overrides_none_before_it(results: str, level: Auth) -> None:
    """DMARC and SPF have one result each, the first: a pass further on doesn't mend a fail."""
    assert proof(results) is level


@pytest.mark.parametrize(
    ("results", "level"),
    [
        ("dkim=fail header.d=customer.example; dkim=pass header.d=customer.example", Auth.VERIFIED),
        ("dkim=pass header.d=customer.example; dkim=fail header.d=customer.example", Auth.VERIFIED),
        ("dkim=pass header.d=sender.example; dkim=pass header.i=@customer.example", Auth.VERIFIED),
        ("dkim=pass header.i=@customer.example; dkim=pass header.d=sender.example", Auth.VERIFIED),
        ("dkim=fail header.d=customer.example; dkim=pass header.d=evil.example", Auth.CLAIMED),
        ("dkim=fail header.d=customer.example; dkim=pass header.i=@evil.example", Auth.CLAIMED),
        ("dkim=pass header.i=@evil.example; dkim=fail header.d=customer.example", Auth.CLAIMED),
        ("dkim=fail header.d=customer.example; dkim=pass", Auth.CLAIMED),
        ("dkim=fail header.d=customer.example; dkim=neutral header.d=customer.example", Auth.CLAIMED),
    ],
)
def test_one_good_signature_is_enough_but_must_be_its_own(results: str, level: Auth) -> None:
    """Of several signatures one that passed for the sender's domain counts; one that failed lends its domain to
    none."""
    assert proof(results) is level


# -- staff who take part by Cc -------------------------------------------------------------------------------------


async def copied(desk: TestDesk) -> int:
    """Ann's ticket, which had ada in Cc."""
    ticket, _ = await opened(desk, to_others=(ADA_MAIL,))
    return ticket


async def test_a_copied_staff_member_answers_as_staff(desk: TestDesk, store: Store) -> None:
    """Ada, whom the requester had in Cc, proves herself: her words are the desk's answer and reach the requester."""
    ticket = await copied(desk)
    receipt = await desk.write("Try again", sender=ADA_MAIL, signed=(ticket,), auth=Auth.VERIFIED)
    assert receipt.outcome == "joined"
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    answer = detail.messages[-1]
    assert (answer.author.staff, answer.visibility) == (True, Visibility.PUBLIC)
    assert detail.ticket.first_response_at is not None
    assert detail.ticket.status is Status.OPEN
    await go(desk, store)
    assert [(o.place, o.message and o.message.text) for o in desk.mail.sent if o.kind == "message"] == [
        ("ann@example.com", "Try again")
    ]


async def test_a_copied_staff_members_note_stays(desk: TestDesk, store: Store) -> None:
    """`note:` in her mail makes it a note, as in any mail of staff's: the requester gets none of it."""
    ticket = await copied(desk)
    await desk.write("Note: a liar", sender=ADA_MAIL, signed=(ticket,), auth=Auth.VERIFIED)
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    assert (detail.messages[-1].text, detail.messages[-1].visibility) == ("a liar", Visibility.NOTE)
    assert detail.ticket.first_response_at is None
    assert "out email message" not in noted(store)


@pytest.mark.parametrize("by", ["signed", "reference", "tag"])
async def test_who_only_claims_to_be_staff_is_an_outsider(store: Store, by: str) -> None:
    """A staff address in From, in Cc before, with nothing that proves it: staff see it marked, nobody else sees or
    gets it, and whoever has that address is told too."""
    queue = {"name": "support", "addresses": ["support@example.com"], "notify": ["email"]}
    told = await TestDesk.open(store, queue=[queue], slack={"enabled": False})
    try:
        ticket, mail_id = await opened(told, to_others=(ADA_MAIL, BOB))
        before = store.count("deliveries")
        more: dict[str, Any] = {"reference": {"to": (mail_id,)}, "signed": {"signed": (ticket,)}}.get(
            by, {"tagged": ticket}
        )
        receipt = await told.write("Pay here", sender=ADA_MAIL, **more)
        assert (receipt.outcome, receipt.ticket_id) == ("outsider", ticket)
        detail = await told.manager.view_ticket(await told.staff(), ticket)
        assert detail.messages[-1].outsider
        assert not detail.messages[-1].author.staff
        assert detail.ticket.status is Status.NEW
        assert "outsider_message" in await event_kinds(told, ticket)
        fresh = store.rows("SELECT place, desk FROM deliveries ORDER BY id")[before:]
        assert {(row["place"], bool(row["desk"])) for row in fresh} == {
            ("ada@example.com", True),
            ("grace@example.com", True),
        }
        for address in ("ann@example.com", "bob@example.org"):
            seen = await told.manager.view_ticket(await as_person(told, address), ticket)
            assert [m.text for m in seen.messages] == ["Help!"]
    finally:
        await told.close()


# -- what staff are told -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", [(), ("mx.example.com",)])
@pytest.mark.parametrize("what", ["staff_new", "staff_reply"])
async def test_staff_are_told_to_answer_by_mail_only_where_that_works(
    tmp_path: Path, what: str, trusted: tuple[str, ...]
) -> None:
    """Where no hop is named that proves senders, an answer by mail would be an outsider's: notices don't ask for it."""
    outbound = {"port": 1, "tls": "none"}
    email = {"inbound": {"trusted_authserv_ids": list(trusted)}, "outbound": outbound}
    channel = EmailChannel(config(tmp_path, email=email), Blobs(tmp_path), Children())
    ada = Person(kind="email", address="ada@example.com", name="Ada")
    rendered = await channel.render(notice(what, desk=True, to=ada, place="ada@example.com"))
    for text in texts(ComposedMail.unpack(rendered)):
        assert ("Your answer to this mail goes to the requester." in text) is bool(trusted)
        assert "request #12" in text


@pytest.mark.parametrize(
    ("trusted", "notify", "said"),
    [([], ["email"], True), (["mx.example.com"], ["email"], False), ([], ["slack"], False)],
)
async def test_check_says_that_staff_cant_answer_by_mail(
    tmp_path: Path, trusted: list[str], notify: list[str], said: bool
) -> None:
    """`relaydesk check` says it where staff are told by mail and nobody proves senders; it is no problem, only said."""
    async with relayed(FakeRelay()) as relay:
        given = config(
            tmp_path,
            email={"inbound": {"trusted_authserv_ids": trusted}, "outbound": {"port": 1, "tls": "none"}},
            slack={"enabled": True, "bot_token": "x", "app_token": "x"},
            queue=[
                {"name": "s", "addresses": ["s@example.com"], "notify": notify, "slack_channel": "C0TRIAGE01"}
            ],
            staff=[{"username": "ada", "email": "ada@example.com", "name": "Ada", "role": "agent"}],
        )
        findings = await EmailChannel(given, Blobs(tmp_path), Children(), relay=relay).probe()
    about = [f for f in findings if f.part == "staff by mail"]
    assert bool(about) is said
    assert all("trusted_authserv_ids" in f.text and f.problem is None for f in about)
