"""What to do instead when a risky step fails, worked out ahead and kept in the plan.

A failed step is taken to have had no effect. For each risky step the state that is predicted right before it is known,
and what was done until then. From there the nearest task above the step is decomposed another way, or the one above
that; what was done counts. The rest of the plan has to be possible afterwards: as it is, or else planned anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...errors import ConfigError
from .alternatives import Alternative, Failed, rooted
from .plan import Plan, PlanNode

NODES = (
    200_000  # Search nodes, a few seconds. A limit in seconds would give the same plan another answer on another day.
)


@dataclass(frozen=True)
class Contingency:
    """What to do when a step has failed.

    Attributes:
        step: The id of the step.
        replaces: The id of the task above it that is decomposed another way.
        reopened: The ids of all tasks that are decomposed anew: that one, and where the rest of the plan would not be
            possible any more, what is left of it.
        plan: All that is left to do, from the state predicted right before the step. Its root has a task for each that
            is reopened and one for each step that stays as it was; their keys are the ids in the old plan.
        done: Steps of `plan` that were done before the failure and are not done again: id -> the id in the old plan.
        p: The probability that the new way of the task that it replaces works.
        success_probability: 1 - (1 - q)(1 - p), where q is the probability of the step times that of the method that it
            is part of: that the step, or else the contingency works. Failures are taken to be independent.
        extra_duration: How much more work it is in all than without the failure.
        extra_makespan: How much later the plan ends, when everything else runs as soon as it may and the contingency
            begins once the step and all before it have ended. It is below 0 where the other way is that much quicker.
        repeats: Whether it tries the failed step again, after something else; there is no way without.
    """

    step: int
    replaces: int
    reopened: tuple[int, ...]
    plan: Plan
    done: Mapping[int, int]
    p: float
    success_probability: float
    extra_duration: float
    extra_makespan: float
    repeats: bool

    @cached_property
    def steps(self) -> tuple[PlanNode, ...]:
        """The steps to be carried out from the failure to the end of the plan, in an order in which they can be."""
        return tuple([step for step in self.plan.steps if step.id not in self.done])

    @cached_property
    def added(self) -> tuple[PlanNode, ...]:
        """The steps among them that the old plan did not have."""
        return tuple([step for step in self.steps if step.parent])

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON; `contingency_of` reads it."""
        return {
            "step": self.step,
            "replaces": self.replaces,
            "reopened": list(self.reopened),
            "instead": [str(step) for step in self.added],
            "nodes": [
                [node.id, int(node.key)]
                if node.is_step and not node.parent
                else [node.id, list(node.task), node.key, node.parent, node.method]
                for node in self.plan.nodes
            ],
            "after": None if self.plan.root.after is None else [list(places) for places in self.plan.root.after],
            "done": [[id_, old] for id_, old in self.done.items()],
            "p": self.p,
            "success_probability": self.success_probability,
            "extra_duration": self.extra_duration,
            "extra_makespan": self.extra_makespan,
            "repeats": self.repeats,
        }


def contingencies(plan: Plan, *, at_most: int = 50, below: float = 1.0, nodes: int = NODES) -> Plan:
    """Return the plan with what to do instead when its risky steps fail.

    A step is risky when its probability times that of its method is below 1. Ways that avoid the failed step come
    first, the nearest task first; then, if there are none, other methods that lead to it again. A step of the root has
    no alternative: it was asked for itself.

    Args:
        plan: A plan that was found.
        at_most: For how many risky steps, the weakest first.
        below: Only for steps that are less likely to succeed than this.
        nodes: How many search nodes all of it may take; when they are used up, what is less risky has none.

    Returns:
        A copy with `contingencies`, in the order of its steps; steps for which there is none are left out.

    Raises:
        ConfigError: There is no plan; a number is out of its range.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
        >>> from langgraph_agora.nodes.planning.search import find_plan
        >>> tools = [Operator("primary", duration=2, p=0.9), Operator("mirror", duration=4, p=0.8), Operator("parse")]
        >>> ways = [Method(name, "fetch", subtasks=[("s", name)]) for name in ("primary", "mirror")]
        >>> plan = contingencies(find_plan(Domain(tools, ways), {}, ["fetch", "parse"]))
        >>> [found] = plan.contingencies
        >>> [str(step) for step in found.steps], round(found.success_probability, 3), found.extra_makespan
        (['mirror', 'parse'], 0.98, 4)
    """
    if not plan.found:
        raise ConfigError(f"There is no plan to find contingencies for. {plan.explanation}")
    for name, value in (("at_most", at_most), ("nodes", nodes)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ConfigError(f"{name} was {value!r}; give a whole number of at least 0.")
    if isinstance(below, bool) or not isinstance(below, int | float) or not 0 <= below <= 1:
        raise ConfigError(f"below was {below!r}; give a probability from 0 to 1.")
    risky = [(_chance(plan, step), place) for place, step in enumerate(plan.steps) if step.parent]
    found = []
    for q, place in sorted(one for one in risky if one[0] < below)[:at_most]:
        failed = Failed(plan, place, nodes)
        way = failed.alternative()
        nodes = failed.nodes
        if way is not None:
            found.append((place, _described(plan, place, q, way)))
    return Plan(
        plan.domain,
        plan.start,
        nodes=plan.nodes,
        root=plan.root,
        optimal=plan.optimal,
        explanation=plan.explanation,
        searched=plan.searched,
        contingencies=tuple([one for _, one in sorted(found, key=lambda one: one[0])]),
    )


def contingency_of(data: Mapping[str, Any], plan: Plan) -> Contingency:
    """Read what `Contingency.to_dict` wrote; `plan` is the plan that it belongs to."""
    place = next(place for place, step in enumerate(plan.steps) if step.id == data["step"])
    nodes = [_read_node(one, plan) for one in data["nodes"]]
    after = None if data["after"] is None else tuple([tuple(places) for places in data["after"]])
    return Contingency(
        step=data["step"],
        replaces=data["replaces"],
        reopened=tuple(data["reopened"]),
        plan=rooted(plan, plan.states[place], nodes, after),
        done=dict(data["done"]),
        p=data["p"],
        success_probability=data["success_probability"],
        extra_duration=data["extra_duration"],
        extra_makespan=data["extra_makespan"],
        repeats=data["repeats"],
    )


def _read_node(given: Sequence[Any], plan: Plan) -> PlanNode:
    """A task, or [id, its id in the plan] for a step that stays as it was."""
    if len(given) == 2:
        return PlanNode(given[0], plan.by_id[given[1]].task, str(given[1]), 0, "")
    id_, task, key, parent, method = given
    return PlanNode(id_, tuple(task), key, parent, method)


def _chance(plan: Plan, step: PlanNode) -> float:
    """The probability of a step times that of the method that it is part of."""
    return plan.domain.operator[step.task[0]].p * float(plan.method_of(plan.by_id[step.parent]).p)


def _described(plan: Plan, place: int, q: float, way: Alternative) -> Contingency:
    step, left = plan.steps[place], plan.steps[place + 1 :]
    again = [one for one in way.plan.steps if one.id not in way.done]
    return Contingency(
        step=step.id,
        replaces=way.task.id,
        reopened=way.reopened,
        plan=way.plan,
        done=way.done,
        p=way.p,
        success_probability=1 - (1 - q) * (1 - way.p),
        extra_duration=sum(map(plan.duration_of, again)) - sum(map(plan.duration_of, left)),
        extra_makespan=_makespan(plan, place, way) - plan.makespan,
        repeats=way.repeats,
    )


def _makespan(plan: Plan, place: int, way: Alternative) -> float:
    """When everything ends if the step at a place fails when it would have ended."""
    ends: dict[int, float] = {}
    for step in plan.steps[: place + 1]:
        ends[step.id] = max([ends[one] for one in plan.order[step.id]], default=0) + plan.duration_of(step)
    failed = max(ends.values())
    again: dict[int, float] = {}
    for step in way.plan.steps:
        kept = not step.parent
        begins = max([ends[one] for one in plan.order[int(step.key)] if one in ends], default=0) if kept else failed
        begins = max([begins, *[again[one] for one in way.plan.order[step.id]]])
        again[step.id] = begins if step.id in way.done else begins + plan.duration_of(step)
    return max([failed, *again.values()])
