"""PBFT (Castro and Liskov, Practical Byzantine Fault Tolerance, OSDI 1999) as a pure state machine.

n >= 3f + 1 replicas agree on one order of requests although f of them lie. The driver calls `tick`, `step` and
`propose`, then takes a `Ready` and does two things in this order: send the messages, apply what is executed. Then it
calls `advance`.

There is nothing to persist: as in the paper, a replica that pauses and goes on is honest, one that has lost its memory
counts among the f faulty ones. The state that is agreed upon is the history of requests; what else an application keeps
must be a function of it. The agreement is about the order of requests, not about whether they are wise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .pbft_messages import (
    CERTIFICATE,
    CHECKPOINT,
    COMMIT,
    NEW_VIEW,
    PRE_PREPARE,
    PREPARE,
    REQUEST,
    STATE,
    STATUS,
    VIEW_CHANGE,
    Message,
    Ready,
    Request,
    well_formed,
)
from .pbft_order import Key
from .pbft_views import Views
from .signing import Signer

ORDERING = (PRE_PREPARE, PREPARE, COMMIT)
SELF_PROVING = (REQUEST, CERTIFICATE, STATE)  # Everything inside is signed by somebody else.


class Replica(Views):
    """One replica of a PBFT group.

    Args:
        id: This replica's name.
        members: The names of all replicas, this one included, in the same order everywhere: they lead in turn.
        signer: Signs for this replica, and checks the signatures of replicas and clients.
        tolerate: How many may be faulty (f); without it as many as the group allows.
        cluster: The group's name; nothing that is signed for one group holds in another.
        timeout_ticks: Ticks that the oldest request may wait before the primary is given up; doubles with each failure.
        status_ticks: Ticks between two reports to the others, who then send what this replica lacks.
        checkpoint_every: Batches between two checkpoints; the window of open numbers is twice as large.
        max_batch: Requests in one pre-prepare at most.

    Attributes:
        view: The present view; `primary(view)` leads it, once `active`.
        executed: How far the history goes.
        evidence: For each member that is proved to lie, the two messages that contradict each other.

    Raises:
        ConfigError: The replica is no member, members repeat, there are fewer than 3f + 1, or a number is below 1.

    Example:
        >>> from .pbft_messages import request
        >>> from .signing import HmacSigner
        >>> signer = HmacSigner("a", b"a secret of the whole group")
        >>> replica = Replica("a", ["a"], signer=signer)
        >>> replica.propose(request(HmacSigner("me", b"a secret of the whole group"), "me", 1, "blue"))
        True
        >>> [(number, [one.operation for one in requests]) for number, requests in replica.ready().executed]
        [(1, ['blue'])]
        >>> replica.advance()
    """

    def __init__(
        self,
        id: str,
        members: Sequence[str],
        *,
        signer: Signer,
        tolerate: int | None = None,
        cluster: str = "pbft",
        timeout_ticks: int = 10,
        status_ticks: int = 4,
        checkpoint_every: int = 64,
        max_batch: int = 64,
    ) -> None:
        super().__init__(
            id,
            members,
            signer=signer,
            tolerate=tolerate,
            cluster=cluster,
            timeout_ticks=timeout_ticks,
            status_ticks=status_ticks,
            checkpoint_every=checkpoint_every,
            max_batch=max_batch,
        )
        self._clock = 0
        self._oldest: Key | None = None  # The request that had waited longest at the last report.
        self._handlers: Mapping[str, Callable[[Message], None]] = {
            REQUEST: self._on_request,
            PRE_PREPARE: self._on_pre_prepare,
            PREPARE: self._on_prepare,
            COMMIT: self._on_commit,
            CHECKPOINT: self._on_checkpoint,
            VIEW_CHANGE: self._on_view_change,
            NEW_VIEW: self._on_new_view,
            STATUS: self._on_status,
            CERTIFICATE: self._on_certificate,
            STATE: self._on_state,
        }

    def tick(self) -> None:
        """Let one unit of time pass: report to the others, give up a primary that is too slow."""
        self._clock += 1
        self._timer()
        if self._clock % self.status_ticks == 0:
            self._report()

    def propose(self, value: Request) -> bool:
        """Take a client's request and see to it that it is executed; whether this replica leads does not matter.

        Returns:
            False when it is known already, or is not signed by its client.
        """
        message = Message(REQUEST, self.id, self.view, 0, "", (value,))
        if not well_formed(message) or not self._take(value):
            return False
        if self.id != self.primary(self.view):  # The primary's pre-prepare carries it to the others.
            self._broadcast(message)
        return True

    def step(self, message: Any) -> None:
        """Take a message. One that is malformed, forged or from no member changes nothing."""
        if not well_formed(message) or message.sender == self.id:
            return
        kind = message.kind
        if kind in ORDERING and not self._expected(message):
            return
        if kind in SELF_PROVING or self._genuine(message):
            self._handlers[kind](message)

    def ready(self) -> Ready | None:
        """Return what has to be done now, or None. The same until `advance` is called."""
        if self._offered is None:
            if self.queue and self.active and self.id == self.primary(self.view):
                self._assign()  # Not in `propose`, so that what is proposed together travels together.
            if not self._outbox and not self._applied:
                return None
            self._offered = Ready(tuple(self._outbox), tuple(self._applied))
            self._outbox, self._applied = [], []
        return self._offered

    def advance(self) -> None:
        """The last `Ready` is sent and applied."""
        self._offered = None

    # Reports: they make up for every message that is lost.

    def _report(self) -> None:
        self._broadcast(self._sign(STATUS, self.view, self.executed, "", (self.stable, self.active)))
        if not self.active:
            self._broadcast(self.changes[self.id])
        oldest = next(iter(self.pending), None)
        if oldest is not None and oldest == self._oldest:
            self._remind()
        self._oldest = oldest

    def _on_status(self, message: Message) -> None:
        """Send a peer what it lacks: state, certificates, the way into this view, votes."""
        peer, executed = message.sender, message.seq
        stable, active = message.body
        self._help(peer, executed, stable)
        if message.view == self.view and active and self.active:
            self._repeat(peer, executed)
        elif message.view <= self.view and not (message.view == self.view and active):
            opening = self.new_view if self.active else self.changes[self.id]
            if opening is not None:
                self._outbox.append(((peer,), opening))
