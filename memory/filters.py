"""Filters over kept values: `matches` says what a filter means, `condition` lets SQLite leave out most of the rest.

    {"task": "sum"}                      equal
    {"features.tool": {"$ne": "search"}}   a path; a key of that very name goes first
    {"seconds": {"$gte": 1, "$lt": 5}}   all of the operators hold
    {"tags": ["a", "b"]}                 the whole list, element by element
    {"features": {"tool": "search"}}     nested: the named keys match, others do not matter

Several keys mean AND. A key without dots is read as LangGraph's stores read it (langgraph.store.base.SearchOp.filter):
what is missing is null, numbers are compared as numbers, also when one is written as text. Unlike there, what cannot
be compared does not match, instead of breaking the search; and texts that are no numbers are ordered as texts, so that
dates in ISO 8601 can be compared.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError, nearest

OPERATORS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in")

# SQLite compares the labels of a path byte by byte with the JSON as it is written, escapes and all.
_PLAIN = re.compile(r"[A-Za-z0-9_ -]+")
_EXACT = 2**53
"""Beyond it SQLite's numbers and Python's part."""


def matches(value: Mapping[str, Any], where: Mapping[str, Any] | None) -> bool:
    """Whether a value passes a filter (checked before with `checked_where`).

    Example:
        >>> one = {"task": "sum", "seconds": 2.5, "features": {"tool": "search"}}
        >>> matches(one, {"seconds": {"$gt": 1}, "features.tool": "search"})
        True
        >>> matches(one, {"features.tool": {"$in": ["read", "write"]}})
        False
    """
    return all(_agrees(_found(value, path), wanted) for path, wanted in (where or {}).items())


def checked_where(where: Mapping[str, Any] | None) -> None:
    """Raise ConfigError for what is no filter."""
    if where is None:
        return
    if not isinstance(where, Mapping) or not all(isinstance(path, str) for path in where):
        raise ConfigError(f'where was {str(where)[:100]!r}; give a dict, as {{"features.tool": "search"}}.')
    for path, wanted in where.items():
        _check(path, wanted)


def condition(where: Mapping[str, Any] | None, column: str = "value") -> tuple[str, list[Any]]:
    """Return SQL, and its parameters, that is true for every JSON text whose value matches, and for few others.

    What SQLite cannot decide exactly as Python does is left to `matches`.

    Example:
        >>> condition({"task": "sum"})
        ('(json_extract(value, ?) = ?)', ['$."task"', 'sum'])
        >>> condition({"task": {"$ne": "sum"}})
        ('1', [])
    """
    terms: list[str] = []
    parameters: list[Any] = []
    for path, wanted in (where or {}).items():
        for test, operand in _tests(wanted):
            term, values = _term(path, test, operand, column)
            if term:
                terms.append(term)
                parameters += values
    return " AND ".join(terms) or "1", parameters


def _found(value: Mapping[str, Any], path: str) -> Any:
    if path in value or "." not in path:
        return value.get(path)
    at: Any = value
    for name in path.split("."):
        if not isinstance(at, Mapping):
            return None
        at = at.get(name)
    return at


def _agrees(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if _has_operators(wanted):
            return all(_holds(value, operator, operand) for operator, operand in wanted.items())
        return isinstance(value, Mapping) and all(_agrees(value.get(name), one) for name, one in wanted.items())
    if isinstance(wanted, (list, tuple)):
        return isinstance(value, (list, tuple)) and len(value) == len(wanted) and all(map(_agrees, value, wanted))
    return bool(value == wanted)


def _holds(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return bool(value == operand)
    if operator == "$ne":
        return bool(value != operand)
    if operator == "$in":
        return any(value == one for one in operand)
    left, right = _number(value), _number(operand)
    if (left is None or right is None) and isinstance(value, str) and isinstance(operand, str):
        left, right = value, operand
    if left is None or right is None:
        return False
    if operator in ("$gt", "$gte"):
        return bool(left > right or (operator == "$gte" and left == right))
    return bool(left < right or (operator == "$lte" and left == right))


def _number(value: Any) -> Any:
    """The number that it is or says; None: none."""
    if isinstance(value, (int, float)):
        return value
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _has_operators(wanted: Mapping[str, Any]) -> bool:
    return any(str(name).startswith("$") for name in wanted)


def _check(path: str, wanted: Any) -> None:
    if isinstance(wanted, (list, tuple)):
        for one in wanted:
            _check(path, one)
    if not isinstance(wanted, Mapping):
        return
    operators = _has_operators(wanted)
    for name, operand in wanted.items():
        if operators and name not in OPERATORS:
            allowed = ", ".join(OPERATORS)
            raise ConfigError(
                f"The filter of {path!r} has {name!r}; allowed are {allowed}.{nearest(str(name), OPERATORS)}"
            )
        if name == "$in" and not isinstance(operand, (list, tuple, set, frozenset)):
            raise ConfigError(f"$in of {path!r} was {operand!r}; give a list of values.")
        if not operators:
            _check(f"{path}.{name}", operand)


def _tests(wanted: Any) -> list[tuple[str, Any]]:
    if isinstance(wanted, Mapping):
        return list(wanted.items()) if _has_operators(wanted) else []
    return [("$eq", wanted)]


def _term(path: str, test: str, operand: Any, column: str) -> tuple[str, list[Any]]:
    """One comparison in SQL; empty when SQLite cannot make it safely."""
    places = _places(path)
    operands = list(operand) if test == "$in" else [operand]
    if not places or test == "$ne" or not all(_comparable(one) for one in operands):
        return "", []
    terms: list[str] = []
    parameters: list[Any] = []
    for place in places:
        for one in operands:
            term, values = _comparison(place, test, one, column)
            terms.append(term)
            parameters += values
    return f"({' OR '.join(terms) or '0'})", parameters


def _places(path: str) -> list[str]:
    """The JSON paths at which SQLite may find it: as one key, and step by step."""
    names = path.split(".")
    if not all(_PLAIN.fullmatch(name) for name in names):
        return []
    whole, steps = f'$."{path}"', "$" + "".join(f'."{name}"' for name in names)
    return [whole] if len(names) == 1 else [whole, steps]


def _comparable(operand: Any) -> bool:
    if isinstance(operand, str):
        return operand.isprintable()  # else it may hold what SQLite cannot bind, such as half a surrogate pair
    return isinstance(operand, (int, float)) and abs(operand) <= _EXACT


def _comparison(place: str, test: str, operand: Any, column: str) -> tuple[str, list[Any]]:
    found = f"json_extract({column}, ?)"
    if test in ("$eq", "$in"):
        if isinstance(operand, str):
            return f"{found} = ?", [place, operand]
        # SQLite reads a written float to the last digit but one.
        slack = abs(operand) * 1e-12
        return f"{found} BETWEEN ? AND ?", [place, operand - slack, operand + slack]
    if isinstance(operand, str):
        return f"{found} IS NOT NULL", [place]  # it may be a number in words
    slack = abs(operand) * 1e-12
    sign, edge = (">=", operand - slack) if test in ("$gt", "$gte") else ("<=", operand + slack)
    # A text may say a number, too.
    return f"({found} {sign} ? OR json_type({column}, ?) = 'text')", [place, edge, place]
