"""Raft under faults: no invariant breaks, everything recovers, and each of thirty broken versions is noticed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from langgraph_agora.nodes.consensus.raft import Raft
from langgraph_agora.nodes.consensus.raft_world import RaftWorld, simulate_raft
from langgraph_agora.nodes.consensus.simulation import CLASSES, shrink
from tests.nodes.consensus.mutants_raft import MUTANTS, VotesForAnyLog, world
from tests.nodes.consensus.raft_checks import CHECKS

ROOT = Path(__file__).parents[3]
SIMULATED = [mutant for mutant in MUTANTS if mutant.seed is not None]
CHECKED = [mutant for mutant in MUTANTS if mutant.check is not None]


def name(thing):
    return getattr(thing, "name", None) or getattr(thing, "__name__", str(thing))


def test_150_seeds_hold_every_invariant():
    """R-S1 to R-S12, and R-L1 to R-L4: `run` ends with a violation unless the group recovers and commits afresh."""
    outcomes = [simulate_raft(seed) for seed in range(150)]
    assert [outcome for outcome in outcomes if outcome.violation is not None] == []
    assert min(outcome.commits for outcome in outcomes) >= 3, "the three values proposed after the healing"
    assert sum(outcome.commits for outcome in outcomes) > 5_000, "the runs do some work"


@pytest.mark.parametrize("one", CLASSES)
def test_every_class_of_faults_alone(one):
    assert [simulate_raft(seed, classes=(one,)).violation for seed in range(10)] == [None] * 10


@pytest.mark.parametrize("size", range(1, 6))
def test_every_size_of_group(size):
    assert [simulate_raft(seed, nodes=size).violation for seed in range(10)] == [None] * 10


class Deaf(Raft):
    """Never hears a vote, so that nobody leads a group of more than one."""

    def _on_vote_reply(self, message):
        pass


class DropsEntries(RaftWorld):
    """Loses, after the network healed, what was proposed: only R-L4 can tell."""

    def _propose(self, name):
        super()._propose(name)
        if self.healed and self.up[name].log[-1].value is not None:
            self.proposed["lost"] = 0


def test_liveness_is_checked():
    assert (world(Deaf)(1, nodes=3, classes=()).run().violation or "").startswith("R-L1")
    assert (DropsEntries(1, nodes=3, classes=()).run().violation or "").startswith("R-L4")


def test_a_quiet_network_commits_everything():
    outcome = simulate_raft(1, nodes=3, classes=(), traced=True)
    proposed = sum(" propose " in line for line in outcome.trace)
    led = sum(" lead " in line for line in outcome.trace)
    assert outcome.violation is None
    assert outcome.commits == proposed + led, "one entry for each proposal, and one to start each term"


def test_shrink_leaves_what_the_violation_needs():
    broken = world(VotesForAnyLog)

    def simulate(seed, nodes=None, classes=CLASSES, traced=False):
        return broken(seed, nodes, classes, traced).run()

    outcome = next(outcome for outcome in map(simulate, range(30)) if outcome.violation is not None)
    left = shrink(simulate, outcome, None, CLASSES)
    assert simulate(outcome.seed, classes=left).violation is not None
    assert len(left) < len(CLASSES)
    for one in left:  # Without any of them this seed finds nothing.
        assert simulate(outcome.seed, classes=[other for other in left if other != one]).violation is None, one


PRINT_TRACES = """
import hashlib
from langgraph_agora.nodes.consensus.raft_world import simulate_raft
for seed in range(50):
    print(hashlib.sha256(repr(simulate_raft(seed, traced=True)).encode()).hexdigest())
"""


def test_a_seed_is_the_same_run_in_every_process():
    """Determinism gate: sets and dicts of strings come in another order in another process, the runs must not."""
    printed = []
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", PRINT_TRACES],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        printed.append(run.stdout.split())
    assert printed[0] == printed[1]
    assert len(set(printed[0])) == 50
    assert printed[0][7] == hashlib.sha256(repr(simulate_raft(7, traced=True)).encode()).hexdigest()


@pytest.mark.parametrize("check", CHECKS, ids=name)
def test_the_real_class_passes(check):
    check(Raft)


@pytest.mark.parametrize("mutant", CHECKED, ids=name)
def test_a_directed_check_kills(mutant):
    assert mutant.complaint() is not None


@pytest.mark.parametrize("mutant", SIMULATED, ids=name)
def test_a_seed_kills(mutant):
    """The seed noted in the table finds the mutant, and the real class runs it clean."""
    assert mutant.run(mutant.seed).violation is not None
    assert simulate_raft(mutant.seed).violation is None


def test_all_thirty_are_killed():
    assert [mutant.number for mutant in MUTANTS] == list(range(1, 31))
    assert [mutant.name for mutant in MUTANTS if mutant not in CHECKED and mutant not in SIMULATED] == []


def test_every_check_kills_something():
    """A check that no mutant fails might check nothing."""
    used = {mutant.check for mutant in MUTANTS}
    assert [check.__name__ for check in CHECKS if check not in used] == []
