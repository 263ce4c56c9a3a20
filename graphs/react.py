"""ReAct: one agent that thinks, acts and observes in turn, with a loop guard (Yao et al. 2023, arXiv 2210.03629)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langchain_core.tools import tool as to_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph import END, START, StateGraph

from ..errors import ConfigError, nearest
from ..memory import Memory
from ..nodes import react
from ..nodes.react import ReactContext, ReactInput, ReactOutput, ReactSpec, ReactState
from ..nodes.running import Node, Route
from ..nodes.steps import RESERVED
from ..tools import calculate


def create_react(
    tools: Sequence[BaseTool | Callable[..., Any]] = (),
    *,
    max_steps: int = 10,
    loop_guard: bool = True,
    approve: Collection[str] = (),
    memory: Memory | None = None,
    model: str | BaseChatModel | None = None,
    name: str = "react",
    polling: Collection[str] = (),
    instructions: str = "",
) -> StateGraph[ReactState, ReactContext, ReactInput, ReactOutput]:
    """Return the ReAct graph, uncompiled, so that you choose the checkpointer.

    Each step is one model call that gives thought, action and input; the actions are the tools, `reason`, `plan` and
    `final_answer`. A failing, unknown or hanging tool is an observation, not an exception. The loop guard ends a run
    that brings nothing new within two model calls after it was noticed.

    Args:
        tools: LangChain tools or documented functions.
        max_steps: At most so many model calls; the last one is asked for the answer.
        loop_guard: Whether to watch for loops (see `langgraph_agora.nodes.meta.find_loop`).
        approve: Names of tools that wait for a person: an `interrupt` with Approve, Edit and Reject.
        memory: Recalls texts from earlier runs; they are quoted to the model as data. When it fails, the run goes on
            without, and an event "memory" says why.
        model: A model, or a name for `load_model`; None takes the run's context (default `embedded`).
        name: The agent's name: in `usage`, in the closing message, of the module-level graph.
        polling: Names of tools whose job is to be asked again, exempt from the loop guard.
        instructions: Words that stand before the conversation.

    Returns:
        A graph over `messages`. Its output: `answer` (text, never empty), `stop` (answer, loop, max_steps, budget, or
        error when the model failed), `steps` (list of {number, thought, action, input, observation, is_error,
        confidence, started, seconds, metadata}), `usage` (agent -> calls, tokens_in, tokens_out, seconds), `quality`
        (a heuristic), `error` (why it stopped early, or None).

    Raises:
        ConfigError: An argument is wrong; the message says which and what is allowed.

    Example:
        from langgraph_agora import create_react
        from langgraph_agora.tools import calculate

        graph = create_react([calculate], model="embedded").compile()
        result = graph.invoke({"messages": [("user", "What is 17 * 23?")]})
        print(result["answer"], result["stop"])
    """
    if memory is not None and not callable(getattr(memory, "recall", None)):
        raise ConfigError(f"memory was {memory!r:.80}; give an ExperienceMemory, or an object with recall(task, k).")
    known = as_tools(tools)
    spec = ReactSpec(
        name=name,
        tools=known,
        offers={name: convert_to_openai_tool(tool) for name, tool in known.items()},
        max_steps=react.checked_steps(max_steps),
        loop_guard=loop_guard,
        approve=_known_names("approve", approve, known),
        polling=_known_names("polling", polling, known),
        memory=memory,
        model=model,
        instructions=instructions,
    )
    builder = StateGraph(ReactState, context_schema=ReactContext, input_schema=ReactInput, output_schema=ReactOutput)
    builder.add_node("think", Node(react.think, spec, "think"))
    builder.add_node("act", Node(react.act, spec, "act"))
    builder.add_edge(START, "think")
    builder.add_conditional_edges("think", Route(react.after_think), ["act", END])
    builder.add_edge("act", "think")
    return builder


def as_tools(given: Sequence[BaseTool | Callable[..., Any]]) -> dict[str, BaseTool]:
    """Return LangChain tools by name, functions made into tools.

    Raises:
        ConfigError: One cannot be a tool, is named like an action of the agent, or like another one.
    """
    known: dict[str, BaseTool] = {}
    for entry in given:
        if not isinstance(entry, BaseTool) and not callable(entry):
            raise ConfigError(f"A tool is a LangChain tool or a function; {entry!r} was given.")
        try:
            tool = entry if isinstance(entry, BaseTool) else to_tool(entry)
        except ValueError as error:
            raise ConfigError(f"{entry!r} cannot be a tool: {error}") from error
        if tool.name in RESERVED:
            raise ConfigError(f"A tool cannot be named {tool.name!r}: {', '.join(RESERVED)} are actions of the agent.")
        if tool.name in known:
            raise ConfigError(f"Two tools are named {tool.name!r}. Give each its own name.")
        known[tool.name] = tool
    return known


def _known_names(argument: str, names: Collection[str], known: dict[str, BaseTool]) -> frozenset[str]:
    for name in [names] if isinstance(names, str) else names:
        if name not in known:
            there = ", ".join(known) or "none"
            raise ConfigError(f"{argument} names {name!r}, which is no tool. Tools: {there}.{nearest(name, known)}")
    return frozenset([names] if isinstance(names, str) else names)


graph = create_react([calculate]).compile(name="react")
"""The graph for LangGraph Studio: the calculator, and the model of the run's context."""
