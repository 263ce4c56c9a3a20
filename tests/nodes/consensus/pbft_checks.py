"""Directed checks of PBFT: each takes the class under test, plays one scene to one replica and asserts what it does.

The group is n0 to n3, so f is 1 and n0 leads view 0. Names in brackets are sections of Castro and Liskov (OSDI 1999).
"""

from langgraph_agora.nodes.consensus.pbft_ghosts import NameSigner
from langgraph_agora.nodes.consensus.pbft_messages import (
    CHECKPOINT,
    COMMIT,
    NEW_VIEW,
    PRE_PREPARE,
    PREPARE,
    STATE,
    VIEW_CHANGE,
    Certificate,
    Message,
    Request,
    batch_digest,
    body_digest,
    chained,
    request,
    signed_bytes,
)

NAMES = ("n0", "n1", "n2", "n3")


def make(cls, id="n1", **options):
    return cls(id, NAMES, signer=NameSigner(id), **options)


def batch(*operations):
    return tuple(request(NameSigner("me"), "me", int(one[1:]), one) for one in operations)


A, B = batch("v1"), batch("v2")


def signed(kind, sender, view, seq, digest="", body=(), by=None):
    message = Message(kind, sender, view, seq, digest, body)
    message = message if digest else message._replace(digest=body_digest(message))
    data = signed_bytes("pbft", kind, view, seq, message.digest)
    return message._replace(signature=NameSigner(by or sender).sign(data))


def order(view, seq, requests, sender=None):
    return signed(PRE_PREPARE, sender or NAMES[view % 4], view, seq, batch_digest(requests), requests)


def vote(kind, sender, view, seq, requests, by=None):
    return signed(kind, sender, view, seq, batch_digest(requests), by=by)


def prepared(view, seq, requests, by=None):
    """A certificate: the pre-prepare and two prepares of backups."""
    backups = [name for name in NAMES if name != NAMES[view % 4]][:2]
    return Certificate(
        order(view, seq, requests), tuple(vote(PREPARE, name, view, seq, requests, by) for name in backups)
    )


def change(sender, view, *certificates):
    return signed(VIEW_CHANGE, sender, view, 0, body=((), certificates))


def play(replica, *messages):
    """Give messages to a replica; returns what it sends, and what it executes as (number, operations)."""
    sent, executed = [], []
    for message in (None, *messages):
        if message is not None:
            replica.step(message)
        while (ready := replica.ready()) is not None:
            sent += [message for _, message in ready.messages]
            executed += [(seq, [one.operation for one in requests]) for seq, requests in ready.executed]
            replica.advance()
    return sent, executed


def kinds(replica, *messages):
    return [message.kind for message in play(replica, *messages)[0]]


def give_up(replica):
    """Let a request wait until the replica changes its view; returns the ticks that took."""
    replica.propose(batch("v99")[0])
    view, ticks = replica.view, 0
    while replica.view == view:
        replica.tick()
        ticks += 1
        assert ticks < 100
    return ticks


def commit_all(replica, seq, requests, *, view=0):
    """Everything that makes n1 commit a number."""
    return play(
        replica,
        order(view, seq, requests),
        vote(PREPARE, "n2", view, seq, requests),
        vote(COMMIT, "n0", view, seq, requests),
        vote(COMMIT, "n2", view, seq, requests),
    )[1]


# The normal case [4.2].


def executes_a_request(cls):
    assert commit_all(make(cls), 1, A) == [(1, ["v1"])]


def prepares_must_agree(cls):
    assert COMMIT not in kinds(make(cls), order(0, 1, A), vote(PREPARE, "n2", 0, 1, B))


def one_prepare_is_too_few(cls):
    assert COMMIT not in kinds(make(cls), order(0, 1, A))


def two_commits_are_too_few(cls):
    replica = make(cls)
    assert not play(replica, order(0, 1, A), vote(PREPARE, "n2", 0, 1, A), vote(COMMIT, "n2", 0, 1, A))[1]


def the_first_pre_prepare_stays(cls):
    replica = make(cls)
    sent, _ = play(replica, order(0, 1, A), order(0, 1, B))
    assert [message.digest for message in sent if message.kind == PREPARE] == [batch_digest(A)]
    assert replica.evidence["n0"].culprit == "n0"


def a_forged_prepare_does_not_count(cls):
    assert COMMIT not in kinds(make(cls), order(0, 1, A), vote(PREPARE, "n2", 0, 1, A, by="n3"))


def one_sender_counts_once(cls):
    replica = make(cls)
    again = vote(COMMIT, "n2", 0, 1, A)
    assert not play(replica, order(0, 1, A), vote(PREPARE, "n2", 0, 1, A), again, again)[1]


def only_the_primary_orders(cls):
    assert PREPARE not in kinds(make(cls), order(0, 1, A, sender="n2"))


def views_do_not_mix(cls):
    assert COMMIT not in kinds(make(cls), order(0, 1, A), vote(PREPARE, "n2", 1, 1, A))


def the_primary_does_not_prepare(cls):
    assert COMMIT not in kinds(make(cls), order(0, 1, A), vote(PREPARE, "n0", 0, 1, A))


def a_request_is_its_clients(cls):
    forged = (Request("me", 1, "v1", b"forged"),)
    assert PREPARE not in kinds(make(cls), order(0, 1, forged))
    assert PREPARE not in kinds(make(cls), order(0, 1, A)._replace(body=B))


def numbers_stay_in_the_window(cls):
    replica = make(cls, checkpoint_every=4)
    assert PREPARE not in kinds(replica, order(0, 9, A))
    assert PREPARE in kinds(replica, order(0, 8, A))


def execution_is_in_order(cls):
    replica = make(cls)
    assert commit_all(replica, 2, B) == []
    assert commit_all(replica, 1, A) == [(1, ["v1"]), (2, ["v2"])]


def a_request_is_executed_once(cls):
    replica = make(cls)
    assert commit_all(replica, 1, A) + commit_all(replica, 2, A) == [(1, ["v1"]), (2, [])]


# Checkpoints and state transfer [4.3].


def a_checkpoint_is_stable_with_a_quorum(cls):
    replica = make(cls, checkpoint_every=4)
    play(replica, *(signed(CHECKPOINT, name, 0, 4, "d") for name in ("n2", "n3")))
    assert replica.stable == 0
    play(replica, signed(CHECKPOINT, "n0", 0, 4, "d"))
    assert replica.stable == 4


def ones_own_checkpoint_is_not_stable(cls):
    replica = make(cls, checkpoint_every=1)
    assert commit_all(replica, 1, A) == [(1, ["v1"])]
    assert replica.stable == 0


def fetched_state_is_verified(cls):
    replica = make(cls, checkpoint_every=1)
    digest = chained("", batch_digest(A))
    proof = tuple(signed(CHECKPOINT, name, 0, 1, digest) for name in ("n0", "n2", "n3"))
    assert play(replica, Message(STATE, "n2", 0, 1, "", (proof, (B,))))[1] == []
    assert play(replica, Message(STATE, "n2", 0, 1, "", (proof, (A,))))[1] == [(1, ["v1"])]
    assert play(replica, Message(STATE, "n2", 0, 1, "", (proof, (A,))))[1] == []


# View changes [4.4, 4.5.2].


def new_view_of(replica, *messages):
    """The orders of the NEW-VIEW that a replica sends, as (number, operations), or None."""
    sent, _ = play(replica, *messages)
    views = [message for message in sent if message.kind == NEW_VIEW]
    return [(one.seq, [r.operation for r in one.body]) for one in views[0].body[1]] if views else None


def a_new_view_carries_what_is_prepared(cls):
    replica = make(cls)
    give_up(replica)
    orders = new_view_of(replica, change("n2", 1, prepared(0, 1, A)), change("n3", 1))
    assert orders is not None
    assert orders[:1] == [(1, ["v1"])]


def the_highest_view_wins(cls):
    for low, high in (("n1", "n3"), ("n3", "n1")):
        replica = make(cls, "n2")
        changes = {low: change(low, 2, prepared(0, 1, A)), high: change(high, 2, prepared(1, 1, B))}
        assert new_view_of(replica, *changes.values()) == [(1, ["v2"])]


def gaps_are_filled_with_null_requests(cls):
    replica = make(cls)
    give_up(replica)
    orders = new_view_of(replica, change("n2", 1, prepared(0, 2, A)), change("n3", 1))
    assert orders is not None
    assert orders[:2] == [(1, []), (2, ["v1"])]


def backups_recompute_the_orders(cls):
    replica = make(cls, "n3")
    changes = (change("n0", 1, prepared(0, 1, A)), change("n1", 1), change("n2", 1))
    play(replica, signed(NEW_VIEW, "n1", 1, 0, body=(changes, ())))
    assert replica.view == 0
    play(replica, signed(NEW_VIEW, "n1", 1, 0, body=(changes, (order(1, 1, A),))))
    assert (replica.view, replica.active) == (1, True)


def a_new_view_needs_a_quorum(cls):
    replica = make(cls, "n3")
    play(replica, signed(NEW_VIEW, "n1", 1, 0, body=((change("n1", 1), change("n2", 1)), ())))
    assert replica.view == 0


def an_old_view_is_over(cls):
    replica = make(cls)
    give_up(replica)
    assert PREPARE not in kinds(replica, order(0, 1, A))


def two_later_views_are_joined(cls):
    replica = make(cls, "n3")
    assert VIEW_CHANGE not in kinds(replica, change("n0", 3))
    assert VIEW_CHANGE in kinds(replica, change("n2", 2))
    assert replica.view == 2


def certificates_are_verified(cls):
    replica = make(cls)
    give_up(replica)
    fake = prepared(0, 1, A, by="n3")
    assert new_view_of(replica, change("n2", 1), change("n3", 1, fake)) is None
    assert replica.active is False


def a_view_change_tells_what_is_prepared(cls):
    replica = make(cls)
    play(replica, order(0, 1, A), vote(PREPARE, "n2", 0, 1, A))
    give_up(replica)
    sent, _ = play(replica)
    bodies = [message.body for message in sent if message.kind == VIEW_CHANGE]
    assert [one.pre_prepare.seq for one in bodies[0][1]] == [1]


def patience_doubles(cls):
    replica = make(cls, "n3")
    first = give_up(replica)
    play(replica, change("n0", 1), change("n2", 1))
    assert give_up(replica) >= 2 * (first - 1)


CHECKS = [
    executes_a_request,
    prepares_must_agree,
    one_prepare_is_too_few,
    two_commits_are_too_few,
    the_first_pre_prepare_stays,
    a_forged_prepare_does_not_count,
    one_sender_counts_once,
    only_the_primary_orders,
    views_do_not_mix,
    the_primary_does_not_prepare,
    a_request_is_its_clients,
    numbers_stay_in_the_window,
    execution_is_in_order,
    a_request_is_executed_once,
    a_checkpoint_is_stable_with_a_quorum,
    ones_own_checkpoint_is_not_stable,
    fetched_state_is_verified,
    a_new_view_carries_what_is_prepared,
    the_highest_view_wins,
    gaps_are_filled_with_null_requests,
    backups_recompute_the_orders,
    a_new_view_needs_a_quorum,
    an_old_view_is_over,
    two_later_views_are_joined,
    certificates_are_verified,
    a_view_change_tells_what_is_prepared,
    patience_doubles,
]
