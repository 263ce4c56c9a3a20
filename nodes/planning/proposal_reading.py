"""Reading a decomposition out of what a model said: known tasks with known arguments in an order, or why not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import nearest
from ..text import shorten
from .domain import Network
from .facts import Args, Ground, shown
from .method_needs import Need, allowed_for, by_text, listed, parameters_for, text_of
from .reading import order_of

MOST_TASKS = 50  # subtasks of one proposal
LISTS = ("subtasks", "tasks", "steps", "plan")
NAMES = ("task", "name", "action", "tool")
ARGUMENTS = ("args", "arguments", "parameters", "input")


def read_proposal(said: Any, wanted: Need) -> Network:
    """Read a decomposition out of what a model said; nothing in it is evaluated.

    Args:
        said: A list of tasks, an object with one under `subtasks`, or a text with either in it. A task is a name, a
            name with its arguments ("pick(o1)", "pick o1", ["pick", "o1"]), or an object {"task", "args"}; arguments
            that are left out are the task's own. `order`: pairs [before, after] of subtasks; without it they are done
            one after the other.
        wanted: What it is for.

    Raises:
        ValueError: It cannot be used. The message is one sentence for the model: what is wrong, and what is known.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Domain, Operator
        >>> from langgraph_agora.nodes.planning.method_needs import need_for
        >>> domain = Domain([Operator("pick", ["?o"]), Operator("send", ["?o"])], tasks=["ship"])
        >>> wanted = need_for(domain, ("ship", "o1"), {})
        >>> read_proposal('Try this: ["pick", "send(o1)"]', wanted).tasks
        (('pick', ('pick', 'o1')), ('send', ('send', 'o1')))
        >>> read_proposal(["pick", "teleport"], wanted)
        Traceback (most recent call last):
        ...
        ValueError: There is no task 'teleport'; the tasks are pick, send.
    """
    items, order = _items(said)
    if len(items) > MOST_TASKS:
        raise ValueError(f"The list has {len(items):,} tasks; give at most {MOST_TASKS}.")
    if not items and not wanted.goal:
        raise ValueError(f"The list is empty; name the tasks that {wanted} consists of.")
    tasks = [_task(item, wanted) for item in items]
    keys: list[str] = []
    for task in tasks:
        count = sum(other[0] == task[0] for other in tasks[: len(keys)])
        keys.append(f"{task[0]}_{count + 1}" if count else task[0])
    if len(set(keys)) < len(keys):  # A task that is named as the second of another would be.
        keys = [f"{place}_{task[0]}" for place, task in enumerate(tasks, 1)]
    return Network(tuple(zip(keys, tasks, strict=True)), _order(order, keys, tasks))


def json_in(text: str) -> Any:
    """The first list or object of JSON in a text; what stands inside a broken one is not taken.

    Raises:
        ValueError: There is none.

    Example:
        >>> json_in('Sure: ["pick", "pack"]. Good luck!')
        ['pick', 'pack']
    """
    decoder, start = json.JSONDecoder(), _bracket(text, 0)
    for _ in range(20):  # As many brackets as prose may have before the answer; hostile text stays linear.
        if start < 0:
            break
        try:
            return decoder.raw_decode(text, start)[0]
        except json.JSONDecodeError as error:
            start = _bracket(text, max(error.pos, start + 1))
        except (RecursionError, ValueError):  # Nested too deep, or a number of thousands of digits.
            break
    raise ValueError(f"There is no list in JSON in {shorten(repr(text.strip()), 100)}.")


def _bracket(text: str, start: int) -> int:
    return min([place for place in (text.find("{", start), text.find("[", start)) if place >= 0], default=-1)


def _items(said: Any) -> tuple[list[Any], Any]:
    """The list of tasks in what was said, and their order."""
    given = json_in(said) if isinstance(said, str) else said
    if isinstance(given, Mapping):
        found = next((given[key] for key in LISTS if isinstance(given.get(key), list | tuple)), None)
        order = given.get("order")
    else:
        found, order = given, None
    if not isinstance(found, list | tuple):
        raise ValueError(f"There is no list of tasks in {_quoted(given)}.")
    return list(found), None if order in ("total", [], (), {}, "") else order


def _task(item: Any, wanted: Need) -> Ground:
    name, given = _spelled(item, wanted)
    if not _is_known(name, wanted):
        hint = nearest(name, wanted.names)
        raise ValueError(f"There is no task {shorten(name, 60)!r}; the tasks are {listed(wanted.names)}.{hint}")
    if not (name in wanted.domain.operator or wanted.domain.methods_of[name]):
        itself = f"{name!r} cannot consist of itself" if name == wanted.task[0] else f"No method of {name!r} is known"
        raise ValueError(f"{itself}; use other tasks: {listed(wanted.names)}.")
    task = (name, *_arguments(name, given, wanted))
    if task == wanted.task:
        raise ValueError(f"{wanted} cannot consist of itself; use other tasks: {listed(wanted.names)}.")
    return task


def _spelled(item: Any, wanted: Need) -> tuple[str, Any]:
    """The name of a task and its arguments, None where there are none."""
    if isinstance(item, list | tuple) and item and isinstance(item[0], str):
        return (item[0].strip(), list(item[1:])) if len(item) > 1 else _spelled(item[0], wanted)
    if isinstance(item, Mapping):
        inner = next((item[key] for key in NAMES if isinstance(item.get(key), str | list | tuple)), None)
        given = next((item[key] for key in ARGUMENTS if item.get(key) not in (None, [], {}, "")), None)
        if isinstance(inner, str) and given is not None:
            return inner.strip(), given
        return _spelled(inner, wanted)
    if not isinstance(item, str):
        raise ValueError(f"{_quoted(item)} is no task; the tasks are {listed(wanted.names)}.")
    text = item.strip()
    if _is_known(text, wanted):
        return text, None
    called, bracket, inside = text.partition("(")
    if bracket and inside.endswith(")") and _is_known(called.rstrip(), wanted):
        return called.rstrip(), _split(inside[:-1], r",")
    words = text.strip("()").strip()
    fitting = [name for name in wanted.domain.names if words.startswith(name) and words[len(name) :][:1].isspace()]
    if not fitting:
        return text, None
    name = max(fitting, key=len)
    return name, _split(words[len(name) :], r"[\s,]+")


def _is_known(name: str, wanted: Need) -> bool:
    return name in wanted.domain.operator or wanted.domain.is_compound(name)


def _quoted(value: Any) -> str:
    """What was said, short; a list may be nested deeper than can be shown."""
    if isinstance(value, Mapping):
        return f"an object with {listed(value, 5) or 'nothing in it'}"
    return "a list" if isinstance(value, list | tuple) else shorten(repr(value), 60)


def _split(text: str, between: str) -> list[str] | None:
    return [part.strip(" \t\n\"'") for part in re.split(between, text.strip())] if text.strip() else None


def _arguments(name: str, given: Any, wanted: Need) -> Args:
    parameters = wanted.domain.parameters_of(name)
    if given is None and parameters != ():
        return _own_arguments(name, parameters, wanted)
    if isinstance(given, Mapping):
        values = {str(key).lstrip("?"): value for key, value in given.items()}
        given = [values.get(key.lstrip("?")) for key, _ in parameters] if parameters else list(values.values())
    given = [] if given is None else list(given) if isinstance(given, list | tuple) else [given]
    if parameters is not None and len(given) != len(parameters):
        needed = f"{name!r} takes {len(parameters)} arguments, {_signature(name, parameters)}"
        raise ValueError(f"{needed}; {len(given)} were given.")
    types = [type_ for _, type_ in parameters] if parameters is not None else [""] * len(given)
    return tuple([_object(one, type_, name, wanted) for one, type_ in zip(given, types, strict=True)])


def _own_arguments(name: str, parameters: Sequence[tuple[str, str]] | None, wanted: Need) -> Args:
    """The task's arguments for a subtask that was named without any: by name, else all of them in their order."""
    args = wanted.task[1:]
    if parameters is None:
        return args
    own = dict(zip([key for key, _ in parameters_for(wanted)], args, strict=True))
    if all(key in own for key, _ in parameters):
        args = tuple([own[key] for key, _ in parameters])
    elif len(parameters) != len(args):
        raise ValueError(f"{name!r} needs its arguments: write {_signature(name, parameters)} with objects in it.")
    return tuple([_object(one, type_, name, wanted) for one, (_, type_) in zip(args, parameters, strict=True)])


def _object(given: Any, type_: str, name: str, wanted: Need) -> Any:
    """The known thing that an argument names."""
    text = text_of(given).strip() if isinstance(given, str | int | float) else ""
    allowed = by_text(allowed_for(type_, wanted))
    if text not in allowed:
        what = f"{type_} " if type_ else ""
        known = f"known: {listed(allowed)}" if allowed else "none is known"
        raise ValueError(f"{_quoted(given)} in {name!r} is no known {what}object; {known}.{nearest(text, allowed)}")
    return allowed[text]


def _order(given: Any, keys: Sequence[str], tasks: Sequence[Ground]) -> tuple[tuple[int, ...], ...] | None:
    if given is None:
        return None
    names = {str(place): key for place, key in enumerate(keys, 1)}
    names |= {text: key for key, task in zip(keys, tasks, strict=True) for text in _texts(task)}
    names |= {key: key for key in keys}
    if isinstance(given, list | tuple):
        pairs = [one if isinstance(one, list | tuple) else [one] for one in given]
        given = [[names.get(text_of(one).strip(), text_of(one)) for one in pair] for pair in pairs]
    try:
        return order_of(keys, given, "The order is wrong")
    except ValueError as error:
        raise ValueError(shorten(str(error), 400)) from None


def _texts(task: Ground) -> tuple[str, str]:
    return shown(task[0], task[1:]), " ".join(map(text_of, task))


def _signature(name: str, parameters: Sequence[tuple[str, str]]) -> str:
    return shown(name, tuple([key for key, _ in parameters]))
