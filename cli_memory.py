"""`agora memory`: look into what agents remember, add, label and forget, carry it elsewhere, check and mend it."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from .cli_tools import AsJson
from .errors import ConfigError

if TYPE_CHECKING:
    from .memory.experience import ExperienceMemory

memory_app = typer.Typer(no_args_is_help=True, help="What agents remember: experiences of runs, and lessons.")

Folder = Annotated[
    Path | None, typer.Option("--path", help="The folder of the memory; else AGORA_MEMORY, else ./.agora/memory.")
]
Embedding = Annotated[
    str | None, typer.Option("--embedder", help="minilm, wordllama, lexical, ollama:NAME, openai:NAME, PROVIDER:NAME.")
]
Where = Annotated[
    list[str] | None, typer.Option("--where", "-w", help="features.tool=search, success=false, seconds>=5; or JSON.")
]


@memory_app.command("add")
def add(
    task: Annotated[str, typer.Argument(help="What was to be done.")],
    success: Annotated[
        bool | None, typer.Option("--success/--failure", help="How it ended; unknown when neither is given.")
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option("--feature", "-f", help="A circumstance, as tool=search; any number of times.")
    ] = None,
    summary: Annotated[str | None, typer.Option(help="What there is to remember of it.")] = None,
    seconds: Annotated[float | None, typer.Option(help="How long it took.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Of all models.")] = None,
    at: Annotated[str | None, typer.Option(help="When, in ISO 8601; now when it is not given.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="The run's id; adding it again changes nothing.")] = None,
    path: Folder = None,
    embedder: Embedding = None,
    as_json: AsJson = False,
) -> None:
    """Keep an experience; it makes the memory when there is none. A log of many: agora memory import."""
    source = None if success is None else "human"
    given = {"seconds": seconds, "tokens": tokens, "at": at, "id": id, "summary": summary, "outcome_source": source}
    fields = {"features": _pairs(feature or []), **{name: value for name, value in given.items() if value is not None}}
    with opened(path, embedder, make=True) as memory:
        kept = memory.get(memory.add({"task": task, "success": success, **fields})) or {}
    _print(kept, f"kept {kept['id']}", as_json)


@memory_app.command("recall")
def recall(
    task: Annotated[str, typer.Argument(help="What is to be done.")],
    k: Annotated[int, typer.Option("-k", help="At most so many.")] = 3,
    where: Where = None,
    path: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Show the experiences that help most with a task, and why."""
    with opened(path, read_only=True) as memory:
        found = memory.recall(task, k, filter_of(where))
    if as_json:
        _print({"recalled": [one.to_dict() for one in found]}, "", as_json)
        return
    table = Table("score", "what a model is shown, and why", box=None, pad_edge=False)
    for one in found:
        table.add_row(f"{one.score:.2f}", f"{escape(str(one))}\n[dim]{escape(one.why)}[/]")
    Console().print(table if found else "nothing is recalled")


@memory_app.command("list")
def list_experiences(
    where: Where = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 20,
    pruned: Annotated[bool, typer.Option("--pruned", help="Also those kept for statistics only.")] = False,
    path: Folder = None,
    as_json: AsJson = False,
) -> None:
    """List experiences, the newest first."""
    from .memory.recalling import one_line

    with opened(path, read_only=True) as memory:
        found, count = memory.newest(limit, filter_of(where), pruned=pruned)
    if as_json:
        _print({"experiences": found, "found": count}, "", as_json)
        return
    table = Table("id", "at", "outcome", "s", "task", box=None, pad_edge=False)
    marks = {True: "[green]success[/]", False: "[red]failure[/]", None: "[dim]unknown[/]"}
    for one in found:
        row = (one["id"], one["at"][:16], f"{one['seconds']:g}", one_line(one["task"][:200]))
        name, at, seconds, task = map(escape, row)
        table.add_row(name, at, marks[one["success"]], seconds, task)
    console = Console()
    console.print(table)
    console.print(f"{len(found):,} of {count:,}", highlight=False)


@memory_app.command("forget")
def forget(
    ids: Annotated[list[str] | None, typer.Argument(help="Of experiences.")] = None,
    where: Where = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --where: erase them; else they are only counted.")] = False,
    path: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Erase experiences for good: their words are nowhere in the folder any more."""
    from .memory.fields import checked_id

    wanted = filter_of(where)
    if bool(ids) == bool(wanted):
        raise ConfigError("forget takes ids, or --where with a filter; give one of the two.")
    with opened(path) as memory:
        if wanted and not yes:
            count = len(memory.experiences(wanted, pruned=True))
            _print({"matching": count, "forgotten": 0}, f"{count:,} match; --yes erases them for good", as_json)
            return
        unknown = [id for id in dict.fromkeys(ids or []) if memory.get(checked_id("id", id)) is None]
        if unknown:
            words = f"there is no experience {', '.join(map(repr, unknown[:5]))}"
            raise ConfigError(f"{words}; nothing was forgotten. See: agora memory list --path {memory.shelf.path}")
        count = memory.forget(wanted or ids or [])
    _print({"forgotten": count}, f"forgot {count:,}", as_json)


@memory_app.command("label")
def label(
    id: Annotated[str, typer.Argument(help="Of an experience.")],
    success: Annotated[bool, typer.Option("--success/--failure", help="How it ended.")],
    source: Annotated[str, typer.Option(help="Who says so: human, validator, environment or self.")] = "human",
    path: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Say how a run ended, after it was kept; the version before stays in the record."""
    with opened(path) as memory:
        kept = memory.label(id, success, source)
    took = kept["success"] is success
    ended = "unknown" if kept["success"] is None else "success" if kept["success"] else "failure"
    words = f"{id}: {ended}" if took else f"{id} stays {ended}: {kept.get('outcome_source', 'the run')} said so"
    _print(kept, words, as_json)


@memory_app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="A .jsonl file, written whole or not at all.")],
    path: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Write experiences, lessons, trials and what the store keeps to a file, one JSON object a line."""
    with opened(path, read_only=True) as memory:
        count = memory.export(file)
    _print({"lines": count, "file": str(file)}, f"wrote {count:,} lines to {file}", as_json)


@memory_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="What export wrote, or a log, one experience a line; or /dev/stdin.")],
    path: Folder = None,
    embedder: Embedding = None,
    as_json: AsJson = False,
) -> None:
    """Keep what is new in a file; it makes the memory when there is none. Importing again adds nothing."""
    with opened(path, embedder, make=True) as memory, Console(stderr=True, quiet=as_json).status("importing"):
        count = memory.import_(file)
    _print({"new": count, "file": str(file)}, f"{count:,} lines were new", as_json)


@memory_app.command("stats")
def stats(path: Folder = None, as_json: AsJson = False) -> None:
    """Say how much of what is kept."""
    with opened(path, read_only=True) as memory:
        found = memory.stats()
    if as_json:
        _print(found, "", as_json)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in found.items():
        if value is None:
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{count:,} {state}" for state, count in value.items()) or 0
        table.add_row(name, f"{value:,}" if type(value) is int else escape(str(value)))
    Console().print(table)


@memory_app.command("check")
def check(path: Folder = None, as_json: AsJson = False) -> int:
    """Look whether the record is whole and the index agrees with it; exits with 1 when something is wrong."""
    with opened(path) as memory:
        found = memory.check()
    if as_json:
        _print(found.to_dict(), "", as_json)
    else:
        items = f"{found.items:,} items, {found.pruned:,} pruned"
        vectors = f"{found.vectors:,} vectors, {found.unembedded:,} texts without one"
        sys.stdout.write("".join(f"{line}\n" for line in (items, vectors, *(found.problems or ["all is well"]))))
    return 0 if found.ok else 1


@memory_app.command("rebuild")
def rebuild(path: Folder = None, embedder: Embedding = None, as_json: AsJson = False) -> None:
    """Make the index anew from the record, and the vectors too with another --embedder.

    Of a damaged record it saves what can be read; the broken one stays beside it.
    """
    from .memory.salvage import salvage

    saved = salvage(existing(path))
    with opened(path) as memory, Progress(console=Console(stderr=True, quiet=as_json), transient=True) as progress:
        bar = progress.add_task("rebuilding", total=None)
        count = memory.rebuild(embedder, progress=lambda done, total: progress.update(bar, completed=done, total=total))
        name = memory.shelf.embedder.name
    found, words = {"vectors": count, "embedder": name}, f"{count:,} vectors of {name}"
    if saved:
        found |= {"saved": saved.items, "broken": str(saved.broken)}
        words = f"saved {saved.items:,} rows; the broken record is {saved.broken}\n{words}"
    _print(found, words, as_json)


def folder_of(path: Path | None) -> Path:
    """The folder of the memory that a command is about."""
    return path or Path(os.environ.get("AGORA_MEMORY") or Path(".agora") / "memory")


def existing(path: Path | None) -> Path:
    """The folder of a memory that is there.

    Raises:
        ConfigError: There is none.
    """
    from .memory.record import FILE

    folder = folder_of(path)
    try:
        there = (folder / FILE).exists()
    except OSError as error:
        raise ConfigError(f"There can be no memory in {str(folder)[:100]!r}: {error.strerror}.") from error
    if not there:
        begin = f"agora memory add --path {folder}"
        raise ConfigError(f"There is no memory in {folder}; give --path or AGORA_MEMORY, or begin one: {begin} TASK")
    return folder


@contextmanager
def opened(
    path: Path | None, embedder: str | None = None, *, make: bool = False, read_only: bool = False
) -> Iterator[ExperienceMemory]:
    """The memory of a command, without a limit: what is pruned is decided by the program that it belongs to.

    Warnings are shown as notes on standard error, a line each.

    Args:
        path: What --path says.
        embedder: What --embedder says.
        make: Make it when it is not there.
        read_only: Write nothing.

    Raises:
        ConfigError: It is not there.
    """
    from .memory.experience import ExperienceMemory

    folder = folder_of(path) if make else existing(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("always", RuntimeWarning)
        try:
            with ExperienceMemory(folder, embedder, limit=None, read_only=read_only) as memory:
                yield memory
        finally:
            for words in dict.fromkeys(str(one.message) for one in caught):
                sys.stderr.write(f"note: {' '.join(words.split())}\n")


def filter_of(given: Sequence[str] | None) -> dict[str, Any]:
    """What --where says: `features.tool=search`, `seconds>=5`, or a JSON object; all of them hold together.

    Raises:
        ConfigError: One is neither, or two want different values of one field.

    Example:
        >>> filter_of(["features.tool=search", "success=false", "seconds>=5", "seconds<9"])
        {'features.tool': 'search', 'success': False, 'seconds': {'$gte': 5, '$lt': 9}}
    """
    where: dict[str, Any] = {}
    for text in given or []:
        if text.lstrip().startswith("{"):
            for name, value in _object(text).items():
                _also(where, name, value if _is_operators(value) else {"$eq": value})
            continue
        match = re.fullmatch(r"([^=<>!]+)(!=|>=|<=|=|>|<)(.*)", text.strip(), re.DOTALL)
        if not match:
            raise ConfigError(f"--where was {text!r}; give features.tool=search, seconds>=5, or a JSON object.")
        _also(where, match[1].strip(), {_OPERATORS[match[2]]: _value(match[3])})
    # Equality alone is written plainly: of an object or a list it then means what the filters of a program mean.
    return {name: tests["$eq"] if tests.keys() == {"$eq"} else tests for name, tests in where.items()}


_OPERATORS = {"=": "$eq", "!=": "$ne", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}


def _also(where: dict[str, Any], name: str, tests: dict[str, Any]) -> None:
    """Add to what is asked of a field; nothing that was said is ever dropped, since `forget` erases what matches."""
    known = where.setdefault(name, {})
    for operator, value in tests.items():
        if operator in known and json.dumps(known[operator]) != json.dumps(value):
            said = f"{json.dumps(known[operator])[:60]} and {json.dumps(value)[:60]}"
            words = f'for one or the other: --where \'{{"{name}": {{"$in": [...]}}}}\''
            raise ConfigError(f"--where asks {operator} of {name} twice, {said}, and all must hold; {words}.")
        known[operator] = value


def _is_operators(value: Any) -> bool:
    return isinstance(value, dict) and any(name.startswith("$") for name in value)


def _object(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text, object_pairs_hook=_once))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--where was {text[:80]!r}, which is no JSON ({error}).") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; Python's JSON drops all but the last of a name."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name stands in it twice")
    return dict(pairs)


def _pairs(given: Sequence[str]) -> dict[str, Any]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--feature was {text!r}; give a name and a value, as tool=search.")
        pairs[name.strip()] = _value(value)
    return pairs


def _value(text: str) -> Any:
    """A number, true, false, null or a quoted text where it is one; else the text itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
    return text.strip() if isinstance(value, list | dict) else value


def _print(found: dict[str, Any], words: str, as_json: bool) -> None:
    sys.stdout.write((json.dumps(found, ensure_ascii=False) if as_json else words) + "\n")
