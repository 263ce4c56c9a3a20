"""The nodes of the ReAct graph: begin, think, act. One model call in `think`, all tool calls in `act`."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp
from langgraph.graph import END
from langgraph.graph.message import add_messages
from langgraph.runtime import get_runtime
from langgraph.types import Overwrite
from pydantic import ConfigDict
from typing_extensions import TypedDict

from ..errors import BudgetExceeded, ConfigError
from ..memory import Memory
from ..models import load_model
from ..styles import AnswerStyle, answer_style
from .approval import approved
from .ask import Reply, send
from .guard import NARROW, NUDGE, STOP, Guard, climb, note, taken_away
from .meta import find_loop, judge
from .prompts import FINAL, INVALID, REASON, THINKING, Move, Step, View, prompt, read_moves, step_schema
from .running import Body, TimeLimitReached, Together, ToolCall, Work
from .text import clean, plain, shorten

MAX_OBSERVATION = 8_000  # characters of a tool's result that are kept and shown; about 2,000 tokens


@dataclass(frozen=True)
class ReactContext:
    """The settings of one run."""

    # Puts the sentences below into the schema, from which Studio makes its form.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=True)

    model: str = "embedded"
    """The model: embedded, ollama:NAME, openai:NAME or any name LangChain knows."""

    max_steps: int | None = None
    """At most so many model calls; None for what the graph was made with."""

    instructions: str = ""
    """Words of yours that stand before the conversation."""

    model_seconds: float = 120.0
    """A model call that takes longer is given up, and the run ends with what it has."""

    tool_seconds: float = 30.0
    """A tool call that takes longer is given up, and the model is told."""


@dataclass(frozen=True)
class ReactSpec:
    """What `create_react` was given. `offers`: the tools as models are told of them, converted once."""

    name: str
    tools: Mapping[str, BaseTool]
    offers: Mapping[str, Mapping[str, Any]]
    max_steps: int
    loop_guard: bool
    approve: frozenset[str]
    polling: frozenset[str]
    memory: Memory | None
    model: str | BaseChatModel | None
    instructions: str = ""


class ReactInput(TypedDict):
    """What a run starts from: the task is the last human message."""

    messages: Annotated[list[AnyMessage], add_messages]


class ReactOutput(TypedDict, total=False):
    """What a run ends with; all of it JSON but the messages."""

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str
    stop: str
    usage: dict[str, dict[str, float]]
    steps: Annotated[list[Step], operator.add]
    quality: dict[str, Any]
    error: str | None


class ReactState(ReactOutput, total=False):
    """The state between nodes. `pending`: the actions that the last model call asked for."""

    pending: list[dict[str, Any]]
    guard: Guard
    recalled: list[str]


class _Run:
    """What a node needs of the run: its settings, and where its events go."""

    def __init__(self, spec: ReactSpec) -> None:
        runtime = get_runtime(ReactContext)
        self.spec = spec
        given = runtime.context  # None, or the context of a host graph, which LangGraph hands down.
        self.context = given if isinstance(given, ReactContext) else ReactContext()
        self.max_steps = self.context.max_steps or spec.max_steps
        self._write = runtime.stream_writer

    def tell(self, event: str, **facts: Any) -> None:
        """Send an event to whoever streams the run."""
        self._write({"event": event, "agent": self.spec.name, **facts})


def begin(spec: ReactSpec, state: ReactState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Check the input, forget the last turn's steps, recall what earlier runs learned."""
    run = _Run(spec)
    if run.context.max_steps is not None:
        checked_steps(run.context.max_steps)
    for name in ("model_seconds", "tool_seconds"):
        seconds = getattr(run.context, name)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
            raise ConfigError(f"{name} was {seconds!r}; give seconds above 0.")
    task = _task(state.get("messages", []))
    recalled = (yield Work(spec.memory.recall, (task, 3))) if spec.memory else []
    return {
        "steps": Overwrite([]),
        "pending": [],
        "guard": {"level": 0, "blocked": []},
        "recalled": [clean(str(text), MAX_OBSERVATION) for text in recalled],
        "usage": {spec.name: {"calls": 0, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0}},
        "answer": "",
        "stop": "",
        "error": None,
    }


def checked_steps(max_steps: int) -> int:
    """Return `max_steps`, or raise a ConfigError when it is no whole number of at least 1."""
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
        raise ConfigError(f"max_steps was {max_steps!r}; give a whole number, at least 1.")
    return max_steps


def think(spec: ReactSpec, state: ReactState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Make one model call and read what it asks for."""
    run = _Run(spec)
    number = len(state["steps"]) + 1
    run.tell("thinking", number=number)
    wanted = spec.model or run.context.model
    model = wanted if isinstance(wanted, BaseChatModel) else (yield Work(load_model, (wanted,)))
    view = _view(run, state, answer_style(model))
    as_json = view.style.steps == "json"
    offered = [] if as_json else [spec.offers[name] for name in view.choices if name in spec.offers]
    try:
        reply: Reply = yield from send(
            model,
            prompt(view),
            schema=step_schema(view) if as_json and view.style.constrain != "prompt" else None,
            tools=offered,
            config=config,
            seconds=run.context.model_seconds,
        )
    except BudgetExceeded as reason:
        return _closed(run, state, {"stop": "budget", "error": str(reason)})
    usage = _added(state["usage"], spec.name, reply)
    if reply.failure:
        return _closed(run, state, {"stop": "error", "error": reply.failure, "usage": usage})
    moves = read_moves(reply, view)
    call = usage[spec.name]["calls"]
    pending = [_pending(move, number + i, int(call), reply, view) for i, move in enumerate(moves)]
    for row in pending:
        run.tell("thought", **{key: row[key] for key in ("number", "thought", "action", "input", "confidence")})
    if moves[0].action == FINAL and moves[0].error is None:
        step = _step(pending[0], str(moves[0].input.get("answer", "")), is_error=False, seconds=0.0)
        run.tell("step", step=step)
        ending = {"steps": [step], "pending": [], "stop": "answer", "answer": step["observation"], "usage": usage}
        return _closed(run, state, ending)
    return {"pending": pending, "usage": usage}


def act(spec: ReactSpec, state: ReactState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Do what the model asked for, all at once, and let the loop guard judge."""
    run = _Run(spec)
    pending, refused = approved(state["pending"], spec.approve, spec.tools)
    guard: Guard = state["guard"]
    calls: dict[int, ToolCall] = {}
    results: dict[int, tuple[str, bool]] = dict(refused)
    for row in pending:
        if row["number"] in results:
            continue
        known = _known_result(row, state["steps"], guard)
        if known is not None:
            results[row["number"]] = known
        else:
            request = {"type": "tool_call", "name": row["action"], "args": row["input"], "id": f"call_{row['number']}"}
            calls[row["number"]] = ToolCall(spec.tools[row["action"]], request, config, run.context.tool_seconds)
    done = dict(zip(calls, (yield Together(tuple(calls.values()))), strict=True))
    results |= {number: _observed(one.result, run.context.tool_seconds) for number, one in done.items()}
    took = {number: one.seconds for number, one in done.items()}
    steps = [_step(row, *results[row["number"]], seconds=took.get(row["number"], 0.0)) for row in pending]
    update: dict[str, Any] = {"steps": steps, "pending": []}
    if spec.loop_guard:
        update |= _guarded(run, state["steps"], steps, guard)
    if not update.get("stop") and state["usage"][spec.name]["calls"] >= run.max_steps:
        update["stop"] = "max_steps"
    for step in steps:
        run.tell("step", step=step)
    return _closed(run, state, update) if update.get("stop") else update


def _closed(run: _Run, state: ReactState, update: dict[str, Any]) -> dict[str, Any]:
    """The last update of a run: the answer or the best partial one, the judgement, one closing message.

    A node of its own for it would cost a superstep: 2 % of the CPU of a run of five model calls.
    """
    spec, stop = run.spec, update["stop"]
    steps = [*state["steps"], *update.get("steps", [])]
    answer = update.get("answer") or best_partial(steps, stop, update.get("error"))
    quality = judge(steps, tools=[*spec.tools, *THINKING, INVALID], polling=spec.polling).to_dict()
    run.tell("end", stop=stop, answer=answer)
    return {**update, "answer": answer, "quality": quality, "messages": [AIMessage(answer, name=spec.name)]}


def after_think(state: ReactState) -> str:
    """Where to go after a model call."""
    return END if state["stop"] else "act"


def after_act(state: ReactState) -> str:
    """Where to go after the tools."""
    return END if state["stop"] else "think"


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
            return f"{head} The last result was {shorten(step['observation'], 1000)} ({_shown(step)})."
    for step in reversed(steps):
        words = step["input"].get("answer") if step["action"] in THINKING else step["thought"]
        if words and str(words).strip():
            return f"{head} The model's last words were: {shorten(str(words), 1000)}"
    return head


def _task(messages: Sequence[AnyMessage]) -> str:
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            if message.text.strip():
                return clean(message.text)
            break
    raise ConfigError("There is no question. Give it as the last human message in `messages`.")


def _view(run: _Run, state: ReactState, style: AnswerStyle) -> View:
    spec, guard, steps = run.spec, state["guard"], state["steps"]
    last_call = state["usage"][spec.name]["calls"] + 1 >= run.max_steps > 1
    if last_call or (guard["level"] >= NARROW and steps and steps[-1]["action"] in THINKING):
        choices = [FINAL]
    elif guard["level"] >= NARROW:
        choices = [FINAL] if style.small else [REASON, FINAL]
    elif style.small and spec.tools and not steps:
        choices = list(spec.tools)
    elif style.small:
        choices = [*spec.tools, FINAL]
    else:
        choices = [*spec.tools, *THINKING, FINAL]
    words = "\n\n".join(text for text in (spec.instructions, run.context.instructions) if text)
    return View(_cleaned(state["messages"]), steps, spec.tools, choices, style, words, state["recalled"])


def _cleaned(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    return [
        message if clean(message.text) == message.text else message.model_copy(update={"content": clean(message.text)})
        for message in messages
    ]


def _pending(move: Move, number: int, call: int, reply: Reply, view: View) -> dict[str, Any]:
    metadata = {
        "call": call,
        "confidence_source": move.confidence_source,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        **move.metadata,
    }
    if FINAL in view.choices and len(view.choices) <= 2:
        metadata["narrowed_to"] = list(view.choices)
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


def _step(row: Mapping[str, Any], observation: str, is_error: bool, seconds: float) -> Step:
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


def _known_result(row: Mapping[str, Any], steps: Sequence[Step], guard: Guard) -> tuple[str, bool] | None:
    """The result of an action that needs no tool: a mistake, a thought, or a call that was taken away."""
    if row["error"]:
        return row["error"], True
    if row["action"] in THINKING:
        return "Noted.", False
    earlier = taken_away(row, steps, guard)
    if earlier is not None:
        row["metadata"]["blocked"] = earlier["number"]
        return earlier["observation"], earlier["is_error"]
    return None


def _observed(result: Any, seconds: float) -> tuple[str, bool]:
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


def _as_words(content: Any) -> str:
    if isinstance(content, bytes):
        return f"{len(content):,} bytes that are no text"
    if isinstance(content, list):  # Content blocks.
        content = "\n".join(block.get("text", "") if isinstance(block, dict) else str(block) for block in content)
    text = content if isinstance(content, str) else str(content)
    missing = len(text) - MAX_OBSERVATION
    kept = clean(text, MAX_OBSERVATION)
    return kept if missing <= 0 else f"{kept}… [cut: {missing:,} more characters]"


def _guarded(run: _Run, before: Sequence[Step], new: Sequence[Step], guard: Guard) -> dict[str, Any]:
    """Judge the trace with the new steps in it; the newest step's metadata keeps what the guard did."""
    spec = run.spec
    loop = find_loop([*before, *new], tools=[*spec.tools, *THINKING, INVALID], polling=spec.polling)
    obeyed = guard["level"] < NARROW or all(step["action"] in THINKING and not step["is_error"] for step in new)
    after = climb(guard, loop, answered=obeyed)
    did = {NUDGE: "nudged", NARROW: "narrowed", STOP: "ended"}.get(after["level"])
    if did is None or (loop is None and did != "ended"):
        return {"guard": after}
    facts = loop.to_dict() if loop else {"pattern": "ignored", "evidence": "The reply ignored that tools were closed."}
    words = note(after, facts["evidence"])
    new[-1]["metadata"]["guard"] = {"level": after["level"], "did": did, "note": words, **facts}
    run.tell("guard", level=after["level"], did=did, pattern=facts["pattern"], evidence=facts["evidence"])
    return {"guard": after, **({"stop": "loop"} if did == "ended" else {})}


def _added(usage: Mapping[str, dict[str, float]], name: str, reply: Reply) -> dict[str, dict[str, float]]:
    more = reply.usage()
    return {**usage, name: {key: round(value + more[key], 6) for key, value in usage[name].items()}}


def _shown(step: Step) -> str:
    return f"{step['action']} {shorten(json.dumps(step['input'], ensure_ascii=False), 200)}"
