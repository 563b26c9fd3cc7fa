"""A whole quarter: planned, lived through on a store, and compared."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.quarter import digests, found
from tests.quarter.clocks import Hours
from tests.quarter.plan import Plan
from tests.quarter.reckoning import Reckoning
from tests.quarter.setting import QUEUES, Quarter
from tests.quarter.world import World
from tests.stores import Store


@dataclass
class Outcome:
    """What came of a quarter. `lines`: each is something that isn't as it should be."""

    tickets: int
    acts: Counter[str]
    kinds: Counter[str]
    figures: int
    looks: int
    rushes: int
    crashes: list[str]
    seconds: dict[str, float]
    lines: list[str] = field(default_factory=list)

    def told(self) -> Iterator[str]:
        """Yield it in lines."""
        yield f"{self.tickets:,} tickets, {sum(self.acts.values()):,} acts: {_list(self.acts)}"
        yield f"{sum(self.kinds.values()):,} effects of time: {_list(self.kinds)}"
        yield f"{self.figures:,} figures of digests; {self.looks:,} looks, {self.rushes:,} of them by all at once"
        yield f"instances that went down: {'; '.join(self.crashes)}"
        yield "seconds: " + ", ".join(f"{what} {took:.1f}" for what, took in self.seconds.items())


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {n:,}" for what, n in sorted(counts.items()))


async def quarter(
    store: Store, which: Quarter, tickets: int, seed: int, say: Callable[[str], None] = lambda line: None
) -> Outcome:
    """Let a quarter pass on a store, and say what isn't as it should be; `say` is told how far it is."""
    began = time.perf_counter()
    reckoning = Reckoning(which, {rules.name: Hours(rules, which) for rules in QUEUES})
    plan = Plan(reckoning, tickets, seed)
    acts = plan.make()
    planned = time.perf_counter()
    world = await World.open(store, which, seed)
    world.say = say
    try:
        await world.live(acts, reckoning)
        lived = time.perf_counter()
        should = found.expected(reckoning.brought)
        lines = [*world.troubles, *found.differences(should, await found.brought(world))]
        compared, others = await digests.differences(world, reckoning)
    finally:
        await world.close()
    if len(world.crashes) < len(which.crashes) or any("went on" in one for one in world.crashes):
        lines.append(f"not every crash happened: {world.crashes}")
    return Outcome(
        tickets=len(reckoning.tickets),
        acts=plan.tally,
        kinds=Counter(one.kind for one in should) + reckoning.tally,
        figures=compared,
        looks=world.ticks,
        rushes=world.rushes,
        crashes=[
            f"{one} at {_moment(at)}"
            for one, at in zip(world.crashes, sorted(reckoning.crashed), strict=False)
        ],
        seconds={"planning": planned - began, "living": lived - planned, **world.spent},
        lines=lines + others,
    )


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
