"""Asking several agents the same thing at once: each through its own model, and each failure is data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from pydantic import BaseModel

from ..agents import Agent
from ..errors import BudgetExceeded
from ..models import load_model
from ..styles import answer_style
from .ask import Answer, Reply, ask
from .running import Body, ModelCall, UntilEnough, Work
from .text import clean, shorten
from .threads import TimeLimitReached

FAULTS = ("crashed", "slow", "lying", "babbling")
BABBLE = "vote \N{SNOWMAN} {{{ or not " * 50  # What a babbling agent says.


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the words, the shape of the answer for models, and how to read it from the text of a runnable.

    `read` gets text and returns an object of `schema`, or raises a ValueError in words. `short` stands in the place of
    the words for a small model, which takes a longer instruction for the question itself (SmolLM2 answers "json" then);
    empty means that the conversation says it all.
    """

    words: str
    schema: type[BaseModel]
    fallback: BaseModel
    read: Callable[[str], BaseModel]
    short: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking one agent. `error` says why `value` is None: nobody answered, or nothing usable was said."""

    value: Any
    error: str | None
    usage: Mapping[str, float]
    over: bool = False  # The run's budget is used up.


def ask_all(
    agents: Sequence[Agent],
    question_for: Callable[[Agent], Question],
    *,
    talk: Sequence[AnyMessage],
    model: str | BaseChatModel,
    config: RunnableConfig,
    seconds: float | None,
    enough: Callable[[Mapping[str, Heard]], bool],
    faults: Mapping[str, str] = {},
) -> Body[dict[str, Heard]]:
    """Ask all agents at once and return what each said, by name; ends when `enough` is satisfied.

    Args:
        agents: Whom to ask.
        question_for: What to ask each.
        talk: The conversation that stands before the question.
        model: The model of agents without one.
        config: The run's config; `max_concurrency` bounds how many are asked at the same time.
        seconds: Time limit of each model call.
        enough: Asked after every answer, with all so far; the rest is cancelled when it says so.
        faults: Agent -> crashed (never answers), slow (asked only after all others), babbling (says nothing usable).

    Raises:
        GraphBubbleUp: An agent's own interrupt.
    """
    order = sorted(agents, key=lambda agent: faults.get(agent.name) == "slow")  # Stable: only the slow ones move.
    bodies = tuple(
        _heard(agent, question_for(agent), talk, model, config, seconds, faults.get(agent.name)) for agent in order
    )
    names = [agent.name for agent in order]
    slow = sum(faults.get(name) == "slow" for name in names)
    heard: dict[str, Heard] = {}
    for group, start in ((bodies[: len(names) - slow], 0), (bodies[len(names) - slow :], len(names) - slow)):
        watch = _Watch(names[start:], heard, enough)
        if group and not (heard and enough(heard)):
            yield UntilEnough(group, watch, config.get("max_concurrency"))
            heard = watch.heard
    return {agent.name: heard[agent.name] for agent in agents if agent.name in heard}


class _Watch:
    """Translates places into names for `enough`, and keeps what was heard."""

    def __init__(
        self, names: Sequence[str], before: Mapping[str, Heard], enough: Callable[[Mapping[str, Heard]], bool]
    ) -> None:
        self.names, self.enough = names, enough
        self.heard = dict(before)

    def __call__(self, results: Mapping[int, Any]) -> bool:
        for place, result in results.items():
            if isinstance(result, BaseException):
                raise result
            self.heard[self.names[place]] = result
        return self.enough(self.heard)


def _heard(
    agent: Agent,
    question: Question,
    talk: Sequence[AnyMessage],
    model: str | BaseChatModel,
    config: RunnableConfig,
    seconds: float | None,
    fault: str | None,
) -> Body[Heard]:
    if fault == "crashed":
        return Heard(None, "crashed: it never answered", _usage(()))
    if fault == "babbling":
        return replace(_understood(question, Reply(BABBLE)), usage=_usage(()))
    before = [*([SystemMessage(agent.role)] if agent.role else []), *talk]
    try:
        if agent.runnable is not None:
            return (
                yield from _from_runnable(agent, question, [*before, HumanMessage(question.words)], config, seconds)
            )
        wanted = agent.model or model
        chosen = wanted if isinstance(wanted, BaseChatModel) else (yield Work(load_model, (wanted,)))
        words = question.short if answer_style(chosen).small else question.words
        messages = [*before, *([HumanMessage(words)] if words else [])]
        answer: Answer[Any] = yield from ask(
            chosen, messages, question.schema, fallback=question.fallback, config=config, seconds=seconds
        )
    except BudgetExceeded as reason:
        return Heard(None, str(reason), _usage(()), over=True)
    if not answer.fell_back:
        return Heard(answer.value, None, _usage(answer.replies))
    last = answer.replies[-1]
    rescued = _understood(question, last) if last.text and not last.failure else None
    if rescued is not None and rescued.value is not None:
        return replace(rescued, usage=_usage(answer.replies))
    return Heard(None, answer.error, _usage(answer.replies))


def _from_runnable(
    agent: Agent, question: Question, messages: Sequence[AnyMessage], config: RunnableConfig, seconds: float | None
) -> Body[Heard]:
    assert agent.runnable is not None
    given: Any = {"messages": list(messages)}
    try:
        said = yield ModelCall(agent.runnable, given, config, seconds)
    except (BudgetExceeded, GraphBubbleUp):
        raise
    except TimeLimitReached:
        return Heard(None, f"it gave no answer within {seconds:g} seconds", _usage((Reply(),)))
    except Exception as error:  # Somebody else's code may raise anything; an agent that fails is data.
        words = shorten(clean(f"{type(error).__name__}: {error}"), 300)
        return Heard(None, f"it failed: {words}", _usage((Reply(),)))
    return _understood(question, Reply(clean(text_of(said), 20_000)))


def _understood(question: Question, reply: Reply) -> Heard:
    try:
        return Heard(question.read(reply.text), None, _usage((reply,)))
    except ValueError as error:
        return Heard(None, str(error), _usage((reply,)))


def text_of(said: Any) -> str:
    """The text in whatever a runnable returns: text, a message, a graph's state."""
    if isinstance(said, BaseMessage):
        return str(said.text)
    if isinstance(said, Mapping):
        if said.get("answer"):
            return text_of(said["answer"])
        messages = said.get("messages") or []
        return text_of(messages[-1]) if messages else ""
    return "" if said is None else str(said)


def pick(text: str, options: Mapping[str, str]) -> str | None:
    """Return the label of the one option that a text names, by its label or by its words; None for none or several.

    Example:
        >>> pick("I vote for B.", {"A": "red", "B": "blue"}), pick("Blue!", {"A": "red", "B": "blue"})
        ('B', 'B')
        >>> pick("red or blue", {"A": "red", "B": "blue"}) is None
        True
    """
    plain = text.strip().strip(".!\"'`*").casefold()
    for label, option in options.items():
        if plain in (label.casefold(), option.strip().casefold()):
            return label
    by_words = [
        label for label, option in options.items() if re.search(rf"(?<!\w){re.escape(option)}(?!\w)", text, re.I)
    ]
    by_label = [label for label in options if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text)]
    found = by_words if len(by_words) == 1 else by_label
    return found[0] if len(found) == 1 else None


def _stands_in(words: str, text: str, flags: int = 0) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, flags) is not None


def _usage(replies: Sequence[Reply]) -> dict[str, float]:
    rows = [reply.usage() for reply in replies]
    return {key: round(sum(row[key] for row in rows), 6) for key in ("calls", "tokens_in", "tokens_out", "seconds")}


def added(usage: Mapping[str, Mapping[str, float]], heard: Mapping[str, Heard]) -> dict[str, dict[str, float]]:
    """The usage of every agent with what was heard now added to it."""
    total = {name: dict(row) for name, row in usage.items()}
    for name, one in heard.items():
        row = total.setdefault(name, {"calls": 0, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0})
        for key, value in one.usage.items():
            row[key] = round(row[key] + value, 6)
    return total
