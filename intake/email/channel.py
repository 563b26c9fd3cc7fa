"""The mail channel: reads what the mail door took in, composes, and hands over to the relay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from core.blobs import Blobs
from core.children import Children
from core.clock import Clock
from core.config import Config, Queue, secret_keys
from core.failures import Failure
from core.shapes import Finding, Inbound, InboxItem, Outgoing, Seen, Sent
from intake.email.addresses import LONGEST_LOCAL_PART, Signer, domain_of
from intake.email.compose import ComposeContext, carries_files, compose_mail
from intake.email.composed import ComposedMail
from intake.email.context import context_of
from intake.email.relay import Relay
from intake.email.spec import SPEC
from intake.email.wire_headers import on_the_wire

log = structlog.get_logger(__name__)

# Composing more than this would hold the loop up.
_LARGE = 262_144


class EmailChannel:
    """See `core.channel.Channel`. `close` says good-bye to the relay."""

    spec = SPEC

    def __init__(
        self,
        config: Config,
        blobs: Blobs,
        children: Children,
        clock: Clock | None = None,
        *,
        signer: Signer | None = None,
        relay: Relay | None = None,
    ) -> None:
        keys = secret_keys(config)
        self._config = config
        self._blobs = blobs
        self._children = children
        self._clock = clock or Clock()
        self._signer = signer or Signer(keys, config.email.inbound.delimiter)
        addresses = [address for queue in config.queue for address in queue.addresses]
        self._ours = frozenset(address.lower() for address in addresses)
        hostname = domain_of(on_the_wire(addresses[0])) if addresses else "localhost"
        self._relay = relay or Relay(config.email.outbound, hostname)
        self._reading = context_of(config, keys)

    async def read(self, item: InboxItem) -> Inbound:
        """Read a mail in a child process. Raises `ChildFailed`, which counts as a crash of the reader."""
        inbound: Inbound = await self._children.call(
            "intake.email.read:read_mail", item.raw, dict(item.envelope), self._reading, item.received_at
        )
        log.info("read_mail", item=item.id, what=type(inbound).__name__, bytes=len(item.raw))
        return inbound

    async def render(self, outgoing: Outgoing) -> bytes:
        """Compose the mail; the bytes hold its envelope too. Raises `ValueError` (see `compose_mail`)."""
        contents = await self._contents(outgoing) if carries_files(outgoing) else {}
        context = ComposeContext(
            service=self._config.service.name,
            base_url="",  # there is no page yet that shows a ticket to somebody who follows a link
            queue_address=on_the_wire(self._queue(outgoing.queue).addresses[0]),
            signer=self._signer,
            ours=self._ours,
            answers_count=bool(self._config.email.inbound.trusted_authserv_ids),
            contents=contents,
        )
        if sum(map(len, contents.values())) < _LARGE:
            mail = compose_mail(outgoing, context)
        else:
            mail = await asyncio.to_thread(compose_mail, outgoing, context)
        log.info("compose_mail", delivery=outgoing.delivery_id, bytes=len(mail.content))
        return mail.pack()

    async def _contents(self, outgoing: Outgoing) -> dict[int, bytes]:
        """The bytes of the message's files; what is gone is named in the mail instead."""
        contents = {}
        for attachment in outgoing.message.attachments if outgoing.message else ():
            if attachment.state != "stored" or attachment.blob is None:
                continue
            try:
                contents[attachment.id] = await self._blobs.get(attachment.blob)
            except FileNotFoundError:
                log.warning("attachment_gone", attachment=attachment.id, delivery=outgoing.delivery_id)
        return contents

    def _queue(self, name: str) -> Queue:
        """The queue with an address; a queue without one, or that is configured no more, writes as the first."""
        queues = [queue for queue in self._config.queue if queue.addresses]
        if not queues:
            raise ValueError("no queue has a mail address to write from")
        return next((queue for queue in queues if queue.name == name), queues[0])

    async def send(self, outgoing: Outgoing, rendered: bytes | None) -> Sent:
        """Submit the mail as it was rendered. Raises `TemporaryFailure`, `PermanentFailure`, `UnknownOutcome`."""
        packed = rendered if rendered is not None else await self.render(outgoing)
        mail = ComposedMail.unpack(packed)
        accepted = await self._relay.submit(mail)
        log.info(
            "send",
            delivery=outgoing.delivery_id,
            ticket=outgoing.ticket.id if outgoing.ticket else None,
            recipients=len(mail.rcpt_tos),
            bytes=len(mail.content),
            answer=accepted.answer,
        )
        return Sent(remote_id=accepted.answer or "accepted", warning=accepted.warning)

    async def look_up(self, outgoing: Outgoing) -> tuple[Seen, Sent | None]:
        """A relay can't be asked what it took: the same bytes go again under the same Message-ID."""
        return Seen.UNKNOWN, None

    async def probe(self) -> Sequence[Finding]:
        """Log in at the relay as sending does; say which queue's addresses are too long to be signed."""
        settings = self._config.email.outbound
        part, where = "mail relay", f"{settings.host}:{settings.port}"
        findings = []
        try:
            greeting = await self._relay.probe()
        except Failure as exc:
            findings.append(Finding(part=part, text=where, problem=exc.reason))
        else:
            findings.append(Finding(part=part, text=f"{where} {greeting}".strip()))
        told = any("email" in self._config.notify(queue) for queue in self._config.queue)
        if told and self._config.staff and not self._config.email.inbound.trusted_authserv_ids:
            text = "staff can't answer by mail: email.inbound.trusted_authserv_ids names nobody who proves senders"
            findings.append(Finding(part="staff by mail", text=text))
        return [*findings, *map(_addresses, self._config.queue)]

    async def close(self) -> None:
        """Close the connections to the relay."""
        await self._relay.close()


def _addresses(queue: Queue) -> Finding:
    """Signed addresses must fit into 64 octets (RFC 5321 4.5.3.1.1)."""
    long = [a for a in queue.addresses if len(a.rpartition("@")[0].encode()) > LONGEST_LOCAL_PART]
    problem: Any = None
    if long:
        problem = (
            f"the part of '{long[0]}' before the @ is over {LONGEST_LOCAL_PART} octets, "
            "too long for reply addresses; put a shorter address first"
        )
    elif not queue.addresses:
        problem = "it has no address, so nobody can write to it by mail; set queue.addresses"
    return Finding(
        part=f"queue {queue.name}", text=", ".join(queue.addresses) or "no address", problem=problem
    )
