"""The linear programs behind core and nucleolus: shares that keep the unhappiest coalition as happy as possible.

The excess of a coalition is what it could earn alone minus what its players get. There are 2^n coalitions, but an
optimum rests on few of them, so they join the dual program as columns when they turn out to be the unhappiest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import nlargest
from math import lcm

from .coalitions import Coalitions, coalition_sums
from .rational_lp import Row, maximise

JOINING = 10  # unhappy coalitions that join at a time; 1 and 100 took a quarter longer

Fixed = Sequence[tuple[int, int | Fraction]]  # coalitions, and what their players get together


@dataclass(frozen=True, slots=True)
class Calmest:
    """Shares with the smallest possible largest excess.

    Attributes:
        shares: What each player gets.
        excess: The largest excess of the coalitions in question.
        tight: Those whose excess is the same in all such shares.
    """

    shares: tuple[Fraction, ...]
    excess: Fraction
    tight: list[int]


def least_core(game: Coalitions) -> Fraction:
    """The smallest possible largest excess of a coalition when what all earn is shared; the core is empty above 0.

    One player has no coalition that could object: 0.
    """
    if game.n == 1:
        return Fraction(0)
    everybody = (1 << game.n) - 1
    calm = calmest(game.n, game.values, [(everybody, game.values[-1])], range(1, everybody), least=None)
    return calm.excess / game.denominator


def calmest(n: int, values: Sequence[int], fixed: Fixed, open_: Sequence[int], *, least: int | None) -> Calmest:
    """Make the largest excess of the open coalitions smallest, while the fixed ones get what is fixed.

    In the dual every open coalition has a weight, they add up to 1, and fixed coalitions have weights of any sign that
    cover every player to 0. The dual values of that program are the shares and the excess.

    Args:
        n: How many players there are.
        values: What each coalition earns.
        fixed: Coalitions and what their players get; the grand coalition is among them.
        open_: The coalitions whose excess counts.
        least: 0 when nobody may get less than 0, None when they may.
    """
    joined = [mask for mask in open_ if mask.bit_count() == 1] or [open_[0]]
    while True:
        objective = [*(values[mask] for mask in joined), *(sign * share for _, share in fixed for sign in (1, -1))]
        rows: list[Row] = []
        for player in range(n):
            held = [mask >> player & 1 for mask in joined]
            covered = [sign * (mask >> player & 1) for mask, _ in fixed for sign in (1, -1)]
            rows.append(([*held, *covered], "=" if least is None else "<=", 0))
        rows.append(([1] * len(joined) + [0] * (2 * len(fixed)), "=", 1))
        optimum = maximise(objective, rows)
        assert optimum is not None, "the open coalitions that joined can be covered"
        shares, excess = optimum.duals[:n], optimum.duals[n]
        unhappy = _unhappiest(values, shares, excess, open_)
        if not unhappy:
            tight = [mask for mask, weight in zip(joined, optimum.x, strict=False) if weight]
            return Calmest(shares, excess, tight)
        joined += unhappy


def _unhappiest(values: Sequence[int], shares: Sequence[Fraction], excess: Fraction, open_: Sequence[int]) -> list[int]:
    """The coalitions with the largest excess, those beyond `excess` alone."""
    scale = lcm(excess.denominator, *(share.denominator for share in shares))
    sums = coalition_sums([int(share * scale) for share in shares])
    limit = int(excess * scale)
    beyond = [(values[mask] * scale - sums[mask], -mask) for mask in open_ if values[mask] * scale - sums[mask] > limit]
    return [-mask for _, mask in nlargest(JOINING, beyond)]
