"""Equilibria of a support by Newton's method from many starts: quick, and never sure to have found them all."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from .supports import View

if TYPE_CHECKING:
    import numpy as np

STARTS = 32  # found all 94 equilibria in which two or more mix of 58 games of up to 3 x 3 x 3 and 2 x 2 x 2 x 2
STEPS = 25
PRECISION = 1e-12  # of payoffs between 0 and 1
APART = 1e-6  # Closer points are one.
LEAST = 1e-9  # A probability below belongs to a smaller support.


class Numeric(NamedTuple):
    """Points as probabilities of the played actions; `curve` when several are not isolated."""

    points: list[list[list[float]]]
    curve: bool


def numeric_equilibria(view: View, starts: Sequence[Sequence[float]]) -> Numeric:
    """Find equilibria in which exactly the actions of a support are played.

    Args:
        view: The support; somebody mixes.
        starts: Where to start from: probabilities of the played actions of those who mix, all in one list.
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    system = System(view)
    points = np.array(starts)
    for _ in range(STEPS):
        values, slopes = system.equations(points)
        steps = np.einsum("zij,zj->zi", np.linalg.pinv(slopes), values)
        points = np.clip(points - steps, -4, 4)  # so that what flies off does not overflow
    values, slopes = system.equations(points)
    good = (np.abs(values).max(axis=1) < PRECISION) & (points > LEAST).all(axis=1) & system.unbeaten(points)
    kept: list[Any] = []
    loose = 0
    for point, slope in zip(points[good], slopes[good], strict=True):
        if all(np.abs(point - other).max() > APART for other in kept):
            kept.append(point)
            loose += bool(np.linalg.svd(slope, compute_uv=False)[-1] < APART)
    return Numeric([system.split(point) for point in kept], loose > 2)


def random_starts(view: View, rng: random.Random) -> list[list[float]]:
    """Points of a support, each as likely as any other."""
    drawn = []
    for _ in range(STARTS):
        parts = [[rng.expovariate(1) for _ in view.support[player]] for player in view.mixing()]
        drawn.append([part / sum(own) for own in parts for part in own])
    return drawn


class System:
    """What is played is equally good, and probabilities add up to 1: as many equations as probabilities.

    A point holds the probabilities of those who mix, one after the other; the i-th has `ends[i] : ends[i + 1]`.
    """

    def __init__(self, view: View) -> None:
        import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

        self.mixing, self.support = view.mixing(), view.support
        sizes = [len(view.support[player]) for player in self.mixing]
        self.ends = [sum(sizes[:at]) for at in range(len(sizes) + 1)]
        self._payoffs = []
        for player, rows in enumerate(view.payoffs):
            low, high = min(map(min, rows)), max(map(max, rows))
            unit = [[(payoff - low) / ((high - low) or 1) for payoff in row] for row in rows]
            others = [size for other, size in zip(self.mixing, sizes, strict=True) if other != player]
            self._payoffs.append(np.array(unit).reshape(len(rows), *others))

    def split(self, point: np.ndarray) -> list[list[float]]:
        """A point as a vector for each player."""
        vectors = [[1.0] for _ in self.support]
        for player, (start, end) in zip(self.mixing, pairwise(self.ends), strict=True):
            vectors[player] = [float(share) for share in point[start:end] / point[start:end].sum()]
        return vectors

    def equations(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far points are from solving the equations, and the derivatives."""
        import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

        total, pairs = self.ends[-1], list(pairwise(self.ends))
        values, slopes = np.zeros((len(points), total)), np.zeros((len(points), total, total))
        for player, (start, end) in zip(self.mixing, pairs, strict=True):
            played = list(self.support[player])
            values[:, start] = points[:, start:end].sum(axis=1) - 1
            slopes[:, start, start:end] = 1
            payoff = self.mean(player, points)[:, played]
            values[:, start + 1 : end] = payoff[:, 1:] - payoff[:, :1]
            for other, (first, last) in zip(self.mixing, pairs, strict=True):
                if other != player:
                    slope = self.mean(player, points, other)[:, played]
                    slopes[:, start + 1 : end, first:last] = slope[:, 1:] - slope[:, :1]
        return values, slopes

    def unbeaten(self, points: np.ndarray) -> np.ndarray:
        """Whether no action is better than those that are played."""
        import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

        fine = np.ones(len(points), dtype=bool)
        for player, actions in enumerate(self.support):
            payoff = self.mean(player, points)
            fine &= payoff.max(axis=1) <= payoff[:, actions[0]] + PRECISION
        return fine

    def mean(self, player: int, points: np.ndarray, keep: int | None = None) -> np.ndarray:
        """What each action pays on average; per action of the player `keep` when one is named."""
        import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

        n = len(self.support)
        axes = [player, *(other for other in self.mixing if other != player)]
        operands: list[Any] = [self._payoffs[player], axes]
        for at, other in enumerate(self.mixing):
            if other not in (player, keep):
                operands += [points[:, self.ends[at] : self.ends[at + 1]], [n, other]]  # Axis n counts the points.
        if len(operands) == 2:
            return np.broadcast_to(self._payoffs[player], (len(points), *self._payoffs[player].shape))
        averages: np.ndarray = np.einsum(*operands, [n, player] if keep is None else [n, player, keep])
        return averages
