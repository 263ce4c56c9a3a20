"""A task broken down into subtasks: whatever a coordinator said is made a valid plan, and what was mended is said.

A plan here is a list of subtasks that wait for earlier ones only, so that it can always be carried out. Prose, an empty
or endless list, unknown and circular dependencies, doubles: each is repaired, or the whole task is the one subtask.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from .refusal import refusal
from .text import clean, shorten

MOST = 50  # subtasks that are kept of one list
MAX_TASK = 1_000  # characters of a subtask that are kept
MAX_EFFORT = 1_000_000.0
MAX_NUMBER = 10**18  # of an id; Python writes no number of more than 4,300 digits
LISTS = ("subtasks", "tasks", "steps", "plan")
TASKS = ("task", "title", "description", "name", "step")
WAITS = ("after", "depends_on", "dependencies", "depends", "needs")
NAMES = ("id", "number", "key")
COUNTED = re.compile(r"^(?:sub-?task|task|step|part|number|no\.?) ?#? ?(?=\d)")  # What may stand before a number.
NOTHING = frozenset({"none", "nothing", "nobody", "null", "nil", "no", "n/a", "na", "-", "\u2013", "\u2014", ""})
MOST_NOTES = 5  # about dependencies; 50 subtasks that all name each other would be 1,276
LISTED = re.compile(r"^\s*(?:[-*•]|\(?\d{1,3}[.):])\s+(.+)$")


@dataclass(frozen=True, slots=True)
class Subtask:
    """One part of a task.

    Attributes:
        task: What is to be done.
        skills: What it takes, by names that the team knows.
        after: The places in the list, all of them earlier, of the subtasks whose results it needs.
        effort: The coordinator's estimate of the work, in any one unit.
        large: Whether it should be broken down itself.
    """

    task: str
    skills: tuple[str, ...] = ()
    after: tuple[int, ...] = ()
    effort: float = 1.0
    large: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "task": self.task,
            "skills": list(self.skills),
            "after": list(self.after),
            "effort": self.effort,
            "large": self.large,
        }


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A list of subtasks that can be carried out; never empty.

    Attributes:
        subtasks: In an order in which they can be done.
        notes: What was mended, in words.
        left_out: The subtasks beyond the limit.
        whole: Whether nothing was usable, so that the one subtask is the whole task.
    """

    subtasks: tuple[Subtask, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    whole: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "subtasks": [one.to_dict() for one in self.subtasks],
            "notes": list(self.notes),
            "left_out": list(self.left_out),
            "whole": self.whole,
        }


def break_down(said: Any, task: str, skills: Sequence[str] = (), *, most: int = MOST) -> Breakdown:
    """Make a valid list of subtasks of whatever a coordinator said.

    Args:
        said: An object with a list of subtasks, the list itself, or text with either in it or with a list in prose. A
            subtask is a text, or an object with `task` and perhaps `skills`, `after` (numbers counted from 1, or the
            ids or texts of others), `effort` and `large`; usual other names for these are known.
        task: The whole task, which is the one subtask when nothing is usable.
        skills: The names of skills that there are; others are dropped.
        most: How many subtasks are kept.

    Returns:
        The list. Dependencies that point back in it are kept before those that point forward, and of these each that
        closes no cycle.

    Example:
        >>> said = {"subtasks": [{"task": "taste", "after": [2]}, {"task": "cook", "after": [1, 2, 9]}]}
        >>> found = break_down(said, "dinner")
        >>> [(one.task, one.after) for one in found.subtasks]
        [('taste', ()), ('cook', (0,))]
        >>> for note in found.notes: print(note)
        dropped a dependency of 'cook' on itself
        dropped a dependency of 'cook' on a subtask that does not exist: 9
        dropped the dependency of 'taste' on 'cook', which closes a cycle
        >>> break_down("I would rather not.", "cook").subtasks
        (Subtask(task='cook', skills=(), after=(), effort=1.0, large=False),)
    """
    notes: list[str] = []
    drafts = _merged(_drafts(_items(said, notes), skills, notes), notes)
    drafts, beyond = drafts[:most], drafts[most:]
    if beyond:
        notes.append(f"kept the first {most} of {len(drafts) + len(beyond)} subtasks")
    if not drafts:
        notes.append(f"there was no usable list of subtasks, so the whole task is one: {_quoted(_words(said))}")
        return Breakdown((Subtask(task),), tuple(notes), whole=True)
    edges = _edges(drafts, {name for draft in beyond for name in draft.names}, notes)
    order = _order(edges)
    place = {old: new for new, old in enumerate(order)}
    done = [
        Subtask(
            drafts[old].task,
            drafts[old].skills,
            tuple(sorted(place[other] for other in edges[old])),
            drafts[old].effort,
            drafts[old].large,
        )
        for old in order
    ]
    return Breakdown(tuple(done), tuple(notes), tuple(draft.task for draft in beyond))


@lru_cache(maxsize=4_096)  # Asked for every skill of every agent whenever somebody is free.
def skill_key(skill: str) -> str:
    """A skill without case, extra space and punctuation, so that the same skill is one.

    Example:
        >>> skill_key(" Data-Analysis ") == skill_key("data analysis")
        True
    """
    return " ".join(re.findall(r"\w+", skill.casefold().replace("_", " ")))


@dataclass(frozen=True, slots=True)
class _Draft:
    """A subtask as it was named. `names`: what others may call it; `waits`: what it says it waits for."""

    task: str
    skills: tuple[str, ...]
    names: tuple[str, ...]
    waits: tuple[str, ...]
    effort: float
    large: bool


def _items(said: Any, notes: list[str]) -> list[Any]:
    """The list in what was said."""
    if isinstance(said, str):
        return _items_in_text(said, notes)
    if isinstance(said, Mapping):
        found = next((said[key] for key in LISTS if isinstance(said.get(key), list | tuple | Mapping)), None)
        if found is None:
            return [said] if any(isinstance(said.get(key), str) for key in TASKS) else []
        said = found
        if isinstance(said, Mapping):
            return [{"id": key, **one} if isinstance(one, Mapping) else one for key, one in said.items()]
    return list(said) if isinstance(said, list | tuple) else []


def _items_in_text(text: str, notes: list[str]) -> list[Any]:
    """The list in a text: JSON, what is whole of JSON that is cut off, or the lines of a list in prose."""
    found = [_items(_decoded(text, text.find(bracket)), notes) for bracket in "{["]
    if _usable(best := max(found, key=_usable)):
        return best
    whole = [one for one in (_decoded(part, 0) for part in re.findall(r"\{[^{}]*\}", text)) if _usable([one])]
    if whole:
        notes.append(f"the list was cut off or malformed; {_many(len(whole), 'subtask')} could be read of it")
        return whole
    lines = [match[1].strip() for match in map(LISTED.match, text.splitlines()) if match]
    if len(lines) < 2 or refusal(text):
        return []
    notes.append("the subtasks were read from a list in prose, and are done one after the other")
    return [{"id": i + 1, "task": line, "after": [i] if i else []} for i, line in enumerate(lines)]


def _decoded(text: str, start: int) -> Any:
    """The JSON value that begins at a place, or None."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[0] if start >= 0 else None
    except (ValueError, RecursionError):
        return None


def _usable(items: Sequence[Any]) -> int:
    """How many of these can be a subtask."""
    return sum(bool(_task_of(one) if isinstance(one, Mapping) else isinstance(one, str)) for one in items)


def _drafts(items: Sequence[Any], skills: Sequence[str], notes: list[str]) -> list[_Draft]:
    known = {skill_key(skill): skill for skill in sorted(skills, reverse=True)}
    first = 0 if _counts_from_zero(items) else 1
    if first == 0:
        notes.append("the dependencies count from 0, and were read so")
    drafts: list[_Draft] = []
    unusable, unknown = 0, set[str]()
    for number, item in enumerate(items, first):
        given = item if isinstance(item, Mapping) else {"task": item}
        task = _task_of(given)
        if not task:
            unusable += 1
            continue
        wanted = [skill_key(skill) for key in ("skills", "skill") for skill in _texts(given.get(key))]
        unknown |= {skill for skill in wanted if skill and skill not in known}
        names = [name for key in NAMES if (name := _called(given.get(key)))] or [str(number)]
        drafts.append(
            _Draft(
                task,
                tuple(sorted({known[skill] for skill in wanted if skill in known})),
                tuple(_name(name) for name in [*names, task]),
                tuple(dict.fromkeys(_name(wait) for key in WAITS for wait in _texts(given.get(key)))),
                _effort(given.get("effort")),
                given.get("large") is True,
            )
        )
    if unusable:
        notes.append(f"dropped {_many(unusable, 'subtask')} without words")
    if unknown and known:
        notes.append(f"dropped skills that nobody in the team names: {', '.join(sorted(unknown)[:5])}")
    return drafts


def _counts_from_zero(items: Sequence[Any]) -> bool:
    """Whether dependencies are places counted from 0: there are no ids, a 0 is among them, and all point back so.

    A first subtask that waits for 0 means nothing by it, and the others count from 1.
    """
    if any(key in item for item in items if isinstance(item, Mapping) for key in NAMES):
        return False
    waits = [
        (place, _name(wait))
        for place, item in enumerate(items)
        if isinstance(item, Mapping)
        for key in WAITS
        for wait in _texts(item.get(key))
    ]
    numbers = [(place, int(wait)) for place, wait in waits if re.fullmatch("[0-9]{1,9}", wait)]
    return any(number == 0 for _, number in numbers) and all(number < place for place, number in numbers)


def _task_of(given: Mapping[str, Any]) -> str:
    """The words of a subtask; parts that it was given already stand behind them."""
    words = _first_text(given)
    inner = next((given[key] for key in LISTS if isinstance(given.get(key), list | tuple)), ())
    parts = [one.strip() if isinstance(one, str) else _first_text(one) for one in inner]
    listed = "; ".join(part for part in parts if part)
    return shorten(f"{words}: {clean(listed)}" if listed and words else words, MAX_TASK)


def _first_text(given: Any) -> str:
    texts = [given.get(key) for key in TASKS] if isinstance(given, Mapping) else []
    return next((clean(text).strip() for text in texts if isinstance(text, str) and clean(text).strip()), "")


def _texts(value: Any) -> list[str]:
    """A text, a number, an object with an id or words, or a list of such, as texts."""
    listed = value if isinstance(value, list | tuple) else [value]
    named = [_named(one) if isinstance(one, Mapping) else one for one in listed]
    parts = [part for one in named for part in (re.split(r"[,;]", one) if isinstance(one, str) else [_number(one)])]
    return [clean(part).strip() for part in parts if part.strip()]


def _named(given: Mapping[str, Any]) -> Any:
    """What an object calls a subtask by."""
    return next((given[key] for key in (*NAMES, *TASKS) if isinstance(given.get(key), str | int)), None)


def _called(value: Any) -> str:
    """An id: a text, or a number that can be one."""
    return value if isinstance(value, str) else _number(value) if _number(value).lstrip("-").isdecimal() else ""


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if not abs(value) < MAX_NUMBER:
        return "a huge number" if value == value else "no number"
    return str(int(value)) if value == int(value) else f"{value:g}"


def _effort(value: Any) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < MAX_EFFORT
    return float(value) if usable and math.isfinite(value) else 1.0


def _name(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!\"'`*[]()#")


def _merged(drafts: Sequence[_Draft], notes: list[str]) -> list[_Draft]:
    """The drafts with those of the same words as one."""
    merged: dict[str, _Draft] = {}
    for draft in drafts:
        same = merged.get(_name(draft.task))
        merged[_name(draft.task)] = draft if same is None else _as_one(same, draft)
    if len(merged) < len(drafts):
        notes.append(f"merged {_many(len(drafts) - len(merged), 'subtask')} that stood there twice")
    return list(merged.values())


def _as_one(first: _Draft, second: _Draft) -> _Draft:
    return replace(
        first,
        skills=tuple(sorted({*first.skills, *second.skills})),
        names=(*first.names, *second.names),
        waits=tuple(dict.fromkeys([*first.waits, *second.waits])),
        effort=max(first.effort, second.effort),
        large=first.large or second.large,
    )


def _edges(drafts: Sequence[_Draft], beyond: set[str], notes: list[str]) -> list[set[int]]:
    """For each draft the places of those it waits for, without a cycle."""
    places: dict[str, int] = {}
    for place, draft in enumerate(drafts):
        for name in draft.names:
            places.setdefault(name, place)
    forward: list[tuple[int, int]] = []
    said: list[str] = []
    edges: list[set[int]] = [set() for _ in drafts]
    for place, draft in enumerate(drafts):
        waits = [wait if wait in places else COUNTED.sub("", wait) for wait in draft.waits]
        missing = [wait for wait in waits if wait not in places and wait not in beyond and wait not in NOTHING]
        others = {places[wait] for wait in waits if wait in places}
        if place in others:
            said.append(f"dropped a dependency of {_quoted(draft.task)} on itself")
        if missing:
            words = f"{_quoted(draft.task)} on a subtask that does not exist: {', '.join(missing[:5])}"
            said.append(f"dropped a dependency of {words}")
        edges[place] = {other for other in others if other < place}
        forward += [(place, other) for other in sorted(others) if other > place]
    for place, other in forward:
        if _reaches(edges, other, place):
            words = f"{_quoted(drafts[place].task)} on {_quoted(drafts[other].task)}"
            said.append(f"dropped the dependency of {words}, which closes a cycle")
        else:
            edges[place].add(other)
    notes += said[:MOST_NOTES]
    if len(said) > MOST_NOTES:
        notes.append(f"dropped {len(said) - MOST_NOTES} more dependencies: on themselves, on nothing, or in a cycle")
    return edges


def _reaches(edges: Sequence[set[int]], start: int, goal: int) -> bool:
    """Whether `start` waits for `goal`, by way of others too."""
    seen, left = {start}, [start]
    while left:
        place = left.pop()
        if place == goal:
            return True
        left += [other for other in edges[place] if other not in seen]
        seen |= edges[place]
    return False


def _order(edges: Sequence[set[int]]) -> list[int]:
    """The places in an order in which they can be done; of those that can be next, the one named first."""
    order: list[int] = []
    left = set(range(len(edges)))
    while left:
        place = min(place for place in left if not edges[place] & left)
        order.append(place)
        left.remove(place)
    return order


def _quoted(text: str) -> str:
    return repr(shorten(" ".join(text.split()), 60))


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _words(said: Any) -> str:
    """What was said instead of a list."""
    if said is None:
        return "nothing"
    if isinstance(said, str):
        return clean(said, 200).strip() or "nothing"
    try:
        return clean(json.dumps(said, ensure_ascii=False, default=str), 200)
    except (ValueError, RecursionError):
        return "an object that cannot be shown"
