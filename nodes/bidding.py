"""The nodes of the auction graph: agents bid, tasks are awarded, winners deliver, and what they deliver is checked."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.graph.message import add_messages
from langgraph.types import Overwrite, Send
from typing_extensions import TypedDict

from ..errors import ConfigError
from .bids import bid_question
from .contracts import Awarded, amount, recorded, tender
from .deliveries import AuctionContext, AuctionRun, AuctionSpec, check, deliver
from .panel import NOTHING, Heard, added, ask_all
from .promises import keep_promises, known_records
from .run import checked_seconds
from .running import Body, Work
from .talk import cleaned, question_of
from .text import clean, shorten

SHELF = ("agora", "track_record")  # The namespace in a store.
LISTED = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s+")  # What stands before a line of a list, and is no part of it.


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
    """The state between nodes.

    `turn`: the tasks of this run; `deliveries`: what the open contracts brought; `over`: why the budget ended the run.
    """

    tasks: list[str]
    deliveries: Annotated[list[dict[str, Any]], operator.add]
    over: str
    turn: list[str]


def assess(spec: AuctionSpec, state: AuctionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Begin: ask every agent for a bid on every task. Bids are sealed: no agent is shown another's."""
    run = AuctionRun(spec, AuctionContext)
    checked_seconds(run.context, "model_seconds", "work_seconds")
    tasks = tasks_of(spec.kind, state)
    records = yield from known_records(run.store, SHELF, run.spec.names, state.get("track_record"))
    usage, rows, over = {name: dict(NOTHING) for name in spec.names}, [], ""
    for place, task in enumerate(tasks):
        run.tell("asking", round=place + 1, what=f"bids on: {shorten(task, 80)}")
        heard = yield from ask_all(
            spec.agents,
            lambda agent, task=task: bid_question(task, spec.reserve),  # type: ignore[misc]
            talk=cleaned(_talk_before(state)),
            model=spec.model or run.context.model,
            config=config,
            seconds=run.context.model_seconds,
            enough=lambda heard: any(one.over for one in heard.values()),
        )
        usage = added(usage, heard)
        over = next((one.error or "" for one in heard.values() if one.over), "")
        new = [_bid_row(place, name, heard.get(name) or Heard(None, over, NOTHING)) for name in spec.names]
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
        "deliveries": Overwrite([]),
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
    run = AuctionRun(spec, AuctionContext)
    kept = {row["task"] for row in state["contracts"] if row["status"] == "kept"}
    given_up = {row["task"] for row in state["awards"] if row["winner"] is None}
    tasks = [place for place in range(len(state["turn"])) if place not in kept | given_up]
    if state["over"] or not tasks:
        return _closed(run, state)
    free, bids = _capacity_left(spec, state), _open_bids(state)
    awarding = partial(tender, spec.kind, tasks, bids, state["track_record"], free=free)
    awards: list[Awarded] = yield Work(partial(awarding, reserve=spec.reserve, step=spec.step))
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


def after_award(state: AuctionState) -> str | list[Send]:
    """Where to go after tasks were awarded: to the winners, all at once.

    Each contract is a branch of its own, so that a checkpoint keeps what one delivered when another is cut off.
    """
    if state["stop"]:
        return END
    return [Send("perform", row) for row in state["contracts"] if row["status"] == "open"]


def perform(spec: AuctionSpec, contract: Mapping[str, Any], config: RunnableConfig) -> Body[dict[str, Any]]:
    """Let a winner do its work; nothing it does is an exception."""
    run = AuctionRun(spec, AuctionContext)
    run.tell("working", contractor=contract["contractor"], task=contract["task"], what=contract["what"])
    delivery = yield from deliver(run, contract, config)
    return {"deliveries": [delivery]}


def settle(spec: AuctionSpec, state: AuctionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Check what was delivered, pay or refuse, and remember who kept its promise."""
    run = AuctionRun(spec, AuctionContext)
    records, results, usage, over = state["track_record"], dict(state["results"]), state["usage"], ""
    contracts: list[dict[str, Any]] = []
    promises: list[tuple[str, bool]] = []
    deliveries = {(one["task"], one["contractor"]): one for one in state["deliveries"]}
    for row in state["contracts"]:
        if row["status"] != "open":
            contracts.append(row)
            continue
        delivery = deliveries[row["task"], row["contractor"]]
        usage = added(usage, {row["contractor"]: Heard(None, None, delivery["usage"])})
        if delivery["over"]:  # The run's budget ended, which is no fault of the agent.
            over = delivery["error"]
            done = {**row, "status": "cancelled", "reason": over}
        else:
            checked = yield from check(run, row["what"], delivery, config)
            usage, over = added(usage, checked.heard), over or checked.over
            paid = row["price"] if checked.accepted else 0
            done = {**row, "status": checked.status, "reason": checked.reason, "paid": paid}
            if checked.seen:
                records = recorded(records, row["contractor"], kept=checked.accepted)
                promises.append((row["contractor"], checked.accepted))
            if checked.accepted:
                results[row["what"]] = delivery["text"]
        contracts.append(done)
        run.tell("settled", **done)
    if run.store is not None and promises:
        yield Work(keep_promises, (run.store, SHELF, promises))
    return {
        "contracts": contracts,
        "results": results,
        "track_record": records,
        "usage": usage,
        "deliveries": Overwrite([]),
        "over": over,
    }


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
        lines = [LISTED.sub("", line).strip() for line in text.splitlines()]
        listed = kind == "vcg" and len([line for line in lines if line]) > 1
        tasks = [line for line in lines if line] if listed else [text]
    if len(set(tasks)) != len(tasks):
        raise ConfigError("Two tasks are the same; give each once.")
    return tasks


def _talk_before(state: AuctionState) -> Sequence[AnyMessage]:
    """The conversation that stands before the tasks."""
    messages = state.get("messages", [])
    asked = [place for place, message in enumerate(messages) if isinstance(message, HumanMessage)]
    return messages if state.get("tasks") or not asked else messages[: asked[-1]]


def _bid_row(task: int, name: str, one: Heard) -> dict[str, Any]:
    value = one.value
    return {
        "task": task,
        "bidder": name,
        "cost": getattr(value, "cost", None),
        "capability": getattr(value, "capability", None),
        "reason": clean(getattr(value, "reason", "") or "", 300),
        "error": one.error if value is None else None,
    }


def _open_bids(state: AuctionState) -> dict[int, dict[str, dict[str, Any]]]:
    """Task -> agent -> bid; who broke a contract for a task has no bid on it any more."""
    broken = {
        (row["task"], row["contractor"]): row["reason"] for row in state["contracts"] if row["status"] == "broken"
    }
    bids: dict[int, dict[str, dict[str, Any]]] = {place: {} for place in range(len(state["turn"]))}
    for row in state["bids"]:
        out = broken.get((row["task"], row["bidder"]))
        bids[row["task"]][row["bidder"]] = (
            {**row, "cost": None, "error": f"it broke its contract: {out}"} if out else row
        )
    return bids


def _capacity_left(spec: AuctionSpec, state: AuctionState) -> dict[str, int]:
    taken = [row["contractor"] for row in state["contracts"]]
    return {name: spec.capacity - taken.count(name) for name in spec.names}


def _award_row(spec: AuctionSpec, state: AuctionState, one: Awarded) -> dict[str, Any]:
    task = shorten(" ".join(state["turn"][one.task].split()), 60).rstrip(".")
    again = sum(row["task"] == one.task for row in state["awards"])
    words = f"{task}: no award, since {one.reason}"
    if one.winner is not None:
        words = f"{task}: {one.winner} at {amount(one.price)}, since {one.reason}{_not_counted(one.refused)}"
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
        "truthful": one.truthful and not again,  # After a breach a bidder may gain by waiting for a better price.
        "explanation": words,
    }


def _not_counted(refused: Mapping[str, str]) -> str:
    listed = [f"{agent} ({why})" for agent, why in refused.items()]
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return f". Not counted: {', '.join(listed[:5])}{more}" if listed else ""


def _contract(spec: AuctionSpec, run: AuctionRun, state: AuctionState, row: Mapping[str, Any]) -> dict[str, Any]:
    rule = "an answer that is not empty, by a worker that finished"
    if spec.judge:
        rule = f"{spec.judge.name} judges"
    elif spec.accept:
        rule = "a test of the buyer's"
    return {
        "task": row["task"],
        "what": state["turn"][row["task"]],
        "contractor": row["winner"],
        "price": row["price"],
        "deadline": run.context.work_seconds,
        "acceptance": f"{rule}: {spec.acceptance}" if spec.acceptance else rule,
        "status": "open",
        "reason": "",
        "paid": 0,
    }


def _closed(run: AuctionRun, state: AuctionState) -> dict[str, Any]:
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
    ended: list[str] = [row["reason"] for row in state["contracts"] if row["task"] == place and row["reason"]]
    return (ended or [state["over"]])[-1].rstrip(".")
