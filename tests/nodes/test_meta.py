"""How good was the run? A hand-made score with issues and advice, and the laws it must keep."""

import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.nodes.meta import judge
from tests.traces import READ, STEPS, step

NEW = [step("read", {"file": f"f{i}.py"}, f"text {i}", confidence=0.5 + i / 20) for i in range(6)]


def issues(trace, **declared):
    return " ".join(judge(trace, **declared).issues)


def test_a_run_of_new_information_has_nothing_to_mend():
    quality = judge([*NEW, step("final_answer", "done", "done")])
    assert quality == judge(NEW)
    assert (quality.score, quality.issues, quality.recommendations, quality.heuristic) == (1.0, (), (), True)


def test_a_final_answer_is_never_stale():
    assert judge([*NEW, step("final_answer", "done", "done"), step("final_answer", "done", "done")]).score == 1


def test_answering_at_once_is_no_issue():
    assert judge([step("final_answer", {"answer": "4"}, "4")], tools=["search"]).issues == ()


def test_no_steps_score_nothing_and_say_so():
    quality = judge([])
    assert quality.score == 0.0
    assert "no steps" in quality.issues[0]


def test_a_judgement_is_plain_json():
    told = judge([READ, READ, READ]).to_dict()
    assert json.loads(json.dumps(told)) == told
    assert set(told) == {"score", "issues", "recommendations", "heuristic"}


def test_going_round_in_circles_is_named():
    assert "2 of 3 steps repeated" in issues([READ, READ, READ])
    assert "repeated" not in issues([READ, READ])


def test_each_step_counts_by_what_it_brought():
    error = step("read", {"file": "z"}, "Error: no z", error=True)
    missing = step("hex", 1, "Error: unknown tool hex", error=True)
    think = [step("reason", n, f"idea {n}", thought=f"Thought number {n}") for n in range(3)]
    assert judge([*NEW[:3], READ]).score == 1
    assert judge([*NEW[:3], error]).score == (3 + 0.25) / 4
    assert judge([*NEW[:3], missing]).score == 3 / 4
    assert judge(think).score == (1 + 1 + 0.5) / 3
    assert (
        judge([step("reason", q, "", thought="It depends on the rate.") for q in ("", "rate", "depends")]).score
        == 2 / 3
    )


def test_a_bad_choice_of_actions_is_named():
    errors = [step("read", {"file": f"z{n}"}, f"Error: no z{n}", error=True) for n in range(3)]
    assert "3 of 5 actions ended in an error" in issues([*NEW[:2], *errors])
    assert "error" not in issues([*NEW, errors[0]])
    assert "do not exist: hex" in issues([step("hex", 1, "Error: unknown tool hex", error=True)])
    assert "do not exist: hex" in issues([step("hex", 1, "?")], tools=["read"])
    think = [step("reason", n, f"idea {n}", thought=f"Thought number {n}") for n in range(3)]
    assert "without acting" in issues(think)
    assert "without acting" not in issues([*think[:2], READ, think[2]])


def with_confidence(*values, failed=()):
    return [
        step("read", i, f"text {i}" if i not in failed else f"Error: {i}", error=i in failed, confidence=value)
        for i, value in enumerate(values)
    ]


def test_patterns_of_the_stated_confidence_are_named():
    assert "fell" in issues(with_confidence(0.9, 0.8, 0.5, 0.4))
    assert "fell" not in issues(with_confidence(0.4, 0.5, 0.8, 0.9))
    assert "no lower on the steps that failed" in issues(with_confidence(0.5, 0.6, 0.9, 0.7, failed=[2]))
    assert "no lower on the steps that failed" not in issues(with_confidence(0.8, 0.9, 0.3, 0.9, failed=[2]))
    assert "uninformative" in issues(with_confidence(0.9, 0.8, 0.9, 0.8, 0.9, 0.8))
    assert "uninformative" not in issues(with_confidence(0.9, 0.8, 0.9, 0.8, 0.9))
    assert "uninformative" not in issues(with_confidence(0.9, 0.8, 0.9, 0.8, 0.9, 0.7))


def test_a_missing_confidence_is_left_out_and_never_replaced():
    assert "Confidence" not in issues(with_confidence(0.9, None, None, None, None, 0.9))
    assert "Confidence" not in issues(with_confidence(0.9, None, float("nan"), "high", True, 10**400, 0.1))
    assert "Confidence" not in issues(with_confidence(True, True, 0.5, 0.4))
    assert "fell" in issues(with_confidence(0.9, None, 0.9, None, 0.2, 0.2))


def test_declared_polling_neither_lowers_nor_raises_the_score():
    polls = [step("job_status", {}, "running")] * 6
    run = [*NEW, NEW[0]]
    assert judge([*run, *polls], polling=["job_status"]).score == judge(run).score
    assert judge([*run, *polls]).score < judge(run).score


# Laws for any steps.


@settings(derandomize=True, deadline=None)
@given(STEPS)
def test_any_steps_are_judged_without_an_exception(steps):
    quality = judge(steps)
    json.dumps(quality.to_dict())
    assert 0 <= quality.score <= 1
    assert len(quality.issues) == len(quality.recommendations)


@settings(derandomize=True, deadline=None)
@given(STEPS)
def test_repeating_the_last_tool_call_never_raises_the_score(steps):
    used = [one for one in steps if one.get("action") not in ("reason", "plan", "final_answer")]
    if used:
        assert judge([*steps, copy.deepcopy(used[-1])]).score <= judge(steps).score


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.integers(1, 10), st.data())
def test_a_stale_tail_scores_below_the_run_without_it(length, data):
    run = [step("read", {"file": f"f{i}.py"}, f"text {i}") for i in range(length)]
    tail = data.draw(st.lists(st.sampled_from(run), min_size=1, max_size=6))
    assert judge([*run, *tail]).score < judge(run).score
