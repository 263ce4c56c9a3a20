"""Voting among agents that may lie: agreement, validity, termination, evidence, fallback."""

import random

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.consensus.bft import Result, Voter, leading
from langgraph_agora.nodes.consensus.bft_world import BftWorld, agreement_trials, simulate_bft
from langgraph_agora.nodes.consensus.signing import HmacSigner, NullSigner
from langgraph_agora.nodes.consensus.stake_messages import BALLOT, ECHO, PREVOTE, Message, Stored, Vote
from tests.nodes.consensus.mutants_bft import ABCD, CHECKS, MUTANTS, certificate, member, simulated
from tests.nodes.consensus.mutants_stake import SECRET, fails, tell, vote, work

SEEDS = 100
TRIALS = 600


def group(*ballots, **options):
    """Voters a, b, c, ... with these ballots."""
    names = [chr(97 + place) for place in range(len(ballots))]
    signers = [HmacSigner(name, SECRET) for name in names]
    return {
        name: Voter(name, names, signer=signer, value=ballot, **options)
        for name, signer, ballot in zip(names, signers, ballots, strict=True)
    }


def run(voters, ticks=60, say=lambda name, message: [message]):
    """A network without faults; `say` may twist what a voter says."""
    for _ in range(ticks):
        for voter in voters.values():
            voter.tick()
        while wire := [m for name, voter in voters.items() for sent in work(voter) for m in say(name, sent)]:
            for message in wire:
                if message.to in voters:
                    voters[message.to].step(message)
    return {name: voter.result for name, voter in voters.items()}


def two_faced(name, node):
    """Lets `name` cast the ballot "red" towards some, and "blue" towards the others."""

    def say(sender, message):
        if sender == name and isinstance(message.body, Vote) and message.body.kind == BALLOT:
            value = "red" if message.to < "c" else "blue"
            return [message._replace(body=vote(node, BALLOT, name, value))]
        return [message]

    return say


# What a vote gives.


def test_unanimous_members_agree_in_one_round():
    results = run(group("red", "red", "red", "red"))
    assert set(results.values()) == {Result("red", "agreed", 1, (("red", 4),), (), (), False)}


def test_the_option_with_most_ballots_wins():
    results = run(group("red", "blue", "blue", "green", "blue"))
    assert {(result.value, result.counts) for result in results.values()} == {
        ("blue", (("blue", 3), ("green", 1), ("red", 1)))
    }


def test_a_2_2_1_split_is_decided_by_the_coordinator_and_said():
    """Votingai calls it "byzantine resilient" (peers.md, section 2). Here: agreed, by the rule, with the tie named."""
    results = run(group("red", "red", "blue", "blue", "green"))
    assert len(set(results.values())) == 1
    assert results["a"].value == "red"  # The coordinator's own ballot.
    assert results["a"].tied == ("blue",)
    assert results["a"].counts == (("blue", 2), ("red", 2), ("green", 1))


def test_validity_unanimous_honest_ballots_win_over_a_liar():
    """The coordinator of round 0 lies."""
    voters = group("lie", "red", "red", "red")
    for result in run(voters).values():
        assert (result.value, result.mode) == ("red", "agreed")


@pytest.mark.parametrize("down", ABCD)
def test_a_member_that_is_down_costs_a_round_at_most_and_is_not_accused(down):
    voters = group("red", "red", "blue", "red")
    del voters[down]
    for result in run(voters).values():
        assert (result.mode, result.liars) == ("agreed", ())
        assert result.rounds <= 2


@pytest.mark.parametrize(("tolerate", "mode"), [(0, "agreed"), (1, "undecided")])
def test_who_tolerates_fewer_liars_tolerates_more_that_are_down(tolerate, mode):
    """Three of five are a quorum when nobody lies; with one liar a quorum is four, and time ends the vote."""
    voters = group(*["red"] * 5, tolerate=tolerate, rounds=3)
    del voters["d"], voters["e"]
    assert {result.mode for result in run(voters).values()} == {mode}


def test_a_member_without_a_ballot_follows_the_others():
    voters = group("red", "red", "blue", None)
    assert {result.value for result in run(voters).values()} == {"red"}
    assert voters["d"].result.counts == (("red", 2), ("blue", 1))


def test_a_straggler_is_told_the_result():
    voters = group("red", "red", "red", "blue")
    late = voters.pop("d")
    run(voters)
    assert late.result is None
    voters["d"] = late
    assert run(voters, 12)["d"].value == "red"


# Evidence: sound, complete, and never about dissent (the three failures of votingai, peers.md, section 2).


def test_an_honest_member_that_changes_its_mind_from_vote_to_vote_is_never_flagged():
    for number in range(6):
        voters = group(*(["yes", "no"][number % 2] for _ in ABCD), session=f"proposal {number}")
        assert {result.liars for result in run(voters).values()} == {()}


def test_votes_of_two_sessions_are_no_contradiction():
    monday, tuesday = member(session="monday"), member(session="tuesday")
    tell(monday, vote(monday, BALLOT, "b", "yes"), vote(tuesday, BALLOT, "b", "no"))
    assert monday.evidence == {}
    assert monday.dropped == {"bad signature": 1}


def test_a_member_that_always_dissents_is_never_flagged():
    for number in range(6):
        results = run(group("yes", "yes", "yes", "no", session=f"proposal {number}"))
        assert {(result.value, result.liars) for result in results.values()} == {("yes", ())}


def test_a_member_with_two_ballots_is_flagged_by_all_even_if_nobody_was_sent_both():
    voters = group("red", "blue", "red", "red")
    results = run(voters, say=two_faced("d", voters["a"]))
    assert {result.liars for name, result in results.items() if name != "d"} == {("d",)}
    assert len({result.value for result in results.values()}) == 1


def test_a_forged_ballot_is_dropped_and_accuses_nobody():
    node = member()
    real = vote(node, BALLOT, "b", "red")
    tell(node, real, real._replace(value="blue"))
    assert (node.dropped, node.evidence) == ({"bad signature": 1}, {})


def test_votes_out_of_any_round_are_dropped_and_accuse_nobody():
    node = member()
    tell(
        node,
        vote(node, PREVOTE, "b", None, round=10**6),
        vote(node, BALLOT, "b", "red", round=1),
        vote(node, BALLOT, "b", None),
        vote(node, ECHO, "b", "red", round=4),
        vote(node, "shout", "b", "red"),
    )
    assert (node.dropped, node.evidence) == ({"another round": 5}, {})


def test_evidence_says_whether_it_convinces_others():
    assert member().result is None
    assert run(group("red"))["a"].transferable is False


# The fallback.


def only_ballots(name, message):
    """Loses everything but ballots and echoes, so that no round can end well."""
    return [message] if isinstance(message.body, Vote) and message.body.kind in (BALLOT, ECHO) else []


def test_the_fallback_takes_what_enough_certified_ballots_want():
    results = run(group("red", "red", "red", "blue", rounds=1), say=only_ballots)
    expected = Result("red", "fallback", 1, (("red", 3), ("blue", 1)), (), (), False)
    assert set(results.values()) == {expected}


def test_the_fallback_is_undecided_without_a_quorum():
    node = member(rounds=1)
    for place, ballot in enumerate(["red", "red", "blue", "green"]):
        tell(node, *certificate(node, place, ballot, "bcd"))
    node._start(1)
    assert node.result == Result(None, "undecided", 1, (("red", 2), ("blue", 1), ("green", 1)), ("red",), (), False)


def test_two_members_never_fall_back_to_different_options():
    """A liar shows its ballot differently; for two certificates of it a second member would have to lie."""
    one, two = member(rounds=1), member(id="b", rounds=1)
    for place, ballot in enumerate(["red", "red", "blue"]):
        for node in (one, two):
            tell(node, *certificate(node, place, ballot, "bcd"))
    tell(one, *certificate(one, 3, "red", "bd"), vote(one, ECHO, "c", "blue", round=3))
    tell(two, *certificate(two, 3, "blue", "cd"), vote(two, ECHO, "a", "red", round=3))
    for node in (one, two):
        node._start(1)
        assert node.result.value is None


def twins(seed):
    """One vote in which "d" runs twice with two ballots (Bano et al. 2020), and partitions come and go.

    Returns the results of the honest members, and whom they have evidence against.
    """
    rng = random.Random(seed)
    names, rounds = ["a", "b", "c", "d", "d"], rng.choice((1, 2, 3))
    ballots = [*(rng.choice(("red", "blue")) for _ in "abc"), "red", "blue"]
    nodes = [
        Voter(name, ABCD, signer=HmacSigner(name, SECRET), value=ballot, rounds=rounds)
        for name, ballot in zip(names, ballots, strict=True)
    ]
    for tick in range(60):
        if tick % 5 == 0:
            part = [tick < 40 and rng.random() < 0.5 for _ in nodes]
        for node in nodes:
            node.tick()
        while wire := [(sender, message) for sender, node in enumerate(nodes) for message in work(node)]:
            rng.shuffle(wire)
            for sender, message in wire:
                for to, node in enumerate(nodes):
                    if node.id == message.to and part[to] == part[sender]:
                        node.step(message)
    return [node.result for node in nodes[:3]], {p[0].voter for node in nodes[:3] for p in node.evidence.values()}


def test_agreement_holds_over_both_modes_when_a_member_runs_twice():
    modes, accused = set(), set()
    for seed in range(200):
        results, liars = twins(seed)
        assert len({result.value for result in results if result and result.value is not None}) <= 1, seed
        modes |= {result.mode for result in results if result}
        accused |= liars
    assert modes == {"agreed", "fallback", "undecided"}
    assert accused == {"d"}


# The rules, one check each, shared with the mutants.


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_clean_voter_passes(check):
    check(Voter)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.number}-{mutant.cls.__name__}")
def test_the_mutant_is_killed(mutant):
    if mutant.killed_by == "simulation":
        assert simulated(mutant.cls) is not None
    else:
        assert fails({check.__name__: check for check in CHECKS}[mutant.killed_by], mutant.cls)


# Input.


@pytest.mark.parametrize(
    ("id", "members", "options", "words"),
    [
        ("a", "abc", {"tolerate": 1}, "3 members cannot tolerate 1 liars; 3f . 1 tolerate f, so 0 to 0 is"),
        ("z", "abc", {}, "'z' must be one of the members"),
        ("a", "aab", {}, "they must differ"),
        ("a", "abcd", {"rounds": 0}, "rounds is 0"),
        ("a", "abcd", {"value": 7}, "ballots are texts"),
    ],
)
def test_wrong_input_is_refused_with_what_is_allowed(id, members, options, words):
    with pytest.raises(ConfigError, match=words):
        Voter(id, list(members), signer=HmacSigner(id, SECRET), **options)


def test_a_second_ballot_of_its_own_is_ignored():
    node = member(value="red")
    node.propose("blue")
    assert work(node) == []


def test_members_that_only_stop_need_no_signatures():
    voters = {name: Voter(name, "abc", signer=NullSigner(), tolerate=0, value="red") for name in "abc"}
    assert {result.mode for result in run(voters).values()} == {"agreed"}


def test_garbage_never_raises():
    node = member()
    for body in (None, 1, "x", (), Vote(BALLOT, "b", 1, 0, 5), Vote(ECHO, "b", 1, 99, "x", b"")):
        node.step(Message("b", "a", body))
        node.step(body)
    assert node.certified == {}


def test_a_voter_that_restarts_goes_on_with_what_it_had_signed():
    voters = group("red", "red", "blue", "blue")
    for voter in voters.values():
        work(voter)
    state = voters["c"]._state()
    voters["c"] = Voter("c", ABCD, signer=HmacSigner("c", SECRET), value="red", stored=Stored(state))
    results = run(voters)
    assert {result.liars for result in results.values()} == {()}
    assert results["a"].counts == (("blue", 2), ("red", 2))


def test_leading_options():
    assert leading(["b", "a", "b", "a", "c"]) == ["a", "b"]
    assert leading([]) == []


# The simulator and the trials.


def test_no_invariant_is_violated_under_faults_and_lies():
    outcomes = [simulate_bft(seed) for seed in range(1, SEEDS + 1)]
    assert [outcome for outcome in outcomes if outcome.violation] == []


def test_a_run_is_decided_by_its_seed():
    assert simulate_bft(7, traced=True) == simulate_bft(7, traced=True)


def test_the_simulation_reaches_every_mode():
    modes, accused = set(), 0
    for seed in range(1, 41):
        world = BftWorld(seed)
        world.run()
        modes |= {world._mode(world.up[name]) for name in world.honest}
        accused += any(world.up[name].evidence for name in world.honest)
    assert modes == {"agreed", "fallback", "undecided"}
    assert accused >= 2


def test_arbitrary_votes_within_the_bound_always_agree_and_end():
    assert agreement_trials(TRIALS, seed=1) == {"runs": TRIALS, "terminated": TRIALS, "agreed": TRIALS}
