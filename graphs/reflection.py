"""Reflection: any graph, with a memory of its runs and lessons that are tried, measured, and kept when they help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.graph import END, START, StateGraph

from ..errors import ConfigError, nearest
from ..memory.experience import ExperienceMemory
from ..nodes import reflecting
from ..nodes.reflection_state import (
    ReflectionContext,
    ReflectionInput,
    ReflectionOutput,
    ReflectionSpec,
    ReflectionState,
    default_context,
)
from ..nodes.running import Node, Route
from ..tools import calculate
from .react import create_react

MOST_LESSONS = 3  # More notes hurt more than they help (ReasoningBank, 2025: one is best).


def create_reflection(
    graph: Any,
    *,
    memory: ExperienceMemory | str | Path | None = None,
    check: Callable[[str, dict[str, Any]], bool | float | str] | None = None,
    pass_at: float = 0.5,
    features: Callable[[str], Mapping[str, Any]] | None = None,
    retries: int = 0,
    reflect: bool = True,
    lessons: int = 2,
    mine_every: int = 50,
    settings: Mapping[str, Sequence[Any]] = {},
    self_judged: bool = False,
    model: str | BaseChatModel | None = None,
    name: str = "reflection",
) -> StateGraph[ReflectionState, ReflectionContext, ReflectionInput, ReflectionOutput]:
    """Return a graph around another one that learns from its runs, uncompiled, so that you choose the checkpointer.

    Each run is kept as an experience: its task, facts that code reads from it, its outcome. When enough is new,
    statistics look for patterns (which facts go with failure, success, cost); for each the model words a lesson. A
    lesson is on trial first: it is given in some runs and withheld in others at random, and promoted or retired by the
    outcomes. Nothing else is shown to the wrapped graph: what has not been tried or proven stays out of its prompt.

    Args:
        graph: What does the work: a graph of this package or any other one over `messages`, compiled or not, or
            anything runnable that answers `{"messages": [...]}`.
        memory: The memory, or its folder; None takes the folder of the run's settings, and without one a memory that
            lasts as long as this process, which all graphs without one share.
        check: Tells whether a run succeeded: task, output of the graph (with `answer`, `stop` and `messages`) -> True
            or False, words that say what is wrong, or a score from 0 to 1. Without one the graph judges itself by how
            it ended, and such outcomes count for no statistics unless `self_judged`; a person can label them later.
        pass_at: The score from which a run counts as a success.
        features: What is known of a task before it is done: task -> {name: text, number or bool}. Lessons that belong
            to a kind of task are given for that kind only.
        retries: How often an attempt that failed is made again within the run, with what the model noted about the
            failure (Shinn et al. 2023, arXiv 2303.11366). The attempt with the best score is kept.
        reflect: Whether the model is asked what caused a failure and what to do next time: one call for each attempt
            that failed. Another attempt is told of it, and it is kept with the experience.
        lessons: How many lessons a run is given at most, up to 3.
        mine_every: Patterns are looked for when so many labelled runs are new.
        settings: What a lesson may change besides words: fields of the wrapped graph's context (a dataclass), each with
            the values that are allowed, such as {"max_steps": [5, 10, 20]}. A context of its own is bound to a graph by
            `graph.bind(context=...)`.
        self_judged: Whether outcomes that only the graph itself judged count too.
        model: The model that words reflections and lessons; None takes the run's context (default `embedded`).
        name: The graph's name in `usage`, in events and in the closing message.

    Returns:
        A graph over `messages` (the task is the last human message), and perhaps `features`, `inputs` and `run`. Its
        output: `answer`, `stop`, `error` and `result` (the wrapped graph's output) of the attempt that counts;
        `attempts` (list of {number, answer, stop, outcome, error, success, score, source, why, reflection, seconds,
        tokens, features}); `experience` (as it was stored), `recalled` (lessons given and withheld, similar
        experiences), `patterns`, `lessons` (on trial or proven, with their evidence), `improved` (whether a retry was
        better than the first attempt), `quality` (by a judge fitted on earlier runs, None before there are 200),
        `usage`.

    Raises:
        ConfigError: An argument is wrong; the message says which and what is allowed.

    Example:
        from langgraph_agora import create_react, create_reflection
        from langgraph_agora.memory import ExperienceMemory
        from langgraph_agora.tools import calculate

        graph = create_reflection(
            create_react([calculate], model="embedded"),
            memory=ExperienceMemory("memory"),
            check=lambda task, result: "391" in result["answer"],
            retries=1,
        ).compile()
        result = graph.invoke({"messages": [("user", "What is 17 * 23?")]})
        print(result["answer"], result["experience"]["success"], result["improved"])
    """
    for argument, number, least, most in (
        ("retries", retries, 0, None),
        ("lessons", lessons, 0, MOST_LESSONS),
        ("mine_every", mine_every, 1, None),
    ):
        wrong = isinstance(number, bool) or not isinstance(number, int) or number < least
        if wrong or (most is not None and number > most):
            up_to = f" from {least} to {most}" if most is not None else f", at least {least}"
            raise ConfigError(f"{argument} was {number!r}; give a whole number{up_to}.")
    if isinstance(pass_at, bool) or not isinstance(pass_at, int | float) or not 0 < pass_at <= 1:
        raise ConfigError(f"pass_at was {pass_at!r}; give a score above 0, at most 1.")
    for argument, function in (("check", check), ("features", features)):
        if function is not None and (not callable(function) or inspect.iscoroutinefunction(function)):
            raise ConfigError(f"{argument} was {function!r}; give a plain function, or leave it out.")
    if memory is not None and not isinstance(memory, ExperienceMemory | str | Path):
        raise ConfigError(f"memory was {memory!r}; give an ExperienceMemory or a folder.")
    if model is not None and not isinstance(model, str | BaseChatModel):
        raise ConfigError(f"model was {model!r}; give a chat model or the name of one.")
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"name was {name!r}; give words: the graph is called so.")
    for argument, flag in (("self_judged", self_judged), ("reflect", reflect)):
        if not isinstance(flag, bool):
            raise ConfigError(f"{argument} was {flag!r}; give True or False.")
    worker = _runnable(graph)
    spec = ReflectionSpec(
        name=name,
        graph=worker,
        memory=str(memory) if isinstance(memory, Path) else memory,
        check=check,
        pass_at=pass_at,
        features=features,
        retries=retries,
        reflect=reflect,
        lessons=lessons,
        mine_every=mine_every,
        settings=_checked_settings(settings, worker),
        self_judged=self_judged,
        model=model,
    )
    builder = StateGraph(
        ReflectionState, context_schema=ReflectionContext, input_schema=ReflectionInput, output_schema=ReflectionOutput
    )
    builder.add_node("recall", Node(reflecting.recall, spec, "recall"))
    builder.add_node("work", Node(reflecting.work, spec, "work"))
    builder.add_node("analyse", Node(reflecting.analyse, spec, "analyse"))
    builder.add_node("store", Node(reflecting.store, spec, "store"))
    builder.add_node("adapt", Node(reflecting.adapt, spec, "adapt"))
    builder.add_edge(START, "recall")
    builder.add_edge("recall", "work")
    builder.add_edge("work", "analyse")
    builder.add_conditional_edges("analyse", Route(reflecting.after_analyse), ["work", "store"])
    builder.add_conditional_edges("store", Route(reflecting.after_store), ["adapt", END])
    builder.add_edge("adapt", END)
    return builder


def _runnable(graph: Any) -> Runnable[Any, Any]:
    if isinstance(graph, StateGraph):
        return graph.compile()
    if isinstance(graph, BaseChatModel):
        raise ConfigError(f"graph was the chat model {graph!r}; give a graph, such as create_react(model=...).")
    if isinstance(graph, Runnable):
        return graph
    if callable(graph):
        return RunnableLambda(graph)
    raise ConfigError(f"graph was {graph!r}; give a graph, or something runnable that answers a list of messages.")


def _checked_settings(settings: Any, graph: Runnable[Any, Any]) -> dict[str, tuple[Any, ...]]:
    if not isinstance(settings, Mapping):
        raise ConfigError(f'settings was {settings!r}; give names with their values, such as {{"max_steps": [5, 20]}}.')
    known = [field.name for field in fields(default_context(graph))] if settings else []
    for name, values in settings.items():
        if name not in known:
            there = ", ".join(known)
            raise ConfigError(f"settings names {name!r}; the graph's context has {there}.{nearest(str(name), known)}")
        listed = isinstance(values, Sequence) and not isinstance(values, str) and values
        if not listed or not all(isinstance(one, str | int | float) for one in values):
            raise ConfigError(f"The setting {name!r} had {values!r}; give a list of texts or numbers.")
    return {name: tuple(values) for name, values in settings.items()}


graph = create_reflection(create_react([calculate]).compile(name="react")).compile(name="reflection")
"""The graph for LangGraph Studio: a ReAct agent with the calculator, and the model and memory of the run's context."""
