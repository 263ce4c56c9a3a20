"""Scenarios of negotiation, made by a seed in the shape of the published ones.

Two parties: sizes like the domains of the ANAC competitions 2010 to 2013 (3 to 56,700 outcomes, 1 to 8 issues), scores
partly opposed, reservation values from 0 to 0.5. Six and seven parties: the shape of the games of Abdelnabi et al.,
LLM-Deliberation (arXiv 2309.17234): five issues, 720 to 2,880 deals, two parties with a veto, all but one needed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any

from langgraph_agora.nodes.scenario import Scenario

BILATERAL = (
    (3,),
    (9,),
    (3, 4),
    (3, 3, 3),
    (2, 3, 6),
    (4, 4, 3),
    (3, 4, 5),
    (5, 4, 4),
    (7, 4, 4),
    (2, 2, 2, 2, 2, 2, 2),
    (5, 4, 3, 3),
    (6, 4, 4, 4),
    (3, 3, 4, 4, 4),
    (5, 4, 4, 3, 3),
    (2, 3, 3, 4, 4, 4),
    (5, 5, 4, 4, 4),
    (5, 5, 5, 5, 5),
    (4, 4, 4, 4, 5, 3),
    (2, 2, 3, 3, 3, 4, 4, 4),
    (3, 5, 4, 5, 4, 6),
    (5, 5, 5, 5, 5, 5),
    (9, 7, 6, 5, 5, 3, 2),
)

# Sizes of the issues, parties, and whether some deal suits all of them.
MULTILATERAL = (
    ((3, 3, 4, 4, 5), 6, True),
    ((3, 3, 4, 4, 5), 6, False),
    ((3, 4, 4, 4, 5), 6, True),
    ((4, 4, 4, 5, 5), 6, True),
    ((4, 4, 5, 5, 6), 7, True),
    ((4, 4, 5, 6, 6), 7, True),
)


def bilateral(seed: int = 0) -> list[Scenario]:
    """Scenarios of two parties, one for each shape; each has at least one deal."""
    return [_bilateral(sizes, random.Random(f"{seed} {place}")) for place, sizes in enumerate(BILATERAL)]


def multilateral(seed: int = 0) -> list[Scenario]:
    """Scenarios of six and seven parties of which all but one have to accept; in the second no deal suits them all."""
    return [_multilateral(*shape, random.Random(f"{seed} {place}")) for place, shape in enumerate(MULTILATERAL)]


def _bilateral(sizes: Sequence[int], rng: random.Random) -> Scenario:
    opposed = rng.uniform(0.1, 0.9) if len(sizes) > 1 else 1
    issues = _issues(sizes)
    while True:
        tables = {name: [rng.randint(0, 10) for _ in values] for name, values in issues.items()}
        others = {
            name: [10 - score for score in scores] if rng.random() < opposed else [rng.randint(0, 10) for _ in scores]
            for name, scores in tables.items()
        }
        agents = {
            party: _agent(issues, own, rng, Fraction(rng.randint(0, 10), 20))
            for party, own in (("ann", tables), ("bob", others))
        }
        if all(max(scores) for own in (tables, others) for scores in own.values()):
            scenario = Scenario(issues, agents)
            if scenario.zone():
                return scenario


def _multilateral(sizes: Sequence[int], parties: int, unanimous: bool, rng: random.Random) -> Scenario:
    """Draw until 5 to 15 % of the deals pass and, where some suit all, these are 1 to 5 %."""
    issues, names = _issues(sizes), [f"p{number}" for number in range(1, parties + 1)]
    while True:
        drawn = {name: [[rng.randint(1, 10) for _ in values] for values in issues.values()] for name in names}
        agents = {
            name: _agent(issues, dict(zip(issues, scores, strict=True)), rng, Fraction(0))
            for name, scores in drawn.items()
        }
        utilities = Scenario(issues, agents).space.utilities
        for twentieth in range(8, 15):  # Everybody asks for more, until few enough deals are left.
            asked = [Fraction(twentieth + rng.randint(-1, 1), 20) for _ in names]
            accepts = utilities >= [[float(value)] for value in asked]
            passing = (accepts[:2].all(axis=0) & (accepts.sum(axis=0) >= parties - 1)).mean()
            for_all = accepts.all(axis=0).mean()
            if 0.05 <= passing <= 0.15 and (0.01 <= for_all <= 0.05 if unanimous else for_all == 0):
                agents = {name: {**agents[name], "reservation": own} for name, own in zip(names, asked, strict=True)}
                return Scenario(issues, agents, veto=names[:2], needed=parties - 1)


def _issues(sizes: Sequence[int]) -> dict[str, list[str]]:
    return {f"issue {i}": [f"value {v}" for v in range(1, size + 1)] for i, size in enumerate(sizes, start=1)}


def _agent(
    issues: dict[str, list[str]], scores: dict[str, list[int]], rng: random.Random, reservation: Fraction
) -> dict[str, Any]:
    return {
        "weights": {name: rng.randint(1, 10) for name in issues},
        "scores": {name: dict(zip(values, scores[name], strict=True)) for name, values in issues.items()},
        "reservation": reservation,
    }


if __name__ == "__main__":
    for one in (*bilateral(), *multilateral()):
        sizes = [len(issue.values) for issue in one.issues]
        print(f"{prod(sizes):6} outcomes, {len(one.preferences)} parties, {len(one.zone()):6} pass")
