"""The nodes of the negotiation graph: agents say what they want, then argue for offers that code has worked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from ..agents import Agent
from ..errors import ConfigError, nearest
from .issues import Issue, issues_from
from .leakage import leakage
from .negotiation import Preferences, Scenario, State, begin, result_of, step
from .panel import NOTHING, Heard, added, ask_all
from .run import Run, RunContext, checked_seconds
from .running import Body, Work
from .talk import cleaned, question_of
from .text import clean, words_of
from .wishes import argument_question, indifferent, preferences_in, wishes_question


@dataclass(frozen=True)
class NegotiationContext(RunContext):
    """The settings of one run."""


@dataclass(frozen=True)
class NegotiationSpec:
    """What `create_negotiation` was given. `preferences`: agent -> what it wants, for those that need not be asked."""

    name: str
    agents: tuple[Agent, ...]
    issues: tuple[Issue, ...]
    preferences: Mapping[str, Preferences]
    protocol: str
    concession: str
    rounds: int | None
    threshold: Any
    veto: tuple[str, ...]
    needed: int | None
    mediator: Agent | None
    model: str | BaseChatModel | None


class NegotiationInput(TypedDict, total=False):
    """What a run starts from: what it is about in words, and perhaps issues and preferences as JSON."""

    messages: Annotated[list[AnyMessage], add_messages]
    issues: list[dict[str, Any]]
    preferences: dict[str, Any]


class NegotiationFacts(TypedDict, total=False):
    """What a run ends with, for programs; all of it JSON. `over`: why the budget ended the words; else empty."""

    usage: dict[str, dict[str, float]]
    deal: dict[str, Any] | None
    agreement: float
    converged: bool
    rounds: int
    offers: list[dict[str, Any]]
    utilities: dict[str, float]
    gains: dict[str, float]
    distances: dict[str, float | None]
    leaks: list[dict[str, Any]]
    rationale: str
    unheard: dict[str, str]
    scenario: dict[str, Any]
    over: str


class NegotiationOutput(NegotiationFacts, total=False):
    """What a run ends with: the facts, and a closing message."""

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str
    stop: str


class NegotiationState(NegotiationOutput, total=False):
    """The state between nodes. `table`: the protocol's own state; `issues`, `preferences`: input not read yet."""

    issues: list[dict[str, Any]]
    preferences: dict[str, Any]
    table: State


_Run = Run[NegotiationSpec, NegotiationContext]


def elicit(spec: NegotiationSpec, state: NegotiationState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Ask every agent in private what it wants; who gives no usable answer is taken for indifferent, and it is said."""
    run = _Run(spec, NegotiationContext)
    checked_seconds(run.context, "model_seconds")
    question_of(state.get("messages", []))
    issues = issues_from(state["issues"]) if state.get("issues") else spec.issues
    if not issues:
        raise ConfigError('There is nothing to negotiate about. Give issues=[{"name": "price", "values": [10, 20]}].')
    names = [agent.name for agent in spec.agents]
    known = {**spec.preferences, **given_preferences(state.get("preferences") or {}, names)}
    # What does not fit is refused before anybody is asked.
    trial = {name: known.get(name) or indifferent(issues) for name in names}
    Scenario(issues, trial, veto=spec.veto, needed=spec.needed)
    asked = [agent for agent in spec.agents if agent.name not in known]
    heard: dict[str, Heard] = {}
    if asked:
        run.tell("asking", round=0, what="what each agent wants")
        heard = yield from ask_all(
            asked,
            lambda _: wishes_question(issues),
            talk=cleaned(state["messages"]),
            model=spec.model or run.context.model,
            config=config,
            seconds=run.context.model_seconds,
            enough=lambda heard: any(one.over for one in heard.values()),
        )
    wants: dict[str, dict[str, Any]] = {}
    unheard: dict[str, str] = {}
    for agent in spec.agents:
        one = heard.get(agent.name)
        why = None if agent.name in known else one.error if one else "it was not heard"
        found = known.get(agent.name) or (preferences_in(one.value, issues) if one and one.value is not None else None)
        wants[agent.name] = (found or indifferent(issues)).to_dict()
        if why is not None:
            unheard[agent.name] = why
        run.tell("wishes", party=agent.name, preferences=wants[agent.name], error=why, given=agent.name in known)
    scenario = Scenario(issues, wants, veto=spec.veto, needed=spec.needed)
    opening = partial(
        begin,
        scenario,
        protocol=spec.protocol,
        rounds=spec.rounds,
        threshold=spec.threshold,
        concession=spec.concession,
    )
    table: State = yield Work(opening)
    update: dict[str, Any] = {
        "issues": [],  # Taken, as are the preferences: a second turn in the thread may give others, or none.
        "preferences": {},
        "scenario": scenario.to_dict(),
        "unheard": unheard,
        "over": _over(heard),
        "table": table,
        "offers": [],
        "leaks": [],
        "usage": added({agent.name: NOTHING for agent in spec.agents}, heard),
        "answer": "",
        "stop": "",
    }
    if update["over"]:
        return (yield from _closed_without_words(run, {**state, **update}, update))
    return {**update, **_closed(run, update)} if table["stop"] else update


def talk(spec: NegotiationSpec, state: NegotiationState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Hold one round: code works out the new offers and who concedes, and their agents argue for them in words."""
    run = _Run(spec, NegotiationContext)
    before = state["table"]
    table: State = yield Work(step, (before,))
    number = table["round"]
    rows = _rows(table, len(before["history"]))
    made = {row["party"]: row["offer"] for row in rows if before["offers"].get(row["party"]) != row["offer"]}
    speakers = [agent for agent in _speakers(spec) if agent.name in made]
    run.tell("asking", round=number, what=f"arguments of {', '.join(agent.name for agent in speakers) or 'nobody'}")
    said = {row["party"]: row["argument"] for row in state["offers"] if row["argument"]}
    heard = yield from ask_all(
        speakers,
        lambda agent: argument_question(agent.name, made[agent.name], before["offers"], said),
        talk=cleaned(state["messages"]),
        model=spec.model or run.context.model,
        config=config,
        seconds=run.context.model_seconds,
        enough=lambda heard: any(one.over for one in heard.values()),
    )
    issues, parties = issues_from(state["scenario"]["issues"]), state["scenario"]["agents"]
    leaks = list(state["leaks"])
    last = {row["party"]: place for place, row in enumerate(rows)}  # A mediator's text may change twice in a round.
    for place, row in enumerate(rows):
        one = heard.get(row["party"]) if last[row["party"]] == place else None
        row["argument"] = clean(one.value.argument, 500) if one and one.value is not None else ""
        row["error"] = one.error if one else None
        run.tell("offer", **row)
        if row["argument"] and row["party"] in parties and row["party"] not in state["unheard"]:
            wants = Preferences.of(parties[row["party"]])
            found = [leak.to_dict() for leak in leakage(row["argument"], wants, issues)]
            leaks += [{"round": number, "party": row["party"], **leak} for leak in found]
    update = {
        "table": table,
        "offers": [*state["offers"], *rows],
        "leaks": leaks,
        "usage": added(state["usage"], heard),
        "over": _over(heard),
    }
    if update["over"] and table["stop"] is None:
        return (yield from _closed_without_words(run, {**state, **update}, update))
    return {**update, **_closed(run, {**state, **update})} if table["stop"] else update


def after(state: NegotiationState) -> str:
    """Where to go after a round."""
    return END if state["stop"] else "talk"


def _over(heard: Mapping[str, Heard]) -> str:
    """Why the budget refused a call; empty when it did not."""
    return next((one.error or "the budget is used up" for one in heard.values() if one.over), "")


def _speakers(spec: NegotiationSpec) -> Sequence[Agent]:
    return (*spec.agents, *([spec.mediator] if spec.mediator else ()))


def given_preferences(preferences: Mapping[str, Any], names: Sequence[str]) -> dict[str, Preferences]:
    """Read preferences that were given as JSON.

    Raises:
        ConfigError: They are of somebody else, or make no sense.
    """
    if not isinstance(preferences, Mapping):
        raise ConfigError(f"preferences was {preferences!r}; give agent -> what it wants.")
    for name in preferences:
        if name not in names:
            hint = nearest(str(name), names)
            raise ConfigError(f"preferences name {name!r}, which is no agent. Agents: {', '.join(names)}.{hint}")
    return {name: Preferences.of(one) for name, one in preferences.items()}


def _closed_without_words(run: _Run, state: Mapping[str, Any], update: dict[str, Any]) -> Body[dict[str, Any]]:
    """The budget is used up: the rest is worked out without a word, which needs no model."""
    table: State = state["table"]
    while table["stop"] is None:
        table = yield Work(step, (table,))
    update |= {"table": table, "offers": [*state["offers"], *_rows(table, len(state["offers"]))]}
    return {**update, **_closed(run, {**state, **update}), "stop": "budget"}


def _rows(table: State, start: int) -> list[dict[str, Any]]:
    """The offers from the `start`-th on, as rows of the output; without words yet."""
    rows = table["history"][start:]
    return [
        {"party" if key == "agent" else key: value for key, value in row.items()} | {"argument": "", "error": None}
        for row in rows
    ]


def _closed(run: _Run, state: Mapping[str, Any]) -> dict[str, Any]:
    result = result_of(state["table"])
    deal, silent, rationale = result.outcome, state["unheard"], result.rationale
    if silent:
        listed = "; ".join(f"{name}: {why.rstrip('.')}" for name, why in silent.items())
        rationale += f" Taken for indifferent, since they did not say what they want: {listed}."
    answer = f"Deal: {words_of(deal)}. {rationale}" if deal is not None else rationale
    run.tell("end", stop=result.stop, answer=answer)
    return {
        "stop": result.stop,
        "answer": answer,
        "deal": deal,
        "agreement": result.agreement,
        "converged": result.converged and not silent,  # A score over preferences that nobody stated says nothing.
        "rounds": result.rounds,
        "utilities": dict(result.utilities),
        "gains": dict(result.gains),
        "distances": {
            "pareto": result.pareto_distance,
            "nash": result.nash_distance,
            "kalai": result.kalai_distance,
            "welfare": result.welfare,
            "nash_product": result.nash_product,
        },
        "rationale": rationale,
        "messages": [AIMessage(answer, name=run.spec.name)],
    }
