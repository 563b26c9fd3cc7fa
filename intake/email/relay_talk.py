"""One submission over a connection to a relay: what is said, and how far it had come when it broke.

Before the final dot was written the relay can't have taken the mail, after it only its answer tells. So the dot is
written by itself, once all before it has left.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from aiosmtplib import SMTP, SMTPResponseException

from core.desk_texts import phrase
from core.failures import PermanentFailure
from intake.email.composed import ComposedMail
from intake.email.relay_answers import Step, shown

_BYTES_A_SECOND: Final = 100_000  # a line slower than this counts as gone


class Lacking(PermanentFailure):
    """The relay can't take such a mail at all."""


class Talk:
    """One submission. `step` says how far it has come. `timeout`, `answer_timeout`: seconds."""

    def __init__(self, client: SMTP, mail: ComposedMail, timeout: float, answer_timeout: float) -> None:
        self._client, self._mail, self._timeout = client, mail, timeout
        self._answer_timeout = answer_timeout
        self.step = Step.SENDER

    async def run(self) -> tuple[str, list[str]]:
        """Hand the mail over; return the relay's answer and the copies that it refused, with its words.

        Raises what the network and `aiosmtplib` raise (`relay_answers.failure_for` tells what it means), and
        `Lacking` where the relay lacks what the mail needs.
        """
        refused = await self._envelope()
        self.step = Step.DATA
        await self._command(b"DATA", expect=(354,))
        return await self._content(), refused

    async def _envelope(self) -> list[str]:
        """Say MAIL and RCPT; return the copies that were refused."""
        mail, client = self._mail, self._client
        options = ""
        if mail.utf8:
            if not client.supports_extension("smtputf8"):
                raise Lacking(phrase("relay_no_utf8"))
            options += " SMTPUTF8 BODY=8BITMIME"
        if client.supports_extension("size"):
            options += f" SIZE={len(mail.content)}"
        await self._command(f"MAIL FROM:<{mail.mail_from}>{options}".encode(), expect=(250,))
        self.step = Step.RECIPIENT
        first, *copies = mail.rcpt_tos
        await self._command(f"RCPT TO:<{first}>".encode(), expect=(250, 251))
        refused = []
        for copy in copies:
            try:
                await self._command(f"RCPT TO:<{copy}>".encode(), expect=(250, 251))
            except SMTPResponseException as exc:
                if exc.code == 421:
                    raise
                refused.append(f"{copy} ({exc.code} {shown(exc.message)})")
        return refused

    async def _command(self, line: bytes, expect: tuple[int, ...]) -> None:
        response = await self._client.execute_command(line, timeout=self._timeout)
        if response.code not in expect:
            raise SMTPResponseException(response.code, response.message)

    async def _content(self) -> str:
        """Write the mail, wait until it has left, then write the dot and read the answer."""
        client = self._client
        protocol = client.protocol
        if protocol is None or protocol.transport is None:
            raise ConnectionResetError("gone after 354")
        content = self._mail.content.replace(b"\r\n.", b"\r\n..")
        if content.startswith(b"."):
            content = b"." + content
        if not content.endswith(b"\r\n"):
            content += b"\r\n"
        patience = self._timeout + len(content) / _BYTES_A_SECOND
        protocol.write(content)
        async with asyncio.timeout(patience):
            await _drained(client)
        self.step = Step.DOT
        protocol.write(b".\r\n")
        # RFC 5321 4.5.3.2.6: whoever gives up here sends the mail twice.
        response = await protocol.read_response(timeout=max(patience, self._answer_timeout))
        if response.code != 250:
            raise SMTPResponseException(response.code, response.message)
        return response.message


async def _drained(client: SMTP) -> None:
    """Return when the transport's buffer is empty. Raises `ConnectionResetError` when the connection went."""
    pause = 0.001
    while True:
        transport = cast(asyncio.WriteTransport | None, client.transport)
        if transport is None or transport.is_closing():
            raise ConnectionResetError("lost while the mail was written")
        if not transport.get_write_buffer_size():
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.05)
