"""Several tasks at once: the cheapest allocation, VCG payments, and auctions of one task after the other.

Everything is exact: costs are read as fractions and scaled to whole numbers, so equal totals are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, nearest
from .amounts import Number, as_json, shown
from .transport import Table, cheapest, first_of_the_best, table_of

__all__ = ["Allocation", "allocate", "in_turn", "vcg"]

ORDERS = ("given", "lowest", "regret")


@dataclass(frozen=True, slots=True)
class Allocation:
    """Who does what, and for how much.

    Attributes:
        assignment: For each task the index of its agent, or None where it stays undone.
        total: What all of it costs, `outside` of the undone tasks included.
        rule: "optimum", "vcg", or "in turn" with its order.
        reason: Why tasks stay undone and payments are undefined; empty when there is nothing to say.
        payments: What each agent is paid, 0 for who does nothing, None where it is undefined; None without payments.
        truthful: Whether no agent could have gained by other costs than its own, whatever the others said.
    """

    assignment: list[int | None]
    total: Number
    rule: str
    reason: str = ""
    payments: list[Number | None] | None = None
    truthful: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the allocation as plain JSON values; fractions become floats."""
        paid = None if self.payments is None else [None if p is None else as_json(p) for p in self.payments]
        return {
            "assignment": list(self.assignment),
            "total": as_json(self.total),
            "rule": self.rule,
            "reason": self.reason,
            "payments": paid,
            "truthful": self.truthful,
        }


def allocate(
    costs: Sequence[Sequence[Number | None]],
    capacities: Sequence[int] | int,
    outside: Sequence[Number | None] | Number | None = None,
) -> Allocation:
    """Find the cheapest allocation: the assignment problem, each agent standing for as many slots as it has capacity.

    Of several cheapest allocations it is the one that gives task 0 to the lowest agent, then task 1, and so on; a task
    that costs as much as leaving it is done.

    Args:
        costs: For each agent what each task costs it, in any one unit; None where it cannot do it. Below 0 is a gain.
        capacities: How many tasks each agent takes at most; one number for all of them.
        outside: What leaving a task undone costs: for each task, or one number for all. None is no such way out: then
            as many of these tasks as possible are done, at any price.

    Returns:
        The allocation. Its total is exact, and a float where a float was given.

    Raises:
        ConfigError: An empty or ragged table, a cost that is no finite number, a capacity that is no whole number.

    Example:
        >>> allocate([[3, 5], [2, 9]], 1).assignment
        [1, 0]
        >>> allocate([[3, 5], [2, 9]], [0, 1], outside=6)
        Allocation(assignment=[1, None], total=8, rule='optimum', reason='task 1 stays undone: leaving it is cheaper', \
payments=None, truthful=False)
    """
    table = table_of(costs, capacities, outside)
    chosen = first_of_the_best(table, *cheapest(table, table.capacities))
    return _allocation(table, chosen, "optimum")


def vcg(
    costs: Sequence[Sequence[Number | None]],
    capacities: Sequence[int] | int,
    outside: Sequence[Number | None] | Number | None = None,
) -> Allocation:
    """Allocate at the lowest cost and pay each agent what its presence saves the others.

    The mechanism of Vickrey (1961), Clarke (1971) and Groves (1973).
    Agent i is paid W(-i) - (W - its cost), where W is the lowest total and W(-i) that without i; never less than its
    cost. No agent gains by naming other costs. Agents that collude, or that bid under several names, can gain; and
    the payments add up to more than the costs, so somebody has to fund them. An agent without which a task with no
    `outside` stays undone could ask for any price: its payment is None, and the result is not called truthful.

    To sell instead, give each value as a cost below 0 and `outside=0`; the payments are then below 0: what agents pay.

    Args:
        costs: As for `allocate`, as are the others. What an agent can do and how much of it is taken as known.
        capacities: How many tasks each agent takes at most.
        outside: What leaving a task undone costs.

    Returns:
        The allocation with payments.

    Raises:
        ConfigError: As for `allocate`.

    Example:
        >>> outcome = vcg([[3, 5], [2, 4]], 1, outside=15)
        >>> outcome.assignment, outcome.total, outcome.payments
        ([0, 1], 7, [13, 15])
    """
    table = table_of(costs, capacities, outside)
    chosen = first_of_the_best(table, *cheapest(table, table.capacities))
    undone, total = table.value(chosen)
    payments: list[int | None] = []
    for agent in range(table.nobody):
        own = sum(table.cells[task][agent] for task, taker in enumerate(chosen) if taker == agent)
        if agent not in chosen:
            payments.append(0)
            continue
        absent = [0 if other == agent else capacity for other, capacity in enumerate(table.capacities)]
        undone_without, total_without = table.value(cheapest(table, absent)[0])
        payments.append(None if undone_without > undone else total_without - (total - own))
    return _allocation(table, chosen, "vcg", payments)


def in_turn(
    costs: Sequence[Sequence[Number | None]],
    capacities: Sequence[int] | int,
    outside: Sequence[Number | None] | Number | None = None,
    *,
    order: str = "given",
) -> Allocation:
    """Give away one task after the other, each to the cheapest agent that has room: quick to explain, not optimal.

    Not truthful either, even at second prices: who has little capacity gains by losing the first task, because there is
    less competition for the next. Below, agent 1 has the costs 2 and 4; asking for 5 and 6 it earns 11 instead of 1.

    Args:
        costs: As for `allocate`, as are the others.
        capacities: How many tasks each agent takes at most.
        outside: What leaving a task undone costs; a task that nobody does for less is left.
        order: given (sealed bids for the first task, then for the second), lowest (the lowest of all bids next:
            sequential single-item auctions, Lagoudakis et al. 2005), regret (next the task whose second-best bid is
            the farthest from its best; of equal ones the one with the lowest bid).

    Returns:
        The allocation. With the order given, each winner is paid the second-lowest bid of those that had room, or
        `outside` where that is lower or nobody else bid.

    Raises:
        ConfigError: As for `allocate`, or an unknown order.

    Example:
        >>> in_turn([[3, 5], [2, 4]], 1, 15).payments
        [15, 3]
        >>> in_turn([[3, 5], [5, 6]], 1, 15).payments
        [5, 15]
    """
    if order not in ORDERS:
        raise ConfigError(
            f"There is no order {shown(order)}. Orders: {', '.join(ORDERS)}.{nearest(str(order), ORDERS)}"
        )
    table = table_of(costs, capacities, outside)
    room = [*table.capacities, table.tasks]
    chosen = [table.nobody] * table.tasks
    paid: list[int | None] = [0] * table.nobody
    sales = {"given": _as_given, "lowest": _lowest_next, "regret": _regret_next}[order](table, room)
    for task, agent, second in sales:
        chosen[task] = agent
        room[agent] -= 1
        if agent != table.nobody:
            before = paid[agent]
            paid[agent] = None if second is None or before is None else before + second
    return _allocation(table, chosen, f"in turn, {order}", paid if order == "given" else None)


def _allocation(table: Table, chosen: list[int], rule: str, payments: list[int | None] | None = None) -> Allocation:
    """Put an allocation into words and the caller's numbers."""
    said = [f"task {task} stays undone: {_why(table, task)}" for task, a in enumerate(chosen) if a == table.nobody]
    for agent, payment in enumerate(payments or []):
        if payment is None:
            said.append(f"the payment of agent {agent} is undefined, as nobody else would do its work: give outside=")
    return Allocation(
        [None if agent == table.nobody else agent for agent in chosen],
        table.amount(table.value(chosen)[1]),
        rule,
        "; ".join(said),
        None if payments is None else [None if p is None else table.amount(p) for p in payments],
        rule == "vcg" and None not in (payments or []),
    )


def _why(table: Table, task: int) -> str:
    *costs, outside = table.cells[task]
    if min(costs) == table.never:
        return "nobody can do it"
    open_to = [cost for cost, capacity in zip(costs, table.capacities, strict=True) if capacity]
    return "leaving it is cheaper" if outside < min(open_to, default=outside) else "no room is left"


# One task after the other. Each sale is (task, agent, price); the price is None where there is no second bid.

Sales = Iterator[tuple[int, int, int | None]]


def _as_given(table: Table, room: list[int]) -> Sales:
    for task in range(table.tasks):
        (_, agent), (second, _) = _two_best(table.ranked(task), room)
        yield task, agent, second if second < table.must else None


def _lowest_next(table: Table, room: list[int]) -> Sales:
    """The room only shrinks, so the lowest of all bids is found by going through the sorted bids once."""
    bids = sorted((cost, task, agent) for task in range(table.tasks) for cost, agent in table.ranked(task))
    done: set[int] = set()
    for _, task, agent in bids:
        if task not in done and room[agent]:
            done.add(task)
            yield task, agent, None


def _regret_next(table: Table, room: list[int]) -> Sales:
    ranked = {task: table.ranked(task) for task in range(table.tasks)}
    while ranked:
        best = {task: _two_best(bids, room) for task, bids in ranked.items()}
        task = min(best, key=lambda task: (best[task][0][0] - best[task][1][0], best[task][0][0], task))
        del ranked[task]
        yield task, best[task][0][1], None


def _two_best(ranked: Iterable[tuple[int, int]], room: Sequence[int]) -> list[tuple[int, int]]:
    """The two best bids of who has room; leaving the task counts as a bid, twice where it is the only one."""
    best: list[tuple[int, int]] = []
    for bid in ranked:
        if room[bid[1]]:
            best.append(bid)
            if len(best) == 2:
                return best
    return best * 2
