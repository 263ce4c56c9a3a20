"""What can go wrong with a plan: its weakest steps and tasks, and what the failure of each costs."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import ConfigError
from .alternatives import leads_on
from .contingencies import Contingency
from .plan import Plan, PlanNode


@dataclass(frozen=True, slots=True)
class Risk:
    """A step or a task whose success is not certain.

    Attributes:
        id: Its id in the plan.
        task: In words.
        method: What the task is decomposed by; empty for a step.
        p: Of a step its operator's probability; of a task the probability of its method, without that of its steps.
        gain: How much more likely the plan would succeed if this were certain.
        share: Its part of the plan's risk, log p / log(success probability); the shares of all steps and tasks add up
            to 1. Where the plan cannot succeed, what is impossible shares all of it alike.
        dependents: Later steps, by id, that cannot be carried out any more when this is left out and nothing is done
            instead: a condition of theirs, or of a method above them, does not hold then.
        duration: The time that is spent in vain when it fails at its end: the sum of the durations of its steps.
        contingency: Whether one is stored for it: for this step, or one that does this task another way.
        extra_makespan: How much later the plan ends with that contingency, with the one that costs most if there are
            several; None without.
    """

    id: int
    task: str
    method: str
    p: float
    gain: float
    share: float
    dependents: tuple[int, ...]
    duration: float
    contingency: bool
    extra_makespan: float | None


@dataclass(frozen=True, slots=True)
class Risks:
    """What can go wrong with a plan.

    Attributes:
        success_probability: The product of the probabilities of all steps and methods, taken to be independent.
        with_contingencies: The probability that the plan succeeds, or that one step fails and its stored contingency
            then succeeds with all that is left. A method's own probability is counted at the last step under it.
        weakest: What is not certain, the least likely first; of equally likely ones the first in the plan.
    """

    success_probability: float
    with_contingencies: float
    weakest: tuple[Risk, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "success_probability": self.success_probability,
            "with_contingencies": self.with_contingencies,
            "weakest": [asdict(one) | {"dependents": list(one.dependents)} for one in self.weakest],
        }


def risks(plan: Plan, *, at_most: int = 20) -> Risks:
    """Return what can go wrong with a plan, the weakest steps and tasks first.

    Args:
        plan: A plan that was found, best with its `contingencies`.
        at_most: How many steps and tasks are described.

    Raises:
        ConfigError: There is no plan, or at_most is no whole number of at least 0.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Domain, Operator
        >>> from langgraph_agora.nodes.planning.search import find_plan
        >>> write = Operator("write", eff=[("text", "=", True)], duration=3, p=0.9)
        >>> send = Operator("send", pre=[("text", "==", True)], p=0.8)
        >>> found = risks(find_plan(Domain([write, send]), {}, ["write", "send"]))
        >>> round(found.success_probability, 2), [(one.task, round(one.gain, 2)) for one in found.weakest]
        (0.72, [('send', 0.18), ('write', 0.08)])
        >>> found.weakest[1].dependents, found.weakest[1].duration
        ((2,), 3)
    """
    if not plan.found:
        raise ConfigError(f"There is no plan to look for risks in. {plan.explanation}")
    if isinstance(at_most, bool) or not isinstance(at_most, int) or at_most < 0:
        raise ConfigError(f"at_most was {at_most!r}; give a whole number of at least 0.")
    p = {node.id: _p(plan, node) for node in plan.nodes}
    unsure = sorted((node for node in plan.nodes if p[node.id] < 1), key=lambda node: p[node.id])
    shares = _shares([p[node.id] for node in unsure])
    return Risks(
        success_probability=plan.success_probability,
        with_contingencies=_with_contingencies(plan, p),
        weakest=tuple(
            [
                _risk(plan, node, p[node.id], _gain([p[one.id] for one in unsure], number), shares[number])
                for number, node in enumerate(unsure[:at_most])
            ]
        ),
    )


def _p(plan: Plan, node: PlanNode) -> float:
    return float(plan.method_of(node).p if node.method else plan.domain.operator[node.task[0]].p)


def _gain(ps: list[float], place: int) -> float:
    others = math.prod(ps[:place] + ps[place + 1 :])
    return others - others * ps[place]


def _shares(ps: list[float]) -> list[float]:
    impossible = ps.count(0)
    if impossible:
        return [(not p) / impossible for p in ps]
    whole = sum(map(math.log, ps))
    return [math.log(p) / whole for p in ps]


def _risk(plan: Plan, node: PlanNode, p: float, gain: float, share: float) -> Risk:
    under = {step.id for step in plan.steps_under(node.id)}
    stored = [one for one in plan.contingencies if node.id in (one.step, one.replaces)]
    return Risk(
        id=node.id,
        task=str(node),
        method=node.method,
        p=p,
        gain=gain,
        share=share,
        dependents=_dependents(plan, node, under),
        duration=sum(plan.duration_of(plan.by_id[id_]) for id_ in under),
        contingency=bool(stored),
        extra_makespan=max([one.extra_makespan for one in stored], default=None),
    )


def _dependents(plan: Plan, left_out: PlanNode, under: Collection[int]) -> tuple[int, ...]:
    """Carry out the plan without a task, and without what thereby becomes impossible."""
    begin = plan.nodes.index(left_out)
    state = plan.states[sum(node.is_step for node in plan.nodes[:begin])]
    impossible = {left_out.id}
    for node in plan.nodes[begin + 1 :]:
        if node.parent in impossible:
            impossible.add(node.id)
        elif node.is_step:
            after = plan.domain.operator[node.task[0]].apply(state, node.task[1:])
            if after is None:
                impossible.add(node.id)
            else:
                state = after
        elif not leads_on(plan, node, state):
            impossible.add(node.id)
    return tuple([step.id for step in plan.steps if step.id in impossible and step.id not in under])


def _with_contingencies(plan: Plan, p: dict[int, float]) -> float:
    """The sum over where the first failure is, of none and of each that is answered."""
    places = {node.id: place for place, node in enumerate(plan.nodes)}
    ends = dict(places)
    for node in reversed(plan.nodes):  # A task ends with the last step under it.
        if node.parent:
            ends[node.parent] = max(ends[node.parent], ends[node.id])
    at: dict[int, float] = {}
    for node in plan.nodes:
        at[ends[node.id]] = at.get(ends[node.id], 1.0) * p[node.id]
    answers = {places[one.step]: one for one in plan.contingencies}
    reached, answered = 1.0, 0.0
    for place in sorted(at):
        if place in answers:
            answered += reached * (1 - at[place]) * _after(plan, answers[place], p, place, ends)
        reached *= at[place]
    return reached + answered


def _after(plan: Plan, one: Contingency, p: dict[int, float], place: int, ends: dict[int, int]) -> float:
    """The probability of all that is left with a contingency: what it does, and the methods that go on around it."""
    ps = [_p(one.plan, node) for node in one.plan.nodes if node.id not in one.done]
    inside = set(one.reopened)
    for node in plan.nodes:
        if node.parent in inside:
            inside.add(node.id)
        elif node.method and node.id not in inside and ends[node.id] >= place:
            ps.append(p[node.id])
    return math.prod(ps)
