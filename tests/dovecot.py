"""A Dovecot of our own: started on free ports of loopback in a folder of its own, gone with the test run.

Nothing of the machine's is used but the programs. Users need no making: any name with the password `PASSWORD` gets a
mailbox. A keeper process holds the server and kills it when the test run has gone, in whatever way that happened.
"""

from __future__ import annotations

import grp
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imapclient import IMAPClient

from tests.mail.server_house import certificate_in
from tests.mariadb import Missing, Run, program
from tests.waiting import free_port, port_answers, until_true

PASSWORD = 'pass"wörd'
# Kills the server with all that it has started when the other end of the FIFO closes.
KEEPER = """
alive=$1; shift
"$@" & server=$!
( read -r _ <"$alive"; kill -TERM "$server"; sleep 1; kill -9 "$server" ) 2>/dev/null & watcher=$!
wait "$server"; code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"""


@dataclass
class Dovecot:
    """One server: `start`, `stop` (clean), `kill` (as a crash), and `start` again on the same mails and ports.

    `extra`: lines of its configuration. `introspection`: the address that says of an OAuth 2 token whose it is.
    """

    folder: Path
    alive: Path
    extra: str = ""
    introspection: str = ""
    port: int = 0
    tls_port: int = 0
    certificate: Path = field(default_factory=Path)
    _keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it accepts connections."""
        if not self.port:
            self.port, self.tls_port = free_port(), free_port()
            self._prepare()
        log = (self.folder / "stderr").open("ab")
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "keeper", self.alive, program("dovecot"), "-F", "-c", self._file],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        until_true(self._ready, timeout=15, what="Dovecot accepts connections")

    def _ready(self) -> bool:
        if self._keeper is None or self._keeper.poll() is not None:
            raise RuntimeError(f"Dovecot did not start:\n{self.log()[-3000:]}")
        return port_answers(self.port) and port_answers(self.tls_port)

    @property
    def _file(self) -> Path:
        return self.folder / "dovecot.conf"

    def _prepare(self) -> None:
        self.certificate, key = certificate_in(self.folder)
        mails = self.folder / "mails"
        mails.mkdir(mode=0o777)
        mails.chmod(0o777)
        oauth = self.folder / "oauth2.conf"
        oauth.write_text(
            f"introspection_url = {self.introspection}\nintrospection_mode = post\n"
            "username_attribute = username\nactive_attribute = active\nactive_value = true\n"
        )
        root = os.geteuid() == 0
        owner = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.geteuid())
        group = grp.getgrgid(owner.pw_gid).gr_name
        ours = "" if root else _UNPRIVILEGED.format(user=owner.pw_name, group=group)
        oauth_db = f"passdb {{\n driver = oauth2\n mechanisms = xoauth2 oauthbearer\n args = {oauth}\n}}\n"
        self._file.write_text(
            _CONFIGURATION.format(
                folder=self.folder,
                certificate=self.certificate,
                key=key,
                port=self.port,
                tls_port=self.tls_port,
                user=owner.pw_name,
                group=group,
                password=PASSWORD,
                oauth=oauth_db if self.introspection else "",
                mechanisms="xoauth2 oauthbearer" if self.introspection else "",
                extra=self.extra,
                ours=ours,
            )
        )

    def log(self) -> str:
        """Return the server's own log."""
        told = ""
        for name in ("stderr", "dovecot.log"):
            with suppress(FileNotFoundError):
                told += (self.folder / name).read_text("utf-8", "replace")
        return told

    def stop(self) -> None:
        """Shut down in good order: clients are told BYE."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        with suppress(FileNotFoundError):
            master = self._master()
            for pid in (master, *_children(master)):  # who serves a client that idles would take ten seconds
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        keeper.wait(15)

    def kill(self) -> None:
        """Kill everything of it, as a crash does."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        master = self._master()
        for pid in (master, *_children(master)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        keeper.wait(10)  # it reaps the master; else a new one believes that the old one lives
        until_true(lambda: not port_answers(self.port), what="the port is free")

    def _master(self) -> int:
        return int((self.folder / "run" / "master.pid").read_text())

    # -- its mailboxes, seen by a client beside the program's own --

    @contextmanager
    def client(self, user: str, mailbox: str | None = "INBOX") -> Iterator[Any]:
        """A client that is logged in, with the mailbox open."""
        client = IMAPClient("127.0.0.1", self.port, ssl=False, timeout=10)
        try:
            client.sasl_login("PLAIN", lambda _: f"\0{user}\0{PASSWORD}")
            if mailbox is not None:
                client.select_folder(mailbox)
            yield client
        finally:
            with suppress(Exception):
                client.logout()

    def put(self, user: str, *mails: bytes, flags: tuple[bytes, ...] = (), mailbox: str = "INBOX") -> None:
        """Put mails into a mailbox."""
        with self.client(user, None) as client:
            if len(mails) > 50:
                client.multiappend(mailbox, [{"msg": mail, "flags": flags} for mail in mails])
                return
            for mail in mails:
                client.append(mailbox, mail, flags)

    def flags(self, user: str, mailbox: str = "INBOX") -> dict[int, set[bytes]]:
        """Return the flags of every mail, by UID."""
        with self.client(user, mailbox) as client:
            return {
                uid: set(flags) - {b"\\Recent"} for uid, flags in client.get_flags(client.search()).items()
            }


def _children(parent: int) -> list[int]:
    """What a process has started and what still lives of it (Linux; elsewhere they end by themselves)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def new_user() -> str:
    """Return the name of somebody whose mailbox nobody has used."""
    return f"box{secrets.token_hex(4)}@example.com"


def make(run: Run, *, extra: str = "", introspection: str = "") -> Dovecot:
    """Return a server that isn't started. Raises `Missing`."""
    program("dovecot")
    if not Path("/usr/lib/dovecot/imap").exists() and not shutil.which("imap"):
        raise Missing("dovecot-imapd isn't installed; scripts/test-needs installs it or says what to install")
    folder = run.folder / f"dovecot-{secrets.token_hex(4)}"
    folder.mkdir()
    folder.chmod(0o755)
    return Dovecot(folder, run.alive, extra, introspection)


_CONFIGURATION = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login {mechanisms}
auth_failure_delay = 0
mail_location = maildir:{folder}/mails/%u
mail_max_userip_connections = 50
mailbox_list_index = no
first_valid_uid = 1
first_valid_gid = 0
{oauth}
passdb {{
  driver = static
  args = password={password}
  mechanisms = plain login
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mails/%u/home allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{ours}
{extra}
"""

_UNPRIVILEGED = """
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service imap-login {{
  chroot =
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""
