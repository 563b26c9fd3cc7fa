"""Reading takes linear time: crafted mails of 1 MB stay far under the child's limit. `bench/mail_reading.py` measures."""

from __future__ import annotations

import pytest

from bench.mail_reading import crafted, milliseconds

CRAFTED = dict(crafted())
# Processor time; the slowest takes about 0.6 s alone on a machine of 2026. Quadratic time takes minutes.
BOUND = 4_000


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_mail_takes_linear_time(name: str) -> None:
    assert milliseconds(CRAFTED[name]) < BOUND
