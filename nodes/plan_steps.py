"""Carrying out one step of a plan: look at the world, check, ask a person where that is wanted, do it, look again."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langgraph.config import get_config
from langgraph.errors import GraphBubbleUp

from ..agents import Agent
from ..budget import budgets_of
from ..errors import BudgetExceeded, ConfigError, RunError
from .approval import approved
from .dispatch import Again
from .panel import NOTHING
from .plan_state import PlannerRun, title
from .planning.facts import Facts, shown
from .planning.plan import Plan, PlanNode
from .planning.tool_plans import Planned, filled
from .running import AgentCall, Body, ToolCall, is_cancelled
from .steps import observed
from .text import clean, shorten
from .threads import TimeLimitReached
from .working import attempt

TOOLS = "tools"  # The worker of steps that a tool does.
SIMULATION = "simulation"  # Who does the steps where nobody does them.
ANYBODY = "agent"  # Who does what no tool does, where no agents were named.
SHOWN = 1_000  # characters of an earlier result that a worker is told


@dataclass
class Epoch:
    """The steps that are carried out between two changes of the plan.

    Args:
        run: The run.
        plan: The plan under way.
        done: Ids of the steps that were carried out before.
        state: The state at the beginning of it.
        outputs: What the steps before gave, by id.
        messages: The conversation, for agents.
        calls: For a plan made from the tools alone: operator -> {"name", "tool", "input", "after"}.
        goal: What is to be reached, in words.
    """

    run: PlannerRun
    plan: Plan
    done: frozenset[int]
    state: Any
    outputs: Mapping[int, str]
    messages: Sequence[AnyMessage]
    calls: Mapping[str, Any]
    goal: str = ""
    broken: bool = False
    gave_up: dict[str, dict[str, Any]] = field(default_factory=dict)  # Step -> who gave it up -> its note.

    @property
    def left(self) -> list[PlanNode]:
        """The steps that are left."""
        return [step for step in self.plan.steps if step.id not in self.done]

    def before(self, id_: int) -> set[int]:
        """The steps of this epoch that must be finished before a step, also those that it waits for indirectly."""
        found: set[int] = set()
        stack = [id_]
        while stack:
            for one in self.plan.order[stack.pop()] - self.done - found:
                found.add(one)
                stack.append(one)
        return found

    def believed(self, ids: set[int]) -> Any:
        """The state when these steps have been carried out."""
        state = self.state
        for step in self.left:
            if step.id in ids:
                after = self.plan.domain.operator[step.task[0]].apply(state, step.task[1:])
                state = state if after is None else after
        return state

    @property
    def agents(self) -> tuple[Agent, ...]:
        """Who can be given steps that no tool does; where nobody was named, one who has the tools."""
        spec = self.run.spec
        return spec.agents or (Agent(ANYBODY, tools=tuple(spec.tools.values())),)

    def workers(self) -> dict[str, int]:
        """Who can be given steps: every agent one at a time, tools as many as there are."""
        return {self.hands: max(1, len(self.left)), **{agent.name: 1 for agent in self.agents}}

    @property
    def hands(self) -> str:
        """Who does the steps that are no agent's."""
        return SIMULATION if self.run.spec.is_simulated and not self.calls else TOOLS

    def assign(self, ready: Sequence[str], free: Mapping[str, int]) -> dict[str, str]:
        """Give steps to tools and to agents: the one that can do the fewest other things first."""
        given: dict[str, str] = {}
        places = dict(free)
        for id_ in ready:
            names = self.doers(int(id_))
            names = [name for name in names if name not in self.gave_up.get(id_, ())] or names[:1]
            name = next((name for name in names if places.get(name)), None)
            if name is not None:
                places[name] -= 1
                given[id_] = name
        return given

    def tell(self, step: PlanNode, state: str, worker: str | None, why: str = "") -> None:
        """Tell whoever streams the run what a step is at."""
        said = title(step, self.calls)
        self.run.tell("subtask", id=str(step.id), task=said, state=state, worker=worker, why=shorten(why, 300))

    def by_tool(self, id_: int) -> bool:
        """Whether a step is done by a tool, or only simulated."""
        name = self.plan.by_id[id_].task[0]
        if name in self.calls:
            return bool(self.calls[name]["tool"])
        return name in self.run.spec.tools or self.run.spec.is_simulated

    def doers(self, id_: int) -> list[str]:
        """Who can do a step: the tools, or some of the agents."""
        name = self.plan.by_id[id_].task[0]
        if self.by_tool(id_):
            return [self.hands]
        return [agent.name for agent in self.agents] if name in self.calls else able(self.agents, name)

    def tried(self, id_: str, worker: str | None, note: Any) -> None:
        """Remember who gave a step up."""
        self.gave_up.setdefault(id_, {})[str(worker)] = note

    def is_shared(self, id_: int, variable: tuple[str, Any]) -> bool:
        """Whether another step that may run beside a step changes the same variable."""
        operators, before = self.plan.domain.operator, self.before(id_)
        others = [step for step in self.left if step.id != id_ and step.id not in before]
        return any(
            variable in [(one.name, one.args) for one in operators[step.task[0]].ground(step.task[1:])[1]]
            and id_ not in self.before(step.id)
            for step in others
        )


def able(agents: Sequence[Any], operator: str) -> list[str]:
    """The names of the agents that can do an operator: by their name or skill; else those that name no skills.

    Example:
        >>> from langgraph_agora import Agent
        >>> able([Agent("ann", skills=["parse"]), Agent("bob")], "parse"), able([Agent("bob")], "parse")
        (['ann'], ['bob'])
    """
    named = [agent for agent in agents if operator == agent.name or operator in agent.skills]
    some = named or [agent for agent in agents if not agent.skills]
    return [agent.name for agent in sorted(some, key=lambda agent: (len(agent.skills), agent.name))]


def before_goal(messages: Sequence[AnyMessage], goal: str) -> list[AnyMessage]:
    """The conversation before the goal, whose text is told anew; a goal with more than text, such as a picture, stays.

    Args:
        messages: The conversation. Its last message need not be the goal: the tasks may have been given in the input.
        goal: The text of the message that asks; empty when none does.

    Returns:
        The messages without the last one when that is the goal, else all of them.

    Example:
        >>> talk = [HumanMessage("Hello."), HumanMessage("Do it.")]
        >>> [one.text for one in before_goal(talk, "Do it.")], [one.text for one in before_goal(talk, "")]
        (['Hello.'], ['Hello.', 'Do it.'])
    """
    last = messages[-1] if messages else None
    if not isinstance(last, HumanMessage) or not goal or last.text.strip() != goal:
        return list(messages)
    is_text = all(block["type"] == "text" for block in last.content_blocks)
    return list(messages[:-1] if is_text else messages)


def perform(epoch: Epoch, id_: int, results: Mapping[str, Any], worker: str | None) -> Body[Any]:
    """The body of one step's job; returns a JSON row, whose `status` is done, failed or waiting."""
    step = epoch.plan.by_id[id_]
    if epoch.broken or any(row["status"] != "done" for row in results.values()):
        return {"status": "waiting"}
    row: dict[str, Any] = {"status": "done", "worker": worker, "started": datetime.now(UTC).isoformat()}
    gave_up = epoch.gave_up.get(str(id_), {})
    nothing: dict[str, Any] = {"attempts": 0, "errors": [], "usage": {}, "call": None}
    last = next(reversed(gave_up.values()), nothing)
    row |= {"attempts": last["attempts"], "errors": [*last["errors"]], "usage": {**last["usage"]}}
    try:
        return (yield from _performed(epoch, step, results, worker, row))
    except SenseFailed as error:
        return _failed(epoch, step, row, "sense", str(error))


def _performed(
    epoch: Epoch, step: PlanNode, results: Mapping[str, Any], worker: str | None, row: dict[str, Any]
) -> Body[Any]:
    id_, gave_up = step.id, epoch.gave_up.get(str(step.id), {})
    last = next(reversed(gave_up.values()), {"call": None})
    before, unmet = yield from _ready(epoch, step)
    if unmet:
        return _failed(epoch, step, row, "precondition", unmet)
    call = last["call"] or _call(epoch, step, results)
    if {step.task[0], call["name"]} & epoch.run.spec.approve and not gave_up:
        call, refusal = _asked(epoch, step, call)
        if refusal:
            return _failed(epoch, step, row, "rejected", refusal)
    if call.get("edited"):
        row["edited"] = call["args"]
    epoch.tell(step, "running", worker)
    clock = time.perf_counter()
    failure, before = yield from _done(epoch, step, call, worker, results, row, before)
    row["seconds"] = round(time.perf_counter() - clock, 6)
    if failure is not None:
        able_too = set(epoch.doers(id_)) - {worker, *gave_up}
        if able_too and failure[0] not in ("budget", "timeout", "precondition"):  # Another agent may do it.
            return Again({"call": call, **{key: row[key] for key in ("attempts", "errors", "usage")}})
        return _failed(epoch, step, row, *failure)
    try:
        missing = yield from _missing(epoch, step, before)
    except SenseFailed as error:  # The call succeeded: to make it once more because nobody could look would be worse.
        missing = ""
        row["errors"].append(str(error))
    if missing:
        return _failed(epoch, step, row, "effect", f"the call succeeded, but {missing}")
    epoch.tell(step, "done", worker, row["output"])
    return row


def _ready(epoch: Epoch, step: PlanNode) -> Body[tuple[Any, str]]:
    """The state as it is seen right before a step, and which of its conditions do not hold in it."""
    state = yield from looked(epoch.run, epoch.believed(epoch.before(step.id)))
    unmet = _unmet(epoch.plan, step, state)
    return state, f"{unmet} does not hold" if unmet else ""


def looked(run: PlannerRun, believed: Any) -> Body[Any]:
    """The state as it is seen: what is believed, with what the hook observed over it."""
    if run.spec.sense is None:
        return believed
    seconds = run.context.step_seconds
    try:
        seen = yield AgentCall(_SENSE, (run.spec.sense, believed), {}, seconds)
        return believed.set(seen) if isinstance(believed, Facts) else {**believed, **seen}
    except TimeLimitReached:
        raise SenseFailed(f"sense saw nothing within {seconds:g} seconds") from None
    except Exception as error:  # Somebody else's code may raise anything.
        raise SenseFailed(f"sense failed: {type(error).__name__}: {shorten(clean(str(error)), 300)}") from error


class SenseFailed(RunError):
    """The hook that looks at the world raised, took too long, or returned what is no state."""


def _sensed(given: tuple[Any, Any]) -> dict[str, Any]:
    """Call the hook, with the state that is believed when it takes an argument."""
    sense, believed = given
    try:
        parameters = [*inspect.signature(sense).parameters.values()]
    except (TypeError, ValueError):  # Some built-in functions have none, such as the `copy` of a dict.
        parameters = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    takes = any(one.kind in kinds and one.default is one.empty for one in parameters)
    seen = sense(dict(believed)) if takes else sense()
    if seen is not None and not isinstance(seen, Mapping):
        raise ConfigError(f"sense returned {shorten(repr(seen), 200)}; return variable -> value, or None.")
    # A number of NumPy's becomes one of Python's.
    return {name: value.item() if hasattr(value, "item") else value for name, value in (seen or {}).items()}


_SENSE = RunnableLambda(_sensed)


def _unmet(plan: Plan, step: PlanNode, state: Any) -> str:
    operator = plan.domain.operator[step.task[0]]
    if operator.run is not None:
        return "" if operator.apply(state, step.task[1:]) is not None else "what it needs"
    unmet = operator.unmet(state, step.task[1:])
    words = [f"{one} (it is {_words(state.value(one.name, one.args or ()))})" for one in unmet]
    return " and ".join(words)


def _words(value: Any) -> str:
    return "null" if value is None else str(value)


def _call(epoch: Epoch, step: PlanNode, results: Mapping[str, Any]) -> dict[str, Any]:
    """The tool's name and its input."""
    known = epoch.calls.get(step.task[0])
    if known and known["tool"]:
        outputs = {epoch.plan.by_id[int(id_)].task[0]: row.get("output") for id_, row in results.items()}
        outputs |= {
            epoch.plan.by_id[id_].task[0]: text for id_, text in epoch.outputs.items() if id_ in epoch.plan.by_id
        }
        return {"name": known["tool"], "args": filled(Planned(**known), outputs)}
    operator, tool = epoch.plan.domain.operator[step.task[0]], epoch.run.spec.tools.get(step.task[0])
    names = [name.lstrip("?") for name, _ in operator.parameters]
    if tool and (not names or not set(names) <= tool.args.keys()):
        names = list(tool.args)  # Named otherwise: they are taken by their places.
    return {"name": step.task[0], "args": dict(zip(names, step.task[1:], strict=False))}


def _asked(epoch: Epoch, step: PlanNode, call: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Let a person decide; the call, edited perhaps, and why it was refused."""
    row = {"number": step.id, "action": call["name"], "input": call["args"], "thought": f"Do {step}?", "error": None}
    [answer], refused = approved([{**row, "metadata": {}}], [call["name"]], [call["name"]])
    edited = {"edited": True} if answer["input"] != call["args"] else {}
    return {"name": call["name"], "args": answer["input"], **edited}, refused[step.id][0] if refused else ""


def _done(
    epoch: Epoch,
    step: PlanNode,
    call: dict[str, Any],
    worker: str | None,
    results: Mapping[str, Any],
    row: dict[str, Any],
    before: Any,
) -> Body[tuple[tuple[str, str] | None, Any]]:
    """Do it, again as often as is allowed; the kind of the failure and why, or None, and the state right before."""
    failure: tuple[str, str] | None = None
    for number in range(epoch.run.context.retries + 1):
        if number:  # The call that failed took its time, and the world went on.
            before, unmet = yield from _ready(epoch, step)
            if unmet:
                return ("precondition", unmet), before
        row["attempts"] += 1
        if worker == SIMULATION:
            row["output"], failure = "", None
        elif worker == TOOLS:
            failure = yield from _by_tool(epoch, call, row)
        else:
            failure = yield from _by_agent(epoch, step, call, worker, results, row)
        if failure is None:
            return None, before
        row["errors"].append(failure[1])
        if failure[0] == "budget":
            break
    return failure, before


def _by_tool(epoch: Epoch, call: dict[str, Any], row: dict[str, Any]) -> Body[tuple[str, str] | None]:
    seconds = epoch.run.context.step_seconds
    request = {"name": call["name"], "args": call["args"], "type": "tool_call", "id": f"call_{call['name']}"}
    config = get_config()
    try:
        result = yield ToolCall(epoch.run.spec.tools[call["name"]], request, config, seconds)
    except (GraphBubbleUp, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # Somebody else's code may raise anything, SystemExit too: it is data.
        if is_cancelled(error):
            raise
        over = next((reason for budget in budgets_of(config) if (reason := budget.exhausted())), None)
        if over and isinstance(error, BudgetExceeded):  # A tool may have a budget of its own, too.
            return "budget", over
        result = error
    words, is_error = observed(result, seconds)
    if is_error:
        return ("timeout" if isinstance(result, TimeLimitReached) else "error"), words
    row["output"] = "" if words == "null" else words
    return None


def _by_agent(
    epoch: Epoch,
    step: PlanNode,
    call: Mapping[str, Any],
    worker: str | None,
    results: Mapping[str, Any],
    row: dict[str, Any],
) -> Body[tuple[str, str] | None]:
    run = epoch.run
    agent = next(one for one in epoch.agents if one.name == worker)
    made = yield from attempt(
        run.spec.worker_of(agent, agent.model or run.model, run.context.model_seconds),
        [*before_goal(epoch.messages, epoch.goal), *_told(epoch, step, call, results)],
        get_config(),
        run.context.step_seconds,
    )
    if made.usage:
        total = row["usage"].setdefault(str(worker), dict(NOTHING))
        row["usage"][str(worker)] = {key: round(total[key] + made.usage.get(key, 0), 6) for key in total}
    kinds = {"late": "timeout", "budget": "budget", "empty": "empty"}
    if made.outcome != "done":
        return kinds.get(made.outcome, "error"), made.error or f"it ended with {made.outcome}"
    row["output"] = made.text
    return None


def _told(epoch: Epoch, step: PlanNode, call: Mapping[str, Any], results: Mapping[str, Any]) -> list[AnyMessage]:
    """What an agent is told: the goal and what the steps before gave, and then its step alone.

    Alone, because a graph may take the last human message for its task word by word, as a planner does.
    """
    if step.task[0] in epoch.calls:  # The whole goal is one step, perhaps after planned calls that did not lead there.
        gave = _gave([shorten(clean(text), SHOWN) for text in epoch.outputs.values() if text])
        return [*([HumanMessage(gave)] if gave else []), HumanMessage(epoch.goal)]
    before = {id_: text for id_, text in epoch.outputs.items() if id_ in epoch.plan.order[step.id] and text}
    before |= {int(id_): row["output"] for id_, row in results.items() if row.get("output")}
    gave = _gave([f"{epoch.plan.by_id[id_]}: {shorten(clean(text), SHOWN)}" for id_, text in sorted(before.items())])
    goal = f"The goal of the plan:\n{epoch.goal}" if epoch.goal else ""
    parts = ["You do one step of a plan. Do it, and say what came of it.", goal, gave]
    wanted = shown(call["name"], tuple(call["args"].values())) if call.get("edited") else str(step)
    return [HumanMessage("\n\n".join(part for part in parts if part)), HumanMessage(wanted)]


def _gave(lines: Sequence[str]) -> str:
    return "What the steps before gave:\n" + "\n".join(lines) if lines else ""


def _missing(epoch: Epoch, step: PlanNode, before: Any) -> Body[str]:
    """Which of the step's effects cannot be observed, in words; empty when all can or nobody looks."""
    operator = epoch.plan.domain.operator[step.task[0]]
    expected = operator.apply(before, step.task[1:])
    if epoch.run.spec.sense is None or not isinstance(expected, Facts):
        return ""
    seen = yield from looked(epoch.run, expected)
    for effect in operator.ground(step.task[1:])[1]:
        args = effect.args or ()
        wanted, there = expected.value(effect.name, args), seen.value(effect.name, args)
        # What others add meanwhile cannot be told from what it added.
        if wanted != there and not (effect.sign != "=" and epoch.is_shared(step.id, (effect.name, effect.args))):
            return f"{shown(effect.name, args)} is {_words(there)}, not {_words(wanted)}"
    return ""


def _failed(epoch: Epoch, step: PlanNode, row: dict[str, Any], kind: str, reason: str) -> dict[str, Any]:
    epoch.broken = True
    reason = shorten(clean(reason), 500)
    epoch.tell(step, "failed", row["worker"], reason)
    return {**row, "status": "failed", "kind": kind, "reason": reason}
