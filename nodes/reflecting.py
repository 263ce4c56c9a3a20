"""The nodes of the reflection graph: recall, run, analyse, store, adapt. Around any graph, so that it learns from runs.

What happened is read by code (`run_facts`), patterns and the worth of lessons are statistics (`patterns`, `lessons`);
the model finds the words (`lesson_words`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import END

from ..errors import BudgetExceeded, ConfigError, RunError
from ..memory.experience import ExperienceMemory
from ..memory.fields import MAX_TASK, checked_id
from ..models import load_model
from .ask import Reply
from .attempts import judge_attempt, row_of, told
from .learning import (
    Found,
    Learned,
    choose,
    find_patterns,
    keep_lesson,
    learn,
    left_open,
    memory_of,
    open_lessons,
)
from .lesson_text import HEAD
from .lesson_words import reflect, setting_of, word_lesson
from .lessons import as_notes
from .panel import NOTHING, Heard, added
from .reflection_state import (
    ReflectionContext,
    ReflectionRun,
    ReflectionSpec,
    ReflectionState,
    default_context,
    is_bound,
)
from .run import RunContext, checked_seconds
from .run_facts import MOST_FEATURES, checked_features, task_features, without
from .running import Body, Work
from .talk import cleaned, question_of
from .teamwork import usage_of
from .text import clean, shorten
from .threads import TimeLimitReached
from .working import Limited, Made, attempt

SUMMARY = 500  # characters of an answer that are remembered
HEARD = "I will keep that in mind."  # What stands behind notes.


def recall(spec: ReflectionSpec, state: ReflectionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Begin: look at the task, and draw which lessons are given and which are withheld."""
    run, began = ReflectionRun(spec, ReflectionContext), _now()
    checked_seconds(run.context, "model_seconds", "work_seconds")
    task = clean(question_of(state.get("messages", [])).text)[:MAX_TASK]
    known = checked_features({**task_features(task), **(state.get("features") or {})}, "The input")
    if spec.features is not None:
        known = checked_features(
            {**known, **(yield from _features_of(spec, task, run.context.work_seconds))}, "features"
        )
    memory: ExperienceMemory = yield Work(memory_of, (spec.memory, run.context.memory))
    given = state.get("run")
    run_id = uuid.uuid4().hex[:16] if given is None else checked_id("run", given, "input")
    earlier = yield Work(memory.get, (run_id,))
    if earlier is not None and earlier["task"] != task:
        raise ConfigError(
            f"run was {run_id!r}, which the memory has for another task; give each run a name of its own."
        )
    recalled = yield Work(choose, (memory, task, known, run_id, spec.lessons, run.context.seed))
    run.tell("recalled", **{key: [one["text"] for one in recalled["lessons"][key]] for key in ("given", "withheld")})
    return {
        "run_id": run_id,
        "began": began,
        "known": known,
        "given": dict(state.get("inputs") or {}),
        "recalled": recalled,
        "attempts": [],
        "kept": 0,
        "latest": {},
        "result": {},
        "usage": {spec.name: dict(NOTHING)},
        "answer": "",
        "stop": "",
        "error": None,
        "experience": {},
        "patterns": [],
        "lessons": [],
        "improved": False,
        "adapt": False,
    }


def work(spec: ReflectionSpec, state: ReflectionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Let the wrapped graph do the task, with the lessons that were drawn and what earlier attempts taught."""
    run, number = ReflectionRun(spec, ReflectionContext), len(state["attempts"]) + 1
    chosen = state["recalled"]["lessons"]["given"]
    run.tell("asking", round=number, what=f"{spec.inner}, with {len(chosen)} lessons")
    asked = _asked(state["messages"], [as_notes(chosen), told(state["attempts"])])
    worker = _with_settings(run, [one["setting"] for one in chosen if one.get("setting")])
    made: Made = yield from attempt(worker, asked, config, run.context.work_seconds, inputs=state["given"])
    row, latest = row_of(number, made, asked)
    return {"attempts": [*state["attempts"], row], "latest": latest, "usage": _spent(spec, state["usage"], made)}


def analyse(spec: ReflectionSpec, state: ReflectionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Judge the newest attempt, note what can be learned from it when it failed, and keep the better one."""
    run = ReflectionRun(spec, ReflectionContext)
    task = clean(question_of(state["messages"]).text)
    earlier, row, usage = state["attempts"][:-1], dict(state["attempts"][-1]), state["usage"]
    row |= yield from judge_attempt(spec.check, spec.pass_at, task, row, state["latest"], run.context.work_seconds)
    run.tell("judged", **{key: row[key] for key in ("number", "success", "score", "source", "why")})
    over = row["stop"] == "budget"
    if row["success"] is False and spec.reflect and not over:
        try:
            asked = yield from _model(run)
            said = yield from reflect(asked, task=task, attempt=row, config=config, seconds=run.context.model_seconds)
        except BudgetExceeded:
            over = True
        else:
            usage = _added(usage, spec.name, said.replies)
            row["reflection"] = f"{said.value.cause} {said.value.next_time}".strip()
            run.tell("reflection", number=row["number"], words=row["reflection"])
    better = not earlier or row["score"] > earlier[state["kept"] - 1]["score"]
    return {
        "attempts": [*earlier, row],
        "usage": usage,
        "latest": {},
        **({"kept": row["number"], "result": state["latest"].get("output", {})} if better else {}),
        "again": row["success"] is False and not over and row["number"] <= spec.retries,
    }


def after_analyse(state: ReflectionState) -> str:
    """Try again, or close."""
    return "work" if state["again"] else "store"


def store(spec: ReflectionSpec, state: ReflectionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Remember the run, count it for the lessons that were given or withheld, and close."""
    run = ReflectionRun(spec, ReflectionContext)
    first, kept = state["attempts"][0], state["attempts"][state["kept"] - 1]
    experience = _experience(spec, state, first, kept)
    update: dict[str, Any] = {}
    try:
        memory = yield Work(memory_of, (spec.memory, run.context.memory))
        learned: Learned = yield Work(learn, (memory, experience, spec.mine_every, spec.self_judged))
    except (ConfigError, RunError) as reason:  # A full disk costs the memory of this run, and not its answer.
        update["error"] = f"The run could not be remembered: {reason}"
    else:
        for lesson in learned.changed:
            run.tell("lesson", text=lesson["text"], state=lesson["state"], why=lesson["why"])
        run.tell("stored", id=experience["id"], success=experience["success"])
        update = {
            "experience": learned.experience,
            "patterns": list(learned.patterns),
            "lessons": list(learned.lessons),
            "quality": learned.quality,
            "adapt": learned.due,
        }
    return {
        "messages": [AIMessage(kept["answer"], name=spec.name)],
        "answer": kept["answer"],
        "stop": kept["stop"],
        "error": kept["error"] or None,
        "experience": experience,
        "improved": kept["score"] > first["score"],
        **update,
    }


def after_store(state: ReflectionState) -> str:
    """Look for patterns when enough is new."""
    return "adapt" if state["adapt"] else END


def adapt(spec: ReflectionSpec, state: ReflectionState, config: RunnableConfig) -> Body[dict[str, Any]]:
    """Look for patterns in all experiences, and put a lesson on trial for each that has none."""
    run = ReflectionRun(spec, ReflectionContext)
    run.tell("asking", round=len(state["attempts"]), what="statistics for patterns")
    usage, error = state["usage"], state["error"]
    memory = yield Work(memory_of, (spec.memory, run.context.memory))
    try:
        found: Found = yield Work(find_patterns, (memory, spec.self_judged))
        run.tell("mined", patterns=[one["words"] for one in found.patterns])
        for pattern, cases in found.fresh:
            asked = yield from _model(run)
            said = yield from word_lesson(
                asked,
                pattern=pattern,
                cases=cases,
                settings=spec.settings,
                config=config,
                seconds=run.context.model_seconds,
            )
            usage = _added(usage, spec.name, said.replies)
            worded = said.value
            setting = setting_of(worded.setting, spec.settings)
            lesson = yield Work(keep_lesson, (memory, pattern, worded.kind, worded.lesson, setting, _now()))
            run.tell("lesson", text=lesson["text"], state=lesson["state"], why=lesson["why"])
        return {"patterns": found.patterns, "lessons": (yield Work(open_lessons, (memory,))), "usage": usage}
    except (BudgetExceeded, ConfigError, RunError) as reason:  # The answer is there; the next run looks again.
        with suppress(RunError):
            yield Work(left_open, (memory,))
        return {"usage": usage, "error": error or f"The memory could not be adapted: {reason}"}


def _asked(messages: Sequence[AnyMessage], notes: Sequence[str]) -> list[AnyMessage]:
    """The conversation with notes before its question, which stays a message of its own: graphs take it word by word.

    An answer stands behind the notes, because the templates of some models want people and models to take turns.
    """
    words = "\n\n".join(note for note in notes if note)
    if not words:
        return cleaned(messages)
    place = messages.index(question_of(messages))
    return cleaned([*messages[:place], HumanMessage(words), AIMessage(HEARD), *messages[place:]])


def _features_of(spec: ReflectionSpec, task: str, seconds: float) -> Body[dict[str, Any]]:
    """What the caller's function knows of a task."""
    assert spec.features is not None
    try:
        found = yield Limited(spec.features, (task,), seconds)
    except TimeLimitReached as error:
        raise ConfigError(f"features gave nothing within {seconds:g} seconds.") from error
    except Exception as error:
        raise ConfigError(f"features failed on the task: {type(error).__name__}: {error}") from error
    return checked_features(found, "features")


def _experience(
    spec: ReflectionSpec, state: ReflectionState, first: Mapping[str, Any], kept: Mapping[str, Any]
) -> dict[str, Any]:
    """What is remembered of a run: the facts of the attempt that counts, and of lessons only the ids.

    Of several attempts the first one is kept apart: a retry that helped would hide what statistics look for.
    """
    lessons, attempts = state["recalled"]["lessons"], state["attempts"]
    texts = [HEAD, *(one["text"] for one in lessons["given"])]
    return {
        "id": state["run_id"],
        "task": clean(question_of(state["messages"]).text)[:MAX_TASK],
        **_facts(spec, state, kept),
        "seconds": round(sum(row["seconds"] for row in attempts), 6),
        "tokens": sum(row["tokens"] for row in attempts),
        "at": _now(),
        "began": state["began"],
        "stop": kept["stop"],
        "summary": shorten(without(kept["answer"], texts), SUMMARY),
        "reflections": [without(row["reflection"], texts) for row in attempts if row["reflection"]],
        "attempts": len(attempts),
        "recalled": [one["id"] for one in lessons["given"]],
        "withheld": [one["id"] for one in lessons["withheld"]],
        **({"first": _facts(spec, state, first)} if len(attempts) > 1 else {}),
    }


def _facts(spec: ReflectionSpec, state: ReflectionState, row: Mapping[str, Any]) -> dict[str, Any]:
    """What statistics are made of: what was known of the task goes before what was seen of the run."""
    seen = {"graph": clean(spec.inner, 80), **row["features"]}
    features = {**state["known"], **{name: value for name, value in seen.items() if name not in state["known"]}}
    return {
        "features": dict(list(features.items())[:MOST_FEATURES]),
        "success": row["success"],
        "outcome_source": row["source"],
        "seconds": row["seconds"],
        "tokens": row["tokens"],
        **({"steps": row["features"]["steps"]} if "steps" in row["features"] else {}),
        "judged": row["judged"],
    }


def _with_settings(run: ReflectionRun, settings: Sequence[Mapping[str, Any]]) -> Runnable[Any, Any]:
    """The wrapped graph with the settings of its lessons, in its own kind of context."""
    graph, values = run.spec.graph, {one["name"]: one["value"] for one in settings}
    if not values:
        return graph
    context = default_context(graph)
    if isinstance(context, RunContext) and not is_bound(graph):
        context = replace(context, model=run.context.model, model_seconds=run.context.model_seconds)
    return graph.bind(context=replace(context, **values))


def _model(run: ReflectionRun) -> Body[BaseChatModel]:
    wanted = run.spec.model or run.context.model
    return wanted if isinstance(wanted, BaseChatModel) else (yield Work(load_model, (wanted,)))


def _spent(spec: ReflectionSpec, usage: Mapping[str, Mapping[str, float]], made: Made) -> dict[str, dict[str, float]]:
    """The usage with that of an attempt added: for each agent where the graph says so, else for the graph."""
    rows = made.returned.get("usage") if isinstance(made.returned, Mapping) else None
    ours = isinstance(rows, Mapping) and all(
        isinstance(row, Mapping) and all(isinstance(row.get(key), int | float) for key in NOTHING)
        for row in rows.values()
    )
    total = {name: dict(row) for name, row in usage.items()}
    for name, row in (rows if ours and rows else {spec.inner: made.usage or NOTHING}).items():
        own = total.setdefault(clean(str(name), 80), dict(NOTHING))
        for key in NOTHING:
            own[key] = round(own[key] + row[key], 6)
    return total


def _added(
    usage: Mapping[str, Mapping[str, float]], name: str, replies: Sequence[Reply]
) -> dict[str, dict[str, float]]:
    return added(usage, {name: Heard(None, None, usage_of(replies))})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
