"""All equilibria of a game in which two players have a choice, with the sets that they form."""

from __future__ import annotations

from fractions import Fraction
from math import comb

from .bimatrix import Vector, extreme_equilibria, lemke_howson
from .components import MAX_SUBSETS, maximal_subsets, numbers
from .equilibrium_set import Equilibria, Point, Subset, Words, touch
from .game import Game
from .supports import pure_equilibria, unit

# Tableau entries that may be computed, about half a microsecond each: three to four seconds of CPU. At 12 x 12 it is
# enough for 50,000 vertices, and no polytopes of that size have more than 49,504; random games have 10,000.
ENTRIES = 7_200_000
PATH = 10_000  # pivots of Lemke and Howson; random games of 100 x 100 take some hundred


def of_two(game: Game, first: int, second: int, limit: int | None = None) -> Equilibria:
    """Find all equilibria of two players; or, when there is too much to look at, those that are quick to find.

    Args:
        game: All other players have one action.
        first: The number of a player, whose strategies are called x in components.
        second: The number of a later player, whose strategies are called y.
        limit: How many vertices may be visited; None: as many as take a few seconds.

    Example:
        >>> of_two(Game([[[1, 1], [1, 0]], [[1, 1], [1, 0]]]), 0, 1).components == [
        ...     [{"x_vertices": [(0, 1), (1, 0)], "y_vertices": [(1, 0)]},
        ...      {"x_vertices": [(1, 0)], "y_vertices": [(0, 1), (1, 0)]}]]
        True
    """
    rows, columns, m, n = game.table(first), game.table(second), game.shape[first], game.shape[second]
    limit = limit or ENTRIES // (m * n) + 1
    found = extreme_equilibria(rows, columns, m, n, limit)

    def point(x: Vector, y: Vector) -> Point:
        played = {first: x, second: y}
        return tuple(played.get(player, (Fraction(1),)) for player in range(game.n))

    points = [point(x, found.ys[y]) for x, ys in zip(found.xs, found.partners, strict=True) for y in numbers(ys)]
    components: list[list[Subset]] = []
    if found.complete:
        components, reason = _components(found.xs, found.ys, found.partners)
    else:
        one = lemke_howson(rows, columns, m, n, PATH)
        pure: list[Point] = [tuple(map(unit, profile, game.shape)) for profile in pure_equilibria(game)]
        points = sorted({*points, *pure, *([point(*one)] if one else [])})
        reason = (
            f"with {m} x {n} actions there may be {most_vertices(m, n):.1e} vertices, of which {limit:,} were visited; "
            "these are the pure equilibria and some others. For more give limits=Limits(vertices=...)"
        )
    words: list[Words | None] = [tuple(tuple(map(str, own)) for own in one) for one in points]
    return Equilibria(points, found.complete, touch(points), components, reason, "vertices", words)


def most_vertices(m: int, n: int) -> int:
    """How many vertices the best-response polytopes of an m x n game can have (McMullen's upper bound theorem).

    Example:
        >>> most_vertices(8, 8), most_vertices(12, 12)
        (1320, 49504)
    """
    facets = m + n
    return sum(comb(facets - (d + 1) // 2, facets - d) + comb(facets - (d + 2) // 2, facets - d) for d in (m, n))


def _components(xs: list[Vector], ys: list[Vector], partners: list[int]) -> tuple[list[list[Subset]], str]:
    """The components, and why they are left out."""
    groups = maximal_subsets(partners)
    if groups is None:
        return [], f"components are left out: there are more than {MAX_SUBSETS:,} maximal Nash subsets"
    components: list[list[Subset]] = [
        [{"x_vertices": [xs[at] for at in some], "y_vertices": [ys[at] for at in others]} for some, others in group]
        for group in groups
    ]
    return components, ""
