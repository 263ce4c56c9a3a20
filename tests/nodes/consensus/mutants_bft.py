"""Broken voters, and the directed checks that kill them.

As in `mutants_stake`: the clean class passes every check, and each mutant is killed by the simulation or a named check.
"""

from collections import Counter
from collections.abc import Callable

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.consensus.bft import Voter
from langgraph_agora.nodes.consensus.bft_world import BftWorld
from langgraph_agora.nodes.consensus.signing import HmacSigner
from langgraph_agora.nodes.consensus.stake_messages import (
    BALLOT,
    ECHO,
    PRECOMMIT,
    PREVOTE,
    PROPOSE,
    STEPS,
    Block,
    Message,
    Stored,
    Vote,
)
from tests.nodes.consensus.mutants_stake import SECRET, Mutant, proposal, said, tell, vote, work

CLEAN = Voter
SEEDS = 60
ABCD = ("a", "b", "c", "d")


def member(cls: type[Voter] = Voter, id: str = "a", members=ABCD, value: str | None = "red", **options) -> Voter:
    """A voter whose own ballot is written and counted."""
    voter = cls(id, members, signer=HmacSigner(id, SECRET), value=value, **options)
    work(voter)
    return voter


def certificate(node: Voter, place: int, value: str, voters="abc") -> tuple[Vote, ...]:
    """Echoes of the ballot of the member at a place."""
    return tuple(vote(node, ECHO, voter, value, round=place) for voter in voters)


def block(node: Voter, option: str, *ballots: str) -> Block:
    """An option with certified ballots of the first members."""
    return Block(option, tuple(certificate(node, place, ballot) for place, ballot in enumerate(ballots)))


# Directed checks.


def needs_three_times_the_liars(cls) -> None:
    """n >= 3f + 1, enforced at construction."""
    for size, tolerate in ((3, 1), (6, 2), (9, 3), (1, 1), (4, -1), (4, 1.0)):
        try:
            member(cls, members=[chr(97 + i) for i in range(size)], tolerate=tolerate)
        except ConfigError:
            continue
        raise AssertionError(f"{size} members with {tolerate} liars were taken")
    for size, tolerate in ((1, 0), (3, 0), (4, 1), (6, 1), (7, 2), (10, 3)):
        assert member(cls, members=[chr(97 + i) for i in range(size)]).tolerate == tolerate


def falls_back_on_certified_ballots_only(cls) -> None:
    """Ballots that came here need not have come to others; without a quorum of echoes there is no fallback."""
    node = member(cls, rounds=1)
    tell(node, *(vote(node, BALLOT, name, "red") for name in "bcd"))
    node._start(1)
    assert (node.result.mode, node.result.value) == ("undecided", None)
    for place in (0, 1):
        tell(node, *certificate(node, place, "red", "bcd"))
    assert node.result.value is None, "two certified ballots are no quorum"
    tell(node, *certificate(node, 2, "red", "bcd"))
    assert (node.result.mode, node.result.value) == ("fallback", "red")


def silence_is_no_lie(cls) -> None:
    """A member that is down is never accused, however long it takes."""
    node = member(cls)
    for _ in range(200):
        node.tick()
        work(node)
    assert not node.evidence


def other_rounds_are_no_contradiction(cls) -> None:
    """An honest member may vote otherwise in the next round."""
    node = member(cls)
    for round, value in enumerate(["x" * 64, None, "y" * 64, "x" * 64]):
        tell(node, vote(node, PREVOTE, "b", value, round), vote(node, PRECOMMIT, "b", None, round))
    assert not node.evidence


def rounds_count_apart(cls) -> None:
    """Votes of an old round are not counted in this one."""
    node = member(cls, "d")
    choice = block(node, "red", "red", "red", "blue")
    tell(node, *(vote(node, PRECOMMIT, name, None, round=1) for name in "ab"), proposal(node, choice, round=1))
    assert said(node, PREVOTE, round=1) == [node.digest(choice)]
    tell(node, *(vote(node, PREVOTE, name, node.digest(choice), round=0) for name in "ab"))
    assert said(node, PRECOMMIT, round=1) == []


def keeps_its_lock(cls) -> None:
    """Agreement over rounds: what may have been decided in one round is not voted against in a later one."""
    node = member(cls, "d")
    red, blue = block(node, "red", "red", "red", "blue"), block(node, "blue", "blue", "red", "blue")
    tell(node, proposal(node, red), *(vote(node, PREVOTE, name, node.digest(red)) for name in "abc"))
    assert said(node, PRECOMMIT) == [node.digest(red)]
    tell(node, *(vote(node, PRECOMMIT, name, None, round=1) for name in "ab"), proposal(node, blue, round=1))
    assert said(node, PREVOTE, round=1) == [None]


def proposals_are_justified(cls) -> None:
    """Validity: an option needs n - f certified ballots, and none of them may have more."""
    node = member(cls, "d")
    assert node.acceptable(block(node, "red", "red", "red", "blue"))
    assert node.acceptable(block(node, "red", "red", "blue", "green"))
    assert not node.acceptable(block(node, "blue", "red", "red", "blue"))
    assert not node.acceptable(block(node, "red", "red", "red"))
    assert not node.acceptable(Block("red"))
    twice = certificate(node, 0, "red")
    assert not node.acceptable(Block("red", (twice, twice, twice)))
    few = [certificate(node, place, "red", "aab") for place in range(3)]
    assert not node.acceptable(Block("red", tuple(few)))
    stolen = tuple(echo._replace(signature=b"forged") for echo in twice)
    assert not node.acceptable(Block("red", (stolen, certificate(node, 1, "red"), certificate(node, 2, "red"))))
    nobody = [certificate(node, place, "red") for place in (0, 1, 7)]
    assert not node.acceptable(Block("red", tuple(nobody)))


def echoes_one_ballot_of_a_member(cls) -> None:
    """Two ballots of one member: the first is echoed, both are evidence, and everyone is shown both."""
    node = member(cls)
    first, second = vote(node, BALLOT, "b", "red"), vote(node, BALLOT, "b", "blue")
    tell(node, first)
    node.step(message_of(second))
    shown = {message.body for message in work(node)}
    assert said(node, ECHO, round=1) == ["red"]
    assert [proof[0].voter for proof in node.evidence.values()] == ["b"]
    assert shown >= {first, second}


def shows_a_contested_ballot(cls) -> None:
    """Complete: who echoes another ballot than the one that came here is shown it, in whichever order they came."""
    for order in (1, -1):
        node = member(cls)
        ballot, echo = vote(node, BALLOT, "b", "red"), vote(node, ECHO, "c", "blue", round=1)
        sent = []
        for body in (ballot, echo)[::order]:
            node.step(message_of(body))
            sent += [message for message in work(node) if message.body == ballot]
        assert [message.to for message in sent] == ["c"]


def remembers_its_ballot(cls) -> None:
    """A member that comes back with another wish has no second ballot."""
    node = member(cls)
    again = cls("a", ABCD, signer=HmacSigner("a", SECRET), value="blue", stored=Stored(node._state()))
    assert said(again, BALLOT) == ["red"]


def message_of(body):
    return Message("b", "a", body)


CHECKS: tuple[Callable[[type[Voter]], None], ...] = (
    needs_three_times_the_liars,
    falls_back_on_certified_ballots_only,
    silence_is_no_lie,
    other_rounds_are_no_contradiction,
    rounds_count_apart,
    keeps_its_lock,
    proposals_are_justified,
    echoes_one_ballot_of_a_member,
    shows_a_contested_ballot,
    remembers_its_ballot,
)


# The mutants.


class TooManyLiars(Voter):
    @staticmethod
    def most(members):
        return members // 3


class FallsBackOnLocalVotes(Voter):
    def _fall_back(self, ballots):
        seen = Counter(vote.value for vote in self._votes.get((BALLOT, 0), {}).values())
        return seen.most_common(1)[0][0] if seen else None


class FallsBackOnFewCertifiedBallots(Voter):
    def _fall_back(self, ballots):
        seen = Counter(ballots)
        return max(seen, key=seen.__getitem__) if seen else None


class FlagsCrashes(Voter):
    def _time_out(self, step):
        if step == PROPOSE:
            silent = Vote(PROPOSE, self.proposer, 1, self.round, None)
            self._accuse(silent, silent._replace(value="silent"))
        super()._time_out(step)


class OtherRoundsContradict(Voter):
    def _record(self, vote):
        for (kind, _), votes in list(self._votes.items()):
            known = votes.get(vote.voter)
            if kind == vote.kind in STEPS and known and known.value != vote.value:
                self._accuse(known, vote)
        super()._record(vote)


class NoLock(Voter):
    def _may_prevote(self, digest, proposal):
        return True


class CountsOldRounds(Voter):
    def _record(self, vote):
        super()._record(vote._replace(round=max(vote.round, self.round)) if vote.kind in STEPS else vote)


class SmallQuorum(Voter):
    def enough(self, stake):
        return stake > self.tolerate


class AcceptsAnything(Voter):
    def acceptable(self, block):
        return True


class EchoesEveryBallot(Voter):
    def _echo(self, place, ballot):
        if ballot.value not in said(self, ECHO, place):
            self._cast(ECHO, place, ballot.value)


class KeepsBallotsToItself(Voter):
    def _contest(self, echo):
        pass


class KeepsEvidenceToItself(Voter):
    def _broadcast(self, body):
        if not isinstance(body, Vote) or body.voter == self.id:
            super()._broadcast(body)


class VotesAgainAfterACrash(Voter):
    def _restore(self, stored):
        super()._restore(stored._replace(state=None))


class BelievesAnySignature(Voter):
    def _authentic(self, vote):
        return True


MUTANTS = (
    Mutant("B1", TooManyLiars, "needs_three_times_the_liars"),
    Mutant("B2a", FallsBackOnLocalVotes, "simulation"),
    Mutant("B2b", FallsBackOnFewCertifiedBallots, "simulation"),
    Mutant("B3", FlagsCrashes, "simulation"),
    Mutant("B4a", OtherRoundsContradict, "simulation"),
    Mutant("B4b", NoLock, "keeps_its_lock"),
    Mutant("B5", CountsOldRounds, "rounds_count_apart"),
    Mutant("B6", SmallQuorum, "simulation"),
    Mutant("B7", AcceptsAnything, "proposals_are_justified"),
    Mutant("B8", EchoesEveryBallot, "simulation"),
    Mutant("B9", KeepsBallotsToItself, "shows_a_contested_ballot"),
    Mutant("B10", KeepsEvidenceToItself, "echoes_one_ballot_of_a_member"),
    Mutant("B11", VotesAgainAfterACrash, "simulation"),
    Mutant("B12", BelievesAnySignature, "proposals_are_justified"),
)


def simulated(mutant: type[Voter], seeds: int = SEEDS) -> int | None:
    """The first seed whose run violates an invariant, or None."""
    world = type("World", (BftWorld,), {"voter": mutant})
    return next((seed for seed in range(1, seeds + 1) if world(seed).run().violation), None)
