"""Twins (Bano et al., OPODIS 2021) for PBFT: one replica runs twice, and each view has its own split of the network.

A twin is a second replica with the same name and key; neither of the two lies, and together they equivocate. With 4
names, one twin, 16 splits a view and 3 views there are 16,384 scenarios: few enough to run them all.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection

from ...errors import ConfigError
from .pbft import Replica
from .pbft_ghosts import Ghosts, NameSigner
from .pbft_messages import CHECKPOINT, STATE, Ready, Request, batch_digest, request
from .simulation import CLASSES, Outcome, Violation

NAMES = ("n0", "n1", "n2", "n3")
VIEWS, SPLITS = 3, 16
SCENARIOS = len(NAMES) * SPLITS**VIEWS
STRIDE = 6_151  # Odd, so that multiples of it meet every scenario, a power of two in number, once.
SPLIT_TICKS, TICKS = 30, 400  # ticks with splits; ticks that a run may take in all


def sample(rng: random.Random, count: int) -> list[int]:
    """Draw some of the scenarios.

    Example:
        >>> len(sample(random.Random(1), 500))
        500
    """
    return rng.sample(range(SCENARIOS), count)


class TwinsWorld:
    """One scenario: instances 0 to 3 are the four names, instance 4 is the twin."""

    def __init__(self, number: int, node: type[Replica]) -> None:
        twin, rest = divmod(number, SPLITS**VIEWS)
        # Of each view: for every instance but the first, on which side it is; the first is on side 0.
        self.splits = [(rest // SPLITS**view % SPLITS) << 1 for view in range(VIEWS)]
        self.names = (*NAMES, NAMES[twin])
        self.honest = [index for index in range(4) if index != twin]
        self.nodes = [
            node(name, NAMES, signer=NameSigner(name), timeout_ticks=4, status_ticks=4, checkpoint_every=2)
            for name in self.names
        ]
        self.ghosts = Ghosts(3, [NAMES[index] for index in self.honest])
        self.done = [0] * 5
        self.healed = False
        self.rng = random.Random(f"twins:{number}")
        self.outcome = Outcome(number)
        self.wire: deque[tuple[int, int, int, object]] = deque()

    def run(self) -> Outcome:
        """Run the scenario to its end, or to the first violation."""
        try:
            self._live()
        except Violation as violation:
            self.outcome.violation = str(violation)
        self.outcome.commits = len(self.ghosts.agreed)
        return self.outcome

    def _live(self) -> None:
        requests = [request(NameSigner("c"), "c", number, f"v{number}") for number in range(3)]
        for index in range(5):
            for one in self.rng.sample(requests, 3):  # In another order for each, so that twins that lead differ.
                self.nodes[index].propose(one)
            self._drive(index)
        for tick in range(TICKS):
            self.healed = tick >= SPLIT_TICKS
            self._deliver()
            if all(self.done[index] == 3 for index in self.honest):
                return
            for index in range(5):
                self.nodes[index].tick()
                self._drive(index)
        raise Violation(f"P-L1: of 3 requests there are executed: {[self.done[index] for index in self.honest]}")

    def _deliver(self) -> None:
        while self.wire:
            sender, to, view, message = self.wire.popleft()
            if self.healed or view >= VIEWS or (self.splits[view] >> sender ^ self.splits[view] >> to) & 1 == 0:
                self.outcome.events += 1
                self.nodes[to].step(message)
                self._drive(to)

    def _drive(self, index: int) -> None:
        node = self.nodes[index]
        while (ready := node.ready()) is not None:
            self._send(index, node, ready)
            if index in self.honest:
                for seq, requests in ready.executed:
                    self._executed(index, node, seq, requests)
            node.advance()
        if index in self.honest:
            self._check(node)

    def _send(self, index: int, node: Replica, ready: Ready) -> None:
        for recipients, message in ready.messages:
            self.ghosts.record(message, node.id)
            if index in self.honest:
                self.ghosts.promise(node, message)
            # A message belongs to its view; one about no view to that of its sender, and state goes everywhere.
            view = node.view if message.kind == CHECKPOINT else VIEWS if message.kind == STATE else message.view
            for to in range(5):
                if to != index and self.names[to] in recipients:
                    self.wire.append((index, to, view, message))

    def _executed(self, index: int, node: Replica, seq: int, requests: tuple[Request, ...]) -> None:
        self.ghosts.executed(node.id, seq, batch_digest(node.history[seq - 1]))
        self.done[index] += len(requests)
        if self.done[index] > 3:
            raise Violation(f"P-S5: {node.id} executes a request twice")

    def _check(self, node: Replica) -> None:
        if node.new_view is not None:
            self.ghosts.opened(node.id, node.new_view)
        for culprit in node.evidence:
            if culprit in self.ghosts.honest:
                raise Violation(f"P-S8: {node.id} accuses {culprit}, which is honest")


def simulate_twins(
    seed: int, nodes: int | None = None, classes: Collection[str] = CLASSES, traced: bool = False
) -> Outcome:
    """Run the scenario of a seed: neighbours are spread over all scenarios, and 16,384 of them are all.

    The faults are the splits and the twin, so `classes` changes nothing; `traced` neither.

    Raises:
        ConfigError: `nodes` is not 4.

    Example:
        >>> simulate_twins(1).violation is None
        True
    """
    if nodes not in (None, len(NAMES)):
        raise ConfigError(f"nodes was {nodes}; the scenarios of Twins have {len(NAMES)}. Leave it out.")
    outcome = twins(seed * STRIDE % SCENARIOS)
    outcome.seed = seed
    return outcome


def twins(number: int, node: type[Replica] = Replica) -> Outcome:
    """Run one scenario.

    Args:
        number: Which, from 0 to `SCENARIOS` - 1: the twin and the three splits, one after the other.
        node: The class under test.

    Example:
        >>> twins(1234).violation is None
        True
    """
    return TwinsWorld(number, node).run()
