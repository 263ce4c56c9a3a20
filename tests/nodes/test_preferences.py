"""Issues, preferences and scenarios: what can be said, the points of bargaining against plain loops, bad input."""

import json
import random
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.agreement_score import agreement, distances
from langgraph_agora.nodes.issues import Issue, issues_from
from langgraph_agora.nodes.preferences import Preferences, utility
from langgraph_agora.nodes.scenario import Scenario, scenario_from
from tests.scenarios import Slow, drawn

LINE = {"x": [0, 1, 2, 3, 4]}
LOW, HIGH = Preferences({"x": 1}, {"x": "low"}), Preferences({"x": 1}, {"x": "high"})
NAN = float("nan")


def cases(number, **options):
    return [drawn(random.Random(seed), **options) for seed in range(number)]


# Issues


@pytest.mark.parametrize(
    ("bounds", "values"),
    [
        ({"low": 0, "high": 3}, (0, 1, 2, 3)),
        ({"low": 10, "high": 20, "step": 5}, (10, 15, 20)),
        ({"low": 0, "high": 0.3, "step": 0.1}, (0, 0.1, 0.2, 0.3)),  # No 0.30000000000000004.
        ({"low": -1, "high": 1, "step": 0.5}, (-1, -0.5, 0, 0.5, 1)),
        ({"low": 0, "high": 1, "step": "1/4"}, (0, 0.25, 0.5, 0.75, 1)),
    ],
)
def test_a_range_goes_from_low_to_high_in_exact_steps(bounds, values):
    assert Issue("x", **bounds).values == values
    assert Issue.of({"name": "x", **bounds}) == Issue("x", **bounds)


def test_issues_are_read_from_lists_and_mappings_and_sorted_by_name():
    listed = issues_from([{"name": "b", "values": ["u", "v"]}, {"name": "a", "low": 1, "high": 2}, Issue("c", [1, 2])])
    assert listed == issues_from({"c": [1, 2], "a": {"low": 1, "high": 2}, "b": ["u", "v"]})
    assert [issue.name for issue in listed] == ["a", "b", "c"]


def test_a_number_is_found_in_any_spelling():
    issue = Issue("price", [10, 0.5, "dear"])
    assert {issue.place(value) for value in (10, 10.0, "10", "10.0")} == {0}
    assert {issue.place(value) for value in (0.5, "1/2", ".5", Fraction(1, 2))} == {1}
    assert issue.place("dear") == 2
    assert Issue("version", ["3.1", "3.10"]).place("3.10") == 1, "words are words"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"values": ["red"]}, "number of values 1;"),
        ({"values": []}, "number of values 0;"),
        ({"values": list(range(51))}, "number of values 51;"),
        ({"values": ["red", "red"]}, "the value 'red' twice"),
        ({"values": [1, 1.0]}, "the value 1 twice"),
        ({"values": [1, "1"]}, "the value '1' twice"),
        ({"values": [True, False]}, "Write it in quotes"),
        ({"values": ["red", None]}, "the value None"),
        ({"values": ["red", " "]}, "the value ' '"),
        ({"values": [1, NAN]}, "the value nan"),
        ({"values": "red"}, "give a list"),
        ({"values": {"red": 1}}, "give a list"),
        ({"low": 0, "high": 10, "step": 3}, "pass from 9 to 12"),
        ({"low": 0, "high": 10, "step": 0}, "the step above 0"),
        ({"low": 0, "high": 10, "step": -1}, "the step above 0"),
        ({"low": 5, "high": 5}, "low has to be below high"),
        ({"low": 0, "high": 1e9}, "1,000,000,001 values"),
        ({"low": 0, "high": float("inf")}, "The high of 'x' was inf"),
        ({"low": True, "high": 3}, "The low of 'x' was True"),
        ({"low": 1}, "The high of 'x' was None"),
        ({"values": [1, 2], "low": 1, "high": 2}, "both values and a range"),
        ({"valeus": [1, 2]}, "Did you mean 'values'?"),
    ],
)
def test_an_issue_that_makes_no_sense_is_refused_in_words(given, message):
    with pytest.raises(ConfigError) as refused:
        Issue.of({"name": "x", **given})
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "given", [[], {}, None, "price", [["price"]], [{"values": [1, 2]}], [{"name": "", "values": [1, 2]}]]
)
def test_what_holds_no_issues_is_refused(given):
    with pytest.raises(ConfigError):
        issues_from(given)


def test_two_issues_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two issues 'a'"):
        issues_from([{"name": "a", "values": [1, 2]}, {"name": "a", "values": [1, 3]}])


# Preferences


@pytest.mark.parametrize(
    ("scores", "worth"),
    [
        ("low", [1, 0.75, 0.5, 0.25, 0]),
        ("high", [0, 0.25, 0.5, 0.75, 1]),
        ({"ideal": 1}, [Fraction(2, 3), 1, Fraction(2, 3), Fraction(1, 3), 0]),
        ({0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4, 4: 0.5}, [0.1, 0.2, 0.3, 0.4, 0.5]),  # Up to 1 they count as they stand.
        ({0: 0, 1: 2, 2: 4, 3: 6, 4: 8}, [0, 0.25, 0.5, 0.75, 1]),  # Points are divided by the most there are.
        ({"0": 0, "1": 2, "2": 4, "3": 6, "4": 8}, [0, 0.25, 0.5, 0.75, 1]),  # Keys in JSON are text.
    ],
)
def test_scores_are_a_table_or_a_direction(scores, worth):
    wants = Preferences({"x": 5}, {"x": scores})
    assert [utility(wants, {"x": value}, LINE) for value in LINE["x"]] == [float(one) for one in worth]


def test_utility_is_the_weighted_sum_with_weights_that_add_up_to_one():
    wants = Preferences({"x": 1, "y": 3}, {"x": {"a": 1, "b": 0}, "y": {"c": 0.4, "d": 0.8}})
    assert utility(wants, {"x": "a", "y": "c"}) == 0.55
    assert utility(wants, {"x": "b", "y": "d"}) == 0.6
    assert utility(Preferences({"x": 0.1, "y": 0.2}, {"x": {1: 1, 2: 0}, "y": {1: 1, 2: 0}}), {"x": 1, "y": 1}) == 1


def test_an_issue_without_weight_needs_no_scores():
    wants = Preferences({"x": 1, "y": 0}, {"x": "low"})
    assert utility(wants, {"x": 0, "y": "b"}, {**LINE, "y": ["a", "b"]}) == 1
    assert Scenario({**LINE, "y": ["a", "b"]}, {"ann": wants, "bob": wants}).utility("ann", {"x": 4, "y": "a"}) == 0


@pytest.mark.parametrize(
    ("weights", "scores", "reservation", "message"),
    [
        ({"x": -1}, {"x": "low"}, 0, "The weight of 'x' was -1"),
        ({"x": NAN}, {"x": "low"}, 0, "The weight of 'x' was nan"),
        ({"x": True}, {"x": "low"}, 0, "The weight of 'x' was True"),
        ({"x": "much"}, {"x": "low"}, 0, "The weight of 'x' was 'much'"),
        ({"x": 10**5000}, {"x": "low"}, 0, "far too large"),
        ({"x": 0}, {"x": "low"}, 0, "at least one has to be above 0"),
        ({}, {}, 0, "at least one has to be above 0"),
        (["x"], {}, 0, "are mappings"),
        ({"x": 1, "z": 1}, {"x": "low"}, 0, "There is a weight for 'z', which is no issue"),
        ({"x": 1}, {"x": "low", "y": "low"}, 0, "There is a score for 'y', which is no issue"),
        ({"x": 1}, {}, 0, "The issue 'x' has no scores"),
        ({"x": 1}, {"x": "lowest"}, 0, "The scores of 'x' were 'lowest'"),
        ({"x": 1}, {"x": {}}, 0, "The scores of 'x' were {}"),
        ({"x": 1}, {"x": {0: 1, 1: 1, 2: 1, 3: 1}}, 0, "The issue 'x' has no score for 4"),
        ({"x": 1}, {"x": {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1}}, 0, "The issue 'x' has no value 5"),
        ({"x": 1}, {"x": {0: 1, "0": 1, 1: 1, 2: 1, 3: 1, 4: 1}}, 0, "two scores for '0'"),
        ({"x": 1}, {"x": {0: NAN}}, 0, "The score of 0 in 'x' was nan"),
        ({"x": 1}, {"x": {0: -1}}, 0, "The score of 0 in 'x' was -1"),
        ({"x": 1}, {"x": {"ideal": 9}}, 0, "The ideal of 'x' is 9; give a number from 0 to 4"),
        ({"x": 1}, {"x": {"ideal": None}}, 0, "The ideal of 'x' was None"),
        ({"x": 1}, {"x": "low"}, 1.01, "The reservation was 1.01"),
        ({"x": 1}, {"x": "low"}, -0.1, "The reservation was -0.1"),
        ({"x": 1}, {"x": "low"}, NAN, "The reservation was nan"),
        ({"x": 1}, {"x": "low"}, None, "The reservation was None"),
    ],
)
def test_preferences_that_make_no_sense_are_refused_in_words(weights, scores, reservation, message):
    with pytest.raises(ConfigError) as refused:
        Preferences(weights, scores, reservation).terms(issues_from(LINE))
    assert message in str(refused.value)


def test_a_typo_in_an_issue_is_met_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"'ann': There is a weight for 'prise'.* Did you mean 'price'\?"):
        Scenario({"price": [1, 2]}, {"ann": Preferences({"prise": 1}), "bob": Preferences({"price": 1})})
    with pytest.raises(ConfigError, match=r"has no value 'rde'. Values: red, blue. Did you mean 'red'\?"):
        Issue("colour", ["red", "blue"]).place("rde")


def test_words_have_no_direction():
    with pytest.raises(ConfigError, match="its values are words; give a table"):
        utility(Preferences({"x": 1}, {"x": "low"}), {"x": "a"}, {"x": ["a", "b"]})


# Scenarios


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preferences": {"ann": LOW}}, "Parties: 1"),
        ({"preferences": {f"p{i}": LOW for i in range(21)}}, "Parties: 21"),
        ({"preferences": [LOW, HIGH]}, "give a mapping"),
        ({"preferences": {"ann": LOW, "": HIGH}}, "The name of a party was ''"),
        ({"preferences": {"ann": LOW, 3: HIGH}}, "The name of a party was 3"),
        ({"preferences": {"ann": LOW, "bob": 5}}, "'bob': Preferences were 5"),
        (
            {"preferences": {"ann": LOW, "bob": {"weights": {"x": 1}, "reserve": 1}}},
            "'bob': An agent has the key 'reserve'",
        ),
        ({"veto": ["cem"]}, "The veto parties were ['cem']"),
        ({"veto": "ann"}, "The veto parties were 'ann'"),
        ({"veto": 5}, "The veto parties were 5"),
        ({"needed": 0}, "needed was 0; give a number from 1 to 2"),
        ({"needed": 3}, "needed was 3"),
        ({"needed": True}, "needed was True"),
        ({"limit": 0}, "limit was 0"),
        ({"limit": 10**7}, "limit was 10000000; give a whole number from 1 to 2,000,000"),
        ({"limit": 4}, "have 5 outcomes together; at most 4"),
        ({"issues": {f"i{i}": list(range(50)) for i in range(9)}}, "1,953,125,000,000,000 outcomes"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused_in_words(arguments, message):
    with pytest.raises(ConfigError) as refused:
        Scenario(**{"issues": LINE, "preferences": {"ann": LOW, "bob": HIGH}, **arguments})
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ({}, "says nothing about 'x'"),
        ({"x": 9}, "has no value 9"),
        ({"x": NAN}, "has no value nan"),
        ({"x": True}, "has no value True"),
        ({"x": [1]}, "has no value [1]"),
        ({"x": 1, "y": 2}, "has the key 'y'"),
        (None, "An outcome was None"),
    ],
)
def test_an_outcome_that_is_none_is_refused(outcome, message):
    with pytest.raises(ConfigError) as refused:
        Scenario(LINE, {"ann": LOW, "bob": HIGH}).utility("ann", outcome)
    assert message in str(refused.value)


def test_a_scenario_goes_through_json_without_loss():
    for scenario in cases(30, rule=True):
        again = scenario_from(json.loads(json.dumps(scenario.to_dict())))
        assert again.to_dict() == scenario.to_dict()
        assert again.utilities() == scenario.utilities()
    thirds = Preferences({"x": Fraction(1, 3)}, {"x": "low"}, Fraction(1, 3))
    assert Preferences.of(json.loads(json.dumps(thirds.to_dict()))) == thirds


# Points, against plain loops over fractions


@pytest.mark.parametrize("rule", [False, True])
def test_utilities_zone_and_pareto_are_those_of_plain_loops(rule):
    for scenario in cases(60, rule=rule):
        slow = Slow(scenario)
        assert list(scenario.outcomes()) == slow.outcomes
        for row, name in enumerate(slow.names):
            own = Fraction(str(scenario.preferences[name].reservation))
            assert scenario.utilities()[name] == [float(gains[row] + own) for gains in slow.gains]
        assert scenario.zone() == [slow.outcomes[number] for number in slow.zone]
        assert scenario.pareto() == [slow.outcomes[number] for number in slow.deals if slow.efficient(number)]


def test_the_points_are_the_best_deals_by_their_own_measure():
    seen = 0
    for scenario in cases(150):
        slow = Slow(scenario)
        if not slow.deals:
            assert scenario.nash_point is scenario.kalai_smorodinsky_point is scenario.ideal("p0") is None
            continue
        seen += 1
        at = {name: slow.index(getattr(scenario, name)) for name in ("nash_point", "egalitarian", "utilitarian")}
        assert slow.product(at["nash_point"]) == max(map(slow.product, slow.deals))
        assert min(slow.gains[at["egalitarian"]]) == max(min(slow.gains[number]) for number in slow.deals)
        assert sum(slow.gains[at["utilitarian"]]) == max(sum(slow.gains[number]) for number in slow.deals)
        kalai = slow.index(scenario.kalai_smorodinsky_point)
        assert slow.smallest_share(kalai) == max(map(slow.smallest_share, slow.deals))
        for number in (*at.values(), kalai):
            assert slow.efficient(number)
    assert seen > 80


def test_with_a_passing_rule_the_nash_point_satisfies_as_many_as_it_can():
    partly = 0
    for scenario in cases(250, rule=True):
        slow = Slow(scenario)
        if slow.deals:
            nash = slow.index(scenario.nash_point)
            assert slow.nash_order(nash) == max(map(slow.nash_order, slow.deals))
            assert slow.efficient(nash)
            partly += not slow.unanimous
    assert partly > 20


def test_more_that_accept_come_before_more_that_gain():
    """At a, p1 and p2 get just what they ask for; at b, p1 gains and p2 is left out."""
    tables = [
        ({"a": 0.5, "b": 0.6}, 0.4),
        ({"a": 0.4, "b": 0.6}, 0.4),
        ({"a": 0.4, "b": 0.1}, 0.4),
        ({"a": 0, "b": 0}, 0.9),
    ]
    wants = {f"p{i}": Preferences({"x": 1}, {"x": table}, asked) for i, (table, asked) in enumerate(tables)}
    assert Scenario({"x": ["a", "b"]}, wants, needed=2).nash_point == {"x": "a"}


def test_who_is_left_out_is_not_left_out_for_nothing():
    """To p0 and p1 both are the same; p2 is below its reservation value in both, but less so at b."""
    same = Preferences({"x": 1}, {"x": {"a": 0.5, "b": 0.5}})
    wants = {"p0": same, "p1": same, "p2": Preferences({"x": 1}, {"x": {"a": 0.1, "b": 0.2}}, 0.9)}
    assert Scenario({"x": ["a", "b"]}, wants, needed=2).nash_point == {"x": "b"}


def test_the_nash_point_is_that_of_the_textbook():
    """Splitting ten: with a reservation value of two tenths on one side, she gets that and half of the rest."""
    issues = {"share": {"low": 0, "high": 10}}
    ann, bob = Preferences({"share": 1}, {"share": "high"}, 0.2), Preferences({"share": 1}, {"share": "low"})
    scenario = Scenario(issues, {"ann": ann, "bob": bob})
    assert scenario.nash_point == scenario.kalai_smorodinsky_point == {"share": 6}
    assert scenario.ideal("ann") == 1
    assert scenario.ideal("bob") == 0.8


def test_nash_and_kalai_smorodinsky_do_not_depend_on_the_scale_of_a_utility():
    """Squeezing ann's utilities by half towards 0 moves neither point."""
    for seed in range(40):
        scenario = drawn(random.Random(seed), parties=3, coarse=False)
        p0 = scenario.preferences["p0"]
        halved = {issue: {v: s / 2 for v, s in table.items()} for issue, table in p0.scores.items()}
        squeezed = {**scenario.preferences, "p0": Preferences(p0.weights, halved, p0.reservation / 2)}
        other = Scenario(scenario.issues, squeezed)
        assert other.nash_point == scenario.nash_point
        assert other.kalai_smorodinsky_point == scenario.kalai_smorodinsky_point


def test_when_nobody_can_satisfy_all_as_many_as_can_be_are_satisfied():
    """Nobody gives p3 anything; the others share, and p3 does not stand in their way."""
    down, up = Preferences({"x": 1}, {"x": {0: 0.6, 1: 0.5, 2: 0}}), Preferences({"x": 1}, {"x": {0: 0, 1: 0.5, 2: 1}})
    wants = {"p0": down, "p1": up, "p2": down, "p3": Preferences({"x": 1}, {"x": {0: 0, 1: 0, 2: 0.2}}, 0.9)}
    scenario = Scenario({"x": [0, 1, 2]}, wants, needed=3)
    assert scenario.nash_point == {"x": 1}
    assert agreement(scenario, {"x": 1}) == 1
    assert Scenario({"x": [0, 1, 2]}, wants).nash_point is None
    assert Scenario({"x": [0, 1, 2]}, wants, needed=3, veto=["p3"]).nash_point is None


def test_equal_products_go_to_the_deal_whose_worst_off_has_more():
    wants = {
        "ann": Preferences({"x": 1}, {"x": {"a": 1, "b": 0.5, "c": 0.25}}),
        "bob": Preferences({"x": 1}, {"x": {"a": 0.25, "b": 0.5, "c": 1}}),
    }
    assert Scenario({"x": ["a", "b", "c"]}, wants).nash_point == {"x": "b"}


def test_long_fractions_stay_exact():
    """A gain of 1e-17 decides, which floats would not see."""
    close = Fraction(1, 2) + Fraction(1, 10**17)
    ann = Preferences({"x": 1}, {"x": {"a": Fraction(1, 2), "b": close, "c": 1}}, close)
    bob = Preferences({"x": 1}, {"x": {"a": 1, "b": Fraction(1, 2), "c": 0}}, Fraction(1, 2))
    assert Scenario({"x": ["a", "b", "c"]}, {"ann": ann, "bob": bob}).zone() == [{"x": "b"}]


# The agreement score and distances


def test_the_agreement_score_is_the_smallest_share_over_the_best_one():
    for scenario in cases(100):
        slow = Slow(scenario)
        best = max(map(slow.smallest_share, slow.deals), default=None)
        for number, outcome in enumerate(slow.outcomes):
            if number not in slow.deals:
                assert agreement(scenario, outcome) == 0
            else:
                assert agreement(scenario, outcome) == (float(slow.smallest_share(number) / best) if best else 1)
        if slow.deals:
            assert agreement(scenario, scenario.kalai_smorodinsky_point) == 1


def test_a_party_that_can_gain_nothing_does_not_lower_the_score():
    content = Preferences({"x": 1}, {"x": dict.fromkeys(LINE["x"], 0.5)}, 0.5)
    scenario = Scenario(LINE, {"ann": LOW, "bob": HIGH, "cem": content})
    assert agreement(scenario, {"x": 2}) == 1
    assert agreement(scenario, {"x": 1}) == 0.5


def test_where_somebody_always_gains_nothing_every_deal_is_a_best_one():
    ann, bob = ({"weights": {"x": 1}, "scores": {"x": {"a": a, "b": 1 - a}}} for a in (1, 0))
    scenario = Scenario({"x": ["a", "b"]}, {"ann": ann, "bob": bob})
    assert agreement(scenario, {"x": "a"}) == agreement(scenario, {"x": "b"}) == 1


def test_with_a_passing_rule_the_score_counts_those_whose_consent_is_needed():
    wants = {"ann": LOW, "bob": HIGH, "cem": Preferences({"x": 1}, {"x": dict.fromkeys(LINE["x"], 0.1)}, 0.5)}
    scenario = Scenario(LINE, wants, needed=2)
    assert [agreement(scenario, {"x": value}) for value in LINE["x"]] == [0, 0.5, 1, 0.5, 0]
    assert agreement(Scenario(LINE, wants, needed=2, veto=["cem"]), {"x": 2}) == 0


def test_distances_are_euclidean_and_zero_at_the_points():
    scenario = Scenario(LINE, {"ann": LOW, "bob": HIGH})
    assert distances(scenario, {"x": 2}) == {"pareto": 0, "nash": 0, "kalai": 0, "welfare": 1, "nash_product": 1}
    assert distances(scenario, {"x": 3})["nash"] == pytest.approx(2**0.5 / 4)
    assert distances(scenario, None)["pareto"] == pytest.approx(0.5**0.5)
    assert distances(scenario, None)["nash_product"] == 0
    wary = Scenario(LINE, {"ann": Preferences({"x": 1}, {"x": "low"}, 0.5), "bob": HIGH})
    assert distances(wary, None)["pareto"] == pytest.approx(2**0.5 / 4), "ann has a half without a deal"
    for other in cases(60):
        slow = Slow(other)
        for number in slow.deals[:10]:
            apart = distances(other, slow.outcomes[number])
            assert (apart["pareto"] == 0) == slow.efficient(number)
            best = slow.product(slow.index(other.nash_point))
            if best:
                assert apart["nash_product"] == pytest.approx(float(slow.product(number) / best))


def test_without_a_deal_there_is_nothing_to_be_far_from():
    scenario = Scenario(LINE, {"ann": {**LOW.to_dict(), "reservation": 1}, "bob": {**HIGH.to_dict(), "reservation": 1}})
    assert set(distances(scenario, {"x": 2}).values()) == {None}
    assert agreement(scenario, {"x": 2}) == 0
    assert scenario.pareto() == []


# Laws


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_the_order_of_parties_issues_and_tables_does_not_matter(rng, shuffler):
    scenario = drawn(rng, rule=True)
    given = scenario.to_dict()
    given["agents"] = dict(shuffler.sample(sorted(given["agents"].items()), len(given["agents"])))
    for wants in given["agents"].values():
        wants["weights"] = dict(shuffler.sample(sorted(wants["weights"].items()), len(wants["weights"])))
        wants["scores"] = {
            issue: dict(shuffler.sample(sorted(table.items()), len(table))) for issue, table in wants["scores"].items()
        }
    shuffler.shuffle(given["issues"])
    other = scenario_from(given)
    assert other.to_dict() == scenario.to_dict()
    assert list(other.preferences) == list(scenario.preferences)
    assert other.nash_point == scenario.nash_point
    assert other.pareto() == scenario.pareto()


def test_sixty_thousand_outcomes_are_worked_out_and_numpy_waits_until_then():
    code = (
        "import sys; from langgraph_agora.nodes.negotiation import Scenario, negotiate\n"
        "early = 'numpy' in sys.modules\n"
        "issues = {f'i{i}': {'low': 0, 'high': 5} for i in range(6)}\n"
        "issues['i0'] = {'low': 0, 'high': 6}\n"
        "wants = [{'weights': {name: 1 + (i * k) % 7 for i, name in enumerate(issues)},"
        " 'scores': dict.fromkeys(issues, way)} for k, way in ((3, 'low'), (5, 'high'))]\n"
        "scenario = Scenario(issues, dict(zip('ab', wants)))\n"
        "print(early, scenario.space.count, negotiate(scenario, rounds=None).nash_distance)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "54432", "0.0"]
