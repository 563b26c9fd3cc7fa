"""Digests: a report of the period that ends when its cron fires, made once and sent to everybody who is named.

The figures are read first; the report's row and its deliveries commit together with the claim of the slot, so a digest
goes once, however many instances there are and wherever one dies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from cronsim import CronSim
from sqlalchemy import insert

from core import exposure, figures, outbox, unsubscribing
from core.audience import Told
from core.config import Config
from core.config_time import Digest
from core.cron import moment_of
from core.database import Tx
from core.desk import Desk
from core.failures import Conflict, NotFound
from core.figures_days import Counting
from core.jobs import CronJob, Effect, Jobs, Slot
from core.report import Report, make
from core.report_words import spoken_by
from core.shapes import Kind, Person, canonical_address
from core.suppression import is_suppressed
from core.tables import reports
from core.views import Period

log = structlog.get_logger(__name__)

_DAY: Final = timedelta(days=1)


def jobs_of(config: Config) -> tuple[CronJob, ...]:
    """Return the job of each digest."""
    zone = ZoneInfo(config.service.timezone)
    return tuple(
        CronJob(f"digest:{one.name}", one.cron, zone, one.max_late, partial(_run, one))
        for one in config.digest
    )


def named(config: Config, name: str) -> Digest:
    """Return the digest of that name. Raises `NotFound`, which lists those that there are."""
    wanted = name.strip().lower()
    found = next((one for one in config.digest if one.name == wanted), None)
    if found is None:
        known = ", ".join(one.name for one in config.digest)
        there = f"there is: {known}" if known else "no [[digest]] is configured"
        raise NotFound(f"there is no digest '{name[:60]}'; {there}")
    return found


# -- the period ---------------------------------------------------------------------------------------------------


def fired_at(cron: str, zone: ZoneInfo, slot: datetime) -> datetime:
    """Return the local time (without a zone) for which a slot stands. Clocks may have jumped over it: then they show
    another one."""
    shown = slot.astimezone(zone).replace(tzinfo=None)
    meant = next(CronSim(cron, shown.replace(microsecond=0) + timedelta(seconds=1), reverse=True), shown)
    return meant if moment_of(meant, zone) == slot else shown


def periods(
    length: timedelta, zone: ZoneInfo, until: datetime, local: datetime | None = None
) -> tuple[Period, Period]:
    """Return the period that ends at `until`, and the one before it; in UTC.

    Whole days begin at the local time of the end (`local`, where that isn't what clocks show at `until`), so one may
    have 23 or 25 hours; any other length is exact.
    """
    if length % _DAY:
        start, before = until - length, until - 2 * length
    else:
        local = until.astimezone(zone).replace(tzinfo=None) if local is None else local
        start, before = moment_of(local - length, zone), moment_of(local - 2 * length, zone)
    return Period(start, until), Period(before, start)


# -- making and sending -------------------------------------------------------------------------------------------


async def report_of(
    tx: Tx,
    config: Config,
    digest: Digest,
    until: datetime,
    *,
    local: datetime | None = None,
    late: bool = False,
) -> Report:
    """Make the report of the period that ends at `until`. Writes nothing; its figures add up where the transaction is
    a snapshot. Raises `Counting`."""
    zone = ZoneInfo(config.service.timezone)
    period, before = periods(digest.period, zone, until, local)
    present, past = await figures.beside(tx, period, before, digest.queues or None, zone=zone)
    return make(
        digest.name,
        present,
        past,
        service=config.service.name,
        zone=zone,
        made_at=await tx.now(),
        late=late,
        held_back=await exposure.last_held_back(tx),
        told_in=spoken_by(digest.language or config.service.language, config.service.texts),
    )


async def recipients(tx: Tx, config: Config, digest: Digest) -> tuple[Told, ...]:
    """Return whom a digest is sent to: each address and each place in Slack once, without those who want no more."""
    addresses = tuple({canonical_address(one): one.strip() for one in digest.email_to}.values())
    gone = await unsubscribing.stopped(tx, digest.name, addresses)
    mails = [
        told_by_mail(one, unsubscribing.url_for(config, digest.name, one))
        for one in addresses
        if one not in gone
    ]
    return (*mails, *(told_in_slack(one.strip()) for one in dict.fromkeys(digest.slack_to)))


def told_by_mail(address: str, unsubscribe: str = "") -> Told:
    """One delivery to a mail address. `unsubscribe`: where they say that they want no more."""
    data = {"unsubscribe": unsubscribe} if unsubscribe else {}
    key = Person(kind="email", address=address).key
    return Told(
        channel="email",
        place=address,
        kind=Kind.DIGEST,
        desk=True,
        automatic=True,
        priority=6,
        to_key=key,
        data=data,
    )


def told_in_slack(place: str) -> Told:
    """One delivery to a channel, or to somebody's direct messages with the bot (`C1`, `U1`, `T1/U1`)."""
    return Told(channel="slack", place=place, kind=Kind.DIGEST, desk=True, priority=6)


async def send(tx: Tx, desk: Desk, report: Report, told: Iterable[Told]) -> int:
    """Keep a report and note its deliveries, as the last step of a unit. Returns how many go."""
    told = tuple(told)
    for channel in sorted({one.channel for one in told} - desk.specs.keys()):
        log.warning("digest_without_channel", digest=report.name, channel=channel)
    row = insert(reports).values(
        name=report.name,
        since=report.since,
        until=report.until,
        late=report.late,
        made_at=report.made_at,
        series=report.as_json(),
    )
    data = {"report": await tx.new_id(row)}
    noted = outbox.Noted(
        ticket_id=0,
        version=int((await tx.now()).timestamp() * 1000),
        message_id=None,
        domain=desk.domain(report.queues[0] if report.queues else desk.config.queue[0].name),
        on_hold=await outbox.on_hold(tx, desk.config.service.outbound),
    )
    ids = await outbox.enqueue(
        tx, desk.specs, noted, (replace(one, data={**one.data, **data}) for one in told)
    )
    if ids:
        tx.after_commit.append(desk.signals.outbox.set)
    return len(ids)


async def send_now(tx: Tx, desk: Desk, name: str, told: Iterable[Told]) -> int:
    """Make a digest of the period that ends now and send it to somebody, whatever its own recipients are: its figures
    are of one moment, as those of the job's. Raises `NotFound`, `Conflict` where they aren't counted yet."""
    digest = named(desk.config, name)

    async def look(then: Tx) -> Report:
        return await report_of(then, desk.config, digest, await then.now())

    try:
        report = await tx.beside(look)
        told = await exposure.for_members(tx, desk, told)
    except Counting as exc:  # told to who asks: whoever reads what they wrote needn't wait for it
        raise Conflict(str(exc)) from exc
    return await send(tx, desk, report, told)


# -- the job ------------------------------------------------------------------------------------------------------


async def _run(digest: Digest, jobs: Jobs, slot: Slot) -> Effect:
    """Read the figures; what is returned sends them."""
    config = jobs.desk.config
    local = fired_at(digest.cron, ZoneInfo(config.service.timezone), slot.at)
    report = await jobs.database.read(
        lambda tx: report_of(tx, config, digest, slot.at, local=local, late=slot.late), snapshot=True
    )
    return partial(_sent, digest, jobs.desk, report)


async def _sent(digest: Digest, desk: Desk, report: Report, tx: Tx) -> str:
    if report.empty and digest.when_empty == "skip":
        tx.after_commit.append(partial(_log, "digest_skipped", report, sent=0))
        return "skipped: nothing happened"
    told = await recipients(tx, desk.config, digest)
    dead = sum([await is_suppressed(tx, one.to_key) for one in told if one.channel in desk.specs])
    count = await send(tx, desk, report, told) - dead  # the outbox says of each why it didn't go
    tx.after_commit.append(partial(_log, "digest_sent", report, sent=count))
    return (
        f"sent to {count}"
        + (f", not to {dead} whose mail bounced" if dead else "")
        + (", late" if report.late else "")
        + (": nothing happened" if report.empty else "")
    )


def _log(event: str, report: Report, *, sent: int) -> None:
    log.info(
        event,
        digest=report.name,
        since=report.since.isoformat(),
        until=report.until.isoformat(),
        late=report.late,
        empty=report.empty,
        recipients=sent,
    )
