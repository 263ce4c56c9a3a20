"""Who does an agent's work in a pattern that hands out tasks: its own graph, or a ReAct agent with its tools."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from ..agents import Agent
from ..nodes.react import ReactContext
from .react import create_react


def worker_of(agent: Agent, model: str | BaseChatModel, model_seconds: float) -> Runnable[Any, Any]:
    """Return what answers `{"messages": [...]}` for an agent.

    Args:
        agent: Its `runnable` does the work when it has one; else ReAct with its tools, its role as instructions.
        model: For agents without a runnable.
        model_seconds: Time limit of its model calls.

    Example:
        >>> worker_of(Agent("ann"), "embedded", 120).bound.name
        'ann'
    """
    if agent.runnable is not None:
        return agent.runnable
    builder = create_react(agent.tools, model=model, name=agent.name, instructions=agent.role)
    return builder.compile(name=agent.name).bind(context=ReactContext(model_seconds=model_seconds))
