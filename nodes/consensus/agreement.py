"""From ballots to one list that all agree on: the real protocols, each node an agent, in one process.

What agents say is decided elsewhere; here the question is only whether those who count see the same ballots, although
some have crashed or lie. Time is counted in ticks, and everything follows from the seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Any

from .bft import Result, Voter
from .counting import Ballot, Outcome
from .pbft import Replica
from .pbft_messages import request
from .quorum import majority
from .raft import LEADER, Raft
from .signing import HmacSigner, canonical
from .stake import Validator

PATIENCE = 600  # ticks after which a group that has not agreed will not; the slowest seen took 90
SECRET = b"one process, one secret"  # All nodes live in this process; evidence is worth as much as the process.


@dataclass(frozen=True, slots=True)
class Agreement:
    """The ballots that were agreed on, in their order; or the outcome, where the protocol itself decides.

    `reason` says why there is neither; `mode` is "fallback" where a weaker rule had to decide.
    """

    ballots: Mapping[str, Ballot]
    reason: str = ""
    evidence: tuple[Mapping[str, Any], ...] = ()
    mode: str = ""
    outcome: Outcome | None = None
    ticks: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Who takes part. `lies`: who says one thing to the first half of the others, and this to the rest."""

    members: Sequence[str]
    ballots: Mapping[str, Ballot]
    crashed: Collection[str] = ()
    lies: Mapping[str, Ballot] = field(default_factory=dict)
    tolerate: int = 0
    stakes: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def up(self) -> list[str]:
        """The members that answer."""
        return [name for name in self.members if name not in self.crashed]


def agree(protocol: str, group: Group) -> Agreement:
    """Return what the members agree on by a protocol; a rule of voting takes the ballots as they are.

    Args:
        protocol: raft, pbft, bft or stake; any other name is a rule of `tally`, counted in one place.
        group: The members and their ballots; abstentions are left out of protocols.

    Example:
        >>> agree("majority", Group(["a", "b"], {"a": "red"})).ballots
        {'a': 'red'}
        >>> agree("pbft", Group(["a", "b", "c", "d"], {"a": "red", "b": "red"}, ["d"], tolerate=1)).ballots
        {'a': 'red', 'b': 'red'}
    """
    run = _PROTOCOLS.get(protocol)
    return Agreement(group.ballots) if run is None else run(group)


def by_raft(group: Group) -> Agreement:
    """Replicate the ballots through a Raft group; what a majority has on disk is agreed.

    Example:
        >>> by_raft(Group(["a", "b", "c"], {"a": "red"}, crashed=["b", "c"])).reason
        '1 of 3 nodes are up; Raft needs 2'
    """
    needed = majority(len(group.members))
    if len(group.up()) < needed:
        return Agreement({}, f"{len(group.up())} of {len(group.members)} nodes are up; Raft needs {needed}")
    rng = random.Random(f"agreement:{group.seed}")
    seats = [_Seat(name, Raft(name, group.members, rng=rng), group.members) for name in group.up()]
    proposed: set[str] = set()
    for ticks in _time(seats):
        for seat in seats:
            if seat.node.role == LEADER:  # A new leader is told again what the old one may have lost.
                for voter, ballot in _cast(group).items():
                    if seat.name not in proposed:
                        seat.node.propose((voter, ballot))
                proposed.add(seat.name)
        logs = [dict(value for _, value in seat.log if value is not None) for seat in seats]
        if all(log.keys() == _cast(group).keys() for log in logs):
            return Agreement({voter: logs[0][voter] for voter in logs[0]}, ticks=ticks)
    return Agreement({}, f"Raft found no leader within {PATIENCE} ticks")


def by_pbft(group: Group) -> Agreement:
    """Order the ballots by PBFT, each a request that its voter signs; a voter's first one counts."""
    seats = [
        _Seat(name, Replica(name, group.members, signer=_signer(name), tolerate=group.tolerate), audience)
        for name, _, audience in _faces(group)
    ]
    for seat, (name, ballot, _) in zip(seats, _faces(group), strict=True):
        if ballot is not None:
            seat.node.propose(request(_signer(name), name, 1, json.dumps(ballot)))
    honest = [seat for seat in seats if seat.name not in group.lies]
    wanted = {name for name in _cast(group) if name not in group.lies and name not in group.crashed}
    for ticks in _time(seats):
        logs = [{r.client: json.loads(r.operation) for _, batch in seat.log for r in batch} for seat in honest]
        if honest and all(wanted <= log.keys() for log in logs) and len({tuple(log) for log in logs}) == 1:
            return Agreement(logs[0], evidence=tuple(_pbft_evidence(honest)), ticks=ticks)
    return Agreement({}, _too_few(group, 2 * group.tolerate + 1), tuple(_pbft_evidence(honest)))


def by_stake(group: Group) -> Agreement:
    """Agree on the ballots as blocks, by stake; each is signed by its voter, and a voter's first one counts."""
    stakes = whole_stakes(group.stakes or dict.fromkeys(group.members, 1))
    seats = [_Seat(name, Validator(name, stakes, signer=_signer(name)), talk) for name, _, talk in _faces(group)]
    for seat in seats:
        for name, ballot, audience in _faces(group):  # Every voter tells its ballot to whom it talks.
            if ballot is not None and (seat.name in audience or seat.name == name):
                seat.node.propose(_signed(name, ballot))
    honest = [seat for seat in seats if seat.name not in group.lies]
    wanted = {name for name in _cast(group) if name not in group.lies and name not in group.crashed}
    for ticks in _time(seats):
        logs = [_first_ballots(seat.log) for seat in honest]
        if honest and all(wanted <= log.keys() for log in logs):
            shortest = min(logs, key=len)
            if all(list(log.items())[: len(shortest)] == list(shortest.items()) for log in logs):
                return Agreement(shortest, evidence=tuple(_vote_evidence(honest)), ticks=ticks)
    held = sum(stakes[name] for name in group.up())
    why = f"{held} of {sum(stakes.values())} of the stake answer; more than two thirds are needed"
    return Agreement({}, why, tuple(_vote_evidence(honest)))


def by_bft(group: Group) -> Agreement:
    """Decide by Byzantine rounds: what more than half of all members want, by the certified ballots agreed on."""
    seats = [_Seat(name, _voter(name, group, ballot), audience) for name, ballot, audience in _faces(group)]
    honest = [seat for seat in seats if seat.name not in group.lies]
    for ticks in _time(seats):
        if honest and all(seat.node.result is not None for seat in honest):
            result: Result = honest[0].node.result
            if result.mode == "undecided":
                break
            outcome = _by_majority(result, len(group.members))
            mode = "fallback" if result.mode == "fallback" else ""
            return Agreement(group.ballots, outcome.reason, tuple(_vote_evidence(honest)), mode, outcome, ticks)
    why = _too_few(group, (len(group.members) + group.tolerate) // 2 + 1)
    return Agreement({}, why, tuple(_vote_evidence(honest)), outcome=Outcome(False, None, reason=why, rule="bft"))


def _by_majority(result: Result, members: int) -> Outcome:
    """What more than half of the members want; the protocol itself is content with the most."""
    counts = {option: count for option, count in result.counts if option}
    abstained = sum(count for option, count in result.counts if not option)
    winner = next((option for option, count in counts.items() if 2 * count > members), None)
    most = max(counts.values(), default=0)
    tied = () if winner else tuple(sorted(option for option, count in counts.items() if count == most))
    given = ", ".join(f"{option} {count}" for option, count in sorted(counts.items()))
    reason = "" if winner else f"no option has more than half: {given or 'no ballots'} of {members}"
    return Outcome(winner is not None, winner, tied, counts, reason, "bft", sum(counts.values()), abstained)


def whole_stakes(weights: Mapping[str, float]) -> dict[str, int]:
    """Return weights as whole numbers in the same proportions.

    Example:
        >>> whole_stakes({"a": 1.5, "b": 1})
        {'a': 3, 'b': 2}
    """
    exact = {name: Fraction(str(weight)) for name, weight in weights.items()}
    scale = lcm(*(weight.denominator for weight in exact.values()))
    return {name: int(weight * scale) for name, weight in exact.items()}


_PROTOCOLS: dict[str, Callable[[Group], Agreement]] = {
    "raft": by_raft,
    "pbft": by_pbft,
    "bft": by_bft,
    "stake": by_stake,
}

# The network inside the process.


@dataclass(frozen=True, slots=True)
class _Seat:
    """A node and whom it talks to. A liar has two of one name: it says other things to other members."""

    name: str
    node: Any
    audience: Collection[str]
    log: list[Any] = field(default_factory=list)


def _faces(group: Group) -> Iterator[tuple[str, Ballot, Collection[str]]]:
    """Each node that is up: its name, its ballot, whom it talks to; a liar has two faces."""
    for name in group.up():
        if name not in group.lies:
            yield name, group.ballots.get(name), group.members
        else:
            others = [member for member in group.members if member != name]
            half = len(others) // 2
            yield name, group.ballots.get(name), others[:half]
            yield name, group.lies[name], others[half:]


def _time(seats: Sequence[_Seat]) -> Iterator[int]:
    """Let ticks pass; in each, everybody gets what was sent in the one before. The caller looks in between."""
    for ticks in range(1, PATIENCE + 1):
        under_way = []
        for seat in seats:
            seat.node.tick()
            if (ready := seat.node.ready()) is not None:
                seat.node.advance()
                seat.log.extend(ready.executed if hasattr(ready, "executed") else ready.committed)
                under_way += [(seat, to, message) for to, message in _mail(ready)]
        for seat, recipients, message in under_way:
            for other in seats:
                if other.name in recipients and other.name in seat.audience and other.name != seat.name:
                    other.node.step(message)
        yield ticks


def _mail(ready: Any) -> Iterator[tuple[Collection[str], Any]]:
    for one in ready.messages:
        if hasattr(one, "to"):
            yield (one.to,), one
        else:
            yield one


def _cast(group: Group) -> dict[str, Ballot]:
    return {voter: ballot for voter, ballot in group.ballots.items() if ballot is not None}


def _signer(name: str) -> HmacSigner:
    return HmacSigner(name, SECRET)


def _voter(name: str, group: Group, ballot: Ballot) -> Voter:
    value = ballot if isinstance(ballot, str) else ""  # An abstention is a ballot too: a quorum must be heard.
    signer, members = _signer(name), list(group.members)
    # Patient enough for every ballot to be echoed and certified before the first coordinator counts them.
    return Voter(name, members, signer=signer, value=value, tolerate=group.tolerate, timeout_ticks=12)


def _signed(name: str, ballot: Ballot) -> str:
    return json.dumps([name, ballot, _signer(name).sign(canonical("ballot", [name, ballot])).hex()])


def _first_ballots(log: Sequence[tuple[int, str]]) -> dict[str, Ballot]:
    ballots: dict[str, Ballot] = {}
    for _, payload in log:
        if payload:
            name, ballot, signature = json.loads(payload)
            if _signer(name).verify(name, canonical("ballot", [name, ballot]), bytes.fromhex(signature)):
                ballots.setdefault(name, ballot)
    return ballots


def _too_few(group: Group, needed: int) -> str:
    return f"{len(group.up())} of {len(group.members)} nodes answer; {needed} honest ones are needed"


def _pbft_evidence(seats: Sequence[_Seat]) -> Iterator[Mapping[str, Any]]:
    found = {member: pair for seat in seats for member, pair in seat.node.evidence.items()}
    for member, pair in sorted(found.items()):
        first, second = (f"{m.kind} of view {m.view}, number {m.seq}: {m.digest[:16]}" for m in pair)
        yield {"agent": member, "kind": "equivocation", "first": first, "second": second, "transferable": False}


def _vote_evidence(seats: Sequence[_Seat]) -> Iterator[Mapping[str, Any]]:
    found = {identity: pair for seat in seats for identity, pair in seat.node.evidence.items()}
    for _, pair in sorted(found.items()):
        first, second = (f"{vote.kind} of height {vote.height}, round {vote.round}: {vote.value}" for vote in pair)
        kind = {"agent": pair[0].voter, "kind": "equivocation"}
        yield {**kind, "first": first, "second": second, "transferable": False}
