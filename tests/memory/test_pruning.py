"""Pruning: what is said twice goes first, what a lesson rests on never, and every kind of task stays."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.memory.pruning import BLOCK, to_prune


def log(outcomes, names=None):
    return [{"id": name, "success": success} for name, success in zip(names or map(str, range(9999)), outcomes)]  # noqa: B905


def vectors(rows):
    array = np.asarray(rows, dtype=np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def clusters(seed, size, number, *, spread=0.02, dimensions=24):
    """Experiences around `number` orthogonal directions: (log, vectors, the direction of each)."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.arange(size) % number)
    rows = np.eye(dimensions)[kinds] + rng.normal(scale=spread, size=(size, dimensions))
    return log(rng.random(size) < 0.7), vectors(rows), kinds


def test_of_two_that_say_the_same_the_older_goes():
    rows = vectors([[1, 0, 0], [0, 1, 0], [1, 0.01, 0], [0, 0, 1]])
    assert to_prune(log([True] * 4), rows, keep=3) == ["0"]


def test_a_near_duplicate_goes_before_anything_that_is_merely_alike_though_it_is_a_failure():
    rows = vectors([[1, 0, 0, 0], [1, 0.5, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0.01]])
    assert to_prune(log([True, True, False, False]), rows, keep=3) == ["2"]


def test_a_success_and_a_failure_at_the_same_task_are_no_duplicates():
    rows = vectors([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0.4]])
    assert to_prune(log([True, False, True, True]), rows, keep=3) == ["2"]


def test_an_unknown_outcome_is_a_kind_of_its_own():
    rows = vectors([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0.4]])
    assert to_prune(log([True, False, None, None, None]), rows, keep=4) == ["3"]


def test_the_embedder_says_from_where_on_two_are_the_same():
    """Of cosine 0.93: a duplicate where the embedder says 0.9; else an outcome is not spared."""
    pair = [[1, 0.4, 0, 0], [1, 0, 0, 0]]
    rows = vectors([*pair, [0, 0, 1, 0], [0, 0, 1, 0.9], [0, 0, -1, 0.5]])
    outcomes = [False, False, True, True, True]
    assert to_prune(log(outcomes), rows, keep=4, near=0.9) == ["0"]
    assert to_prune(log(outcomes), rows, keep=4, near=0.99) == ["2"]


def test_what_is_protected_stays_even_when_it_is_said_twice():
    rows = vectors(np.eye(3)[[0, 0, 0, 1, 2]])
    assert to_prune(log([True] * 5), rows, keep=3, protected={"0"}) == ["1", "2"]


def test_when_all_are_protected_nothing_goes():
    assert to_prune(log([True] * 3), vectors(np.eye(3)), keep=1, protected={"0", "1", "2"}) == []


@pytest.mark.parametrize("keep", [3, 4, 100])
def test_while_there_is_room_nothing_goes(keep):
    assert to_prune(log([True] * 3), vectors(np.ones((3, 2))), keep) == []


def test_equal_experiences_go_oldest_first_and_a_success_before_a_failure():
    rows = vectors(np.ones((4, 2)))
    assert to_prune(log([False, True, True, False]), rows, keep=0) == ["1", "0", "2", "3"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(30, 90), st.floats(0.3, 0.9))
def test_every_kind_of_task_is_still_there(seed, number, size, share):
    """As long as there is room for a success and a failure of each."""
    known, rows, kinds = clusters(seed, size, number)
    keep = max(int(size * share), 2 * number)
    gone = {int(name) for name in to_prune(known, rows, keep)}
    assert len(gone) == max(size - keep, 0)
    assert {kinds[place] for place in range(size) if place not in gone} == set(kinds)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_protected_stay_and_the_number_is_exact(data):
    seed, size = data.draw(st.integers(0, 10_000)), data.draw(st.integers(1, 60))
    known, rows, _ = clusters(seed, size, 5, spread=data.draw(st.sampled_from([0.0, 0.02, 0.5])))
    keep = data.draw(st.integers(0, size))
    protected = set(data.draw(st.lists(st.sampled_from([one["id"] for one in known]))))
    gone = to_prune(known, rows, keep, protected=protected)
    assert not set(gone) & protected
    assert len(set(gone)) == len(gone) == size - max(keep, len(protected))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.95), st.sampled_from([0.001, 0.1, 0.6]))
def test_the_share_of_failures_stays_about_as_it_is(seed, failing, spread):
    rng = np.random.default_rng(seed)
    _, rows, _ = clusters(seed, 300, 12, spread=spread)
    known = log(rng.random(300) >= failing)
    gone = set(to_prune(known, rows, keep=200))
    before = np.mean([one["success"] for one in known])
    after = np.mean([one["success"] for one in known if one["id"] not in gone])
    assert abs(before - after) < 0.03


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_neither_names_nor_the_order_of_a_set_matter(seed, shuffle):
    known, rows, _ = clusters(seed, 40, 5)
    names = [f"n{number}" for number in range(40)]
    shuffle.shuffle(names)
    renamed = log([one["success"] for one in known], names)
    plain = to_prune(known, rows, 25, protected=["1", "2", "3"])
    assert [names[int(name)] for name in plain] == to_prune(renamed, rows, 25, protected={names[p] for p in (3, 2, 1)})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 39))
def test_who_keeps_less_drops_the_same_and_more(seed, keep):
    known, rows, _ = clusters(seed, 40, 5, spread=0.5)
    more, less = to_prune(known, rows, keep - 1), to_prune(known, rows, keep)
    few = [name for name in less if name in set(more)]
    assert len(few) >= len(less) - 1


def test_more_than_a_block_is_compared_block_by_block():
    """The older half is denser, and would lose more if all were compared; but that takes memory by the square."""
    rng = np.random.default_rng(5)
    dense = np.eye(8)[0] * 2 + rng.normal(scale=0.5, size=(BLOCK, 8))
    gone = to_prune(log([True] * 2 * BLOCK), vectors([*dense, *rng.normal(size=(BLOCK, 8))]), 3 * BLOCK // 2, near=1.0)
    assert sum(int(name) < BLOCK for name in gone) == sum(int(name) >= BLOCK for name in gone) == BLOCK // 4


def test_a_thousand_are_pruned_in_a_fifth_of_a_second_of_cpu():
    known, rows, _ = clusters(0, 1001, 200, spread=0.05, dimensions=384)
    start = time.process_time()
    assert len(to_prune(known, rows, keep=800)) == 201
    assert time.process_time() - start < 0.2
