"""Finding vectors: in a matrix in memory, or above ten thousand in Chroma, always with what is newest.

Up to about 10,000 vectors multiplying all of them with the query takes less than asking Chroma (0.1 to 1.7 ms of CPU at
384 dimensions, by the machine, against 1.9) and is exact. Above, Chroma names candidates among those that it has, a
matrix holds the newer ones, and both are scored exactly. The index is kept at every size, so that it is there when it
is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .chroma import Chroma
from .matrix import Matrix, exact_best
from .record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Limits:
    """When the index is used and written; in vectors.

    Args:
        exact: Of more than so many Chroma is asked.
        behind: So many the index may lack before it takes them in: one by one costs 30 ms each, a thousand at once 0.3.
        at_once: It takes in so many at a time, so that a put or a search is never held up for long.
        reopen: So many it may lack for a process that does not write it, before that one opens it anew.
    """

    exact: int = 10_000
    behind: int = 1000
    at_once: int = 2000
    reopen: int = 5000


class Finder:
    """What is near a vector, out of everything that the record has now. Not to be used by two threads at once."""

    def __init__(self, record: Record, folder: Path | None) -> None:
        self.chroma = Chroma(folder, record) if folder and not record.read_only else None
        self.limits = Limits()
        self.is_approximate = False
        self._record = record
        self._matrix: Matrix | None = None
        self._generation = -1
        self._seen = 0

    def __len__(self) -> int:
        """How many vectors there are."""
        return self._record.last("texts") - self._record.last("removed")

    def catch_up(self) -> None:
        """See what any process has put or dropped by now."""
        generation = self._record.note("shelf.generation") or 0
        if generation != self._generation:
            self.forget()
            self._generation = generation
        if len(self) > self.limits.exact:
            self.keep_up()
            self._lean_on_index()
        if self._matrix is None:
            self.is_approximate = False
            self._matrix = Matrix(self._record)
        self._matrix.catch_up()

    def is_current(self) -> bool:
        """Whether what `catch_up` saw are the vectors that the record has now."""
        return self._generation == (self._record.note("shelf.generation") or 0)

    def renew(self) -> bool:
        """Throw the index away when its files have vectors that were erased; whether that was so.

        Who opens the memory next makes it anew. Here Chroma could write them into the new files once more: it saves
        memory that it has not filled, where those of the old index may stand.
        """
        if self.chroma is None or not self.chroma.leads or not self.chroma.is_stale():
            return False
        self.chroma.remove()
        return True

    def keep_up(self, behind: int | None = None) -> int:
        """Let the index take in some of what is new and gone, when that is so much; returns how much it took."""
        if self.chroma is None or self.chroma.problem or self._record.note("shelf.embedder") is None:
            return 0
        generation = self._record.note("shelf.generation") or 0
        reach = self.chroma.reach(generation)
        if self._record.last("texts") - reach.text + self._record.last("removed") - reach.removed < (
            self.limits.behind if behind is None else behind
        ):
            return 0
        return self.chroma.take(generation, self.limits.at_once)

    def best(
        self, query: NDArray[np.float32], amount: int, start: str, seqs: Sequence[int] | None = None
    ) -> list[tuple[float, int]]:
        """The (cosine, row) of vectors near a query: best first, ties by row, at most `amount`.

        Args:
            query: Of length 1.
            amount: How many vectors; a row with several of them may come several times.
            start: A namespace, as it is written in the record; what is not in or below it may be left out.
            seqs: Only these rows, and all of them exactly.
        """
        assert self._matrix is not None
        if not self.is_approximate:
            return self._matrix.best(query, amount, start, seqs)
        assert self.chroma is not None
        if seqs is not None:
            return self._scored(query, amount, "seq", seqs)
        try:
            names = self.chroma.search(query, min(amount, len(self)))
        except Exception as error:  # Chroma raises whatever its parts in Rust do; the record has everything
            self.chroma.fail(error)
            self._matrix, self.is_approximate = Matrix(self._record), False
            self._matrix.catch_up()
            return self.best(query, amount, start)
        newer = self._matrix.best(query, amount, start)
        found = self._scored(query, amount, "id", names)
        return sorted(found + newer, key=lambda one: (-one[0], one[1]))[:amount]

    def forget(self) -> None:
        """Let go of all vectors, to load them again when they are needed."""
        self._matrix, self.is_approximate, self._seen = None, False, 0
        if self.chroma is not None and self.chroma.state.generation != (self._record.note("shelf.generation") or 0):
            self.chroma.shut()

    def close(self) -> None:
        """Let go of everything."""
        self._matrix = None
        if self.chroma is not None:
            self.chroma.close()

    def _lean_on_index(self) -> None:
        """Search by the index, and keep only what it lacks in memory, where it has enough to be worth it."""
        chroma = self.chroma
        if chroma is None or chroma.problem:
            self._matrix = None if self.is_approximate else self._matrix
            return
        is_old = not chroma.leads and self._matrix is not None and len(self._matrix) >= self.limits.reopen
        if chroma.state.generation != self._generation or is_old:
            reach = chroma.reach(self._generation).text
            if reach > self._seen:  # else it was tried, and nothing has changed since
                self._seen = reach
                if not chroma.open(self._generation):
                    chroma.take(self._generation, self.limits.at_once)  # which mends it, unless another process does
        state = chroma.state
        if state.generation == self._generation and self._record.last("texts") - state.text < self.limits.exact:
            if self._matrix is None or self._matrix.after != state.text:
                self._matrix = Matrix(self._record, state.text, state.removed)
            self.is_approximate = True
        elif self.is_approximate:
            self._matrix = None

    def _scored(
        self, query: NDArray[np.float32], amount: int, column: str, numbers: Sequence[int]
    ) -> list[tuple[float, int]]:
        """Score texts exactly, with their vectors out of the record."""
        import numpy as np  # noqa: PLC0415  (as in matrix.py)

        sql = f"SELECT seq, vector FROM texts WHERE {column} IN ({{}}) AND vector IS NOT NULL"
        rows = self._record.by_number(sql, numbers)
        if not rows:
            return []
        vectors = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(len(rows), -1)
        seqs = np.array([row[0] for row in rows], np.int64)
        return exact_best(query, vectors, np.arange(len(rows)), vectors @ query, seqs, amount)
