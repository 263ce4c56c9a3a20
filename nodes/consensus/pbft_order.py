"""PBFT, the normal case: pre-prepare, prepare, commit, execution, checkpoints, state transfer. See `pbft`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import ConfigError
from .pbft_messages import (
    CERTIFICATE,
    CHECKPOINT,
    COMMIT,
    PRE_PREPARE,
    PREPARE,
    REQUEST,
    STATE,
    VIEW_CHANGE,
    Certificate,
    Evidence,
    Message,
    Ready,
    Request,
    batch_digest,
    body_digest,
    chained,
    request_bytes,
    signed_bytes,
)
from .quorum import faults_tolerated
from .signing import Signer

Key = tuple[str, int]  # A client and its timestamp.


class Slot:
    """What a replica has heard about one sequence number in its present view."""

    __slots__ = ("commits", "pre_prepare", "prepared", "prepares")

    def __init__(self) -> None:
        self.pre_prepare: Message | None = None
        self.prepares: dict[str, Message] = {}
        self.commits: dict[str, Message] = {}
        self.prepared = False


class Ordering:
    """The part of a replica that orders and executes while its view lasts."""

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
        most = faults_tolerated(len(members))
        if id not in members or len(set(members)) != len(members):
            raise ConfigError(f"{id!r} must be one of the members, and they must differ; given: {', '.join(members)}.")
        if tolerate is not None and not 0 <= tolerate <= most:
            raise ConfigError(
                f"{len(members)} replicas tolerate 0 to {most} faulty ones, not {tolerate}; "
                f"for {tolerate} there must be at least {3 * tolerate + 1}."
            )
        if min(timeout_ticks, status_ticks, checkpoint_every, max_batch) < 1:
            raise ConfigError("timeout_ticks, status_ticks, checkpoint_every and max_batch must be at least 1.")
        self.id, self.members, self.signer, self.cluster = id, tuple(members), signer, cluster
        self.peers = tuple(member for member in members if member != id)
        self.f = most if tolerate is None else tolerate
        # Two groups of this size share an honest member; with n = 3f + 1 it is the paper's 2f + 1.
        quorum = (len(members) + self.f) // 2 + 1
        self.needs = {PREPARE: quorum - 1, COMMIT: quorum, CHECKPOINT: quorum, VIEW_CHANGE: quorum}
        self.timeout_ticks, self.status_ticks, self.max_batch = timeout_ticks, status_ticks, max_batch
        self.checkpoint_every, self.window = checkpoint_every, 2 * checkpoint_every
        self.view, self.active, self.failures = 0, True, 0  # failures: view changes since something was executed.
        self.stable = self.executed = self.last = 0  # last: the highest number that this primary has given.
        self.proof: tuple[Message, ...] = ()  # Of the stable checkpoint.
        self.history: list[tuple[Request, ...]] = []  # The state: every batch that was executed.
        self.chain = ""  # The digest of the history.
        self.done: set[Key] = set()
        self.pending: dict[Key, Request] = {}
        self.queue: deque[Key] = deque()  # At the primary: what has no number yet.
        self.slots: dict[int, Slot] = {}
        self.prepared: dict[int, Certificate] = {}  # Of the highest view.
        self.committed: dict[int, Certificate] = {}
        self.checkpoints: dict[int, dict[tuple[str, str], Message]] = {}
        self.evidence: dict[str, Evidence] = {}  # The first proof against each liar.
        self._outbox: list[tuple[tuple[str, ...], Message]] = []
        self._applied: list[tuple[int, tuple[Request, ...]]] = []
        self._offered: Ready | None = None
        self._checked: set[Message] = set()  # Nested messages that were found genuine.

    def primary(self, view: int) -> str:
        """Return who leads a view: they take turns."""
        return self.members[view % len(self.members)]

    # Signing and checking.

    def _sign(self, kind: str, view: int, seq: int, digest: str, body: tuple[object, ...] = ()) -> Message:
        message = Message(kind, self.id, view, seq, digest, body)
        if not digest:
            message = message._replace(digest=body_digest(message))
        return message._replace(signature=self.signer.sign(signed_bytes(self.cluster, kind, view, seq, message.digest)))

    def _broadcast(self, message: Message) -> Message:
        self._outbox.append((self.peers, message))
        return message

    def _genuine(self, message: Message) -> bool:
        return message.sender in self.members and self._signed(message) and self._bound(message)

    def _signed(self, message: Message) -> bool:
        kind, sender, view, seq, digest, _, signature = message
        return self.signer.verify(sender, signed_bytes(self.cluster, kind, view, seq, digest), signature)

    def _bound(self, message: Message) -> bool:
        """Whether the digest, which is signed, is that of the body, which is not."""
        return not message.body or body_digest(message) == message.digest

    def _genuine_all(self, messages: Iterable[Message]) -> bool:
        """For what is nested in another message: the same comes again and again, so it is checked once."""
        for message in messages:
            if message not in self._checked:
                if not self._genuine(message):
                    return False
                if len(self._checked) > 4096:
                    self._checked.clear()
                self._checked.add(message)
        return True

    def _requests_valid(self, requests: Iterable[Request]) -> bool:
        return all(
            self.pending.get(one[:2]) == one or self.signer.verify(one[0], request_bytes(self.cluster, one), one[3])
            for one in requests
        )

    def _agree(self, votes: tuple[Message, ...], kind: str, view: int, seq: int, digest: str) -> bool:
        """Whether these are enough genuine votes of different members for one thing."""
        voters = {vote.sender for vote in votes}
        if len(voters) != len(votes) or len(votes) < self.needs[kind]:
            return False
        return all(vote[:1] + vote[2:5] == (kind, view, seq, digest) for vote in votes) and self._genuine_all(votes)

    def _certifies(self, certificate: Certificate, kind: str) -> bool:
        """Whether a certificate proves that its batch was prepared, or committed."""
        pre_prepare, votes = certificate
        leader = self.primary(pre_prepare.view)
        return (
            pre_prepare.sender == leader
            and (kind != PREPARE or all(vote.sender != leader for vote in votes))
            and self._genuine_all((pre_prepare,))
            and self._agree(votes, kind, *pre_prepare[2:5])
        )

    def _witness(self, first: Message, second: Message) -> None:
        """Keep proof that a member has signed two different things where honest members sign one."""
        if first.digest != second.digest and first.sender not in self.evidence:
            one, other = (first, second) if first.digest < second.digest else (second, first)
            self.evidence[first.sender] = Evidence(first.sender, one, other, self.signer.transferable)

    # Requests.

    def _take(self, request: Request) -> bool:
        key = request[:2]
        if key in self.done or key in self.pending or not self._requests_valid((request,)):
            return False
        self.pending[key] = request
        if self.id == self.primary(self.view):
            self.queue.append(key)
        return True

    def _on_request(self, message: Message) -> None:
        for request in message.body:
            self._take(request)

    def _assign(self) -> None:
        """As the primary, give numbers to what waits, several requests at a time."""
        while self.queue and self._in_window(self.last + 1):
            batch: list[Request] = []
            while self.queue and len(batch) < self.max_batch:
                request = self.pending.get(self.queue.popleft())
                if request is not None:
                    batch.append(request)
            if batch:
                self.last += 1
                requests = tuple(batch)
                pre_prepare = self._sign(PRE_PREPARE, self.view, self.last, batch_digest(requests), requests)
                self._accept(self._broadcast(pre_prepare))

    # Agreement (section 4.2).

    def _in_window(self, seq: int) -> bool:
        return self.stable < seq <= self.stable + self.window

    def _expected(self, message: Message) -> bool:
        return message.view == self.view and self._in_window(message.seq)

    def _slot(self, seq: int) -> Slot:
        slot = self.slots.get(seq)
        if slot is None:
            slot = self.slots[seq] = Slot()
        return slot

    def _from_primary(self, message: Message) -> bool:
        return message.sender == self.primary(message.view)

    def _on_pre_prepare(self, message: Message) -> None:
        if not self.active or not self._from_primary(message):
            return
        first = self._slot(message.seq).pre_prepare
        if first is not None:
            self._second(first, message)
        elif self._requests_valid(message.body):
            self._accept(message)

    def _second(self, first: Message, message: Message) -> None:
        """A number has been given before: the first pre-prepare stays."""
        self._witness(first, message)

    def _accept(self, message: Message) -> None:
        """Take a pre-prepare as the batch of its number and view, and say so."""
        seq, slot = message.seq, self._slot(message.seq)
        slot.pre_prepare = message
        if self.id != self.primary(self.view):
            slot.prepares[self.id] = self._broadcast(self._sign(PREPARE, self.view, seq, message.digest))
        self._progress(seq, slot)

    def _vote(self, votes: dict[str, Message], message: Message) -> None:
        first = votes.setdefault(message.sender, message)
        if first is not message:
            self._witness(first, message)

    def _on_prepare(self, message: Message) -> None:
        if not self._from_primary(message):  # The primary's pre-prepare is its vote; it has no second one.
            slot = self._slot(message.seq)
            self._vote(slot.prepares, message)
            self._progress(message.seq, slot)

    def _on_commit(self, message: Message) -> None:
        slot = self._slot(message.seq)
        self._vote(slot.commits, message)
        self._progress(message.seq, slot)

    def _matching(self, votes: dict[str, Message], digest: str) -> tuple[Message, ...]:
        return tuple([vote for vote in votes.values() if vote.digest == digest])

    def _progress(self, seq: int, slot: Slot) -> None:
        """Go as far with a number as the votes allow: prepared, then committed."""
        pre_prepare = slot.pre_prepare
        if pre_prepare is None or not self.active:
            return
        digest = pre_prepare.digest
        if not slot.prepared:
            if len(slot.prepares) < self.needs[PREPARE]:
                return
            prepares = self._matching(slot.prepares, digest)
            if len(prepares) < self.needs[PREPARE]:
                return
            slot.prepared = True
            self.prepared[seq] = Certificate(pre_prepare, prepares)
            slot.commits[self.id] = self._broadcast(self._sign(COMMIT, self.view, seq, digest))
        if len(slot.commits) >= self.needs[COMMIT] and seq not in self.committed:
            commits = self._matching(slot.commits, digest)
            if len(commits) >= self.needs[COMMIT]:
                self._commit(Certificate(pre_prepare, commits))

    def _commit(self, certificate: Certificate) -> None:
        self.committed[certificate.pre_prepare.seq] = certificate
        self._execute()

    def _on_certificate(self, message: Message) -> None:
        """A commit certificate holds in any view, also for a replica that has left its view (section 4.5.2)."""
        certificate: Certificate = message.body[0]
        seq = certificate.pre_prepare.seq
        if self._in_window(seq) and seq not in self.committed and self._certifies(certificate, COMMIT):
            self._commit(certificate)

    # Execution.

    def _execute(self) -> None:
        while (certificate := self.committed.get(self.executed + 1)) is not None:
            self._apply(certificate.pre_prepare.body)

    def _fresh(self, requests: tuple[Request, ...]) -> tuple[Request, ...]:
        """What of a batch is not done yet: a request may be given two numbers, and is executed once."""
        fresh: dict[Key, Request] = {}
        for one in requests:
            if one[:2] not in self.done:
                fresh.setdefault(one[:2], one)
        return tuple(fresh.values())

    def _apply(self, requests: tuple[Request, ...]) -> None:
        """Execute the next batch."""
        fresh = self._fresh(requests)
        for one in fresh:
            self.done.add(one[:2])
            self.pending.pop(one[:2], None)
        if fresh and self.active:
            self.failures = 0
        self.executed += 1
        self.history.append(requests)
        self.chain = chained(self.chain, batch_digest(requests))
        self._applied.append((self.executed, fresh))
        if self.executed % self.checkpoint_every == 0:
            self._checkpoint()

    # Checkpoints and state transfer (section 4.3 and 4.6).

    def _checkpoint(self) -> None:
        self._on_checkpoint(self._broadcast(self._sign(CHECKPOINT, 0, self.executed, self.chain)))

    def _on_checkpoint(self, message: Message) -> None:
        seq = message.seq
        if not self._in_window(seq) or seq % self.checkpoint_every:
            return
        votes = self.checkpoints.setdefault(seq, {})
        others = [vote for vote in votes.values() if vote.sender == message.sender]
        for other in others:
            self._witness(other, message)
        # Counted for each digest, lest a liar's first word hide its second, which others have used; but only two words.
        if len(others) < 2:
            votes.setdefault((message.sender, message.digest), message)
        same = tuple(vote for vote in votes.values() if vote.digest == message.digest)
        if len(same) >= self.needs[CHECKPOINT]:
            self._stabilize(same)

    def _proved(self, proof: tuple[Message, ...], seq: int) -> bool:
        """Whether a checkpoint is stable; that of the beginning needs no proof."""
        if not proof:
            return seq == 0
        return self._agree(proof, CHECKPOINT, 0, seq, proof[0].digest)

    def _stabilize(self, proof: tuple[Message, ...]) -> None:
        """Move the low watermark to a proved checkpoint, and forget what lies below."""
        if not proof or proof[0].seq <= self.stable:
            return
        self.stable, self.proof = proof[0].seq, proof
        logs: tuple[dict[int, Any], ...] = (self.slots, self.prepared, self.committed, self.checkpoints)
        for log in logs:
            for seq in [seq for seq in log if seq <= self.stable]:
                del log[seq]

    def _on_state(self, message: Message) -> None:
        """Take the history up to a stable checkpoint, if it is proved and leads further than one's own."""
        proof, batches = message.body
        if not proof or not self._proved(proof, proof[0].seq):
            return
        end = proof[0].seq
        if self.executed < end:
            batches = batches[max(0, self.executed + 1 - message.seq) :]
            if message.seq > self.executed + 1 or len(batches) != end - self.executed:
                return
            if not self._leads_to(batches, proof[0].digest):
                return
            for requests in batches:
                self._apply(requests)
        self._stabilize(proof)
        self._execute()

    def _leads_to(self, batches: Iterable[tuple[Request, ...]], digest: str) -> bool:
        """Whether the history, with these batches after it, has this digest."""
        chain = self.chain
        for requests in batches:
            chain = chained(chain, batch_digest(requests))
        return chain == digest

    def _help(self, peer: str, executed: int, stable: int) -> None:
        """Send a peer what it lacks: the state of the stable checkpoint, later checkpoints, commit certificates."""
        if self.stable > min(executed, stable) and self.executed >= self.stable:
            batches = tuple(self.history[executed : self.stable])
            self._outbox.append(((peer,), Message(STATE, self.id, self.view, executed + 1, "", (self.proof, batches))))
        for seq in sorted(self.checkpoints):  # Lost, these would leave the window full, and everybody waiting.
            for (sender, _), checkpoint in self.checkpoints[seq].items():
                if sender == self.id:
                    self._outbox.append(((peer,), checkpoint))
        for seq in sorted(self.committed):
            if seq > executed:
                message = Message(CERTIFICATE, self.id, self.view, seq, "", (self.committed[seq],))
                self._outbox.append(((peer,), message))

    def _repeat(self, peer: str, executed: int) -> None:
        """Send a peer in the same view again what this replica has said about what is not committed here."""
        for seq in sorted(self.slots):
            slot = self.slots[seq]
            if seq <= executed or seq in self.committed:
                continue
            if slot.pre_prepare is not None and slot.pre_prepare.sender == self.id:
                self._outbox.append(((peer,), slot.pre_prepare))
            for votes in (slot.prepares, slot.commits):
                if self.id in votes:
                    self._outbox.append(((peer,), votes[self.id]))

    def _remind(self) -> None:
        """Tell everyone of requests that wait: the primary may have changed, or never have heard of them."""
        if self.pending:
            requests = tuple(list(self.pending.values())[: self.max_batch])
            self._broadcast(Message(REQUEST, self.id, self.view, 0, "", requests))
