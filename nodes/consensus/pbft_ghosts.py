"""What a simulation of PBFT remembers, so that it can look behind what the replicas say. See `pbft_world`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from .pbft import Replica
from .pbft_messages import (
    CERTIFICATE,
    CHECKPOINT,
    COMMIT,
    NEW_VIEW,
    PRE_PREPARE,
    PREPARE,
    STATE,
    VIEW_CHANGE,
    Message,
    Request,
    signed_bytes,
)
from .simulation import Violation

RECORDED = (PRE_PREPARE, PREPARE, COMMIT, CHECKPOINT, VIEW_CHANGE)


def _mark(who: str) -> bytes:
    return who.encode("utf-8", "surrogatepass") + b"!"


class NameSigner:
    """Signs with a name in front of the data: quick, and enough where nobody signs with another's name by design."""

    transferable = False

    def __init__(self, id: str) -> None:
        self._mark = _mark(id)

    def sign(self, data: bytes) -> bytes:
        """Return the data, marked."""
        return self._mark + data

    def verify(self, who: str, data: bytes, signature: bytes) -> bool:
        """Return whether the data is marked with this name."""
        return signature == _mark(who) + data


class Ghosts:
    """What history has shown, and what follows from it; it knows every message, which no replica does."""

    def __init__(self, quorum: int, honest: Collection[str]) -> None:
        self.quorum, self.honest = quorum, frozenset(honest)
        self.sent: dict[tuple[str, int, int, str], set[str]] = {}  # (kind, view, seq, digest) -> senders
        self.commit_views: dict[tuple[int, str], set[int]] = {}  # (seq, digest) -> views with a commit
        self.promised: dict[tuple[int, int], str] = {}  # (view, seq) -> digest that some honest replica has prepared
        self.agreed: dict[int, tuple[str, int]] = {}  # seq -> digest, and the first view that committed it
        self.openings: dict[str, tuple[int, int, dict[int, str]]] = {}  # new view -> view, checkpoint, digests
        self.stable: dict[int, str] = {}  # Stable checkpoint -> digest.

    def record(self, message: Message, sender: str) -> None:
        """Remember a message, and everything genuine in it, as sent."""
        kind, who, view, seq, digest, body, _ = message
        if kind in RECORDED and self.genuine(message, sender):
            # All view changes for a view count alike, whatever they carry.
            key = (kind, view, 0, "") if kind == VIEW_CHANGE else (kind, view, seq, digest)
            self.sent.setdefault(key, set()).add(who)
            if kind == COMMIT:
                self.commit_views.setdefault((seq, digest), set()).add(view)
        # A liar may publish its vote in a bundle only; what the honest bundle, except for orders, was sent before.
        if kind == NEW_VIEW or (kind in (VIEW_CHANGE, CERTIFICATE, STATE) and sender not in self.honest):
            for one in _nested(body):
                self.record(one, sender)

    def genuine(self, message: Message, sender: str) -> bool:
        """Whether a message is by whom it names; `sender` is who really sent it."""
        if message.sender == sender:
            return True
        kind, who, view, seq, digest, _, signature = message
        return signature == _mark(who) + signed_bytes("pbft", kind, view, seq, digest)

    def promise(self, node: Replica, message: Message) -> None:
        """Look at what an honest replica sends."""
        kind, name, view, seq, digest, _, _ = message
        if kind in (PRE_PREPARE, PREPARE) and seq > node.stable + node.window:
            raise Violation(f"P-S6: {name} works on number {seq}, above its window")
        if kind == COMMIT:
            if self.promised.setdefault((view, seq), digest) != digest:
                raise Violation(f"P-S2: two batches are prepared as number {seq} of view {view}")
            senders = self.sent.get((PREPARE, view, seq, digest), set()) - {node.primary(view)}
            if len(senders) < self.quorum - 1 or (PRE_PREPARE, view, seq, digest) not in self.sent:
                raise Violation(f"P-S3: {name} is prepared for number {seq} of view {view} with {sorted(senders)} only")

    def executed(self, name: str, seq: int, digest: str) -> None:
        """Look at a batch that an honest replica executes."""
        known = self.agreed.get(seq)
        if known is None:
            views = self.commit_views.get((seq, digest), set())
            backed = [view for view in views if len(self.sent[COMMIT, view, seq, digest]) >= self.quorum]
            if not backed:
                raise Violation(f"P-S3: {name} executes number {seq} without a quorum of commits")
            self.agreed[seq] = (digest, min(backed))
            for opening in self.openings.values():
                self._carried(seq, opening)
        elif known[0] != digest:
            raise Violation(f"P-S1: {name} executes another batch as number {seq} than others did")

    def opened(self, name: str, message: Message) -> None:
        """Look at a new view that an honest replica enters."""
        if message.digest in self.openings:
            return
        senders = self.sent.get((VIEW_CHANGE, message.view, 0, ""), set())
        if len(senders) < self.quorum:
            raise Violation(f"P-S3: {name} enters view {message.view}, which only {sorted(senders)} asked for")
        changes, orders = message.body
        low = max(change.seq for change in changes)
        opening = (message.view, low, {order.seq: order.digest for order in orders})
        self.openings[message.digest] = opening
        for seq in self.agreed:
            self._carried(seq, opening)

    def _carried(self, seq: int, opening: tuple[int, int, dict[int, str]]) -> None:
        digest, committed_in = self.agreed[seq]
        view, low, orders = opening
        if committed_in < view and seq > low and orders.get(seq) != digest:
            raise Violation(f"P-S4: view {view} drops number {seq}, which was committed in view {committed_in}")

    def stabilized(self, name: str, proof: tuple[Message, ...]) -> None:
        """Look at a stable checkpoint of an honest replica."""
        seq, digest = proof[0].seq, proof[0].digest
        if self.stable.setdefault(seq, digest) != digest:
            raise Violation(f"P-S7: two checkpoints are stable at number {seq}")
        senders = self.sent.get((CHECKPOINT, 0, seq, digest), set())
        if len(senders) < self.quorum:
            raise Violation(f"P-S7: checkpoint {seq} is stable for {name} with {sorted(senders)} only")


def _nested(body: Iterable[Any]) -> Iterable[Message]:
    for part in body:
        if isinstance(part, Message):
            yield part
        elif isinstance(part, tuple) and not isinstance(part, Request):
            yield from _nested(part)
