"""The nucleolus: shares that make the unhappiest coalition as happy as possible, then the next one, and so on."""

from __future__ import annotations

from fractions import Fraction
from math import gcd

from .coalitions import Coalitions, Value, coalition_sums, players_of, read_coalitions
from .least_core import calmest

__all__ = ["nucleolus"]

MOST_PLAYERS = 16
COST = "each of up to n - 1 linear programs has 2^n constraints"


def nucleolus(n: int, v: Value) -> tuple[Fraction, ...] | None:
    """The nucleolus of a game in coalitional form (Schmeidler 1969): exact, and in the core whenever there is one.

    Of all ways to share what the grand coalition earns that give nobody less than alone, the one whose largest excess
    (what a coalition earns minus what its players get) is smallest, then the second largest, and so on. At most n - 1
    linear programs (Maschler, Peleg, Shapley 1979): each fixes the coalitions whose excess can fall no further.

    Args:
        n: How many players there are, at most 12.
        v: Coalition -> what it can earn, an int, float, Fraction or a string such as "5/2"; coalitions are frozensets
            or tuples of player numbers from 0. The empty one may be left out, no other.

    Returns:
        One share per player; None when the players earn more alone than all together, so that nothing can be shared.

    Raises:
        ConfigError: `n` out of range, coalitions missing or wrong, or a value that is no finite number.

    Example:
        >>> estate, claims = 200, [100, 200, 300]  # a bankruptcy in the Talmud: others are paid before you are
        >>> groups = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
        >>> left = {s: max(0, estate - sum(c for i, c in enumerate(claims) if i not in s)) for s in groups}
        >>> nucleolus(3, left) == (50, 75, 75)
        True
    """
    return nucleolus_of(read_coalitions(n, v, most=MOST_PLAYERS, cost=COST))


def nucleolus_of(game: Coalitions) -> tuple[Fraction, ...] | None:
    """The nucleolus of a game that was read already."""
    n = game.n
    alone = [game.values[1 << player] for player in range(n)]
    values = [value - total for value, total in zip(game.values, coalition_sums(alone), strict=True)]
    everybody = (1 << n) - 1
    if values[everybody] < 0:
        return None
    shares: tuple[Fraction, ...] = (Fraction(values[everybody]),)
    fixed: list[tuple[int, int | Fraction]] = [(everybody, values[everybody])]
    # Ways in which the shares can still move. Coalitions that none of them touches have a settled excess.
    moves = [[int(p == player) - int(p == n - 1) for p in range(n)] for player in range(n - 1)]
    while moves:
        touched = [any(sums) for sums in zip(*map(coalition_sums, moves), strict=True)]
        calm = calmest(n, values, fixed, [mask for mask, free in enumerate(touched) if free], least=0)
        shares = calm.shares
        for mask in calm.tight:
            fewer = _keeping(moves, mask)
            if len(fewer) < len(moves):
                moves = fewer
                fixed.append((mask, values[mask] - calm.excess))
    return tuple((share + own) / game.denominator for share, own in zip(shares, alone, strict=True))


def _keeping(moves: list[list[int]], mask: int) -> list[list[int]]:
    """The moves that leave the sum of a coalition's shares as it is: combined with one that does not, which goes."""
    changes = [sum(move[player] for player in players_of(mask)) for move in moves]
    away = next((at for at, change in enumerate(changes) if change), None)
    if away is None:
        return moves
    kept = []
    for at, (move, change) in enumerate(zip(moves, changes, strict=True)):
        if at != away:
            combined = [changes[away] * a - change * b for a, b in zip(move, moves[away], strict=True)]
            kept.append([number // gcd(*combined) for number in combined])
    return kept
