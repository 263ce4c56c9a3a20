"""`agora`: run, list and draw the graphs, see the models, check the installation."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from .errors import AgoraError, ConfigError, nearest
from .graphs import PATTERNS

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Coordination patterns for LangGraph, from the command line.",
)
run_app = typer.Typer(no_args_is_help=True, help="Run a pattern on a question.")
app.add_typer(run_app, name="run")

Model = Annotated[
    str, typer.Option("--model", "-m", help="embedded, ollama:NAME, openai:NAME, ... (see: agora models).")
]


# Typer carries a copy of Click since 0.24 and imports the real one before: both are reached through its public names.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def main() -> None:
    """Run the command line; wrong input exits with 2, a run that went wrong with 1, each with one line."""
    try:
        code = app(standalone_mode=False)
    except UsageError as error:
        sys.exit(_usage(error))
    except ConfigError as error:
        sys.exit(_fail(str(error), 2))
    except AgoraError as error:
        sys.exit(_fail(str(error), 1))
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(_fail("interrupted", 1))
    except BrokenPipeError:  # The reader of a pipe has gone; there is nobody to tell.
        sys.stderr.close()
        sys.exit(1)
    sys.exit(code or 0)


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
    budget_calls: Annotated[int | None, typer.Option(help="Model calls in all.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Tokens in and out together.")] = None,
    budget_seconds: Annotated[float | None, typer.Option(help="Seconds in all.")] = None,
    model_seconds: Annotated[float, typer.Option(help="Time limit of one model call.")] = 120.0,
    tool_seconds: Annotated[float, typer.Option(help="Time limit of one tool call.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    trace: Annotated[Path | None, typer.Option(help="Write the steps to this JSON Lines file as they happen.")] = None,
) -> int:
    """One agent that thinks, acts and observes in turn, with a loop guard."""
    from .budget import Budget  # noqa: PLC0415  (what a command needs is loaded when it runs: --help stays quick)
    from .graphs.react import create_react  # noqa: PLC0415
    from .models import load_model  # noqa: PLC0415
    from .nodes.react import ReactContext  # noqa: PLC0415
    from .tools import calculate, create_search, load_mcp  # noqa: PLC0415

    asked = sys.stdin.read() if question == "-" else question
    if not asked.strip():
        raise ConfigError('There is no question. Give one: agora run react "What is 17 * 23?"')
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


def _run(
    graph: Any, question: str, context: Any, budget: Any, console: Console, as_json: bool, trace: Path | None
) -> int:
    """Stream a graph on a question; draw it, trace it, print the result. Returns the exit code."""
    from .display import Display, TraceFile, interrupted, outputs  # noqa: PLC0415

    display = Display(console)
    steps: list[Any] = []
    with TraceFile(trace) as file:
        try:
            with display.working():
                state = asyncio.run(_follow(graph, question, context, budget, display, file, steps))
            result, code = outputs(state), 1 if state["stop"] == "error" else 0
        except KeyboardInterrupt:
            result, code = interrupted(steps), 1
        file.write({"result": {key: value for key, value in result.items() if key != "steps"}})
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    elif code == 0:
        display.result(result)
    if code:
        kept = f" The trace is in {trace}." if trace else ""
        _fail(f"{result['error']} after {len(steps)} steps.{kept}", code)
    return code


async def _follow(
    graph: Any, question: str, context: Any, budget: Any, display: Any, file: Any, steps: list[Any]
) -> dict[str, Any]:
    """Stream a graph; async, because a sync stream that is interrupted first waits for the model call under way."""
    state: dict[str, Any] = {}
    stream = graph.astream(
        {"messages": [("user", question)]},
        {"callbacks": [budget]},
        context=context,
        stream_mode=["custom", "values"],
    )
    async for mode, part in stream:
        if mode == "values":
            state = part
            continue
        display.show(part)
        if part["event"] == "step":
            steps.append(part["step"])
            file.write(part["step"])
    return state


@app.command("graphs")
def list_graphs() -> None:
    """List the patterns."""
    table = Table("pattern", "what it is", box=None, pad_edge=False)
    for name, words in PATTERNS.items():
        table.add_row(name, words)
    Console().print(table)


@app.command("draw")
def draw(
    pattern: Annotated[str, typer.Argument(help="The pattern's name.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a .svg, .png or .mmd file; Mermaid on stdout else.")
    ] = None,
) -> None:
    """Draw a pattern: Mermaid text, or a picture."""
    from importlib import import_module  # noqa: PLC0415

    from .drawing import write_drawing  # noqa: PLC0415

    if pattern not in PATTERNS:
        raise ConfigError(
            f"There is no pattern {pattern!r}. Patterns: {', '.join(PATTERNS)}.{nearest(pattern, PATTERNS)}"
        )
    drawing = import_module(f".graphs.{pattern}", __package__).graph.get_graph(xray=True)
    if output is None:
        sys.stdout.write(drawing.draw_mermaid())
    else:
        write_drawing(drawing, output)
        Console().print(f"wrote {output}")


@app.command("models")
def models(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """List what can be used as --model now, and how to get the rest."""
    from .models import list_models  # noqa: PLC0415

    rows = list_models()
    if as_json:
        sys.stdout.write(json.dumps([row._asdict() for row in rows]) + "\n")
        return
    table = Table("model", "usable", "note", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row.spec, "[green]yes[/]" if row.usable else "[dim]no[/]", row.note)
    Console().print(table)


@app.command("doctor")
def doctor() -> int:
    """Check the installation, and say what mends each finding."""
    from .doctor import examine  # noqa: PLC0415

    console, healthy = Console(), True
    with console.status("checking; the model is asked a question"):
        findings = list(examine())
    for finding in findings:
        healthy = healthy and (finding.ok or not finding.needed)
        mark = "[green]ok[/]  " if finding.ok else "[red]FAIL[/]" if finding.needed else "[yellow]note[/]"
        console.print(f"{mark} {finding.name}: {finding.words}", highlight=False)
    return 0 if healthy else 1


@app.command("version")
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    sys.stdout.write(f"langgraph-agora {installed('langgraph-agora')}\n")


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"agora: {' '.join(message.split())}\n")
    return code


def _usage(error: Any) -> int:
    """One line for a wrong command line; the help of a group that was called without a command."""
    names = error.ctx.command.list_commands(error.ctx) if hasattr(error.ctx.command, "list_commands") else []
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(error.ctx.get_help() + "\n")
        return _fail(f"give one of: {', '.join(names)}", 2)
    known = f" Known: {', '.join(names)}." if names else f" See: {error.ctx.command_path} --help"
    return _fail(error.format_message() + known, 2)
