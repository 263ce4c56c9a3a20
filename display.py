"""A run on the terminal and on disk: steps drawn as they happen, and a trace file that survives an interruption."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from .errors import ConfigError
from .task_tree import MARKS, TaskTree

ROWS = {
    "step": "steps",
    "ballot": "ballots",
    "bid": "bids",
    "award": "awards",
    "settled": "contracts",
    "offer": "offers",
    "position": "positions",
    "attempt": "trace",
}  # Events that are rows of the output, and the key they stand under.


# Stops of a run that did what was asked.
ANSWERED = ("answer", "done", "decided", "delivered", "agreed", "escalated", "arbitrated", "resolved")


class TraceFile:
    """A JSON Lines file: one line a step, written as it happens, and a last line with the result.

    Args:
        path: Where to write; None writes nothing.

    Raises:
        ConfigError: The file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.file: TextIO | None = None

    def __enter__(self) -> TraceFile:
        if self.path:
            try:
                self.file = self.path.open("w", encoding="utf-8")
            except OSError as error:
                raise ConfigError(f"The trace cannot be written to {str(self.path)!r}: {error.strerror}.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file:
            self.file.close()

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one line and hand it to the operating system, so that a killed run keeps it."""
        if self.file:
            self.file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self.file.flush()


class Display:
    """Draws a run: what is going on now on the last line, thought, action, observation and confidence above it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.status = console.status("loading the model") if console.is_terminal else None
        self.tree: TaskTree | None = None  # Of a plan, once there is one; then its state is drawn, not its workers'.

    def working(self) -> AbstractContextManager[Any]:
        """The spinner, while the run lasts; nothing where no terminal would show it."""
        return self.status or nullcontext()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No spinner, while a person is asked."""
        if self.status:
            self.status.stop()
        yield
        if self.status:
            self.status.start()

    def show(self, event: Mapping[str, Any]) -> None:
        """Draw one event of a graph."""
        kind = event.get("event")
        if self.tree and event.get("agent") != self.tree.owner:
            return
        if kind == "thinking" and self.status:
            self.status.update(f"step {event['number']}: thinking")
        elif kind == "thought":
            self._thought(event)
        elif kind == "step" and event["step"]["action"] != "final_answer":
            self._observation(event["step"])
        elif kind == "asking":
            self.console.print(f"[bold]round {event['round']}[/]  {event['what']}")
            if self.status and not self.tree:
                self.status.update(f"round {event['round']}: {event['what']}")
        elif kind == "ballot":
            self._ballot(event)
        elif kind == "bid":
            said = f"{event['cost']:g}" if event["cost"] is not None else f"[dim]{_line(event['error'])}[/]"
            self._says(event["bidder"], f"bids {said}", event["reason"])
        elif kind == "award":
            self.console.print(f"   [magenta]award[/]  {_line(event['explanation'])}")
        elif kind == "offer":
            words = ", ".join(f"{issue} {value}" for issue, value in event["offer"].items())
            verb = "concedes" if event["conceded"] else "offers"
            self._says(event["party"], f"{verb} {_line(words)}", event["argument"])
        elif kind == "position":
            given = event["position"]
            said = f"[dim]{_line(event['error'] or 'nothing')}[/]" if given is None else _line(_position(given))
            self._says(event["party"], said, event["reason"])
        elif kind == "choice":
            self.console.print(f"   [magenta]strategy[/]  {escape(event['strategy'])}: {_line(event['reason'])}")
        elif kind == "working" and self.status:
            self.status.update(f"{escape(event['contractor'])} works on: {_line(event['what'], 60)}")
        elif kind == "settled":
            colour = "green" if event["status"] == "kept" else "red"
            why = f": {_line(event['reason'])}" if event["reason"] else ""
            paid = f", paid {event['paid']:g}"
            self.console.print(
                f"   [{colour}]contract {event['status']}[/] by {escape(event['contractor'])}{paid}{why}"
            )
        elif kind == "outline":
            self.tree = TaskTree(event["plan"], event["agent"])
            if self.status:
                self.status.update(self.tree)
        elif kind == "subtask" and self.tree:
            self._subtask(event)
        elif kind == "mended":
            self.console.print(f"   [magenta]{escape(event['kind'])}[/]  {_line(', '.join(event['replaced']))}")
        elif kind == "proposal":
            verdict = f"[red]refused[/]: {_line(event['refused'])}" if event["refused"] else "[green]accepted[/]"
            self.console.print(f"   [magenta]proposal[/] for {_line(event['task'], 60)}  {verdict}")
        elif kind == "recalled":
            for name, colour in (("given", "magenta"), ("withheld", "dim")):
                for lesson in event[name]:
                    self.console.print(f"   [{colour}]lesson {name}[/]  {_line(lesson)}")
        elif kind == "memory":
            self.console.print(f"   [yellow]memory[/]  nothing was recalled: {_line(event['error'])}")
        elif kind == "judged":
            self._judged(event)
        elif kind == "reflection":
            self.console.print(f"   [magenta]reflection[/]  {_line(event['words'])}")
        elif kind == "mined":
            for words in event["patterns"] or ["no pattern"]:
                self.console.print(f"   [magenta]pattern[/]  {_line(words)}")
        elif kind == "lesson":
            self.console.print(
                f"   [magenta]lesson {escape(event['state'])}[/]  {_line(event['text'])}  [dim]{_line(event['why'])}[/]"
            )
        elif kind == "tally":
            given = ", ".join(f"{option} {score:g}" for option, score in event["scores"].items())
            self.console.print(f"   [magenta]tally[/]  {_line(given or 'no ballots')}")
        elif kind == "guard":
            self.console.print(f"   [magenta]guard[/]       {escape(event['did'])}: {escape(event['evidence'])}")

    def _thought(self, event: Mapping[str, Any]) -> None:
        confidence = event["confidence"]
        sure = "" if confidence is None else f"  [dim]confidence {confidence:.2f}[/]"
        self.console.print(
            f"[bold]{event['number']}[/]  [cyan]thought[/]     {_line(event['thought'] or '(none given)')}"
        )
        self.console.print(f"   [blue]action[/]      {escape(event['action'])} {_line(_input(event['input']))}{sure}")
        if self.status and event["action"] != "final_answer":
            self.status.update(f"step {event['number']}: {escape(event['action'])}")

    def _judged(self, event: Mapping[str, Any]) -> None:
        success = event["success"]
        said = (
            "[yellow]outcome unknown[/]" if success is None else "[green]success[/]" if success else "[red]failure[/]"
        )
        why = f"  [dim]{_line(event['why'])}[/]" if event["why"] else ""
        self.console.print(f"   {said} of attempt {event['number']}, by {escape(event['source'])}{why}")

    def _ballot(self, event: Mapping[str, Any]) -> None:
        ballot = " > ".join(event["ballot"]) if isinstance(event["ballot"], list) else event["ballot"]
        said = _line(ballot) if ballot else f"[dim]{_line(event['error'] or 'abstains')}[/]"
        self._says(event["voter"], said, event["reason"])

    def _says(self, who: str, said: str, reason: str) -> None:
        why = f"  [dim]{_line(reason)}[/]" if reason else ""
        self.console.print(f"   [cyan]{escape(who)}[/]: {said}{why}")

    def _subtask(self, event: Mapping[str, Any]) -> None:
        """Change the live tree. The lines above it tell what ended; what began they tell where nothing is live."""
        assert self.tree is not None
        self.tree.change(event["id"], event["state"], event["worker"])
        if event["state"] == "waiting" or (event["state"] == "running" and self.status):
            return
        who = f"  [cyan]{escape(event['worker'])}[/]" if event["worker"] else ""
        why = f"  [dim]{_line(event['why'])}[/]" if event["why"] else ""
        mark, task = MARKS[event["state"]], _line(event["task"], 70)
        self.console.print(f"{mark} {event['state']} {event['id']} {task}{who}{why}", highlight=False)

    def _observation(self, step: Mapping[str, Any]) -> None:
        colour = "red" if step["is_error"] else "green"
        self.console.print(f"   [{colour}]observation[/] {_line(step['observation'])}")

    def result(self, result: Mapping[str, Any]) -> None:
        """Draw the answer, the stop reason and the usage."""
        answered = result["stop"] in (
            "answer",
            "done",
            "decided",
            "delivered",
            "agreed",
            "escalated",
            "arbitrated",
            "resolved",
        )
        self.console.print(
            Panel(escape(result["answer"]), title="answer", border_style="green" if answered else "yellow")
        )
        reason = f" ({result['error']})" if result.get("error") else ""
        for dissent in result.get("dissent", ()):
            self.console.print(f"[dim]dissent:[/] {escape(dissent['voter'])}: {_line(str(dissent['ballot']))}")
        for found in result.get("evidence", ()):
            self.console.print(f"[red]evidence[/] against {escape(found['agent'])}: {escape(found['kind'])}")
        if self.tree:
            self.console.print(self.tree)
        if result.get("verdict"):
            self._verdict(result["verdict"], result["performance"], result["notes"])
        score = result["quality"]["score"] if result.get("quality") else None
        self.console.print(f"stop: [bold]{result['stop']}[/]{escape(reason)}", highlight=False)
        if score is not None:
            self.console.print(f"quality: {score:.2f} [dim](a heuristic)[/]", highlight=False)
        table = Table("agent", "calls", "tokens in", "tokens out", "seconds", box=None, pad_edge=False)
        for agent, row in result["usage"].items():
            table.add_row(
                agent, *(f"{row[key]:,.0f}" for key in ("calls", "tokens_in", "tokens_out")), f"{row['seconds']:.2f}"
            )
        self.console.print(table)

    def _verdict(self, verdict: Mapping[str, Any], done: Mapping[str, Any], notes: Sequence[str]) -> None:
        """What a hierarchy says of its own work."""
        for note in notes:
            self.console.print(f"[magenta]note[/] {_line(note)}", highlight=False)
        word = "[green]complete[/]" if verdict["complete"] else "[yellow]not complete[/]"
        self.console.print(f"{word}: {_line(verdict['reason'])}", highlight=False)
        path = done["critical_path"]
        self.console.print(
            f"makespan {done['makespan']:.2f} s, critical path {path['seconds']:.2f} s ({', '.join(path['ids'])}), "
            f"parallelism {done['parallelism']:.2f}, success {done['success_rate']:.0%}, reassigned "
            f"{done['reassignments']}",
            highlight=False,
        )
        table = Table("agent", "done", "failed", "seconds", "busy", box=None, pad_edge=False)
        for agent, row in done["agents"].items():
            table.add_row(agent, f"{row['done']}", f"{row['failed']}", f"{row['seconds']:.2f}", f"{row['busy']:.0%}")
        self.console.print(table)


def outputs(state: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a graph's state that are its output, without the messages: what `--json` prints."""
    return {key: value for key, value in state.items() if key != "messages"}


def row_of(event: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The key of the output that an event adds a row to, and the row; None for the other events."""
    kind = event.get("event", "")
    if kind not in ROWS:
        return None
    return ROWS[kind], event[kind] if kind in ("step", "attempt") else {
        k: v for k, v in event.items() if k not in ("event", "agent")
    }


def interrupted(rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The output of a run that a person broke off, with the rows that there are."""
    return {"answer": "", "stop": "interrupted", "usage": {}, **rows, "error": "interrupted by the user"}


def _line(text: str, width: int = 300) -> str:
    flat = " ".join(text.split())
    return escape(flat if len(flat) <= width else f"{flat[:width]}…")


def _position(given: Any) -> str:
    if isinstance(given, list):
        return " > ".join(map(str, given))
    return json.dumps(given, ensure_ascii=False) if isinstance(given, Mapping) else str(given)


def _input(value: Mapping[str, Any]) -> str:
    if len(value) == 1 and isinstance(only := next(iter(value.values())), str):
        return only
    return json.dumps(value, ensure_ascii=False)
