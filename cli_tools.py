"""`agora vote`, `agora simulate`, ...: what decides, on files of your own and without a model."""

from __future__ import annotations

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

from .errors import ConfigError

tools_app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Plot = Annotated[Path | None, typer.Option(help="Draw it into this .png or .svg file.")]


@tools_app.command("vote")
def vote(
    file: Annotated[Path, typer.Argument(help="Ballots in JSON or CSV; - reads JSON from standard input.")],
    rule: Annotated[
        str | None, typer.Option("--rule", "-r", help="majority, borda, schulze, ... (a wrong name lists all).")
    ] = None,
    threshold: Annotated[str | None, typer.Option(help="The share for qualified and weighted, such as 2/3.")] = None,
    electorate: Annotated[str | None, typer.Option(help="How many may vote, or their names: ann,bob,cem.")] = None,
    quorum: Annotated[str | None, typer.Option(help="How many must vote: a number or a share such as 1/2.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count ballots by any rule; ties and missing majorities are said, never broken."""
    from .nodes.consensus.ballot_files import read_ballots
    from .nodes.consensus.voting import tally
    from .nodes.text import clean

    read = read_ballots(text_of(file), str(file))
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


@tools_app.command("auction")
def auction(
    file: Annotated[Path, typer.Argument(help="Bids in CSV or JSON, for one task or several; - reads JSON.")],
    kind: Annotated[
        str | None, typer.Option("--kind", "-k", help="vickrey, first_price, english, second_score; vcg for several.")
    ] = None,
    reserve: Annotated[
        float | None, typer.Option(help="The most that is paid (for each task), or the least taken.")
    ] = None,
    direction: Annotated[str | None, typer.Option(help="procure (the lowest wins) or sell.")] = None,
    step: Annotated[float | None, typer.Option(help="Of the english clock.")] = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Who wins at what price; several tasks at once with VCG payments."""
    from .nodes.auctions import award, explain, vcg
    from .nodes.bid_files import read_bids

    if plot:
        check_plot(plot)
    bids = read_bids(text_of(file), str(file))
    given = {"kind": kind, "reserve": _as_whole(reserve), "direction": direction, "step": _as_whole(step)}
    asked = {key: value for key, value in given.items() if value is not None}
    if bids.costs is not None:
        if kind not in (None, "vcg") or direction or step is not None:
            raise ConfigError(f"{str(file)!r} holds costs of several tasks, which go by vcg, with --reserve alone.")
        least = {} if reserve is None else {"outside": asked["reserve"]}
        found = vcg(bids.costs, **({"capacities": 1} | bids.arguments | least))
        paid = dict(zip(bids.agents, found.to_dict()["payments"], strict=True))
        names = [None if agent is None else bids.agents[agent] for agent in found.assignment]
        if as_json:
            _print_json(found.to_dict() | {"agents": bids.agents, "tasks": bids.tasks})
        else:
            _allocation_table(bids.tasks, names, bids.agents, bids.costs, paid)
            Console().print(f"total {found.to_dict()['total']:g}{f'; {found.reason}' if found.reason else ''}")
        if plot:
            from .plots import write_allocation

            write_allocation(bids.tasks, names, bids.agents, bids.costs, paid, plot)
        return
    assert bids.bids is not None
    one = award(**({"kind": "vickrey"} | bids.arguments | asked | {"bids": bids.bids}))
    if as_json:
        _print_json(one.to_dict() | {"explanation": explain(one)})
    else:
        Console().print(explain(one), highlight=False, markup=False)
    if plot:
        from .plots import write_bids

        write_bids(one, (bids.arguments | asked).get("reserve"), plot)


@tools_app.command("game")
def game(
    file: Annotated[Path, typer.Argument(help="A game: JSON with payoffs, or Gambit's .nfg; - reads JSON.")],
    binding: Annotated[bool, typer.Option(help="Whether the players can be held to an agreement.")] = True,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """All equilibria of a game, bargaining points, and what to do."""
    from .nodes.game_theory.game_files import read_game
    from .nodes.games import nash_equilibria, pareto_outcomes, security_levels, solve

    if plot:
        check_plot(plot)
    read = read_game(text_of(file), str(file))
    with Console(stderr=True, quiet=as_json).status("looking for equilibria"):
        equilibria = nash_equilibria(read)
        solution = solve(read, equilibria=equilibria, binding=binding)
    if as_json:
        _print_json(
            equilibria.to_dict()
            | {
                "pareto_outcomes": [list(profile) for profile in pareto_outcomes(read)],
                "security_levels": [float(level) for level in security_levels(read)],
                "solution": solution.to_dict(),
            }
        )
    else:
        _equilibria_table(read, equilibria)
        Console().print(solution.rationale, highlight=False, markup=False)
    if plot:
        from .plots import write_game

        write_game(read, equilibria, solution, plot)


@tools_app.command("negotiate")
def negotiate_file(
    file: Annotated[Path, typer.Argument(help="A scenario in YAML or JSON: issues, agents, preferences.")],
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="zeuthen, alternating or mediated.")] = "zeuthen",
    concession: Annotated[str, typer.Option(help="In alternating: linear, boulware or conceder.")] = "linear",
    rounds: Annotated[str, typer.Option(help="Rounds at most; none for no cap.")] = "5",
    threshold: Annotated[float, typer.Option(help="The agreement score that counts as converged.")] = 0.8,
    seed: Annotated[int, typer.Option(help="Of the mediator's lots.")] = 0,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Negotiate by a protocol, without a model."""
    from random import Random

    from .nodes.negotiation import negotiate
    from .nodes.scenario_files import read_scenario
    from .nodes.text import words_of

    if plot:
        check_plot(plot)
    scenario = read_scenario(text_of(file), str(file))
    with Console(stderr=True, quiet=as_json).status("negotiating"):
        result = negotiate(
            scenario,
            protocol=protocol,
            rounds=cap_of(rounds),
            threshold=threshold,
            concession=concession,
            rng=Random(seed),
        )
    if as_json:
        _print_json(result.to_dict())
    else:
        table = Table("round", "agent", "offer", *scenario.preferences, box=None, pad_edge=False)
        for row in result.history:
            shares = [f"{row['utilities'][name]:.2f}" for name in scenario.preferences]
            table.add_row(str(row["round"]), escape(row["agent"]), escape(words_of(row["offer"])), *shares)
        console = Console()
        console.print(table)
        deal = f"deal: {words_of(result.outcome)}" if result.outcome else "no deal"
        console.print(f"{deal} ({result.stop}). {result.rationale}", highlight=False, markup=False)
    if plot:
        from .plots import write_negotiation

        write_negotiation(scenario, result.history, result.outcome, plot)


def cap_of(rounds: str) -> int | None:
    """The cap that `--rounds` gives: a whole number, or none.

    Raises:
        ConfigError: It is neither.
    """
    if rounds == "none":
        return None
    try:
        return int(rounds)
    except ValueError as error:
        raise ConfigError(f"--rounds was {rounds!r}; give a whole number, or none for no cap.") from error


def check_plot(path: Path) -> None:
    """Refuse a picture that cannot be written, before the work that it would show.

    Raises:
        ConfigError: Its ending is another one, or matplotlib is not installed.
    """
    from .plots import checked_path

    checked_path(path)


def _equilibria_table(read: Any, equilibria: Any) -> None:
    table = Table("equilibrium", *(escape(player) for player in read.players), box=None, pad_edge=False)
    for number, point in enumerate(equilibria.points, 1):
        cells = []
        for names, shares in zip(read.actions, point, strict=True):
            mixed = [(name, share) for name, share in zip(names, shares, strict=True) if share]
            cells.append(escape(", ".join(name if share == 1 else f"{share} {name}" for name, share in mixed)))
        table.add_row(str(number), *cells)
    console = Console()
    console.print(table)
    complete = "which is all" if equilibria.complete else "and perhaps more"
    if equilibria.degenerate:
        complete = "which are corners of infinitely many"
    number = len(equilibria.points)
    said = f"{number} {'equilibrium' if number == 1 else 'equilibria'}, {complete}"
    console.print(f"{said}{f'; {equilibria.reason}' if equilibria.reason else ''}", highlight=False, markup=False)


def _allocation_table(
    tasks: list[str], winners: list[str | None], agents: list[str], costs: list[list[Any]], paid: dict[str, Any]
) -> None:
    table = Table("task", "agent", "cost", box=None, pad_edge=False)
    for number, (task, winner) in enumerate(zip(tasks, winners, strict=True)):
        cost = "" if winner is None else f"{costs[agents.index(winner)][number]:g}"
        table.add_row(escape(task), "[dim]nobody[/]" if winner is None else escape(winner), cost)
    console = Console()
    console.print(table)
    given = ", ".join(f"{agent} {'undefined' if price is None else f'{price:g}'}" for agent, price in paid.items())
    console.print(f"paid: {given}", highlight=False, markup=False)


def _print_json(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


def _as_whole(number: float | None) -> float | int | None:
    """12 and not 12.0, so that prices are shown as they were given."""
    return int(number) if number is not None and number.is_integer() else number


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
    as_json: AsJson = False,
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


def text_of(file: Path) -> str:
    """The text of a file; of standard input for -.

    Raises:
        ConfigError: It cannot be read.
    """
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
