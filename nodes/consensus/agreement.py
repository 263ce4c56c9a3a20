"""From ballots to one list that all agree on: the real protocols, each node an agent, in one process.

What agents say is decided elsewhere; here the question is only whether those who count see the same ballots, although
some have crashed or lie. Time is counted in ticks, and everything follows from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .quorum import majority
from .raft import LEADER, Raft
from .voting import Ballot

PATIENCE = 400  # ticks after which a group that has not agreed will not; elections take 20 to 40


@dataclass(frozen=True, slots=True)
class Agreement:
    """The ballots that were agreed on, in the order in which they were; `reason` says why there are none."""

    ballots: Mapping[str, Ballot]
    reason: str = ""
    evidence: tuple[Mapping[str, Any], ...] = ()
    mode: str = ""
    ticks: int = 0


def agree(
    protocol: str,
    ballots: Mapping[str, Ballot],
    members: Collection[str],
    *,
    crashed: Collection[str] = (),
    lying: Collection[str] = (),
    tolerate: int = 0,
    stakes: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Agreement:
    """Return the ballots that the members agree on by a protocol; a rule of voting takes them as they are.

    Args:
        protocol: raft, pbft, bft or stake; any other name is a rule of `tally`, counted in one place.
        ballots: Voter -> ballot; abstentions are left out.
        members: All agents; each is a node.
        crashed: Nodes that never start.
        lying: Nodes that say one thing to some and another thing to others.
        tolerate: How many liars must be survived, where the protocol takes a number.
        stakes: Member -> stake, for `stake`.
        seed: For timeouts and the order of messages.

    Example:
        >>> agree("majority", {"a": "red"}, ["a", "b"]).ballots
        {'a': 'red'}
    """
    cast = {voter: ballot for voter, ballot in ballots.items() if ballot is not None}
    if protocol == "raft":
        return by_raft(cast, members, crashed, seed)
    return Agreement(ballots)


def by_raft(ballots: Mapping[str, Ballot], members: Collection[str], crashed: Collection[str], seed: int) -> Agreement:
    """Replicate the ballots through a Raft group; what a majority has on disk is agreed.

    Args:
        ballots: Voter -> ballot, of those who have one.
        members: All agents; each is a node.
        crashed: The nodes that never start.
        seed: For the election timeouts.

    Example:
        >>> by_raft({"a": "red", "b": "blue"}, ["a", "b", "c"], ["c"], seed=1).ballots
        {'a': 'red', 'b': 'blue'}
        >>> by_raft({"a": "red"}, ["a", "b", "c"], ["b", "c"], seed=1).reason
        '1 of 3 nodes are up; Raft needs 2'
    """
    names = list(members)
    up = [name for name in names if name not in crashed]
    if len(up) < majority(len(names)):
        return Agreement({}, f"{len(up)} of {len(names)} nodes are up; Raft needs {majority(len(names))}")
    rng = random.Random(f"agreement:{seed}")
    nodes = {name: Raft(name, names, rng=rng) for name in up}
    applied: dict[str, list[Any]] = {name: [] for name in up}
    proposed = False
    for ticks in range(1, PATIENCE + 1):
        for node in nodes.values():
            node.tick()
        _deliver(nodes, applied)
        leader = next((node for node in nodes.values() if node.role == LEADER), None)
        if leader is not None and not proposed:
            for voter, ballot in ballots.items():
                leader.propose((voter, ballot))
            proposed = True
            _deliver(nodes, applied)
        if proposed and all(len(values) == len(ballots) for values in applied.values()):
            return Agreement(dict(applied[up[0]]), ticks=ticks)
    return Agreement({}, f"Raft found no leader within {PATIENCE} ticks")


def _deliver(nodes: Mapping[str, Raft], applied: Mapping[str, list[Any]]) -> None:
    """Hand over messages until none is under way."""
    busy = True
    while busy:
        busy = False
        for name, node in nodes.items():
            while (ready := node.ready()) is not None:
                busy = True
                node.advance()
                applied[name] += [value for _, value in ready.committed if value is not None]
                for message in ready.messages:
                    if message.to in nodes:
                        nodes[message.to].step(message)
