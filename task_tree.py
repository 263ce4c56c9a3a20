"""A plan as a tree on the terminal: every subtask under its parent, with its state and who is at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.tree import Tree

MARKS = {
    "waiting": "[dim]·[/]",
    "running": "[yellow]▶[/]",
    "done": "[green]✓[/]",
    "failed": "[red]✗[/]",
    "reassigned": "[magenta]↻[/]",
    "refused": "[red]⊘[/]",
}


class TaskTree:
    """The subtasks of a plan and their states; a Rich renderable.

    Args:
        plan: Rows {id, task, parent}, and {state, worker} of what was begun before. A task that is not told of has the
            state of its subtasks.
        owner: The graph whose plan it is: only its events change it.

    Example:
        >>> tree = TaskTree([{"id": "1", "task": "shop", "parent": None}], "hierarchy")
        >>> tree.change("1", "done", "ann")
        >>> tree.lines()
        ['✓ 1 shop  ann']
    """

    def __init__(self, plan: Sequence[Mapping[str, Any]], owner: str) -> None:
        self.owner = owner
        self.plan = sorted(plan, key=lambda row: _numbers(row["id"]))
        self.states: dict[str, tuple[str, str]] = {
            row["id"]: (row.get("state", "waiting"), row.get("worker") or "") for row in plan
        }
        self.parents = {row["parent"] for row in plan}

    def change(self, id_: str, state: str, worker: str | None) -> None:
        """Note the new state of a subtask, and who is at it."""
        self.states[id_] = (state, worker or "")

    def lines(self) -> list[str]:
        """The tree as plain lines, without its branches."""
        return [_plain(self._label(row)) for row in self.plan]

    def __rich__(self) -> Tree:
        root = Tree("", hide_root=True)
        branches = {"": root}
        for row in self.plan:
            branches[row["id"]] = branches[row["parent"] or ""].add(self._label(row))
        return root

    def _state(self, id_: str) -> tuple[str, str]:
        state, worker = self.states[id_]
        if state != "waiting" or id_ not in self.parents:
            return state, worker
        below = {self._state(row["id"])[0] for row in self.plan if row["parent"] == id_}
        return ("waiting" if below == {"waiting"} else "done" if below == {"done"} else "running"), worker

    def _label(self, row: Mapping[str, Any]) -> str:
        state, worker = self._state(row["id"])
        words = " ".join(row["task"].split())
        short = words if len(words) <= 70 else f"{words[:70]}…"
        return f"{MARKS.get(state, state)} {row['id']} {escape(short)}" + (
            f"  [cyan]{escape(worker)}[/]" if worker else ""
        )


def _numbers(id_: str) -> list[int]:
    return [int(part) for part in id_.split(".") if part.isdecimal()]


def _plain(markup: str) -> str:
    from rich.text import Text  # noqa: PLC0415

    return Text.from_markup(markup).plain
