"""Where an experience memory keeps what on its shelf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .items import Item

EXPERIENCES, LESSONS, TRIALS = ("experiences",), ("lessons",), ("trials",)  # Those of a lesson are below TRIALS.
RESERVED = (*EXPERIENCES, *LESSONS, *TRIALS)
EMBEDDED = 4_000  # Characters of a task that are embedded; models read less.


def experience_item(experience: Mapping[str, Any]) -> Item:
    """An experience, found by its task."""
    return Item(EXPERIENCES, experience["id"], experience, (experience["task"][:EMBEDDED],))


def lesson_item(lesson: Mapping[str, Any]) -> Item:
    """A lesson, found by its text."""
    return Item(LESSONS, lesson["id"], lesson, (lesson["text"][:EMBEDDED],))


def trial_item(lesson: str, trial: Mapping[str, Any]) -> Item:
    """A trial of a lesson, found by its run."""
    return Item((*TRIALS, lesson), trial["run"], trial)
