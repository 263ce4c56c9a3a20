"""All equilibria of two players: the vertices of both best-response polytopes, matched by their labels; exact.

Avis, Rosenberg, Savani and von Stengel (2010), Enumeration of Nash equilibria for two-player games, Economic Theory 42.

With positive payoffs A and B, a mixed action x of the row player is, up to its scale, a point of P = {x >= 0, xB <= 1},
and y of the column player one of Q = {y >= 0, Ay <= 1}. A point has the label of every inequality that is tight: an own
action that is not played, or an action of the other that is a best reply. (x, y) is an equilibrium when each label is
had by one of them, and the extreme equilibria are pairs of vertices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

Vector = tuple[Fraction, ...]


class Vertices(NamedTuple):
    """Vertices of a best-response polytope: labels as a bit mask -> the vertex, scaled to integers."""

    found: dict[int, tuple[int, ...]]
    complete: bool
    visited: int


class Extreme(NamedTuple):
    """Extreme equilibria: `xs[i]` and `ys[j]` are one where bit j of `partners[i]` is set."""

    xs: list[Vector]
    ys: list[Vector]
    partners: list[int]
    complete: bool


def extreme_equilibria(rows: Sequence[Fraction], columns: Sequence[Fraction], m: int, n: int, limit: int) -> Extreme:
    """Enumerate the extreme equilibria of an m x n game.

    Args:
        rows: The row player's payoffs, flat: that of action i against j at i * n + j.
        columns: The column player's payoffs, in the same order.
        m: How many actions the row player has.
        n: How many actions the column player has.
        limit: How many vertices of the two polytopes may be visited; each takes two pivots.

    Returns:
        The equilibria, sorted; not complete when the limit did not suffice. Those that were found are equilibria.

    Example:
        >>> stag_hunt = extreme_equilibria([4, 0, 3, 3], [4, 3, 0, 3], 2, 2, 100)
        >>> [tuple(map(str, x)) for x in stag_hunt.xs], stag_hunt.partners
        ([('0', '1'), ('3/4', '1/4'), ('1', '0')], [1, 2, 4])
    """
    p, q = tableaus(rows, columns, m, n)
    first = vertices(p, -(-limit // 2))
    second = vertices(q, limit - first.visited)
    xs = _normalised(first.found, range(m))
    ys = _normalised(second.found, range(m, m + n))
    having = [0] * (m + n)  # label -> bit set of the ys that have it
    for at, (_, labels) in enumerate(ys):
        for label in _bits(labels):
            having[label] |= 1 << at
    everything = (1 << (m + n)) - 1
    matched = []
    for x, labels in xs:
        partners = (1 << len(ys)) - 1
        for label in _bits(everything & ~labels):
            partners &= having[label]
        if partners:
            matched.append((x, partners))
    return Extreme(
        [x for x, _ in matched],
        [y for y, _ in ys],
        [partners for _, partners in matched],
        first.complete and second.complete,
    )


def lemke_howson(
    rows: Sequence[Fraction], columns: Sequence[Fraction], m: int, n: int, pivots: int
) -> tuple[Vector, Vector] | None:
    """Find one equilibrium on the path that drops the label 0; None when `pivots` do not suffice.

    Lemke and Howson (1964), Equilibrium points of bimatrix games; lexicographic, so that ties cannot make it cycle.

    Example:
        >>> x, y = lemke_howson([1, -1, -1, 1], [-1, 1, 1, -1], 2, 2, 100)
        >>> [str(share) for share in x + y]
        ['1/2', '1/2', '1/2', '1/2']
    """
    p, q = tableaus(rows, columns, m, n)
    label, here, there = 0, p, q
    for _ in range(pivots):
        column = here.nonbasic.index(label)
        row = here.leaving(column)
        label = here.basic[row]
        here.pivot(row, column)
        if label == 0:
            return _shares(p.point(range(m))), _shares(q.point(range(m, m + n)))
        here, there = there, here
    return None


def vertices(tableau: Tableau, limit: int) -> Vertices:
    """Visit the vertices of a polytope from the origin, depth first along its edges.

    The lexicographic rule makes the polytope simple: however degenerate it is, no more bases are visited than a simple
    polytope of its size has vertices, and each vertex has one of them. A pivot undoes itself, so the way back needs no
    memory. With 8 x 8 there are at most 660, and about 250 in a random game.

    Args:
        tableau: At the origin, where it is again afterwards.
        limit: How many bases may be visited.
    """
    here = tableau.key()
    seen, path, column, complete = {here}, [], 0, True
    found = dict([tableau.vertex()])
    while True:
        if column < len(tableau.nonbasic):
            row = tableau.leaving(column)
            there = here ^ 1 << tableau.nonbasic[column] ^ 1 << tableau.basic[row]
            if there in seen:
                column += 1
            elif len(seen) >= limit:
                complete, column = False, len(tableau.nonbasic)
            else:
                seen.add(there)
                path.append((row, column, here))
                tableau.pivot(row, column)
                labels, point = tableau.vertex()
                found[labels] = point
                here, column = there, 0
        elif path:
            row, column, here = path.pop()
            tableau.pivot(row, column)
            column += 1
        else:
            return Vertices(found, complete, len(seen))


class Tableau:
    """The inequalities of a polytope, solved for the basic variables: integers over one common denominator, `det`.

    Row i says: det * basic[i] + sum of rows[i][c] * nonbasic[c] = rows[i][-1]. A variable is called by its label.
    Pivots are free of fractions (Bareiss 1968): every division has no remainder.
    """

    __slots__ = ("basic", "decisions", "det", "nonbasic", "rows", "slacks")

    def __init__(self, matrix: Iterable[Sequence[int]], decisions: Sequence[int], slacks: Sequence[int]) -> None:
        self.rows = [[*row, 1] for row in matrix]
        self.decisions, self.slacks = decisions, slacks
        self.basic, self.nonbasic = list(slacks), list(decisions)
        self.det = 1

    def pivot(self, row: int, column: int) -> None:
        """Let the variable of the column into the basis and that of the row out of it."""
        rows, pivot_row, det = self.rows, self.rows[row], self.det
        pivot = pivot_row[column]
        for at, other in enumerate(rows):
            if at != row:
                factor = other[column]
                if factor:
                    other = [(pivot * a - factor * b) // det for a, b in zip(other, pivot_row, strict=True)]
                    other[column] = -factor
                elif pivot != det:
                    other = [pivot * a // det for a in other]
                rows[at] = other
        pivot_row[column] = det
        self.det = pivot
        self.basic[row], self.nonbasic[column] = self.nonbasic[column], self.basic[row]

    def leaving(self, column: int) -> int:
        """The row that limits how far the variable of the column can grow; of several, the lexicographic rule's."""
        best: list[int] = []
        least, scale = 0, 1
        for at, row in enumerate(self.rows):
            entry = row[column]
            if entry > 0:
                difference = row[-1] * scale - least * entry if best else -1
                if difference < 0:
                    best, least, scale = [at], row[-1], entry
                elif difference == 0:
                    best.append(at)
        return best[0] if len(best) == 1 else self._first(best, column)

    def _first(self, tied: list[int], column: int) -> int:
        """As if the right side of inequality k were 1 + e**k for a tiny e: compare the coefficients of e, e**2, ..."""
        for slack in self.slacks:
            place = self.nonbasic.index(slack) if slack in self.nonbasic else -1
            ratios = []
            for at in tied:
                coefficient = self.rows[at][place] if place >= 0 else self.det * (self.basic[at] == slack)
                ratios.append(Fraction(coefficient, self.rows[at][column]))
            tied = [at for at, ratio in zip(tied, ratios, strict=True) if ratio == min(ratios)]
            if len(tied) == 1:
                break
        return tied[0]

    def key(self) -> int:
        """The basis, as a bit mask of the variables outside it."""
        return sum(1 << label for label in self.nonbasic)

    def vertex(self) -> tuple[int, tuple[int, ...]]:
        """The labels of the vertex (its variables that are 0) as a bit mask, and the vertex, up to its scale."""
        labels = self.key()
        for label, row in zip(self.basic, self.rows, strict=True):
            if row[-1] == 0:
                labels |= 1 << label
        return labels, self.point(self.decisions)

    def point(self, variables: Iterable[int]) -> tuple[int, ...]:
        """The values of variables, times `det`."""
        values = {label: row[-1] for label, row in zip(self.basic, self.rows, strict=True)}
        return tuple(values.get(label, 0) for label in variables)


def tableaus(rows: Sequence[Fraction], columns: Sequence[Fraction], m: int, n: int) -> tuple[Tableau, Tableau]:
    """The polytopes of the row player's and of the column player's mixed actions, both at the origin."""
    a, b = _positive(rows), _positive(columns)
    first, second = range(m), range(m, m + n)
    p = Tableau([[b[i * n + j] for i in range(m)] for j in range(n)], first, second)
    q = Tableau([a[i * n : i * n + n] for i in range(m)], second, first)
    return p, q


def _positive(payoffs: Sequence[Fraction]) -> list[int]:
    """The same preferences in the smallest integers from 1 up."""
    scale, least = lcm(*(payoff.denominator for payoff in payoffs)), min(payoffs)
    whole = [int((payoff - least) * scale) for payoff in payoffs]
    divisor = gcd(*whole) or 1
    return [payoff // divisor + 1 for payoff in whole]


def _normalised(found: dict[int, tuple[int, ...]], own: range) -> list[tuple[Vector, int]]:
    """Vertices as probabilities, sorted, with their labels; the origin, where nothing is played, is none."""
    return sorted((_shares(point), labels) for labels, point in found.items() if any(point))


def _shares(point: Sequence[int]) -> Vector:
    total = sum(point)
    return tuple(Fraction(number, total) for number in point)


def _bits(mask: int) -> Iterable[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
