"""Carrying out steps: who is given which, what is believed, what is called, and what counts as seen."""

from typing import NamedTuple

import pytest
from langchain_core.tools import tool

from langgraph_agora import Agent
from langgraph_agora.graphs.react import as_tools
from langgraph_agora.nodes.plan_state import PlannerSpec, plan_in, root_of, rows_of, state_in, state_out
from langgraph_agora.nodes.plan_steps import SIMULATION, TOOLS, Epoch, able
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.facts import Facts
from langgraph_agora.nodes.planning.search import find_plan


class Given(NamedTuple):
    """The part of a run that is asked here."""

    spec: PlannerSpec


def spec(*, tools=(), agents=()):
    return PlannerSpec("planner", None, as_tools(tools), tuple(agents), 3, frozenset(), None, None, None)


def epoch(domain, tasks, *, done=(), order="total", state=None, **options):
    plan = find_plan(domain, state or {}, tasks, order=order)
    return Epoch(Given(spec(**options)), plan, frozenset(done), plan.start, {}, [], {})


def step(name, **options):
    return Operator(name, **options)


@tool
def parse(text: str) -> str:
    """Parse a text."""
    return text


# Who does what


def test_a_step_is_for_those_with_its_name_or_skill_and_else_for_those_without_skills():
    ann, bob, parse_, dee = Agent("ann", skills=["parse"]), Agent("bob"), Agent("parse"), Agent("dee", skills=["other"])
    assert able([ann, bob, dee], "parse") == ["ann"]
    assert able([bob, dee], "parse") == ["bob"]
    assert able([bob, parse_], "parse") == ["parse"]
    assert able([dee], "parse") == []
    broad = Agent("abe", skills=["parse", "store"])
    assert able([broad, ann], "parse") == ["ann", "abe"], "who can do the fewest other things comes first"


def test_tools_do_what_has_their_name_and_agents_the_rest():
    domain = Domain([step("parse"), step("store")])
    now = epoch(domain, ["parse", "store"], order=[], tools=[parse], agents=[Agent("ann"), Agent("bob")])
    assert now.doers(1) == [TOOLS]
    assert now.doers(2) == ["ann", "bob"]
    assert now.assign(["1", "2"], now.workers()) == {"1": TOOLS, "2": "ann"}


def test_every_agent_does_one_step_at_a_time_and_the_rest_waits():
    domain = Domain([step("a"), step("b"), step("c")])
    now = epoch(domain, ["a", "b", "c"], order=[], agents=[Agent("ann"), Agent("bob")])
    assert now.workers() == {TOOLS: 3, "ann": 1, "bob": 1}
    assert now.assign(["1", "2", "3"], now.workers()) == {"1": "ann", "2": "bob"}
    assert now.assign(["3"], {"bob": 1}) == {"3": "bob"}


def test_who_gave_a_step_up_is_not_given_it_again_while_there_is_another():
    now = epoch(Domain([step("a")]), ["a"], agents=[Agent("ann"), Agent("bob")])
    now.tried("1", "ann", {"attempts": 1, "errors": ["down"], "usage": {}, "call": {}})
    assert now.assign(["1"], now.workers()) == {"1": "bob"}
    assert now.assign(["1"], {"ann": 1}) == {}, "it waits for bob"


def test_without_tools_and_agents_steps_are_simulated():
    now = epoch(Domain([step("a"), step("b")]), ["a", "b"], order=[])
    assert now.assign(["1", "2"], now.workers()) == {"1": SIMULATION, "2": SIMULATION}


# What is believed


CHAIN = Domain([step("a", eff=[("n", "=", 1)]), step("b", pre=[("n", "==", 1)], eff=[("n", "=", 2)]), step("c")])


def test_what_comes_before_a_step_is_known_through_others():
    now = epoch(CHAIN, ["a", "b", "c"])
    assert (now.before(1), now.before(2), now.before(3)) == (set(), {1}, {1, 2})
    assert epoch(CHAIN, ["a", "b", "c"], done=[1]).before(3) == {2}, "what was done before is no part of it"


def test_the_state_is_believed_to_be_what_the_steps_make_of_it():
    now = epoch(CHAIN, ["a", "b", "c"])
    assert [now.believed(ids).get("n") for ids in (set(), {1}, {1, 2})] == [None, 1, 2]


def test_only_additions_side_by_side_share_a_variable():
    adds = [step(name, eff=[("n", "+=", 1)]) for name in ("a", "b")]
    domain = Domain([*adds, step("c", eff=[("m", "=", 1)])])
    beside = epoch(domain, ["a", "b", "c"], order=[], state={"n": 0})
    assert beside.is_shared(1, ("n", ()))
    assert not beside.is_shared(3, ("m", ()))
    after = epoch(domain, ["a", "b"], state={"n": 0})
    assert not after.is_shared(1, ("n", ()))
    assert not after.is_shared(2, ("n", ()))


# What is stored


def test_a_plan_comes_back_from_json_as_it_was():
    ways = [
        Method("m", "top", ["?x"], subtasks=[("1", ("a", "?x")), ("2", "b"), ("3", ("a", "?x"))], order=[("1", "2")]),
        Method("none", "rest"),
    ]
    plan = find_plan(Domain([step("a", parameters=["?x"]), step("b")], ways), {"n": 1}, [("top", "o1"), "rest"])
    back = plan_in(plan.domain, state_out(plan.start), rows_of(plan), root_of(plan.root))
    assert (back.nodes, back.root, back.start) == (plan.nodes, plan.root, plan.start)
    assert back.order == plan.order


def test_arguments_that_are_tuples_come_back_as_tuples():
    domain = Domain(
        [Operator("move", run=lambda state, disc: state)], [Method("m", "top", run=lambda state: [("move", ("a", 1))])]
    )
    plan = find_plan(domain, {}, ["top"])
    rows = [[node_id, [*map(_listed, task)], key, parent, method] for node_id, task, key, parent, method in plan.nodes]
    assert plan_in(domain, {}, rows, root_of(plan.root)).nodes == plan.nodes


def _listed(value):
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("value", [(1, (2, "x")), {"a": (1,)}, [], 5, None, "x", True])
def test_a_state_of_python_functions_is_json_before_a_checkpoint_as_after_it(value):
    domain = Domain([Operator("a", run=lambda state: state)])
    once = state_in(domain, {"v": value})
    assert state_in(domain, state_out(once)) == once
    assert not any(isinstance(one, tuple) for one in [once["v"]])


def test_a_declared_state_is_of_facts():
    state = state_in(CHAIN, {"at(o1)": "home", "gone": None})
    assert isinstance(state, Facts)
    assert state_out(state) == {"at(o1)": "home"}
