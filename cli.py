"""`agora`: run, list and draw the graphs, see the models, check the installation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .cli_judge import judge_app
from .cli_lessons import lessons_app
from .cli_memory import memory_app
from .cli_patterns import patterns_app
from .cli_plan import plan_app
from .cli_run import run_app
from .cli_stream import failed
from .cli_tools import tools_app
from .errors import AgoraError, ConfigError, nearest
from .graphs import PATTERNS

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Coordination patterns for LangGraph, from the command line.",
)
app.add_typer(run_app, name="run")
app.add_typer(tools_app)
app.add_typer(plan_app)
app.add_typer(patterns_app)
app.add_typer(memory_app, name="memory")
app.add_typer(lessons_app, name="lessons")
app.add_typer(judge_app, name="judge")

# Typer carries a copy of Click since 0.24 and imports the real one before: both are reached through its public names.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def main() -> None:
    """Run the command line; wrong input exits with 2, a run that went wrong with 1, each with one line."""
    try:
        code = app(standalone_mode=False)
    except UsageError as error:
        sys.exit(_usage(error))
    except ConfigError as error:
        sys.exit(failed(str(error), 2))
    except AgoraError as error:
        sys.exit(failed(str(error), 1))
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(failed("interrupted", 1))
    except BrokenPipeError:  # The reader of a pipe has gone; there is nobody to tell.
        sys.stderr.close()
        sys.exit(1)
    sys.exit(code or 0)


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
        table.add_row(escape(row.spec), "[green]yes[/]" if row.usable else "[dim]no[/]", escape(row.note))
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
        console.print(f"{mark} {escape(finding.name)}: {escape(finding.words)}", highlight=False)
    return 0 if healthy else 1


@app.command("version")
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    sys.stdout.write(f"langgraph-agora {installed('langgraph-agora')}\n")


def _usage(error: Any) -> int:
    """One line for a wrong command line; the help of a group that was called without a command."""
    names = error.ctx.command.list_commands(error.ctx) if hasattr(error.ctx.command, "list_commands") else []
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(error.ctx.get_help() + "\n")
        return failed(f"give one of: {', '.join(names)}", 2)
    known = f" Known: {', '.join(names)}." if names else f" See: {error.ctx.command_path} --help"
    return failed(error.format_message() + known, 2)
