"""Every message exactly once on both sides, and in order: what was written against what the desk and Slack have."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import partial
from itertools import pairwise
from typing import Any

from core import views
from core.database import Database
from core.shapes import Actor, Role
from sandbox import TRIAGE, Sandbox
from sandbox.shapes import Message
from tests.soak.written import Memory, Written

LATE = "came late: written before what stands above"
TOKEN = re.compile(r"\bw\d{5}z\b")
Rows = dict[str, dict[str, Any]]


def shown(message: Message) -> str:
    """All that a message shows: its text and the texts of its blocks."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            found.extend(str(v) for k, v in value.items() if k == "text" and isinstance(v, str))
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(message.blocks)
    return "\n".join(found) if found else message.text


class Verdict:
    """The faults that were found; none is a good run."""

    def __init__(self, box: Sandbox, memory: Memory, store: Any) -> None:
        self.box, self.memory = box, memory
        self.store = store
        self.faults: list[str] = []
        self.late = 0
        """Copies that say that they came late."""
        self.rows = self._rows(store)
        self.left = store.rows(
            "SELECT id, kind, state, last_error FROM deliveries WHERE state NOT IN ('sent', 'cancelled')"
        )
        self.renamed: set[int] = {
            int(row["ticket_id"])
            for row in store.rows("SELECT ticket_id FROM messages WHERE seq = 1 AND deleted_at IS NOT NULL")
        }
        self.opening: set[int] = {
            int(row["id"]) for row in store.rows("SELECT id FROM messages WHERE seq = 1")
        }

    @staticmethod
    def _rows(store: Any) -> Rows:
        rows = store.rows(
            "SELECT l.remote, m.id, m.ticket_id, m.seq, m.text, m.visibility, m.deleted_at, t.merged_into"
            " FROM links l JOIN messages m ON m.id = l.message_id JOIN tickets t ON t.id = m.ticket_id"
            " WHERE l.kind = 'received'"
        )
        return {str(row["remote"]): row for row in rows}

    async def judge(self) -> list[str]:
        """Look at everything; return what is wrong."""
        for message in self.memory.messages:
            self._desk_has(message)
        await self._in_order_on_the_desk()
        self._on_the_other_side()
        for row in self.left:
            self.faults.append(f"delivery {row['id']} ({row['kind']}) is {row['state']}: {row['last_error']}")
        return self.faults

    def _desk_has(self, message: Written) -> None:
        row = self.rows.get(message.remote)
        if row is None:
            if not message.deleted:
                self.faults.append(
                    f"{message.words}: the desk hasn't got it ({message.side}, {message.remote})"
                )
            return
        if message.deleted != (row["deleted_at"] is not None):
            self.faults.append(f"{message.words}: deleted {message.deleted}, on the desk {row['deleted_at']}")
        if not message.deleted and message.words not in row["text"]:
            self.faults.append(f"{message.words}: the desk has '{row['text'][:60]}'")
        if not message.deleted and message.note != (row["visibility"] == "note"):
            self.faults.append(f"{message.words}: note {message.note}, on the desk {row['visibility']}")

    async def _in_order_on_the_desk(self) -> None:
        """Within a ticket, what was written in one conversation stands in the order of writing."""
        stands = await self._stands()
        seen: dict[tuple[int, str], list[tuple[int, str, str]]] = defaultdict(list)
        for message in self.memory.messages:
            if (row := self.rows.get(message.remote)) is not None:
                place = (int(row["ticket_id"]), message.channel)
                seen[place].append((stands[int(row["id"])], message.ts, message.words))
        for (ticket, _), written in seen.items():
            written.sort()
            for (_, before, _), (_, after, words) in pairwise(written):
                if before > after:
                    self.faults.append(f"{words}: out of order on ticket {ticket}")

    async def _stands(self) -> dict[int, int]:
        """At which place of its ticket each message is shown."""
        database = Database(self.store.config().database)
        staff = Actor(user_id=None, role=Role.AGENT, channel="test")
        found: dict[int, int] = {}
        for ticket in {int(row["ticket_id"]) for row in self.rows.values()}:
            messages = await database.read(partial(views.thread, ticket_id=ticket, viewer=staff))
            found |= {message.id: place for place, message in enumerate(messages)}
        await database.close()
        return found

    def _on_the_other_side(self) -> None:
        where = self._posts()
        for message in self.memory.messages:
            if (row := self.rows.get(message.remote)) is None:
                continue
            opened = int(row["id"]) in self.opening
            for words in (message.words, *message.once):
                posts = where.get(words, [])
                copies = [p for p in posts if self._is_copy(message, p)]
                if message.side == "asker" and not opened and int(row["ticket_id"]) in self.renamed:
                    copies = [
                        p for p in copies if p.is_reply
                    ]  # its card shows the first words that still stand
                want = 1 if words == message.words and not message.deleted and not message.note else 0
                if message.deleted and message.side == "desk":
                    continue  # what the requester has read stays with them: of a deletion only staff are told
                if message.deleted and copies and words == message.words:
                    seen = shown(copies[0])[:120].replace("\n", " / ")
                    self.faults.append(f"{words}: deleted, and still shown {len(copies)} times: {seen}")
                elif (
                    not message.deleted
                    and len(copies) != want
                    and not (opened and len(copies) in (1, 2) and want)
                ):
                    self.faults.append(
                        f"{words}: {len(copies)} copies instead of {want} ({message.side}, ticket {row['ticket_id']}): "
                        + " | ".join(shown(copy)[:120].replace("\n", " / ") for copy in copies)
                    )
        self._copies_in_order(where)

    def _is_copy(self, message: Written, post: Message) -> bool:
        """Is it the bot's copy on the other side?"""
        if not post.bot_id:
            return False
        return (post.channel == TRIAGE) == (message.side == "asker")

    def _posts(self) -> dict[str, list[Message]]:
        found: dict[str, list[Message]] = defaultdict(list)
        for channel in self.box.workspace.state.channels.values():
            for post in channel.messages.values():
                for token in set(TOKEN.findall(shown(post))):
                    found[token].append(post)
        return found

    def _copies_in_order(self, where: dict[str, list[Message]]) -> None:
        threads: dict[tuple[str, str, str], list[tuple[str, str, str]]] = defaultdict(list)
        for message in self.memory.messages:
            row = self.rows.get(message.remote)
            if row is None or message.deleted or message.note or int(row["id"]) in self.opening:
                continue
            for post in where.get(message.words, []):
                if self._is_copy(message, post) and post.is_reply:
                    key = (post.channel, str(post.thread_ts), message.side)
                    if LATE in shown(post):
                        self.late += 1  # what was posted can't be moved: it says so
                    else:
                        threads[key].append((post.ts, message.ts, message.words))
        for (_, root, _), copies in threads.items():
            copies.sort()
            for (_, before, _), (_, after, words) in pairwise(copies):
                if before > after:
                    self.faults.append(f"{words}: its copy is out of order in thread {root}")
