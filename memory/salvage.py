"""Saving what can be read of a damaged record into a new one."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import ConfigError, RunError
from .items import checked_name
from .locks import Lock
from .record import FILE, OPEN, PAGE, Record, connected, make, size_by_header
from .writing import row_of

_ITEM = "seq, namespace, key, value, created_at, updated_at, expires_at, ttl, state"
_TABLES = ("items", "texts", "removed", "notes")
_MOST_SPLITS = 200_000
"""How often a range that cannot be read is halved, before the rest of it is given up."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was saved, and where the broken record is now.

    Args:
        items: Rows that could be read, with those superseded and pruned.
        unembedded: Texts whose vector could not be read, for `Shelf.rebuild` to make again.
        broken: The file as it was.
    """

    items: int
    unembedded: int
    broken: Path

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "broken": str(self.broken)}


def salvage(path: str | Path) -> Salvaged | None:
    """Save what can be read of a damaged record; None: it is sound, and nothing was done.

    The new record takes the place of the broken one, which is kept beside it as `record.broken-1`. Close the memory in
    all processes first, and call `Shelf(path).rebuild()` after it: the index is thrown away. Where nothing can be read,
    the new record is empty, and a RuntimeWarning says so.

    Args:
        path: The folder of the memory.

    Raises:
        ConfigError: There is no record of ours.
        RunError: The memory is open somewhere, in this process or another, or its disk is full.

    Example:
        >>> with TemporaryDirectory() as folder:
        ...     Record(Path(folder)).close()
        ...     print(salvage(folder))
        None
    """
    folder = Path(path)
    file = folder / FILE
    if not file.exists():
        raise ConfigError(f"There is no memory in {folder}; give the folder that holds {FILE}.")
    writer, others = Lock(folder / "index.writer.lock"), Lock(folder / OPEN)
    try:
        if not writer.take():
            raise RunError(f"Another process has the memory {folder} open to write; close it there first.")
        if _is_sound(folder):
            return None
        if not others.take():  # What they write from now on would go into the broken one.
            raise RunError(
                f"The record in {folder} is damaged, and the memory is open in this or another process; close it there "
                "first, then it can be saved."
            )
        saved = _salvage(folder)
    except OSError as error:
        raise RunError(
            f"{folder} could not be written: {error}. Make room on the disk, or make it writable, then try again."
        ) from error
    finally:
        others.drop()
        writer.drop()
    if not saved.items:
        warnings.warn(
            f"NOTHING could be read of the damaged record: the new one in {folder} is empty. The broken one is kept as "
            f"{saved.broken}; put back a backup of the folder if there is one.",
            RuntimeWarning,
            stacklevel=2,
        )
    return saved


def _salvage(folder: Path) -> Salvaged:
    file = folder / FILE
    with (
        Lock(folder / "record.lock").held(),
        TemporaryDirectory(dir=folder, prefix="salvage-") as scratch,
    ):
        saved = _copied(file, Path(scratch))
        broken = _kept_aside(file)
        (Path(scratch) / "new" / FILE).replace(file)
    shutil.rmtree(folder / "index", ignore_errors=True)
    return Salvaged(*saved, broken)


def _is_sound(folder: Path) -> bool:
    try:
        record = Record(folder, read_only=True)
    except RunError:
        return False
    try:
        tables = {name for (name,) in record.read("SELECT name FROM sqlite_schema")}
        return tables >= set(_TABLES) and record.read("PRAGMA integrity_check(1)") == [("ok",)]
    except RunError:
        return False
    finally:
        record.close()


def _copied(file: Path, scratch: Path) -> tuple[int, int]:
    """Make the new record in the scratch folder; returns how many rows, and texts without a vector, it has."""
    old, new = scratch / FILE, scratch / "new" / FILE
    shutil.copyfile(file, old)
    log = file.with_name(f"{FILE}-wal")
    if log.exists():
        shutil.copyfile(log, scratch / log.name)
    with old.open("r+b") as copy:
        # SQLite refuses a file that is shorter than it says, and reads one that ends in zeros as far as it goes.
        copy.truncate(max(old.stat().st_size, size_by_header(copy.read(100))))
    new.parent.mkdir()
    make(new)
    if not _has_tables(old):
        _begin_anew(old, new)
    with contextlib.closing(connected(old)) as source, contextlib.closing(connected(new)) as target:
        target.execute("PRAGMA journal_mode = DELETE")
        target.execute("BEGIN")
        counts = _copy(source, target)
        target.execute("COMMIT")
        target.execute("PRAGMA journal_mode = WAL")
    return counts


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> tuple[int, int]:
    notes = dict(_notes(source))
    numbers = {
        name: number
        for name, number in _all(source, "SELECT name, seq FROM sqlite_sequence")
        if name in _TABLES and isinstance(number, int) and 0 < number < 2**62
    }
    for row in _read(source, f"SELECT {_ITEM} FROM items WHERE seq > ? AND seq <= ?", numbers.get("items")):
        if _is_whole(row):
            target.execute(f"INSERT OR IGNORE INTO items ({_ITEM}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    is_known = isinstance(notes.get("shelf.embedder"), str) and isinstance(notes.get("shelf.dimensions"), int)
    size = 4 * notes["shelf.dimensions"] if is_known else -1
    for text, seq, words, vector in _read(
        source, "SELECT id, seq, text, vector FROM texts WHERE id > ? AND id <= ?", numbers.get("texts")
    ):
        blob = vector if isinstance(vector, bytes) and len(vector) == size else None
        target.execute(
            "INSERT OR IGNORE INTO texts (id, seq, text, vector) VALUES (?, ?, ?, ?)", (text, seq, words, blob)
        )
    target.execute("DELETE FROM texts WHERE seq NOT IN (SELECT seq FROM items WHERE state = 'live')")
    if not is_known:
        notes = {name: value for name, value in notes.items() if not name.startswith("shelf.")}
    notes.pop("shelf.erased", None)  # the index is made anew in any case
    generation = notes.get("shelf.generation")
    notes["shelf.generation"] = generation + 1 if isinstance(generation, int) else 1
    for name, value in notes.items():
        target.execute("INSERT INTO notes VALUES (?, ?)", (name, json.dumps(value)))
    for table, number in numbers.items():  # a number is never given out twice
        [(given,)] = target.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (table,))
        target.execute(
            "DELETE FROM sqlite_sequence WHERE name = ?", (table,)
        )  # there is no row before the first number
        target.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, max(given, number)))
    [(items,)] = target.execute("SELECT count(*) FROM items")
    [(unembedded,)] = target.execute("SELECT count(*) FROM texts WHERE vector IS NULL")
    return items, unembedded


def _notes(source: sqlite3.Connection) -> Iterator[tuple[str, Any]]:
    for name, value in _all(source, "SELECT name, value FROM notes"):
        with contextlib.suppress(ValueError, TypeError):
            yield str(name), json.loads(value)


def _has_tables(file: Path) -> bool:
    """Whether the first page, where SQLite looks up where its tables are, can be read."""
    with contextlib.closing(connected(file)) as source:
        return {name for (name,) in _all(source, "SELECT name FROM sqlite_schema")} >= set(_TABLES)


def _begin_anew(old: Path, new: Path) -> None:
    """Give a record without a first page that of a new one: made alike, both have their tables at the same pages."""
    with new.open("rb") as sound:
        page = sound.read(PAGE)
    with old.open("r+b") as copy:
        copy.write(page)
        copy.seek(92)
        copy.write(bytes(4))  # so that SQLite counts the pages by the size of the file
        copy.truncate(-(-max(old.stat().st_size, new.stat().st_size) // PAGE) * PAGE)


def _all(source: sqlite3.Connection, sql: str) -> list[Any]:
    """The rows of a small table; none when it cannot be read."""
    try:
        return source.execute(sql).fetchall()
    except sqlite3.DatabaseError:
        return []


def _read(source: sqlite3.Connection, sql: str, last: int | None) -> Iterator[Any]:
    """The rows with numbers up to the last one, without those that cannot be read."""
    if last is None:  # It is not known. No row takes less than 16 bytes.
        [(pages,)], [(size,)] = source.execute("PRAGMA page_count"), source.execute("PRAGMA page_size")
        last = pages * size // 16
    left, splits = [(0, last)], 0
    while left:
        low, high = left.pop()
        try:
            yield from source.execute(sql, (low, high)).fetchall()
        except sqlite3.DatabaseError:
            if high - low > 1 and splits < _MOST_SPLITS:
                splits += 1
                middle = (low + high) // 2
                left += [(middle, high), (low, middle)]


def _is_whole(row: Sequence[Any]) -> bool:
    """Whether a row that could be read is one of ours."""
    times = row[4:8]
    if not all(isinstance(one, (int, float)) or (at > 1 and one is None) for at, one in enumerate(times)):
        return False
    try:
        kept = row_of(row[:-1])
        checked_name(kept.namespace, kept.key)
    except (ValueError, TypeError):
        return False
    return isinstance(kept.value, dict)


def _kept_aside(file: Path) -> Path:
    """Give the broken record a second name, the first that is free; its log goes there with it.

    Under its own name it stays until the new one replaces it, so that a crash in between never leaves none. Its log has
    to go before: SQLite would play it into the new one.
    """
    number = 1
    while file.with_name(f"record.broken-{number}").exists():
        number += 1
    broken = file.with_name(f"record.broken-{number}")
    try:
        broken.hardlink_to(file)
    except OSError:  # a file system without second names
        shutil.copyfile(file, broken)
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            file.with_name(FILE + end).replace(file.with_name(broken.name + end))
    return broken
