"""Pareto fronts, security levels and bargaining: known games, and the axioms that define each solution."""

import json
import random
from fractions import Fraction
from itertools import pairwise
from math import prod, sqrt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.game_theory.bargaining import egalitarian, kalai_smorodinsky, nash_bargaining, utilitarian
from langgraph_agora.nodes.game_theory.game import Game
from langgraph_agora.nodes.game_theory.hull import convex_front, ks_point, nash_point, pareto_front, pareto_outcomes
from langgraph_agora.nodes.game_theory.security import maximin, security_levels

CASES = json.loads((Path(__file__).parents[2] / "data" / "games.json").read_text())["cases"]
TWO_PLAYERS = [case for case in CASES if case["players"] == 2]
SOLUTIONS = [nash_bargaining, kalai_smorodinsky, egalitarian, utilitarian]

named = pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
of_two = pytest.mark.parametrize("case", TWO_PLAYERS, ids=lambda case: case["id"])
every_solution = pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda solution: solution.__name__)


def exact(numbers):
    return None if numbers is None else tuple(map(Fraction, numbers))


# Facts


@named
def test_the_undominated_profiles_of_known_games(case):
    assert [list(profile) for profile in pareto_outcomes(Game(case["payoffs"]))] == case["pareto_pure_profiles"]


@of_two
def test_the_security_levels_of_known_games(case):
    assert security_levels(Game(case["payoffs"])) == exact(case["security_levels"])


@of_two
def test_the_bargaining_points_of_known_games(case):
    game, facts = Game(case["payoffs"]), case["bargaining_from_security"]
    nash = nash_bargaining(game)
    assert nash.payoffs == exact(facts["nash"])
    assert prod(nash.gains) == Fraction(facts["nash_product"])
    assert nash.ideal == exact(facts["ideal"])
    assert kalai_smorodinsky(game).payoffs == exact(facts["kalai_smorodinsky"])
    assert egalitarian(game).payoffs == exact(facts["egalitarian"])
    assert sum(utilitarian(game).payoffs) == Fraction(facts["utilitarian_value"])


@pytest.mark.parametrize(
    ("case_id", "levels", "nash"),
    [
        ("G17", ("1/2", "1/2", 0), ("31/18", "37/30", "11/9")),
        ("G18", ("3/2", 2, "3/2"), (9, 8, 12)),
        ("G19", (0, 0, 0), (1, 1, 1)),
        ("G20", (3, 3, 3), ("11/3", "11/3", "11/3")),
    ],
)
def test_three_players_are_exact_where_the_solution_is_a_short_fraction(case_id, levels, nash):
    game = Game(next(case["payoffs"] for case in CASES if case["id"] == case_id))
    bargain = nash_bargaining(game)
    assert bargain.exact
    assert (security_levels(game), bargain.payoffs) == (exact(levels), exact(nash))


def test_three_agents_with_an_irrational_solution_are_right_to_1e_9():
    """On the way from (1, 2, 6) to (4, 3, 0) the product is largest at (sqrt(244) - 8) / 18."""
    bargain = nash_bargaining([(1, 2, 6), (4, 3, 0)], (0, 0, 0))
    t = (sqrt(244) - 8) / 18
    assert not bargain.exact
    assert [float(u) for u in bargain.payoffs] == pytest.approx([1 + 3 * t, 2 + t, 6 - 6 * t], abs=1e-9)


def test_a_lottery_says_which_outcomes_to_draw():
    bargain = nash_bargaining(Game([[[3, 0], [0, 2]], [[2, 0], [0, 3]]]))
    assert bargain.lottery == (((0, 0), Fraction(1, 2)), ((1, 1), Fraction(1, 2)))
    assert nash_bargaining([(0, 0), (3, 2), (2, 3)], (1, 1)).lottery == ((1, Fraction(1, 2)), (2, Fraction(1, 2)))


# What to do where nobody or not everybody can gain


def test_where_nobody_can_gain_the_disagreement_stands_and_shares_are_undefined():
    pennies = Game([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])
    for solution in (nash_bargaining, egalitarian, utilitarian):
        assert solution(pennies).payoffs == (0, 0)
        assert "nobody can gain" in solution(pennies).reason
    assert kalai_smorodinsky(pennies).payoffs is None
    assert kalai_smorodinsky(pennies).to_dict()["payoffs"] is None


@every_solution
def test_without_a_zone_of_agreement_there_is_no_point(solution):
    bargain = solution([(4, 0), (0, 4)], (3, 3))
    assert (bargain.payoffs, bargain.gains, bargain.ideal, bargain.lottery) == (None, None, None, ())
    assert bargain.reason == "no lottery over the outcomes gives everybody at least the disagreement"


@every_solution
def test_who_cannot_gain_gets_the_disagreement_and_the_others_share(solution):
    """The third agent has the most it can have; the fourth outcome would give the first agent more at its cost."""
    points = [(0, 0, 5), (4, 0, 5), (0, 4, 5), (9, 9, 0)]
    assert solution(points, (0, 0, 5)).payoffs == (2, 2, 5)
    assert solution([(1, 0), (3, 0)], (0, 0)).payoffs == (3, 0)


def test_nobody_ends_below_the_disagreement_for_the_sum_of_all():
    """The largest sum, 10, would ruin the second agent: half way to it is as far as it can agree."""
    assert utilitarian([(0, 10), (3, 3)], (0, 0)).payoffs == (0, 10)
    assert utilitarian([(0, 10), (3, 3)], ("3/2", 0)).payoffs == (Fraction(3, 2), Fraction(13, 2))


def test_of_several_largest_sums_the_most_equal_gains():
    assert utilitarian([(4, 0), (0, 4)], (1, 0)).payoffs == (Fraction(5, 2), Fraction(3, 2))


# Axioms

small = st.integers(-6, 6)


def problems(n):
    """Points and a disagreement that one of them, or a mixture, improves on for somebody."""
    return st.tuples(
        st.lists(st.tuples(*[small] * n), min_size=1, max_size=7), st.tuples(*[st.integers(-6, 1)] * n)
    ).map(lambda given: ([*given[0], tuple(base + 1 for base in given[1])], given[1]))


SOME = settings(derandomize=True, deadline=None, max_examples=60)


@every_solution
@SOME
@given(st.integers(2, 4).flatmap(problems))
def test_a_lottery_gives_the_payoffs_and_nobody_less_than_the_disagreement(solution, problem):
    points, base = problem
    bargain = solution(points, base)
    assert sum(p for _, p in bargain.lottery) == 1
    assert min(p for _, p in bargain.lottery) > 0
    paid = [sum(p * points[at][agent] for at, p in bargain.lottery) for agent in range(len(base))]
    assert tuple(paid) == bargain.payoffs
    assert min(bargain.gains) >= 0
    json.dumps(bargain.to_dict())


@every_solution
@SOME
@given(st.integers(2, 4).flatmap(problems))
def test_no_lottery_is_better_for_somebody_and_worse_for_nobody(solution, problem):
    """Pareto optimality, by a linear program in floats."""
    points, base = problem
    payoffs = solution(points, base).payoffs
    best = most(points, [1] * len(base), payoffs)
    assert best == pytest.approx(float(sum(payoffs)), abs=1e-7)


def most(points, weights, floors):
    """The largest weighted sum of payoffs of a lottery that gives everybody at least the floor, by HiGHS."""
    from scipy.optimize import linprog

    found = linprog(
        [-float(sum(w * u for w, u in zip(weights, point, strict=True))) for point in points],
        A_ub=[[-float(u) for u in column] for column in zip(*points, strict=True)],
        b_ub=[-float(floor) + 1e-12 for floor in floors],
        A_eq=[[1.0] * len(points)],
        b_eq=[1.0],
    )
    assert found.status == 0
    return -found.fun


@pytest.mark.parametrize("solution", [nash_bargaining, kalai_smorodinsky], ids=lambda solution: solution.__name__)
@SOME
@given(st.integers(2, 4).flatmap(problems), st.lists(st.tuples(st.integers(1, 5), small), min_size=4, max_size=4))
def test_units_and_zeros_do_not_matter(solution, problem, units):
    points, base = problem

    def changed(vector):
        return tuple(Fraction(scale, 2) * u + shift for u, (scale, shift) in zip(vector, units, strict=False))

    before, after = solution(points, base), solution([changed(point) for point in points], changed(base))
    if before.exact and after.exact:
        assert after.payoffs == changed(before.payoffs)
    assert [float(u) for u in after.payoffs] == pytest.approx([float(u) for u in changed(before.payoffs)], abs=1e-9)


@every_solution
@SOME
@given(st.integers(2, 4).flatmap(problems), st.randoms(use_true_random=False))
def test_neither_the_order_of_agents_nor_of_outcomes_matters(solution, problem, rng):
    """So agents who are in the same position get the same."""
    points, base = problem
    order = rng.sample(range(len(base)), len(base))
    moved = [tuple(point[agent] for agent in order) for point in rng.sample(points, len(points))]
    before, after = solution(points, base), solution(moved, [base[agent] for agent in order])
    expected = [before.payoffs[agent] for agent in order]
    if before.exact and after.exact:
        assert list(after.payoffs) == expected
    assert [float(u) for u in after.payoffs] == pytest.approx([float(u) for u in expected], abs=1e-9)


@SOME
@given(st.integers(2, 4).flatmap(problems))
def test_no_other_outcome_is_worth_more_at_the_prices_of_the_nash_solution(problem):
    """Its first-order condition, sufficient because the logarithm is concave: prices are the inverse gains."""
    points, base = problem
    bargain = nash_bargaining(points, base)
    assert min(bargain.gains) > 0, "one of the points improves on the disagreement for all"
    prices = [1 / gain for gain in bargain.gains]
    worth = [sum(p * (u - d) for p, u, d in zip(prices, point, base, strict=True)) for point in points]
    assert max(worth) <= len(base) * (1 if bargain.exact else 1 + Fraction(1, 10**25))


@SOME
@given(problems(2), st.lists(st.tuples(small, small), max_size=4))
def test_a_third_agent_who_cannot_gain_changes_nothing_for_the_two(problem, tempting):
    """Nor do outcomes that it would lose by. The two are solved by a formula, the three by convex optimisation."""
    points, base = problem
    wider = [*((*point, 0) for point in points), *((*point, -1) for point in tempting)]
    two, three = nash_bargaining(points, base), nash_bargaining(wider, (*base, 0))
    assert [float(u) for u in three.payoffs] == pytest.approx([*map(float, two.payoffs), 0], abs=1e-9)


@SOME
@given(problems(2), st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 9)), max_size=30))
def test_no_mixture_of_two_points_has_a_larger_product(problem, mixtures):
    points, base = problem
    best = prod(nash_bargaining(points, base).gains)
    for a, b, tenths in mixtures:
        one, other = points[a % len(points)], points[b % len(points)]
        gains = [Fraction(tenths * x + (9 - tenths) * y, 9) - d for x, y, d in zip(one, other, base, strict=True)]
        assert min(gains) < 0 or prod(gains) <= best


@SOME
@given(st.integers(2, 4).flatmap(problems))
def test_a_gain_can_grow_only_at_the_cost_of_a_smaller_one(problem):
    """What defines lexicographic max-min on a convex set; of plain gains (egalitarian) and of shares (KS)."""
    points, base = problem
    for bargain, scales in (
        (egalitarian(points, base), [1] * len(base)),
        (
            kalai_smorodinsky(points, base),
            [i - d for i, d in zip(kalai_smorodinsky(points, base).ideal, base, strict=True)],
        ),
    ):
        levels = [gain / scale for gain, scale in zip(bargain.gains, scales, strict=True)]
        for agent, level in enumerate(levels):
            kept = [u if other <= level else d for u, d, other in zip(bargain.payoffs, base, levels, strict=True)]
            only = [int(other == agent) for other in range(len(base))]
            assert most(points, only, kept) == pytest.approx(float(bargain.payoffs[agent]), abs=1e-6)


@SOME
@given(problems(2))
def test_two_agents_get_equal_shares_of_their_ideal_gains(problem):
    bargain = kalai_smorodinsky(*problem)
    shares = [g / (i - d) for g, i, d in zip(bargain.gains, bargain.ideal, problem[1], strict=True)]
    assert shares[0] == shares[1]


@pytest.mark.parametrize("n", [3, 5, 8])
def test_many_agents_with_long_decimals_stay_quick_and_right(n):
    rng = random.Random(n)
    points = [[rng.random() for _ in range(n)] for _ in range(60)]
    bargain = nash_bargaining(points, [0.2] * n)
    prices = [1 / float(gain) for gain in bargain.gains]
    assert max(sum(p * (u - 0.2) for p, u in zip(prices, point, strict=True)) for point in points) <= n * (1 + 1e-12)


def test_a_corner_that_is_hardly_worth_using_moves_the_solution_by_as_little():
    """The third outcome is 10^-11 better than what the first two allow."""
    before = nash_bargaining([(1, 2, 6), (4, 3, 0)], (0, 0, 0)).payoffs
    nearly = [
        u * (1 + shift) for u, shift in zip(before, (Fraction(1, 10**11), Fraction(1, 9), Fraction(-1, 9)), strict=True)
    ]
    after = nash_bargaining([(1, 2, 6), (4, 3, 0), nearly], (0, 0, 0))
    prices = [1 / gain for gain in after.gains]
    assert sum(p * u for p, u in zip(prices, nearly, strict=True)) <= 3 * (1 + Fraction(1, 10**25))
    assert [float(u) for u in after.payoffs] == pytest.approx([float(u) for u in before], abs=1e-9)


# Security levels


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.lists(small, min_size=3, max_size=3), min_size=2, max_size=3))
def test_a_maximin_strategy_guarantees_the_level_and_the_opponent_can_hold_it_down(table):
    """The minimax theorem: the level of the transposed, negated game is the same with the other sign."""
    game = Game([table, [[-u for u in row] for row in table]])
    level, strategy = maximin(game, 0)
    assert sum(strategy) == 1
    assert min(strategy) >= 0
    assert min(sum(p * row[column] for p, row in zip(strategy, table, strict=True)) for column in range(3)) == level
    assert maximin(game, 1)[0] == -level


def test_several_opponents_count_as_one_who_coordinates():
    """Player 1 wins when the two others differ and it guesses who deviates; they can always agree instead."""
    wins = [[[0, 1], [0, 0]], [[0, 0], [1, 0]]]
    assert security_levels(Game([wins, wins, wins])) == (0, 0, 0)
    assert security_levels(Game([[3, 7, 5]])) == (7,), "alone one takes the best"


# Fronts of finite sets


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[st.integers(0, 4)] * n), min_size=1, max_size=12)))
def test_a_front_is_what_nothing_dominates_once_each_in_the_given_order(points):
    def dominated(point):
        return any(other != point and all(a >= b for a, b in zip(other, point, strict=True)) for other in points)

    assert pareto_front(points) == [point for point in dict.fromkeys(points) if not dominated(point)]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12), st.integers(1, 9))
def test_every_weighting_of_two_agents_is_maximal_at_a_corner_of_the_convex_front(points, weight):
    corners = convex_front(points)
    assert max(weight * x + y for x, y in corners) == max(weight * x + y for x, y in points)
    assert corners == sorted(corners)
    slopes = [Fraction(b[1] - a[1], b[0] - a[0]) for a, b in pairwise(corners)]
    assert all(later < earlier < 0 for earlier, later in pairwise(slopes))
    assert all(slope < 0 for slope in slopes)


def test_what_lies_on_a_line_between_two_corners_is_none():
    assert convex_front([(0, 2), (1, 1), (2, 0)]) == [(0, 2), (2, 0)]
    assert convex_front([(3, 3), (3, 3), (1, 3)]) == [(3, 3)]


def test_finite_sets_of_deals_have_a_nash_and_a_kalai_smorodinsky_point():
    deals = [(0.9, 0.1), (0.6, 0.5), (0.55, 0.55), (0.1, 1.0)]
    assert nash_point(deals, (0, 0)) == 2
    assert ks_point(deals, (0, 0)) == 2
    assert nash_point(deals, (0, "1/2")) == 3, "one tenth times one half"
    assert nash_point([(1, 8), (4, 4)], (0, 0)) == 1
    assert ks_point([(1, 8), (5, 1), (2, 4)], (0, 0)) == 2
    assert ks_point([(10, -1), (2, 1), (1, 4)], (0, 0)) == 2, "who would refuse the first does not raise the ideal"
    assert nash_point(deals, (0.7, 0.7)) is None
    assert ks_point([(1, 1), (2, 3)], (1, 3)) == nash_point([(1, 1), (2, 3)], (1, 3)) == 1, "the second cannot gain"


# Wrong input


@every_solution
@pytest.mark.parametrize(
    ("points", "base", "message"),
    [
        ([], (0, 0), "The points were []"),
        ("abc", (0, 0), "The points were 'abc'"),
        ({1: 2}, (0, 0), "The points were {1: 2}"),
        ([(1, 2), (1,)], (0, 0), "Point 1 was (1,)"),
        ([(1, float("nan"))], (0, 0), "Point 0, agent 2 was nan"),
        ([(1, True)], (0, 0), "Point 0, agent 2 was True"),
        ([(1, "much")], (0, 0), "Point 0, agent 2 was 'much'"),
        ([1, 2], (0, 0), "Point 0 was 1"),
        ([(1, 2)], (0, 0, 0), "The disagreement was (0, 0, 0)"),
        ([(1, 2)], (0, float("inf")), "The disagreement, agent 2 was inf"),
        ([(1, 2)], None, "The disagreement is missing"),
    ],
)
def test_wrong_points_are_refused_in_words(solution, points, base, message):
    with pytest.raises(ConfigError) as refused:
        solution(points, base)
    assert message in str(refused.value)


def test_a_convex_front_is_drawn_for_two():
    with pytest.raises(ConfigError, match="have 3 utilities"):
        convex_front([(1, 2, 3)])
