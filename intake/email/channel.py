"""The mail channel: reads what the mail door took in, composes, and hands over to the relay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from core.blobs import Blobs
from core.children import BytesOf, Children
from core.clock import Clock
from core.config import Config, Queue, secret_keys
from core.file_links import FileLinks
from core.shapes import Attachment, Finding, Inbound, InboxItem, Kind, Outgoing, Ref, Seen, Sent
from intake.email.addresses import LONGEST_LOCAL_PART, Signer, domain_of
from intake.email.arrival import HEADER_BYTES
from intake.email.compose import carries_files, compose_mail
from intake.email.compose_body import ComposeContext
from intake.email.compose_files import too_large
from intake.email.composed import ComposedMail
from intake.email.context import context_of
from intake.email.digest_charts import Painter
from intake.email.digest_mail import compose_digest, report_of
from intake.email.dkim_sign import signer_of
from intake.email.parents import answered, head_of
from intake.email.read_large import with_files_taken_over
from intake.email.relay import Relay
from intake.email.ses import aliases
from intake.email.spec import SPEC
from intake.email.texts import Texts
from intake.email.wire_headers import on_the_wire

log = structlog.get_logger(__name__)

# Texts that the ticket behind signed ticket numbers and references shows to everybody, latest first.
Quotable = Callable[[Sequence[int], Sequence[Ref]], Awaitable[Sequence[str]]]

# Composing more than this would hold the loop up.
_LARGE = 262_144


class EmailChannel:
    """See `core.channel.Channel`. `close` says good-bye to the relay. Raises `ConfigError` for a DKIM key that can't
    be used."""

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
        quotable: Quotable | None = None,
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
        self._relay = relay or Relay(config.email.outbound, hostname, config.service.data_dir)
        self._texts = Texts(config.email.outbound.templates)
        self._links = FileLinks(keys)
        self._dkim = signer_of(config.email.outbound)
        self._reading = context_of(config, keys)
        self._quotable = quotable
        self._painter = Painter()

    async def read(self, item: InboxItem) -> Inbound:
        """Read a mail in a child process. Raises `ChildFailed`, which counts as a crash of the reader, and `OSError`
        where its file can't be read."""
        envelope = {**item.envelope, "quotable": await self._may_quote(item)}
        told = (envelope, self._reading, item.received_at)
        if item.path is None:
            inbound: Inbound = await self._children.call("intake.email.read:read_mail", item.raw, *told)
        else:  # the child has its bytes from the disk, and leaves its files there
            read = "intake.email.read_large:read_large"
            inbound = await self._children.call(read, BytesOf(item.path), *told, str(self._blobs.folder))
            inbound = await with_files_taken_over(inbound, self._blobs)
        log.info("read_mail", item=item.id, what=type(inbound).__name__)
        return inbound

    async def _may_quote(self, item: InboxItem) -> Sequence[str]:
        """Texts that the mail may quote; none without a database to ask, or where it answers nothing."""
        if self._quotable is None:
            return ()
        head = item.raw[:HEADER_BYTES] if item.path is None else await asyncio.to_thread(head_of, item.path)
        asked = answered(head, item.envelope, self._signer)
        return await self._quotable(asked.signed, asked.references) if asked else ()

    async def render(self, outgoing: Outgoing) -> bytes:
        """Compose the mail; the bytes hold its envelope too. Raises `ValueError` (see `compose_mail`)."""
        if outgoing.kind is Kind.DIGEST:
            return await self._digest(outgoing)
        files = outgoing.message.attachments if outgoing.message and carries_files(outgoing) else ()
        large = self._large(files)
        contents = await self._contents([a for a in files if a.id not in large], outgoing.delivery_id)
        context = self._context(outgoing, contents, large)
        if sum(map(len, contents.values())) < _LARGE and self._dkim is None:
            mail = compose_mail(outgoing, context)
        else:
            mail = await asyncio.to_thread(self._signed, outgoing, context)
        log.info("compose_mail", delivery=outgoing.delivery_id, bytes=len(mail.content), large=len(large))
        return mail.pack()

    async def _digest(self, outgoing: Outgoing) -> bytes:
        """Draw the charts, and compose the digest around what came of them."""
        context = self._context(outgoing, {}, frozenset())
        report = report_of(outgoing)
        pictures = await self._painter.draw(report.series, report.speech.point)
        mail = await asyncio.to_thread(compose_digest, outgoing, context, pictures)
        if self._dkim is not None:
            signed = await asyncio.to_thread(self._dkim.sign, mail.content, outgoing.sending_at)
            mail = replace(mail, content=signed)
        log.info(
            "compose_digest", delivery=outgoing.delivery_id, bytes=len(mail.content), charts=len(pictures)
        )
        return mail.pack()

    def _context(
        self, outgoing: Outgoing, contents: Mapping[int, bytes], large: frozenset[int]
    ) -> ComposeContext:
        config, queue = self._config, self._queue(outgoing.queue)
        return ComposeContext(
            service=config.service.name,
            base_url=config.service.base_url if config.http.enabled else "",
            queue_address=on_the_wire(queue.addresses[0]),
            signer=self._signer,
            ours=self._ours,
            answers_count=bool(config.email.inbound.trusted_authserv_ids),
            texts=self._texts,
            language=config.service.language,
            queue_language=queue.language,
            contents=contents,
            large=large,
            links=self._links,
            files_url=f"{config.service.base_url.rstrip('/')}/files/",
            link_expires=config.email.outbound.link_expires,
        )

    def _large(self, files: Sequence[Attachment]) -> frozenset[int]:
        """The files that go as links. Without the site there is nobody who would serve them: all are attached."""
        config = self._config
        if not config.http.enabled or not config.service.base_url:
            return frozenset()
        return too_large(files, config.email.outbound.attachment_bytes)

    def _signed(self, outgoing: Outgoing, context: ComposeContext) -> ComposedMail:
        mail = compose_mail(outgoing, context)
        if self._dkim is None:
            return mail
        return replace(mail, content=self._dkim.sign(mail.content, outgoing.sending_at))

    async def _contents(self, files: Sequence[Attachment], delivery: int) -> dict[int, bytes]:
        """The bytes of the files that go with the mail; what is gone is named in it instead."""
        contents = {}
        for attachment in files:
            if attachment.state != "stored" or attachment.blob is None:
                continue
            try:
                contents[attachment.id] = await self._blobs.get(attachment.blob)
            except FileNotFoundError:
                log.warning("attachment_gone", attachment=attachment.id, delivery=delivery)
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
            relay=accepted.host,
            answer=accepted.answer,
        )
        return Sent(
            remote_id=accepted.answer or "accepted",
            links=tuple(f"mail:{name}" for name in aliases(accepted.host, accepted.answer)),
            warning=accepted.warning,
        )

    async def look_up(self, outgoing: Outgoing) -> tuple[Seen, Sent | None]:
        """A relay can't be asked what it took: the same bytes go again under the same Message-ID."""
        return Seen.UNKNOWN, None

    async def probe(self) -> Sequence[Finding]:
        """Log in at each relay as sending does, try the texts, and say which addresses are too long to be signed."""
        findings = [
            Finding(
                part=f"fallback relay {number}" if number else "mail relay",
                text=f"{one.where} {one.greeting}".strip(),
                problem=one.problem,
            )
            for number, one in enumerate(await self._relay.probe())
        ]
        findings += self._sending()
        findings += self._door()
        if self._config.email.imap:
            from intake.email.imap_check import probe_imap

            findings += await probe_imap(self._config)
        told = any("email" in self._config.notify(queue) for queue in self._config.queue)
        if told and self._config.staff and not self._config.email.inbound.trusted_authserv_ids:
            text = "staff can't answer by mail: email.inbound.trusted_authserv_ids names nobody who proves senders"
            findings.append(Finding(part="staff by mail", text=text))
        staff = {domain_of(member.email) for member in self._config.staff}
        shared = sorted(staff & {domain_of(address) for address in self._ours})
        if shared:
            text = (
                f"reply addresses are at {', '.join(shared)}, like the staff's own: services that trust that domain "
                "would take a requester for a colleague; give the queues a domain of their own"
            )
            findings.append(Finding(part="reply domain", text=text))
        return [*findings, *map(_addresses, self._config.queue)]

    def _door(self) -> list[Finding]:
        """What the mail door couldn't start for."""
        settings = self._config.email.inbound
        if not settings.enabled:
            return []
        from intake.email.server import cannot_start

        where = settings.host if settings.host.startswith("unix:") else f"{settings.host}:{settings.port}"
        text = f"{settings.protocol.upper()} at {where}"
        return [
            Finding(part="mail door", text=text, problem=one) for one in cannot_start(settings) or (None,)
        ]

    def _sending(self) -> list[Finding]:
        """What else sending hangs on: the operator's texts, DKIM."""
        findings: list[Finding] = []
        folder = self._config.email.outbound.templates
        if folder:
            wrong = self._texts.problems([queue.name for queue in self._config.queue])
            text = f"{self._texts.count()} in {folder}"
            findings += [Finding(part="mail texts", text=text, problem=one) for one in wrong or (None,)]
        if self._dkim is not None:
            findings.append(Finding(part="DKIM", text=f"signed for {self._dkim.record}"))
        return findings

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
