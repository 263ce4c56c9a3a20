"""A simulated PBFT group: faults and lies from one seed, and what must hold after every step.

Besides what can be seen (the same history everywhere) two invariants look behind it: what counts as committed must have
been committed by a quorum of different senders, and a view must have been asked for by one. For that every message is
recorded when it is really sent, with what is bundled in it. A crash is a pause, see `pbft`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .byzantine import PROFILES, Liar
from .pbft import Replica
from .pbft_ghosts import Ghosts, NameSigner
from .pbft_messages import (
    COMMIT,
    PRE_PREPARE,
    PREPARE,
    Message,
    Ready,
    Request,
    batch_digest,
    request,
)
from .simulation import CLASSES, TICK, Event, Outcome, SimulatedRun, Violation

PBFT_CLASSES = (*CLASSES, "byzantine")
"""The fault classes of `simulation`, and "byzantine": up to f replicas lie."""

CHAOS, BOUND = 800.0, 15_000.0  # units of faults; units in which a healed group has to do everything


class PbftWorld(SimulatedRun):
    """One run. `node` is the class under test: tests put broken ones here and expect a violation."""

    node: type[Replica] = Replica
    # Four replicas have every kind of trouble that seven have, at a quarter of the price.
    protocol, sizes = "pbft", (*(4,) * 10, 5, 7)

    def __init__(
        self, seed: int, nodes: int | None = None, classes: Collection[str] = PBFT_CLASSES, traced: bool = False
    ) -> None:
        super().__init__(seed, nodes, classes, traced)
        faults, size = self.faults, len(self.names)
        self.period = self.periods()
        self.options: dict[str, Any] = {
            "timeout_ticks": 5 if faults.contention else 10,
            "status_ticks": self.rng.choice((3, 4, 6)),
            "checkpoint_every": self.rng.choice((2, 4, 8)),
            "max_batch": faults.batch,
        }
        f = (size - 1) // 3
        lying = self.rng.random() < 0.75 and "byzantine" in classes
        liars = self.rng.sample(self.names, self.rng.randint(1, f)) if lying and f else []
        self.honest = [name for name in self.names if name not in liars]
        self.nodes: dict[str, Replica] = {name: self._make(name) for name in self.names}
        self.down: set[str] = set()
        self.ghosts = Ghosts((size + f) // 2 + 1, self.honest)
        self.issued: dict[tuple[str, int], Request] = {}
        self.done: dict[str, set[tuple[str, int]]] = {name: set() for name in self.honest}
        self.applied = dict.fromkeys(self.honest, 0)
        self.views = dict.fromkeys(self.honest, 0)
        self.stable = dict.fromkeys(self.honest, 0)
        self.shown: dict[tuple[str, str, str, int, int], str] = {}  # What a liar has shown a replica, for P-S9.

    def _make(self, name: str) -> Replica:
        signer = NameSigner(name)
        if name in self.honest:
            return self.node(name, self.names, signer=signer, **self.options)
        liar = Liar(name, self.names, signer=signer, **self.options)
        liar.profile, liar.heard = self.rng.choice(PROFILES), []
        self.note(name, "lies", liar.profile)
        return liar

    # The run.

    def live(self) -> None:
        """Run to the end: troubles, healing, recovery."""
        for name in self.names:
            self.network.at(self.rng.random() * TICK, "tick", name)
        for when in range(0, int(CHAOS), 100):
            self.network.at(when + self.rng.random() * 100, "trouble", "")
        for when in range(0, int(CHAOS), 40):
            self.network.at(when + self.rng.random() * 40, "propose", self.rng.choice(self.honest))
        self.wait(CHAOS)
        self.healed, self.down = True, set()
        self.network.heal()
        self.note("", "heal", "")
        for name in self.honest[:2]:
            self._propose(name)
        self._recover("after the network healed")

    def _recover(self, when: str) -> None:
        """P-L1: everything that an honest replica was asked for is executed by every honest one, stragglers too."""
        for step in range(1, int(BOUND / 100) + 1):
            self.wait(CHAOS + 100 * step)
            if all(len(self.done[name]) == len(self.issued) for name in self.honest):
                return
        counts = ", ".join(f"{name} {len(self.done[name])}" for name in self.honest)
        raise Violation(f"P-L1: of {len(self.issued)} requests {when} there are executed: {counts}")

    def count_commits(self) -> int:
        """The requests whose place is agreed on."""
        return len(self.ghosts.agreed)

    def crashable(self) -> list[str]:
        """Every replica; one that is down already stays down longer."""
        return self.names

    # What happens.

    def _on_tick(self, event: Event) -> None:
        name = event.node
        if name not in self.down:
            self.nodes[name].tick()
            self._drive(name)
        self.network.at(self.period[name], "tick", name)

    def _on_deliver(self, event: Event) -> None:
        name, message = event.node, event.what
        if name in self.down:
            return
        node = self.nodes[name]
        if isinstance(node, Liar):
            node.listen(message)
            node.step(message)
        elif message.sender not in self.ghosts.honest and message.kind in (PRE_PREPARE, PREPARE, COMMIT):
            self._show(name, node, message)
        else:
            node.step(message)
        self._drive(name)

    def _on_propose(self, event: Event) -> None:
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            self._propose(event.node)

    def _propose(self, name: str) -> None:
        number = len(self.issued)
        client = f"c{number % 3}"
        one = request(NameSigner(client), client, number, f"v{number}")
        if name not in self.down:
            self.issued[client, number] = one
            self.note(name, "propose", one.operation)
            self.nodes[name].propose(one)
            self._drive(name)

    def crash(self, name: str) -> None:
        """Stop a node; it comes back after a while."""
        self.down.add(name)
        self.network.at(self.rng.choice((50.0, 300.0, 1000.0)) * self.rng.random(), "resume", name)
        self.note(name, "crash", "")

    def _on_resume(self, event: Event) -> None:
        self.down.discard(event.node)

    # A node's work.

    def _drive(self, name: str) -> None:
        node = self.nodes[name]
        honest = name in self.views
        chance = 0.004 * self.network.faults.crash
        while (ready := node.ready()) is not None:
            if chance and self.rng.random() < chance:
                self.crash(name)  # What it wanted to send is lost.
            if honest:
                self._send(name, node, ready)
                self._apply(name, node, ready)
            elif isinstance(node, Liar):
                self._lie(name, node, ready)
            node.advance()
        if honest:
            self._check(name, node)

    def _send(self, name: str, node: Replica, ready: Ready) -> None:
        for recipients, message in ready.messages:
            self.ghosts.record(message, name)
            self.ghosts.promise(node, message)
            if self.traced:
                self.note(name, "send", f"{message.kind} {message.view} {message.seq} {message.digest[:6]}")
            if name not in self.down:
                for to in recipients:
                    self.network.send(name, to, message)

    def _lie(self, name: str, node: Liar, ready: Ready) -> None:
        for recipients, message in ready.messages:
            for to, lie in node.lies(self.rng, recipients, message):
                self.ghosts.record(lie, name)
                if self.traced:
                    self.note(name, "lie", f"{lie.kind} {lie.view} {lie.seq} {lie.digest[:6]} as {lie.sender}")
                if name not in self.down:
                    self.network.send(name, to, lie)

    def _apply(self, name: str, node: Replica, ready: Ready) -> None:
        for seq, requests in ready.executed:
            if seq != self.applied[name] + 1:
                raise Violation(f"P-S1: {name} executes number {seq} after {self.applied[name]}")
            self.applied[name] = seq
            self.ghosts.executed(name, seq, batch_digest(node.history[seq - 1]))
            for one in requests:
                key = one[:2]
                if self.issued.get(key) != one:
                    raise Violation(f"P-S5: {name} executes {one.operation!r}, which no client asked for")
                if key in self.done[name]:
                    raise Violation(f"P-S5: {name} executes {one.operation!r} twice")
                self.done[name].add(key)
            if self.traced:
                self.note(name, "execute", f"{seq} {[one.operation for one in requests]}")

    # What must hold.

    def _check(self, name: str, node: Replica) -> None:
        if node.view != self.views[name]:
            if node.view < self.views[name]:
                raise Violation(f"P-S10: {name} goes back from view {self.views[name]} to {node.view}")
            self.views[name] = node.view
        if node.new_view is not None and node.new_view.digest not in self.ghosts.openings:
            self.ghosts.opened(name, node.new_view)
            self.note(name, "view", f"{node.view}")
        if node.stable != self.stable[name]:
            self.stable[name] = node.stable
            self.ghosts.stabilized(name, node.proof)
        if max(len(node.slots), len(node.prepared), len(node.committed)) > node.window:
            raise Violation(f"P-S6: the log of {name} is longer than its window of {node.window}")
        for culprit in node.evidence:
            if culprit in self.views:
                raise Violation(f"P-S8: {name} accuses {culprit}, which is honest")

    def _show(self, name: str, node: Replica, message: Message) -> None:
        """P-S9: two different signed votes of a liar for the same thing give evidence."""
        kind, liar, view, seq, digest, _, _ = message
        leads = liar == node.primary(view)
        first = None
        # Where a replica must keep what it is shown: in its view, in its window, from whom it is to come.
        if node.view == view and node.stable < seq <= node.stable + node.window and leads != (kind == PREPARE):
            key = (name, kind, liar, view, seq)
            if kind != PRE_PREPARE:
                first = self.shown.setdefault(key, digest) if self.ghosts.genuine(message, "") else None
            elif node.active and (slot := node.slots.get(seq)) is not None and slot.pre_prepare is not None:
                first = slot.pre_prepare.digest if node._genuine(message) else None
        node.step(message)
        if first is not None and first != digest and liar not in node.evidence:
            raise Violation(f"P-S9: {liar} has shown {name} two {kind}s for number {seq}, and is not accused")


def simulate_pbft(
    seed: int, nodes: int | None = None, classes: Collection[str] = PBFT_CLASSES, traced: bool = False
) -> Outcome:
    """Run one seed of a PBFT group, see `PbftWorld`.

    Example:
        >>> simulate_pbft(1, nodes=4).violation is None
        True
    """
    return PbftWorld(seed, nodes, classes, traced).run()
