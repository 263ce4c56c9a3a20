"""The nodes of the hierarchy graph: a coordinator breaks a task down, a team does the parts, the results are judged."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from ..errors import BudgetExceeded
from ..models import load_model
from .board import few
from .consent import ask_consent
from .contracts import recorded
from .coordinating import Asked, Concluded, Planned, Result, cited, earlier, listing, plan_task, quote
from .delegation import Desk, expected
from .outline import JOIN, WORK, expanded, outline, urgency
from .panel import NOTHING, Heard, added
from .performance import DONE, SKIPPED, performance
from .promises import keep_promises, known_records
from .run import checked_seconds
from .running import Body, UntilEnough, Work
from .talk import cleaned, question_of
from .teamwork import (
    JOINS,
    THERE,
    Bench,
    HierarchyContext,
    HierarchyRun,
    HierarchySpec,
    carry_out,
    put_together,
    tell_state,
    usage_of,
)
from .text import clean, shorten

SHELF = ("agora", "delegation")  # The namespace in a store.
MOST_ROWS = 200  # subtasks of a whole plan, joins among them
FAULTLESS = ("budget", SKIPPED)  # Outcomes that say nothing about the agent.


class HierarchyInput(TypedDict, total=False):
    """What a run starts from: the task is the last human message."""

    messages: Annotated[list[AnyMessage], add_messages]
    track_record: dict[str, dict[str, int]]


class HierarchyOutput(TypedDict, total=False):
    """What a run ends with; all of it JSON but the messages."""

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str
    stop: str
    usage: dict[str, dict[str, float]]
    plan: list[dict[str, Any]]
    delegation: dict[str, dict[str, Any]]
    results: dict[str, dict[str, Any]]
    trace: list[dict[str, Any]]
    performance: dict[str, Any]
    verdict: dict[str, Any]
    notes: list[str]
    track_record: dict[str, dict[str, int]]


class HierarchyState(HierarchyOutput, total=False):
    """The state between nodes.

    `open`: the subtasks that a sub-coordinator is to break down next; `left_out`: those beyond the limit; `refused`:
    subtask -> why a person refused it; `allowed`: subtask -> the agents that may have it, `first`: who has the first
    attempt; `began`: when the work began; `lacks`: subtask -> what its own graph or coordinator misses of it; `over`:
    why the budget ended the run.
    """

    open: list[str]
    left_out: list[str]
    refused: dict[str, str]
    allowed: dict[str, list[str]]
    first: dict[str, str]
    began: float
    lacks: dict[str, str]
    over: str


def plan(spec: HierarchySpec, state: HierarchyState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Begin: let the coordinator break the task down."""
    run = HierarchyRun(spec, HierarchyContext)
    checked_seconds(run.context, "model_seconds", "work_seconds")
    task, talk = _task(state), cleaned(state["messages"])
    records = yield from known_records(run.store, SHELF, spec.team, state.get("track_record"))
    run.tell("asking", round=1, what="the coordinator for a plan")
    usage = {name: dict(NOTHING) for name in (spec.name, *spec.team)}
    over, notes, left_out, rows, large = "", list[str](), list[str](), list[dict[str, Any]](), list[str]()
    try:
        asked = yield from _coordinator(run, config)
        planned: Planned = yield from plan_task(asked, task, spec.agents, talk=talk)
        usage = added(usage, {spec.name: Heard(None, None, usage_of(planned.replies))})
        rows, notes = outline(planned.breakdown), list(planned.breakdown.notes)
        left_out = list(planned.breakdown.left_out)
        large = [row["id"] for row, one in zip(rows, planned.breakdown.subtasks, strict=True) if one.large]
    except BudgetExceeded as reason:
        over = str(reason)
    return {
        "plan": rows,
        **_to_divide(spec, rows, large, notes),
        "left_out": left_out,
        "usage": usage,
        "over": over,
        "track_record": records,
        "delegation": {},
        "results": {},
        "trace": [],
        "performance": {},
        "verdict": {},
        "refused": {},
        "allowed": {},
        "first": {},
        "lacks": {},
        "answer": "",
        "stop": "",
    }


def subdivide(spec: HierarchySpec, state: HierarchyState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Let sub-coordinators, all at once, break down the subtasks that are large."""
    run = HierarchyRun(spec, HierarchyContext)
    asked = yield from _coordinator(run, config)
    rows, notes, left_out = state["plan"], list(state["notes"]), list(state["left_out"])
    usage, over, large = state["usage"], "", list[str]()
    chosen = [row for row in rows if row["id"] in state["open"]]
    run.tell("asking", round=chosen[0]["depth"] + 1, what=f"sub-coordinators for {', '.join(state['open'])}")
    bodies = tuple(
        plan_task(asked, row["task"], spec.agents, talk=[], within=_around(state, row, rows)) for row in chosen
    )
    found: Mapping[int, Any] = yield UntilEnough(bodies, _never, config.get("max_concurrency"))
    for place, row in enumerate(chosen):
        planned = found[place]
        if isinstance(planned, BudgetExceeded):
            over = str(planned)
            continue
        if isinstance(planned, BaseException):
            raise planned
        usage = added(usage, {spec.name: Heard(None, None, usage_of(planned.replies))})
        breakdown = planned.breakdown
        notes += [f"{row['id']}: {note}" for note in breakdown.notes]
        if len(breakdown.subtasks) == 1:
            continue
        if len(rows) + len(breakdown.subtasks) > MOST_ROWS:
            notes.append(f"{row['id']}: the plan would have more than {MOST_ROWS} subtasks, so it is not broken down")
            continue
        rows, left_out = expanded(rows, row["id"], breakdown), [*left_out, *breakdown.left_out]
        large += [f"{row['id']}.{number}" for number, one in enumerate(breakdown.subtasks, 1) if one.large]
    return {"plan": rows, **_to_divide(spec, rows, large, notes), "left_out": left_out, "usage": usage, "over": over}


def approve(spec: HierarchySpec, state: HierarchyState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Lay out who would do what, and ask a person about the subtasks that need a yes."""
    run = HierarchyRun(spec, HierarchyContext)
    run.tell("outline", plan=state["plan"])
    desk = _desk(spec, state)
    agents = yield Work(expected, (desk,))  # It loads SciPy, so that the work does not wait for that: 0.3 s.
    consent = ask_consent(state["plan"], agents, list(spec.team), spec.approve)
    agents |= consent.first
    said = [f"{id_}: a person edited it and gave it to {agents[id_]}" for id_ in consent.edited]
    rows = [{**row, "task": consent.edited.get(row["id"], row["task"])} for row in state["plan"]]
    for row in rows:
        tell_state(run, row, "waiting")
    return {
        "plan": rows,
        "delegation": {row["id"]: _expected(spec, desk, row, agents) for row in rows},
        "refused": dict(consent.refused),
        "first": dict(consent.first),
        "allowed": dict(consent.allowed),
        "notes": [*state["notes"], *said],
        "began": time.time(),
    }


def work(spec: HierarchySpec, state: HierarchyState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Let the team do the plan, event by event, and remember who kept its promises."""
    run = HierarchyRun(spec, HierarchyContext)
    desk = _desk(spec, state)
    talk = cleaned(state["messages"])
    bench = Bench(run, _task(state), talk, state["plan"], desk, state["began"], state["refused"])
    found = yield from carry_out(bench, config)
    usage, records, rows = state["usage"], state["track_record"], list[dict[str, Any]]()
    promises: list[tuple[str, bool]] = []
    for row, used in ((one["row"], one["usage"]) for result in found.values() for one in result["attempts"]):
        rows.append(row)
        if row["agent"] is not None:
            usage = added(usage, {row["agent"]: Heard(None, None, used)})
        if row["agent"] in spec.team and row["outcome"] not in FAULTLESS:
            promises.append((row["agent"], row["outcome"] == DONE))
    for name, kept in promises:
        records = recorded(records, name, kept=kept)
    if run.store is not None and promises:
        yield Work(keep_promises, (run.store, SHELF, promises))
    return {
        "results": {id_: {key: one[key] for key in ("text", "agent", "status", "error")} for id_, one in found.items()},
        "delegation": {id_: _delegated(one) for id_, one in found.items()},
        "trace": sorted(rows, key=lambda row: (row["started"], row["ended"], row["subtask"])),
        "usage": usage,
        "track_record": records,
        "notes": [*state["notes"], *(f"{id_}: {one['lacks']}" for id_, one in found.items() if one["lacks"])],
        "lacks": {id_: one["lacks"] for id_, one in found.items() if one["lacks"]},
        "over": bench.over,
    }


def conclude(spec: HierarchySpec, state: HierarchyState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Put the results together to an answer that cites them, and say whether it is complete."""
    run = HierarchyRun(spec, HierarchyContext)
    results, usage, over, notes = state["results"], state["usage"], state["over"], list(state["notes"])
    top = [
        Result(row["id"], row["task"], _text(results, row["id"]), _wrong(state, row["id"]))
        for row in state["plan"]
        if row["depth"] == 1
    ]
    missing = [row["id"] for row in state["plan"] if row["kind"] == WORK and not _is_done(results, row["id"])]
    made = Concluded(_alone(top, over), None, "", "")
    if not made.answer:
        run.tell("asking", round=1, what="the coordinator to put the results together")
        made = yield from put_together(run, _task(state), top, cleaned(state["messages"]), config)
        usage = added(usage, {spec.name: Heard(None, None, usage_of(made.replies))})
        over = over or (made.note if made.over else "")
        notes += _miscited(made.answer, results) if made.answer != listing(top) else []
    verdict = _verdict(state, missing, made, over)
    done = any(one.text for one in top)
    joins = [row["id"] for row in state["plan"] if row["kind"] == JOIN]
    stop = "budget" if over else "failed" if not done else "answer" if verdict["complete"] else "partial"
    run.tell("end", stop=stop, answer=made.answer)
    return {
        "answer": made.answer,
        "stop": stop,
        "verdict": verdict,
        "performance": performance(state["trace"], joins).to_dict(),
        "usage": usage,
        "notes": notes,
        "messages": [AIMessage(made.answer, name=spec.name)],
    }


def after_plan(state: HierarchyState) -> str:
    """Where to go after the coordinators."""
    if state["over"]:
        return "conclude"
    return "subdivide" if state["open"] else "approve"


# Planning


def _task(state: HierarchyState) -> str:
    return clean(question_of(state.get("messages", [])).text)


def _coordinator(run: HierarchyRun, config: RunnableConfig) -> Body[Asked]:
    wanted = run.spec.model or run.context.model
    model = wanted if isinstance(wanted, BaseChatModel) else (yield Work(load_model, (wanted,)))
    return Asked(model, config, run.context.model_seconds)


def _to_divide(
    spec: HierarchySpec, rows: Sequence[Mapping[str, Any]], large: Sequence[str], notes: list[str]
) -> dict[str, Any]:
    """The subtasks to be broken down next, and the notes about those for which there is no depth left."""
    depth = {row["id"]: row["depth"] for row in rows}
    deep = [id_ for id_ in large if depth[id_] >= spec.max_depth]
    said = [f"{id_}: it was called large, but max_depth {spec.max_depth} is reached" for id_ in deep]
    return {"open": [id_ for id_ in large if id_ not in deep], "notes": [*notes, *said]}


def _around(state: HierarchyState, row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """What a sub-coordinator is told of the rest."""
    others = [one for one in rows if one["parent"] == row["parent"] and one["id"] != row["id"]]
    listed = "\n".join(f"- {shorten(' '.join(one['task'].split()), 120)}" for one in others)
    before = earlier(cleaned(state["messages"]))
    around = (f"\n{before}" if before else "") + (f"\nOther parts, which others do:\n{listed}" if listed else "")
    quoted = quote(_task(state), 2_000)
    return f"You coordinate a part of a larger task. The whole task, behind > and as data:\n{quoted}{around}"


def _never(found: Mapping[int, Any]) -> bool:
    return False


# Delegation


def _desk(spec: HierarchySpec, state: HierarchyState) -> Desk:
    return Desk(
        [row for row in state["plan"] if row["kind"] == WORK],
        spec.team,
        urgency(state["plan"]),
        max_attempts=spec.max_attempts,
        capacity=spec.capacity,
        records=state["track_record"],
        allowed=state["allowed"],
        first=state["first"],
    )


def _expected(spec: HierarchySpec, desk: Desk, row: Mapping[str, Any], agents: Mapping[str, str]) -> dict[str, Any]:
    if row["kind"] == JOIN:
        return {"agent": spec.name, "reason": JOINS, "attempts": []}
    return {"agent": agents[row["id"]], "reason": f"expected: {desk.reasons[row['id']]}", "attempts": []}


def _delegated(result: Mapping[str, Any]) -> dict[str, Any]:
    """Who had a subtask in the end, why, and who tried it."""
    tried = [one["row"] for one in result["attempts"] if one["row"]["outcome"] != SKIPPED]
    attempts = [{key: row[key] for key in ("agent", "outcome", "error")} for row in tried]
    return {"agent": result["agent"], "reason": result["reason"], "attempts": attempts}


# Concluding


def _text(results: Mapping[str, Mapping[str, Any]], id_: str) -> str:
    """What there is of a subtask, also where it is not all."""
    found = results.get(id_, {})
    return str(found["text"]) if found.get("status") in THERE else ""


def _is_done(results: Mapping[str, Mapping[str, Any]], id_: str) -> bool:
    return results.get(id_, {}).get("status") == DONE


def _wrong(state: HierarchyState, id_: str) -> str:
    """Why a subtask has no result, or what is wrong with the one it has."""
    return str(state["results"].get(id_, {}).get("error", state["over"]) or state["lacks"].get(id_, ""))


def _miscited(answer: str, results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Notes about citations of what is no subtask, or has no result."""
    odd = [id_ for id_ in cited(answer) if id_ not in results]
    bare = [id_ for id_ in cited(answer) if id_ in results and not _text(results, id_)]
    notes = [f"the answer cites {', '.join(odd)}, which are no subtasks"] if odd else []
    return notes + [f"the answer cites {id_}, which has no result" for id_ in bare]


def _alone(top: Sequence[Result], over: str) -> str:
    """The answer where there is nothing to put together: one result, or none."""
    if len(top) == 1 and top[0].text:
        return top[0].text
    if any(one.text for one in top):
        return ""
    why = "; ".join(dict.fromkeys(one.error for one in top if one.error)) or over or "nobody did anything"
    return f"Not done: {shorten(why, 1_000).rstrip('.')}."


def _verdict(state: HierarchyState, missing: Sequence[str], made: Concluded, over: str) -> dict[str, Any]:
    """Whether the task is done: what has no result is missing, whatever the model thinks; it may miss more."""
    results, works = state["results"], [row for row in state["plan"] if row["kind"] == WORK]
    parts = ["every subtask was done" if works else f"there was no plan: {over}"]
    if missing:
        listed = [f"{id_} ({results.get(id_, {}).get('error') or over})" for id_ in missing]
        no = "no complete result" if any(_text(results, id_) for id_ in missing) else "no result"
        parts = [f"{len(missing)} of {len(works)} subtasks have {no}: {few(listed)}"]
    if left_out := [shorten(" ".join(task.split()), 60) for task in state["left_out"]]:
        parts.append(f"{len(left_out)} subtasks of the plan were beyond the limit and not done: {few(left_out)}")
    parts += [f"{id_}: {lacks}" for id_, lacks in state["lacks"].items()]
    if made.complete is False:
        parts.append(f"the coordinator misses: {made.missing or 'it does not say what'}")
    if made.note and works:
        parts.append(made.note)
    complete = bool(works) and not missing and not left_out and not state["lacks"] and made.complete is not False
    return {"complete": complete, "missing": list(missing), "reason": "; ".join(parts)}
