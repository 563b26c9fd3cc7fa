"""Formatting both ways between mail and Slack, by samples of our own that a person can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.text.golden import files, from_mail, from_slack, sections


def named(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", files("mail"), ids=named)
def test_mail_in_slack(path: Path) -> None:
    given = sections(path)
    made = from_mail(given)
    assert {name: text for name, text in given.items() if name not in ("html", "text")} == made


@pytest.mark.parametrize("path", files("slack"), ids=named)
def test_slack_in_mail(path: Path) -> None:
    given = sections(path)
    made = from_slack(given)
    assert {
        name: text for name, text in given.items() if name not in ("blocks", "text", "attachments")
    } == made


def test_there_are_samples_of_each_kind() -> None:
    assert len(files("mail")) >= 20
    assert len(files("slack")) >= 15
