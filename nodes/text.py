"""Text at the border: what a person, a model or a tool sent, made safe to store and to show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..cleaning import clean

__all__ = ["clean", "only_number", "plain", "shorten", "words_of"]


def shorten(text: str, limit: int) -> str:
    """Cut `text` to about `limit` characters and say how many are missing.

    Example:
        >>> shorten("abcdefghij", 4)
        'abcd… [6 more characters]'
    """
    return text if len(text) <= limit else f"{text[:limit]}… [{len(text) - limit:,} more characters]"


def plain(value: Any) -> Any:
    """JSON that a checkpoint can hold: whole numbers over 64 bits and non-finite ones become text."""
    if isinstance(value, dict):
        return {clean(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    return value if isinstance(value, float) and abs(value) != float("inf") and value == value else str(value)


def words_of(outcome: Mapping[str, Any]) -> str:
    """An outcome in words.

    Example:
        >>> words_of({"price": 20, "colour": "red"})
        'price 20, colour red'
    """
    return ", ".join(f"{issue} {value}" for issue, value in outcome.items())


def only_number(said: str, wanted: str) -> str:
    """The one number in a text, as it was written but for thousands separators.

    A number stands alone: it is no part of a word, of 12.5%, of 3.50EUR or of 1.234.567.

    Args:
        said: The text.
        wanted: What the number is, for the message.

    Raises:
        ValueError: There is none, or there are several.

    Example:
        >>> only_number("I would say 1,250.", "cost")
        '1250'
    """
    signed = re.sub(r"\bminus\s+(?=\d)", "-", said, flags=re.IGNORECASE)
    found = list(dict.fromkeys(match[0].replace(",", "") for match in _NUMBER.finditer(signed)))
    if len({float(number) for number in found}) != 1:
        many = "no number" if not found else f"{len(found)} numbers"
        raise ValueError(f"it said {many}, so no {wanted}: {shorten(clean(said), 80)!r}")
    return found[0]


_NUMBER = re.compile(r"(?<![\w.])(?<!\d,)-?(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,9})?(?![\w%])(?![.,]\d)")
