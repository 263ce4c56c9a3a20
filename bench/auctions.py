"""What does the best allocation cost, and what do auctions of one task after the other lose against it?

    .venv/bin/python bench/auctions.py [--rounds 9] [--games 40] [--quick] [--dry]

Each agent has room for its share of the tasks, rounded up. Times are CPU milliseconds of one call, medians of the
rounds. Losses are total costs over those of the optimum: the mean over seeded tables, and the worst.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
import numpy as np
from report import conditions, machine, store, table, write_section
from scipy.optimize import linear_sum_assignment

from langgraph_agora.nodes.allocation import ORDERS, allocate, in_turn, vcg

Costs = list[list[float]]

SIZES = ((10, 5), (20, 10), (50, 10), (100, 20))  # tasks, agents
LOSSES = (
    ("uniform", 50, 10),
    ("uniform", 500, 50),
    ("capability", 50, 10),
    ("capability", 500, 50),
    ("machine", 50, 10),
    ("machine", 500, 50),
)


def main() -> None:
    """Measure, store and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--games", type=int, default=40, help="tables of each kind; a tenth of them of the large ones")
    parser.add_argument("--quick", action="store_true", help="a smoke test: a few small tables, only printed")
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    rounds, games = (1, 3) if arguments.quick else (arguments.rounds, arguments.games)
    losses = [row for row in LOSSES if row[1] <= 50 or not arguments.quick]
    vcg([[1, 2], [2, 1]], 1)  # loads SciPy
    result = {**machine(), "rounds": rounds, "games": games, "vcg": {}, "allocate": {}, "loss": {}}
    for tasks, agents in SIZES:
        name = f"{tasks} tasks, {agents} agents"
        result["vcg"][name] = median(milliseconds(vcg, tasks, agents, seed) for seed in range(rounds))
        result["allocate"][name] = median(milliseconds(allocate, tasks, agents, seed) for seed in range(rounds))
    for kind, tasks, agents in losses:
        result["loss"][f"{kind}, {tasks} tasks, {agents} agents"] = loss(kind, tasks, agents, games)
    print(report(result))
    if not arguments.dry and not arguments.quick:
        store("auctions", result)
        write_section("auctions", report(result))


def uniform(tasks: int, agents: int, rng: random.Random) -> Costs:
    """Costs that have nothing to do with each other."""
    return [[rng.uniform(1, 100) for _ in range(tasks)] for _ in range(agents)]


def capability(tasks: int, agents: int, rng: random.Random) -> Costs:
    """Each task needs one skill of five, and who has little of it works on it for longer."""
    needs = [(rng.uniform(1, 100), rng.randrange(5)) for _ in range(tasks)]
    levels = [[rng.uniform(0.1, 1) for _ in range(5)] for _ in range(agents)]
    return [[size / level[skill] for size, skill in needs] for level in levels]


def machines(tasks: int, agents: int, rng: random.Random) -> Costs:
    """Some agents are faster at everything, give or take a tenth."""
    sizes, speeds = [rng.uniform(1, 100) for _ in range(tasks)], [rng.uniform(0.2, 1) for _ in range(agents)]
    return [[size / speed * rng.uniform(0.9, 1.1) for size in sizes] for speed in speeds]


KINDS: dict[str, Callable[[int, int, random.Random], Costs]] = {
    "uniform": uniform,
    "capability": capability,
    "machine": machines,
}


def milliseconds(rule: Callable[..., Any], tasks: int, agents: int, seed: int) -> float:
    """CPU time of one call; every task may be left for more than any agent asks."""
    costs = uniform(tasks, agents, random.Random(seed))
    before = time.process_time()
    rule(costs, -(-tasks // agents), 200)
    return (time.process_time() - before) * 1000


def loss(kind: str, tasks: int, agents: int, games: int) -> dict[str, list[float]]:
    """For each order the mean and the worst ratio of its total to the optimum."""
    ratios: dict[str, list[float]] = {"optimum": [], **{order: [] for order in ORDERS}}
    capacity = -(-tasks // agents)
    for game in range(games if tasks < 500 else max(1, games // 10)):
        costs = KINDS[kind](tasks, agents, random.Random(f"{kind} {tasks} {agents} {game}"))
        best = reference(costs, capacity)
        ratios["optimum"].append(float(allocate(costs, capacity).total) / best)
        for order in ORDERS:
            ratios[order].append(float(in_turn(costs, capacity, order=order).total) / best)
    return {name: [fmean(values), max(values)] for name, values in ratios.items()}


def reference(costs: Costs, capacity: int) -> float:
    """The optimum by SciPy alone, in floats."""
    slots = np.repeat(np.array(costs), capacity, axis=0)
    return float(slots[linear_sum_assignment(slots)].sum())


def report(result: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    times = [
        [name, f"{spent:.2f}", f"{paid:.2f}"]
        for (name, spent), paid in zip(result["allocate"].items(), result["vcg"].values(), strict=True)
    ]
    losses = [
        [name, *(f"{mean:.3f} [{worst:.3f}]" for mean, worst in row.values())] for name, row in result["loss"].items()
    ]
    orders = ["optimum", "as given", "lowest bid next", "largest regret next"]
    return (
        f"{table(['tasks and agents', 'allocation, CPU ms', 'with VCG payments, CPU ms'], times)}\n\n"
        f"{table(['total cost over the optimum, mean [worst]', *orders], losses)}\n\n{conditions(result)}"
    )


if __name__ == "__main__":
    main()
