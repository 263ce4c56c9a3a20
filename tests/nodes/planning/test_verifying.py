"""Judging plans: every way to spoil one is noticed, and two judges that were written apart agree."""

import json
import random

import pytest

from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.domain_files import read_problem
from langgraph_agora.nodes.planning.plan import Plan
from langgraph_agora.nodes.planning.search import Limits, find_plan
from langgraph_agora.nodes.planning.terms import read_condition
from langgraph_agora.nodes.planning.verifying import verify
from tests.nodes.planning.random_domains import random_case
from tests.nodes.planning.test_search import CASES, plan_of
from tests.nodes.planning.verifier import faults


def with_nodes(plan, nodes):
    return Plan(plan.domain, plan.start, nodes=tuple(nodes), root=plan.root)


def changed(plan, id_, **changes):
    return with_nodes(plan, [node._replace(**changes) if node.id == id_ else node for node in plan.nodes])


BUDGET = plan_of(CASES["bt1_budget"])  # 1 go by_train (2 buy_train, 3 ride), 4 pay_hotel


def sorted_as(*places):
    return with_nodes(BUDGET, [BUDGET.nodes[place] for place in places])


def from_state(start):
    return Plan(BUDGET.domain, start, nodes=BUDGET.nodes, root=BUDGET.root)


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (
            changed(BUDGET, 1, method="by_plane"),
            "task 1, go: its method 'by_plane' has the subtask s1: buy_flight, not buy_train",
        ),
        (changed(BUDGET, 1, method="by_boat"), "task 1, go: it has no method 'by_boat'"),
        (changed(BUDGET, 1, method=""), "parent, 1, is a step, which has no subtasks"),
        (changed(BUDGET, 2, task=("swim",)), "there is no task 'swim'"),
        (changed(BUDGET, 2, task=("buy_train", "x")), "takes 0 arguments"),
        (changed(BUDGET, 2, key="s9"), "has the subtask s1: buy_train, which is missing"),
        (changed(BUDGET, 3, key="s1"), "has one subtask s1, not two"),
        (changed(BUDGET, 3, parent=0), "the root has no subtask s2: ride"),
        (changed(BUDGET, 3, parent=9), "its parent, 9, does not stand before it"),
        (changed(BUDGET, 3, id=2), "its id is used twice"),
        (with_nodes(BUDGET, BUDGET.nodes[:-1]), "the root has the subtask r2: pay_hotel, which is missing"),
        (
            with_nodes(BUDGET, [BUDGET.nodes[i] for i in (0, 2, 1, 3)]),
            "wants s1: buy_train finished before s2: ride begins",
        ),
        (
            with_nodes(BUDGET, [BUDGET.nodes[i] for i in (3, 0, 1, 2)]),
            "wants r1: go finished before r2: pay_hotel begins",
        ),
        (sorted_as(1, 0, 2, 3), "its parent, 1, does not stand before it"),
        (
            Plan(BUDGET.domain, {"budget": 100}, nodes=BUDGET.nodes, root=BUDGET.root),
            "pay_hotel: it cannot be carried out: budget >= 150",
        ),
        (from_state({}), "budget >= 80 does not hold"),
    ],
)
def test_a_plan_that_was_spoilt_is_noticed_and_the_place_is_named(spoilt, message):
    assert verify(BUDGET) == []
    assert any(message in fault for fault in verify(spoilt)), verify(spoilt)


def test_a_method_that_cannot_be_used_there_is_noticed():
    plan = plan_of(CASES["bt5_state_leak"])
    again = Plan(plan.domain, {"seen": True, "ready": False}, nodes=plan.nodes, root=plan.root)
    assert "its method 'direct' cannot be used: seen == False does not hold." in verify(again)[0]


def test_free_parameters_that_no_step_tells_must_have_a_value():
    drive = Method("m", "go", ["?o", ("?t", "truck")], [("at(?t)", "==", "home")], [("s", ("load", "?o"))], arity=1)
    domain = Domain([Operator("load", ["?o"])], [drive], objects={"truck": ["t1", "t2"]})
    plan = find_plan(domain, {"at(t2)": "home"}, [("go", "o1")])
    assert verify(plan) == []
    gone = Plan(domain, {"at(t2)": "away"}, nodes=plan.nodes, root=plan.root)
    assert verify(gone) == ["task 1, go(o1): its method 'm' cannot be used: no objects fit."]


def test_a_parameter_is_of_its_type():
    domain = Domain(
        [Operator("load", ["?t"])],
        [Method("m", "go", [("?t", "truck")], [], [("s", ("load", "?t"))], arity=0)],
        objects={"truck": ["t1"], "ship": ["s1"]},
    )
    plan = find_plan(domain, {}, ["go"])
    assert verify(plan) == []
    assert verify(changed(plan, 2, task=("load", "s1"))) == [
        "task 1, go: its method 'm' cannot be used: no objects fit."
    ]


def test_a_goal_that_a_method_promised_is_tested():
    goals = {"ship": ((("?o", ""),), (read_condition(("shipped(?o)", "==", True), "goal"),))}
    ops = [Operator("send", ["?o"], eff=[("shipped(?o)", "=", True)]), Operator("pick", ["?o"])]
    good = Method("good", "ship", ["?o"], [], [("s", ("send", "?o"))], verify=True)
    bad = Method("bad", "ship", ["?o"], [], [("s", ("pick", "?o"))], verify=True)
    domain = Domain(ops, [good, bad], goals=goals)
    plan = find_plan(domain, {}, [("ship", "o1")])
    assert (plan.names, verify(plan)) == (["send"], [])
    spoilt = with_nodes(plan, [plan.nodes[0]._replace(method="bad"), plan.nodes[1]._replace(task=("pick", "o1"))])
    assert verify(spoilt) == ["task 1, ship(o1): when it is done, its goal shipped(o1) == True does not hold."]


def test_python_functions_are_called_again():
    domain = Domain(
        [Operator("tick", run=lambda state: {"k": state["k"] + 1})],
        [Method("m", "count", run=lambda state, n: ["tick", ("count", n - 1)] if n else [])],
    )
    plan = find_plan(domain, {"k": 0}, [("count", 2)])
    assert verify(plan) == []
    assert "has the subtask 1: count(1), not count(2)" in verify(changed(plan, 3, task=("count", 2)))[0]


def test_what_is_no_plan_is_called_so():
    [fault] = verify(plan_of(CASES["bt6_leak_unsound"]))
    assert fault.startswith("There is no plan: ")


def spoil(rng, case, nodes):
    """Change one thing about a plan, which may or may not make it wrong."""
    nodes, place = list(nodes), rng.randrange(len(nodes))
    node, kind = nodes[place], rng.randrange(6)
    if kind == 0:
        other = rng.randrange(len(nodes))
        nodes[place], nodes[other] = nodes[other], node
    elif kind == 1 and node.method:
        given = case["compounds"][node.task[0]]
        ids = [one["id"] for one in (given["methods"] if isinstance(given, dict) else given)]
        nodes[place] = node._replace(method=rng.choice(ids))
    elif kind == 2:
        tasks = [other.task for other in nodes if bool(other.method) == bool(node.method)]
        nodes[place] = node._replace(task=rng.choice(tasks))
    elif kind == 3:
        del nodes[place]
    elif kind == 4:
        nodes[place] = node._replace(parent=rng.choice([0, *[one.id for one in nodes if one.method]]))
    else:
        nodes.insert(rng.randrange(len(nodes)), nodes.pop(place))
    return nodes


def test_two_judges_that_were_written_apart_agree_on_spoilt_plans():
    right = wrong = 0
    for seed in range(400):
        rng = random.Random(seed)
        case = random_case(rng)
        problem = read_problem(json.dumps(case))
        plan = plan_of(case, limits=Limits(1_000))
        if not plan.nodes or len(plan.nodes) > 60:
            continue
        for _ in range(8):
            nodes = spoil(rng, case, plan.nodes)
            mine = verify(Plan(problem.domain, plan.start, nodes=tuple(nodes), root=problem.root))
            theirs = faults(case, nodes)
            assert bool(mine) == bool(theirs), (seed, mine, theirs)
            right, wrong = right + (not mine), wrong + bool(mine)
    assert right > 100
    assert wrong > 500
