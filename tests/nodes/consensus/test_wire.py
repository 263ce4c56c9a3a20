"""Messages and logs as bytes: what goes in comes out, and what is broken is dropped without an exception."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.nodes.consensus.raft import Entry, Message, Raft, Ready, Stored
from langgraph_agora.nodes.consensus.wire import MAX_BYTES, decode, encode, record, recover

NAMES = st.sampled_from(["a", "b", "Zoë"])
NUMBERS = st.integers(0, 2**70)
VALUES = st.none() | st.text(max_size=9) | st.integers() | st.lists(st.booleans(), max_size=3)
ENTRIES = st.lists(st.builds(Entry, st.integers(1, 99), VALUES), max_size=4).map(tuple)
KINDS = st.sampled_from(["vote", "vote_reply", "append", "append_reply"])
MESSAGES = st.builds(Message, KINDS, NAMES, NAMES, NUMBERS, NUMBERS, NUMBERS, ENTRIES, NUMBERS, st.booleans(), NUMBERS)


@settings(derandomize=True, deadline=None)
@given(MESSAGES)
def test_every_message_comes_back_as_it_was(message):
    assert decode(encode(message)) == message


@settings(derandomize=True, deadline=None)
@given(MESSAGES, st.data())
def test_a_truncated_message_is_none(message, data):
    whole = encode(message)
    assert decode(whole[: data.draw(st.integers(0, len(whole) - 1))]) is None


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=60))
def test_garbage_is_none(garbage):
    assert decode(garbage) is None


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'["vote","a","b",-1,0,0,[],0,true,0]',
        b'["vote","a","b",1.5,0,0,[],0,true,0]',
        b'["vote",[],"b",1,0,0,[],0,true,0]',
        b'["append","a","b",1,0,0,[[0,"x"]],0,true,0]',
        b'["append","a","b",1,0,0,[[1]],0,true,0]',
        b'["append","a","b",1,0,0,[],0,1,0]',
        b'["shout","a","b",1,0,0,[],0,true,0]',
        b" " * (MAX_BYTES + 1),
    ],
)
def test_what_is_no_message_is_none(data):
    assert decode(data) is None


def journal_of(values):
    """The journal of a single node that was given these values, and what it had stored."""
    node, journal = Raft("a", ["a"], rng=random.Random(1)), b""
    node.campaign()
    for value in [None, *values]:
        if value is not None:
            node.propose(value)
        while (ready := node.ready()) is not None:
            journal += record(ready)
            node.advance()
    return journal, Stored(node.term, node.vote, tuple(node.log))


def test_a_whole_journal_gives_back_the_log():
    journal, stored = journal_of(["red", "blue"])
    assert recover(journal) == (stored, 0, "")
    assert recover(b"") == (Stored(), 0, "")


def test_a_journal_that_is_cut_anywhere_is_read_to_its_last_whole_record():
    journal, stored = journal_of(["red", "blue", "green"])
    for length in range(len(journal)):
        found = recover(journal[:length])
        assert found.stored.log == stored.log[: len(found.stored.log)]
        whole = journal[:length].rfind(b"\n") + 1
        assert found.lost == length - whole
        assert bool(found.words) == (found.lost > 0)


@settings(derandomize=True, deadline=None)
@given(st.data())
def test_a_flipped_byte_costs_its_record_and_what_follows(data):
    journal, stored = journal_of(["red", "blue", "green"])
    at = data.draw(st.integers(0, len(journal) - 1))
    broken = journal[:at] + bytes([journal[at] ^ 0x15]) + journal[at + 1 :]
    found = recover(broken)
    assert found.lost > 0
    assert found.stored.log == stored.log[: len(found.stored.log)]


def test_a_replaced_suffix_is_replaced_in_the_journal_too():
    journal = record(Ready((1, None), 1, (Entry(1, "x"), Entry(1, "y")), (), ()))
    journal += record(Ready((2, "b"), 2, (Entry(2, "z"),), (), ()))
    assert recover(journal).stored == Stored(2, "b", (Entry(1, "x"), Entry(2, "z")))
