"""Deterministic doubles for tests: models that answer from a script. The package's own tests use them, and yours can.

model = ScriptedModel([{"action": "calculate", "input": "6 * 7"}, {"action": "final_answer", "input": "42"}])
create_react([calculate], model=model).compile().invoke(...)
model.requests   # what the model was shown, call by call
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, PrivateAttr

from .styles import AnswerStyle


@dataclass(frozen=True, slots=True)
class Use:
    """A native tool call in a script: the tool's name and its arguments, and the text beside it."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What a scripted model was asked: the messages, and what was bound to the call (`tools`, `response_format`...)."""

    messages: tuple[BaseMessage, ...]
    bound: Mapping[str, Any]

    @property
    def text(self) -> str:
        """All the messages' text, a line each."""
        return "\n".join(str(message.text) for message in self.messages)


Reply = str | Mapping[str, Any] | Use | Sequence[Use] | AIMessage | BaseException | None
Script = Reply | Callable[[Request], Reply]


class ScriptedModel(BaseChatModel):
    """A chat model that answers from a script, sync and async, and remembers what it was shown.

    Args:
        script: One reply a call. A str is text; a dict a structured answer (its JSON is the text); a `Use`, or a list
            of them, native tool calls; an `AIMessage` is taken as it is; an exception is raised; None is an empty
            message; a function is called with the `Request` and gives one of these.
        after: When the script has ended: "repeat" its last entry, or "fail" with an AssertionError.
        latency: Seconds each call takes.
        style: "json" to be asked for steps as JSON, "tools" for native tool calls.
        model: The name it goes by, for the prices of a budget.

    Example:
        >>> ScriptedModel(["hello"]).invoke("hi").content
        'hello'
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    script: list[Any]
    after: Literal["repeat", "fail"] = "fail"
    latency: float = 0.0
    style: Literal["json", "tools"] = "json"
    model: str = "scripted"

    _requests: list[Request] = PrivateAttr(default_factory=list)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def __init__(
        self,
        script: Sequence[Script],
        *,
        after: Literal["repeat", "fail"] = "fail",
        latency: float = 0.0,
        style: Literal["json", "tools"] = "json",
        model: str = "scripted",
    ) -> None:
        super().__init__(script=list(script), after=after, latency=latency, style=style, model=model)  # type: ignore[call-arg]

    @property
    def answer_style(self) -> AnswerStyle:
        """How this model wants to be asked, see `langgraph_agora.styles`."""
        return AnswerStyle(steps=self.style, constrain="response_format")

    @property
    def requests(self) -> list[Request]:
        """What the model was asked so far."""
        return list(self._requests)

    @property
    def _llm_type(self) -> str:
        return "agora-scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Offer tools; they are recorded in the requests."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        time.sleep(self.latency)
        return self._answer(messages, kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await asyncio.sleep(self.latency)
        return self._answer(messages, kwargs)

    def _answer(self, messages: Sequence[BaseMessage], bound: Mapping[str, Any]) -> ChatResult:
        request = Request(tuple(messages), dict(bound))
        with self._lock:
            number = len(self._requests)
            self._requests.append(request)
        if number >= len(self.script) and (self.after == "fail" or not self.script):
            raise AssertionError(f"The script has {len(self.script)} replies; call {number + 1} was not expected.")
        entry = self.script[min(number, len(self.script) - 1)]
        reply = entry(request) if callable(entry) else entry
        message = _message(reply, number)
        message.usage_metadata = message.usage_metadata or _usage(messages, message)
        return ChatResult(generations=[ChatGeneration(message=message)])


def _message(reply: Reply, number: int) -> AIMessage:
    if isinstance(reply, AIMessage):
        return reply.model_copy()
    if reply is None:
        return AIMessage("")
    if isinstance(reply, str):
        return AIMessage(reply)
    if isinstance(reply, BaseException):
        raise reply
    if isinstance(reply, Mapping):
        return AIMessage(json.dumps(reply, ensure_ascii=False))
    uses = [reply] if isinstance(reply, Use) else list(reply)
    calls = [{"name": use.name, "args": dict(use.arguments), "id": f"{number}-{i}"} for i, use in enumerate(uses)]
    return AIMessage(uses[0].text if uses else "", tool_calls=calls)


def _usage(messages: Sequence[BaseMessage], reply: AIMessage) -> UsageMetadata:
    """Words stand for tokens, so that budgets can be tested with numbers that a reader can count."""
    words_in, words_out = sum(len(str(m.text).split()) for m in messages), len(str(reply.text).split())
    return UsageMetadata(input_tokens=words_in, output_tokens=words_out, total_tokens=words_in + words_out)
