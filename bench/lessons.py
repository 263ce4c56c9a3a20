"""How often are lessons decided rightly, and what does withholding by lot find that comparing runs does not?

    .venv/bin/python bench/lessons.py [--times 2000] [--small] [--dry]

Streams of runs with a known effect of a lesson are drawn and given to the rules that the graph uses (nodes/lessons.py).
Nothing is timed; the seeds are fixed, so that the same code has the same numbers.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
from report import conditions, machine, store, table, write_section
from wilson import wilson

from langgraph_agora.nodes.lesson_trials import ACTIVE_SHARE, EVERY, FIRST, MOST, SHARE, better
from langgraph_agora.nodes.lessons import Lesson, counted, judged, new_lesson, withheld

BASE = 0.55  # The success rate without the lesson.
EFFECTS = (-0.25, -0.15, 0.0, 0.15, 0.25)
SHARES = (SHARE, 0.25)
FIXED = 0.98  # The posterior probability that suffices at every look of the rule that is compared.
WATCHED = ((-0.25, 400), (-0.15, 400), (0.0, 400), (0.1, 2000), (0.2, 2000))  # Effect after the promotion, and runs.
AT = "2026-11-28T12:00:00+00:00"


def main() -> None:
    """Simulate, store and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=2000)
    parser.add_argument("--small", action="store_true", help="a smoke test: a few streams, only printed")
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    times = 40 if arguments.small else arguments.times
    result = {
        **machine(),
        "times": times,
        "trials": [trial(share, effect, times) for share in SHARES for effect in EFFECTS],
        "watched": [watched(effect, runs, max(times // 10, 20)) for effect, runs in WATCHED],
        "confounded": confounded(max(min(times, 300), 20)),
    }
    print(report(result))
    if not (arguments.dry or arguments.small):
        store("lessons", result)
        write_section("lessons", report(result))


def trial(share: float, effect: float, times: int) -> dict[str, Any]:
    """How trials of a lesson with an effect end, under our rule and under a bar that is the same at every look."""
    rng = random.Random(f"{share} {effect}")
    ends, fixed = [], []
    for number in range(times):
        lesson, runs = new_lesson(f"Lesson {number}.", kind="execution", pattern=None, at=AT), []
        drawn = stream(rng, lesson, share, effect, MOST)
        while lesson["state"] == "candidate":
            runs = drawn[: len(runs) + EVERY]
            lesson = judged(counted(lesson, runs), at=AT)
        ends.append((ended(lesson), len(runs)))
        fixed.append(by_fixed_bar(drawn))
    return {
        "share": share,
        "effect": effect,
        "ends": {end: sum(one == end for one, _ in ends) for end in ("promoted", "harmful", "no proof")},
        "runs": median(number for _, number in ends),
        "fixed": {end: fixed.count(end) for end in ("promoted", "harmful", "no proof")},
    }


def stream(rng: random.Random, lesson: Lesson, share: float, effect: float, runs: int) -> list[dict[str, Any]]:
    """Trials of a lesson: withheld by our draw, successes by chance."""
    rows = []
    for number in range(runs):
        run = f"run {number}"
        given = not withheld(lesson, run, share=share)
        success = rng.random() < BASE + effect * given
        rows.append({"run": run, "given": given, "success": success, "at": AT})
    return rows


def ended(lesson: Lesson) -> str:
    """In words what became of a lesson on trial."""
    if lesson["state"] == "active":
        return "promoted"
    return "no proof" if lesson["why"].startswith("No proven benefit") else "harmful"


def by_fixed_bar(trials: Sequence[dict[str, Any]]) -> str:
    """The end under a posterior probability that has to be passed once, at any look."""
    blank = new_lesson("A lesson.", kind="execution", pattern=None, at=AT)
    for number in range(FIRST, MOST + 1, EVERY):
        counts = counted(blank, trials[:number])["counts"]
        if better(counts["given"], counts["withheld"]) >= FIXED:
            return "promoted"
        if better(counts["withheld"], counts["given"]) >= FIXED:
            return "harmful"
    return "no proof"


def watched(effect: float, runs: int, times: int) -> dict[str, Any]:
    """How many lessons that have this effect after their promotion are retired within so many runs."""
    rng, ends = random.Random(f"watched {effect}"), []
    for number in range(times):
        fresh = new_lesson(f"Lesson {number}.", kind="execution", pattern=None, at=AT)
        proof = [{"run": f"proof {i}", "given": i % 2 == 0, "success": i % 2 == 0, "at": AT} for i in range(20)]
        lesson = judged(counted(fresh, proof), at=AT)
        later = stream(rng, lesson, ACTIVE_SHARE, effect, runs)
        for end in range(EVERY, runs + 1, EVERY):
            lesson = judged(counted(lesson, [*proof, *later[:end]]), at=AT)
            if lesson["state"] == "retired":
                ends.append(end)
                break
    return {
        "effect": effect,
        "runs": runs,
        "times": times,
        "retired": len(ends),
        "after": median(ends) if ends else None,
    }


def confounded(times: int, runs: int = 400) -> dict[str, Any]:
    """A lesson that adds 0.10 and is recalled for hard tasks more than for easy ones: its effect, found in two ways."""
    rng, by_lot, naive = random.Random("confounded"), [], []
    for number in range(times):
        lesson, trials, without = new_lesson(f"Lesson {number}.", kind="risk", pattern=None, at=AT), [], []
        for run in range(runs):
            is_hard = rng.random() < 0.5
            base = 0.3 if is_hard else 0.8
            if rng.random() >= (2 / 3 if is_hard else 1 / 6):
                without.append(rng.random() < base)
                continue
            given = not withheld(lesson, f"run {run}")
            success = rng.random() < base + 0.1 * given
            trials.append({"run": f"run {run}", "given": given, "success": success, "at": AT})
        by_lot.append(counted(lesson, trials)["effect"] or 0.0)
        naive.append(mean(one["success"] for one in trials if one["given"]) - mean(without))
    return {"times": times, "true": 0.1, "by lot": mean(by_lot), "naive": mean(naive)}


def report(result: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    found = result["confounded"]
    null = [row for row in result["trials"] if row["effect"] == 0]
    worst = max(row["ends"]["promoted"] / result["times"] for row in null)
    parts = [
        trials_table(result),
        f"{result['times']:,} streams of at most {MOST} runs for each row, in brackets the 95 % interval; the success "
        f"rate without the lesson is {BASE}. A useless lesson is promoted in at most {worst:.1%}. The last column is "
        f"the same test with a bar that does not change from look to look: a posterior probability of {FIXED}.",
        watched_table(result["watched"]),
        f"What is proven stays withheld in {ACTIVE_SHARE:.0%} of the runs.",
        f"A lesson that adds {found['true']:+.2f} to the success rate and is recalled for hard tasks more than for "
        f"easy ones: comparing the runs from which it was withheld by lot finds {found['by lot']:+.3f}, comparing "
        f"with the runs for which it was not recalled {found['naive']:+.3f} (means of {found['times']} streams).",
        conditions(result),
    ]
    return "\n\n".join(parts)


def trials_table(result: dict[str, Any]) -> str:
    """A line for each share and effect."""
    head = ["withheld, effect", "promoted", "retired as harmful", "retired without proof", "runs (median)"]
    lines = [
        [
            f"{row['share']:.0%}, {row['effect']:+.2f}",
            *(shown(row["ends"][end], result["times"]) for end in ("promoted", "harmful", "no proof")),
            f"{row['runs']:g}",
            f"{row['fixed']['promoted'] / result['times']:.3f} / {row['fixed']['harmful'] / result['times']:.3f}",
        ]
        for row in result["trials"]
    ]
    return table([*head, "same bar: promoted / harmful"], lines)


def watched_table(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each effect after the promotion."""
    lines = [
        [
            f"{row['effect']:+.2f}",
            f"{row['runs']:,}",
            shown(row["retired"], row["times"]),
            "" if row["after"] is None else f"{row['after']:g}",
        ]
        for row in rows
    ]
    return table(["effect after the promotion", "runs", "retired", "after (median)"], lines)


def shown(number: int, of: int) -> str:
    """A share with its interval."""
    low, high = wilson(number, of)
    return f"{number / of:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
