"""The wire below IMAPClient: the standard library's IMAP4 with bounds that it lacks.

An answer has a longest size and each command a time by which all of it must be there, so that a server that drips or
promises gigabytes costs a connection and no more. What was read ahead is ours to see, so that IDLE (RFC 2177) misses
nothing that came together with its own answer.
"""

from __future__ import annotations

import imaplib
import select
import socket
import ssl
import time
from contextlib import suppress
from typing import Any, Final

from imapclient import IMAPClient

LONGEST_LINE: Final = 8_388_608  # bytes: a SEARCH that finds a million mails
_PIECE: Final = 65_536
_SLOWEST: Final = 20_000  # bytes a second: a mail that comes slower counts as stuck
_PATIENCE: Final = 4  # times the longest silence that a command may take in all


class Wire(imaplib.IMAP4):
    """A connection. `tls`: None for a plain one. `silence`: seconds without a byte after which it counts as lost.

    Raises `OSError` (`TimeoutError`, `ssl.SSLError`) and imaplib's `abort` where the connection is gone, its `error`
    where a command is refused.
    """

    def __init__(self, line: Line, host: str, port: int, tls: ssl.SSLContext | None, silence: float) -> None:
        self.longest = LONGEST_LINE  # bytes of a literal
        self._tls_from_start = tls
        self._silence = silence
        self._buffer = bytearray()
        self._seen = 0  # bytes of the buffer in which no line ends
        self._source: socket.socket | None = None
        self._line = line
        self.allow()
        super().__init__(host, port, silence)

    def allow(self) -> None:
        """Give the next command its time."""
        self._until = time.monotonic() + _PATIENCE * self._silence

    def until_good_bye(self, seconds: float) -> None:
        """Give what follows no more time than this."""
        self._until = time.monotonic() + seconds

    # -- what imaplib lets be replaced --

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """Connect, so that `Line.cut` can end it from now on."""
        self.host, self.port = host, port
        self.sock = socket.create_connection((host, port), timeout)
        try:
            self._line.opened(self)
            if self._tls_from_start is not None:
                self.sock = self._tls_from_start.wrap_socket(self.sock, server_hostname=host)
                self._line.opened(self)
        except BaseException:
            self.sock.close()
            raise
        self.file = self.sock.makefile("rb")  # imaplib closes it; nothing reads from it

    def read(self, size: int) -> bytes:
        """Read a literal."""
        self._forget_clear_words()
        if size > self.longest:
            raise self.abort(f"an answer of {size} bytes")
        self._until += size / _SLOWEST
        while len(self._buffer) < size:
            if not self._fill():
                return b""
        return self._take(size)

    def readline(self) -> bytes:
        """Read a line with its end; b"" where the connection has ended."""
        self._forget_clear_words()
        while True:
            end = self._buffer.find(b"\n", self._seen)
            if end >= 0:
                return self._take(end + 1)
            self._seen = len(self._buffer)
            if self._seen > LONGEST_LINE:
                raise self.abort(f"a line of over {LONGEST_LINE} bytes")
            if not self._fill():
                return b""

    def _forget_clear_words(self) -> None:
        """What came in clear behind the answer to STARTTLS may be anybody's: it must not count after it."""
        if self._source is not self.sock:
            self._buffer.clear()
            self._source, self._seen = self.sock, 0

    def _take(self, size: int) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[:size])
        del self._buffer[:size]
        self._seen = 0
        return taken

    def _fill(self) -> bool:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self.sock.settimeout(min(self._silence, left))
        try:
            piece = self.sock.recv(_PIECE)
        except ValueError as exc:  # a TLS socket that was cut meanwhile
            raise OSError("the connection was cut") from exc
        self._buffer += piece
        return bool(piece)

    # -- IDLE --

    def idle(self, wake: socket.socket, seconds: float) -> bool:
        """Wait until mail has come (True), `wake` can be read, or the time is over.

        Raises `error` where the server refuses. Also without news a mail may have come: look.
        """
        self.untagged_responses.clear()
        self.allow()
        tag = self._command("IDLE")
        while self._get_response() is not None:
            if self.tagged_commands[tag]:
                del self.tagged_commands[tag]
                raise self.error("IDLE refused")
        until = time.monotonic() + seconds
        while not self._news() and (left := until - time.monotonic()) > 0:
            if not self._ready(wake, left):
                break
            self.allow()
            self._get_response()
            if "BYE" in self.untagged_responses:
                raise self.abort("BYE")
        news = self._news()
        self.allow()
        self.send(b"DONE\r\n")
        typ, data = self._command_complete("IDLE", tag)
        if typ != "OK":
            raise self.error(f"IDLE: {data!r}")
        return news or self._news()

    def _news(self) -> bool:
        return "EXISTS" in self.untagged_responses

    def _ready(self, wake: socket.socket, seconds: float) -> bool:
        """Whether the server says something; False after so many seconds, or when woken."""
        pending = getattr(self.sock, "pending", None)  # what TLS has decrypted shows on no socket
        if self._buffer or (pending is not None and pending()):
            return True
        poller = select.poll()
        poller.register(self.sock.fileno(), select.POLLIN)
        poller.register(wake.fileno(), select.POLLIN)
        ready = {descriptor for descriptor, _ in poller.poll(seconds * 1000)}
        return bool(ready) and wake.fileno() not in ready


class Line:
    """A handle on a connection for other threads: `cut` ends it, also while it's being opened."""

    def __init__(self) -> None:
        self._wire: Wire | None = None
        self._cut = False

    def opened(self, wire: Wire) -> None:
        """Note the connection. Raises `OSError` where it was cut before."""
        self._wire = wire
        if self._cut:
            raise OSError("the connection was cut")

    def cut(self) -> None:
        """End the connection: whoever waits for it gets an error. Never waits, raises nothing."""
        self._cut = True
        if self._wire is not None:
            with suppress(OSError):
                # Not SSLSocket's own: that one takes things from under the thread that reads.
                socket.socket.shutdown(self._wire.sock, socket.SHUT_RDWR)


class Client(IMAPClient):  # type: ignore[misc]  # it has no types
    """IMAPClient on our wire. `tls_from_start`: None for a plain connection, which STARTTLS may follow."""

    def __init__(
        self, line: Line, host: str, port: int, tls_from_start: ssl.SSLContext | None, silence: float
    ) -> None:
        self._line = line
        self._silence = silence
        self.wire: Wire
        super().__init__(
            host, port, ssl=tls_from_start is not None, ssl_context=tls_from_start, timeout=silence
        )
        self.normalise_times = False
        self.wire.debug = 0  # it would write down whole answers

    def _create_IMAP4(self) -> Any:
        self.wire = Wire(self._line, self.host, self.port, self.ssl_context, self._silence)
        return self.wire
