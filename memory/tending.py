"""Looking after a memory: is everything where it should be, and making vectors and index anew."""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from ..errors import RunError
from .index import Finder
from .items import Check
from .record import Record
from .writing import THERE, note

if TYPE_CHECKING:
    from .embedders import Embedder

_BATCH = 256
_SAMPLE = 50
_LOST = 0.05
"""The share of a sample that a sound index may not find."""

Progress = Callable[[int, int], None]


def check(record: Record, finder: Finder, now: float) -> Check:
    """Compare everything with everything; the index takes first what waits for it."""
    problems = _flaws(record)
    if problems:  # Nothing that is counted in a damaged record says much.
        return Check(0, 0, 0, 0, 0, 0, 0, 0, 0, tuple(problems))
    while finder.keep_up(1):
        pass
    counts = dict(record.read("SELECT state, count(*) FROM items GROUP BY state"))
    [(items,)] = record.read(f"SELECT count(*) FROM items WHERE {THERE}", (now,))
    [(vectors, unembedded)] = record.read("SELECT count(vector), count(*) - count(vector) FROM texts")
    if unembedded:
        problems.append(
            f"{unembedded} texts have no vector, since the embedder failed, and are not found by meaning: "
            "`agora memory rebuild` embeds them."
        )
    indexed, waiting, missing, orphans = _compared(record, finder, vectors, problems)
    return Check(
        items=items,
        pruned=counts.get("pruned", 0),
        superseded=counts.get("superseded", 0),
        vectors=vectors,
        unembedded=unembedded,
        indexed=indexed,
        waiting=waiting,
        missing=missing,
        orphans=orphans,
        problems=tuple(problems),
    )


class Rebuild:
    """Making the index anew, and the vectors that are missing or another embedder's, step by step.

    Between the steps, and while `embed` runs, others may search and write; during the others the shelf's lock is held.
    """

    def __init__(self, record: Record, finder: Finder, embedder: Embedder, progress: Progress | None = None) -> None:
        self.embedder = embedder
        self._record, self._finder, self._told = record, finder, progress or _nothing
        self._ids: list[int] = []
        # A million vectors are more than fits into memory.
        self._staged: IO[bytes] = TemporaryFile()  # noqa: SIM115  (closed by __exit__)
        self._vectors = self._taken = 0
        self._known = (record.note("shelf.embedder"), record.note("shelf.dimensions"))
        self._lacking = "vector IS NULL" if self._known == (embedder.name, embedder.dimensions) else "1"

    def __enter__(self) -> Rebuild:
        return self

    def __exit__(self, *error: object) -> None:
        self._staged.close()

    def begin(self) -> None:
        """Become the one who writes the index.

        Raises:
            RunError: Another process writes it.
        """
        chroma = self._finder.chroma
        if chroma is not None and not chroma.lead():
            raise RunError(
                f"Another process writes the index of {self._record.path}; close the memory there, or rebuild it there."
            )

    def embed(self) -> None:
        """Embed what has no vector of this embedder, and is not embedded yet."""
        [(total,)] = self._record.read(f"SELECT count(*) FROM texts WHERE {self._lacking}")
        while rows := self._record.read(
            f"SELECT id, text FROM texts WHERE id > ? AND {self._lacking} ORDER BY id LIMIT ?", (self._last, _BATCH)
        ):
            self._staged.write(self.embedder.embed([text for _, text in rows]).astype("<f4").tobytes())
            self._ids += [one for one, _ in rows]
            self._told(len(self._ids), 2 * max(total, len(self._ids)))

    def commit(self) -> None:
        """Put all vectors into the record at once, and let go of the index."""
        while not self._put():
            self.embed()
        self._finder.forget()
        if self._finder.chroma is not None:
            self._finder.chroma.remove()
            self._finder.chroma.problem = self._finder.chroma.unusable
        [(self._vectors,)] = self._record.read("SELECT count(vector) FROM texts")

    def index(self) -> int:
        """Let the index take in some vectors; returns how many, 0 when it has all."""
        taken = self._finder.keep_up(1)
        self._taken += taken
        if taken:
            self._told(len(self._ids) + self._taken, len(self._ids) + max(self._vectors, self._taken))
        return taken

    def finish(self) -> int:
        """Return how many vectors there are.

        Raises:
            RunError: The index could not be made.
        """
        chroma = self._finder.chroma
        if chroma is not None and chroma.problem:
            raise RunError(f"{chroma.problem}. Nothing is lost: everything is searched without it, only slower.")
        return int(self._vectors)

    @property
    def _last(self) -> int:
        return self._ids[-1] if self._ids else 0

    def _put(self) -> bool:
        """Whether nothing was put by others meanwhile, so that the vectors are in the record now."""
        with self._record.transaction() as connection:
            more = connection.execute(
                f"SELECT 1 FROM texts WHERE id > ? AND {self._lacking} LIMIT 1", (self._last,)
            ).fetchone()
            if more:
                return False
            self._staged.seek(0)
            size = 4 * self.embedder.dimensions
            connection.executemany(
                "UPDATE texts SET vector = ? WHERE id = ?", ((self._staged.read(size), one) for one in self._ids)
            )
            if self._ids or self._known[0] is not None:
                note(connection, "shelf.embedder", self.embedder.name)
                note(connection, "shelf.dimensions", self.embedder.dimensions)
            made = connection.execute("SELECT value FROM notes WHERE name = 'shelf.generation'").fetchone()
            note(connection, "shelf.generation", int(made[0]) + 1 if made else 1)
        return True


def _flaws(record: Record) -> list[str]:
    """What is wrong with the record by itself."""
    flaws = []
    try:
        flaws = [f"SQLite: {found}" for (found,) in record.read("PRAGMA integrity_check(5)") if found != "ok"]
        [(stray,)] = record.read(
            "SELECT count(*) FROM texts LEFT JOIN items ON items.seq = texts.seq WHERE items.state IS NOT 'live'"
        )
        if stray:
            flaws.append(f"{stray} texts belong to no item that is there.")
    except RunError as error:
        flaws.append(str(error))
    return flaws


def _compared(record: Record, finder: Finder, vectors: int, problems: list[str]) -> tuple[int, int, int, int]:
    """How many vectors are in the index, wait for it, are missing from it, are orphans in it."""
    chroma = finder.chroma
    if chroma is None or record.note("shelf.embedder") is None:
        return 0, vectors, 0, 0
    found = chroma.content(record.note("shelf.generation") or 0)
    if chroma.problem:
        problems.append(f"{chroma.problem}; everything is searched without it. `agora memory rebuild` makes it anew.")
    if found is None:
        return 0, vectors, 0, 0
    state, inside = found
    with record.snapshot():
        alive = {one for (one,) in record.read("SELECT id FROM texts WHERE vector IS NOT NULL")}
        leaving = {text for (text,) in record.read("SELECT text FROM removed WHERE id > ?", (state.removed,))}
    wanted = {one for one in alive if one <= state.text}
    missing, orphans = len(wanted - inside), len(inside - alive - leaving)
    tried = sample(record, state.text)
    lost = chroma.lost(tried)
    said = [f"lacks {missing} vectors that it should have"] if missing else []
    said += [f"has {orphans} vectors of no item"] if orphans else []
    # It is approximate: of many vectors that are nearly the same it may miss one here and there.
    said += [f"does not find {lost} vectors of {len(tried)} tried"] if lost > _LOST * len(tried) else []
    problems += [f"The index {one}: `agora memory rebuild` makes it anew." for one in said]
    return len(inside & alive), len(alive) - len(wanted), missing, orphans


def sample(record: Record, last: int) -> list[Any]:
    """(id, vector) of some texts up to a number, spread over them."""
    return record.read(
        "SELECT id, vector FROM texts WHERE id <= ? AND vector IS NOT NULL ORDER BY id * 7919 % 10007, id LIMIT ?",
        (last, _SAMPLE),
    )


def _nothing(done: int, total: int) -> None:
    """Nobody wants to know."""
