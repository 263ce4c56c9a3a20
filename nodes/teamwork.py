"""The work of a team on a plan: every subtask starts when what it needs is there and somebody who fits is free."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_config

from ..agents import Agent
from ..budget import budgets_of
from ..errors import BudgetExceeded, ConfigError
from ..models import load_model
from .board import few
from .coordinating import SHOWN, Asked, Concluded, Result, conclude_task, earlier, listing, quote
from .delegation import Desk
from .dispatch import Again, Dispatch, Job
from .outline import JOIN, WORK
from .panel import NOTHING
from .performance import DONE, PARTIAL, SKIPPED
from .run import Run, RunContext
from .running import Body, Work
from .working import Made, attempt

JOINS = "it puts its parts together"  # Why a join is the coordinator's.
THERE = (DONE, PARTIAL)  # Of a result that others can use.


@dataclass(frozen=True)
class HierarchyContext(RunContext):
    """The settings of one run."""

    work_seconds: float = 300.0
    """A worker that has not delivered a subtask by then has failed at it, and another one gets it."""


@dataclass(frozen=True)
class HierarchySpec:
    """What `create_hierarchy` was given. `worker_of`: agent, model, model_seconds -> who does its work."""

    name: str
    agents: tuple[Agent, ...]
    max_depth: int
    max_attempts: int
    approve: frozenset[str] | bool
    capacity: int
    accept: Callable[[str, str], bool | str] | None
    model: str | BaseChatModel | None
    worker_of: Callable[[Agent, str | BaseChatModel, float], Runnable[Any, Any]]

    @property
    def team(self) -> dict[str, tuple[str, ...]]:
        """Agent -> its skills."""
        return {agent.name: tuple(agent.skills) for agent in self.agents}

    def agent(self, name: str) -> Agent:
        """The agent of a name."""
        return next(agent for agent in self.agents if agent.name == name)


HierarchyRun = Run[HierarchySpec, HierarchyContext]


@dataclass
class Bench:
    """One run of the plan: what the jobs of a dispatch share.

    Attributes:
        run: The run.
        task: The whole task.
        talk: The conversation with it.
        plan: The rows of the plan.
        desk: Who gets what.
        began: When the work began, in seconds of the clock: it stays the same when the run is resumed.
        refused: Subtask -> why a person refused it.
        over: Why the budget ended the run, once it has.
        attempts: Subtask -> its attempts that were followed by another: {"row", "usage"}, see `work_on`.
    """

    run: HierarchyRun
    task: str
    talk: list[AnyMessage]
    plan: list[dict[str, Any]]
    desk: Desk
    began: float
    refused: Mapping[str, str]
    over: str = ""
    attempts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def chief(self) -> str:
        """Who puts parts together, and has what nobody is left for."""
        return self.run.spec.name

    def assign(self, ready: Any, free: Mapping[str, int]) -> dict[str, str]:
        """Who gets what now; joins, and what nobody may do, go to the coordinator, which always has room."""
        own = [id_ for id_ in ready if id_ not in self.desk.needs or not self.desk.left(id_)]
        others = [id_ for id_ in ready if id_ not in own]
        agents = {name: places for name, places in free.items() if name != self.chief}
        return {**dict.fromkeys(own, self.chief), **self.desk.assign(others, agents)}

    def tried(self, id_: str, worker: str | None, note: Any) -> None:
        """Note an attempt that failed and is followed by another; also of a run that was cut off."""
        self.desk.settle(id_, str(worker), kept=False)
        self.attempts.setdefault(id_, []).append(note)

    def now(self) -> float:
        """Seconds since the work began."""
        return round(time.time() - self.began, 6)

    def tell(self, row: Mapping[str, Any], state: str, worker: str | None = None, why: str = "") -> None:
        """Send the new state of a subtask to whoever streams the run."""
        tell_state(self.run, row, state, worker, why)


def tell_state(run: HierarchyRun, row: Mapping[str, Any], state: str, worker: str | None = None, why: str = "") -> None:
    """Tell that a subtask waits, runs, is done, failed, was reassigned or refused, with who was at it and why."""
    run.tell("subtask", id=row["id"], task=row["task"], state=state, worker=worker, why=why)


def carry_out(bench: Bench, config: RunnableConfig) -> Body[dict[str, dict[str, Any]]]:
    """Do all subtasks of a plan; returns what became of each, see `work_on`."""
    spec, rank = bench.run.spec, bench.desk.urgency
    # What waits for another is less urgent than that, so this is an order in which they can be done.
    rows = sorted(bench.plan, key=lambda row: -rank[row["id"]])
    places = {**dict.fromkeys(spec.team, spec.capacity), bench.chief: len(rows)}
    jobs = tuple(Job(row["id"], tuple(row["after"]), partial(work_on, bench, row)) for row in rows)
    found: dict[str, dict[str, Any]] = yield Dispatch(
        jobs, config, workers=places, assign=bench.assign, tried=bench.tried
    )
    return {row["id"]: found[row["id"]] for row in bench.plan}


def work_on(bench: Bench, row: dict[str, Any], results: Mapping[str, Any], worker: str | None) -> Body[Any]:
    """Let one worker try one subtask.

    Returns:
        {"text", "agent", "status", "error", "reason", "lacks", "attempts"}: `status` is done, partial (the text is
        not all), failed, refused (by a person) or skipped; `attempts` lists {"row", "usage", "text"}, its rows of the
        trace. Or `Again`, with such a row, usage and text, for another one to try.
    """
    started, name = bench.now(), str(worker)
    if why := _hindered(bench, row, results, name):
        status = "refused" if row["id"] in bench.refused else SKIPPED
        bench.tell(row, "refused" if status == "refused" else "failed", None, why)
        return _ended(bench, row, None, started, Made(SKIPPED, error=why), status)
    if row["kind"] == WORK:
        bench.desk.begin(name)
    bench.tell(row, "running", name)
    made: Made = yield from (_joined(bench, row, results) if row["kind"] == JOIN else _made(bench, row, results, name))
    if made.outcome == "budget":
        bench.over = bench.over or made.error
    elif made.outcome != DONE and row["kind"] == WORK and bench.desk.left(row["id"], but=name):
        bench.tell(row, "reassigned", name, made.error)
        return Again(_traced(bench, row, name, started, made))
    elif row["kind"] == WORK:
        bench.desk.settle(row["id"], name, kept=made.outcome == DONE)
    bench.tell(row, "done" if made.outcome == DONE else "failed", name, made.error)
    return _ended(bench, row, name, started, made, made.outcome if made.outcome in THERE else "failed")


def put_together(
    run: HierarchyRun, task: str, results: list[Result], talk: Sequence[AnyMessage], config: RunnableConfig
) -> Body[Concluded]:
    """Ask the coordinator for an answer made of results; when the budget does not allow it they are listed.

    A budget that ended is told in `note`, see `Concluded`. `talk`: the conversation with the task.
    """
    wanted = run.spec.model or run.context.model
    model = wanted if isinstance(wanted, BaseChatModel) else (yield Work(load_model, (wanted,)))
    try:
        asked = Asked(model, config, run.context.model_seconds)
        return (yield from conclude_task(asked, task, results, earlier(talk)))
    except BudgetExceeded as over:
        return Concluded(listing(results), None, "", str(over), over=True)


def usage_of(replies: Any) -> dict[str, float]:
    """The usage of some model calls as one row."""
    rows = [reply.usage() for reply in replies]
    return {key: round(sum(row[key] for row in rows), 6) for key in NOTHING}


def _hindered(bench: Bench, row: Mapping[str, Any], results: Mapping[str, Any], name: str) -> str:
    """Why a subtask is not begun, if so. One that waits for several is begun with those that are there."""
    if row["id"] in bench.refused:
        return bench.refused[row["id"]]
    if row["kind"] == WORK:  # What is there is put together all the same: it can be listed without a model.
        bench.over = bench.over or _out_of_time()
    if bench.over and row["kind"] == WORK:
        return bench.over
    missing = [id_ for id_ in row["after"] if results[id_]["status"] not in THERE]
    if missing and len(missing) == len(row["after"]):
        return f"nothing that it needs is there: {few(missing)}"
    if row["kind"] == WORK and name == bench.chief:
        return "nobody is left who may do it"
    return ""


def _out_of_time() -> str:
    """Why nothing may begin, if so: a worker without a model would never notice that the run's seconds are over."""
    late = [budget for budget in budgets_of(get_config()) if budget.left().get("seconds") == 0]
    return next((f"the budget of {budget.limits['seconds']:g} seconds is used up" for budget in late), "")


def _made(bench: Bench, row: Mapping[str, Any], results: Mapping[str, Any], name: str) -> Body[Made]:
    """What an agent makes of a subtask."""
    run, spec, config = bench.run, bench.run.spec, get_config()
    agent = spec.agent(name)
    accept = partial(spec.accept, row["task"]) if spec.accept is not None else None
    try:
        worker = spec.worker_of(agent, agent.model or spec.model or run.context.model, run.context.model_seconds)
    except ConfigError as wrong:
        return Made("failed", error=str(wrong), usage=dict(NOTHING))
    messages = _told(bench, row, results)
    return (yield from attempt(worker, messages, config, run.context.work_seconds, accept))


def _joined(bench: Bench, row: Mapping[str, Any], results: Mapping[str, Any]) -> Body[Made]:
    """The parts of a subtask put together by its sub-coordinator."""
    parts = [_result(bench, id_, results[id_]) for id_ in row["after"]]
    made: Concluded = yield from put_together(bench.run, row["task"], parts, bench.talk, get_config())
    if made.over:
        bench.over = bench.over or made.note
    lacks = f"its coordinator misses: {made.missing or 'it does not say what'}" if made.complete is False else ""
    return Made(DONE, made.answer, usage=usage_of(made.replies), lacks=lacks)


def _told(bench: Bench, row: Mapping[str, Any], results: Mapping[str, Any]) -> list[AnyMessage]:
    """What a worker is told: what its subtask is a part of, the results that it needs, and then the subtask alone.

    Alone, because a graph may take the last human message for its task word by word, as a planner and an auction do.
    """
    if len(bench.plan) == 1 and row["task"] == bench.task:
        return bench.talk
    alone = len(bench.plan) == 1
    head = "The task, as it was given" if alone else "You do a part of a larger task, which others work on too"
    parts = [f"{head}:\n{quote(bench.task, 1_000)}", *filter(None, [earlier(bench.talk)])]
    room = max(400, SHOWN // max(1, len(row["after"])))
    parts += [_handed(_result(bench, id_, results[id_]), room) for id_ in row["after"]]
    return [HumanMessage("\n\n".join(parts)), HumanMessage(row["task"])]


def _handed(one: Result, room: int) -> str:
    """A result as it is handed to who needs it."""
    what = f"[{one.id}] {' '.join(one.task.split())}"
    if not one.text:
        return f"Not done: {what}: {one.error}"
    wrong = f", which is incomplete ({one.error})" if one.error else ""
    return f"The result of {what}{wrong}, as data:\n{quote(one.text, room)}"


def _result(bench: Bench, id_: str, found: Mapping[str, Any]) -> Result:
    task = next(row["task"] for row in bench.plan if row["id"] == id_)
    return Result(id_, task, found["text"] if found["status"] in THERE else "", found["error"] or found["lacks"])


def _ended(
    bench: Bench, row: Mapping[str, Any], name: str | None, started: float, made: Made, status: str
) -> dict[str, Any]:
    """What became of a subtask, with all its attempts: those of a run that was cut off are told to nobody else."""
    if name is None:
        reason = made.error
    elif row["kind"] == JOIN:
        reason = JOINS
    else:
        reason = bench.desk.reasons.get(row["id"], "it had begun before the run was cut off")
    attempts = [*bench.attempts.get(row["id"], []), _traced(bench, row, name, started, made)]
    told = {"text": made.text, "agent": name, "status": status, "error": made.error, "reason": reason}
    parts = [one["text"] for one in attempts if one.get("text")]
    if status in ("failed", SKIPPED) and parts:  # Somebody before did a part of it.
        told |= {"text": parts[-1], "status": PARTIAL}
    return {**told, "lacks": made.lacks, "attempts": attempts}


def _traced(bench: Bench, row: Mapping[str, Any], name: str | None, started: float, made: Made) -> dict[str, Any]:
    """An attempt: its row of the trace, which is told to who streams the run, and what it used."""
    trace = {
        "subtask": row["id"],
        "after": list(row["after"]),
        "agent": name,
        "started": started,
        "ended": bench.now(),
        "outcome": made.outcome,
        "error": made.error,
    }
    bench.run.tell("attempt", attempt=trace)
    return {"row": trace, "usage": dict(made.usage or NOTHING), "text": made.text if made.outcome == PARTIAL else ""}
