"""A person at the terminal decides what a graph asks about: approve, edit or reject."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

UNANSWERED = "nobody answered"


def decisions_on(asked: Iterable[Any]) -> dict[str, Any]:
    """Ask about everything that a graph waits for, and return what to resume it with, by the ids of its interrupts.

    Answers are read from standard input, a line each: y, n (and perhaps why) or e; at its end all is refused.

    Args:
        asked: The interrupts; one that is no request for approval is answered with a line of text.
    """
    console = Console(stderr=True)  # Standard output is for the result.
    return {one.id: _answer(one.value, console) for one in asked}


def _answer(value: Any, console: Console) -> Any:
    requests = value.get("action_requests") if isinstance(value, Mapping) else None
    if not requests:
        return _line(f"{value}: ", console)
    return {"decisions": [_decision(request, console) for request in requests]}


def _decision(request: Mapping[str, Any], console: Console) -> dict[str, Any]:
    words = request.get("description") or f"{request['name']} {request['args']}"
    console.print(f"[yellow]?[/] {escape(words)}", highlight=False)
    while True:
        said = _line("  approve? y, n (and why), or e to edit: ", console)
        if said is None:
            return {"type": "reject", "message": UNANSWERED}
        kind, _, why = said.strip().partition(" ")
        if kind.lower() in ("y", "yes"):
            return {"type": "approve"}
        if kind.lower() in ("n", "no"):
            return {"type": "reject", **({"message": why.strip()} if why.strip() else {})}
        if kind.lower() in ("e", "edit"):
            return _edit(request, console)


def _edit(request: Mapping[str, Any], console: Console) -> dict[str, Any]:
    """Ask for the argument that holds the words: the task of a subtask, else the first text."""
    args = dict(request["args"])
    texts = [key for key, value in args.items() if isinstance(value, str)]
    key = "task" if "task" in args else next(iter(texts), None)
    said = _line(f"  {key or 'arguments'}: ", console)
    if said and key:
        args[key] = said.strip()
    return {"type": "edit", "edited_action": {"name": request["name"], "args": args}}


def _line(prompt: str, console: Console) -> str | None:
    console.print(escape(prompt), end="", highlight=False)
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None
