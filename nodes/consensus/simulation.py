"""The world that a simulated protocol lives in: one seed decides every delay, loss, cut, crash and clock.

A protocol's own world (`raft_world`, `pbft_world`, ...) puts its nodes on this network, drives them event by event and
checks its invariants after every step. Time is counted in units; a node's clock ticks every ten.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Any, NamedTuple, Protocol

TICK = 10.0  # units between two ticks of a clock that is not skewed

CLASSES = ("drop", "duplicate", "delay", "partition", "one_way", "crash", "skew", "contention", "batch")
"""The classes of faults; each is on or off in a run, and its rate is drawn from the seed.

drop, duplicate, delay: messages are lost, come twice, or come late and out of order. partition, one_way: groups of
nodes cannot hear each other, in both directions or in one. crash: nodes stop, also between writing and sending, and
come back with what they had written. skew: clocks run at 0.6 to 1.6 times the true speed. contention: short election
timeouts. batch: how many entries or requests go into one message.
"""


class Violation(Exception):
    """An invariant does not hold; the message says which, where and why."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The rates of one run. The defaults are a network without faults."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 2.0  # units that a message takes at most...
    tail: float = 0.0  # ...but one in twenty takes up to so many
    partition: float = 0.0  # chance of a cut, each 100 units
    one_way: float = 0.0
    crash: float = 0.0  # chance that some node stops, each 100 units
    skew: bool = False
    contention: bool = False
    batch: int = 64


def draw(rng: random.Random, allowed: Collection[str] = CLASSES) -> Faults:
    """Draw the faults of a run: every allowed class is on in three runs of four."""
    on = {name for name in CLASSES if rng.random() < 0.75 and name in allowed}
    rates: dict[str, Any] = {
        "drop": rng.choice((0.02, 0.1, 0.3)),
        "duplicate": rng.choice((0.05, 0.2)),
        "partition": rng.choice((0.2, 0.5)),
        "one_way": rng.choice((0.2, 0.5)),
        "crash": rng.choice((0.2, 0.6)),
        "skew": True,
        "contention": True,
        "batch": rng.choice((1, 2, 8, 64)),
    }
    delay, tail = rng.choice((2.0, 8.0, 30.0)), rng.choice((100.0, 400.0))
    faults = Faults(**{name: rate for name, rate in rates.items() if name in on})
    return replace(faults, delay=delay, tail=tail) if "delay" in on else faults


class Event(NamedTuple):
    """Something that happens: at `time`, in the order of `number` when times are equal."""

    time: float
    number: int
    kind: str
    node: str
    what: Any


class Flight(NamedTuple):
    """A message on the wire, for drawings: `arrived` is None for one that was lost or cut off."""

    sent: float
    sender: str
    to: str
    arrived: float | None
    kind: str


class Network:
    """What happens when: messages under way, ticks of the clocks, faults to come. Nothing here knows a protocol."""

    def __init__(self, rng: random.Random, faults: Faults, names: Iterable[str]) -> None:
        self.rng, self.faults, self.names = rng, faults, tuple(names)
        self.now = 0.0
        self.cut: set[tuple[str, str]] = set()  # Pairs (sender, recipient) that cannot be reached.
        self.flights: list[Flight] | None = None  # Kept when somebody wants to see them.
        self._queue: list[Event] = []
        self._number = 0

    def at(self, delay: float, kind: str, node: str, what: Any = None) -> None:
        """Let something happen after `delay` units."""
        self._number += 1
        heappush(self._queue, Event(self.now + delay, self._number, kind, node, what))

    def send(self, sender: str, to: str, message: Any) -> None:
        """Put a message on the wire: it may be cut off, lost, copied and delayed."""
        faults, chance = self.faults, self.rng.random
        if (sender, to) in self.cut or (faults.drop and chance() < faults.drop):
            self._fly(sender, to, message, None)
            return
        copies = 2 if faults.duplicate and chance() < faults.duplicate else 1
        for _ in range(copies):
            delay = self._delay()
            self.at(delay, "deliver", to, message)
            self._fly(sender, to, message, delay)

    def _fly(self, sender: str, to: str, message: Any, delay: float | None) -> None:
        if self.flights is not None:
            kind = str(getattr(message, "kind", type(message).__name__))
            self.flights.append(Flight(self.now, sender, to, None if delay is None else self.now + delay, kind))

    def _delay(self) -> float:
        limit = self.faults.delay
        if self.faults.tail and self.rng.random() < 0.05:
            limit = self.faults.tail
        return 0.5 + self.rng.random() * limit

    def events(self, until: float) -> Iterable[Event]:
        """What happens, in order, up to a time."""
        while self._queue and self._queue[0].time <= until:
            event = heappop(self._queue)
            self.now = event.time
            yield event
        self.now = until

    def split(self, one_way: bool = False) -> None:
        """Cut the nodes into two groups at random; with `one_way` only one direction is cut."""
        group = {name for name in self.names if self.rng.random() < 0.5}
        rest = [name for name in self.names if name not in group]
        inside = [name for name in self.names if name in group]
        self.cut = {(a, b) for a in inside for b in rest}
        if not one_way:
            self.cut |= {(b, a) for a in inside for b in rest}

    def heal(self) -> None:
        """End all faults: from now on every message arrives soon."""
        self.cut = set()
        self.faults = Faults(batch=self.faults.batch)


@dataclass(slots=True)
class Outcome:
    """What a run gave. `violation` is None when every invariant held.

    `trace` (lines "time node what words") and `flights` (the messages) are empty unless they were asked for.
    """

    seed: int
    violation: str | None = None
    events: int = 0
    commits: int = 0
    faults: Faults = field(default_factory=Faults)
    trace: list[str] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)


class SimulatedRun:
    """What the runs of every protocol share: names, network, the passing of time, troubles and the trace.

    A protocol's run adds `live`, which raises a `Violation`, one method `_on_<kind>` for each kind of event,
    `count_commits`, `crashable` and `crash`.

    Args:
        seed: Decides everything.
        nodes: How many; None lets the seed choose among `sizes`.
        classes: The fault classes that may be on.
        traced: Whether to keep the trace and the messages.
    """

    protocol = ""
    sizes: tuple[int, ...] = ()

    def __init__(
        self, seed: int, nodes: int | None = None, classes: Collection[str] = CLASSES, traced: bool = False
    ) -> None:
        self.rng = random.Random(f"{self.protocol}:{seed}")
        self.faults = draw(self.rng, classes)
        self.names = [f"n{i}" for i in range(nodes or self.rng.choice(self.sizes))]
        self.network = Network(self.rng, self.faults, self.names)
        self.outcome = Outcome(seed, faults=self.faults)
        self.traced, self.healed = traced, False
        if traced:
            self.network.flights = self.outcome.flights

    def run(self) -> Outcome:
        """Run to the end, or to the first violation."""
        try:
            self.live()
        except Violation as violation:
            self.outcome.violation = str(violation)
        self.outcome.commits = self.count_commits()
        return self.outcome

    def live(self) -> None:
        """Run to the end."""
        raise NotImplementedError

    def count_commits(self) -> int:
        """How much was agreed on."""
        raise NotImplementedError

    def crashable(self) -> list[str]:
        """The nodes that may crash now."""
        raise NotImplementedError

    def crash(self, name: str) -> None:
        """Stop a node, and see to it that it comes back."""
        raise NotImplementedError

    def wait(self, until: float) -> None:
        """Let everything happen up to a time."""
        for event in self.network.events(until):
            self.outcome.events += 1
            getattr(self, f"_on_{event.kind}")(event)

    def note(self, node: str, kind: str, words: str) -> None:
        """Add a line to the trace, when somebody wants to see it."""
        if self.traced:
            self.outcome.trace.append(f"{self.network.now:9.2f} {node or '-':4} {kind:8} {words}".rstrip())

    def periods(self) -> dict[str, float]:
        """The units between two ticks of each node's clock."""
        return {name: TICK * (self.rng.uniform(0.6, 1.6) if self.faults.skew else 1.0) for name in self.names}

    def _on_trouble(self, event: Event) -> None:
        faults, rng = self.network.faults, self.rng
        if self.healed:
            return
        if rng.random() < faults.partition + faults.one_way:
            one_way = rng.random() * (faults.partition + faults.one_way) < faults.one_way
            self.network.split(one_way)
            self.note("", "cut", "one way" if one_way else "both ways")
        else:
            self.network.cut = set()
        crashable = self.crashable()
        if rng.random() < faults.crash and crashable:
            self.crash(rng.choice(crashable))


class RestartingRun(SimulatedRun):
    """A run whose nodes lose their memory in a crash and start again from their disks.

    A protocol's run adds `start` and `drive`, and keeps in `up` the nodes that run, in `life` how often each has
    started (ticks of an earlier life are void), in `period` the time between two of its ticks.
    """

    up: dict[str, Any]
    life: dict[str, int]
    period: dict[str, float]

    def start(self, name: str) -> None:
        """Start a node from its disk."""
        raise NotImplementedError

    def drive(self, name: str) -> None:
        """Do what a node wants done."""
        raise NotImplementedError

    def crash(self, name: str) -> None:
        """Stop a node; it comes back after a while."""
        del self.up[name]
        self.network.at(self.rng.choice((50.0, 1000.0, 3000.0)) * self.rng.random(), "restart", name)
        self.note(name, "crash", "")

    def heal(self) -> None:
        """End all faults, and start what is down."""
        self.healed = True
        self.network.heal()
        self.note("", "heal", "")
        for name in self.names:
            if name not in self.up:
                self.start(name)

    def _on_tick(self, event: Event) -> None:
        if event.what == self.life[event.node] and event.node in self.up:
            self.up[event.node].tick()
            self.drive(event.node)
            self.network.at(self.period[event.node], "tick", event.node, event.what)

    def _on_deliver(self, event: Event) -> None:
        node = self.up.get(event.node)
        if node is not None:
            node.step(event.what)
            self.drive(event.node)

    def _on_restart(self, event: Event) -> None:
        if event.node not in self.up:
            self.start(event.node)


class World(Protocol):
    """Simulates one run of a protocol: `world(seed, nodes, classes, traced) -> Outcome`."""

    def __call__(
        self, seed: int, nodes: int | None = None, classes: Collection[str] = CLASSES, traced: bool = False
    ) -> Outcome:
        """Run one seed to its end or to its first violation."""


def shrink(world: World, outcome: Outcome, nodes: int | None, classes: Collection[str]) -> tuple[str, ...]:
    """Switch fault classes off, one by one, as long as the seed still violates something; returns what is left."""
    left = tuple(classes)
    for name in classes:
        fewer = tuple(one for one in left if one != name)
        if world(outcome.seed, nodes, fewer).violation is not None:
            left = fewer
    return left
