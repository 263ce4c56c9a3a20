"""Running a graph from the command line: it is drawn as it goes, traced, and its result printed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from .errors import ConfigError

if TYPE_CHECKING:
    from .budget import Budget
    from .nodes.run import RunContext

BROKEN = ("error", "interrupted")  # Stops of a run that came to no end; what is there is only told.
UNDONE = ("failed", "no_plan", "limit", "exhausted", "max_replans")  # Of one that did not do what was asked.


def run_graph(
    graph: Any,
    question: str,
    context: RunContext,
    budget: Budget,
    as_json: bool,
    trace: Path | None,
    plot: Callable[[dict[str, Any]], None] | None = None,
) -> int:
    """Stream a graph on a question; draw it, trace it, print the result. Returns the exit code."""
    from .display import Display, TraceFile, interrupted, outputs
    from .models import load_model
    from .nodes.run import checked_seconds

    checked_seconds(context, *(field.name for field in fields(context) if field.name.endswith("_seconds")))
    console = Console(stderr=as_json, quiet=as_json)
    rows: dict[str, list[dict[str, Any]]] = {}
    with TraceFile(trace) as file:  # Before the model is loaded, which may take long.
        with console.status("loading the model"):
            load_model(context.model)
        display = Display(console)
        try:
            with display.working():
                state = asyncio.run(_follow(graph, question, context, budget, display, file, rows))
            result = outputs(state)
        except KeyboardInterrupt:
            result = interrupted(rows)
        file.write({"result": {key: value for key, value in result.items() if key not in rows}})
    broken = result["stop"] in BROKEN
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    elif not broken:
        display.result(result)
    if plot and not broken:
        plot(result)
    if broken:
        kept = f" The trace is in {trace}." if trace else ""
        done = ", ".join(f"{len(some)} {key}" for key, some in rows.items()) or "0 steps"
        failed(f"{result['error']} after {done}.{kept}", 1)
    return 1 if broken or result["stop"] in UNDONE else 0


async def _follow(
    graph: Any, question: str, context: Any, budget: Any, display: Any, file: Any, rows: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """Stream a graph; rows are kept as they come.

    Async, because a sync stream that is interrupted first waits for the model call under way.
    """
    from langgraph.types import Command

    from .cli_people import decisions_on
    from .display import row_of

    state: dict[str, Any] = {}
    given: Any = {"messages": [("user", question)]}
    while given is not None:
        stream = graph.astream(
            given,
            {"callbacks": [budget], "configurable": {"thread_id": "run"}},
            context=context,
            stream_mode=["custom", "values"],
            output_keys=graph.output_channels,
            subgraphs=True,
        )
        async for within, mode, part in stream:
            if mode == "values":
                state = state if within else part
                continue
            display.show(part)
            if (found := row_of(part)) is not None:
                key, row = found
                rows.setdefault(key, []).append(row)
                file.write({"within": part["agent"], **row} if within and part["agent"] != graph.name else row)
        asked = state.get("__interrupt__")
        with display.paused():
            given = Command(resume=decisions_on(asked)) if asked else None
    return state


def budget_of(calls: int | None, tokens: int | None, seconds: float | None) -> Budget:
    """The budget that the options give."""
    from .budget import Budget

    return Budget(max_calls=calls, max_tokens=tokens, max_seconds=seconds)


def words_of(question: str, example: str) -> str:
    """The question, from standard input where it is -.

    Raises:
        ConfigError: It is empty.
    """
    text = sys.stdin.read() if question == "-" else question
    if not text.strip():
        raise ConfigError(f"There is no question. Give one: {example}")
    return text


def failed(message: str, code: int) -> int:
    """Say in one line what went wrong, and return the exit code."""
    sys.stderr.write(f"agora: {' '.join(message.split())}\n")
    return code
