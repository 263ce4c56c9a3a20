"""The lessons of a memory and their trials, as they are kept; their rules are in `nodes/lessons.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import checked_id, checked_lesson, checked_trial
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

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

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

        Raises:
            ConfigError: It is no dict of JSON with an id and a text.
        """
        checked = checked_lesson(lesson)
        if checked != self.lesson(checked["id"]):
            self.shelf.put([lesson_item(checked)], unembedded=True)
        return checked

    def lesson_history(self, id: str) -> list[dict[str, Any]]:
        """All versions of a lesson, the oldest first; the last is the one that holds."""
        return [row.value for row in self.shelf.history(LESSONS, id)]

    def lesson_relevance(self, task: str) -> dict[str, float]:
        """Lesson -> how near its text is to a task, from 0 to 1; a text without a vector is left out."""
        if not (count := self.shelf.count(LESSONS)):
            return {}
        found = self.shelf.nearest(task[:EMBEDDED], count, prefix=LESSONS)
        return {row.key: min(max(cosine, 0.0), 1.0) for row, cosine in found}

    def add_trial(self, lesson_id: str, run_id: str, *, given: bool, success: bool, at: str) -> bool:
        """Count a run for a lesson; False: it is counted already, and stays as it is.

        Args:
            lesson_id: The lesson.
            run_id: The run; it counts once.
            given: Whether the run was given the lesson, or it was withheld by lot.
            success: How the run ended.
            at: When, ISO 8601.

        Raises:
            ConfigError: An argument is wrong.
        """
        item = trial_item(checked_id("lesson", lesson_id, "trial"), checked_trial(run_id, given, success, at))
        if self.shelf.get(item.namespace, item.key):
            return False
        self.shelf.put([item], replace=False)
        return True

    def trials(self, lesson_id: str) -> list[dict[str, Any]]:
        """The trials of a lesson, {"run", "given", "success", "at"}, oldest first."""
        rows = self.shelf.rows((*TRIALS, lesson_id))
        return [row.value for row in sorted(rows, key=lambda row: (epoch(row.value["at"]), row.seq))]
