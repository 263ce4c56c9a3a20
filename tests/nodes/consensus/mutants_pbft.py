"""27 broken replicas, and the directed check that kills each of them."""

from collections.abc import Callable
from typing import NamedTuple

from langgraph_agora.nodes.consensus.pbft import Replica
from langgraph_agora.nodes.consensus.pbft_messages import CHECKPOINT, COMMIT, PREPARE, VIEW_CHANGE
from tests.nodes.consensus import pbft_checks as checks


class Mutant(NamedTuple):
    number: int
    name: str
    replica: type[Replica]
    check: Callable[[type[Replica]], None] | None  # None: equivalent, see the class.


def needing(kind: str, less: Callable[[Replica], int]) -> type[Replica]:
    """A replica that is content with fewer votes of a kind."""

    class Content(Replica):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.needs[kind] = less(self)

    return Content


class DifferentDigests(Replica):
    def _matching(self, votes, digest):
        return tuple(votes.values())


class SecondReplaces(Replica):
    def _second(self, first, message):
        self._accept(message)


class NoSignatures(Replica):
    def _signed(self, message):
        return True


class CountsTwice(Replica):
    def _vote(self, votes, message):
        votes[f"{message.sender}/{len(votes)}"] = message


class IgnoresPrepared(Replica):
    def _plan(self, changes):
        return []


class LowestView(Replica):
    def _supersedes(self, one, other):
        return one.view < other.view


class TrustsThePrimary(Replica):
    def _follows(self, orders, changes):
        return True


class LeavesGaps(Replica):
    def _plan(self, changes):
        return [(seq, requests) for seq, requests in super()._plan(changes) if requests]


class NoWatermarks(Replica):
    def _in_window(self, seq):
        return True


class ForgetsEarly(Replica):
    def _checkpoint(self):
        super()._checkpoint()
        own = self._sign(CHECKPOINT, 0, self.executed, self.chain)
        self._stabilize((own,))


class WorksOn(Replica):
    def _start_view_change(self, view):
        before = self.view, self.slots
        super()._start_view_change(view)
        (self.view, self.slots), self.active = before, True


class CommitsUnprepared(Replica):
    """Equivalent for safety: 2f + 1 commits prove that f + 1 honest replicas are prepared."""

    def _on_commit(self, message):
        super()._on_commit(message)
        slot = self.slots.get(message.seq)
        if slot is not None and slot.pre_prepare is not None and self.active and message.seq not in self.committed:
            commits = self._matching(slot.commits, slot.pre_prepare.digest)
            if len(commits) >= self.needs[COMMIT]:
                self._commit(checks.Certificate(slot.pre_prepare, commits))


class AnyoneOrders(Replica):
    def _from_primary(self, message):
        return message.kind == "pre_prepare" or super()._from_primary(message)


class MixesViews(Replica):
    def _expected(self, message):
        return self._in_window(message.seq)


class NeverJoins(Replica):
    def _join(self):
        pass


class OutOfOrder(Replica):
    def _commit(self, certificate):
        self.committed[certificate.pre_prepare.seq] = certificate
        self._apply(certificate.pre_prepare.body)


class Repeats(Replica):
    def _fresh(self, requests):
        return requests


class BelievesCertificates(Replica):
    def _change_valid(self, message):
        return True


class PrimaryPrepares(Replica):
    def _on_prepare(self, message):
        slot = self._slot(message.seq)
        self._vote(slot.prepares, message)
        self._progress(message.seq, slot)


class UncheckedRequests(Replica):
    def _requests_valid(self, requests):
        return True

    def _bound(self, message):
        return True


class DropsPrepared(Replica):
    def _start_view_change(self, view):
        self.prepared.clear()
        super()._start_view_change(view)


class NoBackOff(Replica):
    def _patience(self):
        return self.timeout_ticks


class BelievesState(Replica):
    def _leads_to(self, batches, digest):
        return True


MUTANTS = [
    Mutant(1, "prepares with different digests", DifferentDigests, checks.prepares_must_agree),
    Mutant(2, "f prepares", needing(PREPARE, lambda r: r.f), checks.one_prepare_is_too_few),
    Mutant(3, "f+1 commits", needing(COMMIT, lambda r: r.f + 1), checks.two_commits_are_too_few),
    Mutant(4, "second pre-prepare replaces the first", SecondReplaces, checks.the_first_pre_prepare_stays),
    Mutant(5, "signatures not checked", NoSignatures, checks.a_forged_prepare_does_not_count),
    Mutant(6, "duplicates of one sender counted", CountsTwice, checks.one_sender_counts_once),
    Mutant(7, "new view ignores prepared", IgnoresPrepared, checks.a_new_view_carries_what_is_prepared),
    Mutant(8, "new view takes the lowest view", LowestView, checks.the_highest_view_wins),
    Mutant(9, "backups do not recompute O", TrustsThePrimary, checks.backups_recompute_the_orders),
    Mutant(10, "gaps not filled", LeavesGaps, checks.gaps_are_filled_with_null_requests),
    Mutant(11, "no watermarks", NoWatermarks, checks.numbers_stay_in_the_window),
    Mutant(12, "collects garbage at its own checkpoint", ForgetsEarly, checks.ones_own_checkpoint_is_not_stable),
    Mutant(13, "works on in the old view", WorksOn, checks.an_old_view_is_over),
    Mutant(14, "commits without own prepared", CommitsUnprepared, None),
    Mutant(15, "pre-prepare of anyone", AnyoneOrders, checks.only_the_primary_orders),
    Mutant(16, "prepares of different views mixed", MixesViews, checks.views_do_not_mix),
    Mutant(17, "new view with f+1", needing(VIEW_CHANGE, lambda r: r.f + 1), checks.a_new_view_needs_a_quorum),
    Mutant(18, "no f+1 join rule", NeverJoins, checks.two_later_views_are_joined),
    Mutant(19, "executes out of order", OutOfOrder, checks.execution_is_in_order),
    Mutant(20, "no client de-duplication", Repeats, checks.a_request_is_executed_once),
    Mutant(21, "certificates not verified", BelievesCertificates, checks.certificates_are_verified),
    Mutant(22, "primary's prepare counted", PrimaryPrepares, checks.the_primary_does_not_prepare),
    Mutant(23, "request not checked", UncheckedRequests, checks.a_request_is_its_clients),
    Mutant(24, "view change drops prepared", DropsPrepared, checks.a_view_change_tells_what_is_prepared),
    Mutant(25, "no back-off", NoBackOff, checks.patience_doubles),
    Mutant(26, "fetched state not verified", BelievesState, checks.fetched_state_is_verified),
    Mutant(27, "stable with f+1", needing(CHECKPOINT, lambda r: r.f + 1), checks.a_checkpoint_is_stable_with_a_quorum),
]
