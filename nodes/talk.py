"""The conversation that a graph is given: its question, and its messages as text that every model can take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage

from ..errors import ConfigError
from .text import clean


def question_of(messages: Sequence[AnyMessage]) -> HumanMessage:
    """Return the message that asks: the last human one.

    Raises:
        ConfigError: There is none, or it is empty.
    """
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            if message.text.strip():
                return message
            break
    raise ConfigError("There is no question. Give it as the last human message in `messages`.")


def cleaned(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages without what cannot be encoded or shown; those that are clean are the same objects."""
    return [
        message if _is_clean(message) else message.model_copy(update={"content": _cleaned(message.content)})
        for message in messages
    ]


def _is_clean(message: AnyMessage) -> bool:
    return clean(message.text) == message.text


def _cleaned(content: str | list[str | dict[str, Any]]) -> str | list[str | dict[str, Any]]:
    """The same content with its texts cleaned; pictures and other blocks stay."""
    if isinstance(content, str):
        return clean(content)
    blocks: list[str | dict[str, Any]] = []
    for block in content:
        if isinstance(block, str):
            blocks.append(clean(block))
        else:
            blocks.append({**block, "text": clean(block["text"])} if isinstance(block.get("text"), str) else block)
    return blocks
