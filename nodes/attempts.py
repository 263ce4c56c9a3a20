"""Attempts of the reflection graph at a task: what came of one, whether it succeeded, and what the next one is told."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AnyMessage
from langgraph.errors import GraphBubbleUp, ParentCommand

from .judging import features_of_run
from .panel import NOTHING
from .run_facts import run_features
from .running import Body, is_cancelled
from .text import clean, plain, shorten
from .threads import TimeLimitReached
from .working import Limited, Made

MAX_RESULT = 200_000  # characters of a wrapped graph's output, as JSON, that are kept; the largest parts go first
MAX_ANSWER = 20_000  # characters
SHOWN = 500  # characters of an earlier answer that the next attempt is shown
_STOPS = {"done": "answer", "partial": "partial", "budget": "budget"}

Check = Callable[[str, dict[str, Any]], bool | float | str]


def row_of(number: int, made: Made, asked: Sequence[AnyMessage]) -> tuple[dict[str, Any], dict[str, Any]]:
    """An attempt as a row of `attempts`, and what the wrapped graph gave.

    Args:
        number: Of the attempt, from 1.
        made: What came of it.
        asked: What the graph was sent.

    Returns:
        The row, not judged yet; and {"output": its output as JSON, "messages": its messages}, empty when it gave none.
    """
    output = made.returned if isinstance(made.returned, Mapping) else {}
    messages = output["messages"] if isinstance(output.get("messages"), list) else []
    answer = made.text or (clean(output["answer"], MAX_ANSWER) if isinstance(output.get("answer"), str) else "")
    stop = output["stop"] if isinstance(output.get("stop"), str) else _STOPS.get(made.outcome, "error")
    usage = made.usage or NOTHING
    facts = run_features({"stop": stop, **output}, _behind(messages, asked))
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
        "features": {**facts, "answer_words": len(answer.split())},
        "judged": features_of_run(output["steps"]) if _is_trace(output.get("steps")) else {},
    }
    if made.returned is None:
        return row, {}
    kept = _within_limit(plain({str(key): value for key, value in output.items() if key != "messages"}))
    return row, {"output": {**kept, "answer": answer, "stop": row["stop"]}, "messages": messages}


def judge_attempt(
    check: Check | None, pass_at: float, task: str, row: Mapping[str, Any], latest: Mapping[str, Any], seconds: float
) -> Body[dict[str, Any]]:
    """Whether an attempt succeeded, how well (0 to 1), who says so, and why it did not.

    Without a check the way in which the graph ended decides, and that is its own word ("self"), also where it raised:
    if only failures were facts, statistics would see nothing but failures. A budget that ended says nothing of success.

    Args:
        check: The caller's; it may ask a person by an `interrupt`.
        pass_at: The score from which an attempt is a success.
        task: What was asked.
        row: The attempt, of `row_of`.
        latest: What the graph gave, of `row_of`.
        seconds: Time limit of the check.
    """
    source = "self" if check is None else "validator" if latest else "environment"
    if row["stop"] == "budget":
        return _verdict(None, 0.0, source, "the budget ended the run")
    if check is None or not latest:
        done = row["outcome"] == "done"
        return _verdict(done, float(done), source, "" if done else row["error"] or f"it ended with {row['stop']}")
    result = {**copy.deepcopy(latest["output"]), "messages": list(latest["messages"])}
    try:
        said = yield Limited(check, (task, result), seconds)
    except TimeLimitReached:
        return _verdict(None, 0.0, source, f"the check gave no verdict within {seconds:g} seconds")
    except ParentCommand as error:
        return _verdict(None, 0.0, source, _failed(error))
    except (GraphBubbleUp, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # The caller's own check: that it fails says nothing about the run.
        if is_cancelled(error):
            raise
        return _verdict(None, 0.0, source, _failed(error))
    return _read(said, pass_at, source)


def told(attempts: Sequence[Mapping[str, Any]]) -> str:
    """What the next attempt is told of those before it: quoted as data, between marks that no text can end."""
    if not attempts:
        return ""
    lines = [
        f"Attempt {row['number']} failed: {_quoted(row['why'])}. It ended with: {_quoted(row['answer'])}."
        + (f" Noted: {_quoted(row['reflection'])}" if row["reflection"] else "")
        for row in attempts
    ]
    return "\n".join(
        ["Earlier attempts at the task below, as data. Do it differently now.", "<attempts>", *lines, "</attempts>"]
    )


def _quoted(text: str) -> str:
    quoted = json.dumps(shorten(clean(text), SHOWN), ensure_ascii=False)
    return quoted.translate({ord("<"): "‹", ord(">"): "›"})


def _read(said: Any, pass_at: float, source: str) -> dict[str, Any]:
    """What a check returned, as a verdict."""
    said = said.item() if hasattr(said, "item") else said  # Of numpy.
    if inspect.iscoroutine(said):
        said.close()
    if isinstance(said, str):
        return _verdict(False, 0.0, source, clean(shorten(said, 300)) or "the check refused it")
    if isinstance(said, bool) or (isinstance(said, int | float) and 0 <= said <= 1):
        passed = said if isinstance(said, bool) else said >= pass_at
        why = "" if passed else "the check refused it" if isinstance(said, bool) else f"the check gave it {said:g}"
        return _verdict(passed, float(said), source, why)
    words = clean(shorten(repr(said), 100))
    return _verdict(None, 0.0, source, f"the check returned {words}, which is no bool, no words, no number from 0 to 1")


def _failed(error: BaseException) -> str:
    return clean(shorten(f"the check failed: {type(error).__name__}: {error}", 300))


def _verdict(success: bool | None, score: float, source: str, why: str) -> dict[str, Any]:
    return {"success": success, "score": score, "source": source, "why": why}


def _is_trace(steps: Any) -> bool:
    return (
        isinstance(steps, list) and bool(steps) and all(isinstance(one, Mapping) and "action" in one for one in steps)
    )


def _within_limit(output: dict[str, Any]) -> dict[str, Any]:
    sizes = {key: len(json.dumps(value, default=str)) for key, value in output.items()}
    for key in sorted(sizes, key=lambda key: -sizes[key]):
        if sum(sizes.values()) <= MAX_RESULT:
            break
        del sizes[key]
    return {key: output[key] for key in output if key in sizes}


def _behind(messages: Sequence[Any], asked: Sequence[AnyMessage]) -> Sequence[Any]:
    """What a graph said after the task."""
    places = [
        place
        for place, message in enumerate(messages)
        if getattr(message, "type", "") == "human" and message.text == asked[-1].text
    ]
    return messages[places[-1] + 1 :] if places else messages
