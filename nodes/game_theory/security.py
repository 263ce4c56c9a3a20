"""What each player can be sure of, whatever the others do."""

from __future__ import annotations

from fractions import Fraction

from .game import Game
from .hull import checked_game
from .rational_lp import Row, maximise

__all__ = ["maximin", "security_levels"]


def security_levels(game: Game) -> tuple[Fraction, ...]:
    """The most that each player can guarantee alone, by drawing the own action at random (maximin, exact).

    Whether the others draw their actions independently or together makes no difference: against a fixed lottery of
    one's own, what hurts most is a pure profile of theirs (von Neumann 1928).

    Raises:
        ConfigError: `game` is no `Game`.

    Example:
        >>> security_levels(Game([[[3, 0], [0, 2]], [[2, 0], [0, 3]]]))  # the battle of the sexes
        (Fraction(6, 5), Fraction(6, 5))
    """
    return tuple(maximin(game, player)[0] for player in range(checked_game(game).n))


def maximin(game: Game, player: int) -> tuple[Fraction, tuple[Fraction, ...]]:
    """The security level of a player, and probabilities of the own actions that guarantee it.

    Example:
        >>> level, strategy = maximin(Game([[[3, 0], [0, 2]], [[2, 0], [0, 3]]]), 0)
        >>> [str(number) for number in (level, *strategy)]
        ['6/5', '2/5', '3/5']
    """
    table = game.table(player)
    lift = 1 - min(table)  # The value of the lifted game is positive, and the program needs no first phase.
    others: list[list[Fraction]] = [[] for _ in range(game.shape[player])]
    for profile, payoff in zip(game.profiles(), table, strict=True):
        others[profile[player]].append(payoff + lift)
    rows: list[Row] = [(row, "<=", 1) for row in others]
    optimum = maximise([1] * len(others[0]), rows)
    assert optimum is not None, "the zero vector is feasible"
    value = 1 / optimum.value
    return value - lift, tuple(dual * value for dual in optimum.duals)
