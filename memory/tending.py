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


def rebuild(record: Record, finder: Finder, embedder: Embedder, progress: Progress | None = None) -> int:
    """Make the index anew, and the vectors that are missing or another embedder's; returns how many vectors there are.

    Raises:
        RunError: Another process writes the index.
    """
    if finder.chroma is not None and not finder.chroma.lead():
        raise RunError(
            f"Another process writes the index of {record.path}; close the memory there, or rebuild it there."
        )
    told = progress or _nothing
    embedded = _embed(record, embedder, told)
    finder.forget()
    if finder.chroma is not None:
        finder.chroma.remove()
        finder.chroma.problem = finder.chroma.unusable
    [(vectors,)] = record.read("SELECT count(vector) FROM texts")
    done = 0
    while taken := finder.keep_up(1):
        done += taken
        told(embedded + done, embedded + vectors)
    if finder.chroma is not None and finder.chroma.problem:
        raise RunError(f"{finder.chroma.problem}. Nothing is lost: everything is searched without it, only slower.")
    return int(vectors)


def _embed(record: Record, embedder: Embedder, told: Progress) -> int:
    """Embed what has no vector of this embedder, and put all of it into the record at once; returns how many texts."""
    known = (record.note("shelf.embedder"), record.note("shelf.dimensions"))
    lacking = "vector IS NULL" if known == (embedder.name, embedder.dimensions) else "1"
    ids: list[int] = []
    with TemporaryFile() as staged:  # a million vectors are more than fits into memory
        while True:
            _stage(record, embedder, lacking, ids, staged, told)
            with record.transaction() as connection:
                [(more,)] = connection.execute(
                    f"SELECT count(*) FROM texts WHERE id > ? AND {lacking}", (ids[-1] if ids else 0,)
                )
                if more:  # put by another process meanwhile
                    continue
                staged.seek(0)
                size = 4 * embedder.dimensions
                connection.executemany(
                    "UPDATE texts SET vector = ? WHERE id = ?", ((staged.read(size), one) for one in ids)
                )
                if ids or known[0] is not None:
                    note(connection, "shelf.embedder", embedder.name)
                    note(connection, "shelf.dimensions", embedder.dimensions)
                note(connection, "shelf.generation", (record.note("shelf.generation") or 0) + 1)
                return len(ids)


def _stage(record: Record, embedder: Embedder, lacking: str, ids: list[int], staged: IO[bytes], told: Progress) -> None:
    [(total,)] = record.read(f"SELECT count(*) FROM texts WHERE {lacking}")
    while True:
        rows = record.read(
            f"SELECT id, text FROM texts WHERE id > ? AND {lacking} ORDER BY id LIMIT ?",
            (ids[-1] if ids else 0, _BATCH),
        )
        if not rows:
            return
        staged.write(embedder.embed([text for _, text in rows]).astype("<f4").tobytes())
        ids += [one for one, _ in rows]
        told(len(ids), 2 * max(total, len(ids)))


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
    lost = chroma.lost(sample(record, state.text))
    for count, what in ((missing, "lacks"), (orphans, "has"), (lost, "does not find")):
        if count:
            kind = {"lacks": "that it should have", "has": "of no item", "does not find": f"of {_SAMPLE} tried"}[what]
            problems.append(f"The index {what} {count} vectors {kind}: `agora memory rebuild` makes it anew.")
    return len(inside & alive), len(alive) - len(wanted), missing, orphans


def sample(record: Record, last: int) -> list[Any]:
    """(id, vector) of some texts up to a number, spread over them."""
    return record.read(
        "SELECT id, vector FROM texts WHERE id <= ? AND vector IS NOT NULL ORDER BY id * 7919 % 10007, id LIMIT ?",
        (last, _SAMPLE),
    )


def _nothing(done: int, total: int) -> None:
    """Nobody wants to know."""
