"""Liars for the simulations of `stake` and `bft`: what a validator can say that it should not."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

from .stake import Validator
from .stake_messages import BALLOT, ECHO, PRECOMMIT, PREVOTE, PROPOSE, Block, Commit, Message, Proposal, Vote, ordered

PROFILES = ("mute", "equivocate", "forge", "replay", "all")
GARBAGE = (None, 7, (), "text", Vote("prevote", "n0", 1, 0, 3, b""), Commit(Block("", ()), ()), Block("x", ((),)))  # type: ignore[arg-type]


class Liar:
    """Twists what an honest node says. One profile a run, since mixtures hide what a single kind of lie can do."""

    def __init__(self, name: str, profile: str, rng: random.Random, options: Sequence[str]) -> None:
        self.name, self.profile, self.rng, self.options = name, profile, rng, options
        self.digests: list[str | None] = [None]  # Blocks that it has heard of.
        self.heard: deque[Message] = deque(maxlen=40)

    def hear(self, message: Message) -> None:
        """Remember what can be used later."""
        self.heard.append(message)
        body = message.body
        if isinstance(body, Proposal) and body.vote.value is not None:
            self.digests = [*self.digests[-5:], body.vote.value.split()[-1]]

    def twist(self, node: Validator, messages: Sequence[Message]) -> list[Message]:
        """Return what is sent in place of some messages."""
        sent: list[Message] = []
        for message in messages:
            lie = self.rng.choice(PROFILES[:-1]) if self.profile == "all" else self.profile
            if lie == "mute" and self.rng.random() < 0.5:
                continue
            sent.append(self._equivocate(node, message) if lie == "equivocate" else message)
            if lie == "replay" and self.heard and self.rng.random() < 0.5:
                sent.append(self.rng.choice(self.heard)._replace(to=message.to))
            if lie == "forge" and self.rng.random() < 0.5:
                sent.append(Message(self.name, message.to, self._forge(node)))
        return sent

    def _sign(self, node: Validator, vote: Vote) -> Vote:
        return vote._replace(signature=node.signer.sign(node._bytes(vote)))

    def _equivocate(self, node: Validator, message: Message) -> Message:
        """Say something else to each recipient, properly signed."""
        body = message.body
        if isinstance(body, Vote) and body.voter == self.name:
            other = self.rng.choice(self.options if body.kind in (BALLOT, ECHO) else self.digests)
            return message._replace(body=self._sign(node, body._replace(value=other)))
        if isinstance(body, Proposal) and self.rng.random() < 0.5:
            block = body.block._replace(payload=self.options[0])  # One lie, so that many may fall for it.
            self.digests = [*self.digests[-5:], node.digest(block)]
            vote = body.vote._replace(value=f"-1 {node.digest(block)}")
            return message._replace(body=Proposal(self._sign(node, vote), block))
        return message

    def _forge(self, node: Validator) -> Any:
        """Make up garbage, votes of others, decisions or proofs."""
        lie = self.rng.choice((self._garbage, self._false_vote, self._false_commit, self._false_proposal))
        return lie(node)

    def _garbage(self, node: Validator) -> Any:
        return self.rng.choice(GARBAGE)

    def _false_vote(self, node: Validator) -> Vote:
        """A vote in the name of somebody else."""
        kind, values = self.rng.choice(((PREVOTE, self.digests), (PRECOMMIT, self.digests), (BALLOT, self.options)))
        victim = self.rng.choice(node.members)
        return self._sign(node, Vote(kind, victim, node.height, node.round, self.rng.choice(values)))

    def _false_block(self, node: Validator) -> Block:
        """A block with evidence against somebody else, or with one echo instead of many."""
        lie = self._false_vote(node)
        other = self._sign(node, lie._replace(value="a" * 64))
        return Block(self.rng.choice(self.options), self.rng.choice(((), (ordered(lie, other),), ((lie,) * 7,))))

    def _false_commit(self, node: Validator) -> Commit:
        """A decision with its own precommit, copied for everybody."""
        block = self._false_block(node)
        own = self._sign(node, Vote(PRECOMMIT, self.name, node.height, node.round, node.digest(block)))
        return Commit(block, (own, *(own._replace(voter=name) for name in node.members), own))

    def _false_proposal(self, node: Validator) -> Proposal:
        """A block of its own with made-up prevotes of an earlier round."""
        block, back = self._false_block(node), self.rng.choice((-1, max(0, node.round - 1)))
        vote = Vote(PREVOTE, self.name, node.height, back, node.digest(block))
        proof = tuple(self._sign(node, vote._replace(voter=name)) for name in node.members) if back >= 0 else ()
        value = f"{back} {node.digest(block)}"
        return Proposal(self._sign(node, Vote(PROPOSE, self.name, node.height, node.round, value)), block, back, proof)
