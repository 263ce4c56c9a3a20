"""Broken validators, and the directed checks that kill them.

A check is a plain function of the class under test; the clean class passes all of them. `killed_by` is "simulation",
when some seed up to `SEEDS` violates an invariant, or the name of a check.
"""

import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.consensus.signing import HmacSigner
from langgraph_agora.nodes.consensus.simulation import Violation
from langgraph_agora.nodes.consensus.stake import Validator
from langgraph_agora.nodes.consensus.stake_messages import (
    PRECOMMIT,
    PREVOTE,
    PROPOSE,
    Block,
    Commit,
    Message,
    Proposal,
    Stored,
    Vote,
    ordered,
)
from langgraph_agora.nodes.consensus.stake_world import StakeWorld

SECRET = b"the secret of these tests"
SEEDS = 40
EQUAL = {"a": 1, "b": 1, "c": 1, "d": 1}


# What the tests of this protocol share.


def validator(
    cls: type[Validator] = Validator, id: str = "a", stakes: Mapping[str, int] = EQUAL, **options
) -> Validator:
    return cls(id, stakes, signer=HmacSigner(id, SECRET), **options)


def vote(node: Validator, kind: str, voter: str, value: str | None, round: int = 0, height: int | None = None) -> Vote:
    """What `voter` would send to the group of `node`, with its real signature."""
    unsigned = Vote(kind, voter, height or node.height, round, value)
    return unsigned._replace(signature=HmacSigner(voter, SECRET).sign(node._bytes(unsigned)))


def proposal(node: Validator, block: Block, round: int = 0, valid_round: int = -1, proof=()) -> Proposal:
    """A proposal by whoever's turn it is."""
    value = f"{valid_round} {node.digest(block)}"
    return Proposal(vote(node, PROPOSE, node.proposer_of(round), value, round), block, valid_round, tuple(proof))


def tell(node: Validator, *bodies) -> None:
    for body in bodies:
        node.step(Message(next(name for name in node.members if name != node.id), node.id, body))
        work(node)


def work(node: Validator) -> list[Message]:
    """Write, send and apply whatever there is; returns what was sent."""
    sent = []
    while ready := node.ready():
        sent += ready.messages
        node.advance()
    return sent


def said(node: Validator, kind: str, round: int = 0) -> list[str | None]:
    """What a node has voted."""
    return [v.value for v in node._signed if isinstance(v, Vote) and (v.kind, v.round) == (kind, round)]


def double_vote(node: Validator, voter: str, height: int | None = None) -> tuple[Vote, Vote]:
    return ordered(*(vote(node, PREVOTE, voter, value, height=height) for value in ("x" * 64, "y" * 64)))


def commit(node: Validator, block: Block) -> Commit:
    """A block with the precommits of everybody."""
    return Commit(block, tuple(vote(node, PRECOMMIT, name, node.digest(block)) for name in node.stakes))


# Directed checks.


def needs_more_than_two_thirds(cls) -> None:
    """S3: exactly two thirds are no quorum."""
    node = validator(cls, "c", {"a": 1, "b": 1, "c": 1})
    block = Block("blue")
    tell(node, proposal(node, block), vote(node, PRECOMMIT, "a", node.digest(block)))
    assert node.height == 1
    tell(node, vote(node, PRECOMMIT, "b", node.digest(block)))
    assert node.height == 1, "two of three decided"


def counts_stake_not_heads(cls) -> None:
    """S3: three of four heads with three of ten stakes are no quorum; one head with eight of ten is."""
    node = validator(cls, "a", {"a": 1, "b": 1, "c": 1, "d": 8})
    block = Block("blue")
    tell(node, proposal(node, block), *(vote(node, PRECOMMIT, name, node.digest(block)) for name in "abc"))
    assert node.height == 1, "three heads decided"
    tell(node, vote(node, PRECOMMIT, "d", node.digest(block)))
    assert node.height == 2


def slashes_once(cls) -> None:
    """S4: the same evidence, in a second block or twice in one, burns nothing more."""
    node = validator(cls, stakes={"a": 8, "b": 8, "c": 8, "d": 8}, penalty=50)
    proof = double_vote(node, "d")
    assert not node.acceptable(Block("", (proof, proof)))
    tell(node, commit(node, Block("one", (proof,))))
    assert node.stakes["d"] == 4
    assert node.burned == 4
    assert not node.acceptable(Block("two", (proof,)))
    tell(node, *(vote(node, kind, "d", None) for kind in (PREVOTE, PREVOTE)), commit(node, Block("two", (proof,))))
    assert (node.height, node.stakes["d"], node.burned) == (3, 4, 4)


def same_vote_twice_is_no_evidence(cls) -> None:
    """S4: the network may deliver a vote twice."""
    node = validator(cls)
    tell(node, *[vote(node, PREVOTE, "b", "x" * 64)] * 2)
    assert not node.evidence
    same = vote(node, PREVOTE, "b", "x" * 64)
    assert not node.guilty((same, same))


def only_the_same_step_is_evidence(cls) -> None:
    """S4: votes of different heights, rounds, kinds or voters do not contradict each other."""
    node = validator(cls)
    tell(node, commit(node, Block("one")))
    one = vote(node, PREVOTE, "b", "x" * 64)
    for other in (
        vote(node, PREVOTE, "b", "y" * 64, height=1),
        vote(node, PREVOTE, "b", "y" * 64, round=1),
        vote(node, PRECOMMIT, "b", "y" * 64),
        vote(node, PREVOTE, "c", "y" * 64),
    ):
        assert not node.guilty(ordered(one, other)), other
    assert node.guilty(ordered(one, vote(node, PREVOTE, "b", "y" * 64)))


def evidence_is_signed(cls) -> None:
    """S4: what the accused has not signed proves nothing."""
    node = validator(cls)
    good, bad = vote(node, PREVOTE, "d", "x" * 64), vote(node, PREVOTE, "d", "y" * 64)
    assert not node.acceptable(Block("", (ordered(good, bad._replace(signature=good.signature)),)))
    assert node.acceptable(Block("", (ordered(good, bad),)))


def proposers_are_known(cls) -> None:
    """S1: the proposer follows from stakes, height and round alone: here is who it is, in every process."""
    node = validator(cls, stakes={"a": 1, "b": 2, "c": 3})
    assert [node.proposer_of(round) for round in range(6)] == ["c", "b", "a", "c", "b", "c"]
    tell(node, commit(node, Block("one")))
    assert [node.proposer_of(round) for round in range(3)] == ["b", "a", "c"]


def stakes_change_between_heights(cls) -> None:
    """S7: evidence that is found cuts nobody's stake before a block with it is decided."""
    node = validator(cls, stakes={"a": 8, "b": 8, "c": 8, "d": 8})
    first, second = double_vote(node, "d")
    tell(node, first, second)
    assert node.evidence
    assert node.stakes == {"a": 8, "b": 8, "c": 8, "d": 8}
    tell(node, commit(node, Block("", tuple(node.evidence.values()))))
    assert node.stakes == {"a": 8, "b": 8, "c": 8}


def stakes_stay_whole(cls) -> None:
    """S5: stakes are whole numbers, never below 0, and what is burned is not lost."""
    node = validator(cls, stakes={"a": 9, "b": 9, "c": 9, "d": 3}, penalty=50)
    for height, left in ((1, 1), (2, 0)):
        tell(node, commit(node, Block(str(height), (double_vote(node, "d"),))))
        assert node.stakes.get("d", 0) == left
        assert sum(node.stakes.values()) + node.burned == 30
        assert all(type(stake) is int and stake > 0 for stake in node.stakes.values())
    assert "d" not in node.stakes


def refuses_bad_stakes(cls) -> None:
    """S5: a stake that is no whole number above 0 is refused at construction."""
    for stake in (-1, 0, 1.5, 2.0, float("nan"), True, "1"):
        try:
            validator(cls, stakes={"a": 1, "b": stake})
        except ConfigError:
            continue
        raise AssertionError(f"a stake of {stake!r} was taken")


def evidence_has_no_clock(cls) -> None:
    """S4, CVE-2021-21271: two nodes name the same evidence alike, whenever and in which order they saw the votes."""
    early, late = validator(cls, "a"), validator(cls, "b")
    for _ in range(5):
        late.tick()
    first, second = double_vote(early, "d")
    tell(early, first, second)
    tell(late, second, first)
    assert early.evidence == late.evidence
    assert early.evidence


def keeps_its_lock(cls) -> None:
    """Algorithm 1, line 23: locked on a block, a validator prevotes nil for another one without newer proof."""
    node = validator(cls, "d")
    one, two = Block("one"), Block("two")
    tell(node, proposal(node, one), *(vote(node, PREVOTE, name, node.digest(one)) for name in "abc"))
    assert said(node, PRECOMMIT) == [node.digest(one)]
    tell(node, *(vote(node, PRECOMMIT, name, None, round=1) for name in "ab"), proposal(node, two, round=1))
    assert said(node, PREVOTE, round=1) == [None]


def keeps_its_lock_over_a_crash(cls) -> None:
    """The lock is part of what is written."""
    node = validator(cls, "d")
    one, two = Block("one"), Block("two")
    tell(node, proposal(node, one), *(vote(node, PREVOTE, name, node.digest(one)) for name in "abc"))
    again = validator(cls, "d", stored=Stored(node._state()))
    tell(again, *(vote(node, PRECOMMIT, name, None, round=1) for name in "ab"), proposal(node, two, round=1))
    assert said(again, PREVOTE, round=1) == [None]


def moves_its_lock_with_proof(cls) -> None:
    """Algorithm 1, line 29: two thirds that prevoted in a later round than the lock free it, and less do not."""
    node = validator(cls, "d")
    one, two = Block("one"), Block("two")
    tell(node, proposal(node, one), *(vote(node, PREVOTE, name, node.digest(one)) for name in "abc"))
    tell(node, *(vote(node, PREVOTE, name, None, round=2) for name in "ab"))
    proof = [vote(node, PREVOTE, name, node.digest(two), round=1) for name in "abc"]
    tell(node, proposal(node, two, round=2, valid_round=1, proof=proof[:2]))
    assert said(node, PREVOTE, round=2) == []
    tell(node, proposal(node, two, round=2, valid_round=1, proof=proof))
    assert said(node, PREVOTE, round=2) == [node.digest(two)]


def counts_rounds_apart(cls) -> None:
    """Prevotes of an older round do not make a quorum in this one."""
    node = validator(cls, "d")
    block = Block("blue")
    tell(node, *(vote(node, PRECOMMIT, name, None, round=1) for name in "ab"), proposal(node, block, round=1))
    tell(node, *(vote(node, PREVOTE, name, node.digest(block), round=0) for name in "ab"))
    assert said(node, PRECOMMIT, round=1) == [], "a lock on votes of two rounds"


CHECKS: tuple[Callable[[type[Validator]], None], ...] = (
    needs_more_than_two_thirds,
    counts_stake_not_heads,
    slashes_once,
    same_vote_twice_is_no_evidence,
    only_the_same_step_is_evidence,
    evidence_is_signed,
    proposers_are_known,
    stakes_change_between_heights,
    stakes_stay_whole,
    refuses_bad_stakes,
    evidence_has_no_clock,
    keeps_its_lock,
    keeps_its_lock_over_a_crash,
    moves_its_lock_with_proof,
    counts_rounds_apart,
)


# The mutants.


class TwoThirdsAreEnough(Validator):
    def enough(self, stake):
        return 3 * stake >= 2 * sum(self.stakes.values())


class CountsHeads(Validator):
    def weight(self, voter):
        return int(voter in self.stakes)

    def enough(self, stake):
        return 3 * stake > 2 * len(self.stakes)

    def some_honest(self, stake):
        return 3 * stake > len(self.stakes)


class SlashesAgain(Validator):
    def unpunished(self, key):
        return True


class SameVoteTwiceIsEvidence(Validator):
    @staticmethod
    def conflicting(first, second):
        return first[:4] == second[:4]


class EvidenceOfTwoHeights(Validator):
    @staticmethod
    def conflicting(first, second):
        return first[:2] + first[3:4] == second[:2] + second[3:4] and first.value != second.value


class UnsignedEvidence(Validator):
    def guilty(self, proof):
        return len(proof) == 2 and proof == ordered(*proof) and self.conflicting(*proof) and self.weight(proof[0].voter)


class ProposerAtRandom(Validator):
    def proposer_of(self, round):
        return random.Random(f"{self.id} {self.height} {round}").choice(list(self.stakes))


class ProposerByHash(Validator):
    def proposer_of(self, round):
        return sorted(self.stakes)[hash(f"{self.height} {round}") % len(self.stakes)]


class StakesChangeAtOnce(Validator):
    def _accuse(self, first, second):
        super()._accuse(first, second)
        for proof in list(self.evidence.values()):
            self._punish(proof)


class NegativeStake(Validator):
    def burn(self, stake):
        return stake + 1


class TakesNegativeStakes(Validator):
    def _check(self, id, stakes, *numbers):
        super()._check(
            id, {name: abs(stake) if type(stake) is int else stake for name, stake in stakes.items()}, *numbers
        )


class FloatStake(Validator):
    def burn(self, stake):
        return stake * self.penalty / 100


class TakesFloatStakes(Validator):
    def _check(self, id, stakes, *numbers):
        super()._check(id, {name: 1 if type(stake) is float else stake for name, stake in stakes.items()}, *numbers)


class EvidenceWithLocalTime(Validator):
    def identity(self, proof):
        return f"{super().identity(proof)} {self._elapsed}"


class NoLock(Validator):
    def _may_prevote(self, digest, proposal):
        return True


class BelievesAnySignature(Validator):
    def _authentic(self, vote):
        return True


class CountsOldRounds(Validator):
    def _record(self, vote):
        super()._record(vote._replace(round=max(vote.round, self.round)))


class CountsTwice(Validator):
    def _record(self, vote):
        self._votes.get((vote.kind, vote.round), {}).pop(vote.voter, None)
        super()._record(vote)


class ForgetsWhatItSigned(Validator):
    def _restore(self, stored):
        super()._restore(stored._replace(state=None))


class ForgetsItsLock(Validator):
    def _restore(self, stored):
        state = stored.state and stored.state._replace(locked=None, locked_round=-1)
        super()._restore(stored._replace(state=state))


class Mutant(NamedTuple):
    number: str
    cls: type
    killed_by: str


MUTANTS = (
    Mutant("S1", TwoThirdsAreEnough, "needs_more_than_two_thirds"),
    Mutant("S2", CountsHeads, "counts_stake_not_heads"),
    Mutant("S3", SlashesAgain, "slashes_once"),
    Mutant("S4", SameVoteTwiceIsEvidence, "same_vote_twice_is_no_evidence"),
    Mutant("S5", EvidenceOfTwoHeights, "only_the_same_step_is_evidence"),
    Mutant("S6", UnsignedEvidence, "evidence_is_signed"),
    Mutant("S7a", ProposerAtRandom, "proposers_are_known"),
    Mutant("S7b", ProposerByHash, "proposers_are_known"),
    Mutant("S8", StakesChangeAtOnce, "stakes_change_between_heights"),
    Mutant("S9a", NegativeStake, "stakes_stay_whole"),
    Mutant("S9b", TakesNegativeStakes, "refuses_bad_stakes"),
    Mutant("S10a", FloatStake, "stakes_stay_whole"),
    Mutant("S10b", TakesFloatStakes, "refuses_bad_stakes"),
    Mutant("S11", EvidenceWithLocalTime, "evidence_has_no_clock"),
    Mutant("S12", NoLock, "keeps_its_lock"),
    Mutant("S13", BelievesAnySignature, "evidence_is_signed"),
    Mutant("S14", CountsOldRounds, "counts_rounds_apart"),
    Mutant("S15", CountsTwice, "simulation"),
    Mutant("S16", ForgetsWhatItSigned, "simulation"),
    Mutant("S17", ForgetsItsLock, "keeps_its_lock_over_a_crash"),
)


def simulated(mutant: type[Validator], seeds: int = SEEDS) -> int | None:
    """The first seed whose run violates an invariant, or None."""
    world = type("World", (StakeWorld,), {"node": mutant})
    return next((seed for seed in range(1, seeds + 1) if world(seed).run().violation), None)


def fails(check: Callable[[type], None], cls: type) -> bool:
    """Whether a check finds something wrong with a class."""
    try:
        check(cls)
    except (AssertionError, Violation):
        return True
    return False
