"""Which task a model should be asked for: one that no known method can do, where it has to be done.

The known methods come first, and nothing is asked as long as they suffice (ChatHTN: Munoz-Avila et al. 2025, arXiv
2505.11814).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from .domain import Domain
from .engine import DONE
from .facts import Facts, Ground, shown
from .plan import Plan
from .search import Limits, find_plan
from .terms import Term

MOST_SHOWN = 30  # names in a sentence
MOST_OBJECTS = 10_000  # things that are gathered of a state
TRIAL = Limits(nodes=20_000, seconds=5.0)  # How far a task, or a proposal for it, is tried out.


@dataclass(frozen=True, slots=True)
class Need:
    """A task that no known method can do where it has to be done.

    Attributes:
        domain: What is known.
        task: The ground task.
        state: Where it has to be done.
        goal: What must hold when it is done; empty where none is declared.
        names: The tasks that a method for it may consist of.
        objects: What their arguments can be, by its text.
    """

    domain: Domain
    task: Ground
    state: Any
    goal: tuple[Term, ...]
    names: tuple[str, ...]
    objects: Mapping[str, Any]

    def __str__(self) -> str:
        return shown(self.task[0], self.task[1:])


def need(plan: Plan, given_up: Collection[Ground] = ()) -> Need | None:
    """Return the task for which a model should be asked after a search that found nothing, or None.

    The known methods come first: a task is in need only where they find no plan for it alone. Of several tasks those
    without any method that could be used come first, in the order in which the search met them. When the search was
    ended by its limits only such tasks are in need: of the others nothing is known.

    Args:
        plan: What `find_plan` returned.
        given_up: Tasks that are not asked for any more.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Operator
        >>> plan = find_plan(Domain([Operator("send", ["?o"])], tasks=["ship"]), {}, [("ship", "o1")])
        >>> print(need(plan))
        ship(o1)
    """
    if plan.found:
        return None
    left = [(task, state) for task, state in plan.open if task not in given_up and _is_plain(task)]
    stuck = [_is_stuck(plan.domain, task, state) for task, state in left]
    first = [one for one, is_stuck in zip(left, stuck, strict=True) if is_stuck]
    others = [one for one, is_stuck in zip(left, stuck, strict=True) if not is_stuck]
    for task, state in [*first, *(others if plan.reason == "no_plan" else [])]:
        if not find_plan(plan.domain, state, [task], limits=TRIAL).found:
            return need_for(plan.domain, task, state)
    return None


def need_for(domain: Domain, task: Ground, state: Any) -> Need:
    """All that a proposal for a task is judged by."""
    parameters, terms = domain.goals.get(task[0], ((), ()))
    binding = dict(zip([name for name, _ in parameters], task[1:], strict=False))
    names = [one for one in domain.names if one != task[0] and (one in domain.operator or domain.methods_of[one])]
    objects = by_text(thing for thing in _things(domain, task, state) if not text_of(thing).startswith("?"))
    return Need(domain, task, state, tuple([one.bound(binding) for one in terms]), tuple(names), objects)


def relevant(wanted: Need, most: int) -> list[str]:
    """At most so many of the tasks that a proposal may name: those that can bring about the goal, and those that help.

    They stand in the order in which they are likely to be done, the others behind them. A small model that just copies
    the list has a good chance to be right.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Operator
        >>> from langgraph_agora.nodes.planning.terms import read_condition
        >>> send = Operator("send", pre=[("packed", "==", True)], eff=[("sent", "=", True)])
        >>> rest, pack = Operator("rest"), Operator("pack", eff=[("packed", "=", True)])
        >>> goals = {"ship": ((), (read_condition(["sent", "==", True], "goal"),))}
        >>> relevant(need_for(Domain([send, rest, pack], tasks=["ship"], goals=goals), ("ship",), {}), 9)
        ['pack', 'send', 'rest']
    """
    operator, found = wanted.domain.operator, dict[str, None]()
    speaks_of = {term.name for term in wanted.goal}
    while True:
        left = [operator[name] for name in wanted.names if name in operator and name not in found]
        layer = [one for one in left if any(term.name in speaks_of for term in one.eff)]
        if not layer:
            break
        found |= dict.fromkeys(one.name for one in reversed(layer))
        speaks_of |= {term.name for one in layer for term in one.pre}
    rest = [name for name in wanted.names if name not in found]
    return [*list(found)[:most][::-1], *rest[: max(0, most - len(found))]]


def choices(wanted: Need, most: int) -> list[str]:
    """All subtasks that a proposal could name, written out; none when there are more than `most`.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Operator
        >>> domain = Domain([Operator("pick", ["?o"]), Operator("rest")], tasks=["ship"])
        >>> choices(need_for(domain, ("ship", "o1"), {}), 10)
        ['pick(o1)', 'rest']
    """
    found: list[str] = []
    for name in wanted.names:
        parameters = wanted.domain.parameters_of(name)
        if parameters is None:
            return []
        count = 1
        allowed = [allowed_for(type_, wanted) for _, type_ in parameters]
        for one in allowed:
            count *= len(one)
        if len(found) + count > most:
            return []
        found += [shown(name, args) for args in product(*allowed)]
    return found


def text_of(value: Any) -> str:
    """A value as a model sees it: true, not True."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def by_text(things: Iterable[Any]) -> dict[str, Any]:
    """Things by their texts; of several with the same the first."""
    found: dict[str, Any] = {}
    for thing in things:
        found.setdefault(text_of(thing), thing)
    return found


def said_of(term: Term) -> str:
    """A condition as a model sees it."""
    left = text_of(term.name) if term.args is None else shown(term.name, term.args)
    return f"{left} {term.sign} {text_of(term.value)}"


def listed(names: Iterable[Any], most: int = MOST_SHOWN) -> str:
    """Names in a sentence."""
    all_ = [text_of(name) for name in names]
    return ", ".join(all_[:most]) + (f" and {len(all_) - most:,} more" if len(all_) > most else "")


def parameters_for(wanted: Need) -> Sequence[tuple[str, str]]:
    """The parameters of the task; named by their numbers where nothing says how they are named."""
    known = wanted.domain.parameters_of(wanted.task[0])
    return [(f"?{number}", "") for number in range(1, len(wanted.task))] if known is None else known


def allowed_for(type_: str, wanted: Need) -> list[Any]:
    """What an argument of a type can be; everything that is known where no object of the type is declared."""
    declared = wanted.domain.of_type(type_) if type_ else []
    return declared or list(wanted.objects.values())


def _is_plain(task: Ground) -> bool:
    """Whether the arguments are names and numbers, as in a file."""
    return all(isinstance(arg, str | int | float) for arg in task[1:])


def _is_stuck(domain: Domain, task: Ground, state: Any) -> bool:
    """Whether no method of a task can be used in a state."""
    return not any(True for one in domain.methods_of[task[0]] for _ in one.networks(state, task[1:], domain))


def _things(domain: Domain, task: Ground, state: Any) -> Iterator[Any]:
    """Everything that can be an argument: what the task, the domain and the state speak of."""
    yield from task[1:]
    yield from domain.of_type("")
    terms = [term for one in domain.operators for term in (*one.pre, *one.eff)]
    terms += [term for one in domain.methods for term in one.conditions]
    terms += [term for _, goal in domain.goals.values() for term in goal]
    for term in terms:
        yield from _inside([*(term.args or ()), term.value])
    for method in domain.methods:
        for _, subtask in method.subtasks:
            yield from subtask[1:]
    tables = [table for name, table in state.tables.items() if name != DONE] if isinstance(state, Facts) else [state]
    yield from islice(_inside([part for table in tables for part in _parts(table)]), MOST_OBJECTS)


def _parts(table: Any) -> list[Any]:
    return [part for pair in table.items() for part in pair] if isinstance(table, Mapping) else [table]


def _inside(values: Iterable[Any]) -> Iterator[Any]:
    """The names and numbers in nested values; truth values are none."""
    left = list(values)[::-1]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            left += _parts(value)[::-1]
        elif isinstance(value, list | tuple | set | frozenset):
            left += list(value)[::-1] if isinstance(value, list | tuple) else sorted(value, key=repr)[::-1]
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield value
