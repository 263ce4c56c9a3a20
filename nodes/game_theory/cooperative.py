"""Sharing what a coalition earns: the Shapley value and the core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import factorial
from typing import Any

from .coalitions import Coalitions, Value, read_coalitions
from .hull import read_vector
from .least_core import least_core
from .nucleolus import COST, nucleolus_of
from .nucleolus import MOST_PLAYERS as MOST_PLAYERS_CORE

__all__ = ["Core", "core", "shapley"]

MOST_PLAYERS = 20  # 1,048,576 values
PIECE = 2**40 - 1  # what is summed at a time: with 2^20 coalitions it stays in 64 bits


@dataclass(frozen=True, slots=True)
class Core:
    """The core of a game: the ways to share what all earn that no coalition can improve on.

    Attributes:
        nonempty: Whether there is one; exact.
        point: The one of them in the middle of the core, the nucleolus; None when the core is empty.
        epsilon: The least-core value: the smallest number by which every coalition but the grand one would have to be
            charged for leaving, so that sharing is stable; above 0 exactly when the core is empty.
    """

    nonempty: bool
    point: tuple[Fraction, ...] | None
    epsilon: Fraction
    _coalitions: Coalitions = field(repr=False, compare=False)

    def contains(self, shares: Sequence[Any]) -> bool:
        """Whether shares are in the core: they add up to what all earn, and no coalition earns more alone; exact.

        Args:
            shares: What each player gets; floats are read as the decimals that they print as.

        Raises:
            ConfigError: Not one finite number per player.
        """
        game = self._coalitions
        exact = read_vector("The shares", shares, game.n)
        sums = [Fraction(0)]
        for share in exact:
            sums += [earlier + share for earlier in sums]
        whole = sums[-1] * game.denominator == game.values[-1]
        return whole and all(total * game.denominator >= value for total, value in zip(sums, game.values, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return the core as plain JSON values; fractions become floats."""
        return {
            "nonempty": self.nonempty,
            "point": None if self.point is None else [float(share) for share in self.point],
            "epsilon": float(self.epsilon),
        }


def shapley(n: int, v: Value) -> tuple[Fraction, ...]:
    """The Shapley value: what each player adds on average, over all orders in which the players can join (1953).

    Exact. 16 players take 40 ms with ints and 120 ms with floats, most of it for reading them; 20 about 2 s.

    Args:
        n: How many players there are, at most 20.
        v: Coalition -> what it can earn, an int, float, Fraction or a string such as "5/2"; coalitions are frozensets
            or tuples of player numbers from 0. The empty one may be left out, no other.

    Raises:
        ConfigError: `n` out of range, coalitions missing or wrong, or a value that is no finite number.

    Example:
        >>> gloves = {(0,): 0, (1,): 0, (2,): 0, (0, 1): 1, (0, 2): 1, (1, 2): 0, (0, 1, 2): 1}  # one left, two right
        >>> [str(share) for share in shapley(3, gloves)]
        ['2/3', '1/6', '1/6']
    """
    game = read_coalitions(n, v, most=MOST_PLAYERS, cost="every further player doubles the 2^n coalitions")
    totals = _totals_by_size(game)
    scale = factorial(n) * game.denominator
    weights = [factorial(size) * factorial(n - 1 - size) for size in range(n)]  # the orders in which a player joins it
    shares = []
    for with_player in totals[1:]:
        # Coalitions without the player are all of that size but those with the player.
        added = (with_player[size + 1] - (totals[0][size] - with_player[size]) for size in range(n))
        shares.append(Fraction(sum(weight * total for weight, total in zip(weights, added, strict=True)), scale))
    return tuple(shares)


def core(n: int, v: Value) -> Core:
    """The core of a game in coalitional form (Gillies 1959), found by the least core (Maschler, Peleg, Shapley 1979).

    Everything in rational arithmetic: a core that is a single point is not taken for an empty one.

    Args:
        n: How many players there are, at most 16.
        v: Coalition -> what it can earn, as for `shapley`.

    Raises:
        ConfigError: As for `shapley`.

    Example:
        >>> gloves = {(0,): 0, (1,): 0, (2,): 0, (0, 1): 1, (0, 2): 1, (1, 2): 0, (0, 1, 2): 1}
        >>> core(3, gloves).point == (1, 0, 0), core(3, gloves).contains(["2/3", "1/6", "1/6"])
        (True, False)
        >>> core(3, {**gloves, (1, 2): 1}).epsilon  # three players, two make the majority: empty
        Fraction(1, 3)
    """
    game = read_coalitions(n, v, most=MOST_PLAYERS_CORE, cost=COST)
    epsilon = least_core(game)
    return Core(epsilon <= 0, nucleolus_of(game) if epsilon <= 0 else None, epsilon, game)


def _totals_by_size(game: Coalitions) -> list[list[int]]:
    """For each size from 0 to n the sum of the values of all such coalitions, then of those with player 0, 1, ..."""
    import numpy as np  # noqa: PLC0415  (heavy; an import of the package must not pay for it)

    count, rest = 1 << game.n, game.values
    masks = np.arange(count)
    sizes = sum((masks >> player & 1 for player in range(1, game.n)), masks & 1)
    order = np.argsort(sizes, kind="stable")
    masks, starts = masks[order], np.searchsorted(sizes[order], np.arange(game.n + 1))
    totals, shift = [[0] * (game.n + 1) for _ in range(game.n + 1)], 0
    while True:
        last = max(map(abs, rest)) < 2**62 // count  # Then no sum leaves 64 bits; other values are summed in pieces.
        piece = np.array(rest if last else [value & PIECE for value in rest], dtype=np.int64)[order]
        chosen = [piece, *(piece * (masks >> player & 1) for player in range(game.n))]
        for row, column in zip(totals, chosen, strict=True):
            for size, total in enumerate(np.add.reduceat(column, starts).tolist()):
                row[size] += total << shift
        if last:
            return totals
        rest, shift = [value >> PIECE.bit_length() for value in rest], shift + PIECE.bit_length()
