"""Exact tests of many two-by-two tables at once, each within strata, and what such a test can reach at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Standard deviations around the mean that are computed. What is outside has a chance below 1e-31; p is too large there.
SPREAD = 12
SLACK = 1 + 1e-9  # Two sums of the same terms differ in their last digits.


@dataclass(frozen=True, slots=True)
class Tails:
    """The exact tests of c candidates.

    Attributes:
        more: One-sided p-values against "not more often", shape (c,).
        less: Against "not less often".
        all_more: Every p-value that each candidate can have at all, shape (c, w), filled up with 1.
        all_less: The same for `less`.
    """

    more: NDArray[np.float64]
    less: NDArray[np.float64]
    all_more: NDArray[np.float64]
    all_less: NDArray[np.float64]

    def expected(self, p: float, *, more: bool) -> float:
        """How many candidates reach `p` or less where none has an effect: the sum of the exact chances.

        It is what Bonferroni's number of tests times p is an upper bound of: a test of few cases cannot have just any
        p-value, and one that cannot have a p this small costs nothing (Tarone 1990; Westfall and Wolfinger 1997).
        """
        import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

        reach = self.all_more if more else self.all_less
        return float(np.where(reach <= p * SLACK, reach, 0.0).max(axis=1, initial=0.0).sum())


def exact_tails(
    holds: NDArray[np.int64], rows: NDArray[np.int64], events: NDArray[np.int64], seen: NDArray[np.int64]
) -> Tails:
    """Test for each candidate whether the event is more, or less, frequent where it holds, within strata.

    Given how often the candidate holds and the event happens in each stratum, the number of both together is
    hypergeometric where the candidate has no effect; over the strata it is the sum of independent ones. So this is
    Fisher's exact test (1935) with one stratum, and with more the exact form of the test of Cochran (1954) and Mantel
    and Haenszel (1959; Mehta, Patel and Gray 1985). It is right at every number of cases.

    Args:
        holds: How often each candidate holds in each stratum, shape (strata, c).
        rows: The size of each stratum, shape (strata,).
        events: How often the event happens in each, shape (strata,).
        seen: How often it happened where the candidate holds, over all strata, shape (c,).

    Returns:
        The tests' tails.

    Example:
        >>> import numpy as np
        >>> found = exact_tails(np.array([[8]]), np.array([16]), np.array([7]), np.array([6]))
        >>> round(float(found.more[0]), 6), round(found.expected(0.05, more=True), 6)  # six of 8 against one of 8
        (0.02028, 0.02028)
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    table = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, int(rows.max(initial=0)) + 1)))])
    least = most = np.zeros(len(seen), np.int64)
    chances = np.ones((len(seen), 1))
    for held, size, happened in zip(holds, rows, events, strict=True):
        if 0 < happened < size:
            low, high, chance = _hypergeometric(table, held, int(size), int(happened))
            least, most, chances = least + low, most + high, _convolved(chances, chance)
        else:  # No chance in it: all of its rows have the event, or none.
            least, most = (least + held, most + held) if happened else (least, most)
    up = np.minimum(np.cumsum(chances[:, ::-1], axis=1)[:, ::-1], 1.0)
    down = np.minimum(np.cumsum(chances, axis=1), 1.0)
    each, place = np.arange(len(seen)), np.clip(seen, least, most) - least
    possible = chances > 0
    return Tails(up[each, place], down[each, place], np.where(possible, up, 1.0), np.where(possible, down, 1.0))


def _hypergeometric(
    table: NDArray[np.float64], held: NDArray[np.int64], size: int, happened: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """For each candidate the least and the largest count, and the chances of what is between them, shape (c, w).

    `table` has the logarithms of the factorials.
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    share = happened / size
    mean, deviation = held * share, np.sqrt(held * share * (1 - share) * (size - held) / max(size - 1, 1))
    low = np.maximum(np.maximum(0, held + happened - size), np.floor(mean - SPREAD * deviation - SPREAD)).astype(int)
    high = np.minimum(np.minimum(held, happened), np.ceil(mean + SPREAD * deviation + SPREAD)).astype(int)
    count = low[:, None] + np.arange(int((high - low).max(initial=0)) + 1)
    valid = count <= high[:, None]
    count = np.minimum(count, high[:, None])
    held = held[:, None]
    logarithm = (
        table[held] - table[count] - table[held - count]
        + table[size - held] - table[happened - count] - table[size - held - happened + count]
        - (table[size] - table[happened] - table[size - happened])
    )  # fmt: skip
    return low, high, np.where(valid, np.exp(logarithm), 0.0)


def _convolved(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distribution of the sum, row by row."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    long, short = (one, other) if one.shape[1] >= other.shape[1] else (other, one)
    width = long.shape[1]
    total = np.zeros((len(one), width + short.shape[1] - 1))
    for shift in range(short.shape[1]):
        total[:, shift : shift + width] += long * short[:, shift : shift + 1]
    return total
