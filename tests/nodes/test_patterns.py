"""Mining: what is planted is found and nothing else, whatever the features look like; and what newer runs say of it."""

import importlib.util
import json
import random
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from scipy.stats import fisher_exact
from statsmodels.stats.contingency_tables import StratifiedTable

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.patterns import confirm, mine

ROOT = Path(__file__).parents[2]
LOGS = json.loads((ROOT / "tests" / "data" / "pattern_logs.json").read_text())
NAMES = LOGS["feature_names"]
BENCH = ROOT / "bench" / "patterns.py"


def loaded(path):
    spec = importlib.util.spec_from_file_location("bench_patterns", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


bench = loaded(BENCH)


def shipped(log, form="present", **more):
    """The experiences of a log; booleans that are False are left out, or written."""
    runs = []
    for place, (mask, success, steps) in enumerate(log["rows"]):
        present = {name: bool(mask >> bit & 1) for bit, name in enumerate(NAMES)}
        features = present if form == "all" else {name: True for name, value in present.items() if value}
        rest = {key: value(steps, place) for key, value in more.items()}
        runs.append({"id": f"r{place}", "features": features, "success": bool(success), "steps": steps, **rest})
    return runs


def made(seed, size, failing, *, seconds=lambda features: 1.0, **features):
    """Runs whose features are drawn by functions of a random generator, and fail with a chance that depends on them."""
    chance = random.Random(seed)
    runs = []
    for place in range(size):
        own = {name: draw(chance) for name, draw in features.items()}
        failed, spent = chance.random() < failing(own), seconds(own) * chance.lognormvariate(0, 0.5)
        runs.append({"id": f"r{place:03}", "features": own, "success": not failed, "seconds": spent})
    return runs


def often(share):
    return lambda chance: chance.random() < share


def one_of(*values):
    return lambda chance: chance.choice(values)


def said(patterns):
    """Kind and conditions of each pattern."""
    return sorted((one.kind, [tuple(condition) for condition in one.conditions]) for one in patterns)


# What is planted


@pytest.mark.parametrize("form", ["present", "all"])
@pytest.mark.parametrize("log", LOGS["logs"], ids=lambda log: log["id"])
def test_six_logs_give_exactly_what_is_planted_in_them(log, form):
    found = said(mine(shipped(log, form)))
    assert found == sorted(("failure", sorted((name, True) for name in planted)) for planted in log["planted"])


@pytest.mark.parametrize(
    "more",
    [
        {"seconds": lambda steps, place: steps, "tokens": lambda steps, place: 0},
        {"seconds": lambda steps, place: 1.5, "tokens": lambda steps, place: 1000},
        {"seconds": lambda steps, place: random.Random(place).random(), "tokens": lambda steps, place: steps * 100},
        {"seconds": lambda steps, place: None, "tokens": lambda steps, place: float("nan")},
    ],
)
def test_what_runs_cost_changes_nothing_where_only_failing_costs_more(more):
    for log in LOGS["logs"]:
        assert len(mine(shipped(log, **more))) == len(log["planted"])


def test_mining_is_quick():
    """At most 0.2 s for 400 runs and 30 features; it takes about 0.03."""
    runs = shipped(LOGS["logs"][0])
    mine(runs)
    start = time.process_time()
    mine(runs)
    assert time.process_time() - start < 0.2


def test_in_logs_without_a_pattern_hardly_anything_is_reported():
    """Of all kinds together, at most 0.05 of the logs (bench/patterns.py counts more of them)."""
    for size, logs in ((200, 120), (400, 40)):
        row = bench.measured("nothing", size, range(logs))
        assert row["any"] <= 0.05 * logs


def test_single_effects_and_pairs_are_found_and_hardly_anything_else():
    small = bench.measured("two single ones and a pair", 200, range(40))
    assert small["hits"]["f03"] + small["hits"]["f11"] >= 0.75 * 80
    large = bench.measured("two single ones and a pair", 800, range(12))
    assert large["hits"] == {"f03": 12, "f11": 12, "f07 and f19": pytest.approx(11, abs=1)}
    assert small["other"] + large["other"] <= 0.15 * 52


def test_what_helps_is_found_as_well_as_what_harms():
    row = bench.measured("one that helps", 200, range(40))
    assert row["hits"]["f03"] >= 0.75 * 40


# What a pattern says


def test_one_pattern_has_the_numbers_of_its_table():
    runs = made(1, 300, lambda own: 0.25 + 0.4 * own["hasty"], hasty=often(0.3))
    [pattern] = mine(runs)
    there = [run for run in runs if run["features"]["hasty"]]
    failed, elsewhere = sum(not run["success"] for run in there), sum(not run["success"] for run in runs)
    elsewhere -= failed
    rest = len(runs) - len(there)
    assert pattern.support == len(there) == len(pattern.evidence)
    assert set(pattern.evidence) == {run["id"] for run in there}
    assert pattern.rate == failed / len(there)
    assert pattern.base_rate == elsewhere / rest
    assert pattern.effect == pytest.approx(pattern.rate - pattern.base_rate)
    assert pattern.lift == pytest.approx(pattern.rate / pattern.base_rate)
    square = [[failed, len(there) - failed], [elsewhere, rest - elsewhere]]
    assert pattern.p == pytest.approx(fisher_exact(square, "greater")[1])
    low, high = pattern.interval
    assert low < 0.4 < high
    assert low < pattern.effect < high
    assert pattern.q <= 0.05
    assert (pattern.kind, pattern.measure, pattern.given, pattern.explained_by) == ("failure", "success", [], [])
    assert f"With hasty {failed} of {len(there)} failed, elsewhere {elsewhere} of {rest}" in pattern.words


def test_an_effect_is_what_is_left_with_the_other_patterns_held_fixed():
    """b mostly holds where a does, and both harm: as counted b harms by far more than its own 0.25."""
    chance = random.Random(8)
    runs = []
    for _ in range(1500):
        a = chance.random() < 0.5
        b = chance.random() < (0.8 if a else 0.2)
        runs.append({"features": {"a": a, "b": b}, "success": chance.random() > 0.1 + 0.4 * a + 0.25 * b})
    patterns = {one.conditions[0][0]: one for one in mine(runs)}
    b = patterns["b"]
    assert b.rate - b.base_rate > 0.4
    assert b.interval[0] < 0.25 < b.interval[1] < 0.4
    assert b.given == [[["a", True]]]
    assert "with a held fixed" in b.words


def test_p_with_others_held_fixed_is_that_of_mantel_and_haenszel():
    chance = random.Random(18)
    runs = []
    for _ in range(300):
        a = chance.random() < 0.5
        b = chance.random() < (0.7 if a else 0.3)
        runs.append({"features": {"a": a, "b": b}, "success": chance.random() > 0.1 + 0.4 * a + 0.25 * b})
    b = next(one for one in mine(runs) if one.conditions == [["b", True]])
    squares = np.zeros((2, 2, 2))  # holds, failed, stratum
    for run in runs:
        squares[int(not run["features"]["b"]), int(run["success"]), int(run["features"]["a"])] += 1
    asymptotic = StratifiedTable(squares).test_null_odds(correction=True).pvalue / 2
    assert np.log10(b.p) == pytest.approx(np.log10(asymptotic), rel=0.05)


def test_a_pattern_is_plain_json_and_can_be_read_as_a_mapping():
    [pattern] = mine(made(1, 300, lambda own: 0.25 + 0.4 * own["hasty"], hasty=often(0.3)))
    assert json.loads(json.dumps(pattern.to_dict())) == dict(pattern) == pattern.to_dict()
    assert pattern["kind"] == pattern.kind == "failure"
    assert pattern["conditions"] == pattern.conditions == [["hasty", True]]
    assert pattern["interval"] == list(pattern.interval)
    assert pattern.get("state") is None
    with pytest.raises(KeyError):
        pattern["to_dict"]


def test_without_ids_the_evidence_is_the_places_unknown_ones_counted():
    runs = [{"features": {"a": place % 3 == 0}, "success": place % 3 > 0} for place in range(60)]
    runs.insert(0, {"features": {"a": True}, "success": None})
    [pattern] = mine(runs)
    assert sorted(pattern.evidence) == list(range(1, 61, 3))


def test_certain_failure_has_a_lift_of_nothing_and_an_interval_within_one():
    runs = [{"features": {"a": place < 20}, "success": place >= 20 and place % 30 > 0} for place in range(60)]
    runs += [{"features": {"a": False}, "success": False}] * 6
    [pattern] = mine(runs)
    assert pattern.rate == 1.0
    assert pattern.interval[1] <= 1.0


# Kinds of features


def test_a_value_of_a_text_is_found():
    runs = made(2, 400, lambda own: 0.25 + 0.4 * (own["model"] == "tiny"), model=one_of("tiny", "middle", "large"))
    assert said(mine(runs)) == [("failure", [("model", "tiny")])]


def test_a_text_of_two_values_is_one_pattern_and_names_the_failing_one():
    for failing in ("left", "right"):
        runs = made(
            4, 300, lambda own, failing=failing: 0.2 + 0.4 * (own["side"] == failing), side=one_of("left", "right")
        )
        assert said(mine(runs)) == [("failure", [("side", failing)])]


def test_where_failing_is_the_rule_the_exception_is_named():
    runs = made(4, 300, lambda own: 0.2 + 0.5 * (own["side"] == "left"), side=one_of("left", "left", "left", "right"))
    assert said(mine(runs)) == [("success", [("side", "right")])]


def test_a_number_is_found_at_a_cut():
    runs = made(5, 400, lambda own: 0.2 + 0.4 * (own["depth"] >= 15), depth=lambda chance: chance.randrange(20))
    [pattern] = mine(runs)
    [[name, cut]] = pattern.conditions
    assert (pattern.kind, name, cut[:3]) == ("failure", "depth", ">= ")
    assert 13 <= float(cut[3:]) <= 16


def test_a_number_that_is_small_is_found_too_and_at_a_given_edge():
    runs = made(6, 400, lambda own: 0.2 + 0.5 * (own["heat"] < 0.3), heat=lambda chance: chance.random())
    assert said(mine(runs, edges={"heat": [0.3]})) == [("failure", [("heat", "< 0.3")])]


@pytest.mark.parametrize("rare", [True, False])
def test_a_boolean_is_always_named_by_its_true(rare):
    share = 0.25 if rare else 0.75
    harms = made(7, 300, lambda own: 0.2 + 0.4 * own["x"], x=often(share))
    helps = made(7, 300, lambda own: 0.6 - 0.4 * own["x"], x=often(share))
    assert said(mine(harms)) == [("failure", [("x", True)])]
    assert said(mine(helps)) == [("success", [("x", True)])]
    for one in mine(harms) + mine(helps):
        assert one.effect == pytest.approx(one.rate - one.base_rate)
        assert 0 < one.interval[0] < one.effect < one.interval[1] < 1
        assert one.rate > one.base_rate
    [helpful] = mine(helps)
    there = [run["success"] for run in helps if run["features"]["x"]]
    assert helpful.rate == sum(there) / len(there)


def test_what_always_goes_together_is_one_pattern_and_the_rest_may_explain_it():
    runs = made(8, 300, lambda own: 0.2 + 0.4 * own["plan_missing"], plan_missing=often(0.3))
    for run in runs:
        on = run["features"]["plan_missing"]
        run["features"] |= {"with_plan": not on, "zz": on, "style": "loose" if on else "strict"}
    [pattern] = mine(runs)
    assert said([pattern]) == [("failure", [("plan_missing", True)])]
    assert pattern.explained_by == [["style", "loose"], ["with_plan", False], ["zz", True]]


def test_what_nearly_always_goes_together_may_explain_it_as_well():
    runs = made(9, 400, lambda own: 0.2 + 0.4 * own["a"], a=often(0.3))
    for place, run in enumerate(runs):
        run["features"]["b"] = run["features"]["a"] if place % 25 else not run["features"]["a"]
    [pattern] = mine(runs)
    assert (pattern.conditions, pattern.explained_by) == ([["a", True]], [["b", True]])


def test_what_gives_the_outcome_away_is_said_and_hides_nothing():
    runs = made(10, 400, lambda own: 0.2 + 0.4 * own["a"], a=often(0.3))
    for run in runs:
        run["features"]["gave_up"] = not run["success"]
    patterns = mine(runs)
    assert said(patterns) == [("failure", [("a", True)]), ("failure", [("gave_up", True)])]
    leak = next(one for one in patterns if one.conditions[0][0] == "gave_up")
    assert leak.words.endswith("This is nearly the outcome itself, so nothing else was judged by it.")
    assert (leak.effect, leak.lift) == (1.0, None)


def test_ids_constants_and_rare_things_are_no_patterns():
    runs = made(11, 300, lambda own: 0.3)
    for place, run in enumerate(runs):
        rare = {"crash": True} if place % 40 == 0 else {}
        run["features"] = {"run": f"run-{place}", "number": place, "version": "1.0", "always": True, **rare}
        run["success"] = place % 40 > 0 and place > 100
    assert mine(runs) == []


# What counts


def test_unknown_and_self_judged_outcomes_do_not_count():
    runs = made(12, 200, lambda own: 0.2 + 0.5 * own["a"], a=often(0.3))
    [pattern] = mine(runs)
    unknown = [{"features": {"a": True}, "success": None, "seconds": 99.0}] * 300
    praise = [{"features": {"a": True}, "success": True, "seconds": 99.0, "outcome_source": "self"}] * 300
    assert mine(runs + unknown + praise) == [pattern]
    assert said(mine(runs + unknown + praise, self_judged=True)) != said([pattern])


@pytest.mark.parametrize("count", [0, 1, 19])
def test_from_fewer_than_twice_the_support_nothing_is_reported(count):
    runs = [{"features": {"a": place % 2 == 0}, "success": place % 2 > 0} for place in range(count)]
    assert mine(runs) == []
    assert said(mine(runs * 3)) == ([] if count < 7 else [("failure", [("a", True)])])


def test_the_needed_support_is_needed_exactly():
    runs = [{"features": {"a": place < 12}, "success": place >= 12} for place in range(60)]
    assert len(mine(runs, min_support=12)) == 1
    assert mine(runs, min_support=13) == []
    assert mine([{**run, "success": not run["success"]} for run in runs], min_support=13) == []


def test_order_and_names_change_nothing():
    runs = shipped(LOGS["logs"][0], "all", seconds=lambda steps, place: steps + place % 7)
    found = mine(runs)
    mixed = runs[:]
    random.Random(1).shuffle(mixed)
    assert mine(mixed) == found
    assert mine([{**run, "features": dict(reversed(run["features"].items()))} for run in runs]) == found
    other = {name: f"x{29 - place:02}" for place, name in enumerate(NAMES)}
    renamed = mine([{**run, "features": {other[name]: v for name, v in run["features"].items()}} for run in runs])
    assert [one.p for one in renamed] == pytest.approx([one.p for one in found])
    for new, old in zip(renamed, found, strict=True):
        assert sorted(new.conditions) == sorted([other[name], value] for name, value in old.conditions)
        assert (new.evidence, new.effect) == (old.evidence, pytest.approx(old.effect))


def test_a_stricter_rate_reports_less():
    runs = shipped(LOGS["logs"][2])
    assert len(mine(runs, rate=0.05)) == 3
    assert len(mine(runs, rate=0.001)) == 2


def test_many_features_and_nothing_in_them():
    runs = made(13, 300, lambda own: 0.3, **{f"f{place:03}": often(0.2) for place in range(200)})
    assert mine(runs) == []


# Efficiency


def test_what_takes_long_is_found_with_the_ratio_of_its_medians():
    runs = made(14, 300, lambda own: 0.3, seconds=lambda own: 1 + 1.5 * own["web"], web=often(0.3), plan=often(0.4))
    [pattern] = mine(runs)
    assert (pattern.kind, pattern.measure, pattern.conditions) == ("efficiency", "seconds", [["web", True]])
    assert pattern.lift == pytest.approx(2.5, rel=0.25)
    assert pattern.effect > 0.4
    assert pattern.interval[0] < pattern.effect < pattern.interval[1]
    assert "took more seconds than the median" in pattern.words


def test_lift_is_the_ratio_of_the_medians():
    runs = made(20, 201, lambda own: 0.0, seconds=lambda own: 1 + 1.5 * own["web"], web=often(0.3))
    [pattern] = mine(runs)
    with_it, without = ([run["seconds"] for run in runs if run["features"]["web"] is web] for web in (True, False))
    assert pattern.lift == pytest.approx(median(with_it) / median(without))


def test_what_saves_time_has_a_negative_effect():
    runs = made(15, 300, lambda own: 0.3, seconds=lambda own: 1 - 0.6 * own["cache"], cache=often(0.3))
    [pattern] = mine(runs)
    assert pattern.effect < -0.4
    assert pattern.interval[0] < pattern.effect < pattern.interval[1] < 0
    assert pattern.lift == pytest.approx(0.4, rel=0.25)
    assert "points fewer" in pattern.words


def test_time_is_compared_within_a_kind_of_task():
    """Videos take long and are mostly done with the web tool, which itself makes no difference."""
    runs = made(16, 400, lambda own: 0.3, task_kind=one_of("video", "text"))
    chance = random.Random(1)
    for run in runs:
        video = run["features"].pop("task_kind") == "video"
        run["seconds"] *= 3 if video else 1
        run["features"] = {"web": chance.random() < (0.8 if video else 0.2)}
        run["features"]["sort"] = run["features"]["task_kind"] = "video" if video else "text"
    assert mine(runs) == []
    assert mine(runs, comparable=["no such", "sort"]) == []
    assert said(mine(runs, comparable=())) == [("efficiency", [("sort", "video")])]


def test_seconds_that_only_count_the_steps_are_said_once():
    runs = made(17, 300, lambda own: 0.3, seconds=lambda own: 1 + own["web"], web=often(0.3))
    for run in runs:
        run["steps"] = run["tokens"] = run["seconds"]
    assert [(one.kind, one.measure) for one in mine(runs)] == [("efficiency", "seconds")]


def test_where_most_take_the_same_the_others_took_more():
    runs = made(19, 300, lambda own: 0.3, web=often(0.3), plan=often(0.4))
    chance = random.Random(2)
    for run in runs:
        run["seconds"], run["steps"] = 1.0, 1 + (chance.random() < 0.1 + 0.6 * run["features"]["web"])
    [pattern] = mine(runs)
    assert (pattern.measure, pattern.conditions) == ("steps", [["web", True]])
    assert pattern.rate == sum(run["steps"] > 1 for run in runs if run["features"]["web"]) / pattern.support


def test_outliers_decide_nothing():
    runs = made(18, 300, lambda own: 0.3, a=often(0.3))
    for run in [run for run in runs if run["features"]["a"]][:5]:
        run["seconds"] = 1e9
    assert mine(runs) == []


# Newer experiences


def hasty(seed, size, harm=0.4):
    return made(seed, size, lambda own: 0.25 + harm * own["hasty"], hasty=often(0.3))


def test_newer_experiences_confirm_a_pattern_or_let_it_expire():
    [pattern] = mine(hasty(1, 300))
    assert confirm(pattern, hasty(2, 150)).state == "validated"
    assert confirm(pattern, hasty(3, 20)).state == "candidate"
    assert confirm(pattern, []).state == "candidate"
    gone = confirm(pattern, hasty(4, 250, harm=0.0))
    assert gone.state == "expired"
    assert gone.p > 0.05
    assert gone.support >= 50


def test_a_pattern_expires_after_fifty_cases_and_not_before():
    [pattern] = mine(hasty(1, 300))
    cases = [{"features": {"hasty": place % 2 == 0}, "success": True} for place in range(101)]
    assert (confirm(pattern, cases[:98]).state, confirm(pattern, cases[:98]).support) == ("candidate", 49)
    assert (confirm(pattern, cases[:99]).state, confirm(pattern, cases[:99]).support) == ("expired", 50)


def test_confirmation_looks_in_the_direction_of_the_pattern_only():
    [harmful] = mine(hasty(1, 300))
    [helpful] = mine(made(7, 300, lambda own: 0.6 - 0.4 * own["hasty"], hasty=often(0.3)))
    [slow] = mine(made(14, 300, lambda own: 0.3, seconds=lambda own: 1 + 1.5 * own["hasty"], hasty=often(0.3)))
    quick = made(
        15, 300, lambda own: 0.6 - 0.4 * own["hasty"], seconds=lambda own: 1 - 0.6 * own["hasty"], hasty=often(0.3)
    )
    assert confirm(harmful, quick).state == "expired"
    assert confirm(helpful, quick).state == "validated"
    assert confirm(helpful, quick).effect == pytest.approx(0.4, abs=0.15)
    assert confirm(slow, quick).state == "expired"
    assert confirm(slow, quick).effect < -0.3


def test_confirmation_works_from_json_and_gives_json():
    [pattern] = mine(hasty(1, 300))
    newer = hasty(2, 150)
    found = confirm(json.loads(json.dumps(dict(pattern))), newer)
    assert found == confirm(pattern, newer)
    assert json.loads(json.dumps(found.to_dict()))["state"] == "validated"
    there = [run for run in newer if run["features"]["hasty"]]
    failed = sum(not run["success"] for run in there)
    others = sum(not run["success"] for run in newer) - failed
    square = [[failed, len(there) - failed], [others, len(newer) - len(there) - others]]
    assert found.p == pytest.approx(fisher_exact(square, "greater")[1])


def test_what_was_held_fixed_is_held_fixed_again():
    """b goes along with a; that a harms on does not confirm that b does."""
    chance = random.Random(21)

    def runs(size, own):
        made = []
        for _ in range(size):
            a = chance.random() < 0.5
            b = chance.random() < (0.8 if a else 0.2)
            made.append({"features": {"a": a, "b": b}, "success": chance.random() > 0.1 + 0.4 * a + own * b})
        return made

    b = next(one for one in mine(runs(1500, 0.25)) if one.conditions == [["b", True]])
    assert confirm(b, runs(400, 0.25)).state == "validated"
    assert confirm(b, runs(400, 0.0)).state == "expired"
    assert confirm({**b, "given": []}, runs(400, 0.0)).state == "validated"  # as the naive look has it


# Wrong input


@pytest.mark.parametrize(
    ("runs", "settings", "message"),
    [
        ([], {"rate": 0}, "rate was 0"),
        ([], {"rate": True}, "rate was True"),
        ([], {"min_support": 0}, "min_support was 0"),
        ([], {"min_support": 2.5}, "min_support was 2.5"),
        (["run"], {}, "The experience at 0 was 'run'"),
        ([{"features": ["a"], "success": True}], {}, "The experience at 0"),
        ([{"features": {}, "success": "yes"}], {}, "success of the experience at 0 was 'yes'"),
        ([{"features": {"tools": ["a"]}, "success": True}], {}, "The feature 'tools' was a list"),
    ],
)
def test_wrong_input_is_said(runs, settings, message):
    with pytest.raises(ConfigError, match=message):
        mine(runs, **settings)
