"""A whole house: the real `relaydesk serve` as a process of its own, with a Slack workspace and a mailbox beside it.

The workspace and the mailbox are the sandbox's, in the test's process. What the service does is seen as a user sees
it (mail, Slack, HTTP, the command line) and by its log: `await house.logged("ready")` waits for a named event, so no
test sleeps and hopes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import aiosmtplib
import httpx

from sandbox import TRIAGE, Sandbox
from tests.forks import LEASE, LIMIT, Forked, Forks
from tests.stores import QUEUE, Store, merged
from tests.waiting import free_port, port_answers
from tests.writing import mail, toml

ROOT = Path(__file__).parent.parent
SUPPORT = "support@example.com"
Entry = dict[str, Any]
Process = asyncio.subprocess.Process | Forked


@dataclass
class Ran:
    """What a command did."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """The data that it printed."""
        return json.loads(self.out)


@dataclass
class Reply:
    """What the mail door answered to one mail."""

    message_id: str
    code: int = 0
    text: str = ""
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        return self.code == 250


class House:
    """One instance of the service. Several may share a store and a box."""

    forks: ClassVar[Forks | None] = None  # where the tests set it, starts are quick

    def __init__(
        self,
        store: Store,
        folder: Path,
        box: Sandbox | None = None,
        *,
        slack: bool | Mapping[str, Any] = True,  # False: off; a mapping: on, with these settings
        command: Sequence[str] = ("serve",),
        env: Mapping[str, str] | None = None,
        lease: float = 0,  # seconds after which others take over what a dead one held, if not the usual ones
        **settings: Any,
    ) -> None:
        self.store, self.box = store, box
        self.folder = folder
        self.smtp_port, self.http_port = free_port(), free_port()
        self.log: list[Entry] = []
        self.output: list[str] = []  # what was printed, and what was on stderr but no log entry
        self.command = tuple(command)
        self._env = {**(env or {}), **({LEASE: str(lease)} if lease else {})}
        more = {"slack": slack} if isinstance(slack, Mapping) else {}
        self._settings = self._with_ports(bool(slack) and box is not None, {**settings, **more})
        self._process: Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._news = asyncio.Condition()
        self._started: list[Process] = []  # each leads a session of all that it starts
        self._left: set[int] = set()  # what ran when it was killed
        self._started_at = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.write_config()

    def _with_ports(self, slack: bool, settings: Mapping[str, Any]) -> dict[str, Any]:
        base = self.store.settings(
            service={"log_format": "json", "base_url": f"http://127.0.0.1:{self.http_port}"},
            email={"inbound": {"port": self.smtp_port}},
            http={"port": self.http_port},
        )
        if self.box is not None:
            base["email"]["outbound"]["port"] = self.box.smtp_port
        if slack and self.box is not None:
            base["slack"] = {
                "enabled": True,
                "bot_token": self.box.bot_token,
                "app_token": self.box.app_token,
                "api_url": self.box.api_url,
            }
            base["queue"] = [{**QUEUE, "slack_channel": TRIAGE}]
        return merged(base, settings)

    # -- configuration ---------------------------------------------------------------------------------------

    @property
    def config_file(self) -> Path:
        return self.folder / "config.toml"

    def write_config(self, **settings: Any) -> None:
        """Write the configuration, with further settings if given; the next start reads it."""
        self._settings = merged(self._settings, settings)
        self.config_file.write_text(toml(self._settings), "utf-8")

    @property
    def url(self) -> str:
        """Where its HTTP door is."""
        return f"http://127.0.0.1:{self.http_port}"

    def _argv(self, *arguments: str) -> list[str]:
        beside = Path(sys.executable).parent / "relaydesk"
        start = [str(beside)] if beside.exists() else [sys.executable, "-c", "from app import main; main()"]
        return [*start, "--config", str(self.config_file), *arguments]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RELAYDESK_")}
        return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **self._env}

    # -- life ------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await self.start()
            await self.ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    async def start(self) -> None:
        """Start the process; `ready` waits until it works."""
        assert not self.running, "it runs already"
        self._started_at = len(self.log)
        self._process = await self._spawn(*self.command)
        self._started.append(self._process)
        assert self._process.stdout
        assert self._process.stderr
        self._readers += [
            asyncio.create_task(self._read(self._process.stdout)),
            asyncio.create_task(self._read(self._process.stderr)),
            asyncio.create_task(self._watch(self._process)),
        ]

    async def _spawn(self, *arguments: str, stdin: bytes = b"") -> Process:
        """Start `relaydesk` in a session of its own: all that it starts is in it, or is a child of what is."""
        if self.forks and not stdin:
            arguments = ("--config", str(self.config_file), *arguments)
            return await self.forks.start(arguments, self.folder, self._environment())
        return await asyncio.create_subprocess_exec(
            *self._argv(*arguments),
            cwd=self.folder,
            env=self._environment(),
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=LIMIT,
        )

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            text = line.decode("utf-8", "replace").rstrip("\n")
            try:
                entry = json.loads(text)
            except ValueError:
                entry = None
            async with self._news:
                if isinstance(entry, dict) and "event" in entry:
                    self.log.append(entry)
                else:
                    self.output.append(text)
                self._news.notify_all()

    async def _watch(self, process: Process) -> None:
        await _exited(process)
        async with self._news:
            self._news.notify_all()

    async def ready(self, timeout: float = 30) -> None:
        """Wait until this start has logged `ready`."""
        await self.logged("ready", timeout=timeout, since=self._started_at)

    async def restart(self) -> None:
        """Start again, after `terminate` or `kill9` or from running, and wait until it's ready."""
        if self.running:
            await self.terminate()
        await self.start()
        await self.ready()

    async def terminate(self, within: float = 10) -> None:
        """SIGTERM; it must drain and exit 0 within ten seconds."""
        assert self._process is not None, "not started"
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            status = await asyncio.wait_for(_exited(self._process), within)
        except TimeoutError:
            await self.close()
            raise AssertionError(f"still there {within:g} s after SIGTERM\n{self.tail()}") from None
        await self._drained()
        assert status == 0, f"exit status {status} after {time.monotonic() - began:.1f} s\n{self.tail()}"

    async def kill9(self) -> None:
        """SIGKILL to the service alone; what it had started must notice by itself."""
        assert self._process is not None, "not started"
        self._left |= set(self.processes()) - {self._process.pid}
        with suppress(ProcessLookupError):
            self._process.kill()
        await _exited(self._process)

    def freeze(self) -> None:
        """Let the service and all that it started stand still; connections stay open."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, how: signal.Signals) -> None:
        living = {process.pid for process in self._started if process.returncode is None}
        for pid in living | set(self.processes()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, how)

    async def close(self) -> None:
        """End the process and all that it started, whatever state it is in."""
        self._signal_all(signal.SIGKILL)
        await self._drained(5)
        for reader in self._readers:
            reader.cancel()
        self._readers.clear()
        for process in self._started:
            if isinstance(process, Forked):
                process.close()
        self._started.clear()
        self._left.clear()

    async def _drained(self, timeout: float = 0.5) -> None:
        """Wait for the rest of what it wrote. What it had started may hold its pipes longer, until `close`."""
        if self._readers:
            await asyncio.wait(self._readers, timeout=timeout)

    # -- its log ---------------------------------------------------------------------------------------------

    def entries(self, event: str | None = None, *, since: int = 0, **fields: Any) -> list[Entry]:
        """The log entries so far that have this event and these fields."""
        return [
            entry
            for entry in self.log[since:]
            if (event is None or entry["event"] == event)
            and all(entry.get(name) == value for name, value in fields.items())
        ]

    def mark(self) -> int:
        """The place in the log now; `logged(…, since=mark)` looks after it."""
        return len(self.log)

    async def logged(
        self, event: str, *, timeout: float = 20, since: int = 0, times: int = 1, **fields: Any
    ) -> Entry:
        """Wait for a log entry with this event and these fields, or the nth; already logged ones count."""

        def found() -> list[Entry]:
            return self.entries(event, since=since, **fields)

        def done() -> bool:
            return len(found()) >= times or not self.running

        async with self._news:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait_for(done), timeout)
        if not self.running and len(found()) < times:
            await self._drained()
        if len(entries := found()) >= times:
            return entries[times - 1]
        state = "it runs" if self.running else f"it ended with {self._process and self._process.returncode}"
        raise AssertionError(f"no '{event}' {fields or ''} within {timeout:g} s; {state}\n{self.tail()}")

    def tail(self, n: int = 25) -> str:
        """The end of its log, for the message of a failure."""
        return "\n".join([*(json.dumps(entry) for entry in self.log[-n:]), *self.output[-n:]])

    # -- mail, HTTP, command line ------------------------------------------------------------------------------

    async def send_mail(
        self,
        sender: str = "ann@customer.example",
        to: str | Sequence[str] = SUPPORT,
        subject: str = "The printer is on fire",
        text: str = "It burns. Please help.",
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        files: Sequence[tuple[str, bytes]] = (),
    ) -> Reply:
        """Send one mail by SMTP and return what the door answered; a refusal is no exception."""
        recipients = [to] if isinstance(to, str) else list(to)
        message_id = ""
        if raw is None:
            message = mail(sender, recipients, subject, text, headers=headers, files=files)
            message_id, raw = str(message["Message-ID"]), message.as_bytes()
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1",
            port=self.smtp_port,
            start_tls=False,
            timeout=30,
            local_hostname="client.example",
        )
        try:
            async with client:
                refused, answer = await client.sendmail(sender, recipients, raw)
        except aiosmtplib.SMTPRecipientsRefused as exc:
            codes = {each.recipient: each.code for each in exc.recipients}
            return Reply(message_id, exc.recipients[0].code, exc.recipients[0].message, codes)
        except aiosmtplib.SMTPResponseException as exc:
            return Reply(message_id, exc.code, exc.message)
        return Reply(message_id, 250, answer, {address: reply.code for address, reply in refused.items()})

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """A client of the HTTP door: `async with house.client(token) as http:`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=15)

    async def run(self, *arguments: str, stdin: bytes = b"", timeout: float = 30) -> Ran:
        """Run `relaydesk` with this house's configuration."""
        process = await self._spawn(*arguments, stdin=stdin)
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin), timeout)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"relaydesk {' '.join(arguments)}: not done after {timeout:g} s") from None
        finally:
            if isinstance(process, Forked):
                process.close()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def token(self, email: str) -> str:
        """Make an API token for this person."""
        ran = await self.run("token", "create", "--for", email)
        assert ran.status == 0, ran.err
        return ran.out.strip()

    # -- what it costs -----------------------------------------------------------------------------------------

    def processes(self) -> list[int]:
        """What lives of the service (Linux): itself and what it started, also what a killed one left behind."""
        parents: dict[int, int] = {}
        found = set()
        ours = {process.pid for process in self._started}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, parent, _, session, *_ = stat.read_text().rpartition(")")[2].split()
                pid = int(stat.parent.name)
                if state == "Z":
                    continue
                parents[pid] = int(parent)
                if int(session) in ours or pid in self._left:
                    found.add(pid)
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found)

    def pss_bytes(self) -> int:
        """The memory of all its processes, pages that they share counted once (Linux)."""
        total = 0
        for pid in self.processes():
            with suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        return total

    @property
    def listening(self) -> bool:
        """Say whether its mail door accepts connections."""
        return port_answers(self.smtp_port)


async def _exited(process: Process) -> int:
    """Wait until the process itself has ended; its own `wait` also waits for children that hold its pipes."""
    while process.returncode is None:
        await asyncio.sleep(0.01)
    return process.returncode
