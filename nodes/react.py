"""The nodes of the ReAct graph: one model call in `think`, all that it asked for in `act`."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp
from langgraph.graph import END
from langgraph.graph.message import add_messages
from langgraph.types import Overwrite
from typing_extensions import TypedDict

from ..errors import BudgetExceeded, ConfigError
from ..memory import Memory
from ..models import load_model
from ..styles import AnswerStyle, answer_style
from .approval import approved
from .ask import Reply, send
from .guard import NARROW, NUDGE, STOP, Guard, climb, note, taken_away
from .meta import find_loop, judge
from .prompts import View, prompt, read_moves, step_schema
from .run import Run, RunContext, checked_seconds
from .running import Body, Together, ToolCall, Work
from .steps import FINAL, INVALID, MAX_OBSERVATION, REASON, THINKING, Step, asked, best_partial, done, observed
from .talk import cleaned, question_of
from .text import clean

# Steps that a small model has before it is asked for the answer. Of 200 problems (seed 1 of bench/problems.py) 135 M
# parameters solved 83, each after its first calculation; of the six runs that calculated on and on it solved none.
LED_STEPS = 4


@dataclass(frozen=True)
class ReactContext(RunContext):
    """The settings of one run. A model call that is given up ends the run with what it has."""

    max_steps: int | None = None
    """At most so many model calls; None for what the graph was made with."""

    instructions: str = ""
    """Words of yours that stand before the conversation."""

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
    """The state between nodes. `turn`: the id of the question; `pending`: what the last model call asked for."""

    turn: str | None
    pending: list[dict[str, Any]]
    guard: Guard
    recalled: list[str]


class _Run(Run[ReactSpec, ReactContext]):
    """The run, and how many model calls it may make."""

    def __init__(self, spec: ReactSpec) -> None:
        super().__init__(spec, ReactContext)
        self.max_steps = self.context.max_steps or spec.max_steps


def think(spec: ReactSpec, state: ReactState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Begin when there is a new question; then make one model call, or close the run that `act` has stopped."""
    run = _Run(spec)
    begun = (yield from _begun(run, state)) if _is_new(state) else {}
    state = {**state, **begun}  # type: ignore[typeddict-item]
    update = {"stop": state["stop"]} if state["stop"] else (yield from _thought(run, state, config))
    if update.get("stop"):
        update = _closed(run, state, update)
    return {**begun, **update, "steps": Overwrite(update.get("steps", []))} if begun else update


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
    outcomes = dict(zip(calls, (yield Together(tuple(calls.values()))), strict=True))
    results |= {number: observed(one.result, run.context.tool_seconds) for number, one in outcomes.items()}
    took = {number: one.seconds for number, one in outcomes.items()}
    steps = []
    for row in pending:
        observation, is_error = results[row["number"]]
        steps.append(done(row, observation, is_error=is_error, seconds=took.get(row["number"], 0.0)))
    update: dict[str, Any] = {"steps": steps, "pending": []}
    if spec.loop_guard:
        update |= _guarded(run, state["steps"], steps, guard)
    if not update.get("stop") and state["usage"][spec.name]["calls"] >= run.max_steps:
        update["stop"] = "max_steps"
    for step in steps:
        run.tell("step", step=step)
    return update


def after_think(state: ReactState) -> str:
    """Where to go after a model call."""
    return END if state["stop"] else "act"


def checked_steps(max_steps: int) -> int:
    """Return `max_steps`, or raise a ConfigError when it is no whole number of at least 1."""
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
        raise ConfigError(f"max_steps was {max_steps!r}; give a whole number, at least 1.")
    return max_steps


def _is_new(state: ReactState) -> bool:
    """Whether the question is another one than the steps belong to, or was answered and is asked again."""
    return bool(state.get("answer")) or state.get("turn") != question_of(state.get("messages", [])).id


def _begun(run: _Run, state: ReactState) -> Body[dict[str, Any]]:
    """Check the input, forget the last turn's steps, recall what earlier runs learned.

    A node of its own for it would cost a superstep, as would one for `_closed`: 2 % each of the CPU of a run of five
    model calls.
    """
    spec = run.spec
    if run.context.max_steps is not None:
        checked_steps(run.context.max_steps)
    checked_seconds(run.context, "model_seconds", "tool_seconds")
    question = question_of(state["messages"])
    recalled = yield from _recalled(run, clean(question.text))
    return {
        "turn": question.id,
        "steps": [],
        "pending": [],
        "guard": {"level": 0, "blocked": []},
        "recalled": recalled,
        "usage": {spec.name: {"calls": 0, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0}},
        "answer": "",
        "stop": "",
        "error": None,
    }


def _recalled(run: _Run, task: str) -> Body[list[str]]:
    """What the memory says to a task; one that fails costs this run its memory, and nothing else."""
    if run.spec.memory is None:
        return []
    try:
        found = yield Work(run.spec.memory.recall, (task, 3))
        return [clean(str(text), MAX_OBSERVATION) for text in found]
    except GraphBubbleUp:
        raise
    except Exception as error:  # Of others' code: it may raise anything.
        run.tell("memory", error=f"{type(error).__name__}: {clean(str(error), 500)}")
        return []


def _thought(run: _Run, state: ReactState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Make one model call and read what it asks for."""
    spec, number = run.spec, len(state["steps"]) + 1
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
        return {"stop": "budget", "error": str(reason)}
    usage = _added(state["usage"], spec.name, reply)
    if reply.failure:
        return {"stop": "error", "error": reply.failure, "usage": usage}
    call = int(usage[spec.name]["calls"])
    moves = read_moves(reply, view)
    pending = [asked(move, number + i, call, reply, view.choices) for i, move in enumerate(moves)]
    for row in pending:
        run.tell("thought", **{key: row[key] for key in ("number", "thought", "action", "input", "confidence")})
    if moves[0].action == FINAL and moves[0].error is None:
        step = done(pending[0], str(moves[0].input.get("answer", "")), is_error=False, seconds=0.0)
        run.tell("step", step=step)
        return {"steps": [step], "pending": [], "stop": "answer", "answer": step["observation"], "usage": usage}
    return {"pending": pending, "usage": usage}


def _closed(run: _Run, state: ReactState, update: dict[str, Any]) -> dict[str, Any]:
    """The last update of a run: the answer or the best partial one, the judgement, one closing message."""
    spec, stop = run.spec, update["stop"]
    steps = [*state["steps"], *update.get("steps", [])]
    answer = update.get("answer") or best_partial(steps, stop, update.get("error"))
    quality = judge(steps, tools=[*spec.tools, *THINKING, INVALID], polling=spec.polling).to_dict()
    run.tell("end", stop=stop, answer=answer)
    return {**update, "answer": answer, "quality": quality, "messages": [AIMessage(answer, name=spec.name)]}


def _view(run: _Run, state: ReactState, style: AnswerStyle) -> View:
    spec, guard, steps = run.spec, state["guard"], state["steps"]
    last_call = state["usage"][spec.name]["calls"] + 1 >= run.max_steps > 1
    lost = style.small and spec.loop_guard and len(steps) >= LED_STEPS
    if last_call or lost or (guard["level"] >= NARROW and steps and steps[-1]["action"] in THINKING):
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
    return View(cleaned(state["messages"]), steps, spec.tools, choices, style, words, state["recalled"])


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
