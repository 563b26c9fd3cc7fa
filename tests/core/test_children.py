"""Child processes: limits hold, a death costs one call, nothing is mixed up."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.children import ChildFailed, Children
from core.failures import Unavailable

ASKED = "tests.core.asked"


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    made = Children(timeout=timedelta(seconds=1), memory=200_000_000)
    yield made
    await made.close()


async def test_values_go_there_and_back(children: Children) -> None:
    value = {"a": [1, None, "ü", b"\x00\xff"], "b": ("x", frozenset({1}))}
    assert await children.call(f"{ASKED}:echo", value) == value


async def test_the_process_is_kept(children: Children) -> None:
    assert await children.call(f"{ASKED}:pid") == await children.call(f"{ASKED}:pid") != os.getpid()


async def test_too_long_costs_one_call(children: Children) -> None:
    with pytest.raises(ChildFailed, match="longer than 1 s"):
        await children.call(f"{ASKED}:endless")
    assert await children.call(f"{ASKED}:echo", 1) == 1


async def test_too_much_memory_costs_one_call(children: Children) -> None:
    with pytest.raises(ChildFailed, match="memory"):
        await children.call(f"{ASKED}:greedy")
    assert await children.call(f"{ASKED}:echo", 1) == 1


async def test_a_death_costs_one_call(children: Children) -> None:
    with pytest.raises(ChildFailed, match="signal 9"):
        await children.call(f"{ASKED}:dies")
    assert await children.call(f"{ASKED}:echo", 1) == 1


async def test_a_child_that_died_idle_costs_nothing(children: Children) -> None:
    os.kill(await children.call(f"{ASKED}:pid"), signal.SIGKILL)
    for _ in range(200):
        if not children._idle[0].alive:
            break
        await asyncio.sleep(0.01)
    assert await children.call(f"{ASKED}:echo", 1) == 1


async def test_an_exception_is_named_without_its_text(children: Children) -> None:
    before = await children.call(f"{ASKED}:pid")
    with pytest.raises(ChildFailed) as caught:
        await children.call(f"{ASKED}:raises", "secret words")
    assert caught.value.reason.startswith("ValueError at asked.py:")
    assert "secret" not in str(caught.value)
    assert await children.call(f"{ASKED}:pid") == before


async def test_what_comes_back_runs_nothing(children: Children) -> None:
    with pytest.raises(ChildFailed):
        await children.call(f"{ASKED}:evil")


async def test_a_cancelled_caller_mixes_nothing_up(children: Children) -> None:
    for _ in range(3):
        task = asyncio.create_task(children.call(f"{ASKED}:endless"))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await children.call(f"{ASKED}:echo", "mine") == "mine"


async def test_giving_up_on_a_large_answer_leaves_nothing_behind(children: Children) -> None:
    await children.call(f"{ASKED}:echo", 1)
    for wait in (0.005, 0.02, 0.04):
        task = asyncio.create_task(children.call(f"{ASKED}:big"))
        await asyncio.sleep(wait)
        task.cancel()
        await asyncio.wait([task])
        assert await children.call(f"{ASKED}:echo", wait) == wait


async def test_callers_take_turns(children: Children) -> None:
    answers = await asyncio.gather(*(children.call(f"{ASKED}:echo", n) for n in range(20)))
    assert answers == list(range(20))


async def test_large_answers(children: Children) -> None:
    assert len(await children.call(f"{ASKED}:big")) == 20_000_000


async def test_secrets_stay_here(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAYDESK_SERVICE__SECRET_KEY", "secret")
    assert not [name for name in await children.call(f"{ASKED}:environment") if name.startswith("RELAYDESK")]


async def test_several_at_once() -> None:
    children = Children(count=2)
    await children.warm()
    assert len(set(await asyncio.gather(*(children.call(f"{ASKED}:pid") for _ in range(2))))) == 2
    await children.close()
    with pytest.raises(Unavailable, match="shutting down"):
        await children.call(f"{ASKED}:pid")


async def test_reading_imports_little() -> None:
    children = Children(preload=("intake.email.read",))
    names = await children.call(f"{ASKED}:loaded")
    await children.close()
    assert not {"sqlalchemy", "pydantic", "aiosmtpd", "aiohttp", "core.config"} & set(names)


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    script = (
        "import asyncio, os\n"
        "from core.children import Children\n"
        "async def main():\n"
        "    print(await Children().call('os:getpid'), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, cwd=root
    )
    child = int(done.stdout)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _runs(child):
        time.sleep(0.02)
    assert not _runs(child)


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())
