"""Equilibria of two players: known games, a second way to find them all, the laws, and games that are too large."""

import json
import os
import random
import subprocess
import sys
from fractions import Fraction
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.game_theory.components import maximal_subsets
from langgraph_agora.nodes.game_theory.dominance import undominated
from langgraph_agora.nodes.game_theory.supports import pure_equilibria
from langgraph_agora.nodes.games import Game, Limits, nash_equilibria
from tests.nodes.game_theory.drawn_games import drawn, rescaled, shuffled

CASES = json.loads((Path(__file__).parents[2] / "data" / "games.json").read_text())["cases"]
TWO_PLAYERS = [case for case in CASES if case["players"] == 2]
SIZES = [(2, 2), (2, 3), (3, 3), (3, 4), (4, 4)]

of_two = pytest.mark.parametrize("case", TWO_PLAYERS, ids=lambda case: case["id"])


def exact(point):
    return tuple(tuple(map(Fraction, own)) for own in point)


def as_sets(components):
    """Components without the order of anything."""
    return {
        frozenset(
            (frozenset(exact(subset["x_vertices"])), frozenset(exact(subset["y_vertices"]))) for subset in component
        )
        for component in components
    }


# Known games


@of_two
def test_all_extreme_equilibria_of_known_games(case):
    found = nash_equilibria(Game(case["payoffs"]))
    assert found.points == sorted(exact(point) for point in case["extreme_equilibria"])
    assert (found.complete, found.degenerate, found.reason, found.method) == (True, case["degenerate"], "", "vertices")


@of_two
def test_the_components_of_known_games(case):
    found = nash_equilibria(Game(case["payoffs"]))
    assert len(found.components) == case["n_components"]
    if case["components"] == "all singletons":
        assert found.components == [[{"x_vertices": [x], "y_vertices": [y]}] for x, y in found.points]
    else:
        assert as_sets(found.components) == as_sets(case["components"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_pure_equilibria_of_known_games(case):
    assert [list(profile) for profile in pure_equilibria(Game(case["payoffs"]))] == case["pure_equilibria"]


def test_an_equilibrium_that_support_enumeration_with_floats_loses():
    """Not degenerate, and its only equilibrium is ((21/43, 0, 22/43), (5/18, 0, 13/18))."""
    rows = [[26, 32, 31], [20, 56, 22], [39, 22, 26]]
    columns = [[59, 11, 37], [25, 40, 45], [19, 40, 40]]
    assert nash_equilibria(Game([rows, columns])).exact == [(("21/43", "0", "22/43"), ("5/18", "0", "13/18"))]


def test_a_game_of_one_player_is_a_choice():
    found = nash_equilibria(Game([[1, 3, 2, 3]]))
    assert found.points == [((0, 0, 0, 1),), ((0, 1, 0, 0),)]
    assert (found.complete, found.degenerate) == (True, True)
    assert nash_equilibria(Game([[1, 3, 2]])).points == [((0, 1, 0),)]
    assert nash_equilibria(Game([[5]])).points == [((1,),)]


def test_players_without_a_choice_leave_the_others_an_exact_game():
    """Matching pennies beside somebody who has one action, and somebody whose second action is dominated."""
    first = [[[[1, 1]], [[-1, -1]]], [[[-1, -1]], [[1, 1]]]]
    second = [[[[-1, -1]], [[1, 1]]], [[[1, 1]], [[-1, -1]]]]
    nobody = [[[[0, 0]], [[0, 0]]], [[[0, 0]], [[0, 0]]]]
    fourth = [[[[3, 2]], [[3, 2]]], [[[3, 2]], [[3, 2]]]]
    found = nash_equilibria(Game([first, second, nobody, fourth]))
    half = Fraction(1, 2)
    assert found.points == [((half, half), (half, half), (1,), (1, 0))]
    assert found.components == [[{"x_vertices": [(half, half)], "y_vertices": [(half, half)]}]]
    assert (found.complete, found.method) == (True, "vertices")


def test_the_result_is_plain_json():
    found = nash_equilibria(Game(next(case for case in CASES if case["id"] == "G08")["payoffs"])).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["points"][1] == [[1.0, 0.0, 0.0], [2 / 3, 1 / 3]]
    assert found["exact"][1] == [["1", "0", "0"], ["2/3", "1/3"]]
    assert found["components"][1] == [{"x_vertices": [["1", "0", "0"]], "y_vertices": [["2/3", "1/3"], ["1", "0"]]}]


# A second way: every square subsystem of the definition


@pytest.mark.parametrize("highest", [2, 99])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_brute_force_finds_the_same(size, highest):
    rng = random.Random(f"{size} {highest}")
    for _ in range(20):
        game = drawn(rng, size, highest)
        found = nash_equilibria(game)
        assert found.points == by_brute_force(game)
        assert found.complete


def by_brute_force(game):
    """Best replies as polytopes {(x, v): no column pays more than v against x}, which need no positive payoffs.

    A pair of vertices is an equilibrium when it is one by the definition, of regret 0.
    """
    rows = [game.table(0)[at : at + game.shape[1]] for at in range(0, len(game.table(0)), game.shape[1])]
    columns = [game.table(1)[at :: game.shape[1]] for at in range(game.shape[1])]
    return sorted((x, y) for x, y in product(corners(columns), corners(rows)) if game.regret([x, y]) == 0)


def corners(payoffs):
    """The strategies at which as many constraints are tight as there are actions; payoffs[reply][action]."""
    size = len(payoffs[0])
    limits = [[int(at == place) for at in range(size)] + [0] for place in range(size)]  # x >= 0
    limits += [[-payoff for payoff in row] + [1] for row in payoffs]  # v - payoff >= 0
    found = set()
    for tight in combinations(limits, size):
        solution = solved([[*row, 0] for row in tight] + [[1] * size + [0, 1]])
        if solution and all(sum(a * b for a, b in zip(row, solution, strict=True)) >= 0 for row in limits):
            found.add(tuple(solution[:-1]))
    return found


def solved(rows):
    """Gauss and Jordan, in Fractions; None when there is not one solution."""
    rows, size = [[Fraction(number) for number in row] for row in rows], len(rows)
    for column in range(size):
        pivot = next((at for at in range(column, size) if rows[at][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [number / rows[column][column] for number in rows[column]]
        for at in range(size):
            if at != column and rows[at][column]:
                rows[at] = [a - rows[at][column] * b for a, b in zip(rows[at], rows[column], strict=True)]
    return [row[-1] for row in rows]


# Laws

shapes = st.tuples(st.integers(1, 5), st.integers(1, 5))
highests = st.sampled_from((1, 2, 9, 999))
chances = st.randoms(use_true_random=False)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(shapes, highests, chances)
def test_every_point_is_an_equilibrium_and_every_pure_equilibrium_a_point(shape, highest, rng):
    game = drawn(rng, shape, highest)
    found = nash_equilibria(game)
    assert found.complete
    assert found.points
    assert all(game.regret(point) == 0 for point in found.points)
    pure = {profile for profile in game.profiles() if no_gain(game, profile)}
    assert {tuple(own.index(1) for own in point) for point in found.points if all(1 in own for own in point)} == pure


def no_gain(game, profile):
    for player, size in enumerate(game.shape):
        for action in range(size):
            other = (*profile[:player], action, *profile[player + 1 :])
            if game.payoff(other)[player] > game.payoff(profile)[player]:
                return False
    return True


@settings(derandomize=True, deadline=None, max_examples=60)
@given(shapes, highests, chances)
def test_neither_names_nor_scales_matter(shape, highest, rng):
    game = drawn(rng, shape, highest)
    found = nash_equilibria(game)
    other, back = shuffled(rng, game)
    turned = nash_equilibria(other)
    assert sorted(map(back, turned.points)) == found.points
    assert turned.degenerate == found.degenerate
    assert len(turned.components) == len(found.components)
    scaled = nash_equilibria(rescaled(rng, game))
    assert (scaled.points, scaled.components) == (found.points, found.components)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(shapes, st.sampled_from((1, 2)), chances)
def test_a_component_is_made_of_maximal_sets_in_which_everything_is_an_equilibrium(shape, highest, rng):
    game = drawn(rng, shape, highest)
    found = nash_equilibria(game)
    pairs, covered = set(found.points), set()
    for component in found.components:
        reached = set()
        for subset in component:
            xs, ys = subset["x_vertices"], subset["y_vertices"]
            assert set(product(xs, ys)) <= pairs
            assert game.regret([mixture(rng, xs), mixture(rng, ys)]) == 0
            assert not any(all((x, y) in pairs for y in ys) for x, _ in pairs if x not in xs)  # No x can be added,
            assert not any(all((x, y) in pairs for x in xs) for _, y in pairs if y not in ys)  # and no y.
            reached |= set(product(xs, ys))
        assert not reached & covered
        covered |= reached
        xs, ys = ({point[player] for point in reached} for player in (0, 1))
        assert not any((x in xs) != (y in ys) for x, y in pairs)  # Nothing outside touches it.
    assert covered == pairs
    assert found.degenerate == any(
        len(subset["x_vertices"] + subset["y_vertices"]) > 2 for c in found.components for subset in c
    )


def mixture(rng, vectors):
    weights = [rng.randint(0, 5) for _ in vectors[1:]] + [1]
    return tuple(
        sum(w * v for w, v in zip(weights, column, strict=True)) / Fraction(sum(weights))
        for column in zip(*vectors, strict=True)
    )


def test_generic_games_have_an_odd_number_of_equilibria():
    """Wilson 1971: with payoffs from so many that none tie, 30 games of 30 do."""
    rng = random.Random(5)
    assert all(len(nash_equilibria(drawn(rng, (5, 4), 10**9)).points) % 2 for _ in range(30))


def test_zero_sum_games_have_one_value():
    rng = random.Random(6)
    for _ in range(30):
        rows = drawn(rng, (4, 5), 3)
        game = Game([rows.to_dict()["payoffs"][0], [[-payoff for payoff in row] for row in whole(rows)]])
        assert len({game.expected(point) for point in nash_equilibria(game).points}) == 1


def whole(game):
    return [[int(payoff) for payoff in row] for row in game.to_dict()["payoffs"][0]]


@pytest.mark.parametrize("scale", [1, Fraction(1, 10**12), 10**60])
def test_payoffs_of_every_size_are_exact(scale):
    tables = [[[3, 1], [1, 2]], [[1, 2], [3, 1]]]
    game = Game([[[payoff * scale + 7 * scale for payoff in row] for row in table] for table in tables])
    assert nash_equilibria(game).exact == [(("2/3", "1/3"), ("1/3", "2/3"))]


# Dominance


def test_dominated_actions_go_one_after_the_other():
    """Fudenberg and Tirole, figure 1.1: first the middle column, then the lower rows, then the right column."""
    game = Game(next(case for case in CASES if case["id"] == "G12")["payoffs"])
    assert undominated(game) == [[0], [0]]
    assert undominated(Game([[[1, 1], [1, 1]], [[2, 2], [2, 2]]])) == [[0, 1], [0, 1]]  # Equal is not better.


def test_dominance_of_many_players_looks_at_all_that_the_others_still_do():
    rng = random.Random(7)
    for _ in range(200):
        game = drawn(rng, (3, 2, 3), 9)
        kept = undominated(game)
        for player, own in enumerate(kept):
            others = [actions for at, actions in enumerate(kept) if at != player]

            def pays(action, rest, player=player, game=game):
                return game.payoff((*rest[:player], action, *rest[player:]))[player]

            for action in own:
                assert not any(
                    all(pays(better, rest) > pays(action, rest) for rest in product(*others)) for better in own
                )


# Components


def test_a_graph_with_too_many_maximal_sets_is_said_to_have_them():
    """Each of 14 xs goes with every y but one: every choice of xs is a maximal set with the other ys."""
    everything = 2**14 - 1
    assert maximal_subsets([everything ^ 1 << at for at in range(14)]) is None
    assert len(maximal_subsets([0b1111 ^ 1 << at for at in range(4)])[0]) == 2**4 - 2


def test_a_game_with_too_many_maximal_sets_still_has_all_its_points():
    different = [[int(i != j) for j in range(14)] for i in range(14)]
    found = nash_equilibria(Game([different, different]))
    assert (found.complete, found.degenerate, found.components) == (True, True, [])
    assert found.reason == "components are left out: there are more than 10,000 maximal Nash subsets"


# Large games


def test_a_game_of_8_x_8_is_no_work_and_one_of_3_x_40_neither():
    rng = random.Random(8)
    for shape in ((8, 8), (3, 40), (60, 2)):
        game = drawn(rng, shape, 999)
        found = nash_equilibria(game)
        assert found.complete
        assert all(game.regret(point) == 0 for point in found.points)


def test_a_game_too_large_has_what_is_quick_to_find_and_says_so():
    game = drawn(random.Random(9), (30, 30), 999)
    found = nash_equilibria(game, limits=Limits(vertices=200))
    assert not found.complete
    assert found.reason.startswith("with 30 x 30 actions there may be 9.2e+11 vertices, of which 200 were visited")
    assert all(game.regret(point) == 0 for point in found.points)
    pure = [point for point in found.points if all(1 in own for own in point)]
    assert [tuple(own.index(1) for own in point) for point in pure] == pure_equilibria(game)
    assert len(found.points) > len(pure)  # one of Lemke and Howson at least


def test_a_large_game_without_a_pure_equilibrium_has_one_all_the_same():
    n = 25
    rows = [[(i - j) % n in (1, 2, 3) for j in range(n)] for i in range(n)]
    game = Game([[[int(won) for won in row] for row in rows], [[-int(won) for won in row] for row in rows]])
    found = nash_equilibria(game, limits=Limits(vertices=10))
    assert found.points
    assert not found.complete
    assert all(game.regret(point) == 0 for point in found.points)


def test_more_work_finds_more():
    game = Game(CASES[15]["payoffs"])  # with 75 equilibria
    few, all_ = (nash_equilibria(game, limits=Limits(vertices=vertices)) for vertices in (60, 260))
    assert (few.complete, all_.complete) == (False, True)
    assert set(few.points) < set(all_.points)


@pytest.mark.parametrize(
    "limits",
    [{"vertices": 0}, {"profiles": -1}, {"supports": 1.5}, {"vertices": True}, {"profiles": None}, {"supports": "9"}],
)
def test_limits_are_whole_numbers_above_0(limits):
    with pytest.raises(ConfigError, match=f"The limit {next(iter(limits))} was"):
        Limits(**limits)


def test_what_is_no_game_is_refused():
    with pytest.raises(ConfigError, match="give a Game"):
        nash_equilibria([[[1]], [[1]]])
    with pytest.raises(ConfigError, match="give Limits"):
        nash_equilibria(Game([[1]]), limits=100)


# The house


def test_the_same_game_gives_the_same_result_whatever_the_hash_seed():
    payoffs = [case["payoffs"] for case in CASES if case["id"] in ("G11", "G13", "G19")]
    code = f"from langgraph_agora.nodes.games import *; [print(nash_equilibria(Game(p)).to_dict()) for p in {payoffs}]"
    said = [run(code, PYTHONHASHSEED=seed) for seed in ("0", "1")]
    assert said[0] == said[1]


def test_importing_games_loads_neither_numpy_nor_sympy():
    code = "import sys, langgraph_agora.nodes.games; print({'numpy', 'scipy', 'sympy'} & set(sys.modules))"
    assert run(code).strip() == "set()"


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stdout
