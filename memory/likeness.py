"""How much two sentences say the same, when it matters that they may say the opposite.

To an embedding a negation is one word of many: with MiniLM "always check the input" and "never check the input" have a
cosine of 0.98, more than most rewordings, and "at most 3 steps" and "at most 5 steps" 0.94. No threshold tells them
apart, so sentences that differ in a negation, in a number or by a pair of opposites are not compared at all.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .embedders import Embedder

_NEGATIONS = frozenset(
    ("not", "no", "never", "none", "nor", "neither", "without", "avoid", "stop", "skip", "refuse", "unless", "except")
)
_OPPOSITES = (
    ("always", "never"),
    ("before", "after"),
    ("first", "last"),
    ("more", "less"),
    ("more", "fewer"),
    ("most", "least"),
    ("above", "below"),
    ("over", "under"),
    ("long", "short"),
    ("high", "low"),
    ("large", "small"),
    ("raise", "lower"),
    ("increase", "decrease"),
    ("prefer", "avoid"),
    ("early", "late"),
    ("fast", "slow"),
    ("allow", "forbid"),
    ("enable", "disable"),
    ("with", "without"),
    ("accept", "reject"),
    ("true", "false"),
)
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: str(number) for number, word in enumerate(_DIGITS)}


def alike(embedder: Embedder, first: str, second: str) -> float:
    """The cosine of two sentences; 0 when they may say the opposite, for then it tells nothing.

    Args:
        embedder: What turns them into vectors; from its `near` on, the sentences say the same.
        first: One sentence.
        second: The other.

    Example:
        >>> from .lexical import Lexical
        >>> round(alike(Lexical(), "Check the input first", "First check the input"), 2)
        1.0
        >>> alike(Lexical(), "Check the input first", "Do not check the input first")
        0.0
    """
    if opposed(first, second):
        return 0.0
    vectors = embedder.embed([first, second])
    return float(vectors[0] @ vectors[1])


def opposed(first: str, second: str) -> bool:
    """Whether two sentences differ in a negation, in a number, or by a pair of opposites.

    It errs towards yes: two sentences kept apart for nothing cost a line, two opposites made one cost a lesson.

    Example:
        >>> opposed("Use at most 3 steps", "Use at most five steps"), opposed("Use the tool", "Call the tool")
        (True, False)
    """
    one, other = _words(first), _words(second)
    if _negations(one) != _negations(other) or _numbers(one) != _numbers(other):
        return True
    return any(
        (a in one and b in other and b not in one and a not in other)
        or (b in one and a in other and a not in one and b not in other)
        for a, b in _OPPOSITES
    )


def _words(text: str) -> Counter[str]:
    plain = text.casefold().replace("’", "'")
    plain = re.sub(r"\b(\w+)n't\b", r"\1 not", plain).replace("cannot", "can not")
    return Counter(re.findall(r"\d+(?:[.,]\d+)*|[^\W\d_]+", plain))


def _negations(words: Counter[str]) -> int:
    return sum(count for word, count in words.items() if word in _NEGATIONS)


def _numbers(words: Counter[str]) -> Counter[str]:
    numbers: Counter[str] = Counter()
    for word, count in words.items():
        if word[0].isdigit() or word in _NUMBERS:
            numbers[_NUMBERS.get(word, word)] += count
    return numbers
