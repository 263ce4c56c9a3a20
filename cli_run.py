"""`agora run PATTERN ...`: run a graph on a question, draw what happens, print the result."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from .errors import ConfigError

run_app = typer.Typer(no_args_is_help=True, help="Run a pattern on a question.")

Model = Annotated[
    str, typer.Option("--model", "-m", help="embedded, ollama:NAME, openai:NAME, ... (see: agora models).")
]


BudgetCalls = Annotated[int | None, typer.Option(help="Model calls in all.")]
BudgetTokens = Annotated[int | None, typer.Option(help="Tokens in and out together.")]
BudgetSeconds = Annotated[float | None, typer.Option(help="Seconds in all.")]
ModelSeconds = Annotated[float, typer.Option(help="Time limit of one model call.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Trace = Annotated[Path | None, typer.Option(help="Write what happens to this JSON Lines file, row by row.")]
Agents = Annotated[str, typer.Option(help="How many agents, or their names: ann,bob,cem.")]


@run_app.command("react")
def run_react(
    question: Annotated[str, typer.Argument(help="What to answer; - reads it from standard input.")],
    model: Model = "embedded",
    docs: Annotated[
        Path | None, typer.Option(help="A folder or file (txt, md, pdf) that the agent may search.")
    ] = None,
    mcp: Annotated[str | None, typer.Option(help="MCP servers: a JSON file, JSON, or a URL.")] = None,
    max_steps: Annotated[int, typer.Option(help="At most so many model calls.")] = 10,
    loop_guard: Annotated[bool, typer.Option(help="Watch for loops.")] = True,
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    tool_seconds: Annotated[float, typer.Option(help="Time limit of one tool call.")] = 30.0,
    as_json: AsJson = False,
    trace: Trace = None,
) -> int:
    """One agent that thinks, acts and observes in turn, with a loop guard."""
    from .budget import Budget
    from .graphs.react import create_react
    from .models import load_model
    from .nodes.react import ReactContext
    from .tools import calculate, create_search, load_mcp

    asked = _asked(question, 'agora run react "What is 17 * 23?"')
    budget = Budget(max_calls=budget_calls, max_tokens=budget_tokens, max_seconds=budget_seconds)
    console = Console(stderr=as_json, quiet=as_json)
    with console.status("reading the documents and starting the tools" if docs or mcp else "loading the tools"):
        tools = [calculate, *([create_search(docs)] if docs else []), *(load_mcp(mcp) if mcp else [])]
    builder = create_react(tools, max_steps=max_steps, loop_guard=loop_guard)
    context = ReactContext(model=model, model_seconds=model_seconds, tool_seconds=tool_seconds)
    with console.status("loading the model"):
        load_model(model)
    graph = builder.compile(name="react")
    return _run(graph, asked, context, budget, console, as_json, trace)


@run_app.command("consensus")
def run_consensus(
    question: Annotated[str, typer.Argument(help="What to decide; - reads it from standard input.")],
    agents: Agents = "3",
    protocol: Annotated[
        str, typer.Option("--protocol", "-p", help="majority, borda, raft, pbft, bft, ... (a wrong name lists all).")
    ] = "majority",
    model: Model = "embedded",
    option: Annotated[
        list[str] | None, typer.Option(help="What can be voted for (several times); agents propose else.")
    ] = None,
    threshold: Annotated[str, typer.Option(help="The share for the protocol qualified.")] = "2/3",
    rounds: Annotated[int, typer.Option(help="Rounds of voting at most.")] = 3,
    tolerate: Annotated[int | None, typer.Option(help="How many lying agents must be survived.")] = None,
    faults: Annotated[str, typer.Option(help="For trials: ann=crashed,bob=lying (or slow, babbling).")] = "",
    early_stop: Annotated[bool, typer.Option(help="End a round when it is decided.")] = True,
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    as_json: AsJson = False,
    trace: Trace = None,
) -> int:
    """Several agents that propose and vote; counting and agreeing is code."""
    from .budget import Budget
    from .graphs.consensus import create_consensus, faults_from, panel
    from .models import load_model
    from .nodes.deliberation import ConsensusContext

    asked = _asked(question, 'agora run consensus "Which colour has the sky?"')
    budget = Budget(max_calls=budget_calls, max_tokens=budget_tokens, max_seconds=budget_seconds)
    console = Console(stderr=as_json, quiet=as_json)
    builder = create_consensus(
        panel(agents),
        protocol=protocol,
        threshold=threshold,
        rounds=rounds,
        tolerate=tolerate,
        faults=faults_from(faults),
        early_stop=early_stop,
        options=option or (),
    )
    with console.status("loading the model"):
        load_model(model)
    context = ConsensusContext(model=model, model_seconds=model_seconds)
    return _run(builder.compile(name="consensus"), asked, context, budget, console, as_json, trace)


@run_app.command("auction")
def run_auction(
    task: Annotated[str, typer.Argument(help="What is to be done (for vcg one task a line); - reads it.")],
    agents: Agents = "3",
    kind: Annotated[str, typer.Option(help="vickrey, first_price, english or vcg.")] = "vickrey",
    reserve: Annotated[float | None, typer.Option(help="The most that is paid for a task.")] = 1_000,
    capacity: Annotated[int, typer.Option(help="How many tasks an agent may be given.")] = 1,
    step: Annotated[float, typer.Option(help="Of the english clock.")] = 1,
    judge: Annotated[bool, typer.Option(help="Let a further agent judge what is delivered.")] = False,
    acceptance: Annotated[str, typer.Option(help="What is asked of a delivery, in words.")] = "",
    model: Model = "embedded",
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    work_seconds: Annotated[float, typer.Option(help="The deadline of a contract.")] = 300.0,
    as_json: AsJson = False,
    trace: Trace = None,
) -> int:
    """Agents bid for a task; the winner does it, and the next one when it fails."""
    from .agents import Agent
    from .budget import Budget
    from .graphs.auction import create_auction
    from .graphs.consensus import panel
    from .models import load_model
    from .nodes.bidding import AuctionContext

    asked = _asked(task, 'agora run auction "Write a line about the sea."')
    budget = Budget(max_calls=budget_calls, max_tokens=budget_tokens, max_seconds=budget_seconds)
    console = Console(stderr=as_json, quiet=as_json)
    builder = create_auction(
        panel(agents),
        kind=kind,
        reserve=reserve,
        capacity=capacity,
        step=step,
        judge=Agent("judge", role="You are strict and fair.") if judge or acceptance else None,
        acceptance=acceptance,
    )
    with console.status("loading the model"):
        load_model(model)
    context = AuctionContext(model=model, model_seconds=model_seconds, work_seconds=work_seconds)
    return _run(builder.compile(name="auction"), asked, context, budget, console, as_json, trace)


def _asked(question: str, example: str) -> str:
    asked = sys.stdin.read() if question == "-" else question
    if not asked.strip():
        raise ConfigError(f"There is no question. Give one: {example}")
    return asked


def failed(message: str, code: int) -> int:
    """Say in one line what went wrong, and return the exit code."""
    sys.stderr.write(f"agora: {' '.join(message.split())}\n")
    return code


def _run(
    graph: Any, question: str, context: Any, budget: Any, console: Console, as_json: bool, trace: Path | None
) -> int:
    """Stream a graph on a question; draw it, trace it, print the result. Returns the exit code."""
    from .display import Display, TraceFile, interrupted, outputs

    display = Display(console)
    rows: dict[str, list[dict[str, Any]]] = {}
    with TraceFile(trace) as file:
        try:
            with display.working():
                state = asyncio.run(_follow(graph, question, context, budget, display, file, rows))
            result, code = outputs(state), 1 if state["stop"] == "error" else 0
        except KeyboardInterrupt:
            result, code = interrupted(rows), 1
        file.write({"result": {key: value for key, value in result.items() if key not in rows}})
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    elif code == 0:
        display.result(result)
    if code:
        kept = f" The trace is in {trace}." if trace else ""
        done = ", ".join(f"{len(some)} {key}" for key, some in rows.items()) or "0 steps"
        failed(f"{result['error']} after {done}.{kept}", code)
    return code


async def _follow(
    graph: Any, question: str, context: Any, budget: Any, display: Any, file: Any, rows: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """Stream a graph; rows are kept as they come.

    Async, because a sync stream that is interrupted first waits for the model call under way.
    """
    from .display import row_of

    state: dict[str, Any] = {}
    stream = graph.astream(
        {"messages": [("user", question)]},
        {"callbacks": [budget]},
        context=context,
        stream_mode=["custom", "values"],
        output_keys=graph.output_channels,
    )
    async for mode, part in stream:
        if mode == "values":
            state = part
            continue
        display.show(part)
        if (row := row_of(part)) is not None:
            rows.setdefault(row[0], []).append(row[1])
            file.write(row[1])
    return state
