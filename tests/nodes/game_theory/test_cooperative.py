"""Sharing what coalitions earn: known games, and the axioms of the Shapley value, the core and the nucleolus."""

import json
import random
from fractions import Fraction
from itertools import combinations, permutations
from math import factorial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.game_theory.cooperative import core, shapley
from langgraph_agora.nodes.game_theory.nucleolus import nucleolus

CASES = json.loads((Path(__file__).parents[2] / "data" / "coop.json").read_text())["cases"]
MAJORITY = {(0,): 0, (1,): 0, (2,): 0, (0, 1): 1, (0, 2): 1, (1, 2): 1, (0, 1, 2): 1}

named = pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
SMALL = st.integers(-2, 6)
SOME = settings(derandomize=True, deadline=None, max_examples=60)


def coalitions(n):
    return [frozenset(group) for size in range(1, n + 1) for group in combinations(range(n), size)]


def earned(case):
    return {frozenset(map(int, group.split(","))): value for group, value in case["v"].items()}


def games(n, values=SMALL):
    """Games in which larger coalitions earn more, more or less, so that a good part of them has a core."""
    groups = coalitions(n)
    drawn = st.lists(values, min_size=len(groups), max_size=len(groups))
    return drawn.map(lambda numbers: {g: x * len(g) for g, x in zip(groups, numbers, strict=True)})


def any_game(least=1, most=4):
    return st.integers(least, most).flatmap(lambda n: st.tuples(st.just(n), games(n)))


# Facts


@named
def test_the_shapley_value_of_known_games(case):
    assert shapley(case["players"], earned(case)) == tuple(map(Fraction, case["shapley"]))


@named
def test_the_core_of_known_games(case):
    """T01, T06, T07 and T09 have a core that is a point or a line: the least excess is exactly 0."""
    found = core(case["players"], earned(case))
    assert found.nonempty == case["core_nonempty"]
    assert float(found.epsilon) == pytest.approx(case["least_core_epsilon"], abs=1e-9)
    assert found.contains(case["shapley"]) == case["shapley_in_core"]
    assert (found.point is not None and found.contains(found.point)) == found.nonempty


@named
def test_the_nucleolus_of_known_games(case):
    found = nucleolus(case["players"], earned(case))
    assert found == (case["nucleolus"] and pytest.approx(tuple(map(Fraction, case["nucleolus"])), abs=1e-9))


@pytest.mark.parametrize(
    ("estate", "shares"),
    [
        (100, ("100/3", "100/3", "100/3")),
        (200, (50, 75, 75)),
        (300, (50, 100, 150)),
    ],
)
def test_the_bankruptcies_of_the_talmud(estate, shares):
    """Aumann and Maschler (1985): claims of 100, 200 and 300, and the Mishna's divisions are the nucleolus."""
    claims = (100, 200, 300)
    left = {g: max(0, estate - sum(c for i, c in enumerate(claims) if i not in g)) for g in coalitions(3)}
    assert nucleolus(3, left) == tuple(map(Fraction, shares))


def test_a_core_of_one_point_is_told_from_an_empty_one():
    """What all earn is 3/2 times what a pair earns, or 10^-12 less."""
    pairs = {g: [0, 0, 2, 3][len(g)] for g in coalitions(3)}
    assert core(3, pairs).point == (1, 1, 1)
    assert core(3, pairs).epsilon == 0
    short = core(3, {**pairs, frozenset({0, 1, 2}): "2.999999999999"})
    assert (short.nonempty, short.point, short.epsilon) == (False, None, Fraction(2, 3 * 10**12))


def test_one_player_keeps_all():
    assert shapley(1, {(0,): 5}) == nucleolus(1, {(0,): 5}) == core(1, {(0,): 5}).point == (5,)
    assert core(1, {(0,): -5}).to_dict() == {"nonempty": True, "point": [-5.0], "epsilon": 0.0}


# The Shapley value


@SOME
@given(st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), games(n))))
def test_it_is_the_average_over_all_orders_of_joining(given_game):
    n, v = given_game
    added = [0] * n
    for order in permutations(range(n)):
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            added[player] += v[before | {player}] - v.get(before, 0)
    assert shapley(n, v) == tuple(Fraction(total, factorial(n)) for total in added)


@SOME
@given(any_game(2), st.randoms(use_true_random=False))
def test_shares_add_up_and_follow_the_players_when_renamed(given_game, rng):
    """Efficiency and symmetry."""
    n, v = given_game
    shares = shapley(n, v)
    assert sum(shares) == v[frozenset(range(n))]
    names = rng.sample(range(n), n)
    renamed = shapley(n, {frozenset(names[player] for player in group): value for group, value in v.items()})
    assert [renamed[names[player]] for player in range(n)] == list(shares)


@SOME
@given(any_game(1, 3))
def test_who_adds_nothing_gets_nothing_and_changes_nothing(given_game):
    """The null player."""
    n, v = given_game
    joined = {**v, frozenset({n}): 0, **{group | {n}: value for group, value in v.items()}}
    assert shapley(n + 1, joined) == (*shapley(n, v), 0)


@SOME
@given(st.integers(1, 4).flatmap(lambda n: st.tuples(st.just(n), games(n), games(n))))
def test_two_games_together_give_the_sum(given_games):
    """Additivity."""
    n, v, w = given_games
    both = shapley(n, {group: v[group] + w[group] for group in v})
    assert both == tuple(a + b for a, b in zip(shapley(n, v), shapley(n, w), strict=True))


@pytest.mark.parametrize(("n", "unit"), [(16, 1), (10, Fraction(1, 7)), (10, 10**30 + 1), (10, -(10**20))])
def test_many_players_and_large_numbers_are_exact(n, unit):
    """A coalition earns the square of its weights' sum: a player gets the weight times the sum of all weights."""
    weights = range(1, n + 1)
    squares = {group: sum(weights[player] for player in group) ** 2 * unit for group in coalitions(n)}
    assert shapley(n, squares) == tuple(weight * sum(weights) * unit for weight in weights)


@pytest.mark.parametrize("scale", [1, 1e-3, 1e-7, 1e18])
def test_floats_are_read_as_they_print(scale):
    rng = random.Random(1)
    floats = {group: rng.random() * scale for group in coalitions(6)}
    assert shapley(6, floats) == shapley(6, {group: Fraction(str(value)) for group, value in floats.items()})


# The core


@SOME
@given(games(3, st.fractions(-2, 6, max_denominator=4)))
def test_three_players_have_a_core_when_all_together_beat_every_balanced_collection(v):
    """Bondareva (1963) and Shapley (1967): for three players there are five of them."""
    one, two = [v[frozenset({i})] for i in range(3)], [v[frozenset({0, 1, 2} - {i})] for i in range(3)]
    balanced = [sum(one), *(a + b for a, b in zip(one, two, strict=True)), sum(two) / 2]
    assert core(3, v).nonempty == (v[frozenset({0, 1, 2})] >= max(balanced))


@SOME
@given(any_game(2, 5))
def test_the_least_excess_is_what_a_linear_program_in_floats_finds(given_game):
    from scipy.optimize import linprog

    n, v = given_game
    everybody, found = frozenset(range(n)), core(n, v)
    proper = [group for group in v if group != everybody]
    theirs = linprog(
        [0.0] * n + [1.0],
        A_ub=[[-float(player in group) for player in range(n)] + [-1.0] for group in proper],
        b_ub=[-float(v[group]) for group in proper],
        A_eq=[[1.0] * n + [0.0]],
        b_eq=[float(v[everybody])],
        bounds=[(None, None)] * (n + 1),
    )
    assert float(found.epsilon) == pytest.approx(theirs.fun, abs=1e-7)
    assert found.nonempty == (found.epsilon <= 0) == (found.point is not None)


@SOME
@given(any_game(2), st.lists(st.integers(-3, 3), min_size=4, max_size=4))
def test_shares_are_in_the_core_when_no_coalition_earns_more_alone(given_game, moves):
    n, v = given_game
    found, everybody = core(n, v), frozenset(range(n))
    shares = list(found.point or shapley(n, v))
    for player, move in enumerate(moves[:n]):
        shares[player] += move
        shares[(player + 1) % n] -= move
    stable = sum(shares) == v[everybody] and all(sum(shares[i] for i in group) >= v[group] for group in v)
    assert found.contains(shares) == stable
    assert not found.contains([shares[0] + 1, *shares[1:]]), "more than there is"
    assert not found.contains([shares[0] - 1, *shares[1:]]), "less than there is"


# The nucleolus


@settings(derandomize=True, deadline=None, max_examples=100)
@given(any_game(2, 5))
def test_it_satisfies_kohlbergs_criterion(given_game):
    """Kohlberg (1971), necessary and sufficient: at every level the coalitions with at least this excess are balanced.

    Players who get no more than alone may help to balance them.
    """
    n, v = given_game
    shares, everybody = nucleolus(n, v), frozenset(range(n))
    if sum(v[frozenset({player})] for player in range(n)) > v[everybody]:
        assert shares is None
        return
    assert sum(shares) == v[everybody]
    excess = {group: v[group] - sum(shares[i] for i in group) for group in v if group != everybody}
    bare = [player for player in range(n) if excess[frozenset({player})] == 0]
    assert max(excess[frozenset({player})] for player in range(n)) <= 0
    for level in set(excess.values()):
        assert is_balanced(n, [group for group, e in excess.items() if e >= level], bare), (shares, level)


def is_balanced(n, groups, helpers):
    """Whether positive weights of all groups, and any of the helpers, cover every player alike."""
    from scipy.optimize import linprog

    columns = [[float(i in group) for i in range(n)] for group in groups]
    columns += [[float(i == helper) for i in range(n)] for helper in helpers]
    found = linprog(
        [0.0] * (len(columns) + 1),
        A_eq=[[*row, -1.0] for row in zip(*columns, strict=True)],
        b_eq=[0.0] * n,
        bounds=[(1, None)] * len(groups) + [(0, None)] * (len(helpers) + 1),
    )
    return found.status == 0


@SOME
@given(any_game(2, 5), st.integers(1, 4), st.lists(st.integers(-3, 3), min_size=5, max_size=5))
def test_it_is_in_every_core_and_moves_with_the_unit_and_with_gifts(given_game, unit, gifts):
    n, v = given_game
    shares, found = nucleolus(n, v), core(n, v)
    assert not found.nonempty or found.contains(shares)
    changed = nucleolus(n, {group: unit * value + sum(gifts[i] for i in group) for group, value in v.items()})
    assert changed == (shares and tuple(unit * share + gift for share, gift in zip(shares, gifts, strict=False)))


def test_ten_voters_and_a_market_of_long_decimals_are_exact():
    weights = [9, 8, 7, 5, 5, 3, 3, 2, 1, 1]
    votes = {group: int(sum(weights[i] for i in group) > 22) for group in coalitions(10)}
    shares = nucleolus(10, votes)
    assert shares[3] == shares[4], "who has the same votes gets the same"
    assert sorted(shares, reverse=True) == list(shares)
    rng = random.Random(7)
    worth = {group: rng.random() * len(group) ** 3 for group in coalitions(7)}
    worth[frozenset(range(7))] = 343.0
    assert sum(nucleolus(7, worth)) == 343
    assert core(7, worth).contains(nucleolus(7, worth))


# What is given


def test_coalitions_are_sets_or_tuples_in_any_order_and_numbers_are_read_as_they_print():
    as_tuples = {(1, 0): "0.3", (0,): 0.1, (1,): Fraction(1, 10), (): 0}
    as_sets = {frozenset({1}): 0.1, frozenset({0}): 0.1, frozenset({0, 1}): 0.3}
    assert shapley(2, as_tuples) == shapley(2, as_sets) == (Fraction(3, 20), Fraction(3, 20))
    assert nucleolus(2, as_tuples) == core(2, as_sets).point == (Fraction(3, 20), Fraction(3, 20))
    assert core(2, as_sets).contains([0.1, 0.2])
    assert shapley(2, {(0,): 1e-05, (1,): 2.5e-7, (0, 1): 1e20}) == shapley(
        2, {(0,): "0.00001", (1,): "0.00000025", (0, 1): 10**20}
    )


@pytest.mark.parametrize("concept", [shapley, core, nucleolus])
@pytest.mark.parametrize(
    ("n", "v", "message"),
    [
        (0, MAJORITY, "n was 0"),
        (21, MAJORITY, "n was 21"),
        (True, MAJORITY, "n was True"),
        (3.0, MAJORITY, "n was 3.0"),
        (3, [1, 2], "v was list; give a mapping"),
        (3, {}, "v has no value for {0, 2}, {1, 2}, {0, 1, 2} and 4 more; give all 7 coalitions"),
        (3, {k: x for k, x in MAJORITY.items() if len(k) < 3}, "v has no value for {0, 1, 2};"),
        (2, MAJORITY, "v has the coalition (2,)"),
        (3, {**MAJORITY, (0, 0): 1}, "v has the coalition (0, 0)"),
        (2, {(0,): 1, (0, 0): 1, (0, 1): 3}, "v has the coalition (0, 0)"),
        (3, {**MAJORITY, "01": 1}, "v has the coalition '01'"),
        (3, {**MAJORITY, "": 1}, "v has the coalition ''"),
        (3, {**MAJORITY, 1: 1}, "v has the coalition 1"),
        (3, {**MAJORITY, (-1,): 1}, "v has the coalition (-1,)"),
        (3, {**MAJORITY, (1, 0): 1}, "v has the coalition {0, 1} twice"),
        (3, {**MAJORITY, (): 1}, "The empty coalition earns something"),
        (3, {**MAJORITY, (0,): float("nan")}, "The value of {0} was nan"),
        (3, {**MAJORITY, (0, 1): float("inf")}, "The value of {0, 1} was inf"),
        (3, {**MAJORITY, (0,): True}, "The value of {0} was True"),
        (3, {**MAJORITY, (0,): "$5"}, "The value of {0} was '$5'"),
        (3, {**MAJORITY, (0,): None}, "The value of {0} was None"),
        (3, {**MAJORITY, (0,): 1e-200}, "more than 100 digits"),
        (3, {**MAJORITY, (0,): 10**200}, "more than 100 digits"),
    ],
)
def test_wrong_games_are_refused_in_words(concept, n, v, message):
    with pytest.raises(ConfigError) as refused:
        concept(n, v)
    assert message in str(refused.value)


@pytest.mark.parametrize("concept", [core, nucleolus])
def test_linear_programs_take_fewer_players(concept):
    with pytest.raises(ConfigError, match="from 1 to 16: each of up to n - 1 linear programs has 2\\^n constraints"):
        concept(17, {})


@pytest.mark.parametrize("shares", [(1, 0), (1, 0, 0, 0), (1, 0, "x"), "100", (1, 0, float("nan")), None])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ConfigError, match="The shares"):
        core(3, MAJORITY).contains(shares)
