"""An IMAP server that does what no good one does: drips, lies about sizes, says things at odd moments, hangs."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class FakeImap:
    """`mails`: by UID. `answers`: what is said instead to a command that begins so (without tag; `{tag}` stands for
    it); "" is silence, None hangs up. `capabilities`: what it offers."""

    mails: dict[int, bytes] = field(default_factory=dict)
    answers: dict[str, bytes | None] = field(default_factory=dict)
    capabilities: str = "IMAP4rev1 AUTH=PLAIN IDLE UIDPLUS MOVE"
    greeting: bytes = b"* OK hello\r\n"
    drip: float = 0.0  # seconds between the bytes of the greeting
    idle: bytes = b"+ idling\r\n"
    tls: ssl.SSLContext | None = None
    injected: str = (
        ""  # said in clear right behind the answer to STARTTLS; `{next}` is the next command's tag
    )
    seen: set[int] = field(default_factory=set)
    commands: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    port: int = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            for byte in self.greeting if self.drip else ():
                writer.write(bytes([byte]))
                await asyncio.sleep(self.drip)
            if not self.drip:
                writer.write(self.greeting)
            while line := await reader.readline():
                tag, _, command = line.decode().strip().partition(" ")
                self.commands[command] += 1
                answer = await self._answer(tag, command, reader, writer)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def _answer(
        self, tag: str, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        for begin, answer in self.answers.items():
            if command.startswith(begin):
                return answer and answer.replace(b"{tag}", tag.encode())
        ok = f"{tag} OK done\r\n".encode()
        words = command.split()
        match words[0] if words[0] != "UID" else words[1]:
            case "CAPABILITY":
                return f"* CAPABILITY {self.capabilities}\r\n".encode() + ok
            case "AUTHENTICATE":
                writer.write(b"+ \r\n")
                await reader.readline()
                return ok
            case "STARTTLS" if self.tls is not None:
                number = tag.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
                following = f"{tag.removesuffix(number)}{int(number) + 1}"
                writer.write(ok + self.injected.replace("{next}", following).encode())
                await writer.start_tls(self.tls)
                return b""
            case "SELECT":
                return (
                    f"* {len(self.mails)} EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 1] x\r\n".encode()
                    + ok
                )
            case "SEARCH":
                found = sorted(set(self.mails) - self.seen) if "UNSEEN" in command else sorted(self.mails)
                return ("* SEARCH " + " ".join(map(str, found)) + "\r\n").encode() + ok
            case "FETCH":
                return self._fetched(words) + ok
            case "STORE":
                self.seen |= {int(uid) for uid in words[2].split(",")}
                return ok
            case "IDLE":
                writer.write(self.idle)
                await reader.readline()
                return ok
            case "LOGOUT":
                writer.write(b"* BYE\r\n" + ok)
                return None
        return ok

    def _fetched(self, words: list[str]) -> bytes:
        told = b""
        for uid in map(int, words[2].split(",")):
            mail = self.mails.get(uid)
            if mail is None:
                continue
            told += f"* {uid} FETCH (UID {uid} RFC822.SIZE {len(mail)} BODY[]<0> {{{len(mail)}}}\r\n".encode()
            told += mail + b")\r\n"
        return told


@asynccontextmanager
async def serving(fake: FakeImap) -> AsyncIterator[FakeImap]:
    """Let it listen on loopback."""
    server = await asyncio.start_server(fake._serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
