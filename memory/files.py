"""The lines of a JSONL file: to look at, to carry to another machine, to fill from logs of one's own.

Which of them a memory writes and keeps is in `transfer.py`.

One JSON object a line, marked by `kind`:

    {"kind": "experience", "task": ..., "success": ..., ...}     and "pruned": true for one kept as a fact only
    {"kind": "lesson", "lesson": {...}}                          its versions, oldest first
    {"kind": "trial", "lesson": ID, "trial": {...}}
    {"kind": "item", "namespace": [...], "key": ..., "value": {...}, "texts": [...]}     of the memory as a store

A line without `kind` is an experience. Vectors are not written: they are made again from the texts.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from ..errors import ConfigError, RunError, nearest
from .fields import checked_experience, checked_id, checked_lesson, checked_time, checked_trial
from .items import Item, checked_item, written
from .spaces import RESERVED

MAX_LINE = 2_000_000  # Bytes; a record keeps 1 MB of one value.
KINDS = ("experience", "lesson", "trial", "item")
LESSON_KINDS = ("planning", "execution", "risk")
LESSON_STATES = ("candidate", "active", "retired")
LESSON_FIELDS: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "trigger": (list,),
    "setting": (dict, NoneType),
    "state": (str,),
    "pinned": (bool,),
    "vetoed": (bool,),
    "pattern": (dict,),
    "evidence": (list,),
    "gain": (int, float),
    "created": (str,),
    "decided": (str, NoneType),
    "why": (str,),
    "counts": (dict,),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `lesson` is the id of the lesson that a trial is of, `line` the number in the file."""

    kind: str
    value: dict[str, Any]
    pruned: bool = False
    lesson: str = ""
    line: int = field(default=0, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, as it is written."""
        if self.kind == "experience":
            return {"kind": "experience", **self.value, **({"pruned": True} if self.pruned else {})}
        if self.kind == "lesson":
            return {"kind": "lesson", "lesson": self.value}
        if self.kind == "item":
            return {"kind": "item", **self.value}
        return {"kind": "trial", "lesson": self.lesson, "trial": self.value}


def write_entries(path: str | Path, entries: Iterable[Entry]) -> int:
    """Write a file, whole or not at all, and return the number of its lines; the old one stays until then.

    Raises:
        RunError: It cannot be written.
    """
    path, count = Path(path), 0
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        with new.open("x", encoding="utf-8") as file:
            for entry in entries:
                file.write(json.dumps(entry.to_dict(), ensure_ascii=False, allow_nan=False) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise RunError(f"{str(path)!r} cannot be written: {error.strerror}; what was there is unchanged.") from error
    finally:
        new.unlink(missing_ok=True)
    return count


def read_entries(path: str | Path, *, at: str, name: str | None = None) -> Iterator[Entry]:
    """Read a file line by line; empty lines are passed over.

    An experience without an id gets one made of its line, so that the same file gives the same ids again and equal
    lines are told apart.

    Args:
        path: The file.
        at: The time of experiences that have none.
        name: What messages call the file, where it is a copy.

    Raises:
        ConfigError: The file cannot be read, or a line is wrong: the message begins with its number.
    """
    path = Path(path)
    copies: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
                if not line.strip():
                    continue
                digest = hashlib.sha256(line.strip()).hexdigest()[:16]
                copies[digest] = copies.get(digest, 0) + 1
                try:
                    entry = _entry(line, f"{digest}-{copies[digest]}", at, number)
                except ConfigError as error:
                    raise ConfigError(
                        f"Line {number:,} of {name or path.name}: {error} Nothing was imported."
                    ) from error
                yield entry
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error.strerror}.") from error


def _entry(line: bytes, id: str, at: str, number: int) -> Entry:
    if len(line) > MAX_LINE:
        raise ConfigError(f"it is longer than {MAX_LINE:,} bytes.")
    try:
        read = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"it is no JSON ({error}).") from error
    if not isinstance(read, dict):
        raise ConfigError("it is no JSON object; give one object a line.")
    kind = read.pop("kind", "experience")
    if kind == "experience":
        pruned = read.pop("pruned", False)
        return Entry(kind, checked_experience(read, id=id, at=at), pruned=pruned is True, line=number)
    if kind == "lesson":
        return Entry(kind, _lesson(read.get("lesson")), line=number)
    if kind == "trial":
        given = read.get("trial")
        known: dict[str, Any] = given if isinstance(given, dict) else {}
        trial = checked_trial(*map(known.get, ("run", "given", "success", "at")))
        return Entry(kind, trial, lesson=checked_id("lesson", read.get("lesson"), "trial"), line=number)
    if kind == "item":
        return Entry(kind, _item(read), line=number)
    hint = nearest(str(kind), KINDS)
    raise ConfigError(f"its kind is {str(kind)[:40]!r}; give one of {', '.join(KINDS)}.{hint}")


def _lesson(given: Any) -> dict[str, Any]:
    """A whole lesson: runs read these fields, and a file may have been written by anybody."""
    lesson = checked_lesson(given)
    for name, kinds in LESSON_FIELDS.items():
        if name not in lesson or not isinstance(lesson[name], kinds):
            where = f"{name} of the lesson {lesson['id']!r}"
            raise ConfigError(f"{where} is missing or of another kind; import what export wrote.")
    for name, allowed in (("kind", LESSON_KINDS), ("state", LESSON_STATES)):
        if lesson[name] not in allowed:
            raise _wrong(lesson, name, f"one of {', '.join(allowed)}", nearest(lesson[name], allowed))
    for name in ("created", "decided"):
        if lesson[name] is not None:
            checked_time(name, lesson[name], "lesson")
    if not all(_is_condition(one) for one in lesson["trigger"]):
        raise _wrong(lesson, "trigger", "a list of pairs, [feature, value]")
    if not all(isinstance(one, str) for one in lesson["evidence"]):
        raise _wrong(lesson, "evidence", "a list of ids")
    if not all(_is_count(lesson["counts"].get(name)) for name in ("given", "withheld")):
        raise _wrong(lesson, "counts", '{"given": [successes, failures], "withheld": [successes, failures]}')
    return lesson


def _is_condition(given: Any) -> bool:
    plain = isinstance(given, list) and len(given) == 2 and isinstance(given[1], str | int | float | bool)
    return plain and isinstance(given[0], str)


def _is_count(given: Any) -> bool:
    return isinstance(given, list) and len(given) == 2 and all(type(n) in (int, float) and n >= 0 for n in given)


def _wrong(lesson: dict[str, Any], name: str, allowed: str, hint: str = "") -> ConfigError:
    shown = json.dumps(lesson[name])[:80]
    return ConfigError(f"{name} of the lesson {lesson['id']!r} was {shown}; give {allowed}.{hint}")


def _item(given: dict[str, Any]) -> dict[str, Any]:
    """An item of the memory as a store, whose value may be any JSON object."""
    space, key, texts = given.get("namespace"), given.get("key"), given.get("texts", [])
    if not isinstance(space, list) or not space or not all(isinstance(one, str) for one in space):
        raise ConfigError(f"namespace of the item was {json.dumps(space)[:80]}; give a list of texts.")
    if space[0] in RESERVED:
        raise ConfigError(f"The namespace {space[0]!r} is the memory's own; import what export wrote.")
    if not isinstance(texts, list) or not isinstance(key, str):
        raise ConfigError(
            f"The item {json.dumps(key)[:80]} needs a key (text), a value (an object) and texts (a list)."
        )
    item = Item(tuple(space), key, given.get("value", {}), tuple(texts), given.get("expires_at"), given.get("ttl"))
    checked_item(item)
    written(item.value, key)
    return {
        "namespace": space,
        "key": key,
        "value": item.value,
        "texts": texts,
        "expires_at": item.expires_at,
        "ttl": item.ttl,
    }


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")
