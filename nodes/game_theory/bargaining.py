"""Bargaining: which lottery over the outcomes to agree on, when everybody can fall back on a disagreement point.

All solutions are Pareto-optimal, give nobody less than the disagreement, and treat symmetric agents alike. Nash's and
Kalai-Smorodinsky's do not depend on the units in which an agent counts; the egalitarian and the utilitarian do, and
mean something only where utilities can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .game import Game
from .hull import Point
from .nash_product import largest_product
from .rational_lp import Row
from .zone import Outcome, Weights, Zone, zone_of

__all__ = ["Bargain", "egalitarian", "kalai_smorodinsky", "nash_bargaining", "utilitarian"]

Given = Game | Sequence[Any]


@dataclass(frozen=True, slots=True)
class Bargain:
    """A bargaining solution.

    Attributes:
        solution: Its name.
        payoffs: What each gets on average; None when there is no such point, and then `reason` says why.
        lottery: (profile of the game or index of the point, probability) pairs; probabilities add up to 1. The payoffs
            are unique; of three agents and more, different lotteries can give them.
        disagreement: What each gets without an agreement.
        ideal: The best each can get while nobody gets less than the disagreement; None when that is impossible.
        exact: Whether the payoffs are the exact solution; otherwise they are right to 1e-9 of each one's possible gain.
        reason: Why there is no point, or why agreeing gains nothing; else empty.
    """

    solution: str
    payoffs: tuple[Fraction, ...] | None
    lottery: tuple[tuple[Outcome, Fraction], ...]
    disagreement: tuple[Fraction, ...]
    ideal: tuple[Fraction, ...] | None
    exact: bool = True
    reason: str = ""

    @property
    def gains(self) -> tuple[Fraction, ...] | None:
        """What each gets more than without an agreement."""
        if self.payoffs is None:
            return None
        return tuple(u - d for u, d in zip(self.payoffs, self.disagreement, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return the bargain as plain JSON values; fractions become floats."""
        return {
            "solution": self.solution,
            "payoffs": _floats(self.payoffs),
            "lottery": [
                {"outcome": outcome if isinstance(outcome, int) else list(outcome), "probability": float(probability)}
                for outcome, probability in self.lottery
            ],
            "disagreement": _floats(self.disagreement),
            "ideal": _floats(self.ideal),
            "exact": self.exact,
            "reason": self.reason,
        }


def nash_bargaining(given: Given, disagreement: Sequence[Any] | None = None) -> Bargain:
    """The lottery with the largest product of gains (Nash 1950).

    Two agents: exact. More: the optimum of the logarithms to 1e-9 of each one's range, and exact wherever a rational
    point near it proves to be the optimum (`Bargain.exact` says which). Who cannot gain at all is left out of the
    product, and gets the disagreement.

    Args:
        given: A game, or vectors of utilities, one number per agent.
        disagreement: What each gets without an agreement; for a game the security levels when left out.

    Raises:
        ConfigError: No points, utilities that are no finite numbers, or a disagreement that is missing or too long.

    Example:
        >>> bargain = nash_bargaining(Game([[[3, 0], [0, 2]], [[2, 0], [0, 3]]]))  # the battle of the sexes
        >>> bargain.payoffs == (2.5, 2.5), [(profile, str(p)) for profile, p in bargain.lottery]
        (True, [((0, 0), '1/2'), ((1, 1), '1/2')])
    """
    return nash_in(zone_of(given, disagreement))


def kalai_smorodinsky(given: Given, disagreement: Sequence[Any] | None = None) -> Bargain:
    """The lottery that gives everybody the same, largest share of what they could gain at best.

    Kalai and Smorodinsky (1975) for two agents; for more, where equal shares can leave something on the table, the
    smallest share is made largest, then the second smallest, and so on (Imai 1983).

    Args:
        given: A game, or vectors of utilities, one number per agent.
        disagreement: What each gets without an agreement; for a game the security levels when left out.

    Returns:
        The bargain; it has no payoffs when nobody can gain, because then there is no share to compare.

    Raises:
        ConfigError: As for `nash_bargaining`.

    Example:
        >>> bargain = kalai_smorodinsky([(0, 0), (4, 0), (0, 1)], (0, 0))
        >>> [str(payoff) for payoff in bargain.payoffs]
        ['2', '1/2']
    """
    return ks_in(zone_of(given, disagreement))


def egalitarian(given: Given, disagreement: Sequence[Any] | None = None) -> Bargain:
    """The lottery whose smallest gain is largest, then the second smallest, and so on (Kalai 1977; Imai 1983).

    Gains are equal wherever nobody can gain more without taking it from others. They are compared as they are: it
    means something only when a unit is worth the same to everybody.

    Args:
        given: A game, or vectors of utilities, one number per agent.
        disagreement: What each gets without an agreement; for a game the security levels when left out.

    Raises:
        ConfigError: As for `nash_bargaining`.

    Example:
        >>> egalitarian([(0, 0), (4, 0), (0, 1)], (0, 0)).payoffs == (Fraction(4, 5), Fraction(4, 5))
        True
    """
    return egalitarian_in(zone_of(given, disagreement))


def utilitarian(given: Given, disagreement: Sequence[Any] | None = None) -> Bargain:
    """The lottery with the largest sum of payoffs among those that give nobody less than the disagreement.

    Of several the egalitarian one. Payoffs are added as they are: it means something only when a unit is worth the
    same to everybody.

    Args:
        given: A game, or vectors of utilities, one number per agent.
        disagreement: What each gets without an agreement; for a game the security levels when left out.

    Raises:
        ConfigError: As for `nash_bargaining`.

    Example:
        >>> utilitarian([(0, 0), (4, 0), (0, 1)], (0, 0)).payoffs == (4, 0)
        True
    """
    return utilitarian_in(zone_of(given, disagreement))


# The same, of a zone that is known already.


def nash_in(zone: Zone) -> Bargain:
    """The Nash bargaining solution of a zone."""
    if sum(reach > 0 for reach in zone.ranges) < 2:  # One alone takes it all; for nobody there is nothing to take.
        return _bargain("Nash bargaining", zone, None if zone.ideal is None else zone.leximin(zone.ranges))
    if len(zone.disagreement) == 2:
        return _bargain("Nash bargaining", zone, _on_edges(zone))
    weights, exact = largest_product(zone)
    return _bargain("Nash bargaining", zone, weights, exact=exact)


def ks_in(zone: Zone) -> Bargain:
    """The Kalai-Smorodinsky solution of a zone."""
    return _bargain("Kalai-Smorodinsky", zone, zone.leximin(zone.ranges) if any(zone.ranges) else None)


def egalitarian_in(zone: Zone) -> Bargain:
    """The egalitarian solution of a zone."""
    ones = (Fraction(1),) * len(zone.disagreement)
    return _bargain("egalitarian", zone, None if zone.ideal is None else zone.leximin(ones))


def utilitarian_in(zone: Zone) -> Bargain:
    """The utilitarian solution of a zone."""
    ones = (Fraction(1),) * len(zone.disagreement)
    weights = zone.best(ones)
    if weights is not None:
        most: Row = ([sum(point, Fraction(0)) for point in zone.points], ">=", sum(zone.payoffs(weights), Fraction(0)))
        weights = zone.leximin(ones, [most])
    return _bargain("utilitarian", zone, weights)


def _bargain(solution: str, zone: Zone, weights: Weights | None, *, exact: bool = True) -> Bargain:
    reason = ""
    if zone.ideal is None:
        reason = "no lottery over the outcomes gives everybody at least the disagreement"
    elif not any(zone.ranges):
        reason = "nobody can gain over the disagreement without somebody losing"
    if weights is None:
        return Bargain(solution, None, (), zone.disagreement, zone.ideal, exact, reason)
    payoffs, lottery = zone.payoffs(weights), zone.lottery(weights)
    return Bargain(solution, payoffs, lottery, zone.disagreement, zone.ideal, exact, reason)


def _on_edges(zone: Zone) -> Weights:
    """The best product of two gains: the points of the zone are corners, so it lies on an edge between neighbours."""
    gains = [tuple(u - d for u, d in zip(point, zone.disagreement, strict=True)) for point in zone.points]
    found: list[tuple[Fraction, int, Fraction]] = []
    for at, (here, there) in enumerate(zip(gains, [*gains[1:], gains[-1]], strict=True)):
        step = _top_of_edge(here, there)
        x, y = ((1 - step) * a + step * b for a, b in zip(here, there, strict=True))
        found.append((x * y, at, step))  # Below 0 beyond the zone: no corner gives both less than the disagreement.
    _, at, step = max(found)
    weights = [Fraction(0)] * len(gains)
    weights[at] = 1 - step
    if step:
        weights[at + 1] = step
    return weights


def _top_of_edge(here: Point, there: Point) -> Fraction:
    """Where on the way from one corner to the next, from 0 to 1, the product of the gains is largest."""
    right, up = there[0] - here[0], there[1] - here[1]
    if not right:
        return Fraction(0)  # the last corner alone
    slope, bend = right * here[1] + up * here[0], 2 * right * up  # The product is a parabola, open below.
    return min(Fraction(1), max(Fraction(0), -slope / bend))


def _floats(point: Point | None) -> list[float] | None:
    return None if point is None else [float(number) for number in point]
