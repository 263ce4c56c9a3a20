"""Proof of stake: what must hold (S1 to S7), Tendermint's rules, the simulator and the mutants."""

import random
import subprocess
import sys

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.consensus.rotation import ProposerRotation
from langgraph_agora.nodes.consensus.signing import HmacSigner
from langgraph_agora.nodes.consensus.stake import Validator
from langgraph_agora.nodes.consensus.stake_messages import (
    PRECOMMIT,
    PREVOTE,
    Block,
    Commit,
    Message,
    Proposal,
    Status,
    Stored,
    Vote,
    well_formed,
)
from langgraph_agora.nodes.consensus.stake_world import StakeWorld, simulate_stake
from tests.nodes.consensus.mutants_stake import (
    CHECKS,
    EQUAL,
    MUTANTS,
    SECRET,
    commit,
    double_vote,
    fails,
    proposal,
    said,
    simulated,
    tell,
    validator,
    vote,
    work,
)

SEEDS = 80


def group(stakes, **options):
    return {name: validator(Validator, name, stakes, **options) for name in stakes}


def run(nodes, ticks):
    """A network without faults. Returns what each node applied."""
    applied = {name: [] for name in nodes}
    for _ in range(ticks):
        for node in nodes.values():
            node.tick()
        busy = True
        while busy:
            busy = False
            for name, node in nodes.items():
                if ready := node.ready():
                    busy = True
                    node.advance()
                    applied[name] += ready.committed
                    for message in ready.messages:
                        if message.to in nodes:
                            nodes[message.to].step(message)
    return applied


# A group at work.


def test_every_validator_applies_the_same_blocks_in_the_same_order():
    nodes = group({"a": 1, "b": 2, "c": 3, "d": 4})
    nodes["a"].propose("x")
    nodes["b"].propose("y")
    applied = run(nodes, 40)
    assert applied["a"] == applied["b"] == applied["c"] == applied["d"]
    assert sorted(payload for _, payload in applied["a"] if payload) == ["x", "y"]
    assert [height for height, _ in applied["a"]] == list(range(1, len(applied["a"]) + 1))


def test_an_idle_group_waits_and_decides_nothing():
    assert run(group(EQUAL), 100) == {name: [] for name in EQUAL}


def test_a_third_of_the_stake_may_be_down():
    nodes = group(EQUAL)
    del nodes["d"]
    nodes["a"].propose("x")
    assert "x" in dict(run(nodes, 60)["b"]).values()


def test_more_than_a_third_down_stops_everything_and_decides_nothing_wrong():
    nodes = group(EQUAL)
    del nodes["c"], nodes["d"]
    nodes["a"].propose("x")
    assert run(nodes, 60) == {"a": [], "b": []}


def test_a_validator_without_stake_follows_what_the_others_decide():
    nodes = group({"a": 2, "b": 2, "c": 2, "d": 1})
    tell(nodes["a"], *double_vote(nodes["a"], "d"))
    run(nodes, 30)
    assert nodes["a"].stakes == {"a": 2, "b": 2, "c": 2}
    nodes["a"].propose("x")
    assert (nodes["a"].burned, "x" in dict(run(nodes, 60)["d"]).values()) == (1, True)


def test_s7_evidence_found_by_one_validator_cuts_the_stake_at_all():
    nodes = group({"a": 10, "b": 10, "c": 10, "d": 8}, penalty=50)
    tell(nodes["b"], *double_vote(nodes["b"], "d"))
    run(nodes, 60)
    assert [node.stakes["d"] for node in nodes.values()] == [4] * 4
    assert [node.burned for node in nodes.values()] == [4] * 4


def test_a_straggler_catches_up_by_commits():
    """2/3+ precommits convince a validator that saw nothing of the height; fewer, or forged ones, do not."""
    nodes = group(EQUAL)
    late = nodes.pop("d")
    nodes["a"].propose("x")
    run(nodes, 60)
    first = nodes["a"].commits[0]
    tell(late, first._replace(votes=first.votes[:2]))
    tell(late, first._replace(votes=(*first.votes[:2], first.votes[2]._replace(signature=b"forged"))))
    tell(late, first._replace(votes=first.votes[:1] * 3))
    tell(late, first._replace(block=Block("another")))
    assert late.height == 1
    nodes["d"] = late
    run(nodes, 30)
    assert late.commits == nodes["a"].commits


# S1, S2: who proposes.


PRINTED = """
from langgraph_agora.nodes.consensus.bft_world import simulate_bft
from langgraph_agora.nodes.consensus.rotation import ProposerRotation
from langgraph_agora.nodes.consensus.stake_world import simulate_stake
rotation = ProposerRotation({"anna": 3, "bob": 1, "carl": 2})
print([rotation.proposer(round) for round in range(24)])
print([simulate_stake(seed, traced=True) for seed in range(1, 6)])
print([simulate_bft(seed, traced=True) for seed in range(1, 6)])
"""


def test_s1_proposers_and_runs_are_the_same_in_another_process_with_another_hash_seed():
    printed = [
        subprocess.run([sys.executable, "-c", PRINTED], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True)
        for seed in ("1", "2")
    ]
    assert printed[0].stdout == printed[1].stdout
    assert printed[0].stdout.startswith(b"['anna', 'carl', 'anna', 'bob', 'carl', 'anna'")


@pytest.mark.parametrize("seed", range(30))
def test_s2_over_as_many_turns_as_stake_everyone_proposes_its_stake(seed):
    rng = random.Random(seed)
    stakes = {f"v{i}": rng.randint(1, 30) for i in range(rng.randint(1, 9))}
    rotation, total, picks = ProposerRotation(stakes), sum(stakes.values()), []
    for _ in range(rng.randint(0, 50)):
        rotation = rotation.after(stakes)
    for _ in range(total):
        picks.append(rotation.proposer(0))
        following = rotation.after(stakes)
        assert following.proposer(0) == rotation.proposer(1)  # A height takes one turn, however many rounds it had.
        assert sum(following.priorities.values()) == 0
        assert max(following.priorities.values()) - min(following.priorities.values()) <= 2 * total
        rotation = following
    assert {name: picks.count(name) for name in stakes} == stakes


def test_s2_a_new_validator_starts_far_back():
    """At -1.125 times the total stake, before the priorities are centred (CometBFT)."""
    rotation = ProposerRotation({"a": 8, "b": 8}).after({"a": 8, "b": 8, "c": 16})
    before = {"a": -8, "b": 8, "c": -(32 + 4)}  # Of stakes 8 + 8 + 16 = 32; centred on the mean, -12.
    assert rotation.priorities == {name: priority + 12 for name, priority in before.items()}
    assert [rotation.proposer(i) for i in range(3)] == ["b", "a", "c"]  # With half of the stake, it is the last.


def test_s2_a_change_of_stakes_keeps_the_sum_zero_and_the_spread_bounded():
    rng = random.Random(5)
    stakes = {"a": 1_000_000, "b": 999, "c": 7}
    rotation = ProposerRotation(stakes)
    for _ in range(300):
        stakes = {name: rng.choice((1, 5, 10**6)) for name in "abcdefg" if rng.random() < 0.7} or {"a": 1}
        rotation = rotation.after(stakes)
        spread = max(rotation.priorities.values()) - min(rotation.priorities.values())
        assert sum(rotation.priorities.values()) == 0
        assert spread <= 2 * rotation.total + 1
        assert set(rotation.priorities) == set(stakes)


# S3 to S7 and the rules of algorithm 1: one check each, shared with the mutants.


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_clean_validator_passes(check):
    check(Validator)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.number}-{mutant.cls.__name__}")
def test_the_mutant_is_killed(mutant):
    if mutant.killed_by == "simulation":
        assert simulated(mutant.cls) is not None
    else:
        assert fails({check.__name__: check for check in CHECKS}[mutant.killed_by], mutant.cls)


def test_s6_accountability_a_fork_convicts_a_third_of_the_stake():
    """Two decisions at one height: the precommits in both are evidence against more than a third."""
    node = validator(stakes={"a": 1, "b": 1, "c": 1, "d": 1})
    one, two = Block("one"), Block("two")
    forks = [(one, "abc"), (two, "bcd")]
    for block, voters in forks:
        tell(node, *(vote(node, PRECOMMIT, name, node.digest(block)) for name in voters))
    convicted = {proof[0].voter for proof in node.evidence.values()}
    assert convicted == {"b", "c"}
    assert node.some_honest(sum(node.stakes[name] for name in convicted))


def test_a_lying_proposer_is_accused_and_only_its_first_block_is_voted_for():
    node = validator(id="d")
    one, two = Block("one"), Block("two")
    tell(node, proposal(node, one), proposal(node, two))
    assert said(node, PREVOTE) == [node.digest(one)]
    assert [proof[0].voter for proof in node.evidence.values()] == [node.proposer]


def test_a_block_with_bad_evidence_gets_a_prevote_against():
    node = validator(id="d")
    first, second = double_vote(node, "b")
    tell(node, proposal(node, Block("x", ((first, second._replace(signature=b"forged")),))))
    assert said(node, PREVOTE) == [None]


def test_a_validator_that_hears_nothing_votes_against_and_goes_on():
    """Lines 57 to 67: each step times out, a round later one tick later."""
    node = validator(id="d")
    tell(node, vote(node, PREVOTE, "b", None))  # So that there is something to decide.
    for _ in range(4):
        assert said(node, PREVOTE) == []
        node.tick()
    assert said(node, PREVOTE) == [None]
    tell(node, vote(node, PREVOTE, "c", None))
    assert said(node, PRECOMMIT) == [None]
    tell(node, *(vote(node, PRECOMMIT, name, None) for name in "bc"))
    for _ in range(4):
        assert node.round == 0
        node.tick()
    assert node.round == 1


def test_a_validator_that_restarts_repeats_itself_and_never_contradicts_itself():
    node = validator(id="d")
    one, two = Block("one"), Block("two")
    tell(node, proposal(node, one))
    again = validator(id="d", stored=Stored(node._state()))
    tell(again, proposal(node, two))
    assert said(again, PREVOTE) == [node.digest(one)]


def test_nothing_is_sent_or_counted_before_it_is_written():
    node = Validator("a", {"a": 1}, signer=HmacSigner("a", SECRET))
    node.propose("x")
    ready = node.ready()
    assert ready.state.signed
    assert node.ready() is ready
    assert node.height == 1
    work(node)
    assert node.height == 2


# Input from outside.


@pytest.mark.parametrize(
    ("stakes", "options", "words"),
    [
        ({"b": 1}, {}, "'a' has no stake; validators are b"),
        ({"a": 0}, {}, "The stake of 'a' is 0"),
        ({"a": 1}, {"penalty": 0}, "1 to 100 percent"),
        ({"a": 1}, {"timeout_ticks": 0}, "at least 1"),
    ],
)
def test_wrong_input_is_refused_with_what_is_allowed(stakes, options, words):
    with pytest.raises(ConfigError, match=words):
        Validator("a", stakes, signer=HmacSigner("a", SECRET), **options)


def test_a_value_that_is_no_text_is_refused():
    with pytest.raises(ConfigError, match="values are texts"):
        validator().propose(7)


def test_garbage_changes_nothing_and_is_counted():
    node = validator()
    good = vote(node, PREVOTE, "b", "x" * 64)
    bodies = [
        None,
        "text",
        (),
        good._replace(height=0),
        good._replace(round=-1),
        good._replace(round="0"),
        good._replace(kind=[]),
        good._replace(value=3),
        good._replace(signature="s"),
        good._replace(height=True),
        Status("1"),
        Commit(Block("x", [good]), ()),
        Commit(Block(b"x"), ()),
        Proposal(good, None),
        Proposal(good, Block("x"), -2),
        Proposal(good, Block("x"), 0, [good]),
    ]
    for message in (
        *bodies,
        *(Message("b", "a", body) for body in bodies),
        Message("z", "a", good),
        Message("b", "c", good),
    ):
        node.step(message)
    assert not any(well_formed(Message("b", "a", body)) for body in bodies)
    assert node._votes == {}
    assert node.dropped == {"malformed": 2 * len(bodies) + 2}


def test_well_formed_lies_change_nothing_and_accuse_nobody():
    node = validator()
    good = vote(node, PREVOTE, "b", "x" * 64)
    tell(
        node,
        good._replace(voter="c"),
        good._replace(voter="stranger"),
        vote(node, PREVOTE, "b", None, round=10**9),
        vote(node, "shout", "b", None),
        vote(node, PREVOTE, "b", None, height=9),
        Proposal(good, Block("x")),
        Commit(Block(""), ()),
        Status(10**9),
    )
    assert node._votes == {}
    assert node.evidence == {}


def test_votes_of_another_session_are_worth_nothing():
    node, other = validator(session="monday"), validator(session="tuesday")
    tell(node, vote(other, PREVOTE, "b", None))
    assert node.dropped == {"bad signature": 1}


def test_the_next_height_is_kept_until_this_one_ends():
    node = validator()
    tell(node, vote(node, PREVOTE, "b", None, height=2), commit(node, Block("one")))
    assert set(node._votes) == {(PREVOTE, 0)}


def test_random_bodies_never_raise():
    rng = random.Random(3)
    node = validator()
    atoms = [None, 0, -1, 1, 10**30, "a", "b", PREVOTE, PRECOMMIT, "\ud800", b"", (), True, 1.5, [], {}]
    for _ in range(3_000):
        fake = Vote(*(rng.choice(atoms) for _ in range(6)))
        block = rng.choice((Block("x", ((fake,),)), Block(rng.choice(atoms)), Block("\ud800"), rng.choice(atoms)))
        body = rng.choice((fake, Status(rng.choice(atoms)), Commit(block, (fake,)), Proposal(fake, block)))
        node.step(Message("b", "a", body))
    assert node.height == 1


# The simulator.


def test_no_invariant_is_violated_under_faults_and_lies():
    outcomes = [simulate_stake(seed) for seed in range(1, SEEDS + 1)]
    assert [outcome for outcome in outcomes if outcome.violation] == []
    assert sum(outcome.commits for outcome in outcomes) > 10 * SEEDS


def test_a_run_is_decided_by_its_seed():
    assert simulate_stake(7, traced=True) == simulate_stake(7, traced=True)
    assert simulate_stake(7, traced=True).trace != simulate_stake(8, traced=True).trace


def test_liars_really_lie():
    """The simulation slashes: otherwise its evidence invariants would hold for nothing."""
    worlds = [StakeWorld(seed, nodes=4) for seed in range(1, 16)]
    for world in worlds:
        world.run()
    assert sum(bool(world.punished) for world in worlds) >= 3
