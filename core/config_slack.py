"""The configuration of the Slack door, and of what staff say again and again."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator, model_validator

from core.config_section import Section
from core.durations import Duration, Positive
from core.slack_texts import check


class Slack(Section):
    enabled: bool = False
    bot_token: str = Field(default="", repr=False)
    app_token: str = Field(default="", repr=False)
    signing_secret: str = Field(default="", repr=False)
    client_id: str = Field(default="", max_length=200)
    client_secret: str = Field(default="", repr=False)
    api_url: str = "https://slack.com/api/"
    group_window: Duration = timedelta(seconds=90)
    reply_hold: Duration = timedelta()
    pace: Duration = timedelta(seconds=1)
    ask_timeout: Positive = timedelta(seconds=10)
    max_file_bytes: int = Field(default=26_214_400, ge=1024)
    sockets: int = Field(default=2, ge=1, le=10)
    ticket_emoji: str = Field(default="ticket", pattern=r"^([a-z0-9_+'-]{1,100})?$")
    nudge: bool = False
    ask_rating: bool = True
    staff_usergroup: str = Field(default="", pattern=r"^(S[A-Z0-9]{1,30})?$")
    staff_from_channel: bool = False
    exposed_channels: tuple[str, ...] = ()
    texts: dict[str, dict[str, str]] = Field(default_factory=dict)  # by language: `core.slack_texts`

    @field_validator("texts")
    @classmethod
    def _texts(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        check(value)
        return value

    @model_validator(mode="after")
    def _tokens(self) -> Slack:
        if self.enabled and not self.bot_token:
            raise ValueError("slack.enabled needs slack.bot_token")
        if self.enabled and not (self.app_token or self.signing_secret):
            raise ValueError(
                "slack.enabled needs slack.app_token (Socket Mode) or slack.signing_secret (HTTP)"
            )
        if bool(self.client_id) != bool(self.client_secret):
            raise ValueError("slack.client_id and slack.client_secret go together")
        if not timedelta() <= self.reply_hold <= timedelta(seconds=60):
            raise ValueError("slack.reply_hold is 0s to 60s")
        return self


class Canned(Section):
    """An answer that staff send by its name (`!reply NAME`). `queues`: where it is offered; () everywhere."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    text: str = Field(min_length=1, max_length=20_000)
    queues: tuple[str, ...] = ()
