"""How good are the deals of each protocol, and how many rounds do they take? On scenarios made by a seed.

    .venv/bin/python bench/negotiation.py [--quick] [--dry]

Means over the scenarios. Without an agreement of the protocol everybody has its reservation value, except in the rows
with "+ escalation", which show what `negotiate` gives at its cap.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
from report import conditions, machine, store, table, write_section
from scenarios import bilateral, multilateral

from langgraph_agora.nodes.agreement_score import distances
from langgraph_agora.nodes.negotiation import Result, Scenario, negotiate

PROTOCOLS = (
    ("zeuthen", "linear"),
    ("alternating", "linear"),
    ("alternating", "boulware"),
    ("alternating", "conceder"),
    ("mediated", "linear"),
)
HEAD = ("agreed", "Pareto", "Nash", "KS", "welfare", "Nash product", "score", "rounds")


def main() -> None:
    """Measure, store and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one set of small scenarios")
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    seeds = 1 if arguments.quick else 5
    pairs = [scenario for seed in range(seeds) for scenario in bilateral(seed)]
    groups = [scenario for seed in range(seeds) for scenario in multilateral(seed)]
    if arguments.quick:
        pairs = [scenario for scenario in pairs if scenario.space.count < 1_000]
    result = {
        **machine(),
        "scenarios": {"two parties": len(pairs), "six and seven parties": len(groups)},
        "two parties": measured(pairs),
        "six and seven parties": measured(groups),
        "slowest": slowest(pairs),
    }
    print(report(result))
    if not (arguments.dry or arguments.quick):
        store("negotiation", result)
        write_section("negotiation", report(result))


def measured(scenarios: list[Scenario]) -> dict[str, dict[str, float]]:
    """A row for every protocol and cap."""
    rows = {}
    for protocol, concession in PROTOCOLS:
        name = f"{protocol} {concession}" if protocol == "alternating" else protocol
        for cap in (5, 20, None if protocol == "zeuthen" else 100):
            results = [negotiated(scenario, protocol, concession, cap) for scenario in scenarios]
            rows[f"{name}, {cap or 'no'} cap" if cap is None else f"{name}, {cap} rounds"] = alone(scenarios, results)
            if cap == 5:
                rows[f"{name}, {cap} rounds + escalation"] = helped(results)
    return rows


def negotiated(scenario: Scenario, protocol: str, concession: str, cap: int | None) -> Result:
    """One negotiation."""
    return negotiate(scenario, protocol=protocol, concession=concession, rounds=cap, rng=random.Random(1))


def alone(scenarios: list[Scenario], results: list[Result]) -> dict[str, float]:
    """The means of what the protocol came to by itself."""
    agreed = [result.stop == "agreed" for result in results]
    apart = [
        distances(scenario, result.outcome if own else None)
        for scenario, result, own in zip(scenarios, results, agreed, strict=True)
    ]
    keys = ("pareto", "nash", "kalai", "welfare", "nash_product")
    return {
        "agreed": mean(agreed),
        **{key: mean(one[key] or 0.0 for one in apart) for key in keys},
        "score": mean(result.agreement if own else 0.0 for result, own in zip(results, agreed, strict=True)),
        "rounds": mean(result.rounds for result in results),
    }


def helped(results: list[Result]) -> dict[str, float]:
    """The means of what came out in the end."""
    return {
        "agreed": mean(result.outcome is not None for result in results),
        "pareto": mean(result.pareto_distance or 0.0 for result in results),
        "nash": mean(result.nash_distance or 0.0 for result in results),
        "kalai": mean(result.kalai_distance or 0.0 for result in results),
        "welfare": mean(result.welfare or 0.0 for result in results),
        "nash_product": mean(result.nash_product or 0.0 for result in results),
        "score": mean(result.agreement for result in results),
        "rounds": mean(result.rounds for result in results),
    }


def slowest(scenarios: list[Scenario]) -> dict[str, float]:
    """CPU seconds of a negotiation over the most outcomes, with everything that is made before."""
    largest = max(scenarios, key=lambda scenario: scenario.space.count)
    before = time.process_time()
    negotiate(Scenario(largest.issues, largest.preferences), rounds=None)
    return {"outcomes": largest.space.count, "seconds": time.process_time() - before}


def report(result: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    texts = []
    for kind, number in result["scenarios"].items():
        rows = [[name, *(_cell(key, value) for key, value in row.items())] for name, row in result[kind].items()]
        texts.append(table([f"{kind}, {number} scenarios", *HEAD], rows))
    slow = result["slowest"]
    texts.append(
        "Pareto, Nash and KS are distances to the nearest efficient deal, the Nash point and the Kalai-Smorodinsky "
        "point, in utilities from 0 to 1; welfare and Nash product are shares of the largest. Where a protocol does "
        "not agree everybody has its reservation value; with escalation `negotiate` helps at the cap. The largest "
        f"scenario ({slow['outcomes']:,} outcomes) takes {slow['seconds']:.2f} s of CPU."
    )
    return "\n\n".join([*texts, conditions(result)])


def _cell(key: str, value: float) -> str:
    return f"{value:.0%}" if key == "agreed" else f"{value:.1f}" if key == "rounds" else f"{value:.3f}"


if __name__ == "__main__":
    main()
