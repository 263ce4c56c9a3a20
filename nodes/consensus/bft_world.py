"""A simulated vote of agents, some of whom lie: faults from one seed, and what must hold after every step.

Also `agreement_trials`: many short votes on a network without faults, with arbitrary ballots and liars up to the bound.
"""

from __future__ import annotations

import random
from collections.abc import Collection

from .bft import Voter
from .quorum import faults_tolerated
from .signing import HmacSigner
from .simulation import CLASSES, Outcome, Violation
from .stake import Validator
from .stake_liar import PROFILES, Liar
from .stake_messages import BALLOT, Block, Message
from .stake_world import SECRET, StakeWorld

TRIAL_TICKS = 400  # A trial that takes longer has not terminated.


class BftWorld(StakeWorld):
    """One run. `voter` is the class under test: tests put broken ones here and expect a violation."""

    voter: type[Voter] = Voter
    protocol = "bft"

    def setup(self) -> None:
        """Draw ballots, liars, and how many rounds there are."""
        rng, size = self.rng, len(self.names)
        self.stakes, self.total = [dict.fromkeys(self.names, 1)], size
        most = faults_tolerated(size)
        self.tolerate = rng.choice((most, most, rng.randint(0, most)))
        profile, many = rng.choice(PROFILES), rng.choice((0, self.tolerate, self.tolerate))
        names = rng.choice((self.names[:many], rng.sample(self.names, many)))  # The first ones are coordinators first.
        self.liars = {name: Liar(name, profile, rng, ["lie", *self.options]) for name in names}
        options = self.options[: rng.choice((1, 2, 3))]
        self.ballots = {name: rng.choice(options) for name in self.names}
        self.rounds = rng.choice((1, 2, 3, 1000))
        self.value: str | None = None  # What was decided or fallen back to, whoever did it first.

    def make(self, name: str) -> Validator:
        """Start a voter from its disk. Liars run the product, whatever class is under test."""
        return (Voter if name in self.liars else self.voter)(
            name,
            self.names,
            signer=HmacSigner(name, SECRET),
            value=self.ballots[name],
            tolerate=self.tolerate,
            rounds=self.rounds,
            stored=self.disks[name].stored(),
        )

    def demand(self) -> None:
        """Nothing: the ballots are cast."""

    def _propose(self, name: str) -> None:
        """Nothing: a voter has one ballot."""

    def missing(self) -> str:
        """Who has no result; with rounds enough, agreement is demanded."""
        modes = {name: self._mode(self.up[name]) for name in self.honest}
        late = [name for name, mode in modes.items() if not mode or (self.rounds == 1000 and mode != "agreed")]
        return f"no result at {', '.join(late)}" if late else ""

    def _mode(self, node: Validator) -> str:
        result = node.result if isinstance(node, Voter) else None
        return result.mode if result else ""

    def quorum(self, stake: int, height: int) -> bool:
        """Whether so many are a quorum."""
        return 2 * stake > len(self.names) + self.tolerate

    def punish(self, stakes: dict[str, int], block: Block) -> dict[str, int]:
        """Nobody has a stake to lose."""
        return stakes

    def check(self, name: str, node: Validator) -> None:
        """Agreement over both modes, validity, and sound evidence."""
        assert isinstance(node, Voter)
        for proof in node.evidence.values():
            if proof[0].voter not in self.liars:
                raise Violation(f"evidence: {name} accuses the honest {proof[0].voter}: {proof}")
        result = node.result
        if result is None or result.value is None:
            return
        if self.value is None:
            self.value = result.value
            self.note(name, result.mode, result.value)
        if result.value != self.value:
            raise Violation(f"agreement: {name} has {result.value!r} ({result.mode}), another one {self.value!r}")
        ballots = [self.cast.get((voter, BALLOT, 1, 0)) for voter in self.honest]
        cast = set(ballots) - {None}
        if len(cast) == 1 and result.value not in cast:
            raise Violation(f"validity: all honest ballots are {cast}, {name} has {result.value!r} ({result.mode})")
        counts = dict(result.counts)
        backed = self.quorum(sum(counts.values()), 1) and counts.get(result.value) == max(counts.values())
        if result.mode == "agreed" and not backed:
            raise Violation(f"validity: {name} agrees on {result.value!r}, of the ballots {counts}")
        wanting = ballots.count(result.value) + len(self.liars)
        if result.mode == "fallback" and 2 * wanting <= 2 * self.total - (self.total + self.tolerate) // 2 - 1:
            raise Violation(f"fallback: {name} falls back to {result.value!r}, which too few want")


def simulate_bft(
    seed: int, nodes: int | None = None, classes: Collection[str] = CLASSES, traced: bool = False
) -> Outcome:
    """Run one seed of a vote, see `BftWorld`.

    Example:
        >>> simulate_bft(1, nodes=4).violation is None
        True
    """
    return BftWorld(seed, nodes, classes, traced).run()


def agreement_trials(runs: int, seed: int, voter: type[Voter] = Voter) -> dict[str, int]:
    """Run many votes of 4 to 7 agents with arbitrary ballots, as many liars as allowed, and no network faults.

    Returns:
        `runs`; `terminated`, in how many every honest agent agreed (mode "agreed") in time; `agreed`, in how many all
        honest results are the same, and are the honest ballot when there is only one.

    Example:
        >>> agreement_trials(10, seed=1)
        {'runs': 10, 'terminated': 10, 'agreed': 10}
    """
    counts = {"runs": runs, "terminated": 0, "agreed": 0}
    for number in range(runs):
        terminated, agreed = _trial(random.Random(f"trial:{seed}:{number}"), voter)
        counts["terminated"] += terminated
        counts["agreed"] += agreed
    return counts


def _trial(rng: random.Random, voter: type[Voter]) -> tuple[bool, bool]:
    size = rng.choice((4, 4, 4, 5, 6, 7))
    names = [f"n{i}" for i in range(size)]
    options = ["red", "blue", "green", "pink"][: rng.randint(1, 4)]
    profile, liars = rng.choice(PROFILES), rng.sample(names, faults_tolerated(size))
    twisted = {name: Liar(name, profile, rng, options) for name in liars}
    nodes = {
        name: voter(name, names, signer=HmacSigner(name, SECRET), value=rng.choice(options), rounds=100)
        for name in names
    }
    honest = {name: node for name, node in nodes.items() if name not in twisted}
    wanted = {name: node._signed[0].value for name, node in honest.items()}  # type: ignore[union-attr]
    for _ in range(TRIAL_TICKS):
        for node in nodes.values():
            node.tick()
        _deliver(nodes, twisted, rng)
        if all(node.result for node in honest.values()):
            break
    results = [node.result for node in honest.values()]
    values = {result.value for result in results if result}
    valid = len(set(wanted.values())) > 1 or values == set(wanted.values())
    return all(result and result.mode == "agreed" for result in results), len(values) == 1 and valid


def _deliver(nodes: dict[str, Voter], liars: dict[str, Liar], rng: random.Random) -> None:
    """Deliver until nothing is under way, in an order drawn anew each time."""
    while True:
        wire: list[Message] = []
        for name, node in nodes.items():
            ready = node.ready()
            if ready is not None:
                wire += liars[name].twist(node, ready.messages) if name in liars else ready.messages
                node.advance()
        if not wire:
            return
        rng.shuffle(wire)
        for message in wire:
            if message.to in liars:
                liars[message.to].hear(message)
            nodes[message.to].step(message)
