"""`agora plan`: find a plan for a domain file, without a model, and show it as a tree and a Gantt chart."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from .cli_tools import AsJson, check_plot, text_of
from .errors import ConfigError, nearest

if TYPE_CHECKING:
    from .nodes.planning.domain_files import Problem
    from .nodes.planning.plan import Plan
    from .nodes.planning.scheduling import Schedule

plan_app = typer.Typer()


@plan_app.command("plan")
def plan(
    file: Annotated[Path, typer.Argument(help="A domain in JSON, or a problem in HDDL; - reads JSON.")],
    tasks: Annotated[
        list[str] | None,
        typer.Option(help='What is to be done, in this order: "ship(o1), ship(o2)".'),
    ] = None,
    domain: Annotated[Path | None, typer.Option(help="The domain of an HDDL problem.")] = None,
    optimise: Annotated[
        str | None, typer.Option(help="Improve the plan for probability, cost or duration; the first one else.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many steps can be done at once; any number else.")
    ] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="At most so many search nodes.")] = None,
    seconds: Annotated[float, typer.Option(help="At most so many seconds.")] = 30.0,
    draw: Annotated[bool, typer.Option("--draw", help="Print the tree of tasks and the Gantt chart.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the Gantt chart into this .png or .svg file.")] = None,
    tree: Annotated[Path | None, typer.Option(help="Draw the tree of tasks into this .png or .svg file.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the plan to this JSON file.")] = None,
    check: Annotated[
        Path | None, typer.Option(help="Do not search: verify a plan that --save wrote, edited by hand perhaps.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Find a plan by decomposing tasks; exits with 1 when there is none."""
    from .nodes.json_text import read_json_text
    from .nodes.planning.contingencies import contingencies
    from .nodes.planning.plan_files import plan_from_json, plan_to_json
    from .nodes.planning.risks import risks
    from .nodes.planning.search import Limits, find_plan

    for path in (plot, tree):
        if path:
            check_plot(path)
    problem = read(file, domain)
    given, order = (
        (list(problem.root.tasks), problem.order) if not tasks else (_tasks(tasks, problem.domain.names), "total")
    )
    if not given:
        raise ConfigError(f"{str(file)!r} names no tasks; add a root, or give --tasks.")
    limits = Limits(nodes=nodes or Limits().nodes, seconds=seconds)
    console = Console(stderr=as_json, quiet=as_json)
    with Console(stderr=True, quiet=as_json).status("planning"):
        if check:
            found = plan_from_json(read_json_text(text_of(check), str(check)), problem)
        else:
            found = find_plan(problem.domain, problem.init, given, order=order, limits=limits, optimise=optimise)
        if found:
            found = contingencies(found)
    for note in problem.notes:
        console.print(f"note: {note}", highlight=False, markup=False, style="dim")
    if not found:
        if as_json:
            sys.stdout.write(json.dumps(_missing(found) | {"notes": list(problem.notes)}) + "\n")
        else:
            console.print(f"{found.reason}: {found.explanation}", highlight=False, markup=False)
        return 1
    if save:
        _write(save, json.dumps(plan_to_json(found), ensure_ascii=False) + "\n", "plan")
    timed = _timed(found, workers)
    if as_json:
        result = _result(found) | {
            "makespan": timed.makespan,
            "schedule": timed.to_dict(),
            "risks": risks(found).to_dict(),
            "notes": list(problem.notes),
        }
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        _print(console, found, timed, draw)
    if plot or tree:
        from .plan_plots import save_gantt, save_tree

        if plot:
            save_gantt(timed, found, plot)
        if tree:
            save_tree(found, tree)
    return 0


def read(file: Path, domain: Path | None) -> Problem:
    """The problem in a file: JSON, or HDDL with its domain beside it.

    Raises:
        ConfigError: It cannot be read; the message says where.
    """
    from .nodes.planning.domain_files import read_problem
    from .nodes.planning.hddl import read_hddl

    if file.suffix.lower() != ".hddl":
        if domain:
            raise ConfigError("--domain goes with an HDDL problem; a JSON file holds its domain itself.")
        return read_problem(text_of(file))
    if domain is None:
        beside = [file.with_name(name) for name in ("domain.hddl", f"{file.stem.rsplit('-', 1)[0]}-domain.hddl")]
        domain = next((path for path in beside if path.exists() and path != file), None)
    if domain is None:
        raise ConfigError(f"The domain of {str(file)!r} is not beside it; give it with --domain FILE.")
    text_of(domain), text_of(file)  # Refuses in words what cannot be read.
    return read_hddl(domain, file)


def changed(problem: Problem, changes: Sequence[str]) -> Problem:
    """The problem with other values at the start, each written variable=value.

    Raises:
        ConfigError: A change is written another way.
    """
    from .nodes.planning.facts import Facts, atom

    values: dict[str, Any] = {}
    for one in changes:
        name, equals, value = one.partition("=")
        if not equals:
            raise ConfigError(f"--change was {one!r}; give variable=value, such as budget=90.")
        atom(name)
        try:
            values[name.strip()] = json.loads(value)
        except ValueError:
            values[name.strip()] = value.strip()
    Facts(values)
    return replace(problem, init={**problem.init, **values})


def asked_of(problem: Problem, goal: str) -> Problem:
    """The problem, when a goal names tasks of its domain.

    Raises:
        ConfigError: A line of it is something else.
    """
    from .nodes.planner import named_tasks

    if not named_tasks(problem.domain, goal.strip()):
        known = problem.domain.names
        said = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        hint = nearest(goal.strip().partition("(")[0].strip(), known)
        raise ConfigError(f"{goal.strip()!r} names no task of the domain; name one a line: {said}.{hint}")
    return problem


def write_domain(path: Path, result: dict[str, Any]) -> None:
    """Write the domain with the methods that a model made; nothing where it made none.

    Raises:
        ConfigError: The file cannot be written.
    """
    from .nodes.planning.domain_files import read_problem, write_problem

    if not result.get("domain"):
        sys.stderr.write("agora: no method was made, so nothing was saved\n")
        return
    _write(path, write_problem(read_problem(json.dumps(result["domain"]))), "domain")


def _write(path: Path, text: str, what: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The {what} cannot be written to {str(path)!r}: {error.strerror}.") from error


def _tasks(given: Sequence[str], names: Sequence[str]) -> list[Any]:
    """The tasks of --tasks, which may also be written in one, with commas."""
    from .nodes.planning.reading import task_in

    texts = [text for one in given for text in re.split(r",(?![^()]*\))", one)]
    return [task_in(text, names) for text in texts]


def _timed(plan: Plan, workers: int | None) -> Schedule:
    """The schedule on so many workers; without a number on as many as are of use."""
    from .nodes.planning.scheduling import MOST_WORKERS, schedule

    if workers is not None:
        return schedule(plan, workers)
    timed = schedule(plan, max(1, min(len(plan.steps), MOST_WORKERS)))
    return schedule(plan, max(1, len({row.worker for row in timed.rows})))


def _result(plan: Plan) -> dict[str, Any]:
    return plan.to_dict() | {"plan": [str(step) for step in plan.steps], "reason": ""}


def _missing(plan: Plan) -> dict[str, Any]:
    none = {"plan": None, "success_probability": None, "makespan": None}
    return plan.to_dict() | none


def _print(console: Console, plan: Plan, timed: Any, draw: bool) -> None:
    from .nodes.planning.gantt import gantt_text, tree_text

    if draw:
        console.print(tree_text(plan), highlight=False, markup=False, soft_wrap=True)
        console.print(gantt_text(timed, plan), highlight=False, markup=False, soft_wrap=True)
    else:
        for number, step in enumerate(plan.steps, 1):
            console.print(f"{number:>4}  {step}", highlight=False, markup=False)
    words = f"{len(plan.steps)} steps, success {plan.success_probability:.3g}, makespan {timed.makespan:g}"
    stored = f", {len(plan.contingencies)} contingencies" if plan.contingencies else ""
    console.print(f"{words}{stored}{'' if not plan.optimal else '; proven best'}", highlight=False, markup=False)
