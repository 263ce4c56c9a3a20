"""PBFT under faults and lies: many seeds, every invariant after every step (P-S1 to P-S10, P-L1)."""

import os
import random
import subprocess
import sys
from zlib import crc32

import pytest

from langgraph_agora.nodes.consensus.pbft import Replica
from langgraph_agora.nodes.consensus.pbft_world import PbftWorld, simulate_pbft
from langgraph_agora.nodes.consensus.twins import sample, twins
from tests.nodes.consensus import pbft_checks as checks
from tests.nodes.consensus.mutants_pbft import MUTANTS


def test_every_invariant_holds_on_every_seed():
    found = {seed: simulate_pbft(seed).violation for seed in range(80)}
    assert {seed: violation for seed, violation in found.items() if violation} == {}


def world(replica):
    return type("MutantWorld", (PbftWorld,), {"node": replica})


@pytest.mark.parametrize("number", [2, 3, 5, 6, 7, 11, 12, 16, 17, 19, 20, 24, 27])
def test_the_simulator_finds_mutants_by_itself(number):
    """The ghosts of P-S3 see at once what a wrong result would show in one run of six hundred."""
    mutant = MUTANTS[number - 1]
    assert any(world(mutant.replica)(seed).run().violation for seed in range(20))


def test_the_equivalent_mutant_breaks_nothing():
    for mutant in MUTANTS:
        if mutant.check is None:
            assert not any(world(mutant.replica)(seed).run().violation for seed in range(10))


def test_a_sample_of_the_twins_scenarios():
    """`twins(number) for number in range(SCENARIOS)` runs them all, in about half a minute."""
    found = {number: twins(number).violation for number in sample(random.Random(1), 500)}
    assert {number: violation for number, violation in found.items() if violation} == {}


@pytest.mark.parametrize("number", [2, 6, 7, 13, 17, 24])
def test_twins_find_wrong_quorums_and_view_changes(number):
    mutant = MUTANTS[number - 1]
    assert any(twins(one, mutant.replica).violation for one in sample(random.Random(2), 100))


TRACE = """
from langgraph_agora.nodes.consensus.pbft_world import simulate_pbft
from zlib import crc32
print([crc32("\\n".join(simulate_pbft(seed, traced=True).trace).encode()) for seed in range(5)])
"""


def test_a_seed_gives_the_same_trace_in_every_process():
    here = [crc32("\n".join(simulate_pbft(seed, traced=True).trace).encode()) for seed in range(5)]
    for hash_seed in ("0", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run([sys.executable, "-c", TRACE], env=environment, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == str(here)


def test_a_silent_primary_is_replaced_within_two_timeouts():
    """P-L2, with f = 1 and n0 silent."""
    names = ("n0", "n1", "n2", "n3")
    replicas = {name: checks.make(Replica, name) for name in names[1:]}
    replicas["n2"].propose(checks.A[0])
    done = set()
    for _ in range(2 * 10):
        for replica in replicas.values():
            replica.tick()
        moving = True
        while moving:
            moving = False
            for name, replica in replicas.items():
                while (ready := replica.ready()) is not None:
                    moving = True
                    replica.advance()
                    if any(requests for _, requests in ready.executed):
                        done.add(name)
                    for recipients, message in ready.messages:
                        for to in recipients:
                            if to in replicas:
                                replicas[to].step(message)
    assert done == set(replicas)
