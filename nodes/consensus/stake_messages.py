"""What validators say to each other, what they keep, and what counts as well formed. See `stake`."""

from __future__ import annotations

from typing import Any, NamedTuple

PROPOSE, PREVOTE, PRECOMMIT = "propose", "prevote", "precommit"
STEPS = (PROPOSE, PREVOTE, PRECOMMIT)
BALLOT, ECHO = "ballot", "echo"  # The two kinds that `bft.Voter` adds.


class Vote(NamedTuple):
    """A signed statement. `value` is the digest of a block, or None: none of them. `Proposal` has a longer one."""

    kind: str
    voter: str
    height: int
    round: int
    value: str | None
    signature: bytes = b""


class Block(NamedTuple):
    """What is decided: a payload, and groups of signed votes that prove something: here, each group is evidence."""

    payload: str
    proofs: tuple[tuple[Vote, ...], ...] = ()


class Proposal(NamedTuple):
    """A block put to the vote. The value of `vote` is "valid_round digest"; `proof` has the prevotes of that round."""

    vote: Vote
    block: Block
    valid_round: int = -1
    proof: tuple[Vote, ...] = ()


class Commit(NamedTuple):
    """A decided block with precommits of more than two thirds of the stake: enough to convince anybody."""

    block: Block
    votes: tuple[Vote, ...]


class Status(NamedTuple):
    """The height that a validator works at; who is further ahead answers with commits."""

    height: int


Body = Vote | Proposal | Commit | Status


class Message(NamedTuple):
    """A message between two validators. Only signatures are believed, not `sender`."""

    sender: str
    to: str
    body: Body

    @property
    def kind(self) -> str:
        """What kind of message this is, for whoever draws or counts them."""
        return self.body.kind if isinstance(self.body, Vote) else type(self.body).__name__.lower()


class State(NamedTuple):
    """What must survive a crash within a height: what was signed, and the lock."""

    height: int
    round: int
    step: str
    locked_round: int
    locked: str | None
    valid_round: int
    valid: Block | None
    proof: tuple[Vote, ...]
    signed: tuple[Vote | Proposal, ...]


class Stored(NamedTuple):
    """What a validator had written: the last state, and the commits of all heights from 1 on."""

    state: State | None = None
    commits: tuple[Commit, ...] = ()


NOTHING = Stored()


class Ready(NamedTuple):
    """What the driver has to do: write `state` and append `commits`, then send, then apply, then call `advance`.

    `committed` are (height, payload) pairs; the payload of a block that nobody had a value for is "".
    """

    state: State | None
    commits: tuple[Commit, ...]
    messages: tuple[Message, ...]
    committed: tuple[tuple[int, str], ...]


def vote_of(body: Vote | Proposal) -> Vote:
    """Return the signed statement in a vote or a proposal."""
    return body.vote if isinstance(body, Proposal) else body


def ordered(first: Vote, second: Vote) -> tuple[Vote, Vote]:
    """Two votes in the order of their values, so that evidence is the same whoever saw which vote first."""
    pair = sorted((first, second), key=lambda vote: (vote.value is not None, vote.value or ""))
    return pair[0], pair[1]


def well_formed(message: Any) -> bool:
    """Whether an object is a message that a validator may look at."""
    if type(message) is not Message:
        return False
    body = message.body
    if type(body) is Vote:
        return _is_vote(body)
    if type(body) is Status:
        return type(body.height) is int and body.height > 0
    if type(body) is Commit:
        return _is_block(body.block) and _are_votes(body.votes)
    if type(body) is Proposal:
        whole = type(body.valid_round) is int and body.valid_round >= -1
        return whole and _is_vote(body.vote) and _is_block(body.block) and _are_votes(body.proof)
    return False


def _is_vote(vote: Any) -> bool:
    if type(vote) is not Vote:
        return False
    kind, voter, height, round, value, signature = vote
    if type(kind) is not str or type(voter) is not str or type(height) is not int or type(round) is not int:
        return False
    return height > 0 and round >= 0 and (value is None or type(value) is str) and type(signature) is bytes


def _are_votes(votes: Any) -> bool:
    return type(votes) is tuple and all(map(_is_vote, votes))


def _is_block(block: Any) -> bool:
    if type(block) is not Block or type(block.payload) is not str or type(block.proofs) is not tuple:
        return False
    return all(map(_are_votes, block.proofs))
