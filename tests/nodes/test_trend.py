"""Trends: changes are noticed soon, placed well, and hardly ever made up."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.mining.effects import wilson
from langgraph_agora.nodes.trend import trend


def stream(chance, *parts):
    """Outcomes from (how many, share of successes) parts."""
    return [chance.random() < share for size, share in parts for _ in range(size)]


def durations(chance, *parts):
    """Seconds from (how many, middle) parts."""
    return [middle * chance.lognormvariate(0, 0.6) for size, middle in parts for _ in range(size)]


def test_a_steady_stream_hardly_ever_alarms():
    """At most 0.1 a thousand outcomes; it is about 0.06."""
    chance = random.Random(1)
    alarms = sum(bool(trend(stream(chance, (1000, 0.7))).changes) for _ in range(100))
    assert alarms <= 10


def test_a_fall_is_noticed_within_a_hundred_outcomes():
    """From 0.75 to 0.45 in at least 85 of 100 cases, and hardly ever before it happens."""
    chance = random.Random(2)
    found = [trend(stream(chance, (300, 0.75), (150, 0.45))).changes for _ in range(100)]
    assert sum(any(300 <= change.noticed < 400 for change in changes) for changes in found) >= 85
    assert sum(any(change.noticed < 300 for change in changes) for changes in found) <= 5


def test_a_change_is_placed_near_where_it_was():
    chance = random.Random(3)
    places = []
    for _ in range(60):
        changes = trend(stream(chance, (300, 0.8), (200, 0.4))).changes
        places += [change.at - 300 for change in changes if change.noticed >= 300][:1]
    places.sort()
    assert abs(places[len(places) // 2]) <= 3
    assert sum(abs(place) <= 20 for place in places) >= 0.85 * len(places)


def test_rises_are_noticed_like_falls_and_every_level_has_its_interval():
    chance = random.Random(4)
    outcomes = stream(chance, (300, 0.4), (300, 0.8), (300, 0.3))
    found = trend(outcomes)
    rise, fall = found.changes
    assert (rise.before < rise.after, fall.before > fall.after) == (True, True)
    assert abs(rise.at - 300) <= 20 >= abs(fall.at - 600)
    assert rise.after == fall.before == sum(outcomes[rise.at : fall.at]) / (fall.at - rise.at)
    assert rise.after_interval == fall.before_interval == wilson(sum(outcomes[rise.at : fall.at]), fall.at - rise.at)
    assert found.now == fall.after == sum(outcomes[fall.at :]) / (900 - fall.at)
    assert found.interval == fall.after_interval
    assert found.interval[0] < 0.3 < found.interval[1]


def test_p_is_fishers_two_sided_of_the_recent_ones_against_those_before():
    outcomes = [place % 4 > 0 for place in range(400)] + [place % 4 == 0 for place in range(60)]
    [change] = trend(outcomes).changes
    window = outcomes[change.noticed + 1 - 250 : change.noticed + 1]
    old, new = window[:-50], window[-50:]
    square = [[sum(new), 50 - sum(new)], [sum(old), len(old) - sum(old)]]
    assert change.p == pytest.approx(2 * min(fisher_exact(square, side)[1] for side in ("less", "greater")))
    assert change.p < 0.0007
    assert not trend(outcomes[: change.noticed]).changes  # It was not there one outcome earlier.
    assert trend(outcomes[: change.noticed + 1]).changes


def test_one_change_is_reported_once():
    chance = random.Random(5)
    counts = [len(trend(stream(chance, (300, 0.85), (300, 0.35))).changes) for _ in range(60)]
    assert counts.count(1) >= 50


def test_seconds_are_followed_by_their_medians():
    chance = random.Random(6)
    found = [trend(durations(chance, (300, 10), (150, 20))).changes for _ in range(30)]
    assert sum(any(300 <= change.noticed < 400 for change in changes) for changes in found) >= 28
    [change] = found[0]
    assert change.before == pytest.approx(10, rel=0.2)
    assert change.after == pytest.approx(20, rel=0.3)
    assert change.before_interval[0] < change.before < change.before_interval[1]
    steady = [trend(durations(chance, (600, 10))).changes for _ in range(30)]
    assert sum(map(bool, steady)) <= 3


def test_single_enormous_values_are_no_change():
    chance = random.Random(7)
    values = durations(chance, (400, 10))
    assert not trend(values).changes
    for place in range(0, 400, 9):
        values[place] = 1e6
    assert not trend(values).changes


def test_single_enormous_values_hide_no_change():
    values = durations(random.Random(12), (300, 10), (200, 25))
    for place in range(0, 500, 9):
        values[place] = 1e6
    assert [abs(change.at - 300) <= 20 for change in trend(values).changes] == [True]


def test_zeros_and_ones_are_followed_as_numbers_too():
    outcomes = [int(one) for one in stream(random.Random(8), (300, 0.9), (200, 0.4))]
    changes = trend(outcomes).changes
    assert [abs(change.at - 300) <= 20 for change in changes] == [True]


def test_unknown_outcomes_are_left_out_and_places_are_those_given():
    known = stream(random.Random(9), (300, 0.8), (200, 0.3))
    [change] = trend(known).changes
    gaps = [one for outcome in known for one in (None, outcome)]
    [found] = trend([*gaps, float("nan")]).changes
    assert (found.at, found.noticed) == (2 * change.at + 1, 2 * change.noticed + 1)
    assert (found.before, found.after, found.p) == (change.before, change.after, change.p)


def test_few_outcomes_have_a_level_and_no_changes():
    assert (trend([]).changes, trend([]).now, trend([]).interval) == ([], None, None)
    assert trend([True, False, True, True]).now == 0.75
    assert trend([3.0]).interval == (3.0, 3.0)
    assert not trend([True] * 50 + [False] * 49).changes
    assert trend([True] * 50 + [False] * 50).changes


def test_windows_and_p_can_be_set():
    outcomes = stream(random.Random(10), (100, 0.9), (30, 0.3))
    assert trend(outcomes, recent=20).changes
    assert not trend(outcomes, recent=20, p=1e-12).changes


@settings(deadline=None, max_examples=30)
@given(st.lists(st.booleans(), min_size=1, max_size=400), st.randoms(use_true_random=False))
def test_the_opposite_outcomes_change_at_the_same_places(outcomes, chance):
    outcomes = outcomes + [chance.random() < 0.2 for _ in range(120)]
    one, other = trend(outcomes), trend([not outcome for outcome in outcomes])
    assert [change.noticed for change in one.changes] == [change.noticed for change in other.changes]
    assert other.now == pytest.approx(1 - one.now)


def test_it_is_plain_json():
    found = trend(stream(random.Random(11), (300, 0.9), (100, 0.4)))
    text = json.loads(json.dumps(found.to_dict()))
    assert text["changes"][0]["at"] == found.changes[0].at
    assert text["interval"] == list(found.interval)
    assert trend([]).to_dict() == {"changes": [], "now": None, "interval": None}


@pytest.mark.parametrize(
    ("outcomes", "arguments", "message"),
    [
        ([True, "no"], {}, "An outcome was 'no'"),
        ([True, 2.5], {}, "either, not both"),
        ([True], {"recent": 3}, "recent was 3"),
        ([True], {"before": 10}, "before was 10"),
        ([True], {"p": 0}, "p was 0"),
    ],
)
def test_wrong_input_is_said(outcomes, arguments, message):
    with pytest.raises(ConfigError, match=message):
        trend(outcomes, **arguments)
