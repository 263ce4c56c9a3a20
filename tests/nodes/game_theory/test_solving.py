"""Choosing what to do in a game: known games by example, and what must hold in every game."""

import json
import random
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import prod
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.game_theory.bargaining import kalai_smorodinsky, nash_bargaining
from langgraph_agora.nodes.game_theory.equilibria import nash_equilibria
from langgraph_agora.nodes.game_theory.game import Game
from langgraph_agora.nodes.game_theory.hull import pareto_outcomes
from langgraph_agora.nodes.game_theory.security import security_levels
from langgraph_agora.nodes.game_theory.solving import cooperative_potential, solve

CASES = json.loads((Path(__file__).parents[2] / "data" / "games.json").read_text())["cases"]
TWO_PLAYERS = [case for case in CASES if case["players"] == 2]

PRISONERS = Game([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], actions=[["cooperate", "defect"]] * 2)
SEXES = Game([[[3, 0], [0, 2]], [[2, 0], [0, 3]]], actions=[["ballet", "boxing"]] * 2)
STAG_HUNT = Game([[[4, 0], [3, 3]], [[4, 3], [0, 3]]])
PENNIES = Game([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])


def game_of(case_id):
    return Game(next(case["payoffs"] for case in CASES if case["id"] == case_id))


# The cooperative potential


@pytest.mark.parametrize("case", TWO_PLAYERS, ids=lambda case: case["id"])
def test_the_cooperative_potential_of_known_games(case):
    found, expected = cooperative_potential(Game(case["payoffs"])), case["cooperative_potential_suggested"]
    if expected["vs_best_equilibrium"] is None:
        assert found is None, "nothing can be gained over the security levels"
    else:
        assert float(found) == pytest.approx(expected["vs_best_equilibrium"], abs=1e-6)


def test_it_is_measured_against_the_best_equilibrium_that_is_known():
    known = nash_equilibria(STAG_HUNT)
    assert cooperative_potential(STAG_HUNT, known) == 0
    assert cooperative_potential(STAG_HUNT, replace(known, points=[[[0, 1], [0, 1]]])) == 1
    assert cooperative_potential(STAG_HUNT, replace(known, points=[])) is None


# What is chosen


def test_prisoners_cooperate_when_they_can_be_held_to_it_and_defect_when_not():
    agreed, alone = solve(PRISONERS), solve(PRISONERS, binding=False)
    assert (agreed.concept, agreed.outcome, agreed.payoffs) == ("Nash bargaining", (((0, 0), 1),), (3, 3))
    assert (agreed.efficiency, agreed.fairness, agreed.cooperative_potential, agreed.strategies) == (1, 1, 1, None)
    assert "the agreement has to bind" in agreed.rationale
    assert "(cooperate, cooperate)" in agreed.rationale
    assert (alone.concept, alone.outcome, alone.payoffs) == ("Nash equilibrium", (((1, 1), 1),), (1, 1))
    assert (alone.efficiency, alone.fairness, alone.strategies) == (0, 1, ((0, 1), (0, 1)))


def test_a_couple_tosses_a_coin_between_two_equilibria_or_takes_the_first_of_them():
    agreed, alone = solve(SEXES), solve(SEXES, binding=False)
    assert agreed.outcome == (((0, 0), Fraction(1, 2)), ((1, 1), Fraction(1, 2)))
    assert "1/2 (ballet, ballet) + 1/2 (boxing, boxing)" in agreed.rationale
    assert "holds once all see which one is drawn" in agreed.rationale
    assert alone.outcome in ((((0, 0), 1),), (((1, 1), 1),))
    assert "2 are equally good" in alone.rationale


def test_no_agreement_is_needed_where_an_equilibrium_is_best_for_all():
    for binding in (True, False):
        solution = solve(STAG_HUNT, binding=binding)
        assert (solution.concept, solution.outcome) == ("Nash equilibrium", (((0, 0), 1),))
        assert (solution.efficiency, solution.fairness, solution.cooperative_potential) == (1, 1, 0)


def test_where_nobody_can_gain_the_equilibrium_is_played():
    solution = solve(PENNIES)
    assert (solution.concept, solution.payoffs) == ("Nash equilibrium", (0, 0))
    assert solution.outcome == tuple((profile, Fraction(1, 4)) for profile in product((0, 1), repeat=2))
    assert solution.strategies == ((Fraction(1, 2),) * 2,) * 2
    assert "Nobody can gain" in solution.rationale


@pytest.mark.parametrize(
    ("case_id", "concept", "payoffs"),
    [
        ("G06", "Nash bargaining", (0, 0)),  # chicken: a coin decides who swerves
        ("G08", "Nash bargaining", (5, 6)),
        ("G09", "Nash bargaining", (3, 7)),
        ("G12", "Nash bargaining", (9, 6)),
        ("G13", "Nash equilibrium", (0, 0)),
        ("G16", "Nash equilibrium", (1303104, 1303104)),
        ("G18", "Nash equilibrium", (9, 8, 12)),
        ("G20", "Nash bargaining", (Fraction(11, 3),) * 3),  # volunteers take turns
    ],
)
def test_what_is_chosen_in_known_games(case_id, concept, payoffs):
    solution = solve(game_of(case_id))
    assert (solution.concept, solution.payoffs) == (concept, payoffs)


def test_an_equilibrium_that_leaves_somebody_at_the_security_level_is_unfair():
    solution = solve(game_of("G06"), binding=False)
    assert (sorted(solution.payoffs), solution.efficiency, solution.fairness) == ([-1, 1], 1, 0)


def test_of_equilibria_that_leave_somebody_with_nothing_the_larger_share_counts():
    """(0, 1) is all that player 2 could gain, (5, 0) half of what player 1 could; as sums 5 would be more than 1."""
    game = Game([[[0, 0, 0], [0, 5, 0], [0, 0, 10]], [[1, 0, 0], [0, 0, 0], [0, 1, 0]]])
    assert solve(game, binding=False).payoffs == (0, 1)


def test_a_mixed_equilibrium_is_played_where_it_is_better_for_all_than_the_pure_one():
    """Matching pennies for large stakes, which both can leave for a corner where both get 1."""
    game = Game([[[6, 4, 0], [4, 6, 0], [0, 0, 1]], [[4, 6, 0], [6, 4, 0], [0, 0, 1]]])
    assert solve(game, binding=False).payoffs == (5, 5)


def test_a_lottery_with_one_outcome_that_is_no_equilibrium_has_to_bind():
    """(2, 2) is an equilibrium, (0, 4) is none: player 1 would leave it."""
    game = Game([[[0, 3], [2, 1]], [[4, 0], [2, 0]]])
    solution = solve(game)
    assert solution.outcome == (((0, 0), Fraction(1, 8)), ((1, 0), Fraction(7, 8)))
    assert "the agreement has to bind" in solution.rationale


def test_equilibria_that_differ_by_rounding_alone_are_equally_good():
    rounded = replace(nash_equilibria(SEXES), points=[[[1 - 1e-11, 1e-11]] * 2, [[2e-11, 1 - 2e-11]] * 2])
    assert "2 are equally good" in solve(SEXES, equilibria=rounded, binding=False).rationale


def test_one_player_takes_the_best():
    assert solve(Game([[3, 7, 5]])).outcome == (((1,), 1),)


def test_efficiency_and_fairness_are_measured_in_shares_of_what_each_could_gain():
    """G08: the ideal gains are 8/3 and 10/3, and (5, 6) gives 3/4 of the one and all of the other."""
    solution = solve(game_of("G08"))
    assert solution.efficiency == 1
    assert solution.fairness == pytest.approx((3 / 4) ** 0.5 / (7 / 8))
    sharing = next(c for c in solution.candidates if c.concept == "Kalai-Smorodinsky")
    assert (sharing.efficiency, sharing.fairness) == (Fraction(8, 5) / Fraction(7, 4), 1)
    assert sharing.score < solution.candidates[0].score


def test_an_unfair_equilibrium_loses_to_a_fair_one():
    """Even if the sum of gains is a little less."""
    game = Game([[[9, 0, 0], [0, "4.9", 0], [0, 0, 1]], [[1, 0, 0], [0, "4.9", 0], [0, 0, 9]]])
    assert solve(game, binding=False).payoffs == (Fraction(49, 10),) * 2


def test_without_an_equilibrium_everybody_plays_safe():
    nothing = replace(nash_equilibria(SEXES), points=[], complete=False, reason="none was sought")
    safe = solve(SEXES, equilibria=nothing, binding=False)
    assert (safe.concept, safe.strategies[0]) == ("security levels", (Fraction(2, 5), Fraction(3, 5)))
    assert all(u >= level for u, level in zip(safe.payoffs, security_levels(SEXES), strict=True))
    assert solve(SEXES, equilibria=nothing).payoffs == solve(SEXES).payoffs, "agreements do not need one"


# Laws

small = st.integers(-4, 4)


def games(*shapes):
    def tables(shape):
        return st.lists(
            st.lists(small, min_size=prod(shape), max_size=prod(shape)), min_size=len(shape), max_size=len(shape)
        ).map(lambda flat: Game([nested(table, shape) for table in flat]))

    return st.sampled_from(shapes).flatmap(tables)


def nested(flat, shape):
    for size in reversed(shape[1:]):
        flat = [flat[at : at + size] for at in range(0, len(flat), size)]
    return flat


def changed(game, change):
    """The game whose payoffs `change(player, profile)` gives."""
    return [nested([change(player, profile) for profile in game.profiles()], game.shape) for player in range(game.n)]


def pairs(numbers, others):
    return zip(map(float, numbers), map(float, others), strict=True)


SHAPES = ((2, 2), (2, 3), (3, 3), (3, 2))
SOME = settings(derandomize=True, deadline=None, max_examples=80)
both_ways = pytest.mark.parametrize("binding", [True, False], ids=["binding", "not binding"])


@both_ways
@SOME
@given(games(*SHAPES))
def test_there_is_always_an_outcome_that_nobody_loses_by(binding, game):
    """Individual rationality; and the lottery pays what it is said to pay."""
    solution = solve(game, binding=binding)
    assert sum(p for _, p in solution.outcome) == 1
    assert min(p for _, p in solution.outcome) > 0
    paid = [sum(p * game.payoff(profile)[player] for profile, p in solution.outcome) for player in range(game.n)]
    assert tuple(paid) == solution.payoffs
    assert all(u >= level for u, level in zip(paid, security_levels(game), strict=True))
    assert 0 <= solution.efficiency <= 1
    assert 0 <= solution.fairness <= 1
    assert solution.rationale
    json.dumps(solution.to_dict())


@SOME
@given(games(*SHAPES))
def test_an_agreement_is_never_dominated_by_any_mixture_of_two_outcomes(game):
    payoffs = solve(game).payoffs
    points = [game.payoff(profile) for profile in pareto_outcomes(game)]
    for one, other, tenths in product(points, points, range(11)):
        mixed = tuple(Fraction(tenths * a + (10 - tenths) * b, 10) for a, b in zip(one, other, strict=True))
        assert mixed == payoffs or any(m < u for m, u in zip(mixed, payoffs, strict=True))


@SOME
@given(games(*SHAPES))
def test_without_binding_agreements_nobody_gains_by_deviating(game):
    solution = solve(game, binding=False)
    assert game.regret(solution.strategies) == 0
    points = nash_equilibria(game).points
    paid = [game.expected(point) for point in points]
    assert not any(dominates(other, solution.payoffs) for other in paid)
    if any(1 not in strategy for strategy in solution.strategies):
        pure = [own for point, own in zip(points, paid, strict=True) if all(1 in strategy for strategy in point)]
        assert all(any(dominates(other, own) for other in paid) for own in pure)


def dominates(one, other):
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


@both_ways
@SOME
@given(games(*SHAPES), st.lists(st.tuples(st.integers(1, 5), small), min_size=3, max_size=3))
def test_the_units_and_zeros_of_a_players_payoffs_do_not_matter(binding, game, units):
    scaled = Game(changed(game, lambda i, profile: units[i][0] * game.payoff(profile)[i] + units[i][1]))
    before, after = solve(game, binding=binding), solve(scaled, binding=binding)
    assert (after.outcome, after.concept) == (before.outcome, before.concept)
    assert (after.efficiency, after.fairness) == (before.efficiency, before.fairness)


@SOME
@given(games(*SHAPES), st.randoms(use_true_random=False))
def test_the_order_and_the_names_of_players_and_actions_do_not_matter(game, rng):
    """The payoffs follow the players; which of several profiles with the same payoffs is drawn may differ."""
    who = rng.sample(range(game.n), game.n)
    what = [rng.sample(range(size), size) for size in game.shape]

    def before(profile):
        back = [0] * game.n
        for place, player in enumerate(who):
            back[player] = what[player][profile[place]]
        return game.payoff(back)

    shape = [game.shape[player] for player in who]
    tables = [nested([before(profile)[player] for profile in product(*map(range, shape))], shape) for player in who]
    one, other = solve(game), solve(Game(tables))
    assert list(other.payoffs) == [one.payoffs[player] for player in who]
    assert (other.concept, other.efficiency, other.fairness) == (one.concept, one.efficiency, one.fairness)
    assert other.cooperative_potential == one.cooperative_potential
    alone, renamed = solve(game, binding=False), solve(Game(tables), binding=False)
    assert sorted(renamed.payoffs) == sorted(alone.payoffs) or "equally good" in alone.rationale


@SOME
@given(st.integers(2, 3).flatmap(lambda n: st.lists(small, min_size=n * n, max_size=n * n)))
def test_in_a_symmetric_game_an_agreement_gives_both_the_same(flat):
    rows = nested(flat, (round(len(flat) ** 0.5),) * 2)
    solution = solve(Game([rows, [list(column) for column in zip(*rows, strict=True)]]))
    assert solution.payoffs[0] == solution.payoffs[1]
    assert solution.fairness == 1


@SOME
@given(games(*SHAPES))
def test_no_candidate_beats_what_is_chosen(game):
    """Efficiency times fairness of a lottery is largest at the Nash bargaining solution."""
    solution = solve(game)
    chosen = float(solution.efficiency) * solution.fairness
    assert max(candidate.score for candidate in solution.candidates) <= chosen + 1e-12
    assert solution.payoffs == nash_bargaining(game).payoffs
    sharing = [candidate for candidate in solution.candidates if candidate.concept == "Kalai-Smorodinsky"]
    assert [candidate.payoffs for candidate in sharing] == [kalai_smorodinsky(game).payoffs][: len(sharing)]


@SOME
@given(games(*SHAPES))
def test_a_potential_is_between_nothing_and_all_and_nothing_at_a_best_equilibrium(game):
    potential, found = cooperative_potential(game), nash_equilibria(game)
    most = max(sum(game.payoff(profile)) for profile in game.profiles())
    best = max(sum(game.expected(point)) for point in found.points)
    if potential is None:
        assert most == sum(security_levels(game))
    else:
        assert 0 <= potential <= 1
        assert (potential == 0) == (best == most)


@pytest.mark.parametrize("seed", range(4))
def test_three_players_are_solved_to_1e_9(seed):
    rng = random.Random(seed)
    game = Game([[[[rng.randint(0, 9) for _ in "ab"] for _ in "ab"] for _ in "ab"] for _ in "abc"])
    found, levels = nash_equilibria(game), security_levels(game)
    for binding in (True, False):
        solution = solve(game, equilibria=found, binding=binding)
        assert sum(p for _, p in solution.outcome) == 1
        assert all(u >= level - Fraction(1, 10**9) for u, level in zip(solution.payoffs, levels, strict=True))
        assert solution.strategies is None or game.regret(solution.strategies) < 1e-9
    shifted = Game(changed(game, lambda i, profile: (i + 2) * game.payoff(profile)[i] - 3))
    expected = [(i + 2) * u - 3 for i, u in enumerate(solve(game, equilibria=found).payoffs)]
    assert list(map(float, solve(shifted).payoffs)) == pytest.approx(list(map(float, expected)), abs=1e-7)


# What is said and what is given


def test_an_incomplete_list_of_equilibria_is_never_taken_for_a_complete_one():
    known = replace(nash_equilibria(STAG_HUNT), points=[[[0, 1], [0, 1]]], complete=False, reason="one was given")
    solution = solve(STAG_HUNT, equilibria=known, binding=False)
    assert (solution.payoffs, solution.complete) == ((3, 3), False)
    assert "there may be a better one (one was given)." in solution.rationale
    assert "better one" not in solve(STAG_HUNT, binding=False).rationale


@pytest.mark.parametrize(
    ("game", "equilibria", "message"),
    [
        ([[1, 2], [3, 4]], None, "The game was a list; give a Game(payoffs)"),
        (PRISONERS, [[[1, 0], [1, 0]]], "The equilibria were list"),
        (PRISONERS, nash_equilibria(Game([[3, 7, 5]])), "Give one vector of probabilities per player"),
    ],
)
@pytest.mark.parametrize("function", [solve, cooperative_potential])
def test_wrong_input_is_refused_in_words(function, game, equilibria, message):
    with pytest.raises(ConfigError) as refused:
        function(game, equilibria=equilibria)
    assert message in str(refused.value)
