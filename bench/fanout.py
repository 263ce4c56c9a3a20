"""Fifty agents at once, three model calls each, a server that takes 100 ms a call: wall time and CPU.

    .venv/bin/python bench/fanout.py [--rounds 9]

No client can do it in less than 0.3 s, and one Python process needs its CPU time besides. Every round runs every way
once, in turn; medians are over the rounds. Under other load fifty threads get a larger share of the machine than one
event loop, so compare threads with threads and loop with loop.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
from contestants import contestants
from openai_server import counts, running
from report import conditions, cpu_seconds, machine, store, table, write_section

AGENTS, CALLS, DELAY = 50, 3, 0.1
BASES = {"ainvoke": "create_agent, ainvoke", "invoke": "create_agent, invoke in threads"}


def main() -> None:
    """Measure, store and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    result = {**machine(), "rounds": arguments.rounds, "ways": measure(arguments.rounds)}
    print(report(result))
    if not arguments.dry:
        store("fanout", result)
        write_section("fanout", report(result))


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Wall and CPU seconds of each way in each round; the first round is the warm-up and is left out."""
    with running(CALLS, DELAY) as url, asyncio.Runner() as runner, ThreadPoolExecutor(AGENTS) as pool:
        field = {name: entry for name, entry in contestants(url).items() if not name.startswith("hand")}
        rows: dict[str, dict[str, list[float]]] = {}
        for number in range(rounds + 1):
            for name, contestant in field.items():
                jobs: dict[str, Callable[[], Any]] = {
                    "ainvoke": lambda c=contestant: runner.run(all_at_once(c)),
                    "invoke in threads": lambda c=contestant: list(pool.map(lambda _: c.run(), range(AGENTS))),
                }
                for way, job in jobs.items():
                    wall, cpu = timed(job)
                    if (asked := counts(url)["requests"]) != AGENTS * CALLS:
                        raise RuntimeError(f"{name} made {asked} requests instead of {AGENTS * CALLS}")
                    if number:
                        row = rows.setdefault(f"{name}, {way}", {"wall": [], "cpu": []})
                        row["wall"].append(wall)
                        row["cpu"].append(cpu)
    return rows


async def all_at_once(contestant: Any) -> None:
    """Start all agents, await them all."""
    await asyncio.gather(*(contestant.arun() for _ in range(AGENTS)))


def timed(job: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds of a job."""
    gc.collect()
    cpu, wall = cpu_seconds(), time.perf_counter()
    job()
    return time.perf_counter() - wall, cpu_seconds() - cpu


def report(result: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    ways = result["ways"]
    rows = []
    for name, row in ways.items():
        base = ways[BASES["ainvoke" if name.endswith("ainvoke") else "invoke"]]
        ratio = median(own / other for own, other in zip(row["wall"], base["wall"], strict=True))
        rows.append([f"`{name}`", f"{median(row['wall']):.2f}", f"{median(row['cpu']):.2f}", f"{ratio:.2f}"])
    words = (
        f"{AGENTS} agents in parallel, {CALLS} model calls each, {DELAY * 1000:.0f} ms a call; medians of "
        f"{result['rounds']} interleaved rounds. The last column divides by `create_agent` run the same way."
    )
    return f"{words}\n\n{table(['', 'wall s', 'CPU s', 'x wall of `create_agent`'], rows)}\n\n{conditions(result)}"


if __name__ == "__main__":
    main()
