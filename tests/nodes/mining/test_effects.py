"""Effects and intervals: against statsmodels, at the edges, and how often they cover what is true."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from langgraph_agora.nodes.mining.effects import difference, wilson

counts = st.integers(1, 200).flatmap(lambda cases: st.tuples(st.integers(0, cases), st.just(cases)))


@settings(deadline=None)
@given(counts)
def test_a_share_has_wilsons_interval(share):
    assert wilson(*share) == pytest.approx(proportion_confint(*share, method="wilson"), abs=1e-9)


@settings(deadline=None)
@given(counts, counts)
def test_a_difference_has_newcombes_interval(one, other):
    effect, interval = difference([(one, other)])
    assert effect == pytest.approx(one[0] / one[1] - other[0] / other[1])
    assert interval == pytest.approx(confint_proportions_2indep(*one, *other, method="newcomb"), abs=1e-9)


@settings(deadline=None)
@given(counts, counts)
def test_the_opposite_direction_is_the_mirror_image(one, other):
    effect, (low, high) = difference([(one, other)])
    assert difference([(other, one)]) == (pytest.approx(-effect), (pytest.approx(-high), pytest.approx(-low)))


def test_strata_take_a_confounder_out():
    """Simpson: it looks harmful by 0.3 and is not at all, since it holds where things are hard."""
    hard, easy = ((60, 75), (20, 25)), ((5, 25), (15, 75))
    assert difference([((65, 100), (35, 100))])[0] == pytest.approx(0.3)
    effect, (low, high) = difference([hard, easy])
    assert effect == pytest.approx(0.0)
    assert low < 0 < high


def test_strata_count_as_mantel_and_haenszel_weigh_them():
    tables = [((8, 10), (5, 10)), ((30, 40), (10, 20)), ((3, 3), (0, 0))]  # The last has nothing to compare with.
    weights = [10 * 10 / 20, 40 * 20 / 60]
    assert difference(tables)[0] == pytest.approx((0.3 * weights[0] + 0.25 * weights[1]) / sum(weights))


def test_the_same_again_in_another_stratum_is_surer_by_the_root_of_two():
    table = ((30, 40), (20, 50))
    effect, (low, high) = difference([table])
    again, (lower, higher) = difference([table, table])
    assert again == pytest.approx(effect)
    assert effect - lower == pytest.approx((effect - low) / 2**0.5)
    assert higher - effect == pytest.approx((high - effect) / 2**0.5)


def test_nothing_to_compare_is_no_effect_of_any_size():
    assert difference([]) == (0.0, (-1.0, 1.0))
    assert difference([((3, 9), (0, 0))]) == (0.0, (-1.0, 1.0))
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_interval_over_strata_covers_the_truth():
    chance = random.Random(12)
    strata = [(40, 60, 0.2), (25, 20, 0.5), (10, 30, 0.35), (4, 9, 0.6)]  # where it holds, elsewhere, base share
    covered = 0
    for _ in range(500):
        tables = []
        for holds, rest, base in strata:
            there = sum(chance.random() < base + 0.3 for _ in range(holds))
            elsewhere = sum(chance.random() < base for _ in range(rest))
            tables.append(((there, holds), (elsewhere, rest)))
        _, (low, high) = difference(tables)
        covered += low <= 0.3 <= high
    assert 0.93 <= covered / 500 <= 0.99
