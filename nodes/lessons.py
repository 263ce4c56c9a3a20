"""Lessons: what is tried, given and withheld, promoted and retired. Statistics decide, and a person may overrule them.

A pattern in past runs is no proof that a lesson drawn from it helps. So a lesson is a candidate first: whenever it
would be given, a fair draw withholds it half of the time, and the outcomes decide (`lesson_trials`). Of a lesson that
has proven itself a small share stays withheld, so that it is noticed when it turns harmful.

A lesson is plain JSON, and no function here changes the one that it is given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ..errors import ConfigError
from .lesson_making import Lesson, changed, merged, new_lesson, whole
from .lesson_orders import edit, pin, restore, unpin, veto
from .lesson_text import as_notes
from .lesson_trials import (
    ACTIVE_SHARE,
    PROMOTE,
    SHARE,
    Trial,
    bar,
    better,
    counts_of,
    effect_of,
    facts,
    mark,
    measured,
    next_look,
    no_counts,
    on_trial,
    since,
    size,
    verdict,
    weight,
)
from .mining.features import holds

__all__ = [
    "Choice",
    "Lesson",
    "as_notes",
    "chosen",
    "counted",
    "due",
    "edit",
    "judged",
    "looked",
    "merged",
    "new_lesson",
    "pin",
    "restore",
    "unpin",
    "utility",
    "veto",
    "whole",
    "withheld",
]

PRIOR = 40  # Trials that the gain promised by the pattern counts for, beside those that were made.

Features = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """The lessons of one run: those that are given, and those that would have been but for the draw."""

    given: tuple[Lesson, ...]
    withheld: tuple[Lesson, ...]

    def to_dict(self) -> dict[str, list[str]]:
        """The ids, for the trace of the run."""
        return {"given": [one["id"] for one in self.given], "withheld": [one["id"] for one in self.withheld]}


def chosen(
    lessons: Sequence[Mapping[str, Any]],
    features: Features,
    relevance: Mapping[str, float],
    run_id: str,
    k: int = 3,
    seed: int = 0,
) -> Choice:
    """Choose the lessons of a run: the best k whose trigger holds, and for each a draw whether it is withheld.

    The best are those with the highest relevance times utility, pinned ones before all others. The last place is for
    the best candidate, where none of the others is one: what is proven would keep it from being tried. With k = 1 a
    candidate has the place in half of the runs, by a draw from the run's name. Of lessons with the same setting only
    the best one counts. The place of a lesson that is withheld stays empty: it is tried against nothing, and not
    against the next best one.

    Args:
        lessons: All that there are; those retired or vetoed are passed over.
        features: What is known of the task before the run.
        relevance: Id -> how close the lesson is to the task, 0 to 1; 0 for one that is not named.
        run_id: The run's name; the same run draws the same.
        k: How many at most; one to three are of use, more distract.
        seed: Of the draws.

    Raises:
        ConfigError: k is no whole number of at least 0.

    Example:
        >>> lesson = new_lesson("Use the calculator.", kind="execution", pattern=None, at="2026-11-28T12:00:00Z")
        >>> [len(chosen([lesson], {}, {lesson["id"]: 0.8}, f"run {number}").given) for number in range(8)]
        [0, 1, 1, 1, 0, 0, 0, 0]
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 0:
        raise ConfigError(f"k was {k!r}; give how many lessons a run gets at most, a whole number such as 3.")
    usable = [
        one for one in map(whole, lessons) if one["state"] != "retired" and not one["vetoed"] and due(one, features)
    ]
    usable.sort(key=lambda one: (not one["pinned"], -_score(one, relevance), -utility(one), one["id"]))
    drawn = [(one, withheld(one, run_id, seed=seed)) for one in _placed(_unlike(usable), k, run_id, seed)]
    return Choice(
        given=tuple(one for one, is_withheld in drawn if not is_withheld),
        withheld=tuple(one for one, is_withheld in drawn if is_withheld),
    )


def due(lesson: Mapping[str, Any], features: Features) -> bool:
    """Whether a lesson's trigger holds; what is not known before the run does not refute it.

    Example:
        >>> due({"trigger": [["domain", "sums"], ["planned", False]]}, {"domain": "sums"})
        True
        >>> due({"trigger": [["domain", "sums"]]}, {"domain": "dates"})
        False
    """
    return all(name not in features or _may_hold(name, value, features) for name, value in lesson["trigger"])


def withheld(lesson: Mapping[str, Any], run_id: str, *, seed: int = 0, share: float | None = None) -> bool:
    """Draw whether a lesson is withheld from a run; the same for the same seed, run and lesson.

    Nothing that is known of the run but its name goes into the draw, so that runs with and without differ in the
    lesson alone.

    Args:
        lesson: Of any state; a pinned one is never withheld.
        run_id: The run's name.
        seed: Of the draws.
        share: How often; without it a half, and 0.05 for an active lesson.

    Example:
        >>> lesson = new_lesson("Use the calculator.", kind="execution", pattern=None, at="2026-11-28T12:00:00Z")
        >>> sum(withheld(lesson, f"run {number}") for number in range(1000))
        489
    """
    if lesson["pinned"]:
        return False
    if share is None:
        share = ACTIVE_SHARE if lesson["state"] == "active" else SHARE
    return _drawn(seed, run_id, lesson["id"]) < share


def counted(lesson: Mapping[str, Any], trials: Sequence[Trial]) -> Lesson:
    """Count the trials of a lesson: of a candidate for its proof, of an active one since its promotion.

    Args:
        lesson: A pinned, vetoed or retired one is counted no more.
        trials: All of its trials, {"run", "given", "success", "at"}, oldest first; a success of None is passed over.

    Example:
        >>> lesson = new_lesson("Use the calculator.", kind="execution", pattern=None, at="2026-11-28T12:00:00Z")
        >>> trials = [{"run": str(i), "given": i % 2 == 0, "success": i % 4 != 1, "at": ""} for i in range(20)]
        >>> after = counted(lesson, trials)
        >>> after["counts"], after["effect"]
        ({'given': [10, 0], 'withheld': [5, 5]}, 0.5)
    """
    lesson = whole(lesson)
    seen: dict[str, Any] = {"last": mark(trials)}
    if lesson["pinned"] or lesson["vetoed"] or lesson["state"] == "retired":
        return changed(lesson, seen)
    counts = counts_of(since(trials, lesson["since"]))
    if lesson["state"] == "active":
        return changed(lesson, seen | {"watch": counts})
    return changed(lesson, seen | {"counts": counts, "why": on_trial(counts)} | measured(counts))


def judged(lesson: Mapping[str, Any], *, at: str) -> Lesson:
    """Promote or retire a lesson when its trials have shown enough; at 400 without a proof it is retired.

    Decisions fall only at the looks, after 20, 30, 40, ... trials, because each look is a chance to err. An active
    lesson is watched in stretches of at most 400 trials, and retired when it has turned harmful. What a person has
    pinned or vetoed stands.

    Args:
        lesson: As `counted` returned it.
        at: When, ISO 8601.

    Example:
        >>> lesson = new_lesson("Use the calculator.", kind="execution", pattern=None, at="2026-11-28T12:00:00Z")
        >>> trials = [{"run": str(i), "given": i % 2 == 0, "success": i % 2 == 0, "at": ""} for i in range(20)]
        >>> after = judged(counted(lesson, trials), at="2026-11-29T12:00:00Z")
        >>> print(after["state"], "-", after["why"])
        active - It helps: 10 of 10 runs succeeded with it and 0 of 10 without (P 1.0000, 0.9998 was needed).
    """
    if lesson["pinned"] or lesson["vetoed"] or lesson["state"] == "retired":
        return changed(lesson, {})
    is_active = lesson["state"] == "active"
    counts = lesson["watch"] if is_active else lesson["counts"]
    found = verdict(counts)
    if found is None:
        return changed(lesson, {})
    said = facts(counts)
    over = {"since": lesson["last"], "watch": no_counts()}
    if is_active and found != "retire":
        return changed(lesson, over)
    if found == "promote":
        sure = f"P {better(counts['given'], counts['withheld']):.4f}, {bar(size(counts), PROMOTE):.4f} was needed"
        return changed(lesson, over | {"state": "active", "decided": at, "why": f"It helps: {said} ({sure})."})
    if found == "none":
        why = f"No proven benefit in {size(counts)} trials: {said}."
    else:
        why = f"{'It turned harmful since its promotion' if is_active else 'It harms'}: {said}."
    # What decided is what stands beside the state; the proof of the promotion is in an earlier version.
    decisive = {"counts": counts, "watch": no_counts()} | measured(counts)
    return changed(lesson, decisive | {"state": "retired", "decided": at, "why": why})


def looked(lesson: Mapping[str, Any], trials: Sequence[Trial], *, at: str) -> Lesson:
    """Count and judge a lesson at each look that its trials have passed since the last one.

    However many trials came in at once, what is decided is what would have been decided one by one. Between looks a
    lesson stays as it is.

    Args:
        lesson: Of any state.
        trials: Its trials, oldest first: all of them, or those after the mark `since`.
        at: When, ISO 8601.

    Example:
        >>> lesson = new_lesson("Use the calculator.", kind="execution", pattern=None, at="2026-11-28T12:00:00Z")
        >>> trials = [{"run": str(i), "given": i % 2 == 0, "success": i % 2 == 0, "at": ""} for i in range(27)]
        >>> looked(lesson, trials[:19], at="2026-11-29T12:00:00Z") == lesson
        True
        >>> after = looked(lesson, trials, at="2026-11-29T12:00:00Z")
        >>> after["state"], after["counts"], after["watch"]
        ('active', {'given': [10, 0], 'withheld': [0, 10]}, {'given': [0, 0], 'withheld': [0, 0]})
    """
    after = whole(lesson)
    known = [trial for trial in since(trials, after["since"]) if trial["success"] is not None]
    start = 0  # Of the trials that are not over yet.
    while not (after["pinned"] or after["vetoed"] or after["state"] == "retired"):
        before = after
        end = start + next_look(size(before["watch"] if before["state"] == "active" else before["counts"]))
        if len(known) < end:
            break
        after = judged(counted(before, known[start:end]), at=at)
        start = start if after["since"] == before["since"] else end
    return after


def utility(lesson: Mapping[str, Any]) -> float:
    """What a lesson is worth, 0 to 1: 0.5 without effect, 1 for one that adds 0.25 to the success rate.

    The measured effect, drawn to what the pattern promised while there are few trials. The promise is halved: a
    pattern was reported because its effect looked large.

    Example:
        >>> pattern = {"conditions": [], "effect": 0.2}
        >>> utility(new_lesson("Plan first.", kind="planning", pattern=pattern, at="2026-11-28T12:00:00Z"))
        0.7
    """
    found = effect_of(lesson["counts"], lesson["watch"])
    known = weight(lesson["counts"]) + weight(lesson["watch"])
    effect = (PRIOR * lesson["gain"] / 2 + known * (found[0] if found else 0.0)) / (PRIOR + known)
    return min(1.0, max(0.0, 0.5 + 2 * float(effect)))


def _unlike(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Without those that change a setting which a better one changes, too."""
    kept: dict[tuple[str, str], Lesson] = {}
    for one in lessons:
        kept.setdefault(("setting", one["setting"]["name"]) if one["setting"] else ("lesson", one["id"]), one)
    return list(kept.values())


def _placed(lessons: Sequence[Lesson], k: int, run_id: str, seed: int) -> list[Lesson]:
    """The first k, or the last of them gives way to the best candidate; never a pinned one, which a person wants."""
    placed = list(lessons[:k])
    on_trial = [one for one in lessons if one["state"] == "candidate" and not one["pinned"]]
    others = [one for one in lessons if one not in on_trial]
    if not placed or not on_trial or not others or placed[-1]["pinned"]:
        return placed
    if k == 1:
        return [on_trial[0] if _drawn(seed, run_id, "place") < 1 / 2 else others[0]]
    return placed if on_trial[0] in placed else [*placed[:-1], on_trial[0]]


def _drawn(seed: int, run_id: str, what: str) -> float:
    """A number from 0 to 1, the same for the same seed, run and subject."""
    return int.from_bytes(hashlib.sha256(json.dumps([seed, run_id, what]).encode()).digest()[:8]) / 2**64


def _may_hold(name: str, value: Any, features: Features) -> bool:
    try:
        return holds([name, value], features) is not False
    except ValueError:  # A text that only looks like the bound of a number: "< many".
        return False


def _score(lesson: Mapping[str, Any], relevance: Mapping[str, float]) -> float:
    near = float(relevance.get(lesson["id"], 0.0))
    return min(1.0, max(0.0, near)) * utility(lesson) if isfinite(near) else 0.0
