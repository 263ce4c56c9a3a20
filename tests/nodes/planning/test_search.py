"""Finding a plan: backtracking, recursion, interleaving, optima, limits, and a comparison with all plans there are."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator, Task
from langgraph_agora.nodes.planning.domain_files import read_problem
from langgraph_agora.nodes.planning.facts import Facts
from langgraph_agora.nodes.planning.search import Limits, find_plan
from langgraph_agora.nodes.planning.verifying import verify
from tests.nodes.planning.exhaustive import Oracle
from tests.nodes.planning.random_domains import random_case
from tests.nodes.planning.verifier import execute, faults

CASES = {
    one["id"]: one
    for one in json.loads((Path(__file__).parents[2] / "data" / "planning.json").read_text(encoding="utf-8"))["cases"]
}
NODES = Limits(nodes=8_000, seconds=None)


def plan_of(case, **options):
    problem = read_problem(json.dumps(case))
    return find_plan(problem.domain, problem.init, problem.root.tasks, order=problem.order, **options)


def plan_by_functions(operators, methods, state, tasks, **options):
    """Operators and methods as name -> function; of methods a task has several: (task, id) -> function."""
    return find_plan(
        Domain(
            [Operator(name, run=run) for name, run in operators.items()],
            [Method(id_, task, run=run) for (task, id_), run in methods.items()],
        ),
        state,
        tasks,
        **options,
    )


# The cases, one by one

WITH_PLAN = [one for one in CASES.values() if one["expect"].get("plan") or one["expect"].get("plan_one_of")]


@pytest.mark.parametrize("case", WITH_PLAN, ids=lambda one: one["id"])
def test_the_plan_is_found_whatever_has_to_be_revised(case):
    plan = plan_of(case)
    assert plan.names in case["expect"].get("plan_one_of", [case["expect"].get("plan")])
    assert faults(case, plan.nodes) == []
    chosen = {node.task[0]: node.method for node in plan.nodes if node.method}
    assert chosen.items() >= case["expect"].get("method_choices", {}).items()


@pytest.mark.parametrize("name", ["bt6_leak_unsound", "rec1_self", "rec2_mutual", "rec4_state_cycle"])
def test_that_there_is_no_plan_is_proven(name):
    plan = plan_of(CASES[name])
    assert (plan.found, plan.names, plan.reason) == (False, [], "no_plan")
    assert "all" in plan.explanation


@pytest.mark.parametrize(
    ("name", "cycle"),
    [
        ("rec1_self", "t -> t"),
        ("rec2_mutual", "a -> b -> a"),
        ("rec3_left_growing", "t -> t"),
        ("rec4_state_cycle", "t -> t"),
    ],
)
def test_a_task_that_comes_back_to_itself_is_named(name, cycle):
    assert f"A task comes back to itself: {cycle}." in plan_of(CASES[name], limits=NODES).explanation


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("rec") and name != "rec8_deep_ok"])
def test_recursion_takes_less_than_5_seconds_and_the_stack_is_not_used(name):
    began = time.process_time()
    plan = plan_of(CASES[name])
    assert time.process_time() - began < 5
    assert plan.found == bool({"plan", "plan_valid"} & CASES[name]["expect"].keys() and name[3] in "569")


def test_left_recursion_before_a_base_case_ends():
    plan = plan_of(CASES["rec6_left_then_exit"])
    assert plan.names[0] == "base"
    assert faults(CASES["rec6_left_then_exit"], plan.nodes) == []


def test_a_limit_names_itself_and_the_task_under_way():
    plan = plan_of(CASES["rec7_unbounded_counter"], limits=Limits(nodes=5_000))
    assert plan.reason == "limit"
    assert "within 5,000 search nodes, with t under way" in plan.explanation
    assert plan.searched <= 5_500


def deep_case(depth):
    case = CASES["rec8_deep_ok"]
    tasks = {f"c{n}": [{"id": "m", "subtasks": [["s1", "tick"], ["s2", f"c{n - 1}"]]}] for n in range(1, depth + 1)}
    return {
        **case,
        "compounds": {**tasks, "c0": [{"id": "end", "subtasks": []}]},
        "root": {"subtasks": [["r", f"c{depth}"]]},
    }


def test_a_depth_of_5000_is_no_recursion():
    plan = plan_of(deep_case(CASES["rec8_deep_ok"]["expect"]["plan_length"]))
    assert plan.names == ["tick"] * 5000
    assert (plan.depth, plan.final_state["k"]) == (5001, 5000)


def test_a_depth_of_100_000_is_no_recursion_and_takes_less_than_5_seconds():
    count = Method("m", "count", run=lambda state, n: ["tick", ("count", n - 1)] if n else [])
    domain = Domain([Operator("tick", run=lambda state: state)], [count])
    began = time.process_time()
    plan = find_plan(domain, {}, [("count", 100_000)], limits=Limits(None, None))
    assert time.process_time() - began < 5
    assert (len(plan.steps), plan.depth) == (100_000, 100_001)
    assert verify(plan) == []


def test_first_found_reports_its_true_probability_and_optimise_finds_the_best():
    expect = CASES["bt7_best_product"]["expect"]
    first, best = plan_of(CASES["bt7_best_product"]), plan_of(CASES["bt7_best_product"], optimise="probability")
    assert first.success_probability == pytest.approx(expect["first_found_probability"])
    assert (best.names, best.optimal) == (expect["best_plan"], True)
    assert best.success_probability == pytest.approx(expect["best_probability"])


# Against all plans: a thousand small random domains

CHUNKS = range(10)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_a_plan_is_found_exactly_when_there_is_one(chunk):
    """100 random domains each: plans verify, and what the search says agrees with the enumeration of all plans."""
    outcomes = {"found": 0, "no_plan": 0, "limit": 0}
    for seed in range(100 * chunk, 100 * chunk + 100):
        case = random_case(random.Random(seed))
        plan, oracle = plan_of(case, limits=NODES), Oracle(case, moves=8, every=False)
        outcomes[plan.reason or "found"] += 1
        if plan.found:
            assert faults(case, plan.nodes) == [], seed
            assert verify(plan) == [], seed
            assert execute(case, [step.task for step in plan.steps]) is not None, seed
        assert plan.found >= bool(oracle.plans), f"seed {seed}: there is a plan"
        assert plan.found or bool(plan.explanation), seed
        if oracle.complete and not oracle.plans:
            assert plan.reason == "no_plan", f"seed {seed}: this is proven, no limit is needed"
    assert outcomes["found"] > 20
    assert outcomes["no_plan"] > 20
    assert outcomes["limit"] < 15


@pytest.mark.parametrize("objective", ["probability", "cost", "duration"])
def test_optimise_finds_the_best_of_all_plans(objective):
    proven = 0
    for seed in range(2_000, 2_150):
        case = random_case(random.Random(seed), recursion=0.1)
        plan, oracle = plan_of(case, limits=NODES, optimise=objective), Oracle(case, moves=8, most=1_500)
        if not plan.found:
            assert not oracle.plans, seed
            continue
        assert faults(case, plan.nodes) == [], seed
        value = {"probability": plan.success_probability, "cost": plan.cost, "duration": plan.duration}[objective]
        if oracle.complete:
            assert plan.optimal, seed
            assert value == pytest.approx(oracle.best(objective)), seed
            proven += 1
        elif oracle.plans and plan.optimal:
            best = oracle.best(objective)
            assert value >= best - 1e-9 if objective == "probability" else value <= best + 1e-9, seed
    assert proven > 40


def test_the_order_in_which_the_domain_is_written_changes_no_answer():
    for seed in range(200):
        case = random_case(random.Random(seed))
        shuffled = random.Random(seed)
        primitives, compounds = list(case["primitives"].items()), list(case["compounds"].items())
        init = list(case["init"].items())
        for one in (primitives, compounds, init):
            shuffled.shuffle(one)
        other = {**case, "primitives": dict(primitives), "compounds": dict(compounds), "init": dict(init)}
        one, two = plan_of(case, limits=Limits(1_000)), plan_of(other, limits=Limits(1_000))
        assert (one.nodes, one.reason, one.searched, one.order) == (two.nodes, two.reason, two.searched, two.order)


def test_the_seed_of_hashes_changes_no_answer():
    program = (
        "import json, random; from tests.nodes.planning.test_search import NODES, plan_of, random_case\n"
        "for seed in range(60):\n"
        "    plan = plan_of(random_case(random.Random(seed)), limits=NODES)\n"
        "    print(plan.nodes, plan.reason, plan.searched, sorted((k, sorted(v)) for k, v in plan.order.items()))\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0].count("\n") == 60
    assert told[0] == told[1]


# Endless ways beside short ones


def endless(p, exit_p):
    """A task that counts up for ever, or ends; the endless way is the likelier one."""
    return {
        "init": {"k": 0},
        "primitives": {"inc": {"eff": [["k", "+=", 1]]}, "stop": {}},
        "compounds": {
            "t": [
                {"id": "more", "subtasks": [["1", "inc"], ["2", "t"]], "p": p},
                {"id": "end", "subtasks": [["1", "stop"]], "p": exit_p},
            ]
        },
        "root": {"subtasks": [["r", "t"]]},
    }


def test_an_endless_way_does_not_hide_the_way_out_beside_it():
    plan = plan_of(endless(0.9, 0.5))
    assert plan.found
    assert plan.names[-1] == "stop"
    assert faults(endless(0.9, 0.5), plan.nodes) == []


def test_the_best_of_endlessly_many_ways_is_proven_when_each_round_costs():
    plan = plan_of(endless(0.9, 0.5), optimise="probability")
    assert (plan.names, plan.optimal) == (["stop"], True)


def test_a_network_that_grows_in_all_directions_ends_with_its_limit_in_less_than_a_gigabyte():
    """Each of its states holds thousands of threads, so they are counted."""
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (900_000_000, 900_000_000))\n"
        "from langgraph_agora.nodes.planning.domain import Domain, Method, Operator\n"
        "from langgraph_agora.nodes.planning.search import Limits, find_plan\n"
        "grow = Method('m', 't', subtasks=[('1', 't'), ('2', 't'), ('3', 'never')], order=[])\n"
        "domain = Domain([Operator('never', pre=[('x', '==', 1)])], [grow])\n"
        "plan = find_plan(domain, {}, ['t'], limits=Limits(nodes=20_000, seconds=None))\n"
        "print(plan.reason, plan.searched)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["limit", "20001"]


def test_a_way_back_that_costs_nothing_does_not_keep_the_best_plan_from_being_proven():
    case = endless(1, 0.5)
    case["primitives"]["stop"]["cost"] = 1
    plan = plan_of(case, optimise="cost", limits=NODES)
    assert (plan.cost, plan.optimal) == (1, True)


def test_without_a_plan_the_first_thing_in_the_way_is_named():
    ride = Operator("ride", pre=[("ticket", "==", True), ("budget", ">=", 80)])
    domain = Domain([ride, Operator("pay")], [Method("m", "go", subtasks=[("s1", "pay"), ("s2", "ride")])])
    for tasks in (["pay", "ride"], ["go"]):
        found = find_plan(domain, {"budget": 50}, tasks)
        assert found.reason == "no_plan"
    words = find_plan(domain, {"budget": 50}, ["pay", "ride"]).explanation
    assert words.endswith(
        "The first thing in the way: ride needs ticket == True (it is null) and budget >= 80 (it is 50)."
    )
    empty = find_plan(Domain([Operator("pay")], tasks=["go"]), {}, ["go"]).explanation
    assert empty == "There is no plan: nothing can be done at the start. The first thing in the way: go cannot be done."


# Limits


def test_seconds_are_measured_with_the_clock_that_is_given():
    ticks = iter(range(10**9))
    plan = plan_of(CASES["rec7_unbounded_counter"], limits=Limits(nodes=None, seconds=20), clock=lambda: next(ticks))
    assert plan.reason == "limit"
    assert "within 20 seconds, with t under way" in plan.explanation


def test_a_limit_with_a_plan_in_hand_gives_the_plan_and_says_that_a_better_one_may_exist():
    # Whether the free way can be used in one of the endlessly many states is not known.
    case = endless(1, 0.5)
    case["primitives"]["stop"]["cost"] = 1
    case["primitives"]["free"] = {"pre": [["k", "<", 0]]}
    case["compounds"]["t"].append({"id": "free", "subtasks": [["1", "free"]], "p": 0.4})
    plan = plan_of(case, optimise="cost", limits=NODES)
    assert plan.found
    assert not plan.optimal
    assert "8,000 search nodes" in plan.explanation


@pytest.mark.parametrize(
    "wrong", [{"nodes": 0}, {"nodes": True}, {"seconds": -1}, {"seconds": "30"}, {"nodes": float("nan")}]
)
def test_a_limit_is_a_number_above_0(wrong):
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} was"):
        Limits(**wrong)


# What is asked for


def test_tasks_have_names_arguments_ids_and_an_order():
    domain = Domain([Operator("pack", ["?o"]), Operator("send", ["?o"])])
    asked = [("b", ("send", "o1")), ("a", ("pack", "o1"))]
    assert find_plan(domain, {}, [Task("pack", "o1"), ("send", "o1")]).names == ["pack", "send"]
    assert [step.key for step in find_plan(domain, {}, asked, order=[("a", "b")]).steps] == ["a", "b"]


def test_nothing_to_do_is_a_plan_without_steps():
    plan = find_plan(Domain([Operator("ride")]), {}, [])
    assert (plan.found, plan.names, plan.makespan, plan.success_probability) == (True, [], 0, 1)


@pytest.mark.parametrize(
    ("tasks", "order", "message"),
    [
        (["rid"], "total", "there is no task 'rid'. Did you mean 'ride'"),
        ([("ride", "x")], "total", "takes 0 arguments"),
        ("ride", "total", "give a list of tasks"),
        ([("a", ("ride",)), ("a", ("ride",))], "total", "two tasks have the id 'a'"),
        ([("a", ("ride",)), ("b", ("ride",))], [("a", "b"), ("b", "a")], "the order has a cycle: a before b before a"),
        ([("a", ("ride",)), ("b", ("ride",))], [("a", "c")], "there is no subtask 'c'"),
        ([[]], "total", "a task is a name"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_words(tasks, order, message):
    with pytest.raises(ConfigError, match=f"(?i){message}"):
        find_plan(Domain([Operator("ride")]), {}, tasks, order=order)


def test_an_objective_is_one_of_three():
    with pytest.raises(ConfigError, match="optimise was 'speed'"):
        find_plan(Domain([Operator("ride")]), {}, ["ride"], optimise="speed")


def test_a_plan_of_probability_0_gives_way_to_a_better_one():
    likely = [
        Method("a", "go", subtasks=[("s", "sure_loss")], p=0.9),
        Method("b", "go", subtasks=[("s", "good")], p=0.5),
        Method("m", "sure_loss", subtasks=[("s", "bad")]),
    ]
    plan = find_plan(
        Domain([Operator("bad", p=0), Operator("good", p=0.5)], likely), {}, ["go"], optimise="probability"
    )
    assert (plan.names, plan.optimal) == (["good"], True)


def test_numbers_stand_for_themselves_in_values_and_for_their_text_in_variables():
    move = Operator("move", ["?n"], pre=[("at(?n)", "==", "x")], eff=[("level", "=", "?n")])
    domain = Domain(
        [move], [Method("m", "go", ["?n"], conditions=[("at(?n)", "!=", None)], subtasks=[("s", ("move", "?n"))])]
    )
    plan = find_plan(domain, {"at(1)": "x"}, [("go", 1)])
    assert (plan.names, plan.final_state["level"]) == (["move"], 1)
    assert verify(plan) == []


# Python functions


def test_python_functions_take_and_return_states_of_their_own():
    def pick(state, what):
        return {**state, "hand": what} if state["hand"] is None else None

    def put(state, where):
        return {**state, "hand": None, where: state["hand"]} if state["hand"] else None

    plan = plan_by_functions(
        {"pick": pick, "put": put},
        {
            ("move", "greedy"): lambda state, what, where: ["put", "pick"] and [("put", where), ("pick", what)],
            ("move", "right"): lambda state, what, where: [("pick", what), ("put", where)],
            ("move", "never"): lambda state, what, where: None,
        },
        {"hand": None},
        [("move", "a", "table"), ("move", "b", "shelf")],
    )
    assert plan.names == ["pick", "put", "pick", "put"]
    assert plan.final_state == {"hand": None, "table": "a", "shelf": "b"}
    assert {node.method for node in plan.nodes if node.method} == {"right"}
    assert verify(plan) == []


def test_negative_numbers_are_not_taken_for_one_another():
    """hash(-1) == hash(-2), so a memory of failures that kept hashes alone said that there is no plan."""
    plan = plan_by_functions(
        {"look": lambda state: state, "pay": lambda state, n: state if n == -2 else None},
        {
            ("go", "a"): lambda state: [("try", -1)],
            ("go", "b"): lambda state: [("try", -2)],
            **{("try", f"t{number}"): lambda state, n: ["look", ("settle", n)] for number in range(50)},
            ("settle", "s"): lambda state, n: [("pay", n)],
        },
        {},
        ["go"],
    )
    assert plan.names == ["look", "pay"]


def test_arguments_that_cannot_be_hashed_are_refused_in_words():
    with pytest.raises(ConfigError, match=r"'count' cannot be hashed: \(\[1, 2\],\); use tuples for lists"):
        plan_by_functions(
            {"x": lambda state: state},
            {("count", "m"): lambda s, n: ["x"], ("go", "g"): lambda s: [("count", [1, 2])]},
            {},
            ["go"],
        )


def test_a_state_that_changes_no_more_ends_a_loop_of_functions():
    plan = plan_by_functions({"stay": lambda state: state}, {("t", "m"): lambda state: ["stay", "t"]}, {"at": 1}, ["t"])
    assert plan.reason == "no_plan"


# Nothing is shared


def test_the_state_that_is_given_is_not_changed():
    for name in ("bt1_budget", "bt5_state_leak", "po1_interleave"):
        problem = read_problem(json.dumps(CASES[name]))
        given = dict(problem.init)
        facts = Facts(given)
        find_plan(problem.domain, given, problem.root.tasks, order=problem.order)
        find_plan(problem.domain, facts, problem.root.tasks, order=problem.order)
        assert given == problem.init
        assert facts == Facts(problem.init)


def test_two_threads_plan_with_one_domain_at_once():
    problems = [read_problem(json.dumps(random_case(random.Random(seed)))) for seed in range(40)]

    def solve(found):
        for one in problems:
            found.append(find_plan(one.domain, one.init, one.root.tasks, order=one.order, limits=NODES).nodes)

    alone, together = [], [[], []]
    barrier = threading.Barrier(2)

    def at_once(found):
        barrier.wait()
        solve(found)

    threads = [threading.Thread(target=at_once, args=(found,)) for found in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    solve(alone)
    assert together == [alone, alone]


def test_a_plan_can_be_looked_for_inside_a_method():
    """The search keeps nothing outside itself."""
    inner = Domain([Operator("step", eff=[("k", "+=", 1)])])

    def nested(state):
        return find_plan(inner, {"k": 0}, ["step", "step"]).names

    plan = plan_by_functions({"step": lambda state: {"k": state["k"] + 1}}, {("t", "m"): nested}, {"k": 0}, ["t", "t"])
    assert (plan.names, plan.final_state) == (["step"] * 4, {"k": 4})
