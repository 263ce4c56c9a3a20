"""Conditions from features: booleans, texts and numbers, what is left out, and what is the same."""

import random

import numpy as np
import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.mining.features import conditions_of, holds


def names(rows, least=2, **settings):
    return list(conditions_of(rows, least=least, **settings).names)


def column(rows, values):
    return [{"x": value} if value is not None else {} for value in values] + rows


def test_a_boolean_that_is_missing_is_false():
    present = [{"plan": True}, {}, {"plan": True}, {}]
    given = [{"plan": True}, {"plan": False}, {"plan": True}, {"plan": False}]
    for rows in (present, given):
        found = conditions_of(rows, least=2)
        assert found.names == (("plan", True),)
        assert found.columns[:, 0].tolist() == [True, False, True, False]


def test_a_text_gives_a_condition_for_each_value_and_none_for_missing():
    rows = column([], ["a", "a", "b", "b", "c", "c", None, None])
    assert names(rows) == [("x", "a"), ("x", "b"), ("x", "c")]


def test_a_number_is_cut_at_its_quartiles_and_the_rarer_side_names_the_cut():
    rows = column([], [value * 10 for value in range(8)])
    assert names(rows) == [("x", "< 20"), ("x", ">= 40"), ("x", ">= 60")]


def test_a_number_is_cut_where_the_caller_says():
    assert names(column([], [1, 2, 3, 40, 50, 60]), edges={"x": [3, 10]}) == [("x", "< 3"), ("x", ">= 10")]


def test_a_cut_has_no_more_digits_than_it_needs():
    rows = column([], [0.123456, 0.234567, 0.345678, 0.456789])
    assert names(rows, least=1) == [("x", "< 0.2"), ("x", ">= 0.3"), ("x", ">= 0.4")]


def test_of_many_zeros_and_few_counts_the_cut_is_at_one():
    assert names(column([], [0, 0, 0, 0, 0, 0, 0, 1, 2])) == [("x", ">= 1")]


def test_a_missing_number_is_neither_at_least_nor_less():
    found = conditions_of(column([], [1, 1, 9, 9, None, None]), least=2)
    assert found.names == (("x", "< 9"), ("x", ">= 9"))
    assert not found.columns[4:].any()


@pytest.mark.parametrize(
    "values",
    [
        ["run-1", "run-2", "run-3", "run-4", "run-5", "run-6"],  # every text once
        [41, 42, 43, 44, 45, 46],  # a running number
        ["same"] * 6,
        [True] * 6,
        [7] * 6,
        [True, False, False, False, False, False],  # once only
        [None] * 6,
        [float("nan"), float("inf"), None, None, None, None],
        [10**400] * 3 + [0] * 3,  # no float holds it; then only 0 is left
    ],
)
def test_what_cannot_be_compared_is_left_out(values):
    assert names(column([], values)) == []


def test_a_condition_needs_enough_on_both_sides():
    rows = [{"x": place < 10} for place in range(19)]
    assert names(rows, least=10) == []
    assert names([*rows, {}], least=10) == [("x", True)]
    assert names([{"x": place < 9} for place in range(30)], least=10) == []


def test_equal_and_opposite_features_are_one_condition_with_twins():
    on = [True, False, False, True, False, False]
    rows = [{"a": one, "b": one, "not_a": not one, "text": "y" if one else "n"} for one in on]
    found = conditions_of(rows, least=2)
    assert found.names == (("a", True),)
    twins = dict(found.twins[0])
    assert {name for name, same in twins.items() if same} == {("a", True), ("b", True), ("text", "y")}
    assert {name for name, same in twins.items() if not same} == {("not_a", True), ("text", "n")}


def test_one_true_and_the_text_one_are_three_values():
    rows = column([], [1, 1, True, True, "1", "1"])
    assert [(type(value).__name__, value) for _, value in names(rows)] == [("bool", True), ("int", 1), ("str", "1")]


def test_numbers_among_booleans_are_values_and_no_amounts():
    assert names(column([], [7, 7, 8, 8, True, True])) == [("x", True), ("x", 7), ("x", 8)]


def test_numpy_values_are_read_as_what_they_are():
    rows = column([], [np.bool_(True), np.bool_(False), np.bool_(True), np.bool_(False)])
    assert names(rows) == [("x", True)]


def test_the_order_of_experiences_and_of_features_changes_nothing():
    chance = random.Random(4)
    rows = [{"b": chance.random() < 0.4, "a": chance.choice("xyz"), "c": chance.randrange(20)} for _ in range(60)]
    mixed = [dict(reversed(row.items())) for row in reversed(rows)]
    one, other = conditions_of(rows, least=5), conditions_of(mixed, least=5)
    assert (one.names, one.twins) == (other.names, other.twins)
    assert (one.columns == other.columns[::-1]).all()


@pytest.mark.parametrize(
    ("condition", "features", "expected"),
    [
        (["plan", True], {"plan": True}, True),
        (["plan", True], {}, False),
        (["plan", False], {}, True),
        (["plan", True], {"plan": "yes"}, None),
        (["tool", "search"], {"tool": "search"}, True),
        (["tool", "search"], {"tool": "none"}, False),
        (["tool", "search"], {}, None),
        (["steps", ">= 12"], {"steps": 12}, True),
        (["steps", ">= 12"], {"steps": 11.9}, False),
        (["steps", "< 12"], {"steps": 12}, False),
        (["steps", "< 12"], {"steps": float("nan")}, None),
        (["text", "< 12"], {"text": "< 12"}, True),  # A text may look like a cut.
        (["x", 1], {"x": True}, False),
        (["x", ">= 1"], {"x": True}, False),
        (["x", "12"], {"x": 12}, False),
    ],
)
def test_a_condition_holds_or_not_or_is_unknown(condition, features, expected):
    assert holds(condition, features) is expected


def test_every_condition_holds_where_its_column_says():
    chance = random.Random(9)
    rows = [
        {"a": chance.random() < 0.5, "b": chance.choice("xyz"), "c": chance.gauss(0, 1), "d": chance.randrange(9)}
        for _ in range(80)
    ]
    found = conditions_of(rows, least=5)
    assert len(found.names) > 8
    for name, where in zip(found.names, found.columns.T, strict=True):
        assert [bool(holds(name, row)) for row in rows] == where.tolist()


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        ([{"tools": ["search"]}], {}, "The feature 'tools' was a list.*one boolean for each"),
        ([{"steps": 3}], {"edges": {"stpes": [1]}}, "'stpes'.*Did you mean 'steps'"),
        ([{"steps": 3}], {"edges": {"steps": ["many"]}}, "finite numbers"),
        ([{"steps": 3}], {"edges": {"steps": []}}, "finite numbers"),
    ],
)
def test_wrong_input_is_said(rows, settings, message):
    with pytest.raises(ConfigError, match=message):
        conditions_of(rows, least=1, **settings)
