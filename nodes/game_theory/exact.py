"""Numbers that people give, read exactly."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from numbers import Real
from typing import Any

from ...errors import ConfigError

NUMBER = re.compile(r"[+-]?(\d{1,100}(\.\d{0,100})?|\.\d{1,100})([eE][+-]?\d{1,3})?|[+-]?\d{1,100}\s*/\s*\d{1,100}")
LARGEST = 10**100  # Numerators and denominators stay below, so that every payoff is also a float.


def exact_number(name: str, given: Any) -> Fraction:
    """Read a number exactly: 0.1 and "0.1" are one tenth, "5/2" is five halves.

    Args:
        name: What the number is, for the message.
        given: An int, float, Fraction, Decimal, number of numpy, or a string.

    Raises:
        ConfigError: It is no finite number, or one beyond 100 digits.

    Example:
        >>> exact_number("the bid", "0.1")
        Fraction(1, 10)
    """
    if type(given) is int and -LARGEST < given < LARGEST:
        return Fraction(given)
    if isinstance(given, Real | Decimal | str):  # True is one, too, but does not look like a number.
        huge = isinstance(given, int) and abs(given) >= LARGEST  # Past 4,300 digits str() would refuse.
        text = "" if huge else str(given).strip()
        try:
            number = Fraction(re.sub(r"\s", "", text)) if NUMBER.fullmatch(text) else None
        except ZeroDivisionError:
            number = None
        if number is not None and abs(number.numerator) < LARGEST and number.denominator < LARGEST:
            return number
        given = "a number of more than 100 digits" if huge or number is not None else shown(given)
    else:
        given = shown(given)
    raise ConfigError(f'{name} was {given}; give a finite number such as 3, 0.25 or "5/2".')


def shown(given: Any) -> str:
    """What was given, for a message: not too long, and of what Python does not print its type."""
    try:
        text = repr(given)
    except (ValueError, RecursionError):  # a number of thousands of digits, or lists nested as deep
        return f"{type(given).__name__} too large to show"
    return text if len(text) <= 100 else f"{text[:97]}..."
