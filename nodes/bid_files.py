"""Bids in JSON or CSV, as text: for `award` and `vcg`. Pure; who calls has read the file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from typing import Any, NamedTuple

from ..errors import ConfigError, nearest


class Bids(NamedTuple):
    """What a file of bids holds: either bids for one task, or a table of costs for several."""

    bids: list[tuple[str, Any]] | None  # for `award`; bids that are no numbers stay as they were, to be rejected there
    costs: list[list[Any]] | None  # for `vcg`: a row for each agent, a column for each task
    agents: list[str]  # the names of the rows
    tasks: list[str]  # the names of the columns
    arguments: dict[str, Any]  # what else `award` or `vcg` is to be given, such as reserve or capacities


FOR_AWARD = ("kind", "reserve", "direction", "step", "quality")
FOR_VCG = ("agents", "tasks", "capacities", "outside")

WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


def read_bids(text: str, name: str) -> Bids:
    r"""Read bids from the text of a file.

    CSV for one task: the header agent,bid or agent,bid,quality. CSV for several: the header agent, then the names of
    the tasks, then perhaps capacity; a blank cell is a task that the agent cannot do. JSON for one task: {"bids":
    {"ann": 9}} or {"bids": [["ann", 9]]}, with any of kind, reserve, direction, step and quality beside. JSON for
    several: {"costs": [[3, null], [2, 4]]}, a row for each agent, with any of agents, tasks, capacities and outside.

    Args:
        text: The file's text.
        name: The file's name; one that ends with .csv is CSV, every other is JSON.

    Returns:
        The bids. An agent that bids twice stands there twice.

    Raises:
        ConfigError: It cannot be read; the message says where.

    Example:
        >>> read_bids("agent,bid\nann,9\nbob,$5\n", "b.csv").bids
        [('ann', 9), ('bob', '$5')]
        >>> table = read_bids("agent,wash,iron,capacity\nann,3,,1\nbob,2,4.5,2\n", "b.csv")
        >>> table.costs, table.tasks, table.arguments
        ([[3, None], [2, 4.5]], ['wash', 'iron'], {'capacities': [1, 2]})
        >>> read_bids('{"bids": {"ann": 9}, "reserve": 40}', "b.json").arguments
        {'reserve': 40}
    """
    text = text.removeprefix("\ufeff")  # Excel puts it before what it saves as UTF-8.
    return _csv(text, name) if name.lower().endswith(".csv") else _json(text, name)


# CSV


def _csv(text: str, name: str) -> Bids:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[tuple[str, list[str]]] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                lines.append((f"{name!r}, line {reader.line_num}", cells))
    except csv.Error as error:
        raise ConfigError(f"{name!r}, line {reader.line_num}, is not CSV: {error}.") from error
    if not lines:
        raise ConfigError(f"{name!r} is empty; begin with the header agent,bid or agent and the names of the tasks.")
    (where, header), *rows = lines
    if header[0].casefold() != "agent" or len(header) < 2:
        raise ConfigError(f"{where}: the header is {','.join(header)}; begin with agent,bid or agent,task,task.")
    for place, cells in rows:
        if len(cells) != len(header):
            raise ConfigError(f"{place}: there are {len(cells)} cells under {len(header)} columns.")
        if not cells[0]:
            raise ConfigError(f"{place}: there is no agent in the first column.")
    if header[1].casefold() == "bid":
        return _single(where, [cell.casefold() for cell in header], rows)
    return _several(where, header, rows)


def _single(where: str, header: list[str], rows: list[tuple[str, list[str]]]) -> Bids:
    if header not in (["agent", "bid"], ["agent", "bid", "quality"]):
        raise ConfigError(f"{where}: the header is {','.join(header)}; after agent,bid there may only be quality.")
    quality: dict[str, Any] = {}
    for place, (agent, _, *worth) in rows:
        if worth and worth[0]:
            number = _number(worth[0])
            if isinstance(number, str):
                raise ConfigError(f"{place}: the quality of {agent!r} is {number!r}; it is a number, or left blank.")
            if quality.setdefault(agent, number) != number:
                raise ConfigError(f"{place}: {agent!r} has two qualities, {quality[agent]} and {number}; give one.")
    bids = [(agent, _number(bid)) for _, (agent, bid, *_) in rows]
    return Bids(bids, None, _once(bids), [], {"quality": quality} if len(header) == 3 else {})


def _several(where: str, header: list[str], rows: list[tuple[str, list[str]]]) -> Bids:
    limited = header[-1].casefold() == "capacity"
    tasks = header[1:-1] if limited else header[1:]
    if not tasks or not all(tasks) or len(set(tasks)) != len(tasks):
        raise ConfigError(
            f"{where}: the tasks are {', '.join(map(repr, tasks))}; give one at least, each its own name."
        )
    costs: dict[str, list[Any]] = {}
    capacities: list[int] = []
    for place, (agent, *cells) in rows:
        if agent in costs:
            raise ConfigError(f"{place}: {agent!r} has a second row; give one with all its costs.")
        if limited:
            capacity = _number(cells.pop())
            if not isinstance(capacity, int) or capacity < 0:
                raise ConfigError(
                    f"{place}: the capacity of {agent!r} is {capacity!r}; give a whole number, 0 or more."
                )
            capacities.append(capacity)
        costs[agent] = [_number(cell) for cell in cells]
        for task, cost in zip(tasks, costs[agent], strict=True):
            if isinstance(cost, str):
                raise ConfigError(
                    f"{place}: the cost of {task!r} for {agent!r} is {cost!r}; give a number, or a blank cell where it "
                    "cannot do the task."
                )
    if not costs:
        raise ConfigError(f"{where}: no agents stand under the header; give a line for each.")
    return Bids(None, list(costs.values()), list(costs), tasks, {"capacities": capacities} if limited else {})


def _number(cell: str) -> int | float | str | None:
    """What a cell holds: a number, None where it is blank, and the text where it is no number."""
    if WHOLE.fullmatch(cell):
        return int(cell)
    return float(cell) if DECIMAL.fullmatch(cell) else cell or None


# JSON


class _Object(dict[str, Any]):
    """An object as it was written: `pairs` has the keys that stand there twice, too."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def twice(self) -> list[str]:
        return [key for key, times in Counter(key for key, _ in self.pairs).items() if times > 1]


def _json(text: str, name: str) -> Bids:
    try:
        given = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name!r} is not JSON: {error}") from error
    if not isinstance(given, _Object) or ("bids" in given) == ("costs" in given):
        raise ConfigError(f"{name!r} needs either bids, an object agent -> bid, or costs, a list of lists, at the top.")
    kind, allowed = ("bids", FOR_AWARD) if "bids" in given else ("costs", FOR_VCG)
    for key in given.twice():
        raise ConfigError(f"{name!r} has {key!r} twice.")
    for key in sorted(set(given) - {kind, *allowed}):
        hint = nearest(key, allowed)
        raise ConfigError(f"{name!r} has the key {key!r}; beside {kind} there may be {', '.join(allowed)}.{hint}")
    arguments = {key: given[key] for key in allowed if given.get(key) is not None}
    quality = arguments.get("quality")
    if isinstance(quality, _Object):
        arguments["quality"] = dict(quality)
        for agent in quality.twice():
            raise ConfigError(f"{name!r} gives the quality of {agent!r} twice.")
    if kind == "bids":
        bids = _bids(name, given["bids"])
        return Bids(bids, None, _once(bids), [], arguments)
    costs = _costs(name, given["costs"])
    agents = _names(name, "agents", arguments.pop("agents", None), len(costs))
    tasks = _names(name, "tasks", arguments.pop("tasks", None), len(costs[0]))
    return Bids(None, costs, agents, tasks, arguments)


def _bids(name: str, given: Any) -> list[tuple[str, Any]]:
    pairs = given.pairs if isinstance(given, _Object) else given
    whole = isinstance(pairs, list) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs)
    if not whole or not all(isinstance(agent, str) and agent for agent, _ in pairs):
        raise ConfigError(
            f"{name!r}: bids is an object agent -> bid, or a list of [agent, bid]; each agent has a name."
        )
    return [(agent, bid) for agent, bid in pairs]


def _costs(name: str, given: Any) -> list[list[Any]]:
    rows = given if isinstance(given, list) else []
    if not rows or not all(isinstance(row, list) and row and len(row) == len(rows[0]) for row in rows):
        raise ConfigError(f"{name!r}: costs is a list for each agent, all as long, with a cost or null for each task.")
    return rows


def _names(name: str, what: str, given: Any, size: int) -> list[str]:
    if given is None:
        return [f"{what[:-1]} {number}" for number in range(size)]
    whole = isinstance(given, list) and all(isinstance(one, str) and one for one in given)
    if not whole or len(given) != size or len(set(given)) != size:
        raise ConfigError(f"{name!r}: {what} has to be {size} different names, as many as costs has.")
    return list(given)


def _once(bids: list[tuple[str, Any]]) -> list[str]:
    return list(dict.fromkeys(agent for agent, _ in bids))
