"""What agents remember of their runs: experiences, found again by what their task means, and lessons drawn from them.

Everything is in one folder: `record.sqlite3` is the truth, `index/` can be made from it again.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..errors import AgoraError, ConfigError, nearest
from .fields import SOURCES, checked_experience, checked_id, experience_filter, rank
from .files import write_entries
from .filters import matches
from .items import Check, Item, Row
from .lesson_memory import LessonMemory
from .pruning import to_prune
from .recalling import Recalled, epoch, ranked
from .shelf import Shelf
from .spaces import (
    EMBEDDED,
    EXPERIENCES,
    RESERVED,
    TRIALS,
    experience_item,
    keep_pruned,
    mend_texts,
    places,
    rows_at,
)
from .transfer import entries_of, import_file

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.embeddings import Embeddings
    from numpy.typing import NDArray

    from .embedders import Embedder
    from .store import ChromaStore

MOST_RECALLED = 100
LARGEST = 1_000_000  # Items of a memory, lessons and trials among them.


class ExperienceMemory(LessonMemory):
    """Experiences of runs, kept on disk and recalled by what their task means.

    It can be used by many threads and processes at once. What `add` returned for is on disk.

    Args:
        path: The folder, made when it is not there; None: kept in this process only.
        embedder: What makes vectors of tasks, see `load_embedder`; None: the one that the folder was made with, else
            the best that is installed.
        limit: Above so many experiences some are pruned: recalled no more, but kept for statistics. None: never.
        keep: How many stay then; None: four fifths of the limit. Without a limit there is none.
        clock: Seconds since 1970.
        read_only: Write nothing at all.

    Raises:
        ConfigError: The folder holds something else, or vectors of another embedder; or a number is wrong.
        RunError: The record is damaged.

    Example:
        >>> memory = ExperienceMemory(embedder="lexical")
        >>> id = memory.add({"task": "Book a table in Rome", "success": True, "summary": "Calling worked."})
        >>> print(memory.recall("Book a table in Milan", k=1)[0])  # doctest: +ELLIPSIS
        [recalled] "Book a table in Rome" succeeded on 20... Notes: "Calling worked."
    """

    def __init__(
        self,
        path: str | Path | None = None,
        embedder: str | Embeddings | Callable[[list[str]], Sequence[Sequence[float]]] | Embedder | None = None,
        *,
        limit: int | None = 1000,
        keep: int | None = None,
        clock: Callable[[], float] = time.time,
        read_only: bool = False,
    ) -> None:
        self.limit, self.keep = _checked_limits(limit, keep)
        loaded = _loaded(embedder)
        try:
            shelf = Shelf(path, loaded, clock=clock, limit=LARGEST, read_only=read_only)
        except OSError as error:
            words = f"There can be no memory in {str(path)[:100]!r} ({error.strerror}); give another folder."
            raise ConfigError(words) from error
        super().__init__(shelf)
        self._clock = clock

    def add(self, experience: Mapping[str, Any]) -> str:
        """Keep an experience and return its id; one whose id is known already changes nothing.

        When the embedder fails it is kept all the same, with a warning, and found after `rebuild`. When pruning fails
        there is a warning, too.

        Args:
            experience: The fields of `fields.Experience`; `task` and `success` must be there.

        Raises:
            ConfigError: A field is wrong.
            RunError: It could not be written.
        """
        checked = checked_experience(experience, id=_new_id(), at=self._now())
        self._keep([checked])
        self._prune()
        return str(checked["id"])

    def add_all(self, experiences: Iterable[Mapping[str, Any]]) -> list[str]:
        """Keep experiences, all or none, and return their ids."""
        checked, now = [], self._now()
        for number, experience in enumerate(experiences, 1):
            try:
                checked.append(checked_experience(experience, id=_new_id(), at=now))
            except ConfigError as error:
                raise ConfigError(f"Experience {number:,}: {error} None was kept.") from error
        self._keep(checked)
        self._prune()
        return [one["id"] for one in checked]

    def recall(self, task: str, k: int = 3, where: Mapping[str, Any] | None = None) -> list[Recalled]:
        """Return the experiences that help most with a task: near to it, fresh, and of use (see `recalling.ranked`).

        Args:
            task: What is to be done.
            k: How many at most.
            where: Only experiences with these fields, as {"success": False, "features.tool": "search"}; see `filters`.

        Raises:
            ConfigError: A wrong argument.
            RunError: The embedder failed.
        """
        if not isinstance(task, str):
            raise ConfigError(f"task was of type {type(task).__name__}; give a text.")
        if not task.strip():
            raise ConfigError("task was empty; give the words of the task.")
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST_RECALLED:
            raise ConfigError(f"k was {k!r}; give a whole number from 1 to {MOST_RECALLED}.")
        checked = experience_filter(where)
        # Four times as many as wanted, since recency and utility may bring one of them up.
        found = self.shelf.nearest(task[:EMBEDDED], max(4 * k, 20), prefix=EXPERIENCES, where=checked)
        pairs = [(row.value, cosine) for row, cosine in found]
        return ranked(pairs, k, now=self._clock(), lexical=self.shelf.embedder.lexical)

    def get(self, id: str) -> dict[str, Any] | None:
        """The experience of this id, pruned or not; None: there is none."""
        versions = self.shelf.history(EXPERIENCES, id)
        return versions[-1].value if versions else None

    def experiences(self, where: Mapping[str, Any] | None = None, *, pruned: bool = False) -> list[dict[str, Any]]:
        """Experiences, oldest first.

        Args:
            where: Only those with these fields; see `filters`.
            pruned: Also those that were pruned: what statistics are made of, which pruning must not change.
        """
        return [row.value for row in self._rows(where, pruned=pruned)]

    def newest(
        self, limit: int, where: Mapping[str, Any] | None = None, *, pruned: bool = False
    ) -> tuple[list[dict[str, Any]], int]:
        """The newest experiences, the newest first, and how many there are; without a filter only they are read.

        Args:
            limit: At most so many.
            where: Only those with these fields; see `filters`.
            pruned: Also those that were pruned.
        """
        if where:
            rows = self._rows(where, pruned=pruned)[::-1]
            return [row.value for row in rows[:limit]], len(rows)
        numbers = [place.seq for place in places(self.shelf) if pruned or place.is_there][::-1]
        return [row.value for row in rows_at(self.shelf, numbers[:limit])], len(numbers)

    def forget(self, ids_or_where: str | Iterable[str] | Mapping[str, Any]) -> int:
        """Erase experiences for good, pruned ones too: their words are nowhere in the folder; returns how many.

        Args:
            ids_or_where: An id, several, or a filter.

        Raises:
            ConfigError: The filter is empty, or wrong.
        """
        if isinstance(ids_or_where, Mapping):
            if not ids_or_where:
                raise ConfigError("where is empty, which is everything; to forget everything delete the folder.")
            ids = [row.key for row in self._rows(ids_or_where, pruned=True)]
        else:
            one = isinstance(ids_or_where, str) or not isinstance(ids_or_where, Iterable)
            given: Iterable[Any] = [ids_or_where] if one else ids_or_where
            ids = list(dict.fromkeys(checked_id("id", id) for id in given))
        with self.alone():
            return self.shelf.drop([(EXPERIENCES, id) for id in ids])

    def label(self, id: str, success: bool, source: str = "human") -> dict[str, Any]:
        """Say how a run ended, after it was kept; returns the experience.

        A person's word replaces any other; a validator's or the environment's replaces theirs and the agent's own
        judgement; the agent's own replaces only its own and an unknown outcome. The earlier version stays in the
        record.

        Raises:
            ConfigError: There is no such experience, or an argument is wrong.
        """
        if not isinstance(success, bool):
            raise ConfigError(f"success was {success!r}; give true or false.")
        if source not in SOURCES:
            hint = nearest(str(source), SOURCES)
            raise ConfigError(f"source was {str(source)[:80]!r}; give one of {', '.join(SOURCES)}.{hint}")
        with self.alone():
            known = self.get(checked_id("id", id))
            if known is None:
                place = f" --path {self.shelf.path}" if self.shelf.path else ""
                raise ConfigError(f"There is no experience {id!r}; `agora memory list{place}` shows them.")
            if known["success"] is not None and rank({"outcome_source": source}) < rank(known):
                return known
            new = known | {"success": success, "outcome_source": source}
            if new != known:
                self._supersede(new)
            return new

    def export(self, path: str | Path) -> int:
        """Write everything to a JSONL file, whole or not at all; returns the number of its lines.

        Of an experience that is its latest version, of a lesson all of them; items of `store` are written, too. Notes
        and vectors are not.
        """
        return write_entries(path, entries_of(self))

    def import_(self, path: str | Path) -> int:
        """Keep what a JSONL file says; returns how many of its lines were new, so that importing twice changes nothing.

        The whole file is checked first, and when a line is wrong nothing is kept. Then 10,000 lines at a time are kept,
        each time all or none; after a crash between them importing it again keeps the rest. A lesson that has other
        versions here stays as it is, unless the file's go on where they end. Of an experience that is known here the
        outcome is taken over when it was unknown, or the word in the file counts more (see `label`).

        Args:
            path: The file; a pipe will do.

        Raises:
            ConfigError: The file cannot be read, or a line is wrong.
        """
        new = import_file(self, path, self._now())
        self._prune()
        return new

    @property
    def store(self) -> ChromaStore:
        """The same memory as a LangGraph store; experiences, lessons and trials can be read in it, not written."""
        from .store import ChromaStore  # noqa: PLC0415  (imports LangGraph)

        return ChromaStore(shelf=self.shelf, reserved=RESERVED, clock=self._clock)

    def stats(self) -> dict[str, Any]:
        """How much of what is kept, and where."""
        every = places(self.shelf)
        here, outcomes = sum(one.is_there for one in every), [one.success for one in every]
        states = [str(lesson.get("state", "candidate")) for lesson in self.lessons()]
        path = self.shelf.path
        return {
            "path": None if path is None else str(path),
            "experiences": here,
            "pruned": len(every) - here,
            "succeeded": outcomes.count(True),
            "failed": outcomes.count(False),
            "unknown": outcomes.count(None),
            "oldest": every[0].at if every else None,
            "newest": every[-1].at if every else None,
            "lessons": {state: states.count(state) for state in sorted(set(states))},
            "trials": self.shelf.count(TRIALS),
            "embedder": self.shelf.note("shelf.embedder"),
            "limit": self.limit,
            "keep": self.keep if self.limit else None,
            "bytes": 0 if path is None else _bytes(path),
        }

    def check(self) -> Check:
        """Look whether the record is whole and the index agrees with it."""
        return self.shelf.check()

    def rebuild(
        self,
        embedder: str | Embeddings | Callable[[list[str]], Sequence[Sequence[float]]] | Embedder | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Make the vectors that are missing, or all with another embedder, and the index anew; returns how many.

        By what an experience or a lesson is found is said again where a damaged record lost it.
        """
        mend_texts(self.shelf)
        return self.shelf.rebuild(progress=progress, embedder=_loaded(embedder))

    def close(self) -> None:
        """Give the files back."""
        self.shelf.close()

    def __enter__(self) -> ExperienceMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, experiences: Sequence[Mapping[str, Any]]) -> int:
        """Keep those whose ids are not known, in one transaction; returns how many."""
        new: dict[str, Item] = {}
        for one in experiences:
            if one["id"] not in new and not self.shelf.history(EXPERIENCES, one["id"]):
                new[one["id"]] = experience_item(one)
        self.shelf.put(list(new.values()), replace=False, unembedded=True)
        return len(new)

    def _supersede(self, experience: dict[str, Any]) -> None:
        """Keep a new version; of a pruned one it is pruned, too, and at no moment anything else."""
        item = experience_item(experience)
        if self.shelf.get(EXPERIENCES, item.key):
            self.shelf.put([item], unembedded=True)
        else:
            keep_pruned(self.shelf, [item])

    def _rows(self, where: Mapping[str, Any] | None, *, pruned: bool) -> list[Row]:
        """The latest version of each experience, oldest first."""
        checked = experience_filter(where)
        if pruned:  # A name may have been pruned more than once, so it is filtered when its last version is known.
            latest = {row.key: row for row in self.shelf.rows(EXPERIENCES, pruned=True)}
            rows = [row for row in latest.values() if matches(row.value, checked)]
        else:
            rows = self.shelf.rows(EXPERIENCES, checked)
        return sorted(rows, key=lambda row: (epoch(row.value["at"]), row.created_at, row.seq))

    def _prune(self) -> None:
        """Down to `keep`, when there are more than the limit. What was just kept stays kept when that fails."""
        try:
            if self.limit is not None and self.shelf.count(EXPERIENCES) > self.limit:
                with self.alone():
                    self.shelf.drop([(EXPERIENCES, id) for id in self._surplus(self.limit)], keep_facts=True)
        except AgoraError as error:
            words = f"All is kept, but nothing was pruned, which is tried again at the next call: {error}"
            warnings.warn(words, RuntimeWarning, stacklevel=3)

    def _surplus(self, limit: int) -> list[str]:
        """The ids of those to be pruned; the embedder need not be there for that."""
        rows = self._rows(None, pruned=False)
        if len(rows) <= limit:
            return []
        known = [row.value for row in rows]
        near = None
        with contextlib.suppress(AgoraError):
            near = self.shelf.embedder.near
        return to_prune(known, self._vectors(rows), self.keep, protected=self._evidence(known), near=near)

    def _vectors(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Of the tasks; zeros where no embedder has ever made one, so that the oldest are the first to go."""
        import numpy as np  # noqa: PLC0415  (few runs prune)

        if self.shelf.note("shelf.embedder") is None:
            return np.zeros((len(rows), 1), np.float32)
        return self.shelf.vectors(rows)

    def _evidence(self, experiences: Sequence[Mapping[str, Any]]) -> set[str]:
        """What lessons rest on that are not retired: the newest of it, so that half of what is kept can be new."""
        named = {
            str(id)
            for lesson in self.lessons()
            if lesson.get("pinned") or (lesson.get("state") != "retired" and not lesson.get("vetoed"))
            for id in lesson.get("evidence") or ()
        }
        return set([one["id"] for one in experiences if one["id"] in named][-max(self.keep // 2, 1) :])

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).isoformat()


def _new_id() -> str:
    return uuid.uuid4().hex[:16]


def _loaded(embedder: Any) -> Embedder | None:
    from .embedders import load_embedder  # noqa: PLC0415  (what it needs is not needed to read)

    return None if embedder is None else load_embedder(embedder)


def _bytes(folder: Path) -> int:
    """Of all files in a folder, from which other processes may take some away meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def _checked_limits(limit: int | None, keep: int | None) -> tuple[int | None, int]:
    for name, number in (("limit", limit), ("keep", keep)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise ConfigError(f"{name} was {number!r}; give a whole number from 1 on, or None.")
    if limit is None and keep is not None:
        raise ConfigError(f"keep was {keep:,} without a limit; give limit, from which on it is pruned to that.")
    if limit is None:
        return None, LARGEST
    chosen = max(4 * limit // 5, 1) if keep is None else keep
    if not chosen <= limit <= LARGEST:
        allowed = f"keep at most the limit, and a limit of at most {LARGEST:,}"
        raise ConfigError(f"limit was {limit:,} and keep {chosen:,}; give {allowed}.")
    return limit, chosen
