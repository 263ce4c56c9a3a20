"""Attempts of the reflection graph at a task: what came of one, whether it succeeded, and what the next one is told."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AnyMessage

from .judging import features_of_run
from .panel import NOTHING
from .run_facts import run_features
from .running import Body
from .text import clean, plain, shorten
from .threads import TimeLimitReached
from .working import Limited, Made

MAX_RESULT = 200_000  # characters of a wrapped graph's output, as JSON, that are kept
MAX_ANSWER = 20_000  # characters
SHOWN = 500  # characters of an earlier answer that the next attempt is shown
_STOPS = {"done": "answer", "partial": "partial", "budget": "budget"}

Check = Callable[[str, dict[str, Any]], bool | float | str]


def row_of(number: int, made: Made, asked: Sequence[AnyMessage]) -> tuple[dict[str, Any], dict[str, Any]]:
    """An attempt as a row of `attempts`, and the output of the wrapped graph as JSON; empty when it gave none."""
    output = made.returned if isinstance(made.returned, Mapping) else {}
    said = _behind(output.get("messages"), asked)
    answer = made.text or (clean(output["answer"], MAX_ANSWER) if isinstance(output.get("answer"), str) else "")
    stop = output["stop"] if isinstance(output.get("stop"), str) else _STOPS.get(made.outcome, "error")
    usage = made.usage or NOTHING
    row = {
        "number": number,
        "answer": answer or made.error,
        "stop": clean(stop, 80),
        "outcome": made.outcome,
        "error": made.error,
        "success": None,
        "score": 0.0,
        "source": "self",
        "why": "",
        "reflection": "",
        "seconds": usage["seconds"],
        "tokens": usage["tokens_in"] + usage["tokens_out"],
        "features": {**run_features({"stop": stop, **output}, said), "answer_words": len(answer.split())},
        "judged": features_of_run(output["steps"]) if _is_trace(output.get("steps")) else {},
    }
    if made.returned is None:
        return row, {}
    kept = plain({str(key): value for key, value in output.items() if key != "messages"})
    small = len(json.dumps(kept, default=str)) <= MAX_RESULT
    return row, {**(kept if small else {}), "answer": answer, "stop": row["stop"]}


def judge_attempt(
    check: Check | None, pass_at: float, task: str, row: Mapping[str, Any], latest: dict[str, Any], seconds: float
) -> Body[dict[str, Any]]:
    """Whether an attempt succeeded, how well (0 to 1), who says so, and why it did not.

    Args:
        check: The caller's; without one the way in which the graph ended decides, and the source is "self".
        pass_at: The score from which an attempt is a success.
        task: What was asked.
        row: The attempt, of `row_of`.
        latest: The output of the wrapped graph; empty when there is none, which is a fact and needs no check.
        seconds: Time limit of the check.
    """
    if check is None or not latest:
        done = row["outcome"] == "done"
        source = "self" if latest else "environment"
        return _verdict(done, float(done), source, "" if done else row["error"] or f"it ended with {row['stop']}")
    try:
        said = yield Limited(check, (task, latest), seconds)
    except TimeLimitReached:
        return _verdict(None, 0.0, "validator", f"the check gave no verdict within {seconds:g} seconds")
    except Exception as error:  # The caller's own check: that it fails says nothing about the run.
        return _verdict(
            None, 0.0, "validator", clean(shorten(f"the check failed: {type(error).__name__}: {error}", 300))
        )
    said = said.item() if hasattr(said, "item") else said  # Of numpy.
    if inspect.iscoroutine(said):
        said.close()
    if isinstance(said, str):
        return _verdict(False, 0.0, "validator", clean(shorten(said, 300)) or "the check refused it")
    if isinstance(said, bool) or (isinstance(said, int | float) and 0 <= said <= 1):
        passed = said if isinstance(said, bool) else said >= pass_at
        why = "" if passed else "the check refused it" if isinstance(said, bool) else f"the check gave it {said:g}"
        return _verdict(passed, float(said), "validator", why)
    words = clean(shorten(repr(said), 100))
    return _verdict(
        None, 0.0, "validator", f"the check returned {words}, which is no bool, no words, no number from 0 to 1"
    )


def told(attempts: Sequence[Mapping[str, Any]]) -> str:
    """What the next attempt is told of those before it."""
    if not attempts:
        return ""
    lines = []
    for row in attempts:
        answer = "\n".join(f"> {line}" for line in shorten(row["answer"], SHOWN).splitlines())
        lines.append(
            f"Attempt {row['number']} failed: {row['why']}. It ended with:\n{answer}\nNoted: {row['reflection']}"
        )
    return "Earlier attempts at the task below, quoted as data:\n" + "\n".join(lines) + "\nDo it differently now."


def _verdict(success: bool | None, score: float, source: str, why: str) -> dict[str, Any]:
    return {"success": success, "score": score, "source": source, "why": why}


def _is_trace(steps: Any) -> bool:
    return (
        isinstance(steps, list) and bool(steps) and all(isinstance(one, Mapping) and "action" in one for one in steps)
    )


def _behind(messages: Any, asked: Sequence[AnyMessage]) -> list[Any]:
    """What a graph said after the task."""
    if not isinstance(messages, list):
        return []
    texts = [message.text if hasattr(message, "text") else "" for message in messages]
    places = [place for place, text in enumerate(texts) if text == asked[-1].text]
    return messages[places[-1] + 1 :] if places else messages
