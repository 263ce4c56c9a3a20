"""A plan: the decomposition tree, its steps, the order among them, and what it promises."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple

from .domain import Domain, Network
from .facts import Args, Ground, shown
from .ordering import constraints, critical_path

EMPTY = Network(())
Family = tuple[tuple["PlanNode", ...], tuple[tuple[int, ...], ...] | None]


class PlanNode(NamedTuple):
    """A task of a plan. `method` is empty for a step, which is carried out; `parent` is 0 for a task of the root.

    Ids are numbers that stay the same while a plan is repaired; `key` is the id of the subtask in its method.
    """

    id: int
    task: Ground
    key: str
    parent: int
    method: str

    @property
    def is_step(self) -> bool:
        """Whether it is carried out, not decomposed."""
        return not self.method

    def __str__(self) -> str:
        return shown(self.task[0], self.task[1:])


class Plan:
    """What `find_plan` found, or why it found nothing.

    Attributes:
        found: Whether there is a plan.
        reason: Empty, or "no_plan" (proven: there is none), or "limit" (none was found within the limits).
        explanation: The reason in words: what was tried, which limit, which cycle.
        optimal: Whether it is proven best for the objective that was asked for.
        searched: How many search nodes it took.
        start: The state that it begins in.
        root: The tasks that were asked for, and their order.
        nodes: All tasks, a task before its subtasks, steps in an order in which they can be carried out.
        open: Where nothing was found, the tasks that could not be done, each with the state in which: of each dead end
            the nearest task with a declared goal, else the nearest; in the order met, at most 20.
        contingencies: Filled by `contingencies`: what to do instead, by the id of a risky step.
    """

    def __init__(
        self,
        domain: Domain,
        start: Any,
        *,
        nodes: tuple[PlanNode, ...] = (),
        root: Network = EMPTY,
        reason: str = "",
        explanation: str = "",
        optimal: bool = False,
        searched: int = 0,
        contingencies: tuple[Any, ...] = (),
        open: tuple[tuple[Ground, Any], ...] = (),
    ) -> None:
        self.domain, self.start, self.nodes = domain, start, nodes
        self.root, self.reason, self.explanation = root, reason, explanation
        self._families: dict[int, Family] = {}
        self.optimal, self.searched, self.contingencies, self.open = optimal, searched, contingencies, open

    @property
    def found(self) -> bool:
        """Whether there is a plan; one without steps is a plan too, when nothing has to be done."""
        return not self.reason

    def __bool__(self) -> bool:
        return self.found

    def __str__(self) -> str:
        """The tree of tasks; why there is none."""
        from .gantt import tree_text  # noqa: PLC0415  (it draws plans, so it imports this module)

        return tree_text(self) if self.found else self.explanation

    @cached_property
    def by_id(self) -> Mapping[int, PlanNode]:
        """The tasks by their ids."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def children(self) -> Mapping[int, tuple[PlanNode, ...]]:
        """The subtasks of a task, by its id; of 0 the tasks of the root."""
        found: dict[int, list[PlanNode]] = {0: [], **{node.id: [] for node in self.nodes}}
        for node in self.nodes:
            found[node.parent].append(node)
        return {key: tuple(ones) for key, ones in found.items()}

    @cached_property
    def place(self) -> Mapping[int, int]:
        """The place of each task in its family."""
        parents = [0, *[node.id for node in self.nodes if node.method]]
        return {node.id: place for id_ in parents for place, node in enumerate(self.family(id_)[0])}

    def family(self, id_: int) -> Family:
        """The subtasks of a task (of 0: the tasks of the root) as its method lists them, and who waits for whom."""
        if id_ not in self._families:
            network = self.root if not id_ else self._network(id_)
            by_key = {node.key: node for node in self.children[id_]}
            keys = [key for key, _ in network.tasks] or list(
                by_key
            )  # A Python function lists none: they are as they came.
            self._families[id_] = tuple([by_key[key] for key in keys]), network.after
        return self._families[id_]

    def _network(self, id_: int) -> Network:
        method = self.method_of(self.by_id[id_])
        return Network(method.subtasks, method.after)

    def condition_reads(self, node: PlanNode) -> set[tuple[str, Args]]:
        """The variables that the conditions of a task's method read where it was decomposed."""
        method = self.method_of(node)
        if not method.conditions:
            return set()
        binding = self.binding(node)
        terms = [one.bound(binding) for one in method.conditions]
        return {(one.name, one.args) for one in terms if one.args is not None}

    def binding(self, node: PlanNode) -> dict[str, Any]:
        """The values of a method's parameters: the task's arguments, and those that the subtasks tell."""
        method = self.method_of(node)
        names = [name for name, _ in method.parameters]
        found = dict(zip(names, node.task[1:], strict=False))
        tasks = dict(method.subtasks)
        for child in self.children[node.id]:
            found.update(zip(tasks[child.key][1:], child.task[1:], strict=True))
        return {name: found[name] for name in names if name in found}

    @cached_property
    def steps(self) -> tuple[PlanNode, ...]:
        """What is carried out, in an order in which it can be."""
        return tuple([node for node in self.nodes if not node.method])

    @property
    def names(self) -> list[str]:
        """The names of the steps' operators."""
        return [step.task[0] for step in self.steps]

    @cached_property
    def order(self) -> Mapping[int, frozenset[int]]:
        """For each step the steps that must be finished before it begins; everything else may run side by side.

        Every order of the steps that keeps to it can be carried out.
        """
        return constraints(self)

    @cached_property
    def states(self) -> tuple[Any, ...]:
        """The state before each step of `steps`, and the one after the last.

        In a mended plan they are None behind a step that the start did not lead to, as the world had changed.
        """
        states = [self.start]
        for step in self.steps:
            operator, state = self.domain.operator[step.task[0]], states[-1]
            states.append(None if state is None else operator.apply(state, step.task[1:]))
        return tuple(states)

    @property
    def final_state(self) -> Any:
        """The state after the last step."""
        return self.states[-1]

    @cached_property
    def success_probability(self) -> float:
        """The product of the probabilities of its steps and of the methods chosen: they are taken to be independent."""
        ps = [self.domain.operator[step.task[0]].p for step in self.steps]
        return math.prod([*ps, *[self.method_of(node).p for node in self.nodes if node.method]])

    @property
    def cost(self) -> float:
        """The sum of the steps' costs."""
        return sum(self.domain.operator[step.task[0]].cost for step in self.steps)

    @property
    def duration(self) -> float:
        """The sum of the steps' durations: how long one worker takes."""
        return sum(self.duration_of(step) for step in self.steps)

    @cached_property
    def makespan(self) -> float:
        """The length of the critical path: how long it takes when everything runs as soon as it may."""
        return critical_path(self)[0]

    @cached_property
    def depth(self) -> int:
        """The longest way from the root to a task; a step of the root has depth 1."""
        deep = {0: 0}
        for node in self.nodes:
            deep[node.id] = deep[node.parent] + 1
        return max(deep.values())

    @property
    def task_count(self) -> int:
        """How many tasks it has, decomposed ones and steps."""
        return len(self.nodes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; the order lists for each step the ids of the steps that it waits for."""
        if not self.found:
            return {"found": False, "reason": self.reason, "explanation": self.explanation, "searched": self.searched}
        return {
            "found": True,
            "tasks": [
                {"id": node.id, "task": str(node), "method": node.method, "parent": node.parent} for node in self.nodes
            ],
            "steps": [step.id for step in self.steps],
            "order": {str(id_): sorted(before) for id_, before in self.order.items()},
            "success_probability": self.success_probability,
            "cost": self.cost,
            "duration": self.duration,
            "makespan": self.makespan,
            "depth": self.depth,
            "task_count": self.task_count,
            "optimal": self.optimal,
            "searched": self.searched,
            "contingencies": [one.to_dict() for one in self.contingencies],
        }

    def duration_of(self, step: PlanNode) -> float:
        """The duration of a step."""
        return self.domain.operator[step.task[0]].duration

    def method_of(self, node: PlanNode) -> Any:
        """The method that a task was decomposed by."""
        return next(one for one in self.domain.methods_of[node.task[0]] if one.id == node.method)

    def steps_under(self, id_: int) -> list[PlanNode]:
        """The steps of a task's subtree, itself where it is one."""
        node = self.by_id[id_]
        if node.is_step:
            return [node]
        inside = {id_}
        for one in self.nodes:  # A task stands before its subtasks.
            if one.parent in inside:
                inside.add(one.id)
        return [one for one in self.steps if one.id in inside]


def from_trail(trail: Any) -> tuple[PlanNode, ...]:
    """The tasks of a plan, from what the search left: the last cell or node that was done, then all before it."""
    entries = []
    while trail is not None:
        if type(trail) is not tuple:
            entries.append(trail)
            trail = trail.before
            continue
        cell, trail = trail
        if cell[2] is not None:  # A test of a goal has no key and is no step.
            entries.append(cell)
    make = partial(tuple.__new__, PlanNode)  # PlanNode(...) takes half as long again.
    nodes: list[Any] = []
    for number, entry in enumerate(reversed(entries), 1):
        if type(entry) is tuple:
            task, parent, key, _, _ = entry
            nodes.append(make((number, task, key, parent.id, "")))
        else:
            entry.id = number
            nodes.append(make((number, entry.task, entry.key, entry.parent.id, entry.method)))
    return tuple(nodes)
