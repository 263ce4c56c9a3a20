"""Groups with arbitrary ballots and as many faulty members as may be: do the honest ones always agree, and in time?"""

from __future__ import annotations

import random
from collections.abc import Collection

from .agreement import Agreement, Group, agree
from .counting import Ballot
from .quorum import faults_tolerated
from .simulation import CLASSES, Outcome

PROTOCOLS = ("raft", "pbft", "bft", "stake")


def simulate_agreement(
    seed: int, nodes: int | None = None, classes: Collection[str] = CLASSES, traced: bool = False
) -> Outcome:
    """Let a group agree by a protocol that the seed chooses; anything but agreement in time is a violation.

    Example:
        >>> simulate_agreement(1).violation is None
        True
    """
    protocol = PROTOCOLS[seed % len(PROTOCOLS)]
    group = drawn(protocol, seed, nodes, crash="crash" in classes)
    agreement = agree(protocol, group)
    trace = [f"{float(agreement.ticks):9.2f} -    agree    {protocol}: {group} gave {agreement}"] if traced else []
    wrong = _wrong(protocol, group, agreement)
    return Outcome(seed, wrong, agreement.ticks, len(agreement.ballots), trace=trace)


def drawn(protocol: str, seed: int, nodes: int | None = None, *, crash: bool = True) -> Group:
    """A group of four to seven with arbitrary ballots, some of whose members crash or, except under Raft, lie."""
    rng = random.Random(f"{protocol}:{seed}")
    members = [f"a{i}" for i in range(nodes or rng.randint(4, 7))]
    tolerate = faults_tolerated(len(members))
    ballots: dict[str, Ballot] = {member: rng.choice(["red", "blue", "green", None]) for member in members}
    crashed, lies = [], dict[str, Ballot]()
    for member in rng.sample(members, rng.randint(0, tolerate)):
        if crash and (rng.random() < 0.5 or protocol == "raft"):
            crashed.append(member)
            ballots[member] = None
        elif ballots[member] and protocol != "raft":
            lies[member] = rng.choice(["red", "pink"])
    return Group(members, ballots, crashed, lies, tolerate, dict.fromkeys(members, 1.0), seed)


def _wrong(protocol: str, group: Group, agreement: Agreement) -> str | None:
    honest = {v: b for v, b in group.ballots.items() if v not in group.lies and v not in group.crashed}
    accused = {found["agent"] for found in agreement.evidence} - set(group.lies)
    if accused:
        return f"{protocol} accuses the honest {', '.join(sorted(accused))}"
    if protocol != "bft":
        missing = [v for v, b in honest.items() if b is not None and agreement.ballots.get(v) != b]
        return agreement.reason or (f"{protocol} lost the ballots of {', '.join(missing)}" if missing else None)
    outcome, wanted = agreement.outcome, set(honest.values())
    if outcome is None or not (outcome.decided or outcome.reason.startswith("no option has more than half")):
        return f"bft did not end: {agreement.reason}"
    liars = len(group.lies)
    sure = [o for o in wanted if o and 2 * (list(honest.values()).count(o)) > len(group.members)]
    if sure and outcome.winner != sure[0]:
        return f"bft chose {outcome.winner!r}, although more than half of all members honestly want {sure[0]!r}"
    if outcome.winner and 2 * (list(honest.values()).count(outcome.winner) + liars) <= len(group.members):
        return f"bft chose {outcome.winner!r}, which no majority can have wanted"
    return None
