"""The contract of `raft.Raft` with its driver: what it refuses, what garbage does to it, and what `ready` promises."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.consensus.raft import (
    APPEND,
    APPEND_REPLY,
    CANDIDATE,
    FOLLOWER,
    LEADER,
    VOTE,
    VOTE_REPLY,
    Entry,
    Message,
    Raft,
    Stored,
)
from tests.nodes.consensus.raft_checks import acknowledge, elect, log_of, make, messages, work

KINDS = (VOTE, VOTE_REPLY, APPEND, APPEND_REPLY)


class Odd:
    """Like an array: neither equal nor unequal to anything."""

    def __eq__(self, other):
        raise ValueError("the truth of this is ambiguous")

    __hash__ = None


garbage = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5), st.builds(Odd)
)
anything = st.recursive(
    garbage,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(), inner, max_size=2),
)
numbers = st.integers(0, 6)
entries = st.lists(st.builds(Entry, st.integers(1, 4), st.integers()), max_size=3).map(tuple)
fields = {
    "kind": st.sampled_from(KINDS),
    "sender": st.sampled_from("bc"),
    "to": st.just("a"),
    "term": numbers,
    "index": numbers,
    "log_term": numbers,
    "entries": entries,
    "commit": numbers,
    "ok": st.booleans(),
    "hint": numbers,
}
honest = st.builds(Message, **fields)
WRONG = {
    "kind": ["grant", None, 1, Odd(), [], "VOTE"],
    "sender": ["a", "d", "", None, 1, Odd(), ("b",)],
    "to": ["b", "", None, Odd()],
    "term": [-1, 1.0, True, None, "3", Odd()],
    "index": [-1, 0.5, False, None, "3", Odd()],
    "log_term": [-1, 1.0, True, None, Odd()],
    "entries": [None, [], [Entry(1, "x")], ((1, "x"),), (Entry(0, "x"),), (Entry("1", "x"),), (None,), Odd()],
    "commit": [-1, 1.0, True, None, Odd()],
    "ok": [None, 1, "yes", Odd()],
    "hint": [-1, 1.0, True, None, Odd()],
}
ROLES = (FOLLOWER, CANDIDATE, LEADER)


def node(role):
    """Node `a` of three in term 2, with entries of the terms 1, 1 and 2 at least."""
    one = make(term=1, terms=(1, 1))
    if role == FOLLOWER:
        one.step(Message(APPEND, "b", "a", 2, 2, 1, (Entry(2, None),)))
    elif role == CANDIDATE:
        one.campaign()
    else:
        elect(one)
    work(one)
    assert (one.role, one.term) == (role, 2)
    return one


def everything(one):
    """All that a node knows, without its random numbers."""
    return {name: repr(value) for name, value in vars(one).items() if name not in ("rng", "_handlers")}


@pytest.mark.parametrize("role", ROLES)
@given(what=anything)
def test_garbage_changes_nothing(role, what):
    one = node(role)
    before = everything(one)
    one.step(what)
    assert everything(one) == before
    assert one.ready() is None


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("field", WRONG)
def test_one_wrong_field_makes_a_message_garbage(role, field):
    for wrong in WRONG[field]:
        for kind in KINDS:
            one = node(role)
            before = everything(one)
            one.step(Message(kind, "b", "a", 9)._replace(**{field: wrong}))
            assert everything(one) == before, wrong
            one.step(Message(kind, "b", "a", 9))
            assert one.term == 9, "the same message without the fault is heard"


@settings(max_examples=300, deadline=None)
@given(inputs=st.lists(honest, max_size=25), role=st.sampled_from(ROLES))
def test_no_well_formed_message_raises(inputs, role):
    """Even lies of a member raise nothing, and neither the term nor the commit goes back."""
    one = node(role)
    for message in inputs:
        term, commit = one.term, one.commit
        one.step(message)
        one.tick()
        assert one.term >= term
        assert one.commit >= commit
        work(one)
        assert one.commit <= len(one.log)


@settings(deadline=None)
@given(first=st.lists(honest, max_size=10), later=st.lists(honest, max_size=10), role=st.sampled_from(ROLES))
def test_ready_stays_the_same_until_advance(first, later, role):
    one = node(role)
    for message in first:
        one.step(message)
    offered = one.ready()
    for message in later:
        one.step(message)
        one.propose("x")
        one.tick()
        if offered is not None:
            assert one.ready() is offered
    one.advance()
    assert offered is None or one.ready() is not offered


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(st.tuples(honest, st.booleans(), st.booleans()), max_size=30), role=st.sampled_from(ROLES))
def test_an_asynchronous_driver_writes_the_log_that_the_node_has(steps, role):
    """Messages may come while a `Ready` is being written; what they truncate must be written anew."""
    one = node(role)
    disk, pending = Stored(one.term, one.vote, tuple(one.log)), None
    for message, take, finish in [*steps, (None, True, True), (None, True, True), (None, True, True)]:
        if message is not None:
            one.step(message)
        if pending is None and take:
            pending = one.ready()
        if pending is not None and finish:
            term, vote = pending.state or disk[:2]
            log = disk.log[: pending.first - 1] + pending.entries if pending.entries else disk.log
            disk, pending = Stored(term, vote, log), None
            one.advance()
    assert one.ready() is None
    assert disk[:2] == (one.term, one.vote)
    assert disk.log[: len(one.log)] == tuple(one.log)


def test_what_was_truncated_while_being_written_does_not_count_as_written():
    """Two entries are being written when the next leader replaces the second: that one is offered again."""
    one = make(term=1)
    one.step(Message(APPEND, "b", "a", 1, 0, 0, log_of(1, 1)))
    offered = one.ready()
    assert offered.entries == log_of(1, 1)
    one.step(Message(APPEND, "c", "a", 2, 1, 1, (Entry(2, "new"),)))
    one.advance()
    again = one.ready()
    assert (again.first, again.entries) == (2, (Entry(2, "new"),))
    assert [(reply.to, reply.index) for reply in again.messages] == [("c", 2)], "acknowledged with what is written"


def test_advance_without_ready_does_nothing():
    one = node(LEADER)
    one.propose("x")
    before = everything(one)
    one.advance()
    assert everything(one) == before


def test_the_own_vote_counts_when_it_is_written():
    alone = make(size=1)
    alone.campaign()
    assert alone.role == CANDIDATE
    assert alone.ready().state == (1, "a")
    alone.advance()
    assert alone.role == LEADER


def test_proposals_go_to_the_leader():
    leader, follower = node(LEADER), node(FOLLOWER)
    assert leader.propose("x") == len(leader.log)
    assert follower.propose("x") is None
    assert follower.leader == "b"


def test_proposals_of_one_round_travel_together_in_batches():
    leader = Raft("a", "abc", rng=random.Random(1), max_batch=2)
    elect(leader)
    acknowledge(leader, "b", 1)
    for value in "wxyz":
        leader.propose(value)
    sent = [[entry.value for entry in message.entries] for message in messages(leader) if message.to == "b"]
    assert sent == [["w", "x"]]
    leader.step(Message(APPEND_REPLY, "b", "a", 1, 3))
    sent = [[entry.value for entry in message.entries] for message in messages(leader) if message.to == "b"]
    assert ["y", "z"] in sent


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"id": "d"}, "'d' must be one of the members"),
        ({"members": ["a", "b", "b"]}, "they must differ; given: a, b, b"),
        ({"members": []}, "must be one of the members"),
        ({"election_ticks": 0}, "election_ticks is 0; give a whole number of at least 1"),
        ({"heartbeat_ticks": -1}, "heartbeat_ticks is -1"),
        ({"max_batch": 1.5}, "max_batch is 1.5"),
        ({"max_batch": None}, "max_batch is None"),
    ],
)
def test_wrong_configuration_says_what_is_wrong(wrong, words):
    options = {"id": "a", "members": ["a", "b", "c"], "rng": random.Random(1), **wrong}
    with pytest.raises(ConfigError, match=words):
        Raft(options.pop("id"), options.pop("members"), **options)
