"""Plans as JSON. One that is read is verified first: a file that was edited by hand may lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ConfigError
from .domain import Network
from .domain_files import Problem
from .facts import Facts
from .plan import Plan, PlanNode
from .verifying import verify

NUMBERS = ("success_probability", "cost", "duration", "makespan")


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan as plain JSON, which `plan_from_json` reads.

    Returns:
        root: What it is a plan for: {subtasks, order}.
        nodes: Its tasks: {id, task, key, parent, method}; a step has an empty method, a task of the root the parent 0.
        steps, order: The names of the steps, and for each step's id the ids of those that come before.
        success_probability, cost, duration, makespan: As of `Plan`.
        optimal, contingencies: As of `Plan`.

    Raises:
        ConfigError: There is no plan, or an argument of a task is no JSON.

    Example:
        >>> from langgraph_agora.nodes.planning.domain_files import read_problem
        >>> from langgraph_agora.nodes.planning.search import find_plan
        >>> problem = read_problem('{"primitives": {"ride": {"p": 0.9}}, "root": {"subtasks": [["r1", "ride"]]}}')
        >>> data = plan_to_json(find_plan(problem.domain, problem.init, problem.root.tasks))
        >>> data["steps"], data["success_probability"]
        (['ride'], 0.9)
        >>> plan_from_json(data, problem).names
        ['ride']
    """
    if not plan.found:
        raise ConfigError(f"There is no plan to be written: {plan.explanation or plan.reason}")
    return {
        "root": _root(plan.root),
        "nodes": [{**node._asdict(), "task": _plain(node.task)} for node in plan.nodes],
        "steps": plan.names,
        "order": {str(id_): sorted(before) for id_, before in plan.order.items()},
        **{name: getattr(plan, name) for name in NUMBERS},
        "optimal": plan.optimal,
        "contingencies": [one.to_dict() for one in plan.contingencies],
    }


def plan_from_json(data: Any, problem: Problem) -> Plan:
    """Read a plan and verify it: what it says of itself has to follow from its tasks.

    Args:
        data: What `plan_to_json` gave. What is no part of the tree (steps, order, the numbers) may be left out; it is
            worked out again, and has to agree. Contingencies and `optimal` are not taken over: who wants them has them
            worked out again.
        problem: What it is a plan for; it begins in `problem.init`.

    Raises:
        ConfigError: It is no plan for the problem; the message says what is wrong.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("nodes"), list):
        raise ConfigError('A plan file is an object with "nodes", a list of tasks.')
    asked = _root(problem.root)
    if data.get("root", asked) != asked:
        raise ConfigError(f"The plan is for {data['root']!r}, and the problem asks for {asked!r}.")
    nodes = tuple([_node(one, f"nodes[{number}]") for number, one in enumerate(data["nodes"])])
    start = Facts(problem.init) if problem.domain.is_declared else problem.init
    plan = Plan(problem.domain, start, nodes=nodes, root=problem.root)
    faults = verify(plan)
    if faults:
        more = f" ({len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise ConfigError(f"This is no plan for the problem: {faults[0]}{more}")
    _agree(data, plan)
    return plan


def _root(root: Network) -> dict[str, Any]:
    keys = [key for key, _ in root.tasks]
    order: Any = "total"
    if root.after is not None:
        order = [[keys[one], keys[place]] for place, before in enumerate(root.after) for one in before]
    return {"subtasks": [[key, *_plain(task)] for key, task in root.tasks], "order": order}


def _node(given: Any, place: str) -> PlanNode:
    kinds = {"id": "a whole number", "task": "a list", "key": "a text", "parent": "a whole number", "method": "a text"}
    types = {"a whole number": int, "a list": list, "a text": str}
    if not isinstance(given, Mapping):
        raise ConfigError(f"{place}: give an object with {', '.join(kinds)}; it was {str(given)[:80]!r}.")
    for key, kind in kinds.items():
        value = given.get(key)
        if not isinstance(value, types[kind]) or isinstance(value, bool):
            raise ConfigError(f"{place}.{key}: it was {value!r}; give {kind}.")
    task = _tuple(given["task"])
    if not task or not isinstance(task[0], str):
        raise ConfigError(f"{place}.task: it was {given['task']!r}; give a list of a name and arguments.")
    return PlanNode(given["id"], task, given["key"], given["parent"], given["method"])


def _agree(data: Mapping[str, Any], plan: Plan) -> None:
    """Raise when what the file says of the plan is not so."""
    if data.get("steps", plan.names) != plan.names:
        raise ConfigError(f"The plan's steps are {data['steps']!r} in the file; of its tasks they are {plan.names!r}.")
    order = {str(id_): sorted(before) for id_, before in plan.order.items()}
    if data.get("order", order) != order:
        raise ConfigError(f"The plan's order is {data['order']!r} in the file; of its tasks it is {order!r}.")
    for name in NUMBERS:
        value, own = data.get(name, getattr(plan, name)), getattr(plan, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isclose(value, own, rel_tol=1e-9, abs_tol=1e-12):
            raise ConfigError(f"The plan's {name} is {value!r} in the file; of its tasks it is {own!r}.")


def _plain(task: Sequence[Any]) -> list[Any]:
    """A task as lists and plain values."""
    found: list[Any] = []
    for one in task:
        if not isinstance(one, str | int | float | list | tuple | None):
            raise ConfigError(
                f"An argument of {task[0]!r} is {one!r}, which no file can hold; give a text or a number."
            )
        found.append(_plain(one) if isinstance(one, list | tuple) else one)
    return found


def _tuple(given: Any) -> Any:
    return tuple(map(_tuple, given)) if isinstance(given, list) else given
