"""The configuration of the mail door: what is taken, fetched and sent, and through whom."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

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


# One part of a name in the DNS; a selector may have an underscore too (RFC 6376, 3.1).
_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")


def _named(host: str) -> str:
    if not host or any(c.isspace() or not c.isprintable() for c in host):
        raise ValueError("name a host" if not host.strip() else "a host has no spaces in it")
    return host


Host = Annotated[str, AfterValidator(_named)]


class EmailInbound(Section):
    places: ClassVar[frozenset[str]] = frozenset({"host", "tls_certificate", "tls_key"})

    enabled: bool = True
    host: Host = "127.0.0.1"
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

    @model_validator(mode="after")
    def _certificate(self) -> EmailInbound:
        if bool(self.tls_certificate) != bool(self.tls_key):
            missing = "tls_key" if self.tls_certificate else "tls_certificate"
            raise ValueError(
                f"{missing} is missing; tls_certificate and tls_key go together (one file may be both)"
            )
        return self


class Server(Section):
    """How to reach a mail server and log in there: by password, or by OAuth 2 with a refresh token."""

    places: ClassVar[frozenset[str]] = frozenset({"tls_ca_file"})

    host: Host = "127.0.0.1"
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
        if self.password and not self.username:
            raise ValueError("there is a password, but no username")
        if not self.oauth2_token_url:
            if self.oauth2_client_id or self.oauth2_client_secret or self.oauth2_refresh_token:
                raise ValueError("oauth2_token_url is missing")
            return self
        _check_token_url(self.oauth2_token_url)
        if not (self.username and self.oauth2_client_id and self.oauth2_refresh_token):
            raise ValueError("OAuth 2 needs username, oauth2_client_id and oauth2_refresh_token")
        if self.password:
            raise ValueError("give a password or the oauth2_… keys, not both")
        return self


def _check_token_url(text: str) -> None:
    try:
        url = urlsplit(text)
        scheme, host, _ = url.scheme, url.hostname, url.port
    except ValueError:
        scheme, host = "", None
    if not host or not all(c.isprintable() and not c.isspace() for c in text):
        raise ValueError("oauth2_token_url is no web address, like https://login.example.com/token")
    if scheme != "https" and not (scheme == "http" and _loopback(host)):
        raise ValueError("oauth2_token_url must be https (http on loopback only)")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class EmailOutbound(Server):
    places: ClassVar[frozenset[str]] = frozenset({"tls_ca_file", "templates"})

    fallback: tuple[Server, ...] = ()
    timeout: Positive = timedelta(seconds=15)
    answer_timeout: Positive = timedelta(minutes=5)
    connections: int = Field(default=4, ge=1, le=50)
    acknowledge: Literal["all", "known", "authenticated", "none"] = "all"
    attachment_bytes: int = Field(default=15_728_640, ge=0)
    link_expires: Positive = timedelta(days=14)
    ask_rating: bool = True
    templates: str = ""
    dkim_domain: str = ""
    dkim_selector: str = ""
    dkim_key: str = Field(default="", repr=False)

    @model_validator(mode="after")
    def _dkim(self) -> EmailOutbound:
        given = (self.dkim_domain, self.dkim_selector, self.dkim_key)
        if any(given) and not all(given):
            raise ValueError("dkim_domain, dkim_selector and dkim_key (or dkim_key_file) go together")
        if self.dkim_domain and not all(map(_LABEL.fullmatch, self.dkim_domain.split("."))):
            raise ValueError(f"dkim_domain: '{self.dkim_domain}' is no domain, like example.com")
        selector = self.dkim_selector.replace("_", "x").split(".")
        if self.dkim_selector and not (self.dkim_selector.isascii() and all(map(_LABEL.fullmatch, selector))):
            raise ValueError(f"dkim_selector: '{self.dkim_selector}' is no name, like desk2026")
        return self


class Imap(Server):
    """A mailbox to fetch from."""

    queue: str
    host: Host
    port: int = Field(default=993, ge=1, le=65535)
    tls: Literal["none", "starttls", "tls"] = "tls"
    username: str = Field(min_length=1)
    mailbox: str = "INBOX"
    after: str = "seen"
    poll: Positive = timedelta(seconds=60)
    timeout: Positive = timedelta(seconds=30)

    @model_validator(mode="after")
    def _login_is_needed(self) -> Imap:
        if not (self.password or self.oauth2_token_url):
            raise ValueError("password (or password_file, or the oauth2_… keys) is missing")
        return self

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

    @model_validator(mode="after")
    def _each_mailbox_once(self) -> Email:
        """Two of one mailbox would share its lease: the second would stand by for ever."""
        seen: set[tuple[object, ...]] = set()
        for box in self.imap:
            mailbox = "INBOX" if box.mailbox.upper() == "INBOX" else box.mailbox  # RFC 9051, 5.1
            one = (box.host.lower(), box.port, box.username, mailbox)
            if one in seen:
                raise ValueError(
                    f"[[email.imap]] has {box.username} at {box.host}:{box.port}, {box.mailbox} twice; "
                    "a mailbox is fetched for one queue"
                )
            seen.add(one)
        return self
