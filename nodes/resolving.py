"""The nodes of the resolution graph: hear the parties, choose a strategy, settle, and remember how it went."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from ..agents import Agent
from ..errors import ConfigError
from .ballots import ballot_of, proposal_question, vote_question
from .conflict import NONE, Choice, choose_strategy
from .dispute import Conflict, features_of, read_conflict
from .panel import NOTHING, Heard, Question, added, ask_all
from .positions import known, options_in, question_about, wanted
from .run import Run, RunContext, checked_seconds
from .running import Body, Work
from .settlement import Settlement
from .strategies import as_negotiation, scenario_of, settle, too_many, views_for
from .talk import cleaned, question_of
from .text import clean, plain, words_of

SHELF = ("agora", "conflicts")  # The namespace in a store.
MOST_SHOWN = 12  # options that an arbiter is shown, the fairest
PAGE = 1_000  # items that are asked of a store at once
MOST_REMEMBERED = 200  # conflicts that later choices learn from


@dataclass(frozen=True)
class ResolutionContext(RunContext):
    """The settings of one run."""


@dataclass(frozen=True)
class ResolutionSpec:
    """What `create_resolution` was given."""

    name: str
    agents: tuple[Agent, ...]
    strategy: str
    conflict: Mapping[str, Any] | None
    arbiter: Agent | None
    rounds: int
    model: str | BaseChatModel | None

    @property
    def names(self) -> list[str]:
        """The parties' names."""
        return [agent.name for agent in self.agents]

    @property
    def weights(self) -> dict[str, float]:
        """The parties' weights."""
        return {agent.name: agent.weight for agent in self.agents}


class ResolutionInput(TypedDict, total=False):
    """What a run starts from: the conflict in words, and perhaps as JSON."""

    messages: Annotated[list[AnyMessage], add_messages]
    conflict: dict[str, Any]
    history: list[dict[str, Any]]


class ResolutionOutput(TypedDict, total=False):
    """What a run ends with; all of it JSON but the messages."""

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str
    stop: str
    usage: dict[str, dict[str, float]]
    strategy: str
    features: dict[str, Any]
    outcome: Any
    rationale: str
    positions: list[dict[str, Any]]
    utilities: dict[str, float]
    payments: dict[str, float]
    tied: list[str]
    deal: dict[str, Any] | None
    agreement: float
    offers: list[dict[str, Any]]
    history: list[dict[str, Any]]


class ResolutionState(ResolutionOutput, total=False):
    """The state between nodes.

    `body`: the conflict with the options that were heard; `heard`: agent -> what it wants; `spent`: the usage before
    the strategy's own; `issues`, `preferences`, `rationale` and others are shared with the negotiation.
    """

    conflict: dict[str, Any]
    body: dict[str, Any]
    heard: dict[str, Any]
    spent: dict[str, dict[str, float]]
    chosen: dict[str, str]
    over: str
    issues: list[dict[str, Any]]
    preferences: dict[str, Any]
    settlement: dict[str, Any] | None


class Settled(TypedDict, total=False):
    """What the subgraph of a strategy hands back."""

    settlement: dict[str, Any] | None
    usage: dict[str, dict[str, float]]
    positions: list[dict[str, Any]]
    over: str


_Run = Run[ResolutionSpec, ResolutionContext]


def hear(spec: ResolutionSpec, state: ResolutionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Ask the parties for what is not known yet: what could be done, and what each thinks of it."""
    run = _Run(spec, ResolutionContext)
    checked_seconds(run.context, "model_seconds")
    question_of(state.get("messages", []))
    given = state.get("conflict") or spec.conflict
    conflict = read_conflict(given, spec.names)
    reasons: dict[str, list[str]] = {}
    rows: list[dict[str, Any]] = []
    if spec.strategy not in ("auto", "auction") and (why := too_many(conflict, len(spec.agents))):
        raise ConfigError(f"The strategy was {spec.strategy}, but {why}. Use auction, or fewer items.")
    past = yield from _known_history(run, state)
    spent: dict[str, dict[str, float]] = {name: dict(NOTHING) for name in spec.names}
    over = ""
    if conflict.kind == "options" and not conflict.options:
        heard = yield from _asked(run, state, config, proposal_question(), spec.agents, "proposals")
        spent, over = added(spent, heard), _over(heard)
        options, reasons = options_in(heard)
        rows = [_row(name, one, getattr(one.value, "answer", None)) for name, one in heard.items()]
        conflict = Conflict("options", {**conflict.body, "options": options}, conflict.told)
    wants = known(conflict)
    question = None if over else question_about(conflict, reasons)
    ask = [agent for agent in spec.agents if agent.name not in wants]
    if question is not None and ask:
        heard = yield from _asked(run, state, config, question, ask, "positions")
        spent, over = added(spent, heard), _over(heard)
        for name, one in heard.items():
            position = None if one.value is None else wanted(conflict, one.value)
            rows.append(_row(name, one, position))
            if position is not None:
                wants[name] = position
    for row in rows:
        run.tell("position", **row)
    return {
        "conflict": {},  # Taken; a second turn in the thread may give another.
        "body": {"kind": conflict.kind, **conflict.body, **conflict.told},
        "heard": wants,
        "positions": rows,
        "spent": spent,
        "usage": {},
        "over": over,
        "history": past,
        "settlement": None,
        "deal": None,
        "agreement": 0.0,
        "offers": [],
        "rationale": "",
        "utilities": {},
        "answer": "",
        "stop": "",
    }


def choose(spec: ResolutionSpec, state: ResolutionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Choose the strategy, and lay out what it needs."""
    run = _Run(spec, ResolutionContext)
    conflict = read_conflict(state["body"], spec.names)
    heard = state["heard"]
    zone = yield Work(_deal_zone, (conflict, heard))
    features = features_of(
        conflict,
        weights=spec.weights,
        arbiter=spec.arbiter is not None,
        rounds=spec.rounds,
        preferences=heard,
        deal_zone=zone,
    )
    if spec.strategy == "auto":
        choice = choose_strategy(features, state["history"])
    else:
        choice = Choice(spec.strategy, "it was asked for")
    if state["over"]:
        choice = Choice(NONE, state["over"])
    elif conflict.kind == "options" and len(conflict.options) < 2:
        proposed = any(row["position"] for row in state["positions"])
        alone = "all want the same" if proposed else "there is one option alone"
        choice = Choice(NONE, alone if conflict.options else "nobody proposed anything")
    elif choice.strategy != "auction" and (why := too_many(conflict, len(spec.agents))):
        choice = Choice("auction", f"{choice.strategy} was chosen, but {why}")
    if choice.strategy == "negotiation" and conflict.kind != "multi_issue":
        views = yield Work(views_for, (conflict, heard, spec.weights))
        if len(views.options) < 2:
            why = f"there is nothing to negotiate about ({len(views.options)} different positions)"
            choice = Choice("weighted_compromise", why)
    run.tell("choice", **choice.to_dict(), features=features)
    update: dict[str, Any] = {"features": features, "strategy": choice.strategy, "chosen": choice.to_dict()}
    if choice.strategy == "negotiation":
        update |= yield Work(as_negotiation, (conflict, heard, spec.weights))
    return update


def way_to(state: ResolutionState) -> str:
    """The node of the chosen strategy."""
    return "conclude" if state["strategy"] == NONE else state["strategy"]


def settle_by(way: str, spec: ResolutionSpec, state: ResolutionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Settle the conflict by a strategy that is not a negotiation; an arbiter is heard first."""
    run = _Run(spec, ResolutionContext)
    conflict = read_conflict(state["body"], spec.names)
    verdict: str | None = None
    usage: dict[str, dict[str, float]] = {}
    judge, more, over = "", list(state["positions"]), ""
    if way == "arbitration" and spec.arbiter is not None:
        judge = spec.arbiter.name
        row, usage, over = yield from _verdict(run, state, conflict, config)
        verdict = row["position"] if row else None
        more += [row] if row else []
    found: Settlement = yield Work(
        partial(settle, way, conflict, state["heard"], spec.weights, verdict=verdict, judge=judge)
    )
    return {"settlement": plain(found.to_dict()), "usage": usage, "positions": more, "over": over}


def conclude(spec: ResolutionSpec, state: ResolutionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Say what was decided and why, and add it to the history."""
    run = _Run(spec, ResolutionContext)
    chosen, settlement = state["chosen"], _settled(state)
    conflict = read_conflict(state["body"], spec.names)
    if chosen["strategy"] == "negotiation" and conflict.kind != "multi_issue":
        # What was negotiated was one issue with the options for values, in shares of what each can gain.
        views = yield Work(views_for, (conflict, state["heard"], spec.weights))
        if settlement["outcome"] is None:
            settlement |= {"utilities": {}, "rationale": "No option is acceptable to all"}
        else:
            place = views.options.index(settlement["outcome"])
            settlement["utilities"] = {agent: float(views.utilities[agent][place]) for agent in views.agents}
            settlement["outcome"] = plain(views.value(place))
    resolved = settlement["outcome"] is not None
    rationale = f"By {chosen['strategy']}, because {chosen['reason']}. {_sentence(settlement['rationale'])}"
    if chosen["strategy"] == NONE:
        rationale = _sentence(chosen["reason"])
    silent = [row for row in state["positions"] if row["error"] and row["party"] in spec.names]
    missing = sorted({row["party"] for row in silent} - set(state["heard"]))
    if missing and resolved:
        rationale += f" Not heard: {', '.join(missing)}."
    reasons = [row["reason"] for row in state["positions"] if spec.arbiter and row["party"] == spec.arbiter.name]
    if chosen["strategy"] == "arbitration" and spec.arbiter and reasons and reasons[-1]:
        rationale += f" {spec.arbiter.name}: {_sentence(reasons[-1])}"
    stop = "budget" if state["over"] else "resolved" if resolved else "unresolved"
    answer = f"{_shown(settlement['outcome'])}. {rationale}" if resolved else f"Not resolved. {rationale}"
    entry = {
        "features": state["features"],
        "strategy": chosen["strategy"],
        "resolved": resolved,
        "outcome": settlement["outcome"],
        "rationale": rationale,
    }
    if run.store is not None:
        yield Work(run.store.put, (SHELF, uuid.uuid4().hex, entry))
    run.tell("end", stop=stop, answer=answer)
    return {
        "stop": stop,
        "answer": answer,
        "outcome": settlement["outcome"],
        "rationale": rationale,
        "utilities": settlement["utilities"],
        "payments": settlement["payments"],
        "tied": settlement["tied"],
        "usage": _sum(state["spent"], state.get("usage") or {}),
        "history": [*state["history"], entry][-MOST_REMEMBERED:],
        "messages": [AIMessage(answer, name=spec.name)],
    }


def _known_history(run: _Run, state: ResolutionState) -> Body[list[dict[str, Any]]]:
    """Earlier conflicts: in the store, where the graph was compiled with one, else in the state."""
    if run.store is None:
        return list(state.get("history") or [])
    items: list[Any] = []
    while True:  # A store gives the oldest first, and only so many at once.
        page = yield Work(partial(run.store.search, SHELF, limit=PAGE, offset=len(items)))
        items += page
        if len(page) < PAGE:
            break
    ordered = [item.value for item in sorted(items, key=lambda item: (item.created_at, item.key))]
    # A store is shared: what another program put there is no conflict of ours.
    return [one for one in ordered if {"features", "strategy", "resolved"} <= set(one)][-MOST_REMEMBERED:]


def _asked(
    run: _Run,
    state: ResolutionState,
    config: RunnableConfig,
    question: Question,
    agents: Sequence[Agent],
    what: str,
) -> Body[dict[str, Heard]]:
    run.tell("asking", round=1, what=what)
    return (
        yield from ask_all(
            agents,
            lambda _: question,
            talk=cleaned(state["messages"]),
            model=run.spec.model or run.context.model,
            config=config,
            seconds=run.context.model_seconds,
            enough=lambda heard: bool(_over(heard)),
        )
    )


def _verdict(
    run: _Run, state: ResolutionState, conflict: Conflict, config: RunnableConfig
) -> Body[tuple[dict[str, Any] | None, dict[str, dict[str, float]], str]]:
    """What the arbiter chooses among the options that nobody must refuse, as a row; its usage; the budget's end."""
    views = yield Work(views_for, (conflict, state["heard"], run.spec.weights))
    places = views.acceptable()
    if len(places) < 2 or run.spec.arbiter is None:
        return None, {}, ""
    said: dict[str, list[str]] = {}
    for row in state["positions"]:
        if row["reason"] and isinstance(row["position"], str | list):
            first = row["position"] if isinstance(row["position"], str) else row["position"][0]
            said.setdefault(first, []).append(row["reason"])
    shares = views.shares(places)
    fairest = [views.options[place] for place in sorted(places, key=lambda place: -min(shares[place]))][:MOST_SHOWN]
    question = vote_question("choice", fairest, said)
    heard = yield from _asked(run, state, config, question, [run.spec.arbiter], f"a verdict of {run.spec.arbiter.name}")
    one = heard[run.spec.arbiter.name]
    chosen = None if one.value is None else ballot_of("choice", one.value, fairest)
    row = _row(run.spec.arbiter.name, one, chosen if isinstance(chosen, str) else None)
    run.tell("position", **row)
    return row, added({}, heard), _over(heard)


def _deal_zone(conflict: Conflict, heard: Mapping[str, Any]) -> str:
    """Whether anything is acceptable to all, where that can be known."""
    if conflict.kind != "multi_issue" or len(heard) < 2:
        return "unknown"
    return "nonempty" if len(scenario_of(conflict, heard).space.deals) else "empty"


def _settled(state: ResolutionState) -> dict[str, Any]:
    """What was decided, whichever way."""
    if state["strategy"] == "negotiation":
        deal = state["deal"]
        outcome = deal["outcome"] if deal and list(deal) == ["outcome"] else deal
        rationale = state.get("rationale") or "the negotiation did not end"
        utilities = state.get("utilities") or {}
        return {"outcome": outcome, "rationale": rationale, "utilities": utilities, "payments": {}, "tied": []}
    if state["settlement"] is not None:
        return state["settlement"]
    options = read_conflict(state["body"], list(state["spent"])).options
    alone = options[0] if state["strategy"] == NONE and len(options) == 1 and not state["over"] else None
    return {"outcome": alone, "rationale": "", "utilities": {}, "payments": {}, "tied": []}


def _row(name: str, one: Heard, position: Any) -> dict[str, Any]:
    reason = clean(getattr(one.value, "reason", "") or "", 300)
    return {"party": name, "position": position, "reason": reason, "error": one.error}


def _over(heard: Mapping[str, Heard]) -> str:
    return next((one.error or "the budget is used up" for one in heard.values() if one.over), "")


def _sum(*usages: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    total: dict[str, dict[str, float]] = {}
    for usage in usages:
        total = added(total, {name: Heard(None, None, row) for name, row in usage.items()})
    return total


def _shown(outcome: Any) -> str:
    return words_of(outcome) if isinstance(outcome, Mapping) else str(outcome)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}." if words else ""
