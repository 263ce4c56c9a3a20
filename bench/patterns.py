"""Does mining report what is planted in synthetic logs, and nothing where nothing is? And a trend, changes alone?

    .venv/bin/python bench/patterns.py [--seeds 400] [--first 0] [--small] [--dry]

A log has 30 features with prevalences from 0.13 to 0.5 and a mild common factor. Null logs fail in 30 of 100 runs
whatever holds; planted ones in 25, and in more (or fewer) where a planted condition holds. Every run also has seconds,
tokens and steps, of which only the outcome changes the steps. A report is wrong that is not planted. Trends are streams
of outcomes: 1,000 of which 0.7 succeed, and 300 of 0.75 before 200 of 0.45; two of each for a seed.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
from report import conditions, machine, store, table, write_section
from wilson import wilson

from langgraph_agora.nodes.patterns import Pattern, mine
from langgraph_agora.nodes.trend import trend

PREVALENCES = (
    *(0.19, 0.22, 0.41, 0.37, 0.25, 0.24, 0.33, 0.17, 0.37, 0.50, 0.20, 0.48, 0.39, 0.14, 0.27),
    *(0.44, 0.38, 0.24, 0.40, 0.20, 0.13, 0.14, 0.22, 0.27, 0.20, 0.42, 0.16, 0.15, 0.14, 0.34),
)
FACTOR = 0.55  # standard deviation of what all features of a run have in common, in logits
FIRST, SECOND, PAIR = ("f03",), ("f11",), ("f07", "f19")  # of prevalence 0.37, 0.48, and both together 0.045
FAILING = {FIRST: 0.3, SECOND: 0.3, PAIR: 0.5}
# name: (base failure, effects)
KINDS: Mapping[str, tuple[float, Mapping[tuple[str, ...], float]]] = {
    "nothing": (0.30, {}),
    "two single ones and a pair": (0.25, FAILING),
    "one single one": (0.25, {FIRST: 0.3}),
    "one that helps": (0.55, {FIRST: -0.3}),
}
SIZES = (200, 400, 800)
BARS = {
    "null": 0.05,
    "precision": 0.93,
    ("single", 200): 0.80,
    ("single", 400): 0.98,
    ("pair", 800): 0.70,
    "alarms": 0.1,
    "soon": 0.85,
}


def main() -> None:
    """Measure, store and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--small", action="store_true", help="a smoke test: five seeds, only printed")
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + (5 if arguments.small else arguments.seeds))
    mine(synthetic(50, 0, "nothing"))  # The first call loads numpy.
    rows = [measured(kind, size, seeds) for kind in KINDS for size in SIZES]
    result = {**machine(), "seeds": len(seeds), "rows": rows, "trend": trends(seeds)}
    print(report(result))
    if not (arguments.dry or arguments.small):
        store("patterns", result)
        write_section("patterns", report(result))


def synthetic(size: int, seed: int, kind: str) -> list[dict[str, Any]]:
    """A log: its runs as experiences."""
    base, effects = KINDS[kind]
    chance = random.Random(f"{kind} {size} {seed}")
    logits = [math.log(one / (1 - one)) for one in PREVALENCES]
    runs = []
    for number in range(size):
        common = chance.gauss(0, FACTOR)
        holds = [chance.random() < 1 / (1 + math.exp(-logit - common)) for logit in logits]
        features = {f"f{place:02}": True for place, one in enumerate(holds) if one}
        rate = base + sum(effect for names, effect in effects.items() if features.keys() >= set(names))
        failed = chance.random() < rate
        steps = 3 + 2 * failed + sum(chance.random() < 0.3 for _ in range(10))
        seconds, tokens = steps * chance.lognormvariate(0, 0.5), steps * chance.randrange(50, 500)
        row = {"id": str(number), "features": features, "success": not failed, "steps": steps}
        runs.append({**row, "seconds": round(seconds, 3), "tokens": tokens})
    return runs


def measured(kind: str, size: int, seeds: Iterable[int]) -> dict[str, Any]:
    """How often each planted pattern was found in the logs of a kind and size, what else was, and the CPU time."""
    effects = KINDS[kind][1]
    planted = {names: ("failure" if effect > 0 else "success") for names, effect in effects.items()}
    hits, other, logs, any_, spent = dict.fromkeys(planted, 0), 0, 0, 0, 0.0
    for seed in seeds:
        runs = synthetic(size, seed, kind)
        start = time.process_time()
        patterns = mine(runs)
        spent += time.process_time() - start
        right = {names for pattern in patterns if planted.get(names := names_of(pattern)) == pattern.kind}
        for names in right:
            hits[names] += 1
        logs, any_, other = logs + 1, any_ + bool(patterns), other + len(patterns) - len(right)
    found = {" and ".join(names): number for names, number in hits.items()}
    ms = spent * 1000 / logs
    return {"kind": kind, "size": size, "logs": logs, "any": any_, "hits": found, "other": other, "ms": ms}


def trends(seeds: Iterable[int]) -> dict[str, Any]:
    """How often a steady stream alarms, and how soon a fall is noticed."""
    alarms, early, delays, streams = 0, 0, [], 0
    for seed in seeds:
        for part in range(2):
            chance = random.Random(f"trend {seed} {part}")
            alarms += bool(trend([chance.random() < 0.7 for _ in range(1000)]).changes)
            fall = [chance.random() < 0.75 for _ in range(300)] + [chance.random() < 0.45 for _ in range(200)]
            noticed = [change.noticed for change in trend(fall).changes]
            early += any(place < 300 for place in noticed)
            delays += [place - 299 for place in noticed if place >= 300][:1]
            streams += 1
    delays.sort()
    soon = sum(delay <= 100 for delay in delays)
    middle = delays[len(delays) // 2] if delays else None
    return {"streams": streams, "alarms": alarms, "early": early, "soon": soon, "median_delay": middle}


def names_of(pattern: Pattern) -> tuple[str, ...]:
    """The features of a pattern whose conditions are all True."""
    return tuple(name for name, value in pattern.conditions if value is True)


def report(result: Mapping[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    head = ["planted", "runs", "logs with a report", "found", "not planted, a log", "precision", "CPU ms"]
    lines, found = [line_of(row) for row in result["rows"]], result["trend"]
    parts = [
        table(head, lines),
        f"{result['seeds']} logs in each line, with the 95 % interval of the share (Wilson). Where nothing is planted, "
        f"at most {BARS['null']:.0%} of the logs may have a report of any kind (failure, success, efficiency). Single "
        f"effects of 0.30 are wanted in {BARS['single', 200]:.0%} of the logs of 200 and in "
        f"{BARS['single', 400]:.0%} of those of 400, the pair (0.50) in {BARS['pair', 800]:.0%} of those of 800, "
        f"and a precision of {BARS['precision']}.",
        f"Of {found['streams']} steady streams {found['alarms'] / found['streams']:.1%} had a false alarm in 1,000 "
        f"outcomes ({BARS['alarms']:.0%} at most is wanted). A fall from 0.75 to 0.45 was noticed within 100 outcomes "
        f"in {found['soon'] / found['streams']:.1%} of them ({BARS['soon']:.0%} is wanted), in the middle after "
        f"{found['median_delay']}, and something was noticed before it in {found['early'] / found['streams']:.1%}.",
        conditions(result),
    ]
    return "\n\n".join(parts)


def line_of(row: Mapping[str, Any]) -> list[str]:
    """One line of the table."""
    low, high = wilson(row["any"], row["logs"])
    right = sum(row["hits"].values())
    found = ", ".join(f"{name} {hits / row['logs']:.2f}" for name, hits in row["hits"].items())
    return [
        row["kind"],
        f"{row['size']}",
        f"{row['any'] / row['logs']:.3f} ({low:.3f} to {high:.3f})",
        found or "-",
        f"{row['other'] / row['logs']:.3f}",
        f"{right / (right + row['other']):.3f}" if right else "-",
        f"{row['ms']:.0f}",
    ]


if __name__ == "__main__":
    main()
