"""The engine under the experience memory and under the store: items that are kept, and found again by meaning."""

from __future__ import annotations

import threading
import time
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, RunError
from .index import Finder
from .items import Check, Item, Row, checked_name
from .reading import Chosen, one, spaces, versions
from .record import Record, encoded
from .tending import Rebuild, check
from .writing import THERE, check_limit, claim, compare, forget, keep, note, prepared, prune, sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .embedders import Embedder

Name = tuple[tuple[str, ...], str]
"""A namespace and a key."""

_MOST_TRIED = 1000
"""Candidates that are tried against a filter, before SQLite is asked which rows pass it."""
_FEW = 2000
"""Rows of a namespace that are all scored, instead of asking the index, which knows of no namespaces."""


class Shelf:
    """Items that are kept (record) and found again (index). To be used by many threads and processes at once.

    Args:
        path: The folder; None: a memory of this object alone, gone when it is closed.
        embedder: What makes vectors of texts; None: the one that the memory was made with, else the best offline one.
        clock: Epoch seconds.
        limit: The most items that may be there at once.
        read_only: Write nothing, but SQLite's own empty files beside the record; all is searched without the index.

    Raises:
        ConfigError: The folder holds something else, or vectors of another embedder.
        RunError: The record is damaged.

    Example:
        >>> with Shelf() as shelf:
        ...     _ = shelf.put([Item(("notes",), "tea", {"degrees": 80}), Item(("notes",), "coffee", {"degrees": 95})])
        ...     [row.key for row in shelf.rows(("notes",), {"degrees": {"$gt": 90}})]
        ['coffee']
    """

    def __init__(
        self,
        path: str | Path | None = None,
        embedder: Embedder | None = None,
        *,
        clock: Callable[[], float] = time.time,
        limit: int = 1_000_000,
        read_only: bool = False,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.limit = limit
        self._clock = clock
        self._embedder, self._follows = embedder, embedder is None
        self._lock, self._loading, self._rebuilding = threading.RLock(), threading.RLock(), threading.Lock()
        self._wrote, self._is_open, self._unwiped = False, True, False
        self._counted = (0, 0)
        self._record = Record(self.path, read_only=read_only)
        self._finder = Finder(self._record, self.path)
        weakref.finalize(self, _release, self._finder, self._record)
        if embedder is not None:
            try:
                self._check_embedder(embedder)
            except BaseException:
                self._record.close()
                raise

    @property
    def embedder(self) -> Embedder:
        """What makes vectors of texts; loaded when it is first needed, and again when a rebuild changed it."""
        with self._loading:
            known = self._record.note("shelf.embedder")
            if self._embedder is None or (self._follows and known not in (None, self._embedder.name)):
                from .embedders import load_embedder  # noqa: PLC0415  (not every memory is searched)

                loaded = load_embedder(known)
                self._check_embedder(loaded)
                self._embedder = loaded
            return self._embedder

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written: it was opened so, or its folder cannot be written."""
        return self._record.read_only

    @property
    def size(self) -> int:
        """How many items are there."""
        return self.count()

    def put(
        self, items: Sequence[Item], *, replace: bool = True, history: bool = True, unembedded: bool = False
    ) -> list[Row]:
        """Keep items; durable when it returns, all of them or none.

        Args:
            items: What to keep. Of two with the same namespace and key the later one stays.
            replace: What happens to a name that is there: it is superseded (True; `created_at` is kept), or stays.
            history: Whether the version that is superseded stays in the record, for `history`; else it is erased.
            unembedded: Whether an item is kept, with a warning, when the embedder fails: it is found by its name, and
                by meaning after a `rebuild`. Else the embedder's error goes through and nothing is kept.

        Returns:
            The rows that are there now, one for each item.

        Raises:
            ConfigError: An item is no JSON, too large, or one too many.
            RunError: It could not be written.
        """
        return self._write(items, (), False, replace, history, unembedded)[0]

    def drop(self, keys: Sequence[Name], *, keep_facts: bool = False) -> int:
        """Take items away, found no more by anything here; returns how many there were.

        Args:
            keys: Their namespaces and keys.
            keep_facts: The values stay in the record, for `rows(pruned=True)`. Else they are erased with all their
                versions, pruned ones too, and their words are nowhere in the folder any more. While others read, the
                words stand in the write-ahead log until they are done; a RuntimeWarning says so. Their vectors leave
                the record at once, and the files of the index when the one who writes it closes it, or is followed by
                another: it is thrown away then, and made anew by who opens the memory next.
        """
        return self._write((), keys, keep_facts)[1]

    def change(
        self,
        put: Sequence[Item] = (),
        drop: Sequence[Name] = (),
        *,
        keep_facts: bool = False,
        replace: bool = True,
        history: bool = True,
        unembedded: bool = False,
    ) -> list[Row]:
        """Drop some items, then put others, in one transaction; see `put` and `drop`."""
        return self._write(put, drop, keep_facts, replace, history, unembedded)[0]

    def refresh(self, keys: Sequence[Name]) -> int:
        """Let items that have a `ttl` live for it once more, from now on; returns how many did."""
        now, changed = self._clock(), 0
        with self._record.transaction() as record:
            for namespace, key in keys:
                changed += record.execute(
                    "UPDATE items SET expires_at = ? + ttl * 60 WHERE namespace = ? AND key = ? AND ttl IS NOT NULL "
                    f"AND {THERE}",
                    (now, encoded(tuple(namespace)), encoded(key), now),
                ).rowcount
        return changed

    def sweep(self) -> int:
        """Erase what has expired; returns how many items."""
        expired, now = "SELECT namespace, key FROM items WHERE state = 'live' AND expires_at <= ?", self._clock()
        if not self._record.read(f"{expired} LIMIT 1", (now,)):
            return 0
        with self._record.transaction() as record:  # looked up in it: another may refresh or replace one meanwhile
            erased = forget(record, record.execute(expired, (now,)).fetchall())
        self._wrote = True
        self._settle(bool(erased), 0)
        return erased

    def get(self, namespace: tuple[str, ...], key: str) -> Row | None:
        """The item of this name; None: there is none."""
        return one(self._record, namespace, key, self._clock())

    def history(self, namespace: tuple[str, ...], key: str) -> list[Row]:
        """All versions of an item that the record has, the oldest first; the last is the one that is there."""
        return versions(self._record, namespace, key)

    def rows(
        self,
        prefix: tuple[str, ...] = (),
        where: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        newest: bool = False,
        pruned: bool = False,
        after: int = 0,
    ) -> list[Row]:
        """The items of a namespace and those below it, in the order in which they were put.

        Args:
            prefix: The namespace; () is all.
            where: A filter over the values (see `filters`).
            limit: At most so many; None: all.
            offset: Leave out so many first.
            newest: The other way round.
            pruned: Also what was dropped with its facts kept.
            after: Only rows with a larger `seq`.
        """
        chosen = Chosen(prefix, where, self._clock())
        return list(chosen.rows(self._record, limit=limit, offset=offset, newest=newest, pruned=pruned, after=after))

    def first_put(
        self, prefix: tuple[str, ...] = (), where: Mapping[str, Any] | None = None, *, limit: int, offset: int = 0
    ) -> list[Row]:
        """Some of what `rows` gives, in another order: as it was first put, namespace by namespace."""
        return Chosen(prefix, where, self._clock()).first_put(self._record, limit, offset)

    def count(self, prefix: tuple[str, ...] = (), where: Mapping[str, Any] | None = None) -> int:
        """How many items `rows` would give."""
        return Chosen(prefix, where, self._clock()).count(self._record)

    def namespaces(self) -> list[tuple[str, ...]]:
        """All namespaces that have an item, sorted."""
        return spaces(self._record, self._clock())

    def nearest(
        self,
        text: str,
        k: int,
        *,
        prefix: tuple[str, ...] = (),
        where: Mapping[str, Any] | None = None,
        offset: int = 0,
    ) -> list[tuple[Row, float]]:
        """The items that mean most nearly the same as a text, with the cosine: best first, ties in the order of puts.

        An item with several texts counts with its best one. What another process put or dropped before the call is
        seen.

        Args:
            text: What to look for.
            k: At most so many.
            prefix: Only this namespace and those below it.
            where: Only items that pass this filter.
            offset: Leave out so many of the best.

        Raises:
            ConfigError: Wrong input, or the memory was meanwhile made anew with another embedder.
        """
        chosen = Chosen(prefix, where, self._clock())
        for name, number in (("k", k), ("offset", offset)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise ConfigError(f"{name} was {number!r}; give a whole number from 0 on.")
        if not isinstance(text, str):
            raise ConfigError(f"The text to look for was {text!r}; give a text.")
        while k and len(self._finder):
            embedder = self.embedder
            query = self._embed([text], embedder)[0]  # slow, so before the lock
            with self._lock:
                self._finder.catch_up()
                with self._record.snapshot():
                    if embedder is not self._embedder or not self._finder.is_current():
                        continue  # The vectors were made anew meanwhile.
                    self._check_embedder(embedder)  # another process may have made them, anew or at all
                    return self._search(query, offset + k, chosen)[offset:]
        return []

    def vectors(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """The first vector of each row, (n, dimensions); zeros for a row without one."""
        import numpy as np  # noqa: PLC0415  (not every memory is searched)

        places = {row.seq: place for place, row in enumerate(rows)}
        with self._record.snapshot():
            dimensions = self._record.note("shelf.dimensions")
            found = self._record.by_number(
                "SELECT seq, vector FROM texts WHERE seq IN ({}) ORDER BY id DESC", list(places)
            )
        vectors = np.zeros((len(rows), dimensions or self.embedder.dimensions), np.float32)
        for seq, vector in found:
            if vector is not None:
                vectors[places[seq]] = np.frombuffer(vector, "<f4")
        return vectors

    def check(self) -> Check:
        """Compare everything with everything; the index takes first what waits for it."""
        with self._lock:
            return check(self._record, self._finder, self._clock())

    def rebuild(self, *, progress: Callable[[int, int], None] | None = None, embedder: Embedder | None = None) -> int:
        """Make the index anew from the record, and the vectors that are missing or of another embedder.

        The memory can be searched and written meanwhile, also by other threads.

        Args:
            progress: Called with what is done and all that there is to do.
            embedder: What makes the vectors from now on; None: as before.

        Returns:
            How many vectors there are.

        Raises:
            RunError: Another process writes the index.
        """
        with self._rebuilding, Rebuild(self._record, self._finder, embedder or self.embedder, progress) as work:
            with self._lock:
                work.begin()
            work.embed()
            with self._lock:  # so that nobody here asks for new vectors with the old embedder
                work.commit()
                self._embedder = work.embedder
            while True:
                with self._lock:
                    if not work.index():
                        return work.finish()

    def note(self, name: str) -> Any:
        """A small fact that is kept with the memory; None when it was never set."""
        return self._record.note(name)

    def set_note(self, name: str, value: Any) -> None:
        """Keep a small fact, any JSON; names that begin with "shelf." are the shelf's own."""
        if name.startswith("shelf."):
            raise ConfigError(f"The note {name!r} is the shelf's own; take a name that does not begin with 'shelf.'.")
        with self._record.transaction() as record:
            note(record, name, value)

    def close(self) -> None:
        """Give the files back; the index takes what it lacks first. Closing twice is fine."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                try:
                    if not self._finder.renew():
                        self._finder.keep_up(1 if self._wrote else None)
                finally:
                    _release(self._finder, self._record)

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(
        self,
        put: Sequence[Item],
        drop: Sequence[Name],
        keep_facts: bool,
        replace: bool = True,
        history: bool = True,
        unembedded: bool = False,
    ) -> tuple[list[Row], int]:
        for namespace, key in drop:
            checked_name(namespace, key)
        names = [(encoded(tuple(namespace)), encoded(key)) for namespace, key in drop]
        ready = prepared(put)
        texts = [text for one in ready for text in one.texts]
        while True:
            embedder, vectors = self._embedded(texts, unembedded)  # slow, so before the lock
            left, now = iter(vectors), self._clock()
            try:
                with self._record.transaction() as record:
                    dropped = sum(prune(record, *name, now) for name in names) if keep_facts else forget(record, names)
                    if embedder is not None and any(vectors):
                        claim(record, embedder, self.path)
                    kept = [
                        keep(record, one, list(islice(left, len(one.texts))), now, replace=replace, history=history)
                        for one in ready
                    ]
                    counted = check_limit(record, self.limit, now, self._counted)
                break
            except ConfigError:
                with self._lock:
                    if embedder is None or self.embedder is embedder:
                        raise  # else the vectors were made anew with another one while these were made
        self._wrote, self._counted = True, counted
        self._settle(bool(dropped and not keep_facts) or any(erased for _, erased in kept), len(texts))
        return [row for row, _ in kept], dropped

    def _settle(self, erased: bool, added: int) -> None:
        """Tidy up after a write, which is kept whatever fails here: that is told, and tried again later."""
        try:
            if erased or self._unwiped:
                self._unwiped = not self._record.wipe(2 if erased and not self._unwiped else 0)
            with self._lock:
                # Much at once is taken in by who put it, not by the searches that follow.
                for _ in range(1 + added // self._finder.limits.at_once):
                    if not self._is_open or not self._finder.keep_up():
                        break
        except RunError as error:
            self._unwiped = self._unwiped or erased
            warnings.warn(
                f"What was written is kept, but tidying up after it failed ({error.__cause__ or error}); it is tried "
                "again later. Words that were erased may stand in the write-ahead log until then.",
                RuntimeWarning,
                stacklevel=4,
            )
            return
        if erased and self._unwiped:
            warnings.warn(
                f"What was erased is found by nothing any more, but others are reading {self.path}: its words stand in "
                "the write-ahead log until they are done. It is emptied with the next write or opening.",
                RuntimeWarning,
                stacklevel=4,
            )

    def _embedded(self, texts: Sequence[str], unembedded: bool) -> tuple[Embedder | None, list[bytes | None]]:
        """The embedder, and the vectors of texts as the record keeps them; None for each where it failed."""
        if not texts:
            return None, []
        try:
            embedder = self.embedder
            return embedder, [vector.astype("<f4").tobytes() for vector in self._embed(texts, embedder)]
        except Exception as error:  # whatever a foreign embedder raises, or what it needs to be loaded
            if not unembedded:
                raise
            warnings.warn(
                f"The embedder failed ({error}), so {len(texts)} texts are kept but not found by meaning before "
                "`agora memory rebuild`.",
                RuntimeWarning,
                stacklevel=4,
            )
            return None, [None] * len(texts)

    def _embed(self, texts: Sequence[str], embedder: Embedder) -> NDArray[np.float32]:
        import numpy as np  # noqa: PLC0415  (not every memory is searched)

        vectors = embedder.embed([sound(text) for text in texts])
        if vectors.shape != (len(texts), embedder.dimensions) or not np.isfinite(vectors).all():
            raise ConfigError(
                f"The embedder {embedder.name!r} gave {vectors.shape} for {len(texts)} texts, or what is no number; "
                f"it should give finite numbers, ({len(texts)}, {embedder.dimensions})."
            )
        return vectors

    def _check_embedder(self, embedder: Embedder) -> None:
        known = self._record.note("shelf.embedder")
        if known is None:
            return
        try:
            compare(embedder, known, self._record.note("shelf.dimensions"), self.path)
        except RunError:  # It cannot be asked now for its dimensions; the memory can be read all the same.
            if embedder.name != known:
                raise

    def _search(self, query: NDArray[np.float32], wanted: int, chosen: Chosen) -> list[tuple[Row, float]]:
        """The best `wanted` rows: candidates are tried, more and more of them, then all rows that pass."""
        start, passing = encoded(tuple(chosen.prefix)), None
        if self._finder.is_approximate and chosen.prefix:
            few = chosen.seqs(self._record, _FEW) if not chosen.where else []
            passing = few if 0 < len(few) < _FEW else None
        amount = max(4 * wanted, 64) if chosen.where else wanted + 6
        while True:
            found = self._finder.best(query, amount, start, passing)
            all_seen = len(found) < amount and (passing is not None or not self._finder.is_approximate)
            rows = chosen.scored(self._record, found)
            if len(rows) >= wanted or all_seen:
                return rows[:wanted]
            # Few of the candidates pass, so eight times as many would not do either.
            if passing is None and (amount >= _MOST_TRIED or 8 * len(rows) < wanted):
                passing = chosen.seqs(self._record)
            amount *= 8


def _release(finder: Finder, record: Record) -> None:
    """Give everything back, without a last word to the index."""
    finder.close()
    record.close()
