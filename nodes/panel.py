"""Asking several agents the same thing at once: each through its own model, and each failure is data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, SystemMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.errors import GraphInterrupt
from pydantic import BaseModel

from ..agents import Agent
from ..errors import BudgetExceeded, ConfigError
from ..models import load_model
from ..styles import answer_style
from .ask import Answer, Reply, ask
from .running import AgentCall, Body, UntilEnough, Work, is_cancelled
from .text import clean, shorten
from .threads import TimeLimitReached

FAULTS = ("crashed", "slow", "lying", "babbling")
WAITS = "it waits for a person, which an agent in a panel cannot"
NOTHING = {"calls": 0, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0}  # The usage of who was not asked.
MAX_SAID = 20_000  # characters that are read of what an agent says
BABBLE = "vote \N{SNOWMAN} {{{ or not " * 50  # What a babbling agent says.


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the words, the shape of the answer for models, and how to read it from the text of a runnable.

    `read` gets text, or an object, and returns one of `schema`, or raises a ValueError in words. `short` stands in the
    place of the words for a small model, which takes a longer instruction for the question itself (SmolLM2 answers
    "json" then); empty means that the conversation says it all.
    """

    words: str
    schema: type[BaseModel]
    fallback: BaseModel
    read: Callable[[Any], BaseModel]
    short: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking one agent. `error` says why `value` is None: nobody answered, or nothing usable was said."""

    value: Any
    error: str | None
    usage: Mapping[str, float]
    over: bool = False  # The run's budget is used up.


@dataclass(frozen=True, slots=True)
class Said:
    """What came of calling a runnable: its words (text or an object), all that it returned, or why there is nothing."""

    words: Any
    returned: Any
    error: str | None = None


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
        ConfigError: The model of agents without one of their own cannot be loaded.
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
        return _understood(question, BABBLE, ())
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
    except ConfigError as error:  # A model of its own that cannot be loaded costs this agent's vote alone.
        if agent.model is None:
            raise
        return Heard(None, str(error), _usage(()))
    if not answer.fell_back:
        return Heard(answer.value, None, _usage(answer.replies))
    last = answer.replies[-1]
    rescued = _understood(question, last.text, answer.replies) if last.text and not last.failure else None
    return rescued if rescued and rescued.value is not None else Heard(None, answer.error, _usage(answer.replies))


def _from_runnable(
    agent: Agent, question: Question, messages: Sequence[AnyMessage], config: RunnableConfig, seconds: float | None
) -> Body[Heard]:
    assert agent.runnable is not None
    said = yield from call_agent(agent.runnable, messages, config, seconds)
    return _understood(question, said.words) if said.error is None else Heard(None, said.error, _usage((Reply(),)))


def call_agent(
    runnable: Runnable[Any, Any], messages: Sequence[AnyMessage], config: RunnableConfig, seconds: float | None
) -> Body[Said]:
    """Call somebody's runnable; whatever it raises is data.

    Raises:
        BudgetExceeded: The run's budget does not allow its call.
    """
    try:
        returned = yield AgentCall(runnable, {"messages": list(messages)}, _alone(config), seconds)
        return Said(said_by(returned), returned)
    except (BudgetExceeded, KeyboardInterrupt, GeneratorExit):
        raise
    except TimeLimitReached:
        why = f"it gave no answer within {seconds:g} seconds"
    except BaseException as error:  # Somebody else's code may raise anything, SystemExit too: it is data.
        if is_cancelled(error):
            raise
        why = WAITS if isinstance(error, GraphInterrupt) else f"it failed: {shorten(clean(_words(error)), 300)}"
    return Said(None, None, why)


def _alone(config: RunnableConfig) -> RunnableConfig:
    """The config for an agent that may be a graph: it runs on its own.

    As parts of this graph, agents that run at the same time would share one checkpoint, and mix up their answers.
    """
    alone: RunnableConfig = {"configurable": {}}
    for key in ("callbacks", "tags", "max_concurrency"):
        if key in config:
            alone[key] = config[key]
    return alone


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # Even its text may raise.
        return type(error).__name__


def _understood(question: Question, said: Any, usage: Sequence[Reply] = (Reply(),)) -> Heard:
    try:
        return Heard(question.read(said), None, _usage(usage))
    except ValueError as error:
        return Heard(None, str(error), _usage(usage))


def said_by(said: Any) -> str | dict[str, Any]:
    """What a runnable returned, as text or as the object that was asked for: a message, a graph's state, an object.

    Raises:
        ValueError: It waits for a person.

    Example:
        >>> said_by({"messages": [("ai", "red")]}), said_by({"choice": "A"}), said_by(None)
        ('red', {'choice': 'A'}, '')
    """
    if isinstance(said, BaseMessage):
        return clean(str(said.text), MAX_SAID)
    if isinstance(said, Mapping):
        if "__interrupt__" in said:
            raise ValueError(WAITS)
        if "messages" in said:
            messages = said["messages"]
            last = convert_to_messages(messages if isinstance(messages, list) else [messages])[-1:]
            return said_by(last[0]) if last else ""
        return {str(key): value for key, value in said.items()}
    return clean("" if said is None else str(said), MAX_SAID)


def pick(text: str, options: Mapping[str, str]) -> str | None:
    """Return the label of the one option that a text names, by its words or by its label; None for none or several.

    A label counts when it is the whole answer or stands behind a word such as "option"; an option inside a longer one
    that is named does not count.

    Example:
        >>> pick("I vote for B.", {"A": "red", "B": "blue"}), pick("Blue!", {"A": "red", "B": "blue"})
        ('B', 'B')
        >>> pick("A hard question.", {"A": "red", "B": "blue"}) is None, pick("dark red", {"A": "red", "B": "dark red"})
        (True, 'B')
    """
    plain = text.strip().strip(".!\"'`*").casefold()
    exact = [label for label, option in options.items() if plain == option.strip().strip(".!\"'`*").casefold()]
    if len(exact) == 1:
        return exact[0]
    named, rest = [], text
    for label, option in sorted(options.items(), key=lambda item: -len(item[1])):
        shorter = re.sub(rf"(?<!\w){re.escape(option)}(?!\w)", " ", rest, flags=re.IGNORECASE)
        if shorter != rest:
            named.append(label)
            rest = shorter
    if len(named) == 1:
        return named[0]
    if plain.upper() in options:
        return plain.upper()
    behind = re.findall(r"\b(?:vote(?: for)?|option|choose|choice|answer|pick)(?: is|:)? +([A-Z])\b", rest)
    lettered = list(dict.fromkeys(label for label in behind if label in options))
    return lettered[0] if len(lettered) == 1 and not named else None


def _usage(replies: Sequence[Reply]) -> dict[str, float]:
    rows = [reply.usage() for reply in replies]
    return {key: round(sum(row[key] for row in rows), 6) for key in ("calls", "tokens_in", "tokens_out", "seconds")}


def added(usage: Mapping[str, Mapping[str, float]], heard: Mapping[str, Heard]) -> dict[str, dict[str, float]]:
    """The usage of every agent with what was heard now added to it."""
    total = {name: dict(row) for name, row in usage.items()}
    for name, one in heard.items():
        row = total.setdefault(name, dict(NOTHING))
        for key, value in one.usage.items():
            row[key] = round(row[key] + value, 6)
    return total
