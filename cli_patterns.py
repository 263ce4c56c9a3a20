"""`agora patterns`: what goes with failure, success and cost, in a memory or in a log of one's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from .cli_memory import Folder, opened
from .cli_tools import AsJson

if TYPE_CHECKING:
    from .nodes.patterns import Pattern
    from .nodes.trend import Trend

patterns_app = typer.Typer()

SHOWN = 3  # experiences behind a pattern that are named
COLOURS = {"failure": "red", "success": "green", "efficiency": "blue"}


@patterns_app.command("patterns")
def patterns(
    file: Annotated[
        Path | None, typer.Argument(help="A JSONL file of experiences, as `agora memory export` writes it.")
    ] = None,
    path: Folder = None,
    rate: Annotated[float, typer.Option(help="The share of logs without any pattern in which one may be reported.")] = (
        0.05
    ),
    min_support: Annotated[int, typer.Option(help="How many experiences a pattern needs.")] = 10,
    self_judged: Annotated[bool, typer.Option(help="Count outcomes that only the agent itself judged.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what goes with failure, success, time and tokens, and when the rate of success changed."""
    from .nodes.mining.outcomes import counted
    from .nodes.patterns import mine
    from .nodes.trend import trend

    runs = _runs(file, path)
    with Console(stderr=True, quiet=as_json).status(f"looking for patterns in {len(runs):,} experiences"):
        found = mine(runs, rate=rate, min_support=min_support, self_judged=self_judged)
        known = [run for _, run in counted(runs, self_judged=self_judged)]
        change = trend([run["success"] for run in known])
    if as_json:
        result = {"experiences": len(known), "patterns": [one.to_dict() for one in found], "trend": change.to_dict()}
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        return
    console = Console(soft_wrap=True)
    for one in found:
        console.print(_lines(one), highlight=False)
    if not found:
        console.print(f"no pattern in {len(known):,} experiences whose outcome is known", highlight=False)
    console.print(_words(change, known), highlight=False)


def _runs(file: Path | None, path: Path | None) -> list[dict[str, Any]]:
    """The experiences of a file, or of a memory with those that were pruned; oldest first."""
    if file is None:
        with opened(path, read_only=True) as memory:
            return memory.experiences(pruned=True)
    from .memory.files import read_entries

    return [entry.value for entry in read_entries(file, at="1970-01-01T00:00:00Z") if entry.kind == "experience"]


def _lines(one: Pattern) -> str:
    """A pattern in three lines: what and how sure, the sentence, the experiences behind it."""
    from .nodes.mining.pattern import listed

    low, high = one.interval
    behind = list(map(str, one.evidence[-SHOWN:]))
    more = f" and {len(one.evidence) - SHOWN:,} more" if len(one.evidence) > SHOWN else ""
    return (
        f"[{COLOURS[one.kind]}]{one.kind}[/]  [bold]{escape(listed(one.conditions))}[/]  effect {one.effect:+.2f} "
        f"({low:+.2f} to {high:+.2f}), support {one.support:,}, p {one.p:.2g}\n"
        f"   {escape(one.words)}\n   [dim]experiences {escape(', '.join(behind))}{more}[/]"
    )


def _words(change: Trend, runs: Sequence[Mapping[str, Any]]) -> str:
    """The changes of the rate of success, and how it is now."""
    lines = [
        f"success went from {one.before:.0%} to {one.after:.0%} at experience {one.at + 1:,}"
        f" ({escape(str(runs[one.at].get('at', '')))}), p {one.p:.2g}"
        for one in change.changes
    ]
    if change.now is None or change.interval is None:
        return "nothing is known of success yet"
    low, high = change.interval
    return "\n".join(
        [*lines, f"success {'since then' if lines else 'of all'} {change.now:.0%} ({low:.0%} to {high:.0%})"]
    )
