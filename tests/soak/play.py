"""Fifty people at work, by a seed: they ask, answer, correct themselves, delete, click, while the wire misbehaves."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sandbox import TRIAGE, Sandbox
from sandbox.shapes import GENERAL, SlackError
from tests.soak.written import Memory, Written

STAFF = ("ada", "grace")
ASKERS = 48
ASKER_ACTS = (("open", 4), ("reply", 6), ("edit", 3), ("delete", 1), ("mention", 2), ("file", 1))
STAFF_ACTS = (("answer", 8), ("note", 3), ("correct", 3), ("unsay", 1), ("command", 3), ("click", 4))
# A person looks at the screen and moves on; nobody waits for the machine.
PAUSE = 3.0  # seconds, on average


@dataclass
class Crowd:
    """The people of one soak and what they do next."""

    box: Sandbox
    memory: Memory
    dice: random.Random
    left: int

    def people(self) -> list[str]:
        """Bring the askers into the workspace; the staff are there."""
        names = [f"asker{number:02d}" for number in range(ASKERS)]
        for name in names:
            person = self.box.workspace.add_user(name, name.title(), f"{name}@example.com")
            self.box.workspace.state.channel(GENERAL).members.append(person.id)
        return names

    async def play(self) -> None:
        """Let everybody act until all acts are done."""
        askers = [self._life(name, ASKER_ACTS) for name in self.people()]
        staff = [self._life(name, STAFF_ACTS, busy=12) for name in STAFF]
        await asyncio.gather(*askers, *staff)

    async def _life(self, name: str, acts: tuple[tuple[str, int], ...], busy: int = 1) -> None:
        names, weights = zip(*acts, strict=True)
        while self.left > 0:
            self.left -= 1
            act: Callable[[str], Awaitable[None]] = getattr(self, f"_{self.dice.choices(names, weights)[0]}")
            await act(name)
            await asyncio.sleep(self.dice.expovariate(busy / PAUSE))

    # -- what askers do ----------------------------------------------------------------------------------------

    async def _open(self, name: str) -> None:
        words = self.memory.token()
        person = self.box.workspace.user(name)
        ts = await person.dm(f"{words} my laptop is stuck")
        self._wrote("open", words, "asker", self.box.workspace.dm_channel(name).id, ts, None, name)

    async def _file(self, name: str) -> None:
        words = self.memory.token()
        person = self.box.workspace.user(name)
        ts = await person.dm(f"{words} see the file", files=[("screen.txt", words.encode())])
        self._wrote("file", words, "asker", self.box.workspace.dm_channel(name).id, ts, None, name)

    async def _mention(self, name: str) -> None:
        words = self.memory.token()
        ts = await self.box.workspace.user(name).post("general", f"@relaydesk {words} who can help me?")
        self._wrote("mention", words, "asker", GENERAL, ts, None, name)

    async def _reply(self, name: str) -> None:
        roots = [m for m in self._own(name, "asker") if m.root is None and not m.deleted]
        if not roots:
            return await self._open(name)
        root, words = self.dice.choice(roots), self.memory.token()
        person = self.box.workspace.user(name)
        ts = await person.post(root.channel, f"{words} and one more thing", thread_ts=root.ts)
        self._wrote("reply", words, "asker", root.channel, ts, root.ts, name)
        return None

    async def _edit(self, name: str) -> None:
        await self._retype(name, "asker", "edit")

    async def _delete(self, name: str) -> None:
        await self._unsay_one(name, "asker", "delete")

    # -- what staff do -----------------------------------------------------------------------------------------

    async def _answer(self, name: str, note: bool = False) -> None:
        if (card := self._card()) is None:
            return
        words = self.memory.token()
        text = f"note: {words} between us" if note else f"{words} please try it again"
        try:
            ts = await self.box.workspace.user(name).post("triage", text, thread_ts=card)
        except SlackError:
            return
        self._wrote("note" if note else "answer", words, "desk", TRIAGE, ts, card, name, note=note)

    async def _note(self, name: str) -> None:
        await self._answer(name, note=True)

    async def _correct(self, name: str) -> None:
        await self._retype(name, "desk", "correct")

    async def _unsay(self, name: str) -> None:
        await self._unsay_one(name, "desk", "unsay")

    async def _command(self, name: str) -> None:
        if (card := self._card()) is None:
            return
        what = self.dice.choice(("!take", "!priority high", "!status pending", "!help", "!assign @grace"))
        await self.box.workspace.user(name).post("triage", what, thread_ts=card)
        self.memory.count("command")

    async def _click(self, name: str) -> None:
        if (card := self._card()) is None:
            return
        action, value = self.dice.choice((("take", None), ("status", "open"), ("status", "pending")))
        began = time.perf_counter()
        try:
            answer = await self.box.workspace.user(name).click("triage", card, action, value)
        except (SlackError, LookupError, ValueError):
            return  # the card has no such control now
        if answer.acked:
            self.memory.acks.append(time.perf_counter() - began)
        else:
            self.memory.unacked += 1
        self.memory.count("click")

    # -- in general --------------------------------------------------------------------------------------------

    def _wrote(
        self,
        act: str,
        words: str,
        side: str,
        channel: str,
        ts: str,
        root: str | None,
        author: str,
        note: bool = False,
    ) -> None:
        self.memory.count(act)
        self.memory.messages.append(Written(words, side, channel, ts, root, author, note))

    def _own(self, name: str, side: str) -> list[Written]:
        return [m for m in self.memory.messages if m.author == name and m.side == side]

    def _card(self) -> str | None:
        cards = [m.ts for m in self.box.workspace.channel("triage").top if m.bot_id and m.blocks]
        return self.dice.choice(cards[-60:]) if cards else None

    async def _retype(self, name: str, side: str, act: str) -> None:
        mine = [m for m in self._own(name, side) if not m.deleted]
        if not mine:
            return
        message, words = self.dice.choice(mine[-6:]), self.memory.token()
        front = (
            "note: "
            if message.note
            else "@relaydesk "
            if message.channel == GENERAL and not message.root
            else ""
        )
        message.once.append(message.words)
        message.words = words
        await self.box.workspace.user(name).edit(message.channel, message.ts, f"{front}{words} as I meant it")
        self.memory.count(act)

    async def _unsay_one(self, name: str, side: str, act: str) -> None:
        mine = [m for m in self._own(name, side) if not m.deleted]
        if not mine:
            return
        message = self.dice.choice(mine[-6:])
        message.deleted = True
        await self.box.workspace.user(name).delete(message.channel, message.ts)
        self.memory.count(act)


async def rest(box: Sandbox, store: Any, seconds: float = 120) -> None:
    """Wait until nothing waits any more on either side."""
    deadline = time.monotonic() + seconds
    quiet = 0
    while quiet < 3:
        await asyncio.sleep(0.5)
        waiting = await asyncio.to_thread(
            store.value,
            "SELECT (SELECT COUNT(*) FROM inbox WHERE state = 'new')"
            " + (SELECT COUNT(*) FROM deliveries WHERE state IN ('queued', 'sending'))",
        )
        quiet = quiet + 1 if not waiting and not box.workspace._busy() else 0
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s still {waiting} things wait")
