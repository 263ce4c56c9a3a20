"""What a task costs at least: lower bounds for branch and bound."""

from __future__ import annotations

import math

from .domain import Domain, Method, Operator

OBJECTIVES = ("probability", "cost", "duration")
IMPOSSIBLE = 1e6  # The price of a probability of 0; unlike infinity it can be taken away again.
ROUNDS = 50  # Each round raises the bounds of recursive tasks; every round's bounds are valid.


class Prices:
    """Values that add up along a plan, for one objective, and the least that a task can add.

    The probability of a plan is a product, so its price is a sum of -log p: the smallest sum is the largest product.

    Args:
        domain: Its operators and methods.
        objective: probability, cost or duration.
    """

    def __init__(self, domain: Domain, objective: str) -> None:
        self.objective = objective
        self.least: dict[str, float] = dict.fromkeys(domain.methods_of, 0.0)
        for one in domain.operators:
            self.least[one.name] = self._of_operator(one)
        for _ in range(ROUNDS):
            # From below: bounds of 0 are valid, and a minimum over methods of valid bounds is valid (Knuth 1977).
            raised = {name: self._of_task(ways) for name, ways in domain.methods_of.items()}
            if all(value <= self.least[name] for name, value in raised.items()):
                break
            self.least.update(raised)

    def of_method(self, method: Method) -> float:
        """What the method adds by itself."""
        return _log(method.p) if self.objective == "probability" else 0.0

    def _of_operator(self, one: Operator) -> float:
        return _log(one.p) if self.objective == "probability" else getattr(one, self.objective)

    def _of_task(self, ways: tuple[Method, ...]) -> float:
        totals = [self.of_method(way) + sum(self.least[task[0]] for _, task in way.subtasks) for way in ways]
        return min(totals, default=math.inf)


def _log(p: float) -> float:
    return -math.log(p) if p else IMPOSSIBLE
