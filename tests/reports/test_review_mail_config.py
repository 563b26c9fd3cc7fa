"""What an operator's reading of mail's configuration, import and commands found."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

import app
from core.blobs import Blobs
from core.children import Children
from core.config import Config, ConfigError, load, parse
from intake.cli.main import group
from intake.cli.main import run as run_command
from intake.email.channel import EmailChannel
from intake.email.dkim_sign import DkimSigner
from intake.email.explain import explain
from intake.email.import_scratch import scratch_folder
from intake.email.import_sources import Place, Unfit, mail_of, places
from intake.email.importing import import_
from tests.mail.server_house import certificate_in
from tests.mail.written import mail
from tests.stores import Store
from tests.writing import toml

IMAP = {"queue": "support", "host": "imap.example.com", "username": "desk", "password": "x"}
OAUTH = {"username": "desk", "oauth2_client_id": "c", "oauth2_refresh_token": "r"}
DKIM = {"dkim_domain": "example.com", "dkim_selector": "desk", "dkim_key": "k"}


def refused(data: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(data, environ=environ or {}, source="c.toml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- the configuration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("EMAIL__IMAP", "nojson", 'a list is wanted, as JSON, like [{"host": "…", "username": "…", "queue": "…"}]'),
        ("EMAIL__IMAP", '{"host": "x"}', "a list is wanted"),
        ("EMAIL__INBOUND__TRUSTED_RELAYS", "10.0.0.0/8", 'as JSON, like ["one", "another"]'),
        ("EMAIL__INBOUND", "[]", "a table is wanted, as JSON"),
        ("EMAIL__IMAP__0__HOST", "x", "a list can't be set by parts"),
        ("EMAIL__IMAP__HOST", "x", "a list can't be set by parts"),
        ("EMAIL__INBOUND__PORT", "many", "email.inbound.port"),
        ("EMAIL__OUTBOUND__PASSWORD", "s3cret", "no username"),
        ("EMAIL__OUTBOUND__PASSWORD_FILE", "/no/such/file", "password_file: can't read /no/such/file"),
        ("EMAIL__INBOUND", '{"prot": 1}', "did you mean 'email.inbound.port'?"),
    ],
)  # fmt: skip
def test_a_variables_mistake_is_blamed_on_the_variable(name: str, value: str, says: str) -> None:
    """By its name, also where a file is there that is right, or that has another mistake after it."""
    for data in ({}, {"http": {"port": 1}}):
        text = refused(data, {f"RELAYDESK_{name}": value, "RELAYDESK_HTTP__HOST": "0.0.0.0"})
        assert text.startswith(f"environment: RELAYDESK_{name}: ")
        assert says in text
        assert "s3cret" not in text
        assert "RELAYDESK_HTTP__HOST" not in text


def test_a_files_mistake_is_not_blamed_on_a_variable() -> None:
    """Whatever else the environment sets, right beside it."""
    text = refused({"email": {"inbound": {"port": 70000}}}, {"RELAYDESK_EMAIL__INBOUND__PROTOCOL": "lmtp"})
    assert text.startswith("c.toml: email.inbound.port")


def test_lists_and_tables_of_the_environment_go_over_the_file() -> None:
    """A table's other keys stay; a secret of the environment replaces the file's `_file`."""
    environ = {
        "RELAYDESK_EMAIL__INBOUND__TRUSTED_RELAYS": '["10.0.0.0/8"]',
        "RELAYDESK_EMAIL__OUTBOUND": '{"port": 587, "username": "desk"}',
        "relaydesk_email__outbound__password": "x",
        "RELAYDESK_EMAIL__OUTBOUND__PORT": "588",
    }
    file = {"email": {"outbound": {"host": "relay.example.com", "password_file": "/no/such/file"}}}
    config = parse(file, environ=environ)
    outbound = config.email.outbound
    assert config.email.inbound.trusted_relays == ("10.0.0.0/8",)
    assert (outbound.host, outbound.port, outbound.username, outbound.password) == (
        "relay.example.com", 588, "desk", "x",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("email", "says"),
    [
        ({"imap": IMAP}, "email.imap: write [[email.imap]]"),
        ({"outbound": {"fallback": {"host": "x"}}}, "write [[email.outbound.fallback]]"),
        ({"outbound": [{"host": "x"}]}, "write [email.outbound] in one pair"),
        ({"imap": [IMAP, {**IMAP, "queue": "support", "host": "IMAP.example.com", "mailbox": "inbox"}]}, "twice"),
        ({"imap": [{**IMAP, "password": ""}]}, "password (or password_file, or the oauth2_… keys) is missing"),
        ({"imap": [{**IMAP, "host": ""}]}, "email.imap.0.host: name a host"),
        ({"outbound": {"host": ""}}, "email.outbound.host: name a host"),
        ({"outbound": {"password": "x"}}, "no username"),
        ({"inbound": {"tls_key": "x"}}, "tls_certificate is missing"),
        ({"inbound": {"tls_certificate": "x"}}, "tls_key is missing"),
        ({"outbound": {**DKIM, "dkim_selector": "a b;c"}}, "dkim_selector: 'a b;c'"),
        ({"outbound": {**DKIM, "dkim_domain": "exa mple"}}, "dkim_domain: 'exa mple'"),
        ({"outbound": {**OAUTH, "oauth2_token_url": "https://[x"}}, "oauth2_token_url"),
        ({"outbound": {**OAUTH, "oauth2_token_url": "https:///t"}}, "oauth2_token_url is no web address"),
    ],
)  # fmt: skip
def test_what_was_taken_in_silence_says_what_to_mend(email: dict[str, Any], says: str) -> None:
    """One line, the file's name in front."""
    text = refused({"email": email})
    assert text.startswith("c.toml: email")
    assert says in text


def test_names_that_are_right_stay_right() -> None:
    """A selector of several parts, an underscore, a domain that isn't ASCII; two mailboxes of one account."""
    for domain, selector in (
        ("müller.example", "s1"),
        ("example.com", "2026._x.desk"),
        ("a-b.example", "a-b"),
    ):
        parse({"email": {"outbound": {**DKIM, "dkim_domain": domain, "dkim_selector": selector}}}, environ={})
    parse({"email": {"imap": [IMAP, {**IMAP, "mailbox": "Support"}]}}, environ={})


def test_a_secrets_file(tmp_path: Path) -> None:
    """Both ways at once, and what is no text: told with key and file."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xff\xfe\x00")
    given = {"username": "desk", "password_file": str(secret)}
    text = refused({"email": {"outbound": given}})
    assert f"password_file: {secret} is no text" in text
    secret.write_text("x")
    assert "both given" in refused({"email": {"outbound": {**given, "password": "y"}}})
    assert (
        parse({"email": {"outbound": {**given, "password": ""}}}, environ={}).email.outbound.password == "x"
    )


def test_relative_places_are_the_files_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, wherever the command is run."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "secret").write_text("x\n")
    (tmp_path / "etc" / "config.toml").write_text(
        toml(
            {
                "service": {"secret_key": "k"},
                "email": {
                    "inbound": {"host": "unix:run/lmtp", "tls_certificate": "c.pem", "tls_key": "/k.pem"},
                    "outbound": {
                        "templates": "texts",
                        "tls_ca_file": "ca.pem",
                        "username": "desk",
                        "password_file": "secret",
                        "fallback": [{"tls_ca_file": "ca2.pem"}],
                    },
                },
            }
        )
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = load("../etc/config.toml", environ={})
    folder = str(tmp_path / "elsewhere" / ".." / "etc")
    email = config.email
    assert email.inbound.host == f"unix:{folder}/run/lmtp"
    assert (email.inbound.tls_certificate, email.inbound.tls_key) == (f"{folder}/c.pem", "/k.pem")
    assert (email.outbound.templates, email.outbound.tls_ca_file) == (f"{folder}/texts", f"{folder}/ca.pem")
    assert (email.outbound.password, email.outbound.host) == ("x", "127.0.0.1")
    assert email.outbound.fallback[0].tls_ca_file == f"{folder}/ca2.pem"
    assert config.service.data_dir == Path(folder, "var")
    assert config.database.url == f"sqlite+aiosqlite:///{folder}/var/relaydesk.db"


# -- check ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inbound", "says"),
    [
        ({"tls_certificate": "/nope", "tls_key": "/nope"}, "tls_certificate"),
        ({"trusted_relays": ["mx.example.com"]}, "'mx.example.com' is no address"),
        ({"host": "unix:{}/lmtp", "socket_mode": "rw"}, "'rw' is no mode"),
        ({"host": "unix:{}/lmtp", "socket_mode": "77777"}, "'77777' is no mode"),
        ({"host": "unix:{}/none/lmtp"}, "isn't there"),
        ({"host": "unix:{}/file"}, "is no socket"),
        ({"host": "unix:{}/lmtp"}, None),
        ({"enabled": True}, None),
    ],
)
async def test_check_finds_what_the_door_could_not_start_for(
    inbound: dict[str, Any], says: str | None, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    if "host" in inbound:
        inbound = {**inbound, "protocol": "lmtp", "host": inbound["host"].format(tmp_path)}
    email = {"inbound": inbound, "outbound": {"port": 1, "tls": "none", "timeout": "300ms"}}
    config = parse({"service": {"secret_key": "k", "data_dir": str(tmp_path)}, "email": email}, environ={})
    channel = EmailChannel(config, Blobs(tmp_path), Children())
    [found] = [one for one in await channel.probe() if one.part == "mail door"]
    await channel.close()
    assert found.problem is None if says is None else says in str(found.problem)
    assert not (tmp_path / "lmtp").exists()


def test_check_takes_a_certificate_that_is_right(tmp_path: Path) -> None:
    from intake.email.server import cannot_start

    certificate, key = certificate_in(tmp_path)
    inbound = {"tls_certificate": str(certificate), "tls_key": str(key)}
    assert cannot_start(parse({"email": {"inbound": inbound}}, environ={}).email.inbound) == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("genpkey", "-algorithm", "ed25519"), "Ed25519"),
        (("genrsa", "-aes128", "-passout", "pass:word", "2048"), "passphrase"),
        (("genrsa", "-traditional", "-aes128", "-passout", "pass:word", "2048"), "passphrase"),
        (("ecparam", "-name", "prime256v1", "-genkey", "-noout"), "elliptic curve"),
        (("genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), "elliptic curve"),
    ],
)
def test_a_key_that_dkim_cannot_use_is_called_what_it_is(command: tuple[str, ...], says: str) -> None:
    key = subprocess.run(["openssl", *command], check=True, capture_output=True, text=True).stdout
    with pytest.raises(ConfigError, match=says) as caught:
        DkimSigner("example.com", "desk", key)
    assert "openssl " in str(caught.value)


# -- import --------------------------------------------------------------------------------------------------------


def _found(*paths: Path, scratch: Path) -> tuple[list[Place], list[Unfit]]:
    everything = list(places(paths, scratch))
    return [x for x in everything if isinstance(x, Place)], [x for x in everything if isinstance(x, Unfit)]


def _maildir(folder: Path, *names: str) -> Path:
    for box in ("cur", "new", "tmp"):
        (folder / box).mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(mail(message_id=f"<{name}@x.example>"))
    return folder


def test_folders_that_cannot_be_read_are_told_and_the_rest_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder, a Maildir's part, a link: none of them is left out in silence, none ends the run."""
    _maildir(tmp_path / "a" / "shut", "cur/1:2,S", "new/2")
    _maildir(tmp_path / "a" / "zoe", "cur/3:2,S")
    (tmp_path / "a" / "dark").mkdir()
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "zoe")
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith(("/dark", "/shut/cur")):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    mails, unfit = _found(tmp_path / "a", scratch=tmp_path)
    assert sorted(place.path.name for place in mails) == ["2", "3:2,S"]
    told = {str(one.shown.relative_to(tmp_path / "a")): one.reason for one in unfit}
    assert told == {
        "dark": "can't be read: Permission denied",
        "shut/cur": "can't be read: Permission denied",
        "link": "is a link to a folder; name the folder itself to have it too",
    }
    assert not any(one.skipped for one in unfit)  # so the exit status is 1


def test_a_maildir_that_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail that is seen or marked meanwhile is found under its new name, one that is deleted is told."""
    box = _maildir(tmp_path / "box", "new/1.host", "new/2.host", "cur/3.host:2,")
    real = Path.stat
    moves = {"1.host": "cur/1.host:2,S", "2.host": None}

    def stat(path: Path, **more: Any) -> Any:
        if path.name in moves:  # what its owner does between the look into the folder and this one
            to = moves.pop(path.name)
            path.rename(box / to) if to else path.unlink()
        return real(path, **more)

    monkeypatch.setattr(Path, "stat", stat)
    mails, unfit = _found(box, scratch=tmp_path)
    assert {place.path.name for place in mails} == {"1.host:2,S", "3.host:2,"}
    assert [(one.shown.name, one.reason) for one in unfit] == [
        ("2.host", "is gone: it was moved or deleted meanwhile")
    ]
    (place,) = [place for place in mails if place.path.name == "3.host:2,"]
    place.path.rename(box / "cur" / "3.host:2,RS")  # between the first pass and the second
    assert b"3.host" in mail_of(place)


def test_import_says_it_with_its_status(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in" / "more").mkdir(parents=True)
    (tmp_path / "in" / "1.eml").write_bytes(mail())
    (tmp_path / "in" / "link").symlink_to(tmp_path / "in" / "more")
    context = SimpleNamespace(load_config=store.config, open_parts=app.open_parts)
    result = CliRunner().invoke(import_, [str(tmp_path / "in")], obj=context, standalone_mode=False)
    assert result.return_value == 1
    assert f"not read: {tmp_path}/in/link: is a link to a folder" in result.output
    assert store.count("tickets") == 1


def _waiting(folder: Path, temp: Path, hold: str) -> subprocess.Popen[str]:
    """An import that waits: `hold` replaces what it would do after unpacking, or in the midst of it."""
    (folder / "config.toml").write_text(toml({"service": {"data_dir": str(folder / "var")}}))
    (folder / "old.gz").write_bytes(gzip.compress(b"From x Mon May  4 08:00:00 2020\n" + mail()))
    code = f"import sys, time, asyncio, intake.email.import_run as r\n{hold}\nimport app\nsys.argv[0] = 'x'\napp.main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "--config", str(folder / "config.toml"), "import", str(folder / "old.gz")],
        env={**os.environ, "TMPDIR": str(temp)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


IN_LISTING = "r.Order.arrange = lambda self: (print('here', flush=True), time.sleep(60))"
IN_READING = "r._Run.all = lambda *a: asyncio.sleep(60, print('here', flush=True))"


@pytest.mark.parametrize("hold", [IN_LISTING, IN_READING])
def test_sigterm_leaves_no_unpacked_archive(hold: str, tmp_path: Path) -> None:
    """While it looks for mails, and while it takes them in: at once, and it says how to go on."""
    temp = tmp_path / "temp"
    temp.mkdir()
    with _waiting(tmp_path, temp, hold) as process:
        assert process.stdout
        assert process.stdout.readline() == "here\n"
        assert [one.name.startswith("relaydesk-import-") for one in temp.iterdir()] == [True]
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, list(temp.iterdir())) == (143, [])
    assert err == "relaydesk import: told to stop; run it again, it goes on from here\n"


def test_what_a_kill_left_goes_with_the_next_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But no living import's folder, nor one that was made just now."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead, young = tmp_path / "relaydesk-import-dead", tmp_path / "relaydesk-import-young"
    dead.mkdir()
    (dead / "unpacked").write_bytes(b"x")
    young.mkdir()
    an_hour_ago = time.time() - 3600
    os.utime(dead, (an_hour_ago, an_hour_ago))
    with scratch_folder() as living:
        os.utime(living, (an_hour_ago, an_hour_ago))
        assert not dead.exists()
        with scratch_folder():
            assert living.exists()
            assert young.exists()
    assert list(tmp_path.iterdir()) == [young]


# -- explain, deliver ----------------------------------------------------------------------------------------------


def test_explain_refuses_a_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    """Its line says so, and the next file is explained."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "1.eml").write_bytes(mail())
    files = [str(tmp_path / "pipe"), str(tmp_path / "1.eml")]
    config = Config.model_validate({"database": {"url": f"sqlite+aiosqlite:///{tmp_path}/none.db"}})
    context = SimpleNamespace(load_config=lambda: config)
    result = CliRunner().invoke(explain, files, obj=context, standalone_mode=False)
    assert result.return_value == 1
    assert "is no regular file" in result.output
    assert "subject" in result.output


@pytest.mark.parametrize("many", [1, 10])
def test_explain_starts_no_more_processes_than_its_files_need(
    many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process takes as long to start as it takes to read many mails."""
    started: list[object] = []
    real = asyncio.create_subprocess_exec

    async def start(*args: Any, **more: Any) -> Any:
        started.append(args)
        return await real(*args, **more)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    for number in range(many):
        (tmp_path / f"{number}.eml").write_bytes(mail())
    config = Config.model_validate({"database": {"url": f"sqlite+aiosqlite:///{tmp_path}/none.db"}})
    files = [str(path) for path in sorted(tmp_path.glob("*.eml"))]
    context = SimpleNamespace(load_config=lambda: config)
    result = CliRunner().invoke(explain, files, obj=context, standalone_mode=False)
    assert (result.return_value, len(started)) == (0, 1)


def test_explain_loads_no_reader_beside_its_process(tmp_path: Path) -> None:
    """What reads mail is the child's to load: here it would be loaded for nothing."""
    (tmp_path / "1.eml").write_bytes(mail())
    (tmp_path / "config.toml").write_text(
        toml({"database": {"url": f"sqlite+aiosqlite:///{tmp_path}/none.db"}})
    )
    code = (
        "import atexit, sys, app; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); app.main()"
    )
    words = ["--config", str(tmp_path / "config.toml"), "explain", str(tmp_path / "1.eml")]
    ran = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True)
    assert not {"intake.email.read", "intake.email.parse", "sqlalchemy"} & set(ran.stderr.split())
    assert "subject" in ran.stdout


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("deliver", "--bogus"), 75),
        (("deliver", "more"), 75),
        (("--cofnig", "x", "deliver"), 75),
        (("--config", "/no/such/file", "deliver"), 75),
        (("explain", "--bogus"), 2),
        (("tickets", "list", "--bogus"), 2),
    ],
)
def test_a_typo_in_master_cf_sends_no_mail_back(
    words: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """75: the mail program tries again. For every other command wrong usage is 2."""
    assert run_command(group(app.MOUNTS, app.HOOKS), words) == status
    assert capsys.readouterr().err.count("\n") == 1
