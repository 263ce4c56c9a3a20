"""Which problems of the planning competition are solved, and how soon, against up-aries on the same files?

    .venv/bin/python bench/hddl.py [--seconds 30] [--only NAME ...] [--small] [--dry] [--without-aries]

The instances are those inside the wheel of unified-planning: 22 with total and 6 with partial order. Each is solved in
a process of its own that gets so many seconds of CPU, reading the files included; what up-aries calls gets as many.
Every plan is judged by `verify`, and by aries-val as a second opinion: it knows neither forall nor constraints between
the parameters of methods.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
import unified_planning.test
from report import conditions, cpu_seconds, machine, store, table, write_section

from langgraph_agora.nodes.planning.hddl import read_hddl
from langgraph_agora.nodes.planning.matching import bindings
from langgraph_agora.nodes.planning.plan import Plan, PlanNode
from langgraph_agora.nodes.planning.search import Limits, find_plan
from langgraph_agora.nodes.planning.verifying import verify

BUNDLED = Path(unified_planning.test.__file__).parent / "hddl"
SMALL = ("to-Towers", "po-Rover")
WALL = 10  # Seconds of the clock for one of CPU, on a machine that has other things to do.
JUDGING = 30  # Seconds of CPU for the judges of a plan, each.
TRAPS = (
    "Its INVALID says nothing here: it knows no forall over a type without objects (Monroe), no parameters of the "
    "problem's network, and no action that deletes and adds a fact, which is true afterwards in HDDL (Woodworking)."
)
Row = dict[str, Any]


def main() -> None:
    """Measure, store and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="CPU seconds for an instance")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="instances, such as to-Towers")
    parser.add_argument("--small", action="store_true", help="a smoke test: two small instances, only printed")
    parser.add_argument("--dry", action="store_true", help="only print")
    parser.add_argument("--without-aries", action="store_true", help="do not run up-aries as a planner")
    parser.add_argument("--worker", nargs=3, metavar=("WHO", "NAME", "SECONDS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        who, name, seconds = arguments.worker
        WORKERS[who](name, int(seconds))
        return
    names = arguments.only or SMALL if arguments.only or arguments.small else instances()
    result = {**machine(), "seconds": arguments.seconds, "rows": []}
    result["versions"] = {one: version(one) for one in ("unified-planning", "up-aries")}
    for name in names:
        row = {"name": name, "agora": in_process("agora", name, arguments.seconds)}
        if not arguments.without_aries:
            row["aries"] = in_process("aries", name, arguments.seconds)
        print(json.dumps(row), flush=True)
        result["rows"].append(row)
    print(report(result))
    if not (arguments.dry or arguments.small or arguments.only):
        store("hddl", result)
        write_section("hddl", report(result))


def instances() -> list[str]:
    """The names of the instances, total order first."""
    names = [folder.name.removeprefix("2020-") for folder in BUNDLED.iterdir() if folder.is_dir()]
    return sorted(names, key=lambda name: (not name.startswith("to-"), name))


def files(name: str) -> tuple[Path, Path]:
    """The domain and the problem of an instance."""
    folder = BUNDLED / f"2020-{name}"
    return folder / "domain.hddl", folder / "instance.1.pb.hddl"


def in_process(who: str, name: str, seconds: int) -> Row:
    """What a worker found out about an instance; the limit of its CPU time may have ended it."""
    command = [sys.executable, __file__, "--worker", who, name, str(seconds)]
    wall = WALL * (seconds + 2 * JUDGING if who == "agora" else seconds)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=wall, check=False)
    except subprocess.TimeoutExpired:
        return {"solved": False, "why": "the clock"}
    # The last line is the fullest; a judge may have ended the process before it.
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if lines:
        found: Row = json.loads(lines[-1])
        return found
    return {"solved": False, "why": f"{seconds} s" if done.returncode < 0 else done.stderr.strip()[-300:]}


def limit(seconds: int) -> None:
    """Let this process and those that it starts use so much CPU time each."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def agora(name: str, seconds: int) -> None:
    """Read, plan and judge; prints a line of JSON."""
    limit(seconds)
    begin = cpu_seconds()
    problem = read_hddl(*files(name))
    read = cpu_seconds() - begin
    tasks, order, limits = problem.root.tasks, problem.order, Limits(nodes=None, seconds=None)
    plan = find_plan(problem.domain, problem.init, tasks, order=order, limits=limits)
    found = {"solved": plan.found, "read": read, "search": cpu_seconds() - begin - read, "nodes": plan.searched}
    limit(int(cpu_seconds()) + JUDGING)
    faults = verify(plan)
    found |= {"why": plan.reason, "steps": len(plan.steps), "faults": faults}
    print(json.dumps(found), flush=True)  # aries-val may end this process.
    print(json.dumps({**found, "second_opinion": second_opinion(name, plan)}), flush=True)


def aries(name: str, seconds: int) -> None:
    """The same with up-aries, whose planner is a process of its own with the same limit."""
    limit(seconds)
    problem = read_by_unified_planning(name)
    from unified_planning.shortcuts import OneshotPlanner

    begin = time.monotonic()
    try:
        with OneshotPlanner(name="aries") as planner:
            result = planner.solve(problem)
    except Exception as error:  # A contestant that fails is a cell of the table.
        print(json.dumps({"solved": False, "why": ended(error, seconds)}))
        return
    found = {"solved": result.plan is not None, "why": result.status.name, "wall": time.monotonic() - begin}
    if result.plan is not None:
        actions = result.plan.action_plan
        found["steps"] = len(list(getattr(actions, "actions", None) or actions.timed_actions))
    print(json.dumps(found))


def ended(error: Exception, seconds: int) -> str:
    """Why a call of up-aries failed: most often its process was ended by the limit of its CPU time."""
    text = " ".join(str(error).split())
    return f"{seconds} s" if "UNAVAILABLE" in text else f"{type(error).__name__}: {text}"[:200]


WORKERS: dict[str, Callable[[str, int], None]] = {"agora": agora, "aries": aries}


def second_opinion(name: str, plan: Plan) -> str:
    """What aries-val says of a plan: VALID, INVALID, or why it says nothing."""
    problem = read_by_unified_planning(name)
    limit(int(cpu_seconds()) + JUDGING)  # Its process gets as much.
    from unified_planning.shortcuts import PlanValidator

    try:
        with PlanValidator(name="aries-val") as judge:
            result = judge.validate(problem, translated(problem, plan))
    except Exception as error:  # A judge that fails is a cell of the table.
        return ended(error, JUDGING)
    reasons = [one.message for one in result.log_messages or ()]
    return ": ".join([str(result.status.name), *reasons[-1:]])[:200]


def read_by_unified_planning(name: str) -> Any:
    """The problem as the reader of unified-planning has it."""
    warnings.simplefilter("ignore")
    from unified_planning.io import PDDLReader
    from unified_planning.shortcuts import get_environment

    get_environment().credits_stream = None
    return PDDLReader().parse_problem(*map(str, files(name)))


def translated(problem: Any, plan: Plan) -> Any:
    """A plan as unified-planning has it: the actions, and which method with which parameters decomposes which task."""
    from unified_planning.plans import ActionInstance, SequentialPlan
    from unified_planning.plans.hierarchical_plan import Decomposition, HierarchicalPlan, MethodInstance

    def objects(names: Sequence[str]) -> tuple[Any, ...]:
        return tuple([problem.environment.expression_manager.ObjectExp(problem.object(name)) for name in names])

    def under(node_id: int, network: Any) -> Any:
        parts = [child for child in plan.children[node_id] if child.task != (":goal",)]
        return Decomposition({identifier(network, child.key): made[child.id] for child in parts})

    made: dict[int, Any] = {}
    steps = len(plan.steps)
    for node in reversed(plan.nodes):  # A task stands before its subtasks.
        if node.is_step:
            steps -= 1
            made[node.id] = ActionInstance(problem.action(node.task[0]), objects(node.task[1:]))
        elif not node.task[0].startswith(":"):
            method = problem.method(node.method.partition(" ")[0])
            binding = binding_of(plan, node, plan.states[steps])
            parameters = objects([binding[f"?{one.name}"] for one in method.parameters])
            made[node.id] = MethodInstance(method, parameters, under(node.id, method))
    whole = next((node.id for node in plan.children[0] if node.task == (":htn",)), 0)
    return HierarchicalPlan(SequentialPlan([made[step.id] for step in plan.steps]), under(whole, problem.task_network))


def identifier(network: Any, key: str) -> str:
    """What unified-planning calls a subtask; one without an id has its place for a key."""
    return str(network.subtasks[int(key[1:]) - 1].identifier) if key.startswith("#") else key


def binding_of(plan: Plan, node: PlanNode, state: Any) -> dict[str, str]:
    """The parameters of a method, also those that no subtask shows."""
    method, made = plan.method_of(node), {child.key: child.task for child in plan.children[node.id]}
    for binding in bindings(method, state, node.task[1:], plan.domain):
        if all(made[key] == (task[0], *[binding.get(arg, arg) for arg in task[1:]]) for key, task in method.subtasks):
            return binding
    raise ValueError(f"No binding of {node.method} makes {made}.")


def report(result: Row) -> str:
    """The table and its conditions."""
    rows = result["rows"]
    total = [row for row in rows if is_total(row["name"])]
    own, other = (sum(row.get(who, {}).get("solved", False) for row in total) for who in ("agora", "aries"))
    head = ["instance", "read, s", "plan, s", "steps", "verify", "aries-val", "up-aries, s", "steps"]
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return (
        f"The instances inside unified-planning; {result['seconds']} s of CPU each. Of {len(total)} with total order "
        f"{own} are solved, by up-aries {other} (its times are of the clock). Every plan is judged by `verify`, and by "
        f"aries-val as a second opinion. {TRAPS}\n\n{table(head, [cells(row) for row in rows])}\n\n"
        f"{conditions(result)} {versions}."
    )


def cells(row: Row) -> list[object]:
    """A line of the table."""
    own, other = row["agora"], row.get("aries", {"solved": False, "why": "not run"})
    read = f"{own['read']:.2f}" if "read" in own else ""
    theirs = [f"{other['wall']:.1f}", other["steps"]] if other["solved"] else [other["why"], ""]
    if not own["solved"]:
        return [row["name"], read, own["why"], "", "", "", *theirs]
    judged = " ".join(own["faults"])[:60] or "right"
    second = own.get("second_opinion", "").partition(":")[0]
    return [row["name"], read, f"{own['search']:.3f}", own["steps"], judged, second, *theirs]


def is_total(name: str) -> bool:
    """Whether an instance has total order."""
    return name.startswith("to-")


if __name__ == "__main__":
    main()
