"""The mail door: an SMTP or LMTP listener that stores what comes and only then says yes.

Its answers: 250 after a durable commit, 451 for any trouble of ours, 550 for a recipient that isn't ours, 552 for a
mail over the size limit. What a mail *says* is read later, by the worker.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import ssl
import stat
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import structlog
from aiosmtpd.smtp import Envelope as SmtpEnvelope
from aiosmtpd.smtp import Session

from core.clock import Clock
from core.config import Config, ConfigError, EmailInbound
from core.failures import Unavailable
from core.inbox import Arrival, Intake
from intake.email.addresses import Signer, domain_of, redact
from intake.email.arrival import Envelope
from intake.email.incoming import TOO_MUCH, TROUBLE, Incoming, TakenIn
from intake.email.room import Backlog, Budget, Disk, Hold, Room, announced
from intake.email.routing import Routes
from intake.email.smtp_protocol import CLOSING, Dialogue, LocalDialogue

log = structlog.get_logger(__name__)

_STOP_SECONDS: Final = 4.0
_BUSY: Final = "421 4.7.0 Too many connections, please try again later"


class MailDoor:
    """The listener. `start` binds (raises `OSError`, or `ConfigError` for a certificate or socket that can't be
    used); `stop` takes no more, lets transactions in flight finish for up to four seconds, and returns."""

    def __init__(self, config: Config, intake: Intake, signer: Signer, clock: Clock | None = None) -> None:
        self._settings = config.email.inbound
        self._intake = intake
        self._routes = Routes(config, signer.plain_of)
        self._clock = clock or Clock()
        self._limits = _Connections(self._settings)
        addresses = [address for queue in config.queue for address in queue.addresses]
        self._hostname = domain_of(addresses[0]) if addresses else "localhost"
        self._server: asyncio.Server | None = None
        self._socket: _UnixSocket | None = None
        self._open: set[Dialogue] = set()
        self.closing = False
        self._room = Room(
            Budget(self._settings.memory_bytes),
            Disk(config.service.data_dir, self._settings.disk_left_bytes),
            Backlog(partial(intake.waiting, "email"), self._settings.backlog_age),
        )
        self.port = 0
        # aiosmtpd logs commands with whole addresses, and bodies at debug.
        logging.getLogger("mail.log").setLevel(logging.ERROR)

    @property
    def ready(self) -> bool:
        """Whether it listens."""
        return self._server is not None and not self.closing

    async def short_of(self) -> str:
        """Say why mail is put off now, by "disk", "backlog" or "memory"; "" where it's taken."""
        short = await self._room.short_of()
        return f"mail is put off (452): {short}" if short else ""

    async def start(self) -> None:
        """Listen. `port` is then the one that was bound (0 for a UNIX socket)."""
        loop, settings = asyncio.get_running_loop(), self._settings
        tls = _tls_context(settings)

        def dialogue() -> Dialogue:
            made = LocalDialogue if settings.protocol == "lmtp" else Dialogue
            return made(
                self,
                data_size_limit=settings.max_message_bytes,
                enable_SMTPUTF8=True,
                hostname=self._hostname,
                ident="relaydesk",
                tls_context=tls,
                timeout=settings.command_timeout.total_seconds(),
                loop=loop,
            )

        self._dialogue = dialogue
        self._intake.blobs.soon(self._sweep)
        if settings.host.startswith("unix:"):
            self._socket = _UnixSocket(settings)
            self._server = await loop.create_unix_server(self._connected, sock=self._socket.bind())
        else:
            self._server = await loop.create_server(self._connected, settings.host, settings.port)
            self.port = self._server.sockets[0].getsockname()[1]
        log.info("mail_door_open", protocol=settings.protocol, host=settings.host, port=self.port)

    def _sweep(self) -> None:
        """Remove what a crash left half-written, in a thread."""
        if swept := self._intake.blobs.sweep_parts():
            log.info("parts_swept", files=swept)

    def _connected(self) -> Dialogue:
        dialogue = self._dialogue()
        self._open.add(dialogue)
        return dialogue

    async def stop(self) -> None:
        """Stop listening and drain. Safe to call twice."""
        self.closing = True
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        await self._room.backlog.stop()
        if self._socket is not None:
            self._socket.remove()
        for dialogue in list(self._open):
            dialogue.close_if_idle()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._limits.none.wait()
        for dialogue in list(self._open):
            dialogue.cut()
        await asyncio.sleep(0)  # lets the last good-byes leave
        log.info("mail_door_closed", cut=self._limits.total)

    # -- what the dialogue asks --

    def enter(self, peer: str) -> tuple[str | None, Callable[[], None]]:
        """Count a connection in; see `smtp_protocol.Door`."""
        refused = CLOSING if self.closing else self._limits.enter(peer)
        counted = refused is None
        if not counted:
            self._count("refused", str(refused))
            log.warning("connection_refused", peer=peer, connections=self._limits.total)

        def leave() -> None:
            if counted:
                self._limits.leave(peer)
            self._open = {dialogue for dialogue in self._open if dialogue.transport is not None}

        return refused, leave

    def transaction(self) -> Any:
        """Return a context that lasts while an SMTP transaction is in flight."""
        return self._intake.transaction()

    def incoming(self, hold: Hold) -> Incoming:
        """Begin to take a mail; see `smtp_protocol.Door`."""
        return Incoming(self._intake.blobs, hold, self._room.disk, self._settings.max_message_bytes)

    def refused(self, dialogue: Dialogue, answer: str) -> None:
        """Note and count a refusal."""
        self._count("refused", answer)
        log.info("refused", peer=dialogue.peer, answer=answer[:9].rstrip(), text=answer[4:80])

    def _count(self, how: str, why: str) -> None:
        """Count it for `/metrics`; of an answer its codes."""
        if how == "refused":
            why = why[:9] if why[4:5].isdigit() else why[:3]
        self._intake.turned_away[how, why] += 1

    async def handle_MAIL(
        self, server: Dialogue, session: Session, envelope: SmtpEnvelope, address: str, options: list[str]
    ) -> str:
        """Take a mail's sender where there is room for the mail."""
        hold = await self._room.admit(announced(options))
        if isinstance(hold, str):
            self._count("put_off", hold)
            log.warning("no_room", of=hold, peer=server.peer)
            return TOO_MUCH
        server.hold = hold
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: Dialogue, session: Session, envelope: SmtpEnvelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient that is ours."""
        if len(envelope.rcpt_tos) >= self._settings.max_recipients:
            return "452 4.5.3 Too many recipients"
        if self._routes.queue_of(address) is None:
            log.info("recipient_refused", peer=server.peer, recipient=redact(address))
            return "550 5.1.1 No such mailbox here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Dialogue, session: Session, envelope: SmtpEnvelope) -> str:
        """Store the mail, one row a queue, all in one transaction; only then say 250.

        The envelope is what MAIL and RCPT said, never what a header claims. Whatever goes wrong here is ours:
        the answer is 451, and the client repeats.
        """
        taken = server.taken
        assert taken is not None
        source = self._limits.source(server.peer)
        told = Envelope(
            sender="" if envelope.mail_from in (None, "<>") else envelope.mail_from,
            queues=self._routes.sort(envelope.rcpt_tos),
            peer=server.peer,
            helo=str(session.host_name or ""),
            protocol=self._settings.protocol,
            trusted=not source,
            source=source,
        )
        noted: dict[str, Any] = {
            "peer": server.peer,
            "sender_domain": domain_of(told.sender or ""),
            "bytes": taken.size,
        }
        try:
            rows = await self._rows(taken, told)
            await self._intake.store(rows)
        except (Unavailable, OSError) as exc:
            log.warning("mail_not_stored", error=str(exc), **noted)
            return TROUBLE
        except Exception:
            log.exception("mail_not_stored", **noted)
            return TROUBLE
        log.info("handle_DATA", keys=[row.key.hex()[:16] for row in rows], queues=[*told.queues], **noted)
        return "250 2.0.0 Stored"

    async def _rows(self, taken: TakenIn, told: Envelope) -> list[Arrival]:
        """One row a queue; each has a blob of its own, for each is forgotten by itself."""
        blobs = [taken.blob] if taken.blob else []
        while blobs and len(blobs) < len(told.queues):
            blobs.append(await self._intake.blobs.twin(blobs[0]))
        return taken.mark.arrivals(told, self._clock.now(), raw=taken.raw, size=taken.size, blobs=blobs)

    async def handle_exception(self, error: Exception) -> str:
        """Say nothing of what broke: the text may hold a password of ours."""
        log.error("dialogue_broke", error=type(error).__name__, exc_info=error)
        return TROUBLE


class _Connections:
    """Counts connections, in all and a source. The host itself, UNIX sockets and trusted relays bring many
    people's mail, so only the total limits them."""

    def __init__(self, settings: EmailInbound) -> None:
        self._settings = settings
        self.total = 0
        self.none = asyncio.Event()  # set while there are none
        self.none.set()
        self._sources: Counter[str] = Counter()
        self._trusted: list[IPv4Network | IPv6Network] = []
        for relay in settings.trusted_relays:
            try:
                self._trusted.append(ip_network(relay, strict=False))
            except ValueError:
                raise ConfigError(
                    f"email.inbound.trusted_relays: '{relay}' is no address or network, like 192.0.2.0/24"
                ) from None

    def enter(self, peer: str) -> str | None:
        """Return the refusal, or None and count it."""
        source = self.source(peer)
        if self.total >= self._settings.max_connections:
            return _BUSY
        if source and self._sources[source] >= self._settings.max_connections_per_source:
            return _BUSY
        self.total += 1
        self.none.clear()
        self._sources[source] += 1
        return None

    def leave(self, peer: str) -> None:
        """Count it out."""
        source = self.source(peer)
        self.total -= 1
        if not self.total:
            self.none.set()
        self._sources[source] -= 1
        if self._sources[source] <= 0:
            del self._sources[source]  # memory doesn't grow with the strangers who called

    def source(self, peer: str) -> str:
        """Name the source as it's limited ("" for one that isn't): IPv6 by its /64, which one host can fill."""
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return ""
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if address.is_loopback or any(address in network for network in self._trusted):
            return ""
        return str(ip_network(f"{address}/64", strict=False)) if address.version == 6 else str(address)


class _UnixSocket:
    """A listening UNIX socket with its mode; one that a crash left behind is replaced."""

    def __init__(self, settings: EmailInbound) -> None:
        self._path = Path(settings.host.removeprefix("unix:"))
        self._inode = 0
        if not re.fullmatch(r"0?[0-7]{3}", settings.socket_mode):
            raise ConfigError(f"email.inbound.socket_mode: '{settings.socket_mode}' is no mode like 0660")
        self._mode = int(settings.socket_mode, 8)

    def check(self) -> None:
        """Raise `ConfigError` where it couldn't be bound; nothing is changed."""
        folder = self._path.absolute().parent
        if not os.access(folder, os.W_OK | os.X_OK):
            why = "can't be written to" if folder.is_dir() else "isn't there"
            raise ConfigError(f"email.inbound.host: the folder {folder} {why}")
        if self._path.exists() and not self._path.is_socket():
            raise ConfigError(f"email.inbound.host: {self._path} exists and is no socket")

    def bind(self) -> socket.socket:
        """Bind. Raises `ConfigError` where another process listens there or the path is something else."""
        self._clear()
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Never open to more than `mode`, not even between bind and chmod; nothing is awaited in between.
        before = os.umask(0o777 & ~self._mode)
        try:
            bound.bind(str(self._path))
            self._path.chmod(self._mode)
        except OSError as exc:
            bound.close()
            raise ConfigError(f"email.inbound.host: can't listen at {self._path}: {exc.strerror}") from exc
        finally:
            os.umask(before)
        self._inode = self._path.stat().st_ino
        return bound

    def _clear(self) -> None:
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise ConfigError(f"email.inbound.host: {self._path} exists and is no socket")
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(1)
                if probe.connect_ex(str(self._path)) == 0:
                    raise ConfigError(f"email.inbound.host: another process listens at {self._path}")
            self._path.unlink()

    def remove(self) -> None:
        """Remove the socket unless another process has replaced it meanwhile."""
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()


def _tls_context(settings: EmailInbound) -> ssl.SSLContext | None:
    if not settings.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"email.inbound.tls_certificate: can't be used: {exc.strerror or exc}") from None
    return context


def cannot_start(settings: EmailInbound) -> list[str]:
    """Return why a door with these settings couldn't start, a line each; nothing is bound (one may be running)."""
    needed: list[Callable[[], object]] = [partial(_Connections, settings), partial(_tls_context, settings)]
    if settings.host.startswith("unix:"):
        needed.append(lambda: _UnixSocket(settings).check())
    found = []
    for need in needed:
        try:
            need()
        except ConfigError as exc:
            found.append(str(exc))
    return found
