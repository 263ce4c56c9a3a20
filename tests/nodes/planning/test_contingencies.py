"""Contingencies: what is done instead, by example, and the law that it can be done where it would be needed."""

import json
import random
from collections import Counter

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.planning.contingencies import contingencies, contingency_of
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.domain_files import read_problem
from langgraph_agora.nodes.planning.search import Limits, find_plan
from langgraph_agora.nodes.planning.terms import read_condition
from tests.nodes.planning import verifier
from tests.nodes.planning.random_domains import random_case

SHAKY = {"p": 0.9}


def way(id_, task, *steps, **more):
    return Method(id_, task, subtasks=[(f"s{number}", one) for number, one in enumerate(steps, 1)], **more)


def sets(name, variable, value, *pre, **more):
    return Operator(name, pre=pre, eff=[(variable, "=", value)], **more)


def planned(domain, state, tasks, *, order="total", **more):
    return contingencies(find_plan(domain, state, tasks, order=order), **more)


def told(plan):
    """Of each contingency the step, the task that it replaces, and what is done until the end of the plan."""
    return [
        (str(plan.by_id[one.step]), str(plan.by_id[one.replaces]), [str(step) for step in one.steps])
        for one in plan.contingencies
    ]


FETCHING = Domain(
    [
        sets("fetch_primary", "raw", True, duration=2, p=0.9),
        sets("fetch_mirror", "raw", True, duration=4, p=0.8),
        sets("purge", "disk", "ok"),
        Operator("parse", pre=[("raw", "==", True), ("disk", "==", "ok")], duration=3, p=0.95),
    ],
    [
        way("primary", "fetch", "fetch_primary", p=0.9),
        way("mirror", "fetch", "fetch_mirror", p=0.8),
        way("direct", "process", "parse", p=0.95),
        way("clean_first", "process", "purge", "parse", p=0.9),
    ],
)


# What is done instead


def test_each_risky_step_has_the_next_way_of_its_task():
    plan = planned(FETCHING, {"disk": "ok"}, ["fetch", "process"])
    assert told(plan) == [
        ("fetch_primary", "fetch", ["fetch_mirror", "parse"]),
        ("parse", "process", ["purge", "parse"]),
    ]
    assert [one.repeats for one in plan.contingencies] == [False, True]  # Nothing but parse can process.


def test_the_numbers_of_a_contingency():
    first, second = planned(FETCHING, {"disk": "ok"}, ["fetch", "process"]).contingencies
    assert first.p == pytest.approx(0.8 * 0.8)
    assert first.success_probability == pytest.approx(1 - (1 - 0.9 * 0.9) * (1 - 0.8 * 0.8))
    assert (first.extra_duration, first.extra_makespan) == (4, 4)  # The mirror's; what failed has cost its time anyway.
    assert second.p == pytest.approx(0.9 * 0.95)
    assert (second.extra_duration, second.extra_makespan) == (4, 4)


def test_what_was_done_is_not_done_again():
    domain = Domain(
        [
            sets("get", "raw", True, ("raw", "!=", True), p=0.99),
            Operator("press", pre=[("raw", "==", True)], **SHAKY),
            Operator("tread", p=0.8),
        ],
        [way("machine", "make", "get", "press"), way("feet", "make", "get", "tread", p=0.5)],
    )
    plan = planned(domain, {}, ["make"], below=0.95)
    assert told(plan) == [("press", "make", ["tread"])]
    [one] = plan.contingencies
    assert [one.plan.by_id[id_].task for id_ in one.done] == [("get",)]
    assert [plan.by_id[id_].task for id_ in one.done.values()] == [("get",)]
    assert (one.extra_duration, one.p) == (1, 0.8 * 0.5)


def test_what_was_undone_since_is_done_again():
    domain = Domain(
        [
            sets("get", "raw", True),
            sets("press", "raw", False, ("raw", "==", True)),
            Operator("cork", **SHAKY),
            Operator("sell"),
        ],
        [way("machine", "make", "get", "press", "cork"), way("as_it_is", "make", "get", "sell")],
    )
    assert told(planned(domain, {}, ["make"])) == [("cork", "make", ["get", "sell"])]


def test_done_work_counts_for_its_own_task_alone():
    """The second ring of the plan is still to be done, although one was done for the task that failed."""
    domain = Domain(
        [Operator("ring"), Operator("knock", **SHAKY), Operator("shout")],
        [way("door", "call", "ring", "knock"), way("street", "call", "shout")],
    )
    assert told(planned(domain, {}, ["call", "ring"])) == [("knock", "call", ["shout", "ring"])]


def test_the_rest_is_planned_anew_where_it_is_not_possible_any_more():
    domain = Domain(
        [
            sets("fly", "at", "city", **SHAKY),
            sets("ride", "at", "suburb"),
            sets("walk", "seen", True, ("at", "==", "city")),
            sets("bus", "seen", True, ("at", "==", "suburb")),
            Operator("tell", pre=[("seen", "==", True)]),
        ],
        [
            way("all", "trip", "go", "visit", "tell"),
            way("a", "go", "fly"),
            way("b", "go", "ride"),
            way("on_foot", "visit", "walk"),
            way("by_bus", "visit", "bus"),
        ],
    )
    plan = planned(domain, {}, ["trip"])
    assert told(plan) == [("fly", "go", ["ride", "bus", "tell"])]
    assert [str(plan.by_id[id_]) for id_ in plan.contingencies[0].reopened] == ["go", "visit"]


def test_conditions_of_methods_are_a_part_of_the_rest():
    """Walking asks for nothing, but the method that leads to it does."""
    domain = Domain(
        [sets("fly", "at", "city", **SHAKY), sets("ride", "at", "suburb"), Operator("walk"), Operator("bus")],
        [
            way("a", "go", "fly"),
            way("b", "go", "ride"),
            way("on_foot", "visit", "walk", conditions=[("at", "==", "city")]),
            way("by_bus", "visit", "bus", conditions=[("at", "==", "suburb")]),
        ],
    )
    assert told(planned(domain, {}, ["go", "visit"])) == [("fly", "go", ["ride", "bus"])]


def test_of_several_ways_one_after_which_the_rest_is_possible():
    domain = Domain(
        [
            sets("fly", "at", "city", **SHAKY),
            sets("ride", "at", "suburb"),
            sets("drive", "at", "city"),
            Operator("walk", pre=[("at", "==", "city")]),
        ],
        [way("a", "go", "fly"), way("b", "go", "ride"), way("c", "go", "drive")],
    )
    plan = planned(domain, {}, ["go", "walk"])
    assert told(plan) == [("fly", "go", ["drive", "walk"])]
    assert len(plan.contingencies[0].reopened) == 1


def test_the_task_above_is_done_another_way_where_the_nearest_has_no_other():
    domain = Domain(
        [Operator("book"), Operator("fly", **SHAKY), Operator("stay"), Operator("call")],
        [
            way("there", "meet", "book", "travel", "stay"),
            way("from_here", "meet", "call"),
            way("only", "travel", "fly"),
        ],
    )
    assert told(planned(domain, {}, ["meet"])) == [("fly", "meet", ["call"])]


def test_the_nearest_task_comes_first():
    domain = Domain(
        [Operator("fly", **SHAKY), Operator("ride"), Operator("call")],
        [
            way("there", "meet", "travel"),
            way("here", "meet", "call"),
            way("a", "travel", "fly"),
            way("b", "travel", "ride"),
        ],
    )
    assert told(planned(domain, {}, ["meet"])) == [("fly", "travel", ["ride"])]


def test_a_way_further_up_without_the_failed_step_is_better_than_one_with_it():
    domain = Domain(
        [Operator("fly", **SHAKY), Operator("pray"), Operator("call")],
        [
            way("there", "meet", "travel"),
            way("here", "meet", "call"),
            way("a", "travel", "fly"),
            way("b", "travel", "pray", "fly"),
        ],
    )
    [one] = planned(domain, {}, ["meet"]).contingencies
    assert ([str(step) for step in one.steps], one.repeats) == (["call"], False)


def test_the_same_method_with_somebody_else_is_another_way():
    domain = Domain(
        [Operator("write", ["?who"], **SHAKY)],
        [Method("assign", "report", [("?who", "worker")], subtasks=[("s", ("write", "?who"))], arity=0)],
        objects={"worker": ["ann", "bob"]},
    )
    assert told(planned(domain, {}, ["report"])) == [("write(ann)", "report", ["write(bob)"])]


def test_what_is_half_done_beside_goes_on():
    """Two tasks side by side: the other one's first step was done, its second one is kept."""
    domain = Domain(
        [
            Operator("a1"),
            Operator("a2", **SHAKY),
            Operator("a3"),
            sets("b1", "b", 1),
            Operator("b2", pre=[("b", "==", 1)]),
        ],
        [way("m", "a", "a1", "a2"), way("n", "a", "a1", "a3"), way("o", "b", "b1", "b2")],
    )
    plan = planned(domain, {}, [("a", ["a"]), ("b", ["b"])], order=[])
    [(step, task, steps)] = told(plan)
    assert (step, task, steps[0], steps.count("b2"), steps.count("a1")) == ("a2", "a", "a3", 1, 0)


def test_there_is_none_for_a_step_of_the_root_without_another_way_or_before_an_impossible_rest():
    assert planned(Domain([Operator("a", **SHAKY)]), {}, ["a"]).contingencies == ()
    assert planned(Domain([Operator("a", **SHAKY)], [way("m", "t", "a")]), {}, ["t"]).contingencies == ()
    domain = Domain(
        [sets("a", "x", 1, **SHAKY), sets("b", "x", 2), Operator("c", pre=[("x", "==", 1)])],
        [way("m", "t", "a"), way("n", "t", "b")],
    )
    assert planned(domain, {}, ["t", "c"]).contingencies == ()


def test_the_goal_of_a_task_above_is_reached_where_it_is_to_be_verified():
    operators = [sets("a", "x", 1, **SHAKY), sets("b", "x", 2), sets("c", "x", 1)]
    ways = [
        way("made", "whole", "part", verify=True),
        way("m", "part", "a"),
        way("n", "part", "b"),
        way("o", "part", "c"),
    ]
    goal = {"whole": ((), (read_condition(["x", "==", 1], "the goal"),))}
    assert told(planned(Domain(operators, ways), {}, ["whole"])) == [("a", "part", ["b"])]
    assert told(planned(Domain(operators, ways, goals=goal), {}, ["whole"])) == [("a", "whole", ["c"])]


# Which steps


def test_a_step_is_risky_by_itself_or_by_its_method():
    domain = Domain(
        [Operator(name) for name in ("a", "b", "c", "d")],
        [way("m", "t", "a", p=0.9), way("n", "t", "b", p=0.8), way("o", "u", "c"), way("q", "u", "d")],
    )
    assert [step for step, _, _ in told(planned(domain, {}, ["t", "u"]))] == ["a"]


def test_only_the_weakest_are_worked_out_when_they_are_many():
    ps = [0.9, 0.5, 0.7]
    operators = [Operator(f"{name}{i}", p=p) for i, p in enumerate(ps) for name in "ab"]
    ways = [way(name, f"t{i}", f"{name}{i}") for i in range(3) for name in "ab"]
    tasks = ["t0", "t1", "t2"]
    assert [step for step, _, _ in told(planned(Domain(operators, ways), {}, tasks, at_most=2))] == ["a1", "a2"]
    assert [step for step, _, _ in told(planned(Domain(operators, ways), {}, tasks, below=0.7))] == ["a1"]
    assert planned(Domain(operators, ways), {}, tasks, at_most=0).contingencies == ()


def test_an_endless_search_is_ended():
    loops = [
        way("a", "t", "go", p=0.9),
        Method("b", "t", run=lambda state: ["t2"]),
        Method("c", "t2", run=lambda s: ["t"]),
    ]
    domain = Domain([Operator("go", **SHAKY)], loops)
    assert planned(domain, {}, ["t"], nodes=100).contingencies == ()


def test_the_riskiest_steps_are_worked_out_while_there_are_search_nodes():
    ps = [0.9, 0.5, 0.7]
    operators = [Operator(f"{name}{i}", p=p) for i, p in enumerate(ps) for name in "ab"]
    domain = Domain(operators, [way(name, f"t{i}", f"{name}{i}") for i in range(3) for name in "ab"])
    counts = [len(planned(domain, {}, ["t0", "t1", "t2"], nodes=nodes).contingencies) for nodes in range(25)]
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3}
    only = next(nodes for nodes, count in enumerate(counts) if count)
    assert [step for step, _, _ in told(planned(domain, {}, ["t0", "t1", "t2"], nodes=only))] == ["a1"]


# What it costs


def test_a_parallel_branch_does_not_wait():
    domain = Domain(
        [Operator("quick", duration=2, **SHAKY), Operator("other", duration=3), Operator("long", duration=10)],
        [way("a", "t", "quick"), way("b", "t", "other")],
    )
    [one] = planned(domain, {}, [("t", ["t"]), ("l", ["long"])], order=[]).contingencies
    assert (one.extra_duration, one.extra_makespan) == (3, 0)


def test_what_waits_for_the_task_waits_for_the_other_way():
    domain = Domain(
        [
            Operator("left", duration=5, **SHAKY),
            Operator("left_slowly", duration=6),
            Operator("right", duration=3),
            Operator("join"),
        ],
        [way("a", "l", "left"), way("b", "l", "left_slowly")],
    )
    tasks = [("l", ["l"]), ("r", ["right"]), ("j", ["join"])]
    plan = planned(domain, {}, tasks, order=[("l", "j"), ("r", "j")])
    assert plan.makespan == 6
    assert plan.contingencies[0].extra_makespan == 6  # 5 until it fails, 6 for the other way, 1 to join: 12.


def test_another_way_may_be_quicker():
    domain = Domain(
        [Operator("first", duration=2, **SHAKY), Operator("then", duration=10), Operator("instead")],
        [way("a", "t", "first", "then"), way("b", "t", "instead", p=0.9)],
    )
    [one] = planned(domain, {}, ["t"]).contingencies
    assert (one.extra_duration, one.extra_makespan) == (-9, -9)


# Kept in the plan


def test_the_plan_itself_is_the_same():
    plan = find_plan(FETCHING, {"disk": "ok"}, ["fetch", "process"])
    copy = contingencies(plan)
    assert plan.contingencies == ()
    assert (copy.nodes, copy.root, copy.start, copy.order) == (plan.nodes, plan.root, plan.start, plan.order)


def test_a_contingency_survives_json():
    plan = planned(FETCHING, {"disk": "ok"}, ["fetch", "process"])
    for one in plan.contingencies:
        again = contingency_of(json.loads(json.dumps(one.to_dict())), plan)
        assert again.to_dict() == one.to_dict()
        assert (again.plan.nodes, again.plan.root, again.plan.start) == (one.plan.nodes, one.plan.root, one.plan.start)
        assert again.plan.states[-1] == one.plan.states[-1]


def test_domains_of_python_functions_have_contingencies_too():
    def go(state, where):
        return {**state, "at": where}

    def walk(state):
        return state if state["at"] == "city" else None

    domain = Domain(
        [Operator("fly", run=go, p=0.9), Operator("ride", run=go), Operator("walk", run=walk)],
        [
            Method("a", "go", run=lambda state: [("fly", "city")]),
            Method("b", "go", run=lambda state: [("ride", "suburb")]),
            Method("c", "go", run=lambda state: [("ride", "city")]),
        ],
    )
    state = {"at": "home"}
    assert told(planned(domain, state, ["go", "walk"])) == [("fly(city)", "go", ["ride(city)", "walk"])]
    assert state == {"at": "home"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"at_most": -1}, "at_most was -1"),
        ({"at_most": 1.5}, "at_most was 1.5"),
        ({"below": 2}, "below was 2"),
        ({"nodes": -1}, "nodes was"),
    ],
)
def test_wrong_settings_are_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        planned(FETCHING, {"disk": "ok"}, ["fetch"], **given)


def test_without_a_plan_there_is_nothing_to_work_out():
    with pytest.raises(ConfigError, match="no plan to find contingencies for"):
        planned(Domain([Operator("a", pre=[("x", "==", 1)])]), {}, ["a"])


# The law


def test_a_contingency_can_be_carried_out_where_it_would_be_needed():
    """On random domains, from the state before the failed step, in orders that it allows; judged by the verifier."""
    seen = Counter()
    for seed in range(1_100):
        rng = random.Random(seed)
        case = random_case(rng)
        problem = read_problem(json.dumps(case))
        root = problem.root
        order = "total" if root.after is None else pairs(root)
        plan = find_plan(problem.domain, problem.init, root.tasks, order=order, limits=Limits(500, None))
        if not plan or verifier.faults(case, plan.nodes):
            continue
        for one in contingencies(plan, nodes=1000).contingencies:
            check(case, plan, one, rng)
            failed = plan.by_id[one.step]
            seen.update(
                all=1,
                done=bool(one.done),
                repeats=one.repeats,
                anew=len(one.reopened) > 1,
                up=one.replaces != failed.parent,
            )
    assert seen["all"] > 90
    assert min(seen.values()) > 6, seen


def pairs(network):
    keys = [key for key, _ in network.tasks]
    return [[keys[one], keys[place]] for place, before in enumerate(network.after) for one in before]


def check(case, plan, one, rng):
    ids = [step.id for step in plan.steps]
    state = verifier.execute(case, [step.task for step in plan.steps[: ids.index(one.step)]])
    assert verifier.execute(case, [step.task for step in one.steps], state) is not None
    # It is the decomposition of what is left, by the methods of the domain.
    if not one.done:
        root = {"subtasks": [[key, *task] for key, task in one.plan.root.tasks], "order": "total"}
        if one.plan.root.after is not None:
            root["order"] = pairs(one.plan.root)
        assert not verifier.faults(case | {"init": state, "root": root}, one.plan.nodes)
    # Whatever order it allows.
    for _ in range(3):
        left, sequence = {step.id: one.plan.order[step.id] for step in one.plan.steps}, []
        while left:
            sequence.append(rng.choice([id_ for id_, before in left.items() if not before & left.keys()]))
            del left[sequence[-1]]
        tasks = [one.plan.by_id[id_].task for id_ in sequence if id_ not in one.done]
        assert verifier.execute(case, tasks, state) is not None
    # The failed step is avoided, and nothing of what is left is lost.
    assert one.repeats or plan.by_id[one.step].task not in [step.task for step in one.steps]
    kept = {int(key) for key, _ in one.plan.root.tasks}
    covered = {step.id for id_ in kept for step in plan.steps_under(id_)}
    assert set(ids[ids.index(one.step) :]) <= covered
