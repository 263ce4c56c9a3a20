"""The sentences of the Raft paper (Ongaro and Ousterhout, USENIX ATC 2014), one test for each.

The 26 intents are those of etcd's raft_paper_test.go, in its order; each test has the shape init, step, check what is
sent and what has changed. Figures 7 and 8 follow at the end. Node `a` is the one under test.
"""

import random
from collections import Counter

import pytest

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
from tests.nodes.consensus.raft_checks import acknowledge, applied, elect, figure_8, log_of, make, messages, work

TICKS = 10  # election_ticks
KINDS = (VOTE, VOTE_REPLY, APPEND, APPEND_REPLY)


def in_role(role, **options):
    """A node in a role, in term 1 unless it has a log."""
    node = make(**options)
    if role == FOLLOWER:
        node.step(Message(APPEND, "b", "a", node.term + 1, 0, 0))
    elif role == CANDIDATE:
        node.campaign()
    else:
        elect(node)
    work(node)
    assert node.role == role
    return node


def ticks_until_campaign(node):
    """How many ticks pass until the node stands for election."""
    term, ticks = node.term, 0
    while node.term == term:
        node.tick()
        ticks += 1
    work(node)
    return ticks


# Section 5.1.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("role", [FOLLOWER, CANDIDATE, LEADER])
def test_5_1_a_higher_term_makes_a_follower(role, kind):
    """FollowerUpdateTermFromMessage, CandidateUpdateTerm..., LeaderUpdateTerm..."""
    node = in_role(role)
    node.step(Message(kind, "b", "a", 7))
    assert (node.term, node.role) == (7, FOLLOWER)


@pytest.mark.parametrize("kind", KINDS)
def test_5_1_a_stale_term_is_rejected(kind):
    """RejectStaleTermMessage: nothing changes; who asked learns of the term."""
    node = make(term=3, terms=(1, 2))
    node.step(Message(kind, "b", "a", 2, 2, 2, (Entry(2, "x"),), 1))
    assert (node.term, node.role, node.vote, node.commit, node.log) == (3, FOLLOWER, None, 0, list(log_of(1, 2)))
    replies = [(message.to, message.term, message.ok) for message in messages(node)]
    assert replies == ([("b", 3, False)] if kind in (VOTE, APPEND) else [])


# Section 5.2.


def test_5_2_starts_as_follower():
    """StartAsFollower."""
    assert make().role == FOLLOWER


def test_5_2_leader_sends_heartbeats_to_all():
    """LeaderBcastBeat: an append without entries at every interval."""
    leader = Raft("a", "abc", rng=random.Random(1), heartbeat_ticks=3)
    elect(leader)
    for peer in "bc":
        acknowledge(leader, peer, 1)
    for _ in range(2):
        for _ in range(2):
            leader.tick()
            assert messages(leader) == []
        leader.tick()
        sent = messages(leader)
        assert [(message.kind, message.to, message.term, message.entries) for message in sent] == [
            (APPEND, "b", 1, ()),
            (APPEND, "c", 1, ()),
        ]


@pytest.mark.parametrize("role", [FOLLOWER, CANDIDATE])
def test_5_2_timeout_starts_an_election(role):
    """FollowerStartElection, CandidateStartNewElection: next term, vote for itself, ask all others."""
    node = in_role(role)
    node.elapsed = 0
    for _ in range(2 * TICKS):
        if node.term == 1:
            node.tick()
    assert (node.term, node.role, node.vote) == (2, CANDIDATE, "a")
    ready = node.ready()
    assert ready.state == (2, "a")
    assert [(message.kind, message.to, message.term) for message in ready.messages] == [(VOTE, "b", 2), (VOTE, "c", 2)]


@pytest.mark.parametrize(
    ("size", "votes", "role"),
    [
        (1, {}, LEADER),  # A majority of the votes wins.
        (3, {"b": True, "c": True}, LEADER),
        (3, {"b": True}, LEADER),
        (5, {"b": True, "c": True, "d": True, "e": True}, LEADER),
        (5, {"b": True, "c": True, "d": True}, LEADER),
        (5, {"b": True, "c": True}, LEADER),
        (3, {"b": False, "c": False}, FOLLOWER),  # A majority of refusals loses.
        (5, {"b": False, "c": False, "d": False, "e": False}, FOLLOWER),
        (5, {"b": True, "c": False, "d": False, "e": False}, FOLLOWER),
        (3, {}, CANDIDATE),  # Otherwise it is open.
        (5, {"b": True}, CANDIDATE),
        (5, {"b": False, "c": False}, CANDIDATE),
        (5, {}, CANDIDATE),
    ],
)
def test_5_2_election_in_one_round(size, votes, role):
    """LeaderElectionInOneRoundRPC."""
    node = make(size=size)
    node.campaign()
    work(node)
    for peer, granted in votes.items():
        node.step(Message(VOTE_REPLY, peer, "a", 1, ok=granted))
    assert (node.role, node.term) == (role, 1)


@pytest.mark.parametrize(
    ("vote", "candidate", "granted"),
    [(None, "b", True), (None, "c", True), ("b", "b", True), ("c", "c", True), ("b", "c", False), ("c", "b", False)],
)
def test_5_2_one_vote_in_a_term(vote, candidate, granted):
    """FollowerVote: first come, first served; the same candidate is answered the same again."""
    node = make(term=1, vote=vote)
    node.step(Message(VOTE, candidate, "a", 1))
    assert [(reply.kind, reply.to, reply.ok) for reply in messages(node)] == [(VOTE_REPLY, candidate, granted)]
    assert node.vote == (candidate if granted else vote)


@pytest.mark.parametrize("term", [1, 2])
def test_5_2_candidate_gives_way_to_a_leader(term):
    """CandidateFallback: an append of the same or a higher term."""
    node = in_role(CANDIDATE)
    node.step(Message(APPEND, "c", "a", term))
    assert (node.role, node.term, node.leader) == (FOLLOWER, term, "c")


@pytest.mark.parametrize("role", [FOLLOWER, CANDIDATE])
def test_5_2_timeouts_are_randomised(role):
    """Follower-, CandidateElectionTimeoutRandomized: every value in [T, 2T) occurs, no other."""
    seen = Counter()
    for seed in range(500):
        node = Raft("a", "abc", rng=random.Random(seed))
        if role == CANDIDATE:
            node.campaign()
        seen[ticks_until_campaign(node)] += 1
    assert sorted(seen) == list(range(TICKS, 2 * TICKS))


@pytest.mark.parametrize("role", [FOLLOWER, CANDIDATE])
def test_5_2_timeouts_seldom_conflict(role):
    """Followers-, CandidatesElectionTimeoutNonconflict: mostly one server times out first."""
    rng, conflicts = random.Random(1), 0
    for _ in range(1000):
        group = [Raft(name, "abcde", rng=rng) for name in "abcde"]
        for node in group:
            if role == CANDIDATE:
                node.campaign()
        timeouts = sorted(node.timeout for node in group)
        conflicts += timeouts[0] == timeouts[1]
    assert conflicts <= 300


# Section 5.3.


def test_5_3_leader_replicates():
    """LeaderStartReplication: it appends, then sends the entry with the index and term of the one before."""
    leader = in_role(LEADER)
    for peer in "bc":
        acknowledge(leader, peer, 1)
    leader.propose("x")
    ready = leader.ready()
    assert (ready.first, ready.entries) == (2, (Entry(1, "x"),))
    assert ready.messages == tuple(Message(APPEND, "a", peer, 1, 1, 1, (Entry(1, "x"),), 1) for peer in "bc")
    assert ready.committed == ()


def test_5_3_leader_commits():
    """LeaderCommitEntry: what a majority has is applied, and the next messages carry the new commit."""
    leader = in_role(LEADER)
    leader.propose("x")
    work(leader)
    leader.step(Message(APPEND_REPLY, "b", "a", 1, 2))
    ready = leader.ready()
    assert leader.commit == 2
    assert ready.committed == ((1, None), (2, "x"))
    assert [(message.to, message.commit) for message in ready.messages] == [("b", 2), ("c", 2)]


@pytest.mark.parametrize(
    ("size", "peers", "committed"),
    [
        (1, "", True),
        (3, "", False),
        (3, "b", True),
        (3, "bc", True),
        (5, "", False),
        (5, "b", False),
        (5, "bc", True),
        (5, "bcd", True),
        (5, "bcde", True),
    ],
)
def test_5_3_a_majority_of_acknowledgements_commits(size, peers, committed):
    """LeaderAcknowledgeCommit: the leader is one of the majority."""
    leader = in_role(LEADER, size=size)
    index = leader.propose("x")
    work(leader)
    for peer in peers:
        acknowledge(leader, peer, index)
    assert (leader.commit == index) is committed


@pytest.mark.parametrize("terms", [(), (2,), (1, 2), (1,)])
def test_5_3_commits_preceding_entries(terms):
    """LeaderCommitPrecedingEntries: those of earlier leaders too, in order."""
    leader = make(term=2, terms=terms)
    leader.campaign()
    work(leader)
    leader.step(Message(VOTE_REPLY, "b", "a", 3))
    leader.propose("x")
    work(leader)
    leader.step(Message(APPEND_REPLY, "b", "a", 3, len(terms) + 2))
    values = [entry.value for entry in log_of(*terms)] + [None, "x"]
    assert applied(leader) == list(enumerate(values, 1))


@pytest.mark.parametrize("commit", [1, 2, 3])
def test_5_3_follower_applies_in_order(commit):
    """FollowerCommitEntry: up to the leader's commit."""
    node = make(term=1)
    node.step(Message(APPEND, "b", "a", 1, 0, 0, log_of(1, 1, 1), commit))
    assert node.commit == commit
    assert applied(node) == [(index, f"{index}/1") for index in range(1, commit + 1)]


@pytest.mark.parametrize(
    ("index", "log_term", "ok", "hint"),
    [
        (0, 0, True, 0),
        (1, 1, True, 0),
        (2, 2, True, 0),
        (1, 2, False, 1),  # Another term there: only what is of an earlier term can match.
        (2, 1, False, 1),
        (3, 3, False, 2),  # No such entry.
    ],
)
def test_5_3_follower_checks_the_entry_before(index, log_term, ok, hint):
    """FollowerCheckMsgApp: refused when index or term does not match, with a hint where to try next."""
    node = make(term=2, terms=(1, 2))
    node.step(Message(APPEND, "b", "a", 3, index, log_term, ()))
    refused = [(reply.index, reply.hint) for reply in messages(node) if not reply.ok]
    assert refused == ([] if ok else [(index, hint)])
    assert node.log == list(log_of(1, 2))


@pytest.mark.parametrize(
    ("index", "log_term", "sent", "log", "first"),
    [
        (2, 2, (3,), (1, 2, 3), 3),
        (1, 1, (3, 4), (1, 3, 4), 2),
        (0, 0, (1,), (1, 2), None),
        (0, 0, (3,), (3,), 1),
    ],
)
def test_5_3_follower_appends(index, log_term, sent, log, first):
    """FollowerAppendEntries: a conflict and all after it go, what matches stays, the rest is appended and written."""
    node = make(term=2, terms=(1, 2))
    new = tuple(Entry(term, f"{place}/{term}") for place, term in enumerate(sent, index + 1))
    node.step(Message(APPEND, "b", "a", 4, index, log_term, new))
    ready = node.ready()
    assert node.log == list(log_of(*log))
    assert (ready.first if ready.entries else None) == first
    assert ready.entries == (log_of(*log)[first - 1 :] if first else ())


LEADER_7 = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
FOLLOWERS_7 = {
    "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
    "b": (1, 1, 1, 4),
    "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    "e": (1, 1, 1, 4, 4, 4, 4),
    "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
}


def exchange(group, down=()):
    """Hand messages over until none is left; returns how many appends were sent."""
    appends, waiting = 0, list(group)
    while waiting:
        for message in messages(group[waiting.pop(0)]):
            appends += message.kind == APPEND
            if message.to not in down:
                group[message.to].step(message)
                waiting.append(message.to)
    return appends


@pytest.mark.parametrize("case", FOLLOWERS_7)
def test_5_3_figure_7_every_follower_log_converges(case):
    """LeaderSyncFollowerLog: a group of three; the third member, which has no log, gives the leader its majority."""
    logs = {"lead": LEADER_7, "follow": FOLLOWERS_7[case], "third": ()}
    group = {
        name: Raft(name, list(logs), rng=random.Random(1), stored=Stored(7, None, log_of(*terms)))
        for name, terms in logs.items()
    }
    group["lead"].campaign()
    appends = exchange(group)
    assert group["lead"].role == LEADER
    assert group["follow"].log == group["third"].log == group["lead"].log == [*log_of(*LEADER_7), Entry(8, None)]
    assert {node.commit for node in group.values()} == {len(LEADER_7) + 1}
    assert appends < 12, "a few rounds, not one for each entry"


# Section 5.4.


@pytest.mark.parametrize("terms", [(1,), (1, 2)])
def test_5_4_1_vote_request_tells_the_last_entry(terms):
    """VoteRequest."""
    node = make(terms=terms)
    ticks_until = node.timeout
    for _ in range(ticks_until):
        node.tick()
    sent = [(message.kind, message.to, message.index, message.log_term) for message in messages(node)]
    assert sent == [(VOTE, peer, len(terms), terms[-1]) for peer in "bc"]


@pytest.mark.parametrize(
    ("terms", "log_term", "index", "granted"),
    [
        ((1,), 1, 1, True),  # Same last term: the longer log.
        ((1,), 1, 2, True),
        ((1, 1), 1, 1, False),
        ((1,), 2, 1, True),  # A later last term, however long.
        ((1,), 2, 2, True),
        ((1, 1), 2, 1, True),
        ((2,), 1, 1, False),
        ((2,), 1, 2, False),
        ((1, 2), 1, 1, False),
        ((1, 2), 1, 9, False),
    ],
)
def test_5_4_1_voter_denies_older_logs(terms, log_term, index, granted):
    """Voter: the up-to-date rule."""
    node = make(terms=terms)
    node.step(Message(VOTE, "b", "a", 3, index, log_term))
    assert [(reply.kind, reply.ok) for reply in messages(node)] == [(VOTE_REPLY, granted)]


@pytest.mark.parametrize(("index", "commit"), [(1, 0), (2, 0), (3, 3)])
def test_5_4_2_only_entries_of_its_term_are_committed_by_counting(index, commit):
    """LeaderOnlyCommitsLogFromCurrentTerm."""
    leader = make(terms=(1, 2))
    elect(leader)
    assert leader.log == [*log_of(1, 2), Entry(3, None)]
    acknowledge(leader, "b", index)
    assert leader.commit == commit


def test_5_4_2_figure_8_is_not_committed_by_counting():
    """Figure 8 (c) and (e), from the view of S1."""
    figure_8(Raft)


def test_5_4_2_figure_8_may_be_overwritten():
    """Figure 8 (d): what S1 put on a majority in term 4, but did not commit, S5 overwrites; nobody had applied it."""
    logs = {"s1": (1, 2), "s2": (1, 2), "s3": (1, 2), "s4": (1,), "s5": (1, 3)}
    group = {
        name: Raft(name, list(logs), rng=random.Random(1), stored=Stored(4, None, log_of(*terms)))
        for name, terms in logs.items()
    }
    group["s5"].campaign()
    exchange(group)
    assert group["s5"].role == LEADER
    for node in group.values():
        assert node.log == [*log_of(1, 3), Entry(5, None)]
        assert node.commit == 3
