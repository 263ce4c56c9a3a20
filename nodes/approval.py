"""A person decides about tool calls: the interrupt that Agent Chat UI and Studio show buttons for, and its answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from langgraph.types import interrupt

from ..errors import ConfigError
from .text import clean, plain, shorten


def approved(
    pending: Sequence[dict[str, Any]], names: Collection[str], tools: Collection[str]
) -> tuple[list[dict[str, Any]], dict[int, tuple[str, bool]]]:
    """Ask a person about the calls that need it, in one interrupt.

    Args:
        pending: The actions that a model asked for: rows with number, thought, action, input, error, metadata.
        names: The tools that wait for a person.
        tools: All tools, for an edit may choose another.

    Returns:
        The actions, edited perhaps, and the results of those that were refused: number -> (observation, is_error).

    Raises:
        ConfigError: The run was resumed with something else than one decision for each call.
    """
    asked = [row for row in pending if row["action"] in names and not row["error"]]
    if not asked:
        return list(pending), {}
    decisions = interrupt(
        {
            "action_requests": [
                {"name": row["action"], "args": row["input"], "description": row["thought"] or f"Run {row['action']}?"}
                for row in asked
            ],
            "review_configs": [
                {"action_name": name, "allowed_decisions": ["approve", "edit", "reject"]}
                for name in dict.fromkeys(row["action"] for row in asked)
            ],
        }
    )
    answers = _decisions(decisions, len(asked))
    changed: dict[int, dict[str, Any]] = {}
    refused: dict[int, tuple[str, bool]] = {}
    for row, decision in zip(asked, answers, strict=True):
        row = {**row, "metadata": {**row["metadata"], "decision": decision["type"]}}
        if decision["type"] == "edit":
            row |= _edited(tools, row, decision.get("edited_action"))
        if decision["type"] == "reject":
            words = clean(str(decision.get("message") or "no reason was given"), 1000)
            refused[row["number"]] = (f"A person refused this call: {words}", True)
        changed[row["number"]] = row
    return [changed.get(row["number"], row) for row in pending], refused


def _decisions(given: Any, wanted: int) -> list[dict[str, Any]]:
    rows = given.get("decisions") if isinstance(given, Mapping) else None
    kinds = ("approve", "edit", "reject")
    good = isinstance(rows, list) and all(isinstance(row, Mapping) and row.get("type") in kinds for row in rows)
    if not good or len(rows or []) != wanted:
        raise ConfigError(
            f"Resume with {{'decisions': [...]}}, {wanted} of them, each of type approve, edit or reject; "
            f"{shorten(str(given), 200)} was given."
        )
    return [dict(row) for row in rows or []]


def _edited(tools: Collection[str], row: Mapping[str, Any], action: Any) -> dict[str, Any]:
    name = action.get("name", row["action"]) if isinstance(action, Mapping) else None
    if name not in tools or not isinstance(action.get("args"), dict):
        raise ConfigError(
            f"edited_action must be {{'name': tool, 'args': {{...}}}} with one of {', '.join(tools)}; "
            f"{shorten(str(action), 200)} was given."
        )
    return {"action": name, "input": plain(action["args"])}
