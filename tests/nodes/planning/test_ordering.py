"""The order that a plan needs: whatever keeps to it can be carried out, and what need not wait does not."""

import json
import random
from itertools import islice, pairwise

from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.ordering import critical_path
from langgraph_agora.nodes.planning.search import Limits, find_plan
from tests.nodes.planning.exhaustive import linearisations
from tests.nodes.planning.random_domains import random_case
from tests.nodes.planning.test_search import CASES, plan_of
from tests.nodes.planning.verifier import execute, faults

FEW = Limits(nodes=1_000, seconds=None)


def order_of(plan):
    """Step -> the steps that it waits for, by name."""
    name = {step.id: step.task[0] for step in plan.steps}
    return {name[id_]: {name[one] for one in before} for id_, before in plan.order.items()}


def unordered(*operators, init=None):
    """A plan for operators that no method orders."""
    names = [one.name for one in operators]
    return find_plan(Domain(operators), init or {}, names, order=[])


# By example


def test_two_writers_of_one_variable_are_kept_apart_with_their_readers():
    plan = plan_of(CASES["po2_conflict"])
    by_id = {step.id: step.task[0] for step in plan.steps}
    ways = [[by_id[one] for one in way] for way in linearisations(plan.order)]
    assert len(ways) == 1  # One of the two, and it was found: w1 r1 w2 r2, or w2 r2 w1 r1.
    assert ways[0] in CASES["po2_conflict"]["expect"]["plan_one_of"]


def test_a_diamond_is_as_long_as_its_critical_path():
    plan = plan_of(CASES["po4_diamond"])
    length, path = critical_path(plan)
    assert (length, plan.makespan, plan.duration) == (7, 7, 10)
    assert [plan.by_id[one].task[0] for one in path] == ["start", "left", "join"]
    assert len(list(linearisations(plan.order))) == CASES["po4_diamond"]["expect"]["n_plans"]


def test_who_only_reads_waits_for_nobody_who_only_reads():
    plan = unordered(*[Operator(name, pre=[("door", "==", "open")]) for name in "abc"], init={"door": "open"})
    assert order_of(plan) == {"a": set(), "b": set(), "c": set()}


def test_a_writer_waits_for_those_who_read_what_was_there_before():
    read, write = Operator("read", pre=[("mode", "==", "x")]), Operator("write", eff=[("mode", "=", "y")])
    assert order_of(unordered(read, write, init={"mode": "x"})) == {"read": set(), "write": {"read"}}


def test_of_two_writers_the_last_stays_the_last():
    plan = unordered(Operator("a", eff=[("x", "=", 1)]), Operator("b", eff=[("x", "=", 2)]))
    (first, second) = plan.names
    assert order_of(plan)[second] == {first}


def test_additions_to_one_variable_do_not_wait_for_one_another():
    ops = [Operator(name, eff=[("k", "+=", n)]) for name, n in (("a", 1), ("b", 2))]
    assert order_of(unordered(*ops, init={"k": 0})) == {"a": set(), "b": set()}


def test_who_tests_what_it_takes_from_comes_one_after_the_other():
    """Each has enough alone; an addition in between could be what makes the other possible."""
    ops = [Operator(name, pre=[("k", ">=", 1)], eff=[("k", "-=", 1)]) for name in "ab"]
    plan = unordered(*ops, init={"k": 2})
    assert order_of(plan)[plan.names[1]] == {plan.names[0]}


def test_who_reads_waits_for_all_additions_and_later_additions_wait_for_it():
    ops = [
        *[Operator(name, eff=[("k", "+=", 1)]) for name in "ab"],
        Operator("test", pre=[("k", "==", 2)]),
        Operator("more", eff=[("k", "+=", 1)]),
    ]
    plan = find_plan(Domain(ops), {"k": 0}, [*"ab", "test", "more"], order=[("1", "3"), ("2", "3"), ("3", "4")])
    assert order_of(plan) == {"a": set(), "b": set(), "test": {"a", "b"}, "more": {"a", "b", "test"}}


def test_what_made_a_method_possible_comes_before_all_of_its_steps():
    """And what makes it impossible comes after the first of them: by then it is in use."""
    ops = [
        Operator("open", eff=[("door", "=", "open")]),
        Operator("walk"),
        Operator("shut", eff=[("door", "=", "shut")]),
    ]
    go = Method("m", "go", conditions=[("door", "==", "open")], subtasks=[("1", "walk")])
    plan = find_plan(Domain(ops, [go]), {"door": "shut"}, ["open", "go", "shut"], order=[("1", "3")])
    assert plan.names == ["open", "walk", "shut"]
    assert order_of(plan)["walk"] == {"open"}
    assert order_of(plan)["shut"] >= {"walk"}


def test_an_order_reaches_through_tasks_that_have_no_steps():
    ops = [Operator("a"), Operator("b")]
    ways = [Method("m", "nothing", subtasks=[])]
    plan = find_plan(Domain(ops, ways), {}, ["a", "nothing", "b"])
    assert order_of(plan) == {"a": set(), "b": {"a"}}


def test_a_total_order_of_methods_holds_for_all_that_is_under_them():
    ops = [Operator(name) for name in "abcd"]
    ways = [
        Method("m", "first", subtasks=[("1", "a"), ("2", "b")], order=[]),
        Method("m", "then", subtasks=[("1", "c"), ("2", "d")], order=[]),
    ]
    plan = find_plan(Domain(ops, ways), {}, ["first", "then"])
    assert order_of(plan) == {"a": set(), "b": set(), "c": {"a", "b"}, "d": {"a", "b"}}
    assert plan.makespan == 2


def test_python_functions_keep_the_order_in_which_they_were_found():
    ops = [Operator(name, run=lambda state: state) for name in "abc"]
    plan = find_plan(Domain(ops), {}, [*"abc"], order=[])
    assert [order_of(plan)[name] for name in plan.names] == [set(), {plan.names[0]}, {plan.names[1]}]


def test_nothing_has_a_critical_path_of_nothing():
    assert critical_path(find_plan(Domain([Operator("a")]), {}, [])) == (0, [])


# Laws


def test_every_sequence_that_keeps_to_the_order_can_be_carried_out():
    """All sequences (at most 500) of the plans of 1,200 partially ordered random domains."""
    several = 0
    for seed in range(3_000, 4_200):
        case = random_case(random.Random(seed), partial=True, tests=(0, 0, 0, 1))
        plan = plan_of(case, limits=FEW)
        if not 2 <= len(plan.steps) <= 7:
            continue
        task = {step.id: step.task for step in plan.steps}
        end = execute(case, [step.task for step in plan.steps])
        ways = list(islice(linearisations(plan.order), 500))
        several += len(ways) > 1
        for way in ways:
            assert execute(case, [task[one] for one in way]) == end, (seed, way)
    assert several > 100


def test_conditions_of_methods_hold_in_every_sequence_that_keeps_to_the_order():
    """The tree can be built along any such sequence: some places for the decompositions make a right plan of it."""
    for seed in range(5_000, 5_300):
        case = random_case(random.Random(seed), partial=True, recursion=0, tests=(0, 0, 0, 1))
        plan = plan_of(case, limits=FEW)
        if 2 <= len(plan.steps) <= 5 and len(plan.nodes) <= 12:
            for way in islice(linearisations(plan.order), 24):
                assert any(not faults(case, nodes) for nodes in woven(plan, way)), (seed, way)


def woven(plan, way):
    """The tasks of a plan with its steps in another sequence and the decompositions put in wherever they may stand."""
    inner = [node for node in plan.nodes if node.method]
    at = {id_: place for place, id_ in enumerate(way)}
    latest = {node.id: min([at[one.id] for one in plan.steps_under(node.id)], default=len(way)) for node in inner}

    def placed(rest, chosen):
        if not rest:
            yield dict(chosen)
            return
        node = rest[0]
        least = chosen.get(node.parent, 0)
        for place in range(least, latest[node.id] + 1):
            yield from placed(rest[1:], {**chosen, node.id: place})

    for places in placed(inner, {}):
        nodes = []
        for place in range(len(way) + 1):
            nodes += [node for node in inner if places[node.id] == place]
            nodes += [plan.by_id[way[place]]] if place < len(way) else []
        yield nodes


def test_the_critical_path_is_a_chain_that_nothing_exceeds():
    for seed in range(300):
        plan = plan_of(random_case(random.Random(seed), partial=True, tests=(0, 0, 0, 1)), limits=FEW)
        if not plan.steps:
            continue
        length, path = critical_path(plan)
        assert all(one in plan.order[other] for one, other in pairwise(path))
        assert length == sum(plan.duration_of(plan.by_id[one]) for one in path) <= plan.duration
        ends = {}
        for step in plan.steps:
            ends[step.id] = max([ends[one] for one in plan.order[step.id]], default=0) + plan.duration_of(step)
        assert length == max(ends.values())


def test_the_order_is_json_and_names_steps_alone():
    plan = plan_of(CASES["po1_interleave"])
    ids = {step.id for step in plan.steps}
    assert set(plan.order) == ids
    assert set().union(*plan.order.values()) <= ids
    json.dumps(plan.to_dict())
