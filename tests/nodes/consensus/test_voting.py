"""Counting votes: each rule by example, the laws that all keep, and certainty before everybody has voted."""

import json
import random
from fractions import Fraction
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.consensus.ballot_box import BallotBox
from langgraph_agora.nodes.consensus.ballot_files import read_ballots
from langgraph_agora.nodes.consensus.counting import RULES
from langgraph_agora.nodes.consensus.voting import capped, tally, tally_early

MEMBERS = ["ann", "bob", "cem", "dee", "eva"]
RANKED = ("borda", "condorcet", "copeland", "schulze", "minimax", "irv")
CYCLE = {"ann": ["a", "b", "c"], "bob": ["b", "c", "a"], "cem": ["c", "a", "b"]}


def votes(*choices):
    return dict(zip(MEMBERS, choices, strict=False))


def profile(*groups):
    """Ballots from (how many, "abc") pairs."""
    rankings = [list(ranking) for number, ranking in groups for _ in range(number)]
    return {f"v{i}": ranking for i, ranking in enumerate(rankings)}


# Rules about shares


@pytest.mark.parametrize(
    ("ballots", "electorate", "winner"),
    [
        (votes("red", "red", "blue"), None, "red"),
        (votes("red", "red", "blue", "blue"), None, None),  # Half is no majority.
        (votes("red", "red", "blue"), MEMBERS, None),  # Two of five.
        (votes("red", "red", "red"), MEMBERS, "red"),
        (votes("red", None, None), None, "red"),  # Abstentions are no ballots...
        (votes("red", None, None), MEMBERS[:3], None),  # ...but members.
        (votes("red", "red"), 3, "red"),
    ],
)
def test_a_majority_is_more_than_half(ballots, electorate, winner):
    outcome = tally(ballots, rule="majority", electorate=electorate)
    assert (outcome.decided, outcome.winner) == (winner is not None, winner)
    assert bool(outcome.reason) == (winner is None)


@pytest.mark.parametrize(
    ("red", "of", "threshold", "decided"),
    [
        (2, 3, "2/3", True),
        (66, 100, "2/3", False),
        (67, 100, "2/3", True),
        (7, 10, 0.7, True),  # 0.7 is read as seven tenths, not as the float beside it.
        (3, 4, Fraction(3, 4), True),
        (3, 3, 1, True),
        (2, 3, 1, False),
    ],
)
def test_a_qualified_majority_is_at_least_the_threshold(red, of, threshold, decided):
    ballots = {f"v{i}": "red" if i < red else f"other {i}" for i in range(of)}
    assert tally(ballots, rule="qualified", threshold=threshold).decided is decided


def test_unanimity_is_the_same_choice_from_every_member():
    assert tally(votes("red", "red", "red"), rule="unanimous").winner == "red"
    assert not tally(votes("red", "red", "blue"), rule="unanimous").decided
    assert not tally(votes("red", "red", None), rule="unanimous").decided
    assert not tally(votes("red", "red"), rule="unanimous", electorate=MEMBERS).decided


def test_weights_count_instead_of_heads():
    ballots, weights = votes("red", "blue", "blue"), {"ann": 3, "bob": 1, "cem": 1}
    assert tally(ballots, rule="weighted", weights=weights).winner == "red"
    assert tally(ballots, rule="weighted", weights=weights, threshold="2/3").winner is None
    assert tally(votes("red", "blue"), rule="weighted", weights={"ann": 0.1, "bob": 0.1}).tied == ("blue", "red")


def test_an_even_split_is_undecided_and_says_so():
    outcome = tally(votes("red", "red", "blue", "blue"), rule="majority")
    assert outcome.tied == ("blue", "red")
    assert outcome.reason == "no option has more than half: blue 2, red 2 of 4"


# Ranked rules. The first profile is the textbook one in which five rules have five winners' worth of disagreement.

TENNESSEE = profile((42, "MNCK"), (26, "NCKM"), (15, "CKNM"), (17, "KCNM"))


@pytest.mark.parametrize(
    ("rule", "winner"),
    [
        ("plurality", "M"),
        ("borda", "N"),
        ("condorcet", "N"),
        ("copeland", "N"),
        ("schulze", "N"),
        ("minimax", "N"),
        ("irv", "K"),
    ],
)
def test_the_capital_of_tennessee(rule, winner):
    assert tally(TENNESSEE, rule=rule).winner == winner


def test_schulzes_own_example():
    """Schulze 2011, example 1: 45 voters, five options, E wins."""
    ballots = profile(
        (5, "ACBED"), (5, "ADECB"), (8, "BEDAC"), (3, "CABED"), (7, "CAEBD"), (2, "CBADE"), (7, "DCEBA"), (8, "EBADC")
    )
    assert tally(ballots, rule="schulze").winner == "E"
    assert tally(ballots, rule="condorcet").tied == ("A", "B", "C", "D", "E")


@pytest.mark.parametrize("rule", RANKED)
def test_a_cycle_is_a_tie_of_all(rule):
    outcome = tally(CYCLE, rule=rule)
    assert (outcome.decided, outcome.tied) == (False, ("a", "b", "c"))


def test_what_a_ranking_leaves_out_comes_last_together():
    scores = tally({"ann": ["a"], "bob": ["b", "a", "c"]}, rule="borda").scores
    assert scores == {"a": 3, "b": Fraction(5, 2), "c": Fraction(1, 2)}


def test_all_that_share_the_last_place_leave_together():
    ballots = profile((4, "abc"), (3, "bca"), (2, "cba"), (2, "dba"))
    assert tally(ballots, rule="irv").winner == "b"


def test_approval_counts_every_name_on_a_list():
    outcome = tally({"ann": ["a", "b"], "bob": ["b"], "cem": {"c", "b"}}, rule="approval")
    assert (outcome.winner, outcome.scores) == ("b", {"a": 1, "b": 3, "c": 1})


# Laws

options = st.sampled_from("abcd")
rankings = st.permutations("abcd").map(list)
profiles = st.lists(rankings, min_size=1, max_size=7)


@settings(derandomize=True, deadline=None)
@given(profiles, st.sampled_from(RULES), st.permutations("abcd"), st.randoms(use_true_random=False))
def test_neither_the_names_of_voters_nor_of_options_matter(given, rule, names, rng):
    """V1: anonymity and neutrality."""
    weights = {f"v{i}": 1 for i in range(len(given))} if rule == "weighted" else None
    ballots = {f"v{i}": ranking for i, ranking in enumerate(given)}
    before = tally(ballots, rule=rule, weights=weights)
    shuffled = list(ballots.items())
    rng.shuffle(shuffled)
    renamed = dict(zip("abcd", names, strict=True))
    after = tally({v: [renamed[o] for o in r] for v, r in shuffled}, rule=rule, weights=weights)
    assert after.decided == before.decided
    assert {renamed[o] for o in before.tied} == set(after.tied)
    assert before.winner is None or renamed[before.winner] == after.winner


@settings(derandomize=True, deadline=None)
@given(profiles, st.sampled_from(("plurality", "borda", "condorcet", "copeland", "schulze", "minimax", "majority")))
def test_moving_the_winner_up_keeps_it_winning(given, rule):
    """V1: monotonicity, which irv does not have."""
    ballots = {f"v{i}": ranking for i, ranking in enumerate(given)}
    winner = tally(ballots, rule=rule).winner
    if winner is None:
        return
    for voter, ranking in ballots.items():
        place = ranking.index(winner)
        if place:
            moved = [*ranking[: place - 1], winner, ranking[place - 1], *ranking[place + 1 :]]
            assert tally({**ballots, voter: moved}, rule=rule).winner == winner


@settings(derandomize=True, deadline=None)
@given(profiles, st.sampled_from(RULES), st.lists(st.integers(1, 9), min_size=7, max_size=7), st.integers(2, 9))
def test_weights_count_by_proportion(given, rule, weights, factor):
    """V7: scaling all weights changes nothing."""
    ballots = {f"v{i}": ranking for i, ranking in enumerate(given)}
    one = tally(ballots, rule=rule, weights={f"v{i}": w for i, w in enumerate(weights)})
    other = tally(ballots, rule=rule, weights={f"v{i}": w * factor for i, w in enumerate(weights)})
    assert (one.winner, one.tied) == (other.winner, other.tied)


@settings(derandomize=True, deadline=None)
@given(profiles, st.sampled_from(RULES))
def test_an_outcome_is_json_and_either_decided_or_explained(given, rule):
    outcome = tally(dict(enumerate_names(given)), rule=rule, weights={"v0": 1})
    assert json.loads(json.dumps(outcome.to_dict()))["winner"] == outcome.winner
    assert outcome.decided == (outcome.winner is not None) == (not outcome.reason)


def enumerate_names(given):
    return ((f"v{i}", ranking) for i, ranking in enumerate(given))


# Certainty before everybody has voted (V2)


def completions(ballots, members, choices):
    missing = [member for member in members if member not in ballots]
    for filled in product(choices, repeat=len(missing)):
        yield {**ballots, **dict(zip(missing, filled, strict=True))}


@pytest.mark.parametrize("rule", ["majority", "qualified", "unanimous", "weighted", "plurality", "approval"])
def test_early_certainty_is_sound_and_complete_for_choices(rule):
    """Brute force over every completion: certain exactly when all of them have the same outcome."""
    rng = random.Random(rule)
    certain = 0
    for _ in range(250):
        members = MEMBERS[: rng.randint(2, 5)]
        weights = {member: rng.randint(1, 3) for member in members} if rule == "weighted" else None
        cast = {m: rng.choice(["a", "b", None, "a"]) for m in members if rng.random() < 0.6}
        choices = ["a", "b", "c", None] if rule != "approval" else [["a"], ["b", "c"], ["a", "b"], ["c"], None]
        known = {"weights": weights, "electorate": members, "rule": rule, "options": ["a", "b", "c"]}
        early = tally_early(cast, **known)
        winners = {tally(full, **known).winner for full in completions(cast, members, choices)}
        expected = len(winners) == 1 and (
            winners != {None} or rule in ("majority", "qualified", "unanimous", "weighted")
        )
        assert (early is not None) == (expected or len(cast) == len(members)), (cast, members, winners)
        if early is not None:
            certain += 1
            assert {early.winner} == winners
    assert certain > 20


@pytest.mark.parametrize("rule", RANKED)
def test_early_certainty_is_sound_and_complete_for_rankings(rule):
    rng = random.Random(rule)
    all_rankings = [list(order) for order in permutations("abc")]
    certain = 0
    for _ in range(120):
        members = [*MEMBERS, "fay"][: rng.randint(3, 6)]
        lead = rng.choice(all_rankings)
        cast = {m: (lead if rng.random() < 0.7 else rng.choice(all_rankings)) for m in members}
        for member in rng.sample(members, min(len(members), rng.randint(1, 3))):
            del cast[member]
        known = {"electorate": members, "rule": rule, "options": ["a", "b", "c"]}
        early = tally_early(cast, **known)
        winners = {tally(full, **known).winner for full in completions(cast, members, [*all_rankings, None])}
        assert (early is not None) == (len(winners) == 1 and winners != {None}), (cast, winners)
        if early is not None:
            certain += 1
            assert {early.winner} == winners
    assert certain > 3


def test_without_options_a_missing_ballot_may_name_anything():
    cast = votes("red", "red")
    assert tally_early(cast, rule="plurality", electorate=MEMBERS[:3]).winner == "red"
    assert tally_early(cast, rule="plurality", electorate=MEMBERS[:4]) is None
    assert tally_early(votes("red", "blue"), rule="unanimous", electorate=MEMBERS).decided is False


def test_what_can_never_be_decided_is_certain_too():
    assert tally_early({"ann": "a", "bob": "b"}, rule="qualified", threshold="1/3", electorate=MEMBERS[:3]).tied == (
        "a",
        "b",
    )
    early = tally_early({"ann": None}, rule="majority", quorum=2, electorate=MEMBERS[:2])
    assert "quorum of 2" in early.reason
    weights = {"ann": 2, "bob": 1, "cem": 1, "dee": 3}
    known = {"rule": "irv", "options": ["a", "b"], "electorate": MEMBERS[:4], "weights": weights}
    assert tally_early({"cem": ["a"], "dee": ["a"]}, **known).winner == "a"


# One vote for each voter


def test_a_second_different_vote_is_evidence_and_changes_nothing():
    """V3 and V4."""
    box = BallotBox(MEMBERS)
    said = [box.cast("ann", "red"), box.cast("ann", "blue"), box.cast("ann", "blue"), box.cast("zoe", "red")]
    box.closed = True
    said += [box.cast("bob", "red"), box.cast("ann", "red")]
    assert said == ["counted", "conflict", "conflict", "no member", "late", "repeated"]
    assert box.ballots == {"ann": "red"}
    assert box.evidence == [{"voter": "ann", "first": "red", "second": "blue"}]
    assert box.late == [("bob", "red")]


def test_who_is_no_member_is_ignored_and_named():
    outcome = tally({"ann": "red", "zoe": "blue"}, rule="majority", electorate=["ann"])
    assert (outcome.winner, outcome.ignored) == ("red", ("zoe",))


def test_a_quorum_has_to_be_reached():
    ballots = votes("red", "red", None, None, None)
    assert tally(ballots, rule="plurality", quorum=2, electorate=MEMBERS).decided
    assert tally(ballots, rule="plurality", quorum="2/5", electorate=MEMBERS).decided
    assert "quorum of 3" in tally(ballots, rule="plurality", quorum="1/2", electorate=MEMBERS).reason
    assert "2 of 5 voted" in tally(ballots, rule="plurality", quorum="1/2").reason, "who abstains was asked too"
    assert not tally(ballots, rule="plurality", quorum=9).decided


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=4, max_size=9))
def test_capped_weights_leave_nobody_a_third_and_keep_the_order(weights):
    before = {f"v{i}": weight for i, weight in enumerate(weights)}
    after = capped(before)
    assert all(3 * weight < sum(after.values()) for weight in after.values())
    assert all(weight > 0 for weight in after.values())
    for a, b in permutations(before, 2):
        assert before[a] > before[b] or after[a] <= after[b]
    if 3 * max(weights) < sum(weights):
        assert all(Fraction(after[v], sum(after.values())) == Fraction(before[v], sum(weights)) for v in before)


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "majorty"}, "Did you mean 'majority'?"),
        ({"rule": "qualified", "threshold": "7/5"}, "threshold was '7/5'"),
        ({"rule": "qualified", "threshold": "abc"}, "threshold was 'abc'"),
        ({"rule": "qualified", "threshold": "1/0"}, "threshold was '1/0'"),
        ({"rule": "qualified", "threshold": 0}, "threshold was 0"),
        ({"rule": "qualified", "threshold": True}, "threshold was True"),
        ({"rule": "qualified", "threshold": float("nan")}, "threshold was nan"),
        ({"rule": "qualified", "threshold": "1e999999999"}, "threshold was '1e999999999'"),
        ({"rule": "weighted", "weights": ["ann"]}, "give a mapping"),
        ({"rule": "weighted", "weights": {"ann": 10**400}}, "far too large"),
        ({"rule": "majority", "electorate": 2.5}, "The electorate was 2.5"),
        ({"rule": "majority", "electorate": [["a"]]}, "The electorate was [['a']]"),
        ({"rule": "majority", "options": "red"}, "The options was 'red'"),
        ({"rule": "majority", "options": [1, "x"]}, "The options was [1, 'x']"),
        ({"rule": "weighted"}, "needs weights"),
        ({"rule": "weighted", "weights": {"ann": -1}}, "weight of 'ann' was -1"),
        ({"rule": "weighted", "weights": {"ann": 0}}, "weight of 'ann' was 0"),
        ({"rule": "weighted", "weights": {"ann": float("inf")}}, "weight of 'ann' was inf"),
        ({"rule": "weighted", "weights": {"ann": "2"}}, "weight of 'ann' was '2'"),
        ({"rule": "majority", "electorate": []}, "at least one"),
        ({"rule": "majority", "electorate": ["ann", "ann"]}, "each once"),
        ({"rule": "majority", "electorate": 0}, "The electorate is 0"),
        ({"rule": "majority", "options": ["rot", "blue"]}, "'ann' voted for 'red', which is no option"),
        ({"rule": "majority", "quorum": 9, "electorate": MEMBERS}, "quorum was 9"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, message):
    with pytest.raises(ConfigError) as refused:
        tally({"ann": "red"}, **arguments)
    assert message in str(refused.value)


@pytest.mark.parametrize("ballot", [["a", "a"], [1, 2], 5, [""], "", {"a": 1}])
def test_a_ballot_that_makes_no_sense_is_refused_with_its_voter(ballot):
    with pytest.raises(ConfigError, match="ballot of 'ann'"):
        tally({"ann": ballot}, rule="borda")


def test_nobody_voting_is_an_outcome():
    assert tally({}, rule="majority").reason == "nobody voted"
    assert tally({"ann": None}, rule="borda").reason == "nobody voted"


# Files


def test_files_in_json_and_csv_hold_ballots():
    assert read_ballots('{"ann": "red", "bob": ["red", "blue"]}', "b.json").ballots["bob"] == ["red", "blue"]
    weighted = read_ballots("voter,weight,first,second\nann,2,red,blue\nbob,1,,\n", "b.CSV")
    assert weighted.ballots == {"ann": ["red", "blue"], "bob": None}
    assert weighted.arguments == {"weights": {"ann": 2.0, "bob": 1.0}}
    assert read_ballots("\ufeffvoter,vote\nann,red\n", "b.csv").ballots == {"ann": "red"}, "as Excel saves it"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("{", "b.json", "is not JSON"),
        ("[1]", "b.json", "holds list"),
        ('{"ann": "red", "ann": "blue"}', "b.json", "'ann' stands there twice"),
        ('{"ballots": {}, "rules": "borda"}', "b.json", "has the key 'rules'"),
        ("ann,red\nann,blue\n", "b.csv", "two ballots of 'ann'"),
        ("voter,weight,vote\nann,much,red\n", "b.csv", "the weight 'much'"),
        ('ann,"red\n', "b.csv", "is not CSV"),
        ("voter;vote\nann;red\n", "b.csv", "has one column"),
        (",blue\nann,red\n", "b.csv", "a ballot without a voter"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(text, name, message):
    with pytest.raises(ConfigError) as refused:
        read_ballots(text, name)
    assert message in str(refused.value)


# The oracle


@pytest.mark.oracle
@pytest.mark.parametrize("rule", ["plurality", "approval", *RANKED])
def test_every_rule_agrees_with_pref_voting(rule):
    """1,500 random profiles of 2 to 5 options and 3 to 9 voters."""
    from pref_voting import voting_methods as theirs
    from pref_voting.profiles import Profile

    method = {
        "plurality": theirs.plurality,
        "approval": theirs.plurality,  # A list of one name.
        "borda": theirs.borda,
        "condorcet": theirs.condorcet,
        "copeland": theirs.copeland,
        "schulze": theirs.beat_path,
        "minimax": theirs.minimax,
        "irv": theirs.instant_runoff,
    }[rule]
    rng = random.Random(rule)
    for _ in range(1500):
        number = rng.randint(2, 5)
        given = [rng.sample(range(number), number) for _ in range(rng.randint(3, 9))]
        expected = {str(option) for option in method(Profile(given))}
        ballots = {f"v{i}": [str(o) for o in (r[:1] if rule == "approval" else r)] for i, r in enumerate(given)}
        outcome = tally(ballots, rule=rule, options=[str(option) for option in range(number)])
        if rule == "condorcet" and not outcome.decided:
            assert len(expected) != 1 or number == 1
            continue
        assert set(outcome.tied or [outcome.winner]) == expected, (given, outcome)
