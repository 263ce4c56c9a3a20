"""A whole memory into a file and back: what is written, and what of it is kept. The lines are in `files.py`."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .fields import outranks
from .files import Entry, read_entries
from .items import Item
from .shelf import Shelf
from .spaces import EXPERIENCES, RESERVED, TRIALS, experience_item, keep_pruned, texts_of, trial_item

if TYPE_CHECKING:
    from .experience import ExperienceMemory

BATCH = 10_000  # Lines of a file that are kept in one transaction.


def entries_of(memory: ExperienceMemory) -> Iterator[Entry]:
    """Everything, in the order in which it was put: equal ones are recalled in it."""
    shelf = memory.shelf
    there = {row.key for row in shelf.rows(EXPERIENCES)}
    latest = {row.key: row for row in shelf.rows(EXPERIENCES, pruned=True)}
    for row in sorted(latest.values(), key=lambda row: row.seq):
        yield Entry("experience", row.value, pruned=row.key not in there)
    for lesson in memory.lessons():
        for version in memory.lesson_history(lesson["id"]):
            yield Entry("lesson", version)
    for row in shelf.rows(TRIALS):
        yield Entry("trial", row.value, lesson=row.namespace[-1])
    for top in sorted({space[:1] for space in shelf.namespaces() if space and space[0] not in RESERVED}):
        rows = shelf.rows(top)
        texts = texts_of(shelf, rows)
        for row in rows:
            value = {"namespace": list(row.namespace), "key": row.key, "value": row.value}
            more = {"texts": texts.get(row.seq, []), "expires_at": row.expires_at, "ttl": row.ttl}
            yield Entry("item", value | more)


def import_file(memory: ExperienceMemory, path: str | Path, at: str, *, batch: int = BATCH) -> int:
    """Keep what is new in a file and return how many of its lines were; see `ExperienceMemory.import_`.

    Args:
        memory: Where to keep it.
        path: The file.
        at: The time of experiences that have none.
        batch: Lines that are kept in one transaction.
    """
    with _readable_twice(path) as file:
        _check(memory, read_entries(file, at=at, name=Path(path).name), Path(path).name)
        return _import(memory, read_entries(file, at=at), batch)


def _check(memory: ExperienceMemory, entries: Iterator[Entry], name: str) -> None:
    """Find what is wrong before anything is kept."""
    lessons: set[str] = set()
    tried: dict[str, int] = {}
    for entry in entries:
        if entry.kind == "lesson":
            lessons.add(entry.value["id"])
        elif entry.kind == "trial":
            tried.setdefault(entry.lesson, entry.line)
    for id, line in tried.items():
        if id not in lessons and memory.lesson(id) is None:
            words = f"its lesson {id!r} is neither in the file nor here; import what export wrote."
            raise ConfigError(f"Line {line:,} of {name}: {words} Nothing was imported.")


def _import(memory: ExperienceMemory, entries: Iterator[Entry], batch: int) -> int:
    new = 0
    lessons: dict[str, list[dict[str, Any]]] = {}
    while some := list(islice(entries, batch)):
        new += _keep(memory.shelf, [entry for entry in some if entry.kind != "lesson"])
        new += sum(_relabelled(memory, entry.value) for entry in some if entry.kind == "experience")
        for entry in some:
            if entry.kind == "lesson":
                lessons.setdefault(entry.value["id"], []).append(entry.value)
    for id, versions in lessons.items():
        here = memory.lesson_history(id)
        for version in versions[len(here) :] if versions[: len(here)] == here else ():
            memory.put_lesson(version)
            new += 1
    return new


def _keep(shelf: Shelf, entries: Sequence[Entry]) -> int:
    """Keep what is not known. What was pruned goes first: were it put and then pruned, a crash would revive it."""
    new: dict[tuple[tuple[str, ...], str], Item] = {}
    pruned: dict[tuple[tuple[str, ...], str], Item] = {}
    for entry in entries:
        item = _item_of(entry)
        name = (item.namespace, item.key)
        if name in new or shelf.history(*name):
            continue
        new[name] = item
        if entry.pruned:
            pruned[name] = item
    keep_pruned(shelf, list(pruned.values()))
    shelf.put([item for name, item in new.items() if name not in pruned], replace=False, unembedded=True)
    return len(new)


def _item_of(entry: Entry) -> Item:
    value = entry.value
    if entry.kind == "experience":
        return experience_item(value)
    if entry.kind == "trial":
        return trial_item(entry.lesson, value)
    space, texts = tuple(value["namespace"]), tuple(value["texts"])
    return Item(space, value["key"], value["value"], texts, value["expires_at"], value["ttl"])


def _relabelled(memory: ExperienceMemory, told: dict[str, Any]) -> bool:
    """Take over how a run ended that is known here, where the word in the file counts more."""
    known = memory.get(told["id"])
    if known is None or not outranks(told, known):
        return False
    memory.label(told["id"], told["success"], told.get("outcome_source", "environment"))
    return True


@contextlib.contextmanager
def _readable_twice(path: str | Path) -> Iterator[Path]:
    """The file, or a copy of what comes through a pipe, which can be read once only."""
    with contextlib.ExitStack() as stack:
        file = Path(path)
        try:
            if file.exists() and not file.is_file() and not file.is_dir():
                copy = stack.enter_context(NamedTemporaryFile(prefix="agora-"))
                with file.open("rb") as source:
                    shutil.copyfileobj(source, copy)
                copy.flush()
                file = Path(copy.name)
        except OSError as error:
            raise ConfigError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
        yield file
