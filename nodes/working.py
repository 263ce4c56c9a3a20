"""What a worker makes of a subtask: text, or why there is none. Nothing it does is an exception but a person's turn."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.errors import GraphBubbleUp, ParentCommand

from ..budget import budgets_of
from ..errors import BudgetExceeded
from .deliveries import FAILED
from .panel import said_by
from .refusal import refusal
from .running import AgentCall, Body, is_cancelled
from .text import clean, plain, shorten
from .threads import TimeLimitReached, awaited_left_behind, left_behind

MAX_RESULT = 20_000  # characters of a result that are kept
MOST = 2**53  # Of a count that somebody reports: what is larger is no whole number in every JSON reader.
# How the graphs of this package end when they did not do what was asked.
UNDONE = frozenset({*FAILED, "unresolved", "no_deal", "interrupted"})


@dataclass(frozen=True, slots=True)
class Made:
    """What came of one attempt.

    `outcome`: done, partial (a text is there, and its graph says that it is not all), failed, empty, refused, late,
    rejected (by the test of acceptance) or budget (the run's, which is no fault of the worker). `lacks`: what is
    missing of a result that counts as done. `returned`: all that the worker gave back.
    """

    outcome: str
    text: str = ""
    error: str = ""
    usage: Mapping[str, float] | None = None
    lacks: str = ""
    returned: Any = None


def attempt(
    worker: Runnable[Any, Any],
    messages: Sequence[AnyMessage],
    config: RunnableConfig,
    seconds: float,
    accept: Callable[[str], bool | str] | None = None,
    inputs: Mapping[str, Any] = {},
) -> Body[Made]:
    """Let a worker do a subtask; a graph that waits for a person interrupts, all else that goes wrong is data.

    Args:
        worker: Answers `{"messages": [...]}`.
        messages: What it is told.
        config: The job's own, so that a graph has a checkpoint of its own in it.
        seconds: Its time limit, and that of the test.
        accept: Tests the text: True, or False or words that say what is wrong. All else that it does is a rejection.
        inputs: What a graph takes besides its messages.
    """
    clock = time.perf_counter()
    try:
        returned = yield AgentCall(worker, {**inputs, "messages": list(messages)}, config, seconds)
        words = said_by(returned)
    except ParentCommand:  # Here is no graph that it could be meant for.
        return Made("failed", error="it handed over to a graph around it", usage=_spent(None, clock))
    except (GraphBubbleUp, KeyboardInterrupt, GeneratorExit):
        raise
    except BudgetExceeded as over:
        return _judged_over(config, f"it failed: {_words(over)}", _spent(None, clock))
    except TimeLimitReached:
        return Made("late", error=f"it gave no answer within {seconds:g} seconds", usage=_spent(None, clock))
    except BaseException as error:  # Somebody else's code may raise anything, SystemExit too: it is data.
        if is_cancelled(error):
            raise
        return Made("failed", error=f"it failed: {_words(error)}", usage=_spent(None, clock))
    usage = _spent(returned, clock, messages)
    if why := _unsaid(returned, messages):
        return Made("empty", error=why, usage=usage, returned=returned)
    made = _read(words, returned if isinstance(returned, Mapping) else {})
    if isinstance(returned, Mapping) and returned.get("stop") == "budget":
        return replace(_judged_over(config, made.error, usage), returned=returned)
    if made.outcome == "done" and accept is not None:
        made = yield from _tested(made, accept, seconds)
    return replace(made, usage=usage, returned=returned)


def _read(words: Any, returned: Mapping[str, Any]) -> Made:
    """What a worker returned, as a result or as the reason why there is none."""
    if isinstance(words, Mapping):
        for key in ("refused", "error"):
            if words.get(key):
                return Made("refused" if key == "refused" else "failed", error=f"it said {key}: {_short(words[key])}")
        answer = words.get("answer")
        words = answer if isinstance(answer, str) else json.dumps(plain(words), ensure_ascii=False)
    text, stop = clean(words, MAX_RESULT), returned.get("stop")
    undone = isinstance(stop, str) and stop in UNDONE
    verdict = returned.get("verdict")
    judged = verdict if isinstance(verdict, Mapping) and verdict.get("complete") is False else {}
    if undone or returned.get("success") is False:
        ended = f"with {stop}" if undone else "without success"
        why = f"its work ended {ended}: {_short(returned.get('error') or judged.get('reason') or text)}"
        return Made("partial" if stop == "partial" and text.strip() else "failed", text, why)
    if not text.strip():
        return Made("empty", error="it delivered nothing")
    if words := refusal(text):
        return Made("refused", error=f"it refused: {words}")
    lacks = _short(f"its own verdict: {judged.get('reason') or 'not complete'}") if judged else ""
    return Made("done", text, lacks=lacks)


def _unsaid(returned: Any, sent: Sequence[AnyMessage]) -> str:
    """Why the last message of a graph is no result, if so: it is what the graph was sent, or nobody's answer to it.

    A human message with a name is an agent's, as supervisors write them; words alone are taken as they are.
    """
    messages = returned.get("messages") if isinstance(returned, Mapping) else returned
    last = messages[-1] if isinstance(messages, list) and messages else messages
    if not isinstance(last, BaseMessage):
        return ""
    if isinstance(last, ToolMessage):
        return "it delivered nothing: its last message is a tool's"
    told = last.text.strip() == (sent[-1].text.strip() if sent else "") and bool(last.text.strip())
    if told or (isinstance(last, HumanMessage) and not last.name):
        return "it delivered nothing: its last message is not its own"
    return ""


def _tested(made: Made, accept: Callable[[str], bool | str], seconds: float) -> Body[Made]:
    try:
        verdict = yield Limited(accept, (made.text,), seconds)
    except TimeLimitReached:
        return Made("rejected", made.text, f"the test of acceptance gave no verdict within {seconds:g} seconds")
    except ParentCommand as error:
        return Made("rejected", made.text, f"the test of acceptance failed on it: {_words(error)}")
    except (GraphBubbleUp, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # The caller's own test; who it fails on is told, and the run goes on.
        if is_cancelled(error):
            raise
        return Made("rejected", made.text, f"the test of acceptance failed on it: {_words(error)}")
    if verdict is True:
        return made
    if inspect.iscoroutine(verdict):
        verdict.close()
    refused = "the test of acceptance refused it"
    if not isinstance(verdict, bool | str):
        refused += f": it returned {_short(repr(verdict))}, which is neither True nor False nor words"
    return Made("rejected", made.text, clean((isinstance(verdict, str) and verdict) or refused, 300))


@dataclass(frozen=True, slots=True)
class Limited:
    """A function of the caller's, which may hang: it is left behind then, and TimeLimitReached raised."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    seconds: float

    def run(self) -> Any:
        future = left_behind(self.function, *self.arguments)
        try:
            return future.result(self.seconds)
        except TimeoutError as error:
            if future.done():
                raise
            raise TimeLimitReached from error

    async def arun(self) -> Any:
        return await awaited_left_behind(self.seconds, self.function, *self.arguments)


def _judged_over(config: RunnableConfig, error: str, usage: Mapping[str, float]) -> Made:
    """A worker may have a budget of its own: that it is used up is its own fault, that the run's is is not."""
    over = next((reason for budget in budgets_of(config) if (reason := budget.exhausted())), None)
    return Made("budget", error=over, usage=usage) if over else Made("failed", error=error, usage=usage)


def _spent(returned: Any, clock: float, sent: Sequence[AnyMessage] = ()) -> dict[str, float]:
    """The usage of a worker: what one of our graphs says of itself, else what its messages say, else one call.

    Only the messages behind the last one that was sent are its own: those before it are of earlier turns.
    """
    seconds = round(time.perf_counter() - clock, 6)
    given = returned if isinstance(returned, Mapping) else {}
    rows = given.get("usage")
    if isinstance(rows, Mapping) and rows and all(isinstance(row, Mapping) for row in rows.values()):
        total = {key: _sum(row.get(key) for row in rows.values()) for key in ("calls", "tokens_in", "tokens_out")}
        return {**total, "seconds": seconds}
    messages = given.get("messages")
    said = _behind(messages, sent[-1].text if sent else "") if isinstance(messages, list) else []
    metadata = [one.usage_metadata for one in said if one.usage_metadata]
    return {
        "calls": max(1, len(said)),
        "tokens_in": _sum(one.get("input_tokens") for one in metadata),
        "tokens_out": _sum(one.get("output_tokens") for one in metadata),
        "seconds": seconds,
    }


def _behind(messages: Sequence[Any], asked: str) -> list[AIMessage]:
    """What a graph said after it was asked."""
    places = [place for place, one in enumerate(messages) if isinstance(one, HumanMessage) and one.text == asked]
    start = places[-1] + 1 if places else 0
    return [one for one in messages[start:] if isinstance(one, AIMessage)]


def _sum(values: Iterable[Any]) -> float:
    """The sum of what can be a count: somebody else's numbers may be anything, NaN too."""
    return sum(one for one in values if isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= MOST)


def _short(value: Any) -> str:
    return clean(shorten(" ".join(str(value).split()), 200))


def _words(error: BaseException) -> str:
    try:
        return clean(shorten(f"{type(error).__name__}: {error}", 300))
    except Exception:  # Even its text may raise.
        return type(error).__name__
