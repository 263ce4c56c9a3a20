"""Exact tests: against Fisher's in scipy, against counting every possibility, and what a test can reach at all."""

import random
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from langgraph_agora.nodes.mining.exact import exact_tails


def one(holds, size, events, seen):
    """A single table."""
    return exact_tails(np.array([[holds]]), np.array([size]), np.array([events]), np.array([seen]))


@st.composite
def tables(draw):
    size = draw(st.integers(1, 60))
    holds, events = draw(st.integers(0, size)), draw(st.integers(0, size))
    return holds, size, events, draw(st.integers(max(0, holds + events - size), min(holds, events)))


@settings(deadline=None)
@given(tables())
def test_with_one_stratum_it_is_fishers_exact_test(table):
    holds, size, events, seen = table
    square = [[seen, holds - seen], [events - seen, size - holds - events + seen]]
    found = one(*table)
    assert found.more[0] == pytest.approx(fisher_exact(square, "greater")[1], rel=1e-9)
    assert found.less[0] == pytest.approx(fisher_exact(square, "less")[1], rel=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_with_strata_it_is_the_share_of_all_ways_to_place_the_events_within_them(seed):
    chance = random.Random(seed)
    strata = []
    for _ in range(2):
        size = chance.randint(3, 7)
        strata.append((chance.randint(1, size), size, chance.randint(1, size)))  # holds, size, events
    ways = [
        sum(place < holds for (holds, _, _), places in zip(strata, way, strict=True) for place in places)
        for way in product(*(list(combinations(range(size), events)) for _, size, events in strata))
    ]
    holds, sizes, events = (np.array(column) for column in zip(*strata, strict=True))
    for seen in set(ways):
        found = exact_tails(holds[:, None], sizes, events, np.array([seen]))
        assert found.more[0] == pytest.approx(sum(way >= seen for way in ways) / len(ways))
        assert found.less[0] == pytest.approx(sum(way <= seen for way in ways) / len(ways))


def test_many_candidates_at_once_are_tested_as_one_by_one():
    chance = random.Random(1)
    sizes, events = np.array([30, 20, 5]), np.array([10, 20, 2])
    holds = np.array([[chance.randint(0, size) for _ in range(50)] for size in sizes])
    least = np.maximum(0, holds + events[:, None] - sizes[:, None]).sum(axis=0)
    most = np.minimum(holds, events[:, None]).sum(axis=0)
    seen = np.array([chance.randint(low, high) for low, high in zip(least, most, strict=True)])
    together = exact_tails(holds, sizes, events, seen)
    for place in range(50):
        alone = exact_tails(holds[:, place : place + 1], sizes, events, seen[place : place + 1])
        assert together.more[place] == pytest.approx(alone.more[0])
        assert together.less[place] == pytest.approx(alone.less[0])


@settings(deadline=None)
@given(tables(), st.sampled_from([0.2, 0.05, 0.01, 0.001]))
def test_a_test_reaches_a_p_with_the_chance_that_the_distribution_gives_it(table, p):
    holds, size, events, _ = table
    counts = range(max(0, holds + events - size), min(holds, events) + 1)
    tails = {count: one(holds, size, events, count).more[0] for count in counts}
    chances = {count: tails[count] - tails.get(count + 1, 0.0) for count in counts}
    reached = sum(chances[count] for count in counts if tails[count] <= p)
    assert one(*table).expected(p, more=True) == pytest.approx(reached, abs=1e-12)


def test_a_candidate_of_too_few_cases_costs_nothing():
    """Three of three with the event are a p of 0.02 at best, so a p of 0.001 is not made dearer by such a one."""
    alone = one(20, 100, 30, 15)
    with_idle = exact_tails(np.array([[20, 3]]), np.array([100]), np.array([30]), np.array([15, 1]))
    assert with_idle.expected(0.001, more=True) == alone.expected(0.001, more=True) > 0
    assert with_idle.expected(0.5, more=True) > alone.expected(0.5, more=True)


def test_its_own_p_is_always_among_those_that_it_reaches():
    found = exact_tails(np.array([[20, 21], [9, 4]]), np.array([60, 30]), np.array([20, 11]), np.array([14, 9]))
    for place in range(2):
        assert found.more[place] in found.all_more[place]
        assert found.less[place] in found.all_less[place]


def test_a_stratum_in_which_all_or_none_have_the_event_says_nothing():
    without = one(12, 40, 15, 9)
    idle = exact_tails(
        np.array([[12], [7], [5]]), np.array([40, 20, 10]), np.array([15, 20, 0]), np.array([9 + 7])
    )  # 7 of 7 in the stratum where all have it
    assert (idle.more[0], idle.less[0]) == pytest.approx((without.more[0], without.less[0]))


def test_far_away_the_p_is_next_to_nothing_and_no_error():
    found = one(40_000, 100_000, 30_000, 30_000)
    assert found.more[0] < 1e-30
    assert found.less[0] == pytest.approx(1.0)
    middle = one(40_000, 100_000, 30_000, 12_000)
    assert middle.more[0] + middle.less[0] == pytest.approx(1.0, abs=0.01)


def test_no_candidates_and_no_cases_are_no_error():
    assert exact_tails(np.zeros((1, 0), int), np.array([5]), np.array([2]), np.zeros(0, int)).more.shape == (0,)
    assert one(0, 0, 0, 0).more[0] == 1.0
