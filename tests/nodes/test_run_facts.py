"""What is said of a task and of a run are facts that code reads: the same ones whatever graph the run is of."""

from types import SimpleNamespace

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.run_facts import (
    MOST_FEATURES,
    checked_features,
    features_in,
    has_answer,
    run_features,
    task_features,
    without,
)


def test_a_task_is_described_by_its_length_and_its_numbers():
    assert task_features("Add 1,200 and 3.5.\n\nThen halve it.") == {
        "task_words": 7,
        "task_numbers": 2,
        "task_lines": 2,
    }
    assert task_features("") == {"task_words": 0, "task_numbers": 0, "task_lines": 0}


def test_steps_say_which_tools_were_called_and_whether_the_guard_acted():
    steps = [
        {"action": "plan", "is_error": False, "metadata": {}},
        {"action": "search", "is_error": True, "metadata": {"guard": "nudge"}},
        {"action": "calculate", "is_error": False, "metadata": {}},
        {"action": "invalid", "is_error": True, "metadata": {}},
        {"action": "final_answer", "is_error": False, "metadata": {}},
    ]
    assert run_features({"stop": "answer", "steps": steps, "usage": {"react": {}}}) == {
        "stop": "answer",
        "steps": 5,
        "errors": 2,
        "planned": True,
        "looped": True,
        "tool:calculate": True,
        "tool:search": True,
    }


def test_of_a_graph_of_another_kind_the_messages_say_it():
    said = [
        SimpleNamespace(type="ai", tool_calls=[{"name": "lookup"}, {"name": "lookup"}]),
        SimpleNamespace(type="tool", status="error"),
        SimpleNamespace(type="tool", status="success"),
        SimpleNamespace(type="ai", tool_calls=[]),
    ]
    assert run_features({}, said) == {"steps": 2, "errors": 1, "tool:lookup": True}
    assert run_features({}, []) == {}


def test_rounds_replans_and_agents_count_where_a_graph_tells_them():
    output = {"stop": "decided", "rounds": 2, "replans": True, "usage": {"ann": {}, "bob": {}}}
    assert run_features(output) == {"stop": "decided", "agents": 2, "rounds": 2}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"a": [1]}, "'a': \\[1\\]"),
        ({"a": float("nan")}, "'a': nan"),
        ({"a": float("inf")}, "'a': inf"),
        ({"": 1}, "'': 1"),
        ({"rows": 2**70}, "2\\*\\*53"),
        ({f"f{i}": 1 for i in range(201)}, "201 features"),
        (["a"], "\\['a'\\]"),
    ],
)
def test_features_that_cannot_be_read_are_refused_by_name(given, said):
    with pytest.raises(ConfigError, match=said):
        checked_features(given, "The input")


def test_features_are_cleaned_and_cut():
    assert checked_features({"kind\x00": "x" * 200, "rows": -(2**53)}, "The input") == {
        "kind": "x" * 80,
        "rows": -(2**53),
    }


def test_features_of_the_command_line_are_texts_numbers_and_truths():
    assert features_in(["domain = finance", "rows=12", "share=0.5", "draft=false", "id=1e400"]) == {
        "domain": "finance",
        "rows": 12,
        "share": 0.5,
        "draft": False,
        "id": "1e400",
    }
    with pytest.raises(ConfigError, match="'domain'"):
        features_in(["domain"])


@pytest.mark.parametrize(
    ("wanted", "answer", "there"),
    [
        ("391", "It is 391.", True),
        ("391", "It is 3910.", False),
        ("391", "It is 0.391.", False),
        ("-3", "minus three, so -3", True),
        ("2.50", "2.5 euros", True),
        ("1200", "1,200", True),
        ("Bern", "BERN", True),
        ("Bern", "Zurich", False),
        ("Bern", "Berner Platte", False),
        ("no", "I do not know.", False),
        ("no", "No.", True),
        ("42", "42km", True),
        ("-3", "\N{MINUS SIGN}3", True),
        ("true", "It is true", True),
        ("5", "", False),
    ],
)
def test_an_answer_has_a_number_by_its_value_and_words_without_their_case(wanted, answer, there):
    assert has_answer(wanted, "any task", {"answer": answer}) is there


def test_a_plan_anywhere_in_a_run_counts_as_planned():
    steps = [{"action": "search"}, {"action": "plan"}]
    assert run_features({"steps": steps})["planned"] is True
    assert run_features({"steps": steps[:1]})["planned"] is False


def test_a_run_of_more_tools_than_can_be_kept_is_cut():
    steps = [{"action": f"tool{number}"} for number in range(2 * MOST_FEATURES)]
    assert len(run_features({"steps": steps})) == MOST_FEATURES


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Count every box twice. There are 391.", ". There are 391."),
        ('- "COUNT every\nbox, twice" and more', '- "" and more'),
        ("Plan\nThe airplane costs 391 euros.", "Plan\nThe airplane costs 391 euros."),
        ("Use the tool.", "Use the tool."),
    ],
)
def test_what_was_told_is_left_out_of_what_is_remembered(text, left):
    assert without(text, ["Count every box twice.", "Plan"]) == left
