"""What an experience is: its fields, their limits, and the check before one is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from ..cleaning import clean
from ..errors import ConfigError, nearest
from .filters import checked_where
from .recalling import epoch, without_recalled

MAX_TASK, MAX_TEXT, MAX_SHORT = 100_000, 50_000, 1_000  # Characters of a task, of other texts, of a feature's value.
MAX_FEATURES, MAX_LIST, MAX_NAME = 200, 200, 200  # Features; entries of a list; characters of a name or an id.
MAX_BYTES = 900_000  # Of one experience as JSON: a record keeps 1 MB.
MAX_NUMBER = 2**53  # Whole numbers beyond it change in other programs' JSON.
RANKS = {"self": 0, "environment": 1, "validator": 1, "human": 2}  # Whose word about an outcome counts more.
SOURCES = tuple(RANKS)


class Experience(TypedDict, total=False):
    """One run: what was to be done, under what circumstances, and how it ended.

    The first six are always there once it is kept.
    """

    task: str
    """What was to be done, in the words of who asked; what it is found by."""
    features: dict[str, Any]
    """Name -> text, number or true/false: the circumstances in which patterns are looked for."""
    success: bool | None
    """None when nobody knows; it is recalled then, and counts in no statistics."""
    seconds: float
    """How long it took; 0 when it was not measured."""
    tokens: float
    """Of all models; 0 when they were not counted."""
    at: str
    """When it ended: ISO 8601, UTC where no zone is named."""
    began: str
    """When it began, as `at`."""
    id: str
    """The run's, without spaces; made up when there is none."""
    answer: str
    stop: str
    """Why the run ended."""
    steps: float
    outcome_source: str
    """Who says so: "environment", "validator", "human" or "self"."""
    recalled: list[str]
    """Ids of what the run was shown: never its text, which would come back as an experience of its own."""
    withheld: list[str]
    """Ids of lessons that it was not shown, by lot."""
    summary: str
    reflections: list[str]
    attempts: float
    """How often it was tried within the run."""
    first: dict[str, Any]
    """Of several attempts the first one: its features, success, outcome_source, seconds, tokens, steps and judged.

    The fields above are of the attempt that counts, seconds and tokens of all together. Statistics take the first one:
    a retry that helped would hide what they look for.
    """
    judged: dict[str, float]
    """What a judge reads from the steps of the run, see `features_of_run`."""


FIELDS = tuple(Experience.__annotations__)


def checked_experience(given: Mapping[str, Any], *, id: str, at: str) -> dict[str, Any]:
    """Return an experience as it is kept: checked, completed, its texts cleaned.

    Lines of texts that repeat what was recalled are left out, and so are characters that cannot be stored.

    Args:
        given: Any fields of `Experience`; `task` and `success` must be there.
        id: Its id, where it has none.
        at: Its time, where it has none.

    Raises:
        ConfigError: A field is missing, unknown, of the wrong kind, or above its limit.

    Example:
        >>> checked_experience({"task": "Add", "success": True}, id="r1", at="2026-11-28")
        {'task': 'Add', 'success': True, 'features': {}, 'seconds': 0, 'tokens': 0, 'at': '2026-11-28', 'id': 'r1'}
        >>> checked_experience({"task": "Add", "success": "yes"}, id="r1", at="2026-11-28")
        Traceback (most recent call last):
        ...
        langgraph_agora.errors.ConfigError: success of the experience was 'yes'; give true, false, or null when unknown.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"The experience was {_shown(given)}; give a dict with task, success and more.")
    for name in given:
        if name not in FIELDS:
            known = ", ".join(FIELDS)
            hint = nearest(str(name), FIELDS) or " Circumstances of your own are features."
            raise ConfigError(f"The experience has a field {_shown(name)}; fields are {known}.{hint}")
    for name in _NEEDED:
        if name not in given:
            raise ConfigError(f"The experience has no {name}; give task (text) and success (true, false or null).")
    whole = {**given, **{name: value for name, value in _defaults(id, at).items() if given.get(name) is None}}
    kept = {name: _CHECKS[name](name, value) for name, value in whole.items() if value is not None or name in _NEEDED}
    if not kept["task"].strip():
        raise _wrong("task", given["task"], "the words of the task")
    if (size := len(json.dumps(kept))) > MAX_BYTES:
        raise ConfigError(f"The experience is {size:,} bytes of JSON; at most {MAX_BYTES:,} are kept. Cut its texts.")
    return kept


def checked_lesson(given: Any) -> dict[str, Any]:
    """Return a lesson as it is kept; what it says beside `id` and `text` is the business of who judges lessons.

    Raises:
        ConfigError: It is no dict with an id and a text.

    Example:
        >>> checked_lesson({"id": "l-1", "text": "Plan first.", "state": "candidate"})["state"]
        'candidate'
    """
    if not isinstance(given, Mapping) or not given.get("text"):
        raise ConfigError(f"The lesson was {_shown(given)}; give a dict with id, text and more.")
    return {**given, "id": checked_id("id", given.get("id"), "lesson"), "text": _text("text", given["text"], "lesson")}


def checked_trial(run: Any, given: Any, success: Any, at: Any) -> dict[str, Any]:
    """Return a trial of a lesson as it is kept: a run, whether it was given the lesson, and whether it succeeded.

    Raises:
        ConfigError: One of them is something else.

    Example:
        >>> checked_trial("run-1", True, False, "2026-11-28T12:00:00Z")
        {'run': 'run-1', 'given': True, 'success': False, 'at': '2026-11-28T12:00:00Z'}
    """
    for name, value in (("given", given), ("success", success)):
        if not isinstance(value, bool):
            raise _wrong(name, value, "true or false", "trial")
    run, at = checked_id("run", run, "trial"), checked_time("at", at, "trial")
    return {"run": run, "given": given, "success": success, "at": at}


def experience_filter(where: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a filter whose keys are fields of an experience, or features as `features.NAME`.

    Raises:
        ConfigError: It is no dict, a key is neither, or what it asks of one is no filter.

    Example:
        >>> experience_filter({"success": False, "features.tool": "search"})
        {'success': False, 'features.tool': 'search'}
        >>> experience_filter({"features.model.name": "small"})  # The name of the feature has a dot.
        {'features': {'model.name': 'small'}}
    """
    if where is None:
        return {}
    if not isinstance(where, Mapping):
        raise ConfigError(f'where was {_shown(where)}; give a dict, as {{"features.tool": "search"}}.')
    checked: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for key, wanted in where.items():
        field, dot, feature = str(key).partition(".")
        if field not in FIELDS or (dot and field != "features"):
            hint = nearest(field, FIELDS) or f' A feature is "features.{key}".'
            raise ConfigError(f"where has {_shown(key)}; fields of an experience are {', '.join(FIELDS)}.{hint}")
        if "." in feature:
            nested[feature] = wanted
        else:
            checked[key] = wanted
    if nested and "features" in checked:
        raise ConfigError('where has "features" and names with dots under it; write them all into "features".')
    checked |= {"features": nested} if nested else {}
    try:
        checked_where(checked)
    except RecursionError:
        raise ConfigError("where is nested too deeply; name a field or a feature and what it should be.") from None
    return checked


def checked_id(name: str, value: Any, of: str = "experience") -> str:
    """Return an id.

    Raises:
        ConfigError: It is no text of 1 to 200 visible characters without spaces.
    """
    if not isinstance(value, str) or not _ID.fullmatch(value) or not value.isprintable():
        raise _wrong(name, value, f"an id: 1 to {MAX_NAME} characters without spaces", of)
    return value


def checked_time(name: str, value: Any, of: str = "experience") -> str:
    """Return a time.

    Raises:
        ConfigError: It is no text in ISO 8601.
    """
    allowed = "a time in ISO 8601, as 2026-11-28T12:00:00Z"
    if not isinstance(value, str) or len(value) > 40:
        raise _wrong(name, value, allowed, of)
    try:
        epoch(value)
    except (ValueError, OverflowError):
        raise _wrong(name, value, allowed, of) from None
    return value


def outranks(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the outcome of an experience replaces another one's of the same run, whichever was told first.

    Example:
        >>> outranks({"success": True, "outcome_source": "human"}, {"success": False, "outcome_source": "validator"})
        True
        >>> outranks({"success": True}, {"success": False}), outranks({"success": True}, {"success": None})
        (False, True)
    """
    if one["success"] is None or other["success"] is None:
        return one["success"] is not None
    return rank(one) > rank(other)


def rank(experience: Mapping[str, Any]) -> int:
    """How much the word counts that its outcome rests on; an outcome that came with it was a fact."""
    return RANKS[experience.get("outcome_source", "environment")]


_NEEDED = ("task", "success")
_ID = re.compile(rf"\S{{1,{MAX_NAME}}}")


def _defaults(id: str, at: str) -> dict[str, Any]:
    return {"features": {}, "seconds": 0, "tokens": 0, "at": at, "id": id}


def _text(name: str, value: Any, of: str = "experience") -> str:
    limit = MAX_TASK if name == "task" else MAX_TEXT
    if not isinstance(value, str) or len(value) > limit:
        raise _wrong(name, value, f"a text of at most {limit:,} characters", of)
    return without_recalled(clean(value))


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > MAX_LIST:
        raise _wrong(name, value, f"a list of at most {MAX_LIST} texts")
    return [_text(name, text) for text in value]


def _ids(name: str, value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > MAX_LIST:
        raise _wrong(name, value, f"a list of at most {MAX_LIST} ids")
    return [checked_id(name, one) for one in value]


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_NUMBER:
        raise _wrong(name, value, f"a number from 0 to {MAX_NUMBER:,}")
    return value


def _success(name: str, value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, value, "true, false, or null when unknown")
    return value


def _source(name: str, value: Any) -> str:
    if value not in SOURCES:
        hint = nearest(str(value), SOURCES)
        raise ConfigError(f"{name} of the experience was {_shown(value)}; give one of {', '.join(SOURCES)}.{hint}")
    return str(value)


def _features(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or len(value) > MAX_FEATURES:
        raise _wrong(name, value, f"a dict of at most {MAX_FEATURES} features")
    return {_feature_name(key): _feature(f"{name}[{key!r}]", one) for key, one in value.items()}


def _feature_name(name: Any) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:
        raise _wrong("the name of a feature", name, f"a text of 1 to {MAX_NAME} characters")
    return clean(name)


def _feature(name: str, value: Any) -> str | int | float | bool:
    if isinstance(value, str) and len(value) <= MAX_SHORT:
        return clean(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) <= MAX_NUMBER:  # NaN is not, either.
        return value
    allowed = f"a text of at most {MAX_SHORT:,} characters, a finite number, true or false"
    raise _wrong(name, value, allowed)


def _first(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or "success" not in value or not set(value) <= set(_OF_FIRST):
        raise _wrong(name, value, f"a dict with success, and what is known of {', '.join(_OF_FIRST[1:])}")
    return {key: _CHECKS[key](f"{name}.{key}", one) for key, one in value.items()}


_OF_FIRST = ("success", "features", "outcome_source", "seconds", "tokens", "steps", "judged")
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "task": _text,
    "features": _features,
    "success": _success,
    "seconds": _number,
    "tokens": _number,
    "at": checked_time,
    "began": checked_time,
    "id": checked_id,
    "answer": _text,
    "stop": _text,
    "steps": _number,
    "outcome_source": _source,
    "recalled": _ids,
    "withheld": _ids,
    "summary": _text,
    "reflections": _texts,
    "attempts": _number,
    "first": _first,
    "judged": _features,
}


def _wrong(name: str, value: Any, allowed: str, of: str = "experience") -> ConfigError:
    return ConfigError(f"{name} of the {of} was {_shown(value)}; give {allowed}.")


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) > 80:
        return f"{value[:40]!r}… ({len(value):,} characters)"
    if isinstance(value, list | tuple | Mapping) and len(value) > MAX_LIST:
        return f"a {type(value).__name__} of {len(value):,}"
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        return f"a whole number of {value.bit_length():,} bits"  # Python refuses to write out the longest.
    try:
        shown = repr(value)
    except RecursionError:
        return f"a {type(value).__name__}, nested too deeply"
    return shown if len(shown) <= 80 else f"{shown[:80]}…"
