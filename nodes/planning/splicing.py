"""A plan with new subtrees under some of its tasks; what was done keeps its ids, and so does what is not concerned."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from .facts import Ground
from .plan import Plan, PlanNode

Dropped = Mapping[int, tuple[Ground, int]]  # id -> (ground task, the task that it was done for)


@dataclass(frozen=True, slots=True)
class Splice:
    """What is put into a plan.

    Args:
        reopened: The tasks that get new subtasks.
        found: A plan of what is left, whose root has a task for each of them and for each step that stays.
        ids: The keys of that root -> the ids in the old plan.
        credited: Done steps that count in `found`: id -> task.
        fresh: New tasks get ids above it.
    """

    reopened: frozenset[int]
    found: Plan
    ids: Mapping[str, int]
    credited: Mapping[int, Ground]
    fresh: int


def spliced(plan: Plan, done: Sequence[int], dropped: Dropped, new: Splice) -> tuple[Plan, Dropped]:
    """The plan with the new subtrees, and the done steps that are no part of it.

    The steps that were done come first, in the order in which they were done.

    Args:
        plan: The plan under way.
        done: Ids of what was done.
        dropped: What was done and is no part of the plan any more.
        new: What is put into it.
    """
    inside = under(plan, new.reopened)
    nodes = _renamed(plan, done, inside, new)
    steps = [id_ for id_, node in nodes.items() if node.is_step]
    earlier = [step.id for step in plan.steps if step.id not in inside and step.id not in nodes]
    place = {id_: place for place, id_ in enumerate(done)}
    sequence = sorted([*earlier, *steps], key=lambda id_: place.get(id_, len(place)))  # Stable.
    kept = {node.id: node for node in plan.nodes if node.id not in inside}
    stored = tuple([one for one in plan.contingencies if _spoken_of(one) <= kept.keys()])
    mended = Plan(
        plan.domain, plan.start, nodes=_in_order(kept | nodes, sequence), root=plan.root, contingencies=stored
    )
    return mended, _left_over(plan, mended, done, dropped)


def under(plan: Plan, ids: Collection[int]) -> set[int]:
    """Some tasks and all below them."""
    found = set(ids)
    for node in plan.nodes:  # A task stands before its subtasks.
        if node.parent in found:
            found.add(node.id)
    return found


def _renamed(plan: Plan, done: Sequence[int], inside: Collection[int], new: Splice) -> dict[int, PlanNode]:
    """The tasks of what was found, with the ids of the plan where they are in it and with new ones else."""
    number = count(new.fresh + 1)
    left = dict(new.credited)
    # A task that comes back keeps its id, and so what was done for it.
    again = {plan.by_id[id_].task: id_ for id_ in {*inside} - new.reopened if plan.by_id[id_].method}
    known: dict[int, int] = {}
    nodes: dict[int, PlanNode] = {}
    for node in new.found.nodes:
        key, parent = node.key, known.get(node.parent, 0)
        if node.parent:
            same = next((id_ for id_, task in left.items() if task == node.task), None) if node.is_step else None
            id_ = same or (again.pop(node.task, None) if node.method else None) or next(number)
        else:
            id_ = new.ids[key]
            key, parent = plan.by_id[id_].key, plan.by_id[id_].parent
            if node.is_step and id_ in new.reopened and id_ in done and id_ not in left:
                id_ = next(number)  # A step of the root that the world undid: it is done once more.
        left.pop(id_, None)
        known[node.id] = id_
        nodes[id_] = PlanNode(id_, node.task, key, parent, node.method)
    return nodes


def _left_over(plan: Plan, mended: Plan, done: Sequence[int], dropped: Dropped) -> Dropped:
    found: dict[int, tuple[Ground, int]] = {}
    for id_ in done:
        if id_ not in mended.by_id:
            task, above = (plan.by_id[id_].task, id_) if id_ in plan.by_id else dropped[id_]
            while above in plan.by_id and above not in mended.by_id:
                above = plan.by_id[above].parent
            found[id_] = (task, above)
    return found


def _spoken_of(one: Any) -> set[int]:
    """The ids of tasks that a contingency speaks of."""
    return {one.step, *one.done.values(), *[int(key) for key, _ in one.plan.root.tasks]}


def _in_order(nodes: Mapping[int, PlanNode], sequence: Sequence[int]) -> tuple[PlanNode, ...]:
    """Tasks in the order of the steps, each task right before the first step under it; empty tasks at the end."""
    found: dict[int, PlanNode] = {}
    for id_ in [*sequence, *nodes]:
        path = []
        while id_ and id_ not in found:
            path.append(id_)
            id_ = nodes[id_].parent
        for one in reversed(path):
            found[one] = nodes[one]
    return tuple(found.values())
