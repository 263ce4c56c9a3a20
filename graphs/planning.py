"""Planning: tasks are decomposed by tested code, carried out by tools and agents, and mended when something breaks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, StateGraph

from ..agents import Agent, as_agents
from ..errors import ConfigError, nearest
from ..nodes import planner
from ..nodes.plan_state import (
    PlannerContext,
    PlannerInput,
    PlannerOutput,
    PlannerSpec,
    PlannerState,
)
from ..nodes.plan_steps import SIMULATION, TOOLS, able
from ..nodes.planning.domain import Domain
from ..nodes.planning.domain_files import Problem, read_problem
from ..nodes.planning.plan import EMPTY
from ..nodes.running import Node, Route
from ..tools import calculate
from .react import as_tools
from .workers import worker_of


def create_planner(
    domain: Domain | Problem | str | None = None,
    *,
    tools: Sequence[BaseTool | Callable[..., Any]] = (),
    agents: Sequence[Any] = (),
    max_replans: int = 3,
    approve: Collection[str] = (),
    sense: Callable[..., Mapping[str, Any] | None] | None = None,
    model: str | BaseChatModel | None = None,
    name: str = "planner",
) -> StateGraph[PlannerState, PlannerContext, PlannerInput, PlannerOutput]:
    """Return the planner graph, uncompiled, so that you choose the checkpointer.

    A plan is found by search over the domain's methods; a model is asked only for a task that none of them does, and
    what it proposes is simulated before it is used. Each step is done by the tool of its name, or by an agent with its
    name among its skills, as soon as what it needs is done: independent steps run side by side. Before a step its
    preconditions are checked in the state that `sense` sees, and afterwards its effects. When a step fails, the plan is
    mended: a contingency that was stored for it is taken; else the smallest part of the plan is decomposed another way;
    else the whole is planned anew, and what was done is not done again. What failed is not tried again.

    Without a domain the model plans calls of the tools; when they do not lead to the goal, an agent with the tools is
    given it.

    Args:
        domain: A `Domain`, a `Problem` (a domain with a state and tasks), the text of a domain file, or None.
        tools: Named like operators; they are called with the operator's arguments.
        agents: `Agent`s or anything runnable with a name, for operators without a tool; each does one step at a time.
            Without tools and agents a run is a simulation: only effects are applied.
        max_replans: How often the plan may be mended.
        approve: Names of operators (or of tools, without a domain) that wait for a person: an `interrupt` with Approve,
            Edit and Reject.
        sense: Looks at the world: called with the state that is believed (or with nothing), returns variable -> value
            for what it sees.
        model: The model of agents without one; None takes the run's context (default `embedded`).
        name: The graph's name in its closing message.

    Returns:
        A graph over `messages` (the tasks are the last human message, one a line; else those of the problem), or
        `tasks` (names, or lists of a name and arguments) and `state` (changes of the state at the start). Its output:
        `answer`, `stop` (done; no_plan, limit: nothing was begun; exhausted: something failed and there is no other
        way; max_replans; budget), `success`, `plan`, `completed` (list of {id, task, output, worker, started, seconds,
        attempts}), `remaining` (list of {id, task}), `final_state`, `trace` (list of {event, at, ...}), `replans`,
        `explanation`, `domain` (a domain file as JSON, with the methods that a model made; else None), `proposals`
        (list of {task, said, refused}), `usage`.

    Raises:
        ConfigError: An argument is wrong; the message says which and what is allowed.

    Example:
        from langgraph_agora import create_planner
        from langgraph_agora.nodes.planning import Domain, Method, Operator

        def boil(): "Boil water."; return "water boils"
        def brew(): "Brew tea."; return "tea is ready"

        operators = [Operator("boil", eff=[("hot", "=", True)]), Operator("brew", pre=[("hot", "==", True)])]
        domain = Domain(operators, [Method("classic", "tea", subtasks=[("s1", "boil"), ("s2", "brew")])])
        result = create_planner(domain, tools=[boil, brew]).compile().invoke({"tasks": ["tea"]})
        print(result["answer"], result["success"])
    """
    for what, given in (("tools", tools), ("agents", agents)):
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise ConfigError(f"{what} was {given!r}; give a list.")
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"name was {name!r}; give the graph a name.")
    problem = _problem(domain)
    known = as_tools(tools)
    people = as_agents(agents, least=0)
    for agent in people:
        if agent.name in (TOOLS, SIMULATION):
            raise ConfigError(f"An agent is named {agent.name!r}, which stands for other doers; give it another name.")
    if isinstance(max_replans, bool) or not isinstance(max_replans, int) or max_replans < 0:
        raise ConfigError(f"max_replans was {max_replans!r}; give a whole number of at least 0.")
    if sense is not None and (not callable(sense) or inspect.iscoroutinefunction(sense)):
        raise ConfigError(f"sense was {sense!r}; give a plain function of the state, or leave it out.")
    if model is not None and not isinstance(model, str | BaseChatModel):
        raise ConfigError(f"model was {model!r}; give a chat model or the name of one.")
    if problem is not None:
        _check_doers(problem.domain, known, people)
    _check_approve(approve, problem.domain.operator if problem else known)
    spec = PlannerSpec(
        name=name,
        problem=problem,
        tools=known,
        agents=people,
        max_replans=max_replans,
        approve=frozenset([approve] if isinstance(approve, str) else approve),
        sense=sense,
        model=model,
        worker_of=worker_of,
    )
    builder = StateGraph(
        PlannerState, context_schema=PlannerContext, input_schema=PlannerInput, output_schema=PlannerOutput
    )
    builder.add_node("plan", Node(planner.plan, spec, "plan"))
    builder.add_node("execute", Node(planner.execute, spec, "execute"))
    builder.add_node("mend", Node(planner.mend, spec, "mend"))
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", Route(planner.after_plan), ["execute", END])
    builder.add_conditional_edges("execute", Route(planner.after_execute), ["mend", END])
    builder.add_conditional_edges("mend", Route(planner.after_mend), ["execute", END])
    return builder


def _problem(given: Any) -> Problem | None:
    if given is None or isinstance(given, Problem):
        return given
    if isinstance(given, Domain):
        return Problem(given, {}, EMPTY)
    if isinstance(given, str):
        return read_problem(given)
    raise ConfigError(f"domain was {type(given).__name__}; give a Domain, a Problem, or the text of a domain file.")


def _check_doers(domain: Domain, tools: Mapping[str, BaseTool], agents: Sequence[Agent]) -> None:
    """Every operator needs somebody who does it, as soon as there is anybody."""
    if not tools and not agents:
        return
    for operator in domain.operators:
        if operator.name not in tools and not able(agents, operator.name):
            raise ConfigError(
                f"Nobody does {operator.name!r}: give a tool of this name, or an agent with it among its skills."
                f"{nearest(operator.name, tools)}"
            )


def _check_approve(approve: Collection[str], known: Mapping[str, Any]) -> None:
    if not isinstance(approve, Collection):
        raise ConfigError(f"approve was {approve!r}; give a list of names, of: {', '.join(known) or 'none'}.")
    for name in [approve] if isinstance(approve, str) else approve:
        if not isinstance(name, str) or name not in known:
            raise ConfigError(
                f"approve names {name!r}; give of: {', '.join(known) or 'none'}.{nearest(str(name), known)}"
            )


graph = create_planner(tools=[calculate]).compile(name="planning")
"""The graph for LangGraph Studio: a plan made from the calculator alone, and the model of the run's context."""
