"""What a lesson is, how one is made, and which lessons say the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, Literal, TypedDict, cast

from ..errors import ConfigError, nearest
from .lesson_text import checked_text, likeness
from .lesson_trials import Counts, Mark, no_counts, on_trial

KINDS = ("planning", "execution", "risk")
STATES = ("candidate", "active", "retired")
MOST_EVIDENCE = 100  # experiences that are named in a lesson, the newest ones

Likeness = Callable[[str, str], float]


class Lesson(TypedDict):
    """A lesson and what is known of it; `why` says in a sentence why it is in its state."""

    id: str
    text: str
    kind: Literal["planning", "execution", "risk"]
    trigger: list[list[Any]]  # [feature, value] pairs: when it is given.
    setting: dict[str, Any] | None  # {"name", "value"}: a parameter that goes with it.
    state: Literal["candidate", "active", "retired"]
    pinned: bool  # By a person: always given where its trigger holds, and judged no more.
    vetoed: bool  # By a person: never given.
    edited: bool
    worded: str  # ISO 8601: when it was given its present text; empty when nobody knows.
    pattern: dict[str, Any]  # That it came from; its evidence is below.
    keys: list[str]  # Of all patterns that it was worded for, or that merged into it; see `pattern_lessons.key_of`.
    evidence: list[str]  # Ids of experiences.
    gain: float  # What the pattern promises, in shares of success.
    created: str  # ISO 8601, as is `decided`: when it came into its state; None while it is on trial.
    decided: str | None
    why: str
    counts: Counts  # Those that decided its state, or are to decide it; so are the next three.
    effect: float | None  # Success with the lesson minus success without it.
    interval: list[float] | None  # 95 %
    better: float  # The probability that it helps.
    watch: Counts  # Of an active lesson since its promotion, or since the last 400 trials.
    last: Mark | None  # The trial that was looked at last.
    since: Mark | None  # Trials up to this one are over: they belong to an earlier text or state.


def new_lesson(
    text: str,
    *,
    kind: str,
    pattern: Mapping[str, Any] | None,
    at: str,
    setting: Mapping[str, Any] | None = None,
    trigger: Sequence[Sequence[Any]] | None = None,
) -> Lesson:
    """Put a lesson on trial.

    Args:
        text: What the agent is told; cut to 300 characters on one line.
        kind: planning, execution or risk.
        pattern: What it came from: `conditions`, `effect`, `measure`, `evidence`; None for a lesson of a person.
        at: When, ISO 8601.
        setting: {"name", "value"} of a parameter that goes with it.
        trigger: [feature, value] pairs that must hold for it to be given; without it the pattern's conditions.

    Returns:
        A candidate. Its id is made from its content, so that the same lesson has the same id.

    Raises:
        ConfigError: A text without words, an unknown kind, or a trigger or setting of another shape.

    Example:
        >>> pattern = {"kind": "failure", "conditions": [["planned", False]], "effect": 0.3, "evidence": ["e1", "e2"]}
        >>> lesson = new_lesson("Make a plan first.", kind="planning", pattern=pattern, at="2026-11-28T12:00:00Z")
        >>> lesson["state"], lesson["trigger"], lesson["gain"], lesson["evidence"]
        ('candidate', [['planned', False]], 0.3, ['e1', 'e2'])
    """
    if kind not in KINDS:
        raise ConfigError(f"A lesson's kind was {kind!r}; give one of {', '.join(KINDS)}.{nearest(str(kind), KINDS)}")
    source = dict(pattern or {})
    evidence = [str(one) for one in source.pop("evidence", ())]
    words = checked_text(text)
    when = _checked_trigger(source.get("conditions", ()) if trigger is None else trigger)
    also = _checked_setting(setting)
    content = json.dumps([kind, when, words.casefold(), also], sort_keys=True)
    made = {"kind": kind, "trigger": when, "setting": also, "pattern": source, "evidence": evidence[-MOST_EVIDENCE:]}
    id = f"lesson-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    return changed(_blank(), {"id": id, "text": words, **made, "gain": _gain(source), "created": at, "worded": at})


def whole(lesson: Mapping[str, Any]) -> Lesson:
    """The lesson with all of its fields; what is missing or of another shape is as in a new one.

    A lesson may come from a file that somebody else wrote. One that is as it should be is returned itself.

    Example:
        >>> lesson = whole({"id": "l-1", "text": "Plan first.", "state": "proven", "counts": [3, 4]})
        >>> lesson["state"], lesson["counts"]
        ('candidate', {'given': [0, 0], 'withheld': [0, 0]})
    """
    wrong = {name: value for name, value in _blank().items() if name not in lesson or not _fits(name, lesson[name])}
    return changed(lesson, wrong) if wrong else cast(Lesson, lesson)


def merged(
    lessons: Sequence[Mapping[str, Any]],
    new: Mapping[str, Any],
    same: Likeness | None = None,
    near: float | None = None,
) -> Lesson:
    """Return the new lesson, or the one that says the same already, with the evidence of both.

    The same lesson has the same kind, trigger and setting, and says the same. One that was retired or vetoed is not
    tried again: it stays what it is, and says that it was found again.

    Args:
        lessons: Those there are.
        new: The one that may be put beside them.
        same: How alike two texts are, a cosine; None compares letter by letter.
        near: From where two texts say the same; None as well.

    Returns:
        What has to be kept; its id tells which of the two it is.

    Example:
        >>> old = new_lesson("Plan first.", kind="planning", pattern={"evidence": ["e1"]}, at="2026-11-28T12:00:00Z")
        >>> new = new_lesson("plan  FIRST.", kind="planning", pattern={"evidence": ["e2"]}, at="2026-11-29T12:00:00Z")
        >>> merged([old], new)["evidence"]
        ['e1', 'e2']
    """
    found = _twin([whole(one) for one in lessons], new, same, near)
    if found is None:
        return changed(new, {})
    again = f"Found again on {new['created']} and not tried again."
    why = found["why"]
    if (found["vetoed"] or found["state"] == "retired") and "not tried again" not in why:
        why = f"{why} {again}"
    return changed(with_evidence(found, new["evidence"]), {"why": why})


def with_evidence(lesson: Mapping[str, Any], ids: Sequence[str]) -> Lesson:
    """The lesson with more experiences behind it, the newest of which are named."""
    return changed(lesson, {"evidence": list(dict.fromkeys([*lesson["evidence"], *ids]))[-MOST_EVIDENCE:]})


def changed(lesson: Mapping[str, Any], changes: Mapping[str, Any]) -> Lesson:
    """The lesson with other values; the one that was given stays as it is."""
    return cast(Lesson, {**lesson, **changes})


def _twin(
    lessons: Sequence[Lesson], new: Mapping[str, Any], same: Likeness | None, near: float | None
) -> Lesson | None:
    """The lesson that says what the new one says; of several the most alike."""
    for one in lessons:
        if one["id"] == new["id"]:  # Also when a person has edited its text since.
            return one
    alike = [
        one for one in lessons if all(_key(one[part]) == _key(new[part]) for part in ("kind", "trigger", "setting"))
    ]
    scored = [(likeness(one["text"], new["text"], same if near is not None else None), one) for one in alike]
    best = min(scored, key=lambda pair: (-pair[0], pair[1]["id"]), default=None)
    return best[1] if best and best[0] >= (1.0 if near is None else near) else None


def _blank() -> Lesson:
    return {
        "id": "",
        "text": "",
        "kind": "execution",
        "trigger": [],
        "setting": None,
        "state": "candidate",
        "pinned": False,
        "vetoed": False,
        "edited": False,
        "worded": "",
        "pattern": {},
        "keys": [],
        "evidence": [],
        "gain": 0.0,
        "created": "",
        "decided": None,
        "why": on_trial(no_counts()),
        "counts": no_counts(),
        "effect": None,
        "interval": None,
        "better": 0.5,
        "watch": no_counts(),
        "last": None,
        "since": None,
    }


def _fits(name: str, value: Any) -> bool:
    """Whether a field of a lesson has the shape that it should have."""
    match name:
        case "kind":
            return value in KINDS
        case "state":
            return value in STATES
        case "pinned" | "vetoed" | "edited":
            return isinstance(value, bool)
        case "trigger":
            return isinstance(value, list) and all(map(_is_condition, value))
        case "evidence" | "keys":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case "pattern":
            return isinstance(value, dict)
        case "setting":
            return value is None or _is_setting(value)
        case "gain" | "better":
            return _is_number(value)
        case "effect":
            return value is None or _is_number(value)
        case "interval":
            return value is None or (isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)))
        case "counts" | "watch":
            return _is_counts(value)
        case "last" | "since":
            return value is None or (isinstance(value, list) and [type(one) for one in value] == [int, str])
        case "decided":
            return value is None or isinstance(value, str)
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_counts(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"given", "withheld"}
        and all(isinstance(pair, list) and len(pair) == 2 for pair in value.values())
        and all(type(number) is int and 0 <= number < 2**53 for pair in value.values() for number in pair)
    )


def _is_condition(pair: Any) -> bool:
    is_pair = isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2
    return is_pair and isinstance(pair[0], str) and isinstance(pair[1], str | bool | int | float)


def _is_setting(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"name", "value"} and isinstance(value["name"], str)


def _gain(pattern: Mapping[str, Any]) -> float:
    effect = pattern.get("effect")
    return min(1.0, abs(float(cast(float, effect)))) if _is_number(effect) else 0.0


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _checked_trigger(given: Any) -> list[list[Any]]:
    pairs = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    for pair in pairs:
        if not _is_condition(pair):
            raise ConfigError(f'A trigger had {pair!r:.80}; give [feature, value] pairs such as ["planned", false].')
    return sorted(([*pair] for pair in pairs), key=_key)


def _checked_setting(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if given is not None and not _is_setting(given):
        raise ConfigError(f'A setting was {given!r:.80}; give {{"name": "max_steps", "value": 10}}, or None.')
    return None if given is None else dict(given)
