"""Nash equilibria of any finite game: all of them where that is within reach, and said when it is not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import TypeVar

from ...errors import ConfigError
from .dominance import undominated
from .equilibrium_set import Equilibria, Limits, Subset, touch
from .game import Game
from .manyplayer import search
from .support_equations import Found
from .supports import Support
from .twoplayer import of_two

__all__ = ["Equilibria", "Limits", "nash_equilibria"]

T = TypeVar("T")

NO_SYMPY = "sympy is missing, which 'pip install \"langgraph-agora[games]\"' installs"


def nash_equilibria(game: Game, *, limits: Limits | None = None) -> Equilibria:
    """Find the Nash equilibria of a game, pure and mixed.

    Two players: all, in exact arithmetic, also of degenerate games. More players: all, when the game is small and sympy
    is there, else what Newton's method finds. A set that may miss some is never called complete. A game too large to
    finish still has its pure equilibria or, if there are none, very likely a mixed one.

    Args:
        game: Any number of players from 1.
        limits: How much work may be done.

    Returns:
        The equilibria, in an order that depends on the game alone.

    Raises:
        ConfigError: Not a game, or limits that are none.

    Example:
        >>> stag_hunt = Game([[[4, 0], [3, 3]], [[4, 3], [0, 3]]])
        >>> found = nash_equilibria(stag_hunt)
        >>> [[[str(share) for share in own] for own in point] for point in found.points]
        [[['0', '1'], ['0', '1']], [['3/4', '1/4'], ['3/4', '1/4']], [['1', '0'], ['1', '0']]]
        >>> found.complete, found.degenerate
        (True, False)
    """
    if not isinstance(game, Game):
        raise ConfigError(f"The game was {type(game).__name__}; give a Game(payoffs).")
    if limits is not None and not isinstance(limits, Limits):
        raise ConfigError(f"The limits were {limits!r}; give Limits(vertices=..., profiles=..., supports=...).")
    if game.n == 1:
        return _alone(game)
    limits, kept = limits or Limits(), undominated(game)
    small = game.restricted(kept)
    choosers = [player for player, size in enumerate(small.shape) if size > 1]
    if len(choosers) > 2:
        return _widened(_of_many(small, limits), game, kept, [])
    idle = [player for player in range(game.n) if player not in choosers]
    pair = sorted([*choosers, *idle][:2])
    return _widened(of_two(small, pair[0], pair[1], limits.vertices), game, kept, pair)


def _alone(game: Game) -> Equilibria:
    """A player without others: as against one who has a single action."""
    against = Game([[[payoff] for payoff in game.table(0)], [[0]] * game.shape[0]])
    found = nash_equilibria(against)
    return replace(found, points=[point[:1] for point in found.points], exact=[own and own[:1] for own in found.exact])


def _widened(found: Equilibria, game: Game, kept: Sequence[Sequence[int]], pair: Sequence[int]) -> Equilibria:
    """From a game without its dominated actions back to the game: these have probability 0."""
    if all(len(own) == size for own, size in zip(kept, game.shape, strict=True)):
        return found

    def own(player: int, shares: Sequence[T], zero: T) -> tuple[T, ...]:
        given = dict(zip(kept[player], shares, strict=True))
        return tuple(given.get(action, zero) for action in range(game.shape[player]))

    def point(shares: Sequence[Sequence[T]], zero: T) -> tuple[tuple[T, ...], ...]:
        return tuple(own(player, one, zero) for player, one in enumerate(shares))

    def vertices(subset: Subset) -> Subset:
        ends = zip(pair, subset.items(), strict=True)
        return {key: [own(player, one, Fraction(0)) for one in ones] for player, (key, ones) in ends}

    return replace(
        found,
        points=[point(one, Fraction(0)) for one in found.points],
        exact=[one and point(one, "0") for one in found.exact],
        components=[[vertices(subset) for subset in component] for component in found.components],
    )


def _of_many(game: Game, limits: Limits) -> Equilibria:
    small = prod(game.shape) <= limits.profiles
    exact = small and _has_sympy()
    # The same numbers every time: which of the points of a curve are shown, and where Newton's method starts.
    found = search(game, exact=exact, supports=limits.supports, rng=random.Random(0))
    found.points.sort(key=lambda point: point.mixed)
    points, words = [point.mixed for point in found.points], [point.exact for point in found.points]
    infinite = bool(found.infinite) or touch(points)
    reasons = _reasons(game, found)
    if found.sampled:
        why = f"the game has {prod(game.shape)} profiles, more than {limits.profiles}" if not small else NO_SYMPY
        if exact:
            why = f"where {_named(game, found.sampled[0])} the equations are too large to solve exactly"
        reasons.append(f"Newton's method was used, which may miss equilibria: {why}")
        if len(points) % 2 == 0 and not infinite:
            reasons.append("their number is even, so that one is missing unless payoffs tie")
    if not points:
        reasons.append("none was found, though every game has one")
    method = "groebner" if exact else "newton"
    return Equilibria(points, not reasons and not infinite, infinite, [], "; ".join(reasons), method, words)


def _reasons(game: Game, found: Found) -> list[str]:
    """Why equilibria may be missing, though the equations were solved."""
    reasons = []
    if found.infinite:
        where = _named(game, found.infinite[0])
        reasons.append(f"there are infinitely many, as where {where}; the points are examples of these, and the others")
    if found.undecided:
        where = _named(game, found.undecided[0])
        reasons.append(f"there may be more where {where}: the equations of that have infinitely many solutions")
    if not found.ended:
        reasons.append("not all supports were searched; for more give limits=Limits(supports=...)")
    return reasons


def _named(game: Game, support: Support) -> str:
    parts = []
    for player, names, actions in zip(game.players, game.actions, support, strict=True):
        parts.append(f"{player} {'mixes' if len(actions) > 1 else 'plays'} {', '.join(names[at] for at in actions)}")
    return " and ".join(parts)


def _has_sympy() -> bool:
    try:
        import sympy  # noqa: F401, PLC0415  (an extra)
    except ImportError:
        return False
    return True
