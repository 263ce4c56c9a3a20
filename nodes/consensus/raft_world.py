"""A simulated Raft group: faults from one seed, and what must hold after every step.

The invariants are those of the paper's figure 3 and two that look behind it: a leader must have a majority of recorded
votes, and what is committed must be on the disks of a majority at that moment. Those two find in five runs what the
visible ones find in six hundred.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .quorum import majority
from .raft import APPEND_REPLY, LEADER, VOTE, VOTE_REPLY, Entry, Message, Raft, Ready, Stored
from .simulation import CLASSES, TICK, Event, Outcome, RestartingRun, Violation

CHAOS, BOUND = 3_000.0, 10  # units of faults; then the group has 10 times the longest election timeout to recover


class Disk:
    """What a node has written."""

    def __init__(self) -> None:
        self.term, self.vote = 0, None  # type: int, str | None
        self.log: list[Entry] = []

    def stored(self) -> Stored:
        return Stored(self.term, self.vote, tuple(self.log))


class RaftWorld(RestartingRun):
    """One run. `node` is the class under test: tests put broken ones here and expect a violation."""

    node: type[Raft] = Raft
    protocol, sizes = "raft", (1, 2, 3, 3, 3, 4, 5, 5)

    def __init__(
        self, seed: int, nodes: int | None = None, classes: Collection[str] = CLASSES, traced: bool = False
    ) -> None:
        super().__init__(seed, nodes, classes, traced)
        self.election_ticks = 4 if self.faults.contention else 10
        self.disks = {name: Disk() for name in self.names}
        self.period = self.periods()
        self.up: dict[str, Raft] = {}
        self.life = dict.fromkeys(self.names, 0)  # How often a node has started; ticks of an earlier life are void.
        # What history has shown, for the invariants.
        self.leaders: dict[int, str] = {}  # term -> leader
        self.grants: dict[tuple[int, str], set[str]] = {}  # (term, candidate) -> who voted for it
        self.voted: dict[tuple[str, int], str] = {}  # (node, term) -> whom it voted for
        self.seen: dict[tuple[int, int], tuple[Any, int]] = {}  # (index, term) -> value and the term before it
        self.committed: list[Entry] = []
        self.leads: dict[str, tuple[int, int]] = {}  # node -> term it leads and length of its log
        self.commits = dict.fromkeys(self.names, 0)
        self.applied = dict.fromkeys(self.names, 0)
        self.proposed: dict[Any, int] = {}  # value -> length of the committed log when it was proposed
        self.done: set[Any] = set()

    # The run.

    def live(self) -> None:
        """Run to the end: troubles, healing, recovery."""
        for name in self.names:
            self.start(name)
        for when in range(0, int(CHAOS), 100):
            self.network.at(when + self.rng.random() * 100, "trouble", "")
        for when in range(0, int(CHAOS), 25):
            self.network.at(when + self.rng.random() * 25, "propose", self.rng.choice(self.names))
        self.wait(CHAOS)
        self.heal()
        self.wait(self.network.now + 500)  # What was sent before has arrived by then.
        self._recover("after the network healed")
        leader = next(name for name, node in self.up.items() if node.role == LEADER)
        for _ in range(3):
            self._propose(leader)
        self._recover("after new proposals")
        left = [value for value in list(self.proposed)[-3:] if value not in self.done]
        if left:
            raise Violation(f"R-L4: {leader} leads, but {left} did not commit")

    def _recover(self, when: str) -> None:
        """Give the group ten times the longest election timeout to recover, and go on as soon as it has."""
        limit = self.network.now + BOUND * 2 * self.election_ticks * TICK * 1.6
        while (wrong := self._wrong(when)) and self.network.now < limit:
            self.wait(self.network.now + 10 * TICK)
        if wrong:
            raise Violation(wrong)

    def _wrong(self, when: str) -> str | None:
        """R-L1 to R-L3: what is missing to one leader, and every log the same and committed to its end."""
        leaders = [name for name, node in self.up.items() if node.role == LEADER]
        if len(leaders) != 1:
            return f"R-L1: {len(leaders)} leaders {when}"
        for name, node in self.up.items():
            if node.commit != len(node.log) or node.log != self.up[leaders[0]].log:
                have = f"{name} has {len(node.log)} entries, {node.commit} of them committed, {when}"
                return f"R-L2/R-L3: {have}; the leader {leaders[0]} has {len(self.up[leaders[0]].log)}"
        return None

    def count_commits(self) -> int:
        """The entries that were committed."""
        return len(self.committed)

    def crashable(self) -> list[str]:
        """Every node that is up."""
        return sorted(self.up)

    # What happens.

    def _on_propose(self, event: Event) -> None:
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            self._propose(event.node)

    def start(self, name: str) -> None:
        """Start a node from its disk."""
        self.life[name] += 1
        self.up[name] = self.node(
            name,
            self.names,
            rng=self.rng,
            stored=self.disks[name].stored(),
            election_ticks=self.election_ticks,
            max_batch=self.network.faults.batch,
        )
        self.commits[name] = self.applied[name] = 0
        self.leads.pop(name, None)
        self.network.at(self.rng.random() * TICK, "tick", name, self.life[name])
        self.note(name, "start", "")

    def _propose(self, name: str) -> None:
        node = self.up.get(name)
        if node is None:
            return
        value = f"v{len(self.proposed)}"
        if node.propose(value) is not None:
            self.proposed[value] = len(self.committed)
            self.note(name, "propose", value)
            self.drive(name)

    # A node's work, with the moments at which it may crash.

    def drive(self, name: str) -> None:
        """Do what a node wants done, unless it crashes first."""
        node = self.up[name]
        self._check(name, node)
        while (ready := node.ready()) is not None:
            chance = 0.004 * self.network.faults.crash
            if chance and self.rng.random() < chance:
                return self.crash(name)  # Before anything is written.
            self.persist(name, ready)
            if chance and self.rng.random() < chance:
                return self.crash(name)  # Written, but not sent.
            self.send(name, ready)
            self._apply(name, ready)
            node.advance()
            self._check(name, node)
        return None

    def persist(self, name: str, ready: Ready) -> None:
        """Write to the node's disk, and look at what is written."""
        disk = self.disks[name]
        if ready.state is not None:
            term, vote = ready.state
            if term < disk.term:
                raise Violation(f"R-S6: the term of {name} went from {disk.term} back to {term}")
            disk.term, disk.vote = term, vote
        if not ready.entries:
            return
        for index in range(ready.first, min(self.commits[name], len(disk.log)) + 1):
            entry = self.committed[index - 1]
            if disk.log[index - 1] == entry and ready.entries[index - ready.first : index - ready.first + 1] != (
                entry,
            ):
                raise Violation(f"R-S9: {name} overwrites entry {index}, which was committed")
        del disk.log[ready.first - 1 :]
        before = disk.log[-1].term if disk.log else 0
        for index, entry in enumerate(ready.entries, ready.first):
            known = self.seen.setdefault((index, entry.term), (entry.value, before))
            if known != (entry.value, before):
                raise Violation(f"R-S3: two entries with index {index} and term {entry.term}: {known}, {entry}")
            before = entry.term
        disk.log += ready.entries

    def send(self, name: str, ready: Ready) -> None:
        """Send, and look at what is promised."""
        for message in ready.messages:
            self._promised(name, message)
            if self.traced:
                self.note(name, "send", f"{message.kind} to {message.to}")
            self.network.send(name, message.to, message)

    def _promised(self, name: str, message: Message) -> None:
        disk = self.disks[name]
        if message.kind == VOTE:
            self._votes(name, message.term, name)
            if (disk.term, disk.vote) != (message.term, name):
                raise Violation(f"R-S12: {name} stands for term {message.term} before that is written")
        elif message.kind == VOTE_REPLY and message.ok:
            self._votes(name, message.term, message.to)
            if (disk.term, disk.vote) != (message.term, message.to):
                raise Violation(f"R-S12: {name} votes for {message.to} before that is written")
        elif message.kind == APPEND_REPLY and message.ok and len(disk.log) < message.index:
            raise Violation(f"R-S12: {name} acknowledges entry {message.index}, but has written {len(disk.log)}")

    def _votes(self, voter: str, term: int, candidate: str) -> None:
        if self.voted.setdefault((voter, term), candidate) != candidate:
            raise Violation(f"R-S6: {voter} votes for {self.voted[voter, term]} and {candidate} in term {term}")
        self.grants.setdefault((term, candidate), set()).add(voter)

    def _apply(self, name: str, ready: Ready) -> None:
        for index, value in ready.committed:
            if index != self.applied[name] + 1:
                raise Violation(f"R-S5: {name} applies entry {index} after entry {self.applied[name]}")
            if index > len(self.committed) or self.committed[index - 1].value != value:
                raise Violation(f"R-S5: {name} applies {value!r} as entry {index}, which was committed otherwise")
            self.applied[name] = index

    # What must hold.

    def _check(self, name: str, node: Raft) -> None:
        if node.role == LEADER:
            self._check_leader(name, node)
        elif self.leads:
            self.leads.pop(name, None)
        commit = node.commit
        if commit == self.commits[name]:
            return
        if commit < self.commits[name] or commit > len(node.log):
            raise Violation(f"R-S9: {name} moves its commit from {self.commits[name]} to {commit} of {len(node.log)}")
        for index in range(self.commits[name] + 1, commit + 1):
            entry = node.log[index - 1]
            if index > len(self.committed):
                self._commit(index, entry)
            elif self.committed[index - 1] != entry:
                raise Violation(f"R-S5: {name} commits {entry} as entry {index}; it is {self.committed[index - 1]}")
        self.commits[name] = commit

    def _check_leader(self, name: str, node: Raft) -> None:
        known = self.leads.get(name)
        if known is None or known[0] != node.term:
            if self.leaders.setdefault(node.term, name) != name:
                raise Violation(f"R-S1: {name} and {self.leaders[node.term]} both lead in term {node.term}")
            grants = self.grants.get((node.term, name), set()) | {name}
            if len(grants) < majority(len(self.names)):
                raise Violation(f"R-S7: {name} leads term {node.term} with the votes of {sorted(grants)} only")
            if self.disks[name].term != node.term or self.disks[name].vote != name:
                raise Violation(f"R-S7: {name} leads term {node.term}, but its own vote is not written")
            if node.log[: len(self.committed)] != self.committed:
                raise Violation(f"R-S4: {name} leads term {node.term} without some committed entries")
            self.note(name, "lead", f"term {node.term}")
        elif len(node.log) < known[1]:
            raise Violation(f"R-S2: the leader {name} shortened its own log")
        self.leads[name] = (node.term, len(node.log))

    def _commit(self, index: int, entry: Entry) -> None:
        """An entry is committed for the first time."""
        holders = [n for n, disk in self.disks.items() if len(disk.log) >= index and disk.log[index - 1] == entry]
        if len(holders) < majority(len(self.names)):
            raise Violation(f"R-S8: entry {index} counts as committed, but only {holders} have it on disk")
        value = entry.value
        if value is not None:
            if value not in self.proposed or value in self.done:
                raise Violation(f"R-S10: {value!r} is committed as entry {index}, though never proposed or done before")
            if index <= self.proposed[value]:
                raise Violation(f"R-S11: {value!r} is entry {index}, before what was committed when it was proposed")
            self.done.add(value)
        self.committed.append(entry)
        self.note("", "commit", f"{index} {value}" if value else f"{index} (term {entry.term} begins)")


def simulate_raft(
    seed: int, nodes: int | None = None, classes: Collection[str] = CLASSES, traced: bool = False
) -> Outcome:
    """Run one seed of a Raft group, see `RaftWorld`.

    Example:
        >>> simulate_raft(1, nodes=3).violation is None
        True
    """
    return RaftWorld(seed, nodes, classes, traced).run()
