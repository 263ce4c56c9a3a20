"""The arithmetic of majorities against a second implementation that is too dumb to be wrong (gate G2)."""

import random
from itertools import combinations

import pytest

from langgraph_agora.nodes.consensus.quorum import agreed_index, election, faults_tolerated, majority, supermajority

CASES = 50_000


def dumb_agreed_index(acknowledged: list[int]) -> int:
    """Try every index from the highest down, and count by hand who has it."""
    for index in range(max(acknowledged, default=0), 0, -1):
        holders = 0
        for one in acknowledged:
            if one >= index:
                holders += 1
        if holders > len(acknowledged) - holders:
            return index
    return 0


def dumb_election(granted: dict[str, bool], members: int) -> bool | None:
    """Suppose that all open votes go one way, then the other; when both ends agree it is decided."""
    yes = sum(1 for vote in granted.values() if vote is True)
    open_votes = members - len(granted)
    at_worst, at_best = yes > members - yes, yes + open_votes > members - yes - open_votes
    return at_worst if at_worst == at_best else None


def test_agreed_index_equals_the_dumb_one():
    rng = random.Random(1)
    for _ in range(CASES):
        acknowledged = [rng.randrange(rng.choice((2, 5, 30))) for _ in range(rng.randrange(10))]
        assert agreed_index(acknowledged) == dumb_agreed_index(acknowledged), acknowledged


def test_election_equals_the_dumb_one():
    rng = random.Random(2)
    for _ in range(CASES):
        members = rng.randrange(1, 10)
        granted = {f"n{i}": rng.random() < 0.5 for i in range(rng.randrange(members + 1))}
        assert election(granted, members) == dumb_election(granted, members), (granted, members)


@pytest.mark.parametrize("members", range(1, 9))
def test_any_two_quorums_meet(members):
    """Section 5.2 and 5.4.1 stand on this: two majorities share a member, and one fewer would not do."""
    size = majority(members)
    groups = [set(group) for group in combinations(range(members), size)]
    assert all(a & b for a in groups for b in groups)
    assert members - (size - 1) >= size - 1 or members == 1  # Two disjoint groups of one fewer fit in.


@pytest.mark.parametrize("members", range(1, 9))
def test_any_two_supermajorities_share_an_honest_member(members):
    """Of the members that two supermajorities share, more than a third of all, at least one is no liar."""
    size, liars = supermajority(members), faults_tolerated(members)
    groups = [set(group) for group in combinations(range(members), size)]
    assert min(len(a & b) for a in groups for b in groups) > liars
    assert members - liars >= size  # The honest ones reach it alone.


def test_faults_tolerated_is_the_largest_f():
    for members in range(1, 200):
        f = faults_tolerated(members)
        assert members >= 3 * f + 1
        assert members < 3 * (f + 1) + 1
