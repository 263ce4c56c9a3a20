"""The Wilson score interval of a share (Wilson 1927; Agresti and Coull 1998, equation 2)."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson(right: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share of `right` in `total`.

    Example:
        >>> [round(x, 3) for x in wilson(8, 10)]
        [0.49, 0.943]
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, weight = right / total, 1 + z * z / total
    middle = share + z * z / (2 * total)
    spread = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, (middle - spread) / weight), min(1.0, (middle + spread) / weight)
