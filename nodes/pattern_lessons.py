"""From patterns to lessons: what many runs show, whether later runs agree, and which patterns get a lesson.

`nodes/patterns.py` has the statistics. All of it blocks on the disk, and none of it asks a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..memory.likeness import alike
from .counting import labelled
from .lesson_making import MOST_EVIDENCE, changed, with_evidence
from .lessons import Lesson, merged, new_lesson, whole
from .mining.features import LOWER, UPPER
from .patterns import CASES, CONFIRMED, confirm, mine

if TYPE_CHECKING:
    from ..memory.experience import ExperienceMemory
    from ..memory.items import Row

MOST_MINED = 5_000  # The newest experiences, in which patterns are looked for.
MOST_NEW = 3  # Lessons that one look at the patterns puts on trial.
MOST_ON_TRIAL = 5  # Lessons that are on trial at a time: the more there are, the longer each takes.
MOST_WORDINGS = 2  # Lessons for one pattern: when the first did not help, it may have been the words.
LIKE, UNLIKE = 4, 2  # Experiences that are shown for a pattern: those that it is about, and others.
COMPARABLE = ("task_kind", "kind", "domain")  # Features that say of which kind a task is.
MINED = "mined"  # Note of the memory: what was found.


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the experiences found.

    Attributes:
        patterns: Those that hold now, and earlier ones that newer runs have not decided on.
        fresh: Patterns that may get a lesson, what is to be gained first, each with experiences behind it. `tried` of
            such a pattern are the texts of lessons that did not help.
    """

    patterns: list[dict[str, Any]]
    fresh: list[tuple[dict[str, Any], list[dict[str, Any]]]]


def find_patterns(memory: ExperienceMemory, self_judged: bool) -> Found:
    """Mine the experiences, those that were pruned too; what was found earlier is confirmed by those that came later.

    A pattern is a candidate when it is found. Once it has held in 50 runs that came later, these decide: it is
    validated or expired, and the next 50 decide anew. One that is not found any more stays until it is expired.
    """
    rows = labelled(memory, self_judged, newest=MOST_MINED)
    runs = [row.value for row in rows]
    found: dict[str, dict[str, Any]] = {}
    evidence: dict[str, list[str]] = {}
    for one in mine(runs, comparable=COMPARABLE, self_judged=self_judged):  # The surest first.
        pattern, key = one.to_dict(), key_of(one.to_dict())
        if key not in found:
            behind = set(pattern["evidence"])
            evidence[key] = [run["id"] for run in runs if run["id"] in behind]
            medians = {"medians": medians_of(runs, one.measure)} if one.kind == "efficiency" else {}
            found[key] = pattern | {"evidence": evidence[key][-MOST_EVIDENCE:]} | medians
    patterns = confirmed(found, patterns_of(memory), rows, self_judged)
    memory.shelf.set_note(MINED, {"patterns": patterns})
    held = [one for one in patterns if key_of(one) in found and one["status"] != "expired"]
    by_id = {run["id"]: run for run in runs}
    return Found(
        patterns,
        [(one, cases_of(one, [by_id[id] for id in evidence[key_of(one)]])) for one in _fresh(held, memory.lessons())],
    )


def keep_lesson(
    memory: ExperienceMemory,
    pattern: Mapping[str, Any],
    kind: str,
    text: str,
    setting: Mapping[str, Any] | None,
    at: str,
) -> dict[str, Any]:
    """Put a lesson for a pattern on trial, and return it.

    Where the same lesson is there already, or another one for the same pattern, that one gains the evidence instead.
    """
    source = {name: value for name, value in pattern.items() if name != "tried"}
    made = new_lesson(text, kind=kind, pattern=source, at=at, setting=setting)
    lesson = changed(made, {"keys": [key_of(pattern)]})
    return memory.merge_lesson(partial(_settled, memory, lesson))


def open_lessons(memory: ExperienceMemory) -> list[dict[str, Any]]:
    """The lessons that are on trial or proven."""
    return [dict(one) for one in map(whole, memory.lessons()) if _is_open(one)]


def patterns_of(memory: ExperienceMemory) -> list[dict[str, Any]]:
    """What the last look at the experiences found."""
    noted = memory.shelf.note(MINED)
    return noted["patterns"] if noted else []


def key_of(pattern: Mapping[str, Any]) -> str:
    """What makes two patterns the same: of a number the direction counts, and not the edge, which drifts with the runs.

    Example:
        >>> key_of({"kind": "failure", "measure": "success", "conditions": [["steps", ">= 12"]]})
        '["failure", "success", [["steps", ">= "]]]'
    """
    conditions = sorted(([name, _direction(value)] for name, value in pattern.get("conditions", ())), key=json.dumps)
    return json.dumps([pattern.get("kind", ""), pattern.get("measure", ""), conditions])


def keys_of(lesson: Lesson) -> list[str]:
    """The patterns that a lesson was worded for; one twice when another wording of it came to the same lesson."""
    return lesson["keys"] or ([key_of(lesson["pattern"])] if lesson["pattern"].get("conditions") else [])


def confirmed(
    found: Mapping[str, Mapping[str, Any]],
    before: Sequence[Mapping[str, Any]],
    rows: Sequence[Row],
    self_judged: bool,
) -> list[dict[str, Any]]:
    """The patterns with their `status`; `since` is when the newest run came that is not asked about them.

    Args:
        found: Those that hold now, by their key.
        before: Those of the last look.
        rows: The runs, as they count.
        self_judged: As for `mine`.
    """
    now = max((row.created_at for row in rows), default=0.0)
    patterns = {key: {**pattern, "since": now, "status": "candidate"} for key, pattern in found.items()}
    for known in before:
        key, standing = key_of(known), {name: known[name] for name in ("since", "status")}
        # A relabelled run is a new version of an old one, so the time when it was first kept tells.
        newer = [row.value for row in rows if row.created_at > known["since"]]
        said = confirm(known, newer, comparable=COMPARABLE, self_judged=self_judged)
        if said.support >= CASES:
            standing = {"since": now, "status": "validated" if said.p < CONFIRMED else "expired"}
        if key in found or standing["status"] != "expired":
            patterns[key] = {**(found.get(key) or known), **standing}
    return list(patterns.values())


def medians_of(runs: Sequence[Mapping[str, Any]], measure: str) -> dict[str, Any]:
    """What runs that succeeded take: {"feature": what tells the kinds of tasks apart, "kinds": {...}, "overall"}.

    Example:
        >>> runs = [{"success": True, "features": {"kind": "a"}, "tokens": tokens} for tokens in (1, 2, 9)]
        >>> medians_of(runs, "tokens")
        {'feature': 'kind', 'kinds': {'a': 2}, 'overall': 2}
    """
    amounts = [run for run in runs if is_amount(run.get(measure))]
    feature = next((name for name in COMPARABLE if any(name in run.get("features", {}) for run in runs)), None)
    kinds: dict[str, list[float]] = {}
    for run in amounts:
        if run["success"]:
            kinds.setdefault(str(run.get("features", {}).get(feature)), []).append(run[measure])
    values = [value for group in kinds.values() for value in group] or [run[measure] for run in amounts]
    return {
        "feature": feature,
        "kinds": {kind: median(group) for kind, group in sorted(kinds.items())},
        "overall": median(values) if values else None,
    }


def is_amount(value: Any) -> bool:
    """Whether something was measured."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e300


def cases_of(pattern: Mapping[str, Any], runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a model is shown of a pattern: the newest four that ended as the pattern says, then two others."""
    newest = list(reversed(runs))
    if pattern["kind"] == "efficiency":
        return newest[: LIKE + UNLIKE]
    wanted = pattern["kind"] == "success"
    like = [run for run in newest if run["success"] is wanted]
    return like[:LIKE] + [run for run in newest if run["success"] is not wanted][:UNLIKE]


def _fresh(patterns: Sequence[dict[str, Any]], lessons: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The patterns that may get a lesson, as many as there is room for."""
    known = [whole(one) for one in lessons]
    room = MOST_ON_TRIAL - sum(_is_open(one) and one["state"] == "candidate" and not one["pinned"] for one in known)
    fresh = []
    for pattern in patterns:
        own = [one for one in known if key_of(pattern) in keys_of(one)]
        if not _standing(own) and _wordings(own, key_of(pattern)) < MOST_WORDINGS:
            fresh.append({**pattern, "tried": [one["text"] for one in own]})
    fresh.sort(key=lambda one: -abs(one["effect"]) * one["support"])  # What is to be gained first.
    return fresh[: max(min(room, MOST_NEW), 0)]


def _settled(memory: ExperienceMemory, lesson: Lesson, lessons: Sequence[Mapping[str, Any]]) -> Lesson:
    """The lesson to keep: the new one, or one that stands for its pattern, or says the same."""
    known, key = [whole(one) for one in lessons], lesson["keys"][0]
    own = [one for one in known if key in keys_of(one)]
    if standing := _standing(own):
        return with_evidence(standing[0], lesson["evidence"])
    if _wordings(own, key) >= MOST_WORDINGS:
        return own[-1]
    kept = _merged(memory, known, lesson)
    is_new = all(one["id"] != kept["id"] for one in known)
    return kept if is_new else changed(kept, {"keys": [*keys_of(kept), key]})


def _merged(memory: ExperienceMemory, lessons: Sequence[Lesson], lesson: Lesson) -> Lesson:
    try:
        embedder = memory.shelf.embedder
        same: Callable[[str, str], float] | None = None if embedder.near is None else partial(alike, embedder)
        return merged(lessons, lesson, same, embedder.near)
    except ConfigError:
        raise
    except Exception:  # Whatever a foreign embedder raises; the letters can be compared without it.
        return merged(lessons, lesson)


def _is_open(lesson: Lesson) -> bool:
    return lesson["state"] != "retired" and not lesson["vetoed"]


def _standing(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Those after which there is to be no other: one that is open, or that a person has vetoed."""
    return [one for one in lessons if _is_open(one) or one["vetoed"]]


def _wordings(lessons: Sequence[Lesson], key: str) -> int:
    return sum(keys_of(one).count(key) for one in lessons)


def _direction(value: Any) -> Any:
    for sign in (LOWER, UPPER):
        if isinstance(value, str) and value.startswith(sign):
            try:
                float(value[len(sign) :])
            except ValueError:
                return value
            return sign
    return value
