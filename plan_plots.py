"""Pictures of plans: the tree of tasks, and the Gantt chart of a schedule. matplotlib draws them (extra `plots`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import ConfigError
from .nodes.planning.gantt import Branch, branches, names_of, one_line, words
from .nodes.planning.ordering import critical_path
from .nodes.planning.plan import Plan
from .nodes.planning.scheduling import Row, Schedule
from .plots import GREY, ORANGE, RED, checked_path

ROW = 0.26  # Inches of a line.
LETTER = 0.075  # Inches of a letter, about.
STEP = 0.3  # Inches that a tree goes to the right with each level.
TALLEST = 60.0  # Inches; matplotlib draws no picture of more than 65,536 pixels.
NARROWEST = 6.0
FONT = 9
DEEPEST, MOST_LINES = 16, 200  # Levels and tasks of a tree that are drawn.
MOST_ROWS = 200  # Steps that have a row of their own; more are drawn a row for each worker, without names.


def save_tree(plan: Plan, path: Path | str) -> None:
    """Draw the tree of tasks: a line for each with its method or duration, the critical path in red.

    Of what lies deeper than 16 levels, or comes after 200 tasks, only the number is drawn.

    Args:
        plan: A plan that was found.
        path: A .png or .svg file.

    Raises:
        ConfigError: There is no plan, or the file cannot be written.
    """
    _check_found(plan)
    lines = list(branches(plan, DEEPEST, MOST_LINES))
    texts = [f"{line.more:,} more" if line.node is None else words(plan, line.node) for line in lines]
    width = max(
        [len(line.last) * STEP + (len(text) + 2) * LETTER for line, text in zip(lines, texts, strict=True)], default=0
    )
    figure, axes = _figure(Path(path), max(width + 0.6, NARROWEST), len(lines))
    axes.axis("off")
    axes.set_xlim(0, max(width, NARROWEST - 0.6))
    axes.set_ylim(len(lines) - 0.4, -0.6)
    critical = set(critical_path(plan)[1])
    above: list[int] = []  # The line in which the latest task of each level stands.
    for number, (line, text) in enumerate(zip(lines, texts, strict=True)):
        level = len(line.last) - 1
        if level:
            x = (level - 0.6) * STEP
            begin = above[level] if level < len(above) else above[level - 1] + 0.35
            axes.plot([x, x, x + 0.4 * STEP], [begin, number, number], color=GREY, linewidth=0.8)
        above[level:] = [number]
        _write(axes, level * STEP + 0.06, number, text, _colour(line, critical))
    axes.set_title("red: the critical path", fontsize=FONT, loc="left")
    _save(figure, Path(path))


def save_gantt(schedule: Schedule, plan: Plan | None, path: Path | str) -> None:
    """Draw a Gantt chart: a row for each step, with its worker in brackets; the critical path in red.

    Args:
        schedule: What to draw; with more than 200 steps a row for each worker.
        plan: The names of the steps; None for their ids.
        path: A .png or .svg file.

    Raises:
        ConfigError: The file cannot be written.
    """
    names, critical = names_of(schedule, plan), set(schedule.critical_path)
    by_step = len(schedule.rows) <= MOST_ROWS
    labels = [f"{names[row.id]} [{one_line(row.worker)}]" for row in schedule.rows]
    if not by_step:
        labels = [one_line(worker) for worker in schedule.workers]
    longest = max(map(len, labels), default=0) * LETTER
    figure, axes = _figure(Path(path), 8 + longest, len(labels) + 3)
    if by_step:
        for number, row in enumerate(schedule.rows):
            _bar(axes, number, row, RED if row.id in critical else GREY)
    else:
        _bars_by_worker(axes, schedule, critical)
    axes.set_yticks(range(len(labels)), [_plain(label) for label in labels], fontsize=FONT)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, schedule.makespan * 1.02 or 1)
    axes.set_xlabel("time")
    axes.spines[["top", "right"]].set_visible(False)
    workers = "1 worker" if len(schedule.workers) == 1 else f"{len(schedule.workers)} workers"
    title = f"{schedule.makespan:g} on {workers}; red: the critical path"
    axes.set_title(title, fontsize=FONT + 1, loc="left")
    _save(figure, Path(path))


def _bar(axes: Any, place: int, row: Row, colour: str) -> None:
    if row.end > row.start:
        axes.barh(place, row.end - row.start, left=row.start, height=0.7, color=colour, edgecolor="white")
    else:
        axes.plot([row.start], [place], marker="D", markersize=5, color=colour, clip_on=False)


def _bars_by_worker(axes: Any, schedule: Schedule, critical: set[Any]) -> None:
    """A row for each worker, drawn at once: a bar of its own for each of 5,000 steps took 26 s."""
    rows: dict[str, list[Row]] = {worker: [] for worker in schedule.workers}
    for row in schedule.rows:
        rows[row.worker].append(row)
    for place, own in enumerate(rows.values()):
        long = [row for row in own if row.end > row.start]
        colours = [RED if row.id in critical else GREY for row in long]
        spans = [(row.start, row.end - row.start) for row in long]
        # Thin edges: those of `_bar` would hide bars of a pixel.
        axes.broken_barh(spans, (place - 0.35, 0.7), facecolors=colours, edgecolors="white", linewidth=0.2)
        for colour in (GREY, RED):
            at = [row.start for row in own if row.end <= row.start and (row.id in critical) == (colour == RED)]
            axes.plot(at, [place] * len(at), "D", markersize=5, color=colour, clip_on=False)


def _colour(line: Branch, critical: set[int]) -> str:
    if line.node is None:
        return ORANGE
    return RED if line.node.id in critical else "black"


def _write(axes: Any, x: float, y: float, text: str, colour: str) -> None:
    axes.text(x, y, _plain(text), color=colour, fontsize=FONT, va="center")


def _plain(text: str) -> str:
    """Text in which a dollar sign begins no formula."""
    return text.replace("$", r"\$")


def _check_found(plan: Plan) -> None:
    if not plan.found:
        raise ConfigError(f"There is no plan to draw. {plan.explanation}")


def _figure(path: Path, width: float, lines: int) -> tuple[Any, Any]:
    checked_path(path)
    from matplotlib.figure import Figure  # noqa: PLC0415  (0.3 s, and an extra)

    figure = Figure(figsize=(width, min(lines * ROW + 0.8, TALLEST)), layout="constrained")
    return figure, figure.add_subplot()


def _save(figure: Any, path: Path) -> None:
    from matplotlib import rc_context  # noqa: PLC0415  (0.3 s, and an extra)

    try:
        # No date and no random ids inside, so that the same picture is the same file.
        with rc_context({"svg.hashsalt": "agora"}):
            figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else {})
    except OSError as error:
        raise ConfigError(f"The picture cannot be written to {str(path)!r}: {error.strerror}.") from error
