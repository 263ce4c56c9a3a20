"""What an experience may be: every field has its kind and its limit, and the error says which one was wrong."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.memory.fields import (
    FIELDS,
    MAX_FEATURES,
    MAX_TASK,
    checked_experience,
    experience_filter,
)
from langgraph_agora.memory.recalling import MARK

FULL = {
    "task": "Book a table",
    "features": {"tool": "search", "attempts": 2, "cost": 0.5, "planned": True},
    "success": True,
    "seconds": 1.5,
    "tokens": 300,
    "at": "2026-11-28T12:00:00Z",
    "id": "run-1",
    "answer": "Table 4",
    "stop": "answer",
    "steps": 4,
    "outcome_source": "validator",
    "recalled": ["l-1"],
    "withheld": ["l-2"],
    "summary": "Called, and was given a table.",
    "reflections": ["Calling is quicker."],
    "attempts": 2,
    "first": {"success": False, "outcome_source": "validator", "features": {"tool": "search"}, "seconds": 1.5},
    "judged": {"steps": 4.0, "loops": 0.0},
    "began": "2026-11-28T11:59:58Z",
}


def checked(**fields):
    return checked_experience(FULL | fields, id="made", at="2026-01-01")


def test_a_full_experience_is_kept_as_it_is():
    assert set(FULL) == set(FIELDS)
    assert checked() == FULL


def test_what_may_be_left_out_is_filled_in():
    kept = checked_experience({"task": "t", "success": None, "answer": None}, id="made", at="2026-01-01")
    assert kept == {
        "task": "t",
        "features": {},
        "success": None,
        "seconds": 0,
        "tokens": 0,
        "at": "2026-01-01",
        "id": "made",
    }


WRONG = {
    "task": ["", " ", None, 7, b"bytes", "x" * (MAX_TASK + 1), "x" * 10_000_000, "\x00", f'{MARK} "x" failed'],
    "features": [
        [],
        "tool",
        {"a": {"nested": 1}},
        {"a": [1]},
        {"a": None},
        {"a": math.nan},
        {"a": math.inf},
        {"a": 2**60},
        {"a": 10**5000},
        {"a": "x" * 1001},
        {"": 1},
        {"n" * 201: 1},
        {7: 1},
        {f"f{n}": n for n in range(MAX_FEATURES + 1)},
    ],
    "success": ["yes", 1, 0.0, [], math.nan],
    "seconds": [-1, math.nan, math.inf, "1", True, [], 1e300],
    "tokens": [-1, math.nan, "12", False, 2**70],
    "steps": [-0.5, math.nan, "1"],
    "at": ["yesterday", 5, "", "2026-13-01", "2026-11-28T25:00", "x" * 100, b"2026-11-28"],
    "id": [7, "", "two words", "a\nb", "x" * 201, "a\x00", "a\u202eb"],
    "answer": [7, ["a"], "x" * 50_001],
    "stop": [7],
    "outcome_source": ["humans", 3, []],
    "recalled": ["l-1", [7], ["a whole sentence"], ["x"] * 201, {"l-1": 1}],
    "withheld": [["a b"]],
    "summary": [{}, "x" * 50_001],
    "reflections": ["one text", [7], ["x"] * 201],
    "attempts": [-1, "twice", True],
    "first": [[], {"success": "no"}, {"task": "Add"}, {"success": True, "task": "Add"}, {"success": True, "steps": -1}],
    "began": ["soon", 7],
    "judged": [[0.5], {"score": math.nan}, {"score": [1]}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_field_is_named_and_what_is_allowed_is_said(name, value):
    with pytest.raises(ConfigError, match=rf"{name}|name of a feature") as error:
        checked(**{name: value})
    assert "give " in str(error.value)
    assert len(str(error.value)) < 500


def test_an_unknown_field_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="Did you mean 'summary'"):
        checked(sumary="x")
    with pytest.raises(ConfigError, match="are features"):
        checked(zzz=1)


@pytest.mark.parametrize("name", ["task", "success"])
def test_what_was_done_and_how_it_ended_must_be_said(name):
    with pytest.raises(ConfigError, match=f"no {name}"):
        checked_experience({key: value for key, value in FULL.items() if key != name}, id="i", at="2026-01-01")


@pytest.mark.parametrize("given", [None, [], "task", 7])
def test_an_experience_is_a_dict(given):
    with pytest.raises(ConfigError, match="give a dict"):
        checked_experience(given, id="i", at="2026-01-01")


def test_many_texts_that_are_each_allowed_can_be_too_much_together():
    with pytest.raises(ConfigError, match="bytes of JSON"):
        checked(reflections=["x" * 50_000] * 20)


def test_binary_text_is_kept_as_text():
    kept = checked(task="a\x00b\x1b[2J\ud800 e\u0301", features={"tool\x00": "\ud83d"})
    assert kept["task"] == "ab[2J\ufffd \u00e9"
    assert kept["features"] == {"tool": "\ufffd"}


def test_what_was_recalled_is_not_kept_again():
    shown = f'{MARK} "Book a table" failed on 2026-11-27.'
    kept = checked(task=f"{shown}\nBook a room", summary=f"I was told:\n{shown}\nI called.", reflections=[shown])
    assert kept["task"] == "Book a room"
    assert kept["summary"] == "I was told:\nI called."
    assert kept["reflections"] == [""]


@given(st.dictionaries(st.text(max_size=10), st.none() | st.booleans() | st.floats() | st.integers() | st.text()))
def test_whatever_features_are_given_they_are_kept_as_json_or_refused(features):
    try:
        kept = checked(features=features)
    except ConfigError:
        return
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept
    kept["task"].encode()


def test_a_filter_names_fields_and_features():
    assert experience_filter(None) == {}
    assert experience_filter({"success": False, "features.tool": "search"}) == {
        "success": False,
        "features.tool": "search",
    }
    assert experience_filter({"seconds": {"$gt": 1}}) == {"seconds": {"$gt": 1}}


def test_features_with_dots_in_their_names_can_be_asked_for():
    assert experience_filter({"features.a.b": 1, "features.c.d": 2}) == {"features": {"a.b": 1, "c.d": 2}}
    with pytest.raises(ConfigError, match="write them all"):
        experience_filter({"features.a.b": 1, "features": {"c": 1}})


@pytest.mark.parametrize("where", [{"tool": "search"}, {"task.words": 1}, {"succes": True}, {7: 1}, "tool"])
def test_a_filter_that_could_match_nothing_is_refused(where):
    with pytest.raises(ConfigError, match=r"Did you mean|features\."):
        experience_filter(where)


def test_what_is_nested_too_deeply_to_be_written_out_is_refused_all_the_same():
    deep = 1
    for _ in range(100_000):
        deep = {"x": deep}
    with pytest.raises(ConfigError, match="nested too deeply"):
        checked(features={"x": deep})
    with pytest.raises(ConfigError, match="nested too deeply"):
        experience_filter({"features": deep})
    while isinstance(deep, dict):  # Else Python takes it apart recursively.
        deep = deep.popitem()[1]
