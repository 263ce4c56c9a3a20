"""Reading a conflict: every kind by example, the features that follow, and whatever else JSON may hold."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.conflict import DEFAULTS, STRATEGIES, choose_strategy
from langgraph_agora.nodes.dispute import KEYS, TOLD, Conflict, features_of, number, read_conflict
from langgraph_agora.nodes.settlement import WAYS, meet, views_of

AGENTS = ["ann", "bob", "cem"]
DRINKS = {"options": ["tea", "milk"]}
RANKED = {"ann": ["tea", "milk"], "bob": ["milk"]}
VALUED = {"ann": {"tea": 9, "milk": 0}, "bob": {"tea": -1, "milk": 0.5}}
PRICE = {"issue": "price", "low": 0, "high": 100}
GOODS = {"items": ["desk", "lamp"]}
GAME = {"payoffs": [[[[3, 0], [5, 1]], [[2, 2], [0, 1]]]] * 3}
TALK = {"issues": [{"name": "price", "values": ["low", "high"]}]}
CHEAP = {"weights": {"price": 1}, "scores": {"price": {"low": 1, "high": 0}}}

# Kinds.


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (None, "options"),  # The agents are asked what the options are.
        ({}, "options"),
        (DRINKS, "options"),
        ({**DRINKS, "preferences": RANKED}, "options"),
        ({**DRINKS, "preferences": VALUED, "reservation": {"ann": 1}}, "options"),
        (PRICE, "numeric"),
        ({"issue": "price"}, "numeric"),
        ({"kind": "numeric"}, "numeric"),
        ({**PRICE, "positions": {"ann": 0, "bob": 100}}, "numeric"),
        (GOODS, "allocation"),
        ({**GOODS, "values": {"ann": {"desk": 30}, "bob": {"desk": 25, "lamp": 0}}}, "allocation"),
        (TALK, "multi_issue"),
        ({**TALK, "preferences": {"ann": CHEAP}}, "multi_issue"),
        (GAME, "normal_form"),
        ({**GAME, "actions": [["share", "take"]] * 3, "title": "A dilemma"}, "normal_form"),
    ],
)
def test_the_kind_follows_from_what_is_given(given, kind):
    conflict = read_conflict(given, AGENTS)
    assert conflict.kind == kind
    assert conflict.body == {key: value for key, value in (given or {}).items() if key != "kind"}
    assert read_conflict({**(given or {}), "kind": kind}, AGENTS) == conflict, "it may also be said"


def test_what_only_a_person_knows_is_kept_apart():
    told = {"rounds_left": 3, "deadlocked": True, "deal_zone": "empty", "binding_agreement": None}
    assert read_conflict({**DRINKS, **told}, AGENTS) == Conflict(
        "options", DRINKS, {"rounds_left": 3, "deadlocked": True, "deal_zone": "empty"}
    )


def test_what_can_be_chosen_are_the_options_or_the_items():
    assert read_conflict(DRINKS, AGENTS).options == ["tea", "milk"]
    assert read_conflict(GOODS, AGENTS).options == ["desk", "lamp"]
    assert read_conflict(PRICE, AGENTS).options == read_conflict(None, AGENTS).options == []


# Features.


def features(given, weights=(1, 1, 1), agents=AGENTS, arbiter=False, rounds=5, **known):
    """The features that are not at their defaults."""
    party = dict(zip(agents, weights, strict=False))
    found = features_of(read_conflict(given, agents), weights=party, arbiter=arbiter, rounds=rounds, **known)
    assert list(found) == list(DEFAULTS)
    return {name: value for name, value in found.items() if value != DEFAULTS[name]}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (DRINKS, {"kind": "options", "preference": "ordinal", "n_options": 2}),
        ({**DRINKS, "preferences": RANKED}, {"kind": "options", "preference": "ordinal", "n_options": 2}),
        ({**DRINKS, "preferences": VALUED}, {"kind": "options", "n_options": 2}),
        (
            {**DRINKS, "preferences": {**VALUED, "cem": ["tea"]}},  # One ranking makes all ordinal.
            {"kind": "options", "preference": "ordinal", "n_options": 2},
        ),
        (PRICE, {"kind": "numeric"}),
        (GOODS, {"kind": "allocation", "transferable_utility": True, "n_items": 2}),
        (
            {**GOODS, "values": {"ann": {"desk": 1}, "bob": {"lamp": 1}, "cem": {}}},
            {"kind": "allocation", "transferable_utility": True, "n_items": 2, "bidders_with_values": 2},
        ),
        ({**GOODS, "transferable_utility": False}, {"kind": "allocation", "n_items": 2}),
        (TALK, {}),
        (GAME, {"kind": "normal_form", "joint_payoffs": True}),
    ],
)
def test_the_features_follow_from_the_conflict(given, found):
    always = {"n_agents": 3, "max_weight_share": 1 / 3, "deal_zone": "unknown"}
    assert features(given) == always | found


def test_what_was_heard_counts_as_what_was_given():
    assert "preference" not in features(DRINKS, preferences=VALUED)
    assert features(DRINKS, preferences=RANKED)["preference"] == "ordinal"
    assert features(GOODS, preferences={"ann": {"desk": 1}, "bob": {"lamp": 2}})["bidders_with_values"] == 2


def test_arbiter_and_rounds_are_features_and_a_person_knows_better():
    assert features(TALK, arbiter=True, rounds=9)["arbiter"] is True
    assert features(TALK, rounds=9)["rounds_left"] == 9
    assert features({**TALK, "rounds_left": 1}, rounds=9)["rounds_left"] == 1


def test_what_the_preferences_show_of_the_zone_counts_more_than_what_somebody_believes():
    believed = {**TALK, "deal_zone": "nonempty"}
    assert "deal_zone" not in features(believed)
    assert features(believed, deal_zone="empty")["deal_zone"] == "empty"
    assert features(TALK, deal_zone="empty")["deal_zone"] == "empty"


def test_a_share_of_the_weight_is_exact_in_whatever_order_the_parties_stand():
    """In floats 0.3 + 0.4 + 0.1 is below 0.8, so that bob would hold more than half."""
    weights = {"ann": 0.3, "bob": 0.4, "cem": 0.1}
    for names in permutations(weights):
        assert features(None, [weights[name] for name in names], names)["max_weight_share"] == 0.5
    assert features(None, [2, 1, 1])["max_weight_share"] == 0.5
    assert features(None, [5, 2, 1])["max_weight_share"] == 0.625


@pytest.mark.parametrize(
    ("given", "strategy"),
    [
        (DRINKS, "majority_rule"),
        (PRICE, "weighted_compromise"),
        ({**GOODS, "values": {"ann": {"desk": 1}, "bob": {"lamp": 1}}}, "auction"),
        (GOODS, "weighted_compromise"),  # Nobody has said what they are worth.
        (TALK, "negotiation"),
        ({**TALK, "deal_zone": "empty"}, "weighted_compromise"),
        (GAME, "game_theory"),
        ({**DRINKS, "options": ["tea"]}, "none"),
    ],
)
def test_from_a_conflict_to_a_strategy(given, strategy):
    found = features_of(read_conflict(given, AGENTS), weights=dict.fromkeys(AGENTS, 1), arbiter=False, rounds=5)
    assert choose_strategy(found).strategy == strategy


# Wrong input.


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["tea", "milk"], "conflict was ['tea', 'milk']; give a mapping"),
        ("tea", "conflict was 'tea'; give a mapping"),
        ({"kind": "option"}, "The kind of the conflict was 'option'; it is one of normal_form"),
        ({"kind": "option"}, "Did you mean 'options'?"),
        ({"kind": ["options"]}, "The kind of the conflict was ['options']"),
        ({"kind": ""}, "The kind of the conflict was ''"),
        ({"option": ["tea"]}, "A conflict of kind options has no 'option'. Allowed: options, preferences, reservation"),
        ({"option": ["tea"]}, "Did you mean 'options'?"),
        ({**DRINKS, "issue": "price"}, "A conflict of kind options has no 'issue'"),
        ({**DRINKS, "n_agents": 9}, "has no 'n_agents'"),
        ({**DRINKS, "rounds_left": "many"}, "The feature rounds_left was 'many'"),
        ({**DRINKS, "deal_zone": "full"}, "The feature deal_zone was 'full'"),
        ({"options": "tea"}, "options was 'tea'; give a list of texts"),
        ({"options": ["tea", 5]}, "options was ['tea', 5]; give a list of texts"),
        ({"options": ["tea", " "]}, "give a list of texts"),
        ({"options": ["tea", "tea"]}, "options were ['tea', 'tea']; give at most 26, each once"),
        ({"options": [f"o{i}" for i in range(27)]}, "give at most 26, each once"),
        ({"preferences": RANKED}, "The conflict has preferences but no options"),
        ({**DRINKS, "preferences": ["tea"]}, "preferences was ['tea']; give agent -> what it wants"),
        ({**DRINKS, "preferences": {"anne": ["tea"]}}, "preferences name 'anne'. Agents: ann, bob, cem."),
        ({**DRINKS, "preferences": {"anne": ["tea"]}}, "Did you mean 'ann'?"),
        ({**DRINKS, "preferences": {"ann": "tea"}}, "preferences of 'ann' were 'tea'; give a ranking or a number for"),
        ({**DRINKS, "preferences": {"ann": []}}, "preferences of 'ann' were []"),
        ({**DRINKS, "preferences": {"ann": [["tea"]]}}, "preferences of 'ann' name ['tea']; options are tea, milk"),
        ({**DRINKS, "preferences": {"ann": ["tea", "tea"]}}, "preferences of 'ann' were ['tea', 'tea']"),
        ({**DRINKS, "preferences": {"ann": ["rum"]}}, "preferences of 'ann' name 'rum'; options are tea, milk"),
        ({**DRINKS, "preferences": {"ann": {"tea": 1}}}, "preferences of 'ann' say nothing of 'milk'"),
        ({**DRINKS, "preferences": {"ann": {"tea": 1, "milk": 1, "rum": 9}}}, "name 'rum'; options are tea, milk"),
        ({**DRINKS, "preferences": {"ann": {"tea": 1, "milk": "2"}}}, "The utility of 'milk' for 'ann' was '2'"),
        ({**DRINKS, "preferences": {"ann": {"tea": 1, "milk": 10**400}}}, "for 'ann' was far too large"),
        ({**DRINKS, "reservation": {"ann": None}}, "The reservation value of 'ann' was None; give a finite number"),
        ({**DRINKS, "reservation": {"eve": 3}}, "reservation name 'eve'"),
        ({**DRINKS, "preferences": RANKED, "reservation": {"ann": 1}}, "'ann' has a reservation value; give its"),
        ({"issue": 5}, "issue was [5]; give a list of texts"),
        ({**PRICE, "low": 100}, "low was 100 and high 100; low must be below high"),
        ({**PRICE, "high": float("inf")}, "high was inf; give a finite number"),
        ({**PRICE, "low": True}, "low was True; give a finite number"),
        ({**PRICE, "positions": {"ann": 101}}, "The position of 'ann' was 101, but low is 0 and high is 100."),
        ({"issue": "price", "low": 5, "positions": {"ann": 1}}, "The position of 'ann' was 1, but low is 5."),
        ({**PRICE, "positions": {"ann": float("nan")}}, "The position of 'ann' was nan"),
        ({"items": []}, "items was empty"),
        ({**GOODS, "values": {"ann": 5}}, "values of 'ann' were 5; give item -> number"),
        ({**GOODS, "values": {"ann": {"sofa": 5}}}, "values of 'ann' name 'sofa'; items are desk, lamp"),
        ({**GOODS, "values": {"ann": {"desk": -5}}}, "The value of 'desk' for 'ann' was -5; give 0 or more"),
        ({**GOODS, "values": {"ann": {"desk": False}}}, "The value of 'desk' for 'ann' was False"),
        ({"kind": "multi_issue"}, "A negotiation needs issues"),
        ({"issues": []}, "The issues were []; give a list of issues, at least one"),
        ({**TALK, "preferences": {"eve": CHEAP}}, "preferences name 'eve'"),
        ({**TALK, "preferences": {"ann": {}}}, "preferences of 'ann': Preferences were {}"),
        (
            {**TALK, "preferences": {"ann": {"weights": {"prize": 1}}}},
            "preferences of 'ann': There is a weight for 'prize'",
        ),
        ({"payoffs": None}, "A game needs payoffs"),
        ({"payoffs": [[1, 2], "many"]}, "There are 2 tables of payoffs, but the first is nested 1 deep"),
    ],
)
def test_a_conflict_that_makes_no_sense_is_refused_in_words(given, message):
    with pytest.raises(ConfigError) as refused:
        read_conflict(given, AGENTS)
    assert message in str(refused.value)


def test_a_message_is_short_however_much_was_given():
    with pytest.raises(ConfigError) as refused:
        read_conflict([10**5000] * 10_000, AGENTS)
    assert len(str(refused.value)) < 200


def test_a_weight_that_is_none_is_refused_in_words():
    with pytest.raises(ConfigError, match="The weight of 'bob' was 0"):
        features(DRINKS, [1, 0, 1])


@pytest.mark.parametrize("wrong", [None, True, "5", [5], float("nan"), float("inf"), -(10**400)])
def test_a_number_is_finite(wrong):
    assert number(-2.5, "It") == -2.5
    with pytest.raises(ConfigError, match="It was"):
        number(wrong, "It")


# Whatever JSON may hold.

words = st.sampled_from(["tea", "milk", "rum", "ann", "bob", "price", "options", "numeric", "empty", "", " "])
numbers = st.integers(-2, 9) | st.floats() | st.sampled_from([10**400, -(10**30)])
values = st.none() | st.booleans() | numbers | words | st.text(max_size=3)
anything = st.recursive(values, lambda one: st.lists(one, max_size=3) | st.dictionaries(words, one, max_size=3))
worth = st.fixed_dictionaries(dict.fromkeys(["tea", "milk"], st.integers(-1, 5)))


def by_agent(what):
    return st.dictionaries(st.sampled_from(AGENTS), what)


told = st.fixed_dictionaries(
    {},
    optional={
        "deadlocked": st.booleans(),
        "transferable_utility": st.booleans(),
        "rounds_left": st.integers(0, 12),
        "deal_zone": st.sampled_from(["empty", "nonempty"]),
    },
)
sound = st.one_of(
    st.builds(lambda wants: DRINKS | {"preferences": wants}, by_agent(worth | st.just(["milk"]))),
    st.builds(lambda wants: DRINKS | {"preferences": wants, "reservation": {"ann": 2}}, by_agent(worth)),
    st.builds(lambda wants: PRICE | {"positions": wants}, by_agent(st.integers(-1, 100))),
    st.builds(lambda wants: GOODS | {"values": wants}, by_agent(st.just({"desk": 3}))),
    st.builds(lambda wants: TALK | {"preferences": wants}, by_agent(st.just(CHEAP))),
    st.just(GAME),
)
KNOWN = sorted({"kind", *TOLD, *(key for keys in KEYS.values() for key in keys)})
spoilt = st.just({}) | st.dictionaries(st.sampled_from(KNOWN), anything, max_size=1)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.builds(lambda *parts: {k: v for part in parts for k, v in part.items()}, sound, told, spoilt) | anything)
def test_any_json_is_a_conflict_that_can_be_settled_or_an_error_in_words(given):
    try:
        conflict = read_conflict(given, AGENTS)
    except ConfigError:
        return
    assert read_conflict({**conflict.body, **conflict.told, "kind": conflict.kind}, AGENTS) == conflict
    weights = dict.fromkeys(AGENTS, 1)
    found = features_of(conflict, weights=weights, arbiter=True, rounds=5)
    assert choose_strategy(found).strategy in (*STRATEGIES, "none")
    if conflict.kind == "numeric":
        assert meet(conflict.body.get("positions", {}), weights).rationale
    if conflict.kind == "options" and len(conflict.options) > 1:
        wants, least = conflict.body.get("preferences", {}), conflict.body.get("reservation")
        for way in WAYS.values():
            assert way(views_of(conflict.options, wants, reservation=least, weights=weights)).rationale
