"""Negotiation: agents argue in words, code works out the offers, and no deal is worse for anybody than none.

The protocols and their sources stand in `nodes/protocols.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph

from ..agents import as_agents
from ..errors import ConfigError
from ..nodes import negotiating
from ..nodes.issues import Issue, issues_from
from ..nodes.negotiating import (
    NegotiationContext,
    NegotiationFacts,
    NegotiationInput,
    NegotiationOutput,
    NegotiationSpec,
    NegotiationState,
)
from ..nodes.negotiation import Scenario, begin
from ..nodes.protocols import MEDIATOR
from ..nodes.running import Node, Route
from ..nodes.wishes import indifferent

Output = TypeVar("Output", NegotiationOutput, NegotiationFacts)


def create_negotiation(
    agents: Sequence[Any],
    *,
    issues: Any = (),
    preferences: Mapping[str, Any] | None = None,
    rounds: int | None = 5,
    threshold: Any = 0.8,
    protocol: str = "zeuthen",
    concession: str = "linear",
    veto: Collection[str] = (),
    needed: int | None = None,
    mediator: Any = None,
    model: str | BaseChatModel | None = None,
    name: str = "negotiation",
) -> StateGraph[NegotiationState, NegotiationContext, NegotiationInput, NegotiationOutput]:
    """Return the negotiation graph, uncompiled, so that you choose the checkpointer.

    Every agent first says in private what it wants: how much each issue counts, how good each value is, and when it
    would rather walk away. Then rounds follow: the protocol works out who concedes and what is offered, and the agents'
    models argue for their offers in words. What an argument gives away of an agent's own numbers is listed.

    Args:
        agents: `Agent`s, names, chat models, or anything runnable with a unique name; 2 to 20.
        issues: What is negotiated about: [{"name": "price", "values": [10, 20]}, {"name": "weeks", "low": 1, "high":
            4}], or {"price": [10, 20]}. Without it they come with the input.
        preferences: Agent -> {"weights": {issue: number}, "scores": {issue: {value: number} | "low" | "high"},
            "reservation": 0 to 1}; those agents are not asked what they want.
        rounds: Rounds at most; then the best offer on the table is the deal, or the fairest one is found (arbitrated).
            None: as many as it takes, with zeuthen.
        threshold: The agreement score from which a deal counts as converged: the smallest share of what somebody could
            gain, of the best that this can be.
        protocol: zeuthen (monotonic concession, ends at the Nash point), alternating (offers in turn), or mediated (one
            text that a mediator improves).
        concession: How demands fall in alternating: linear, boulware (late) or conceder (early).
        veto: Agents without which no deal passes.
        needed: How many agents must be satisfied; all without it.
        mediator: An agent that speaks for the text of the mediated protocol.
        model: The model of agents without one; None takes the run's context (default `embedded`).
        name: The graph's name in its closing message.

    Returns:
        A graph over `messages`, and `issues` and `preferences` as JSON. Its output: `deal` (issue -> value, or None),
        `answer`, `stop` (agreed, escalated, arbitrated, no_deal, budget), `agreement` (0 to 1), `converged`, `rounds`,
        `offers` (list of {round, party, offer, utilities, conceded, argument, error}), `utilities`, `gains`,
        `distances` (to the efficient deals, the Nash and the Kalai-Smorodinsky point), `leaks` (list of {round, party,
        kind, issue, quote}), `rationale`, `unheard` (agent -> why it is taken for indifferent), `scenario` (issues,
        agents with their preferences, veto, needed), `over` (why a budget ended the words), `usage`.

    Raises:
        ConfigError: An argument is wrong; the message says which and what is allowed.

    Example:
        from langgraph_agora import Agent, create_negotiation

        sides = [Agent("seller", role="You sell a bicycle."), Agent("buyer", role="You want a cheap bicycle.")]
        issues = [{"name": "price", "low": 50, "high": 150, "step": 10}, {"name": "lock", "values": ["no", "yes"]}]
        graph = create_negotiation(sides, issues=issues, model="embedded").compile()
        result = graph.invoke({"messages": [("user", "Agree on the sale of the bicycle.")]})
        print(result["deal"], result["agreement"])
    """
    spec = _spec_of(
        agents, issues, preferences, rounds, threshold, protocol, concession, veto, needed, mediator, model, name
    )
    return _builder(spec, NegotiationOutput)


def negotiation_within(
    agents: Sequence[Any],
    *,
    rounds: int,
    threshold: Any,
    mediator: Any = None,
    model: str | BaseChatModel | None = None,
) -> StateGraph[NegotiationState, NegotiationContext, NegotiationInput, NegotiationFacts]:
    """The negotiation as a part of another graph: it writes no message, and issues and preferences come with the state.

    With a mediator one text is negotiated about.
    """
    protocol = "zeuthen" if mediator is None else "mediated"
    spec = _spec_of(agents, (), None, rounds, threshold, protocol, "linear", (), None, mediator, model, "negotiation")
    return _builder(spec, NegotiationFacts)


def _spec_of(
    agents: Sequence[Any],
    issues: Any,
    preferences: Mapping[str, Any] | None,
    rounds: int | None,
    threshold: Any,
    protocol: str,
    concession: str,
    veto: Collection[str],
    needed: int | None,
    mediator: Any,
    model: str | BaseChatModel | None,
    name: str,
) -> NegotiationSpec:
    known = as_agents(agents, least=2)
    names = [agent.name for agent in known]
    if MEDIATOR in names:
        raise ConfigError(f"An agent is named {MEDIATOR!r}, as is who holds the text; give it another name.")
    if isinstance(veto, str):
        raise ConfigError(f"veto was {veto!r}; give a list of agents' names.")
    if model is not None and not isinstance(model, str | BaseChatModel):
        raise ConfigError(f"model was {model!r}; give a chat model or the name of one.")
    # All terms but the preferences can be checked now, on a trial in which nobody minds anything.
    trial = issues_from(issues) if issues else (Issue("trial", (0, 1)),)
    given = negotiating.given_preferences(preferences or {}, names)
    if issues:
        Scenario(trial, {one: given.get(one) or indifferent(trial) for one in names}, veto=veto, needed=needed)
    begin(
        Scenario(trial[:1], {one: indifferent(trial[:1]) for one in names}, veto=veto, needed=needed),
        protocol=protocol,
        concession=concession,
        rounds=rounds,
        threshold=threshold,
    )
    if mediator is not None and protocol != "mediated":
        raise ConfigError(f"A mediator was given; it speaks only in the protocol mediated, and this is {protocol}.")
    speaker = None if mediator is None else as_agents([mediator])[0]
    return NegotiationSpec(
        name=name,
        agents=known,
        issues=trial if issues else (),
        preferences=given,
        protocol=protocol,
        concession=concession,
        rounds=rounds,
        threshold=threshold,
        veto=tuple(veto),
        needed=needed,
        mediator=None if speaker is None else replace(speaker, name=MEDIATOR),
        model=model,
    )


def _builder(
    spec: NegotiationSpec, output: type[Output]
) -> StateGraph[NegotiationState, NegotiationContext, NegotiationInput, Output]:
    builder = StateGraph(
        NegotiationState, context_schema=NegotiationContext, input_schema=NegotiationInput, output_schema=output
    )
    builder.add_node("elicit", Node(negotiating.elicit, spec, "elicit"))
    builder.add_node("talk", Node(negotiating.talk, spec, "talk"))
    builder.add_edge(START, "elicit")
    builder.add_conditional_edges("elicit", Route(negotiating.after), ["talk", END])
    builder.add_conditional_edges("talk", Route(negotiating.after), ["talk", END])
    return builder


SALE = (
    {"name": "price", "low": 50, "high": 150, "step": 10},
    {"name": "delivery", "values": ["collect it", "bring it"]},
)
graph = create_negotiation(["seller", "buyer"], issues=SALE).compile(name="negotiation")
"""The graph for LangGraph Studio: two agents, a sale, and the model of the run's context; `issues` may be given."""
