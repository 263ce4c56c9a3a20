"""A game in normal form: what it takes, what it refuses, and payoffs on average."""

import pickle
import random
from decimal import Decimal
from fractions import Fraction
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.game_theory.exact import exact_number
from langgraph_agora.nodes.game_theory.game import Game
from tests.nodes.game_theory.drawn_games import drawn

PRISONERS = [[[3, 0], [5, 1]], [[3, 5], [0, 1]]]
PENNIES = Game([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])


def test_payoffs_are_found_by_player_and_profile():
    game = Game([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]])
    assert (game.shape, game.n) == ((2, 3), 2)
    assert list(game.profiles()) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert game.payoff((1, 0)) == (4, 10)
    assert game.table(1) == (7, 8, 9, 10, 11, 12)


def test_players_and_actions_have_names():
    assert Game(PRISONERS).players == ("player 1", "player 2")
    assert Game(PRISONERS).actions == (("1", "2"), ("1", "2"))
    game = Game(PRISONERS, players=["ann", "bob"], actions=[["c", "d"], ("e", "f")], title="dilemma")
    assert (game.players, game.actions, game.title) == (("ann", "bob"), (("c", "d"), ("e", "f")), "dilemma")


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (3, 3),
        (0.1, Fraction(1, 10)),  # as it is written, not the float beside it
        ("0.25", Fraction(1, 4)),
        (" -5/2 ", Fraction(-5, 2)),
        ("1e-3", Fraction(1, 1000)),
        (1e300, None),
        (Fraction(1, 3), Fraction(1, 3)),
        (Decimal("0.1"), Fraction(1, 10)),
        (np.float64(0.1), Fraction(1, 10)),
        (np.float32(0.1), Fraction(1, 10)),
        (np.int64(7), 7),
        (10**99, 10**99),
        (10**100, None),
        ("1e999", None),
        ("1e999999999", None),  # Python would compute for ever.
        ("9" * 10_000, None),
        ("$5", None),
        ("", None),
        ("1/0", None),
        ("1_000", None),
        ("٣", 3),
        ("nan", None),
        (float("nan"), None),
        (float("-inf"), None),
        (True, None),
        (np.bool_(True), None),
        (None, None),
        (1j, None),
        ([1], None),
    ],
)
def test_numbers_are_exact_or_refused(given, number):
    if number is None:
        with pytest.raises(ConfigError, match=r"the bid was .* give a finite number"):
            exact_number("the bid", given)
    else:
        assert exact_number("the bid", given) == number


@pytest.mark.parametrize(
    ("payoffs", "says"),
    [
        (None, "The payoffs were None"),
        ([], "The payoffs were []"),
        ("abc", "The payoffs were 'abc'"),
        ([1, 2], "2 tables of payoffs, but the first is nested 0 deep"),
        ([[3, 0], [5, 1]], "2 tables of payoffs, but the first is nested 1 deep"),
        ([[[3, 0], [5, 1]]], "1 tables of payoffs, but the first is nested 2 deep"),
        ([[[1, 2], [3, 4]], [[1, 2]]], "payoffs[1] has length 1, but payoffs[0] has length 2"),
        ([[[1, 2], [3]], [[1, 2], [3, 4]]], "payoffs[0][1] has length 1, but payoffs[0][0] has length 2"),
        ([[[1, 2], 3], [[1, 2], [3, 4]]], "payoffs[0][1] was 3"),
        ([[[1, [2]], [3, 4]], [[1, 2], [3, 4]]], "The payoff payoffs[0][0][1] was [2]"),
        ([[[1, 2], [3, 4]], [[1, 2], ["$5", 4]]], "The payoff payoffs[1][1][0] was '$5'"),
        ([[[]], [[]]], "payoffs[0][0] was []"),
        ([[], []], "payoffs[0] was []"),
    ],
)
def test_payoffs_that_are_no_game_are_refused_with_their_place(payoffs, says):
    with pytest.raises(ConfigError) as error:
        Game(payoffs)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"players": ["ann"]}, "The players were ['ann']; give 2 different names"),
        ({"players": ["ann", "ann"]}, "The players were ['ann', 'ann']"),
        ({"players": "ab"}, "The players were 'ab'"),
        ({"players": ["ann", ""]}, "The players were ['ann', '']"),
        ({"actions": [["a", "b"]]}, "a list of names for each of the 2 players"),
        ({"actions": [["a", "b"], ["a", "a"]]}, "The actions of 'player 2' were ['a', 'a']"),
        ({"actions": [["a", "b"], ["a", 1]]}, "The actions of 'player 2' were ['a', 1]"),
        ({"title": 7}, "The title was 7"),
    ],
)
def test_names_are_strings_each_once(names, says):
    with pytest.raises(ConfigError) as error:
        Game(PRISONERS, **names)
    assert says in str(error.value)


@pytest.mark.parametrize("given", [10**5000, -(10**5000), [10**5000], "9" * 10_000, [[[[0] * 10_000]]]], ids="abcde")
def test_what_is_too_large_to_show_is_named_all_the_same(given):
    with pytest.raises(ConfigError) as error:
        exact_number("the bid", given)
    assert len(str(error.value)) < 200
    with pytest.raises(ConfigError) as error:
        Game([[given, 1], given])
    assert len(str(error.value)) < 300


def test_arrays_are_read_as_lists_are():
    array = np.arange(12).reshape(2, 2, 3) / 10
    assert Game(array) == Game(array.tolist())
    assert Game(list(array)) == Game(array)
    assert Game(np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 10).payoff((0, 1)) == (
        Fraction(1, 10),
        Fraction(13, 10),
    )


def test_a_game_does_not_change_and_can_be_a_key():
    game = Game(PRISONERS)
    with pytest.raises(AttributeError):
        game.title = "another"
    assert {game: 1}[Game(PRISONERS)] == 1
    assert pickle.loads(pickle.dumps(game)) == game
    assert Game(PRISONERS, title="another") != game


def test_a_game_comes_back_from_its_dict():
    game = Game([[["1/3", 0.1]], [[5, 6]]], players=["ann", "bob"], title="t")
    assert game.to_dict()["payoffs"] == [[["1/3", "1/10"]], [["5", "6"]]]
    assert Game(**game.to_dict()) == game


def test_a_restricted_game_has_the_chosen_actions():
    game = Game([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]])
    small = game.restricted([[1], [0, 2]])
    assert (small.table(0), small.table(1)) == ((4, 6), (10, 12))
    assert small.actions == (("2",), ("1", "3"))


def test_expected_payoffs_are_exact_for_exact_probabilities():
    assert PENNIES.expected([["1/3", "2/3"], [Fraction(1, 4), Fraction(3, 4)]]) == (Fraction(1, 6), Fraction(-1, 6))
    assert PENNIES.action_payoffs(0, [[1, 0], ["1/4", "3/4"]]) == (Fraction(-1, 2), Fraction(1, 2))
    assert isinstance(PENNIES.expected([[0.5, 0.5], [1, 0]])[0], float)


def test_regret_is_the_largest_gain_of_anybody():
    assert Game(PRISONERS).regret([[1, 0], [1, 0]]) == 2
    assert Game(PRISONERS).regret([[0, 1], [0, 1]]) == 0
    assert Game(PRISONERS).regret([[0, 1], [1, 0]]) == 1  # Only the second player can do better.
    assert PENNIES.regret([["1/2", "1/2"], ["1/2", "1/2"]]) == 0
    assert PENNIES.regret([["1/2", "1/2"], ["3/4", "1/4"]]) == Fraction(1, 2)


@pytest.mark.parametrize(
    "mixed",
    [
        [[1, 0]],
        [[1, 0], [1, 0, 0]],
        [["1/2", "1/3"], [1, 0]],
        [["3/2", "-1/2"], [1, 0]],
        [[0.5, 0.51], [1, 0]],
        [[float("nan"), 1], [1, 0]],
    ],
)
def test_what_is_no_mixed_profile_is_refused(mixed):
    with pytest.raises(ConfigError):
        PENNIES.expected(mixed)


@pytest.mark.parametrize("profile", [(0,), (0, 2), (0, -1), (0, "a"), (0, 0, 0)])
def test_what_is_no_profile_is_refused(profile):
    with pytest.raises(ConfigError, match="The profile was"):
        PENNIES.payoff(profile)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_expected_payoff_is_the_sum_over_all_profiles(shape, rng):
    game = drawn(rng, shape, 9)
    mixed = []
    for size in shape:
        parts = [rng.randint(0, 3) for _ in range(size - 1)] + [1]
        mixed.append([Fraction(part, sum(parts)) for part in parts])
    for player in range(game.n):
        total = sum(
            prod(own[action] for own, action in zip(mixed, profile, strict=True)) * game.payoff(profile)[player]
            for profile in game.profiles()
        )
        assert game.expected(mixed)[player] == total
        for action in range(shape[player]):
            sure = [
                own if at != player else [int(a == action) for a in range(shape[player])]
                for at, own in enumerate(mixed)
            ]
            assert game.action_payoffs(player, mixed)[action] == game.expected(sure)[player]


def test_a_game_of_many_players_is_no_deeper_than_python_can_go():
    payoffs = 1
    for _ in range(2_000):
        payoffs = [payoffs]
    assert Game([payoffs] * 2_000).shape == (1,) * 2_000


def test_random_games_are_the_same_for_the_same_seed():
    assert drawn(random.Random(1), (2, 3), 9) == drawn(random.Random(1), (2, 3), 9)
