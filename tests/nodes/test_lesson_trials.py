"""The sequential test of a lesson: its probabilities and intervals, its looks, and how often it errs."""

import random
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from langgraph_agora.nodes.lesson_trials import (
    MOST,
    PROMOTE,
    RETIRE,
    bar,
    better,
    counts_of,
    effect_of,
    is_look,
    verdict,
    weight,
)
from langgraph_agora.nodes.lessons import counted, judged, new_lesson, withheld

FAST = settings(derandomize=True, deadline=None, max_examples=60)
few = st.integers(0, 60)
pairs = st.tuples(few, few)


def counts(won, of, won_without, of_without):
    return {"given": [won, of - won], "withheld": [won_without, of_without - won_without]}


# The probability that a lesson helps


def test_without_trials_a_lesson_may_help_or_harm_alike():
    assert better([0, 0], [0, 0]) == pytest.approx(0.5)


def test_the_smallest_probabilities_are_exact():
    """Ten failures against ten successes: one of the 22 over 11 orders in which eleven and eleven can stand."""
    assert better([0, 10], [10, 0]) == pytest.approx(1 / comb(22, 11), rel=1e-9)
    assert better([0, 200], [200, 0]) == pytest.approx(1 / comb(402, 201), rel=1e-9)


@FAST
@given(pairs, pairs)
def test_it_is_the_integral_over_both_posteriors(one, other):
    a, b = (beta(won + 1, lost + 1) for won, lost in (one, other))
    middle = b.mean()
    found, _ = quad(lambda x: b.pdf(x) * a.sf(x), 0, 1, points=[middle], limit=200)
    assert better(one, other) == pytest.approx(found, abs=1e-7)


@FAST
@given(pairs, pairs)
def test_one_of_two_is_better(one, other):
    assert better(one, other) + better(other, one) == pytest.approx(1)


@FAST
@given(pairs, pairs)
def test_another_success_speaks_for_a_lesson_and_another_failure_against_it(one, other):
    now = better(one, other)
    assert better((one[0] + 1, one[1]), other) >= now - 1e-12
    assert better((one[0], one[1] + 1), other) <= now + 1e-12


# The effect and its interval


@pytest.mark.parametrize(
    ("won", "of", "won_without", "of_without", "low", "high"),
    [(56, 70, 48, 80, 0.0524, 0.3339), (0, 10, 0, 20, -0.1611, 0.2775), (10, 10, 0, 20, 0.6791, 1.0)],
)
def test_the_interval_is_newcombes(won, of, won_without, of_without, low, high):
    """Newcombe 1998, table II, examples (a), (e) and (g), method 10."""
    effect, interval = effect_of(counts(won, of, won_without, of_without))
    assert effect == pytest.approx(won / of - won_without / of_without)
    assert interval == pytest.approx((low, high), abs=6e-5)


@FAST
@given(pairs, pairs)
def test_an_effect_lies_in_its_interval_and_changes_its_sign_with_the_groups(one, other):
    found = effect_of({"given": one, "withheld": other})
    if not sum(one) or not sum(other):
        assert found is None
        return
    effect, (low, high) = found
    assert -1 <= low <= effect <= high <= 1
    opposite, (opposite_low, opposite_high) = effect_of({"given": other, "withheld": one})
    assert (opposite, opposite_low, opposite_high) == pytest.approx((-effect, -high, -low))


def test_two_times_are_compared_each_within_itself():
    """Half is withheld at first, when tasks are hard, and little later, when they are easy: the sums would mislead."""
    hard, easy = counts(20, 100, 20, 100), counts(171, 190, 9, 10)
    assert effect_of(hard, easy)[0] == pytest.approx(0)
    assert effect_of(counts(20 + 171, 290, 20 + 9, 110))[0] > 0.3


def test_unequal_groups_weigh_less():
    assert weight(counts(0, 50, 0, 50)) == 100
    assert weight(counts(0, 95, 0, 5)) == 19
    assert weight(counts(0, 100, 0, 0)) == 0


# Looks


def test_the_looks_are_at_20_and_every_10_until_400_and_at_everything_after():
    assert [trials for trials in range(402) if is_look(trials)] == [*range(20, 401, 10), 401]


def test_the_bar_falls_from_look_to_look():
    bars = [bar(trials) for trials in range(20, 401, 10)]
    assert bars == sorted(bars, reverse=True)
    assert (bars[0], bars[-1]) == (pytest.approx(0.99977, abs=1e-5), pytest.approx(0.9573, abs=1e-4))
    assert bar(400) == bar(4000)
    assert all(bar(trials, RETIRE) <= bar(trials, PROMOTE) for trials in range(20, 401))


def test_between_looks_nothing_is_decided_however_clear_it_is():
    assert verdict(counts(10, 10, 0, 10)) == "promote"
    assert verdict(counts(0, 10, 10, 10)) == "retire"
    for more in range(1, 10):
        assert verdict(counts(10 + more, 10 + more, 0, 10)) is None
    assert verdict(counts(10, 10, 0, 9)) is None


def test_nothing_is_decided_by_a_group_of_fewer_than_five():
    assert verdict(counts(96, 96, 0, 4)) is None
    assert verdict(counts(95, 95, 0, 5)) == "promote"
    assert verdict(counts(400, 400, 0, 0)) == "none"


def test_at_400_trials_without_a_difference_there_is_no_proof():
    assert verdict(counts(109, 195, 109, 195)) is None
    assert verdict(counts(110, 200, 110, 200)) == "none"
    assert verdict(counts(110, 200, 110, 201)) == "none"


@FAST
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_more_successes_with_a_lesson_never_make_its_verdict_worse(won, more, won_without):
    order = ["retire", None, "promote"]
    now = verdict(counts(won, 30, won_without, 30))
    then = verdict(counts(min(won + more, 30), 30, won_without, 30))
    assert order.index(then) >= order.index(now)


def test_an_outcome_that_nobody_knows_is_not_counted():
    rows = [{"given": True, "success": True}, {"given": True, "success": None}, {"given": False, "success": False}]
    assert counts_of(rows) == {"given": [1, 0], "withheld": [0, 1]}


# How often it errs: streams of runs with a known effect, through the rules that the graph uses


def decided(rng, effect, share=None, base=0.55):
    """The state of a lesson after at most 400 runs, and the number of runs until it was decided."""
    lesson, trials = new_lesson(f"Lesson {rng.random()}.", kind="execution", pattern=None, at=""), []
    while lesson["state"] == "candidate":
        run = f"run {len(trials)}"
        is_given = not (withheld(lesson, run) if share is None else rng.random() < share)
        success = rng.random() < base + (effect if is_given else 0)
        trials.append({"run": run, "given": is_given, "success": success, "at": ""})
        if len(trials) % 10 == 0:
            lesson = judged(counted(lesson, trials), at="then")
    assert len(trials) <= MOST
    return lesson, len(trials)


@pytest.mark.parametrize("share", [None, 0.25])
@pytest.mark.parametrize(
    ("effect", "state", "least"),
    [(-0.25, "retired", 0.97), (-0.15, "retired", 0.8), (0.15, "active", 0.8), (0.25, "active", 0.97)],
)
def test_a_lesson_with_an_effect_is_decided_rightly_by_its_outcomes(share, effect, state, least):
    rng, times = random.Random(f"{effect} {share}"), 120
    ends = [decided(rng, effect, share) for _ in range(times)]
    right = [lesson for lesson, _ in ends if lesson["state"] == state and "No proven benefit" not in lesson["why"]]
    assert len(right) >= least * times
    early = sorted(number for _, number in ends)[times // 2]
    assert early <= (170 if abs(effect) == 0.25 else 280)


@pytest.mark.parametrize("share", [None, 0.25])
def test_a_useless_lesson_is_seldom_promoted(share):
    rng, times = random.Random(f"null {share}"), 300
    ends = [decided(rng, 0, share)[0] for _ in range(times)]
    assert sum(lesson["state"] == "active" for lesson in ends) <= 0.11 * times
    # Its other end is that nothing was shown.
    assert sum("No proven benefit" in lesson["why"] for lesson in ends) >= 0.7 * times


def test_withholding_by_lot_finds_the_effect_that_comparing_with_other_runs_hides():
    """A lesson that adds 0.10, recalled for two hard tasks in three and one easy task in six."""
    rng, times, runs = random.Random(6), 60, 400
    measured, naive = [], []
    for number in range(times):
        lesson, trials, without = new_lesson(f"Lesson {number}.", kind="risk", pattern=None, at=""), [], []
        for run in range(runs):
            is_hard = rng.random() < 0.5
            base = 0.3 if is_hard else 0.8
            if rng.random() < (2 / 3 if is_hard else 1 / 6):
                is_given = not withheld(lesson, f"{number} {run}")
                success = rng.random() < base + 0.1 * is_given
                trials.append({"run": f"{number} {run}", "given": is_given, "success": success, "at": ""})
            else:
                without.append(rng.random() < base)
        measured.append(counted(lesson, trials)["effect"])
        with_it = [trial["success"] for trial in trials if trial["given"]]
        naive.append(sum(with_it) / len(with_it) - sum(without) / len(without))
    assert sum(measured) / times == pytest.approx(0.1, abs=0.03)
    assert sum(naive) / times < -0.1
