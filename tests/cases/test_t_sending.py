"""T6, T11 and T14 on the sending side: what relays and clients do with our ids, and what ours carry for them."""

from __future__ import annotations

import asyncio
import socket
from base64 import b64decode
from typing import Any, cast

import pytest

from core.config import EmailOutbound
from intake.email.relay import Relay
from tests.cases.letters import Client, Letter
from tests.cases.postbox import SUPPORT, Postbox
from tests.mail.test_relay import FakeRelay

ANN = Client("Ann Ivory", "ann@customer.example", "outlook")
SES = "0102018f3c5a1b2c-1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d-000000"
HOST = "email-smtp.eu-west-1.amazonaws.com"


@pytest.fixture
def ses_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay's host name leads to loopback."""
    real = socket.getaddrinfo

    def here(host: Any, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == HOST else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)


@pytest.mark.parametrize("domain", ["eu-west-1.amazonses.com", "email.amazonses.com"])
@pytest.mark.parametrize("field", ["In-Reply-To", "References"])
async def test_T6_a_relay_rewrote_our_message_id(
    post: Postbox, ses_is_here: None, domain: str, field: str
) -> None:
    """SES gives the mail an id of its own and tells it in its answer; the client names only that one, and answers to
    the plain address."""
    fake = FakeRelay(DOT=f"250 Ok {SES}")
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0, limit=2**24)
    relay = Relay(EmailOutbound(host=HOST, port=server.sockets[0].getsockname()[1], tls="none"))
    post.channel._relay = relay
    try:
        ticket = (await post.arrives(ANN.writes("It hums."))).ticket
        fake.answers["DOT"] = f"250 Ok {SES.replace('0102', '0103', 1)}"
        await post.says(ticket, "Please switch it off and on.")
        assert len(fake.mails) == 2
    finally:
        await relay.close()
        server.close()
        fake.drop_all()
        post.channel._relay = cast(Relay, post.shelf)
    for number, said in (("0102", "It answers the acknowledgement."), ("0103", "It answers the answer.")):
        answer = ANN.writes(
            said, subject="Re: hello", fields={field: f"<{SES.replace('0102', number, 1)}@{domain}>"}
        )
        assert (await post.arrives(answer)).ticket == ticket
    stranger = ANN.writes("New.", fields={field: f"<{SES.replace('0102', '0199', 1)}@{domain}>"})
    assert (await post.arrives(stranger)).ticket != ticket


async def test_T6_another_relay_s_answer_names_nothing(post: Postbox) -> None:
    """Whoever runs another relay can't give our mails names."""
    post.shelf.answer = lambda mail: f"Ok {SES}"
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    await post.says(ticket, "Please switch it off and on.")
    answer = ANN.writes("Off.", fields={"In-Reply-To": f"<{SES}@email.amazonses.com>"})
    assert (await post.arrives(answer)).ticket != ticket


async def test_T11_outlook_finds_the_conversation_by_its_own_index(post: Postbox) -> None:
    """Acknowledgement and answer carry the newest index on, and the topic; a mail without one gets none."""
    first = ANN.writes("It hums.", subject="The scanner")
    ticket = (await post.arrives(first)).ticket
    await post.says(ticket, "Please switch it off and on.")
    ack, answer = post.news()
    root = b64decode(first.header("Thread-Index"))
    for mail in (ack, answer):
        index = b64decode(mail.header("Thread-Index").replace(" ", ""))
        assert index[:22] == root[:22]
        assert len(index) == len(root) + 5
        assert mail.header("Thread-Topic") == "The scanner"
    deeper = answer.header("Thread-Index").replace(" ", "")
    reply = ANN.answers(answer, "Done.", fields={"Thread-Index": deeper})
    assert (await post.arrives(reply)).ticket == ticket
    await post.says(ticket, "Fine.")
    assert len(b64decode(post.news()[-1].header("Thread-Index").replace(" ", ""))) == len(root) + 10
    bob = Client("Bob", "bob@elsewhere.example", "thunderbird")
    await post.arrives(bob.writes("Hello"))
    assert post.news()[-1].header("Thread-Index") == ""


async def test_T14_the_first_and_the_last_are_kept_whatever_ids_clients_give(post: Postbox) -> None:
    """Thirty long foreign ids: at most 1,500 octets, no id broken, the field never an encoded word."""
    ticket, ids = 0, []
    for number in range(30):
        mail_id = f"{number:03}.{'y' * 120}@mail.customer.example"
        ids.append(mail_id)
        fields = {"Message-ID": f"<{mail_id}>"}
        if ids[1:]:
            fields["In-Reply-To"] = f"<{ids[-2]}>"
        ticket = (await post.arrives(ANN.writes(f"word {number}", fields=fields))).ticket
    await post.says(ticket, "At last.")
    mail = post.news()[-1]
    raw = mail.raw.partition(b"\r\nReferences: ")[2].partition(b"\r\nReply-To")[0]
    assert len(raw) <= 1500
    kept = mail.references
    assert kept[0] == ids[0]
    assert kept[-1] == ids[-1]
    assert len(kept) > 5
    assert b"=?" not in raw
    answer = Letter(ANN.answers(mail, "Thanks.").with_fields({"To": SUPPORT}).raw)
    assert (await post.arrives(answer)).ticket == ticket
