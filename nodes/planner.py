"""The nodes of the planner graph: plan, execute what can be, mend what broke, and say what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END

from ..errors import BudgetExceeded, ConfigError, nearest
from ..models import load_model
from .ask import Reply, send
from .dispatch import Dispatch, Job
from .panel import NOTHING
from .plan_state import (
    PlannerRun,
    PlannerSpec,
    PlannerState,
    plan_in,
    root_of,
    rows_of,
    state_in,
    state_out,
    title,
)
from .plan_steps import Epoch, SenseFailed, before_goal, looked, perform
from .planning.contingencies import contingencies
from .planning.domain import Domain
from .planning.domain_files import Problem, read_problem, write_problem
from .planning.facts import Ground, shown
from .planning.plan import Plan
from .planning.reading import task_in
from .planning.repair import REPLAN, Failure, forbidden, repair
from .planning.search import Limits, find_plan, root_network
from .planning.tool_plans import ROOT, Planned, tool_domain, whole
from .proposing import Completed, complete
from .run import checked_seconds
from .running import Body, Work
from .talk import cleaned, question_of
from .text import clean, plain, shorten
from .tool_planning import ToolPlan, plan_calls

SILENT = "effect"  # A call that succeeded without its effect is made once more before its method is given up.


def plan(spec: PlannerSpec, state: PlannerState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Take the input and find a plan."""
    run = PlannerRun(spec)
    _check(run)
    begun = _begun()
    asked = state.get("messages") and (state.get("tasks") is None or isinstance(state["messages"][-1], HumanMessage))
    goal = clean(question_of(state["messages"]).text).strip() if asked else ""
    given = state.get("state")
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"state was {given!r}; give variable -> value.")
    try:
        if spec.problem is None:
            made = yield from _from_tools(run, state, goal, config)
        else:
            made = yield from _from_domain(run, spec.problem, state, goal, config)
    except BudgetExceeded as over:
        return _closed(run, {**state, **begun}, {"stop": "budget", "explanation": str(over)})
    found: Plan = made.pop("found")
    if not found:
        return _closed(run, {**state, **begun}, {**made, "stop": found.reason})
    begun |= {**made, "goal": goal, "start": state_out(found.start), "final_state": state_out(found.start)}
    begun |= {"root": root_of(found.root), **_shown(run, found, begun["calls"])}
    steps = [str(step) for step in found.steps]
    return {**begun, "trace": [_event("plan", steps=steps, searched=found.searched, note=made["explanation"])]}


def _from_domain(
    run: PlannerRun, problem: Problem, state: PlannerState, goal: str, config: RunnableConfig
) -> Body[dict[str, Any]]:
    """A plan by the methods of the domain; a model is asked only for a task that none of them does."""
    context = run.context
    network, order = _asked_for(problem, state.get("tasks"), goal)
    start = state_in(problem.domain, {**problem.init, **(state.get("state") or {})})
    run.tell("planning", tasks=[shown(task[0], task[1:]) for _, task in network])
    limits, optimise = Limits(seconds=context.plan_seconds), context.optimise or None
    if problem.domain.is_written and context.proposals:
        done: Completed = yield from complete(
            *(problem.domain, start, network),
            order=order,
            model=run.model,
            config=config,
            seconds=context.model_seconds,
            tries=context.proposals,
            limits=limits,
            optimise=optimise,
            tell=run.tell,
        )
    else:  # Nobody is asked; what a model proposes could not be judged beside Python functions, nor written to a file.
        search = partial(find_plan, problem.domain, start, network, order=order, limits=limits, optimise=optimise)
        found: Plan = yield Work(search)
        done = Completed(found, problem.domain, (), (), dict(NOTHING), found.explanation)
    made: dict[str, Any] = {"found": done.plan, "explanation": done.explanation, "usage": {run.spec.name: done.usage}}
    if done.plan and goal and state.get("tasks") is None and not named_tasks(problem.domain, goal):
        made["explanation"] = "The message names no task of the domain, so those of its root are done."
    made["proposals"] = [one.to_dict() for one in done.attempts]
    if done.accepted:
        made["domain"] = json.loads(write_problem(replace(problem, domain=done.domain)))
    if done.plan:
        made["found"] = yield Work(contingencies, (done.plan,))
    return made


def _from_tools(run: PlannerRun, state: PlannerState, goal: str, config: RunnableConfig) -> Body[dict[str, Any]]:
    """A plan of tool calls that a model proposes."""
    if not goal:
        raise ConfigError(
            "There is no goal. Say in a message what is to be reached, or make the planner with a domain."
        )
    run.tell("planning", tasks=[shorten(goal, 200)])
    planned: ToolPlan = yield from plan_calls(
        *(run.spec.tools, goal),
        model=run.model,
        config=config,
        seconds=run.context.model_seconds,
        talk=before_goal(cleaned(state["messages"]), goal),
        tell=run.tell,
    )
    made: dict[str, Any] = {"explanation": planned.note, "usage": {run.spec.name: planned.usage}}
    made["proposals"] = [one.to_dict() for one in planned.attempts]
    made["calls"] = {call.name: call.to_dict() for call in planned.calls}
    made["found"] = yield Work(find_plan, (planned.domain, state.get("state") or {}, [ROOT]))
    return made


def after_plan(state: PlannerState) -> str:
    """Where to go with a plan, or without."""
    return END if state.get("stop") else "execute"


def execute(spec: PlannerSpec, state: PlannerState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Carry out the steps that are left, each as soon as it may begin, until all are done or something breaks."""
    run = PlannerRun(spec)
    current = _current(run, state)
    epoch = Epoch(
        run,
        current,
        frozenset(row["id"] for row in state["completed"]),
        state_in(current.domain, state["final_state"]),
        {row["id"]: row["output"] for row in state["completed"]},
        cleaned(state.get("messages", [])),
        state["calls"],
        state["goal"],
    )
    jobs = []
    for step in epoch.left:
        after = tuple(str(id_) for id_ in sorted(current.order[step.id] - epoch.done))
        jobs.append(Job(str(step.id), after, partial(perform, epoch, step.id)))
    rows = yield Dispatch(tuple(jobs), config, epoch.workers(), epoch.assign, tried=epoch.tried)
    return (yield from _carried_out(run, state, epoch, rows, config))


def after_execute(state: PlannerState) -> str:
    """Where to go when steps were carried out."""
    return END if state.get("stop") else "mend"


def mend(spec: PlannerSpec, state: PlannerState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Mend the plan where it broke, the smallest part that will do; end when there is no other way."""
    run = PlannerRun(spec)
    current = _current(run, state, state["plan"]["contingencies"])
    done = [row["id"] for row in state["completed"]]
    failures = [Failure(row["step"], row["kind"], row["reason"]) for row in state["failures"]]
    world = state_in(current.domain, state["final_state"])
    without, silent = _given_up(state, current, failures)
    update: dict[str, Any] = {"failures": [], "without": without, "silent": silent, "replans": state["replans"]}
    trace = list(state["trace"])
    banned = frozenset((tuple(task), method) for task, method in without)
    if update["replans"] >= run.max_replans:
        why = f"the plan was mended {run.max_replans} times, which is all that is allowed"
        return _closed(run, {**state, "trace": trace}, {**update, "stop": "max_replans", "explanation": why})
    fresh = max([*current.by_id, *done])
    search = partial(
        repair,
        also=failures[1:],
        without=banned,
        dropped={id_: (tuple(task), above) for id_, task, above in state["dropped"]},
        limits=Limits(seconds=run.context.plan_seconds),
        fresh=fresh,
    )
    mended = yield Work(search, (current, done, world, failures[0]))
    if mended.plan is None and _is_planned_by_tools(state):
        return _left_to_agent(run, state, failures[0], fresh, {**update, "trace": trace})
    if mended.plan is None:
        parted = {str(current.by_id[current.by_id[one.step].parent or one.step]) for one in failures}
        why = f"there is no other way to do {', '.join(sorted(parted))}"
        return _closed(run, {**state, "trace": trace}, {**update, "stop": "exhausted", "explanation": why})
    update["replans"] += 1
    update["dropped"] = [[id_, list(task), above] for id_, (task, above) in mended.dropped.items()]
    replaced = [str(current.by_id[id_]) for id_ in mended.replaced]
    current = mended.plan
    steps = [str(step) for step in current.steps if step.id not in done]
    trace.append(_event(mended.kind, replaced=replaced, decompositions=mended.decompositions, steps=steps))
    run.tell("mended", kind=mended.kind, replaced=replaced)
    return {**update, **_shown(run, current, state["calls"], state["completed"]), "trace": trace}


def after_mend(state: PlannerState) -> str:
    """Where to go with the mended plan, or without one."""
    return END if state.get("stop") else "execute"


def _check(run: PlannerRun) -> None:
    context = run.context
    checked_seconds(context, "model_seconds", "step_seconds", "plan_seconds")
    for name in ("retries", "max_replans", "proposals"):
        value = getattr(context, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise ConfigError(f"{name} was {value!r}; give a whole number of at least 0.")


def _shown(
    run: PlannerRun, plan: Plan, calls: Mapping[str, Any], completed: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """A plan as it stands in the state, and for whoever streams the run."""
    run.tell("outline", plan=_outline(plan, calls, {row["id"]: row["worker"] for row in completed}))
    return {"nodes": rows_of(plan), "plan": plan.to_dict()}


def _is_planned_by_tools(state: PlannerState) -> bool:
    return any(call["tool"] for call in state["calls"].values())


def _left_to_agent(
    run: PlannerRun, state: PlannerState, failure: Failure, fresh: int, update: dict[str, Any]
) -> dict[str, Any]:
    """Leave the goal to an agent that acts step by step, when the calls that were planned ahead do not lead there."""
    calls = whole(state["goal"])
    found = find_plan(tool_domain(calls), state["final_state"], [ROOT])
    nodes = tuple(one._replace(id=one.id + fresh, parent=one.parent and one.parent + fresh) for one in found.nodes)
    plan = Plan(found.domain, found.start, nodes=nodes, root=found.root)
    trace = [*update["trace"], _event(REPLAN, replaced=[ROOT], steps=[str(step) for step in plan.steps])]
    run.tell("mended", kind=REPLAN, replaced=[ROOT])
    why = f"A planned call failed ({failure.reason}), so the whole goal is one task for an agent."
    update |= {"replans": update["replans"] + 1, "calls": {call.name: call.to_dict() for call in calls}}
    return {
        **update,
        **_shown(run, plan, update["calls"]),
        "root": root_of(plan.root),
        "trace": trace,
        "explanation": why,
    }


def _begun() -> dict[str, Any]:
    """The keys of a new run; what was given for it is taken, and not kept for the next turn."""
    lists = ("nodes", "root", "completed", "remaining", "trace", "failures", "without", "silent", "dropped")
    empty: dict[str, Any] = {key: [] for key in (*lists, "proposals")}
    dicts: dict[str, Any] = {key: {} for key in ("plan", "final_state", "start", "calls", "usage")}
    texts = dict.fromkeys(("answer", "stop", "explanation", "goal"), "")
    return {**empty, **dicts, **texts, "success": False, "replans": 0, "domain": None}


def _asked_for(problem: Problem, tasks: Any, goal: str) -> tuple[list[tuple[str, Any]], Any]:
    """What is to be done, and in which order: the tasks that were given, those that the message names, or the root."""
    if tasks is not None:
        network = root_network(tasks)
        return list(network.tasks), "total"
    named = named_tasks(problem.domain, goal)
    if named:
        return list(root_network(named).tasks), "total"
    if problem.root.tasks:
        return list(problem.root.tasks), problem.order
    known = problem.domain.names
    said = f"No task of the domain is named by {shorten(goal, 100)!r}." if goal else "No task was given."
    raise ConfigError(
        f"{said} Name one a line ({', '.join(known[:8])}{', ...' if len(known) > 8 else ''}), or give 'tasks'."
        f"{nearest(goal.partition('(')[0].strip(), known)}"
    )


def named_tasks(domain: Domain, text: str) -> list[Ground]:
    """The tasks that the lines of a text name; none when a line is something else."""
    try:
        found = [task_in(line.rstrip(". "), domain.names) for line in text.strip().splitlines()]
    except ConfigError:
        return []
    return found if all(task[0] in domain.names for task in found) else []


def _current(run: PlannerRun, state: Mapping[str, Any], stored: Sequence[Mapping[str, Any]] = ()) -> Plan:
    """The plan under way."""
    if state["calls"]:
        domain = tool_domain([Planned(**call) for call in state["calls"].values()])
    elif state["domain"]:  # A model has added to it.
        domain = read_problem(json.dumps(state["domain"])).domain
    else:
        assert run.spec.problem is not None
        domain = run.spec.problem.domain
    return plan_in(domain, state["start"], state["nodes"], state["root"], stored)


def _carried_out(
    run: PlannerRun, state: PlannerState, epoch: Epoch, rows: Mapping[str, Mapping[str, Any]], config: RunnableConfig
) -> Body[dict[str, Any]]:
    """What came of the steps: the state, what is done and what broke; closes the run when nothing is left."""
    completed, failures, trace, usage = list(state["completed"]), [], list(state["trace"]), dict(state["usage"])
    for step in sorted(epoch.left, key=lambda one: rows[str(one.id)].get("started", "~")):
        row = rows[str(step.id)]
        facts = {key: row[key] for key in ("worker", "started", "seconds", "attempts") if key in row}
        for name, spent in row.get("usage", {}).items():
            total = usage.get(name, dict.fromkeys(spent, 0))
            usage[name] = {key: round(total[key] + value, 6) for key, value in spent.items()}
        if row["status"] == "done":
            facts |= {"edited": row["edited"]} if "edited" in row else {}
            completed.append({"id": step.id, "task": str(step), "output": row["output"], **facts})
            trace.append(_event("done", task=str(step), errors=row["errors"], **facts))
        elif row["status"] == "failed":
            failures.append({"step": step.id, "kind": row["kind"], "reason": row["reason"]})
            above = epoch.plan.by_id.get(step.parent)
            way = {"of": str(above), "method": above.method} if above else {}
            trace.append(_event("failed", task=str(step), kind=row["kind"], reason=row["reason"], **way, **facts))
    done = {int(id_) for id_, row in rows.items() if row["status"] == "done"}
    believed = epoch.believed(done)
    try:
        seen = yield from looked(run, believed)
    except SenseFailed as error:
        trace.append(_event("unseen", reason=str(error)))
        seen = believed
    before, now = state_out(believed), state_out(seen)
    changes = {key: now.get(key) for key in {**before, **now} if before.get(key) != now.get(key)}
    if changes:
        trace.append(_event("world", changes=changes))
    update: dict[str, Any] = {"completed": completed, "failures": failures, "usage": usage}
    update |= {"final_state": now, "trace": trace}
    over = next((row["reason"] for row in failures if row["kind"] == "budget"), None)
    if over is not None:
        return _closed(run, {**state, **update}, {**update, "stop": "budget", "explanation": over})
    if failures:
        return update
    if _is_planned_by_tools(state):
        update |= yield from _concluded(run, {**state, **update}, config)
    return _closed(run, {**state, **update}, {**update, "stop": "done"})


def _concluded(run: PlannerRun, state: Mapping[str, Any], config: RunnableConfig) -> Body[dict[str, Any]]:
    """Let the model answer the goal with what the tools gave; without a reply the last results are the answer."""
    wanted = run.model
    model = wanted if isinstance(wanted, BaseChatModel) else (yield Work(load_model, (wanted,)))
    lines = []
    for row in state["completed"]:
        call = state["calls"][row["task"]]
        given = json.dumps(call["input"], ensure_ascii=False)
        lines.append(f"{call['tool']} {shorten(given, 300)}: {shorten(row['output'], 2_000)}")
    words = f"{state['goal']}\n\nWhat the tools gave:\n" + "\n".join(lines) + "\n\nAnswer with these results, briefly."
    try:
        reply: Reply = yield from send(model, [HumanMessage(words)], config=config, seconds=run.context.model_seconds)
    except BudgetExceeded:
        return {}
    before = state["usage"].get(run.spec.name, NOTHING)
    usage = {key: round(before[key] + value, 6) for key, value in reply.usage().items()}
    said = "" if reply.failure else clean(reply.text.strip())
    return {"usage": {**state["usage"], run.spec.name: usage}, **({"answer": said} if said else {})}


def _given_up(state: PlannerState, current: Plan, failures: Sequence[Failure]) -> tuple[list[Any], list[Any]]:
    """What may not be used again: what failed for good, and what had no effect for the second time."""
    without, silent = list(state["without"]), list(state["silent"])
    for failure in failures:
        task, method = forbidden(current, failure)
        pair = [list(task), method]
        if failure.kind == SILENT and pair not in silent:
            silent.append(pair)
        elif failure.kind not in ("precondition", "sense") and pair not in without:
            without.append(pair)
    return without, silent


def _closed(run: PlannerRun, state: Mapping[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """The last update of a run."""
    stop, trace = update["stop"], list(state["trace"])
    done = {row["id"] for row in state["completed"]}
    left = []
    if state["nodes"]:
        current = _current(run, state)
        left = [{"id": step.id, "task": str(step)} for step in current.steps if step.id not in done]
    answer = update.get("answer") or _answer(run, state, stop, update.get("explanation", ""))
    trace.append(_event("end", stop=stop))
    run.tell("end", stop=stop, answer=answer)
    closing = AIMessage(answer, name=run.spec.name)
    extra = {"success": stop == "done", "answer": answer, "remaining": left, "trace": trace, "messages": [closing]}
    return {**{key: state[key] for key in _begun()}, **update, **extra}


def _answer(run: PlannerRun, state: Mapping[str, Any], stop: str, why: str) -> str:
    names = ", ".join(row["task"] for row in state["completed"])
    if stop == "done":
        current = _current(run, state)
        waited_for = {id_ for before in current.order.values() for id_ in before}
        outputs = [row["output"] for row in state["completed"] if row["output"] and row["id"] not in waited_for]
        verb = "Simulated, for no tools or agents were given" if run.spec.is_simulated else "Done"
        return "\n\n".join(outputs) or f"{verb}: {names or 'nothing had to be done'}."
    failed = [_failure_words(row) for row in state["trace"] if row["event"] == "failed"]
    parts = [f"Not done: {why.rstrip('.')}."]
    parts += [f"What failed: {'; '.join(failed)}."] if failed else []
    parts += [f"Done before: {names}."] if names else []
    return " ".join(parts)


def _failure_words(row: Mapping[str, Any]) -> str:
    way = f" for {row['of']} by {row['method']}" if row.get("of") else ""
    return f"{row['task']}{way} ({row['reason'].rstrip('.')})"


def _outline(plan: Plan, calls: Mapping[str, Any], done: Mapping[int, str]) -> list[dict[str, Any]]:
    """The tree of tasks, for whoever draws it."""
    rows = []
    for node in plan.nodes:
        row = {"id": str(node.id), "task": title(node, calls), "parent": str(node.parent or ""), "by": node.method}
        rows.append(row | ({"state": "done", "worker": done[node.id]} if node.id in done else {}))
    return rows


def _event(event: str, **facts: Any) -> dict[str, Any]:
    return {"event": event, "at": datetime.now(UTC).isoformat(), **plain(facts)}
