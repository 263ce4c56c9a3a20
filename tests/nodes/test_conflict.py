"""Which strategy for which conflict: the rule by cases, what it never does, and what it learns from history.

`tests/data/auto.json` holds 24 conflicts with the strategy that fits.
"""

import json
import random
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.conflict import (
    CHOICES,
    DEFAULTS,
    KINDS,
    NONE,
    STRATEGIES,
    Choice,
    checked_features,
    checked_strategy,
    choose_strategy,
    record_of,
)

DATA = json.loads((Path(__file__).parents[1] / "data" / "auto.json").read_text())
SWITCHES = [name for name, default in DEFAULTS.items() if isinstance(default, bool)]

# The rule.


@pytest.mark.parametrize("case", DATA["cases"], ids=lambda case: f"{case['expect']}: {json.dumps(case['features'])}")
def test_the_strategy_fits_the_conflict(case):
    assert choose_strategy(case["features"]).strategy == case["expect"]


def test_a_feature_that_is_not_named_has_its_default():
    assert DATA["defaults"] == DEFAULTS
    assert checked_features({"n_agents": 3, "kind": None}) == {**DEFAULTS, "n_agents": 3}
    assert choose_strategy({}) == choose_strategy(DEFAULTS) == choose_strategy(dict.fromkeys(DEFAULTS))


GOODS = {"kind": "allocation", "n_items": 1, "transferable_utility": True, "bidders_with_values": 2}
HEAVY = {"kind": "options", "n_agents": 3, "n_options": 2, "arbiter": True}
TALK = {"kind": "multi_issue", "preference": "cardinal", "deal_zone": "nonempty"}


@pytest.mark.parametrize(
    ("features", "strategy"),
    [
        ({"kind": "normal_form"}, "game_theory"),
        ({"joint_payoffs": True, **GOODS}, "game_theory"),  # Structure first...
        ({**GOODS, "verifiable_fact": True, "arbiter": True}, "auction"),
        ({**GOODS, "bidders_with_values": 1}, "weighted_compromise"),
        ({**GOODS, "n_items": 0}, "weighted_compromise"),
        ({"kind": "numeric", "deadlocked": True, "arbiter": True}, "arbitration"),  # ...then who must decide.
        ({**TALK, "verifiable_fact": True, "arbiter": True}, "arbitration"),
        ({**TALK, "verifiable_fact": True, "deadlocked": True}, "negotiation"),  # There is nobody to decide.
        ({**HEAVY, "max_weight_share": 0.5}, "majority_rule"),  # Half is not more than half.
        ({**HEAVY, "max_weight_share": 0.51}, "arbitration"),
        ({**TALK, "n_agents": 2, "max_weight_share": 0.9, "arbiter": True}, "negotiation"),  # One of two, not several.
        ({"kind": "numeric", "n_agents": 9, "n_options": 9}, "weighted_compromise"),
        ({"kind": "numeric", "n_agents": 9, "n_options": 9, "preference": "ordinal"}, "majority_rule"),
        ({**TALK, "rounds_left": 2}, "negotiation"),
        ({**TALK, "rounds_left": 1}, "weighted_compromise"),
        ({**TALK, "n_agents": 5, "rounds_left": 2}, "negotiation"),
        ({**TALK, "n_agents": 6, "rounds_left": 9}, "weighted_compromise"),  # Too little time for so many.
        ({**TALK, "n_agents": 6, "rounds_left": 10}, "negotiation"),
        ({**TALK, "deal_zone": "unknown"}, "negotiation"),
        ({**TALK, "preference": "ordinal", "arbiter": True}, "arbitration"),
        ({"kind": "options", "n_agents": 3}, "majority_rule"),
        ({"kind": "options", "n_agents": 2, "n_options": 5}, "weighted_compromise"),  # Two cannot outvote each other.
        ({"kind": "options", "n_agents": 2, "n_options": 5, "arbiter": True}, "arbitration"),
        ({"kind": "options", "n_agents": 2, "n_options": 5, "preference": "ordinal"}, "majority_rule"),
        ({"n_agents": 1}, NONE),
        ({"n_options": 1, "joint_payoffs": True}, NONE),
    ],
)
def test_the_edges_of_the_rule(features, strategy):
    assert choose_strategy(features).strategy == strategy


@pytest.mark.parametrize(
    ("features", "named"),
    [
        ({"joint_payoffs": True}, ["joint_payoffs"]),
        ({"kind": "normal_form", "binding_agreement": False}, ["kind normal_form", "binding_agreement"]),
        (GOODS, ["1 indivisible item ", "n_items", "transferable_utility", "2 bidders", "bidders_with_values"]),
        ({**HEAVY, "verifiable_fact": True}, ["verifiable_fact", "arbiter"]),
        ({**HEAVY, "deadlocked": True}, ["deadlocked", "arbiter"]),
        ({**HEAVY, "max_weight_share": 0.7}, ["max_weight_share 0.7", "arbiter"]),
        ({"kind": "numeric", "n_agents": 2}, ["kind numeric", "weighted mean of 2", "n_agents"]),
        ({"kind": "numeric", "n_agents": 3}, ["kind numeric", "weighted median of 3", "n_agents"]),
        (TALK, ["kind multi_issue", "there is room", "deal_zone nonempty", "rounds_left 5"]),
        ({**TALK, "deal_zone": "unknown"}, ["there may be room", "deal_zone unknown"]),
        ({"kind": "options", "n_agents": 3}, ["3 parties", "n_agents", "kind options"]),
        ({"n_options": 7, "kind": "options", "n_agents": 3}, ["n_agents", "7 options", "n_options"]),
        ({"kind": "options", "arbiter": True}, ["arbiter"]),
        ({"kind": "options"}, ["preference cardinal"]),
        ({"kind": "options", "preference": "ordinal"}, ["preference ordinal"]),
        ({"n_agents": 1}, ["n_agents 1"]),
        ({"n_options": 1}, ["n_options 1"]),
    ],
)
def test_the_reason_names_the_features_that_led_to_the_choice(features, named):
    reason = choose_strategy(features).reason
    assert [words for words in named if words not in reason] == [], reason


# What is never done.


VALUES = {
    **CHOICES,
    **dict.fromkeys(SWITCHES, (False, False, True)),
    "n_agents": (1, 2, 2, 3, 4, 5, 6, 9),
    "bidders_with_values": (0, 1, 2, 4),
    "n_items": (0, 1, 3),
    "rounds_left": (0, 1, 2, 5, 9, 10, 24),
    "max_weight_share": (None, 0.2, 0.5, 0.51, 0.9, 1),
    "n_options": (None, None, 0, 1, 2, 3, 720),
}


def random_features(rng):
    """Some features with random values; the others have their defaults."""
    return {name: rng.choice(VALUES[name]) for name in rng.sample(sorted(VALUES), rng.randint(0, len(VALUES)))}


def random_history(rng, features):
    """Up to forty conflicts, most of them such as this one and most of them lost."""
    same = {name: features[name] for name in ("kind", "n_agents") if name in features}
    return [
        {
            "features": same if rng.random() < 0.8 else {"kind": rng.choice(KINDS), "n_agents": rng.choice([2, 3, 9])},
            "strategy": rng.choice([*STRATEGIES, NONE]),
            "resolved": rng.random() < 0.3,
        }
        for _ in range(rng.randint(0, 40))
    ]


def objections(features, choice):
    """What is wrong with a choice."""
    f = {**DEFAULTS, **{name: value for name, value in features.items() if value is not None}}
    took = choice.strategy
    no_conflict = f["n_agents"] < 2 or (f["n_options"] is not None and f["n_options"] < 2)
    wrong = {
        "no such strategy": took not in (*STRATEGIES, NONE),
        "a strategy without a conflict": (took == NONE) != no_conflict,
        "no reason that names a feature": not any(name in choice.reason for name in DEFAULTS),
        "an auction without utility that can be paid over": took == "auction" and not f["transferable_utility"],
        "an auction of nothing": took == "auction" and not f["n_items"],
        "an auction with one bidder": took == "auction" and f["bidders_with_values"] < 2,
        "no deal is possible": took == "negotiation" and f["deal_zone"] == "empty",
        "no time to negotiate": took == "negotiation" and f["rounds_left"] < (10 if f["n_agents"] > 5 else 2),
        "haggling over rankings": took == "negotiation" and f["preference"] == "ordinal",
        "a mean of rankings": took == "weighted_compromise" and f["preference"] == "ordinal",
        "nobody to decide": took == "arbitration" and not f["arbiter"],
        "no game": took == "game_theory" and not (f["joint_payoffs"] or f["kind"] == "normal_form"),
        "two outvote each other": took == "majority_rule" and f["n_agents"] < 3 and f["preference"] == "cardinal",
    }
    return [what for what, holds in wrong.items() if holds]


@pytest.mark.parametrize("learning", [False, True], ids=["without history", "with history"])
def test_no_choice_of_20_000_is_one_that_cannot_work(learning):
    rng = random.Random(f"features {learning}")
    taken, other = set(), 0
    for _ in range(20_000):
        features = random_features(rng)
        history = random_history(rng, features) if learning else []
        choice = choose_strategy(features, history)
        assert objections(features, choice) == [], (features, history, choice)
        taken.add(choice.strategy)
        other += learning and choice.strategy != choose_strategy(features).strategy
    assert taken == {*STRATEGIES, NONE}
    assert other > 500 or not learning, "the histories made no difference"


def test_the_order_of_features_and_of_history_changes_nothing():
    rng = random.Random("order")
    for _ in range(2_000):
        features = random_features(rng)
        history = random_history(rng, features)
        names = rng.sample(list(features), len(features))
        shuffled = {name: features[name] for name in names}
        mixed = rng.sample(history, len(history))
        assert choose_strategy(shuffled, mixed) == choose_strategy(features, history)


# What is learnt.


def past(strategy, settled, tried, **features):
    """Tried so often, settled so often."""
    return [{"features": features, "strategy": strategy, "resolved": i < settled} for i in range(tried)]


NUMBER = {"kind": "numeric", "n_agents": 2, "arbiter": True}


def test_a_strategy_that_failed_three_times_is_passed_over_and_the_reason_says_so():
    failed = past("weighted_compromise", 0, 3, kind="numeric", n_agents=2)
    choice = choose_strategy(NUMBER, failed)
    assert choice.strategy == "arbitration"
    assert choice.reason == (
        "nothing simpler fits, and there is an arbiter; "
        "weighted_compromise was passed over: it settled 0 of 3 such conflicts"
    )


@pytest.mark.parametrize(
    ("settled", "tried", "kept"),
    [
        (0, 2, True),  # Two failures may be bad luck.
        (0, 3, False),
        (1, 3, False),
        (2, 3, True),
        (2, 4, True),  # Half is enough.
        (2, 5, False),
    ],
)
def test_a_strategy_is_kept_while_it_settles_half_of_what_it_tried(settled, tried, kept):
    history = past("weighted_compromise", settled, tried, kind="numeric", n_agents=2)
    assert (choose_strategy(NUMBER, history).strategy == "weighted_compromise") == kept


@pytest.mark.parametrize(
    "features",
    [
        {"kind": "options", "n_agents": 2},
        {"kind": "numeric", "n_agents": 3},
        {"kind": "numeric", "n_agents": 6},
        {},
    ],
    ids=["another kind", "three parties", "six parties", "the default kind"],
)
def test_conflicts_of_another_kind_or_size_teach_nothing(features):
    history = past("weighted_compromise", 0, 9, **features)
    assert choose_strategy(NUMBER, history) == choose_strategy(NUMBER)


def test_three_to_five_parties_are_one_size_and_all_more_another():
    history = past("majority_rule", 0, 3, kind="options", n_agents=3)
    five, six = ({"kind": "options", "n_agents": n, "arbiter": True} for n in (5, 6))
    assert choose_strategy(five, history).strategy == "arbitration"
    assert choose_strategy(six, history).strategy == "majority_rule"
    history = past("majority_rule", 0, 3, kind="options", n_agents=60)
    assert choose_strategy(six, history).strategy == "arbitration"


def test_later_successes_bring_a_strategy_back():
    failed = past("weighted_compromise", 0, 3, kind="numeric", n_agents=2)
    settled = past("weighted_compromise", 3, 3, kind="numeric", n_agents=2)
    assert choose_strategy(NUMBER, failed + settled).strategy == "weighted_compromise"


def test_a_strategy_is_not_passed_over_for_one_that_does_not_fit():
    game = past("game_theory", 0, 5, kind="normal_form", n_agents=2)
    for arbiter, strategy in ((True, "arbitration"), (False, "weighted_compromise")):
        assert choose_strategy({"kind": "normal_form", "arbiter": arbiter}, game).strategy == strategy
    assert choose_strategy({"kind": "normal_form", "preference": "ordinal"}, game).strategy == "majority_rule"


def test_when_all_have_failed_the_one_that_failed_least_is_chosen():
    record = {"weighted_compromise": (0, 3), "arbitration": (1, 4)}
    history = [one for way, (s, t) in record.items() for one in past(way, s, t, kind="numeric", n_agents=2)]
    choice = choose_strategy(NUMBER, history)
    assert choice.strategy == "arbitration"
    assert "it settled 1 of 4 such conflicts, and no strategy that fits has done better" in choice.reason
    equal = [*history, *past("weighted_compromise", 1, 1, kind="numeric", n_agents=2)]
    assert choose_strategy(NUMBER, equal).strategy == "weighted_compromise", "of equals the first that fits"


def test_a_strategy_that_fits_twice_is_named_once():
    """An arbiter decides a deadlock, and would decide anyhow."""
    features = {"kind": "options", "n_agents": 2, "arbiter": True, "deadlocked": True}
    reason = choose_strategy(features, past("arbitration", 0, 3, kind="options", n_agents=2)).reason
    assert reason.count("arbitration was passed over") == 1


def test_a_record_counts_what_was_settled_and_what_was_tried():
    history = past("auction", 2, 5, kind="allocation", n_agents=4) + past("auction", 1, 1) + past("arbitration", 1, 1)
    assert record_of("auction", {"kind": "allocation", "n_agents": 3}, history) == (2, 5)
    assert record_of("auction", {}, history) == (1, 1)
    assert record_of("negotiation", {}, history) == (0, 0)


# Wrong input.


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"n_agent": 3}, "There is no feature 'n_agent'.*Did you mean 'n_agents'?"),
        ({"kind": "numerical"}, "The feature kind was 'numerical'; it is one of .* Did you mean 'numeric'?"),
        ({"kind": ["numeric"]}, r"The feature kind was \['numeric'\]"),
        ({"preference": "cardnal"}, "Did you mean 'cardinal'?"),
        ({"deal_zone": True}, "The feature deal_zone was True"),
        ({"n_agents": "3"}, "The feature n_agents was '3'; give a whole number"),
        ({"n_agents": 2.5}, "The feature n_agents was 2.5"),
        ({"n_agents": True}, "The feature n_agents was True"),
        ({"rounds_left": -1}, "The feature rounds_left was -1; give a whole number, at least 0"),
        ({"n_options": 10**5000}, "The feature n_options was far too large"),
        ({"arbiter": "yes"}, "The feature arbiter was 'yes'; give true or false"),
        ({"arbiter": 1}, "The feature arbiter was 1"),
        ({"max_weight_share": 1.5}, "The feature max_weight_share was 1.5; give a share from 0 to 1"),
        ({"max_weight_share": float("nan")}, "The feature max_weight_share was nan"),
        ({"max_weight_share": True}, "The feature max_weight_share was True"),
        ([("kind", "numeric")], "give a mapping"),
        (None, "features was None"),
    ],
)
def test_features_that_make_no_sense_are_refused_in_words(features, message):
    with pytest.raises(ConfigError, match=message):
        choose_strategy(features)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (None, "history was None; give a list"),
        ({"strategy": "auction"}, "history was {'strategy': 'auction'}; give a list"),
        (["auction"], "The history has 'auction'; give mappings with features, strategy and resolved"),
        ([{"strategy": "auction", "resolved": True}], "give mappings with features"),
        ([{"features": {}, "resolved": True}], "its strategy is a name"),
        ([{"features": {}, "strategy": "auction"}], "resolved is true or false"),
        ([{"features": {}, "strategy": "auction", "resolved": "no"}], "resolved is true or false"),
        ([{"features": {"n_agents": "two"}, "strategy": "auction", "resolved": True}], "n_agents was 'two'"),
        ([{"features": {"kind": "fight"}, "strategy": "auction", "resolved": True}], "kind was 'fight'"),
    ],
)
def test_a_history_that_makes_no_sense_is_refused_in_words(history, message):
    with pytest.raises(ConfigError, match=message):
        choose_strategy({}, history)


def test_a_history_may_hold_features_that_are_not_known_any_more():
    entry = {"features": {"kind": "numeric", "mood": "bad"}, "strategy": "coin toss", "resolved": False, "more": 1}
    assert choose_strategy(NUMBER, [entry] * 5) == choose_strategy(NUMBER)


def test_strategies_are_checked_by_name():
    assert [checked_strategy(one) for one in ("auto", *STRATEGIES)] == ["auto", *STRATEGIES]
    for wrong in ("actuon", None, ["auction"], NONE):
        with pytest.raises(ConfigError, match=r"There is no strategy .*Strategies: auto, negotiation"):
            checked_strategy(wrong)
    with pytest.raises(ConfigError, match=r"Did you mean 'auction'\?"):
        checked_strategy("auctoin")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400)
anything = st.recursive(scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one))
allowed = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()})
spoiled = st.dictionaries(st.sampled_from([*DEFAULTS, "mood"]), anything, max_size=1)
entries = st.fixed_dictionaries(
    {"features": allowed}, optional={"strategy": st.sampled_from(STRATEGIES) | anything, "resolved": st.booleans()}
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.builds(dict.__or__, allowed, spoiled) | anything,
    st.just([]) | st.lists(entries, max_size=2) | anything,
)
def test_whatever_is_given_there_is_a_choice_or_an_error_in_words(features, history):
    try:
        choice = choose_strategy(features, history)
    except ConfigError:
        return
    assert isinstance(choice, Choice)
    assert json.loads(json.dumps(choice.to_dict())) == {"strategy": choice.strategy, "reason": choice.reason}


def test_every_pair_of_values_has_a_choice():
    for one, other in permutations(VALUES, 2):
        for features in ({one: first, other: second} for first in VALUES[one] for second in VALUES[other]):
            assert objections(features, choose_strategy(features)) == []
