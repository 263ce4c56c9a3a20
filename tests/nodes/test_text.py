import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.nodes.text import clean, shorten

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)
law = settings(deadline=None, derandomize=True, max_examples=300)


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("tab\tand\nnewline\r\n stay", "tab\tand\nnewline\r\n stay"),
        ("a" + chr(0) + "b" + chr(7) + chr(27) + "[31mred", "ab[31mred"),
        ("a" + chr(0x9B) + "31m", "a31m"),  # The one-byte CSI of terminals.
        ("user" + chr(0x202E) + "txt.exe" + chr(0x2066), "usertxt.exe"),
        ("a" + chr(0xD800) + "b", "a" + chr(0xFFFD) + "b"),
        (chr(0xD83D) + chr(0xDE00), chr(0x1F600)),  # A pair of surrogates is one character.
        ("e" + chr(0x301), chr(0xE9)),
        ("שלום and مرحبا" + chr(0x200F), "שלום and مرحبا" + chr(0x200F)),
        ("", ""),
    ],
)
def test_clean_keeps_text_and_drops_what_breaks_stores_and_screens(given_text, kept):
    assert clean(given_text) == kept


def test_clean_cuts_before_it_works_so_that_huge_text_is_cheap():
    assert clean("x" * 10_000_000, 5) == "xxxxx"


@law
@given(ANY_TEXT)
def test_cleaned_text_can_be_stored_and_cleaning_again_changes_nothing(text):
    once = clean(text)
    json.dumps(once, ensure_ascii=False).encode("utf-8")
    assert clean(once) == once


def test_shorten_says_how_much_is_missing():
    assert shorten("x" * 3004, 4) == "xxxx… [3,000 more characters]"
    assert shorten("xxxx", 4) == "xxxx"
