"""How a team did, from the trace of its attempts alone: makespan, critical path, parallelism, success, moves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DONE, PARTIAL, SKIPPED = "done", "partial", "skipped"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Performance:
    """What a trace says. Times are seconds.

    Attributes:
        makespan: From the beginning of the first attempt to the end of the last.
        critical_path: The longest chain of subtasks that waited for each other, all their attempts counted: no team,
            however large, could have been quicker with this plan.
        critical_ids: The subtasks on it, in order.
        parallelism: The seconds of all attempts over the makespan: how many worked at once on average.
        success_rate: The share of subtasks that were done; joins, which put others together, do not count.
        reassignments: How many attempts were made by another agent after one had failed.
        agents: Agent -> {"done", "failed", "seconds", "busy"}; `busy` is the share of the makespan it was at work.
    """

    makespan: float
    critical_path: float
    critical_ids: tuple[str, ...]
    parallelism: float
    success_rate: float
    reassignments: int
    agents: Mapping[str, Mapping[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "makespan": self.makespan,
            "critical_path": {"seconds": self.critical_path, "ids": list(self.critical_ids)},
            "parallelism": self.parallelism,
            "success_rate": self.success_rate,
            "reassignments": self.reassignments,
            "agents": {name: dict(row) for name, row in self.agents.items()},
        }


def performance(trace: Sequence[Row], joins: Collection[str] = ()) -> Performance:
    """Return how a team did.

    Args:
        trace: One row an attempt: {"subtask", "after", "agent", "started", "ended", "outcome"}, in any order. `after`
            lists the subtasks that it waited for, the times are seconds from any one moment, `outcome` is "done",
            "skipped" (never begun) or anything else (failed).
        joins: The subtasks that only put others together.

    Example:
        >>> row = {"subtask": "1", "after": [], "agent": "ann", "started": 0.0, "ended": 2.0, "outcome": "late"}
        >>> again = {**row, "agent": "bob", "started": 2.0, "ended": 5.0, "outcome": "done"}
        >>> found = performance([row, again])
        >>> found.makespan, found.critical_path, found.reassignments, found.agents["ann"]["failed"]
        (5.0, 5.0, 1, 1)
    """
    tried = [row for row in trace if row["outcome"] != SKIPPED]
    begun = min((row["started"] for row in tried), default=0.0)
    makespan = max((row["ended"] for row in tried), default=0.0) - begun
    work = sum(_seconds(row) for row in tried)
    subtasks = {row["subtask"] for row in trace if row["subtask"] not in joins}
    done = {row["subtask"] for row in trace if row["outcome"] == DONE and row["subtask"] in subtasks}
    length, ids = _longest(trace)
    return Performance(
        makespan=round(makespan, 6),
        critical_path=round(length, 6),
        critical_ids=tuple(ids),
        parallelism=round(work / makespan, 6) if makespan > 0 else 0.0,
        success_rate=round(len(done) / len(subtasks), 6) if subtasks else 0.0,
        reassignments=len(tried) - len({row["subtask"] for row in tried}),
        agents={name: _agent(tried, name, makespan) for name in sorted({row["agent"] for row in tried})},
    )


def _seconds(row: Row) -> float:
    return float(row["ended"] - row["started"])


def _agent(tried: Sequence[Row], name: str, makespan: float) -> dict[str, float]:
    own = sorted((row for row in tried if row["agent"] == name), key=lambda row: (row["started"], row["ended"]))
    done = sum(row["outcome"] == DONE for row in own)
    busy, until = 0.0, float("-inf")
    for row in own:  # Attempts at the same time count once.
        busy += max(0.0, row["ended"] - max(row["started"], until))
        until = max(until, row["ended"])
    share = round(busy / makespan, 6) if makespan > 0 else 0.0
    seconds = round(sum(_seconds(row) for row in own), 6)
    return {"done": done, "failed": len(own) - done, "seconds": seconds, "busy": share}


def _longest(trace: Sequence[Row]) -> tuple[float, list[str]]:
    """The longest chain of subtasks, by the seconds of all attempts; of equal ones the first by its ids."""
    own: dict[str, float] = {}
    waits: dict[str, set[str]] = {}
    for row in trace:
        own[row["subtask"]] = own.get(row["subtask"], 0.0) + _seconds(row)
        waits.setdefault(row["subtask"], set()).update(row["after"])
    best: dict[str, tuple[float, list[str]]] = {}
    left = set(own)
    while left:
        ready = sorted(id_ for id_ in left if not waits[id_] & left)
        for id_ in ready:
            before = [best[other] for other in waits[id_] if other in best]
            length, ids = min(before, key=lambda one: (-one[0], one[1]), default=(0.0, []))
            best[id_] = (length + own[id_], [*ids, id_])
        if not ready:  # No trace of a plan: its subtasks wait for each other.
            break
        left -= set(ready)
    return min(best.values(), key=lambda one: (-one[0], one[1]), default=(0.0, []))
