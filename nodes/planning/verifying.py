"""Whether a plan is one: judged from the definition of a hierarchical plan, without the search that found it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...errors import ConfigError
from .domain import Method, Network
from .facts import Facts, Ground, shown
from .matching import bindings
from .plan import Plan, PlanNode

Methods = Mapping[tuple[str, str], Method]


def verify(plan: Plan) -> list[str]:
    """Return what is wrong with a plan, a sentence for each fault; nothing, when it is right.

    A plan is right when its tree decomposes the root by methods of the domain, the conditions of each method hold where
    it is applied, every step can be carried out in its turn, and the order of every method and of the root is kept by
    all that is under its tasks (Erol, Hendler and Nau, HTN Planning: Complexity and Expressivity, 1994). Methods that
    are Python functions are called again.

    Args:
        plan: A plan for a whole problem, carried out from its `start`. What is behind a step that cannot be carried out
            is not judged.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
        >>> from langgraph_agora.nodes.planning.plan import PlanNode
        >>> from langgraph_agora.nodes.planning.search import find_plan
        >>> domain = Domain([Operator("ride"), Operator("walk")], [Method("train", "go", subtasks=[("s1", "ride")])])
        >>> plan = find_plan(domain, {}, ["go"])
        >>> verify(plan)
        []
        >>> nodes = (plan.nodes[0], PlanNode(2, ("walk",), "s1", 1, ""))
        >>> verify(Plan(domain, {}, nodes=nodes, root=plan.root))
        ["task 1, go: its method 'train' has the subtask s1: ride, not walk."]
    """
    if not plan.found:
        return [f"There is no plan: {plan.explanation or plan.reason}"]
    methods = {(one.task, one.id): one for one in plan.domain.methods}
    return list(_misshapen(plan.nodes)) or list(_unknown(plan, methods)) or _Judge(plan, methods).faults()


def _misshapen(nodes: Sequence[PlanNode]) -> Iterator[str]:
    """Faults of the tree itself."""
    methods: dict[int, str] = {0: "root"}
    for node in nodes:
        if not isinstance(node.id, int) or node.id < 1 or node.id in methods:
            yield f"{_named(node)}: its id is used twice, or is no number above 0."
        elif node.parent not in methods:
            yield f"{_named(node)}: its parent, {node.parent}, does not stand before it."
        elif not methods[node.parent]:
            yield f"{_named(node)}: its parent, {node.parent}, is a step, which has no subtasks."
        methods[node.id] = node.method


def _unknown(plan: Plan, methods: Methods) -> Iterator[str]:
    """Names that the domain does not have, and wrong numbers of arguments."""
    domain = plan.domain
    for node in plan.nodes:
        try:
            domain.check(node.task, _named(node))
        except ConfigError as error:
            yield str(error)
            continue
        if node.method and (node.task[0], node.method) not in methods:
            yield f"{_named(node)}: it has no method {node.method!r}."
        elif not node.method and domain.is_compound(node.task[0]):
            yield f"{_named(node)}: it is no step, and has no method."


class _Judge:
    """One plan whose tree is one and whose names are known."""

    def __init__(self, plan: Plan, methods: Methods) -> None:
        self.plan, self.domain, self.methods = plan, plan.domain, methods
        self.types: dict[str, frozenset[str]] = {}
        self.first: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.children: dict[int, list[PlanNode]] = {0: []}
        for place, node in enumerate(plan.nodes):
            self.first[node.id] = self.last[node.id] = place
            self.children[node.id] = []
            self.children[node.parent].append(node)
        for node in reversed(plan.nodes):
            if node.parent:
                self.last[node.parent] = max(self.last[node.parent], self.last[node.id])

    def faults(self) -> list[str]:
        """All of them, in the order of the plan."""
        state = Facts(self.plan.start) if self.domain.is_declared else self.plan.start
        states = [state]  # Before each task, and after the last.
        ends = {0: len(self.plan.nodes)}  # Where what waits for a task begins, at the latest.
        found = list(self._family(0, "the root", self.plan.root, ends))
        for node in self.plan.nodes:
            if node.method:
                found += self._decomposition(node, state, ends)
            else:
                after = self.domain.operator[node.task[0]].apply(state, node.task[1:])
                if after is None:
                    return [*found, self._impossible(node, state)]
                state = after
            states.append(state)
        return found + [fault for node in self.plan.nodes if node.method for fault in self._goal(node, states, ends)]

    def _decomposition(self, node: PlanNode, state: Any, ends: dict[int, int]) -> Iterator[str]:
        method = self.methods[node.task[0], node.method]
        where = f"{_named(node)}: its method {method.id!r}"
        if method.run is not None:
            given = method.run(state, *node.task[1:])
            if given is None or given is False:
                yield f"{where} cannot be used in that state."
                return
            keyed = [(str(key), (one,) if isinstance(one, str) else tuple(one)) for key, one in enumerate(given)]
            yield from self._family(node.id, where, Network(tuple(keyed)), ends)
            return
        binding = self._binding(method, node)
        tasks = [(key, (task[0], *[binding.get(arg, arg) for arg in task[1:]])) for key, task in method.subtasks]
        wrong = list(self._family(node.id, where, Network(tuple(tasks), method.after), ends))
        yield from wrong
        if not wrong and not self._applies(method, binding, state):
            terms = [one.bound(binding) for one in method.conditions]
            unmet = [str(one) for one in terms if not one.parameters() and not one.holds(state)]
            yield f"{where} cannot be used: {', '.join(unmet) or 'no objects fit'}{' does not hold' if unmet else ''}."

    def _binding(self, method: Method, node: PlanNode) -> dict[str, Any]:
        """What the task and its subtasks tell about the method's parameters; the first to tell is believed."""
        names = [name for name, _ in method.parameters]
        found: dict[str, Any] = dict(zip(names, node.task[1:], strict=False))
        made = {child.key: child.task for child in self.children[node.id]}
        for key, task in method.subtasks:
            for name, value in zip(task[1:], made.get(key, ())[1:], strict=False):
                if name in names:
                    found.setdefault(name, value)
        return found

    def _applies(self, method: Method, binding: dict[str, Any], state: Any) -> bool:
        """Whether some binding of the parameters that are open makes its conditions true."""
        known = [one for one in method.parameters if one[0] in binding]
        open_ = [one for one in method.parameters if one[0] not in binding]
        for name, type_ in known:
            if type_ not in self.types:
                self.types[type_] = frozenset(self.domain.of_type(type_))
            if self.types[type_] and type_ and binding[name] not in self.types[type_]:
                return False
        if not open_:
            return all(one.bound(binding).holds(state) for one in method.conditions)
        asked = replace(method, parameters=[*known, *open_], arity=len(known), subtasks=(), order="total")
        values = tuple([binding[name] for name, _ in known])
        return next(iter(bindings(asked, state, values, self.domain)), None) is not None

    def _family(self, id_: int, where: str, network: Network, ends: dict[int, int]) -> Iterator[str]:
        """Faults of the subtasks of a task: which there are, and when they come."""
        made: dict[str, PlanNode] = {}
        for child in self.children[id_]:
            if child.key in made:
                yield f"{where} has one subtask {child.key}, not two."
            made[child.key] = child
        for key, task in network.tasks:
            other = made.pop(key, None)
            if other is None:
                yield f"{where} has the subtask {key}: {_text(task)}, which is missing."
            elif other.task != task:
                yield f"{where} has the subtask {key}: {_text(task)}, not {other}."
        for key, child in made.items():
            yield f"{where} has no subtask {key}: {child}."
        by_key = {child.key: child for child in self.children[id_]}
        beside = [by_key.get(key) for key, _ in network.tasks]
        end = ends[id_]
        for child in self.children[id_]:
            ends[child.id] = end
        for place, later in enumerate(beside):
            before = network.after[place] if network.after is not None else range(max(place - 1, 0), place)
            for earlier in [beside[number] for number in before]:
                if earlier is None or later is None:
                    continue
                ends[earlier.id] = min(ends[earlier.id], self.first[later.id])
                if self.last[earlier.id] > self.first[later.id]:
                    yield f"{where} wants {earlier.key}: {earlier} finished before {later.key}: {later} begins."

    def _goal(self, node: PlanNode, states: Sequence[Any], ends: dict[int, int]) -> Iterator[str]:
        """A method that is to be tested: the goal has to hold when it is done, before what waits for it begins."""
        method = self.methods[node.task[0], node.method]
        if not method.verify or node.task[0] not in self.domain.goals:
            return
        parameters, goal = self.domain.goals[node.task[0]]
        binding = dict(zip([name for name, _ in parameters], node.task[1:], strict=True))
        terms = [one.bound(binding) for one in goal]
        if not any(
            all(one.holds(state) for one in terms) for state in states[self.last[node.id] + 1 : ends[node.id] + 1]
        ):
            yield f"{_named(node)}: when it is done, its goal {', '.join(map(str, terms))} does not hold."

    def _impossible(self, node: PlanNode, state: Any) -> str:
        operator = self.domain.operator[node.task[0]]
        if operator.run is not None:
            return f"{_named(node)}: it cannot be carried out."
        unmet = operator.unmet(state, node.task[1:])
        why = f"{', '.join(map(str, unmet))} does not hold" if unmet else "a number that it changes is missing"
        return f"{_named(node)}: it cannot be carried out: {why}."


def _named(node: PlanNode) -> str:
    return f"task {node.id}, {node}"


def _text(task: Ground) -> str:
    return shown(task[0], task[1:])
