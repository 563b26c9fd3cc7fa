"""`python -m bench.fuzz --seconds 300`: mutate, read, judge; print how many inputs, the slowest, what was found."""

from __future__ import annotations

import argparse
import hashlib
import logging
import resource
import sys
import time
from pathlib import Path
from random import Random

from bench.fuzz.judge import problem
from bench.fuzz.mutate import mutated
from bench.fuzz.seeds import own, samples
from tests.mail.corpus import CORPUS

_LONGEST_SEED = 200_000  # bytes
_LONGEST_INPUT = 300_000


def main() -> int:
    """Run until the time is over; exit 1 where something was found."""
    parser = argparse.ArgumentParser(prog="bench.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="processor time to spend")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same inputs")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="a folder of .eml files to begin with")
    parser.add_argument("--out", type=Path, help="a folder for the inputs that show a problem")
    given = parser.parse_args()
    logging.disable()
    seeds = [seed for seed in own() + samples(given.corpus) if len(seed) <= _LONGEST_SEED]
    dice = Random(given.seed)
    count, size = 0, 0
    slowest: list[tuple[float, int]] = []
    found: dict[str, bytes] = {}
    began = time.process_time()
    while time.process_time() - began < given.seconds:
        raw = mutated(dice.choice(seeds), seeds, dice, _LONGEST_INPUT)
        wrong, took = problem(raw, dice.choice((None, "", "ada@customer.example")))
        count, size = count + 1, size + len(raw)
        slowest = sorted([*slowest, (took, len(raw))], reverse=True)[:3]
        if wrong and (wrong not in found or len(raw) < len(found[wrong])):
            found[wrong] = raw
    _print(count, size, time.process_time() - began, slowest, found)
    if given.out and found:
        given.out.mkdir(parents=True, exist_ok=True)
        for raw in found.values():
            (given.out / f"{hashlib.sha256(raw).hexdigest()[:12]}.eml").write_bytes(raw)
    return 1 if found else 0


def _print(
    count: int, size: int, seconds: float, slowest: list[tuple[float, int]], found: dict[str, bytes]
) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (
        1024 if sys.platform != "darwin" else 1_048_576
    )
    print(f"{count:,} inputs, {size / 1e6:,.0f} MB, {seconds:.0f} s of processor time, peak {peak} MiB")
    for took, length in slowest:
        print(f"slowest: {took * 1000:.0f} ms for {length:,} bytes")
    for wrong, raw in found.items():
        print(f"FOUND {wrong[:200]} ({len(raw):,} bytes)")
    if not found:
        print("nothing found")


if __name__ == "__main__":
    sys.exit(main())
