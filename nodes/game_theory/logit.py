"""One equilibrium of any game: where the path of logit equilibria leads, which starts with all actions equally likely.

McKelvey and Palfrey (1995), Quantal response equilibria for normal form games, Games and Economic Behavior 10; followed
as in Turocy (2005), A dynamic homotopy interpretation of the logistic quantal response equilibrium correspondence.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from .game import Game, Number
from .newton import System, numeric_equilibria
from .supports import View, whole

if TYPE_CHECKING:
    import numpy as np

STEPS = 3_000  # Random games of 2 to 9 players took 20 to 300.
MOST_RATIONAL = 1e7  # Payoffs are between 0 and 1, so that differences of 1e-6 are decided there.
STRAIGHT = 0.95  # the least cosine between the tangents at both ends of a step; with none, steps jump to other branches
PRECISION = 1e-9
LIKELY = (1e-2, 1e-4)  # What is less likely is taken as not played.


def trace(game: Game) -> tuple[tuple[Number, ...], ...] | None:
    """Follow the path until what is likely on it is the support of an equilibrium; None when it takes too long.

    Returns:
        The equilibrium, exact to about 1e-12 of the range of payoffs.

    Example:
        >>> pennies = trace(Game([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]]))
        >>> [[round(share, 9) for share in own] for own in pennies]
        [[0.5, 0.5], [0.5, 0.5]]
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    tables = [whole(game.table(player)) for player in range(game.n)]
    path, rationality = _Path(View(game.shape, tables, tuple(tuple(range(size)) for size in game.shape))), 1.0
    for _ in range(STEPS):
        with np.errstate(all="ignore"):  # A step that overflows is taken back.
            path.step()
        if path.place[-1] < rationality:
            continue
        rationality = 4 * path.place[-1]
        for likely in LIKELY:
            chances = path.chances()
            support = tuple(tuple(int(action) for action in np.flatnonzero(own > likely)) for own in chances)
            view = View(game.shape, tables, support)
            start = [float(chances[player][action]) for player in view.mixing() for action in support[player]]
            if start and (points := numeric_equilibria(view, [start]).points):
                return view.spread(points[0], 0.0)
            if not start and not view.dominated():  # A pure profile that is not dominated is an equilibrium.
                return view.spread([[1.0] for _ in support], 0.0)
        if rationality > MOST_RATIONAL:
            break
    return None


class _Path:
    """A place on the path: the logarithms of all probabilities, and how rational the players are.

    On it, log p - log q = rationality * (payoff of p's action - payoff of q's) for any two actions of a player.
    """

    def __init__(self, view: View) -> None:
        import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

        self._system = System(view)
        self._support = view.support
        logs = [-np.log(len(own)) for own in view.support if len(own) > 1 for _ in own]
        self.place = np.array([*logs, 0.0])
        self._direction, self._sign = np.array([0.0] * len(logs) + [1.0]), 0.0
        self._direction = self._tangent(self._equations(self.place)[1])
        self._length = 0.1

    def chances(self) -> list[np.ndarray]:
        """The probabilities, an array for each player."""
        import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

        chances = [np.ones(1) for _ in self._support]
        for player, (start, end) in self._ends():
            chances[player] = np.exp(self.place[start:end])
        return chances

    def step(self) -> None:
        """Go on along the tangent and back to the path; half as far when that fails, else further next time."""
        import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

        place = self.place + self._length * self._direction
        for _ in range(6):
            values, slopes = self._equations(place)
            if np.abs(values).max() < PRECISION * max(1, abs(place[-1])):
                break
            place = place - _solved(slopes, self._direction, np.array([*values, 0]))
        ahead = self._tangent(slopes)
        if np.abs(values).max() > PRECISION * max(1, abs(place[-1])) or not ahead @ self._direction > STRAIGHT:
            self._length /= 2  # The path bends here, or this is another branch.
        else:
            self.place, self._direction, self._length = place, ahead, 1.5 * self._length

    def _tangent(self, slopes: np.ndarray) -> np.ndarray:
        """The direction of the path; the sign of the determinant, the same all along it, tells forth from back."""
        import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

        tangent = _solved(slopes, self._direction, np.array([0.0] * len(slopes) + [1.0]))
        tangent /= max(np.linalg.norm(tangent), 1e-300)
        sign = float(np.linalg.slogdet(np.vstack([slopes, tangent]))[0])
        self._sign = self._sign or sign
        tangent *= sign * self._sign
        return tangent

    def _equations(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

        system, logs, rationality = self._system, place[:-1], place[-1]
        chances = np.exp(np.minimum(logs, 1))
        values, slopes = np.zeros(len(logs)), np.zeros((len(logs), len(place)))
        for player, (start, end) in self._ends():
            values[start] = chances[start:end].sum() - 1
            slopes[start, start:end] = chances[start:end]
            payoff = system.mean(player, chances[None])[0]
            gain = payoff[1:] - payoff[0]
            values[start + 1 : end] = logs[start + 1 : end] - logs[start] - rationality * gain
            slopes[start + 1 : end, -1] = -gain
            slopes[start + 1 : end, start] = -1
            slopes[start + 1 : end, start + 1 : end] = np.eye(end - start - 1)
            for other, (first, last) in self._ends():
                if other != player:
                    per_action = system.mean(player, chances[None], other)[0] * chances[first:last]
                    slopes[start + 1 : end, first:last] = -rationality * (per_action[1:] - per_action[0])
        return values, slopes

    def _ends(self) -> list[tuple[int, tuple[int, int]]]:
        """Each player who has a choice, and where the probabilities begin and end."""
        return list(zip(self._system.mixing, pairwise(self._system.ends), strict=True))


def _solved(slopes: np.ndarray, last: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The solution of a square system, whose last row is given apart; zeros when there is none."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    try:
        return np.linalg.solve(np.vstack([slopes, last]), values)
    except np.linalg.LinAlgError:
        return np.zeros(len(values))
