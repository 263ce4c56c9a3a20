"""JSON that a person wrote: read without losing what stands there twice, and refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..errors import ConfigError


def read_json_text(text: str, name: str, *, parse_float: Callable[[str], Any] = float) -> Any:
    """Return the value of a JSON text.

    Args:
        text: The text of a file.
        name: The file's name, for messages.
        parse_float: Makes a number of the text of one with a point; `str` keeps it as it was written.

    Raises:
        ConfigError: It is no JSON, it is nested too deep, or a key stands twice in one object.

    Example:
        >>> read_json_text('{"a": 0.10}', "a.json", parse_float=str)
        {'a': '0.10'}
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_float=parse_float)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name!r} is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} stands there twice")
        found[key] = value
    return found
