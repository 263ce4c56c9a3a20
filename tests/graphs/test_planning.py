"""The planner graph: whatever tools, agents and the world do, no step is done that may not be, and the run ends."""

import asyncio
import json
import random
import threading
from collections import Counter
from threading import Event

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from langgraph_agora import Agent, Budget, ConfigError, create_consensus
from langgraph_agora.graphs.planning import create_planner
from langgraph_agora.nodes.plan_state import PlannerContext
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator, Task
from langgraph_agora.nodes.planning.domain_files import Problem, read_problem
from langgraph_agora.nodes.planning.search import root_network
from langgraph_agora.testing import ScriptedModel
from tests.graphs.planning_world import BASE, SCENARIOS, World, json_of
from tests.nodes.planning.mending import tree, workshop
from tests.nodes.planning.verifier import after, holds, step_of

WAYS = ("invoke", "ainvoke")
FILE = json.dumps(BASE)


def run(domain, given=None, *, way="invoke", context=None, config=None, **options):
    graph = create_planner(domain, **options).compile()
    if way == "ainvoke":
        return asyncio.run(graph.ainvoke(given or {}, config, context=context))
    return graph.invoke(given or {}, config, context=context)


def step(name, **options):
    return Operator(name, **{"eff": [(f"{name}_done", "=", True)], **options})


def way(id_, task, *steps, order="total", **options):
    return Method(id_, task, subtasks=[(name, name) for name in steps], order=order, **options)


way_ = way  # Where `way` is invoke or ainvoke.


def named(name, function):
    """A function under another name, as a tool."""

    def call():
        return function()

    call.__name__, call.__doc__ = name, f"Do {name}."
    return call


def ok(*names, calls=None):
    """Tools that succeed."""

    def note(name):
        if calls is not None:
            calls.append(name)
        return f"{name} ok"

    return [named(name, lambda name=name: note(name)) for name in names]


def down(name, calls=None):
    def fail():
        if calls is not None:
            calls.append(name)
        raise RuntimeError("out of order")

    return named(name, fail)


def events(result):
    return [row["event"] for row in result["trace"]]


def tasks_of(rows):
    return [row["task"] for row in rows]


# The scenarios


OBSERVED = [(name, how) for name in SCENARIOS for how in ("sense_with_state", "sense") if name != "x10"]
UNSEEN = [(name, "") for name in SCENARIOS if name not in ("x2", "x3", "x7", "x10")]  # Those are of what is seen.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "hook"), OBSERVED + UNSEEN)
def test_the_scenarios_go_as_written(name, hook, way):
    wanted = SCENARIOS[name]
    world = World(inject=wanted["inject"])
    given = {"state": {"net": "down"}} if name == "x11" else {}
    world.state |= given.get("state", {})
    context = PlannerContext(retries=wanted.get("retry", 0), step_seconds=0.2 if name == "x8" else 30)
    options = {"max_replans": wanted.get("max_replans", 3), "sense": getattr(world, hook, None), "tools": world.tools()}
    result = json_of(run(FILE, given, way=way, context=context, **options))
    assert world.calls == wanted["tool_calls"]
    assert (result["replans"], result["success"]) == (wanted["replans"], wanted["status"] == "success")
    assert result["final_state"] == world.state
    done = [call for call in world.calls if call[-1] not in "!?"]
    assert tasks_of(result["completed"]) == list(dict.fromkeys(done)), "what was undone at once was never done"


def test_a_run_that_is_given_up_says_what_was_tried_and_what_was_done():
    world = World(inject=SCENARIOS["x5"]["inject"])
    result = json_of(run(FILE, tools=world.tools(), sense=world.sense))
    assert (result["stop"], result["success"]) == ("exhausted", False)
    assert tasks_of(result["completed"]) == SCENARIOS["x5"]["executed"]
    assert all(name in result["answer"] for name in [*SCENARIOS["x5"]["abort_names"], "fetch_primary", "parse"])
    assert result["final_state"]["parsed"] is True
    assert tasks_of(result["remaining"]) == ["store_file"]
    assert result["explanation"] == "there is no other way to do store"


def test_a_budget_of_replans_that_is_used_up_is_the_reason():
    world = World(inject=SCENARIOS["x6"]["inject"])
    result = run(FILE, tools=world.tools(), max_replans=1)
    assert (result["stop"], result["replans"]) == ("max_replans", 1)
    assert "mended 1 times" in result["explanation"]
    none = World(inject=SCENARIOS["x1"]["inject"])
    result = run(FILE, tools=none.tools(), max_replans=0)
    assert (result["stop"], result["replans"], none.calls) == ("max_replans", 0, ["fetch_primary!"])
    more = World(inject=SCENARIOS["x1"]["inject"])
    result = run(FILE, tools=more.tools(), max_replans=0, context=PlannerContext(max_replans=2))
    assert result["success"], "the run's own number counts"


def test_the_output_tells_everything_of_a_run():
    world = World()
    result = run(FILE, tools=world.tools())
    assert result["messages"][-1].content == result["answer"] == "store_db ok"
    assert result["messages"][-1].name == "planner"
    values = json_of(result)
    assert (values["stop"], values["success"], values["replans"], values["remaining"]) == ("done", True, 0, [])
    assert events(values) == ["plan", "done", "done", "done", "end"]
    first = values["completed"][0]
    assert (first["task"], first["output"], first["worker"], first["attempts"]) == (
        "fetch_primary", "fetch_primary ok", "tools", 1,
    )  # fmt: skip
    assert first["started"] < values["completed"][1]["started"]
    assert values["plan"]["steps"] == [row["id"] for row in values["completed"]]


# Side by side


BRANCHES = Domain(
    [
        *[step(name, eff=[("a", "=", 1)]) for name in ("la", "lb")],
        *[step(name, eff=[("b", "=", 1)]) for name in ("ra", "rb")],
        step("join", pre=[("a", "==", 1), ("b", "==", 1)]),
    ],
    [way(m, side, f"{side[0]}{m}", p=p) for side in ("left", "right") for m, p in (("a", 1), ("b", 0.5))],
)
SIDES = Problem(
    BRANCHES,
    {},
    root_network([("left", ("left",)), ("right", ("right",)), ("join", ("join",))],
                 [("left", "join"), ("right", "join")]),
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_of_two_branches_the_one_that_fails_is_mended_while_the_other_goes_on(way):
    calls, begun, failed = [], threading.Barrier(2, timeout=20), threading.Event()

    def left():
        begun.wait()
        calls.append("la!")
        failed.set()
        raise RuntimeError("out of order")

    def right():
        begun.wait()
        assert failed.wait(20)
        calls.append("ra")
        return "right"

    tools = [named("la", left), named("ra", right), *ok("lb", "rb", "join", calls=calls)]
    result = run(SIDES, way=way, tools=tools)
    assert calls == ["la!", "ra", "lb", "join"]
    assert (result["success"], result["replans"]) == (True, 1)
    [mended] = [row for row in result["trace"] if row["event"] in ("repair", "contingency", "replan")]
    assert mended["replaced"] == ["left"]
    assert result["final_state"] == {"a": 1, "b": 1, "join_done": True}


@pytest.mark.parametrize("way", WAYS)
def test_two_branches_that_fail_at_once_are_mended_at_once(way):
    calls, together = [], threading.Barrier(2, timeout=20)

    def fail():
        together.wait()
        raise RuntimeError("out of order")

    tools = [named("la", fail), named("ra", fail), *ok("lb", "rb", "join", calls=calls)]
    result = run(SIDES, way=way, tools=tools, max_replans=1)
    assert (sorted(calls[:2]), calls[2:]) == (["lb", "rb"], ["join"])
    assert (result["success"], result["replans"]) == (True, 1)
    failed = [row["task"] for row in result["trace"] if row["event"] == "failed"]
    assert sorted(failed) == ["la", "ra"]
    [mended] = [row for row in result["trace"] if row["event"] == "repair"]
    assert mended["replaced"] == ["left", "right"], "join is as it was"


@pytest.mark.parametrize("way", WAYS)
def test_nothing_new_begins_until_the_plan_is_mended(way):
    begun, failed = threading.Barrier(2, timeout=20), threading.Event()

    def left():
        begun.wait()
        failed.set()
        raise RuntimeError("out of order")

    def right():
        begun.wait()
        assert failed.wait(20)
        return "right"

    domain = Domain(
        [step(name) for name in ("la", "lb", "r1", "r2")],
        [way_("m1", "left", "la"), way_("m2", "left", "lb", p=0.5), way_("m", "right", "r1", "r2")],
    )
    problem = Problem(domain, {}, root_network(["left", "right"], []))
    result = run(problem, way=way, tools=[named("la", left), named("r1", right), *ok("lb", "r2")])
    told = [(row["event"], row.get("task")) for row in result["trace"]]
    assert told.index(("done", "r1")) < told.index(("repair", None)) < told.index(("done", "r2"))


def test_what_was_done_for_a_task_counts_when_a_third_way_of_it_needs_it():
    """m1 = a, b; m2 = c, d; m3 = a, e: b and d fail, and a is called once."""
    calls = []
    ways = [way("m1", "top", "a", "b"), way("m2", "top", "c", "d", p=0.9), way("m3", "top", "a", "e", p=0.8)]
    domain = Domain([step(name) for name in "abcde"], ways)
    tools = [*ok("a", "c", "e", calls=calls), down("b", calls), down("d", calls)]
    result = run(domain, {"tasks": ["top"]}, tools=tools)
    assert (result["success"], calls) == (True, ["a", "b", "c", "d", "e"])
    assert tasks_of(result["completed"]) == ["a", "c", "e"]


@pytest.mark.parametrize("way", WAYS)
def test_what_runs_when_a_run_is_given_up_is_awaited_and_kept(way):
    calls, right_ended = [], []
    begun, failed = threading.Barrier(2, timeout=20), threading.Event()

    def left():
        begun.wait()
        failed.set()
        raise RuntimeError("out of order")

    def right():
        begun.wait()
        assert failed.wait(20)
        right_ended.append(True)
        return "right"

    tools = [named("la", left), down("lb"), named("ra", right), *ok("rb", "join", calls=calls)]
    result = run(SIDES, way=way, tools=tools)
    assert (result["stop"], right_ended, calls) == ("exhausted", [True], [])
    assert tasks_of(result["completed"]) == ["ra"]
    assert "ra" in result["answer"]
    assert tasks_of(result["remaining"])[-1] == "join"


@pytest.mark.parametrize("way", WAYS)
def test_a_step_begins_when_what_it_needs_is_done_and_not_when_a_wave_is(way):
    """`slow` waits for `second`, which comes after `first`: in waves nobody would ever be done."""
    begun = threading.Event()

    def slow():
        assert begun.wait(20)
        return "slow"

    domain = Domain(
        [step("slow"), step("first"), step("second"), step("last")],
        [
            Method("m", "all", subtasks=[("s", "slow"), ("1", "first"), ("2", "second"), ("z", "last")],
                   order=[("1", "2"), ("s", "z"), ("2", "z")]),
        ],
    )  # fmt: skip
    tools = [named("slow", slow), named("second", lambda: begun.set()), *ok("first", "last")]
    result = run(domain, {"tasks": ["all"]}, way=way, tools=tools)
    assert result["success"]
    started = {row["task"]: row["started"] for row in result["completed"]}
    assert started["first"] < started["second"] < started["last"]


def test_the_same_agent_does_one_step_at_a_time_and_two_agents_two():
    together, working, most = threading.Barrier(2, timeout=20), [], []

    def alone(state):
        working.append(1)
        most.append(len(working))
        working.pop()
        return "done"

    domain = Domain([step("a"), step("b")], [way("m", "both", "a", "b", order=[])])
    result = run(domain, {"tasks": ["both"]}, agents=[RunnableLambda(alone, name="ann")])
    assert (result["success"], max(most)) == (True, 1)
    pair = [RunnableLambda(lambda state: f"{together.wait()}", name=name) for name in ("ann", "bob")]
    result = run(domain, {"tasks": ["both"]}, agents=pair)
    assert sorted(row["worker"] for row in result["completed"]) == ["ann", "bob"]


def test_200_steps_are_carried_out_in_their_order():
    calls = []
    names = [f"s{n}" for n in range(200)]
    domain = Domain([step(name) for name in names], [way("m", "long", *names)])
    result = run(domain, {"tasks": ["long"]}, tools=ok(*names, calls=calls))
    assert (result["success"], calls) == (True, names)


def test_200_steps_side_by_side():
    names = [f"s{n}" for n in range(200)]
    domain = Domain([step(name) for name in names], [way("m", "wide", *names, order=[])])
    calls = []
    assert run(domain, {"tasks": ["wide"]}, way="ainvoke", tools=ok(*names, calls=calls))["success"]
    assert sorted(calls) == sorted(names)


def test_what_is_added_side_by_side_is_seen_as_done():
    """Both add to one counter: what is observed after one may hold what the other has added."""
    together = threading.Barrier(2, timeout=20)
    world = {"n": 0}
    lock = threading.Lock()

    def add():
        together.wait()
        with lock:
            world["n"] += 1
        together.wait()

    domain = Domain(
        [Operator(name, eff=[("n", "+=", 1)]) for name in ("a", "b")], [way("m", "both", "a", "b", order=[])]
    )
    problem = Problem(domain, {"n": 0}, root_network(["both"]))
    result = run(problem, tools=[named("a", add), named("b", add)], sense=world.copy)
    assert (result["success"], result["replans"], result["final_state"]) == (True, 0, {"n": 2})
    alone = Problem(domain, {"n": 0}, root_network(["a"]))
    result = run(alone, tools=ok("a", "b"), sense=lambda: {"n": 0})
    assert result["stop"] == "exhausted", "alone it is told that nothing was added"
    assert "n is 0, not 1" in result["answer"]


# The world


def test_no_tool_is_called_again_when_the_world_has_ruled_it_out_meanwhile():
    """It fails once, and a retry is allowed; but its condition does not hold any more."""
    world = {"net": "up"}
    calls = []

    def fetch():
        calls.append("fetch")
        world["net"] = "down"
        raise RuntimeError("the net went down")

    domain = Domain(
        [step("fetch", pre=[("net", "==", "up")]), step("walk")],
        [way("m1", "get", "fetch"), way("m2", "get", "walk", p=0.5)],
    )
    problem = Problem(domain, {"net": "up"}, root_network(["get"]))
    result = run(
        problem, tools=[named("fetch", fetch), *ok("walk", calls=calls)], sense=lambda: world,
        context=PlannerContext(retries=3),
    )  # fmt: skip
    assert calls == ["fetch", "walk"]
    failed = next(row for row in result["trace"] if row["event"] == "failed")
    assert (failed["kind"], failed["reason"]) == ("precondition", "net == up (it is down) does not hold")


def test_a_world_that_undoes_everything_for_ever_is_given_up():
    domain = Domain([step("build", eff=[("built", "=", True)]), step("use", pre=[("built", "==", True)])],
                    [way("m", "all", "build", "use")])  # fmt: skip
    calls, looks = [], []

    def build():
        calls.append("build")
        looks.append(True)

    result = run(
        domain, {"tasks": ["all"]}, tools=[named("build", build), *ok("use", calls=calls)],
        sense=lambda: {"built": bool(looks and looks.pop())},
    )  # fmt: skip
    assert (result["stop"], result["replans"], calls) == ("max_replans", 3, ["build"] * 4)


def test_what_succeeds_twice_without_its_effect_is_given_up():
    """The same call in the same state is made once more, and then another way is taken."""
    calls = []
    domain = Domain(
        [step("a", eff=[("x", "=", 1)]), step("b", eff=[("y", "=", 1)])],
        [way("m1", "top", "a"), way("m2", "top", "b", p=0.5)],
    )
    result = run(
        domain, {"tasks": ["top"]}, tools=ok("a", "b", calls=calls),
        sense=lambda state: {"x": None, "y": state.get("y")}, max_replans=9,
    )  # fmt: skip
    assert calls == ["a", "a", "b"]
    assert (result["success"], result["replans"]) == (True, 2)


def test_what_the_world_changed_is_in_the_trace_and_in_the_final_state():
    world = World(inject=[["after store_db", "disk='full'"]])
    result = run(FILE, tools=world.tools(), sense=world.sense)
    assert result["success"]
    assert result["final_state"]["disk"] == "full"
    [change] = [row["changes"] for row in result["trace"] if row["event"] == "world"]
    assert change == {"disk": "full"}
    gone = run(FILE, tools=World().tools(), sense=lambda: {"net": None})
    assert next(row for row in gone["trace"] if row["event"] == "world")["changes"] == {"net": None}


@pytest.mark.parametrize("sense", [lambda: "raining", lambda: 5, lambda: [("net", "up")]])
def test_a_hook_that_sees_something_else_than_values_is_a_failure_that_is_told(sense):
    world = World()
    result = run(FILE, tools=world.tools(), sense=sense)
    assert (result["stop"], world.calls) == ("max_replans", [])
    assert "sense returned" in result["answer"]
    assert "return variable -> value, or None" in result["answer"]


def test_a_hook_that_fails_once_costs_one_mending():
    world, looks = World(), []

    def sense():
        looks.append(1)
        if len(looks) == 3:
            raise OSError("camera off")
        return world.sense()

    result = run(FILE, tools=world.tools(), sense=sense)
    assert (result["success"], result["replans"]) == (True, 1)
    assert [row["kind"] for row in result["trace"] if row["event"] == "failed"] == ["sense"]


def test_a_hook_that_hangs_is_left_behind():
    hangs = Event()
    result = run(FILE, tools=World().tools(), sense=hangs.wait, context=PlannerContext(step_seconds=0.1), max_replans=0)
    hangs.set()
    assert "sense saw nothing within 0.1 seconds" in result["answer"]


def test_a_hook_may_see_nothing():
    assert run(FILE, tools=World().tools(), sense=lambda: None)["success"]
    assert run(FILE, tools=World().tools(), sense=lambda path="sensors": {"net": "up"})["success"]


# Tools


def lifted():
    ship = Operator("ship", ["?order", ("?van", "van")], eff=[("at(?order)", "=", "?van")])
    pack = Operator("pack", ["?order"], eff=[("packed(?order)", "=", True)])
    steps = [("p", ("pack", "?order")), ("s", ("ship", "?order", "?van"))]
    deliver = Method("by_van", "deliver", ["?order", ("?van", "van")], subtasks=steps, arity=1)
    return Domain([ship, pack], [deliver], objects={"van": ["v1", "v2"]})


def test_tools_are_called_with_the_arguments_of_their_operators():
    calls = []

    def ship(van: str, order: str) -> str:
        """Ship it."""
        calls.append(("ship", order, van))
        return f"{order} on its way"

    @tool
    def pack(parcel: str) -> str:
        """Pack it; the parameter has another name than the operator's, so it is taken by its place."""
        calls.append(("pack", parcel))
        return "packed"

    result = run(lifted(), {"tasks": [["deliver", "o1"]]}, tools=[ship, pack])
    assert calls == [("pack", "o1"), ("ship", "o1", "v1")]
    assert result["answer"] == "o1 on its way"
    assert tasks_of(result["completed"]) == ["pack(o1)", "ship(o1, v1)"]
    assert result["final_state"] == {"packed(o1)": True, "at(o1)": "v1"}


def test_a_method_is_tried_with_another_value_when_it_fails_with_one():
    calls = []

    def ship(order: str, van: str) -> str:
        """Ship it."""
        calls.append(van)
        if van == "v1":
            raise RuntimeError("a flat tyre")
        return "on its way"

    def pack(order: str) -> str:
        """Pack it."""
        calls.append("pack")
        return "packed"

    result = run(lifted(), {"tasks": [["deliver", "o1"]]}, tools=[ship, pack])
    assert (calls, result["success"]) == (["pack", "v1", "v2"], True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [SystemExit(3), ValueError("no"), asyncio.CancelledError(), StopIteration("x")])
def test_whatever_a_tool_raises_is_a_failed_step(error, way):
    def breaks():
        raise error

    domain = Domain([step("a"), step("b")], [way_("m1", "top", "a"), way_("m2", "top", "b", p=0.5)])
    result = run(domain, {"tasks": ["top"]}, way=way, tools=[named("a", breaks), *ok("b")])
    assert (result["success"], tasks_of(result["completed"])) == (True, ["b"])
    assert next(row for row in result["trace"] if row["event"] == "failed")["kind"] == "error"


def test_a_tool_that_fails_is_not_called_again_as_if_it_were_an_agent():
    calls = []
    domain = Domain([step("a"), step("b")], [way("m1", "top", "a"), way("m2", "top", "b", p=0.5)])
    agents = [RunnableLambda(lambda state: "done", name=name) for name in ("ann", "bob", "cem")]
    result = run(domain, {"tasks": ["top"]}, tools=[down("a", calls)], agents=agents)
    assert calls == ["a"]
    assert [(row["task"], row["worker"]) for row in result["completed"]] == [("b", "ann")]


def test_async_tools_work_in_both_ways():
    @tool
    async def a() -> str:
        """Do a."""
        return "a ok"

    for how in WAYS:
        assert run(Domain([step("a")]), {"tasks": ["a"]}, way=how, tools=[a])["answer"] == "a ok"


# Agents


def final(text):
    return {"thought": "done", "action": "final_answer", "input": text}


@pytest.mark.parametrize("way", WAYS)
def test_models_runnables_agents_and_graphs_do_the_steps_of_their_skills(way):
    model = ScriptedModel([final("the parsed text")])
    heard = []

    def listen(state):
        heard.extend(one.text for one in state["messages"])
        return "checked"

    runnable = RunnableLambda(listen, name="runs")
    made = create_agent(ScriptedModel(["from create_agent"]), [], name="made")
    voters = [RunnableLambda(lambda state: "yes", name=name) for name in ("v1", "v2", "v3")]
    voting = create_consensus(voters, name="voting").compile(name="voting")
    domain = Domain(
        [step(name) for name in ("parse", "check", "store", "vote")],
        [way_("m", "all", "parse", "check", "store", "vote")],
    )
    agents = [
        Agent("parser", skills=["parse"], model=model, role="You parse."),
        Agent("checker", skills=["check"], runnable=runnable),
        Agent("storer", skills=["store"], runnable=made),
        Agent("voting", skills=["vote"], runnable=voting),
    ]
    result = run(domain, {"tasks": ["all"]}, way=way, agents=agents)
    assert [(row["worker"], row["output"]) for row in result["completed"]] == [
        ("parser", "the parsed text"),
        ("checker", "checked"),
        ("storer", "from create_agent"),
        ("voting", result["completed"][3]["output"]),
    ]
    assert "yes" in result["completed"][3]["output"]
    assert heard == [
        "You do one step of a plan. Do it, and say what came of it.\n\n"
        "What the steps before gave:\nparse: the parsed text",
        "check",
    ], "a graph that takes the last human message for its task hears the step, word by word"
    assert "You do one step of a plan" in model.requests[0].text
    assert result["usage"]["parser"]["calls"] == 1
    assert result["usage"]["parser"]["tokens_out"] > 0


def listener(heard, name="ann"):
    """An agent that notes what it is told, as (kind, text)."""

    def listen(state):
        heard.append([(one.type, one.text) for one in state["messages"]])
        return f"{name} did it"

    return RunnableLambda(listen, name=name)


ALONE = ("human", "You do one step of a plan. Do it, and say what came of it.")


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_is_told_all_that_was_said_before_when_the_tasks_are_given_beside_it(way):
    heard = []
    talk = [("human", "My name is Ada."), ("ai", "Hello, Ada.")]
    for given in ({"messages": talk}, {"messages": []}, {}):
        run(Domain([step("a")]), {**given, "tasks": ["a"]}, way=way, agents=[listener(heard)])
    assert heard == [[*talk, ALONE, ("human", "a")], [ALONE, ("human", "a")], [ALONE, ("human", "a")]]


@pytest.mark.parametrize("way", WAYS)
def test_in_a_thread_an_agent_is_told_the_turns_before(way):
    heard = []
    graph = create_planner(Domain([step("a"), step("b")]), agents=[listener(heard)]).compile(InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    for given in ({"messages": [("user", "a")]}, {"tasks": ["b"]}):
        asyncio.run(graph.ainvoke(given, config)) if way == "ainvoke" else graph.invoke(given, config)
    assert heard[1] == [("human", "a"), ("ai", "ann did it"), ALONE, ("human", "b")]


def test_the_goal_is_told_once_and_whole_and_what_came_after_it_is_kept():
    heard = []
    long = f"Please do the work. {'It matters. ' * 200}".strip()
    problem = Problem(Domain([step("a")]), {}, root_network(["a"]))
    for talk in ([("ai", "Welcome."), ("human", long)], [("human", long), ("ai", "Wait.")]):
        run(problem, {"messages": talk}, agents=[listener(heard)])
    told = ("human", f"{ALONE[1]}\n\nThe goal of the plan:\n{long}")
    assert heard == [
        [("ai", "Welcome."), told, ("human", "a")],
        [("human", long), ("ai", "Wait."), told, ("human", "a")],
    ]


def test_when_planned_calls_fail_the_agent_hears_the_goal_last_and_before_it_what_they_gave():
    heard = []
    calls = [{"tool": "a", "input": {}}, {"tool": "b", "input": {}, "after": [1]}]
    model = ScriptedModel([json.dumps({"calls": calls})])
    talk = [("human", "Hi."), ("ai", "Hello."), ("human", "Do \ud800 it.")]
    run(None, {"messages": talk}, tools=[*ok("a"), down("b")], agents=[listener(heard)], model=model)
    before = [*talk[:2], ("human", "What the steps before gave:\na ok")]
    assert heard == [[*before, ("human", "Do \ufffd it.")]], "without what no model can be sent"


def test_the_talk_around_the_goal_is_told_to_the_model_that_plans_calls():
    model = ScriptedModel([json.dumps({"calls": [{"tool": "a", "input": {}}]}), "It is done."])
    talk = [("ai", "Welcome."), ("human", "Do it."), ("ai", "With a?")]
    run(None, {"messages": talk}, tools=ok("a"), model=model)
    assert [one.text for one in model.requests[0].messages][:3] == ["Welcome.", "Do it.", "With a?"]


def test_a_picture_in_the_goal_reaches_the_agent():
    kinds = []

    def see(state):
        kinds.extend(block["type"] for one in state["messages"] for block in one.content_blocks)
        return "a cat"

    picture = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
    goal = [{"type": "text", "text": "look"}, picture]
    run(Domain([step("look")]), {"messages": [("user", goal)]}, agents=[RunnableLambda(see, name="eyes")])
    assert kinds == ["text", "image", "text", "text"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("given", [{"tasks": [["ship", "o1"]]}, {"messages": [("user", "ship(o1)")]}])
def test_a_planner_is_the_worker_of_a_step_of_another_planner(given, way):
    heard = []
    packing = Domain(
        [Operator("wrap", ["?what"]), Operator("label", ["?what"])],
        [Method("m", "pack", ["?what"], subtasks=[("w", ("wrap", "?what")), ("l", ("label", "?what"))], order="total")],
    )
    packer = create_planner(packing, agents=[listener(heard, "hands")], name="packer").compile(name="packer")
    shipping = Domain(
        [Operator("pick", ["?what"]), Operator("pack", ["?what"])],
        [Method("m", "ship", ["?what"], subtasks=[("i", ("pick", "?what")), ("a", ("pack", "?what"))], order="total")],
    )
    picker = Agent("picker", skills=["pick"], runnable=RunnableLambda(lambda state: "picked"))
    agents = [picker, Agent("packer", skills=["pack"], runnable=packer)]
    result = json_of(run(shipping, given, way=way, agents=agents))
    assert (result["success"], result["replans"]) == (True, 0)
    assert [(row["task"], row["output"]) for row in result["completed"]] == [
        ("pick(o1)", "picked"),
        ("pack(o1)", "hands did it"),
    ]
    assert [messages[-1] for messages in heard] == [("human", "wrap(o1)"), ("human", "label(o1)")]
    assert any("pick(o1): picked" in text for _, text in heard[0]), "what came before is told at the bottom too"


@pytest.mark.parametrize("way", WAYS)
def test_another_agent_does_what_a_dead_one_did_not(way):
    dead = ScriptedModel([ConnectionError("no route")], after="repeat")
    able = ScriptedModel([final("done by bob")])
    domain = Domain([step("a")])
    agents = [Agent("ann", skills=["a"], model=dead), Agent("bob", skills=["a"], model=able)]
    result = run(domain, {"tasks": ["a"]}, way=way, agents=agents)
    [row] = result["completed"]
    assert (row["worker"], row["output"], row["attempts"]) == ("bob", "done by bob", 2)
    assert result["replans"] == 0, "it is the same plan"
    done = next(one for one in result["trace"] if one["event"] == "done")
    assert "no route" in done["errors"][0]
    assert result["usage"]["ann"]["calls"] >= 1, "what the dead one cost is told too"


def test_when_all_able_agents_are_dead_the_plan_is_mended():
    dead = [Agent(name, skills=["a"], runnable=RunnableLambda(lambda state: 1 / 0)) for name in ("ann", "bob")]
    domain = Domain([step("a"), step("b")], [way("m1", "top", "a"), way("m2", "top", "b", p=0.5)])
    cem = Agent("cem", skills=["b"], runnable=RunnableLambda(lambda state: "done by cem"))
    result = run(domain, {"tasks": ["top"]}, agents=[*dead, cem])
    assert (result["answer"], result["replans"]) == ("done by cem", 1)
    failed = next(row for row in result["trace"] if row["event"] == "failed")
    assert (failed["worker"], failed["attempts"]) == ("bob", 2)


@pytest.mark.parametrize(
    ("said", "kind"), [("", "empty"), (None, "empty"), ("I'm sorry, but I cannot do that.", "error")]
)
def test_an_agent_that_delivers_nothing_has_failed(said, kind):
    agents = [
        Agent("ann", skills=["a"], runnable=RunnableLambda(lambda state: said)),
        Agent("bob", skills=["b"], runnable=RunnableLambda(lambda state: "here it is")),
    ]
    domain = Domain([step("a"), step("b")], [way("m1", "top", "a"), way("m2", "top", "b", p=0.5)])
    result = run(domain, {"tasks": ["top"]}, agents=agents)
    assert result["answer"] == "here it is"
    assert next(row for row in result["trace"] if row["event"] == "failed")["kind"] == kind


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_that_takes_too_long_has_failed(way):
    agents = [
        Agent("ann", skills=["a"], runnable=RunnableLambda(lambda state: threading.Event().wait())),
        Agent("bob", skills=["b"], runnable=RunnableLambda(lambda state: "here it is")),
    ]
    domain = Domain([step("a"), step("b")], [way_("m1", "top", "a"), way_("m2", "top", "b", p=0.5)])
    result = run(domain, {"tasks": ["top"]}, way=way, agents=agents, context=PlannerContext(step_seconds=0.2))
    assert result["answer"] == "here it is"
    assert next(row for row in result["trace"] if row["event"] == "failed")["kind"] == "timeout"


def test_a_retry_is_for_agents_too():
    answers = iter(["", "at last"])
    result = run(
        Domain([step("a")]), {"tasks": ["a"]}, context=PlannerContext(retries=1),
        agents=[RunnableLambda(lambda state: next(answers), name="ann")],
    )  # fmt: skip
    assert (result["answer"], result["completed"][0]["attempts"], result["replans"]) == ("at last", 2, 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_budget_ends_the_run_and_what_was_done_is_kept(way):
    model = ScriptedModel([final("one"), final("two"), final("three")])
    domain = Domain([step(name) for name in "abc"], [way_("m", "all", "a", "b", "c")])
    config = {"callbacks": [Budget(max_calls=2)]}
    result = run(domain, {"tasks": ["all"]}, way=way, agents=[Agent("ann", model=model)], config=config)
    assert (result["stop"], result["success"]) == ("budget", False)
    assert [(row["task"], row["output"]) for row in result["completed"]] == [("a", "one"), ("b", "two")]
    assert tasks_of(result["remaining"]) == ["c"]
    assert result["replans"] == 0, "it is not the step's fault"
    assert "a, b" in result["answer"]


@pytest.mark.parametrize("way", WAYS)
def test_a_tool_that_uses_the_budget_up_ends_the_run_and_one_with_its_own_has_failed(way):
    model = ScriptedModel(["one", "two", "three"])
    domain = Domain([step("a"), step("b"), step("c")], [way_("m1", "top", "a", "b"), way_("m2", "top", "c", p=0.5)])

    def think():
        return model.invoke("Think.").text

    tools = [named("a", think), named("b", think), *ok("c")]
    config = {"callbacks": [Budget(max_calls=1)]}
    result = run(domain, {"tasks": ["top"]}, way=way, tools=tools, config=config)
    assert (result["stop"], tasks_of(result["completed"])) == ("budget", ["a"])

    def spend():
        own = {"callbacks": [Budget(max_calls=1)]}
        return model.invoke("Think.", own).text + model.invoke("Think.", own).text

    result = run(domain, {"tasks": ["top"]}, way=way, tools=[named("a", spend), *ok("b", "c")])
    assert (result["stop"], tasks_of(result["completed"])) == ("done", ["c"])


@pytest.mark.parametrize("way", WAYS)
def test_a_tool_that_takes_too_long_is_told_from_one_that_fails(way):
    world = World(inject=SCENARIOS["x8"]["inject"])
    result = run(FILE, way=way, tools=world.tools(), context=PlannerContext(step_seconds=0.2))
    failed = next(row for row in result["trace"] if row["event"] == "failed")
    assert (failed["kind"], failed["reason"]) == ("timeout", "The tool gave no result within 0.2 seconds.")


# Domains of Python functions, and runs without tools


def mover():
    """The state is a dict, the arguments are tuples."""

    def move(state, disc, to):
        if state["at"][disc[0]] == to[0]:
            return None
        return {**state, "at": {**state["at"], disc[0]: to[0]}}

    def swap(state, one, other):
        return [("move", one, ("spare",)), ("move", other, ("left",)), ("move", one, ("right",))]

    return Domain([Operator("move", run=move)], [Method("by_spare", "swap", run=swap)])


def test_domains_of_python_functions_are_carried_out():
    calls = []

    def move(disc: list[str], to: list[str]) -> str:
        """Move it."""
        calls.append((disc, to))
        return "moved"

    problem = Problem(mover(), {"at": {"a": "left", "b": "right"}}, root_network([Task("swap", ("a",), ("b",))]))
    result = json_of(run(problem, tools=[move]))
    assert result["success"]
    assert calls == [(["a"], ["spare"]), (["b"], ["left"]), (["a"], ["right"])]
    assert result["final_state"] == {"at": {"a": "right", "b": "left"}}


def test_python_functions_are_mended_too():
    calls = []
    domain = Domain(
        [Operator(name, run=lambda state, *args, name=name: {**state, name: list(args)}) for name in "abc"],
        [
            Method("m1", "get", run=lambda state, x: [("a", x)]),
            Method("m2", "get", run=lambda state, x: [("b", x)], p=0.5),
        ],
    )

    def b(x: str) -> str:
        """Do b."""
        calls.append(x)
        return "b ok"

    problem = Problem(domain, {}, root_network(["c", ("get", "x")]))
    result = run(problem, tools=[down("a", calls), b, *ok("c", calls=calls)])
    assert (result["success"], calls, result["replans"]) == (True, ["c", "a", "x"], 1)
    assert result["final_state"] == {"c": [], "b": ["x"]}


def test_a_state_that_is_no_json_is_told():
    domain = Domain([Operator("a", run=lambda state: {**state, "seen": {1, 2}})])
    with pytest.raises(ConfigError, match=r"'seen' was \{1, 2\}; give texts, numbers, lists"):
        run(domain, {"tasks": ["a"]})


def test_without_tools_and_agents_the_effects_are_simulated():
    result = json_of(run(FILE, {"state": {"disk": "full"}}))
    assert result["answer"] == "Simulated, for no tools or agents were given: fetch_primary, purge, parse, store_db."
    assert (result["stop"], result["final_state"]["stored"]) == ("done", True)
    assert {row["worker"] for row in result["completed"]} == {"simulation"}


def test_nothing_to_do_is_done():
    result = run(Domain([step("a")], [Method("none", "rest")]), {"tasks": ["rest"]})
    assert (result["success"], result["completed"], result["answer"]) == (
        True, [], "Simulated, for no tools or agents were given: nothing had to be done.",
    )  # fmt: skip


# What is asked for


def test_tasks_come_from_the_input_or_the_message_or_the_problem():
    problem = read_problem(FILE)
    asked = [
        ({"tasks": ["fetch"]}, ["fetch_primary"]),
        ({"tasks": [["fetch"], "purge"]}, ["fetch_primary", "purge"]),
        ({"messages": [("user", "fetch\npurge")]}, ["fetch_primary", "purge"]),
        ({"messages": [("user", "fetch.")]}, ["fetch_primary"]),
        ({"messages": [("user", "Please do the work.")]}, ["fetch_primary", "parse", "store_db"]),
        ({"messages": [("user", "fetch")], "tasks": ["purge"]}, ["purge"]),
        ({"messages": [("ai", "Welcome.")], "tasks": ["purge"]}, ["purge"]),
        ({"messages": [("user", [{"type": "text", "text": "fetch"}])]}, ["fetch_primary"]),
        ({"tasks": []}, []),
    ]
    for given, wanted in asked:
        assert tasks_of(run(problem, given)["completed"]) == wanted
    shipped = run(lifted(), {"messages": [("user", "deliver(o1)\n deliver( o2 )")]})
    assert tasks_of(shipped["completed"])[::2] == ["pack(o1)", "pack(o2)"]


def test_no_plan_and_no_time_are_told_apart():
    never = Domain([step("a", pre=[("x", "==", 1)])], [Method("m", "top", run=lambda state: ["a"])])
    result = run(never, {"tasks": ["top"]})
    assert (result["stop"], result["success"], result["completed"]) == ("no_plan", False, [])
    assert result["explanation"].startswith("There is no plan")
    assert result["answer"].startswith("Not done: There is no plan")
    endless = Domain(
        [Operator("tick", run=lambda state: {"n": state["n"] + 1})],
        [Method("m", "loop", run=lambda state: ["tick", "loop"])],
    )
    result = run(endless, {"tasks": ["loop"], "state": {"n": 0}}, context=PlannerContext(plan_seconds=0.2))
    assert result["stop"] == "limit"
    assert "there may be one" in result["explanation"]


def test_what_is_best_can_be_asked_for():
    operators = [
        step("cheap", cost=1, duration=9, p=0.5),
        step("quick", cost=9, duration=1),
        step("sure", cost=5, duration=5),
    ]
    domain = Domain(
        operators, [way(name, "top", name, p=p) for name, p in [("quick", 0.7), ("cheap", 0.8), ("sure", 0.9)]]
    )
    best = {"": "sure", "cost": "cheap", "duration": "quick", "probability": "sure"}
    for optimise, wanted in best.items():
        result = run(domain, {"tasks": ["top"]}, context=PlannerContext(optimise=optimise))
        assert tasks_of(result["completed"]) == [wanted]


@pytest.mark.parametrize("way", WAYS)
def test_a_second_turn_in_a_thread_is_a_run_of_its_own(way):
    world = World(inject=[["fetch_primary", "raises always"]])
    graph = create_planner(FILE, tools=world.tools()).compile(InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}

    def turn(given):
        return asyncio.run(graph.ainvoke(given, config)) if way == "ainvoke" else graph.invoke(given, config)

    first = turn({"tasks": ["fetch"], "state": {"disk": "full"}})
    assert (tasks_of(first["completed"]), first["replans"]) == (["fetch_mirror"], 1)
    second = turn({"messages": [("user", "purge")]})
    assert (tasks_of(second["completed"]), second["replans"]) == (["purge"], 0)
    assert second["final_state"]["disk"] == "ok", "the state of the first turn is not kept"
    assert len(second["messages"]) == 3
    third = turn({"messages": [("user", "fetch")]})
    assert (tasks_of(third["completed"]), third["replans"]) == (["fetch_mirror"], 1), "what failed then may do now"


# Who watches


@pytest.mark.parametrize("way", WAYS)
def test_events_tell_the_course_of_a_run_in_order(way):
    world = World(inject=SCENARIOS["x1"]["inject"])
    graph = create_planner(FILE, tools=world.tools()).compile()

    async def heard():
        return [event async for event in graph.astream({}, stream_mode="custom")]

    events = asyncio.run(heard()) if way == "ainvoke" else list(graph.stream({}, stream_mode="custom"))
    assert all(event["agent"] == "planner" and json.dumps(event) for event in events)
    told = [(event["event"], event.get("task"), event.get("state")) for event in events]
    steps = [row[1:] for row in told if row[0] == "subtask" and row[2] != "waiting"]
    assert steps == [
        ("fetch_primary", "running"),
        ("fetch_primary", "failed"),
        *[(name, state) for name in ("fetch_mirror", "parse", "store_db") for state in ("running", "done")],
    ]
    kinds = [row[0] for row in told]
    assert (kinds[0], kinds[-1]) == ("planning", "end")
    assert kinds.index("mended") > told.index(("subtask", "fetch_primary", "failed"))


# Wrong input


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"domain": 5}, "domain was int; give a Domain, a Problem, or the text"),
        ({"domain": "{"}, "JSON"),
        ({"tools": World().tools()[:3]}, "Nobody does 'purge': give a tool of this name, or an agent"),
        ({"tools": [5]}, "A tool is a LangChain tool or a function; 5 was given"),
        ({"agents": 5}, "agents was 5; give a list"),
        ({"agents": [Agent("ann"), Agent("ann")]}, "Two agents are named 'ann'"),
        ({"agents": [Agent("tools")]}, "An agent is named 'tools', which stands for"),
        ({"agents": [Agent("simulation")]}, "An agent is named 'simulation'"),
        ({"agents": [Agent("ann", skills=["parse"])]}, "Nobody does 'fetch_primary'"),
        ({"max_replans": -1}, "max_replans was -1; give a whole number of at least 0"),
        ({"max_replans": True}, "max_replans was True"),
        ({"max_replans": 1.5}, "max_replans was 1.5"),
        ({"approve": ["fetch_primry"]}, "approve names 'fetch_primry'.*Did you mean 'fetch_primary'"),
        ({"approve": True}, "approve was True; give a list of names"),
        ({"approve": [5]}, "approve names 5"),
        ({"sense": 5}, "sense was 5; give a plain function"),
        ({"model": 5}, "model was 5; give a chat model or the name of one"),
    ],
)
def test_wrong_arguments_are_told(options, words):
    with pytest.raises(ConfigError, match=words):
        create_planner(**{"domain": FILE, **options})


def test_an_async_hook_is_refused():
    async def sense():
        return {}

    with pytest.raises(ConfigError, match="give a plain function"):
        create_planner(FILE, sense=sense)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tasks": "fetch"}, "tasks was 'fetch'; give a list of tasks"),
        ({"tasks": ["fetsh"]}, "no task 'fetsh'.*Did you mean 'fetch'"),
        ({"tasks": [["fetch", "x"]]}, "'fetch' takes 0 arguments"),
        ({"tasks": [5]}, "a task is a name, or a list"),
        ({"tasks": ["fetch"], "state": ["net"]}, r"state was \['net'\]; give variable -> value"),
        ({"tasks": ["fetch"], "state": {"net": float("nan")}}, "A variable's value was nan"),
        ({"tasks": ["fetch"], "state": {"a b": 1}}, "A variable was 'a b'"),
        ({"messages": [("ai", "hello")]}, "There is no question"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_wrong_input_is_told(given, words, way):
    with pytest.raises(ConfigError, match=words):
        run(FILE, given, way=way)


def test_a_planner_without_a_root_says_which_tasks_there_are():
    with pytest.raises(ConfigError, match=r"is named by 'Please deliver it.'. Name one a line .*ship.*'tasks'"):
        run(lifted(), {"messages": [("user", "Please deliver it.")]})


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"retries": -1}, "retries was -1; give a whole number of at least 0"),
        ({"retries": 1.5}, "retries was 1.5"),
        ({"max_replans": -2}, "max_replans was -2"),
        ({"step_seconds": 0}, "step_seconds was 0; give seconds above 0"),
        ({"plan_seconds": float("nan")}, "plan_seconds was nan"),
        ({"model_seconds": True}, "model_seconds was True"),
        ({"optimise": "beauty"}, "optimise was 'beauty'; give one of probability, cost, duration"),
    ],
)
def test_wrong_settings_are_told(context, words):
    with pytest.raises(ConfigError, match=words):
        run(FILE, context=PlannerContext(**context))


# Laws


class Fuzzed(World):
    """A world with broken tools in which anything may change; it notes what must not happen."""

    def __init__(self, case, rng):
        super().__init__(case)
        self.rng, self.wrong, self.done = rng, [], set()
        self.broken = {name: rng.choice([1, 99, 99]) for name in case["primitives"] if rng.random() < 0.2}
        self.quiet = {name for name in case["primitives"] if rng.random() < 0.05}
        self.is_calm = rng.random() < 0.4

    def call(self, name):
        with self.lock:
            pre, effects = step_of(self.case, (name,))
            if not all(holds(one, self.state) for one in pre):
                self.wrong.append(f"{name} is called though it may not")
            if self.is_calm and name in self.done and all(s != "=" or self.state.get(v) == x for v, s, x in effects):
                self.wrong.append(f"{name} is done again")
            if self.broken.get(name, 0) > 0:
                self.broken[name] -= 1
                raise RuntimeError("out of order")
            if name in self.quiet:
                self.quiet.remove(name)
                return f"{name} ok"
            self.state.update(after(effects, self.state))
            self.done.add(name)
            if not self.is_calm and self.rng.random() < 0.15:
                variable = self.rng.choice([one for one in self.state if one != "n"])
                self.state[variable] = not self.state[variable]
            return f"{name} ok"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made", [tree, workshop])
def test_whatever_goes_wrong_no_tool_is_called_that_may_not_be_and_the_run_ends_truly(made, way):
    stops = Counter()
    for seed in range(60):
        rng = random.Random(f"fuzz {seed}")
        world = Fuzzed(made(rng), rng)
        if made is workshop:
            world.is_calm = False  # Steps stand in many places: some are to be done several times.
        model = ScriptedModel(["I know no way."], after="repeat")
        options = {"tools": world.tools(), "sense": world.sense, "max_replans": 8, "model": model}
        context = PlannerContext(retries=rng.choice([0, 0, 1]))
        # What changes between the look at the world and the call nobody can see: then one step works at a time.
        config = {} if world.is_calm else {"max_concurrency": 1}
        result = json_of(run(json.dumps(world.case), way=way, context=context, config=config, **options))
        assert world.wrong == []
        stops[result["stop"]] += 1
        assert result["success"] == (result["stop"] == "done") == (bool(result["plan"]) and not result["remaining"])
        if result["plan"]:
            assert result["final_state"] == world.state
            assert result["replans"] <= 8
    assert stops["done"] > 15
    assert stops.keys() <= {"done", "exhausted", "no_plan", "max_replans"}
