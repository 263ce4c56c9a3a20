"""Who takes part: a named participant with a role, skills, tools, a weight and a model of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import ConfigError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import Runnable


@dataclass(frozen=True)
class Agent:
    """A participant of a pattern.

    Args:
        name: How the others know it; unique within a pattern.
        role: What it is and how it looks at things, in words for its model.
        skills: What it can do, for patterns that share out work.
        tools: What it may call, for patterns that do work.
        weight: Its weight in a weighted vote, its stake where there is one.
        model: Its model, or a name for `load_model`; None takes the pattern's.
        runnable: Anything that answers `{"messages": [...]}` instead of a model: a graph, a chain.

    Example:
        >>> Agent("ann", role="You count twice before you speak.", weight=2).weight
        2
    """

    name: str
    role: str = ""
    skills: Sequence[str] = ()
    tools: Sequence[Any] = ()
    weight: float = 1
    model: str | BaseChatModel | None = None
    runnable: Runnable[Any, Any] | None = field(default=None, compare=False)


def as_agents(given: Sequence[Any], *, least: int = 1) -> tuple[Agent, ...]:
    """Return participants as `Agent`s: agents as they are, names, chat models and runnables that have a name.

    Args:
        given: Agents, names, or anything runnable with a unique `.name`.
        least: How many the pattern needs.

    Raises:
        ConfigError: Too few, one without a name, or two of one name.

    Example:
        >>> [agent.name for agent in as_agents(["ann", Agent("bob")])]
        ['ann', 'bob']
    """
    if isinstance(given, str | int) or not isinstance(given, Sequence):
        raise ConfigError(f"agents was {given!r}; give a list of Agent, of names, or of runnables with a name.")
    agents = tuple(_as_agent(one) for one in given)
    if len(agents) < least:
        raise ConfigError(f"{len(agents)} agents were given; at least {least} {'is' if least == 1 else 'are'} needed.")
    names = [agent.name for agent in agents]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two agents are named {name!r}. Give each its own name.")
    return agents


def _as_agent(given: Any) -> Agent:
    if isinstance(given, Agent):
        agent = given
    elif isinstance(given, str):
        agent = Agent(given)
    else:
        from langchain_core.language_models import BaseChatModel  # noqa: PLC0415  (heavy, and plain agents need none)
        from langchain_core.runnables import Runnable, RunnableLambda  # noqa: PLC0415

        runnable = given if isinstance(given, Runnable) or not callable(given) else RunnableLambda(given)
        if not isinstance(runnable, Runnable):
            raise ConfigError(f"An agent is an Agent, a name, or something runnable with a name; {given!r} was given.")
        name = getattr(given, "name", None) or getattr(given, "__name__", "")
        own = {"model": given} if isinstance(given, BaseChatModel) else {"runnable": runnable}
        agent = Agent(str(name), **own)
    if not isinstance(agent.role, str):
        raise ConfigError(f"The role of {agent.name!r} was {agent.role!r}; give words, or leave it out.")
    if not isinstance(agent.name, str) or not agent.name.strip():
        raise ConfigError(f"An agent has no name: {given!r}. Give each a unique name.")
    return agent
