"""`agora lessons`: what was learned, with its evidence; a person can pin, edit or veto a lesson."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .cli_memory import Folder, opened
from .cli_tools import AsJson, check_plot
from .errors import ConfigError, nearest

if TYPE_CHECKING:
    from .memory.experience import ExperienceMemory
    from .nodes.lessons import Lesson

lessons_app = typer.Typer(help="The lessons of a memory: what is tried, what was shown to help, and why.")

Id = Annotated[str, typer.Argument(help="The lesson's id, or its beginning.")]

COLOURS = {"active": "green", "candidate": "yellow", "retired": "dim"}
SHOWN = 20  # pieces of evidence that are listed


@lessons_app.callback(invoke_without_command=True)
def lessons(context: typer.Context, path: Folder = None, as_json: AsJson = False) -> None:
    """List the lessons, or show, pin, unpin, edit, veto or restore one, or plot what was learned."""
    if context.invoked_subcommand is None:
        list_lessons(path, as_json)
    elif as_json:
        raise ConfigError(f"--json stands behind the command: agora lessons {context.invoked_subcommand} ... --json")
    else:
        context.obj = path


@lessons_app.command("list")
def list_lessons(path: Folder = None, as_json: AsJson = False) -> None:
    """List all lessons: active ones first, then those on trial, then those that are over."""
    with opened(path, read_only=True) as memory:
        order = list(COLOURS)
        found = sorted(_lessons(memory), key=lambda one: (order.index(one["state"]), one["created"], one["id"]))
    if as_json:
        _print_json({"lessons": found})
        return
    console = Console()
    if not found:
        console.print("no lessons yet: they are drawn from patterns in many runs", highlight=False)
        return
    heads = ("lesson", "state", "text", "trigger", "given", "withheld", "effect", "P(better)", "why")
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, no_wrap=head in ("lesson", "state"), overflow="fold")
    for one in found:
        table.add_row(*_cells(one))
    console.print(table)


@lessons_app.command("show")
def show(context: typer.Context, id: Id, path: Folder = None, as_json: AsJson = False) -> None:
    """Show one lesson: where it came from, what its trials said, and what became of it."""
    from .nodes.lessons import whole

    with opened(path or context.obj, read_only=True) as memory:
        lesson = _found(memory, id)
        history = _changes([whole(version) for version in memory.lesson_history(lesson["id"])])
        evidence = [(one, memory.get(one)) for one in lesson["evidence"]]
    if as_json:
        _print_json({"lesson": lesson, "history": history, "evidence": [known for _, known in evidence if known]})
        return
    console = Console(soft_wrap=True)
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, words in _details(lesson):
        table.add_row(name, escape(_clean(words)))
    console.print(table, soft_wrap=False)
    _print_evidence(console, evidence)
    console.print("\nhistory", style="bold")
    for version in history:
        console.print(_clean(f"  {version['state']}: {version['why']}"), highlight=False, markup=False)


@lessons_app.command("pin")
def pin(context: typer.Context, id: Id, path: Folder = None, as_json: AsJson = False) -> None:
    """Always give a lesson where its trigger holds, whatever its trials say."""
    _ordered("pin", path or context.obj, id, as_json)


@lessons_app.command("unpin")
def unpin(context: typer.Context, id: Id, path: Folder = None, as_json: AsJson = False) -> None:
    """Leave a pinned lesson to its trials again."""
    _ordered("unpin", path or context.obj, id, as_json)


@lessons_app.command("veto")
def veto(context: typer.Context, id: Id, path: Folder = None, as_json: AsJson = False) -> None:
    """Never give a lesson, nor try another one that says the same."""
    _ordered("veto", path or context.obj, id, as_json)


@lessons_app.command("restore")
def restore(context: typer.Context, id: Id, path: Folder = None, as_json: AsJson = False) -> None:
    """Take a veto back, or put a retired lesson on trial anew."""
    _ordered("restore", path or context.obj, id, as_json)


@lessons_app.command("edit")
def edit(
    context: typer.Context,
    id: Id,
    text: Annotated[str, typer.Argument(help="What it says from now on, at most 300 characters.")],
    path: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Word a lesson anew; its trials begin anew, too."""
    _ordered("edit", path or context.obj, id, as_json, text)


@lessons_app.command("plot")
def plot(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .svg or .png file.")],
    window: Annotated[
        int | None, typer.Option(min=1, help="Runs that a point is the mean of; a fifth of them, up to 50, else.")
    ] = None,
    path: Folder = None,
) -> None:
    """Draw the success rate over the runs, with the promotions and retirements of lessons."""
    check_plot(output)
    from .learning_plots import save_learning

    with opened(path or context.obj, read_only=True) as memory:
        # Pruned runs are part of the past, too.
        runs = memory.experiences(pruned=True)
        histories = [memory.lesson_history(one["id"]) for one in memory.lessons()]
    save_learning(runs, histories, output, window=window)
    Console().print(f"wrote {output}", highlight=False, markup=False)


def _lessons(memory: ExperienceMemory) -> list[Lesson]:
    """The lessons with what their trials say by now; they are kept only when a decision was due."""
    return [_live(memory, one) for one in memory.lessons()]


def _live(memory: ExperienceMemory, known: Mapping[str, Any]) -> Lesson:
    from .nodes.lessons import counted, whole

    lesson = whole(known)
    trials = memory.trials(lesson["id"], after=lesson["since"][1] if lesson["since"] else None)
    return counted(lesson, trials) if trials else lesson


def _found(memory: ExperienceMemory, given: str) -> Lesson:
    """The lesson of an id, or of its beginning with or without `lesson-`."""
    known = {one["id"]: one for one in _lessons(memory)}
    if given in known:
        return known[given]
    fit = [id for id in known if given and (id.startswith(given) or id.removeprefix("lesson-").startswith(given))]
    if len(fit) == 1:
        return known[fit[0]]
    if fit:
        raise ConfigError(f"{given!r} is the beginning of {len(fit)} lessons: {', '.join(sorted(fit)[:5])}. Give more.")
    hint = nearest(given, known)
    raise ConfigError(f"There is no lesson {given!r}; `agora lessons` lists the {len(known):,} there are.{hint}")


def _ordered(order: str, path: Path | None, id: str, as_json: bool, text: str | None = None) -> None:
    """Do to a lesson what a person ordered, and say what it is now."""
    with opened(path) as memory:
        found = _found(memory, id)["id"]
        before = memory.lesson(found)
        after = memory.change_lesson(found, partial(_obeyed, memory, order, text))
    assert after is not None  # Lessons are never erased.
    if as_json:
        _print_json({"lesson": after})
        return
    said = after["why"] if after != before else f"Nothing to {order}: it is {_state(after)}. {after['why']}"
    Console(soft_wrap=True).print(_clean(f"{after['id']}: {said}"), highlight=False, markup=False)


def _obeyed(memory: ExperienceMemory, order: str, text: str | None, known: Mapping[str, Any]) -> Lesson:
    """A lesson after what a person ordered."""
    from .nodes import lesson_orders
    from .nodes.lessons import whole

    lesson, now = whole(known), datetime.now(UTC).isoformat(timespec="seconds")
    if order in ("pin", "veto"):
        return (lesson_orders.pin if order == "pin" else lesson_orders.veto)(lesson, at=now)
    trials = memory.trials(lesson["id"])
    if order == "edit":
        return lesson_orders.edit(lesson, text or "", at=now, trials=trials)
    return (lesson_orders.unpin if order == "unpin" else lesson_orders.restore)(lesson, at=now, trials=trials)


def _cells(one: Mapping[str, Any]) -> list[str]:
    colour = COLOURS[one["state"]]
    texts = [one["text"], _trigger(one), *_numbers(one), one["why"]]
    return [one["id"], f"[{colour}]{_state(one)}[/]", *(escape(_clean(text)) for text in texts)]


def _state(one: Mapping[str, Any]) -> str:
    return ", ".join([one["state"], *(mark for mark in ("pinned", "vetoed", "edited") if one[mark])])


def _trigger(one: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in one["trigger"]) or "always"


def _numbers(one: Mapping[str, Any]) -> list[str]:
    """Given s/n, withheld s/n, the effect with its interval, and the probability that it helps."""
    shares = [f"{won}/{won + lost}" for won, lost in (one["counts"]["given"], one["counts"]["withheld"])]
    if one["effect"] is None or one["interval"] is None:
        return [*shares, "", ""]
    low, high = one["interval"]
    return [*shares, f"{one['effect']:+.2f} ({low:+.2f} to {high:+.2f})", f"{one['better']:.3f}"]


def _details(one: Mapping[str, Any]) -> list[tuple[str, str]]:
    given, withheld, effect, probability = _numbers(one)
    rows = [
        ("lesson", one["id"]),
        ("state", _state(one)),
        ("why", one["why"]),
        ("text", one["text"]),
        ("kind", one["kind"]),
        ("trigger", _trigger(one)),
        ("setting", f"{one['setting']['name']} = {one['setting']['value']}" if one["setting"] else ""),
        ("pattern", str(one["pattern"].get("words", ""))),
        ("given", f"{given} succeeded"),
        ("withheld", f"{withheld} succeeded"),
        ("effect", effect),
        ("P(better)", probability),
        ("since then", _watched(one)),
        ("created", one["created"]),
        ("decided", one["decided"] or ""),
    ]
    return [(name, words) for name, words in rows if words]


def _watched(one: Mapping[str, Any]) -> str:
    from .nodes.lesson_trials import facts, size

    return facts(one["watch"]) if size(one["watch"]) else ""


def _changes(history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The versions in which something was decided, and the last one; between them trials were counted."""
    parts = ("state", "pinned", "vetoed", "text")
    kept = [
        version
        for number, version in enumerate(history)
        if not number or any(version[part] != history[number - 1][part] for part in parts)
    ]
    return kept if history[-1]["why"] == kept[-1]["why"] else [*kept, history[-1]]


def _print_evidence(console: Console, evidence: Sequence[tuple[str, dict[str, Any] | None]]) -> None:
    if evidence:
        console.print(f"\nevidence: {len(evidence)} experiences", style="bold", highlight=False)
    ends = {True: "succeeded", False: "failed", None: "unknown"}
    for id, known in evidence[:SHOWN]:
        words = f"{ends[known['success']]}: {known['task'][:100]}" if known else "forgotten"
        console.print(_clean(f"  {id}  {words}".replace("\n", " ")), highlight=False, markup=False)
    if len(evidence) > SHOWN:
        console.print(f"  and {len(evidence) - SHOWN:,} more (--json has all)", highlight=False)


def _clean(text: str) -> str:
    from .nodes.text import clean

    return clean(text)


def _print_json(result: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
