"""What the reflection graph does with its memory: draw the lessons of a run, count its outcome, judge it.

All of it blocks on the disk, and none of it asks a model. `nodes/lessons.py` has the rules of the trials,
`nodes/pattern_lessons.py` what is learned from many runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..memory.experience import ExperienceMemory
from ..memory.recalling import epoch
from ..memory.spaces import EXPERIENCES
from .counting import as_counted, counting, counts, labelled
from .judging import FittedJudge, fit_judge
from .lessons import Lesson, chosen, looked, whole
from .pattern_lessons import (
    MOST_MINED,
    Found,
    find_patterns,
    is_amount,
    keep_lesson,
    open_lessons,
    patterns_of,
)
from .text import clean, shorten

if TYPE_CHECKING:
    from ..memory.items import Row

__all__ = [
    "Found",
    "Learned",
    "as_counted",
    "choose",
    "count",
    "find_patterns",
    "judgement",
    "keep_lesson",
    "labelled",
    "learn",
    "left_open",
    "memory_of",
    "open_lessons",
]

SIMILAR = 3  # Experiences that are named as similar.
FIT_AFTER = 200  # Labelled runs that a fitted judgement needs; it is fitted again after so many more.
# Notes of the memory: how far runs are counted (by whether the agent's own word counts), whether patterns wait for a
# lesson, and the judge.
COUNTED, OPEN, JUDGE = ("counted", "counted, self-judged"), "open", "judge"

_opened: dict[str, ExperienceMemory] = {}
_opening = threading.Lock()


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of remembering a run.

    Attributes:
        experience: The run as it is kept.
        changed: The lessons whose state changed.
        lessons: Those that are on trial or proven.
        patterns: What the last look at the experiences found.
        quality: What the fitted judge says of the run; None without one.
        due: Whether it is for this run to look for patterns: of several that end at once only one is told so.
    """

    experience: dict[str, Any]
    changed: list[dict[str, Any]]
    lessons: list[dict[str, Any]]
    patterns: list[dict[str, Any]]
    quality: dict[str, Any] | None
    due: bool


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
        shown that they help; `error`: why nothing is known of what is near to the task, None else. Lessons are drawn
        by their worth alone then.
    """
    lessons = open_lessons(memory)
    near, similar, error = _near(memory, task, bool(lessons))
    drawn = chosen(lessons, known, near, run_id, most, seed)
    return {
        "lessons": {"given": _shown(drawn.given), "withheld": _shown(drawn.withheld)},
        "experiences": similar,
        "error": error,
    }


def learn(memory: ExperienceMemory, experience: Mapping[str, Any], mine_every: int, self_judged: bool) -> Learned:
    """Keep an experience, count it for its lessons, and tell whether enough is new to look for patterns.

    Runs that a person labelled since the last one are counted too. The same run twice, as after a crash, is kept and
    counted once.

    Args:
        memory: Where it is kept.
        experience: The run.
        mine_every: So many runs that count have to be new.
        self_judged: Whether outcomes that nobody but the agent itself judged count.
    """
    id_ = memory.add(experience)
    rows = memory.shelf.rows(EXPERIENCES, pruned=True, after=_progress(memory, self_judged)["seq"])
    mine = [row.value for row in rows if row.key == id_]  # Not when the same run ended before.
    kept = mine[-1] if mine else memory.get(id_) or dict(experience)
    new = counting(rows, self_judged)
    changed = [lesson for row in new for lesson in count(memory, row.value, self_judged)]
    reached = rows[-1].seq if rows else 0
    due, fit = _claimed(memory, reached, new, mine_every, self_judged, is_judged=bool(kept.get("judged")))
    if fit:
        _fit(memory, self_judged)
    return Learned(
        experience=kept,
        changed=changed,
        lessons=open_lessons(memory),
        patterns=patterns_of(memory),
        quality=judgement(memory, kept),
        due=due,
    )


def left_open(memory: ExperienceMemory) -> None:
    """Note that patterns wait for their lessons, because there was no model to word them: the next run looks again."""
    memory.shelf.set_note(OPEN, True)


def count(memory: ExperienceMemory, experience: Mapping[str, Any], self_judged: bool = False) -> list[dict[str, Any]]:
    """Count the outcome of a run for the lessons that were given or withheld in it; returns those whose state changed.

    What counts is the first attempt: what a lesson did must not be hidden by a reflection that repaired it. A run that
    was labelled anew since it was counted is counted anew, in its place.
    """
    run = as_counted(experience)
    if not counts(run, self_judged):
        return []
    changed: list[dict[str, Any]] = []
    for given, ids in ((True, run.get("recalled", ())), (False, run.get("withheld", ()))):
        for lesson in map(whole, filter(None, map(memory.lesson, ids))):
            good = _is_good(lesson, run)
            if good is None or _is_of_an_earlier_text(lesson, run):
                continue
            memory.add_trial(lesson["id"], run["id"], given=given, success=good, at=run["at"], replace=True)
            # Also when the trial was there already: whoever added it may have come no further.
            memory.change_lesson(lesson["id"], partial(_looked, memory, run["at"], changed))
    return changed


def judgement(memory: ExperienceMemory, experience: Mapping[str, Any]) -> dict[str, Any] | None:
    """The probability that a run succeeded, by a judge that was fitted on how earlier runs ended; None without one."""
    noted = memory.shelf.note(JUDGE) if experience.get("judged") else None
    if not noted:
        return None
    judge = FittedJudge.from_dict(noted["fitted"])
    return {"score": judge.score(experience["judged"]), "report": judge.report.to_dict()}


def _near(
    memory: ExperienceMemory, task: str, with_lessons: bool
) -> tuple[dict[str, float], list[dict[str, Any]], str | None]:
    """How near each lesson is to a task, similar experiences, and why nothing is known of both."""
    try:
        near = memory.lesson_relevance(task) if with_lessons else {}
        recalled = memory.recall(task, SIMILAR)
    except ConfigError:
        raise
    except Exception as error:  # Whatever a foreign embedder raises; the run does without.
        return {}, [], shorten(clean(f"What is similar could not be recalled: {type(error).__name__}: {error}"), 300)
    similar = [
        {
            "id": one.experience["id"],
            "task": one.experience["task"][:200],
            "success": one.experience["success"],
            "relevance": round(one.relevance, 4),
            "why": one.why,
        }
        for one in recalled
    ]
    return near, similar, None


def _progress(memory: ExperienceMemory, self_judged: bool) -> dict[str, Any]:
    """How far the runs are counted, how many are new since patterns were looked for, and since a judge was fitted."""
    return memory.shelf.note(COUNTED[self_judged]) or {"seq": 0, "new": 0, "judged": 0}


def _claimed(
    memory: ExperienceMemory, seq: int, new: Sequence[Row], mine_every: int, self_judged: bool, *, is_judged: bool
) -> tuple[bool, bool]:
    """Note how far the runs are counted; whether this run is to look for patterns, and whether to fit the judge.

    Whoever is told so starts the count anew, so that nobody else is.
    """
    with memory.alone():
        noted = _progress(memory, self_judged)
        more = [row for row in new if row.seq > noted["seq"]]  # Another run may have counted some of them meanwhile.
        after = {
            "seq": max(noted["seq"], seq),
            "new": noted["new"] + len(more),
            "judged": noted["judged"] + sum(bool(row.value.get("judged")) for row in more),
        }
        was_open = bool(memory.shelf.note(OPEN))
        due = was_open or after["new"] >= mine_every
        fit = is_judged and after["judged"] >= FIT_AFTER
        after |= ({"new": 0} if due else {}) | ({"judged": 0} if fit else {})
        if after != noted:
            memory.shelf.set_note(COUNTED[self_judged], after)
        if was_open:
            memory.shelf.set_note(OPEN, False)
        return due, fit


def _fit(memory: ExperienceMemory, self_judged: bool) -> None:
    """Fit the judge on the newest runs with steps."""
    rows = [row for row in labelled(memory, self_judged, newest=MOST_MINED) if row.value.get("judged")]
    try:
        fitted = fit_judge([(row.value["judged"], row.value["success"]) for row in rows])
    except ConfigError:  # Too few, or nearly all ended in the same way; the earlier judge stays.
        return
    memory.shelf.set_note(JUDGE, {"fitted": fitted.to_dict()})


def _shown(lessons: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: one[key] for key in ("id", "text", "state", "kind", "setting")} for one in lessons]


def _looked(
    memory: ExperienceMemory, at: str, changed: list[dict[str, Any]], lesson: Mapping[str, Any]
) -> Mapping[str, Any]:
    """A lesson after the looks that its trials have passed; noted in `changed` when they decided on it."""
    before = whole(lesson)
    trials = memory.trials(before["id"], after=before["since"][1]) if before["since"] else memory.trials(before["id"])
    after = looked(before, trials, at=at)
    if after["state"] != before["state"]:
        changed.append(dict(after))
    return after


def _is_of_an_earlier_text(lesson: Lesson, experience: Mapping[str, Any]) -> bool:
    """Whether a run began before a person gave a lesson the words that it has."""
    began = experience.get("began", experience["at"])
    return lesson["edited"] and epoch(began) < epoch(lesson["worded"] or "1970-01-01")


def _is_good(lesson: Mapping[str, Any], run: Mapping[str, Any]) -> bool | None:
    """Whether a run was what a lesson wants; None: it was not measured.

    That is a success, and for a lesson about efficiency one that took no more than the median of those like it when
    the pattern was found.
    """
    pattern, success = lesson["pattern"], bool(run["success"])
    medians = pattern.get("medians") if pattern.get("kind") == "efficiency" else None
    if not isinstance(medians, Mapping) or medians.get("overall") is None:
        return success
    value = run.get(pattern["measure"])
    if not is_amount(value):
        return None
    kind = str(run.get("features", {}).get(medians["feature"]))
    return success and value <= medians["kinds"].get(kind, medians["overall"])
