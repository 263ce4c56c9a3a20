"""Many simulated runs on all processors: `agora simulate`. The runs are pure: nodes/consensus/simulation.py."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module

from .errors import ConfigError, nearest
from .nodes.consensus.simulation import CLASSES, Outcome, World, shrink

WORLDS = {
    "raft": "raft_world",
    "pbft": "pbft_world",
    "twins": "twins",
    "bft": "bft_world",
    "stake": "stake_world",
    "agreement": "agreement_world",
}
"""What can be simulated, and the module of `nodes.consensus` whose `simulate_<name>` does it."""
FAULTS = (*CLASSES, "byzantine")  # The last one is for protocols that survive liars; Raft knows none.
CHUNK = 25  # seeds that a process takes at a time


@dataclass(slots=True)
class Summary:
    """What many runs gave. `failures` lists {seed, violation}; `cpu_seconds` is over all processes."""

    protocol: str
    seeds: int = 0
    violations: int = 0
    events: int = 0
    commits: int = 0
    cpu_seconds: float = 0.0
    failures: list[dict[str, object]] = field(default_factory=list)


def world_of(protocol: str) -> World:
    """Return the simulation of a protocol.

    Raises:
        ConfigError: There is no such protocol.
    """
    if protocol not in WORLDS:
        raise ConfigError(
            f"There is no protocol {protocol!r} to simulate. Protocols: {', '.join(WORLDS)}.{nearest(protocol, WORLDS)}"
        )
    module = import_module(f".nodes.consensus.{WORLDS[protocol]}", __package__)
    world: World = getattr(module, f"simulate_{protocol}")
    return world


def checked_classes(names: Sequence[str]) -> tuple[str, ...]:
    """Return fault classes; none given means all.

    Raises:
        ConfigError: There is no such class.
    """
    for name in names:
        if name not in FAULTS:
            raise ConfigError(f"There is no fault {name!r}. Faults: {', '.join(FAULTS)}.{nearest(name, FAULTS)}")
    return tuple(names) or FAULTS


def faults_from(given: str) -> tuple[str, ...]:
    """Return fault classes from "drop,crash"; an empty text means all of them, "none" means none.

    Raises:
        ConfigError: There is no such class.
    """
    if given.strip() == "none":
        return ()
    return checked_classes([name.strip() for name in given.split(",") if name.strip()])


def simulate_many(
    protocol: str, seeds: range, nodes: int | None, classes: Collection[str], jobs: int | None = None
) -> Iterator[Summary]:
    """Run seeds on all processors; yields the summary so far whenever a process has finished a few.

    Args:
        protocol: raft, pbft, bft or stake.
        seeds: Which seeds.
        nodes: How many nodes; None lets the seed choose.
        classes: The fault classes that may be on.
        jobs: Processes; None for one a processor.

    Raises:
        ConfigError: There is no such protocol.
    """
    summary = Summary(protocol)
    world_of(protocol)
    chunks = (seeds[i : i + CHUNK] for i in range(0, len(seeds), CHUNK))
    work = partial(_some, protocol, nodes, tuple(classes))
    # "spawn": a forked child would inherit threads and locks of whoever uses this from a program.
    with multiprocessing.get_context("spawn").Pool(min(jobs or os.cpu_count() or 1, len(seeds))) as pool:
        for outcomes, cpu in pool.imap_unordered(work, chunks):
            summary.cpu_seconds += cpu
            for outcome in outcomes:
                summary.seeds += 1
                summary.events += outcome.events
                summary.commits += outcome.commits
                if outcome.violation is not None:
                    summary.violations += 1
                    summary.failures.append({"seed": outcome.seed, "violation": outcome.violation})
            yield summary


def _some(protocol: str, nodes: int | None, classes: tuple[str, ...], seeds: range) -> tuple[list[Outcome], float]:
    world, before = world_of(protocol), time.process_time()
    outcomes = [world(seed, nodes, classes) for seed in seeds]
    return outcomes, time.process_time() - before


def smallest_faults(protocol: str, seed: int, nodes: int | None, classes: Collection[str]) -> tuple[str, ...]:
    """Return the fault classes that a failing seed needs; the others were switched off, one by one."""
    return shrink(world_of(protocol), Outcome(seed), nodes, classes)
