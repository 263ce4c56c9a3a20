"""The picture of learning: the success rate over the runs, and when lessons were promoted and retired.

matplotlib draws it (extra `plots`); it is loaded when something is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .nodes.lesson_making import whole
from .nodes.mining.effects import wilson
from .nodes.text import clean, shorten
from .plots import BLUE, GREEN, GREY, RED, checked_path

LEAST_WINDOW = 10  # Runs; a rate of fewer says nothing.
MOST_EVENTS = 12  # that are named; more names than that fill the picture
LINE = 90  # characters of a lesson below the picture


@dataclass(frozen=True, slots=True)
class Event:
    """A lesson came into a state (active or retired) when so many runs were done."""

    run: int
    state: str
    text: str


def save_learning(
    experiences: Sequence[Mapping[str, Any]],
    histories: Sequence[Sequence[Mapping[str, Any]]],
    path: Path | str,
    *,
    window: int | None = None,
) -> None:
    """Draw the success rate over the runs, as a moving window with its 95 % band, and what happened to the lessons.

    Args:
        experiences: The runs, oldest first; one whose success is not known is left out.
        histories: For each lesson all of its versions, oldest first.
        path: A .png or .svg file.
        window: How many runs a point of the line is the mean of; without it a fifth of them, from 10 to 50.

    Raises:
        ConfigError: There are fewer than 10 runs, the window is not from 1 to their number, or the file cannot be
            written.
    """
    path = checked_path(Path(path))
    runs = [one for one in experiences if one["success"] is not None]
    if len(runs) < LEAST_WINDOW:
        raise ConfigError(
            f"There are {len(runs)} runs whose success is known; a picture needs {LEAST_WINDOW}. Let some more run."
        )
    size = max(LEAST_WINDOW, min(50, len(runs) // 5)) if window is None else window
    if not 1 <= size <= len(runs):
        raise ConfigError(f"The window was {size:,} runs; give 1 to {len(runs):,}.")
    outcomes = [bool(one["success"]) for one in runs]
    happened = events(runs, histories)
    named = happened[:MOST_EVENTS]
    figure, axes = _figure(len(named))
    _rate(axes, outcomes, size)
    _levels(axes, outcomes)
    _events(axes, happened, len(named))
    axes.set_xlim(1, len(runs) + 0.5)
    axes.set_ylim(0, 1.1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("\n".join(["runs", *(_line(number, event) for number, event in enumerate(named))]), loc="left")
    axes.set_title(f"success over the last {size} runs, with its 95 % interval", loc="left", fontsize=11)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    _save(figure, path)


def moving(outcomes: Sequence[bool], window: int) -> list[tuple[int, float, float, float]]:
    """For each run from the window's size on: its number, and the rate of the window that ends there, low and high.

    Example:
        >>> [(number, rate) for number, rate, _, _ in moving([True, False, True, True], 2)]
        [(2, 0.5), (3, 0.5), (4, 1.0)]
    """
    rows, won = [], 0
    for number, success in enumerate(outcomes, 1):
        won += success - (outcomes[number - 1 - window] if number > window else 0)
        if number >= window:
            rows.append((number, won / window, *wilson(won, window)))
    return rows


def events(runs: Sequence[Mapping[str, Any]], histories: Sequence[Sequence[Mapping[str, Any]]]) -> list[Event]:
    """When lessons were promoted and retired, in the order of the runs.

    Example:
        >>> runs = [{"at": f"2026-11-28T12:0{minute}:00+00:00"} for minute in range(5)]
        >>> versions = [{"text": "Plan.", "state": "candidate", "decided": None},
        ...             {"text": "Plan.", "state": "active", "decided": "2026-11-28T12:02:30+00:00"}]
        >>> events(runs, [versions])
        [Event(run=3, state='active', text='Plan.')]
    """
    times = [_seconds(one["at"]) for one in runs]
    found = set()
    for versions in histories:
        for version in map(whole, versions):
            if version["state"] in ("active", "retired") and version["decided"]:
                when = _seconds(version["decided"])
                found.add((when, sum(time <= when for time in times), version["state"], version["text"]))
    return [Event(run, state, text) for _, run, state, text in sorted(found)]


def _rate(axes: Any, outcomes: Sequence[bool], window: int) -> None:
    numbers, rates, lows, highs = zip(*moving(outcomes, window), strict=True)
    axes.fill_between(numbers, lows, highs, color=BLUE, alpha=0.15, linewidth=0)
    marker = "o" if len(numbers) == 1 else None  # A line of one point would not be seen.
    axes.plot(numbers, rates, color=BLUE, linewidth=1.8, marker=marker, label="success")


def _levels(axes: Any, outcomes: Sequence[bool]) -> None:
    """The mean between the changes of the trend."""
    from .nodes.trend import trend  # noqa: PLC0415  (it loads scipy)

    changes = trend(outcomes).changes
    edges = [0, *(change.at for change in changes), len(outcomes)]
    for number, (start, end) in enumerate(pairwise(edges)):
        mean = sum(outcomes[start:end]) / (end - start)
        name = None if number else "mean between changes of the trend" if changes else "mean of all runs"
        axes.plot([start + 1, end], [mean, mean], color=GREY, linestyle="--", linewidth=1.2, zorder=1, label=name)


def _events(axes: Any, happened: Sequence[Event], named: int) -> None:
    letters: dict[int, list[str]] = {}
    for number, event in enumerate(happened):
        colour = GREEN if event.state == "active" else RED
        axes.plot([event.run, event.run], [0, 1], color=colour, linewidth=1, alpha=0.7, zorder=1)
        if number < named:
            letters.setdefault(event.run, []).append(_letter(number))
    for place, (run, some) in enumerate(letters.items()):
        # Those of neighbours stand above each other.
        axes.text(run, 1.02 + 0.04 * (place % 2), " ".join(some), fontsize=9, ha="center", va="bottom")
    for state, words, colour in (("active", "lesson promoted", GREEN), ("retired", "lesson retired", RED)):
        if any(event.state == state for event in happened):
            axes.plot([], [], color=colour, linewidth=1, label=words)


def _line(number: int, event: Event) -> str:
    words = shorten(clean(event.text), LINE).replace("$", r"\$")
    return f"{_letter(number)}  {'promoted' if event.state == 'active' else 'retired'} after run {event.run}: {words}"


def _letter(number: int) -> str:
    return chr(ord("a") + number)


def _seconds(at: str) -> float:
    """ISO 8601 in seconds; a time without a zone is UTC."""
    when = datetime.fromisoformat(at)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _figure(lines: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415  (0.3 s, and an extra)

    figure = Figure(figsize=(9, 4.6 + 0.2 * lines), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    from matplotlib import rc_context  # noqa: PLC0415

    try:
        # No date and no chance inside, so that the same picture is the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        with rc_context({"svg.hashsalt": "learning"}):
            figure.savefig(path, dpi=130, metadata=metadata)
    except OSError as error:
        raise ConfigError(f"The picture cannot be written to {str(path)!r}: {error.strerror}.") from error
