"""Who may bid, for how much whose bid counts, and what is remembered of promises: the pure part of the auction graph.

Agents overstate what they can do, and identical agents bid the same. So what an agent says of itself only lets it in,
and its record of kept promises, which it cannot set, weighs its bid: who is expected to keep half of its promises has
to be half as dear as who keeps all. A weight that a bidder cannot set leaves the second-price rules truthful, when the
winner is paid the largest bid with which it would still have won (Myerson, Optimal Auction Design, 1981).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .auctions import Award, award, vcg
from .settlement import exact, plain

KINDS = ("first_price", "english", "vickrey", "vcg")
LEAST_RELIABILITY = Fraction(1, 4)  # Three promises broken and none kept are below it, two are at it.

Records = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Awarded:
    """One task given to an agent, or to nobody; `reason` says why. `refused`: agent -> why its bid did not count."""

    task: int
    winner: str | None
    price: int | float | None
    reason: str
    refused: Mapping[str, str]
    tied: tuple[str, ...] = ()
    runner_up: str | None = None


def tender(
    kind: str,
    tasks: Sequence[int],
    bids: Mapping[int, Mapping[str, Mapping[str, Any]]],
    records: Records,
    *,
    free: Mapping[str, int],
    reserve: Any = None,
    step: Any = 1,
) -> list[Awarded]:
    """Award tasks, each to the bidder whose weighted bid is best, while it has capacity.

    Args:
        kind: first_price, english, vickrey (task by task), or vcg (all at once).
        tasks: The tasks' numbers.
        bids: Task -> agent -> {"cost", "capability", ...}; a cost of None is no bid.
        records: Agent -> {"kept", "broken"}.
        free: Agent -> how many tasks it may still take.
        reserve: The most that is paid for a task.
        step: Of the english clock.

    Example:
        >>> bids = {0: {"ann": {"cost": 10, "capability": "well"}, "bob": {"cost": 14, "capability": "well"}}}
        >>> [one] = tender("vickrey", [0], bids, {}, free={"ann": 1, "bob": 1})
        >>> one.winner, one.price
        ('ann', 14)
        >>> [one] = tender("vickrey", [0], bids, {"ann": {"kept": 0, "broken": 1}}, free={"ann": 1, "bob": 1})
        >>> one.winner, one.price  # ann has a third of a chance, bob a half: her 10 counts like his 15.
        ('bob', 15)
    """
    if kind == "vcg":
        return _all_at_once(tasks, bids, records, free, reserve)
    left, done = dict(free), []
    for task in tasks:
        costs, refused = admitted(bids[task], records, left, reserve)
        one = _single(kind, task, costs, refused, records, reserve, step)
        if one.winner is not None:
            left[one.winner] -= 1
        done.append(one)
    return done


def admitted(
    bids: Mapping[str, Mapping[str, Any]], records: Records, free: Mapping[str, int], reserve: Any = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Split bids into the costs that may win and, agent by agent, why the others may not.

    The price decides nothing here but that it is no more than the reserve.
    """
    costs: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for agent in sorted(bids):
        bid = bids[agent]
        if bid.get("cost") is None:
            refused[agent] = bid.get("error") or "it made no bid"
        elif bid.get("capability") == "cannot":
            refused[agent] = "it says that it cannot do it"
        elif reliability(records.get(agent, {})) < LEAST_RELIABILITY:
            record = records[agent]
            refused[agent] = f"it kept {record.get('kept', 0)} of {_promises(record)} promises"
        elif free.get(agent, 0) < 1:
            refused[agent] = "it has no capacity left"
        elif reserve is not None and bid["cost"] > reserve:
            refused[agent] = f"its bid of {bid['cost']} is above the reserve of {reserve}"
        else:
            costs[agent] = bid["cost"]
    return costs, refused


def reliability(record: Mapping[str, int]) -> Fraction:
    """The share of promises that an agent is expected to keep (Laplace's rule of succession): 1/2 for an unknown one.

    Example:
        >>> reliability({}), reliability({"kept": 8, "broken": 0})
        (Fraction(1, 2), Fraction(9, 10))
    """
    return Fraction(record.get("kept", 0) + 1, _promises(record) + 2)


def recorded(records: Records, agent: str, *, kept: bool) -> dict[str, dict[str, int]]:
    """The records with one more promise in them.

    Example:
        >>> recorded({}, "ann", kept=True)
        {'ann': {'kept': 1, 'broken': 0}}
    """
    old = records.get(agent, {})
    new = {"kept": old.get("kept", 0) + kept, "broken": old.get("broken", 0) + (not kept)}
    return {name: dict(record) for name, record in records.items()} | {agent: new}


def _promises(record: Mapping[str, int]) -> int:
    return record.get("kept", 0) + record.get("broken", 0)


def _factors(agents: Sequence[str], records: Records) -> dict[str, Fraction]:
    """How many times dearer than the most reliable agent's each agent's bid counts."""
    shares = {agent: reliability(records.get(agent, {})) for agent in agents}
    return {agent: max(shares.values()) / share for agent, share in shares.items()}


def _single(
    kind: str,
    task: int,
    costs: Mapping[str, Any],
    refused: Mapping[str, str],
    records: Records,
    reserve: Any,
    step: Any,
) -> Awarded:
    if not costs:
        return Awarded(task, None, None, _nobody(refused), refused)
    factors = _factors(list(costs), records)
    weighted = {agent: exact(cost) * factors[agent] for agent, cost in costs.items()}
    # The loosest reserve: who is above its own was refused already, and a lone bidder is paid its own.
    most = None if reserve is None else exact(reserve) * max(factors.values())
    found: Award = award(kind, weighted, reserve=most, step=step)
    if found.winner is None or found.price is None:
        return Awarded(task, None, None, found.reason, refused)
    price = exact(found.price) / factors[found.winner]
    if reserve is not None:
        price = min(price, exact(reserve))
    words = _words(kind, found, costs, factors, records)
    return Awarded(task, found.winner, plain(price), words, refused, tuple(found.tied), found.runner_up)


def _words(kind: str, found: Award, costs: Mapping[str, Any], factors: Mapping[str, Fraction], records: Records) -> str:
    """Why this winner at this price."""
    winner = str(found.winner)
    weighed = len(set(factors.values())) > 1
    counts = " once records are weighed in" if weighed else ""
    words = f"{winner} asks {costs[winner]}, the lowest of {len(costs)} bids{counts}"
    if len(found.tied) > 1:
        words = f"{', '.join(found.tied)} are tied{counts}; {winner} comes first by name"
    if weighed:
        kept = {agent: f"{float(reliability(records.get(agent, {}))):.0%}" for agent in costs}
        words += f" (expected to keep its promise: {', '.join(f'{agent} {share}' for agent, share in kept.items())})"
    if kind == "first_price":
        return f"{words}; it is paid what it asks"
    if found.runner_up is None:
        return f"{words}; it is alone and is paid the reserve"
    return f"{words}; it is paid the most that it could have asked without losing to {found.runner_up}"


def _all_at_once(
    tasks: Sequence[int],
    bids: Mapping[int, Mapping[str, Mapping[str, Any]]],
    records: Records,
    free: Mapping[str, int],
    reserve: Any,
) -> list[Awarded]:
    split = {task: admitted(bids[task], records, free, reserve) for task in tasks}
    agents = sorted({agent for costs, _ in split.values() for agent in costs})
    if not agents:
        return [Awarded(task, None, None, _nobody(split[task][1]), split[task][1]) for task in tasks]
    factors = _factors(agents, records)
    table = [
        [exact(split[task][0][agent]) * factors[agent] if agent in split[task][0] else None for task in tasks]
        for agent in agents
    ]
    found = vcg(table, [free[agent] for agent in agents], None if reserve is None else [reserve] * len(tasks))
    assert found.payments is not None
    done = []
    for task, chosen in zip(tasks, found.assignment, strict=True):
        refused = split[task][1]
        if chosen is None:
            words = _nobody(refused) if len(refused) == len(bids[task]) else found.reason
            done.append(Awarded(task, None, None, words, refused))
            continue
        agent, payment = agents[chosen], found.payments[chosen]
        if payment is None:
            words = f"only {agent} can do it, so that its price is undefined; give a reserve"
            done.append(Awarded(task, None, None, words, refused))
            continue
        won = found.assignment.count(chosen)
        price = exact(payment) / factors[agent] / won
        words = f"the cheapest way to do everything gives it to {agent}, who is paid what its presence saves"
        words += f", {plain(price * won)} for {won} tasks" if won > 1 else ""
        done.append(Awarded(task, agent, plain(price), words, refused))
    return done


def _nobody(refused: Mapping[str, str]) -> str:
    listed = "; ".join(f"{agent}: {why}" for agent, why in refused.items())
    return f"nobody may take it ({listed})" if listed else "nobody made a bid"
