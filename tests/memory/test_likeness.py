"""Sentences that say the same, and sentences that say the opposite in nearly the same words."""

import pytest

from langgraph_agora.memory.embedders import load_embedder
from langgraph_agora.memory.lexical import Lexical
from langgraph_agora.memory.likeness import alike, opposed
from tests.conftest import needs

OPPOSITES = [
    ("Always check the input before you call the tool", "Never check the input before you call the tool"),
    ("Use the search tool for arithmetic", "Do not use the search tool for arithmetic"),
    ("Use the search tool for arithmetic", "Don't use the search tool for arithmetic"),
    ("Use the search tool for arithmetic", "Don’t use the search tool for arithmetic"),
    ("You can retry", "You cannot retry"),
    ("Use at most 3 steps", "Use at most 5 steps"),
    ("Use at most three steps", "Use at most 5 steps"),
    ("Prefer the calculator for small numbers", "Avoid the calculator for small numbers"),
    ("Plan before you act", "Plan after you act"),
    ("Give long answers", "Give short answers"),
    ("Ask for more details", "Ask for fewer details"),
    ("Stop when the tool fails", "Continue when the tool fails"),
    ("Set the limit to 0.5", "Set the limit to 0.25"),
]
ALIKE = [
    ("Verify the result before the final answer", "Verify the result before giving the final answer"),
    ("Use at most three steps", "Use at most 3 steps"),
    ("Do not guess", "Don't guess"),
    ("Never call it twice", "You must not call it twice"),
    ("Plan before you act", "Before you act, plan"),
    ("Check more cases before you answer, not after", "Before you answer, not after, check more cases"),
]


@pytest.mark.parametrize(("first", "second"), OPPOSITES)
def test_opposites_are_seen_from_both_sides(first, second):
    assert opposed(first, second)
    assert opposed(second, first)
    assert alike(Lexical(), first, second) == 0


@pytest.mark.parametrize(("first", "second"), ALIKE)
def test_what_says_the_same_is_not_opposed(first, second):
    assert not opposed(first, second)
    assert alike(Lexical(), first, second) > 0.2


def test_an_embedding_alone_would_take_the_opposite_for_the_same():
    """Why there is more than a threshold: the cosine of these two is above that of nearly all rewordings."""
    try:
        minilm = load_embedder("minilm")
    except ValueError as missing:
        needs(False, str(missing))
    first, second = minilm.embed(OPPOSITES[0])
    assert first @ second > minilm.near + 0.1
    assert alike(minilm, *OPPOSITES[0]) == 0
    assert alike(minilm, *ALIKE[0]) >= minilm.near
