"""The lessons of a memory and their trials, as they are kept; their rules are in `nodes/lessons.py`."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import RunError
from .fields import checked_id, checked_lesson, checked_trial
from .items import Row
from .locks import Lock
from .recalling import epoch
from .shelf import Shelf
from .spaces import EMBEDDED, LESSONS, TRIALS, lesson_item, trial_item


class LessonMemory:
    """Lessons with all of their versions, and the runs in which they were given or withheld.

    Example:
        >>> memory = LessonMemory(Shelf())
        >>> memory.add_trial("l-1", "run-1", given=True, success=True, at="2026-11-28T12:00:00Z")
        True
        >>> memory.add_trial("l-1", "run-1", given=True, success=True, at="2026-11-28T12:00:00Z")
        False
        >>> len(memory.trials("l-1"))
        1
    """

    patience = 5.0
    """Seconds to wait for another process that prunes, labels, forgets or changes a lesson."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._changing = threading.Lock()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Read and change as one step, whatever other threads and processes do. Not to be entered twice.

        Raises:
            RunError: The folder cannot be written, or another process does not end its own such step.
        """
        with contextlib.ExitStack() as locks:
            locks.enter_context(self._changing)
            if self.shelf.path is not None:
                lock = Lock(self.shelf.path / "changes.lock")
                locks.callback(lock.drop)
                self._take(lock)
            yield

    def lessons(self) -> list[dict[str, Any]]:
        """The lessons as they are now, oldest first."""
        rows = self.shelf.rows(LESSONS)
        return [row.value for row in sorted(rows, key=lambda row: (row.created_at, row.key))]

    def lesson(self, id: str) -> dict[str, Any] | None:
        """The lesson of this id; None: there is none."""
        row = self.shelf.get(LESSONS, id)
        return row.value if row else None

    def put_lesson(self, lesson: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a lesson, or a new version of it; the earlier ones stay. Returns what is kept.

        To change one that runs may change at the same time, use `change_lesson`.

        Raises:
            ConfigError: It is no dict of JSON with an id and a text.
        """
        checked = checked_lesson(lesson)
        with self.alone():  # Or one who changes a lesson at this moment would undo it.
            return self._put_lesson(checked)

    def change_lesson(self, id: str, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> dict[str, Any] | None:
        """Change a lesson as it is now, so that of two who change it at once neither undoes what the other did.

        Args:
            id: The lesson.
            change: Gets the lesson and returns what it is from now on; it is called under the lock of `alone`.

        Returns:
            What is kept; None: there is no such lesson.

        Example:
            >>> memory = LessonMemory(Shelf())
            >>> _ = memory.put_lesson({"id": "l-1", "text": "Plan first.", "pinned": False})
            >>> memory.change_lesson("l-1", lambda lesson: {**lesson, "pinned": True})["pinned"]
            True
        """
        with self.alone():
            known = self.lesson(id)
            return None if known is None else self._put_lesson(checked_lesson(change(known)))

    def merge_lesson(self, merge: Callable[[list[dict[str, Any]]], Mapping[str, Any]]) -> dict[str, Any]:
        """Keep a lesson that depends on those there are.

        Args:
            merge: Gets all lessons and returns the one to keep, new or known; it is called under the lock of `alone`.
        """
        with self.alone():
            return self._put_lesson(checked_lesson(merge(self.lessons())))

    def lesson_history(self, id: str) -> list[dict[str, Any]]:
        """All versions of a lesson, the oldest first; the last is the one that holds."""
        return [row.value for row in self.shelf.history(LESSONS, id)]

    def lesson_relevance(self, task: str) -> dict[str, float]:
        """Lesson -> how near its text is to a task, from 0 to 1; a text without a vector is left out."""
        if not (count := self.shelf.count(LESSONS)):
            return {}
        found = self.shelf.nearest(task[:EMBEDDED], count, prefix=LESSONS)
        return {row.key: min(max(cosine, 0.0), 1.0) for row, cosine in found}

    def add_trial(
        self, lesson_id: str, run_id: str, *, given: bool, success: bool, at: str, replace: bool = False
    ) -> bool:
        """Count a run for a lesson; False: it is counted already, and stays as it is.

        Args:
            lesson_id: The lesson.
            run_id: The run; it counts once.
            given: Whether the run was given the lesson, or it was withheld by lot.
            success: How the run ended.
            at: When, ISO 8601.
            replace: Whether another `success` supersedes the one that is counted; its place among the trials stays.

        Raises:
            ConfigError: An argument is wrong.
        """
        trial = checked_trial(run_id, given, success, at)
        item = trial_item(checked_id("lesson", lesson_id, "trial"), trial)
        if known := self.shelf.get(item.namespace, item.key):
            if not replace or known.value["success"] == success:
                return False
            item = trial_item(lesson_id, {**known.value, "success": success})
        self.shelf.put([item], replace=replace)
        return True

    def trials(self, lesson_id: str, *, after: str | None = None) -> list[dict[str, Any]]:
        """The trials of a lesson, {"run", "given", "success", "at"}, oldest first.

        Args:
            lesson_id: The lesson.
            after: Only those behind the trial of this run; all when it has none. Of many trials only these are read.
        """
        space = (*TRIALS, lesson_id)
        # The first version: the number of a later one says when it was relabelled.
        first = next(iter(self.shelf.history(space, after) if after else ()), None)
        rows: Sequence[Row] = sorted(self.shelf.rows(space, after=first.seq if first else 0), key=_place)
        if first:
            rows = [row for row in rows if row.key != after and _place(row) > _place(first)]
        return [row.value for row in rows]

    def _put_lesson(self, lesson: dict[str, Any]) -> dict[str, Any]:
        if lesson != self.lesson(lesson["id"]):
            self.shelf.put([lesson_item(lesson)], unembedded=True)
        return lesson

    def _take(self, lock: Lock) -> None:
        """Take a lock, with patience: who has it may have been stopped."""
        end = time.monotonic() + self.patience
        try:
            while not lock.take():
                if time.monotonic() >= end:
                    raise RunError(
                        f"Another process has held {lock.path} for {self.patience:g} s; nothing of this call is "
                        "changed. Call again when it is done, or end it (`fuser` on that file names it)."
                    )
                time.sleep(0.01)  # The kernel has no wait with a limit for such a lock.
        except OSError as error:
            words = f"{self.shelf.path} cannot be written: {error.strerror}; make its folder writable."
            raise RunError(words) from error


def _place(row: Row) -> tuple[float, float, int]:
    """Where a trial stands: relabelling changes neither when its run was nor when it was first kept."""
    return epoch(row.value["at"]), row.created_at, row.seq
