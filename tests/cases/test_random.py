"""Random conversations, checked against what must hold in every one of them.

Customers, copied colleagues, strangers, staff, vacation programs, bounces, copies, mails that come late, merges. Each
letter has a word of its own, so that it's known where its words came to stand and where they went.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from core.failures import Refused
from tests.cases.letters import Client, Letter, bounce_of
from tests.cases.postbox import SUPPORT, Outward, Postbox, Taken

STEPS = 40
BILLING = "billing@example.com"
STAFF = {"ada@example.com", "grace@example.com"}
PEOPLE = [
    Client("Ann", "ann@customer.example", "gmail"),
    Client("Bob", "bob@customer.example", "outlook"),
    Client("Carl", "carl@partner.example", "phone"),
    Client("Eve", "eve@elsewhere.example"),
]
STRANGER = Client("Service", "verify@chat.example")
_WORD = re.compile(r"\bw\d+w\b")


@dataclass
class World:
    """What happened, as the test knows it."""

    post: Postbox
    dice: random.Random
    known: dict[str, list[Letter]] = field(
        default_factory=lambda: defaultdict(list)
    )  # mails that somebody has
    came: dict[str, tuple[Letter, list[str]]] = field(
        default_factory=dict
    )  # word: letter, envelope recipients
    late: list[tuple[str, Client, Letter, list[str]]] = field(default_factory=list)
    secret: set[str] = field(default_factory=set)  # words of notes and of outsiders
    machines: set[str] = field(default_factory=set)  # words of automatic mail
    order: dict[int, list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )  # ticket: words as they came
    belongs: dict[str, set[int]] = field(
        default_factory=lambda: defaultdict(set)
    )  # word: tickets, by the inbox
    log: list[str] = field(default_factory=list)
    numbers: int = 0

    def word(self) -> str:
        self.numbers += 1
        return f"w{self.numbers}w"

    # -- what may happen --

    async def step(self) -> None:
        moves = [
            (5, self.new_mail),
            (8, self.reply),
            (2, self.burst),
            (2, self.stranger),
            (3, self.by_tag),
            (7, self.staff_says),
            (3, self.staff_notes),
            (3, self.sets_status),
            (1, self.merges),
            (1, self.admits),
            (3, self.again),
            (3, self.late_one),
            (3, self.away),
            (2, self.bounces),
            (1, self.time_passes),
        ]
        move = self.dice.choices([m for _, m in moves], [w for w, _ in moves])[0]
        self.log.append(move.__name__)
        await move()

    async def new_mail(self) -> None:
        who = self.dice.choice(PEOPLE)
        to = self.dice.choice([[SUPPORT], [SUPPORT], [BILLING], [SUPPORT, BILLING]])
        cc = [p.address for p in PEOPLE if p != who and self.dice.random() < 0.25]
        word = self.word()
        await self.goes(word, who, who.writes(f"Words {word}", to=to, cc=cc, subject=f"About {word}"), to)

    def _answer(self, who: Client, word: str) -> tuple[Letter, list[str]] | None:
        mails = self.known[who.address]
        if not mails:
            return None
        mail = self.dice.choice(mails)
        everybody = self.dice.random() < 0.5
        frame = who.answers(mail, "", everybody=everybody)
        to, cc = frame.addresses("To"), frame.addresses("Cc")
        if self.dice.random() < 0.15:
            cc = [*cc, self.dice.choice(PEOPLE).address]
        threads = {n: frame.header(n) for n in ("In-Reply-To", "References") if self.dice.random() < 0.8}
        letter = who.writes(f"Words {word}", to=to, cc=cc, subject=frame.subject, fields=threads)
        ours = [a for a in dict.fromkeys([*to, *cc]) if self.post.routes.queue_of(a)]
        return (letter, ours) if ours else None

    async def reply(self) -> None:
        who, word = self.dice.choice(PEOPLE), self.word()
        if made := self._answer(who, word):
            await self.goes(word, who, *made)

    async def burst(self) -> None:
        """Several on one thread at once: they stay in order."""
        who = self.dice.choice(PEOPLE)
        first = self._answer(who, "w0w")
        if first is None:
            return
        sent = []
        for _ in range(3):
            word = self.word()
            letter = who.writes(
                f"Words {word}",
                to=first[1],
                subject=first[0].subject,
                fields={n: first[0].header(n) for n in ("In-Reply-To", "References") if first[0].header(n)},
            )
            sent.append((word, letter, await self.post.drops(letter, to=first[1], sender=who.address)))
            self.came[word] = (letter, first[1])
            self.known[who.address].append(letter)
        await self.post.quiet()
        for word, _, keys in sent:
            self.placed(word, self.post.taken(keys))
            self.secret |= {word} if self._outsider(word) else set()
        self.check_news(sent[-1][1], who)

    async def stranger(self) -> None:
        keys = [mail.reply_to for mail in self.post.sent if "Reply-To" in mail.parsed]
        if keys:
            word, to = self.word(), self.dice.choice(keys)
            fields = {"Auto-Submitted": "auto-generated"} if self.dice.random() < 0.5 else {}
            letter = STRANGER.writes(f"Words {word}", to=to, subject=f"Verify {word}", fields=fields)
            await self.goes(word, STRANGER, letter, [to], automatic=bool(fields))

    async def by_tag(self) -> None:
        if tickets := self.post.tickets():
            who, word = self.dice.choice(PEOPLE), self.word()
            subject = f"Re: [#{self.dice.choice(tickets)}] {word}"
            cc = [self.dice.choice(PEOPLE).address] if self.dice.random() < 0.5 else []
            await self.goes(word, who, who.writes(f"Words {word}", subject=subject, cc=cc), [SUPPORT])

    async def _at_desk(self, note: bool) -> None:
        if not (tickets := self.post.tickets()):
            return
        word, ticket = self.word(), self.dice.choice(tickets)
        if note:
            self.secret.add(word)
        try:
            message = await self.post.says(ticket, f"Words {word}", note=note)
        except Refused:
            self.numbers -= 1
            return
        self.order[message.ticket_id].append(word)
        self.check_news()

    async def staff_says(self) -> None:
        await self._at_desk(note=False)

    async def staff_notes(self) -> None:
        await self._at_desk(note=True)

    async def sets_status(self) -> None:
        if tickets := self.post.tickets():
            status = self.dice.choice(["open", "pending", "resolved", "closed"])
            try:
                await self.post.sets(self.dice.choice(tickets), status)
            except Refused:
                return
            self.check_news()

    async def merges(self) -> None:
        tickets = self.post.tickets()
        if len(tickets) > 2:
            one, into = self.dice.sample(tickets, 2)
            try:
                await self.post.merges(one, into)
            except Refused:
                return
            self.check_news()

    async def admits(self) -> None:
        if tickets := self.post.tickets():
            ticket = self.dice.choice(tickets)
            waiting = [a for a, role in self.post.people(ticket).items() if role in ("outsider", "proposed")]
            waiting = [a for a in waiting if a not in (STRANGER.address, *STAFF)]
            if waiting:
                try:
                    await self.post.admits(ticket, self.dice.choice(waiting))
                except Refused:
                    return
                self.check_news()

    async def again(self) -> None:
        """A mail that came already comes again, by another way: nothing happens."""
        if self.came:
            word = self.dice.choice(sorted(self.came))
            letter, to = self.came[word]
            before = self.post.store.count("messages")
            trace = Letter(b"Received: from other.example by mx.example.com; x\r\n" + letter.raw)
            await self.post.arrives(trace, to=to, sender="forwarder@other.example")
            assert self.post.store.count("messages") == before, f"{word} came twice"
            assert self.post.news() == []

    async def late_one(self) -> None:
        """A mail is held up somewhere; it comes later, after what was written after it."""
        if self.late and self.dice.random() < 0.6:
            word, who, letter, to = self.late.pop(0)
            await self.goes(word, who, letter, to)
            return
        who, word = self.dice.choice(PEOPLE), self.word()
        if made := self._answer(who, word):
            self.late.append((word, who, *made))

    async def away(self) -> None:
        sent = [mail for mail in self.post.sent if not set(mail.recipients) <= STAFF]
        if sent:
            mail, word = self.dice.choice(sent), self.word()
            address = self.dice.choice([*mail.recipients, STRANGER.address])
            who = next((p for p in PEOPLE if p.address == address), STRANGER)
            to = self.dice.choice([mail.sender, mail.reply_to])
            letter = who.is_away(mail, to, Subject=f"Away {word}")
            letter = Letter(letter.raw.replace(b"I am away until Monday.", f"Words {word}".encode()))
            await self.goes(word, who, letter, [to], automatic=True)

    async def bounces(self) -> None:
        if self.post.sent:
            mail = self.dice.choice(self.post.sent)
            soft = {"status": "4.2.2", "said": "smtp; 452 4.2.2 Mailbox full"}
            back = bounce_of(mail, mail.sender, mail.recipients[0], **soft)
            before = self.post.store.count("messages"), self.post.tickets()
            await self.post.arrives(back, to=[mail.sender], sender="")
            assert (self.post.store.count("messages"), self.post.tickets()) == before
            assert not [m for m in self.post.news() if not set(m.recipients) <= STAFF]

    async def time_passes(self) -> None:
        self.post.later(timedelta(hours=self.dice.choice([1, 1, 5, 24 * 16])))

    # -- what must hold after each --

    async def goes(
        self, word: str, who: Client, letter: Letter, to: list[str], *, automatic: bool = False
    ) -> None:
        """A letter is sent: those whom it names have it, and it comes to us."""
        for address in {who.address, *letter.addresses("To", "Cc")}:
            self.known[address].append(letter)
        states = {n: await self.post.status(n) for n in self.post.tickets()}
        roles = {n: self.post.people(n) for n in states}
        self.came[word] = (letter, to)
        taken = await self.post.arrives(letter, to=to, sender=who.address)
        self.placed(word, taken)
        if automatic:
            self.machines.add(word)
            assert {n: await self.post.status(n) for n in states} == states, "a machine moved a ticket"
            assert self.post.news() == [], "a machine was answered"
        for row in taken.rows:
            number = int(row["ticket_id"])
            inside = number not in roles or roles[number].get(who.address) in ("requester", "cc")
            outside = self._outsider(word, number)
            assert outside is (not inside), f"{word} by {who.address} in {number}: outsider is {outside}"
            if outside:
                self.secret.add(word)
        self.check_news(letter, who)

    def _outsider(self, word: str, ticket: int | None = None) -> bool:
        where = "" if ticket is None else f" AND ticket_id = {int(ticket)}"
        rows = self.post.store.rows(
            f"SELECT outsider FROM messages WHERE text = :t{where}", t=f"Words {word}"
        )
        return any(row["outsider"] for row in rows)

    def placed(self, word: str, taken: Taken) -> None:
        """Every row is done, and each names the ticket in which the words now stand."""
        assert [row["state"] for row in taken.rows] == ["done"] * len(taken.rows), taken.rows
        for row in taken.rows:
            self.belongs[word].add(int(row["ticket_id"]))
        for ticket in self.belongs[word]:
            self.order[ticket].append(word)

    def check_news(self, letter: Letter | None = None, who: Client | None = None) -> None:
        """What went out because of it: to those who take part, never to who wrote it or had it already."""
        for mail in self.post.news():
            assert not (self.words_in(mail) & self.secret), "a note's or an outsider's words went out"
            assert not (self.words_in(mail) & self.machines), "a machine's words were passed on"
            number = re.search(r"\+t(\d+)-", mail.header("Reply-To"))
            assert number is not None
            inside = {
                a for a, role in self.post.people(int(number[1])).items() if role in ("requester", "cc")
            }
            assert set(mail.recipients) <= inside, f"{mail.recipients} aren't all of #{number[1]}'s {inside}"
            if letter is not None and who is not None and not mail.automatic:
                had = {who.address, *letter.addresses("To", "Cc")}
                assert not had & set(mail.recipients), "somebody got our copy of what they had"
            for address in mail.recipients:
                self.known[address].append(mail)

    @staticmethod
    def words_in(mail: Outward) -> set[str]:
        bodies = [str(p.get_content()) for p in mail.parsed.walk() if p.get_content_maintype() == "text"]
        return set(_WORD.findall("\n".join(bodies)))

    # -- what must hold in the end --

    async def check_all(self) -> None:
        post = self.post
        while self.late:
            await self.goes(*self.late.pop(0))
        rows = post.store.rows(
            "SELECT ticket_id, seq, text, visibility, outsider FROM messages ORDER BY ticket_id, seq"
        )
        places: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            [word] = _WORD.findall(row["text"])
            places[word].append(row["ticket_id"])
        for word, (_, to) in self.came.items():
            assert sorted(places[word]) == sorted(self.belongs[word]), f"{word} stands in {places[word]}"
            # One ticket a queue, unless those of two queues were merged before it came.
            assert 1 <= len(places[word]) <= len(post.routes.sort(to))
        assert set(places) == set(self.came) | {w for words in self.order.values() for w in words}
        for ticket, words in self.order.items():
            stands = [_WORD.findall(row["text"])[0] for row in rows if row["ticket_id"] == ticket]
            assert stands == words, f"#{ticket} is out of order"
        seqs: dict[int, list[int]] = defaultdict(list)
        for row in rows:
            seqs[row["ticket_id"]].append(row["seq"])
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in seqs.values())
        assert post.store.count("inbox", "state NOT IN ('done', 'ignored')") == 0
        assert post.store.count("deliveries", "state IN ('queued', 'sending')") == 0
        once = [(mail.id, address) for mail in post.sent for address in mail.recipients]
        assert len(once) == len(set(once)), "a mail went out twice"


@pytest.mark.parametrize("seed", range(2))
async def test_random_conversations_keep_every_promise(post: Postbox, seed: int) -> None:
    """Nothing lost, nothing doubled, in order, nothing to the wrong eyes, no machine answered."""
    world = World(post, random.Random(seed))  # a failure names its seed
    try:
        for _ in range(STEPS):
            await world.step()
        await world.check_all()
    except AssertionError:
        print("\n".join(f"{n}: {move}" for n, move in enumerate(world.log)))
        raise
    assert len(world.came) > 10
