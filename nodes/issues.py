"""What is negotiated about: issues and their values, and numbers that stay exact."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from numbers import Rational
from typing import Any

from ..errors import ConfigError, nearest

Value = str | int | float

MAX_LABELS = 50  # values of one issue that are listed
MAX_STEPS = 1_001  # values of one issue that is a range of numbers
LARGEST = 10**30  # no number that is given reaches it
NUMBER = r"[-+]?(\d{1,20}(/\d{1,20}|\.\d{0,20})?|\.\d{1,20})"  # No exponents: 1e9999999 would take for ever.
KEYS = ("name", "values", "low", "high", "step")


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that has to be settled: a list of labels or numbers, or a range of numbers.

    Args:
        name: What it is called.
        values: Two to 50 different labels or numbers, in their natural order.
        low: The first number of a range, instead of `values`.
        high: The last one, which the steps have to meet exactly.
        step: From one number to the next; 1 without it. A range has at most 1,001 numbers.

    Raises:
        ConfigError: A name, value or range that makes no sense. One value alone is nothing to negotiate about.

    Example:
        >>> Issue("colour", ["red", "blue"]).values
        ('red', 'blue')
        >>> Issue("price", low=0, high=0.5, step=0.1).values
        (0, 0.1, 0.2, 0.3, 0.4, 0.5)
        >>> Issue.of({"name": "weeks", "low": 1, "high": 4}).values
        (1, 2, 3, 4)
    """

    name: str
    values: Sequence[Value] = ()
    low: Any = None
    high: Any = None
    step: Any = None
    _places: dict[object, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ConfigError(f"The name of an issue was {shown(self.name)}; give some text.")
        given = any(bound is not None for bound in (self.low, self.high, self.step))
        if given and self.values:
            raise ConfigError(f"The issue {self.name!r} has both values and a range; give one of them.")
        values = self._range() if given else self._listed()
        places: dict[object, int] = {}
        for place, value in enumerate(values):
            for key in {str(value)} if isinstance(value, str) else {str(value), Fraction(str(value))}:
                if key in places:
                    raise ConfigError(f"The issue {self.name!r} has the value {shown(value)} twice.")
                places[key] = place
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "_places", places)

    @classmethod
    def of(cls, given: Any) -> Issue:
        """Read an issue from plain JSON: {"name", "values"} or {"name", "low", "high", "step"}."""
        if isinstance(given, Issue):
            return given
        if not isinstance(given, Mapping) or "name" not in given:
            raise ConfigError(f'An issue was {shown(given)}; give an object such as {{"name": ..., "values": [...]}}.')
        refuse_unknown(f"The issue {shown(given['name'])}", given, KEYS)
        return cls(**given)

    @property
    def numeric(self) -> bool:
        """Whether all its values are numbers."""
        return not any(isinstance(value, str) for value in self.values)

    def place(self, value: Any) -> int:
        """Return where a value stands in the list; a number may be given as text.

        Raises:
            ConfigError: It is none of the values.
        """
        found = None
        if isinstance(value, str):
            found = self._places.get(value)
        if found is None and (number := exact(value)) is not None:
            found = self._places.get(number, self._places.get(str(value)))
        if found is None:
            names = [str(known) for known in self.values]
            listed = ", ".join(names) if len(names) <= 12 else f"{names[0]}, {names[1]}, ... {names[-1]}"
            near = hint(value, names)
            raise ConfigError(f"The issue {self.name!r} has no value {shown(value)}. Values: {listed}.{near}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the issue as plain JSON, to be read by `Issue.of`."""
        if self.low is None and self.high is None:
            return {"name": self.name, "values": list(self.values)}
        bounds = {"low": self.low, "high": self.high, "step": 1 if self.step is None else self.step}
        return {"name": self.name, **{key: plain(Fraction(str(bound))) for key, bound in bounds.items()}}

    def _listed(self) -> tuple[Value, ...]:
        if isinstance(self.values, str | Mapping) or not isinstance(self.values, Sequence):
            raise ConfigError(f"The values of {self.name!r} were {shown(self.values)}; give a list.")
        if not 2 <= len(self.values) <= MAX_LABELS:
            raise ConfigError(
                f"The issue {self.name!r}: number of values {len(self.values)}; give 2 to {MAX_LABELS}, or a range of "
                "numbers as low, high and step. What has one value alone is settled: leave it out."
            )
        return tuple(self._value(value) for value in self.values)

    def _value(self, value: Any) -> Value:
        if isinstance(value, str) and value.strip():
            return value
        number = None if isinstance(value, str) else exact(value)
        if number is None:
            quote = " Write it in quotes if it is a word." if isinstance(value, bool) else ""
            raise ConfigError(
                f"The issue {self.name!r} has the value {shown(value)}; a value is some text or a finite number.{quote}"
            )
        return int(number) if number.denominator == 1 else float(number)

    def _range(self) -> tuple[Value, ...]:
        bounds = {"low": self.low, "high": self.high, "step": 1 if self.step is None else self.step}
        low, high, step = (number_of(f"The {key} of {self.name!r}", bound) for key, bound in bounds.items())
        if step <= 0 or low >= high:
            raise ConfigError(
                f"The issue {self.name!r} goes from {shown(self.low)} to {shown(self.high)} in steps of "
                f"{shown(bounds['step'])}; low has to be below high, and the step above 0."
            )
        steps = (high - low) / step
        if steps >= MAX_STEPS:
            raise ConfigError(
                f"The issue {self.name!r} would have {int(steps) + 1:,} values; at most {MAX_STEPS:,} are allowed. "
                "Make the step larger."
            )
        if steps.denominator != 1:
            last = low + int(steps) * step
            raise ConfigError(
                f"The steps of {self.name!r} pass from {float(last):g} to {float(last + step):g} and miss its high, "
                f"{float(high):g}; make one of these the high, or change the step."
            )
        numbers = [low + place * step for place in range(int(steps) + 1)]
        return tuple(int(number) if number.denominator == 1 else float(number) for number in numbers)


def issues_from(given: Any) -> tuple[Issue, ...]:
    """Read issues from plain JSON: a list of what `Issue.of` reads, or a mapping from name to values.

    They are sorted by name, so that nothing later depends on their order.

    Raises:
        ConfigError: No issues, one that makes no sense, or two of one name.

    Example:
        >>> [issue.name for issue in issues_from({"price": [1, 2, 3], "colour": ["red", "blue"]})]
        ['colour', 'price']
    """
    if isinstance(given, Mapping):
        given = [
            {**value, "name": name} if isinstance(value, Mapping) else {"name": name, "values": value}
            for name, value in given.items()
        ]
    if not isinstance(given, Sequence) or isinstance(given, str | bytes) or not given:
        raise ConfigError(f"The issues were {shown(given)}; give a list of issues, at least one.")
    issues = sorted((Issue.of(one) for one in given), key=lambda issue: issue.name)
    for one, other in pairwise(issues):
        if one.name == other.name:
            raise ConfigError(f"There are two issues {one.name!r}; each name may stand there once.")
    return tuple(issues)


def said(outcome: Mapping[str, Any], issue: str) -> Any:
    """What an outcome says about an issue.

    Raises:
        ConfigError: Nothing.
    """
    if issue not in outcome:
        raise ConfigError(f"An outcome says nothing about {issue!r}: {shown(dict(outcome))}.")
    return outcome[issue]


# Numbers and messages.


def exact(given: Any) -> Fraction | None:
    """A number as it was written, or None for what is no finite number below 1e30. Text such as "2/3" is one."""
    if isinstance(given, bool):
        return None
    if isinstance(given, Rational):
        number = Fraction(int(given.numerator), int(given.denominator))
        return number if abs(number) < LARGEST else None
    if isinstance(given, float):
        return Fraction(str(given)) if math.isfinite(given) and abs(given) < LARGEST else None
    if isinstance(given, str) and re.fullmatch(NUMBER, given):
        try:
            return Fraction(given)
        except ZeroDivisionError:
            return None
    return None


def number_of(what: str, given: Any, *, low: int | None = None, high: int | None = None) -> Fraction:
    """Read a number exactly.

    Raises:
        ConfigError: It is none, or it is out of bounds.
    """
    number = exact(given)
    if number is None or (low is not None and number < low) or (high is not None and number > high):
        bounds = f" from {low} to {high}" if high is not None else f", at least {low}" if low is not None else ""
        raise ConfigError(f"{what} was {shown(given)}; give a finite number{bounds}.")
    return number


def plain(number: Fraction) -> int | float | str:
    """An exact number as JSON that `number_of` reads as the same number.

    Example:
        >>> plain(Fraction(3)), plain(Fraction(2, 5)), plain(Fraction(1, 3))
        (3, 0.4, '1/3')
    """
    if number.denominator == 1:
        return int(number)
    return float(number) if Fraction(str(float(number))) == number else str(number)


def shown(given: Any) -> str:
    """What was given, short enough for a message."""
    if isinstance(given, int) and not isinstance(given, bool) and abs(given) >= LARGEST:
        return "far too large"
    try:
        text = repr(given)
    except (ValueError, RecursionError):
        text = type(given).__name__  # A number of thousands of digits inside, or something that holds itself.
    return text if len(text) <= 80 else f"{text[:77]}..."


def refuse_unknown(what: str, given: Mapping[Any, Any], allowed: Sequence[str]) -> None:
    """Refuse a key that is not allowed, with the nearest one that is.

    Raises:
        ConfigError: There is such a key.
    """
    for key in given:
        if key not in allowed:
            raise ConfigError(f"{what} has the key {shown(key)}. Keys: {', '.join(allowed)}.{hint(key, allowed)}")


def hint(given: Any, allowed: Iterable[str]) -> str:
    """The nearest allowed name, as the end of a message."""
    return nearest(given, allowed) if isinstance(given, str) and len(given) < 100 else ""
