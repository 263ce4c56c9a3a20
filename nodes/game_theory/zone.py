"""The zone of agreement: all lotteries over the outcomes that give everybody at least the disagreement.

It is a polytope, and a lottery is a vector of weights on its `points`; outcomes that another one dominates are left
out, because no solution ever uses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ...errors import ConfigError
from .game import Game
from .hull import Point, corners, payoff_points, read_points, read_vector, undominated, weighted
from .rational_lp import Row, maximise
from .security import security_levels

Outcome = tuple[int, ...] | int  # a profile of a game, or the index of a point
Weights = Sequence[Fraction]


@dataclass(frozen=True, slots=True)
class Zone:
    """What can be agreed on, exactly. `ideal` is the best that each can get in the zone; None when it is empty."""

    outcomes: tuple[Outcome, ...]
    points: tuple[Point, ...]
    disagreement: Point
    ideal: Point | None

    @property
    def ranges(self) -> Point:
        """The most that each can gain; of an empty zone nothing."""
        ideal = self.disagreement if self.ideal is None else self.ideal
        return tuple(i - d for i, d in zip(ideal, self.disagreement, strict=True))

    def payoffs(self, weights: Weights) -> Point:
        """What everybody gets on average from a lottery."""
        return tuple(weighted(weights, column) for column in zip(*self.points, strict=True))

    def lottery(self, weights: Weights) -> tuple[tuple[Outcome, Fraction], ...]:
        """The outcomes that a lottery can give, with their probabilities."""
        drawn = [(outcome, weight) for outcome, weight in zip(self.outcomes, weights, strict=True) if weight]
        return tuple(sorted(drawn, key=lambda pair: pair[0] if isinstance(pair[0], tuple) else (pair[0],)))

    def best(self, value: Point, rows: Sequence[Row] = ()) -> Weights | None:
        """A lottery with the largest weighted sum of payoffs; None when none satisfies the rows."""
        optimum = maximise([weighted(value, point) for point in self.points], [*self._rows(), *rows])
        return None if optimum is None else optimum.x

    def leximin(self, scales: Point, rows: Sequence[Row] = ()) -> Weights:
        """A lottery whose smallest gain is largest, then its second smallest, and so on: gains divided by `scales`.

        Who has scale 0 gets at least the disagreement and does not count. All rising gains share one level, a variable;
        those whose row has a dual value cannot rise above it in any optimal solution, and stay. Levels stay variables,
        and only the optimal face is searched further: with their values as numbers, which are long fractions, the next
        program took hundreds of times as long.
        """
        given = [*self._rows(), *rows]
        senses = [sense for _, sense, _ in given]
        live, level = list(range(len(self.points))), [0] * len(scales)
        rising = [player for player, scale in enumerate(scales) if scale]
        while True:
            levels = max(level) + 1
            program: list[Row] = []
            for at, ((row, _, bound), sense) in enumerate(zip(given, senses, strict=True)):
                steps = [Fraction(0)] * levels
                if 1 <= at <= len(scales):
                    steps[level[at - 1]] = -scales[at - 1]
                program.append(([*(row[column] for column in live), *steps], sense, bound))
            optimum = maximise([0] * (len(live) + levels - 1) + [1 if rising else 0], program)
            assert optimum is not None, "the zone is not empty"
            rising = [player for player in rising if not optimum.duals[1 + player]]
            if not rising:
                found = dict(zip(live, optimum.x, strict=False))
                return [found.get(column, Fraction(0)) for column in range(len(self.points))]
            senses = ["=" if dual else sense for dual, sense in zip(optimum.duals, senses, strict=True)]
            live = [column for column, cost in zip(live, optimum.costs, strict=False) if not cost]
            for player in rising:
                level[player] = levels

    def _rows(self) -> list[Row]:
        """The weights add up to 1, and everybody gains at least nothing."""
        columns = zip(zip(*self.points, strict=True), self.disagreement, strict=True)
        gains: list[Row] = [([payoff - base for payoff in column], ">=", 0) for column, base in columns]
        return [([1] * len(self.points), "=", 1), *gains]


def zone_of(given: Game | Sequence[Any], disagreement: Sequence[Any] | None) -> Zone:
    """The zone of a game, or of outcomes with utilities.

    Args:
        given: A game, or vectors of utilities, one number per agent.
        disagreement: What each gets without an agreement; for a game the security levels when left out.

    Raises:
        ConfigError: No points, utilities that are no finite numbers, or a disagreement that is missing or too long.
    """
    outcomes: list[Outcome]
    if isinstance(given, Game):
        vectors, outcomes = payoff_points(given), list(given.profiles())
        base = security_levels(given) if disagreement is None else None
    else:
        vectors = read_points(given)
        outcomes, base = list(range(len(vectors))), None
        if disagreement is None:
            raise ConfigError("The disagreement is missing; give what each agent gets without an agreement.")
    if base is None:
        base = read_vector("The disagreement", disagreement, len(vectors[0]))
    # Between two neighbouring corners there is one lottery for a point, so what two agree on is unique.
    kept = corners(vectors) if len(base) == 2 else undominated(vectors)
    points, outcomes = tuple(vectors[at] for at in kept), [outcomes[at] for at in kept]
    return Zone(tuple(outcomes), points, base, _ideal(points, base))


def _ideal(points: tuple[Point, ...], base: Point) -> Point | None:
    zone = Zone((), points, base, None)
    ideal = []
    for player in range(len(base)):
        weights = zone.best(tuple(Fraction(other == player) for other in range(len(base))))
        if weights is None:
            return None
        ideal.append(zone.payoffs(weights)[player])
    return tuple(ideal)
