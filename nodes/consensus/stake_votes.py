"""What a validator knows: who signed what, what has a quorum, who contradicted itself, who has which stake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from .signing import Signer, canonical, sha256
from .stake_messages import STEPS, Block, Vote, ordered

CACHED = 10_000  # Verified signatures and digests of blocks that are remembered.


class Register:
    """The votes of one height, and what outlasts it: stakes and evidence. `stake.Validator` adds the rules.

    Args:
        id: Who keeps this register.
        stakes: The stake of every validator, at least 1.
        signer: Signs and verifies.
        domain: What stands before everything that is signed.
        penalty: Percent of the stake that one piece of evidence burns.

    Example:
        >>> from .signing import NullSigner
        >>> register = Register("a", {"a": 2, "b": 1}, signer=NullSigner(), domain="test", penalty=50)
        >>> register.enough(2), register.enough(3)
        (False, True)
    """

    def __init__(self, id: str, stakes: Mapping[str, int], *, signer: Signer, domain: str, penalty: int) -> None:
        self.id, self.signer, self.domain, self.penalty = id, signer, domain, penalty
        self.stakes = {name: stakes[name] for name in sorted(stakes)}
        self.members = tuple(self.stakes)
        self.burned = 0
        self.evidence: dict[str, tuple[Vote, Vote]] = {}  # Found and not yet punished, by identity.
        self.punished: set[str] = set()
        self._clear(1)

    def _clear(self, height: int) -> None:
        self.height, self.round = height, 0
        self._votes: dict[tuple[str, int], dict[str, Vote]] = {}
        self._tallies: dict[tuple[str, int], dict[str | None, int]] = {}
        self._totals: dict[tuple[str, int], int] = {}
        self._ahead = -1  # The latest round that more than a third has reached.
        self._accused: set[tuple[str, str, int, int]] = set()
        self._verified: set[Vote] = set()
        self._digests: dict[Block, str] = {}

    # Counting.

    def enough(self, stake: int) -> bool:
        """Whether this much stake is a quorum: two quorums share more than a third."""
        return 3 * stake > 2 * sum(self.stakes.values())

    def some_honest(self, stake: int) -> bool:
        """Whether this much stake is more than liars may have."""
        return 3 * stake > sum(self.stakes.values())

    def weight(self, voter: str) -> int:
        """The stake of a voter at this height, 0 when it has none."""
        return self.stakes.get(voter, 0)

    def _proves(self, votes: Iterable[Vote], kind: str, round: int, value: str | None) -> bool:
        """Whether these votes are a quorum of this height for one value."""
        voters = set()
        for vote in votes:
            if vote[:1] + vote[2:5] != (kind, self.height, round, value) or not self._authentic(vote):
                return False
            voters.add(vote.voter)
        return self.enough(sum(map(self.weight, voters)))

    def _record(self, vote: Vote) -> None:
        """Count a voter's first vote of each kind and round; a second one that differs is evidence."""
        key = vote.kind, vote.round
        votes = self._votes.setdefault(key, {})
        known = votes.get(vote.voter)
        if known is not None:
            if self.conflicting(known, vote):
                self._accuse(known, vote)
            return
        weight = self.weight(vote.voter)
        if not weight:
            return
        votes[vote.voter] = vote
        tally = self._tallies.setdefault(key, {})
        tally[vote.value] = tally.get(vote.value, 0) + weight
        self._totals[key] = self._totals.get(key, 0) + weight
        if self.enough(tally[vote.value]):
            self._reached(vote.kind, vote.round, vote.value)
        if vote.round > self.round and vote.kind in STEPS:
            there = {voter for kind in STEPS for voter in self._votes.get((kind, vote.round), ())}
            if self.some_honest(sum(map(self.weight, there))):
                self._ahead = max(self._ahead, vote.round)

    def _reached(self, kind: str, round: int, value: str | None) -> None:
        """A quorum has cast the same vote."""

    # Signatures.

    def _sign(self, kind: str, round: int, value: str | None) -> Vote:
        vote = Vote(kind, self.id, self.height, round, value)
        return vote._replace(signature=self.signer.sign(self._bytes(vote)))

    def _authentic(self, vote: Vote) -> bool:
        """Whether the voter signed it. Each signature is verified once a height."""
        if vote in self._verified:
            return True
        valid = vote.voter in self.members and self.signer.verify(vote.voter, self._bytes(vote), vote.signature)
        if valid and len(self._verified) < CACHED:
            self._verified.add(vote)
        return valid

    def _bytes(self, vote: Vote) -> bytes:
        """What is signed: all but the signature."""
        return _content(self.domain, vote[:5])

    def digest(self, block: Block) -> str:
        """The name of a block in votes: a hash of all that is in it."""
        known = self._digests.get(block)
        if known is None:
            proofs = [[[*vote[:5], vote.signature.hex()] for vote in proof] for proof in block.proofs]
            known = sha256(canonical(self.domain, [block.payload, proofs]))
            if len(self._digests) < CACHED:
                self._digests[block] = known
        return known

    # Evidence and slashing.

    @staticmethod
    def conflicting(first: Vote, second: Vote) -> bool:
        """Whether no honest validator signs both: same kind, voter, height and round, another value."""
        return first[:4] == second[:4] and first.value != second.value

    def guilty(self, proof: tuple[Vote, ...]) -> bool:
        """Whether votes prove that a validator which still has stake contradicted itself."""
        return (
            len(proof) == 2
            and proof == ordered(*proof)
            and self.conflicting(*proof)
            and proof[0].height <= self.height
            and self.weight(proof[0].voter) > 0
            and self._authentic(proof[0])
            and self._authentic(proof[1])
        )

    def identity(self, proof: tuple[Vote, ...]) -> str:
        """The name of a piece of evidence: a function of what the two votes say, in order, and of nothing else.

        No clock is in it (CVE-2021-21271), nor the signatures, since a liar could sign the same vote in several ways.
        """
        return sha256(canonical(self.domain, [vote[:5] for vote in proof]))

    def _accuse(self, first: Vote, second: Vote) -> None:
        """Keep evidence, one piece a step: who signs a hundred votes shall not fill the memory and the blocks."""
        proof = ordered(first, second)
        key = self.identity(proof)
        if first[:4] not in self._accused and self.unpunished(key):
            self._accused.add(first[:4])
            self.evidence[key] = proof

    def unpunished(self, key: str) -> bool:
        """Whether a piece of evidence has not been punished yet."""
        return key not in self.punished

    def _punish(self, proof: tuple[Vote, ...]) -> None:
        """Burn a part of the liar's stake, once for each piece of evidence."""
        key, voter = self.identity(proof), proof[0].voter
        self.evidence.pop(key, None)
        if self.unpunished(key) and self.weight(voter):
            self.punished.add(key)
            burnt = self.burn(self.stakes[voter])
            self.burned += burnt
            self.stakes[voter] -= burnt
            if not self.stakes[voter]:
                del self.stakes[voter]

    def burn(self, stake: int) -> int:
        """How much of a stake one piece of evidence burns; rounded up, so that a stake of 1 burns too."""
        return -(-stake * self.penalty // 100)


@lru_cache(maxsize=4096)  # The members of a group are often in one process, and each asks for the same bytes.
def _content(domain: str, fields: tuple[object, ...]) -> bytes:
    return canonical(domain, fields)
