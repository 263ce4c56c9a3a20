"""Who may bid, for how much whose bid counts, and what is remembered of promises: the pure part of the auction graph.

Agents overstate what they can do, and identical agents bid the same. So what an agent says of itself only lets it in,
and its record of kept promises, which it cannot set, weighs its bid: who is expected to keep half of its promises has
to be half as dear as who keeps all. A weight that a bidder cannot set leaves the second-price rules truthful, when the
winner is paid the largest bid with which it would still have won (Myerson, Optimal Auction Design, 1981).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from .amounts import exact, fraction, plain
from .auctions import Award, award, vcg

KINDS = ("first_price", "english", "vickrey", "vcg")
LEAST_RELIABILITY = Fraction(1, 4)  # Three promises broken and none kept are below it, two are at it.

Records = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Awarded:
    """One task given to an agent, or to nobody; `reason` says why. `refused`: agent -> why its bid did not count.

    `truthful`: whether no bidder could have gained by another cost than its true one, whatever the others asked.
    """

    task: int
    winner: str | None
    price: int | float | None
    reason: str
    refused: Mapping[str, str]
    tied: tuple[str, ...] = ()
    runner_up: str | None = None
    truthful: bool = False


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
        # Task after task, who has little room gains by losing the first.
        done.append(replace(one, truthful=kind == "vickrey" and len(tasks) == 1))
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
        bid, record = bids[agent], records.get(agent, {})
        if bid.get("cost") is None:
            refused[agent] = bid.get("error") or "it made no bid"
        elif isinstance(cost := exact(bid["cost"]), str) or cost < 0:
            refused[agent] = f"its bid is {cost if isinstance(cost, str) else f'negative: {amount(cost)}'}"
        elif bid.get("capability") == "cannot":
            refused[agent] = "it says that it cannot do it"
        elif reliability(record) < LEAST_RELIABILITY:
            refused[agent] = f"it kept {record.get('kept', 0)} of {_promises(record)} promises"
        elif free.get(agent, 0) < 1:
            refused[agent] = "it has no capacity left"
        elif reserve is not None and cost > fraction(reserve):
            refused[agent] = f"its bid of {amount(cost)} is above the reserve of {amount(reserve)}"
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


def amount(number: Any) -> str:
    """A number as people write it: in full, without the noise of floats.

    Example:
        >>> amount(10.0), amount(1_234_567.5), amount(Fraction(40, 3)), amount(1e-7)
        ('10', '1234567.5', '13.333333', '1e-07')
    """
    return f"{float(number):.6f}".rstrip("0").rstrip(".") if number >= 1 else f"{float(number):g}"


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
    weighted = {agent: fraction(cost) * factors[agent] for agent, cost in costs.items()}
    # The loosest reserve: who is above its own was refused already, and a lone bidder is paid its own.
    most = None if reserve is None else fraction(reserve) * max(factors.values())
    found: Award = award(kind, weighted, reserve=most, step=fraction(step))
    if found.winner is None or found.price is None:
        return Awarded(task, None, None, found.reason, refused)
    price = fraction(found.price) / factors[found.winner]
    capped = reserve is not None and price > fraction(reserve)
    price = fraction(reserve) if capped else price
    words = f"{_best(found, costs, factors, records)}; it is paid {_paid(kind, found, capped)}"
    return Awarded(task, found.winner, plain(price), words, refused, tuple(found.tied), found.runner_up)


def _best(found: Award, costs: Mapping[str, Any], factors: Mapping[str, Fraction], records: Records) -> str:
    """Why this winner."""
    winner = str(found.winner)
    if len(costs) == 1:
        return f"{winner} asks {amount(costs[winner])}, the only bid that counts"
    weighed = len(set(factors.values())) > 1
    counts = " once records are weighed in" if weighed else ""
    words = f"{winner} asks {amount(costs[winner])}, the lowest of {len(costs)} bids{counts}"
    if len(found.tied) > 1:
        words = f"{', '.join(found.tied)} are tied{counts}; {winner} comes first by name"
    return words + (f" ({_shares(list(costs), records)})" if weighed else "")


def _paid(kind: str, found: Award, capped: bool) -> str:
    """Why this price."""
    if kind == "first_price":
        return "what it asks"
    if found.runner_up is None:
        return "the reserve"
    if capped:
        return f"the reserve, at which {found.runner_up} still loses"
    if kind == "english":
        return (
            "the last price that they all took" if found.tied else f"where the clock stood when {found.runner_up} left"
        )
    return f"the most that it could have asked without losing to {found.runner_up}"


def _shares(agents: Sequence[str], records: Records) -> str:
    kept = {agent: f"{float(reliability(records.get(agent, {}))):.0%}" for agent in agents}
    return f"expected to keep its promise: {', '.join(f'{agent} {share}' for agent, share in kept.items())}"


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
        return [Awarded(task, None, None, _nobody(split[task][1]), split[task][1], truthful=True) for task in tasks]
    factors = _factors(agents, records)
    most = None if reserve is None else fraction(reserve)
    costs = {task: {agent: fraction(cost) * factors[agent] for agent, cost in split[task][0].items()} for task in tasks}
    table = [[costs[task].get(agent) for task in tasks] for agent in agents]
    found = vcg(table, [free[agent] for agent in agents], most)
    chosen = [None if place is None else agents[place] for place in found.assignment]
    payments = dict(zip(agents, found.payments or (), strict=True))
    done = []
    for task, agent in zip(tasks, chosen, strict=True):
        price, refused = None, split[task][1]
        payment = None if agent is None else payments[agent]
        if agent is None:
            words = _undone(costs[task], refused, most, _shares(agents, records))
        elif payment is None:
            words = f"without {agent} less could be done, so that its price is undefined; give a reserve"
        else:
            factor = factors[agent]
            own = {other: costs[other][agent] for other, taker in zip(tasks, chosen, strict=True) if taker == agent}
            price = plain(_part(task, own, fraction(payment), most) / factor)
            words = f"the cheapest way to do everything gives it to {agent}, who is paid what its presence saves"
            words += f", {amount(payment / factor)} for {len(own)} tasks" if len(own) > 1 else ""
            words += (
                f", once records are weighed in ({_shares(agents, records)})" if len(set(factors.values())) > 1 else ""
            )
        winner = None if price is None else agent
        done.append(Awarded(task, winner, price, words, refused, truthful=found.truthful))
    return done


def _part(task: int, costs: Mapping[int, Fraction], payment: Fraction, most: Fraction | None) -> Fraction:
    """One task's part of what an agent is paid for all of its `costs`: no less than its cost, no more than the most."""
    room = {other: Fraction(1) if most is None else most - cost for other, cost in costs.items()}
    share = room[task] / sum(room.values()) if any(room.values()) else Fraction(0)
    return costs[task] + (payment - sum(costs.values())) * share


def _undone(costs: Mapping[str, Fraction], refused: Mapping[str, str], most: Fraction | None, shares: str) -> str:
    """Why the cheapest way to do everything leaves a task."""
    if not costs:
        return _nobody(refused)
    if most is not None and min(costs.values()) > most:
        return f"every bid that counts is above the reserve of {amount(most)} once records are weighed in ({shares})"
    able = [agent for agent, cost in costs.items() if most is None or cost <= most]
    return f"the cheapest way to do everything leaves {', '.join(able)} no capacity for it"


def _nobody(refused: Mapping[str, str]) -> str:
    listed = "; ".join(f"{agent}: {why}" for agent, why in refused.items())
    return f"nobody may take it ({listed})" if listed else "nobody made a bid"
