"""Actions that no equilibrium plays, because another one is better whatever the others do."""

from __future__ import annotations

from fractions import Fraction

from .game import Game


def undominated(game: Game) -> list[list[int]]:
    """Remove strictly dominated actions as long as there are any; for each player the numbers of those that are left.

    Only dominance by another pure action is looked at. No equilibrium is lost, and the order does not matter.

    Example:
        >>> undominated(Game([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], title="prisoner's dilemma"))
        [[1], [1]]
    """
    kept = [list(range(size)) for size in game.shape]
    strides = [1] * game.n
    for player in range(game.n - 1, 0, -1):
        strides[player - 1] = strides[player] * game.shape[player]
    changed = True
    while changed:
        changed = False
        for player, stride in enumerate(strides):
            places = [0]
            for other, actions in enumerate(kept):
                if other != player:
                    places = [place + action * strides[other] for place in places for action in actions]
            table = game.table(player)
            rows = {action: [table[place + action * stride] for place in places] for action in kept[player]}
            left = [action for action in rows if not any(_better(other, rows[action]) for other in rows.values())]
            changed = changed or len(left) < len(rows)
            kept[player] = left
    return kept


def _better(one: list[Fraction], other: list[Fraction]) -> bool:
    return all(a > b for a, b in zip(one, other, strict=True))
