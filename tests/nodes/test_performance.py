"""The numbers of a run, on traces whose numbers can be counted by hand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langgraph_agora.nodes.performance import performance


def row(subtask, agent, started, ended, outcome="done", after=()):
    times = {"started": started, "ended": ended}
    return {"subtask": subtask, "after": list(after), "agent": agent, **times, "outcome": outcome}


DIAMOND = [
    row("1", "ann", 0.0, 2.0),
    row("2", "ann", 2.0, 6.0, after=["1"]),
    row("3", "bob", 2.0, 3.0, after=["1"]),
    row("4", "bob", 6.0, 7.0, after=["2", "3"]),
]


def test_a_diamond_of_four_subtasks():
    found = performance(DIAMOND)
    assert (found.makespan, found.critical_path, found.critical_ids) == (7.0, 7.0, ("1", "2", "4"))
    assert found.parallelism == pytest.approx(8 / 7)
    assert (found.success_rate, found.reassignments) == (1.0, 0)
    assert found.agents == {
        "ann": {"done": 2, "failed": 0, "seconds": 6.0, "busy": round(6 / 7, 6)},
        "bob": {"done": 2, "failed": 0, "seconds": 2.0, "busy": round(2 / 7, 6)},
    }


def test_with_too_few_agents_the_makespan_is_longer_than_the_critical_path():
    found = performance([row("1", "ann", 0.0, 3.0), row("2", "ann", 3.0, 5.0)])
    assert (found.makespan, found.critical_path, found.critical_ids, found.parallelism) == (5.0, 3.0, ("1",), 1.0)


def test_failed_attempts_count_as_work_as_moves_and_on_the_critical_path():
    trace = [row("1", "ann", 0.0, 1.0, "late"), row("1", "bob", 1.5, 4.0), row("2", "bob", 4.0, 5.0, "failed", ["1"])]
    found = performance(trace)
    assert (found.makespan, found.critical_path, found.critical_ids) == (5.0, 4.5, ("1", "2"))
    assert (found.reassignments, found.success_rate) == (1, 0.5)
    assert found.agents["ann"] == {"done": 0, "failed": 1, "seconds": 1.0, "busy": 0.2}
    assert (found.agents["bob"]["done"], found.agents["bob"]["failed"]) == (1, 1)


def test_what_was_never_begun_counts_against_success_and_nothing_else():
    trace = [row("1", "ann", 0.0, 1.0, "failed"), row("2", None, 9.0, 9.0, "skipped", ["1"])]
    found = performance(trace)
    assert (found.makespan, found.success_rate, found.reassignments, set(found.agents)) == (1.0, 0.0, 0, {"ann"})


def test_what_only_puts_others_together_does_not_count_as_a_success():
    trace = [
        row("1.1", "ann", 0.0, 1.0),
        row("1.2", "ann", 1.0, 2.0, "late"),
        row("1", "boss", 2.0, 3.0, after=["1.1", "1.2"]),
    ]
    assert (performance(trace, ["1"]).success_rate, performance(trace).success_rate) == (0.5, 0.666667)
    assert performance(trace, ["1"]).agents["boss"]["done"] == 1


def test_an_agent_with_two_subtasks_at_once_is_busy_once():
    found = performance([row("1", "ann", 0.0, 4.0), row("2", "ann", 1.0, 3.0), row("3", "ann", 8.0, 10.0)])
    assert found.agents["ann"] == {"done": 3, "failed": 0, "seconds": 8.0, "busy": 0.6}
    assert found.parallelism == 0.8


def test_the_clock_may_begin_anywhere():
    later = [{**one, "started": one["started"] + 100, "ended": one["ended"] + 100} for one in DIAMOND]
    assert performance(later) == performance(DIAMOND)


def test_nothing_and_an_instant_are_no_division_by_zero():
    assert performance([]).to_dict() == {
        "makespan": 0.0, "critical_path": {"seconds": 0.0, "ids": []}, "parallelism": 0.0, "success_rate": 0.0,
        "reassignments": 0, "agents": {},
    }  # fmt: skip
    assert performance([row("1", "ann", 5.0, 5.0)]).agents["ann"]["busy"] == 0.0


def test_a_trace_whose_subtasks_wait_for_each_other_ends_too():
    assert performance([row("1", "ann", 0, 1, after=["2"]), row("2", "ann", 0, 1, after=["1"])]).critical_path == 0.0


@st.composite
def traces(draw):
    rows, ended = [], {}
    for number in range(draw(st.integers(1, 8))):
        after = sorted(draw(st.sets(st.sampled_from(sorted(ended))))) if ended else []
        start = max((ended[other] for other in after), default=0.0)
        for outcome in [*draw(st.lists(st.just("failed"), max_size=2)), draw(st.sampled_from(["done", "failed"]))]:
            start += draw(st.integers(0, 3))
            end = start + draw(st.integers(0, 5))
            rows.append(
                row(str(number), draw(st.sampled_from(["ann", "bob"])), float(start), float(end), outcome, after)
            )
            start = end
        ended[str(number)] = start
    return draw(st.permutations(rows))


@given(traces())
def test_whatever_happened_the_numbers_fit_together(trace):
    found = performance(trace)
    work = sum(one["ended"] - one["started"] for one in trace)
    assert found.critical_path <= found.makespan + 1e-9
    assert found.critical_path <= work + 1e-9
    assert found.parallelism * found.makespan == pytest.approx(work if found.makespan else 0.0, abs=1e-4)
    assert sum(one["done"] + one["failed"] for one in found.agents.values()) == len(trace)
    assert all(0 <= one["busy"] <= 1 for one in found.agents.values())
    assert sum(one["seconds"] for one in found.agents.values()) == pytest.approx(work)
    assert 0 <= found.success_rate <= 1
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


@given(traces(), st.randoms())
def test_the_order_of_the_rows_changes_nothing(trace, rng):
    shuffled = list(trace)
    rng.shuffle(shuffled)
    assert performance(shuffled) == performance(trace)
