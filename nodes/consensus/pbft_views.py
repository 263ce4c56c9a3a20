"""PBFT, the change of a view: when a primary is given up, and what the next one must carry over. See `pbft`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from .pbft_messages import NEW_VIEW, PRE_PREPARE, PREPARE, VIEW_CHANGE, Message, Request, batch_digest
from .pbft_order import Ordering

Plan = list[tuple[int, tuple[Request, ...]]]  # Sequence numbers and their batches.


class Views(Ordering):
    """The part of a replica that replaces the primary (section 4.4 and 4.5.2)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.changes: dict[str, Message] = {}  # The last view change of each member, for this view or a later one.
        self.new_view: Message | None = None  # What opened this view.
        self.elapsed = 0  # Ticks since that which the timer watches began...
        self._watched: object = None  # ...which is a request, or the arrival of a view.

    # The timer.

    def _timer(self) -> None:
        """Give the primary up when the oldest request, or the new view, takes too long."""
        watched = self._waits_for()
        if watched != self._watched:
            self._watched, self.elapsed = watched, 0
        elif watched is not None:
            self.elapsed += 1
            if self.elapsed >= self._patience():
                self._start_view_change(self.view + 1)

    def _waits_for(self) -> object:
        if self.active:
            return next(iter(self.pending), None)
        # Not before a quorum has left the old view: who counts alone would run away from the others.
        left = sum(change.view >= self.view for change in self.changes.values())
        return self.view if left >= self.needs[VIEW_CHANGE] else None

    def _patience(self) -> int:
        """Ticks to wait: twice as many after each view change that led to nothing."""
        return self.timeout_ticks << self.failures

    # View change.

    def _start_view_change(self, view: int) -> None:
        """Leave the view; from now on nothing of an earlier one is answered."""
        self.view, self.active, self.slots = view, False, {}
        self.failures += 1
        self._watched, self.elapsed = None, 0
        body = (self.proof, tuple(self.prepared[seq] for seq in sorted(self.prepared)))
        self.changes[self.id] = self._broadcast(self._sign(VIEW_CHANGE, view, self.stable, "", body))
        self._lead()

    def _on_view_change(self, message: Message) -> None:
        if message.view < self.view or (message.view == self.view and self.active):
            return
        first = self.changes.get(message.sender)
        if first is not None and first.view >= message.view:
            if first.view == message.view:
                self._witness(first, message)
            return
        if self._change_valid(message):
            self.changes[message.sender] = message
            self._join()
            self._lead()

    def _change_valid(self, message: Message) -> bool:
        """Whether a view change proves its stable checkpoint and everything that it calls prepared."""
        proof, certificates = message.body
        numbers = [pre_prepare.seq for pre_prepare, _ in certificates]
        return (
            len(set(numbers)) == len(numbers)
            and all(message.seq < seq <= message.seq + self.window for seq in numbers)
            and all(pre_prepare.view < message.view for pre_prepare, _ in certificates)
            and self._proved(proof, message.seq)
            and all(self._certifies(one, PREPARE) for one in certificates)
        )

    def _join(self) -> None:
        """With f + 1 members in later views one of them is honest: follow, into the earliest of these views."""
        later = sorted(change.view for change in self.changes.values() if change.view > self.view)
        if len(later) > self.f:
            self._start_view_change(later[0])

    # New view.

    def _lead(self) -> None:
        """Open the view, if it is this replica's turn and a quorum has come."""
        changes = [change for _, change in sorted(self.changes.items()) if change.view == self.view]
        if self.active or self.id != self.primary(self.view) or len(changes) < self.needs[VIEW_CHANGE]:
            return
        chosen = tuple(changes)
        orders = tuple(
            self._sign(PRE_PREPARE, self.view, seq, batch_digest(requests), requests)
            for seq, requests in self._plan(chosen)
        )
        self._enter(self._broadcast(self._sign(NEW_VIEW, self.view, 0, "", (chosen, orders))))

    def _plan(self, changes: Sequence[Message]) -> Plan:
        """What the view changes demand of the new view: each number's batch of the highest view, or none.

        A function of the view changes only, so that everyone can check the primary.
        """
        low = max(change.seq for change in changes)
        best: dict[int, Message] = {}
        for change in changes:
            for pre_prepare, _ in change.body[1]:
                seq = pre_prepare.seq
                if seq > low and (seq not in best or self._supersedes(pre_prepare, best[seq])):
                    best[seq] = pre_prepare
        return [(seq, best[seq].body if seq in best else ()) for seq in range(low + 1, max(best, default=low) + 1)]

    def _supersedes(self, one: Message, other: Message) -> bool:
        return one.view > other.view

    def _on_new_view(self, message: Message) -> None:
        if not self._from_primary(message) or message.view < self.view:
            return
        if message.view == self.view and self.active:
            if self.new_view is not None:
                self._witness(self.new_view, message)
        elif self._new_view_valid(message):
            self._enter(message)

    def _new_view_valid(self, message: Message) -> bool:
        """Whether a quorum asked for the view, and its pre-prepares are what follows from that."""
        changes, orders = message.body
        senders = {change.sender for change in changes}
        return (
            len(senders) == len(changes) >= self.needs[VIEW_CHANGE]
            and all(change.view == message.view for change in changes)
            and self._genuine_all(changes)
            and all(self._change_valid(change) for change in changes)
            and all(order.sender == message.sender and order.view == message.view for order in orders)
            and self._genuine_all(orders)
            and self._follows(orders, changes)
        )

    def _follows(self, orders: Sequence[Message], changes: Sequence[Message]) -> bool:
        return [(order.seq, order.body) for order in orders] == self._plan(changes)

    def _enter(self, message: Message) -> None:
        """Begin the view with the pre-prepares that it carries over."""
        changes, orders = message.body
        if message.view > self.view:
            self.slots = {}  # Votes for the view itself, which came before it, are kept.
        self.view, self.active, self.new_view = message.view, True, message
        self._watched, self.elapsed = None, 0
        self.changes = {sender: change for sender, change in self.changes.items() if change.view > self.view}
        newest = max(changes, key=lambda change: change.seq)
        self._stabilize(newest.body[0])
        # Before anything can be proposed, or the new primary would give a number twice.
        self.last = max(newest.seq + len(orders), self.stable)
        if self.id == self.primary(self.view):
            taken = {one[:2] for order in orders for one in order.body}
            self.queue = deque(key for key in self.pending if key not in taken)
        for order in orders:
            if self._in_window(order.seq):
                self._accept(order)
