"""The corners of a bounded set that linear inequalities describe, by trying all ways to make enough of them tight."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

Row = Sequence[Fraction]  # c, a1, a2, ...: c + a1 * z1 + a2 * z2 + ... >= 0


def corners(rows: Sequence[Row]) -> list[tuple[Fraction, ...]]:
    """Corners of {z: all rows are at least 0}, sorted; few variables and a dozen rows are what it is made for.

    Example:
        >>> triangle = corners([[Fraction(a) for a in row] for row in ([0, 1, 0], [0, 0, 1], [1, -1, -2], [5, 0, 0])])
        >>> [tuple(map(str, corner)) for corner in triangle]
        [('0', '0'), ('0', '1/2'), ('1', '0')]
    """
    if any(row[0] < 0 for row in rows if not any(row[1:])):
        return []
    limits = [row for row in rows if any(row[1:])]
    found = set()
    for tight in combinations(limits, len(rows[0]) - 1):
        corner = solved([[*row[1:], -row[0]] for row in tight])
        if corner and all(value(row, corner) >= 0 for row in limits):
            found.add(corner)
    return sorted(found)


def value(row: Row, z: Sequence[Fraction]) -> Fraction:
    """What a row is at z."""
    return sum((a * b for a, b in zip(row[1:], z, strict=True)), row[0])


def solved(rows: Sequence[Row]) -> tuple[Fraction, ...] | None:
    """The solution of a square system, its right side in the last column; None when there is not exactly one."""
    rows = [list(row) for row in rows]
    for column in range(len(rows)):
        pivot = next((at for at in range(column, len(rows)) if rows[at][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [number / rows[column][column] for number in rows[column]]
        for at, row in enumerate(rows):
            if at != column and row[column]:
                rows[at] = [a - row[column] * b for a, b in zip(row, rows[column], strict=True)]
    return tuple(row[-1] for row in rows)
