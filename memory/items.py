"""What a shelf keeps: items as they are put, rows as they come back, and what a check found.

Values are JSON and nothing else: what was put comes back equal on every machine, in every process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ConfigError

MAX_VALUE_BYTES = 1_000_000
"""Of one value, written as JSON."""
MAX_NAME = 10_000
"""Characters of a key, and of a namespace all together."""


@dataclass(frozen=True, slots=True)
class Item:
    """What is put.

    Args:
        namespace: Where it is kept, as `("experiences",)`.
        key: Its name there; the same name again supersedes it.
        value: JSON: str keys; text, finite numbers, true, false, null, lists and objects of them; at most 1 MB.
        texts: What it is found by, each embedded by itself; without any it is not found by meaning.
        expires_at: Epoch seconds from which on it is gone.
        ttl: Minutes; only kept, for who refreshes by it.
    """

    namespace: tuple[str, ...]
    key: str
    value: Mapping[str, Any]
    texts: tuple[str, ...] = ()
    expires_at: float | None = None
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What is kept. `seq` grows with every put, in the order in which the puts became durable."""

    seq: int
    namespace: tuple[str, ...]
    key: str
    value: dict[str, Any]
    created_at: float
    updated_at: float
    expires_at: float | None = None
    ttl: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "namespace": list(self.namespace)}


@dataclass(frozen=True, slots=True)
class Check:
    """What a look at the whole memory found.

    Args:
        items: That are there.
        pruned: Kept as facts only.
        superseded: Earlier versions that are kept.
        vectors: Of the items that are there.
        unembedded: Texts without a vector, since the embedder failed: not found by meaning before a rebuild.
        indexed: Vectors in the index.
        waiting: Vectors that the index has not taken yet; they are searched exactly, so nothing is missed.
        missing: Vectors that the index should have and has not.
        orphans: Vectors in the index that no item has.
        problems: Each a sentence with what to do; empty when all is well.
    """

    items: int
    pruned: int
    superseded: int
    vectors: int
    unembedded: int
    indexed: int
    waiting: int
    missing: int
    orphans: int
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "problems": list(self.problems), "ok": self.ok}


def written(value: Mapping[str, Any], name: str) -> str:
    r"""Return a value as JSON in ASCII, so that every text can be kept, lone surrogates too.

    Raises:
        ConfigError: It is no JSON, or too large.

    Example:
        >>> written({"a": [1, True, "\ud800"]}, "k")
        '{"a": [1, true, "\\ud800"]}'
    """
    if not isinstance(value, Mapping):
        raise ConfigError(f"The value of {name!r} was {_shown(value)}; give a dict that JSON can hold.")
    try:
        text = json.dumps(value if isinstance(value, dict) else dict(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"The value of {name!r} is no JSON ({error or type(error).__name__}); give text, finite numbers, true, "
            "false, null, and lists and dicts of them."
        ) from None
    if len(text) > MAX_VALUE_BYTES:
        raise ConfigError(
            f"The value of {name!r} is {len(text):,} bytes of JSON; at most {MAX_VALUE_BYTES:,} are kept. "
            "Keep the large part in a file, and its path here."
        )
    if wrong := _wrong_key(value):
        raise ConfigError(f"The value of {name!r} has the key {wrong}; keys of JSON are text.")
    return text


def checked_item(item: Item) -> None:
    """Raise ConfigError unless the names, texts and times of an item are what they should be."""
    checked_name(item.namespace, item.key)
    if isinstance(item.texts, str) or not all(isinstance(text, str) for text in item.texts):
        raise ConfigError(f"texts of {item.key!r} was {_shown(item.texts)}; give a tuple of texts.")
    if (length := sum(map(len, item.texts))) > MAX_VALUE_BYTES:
        raise ConfigError(
            f"texts of {item.key!r} have {length:,} characters; at most {MAX_VALUE_BYTES:,} are kept. An embedder "
            "reads a few hundred words; give those that it should be found by."
        )
    for name, number in (("expires_at", item.expires_at), ("ttl", item.ttl)):
        is_number = isinstance(number, (int, float)) and not isinstance(number, bool) and abs(number) < float("inf")
        if number is not None and not is_number:
            raise ConfigError(f"{name} of {item.key!r} was {number!r}; give a finite number or None.")


def checked_name(namespace: tuple[str, ...], key: str = "") -> None:
    """Raise ConfigError unless this can be a namespace and a key."""
    if not isinstance(namespace, (tuple, list)) or not all(isinstance(part, str) for part in namespace):
        raise ConfigError(f'The namespace was {_shown(namespace)}; give a tuple of texts, as ("experiences",).')
    if not isinstance(key, str):
        raise ConfigError(f"The key was {_shown(key)}; give a text.")
    if len(key) > MAX_NAME or sum(map(len, namespace)) > MAX_NAME:
        raise ConfigError(f"A key or namespace has more than {MAX_NAME:,} characters; give a shorter one.")


def _wrong_key(value: Any) -> str:
    """The first key that is no text, shown; empty when there is none. json.dumps turns such keys into text silently."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, Mapping):
            for key in one:
                if not isinstance(key, str):
                    return _shown(key)
            left.extend(one.values())
        elif isinstance(one, Sequence) and not isinstance(one, str):
            left.extend(one)
    return ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
