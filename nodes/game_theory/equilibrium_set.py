"""What a search for equilibria is allowed and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import ConfigError
from .bimatrix import Vector
from .game import Number

Point = tuple[tuple[Number, ...], ...]
Words = tuple[tuple[str, ...], ...]
Subset = dict[str, list[Vector]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much work may be done before a game counts as too large.

    Args:
        vertices: For two players, how many vertices of the best-response polytopes may be visited. None: as many as
            take a few seconds, enough for every game of up to 12 x 12 and for lopsided ones such as 3 x 100.
        profiles: For more players, how many profiles a game may have for its equations to be solved exactly; above, or
            without sympy, Newton's method looks for solutions. 27 is 3 x 3 x 3, one to three seconds.
        supports: For more players, how many supports may be searched, small ones first.

    Raises:
        ConfigError: A limit that is no whole number above 0.
    """

    vertices: int | None = None
    profiles: int = 27
    supports: int = 700

    def __post_init__(self) -> None:
        for name in ("vertices", "profiles", "supports"):
            given = getattr(self, name)
            none = given is None and name == "vertices"
            if not none and (not isinstance(given, int) or isinstance(given, bool) or given < 1):
                raise ConfigError(f"The limit {name} was {given!r}; give a whole number above 0.")


@dataclass(frozen=True, slots=True)
class Equilibria:
    """Nash equilibria of a game.

    Attributes:
        points: The equilibria, each a vector of probabilities per player, sorted. For two players they are exact and,
            if complete, all extreme equilibria: every other one is a mixture of these. For more players they are exact
            where they are rational, else floats; of a continuum they are examples.
        complete: Whether every equilibrium is covered.
        degenerate: Whether infinitely many equilibria were found. When not complete, there may be some all the same.
        components: For two players who have a choice, the connected sets that the equilibria form: each a list of
            maximal Nash subsets, {"x_vertices": [...], "y_vertices": [...]}: any mixture of the xs against any of the
            ys is an equilibrium. Empty for more players, for an incomplete set, and above 10,000 subsets.
        reason: Why equilibria or components are missing, in words, else "". That a complete set is even is no reason:
            only games in which payoffs tie have that (Wilson 1971, Computing equilibria of n-person games).
        method: "vertices" (two players), "groebner" or "newton" (more).
        exact: The points in words, such as "sqrt(601)/4 - 23/4"; None for one that needs more than square roots, or
            that Newton's method has found.
    """

    points: list[Point]
    complete: bool
    degenerate: bool
    components: list[list[Subset]]
    reason: str
    method: str
    exact: list[Words | None] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: points as floats, and exact ones as strings beside."""
        return {
            "points": [[[float(share) for share in own] for own in point] for point in self.points],
            "exact": [point and [list(own) for own in point] for point in self.exact],
            "complete": self.complete,
            "degenerate": self.degenerate,
            "components": [
                [{key: [list(map(str, one)) for one in ones] for key, ones in subset.items()} for subset in component]
                for component in self.components
            ],
            "reason": self.reason,
            "method": self.method,
        }


def touch(points: Sequence[Point]) -> bool:
    """Whether two equilibria differ in one player's strategy alone: then every mixture of the two is one as well.

    Example:
        >>> touch([((1, 0), (1, 0)), ((1, 0), (0, 1))]), touch([((1, 0), (1, 0)), ((0, 1), (0, 1))])
        (True, False)
    """
    for player in range(len(points[0]) if points else 0):
        others = {(*point[:player], *point[player + 1 :]) for point in points}
        if len(others) < len(points):
            return True
    return False
