"""The conversation that a graph is given: its question, and its messages as text that every model can take."""

from __future__ import annotations

from collections.abc import Sequence

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
        message if clean(message.text) == message.text else message.model_copy(update={"content": clean(message.text)})
        for message in messages
    ]
