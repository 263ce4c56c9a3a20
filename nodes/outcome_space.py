"""All outcomes of a negotiation as arrays: who accepts what, and the points that bargaining theory singles out; exact.

A utility is a whole number of units, which each party has its own of: the common denominator of its weighted scores.
Whole numbers that fit are int64, larger ones Python's, so that every comparison and every tie is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from math import lcm, prod
from typing import Any, NamedTuple

Array = Any  # a numpy array; numpy itself is imported where it is used

EXACT_FLOAT = 2**53  # up to here int64 divides into the nearest float
EXACT_INT = 2**62


class Party(NamedTuple):
    """What each value of each issue adds to the utility of a party, and what it has without a deal."""

    name: str
    terms: list[list[Fraction]]
    reservation: Fraction


class Space:
    """The outcomes by number: the last issue changes fastest.

    Attributes:
        count: How many outcomes there are.
        utilities: Party (its row) x outcome, floats for people and distances.
        levels: The same as ranks from 0, for exact comparisons.
        gains: For each party the units above its reservation value.
        accepts: Party x outcome: whether it gets at least its reservation value.
        passing: Outcome: whether `needed` parties and all with a veto accept it.
    """

    def __init__(self, sizes: Sequence[int], parties: Sequence[Party], veto: Sequence[str], needed: int) -> None:
        import numpy as np  # noqa: PLC0415  (0.1 s, and nothing but negotiations needs it)

        self.names = [party.name for party in parties]
        self.sizes, self.parties, self.needed = tuple(sizes), tuple(parties), needed
        self.count = prod(self.sizes)
        self.veto = [row for row, party in enumerate(parties) if party.name in veto]
        self.scales = [_scale(party) for party in parties]
        self.gains = [_gains(np, party, scale) for party, scale in zip(parties, self.scales, strict=True)]
        self.levels: Array = np.stack([_dense(np, gains) for gains in self.gains])
        self.accepts: Array = np.stack([gains >= 0 for gains in self.gains])
        self._ladders: dict[int, tuple[Array, Array]] = {}
        self._orders: dict[int, tuple[Array, Array]] = {}
        own = [int(party.reservation * scale) for party, scale in zip(parties, self.scales, strict=True)]
        self.utilities = np.stack(
            [((g + r) / s).astype(np.float64) for g, r, s in zip(self.gains, own, self.scales, strict=True)]
        )
        self.passing: Array = (self.accepts.sum(axis=0) >= needed) & self.accepts[self.veto].all(axis=0)

    def digits(self, index: int) -> list[int]:
        """The place of each issue's value in an outcome."""
        places = []
        for size in reversed(self.sizes):
            index, place = divmod(index, size)
            places.append(place)
        return places[::-1]

    @cached_property
    def unanimous(self) -> bool:
        """Whether some outcome is accepted by every party."""
        return bool(self.accepts.all(axis=0).any())

    @cached_property
    def deals(self) -> Array:
        """What is bargained over: the outcomes that all parties accept or, where there are none, all that pass.

        With a rule that needs fewer than all, the deals that suit everybody come first: whoever can be satisfied is.
        """
        return (self.accepts.all(axis=0) if self.unanimous else self.passing).nonzero()[0]

    @cached_property
    def spans(self) -> list[int]:
        """For each party its best gain from a deal, in its units; 0 where it can gain nothing."""
        return [max(0, int(gains[self.deals].max())) if len(self.deals) else 0 for gains in self.gains]

    @cached_property
    def rank(self) -> Array:
        """The place of every deal in the order of Nash's solution; no two are the same, and the highest is his point.

        What decides, in this order: how many parties accept; how many gain; the product of the gains of those that do,
        as shares of their best gains (so that no party's scale matters; for all parties this is Nash's product, for
        fewer the maximum Nash welfare of Caragiannis et al. 2019); the smallest share that counts; the sum of shares;
        and the place in the order of outcomes, the first before the others. A deal that is better for one party and
        worse for none always stands higher, so that the highest is Pareto-efficient.
        """
        import numpy as np  # noqa: PLC0415

        deals = self.deals
        gains = [gains[deals] for gains in self.gains]
        factors = [np.where(g > 0, g, max(span, 1)) for g, span in zip(gains, self.spans, strict=True)]
        product = _fitting(np, factors, prod(max(span, 1) for span in self.spans))
        total = product[0]
        for factor in product[1:]:
            total = total * factor
        keys = (
            -deals,
            _dense(np, sum(self._shares[1:], self._shares[0])),
            _dense(np, self.smallest),
            _dense(np, total),
            sum((g > 0).astype(np.int64) for g in gains),
            self.accepts[:, deals].sum(axis=0),
        )
        rank = np.empty(len(deals), dtype=np.int64)
        rank[np.lexsort(keys)] = np.arange(len(deals))
        return rank

    @cached_property
    def smallest(self) -> Array:
        """For every deal the smallest gain that counts, as a share of its party's best, times `unit`.

        All parties count, or as many of the best off as are needed, with those that have a veto.
        """
        return self._counting(self._shares)

    @cached_property
    def unit(self) -> int:
        """What a whole share is in `smallest`: the common multiple of all spans."""
        return lcm(*(span for span in self.spans if span))

    @cached_property
    def nash(self) -> int | None:
        """The deal of the highest rank."""
        return self.best(self.rank) if len(self.deals) else None

    @cached_property
    def kalai_smorodinsky(self) -> int | None:
        """The deal with the largest smallest share."""
        return self.best(self.smallest) if len(self.deals) else None

    @cached_property
    def egalitarian(self) -> int | None:
        """The deal with the largest smallest gain."""
        return self.best(self._counting(self._alike())) if len(self.deals) else None

    @cached_property
    def utilitarian(self) -> int | None:
        """The deal with the largest sum of utilities."""
        alike = self._alike()
        return self.best(sum(alike[1:], alike[0])) if len(self.deals) else None

    @cached_property
    def pareto(self) -> list[int]:
        """The efficient deals: none is better for one party and worse for none."""
        import numpy as np  # noqa: PLC0415

        if not len(self.deals):
            return []
        levels = self.levels[:, self.deals].T
        distinct, kind = np.unique(levels, axis=0, return_inverse=True)
        left = np.argsort(-distinct.sum(axis=1), kind="stable")  # Nothing is bettered by what has a smaller sum.
        efficient = np.zeros(len(distinct), dtype=bool)
        while len(left):
            efficient[left[0]] = True
            left = left[(distinct[left] > distinct[left[0]]).any(axis=1)]
        return [int(index) for index in self.deals[efficient[kind.reshape(-1)]]]

    def is_efficient(self, index: int) -> bool:
        """Whether a deal is Pareto-efficient."""
        levels, own = self.levels[:, self.deals], self.levels[:, [index]]
        return not ((levels >= own).all(axis=0) & (levels > own).any(axis=0)).any()

    def rank_of(self, index: int) -> int:
        """The rank of an outcome; -1 where it is no deal."""
        place = self.place(index)
        return -1 if place is None else int(self.rank[place])

    def ladder(self, row: int) -> tuple[Array, Array]:
        """The deals that a party comes down by, from its best one to the Nash point, and their ranks.

        Each is the best for the party among the deals of a higher rank than the one before; all are Pareto-efficient,
        because what is better for one party and worse for none comes before it and has a higher rank.
        """
        if row not in self._ladders:
            import numpy as np  # noqa: PLC0415

            order = np.lexsort((-self.rank, -self.levels[row][self.deals]))
            ranks = self.rank[order]
            higher = np.append(True, ranks[1:] > np.maximum.accumulate(ranks)[:-1])
            self._ladders[row] = self.deals[order[higher]], ranks[higher]
        return self._ladders[row]

    def order(self, row: int) -> tuple[Array, Array]:
        """The outcomes that a party accepts, best first (what it does not tell apart in its own order), and -levels."""
        if row not in self._orders:
            own = self.accepts[row].nonzero()[0]
            down = -self.levels[row][own]
            order = down.argsort(kind="stable")
            self._orders[row] = own[order], down[order]
        return self._orders[row]

    def place(self, index: int) -> int | None:
        """Where an outcome stands among the deals; None where it is none."""
        place = int(self.deals.searchsorted(index))
        return place if place < len(self.deals) and self.deals[place] == index else None

    def best(self, score: Array) -> int:
        """The deal with the largest score; of several the one of the highest rank."""
        top = (score == score.max()).nonzero()[0]
        return int(self.deals[top[self.rank[top].argmax()]])

    @cached_property
    def _shares(self) -> list[Array]:
        """For each party its gain from every deal, its best gain being `unit`; who can gain nothing has all it can."""
        import numpy as np  # noqa: PLC0415

        gains = [gains[self.deals] for gains in self.gains]
        factors = [self.unit // span if span else 1 for span in self.spans]
        largest = max(f * s for f, s in zip(factors, self.scales, strict=True))
        gains = _fitting(np, gains, max(largest, self.unit) * len(gains))
        return [
            g * factor if span else np.where(g >= 0, self.unit, g)
            for g, factor, span in zip(gains, factors, self.spans, strict=True)
        ]

    def _alike(self) -> list[Array]:
        """For each party its gain from every deal, in units that are the same for all."""
        import numpy as np  # noqa: PLC0415

        common = lcm(*self.scales)
        gains = _fitting(np, [gains[self.deals] for gains in self.gains], common * len(self.gains))
        return [g * (common // scale) for g, scale in zip(gains, self.scales, strict=True)]

    def _counting(self, rows: list[Array]) -> Array:
        """The smallest of the rows that count; at least 0 exactly for the deals that pass."""
        import numpy as np  # noqa: PLC0415

        if self.unanimous:
            return np.minimum.reduce(rows)
        least = [rows[row] for row in self.veto]
        others = [values for row, values in enumerate(rows) if row not in self.veto]
        more = self.needed - len(self.veto)
        if more > 0:
            least.append(np.sort(np.stack(others), axis=0)[-more])
        return np.minimum.reduce(least)


def _scale(party: Party) -> int:
    """The units in a utility of 1: with them every term and the reservation value is a whole number."""
    return lcm(party.reservation.denominator, *(term.denominator for terms in party.terms for term in terms))


def _gains(np: Any, party: Party, scale: int) -> Array:
    kind = np.int64 if scale < EXACT_FLOAT else object
    units = np.array([-int(party.reservation * scale)], dtype=kind)
    for terms in party.terms:
        more = np.array([int(term * scale) for term in terms], dtype=kind)
        units = (units[:, None] + more[None, :]).reshape(-1)
    return units


def _dense(np: Any, values: Array) -> Array:
    """Ranks from 0, the same for the same value."""
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def _fitting(np: Any, rows: list[Array], largest: int) -> list[Array]:
    """The rows in numbers that hold the largest one exactly."""
    return rows if largest < EXACT_INT else [row.astype(object) for row in rows]
