"""Which experiences of a memory count in statistics, and as what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..memory.spaces import EXPERIENCES

if TYPE_CHECKING:
    from ..memory.experience import ExperienceMemory
    from ..memory.items import Row


def as_counted(experience: Mapping[str, Any]) -> dict[str, Any]:
    """An experience as statistics take it: of several attempts the first one, which no retry has repaired.

    Example:
        >>> run = {"id": "r1", "success": True, "tokens": 90, "first": {"success": False, "tokens": 40}}
        >>> as_counted(run)["success"], as_counted(run)["tokens"], as_counted(run)["id"]
        (False, 40, 'r1')
    """
    return {**experience, **experience.get("first", {})}


def counts(experience: Mapping[str, Any], self_judged: bool = False) -> bool:
    """Whether the outcome of an experience (as counted) is known from somebody else than the agent itself.

    Example:
        >>> counts({"success": True, "outcome_source": "self"}), counts({"success": True})
        (False, True)
    """
    return experience["success"] is not None and (self_judged or experience.get("outcome_source") != "self")


def labelled(
    memory: ExperienceMemory, self_judged: bool = False, after: int = 0, *, newest: int | None = None
) -> list[Row]:
    """The experiences that count in statistics, as they count, the pruned ones too; oldest first.

    Args:
        memory: Where they are.
        self_judged: Whether outcomes that nobody but the agent itself judged count as well.
        after: Only from this place of the record on.
        newest: At most so many are read, the newest ones; None: all.
    """
    shelf = memory.shelf
    if newest is None:
        rows = shelf.rows(EXPERIENCES, pruned=True, after=after)
    else:  # Of a run whose end nobody knows the first attempt may be known.
        wanted: tuple[dict[str, Any], ...] = (
            {"success": {"$ne": None}},
            {"success": None, "first.success": {"$ne": None}},
        )
        rows = [
            row
            for where in wanted
            for row in shelf.rows(EXPERIENCES, where, pruned=True, after=after, newest=True, limit=newest)
        ]
    found = counting(sorted(rows, key=lambda row: row.seq), self_judged)
    return found if newest is None else found[max(len(found) - newest, 0) :]


def counting(rows: Iterable[Row], self_judged: bool) -> list[Row]:
    """Those of some rows that count, as they count: of each experience the latest version, oldest first."""
    latest: dict[str, Row] = {}
    for row in rows:  # One that was labelled after it was pruned is there twice.
        known = latest.pop(row.key, row)
        made = min(known.created_at, row.created_at)
        latest[row.key] = replace(row, value=as_counted(row.value), created_at=made)
    return [row for row in latest.values() if counts(row.value, self_judged)]
