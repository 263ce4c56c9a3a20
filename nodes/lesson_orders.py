"""What a person may do to a lesson: pin, veto, restore and edit it. The statistics give way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .lesson_making import Lesson, changed
from .lesson_text import checked_text
from .lesson_trials import Trial, facts, mark, measured, no_counts, on_trial


def pin(lesson: Mapping[str, Any], *, at: str = "") -> Lesson:
    """Always give a lesson where its trigger holds; it is counted and judged no more. One that was retired is back."""
    back = _anew(lesson, None) | {"state": "candidate", "decided": None} if lesson["state"] == "retired" else {}
    why = f"Pinned by a person{_on(at)}: given whenever its trigger holds."
    return changed(lesson, back | {"pinned": True, "vetoed": False, "why": why})


def unpin(lesson: Mapping[str, Any], *, at: str = "", trials: Sequence[Trial] | None = None) -> Lesson:
    """Leave a lesson to its trials again; those until now are over.

    Args:
        lesson: One that is pinned; another one is returned as it is.
        at: When, ISO 8601.
        trials: All of its trials; None for those that `counted` saw last.
    """
    return _released(lesson, trials, f"Unpinned by a person{_on(at)}") if lesson["pinned"] else changed(lesson, {})


def veto(lesson: Mapping[str, Any], *, at: str = "") -> Lesson:
    """Never give a lesson, nor try another one that says the same."""
    return changed(lesson, {"vetoed": True, "pinned": False, "why": f"Vetoed by a person{_on(at)}: never given."})


def restore(lesson: Mapping[str, Any], *, at: str = "", trials: Sequence[Trial] | None = None) -> Lesson:
    """Take a veto back, or put a retired lesson on trial anew; another one is returned as it is.

    Args:
        lesson: One that is vetoed or retired.
        at: When, ISO 8601.
        trials: All of its trials; None for those that `counted` saw last.
    """
    who = f"Restored by a person{_on(at)}"
    if lesson["state"] == "retired":
        return _released(changed(lesson, {"state": "candidate", "decided": None}), trials, who)
    if lesson["vetoed"]:  # While it was vetoed nothing was tried, so what is known stands.
        return changed(lesson, {"vetoed": False, "why": f"{who}. {_standing(lesson)}"})
    return changed(lesson, {})


def edit(lesson: Mapping[str, Any], text: str, *, at: str = "", trials: Sequence[Trial] | None = None) -> Lesson:
    """Word a lesson anew. What was known of it is of the old text, so its trials begin anew; its id stays.

    Args:
        lesson: Of any state; a retired one is tried again, a pin or veto stays.
        text: The new text.
        at: When, ISO 8601.
        trials: All of its trials; None for those that `counted` saw last.

    Raises:
        ConfigError: A text without words.
    """
    words = checked_text(text)
    if words == lesson["text"]:
        return changed(lesson, {})
    fresh = changed(lesson, {"text": words, "edited": True, "worded": at, "state": "candidate", "decided": None})
    said = "" if not (lesson["pinned"] or lesson["vetoed"]) else f" {lesson['why']}"
    return changed(fresh, _anew(fresh, trials) | {"why": f"On trial anew: a person edited its text{_on(at)}.{said}"})


def _released(lesson: Mapping[str, Any], trials: Sequence[Trial] | None, who: str) -> Lesson:
    free = changed(lesson, _anew(lesson, trials) | {"pinned": False, "vetoed": False})
    return changed(free, {"why": f"{who}. {_standing(free)}"})


def _standing(lesson: Mapping[str, Any]) -> str:
    """Why a lesson that nobody pinned or vetoed is what it is."""
    is_active = lesson["state"] == "active"
    return f"It was promoted earlier: {facts(lesson['counts'])}." if is_active else on_trial(lesson["counts"])


def _anew(lesson: Mapping[str, Any], trials: Sequence[Trial] | None) -> dict[str, Any]:
    """What changes when the trials until now are over; the proof of an active lesson stays."""
    last = lesson["last"] if trials is None else mark(trials)
    over = {"last": last, "since": last, "watch": no_counts()}
    return over if lesson["state"] == "active" else over | {"counts": no_counts()} | measured(no_counts())


def _on(at: str) -> str:
    return f" on {at}" if at else ""
