"""The planning problems of the benchmarks: every form of a problem has a plan, and the checks reject what is none."""

import importlib.util
import sys
from pathlib import Path

import pytest

from langgraph_agora.nodes.planning.search import Limits, find_plan

PATH = Path(__file__).parent.parent / "bench" / "planning_domains.py"


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # Dataclasses look their module up.
    spec.loader.exec_module(module)
    return module


domains = loaded(PATH)


def solved(stated):
    plan = find_plan(stated.domain, stated.state, stated.tasks, limits=Limits(nodes=None, seconds=None))
    return [step.task for step in plan.steps if step.task[0] != "finish"]


@pytest.mark.parametrize(
    ("make", "size"),
    [*[(domains.blocks, size) for size in range(4, 16)], (domains.deep, 40), (domains.backtracking, 5)],
)
def test_functions_and_data_describe_the_same_problem(make, size):
    problem = make(size)
    functions, data = solved(problem.functions), solved(problem.data)
    problem.check(functions)
    problem.check(data)
    assert len(functions) == len(data)


@pytest.mark.parametrize("seed", range(20))
def test_towers_hold_every_block_once_and_end_on_the_table(seed):
    on = domains.towers(9, domains.random.Random(seed))
    assert len(on) == 9
    below = [one for one in on.values() if one != "table"]
    assert len(set(below)) == len(below)
    for block in on:
        for _ in range(9):
            block = on.get(block, "table")
        assert block == "table"


def test_a_block_under_another_cannot_be_moved():
    start = {"a": "table", "b": "a"}
    assert domains.moved(start, [("unstack", "b", "a"), ("putdown", "b")]) == {"a": "table", "b": "table"}
    covered, in_the_hand = [("pickup", "a"), ("putdown", "a")], [("unstack", "b", "a")]
    for actions in (covered, in_the_hand, [("unstack", "b", "table"), ("putdown", "b")], [("putdown", "b")]):
        with pytest.raises(AssertionError):
            domains.moved(start, actions)


@pytest.mark.parametrize("size", range(4, 16))
def test_blocks_end_in_the_same_state_as_functions_and_as_data(size):
    problem = domains.blocks(size)
    one, other = (
        find_plan(stated.domain, stated.state, stated.tasks).final_state for stated in (problem.functions, problem.data)
    )
    for block in one["pos"]:
        assert one["pos"][block] == other[f"pos({block})"]
        assert one["clear"][block] is other.get(f"clear({block})", False)
        assert other[f"done({block})"]


def test_a_block_on_one_that_has_to_move_is_not_done():
    goal = {"a": "b", "b": "table", "c": "a"}
    assert domains.is_done("b", {"a": "table", "b": "table", "c": "a"}, goal)
    assert not domains.is_done("c", {"a": "table", "b": "table", "c": "a"}, goal)


@pytest.mark.parametrize("form", ["functions", "data"])
def test_the_search_backtracks_through_every_leaf(form):
    stated = getattr(domains.backtracking(6), form)
    assert find_plan(stated.domain, stated.state, stated.tasks).searched > 2**6


def test_a_chain_of_twenty_thousand_tasks_is_no_problem_for_the_stack():
    problem = domains.deep(20_000)
    problem.check(solved(problem.functions))
