"""Vectors in memory, kept fresh from the record and scored exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_PREFIXES = 100
"""Namespaces whose places are kept."""
_NEAR = 1e-5
"""More than float32 sums of one vector differ by, wherever it stands."""


class Matrix:
    """The vectors of a record from some text on, in memory, with the numbers of their rows and namespaces.

    Args:
        record: Where they are read from.
        after: Only texts with a larger number.
        removed: Removals up to this number are known already.
    """

    def __init__(self, record: Record, after: int = 0, removed: int = 0) -> None:
        import numpy as np  # noqa: PLC0415  (a quarter of a second, and not every command needs vectors)

        self.after = self.last = after
        self.removed = removed
        self._record = record
        self._size = 0
        self._ids = np.empty(0, np.int64)
        self._seqs = np.empty(0, np.int64)
        self._spaces = np.empty(0, np.int32)
        self._alive = np.empty(0, np.bool_)
        self._vectors = np.empty((0, 0), np.float32)
        self._names: dict[str, int] = {}
        self._inside: dict[str, NDArray[np.bool_]] = {}
        """Which places are in a namespace or below it, as far as they were looked at."""

    def __len__(self) -> int:
        return self._size

    def catch_up(self) -> None:
        """Take in what was put and removed since the last time, by whatever process."""
        with self._record.snapshot():
            new = self._record.read(_NEW, (self.last,))
            gone = self._record.read("SELECT id, text FROM removed WHERE id > ? ORDER BY id", (self.removed,))
        if new:
            self._append(new)
            self.last = new[-1][0]
        if gone:
            self._strike([text for _, text in gone])
            self.removed = gone[-1][0]

    def best(
        self, query: NDArray[np.float32], amount: int, start: str = "[]", seqs: Sequence[int] | None = None
    ) -> list[tuple[float, int]]:
        """The (cosine, row) of the vectors nearest to a query: best first, ties by row; at most `amount`.

        Args:
            query: Of length 1.
            amount: How many vectors; a row with several of them may come several times.
            start: Only this namespace and those below it, written as in the record.
            seqs: Only these rows; None: all.
        """
        import numpy as np  # noqa: PLC0415  (see above)

        wanted = self._alive[: self._size]
        if start != "[]":
            wanted = wanted & self._below(start)
        if seqs is not None:
            wanted = wanted & np.isin(self._seqs[: self._size], seqs)
        places = np.flatnonzero(wanted)
        if not len(places):
            return []
        if len(places) < self._size // 4:
            scores = self._vectors[places] @ query
        else:
            scores = (self._vectors[: self._size] @ query)[places]
        return exact_best(query, self._vectors, places, scores, self._seqs, amount)

    def _below(self, start: str) -> NDArray[np.bool_]:
        """Which places are in a namespace or below it; only those that are new are looked at."""
        import numpy as np  # noqa: PLC0415  (see above)

        known = self._inside.get(start, np.empty(0, np.bool_))
        if len(known) < self._size:
            under = f"{start[:-1]},"
            spaces = [number for name, number in self._names.items() if name == start or name.startswith(under)]
            known = np.concatenate([known, np.isin(self._spaces[len(known) : self._size], spaces)])
            if len(self._inside) >= _MOST_PREFIXES:
                self._inside.clear()
            self._inside[start] = known
        return known

    def _append(self, new: list[Any]) -> None:
        import numpy as np  # noqa: PLC0415  (see above)

        vectors = np.frombuffer(b"".join(row[3] for row in new), "<f4").reshape(len(new), -1)
        start, end = self._size, self._size + len(new)
        if end > len(self._ids):
            self._grow(max(end, 2 * start), vectors.shape[1])
        self._ids[start:end] = [row[0] for row in new]
        self._seqs[start:end] = [row[1] for row in new]
        self._spaces[start:end] = [self._names.setdefault(row[2], len(self._names)) for row in new]
        self._alive[start:end] = True
        self._vectors[start:end] = vectors
        self._size = end

    def _grow(self, capacity: int, dimensions: int) -> None:
        import numpy as np  # noqa: PLC0415  (see above)

        for name in ("_ids", "_seqs", "_spaces", "_alive", "_vectors"):
            old = getattr(self, name)
            new = np.empty((capacity, dimensions) if old.ndim == 2 else capacity, old.dtype)
            if self._size:
                new[: self._size] = old[: self._size]
            setattr(self, name, new)

    def _strike(self, texts: list[int]) -> None:
        """Let go of texts; when half of all are gone, of their room too."""
        import numpy as np  # noqa: PLC0415  (see above)

        ids = self._ids[: self._size]
        places = np.searchsorted(ids, texts)
        known = places < self._size
        places = places[known]
        places = places[ids[places] == np.asarray(texts)[known]]
        self._alive[places] = False
        alive = np.flatnonzero(self._alive[: self._size])
        if len(alive) < self._size // 2:
            for name in ("_ids", "_seqs", "_spaces", "_alive", "_vectors"):
                setattr(self, name, getattr(self, name)[alive])
            self._size = len(alive)
            self._inside.clear()


def exact_best(
    query: NDArray[np.float32],
    vectors: NDArray[np.float32],
    places: NDArray[np.int64],
    scores: NDArray[np.float32],
    seqs: NDArray[np.int64],
    amount: int,
) -> list[tuple[float, int]]:
    """The best of scored vectors, in an order that depends on nothing but the vectors and their rows.

    BLAS sums a vector in another order when it stands elsewhere in the matrix, so equal vectors would get unequal
    scores. What may be among the best is summed again, each by itself, in double precision.
    """
    import numpy as np  # noqa: PLC0415  (see above)

    if amount < len(scores):
        edge = np.partition(scores, len(scores) - amount)[len(scores) - amount]
        chosen = scores >= edge - _NEAR
        places = places[chosen]
    exact = (vectors[places].astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    rows = seqs[places]
    order = np.lexsort((rows, -exact))[:amount]
    return [(float(exact[at]), int(rows[at])) for at in order]


_NEW = """
SELECT texts.id, texts.seq, items.namespace, texts.vector FROM texts JOIN items ON items.seq = texts.seq
WHERE texts.id > ? AND texts.vector IS NOT NULL ORDER BY texts.id
"""
