"""The composition root: builds the parts from a `Config`, starts and drains them; the command line's `main`.

Cheap to import: what a command doesn't need isn't loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bot.api import Api
    from bot.connect import SlackDoor
    from core.channel import Channel
    from core.config import Config
    from core.parts import Parts
    from core.shapes import Finding, Ref
    from core.skew import SkewWatch
    from intake.web.health import Readiness

# Doors' commands, loaded when they are used.
MOUNTS: Final = {
    "deliver": "intake.email.deliver:deliver",
    "explain": "intake.email.explain:explain",
    "import": "intake.email.importing:import_",
    "manifest": "bot.manifest:command",
}
HOOKS: Final = {
    "open_parts": "app:open_parts",
    "serve": "app:serve",
    "sandbox": "app:sandbox",
    "probe": "app:probe",
    "migrate": "app:migrate",
    "preview": "intake.email.digest_preview:preview",
}
DRAIN: Final = timedelta(seconds=8)  # from SIGTERM to the end


def main() -> None:
    """Run the command line."""
    from intake.cli.main import group, run

    sys.exit(run(group(MOUNTS, HOOKS)))


# -- parts ------------------------------------------------------------------------------------------------------


def build_parts(config: Config) -> Parts:
    """Build the parts for the channels that the configuration turns on; nothing is opened yet."""
    from bot.spec import SPEC as SLACK
    from core.parts import build
    from intake.email.spec import SPEC as EMAIL

    return build(config, {EMAIL.name: EMAIL} | ({SLACK.name: SLACK} if config.slack.enabled else {}))


@contextlib.asynccontextmanager
async def open_parts(config: Config) -> AsyncIterator[Parts]:
    """Open the parts for a command and close them. Raises `ConfigError` (the schema), `Unavailable`."""
    from core.failures import Conflict
    from core.parts import ready_schema
    from core.schema import SchemaProblem

    parts = build_parts(config)
    try:
        try:
            await ready_schema(parts)
        except SchemaProblem as exc:
            raise Conflict(str(exc)) from exc
        await parts.people.sync(whole=False)
        yield parts
    finally:
        await parts.database.close()


async def migrate(config: Config) -> str:
    """Bring the schema up to date; return one line on what was done. Raises `Unavailable`."""
    from core import schema
    from core.failures import Conflict

    parts = build_parts(config)
    try:
        done = await schema.migrate(parts.database)
        await parts.people.sync(whole=False)
        return done
    except schema.SchemaProblem as exc:
        raise Conflict(str(exc)) from exc
    finally:
        await parts.database.close()


async def probe(config: Config) -> Sequence[Finding]:
    """Check the database and every channel, for `relaydesk check`."""
    from core.check import probe_database, probe_links, probe_reach

    parts = build_parts(config)
    service = Service(parts, frozenset())
    try:
        findings = [*await probe_database(parts.database, config), *probe_links(config), *probe_reach(config)]
        channels = service.channels()
        for channel in channels.values():
            findings += await channel.probe()
        return findings
    finally:
        await service.close()
        await parts.database.close()


# -- the service ------------------------------------------------------------------------------------------------


@dataclass
class Service:
    """A running relaydesk: the doors and loops of the given roles, on shared parts."""

    parts: Parts
    roles: frozenset[str]
    running: list[tuple[str, Any]] = field(default_factory=list)  # in the order of their start
    slack: SlackDoor | None = None
    mail_port: int = 0
    http_port: int = 0
    _channels: dict[str, Channel] = field(default_factory=dict)
    _api: Api | None = None
    _skew: SkewWatch | None = None
    _closers: list[Any] = field(default_factory=list)

    async def start(self) -> None:
        """Open everything; the loops first, so that what the doors take in is worked off at once.

        Raises `SchemaProblem`, `ConfigError`, `OSError` (a port that is taken).
        """
        from core.report_words import warm

        await self._wait_for_database()
        await asyncio.gather(self._begin(), asyncio.to_thread(warm, self.parts.config))
        if self.roles & {"worker", "courier"}:
            self.channels()
        await self._start_loops()
        await self._start_doors()

    async def _wait_for_database(self) -> None:
        import structlog

        from core.failures import Unavailable
        from core.parts import ready_schema

        told = False
        while True:
            try:
                await ready_schema(self.parts)
                return
            except Unavailable:
                if not told:
                    structlog.get_logger(__name__).warning("waiting_for_database")
                told = True
                await asyncio.sleep(1)

    async def _begin(self) -> None:
        """Free what a dead predecessor held, note our start, bring the staff up to date."""
        import structlog

        from core import schema
        from core.instances import Instance

        parts, data_dir = self.parts, self.parts.config.service.data_dir
        instance = Instance(data_dir)
        dead = instance.register()
        parts.database.instance = instance.id
        self._closers.append(instance.leave)
        await instance.bury(parts.database, dead)
        await parts.people.sync()
        if await schema.begin_generation(parts.database, data_dir):
            structlog.get_logger(__name__).warning(
                "restored_backup", outgoing="on hold until: relaydesk outbox resume"
            )

    def skew(self) -> SkewWatch:
        """Return what watches this machine's clock."""
        if self._skew is None:
            from core.skew import SkewWatch

            self._skew = SkewWatch(self.parts.database, self.parts.config.scheduler.max_skew)
        return self._skew

    def channels(self) -> dict[str, Channel]:
        """Build the channels that this process reads and sends through."""
        if not self._channels:
            self._channels["email"] = self._email_channel()
            if self.parts.config.slack.enabled:
                from bot.parts import slack_channel

                self._channels["slack"] = slack_channel(self.parts, self._slack_api())
        return self._channels

    def _email_channel(self) -> Channel:
        from core.children import Children
        from core.parents import quotable_texts
        from intake.email.channel import EmailChannel

        worker = self.parts.config.worker
        self._children = Children(
            worker.reading_children,
            worker.reading_timeout,
            worker.reading_memory_bytes,
            preload=("intake.email.read",),
        )
        self._closers.append(self._children.close)
        parts = self.parts

        async def quotable(signed: Sequence[int], references: Sequence[Ref]) -> Sequence[str]:
            return await parts.database.read(lambda tx: quotable_texts(tx, signed, references))

        channel = EmailChannel(parts.config, parts.blobs, self._children, parts.clock, quotable=quotable)
        self._closers.append(channel.close)
        return channel

    def _slack_api(self) -> Api:
        if self._api is None:
            from bot.parts import slack_api

            self._api = slack_api(self.parts)
            self._closers.append(self._api.close)
        return self._api

    async def _start_loops(self) -> None:
        from core.children import ChildFailed
        from core.courier import Courier
        from core.failures import Unavailable
        from core.scheduler import Scheduler
        from core.worker import Worker

        parts = self.parts
        await self._run("clock", self.skew())
        if "courier" in self.roles:
            await self._run(
                "courier",
                Courier(
                    parts.config,
                    parts.database,
                    parts.blobs,
                    parts.desk,
                    self._channels,
                    parts.clock,
                    parts.intake.quiet,
                ),
            )
        if "worker" in self.roles:
            with contextlib.suppress(ChildFailed, Unavailable):  # then the first mail says so
                await self._children.warm()
            await self._run(
                "worker",
                Worker(
                    parts.config,
                    parts.database,
                    parts.blobs,
                    parts.intake,
                    parts.manager,
                    self._channels,
                    parts.signals,
                ),
            )
        if "scheduler" in self.roles:
            await self._run("scheduler", Scheduler(parts.desk, parts.database, parts.blobs))

    async def _run(self, name: str, part: Any) -> None:
        await part.start()
        self.running.append((name, part))

    async def _start_doors(self) -> None:
        config, parts = self.parts.config, self.parts
        if "email" in self.roles:
            from intake.email.doors import mail_doors

            for name, door in mail_doors(parts):
                await self._run(name, door)
                self.mail_port = door.port if name == "email" else self.mail_port
        if "slack" in self.roles and config.slack.enabled:
            await self._start_slack()
        if "web" in self.roles and config.http.enabled:
            from intake.web.site import WebDoor, build_site

            site = build_site(
                parts,
                readiness=self.readiness,
                slack_events=self.slack.handle_http if self.slack and config.slack.signing_secret else None,
            )
            site.state.metrics.watch_clock(lambda: self.skew().seconds)
            web = WebDoor(site, config.http.host, config.http.port)
            await self._run("web", web)
            self.http_port = web.port

    async def _start_slack(self) -> None:
        from core.config import ConfigError

        if not self.parts.config.slack.app_token and "web" not in self.roles:
            raise ConfigError("slack without app_token takes events over HTTP: run it with the role web")
        from bot.parts import slack_door

        self.slack = slack_door(self.parts, self._slack_api())
        await self._run("slack", self.slack)
        await self.slack.until_ready(2.0)  # away is no reason not to take mail

    async def readiness(self) -> Readiness:
        """How every enabled part is, each named."""
        from core.failures import Unavailable
        from intake.web.health import PartState, Readiness, State, state_of

        found: list[PartState] = []
        try:
            async with asyncio.timeout(3):
                await self.skew().look()
            found.append(PartState("database", State.OK))
        except (Unavailable, TimeoutError):
            found.append(PartState("database", State.DOWN, "the database can't be reached"))
        found += [state for name, part in self.running if (state := await state_of(name, part)) is not None]
        return Readiness(tuple(found))

    async def stop(self) -> None:
        """Stop the doors, finish what is in hand, close everything, within `DRAIN`."""
        import structlog

        log = structlog.get_logger(__name__)
        loop_names = ("worker", "courier", "scheduler", "clock")
        doors = [part for name, part in self.running if name not in loop_names]
        loops = [part for name, part in self.running if name in loop_names]
        try:
            async with asyncio.timeout(DRAIN.total_seconds()):
                await asyncio.gather(*(door.stop() for door in doors), return_exceptions=True)
                await asyncio.gather(*(loop.stop() for loop in loops), return_exceptions=True)
        except TimeoutError:
            log.warning("drain_cut")
        await self.close()

    async def close(self) -> None:
        """Close what was opened, the last first."""
        for closer in reversed(self._closers):
            with contextlib.suppress(Exception):
                result = closer()
                if asyncio.iscoroutine(result):
                    async with asyncio.timeout(1):
                        await result
        self._closers.clear()


def serve(config: Config, roles: frozenset[str]) -> int:
    """Run the service until SIGTERM or Ctrl-C; return the exit status."""
    return asyncio.run(_serve(config, roles))


async def _serve(config: Config, roles: frozenset[str], around: Any = None) -> int:
    import structlog

    from core import logs
    from core.config import ConfigError
    from core.schema import SchemaProblem, until_shut_out

    logs.configure(config.service.log_format, config.service.log_level)
    log = structlog.get_logger("relaydesk")
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    parts = build_parts(config)
    service = Service(parts, roles)
    starting = asyncio.create_task(service.start())
    try:
        await asyncio.wait({starting, asyncio.create_task(stopping.wait())}, return_when="FIRST_COMPLETED")
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        else:
            await starting
            log.info("ready", smtp_port=service.mail_port, http_port=service.http_port, roles=sorted(roles))
            if around is not None:
                await around(service)
            shut_out = asyncio.create_task(until_shut_out(parts.database))
            await asyncio.wait(
                {shut_out, asyncio.create_task(stopping.wait())}, return_when="FIRST_COMPLETED"
            )
            if not stopping.is_set():
                return 1
            shut_out.cancel()
    except SchemaProblem as exc:
        sys.stderr.write(f"relaydesk: {exc}\n")
        return 1
    except ConfigError:
        raise
    except OSError as exc:
        what = exc.filename or "can't listen"
        sys.stderr.write(f"relaydesk: {what}: {exc.strerror or exc}\n")
        return 2
    finally:
        log.info("stopping")
        await service.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):  # a server that hangs can't be said good-bye to
                await parts.database.close()
        log.info("stopped")
    return 0


def sandbox(config_file: str | None) -> int:
    """Run the service on the embedded default with a Slack workspace and a mailbox beside it."""
    return asyncio.run(_sandbox(config_file))


async def _sandbox(config_file: str | None) -> int:
    from core import ways
    from core.config import beside, load, parse
    from sandbox import Sandbox
    from sandbox.tryout import http_port_from, overlay, words

    load(config_file)  # the file's own mistakes are told as such
    box = Sandbox(http_port=http_port_from(os.environ))
    await box.start()

    async def started(service: Service) -> None:
        async def way(ticket: int | None) -> dict[str, Any]:
            return (await service.parts.database.read(lambda tx: ways.read(tx, ticket))).as_json()

        mail, web = ("127.0.0.1", service.mail_port), f"http://127.0.0.1:{service.http_port}"
        box.connect_desk(mail, web)
        box.watch(way)
        sys.stdout.write(words(box, mail, web))
        sys.stdout.flush()

    try:
        file = config_file or os.environ.get("RELAYDESK_CONFIG")
        data = overlay(file, box, os.environ)
        data = beside(data, file) if file else data
        everything = frozenset({"email", "slack", "web", "worker", "scheduler", "courier"})
        return await _serve(parse(data, environ=os.environ, source="sandbox"), everything, around=started)
    finally:
        await box.stop()


if __name__ == "__main__":
    main()
