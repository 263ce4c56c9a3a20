"""Where an experience memory keeps what on its shelf, and what it asks of the record beyond what every shelf offers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from .items import Item, Row
from .recalling import epoch
from .record import encoded
from .shelf import Shelf
from .writing import COLUMNS, prepared, row_of, sound

EXPERIENCES, LESSONS, TRIALS = ("experiences",), ("lessons",), ("trials",)  # Those of a lesson are below TRIALS.
RESERVED = (*EXPERIENCES, *LESSONS, *TRIALS)
EMBEDDED = 4_000  # Characters of a task that are embedded; models read less.


class Place(NamedTuple):
    """Where the latest version of an experience is, and what is counted of it."""

    seq: int
    is_there: bool
    created_at: float
    at: str
    success: bool | None


def experience_item(experience: Mapping[str, Any]) -> Item:
    """An experience, found by its task."""
    return Item(EXPERIENCES, experience["id"], experience, (experience["task"][:EMBEDDED],))


def lesson_item(lesson: Mapping[str, Any]) -> Item:
    """A lesson, found by its text."""
    return Item(LESSONS, lesson["id"], lesson, (lesson["text"][:EMBEDDED],))


def trial_item(lesson: str, trial: Mapping[str, Any]) -> Item:
    """A trial of a lesson, found by its run."""
    return Item((*TRIALS, lesson), trial["run"], trial)


def places(shelf: Shelf) -> list[Place]:
    """All experiences, pruned ones too, oldest first by when they happened; their texts are not read."""
    facts = "key, seq, state = 'live', created_at, json_extract(value, '$.at'), json_extract(value, '$.success')"
    one = f"SELECT {facts} FROM items WHERE namespace = ? AND state"
    found = shelf._record.read(
        f"{one} = 'live' UNION ALL {one} != 'live' AND state = 'pruned' ORDER BY seq",  # An index for each.
        [encoded(EXPERIENCES)] * 2,
    )
    latest = {
        key: Place(seq, bool(live), created, at, None if success is None else bool(success))
        for key, seq, live, created, at, success in found
    }
    return sorted(latest.values(), key=lambda one: (epoch(one.at), one.created_at, one.seq))


def rows_at(shelf: Shelf, seqs: Sequence[int]) -> list[Row]:
    """The rows of these numbers, in this order; those that were forgotten meanwhile are left out."""
    found = map(row_of, shelf._record.by_number(f"SELECT {COLUMNS} FROM items WHERE seq IN ({{}})", list(seqs)))
    rows = {row.seq: row for row in found}
    return [rows[seq] for seq in seqs if seq in rows]


def texts_of(shelf: Shelf, rows: Sequence[Row]) -> dict[int, list[str]]:
    """The number of a row -> what it is found by."""
    texts: dict[int, list[str]] = {}
    numbers = [row.seq for row in rows]
    for seq, text in shelf._record.by_number("SELECT seq, text FROM texts WHERE seq IN ({}) ORDER BY id", numbers):
        texts.setdefault(seq, []).append(text)
    return texts


def keep_pruned(shelf: Shelf, items: Sequence[Item]) -> None:
    """Keep items that are not there as facts only: pruned from the first moment on, all or none, and not embedded."""
    ready, now = prepared([replace(item, texts=()) for item in items]), shelf._clock()
    if not ready:
        return
    with shelf._record.transaction() as record:
        record.executemany(
            "INSERT INTO items (namespace, key, value, created_at, updated_at, state) VALUES (?, ?, ?, ?, ?, 'pruned')",
            [(one.namespace, one.key, one.value, now, now) for one in ready],
        )


def mend_texts(shelf: Shelf) -> int:
    """Say again by what experiences and lessons are found of which a damaged record lost it; returns how many.

    Their vectors are made by a rebuild.
    """
    missing = "NOT EXISTS (SELECT 1 FROM texts WHERE texts.seq = items.seq)"
    found = shelf._record.read(
        f"SELECT seq, value FROM items WHERE state = 'live' AND namespace IN (?, ?) AND {missing}",
        (encoded(EXPERIENCES), encoded(LESSONS)),
    )
    if not found:
        return 0
    values = [(seq, json.loads(value)) for seq, value in found]
    texts = [(seq, sound(value.get("task", value.get("text", ""))[:EMBEDDED])) for seq, value in values]
    with shelf._record.transaction() as record:
        record.executemany("INSERT INTO texts (seq, text, vector) VALUES (?, ?, NULL)", texts)
    return len(found)
