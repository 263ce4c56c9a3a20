"""Equilibria of three players and more: known games, algebra against Newton's method, curves, what is out of reach."""

import json
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from sympy import QQ, grevlex, ring

from langgraph_agora.nodes.game_theory.algebra import Solutions, Span, basis_of, free_variables, is_finite
from langgraph_agora.nodes.game_theory.logit import trace
from langgraph_agora.nodes.game_theory.manyplayer import search
from langgraph_agora.nodes.game_theory.newton import numeric_equilibria, random_starts
from langgraph_agora.nodes.game_theory.supports import View, mixed_supports, pure_equilibria, whole
from langgraph_agora.nodes.games import Game, Limits, nash_equilibria
from tests.nodes.game_theory.drawn_games import drawn, rescaled, shuffled

CASES = {
    case["id"]: case for case in json.loads((Path(__file__).parents[2] / "data" / "games.json").read_text())["cases"]
}
FINITE = [case for case in CASES.values() if case["players"] > 2 and case["isolated_equilibria"]]


def game_of(case):
    return Game(CASES[case]["payoffs"])


def close(a, b, apart=1e-9):
    return all(abs(x - y) < apart for own, other in zip(a, b, strict=True) for x, y in zip(own, other, strict=True))


def same(points, others, apart=1e-9):
    return len(points) == len(others) and all(any(close(a, b, apart) for b in others) for a in points)


# Known games


@pytest.mark.parametrize("case", FINITE, ids=lambda case: case["id"])
def test_all_equilibria_of_known_games(case):
    found = nash_equilibria(Game(case["payoffs"]))
    known = case["isolated_equilibria"]
    assert same(found.points, [point["value"] for point in known])
    assert {str(point) for point in found.exact} == {str(tuple(map(tuple, point["exact"]))) for point in known}
    assert (found.complete, found.degenerate, found.reason, found.method) == (True, False, "", "groebner")


def test_an_irrational_equilibrium_is_exact_in_words_and_floats_beside():
    found = nash_equilibria(game_of("G17"))
    assert found.exact[0][0] == ("53/46 - sqrt(601)/46", "-7/46 + sqrt(601)/46")
    assert found.points[0][0] == pytest.approx(((53 - 601**0.5) / 46, (601**0.5 - 7) / 46), abs=1e-15)
    assert game_of("G17").regret(found.points[0]) < 1e-15


def test_rational_equilibria_are_fractions():
    found = nash_equilibria(game_of("G18"))
    assert all(isinstance(share, Fraction) for point in found.points for own in point for share in own)


def test_a_curve_is_said_to_be_infinite_and_shown_by_examples():
    """{(1, 0, t)}, {(3(1-q)/(3-q), q, 1/4)} and {(0, 1, t)} for t from 1/4 to 1: a curve between two segments."""
    game = game_of("G19")
    found = nash_equilibria(game)
    assert (found.complete, found.degenerate) == (False, True)
    assert found.reason.startswith("there are infinitely many, as where player 1 plays 1 and player 2 plays 2 and")
    assert all(game.regret(point) == 0 for point in found.points)
    heads = {tuple(own[0] for own in point) for point in found.points}
    quarter = Fraction(1, 4)
    assert {(1, 0, 1), (0, 1, 1), (0, 0, 0)} <= heads  # the pure ones
    assert {(1, 0, quarter), (0, 1, quarter)} <= heads  # the other ends of the segments
    assert any(0 < p < 1 and r == quarter and p == 3 * (1 - q) / (3 - q) for p, q, r in heads)


def test_where_all_payoffs_tie_everything_is_an_equilibrium():
    found = nash_equilibria(Game([[[[1, 1], [1, 1]], [[1, 1], [1, 1]]]] * 3))
    assert (found.complete, found.degenerate) == (False, True)
    assert {point for point in found.points if all(1 in own for own in point)} == {
        ((a, 1 - a), (b, 1 - b), (c, 1 - c)) for a in (0, 1) for b in (0, 1) for c in (0, 1)
    }


def test_an_isolated_equilibrium_of_a_player_who_is_indifferent_is_a_point():
    """The first player always gets 0; each of the others stays only while the first mixes one to one."""
    stay, leave = [[0, 0], [0, 0]], [[0, 0], [0, 0]]
    second = [[[1, 1], [2, 2]], [[1, 1], [0, 0]]]  # Leaving pays 2 when the first plays 1, else 0.
    third = [[[1, 0], [1, 0]], [[1, 2], [1, 2]]]  # It pays 0 when the first plays 1, else 2.
    found = nash_equilibria(Game([[stay, leave], second, third]))
    half = Fraction(1, 2)
    assert ((half, half), (1, 0), (1, 0)) in found.points


PENNIES = [[1, -1], [-1, 1]]


def of_three(left, right):
    """A game of three from the tables of each player when the third plays 1, and when it plays 2."""
    return Game(
        [
            [[[a, b] for a, b in zip(*rows, strict=True)] for rows in zip(*pair, strict=True)]
            for pair in zip(left, right, strict=True)
        ]
    )


def negative(table):
    return [[-number for number in row] for row in table]


def test_an_isolated_equilibrium_may_leave_somebody_another_action_that_is_as_good():
    """While the third plays 1, the others mix one to one, and then 2 is as good; played, it moves their mixture."""
    other = [[2, -1], [-1, 1]]
    game = of_three([PENNIES, negative(PENNIES), [[0, 0], [0, 0]]], [other, negative(other), PENNIES])
    found = nash_equilibria(game)
    assert (found.complete, found.degenerate) == (True, False)
    assert found.exact == [(("2/5", "3/5"), ("2/5", "3/5"), ("0", "1")), (("1/2", "1/2"), ("1/2", "1/2"), ("1", "0"))]


def test_a_continuum_in_which_all_mix_is_found_with_its_ends():
    """Two play matching pennies whatever the third does, who wants them to be alike or not, and gets nothing of it."""
    game = of_three([PENNIES, negative(PENNIES), PENNIES], [PENNIES, negative(PENNIES), negative(PENNIES)])
    found = nash_equilibria(game)
    half = Fraction(1, 2)
    assert found.points == [((half, half), (half, half), (0, 1)), ((half, half), (half, half), (1, 0))]
    assert (found.complete, found.degenerate) == (False, True)
    assert found.reason.startswith(
        "there are infinitely many, as where player 1 mixes 1, 2 and player 2 mixes 1, 2 and"
    )


def test_a_support_that_stays_undecided_is_named():
    """The first player's actions 1 and 2 are the same, so that two equations are left for three probabilities."""
    found = nash_equilibria(drawn(random.Random(732), (3, 2, 2), 3))
    assert (found.complete, found.degenerate) == (False, False)
    assert found.reason == (
        "there may be more where player 1 mixes 1, 2 and player 2 mixes 1, 2 and player 3 mixes 1, 2: "
        "the equations of that have infinitely many solutions"
    )


# Laws


@pytest.mark.parametrize(
    ("shape", "games"), [((2, 2, 2), 12), ((3, 2, 2), 6), ((2, 2, 2, 2), 2), ((3, 3, 2), 3)], ids=str
)
def test_algebra_and_newtons_method_find_the_same_odd_number(shape, games):
    rng = random.Random(str(shape))
    for _ in range(games):
        game = drawn(rng, shape, 10**6)
        found, numeric = nash_equilibria(game), nash_equilibria(game, limits=Limits(profiles=1))
        assert found.complete
        assert len(found.points) % 2 == 1  # Wilson 1971
        assert same(found.points, numeric.points)
        for point in (*found.points, *numeric.points):
            assert game.regret(point) < 1e-9 * 10**6


def test_newtons_method_never_claims_to_be_complete():
    game = drawn(random.Random(1), (2, 2, 2), 99)
    found = nash_equilibria(game, limits=Limits(profiles=7))
    assert (found.complete, found.method) == (False, "newton")
    assert found.reason == "Newton's method was used, which may miss equilibria: the game has 8 profiles, more than 7"


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 2, 2)], ids=str)
def test_neither_names_nor_scales_matter(shape):
    rng = random.Random(f"laws {shape}")
    for _ in range(8):
        game = drawn(rng, shape, 99)
        found = nash_equilibria(game)
        other, back = shuffled(rng, game)
        turned, scaled = nash_equilibria(other), nash_equilibria(rescaled(rng, game))
        assert (turned.complete, turned.degenerate) == (found.complete, found.degenerate)
        if found.complete:
            assert same([back(point) for point in turned.points], found.points)
            assert scaled.points == found.points


def test_games_with_ties_have_equilibria_only():
    rng = random.Random(2)
    for _ in range(25):
        game = drawn(rng, rng.choice([(2, 2, 2), (3, 2, 2), (2, 2, 2, 2)]), 2)
        found = nash_equilibria(game)
        assert found.points
        assert all(game.regret(point) < 1e-12 for point in found.points)
        assert found.complete or found.reason
        assert {profile_of(point) for point in found.points} >= set(pure_equilibria(game))


def profile_of(point):
    return tuple(own.index(1) if 1 in own else None for own in point)


def test_a_game_of_three_by_three_by_three_is_solved_exactly():
    game = drawn(random.Random(3), (3, 3, 3), 999)
    found = nash_equilibria(game)
    assert (found.complete, found.method, len(found.points) % 2) == (True, "groebner", 1)
    assert all(game.regret(point) < 1e-10 for point in found.points)
    assert max(len({share for share in own if share}) for point in found.points for own in point) > 1


# What is out of reach


def test_a_large_game_has_some_equilibria_and_says_that_there_may_be_more():
    game = drawn(random.Random(4), (6, 6, 6), 99)
    found = nash_equilibria(game, limits=Limits(supports=60))
    assert found.points
    assert not found.complete
    assert "216 profiles" in found.reason
    assert "not all supports were searched" in found.reason
    assert all(game.regret(point) < 1e-9 for point in found.points)
    assert {profile_of(point) for point in found.points} >= set(pure_equilibria(game))


def test_without_hope_in_small_supports_the_logit_path_still_finds_one():
    rng, game = random.Random(5), None
    while game is None or pure_equilibria(game):
        game = drawn(rng, (5, 5, 5), 99)
    found = nash_equilibria(game, limits=Limits(supports=1))
    assert found.points
    assert all(game.regret(point) < 1e-9 for point in found.points)


def test_equations_that_would_take_minutes_are_left_to_newtons_method():
    found = nash_equilibria(drawn(random.Random(6), (2, 2, 2, 3), 99))
    assert (found.complete, found.method) == (False, "groebner")
    assert found.reason.endswith(
        "where player 1 mixes 1, 2 and player 2 mixes 1, 2 and player 3 mixes 1, 2 and player 4 mixes 1, 2, 3 "
        "the equations are too large to solve exactly"
    )


def test_without_sympy_newtons_method_is_used_and_the_extra_named():
    code = (
        "import sys; sys.modules['sympy'] = None\n"  # as if it were not installed
        "from langgraph_agora.nodes.games import Game, nash_equilibria\n"
        f"found = nash_equilibria(Game({CASES['G18']['payoffs']}))\n"
        "print(len(found.points), found.complete, found.method, found.reason)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("9 False newton Newton's method was used")
    assert """'pip install "langgraph-agora[games]"' installs""" in said


# Supports


def test_supports_are_looked_at_small_and_balanced_ones_first():
    game = Game([[[0, 0, 0]] * 3] * 2)
    sizes = [tuple(map(len, view.support)) for view in mixed_supports(game)]
    assert sizes[0] == (1, 2)
    assert sizes.index((2, 2)) < sizes.index((1, 3)) < sizes.index((2, 3)) < sizes.index((3, 3))
    assert len(sizes) == 7 * 7 - 9


def test_pure_equilibria_are_those_of_the_definition():
    rng = random.Random(7)
    for _ in range(50):
        game = drawn(rng, (2, 3, 2), 3)
        units = [[[int(at == action) for at in range(size)] for action in range(size)] for size in game.shape]
        by_regret = [
            profile
            for profile in game.profiles()
            if game.regret([own[action] for own, action in zip(units, profile, strict=True)]) == 0
        ]
        assert pure_equilibria(game) == by_regret


@pytest.mark.parametrize(
    ("sizes", "roots"),
    [((2, 2), 1), ((2, 2, 2), 2), ((3, 3, 3), 10), ((2, 2, 2, 2), 9), ((2, 2, 2, 2, 2), 44), ((4, 2, 2), 0)],
)
def test_the_number_of_roots_is_the_known_one(sizes, roots):
    """McKelvey and McLennan 1997: 2 and 10 for three players, derangements for players of two actions."""
    view = View(sizes, [[0] * 64] * len(sizes), tuple(tuple(range(size)) for size in sizes))
    assert view.roots() == roots


def test_newtons_method_tells_a_curve_from_points():
    game = game_of("G19")
    view = View(game.shape, [whole(game.table(player)) for player in range(3)], ((0, 1),) * 3)
    assert numeric_equilibria(view, random_starts(view, random.Random(0))).curve
    found = nash_equilibria(game, limits=Limits(profiles=1))
    assert (found.complete, found.degenerate) == (False, True)


@pytest.mark.parametrize("shape", [(2, 2), (4, 4), (3, 3, 3), (4, 4, 4), (2, 2, 2, 2, 2)], ids=str)
def test_the_logit_path_ends_at_an_equilibrium(shape):
    rng = random.Random(f"logit {shape}")
    for _ in range(5):
        game = drawn(rng, shape, 99)
        point = trace(game)
        assert point is not None
        assert game.regret(point) < 1e-9


@pytest.mark.parametrize("seed", [47, 198, 230])
def test_the_logit_path_is_followed_where_it_turns_back(seed):
    """With the tangent's direction taken from the step before alone, these end on another branch and never."""
    game = drawn(random.Random(seed), (5, 5, 5), 999)
    assert game.regret(trace(game)) < 1e-9 * 999


def test_a_search_that_finds_no_pure_equilibrium_still_returns_one():
    game = game_of("G17")
    assert len(search(game, exact=False, supports=1, rng=random.Random(0)).points) == 1


# Algebra


def system(*equations):
    over, *variables = ring("x, y", QQ, grevlex)
    polynomials = [equation(*variables) for equation in equations]
    return basis_of(polynomials, over), over


def real(basis, over):
    solutions = Solutions(basis, over)
    shown = [solutions.expressed(variable) for variable in over.gens]
    return {tuple(root.text(value) for value in shown) for root in solutions.real()}


def test_real_solutions_are_told_from_complex_ones():
    assert real(*system(lambda x, y: x**2 - 2, lambda x, y: y - x)) == {
        ("sqrt(2)", "sqrt(2)"),
        ("-sqrt(2)", "-sqrt(2)"),
    }
    assert real(*system(lambda x, y: x**2 + 1, lambda x, y: y - x)) == set()
    assert real(*system(lambda x, y: x * y - 1, lambda x, y: x)) == set()


def test_solutions_that_share_coordinates_are_told_apart():
    """Four solutions, of which x alone shows two, and so does y."""
    found = real(*system(lambda x, y: x**2 - 1, lambda x, y: y**2 - 4))
    assert found == {("1", "2"), ("1", "-2"), ("-1", "2"), ("-1", "-2")}


def test_multiple_solutions_count_once():
    """x = y = 0 three times: no combination of x and y tells its multiples apart, so the ideal is made radical."""
    assert real(*system(lambda x, y: x**2, lambda x, y: x * y, lambda x, y: y**2)) == {("0", "0")}
    assert real(*system(lambda x, y: (x - 3) ** 2, lambda x, y: (y**2 - 2) ** 2)) == {
        ("3", "sqrt(2)"),
        ("3", "-sqrt(2)"),
    }


def test_a_value_that_is_0_is_known_to_be_0():
    basis, over = system(lambda x, y: x**3 - 2, lambda x, y: y - x**2)
    solutions, (x, y) = Solutions(basis, over), over.gens
    (root,) = solutions.real()
    assert root.sign(solutions.expressed(x * y - 2)) == 0
    assert root.sign(solutions.expressed(x * y - 2 + QQ(1, 10**30))) == 1
    assert root.sign(solutions.expressed(x - QQ(1259921049894873164767210607279, 10**30))) == -1
    assert root.decimal(solutions.expressed(x)) == 2 ** (1 / 3)
    assert (root.text(solutions.expressed(x)), root.text(solutions.expressed(x * y))) == (None, "2")
    assert root.rational(solutions.expressed(x)) is None


def test_infinitely_many_solutions_are_told_from_few():
    assert not is_finite(*system(lambda x, y: x * y))
    assert is_finite(*system(lambda x, y: x * y, lambda x, y: x + y - 1))
    assert is_finite(*system(lambda x, y: x * y, lambda x, y: x * y - 1))  # none at all
    assert not is_finite(*system())
    assert free_variables(*system(lambda x, y: x - y**2)) == [0]
    assert free_variables(*system()) == [0, 1]


def test_vectors_are_combined_exactly():
    span = Span()
    one = [Fraction(1, 3), Fraction(2)]
    assert span.add(one) is None
    assert span.add([Fraction(1), Fraction(6)]) == [3]
    assert span.express([Fraction(0), Fraction(1)]) is None
    assert span.add([Fraction(0), Fraction(5)]) is None
    assert span.express([Fraction(2, 3), Fraction(9)]) == [2, 1]
