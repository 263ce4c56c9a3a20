"""The nodes of the consensus graph: agents propose answers, vote on them, and vote again while nothing is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from .ballots import MAX_OPTIONS, canonical, tidy
from .consensus.agreement import Agreement, Group, agree
from .consensus.counting import Ballot
from .consensus.voting import Outcome, tally
from .panel import NOTHING, Heard, added, ask_all
from .poll import ConsensusSpec, Poll
from .run import Run, RunContext, checked_seconds
from .running import Body, Work
from .talk import cleaned, question_of


@dataclass(frozen=True)
class ConsensusContext(RunContext):
    """The settings of one run. An agent that takes longer than `model_seconds` for an answer is not heard."""


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


_Run = Run[ConsensusSpec, ConsensusContext]


def propose(spec: ConsensusSpec, state: ConsensusState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Ask every agent for its own answer; where agents vote for one option, that is their first ballot."""
    run = _Run(spec, ConsensusContext)
    checked_seconds(run.context, "model_seconds")
    question_of(state.get("messages", []))
    start: dict[str, Any] = {
        "usage": {agent.name: NOTHING for agent in spec.agents},
        "options": list(spec.options),
        "reasons": {},
        "ballots": [],
        "rounds": 0,
        "evidence": [],
        "scores": {},
        "decision": None,
        "stop": "",
    }
    if spec.options:
        return start
    run.tell("asking", round=1, what="proposals")
    votes = spec.kind == "choice"
    poll = Poll(run.spec, run.tell, 1 if votes else 0, votes=votes)
    heard = yield from _asked(run, state, poll, config)
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
    return (yield from _settled(run, {**state, **start}, start, poll, heard))


def vote(spec: ConsensusSpec, state: ConsensusState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Hold one round of voting on the options."""
    run = _Run(spec, ConsensusContext)
    number = state["rounds"] + 1
    run.tell("asking", round=number, what="votes")
    poll = Poll(run.spec, run.tell, number, options=state["options"], shown=state["reasons"])
    heard = yield from _asked(run, state, poll, config)
    return (yield from _settled(run, state, {"usage": added(state["usage"], heard)}, poll, heard))


def after(state: ConsensusState) -> str:
    """Where to go after a round."""
    return END if state["stop"] else "vote"


def _asked(run: _Run, state: ConsensusState, poll: Poll, config: RunnableConfig) -> Body[dict[str, Heard]]:
    """Ask all agents for what the round wants of them, until that is enough."""
    heard = yield from ask_all(
        run.spec.agents,
        poll.question,
        talk=cleaned(state["messages"]),
        model=run.spec.model or run.context.model,
        config=config,
        seconds=run.context.model_seconds,
        enough=poll.enough,
        faults=run.spec.faults,
    )
    poll.enough(heard)
    return heard


def _settled(
    run: _Run, state: Mapping[str, Any], update: dict[str, Any], poll: Poll, heard: Mapping[str, Heard]
) -> Body[dict[str, Any]]:
    """Count a round: the update when it decides or was the last one, and the update for another round else."""
    spec = run.spec
    options = update.get("options") or state["options"]
    named = {canonical(option): option for option in options}
    ballots: dict[str, Ballot] = {
        name: named.get(canonical(ballot), ballot) if isinstance(ballot, str) and not poll.options else ballot
        for name, ballot in poll.box.ballots.items()
    }
    group = Group(
        spec.names,
        ballots,
        crashed=[name for name, fault in spec.faults.items() if fault == "crashed"],
        lies=poll.lies,
        tolerate=spec.tolerate,
        stakes=spec.weights(),
        seed=spec.seed + poll.number,
    )
    agreement: Agreement = yield Work(agree, (spec.protocol, group))
    outcome = agreement.outcome or tally(agreement.ballots, **spec.counting())
    run.tell("tally", round=poll.number, scores=outcome.to_dict()["scores"], decided=outcome.decided)
    said = [
        {"round": poll.number, "agent": one["voter"], "kind": "double vote", **one, "transferable": False}
        for one in poll.box.evidence
    ]
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
    unheard = [row["voter"] for row in update["ballots"] if row["error"] and row["round"] == update["rounds"]]
    if reason and unheard:
        reason += f"; not heard: {', '.join(unheard)}"
    answer = outcome.winner if outcome.winner is not None else f"No decision: {reason}."
    said = {row["voter"]: row["reason"] for row in update["ballots"]}
    dissent = [
        {"voter": voter, "ballot": ballot, "reason": said.get(voter, "")}
        for voter, ballot in ballots.items()
        if outcome.decided and ballot and not _wanted(spec, ballot, str(outcome.winner))
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


def _wanted(spec: ConsensusSpec, ballot: Ballot, winner: str) -> bool:
    """Whether a ballot is for the winner: names it, approves of it, or has it first."""
    if isinstance(ballot, str) or ballot is None:
        return ballot == winner
    return winner in ballot if spec.kind == "approval" else ballot[0] == winner


def _stopped_early(run: _Run, update: dict[str, Any], heard: Mapping[str, Heard]) -> dict[str, Any]:
    """After proposals that are no ballots yet: go on to the vote, unless there is nothing to vote on."""
    over = next((one.error for one in heard.values() if one.over), None)
    if update["options"] and over is None:
        return update
    why = over or "nobody proposed anything"
    return _closed(run, update, Outcome(False, None, reason=why), Agreement({}), {}, "budget" if over else "undecided")
