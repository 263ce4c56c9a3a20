"""What a transaction of the record does: keep a version, end one, erase all of a name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .items import Item, Row, checked_item, written
from .record import encoded

if TYPE_CHECKING:
    from .embedders import Embedder

COLUMNS = "seq, namespace, key, value, created_at, updated_at, expires_at, ttl"
THERE = "state = 'live' AND (expires_at IS NULL OR expires_at > ?)"
"""A row that is there at a time, the parameter."""


@dataclass(frozen=True, slots=True)
class Written:
    """An item as it stands in the record."""

    item: Item
    namespace: str
    key: str
    value: str
    texts: tuple[str, ...]


def prepared(items: Sequence[Item]) -> list[Written]:
    """Check items and write them as JSON.

    Raises:
        ConfigError: One is not what it should be.
    """
    ready = []
    for item in items:
        checked_item(item)
        texts = tuple(sound(text) for text in item.texts)
        value = written(item.value, item.key)
        ready.append(Written(item, encoded(tuple(item.namespace)), encoded(item.key), value, texts))
    return ready


def keep(
    record: sqlite3.Connection,
    one: Written,
    vectors: Sequence[bytes | None],
    now: float,
    *,
    replace: bool,
    history: bool,
) -> tuple[Row, bool]:
    """Put a version; returns the row that is there now, and whether another one was erased for it."""
    found = record.execute(
        f"SELECT {COLUMNS} FROM items WHERE namespace = ? AND key = ? AND state = 'live'", (one.namespace, one.key)
    ).fetchone()
    old = row_of(found) if found else None
    erased = bool(old and not history)
    if old and old.expires_at is not None and old.expires_at <= now:
        erased = erase(record, one.namespace, one.key)
        old = None
    if old and not replace:
        return old, False
    if old:
        end(record, old.seq, "superseded" if history else None)
    times = (old.created_at if old else now, now, one.item.expires_at, one.item.ttl)
    seq = record.execute(
        "INSERT INTO items (namespace, key, value, created_at, updated_at, expires_at, ttl) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (one.namespace, one.key, one.value, *times),
    ).lastrowid
    record.executemany(
        "INSERT INTO texts (seq, text, vector) VALUES (?, ?, ?)",
        [(seq, text, vector) for text, vector in zip(one.texts, vectors, strict=True)],
    )
    return row_of((seq, one.namespace, one.key, one.value, *times)), erased


def end(record: sqlite3.Connection, seq: int, state: str | None) -> None:
    """End a row: it stays in the record in this state, or (None) is deleted; it is not found any more."""
    record.execute("INSERT INTO removed (text) SELECT id FROM texts WHERE seq = ? ORDER BY id", (seq,))
    record.execute("DELETE FROM texts WHERE seq = ?", (seq,))
    if state is None:
        record.execute("DELETE FROM items WHERE seq = ?", (seq,))
    else:
        record.execute("UPDATE items SET state = ? WHERE seq = ?", (state, seq))


def prune(record: sqlite3.Connection, namespace: str, key: str, now: float) -> bool:
    """End what is there under a name, keeping the facts; whether something was."""
    found = record.execute(
        f"SELECT seq FROM items WHERE namespace = ? AND key = ? AND {THERE}", (namespace, key, now)
    ).fetchone()
    if found:
        end(record, found[0], "pruned")
    return found is not None


def erase(record: sqlite3.Connection, namespace: str, key: str) -> bool:
    """Delete all versions of a name; whether there was one."""
    found = record.execute(all_of("seq"), 2 * (namespace, key)).fetchall()
    for (seq,) in found:
        end(record, seq, None)
    return bool(found)


def forget(record: sqlite3.Connection, names: Sequence[tuple[str, str]]) -> int:
    """Erase names, and say so for the index, whose files still have their vectors; returns how many there were."""
    gone = "SELECT coalesce(max(id), 0) FROM removed"
    [(before,)] = record.execute(gone)
    count = sum(erase(record, *name) for name in names)
    [(after,)] = record.execute(gone)
    if after > before:
        note(record, "shelf.erased", after)
    return count


def all_of(columns: str) -> str:
    """SQL for all rows of a name, given twice: of each of the two indexes, since one query for both would use none."""
    rows = f"SELECT {columns} FROM items WHERE namespace = ? AND key = ? AND state"
    return f"{rows} = 'live' UNION ALL {rows} != 'live'"


def encoded_name(namespace: Sequence[str], key: str) -> tuple[str, str]:
    """A namespace and a key as they stand in the record."""
    return encoded(tuple(namespace)), encoded(key)


def claim(record: sqlite3.Connection, embedder: Embedder, path: Path | None) -> None:
    """Say in the record whose vectors it has; refuse when they are another embedder's."""
    known = dict(record.execute("SELECT name, value FROM notes WHERE name LIKE 'shelf.%'"))
    if "shelf.embedder" in known:
        compare(embedder, json.loads(known["shelf.embedder"]), json.loads(known["shelf.dimensions"]), path)
    else:
        note(record, "shelf.embedder", embedder.name)
        note(record, "shelf.dimensions", embedder.dimensions)


def compare(embedder: Embedder, name: str, dimensions: int, path: Path | None) -> None:
    """Raise ConfigError unless vectors of this name and so many dimensions are the embedder's."""
    if (embedder.name, embedder.dimensions) != (name, dimensions):
        raise ConfigError(
            f"The memory {path or 'of this process'} has vectors of {name!r} ({dimensions} numbers) and was opened "
            f"with {embedder.name!r} ({embedder.dimensions}); open it with {name!r}, or make its vectors anew: "
            f"`agora memory rebuild --embedder {embedder.name}`."
        )


def check_limit(record: sqlite3.Connection, limit: int, now: float, counted: tuple[int, int]) -> tuple[int, int]:
    """Raise ConfigError when more items are there than the limit.

    Args:
        record: In the transaction that put them.
        limit: The most there may be.
        now: Epoch seconds.
        counted: The largest `seq` of an earlier time, and how many items were there then; (0, 0) to begin with. Since
            then there came no more than numbers were given out, which is looked up, not counted.

    Returns:
        `counted` for the next time.
    """
    [(last,)] = record.execute("SELECT coalesce(max(seq), 0) FROM items")
    if counted[1] + last - counted[0] <= limit:
        return counted
    live = "SELECT count(*) FROM items WHERE state = 'live'"  # two indexes are counted, and no row is read
    [(all_of_them,)], [(expired,)] = record.execute(live), record.execute(f"{live} AND expires_at <= ?", (now,))
    count = all_of_them - expired
    if count > limit:
        raise ConfigError(
            f"The memory would hold {count:,} items, and its limit is {limit:,}; nothing of this call is kept. "
            "Drop what is not needed, or open it with a larger limit."
        )
    return last, count


def sound(text: str) -> str:
    r"""A text without halves of surrogate pairs, which neither tokenizers nor SQLite take.

    Example:
        >>> sound("a\ud800b")
        'a?b'
    """
    return text.encode("utf-8", "replace").decode()


def note(record: sqlite3.Connection, name: str, value: Any) -> None:
    """Keep a small fact, any JSON."""
    record.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, json.dumps(value, allow_nan=False)))


def row_of(columns: Sequence[Any]) -> Row:
    """A row as it is given out, from `COLUMNS`."""
    seq, namespace, key, value, *times = columns
    return Row(seq, _namespace(namespace), json.loads(key), json.loads(value), *times)


@lru_cache(1000)
def _namespace(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
