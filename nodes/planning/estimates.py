"""What a task costs at least: lower bounds for branch and bound, and for which way is tried first."""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .domain import Domain, Method, Operator

OBJECTIVES = ("probability", "cost", "duration")
IMPOSSIBLE = 1e6  # The price of a probability of 0; unlike infinity it can be taken away again.


class Prices:
    """Values that add up along a plan, for one objective, and the least that a task can add.

    The probability of a plan is a product, so its price is a sum of -log p: the smallest sum is the largest product.
    What a Python function turns a task into is not known: it adds 0. A task that no methods bring to an end has no
    least; it is infinite.

    Args:
        domain: Its operators and methods.
        objective: probability, cost or duration.
    """

    def __init__(self, domain: Domain, objective: str) -> None:
        self.objective = objective
        self.least: dict[str, float] = {one.name: self._of_operator(one) for one in domain.operators}
        self.least.update(_cheapest(domain, self))
        for name in domain.methods_of:
            self.least.setdefault(name, math.inf)

    def of_method(self, method: Method) -> float:
        """What the method adds by itself."""
        return _log(method.p) if self.objective == "probability" else 0.0

    def below(self, method: Method) -> float:
        """The least that its subtasks add, the same in whatever order they are listed."""
        return math.fsum([self.least[task[0]] for _, task in method.subtasks])

    def _of_operator(self, one: Operator) -> float:
        return _log(one.p) if self.objective == "probability" else getattr(one, self.objective)


def _cheapest(domain: Domain, prices: Prices) -> dict[str, float]:
    """The least of each task that comes to an end: the cheapest task is final each time (Knuth, 1977)."""
    ways = domain.methods
    totals = [prices.of_method(way) for way in ways]
    waits = [0] * len(ways)  # For how many subtasks, whose least is not known yet.
    users: dict[str, list[int]] = {name: [] for name in domain.methods_of}
    for number, way in enumerate(ways):
        for _, task in way.subtasks:
            if task[0] in users:
                users[task[0]].append(number)
                waits[number] += 1
            else:
                totals[number] += prices.least[task[0]]
    open_ = [(totals[number], way.task) for number, way in enumerate(ways) if not waits[number]]
    heapify(open_)
    found: dict[str, float] = {}
    while open_:
        total, name = heappop(open_)
        if name in found:
            continue
        found[name] = total
        for number in users[name]:
            totals[number] += total
            waits[number] -= 1
            if not waits[number]:
                heappush(open_, (totals[number], ways[number].task))
    return found


def _log(p: float) -> float:
    return -math.log(p) if p else IMPOSSIBLE
