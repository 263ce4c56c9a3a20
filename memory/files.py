"""A memory as one JSONL file: to look at, to carry to another machine, to fill from logs of one's own.

One JSON object a line, marked by `kind`:

    {"kind": "experience", "task": ..., "success": ..., ...}     and "pruned": true for one kept as a fact only
    {"kind": "lesson", "lesson": {...}}                          its versions, oldest first
    {"kind": "trial", "lesson": ID, "trial": {...}}

A line without `kind` is an experience. Vectors are not written: they are made again from the texts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from ..errors import ConfigError, RunError, nearest
from .fields import checked_experience, checked_id, checked_lesson, checked_trial

MAX_LINE = 2_000_000  # Bytes; a record keeps 1 MB of one value.
KINDS = ("experience", "lesson", "trial")
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
    """One line. `lesson` is the id of the lesson that a trial is of."""

    kind: str
    value: dict[str, Any]
    pruned: bool = False
    lesson: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, as it is written."""
        if self.kind == "experience":
            return {"kind": "experience", **self.value, **({"pruned": True} if self.pruned else {})}
        if self.kind == "lesson":
            return {"kind": "lesson", "lesson": self.value}
        return {"kind": "trial", "lesson": self.lesson, "trial": self.value}


def write_entries(path: str | Path, entries: Iterable[Entry]) -> int:
    """Write a file, whole or not at all, and return the number of its lines; the old one stays until then.

    Raises:
        RunError: It cannot be written.
    """
    path, count = Path(path), 0
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
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


def read_entries(path: str | Path, *, at: str) -> Iterator[Entry]:
    """Read a file line by line; empty lines are passed over.

    An experience without an id gets one made of its line, so that the same file gives the same ids again and equal
    lines are told apart.

    Args:
        path: The file.
        at: The time of experiences that have none.

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
                    yield _entry(line, f"{digest}-{copies[digest]}", at)
                except ConfigError as error:
                    raise ConfigError(f"Line {number:,} of {path.name}: {error} Nothing was imported.") from error
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error.strerror}.") from error


def _entry(line: bytes, id: str, at: str) -> Entry:
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
        return Entry(kind, checked_experience(read, id=id, at=at), pruned=pruned is True)
    if kind == "lesson":
        return Entry(kind, _lesson(read.get("lesson")))
    if kind == "trial":
        given = read.get("trial")
        known: dict[str, Any] = given if isinstance(given, dict) else {}
        trial = checked_trial(*map(known.get, ("run", "given", "success", "at")))
        return Entry(kind, trial, lesson=checked_id("lesson", read.get("lesson"), "trial"))
    hint = nearest(str(kind), KINDS)
    raise ConfigError(f"its kind is {str(kind)[:40]!r}; give one of {', '.join(KINDS)}.{hint}")


def _lesson(given: Any) -> dict[str, Any]:
    """A whole lesson: runs read these fields, and a file may have been written by anybody."""
    lesson = checked_lesson(given)
    for name, kinds in LESSON_FIELDS.items():
        if name not in lesson or not isinstance(lesson[name], kinds):
            where = f"{name} of the lesson {lesson['id']!r}"
            raise ConfigError(f"{where} is missing or of another kind; import what export wrote.")
    return lesson


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")
