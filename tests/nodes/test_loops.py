"""Is the agent going round in circles?

`tests/data/loops.json` holds 24 traces: 12 must raise the alarm first within the stated steps, 12 must never raise it.
"""

import copy
import dataclasses
import json
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings

from langgraph_agora.nodes.meta import find_loop, same_call
from tests.traces import READ, STEPS, alarms, cycle, first, step

DATA = json.loads((Path(__file__).parents[1] / "data" / "loops.json").read_text())
CASES = DATA["cases"]
FIRE = [case for case in CASES if case["label"] == "fire"]
QUIET = [case for case in CASES if case["label"] == "quiet"]
TOOLS = DATA["meta"]["tools"]


def by_id(cases):
    return pytest.mark.parametrize("case", cases, ids=[case["id"] for case in cases])


# The traces.


@pytest.mark.parametrize("tools", [(), TOOLS], ids=["tools unknown", "tools given"])
@by_id(FIRE)
def test_a_loop_is_found_in_time_and_named(case, tools):
    number, pattern = first(case["trace"], tools=tools, **case["config"])
    assert case["expect"]["first_fire_min"] <= number <= case["expect"]["first_fire_max"]
    assert pattern == case["expect"]["pattern"]


@pytest.mark.parametrize("tools", [(), TOOLS], ids=["tools unknown", "tools given"])
@by_id(QUIET)
def test_work_that_only_looks_repetitive_is_left_alone(case, tools):
    assert not alarms(case["trace"], tools=tools, **case["config"])


@by_id(FIRE)
def test_one_novel_step_clears_the_alarm(case):
    novel = step("search", {"query": "a fresh idea 77"}, "Something new.", thought="Try something else.")
    assert find_loop(case["trace"])
    assert find_loop([*case["trace"], novel]) is None
    assert find_loop([*case["trace"], step("final_answer", {"answer": "unknown"}, "unknown")]) is None


def shuffled(value, rng):
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        return {key: shuffled(inner, rng) for key, inner in items}
    return [shuffled(inner, rng) for inner in value] if isinstance(value, list) else value


def keys_shuffled(trace):
    rng = random.Random(5)
    return [shuffled(one, rng) for one in trace]


def stamped(trace):
    return [
        {**one, "observation": f"[2026-11-{i + 1:02d} 09:{i:02d}:17] {one['observation']}"}
        for i, one in enumerate(trace)
    ]


def input_as_text(trace):
    return [{**one, "input": json.dumps(one["input"])} for one in trace]


def shouted(trace):
    return [{**one, "input": json.loads(json.dumps(one["input"]).upper().replace("\\N", "\\n"))} for one in trace]


def tools_renamed(trace):
    text = json.dumps(trace)
    for old, new in [("search", "lookup"), ("calculate", "abacus"), ("execute", "perform"), ('hex"', 'oct2"')]:
        text = text.replace(f'"action": "{old}', f'"action": "{new}')
    return json.loads(text)


@pytest.mark.parametrize("change", [keys_shuffled, stamped, input_as_text, shouted, tools_renamed])
@by_id(CASES)
def test_the_verdict_does_not_depend_on_form(case, change):
    assert first(change(case["trace"])) == first(case["trace"])


# What the host declares.


def test_a_declared_poll_may_see_the_same_result_for_ever():
    poll = step("job_status", {"id": "j-17"}, "running")
    generic = step("execute", {"tool": "job_status", "id": "j-17"}, "running")
    assert first([poll] * 8) == first([generic] * 8) == (3, "repeat_action")
    assert not alarms([poll] * 8, polling=["job_status"])
    assert not alarms([generic] * 8, polling=["job_status"])
    assert not alarms([step("job_status", n, "Error: not ready", error=True) for n in range(8)], polling=["job_status"])
    assert first([READ, READ, READ], polling=["job_status"]) == (3, "repeat_action")


def test_a_tool_that_was_not_given_is_unknown_whatever_it_answers():
    hex_calls = [step("hex", n, "?") for n in (1, 2)]
    assert first(hex_calls, tools=["read"]) == (2, "unknown_tool")
    assert not alarms(hex_calls)
    assert not alarms(hex_calls, tools=["hex"])
    assert not alarms(hex_calls, tools=["read"], polling=["hex"])
    assert not alarms([step("plan", n, str(n)) for n in range(3)], tools=["read"])
    assert not alarms([step(None, n, str(n)) for n in range(3)], tools=["read"])


def test_the_error_of_a_given_tool_is_about_something_else_unless_the_tool_takes_names():
    inner = [step("execute", {"tool": "hex", "n": n}, "Error: unknown tool", error=True) for n in (1, 2)]
    assert first(inner, tools=["execute"]) == (2, "unknown_tool")
    assert not alarms([{**one, "input": n} for n, one in enumerate(inner)], tools=["execute"])


# What a loop tells.


def test_a_loop_tells_the_call_the_count_and_the_result():
    trace = [step("read", "other", "x", number=4), *({**READ, "number": n} for n in (5, 6, 7))]
    loop = find_loop(trace)
    assert (loop.first_step, loop.steps, loop.action) == (5, (5, 6, 7), "read")
    assert loop.evidence == 'read {"file": "a.py"} was called 3 times (steps 5, 6, 7) and the result stays: import b'
    assert json.loads(json.dumps(loop.to_dict())) == loop.to_dict()
    assert loop.to_dict()["steps"] == [5, 6, 7]
    with pytest.raises(dataclasses.FrozenInstanceError):
        loop.pattern = "none"


def test_a_cycle_lists_each_of_its_calls_with_its_result():
    loop = find_loop(cycle(2, 3))
    assert loop.steps == (1, 2, 3, 4, 5, 6)
    for part in ("2 calls", "f0.py", "text 0", "f1.py", "text 1"):
        assert part in loop.evidence


def test_the_evidence_stays_short_however_long_the_texts_are():
    loop = find_loop([step("write", {"text": "x " * 20_000}, "y " * 20_000)] * 3)
    assert len(loop.evidence) < 400


def test_a_long_loop_lists_its_latest_steps():
    assert find_loop([READ] * 12).steps == tuple(range(5, 13))


def test_steps_without_a_number_are_counted_from_one_even_in_a_long_trace():
    assert find_loop([*cycle(97, 1), READ, READ, READ]).steps == (98, 99, 100)


def test_a_call_is_recognised_by_the_measure_of_the_loop():
    call = step("search", {"query": "CEO of Initech"})
    assert same_call(call, step("search", {"query": "the Initech CEO?"}))
    assert same_call(call, step("search", {"q": "initech ceo"}))
    assert not same_call(call, step("browse", {"query": "CEO of Initech"}))
    assert not same_call(call, step("search", {"query": "CFO of Initech"}))


def test_only_the_last_forty_steps_count():
    assert find_loop([READ, *cycle(30, 1), READ, READ])
    assert find_loop([READ, *cycle(60, 1), READ, READ]) is None


# Any input, and its cost.


@settings(derandomize=True, deadline=None)
@given(STEPS)
def test_any_steps_are_judged_without_an_exception_and_left_as_they_were(steps):
    before = copy.deepcopy(steps)
    loop = find_loop(steps, tools=["search"], polling=["read"])
    json.dumps(loop and loop.to_dict())
    assert repr(steps) == repr(before)


@pytest.mark.parametrize("given", ["[" * 50_000, '{"a": ' * 50_000, '{"a": 1'])
def test_an_input_that_only_starts_like_json_is_a_text(given):
    assert first([step("read", given + end, "none") for end in ("", " ", "\n")]) == (3, "repeat_action")


LONG = "and then the committee looked at the proposal of the members for the second reading " * 3


@pytest.mark.parametrize(
    "trace",
    [
        [step("dump", {}, f"{'x' * 20_000}{i}") for i in range(200)],
        [step("dump", {}, f"{LONG * 80}{i}{LONG * 80}") for i in range(200)],
        [step("write", {"text": f"{LONG * 80}{i}"}, "ok") for i in range(200)],
        [step("dump", {}, [{"row": n, "seen": i} for n in range(800)]) for i in range(200)],
    ],
    ids=["letters", "prose", "input", "structured"],
)
def test_two_hundred_long_steps_cost_milliseconds(trace):
    start = time.process_time()
    assert find_loop(trace) is None
    assert time.process_time() - start < 0.5  # 4 ms at most where this was written
