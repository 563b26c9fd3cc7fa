"""Promise 4. Nothing to the wrong eyes: one matrix over every way out, for a note and for an outsider's words."""

from __future__ import annotations

import re

from tests.house import House

NOTE, OUTSIDER, INSIDE = "sekrit-note-words", "sekrit-outsider-words", "public-answer-words"


async def _ticket_with_secrets(house: House) -> tuple[int, str]:
    """A ticket of Ann's with a note (and its file), an outsider's mail, and one public answer."""
    box = house.box
    assert box is not None
    await house.send_mail("Ann <ann@customer.example>", subject="Eyes", text="A question")
    acknowledgement = await box.mailbox.wait_for(lambda m: "ann@customer.example" in m.recipients)
    address = re.sub(r".*<|>.*", "", acknowledgement.header("Reply-To"))
    await house.logged("delivered", kind="card")
    [card] = box.workspace.channel("triage").top
    ada = box.workspace.user("ada")
    await ada.post("triage", f"note: {NOTE}", thread_ts=card.ts, files=[("secret.txt", b"sekrit-file-words")])
    await house.logged("work_one", outcome="joined")
    await house.send_mail(
        "Eve <eve@elsewhere.example>", address, subject="Verify your address", text=OUTSIDER
    )
    await house.logged("work_one", outcome="outsider")
    await ada.post("triage", INSIDE, thread_ts=card.ts)
    await box.mailbox.wait_for(lambda m: INSIDE in m.text)
    await ada.post("triage", "!resolve", thread_ts=card.ts)
    await box.mailbox.wait_for(lambda m: "resolved" in (m.subject + m.text).lower())
    return int(re.search(r"\+t(\d+)-", address).group(1)), card.ts  # type: ignore[union-attr]


async def test_no_way_out_shows_a_note_or_an_outsiders_words(house: House) -> None:
    """Page, list, search, order, events, files, mails with their quotes, direct messages: none."""
    box = house.box
    assert box is not None
    ticket, _ = await _ticket_with_secrets(house)
    shown: dict[str, str] = {}
    ann, ada = await house.token("ann@customer.example"), await house.token("ada@example.com")
    async with house.client(ann) as http:
        for name, path in {
            "ticket": f"/tickets/{ticket}",
            "list": "/view-tickets",
            "search note": f"/view-tickets?q={NOTE}",
            "search outsider": f"/view-tickets?q={OUTSIDER}",
        }.items():
            answer = await http.get(path)
            assert answer.status_code == 200
            shown[name] = answer.text
        assert (await http.get("/analyze-data")).status_code == 403
        detail = (await http.get(f"/tickets/{ticket}")).json()
        for number in range(1, 6):
            shown[f"attachment {number}"] = (await http.get(f"/attachments/{number}")).text
        forbidden = await http.post(
            f"/tickets/{ticket}/messages", json={"message": "x", "visibility": "note"}
        )
        assert forbidden.status_code in (403, 404)
    for mail in box.mailbox.to("ann@customer.example"):
        shown[f"mail {mail.id}"] = mail.raw.decode("utf-8", "replace") + mail.text + mail.html
    for mail in box.mailbox.to("eve@elsewhere.example"):
        shown[f"answer to the outsider {mail.id}"] = OUTSIDER  # there must be none
    for where, text in shown.items():
        for secret in (NOTE, OUTSIDER, "sekrit-file-words"):
            assert secret not in text, f"{secret} in {where}"
    assert INSIDE in shown["ticket"]
    assert {m["visibility"] for m in detail["messages"]} == {"public"}
    # Staff see all of it, on every side.
    await box.workspace.wait_for(lambda: OUTSIDER in box.workspace.render(), timeout=15)
    async with house.client(ada) as http:
        whole = (await http.get(f"/tickets/{ticket}")).text
    assert NOTE in whole
    assert OUTSIDER in whole


async def test_a_note_does_not_show_in_the_order_of_a_requesters_list(house: House) -> None:
    """A note moves the ticket up for staff, not for its requester."""
    for subject in ("older", "newer"):
        await house.send_mail("ann@customer.example", subject=subject)
        await house.logged("work_one", outcome="opened", times=1 if subject == "older" else 2)
    ids = {r["title"]: r["id"] for r in house.store.rows("SELECT id, title FROM tickets")}
    assert (await house.run("tickets", "note", str(ids["older"]), "psst")).status == 0
    ann, ada = await house.token("ann@customer.example"), await house.token("ada@example.com")
    orders = []
    for token in (ann, ada):
        async with house.client(token) as http:
            listed = (await http.get("/view-tickets")).json()
        orders.append([t["title"] for t in listed])
    assert orders == [["newer", "older"], ["older", "newer"]]


async def test_a_number_in_the_subject_opens_nothing_of_anybody(house: House) -> None:
    """`[#1]`, or somebody else's references, from a stranger: a ticket of their own, and nobody is added."""
    box = house.box
    assert box is not None
    first = await house.send_mail("ann@customer.example", subject="Mine")
    await house.logged("work_one", outcome="opened")
    await house.send_mail(
        "eve@elsewhere.example",
        subject="Re: Mine [#1]",
        headers={"Cc": "mallory@elsewhere.example", "References": first.message_id},
    )
    await house.logged("work_one", outcome="opened", times=2)
    assert house.store.count("tickets") == 2
    quote = '"' if house.store.sqlite else "`"
    joined = house.store.rows(
        f"SELECT i.address FROM participants p JOIN identities i ON i.{quote}key{quote} = p.identity_key "
        "WHERE p.ticket_id = (SELECT MIN(id) FROM tickets)"
    )
    assert [row["address"] for row in joined] == ["ann@customer.example"]


async def test_a_forged_staff_mail_is_a_strangers(house: House) -> None:
    """A From header is a claim: without authentication it gives no rights, and staff see it marked."""
    box = house.box
    assert box is not None
    await house.send_mail("ann@customer.example", subject="Forged")
    acknowledgement = await box.mailbox.wait_for(lambda m: "ann@customer.example" in m.recipients)
    address = re.sub(r".*<|>.*", "", acknowledgement.header("Reply-To"))
    mails = len(box.mailbox.mails)
    await house.send_mail("Ada <ada@example.com>", address, subject="Re: Forged", text="forged-words")
    await house.logged("work_one", outcome="outsider")
    await box.workspace.wait_for(lambda: "forged-words" in box.workspace.render())
    await house.send_mail("bob@customer.example", subject="another")  # a later mail to wait for
    await box.mailbox.wait_for(lambda m: "bob@customer.example" in m.recipients)
    assert not any("forged-words" in m.text for m in box.mailbox.mails[mails:])
    assert not box.mailbox.to("ada@example.com")
