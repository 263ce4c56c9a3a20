"""A step of a ReAct run: what a reply asked for, what came of it, and the best that the steps say without an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import ToolMessage
from langgraph.errors import GraphBubbleUp
from typing_extensions import TypedDict  # pydantic wants this one on Python 3.11

from .ask import Reply
from .text import clean, plain, shorten
from .threads import TimeLimitReached

REASON, PLAN, FINAL, INVALID = "reason", "plan", "final_answer", "invalid"
THINKING = (REASON, PLAN)
RESERVED = (*THINKING, FINAL, INVALID)

MAX_OBSERVATION = 8_000  # characters of a tool's result that are kept and shown; about 2,000 tokens


class Step(TypedDict):
    """One step of a run, as it stands in the state and in the output."""

    number: int
    thought: str
    action: str
    input: dict[str, Any]
    observation: str
    is_error: bool
    confidence: float | None
    started: str
    seconds: float
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Move:
    """One action that a reply asks for. `error` says why it cannot be done as it stands."""

    thought: str
    action: str
    input: dict[str, Any]
    error: str | None = None
    confidence: float | None = None
    confidence_source: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def asked(move: Move, number: int, call: int, reply: Reply, choices: Sequence[str]) -> dict[str, Any]:
    """A step that waits to be done: the `call`-th model call asked for it when `choices` were open."""
    metadata = {
        "call": call,
        "confidence_source": move.confidence_source,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        **move.metadata,
    }
    if FINAL in choices and len(choices) <= 2:
        metadata["narrowed_to"] = list(choices)
    return {
        "number": number,
        "thought": move.thought,
        "action": move.action,
        "input": plain(move.input),
        "error": move.error,
        "confidence": move.confidence,
        "started": datetime.now(UTC).isoformat(),
        "model_seconds": round(reply.seconds, 6),
        "metadata": metadata,
    }


def done(row: Mapping[str, Any], observation: str, *, is_error: bool, seconds: float) -> Step:
    """What was asked for, with what came of it and the seconds that the tool took."""
    return {
        "number": row["number"],
        "thought": row["thought"],
        "action": row["action"],
        "input": row["input"],
        "observation": observation,
        "is_error": is_error,
        "confidence": row["confidence"],
        "started": row["started"],
        "seconds": round(row["model_seconds"] + seconds, 6),
        "metadata": row["metadata"],
    }


def observed(result: Any, seconds: float) -> tuple[str, bool]:
    """What a tool gave, as text that is safe to keep; an exception becomes words for the model."""
    if isinstance(result, GraphBubbleUp):  # An interrupt of the tool's own.
        raise result
    if isinstance(result, TimeLimitReached):
        return f"The tool gave no result within {seconds:g} seconds.", True
    if isinstance(result, BaseException):  # A tool may even raise asyncio.CancelledError.
        return shorten(clean(f"{type(result).__name__}: {result}", MAX_OBSERVATION), MAX_OBSERVATION), True
    if isinstance(result, ToolMessage):
        return _as_words(result.content), result.status == "error"
    return _as_words(result), False


def best_partial(steps: Sequence[Step], stop: str, error: str | None) -> str:
    """The best that can be said without a final answer: the newest result of a tool, or the model's own words."""
    why = {
        "loop": "the model went round in circles",
        "max_steps": "the limit of steps was reached",
        "budget": error or "the budget is used up",
        "error": error or "the model failed",
    }[stop]
    head = f"No final answer: {why}."
    for step in reversed(steps):
        if not step["is_error"] and step["action"] not in (*THINKING, FINAL, INVALID):
            given = shorten(json.dumps(step["input"], ensure_ascii=False), 200)
            return f"{head} The last result was {shorten(step['observation'], 1000)} ({step['action']} {given})."
    for step in reversed(steps):
        words = step["input"].get("answer") if step["action"] in THINKING else step["thought"]
        if words and str(words).strip():
            return f"{head} The model's last words were: {shorten(str(words), 1000)}"
    return head


def _as_words(content: Any) -> str:
    if isinstance(content, bytes):
        return f"{len(content):,} bytes that are no text"
    if isinstance(content, list):  # Content blocks.
        content = "\n".join(block.get("text", "") if isinstance(block, dict) else str(block) for block in content)
    text = content if isinstance(content, str) else str(content)
    missing = len(text) - MAX_OBSERVATION
    kept = clean(text, MAX_OBSERVATION)
    return kept if missing <= 0 else f"{kept}… [cut: {missing:,} more characters]"
