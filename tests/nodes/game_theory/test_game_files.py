"""Games from files: our JSON and Gambit's .nfg, and what every wrong file is told."""

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.games import Game, nash_equilibria, read_game
from tests.nodes.game_theory.drawn_games import drawn

DATA = Path(__file__).parents[2] / "data"
HEAD = 'NFG 1 R "t" { "ann" "bob" } '


def read(name):
    return read_game((DATA / name).read_text(), name)


# Gambit


def test_a_gambit_file_with_payoffs():
    game = read("selten.nfg")
    assert (game.shape, game.players) == ((3, 2), ("Player 1", "Player 2"))
    assert game.title == "Selten (IJGT, 75), Figure 2, normal form"
    assert [game.payoff(profile) for profile in game.profiles()] == [(1, 1), (1, 1), (0, 2), (0, 3), (0, 2), (2, 0)]


def test_a_gambit_file_with_outcomes():
    game = read("selten_outcomes.nfg")
    assert game == read("selten.nfg")


def test_a_gambit_file_of_three_players_with_labels_decimals_and_fractions():
    game = read("pollution.nfg")
    assert game.title == 'Three cities; "clean" costs 1, and each dirty one costs everybody 3/4'
    assert game.actions == (("clean", "dirty"),) * 3
    assert game.payoff((1, 0, 0)) == (Fraction(-3, 4), Fraction(-7, 4), Fraction(-7, 4))  # The first changes fastest.
    assert game.payoff((0, 1, 1)) == (Fraction(-5, 2), Fraction(-3, 2), Fraction(-3, 2))
    assert nash_equilibria(game).points == [((0, 1), (0, 1), (0, 1))]


def test_outcome_0_is_nothing_for_everybody():
    game = read_game(HEAD + '{ { "a" "b" } { "c" } } { { "win" 5 -5 } } 0 1', "g.nfg")
    assert [game.payoff(profile) for profile in game.profiles()] == [(0, 0), (5, -5)]


def test_labels_that_are_no_names_become_numbers():
    game = read_game('NFG 1 R "" { "" "" } { { "a" "a" } { "b" "" } } 1 2 3 4 5 6 7 8', "g.nfg")
    assert (game.players, game.actions) == (("player 1", "player 2"), (("1", "2"), ("1", "2")))


def test_a_gambit_file_is_known_by_its_first_word_too():
    assert read_game("\ufeff\n" + HEAD + "{ 1 1 } 3, 4", "-").payoff((0, 0)) == (3, 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: here is the end; there should be a number or word"),
        ("EFG 2 R", "line 1: here is 'EFG'; there should be 'NFG'"),
        ('NFG 2 R "t"', "line 1: here is '2'; there should be '1'"),
        ("NFG 1 R title", "line 1: here is 'title'; there should be a name in double quotes"),
        ('NFG 1 R "t\n', "there should be a name in double quotes"),
        ('NFG 1 R "t" "ann"', "here is '\"ann\"'; there should be '{'"),
        (HEAD + "{ 2 }\n1 2 3 4", "line 2: here is '1'; there should be actions for each of the 2 players before this"),
        (HEAD + "{ 2 0 } 1 2", "actions for each of the 2 players"),
        (HEAD + "{ 2 -1 } 1 2", "here is '-1'; there should be a whole number"),
        (
            HEAD + "{ 2 2 }\n\n1 2 3",
            "line 3: here is the end; there should be 8 payoffs (4 profiles of 2 players), not 3",
        ),
        (HEAD + "{ 1 1 }\n1 2 3", "line 2: here is '3'; there should be the end"),
        (HEAD + "{ 1 1 }\n1 $5", "line 2: the payoff was '$5'; give a finite number"),
        (HEAD + "{ 1 1 }\n1 NaN", "line 2: the payoff was 'NaN'"),
        (HEAD + "{ 1 1 }\n1 1/0", "line 2: the payoff was '1/0'"),
        (
            HEAD + '{ { "a" } { "b" } } { { "" 1 2 } }\n2',
            "line 2: here is '2'; there should be the number of an outcome, at most 1",
        ),
        (HEAD + '{ { "a" } { "b" } } { { "" 1 2 } }\n-1', "line 2: here is '-1'; there should be a whole number"),
        (HEAD + '{ { "a" } { "b" } } { { "" 1 } }', "here is '}'; there should be a number or word"),
        (HEAD + '{ { "a" } { "b" } } { { "" 1 2 3 } }', "here is '3'; there should be '}'"),
        (HEAD + "{ 999999999 999999999 } 1 2", "there should be 1999999996000000002 payoffs"),
        (HEAD + '{ { "a" } { } } 1 2', "actions for each of the 2 players"),
        ('NFG 1 R "t" { } { } 1', "actions for each of the 0 players"),
    ],
)
def test_a_wrong_gambit_file_is_refused_with_its_line(text, says):
    with pytest.raises(ConfigError) as error:
        read_game(text, "g.nfg")
    assert str(error.value).startswith("'g.nfg'")
    assert says in str(error.value)


# JSON


def test_a_json_file():
    game = read_game('{"payoffs": [[[0.1, "1/3"]], [[2, -3]]], "players": ["ann", "bob"], "title": null}', "g.json")
    assert game.payoff((0, 0)) == (Fraction(1, 10), 2)
    assert game.payoff((0, 1)) == (Fraction(1, 3), -3)
    assert (game.players, game.title) == (("ann", "bob"), "")


def test_a_game_is_written_and_read():
    game = read("pollution.nfg")
    assert read_game(json.dumps(game.to_dict()), "g.json") == game


def test_decimals_are_read_as_they_are_written():
    assert read_game('{"payoffs": [[0.12345678901234567890123]]}', "g.json").payoff((0,)) == (
        Fraction("0.12345678901234567890123"),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'g.json' is not JSON"),
        ("[[[1]], [[1]]]", "'g.json' holds no payoffs"),
        ('{"payofs": [[1]]}', "'g.json' holds no payoffs"),
        (
            '{"payoffs": [[1]], "player": ["ann"]}',
            "'g.json' has the key 'player'; keys are payoffs, players, actions, title. Did you mean 'players'?",
        ),
        ('{"payoffs": [[1]], "payoffs": [[2]]}', "'payoffs' stands there twice"),
        ('{"payoffs": [[1, 2], [3]]}', "'g.json': There are 2 tables of payoffs"),
        ('{"payoffs": [[NaN]]}', "'g.json': The payoff payoffs[0][0] was nan"),
        ('{"payoffs": [[1e999]]}', "'g.json': The payoff payoffs[0][0] was a number of more than 100 digits"),
        ('{"payoffs": [[true]]}', "'g.json': The payoff payoffs[0][0] was True"),
        ('{"payoffs": null}', "'g.json': The payoffs were None"),
        ('{"payoffs": [[1]], "players": "a"}', "'g.json': The players were 'a'"),
        ('{"payoffs": [[1]], "title": [1]}', "'g.json': The title was [1]"),
        ('{"payoffs": ' + "[" * 100_000, "'g.json' is not JSON"),
        ('{"payoffs": [[' + "9" * 5_000 + "]]}", "'g.json' is not JSON"),
    ],
    ids=range(14),
)
def test_a_wrong_json_file_is_refused_by_name(text, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        read_game(text, "g.json")


# Whatever the text


words = st.lists(
    st.sampled_from(
        [
            '"a"',
            '"b"',
            '""',
            "{",
            "}",
            "1",
            "2",
            "0",
            "-1/2",
            ".5",
            ",",
            "NFG",
            "x",
            '"',
            "\n",
            "{ 1 2 }",
            '{ "a" "b" }',
        ]
    ),
    max_size=12,
).map(" ".join)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    st.one_of(st.text(max_size=40), words, words.map(lambda text: HEAD + text)), st.sampled_from(("g.nfg", "g.json"))
)
def test_any_text_is_a_game_or_a_config_error(text, name):
    assert is_read_or_refused(text, name)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=12,
    )
)
def test_any_json_is_a_game_or_a_config_error(payoffs):
    assert is_read_or_refused(json.dumps({"payoffs": payoffs}), "g.json")


def is_read_or_refused(text, name):
    try:
        return isinstance(read_game(text, name), Game)
    except ConfigError as error:
        return str(error).startswith(f"'{name}'")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.data())
def test_a_game_written_for_gambit_is_read_back(data):
    shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    rng = data.draw(st.randoms(use_true_random=False))
    game = drawn(rng, shape, 99)
    profiles = sorted(game.profiles(), key=lambda profile: profile[::-1])
    cells = " ".join(str(payoff) for profile in profiles for payoff in game.payoff(profile))
    players = " ".join(f'"{name}"' for name in game.players)
    assert read_game(f'NFG 1 R "" {{ {players} }} {{ {" ".join(map(str, shape))} }} {cells}', "g.nfg") == game
