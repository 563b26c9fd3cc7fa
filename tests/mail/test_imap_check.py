"""`relaydesk check` on mailboxes that are fetched from, against a real Dovecot."""

from __future__ import annotations

import pytest

from intake.email.imap_check import probe_imap
from tests.conftest import Houses
from tests.mail.imap_kit import Post, letter, new_user

pytestmark = pytest.mark.parametrize("store_name", ["sqlite"])


async def test_check_logs_in_and_says_what_is_offered(post: Post) -> None:
    """It changes nothing: an unread mail stays unread, and nothing is stored."""
    post.put(letter(1))
    (finding,) = await probe_imap(post.config())
    assert finding.problem is None
    assert finding.text == f"IDLE, MOVE, UIDPLUS; {post.user} at 127.0.0.1:{post.server.port}, INBOX"
    assert post.flags() == [set()]
    assert post.store.count("inbox") == 0


async def test_check_misses_the_folder_to_move_to(post: Post) -> None:
    """And finds it once it's there, whatever its name."""
    config = post.config(after="move:Erledigt (für uns)")
    (finding,) = await probe_imap(config)
    assert finding.problem == (
        "there is no folder 'Erledigt (für uns)' to move mails to; make it, or change email.imap.after"
    )
    with post.server.client(post.user) as client:
        client.create_folder("Erledigt (für uns)")
    (finding,) = await probe_imap(config)
    assert finding.problem is None


async def test_check_of_a_house_tells_every_account(houses: Houses, post: Post) -> None:
    """By the command line, with what is wrong and how to mend it, and no secret."""
    accounts = [
        post.settings(),
        post.settings(username=new_user(), password="wrong-one"),
        post.settings(mailbox="Nowhere"),
        post.settings(port=1),
        post.settings(tls="tls"),
    ]
    house = houses.make(slack=False, email={"imap": accounts})
    ran = await house.run("check")
    assert ran.status != 0
    told = ran.out + ran.err
    assert "IDLE, MOVE, UIDPLUS" in told
    assert "the login is refused" in told
    assert "the mailbox Nowhere can't be opened" in told
    assert "can't be reached (Connection refused)" in told
    assert "the server's certificate can't be verified" in told
    assert "wrong-one" not in told
