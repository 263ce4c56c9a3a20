"""How good an outcome is for all: efficiency and fairness, in gains that do not depend on anybody's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import exp, fsum, log, prod

from .game import Game, Mixed, Number
from .hull import Point
from .zone import Zone

SHORTEST = 10**12  # the largest denominator of probabilities that come as floats, when a lottery is made of them

Lottery = tuple[tuple[tuple[int, ...], Fraction], ...]


@dataclass(frozen=True, slots=True)
class Play:
    """Players who draw their actions independently: strategies, the lottery over profiles, and what it pays."""

    strategies: tuple[tuple[Fraction, ...], ...]
    outcome: Lottery
    payoffs: Point
    exact: bool

    @property
    def pure(self) -> bool:
        """Whether nobody draws at random."""
        return len(self.outcome) == 1


def play_of(game: Game, mixed: Mixed) -> Play:
    """What happens when everybody plays a mixed strategy; floats become fractions that add up to 1."""
    exact = not any(isinstance(p, float) for strategy in mixed for p in strategy)
    strategies = tuple(_exactly(strategy) for strategy in mixed)
    supports = [[action for action, p in enumerate(strategy) if p] for strategy in strategies]
    outcome = tuple(
        (profile, prod((strategies[player][action] for player, action in enumerate(profile)), start=Fraction(1)))
        for profile in product(*supports)
    )
    payoffs = tuple(Fraction(payoff) for payoff in game.expected(strategies))
    return Play(strategies, outcome, payoffs, exact)


class Judge:
    """Measures payoffs against the zone of agreement of a game.

    A player's share is the gain over the security level, divided by the most that the player can gain without anybody
    falling below; players who cannot gain are left out.
    """

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.movers = [player for player, reach in enumerate(zone.ranges) if reach]
        worth = tuple(1 / reach if reach else Fraction(0) for reach in zone.ranges)
        best = zone.best(worth)
        self.most = sum(self.shares(zone.payoffs(best)), Fraction(0)) if best is not None else Fraction(0)

    def shares(self, payoffs: Point) -> list[Fraction]:
        """The gain of each mover as a share of the possible one."""
        base, ranges = self.zone.disagreement, self.zone.ranges
        return [max(Fraction(0), (payoffs[player] - base[player]) / ranges[player]) for player in self.movers]

    def efficiency(self, payoffs: Point) -> Fraction:
        """The sum of the shares, as a share of the largest possible sum; 1 when nobody can gain."""
        return min(Fraction(1), sum(self.shares(payoffs), Fraction(0)) / self.most) if self.most else Fraction(1)

    def fairness(self, payoffs: Point) -> float:
        """The geometric mean of the shares over the arithmetic one (Atkinson 1970); 1 when all are equal."""
        shares = self.shares(payoffs)
        if len(set(shares)) < 2:
            return 1.0
        if not all(shares):
            return 0.0
        numbers = [float(share) for share in shares]
        return min(1.0, exp(fsum(map(log, numbers)) / len(numbers)) / (fsum(numbers) / len(numbers)))

    def score(self, payoffs: Point) -> tuple[Fraction, ...]:
        """What orders outcomes as efficiency times fairness does, exactly: the product of the shares.

        Where somebody gains nothing, it is 0; then the sum of the shares decides, then the smallest ones.
        """
        shares = self.shares(payoffs)
        return (prod(shares, start=Fraction(1)), sum(shares, Fraction(0)), *sorted(shares))


def _exactly(strategy: Sequence[Number]) -> tuple[Fraction, ...]:
    numbers = [Fraction(p).limit_denominator(SHORTEST) if isinstance(p, float) else Fraction(p) for p in strategy]
    positive = [max(Fraction(0), number) for number in numbers]
    total = sum(positive, Fraction(0))
    return tuple(number / total for number in positive)
