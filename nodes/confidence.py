"""How sure was the model? Token probabilities of the value it chose, or the number it said."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import NamedTuple


class Token(NamedTuple):
    """A token of a reply and the natural logarithm of its probability."""

    text: str
    logprob: float


def token_confidence(tokens: Sequence[Token], text: str, value: str) -> float | None:
    """The smallest probability among the tokens of `value` inside the reply `text`; None when it cannot be told.

    Only the value's own tokens count. Under a JSON schema llama.cpp reports the unconstrained distribution, so tokens
    that the grammar forced (keys, braces, enums) carry absurd probabilities, and tokens that it rejected stand in the
    list too. The minimum had the best AUROC on short questions (.907, against .900 for the product, .883 for the
    geometric mean and .522 for a number the model says).

    Args:
        tokens: The reply's tokens in order, as the server listed them.
        text: The reply as it was returned.
        value: The value to judge, decoded; its last occurrence in `text` is taken.

    Example:
        >>> token_confidence([Token('{"a": "', -9.0), Token("4", -0.1), Token('"}', -0.2)], '{"a": "4"}', "4")
        0.9048
    """
    placed = _placed(tokens, text)
    written = json.dumps(value, ensure_ascii=False)[1:-1]
    start = text.rfind(written) if written in text else text.rfind(value)
    if placed is None or start < 0 or not value:
        return None
    end = start + (len(written) if written in text else len(value))
    inside = [token.logprob for token, (at, past) in zip(tokens, placed, strict=True) if at < end and past > start]
    return round(math.exp(min(0.0, *inside)), 4) if inside else None


def _placed(tokens: Sequence[Token], text: str) -> list[tuple[int, int]] | None:
    """Where each token stands in `text`; rejected ones get (0, 0); None when the tokens do not cover it."""
    places, at = [], 0
    for token in tokens:
        if token.text and text.startswith(token.text, at):
            places.append((at, at + len(token.text)))
            at += len(token.text)
        else:
            places.append((0, 0))
    return places if at == len(text) and text else None
