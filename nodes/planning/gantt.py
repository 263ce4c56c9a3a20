"""A plan as text: the tree of its tasks, and a Gantt chart of its schedule."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...errors import ConfigError
from ..text import clean
from .ordering import critical_path
from .plan import Plan, PlanNode
from .scheduling import Row, Schedule

DEEPEST = 24  # Levels of a tree that are shown.
MOST_LINES = 400
LONGEST = 60  # Characters of a name.
CRITICAL, OTHER, MOMENT = "█", "▒", "|"


class Branch(NamedTuple):
    """A line of a tree: a task, or what was left out under the task above.

    `more` is the number of tasks left out, and `last` holds for each level whether no task of the family comes after.
    """

    node: PlanNode | None
    more: int
    last: tuple[bool, ...]


def tree_text(plan: Plan, *, depth: int = DEEPEST, lines: int = MOST_LINES, marks: Mapping[int, str] = {}) -> str:
    """The decomposition: each task with its method, probabilities below 1, and the durations of steps.

    A step on the critical path has a *, and under a step with a contingency stands what is done instead.

    Args:
        plan: A plan that was found, or not: then the explanation.
        depth: Levels that are shown; of what lies deeper only how much there is.
        lines: Tasks that are shown.
        marks: Something to write in front of tasks, by id, all of the same width: the state of a run.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
        >>> from langgraph_agora.nodes.planning.search import find_plan
        >>> ways = [Method("by_train", "go", subtasks=[("s1", "buy"), ("s2", "ride")], p=0.9)]
        >>> domain = Domain([Operator("buy"), Operator("ride", duration=3), Operator("pay")], ways)
        >>> print(tree_text(find_plan(domain, {}, ["go", "pay"])))
        ├─ go: by_train, p 0.9
        │  ├─ buy, 1 *
        │  └─ ride, 3 *
        └─ pay, 1 *
    """
    if not plan.found:
        return f"{plan.reason}: {plan.explanation}"
    critical = set(critical_path(plan)[1])
    instead = {one.step: ", ".join(map(str, one.added)) for one in plan.contingencies}
    blank = " " * max(map(_width, marks.values()), default=0)
    found = []
    for node, more, last in branches(plan, depth, lines):
        front = "".join("   " if over else "│  " for over in last[:-1]) + ("└─ " if last[-1] else "├─ ")
        if node is None:
            found.append(f"{blank}{front}... {more:,} more")
            continue
        star = " *" if node.id in critical else ""
        found.append(f"{marks.get(node.id, blank)}{front}{words(plan, node)}{star}")
        if node.id in instead:
            under = front[:-3] + ("   " if last[-1] else "│  ")
            found.append(f"{blank}{under}   else {one_line(instead[node.id]) or 'nothing more'}")
    return "\n".join(found) or "(nothing has to be done)"


def gantt_text(schedule: Schedule, plan: Plan | None = None, *, width: int = 100, by: str = "step") -> str:
    """A Gantt chart for a terminal; █ is on the critical path, ▒ is not.

    Args:
        schedule: What to draw.
        plan: The names of the steps; without it their ids.
        width: Of the lines, in characters, at least 40.
        by: step (a line for each) or worker.

    Raises:
        ConfigError: The width is below 40, or `by` is something else.

    Example:
        >>> from langgraph_agora.nodes.planning.scheduling import schedule_tasks
        >>> found = schedule_tasks({"left": 5, "right": 3, "join": 1}, {"join": ["left", "right"]}, 2)
        >>> print(gantt_text(found, width=40))
        left  ██████████████████████      w1 0-5
        right ▒▒▒▒▒▒▒▒▒▒▒▒▒               w2 0-3
        join                        █████ w1 5-6
        6 on 2 workers, 75% busy; proven shortest; █ critical path
    """
    if width < 40:
        raise ConfigError(f"width was {width!r}; give at least 40 characters.")
    if by not in ("step", "worker"):
        raise ConfigError(f"by was {by!r}; give step or worker.")
    if not schedule.rows:
        return "(nothing has to be done)"
    lines = (_by_step if by == "step" else _by_worker)(schedule, names_of(schedule, plan), width)
    total = len(schedule.workers) * schedule.makespan
    busy = f", {schedule.work / total:.0%} busy" if total else ""
    proven = "; proven shortest" if schedule.optimal else ""
    workers = "1 worker" if len(schedule.workers) == 1 else f"{len(schedule.workers)} workers"
    return "\n".join([*lines, f"{schedule.makespan:g} on {workers}{busy}{proven}; {CRITICAL} critical path"])


def branches(plan: Plan, depth: int = DEEPEST, lines: int = MOST_LINES) -> Iterator[Branch]:
    """The lines of a tree, a task before its subtasks; what is too deep or too much is counted."""
    sizes = dict.fromkeys(plan.by_id, 1)
    for node in reversed(plan.nodes):
        if node.parent:
            sizes[node.parent] += sizes[node.id]
    stack = _family(plan.children[0], ())
    shown = counted = 0
    while stack:
        node, last = stack.pop()
        if shown == lines:
            yield Branch(None, len(plan.nodes) - counted, (True,))
            return
        yield Branch(node, 0, last)
        shown, counted = shown + 1, counted + 1
        if len(last) < depth:
            stack.extend(_family(plan.children[node.id], last))
        elif sizes[node.id] > 1:
            yield Branch(None, sizes[node.id] - 1, (*last, True))
            counted += sizes[node.id] - 1


def words(plan: Plan, node: PlanNode) -> str:
    """A task in a line: what it is, then its method or its duration, then its probability where that is below 1.

    Names are cut to 60 characters and kept in one line.
    """
    own = f": {one_line(node.method)}" if node.method else f", {plan.duration_of(node):g}"
    p = plan.method_of(node).p if node.method else plan.domain.operator[node.task[0]].p
    return one_line(str(node)) + own + (f", p {p:.3g}" if p < 1 else "")


def names_of(schedule: Schedule, plan: Plan | None) -> dict[Any, str]:
    """What the rows of a schedule are called: the steps of the plan, or their ids."""
    return {row.id: one_line(str(plan.by_id[row.id] if plan else row.id)) for row in schedule.rows}


def one_line(text: str) -> str:
    """A name in one line, cut to 60 characters."""
    whole = " ".join(clean(text).split())
    return whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 1]}…"


def _family(nodes: Sequence[PlanNode], above: tuple[bool, ...]) -> list[tuple[PlanNode, tuple[bool, ...]]]:
    """Subtasks, the last one first, as they go on a stack."""
    return [(node, (*above, not number)) for number, node in enumerate(reversed(nodes))]


def _by_step(schedule: Schedule, names: Mapping[Any, str], width: int) -> list[str]:
    rows, critical = schedule.rows, set(schedule.critical_path)
    ends = [f"{_fit(one_line(row.worker), 12).rstrip()} {row.start:g}-{row.end:g}" for row in rows]
    first = min(max(map(_width, names.values())), width // 3)
    columns = max(5, width - first - max(map(len, ends)) - 2)
    lines = []
    for row, end in zip(rows, ends, strict=True):
        bar = [" "] * columns
        _paint(bar, row, schedule.makespan, CRITICAL if row.id in critical else OTHER)
        lines.append(f"{_fit(names[row.id], first)} {''.join(bar)} {end}")
    return lines


def _by_worker(schedule: Schedule, names: Mapping[Any, str], width: int) -> list[str]:
    first, critical = min(max(map(_width, schedule.workers)), width // 4), set(schedule.critical_path)
    lines = []
    for worker in schedule.workers:
        bar = [" "] * (width - first - 1)
        for row in schedule.rows:
            if row.worker == worker:
                _paint(bar, row, schedule.makespan, CRITICAL if row.id in critical else OTHER, names[row.id])
        lines.append(f"{_fit(one_line(worker), first)} {''.join(bar).rstrip()}".rstrip())
    return lines


def _paint(bar: list[str], row: Row, makespan: float, kind: str, name: str = "") -> None:
    """Draw a step into a line of characters; with a name its begin is marked, and the name is inside if it fits."""
    scale = len(bar) / makespan if makespan else 0.0
    begin = min(int(row.start * scale + 1e-9), len(bar) - 1)
    if row.start == row.end:
        bar[begin] = MOMENT
        return
    end = max(int(row.end * scale + 1e-9), begin + 1)
    bar[begin:end] = kind * (end - begin)
    if name:
        bar[begin] = MOMENT
    if name.isascii() and (inside := end - begin - 1) >= min(len(name), 3):
        bar[begin + 1 : end] = _fit(name, min(inside, len(name))) + kind * (inside - len(name))


def _width(text: str) -> int:
    """How many columns of a terminal a text takes: letters of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _fit(text: str, columns: int) -> str:
    """Cut or filled up to a width."""
    if _width(text) > columns:
        while _width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - _width(text))
