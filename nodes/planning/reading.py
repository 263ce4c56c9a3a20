"""What people write of tasks, parameters, orders and numbers in a domain: read, checked, refused in words."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ...errors import ConfigError, nearest
from .facts import Args, Ground, atom, shown
from .terms import Term, known


def read_task(given: Any, where: str) -> Ground:
    """Read a task: a name, or a list of a name and arguments.

    Raises:
        ConfigError: It is something else.

    Example:
        >>> read_task("ride", "root"), read_task(["ship", "o1"], "root")
        (('ride',), ('ship', 'o1'))
    """
    task = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else ()
    if not task or not isinstance(task[0], str) or not task[0].strip():
        raise ConfigError(f"{where}: a task is a name, or a list of a name and arguments; {given!r} was given.")
    for arg in task[1:]:
        if not isinstance(arg, str | int | float | bool | tuple):  # Tuples are for Python functions.
            raise ConfigError(f"{where}: an argument of {task[0]!r} was {arg!r}; give a name or a number.")
    return task


def task_in(text: str, names: Collection[str]) -> Ground:
    """The task that somebody has written as text: a known name as it is, else a name with arguments.

    Raises:
        ConfigError: It is neither.

    Example:
        >>> task_in("ship(o1)", ["ship"]), task_in("ship(o1)", ["ship(o1)"])
        (('ship', 'o1'), ('ship(o1)',))
    """
    if text.strip() in names:
        return (text.strip(),)
    name, args = atom(text)
    return (name, *args)


def read_subtasks(given: Any, where: str) -> tuple[tuple[str, Ground], ...]:
    """Read pairs (id, task), also [id, name, argument, ...]; ids must differ."""
    found: dict[str, Ground] = {}
    for one in listed(given, "subtasks", where):
        if not isinstance(one, list | tuple) or len(one) < 2 or not isinstance(one[0], str):
            raise ConfigError(f"{where}: a subtask is [id, task]; {one!r} was given.")
        task = one[1] if len(one) == 2 else list(one[1:])
        if one[0] in found:
            raise ConfigError(f"{where}: two subtasks have the id {one[0]!r}; give each its own.")
        found[one[0]] = read_task(task, where)
    return tuple(found.items())


def read_parameters(given: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Read parameters: names, or pairs (name, type); the question mark may be left out."""
    found: list[tuple[str, str]] = []
    for one in listed(given, "parameters", where):
        name, type_ = (
            (one, "") if isinstance(one, str) else one if isinstance(one, list | tuple) and len(one) == 2 else (0, 0)
        )
        if not isinstance(name, str) or not isinstance(type_, str) or not name.strip("?"):
            raise ConfigError(f"{where}: a parameter is a name or a pair (name, type); {one!r} was given.")
        name = name if name.startswith("?") else f"?{name}"
        if name in dict(found):
            raise ConfigError(f"{where}: two parameters are named {name!r}.")
        found.append((name, type_))
    return tuple(found)


def order_of(ids: Sequence[str], order: Any, where: str) -> tuple[tuple[int, ...], ...] | None:
    """For each subtask the places of those it waits for; None for a total order.

    Raises:
        ConfigError: An unknown id, or a cycle, which is named.

    Example:
        >>> order_of(["a", "b", "c"], [["a", "c"], ["b", "c"]], "m")
        ((), (), (0, 1))
    """
    if order == "total" or (len(ids) < 2 and order in ([], ())):
        return None
    if isinstance(order, str) or not isinstance(order, Sequence):
        raise ConfigError(f'{where}: the order was {order!r}; give "total" or pairs [before, after] of ids.')
    place = {key: number for number, key in enumerate(ids)}
    after: list[set[int]] = [set() for _ in ids]
    for pair in order:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(key, str) for key in pair):
            raise ConfigError(f"{where}: an order is a pair [before, after] of ids; {pair!r} was given.")
        for key in pair:
            known(key, place, "subtask", where)
        after[place[pair[1]]].add(place[pair[0]])
    cycle = _cycle(after)
    if cycle:
        names = [ids[number] for number in cycle]
        names = names if len(names) < 20 else [*names[:9], "...", *names[-9:]]
        raise ConfigError(f"{where}: the order has a cycle: {' before '.join(names)}.")
    return tuple(tuple(sorted(one)) for one in after)


def _cycle(after: Sequence[Iterable[int]]) -> list[int]:
    """Places that wait for one another in a circle, the first one again at the end."""
    then: list[list[int]] = [[] for _ in after]
    for number, before in enumerate(after):
        for one in before:
            then[one].append(number)
    counts = [len(list(before)) for before in after]
    free = [number for number, count in enumerate(counts) if not count]
    for number in free:
        for one in then[number]:
            counts[one] -= 1
            if not counts[one]:
                free.append(one)
    left = {number: set(after[number]) for number, count in enumerate(counts) if count}
    if not left:
        return []
    path: dict[int, int] = {}
    at = min(left)
    while at not in path:
        path[at] = len(path)
        at = min(left[at] & left.keys())
    return [*list(path)[path[at] :], at][::-1]


def named(name: Any, what: str) -> str:
    """A name, or a ConfigError that begins with `what`."""
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"{what} has no name: {name!r} was given.")
    return name


def listed(given: Any, what: str, where: str) -> Sequence[Any]:
    """A list, or a ConfigError."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError(f"{where}: {what} was {given!r}; give a list.")
    return given


def probability(given: Any, where: str) -> float:
    """A probability, or a ConfigError."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise ConfigError(f"{where}: p was {given!r}; give a probability from 0 to 1.")
    return given


def at_least_0(given: Any, what: str, where: str) -> float:
    """A finite number of at least 0, or a ConfigError."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < math.inf:
        raise ConfigError(f"{where}: {what} was {given!r}; give a number of at least 0.")
    return given


def only_known(parameters: Sequence[tuple[str, str]], terms: Sequence[Term], where: str) -> None:
    """Raise a ConfigError when a term uses a parameter that there is not."""
    names = [name for name, _ in parameters]
    for term in terms:
        for name in term.parameters():
            if name not in names:
                raise ConfigError(f"{where}: {term} uses {name}, which is no parameter.{nearest(name, names)}")


def arity_words(name: str, parameters: Sequence[tuple[str, str]], args: Args) -> str:
    """What to say of a wrong number of arguments."""
    wanted = ", ".join(parameter for parameter, _ in parameters)
    return f"{name!r} takes {len(parameters)} arguments ({wanted}); {len(args)} were given: {shown(name, args)}."
