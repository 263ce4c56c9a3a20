"""How long does planning take, against GTPyhop in the same process; how good are schedules, how small are repairs?

    .venv/bin/python bench/planning.py [--rounds 5] [--small] [--dry]

Every planner solves the same problems (planning_domains.py), one after the other in every round; times are CPU
milliseconds, medians of the rounds, from the call to the list of actions, which is checked. A planner that fails is a
cell of the table, not a crash: GTPyhop's recursive strategy ends where Python's stack does.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
os.environ["GTPYHOP_QUIET"] = "true"  # It greets at import.
import gtpyhop
from planning_domains import Action, Foreign, Problem, Stated, backtracking, blocks, deep, stages
from report import conditions, machine, store, table, write_section

from langgraph_agora.nodes.planning.repair import Failure, repair
from langgraph_agora.nodes.planning.scheduling import schedule_tasks
from langgraph_agora.nodes.planning.search import Limits, find_plan

SERIES: dict[str, tuple[Callable[[int], Problem], tuple[int, ...]]] = {
    "blocks": (blocks, (10, 20, 40, 80, 120, 200)),
    "deep": (deep, (100, 250, 1000, 5000, 20_000)),
    "backtracking": (backtracking, (8, 10, 12)),
}
SMALL = {"blocks": (10, 20), "deep": (100, 250), "backtracking": (4, 6)}
FUNCTIONS, DATA, ITERATIVE, RECURSIVE = "agora", "agora, data", "gtpyhop iterative", "gtpyhop recursive"
PLANNERS = (FUNCTIONS, DATA, ITERATIVE, RECURSIVE)
STRATEGIES = {ITERATIVE: "iterative_dfs_backtracking", RECURSIVE: "recursive_dfs"}
BAR = 0.25
NO_LIMITS = Limits(nodes=None, seconds=None)  # GTPyhop has none either.
LEAST_MS = 20  # What is shorter is repeated within a round.
SCHEDULES = Path(__file__).parent.parent / "tests" / "data" / "schedules.json"


def main() -> None:
    """Measure, store and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a smoke test: a few small problems, only printed")
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    result = {
        **machine(),
        "gtpyhop": version("gtpyhop-core"),
        "rounds": arguments.rounds,
        "series": {
            name: series(make, SMALL[name] if arguments.small else sizes, arguments.rounds)
            for name, (make, sizes) in SERIES.items()
        },
        "schedules": schedules(),
        "repair": repaired(20 if arguments.small else 200),
    }
    print(report(result))
    if not (arguments.dry or arguments.small):
        store("planning", result)
        write_section("planning", report(result))


def series(make: Callable[[int], Problem], sizes: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """For each size the number of actions, and for each planner its median CPU milliseconds or the error's name."""
    return [measured(size, make(size), rounds) for size in sizes]


def measured(size: int, problem: Problem, rounds: int) -> dict[str, Any]:
    """All planners on one problem, one after the other in every round."""
    solvers = contestants(problem)
    found: dict[str, Any] = {"size": size, "ms": {}}
    times: dict[str, list[float]] = {}
    repeats: dict[str, int] = {}
    for name, solve in solvers.items():
        try:
            spent, actions = milliseconds(solve)
        except RecursionError as error:
            found["ms"][name] = type(error).__name__
            continue
        problem.check([one for one in actions if one[0] != "finish"])  # a bookkeeping step of the blocks as data
        found["actions"] = len(actions) if name == FUNCTIONS else found["actions"]
        repeats[name] = math.ceil(LEAST_MS / spent)
        times[name] = []
    for _ in range(rounds):
        for name, count in repeats.items():
            times[name].append(milliseconds(solvers[name], count)[0])
    found["ms"].update({name: median(spent) for name, spent in times.items()})
    return found


def contestants(problem: Problem) -> dict[str, Callable[[], list[Action]]]:
    """What solves a problem, by name; each returns the list of actions."""
    return {
        FUNCTIONS: lambda: ours(problem.functions),
        DATA: lambda: ours(problem.data),
        **{name: their_planner(problem.theirs, strategy) for name, strategy in STRATEGIES.items()},
    }


def ours(problem: Stated) -> list[Action]:
    """Our plan, as a list of actions."""
    plan = find_plan(problem.domain, problem.state, problem.tasks, limits=NO_LIMITS)
    return [step.task for step in plan.steps]


def their_planner(problem: Foreign, strategy: str) -> Callable[[], list[Action]]:
    """GTPyhop with a strategy. Its domain, strategy and log are global, so all three are set before each plan."""
    gtpyhop.main.verbose = 0
    domain = gtpyhop.Domain(strategy)
    for name, action in problem.actions.items():
        domain._action_dict[name] = action
    for task, ways in problem.methods.items():
        gtpyhop.declare_task_methods(task, *ways)

    def solve() -> list[Action]:
        gtpyhop.set_current_domain(domain)
        gtpyhop.set_recursive_planning(strategy)
        found: list[Action] = gtpyhop.find_plan(gtpyhop.State("start", **problem.variables()), list(problem.tasks))
        return found

    return solve


def milliseconds(solve: Callable[[], list[Action]], count: int = 1) -> tuple[float, list[Action]]:
    """The CPU time of one plan, and its actions. GTPyhop logs every plan for ever, which would slow down the next."""
    gtpyhop.destroy_logger("gtpyhop_global")
    gtpyhop.main._global_logger = None
    gc.collect()
    before = time.process_time()
    for _ in range(count):
        actions = solve()
    return (time.process_time() - before) * 1000 / count, actions


def schedules() -> list[dict[str, Any]]:
    """For each graph of tasks and number of workers our makespan, and the optimum, which is proven."""
    found = []
    for case in json.loads(SCHEDULES.read_text())["cases"]:
        before: dict[str, list[str]] = {task: [] for task in case["durations"]}
        for first, second in case["edges"]:
            before[second].append(first)
        start = time.process_time()
        own = schedule_tasks(case["durations"], before, case["workers"])
        spent = (time.process_time() - start) * 1000
        found.append(
            {
                "name": case["name"],
                "tasks": len(before),
                "workers": case["workers"],
                "optimum": case["opt"],
                "agora": own.makespan,
                "ms": spent,
            }
        )
    return found


def repaired(count: int) -> dict[str, Any]:
    """A plan of stages whose middle one fails for good: what its repair decomposes anew, and what keeps its id."""
    problem = stages(count)
    plan = find_plan(problem.domain, problem.state, problem.tasks)
    at = next(place for place, step in enumerate(plan.steps) if step.task == ("work", f"s{count // 2}"))
    failed = plan.steps[at]
    inside = {failed.parent, *[step.id for step in plan.steps_under(failed.parent)]}
    start = time.process_time()
    mended = repair(
        plan,
        [step.id for step in plan.steps[:at]],
        plan.states[at],
        Failure(failed.id, "error", "it is down"),
        without=frozenset([(failed.task, "")]),
    )
    spent = (time.process_time() - start) * 1000
    assert mended.plan is not None
    kept = [node for node in plan.nodes if node.id not in inside]
    return {
        "stages": count,
        "decompositions": mended.decompositions,
        "others": len(kept),
        "kept": sum(mended.plan.by_id.get(node.id) == node for node in kept),
        "ms": spent,
    }


def report(result: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    series = result["series"]
    ratios = [ratio(row) for rows in series.values() for row in rows]
    growths = "; ".join(f"{name} {growth(rows)}" for name, rows in series.items())
    worst = max(row["agora"] / row["optimum"] for row in result["schedules"])
    mended = result["repair"]
    parts = [
        *[series_table(name, rows) for name, rows in series.items()],
        f"CPU milliseconds from the call to the list of actions, which was checked; medians of {result['rounds']} "
        f"interleaved rounds. `{FUNCTIONS}` and GTPyhop {result['gtpyhop']} are given the same Python functions, "
        f"`{DATA}` has the domain as data. The ratio is `{FUNCTIONS}` to `{ITERATIVE}`: {min(ratios):.2f} to "
        f"{max(ratios):.2f} ({BAR} at most is wanted). From the smallest size to the largest time "
        f"grows: {growths}.",
        schedules_table(result["schedules"]),
        f"Makespans are at most {worst:.3f} times the optimum. Of a plan of {mended['stages']} stages the middle one "
        f"fails for good: its repair makes {mended['decompositions']} new decompositions in {mended['ms']:.0f} ms, and "
        f"{mended['kept']} of the {mended['others']} tasks outside of that stage stay as they are.",
        conditions(result),
    ]
    return "\n\n".join(parts)


def series_table(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """One series: a line for each size."""
    lines = [
        [f"{row['size']:,}", f"{row['actions']:,}", *(shown(row["ms"][one]) for one in PLANNERS), f"{ratio(row):.2f}"]
        for row in rows
    ]
    return table([name, "actions", *PLANNERS, "ratio"], lines)


def schedules_table(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each graph of tasks and number of workers."""
    lines = [
        [
            f"{row['name']}, {row['tasks']} on {row['workers']}",
            *(f"{row[key]:g}" for key in ("optimum", "agora")),
            f"{row['agora'] / row['optimum']:.3f}",
            f"{row['ms']:.1f}",
        ]
        for row in rows
    ]
    return table(["makespans: tasks on workers", "optimum", "agora", "ratio", "CPU ms"], lines)


def shown(time_or_error: float | str) -> str:
    """A number of milliseconds, or the name of an error."""
    return time_or_error if isinstance(time_or_error, str) else f"{time_or_error:,.2f}"


def ratio(row: dict[str, Any]) -> float:
    """Our time over theirs."""
    return float(row["ms"][FUNCTIONS] / row["ms"][ITERATIVE])


def growth(rows: Sequence[dict[str, Any]]) -> str:
    """How many times as long the largest size takes as the smallest, for us and for them."""
    own, theirs = (rows[-1]["ms"][name] / rows[0]["ms"][name] for name in (FUNCTIONS, ITERATIVE))
    return f"{own:,.0f} times against {theirs:,.0f}"


if __name__ == "__main__":
    main()
