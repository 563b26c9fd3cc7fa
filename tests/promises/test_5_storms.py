"""Promise 5. No storms: automatic mail is never answered, and what we send by ourselves is braked."""

from __future__ import annotations

from tests.conftest import Houses
from tests.house import House


async def test_an_out_of_office_reply_to_our_acknowledgement_ends_there(house: House) -> None:
    """It joins its ticket, reopens nothing, and gets no answer."""
    box = house.box
    assert box is not None
    await house.send_mail("ann@customer.example", subject="Holiday")
    ack = await box.mailbox.wait_for(lambda m: "ann@customer.example" in m.recipients)
    first = str(house.store.value("SELECT MIN(id) FROM tickets"))
    assert (await house.run("tickets", "status", first, "resolved")).status == 0
    await box.mailbox.wait_for(lambda m: "resolved" in (m.subject + m.text).lower())
    before = len(box.mailbox.mails)
    await house.send_mail(
        "ann@customer.example",
        subject="Automatic reply: Holiday",
        text="I am away.",
        headers={"Auto-Submitted": "auto-replied", "In-Reply-To": ack.header("Message-ID")},
    )
    await house.logged("work_one", outcome="joined")
    await house.send_mail("bob@customer.example", subject="Later")
    await box.mailbox.wait_for(lambda m: "bob@customer.example" in m.recipients)
    assert [m.recipients for m in box.mailbox.mails[before:]] == [["bob@customer.example"]]
    assert house.store.value("SELECT status FROM tickets WHERE id = :id", id=int(first)) == "resolved"


async def test_automatic_mail_opens_a_ticket_without_an_answer(house: House) -> None:
    """Lists, machines and bounces of strangers get no acknowledgement."""
    box = house.box
    assert box is not None
    for headers in (
        {"Auto-Submitted": "auto-generated"},
        {"List-Id": "<news.example>"},
        {"Precedence": "bulk"},
    ):
        await house.send_mail("robot@machines.example", subject="Report", headers=headers)
    await house.logged("work_one", outcome="opened", times=3)
    await house.send_mail("human@customer.example", subject="Hello")
    await box.mailbox.wait_for(lambda m: "human@customer.example" in m.recipients)
    assert not box.mailbox.to("robot@machines.example")


async def test_a_bounce_of_our_mail_marks_it_and_nothing_else(house: House) -> None:
    """No ticket, no acknowledgement: the delivery is `bounced`, and staff read why in the thread."""
    box = house.box
    assert box is not None
    await house.send_mail("gone@customer.example", subject="Bounce me")
    ack = await box.mailbox.wait_for(lambda m: "gone@customer.example" in m.recipients)
    await house.logged("delivered", kind="notice")
    bounce = (
        "From: Mail Delivery System <MAILER-DAEMON@customer.example>\r\n"
        f"To: {ack.sender}\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        "Message-ID: <bounce-1@customer.example>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nNo such user here.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.customer.example\r\n\r\n"
        "Final-Recipient: rfc822; gone@customer.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n"
    )
    assert (await house.send_mail("", ack.sender, raw=bounce.encode())).accepted
    await house.logged("work_one", outcome="reported")
    assert house.store.count("tickets") == 1
    assert house.store.count("deliveries", "state = 'bounced'") == 1
    await box.workspace.wait_for(lambda: "5.1.1" in box.workspace.render())
    assert len(box.mailbox.mails) == 1


async def test_two_help_desks_that_answer_each_other_stop(houses: Houses) -> None:
    """Another desk's acknowledgements, without any header and with a new subject each time: a counter ends it."""
    house = await houses(brakes={"acknowledgements_per_address": 3})
    box = house.box
    assert box is not None
    for number in range(6):
        await house.send_mail(
            "desk@other.example", subject=f"Your request 10{number} was received", text="Thanks"
        )
        await house.logged("work_one", outcome="opened", times=number + 1)
    await house.send_mail("human@customer.example", subject="Hello")
    await box.mailbox.wait_for(lambda m: "human@customer.example" in m.recipients)
    assert len(box.mailbox.to("desk@other.example")) == 3


async def test_a_report_by_form_mails_one_fixed_link(house: House) -> None:
    """Unconfirmed: one mail that repeats nothing of it, whatever is reported; a staff member's answer goes out."""
    box = house.box
    assert box is not None
    async with house.client() as http:
        for number in range(4):
            report = {
                "title": f"buy-{number}",
                "description": "spam-words",
                "email": "victim@customer.example",
            }
            assert (await http.post("/report-issue", json=report)).status_code == 201
    first = await box.mailbox.wait_for(lambda m: "victim@customer.example" in m.recipients)
    await house.logged("delivered", kind="card", times=4)
    assert len(box.mailbox.to("victim@customer.example")) == 1
    assert "spam-words" not in first.raw.decode()
    assert "buy-" not in first.raw.decode() + first.subject + first.text
    ticket = str(house.store.value("SELECT MIN(id) FROM tickets"))
    assert (await house.run("tickets", "reply", ticket, "A human answers")).status == 0
    await box.mailbox.wait_for(lambda m: "A human answers" in m.text, timeout=10)


async def test_a_vacation_program_answers_the_envelope_sender(house: House) -> None:
    """Mail to our bounce address that is no bounce joins the ticket, unanswered and without reopening it."""
    box = house.box
    assert box is not None
    await house.send_mail("ann@customer.example", subject="Vacation")
    ack = await box.mailbox.wait_for(lambda m: "ann@customer.example" in m.recipients)
    assert ack.sender != ack.header("Reply-To")
    headers = {"Auto-Submitted": "auto-replied"}
    await house.send_mail("ann@customer.example", ack.sender, subject="I am away", headers=headers)
    await house.logged("work_one", outcome="joined")
    assert house.store.count("tickets") == 1
    assert len(box.mailbox.mails) == 1


async def test_a_bounce_of_what_others_sent_opens_nothing(house: House) -> None:
    """A bounce of a mail that isn't ours (somebody forged our address) is kept in the inbox, and that's all."""
    bounce = (
        "From: MAILER-DAEMON@mx.example\r\nTo: support@example.com\r\nSubject: Undelivered Mail\r\n"
        "Message-ID: <b2@mx.example>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nNo such user.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; x@mx.example\r\nAction: failed\r\n"
        "Status: 5.1.1\r\n\r\n--b--\r\n"
    )
    assert (await house.send_mail("", raw=bounce.encode())).accepted
    await house.logged("work_one", outcome="ignored")
    assert house.store.count("tickets") == 0
    assert house.store.count("inbox", "state = 'ignored'") == 1
