"""Plans as files: what is read again is the same plan, and a file that was edited by hand cannot lie."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.domain_files import Problem, read_problem
from langgraph_agora.nodes.planning.plan_files import plan_from_json, plan_to_json
from langgraph_agora.nodes.planning.search import Limits, find_plan, root_network
from langgraph_agora.nodes.planning.verifying import verify
from tests.nodes.planning.random_domains import random_case
from tests.nodes.planning.test_search import CASES, plan_of

PROBLEM = read_problem(json.dumps(CASES["bt1_budget"]))
PLAN = plan_of(CASES["bt1_budget"])
DATA = json.loads(json.dumps(plan_to_json(PLAN)))


def test_a_plan_that_is_read_again_is_the_same():
    for seed in range(300):
        case = random_case(random.Random(seed))
        plan, problem = plan_of(case, limits=Limits(1_000)), read_problem(json.dumps(case))
        if plan.found:
            again = plan_from_json(json.loads(json.dumps(plan_to_json(plan))), problem)
            assert (again.nodes, again.root, again.order) == (plan.nodes, plan.root, plan.order)
            assert again.final_state == plan.final_state


def test_the_file_tells_what_people_and_programs_ask_for():
    assert DATA["steps"] == ["buy_train", "ride", "pay_hotel"]
    assert DATA["nodes"][1] == {"id": 2, "task": ["buy_train"], "key": "s1", "parent": 1, "method": ""}
    assert DATA["order"] == {"2": [], "3": [2], "4": [2, 3]}
    assert (DATA["success_probability"], DATA["makespan"], DATA["duration"], DATA["cost"]) == (0.8, 3, 3, 0)


def test_the_tree_alone_is_enough():
    assert plan_from_json({"nodes": DATA["nodes"]}, PROBLEM).names == PLAN.names


def test_a_plan_of_python_functions_is_read_with_its_domain():
    domain = Domain(
        [Operator("at", run=lambda state, place: {**state, "at": place})],
        [Method("m", "go", run=lambda state, *places: [("at", place) for place in places])],
    )
    problem = Problem(domain, {"at": None}, root_network([("go", (0, -1), (0, -2))]))
    plan = find_plan(domain, problem.init, problem.root.tasks)
    again = plan_from_json(json.loads(json.dumps(plan_to_json(plan))), problem)
    assert (again.nodes, again.final_state) == (plan.nodes, {"at": (0, -2)})


def node(number, **changes):
    """The file with something else in one task."""
    return {"nodes": [{**one, **changes} if place == number else one for place, one in enumerate(DATA["nodes"])]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**DATA, "success_probability": 1.0}, "success_probability is 1.0 in the file; of its tasks it is 0.8"),
        ({**DATA, "success_probability": "high"}, "success_probability is 'high' in the file"),
        ({**DATA, "makespan": float("nan")}, "makespan is nan in the file"),
        ({**DATA, "cost": True}, "cost is True in the file"),
        ({**DATA, "steps": ["buy_train", "ride"]}, "steps are ['buy_train', 'ride'] in the file"),
        ({**DATA, "order": {"2": [], "3": [], "4": []}}, "order is {'2': [], '3': [], '4': []} in the file"),
        ({**DATA, "root": {"subtasks": [], "order": "total"}}, "and the problem asks for"),
        (node(0, method="by_plane"), "has the subtask s1: buy_flight, not buy_train. (1 more"),
        (node(1, task=["buy_flight"]), "has the subtask s1: buy_train, not buy_flight"),
        (node(3, task=["sleep"]), "there is no task 'sleep'"),
        (node(2, parent=0), "no plan for the problem"),
        (node(2, id="3"), "nodes[2].id: it was '3'; give a whole number"),
        (node(2, id=True), "nodes[2].id: it was True"),
        (node(2, task="ride"), "nodes[2].task: it was 'ride'; give a list"),
        (node(2, task=[]), "nodes[2].task: it was []"),
        (node(2, task=[{}]), "nodes[2].task: it was [{}]"),
        (node(2, task=["ride", {}]), "'ride' takes 0 arguments"),
        (node(2, method=None), "nodes[2].method: it was None; give a text"),
        ({"nodes": DATA["nodes"][::-1]}, "does not stand before it"),
        ({"nodes": DATA["nodes"][:-1]}, "the root has the subtask r2: pay_hotel, which is missing"),
        ({"nodes": [1]}, "nodes[0]: give an object"),
        ({"nodes": {}}, "a plan file is an object with \"nodes\""),
        ([], "a plan file is an object"),
        (None, "a plan file is an object"),
    ],
)  # fmt: skip
def test_a_file_that_lies_is_refused_in_one_line(data, message):
    with pytest.raises(ConfigError) as caught:
        plan_from_json(data, PROBLEM)
    assert message.lower() in str(caught.value).lower()
    assert "\n" not in str(caught.value)


def test_what_is_no_plan_is_not_written():
    with pytest.raises(ConfigError, match="no plan to be written"):
        plan_to_json(plan_of(CASES["bt6_leak_unsound"]))


scalars = (
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.sampled_from(["go", "ride", "s1", "by_train", ""])
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=2)
)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.sampled_from(list(DATA)), st.integers(0, 3), st.sampled_from(list(DATA["nodes"][0])), anything)
def test_whatever_is_written_into_a_file_what_is_read_is_a_plan(key, place, field, value):
    for data in ({**DATA, key: value}, {**DATA, **node(place, **{field: value})}):
        try:
            plan = plan_from_json(data, PROBLEM)
        except ConfigError:
            continue
        assert verify(plan) == []
        assert plan.names == PLAN.names
