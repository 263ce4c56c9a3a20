"""Amounts of money, utility or payoff: read exactly, and given back in the kind of number they came in."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable
from fractions import Fraction
from numbers import Integral
from typing import Any

Number = int | float | Fraction

LARGEST = 10**30  # no amount reaches it


def exact(value: Any) -> Fraction | str:
    """Return what a caller or an agent gave as a fraction; or else what is wrong with it, in words."""
    if isinstance(value, bool) or not isinstance(value, Integral | float | Fraction):
        return f"not a number: {shown(value)}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"not finite: {value}"
    number = fraction(int(value) if isinstance(value, Integral) else value)
    return number if abs(number) < LARGEST else "far too large"


def fraction(number: Number) -> Fraction:
    """Return a finite number as a fraction: 0.1 as one tenth, not as the float beside it."""
    return Fraction(str(number)) if isinstance(number, float) else Fraction(number)


def as_given(amount: Fraction, given: Iterable[Any]) -> Number:
    """Return an amount as a float where a float was given, else as an int where it is whole."""
    if any(isinstance(value, float) for value in given):
        return float(amount)
    return int(amount) if amount.denominator == 1 else amount


def plain(amount: Fraction) -> int | float:
    """Return an exact amount as JSON: whole where it is.

    Example:
        >>> plain(Fraction(6, 2)), plain(Fraction(1, 4))
        (3, 0.25)
    """
    return int(amount) if amount.denominator == 1 else float(amount)


def as_json(amount: Number) -> int | float:
    """Return an amount as JSON has it."""
    return int(amount) if isinstance(amount, Integral) else float(amount)


def shown(value: Any) -> str:
    """Return a value for a message: short, and never an error of its own."""
    try:
        return reprlib.repr(value)
    except ValueError:  # An int of more than 4,300 digits has no repr.
        return type(value).__name__
