"""What is worth agreeing on: Pareto fronts of games and of sets of points, with and without lotteries over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from typing import Any, TypeVar

from ...errors import ConfigError
from .game import Game, exact_number

__all__ = ["convex_front", "ks_point", "nash_point", "pareto_front", "pareto_outcomes"]

Point = tuple[Fraction, ...]
Given = TypeVar("Given")


def pareto_outcomes(game: Game) -> list[tuple[int, ...]]:
    """The pure profiles that are not Pareto-dominated by another pure profile, in lexicographic order.

    A profile is dominated when another gives nobody less and somebody more.

    Raises:
        ConfigError: `game` is no `Game`.

    Example:
        >>> pareto_outcomes(Game([[[3, 0], [5, 1]], [[3, 5], [0, 1]]]))  # the prisoner's dilemma
        [(0, 0), (0, 1), (1, 0)]
    """
    points = payoff_points(checked_game(game))
    best = {points[at] for at in undominated(points)}
    return [profile for profile, point in zip(game.profiles(), points, strict=True) if point in best]


def pareto_front(points: Sequence[Given]) -> list[Given]:
    """The points that no other point dominates, as they were given and in that order; of equal points the first.

    Args:
        points: Vectors of utilities, one number per agent, more is better.

    Raises:
        ConfigError: No points, vectors of different lengths, or a utility that is no finite number.

    Example:
        >>> pareto_front([(3, 3), (1, 1), (0, 5), (3, 2)])
        [(3, 3), (0, 5)]
    """
    return [points[at] for at in undominated(read_points(points))]


def convex_front(points: Sequence[Given]) -> list[Given]:
    """The corners of the Pareto front that two agents reach with lotteries, from left to right, as they were given.

    It is the upper right part of the convex hull, from the highest point to the rightmost one; what lies on a line
    between two corners is left out.

    Args:
        points: Pairs of utilities, more is better.

    Raises:
        ConfigError: As for `pareto_front`, or points that are no pairs.

    Example:
        >>> convex_front([(0, 4), (1, 1), (2, 2), (4, 0), (3, 2), (-1, 4)])
        [(0, 4), (3, 2), (4, 0)]
    """
    vectors = read_points(points)
    if len(vectors[0]) != 2:
        raise ConfigError(f"The points have {len(vectors[0])} utilities; a convex front is drawn for 2.")
    return [points[at] for at in corners(vectors)]


def nash_point(points: Sequence[Any], disagreement: Sequence[Any]) -> int | None:
    """The index of the point with the largest product of gains, where no lottery is possible (Nash 1950).

    Args:
        points: Vectors of utilities, one number per agent.
        disagreement: What each agent gets without an agreement.

    Returns:
        The index; of equal products the point with the better smallest gain, then the first. None when every point
        gives somebody less than the disagreement.

    Raises:
        ConfigError: As for `pareto_front`, or a disagreement of another length.

    Example:
        >>> nash_point([(9, 1), (4, 3), (2, 4)], (0, 0))
        1
    """
    return _best(points, disagreement, lambda gain, ideal: (prod(gain, start=Fraction(1)), *sorted(gain)))


def ks_point(points: Sequence[Any], disagreement: Sequence[Any]) -> int | None:
    """The index of the point whose smallest gain, as a share of the best possible one, is largest.

    It is what Kalai and Smorodinsky (1975) come to where no lottery is possible; the ideal of an agent is the best of
    the points that give nobody less than the disagreement.

    Args:
        points: Vectors of utilities, one number per agent.
        disagreement: What each agent gets without an agreement.

    Returns:
        The index; of equal points the one with the better second smallest share and so on, then the first. None when
        every point gives somebody less than the disagreement.

    Raises:
        ConfigError: As for `nash_point`.

    Example:
        >>> ks_point([(9, 1), (4, 3), (2, 4)], (0, 0))  # of the ideal (9, 4): 1/9 and 1/4, 4/9 and 3/4, 2/9 and 1
        1
    """
    return _best(points, disagreement, lambda gain, ideal: sorted(g / i for g, i in zip(gain, ideal, strict=True) if i))


def _best(
    points: Sequence[Any], disagreement: Sequence[Any], score: Callable[[Point, Point], Sequence[Fraction]]
) -> int | None:
    vectors = read_points(points)
    base = read_vector("The disagreement", disagreement, len(vectors[0]))
    gains = [tuple(u - d for u, d in zip(vector, base, strict=True)) for vector in vectors]
    rational = [at for at, gain in enumerate(gains) if min(gain) >= 0]
    if not rational:
        return None
    ideal = tuple(max(column) for column in zip(*(gains[at] for at in rational), strict=True))
    return max(rational, key=lambda at: tuple(score(gains[at], ideal)))


# Read and searched exactly; also for the other files of this package.


def checked_game(given: Any) -> Game:
    """The game, if it is one.

    Raises:
        ConfigError: It is something else, such as a table of payoffs.
    """
    if not isinstance(given, Game):
        raise ConfigError(f"The game was a {type(given).__name__}; give a Game(payoffs).")
    return given


def payoff_points(game: Game) -> list[Point]:
    """The payoffs of every pure profile, in lexicographic order."""
    return list(zip(*(game.table(player) for player in range(game.n)), strict=True))


def read_points(points: Sequence[Any]) -> list[Point]:
    """Vectors of utilities as exact numbers, all of one length.

    Raises:
        ConfigError: As for `pareto_front`.
    """
    if isinstance(points, str | bytes | dict) or not hasattr(points, "__getitem__") or not len(points):
        raise ConfigError(f"The points were {points!r}; give a list of vectors, a utility per agent, at least one.")
    n = len(points[0]) if hasattr(points[0], "__len__") else 0
    return [read_vector(f"Point {at}", point, n) for at, point in enumerate(points)]


def read_vector(name: str, given: Any, n: int) -> Point:
    """One vector of `n` utilities as exact numbers.

    Raises:
        ConfigError: It is no vector of this length, or holds what is no finite number.
    """
    if isinstance(given, str | bytes | dict | set) or not hasattr(given, "__len__") or len(given) != n or not n:
        raise ConfigError(f"{name} was {given!r}; give a utility per agent{f', {n} numbers' if n else ''}.")
    return tuple(exact_number(f"{name}, agent {agent}", utility) for agent, utility in enumerate(given, 1))


def weighted(weights: Sequence[Fraction], numbers: Sequence[Fraction]) -> Fraction:
    """The weighted sum; most weights of a lottery are 0."""
    return sum((w * x for w, x in zip(weights, numbers, strict=True) if w), Fraction(0))


def undominated(vectors: Sequence[Point]) -> list[int]:
    """The indices of the vectors that no other one dominates; of equal vectors the first."""
    first = {vector: at for at, vector in reversed(list(enumerate(vectors)))}
    front: list[Point] = []
    for vector in sorted(first, reverse=True):  # Whatever dominates a vector stands before it.
        rivals = front[-1:] if len(vector) == 2 else front  # Of pairs the last one has the largest second number.
        if not any(all(a >= b for a, b in zip(rival, vector, strict=True)) for rival in rivals):
            front.append(vector)
    return sorted(first[vector] for vector in front)


def corners(vectors: Sequence[Point]) -> list[int]:
    """The indices of the corners of the upper right hull of pairs, from left to right (Andrew's monotone chain)."""
    chain: list[int] = []
    for at in sorted(undominated(vectors), key=lambda at: vectors[at]):
        while len(chain) > 1 and _turns_left(vectors[chain[-2]], vectors[chain[-1]], vectors[at]):
            chain.pop()
        chain.append(at)
    return chain


def _turns_left(a: Point, b: Point, c: Point) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) >= (b[1] - a[1]) * (c[0] - a[0])
