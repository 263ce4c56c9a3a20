"""`agora vote`, `agora simulate`, ...: what decides, on files of your own and without a model."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from .errors import ConfigError

tools_app = typer.Typer()


@tools_app.command("vote")
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


@tools_app.command("simulate")
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
