"""Supports: which actions each player plays at all, and what the game looks like from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product
from math import lcm, prod
from typing import Any, TypeVar

from .game import Game

T = TypeVar("T")
Support = tuple[tuple[int, ...], ...]  # for each player the numbers of the actions that are played


def pure_equilibria(game: Game) -> list[tuple[int, ...]]:
    """The profiles of pure actions from which nobody gains by changing the own action, in lexicographic order.

    Example:
        >>> pure_equilibria(Game([[[4, 0], [3, 3]], [[4, 3], [0, 3]]], title="stag hunt"))
        [(0, 0), (1, 1)]
    """
    good = [True] * prod(game.shape)
    step = len(good)
    for player, size in enumerate(game.shape):
        table = game.table(player)
        block, step = step, step // size
        for start in range(0, len(good), block):
            for first in range(start, start + step):
                replies = range(first, start + block, step)
                best = max(table[at] for at in replies)
                for at in replies:
                    good[at] = good[at] and table[at] == best
    return [profile for profile, is_best in zip(game.profiles(), good, strict=True) if is_best]


def mixed_supports(game: Game) -> Iterator[View | None]:
    """The supports where somebody mixes, small ones first and of these the balanced ones; None for one without hope.

    Without hope is a support in which somebody plays an action though another one is never worse and once better
    against what the others play: as they play all that with probabilities above 0, the other one is better.
    """
    tables = [whole(game.table(player)) for player in range(game.n)]
    for total in range(game.n + 1, sum(game.shape) + 1):
        for sizes in sorted(_sizes(game.shape, total), key=lambda sizes: max(sizes) - min(sizes)):
            choices = (combinations(range(all_), size) for all_, size in zip(game.shape, sizes, strict=True))
            for support in product(*choices):
                view = View(game.shape, tables, support)
                yield None if view.dominated() else view


class View:
    """A game from within a support.

    `payoffs[player][action]` are whole numbers in the order of preference of the player: one for each combination of
    actions that the others play.
    """

    __slots__ = ("payoffs", "shape", "support")

    def __init__(self, shape: Sequence[int], tables: Sequence[Sequence[int]], support: Support) -> None:
        self.shape, self.support = shape, support
        self.payoffs = [
            [_row(shape, tables[player], support, player, action) for action in range(size)]
            for player, size in enumerate(shape)
        ]

    def dominated(self) -> bool:
        """Whether somebody has an action that is never worse and once better than one that is played."""
        for rows, actions in zip(self.payoffs, self.support, strict=True):
            for played in actions:
                for other in rows:
                    differs = other != rows[played]
                    if differs and all(a >= b for a, b in zip(other, rows[played], strict=True)):
                        return True
        return False

    def mixing(self) -> list[int]:
        """The players who play more than one action."""
        return [player for player, actions in enumerate(self.support) if len(actions) > 1]

    def roots(self) -> int:
        """How many complex solutions the equations of the support have when they are finitely many (Bernstein's bound).

        The coefficient of the product of t_i ** d_i in that of (sum of t_j, j not i) ** d_i, where player i has d_i + 1
        actions (McKelvey and McLennan 1997, The maximal number of regular totally mixed Nash equilibria).
        """
        degrees = [len(actions) - 1 for actions in self.support]
        counts = {(0,) * len(degrees): 1}
        for player in (player for player, degree in enumerate(degrees) for _ in range(degree)):
            more: dict[tuple[int, ...], int] = {}
            for powers, number in counts.items():
                for other, power in enumerate(powers):
                    if other != player and power < degrees[other]:
                        raised = (*powers[:other], power + 1, *powers[other + 1 :])
                        more[raised] = more.get(raised, 0) + number
            counts = more
        return counts.get(tuple(degrees), 0)

    def digits(self) -> int:
        """How long the longest payoff is."""
        return max(len(str(abs(payoff))) for rows in self.payoffs for row in rows for payoff in row)

    def indifferences(self) -> Iterator[tuple[int, list[int]]]:
        """For each played action but the first: the player, and how much more it pays than the first."""
        for player, (first, *others) in enumerate(self.support):
            for action in others:
                yield player, self._gap(player, action, first)

    def gaps(self) -> Iterator[tuple[int, list[int]]]:
        """For each action that is not played: the player, and how much more the first played one pays."""
        for player, actions in enumerate(self.support):
            for action in range(self.shape[player]):
                if action not in actions:
                    yield player, self._gap(player, actions[0], action)

    def mean(self, player: int, payoffs: Sequence[int], weights: Sequence[Sequence[Any]]) -> Any:
        """The payoff on average when the others draw from what they play; weights of any kind of number."""
        values: list[Any] = list(payoffs)
        for other in range(len(self.shape) - 1, -1, -1):
            if other != player and len(self.support[other]) > 1:
                size, weight = len(weights[other]), weights[other]
                values = [
                    sum(a * b for a, b in zip(weight, values[at : at + size], strict=True))
                    for at in range(0, len(values), size)
                ]
        return values[0]

    def spread(self, shares: Sequence[Sequence[T]], zero: T) -> tuple[tuple[T, ...], ...]:
        """What belongs to the played actions, filled up with `zero` for those that are not played."""
        spread = []
        for size, actions, own in zip(self.shape, self.support, shares, strict=True):
            given = dict(zip(actions, own, strict=True))
            spread.append(tuple(given.get(action, zero) for action in range(size)))
        return tuple(spread)

    def _gap(self, player: int, better: int, worse: int) -> list[int]:
        rows = self.payoffs[player]
        return [a - b for a, b in zip(rows[better], rows[worse], strict=True)]


def unit(action: int, size: int) -> tuple[Fraction, ...]:
    """The strategy that plays one action for sure."""
    return tuple(Fraction(at == action) for at in range(size))


def whole(payoffs: Sequence[Fraction]) -> list[int]:
    """The same preferences in the smallest whole numbers."""
    scale = lcm(*(payoff.denominator for payoff in payoffs))
    return [int(payoff * scale) for payoff in payoffs]


def _row(shape: Sequence[int], table: Sequence[int], support: Support, player: int, action: int) -> list[int]:
    places = [0]
    for other, size in enumerate(shape):
        actions = (action,) if other == player else support[other]
        places = [place * size + one for place in places for one in actions]
    return [table[place] for place in places]


def _sizes(shape: Sequence[int], total: int) -> Iterator[tuple[int, ...]]:
    """How many actions each may play when there are `total` of them, at least one each."""
    if not shape:
        if total == 0:
            yield ()
        return
    for size in range(1, min(shape[0], total) + 1):
        for rest in _sizes(shape[1:], total - size):
            yield (size, *rest)
