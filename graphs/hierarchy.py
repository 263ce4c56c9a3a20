"""Hierarchy: a coordinator breaks a task down, a team does the parts at the same time, and the results are judged."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph

from ..agents import Agent, as_agents
from ..errors import ConfigError, nearest
from ..nodes import hierarchy
from ..nodes.breakdown import skill_key
from ..nodes.hierarchy import HierarchyInput, HierarchyOutput, HierarchyState
from ..nodes.running import Node, Route
from ..nodes.teamwork import HierarchyContext, HierarchySpec
from .react import create_react
from .workers import worker_of

DEEPEST = 5


def create_hierarchy(
    agents: Sequence[Any],
    *,
    max_depth: int = 2,
    max_attempts: int = 2,
    approve: Collection[str] | bool = (),
    capacity: int = 1,
    accept: Callable[[str, str], bool | str] | None = None,
    model: str | BaseChatModel | None = None,
    name: str = "hierarchy",
) -> StateGraph[HierarchyState, HierarchyContext, HierarchyInput, HierarchyOutput]:
    """Return the hierarchy graph, uncompiled, so that you choose the checkpointer and the store.

    A coordinator (the model) breaks the task down into subtasks with skills and dependencies; large ones go to
    sub-coordinators. Who does what is decided by code, whenever somebody is free: minimum-cost matching over skills,
    load and kept promises. Each subtask starts when what it needs is there; who fails, refuses, delivers nothing or is
    late is replaced by another agent. The results are put together to an answer that cites them, and judged.

    Args:
        agents: The team: `Agent`s (with `skills`, and a `runnable`, `tools` or a model to work with), names, chat
            models, or anything runnable with a unique name, such as agents of `create_agent` and compiled graphs.
        max_depth: How many levels of subtasks there are at most; with 1 there are no sub-coordinators.
        max_attempts: How many agents try a subtask at most.
        approve: Names of agents and of skills whose subtasks wait for a person, or True for all: one `interrupt` with
            Approve, Edit and Reject for each, before the work begins. Nobody but the agent that was shown does what
            was approved. Needs a checkpointer.
        capacity: How many subtasks an agent works on at the same time.
        accept: Your test of a result: subtask, text -> True, or False or words that say what is wrong. It has the time
            limit of an attempt; what raises or returns anything else rejects the result.
        model: The model of the coordinators, and of agents without one; None takes the run's context (default
            `embedded`).
        name: The coordinator's name in `usage`, in the trace and in the closing message.

    Returns:
        A graph over `messages` (the task is the last human message) and perhaps `track_record`. Its output: `answer`,
        `stop` (answer, partial: something is missing, failed: nothing was done, budget), `plan` (list of {id, task,
        skills, after, effort, parent, depth, kind: work or join}), `delegation` (id -> {agent, reason, attempts: list
        of {agent, outcome, error}}), `results` (id -> {text, agent, status, error}; status: done, partial when the
        text is not all, failed, refused or skipped),
        `trace` (list of {subtask, after, agent, started, ended, outcome, error}), `performance` (makespan,
        critical_path, parallelism, success_rate, reassignments, agents), `verdict` ({complete, missing, reason}),
        `notes` (what was mended of the plan), `track_record` (agent -> {kept, broken}), `usage`.

    Raises:
        ConfigError: An argument is wrong; the message says which and what is allowed.

    Example:
        from langgraph_agora import Agent, create_hierarchy

        team = [Agent("ann", role="You look things up.", skills=["research"]), Agent("bob", skills=["writing"])]
        graph = create_hierarchy(team, model="embedded").compile()
        result = graph.invoke({"messages": [("user", "Write a short text about the sea.")]})
        print(result["answer"], result["verdict"], result["performance"]["makespan"])
    """
    known = as_agents(agents)
    for argument, number, most in (
        ("max_depth", max_depth, DEEPEST),
        ("max_attempts", max_attempts, None),
        ("capacity", capacity, None),
    ):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1 or (most and number > most):
            up_to = f" from 1 to {most}" if most else ", at least 1"
            raise ConfigError(f"{argument} was {number!r}; give a whole number{up_to}.")
    if accept is not None and (not callable(accept) or inspect.iscoroutinefunction(accept)):
        raise ConfigError(f"accept was {accept!r}; give a plain function of the subtask and the text, or leave it out.")
    if model is not None and not isinstance(model, str | BaseChatModel):
        raise ConfigError(f"model was {model!r}; give a chat model or the name of one.")
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"name was {name!r}; give words: the coordinator is called so.")
    if name in [agent.name for agent in known]:
        raise ConfigError(f"An agent is named {name!r}, as the coordinator is. Give it another name, or set name=.")
    for agent in known:
        _check(agent)
    spec = HierarchySpec(
        name=name,
        agents=tuple(sorted(known, key=lambda agent: agent.name)),  # Nothing depends on their order.
        max_depth=max_depth,
        max_attempts=max_attempts,
        approve=_known_names(approve, known),
        capacity=capacity,
        accept=accept,
        model=model,
        worker_of=worker_of,
    )
    builder = StateGraph(
        HierarchyState, context_schema=HierarchyContext, input_schema=HierarchyInput, output_schema=HierarchyOutput
    )
    builder.add_node("plan", Node(hierarchy.plan, spec, "plan"))
    builder.add_node("subdivide", Node(hierarchy.subdivide, spec, "subdivide"))
    builder.add_node("approve", Node(hierarchy.approve, spec, "approve"))
    builder.add_node("work", Node(hierarchy.work, spec, "work"))
    builder.add_node("conclude", Node(hierarchy.conclude, spec, "conclude"))
    ways = ["subdivide", "approve", "conclude"]
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", Route(hierarchy.after_plan), ways)
    builder.add_conditional_edges("subdivide", Route(hierarchy.after_plan), ways)
    builder.add_edge("approve", "work")
    builder.add_edge("work", "conclude")
    builder.add_edge("conclude", END)
    return builder


def _check(agent: Agent) -> None:
    skills = agent.skills
    listed = isinstance(skills, Collection) and not isinstance(skills, str)
    if not listed or not all(isinstance(skill, str) and skill_key(skill) for skill in skills):
        raise ConfigError(f"The skills of {agent.name!r} were {skills!r}; give a list of words.")
    if not isinstance(agent.tools, Collection) or isinstance(agent.tools, str):
        raise ConfigError(f"The tools of {agent.name!r} were {agent.tools!r}; give a list of tools.")
    if agent.tools:
        create_react(list(agent.tools))  # What is no tool is refused now, and not as a subtask that failed.
    if agent.runnable is not None and not isinstance(agent.runnable, Runnable):
        raise ConfigError(f"The runnable of {agent.name!r} was {agent.runnable!r}; give a graph or another Runnable.")
    if agent.model is not None and not isinstance(agent.model, str | BaseChatModel):
        raise ConfigError(f"The model of {agent.name!r} was {agent.model!r}; give a chat model or the name of one.")


def _known_names(approve: Collection[str] | bool, agents: Sequence[Agent]) -> frozenset[str] | bool:
    if isinstance(approve, bool):
        return approve
    if not isinstance(approve, Collection):
        raise ConfigError(f"approve was {approve!r}; give names of agents and skills, or True for all.")
    names = {agent.name for agent in agents}
    skills = {skill_key(skill): skill for agent in agents for skill in agent.skills}
    given = [approve] if isinstance(approve, str) else list(approve)
    for name in given:
        if name not in names and (not isinstance(name, str) or skill_key(name) not in skills):
            known = sorted({*names, *skills.values()})
            raise ConfigError(
                f"approve names {name!r}, which is no agent and no skill. Known: {', '.join(known)}."
                f"{nearest(str(name), known)}"
            )
    return frozenset(given)


graph = create_hierarchy(["ann", "bob", "cem"]).compile(name="hierarchy")
"""The graph for LangGraph Studio: a team of three, and the model of the run's context."""
