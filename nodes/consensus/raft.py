"""Raft (Ongaro and Ousterhout, USENIX ATC 2014) as a pure state machine: no clock, no network, no disk.

The driver calls `tick`, `step` and `propose`, then takes a `Ready` and does three things in this order: write the hard
state and the entries to disk, send the messages, apply what is committed. Then it calls `advance`. Since everything
that a message promises stands in the same `Ready`, nothing that is not durable is ever counted, not even the node's
own vote. Membership is fixed; the log is not compacted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ...errors import ConfigError
from .quorum import agreed_index, election

FOLLOWER, CANDIDATE, LEADER = "follower", "candidate", "leader"
VOTE, VOTE_REPLY, APPEND, APPEND_REPLY = _KINDS = "vote", "vote_reply", "append", "append_reply"


class Entry(NamedTuple):
    """One entry of the log; its index is its place, counted from 1. The first entry of a term has the value None."""

    term: int
    value: Any


class Message(NamedTuple):
    """A message between two nodes; its kind decides what `index` and `log_term` mean.

    vote: the last entry of the candidate's log. append: the entry before `entries`. append_reply: the last entry that
    is known to match; when refused (`ok` False) the entry that did not match, with `hint` for where to try next.
    """

    kind: str
    sender: str
    to: str
    term: int
    index: int = 0  # type: ignore[assignment]  # The field's name for it; nobody searches in a message.
    log_term: int = 0
    entries: tuple[Entry, ...] = ()
    commit: int = 0
    ok: bool = True
    hint: int = 0


class Stored(NamedTuple):
    """What survives a crash: the term, the vote in that term, the log."""

    term: int = 0
    vote: str | None = None
    log: tuple[Entry, ...] = ()


_NOTHING = Stored()


class Ready(NamedTuple):
    """What the driver has to do: persist, then send, then apply, then call `advance`.

    `state` is the term and vote to write, or None when they did not change. `entries` replace everything in the stored
    log from index `first` on. `committed` are (index, value) pairs in the order of the log.
    """

    state: tuple[int, str | None] | None
    first: int
    entries: tuple[Entry, ...]
    messages: tuple[Message, ...]
    committed: tuple[tuple[int, Any], ...]


# Where most of them are made, tuples become messages without the call of a Python function: a tenth of a commit's time.
_message: Callable[[tuple[Any, ...]], Message] = partial(tuple.__new__, Message)
_ready: Callable[[tuple[Any, ...]], Ready] = partial(tuple.__new__, Ready)


class Raft:
    """One node of a Raft group.

    Args:
        id: This node's name.
        members: The names of all nodes, this one included.
        rng: Where election timeouts are drawn from.
        stored: What the node had written before it crashed.
        election_ticks: A follower that hears nothing for this many ticks, up to twice as many, becomes a candidate.
        heartbeat_ticks: A leader speaks at least this often.
        max_batch: Entries in one message at most.

    Raises:
        ConfigError: The node is no member, members repeat, or a number is no whole number of at least 1.

    Example:
        >>> node = Raft("a", ["a"], rng=random.Random(1), election_ticks=2)
        >>> while node.role != "leader":
        ...     node.tick()
        ...     if node.ready():
        ...         node.advance()
        >>> node.propose("blue")
        2
        >>> node.ready().entries  # To be written before it counts.
        (Entry(term=1, value=None), Entry(term=1, value='blue'))
        >>> node.advance()
        >>> node.ready().committed
        ((1, None), (2, 'blue'))
    """

    def __init__(
        self,
        id: str,
        members: Sequence[str],
        *,
        rng: random.Random,
        stored: Stored = _NOTHING,
        election_ticks: int = 10,
        heartbeat_ticks: int = 1,
        max_batch: int = 64,
    ) -> None:
        if id not in members or len(set(members)) != len(members):
            raise ConfigError(f"{id!r} must be one of the members, and they must differ; given: {', '.join(members)}.")
        numbers = {"election_ticks": election_ticks, "heartbeat_ticks": heartbeat_ticks, "max_batch": max_batch}
        for name, given in numbers.items():
            if type(given) is not int or given < 1:
                raise ConfigError(f"{name} is {given!r}; give a whole number of at least 1.")
        self.id, self.members = id, tuple(members)
        self.peers = tuple(member for member in members if member != id)
        self.rng = rng
        self.election_ticks, self.heartbeat_ticks, self.max_batch = election_ticks, heartbeat_ticks, max_batch
        self.term, self.vote, self.log = stored.term, stored.vote, list(stored.log)
        self.role = FOLLOWER
        self.leader: str | None = None
        self.commit = self.applied = 0
        self.votes: dict[str, bool] = {}
        self.next: dict[str, int] = {}
        self.match: dict[str, int] = {}
        self._written = self._kept = len(self.log)  # The log up to here is on disk; and is still what was offered.
        self._state = (self.term, self.vote)  # As it is on disk.
        self._outbox: list[Message] = []
        self._news = False  # The peers of a leader have to hear of new entries or of a new commit.
        self._offered: Ready | None = None
        self.elapsed = self.timeout = (
            0  # Ticks since a leader was heard, or a heartbeat sent; and how many are allowed.
        )
        self._handlers: Mapping[str, Callable[[Message], None]] = {
            VOTE: self._on_vote,
            VOTE_REPLY: self._on_vote_reply,
            APPEND: self._on_append,
            APPEND_REPLY: self._on_append_reply,
        }
        self._wait()

    # What the driver calls.

    def tick(self) -> None:
        """Let one unit of time pass: a silent leader speaks, a follower that hears nothing stands for election."""
        self.elapsed += 1
        if self.role == LEADER:
            if self.elapsed >= self.heartbeat_ticks:
                self.elapsed = 0
                self._broadcast()
        elif self.elapsed >= self.timeout:
            self.campaign()

    def campaign(self) -> None:
        """Stand for election in the next term (section 5.2)."""
        self.role, self.leader = CANDIDATE, None
        self.term, self.vote, self.votes = self.term + 1, self.id, {}
        self._wait()
        last = len(self.log)
        for peer in self.peers:
            self._send(VOTE, peer, index=last, log_term=self._term_at(last))

    def propose(self, value: Any) -> int | None:
        """Append a value to the log when this node leads. Returns its index, or None: then ask `self.leader`."""
        if self.role != LEADER:
            return None
        self.log.append(Entry(self.term, value))
        self._news = True  # Sent by `ready`, so that what is proposed together travels together.
        return len(self.log)

    def step(self, message: Message) -> None:
        """Take a message. One that is malformed, misdirected or from no member changes nothing."""
        if not well_formed(message) or message.to != self.id or message.sender not in self.peers:
            return
        term = message.term
        if term > self.term:
            self._follow(term, message.sender if message.kind == APPEND else None)
        elif term < self.term:
            if message.kind in (VOTE, APPEND):  # So that a stale candidate or leader learns of the new term.
                self._send(VOTE_REPLY if message.kind == VOTE else APPEND_REPLY, message.sender, ok=False)
            return
        self._handlers[message.kind](message)

    def ready(self) -> Ready | None:
        """Return what has to be done now, or None. The same until `advance` is called."""
        if self._offered is not None:
            return self._offered
        if self._news and self.role == LEADER:
            self._broadcast()
        log, written, applied, commit = self.log, self._written, self.applied, self.commit
        same = self._state[0] == self.term and self._state[1] == self.vote
        if same and not self._outbox and len(log) == written and commit == applied:
            return None
        self._kept = len(log)
        self._offered = _ready(
            (
                None if same else (self.term, self.vote),
                written + 1,
                tuple(log[written:]) if len(log) > written else (),
                tuple(self._outbox),
                tuple([(i + 1, log[i].value) for i in range(applied, commit)]) if commit > applied else (),
            )
        )
        self._outbox = []
        return self._offered

    def advance(self) -> None:
        """The last `Ready` is written, sent and applied; now its entries and its vote count."""
        done, self._offered = self._offered, None
        if done is None:
            return
        if done.committed:
            self.applied += len(done.committed)
        if done.state:
            self._state = done.state
        if done.entries:
            self._written = min(done.first + len(done.entries) - 1, self._kept)
        if self.role == LEADER and done.entries:
            self.match[self.id] = self._written
            self._commit()
        elif self.role == CANDIDATE and self._state == (self.term, self.id) and self.id not in self.votes:
            self._count(self.id, granted=True)

    # Elections (section 5.2 and 5.4.1).

    def _on_vote(self, message: Message) -> None:
        free = self.vote is None or self.vote == message.sender
        last = len(self.log)
        granted = free and (message.log_term, message.index) >= (self._term_at(last), last)
        if granted:
            self.vote = message.sender
            self._wait()
        self._send(VOTE_REPLY, message.sender, ok=granted)

    def _on_vote_reply(self, message: Message) -> None:
        if self.role == CANDIDATE and message.sender not in self.votes:
            self._count(message.sender, granted=message.ok)

    def _count(self, voter: str, *, granted: bool) -> None:
        self.votes[voter] = granted
        won = election(self.votes, len(self.members))
        if won:
            self._lead()
        elif won is False:
            self._follow(self.term, None)

    def _lead(self) -> None:
        self.role, self.leader, self.elapsed = LEADER, self.id, 0
        self.next = dict.fromkeys(self.peers, len(self.log) + 1)
        self.match = dict.fromkeys(self.members, 0)
        self.match[self.id] = self._written
        # Only an entry of its own term lets a leader commit what earlier leaders left behind (section 5.4.2).
        self.log.append(Entry(self.term, None))
        self._news = True

    def _follow(self, term: int, leader: str | None) -> None:
        if term > self.term:
            self.term, self.vote = term, None
        if self.role == LEADER:
            self._wait()
        # A follower's timer runs on: a fast clock with an old log would else keep all others from standing for ever.
        self.role, self.leader = FOLLOWER, leader

    def _wait(self) -> None:
        self.elapsed = 0
        self.timeout = self.election_ticks + self.rng.randrange(self.election_ticks)

    # Replication (section 5.3).

    def _broadcast(self) -> None:
        self._news = False
        for peer in self.peers:
            self._replicate(peer)

    def _replicate(self, peer: str) -> None:
        """Send what the peer lacks, at most a batch, and go on from there before it has answered."""
        before, log = self.next[peer] - 1, self.log
        entries = tuple(log[before : before + self.max_batch]) if len(log) > before else ()
        self.next[peer] = before + len(entries) + 1
        term = log[before - 1].term if before else 0
        self._outbox.append(_message((APPEND, self.id, peer, self.term, before, term, entries, self.commit, True, 0)))

    def _on_append(self, message: Message) -> None:
        if self.role == LEADER:
            return  # There is one leader in a term; this one is a forgery.
        self.role, self.leader, self.elapsed = FOLLOWER, message.sender, 0
        before = message.index
        if before < self.commit:  # An old message: what is committed matches for certain.
            self._send(APPEND_REPLY, message.sender, index=self.commit)
        elif before > len(self.log) or self._term_at(before) != message.log_term:
            hint = self._back(min(before, len(self.log)), message.log_term)
            self._send(APPEND_REPLY, message.sender, index=before, ok=False, hint=hint, log_term=self._term_at(hint))
        else:
            matched = before + len(message.entries)
            if before == len(self.log):
                self.log += message.entries
            elif message.entries:
                self._append(before, message.entries)
            if message.commit > self.commit:
                self.commit = max(self.commit, min(message.commit, matched))
            if message.entries or matched > message.commit:  # Else the leader knows: one message in four is saved.
                reply = (APPEND_REPLY, self.id, message.sender, self.term, matched, 0, (), 0, True, 0)
                self._outbox.append(_message(reply))

    def _append(self, before: int, entries: Sequence[Entry]) -> None:
        """Keep what matches; from the first conflict on, the leader's entries replace the node's own."""
        for index, entry in enumerate(entries, before + 1):
            if index > len(self.log):
                self.log.append(entry)
            elif self.log[index - 1].term != entry.term:
                del self.log[index - 1 :]
                self._written, self._kept = min(self._written, index - 1), min(self._kept, index - 1)
                self.log.append(entry)

    def _on_append_reply(self, message: Message) -> None:
        peer = message.sender
        if self.role != LEADER:
            return
        if not message.ok:
            if message.index > self.match[peer]:  # Else it was overtaken by a later answer.
                back = self._back(min(message.hint, len(self.log)), message.log_term)
                self.next[peer] = max(self.match[peer], min(back, message.index - 1)) + 1
                self._replicate(peer)
        elif message.index > self.match[peer] and message.index <= len(self.log):
            self.match[peer] = message.index
            self.next[peer] = max(self.next[peer], message.index + 1)
            committed = message.index > self.commit and self._commit()
            if not committed and self.next[peer] <= len(self.log):
                self._replicate(peer)

    def _back(self, index: int, term: int) -> int:
        """The largest index up to `index` whose term is at most `term`: no entry after it can match (section 5.3)."""
        while index > 0 and self.log[index - 1].term > term:
            index -= 1
        return index

    def _commit(self) -> bool:
        """Commit what a majority has on disk, if it is of this term (section 5.4.2), and tell the peers."""
        agreed = agreed_index(self.match.values())
        if agreed <= self.commit or self.log[agreed - 1].term != self.term:
            return False
        self.commit, self._news = agreed, True
        return True

    def _term_at(self, index: int) -> int:
        return self.log[index - 1].term if index else 0

    def _send(
        self,
        kind: str,
        to: str,
        *,
        index: int = 0,
        log_term: int = 0,
        entries: tuple[Entry, ...] = (),
        commit: int = 0,
        ok: bool = True,
        hint: int = 0,
    ) -> None:
        self._outbox.append(Message(kind, self.id, to, self.term, index, log_term, entries, commit, ok, hint))


def well_formed(message: Any) -> bool:
    """Whether an object is a message that a node may look at."""
    if type(message) is not Message:
        return False
    kind, sender, to, term, index, log_term, entries, commit, ok, hint = message
    if not (
        type(kind) is type(sender) is type(to) is str  # Before they are compared: an array, say, has no truth value.
        and kind in _KINDS
        and type(entries) is tuple
        and type(ok) is bool
        and type(term) is type(index) is type(log_term) is type(commit) is type(hint) is int
        and term >= 0 <= index
        and log_term >= 0 <= commit
        and hint >= 0
    ):
        return False
    for entry in entries:  # noqa: SIM110  (`all` of a generator takes 3 % of a commit's time)
        if type(entry) is not Entry or type(entry[0]) is not int or entry[0] < 1:
            return False
    return True
