"""Equilibria of three players and more, support by support: by exact algebra (needs sympy) or by Newton's method.

For every choice of supports (the actions that are played at all) the equations "what is played is equally good" are
solved; solutions that are probabilities and leave nobody a better action are equilibria. Porter, Nudelman and Shoham
(2008), Simple search methods for finding a Nash equilibrium, Games and Economic Behavior 63; the equations by a Gröbner
basis as in Datta (2010), Finding all Nash equilibria of a finite game using polynomial algebra, Economic Theory 42.
"""

from __future__ import annotations

import random
from fractions import Fraction

from .game import Game
from .logit import trace
from .newton import numeric_equilibria, random_starts
from .support_equations import ENOUGH, Found, Point, one_mixes, rational, several_mix
from .supports import View, mixed_supports, pure_equilibria, unit

LOOKED_AT = (
    40  # supports that may be looked at for each that may be searched: most are dominated, which is quick to see
)

# A Gröbner basis takes 1 s with 10 roots (3 x 3 x 3) and payoffs of 2 or 3 digits, 15 s with 16 digits. With 12 roots
# (2 x 2 x 2 x 3) the numbers on the way to it grow so much that it takes minutes.
MOST_ROOTS = 10
MOST_DIGITS = 200  # times roots


def search(game: Game, *, exact: bool, supports: int, rng: random.Random) -> Found:
    """Find equilibria: the pure ones, and those of as many supports as allowed.

    Args:
        game: Any number of players from 2.
        exact: Whether to solve the equations by algebra, where that is quick enough.
        supports: How many supports may be searched, small ones first; dominated ones do not count.
        rng: Draws the starts of Newton's method, and points of curves.

    Example:
        >>> volunteers = [[[[3, 3], [3, 3]], [[4, 4], [4, 0]]], [[[3, 3], [4, 4]], [[3, 3], [4, 0]]]]
        >>> game = Game([*volunteers, [[[3, 4], [3, 4]], [[3, 4], [3, 0]]]])
        >>> found = search(game, exact=True, supports=100, rng=random.Random(0))
        >>> len(found.points), found.points[-1].exact
        (7, (('1/2', '1/2'), ('1/2', '1/2'), ('1/2', '1/2')))
    """
    found, searched = Found(), 0
    for profile in pure_equilibria(game):
        found.points.append(rational(tuple(map(unit, profile, game.shape))))
    for looked_at, view in enumerate(mixed_supports(game)):
        if searched == supports or looked_at >= LOOKED_AT * supports:
            found.ended = False
            break
        if view is not None:
            searched += 1
            _search(view, exact, rng, found)
    if not found.points and (traced := trace(game)):
        found.points.append(Point(traced, None))
    found.points = list({point.mixed: point for point in found.points}.values())
    return found


def _search(view: View, exact: bool, rng: random.Random, found: Found) -> None:
    if len(view.mixing()) == 1:
        one_mixes(view, found)
    elif exact and view.roots() <= MOST_ROOTS and view.roots() * view.digits() <= MOST_DIGITS:
        several_mix(view, rng, found)
    else:
        numeric = numeric_equilibria(view, random_starts(view, rng))
        points = numeric.points[:ENOUGH] if numeric.curve else numeric.points
        found.points += [Point(view.spread(point, Fraction(0)), None) for point in points]
        found.infinite += [view.support] * numeric.curve
        found.sampled.append(view.support)
