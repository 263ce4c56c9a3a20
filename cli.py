"""`agora`: run, list and draw the graphs, see the models, check the installation."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
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
    agents: Annotated[str, typer.Option(help="How many agents, or their names: ann,bob,cem.")] = "3",
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
    budget_calls: Annotated[int | None, typer.Option(help="Model calls in all.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Tokens in and out together.")] = None,
    budget_seconds: Annotated[float | None, typer.Option(help="Seconds in all.")] = None,
    model_seconds: Annotated[float, typer.Option(help="Time limit of one model call.")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    trace: Annotated[Path | None, typer.Option(help="Write the ballots to this JSON Lines file as they come.")] = None,
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


def _asked(question: str, example: str) -> str:
    asked = sys.stdin.read() if question == "-" else question
    if not asked.strip():
        raise ConfigError(f"There is no question. Give one: {example}")
    return asked


@app.command("vote")
def vote(
    file: Annotated[Path, typer.Argument(help="Ballots in JSON or CSV; - reads JSON from standard input.")],
    rule: Annotated[
        str | None, typer.Option("--rule", "-r", help="majority, borda, schulze, ... (a wrong name lists all).")
    ] = None,
    threshold: Annotated[str | None, typer.Option(help="The share for qualified and weighted, such as 2/3.")] = None,
    electorate: Annotated[str | None, typer.Option(help="How many may vote, or their names: ann,bob,cem.")] = None,
    quorum: Annotated[str | None, typer.Option(help="How many must vote: a number or a share such as 1/2.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Count ballots by any rule; ties and missing majorities are said, never broken."""
    from .nodes.consensus.ballot_files import read_ballots
    from .nodes.consensus.voting import tally
    from .nodes.text import clean

    read = read_ballots(_text_of(file), str(file))
    given = {"rule": rule, "threshold": threshold, "electorate": _names(electorate), "quorum": _whole(quorum)}
    arguments = (
        {"rule": "majority"} | read.arguments | {key: value for key, value in given.items() if value is not None}
    )
    outcome = tally(read.ballots, **arguments)
    if as_json:
        sys.stdout.write(json.dumps(outcome.to_dict()) + "\n")
        return
    table = Table("option", "score", box=None, pad_edge=False)
    for option, score in sorted(outcome.to_dict()["scores"].items(), key=lambda item: (-item[1], item[0])):
        shown = escape(clean(option))
        table.add_row(f"[bold]{shown}[/]" if option == outcome.winner else shown, f"{score:,}")
    console = Console()
    console.print(table)
    said = clean(f"decided: {outcome.winner}" if outcome.decided else f"undecided: {outcome.reason}")
    console.print(f"{outcome.rule} of {outcome.counted} ballots; {said}", highlight=False, markup=False)


@app.command("simulate")
def simulate(
    protocol: Annotated[str, typer.Argument(help="raft, pbft, twins, bft, stake or agreement.")],
    seeds: Annotated[int, typer.Option(min=1, help="How many runs, from seed 0 on.")] = 200,
    nodes: Annotated[int | None, typer.Option(min=1, help="How many nodes; the seed chooses else.")] = None,
    faults: Annotated[str, typer.Option(help="Fault classes that may be on: drop,crash,... or none; all else.")] = "",
    seed: Annotated[int | None, typer.Option(help="Replay this one seed.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="With --seed: print what happens.")] = False,
    drawing: Annotated[Path | None, typer.Option(help="With --seed: draw the run into this .svg file.")] = None,
    until: Annotated[float, typer.Option(help="With --drawing: draw it up to this time.")] = inf,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> int:
    """Run a protocol under simulated faults, one seed a run, and check what must hold after every step."""
    from .simulate import faults_from, simulate_many, smallest_faults, world_of

    classes = faults_from(faults)
    world_of(protocol)
    if seed is not None:
        return _replay(protocol, seed, nodes, classes, trace, drawing, until, as_json)
    if trace or drawing:
        raise ConfigError("--trace and --drawing show one run; name it with --seed.")
    console = Console(stderr=True, quiet=as_json)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(f"simulating {protocol}", total=seeds)
        for summary in simulate_many(protocol, range(seeds), nodes, classes):
            progress.update(bar, completed=summary.seeds)
    result = asdict(summary) | {"cpu_seconds": round(summary.cpu_seconds, 2)}
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        words = f"{summary.seeds:,} runs, {summary.events:,} events, {summary.commits:,} commits"
        sys.stdout.write(f"{protocol}: {words}, {summary.cpu_seconds:.1f} s CPU: {summary.violations} violations\n")
        for found in summary.failures[:5]:
            left = smallest_faults(protocol, cast("int", found["seed"]), nodes, classes)
            size = f" --nodes {nodes}" if nodes else ""
            again = (
                f"agora simulate {protocol} --seed {found['seed']}{size} --faults {','.join(left) or 'none'} --trace"
            )
            sys.stdout.write(f"seed {found['seed']}: {found['violation']}\n  replay: {again}\n")
    return 1 if summary.violations else 0


def _replay(
    protocol: str,
    seed: int,
    nodes: int | None,
    classes: tuple[str, ...],
    trace: bool,
    drawing: Path | None,
    until: float,
    as_json: bool,
) -> int:
    from .replay import write_replay
    from .simulate import world_of

    outcome = world_of(protocol)(seed, nodes, classes, trace or drawing is not None)
    if drawing is not None:
        write_replay(outcome, f"{protocol}, seed {seed}", drawing, until)
    if as_json:
        sys.stdout.write(json.dumps({"protocol": protocol, **asdict(outcome)}) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in outcome.trace) if trace else "")
        sys.stdout.write(
            f"seed {seed}: {outcome.events:,} events, {outcome.commits:,} commits; "
            f"{outcome.violation or 'every invariant held'}\n"
        )
    return 1 if outcome.violation else 0


def _text_of(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{str(file)!r} cannot be read: {why}.") from error


def _names(given: str | None) -> list[str] | int | None:
    if given is None or not given.strip():
        return None
    number = _whole(given)
    return number if isinstance(number, int) else [name.strip() for name in given.split(",")]


def _whole(given: str | None) -> str | int | None:
    short = given is not None and len(given) < 20 and given.strip().isascii()
    return int(given) if given and short and given.strip().isdecimal() else given


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
        _fail(f"{result['error']} after {done}.{kept}", code)
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
    from importlib import import_module

    from .drawing import write_drawing

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
    from .models import list_models

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
    from .doctor import examine

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
    from importlib.metadata import version as installed

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
