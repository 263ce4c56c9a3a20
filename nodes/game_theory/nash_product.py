"""The largest product of gains for three agents and more, where the exact solution can be irrational."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

from .hull import weighted
from .rational_lp import Row
from .zone import Weights, Zone

CORNERS = 200  # tried before giving up; 587 random zones of 3 to 8 agents and up to 200 outcomes needed at most 6
# A product that is right to k digits has gains that are right to k/2, so that floats would not do.
DIGITS, TINY = 100, Decimal("1e-70")  # of the arithmetic, and what counts as 0 in it
SETTLED = Fraction(1, 10**30)  # the relative amount by which a corner must promise more
UNIT = 10**40  # prices and weights are rounded to whole multiples of its inverse
DENOMINATORS = (100, 10_000, 1_000_000)  # of the payoffs that are tried as the exact solution


def largest_product(zone: Zone) -> tuple[Weights, bool]:
    """A lottery with the largest product of gains of those who can gain, and whether it is exactly that.

    The zone is a polytope of which the corners are not known beforehand. The best lottery over some corners says what
    a gain is worth to each (its inverse); the corner that is worth most at these prices joins them, until none is worth
    more than the lottery itself: then it is best in the whole zone (fully corrective Frank-Wolfe). It is made exact
    by rounding the payoffs to short fractions and proving in rational arithmetic that they are optimal.

    Args:
        zone: Not empty, with at least one who can gain.

    Returns:
        Weights on the zone's points, and True when they were proved optimal.
    """
    movers = [player for player, reach in enumerate(zone.ranges) if reach]
    corners = [zone.leximin(zone.ranges)]  # There all movers gain, so that the product is above 0 from the start.
    while True:
        shares = [_shares(zone, corner, movers) for corner in corners]
        mixture = _log_optimal(shares)
        reached = _mixed(mixture, shares)
        corner = _dearest(zone, movers, reached)
        promise = weighted([1 / share for share in reached], _shares(zone, corner, movers))
        if promise <= len(movers) * (1 + SETTLED) or corner in corners or len(corners) >= CORNERS:
            break
        corners.append(corner)
    weights = _mixed(mixture, corners)
    proved = _proved(zone, movers, weights)
    return (weights, False) if proved is None else (proved, True)


def _mixed(mixture: Weights, rows: Sequence[Weights]) -> list[Fraction]:
    """The mixture of the rows."""
    return [weighted(mixture, column) for column in zip(*rows, strict=True)]


def _shares(zone: Zone, weights: Weights, movers: list[int]) -> list[Fraction]:
    """The gains of the movers, as shares of the most that each could gain."""
    payoffs, ranges = zone.payoffs(weights), zone.ranges
    return [(payoffs[player] - zone.disagreement[player]) / ranges[player] for player in movers]


def _dearest(zone: Zone, movers: list[int], reached: list[Fraction]) -> Weights:
    """The corner that is worth most when everybody's shares are priced at the inverse of what is reached."""
    prices = [Fraction(0)] * len(zone.disagreement)
    for player, share in zip(movers, reached, strict=True):
        prices[player] = Fraction(round(UNIT / share), UNIT) / zone.ranges[player]
    weights = zone.best(tuple(prices))
    assert weights is not None, "the zone is not empty"
    return weights


def _proved(zone: Zone, movers: list[int], weights: Weights) -> Weights | None:
    """The exact solution near these weights, if its payoffs are short fractions; None when none could be proved.

    Payoffs are optimal when at the prices that they imply nothing in the zone is worth more.
    """
    payoffs = zone.payoffs(weights)
    for limit in DENOMINATORS:
        guess = tuple(payoff.limit_denominator(limit) for payoff in payoffs)
        gains = [guess[player] - zone.disagreement[player] for player in movers]
        if min(gains) <= 0:
            continue
        prices = [Fraction(0)] * len(guess)
        for player, gain in zip(movers, gains, strict=True):
            prices[player] = 1 / gain
        exactly: list[Row] = [
            ([point[player] for point in zone.points], "=", payoff) for player, payoff in enumerate(guess)
        ]
        found = zone.best((Fraction(0),) * len(guess), exactly)
        if found is None:
            continue
        dearest = zone.best(tuple(prices))
        assert dearest is not None, "the zone is not empty"
        if weighted(prices, zone.payoffs(dearest)) == weighted(prices, guess):
            return found
    return None


def _log_optimal(shares: list[list[Fraction]]) -> list[Fraction]:
    """Weights of the rows whose mixture has the largest sum of logarithms; they add up to 1 exactly.

    A primal-dual interior-point method. Because the product is homogeneous, the constraint that the weights add up to
    1 can be replaced by a price of one per agent for each unit of weight, which leaves only weights >= 0.
    """
    with localcontext() as context:
        context.prec = DIGITS
        gains = [[Decimal(share.numerator) / share.denominator for share in row] for row in shares]
        columns, agents = list(zip(*gains, strict=True)), len(gains[0])
        weights, slack = [Decimal(1) / len(gains)] * len(gains), [Decimal(1)] * len(gains)
        for _ in range(300):
            reached = [_dot(weights, column) for column in columns]
            prices = [1 / share for share in reached]
            missing = [agents - _dot(row, prices) for row in gains]  # minus the gradient
            gap = _dot(weights, slack) / len(gains)
            if gap < TINY and all(abs(m - left) < TINY for m, left in zip(missing, slack, strict=True)):
                break
            scaled = [[share * price for share, price in zip(row, prices, strict=True)] for row in gains]
            system = [[_dot(one, other) for other in scaled] for one in scaled]
            for at, (weight, left) in enumerate(zip(weights, slack, strict=True)):
                system[at][at] += left / weight
            target = gap / 10
            step = _solved(system, [target / weight - m for weight, m in zip(weights, missing, strict=True)])
            changes = [
                (target - left * move) / weight - left for weight, left, move in zip(weights, slack, step, strict=True)
            ]
            length = min(_until_zero(weights, step), _until_zero(slack, changes))
            weights = [weight + length * move for weight, move in zip(weights, step, strict=True)]
            slack = [left + length * change for left, change in zip(slack, changes, strict=True)]
        # Where the solution does not use a row, its weight has gone to 0 and its slack has not.
        kept = [round(weight * UNIT) if weight > left else 0 for weight, left in zip(weights, slack, strict=True)]
    return [Fraction(weight, sum(kept)) for weight in kept]


def _solved(system: list[list[Decimal]], right: list[Decimal]) -> list[Decimal]:
    """Solve linear equations by Gaussian elimination; the system is positive definite and needs no pivoting."""
    rows = [[*row, value] for row, value in zip(system, right, strict=True)]
    for at, row in enumerate(rows):
        rows[at] = row = [number / row[at] for number in row]
        for other, line in enumerate(rows):
            if other != at and line[at]:
                rows[other] = [a - line[at] * b for a, b in zip(line, row, strict=True)]
    return [row[-1] for row in rows]


def _until_zero(values: list[Decimal], step: list[Decimal]) -> Decimal:
    """How much of a step can be made, 1 at most, before a value comes too near 0."""
    ends = [-value / move for value, move in zip(values, step, strict=True) if move < 0]
    return min([Decimal(1), *(end * Decimal("0.95") for end in ends)])


def _dot(one: Sequence[Decimal], other: Sequence[Decimal]) -> Decimal:
    return sum((a * b for a, b in zip(one, other, strict=True)), Decimal(0))
