"""What each page costs at a million tickets: how long the server takes for it and how large it is.

`python -m bench pages`; TICKETS=20000 for fewer, STORES="sqlite mariadb" chooses stores. The real site answers on
loopback, in this process, one request after the other; each page is asked for once (its time is printed) and then seven
times more. Times are from the request's first byte to the answer's last; the client's part, a few milliseconds, is in
them. "busy" is what of it this process's processors worked: on a machine that does other things, too, the rest is
waiting (with MariaDB, for its work as well). How fast the machine was is told before and after. Bytes are those of the
HTML; nothing is compressed here. Beside it, with the style and the script that the page names, which a browser loads
once and keeps.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlencode

import httpx
from sqlalchemy import select

from bench.figures import Figure, pace
from bench.pages_filled import Filled, fill
from bench.search import ASKED
from bench.time_figures import QUEUES
from core.tables import tickets
from core.views import cursor_of
from intake.web.render import ASSETS
from tests.interfaces.counter import ANN, BEN, Counter, counter_on
from tests.mariadb import Run
from tests.stores import QUEUE, MariaDbStores, SqliteStores, Store
from tests.web.people import browser_of, session_of
from tests.web.stage import client

TICKETS: Final = int(os.environ.get("TICKETS", "1000000"))
STORES: Final = os.environ.get("STORES", "sqlite mariadb").split()
TIMES: Final = 7
MOST_MS: Final = 150
MOST_SEARCH_MS: Final = 200
MOST_BYTES: Final = 100_000
HTML: Final = {"Accept": "text/html"}
JSON: Final = {"Accept": "application/json"}
NOBODY, REGULAR, SELDOM, AGENT, MANAGER = "nobody", "requester of 1,000", "requester of 5", "agent", "manager"
ADDRESSES: Final = {REGULAR: ANN, SELDOM: BEN, AGENT: "grace@example.com", MANAGER: "ada@example.com"}
_ASSET: Final = re.compile(r'(?:href|src)="(/static/[^"]+)"')


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for, and by whom. `page`: it is HTML, whose size is bounded."""

    name: str
    path: str
    who: str = AGENT
    page: bool = True
    most_ms: float = MOST_MS


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of it. `first`, `took`: milliseconds; `busy`: those of this process's processor. `whole`: bytes with
    style and script."""

    page: Page
    first: float
    took: tuple[float, ...]
    busy: float
    size: int
    whole: int

    def figures(self, store: str, *, sized: bool) -> list[Figure]:
        """Return its time and, where wanted, its size."""
        name = f"{self.page.name}, {self.page.who}"
        beside = f"slowest {max(self.took):.0f}, first {self.first:.0f}, busy {self.busy:.0f}"
        time_of = Figure(f"{store}: {name}", median(self.took), "ms", most=self.page.most_ms, beside=beside)
        if not sized:
            return [time_of]
        most = MOST_BYTES if self.page.page else None
        beside = f"with style and script {self.whole:,}" if self.page.page else ""
        return [time_of, Figure(f"{name}: size", self.size, "B", most=most, beside=beside)]


# -- which ----------------------------------------------------------------------------------------------------------


def _path(path: str, **query: str) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _lists() -> list[Page]:
    """Staff's lists, as tabs and filters ask for them."""
    tabs = {"mine": "mine", "unassigned": "unassigned", "waiting longest": "waiting", "all open": "all"}
    narrowed: dict[str, dict[str, str]] = {
        "a queue": {"queue": "billing"},
        "closed": {"status": "closed"},
        "any status": {"status": "any"},
        "any status, oldest first": {"status": "any", "sort": "oldest"},
        "who waits, by the filter": {"sort": "waiting", "queue": "sales"},
        "closed, a queue, an assignee": {"status": "closed", "queue": "it", "assignee": "grace"},
        "closed, nobody's": {"status": "closed", "assignee": "nobody"},
        "mine, a queue, pending": {"tab": "mine", "queue": "returns", "status": "pending"},
        "of a requester of 1,000": {"requester": ANN, "status": "any"},
        "of a requester of 5, oldest first": {"requester": BEN, "status": "any", "sort": "oldest"},
        "of a requester of whom there's nothing": {"requester": "none@customer.example", "status": "any"},
    }
    found = [Page(f"list {name}", _path("/", tab=tab)) for name, tab in tabs.items()]
    found += [Page(f"list {name}", _path("/", **query)) for name, query in narrowed.items()]
    return [Page("list as it opens", "/"), Page("list mine", _path("/", tab="mine"), MANAGER), *found]


def _searches() -> list[Page]:
    words = {**ASKED, "a number": "#77"}
    found = [Page(f"search {name}", _path("/", q=q), most_ms=MOST_SEARCH_MS) for name, q in words.items()]
    narrow = {"queue": "billing", "status": "closed", "requester": ANN}
    found.append(Page("search in a filtered list", _path("/", q="common", **narrow), most_ms=MOST_SEARCH_MS))
    for name in ("a word that all have", "a word that none has"):
        path = _path("/", q=words[name])
        found += [Page(f"search {name}", path, who, most_ms=MOST_SEARCH_MS) for who in (REGULAR, SELDOM)]
    return found


def _tickets(filled: Filled) -> list[Page]:
    found = []
    for who in (REGULAR, AGENT):
        found += [
            Page("ticket short", f"/tickets/{filled.short}", who),
            Page("ticket of 200 messages", f"/tickets/{filled.long}", who),
        ]
    return found


def _reports(today: date) -> list[Page]:
    year = {"period": "own", "from": str(today - timedelta(days=364)), "to": str(today)}
    periods = {
        "a day": {"period": "today"},
        "a week": {"period": "7d"},
        "a month": {"period": "last-month"},
        "28 days": {},
        "a year": year,
        "a year of a queue": {**year, "queue": "billing"},
    }
    found = [
        Page(f"reports of {name}", _path("/reports", **query), MANAGER) for name, query in periods.items()
    ]
    return [*found, Page("reports of a year as CSV", _path("/reports.csv", **year), MANAGER, page=False)]


def _others() -> list[Page]:
    return [
        Page("my tickets", "/", REGULAR),
        Page("my tickets, closed", _path("/", status="closed"), REGULAR),
        Page("my tickets", "/", SELDOM),
        Page("status", "/status"),
        Page("undelivered and unread", "/desk/failed"),
        Page("preferences", "/preferences"),
        Page("report an issue", "/report-issue"),
        Page("report an issue", "/report-issue", REGULAR),
        Page("report an issue", "/report-issue", NOBODY),
        Page("sign in", "/sign-in", NOBODY),
    ]


def _programs(now: datetime) -> list[Page]:
    week, year = (
        _path("/analyze-data", since=(now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ"))
        for days in (7, 364)
    )
    asked = [
        Page("JSON tickets", "/view-tickets"),
        Page("JSON 200 tickets, closed", _path("/view-tickets", status="closed", limit="200")),
        Page("JSON tickets of a requester of 5", _path("/view-tickets", requester=BEN)),
        Page(
            "JSON tickets of a requester of 1,000, closed, a queue, an assignee",
            _path("/view-tickets", requester=ANN, status="closed", queue="billing", assignee="grace"),
        ),
        Page("JSON tickets of a queue, nobody's", _path("/view-tickets", queue="billing", assignee="")),
        Page("JSON tickets", "/view-tickets", REGULAR),
        Page(
            "JSON tickets by a word that all have", _path("/view-tickets", q="common"), most_ms=MOST_SEARCH_MS
        ),
        Page("JSON figures of a day", "/analyze-data", MANAGER),
        Page("JSON figures of a week", week, MANAGER),
        Page("JSON figures of a year", year, MANAGER),
    ]
    return [Page(one.name, one.path, one.who, False, one.most_ms) for one in asked]


async def _deep(desk: Counter, filled: Filled) -> list[Page]:
    """Pages in the middle of lists, by cursors as the pages before would give them."""
    middle = filled.count // 2
    columns = (tickets.c.id, tickets.c.updated_at)
    row = await desk.parts.database.read(lambda tx: tx.first(select(*columns).where(tickets.c.id == middle)))
    assert row is not None
    cursor = cursor_of(row.updated_at, row.id)
    lists: dict[str, dict[str, str]] = {
        "all open": {},
        "any status": {"status": "any"},
        "any status, oldest first": {"status": "any", "sort": "oldest"},
        "closed, a queue": {"status": "closed", "queue": "it"},
        "waiting longest": {"tab": "waiting"},
    }
    found = [Page(f"deep in {name}", _path("/", **query, cursor=cursor)) for name, query in lists.items()]
    json = Page("JSON deep in tickets", _path("/view-tickets", cursor=cursor), page=False)
    return [*found, Page("deep in my tickets", _path("/", cursor=cursor), REGULAR), json]


async def _pages(desk: Counter, filled: Filled) -> list[Page]:
    now = datetime.now(UTC)
    parts = (_others(), _lists(), await _deep(desk, filled), _searches(), _tickets(filled))
    return [page for part in (*parts, _reports(now.date()), _programs(now)) for page in part]


# -- asking ---------------------------------------------------------------------------------------------------------


async def _timed(browser: httpx.AsyncClient, page: Page) -> tuple[float, float, httpx.Response]:
    """Ask once: milliseconds that it took, those of the processor, and the answer."""
    begun, worked = time.perf_counter(), time.process_time()
    answer = await browser.get(page.path, headers=HTML if page.page else JSON)
    took, busy = time.perf_counter() - begun, time.process_time() - worked
    if answer.status_code != 200:
        raise RuntimeError(f"{page.path} as {page.who}: {answer.status_code}")
    return took * 1000, busy * 1000, answer


async def _ask(browser: httpx.AsyncClient, page: Page) -> Asked:
    first, _, answer = await _timed(browser, page)
    again = [await _timed(browser, page) for _ in range(TIMES)]
    size = len(answer.content)
    named = set(_ASSET.findall(answer.text)) if page.page else set()
    return Asked(
        page,
        first,
        tuple(took for took, _, _ in again),
        median(busy for _, busy, _ in again),
        size,
        size + sum(len(ASSETS[url][0]) for url in named),
    )


async def _asked(desk: Counter, pages: Sequence[Page]) -> list[Asked]:
    """Ask for each page as who is to have it, with a session as browsers have."""
    browsers = {NOBODY: client(desk.url)}
    for who, address in ADDRESSES.items():
        browsers[who] = browser_of(desk, await session_of(desk, address))
    try:
        await _timed(browsers[NOBODY], Page("", "/sign-in"))  # what every page needs is made once
        return [await _ask(browsers[page.who], page) for page in pages]
    finally:
        for browser in browsers.values():
            await browser.aclose()


async def _on(store: Store, *, sized: bool) -> list[Figure]:
    """Fill a store and ask for its pages."""
    queues = [QUEUE, *({"name": name} for name in QUEUES if name != QUEUE["name"])]
    service = {"timezone": "America/New_York"}  # its days begin within those that rollups have
    async with counter_on(store, service=service, database={"timeout": "120s"}, queue=queues) as desk:
        begun = time.perf_counter()
        filled = await fill(desk.parts.database, TICKETS)
        took = time.perf_counter() - begun
        found = [Figure(f"{store.name}: filling {TICKETS:,} tickets", took, "s"), pace("before")]
        for one in await _asked(desk, await _pages(desk, filled)):
            found += one.figures(store.name, sized=sized)
        return [*found, pace("after")]


async def _on_mariadb(run: Run, home: Path, *, sized: bool) -> list[Figure]:
    options = ("--innodb-buffer-pool-size=256M", "--innodb-log-file-size=256M")
    server = run.private_server("pages", *options)
    await asyncio.to_thread(server.start)
    try:
        store, _ = await asyncio.to_thread(MariaDbStores(server).take, home)
        return await _on(store, sized=sized)
    finally:
        await asyncio.to_thread(server.stop)


async def measure(run: Run) -> list[Figure]:
    """Measure on each store; sizes, which are the same on both, on the first."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="relaydesk-bench-") as folder:
        for name in STORES:
            home, sized = Path(folder) / name, not found
            home.mkdir()
            if name == "sqlite":
                store = SqliteStores(Path(folder) / "template").migrated(home)
                found += await _on(store, sized=sized)
            else:
                found += await _on_mariadb(run, home, sized=sized)
    return found
