"""The configuration of the mail door: what is taken, fetched and sent, and through whom."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from core.config_section import Section
from core.durations import Duration, Positive

# Fields in which the usual filters leave their verdict: SpamAssassin, rspamd, Amazon SES, Exchange.
SPAM_FIELDS = (
    "x-spam-flag",
    "x-spam-status",
    "x-spam",
    "x-rspamd-action",
    "x-ses-spam-verdict",
    "x-ses-virus-verdict",
    "x-ms-exchange-organization-scl",
    "x-spam-level",
)


class EmailInbound(Section):
    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8025, ge=0, le=65535)
    protocol: Literal["smtp", "lmtp"] = "smtp"
    socket_mode: str = "0660"
    max_message_bytes: int = Field(default=26_214_400, ge=1024)
    tls_certificate: str = ""
    tls_key: str = ""
    trusted_authserv_ids: tuple[str, ...] = ()
    trusted_relays: tuple[str, ...] = ()
    command_timeout: Positive = timedelta(minutes=5)
    max_connections: int = Field(default=100, ge=1)
    max_connections_per_source: int = Field(default=10, ge=1)
    max_recipients: int = Field(default=100, ge=1)
    delimiter: Literal["+", "-", "=", "_", "~"] = "+"
    memory_bytes: int = Field(default=67_108_864, ge=1_048_576)
    disk_left_bytes: int = Field(default=524_288_000, ge=0)
    backlog_age: Duration = timedelta(hours=12)
    spam_fields: tuple[str, ...] = SPAM_FIELDS
    spam_level: int = Field(default=5, ge=1)


class Server(Section):
    """How to reach a mail server and log in there: by password, or by OAuth 2 with a refresh token."""

    host: str = "127.0.0.1"
    port: int = Field(default=25, ge=1, le=65535)
    username: str = ""
    password: str = Field(default="", repr=False)
    tls: Literal["none", "starttls", "tls"] = "starttls"
    tls_ca_file: str = ""
    oauth2_token_url: str = ""
    oauth2_client_id: str = ""
    oauth2_client_secret: str = Field(default="", repr=False)
    oauth2_refresh_token: str = Field(default="", repr=False)
    oauth2_scope: str = ""

    @model_validator(mode="after")
    def _login(self) -> Server:
        if not self.oauth2_token_url:
            if self.oauth2_client_id or self.oauth2_client_secret or self.oauth2_refresh_token:
                raise ValueError("oauth2_token_url is missing")
            return self
        url = urlsplit(self.oauth2_token_url)
        if url.scheme != "https" and not (url.scheme == "http" and _loopback(url.hostname or "")):
            raise ValueError("oauth2_token_url must be https (http on loopback only)")
        if not (self.username and self.oauth2_client_id and self.oauth2_refresh_token):
            raise ValueError("OAuth 2 needs username, oauth2_client_id and oauth2_refresh_token")
        if self.password:
            raise ValueError("give a password or the oauth2_… keys, not both")
        return self


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class EmailOutbound(Server):
    fallback: tuple[Server, ...] = ()
    timeout: Positive = timedelta(seconds=15)
    answer_timeout: Positive = timedelta(minutes=5)
    connections: int = Field(default=4, ge=1, le=50)
    acknowledge: Literal["all", "known", "authenticated", "none"] = "all"
    attachment_bytes: int = Field(default=15_728_640, ge=0)
    link_expires: Positive = timedelta(days=14)
    templates: str = ""
    dkim_domain: str = ""
    dkim_selector: str = ""
    dkim_key: str = Field(default="", repr=False)

    @model_validator(mode="after")
    def _dkim(self) -> EmailOutbound:
        given = (self.dkim_domain, self.dkim_selector, self.dkim_key)
        if any(given) and not all(given):
            raise ValueError("dkim_domain, dkim_selector and dkim_key (or dkim_key_file) go together")
        return self


class Imap(Server):
    """A mailbox to fetch from."""

    queue: str
    host: str
    port: int = Field(default=993, ge=1, le=65535)
    tls: Literal["none", "starttls", "tls"] = "tls"
    username: str = Field(min_length=1)
    mailbox: str = "INBOX"
    after: str = "seen"
    poll: Positive = timedelta(seconds=60)
    timeout: Positive = timedelta(seconds=30)

    @model_validator(mode="after")
    def _after(self) -> Imap:
        if self.after not in ("seen", "delete") and not re.fullmatch(r"move:[^\x00-\x1f]{1,200}", self.after):
            raise ValueError(f"after is 'seen', 'delete' or 'move:FOLDER', not '{self.after}'")
        if self.after == f"move:{self.mailbox}":
            raise ValueError(f"after = '{self.after}' moves to the mailbox that is fetched from")
        return self


class Email(Section):
    inbound: EmailInbound = EmailInbound()
    outbound: EmailOutbound = EmailOutbound()
    imap: tuple[Imap, ...] = ()
