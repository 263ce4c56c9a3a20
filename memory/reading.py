"""Which rows of the record are meant, and how they are read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..errors import ConfigError
from .filters import checked_where, condition, matches
from .items import Row, checked_name
from .record import Record, encoded
from .writing import COLUMNS, THERE, all_of, encoded_name, row_of

_SOME = 500
_FIRST_PUT = f"""
SELECT seq FROM (
    SELECT seq, created_at, first_value(created_at) OVER ages AS begun, first_value(seq) OVER ages AS first
    FROM items WHERE {{}} AND {THERE} WINDOW ages AS (PARTITION BY namespace ORDER BY created_at, seq))
ORDER BY begun, first, created_at, seq LIMIT ? OFFSET ?
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows that are there at a time, in a namespace or below it, and pass a filter.

    Raises:
        ConfigError: The namespace or the filter is none.
    """

    prefix: tuple[str, ...]
    where: Mapping[str, Any] | None
    now: float

    def __post_init__(self) -> None:
        checked_name(self.prefix)
        checked_where(self.where)

    def rows(
        self,
        record: Record,
        *,
        limit: int | None = None,
        offset: int = 0,
        newest: bool = False,
        pruned: bool = False,
        after: int = 0,
    ) -> Iterator[Row]:
        """One by one, in the order of their numbers."""
        for name, number in (("limit", limit or 0), ("offset", offset)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise ConfigError(f"{name} was {number!r}; give a whole number from 0 on.")
        # What is newer than a number is little as a rule: it is read, instead of all numbers of a namespace.
        inside, names = below(self.prefix) if after else self._inside(pruned)
        passes, values = condition(self.where)
        there = f"({THERE} OR state = 'pruned')" if pruned else THERE
        found = record.each(
            f"SELECT {COLUMNS} FROM items {'NOT INDEXED' if after else ''} "
            f"WHERE seq > ? AND {inside} AND {there} AND {passes} "
            f"ORDER BY seq {'DESC' if newest else ''}",
            (after, *names, self.now, *values),
        )
        with contextlib.closing(found):
            rows = (row for row in map(row_of, found) if matches(row.value, self.where))
            yield from islice(rows, offset, None if limit is None else offset + limit)

    def first_put(self, record: Record, limit: int, offset: int = 0) -> list[Row]:
        """Some of them, in the order in which they were first put, namespace by namespace, the oldest of these first.

        SQLite sorts numbers and times; of the values only those are read that are given out, or tried by a filter.
        """
        inside, names = self._inside(pruned=False)
        places = (-1, 0) if self.where else (limit, offset)
        with record.snapshot():
            seqs = [one for (one,) in record.read(_FIRST_PUT.format(inside), (*names, self.now, *places))]
            found: list[Row] = []
            for start in range(0, len(seqs), _SOME):
                found += self._numbered(record, seqs[start : start + _SOME])
                if self.where and len(found) >= offset + limit:
                    break
        return found[offset : offset + limit] if self.where else found

    def count(self, record: Record) -> int:
        """How many they are."""
        if self.where:
            return sum(1 for _ in self.rows(record))
        space, names = below(self.prefix)
        # Two indexes are counted, and no row is read.
        live = f"SELECT count(*) FROM items WHERE state = 'live' AND {space}"
        [(all_of_them,)] = record.read(live, names)
        [(expired,)] = record.read(f"{live} AND expires_at <= ?", (*names, self.now))
        return int(all_of_them - expired)

    def seqs(self, record: Record, limit: int | None = None) -> list[int]:
        """Their numbers, at most so many; without a filter also of rows that have expired."""
        if self.where:
            return [row.seq for row in self.rows(record, limit=limit)]
        space, names = below(self.prefix)
        sql = f"SELECT seq FROM items WHERE state = 'live' AND {space} LIMIT ?"
        return [seq for (seq,) in record.read(sql, (*names, -1 if limit is None else limit))]

    def _inside(self, pruned: bool) -> tuple[str, list[str]]:
        """SQL for the namespace: the numbers come from an index, since it may be a small one in a large record."""
        if not self.prefix:
            return "1", []
        space, names = below(self.prefix)
        states = ("=", "!=") if pruned else ("=",)  # an index for each
        found = " UNION ALL ".join(f"SELECT seq FROM items WHERE state {sign} 'live' AND {space}" for sign in states)
        return f"seq IN ({found})", names * len(states)

    def scored(self, record: Record, found: Sequence[tuple[float, int]]) -> list[tuple[Row, float]]:
        """Those among scored numbers, each once, with its best score; the order stays."""
        scores: dict[int, float] = {}
        for score, seq in found:
            scores.setdefault(seq, score)
        return [(row, scores[row.seq]) for row in self._numbered(record, list(scores))]

    def _numbered(self, record: Record, seqs: Sequence[int]) -> list[Row]:
        """Those with these numbers, in this order."""
        space, names = below(self.prefix)
        passes, values = condition(self.where)
        sql = f"SELECT {COLUMNS} FROM items WHERE seq IN ({{}}) AND {space} AND {THERE} AND {passes}"
        there = map(row_of, record.by_number(sql, seqs, *names, self.now, *values))
        rows = {row.seq: row for row in there if matches(row.value, self.where)}
        return [rows[seq] for seq in seqs if seq in rows]


def one(record: Record, namespace: tuple[str, ...], key: str, now: float) -> Row | None:
    """The row of a name; None: there is none."""
    checked_name(namespace, key)
    found = record.read(
        f"SELECT {COLUMNS} FROM items WHERE namespace = ? AND key = ? AND {THERE}",
        (encoded(tuple(namespace)), encoded(key), now),
    )
    return row_of(found[0]) if found else None


def versions(record: Record, namespace: tuple[str, ...], key: str) -> list[Row]:
    """All rows of a name, whatever their state, the oldest first."""
    checked_name(namespace, key)
    return [row_of(row) for row in record.read(all_of(COLUMNS) + " ORDER BY seq", 2 * encoded_name(namespace, key))]


def spaces(record: Record, now: float) -> list[tuple[str, ...]]:
    """All namespaces with a row that is there, sorted."""
    found = record.read(f"SELECT DISTINCT namespace FROM items WHERE {THERE}", (now,))
    return sorted(tuple(json.loads(namespace)) for (namespace,) in found)


def below(prefix: tuple[str, ...]) -> tuple[str, list[str]]:
    """SQL that is true in a namespace and all below it.

    Example:
        >>> below(("a",))
        ('(namespace = ? OR (namespace >= ? AND namespace < ?))', ['["a"]', '["a",', '["a"-'])
    """
    if not prefix:
        return "1", []
    start = encoded(tuple(prefix))[:-1]
    return "(namespace = ? OR (namespace >= ? AND namespace < ?))", [f"{start}]", f"{start},", f"{start}-"]
