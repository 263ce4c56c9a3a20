"""Mending a plan that broke: the smallest part of it is planned anew, and what was done stays done.

A repair decomposes as few tasks again as it can: first the task whose step failed, by another method; then the task
above it, and so on to the root. With a step whose condition no longer holds goes the one that had made it true. The
rest of the plan stays as it is, provided that it can still be carried out after the new part, and so do its ids.

Sources: IPyHOP (Bansod et al., 2022) for keeping the tree; SHOPFixer (Goldman, Kuter, Freedman, 2020) for causal links.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .facts import Args, Ground
from .plan import Plan, PlanNode
from .search import Limits, find_plan
from .splicing import Dropped, Splice, spliced, under

Forbidden = frozenset[tuple[Ground, str]]
LIMITS = Limits()
REPAIR, REPLAN, CONTINGENCY = "repair", "replan", "contingency"


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that could not be carried out.

    Args:
        step: Its id.
        kind: error, timeout, empty (a worker said nothing), rejected (by a person), precondition (a condition does not
            hold in the state that was observed), effect (the call succeeded and its effects cannot be observed).
        reason: In words.
    """

    step: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Repair:
    """A mended plan, or why there is none.

    `kind` is contingency, repair or replan; `replaced` are the ids of the tasks that were decomposed anew, and
    `decompositions` counts the new ones in the plan.
    `dropped` are the done steps that are no part of the plan any more: id -> (ground task, the task it was done for).
    """

    plan: Plan | None
    kind: str = ""
    replaced: tuple[int, ...] = ()
    decompositions: int = 0
    explanation: str = ""
    dropped: Dropped = field(default_factory=dict)


def repair(
    plan: Plan,
    done: Sequence[int],
    state: Any,
    failure: Failure,
    *,
    also: Sequence[Failure] = (),
    without: Forbidden = frozenset(),
    dropped: Mapping[int, tuple[Ground, int]] = {},
    limits: Limits = LIMITS,
    fresh: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> Repair:
    """Mend a plan after a step failed.

    Args:
        plan: The plan under way, with the steps that were done.
        done: Ids of the steps that were carried out, in this order.
        state: What was observed; for domains of Python functions the state that is believed.
        failure: What failed.
        also: What failed beside it.
        without: What may not be used again: (ground task, method), (ground operator, "").
        dropped: What earlier repairs dropped: it counts too, for the task that it was done for.
        limits: Search nodes of each search, and seconds of all together.
        fresh: New tasks get ids above it, and above all in the plan.
        clock: What the seconds are measured with.

    Returns:
        The mended plan with the same done steps. A stored contingency of the step is taken when it and the rest of the
        plan can be carried out in this state; else the smallest repair; else the whole problem planned anew. `plan` is
        None when nothing works.
    """
    ends = None if limits.seconds is None else clock() + limits.seconds
    known = tuple(id_ for id_ in done if id_ in plan.by_id or id_ in dropped)
    job = _Job(plan, known, state, without, dropped, limits, max([fresh, *done, *plan.by_id]), clock, ends)
    last = Repair(None)
    for last in job.mended((failure, *also)):
        if last.plan is not None and job.executes(last.plan):
            return last
    return Repair(None, explanation=last.explanation)


def _widening(plan: Plan, failures: Sequence[Failure], producers: Sequence[int]) -> Iterator[frozenset[int]]:
    """Sets of tasks to decompose anew, from the smallest to the tasks of the root; far up in steps that grow."""
    chains = [_above(plan, id_) for id_ in (*[one.step for one in failures], *producers)]
    tried: set[frozenset[int]] = set()
    level = 0
    while level < max(map(len, chains)):
        for some in (chains[: len(failures)], chains):
            picked = frozenset(chain[min(level, len(chain) - 1)] for chain in some)
            outer = frozenset(id_ for id_ in picked if not picked & set(_above(plan, id_)) - {id_})
            if outer not in tried:
                tried.add(outer)
                yield outer
        level += max(1, level // 2)


def _above(plan: Plan, id_: int) -> list[int]:
    """The tasks above a task, the nearest first; a task of the root stands for itself."""
    found = []
    node = plan.by_id[id_]
    while node.parent:
        found.append(node.parent)
        node = plan.by_id[node.parent]
    return found or [id_]


@dataclass
class _Job:
    """One repair: the broken plan and what is known."""

    plan: Plan
    done: tuple[int, ...]
    state: Any
    without: Forbidden
    dropped: Dropped
    limits: Limits
    highest: int
    clock: Callable[[], float]
    ends: float | None

    def mended(self, failures: Sequence[Failure]) -> Iterator[Repair]:
        """What can be done, in the order in which it is to be tried; at last why there is nothing."""
        plan, unfinished = self.plan, self.unfinished()
        yield from self.stored(failures[0])
        sets = [*_widening(plan, failures, self.producers(failures))]
        for reopened in sets if unfinished in sets else [*sets, unfinished]:
            for credits_ in self.credits(reopened):
                yield self.decomposed(reopened, credits_)
        # What Python functions did is not counted: the tasks that are done may not be planned again.
        if plan.domain.is_declared or len(unfinished) == len(plan.children[0]):
            yield from self.replanned()

    def stored(self, failure: Failure) -> Iterator[Repair]:
        """The contingency that is kept for a step, where it failed for good and nothing would be done twice."""
        plan, done = self.plan, set(self.done)
        stored = next((one for one in plan.contingencies if one.step == failure.step), None)
        if stored is None or forbidden(plan, failure) not in self.without:
            return
        credited = [*stored.done.values()]
        # Steps that ran beside it may be further than was predicted, and work may have been dropped since.
        inside = under(plan, stored.reopened)
        kept = [above for _, above in self.dropped.values()] + [id_ for id_ in done if id_ not in credited]
        if not inside & {*kept}:
            yield self.spliced(frozenset(stored.reopened), stored.plan, credited, CONTINGENCY)

    def unfinished(self) -> frozenset[int]:
        """The tasks of the root that are not done."""
        done, root = set(self.done), dict[int, int]()
        for node in self.plan.nodes:  # A task stands before its subtasks.
            root[node.id] = root.get(node.parent, node.id)
        return frozenset(root[step.id] for step in self.plan.steps if step.id not in done)

    def decomposed(self, reopened: frozenset[int], credits_: Sequence[int]) -> Repair:
        """Decompose some tasks anew, and go on with the rest of the plan as it was."""
        plan, done = self.plan, set(self.done)
        inside = {step.id: id_ for id_ in reopened for step in plan.steps_under(id_)}
        keys: dict[str, int] = {}
        idle = [id_ for id_ in sorted(reopened) if all(step.id in done for step in plan.steps_under(id_))]
        sequence = [*idle, *(inside.get(step.id, step.id) for step in plan.steps if step.id not in done)]
        for id_ in sequence:
            keys.setdefault(str(id_), id_)
        network = [(key, plan.by_id[id_].task) for key, id_ in keys.items()]
        found = self.searched(network, "total", credits_, 0.5)
        return self.spliced(reopened, found, credits_, REPAIR) if found else _none(found)

    def replanned(self) -> Iterator[Repair]:
        """Plan the whole problem anew; what was done counts as long as its effects are there."""
        plan = self.plan
        roots = frozenset(node.id for node in plan.children[0])
        ids = {node.key: node.id for node in plan.children[0]}
        keys = [key for key, _ in plan.root.tasks]
        order: Any = "total"
        if plan.root.after is not None:
            order = [(keys[one], keys[place]) for place, before in enumerate(plan.root.after) for one in before]
        for credits_ in self.credits(roots):
            found = self.searched(plan.root.tasks, order, credits_, 1.0)
            yield self.spliced(roots, found, credits_, REPLAN, ids) if found else _none(found)

    def searched(self, tasks: Sequence[Any], order: Any, credits_: Sequence[int], share: float) -> Plan:
        """Look for a plan from here, for at most a share of the seconds that are left."""
        seconds = None if self.ends is None else max(1e-3, (self.ends - self.clock()) * share)
        return find_plan(
            *(self.plan.domain, self.state, tasks),
            order=order,
            without=self.without,
            done=[*self.tasks(credits_).values()],
            prefer=self.preferred(credits_),
            limits=replace(self.limits, seconds=seconds),
            clock=self.clock,
        )

    def tasks(self, ids: Sequence[int]) -> dict[int, Ground]:
        """The tasks of done steps."""
        return {id_: self.plan.by_id[id_].task if id_ in self.plan.by_id else self.dropped[id_][0] for id_ in ids}

    def preferred(self, credits_: Sequence[int]) -> dict[Ground, str]:
        """The methods of tasks that are done, or begun: another one would have to do their work again."""
        known = self.plan.by_id
        above = [known[one] for id_ in credits_ if id_ in known for one in _above(self.plan, id_) if one != id_]
        return {node.task: node.method for node in above}

    def spliced(
        self,
        reopened: frozenset[int],
        found: Plan,
        credits_: Sequence[int],
        kind: str,
        ids: Mapping[str, int] | None = None,
    ) -> Repair:
        """The plan with new subtrees under some tasks; `found` has a root task for each, whose key is its id."""
        keys = ids or {key: int(key) for key, _ in found.root.tasks}
        new = Splice(reopened, found, keys, self.tasks(credits_), self.highest)
        mended, dropped = spliced(self.plan, self.done, self.dropped, new)
        decompositions = sum(bool(node.method) for node in found.nodes)
        return Repair(mended, kind, tuple(sorted(reopened)), decompositions, dropped=dropped)

    def executes(self, plan: Plan) -> bool:
        """Whether the steps that are left can be carried out from the observed state."""
        state, done = self.state, set(self.done)
        for step in plan.steps:
            if step.id not in done:
                task = step.task
                if (task, "") in self.without:
                    return False
                state = plan.domain.operator[task[0]].apply(state, task[1:])
                if state is None:
                    return False
        return not any(node.method and (node.task, node.method) in self.without for node in self._open(plan))

    def _open(self, plan: Plan) -> Collection[PlanNode]:
        """The tasks with a step that is left."""
        done, found = set(self.done), dict[int, PlanNode]()
        for step in plan.steps:
            above = step.parent if step.id not in done else 0
            while above and above not in found:
                found[above] = plan.by_id[above]
                above = plan.by_id[above].parent
        return found.values()

    def credits(self, reopened: Collection[int]) -> Iterator[list[int]]:
        """What was done under some tasks and may count.

        First all of it; then without what the world undid; then also without what later steps undid.
        """
        if not self.plan.domain.is_declared:
            yield []
            return
        inside = under(self.plan, reopened)
        finished = [id_ for id_ in self.done if (self.dropped[id_][1] if id_ in self.dropped else id_) in inside]
        undone = set(self._undone())
        stale = {id_ for id_, task in self.tasks(finished).items() if not self._stands(task)}
        last = finished
        yield finished
        for lost in (undone, undone | stale):
            some = [id_ for id_ in finished if id_ not in lost]
            if some != last:
                yield some
            last = some

    def _stands(self, task: Ground) -> bool:
        """Whether what a step wrote is still there."""
        effects = self.plan.domain.operator[task[0]].ground(task[1:])[1]
        return all(one.sign != "=" or self.state.value(one.name, one.args or ()) == one.value for one in effects)

    def producers(self, failures: Sequence[Failure]) -> list[int]:
        """The steps that had made true what the failed ones need, and whose work was undone."""
        if not self.plan.domain.is_declared:
            return []
        needed = set()
        for failure in failures:
            if failure.kind == "precondition":
                name, *args = self.plan.by_id[failure.step].task
                unmet = self.plan.domain.operator[name].unmet(self.state, tuple(args))
                needed |= {(one.name, one.args) for one in unmet}
        return [id_ for id_, variables in self._undone().items() if needed & variables and id_ in self.plan.by_id]

    def _undone(self) -> dict[int, set[tuple[str, Args]]]:
        """Done steps whose last word on a variable is not its value any more, with these variables."""
        wrote: dict[tuple[str, Args], tuple[int, Any]] = {}
        for id_, task in self.tasks(self.done).items():
            for effect in self.plan.domain.operator[task[0]].ground(task[1:])[1]:
                if effect.sign == "=":
                    wrote[effect.name, effect.args or ()] = (id_, effect.value)
                else:
                    wrote.pop((effect.name, effect.args or ()), None)
        found: dict[int, set[tuple[str, Args]]] = {}
        for (name, args), (id_, value) in wrote.items():
            if self.state.value(name, args) != value:
                found.setdefault(id_, set()).add((name, args))
        return found


def _none(found: Plan) -> Repair:
    return Repair(None, explanation=found.explanation)


def forbidden(plan: Plan, failure: Failure) -> tuple[Ground, str]:
    """What may not be used again when a step has failed for good: the method that asked for it, or the operator."""
    node = plan.by_id[failure.step]
    if not node.parent:
        return node.task, ""
    above = plan.by_id[node.parent]
    method = plan.method_of(above)
    if method.arity < len(method.parameters):  # With other values of its free parameters it may do.
        return node.task, ""
    return above.task, above.method
