"""The state of a declared domain: values of variables, immutable, with a key that is kept up to date."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...errors import ConfigError

Args = tuple[Any, ...]
Ground = tuple[Any, ...]  # A ground task: its name, then its arguments.
Table = dict[Args, Any]

NAME = re.compile(r"\s*([^\s(),?]+)\s*(?:\(\s*(.*?)\s*\))?\s*", re.DOTALL)


class Facts(Mapping[str, Any]):
    """A state: variable -> JSON value. Changing it gives a new one; what did not change is shared.

    A variable is a name ("budget") or a name with arguments ("at(o1)"); the values of one name are a table. A value of
    None is the same as no such variable.

    Example:
        >>> state = Facts({"budget": 400, "at(o1)": "home"})
        >>> state.set({"budget": 320})["budget"], state["budget"], state.get("at(o2)")
        (320, 400, None)
    """

    __slots__ = ("key", "tables")

    def __init__(self, values: Mapping[str, Any] = {}) -> None:
        self.tables: dict[str, Table] = {}
        self.key = 0  # Equal states have equal keys (Zobrist, 1970: the XOR of one hash a fact).
        for text, value in values.items():
            name, args = atom(text)
            if value is not None:
                self.tables.setdefault(name, {})[args] = plain(value)
                self.key ^= fact_key(name, args, value)

    def changed(self, changes: list[tuple[str, Args, Any]]) -> Facts:
        """The state with these (name, arguments, value) in it."""
        after = Facts.__new__(Facts)
        tables, key = self.tables.copy(), self.key
        fresh: set[str] = set()
        for name, args, value in changes:
            if name not in fresh:
                tables[name] = dict(tables.get(name, ()))
                fresh.add(name)
            table = tables[name]
            old = table.get(args)
            if old is not None:
                key ^= fact_key(name, args, old)
            if value is None:
                table.pop(args, None)
            else:
                table[args] = value
                key ^= fact_key(name, args, value)
        after.tables, after.key = tables, key
        return after

    def set(self, values: Mapping[str, Any]) -> Facts:
        """The state with these variables changed; for operators that are Python functions."""
        return self.changed([(*atom(text), plain(value)) for text, value in values.items()])

    def value(self, name: str, args: Args = ()) -> Any:
        """The value of a variable, None where there is none."""
        table = self.tables.get(name)
        return None if table is None else table.get(args)

    def __getitem__(self, text: str) -> Any:
        value = self.value(*atom(text))
        if value is None:
            raise KeyError(text)
        return value

    def __iter__(self) -> Iterator[str]:
        return (shown(name, args) for name, table in self.tables.items() for args in table)

    def __len__(self) -> int:
        return sum(map(len, self.tables.values()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Facts):
            return NotImplemented
        return self.key == other.key and _full(self.tables) == _full(other.tables)

    def __hash__(self) -> int:
        return self.key

    def __repr__(self) -> str:
        return f"Facts({dict(self)})"


class Atom(NamedTuple):
    """A variable: its name and its arguments."""

    name: str
    args: Args


def atom(text: str) -> Atom:
    """Read a variable.

    Raises:
        ConfigError: It is no name, or no name with arguments in parentheses.

    Example:
        >>> atom("budget"), atom("at(o1, ?place)")
        (Atom(name='budget', args=()), Atom(name='at', args=('o1', '?place')))
    """
    match = NAME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(f"A variable was {text!r}; write a name, or a name with arguments: at(o1).")
    args = [part.strip() for part in match[2].split(",")] if match[2] else []
    if "" in args:
        raise ConfigError(f"A variable was {text!r}: an argument is missing.")
    return Atom(match[1], tuple(args))


def shown(name: str, args: Args) -> str:
    """The variable, or the task, as text.

    Example:
        >>> shown("at", ("o1",)), shown("budget", ())
        ('at(o1)', 'budget')
    """
    return f"{name}({', '.join(map(str, args))})" if args else name


def fact_key(name: str, args: Args, value: Any) -> int:
    """The hash of one fact. Of the value's text: hash(-1) and hash(-2) are the same, and True equals 1."""
    return hash((name, args, True if value is True else repr(value)))


def plain(value: Any) -> Any:
    """A JSON value that nobody can change from outside: a list becomes a tuple.

    Raises:
        ConfigError: It is an object, NaN, infinite, or no JSON.
    """
    if isinstance(value, list | tuple):
        return tuple(map(plain, value))
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ConfigError(f"A variable's value was {value!r}; whole numbers have at most 64 bits.")
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ConfigError(
        f"A variable's value was {value!r}; give a text, a number, true, false, null, or a list of these."
    )


def _full(tables: Mapping[str, Table]) -> dict[str, dict[Args, str]]:
    return {name: {args: repr(value) for args, value in table.items()} for name, table in tables.items() if table}
