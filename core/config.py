"""The configuration: a TOML file, overridden by the environment (`RELAYDESK_DATABASE__URL`).

Unknown keys are errors that name the nearest known one. Durations are short forms (`30s`, `15m`, `8h`, `7d`).
"""

from __future__ import annotations

import difflib
import os
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, field_validator, model_validator

from core import config_places, hours, report_texts
from core.config_environment import Variable, over, variables
from core.config_mail import Email as Email
from core.config_mail import EmailInbound as EmailInbound
from core.config_mail import EmailOutbound as EmailOutbound
from core.config_mail import Imap as Imap
from core.config_mail import Server as Server
from core.config_names import inner_model, model_at, nearest
from core.config_section import ConfigError as ConfigError
from core.config_section import Section
from core.config_slack import Canned as Canned
from core.config_slack import Slack as Slack
from core.config_time import Digest as Digest
from core.config_time import Notices as Notices
from core.config_time import Retention as Retention
from core.config_time import SchedulerConfig as SchedulerConfig
from core.config_url import check_base_url
from core.cron import check_cron
from core.durations import Duration as Duration
from core.durations import Positive
from core.durations import parse_duration as parse_duration


class Service(Section):
    places: ClassVar[frozenset[str]] = frozenset({"data_dir"})

    name: str = "relaydesk"
    base_url: str = "http://127.0.0.1:8080"
    data_dir: Path = Path("var")
    timezone: str = "UTC"
    secret_key: str = Field(default="", repr=False)
    previous_secret_keys: tuple[str, ...] = Field(default=(), repr=False)
    outbound: Literal["send", "hold"] = "send"
    language: str = Field(default="en", pattern=r"^[a-z]{2,3}$")
    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    texts: dict[str, dict[str, str]] = Field(default_factory=dict)  # by language: `core.report_texts`

    @field_validator("texts")
    @classmethod
    def _texts(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        report_texts.check(value)
        return value

    @model_validator(mode="after")
    def _zone(self) -> Service:
        check_zone(self.timezone)
        check_base_url(self.base_url)
        return self


def check_zone(name: str) -> None:
    """Raise `ValueError` with the nearest name where the time zone is unknown."""
    try:
        ZoneInfo(name)
    except Exception as exc:
        near = difflib.get_close_matches(name, available_timezones(), 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"unknown time zone '{name}'{hint}") from exc


class DatabaseConfig(Section):
    places: ClassVar[frozenset[str]] = frozenset({"url"})

    url: str = Field(default="sqlite+aiosqlite:///var/relaydesk.db", repr=False)
    pool_size: int = Field(default=10, ge=2, le=200)
    timeout: Positive = timedelta(seconds=20)
    auto_migrate: bool | None = None

    @model_validator(mode="after")
    def _known_store(self) -> DatabaseConfig:
        if not self.url.startswith(("sqlite+aiosqlite:", "mysql+aiomysql:")):
            raise ValueError(
                "database.url must start with sqlite+aiosqlite:/// or mysql+aiomysql:// (MySQL, MariaDB)"
            )
        return self

    @property
    def sqlite(self) -> bool:
        return self.url.startswith("sqlite")


class Http(Section):
    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    max_body_bytes: int = Field(default=33_554_432, ge=1024)
    requests_per_token: int = Field(default=6000, ge=1)
    requests_per_address: int = Field(default=6000, ge=1)
    posts_per_address: int = Field(default=300, ge=1)


class Worker(Section):
    lanes: int = Field(default=4, ge=1, le=16)
    poll: Positive = timedelta(milliseconds=250)
    reading_children: int = Field(default=1, ge=1, le=16)
    reading_timeout: Positive = timedelta(seconds=10)
    reading_memory_bytes: int = Field(default=536_870_912, ge=67_108_864)
    retry_after: tuple[Positive, ...] = Field(
        default=(timedelta(seconds=5), timedelta(seconds=60)), min_length=1
    )


class Courier(Section):
    lanes: int = Field(default=8, ge=1, le=64)
    poll: Positive = timedelta(seconds=1)
    retry_after: tuple[Positive, ...] = Field(
        default=tuple(timedelta(minutes=m) for m in (2, 5, 10, 15, 30, 60, 120)), min_length=1
    )
    give_up_after: Duration = timedelta(days=2)
    channel_pause: Positive = timedelta(seconds=30)


class Brakes(Section):
    """Limits on what we send by ourselves and on what one source may do."""

    acknowledgements_per_address: int = Field(default=10, ge=0)
    acknowledgement_window: Duration = timedelta(hours=1)
    acknowledgements_per_source: int = Field(default=400_000, ge=0)
    acknowledgements_in_all: int = Field(default=400_000, ge=0)
    copies_per_address: int = Field(default=20, ge=0)
    copies_per_writer: int = Field(default=100, ge=0)
    copies_per_source: int = Field(default=2000, ge=0)
    copies_in_all: int = Field(default=5000, ge=0)
    mails_per_ticket: int = Field(default=30, ge=1)
    reopens_per_hour: int = Field(default=5, ge=0)
    reports_per_source: int = Field(default=60, ge=0)
    confirmations_per_address: int = Field(default=5, ge=0)
    confirmations_per_source: int = Field(default=20, ge=0)
    confirmations_in_all: int = Field(default=500, ge=0)
    file_links_per_source: int = Field(default=600, ge=0)
    strangers_bytes_per_source: int = Field(default=100_000_000, ge=0)
    strangers_bytes_in_all: int = Field(default=500_000_000, ge=0)


class Queue(Section):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    addresses: tuple[str, ...] = ()
    slack_channel: str = ""
    request_channels: tuple[str, ...] = ()
    notify: tuple[Literal["slack", "email"], ...] | None = None
    default_visibility: Literal["public", "note"] = "public"
    first_response_target: Duration = timedelta(hours=4)
    next_response_target: Duration | None = None
    resolution_target: Duration = timedelta(days=3)
    targets: dict[
        Literal["low", "normal", "high", "urgent"],
        dict[Literal["first_response", "next_response", "resolution"], Duration],
    ] = Field(default_factory=dict)
    escalate_to: tuple[str, ...] = ()
    public: bool = True
    business_hours: str = ""
    timezone: str = ""
    holidays: str = ""
    extra_holidays: tuple[str, ...] = ()
    unassigned_after: Duration = timedelta(hours=8)
    unassigned_at: str = "0 9 * * mon-fri"
    remind_after: Duration = timedelta(days=3)
    close_pending_after: Duration = timedelta(days=4)
    close_resolved_after: Duration = timedelta(days=7)
    reopen_within: Duration = timedelta(days=14)
    after_staff_reply: Literal["open", "pending"] = "open"
    language: str = Field(default="", pattern=r"^([a-z]{2,3})?$")

    @model_validator(mode="after")
    def _addresses(self) -> Queue:
        for address in self.addresses:
            local, at, domain = address.rpartition("@")
            if not (local and at and domain) or any(c.isspace() or ord(c) < 32 for c in address):
                raise ValueError(f"queue {self.name}: '{address}' is no mail address")
        if self.timezone:
            check_zone(self.timezone)
        hours.check_queue(self)
        check_cron(self.unassigned_at)
        return self


class Staff(Section):
    username: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")
    email: str
    name: str = ""
    slack_user: str = ""
    role: Literal["agent", "manager"] = "agent"


class Config(Section):
    """The whole configuration, checked. Frozen."""

    service: Service = Service()
    database: DatabaseConfig = DatabaseConfig()
    email: Email = Email()
    slack: Slack = Slack()
    http: Http = Http()
    worker: Worker = Worker()
    courier: Courier = Courier()
    brakes: Brakes = Brakes()
    scheduler: SchedulerConfig = SchedulerConfig()
    notices: Notices = Notices()
    retention: Retention = Retention()
    queue: tuple[Queue, ...] = (Queue(name="support", addresses=("support@example.com",)),)
    staff: tuple[Staff, ...] = ()
    digest: tuple[Digest, ...] = ()
    canned: tuple[Canned, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Config:
        for what, given in (
            ("queue", [q.name for q in self.queue]),
            ("staff username", [s.username for s in self.staff]),
            ("digest", [d.name for d in self.digest]),
            ("canned answer", [c.name for c in self.canned]),
            ("request channel", [c for q in self.queue for c in q.request_channels]),
            ("queue address", [a.lower() for q in self.queue for a in q.addresses]),
        ):
            twice = {n for n in given if given.count(n) > 1}
            if twice:
                raise ValueError(f"{what} '{sorted(twice)[0]}' is named twice")
        if any(s.username == "operator" for s in self.staff):
            raise ValueError("staff username 'operator' is the system's own user; choose another")
        if not self.queue:
            raise ValueError("at least one [[queue]] is needed")
        known = {q.name for q in self.queue}
        serving = [(f"digest {d.name}", d.queues) for d in self.digest]
        serving += [(f"canned answer {c.name}", c.queues) for c in self.canned]
        for kind, queues in serving:
            for name in queues:
                if name not in known:
                    raise ValueError(f"{kind}: there is no queue '{name}'")
        for digest in self.digest:
            report_texts.check_language(digest.name, digest.language, self.service.texts)
        triage = {q.slack_channel for q in self.queue if q.slack_channel}
        for queue in self.queue:
            for channel in queue.request_channels:
                if channel in triage:
                    raise ValueError(f"queue {queue.name}: {channel} is a triage channel, where staff write")
        delimiter = self.email.inbound.delimiter
        for queue in self.queue:
            for address in queue.addresses:
                if delimiter in "+=" and delimiter in address.rpartition("@")[0]:
                    raise ValueError(
                        f"queue {queue.name}: '{address}': '{delimiter}' parts reply addresses, leave it out"
                    )
        for box in self.email.imap:
            if box.queue not in known:
                raise ValueError(f"email.imap {box.username}: there is no queue '{box.queue}'")
        if not self.service.secret_key and not self.database.sqlite:
            raise ValueError(
                "service.secret_key is needed with a database that several machines may share; "
                'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        return self

    def queue_named(self, name: str) -> Queue | None:
        """Return the queue, or None."""
        return next((q for q in self.queue if q.name == name), None)

    def queue_of(self, address: str) -> Queue | None:
        """Return the queue that the (plain) mail address belongs to, or None."""
        wanted = address.lower()
        return next((q for q in self.queue if any(a.lower() == wanted for a in q.addresses)), None)

    def notify(self, queue: Queue) -> tuple[str, ...]:
        """Whom new tickets and replies are told: Slack where it is on, else the agents by mail."""
        if queue.notify is not None:
            return tuple(
                n for n in queue.notify if n != "slack" or (self.slack.enabled and queue.slack_channel)
            )
        return ("slack",) if self.slack.enabled and queue.slack_channel else ("email",)


def load(path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None) -> Config:
    """Read the configuration file and the environment. Raises `ConfigError`.

    Without `path`: `$RELAYDESK_CONFIG`, then `config.toml` where it exists, then the defaults.
    """
    environ = os.environ if environ is None else environ
    chosen = str(path or environ.get("RELAYDESK_CONFIG") or "")
    data: dict[str, Any] = {}
    file = Path(chosen or "config.toml")
    if chosen or file.exists():
        try:
            data = tomllib.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{file}: no such file; copy config.example.toml to start") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
            raise ConfigError(f"{file}: {exc}") from None
        data = beside(data, file)
    return parse(data, environ=environ, source=str(file) if data else "environment")


def beside(data: dict[str, Any], file: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a configuration file's data with its relative paths beside it (see `core.config_places`)."""
    folder = Path(file).absolute().parent
    return data if folder == Path.cwd() else config_places.beside(Config, data, folder)


def parse(
    data: Mapping[str, Any], *, environ: Mapping[str, str] | None = None, source: str = "config"
) -> Config:
    """Check configuration data and what the environment sets over it (default: the process's). Raises `ConfigError`
    with one line: the first problem, and whose it is."""
    try:
        given = variables(Config, os.environ if environ is None else environ)
    except ValueError as exc:
        raise ConfigError(f"environment: {exc}") from None
    try:
        return Config.model_validate(over(data, given))
    except ValidationError as exc:
        raise ConfigError(_told(_first(exc), data, given, source)) from None


def _first(exc: ValidationError) -> Any:
    return exc.errors(include_url=False, include_context=False)[0]


def _told(error: Any, data: Mapping[str, Any], given: Sequence[Variable], source: str) -> str:
    """Say what is wrong; a variable without which it weren't is to blame, not the file."""
    guilty = [
        one for one in given if _error_of(over(data, [v for v in given if v is not one])) != _same(error)
    ]
    if not guilty and given and _error_of(data) != _same(error):
        guilty = list(given)
    if guilty:
        source = f"environment: {', '.join(one.name for one in guilty)}"
    return f"{source}: {_one_line(error)}"


def _error_of(data: Mapping[str, Any]) -> Any:
    try:
        Config.model_validate(data)
    except ValidationError as exc:
        return _same(_first(exc))
    return None


def _same(error: Any) -> Any:
    """What tells one mistake from another."""
    return error["loc"], error["msg"]


def _one_line(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown key '{where}'{nearest(Config, error['loc'])}"
    if (brackets := _brackets(error)) is not None:
        return f"{where}: write {brackets}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _brackets(error: Any) -> str | None:
    """How a table is to be begun where one was taken for several, or several for one."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "tuple_type" and isinstance(error["input"], Mapping):
        kind = model_at(Config, error["loc"][:-1]).model_fields[error["loc"][-1]].annotation
        if inner_model(kind) is not None:
            return f"[[{where}]] in two pairs of brackets: there may be several"
    if error["type"] == "model_type" and isinstance(error["input"], list | tuple):
        return f"[{where}] in one pair of brackets: there is only one"
    return None


def secret_keys(config: Config) -> tuple[str, ...]:
    """Return the signing keys, the one that signs first.

    Empty in the configuration (SQLite only): made once and kept in the data folder, readable by its owner alone.
    """
    if config.service.secret_key:
        return (config.service.secret_key, *config.service.previous_secret_keys)
    path = config.service.data_dir / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
    return (path.read_text("utf-8").strip(), *config.service.previous_secret_keys)
