"""Effects with intervals: shares, differences of shares, also within strata."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

Z = 1.959963984540054  # of a 95 % interval

Counts = tuple[int, int]  # how many, of how many


def difference(tables: Sequence[tuple[Counts, Counts]]) -> tuple[float, tuple[float, float]]:
    """Return the difference of two shares, and its 95 % interval, over strata.

    The strata's differences are weighed as Mantel and Haenszel weigh them (1959; n1 n0 / (n1 + n0)). With one stratum
    the interval is Newcombe's (1998, method 10), which is made of the two Wilson intervals and right up to shares of 0
    and 1; with more, the strata's intervals are put together as variances are (Zou and Donner 2008).

    Args:
        tables: ((events, cases) where it holds, (events, cases) elsewhere) for each stratum.

    Returns:
        The difference and (low, high); (0, (-1, 1)) where no stratum has both.

    Example:
        >>> effect, (low, high) = difference([((56, 70), (48, 80))])  # Newcombe's own example
        >>> round(effect, 4), round(low, 4), round(high, 4)
        (0.2, 0.0524, 0.3339)
    """
    both = [(one, other) for one, other in tables if one[1] and other[1]]
    weights = [one[1] * other[1] / (one[1] + other[1]) for one, other in both]
    if not both:
        return 0.0, (-1.0, 1.0)
    effect = below = above = 0.0
    for (one, other), weight in zip(both, weights, strict=True):
        part, (low, high), (least, most) = weight / sum(weights), wilson(*one), wilson(*other)
        share, base = one[0] / one[1], other[0] / other[1]
        effect += part * (share - base)
        below += part**2 * ((share - low) ** 2 + (most - base) ** 2)
        above += part**2 * ((high - share) ** 2 + (base - least) ** 2)
    return effect, (max(-1.0, effect - sqrt(below)), min(1.0, effect + sqrt(above)))


def wilson(events: int, cases: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); (0, 1) where there are no cases.

    Example:
        >>> low, high = wilson(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if not cases:
        return 0.0, 1.0
    share, weight = events / cases, 1 + Z * Z / cases
    middle = share + Z * Z / (2 * cases)
    spread = Z * sqrt(share * (1 - share) / cases + Z * Z / (4 * cases * cases))
    return max(0.0, (middle - spread) / weight), min(1.0, (middle + spread) / weight)
