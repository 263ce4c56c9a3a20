"""Planner runs that were cut off: killed and resumed, or stopped for a person. No step that was done is done again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command

from langgraph_agora import Agent, ConfigError, create_react
from langgraph_agora.graphs.planning import create_planner
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.testing import ScriptedModel
from tests.graphs.planning_world import BASE, SCENARIOS, World, json_of

WAYS = ("invoke", "ainvoke")
THREAD = {"configurable": {"thread_id": "t"}}

# Each primitive notes that it was called. Those in `hang` wait in the first run; the one in `kill` ends it when all
# that hang have begun; those in `fail` fail.
KILLED = """
    import asyncio, json, os, signal, sys, threading
    from langgraph.checkpoint.sqlite import SqliteSaver
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph_agora.graphs.planning import create_planner

    folder, way, case, kill, hang, fail, second = sys.argv[1:8]
    case, hang, fail, second = json.loads(case), json.loads(hang), json.loads(fail), second == "second"
    config = {"configurable": {"thread_id": "t"}}
    together = threading.Barrier(1 + len(hang))

    def tool(name):
        def call():
            with open(f"{folder}/notes", "a") as file:
                file.write(f"{name} ")
            if name in fail:
                raise RuntimeError("out of order")
            if not second and (name == kill or name in hang):
                together.wait(30)
                if name == kill:
                    os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()
            return f"{name}'s result"
        call.__name__, call.__doc__ = name, f"Do {name}."
        return call

    graph = create_planner(json.dumps(case), tools=[tool(name) for name in case["primitives"]])
    given = None if second else {}

    async def arun():
        async with AsyncSqliteSaver.from_conn_string(f"{folder}/saved.sqlite") as saver:
            return await graph.compile(saver).ainvoke(given, config, durability="sync")

    if way == "ainvoke":
        result = asyncio.run(arun())
    else:
        with SqliteSaver.from_conn_string(f"{folder}/saved.sqlite") as saver:
            result = graph.compile(saver).invoke(given, config, durability="sync")
    print(json.dumps({key: value for key, value in result.items() if key != "messages"}))
"""


def killed_and_resumed(folder, case, *, kill, hang=(), fail=(), ways=("invoke", "invoke")):
    """What the resumed run returned, and what was called before and after the kill."""

    def process(way, part, seed):
        arguments = [str(folder), way, json.dumps(case), kill, json.dumps(hang), json.dumps(fail), part]
        environment = {**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true", "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", textwrap.dedent(KILLED), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)

    notes = folder / "notes"
    killed = process(ways[0], "first", "1")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = notes.read_text().split()
    resumed = process(ways[1], "second", "2")
    assert resumed.returncode == 0, resumed.stderr
    return json_of(json.loads(resumed.stdout)), before, notes.read_text().split()[len(before) :]


def case_of(effects, order, compounds=None):
    """A domain file; effects: primitive -> the variable that it sets; order: pairs of the tasks of its root."""
    tasks = list(compounds or effects)
    return {
        "init": {},
        "primitives": {name: {"eff": [[variable, "=", True]]} for name, variable in effects.items()},
        "compounds": compounds or {},
        "root": {"subtasks": [[name, name] for name in tasks], "order": order},
    }


BOTH_WAYS = [("invoke", "invoke"), ("ainvoke", "ainvoke")]


@pytest.mark.parametrize("ways", [("ainvoke", "invoke")], ids="-".join)
def test_a_killed_run_goes_on_where_it_was(tmp_path, ways):
    """Killed in the last step."""
    result, before, later = killed_and_resumed(tmp_path, BASE, kill="store_db", ways=ways)
    assert before == SCENARIOS["x10"]["tool_calls_over_both_runs"]
    assert later == ["store_db"], "only what was under way is done again"
    assert (result["success"], result["replans"]) == (True, 0)
    assert [row["output"] for row in result["completed"]] == [f"{name}'s result" for name in before]
    assert result["final_state"]["stored"] is True


@pytest.mark.parametrize("ways", BOTH_WAYS, ids="-".join)
def test_results_of_chains_side_by_side_are_not_mixed_up(tmp_path, ways):
    """p1 before p2, q1 before q2; killed when p1 and q1 are done and p2 and q2 under way."""
    case = case_of({"p1": "a", "p2": "b", "q1": "c", "q2": "d"}, [["p1", "p2"], ["q1", "q2"]])
    result, before, later = killed_and_resumed(tmp_path, case, kill="p2", hang=["q2"], ways=ways)
    assert sorted(before) == ["p1", "p2", "q1", "q2"]
    assert sorted(later) == ["p2", "q2"]
    assert {row["task"]: row["output"] for row in result["completed"]} == {
        name: f"{name}'s result" for name in ("p1", "p2", "q1", "q2")
    }


@pytest.mark.parametrize("ways", [("invoke", "ainvoke")], ids="-".join)
def test_a_failure_before_the_kill_is_not_tried_again_after_it(tmp_path, ways):
    """The first way fails, its stand-in is done, and the step after it is killed: nothing of both is called again."""
    compounds = {
        "first": [{"id": "m1", "subtasks": [["s", "a"]], "p": 1}, {"id": "m2", "subtasks": [["s", "b"]], "p": 0.9}],
        "second": [{"id": "m", "subtasks": [["s", "c"]]}],
    }
    case = case_of({"a": "x", "b": "x", "c": "y"}, "total", compounds)
    result, before, later = killed_and_resumed(tmp_path, case, kill="c", fail=["a"], ways=ways)
    assert (before, later) == (["a", "b", "c"], ["c"])
    assert (result["success"], result["replans"]) == (True, 1)
    assert [row["event"] for row in result["trace"]].count("failed") == 1


# A person decides


DANGER = Domain(
    [
        Operator("pack", ["?what"]),
        Operator("send", ["?what"], eff=[("sent(?what)", "=", True)]),
        Operator("keep", ["?what"]),
    ],
    [
        Method("by_mail", "deliver", ["?what"], subtasks=[("p", ("pack", "?what")), ("s", ("send", "?what"))]),
        Method("at_home", "deliver", ["?what"], subtasks=[("k", ("keep", "?what"))], p=0.5),
    ],
)


def counted(*names):
    calls = []

    def make(name):
        def call(what: str) -> str:
            calls.append(f"{name} {what}")
            return f"{name} {what}: ok"

        call.__name__, call.__doc__ = name, f"Do {name}."
        return call

    return [make(name) for name in names], calls


class Turns:
    """A graph and its thread; `turn` invokes it, one way or the other."""

    def __init__(self, builder, way):
        self.graph, self.way = builder.compile(InMemorySaver()), way

    def turn(self, given, **options):
        if self.way == "ainvoke":
            return asyncio.run(self.graph.ainvoke(given, THREAD, **options))
        return self.graph.invoke(given, THREAD, **options)


def asked(result):
    return [one.value["action_requests"][0] for one in result["__interrupt__"]]


def decide(**decision):
    return Command(resume={"decisions": [decision]})


@pytest.mark.parametrize("way", WAYS)
def test_a_person_approves_a_step(way):
    tools, calls = counted("pack", "send", "keep")
    run = Turns(create_planner(DANGER, tools=tools, approve=["send"]), way)
    waiting = run.turn({"tasks": [["deliver", "o1"]]})
    [interrupt] = waiting["__interrupt__"]
    assert interrupt.value == {
        "action_requests": [{"name": "send", "args": {"what": "o1"}, "description": "Do send(o1)?"}],
        "review_configs": [{"action_name": "send", "allowed_decisions": ["approve", "edit", "reject"]}],
    }
    assert calls == ["pack o1"]
    result = run.turn(decide(type="approve"))
    assert calls == ["pack o1", "send o1"]
    assert (result["success"], result["final_state"]) == (True, {"sent(o1)": True})


@pytest.mark.parametrize("way", WAYS)
def test_a_person_changes_a_call(way):
    tools, calls = counted("pack", "send", "keep")
    run = Turns(create_planner(DANGER, tools=tools, approve="send"), way)
    run.turn({"tasks": [["deliver", "o1"]]})
    edited = {"name": "send", "args": {"what": "o1 with care"}}
    result = run.turn(decide(type="edit", edited_action=edited))
    assert calls == ["pack o1", "send o1 with care"]
    assert result["answer"] == "send o1 with care: ok"


@pytest.mark.parametrize("way", WAYS)
def test_a_step_that_a_person_refuses_is_replaced_by_another_way(way):
    tools, calls = counted("pack", "send", "keep")
    run = Turns(create_planner(DANGER, tools=tools, approve=["send"]), way)
    run.turn({"tasks": [["deliver", "o1"]]})
    result = run.turn(decide(type="reject", message="too dear"))
    assert calls == ["pack o1", "keep o1"]
    assert (result["success"], result["replans"]) == (True, 1)
    failed = next(row for row in result["trace"] if row["event"] == "failed")
    assert (failed["kind"], failed["reason"]) == ("rejected", "A person refused this call: too dear")


@pytest.mark.parametrize("way", WAYS)
def test_two_persons_may_be_asked_at_once_and_answer_one_by_one(way):
    tools, calls = counted("pack", "send", "keep")
    quick = Method("unpacked", "deliver", ["?what"], subtasks=[("s", ("send", "?what"))])
    both = Method("m", "both", subtasks=[("1", ("deliver", "o1")), ("2", ("deliver", "o2"))], order=[])
    domain = Domain(DANGER.operators, [quick, DANGER.methods[1], both])
    run = Turns(create_planner(domain, tools=tools, approve=["send"]), way)
    waiting = run.turn({"tasks": ["both"]})
    ids = {one.value["action_requests"][0]["args"]["what"]: one.id for one in waiting["__interrupt__"]}
    assert ids.keys() == {"o1", "o2"}
    still = run.turn(Command(resume={ids["o2"]: {"decisions": [{"type": "approve"}]}}))
    assert [one["args"]["what"] for one in asked(still)] == ["o1"]
    assert calls == ["send o2"]
    result = run.turn(decide(type="reject", message="no"))
    assert calls == ["send o2", "keep o1"]
    assert (result["success"], result["final_state"]) == (True, {"sent(o2)": True})


@pytest.mark.parametrize("way", WAYS)
def test_a_person_is_asked_from_inside_a_host_graph(way):
    tools, calls = counted("pack", "send", "keep")
    host = StateGraph(MessagesState)
    host.add_node("planner", create_planner(DANGER, tools=tools, approve=["send"]).compile())
    host.add_edge(START, "planner")
    run = Turns(host, way)
    waiting = run.turn({"messages": [("user", "deliver(o1)")]})
    assert [one["name"] for one in asked(waiting)] == ["send"]
    result = run.turn(decide(type="approve"))
    assert result["messages"][-1].content == "send o1: ok"
    assert calls == ["pack o1", "send o1"]


@pytest.mark.parametrize("way", WAYS)
def test_a_person_is_asked_by_an_agent_that_does_a_step(way):
    calls = []

    @tool
    def wipe(disk: str) -> str:
        """Wipe a disk."""
        calls.append(disk)
        return "wiped"

    model = ScriptedModel([
        {"thought": "wipe it", "action": "wipe", "input": {"disk": "d1"}},
        {"thought": "done", "action": "final_answer", "input": "It is clean."},
    ])  # fmt: skip
    worker = create_react([wipe], model=model, approve=["wipe"]).compile(name="cleaner")
    domain = Domain(
        [Operator("clean"), Operator("look")], [Method("m", "all", subtasks=[("l", "look"), ("c", "clean")])]
    )
    looked = []
    look = RunnableLambda(lambda state: looked.append(1) or "looked", name="look")
    builder = create_planner(domain, agents=[Agent("cleaner", skills=["clean"], runnable=worker), look])
    run = Turns(builder, way)
    waiting = run.turn({"tasks": ["all"]})
    assert [one["name"] for one in asked(waiting)] == ["wipe"]
    result = run.turn(decide(type="approve"))
    assert (calls, looked, result["answer"]) == (["d1"], [1], "It is clean.")


@pytest.mark.parametrize("way", WAYS)
def test_who_takes_over_a_step_needs_no_second_approval(way):
    heard = []

    agents = [
        Agent("ann", skills=["send"], runnable=RunnableLambda(lambda state: 1 / 0)),
        Agent(
            "bob",
            skills=["send"],
            runnable=RunnableLambda(lambda state: heard.append(state["messages"][-1].text) or "ok"),
        ),
    ]
    domain = Domain([Operator("send", ["?what"])])
    run = Turns(create_planner(domain, agents=agents, approve=["send"]), way)
    run.turn({"tasks": [["send", "o1"]]})
    result = run.turn(decide(type="edit", edited_action={"name": "send", "args": {"what": "o2"}}))
    assert "__interrupt__" not in result
    assert result["success"]
    assert heard == ["send(o2)"]


def test_an_answer_of_another_form_is_told():
    tools, calls = counted("pack", "send", "keep")
    run = Turns(create_planner(DANGER, tools=tools, approve=["send"]), "invoke")
    run.turn({"tasks": [["deliver", "o1"]]})
    with pytest.raises(ConfigError, match=r"Resume with \{'decisions': \[...\]\}, 1 of them"):
        run.turn(Command(resume="yes"))
    assert calls == ["pack o1"]


def test_the_world_is_looked_at_again_when_a_person_took_their_time():
    tools, calls = counted("send", "keep")
    domain = Domain(
        [Operator("send", ["?what"], pre=[("open", "==", True)]), Operator("keep", ["?what"])],
        [
            Method("m1", "deliver", ["?what"], subtasks=[("s", ("send", "?what"))]),
            Method("m2", "deliver", ["?what"], subtasks=[("k", ("keep", "?what"))], p=0.5),
        ],
    )
    world = {"open": True}
    run = Turns(create_planner(domain, tools=tools, approve=["send"], sense=world.copy), "invoke")
    run.turn({"tasks": [["deliver", "o1"]], "state": {"open": True}})
    world["open"] = False
    result = run.turn(decide(type="approve"))
    assert (calls, result["success"]) == (["keep o1"], True)


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_succeeded_is_not_made_again_because_the_hook_broke_after_it(way):
    world = World()
    broken = threading.Event()

    def sense():
        if world.seen["parse"] and not broken.is_set():
            broken.set()
            raise ConnectionError("the sensor is gone")
        return world.sense()

    run = Turns(create_planner(json.dumps(BASE), tools=world.tools(), sense=sense), way)
    result = run.turn({})
    assert (result["success"], result["replans"]) == (True, 0)
    assert world.calls == ["fetch_primary", "parse", "store_db"]
    [parse] = [row for row in result["trace"] if row.get("task") == "parse"]
    assert parse["errors"] == ["sense failed: ConnectionError: the sensor is gone"]
