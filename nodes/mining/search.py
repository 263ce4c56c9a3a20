"""The search for patterns: one condition, then two, each next one with those before it held fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .exact import Tails, exact_tails
from .features import Condition

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DROPPED = 0.01  # p above which a pattern is dropped again once all others are known
LEAK = 0.95  # correlation with the event from which a condition is the event itself under another name
IDLE = 0.2  # p above which a condition adds nothing to a pair with it; at .05 a fifth of true single ones are lost
SAME = 0.8  # correlation from which two conditions cannot be told apart

Key = tuple[int, int]  # the columns of two conditions; the same one twice is a single condition


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the rate of false reports each part of the search may take: one condition or two, more or less."""

    one_more: float
    one_less: float
    two_more: float = 0.0
    two_less: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """A pattern: its columns, whether the event is more frequent there, the test's p and q, whether it is a leak."""

    key: Key
    more: bool
    p: float
    q: float
    leak: bool


@dataclass(frozen=True, slots=True)
class Log:
    """What is searched: where each condition holds (n, c), the event (n,), the strata to compare within (n,)."""

    columns: NDArray[np.bool_]
    names: Sequence[Condition]
    event: NDArray[np.bool_]
    strata: NDArray[np.int64]

    def holds(self, key: Key) -> NDArray[np.bool_]:
        """Where a pattern's conditions hold."""
        return self.columns[:, key[0]] & self.columns[:, key[1]]


def search(log: Log, shares: Shares, *, rate: float, least: int) -> list[Found]:
    """Return the patterns in the order in which they were found.

    In each round all single conditions are tested, with what was found before held fixed; the one with the least q is
    taken. When there is none, all pairs of conditions are tested in the same way. In the end what the others explain
    is dropped, the weakest first.

    Args:
        log: The experiences.
        shares: Of the rate, for each part of the search.
        rate: The share of logs without any pattern for which something may be reported.
        least: The number of experiences in which a pattern holds, and of those in which it does not.
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    together = _products(log.columns)
    enough = (together >= least) & (together <= len(log.event) - least)
    one = np.column_stack([np.nonzero(enough.diagonal())[0]] * 2)
    two = np.argwhere(np.triu(enough & _narrower(together, len(log.event)) & _apart(log.names), 1))
    if not shares.two_more and not shares.two_less:
        two = two[:0]
    found: list[Found] = []
    while True:
        best = _best(log, one, found, shares.one_more, shares.one_less)
        if best is None or best.q > rate:
            known = len(found) + 1
            best = _best(log, two, found, shares.two_more * known, shares.two_less * known)
        if best is None or best.q > rate:
            return _without_idle(log, found)
        found.append(_narrowed(log, best, found, two))


def given(found: Sequence[Found], own: Found) -> list[Key]:
    """What is held fixed where a pattern is judged: all others but leaks, and for a leak nothing."""
    return [] if own.leak else [other.key for other in found if other.key != own.key and not other.leak]


def cells(log: Log, fixed: Sequence[Key]) -> NDArray[np.int64]:
    """The stratum of each experience, numbered from 0, with some patterns held fixed."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    cell = log.strata
    for key in fixed:
        cell = np.unique(2 * cell + log.holds(key), return_inverse=True)[1]
    return np.unique(cell, return_inverse=True)[1]


def correlations(log: Log, keys: NDArray[np.int64], other: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of patterns, an array of shape (c, 2), with something else; 0 where one of both does not vary."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    first, second = keys.T
    size, marked = len(other), int(other.sum())
    holds, both = _products(log.columns)[first, second], _products(log.columns[other])[first, second]
    spread = np.sqrt(1.0 * holds * (size - holds) * marked * (size - marked))
    return np.where(spread > 0, (size * both - holds * marked) / np.maximum(spread, 1.0), 0.0)


def tails_of(log: Log, keys: NDArray[np.int64], fixed: Sequence[Key]) -> Tails:
    """Test patterns, an array of shape (c, 2), with others held fixed."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    cell = cells(log, fixed)
    first, second = keys.T
    holds = np.array([_products(log.columns[cell == one])[first, second] for one in range(cell.max(initial=-1) + 1)])
    seen = _products(log.columns[log.event])[first, second]
    return exact_tails(holds, np.bincount(cell), np.bincount(cell[log.event], minlength=len(holds)), seen)


def _best(log: Log, keys: NDArray[np.int64], found: Sequence[Found], more: float, less: float) -> Found | None:
    """The candidate with the least q; of equal ones the first, and they are in the order of their names.

    q is the number of candidates that would reach its p by chance, over the share of its part.
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    keys = _free(log, keys, found)
    if not len(keys):
        return None
    tails = tails_of(log, keys, [one.key for one in found if not one.leak])
    best: Found | None = None
    for is_more, p, share in ((True, tails.more, more), (False, tails.less, less)):
        if share:
            place = int(np.argmin(p))
            key = (int(keys[place][0]), int(keys[place][1]))
            q = min(1.0, tails.expected(float(p[place]), more=is_more) / share)
            if best is None or q < best.q:
                leak = abs(correlations(log, keys[[place]], log.event)[0]) >= LEAK
                best = Found(key, is_more, float(p[place]), q, bool(leak))
    return best


def _narrowed(log: Log, own: Found, found: Sequence[Found], two: NDArray[np.int64]) -> Found:
    """A pair instead of a single condition that only the pair makes seem to matter.

    The pair has to be the likelier by more than the choice among all pairs with this condition can do, and to leave
    nothing for the condition to explain.
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    pairs = _free(log, two[(two == own.key[0]).any(axis=1)], found)
    if own.key[0] != own.key[1] or own.leak or not len(pairs):
        return own
    fixed = [one.key for one in found if not one.leak]
    tails = tails_of(log, pairs, fixed)
    p = tails.more if own.more else tails.less
    place = int(np.argmin(p))
    pair = Found((int(pairs[place][0]), int(pairs[place][1])), own.more, float(p[place]), own.q, False)
    left = tails_of(log, np.array([own.key]), [*fixed, pair.key])
    idle = float((left.more if own.more else left.less)[0]) > IDLE
    return pair if idle and pair.p * len(pairs) < own.p else own


def _free(log: Log, keys: NDArray[np.int64], found: Sequence[Found]) -> NDArray[np.int64]:
    """The candidates that are not found yet, and are neither made from a leak nor (nearly) the same as one."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    for one in found:
        same = (keys == one.key).all(axis=1)
        if one.leak:
            same |= np.isin(keys, one.key).any(axis=1) | (np.abs(correlations(log, keys, log.holds(one.key))) >= SAME)
        keys = keys[~same]
    return keys


def _without_idle(log: Log, found: list[Found]) -> list[Found]:
    """Drop what the others explain, the weakest first, and put the p with all others held fixed."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    while True:
        judged = []
        for own in found:
            tails = tails_of(log, np.array([own.key]), given(found, own))
            p = float((tails.more if own.more else tails.less)[0])
            judged.append(Found(own.key, own.more, p, own.q, own.leak))
        weakest = max(judged, key=lambda one: one.p, default=None)
        if weakest is None or weakest.p <= DROPPED:
            return judged
        found = [one for one in judged if one is not weakest]


def _products(columns: NDArray[np.bool_]) -> NDArray[np.int64]:
    """In how many experiences each two conditions hold together, shape (c, c)."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    # Floats are exact here and ten times as quick as integers; `@` would wake a thread on every core for it.
    numbers: NDArray[np.float64] = columns.astype(np.float32 if len(columns) < 2**24 else np.float64)
    products: NDArray[np.float64] = np.einsum("ni,nj->ij", numbers, numbers)
    return np.rint(products).astype(np.int64)


def _narrower(together: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Which two conditions are, together, something else than the rarer of them, shape (c, c)."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    rarer = np.minimum(together.diagonal(), together.diagonal()[:, None])
    # The square of their correlation is together (size - rarer) / (rarer (size - together)).
    narrower: NDArray[np.bool_] = together * (size - rarer) < SAME**2 * rarer * (size - together)
    return narrower


def _apart(names: Sequence[Condition]) -> NDArray[np.bool_]:
    """Which two conditions are on different features, shape (c, c)."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    features = {name: number for number, name in enumerate(sorted({name for name, _ in names}))}
    numbers = np.array([features[name] for name, _ in names], np.int64)
    apart: NDArray[np.bool_] = numbers[:, None] != numbers
    return apart
