"""Directed checks of Raft: each takes the class under test, plays one scene and raises AssertionError if it goes wrong.

They exist for faults that random runs find too seldom or never: figure 8 survived thousands of seeds. `mutants_raft.py`
uses them on broken classes, and a test shows that the real one passes them all.
"""

import random
from collections.abc import Callable

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
    Ready,
    Stored,
)

Check = Callable[[type[Raft]], None]


def log_of(*terms: int) -> tuple[Entry, ...]:
    """A log with entries of these terms; equal places of equal terms hold equal values."""
    return tuple(Entry(term, f"{index}/{term}") for index, term in enumerate(terms, 1))


def make(
    node: type[Raft] = Raft, size: int = 3, *, term: int = 0, terms: tuple[int, ...] = (), vote: str | None = None
) -> Raft:
    """Node `a` of a group `a`, `b`, ... with a log of the given terms on disk."""
    stored = Stored(max(term, *terms, 0), vote, log_of(*terms))
    return node("a", "abcdefg"[:size], rng=random.Random(1), stored=stored)


def work(node: Raft) -> list[Ready]:
    """Do what a driver does until there is nothing left to do; returns what was done."""
    done = []
    while (ready := node.ready()) is not None:
        done.append(ready)
        node.advance()
    return done


def messages(node: Raft) -> list[Message]:
    """Do the work and return what was sent."""
    return [message for ready in work(node) for message in ready.messages]


def applied(node: Raft) -> list[tuple[int, object]]:
    """Do the work and return what was applied."""
    return [pair for ready in work(node) for pair in ready.committed]


def elect(node: Raft) -> None:
    """Let every peer vote for the node."""
    node.campaign()
    work(node)
    for peer in node.peers:
        node.step(Message(VOTE_REPLY, peer, node.id, node.term))
    assert node.role == LEADER, "the votes of all members make a leader (section 5.2)"
    work(node)


def acknowledge(node: Raft, peer: str, index: int) -> None:
    """The peer has everything up to an index; the leader's work is done."""
    node.step(Message(APPEND_REPLY, peer, node.id, node.term, index))
    work(node)


def figure_8(node: type[Raft]) -> None:
    """Section 5.4.2: an entry of an old term on a majority is not committed by counting."""
    leader = make(node, 5, term=3, terms=(1, 2))  # S1 in (c): its entry 2 is of term 2, and it leads in term 4.
    elect(leader)
    acknowledge(leader, "b", 2)
    acknowledge(leader, "c", 2)
    assert leader.commit == 0, "an entry of an old term was committed by counting"
    acknowledge(leader, "b", 3)
    acknowledge(leader, "c", 3)
    assert leader.commit == 3, "an entry of its own term commits those before it (e)"


def votes_once(node: type[Raft]) -> None:
    """Section 5.2: one vote in a term, to the first that asks."""
    voter = make(node)
    voter.step(Message(VOTE, "b", "a", 1))
    voter.step(Message(VOTE, "c", "a", 1))
    voter.step(Message(VOTE, "b", "a", 1))
    replies = [(message.to, message.ok) for message in messages(voter)]
    assert replies == [("b", True), ("c", False), ("b", True)], replies


def votes_for_newer_logs(node: type[Raft]) -> None:
    """Section 5.4.1: the later last term wins, then the longer log."""
    for index, log_term, granted in ((1, 3, True), (2, 2, True), (3, 2, True), (1, 2, False), (9, 1, False)):
        voter = make(node, terms=(1, 2))
        voter.step(Message(VOTE, "b", "a", 5, index, log_term))
        assert messages(voter)[0].ok is granted, f"a log that ends with {index}/{log_term} against one with 2/2"


def duplicates_count_once(node: type[Raft]) -> None:
    """Section 5.2: votes are those of distinct members."""
    candidate = make(node, 5)
    candidate.campaign()
    work(candidate)
    for _ in range(3):
        candidate.step(Message(VOTE_REPLY, "b", "a", 1))
    assert candidate.role == CANDIDATE, "the same vote was counted more than once"


def needs_a_majority(node: type[Raft]) -> None:
    """Section 5.2 and 5.3: half of an even group is not enough, neither to lead nor to commit."""
    candidate = make(node, 4)
    candidate.campaign()
    work(candidate)
    candidate.step(Message(VOTE_REPLY, "b", "a", 1))
    assert candidate.role == CANDIDATE, "2 of 4 made a leader"
    candidate.step(Message(VOTE_REPLY, "c", "a", 1))
    work(candidate)
    acknowledge(candidate, "b", 1)
    assert candidate.commit == 0, "2 of 4 committed an entry"


def candidate_gives_way(node: type[Raft]) -> None:
    """Section 5.2: a candidate that hears the leader of its own term becomes its follower."""
    candidate = make(node)
    candidate.campaign()
    work(candidate)
    candidate.step(Message(APPEND, "b", "a", 1, entries=(Entry(1, None),)))
    assert (candidate.role, candidate.leader) == (FOLLOWER, "b"), "a candidate ignored the leader of its term"
    assert [message.index for message in messages(candidate)] == [1], "and takes its entries"


def stale_append_is_refused(node: type[Raft]) -> None:
    """Section 5.1: an append of an older term changes nothing, and its sender learns of the term."""
    follower = make(node, term=2, terms=(1, 2))
    follower.step(Message(APPEND, "b", "a", 1, 1, 1, (Entry(1, "old"),), 2))
    assert follower.log == list(log_of(1, 2)), "a leader of an older term changed the log"
    assert (follower.leader, follower.commit) == (None, 0), "a leader of an older term was followed"
    assert [(message.term, message.ok) for message in messages(follower)] == [(2, False)]


def stale_votes_do_not_count(node: type[Raft]) -> None:
    """Section 5.1: a vote for an earlier candidacy is none for this one."""
    candidate = make(node)
    candidate.campaign()
    work(candidate)
    candidate.campaign()
    work(candidate)
    candidate.step(Message(VOTE_REPLY, "b", "a", 1))
    assert candidate.role == CANDIDATE, "a vote of term 1 was counted in term 2"


def stale_acknowledgement_does_not_count(node: type[Raft]) -> None:
    """Section 5.1: what a follower had in an earlier term may have been overwritten since."""
    leader = make(node, term=1)
    elect(leader)
    for value in ("x", "y"):
        leader.propose(value)
    work(leader)
    leader.step(Message(APPEND_REPLY, "b", "a", 1, 3))
    work(leader)
    assert leader.commit == 0, "an acknowledgement of term 1 was counted in term 2"


def leader_gives_way(node: type[Raft]) -> None:
    """Section 5.1: a leader that hears of a higher term stops leading."""
    leader = make(node)
    elect(leader)
    leader.step(Message(APPEND_REPLY, "b", "a", 7, ok=False))
    assert (leader.role, leader.term) == (FOLLOWER, 7), "a leader ignored a higher term"


def vote_outlives_leading(node: type[Raft]) -> None:
    """Section 5.2: who loses or gives way in a term keeps its vote in that term (hazelcast #16643, camunda #5356)."""
    for message in (Message(APPEND, "b", "a", 1), Message(VOTE_REPLY, "b", "a", 1, ok=False)):
        candidate = make(node)
        candidate.campaign()
        work(candidate)
        candidate.step(message)
        candidate.step(message._replace(sender="c"))
        assert candidate.role == FOLLOWER, "lost"
        assert candidate.vote == "a", "the vote was cleared in the same term"


def acknowledgements_come_in_any_order(node: type[Raft]) -> None:
    """Section 5.3: matchIndex only grows, so an old acknowledgement that comes late takes nothing back."""
    leader = make(node, 5)
    elect(leader)
    leader.propose("x")
    leader.propose("y")
    work(leader)
    acknowledge(leader, "b", 3)
    acknowledge(leader, "b", 1)
    acknowledge(leader, "c", 3)
    assert leader.commit == 3, "an old acknowledgement took a newer one back"


def acknowledges_what_matches(node: type[Raft]) -> None:
    """Section 5.3: a follower vouches for the entries up to those of the message, not for what it has beyond them."""
    follower = make(node, term=3, terms=(1, 1, 2))
    follower.step(Message(APPEND, "b", "a", 3, 0, 0, log_of(1)))
    assert [(message.index, message.ok) for message in messages(follower)] == [(1, True)]


def commit_stops_at_what_matches(node: type[Raft]) -> None:
    """Section 5.3, figure 2: commitIndex = min(leaderCommit, index of last new entry)."""
    follower = make(node, term=3, terms=(1, 1, 2))
    follower.step(Message(APPEND, "b", "a", 3, 0, 0, log_of(1), 3))
    assert follower.commit == 1, "entries that were never compared with the leader's were committed"


def previous_entry_must_match(node: type[Raft]) -> None:
    """Section 5.3: an append is refused when the entry before it is of another term."""
    follower = make(node, term=3, terms=(1, 1))
    follower.step(Message(APPEND, "b", "a", 3, 2, 2, (Entry(3, "x"),)))
    assert follower.log == list(log_of(1, 1)), "an entry was appended to one that does not match"
    assert [(message.index, message.ok) for message in messages(follower)] == [(2, False)]


def conflicts_are_replaced(node: type[Raft]) -> None:
    """Section 5.3: a conflicting entry and all that follow it are deleted."""
    follower = make(node, term=3, terms=(1, 2, 2))
    follower.step(Message(APPEND, "b", "a", 3, 1, 1, (Entry(3, "x"),)))
    assert follower.log == [*log_of(1), Entry(3, "x")], follower.log


def old_appends_keep_the_rest(node: type[Raft]) -> None:
    """Section 5.3: an append that came late and matches deletes nothing."""
    follower = make(node, term=1)
    follower.step(Message(APPEND, "b", "a", 1, 0, 0, log_of(1, 1)))
    follower.step(Message(APPEND, "b", "a", 1, 0, 0, log_of(1)))
    assert follower.log == list(log_of(1, 1)), "an old append truncated the log"


def refusals_move_back(node: type[Raft]) -> None:
    """Section 5.3: after a refusal the leader tries from an earlier entry."""
    leader = make(node, term=2, terms=(1, 1, 2))
    elect(leader)
    leader.step(Message(APPEND_REPLY, "b", "a", 3, 3, 1, ok=False, hint=2))
    sent = [(message.index, len(message.entries)) for message in messages(leader) if message.to == "b"]
    assert sent == [(2, 2)], sent


def acknowledgement_counts_as_far_as_it_says(node: type[Raft]) -> None:
    """Section 5.3: an acknowledgement of one entry is none for those that follow."""
    leader = make(node)
    elect(leader)
    leader.propose("x")
    work(leader)
    acknowledge(leader, "b", 1)
    assert leader.commit == 1, leader.commit


def leader_appends_in_its_term(node: type[Raft]) -> None:
    """Section 8: a leader starts its term with an entry of its own, so that older ones commit without new proposals."""
    leader = make(node, term=1, terms=(1,))
    elect(leader)
    assert leader.log == [*log_of(1), Entry(2, None)], leader.log


def timeouts_differ(node: type[Raft]) -> None:
    """Section 5.2: election timeouts are drawn anew for every election."""
    candidate = make(node)
    drawn = set()
    for _ in range(50):
        candidate.campaign()
        drawn.add(candidate.timeout)
    assert len(drawn) > 1, "every election timeout is the same"


def alone_is_not_durable(node: type[Raft]) -> None:
    """Figure 2: what was proposed while a `Ready` was being written is not yet durable when that one is."""
    leader = make(node, 1)
    leader.campaign()
    work(leader)
    leader.propose("x")
    ready = leader.ready()
    assert ready is not None
    leader.propose("y")
    leader.advance()
    assert leader.commit == 2, f"only {ready.entries} are written, but entry {leader.commit} counts as committed"


CHECKS: tuple[Check, ...] = (
    figure_8,
    votes_once,
    votes_for_newer_logs,
    duplicates_count_once,
    needs_a_majority,
    candidate_gives_way,
    stale_append_is_refused,
    stale_votes_do_not_count,
    stale_acknowledgement_does_not_count,
    leader_gives_way,
    vote_outlives_leading,
    acknowledgements_come_in_any_order,
    acknowledges_what_matches,
    commit_stops_at_what_matches,
    previous_entry_must_match,
    conflicts_are_replaced,
    old_appends_keep_the_rest,
    refusals_move_back,
    acknowledgement_counts_as_far_as_it_says,
    leader_appends_in_its_term,
    timeouts_differ,
    alone_is_not_durable,
)
