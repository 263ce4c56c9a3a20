"""Filters: what they mean, and that what SQLite leaves out does not match."""

import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.memory import _compare_values

from langgraph_agora.errors import ConfigError
from langgraph_agora.memory.filters import checked_where, condition, matches

ONE = {
    "task": "sum",
    "seconds": 2.5,
    "success": True,
    "count": "7",
    "tags": ["a", "b"],
    "at": "2026-11-28T10:00:00Z",
    "features": {"tool": "search", "steps": 3},
    "a.b": 1,
    "a": {"b": 2},
}


@pytest.mark.parametrize(
    "where",
    [
        None,
        {},
        {"task": "sum"},
        {"task": {"$eq": "sum"}},
        {"task": {"$ne": "poem"}},
        {"task": {"$in": ["poem", "sum"]}},
        {"seconds": {"$gt": 2, "$lte": 2.5}},
        {"seconds": {"$lt": "3"}},
        {"count": {"$lt": 10, "$gte": 7}},
        {"at": {"$gte": "2026-11-01", "$lt": "2026-12-01"}},
        {"success": True},
        {"tags": ["a", "b"]},
        {"features": {"tool": "search"}},
        {"features.tool": "search", "features.steps": {"$gte": 3}},
        {"features": {"steps": {"$lt": 4}}},
        {"a.b": 1},
        {"missing": None},
        {"features.missing": None},
        {"missing": {"$ne": 1}},
    ],
)
def test_what_passes(where):
    checked_where(where)
    assert matches(ONE, where)
    assert _by_sqlite(ONE, where or {})[0]


@pytest.mark.parametrize(
    "where",
    [
        {"task": "poem"},
        {"task": "sum", "seconds": 3},
        {"seconds": {"$gt": 2.5}},
        {"seconds": {"$gt": 1, "$lt": 2}},
        {"tags": ["a"]},
        {"tags": "a"},
        {"features": {"tool": "read"}},
        {"features": "search"},
        {"features.tool.name": "search"},
        {"a.b": 2},
        {"missing": {"$gt": 0}},
        {"task": {"$gt": 1}},
        {"tags": {"$lt": 1}},
        {"task": {"$in": []}},
    ],
)
def test_what_does_not_pass(where):
    checked_where(where)
    assert not matches(ONE, where)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"seconds": {"$gtt": 1}}, r"\$gtt.*allowed are \$eq.*Did you mean '\$gt'\?"),
        ({"seconds": {"$gt": 1, "more": 2}}, "'more'"),
        ({"features": {"steps": {"$near": 1}}}, r"features\.steps.*\$near"),
        ({"task": {"$in": "sum"}}, "give a list"),
        ({1: 2}, "give a dict"),
        ("task", "give a dict"),
    ],
)
def test_what_is_no_filter_is_refused(where, said):
    with pytest.raises(ConfigError, match=said):
        checked_where(where)


names = st.sampled_from(["a", "b", "a.b", "é", 'q"', "x y"])
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "1", "2.5", "-1e3", "nan", "a", "é", "\x00", "\ud800", 'q"', "\\"]),
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2))
objects = st.dictionaries(names, values, max_size=4)
tests = st.one_of(
    values.filter(lambda value: not isinstance(value, dict)),
    st.dictionaries(st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), leaves, min_size=1, max_size=2),
    st.lists(leaves, max_size=3).map(lambda some: {"$in": some}),
)
filters = st.dictionaries(names, tests, max_size=2)


def _by_sqlite(value, where):
    sql, parameters = condition(where)
    database = sqlite3.connect(":memory:")
    try:
        return database.execute(f"SELECT ({sql}) FROM (SELECT ? AS value)", (*parameters, json.dumps(value))).fetchone()
    finally:
        database.close()


@given(objects, filters)
def test_what_matches_is_never_left_out_by_sqlite(value, where):
    [kept] = _by_sqlite(value, where)
    if matches(value, where):
        assert kept


@given(objects, st.data())
def test_a_value_is_found_by_what_stands_in_it(value, data):
    """The drawn filters rarely match; these always do."""
    where = {name: one for name, one in value.items() if not isinstance(one, dict)}
    if where:
        name = data.draw(st.sampled_from(sorted(where)))
        where = {name: where[name]}
    assert matches(value, where)
    assert _by_sqlite(value, where)[0]


@given(st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False))
def test_sqlite_finds_a_number_by_itself_however_it_is_written(number):
    for test in ({"$eq": number}, {"$gte": number}, {"$lte": number}, {"$in": [number]}):
        assert _by_sqlite({"n": number}, {"n": test})[0]


def test_sqlite_leaves_out_what_it_can_decide():
    assert not _by_sqlite({"task": "poem"}, {"task": "sum"})[0]
    assert not _by_sqlite({"seconds": 1}, {"seconds": {"$gt": 2}})[0]
    assert not _by_sqlite({"features": {"tool": "read"}}, {"features.tool": {"$in": ["search", "find"]}})[0]


@given(
    st.dictionaries(st.sampled_from("ab"), values, max_size=2),
    st.dictionaries(st.sampled_from("ab"), tests.filter(lambda test: "$in" not in str(test)), max_size=2),
)
def test_a_bare_key_means_what_it_means_to_langgraphs_stores(value, where):
    try:
        theirs = all(_compare_values(value.get(key), wanted) for key, wanted in where.items())
    except (TypeError, ValueError, OverflowError):
        return  # cannot be compared; theirs raises, ours does not match
    if not any(isinstance(value.get(key), str) and "nan" in value.get(key) for key in where):
        assert matches(value, where) == theirs
