"""How much does agreeing cost in Python, without a network? Committed entries per CPU second, on all nodes.

    .venv/bin/python bench/consensus.py [--rounds 5]

Messages are handed from node to node in memory; an entry counts when every node has applied it. Medians of the rounds.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import deque
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
from report import conditions, machine, store, table, write_section

from langgraph_agora.nodes.consensus.raft import LEADER, Raft
from langgraph_agora.nodes.consensus.voting import tally

RULES = ("majority", "plurality", "approval", "borda", "condorcet", "copeland", "schulze", "minimax", "irv")


def main() -> None:
    """Measure, store and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    result = {**machine(), "rounds": arguments.rounds, "raft": {}, "tally": {}}
    for nodes in (3, 5, 7):
        for batch, entries in ((1, 4_000), (64, 32_000)):
            result["raft"][f"{nodes} nodes, batch {batch}"] = median(
                raft(nodes, batch, entries) for _ in range(arguments.rounds)
            )
    for rule in RULES:
        result["tally"][rule] = median(count(rule) for _ in range(arguments.rounds))
    print(report(result))
    if not arguments.dry:
        store("consensus", result)
        write_section("consensus", report(result))


def raft(nodes: int, batch: int, entries: int) -> float:
    """Entries applied on all nodes per CPU second."""
    names = [f"n{i}" for i in range(nodes)]
    group = {name: Raft(name, names, rng=random.Random(1)) for name in names}
    applied = dict.fromkeys(names, 0)
    group["n0"].campaign()
    pump(group, applied)
    leader = group["n0"]
    assert leader.role == LEADER
    before = time.process_time()
    for start in range(0, entries, batch):
        for value in range(start, start + batch):
            leader.propose(value)
        pump(group, applied)
    spent = time.process_time() - before
    assert set(applied.values()) == {entries + 1}, applied
    return entries / spent


def pump(group: dict[str, Raft], applied: dict[str, int]) -> None:
    """Hand over messages until none is under way."""
    waiting = deque(group)
    while waiting:
        name = waiting.popleft()
        node = group[name]
        while (ready := node.ready()) is not None:
            applied[name] += len(ready.committed)
            node.advance()
            for message in ready.messages:
                group[message.to].step(message)
                if message.to not in waiting:
                    waiting.append(message.to)


def count(rule: str) -> float:
    """Milliseconds of CPU for 1,000 ballots over 10 options."""
    rng = random.Random(rule)
    options = [f"option {i}" for i in range(10)]
    ballots: dict[str, Any] = {f"v{i}": rng.sample(options, 10) for i in range(1000)}
    before = time.process_time()
    tally(ballots, rule=rule)
    return (time.process_time() - before) * 1000


def report(result: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    groups = [[name, f"{rate:,.0f}"] for name, rate in result["raft"].items()]
    rules = [[rule, f"{milliseconds:.1f}"] for rule, milliseconds in result["tally"].items()]
    return (
        f"{table(['Raft', 'entries per CPU second'], groups)}\n\n"
        f"{table(['1,000 ballots over 10 options', 'CPU ms'], rules)}\n\n{conditions(result)}"
    )


if __name__ == "__main__":
    main()
