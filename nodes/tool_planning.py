"""Planning without a domain: a model proposes calls of the tools that there are; what can be used becomes a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool

from ..models import load_model
from ..styles import answer_style
from .ask import Reply, send
from .planning.domain import Domain
from .planning.tool_plans import MOST_CALLS, Planned, read_calls, tool_domain, whole
from .prompts import arguments_schema, only_text_argument
from .proposing import Attempt, Tell, summed, what_was_said
from .running import Body, Work
from .text import clean, shorten

TRIES = 2  # A plan is repaired once.
NO_TOOLS = "There are no tools, so the whole goal is one task for an agent."


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """A plan of tool calls.

    Attributes:
        calls: What is to be called; one call without a tool when the whole goal is left to an agent.
        domain: The same as a domain whose task "goal" they do.
        note: Why the goal is left to an agent; empty when it is not.
        attempts: Every answer of the model.
        usage: calls, tokens_in, tokens_out, seconds.
    """

    calls: tuple[Planned, ...]
    domain: Domain
    note: str
    attempts: tuple[Attempt, ...]
    usage: Mapping[str, float]


def plan_calls(
    tools: Mapping[str, BaseTool],
    goal: str,
    *,
    model: str | BaseChatModel,
    config: RunnableConfig,
    seconds: float | None = None,
    talk: Sequence[AnyMessage] = (),
    tell: Tell | None = None,
) -> Body[ToolPlan]:
    """Ask a model which tools to call, with what, and in which order; repaired once, else one task for an agent.

    One tool is asked about like several: it may have to be called more than once. Without tools nobody is asked.

    Args:
        tools: Name -> tool.
        goal: What is to be reached.
        model: Whom to ask.
        config: The run's config; its callbacks hold the budget.
        seconds: Time limit of each model call.
        talk: The conversation before the goal.
        tell: Called with "proposal" and task, said, refused after each answer.

    Raises:
        BudgetExceeded: The run's budget does not allow a model call.
        ConfigError: The model cannot be loaded.

    Example:
        plan = yield from plan_calls({"search": search}, "Who founded Oslo?", model=model, config=config)
    """
    attempts: list[Attempt] = []
    replies: list[Reply] = []
    if not tools:
        return ToolPlan(whole(goal), tool_domain(whole(goal)), NO_TOOLS, (), summed(()))
    chosen = model if isinstance(model, BaseChatModel) else (yield Work(load_model, (model,)))
    small = answer_style(chosen).small
    shapes = {name: arguments_schema(tool) for name, tool in tools.items()}
    asked = [*talk, *_question(tools, goal, small)]
    while len(attempts) < TRIES:
        reply = yield from send(chosen, asked, schema=_schema(tools, small), config=config, seconds=seconds)
        replies.append(reply)
        said, refused = what_was_said(reply), reply.failure or ""
        calls: tuple[Planned, ...] = ()
        if not refused:
            try:
                calls = read_calls(said, shapes)
            except ValueError as error:
                refused = clean(shorten(str(error), 1_000))
            asked += [AIMessage(said or "(empty)"), HumanMessage(f"That cannot be used. {refused} Answer again.")]
        attempts.append(Attempt(shorten(goal, 200), shorten(said, 1_000), refused))
        if tell is not None:
            tell("proposal", **attempts[-1].to_dict())
        if calls:
            return ToolPlan(calls, tool_domain(calls), "", tuple(attempts), summed(replies))
    note = f"No plan of tool calls could be used, so the whole goal is one task for an agent. {attempts[-1].refused}"
    return ToolPlan(whole(goal), tool_domain(whole(goal)), note, tuple(attempts), summed(replies))


def _question(tools: Mapping[str, BaseTool], goal: str, small: bool) -> list[AnyMessage]:
    if small:
        names = " or ".join(tools)
        return [*_examples(tools), HumanMessage(f"Use {names}. {goal}")]
    lines = [f"- {name}({_arguments(tool)}): {' '.join(tool.description.split())}" for name, tool in tools.items()]
    words = [
        "Plan which of these tools to call to reach the goal. Do not reach it yet.",
        *lines,
        "An input may use the result of an earlier call: $1 is the result of the first. A call waits for those whose "
        "results it uses, and for those whose numbers are in after; all others run side by side.",
        f'The goal, which is data:\n"""\n{goal}\n"""',
        'Answer with one JSON object: {"calls": [{"tool": "name", "input": {...}, "after": []}]}, with no call that is '
        "not needed.",
    ]
    return [HumanMessage("\n".join(words))]


def _examples(tools: Mapping[str, BaseTool]) -> list[AnyMessage]:
    """Worked examples that the tools bring along, for models that need to be shown."""
    shown: list[AnyMessage] = []
    for name, tool in tools.items():
        for example in (tool.metadata or {}).get("examples", ()):
            said = {"calls": [{"tool": name, "input": example["input"]}]}
            shown += [HumanMessage(example["question"]), AIMessage(json.dumps(said))]
    return shown


def _arguments(tool: BaseTool) -> str:
    properties = arguments_schema(tool).get("properties") or {}
    return ", ".join(f"{key}: {value.get('type', 'any')}" for key, value in properties.items())


def _schema(tools: Mapping[str, BaseTool], small: bool) -> dict[str, Any]:
    """A list of calls, each in the shape that its tool takes."""
    ways = [_shape(name, tool, small) for name, tool in tools.items()]
    items = ways[0] if len(ways) == 1 else {"anyOf": ways}
    calls = {"type": "array", "items": items, "minItems": 1, "maxItems": 4 if small else MOST_CALLS}
    return _object({"calls": calls})


def _shape(name: str, tool: BaseTool, small: bool) -> dict[str, Any]:
    given: dict[str, Any] = {"type": "object"}
    schema = arguments_schema(tool)
    if only_text_argument(tool):
        pattern = (tool.metadata or {}).get("pattern")
        text: dict[str, Any] = {"type": "string", "pattern": pattern} if small and pattern else {}
        given = text or {"type": "string", "maxLength": 300 if small else 1_000}
    elif schema.get("properties"):
        properties = {key: _or_reference(one) for key, one in schema["properties"].items()}
        given = {**schema, "properties": properties, "additionalProperties": False}
    parts = {"tool": {"type": "string", "const": name}, "input": given}
    if not small:
        parts["after"] = {"type": "array", "items": {"type": "integer"}, "maxItems": MOST_CALLS}
    return _object(parts)


def _or_reference(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What an argument takes, or a reference to a result; a text can be one as it is."""
    if schema.get("type") == "string" and "enum" not in schema:
        return dict(schema)
    return {"anyOf": [dict(schema), {"type": "string", "pattern": "^\\$[0-9]{1,2}$"}]}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
