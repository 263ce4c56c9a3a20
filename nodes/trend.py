"""Trends: whether outcomes, or times, have changed, since when, and how they are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import median
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .mining.effects import wilson
from .mining.features import plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 50  # outcomes since the last change that the recent ones are compared with, at least
MARGIN = 5  # outcomes between a change and the ends of what is looked at
BLOCK = 4096  # places that are tested at once

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of level.

    Attributes:
        at: The place of the first outcome after it.
        before: The level between the change before it, or the beginning, and this one: a share, or a median.
        after: The level from there to the next change, or the end.
        before_interval: Low and high of `before`, 95 %.
        after_interval: Of `after`.
        p: Of the two-sided test that found it.
        noticed: The place of the outcome at which it was noticed.
    """

    at: int
    before: float
    after: float
    before_interval: Interval
    after_interval: Interval
    p: float
    noticed: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "at": self.at,
            "before": self.before,
            "after": self.after,
            "before_interval": list(self.before_interval),
            "after_interval": list(self.after_interval),
            "p": self.p,
            "noticed": self.noticed,
        }


@dataclass(frozen=True, slots=True)
class Trend:
    """The changes, oldest first, and the level since the last one with its 95 % interval; None without outcomes."""

    changes: list[Change]
    now: float | None
    interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        interval = None if self.interval is None else list(self.interval)
        return {"changes": [change.to_dict() for change in self.changes], "now": self.now, "interval": interval}


def trend(outcomes: Sequence[bool | float | None], *, recent: int = 50, before: int = 200, p: float = 0.0007) -> Trend:
    """Find the changes in a series of outcomes (success or not) or of numbers (seconds, tokens).

    After every outcome the last 50 are compared with up to 200 before them, by Fisher's exact test; for numbers it is
    asked how many are above the median of both together (Mood 1950), so that single large ones do not matter. Once
    there is a difference the place is looked for that divides these outcomes best (most likely two levels), and
    everything begins anew behind it.

    In 1,000 outcomes of which 0.7 succeed there is a false alarm in 0.06 of the cases; a fall from 0.75 to 0.45 is
    noticed within 100 outcomes in 0.91 of them, in the middle after 42 (1,200 streams each; 40 outcomes and a p of
    0.001 give 0.09 and 0.91).

    Args:
        outcomes: The oldest first. None is unknown and left out.
        recent: How many are recent.
        before: With how many before them they are compared, at most.
        p: The two-sided p below which it is a change.

    Returns:
        The changes and the present level.

    Raises:
        ConfigError: An argument makes no sense.

    Example:
        >>> [change] = trend([i % 4 > 0 for i in range(200)] + [i % 4 == 0 for i in range(100)]).changes
        >>> change.at, round(change.before, 2), round(change.after, 2), change.noticed
        (201, 0.75, 0.24, 229)
    """
    _check(recent, before, p)
    places = [place for place, value in enumerate(outcomes) if plain(value) is not None]
    values = [plain(outcomes[place]) for place in places]
    _check_values(values)
    starts, found, start = [0], [], 0
    while (noticed := _noticed(values, start, recent, before, p)) is not None:
        end, chance = noticed
        start = _split(values[max(start, end - recent - before) : end]) + max(start, end - recent - before)
        starts.append(start)
        found.append((places[start], places[end - 1], chance))
    levels = [_level(values[one:other]) for one, other in pairwise([*starts, len(values)])] if values else []
    changes = [
        Change(at, old[0], new[0], old[1], new[1], chance, end)
        for (at, end, chance), (old, new) in zip(found, pairwise(levels), strict=True)
    ]
    return Trend(changes, *(levels[-1] if levels else (None, None)))


def _noticed(values: list[Any], start: int, recent: int, before: int, p: float) -> tuple[int, float] | None:
    """Behind which outcome the first change since `start` is noticed, and its p."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    for first in range(start + recent + LEAST, len(values) + 1, BLOCK):
        ends = np.arange(first, min(first + BLOCK, len(values) + 1))
        lows = np.maximum(start, ends - recent - before)
        tails = _tails(*_counts(values, lows, ends, recent), ends - lows, recent)
        below = np.nonzero(tails < p)[0]
        if len(below):
            return int(ends[below[0]]), float(tails[below[0]])
    return None


def _counts(
    values: list[Any], lows: NDArray[np.int64], ends: NDArray[np.int64], recent: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many are good, or above the median, among the recent ones and among all of each window."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    if isinstance(values[0], bool):
        total = np.concatenate([[0], np.cumsum(values)])
        return total[ends] - total[ends - recent], total[ends] - total[lows]
    numbers, counts = np.array(values, float), []
    for low, end in zip(lows, ends, strict=True):
        above = _above(numbers[low:end])
        counts.append((above[-recent:].sum(), above.sum()))
    return np.array([one for one, _ in counts]), np.array([other for _, other in counts])


def _tails(
    seen: NDArray[np.int64], events: NDArray[np.int64], sizes: NDArray[np.int64], recent: int
) -> NDArray[np.float64]:
    """Twice the smaller tail of the hypergeometric distribution of the number of events among the recent ones."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    table = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, int(sizes.max()) + 1)))])
    count, events, sizes = np.arange(recent + 1)[None, :], events[:, None], sizes[:, None]
    valid = (count <= events) & (events - count <= sizes - recent)
    inside = np.clip(count, np.maximum(0, events - sizes + recent), np.minimum(events, recent))
    logarithm = (
        table[events] - table[inside] - table[events - inside]
        + table[sizes - events] - table[recent - inside] - table[sizes - events - recent + inside]
        - (table[sizes] - table[recent] - table[sizes - recent])
    )  # fmt: skip
    chances = np.where(valid, np.exp(logarithm), 0.0)
    own = np.arange(len(seen))
    down, up = np.cumsum(chances, axis=1)[own, seen], np.cumsum(chances[:, ::-1], axis=1)[own, recent - seen]
    both: NDArray[np.float64] = np.minimum(1.0, 2 * np.minimum(down, up))
    return both


def _split(window: list[Any]) -> int:
    """Where a window falls into the two most likely levels; for numbers of above and below the median."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    numbers = np.array(window, float)
    good = numbers > 0 if isinstance(window[0], bool) else _above(numbers)
    place = np.arange(MARGIN, len(good) - MARGIN + 1)
    first, total = np.cumsum(good.astype(np.int64))[place - 1], int(good.sum())
    likely = _likelihood(first, place) + _likelihood(total - first, len(good) - place)
    return int(place[np.argmax(likely)])


def _above(numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which numbers are above the median; where none is, for example of many 1 and few 0, which reach it."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    middle = np.median(numbers)
    return np.asarray(numbers > middle if (numbers > middle).any() else numbers >= middle)


def _likelihood(events: NDArray[np.int64], cases: NDArray[np.int64]) -> NDArray[np.float64]:
    """The logarithm of the likelihood of some events at the share that they have."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    share = np.clip(events / cases, 1e-12, 1 - 1e-12)
    return np.asarray(events * np.log(share) + (cases - events) * np.log(1 - share))


def _level(values: list[Any]) -> tuple[float, Interval]:
    """A share with Wilson's interval, or a median with one from the ranks (Conover 1999)."""
    if isinstance(values[0], bool):
        return sum(values) / len(values), wilson(sum(values), len(values))
    ranked = sorted(map(float, values))
    rank = max(int(len(ranked) / 2 - 0.98 * sqrt(len(ranked))), 1)
    return median(ranked), (ranked[rank - 1], ranked[-rank])


def _check(recent: int, before: int, p: float) -> None:
    for name, value, least in (("recent", recent, 2 * MARGIN), ("before", before, LEAST)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name} was {value!r}; give a whole number of at least {least}.")
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 < p < 1:
        raise ConfigError(f"p was {p!r}; give a number between 0 and 1, such as 0.0007.")


def _check_values(values: list[Any]) -> None:
    for value in values:
        if not isinstance(value, bool | int | float):
            raise ConfigError(f"An outcome was {value!r}; give True, False, a number, or None when unknown.")
    if len({isinstance(value, bool) for value in values}) > 1:
        raise ConfigError("The outcomes were numbers and booleans; give either, not both.")
