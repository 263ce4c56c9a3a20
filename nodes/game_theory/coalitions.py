"""What coalitions can earn, read from a mapping and checked: the input of Shapley value, core and nucleolus.

A coalition is a number whose bits are its players, so that a list of 2^n values holds a game.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from math import lcm
from typing import Any

from ...errors import ConfigError
from .game import LARGEST, exact_number

Value = Mapping[Collection[int], Any]


@dataclass(frozen=True, slots=True)
class Coalitions:
    """The value of every coalition: `values[mask] / denominator`."""

    n: int
    values: list[int]
    denominator: int

    def exact(self, mask: int) -> Fraction:
        """The value of one coalition."""
        return Fraction(self.values[mask], self.denominator)


def read_coalitions(n: int, v: Value, *, most: int, cost: str) -> Coalitions:
    """Check a game in coalitional form.

    Args:
        n: How many players there are.
        v: Coalition -> what it can earn; coalitions are frozensets or tuples of player numbers from 0, each of them
            given once. The empty one may be left out.
        most: The largest `n`.
        cost: What a larger one would take, for the message.

    Raises:
        ConfigError: `n` out of range; no mapping; a coalition that is missing, given twice or holds no player numbers;
            a value that is no finite number; an empty coalition that earns something.
    """
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= most:
        raise ConfigError(f"n was {n!r}; give the number of players, from 1 to {most}: {cost}.")
    if not isinstance(v, Mapping):
        raise ConfigError(f"v was {type(v).__name__}; give a mapping: frozenset of player numbers -> what it earns.")
    masks = _masks(n, v)
    numbers, denominator = _whole(list(v.values()), list(v))
    values: list[int | None] = [None] * (1 << n)
    values[0] = 0
    for mask, number in zip(masks, numbers, strict=True):
        values[mask] = number
    if values[0]:
        raise ConfigError("The empty coalition earns something; its value is 0, or leave it out.")
    missing = [mask for mask, number in enumerate(values) if number is None]
    if missing:
        named = ", ".join(str(set(players_of(mask))) for mask in missing[-3:])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ConfigError(f"v has no value for {named}{more}; give all {(1 << n) - 1} coalitions of {n} players.")
    return Coalitions(n, [number or 0 for number in values], denominator)


def players_of(mask: int) -> Iterable[int]:
    """The players of a coalition."""
    return (player for player in range(mask.bit_length()) if mask >> player & 1)


def coalition_sums(numbers: Sequence[int]) -> list[int]:
    """For every coalition the sum of its players' numbers.

    Example:
        >>> coalition_sums([1, 10])
        [0, 1, 10, 11]
    """
    sums = [0]
    for number in numbers:
        sums += [earlier + number for earlier in sums]
    return sums


def _masks(n: int, v: Value) -> list[int]:
    bits = {player: 1 << player for player in range(n)}
    try:
        masks = [sum(map(bits.__getitem__, coalition)) for coalition in v]
        sound = all(issubclass(kind, frozenset | tuple) for kind in set(map(type, v)))
        sound = sound and all(mask.bit_count() == len(c) for mask, c in zip(masks, v, strict=True))
    except (KeyError, TypeError):
        sound = False
    if sound and len(set(masks)) == len(masks):
        return masks
    seen: set[int] = set()
    for coalition in v:
        usable = isinstance(coalition, frozenset | tuple) and len(set(coalition)) == len(coalition)
        if not usable or any(player not in bits for player in coalition):
            raise ConfigError(
                f"v has the coalition {coalition!r}; give a frozenset or a tuple of player numbers from 0 to {n - 1}, "
                "each once."
            )
        mask = sum(bits[player] for player in coalition)
        if mask in seen:
            raise ConfigError(f"v has the coalition {set(coalition)} twice; give every coalition once.")
        seen.add(mask)
    raise AssertionError("one of the coalitions is wrong")


def _whole(numbers: list[Any], coalitions: list[Any]) -> tuple[list[int], int]:
    """The numbers as whole ones over one denominator, exactly."""
    kinds = set(map(type, numbers))
    if kinds <= {int, float}:
        try:
            whole, denominator = (numbers, 1) if kinds <= {int} else _decimals(numbers)
            if max(map(abs, whole), default=0) < LARGEST * denominator:
                return whole, denominator
        except ValueError:
            pass  # No finite number: the slow way finds it.
    exact = [
        exact_number(f"The value of {set(coalition) or '{}'}", number)
        for coalition, number in zip(coalitions, numbers, strict=True)
    ]
    denominator = reduce(lcm, {number.denominator for number in exact}, 1)
    return [number.numerator * (denominator // number.denominator) for number in exact], denominator


def _decimals(numbers: list[int | float]) -> tuple[list[int], int]:
    """The decimals that ints and floats print as, without Fractions, which take 10 times as long."""
    texts = [str(number) for number in numbers]
    if "e" in "".join(texts):
        texts = [f"{Decimal(text):f}" if "e" in text else text for text in texts]
    parts = [text.partition(".") for text in texts]
    digits = max([len(after) for _, _, after in parts])
    if digits > 100:
        raise ValueError("more digits than a number may have")
    zeros = ["0" * (digits - length) for length in range(digits + 1)]
    return [int(before + after + zeros[len(after)]) for before, _, after in parts], 10**digits
