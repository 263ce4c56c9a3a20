"""The nodes of the consensus graph: agents propose answers, vote on them, and vote again while nothing is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.graph.message import add_messages
from langgraph.runtime import get_runtime
from pydantic import ConfigDict
from typing_extensions import TypedDict

from ..agents import Agent
from ..errors import ConfigError
from .ballots import MAX_OPTIONS, ballot_of, canonical, proposal_question, tidy, vote_question
from .consensus.agreement import Agreement, agree
from .consensus.voting import Ballot, BallotBox, Outcome, tally, tally_early
from .panel import Heard, Question, added, ask_all
from .running import Body
from .text import clean

CHOICE_RULES = ("majority", "qualified", "unanimous", "weighted", "plurality")
CORES = {"raft": "majority", "pbft": "majority", "bft": "majority", "stake": "weighted"}
"""The protocols that first agree on the ballots, and the rule by which these are counted then."""


@dataclass(frozen=True)
class ConsensusContext:
    """The settings of one run."""

    # Puts the sentences below into the schema, from which Studio makes its form.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=True)

    model: str = "embedded"
    """The model of agents without one of their own: embedded, ollama:NAME, openai:NAME or any name LangChain knows."""

    model_seconds: float = 120.0
    """An agent that takes longer for an answer is not heard."""


@dataclass(frozen=True)
class ConsensusSpec:
    """What `create_consensus` was given."""

    name: str
    agents: tuple[Agent, ...]
    protocol: str
    threshold: Any
    rounds: int
    tolerate: int
    faults: Mapping[str, str]
    early_stop: bool
    options: tuple[str, ...]
    model: str | BaseChatModel | None
    seed: int

    @property
    def rule(self) -> str:
        """The rule by which ballots are counted."""
        return CORES.get(self.protocol, self.protocol)

    @property
    def kind(self) -> str:
        """What agents are asked for: a choice, a ranking or an approval list."""
        if self.rule in CHOICE_RULES:
            return "choice"
        return "approval" if self.rule == "approval" else "ranking"

    @property
    def names(self) -> list[str]:
        """The agents' names, which are the electorate."""
        return [agent.name for agent in self.agents]

    def counting(self) -> dict[str, Any]:
        """The arguments of `tally` beside the ballots."""
        weights = {agent.name: agent.weight for agent in self.agents} if self.rule == "weighted" else None
        threshold = self.threshold if self.rule == "qualified" else None
        return {"rule": self.rule, "electorate": self.names, "weights": weights, "threshold": threshold}


class ConsensusInput(TypedDict):
    """What a run starts from: the question is the last human message."""

    messages: Annotated[list[AnyMessage], add_messages]


class ConsensusOutput(TypedDict, total=False):
    """What a run ends with; all of it JSON but the messages."""

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str
    stop: str
    usage: dict[str, dict[str, float]]
    decision: str | None
    mode: str
    reason: str
    options: list[str]
    scores: dict[str, float]
    tied: list[str]
    ballots: list[dict[str, Any]]
    rounds: int
    evidence: list[dict[str, Any]]
    dissent: list[dict[str, Any]]


class ConsensusState(ConsensusOutput, total=False):
    """The state between nodes. `reasons`: option -> what was said for it."""

    reasons: dict[str, list[str]]


class _Run:
    """What a node needs of the run."""

    def __init__(self, spec: ConsensusSpec) -> None:
        runtime = get_runtime(ConsensusContext)
        given = runtime.context
        self.spec = spec
        self.context = given if isinstance(given, ConsensusContext) else ConsensusContext()
        self._write = runtime.stream_writer

    def tell(self, event: str, **facts: Any) -> None:
        """Send an event to whoever streams the run."""
        self._write({"event": event, "agent": self.spec.name, **facts})


def propose(spec: ConsensusSpec, state: ConsensusState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Ask every agent for its own answer; where agents vote for one option, that is their first ballot."""
    run = _Run(spec)
    talk = _talk(state.get("messages", []))
    start: dict[str, Any] = {
        "usage": {agent.name: _NOTHING for agent in spec.agents},
        "options": list(spec.options),
        "reasons": {},
        "ballots": [],
        "rounds": 0,
        "evidence": [],
        "decision": None,
        "stop": "",
    }
    if spec.options:
        return start
    run.tell("asking", round=1, what="proposals")
    votes = spec.kind == "choice"
    poll = _Poll(run, 1 if votes else 0, votes, {})
    heard = yield from ask_all(
        spec.agents,
        poll.question,
        talk=talk,
        model=spec.model or run.context.model,
        config=config,
        seconds=run.context.model_seconds,
        enough=poll.enough,
        faults=spec.faults,
    )
    poll.enough(heard)
    named = {canonical(text): tidy(text) for text in sorted(filter(None, poll.texts.values()), reverse=True)}
    reasons = {named[canonical(text)]: [] for text in poll.texts.values() if text}  # type: dict[str, list[str]]
    for name in spec.names:
        if poll.texts.get(name):
            reasons[named[canonical(poll.texts[name])]].append(poll.reasons[name])
    support = {option: len(said) for option, said in reasons.items()}
    options = sorted(reasons, key=lambda option: (-support[option], canonical(option)))[:MAX_OPTIONS]
    start |= {"usage": added(start["usage"], heard), "reasons": reasons, "options": sorted(options, key=canonical)}
    if not votes:
        return _stopped_early(run, start, heard)
    return _settled(run, {**state, **start}, start, poll, heard)


def vote(spec: ConsensusSpec, state: ConsensusState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Hold one round of voting on the options."""
    run = _Run(spec)
    number = state["rounds"] + 1
    run.tell("asking", round=number, what="votes")
    poll = _Poll(run, number, True, state["reasons"], state["options"])
    heard = yield from ask_all(
        spec.agents,
        poll.question,
        talk=_talk(state["messages"]),
        model=spec.model or run.context.model,
        config=config,
        seconds=run.context.model_seconds,
        enough=poll.enough,
        faults=spec.faults,
    )
    poll.enough(heard)
    return _settled(run, state, {"usage": added(state["usage"], heard)}, poll, heard)


def after(state: ConsensusState) -> str:
    """Where to go after a round."""
    return END if state["stop"] else "vote"


class _Poll:
    """One round: reads what is heard into ballots as it comes, and knows when no more is needed."""

    def __init__(
        self,
        run: _Run,
        number: int,
        votes: bool,
        reasons: Mapping[str, Sequence[str]],
        options: Sequence[str] = (),
    ) -> None:
        self.run, self.spec, self.number, self.votes = run, run.spec, number, votes
        self.options, self.shown = list(options), reasons
        self.box = BallotBox(self.spec.names)
        self.reasons: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.texts: dict[str, str] = {}

    def question(self, agent: Agent) -> Question:
        """What the agent is asked."""
        return vote_question(self.spec.kind, self.options, self.shown) if self.options else proposal_question()

    def enough(self, heard: Mapping[str, Heard]) -> bool:
        """Take the new answers; True when the outstanding ones cannot change the outcome."""
        for name, one in heard.items():
            if name not in self.reasons:
                self._take(name, one)
        if any(one.over for one in heard.values()):
            return True
        if not self.votes or not self.spec.early_stop or len(self.box.ballots) == len(self.spec.agents):
            return False
        ballots = {name: self._counted(ballot) for name, ballot in self.box.ballots.items()}
        options = self.options or None
        return tally_early(ballots, options=options, **self.spec.counting()) is not None

    def _take(self, name: str, one: Heard) -> None:
        self.reasons[name] = clean(getattr(one.value, "reason", "") or "", 300)
        ballot: Ballot = None
        if one.value is None:
            self.errors[name] = one.error or "it was not heard"
        elif self.options:
            ballot = ballot_of(self.spec.kind, one.value, self.options)
        else:
            ballot = clean(one.value.answer, 200).strip() or None
            self.texts[name] = ballot or ""
        if self.votes:
            self.box.cast(name, ballot)
            if self.spec.faults.get(name) == "lying" and ballot is not None:
                self.box.cast(name, self._lie(ballot))
        self.run.tell(
            "ballot",
            round=self.number,
            voter=name,
            ballot=ballot,
            reason=self.reasons[name],
            error=self.errors.get(name),
        )

    def _lie(self, ballot: Ballot) -> Ballot:
        """What a lying agent says to the others."""
        others = [option for option in (self.options or self.texts.values()) if option and option != ballot]
        return list(reversed(ballot)) if isinstance(ballot, list) else (others or [f"not {ballot}"])[0]

    def _counted(self, ballot: Ballot) -> Ballot:
        return canonical(ballot) if isinstance(ballot, str) and not self.options else ballot

    def rows(self, ballots: Mapping[str, Ballot]) -> list[dict[str, Any]]:
        """The round's ballots for the output."""
        return [
            {
                "round": self.number,
                "voter": name,
                "ballot": ballots[name],
                "reason": self.reasons.get(name, ""),
                "error": self.errors.get(name),
            }
            for name in self.spec.names
            if name in ballots
        ]


def _settled(
    run: _Run, state: Mapping[str, Any], update: dict[str, Any], poll: _Poll, heard: Mapping[str, Heard]
) -> dict[str, Any]:
    """Count a round: the update when it decides or was the last one, and the update for another round else."""
    spec = run.spec
    options = update.get("options") or state["options"]
    named = {canonical(option): option for option in options}
    ballots: dict[str, Ballot] = {
        name: named.get(canonical(ballot), ballot) if isinstance(ballot, str) else ballot
        for name, ballot in poll.box.ballots.items()
    }
    crashed = [name for name, fault in spec.faults.items() if fault == "crashed"]
    agreement = agree(
        spec.protocol,
        ballots,
        spec.names,
        crashed=crashed,
        lying=[name for name, fault in spec.faults.items() if fault == "lying"],
        tolerate=spec.tolerate,
        stakes={agent.name: agent.weight for agent in spec.agents},
        seed=spec.seed + poll.number,
    )
    outcome = tally(agreement.ballots, **spec.counting())
    run.tell("tally", round=poll.number, scores=outcome.to_dict()["scores"], decided=outcome.decided)
    said = [{"round": poll.number, "agent": one["voter"], "kind": "double vote", **one} for one in poll.box.evidence]
    update |= {
        "ballots": [*state["ballots"], *poll.rows(ballots)],
        "rounds": poll.number,
        "evidence": [*state["evidence"], *said, *map(dict, agreement.evidence)],
        "scores": outcome.to_dict()["scores"],
    }
    if any(one.over for one in heard.values()) and not outcome.decided:
        return _closed(run, update, outcome, agreement, ballots, "budget")
    if outcome.decided:
        return _closed(run, update, outcome, agreement, ballots, "decided")
    if poll.number >= spec.rounds or not options:
        return _closed(run, update, outcome, agreement, ballots, "undecided")
    return update


def _closed(
    run: _Run,
    update: dict[str, Any],
    outcome: Outcome,
    agreement: Agreement,
    ballots: Mapping[str, Ballot],
    stop: str,
) -> dict[str, Any]:
    spec = run.spec
    reason = "" if outcome.decided else agreement.reason or outcome.reason
    answer = outcome.winner if outcome.winner is not None else f"No decision: {reason}."
    said = {row["voter"]: row["reason"] for row in update["ballots"]}
    dissent = [
        {"voter": voter, "ballot": ballot, "reason": said.get(voter, "")}
        for voter, ballot in ballots.items()
        if outcome.decided and ballot and (ballot if isinstance(ballot, str) else ballot[0]) != outcome.winner
    ]
    run.tell("end", stop=stop, answer=answer)
    return {
        **update,
        "stop": stop,
        "answer": answer,
        "decision": outcome.winner,
        "mode": agreement.mode or spec.protocol,
        "reason": reason,
        "tied": list(outcome.tied),
        "dissent": dissent,
        "messages": [AIMessage(answer, name=spec.name)],
    }


def _stopped_early(run: _Run, update: dict[str, Any], heard: Mapping[str, Heard]) -> dict[str, Any]:
    """After proposals that are no ballots yet: go on to the vote, unless there is nothing to vote on."""
    over = next((one.error for one in heard.values() if one.over), None)
    if update["options"] and over is None:
        return update
    why = over or "nobody proposed anything"
    return _closed(run, update, Outcome(False, None, reason=why), Agreement({}), {}, "budget" if over else "undecided")


def _talk(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    talk = [message for message in messages if isinstance(message, HumanMessage | AIMessage)]
    if not talk or not isinstance(talk[-1], HumanMessage) or not talk[-1].text.strip():
        raise ConfigError("There is no question. Give it as the last human message in `messages`.")
    return [
        message if clean(message.text) == message.text else message.model_copy(update={"content": clean(message.text)})
        for message in talk
    ]


_NOTHING = {"calls": 0, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0}
