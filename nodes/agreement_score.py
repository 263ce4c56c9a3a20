"""How good a deal is: the agreement score, and how far it is from what bargaining theory proposes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import dist
from typing import Any

from .outcome_space import Space
from .scenario import Scenario


def agreement(scenario: Scenario, outcome: Mapping[str, Any]) -> float:
    """How evenly good a deal is for everybody, from 0 to 1.

    The smallest gain over a reservation value, as a share of what its party could gain at best from a deal, divided by
    the best that this smallest share can be. So 1 is attainable in every scenario that has a deal, at the
    Kalai-Smorodinsky point, and 0.8 says the same everywhere, which the mean utility does not.

    A party that can gain nothing from any deal (its best is its reservation value) has all it can and does not lower
    the score. Where somebody always comes away with no gain at all, every deal is a best one: 1. An outcome below
    anybody's reservation value scores 0; only where no outcome suits all parties, and the scenario lets some deals
    pass all the same, the score is that of the parties whose consent is needed.

    Args:
        scenario: The negotiation.
        outcome: Issue -> value.

    Raises:
        ConfigError: It is no outcome of the scenario.

    Example:
        >>> wants = {"ann": {"weights": {"x": 1}, "scores": {"x": "low"}},
        ...          "bob": {"weights": {"x": 1}, "scores": {"x": "high"}}}
        >>> scenario = Scenario({"x": [0, 1, 2, 3, 4]}, wants)
        >>> agreement(scenario, {"x": 2}), agreement(scenario, {"x": 3}), agreement(scenario, {"x": 4})
        (1.0, 0.5, 0.0)
    """
    return float(exact_agreement(scenario.space, scenario.index(outcome)))


def distances(scenario: Scenario, outcome: Mapping[str, Any] | None) -> dict[str, float | None]:
    """How far an outcome is from the best deals. Without a deal (None) everybody has its reservation value.

    Args:
        scenario: The negotiation.
        outcome: Issue -> value, or None.

    Returns:
        `pareto`, `nash`, `kalai`: the Euclidean distance, in utilities from 0 to 1, to the nearest efficient deal, the
        Nash point and the Kalai-Smorodinsky point. `welfare`: the sum of utilities as a share of the largest sum of a
        deal. `nash_product`: the product of gains as a share of the largest; at the Nash point only parties that gain
        there count. All None where the scenario has no deal.

    Raises:
        ConfigError: It is no outcome of the scenario.

    Example:
        >>> wants = {"ann": {"weights": {"x": 1}, "scores": {"x": "low"}},
        ...          "bob": {"weights": {"x": 1}, "scores": {"x": "high"}}}
        >>> distances(Scenario({"x": [0, 1, 2, 3, 4]}, wants), {"x": 1})["nash_product"]
        0.75
    """
    space = scenario.space
    nash, kalai, utilitarian = space.nash, space.kalai_smorodinsky, space.utilitarian
    if nash is None or kalai is None or utilitarian is None:
        return dict.fromkeys(("pareto", "nash", "kalai", "welfare", "nash_product"))
    index = None if outcome is None else scenario.index(outcome)
    reached = _point(space, index)
    most = sum(_point(space, utilitarian))
    return {
        "pareto": _to_pareto(space, index, reached),
        "nash": dist(reached, _point(space, nash)),
        "kalai": dist(reached, _point(space, kalai)),
        "welfare": sum(reached) / most if most else 1.0,
        "nash_product": float(_nash_share(space, index, nash)),
    }


def exact_agreement(space: Space, index: int) -> Fraction:
    """The agreement score of an outcome, given by its number."""
    place = space.place(index)
    if place is None:
        return Fraction(0)
    best = int(space.smallest.max())
    return Fraction(int(space.smallest[place]), best) if best else Fraction(1)


def _point(space: Space, index: int | None) -> list[float]:
    """The utilities of an outcome, or the reservation values."""
    if index is None:
        return [float(party.reservation) for party in space.parties]
    utilities: list[float] = space.utilities[:, index].tolist()
    return utilities


def _to_pareto(space: Space, index: int | None, reached: list[float]) -> float:
    if index is not None and space.place(index) is not None and space.is_efficient(index):
        return 0.0
    return min(dist(reached, _point(space, other)) for other in space.pareto)


def _nash_share(space: Space, index: int | None, nash: int) -> Fraction:
    share = Fraction(1)
    for gains in space.gains:
        if gains[nash] > 0:
            share *= Fraction(max(0, int(gains[index])) if index is not None else 0, int(gains[nash]))
    return share
