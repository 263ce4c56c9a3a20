"""When each step of a plan begins and who does it, on so many workers and with resources that are limited."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from ...errors import ConfigError, nearest
from .makespan import Jobs, shortest
from .plan import Plan

MOST_WORKERS = 10_000

Id = int | str
Amounts = Mapping[str, float]


class Row(NamedTuple):
    """One step of a schedule: from when to when, and on which worker."""

    id: Any
    start: float
    end: float
    worker: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who does what when.

    Attributes:
        rows: One for each step, by their start.
        makespan: When the last step ends; the first begins at 0.
        critical_path: The longest chain of steps that wait for one another: more workers do not make it shorter.
        workers: Their names.
        work: The sum of the durations.
        idle: The time that the workers, together, wait until the last step ends.
        bound: What no schedule is shorter than: the critical path, and work over capacity.
        optimal: Whether the makespan is proven to be the shortest there is.
    """

    rows: tuple[Row, ...]
    makespan: float
    critical_path: tuple[Any, ...]
    workers: tuple[str, ...]
    work: float
    idle: float
    bound: float
    optimal: bool

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "rows": [row._asdict() for row in self.rows],
            "makespan": self.makespan,
            "critical_path": list(self.critical_path),
            "workers": list(self.workers),
            "work": self.work,
            "idle": self.idle,
            "bound": self.bound,
            "optimal": self.optimal,
        }


def schedule(plan: Plan, workers: int | Sequence[str], *, capacities: Mapping[str, float] = {}) -> Schedule:
    """Schedule the steps of a plan, as short as can be found; see `schedule_tasks`.

    Every worker can do every step. A step waits for the steps that `plan.order` names, and occupies the resources of
    its operator while it runs.

    Args:
        plan: A plan that was found.
        workers: How many there are, or their names.
        capacities: How much there is of each resource; one that is not named here is not limited.

    Raises:
        ConfigError: There is no plan, or see `schedule_tasks`.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Domain, Operator
        >>> from langgraph_agora.nodes.planning.search import find_plan
        >>> domain = Domain([Operator("left", duration=5), Operator("right", duration=3), Operator("join")])
        >>> tasks = [(name, [name]) for name in ("left", "right", "join")]
        >>> plan = find_plan(domain, {}, tasks, order=[("left", "join"), ("right", "join")])
        >>> [schedule(plan, workers).makespan for workers in (1, 2, 3)]
        [9.0, 6.0, 6.0]
    """
    if not plan.found:
        raise ConfigError(f"There is no plan to schedule. {plan.explanation}")
    operators = plan.domain.operator
    return _scheduled(
        {step.id: operators[step.task[0]].duration for step in plan.steps},
        plan.order,
        workers,
        {step.id: operators[step.task[0]].resources for step in plan.steps},
        capacities,
        {step.id: f"step {step.id} ({step})" for step in plan.steps},
    )


def schedule_tasks(
    durations: Mapping[Id, float],
    before: Mapping[Id, Iterable[Id]],
    workers: int | Sequence[str],
    *,
    resources: Mapping[Id, Mapping[str, float]] = {},
    capacities: Mapping[str, float] = {},
) -> Schedule:
    """Schedule tasks that wait for one another on identical workers, as short as can be found.

    List scheduling by several priorities; for up to 60 tasks branch and bound, with a limit on its search nodes, closes
    what is left to the lower bound. The same input gives the same schedule, in whatever order it is written.

    Args:
        durations: Id of a task -> how long it takes, in any unit, at least 0.
        before: Id -> the tasks that must be finished before it begins.
        workers: How many there are, or their names. Each does one task at a time.
        resources: Id -> what the task occupies while it runs: name -> how much.
        capacities: How much there is of each resource; one that is not named here is not limited.

    Raises:
        ConfigError: Tasks wait for one another in a circle; an unknown task; a number that is none or out of its range;
            no worker; a task needs more than there is of a resource, or one whose name looks like a typo.

    Example:
        >>> found = schedule_tasks({"a": 3, "b": 2, "c": 2}, {"c": ["b"]}, ["ann", "bob"])
        >>> found.makespan, found.optimal, [tuple(row) for row in found.rows]
        (4.0, True, [('a', 0.0, 3.0, 'ann'), ('b', 0.0, 2.0, 'bob'), ('c', 2.0, 4.0, 'bob')])
    """
    for ones in before.values():
        if isinstance(ones, str):
            raise ConfigError(f"before had {ones!r}; the tasks that one waits for are a list.")
    for id_ in durations:
        if isinstance(id_, bool) or not isinstance(id_, int | str):
            raise ConfigError(f"A task was named {id_!r}; give a text or a whole number.")
    return _scheduled(durations, before, workers, resources, capacities, {id_: f"task {id_!r}" for id_ in durations})


def _scheduled(
    durations: Mapping[Any, float],
    before: Mapping[Any, Iterable[Any]],
    workers: int | Sequence[str],
    resources: Mapping[Any, Amounts],
    capacities: Amounts,
    shown: Mapping[Any, str],
) -> Schedule:
    names = _worker_names(workers)
    before = {id_: tuple(ones) for id_, ones in before.items()}
    for id_, value in durations.items():
        _number(value, f"The duration of {shown[id_]}")
    order = _topological(durations, before, shown)
    place = {id_: number for number, id_ in enumerate(order)}
    kinds, needs = _needs(order, resources, capacities, shown)
    jobs = Jobs(
        [durations[id_] for id_ in order],
        [sorted({place[one] for one in before.get(id_, ())}) for id_ in order],
        needs,
        [len(names), *[capacities.get(kind, math.inf) for kind in kinds]],
    )
    starts, optimal = shortest(jobs)
    makespan, work = jobs.length(starts), sum(durations.values())
    return Schedule(
        rows=_rows(order, starts, jobs.durations, names),
        makespan=makespan,
        critical_path=tuple(order[job] for job in jobs.critical_path),
        workers=names,
        work=work,
        idle=max(0.0, len(names) * makespan - work),
        bound=jobs.bound,
        optimal=optimal,
    )


def _rows(order: list[Any], starts: list[float], durations: Sequence[float], names: tuple[str, ...]) -> tuple[Row, ...]:
    """Each job to the first worker that is free."""
    free = dict.fromkeys(names, 0.0)
    rows = []
    # Of those that begin together first those that take no time, so that they find the worker who begins then.
    for job in sorted(range(len(order)), key=lambda job: (starts[job], durations[job] > 0, job)):
        worker = next(name for name in names if free[name] <= starts[job])
        free[worker] = starts[job] + durations[job]
        rows.append(Row(order[job], starts[job], free[worker], worker))
    return tuple(rows)


def _topological(
    durations: Mapping[Any, float], before: Mapping[Any, Iterable[Any]], shown: Mapping[Any, str]
) -> list[Any]:
    """The ids so that each stands after those that it waits for, and otherwise sorted."""
    waits = {id_: set(before.get(id_, ())) for id_ in durations}
    then: dict[Any, list[Any]] = {id_: [] for id_ in durations}
    for id_ in [*before, *[one for ones in waits.values() for one in ones]]:
        if id_ not in durations:
            hint = nearest(str(id_), [str(one) for one in durations])
            raise ConfigError(f"There is no task {id_!r} among the durations.{hint}")
    for id_, ones in waits.items():
        for one in ones:
            then[one].append(id_)
    ready = [_key(id_) for id_, ones in waits.items() if not ones]
    heapify(ready)
    order: list[Any] = []
    left = {id_: len(ones) for id_, ones in waits.items()}
    while ready:
        order.append(heappop(ready)[1])
        for one in then[order[-1]]:
            left[one] -= 1
            if not left[one]:
                heappush(ready, _key(one))
    if len(order) < len(waits):
        raise ConfigError(f"The order has a cycle: {_cycle(waits, set(waits) - set(order), shown)}.")
    return order


def _cycle(waits: Mapping[Any, set[Any]], left: set[Any], shown: Mapping[Any, str]) -> str:
    path = [min(left, key=_key)]
    while path.count(path[-1]) < 2:
        path.append(min(waits[path[-1]] & left, key=_key))
    return " before ".join(shown[id_] for id_ in path[path.index(path[-1]) :][::-1])


def _key(id_: Any) -> tuple[bool, Any]:
    """Numbers by their value, then names: both may occur, and they cannot be compared."""
    return isinstance(id_, str), id_


def _needs(
    order: Sequence[Any], resources: Mapping[Any, Amounts], capacities: Amounts, shown: Mapping[Any, str]
) -> tuple[list[str], list[tuple[tuple[int, float], ...]]]:
    """The names of the resources that are needed, and what each task needs; 0 is its worker."""
    for kind, most in capacities.items():
        _number(most, f"The capacity of {kind!r}", math.inf)
    for id_ in resources:
        if id_ not in shown:
            raise ConfigError(f"There is no task {id_!r} among the durations; its resources were given.")
    kinds = sorted({kind for amounts in resources.values() for kind, amount in amounts.items() if amount})
    needs = []
    for id_ in order:
        own = resources.get(id_, {})
        for kind, amount in own.items():
            _number(amount, f"What {shown[id_]} needs of {kind!r}")
            if kind not in capacities and (hint := nearest(kind, capacities)):
                raise ConfigError(
                    f"{shown[id_]} needs {kind!r}, and no capacity is given for it.{hint} Write math.inf for no limit."
                )
            if amount > capacities.get(kind, math.inf):
                raise ConfigError(f"{shown[id_]} needs {amount:g} of {kind!r}, and there is {capacities[kind]:g}.")
        needs.append(((0, 1.0), *[(number, own[kind]) for number, kind in enumerate(kinds, 1) if own.get(kind)]))
    return kinds, needs


def _worker_names(workers: int | Sequence[str]) -> tuple[str, ...]:
    if isinstance(workers, int) and not isinstance(workers, bool):
        if not 1 <= workers <= MOST_WORKERS:
            raise ConfigError(f"workers was {workers}; give at least 1 and at most {MOST_WORKERS:,}.")
        return tuple(f"w{number}" for number in range(1, workers + 1))
    if isinstance(workers, bool | str) or not isinstance(workers, Sequence):
        raise ConfigError(f"workers was {workers!r}; give how many there are, or a list of their names.")
    if not workers or not all(isinstance(name, str) and name for name in workers) or len(set(workers)) < len(workers):
        raise ConfigError(f"workers was {list(workers)!r}; give one name or more, each once.")
    return tuple(workers)


def _number(value: Any, what: str, most: float = math.nextafter(math.inf, 0)) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ConfigError(f"{what} was {value!r}; give a number of at least 0.")
