"""Replicas that lie, for the simulator of PBFT: each seed gives its liars a profile, so that one lie is told often.

A liar runs the honest code and twists what it sends. It signs as itself only; what it signs with another's name is a
forgery that the others have to notice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from .pbft import Replica
from .pbft_messages import (
    CHECKPOINT,
    COMMIT,
    NEW_VIEW,
    PRE_PREPARE,
    PREPARE,
    STATE,
    VIEW_CHANGE,
    Message,
    Request,
    batch_digest,
    body_digest,
    signed_bytes,
)

PROFILES = ("equivocate", "forge", "replay", "silence", "vc_liar", "nv_liar", "mix")
VOTES = (PREPARE, COMMIT, CHECKPOINT)
Sent = tuple[str, Message]


class Liar(Replica):
    """A replica whose messages pass through `lies` on their way out."""

    profile = "mix"
    heard: list[Message]

    def lies(self, rng: random.Random, recipients: Sequence[str], message: Message) -> Iterator[Sent]:
        """Give what is sent in place of a message: pairs of recipient and message."""
        profile = rng.choice(PROFILES[:-1]) if self.profile == "mix" else self.profile
        yield from getattr(self, f"_{profile}")(rng, recipients, message)

    def listen(self, message: Message) -> None:
        """Remember a message, to be replayed."""
        if len(self.heard) < 200:
            self.heard.append(message)

    # The profiles.

    def _equivocate(self, rng: random.Random, recipients: Sequence[str], message: Message) -> Iterator[Sent]:
        other = self._twisted(rng, message) if rng.random() < 0.5 else message
        for to in recipients:
            first, second = (message, other) if rng.random() < 0.5 else (other, message)
            yield to, first
            if rng.random() < 0.3:
                yield to, second

    def _forge(self, rng: random.Random, recipients: Sequence[str], message: Message) -> Iterator[Sent]:
        for to in recipients:
            yield to, message
            if message.kind in VOTES:
                for name in self.members:
                    if name not in (to, self.id) and rng.random() < 0.4:
                        digest = rng.choice((message.digest, batch_digest(())))
                        yield to, message._replace(sender=name, digest=digest)
            elif message.kind == PRE_PREPARE and rng.random() < 0.5:
                bad = (Request("client", rng.randrange(10**6), "forged", b"forged"),)
                yield to, self._resign(message._replace(body=bad))
                yield to, self._resign(message._replace(body=bad), bind=False)
            elif message.kind == STATE:
                proof, batches = message.body
                yield to, message._replace(body=(proof, ((),) * len(batches)))

    def _replay(self, rng: random.Random, recipients: Sequence[str], message: Message) -> Iterator[Sent]:
        for to in recipients:
            yield to, message
            if self.heard and rng.random() < 0.5:
                yield to, rng.choice(self.heard)

    def _silence(self, rng: random.Random, recipients: Sequence[str], message: Message) -> Iterator[Sent]:
        dumb = rng.random() < 0.3
        for to in recipients:
            if not dumb and rng.random() < 0.6:
                yield to, message

    def _vc_liar(self, rng: random.Random, recipients: Sequence[str], message: Message) -> Iterator[Sent]:
        if message.kind in (VIEW_CHANGE, COMMIT) and rng.random() < 0.7:
            message = self._wrong_change(rng)
        for to in recipients:
            yield to, message

    def _nv_liar(self, rng: random.Random, recipients: Sequence[str], message: Message) -> Iterator[Sent]:
        for to in recipients:
            yield to, self._wrong_view(rng, message) if message.kind == NEW_VIEW and rng.random() < 0.7 else message
        # A primary that does no work, so that views change; from the other profiles it would hardly come to that.
        if message.kind == COMMIT and rng.random() < 0.1:
            self.step(self._wrong_change(rng))

    # What a lie looks like.

    def _resign(self, message: Message, bind: bool = True) -> Message:
        digest = body_digest(message) if bind else message.digest
        data = signed_bytes(self.cluster, message.kind, message.view, message.seq, digest)
        return message._replace(digest=digest, signature=self.signer.sign(data))

    def _twisted(self, rng: random.Random, message: Message) -> Message:
        if message.kind == PRE_PREPARE:
            return self._resign(message._replace(body=message.body[1:]))
        if message.kind in VOTES:
            return self._resign(message._replace(digest=batch_digest(())))
        if message.kind == VIEW_CHANGE:
            return self._wrong_change(rng)
        return message

    def _wrong_change(self, rng: random.Random) -> Message:
        """A view change that hides certificates, makes one up, or is about some later view."""
        view = self.view + (rng.choice((0, 1, 1, 2, 5)) if not self.active else rng.choice((1, 1, 2, 5)))
        certificates: list[Any] = [one for one in self.prepared.values() if rng.random() < 0.5]
        if self.prepared and rng.random() < 0.6:
            certificate = self.prepared[rng.choice(sorted(self.prepared))]
            signer = self.primary(view - 1)
            fake = certificate.pre_prepare._replace(sender=signer, view=view - 1, body=(), digest=batch_digest(()))
            fake = self._resign(fake)
            votes = tuple(
                self._resign(Message(PREPARE, name, view - 1, fake.seq, fake.digest), bind=False)
                for name in self.members
                if name != signer
            )
            certificates = [one for one in certificates if one.pre_prepare.seq != fake.seq]
            certificates.append(certificate._replace(pre_prepare=fake, votes=votes[: self.needs[PREPARE]]))
        body = (self.proof, tuple(certificates))
        return self._resign(Message(VIEW_CHANGE, self.id, max(view, 1), self.stable, "", body))

    def _wrong_view(self, rng: random.Random, message: Message) -> Message:
        """A new view that drops, empties or lacks what it must carry over."""
        changes, orders = message.body
        lie = rng.randrange(3)
        if lie == 0:
            orders = tuple(self._resign(order._replace(body=())) for order in orders)
        elif lie == 1:
            orders = orders[: rng.randrange(len(orders) + 1)]
        else:
            changes = changes[: self.f + 1]
            orders = tuple(
                self._sign(PRE_PREPARE, message.view, seq, batch_digest(requests), requests)
                for seq, requests in self._plan(changes)
            )
        return self._resign(message._replace(body=(changes, orders)))
