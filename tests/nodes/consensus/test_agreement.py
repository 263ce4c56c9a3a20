"""The real protocols inside one process: whoever crashes or lies within the bound, the honest ballots are agreed on."""

from dataclasses import replace

import pytest

from langgraph_agora.nodes.consensus.agreement import Group, agree, whole_stakes
from langgraph_agora.nodes.consensus.agreement_world import _wrong, drawn, simulate_agreement

FOUR = ["ann", "bob", "cem", "dee"]


def test_within_the_fault_bound_every_group_agrees_in_time():
    """Every honest ballot is agreed on, unanimous honest ballots win, and only liars are accused."""
    outcomes = [simulate_agreement(seed) for seed in range(400)]
    assert [one for one in outcomes if one.violation] == []


def test_the_check_can_fail():
    """Two of four crashed are one more than four survive."""
    group = drawn("pbft", 1, 4)
    over = replace(
        group, crashed=group.members[:2], lies={}, ballots={**group.ballots, "a0": None, "a1": None, "a2": "red"}
    )
    assert _wrong("pbft", over, agree("pbft", over)) == "2 of 4 nodes answer; 3 honest ones are needed"


@pytest.mark.parametrize("protocol", ["raft", "pbft", "bft", "stake"])
def test_too_many_crashes_are_said(protocol):
    ballots = {"ann": "red", "bob": "red", "cem": None, "dee": None}
    agreement = agree(protocol, Group(FOUR, ballots, ["cem", "dee"], tolerate=1))
    assert "2 of 4" in agreement.reason
    assert not agreement.ballots or not agreement.outcome.decided


def test_a_tie_is_said_and_not_broken_by_the_coordinator():
    """The rival detector calls a 2/2/1 split of five byzantine resilient; here it is a tie."""
    ballots = dict(zip([*FOUR, "eva"], ["red", "red", "blue", "blue", "green"], strict=True))
    outcome = agree("bft", Group([*FOUR, "eva"], ballots, tolerate=1)).outcome
    assert not outcome.decided
    assert outcome.tied == ("blue", "red")


@pytest.mark.parametrize("said", ["rrrbbbb", "rrbb", "rrgb", "rrrrrrrrrbbbbbbbbbb"])
def test_byzantine_rounds_decide_by_a_majority_of_all_members(said):
    ballots = {f"a{i}": one for i, one in enumerate(said)}
    outcome = agree("bft", Group(list(ballots), ballots, tolerate=(len(said) - 1) // 3)).outcome
    most = max(set(said), key=said.count)
    assert outcome.winner == (most if 2 * said.count(most) > len(said) else None)


def test_the_same_seed_gives_the_same_agreement():
    for protocol in ("raft", "pbft", "bft", "stake"):
        assert agree(protocol, drawn(protocol, 5)) == agree(protocol, drawn(protocol, 5))


def test_weights_become_whole_stakes():
    assert whole_stakes({"a": 0.5, "b": 1, "c": 2.25}) == {"a": 2, "b": 4, "c": 9}
