"""The page behind the link of mails with news: it says what they are, and takes it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from core import unsubscribing
from core.preferences import LIST
from tests.interfaces.counter import Counter, counter_on
from tests.stores import Store

BEN = "ben@example.com"


@pytest.fixture
async def counter(store: Store) -> AsyncIterator[Counter]:
    """A desk behind its site."""
    async with counter_on(store) as counter:
        yield counter


async def test_it_speaks_of_news_not_of_a_digest(counter: Counter) -> None:
    """Nobody of the staff knows a digest of that name; what still comes is said."""
    path = urlsplit(unsubscribing.url_for(counter.parts.config, LIST, BEN)).path
    asked = (await counter.nobody.get(path)).text
    assert "news of your tickets" in asked
    done = (await counter.nobody.post(path)).text
    assert "What couldn't be delivered still is" in done
    assert 'href="/preferences"' in done
    assert await counter.parts.database.read(lambda tx: unsubscribing.stopped(tx, LIST, [BEN])) == (BEN,)
    again = (await counter.nobody.post(f"{path}/undo")).text
    assert "mailed to you again" in again
    assert not any("digest" in words for words in (asked, done, again))
    assert await counter.parts.database.read(lambda tx: unsubscribing.stopped(tx, LIST, [BEN])) == ()
