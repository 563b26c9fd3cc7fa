"""Fixtures for the tests of mail: a real Dovecot."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests import dovecot as dovecots
from tests.dovecot import Dovecot
from tests.mail.imap_kit import Post
from tests.mariadb import Missing, Run
from tests.stores import Store


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A running Dovecot for all tests; each takes a mailbox of its own."""
    server = _made()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_dovecot() -> Iterator[Callable[..., Dovecot]]:
    """Makes a running Dovecot for one test: `own_dovecot(extra="imap_capability = …")`."""
    made: list[Dovecot] = []

    def start(extra: str = "", introspection: str = "") -> Dovecot:
        server = _made(extra, introspection)
        made.append(server)
        server.start()
        return server

    yield start
    for server in made:
        server.kill()


def _made(extra: str = "", introspection: str = "") -> Dovecot:
    try:
        return dovecots.make(Run.joined(), extra=extra, introspection=introspection)
    except Missing as exc:
        pytest.skip(str(exc))


@pytest.fixture
def post(dovecot: Dovecot, store: Store) -> Post:
    """A mailbox nobody has used, and this test's store."""
    return Post(dovecot, store, dovecots.new_user())
