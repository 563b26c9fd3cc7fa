"""The IMAP door: one mailbox, fetched from by one instance at a time, over connections that break and come back.

The one holder is whoever has the account's lease (`core.work`); how far it has come is kept with that. What a server
says is waited for in a thread (`imap_link`), mails are handled by `imap_fetch`, and `imap_rules` decides.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from core import work
from core.clock import Clock
from core.config import Config, Imap
from core.database import Database
from core.failures import StaleLease, TemporaryFailure, Unavailable
from core.retry import backoff
from core.tasks import drained
from intake.email import imap_rules as rules
from intake.email.imap_fetch import Fetcher, Store
from intake.email.imap_link import Link
from intake.email.imap_rules import Broken, Cursor, Step, Trouble
from intake.email.imap_session import Mailbox
from intake.email.oauth import TokenSource

log = structlog.get_logger(__name__)

LONGEST_IDLE: Final = timedelta(minutes=9)  # RFC 2177: under 29 minutes; home routers forget sooner
STANDBY: Final = timedelta(seconds=5)  # between looks whether another instance has let go
GRACE: Final = timedelta(seconds=4)  # to finish the mail in hand


class ImapDoor:
    """Fetches from one mailbox. `start` returns at once; `stop` finishes the mail in hand and lets the lease go.

    `state`: "starting", "connected", "standby" (another instance fetches) or "away", and then `trouble` says in a
    few public words why.
    """

    def __init__(
        self,
        config: Config,
        box: Imap,
        database: Database,
        intake: Store,
        clock: Clock | None = None,
        *,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._config, self._box = config, box
        self._database = database
        self._dice = dice
        self._tokens = TokenSource(box, config.service.data_dir) if box.oauth2_token_url else None
        self._name = rules.account_name(box)
        self._log = log.bind(imap=box.host, mailbox=box.mailbox, queue=box.queue)
        self._fetcher = Fetcher(config, box, intake, clock or Clock(), self._log)
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._link: Link | None = None
        self._ensured = self._worked = False
        self._told: str | None = None
        self.state = "starting"
        self.trouble = "connecting"
        for name in ("imapclient", "imapclient.imaplib"):
            logging.getLogger(name).setLevel(logging.ERROR)  # it logs whole answers at debug

    @property
    def ready(self) -> bool:
        """Whether mail of this account is fetched, here or by another instance."""
        return self.state in ("connected", "standby")

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Finish what is in hand, within about four seconds. Safe to call twice."""
        self._stopping.set()
        if self._link is not None:
            self._link.wake()
        task, self._task = self._task, None
        await drained([task], GRACE)

    # -- one holder among all instances ---------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                lease = await self._claim()
                if lease is None:
                    await self._pause(STANDBY * (0.8 + 0.4 * self._dice()))
                else:
                    await self._hold(lease)
            except Unavailable as exc:
                self._log.warning("imap_lease_failed", reason=str(exc))
                await self._pause(STANDBY)
            except Exception:
                self._log.exception("imap_failed")
                await self._pause(timedelta(seconds=30))

    async def _claim(self) -> work.Lease | None:
        if not self._ensured:
            await self._database.unit(lambda tx: work.ensure(tx, {self._name: rules.KIND}))
            self._ensured = True
        lease = await work.claim_named(self._database, self._name, rules.KIND, due=False)
        if lease is None and self.state != "standby":
            self.state, self.trouble = "standby", ""
            self._log.info("imap_standby")
        return lease

    async def _hold(self, lease: work.Lease) -> None:
        """Fetch for as long as the lease is ours; both tasks end together."""
        self.state, self.trouble = "away", "connecting"
        fetching = asyncio.create_task(self._fetch(lease), name=f"fetch {self._name}")
        keeping = asyncio.create_task(self._keep(lease), name=f"keep {self._name}")
        try:
            await asyncio.wait({fetching, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if not fetching.done():
                self._log.warning("imap_lease_lost")
        finally:
            for task in (fetching, keeping):
                task.cancel()
            results = await asyncio.gather(fetching, keeping, return_exceptions=True)
            with suppress(StaleLease, Unavailable):
                await work.finish(self._database, lease, due=None, not_before=None)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, StaleLease):
                raise result

    async def _keep(self, lease: work.Lease) -> None:
        """Renew the lease; return when it's lost, or may be."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while loop.time() - renewed < (work.LEASE - work.RENEW).total_seconds():
            await asyncio.sleep(work.RENEW.total_seconds())
            try:
                async with asyncio.timeout(work.RENEW.total_seconds()):
                    await work.renew(self._database, lease)
                renewed = loop.time()
            except (Unavailable, TimeoutError):
                continue
            except StaleLease:
                return

    # -- one connection after the other ---------------------------------------------------------------------------

    async def _fetch(self, lease: work.Lease) -> None:
        failed = 0
        while not self._stopping.is_set():
            self._worked = False
            try:
                await self._connection(lease)
                continue
            except Broken as exc:
                trouble = exc.trouble
            except Unavailable as exc:
                trouble = Trouble(f"nothing can be stored now ({exc})")
            failed = 1 if self._worked else failed + 1
            steps = rules.RETRY_REFUSED if trouble.mend else rules.RETRY
            wait = backoff(failed, steps, self._dice)
            self._away(trouble, wait)
            await self._pause(wait)

    def _away(self, trouble: Trouble, wait: timedelta) -> None:
        """Say it once, at warning; the same again only at info."""
        self.state = "away"
        self.trouble = "the login is refused" if trouble.login else "away"
        tell = self._log.info if trouble.reason == self._told else self._log.warning
        self._told = trouble.reason
        event = "imap_login_refused" if trouble.login else "imap_away"
        tell(event, reason=trouble.reason, wait=round(wait.total_seconds(), 1))

    async def _pause(self, length: timedelta) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), length.total_seconds())

    async def _connection(self, lease: work.Lease) -> None:
        """Connect and fetch until told to stop. Raises `Broken`, `Unavailable`, `StaleLease`."""
        link = self._link = Link(self._box, self._config.email.inbound.max_message_bytes)
        try:
            mailbox = await self._open(link)
            cursor = await self._begin(mailbox, lease)
            self.state, self.trouble, self._told = "connected", "", None
            idle = mailbox.offers.idle
            self._log.info(
                "imap_connected", idle=idle, move=mailbox.offers.move, uidplus=mailbox.offers.uidplus
            )
            while not self._stopping.is_set():
                cursor = await self._round(link, cursor, lease)
                self._worked = True
                idle = idle and await self._idle(link)
                if not idle:
                    await self._pause(self._box.poll)
        except (Broken, Unavailable, StaleLease):
            raise
        except Exception as exc:
            if link.step is Step.FETCH and not rules.is_wire(exc):
                self._log.exception("imap_round_failed")
            raise Broken(rules.trouble_of(link.step, exc, self._box)) from exc
        finally:
            self._link = None
            await link.close()

    async def _open(self, link: Link) -> Mailbox:
        """Log in. A token that is refused may have been revoked early: once more with a new one."""
        if self._tokens is None:
            return await link.open(None)
        token = await self._token(self._tokens)
        try:
            return await link.open(token)
        except Exception:
            if link.step is not Step.LOGIN:
                raise
            self._tokens.invalidate(token)
            return await link.open(await self._token(self._tokens))

    async def _token(self, tokens: TokenSource) -> str:
        try:
            return await tokens.token()
        except TemporaryFailure as exc:
            raise Broken(rules.trouble_of(Step.TOKEN, exc, self._box)) from exc

    async def _begin(self, mailbox: Mailbox, lease: work.Lease) -> Cursor:
        kept = Cursor.unpack(await work.remembered(self._database, self._name))
        cursor, anew = rules.begin(kept, mailbox.validity, mailbox.uid_next)
        self._fetcher.mailbox(mailbox.validity)
        if anew:
            if kept is not None:
                self._log.warning("imap_uids_anew", was=kept.validity, now=mailbox.validity)
            await work.note(self._database, lease, cursor.pack())
        return cursor

    async def _round(self, link: Link, cursor: Cursor, lease: work.Lease) -> Cursor:
        """Fetch what is there, batch by batch; after each note how far we are, if the lease is still ours."""
        uids = await self._fetcher.look(link, cursor)
        while uids and not self._stopping.is_set() and self._fetcher.room():
            batch = await self._fetcher.batch(link, uids, self._stopping.is_set)
            after = cursor.after(batch.done, batch.failed)
            if after != cursor:
                await work.note(self._database, lease, after.pack())
                cursor = after
            if batch.trouble is not None:
                raise batch.trouble
        return cursor

    async def _idle(self, link: Link) -> bool:
        """Wait for news; False where the server refuses IDLE after all. The mailbox is looked through now and then
        all the same: not every server, nor every router on the way, says everything."""
        try:
            await link.wait(min(self._box.poll, LONGEST_IDLE))
        except Exception as exc:
            if rules.is_wire(exc):
                raise
            self._log.warning("imap_idle_refused", reason=rules.said(exc))
            return False
        return True
