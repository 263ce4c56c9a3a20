"""Consensus: agents propose and vote through their models; counting and agreeing is code.

Which protocol for what stands in docs/consensus.md; the sources stand in the modules of `nodes/consensus/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph

from ..agents import Agent, as_agents
from ..errors import ConfigError, nearest
from ..nodes import deliberation
from ..nodes.ballots import MAX_OPTIONS, canonical
from ..nodes.consensus.counting import RULES, share_of, weight_of
from ..nodes.consensus.quorum import faults_tolerated
from ..nodes.deliberation import ConsensusContext, ConsensusInput, ConsensusOutput, ConsensusState
from ..nodes.panel import FAULTS
from ..nodes.poll import CORES, ConsensusSpec
from ..nodes.running import Node, Route
from ..nodes.text import shorten

PROTOCOLS = (*RULES, *CORES)
ROLES = (
    "You answer plainly.",
    "You doubt the first answer that comes to mind, and check it.",
    "You think about what the question leaves unsaid.",
    "You look for the simplest answer that fits.",
    "You argue from what is known for certain.",
)
MOST_AGENTS = 100  # that the command line makes up
BYZANTINE = ("bft", "pbft", "stake")


def create_consensus(
    agents: Sequence[Any],
    *,
    protocol: str = "majority",
    threshold: Any = "2/3",
    rounds: int = 3,
    tolerate: int | None = None,
    faults: Mapping[str, str] | None = None,
    early_stop: bool = True,
    options: Sequence[str] | None = (),
    model: str | BaseChatModel | None = None,
    name: str = "consensus",
    seed: int = 0,
) -> StateGraph[ConsensusState, ConsensusContext, ConsensusInput, ConsensusOutput]:
    """Return the consensus graph, uncompiled, so that you choose the checkpointer.

    Every agent proposes an answer with a reason. Where agents vote for one option, the proposals are the first ballots;
    while nothing is decided, all proposals with their reasons are shown and voted on, at most `rounds` rounds. A round
    ends as soon as the outstanding ballots cannot change it. An agent that crashes, is silent or babbles abstains.

    Args:
        agents: `Agent`s, names, chat models, or anything runnable with a unique name.
        protocol: A rule of `tally` (majority, qualified, unanimous, weighted, plurality, approval, borda, condorcet,
            copeland, schulze, minimax, irv), or one that first makes the agents' nodes agree on the ballots: raft
            (crashes), pbft and bft (lies), stake (lies, by weight). Those are counted by majority, stake by weight.
        threshold: The share for `qualified`, such as "2/3".
        rounds: Rounds of voting at most.
        tolerate: How many lying agents must be survived; default (n - 1) // 3 in bft, pbft and stake.
        faults: For trials: agent -> crashed, slow, lying (says two things) or babbling.
        early_stop: Whether a round ends when it is decided; outstanding calls are cancelled.
        options: What can be voted for; without it the agents propose.
        model: The model of agents without one; None takes the run's context (default `embedded`).
        name: The graph's name in its closing message.
        seed: For timeouts inside the protocols.

    Returns:
        A graph over `messages`. Its output: `decision` (text or None), `answer`, `stop` (decided, undecided, budget),
        `mode` (the protocol, or "fallback" when it gave up and a weaker rule decided), `reason` (why nothing is
        decided), `scores`, `tied`, `options`, `ballots` (list of {round, voter, ballot, reason, error}), `rounds`,
        `evidence` (pairs of conflicting ballots of one agent), `dissent` (list of {voter, ballot, reason}), `usage`.

    Raises:
        ConfigError: An argument is wrong; the message says which and what is allowed.

    Example:
        from langgraph_agora import Agent, create_consensus

        panel = [Agent("ann", role="You are an optimist."), Agent("bob", role="You doubt."), Agent("cem")]
        graph = create_consensus(panel, model="embedded").compile()
        result = graph.invoke({"messages": [("user", "Which colour has the sky?")]})
        print(result["decision"], result["dissent"])
    """
    known = as_agents(agents)
    names = [agent.name for agent in known]
    if protocol not in PROTOCOLS:
        raise ConfigError(
            f"There is no protocol {protocol!r}. Protocols: {', '.join(PROTOCOLS)}.{nearest(str(protocol), PROTOCOLS)}"
        )
    for argument, number, least in (("rounds", rounds, 1), ("seed", seed, None)):
        if isinstance(number, bool) or not isinstance(number, int) or (least is not None and number < least):
            raise ConfigError(
                f"{argument} was {number!r}; give a whole number" + (f", at least {least}." if least else ".")
            )
    if model is not None and not isinstance(model, str | BaseChatModel):
        raise ConfigError(f"model was {model!r}; give a chat model or the name of one.")
    share_of("threshold", threshold)
    for agent in known:
        weight_of(agent.name, agent.weight)
    spec = ConsensusSpec(
        name=name,
        agents=known,
        protocol=protocol,
        threshold=threshold,
        rounds=rounds,
        tolerate=_tolerated(protocol, tolerate, len(known)),
        faults=_known_faults(faults or {}, names),
        early_stop=early_stop,
        options=_known_options(() if options is None else options),
        model=model,
        seed=seed,
    )
    builder = StateGraph(
        ConsensusState, context_schema=ConsensusContext, input_schema=ConsensusInput, output_schema=ConsensusOutput
    )
    builder.add_node("propose", Node(deliberation.propose, spec, "propose"))
    builder.add_node("vote", Node(deliberation.vote, spec, "vote"))
    builder.add_edge(START, "propose")
    builder.add_conditional_edges("propose", Route(deliberation.after), ["vote", END])
    builder.add_conditional_edges("vote", Route(deliberation.after), ["vote", END])
    return builder


def panel(given: str) -> list[Agent]:
    """Return agents from "5" or "ann,bob,cem": what is no name gets one, and everybody looks at things another way.

    Raises:
        ConfigError: A number below 1.

    Example:
        >>> [agent.name for agent in panel("2")], [agent.name for agent in panel("ann, bob")]
        (['agent-1', 'agent-2'], ['ann', 'bob'])
    """
    text = given.strip()
    if text.removeprefix("-").isdecimal():
        if not 1 <= int(text[:9]) <= MOST_AGENTS:
            raise ConfigError(f"agents was {shorten(text, 40)}; give 1 to {MOST_AGENTS}, or their names.")
        names = [f"agent-{number}" for number in range(1, int(text) + 1)]
    else:
        names = [name.strip() for name in text.split(",")]
    return [Agent(name, role=ROLES[i % len(ROLES)]) for i, name in enumerate(names)]


def faults_from(given: str) -> dict[str, str]:
    """Return faults from "ann=crashed,bob=lying".

    Raises:
        ConfigError: A part is not agent=fault.

    Example:
        >>> faults_from("ann=crashed, bob=lying")
        {'ann': 'crashed', 'bob': 'lying'}
    """
    pairs = [part.split("=") for part in given.split(",") if part.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise ConfigError(f"faults was {given!r}; give agent=fault, separated by commas: ann=crashed,bob=lying.")
    return {name.strip(): fault.strip() for name, fault in pairs}


def _tolerated(protocol: str, given: int | None, members: int) -> int:
    if given is None:
        return faults_tolerated(members) if protocol in BYZANTINE else 0
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ConfigError(f"tolerate was {given!r}; give how many lying agents must be survived, at least 0.")
    if protocol in BYZANTINE and members < 3 * given + 1:
        raise ConfigError(
            f"tolerate={given} needs at least {3 * given + 1} agents in {protocol}; {members} were given. "
            f"{members} agents survive {faults_tolerated(members)}."
        )
    return given


def _known_faults(faults: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    if not isinstance(faults, Mapping):
        raise ConfigError(f'faults was {faults!r}; give agent -> fault, such as {{"{names[0]}": "crashed"}}.')
    for name, fault in faults.items():
        if name not in names:
            raise ConfigError(
                f"faults names {name!r}, which is no agent. Agents: {', '.join(names)}.{nearest(name, names)}"
            )
        if fault not in FAULTS:
            raise ConfigError(
                f"{name!r} has the fault {fault!r}; faults are {', '.join(FAULTS)}.{nearest(str(fault), FAULTS)}"
            )
    return dict(faults)


def _known_options(options: Sequence[str]) -> tuple[str, ...]:
    limit = MAX_OPTIONS
    texts = isinstance(options, Sequence) and not isinstance(options, str)
    if not texts or not all(isinstance(option, str) and option.strip() for option in options):
        raise ConfigError(f"options was {options!r}; give a list of texts.")
    if len({canonical(option) for option in options}) != len(options) or len(options) > limit or len(options) == 1:
        raise ConfigError(
            f"options were {', '.join(options)}; give 2 to {limit} that differ in more than case and closing "
            "punctuation, each once, or none."
        )
    return tuple(options)


graph = create_consensus(["ann", "bob", "cem"]).compile(name="consensus")
"""The graph for LangGraph Studio: three agents, majority, and the model of the run's context."""
