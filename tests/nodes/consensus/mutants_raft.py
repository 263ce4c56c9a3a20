"""Thirty ways to get Raft wrong, and what notices each: the tests of the tests.

    .venv/bin/python -m tests.nodes.consensus.mutants_raft [--seeds 600]

searches the seeds anew from 0 and prints the table; the test suite only repeats the kills noted here. Every mutant is
one small override of the product class, or of the driver in `RaftWorld`. Some are mistakes that others made: the names
of the projects are given.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import NamedTuple

from langgraph_agora.nodes.consensus.quorum import agreed_index
from langgraph_agora.nodes.consensus.raft import (
    APPEND,
    APPEND_REPLY,
    CANDIDATE,
    LEADER,
    VOTE_REPLY,
    Entry,
    Message,
    Raft,
    Ready,
)
from langgraph_agora.nodes.consensus.raft_world import RaftWorld
from langgraph_agora.nodes.consensus.simulation import Outcome
from tests.nodes.consensus import raft_checks as checks
from tests.nodes.consensus.raft_checks import Check


def main() -> None:
    """Search the first killing seed of every mutant, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=600, help="how many seeds a mutant has to survive to be called alive"
    )
    seeds = parser.parse_args().seeds
    alive = 0
    before = time.process_time()
    for mutant in MUTANTS:
        complaint = mutant.complaint()
        seed, violation = mutant.search(seeds)
        alive += complaint is None and seed is None
        check = mutant.check.__name__ if mutant.check and complaint else "-"
        noted = "" if seed == mutant.seed else f" (noted: {mutant.seed})"
        first = f"seed {seed}{noted}" if seed is not None else f"survives {seeds} seeds{noted}"
        print(f"{mutant.number:2} {mutant.name:50} {check:38} {first:28} {violation or ''}"[:220].rstrip())  # noqa: T201
    spent = time.process_time() - before
    print(f"{len(MUTANTS) - alive} of {len(MUTANTS)} mutants killed, {spent:.0f} CPU seconds")  # noqa: T201
    raise SystemExit(1 if alive else 0)


class Mutant(NamedTuple):
    """A broken class with what kills it.

    `check` is a directed check that fails on the node; `seed` is the first seed on which `world` finds a violation. A
    mutant of the driver has no check: checks know only the node.
    """

    number: int
    name: str
    world: type[RaftWorld]
    check: Check | None
    seed: int | None

    def complaint(self) -> str | None:
        """What the directed check says against it, or None."""
        if self.check is None:
            return None
        try:
            self.check(self.world.node)
        except AssertionError as error:
            return str(error) or "AssertionError"
        return None

    def run(self, seed: int) -> Outcome:
        """Simulate one seed."""
        return self.world(seed).run()

    def search(self, seeds: int) -> tuple[int | None, str | None]:
        """The first seed with a violation, and the violation."""
        for seed in range(seeds):
            violation = self.run(seed).violation
            if violation is not None:
                return seed, violation
        return None, None


# Elections.


class VotesTwice(Raft):
    def _on_vote(self, message: Message) -> None:
        self.vote = None
        super()._on_vote(message)


class VotesForAnyLog(Raft):
    def _on_vote(self, message: Message) -> None:
        super()._on_vote(message._replace(log_term=self.term, index=len(self.log)))


class VotesByLength(Raft):
    def _on_vote(self, message: Message) -> None:
        super()._on_vote(message._replace(log_term=self._term_at(len(self.log))))


class VotesByTerm(Raft):
    def _on_vote(self, message: Message) -> None:
        super()._on_vote(message._replace(index=len(self.log)))


class HalfIsEnough(Raft):
    def _count(self, voter: str, *, granted: bool) -> None:
        self.votes[voter] = granted
        if sum(self.votes.values()) >= max(1, len(self.members) // 2):
            self._lead()

    def _commit(self) -> bool:
        agreed = sorted(self.match.values(), reverse=True)[max(1, len(self.members) // 2) - 1]
        if agreed <= self.commit or self.log[agreed - 1].term != self.term:
            return False
        self.commit, self._news = agreed, True
        return True


class CountsDuplicates(Raft):
    def _on_vote_reply(self, message: Message) -> None:
        if self.role == CANDIDATE:
            self._count(f"{message.sender} {len(self.votes)}", granted=message.ok)


class CandidateIgnoresLeader(Raft):
    def _on_append(self, message: Message) -> None:
        if self.role != CANDIDATE:
            super()._on_append(message)


class TakesStale(Raft):
    stale: str

    def step(self, message: Message) -> None:
        if message.kind == self.stale and message.term < self.term:
            message = message._replace(term=self.term)
        super().step(message)


class TakesStaleAppend(TakesStale):
    stale = APPEND


class TakesStaleVote(TakesStale):
    stale = VOTE_REPLY


class TakesStaleAcknowledgement(TakesStale):
    stale = APPEND_REPLY


class LeaderStays(Raft):
    def _follow(self, term: int, leader: str | None) -> None:
        if self.role != LEADER:
            super()._follow(term, leader)


class ForgetsVote(Raft):
    def _follow(self, term: int, leader: str | None) -> None:
        super()._follow(term, leader)
        self.vote = None

    def _on_append(self, message: Message) -> None:
        if self.role == CANDIDATE:
            self._follow(self.term, message.sender)
        super()._on_append(message)


class NoEntryAtStart(Raft):
    def _lead(self) -> None:
        super()._lead()
        self.log.pop()


class SameTimeout(Raft):
    def _wait(self) -> None:
        self.elapsed, self.timeout = 0, self.election_ticks


# Replication.


class CommitsOldTerms(Raft):
    def _commit(self) -> bool:
        agreed = agreed_index(self.match.values())
        if agreed <= self.commit:
            return False
        self.commit, self._news = agreed, True
        return True


class CommitsAlone(Raft):
    def _commit(self) -> bool:
        self.match = dict.fromkeys(self.match, self.match[self.id])
        return super()._commit()


class CountsItselfUnwritten(Raft):
    def _commit(self) -> bool:
        self.match[self.id] = len(self.log)
        return super()._commit()


class AlwaysTruncates(Raft):
    def _append(self, before: int, entries: Sequence[Entry]) -> None:
        del self.log[before:]
        self._written, self._kept = min(self._written, before), min(self._kept, before)
        super()._append(before, entries)


class NeverTruncates(Raft):
    def _append(self, before: int, entries: Sequence[Entry]) -> None:
        self.log += entries[len(self.log) - before :]


class NoCheckBefore(Raft):
    def _on_append(self, message: Message) -> None:
        if message.index <= len(self.log):
            message = message._replace(log_term=self._term_at(message.index))
        super()._on_append(message)


class CommitUnbounded(Raft):
    def _on_append(self, message: Message) -> None:
        super()._on_append(message)
        if message.index <= len(self.log) and self._term_at(message.index) == message.log_term:
            self.commit = max(self.commit, min(message.commit, len(self.log)))


class AcknowledgesWholeLog(Raft):
    def _on_append(self, message: Message) -> None:
        before = len(self._outbox)
        super()._on_append(message)
        for i in range(before, len(self._outbox)):
            if self._outbox[i].ok:
                self._outbox[i] = self._outbox[i]._replace(index=len(self.log))


class NeverBacksUp(Raft):
    def _on_append_reply(self, message: Message) -> None:
        if message.ok:
            super()._on_append_reply(message)


class AnyAcknowledgementIsAll(Raft):
    def _on_append_reply(self, message: Message) -> None:
        super()._on_append_reply(message._replace(index=len(self.log)) if message.ok else message)


class MatchMovesBack(Raft):
    def _on_append_reply(self, message: Message) -> None:
        if self.role == LEADER and message.ok:
            self.match[message.sender] = min(self.match[message.sender], message.index)
        super()._on_append_reply(message)


# The driver.


class VoteNotWritten(RaftWorld):
    def persist(self, name: str, ready: Ready) -> None:
        super().persist(name, ready)
        self.disks[name].vote = None


class TermNotWritten(RaftWorld):
    def persist(self, name: str, ready: Ready) -> None:
        super().persist(name, ready)
        self.disks[name].term = 0


class LogNotWritten(RaftWorld):
    def persist(self, name: str, ready: Ready) -> None:
        super().persist(name, ready._replace(entries=()))


class LastEntryNotWritten(RaftWorld):
    def persist(self, name: str, ready: Ready) -> None:
        super().persist(name, ready._replace(entries=ready.entries[:-1]))


class SendsFirst(RaftWorld):
    def persist(self, name: str, ready: Ready) -> None:
        super().send(name, ready)

    def send(self, name: str, ready: Ready) -> None:
        super().persist(name, ready)


def world(broken: type[Raft]) -> type[RaftWorld]:
    """The simulator with a broken class in it."""
    return type(broken.__name__, (RaftWorld,), {"node": broken})


MUTANTS = (
    Mutant(1, "commits an entry of an old term by counting", world(CommitsOldTerms), checks.figure_8, None),
    Mutant(2, "votes twice in a term", world(VotesTwice), checks.votes_once, 0),
    Mutant(3, "vote not written", VoteNotWritten, None, 0),
    Mutant(4, "term not written", TermNotWritten, None, 0),
    Mutant(5, "votes for any log", world(VotesForAnyLog), checks.votes_for_newer_logs, 0),
    Mutant(6, "compares logs by length only", world(VotesByLength), checks.votes_for_newer_logs, 7),
    Mutant(7, "compares logs by term only", world(VotesByTerm), checks.votes_for_newer_logs, 4),
    Mutant(8, "truncates at every append (pysyncobj)", world(AlwaysTruncates), checks.old_appends_keep_the_rest, 1),
    Mutant(9, "does not check the term before", world(NoCheckBefore), checks.previous_entry_must_match, 0),
    Mutant(10, "does not truncate at a conflict", world(NeverTruncates), checks.conflicts_are_replaced, 0),
    Mutant(
        11, "commits beyond what matches (pysyncobj)", world(CommitUnbounded), checks.commit_stops_at_what_matches, None
    ),
    Mutant(12, "half is a quorum", world(HalfIsEnough), checks.needs_a_majority, 0),
    Mutant(13, "counts a vote twice (pysyncobj)", world(CountsDuplicates), checks.duplicates_count_once, 2),
    Mutant(14, "candidate ignores its term's leader", world(CandidateIgnoresLeader), checks.candidate_gives_way, None),
    Mutant(15, "takes an append of an old term", world(TakesStaleAppend), checks.stale_append_is_refused, 65),
    Mutant(16, "counts a vote of an old term", world(TakesStaleVote), checks.stale_votes_do_not_count, 4),
    Mutant(
        17,
        "counts an acknowledgement of an old term",
        world(TakesStaleAcknowledgement),
        checks.stale_acknowledgement_does_not_count,
        None,
    ),
    Mutant(18, "leader ignores a higher term", world(LeaderStays), checks.leader_gives_way, 0),
    Mutant(19, "forgets its vote (hazelcast, camunda)", world(ForgetsVote), checks.vote_outlives_leading, 2),
    Mutant(20, "no entry at the start of a term", world(NoEntryAtStart), checks.leader_appends_in_its_term, 2),
    Mutant(21, "never goes back after a refusal", world(NeverBacksUp), checks.refusals_move_back, 0),
    Mutant(
        22,
        "takes any acknowledgement for all entries",
        world(AnyAcknowledgementIsAll),
        checks.acknowledgement_counts_as_far_as_it_says,
        0,
    ),
    Mutant(23, "acknowledges its whole log", world(AcknowledgesWholeLog), checks.acknowledges_what_matches, None),
    Mutant(24, "leader commits alone", world(CommitsAlone), checks.needs_a_majority, 0),
    Mutant(25, "log not written", LogNotWritten, None, 0),
    Mutant(26, "last entry not written", LastEntryNotWritten, None, 0),
    Mutant(27, "sends before it writes", SendsFirst, None, 0),
    Mutant(28, "every election timeout is the same", world(SameTimeout), checks.timeouts_differ, 25),
    Mutant(
        29,
        "an old acknowledgement moves matchIndex back",
        world(MatchMovesBack),
        checks.acknowledgements_come_in_any_order,
        None,
    ),
    # Equivalent where the driver writes all before it counts. Here it may propose between `ready` and `advance`, and a
    # node alone would commit what it has not yet written.
    Mutant(
        30, "leader counts what it has not written", world(CountsItselfUnwritten), checks.alone_is_not_durable, None
    ),
)

if __name__ == "__main__":
    main()
