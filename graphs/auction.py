"""Auction: agents bid for tasks, the winner does the work, and who keeps its promises has it easier next time.

The protocol is the Contract Net (Smith 1980); the prices are those of `nodes/auctions.py`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph

from ..agents import Agent, as_agents
from ..errors import ConfigError, nearest
from ..nodes import bidding
from ..nodes.bidding import AuctionInput, AuctionOutput, AuctionState
from ..nodes.bids import LARGEST
from ..nodes.contracts import KINDS
from ..nodes.deliveries import AuctionContext, AuctionSpec
from ..nodes.running import Node, Route
from .react import create_react
from .workers import worker_of


def create_auction(
    agents: Sequence[Any],
    *,
    kind: str = "vickrey",
    reserve: float | None = None,
    capacity: int = 1,
    step: float = 1,
    accept: Callable[[str, str], bool | str] | None = None,
    judge: Agent | None = None,
    acceptance: str = "",
    model: str | BaseChatModel | None = None,
    name: str = "auction",
) -> StateGraph[AuctionState, AuctionContext, AuctionInput, AuctionOutput]:
    """Return the auction graph, uncompiled, so that you choose the checkpointer and the store.

    Every agent says how well it can do the task and what that costs it; bids are sealed. Who may bid is decided without
    looking at prices. The winner gets a contract (what, price, deadline, acceptance), does the work with its graph or
    its tools, and is paid when the delivery is accepted. When it breaks the contract the task goes to the next bidder.
    How many promises each agent kept is remembered, in the store where there is one, else in the state of the thread,
    and weighs its next bids: models overstate what they can do.

    Args:
        agents: `Agent`s (a `runnable` or `tools` to work with), names, chat models, or anything runnable with a unique
            name.
        kind: vickrey (the lowest cost wins, paid the second lowest; the best an agent can do is to name its true cost),
            first_price (paid its own bid), english (a falling clock, bid by proxies at the agents' costs), or vcg
            (several tasks at once at the lowest total cost).
        reserve: The most that is paid for a task. Without it a lone bidder wins nothing but at first_price: its price
            would be undefined.
        capacity: How many tasks an agent may be given in one run.
        step: Of the english clock.
        accept: Your test of a delivery: task, text -> True, or False or words that say what is wrong; one that raises
            refuses.
        judge: An agent that tests deliveries instead; what it should look for is `acceptance`.
        acceptance: What is asked of a delivery, in words, for the contract, who does the work, and the judge.
        model: The model of agents without one; None takes the run's context (default `embedded`).
        name: The graph's name in its closing message.

    Returns:
        A graph over `messages` (the task is the last human message; for vcg one task a line) or `tasks`, a list of
        texts. Its output: `answer`, `stop` (delivered, partial, breach, no_award, budget), `bids` (list of {task,
        bidder, cost, capability, reason, error}), `awards` (list of {task, round, kind, winner, price, reason, refused,
        tied, runner_up, truthful, explanation}), `contracts` (list of {task, what, contractor, price, deadline,
        acceptance, status (kept, broken, cancelled), reason, paid}), `results` (task -> text), `explanation` (why each
        winner at each price), `track_record` (agent -> {kept, broken}), `usage`.

    Raises:
        ConfigError: An argument is wrong; the message says which and what is allowed.

    Example:
        from langgraph_agora import Agent, create_auction

        bidders = [Agent("ann", role="You write well."), Agent("bob", role="You are quick.")]
        graph = create_auction(bidders, reserve=100, model="embedded").compile()
        result = graph.invoke({"messages": [("user", "Write a line about the sea.")]})
        print(result["explanation"], result["answer"])
    """
    known = as_agents(agents)
    if kind not in KINDS:
        raise ConfigError(f"There is no kind {kind!r}. Kinds: {', '.join(KINDS)}.{nearest(str(kind), KINDS)}")
    if reserve is not None and not (_is_number(reserve, 0) and reserve <= LARGEST):
        raise ConfigError(f"reserve was {reserve!r}; give a number from 0 to {LARGEST:,}, or leave it out.")
    if not _is_number(step, 0) or step == 0:
        raise ConfigError(f"step was {step!r}; give a finite number above 0.")
    if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
        raise ConfigError(f"capacity was {capacity!r}; give how many tasks an agent may have, at least 1.")
    if accept is not None and not callable(accept):
        raise ConfigError(f"accept was {accept!r}; give a function of the task and the delivery, or leave it out.")
    if inspect.iscoroutinefunction(accept):
        raise ConfigError("accept was an async function; give a plain one, it is called outside the event loop.")
    if accept is not None and judge is not None:
        raise ConfigError("Both accept and judge were given; one of them decides about a delivery.")
    judges = as_agents([judge]) if judge is not None else ()
    if judges and judges[0].name in [agent.name for agent in known]:
        raise ConfigError(f"The judge is named {judges[0].name!r}, as a bidder is. Nobody judges its own work.")
    for agent in known:
        if agent.tools and agent.runnable is None:
            create_react(agent.tools)  # What is no tool is refused now, and not as a contract that was broken.
    if model is not None and not isinstance(model, str | BaseChatModel):
        raise ConfigError(f"model was {model!r}; give a chat model or the name of one.")
    spec = AuctionSpec(
        name=name,
        agents=tuple(sorted(known, key=lambda agent: agent.name)),  # Nothing depends on their order.
        kind=kind,
        reserve=reserve,
        capacity=capacity,
        step=step,
        accept=accept,
        judge=judges[0] if judges else None,
        acceptance=acceptance,
        model=model,
        worker_of=worker_of,
    )
    builder = StateGraph(
        AuctionState, context_schema=AuctionContext, input_schema=AuctionInput, output_schema=AuctionOutput
    )
    builder.add_node("assess", Node(bidding.assess, spec, "assess"))
    builder.add_node("award", Node(bidding.award_tasks, spec, "award"))
    builder.add_node("perform", Node(bidding.perform, spec, "perform"))
    builder.add_node("settle", Node(bidding.settle, spec, "settle"))
    builder.add_edge(START, "assess")
    builder.add_edge("assess", "award")
    builder.add_conditional_edges("award", Route(bidding.after_award), ["perform", END])  # type: ignore[arg-type]
    builder.add_edge("perform", "settle")
    builder.add_edge("settle", "award")
    return builder


def _is_number(given: object, least: float) -> bool:
    return not isinstance(given, bool) and isinstance(given, int | float) and math.isfinite(given) and given >= least


graph = create_auction(["ann", "bob", "cem"], reserve=1_000).compile(name="auction")
"""The graph for LangGraph Studio: three agents, second price, and the model of the run's context."""
