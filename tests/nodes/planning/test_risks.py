"""Risks: numbers worked out by hand, and laws on random domains."""

import json
import math
import random

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.planning.contingencies import contingencies
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.domain_files import read_problem
from langgraph_agora.nodes.planning.risks import risks
from langgraph_agora.nodes.planning.search import Limits, find_plan
from tests.nodes.planning.random_domains import random_case
from tests.nodes.planning.test_contingencies import FETCHING, pairs, sets, way

CHAIN = Domain(
    [
        sets("write", "text", True, p=0.9, duration=3),
        sets("read", "known", True, ("text", "==", True), p=0.8),
        Operator("print", pre=[("text", "==", True)]),
        Operator("sleep"),
    ]
)


def test_the_success_of_a_plan_is_the_product_of_its_steps_and_methods():
    plan = find_plan(FETCHING, {"disk": "ok"}, ["fetch", "process"])
    assert risks(plan).success_probability == pytest.approx(0.9 * 0.9 * 0.95 * 0.95)


def test_the_weakest_come_first_and_what_is_certain_is_no_risk():
    found = risks(find_plan(CHAIN, {}, ["write", "read", "print", "sleep"]))
    assert [(one.task, one.p) for one in found.weakest] == [("read", 0.8), ("write", 0.9)]
    assert [one.gain for one in found.weakest] == pytest.approx([0.9 - 0.72, 0.8 - 0.72])
    assert [one.share for one in found.weakest] == pytest.approx([math.log(one) / math.log(0.72) for one in (0.8, 0.9)])


def test_tasks_are_judged_by_their_method_and_steps_by_their_operator():
    found = risks(find_plan(FETCHING, {"disk": "ok"}, ["fetch", "process"]))
    assert [(one.task, one.method, one.p, one.duration) for one in found.weakest] == [
        ("fetch", "primary", 0.9, 2),
        ("fetch_primary", "", 0.9, 2),
        ("process", "direct", 0.95, 3),
        ("parse", "", 0.95, 3),
    ]


def test_what_depends_on_a_step_cannot_be_carried_out_without_it():
    plan = find_plan(CHAIN, {}, ["write", "sleep", "read", "print"])
    found = {one.task: one for one in risks(plan).weakest}
    assert [str(plan.by_id[id_]) for id_ in found["write"].dependents] == ["read", "print"]
    assert found["read"].dependents == ()
    assert found["write"].duration == 3


def test_dependence_goes_on_through_what_becomes_impossible():
    domain = Domain([sets(f"s{i}", f"x{i + 1}", 1, *[(f"x{i}", "==", 1)] * bool(i), p=0.9 + i / 100) for i in range(4)])
    found = risks(find_plan(domain, {}, ["s0", "s1", "s2", "s3"]))
    assert [len(one.dependents) for one in found.weakest] == [3, 2, 1, 0]


def test_a_step_that_another_one_makes_up_for_has_no_dependents():
    domain = Domain([sets("a", "x", 1, p=0.5), sets("b", "x", 1), Operator("c", pre=[("x", "==", 1)])])
    assert risks(find_plan(domain, {}, ["a", "b", "c"])).weakest[0].dependents == ()


def test_steps_under_a_method_depend_on_what_its_conditions_need():
    domain = Domain(
        [sets("unlock", "open", True, p=0.5), Operator("enter"), Operator("sit")],
        [way("m", "visit", "enter", "sit", conditions=[("open", "==", True)])],
    )
    plan = find_plan(domain, {}, ["unlock", "visit"])
    assert [str(plan.by_id[id_]) for id_ in risks(plan).weakest[0].dependents] == ["enter", "sit"]


def test_a_task_takes_along_what_depends_on_its_steps_but_not_its_steps():
    domain = Domain(
        [sets("a", "x", 1), Operator("b", pre=[("x", "==", 1)]), Operator("c", pre=[("x", "==", 1)])],
        [way("m", "t", "a", "b", p=0.5)],
    )
    plan = find_plan(domain, {}, ["t", "c"])
    [one] = risks(plan).weakest
    assert (one.task, [str(plan.by_id[id_]) for id_ in one.dependents], one.duration) == ("t", ["c"], 2)


def test_the_impossible_carries_all_of_the_risk():
    domain = Domain([Operator("a", p=0), Operator("b", p=0.5), Operator("c", p=0)])
    found = {one.task: one for one in risks(find_plan(domain, {}, ["a", "b", "c"])).weakest}
    assert {task: one.share for task, one in found.items()} == {"a": 0.5, "b": 0, "c": 0.5}
    assert [found[task].gain for task in "abc"] == [0, 0, 0]
    only = risks(find_plan(domain, {}, ["a", "b"])).weakest
    assert [(one.task, one.gain) for one in only] == [("a", 0.5), ("b", 0)]


def test_contingencies_are_counted_and_their_time_is_told():
    plan = contingencies(find_plan(FETCHING, {"disk": "ok"}, ["fetch", "process"]))
    found = {one.task: one for one in risks(plan).weakest}
    assert {task: (one.contingency, one.extra_makespan) for task, one in found.items()} == {
        "fetch": (True, 4),
        "fetch_primary": (True, 4),
        "process": (True, 4),
        "parse": (True, 4),
    }
    bare = risks(find_plan(FETCHING, {"disk": "ok"}, ["fetch", "process"]))
    assert {(one.contingency, one.extra_makespan) for one in bare.weakest} == {(False, None)}
    assert bare.with_contingencies == pytest.approx(bare.success_probability)


def test_the_success_with_contingencies_sums_over_the_first_failure():
    plan = contingencies(find_plan(FETCHING, {"disk": "ok"}, ["fetch", "process"]))
    fetched, parsed = 0.9 * 0.9, 0.95 * 0.95
    mirrored, cleaned = 0.8 * 0.8, 0.9 * 0.95
    expected = fetched * parsed + (1 - fetched) * mirrored * parsed + fetched * (1 - parsed) * cleaned
    assert risks(plan).with_contingencies == pytest.approx(expected)


def test_the_methods_around_a_failure_stay_at_stake():
    domain = Domain(
        [Operator("a", p=0.9), Operator("b", p=0.8), Operator("c", p=0.7)],
        [way("whole", "job", "part", "c", p=0.6), way("one", "part", "a"), way("other", "part", "b", p=0.5)],
    )
    plan = contingencies(find_plan(domain, {}, ["job"]), below=0.95)
    assert [plan.by_id[one.step].task for one in plan.contingencies] == [("a",)]
    expected = 0.9 * 0.7 * 0.6 + 0.1 * (0.8 * 0.5) * 0.7 * 0.6
    assert risks(plan).with_contingencies == pytest.approx(expected)


def test_a_plan_without_risk_and_one_without_steps():
    found = risks(find_plan(CHAIN, {"text": True}, ["print", "sleep"]))
    assert (found.success_probability, found.with_contingencies, found.weakest) == (1, 1, ())
    empty = find_plan(Domain([Operator("a")], [way("m", "nothing", p=0.5)]), {}, ["nothing"])
    assert (risks(empty).with_contingencies, risks(empty).weakest[0].gain) == (0.5, 0.5)


def test_only_so_many_are_described_and_all_share_the_risk():
    plan = find_plan(CHAIN, {}, ["write", "read", "print"])
    assert risks(plan, at_most=1).weakest == risks(plan).weakest[:1]
    assert risks(plan, at_most=0).weakest == ()


def test_domains_of_python_functions_are_judged_by_carrying_them_out():
    domain = Domain(
        [
            Operator("fill", run=lambda state: {**state, "tank": 1}, p=0.9),
            Operator("drive", run=lambda state: state if state.get("tank") else None),
        ],
        [Method("m", "trip", run=lambda state: ["fill", "drive"])],
    )
    plan = find_plan(domain, {}, ["trip"])
    assert [str(plan.by_id[id_]) for id_ in risks(plan).weakest[0].dependents] == ["drive"]


def test_risks_are_plain_json():
    data = json.loads(json.dumps(risks(find_plan(CHAIN, {}, ["write", "read"])).to_dict()))
    assert data["weakest"][1]["dependents"] == [2]
    assert set(data) == {"success_probability", "with_contingencies", "weakest"}


def test_wrong_settings_and_missing_plans_are_refused():
    plan = find_plan(CHAIN, {}, ["sleep"])
    with pytest.raises(ConfigError, match="at_most was -1"):
        risks(plan, at_most=-1)
    with pytest.raises(ConfigError, match="no plan to look for risks in"):
        risks(find_plan(CHAIN, {}, ["print"]))


def test_laws_on_random_domains():
    judged = 0
    for seed in range(450):
        problem = read_problem(json.dumps(random_case(random.Random(seed))))
        root = problem.root
        order = "total" if root.after is None else pairs(root)
        plan = find_plan(problem.domain, problem.init, root.tasks, order=order, limits=Limits(500, None))
        if not plan:
            continue
        bare, found = risks(plan, at_most=1000), risks(contingencies(plan, nodes=1000), at_most=1000)
        weakest = bare.weakest
        assert [one.p for one in weakest] == sorted(one.p for one in weakest)
        assert [one.gain for one in weakest] == sorted((one.gain for one in weakest), reverse=True)
        assert math.prod(one.p for one in weakest) == pytest.approx(plan.success_probability)
        assert not weakest or sum(one.share for one in weakest) == pytest.approx(1)
        assert bare.success_probability - 1e-9 <= found.with_contingencies <= 1 + 1e-9
        for one in weakest:
            check_dependents(plan, one)
        judged += len(weakest)
    assert judged > 300


def check_dependents(plan, one):
    """Without a task and its dependents the rest can be carried out; with any of these, in its place, it cannot."""
    under = {step.id for step in plan.steps_under(one.id)}
    state = plan.start
    for step in plan.steps:
        if step.id not in under:
            after = plan.domain.operator[step.task[0]].apply(state, step.task[1:])
            if step.id in one.dependents:
                assert after is None or plan.by_id[step.id].parent
            else:
                assert after is not None
                state = after
