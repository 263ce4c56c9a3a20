"""A whole memory into a file and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from .files import Entry, read_entries
from .items import Item
from .lesson_memory import LessonMemory
from .shelf import Shelf
from .spaces import EXPERIENCES, TRIALS, experience_item, trial_item

BATCH = 10_000  # Lines of a file that are kept in one transaction.


def entries_of(memory: LessonMemory) -> Iterator[Entry]:
    """Everything, in the order in which it was put: equal ones are recalled in it."""
    there = {row.key for row in memory.shelf.rows(EXPERIENCES)}
    latest = {row.key: row for row in memory.shelf.rows(EXPERIENCES, pruned=True)}
    for row in sorted(latest.values(), key=lambda row: row.seq):
        yield Entry("experience", row.value, pruned=row.key not in there)
    for lesson in memory.lessons():
        for version in memory.lesson_history(lesson["id"]):
            yield Entry("lesson", version)
    for row in memory.shelf.rows(TRIALS):
        yield Entry("trial", row.value, lesson=row.namespace[-1])


def import_file(memory: LessonMemory, path: str | Path, at: str, *, batch: int = BATCH) -> int:
    """Keep what is new in a file and return how many of its lines were; see `ExperienceMemory.import_`.

    Args:
        memory: Where to keep it.
        path: The file.
        at: The time of experiences that have none.
        batch: Lines that are kept in one transaction.
    """
    for _ in read_entries(path, at=at):  # A wrong line is found before anything is kept.
        pass
    entries, new = read_entries(path, at=at), 0
    lessons: dict[str, list[dict[str, Any]]] = {}
    while some := list(islice(entries, batch)):
        new += _keep(memory.shelf, [entry for entry in some if entry.kind != "lesson"])
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
    """Keep experiences and trials that are not known, in one transaction; then prune those that were pruned."""
    new: dict[tuple[tuple[str, ...], str], Item] = {}
    gone = []
    for entry in entries:
        item = experience_item(entry.value) if entry.kind == "experience" else trial_item(entry.lesson, entry.value)
        name = (item.namespace, item.key)
        if name in new or shelf.history(*name):
            continue
        new[name] = item
        if entry.pruned:
            gone.append(name)
    shelf.put(list(new.values()), replace=False, unembedded=True)
    shelf.drop(gone, keep_facts=True)
    return len(new)
