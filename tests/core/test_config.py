"""The configuration: what is refused says in one line what to mend; secrets stay out of sight."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.config import Config, ConfigError, load, parse, parse_duration, secret_keys

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def refused(data: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(data, environ=environ, source="config.toml")
    text = str(caught.value)
    assert "\n" not in text, "one line"
    return text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("15m", 900),
        ("8h", 28_800),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1h30m", 5_400),
        ("250ms", 0.25),
        ("1.5h", 5_400),
        ("0s", 0),
        ("0", 0),
        (0, 0),
        (" 5M ", 300),
        (timedelta(seconds=3), 3),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    """Short forms, joined or alone; a day is 24 h."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5x", "5m x", "1h-2m", "five minutes", 5, True])
def test_no_durations(text: object) -> None:
    """A number without a unit, a sign, anything else is refused with an example."""
    with pytest.raises(ValueError, match="write it like 30s"):
        parse_duration(text)


def test_the_example_loads_as_it_is_and_says_the_defaults() -> None:
    """Whoever copies it gets what they would get without it, but for the examples in it."""
    example, default = load(EXAMPLE, environ={}), Config()
    for section in ("database", "email", "slack", "http", "worker", "courier", "brakes", "scheduler"):
        assert getattr(example, section) == getattr(default, section), section
    assert example.queue == default.queue
    assert example.service.model_copy(update={"name": default.service.name}) == default.service


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ({"scheduler": {"tick": "6s"}}, "scheduler.tick"),
        ({"scheduler": {"tick": "5001ms"}}, "5s is the most: what is due is noticed within 5 seconds"),
        ({"scheduler": {"batch": 1001}}, "scheduler.batch"),
        ({"scheduler": {"batch": 1001}}, "1000"),
    ],
)
def test_timers_look_often_enough_and_take_turns(data: dict[str, Any], hint: str) -> None:
    """What is due is noticed within 5 s; no job has the others wait for long."""
    assert hint in refused(data)
    assert parse({"scheduler": {"tick": "5s", "batch": 1000}}, environ={}).scheduler.batch == 1000


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ({"servise": {}}, "did you mean 'service'?"),
        ({"service": {"base_ulr": "x"}}, "did you mean 'service.base_url'?"),
        ({"email": {"inbound": {"prot": 25}}}, "did you mean 'email.inbound.port'?"),
        ({"queue": [{"name": "a", "adresses": []}]}, "did you mean 'queue.0.addresses'?"),
        ({"courier": {"zzzzzz": 1}}, "known here: channel_pause"),
    ],
)
def test_unknown_keys_name_the_nearest(data: dict[str, Any], hint: str) -> None:
    """At every depth."""
    text = refused(data)
    assert text.startswith("config.toml: unknown key '")
    assert hint in text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"worker": {"poll": "soon"}}, "worker.poll: 'soon' is no duration"),
        ({"database": {"url": "postgresql://x"}}, "must start with sqlite+aiosqlite"),
        ({"database": {"url": "mysql+aiomysql://u:p@h/d"}}, "service.secret_key is needed"),
        ({"service": {"timezone": "Europe/Berln"}}, "did you mean 'Europe/Berlin'?"),
        ({"queue": [{"name": "a", "timezone": "Mars"}]}, "unknown time zone 'Mars'"),
        ({"queue": []}, "at least one"),
        ({"queue": [{"name": "a"}, {"name": "a"}]}, "queue 'a' is named twice"),
        (
            {"queue": [{"name": "a", "addresses": ["x@y.z"]}, {"name": "b", "addresses": ["X@Y.Z"]}]},
            "queue address 'x@y.z' is named twice",
        ),
        ({"queue": [{"name": "a", "addresses": ["no address"]}]}, "is no mail address"),
        ({"queue": [{"name": "a", "addresses": ["a+b@y.z"]}]}, "leave it out"),
        ({"queue": [{"name": "UPPER"}]}, "queue.0.name"),
        ({"slack": {"enabled": True}}, "needs slack.bot_token"),
        ({"slack": {"enabled": True, "bot_token": "x"}}, "app_token"),
        ({"slack": {"reply_hold": "2m"}}, "0s to 60s"),
        ({"staff": [{"username": "operator", "email": "a@b.c"}]}, "the system's own user"),
        ({"digest": [{"name": "d", "queues": ["nowhere"]}]}, "there is no queue 'nowhere'"),
        ({"email": {"inbound": {"port": 70000}}}, "email.inbound.port"),
        ({"email": {"outbound": {"password_file": "/no/such/file"}}}, "password_file"),
    ],
)
def test_one_line_says_what_to_mend(data: dict[str, Any], says: str) -> None:
    """The first problem, where it is, and never more than a line."""
    assert says in refused(data)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable replaces its key alone; the others stay as the file has them."""
    file = tmp_path / "config.toml"
    file.write_text('[http]\nport = 1234\nhost = "0.0.0.0"\n')
    monkeypatch.setenv("RELAYDESK_HTTP__PORT", "4321")
    config = load(file)
    assert (config.http.port, config.http.host) == (4321, "0.0.0.0")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("RELAYDESK_HTTP__PROT", "did you mean RELAYDESK_HTTP__PORT?"),
        ("RELAYDESK_DATABSE__URL", "did you mean RELAYDESK_DATABASE__URL?"),
    ],
)
def test_a_misspelt_variable_is_no_silence(name: str, hint: str) -> None:
    """A variable with our prefix that names no key is refused, with the nearest."""
    assert hint in refused({}, environ={name: "1"})
    parse({}, environ={"OTHER": "1", "RELAYDESK_CONFIG": "x", "relaydesk_http__port": "1"})


def test_secrets_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`…_file` in the file or in the environment; the line end isn't part of it."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    config = parse({"email": {"outbound": {"username": "desk", "password_file": str(secret)}}})
    assert config.email.outbound.password == "s3cret"
    monkeypatch.setenv("RELAYDESK_SLACK__BOT_TOKEN_FILE", str(secret))
    assert parse({}).slack.bot_token == "s3cret"


def test_no_secret_shows() -> None:
    """A configuration that is printed or logged holds none of its secrets, nor does an error."""
    config = parse(
        {
            "service": {"secret_key": "s3cret-1", "previous_secret_keys": ["s3cret-2"]},
            "database": {"url": "mysql+aiomysql://u:s3cret-3@h/d"},
            "email": {"outbound": {"username": "desk", "password": "s3cret-4"}},
            "slack": {"bot_token": "s3cret-5", "app_token": "s3cret-6", "signing_secret": "s3cret-7"},
        }
    )
    assert "s3cret" not in repr(config)
    assert "s3cret" not in refused({"database": {"url": "postgresql://u:s3cret@h/d"}})


def test_where_it_is_read_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The named file, else `$RELAYDESK_CONFIG`, else `config.toml` here, else the defaults."""
    monkeypatch.chdir(tmp_path)
    assert load(environ={}) == Config()
    for name, port in (("config.toml", 1), ("other.toml", 2), ("named.toml", 3)):
        Path(name).write_text(f"[http]\nport = {port}\n")
    assert load(environ={}).http.port == 1
    assert load(environ={"RELAYDESK_CONFIG": "other.toml"}).http.port == 2
    assert load("named.toml", environ={"RELAYDESK_CONFIG": "other.toml"}).http.port == 3
    with pytest.raises(ConfigError, match="no such file"):
        load("missing.toml", environ={})
    Path("config.toml").write_text("[http\n")
    with pytest.raises(ConfigError, match=r"config\.toml: "):
        load(environ={})


def test_the_generated_key_stays(tmp_path: Path) -> None:
    """Made once, kept for its owner's eyes alone; the old ones still verify."""
    config = parse({"service": {"data_dir": str(tmp_path / "var"), "previous_secret_keys": ["old"]}})
    first = secret_keys(config)
    assert first == secret_keys(config)
    assert first[1:] == ("old",)
    assert len(first[0]) >= 32
    mode = stat.S_IMODE((tmp_path / "var" / "secret_key").stat().st_mode)
    assert mode == 0o600


def test_whom_to_notify() -> None:
    """Slack where it is on and the queue has a channel there, else the agents by mail; [] tells nobody."""
    slack = {"enabled": True, "bot_token": "x", "app_token": "x"}
    queue = {"name": "a", "slack_channel": "C1"}
    cases = [
        ({"slack": slack, "queue": [queue]}, ("slack",)),
        ({"slack": slack, "queue": [{"name": "a"}]}, ("email",)),
        ({"queue": [queue]}, ("email",)),
        ({"slack": slack, "queue": [{**queue, "notify": ["slack", "email"]}]}, ("slack", "email")),
        ({"queue": [{**queue, "notify": ["slack"]}]}, ()),
        ({"queue": [{**queue, "notify": []}]}, ()),
    ]
    for data, expected in cases:
        config = parse(data)
        assert config.notify(config.queue[0]) == expected
