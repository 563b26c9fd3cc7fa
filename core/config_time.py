"""The parts of the configuration that are about time: the scheduler, digests, what is kept and for how long."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final, Literal

from pydantic import Field, field_validator

from core.config_section import Section
from core.cron import check_cron
from core.durations import Duration, Positive
from core.quiet import read_hours

_IN_SLACK: Final = re.compile(r"(T[A-Z0-9]+/)?[CGDUW][A-Z0-9]+")


LONGEST_TICK: Final = timedelta(seconds=5)  # what is due is noticed within that
LARGEST_BATCH: Final = 1_000  # tickets: one job's turn holds up the others


class SchedulerConfig(Section):
    tick: Positive = timedelta(seconds=2)
    batch: int = Field(default=100, ge=1, le=LARGEST_BATCH)
    max_skew: Positive = timedelta(seconds=5)  # between an instance's clock and the database's

    @field_validator("tick")
    @classmethod
    def _soon(cls, value: timedelta) -> timedelta:
        if value > LONGEST_TICK:
            raise ValueError("5s is the most: what is due is noticed within 5 seconds")
        return value


class Retention(Section):
    """How long what isn't needed any more is kept; "0s": for ever."""

    inbox: Duration = timedelta(days=30)
    held: Duration = timedelta()
    deliveries: Duration = timedelta(days=90)
    attachments: Duration = timedelta()
    closed_tickets: Duration = timedelta()
    reports: Duration = timedelta(days=400)


class Notices(Section):
    """What staff are told of themselves, beside their queue's card."""

    quiet_hours: str = ""  # "22:00-07:00" in the service's timezone; a person may choose their own
    bundle: Duration = timedelta(seconds=60)  # several news for one person within this time are one message

    @field_validator("quiet_hours")
    @classmethod
    def _hours(cls, value: str) -> str:
        read_hours(value)
        return value


class Digest(Section):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    cron: str = "0 8 * * mon-fri"
    period: Positive = timedelta(days=1)
    queues: tuple[str, ...] = ()
    email_to: tuple[str, ...] = ()
    slack_to: tuple[str, ...] = ()
    when_empty: Literal["send", "skip"] = "send"
    max_late: Positive = timedelta(hours=24)
    language: str = Field(default="", pattern=r"^([a-z]{2,3})?$")  # "": the service's

    @field_validator("email_to")
    @classmethod
    def _mailed(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in (one.strip() for one in value):
            local, _, domain = address.rpartition("@")
            if not (local and domain) or any(c.isspace() or ord(c) < 32 for c in address):
                raise ValueError(f"'{address}' is no mail address, like boss@example.com")
        return tuple(one.strip() for one in value)

    @field_validator("slack_to")
    @classmethod
    def _posted(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place in (one.strip() for one in value):
            if not _IN_SLACK.fullmatch(place):
                raise ValueError(
                    f"'{place}' is no id of a channel or a person in Slack, like C0123456789 or U0123456789 "
                    '(in Slack: "Copy channel ID" or "Copy member ID")'
                )
        return tuple(one.strip() for one in value)

    @field_validator("cron")
    @classmethod
    def _fires(cls, value: str) -> str:
        check_cron(value)
        return value
