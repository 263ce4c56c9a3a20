"""The cheapest allocation of tasks to agents with capacities: a transport problem, solved exactly.

An allocation is optimal exactly when no ring of moves lowers its total; then the agents have prices by which every task
is with an agent that is best for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .amounts import Number, as_given, exact, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_CELLS = 4_000_000  # 32 MB; a larger table of tasks and slots is not built


@dataclass(frozen=True, slots=True)
class Table:
    """Costs in whole units of 1/scale: a row for each task, a column for each agent, and a last one for nobody."""

    cells: list[list[int]]
    grid: NDArray[Any]  # the cells, as int64 where they fit and as objects where not
    floats: NDArray[Any]  # roughly the costs, infinite where an agent cannot do a task
    capacities: list[int]
    must: int  # what a task without `outside` costs undone: more than all that could be saved by it
    never: int  # what a task costs that an agent cannot do
    scale: int
    like: Number  # a float where one was given

    @property
    def tasks(self) -> int:
        return len(self.cells)

    @property
    def nobody(self) -> int:
        return len(self.capacities)

    def ranked(self, task: int) -> list[tuple[int, int]]:
        """The bids for a task, the best first; to leave it is the last of equal ones."""
        return sorted((cost, agent) for agent, cost in enumerate(self.cells[task]) if cost < self.never)

    def value(self, chosen: Sequence[int]) -> tuple[int, int]:
        """How many tasks are undone that have to be done, and what the others cost."""
        costs = [row[agent] for row, agent in zip(self.cells, chosen, strict=True)]
        return costs.count(self.must), sum(cost for cost in costs if cost != self.must)

    def amount(self, units: int) -> Number:
        return as_given(Fraction(units, self.scale), [self.like])


def cheapest(table: Table, capacities: Sequence[int]) -> tuple[list[int], NDArray[Any]]:
    """A cheapest allocation and its prices. SciPy calculates in floats, so its answer is where the exact search begins.

    It is nearly always the end, too: where whole numbers stay below 2**53, and in all of 3,000 random tables of floats.
    """
    import numpy as np  # noqa: PLC0415  (only who allocates pays for it)

    chosen, nodes = _start(table, capacities), table.nobody + 2  # The last node stands for free slots; they move, too.
    while True:
        arcs = np.full((nodes, nodes), table.never, dtype=table.grid.dtype)
        saved = table.grid[np.arange(table.tasks), chosen]
        np.minimum.at(arcs[:, :-1], np.array(chosen), table.grid - saved[:, None])
        arcs[:-1, -1] = [0 if free else table.never for free in _room(chosen, capacities)]
        arcs[-1, :] = 0
        prices, ring = _settle(arcs)
        if not ring:
            return chosen, prices
        moved = []
        for giver, taker in ring:
            if nodes - 1 not in (giver, taker):
                tasks = [task for task, agent in enumerate(chosen) if agent == giver]
                moved.append((min(tasks, key=lambda t: table.cells[t][taker] - table.cells[t][giver]), taker))
        for task, taker in moved:
            chosen[task] = taker


def _start(table: Table, capacities: Sequence[int]) -> list[int]:
    """The cheapest allocation in floats; where the table of slots would be huge, one task after the other."""
    import numpy as np  # noqa: PLC0415  (only who allocates pays for it)
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  (half a second)

    sizes = [*(min(capacity, table.tasks) for capacity in capacities), table.tasks]
    if table.tasks * sum(sizes) <= MAX_CELLS:
        slots = np.repeat(np.arange(len(sizes)), sizes)
        return [int(agent) for agent in slots[linear_sum_assignment(table.floats[:, slots])[1]]]
    greedy: list[int] = []
    for row in table.cells:
        room = _room(greedy, capacities)
        greedy.append(min((agent for agent in range(len(row)) if room[agent]), key=row.__getitem__))
    return greedy


def _settle(arcs: NDArray[Any]) -> tuple[NDArray[Any], list[tuple[int, int]]]:
    """Bellman and Ford: prices that no arc undercuts, or else a ring of arcs whose sum is below 0."""
    import numpy as np  # noqa: PLC0415  (only who allocates pays for it)

    nodes = len(arcs)
    prices, before = np.zeros(nodes, dtype=arcs.dtype), np.zeros(nodes, dtype=int)
    for _ in range(nodes):
        through = prices[:, None] + arcs
        source = through.argmin(0)
        least = through[source, np.arange(nodes)]
        lower = least < prices
        if not lower.any():
            return prices, []
        prices, before = np.where(lower, least, prices), np.where(lower, source, before)
    node = int(lower.argmax())
    for _ in range(nodes):  # Whoever still sank in the last pass has a ring behind it.
        node = int(before[node])
    ring = [node]
    while (node := int(before[node])) != ring[0]:
        ring.append(node)
    return prices, [(int(before[node]), node) for node in ring]


def first_of_the_best(table: Table, chosen: list[int], prices: NDArray[Any]) -> list[int]:
    """Of all cheapest allocations the one that gives task 0 to the lowest agent, then task 1, and so on.

    Every allocation in which each task is with an agent that is best for it at these prices is as cheap, and no other
    is. So no costs are compared here, and nothing depends on how the first one was found.
    """
    net = table.grid - prices[:-1]
    best = [row.nonzero()[0].tolist() for row in net == net.min(1)[:, None]]
    free = [agent for agent in range(table.nobody + 1) if prices[agent] == prices[-1]]
    chosen = list(chosen)
    for task, agents in enumerate(best):
        for agent in agents[: agents.index(chosen[task])]:
            moves = _way(table, best, free, chosen, task, agent)
            for moved, taker in moves:
                chosen[moved] = taker
            if moves:
                break
    return chosen


def _way(
    table: Table, best: list[list[int]], free: list[int], chosen: list[int], task: int, agent: int
) -> list[tuple[int, int]]:
    """Moves that take `task` to `agent`, and later tasks out of its way to agents that are best for them; or none."""
    room, slots = _room(chosen, table.capacities), table.nobody + 1
    ways: dict[int, list[tuple[int, int]]] = {agent: [(task, agent)]}
    queue = [agent]
    for giver in queue:
        if giver == chosen[task]:
            return ways[giver]
        later = [other for other in range(task + 1, table.tasks) if chosen[other] == giver]
        steps = [(other, taker) for other in later for taker in best[other]]
        if giver == slots:
            steps = [(-1, taker) for taker in free]  # -1: a free slot changes hands, no task does.
        elif room[giver]:
            steps.append((-1, slots))
        for moved, taker in steps:
            if taker not in ways:
                ways[taker] = ways[giver] + ([(moved, taker)] if moved >= 0 else [])
                queue.append(taker)
    return []


def _room(chosen: Sequence[int], capacities: Sequence[int]) -> list[int]:
    room = [*capacities, len(chosen) + 1]  # Nobody, the last, has room for everything.
    for agent in chosen:
        room[agent] -= 1
    return room


# Reading.


def table_of(costs: Any, capacities: Any, outside: Any) -> Table:
    """Check costs, capacities and ways out, and make whole numbers of them.

    Raises:
        ConfigError: An empty or ragged table, a cost that is no finite number, a capacity that is no whole number.
    """
    import numpy as np  # noqa: PLC0415  (only who allocates pays for it)

    rows = _rows(costs)
    ways_out = _list("outside", outside, len(rows[0]), "task")
    sizes = _list("capacities", capacities, len(rows), "agent")
    for agent, size in enumerate(sizes):
        if isinstance(size, bool) or not isinstance(size, Integral) or size < 0:
            raise ConfigError(f"The capacity of agent {agent} was {shown(size)}; give a whole number, 0 or more.")
    by_task = [
        [*(_cost(f"agent {agent}", task, row[task]) for agent, row in enumerate(rows)), _cost("outside", task, way)]
        for task, way in enumerate(ways_out)
    ]
    scale = math.lcm(*(cost.denominator for row in by_task for cost in row if cost is not None))
    whole = [[None if c is None else c.numerator * (scale // c.denominator) for c in row] for row in by_task]
    most = sum(max((abs(cost) for cost in row if cost is not None), default=0) for row in whole)
    must = 2 * most + 1
    never = 2 * (most + len(whole) * must) + 1
    cells = [[*(never if c is None else c for c in row), must if way is None else way] for *row, way in whole]
    fits = 4 * (len(rows) + 2) * never < 2**62  # the longest sum of arcs
    grid = np.array(cells, dtype=np.int64 if fits else object)
    floats = np.array([[math.inf if cost == never else cost / scale for cost in row] for row in cells])
    like = next((cost for row in (*rows, ways_out) for cost in row if isinstance(cost, float)), 0)
    return Table(cells, grid, floats, [int(size) for size in sizes], must, never, scale, like)


def _rows(costs: Any) -> list[Sequence[Any]]:
    rows = list(costs) if isinstance(costs, list | tuple) else []
    if not rows or not all(isinstance(row, list | tuple) and row for row in rows):
        raise ConfigError(
            f"The costs were {shown(costs)}; give a list of lists: for each agent its cost of each task, at least one."
        )
    for agent, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ConfigError(
                f"Agent {agent} has {len(row)} costs, agent 0 has {len(rows[0])}; give one for each task, None "
                "where an agent cannot do it."
            )
    return rows


def _list(name: str, given: Any, size: int, whose: str) -> list[Any]:
    """One value for each, given as a list or as one value for all."""
    if not isinstance(given, list | tuple):
        return [given] * size
    if len(given) != size:
        raise ConfigError(f"{name} has {len(given)} entries; give one number for all, or one for each {whose}: {size}.")
    return list(given)


def _cost(whose: str, task: int, cost: Any) -> Fraction | None:
    number = None if cost is None else exact(cost)
    if isinstance(number, str):
        raise ConfigError(f"The cost of task {task} ({whose}) is {number}; give a finite number, or None for no way.")
    return number
