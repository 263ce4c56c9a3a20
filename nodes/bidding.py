"""The nodes of the auction graph: agents bid, tasks are awarded, winners deliver, and what they deliver is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import END
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from ..agents import Agent
from ..errors import BudgetExceeded, ConfigError
from .ask import Reply
from .bids import bid_question, verdict_question
from .contracts import Awarded, recorded, tender
from .panel import Heard, Said, added, ask_all, call_agent
from .run import Run, RunContext, checked_seconds
from .running import Body, UntilEnough, Work
from .talk import cleaned, question_of
from .text import clean, shorten

SHELF = ("agora", "track_record")  # The namespace in a store.
MAX_DELIVERY = 20_000  # characters of a delivery that are kept
FAILED = ("error", "budget", "loop", "max_steps")  # Stops of a worker that is one of our graphs, which deliver nothing.


@dataclass(frozen=True)
class AuctionContext(RunContext):
    """The settings of one run."""

    work_seconds: float = 300.0
    """The deadline of every contract: who has not delivered by then has broken it."""


@dataclass(frozen=True)
class AuctionSpec:
    """What `create_auction` was given. `worker_of`: agent, model -> the runnable that does its work."""

    name: str
    agents: tuple[Agent, ...]
    kind: str
    reserve: float | None
    capacity: int
    step: float
    accept: Callable[[str, str], bool | str] | None
    judge: Agent | None
    acceptance: str
    model: str | BaseChatModel | None
    worker_of: Callable[[Agent, str | BaseChatModel], Runnable[Any, Any]]

    @property
    def names(self) -> list[str]:
        """The bidders' names, sorted, so that nothing depends on their order."""
        return sorted(agent.name for agent in self.agents)


class AuctionInput(TypedDict, total=False):
    """What a run starts from: the task is the last human message, or `tasks` lists several."""

    messages: Annotated[list[AnyMessage], add_messages]
    tasks: list[str]
    track_record: dict[str, dict[str, int]]


class AuctionOutput(TypedDict, total=False):
    """What a run ends with; all of it JSON but the messages."""

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str
    stop: str
    usage: dict[str, dict[str, float]]
    bids: list[dict[str, Any]]
    awards: list[dict[str, Any]]
    contracts: list[dict[str, Any]]
    results: dict[str, str]
    explanation: list[str]
    track_record: dict[str, dict[str, int]]


class AuctionState(AuctionOutput, total=False):
    """The state between nodes. `turn`: the tasks of this run; `deliveries`: what the open contracts brought."""

    tasks: list[str]
    deliveries: list[dict[str, Any]]
    over: bool
    turn: list[str]


_Run = Run[AuctionSpec, AuctionContext]


def assess(spec: AuctionSpec, state: AuctionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Begin: ask every agent for a bid on every task. Bids are sealed: no agent is shown another's."""
    run = _Run(spec, AuctionContext)
    checked_seconds(run.context, "model_seconds", "work_seconds")
    tasks = tasks_of(spec.kind, state)
    records = yield from _known_records(run, state)
    usage, rows, over = {name: dict(_NOTHING) for name in spec.names}, [], False
    for place, task in enumerate(tasks):
        run.tell("asking", round=place + 1, what=f"bids on: {shorten(task, 80)}")
        heard = yield from ask_all(
            spec.agents,
            lambda agent, task=task: bid_question(task, spec.reserve),  # type: ignore[misc]
            talk=cleaned(state["messages"])[:-1] if state.get("messages") else [],
            model=spec.model or run.context.model,
            config=config,
            seconds=run.context.model_seconds,
            enough=lambda heard: any(one.over for one in heard.values()),
        )
        usage = added(usage, heard)
        over = any(one.over for one in heard.values())
        new = [_bid_row(place, name, heard.get(name)) for name in spec.names]
        rows += new
        for row in new:
            run.tell("bid", **row)
        if over:
            break
    return {
        "turn": tasks,
        "tasks": [],  # Taken; a second turn in the thread may give the same again.
        "bids": rows,
        "awards": [],
        "contracts": [],
        "deliveries": [],
        "results": {},
        "explanation": [],
        "usage": usage,
        "track_record": records,
        "over": over,
        "answer": "",
        "stop": "",
    }


def award_tasks(spec: AuctionSpec, state: AuctionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Award every task that has no winner yet, without who broke a contract for it; close when nothing is left."""
    run = _Run(spec, AuctionContext)
    kept = {row["task"] for row in state["contracts"] if row["status"] == "kept"}
    given_up = {row["task"] for row in state["awards"] if row["winner"] is None}
    tasks = [place for place in range(len(state["turn"])) if place not in kept | given_up]
    if state["over"] or not tasks:
        return _closed(run, state)
    rules = {"free": _capacity_left(spec, state), "reserve": spec.reserve, "step": spec.step}
    awarding = partial(tender, spec.kind, tasks, _open_bids(state), state["track_record"], **rules)
    awards: list[Awarded] = yield Work(awarding)
    rows = [_award_row(spec, state, one) for one in awards]
    contracts = [_contract(spec, run, state, row) for row in rows if row["winner"] is not None]
    for row in rows:
        run.tell("award", **row)
    update = {
        "awards": [*state["awards"], *rows],
        "contracts": [*state["contracts"], *contracts],
        "explanation": [*state["explanation"], *(row["explanation"] for row in rows)],
    }
    if not contracts:
        return {**update, **_closed(run, {**state, **update})}  # type: ignore[typeddict-item]
    return update


def perform(spec: AuctionSpec, state: AuctionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Let the winners do their work, all at once; nothing they do is an exception."""
    run = _Run(spec, AuctionContext)
    todo = [row for row in state["contracts"] if row["status"] == "open"]
    for row in todo:
        run.tell("working", agent_at_work=row["agent"], task=row["task"], what=state["turn"][row["task"]])
    bodies = tuple(_delivery(run, row, state["turn"][row["task"]], config) for row in todo)
    results: dict[int, Any] = yield UntilEnough(bodies, _never, config.get("max_concurrency"))
    for result in results.values():
        if isinstance(result, BaseException):
            raise result
    deliveries = [results[place] for place in range(len(todo))]
    usage = state["usage"]
    for row, delivery in zip(todo, deliveries, strict=True):
        usage = added(usage, {row["agent"]: Heard(None, None, delivery.pop("usage"))})
    return {"deliveries": deliveries, "usage": usage, "over": any(one["over"] for one in deliveries)}


def settle(spec: AuctionSpec, state: AuctionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Check what was delivered, pay or refuse, and remember who kept its promise."""
    run = _Run(spec, AuctionContext)
    records, results, usage = state["track_record"], dict(state["results"]), state["usage"]
    contracts = []
    deliveries = {(one["task"], one["agent"]): one for one in state["deliveries"]}
    for row in state["contracts"]:
        if row["status"] != "open":
            contracts.append(row)
            continue
        delivery = deliveries[row["task"], row["agent"]]
        task = state["turn"][row["task"]]
        if delivery["over"]:  # The run's budget ended, which is no fault of the agent.
            contracts.append({**row, "status": "cancelled", "reason": delivery["error"]})
            continue
        why, more = yield from _refusal(run, task, delivery, config)
        usage = added(usage, more)
        done = {**row, "status": "broken" if why else "kept", "reason": why, "paid": 0 if why else row["price"]}
        records = recorded(records, row["agent"], kept=not why)
        if not why:
            results[task] = delivery["text"]
        contracts.append(done)
        run.tell("settled", **done)
    yield from _stored(run, records)
    return {
        "contracts": contracts,
        "results": results,
        "track_record": records,
        "usage": usage,
        "deliveries": [],
    }


def after_award(state: AuctionState) -> str:
    """Where to go after tasks were awarded."""
    return END if state["stop"] else "perform"


def tasks_of(kind: str, state: AuctionState) -> list[str]:
    """The tasks of a run: `tasks`, or the last human message, which is several for `vcg` when it is a list of lines.

    Raises:
        ConfigError: There is no task, or one that is no text.
    """
    given = state.get("tasks")
    if given:
        if not isinstance(given, list) or not all(isinstance(one, str) and one.strip() for one in given):
            raise ConfigError(f"tasks was {given!r}; give a list of texts.")
        tasks = [clean(one, 8_000) for one in given]
    else:
        text = clean(question_of(state.get("messages", [])).text)
        lines = [line.strip().lstrip("-*0123456789.) ").strip() for line in text.splitlines()]
        listed = kind == "vcg" and len([line for line in lines if line]) > 1
        tasks = [line for line in lines if line] if listed else [text]
    if len(set(tasks)) != len(tasks):
        raise ConfigError("Two tasks are the same; give each once.")
    return tasks


def _known_records(run: _Run, state: AuctionState) -> Body[dict[str, dict[str, int]]]:
    """What is remembered of the agents: in the store, where the graph was compiled with one, else in the state."""
    given = state.get("track_record") or {}
    records = {name: dict(record) for name, record in given.items()}
    if run.store is not None:
        for name in run.spec.names:
            item = yield Work(run.store.get, (SHELF, name))
            if item is not None:
                records[name] = item.value
    for name, record in records.items():
        counts = [record.get(key, 0) for key in ("kept", "broken")] if isinstance(record, dict) else [None]
        if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
            raise ConfigError(f'The track record of {name!r} was {record!r}; give {{"kept": 3, "broken": 1}}.')
    return records


def _stored(run: _Run, records: Mapping[str, Mapping[str, int]]) -> Body[None]:
    if run.store is not None:
        for name in run.spec.names:
            if name in records:
                yield Work(run.store.put, (SHELF, name, dict(records[name])))


def _bid_row(task: int, name: str, one: Heard | None) -> dict[str, Any]:
    value = one.value if one else None
    return {
        "task": task,
        "bidder": name,
        "cost": getattr(value, "cost", None),
        "capability": getattr(value, "capability", None),
        "reason": clean(getattr(value, "reason", "") or "", 300),
        "error": (one.error if one else "it was not heard") if value is None else None,
    }


def _open_bids(state: AuctionState) -> dict[int, dict[str, dict[str, Any]]]:
    """Task -> agent -> bid; who broke a contract for a task has no bid on it any more."""
    broken = {(row["task"], row["agent"]): row["reason"] for row in state["contracts"] if row["status"] == "broken"}
    bids: dict[int, dict[str, dict[str, Any]]] = {place: {} for place in range(len(state["turn"]))}
    for row in state["bids"]:
        out = broken.get((row["task"], row["bidder"]))
        bids[row["task"]][row["bidder"]] = (
            {**row, "cost": None, "error": f"it broke its contract: {out}"} if out else row
        )
    return bids


def _capacity_left(spec: AuctionSpec, state: AuctionState) -> dict[str, int]:
    taken = [row["agent"] for row in state["contracts"]]
    return {name: spec.capacity - taken.count(name) for name in spec.names}


def _award_row(spec: AuctionSpec, state: AuctionState, one: Awarded) -> dict[str, Any]:
    task = shorten(state["turn"][one.task], 60)
    again = sum(row["task"] == one.task for row in state["awards"])
    words = (
        f"{task}: {one.reason}" if one.winner is None else f"{task}: {one.winner} at {one.price:g}, since {one.reason}"
    )
    return {
        "task": one.task,
        "round": again + 1,
        "kind": spec.kind,
        "winner": one.winner,
        "price": one.price,
        "reason": one.reason,
        "refused": dict(one.refused),
        "tied": list(one.tied),
        "runner_up": one.runner_up,
        # Task after task, or after a breach, a bidder may gain by waiting for a better price.
        "truthful": not again and (spec.kind == "vcg" or (spec.kind == "vickrey" and len(state["turn"]) == 1)),
        "explanation": words,
    }


def _contract(spec: AuctionSpec, run: _Run, state: AuctionState, row: Mapping[str, Any]) -> dict[str, Any]:
    rule = (
        "an accepting function of the buyer"
        if spec.accept
        else "an answer that is not empty, by a worker that finished"
    )
    judged = (
        f"{spec.judge.name} judges: {spec.acceptance or 'does it do what the task asks for?'}" if spec.judge else rule
    )
    return {
        "task": row["task"],
        "what": state["turn"][row["task"]],
        "agent": row["winner"],
        "price": row["price"],
        "deadline": run.context.work_seconds,
        "acceptance": judged,
        "status": "open",
        "reason": "",
        "paid": 0,
    }


def _delivery(run: _Run, row: Mapping[str, Any], task: str, config: RunnableConfig) -> Body[dict[str, Any]]:
    """What one worker delivers: text, or why there is none."""
    spec = run.spec
    agent = next(agent for agent in spec.agents if agent.name == row["agent"])
    found = {"task": row["task"], "agent": row["agent"], "text": "", "error": "", "over": False}
    try:
        worker = spec.worker_of(agent, agent.model or spec.model or run.context.model)
        said: Said = yield from call_agent(worker, [HumanMessage(task)], config, run.context.work_seconds)
    except BudgetExceeded as reason:
        return {**found, "error": str(reason), "over": True, "usage": dict(_NOTHING)}
    except ConfigError as error:
        return {**found, "error": str(error), "usage": dict(_NOTHING)}
    returned = said.returned if isinstance(said.returned, Mapping) else {}
    stop = returned.get("stop")
    text = said.words if isinstance(said.words, str) else "" if said.words is None else str(said.words)
    if said.error is not None:
        error = said.error
    elif stop in FAILED:
        error = f"its work ended with {stop}: {returned.get('error') or shorten(text, 200)}"
    else:
        error = "" if text.strip() else "it delivered nothing"
    delivered = {**found, "text": clean(text, MAX_DELIVERY), "error": error, "over": stop == "budget"}
    return {**delivered, "usage": _used(returned)}


def _used(returned: Mapping[str, Any]) -> Mapping[str, float]:
    """The usage of a worker: what one of our graphs says of itself, or one call."""
    rows = returned.get("usage")
    if isinstance(rows, Mapping) and all(isinstance(row, Mapping) for row in rows.values()):
        return {key: sum(row.get(key, 0) for row in rows.values()) for key in _NOTHING}
    return Reply().usage()


def _refusal(
    run: _Run, task: str, delivery: Mapping[str, Any], config: RunnableConfig
) -> Body[tuple[str, dict[str, Heard]]]:
    """Why a delivery is refused; empty when it is accepted. And what the judge used."""
    spec = run.spec
    if delivery["error"]:
        return delivery["error"], {}
    if spec.accept is not None:
        try:
            verdict = yield Work(spec.accept, (task, delivery["text"]))
        except Exception as error:  # The buyer's own test; who it fails on is told, and the run goes on.
            return f"the test of acceptance failed on it: {type(error).__name__}: {shorten(str(error), 200)}", {}
        if verdict is True:
            return "", {}
        return verdict if isinstance(verdict, str) and verdict else "the test of acceptance refused it", {}
    if spec.judge is None:
        return "", {}
    heard = yield from ask_all(
        [spec.judge],
        lambda _: verdict_question(task, delivery["text"], spec.acceptance),
        talk=[],
        model=spec.model or run.context.model,
        config=config,
        seconds=run.context.model_seconds,
        enough=_never,
    )
    value = heard[spec.judge.name].value
    # A judge that says nothing usable must cost no agent its record.
    return ("" if value is None or value.accepted else value.reason or f"{spec.judge.name} refused it"), heard


def _closed(run: _Run, state: AuctionState) -> dict[str, Any]:
    tasks, results = state["turn"], state["results"]
    if state["over"]:
        stop = "budget"
    elif len(results) == len(tasks):
        stop = "delivered"
    elif results:
        stop = "partial"
    else:
        stop = "breach" if state["contracts"] else "no_award"
    missing = {row["task"]: row["reason"] for row in state["awards"] if row["winner"] is None}
    parts = [results.get(task) or f"Not done: {_why(state, place, missing)}." for place, task in enumerate(tasks)]
    answer = parts[0] if len(parts) == 1 else "\n\n".join(f"{t}:\n{p}" for t, p in zip(tasks, parts, strict=True))
    run.tell("end", stop=stop, answer=answer)
    return {"stop": stop, "answer": answer, "messages": [AIMessage(answer, name=run.spec.name)]}


def _why(state: AuctionState, place: int, missing: Mapping[int, str]) -> str:
    if place in missing:
        return missing[place].rstrip(".")
    ended = [row["reason"] for row in state["contracts"] if row["task"] == place and row["reason"]]
    unheard = [row["error"] for row in state["bids"] if row["error"]]
    return (ended or unheard or ["the run ended before"])[-1].rstrip(".")


def _never(heard: Mapping[Any, Any]) -> bool:
    return False


_NOTHING = {"calls": 0, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0}
