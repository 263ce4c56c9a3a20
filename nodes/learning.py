"""What the reflection graph does with its memory: draw lessons, count outcomes, look for patterns, keep lessons.

All of it blocks on the disk, and none of it asks a model. `nodes/lessons.py` has the rules of the trials,
`nodes/patterns.py` the statistics.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..memory.experience import ExperienceMemory
from ..memory.likeness import alike
from ..memory.recalling import epoch
from .judging import FittedJudge, fit_judge
from .lessons import Lesson, chosen, counted, judged, merged, new_lesson, whole
from .patterns import confirm, mine

if TYPE_CHECKING:
    from ..memory.items import Row

MOST_MINED = 5_000  # The newest experiences, in which patterns are looked for.
MOST_NEW = 3  # Lessons that one look at the patterns puts on trial.
SIMILAR = 3  # Experiences that are named as similar.
COUNTED, MINED, JUDGE = "counted", "mined", "judge"  # Notes of the memory: up to where each of them has looked.
NEVER: dict[str, Any] = {"seq": 0, "patterns": []}  # What stands for a look that was never taken.
FIT_AFTER = 200  # Labelled runs that a fitted judgement needs; it is fitted again after so many more.

_opened: dict[str, ExperienceMemory] = {}
_opening = threading.Lock()


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of remembering a run: the lessons whose state changed, the ones that are open, and what is known."""

    changed: list[dict[str, Any]]
    lessons: list[dict[str, Any]]
    patterns: list[dict[str, Any]]
    quality: dict[str, Any] | None
    due: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the experiences found. `fresh`: patterns without a lesson, each with experiences behind it."""

    patterns: list[dict[str, Any]]
    fresh: list[tuple[dict[str, Any], list[dict[str, Any]]]]


def memory_of(given: ExperienceMemory | str | None, folder: str) -> ExperienceMemory:
    """The memory of a graph: the one that it was made with, or the one in a folder, opened once in a process.

    Args:
        given: A memory, or a folder; None takes `folder`.
        folder: Of the run's settings; empty is a memory that lasts as long as this process.
    """
    if isinstance(given, ExperienceMemory):
        return given
    path = str(Path(given or folder).resolve()) if given or folder else ""
    with _opening:
        if path not in _opened:
            _opened[path] = ExperienceMemory(path or None)
        return _opened[path]


def choose(
    memory: ExperienceMemory, task: str, known: Mapping[str, Any], run_id: str, most: int, seed: int
) -> dict[str, Any]:
    """Draw the lessons of a run, and name the experiences that are similar.

    Returns:
        `lessons`: {"given": [...], "withheld": [...]}, each {id, text, state, kind, setting}; `experiences`: list of
        {id, task, success, relevance, why}, for people: nothing of them is shown to the graph, because nothing has
        shown that they help.
    """
    lessons = open_lessons(memory)
    near = memory.lesson_relevance(task) if lessons else {}
    drawn = chosen(lessons, known, near, run_id, most, seed)
    return {
        "lessons": {"given": _shown(drawn.given), "withheld": _shown(drawn.withheld)},
        "experiences": [
            {
                "id": one.experience["id"],
                "task": one.experience["task"][:200],
                "success": one.experience["success"],
                "relevance": round(one.relevance, 4),
                "why": one.why,
            }
            for one in memory.recall(task, SIMILAR)
        ],
    }


def learn(memory: ExperienceMemory, experience: Mapping[str, Any], mine_every: int, self_judged: bool) -> Learned:
    """Keep an experience, count it for its lessons, and tell whether enough is new to look for patterns.

    Runs that a person labelled since the last one are counted too.

    The same run twice, as after a crash, is kept and counted once.
    """
    memory.add(experience)
    new = labelled(memory, self_judged, after=memory.shelf.note(COUNTED) or 0)
    changed = [lesson for row in new for lesson in count(memory, row.value)]
    if new:
        memory.shelf.set_note(COUNTED, new[-1].seq)
    mined = memory.shelf.note(MINED) or NEVER
    return Learned(
        changed=changed,
        lessons=open_lessons(memory),
        patterns=mined["patterns"],
        quality=judgement(memory, experience, self_judged),
        due=len(labelled(memory, self_judged, after=mined["seq"])) >= mine_every,
    )


def labelled(memory: ExperienceMemory, self_judged: bool, after: int = 0) -> list[Row]:
    """The experiences that count in statistics, the pruned ones too, from a place of the record on, oldest first.

    An outcome that nobody but the agent itself judged does not count, unless `self_judged`.
    """
    rows = memory.shelf.rows(("experiences",), {"success": {"$ne": None}}, pruned=True, after=after)
    newest = {row.key: row for row in rows}  # One that was labelled after it was pruned is there twice.
    counting = (row for row in newest.values() if self_judged or row.value.get("outcome_source") != "self")
    return sorted(counting, key=lambda row: row.seq)


def count(memory: ExperienceMemory, experience: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Count the outcome of a run for the lessons that were given or withheld in it; returns those whose state changed.

    What counts is the first attempt: what a lesson did must not be hidden by a reflection that repaired it.
    """
    success = experience.get("first_success", experience["success"])
    if success is None:
        return []
    changed = []
    for given, ids in ((True, experience.get("recalled", ())), (False, experience.get("withheld", ()))):
        for lesson in map(whole, filter(None, map(memory.lesson, ids))):
            if _is_of_an_earlier_text(lesson, experience):
                continue
            id_, good = lesson["id"], success and _is_cheap(lesson, experience)
            if not memory.add_trial(id_, experience["id"], given=given, success=good, at=experience["at"]):
                continue
            after = judged(counted(lesson, memory.trials(id_)), at=experience["at"])
            memory.put_lesson(after)
            if after["state"] != lesson["state"]:
                changed.append(dict(after))
    return changed


def find_patterns(memory: ExperienceMemory, self_judged: bool) -> Found:
    """Mine the experiences, those that were pruned too; what was found earlier is confirmed by those that came later.

    A pattern is a candidate when it is found, validated when experiences after that confirm it, and expired when 50 of
    them do not.
    """
    rows = labelled(memory, self_judged)[-MOST_MINED:]
    runs = [row.value for row in rows]
    before = {_key(row): row for row in (memory.shelf.note(MINED) or NEVER)["patterns"]}
    patterns = []
    for pattern in mine(runs, self_judged=self_judged):
        found = {**pattern.to_dict(), "seq": rows[-1].seq, "status": "candidate"}
        if known := before.get(_key(found)):
            newer = [row.value for row in rows if row.seq > known["seq"]]
            found |= {"seq": known["seq"], "status": confirm(pattern, newer, self_judged=self_judged).state}
        if pattern.kind == "efficiency":
            found["median"] = median(run.get(pattern.measure, 0) for run in runs)
        patterns.append(found)
    memory.shelf.set_note(MINED, {"seq": rows[-1].seq if rows else 0, "patterns": patterns})
    has = {_key(one["pattern"]) for one in map(whole, memory.lessons()) if one["pattern"]}
    fresh = [one for one in patterns if _key(one) not in has]
    fresh.sort(key=lambda one: -abs(one["effect"]) * one["support"])  # What is to be gained first.
    by_id = {run["id"]: run for run in runs}
    return Found(patterns, [(one, [by_id[id_] for id_ in one["evidence"] if id_ in by_id]) for one in fresh[:MOST_NEW]])


def keep_lesson(
    memory: ExperienceMemory,
    pattern: Mapping[str, Any],
    kind: str,
    text: str,
    setting: Mapping[str, Any] | None,
    at: str,
) -> dict[str, Any]:
    """Put a lesson on trial; where the same one is there already, that one gains the evidence."""
    lesson = new_lesson(text, kind=kind, pattern=pattern, at=at, setting=setting)
    embedder = memory.shelf.embedder
    kept = merged(memory.lessons(), lesson, None if embedder.near is None else partial(alike, embedder), embedder.near)
    return memory.put_lesson(kept)


def open_lessons(memory: ExperienceMemory) -> list[dict[str, Any]]:
    """The lessons that are on trial or proven."""
    lessons = map(whole, memory.lessons())
    return [dict(one) for one in lessons if one["state"] != "retired" and not one["vetoed"]]


def _shown(lessons: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: one[key] for key in ("id", "text", "state", "kind", "setting")} for one in lessons]


def _is_of_an_earlier_text(lesson: Lesson, experience: Mapping[str, Any]) -> bool:
    """Whether a run began before a person gave a lesson the words that it has."""
    began = experience.get("began", experience["at"])
    return lesson["edited"] and epoch(began) < epoch(lesson["worded"] or "1970-01-01")


def _is_cheap(lesson: Mapping[str, Any], experience: Mapping[str, Any]) -> bool:
    """Whether a run was what a lesson about efficiency wants: no dearer than the median of those that it came from."""
    pattern = lesson["pattern"]
    if pattern.get("kind") != "efficiency":
        return True
    value = experience.get(pattern["measure"])
    return isinstance(value, int | float) and value <= pattern["median"]


def judgement(memory: ExperienceMemory, experience: Mapping[str, Any], self_judged: bool) -> dict[str, Any] | None:
    """The probability that a run succeeded, by a judge that was fitted on how earlier runs ended; None without one.

    It is fitted when there are 200 labelled runs with steps, and again after every 200 more.
    """
    if not experience.get("judged"):
        return None
    noted = memory.shelf.note(JUDGE) or {"seq": 0, "fitted": None}
    if len(labelled(memory, self_judged, after=noted["seq"])) >= FIT_AFTER:
        rows = [row for row in labelled(memory, self_judged) if row.value.get("judged")][-MOST_MINED:]
        try:
            fitted = fit_judge([(row.value["judged"], row.value["success"]) for row in rows]).to_dict()
        except ConfigError:  # Too few, or nearly all ended in the same way.
            fitted = noted["fitted"]
        noted = {"seq": rows[-1].seq if rows else 0, "fitted": fitted}
        memory.shelf.set_note(JUDGE, noted)
    if noted["fitted"] is None:
        return None
    judge = FittedJudge.from_dict(noted["fitted"])
    return {"score": judge.score(experience["judged"]), "report": judge.report.to_dict()}


def _key(pattern: Mapping[str, Any]) -> tuple[Any, ...]:
    return pattern["kind"], pattern.get("measure", ""), tuple(map(tuple, pattern["conditions"]))
