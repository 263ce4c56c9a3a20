"""What does an agent cost the client, per model call, beside the call itself? CPU, requests and prompt tokens.

    .venv/bin/python bench/overhead.py [--rounds 30] [--runs 20]

A five-step job (four tool calls, then the answer) against a scripted server in another process. Every round runs every
contestant once, in turn, so that other work on the machine hits all of them; the ratio is taken within a round. CPU is
user and system time of this process, which other work disturbs less than wall time, though not nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
from contestants import contestants
from openai_server import counts, running
from report import conditions, cpu_seconds, machine, store, table, write_section

CALLS = 5
BASE = "create_agent"


def main() -> None:
    """Measure, store and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--runs", type=int, default=20, help="jobs of each contestant in a round")
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    result = {**machine(), "rounds": arguments.rounds, "runs": arguments.runs, **measure(arguments)}
    print(report(result))
    if not arguments.dry:
        store("overhead", result)
        write_section("overhead", report(result))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """CPU milliseconds per model call of every round, and the requests and prompt tokens of one run."""
    with running(CALLS) as url, asyncio.Runner() as runner:
        field = contestants(url)
        asked = {}
        for name, contestant in field.items():  # Also the warm-up.
            runner.run(contestant.arun())
            contestant.run()
            counts(url)
            contestant.run()
            asked[name] = counts(url)
        columns: dict[str, dict[str, list[float]]] = {"sync": {}, "async": {}}
        for _ in range(arguments.rounds):
            for name, contestant in field.items():
                jobs = {
                    "sync": lambda c=contestant: repeat(c.run, arguments.runs),
                    "async": lambda c=contestant: runner.run(arepeat(c.arun, arguments.runs)),
                }
                for column, job in jobs.items():
                    columns[column].setdefault(name, []).append(cpu_of(job) * 1000 / arguments.runs / CALLS)
    return {"cpu_ms_per_call": columns, "asked": asked}


def cpu_of(job: Callable[[], None]) -> float:
    """CPU seconds of a job; garbage of the others is collected before."""
    gc.collect()
    before = cpu_seconds()
    job()
    return cpu_seconds() - before


def repeat(run: Callable[[], None], times: int) -> None:
    """Run one after the other."""
    for _ in range(times):
        run()


async def arepeat(run: Callable[[], Any], times: int) -> None:
    """Await one after the other."""
    for _ in range(times):
        await run()


def ratio(values: dict[str, list[float]], name: str) -> float:
    """The median, over the rounds, of a contestant's CPU divided by create_agent's in the same round."""
    return median(own / base for own, base in zip(values[name], values[BASE], strict=True))


def report(result: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    sync, aio = result["cpu_ms_per_call"]["sync"], result["cpu_ms_per_call"]["async"]
    rows = [
        [
            f"`{name}`",
            *(f"{median(values[name]):.2f}" for values in (sync, aio)),
            *(f"{ratio(values, name):.2f}" for values in (sync, aio)),
            asked["requests"],
            asked["prompt_tokens"],
        ]
        for name, asked in result["asked"].items()
    ]
    head = ["", "CPU ms/call, invoke", "ainvoke", f"x `{BASE}`, invoke", "ainvoke", "requests", "prompt tokens"]
    how = next(iter(result["asked"].values()))["counted_by"]
    words = (
        f"A job of four tool calls and an answer; medians of {result['rounds']} interleaved rounds of {result['runs']} "
        f"jobs. `create_react` keeps its full trace with the loop guard on. Tokens counted by {how}."
    )
    return f"{words}\n\n{table(head, rows)}\n\n{conditions(result)}"


if __name__ == "__main__":
    main()
