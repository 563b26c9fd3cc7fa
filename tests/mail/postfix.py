"""A Postfix of the tests' own: configuration, queue and port in a temporary folder, nothing of the machine's touched.

It needs root, as every Postfix does. `tests.mail.test_postfix` says what it's for.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import smtplib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.waiting import free_port, wait_for_port

ROOT: Final = Path(__file__).parents[2]
_LONGEST_SECONDS: Final = 120  # then it ends by itself, whatever became of us
_MAIN: Final = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.example.com
mydestination =
relay_domains = example.com
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
recipient_delimiter = +
minimal_backoff_time = 1s
queue_run_delay = 1s
"""
_MASTER: Final = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 1 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
lmtp      unix - - n - - lmtp
anvil     unix - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""


def missing() -> str:
    """Return why no Postfix can be started here, '' where one can."""
    if shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        return "no postfix on this machine (scripts/test-needs installs it)"
    if os.getuid() != 0:
        return "Postfix starts for root alone"
    try:
        pwd.getpwnam("postfix"), grp.getgrnam("postdrop")
    except KeyError:
        return "no accounts of Postfix's"
    return ""


def stranger_python() -> str:
    """Return a Python of our version that another account may run, '' where there is none."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        tried = [
            "runuser",
            "-u",
            "nobody",
            "--",
            *_with_our_modules(python),
            "-P",
            "-c",
            "import app, pydantic",
        ]
        with suppress(OSError):
            if subprocess.run(tried, capture_output=True, cwd="/").returncode == 0:
                return python
    return ""


def _with_our_modules(python: str) -> list[str]:
    paths = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    return ["env", f"PYTHONPATH={os.pathsep.join(paths)}", "PYTHONDONTWRITEBYTECODE=1", python]


def relaydesk_script(folder: Path) -> Path:
    """Write a `relaydesk` that the account nobody may run."""
    script = folder / "relaydesk"
    words = " ".join(_with_our_modules(stranger_python()))
    script.write_text(f"#!/bin/sh\nexec {words} -P -c 'import app; app.main()' \"$@\"\n")
    script.chmod(0o755)
    return script


@dataclass(frozen=True)
class Postfix:
    """One that runs."""

    port: int
    folder: Path

    def send(self, raw: bytes, to: str, sender: str = "zoe@example.net") -> None:
        """Give it a mail, 8-bit as it is."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=10) as client:
            client.sendmail(sender, [to], raw, mail_options=["BODY=8BITMIME"])

    def log(self) -> str:
        """What it logged."""
        with suppress(FileNotFoundError):
            return (self.folder / "log").read_text("utf-8", "replace")
        return ""


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A temporary folder that Postfix's accounts may enter."""
    with tempfile.TemporaryDirectory(prefix="relaydesk-postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def postfix(folder: Path, main: str, master: str = "") -> Iterator[Postfix]:
    """Run one with these further lines of main.cf and master.cf, those that the documentation recommends."""
    port = free_port()
    (folder / "main.cf").write_text(_MAIN.format(folder=folder) + main)
    (folder / "master.cf").write_text(_MASTER.format(port=port) + master)
    for name in ("queue", "data"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    run = ["postfix", "-c", str(folder)]
    subprocess.run([*run, "check"], check=True, capture_output=True, timeout=30)
    daemons = subprocess.run(
        ["postconf", "-c", str(folder), "-h", "daemon_directory"], check=True, capture_output=True, text=True
    ).stdout.strip()
    process = subprocess.Popen(
        [f"{daemons}/master", "-c", str(folder), "-d", "-e", str(_LONGEST_SECONDS)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield Postfix(port, folder)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
