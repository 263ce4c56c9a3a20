"""The search: what is tested, what is held fixed, when a pair stands for a single condition, and what is dropped."""

import random

import numpy as np
import pytest
from scipy.stats import fisher_exact

from langgraph_agora.nodes.mining.search import Log, Shares, cells, given, search, tails_of

SHARES = Shares(0.3, 0.3, 0.2, 0.2)


def log(rows, event, strata=None):
    """A log from rows of booleans."""
    columns = np.array(rows, bool)
    names = [(f"f{place}", True) for place in range(columns.shape[1])]
    return Log(columns, names, np.array(event, bool), np.array(strata if strata is not None else [0] * len(event)))


def drawn(seed, size, share, failing):
    """Rows of booleans of which each is True in a share of all; `failing` gives the chance of the event."""
    chance = random.Random(seed)
    rows = [[chance.random() < one for one in share] for _ in range(size)]
    return log(rows, [chance.random() < failing(row) for row in rows])


def searched(one, **settings):
    return search(one, SHARES, **{"rate": 0.05, "least": 10, **settings})


def keys(found):
    return {(tuple(sorted(set(one.key))), one.more) for one in found}


def test_what_fails_more_is_found_with_fishers_p():
    one = drawn(1, 200, [0.4, 0.4, 0.4], lambda row: 0.2 + 0.5 * row[1])
    [found] = searched(one)
    assert (found.key, found.more, found.leak) == ((1, 1), True, False)
    where, event = one.columns[:, 1], one.event
    square = [[(where & event).sum(), (where & ~event).sum()], [(~where & event).sum(), (~where & ~event).sum()]]
    assert found.p == pytest.approx(fisher_exact(square, "greater")[1])
    assert found.p < found.q < 0.05


def test_what_fails_less_is_found_as_such():
    [found] = searched(drawn(2, 200, [0.4, 0.4, 0.4], lambda row: 0.6 - 0.5 * row[1]))
    assert (found.key, found.more) == ((1, 1), False)


def test_q_is_the_expected_number_of_chance_finds_over_the_share():
    one = drawn(1, 200, [0.4, 0.4, 0.4], lambda row: 0.2 + 0.5 * row[1])
    [found] = searched(one)
    tails = tails_of(one, np.array([(0, 0), (1, 1), (2, 2)]), [])
    assert found.q == pytest.approx(tails.expected(found.p, more=True) / 0.3)


def test_a_direction_without_a_share_is_not_looked_for():
    one = drawn(2, 200, [0.4, 0.4], lambda row: 0.6 - 0.5 * row[1])
    assert search(one, Shares(0.3, 0.0), rate=0.05, least=10) == []


def test_a_condition_that_only_goes_along_with_another_is_not_reported():
    """f1 holds mostly where f0 does, and f0 alone matters."""
    chance = random.Random(3)
    first = [chance.random() < 0.5 for _ in range(400)]
    rows = [[one, chance.random() < (0.75 if one else 0.15)] for one in first]
    one = log(rows, [chance.random() < 0.2 + 0.5 * row[0] for row in rows])
    assert tails_of(one, np.array([(1, 1)]), []).more[0] < 1e-5
    assert keys(searched(one)) == {((0,), True)}


def test_a_condition_that_another_hides_is_found_once_that_is_held_fixed():
    """f1 makes worse, but holds where f0 makes better: alone it looks like nothing (Simpson)."""
    chance = random.Random(5)
    first = [chance.random() < 0.5 for _ in range(600)]
    rows = [[one, chance.random() < (0.8 if one else 0.2)] for one in first]
    one = log(rows, [chance.random() < 0.6 - 0.5 * row[0] + 0.3 * row[1] for row in rows])
    assert tails_of(one, np.array([(1, 1)]), []).more[0] > 0.05
    assert keys(searched(one)) == {((0,), False), ((1,), True)}


def both(row):
    return 0.2 + 0.6 * (row[0] and row[1])


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 6, 7, 9])
def test_a_pair_is_found_and_its_members_are_not(seed):
    """In 0, 4 and 9 a member is found first, alone; it is dropped once the pair is known."""
    assert keys(searched(drawn(seed, 600, [0.3, 0.3, 0.4, 0.4], both))) == {((0, 1), True)}


def test_two_that_matter_alone_are_no_pair():
    one = drawn(7, 600, [0.4, 0.4, 0.4], lambda row: 0.15 + 0.35 * row[0] + 0.35 * row[1])
    assert keys(searched(one)) == {((0,), True), ((1,), True)}


@pytest.mark.parametrize("seed", range(10))
def test_one_that_matters_is_not_mistaken_for_a_pair_with_it(seed):
    one = drawn(seed, 300, [0.35, *[0.5] * 12], lambda row: 0.2 + 0.45 * row[0])
    assert ((0,), True) in keys(searched(one))


def test_without_a_share_for_pairs_only_single_conditions_are_found():
    one = drawn(1, 600, [0.3, 0.3, 0.4, 0.4], both)
    assert keys(search(one, Shares(0.5, 0.0), rate=0.05, least=10)) == {((0,), True), ((1,), True)}


def test_two_conditions_on_one_feature_are_no_pair():
    rows = [[place % 2 == 0, place % 3 == 0, place % 5 < 3] for place in range(300)]
    event = [row[0] and row[1] for row in rows]
    one = log(rows, event)
    same = Log(one.columns, [("f0", "< 5"), ("f0", ">= 2"), ("f1", True)], one.event, one.strata)
    assert (((0, 1), True)) in keys(searched(one))
    assert all(len(key) == 1 for key, _ in keys(searched(same)))


def test_fewer_than_the_needed_number_are_never_reported():
    """On either side, and for pairs as well."""
    event = [place < 10 for place in range(100)]
    for holds in (event, [not one for one in event]):
        one = log([[value] for value in holds], event)
        assert len(searched(one, least=10)) == 1
        assert searched(one, least=11) == []
    pair = log([[place < 50, place % 50 < 10] for place in range(100)], event)
    assert ((0, 1), True) in keys(searched(pair, least=10))
    assert ((0, 1), True) not in keys(searched(pair, least=11))


def test_what_gives_the_event_away_hides_nothing():
    chance = random.Random(2)
    rows = [[chance.random() < 0.4, chance.random() < 0.4] for _ in range(400)]
    event = [chance.random() < 0.2 + 0.4 * row[0] for row in rows]
    one = log([[*row, failed] for row, failed in zip(rows, event, strict=True)], event)
    found = searched(one)
    assert keys(found) == {((0,), True), ((2,), True)}
    leak, other = sorted(found, key=lambda one: not one.leak)
    assert leak.key == (2, 2)
    assert given(found, other) == given(found, leak) == []


def test_strata_are_numbered_without_gaps():
    one = log([[True, False], [True, True], [False, False], [True, False]], [1, 0, 0, 1], [7, 7, 7, 3])
    assert cells(one, []).tolist() == [1, 1, 1, 0]
    assert len(set(cells(one, [(0, 0), (0, 1)]).tolist())) == 4


def test_only_experiences_of_one_stratum_are_compared():
    """In each stratum it makes no difference; between them everything does."""
    chance = random.Random(6)
    rows, event, strata = [], [], []
    for stratum, share in ((0, 0.8), (1, 0.2)):
        for _ in range(200):
            rows.append([chance.random() < share])
            event.append(chance.random() < share)
            strata.append(stratum)
    assert keys(searched(log(rows, event))) == {((0,), True)}
    assert searched(log(rows, event, strata)) == []


def test_no_events_no_rows_and_no_conditions_are_no_error():
    assert searched(log([[True], [False]] * 20, [False] * 40)) == []
    assert search(log(np.zeros((40, 0)), [True, False] * 20), SHARES, rate=0.05, least=10) == []
    assert search(log(np.zeros((0, 3)), []), SHARES, rate=0.05, least=10) == []
