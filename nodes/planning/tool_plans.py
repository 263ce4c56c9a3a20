"""Plans made of tool calls alone, where nobody has written a domain: read, checked, and turned into one.

The graph of calls is LLMCompiler's (Kim et al. 2024): calls that need no other's result run side by side, and an input
refers to the result of call 2 as $2. What cannot be planned ahead is left to an agent that acts step by step (ADaPT:
Prasad et al. 2024).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import nearest
from ..text import shorten
from .domain import Domain, Method, Operator
from .method_needs import listed, text_of
from .proposal_reading import json_in
from .reading import order_of

ROOT = "goal"  # The task that the calls are a method of.
MOST_CALLS = 20
LISTS = ("calls", "plan", "steps", "tool_calls", "subtasks", "tasks")
NAMES = ("tool", "name", "action")
INPUTS = ("input", "args", "arguments", "parameters")
WAITS = ("after", "depends_on", "dependencies", "needs")
REFERENCE = re.compile(r"\$(\d{1,3})\b")
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (Mapping,),
    "null": (type(None),),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A call in a plan.

    Attributes:
        name: The tool and its place in the plan: "search_1"; its operator has this name.
        tool: The tool; empty for the whole goal, which is left to an agent that has all the tools.
        input: The tool's arguments; "$1" in a text stands for the result of the first call.
        after: The calls that must be done before.
    """

    name: str
    tool: str
    input: Mapping[str, Any]
    after: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {"name": self.name, "tool": self.tool, "input": dict(self.input), "after": list(self.after)}


def tool_domain(calls: Sequence[Planned]) -> Domain:
    """A domain in which the task `goal` is done by these calls, each when those that it waits for are done.

    Example:
        >>> from langgraph_agora.nodes.planning.search import find_plan
        >>> calls = [Planned("search_1", "search", {"query": "Oslo"}), Planned("sum_2", "sum", {}, ("search_1",))]
        >>> find_plan(tool_domain(calls), {}, ["goal"]).names
        ['search_1', 'sum_2']
    """
    operators = [
        Operator(
            one.name,
            pre=[(_done(other), "==", True) for other in one.after],
            eff=[(_done(one.name), "=", True)],
        )
        for one in calls
    ]
    order = [(other, one.name) for one in calls for other in one.after]
    return Domain(
        operators, [Method("as_planned", ROOT, subtasks=[(one.name, one.name) for one in calls], order=order)]
    )


def whole(goal: str) -> tuple[Planned, ...]:
    """The plan that leaves the whole goal to an agent."""
    return (Planned("whole_1", "", {"goal": goal}),)


def read_calls(said: Any, tools: Mapping[str, Mapping[str, Any]]) -> tuple[Planned, ...]:
    """Read a plan out of what a model said.

    Args:
        said: A list of calls {"tool", "input", "after"}, an object with one under `calls`, or a text with either in
            it. `after` holds the numbers of calls, counted from 1; a call also waits for those whose results it uses.
        tools: Tool -> the JSON schema of its arguments, without references.

    Raises:
        ValueError: It cannot be used. The message is one sentence for the model: what is wrong, and what is known.

    Example:
        >>> text = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
        >>> said = {"calls": [{"tool": "search", "input": "Oslo"}, {"tool": "search", "input": {"query": "near $1"}}]}
        >>> for call in read_calls(said, {"search": text}):
        ...     print(call.name, dict(call.input), call.after)
        search_1 {'query': 'Oslo'} ()
        search_2 {'query': 'near $1'} ('search_1',)
    """
    given = json_in(said) if isinstance(said, str) else said
    if isinstance(given, Mapping):
        given = next((given[key] for key in LISTS if isinstance(given.get(key), list | tuple)), None)
    if not isinstance(given, list | tuple) or not given:
        raise ValueError(f"There is no list of calls; the tools are {listed(tools)}.")
    if len(given) > MOST_CALLS:
        raise ValueError(f"The plan has {len(given):,} calls; give at most {MOST_CALLS}.")
    rows = [_row(one, place, tools) for place, one in enumerate(given, 1)]
    names = [f"{tool}_{place}" for place, (tool, _, _) in enumerate(rows, 1)]
    waits = [_waits(row, place, names) for place, row in enumerate(rows, 1)]
    try:
        order_of(names, [(names[other], names[place]) for place, one in enumerate(waits) for other in one], "The plan")
    except ValueError as error:
        raise ValueError(shorten(str(error), 400)) from None
    return tuple(
        Planned(name, tool, arguments, tuple(names[other] for other in sorted(one)))
        for name, (tool, arguments, _), one in zip(names, rows, waits, strict=True)
    )


def filled(call: Planned, results: Mapping[str, Any]) -> dict[str, Any]:
    """The input of a call with results in the place of the references to them.

    A text that is a reference and nothing else becomes the result as it is; one inside a text becomes its text.

    Args:
        call: The call.
        results: Name of a call -> its result; a reference to one that is missing stays.

    Example:
        >>> call = Planned("sum_2", "sum", {"numbers": "$1", "note": "of $1"}, ("list_1",))
        >>> filled(call, {"list_1": [1, 2]})
        {'numbers': [1, 2], 'note': 'of [1, 2]'}
    """
    by_place = {name.rpartition("_")[2]: result for name, result in results.items()}

    def put(text: str) -> Any:
        alone = REFERENCE.fullmatch(text)
        if alone is not None:
            return by_place.get(alone[1], text)
        return REFERENCE.sub(lambda found: _text(by_place[found[1]]) if found[1] in by_place else found[0], text)

    return {key: _mapped(value, put) for key, value in call.input.items()}


def _row(given: Any, place: int, tools: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, Any], Any]:
    """The tool, the arguments and what it waits for of one call."""
    one = given if isinstance(given, Mapping) else {"tool": given}
    tool = next((one[key] for key in NAMES if isinstance(one.get(key), str)), "")
    if tool not in tools:
        said = shorten(repr(tool), 60) if tool else "no tool"
        raise ValueError(f"Call {place} names {said}; the tools are {listed(tools)}.{nearest(tool, tools)}")
    schema = tools[tool]
    properties = schema.get("properties") or {}
    arguments: Any = next((one[key] for key in INPUTS if one.get(key) is not None), {})
    if not isinstance(arguments, Mapping) and len(properties) == 1:
        arguments = {next(iter(properties)): arguments}
    if not isinstance(arguments, Mapping):
        wanted = f"an object with {listed(properties)}" if properties else "no input"
        raise ValueError(f"Call {place}, {tool}: the input was no object; give {wanted}.")
    for key in arguments:
        if key not in properties:
            known = f"it takes {listed(properties) or 'none'}.{nearest(str(key), properties)}"
            raise ValueError(f"Call {place}, {tool}: there is no argument {shorten(repr(key), 60)}; {known}")
    wrong = _misfit(arguments, {"type": "object", **schema}, "")
    if wrong:
        raise ValueError(f"Call {place}, {tool}: {wrong}.")
    return tool, dict(arguments), next((one[key] for key in WAITS if one.get(key) not in (None, "")), [])


def _misfit(value: Any, schema: Mapping[str, Any], where: str) -> str:
    """Why a value does not fit a JSON schema; empty when it does, or is a reference to a result."""
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return ""
    ways = schema.get("anyOf") or schema.get("oneOf")
    if ways:
        wrong = [_misfit(value, way, where) for way in ways]
        return "" if "" in wrong else wrong[0]
    what = where or "the input"
    if "enum" in schema and value not in schema["enum"]:
        return f"{what} is none of {listed(schema['enum'])}"
    kind = str(schema.get("type"))
    if kind in KINDS and (not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return f"{what} is {_kind_of(value)}, and must be of type {kind}"
    if isinstance(value, Mapping):
        return _misfit_inside(value, schema, where)
    if isinstance(value, list | tuple) and isinstance(schema.get("items"), Mapping):
        return next(filter(None, (_misfit(one, schema["items"], f"a part of {what}") for one in value)), "")
    return ""


def _misfit_inside(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> str:
    missing = [key for key in schema.get("required", ()) if key not in value]
    if missing:
        return f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} missing{f' in {where}' if where else ''}"
    properties = schema.get("properties") or {}
    parts = (_misfit(value[key], properties[key], key) for key in value if isinstance(properties.get(key), Mapping))
    return next(filter(None, parts), "")


def _kind_of(value: Any) -> str:
    kind = next((name for name, types in KINDS.items() if type(value) in types), "object")
    return shorten(text_of(value), 40) if kind in ("integer", "number", "boolean", "null") else f"of type {kind}"


def _waits(row: tuple[str, dict[str, Any], Any], place: int, names: Sequence[str]) -> set[int]:
    """The places, from 0, of the calls that a call waits for: those it names, and those whose results it uses."""
    tool, arguments, after = row
    places = {str(number): number - 1 for number in range(1, len(names) + 1)}
    places |= {name: number for number, name in enumerate(names)}
    found: set[int] = set()
    for one in after if isinstance(after, list | tuple) else [after]:
        text = text_of(one).strip().lstrip("$") if isinstance(one, str | int) else ""
        if text not in places:
            there = f"there are calls 1 to {len(names)}"
            raise ValueError(f"Call {place}, {tool}, waits for {shorten(text, 40) or 'something'}; {there}.")
        found.add(places[text])
    for text in _texts(arguments):
        used = [match[1] for match in REFERENCE.finditer(text)]
        found |= {places[number] for number in used if number in places}
        if REFERENCE.fullmatch(text) and used[0] not in places:  # "$20" inside a text is money.
            raise ValueError(f"Call {place}, {tool}, uses {text}; there are results $1 to ${len(names)}.")
    if place - 1 in found:
        raise ValueError(f"Call {place}, {tool}, waits for itself.")
    return found


def _mapped(value: Any, change: Callable[[str], Any]) -> Any:
    """A JSON value with each text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _mapped(one, change) for key, one in value.items()}
    return [_mapped(one, change) for one in value] if isinstance(value, list | tuple) else value


def _texts(value: Any) -> Iterator[str]:
    """The texts in a JSON value."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping):
            left += one.values()
        elif isinstance(one, list | tuple):
            left += one


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _done(name: str) -> str:
    """The variable that says that a call is done. Its argument is the place: a tool's name may hold anything."""
    return f"done({name.rpartition('_')[2]})"
