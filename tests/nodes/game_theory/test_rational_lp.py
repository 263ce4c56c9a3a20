"""Exact linear programs: examples by hand, and the proof of optimality that every answer carries."""

import random
from fractions import Fraction

import pytest

from langgraph_agora.nodes.game_theory.rational_lp import maximise


def dot(a, b):
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def random_program(rng):
    n, m = rng.randint(1, 6), rng.randint(1, 6)
    objective = [Fraction(rng.randint(-4, 4), rng.randint(1, 3)) for _ in range(n)]
    rows = [
        (
            [Fraction(rng.randint(-3, 4), rng.choice([1, 1, 2])) for _ in range(n)],
            rng.choice(["<=", "<=", "=", ">="]),
            Fraction(rng.randint(-3, 6), rng.choice([1, 2])),
        )
        for _ in range(m)
    ]
    return objective, rows + rows[: rng.random() < 0.3]  # Now and then a row that says nothing new.


def holds(row, x):
    coefficients, sense, bound = row
    left = dot(coefficients, x)
    return left <= bound if sense == "<=" else left >= bound if sense == ">=" else left == bound


def test_a_thousand_random_programs_are_optimal_infeasible_or_unbounded_as_highs_says():
    """Optimal is proved by duality: feasible dual values with the same objective; HiGHS agrees on the rest."""
    from scipy.optimize import linprog

    rng, outcomes = random.Random(1), {"optimal": 0, "infeasible": 0, "unbounded": 0}
    for _ in range(1000):
        objective, rows = random_program(rng)
        signed = [([-a for a in row], -bound) if sense == ">=" else (row, bound) for row, sense, bound in rows]
        upper = [pair for pair, (_, sense, _) in zip(signed, rows, strict=True) if sense != "="]
        equal = [pair for pair, (_, sense, _) in zip(signed, rows, strict=True) if sense == "="]
        theirs = linprog(
            [-float(c) for c in objective],
            A_ub=[[float(a) for a in row] for row, _ in upper] or None,
            b_ub=[float(bound) for _, bound in upper] or None,
            A_eq=[[float(a) for a in row] for row, _ in equal] or None,
            b_eq=[float(bound) for _, bound in equal] or None,
        )
        try:
            best = maximise(objective, rows)
        except ArithmeticError:
            outcomes["unbounded"] += 1
            assert theirs.status in (2, 3, 4)  # HiGHS does not always tell unbounded from infeasible.
            continue
        if best is None:
            outcomes["infeasible"] += 1
            assert theirs.status in (2, 4)
            continue
        outcomes["optimal"] += 1
        assert theirs.status == 0
        assert -theirs.fun == pytest.approx(float(best.value), abs=1e-7)
        assert min(best.x) >= 0
        assert all(holds(row, best.x) for row in rows)
        assert dot(objective, best.x) == best.value == dot(best.duals, [bound for _, _, bound in rows])
        for (_, sense, _), dual in zip(rows, best.duals, strict=True):
            assert dual >= 0 if sense == "<=" else dual <= 0 if sense == ">=" else True
        covers = [dot(best.duals, column) for column in zip(*(row for row, _, _ in rows), strict=True)]
        assert [cover - c for cover, c in zip(covers, objective, strict=True)] == list(best.costs)
        assert min(best.costs) >= 0
    assert min(outcomes.values()) > 100, outcomes


def test_beales_example_on_which_the_simplex_method_cycles():
    """Beale (1955): with the most promising column and the first row, six pivots lead back to the start."""
    objective = [Fraction(3, 4), -150, Fraction(1, 50), -6]
    rows = [
        ([Fraction(1, 4), -60, Fraction(-1, 25), 9], "<=", 0),
        ([Fraction(1, 2), -90, Fraction(-1, 50), 3], "<=", 0),
        ([0, 0, 1, 0], "<=", 1),
    ]
    assert maximise(objective, rows).value == Fraction(1, 20)


def test_infeasible_is_none_and_unbounded_is_an_error():
    assert maximise([1], [([1], "<=", 1), ([1], ">=", 2)]) is None
    with pytest.raises(ArithmeticError, match="unbounded"):
        maximise([1, 0], [([1, -1], "<=", 1)])
