"""Reading takes linear time: crafted mails stay far under the child's limit (`bench/mail_reading.py` measures 1 MB)."""

from __future__ import annotations

import pytest

from bench.mail_reading import crafted, milliseconds, names

SIZE = 300_000
# Processor time in ms; the slowest takes about 200 alone on a machine of 2026, quadratic time takes minutes.
BOUND = 2_000


@pytest.mark.parametrize("name", names())
def test_crafted_mail_takes_linear_time(name: str) -> None:
    assert milliseconds(crafted(name, SIZE)) < BOUND
