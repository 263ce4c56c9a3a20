"""Negotiation: what each protocol promises, the end at the cap, never a deal that does not pass, and bad input."""

import json
import random
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scenarios import bilateral, multilateral
from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.agreement_score import agreement, distances
from langgraph_agora.nodes.negotiation import Preferences, Scenario, begin, negotiate, result_of, step
from langgraph_agora.nodes.scenario_files import read_scenario
from tests.scenarios import Slow, drawn

FILES = Path(__file__).parents[1] / "data" / "scenarios"
LOW, HIGH = Preferences({"x": 1}, {"x": "low"}), Preferences({"x": 1}, {"x": "high"})
LINE = Scenario({"x": {"low": 0, "high": 10}}, {"ann": LOW, "bob": HIGH})
# Each likes one end best, and the middle suits both.
CORNERS = Scenario(
    {"x": ["hers", "middle", "his"]},
    {
        "ann": Preferences({"x": 1}, {"x": {"hers": 1, "middle": 0.75, "his": 0.25}}, 0.25),
        "bob": Preferences({"x": 1}, {"x": {"hers": 0.25, "middle": 0.75, "his": 1}}, 0.25),
    },
)
WAYS = [
    ("zeuthen", "linear"),
    ("alternating", "linear"),
    ("alternating", "boulware"),
    ("alternating", "conceder"),
    ("mediated", "linear"),
]


def read(name):
    return read_scenario((FILES / name).read_text(), name)


def offers(result, agent):
    return [row for row in result.history if row["agent"] == agent]


# Monotonic concession


@pytest.mark.parametrize("parties", [2, 3, 4, 5])
def test_monotonic_concession_without_a_cap_ends_at_the_nash_point(parties):
    deals = 0
    for seed in range(100):
        scenario = drawn(random.Random(f"{parties} {seed}"), parties=parties)
        result = negotiate(scenario, rounds=None)
        if result.stop == "no_deal":
            assert not Slow(scenario).zone
            continue
        deals += 1
        assert (result.stop, result.nash_distance, result.pareto_distance) == ("agreed", 0, 0)
        assert result.nash_product == 1
        slow = Slow(scenario)
        assert slow.product(slow.index(result.outcome)) == max(map(slow.product, slow.deals))
    assert deals >= 40


@pytest.mark.parametrize("rule", [False, True])
def test_nobody_offers_less_to_itself_than_the_nash_point_or_more_than_before(rule):
    for seed in range(120):
        scenario = drawn(random.Random(seed), rule=rule)
        result = negotiate(scenario, rounds=None)
        for name in scenario.preferences if result.outcome else ():
            asked = [row["utilities"][name] for row in offers(result, name)]
            assert asked == sorted(asked, reverse=True)
            assert asked[-1] >= scenario.utility(name, scenario.nash_point)
            assert asked[0] == scenario.ideal(name)


def test_who_concedes_is_less_willing_to_risk_a_conflict_and_gives_no_more_than_it_must():
    """Zeuthen's rule by his own formula, and the minimal sufficient concession by trying all deals."""
    conceded = 0
    for seed in range(150):
        scenario = drawn(random.Random(seed), parties=2, coarse=False)
        slow, result = Slow(scenario), negotiate(scenario, rounds=None)
        for before, after in pairwise(zip(offers(result, "p0"), offers(result, "p1"), strict=True)):
            own = [slow.index(row["offer"]) for row in before]
            gains = [[slow.gains[offer][row] for offer in own] for row in (0, 1)]
            if not (gains[0][0] and gains[1][1]):
                continue
            risk = [(gains[row][row] - gains[row][1 - row]) / gains[row][row] for row in (0, 1)]
            assert [row["conceded"] for row in after] == [risk[0] < risk[1], risk[1] < risk[0]]
            who = 0 if risk[0] < risk[1] else 1
            more = [deal for deal in slow.deals if slow.product(deal) > slow.product(own[1 - who])] or [
                slow.index(scenario.nash_point)
            ]
            assert slow.gains[slow.index(after[who]["offer"])][who] == max(slow.gains[deal][who] for deal in more)
            conceded += 1
    assert conceded > 100


def test_of_several_parties_those_with_the_smallest_product_concede():
    for seed in range(60):
        scenario = drawn(random.Random(seed), parties=4, coarse=False)
        slow, result = Slow(scenario), negotiate(scenario, rounds=None)
        for before, after in pairwise(zip(*(offers(result, name) for name in slow.names), strict=True)):
            products = [slow.product(slow.index(row["offer"])) for row in before]
            assert [row["conceded"] for row in after] == [product == min(products) for product in products]


def test_the_middle_is_agreed_on_in_three_rounds():
    result = negotiate(CORNERS)
    assert (result.outcome, result.stop, result.rounds) == ({"x": "middle"}, "agreed", 3)
    assert (result.agreement, result.converged) == (1, True)
    assert [(row["round"], row["agent"], row["offer"]["x"], row["conceded"]) for row in result.history] == [
        (1, "ann", "hers", False),
        (1, "bob", "his", False),
        (2, "ann", "hers", False),
        (2, "bob", "middle", True),  # The products are equal; the later in the order of outcomes is behind.
        (3, "ann", "middle", True),
        (3, "bob", "middle", False),
    ]
    assert result.history[0]["utilities"] == {"ann": 1, "bob": 0.25}


def test_parties_that_want_the_same_agree_at_once():
    result = negotiate(Scenario({"x": [0, 1, 2]}, {"ann": LOW, "bob": LOW, "cem": LOW}))
    assert (result.outcome, result.rounds, result.stop, result.agreement) == ({"x": 0}, 1, "agreed", 1)


def test_monotonic_concession_meets_its_bars_on_scenarios_like_the_published_ones():
    scenarios = bilateral()
    assert len(scenarios) >= 20
    capped = [negotiate(scenario, rounds=20) for scenario in scenarios]
    agreed = [result.stop == "agreed" for result in capped]
    assert sum(agreed) >= 0.95 * len(scenarios)
    apart = [
        distances(scenario, result.outcome if own else None)["nash"]
        for scenario, result, own in zip(scenarios, capped, agreed, strict=True)
    ]
    assert sum(apart) / len(apart) <= 0.07
    for scenario in scenarios:
        short = negotiate(scenario, rounds=5)
        assert short.outcome is not None
        assert short.pareto_distance == 0
        assert negotiate(scenario, rounds=None).nash_distance == 0


# Several parties, of which not all have to accept


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rounds", [1, 5, 20])
def test_a_deal_that_passes_comes_out_of_every_large_game(way, rounds):
    for scenario in multilateral():
        result = negotiate(scenario, protocol=way[0], concession=way[1], rounds=rounds)
        assert result.outcome in scenario.zone()
        content = [name for name, gain in result.gains.items() if gain >= 0]
        assert len(content) >= scenario.needed
        assert set(scenario.veto) <= set(content)


def test_a_deal_for_all_comes_before_one_that_merely_passes():
    for scenario in multilateral():
        result = negotiate(scenario, rounds=None)
        for_all = scenario.space.unanimous
        assert (min(result.gains.values()) >= 0) == for_all
        assert result.nash_distance == 0
        assert result.outcome == scenario.nash_point


def test_a_party_without_a_veto_can_be_left_out():
    scenario = read("release.yaml")
    result = negotiate(scenario)
    assert (result.outcome, result.stop) == ({"audit": "yes", "date": "july", "scope": "medium"}, "agreed")
    assert result.gains["sales"] < 0
    assert all(result.gains[name] >= 0 for name in ("product", "engineering", "security"))
    everybody = Scenario(scenario.issues, scenario.preferences)
    assert negotiate(everybody).stop == "no_deal"


# Alternating offers


def test_demands_fall_with_time_late_or_early():
    """A party offers what is worth just its demand: of ten steps, t, t^4 or t^(1/4) of the way are given up."""
    stubborn = Scenario({"x": {"low": 0, "high": 10}}, {"ann": LOW, "bob": HIGH, "cem": HIGH}, veto=["ann"])
    expected = {"linear": [0, 2, 5, 7], "boulware": [0, 0, 0, 3], "conceder": [0, 7, 8, 9]}
    for concession, places in expected.items():
        state = begin(stubborn, protocol="alternating", concession=concession, rounds=4)
        seen = []
        while state["stop"] is None:
            state = step(state)
            seen.append(
                next(r["offer"]["x"] for r in state["history"] if (r["round"], r["agent"]) == (len(seen) + 1, "ann"))
            )
        assert seen == places[: len(seen)]


def test_an_offer_is_accepted_when_it_is_worth_what_one_would_offer_next():
    result = negotiate(LINE, protocol="alternating", rounds=10)
    asked = {(row["round"], row["agent"]): row["offer"]["x"] for row in result.history}
    assert asked == {
        **{(number, "ann"): number - 1 for number in range(1, 7)},
        **{(number, "bob"): 11 - number for number in range(1, 6)},
    }
    assert (result.outcome, result.stop, result.rounds) == ({"x": 5}, "agreed", 6)
    assert result.rationale.startswith("The deal is the offer of ann in round 6.")


def test_after_its_last_turn_a_party_accepts_what_suits_it():
    """One round: ann asks for everything, bob after her too; ann has no turn left, and something is not less."""
    ann = Preferences({"x": 1}, {"x": "low"}, 0)
    assert negotiate(Scenario({"x": [0, 1]}, {"ann": ann, "bob": HIGH}), protocol="alternating", rounds=1).outcome == {
        "x": 1
    }
    ann = Preferences({"x": 1}, {"x": "low"}, 0.5)
    result = negotiate(Scenario({"x": [0, 1, 2]}, {"ann": ann, "bob": HIGH}), protocol="alternating", rounds=1)
    assert result.stop != "agreed"


def test_of_offers_that_are_worth_the_same_the_one_most_like_the_last_is_made():
    """Ann does not care for y, and takes up what bob asks for."""
    ann = Preferences({"x": 1, "y": 0}, {"x": "low"})
    bob = Preferences({"x": 1, "y": 9}, {"x": "high", "y": {"a": 0, "b": 1}})
    scenario = Scenario({"x": {"low": 0, "high": 4}, "y": ["a", "b"]}, {"ann": ann, "bob": bob})
    result = negotiate(scenario, protocol="alternating", rounds=4)
    assert [row["offer"]["y"] for row in offers(result, "ann")][:2] == ["a", "b"]
    assert result.outcome["y"] == "b"


def test_a_party_that_nothing_suits_passes_its_turns():
    cem = Preferences({"x": 1}, {"x": dict.fromkeys(range(11), 0.1)}, 0.5)
    scenario = Scenario({"x": {"low": 0, "high": 10}}, {"ann": LOW, "bob": HIGH, "cem": cem}, needed=2)
    result = negotiate(scenario, protocol="alternating", rounds=10)
    assert {row["agent"] for row in result.history} == {"ann", "bob"}
    assert result.outcome == {"x": 5}


# A mediated text


def test_a_mediated_text_is_improved_until_nobody_accepts_a_change():
    """No change of one or two values is better for somebody and worse for nobody."""
    for seed in range(80):
        scenario = drawn(random.Random(seed), parties=3)
        result = negotiate(scenario, protocol="mediated", rounds=50, rng=random.Random(seed))
        if result.stop != "agreed":
            continue
        own = result.utilities
        for other in scenario.outcomes():
            if sum(other[issue] != value for issue, value in result.outcome.items()) <= 2:
                theirs = {name: scenario.utility(name, other) for name in own}
                assert theirs == own or any(theirs[name] < own[name] for name in own)


def test_while_a_text_does_not_pass_those_that_can_afford_it_give_way():
    """Bob starts with everything and lets himself be lowered until the text suits ann, but no further."""
    ann, bob = Preferences({"x": 1}, {"x": "low"}, 0.4), Preferences({"x": 1}, {"x": "high"}, 0.4)
    for seed in range(20):
        scenario = Scenario({"x": {"low": 0, "high": 10}}, {"ann": ann, "bob": bob})
        result = negotiate(scenario, protocol="mediated", rounds=50, rng=random.Random(seed))
        assert result.stop == "agreed"
        assert 4 <= result.outcome["x"] <= 6


def test_a_text_is_not_changed_for_nothing():
    """Nobody cares for y, so it stays what was drawn."""
    wants = {"ann": Preferences({"x": 1, "y": 0}, {"x": "low"}), "bob": Preferences({"x": 1, "y": 0}, {"x": "low"})}
    scenario = Scenario({"x": {"low": 0, "high": 4}, "y": ["a", "b", "c"]}, wants)
    for seed in range(20):
        result = negotiate(scenario, protocol="mediated", rng=random.Random(seed))
        assert (result.outcome["x"], result.stop) == (0, "agreed")
        assert len({row["offer"]["y"] for row in result.history}) == 1


def test_a_mediation_is_decided_by_its_seed():
    scenario = read("van.yaml")
    texts = [negotiate(scenario, protocol="mediated", rng=random.Random(seed)).to_dict() for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert {row["agent"] for row in texts[0]["history"]} == {"mediator"}


def test_a_text_that_cannot_be_changed_any_more_and_does_not_pass_is_arbitrated():
    stuck = []
    for scenario in multilateral(1):
        result = negotiate(scenario, protocol="mediated", rounds=100)
        stuck += [result] if result.stop != "agreed" else []
        assert result.rounds < 10, "a final text ends it before the cap"
    assert {result.stop for result in stuck} == {"arbitrated"}
    assert all(result.rationale.startswith("The text could not be changed any more") for result in stuck)


# The end


def test_at_the_cap_the_offer_with_the_larger_product_is_the_deal():
    ann = Preferences({"x": 1}, {"x": {"a": 1, "b": 0.6, "c": 0.5}})
    bob = Preferences({"x": 1}, {"x": {"a": 0.4, "b": 0.6, "c": 0.7}})
    result = negotiate(Scenario({"x": ["a", "b", "c"]}, {"ann": ann, "bob": bob}), rounds=1)
    assert (result.outcome, result.stop, result.converged) == ({"x": "a"}, "escalated", False)
    assert "No agreement within 1 round; escalated" in result.rationale
    assert "that of ann" in result.rationale


def test_where_no_standing_offer_passes_the_best_smallest_gain_is_arbitrated():
    """Both insist on an end that the other refuses. The sum would be largest at 1, which leaves bob next to nothing."""
    ann = Preferences({"x": 1}, {"x": {0: 1, 1: 0.9, 2: 0.5, 3: 0.4, 4: 0.3}}, 0.35)
    bob = Preferences({"x": 1}, {"x": {0: 0.4, 1: 0.45, 2: 0.6, 3: 0.8, 4: 1}}, 0.42)
    scenario = Scenario({"x": [0, 1, 2, 3, 4]}, {"ann": ann, "bob": bob})
    result = negotiate(scenario, protocol="alternating", rounds=2, concession="boulware")
    assert scenario.utilitarian == {"x": 1}
    assert (result.outcome, result.stop, result.agreement) == ({"x": 2}, "arbitrated", 1)
    assert not result.converged
    assert "No agreement within 2 rounds, and no offer on the table passes; arbitrated" in result.rationale


def test_without_a_zone_there_is_no_deal_and_a_reason():
    result = negotiate(read("no_zone.yaml"))
    assert (result.outcome, result.stop, result.rounds, result.agreement) == (None, "no_deal", 0, 0)
    assert result.utilities == {"buyer": 0.6, "seller": 0.6}
    assert set(result.gains.values()) == {0}
    assert result.rationale == "No deal: each party could be satisfied, but no outcome satisfies all parties at once."
    greedy = Preferences({"x": 1}, {"x": {0: 0.5, 1: 0.4}}, 0.9)
    result = negotiate(Scenario({"x": [0, 1]}, {"ann": LOW, "bob": greedy}))
    assert result.rationale == "No deal: bob asks for 0.9 and can get 0.5 at most."
    ruled = Scenario({"x": [0, 1]}, {"ann": LOW, "bob": greedy, "cem": LOW}, needed=2, veto=["bob"])
    assert "bob asks for 0.9" in negotiate(ruled).rationale


def test_a_deal_below_the_threshold_is_a_deal_that_has_not_converged():
    """The Nash point, a, gives bob six tenths of his best; b gives both three quarters: 0.6 / 0.75 is 0.8."""
    scenario = Scenario(
        {"x": ["a", "b", "c"]},
        {
            "ann": Preferences({"x": 1}, {"x": {"a": 1, "b": 0.75, "c": 0}}),
            "bob": Preferences({"x": 1}, {"x": {"a": 0.6, "b": 0.75, "c": 1}}),
        },
    )
    result = negotiate(scenario, rounds=None, threshold=0.9)
    assert (result.outcome, result.stop, result.agreement, result.converged) == ({"x": "a"}, "agreed", 0.8, False)
    assert result.rationale.endswith("0.80, below the threshold of 0.9: a deal, but not counted as converged.")
    assert negotiate(scenario, rounds=None, threshold=0.8).converged, "at least the threshold is enough"


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.randoms(use_true_random=False),
    st.sampled_from(WAYS),
    st.integers(1, 6),
    st.booleans(),
)
def test_no_deal_is_ever_made_that_does_not_pass(rng, way, rounds, rule):
    scenario = drawn(rng, rule=rule)
    result = negotiate(scenario, protocol=way[0], concession=way[1], rounds=rounds, rng=rng)
    zone = scenario.zone()
    assert result.stop in (("agreed", "escalated", "arbitrated") if zone else ("no_deal",))
    assert (result.outcome in zone) if zone else (result.outcome is None)
    assert result.rounds <= rounds
    assert result.converged == (result.stop == "agreed" and result.agreement >= 0.8)
    assert result.agreement == (agreement(scenario, result.outcome) if zone else 0)
    for name, wants in scenario.preferences.items():
        assert result.gains[name] == pytest.approx(result.utilities[name] - float(wants.reservation))
    for row in result.history:
        assert row["utilities"] == {name: scenario.utility(name, row["offer"]) for name in scenario.preferences}
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()


# Round by round


@pytest.mark.parametrize("way", WAYS)
def test_round_by_round_through_json_gives_the_same_result(way):
    for seed in range(15):
        scenario = drawn(random.Random(seed), rule=True)
        arguments = {"protocol": way[0], "concession": way[1], "threshold": Fraction(2, 3)}
        state = begin(scenario, **arguments, rng=random.Random(seed))
        while state["stop"] is None:
            before = json.dumps(state)
            after = step(json.loads(before))
            assert json.dumps(state) == before
            assert after["round"] == state["round"] + 1
            state = json.loads(json.dumps(after))
        assert step(state) == state
        assert result_of(state) == negotiate(scenario, **arguments, rng=random.Random(seed))


def test_a_result_is_to_be_had_at_the_end_alone():
    with pytest.raises(ConfigError, match="has not ended"):
        result_of(step(begin(LINE)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"protocol": "zeuten"},
            "There is no protocol 'zeuten'. Allowed: zeuthen, alternating, mediated. Did you mean",
        ),
        ({"protocol": None}, "There is no protocol None"),
        ({"protocol": "alternating", "concession": "boulwere"}, "Did you mean 'boulware'?"),
        ({"concession": ["linear"]}, "There is no concession ['linear']"),
        ({"rounds": 0}, "rounds was 0"),
        ({"rounds": -1}, "rounds was -1"),
        ({"rounds": True}, "rounds was True"),
        ({"rounds": 2.0}, "rounds was 2.0"),
        ({"rounds": "5"}, "rounds was '5'"),
        ({"protocol": "alternating", "rounds": None}, "The protocol alternating does not end by itself"),
        ({"protocol": "mediated", "rounds": None}, "The protocol mediated does not end by itself"),
        ({"threshold": 1.1}, "threshold was 1.1; give a finite number from 0 to 1"),
        ({"threshold": -0.1}, "threshold was -0.1"),
        ({"threshold": float("nan")}, "threshold was nan"),
        ({"threshold": True}, "threshold was True"),
        ({"threshold": "high"}, "threshold was 'high'"),
        ({"rng": 5}, "rng was 5"),
        ({"scenario": {"issues": {}}}, "give a Scenario"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, message):
    with pytest.raises(ConfigError) as refused:
        negotiate(**{"scenario": LINE, **arguments})
    assert message in str(refused.value)


# The same every time


def test_neither_the_order_of_names_nor_hash_seeds_change_a_result():
    code = (
        "import hashlib, json, random, sys\n"
        "from langgraph_agora.nodes.negotiation import negotiate\n"
        "from langgraph_agora.nodes.scenario import scenario_from\n"
        "given, rng = json.load(sys.stdin), random.Random(sys.argv[1])\n"
        "for one in given:\n"
        "    one['agents'] = dict(rng.sample(sorted(one['agents'].items()), len(one['agents'])))\n"
        "    rng.shuffle(one['issues'])\n"
        "    rng.shuffle(one['veto'])\n"
        "    scenario = scenario_from(one)\n"
        "    for protocol in ('zeuthen', 'alternating', 'mediated'):\n"
        "        result = negotiate(scenario, protocol=protocol, rng=random.Random(7))\n"
        "        print(hashlib.sha256(json.dumps(result.to_dict()).encode()).hexdigest())\n"
    )
    scenarios = json.dumps([drawn(random.Random(seed), rule=seed % 2 == 1).to_dict() for seed in range(20)])
    printed = {
        subprocess.run(
            [sys.executable, "-c", code, order],
            input=scenarios,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed, order in (("0", "a"), ("1", "b"), ("0", "c"))
    }
    assert len(printed) == 1
    assert len(printed.pop().splitlines()) == 60
