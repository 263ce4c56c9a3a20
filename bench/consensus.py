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
from langchain_core.runnables import RunnableLambda
from report import conditions, machine, store, table, write_section

from langgraph_agora import create_consensus
from langgraph_agora.nodes.consensus.pbft import Replica
from langgraph_agora.nodes.consensus.pbft_messages import request
from langgraph_agora.nodes.consensus.raft import LEADER, Raft
from langgraph_agora.nodes.consensus.signing import HmacSigner
from langgraph_agora.nodes.consensus.voting import tally

SECRET = b"a secret of the whole group"
RULES = ("majority", "plurality", "approval", "borda", "condorcet", "copeland", "schulze", "minimax", "irv")


def main() -> None:
    """Measure, store and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    result = {**machine(), "rounds": arguments.rounds, "raft": {}, "pbft": {}, "tally": {}, "early": {}}
    for nodes in (3, 5, 7):
        for batch, entries in ((1, 4_000), (64, 32_000)):
            result["raft"][f"{nodes} nodes, batch {batch}"] = median(
                raft(nodes, batch, entries) for _ in range(arguments.rounds)
            )
    for batch, requests in ((1, 1_000), (64, 6_400)):
        result["pbft"][f"4 nodes, {batch} a pre-prepare"] = median(
            pbft(batch, requests) for _ in range(arguments.rounds)
        )
    for agents in (5, 9, 21):
        for at_once in (1, 4):
            result["early"][f"{agents} agents, {at_once} at once"] = calls_saved(agents, at_once)
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


def pbft(batch: int, requests: int) -> float:
    """Requests executed on all four replicas per CPU second; signed and verified with HMAC."""
    names = [f"n{i}" for i in range(4)]
    group = {name: Replica(name, names, signer=HmacSigner(name, SECRET), max_batch=batch) for name in names}
    client, executed = HmacSigner("client", SECRET), dict.fromkeys(names, 0)
    given = [request(client, "client", number, "blue") for number in range(1, requests + 1)]
    before = time.process_time()
    for start in range(0, requests, batch):
        for one in given[start : start + batch]:
            group["n0"].propose(one)
        waiting = deque(group)
        while waiting:
            name = waiting.popleft()
            while (ready := group[name].ready()) is not None:
                executed[name] += sum(len(done) for _, done in ready.executed)
                group[name].advance()
                for recipients, message in ready.messages:
                    for recipient in recipients:
                        group[recipient].step(message)
                        if recipient not in waiting:
                            waiting.append(recipient)
    spent = time.process_time() - before
    assert set(executed.values()) == {requests}, executed
    return requests / spent


def calls_saved(agents: int, at_once: int, runs: int = 200) -> float:
    """The share of model calls that a majority does without; each agent says the common thing in two runs of three."""
    rng, made = random.Random(f"{agents} {at_once}"), 0
    for _ in range(runs):
        answers = [rng.choice(["red", "red", f"other {i}"]) for i in range(agents)]
        panel = [RunnableLambda(Counted(answer), name=f"a{i}") for i, answer in enumerate(answers)]
        graph = create_consensus(panel, rounds=1).compile()
        graph.invoke({"messages": [("user", "Which colour?")]}, {"max_concurrency": at_once})
        made += sum(agent.func.calls for agent in panel)
    return 1 - made / (runs * agents)


class Counted:
    """An agent that counts how often it was asked."""

    def __init__(self, answer: str) -> None:
        self.answer, self.calls = answer, 0
        self.__name__ = "counted"

    def __call__(self, given: Any) -> str:
        self.calls += 1
        return self.answer


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
    orders = [[name, f"{rate:,.0f}"] for name, rate in result["pbft"].items()]
    saved = [[name, f"{share:.0%}"] for name, share in result["early"].items()]
    rules = [[rule, f"{milliseconds:.1f}"] for rule, milliseconds in result["tally"].items()]
    return (
        f"{table(['Raft', 'entries per CPU second'], groups)}\n\n"
        f"{table(['PBFT with HMAC', 'requests per CPU second'], orders)}\n\n"
        f"{table(['a majority of agents, two in three of one mind', 'model calls saved by stopping early'], saved)}\n\n"
        f"{table(['1,000 ballots over 10 options', 'CPU ms'], rules)}\n\n{conditions(result)}"
    )


if __name__ == "__main__":
    main()
