"""Conflict resolution: six strategies as subgraphs, one of which is chosen by what the conflict is like.

The rule of choice stands in `nodes/conflict.py`, how each strategy decides in `nodes/strategies.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph

from ..agents import as_agents
from ..errors import ConfigError
from ..nodes import resolving
from ..nodes.conflict import STRATEGIES, checked_strategy
from ..nodes.consensus.counting import weight_of
from ..nodes.dispute import read_conflict
from ..nodes.resolving import (
    ResolutionContext,
    ResolutionInput,
    ResolutionOutput,
    ResolutionSpec,
    ResolutionState,
)
from ..nodes.running import Node, Route
from .negotiation import negotiation_within

STEPS = {
    "arbitration": "decide",
    "majority_rule": "count",
    "weighted_compromise": "weigh",
    "auction": "award",
    "game_theory": "solve",
}
"""Strategy -> the node of its subgraph."""


def create_resolution(
    agents: Sequence[Any],
    *,
    strategy: str = "auto",
    conflict: Mapping[str, Any] | None = None,
    arbiter: Any = None,
    mediator: Any = None,
    rounds: int = 5,
    threshold: Any = 0.8,
    model: str | BaseChatModel | None = None,
    name: str = "resolution",
) -> StateGraph[ResolutionState, ResolutionContext, ResolutionInput, ResolutionOutput]:
    """Return the conflict resolution graph, uncompiled, so that you choose the checkpointer and the store.

    The parties are asked for what is not known yet (what could be done, a ranking, a number, values, preferences), a
    strategy is chosen, and code settles the conflict by it. Nothing is decided that is below what a party accepts at
    least. How it went is remembered, in the store where there is one, else in the state of the thread: a strategy that
    fails in conflicts of a kind is passed over in the next one.

    Args:
        agents: The parties: `Agent`s (with a weight), names, chat models, or anything runnable with a unique name.
        strategy: auto, negotiation, arbitration, majority_rule, weighted_compromise, auction or game_theory.
        conflict: What it is about, see `nodes/dispute.py`: {"options": [...]}, {"issue": ..., "low": ..., "high": ...},
            {"issues": [...]}, {"items": [...]} or {"payoffs": [...]}, with the preferences that are known. Without it
            the parties propose what could be done. It may come with the input instead.
        arbiter: An agent that decides when arbitration is chosen; without one arbitration goes by rule.
        mediator: An agent that speaks for a text that all negotiate about, instead of offers of their own.
        rounds: Rounds of negotiation at most.
        threshold: Of a negotiation, see `create_negotiation`.
        model: The model of agents without one; None takes the run's context (default `embedded`).
        name: The graph's name in its closing message.

    Returns:
        A graph over `messages`, `conflict` and `history`. Its output: `outcome` (an option, a number, issue -> value,
        item -> owner, a profile in words or a lottery over such, by the conflict's kind; or None), `answer`, `stop`
        (resolved, unresolved, budget), `strategy`, `features` (what led to it), `rationale`, `positions` (list of
        {party, position, reason, error}), `utilities`, `payments`, `tied`, `history` (list of {features, strategy,
        resolved, outcome, rationale}), `usage`; of a negotiation also `deal`, `agreement` and `offers`.

    Raises:
        ConfigError: An argument is wrong; the message says which and what is allowed.

    Example:
        from langgraph_agora import Agent, create_resolution

        sides = [Agent("ann", role="You want tea."), Agent("bob", role="You want coffee."), Agent("cem")]
        graph = create_resolution(sides, conflict={"options": ["tea", "coffee", "cocoa"]}, model="embedded").compile()
        result = graph.invoke({"messages": [("user", "What shall the office drink?")]})
        print(result["strategy"], result["outcome"], result["rationale"])
    """
    known = as_agents(agents, least=2)
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise ConfigError(f"rounds was {rounds!r}; give a whole number, at least 1.")
    if model is not None and not isinstance(model, str | BaseChatModel):
        raise ConfigError(f"model was {model!r}; give a chat model or the name of one.")
    for agent in known:
        weight_of(agent.name, agent.weight)
    read_conflict(conflict, [agent.name for agent in known])
    judges = () if arbiter is None else as_agents([arbiter])
    if judges and judges[0].name in [agent.name for agent in known]:
        raise ConfigError(f"The arbiter is named {judges[0].name!r}, as a party is. Nobody judges its own conflict.")
    spec = ResolutionSpec(
        name=name,
        agents=known,
        strategy=checked_strategy(strategy),
        conflict=conflict,
        arbiter=judges[0] if judges else None,
        rounds=rounds,
        model=model,
    )
    builder = StateGraph(
        ResolutionState, context_schema=ResolutionContext, input_schema=ResolutionInput, output_schema=ResolutionOutput
    )
    builder.add_node("hear", Node(resolving.hear, spec, "hear"))
    builder.add_node("choose", Node(resolving.choose, spec, "choose"))
    builder.add_node("conclude", Node(resolving.conclude, spec, "conclude"))
    talks = negotiation_within(known, rounds=rounds, threshold=threshold, mediator=mediator, model=model)
    builder.add_node("negotiation", talks.compile(name="negotiation"))
    for way in STEPS:
        builder.add_node(way, _way(way, spec).compile(name=way))
    builder.add_edge(START, "hear")
    builder.add_edge("hear", "choose")
    builder.add_conditional_edges("choose", Route(resolving.way_to), [*STRATEGIES, "conclude"])
    for way in STRATEGIES:
        builder.add_edge(way, "conclude")
    builder.add_edge("conclude", END)
    return builder


def _way(
    way: str, spec: ResolutionSpec
) -> StateGraph[ResolutionState, ResolutionContext, ResolutionState, resolving.Settled]:
    """The subgraph of a strategy."""
    builder = StateGraph(ResolutionState, context_schema=ResolutionContext, output_schema=resolving.Settled)
    builder.add_node(STEPS[way], Node(partial(resolving.settle_by, way), spec, STEPS[way]))
    builder.add_edge(START, STEPS[way])
    builder.add_edge(STEPS[way], END)
    return builder


graph = create_resolution(["ann", "bob", "cem"]).compile(name="resolution")
"""The graph for LangGraph Studio: three parties, and the model of the run's context; `conflict` may be given."""
