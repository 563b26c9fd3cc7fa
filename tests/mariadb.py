"""A MariaDB of our own: started on a free port of loopback in a folder of its own, gone with the test run.

Nothing of the machine's is used but the programs: no service, no configuration file, no data directory. A keeper
process holds the server and kills it when the test run has gone, in whatever way that happened.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pymysql
import pymysql.cursors

from tests.waiting import free_port, port_answers, until_true

USER = "relaydesk"
PREFIX = "relaydesk-tests-"
# Names the run's folder to the workers of pytest-xdist.
RUN_VARIABLE = "RD_TEST_RUN"

# Starts the server, and kills it when the other end of the FIFO closes: the kernel does that for a dead test run.
KEEPER = """
alive=$1; shift
"$@" & server=$!
( read -r _ <"$alive"; kill -9 "$server" ) 2>/dev/null & watcher=$!
wait "$server"; code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"""


class Missing(Exception):
    """MariaDB isn't installed on this machine."""


def program(*names: str) -> str:
    """Return the path of the first program found, also in the folders that only root has on PATH."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"))
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise Missing(f"{names[0]} isn't installed; scripts/test-needs installs it or says what to install")


@dataclass
class MariaDbServer:
    """One server: `start`, `stop` (clean), `kill` (as a crash), and `start` again on the same data and port."""

    folder: Path
    alive: Path
    port: int = 0
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)
    options: tuple[str, ...] = ()
    _keeper: subprocess.Popen[bytes] | None = None
    _pid: int = 0

    def url(self, database: str) -> str:
        """Return the address of a database as `database.url` wants it."""
        return f"mysql+aiomysql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str | None = None, **more: Any) -> pymysql.Connection[Any]:
        """Open a plain connection beside the program's own, with autocommit and rows as dictionaries."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            database=database,
            charset="utf8mb4",
            connect_timeout=5,
            ssl_disabled=True,  # else each connection reads the system's certificates: 25 ms
            **{"autocommit": True, "cursorclass": pymysql.cursors.DictCursor, **more},
        )

    @property
    def running(self) -> bool:
        """Say whether the process lives (it may not accept connections yet)."""
        return self._keeper is not None and self._keeper.poll() is None

    def start(self) -> None:
        """Start, on a fresh data folder the first time, and return when it accepts connections."""
        if self.running:
            return
        if not (self.folder / "data" / "mysql").exists():
            _install(self.folder)
        for attempt in range(5):
            self.port = self.port or free_port()
            try:
                self._start_once()
            except RuntimeError:
                if attempt == 4 or not port_answers(self.port):
                    raise
                self.port = 0  # somebody took the port in between
            else:
                return

    def _start_once(self) -> None:
        setup = self.folder / "setup.sql"
        setup.write_text(
            f"CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        _give_to_server(setup)
        pid_file = self.folder / "server.pid"
        pid_file.unlink(missing_ok=True)
        command = [
            program("mariadbd", "mysqld"),
            "--no-defaults",
            *_as_user(),
            f"--datadir={self.folder / 'data'}",
            f"--tmpdir={self.folder}",
            f"--socket={self.folder / 'sock'}",
            f"--pid-file={pid_file}",
            f"--log-error={self.folder / 'server.log'}",
            f"--init-file={setup}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--character-set-server=utf8mb4",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=32M",
            # A commit outlives our SIGKILL so, though not the machine's end; no test ends that.
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-doublewrite=OFF",
            "--max-connections=300",
            *self.options,
        ]
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "keeper", str(self.alive), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until_true(self._ready, timeout=30, every=0.03, what="MariaDB accepts connections")
        self._pid = int(pid_file.read_text())

    def _ready(self) -> bool:
        if not self.running:
            raise RuntimeError(f"MariaDB did not start:\n{self.log()[-2000:]}")
        try:
            self.connect().close()
        except pymysql.Error:
            return False
        return True

    def log(self) -> str:
        """Return the server's own log."""
        path = self.folder / "server.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def kill(self) -> None:
        """Kill the server as a crash does; `start` brings it back with what it had committed."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Shut the server down in good order."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let the server hang: connections stay open, nothing is answered until `thaw`."""
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        os.kill(self._pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._keeper is None:
            return
        if self.running:
            os.kill(self._pid, how)
        self._keeper.wait(30)
        self._keeper = None


class Run:
    """One test run's folder: it holds the shared server, and each private one; workers find it by environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.alive = folder / "alive"
        self._hold = -1

    @classmethod
    def begin(cls) -> Run:
        """Make the folder and hold the FIFO that keeps servers alive; done by the process that starts the run."""
        _sweep()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        folder.chmod(0o755)  # the server runs as another user where we are root
        run = cls(folder)
        os.mkfifo(run.alive)
        run._hold = os.open(run.alive, os.O_RDWR)
        os.environ[RUN_VARIABLE] = str(folder)
        return run

    @classmethod
    def joined(cls) -> Run:
        """Return the run that the environment names."""
        return cls(Path(os.environ[RUN_VARIABLE]))

    def end(self) -> None:
        """Kill what runs and remove the folder."""
        os.close(self._hold)
        for pid_file in self.folder.glob("*/server.pid"):
            pid = int(pid_file.read_text() or 0)
            until_true(partial(_gone, pid), timeout=10, what="the keeper ends its server")
        self.remove()
        os.environ.pop(RUN_VARIABLE, None)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock, against its other processes."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def shared_server(self) -> MariaDbServer:
        """Return the run's one server, started by whoever asks first. Raises `Missing`."""
        note = self.folder / "shared.json"
        with self.locked():
            if not note.exists():
                server = self.private_server("shared")
                server.start()
                note.write_text(json.dumps({"port": server.port, "password": server.password}))
            known = json.loads(note.read_text())
        return MariaDbServer(self.folder / "shared", self.alive, known["port"], known["password"])

    def private_server(self, name: str = "", *options: str) -> MariaDbServer:
        """Return a further server, not started yet, for a test that means to hurt it. Raises `Missing`."""
        program("mariadbd", "mysqld")
        folder = self.folder / (name or f"private-{secrets.token_hex(4)}")
        folder.mkdir()
        _give_to_server(folder)
        return MariaDbServer(folder, self.alive, options=options)


def _sweep() -> None:
    """Remove what runs that were killed have left: folders of ours whose FIFO nobody holds any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            about = folder.stat()
            if about.st_uid != os.geteuid() or time.time() - about.st_mtime < 60:
                continue
            try:
                os.close(os.open(folder / "alive", os.O_WRONLY | os.O_NONBLOCK))
            except OSError as exc:
                if exc.errno in (errno.ENXIO, errno.ENOENT):
                    shutil.rmtree(folder, ignore_errors=True)


def _install(folder: Path) -> None:
    done = subprocess.run(
        [
            program("mariadb-install-db", "mysql_install_db"),
            "--no-defaults",
            *_as_user(),
            f"--datadir={folder / 'data'}",
            "--skip-test-db",
            "--skip-name-resolve",
            "--innodb-log-file-size=32M",
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise RuntimeError(f"mariadb-install-db failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _as_user() -> tuple[str, ...]:
    """The server refuses to run as root: then it gets the user that its package made."""
    return (f"--user={_server_user()}",) if os.geteuid() == 0 else ()


def _server_user() -> str:
    try:
        return pwd.getpwnam("mysql").pw_name
    except KeyError:
        return "root"


def _give_to_server(path: Path) -> None:
    path.chmod(0o700 if path.is_dir() else 0o600)
    if os.geteuid() == 0:
        shutil.chown(path, _server_user())


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
