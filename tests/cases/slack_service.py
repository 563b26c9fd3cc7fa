"""The service in the test's process, between a Slack workspace and a mailbox: all its parts as `serve` builds them.

A process of its own costs seconds; these cases need none. What comes of things is seen as people in Slack and readers
of mail see it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import aiosmtplib

from app import Service, build_parts
from sandbox import TRIAGE, Mail, Message, Sandbox
from sandbox.driver import Driver
from sandbox.person import Person
from tests.stores import Store, merged
from tests.waiting import until
from tests.writing import mail

ROLES = frozenset({"worker", "courier", "email", "slack"})
SUPPORT = {"name": "support", "addresses": ["support@example.com"], "slack_channel": TRIAGE}
CUSTOMER = "Cleo <cleo@customer.example>"


def words(message: Message) -> str:
    """What a message says, wherever it says it."""
    return f"{message.text}\n{message.blocks}"


@dataclass
class SlackService:
    """A running desk and its neighbours. Open it with `serving`."""

    service: Service
    store: Store
    box: Sandbox

    @property
    def space(self) -> Driver:
        return self.box.workspace

    def user(self, name: str) -> Person:
        return self.space.user(name)

    # -- what people do --------------------------------------------------------------------------------------

    async def mail(
        self,
        subject: str = "The printer burns",
        text: str = "Please help.",
        *,
        sender: str = CUSTOMER,
        to: str = "support@example.com",
        message: EmailMessage | None = None,
        **more: Any,
    ) -> None:
        """A customer mails."""
        given = message or mail(sender, [to], subject, text, **more)
        await aiosmtplib.send(
            given.as_bytes(),
            sender=re.sub(r".*<|>.*", "", sender),
            recipients=[to],
            hostname="127.0.0.1",
            port=self.service.mail_port,
            start_tls=False,
        )

    async def opened(self, said: str, channel: str = "triage") -> Message:
        """Wait for the one card of a ticket that says so."""
        await self.sees(lambda: self.cards(said, channel))
        [card] = self.cards(said, channel)
        return card

    async def asked_by_mail(self, subject: str = "The printer burns", **more: Any) -> Message:
        """A customer mails; wait for the card, and for the receipt."""
        before = len(self.box.mailbox.mails)
        await self.mail(subject, **more)
        card = await self.opened(subject)
        await self.box.mailbox.wait_for(before + 1, timeout=20)
        return card

    # -- what they see -----------------------------------------------------------------------------------------

    async def sees(self, true: Callable[[], object], timeout: float = 20) -> None:
        """Wait until something shows in the workspace."""
        await self.space.wait_for(true, timeout=timeout)

    async def posted(self, said: str, thread: str) -> Message:
        """Wait for the reply in a thread that says so; it is the only one."""
        await self.sees(lambda: self.replies(said, thread))
        [reply] = self.replies(said, thread)
        return reply

    def replies(self, said: str, thread: str) -> list[Message]:
        return [m for m in self.space.thread(thread)[1:] if said in words(m)]

    def cards(self, said: str = "", channel: str = "triage") -> list[Message]:
        return [m for m in self.space.channel(channel).top if m.bot_id and said in words(m)]

    def to_customer(self, said: str = "") -> list[Mail]:
        return [m for m in self.box.mailbox.to("cleo@customer.example") if said in m.text]

    async def mailed(self, said: str) -> Mail:
        """Wait for the mail to the customer that says so."""
        return await self.box.mailbox.wait_for(lambda m: said in m.text, timeout=20)

    async def rest(self) -> None:
        """Wait until nothing waits to be read or sent, and Slack is still."""
        while True:
            await self.space.settled(0.15)
            if not self.busy():
                return
            await until(lambda: not self.busy(), timeout=30, what="the desk comes to rest")

    def busy(self) -> int:
        return self.store.count("inbox", "state = 'new'") or self.store.count(
            "deliveries", "state IN ('queued', 'sending')"
        )


@asynccontextmanager
async def serving(
    store: Store,
    box: Sandbox,
    *,
    slack: Mapping[str, Any] | None = None,
    queue: Sequence[Mapping[str, Any]] = (SUPPORT,),
    **settings: Any,
) -> AsyncIterator[SlackService]:
    """Run the service on this store and box, at a pace for tests."""
    base: dict[str, Any] = {
        "email": {"outbound": {"port": box.smtp_port}},
        "courier": {"poll": "20ms", "retry_after": ["50ms"], "channel_pause": "100ms"},
        "worker": {"poll": "20ms"},
        "slack": {
            "enabled": True,
            "bot_token": box.bot_token,
            "app_token": box.app_token,
            "api_url": box.api_url,
            "pace": "1ms",
            **(slack or {}),
        },
    }
    config = store.config(**merged(base, {**settings, "queue": [dict(one) for one in queue]}))
    service = Service(build_parts(config), ROLES)
    try:
        await service.start()
        yield SlackService(service, store, box)
    finally:
        await service.stop()
        await service.parts.database.close()
