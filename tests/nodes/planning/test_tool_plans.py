"""Plans made of tool calls: how they are read and checked, the domain they become, and how results are put in."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.nodes.planning.search import find_plan
from langgraph_agora.nodes.planning.tool_plans import MOST_CALLS, ROOT, Planned, filled, read_calls, tool_domain, whole

TEXT = {"type": "string"}
TOOLS = {
    "search": {"type": "object", "properties": {"query": TEXT}, "required": ["query"]},
    "mail": {
        "type": "object",
        "properties": {
            "to": {"type": "array", "items": TEXT},
            "text": TEXT,
            "urgent": {"type": "boolean"},
            "copies": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "kind": {"type": "string", "enum": ["note", "letter"]},
        },
        "required": ["to", "text"],
    },
    "now": {"type": "object", "properties": {}},
}
MAIL = {"to": ["ann"], "text": "Hello"}


def call(tool, given=None, **more):
    return {"tool": tool, "input": {} if given is None else given, **more}


def read(*calls):
    return read_calls(list(calls), TOOLS)


@pytest.mark.parametrize(
    "said",
    [
        {"calls": [call("search", {"query": "Oslo"}), call("now")]},
        {"plan": [{"name": "search", "arguments": {"query": "Oslo"}, "depends_on": None}, "now"]},
        [{"action": "search", "args": "Oslo"}, {"tool": "now", "input": None}],
        'Plan:\n```json\n[{"tool": "search", "input": "Oslo"}, {"tool": "now"}]\n```',
    ],
)
def test_one_plan_is_read_however_it_is_spelled(said):
    assert read_calls(said, TOOLS) == (Planned("search_1", "search", {"query": "Oslo"}), Planned("now_2", "now", {}))


def test_calls_wait_for_those_they_name_and_for_those_whose_results_they_use():
    calls = read(
        call("now"),
        call("search", "first", after=[1]),
        call("search", "second", after=["now_1"]),
        call("mail", {"to": ["$2"], "text": "It costs $20: $3"}),
    )
    assert [one.after for one in calls] == [(), ("now_1",), ("now_1",), ("search_2", "search_3")]
    assert [one.to_dict()["name"] for one in calls] == ["now_1", "search_2", "search_3", "mail_4"]


def test_the_order_of_a_plan_is_causal_and_independent_calls_run_side_by_side():
    calls = read(call("search", "$3"), call("now"), call("search", "Oslo"), call("now", after=[1, 2]))
    plan = find_plan(tool_domain(calls), {}, [ROOT])
    step = {node.task[0]: node.id for node in plan.steps}
    assert plan.order[step["now_2"]] == plan.order[step["search_3"]] == frozenset()
    assert plan.order[step["search_1"]] == {step["search_3"]}
    assert {step["search_1"], step["now_2"]} <= plan.order[step["now_4"]]
    assert plan.makespan == 3
    assert not find_plan(tool_domain(calls), {}, ["search_1"]).found, "it needs what it waits for, in the state too"


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([], "There is no list of calls; the tools are search, mail, now."),
        ([{}], "Call 1 names no tool; the tools are search, mail, now."),
        ([call("serach", "x")], "Call 1 names 'serach'; the tools are search, mail, now. Did you mean 'search'?"),
        ([call("now")] * (MOST_CALLS + 1), f"The plan has {MOST_CALLS + 1} calls; give at most {MOST_CALLS}."),
        ([call("search")], "Call 1, search: query is missing."),
        ([call("mail")], "Call 1, mail: to, text are missing."),
        ([call("search", {"q": "x"})], "Call 1, search: there is no argument 'q'; it takes query."),
        ([call("search", 5)], "Call 1, search: query is 5, and must be of type string."),
        (
            [call("mail", "Hello")],
            "Call 1, mail: the input was no object; give an object with to, text, urgent, copies",
        ),
        ([call("now", "x")], "Call 1, now: the input was no object; give no input."),
        ([call("mail", {**MAIL, "to": "ann"})], "Call 1, mail: to is of type string, and must be of type array."),
        ([call("mail", {**MAIL, "to": [1]})], "a part of to is 1, and must be of type string."),
        ([call("mail", {**MAIL, "urgent": 1})], "urgent is 1, and must be of type boolean."),
        ([call("mail", {**MAIL, "copies": True})], "copies is true, and must be of type integer."),
        ([call("mail", {**MAIL, "kind": "song"})], "kind is none of note, letter."),
        ([call("now", after=[2])], "Call 1, now, waits for 2; there are calls 1 to 1."),
        ([call("now", after=["yesterday"])], "Call 1, now, waits for yesterday; there are calls 1 to 1."),
        ([call("now", after=[1])], "Call 1, now, waits for itself."),
        ([call("search", "$1")], "Call 1, search, waits for itself."),
        ([call("search", "$2")], "Call 1, search, uses $2; there are results $1 to $1."),
        ([call("search", "$0")], "Call 1, search, uses $0; there are results $1 to $1."),
        ([call("search", "$2"), call("search", "see $1")], "a cycle: search_1 before search_2 before search_1."),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence_that_names_it(calls, words):
    with pytest.raises(ValueError) as refused:
        read_calls(calls, TOOLS)
    assert words in str(refused.value)


def test_a_reference_stands_for_a_value_of_any_type():
    calls = read(call("now"), call("mail", {"to": "$1", "text": "x", "urgent": "$1", "copies": "$1", "kind": "$1"}))
    assert calls[1].after == ("now_1",)


def test_results_are_put_in_whole_where_the_reference_stands_alone_and_as_text_inside_a_text():
    given = {"to": "$1", "text": "$2 of $1, not $9 or $25", "more": [{"deep": "$2"}], "number": 1}
    one = Planned("mail_3", "mail", given, ("list_1", "count_2"))
    assert filled(one, {"list_1": ["ann", "bob"], "count_2": 2}) == {
        "to": ["ann", "bob"],
        "text": '2 of ["ann", "bob"], not $9 or $25',
        "more": [{"deep": 2}],
        "number": 1,
    }
    assert filled(one, {"list_1": ["ann"]})["more"] == [{"deep": "$2"}], "what is missing stays as it is"
    assert given["to"] == "$1", "the plan is not changed"


def test_a_result_that_looks_like_a_reference_is_not_filled_in_again():
    one = Planned("mail_3", "mail", {"text": "$1 $2"}, ("a_1", "b_2"))
    assert filled(one, {"a_1": "$2", "b_2": "B"}) == {"text": "$2 B"}


def test_the_whole_goal_can_be_one_task():
    calls = whole("Find out who founded Oslo.")
    assert (len(calls), calls[0].tool, calls[0].input) == (1, "", {"goal": "Find out who founded Oslo."})
    assert find_plan(tool_domain(calls), {}, [ROOT]).names == ["whole_1"]


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["$1", "$2", "now"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["calls", "tool", "input", "after", "query", "to"]), inner, max_size=4)
    ),
    max_leaves=15,
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {"tool": st.sampled_from(list(TOOLS)), "input": ANYTHING, "after": st.lists(st.integers(0, 5), max_size=3)}
    ),
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(ANYTHING | CALLS | CALLS.map(json.dumps) | st.text(max_size=60))
def test_whatever_is_said_is_a_plan_that_can_be_carried_out_or_is_refused(said):
    try:
        calls = read_calls(said, TOOLS)
    except ValueError:
        return
    plan = find_plan(tool_domain(calls), {}, [ROOT])
    assert sorted(plan.names) == sorted(one.name for one in calls)
    for one in calls:
        assert one.tool in TOOLS
        assert set(one.input) <= set(TOOLS[one.tool]["properties"])
        assert filled(one, {}) == dict(one.input)
