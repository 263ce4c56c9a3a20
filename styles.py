"""How a chat model wants to be asked: which way to constrain it, and what it tells about its own answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """What works best with a model.

    A chat model class of your own can say it with an attribute `answer_style`; for others `answer_style()` knows.
    """

    steps: Literal["json", "tools"] = "tools"
    """How an agent's steps are asked for: one JSON object under a schema, or the provider's native tool calls."""

    constrain: Literal["response_format", "format", "structured_output", "prompt"] = "structured_output"
    """How a JSON schema is given: OpenAI's argument, Ollama's, LangChain's method, or in words only."""

    logprobs: bool = False
    """Whether replies carry token probabilities."""

    small: bool = False
    """Whether the model is so small that it must be led: a tool before the first answer, narrow inputs, worked
    examples, and a reminder to answer after each result."""


def answer_style(model: BaseChatModel) -> AnswerStyle:
    """Return how `model` wants to be asked."""
    own = getattr(model, "answer_style", None)
    if isinstance(own, AnswerStyle):
        return own
    kinds = _names_of_bases(type(model))
    logprobs = getattr(model, "logprobs", None) is True
    if "ChatOllama" in kinds:  # Constrained by a grammar, where native tool calls are not and `tool_choice` is ignored.
        return AnswerStyle(steps="json", constrain="format", logprobs=logprobs)
    if "BaseChatOpenAI" in kinds:
        return AnswerStyle(constrain="response_format", logprobs=logprobs)
    if type(model).bind_tools is BaseChatModel.bind_tools:
        return AnswerStyle(steps="json", constrain="prompt")
    return AnswerStyle()


@lru_cache(maxsize=64)
def _names_of_bases(kind: type) -> frozenset[str]:
    return frozenset(base.__name__ for base in kind.__mro__)
