"""The one way to ask a model: send a call, read JSON out of whatever came back, re-ask, fall back.

`ask` is for a structured answer (a ballot, a bid, a plan): it quotes the error in at most `reasks` further calls and
then takes the caller's deterministic fallback. `send` is one call and nothing else, for patterns whose own loop is the
re-ask.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp
from pydantic import BaseModel, ValidationError

from ..budget import budgets_of
from ..errors import AgoraError, BudgetExceeded
from ..styles import answer_style
from .confidence import Token
from .running import Body, ModelCall
from .text import clean, shorten
from .threads import TimeLimitReached

T = TypeVar("T", bound=BaseModel)

MAX_REPLY = 20_000  # characters that are read of a reply; the largest useful step seen was under 3,000


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call in a reply. `error` says why its arguments could not be read."""

    name: str
    arguments: dict[str, Any]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What one model call gave. `failure` is set when there is no reply at all: time limit, connection, refusal."""

    text: str = ""
    thinking: str = ""
    calls: tuple[Call, ...] = ()
    tokens: tuple[Token, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    failure: str | None = None

    def usage(self) -> dict[str, float]:
        """This call as a row of `usage`: calls, tokens_in, tokens_out, seconds."""
        return {"calls": 1, "tokens_in": self.tokens_in, "tokens_out": self.tokens_out, "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A structured answer. When `fell_back`, `value` is the caller's fallback and `error` says what the model did."""

    value: T
    replies: tuple[Reply, ...]
    fell_back: bool = False
    error: str | None = None


def ask(
    model: BaseChatModel,
    messages: Sequence[AnyMessage],
    schema: type[T],
    *,
    fallback: T,
    config: RunnableConfig,
    seconds: float | None = None,
    reasks: int = 2,
) -> Body[Answer[T]]:
    """Ask for an object of `schema`; the answer is always one, from the model or the fallback.

    Keep the schema flat: strings with a maxLength, enums, numbers, short lists. It is sent as a JSON schema, so
    llama.cpp, Ollama and OpenAI can only produce what fits; the reply is validated all the same.

    Args:
        model: The model to ask.
        messages: The conversation so far.
        schema: A pydantic model.
        fallback: What to take when no reply could be used: abstain, no bid, reject...
        config: The run's config; its callbacks hold the budget.
        seconds: Time limit of each call.
        reasks: Further calls after a reply that could not be used.

    Raises:
        BudgetExceeded: The run's budget does not allow the call.

    Example:
        class Ballot(BaseModel):
            vote: Literal["yes", "no", "abstain"]

        answer = yield from ask(model, messages, Ballot, fallback=Ballot(vote="abstain"), config=config)
    """
    conversation, replies, error = list(messages), [], None
    shape = _strict(schema.model_json_schema())
    if answer_style(model).constrain == "prompt":
        conversation.append(HumanMessage(f"Answer with one JSON object only, of this JSON schema: {json.dumps(shape)}"))
    for _ in range(reasks + 1):
        reply = yield from send(model, conversation, schema=shape, config=config, seconds=seconds)
        replies.append(reply)
        if reply.failure:
            return Answer(fallback, tuple(replies), fell_back=True, error=reply.failure)
        try:
            return Answer(schema.model_validate(read_json(reply)), tuple(replies))
        except ValidationError as invalid:
            error = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in invalid.errors())
        except ValueError as unreadable:
            error = str(unreadable)
        conversation += [
            AIMessage(reply.text or "(empty)"),
            HumanMessage(f"That could not be used: {shorten(error, 300)}. Answer again, with one JSON object only."),
        ]
    return Answer(fallback, tuple(replies), fell_back=True, error=error)


def send(
    model: BaseChatModel,
    messages: Sequence[AnyMessage],
    *,
    schema: Mapping[str, Any] | None = None,
    tools: Sequence[BaseTool | Mapping[str, Any]] = (),
    config: RunnableConfig,
    seconds: float | None = None,
) -> Body[Reply]:
    """Make one model call, with a JSON schema to answer in or tools to call, and read the reply.

    A model that fails (no connection, refused, no reply within `seconds`) gives a `Reply` with `failure`.

    Raises:
        BudgetExceeded: The run's budget does not allow the call, or its seconds ended during the call.
        AgoraError: Whatever else this package refuses, unchanged.
    """
    budgets = budgets_of(config)
    for budget in budgets:
        budget.start()
    left = [budget.left()["seconds"] for budget in budgets if "seconds" in budget.limits]
    limit = min([*left, *([] if seconds is None else [seconds])], default=None)
    called, arguments = _unbound(_bound(model, schema, tools))
    started = time.perf_counter()
    try:
        message = yield ModelCall(called, messages, config, limit, arguments)
    except (AgoraError, GraphBubbleUp):
        raise
    except Exception as error:  # Providers raise anything; a model that fails is data, and the message is kept.
        seconds = time.perf_counter() - started
        if isinstance(error, TimeLimitReached):
            _refuse_when_exhausted(budgets)
        if _cut_off(error):
            return replace(_cut_off_reply(error), seconds=seconds)
        return Reply(seconds=seconds, failure=_failure(error, limit))
    return replace(read_message(message), seconds=time.perf_counter() - started)


def read_message(message: Any) -> Reply:
    """Turn a model's message into a `Reply`; anything that is not an `AIMessage` is an empty reply."""
    if isinstance(message, Mapping) and "raw" in message:  # with_structured_output(include_raw=True)
        message = message["raw"]
    if not isinstance(message, AIMessage):
        return Reply()
    text, thinking = split_thinking(clean(str(message.text), MAX_REPLY))
    reasoning = message.additional_kwargs.get("reasoning_content")
    usage = message.usage_metadata or {"input_tokens": 0, "output_tokens": 0}
    return Reply(
        text=text,
        thinking=thinking or (clean(reasoning, MAX_REPLY) if isinstance(reasoning, str) else ""),
        calls=tuple(_calls(message)),
        tokens=tuple(_tokens(message.response_metadata)),
        tokens_in=usage["input_tokens"],
        tokens_out=usage["output_tokens"],
    )


def read_json(reply: Reply) -> dict[str, Any]:
    """Return the JSON object in a reply: bare, in a ``` fence, inside prose, or as the arguments of a tool call.

    Raises:
        ValueError: There is none; the message says what was found instead, in words for the model.
    """
    if reply.calls and not reply.text:
        if reply.calls[0].error:
            raise ValueError(reply.calls[0].error)
        return reply.calls[0].arguments
    text = reply.text.strip()
    if not text:
        raise ValueError("the answer was empty")
    decoder = json.JSONDecoder(parse_constant=_finite, parse_float=_finite, parse_int=_whole)
    found, start = "there is no JSON object", text.find("{")
    for _ in range(20):  # A reply rarely has more than two braces before the object; hostile text stays linear.
        if start < 0:
            break
        try:
            value: dict[str, Any] = decoder.raw_decode(text, start)[0]
            return value
        except json.JSONDecodeError as error:
            # What was read before the error is a part of the broken object: never answer with an object inside it.
            found, start = "the JSON object is cut off or malformed", text.find("{", max(error.pos, start + 1))
        except RecursionError:
            raise ValueError(f"the JSON object is nested too deep in {shorten(text, 80)!r}") from None
    raise ValueError(f"{found} in {shorten(text, 80)!r}")


def split_thinking(text: str) -> tuple[str, str]:
    """Split `<think>` blocks off a reply; an unclosed one takes all that follows."""
    kept, thoughts, rest = [], [], text
    while "<think>" in rest:
        before, _, rest = rest.partition("<think>")
        thought, _, rest = rest.partition("</think>")
        kept.append(before)
        thoughts.append(thought.strip())
    before, closed, after = rest.rpartition("</think>")  # Some chat templates open the block themselves.
    if closed:
        thoughts.append(before.strip())
        rest = after
    return "".join([*kept, rest]).strip(), "\n".join(thoughts)


def _bound(model: BaseChatModel, schema: Mapping[str, Any] | None, tools: Sequence[Any]) -> Runnable[Any, Any]:
    if tools:
        return model.bind_tools(tools)
    style = answer_style(model)
    if schema is None or style.constrain == "prompt":
        return model
    if style.constrain == "response_format":
        wrapped = {"name": "answer", "schema": schema, "strict": True}
        return model.bind(response_format={"type": "json_schema", "json_schema": wrapped})
    if style.constrain == "format":
        return model.bind(format=schema)
    titled = {"title": "answer", "description": "The answer.", **schema}
    return model.with_structured_output(titled, method="json_schema", include_raw=True)


def _unbound(model: Runnable[Any, Any]) -> tuple[Runnable[Any, Any], Mapping[str, Any]]:
    """A model and the arguments bound to it. Calling through the binding merges configs: 1 % of a run's CPU."""
    if not isinstance(model, RunnableBinding) or type(model).invoke is not RunnableBinding.invoke:
        return model, {}
    own = model.config or model.config_factories
    return (model, {}) if own else (model.bound, model.kwargs)


def _strict(schema: Any) -> Any:
    """The schema with every key required and no other allowed, as OpenAI's strict mode wants it."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _strict(value) for key, value in schema.items() if key != "default"}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        closed["properties"] = {name: _strict(value) for name, value in schema["properties"].items()}
        closed |= {"required": list(schema["properties"]), "additionalProperties": False}
    return closed


def _calls(message: AIMessage) -> Generator[Call, None, None]:
    for call in message.tool_calls:
        arguments = call["args"] if isinstance(call["args"], dict) else {}
        yield Call(clean(str(call["name"]), 200), arguments)
    for bad in message.invalid_tool_calls:
        given = shorten(clean(str(bad.get("args"))), 120)
        why = f"the arguments are not a JSON object: {given!r}"
        yield Call(clean(str(bad.get("name") or "?"), 200), {}, why)


def _tokens(metadata: Mapping[str, Any]) -> Generator[Token, None, None]:
    logprobs = metadata.get("logprobs") or {}
    rows = logprobs.get("content") if isinstance(logprobs, Mapping) else logprobs
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and isinstance(row.get("logprob"), int | float):
            yield Token(str(row.get("token", "")), float(row["logprob"]))


def _refuse_when_exhausted(budgets: Sequence[Any]) -> None:
    for budget in budgets:
        if reason := budget.exhausted():
            raise BudgetExceeded(reason)


def _cut_off(error: Exception) -> bool:
    # The openai client raises when a reply in a JSON schema reached max_tokens, although that is only a bad reply.
    return type(error).__name__ in ("LengthFinishReasonError", "OutputParserException")


def _cut_off_reply(error: Exception) -> Reply:
    """What there is of a reply that was cut off: its text and its tokens, when the error carries them."""
    completion = getattr(error, "completion", None)
    usage = getattr(completion, "usage", None)
    if completion is None or usage is None or not completion.choices:
        return Reply()
    text, thinking = split_thinking(clean(completion.choices[0].message.content or "", MAX_REPLY))
    return Reply(text, thinking, tokens_in=usage.prompt_tokens, tokens_out=usage.completion_tokens)


def _failure(error: Exception, limit: float | None) -> str:
    if isinstance(error, TimeLimitReached):
        return f"the model gave no reply within {limit:g} seconds"
    what = shorten(clean(str(error)), 400) or "no message"
    return f"the model failed: {type(error).__name__}: {what}"


def _whole(number: str) -> int:
    if len(number) > 300:  # Beyond any float; `int` itself refuses 4,300 digits, with words that help no model.
        raise ValueError(f"a number of {len(number):,} digits is too large")
    return int(number)


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number} is not a finite number")
    return value
