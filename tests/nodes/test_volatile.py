"""Results are equal when only time stamps, dates, ids and durations differ, and only then."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.nodes.volatile import _VOLATILE, masked, same_result, same_text

FIELDS = [
    ("2026-10-21T10:01:11Z", "2026-11-02T23:59:00.123+02:00"),
    ("2026-10-21 10:01", "2026-10-22 11:40"),
    ("21.10.2026", "2.11.2026"),
    ("10/21/2026, 10:01", "11/2/2026, 9:15"),
    ("21 Oct 2026 10:01:11 GMT", "2 November 2026 23:00:00 GMT"),
    ("Oct 21 10:01:11", "Nov 2 23:00:00"),
    ("Wed, 21 Oct 2026", "Mon, 2 Nov 2026"),
    ("3:05 PM", "11:40 am"),
    ("550e8400-e29b-41d4-a716-446655440000", "123e4567-e89b-12d3-a456-426614174000"),
    ("0x7f3a2b", "0x99ff01aa"),
    ("3f2a9bc1", "00aa11bb22cc"),
    ("req-4821", "req-9f3a77c1"),
    ("request id: 4821", "request id: 93"),
    ('"trace_id": "ab1"', '"trace_id": "zz9"'),
    ('"created_at": 1730000000', '"created_at": 1730000777.5'),
    ("1.13s", "2 s"),
    ("1m 3s", "59s"),
    ("12 minutes", "1 hour"),
    ("elapsed_ms=113", "elapsed_ms=97"),
    ("took 5", "took 7"),
]
DATA = [
    ("5 failed", "3 failed"),
    ("running, 5% done", "running, 20% done"),
    ("ticket #41", "ticket #42"),
    ("total 12345678", "total 12345679"),
    ("version 1.10.2", "version 1.10.3"),
    ("1.2345678e10", "1.2345679e10"),
    ("p.py:10:15", "p.py:10:16"),
    ("68 M", "69 M"),
    ("Marathon 5", "Marathon 6"),
    ("ratio 3.5", "ratio 3.6"),
    ("defaced", "effaced"),
    ("", "10:01"),
    ("a{b\nc", "a|b\nc"),
]


@pytest.mark.parametrize(("a", "b"), FIELDS)
def test_volatile_fields_do_not_count(a, b):
    assert same_text(a, b)
    assert same_text(f"job ({a}) waits", f"job ({b}) waits")
    assert not same_text(f"job ({a}) waits", f"job ({b}) runs")
    assert not same_text(f"job ({a}) waits 1", f"job ({b}) waits 2")


@pytest.mark.parametrize(("a", "b"), DATA)
def test_numbers_and_words_count(a, b):
    assert not same_text(a, b)
    assert not same_text(f"10:01 {a} | end", f"10:02 {b} | end")


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (None, "", True),
        (" ok\n", "ok", True),
        ({"n": 1, "at": [1, 2]}, {"at": [1, 2], "n": 1}, True),
        ({"ts": 1730000000}, {"ts": 1730000009}, True),
        ({"size": 1730000000}, {"size": 1730000009}, False),
        ({"duration": 1.5}, {"duration": 1.7}, True),
        ({"at": "10:01"}, {"at": "10:02"}, True),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ({"a": 1}, {"b": 1}, False),
        (7, 7.5, False),
        (None, 0, False),
    ],
)
def test_structured_results_are_compared_by_value(a, b, equal):
    assert same_result(a, b) is same_result(b, a) is equal


def test_depth_is_no_limit():
    a, b = 1, 2
    for _ in range(900):
        a, b = {"in": [a]}, {"in": [b]}
    assert same_result(a, {"in": [a["in"][0]]})
    assert not same_result(a, b)


# The shortcuts (ends first, piece by piece, long stretches without a digit) must not change any verdict.

PARTS = st.sampled_from([*(text for pair in FIELDS + DATA for text in pair), "\n", " ", "{", "|", "a", "4", "x" * 300])
TEXTS = st.lists(PARTS, max_size=8).map("".join)


def plainly_masked(text):
    return "".join(field or "~" for field in _VOLATILE.findall(text))


@settings(max_examples=500, derandomize=True, deadline=None)
@given(TEXTS)
def test_skipping_stretches_without_a_digit_masks_the_same(text):
    assert masked(text) == plainly_masked(text)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(TEXTS, st.lists(st.tuples(st.integers(0, 9), PARTS), max_size=3))
def test_comparing_by_pieces_gives_the_verdict_of_comparing_masked_texts(text, changes):
    other = text
    for at, part in changes:
        at = at * len(other) // 9
        other = other[:at] + part + other[at + len(part) :]
    assert same_text(text, other) == (plainly_masked(text) == plainly_masked(other))


@settings(derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=12), st.sampled_from(["\n", ", ", " | "]))
def test_any_number_of_changed_fields_makes_no_difference(fields, border):
    first, second = (border.join(f"<{pair[side]}> seen" for pair in fields) for side in (0, 1))
    assert same_text(first, second)
    assert not same_text(first + border + "1 left", second + border + "0 left")
