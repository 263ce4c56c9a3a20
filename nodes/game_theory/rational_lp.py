"""Linear programs solved exactly: security levels, bargaining points, core and nucleolus all come from here.

Floats cannot tell a core that is a single point from an empty one. The programs of this package have few rows (one per
player or action) and at most a few thousand columns, so an exact tableau is quick enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Literal

Exact = int | Fraction
Row = tuple[Sequence[Exact], Literal["<=", "=", ">="], Exact]  # coefficients, sense, bound


@dataclass(frozen=True, slots=True)
class Optimum:
    """An optimal solution, and what all optimal solutions have in common (complementary slackness).

    Attributes:
        value: The largest value.
        x: A solution that has it, a corner.
        duals: For each row how much the value grows with its bound; where it is not 0, every optimal solution satisfies
            the row with equality. Solutions that do, and leave out what `costs`, are optimal.
        costs: For each variable how much the value falls with it; where it is not 0, the variable is 0 in every one.
    """

    value: Fraction
    x: tuple[Fraction, ...]
    duals: tuple[Fraction, ...]
    costs: tuple[Fraction, ...]


def maximise(objective: Sequence[Exact], rows: Sequence[Row]) -> Optimum | None:
    """Maximise `objective` times x over all x >= 0 that satisfy the rows.

    The two-phase simplex method on a tableau of whole numbers with one common denominator (Edmonds 1967, Bareiss 1968).

    Args:
        objective: A coefficient per variable.
        rows: Constraints: a coefficient per variable, the sense, and the bound.

    Returns:
        The value, a basic optimal solution and the dual values; None when nothing satisfies the rows.

    Raises:
        ArithmeticError: The objective grows without bound.

    Example:
        >>> best = maximise([3, 2], [([1, 1], "<=", 4), ([1, 3], "<=", 9), ([1, 0], "<=", 3)])
        >>> best.value, best.x == (3, 1), best.duals == (2, 0, 1)
        (Fraction(11, 1), True, True)
    """
    tableau = _Tableau(objective, rows)
    if tableau.artificial:
        tableau.improve(1)
        if tableau.goals[1][-1]:
            return None
        tableau.drop_artificials()
    tableau.improve(0)
    return tableau.optimum()


class _Tableau:
    """Rows and goals are lists of ints; their true values are these divided by `denominator`, the last pivot.

    Columns: the variables, a slack for each inequality, an artificial for each row that no slack can start, the bounds.
    A goal is an objective with the basic variables eliminated: `goals[0]` the given one, `goals[1]` minus the sum of
    the artificials. Its entries are minus the reduced profits; a negative one promises an improvement.
    """

    def __init__(self, objective: Sequence[Exact], rows: Sequence[Row]) -> None:
        scales = [lcm(*(number.denominator for number in (*row, bound))) for row, _, bound in rows]
        # A basic solution needs bounds >= 0; a bound of 0 is turned so that a slack can start the row.
        self.flips = [-1 if bound < 0 or (bound == 0 and sense == ">=") else 1 for _, sense, bound in rows]
        self.scales = [scale * flip for scale, flip in zip(scales, self.flips, strict=True)]
        self.goal_scale = lcm(*(number.denominator for number in objective))
        self.variables, self.denominator = len(objective), 1
        inequalities = [at for at, (_, sense, _) in enumerate(rows) if sense != "="]
        starts = {at for at in inequalities if (rows[at][1] == "<=") == (self.flips[at] > 0)}
        started_late = [at for at in range(len(rows)) if at not in starts]
        slack = {at: self.variables + number for number, at in enumerate(inequalities)}
        self.width = self.variables + len(inequalities)  # Artificials stand behind and never enter again.
        self.artificial = {at: self.width + number for number, at in enumerate(started_late)}
        columns = self.width + len(started_late)
        self.rows: list[list[int]] = []
        for at, (row, _, bound) in enumerate(rows):
            line = [int(number * self.scales[at]) for number in row] + [0] * (columns - self.variables)
            if at in slack:
                line[slack[at]] = 1 if at in starts else -1
            if at in self.artificial:
                line[self.artificial[at]] = 1
            self.rows.append([*line, int(bound * self.scales[at])])
        self.basis = [slack[at] if at in starts else self.artificial[at] for at in range(len(rows))]
        self.start = tuple(self.basis)
        goal = [-int(number * self.goal_scale) for number in objective] + [0] * (columns - self.variables + 1)
        first = [-sum(column) for column in zip(*(self.rows[at] for at in started_late), strict=True)]
        for column in self.artificial.values():
            first[column] = 0
        self.goals = [goal, first] if started_late else [goal]

    def improve(self, phase: int) -> None:
        """Pivot until no column promises more; the most promising one enters (Dantzig 1951).

        Ties for the leaving row are broken lexicographically, so that it cannot cycle. (Bland's rule took 10 times as
        many pivots on zones of agreement, where most bounds are 0.)
        """
        order = [-1, *self.basis]
        while True:
            goal = self.goals[phase]
            column = min(range(self.width), key=goal.__getitem__)
            if goal[column] >= 0:
                return
            leaving = [at for at, row in enumerate(self.rows) if row[column] > 0]
            if not leaving:
                raise ArithmeticError("The linear program is unbounded.")
            for key in order:
                if len(leaving) > 1:
                    ratios = [Fraction(self.rows[at][key], self.rows[at][column]) for at in leaving]
                    least = min(ratios)
                    leaving = [at for at, ratio in zip(leaving, ratios, strict=True) if ratio == least]
            self.pivot(leaving[0], column)

    def pivot(self, at: int, column: int) -> None:
        """Bring a column into the basis. All divisions leave no remainder: the entries are determinants."""
        pivot_row, last = self.rows[at], self.denominator
        pivot = pivot_row[column]
        for lines in (self.rows, self.goals):
            for number, line in enumerate(lines):
                if line is pivot_row:
                    continue
                factor = line[column]
                if factor:
                    lines[number] = [(a * pivot - factor * b) // last for a, b in zip(line, pivot_row, strict=True)]
                elif pivot != last:
                    lines[number] = [a * pivot // last for a in line]
        self.denominator, self.basis[at] = pivot, column

    def drop_artificials(self) -> None:
        """Take the artificials, which are all 0 now, out of the basis.

        In a row that says nothing new one stays: no column is left in it that could change its value.
        """
        del self.goals[1]
        for at, row in enumerate(self.rows):
            column = next((column for column in range(self.width) if row[column]), None)
            if self.basis[at] >= self.width and column is not None:
                if row[column] < 0:
                    self.rows[at] = [-number for number in row]
                self.pivot(at, column)

    def optimum(self) -> Optimum:
        x = [Fraction(0)] * self.variables
        for row, column in zip(self.rows, self.basis, strict=True):
            if column < self.variables:
                x[column] = Fraction(row[-1], self.denominator)
        goal, below = self.goals[0], self.denominator * self.goal_scale
        duals = (Fraction(goal[at] * scale, below) for at, scale in zip(self.start, self.scales, strict=True))
        costs = tuple(Fraction(cost, below) for cost in goal[: self.variables])
        return Optimum(Fraction(goal[-1], below), tuple(x), tuple(duals), costs)
