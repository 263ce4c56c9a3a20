"""How true are a fitted judge and a calibrated confidence, on runs that they have not seen?

    .venv/bin/python bench/judging.py [--seeds 50] [--quick] [--dry]

The runs are made up, so that the chance of each is known. A task is more or less hard, and the harder it is, the more
often the agent repeats itself, errs, calls tools that do not exist and gives up; what success then depends on is one of
five rules. Judges are fitted on 200, 400 and 1,000 runs and measured on 400 others. No judge can do better than the
true chances, whose ECE is not 0 either, because 400 runs are few for ten bins.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
from report import conditions, machine, store, table, write_section

from langgraph_agora.nodes.calibration import ece, fit_calibration, reliability
from langgraph_agora.nodes.judging import fit_judge
from langgraph_agora.nodes.meta import judge

SIZES = (200, 400, 1000)
UNSEEN = 400
Steps = list[dict[str, Any]]


class Made(NamedTuple):
    """A made-up run: its steps, whether it succeeds, and how likely that was."""

    steps: Steps
    success: bool
    chance: float


def main() -> None:
    """Measure, store and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="a smoke test: two seeds, only printed")
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    seeds = 2 if arguments.quick else arguments.seeds
    result = {
        **machine(),
        "seeds": seeds,
        "confidence": {name: confidence(make, seeds) for name, make in STATED.items()},
        "judge": {f"{rule}, {size} runs": judged(rule, size, seeds) for rule in RULES for size in SIZES},
        "cost": cost(),
    }
    print(report(result))
    if not arguments.dry and not arguments.quick:
        store("judging", result)
        write_section("judging", report(result))


def sigmoid(z: float) -> float:
    """The probability whose log odds are z."""
    return 1 / (1 + math.exp(-z))


# What models state, and the chance that they are right.


def overconfident(rng: random.Random) -> tuple[float, float]:
    """Log odds twice as far from 0 as they should be."""
    sure = rng.gauss(0, 1)
    return sigmoid(4 * sure), sigmoid(2 * sure)


def rounded(rng: random.Random) -> tuple[float, float]:
    """A few round numbers, most of them high, as models say them."""
    return rng.choices([(0.5, 0.3), (0.8, 0.45), (0.9, 0.55), (0.95, 0.6), (1.0, 0.8)], [2, 3, 5, 2, 8])[0]


def empty(rng: random.Random) -> tuple[float, float]:
    """Numbers that say nothing: a small model's verbalised confidence was .83 on average, right or wrong."""
    return rng.choice([0.7, 0.8, 0.9, 0.95]), 0.56


STATED: dict[str, Callable[[random.Random], tuple[float, float]]] = {
    "overconfident": overconfident,
    "round numbers": rounded,
    "says nothing": empty,
}


def confidence(make: Callable[[random.Random], tuple[float, float]], seeds: int) -> dict[str, list[float]]:
    """ECE on 500 rows: as stated, calibrated on 500 others, and by the calibration of the overconfident model."""
    found: dict[str, list[float]] = {"stated": [], "calibrated": [], "borrowed": []}
    for seed in range(seeds):
        rng = random.Random(f"confidence {seed}")
        fitted, borrowed = (fit_calibration(*stated(one, rng)) for one in (make, overconfident))
        values, right = stated(make, rng)
        found["stated"].append(ece(values, right))
        found["calibrated"].append(ece([fitted.apply(value) for value in values], right))
        found["borrowed"].append(ece([borrowed.apply(value) for value in values], right))
    return found


def stated(make: Callable[[random.Random], tuple[float, float]], rng: random.Random) -> tuple[list[float], list[bool]]:
    """What was stated in 500 rows, and whether it was right."""
    rows = [make(rng) for _ in range(500)]
    return [value for value, _ in rows], [rng.random() < chance for _, chance in rows]


# Runs, and what their success depends on.

RULES: dict[str, Callable[[Steps, dict[str, int], float], float]] = {
    "each mishap counts": lambda steps, seen, hard: sigmoid(
        2.2 - 0.9 * seen["stale"] - 0.7 * seen["error"] - 0.6 * seen["unknown"] - 1.5 * (not answered(steps))
    ),
    "the share of mishaps": lambda steps, seen, hard: sigmoid(
        2.5 - (6 * seen["stale"] + 4 * (seen["error"] + seen["unknown"])) / len(steps)
    ),
    "none, few or many": lambda steps, seen, hard: (0.9, 0.6, 0.6, 0.15)[min(3, sum(seen.values()))],
    "one repetition spoils it": lambda steps, seen, hard: 0.9 if not seen["stale"] else 0.2,
    "hardly on the steps": lambda steps, seen, hard: sigmoid(0.4 * (1 - 2 * hard) - 0.5),
}


def made(rule: str, rng: random.Random) -> Made:
    """A run of up to 13 steps."""
    hard = rng.random()
    steps: Steps = []
    seen = {"stale": 0, "error": 0, "unknown": 0}
    for _ in range(rng.randint(1, 3 + int(9 * hard))):
        kind, step = drawn(hard, steps, rng)
        if kind in seen:
            seen[kind] += 1
        steps.append({**step, "confidence": min(1.0, max(0.0, round(rng.gauss(0.9 - 0.3 * hard, 0.1), 2)))})
    if rng.random() < 0.95 - 0.4 * hard:
        steps.append({"action": "final_answer", "input": {"answer": "done"}, "observation": "done"})
    chance = RULES[rule](steps, seen, hard)
    return Made(steps, rng.random() < chance, chance)


def drawn(hard: float, steps: Steps, rng: random.Random) -> tuple[str, dict[str, Any]]:
    """The kind of the next step, and the step."""
    number = rng.randrange(10**6)
    searched = [step for step in steps if step["action"] == "search"]
    mishap = rng.random() / hard
    if mishap < 0.35 and searched:
        return "stale", rng.choice(searched)
    if mishap < 0.6:
        failed = {"observation": f"Error: bad request {number}", "is_error": True}
        return "error", {"action": "search", "input": {"query": f"topic {number}"}, **failed}
    if mishap < 0.67:
        return "unknown", {"action": "hex", "input": {}, "observation": "Error: unknown tool hex", "is_error": True}
    if rng.random() < 0.25:
        return "", {"action": "reason", "thought": f"idea {number}", "input": {}, "observation": "Noted."}
    return "", {"action": "search", "input": {"query": f"topic {number}"}, "observation": f"fact {number}"}


def answered(steps: Steps) -> bool:
    """Whether a run ends in an answer."""
    return steps[-1]["action"] == "final_answer"


def judged(rule: str, size: int, seeds: int) -> dict[str, dict[str, float]]:
    """Who judges -> mean AUROC, ECE and Brier score on unseen runs."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for seed in range(seeds):
        rng = random.Random(f"{rule} {seed}")
        fitted = fit_judge((run.steps, run.success) for run in several(rule, size, rng))
        unseen = list(several(rule, UNSEEN, rng))
        right = [run.success for run in unseen]
        scores = {
            "by hand": [judge(run.steps).score for run in unseen],
            "fitted": [judge(run.steps, fitted=fitted).score for run in unseen],
            "true chances": [run.chance for run in unseen],
        }
        for name, values in scores.items():
            rows.setdefault(name, []).append(reliability(values, right).to_dict())
    return {
        name: {figure: fmean(one[figure] for one in told) for figure in ("auroc", "ece", "brier", "constant")}
        for name, told in rows.items()
    }


def several(rule: str, number: int, rng: random.Random) -> Iterator[Made]:
    """So many runs."""
    return (made(rule, rng) for _ in range(number))


def cost() -> dict[str, float]:
    """CPU milliseconds: of a fit on 1,000 runs' features, and of one judgement by hand and with a fitted judge."""
    from langgraph_agora.nodes.judging import features_of_run

    runs = list(several("each mishap counts", 1000, random.Random("cost")))
    rows = [(features_of_run(run.steps), run.success) for run in runs]
    fitted = fit_judge(rows)
    return {
        "fit": median(milliseconds(lambda: fit_judge(rows)) for _ in range(9)),
        "by hand": milliseconds(lambda: [judge(run.steps) for run in runs]) / len(runs),
        "fitted": milliseconds(lambda: [judge(run.steps, fitted=fitted) for run in runs]) / len(runs),
    }


def milliseconds(job: Callable[[], object]) -> float:
    """CPU time of a job."""
    before = time.process_time()
    job()
    return (time.process_time() - before) * 1000


def report(result: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    stated_rows = [
        [name, *(f"{fmean(found[column]):.3f}" for column in ("stated", "calibrated", "borrowed"))]
        for name, found in result["confidence"].items()
    ]
    judged_rows = [
        [
            name,
            *(f"{found[who]['auroc']:.3f}" for who in found),
            *(f"{found[who]['ece']:.3f}" for who in found),
            *(f"{found[who]['brier']:.3f}" for who in found),
            f"{found['fitted']['constant']:.3f}",
        ]
        for name, found in result["judge"].items()
    ]
    who = ["by hand", "fitted", "true"]
    head = ["success depends on", *(f"{figure}, {one}" for figure in ("AUROC", "ECE", "Brier") for one in who)]
    spent = result["cost"]
    return (
        f"Means over {result['seeds']} seeds. ECE of stated confidence, and after calibration on 500 outcomes of its "
        "own or of another model (the overconfident one):\n\n"
        f"{table(['', 'as stated', 'calibrated', 'borrowed'], stated_rows)}\n\n"
        f"The judgement of {UNSEEN} unseen runs:\n\n"
        f"{table([*head, 'Brier, constant'], judged_rows)}\n\n"
        f"A fit on the features of 1,000 runs takes {spent['fit']:.0f} ms of CPU, a judgement by hand "
        f"{spent['by hand']:.2f} ms, with a fitted judge {spent['fitted']:.2f} ms. {conditions(result)}"
    )


if __name__ == "__main__":
    main()
