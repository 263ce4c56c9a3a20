"""PBFT, one replica at a time: the directed checks, the mutants that they kill, and what the library promises."""

import random

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.consensus.pbft import Replica
from langgraph_agora.nodes.consensus.pbft_messages import COMMIT, PREPARE, Message, request
from langgraph_agora.nodes.consensus.signing import HmacSigner
from tests.nodes.consensus import pbft_checks as checks
from tests.nodes.consensus.mutants_pbft import MUTANTS


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_the_protocol(check):
    check(Replica)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.number} {mutant.name}")
def test_every_mutant_is_killed(mutant):
    if mutant.check is None:
        for check in checks.CHECKS:
            check(mutant.replica)
    else:
        with pytest.raises(AssertionError):
            mutant.check(mutant.replica)


def test_the_kill_list_is_complete():
    assert [mutant.number for mutant in MUTANTS] == list(range(1, 28))


@pytest.mark.parametrize(
    ("members", "options", "says"),
    [
        (["n1", "n2", "n3"], {"tolerate": 1}, "there must be at least 4"),
        (["n0", "n2"], {}, "must be one of the members"),
        (["n1", "n1"], {}, "they must differ"),
        (["n1"], {"max_batch": 0}, "at least 1"),
    ],
)
def test_wrong_configuration_is_refused_at_once(members, options, says):
    with pytest.raises(ConfigError, match=says):
        Replica("n1", members, signer=checks.NameSigner("n1"), **options)


def test_quorums_of_any_size_share_an_honest_member():
    """2f + 1 is enough for n = 3f + 1 only."""
    for n in range(1, 20):
        names = [f"n{i}" for i in range(n)]
        for f in range((n - 1) // 3 + 1):
            quorum = Replica("n0", names, signer=checks.NameSigner("n0"), tolerate=f).needs[COMMIT]
            assert 2 * quorum - n > f
            assert n - f >= quorum


def garbage(rng, thing, depth=0):
    """A message with something in it replaced by something else."""
    junk = (None, -1, 10**5000, "x", "\ud800", b"", (), (1,), True, 0.5, [], {"a": 1}, ("a", "b"))
    if not isinstance(thing, tuple) or not thing or depth > 6:
        return rng.choice(junk)
    index = rng.randrange(len(thing))
    parts = [*thing[:index], garbage(rng, thing[index], depth + 1), *thing[index + 1 :]]
    return type(thing)(*parts) if hasattr(thing, "_fields") else tuple(parts)


def test_garbage_never_raises_out_of_step():
    rng = random.Random(1)
    replica = checks.make(Replica)
    samples = [
        checks.order(0, 1, checks.A),
        checks.vote(PREPARE, "n2", 0, 1, checks.A),
        checks.signed("status", "n2", 0, 0, body=(0, True)),
        checks.change("n2", 1, checks.prepared(0, 1, checks.A)),
        checks.signed("new_view", "n1", 1, 0, body=((checks.change("n2", 1),), (checks.order(1, 1, checks.A),))),
        Message("certificate", "n2", 0, 1, "", (checks.prepared(0, 1, checks.A),)),
        Message("state", "n2", 0, 1, "", ((checks.signed("checkpoint", "n2", 0, 64, "d"),), (checks.A,))),
        Message("request", "n2", 0, 0, "", checks.A),
    ]
    for _ in range(5000):
        replica.step(garbage(rng, rng.choice(samples)))
    assert (replica.view, replica.executed, replica.evidence) == (0, 0, {})


def test_a_message_is_signed_once_for_all_recipients():
    class Counting(HmacSigner):
        count = 0

        def sign(self, data):
            self.count += 1
            return super().sign(data)

    signer = Counting("n0", b"a secret of the whole group")
    replica = Replica("n0", checks.NAMES, signer=signer)
    replica.propose(request(HmacSigner("me", b"a secret of the whole group"), "me", 1, "blue"))
    ((recipients, _),) = replica.ready().messages
    assert (recipients, signer.count) == (("n1", "n2", "n3"), 1)


def test_evidence_does_not_depend_on_the_order_of_arrival():
    """CVE-2021-21271: evidence is a function of the two messages only."""
    found = []
    for first, second in ((checks.A, checks.B), (checks.B, checks.A)):
        replica = checks.make(Replica)
        checks.play(replica, checks.order(0, 1, first), checks.order(0, 1, second))
        found.append(replica.evidence["n0"])
    assert found[0] == found[1]
    assert found[0].transferable is False


def test_a_liars_first_checkpoint_does_not_hide_its_second():
    """Section 4.3: votes count for each digest, so that one equivocator cannot block a straggler."""
    replica = checks.make(Replica, checkpoint_every=4)
    words = [("n3", "lie"), ("n3", "d"), ("n0", "d"), ("n2", "d")]
    checks.play(replica, *(checks.signed("checkpoint", name, 0, 4, digest) for name, digest in words))
    assert replica.stable == 4
    assert list(replica.evidence) == ["n3"]


def test_a_new_primary_goes_on_behind_what_it_carries_over():
    """Section 4.4: or it would give a number twice, and be an honest equivocator."""
    replica = checks.make(Replica)
    checks.give_up(replica)
    changes = (checks.change("n2", 1, checks.prepared(0, 3, checks.A)), checks.change("n3", 1))
    sent, _ = checks.play(replica, *changes)
    assert [message.seq for message in sent if message.kind == "pre_prepare"] == [4]


def test_a_checkpoint_that_was_lost_is_said_again():
    """Section 4.3: or the window stays full for ever. Found by the simulator (seed 0)."""
    replica = checks.make(Replica, checkpoint_every=1)
    assert checks.commit_all(replica, 1, checks.A) == [(1, ["v1"])]
    status = checks.signed("status", "n2", 0, 1, body=(0, True))
    assert "checkpoint" in checks.kinds(replica, status)
