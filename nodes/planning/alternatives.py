"""Another way to what is left of a plan when one of its steps fails where it was predicted to be carried out."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .domain import Network
from .engine import GOAL, tests_of_goals
from .facts import Ground
from .plan import Plan, PlanNode
from .search import Limits, find_plan
from .terms import compare

EACH = 20_000  # Search nodes of one search at most.
LEVELS = 12  # Tasks above a step that are tried; further up an alternative is a new plan, made when it is needed.


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way; see `Contingency`, which says what it costs. `task` is what is done another way."""

    task: PlanNode
    reopened: tuple[int, ...]
    plan: Plan
    done: Mapping[int, int]
    repeats: bool

    @property
    def p(self) -> float:
        """The probability that the new way works: that of its steps that are still to be done, and of its methods."""
        domain, inside, ps = self.plan.domain, set(), []
        for node in self.plan.nodes:
            if node.parent in inside or node is self.plan.nodes[0]:
                inside.add(node.id)
                if node.method:
                    ps.append(self.plan.method_of(node).p)
                elif node.id not in self.done:
                    ps.append(domain.operator[node.task[0]].p)
        return float(math.prod(ps))


class Failed:
    """A step of a plan that has failed, and what was done and what is left then.

    Args:
        plan: The plan.
        place: The place of the step among `plan.steps`; those before it were done.
        nodes: How many search nodes may be used; afterwards those that are left.
    """

    def __init__(self, plan: Plan, place: int, nodes: int) -> None:
        self.plan, self.nodes = plan, nodes
        self.step, self.state = plan.steps[place], plan.states[place]
        self.before, self.left = plan.steps[:place], plan.steps[place + 1 :]

    def alternative(self) -> Alternative | None:
        """The first way that works: of the nearest task, without the failed step if there is any without it."""
        above: list[PlanNode] = []
        node = self.step
        while node.parent and len(above) < LEVELS:
            node = self.plan.by_id[node.parent]
            above.append(node)
        for repeats in (False, True):
            for task in above:
                without = (task.task, task.method) if repeats else (self.step.task, "")
                found = next(self._ways(task, without, repeats), None)
                if found is not None:
                    return found
        return None

    def _ways(self, task: PlanNode, without: tuple[Ground, str], repeats: bool) -> Iterator[Alternative]:
        """Ways with the rest of the plan as it is, then with the rest planned anew."""
        inside = {task.id}
        for node in self.plan.nodes:  # A task stands before its subtasks.
            if node.parent in inside:
                inside.add(node.id)
        rest = [step for step in self.left if step.id not in inside]
        finished = [step for step in self.before if step.id in inside and self._stands(step)]
        for others in (rest, self._open_tasks(inside)) if rest else (rest,):
            reopened = (task.id, *[one.id for one in others if one.method])
            for credited in (finished, []) if finished else ([],):
                if self.nodes <= 0:
                    return
                found = find_plan(
                    self.plan.domain,
                    self.state,
                    [(str(one.id), one.task) for one in (task, *others)],
                    without=[without],
                    done=[step.task for step in credited],
                    limits=Limits(min(self.nodes, EACH), None),
                )
                self.nodes -= found.searched
                done = _counted(found, credited)
                if done is None or not self._reaches_goals(found, done):
                    continue
                if others is not rest:
                    yield Alternative(task, reopened, rooted(self.plan, self.state, found.nodes), done, repeats)
                elif self._rest_is_possible(found, done, inside):
                    whole = rooted(self.plan, self.state, found.nodes, self._after(rest, inside))
                    yield Alternative(task, reopened, whole, done, repeats)

    def _stands(self, step: PlanNode) -> bool:
        """Whether the effects of a step that was done are still there. Of Python functions nobody knows."""
        if not self.plan.domain.is_declared:
            return False
        effects = self.plan.domain.operator[step.task[0]].ground(step.task[1:])[1]
        return all(
            one.sign != "=" or compare(self.state.value(one.name, one.args or ()), "==", one.value) for one in effects
        )

    def _open_tasks(self, inside: set[int]) -> list[PlanNode]:
        """What is left outside of a task: the highest tasks of which nothing was done, by their begin."""
        plan, failed = self.plan, self.plan.nodes.index(self.step)
        begun = self._above([*self.before, self.step])
        begins = {step.id: place for place, step in enumerate(plan.nodes) if step.is_step}
        for place, node in reversed([*enumerate(plan.nodes)]):
            if node.id in begins or place > failed:  # Empty tasks stand where they were decomposed.
                own = begins.setdefault(node.id, place)
                begins[node.parent] = min(own, begins.get(node.parent, own))
        left = begins.keys() - begun - inside
        found = [node for node in plan.nodes if node.id in left and (not node.parent or node.parent in begun)]
        return sorted(found, key=lambda node: begins[node.id])

    def _above(self, steps: Sequence[PlanNode]) -> set[int]:
        """The ids of steps and of all tasks above them."""
        found: set[int] = set()
        for node in steps:
            id_ = node.id
            while id_ and id_ not in found:
                found.add(id_)
                id_ = self.plan.by_id[id_].parent
        return found

    def _after(self, rest: Sequence[PlanNode], inside: Collection[int]) -> tuple[tuple[int, ...], ...]:
        """Whom the steps that stay wait for, as in the plan; at place 0 stands the task that is done another way."""
        places = {step.id: place for place, step in enumerate(rest, 1)} | dict.fromkeys(inside, 0)
        waits = [{places[one] for one in self.plan.order[step.id] if one in places} for step in rest]
        return ((), *[tuple(sorted(ones)) for ones in waits])

    def _reaches_goals(self, found: Plan, done: Mapping[int, int]) -> bool:
        """Whether the tasks above reach their goals at their ends, where their methods are to be verified."""
        by_id, tests = self.plan.by_id, tests_of_goals(self.plan.domain)
        roots = [node for node in found.nodes if not node.parent]
        ends: dict[int, int] = {}  # Task that is under way -> the last root of the new plan that is a part of it.
        for root in roots if tests else ():
            for id_ in self._above([by_id[int(root.key)]]) - {int(root.key)}:
                if (GOAL, by_id[id_].task[0]) in tests and self.plan.method_of(by_id[id_]).verify:
                    ends[id_] = root.id
        state = self.state
        for root in roots if ends else ():
            for step in found.steps_under(root.id):
                if step.id not in done:
                    state = self.plan.domain.operator[step.task[0]].apply(state, step.task[1:])
            for task in [by_id[id_].task for id_, end in ends.items() if end == root.id]:
                if tests[GOAL, task[0]].apply(state, task[1:]) is None:
                    return False
        return True

    def _rest_is_possible(self, found: Plan, done: Mapping[int, int], inside: Collection[int]) -> bool:
        """Whether the steps that stay, and the methods that led to them, are possible after the new way."""
        operators, state = self.plan.domain.operator, self.state
        for step in found.steps:
            if step.parent and step.id not in done:
                state = operators[step.task[0]].apply(state, step.task[1:])
        for node in self.plan.nodes[self.plan.nodes.index(self.step) + 1 :]:
            if state is None:
                return False
            if node.id in inside:
                continue
            if node.is_step:
                state = operators[node.task[0]].apply(state, node.task[1:])
            elif not leads_on(self.plan, node, state):
                return False
        return state is not None


def leads_on(plan: Plan, node: PlanNode, state: Any) -> bool:
    """Whether a task's method makes of it in this state what it made in the plan."""
    method = plan.method_of(node)
    if method.is_unconditional:
        return True
    made = {child.key: child.task for child in plan.children[node.id]}
    return any(dict(one.tasks) == made for one in method.networks(state, node.task[1:], plan.domain))


def rooted(plan: Plan, state: Any, nodes: Sequence[PlanNode], after: tuple[tuple[int, ...], ...] | None = None) -> Plan:
    """A plan of the same domain from another state on, whose root are the tasks without a parent."""
    tasks = tuple([(node.key, node.task) for node in nodes if not node.parent])
    return Plan(plan.domain, state, nodes=tuple(nodes), root=Network(tasks, after))


def _counted(found: Plan, credited: Sequence[PlanNode]) -> dict[int, int] | None:
    """The steps that count as done, and as which; None without a plan, or where one counts outside of the task."""
    if not found:
        return None
    left = list(credited)
    done: dict[int, int] = {}
    for step in found.steps:
        same = next((one for one in left if one.task == step.task), None)
        if same is not None:
            if not step.parent or _root_of(found, step) is not found.nodes[0]:
                return None
            left.remove(same)
            done[step.id] = same.id
    return done


def _root_of(found: Plan, node: PlanNode) -> PlanNode:
    while node.parent:
        node = found.by_id[node.parent]
    return node
