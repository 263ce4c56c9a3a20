"""The order that a plan needs: what its methods ask for, and what its steps read and write.

Two steps may run side by side when neither writes what the other reads or writes (Backstrom, Computational Aspects of
Reordering Plans, JAIR 1998: deordering). Where that is unknown, for Python functions, the order that was found is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .facts import Args

if TYPE_CHECKING:
    from .plan import Plan, PlanNode

Variable = tuple[str, Args]
Ids = frozenset[int]
NONE: Ids = frozenset()


def constraints(plan: Plan) -> dict[int, Ids]:
    """For each step of a plan the steps that must be finished before it begins.

    A method's conditions were true where the task was decomposed: what wrote them comes before its steps, and what
    overwrites them after its first step. Additions to one variable commute, so they do not wait for one another.
    """
    log = _Log()
    declared = plan.domain.is_declared
    found: dict[int, Ids] = {}
    before: dict[int, Ids] = {}
    late: dict[int, Ids] = {}
    last: Ids = NONE
    reads_under = _conditions(plan) if declared else {}
    for node in plan.nodes:
        outer = before.get(node.parent, NONE)
        siblings = _siblings(plan, node)
        inner = frozenset(id_ for one in siblings for id_ in _exits(plan, one, before, late)) if siblings else outer
        if not node.is_step:
            for variable in reads_under.get(node.id, ()):
                inner |= log.writers(variable)
            before[node.id] = inner
            continue
        before[node.id] = inner | last
        if declared:
            before[node.id] |= log.step(plan, node, reads_under.get(node.id, ()))
        else:
            last = frozenset([node.id])
        waits = before[node.id] - {node.id}
        found[node.id] = waits & found.keys()
        # In a mended plan a step that was done may stand before others of its new method; through it they are awaited.
        if len(found[node.id]) < len(waits):
            late[node.id] = waits - found.keys()
    return found


def critical_path(plan: Plan) -> tuple[float, list[int]]:
    """The length of the longest chain of steps that wait for one another, and the chain."""
    ends: dict[int, float] = {}
    via: dict[int, int | None] = {}
    for step in plan.steps:
        before = max(plan.order[step.id], key=lambda id_: (ends[id_], -id_), default=None)
        via[step.id] = before
        ends[step.id] = (ends[before] if before is not None else 0) + plan.duration_of(step)
    last = max(ends, key=lambda id_: (ends[id_], -id_), default=None)
    length, path = (ends[last] if last is not None else 0), []
    while last is not None:
        path.append(last)
        last = via[last]
    return length, path[::-1]


@dataclass
class _Trace:
    """Who wrote a variable last, who read it since; additions form a group that waits for `base`."""

    writers: Ids = NONE
    readers: Ids = NONE
    adding: bool = False
    base: Ids = NONE


@dataclass
class _Log:
    """What was read and written so far, in the order of the steps."""

    traces: dict[Variable, _Trace] = field(default_factory=dict)

    def writers(self, variable: Variable) -> Ids:
        """Who wrote it last."""
        trace = self.traces.get(variable)
        return trace.writers if trace else NONE

    def step(self, plan: Plan, step: PlanNode, tested: Iterable[Variable]) -> Ids:
        """Note what a step reads and writes; returns whom it waits for. `tested`: what methods above it read."""
        pre, eff = plan.domain.operator[step.task[0]].ground(step.task[1:])
        own = {(one.name, one.args) for one in pre if one.args is not None}
        reads: set[Variable] = own | set(tested)
        sets = {(one.name, one.args or ()) for one in eff if one.sign == "="}
        adds = {(one.name, one.args or ()) for one in eff} - sets
        sets |= adds & own  # It adds to what it has tested: no addition of another may come between.
        adds -= own
        waits: set[int] = set()
        for variable in reads - sets:
            trace = self.traces.setdefault(variable, _Trace())
            waits |= trace.writers
            trace.readers |= {step.id}
        for variable in sets:
            trace = self.traces.setdefault(variable, _Trace())
            waits |= trace.writers | trace.readers
            self.traces[variable] = _Trace(frozenset([step.id]))
        for variable in adds:
            trace = self.traces.setdefault(variable, _Trace())
            if not trace.adding or trace.readers:
                trace = _Trace(adding=True, base=trace.writers | trace.readers)
            waits |= trace.base
            trace.writers |= {step.id}
            self.traces[variable] = trace
        return frozenset(waits) - {step.id}


def _conditions(plan: Plan) -> dict[int, set[Variable]]:
    """What the conditions of methods read: by the id of the task, and by the id of the first step under it."""
    reads: dict[int, set[Variable]] = {}
    open_: dict[
        int, set[Variable]
    ] = {}  # Task -> what is tested by it and by the tasks above it that have no step yet.
    for node in plan.nodes:
        above = open_.pop(node.parent, set())
        if node.is_step:
            if above:
                reads[node.id] = above
            continue
        own = plan.condition_reads(node)
        if own:
            reads[node.id] = own
        open_[node.id] = above | own
    return reads


def _siblings(plan: Plan, node: PlanNode) -> list[PlanNode]:
    """The tasks beside a task that must be finished before it."""
    beside, after = plan.family(node.parent)
    place = plan.place[node.id]
    if after is None:
        return [beside[place - 1]] if place else []
    return [beside[one] for one in after[place]]


def _exits(plan: Plan, node: PlanNode, before: Mapping[int, Ids], late: Mapping[int, Ids]) -> Ids:
    """The last steps under a task; where it has none, what it waited for itself."""
    found: set[int] = set()
    stack = [node]
    while stack:
        one = stack.pop()
        if one.is_step:
            found.add(one.id)
            found |= late.get(one.id, NONE)
            continue
        beside, after = plan.family(one.id)
        if not beside:
            while one.parent and one.id not in before and not _siblings(plan, one):  # It stands later in the list.
                one = plan.by_id[one.parent]
            found |= before.get(one.id, NONE)
            stack.extend(_siblings(plan, one) if one.id not in before else ())
        elif after is None:
            stack.append(beside[-1])
        else:
            waited_for = {place for places in after for place in places}
            stack.extend(child for place, child in enumerate(beside) if place not in waited_for)
    return frozenset(found)
