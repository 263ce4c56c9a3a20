"""The record: one SQLite file that is the truth about a memory; everything else can be made from it again.

Tables (application_id marks the file as ours, user_version is the schema's number):

    items    seq, namespace, key, value, created_at, updated_at, expires_at, ttl, state
    texts    id, seq, text, vector     what an item is found by: float32, of length 1; NULL when the embedder failed
    removed  id, text                  numbers of texts that are gone, for the indexes of all processes to catch up
    notes    name, value               small facts: the embedder, its dimensions, the generation of the vectors

It is append-only: a value that is kept is never changed (a trigger refuses it). What ends a row is its state:

    live        it is there; at most one row of a namespace and key is (a unique index)
    superseded  a newer version of the same key is there; history() still gives it
    pruned      dropped, the facts kept

and forgetting, which deletes the row with its earlier versions and texts, overwrites them in the file (secure_delete)
and empties the write-ahead log, so that the words are nowhere in the folder. Texts and vectors serve finding only and
go with their row's life.

Names are kept as JSON in ASCII: any text can be a name, and namespaces below a prefix stand side by side in an index.

Many processes may read and write at once (WAL). A process has two connections, one that reads and one that writes, each
behind a lock: SQLite's own work takes microseconds, connections per thread would have to be found and closed at the
end, and with two a reader does not wait while a writer waits for another process.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import warnings
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import AgoraError, ConfigError, RunError
from .locks import Lock

FILE = "record.sqlite3"
OPEN = "record.open.lock"
"""Shared by all who have the record open, so that nobody puts a new one in its place meanwhile."""
APPLICATION = 0x41474F52  # "AGOR"
SCHEMA_VERSION = 1
PAGE = 8192  # Five vectors of 384 numbers to a page; two to SQLite's 4096, which wastes a quarter.
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR")
PATIENCE_MS = 30_000  # How long a writer waits for another process's transaction.

_SCHEMA = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE items (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    created_at REAL NOT NULL, updated_at REAL NOT NULL, expires_at REAL, ttl REAL,
    state TEXT NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'superseded', 'pruned')));
CREATE UNIQUE INDEX live ON items (namespace, key) WHERE state = 'live';
CREATE INDEX ended ON items (namespace, key) WHERE state != 'live';
CREATE INDEX expiring ON items (expires_at) WHERE expires_at IS NOT NULL;
CREATE TRIGGER append_only BEFORE UPDATE OF seq, namespace, key, value, created_at, updated_at ON items
BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END;
CREATE TABLE texts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL REFERENCES items, text TEXT NOT NULL, vector BLOB);
CREATE INDEX texts_of ON texts (seq);
CREATE INDEX unembedded ON texts (id) WHERE vector IS NULL;
CREATE TABLE removed (id INTEGER PRIMARY KEY AUTOINCREMENT, text INTEGER NOT NULL);
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Record:
    """Connections to the record of a folder, or to one in memory.

    Args:
        folder: Where it is, or is made; None: in memory, for this object alone.
        read_only: Never write, not even the folder; a folder that cannot be written is opened so by itself.

    Raises:
        ConfigError: It is no record of ours, or of a newer version, or not there and not to be made.
        RunError: It is damaged.
    """

    def __init__(self, folder: Path | None, *, read_only: bool = False) -> None:
        self.path = folder / FILE if folder else None
        if self.path and not self.path.exists() and not read_only:
            _create(self.path)
        self.read_only = read_only or bool(self.path and not _writable(self.path))
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._held: _Held | None = None
        self._seen: _Stamp | None = None
        """Of a file that is read as if it never changed: what it was when it was opened."""
        try:
            self._held = _hold(self.path, make=not self.read_only) if self.path else None
            with self._explained():
                self._reader = self._open()
                self._writer = self._reader if self.path is None or self.read_only else self._open()
        except BaseException:
            _let_go(self._held)
            raise
        self._writer_lock = self._lock if self._writer is self._reader else threading.RLock()
        with contextlib.suppress(RunError):  # The disk is full, and the record can be read all the same.
            self.wipe(patience=0)  # What a process that was killed had erased may still stand in its log.

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, of one moment."""
        with self._lock, self._explained():
            return self._to_read().execute(sql, parameters).fetchall()

    def by_number(self, sql: str, numbers: Sequence[int], *parameters: Any) -> list[Any]:
        """All rows of a query with `{}` in it, where so many numbers as there are go, some hundreds at a time."""
        found = []
        for start in range(0, len(numbers), 500):
            some = numbers[start : start + 500]
            found += self.read(sql.format(",".join("?" * len(some))), (*some, *parameters))
        return found

    def each(self, sql: str, parameters: Sequence[Any] = ()) -> Generator[Any, None, None]:
        """The rows of a query one by one, all of one moment; to be closed soon, since others wait meanwhile."""
        with self._lock, self._explained():
            cursor = self._to_read().execute(sql, parameters)
            try:
                yield from cursor
            finally:
                cursor.close()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Several `read`s that see the same moment."""
        with self._lock, self._explained():
            reader = self._to_read()
            if reader.in_transaction:  # in memory, inside a transaction of this thread
                yield
                return
            reader.execute("BEGIN")
            try:
                yield
            finally:
                reader.execute("ROLLBACK")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What is written in it is durable when it ends, or not there at all."""
        if self.read_only:
            raise RunError(f"{self.path} is open for reading only, or its folder cannot be written; nothing is kept.")
        with self._writer_lock, self._explained():
            writer = self._usable(self._writer)
            writer.execute("BEGIN IMMEDIATE")
            try:
                yield writer
                writer.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself when the disk is full.
                    writer.execute("ROLLBACK")
                raise

    def wipe(self, patience: float = 2) -> bool:
        """Empty the write-ahead log, where erased words still stand.

        Args:
            patience: Seconds to wait for who reads and writes.

        Returns:
            False: others do not stop to. It is tried again whenever the record is opened or closed.
        """
        if self.path is None or self.read_only:
            return True
        with self._writer_lock, self._explained():
            writer = self._usable(self._writer)
            writer.execute(f"PRAGMA busy_timeout = {int(1000 * patience)}")
            try:
                busy, _, _ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname not in ("SQLITE_BUSY", "SQLITE_LOCKED"):
                    raise
                busy = True
            finally:
                writer.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
            return not busy

    def last(self, table: str) -> int:
        """The largest number that a table ever gave out."""
        found = self.read("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))
        return int(found[0][0]) if found else 0

    def note(self, name: str) -> Any:
        """A small fact of the memory; None when it was never set."""
        found = self.read("SELECT value FROM notes WHERE name = ?", (name,))
        return json.loads(found[0][0]) if found else None

    def close(self) -> None:
        """Give the file back. Closing twice is fine."""
        with self._writer_lock, self._lock:
            if self._process == os.getpid():
                with contextlib.suppress(RunError):  # closed already, or the disk is full
                    self.wipe(patience=0)
                self._writer.close()
                self._reader.close()
                _let_go(self._held)
                self._held = None

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            connection.executescript(_SCHEMA)
        elif self.read_only:
            connection, self._seen = _open_to_read(self.path)
        else:
            connection = connected(self.path)
            try:
                for pragma in ("journal_mode = WAL", "synchronous = FULL"):
                    connection.execute(f"PRAGMA {pragma}")
            except sqlite3.OperationalError as error:
                connection.close()
                if not (error.sqlite_errorname or "").startswith(_NO_ROOM):
                    raise
                self.read_only = True
                warnings.warn(f"{self.path} is opened for reading only, since its disk is full.", RuntimeWarning, 5)
                return self._open()
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def _to_read(self) -> sqlite3.Connection:
        """The connection that reads, opened anew where it could not see that others have written."""
        reader = self._usable(self._reader)
        if self._seen is not None and not reader.in_transaction and self.path and self._seen != _stamp(self.path):
            reader.execute("SELECT 1")  # refuses one that is closed
            fresh = self._open()
            reader.close()
            self._reader = self._writer = fresh
        return self._reader

    def _usable(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        if self._process != os.getpid():
            raise RunError(f"The memory {self.path} was opened before this process was forked; open it again in here.")
        return connection

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explained(error, self.path) from error


def explained(error: sqlite3.Error, path: Path | None) -> AgoraError:
    """What a failure of SQLite means for who uses the memory."""
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "no such table" in str(error):
        return damaged(path, "parts of it cannot be read")
    if name.startswith(_NO_ROOM):
        return RunError(
            f"{path} could not be written: {error}. Nothing of this call is kept, and all that was kept before is. "
            "Make room on the disk, then call again."
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return RunError(
            f"{path} is being written by another process for longer than {PATIENCE_MS // 1000} s; nothing of this call "
            "is kept. Call again when it is done."
        )
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return RunError(f"The memory {path or 'of this process'} is closed; open it again.")
    return RunError(f"{path or 'The memory'}: SQLite says: {error}.")


def damaged(path: Path | None, what: str) -> RunError:
    """The error for a record that is ours and broken."""
    folder = path.parent if path else ""
    return RunError(
        f"The record {path} is damaged: {what}. `agora memory rebuild --path {folder}` saves what can be read into a "
        "new record and keeps the broken one beside it; or put back a backup of the folder."
    )


def encoded(name: str | tuple[str, ...]) -> str:
    r"""A key or namespace as it stands in the record.

    Example:
        >>> encoded(("a", "ü"))
        '["a","\\u00fc"]'
    """
    return json.dumps(name, separators=(",", ":"))


def make(path: Path) -> None:
    """Make an empty record, in a file that is not there."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        connection.execute("PRAGMA journal_mode = WAL")


def connected(path: Path, query: str = "mode=rw") -> sqlite3.Connection:
    """A connection to a file that is there, which any thread may use."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=PATIENCE_MS / 1000,
    )


def size_by_header(header: bytes) -> int:
    """How many bytes an SQLite file says that it has."""
    return int.from_bytes(header[28:32], "big") * (int.from_bytes(header[16:18], "big") or 65536)


def _create(path: Path) -> None:
    """Make the folder and an empty record in it, whole or not at all, whoever else does so at the same moment."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with Lock(path.parent / "record.lock").held():
            if path.exists():
                return
            new = path.with_name(f"{FILE}.new")
            new.unlink(missing_ok=True)
            make(new)
            new.replace(path)
            _sync(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"A memory cannot be made in {path.parent} ({error}); give a folder that can be written, on a disk "
            "with room."
        ) from error


def _sync(folder: Path) -> None:
    """Make a change of names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _inspect(path: Path) -> None:
    """Refuse a file that is none of ours, or cut short, before SQLite touches it."""
    if not path.exists():
        raise ConfigError(f"There is no memory in {path.parent}; nothing is made with read_only=True.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    if len(header) < 100 and b"SQLite format 3\x00".startswith(header[:16]):
        raise damaged(path, f"it has only {size} bytes")
    is_ours = int.from_bytes(header[68:72], "big") == APPLICATION
    if not any(header[:16]) and (is_ours or any(path.with_name(name).exists() for name in (OPEN, "record.lock"))):
        raise damaged(path, "it begins with zeros")
    if not header.startswith(b"SQLite format 3\x00") or not is_ours:
        raise _foreign(path)
    version = int.from_bytes(header[60:64], "big")
    if version > SCHEMA_VERSION:
        raise ConfigError(
            f"{path} has version {version} and this package knows {SCHEMA_VERSION}; update langgraph-agora."
        )
    log = path.with_name(f"{FILE}-wal")
    wanted = size_by_header(header)
    # With a log, the first page may be newer than the end of the file; SQLite then mends it from the log.
    if size < wanted and not (log.exists() and log.stat().st_size):
        raise damaged(path, f"it is cut short, {size:,} of {wanted:,} bytes")


def _foreign(path: Path | None) -> ConfigError:
    return ConfigError(f"{path} is no record of this package; give another folder for the memory.")


@dataclass(frozen=True, slots=True)
class _Held:
    """What an open record has of its file: the lock, and its place among those that this process has open."""

    lock: Lock
    file: tuple[int, int]


_Stamp = tuple[int, int, int, int]
_open: Counter[tuple[int, int]] = Counter()
_opening = threading.Lock()


def _hold(path: Path, *, make: bool) -> _Held:
    """Begin to use a record: nobody may replace it from now on; it is looked at before SQLite touches it.

    To close a file ends all locks that the process has on it, SQLite's own as well, and another process could then
    throw away the log that this one writes. So a file that this process has open already is not opened to look at it.
    """
    with _opening:
        file = _identity(path)
        if file is None or file not in _open:
            _inspect(path)
        file = file or (0, 0)
        _open[file] += 1
    held = _Held(Lock(path.with_name(OPEN)), file)
    with contextlib.suppress(OSError):  # It may not be there, and not be made: by who only reads, or on a full disk.
        if not held.lock.take(shared=True, make=make):
            _let_go(held)
            raise RunError(f"{path} is being saved by `agora memory rebuild`; open it again when that is done.")
    return held


def _let_go(held: _Held | None) -> None:
    if held is not None:
        with _opening:
            _open[held.file] -= 1
            if not _open[held.file]:
                del _open[held.file]
        held.lock.drop()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _stamp(path: Path) -> _Stamp:
    """What changes when a record is written: which file it is, its time and size, and whether there is a log."""
    facts = path.stat()
    try:
        log = path.with_name(f"{FILE}-wal").stat().st_size
    except OSError:
        log = 0
    return facts.st_ino, facts.st_mtime_ns, facts.st_size, log


def _open_to_read(path: Path) -> tuple[sqlite3.Connection, _Stamp | None]:
    """A connection that never writes. WAL wants a file beside the record, which a read-only folder refuses.

    Without that file SQLite takes the record for one that never changes: then its stamp is returned too, to be compared
    before each read.
    """
    connection = connected(path, "mode=ro")
    try:
        connection.execute("SELECT 1 FROM items LIMIT 1").fetchall()
    except sqlite3.OperationalError:
        connection.close()
        seen = _stamp(path)
        if seen[3]:
            raise RunError(
                f"{path} cannot be read in a folder that cannot be written, since a process that writes it has it open "
                "or did not close it; open it where its folder can be written."
            ) from None
        return connected(path, "mode=ro&immutable=1"), seen
    return connection, None
