"""A simulated group of validators: faults and liars from one seed, and what must hold after every step.

Liars hold less than a third of the stake. What they say is checked against what was really said: a decision and a lock
must have the recorded votes of two thirds behind them, liars counted as if they had said everything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from .signing import HmacSigner
from .simulation import CLASSES, TICK, Event, Outcome, RestartingRun, Violation
from .stake import Validator
from .stake_liar import PROFILES, Liar
from .stake_messages import (
    PRECOMMIT,
    PREVOTE,
    Block,
    Commit,
    Message,
    Proposal,
    Ready,
    State,
    Stored,
    Vote,
    vote_of,
)

CHAOS, RECOVERY = 3_000.0, 20_000.0  # units of faults; and units after that in which everything must get done
SECRET = b"the secret of the simulation"


class Disk:
    """What a node has written."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.commits: list[Commit] = []

    def stored(self) -> Stored:
        return Stored(self.state, tuple(self.commits))


class StakeWorld(RestartingRun):
    """One run. `node` is the class under test: tests put broken ones here and expect a violation."""

    node: type[Validator] = Validator
    protocol, sizes = "stake", (1, 2, 3, 4, 4, 4, 5, 6, 7)

    def __init__(
        self, seed: int, nodes: int | None = None, classes: Collection[str] = CLASSES, traced: bool = False
    ) -> None:
        super().__init__(seed, nodes, classes, traced)
        self.options = ["red", "blue", "green"]
        self.setup()
        self.honest = [name for name in self.names if name not in self.liars]
        self.disks = {name: Disk() for name in self.names}
        self.period = self.periods()
        self.up: dict[str, Validator] = {}
        self.life = dict.fromkeys(self.names, 0)
        # What history has shown, for the invariants.
        self.cast: dict[tuple[str, str, int, int], str | None] = {}  # (honest voter, kind, height, round) -> value
        self.decided: list[Block] = []
        self.proposers: dict[tuple[int, int], str | None] = {}
        self.proposed: dict[str, set[str]] = {}  # Value -> who has applied it.

    def setup(self) -> None:
        """Draw stakes and liars."""
        rng = self.rng
        most = rng.choice((1, 3, 10))
        self.stakes = [{name: rng.randint(1, most) for name in self.names}]  # By height, from 1 on.
        self.total = sum(self.stakes[0].values())
        self.penalty = rng.choice((5, 50, 100))
        self.punished: set[tuple[Any, ...]] = set()
        self.liars: dict[str, Liar] = {}
        profile, left = rng.choice(PROFILES), (self.total - 1) // 3
        for name in rng.sample(self.names, len(self.names)):
            if self.stakes[0][name] <= left:
                left -= self.stakes[0][name]
                self.liars[name] = Liar(name, profile, rng, ["lie", *self.options])

    def make(self, name: str) -> Validator:
        """Start a node from its disk. Liars run the product, whatever class is under test."""
        node = Validator if name in self.liars else self.node
        signer = HmacSigner(name, SECRET)
        stored, resend = self.disks[name].stored(), 6
        return node(name, self.stakes[0], signer=signer, stored=stored, penalty=self.penalty, resend_ticks=resend)

    # The run.

    def live(self) -> None:
        """Run to the end: troubles, healing, recovery."""
        for name in self.names:
            self.start(name)
        for when in range(0, int(CHAOS), 100):
            self.network.at(when + self.rng.random() * 100, "trouble", "")
            self.network.at(when + self.rng.random() * 100, "propose", self.rng.choice(self.names))
        self.wait(CHAOS)
        self.heal()
        self.demand()
        for until in range(int(CHAOS), int(CHAOS + RECOVERY), 100):
            self.wait(until)
            if not self.missing():
                return
        raise Violation(f"liveness: {self.missing()} {RECOVERY:.0f} units after the network healed")

    def demand(self) -> None:
        """Ask for something that must get done now that the network is well."""
        for name in self.honest:
            self._propose(name)

    def missing(self) -> str:
        """What must still happen."""
        last = list(self.proposed)[-len(self.honest) :]
        late = [value for value in last if not self.proposed[value].issuperset(self.honest)]
        return f"{', '.join(late)} not applied everywhere" if late else ""

    def count_commits(self) -> int:
        """The heights that were decided."""
        return len(self.decided)

    def crashable(self) -> list[str]:
        """Every honest validator that is up."""
        return [name for name in self.honest if name in self.up]

    # What happens.

    def _on_deliver(self, event: Event) -> None:
        if event.node in self.up and event.node in self.liars and type(event.what) is Message:
            self.liars[event.node].hear(event.what)
        super()._on_deliver(event)

    def _on_propose(self, event: Event) -> None:
        self._propose(event.node)

    def start(self, name: str) -> None:
        """Start a node from its disk."""
        self.life[name] += 1
        self.up[name] = self.make(name)
        self.network.at(self.rng.random() * TICK, "tick", name, self.life[name])
        self.note(name, "start", "")

    def _propose(self, name: str) -> None:
        if name in self.up:
            value = f"v{len(self.proposed)}"
            if name in self.honest:
                self.proposed[value] = set()
            self.up[name].propose(value)
            self.drive(name)

    # A node's work, with the moments at which it may crash.

    def drive(self, name: str) -> None:
        """Do what a node wants done, unless it crashes first."""
        node, honest = self.up[name], name not in self.liars
        while (ready := node.ready()) is not None:
            chance = 0.004 * self.network.faults.crash if honest else 0.0
            if chance and self.rng.random() < chance:
                return self.crash(name)  # Before anything is written.
            self._persist(name, ready)
            if chance and self.rng.random() < chance:
                return self.crash(name)  # Written, but not sent.
            self._send(name, ready)
            for _, payload in ready.committed:
                if honest and payload in self.proposed:
                    self.proposed[payload].add(name)
            node.advance()
        if honest:
            self.check(name, node)
        return None

    def _persist(self, name: str, ready: Ready) -> None:
        disk = self.disks[name]
        for commit in ready.commits:
            disk.commits.append(commit)
            if name in self.honest:
                self._check_commit(name, len(disk.commits), commit, self.up[name].digest(commit.block))
        if ready.state is not None:
            disk.state = ready.state
            if name in self.honest:
                self._check_state(name, ready.state)

    def _send(self, name: str, ready: Ready) -> None:
        messages: Sequence[Message] = ready.messages
        if name in self.liars:
            messages = self.liars[name].twist(self.up[name], messages)
        for message in messages:
            if name in self.honest:
                self._check_sent(name, message.body)
            self.network.send(name, message.to, message)

    # What must hold.

    def _check_state(self, name: str, state: State) -> None:
        """What an honest node writes: it never contradicts itself, and locks only what two thirds prevoted for."""
        for body in state.signed:
            vote = vote_of(body)
            key = name, vote.kind, vote.height, vote.round
            if self.cast.setdefault(key, vote.value) != vote.value:
                raise Violation(f"{name} contradicts itself: {vote} and {self.cast[key]!r}")
        if state.locked is not None and not self._backed(PREVOTE, state.height, state.locked_round, state.locked):
            raise Violation(f"{name} locks {state.locked[:8]} in round {state.locked_round} without two thirds")

    def _check_sent(self, name: str, body: Any) -> None:
        """What an honest node says was written before."""
        vote = body.vote if isinstance(body, Proposal) else body
        if isinstance(vote, Vote) and vote.voter == name:
            key = name, vote.kind, vote.height, vote.round
            if key not in self.cast or self.cast[key] != vote.value:
                raise Violation(f"{name} sends {vote} before it is written")

    def _backed(self, kind: str, height: int, round: int, digest: str | None) -> bool:
        """Whether two thirds have voted so, with all liars counted in."""
        stakes = self.stakes[height - 1]
        for_it = [
            name for name in stakes if self.cast.get((name, kind, height, round), "") == digest or name in self.liars
        ]
        return self.quorum(sum(stakes[name] for name in for_it), height)

    def quorum(self, stake: int, height: int) -> bool:
        """Whether a stake is a quorum at a height."""
        return 3 * stake > 2 * sum(self.stakes[height - 1].values())

    def check(self, name: str, node: Validator) -> None:
        """S1 to S7, after every step of an honest node."""
        for proof in node.evidence.values():
            if proof[0].voter not in self.liars:
                raise Violation(f"S4: {name} accuses the honest {proof[0].voter}: {proof}")
        if node.stakes != self.stakes[node.height - 1] or sum(node.stakes.values()) + node.burned != self.total:
            raise Violation(f"S3, S5, S7: {name} has the stakes {node.stakes} at height {node.height}")
        proposer = self.proposers.setdefault((node.height, node.round), node.proposer)
        if proposer != node.proposer or sum(node.rotation.priorities.values()) != 0:
            raise Violation(f"S1, S2: at {node.height}, {node.round} both {proposer} and {node.proposer} propose")

    def _check_commit(self, name: str, height: int, commit: Commit, digest: str) -> None:
        votes = commit.votes
        if any(vote.voter not in self.liars and vote.value != digest for vote in votes):
            raise Violation(f"S3: {name} decides {height} with votes for something else")
        if not self._backed(PRECOMMIT, height, votes[0].round, digest):
            raise Violation(f"S3: {name} decides height {height} without two thirds")
        if height <= len(self.decided):
            if self.decided[height - 1] != commit.block:
                raise Violation(
                    f"S6: {name} decides {commit.block} at height {height}; it is {self.decided[height - 1]}"
                )
            return
        self.decided.append(commit.block)
        self.note("", "decide", f"{height} {commit.block.payload}")
        self.stakes.append(self.punish(dict(self.stakes[-1]), commit.block))

    def punish(self, stakes: dict[str, int], block: Block) -> dict[str, int]:
        """The stakes after a block, worked out apart from the product."""
        for first, second in block.proofs:
            said = first.voter, first.kind, first.height, first.round, frozenset((first.value, second.value))
            voter = first.voter
            if voter not in self.liars or first[:4] != second[:4] or len(said[-1]) != 2:
                raise Violation(f"S4: the block punishes {voter} for {first} and {second}")
            if voter in stakes and said not in self.punished:
                self.punished.add(said)
                stakes[voter] -= (stakes[voter] * self.penalty + 99) // 100
                if not stakes[voter]:
                    del stakes[voter]
        return stakes


def simulate_stake(
    seed: int, nodes: int | None = None, classes: Collection[str] = CLASSES, traced: bool = False
) -> Outcome:
    """Run one seed of a group of validators, see `StakeWorld`.

    Example:
        >>> simulate_stake(1, nodes=4).violation is None
        True
    """
    return StakeWorld(seed, nodes, classes, traced).run()
