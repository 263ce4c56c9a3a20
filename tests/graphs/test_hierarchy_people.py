"""A person in a hierarchy: approving subtasks, answering workers that ask, and going on with a run that was killed."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from langgraph_agora import Agent, create_hierarchy, create_react
from langgraph_agora.testing import ScriptedModel
from tests.graphs.test_hierarchy import DINNER, attempts, coordinator, plain, texts, worker

THREAD = {"configurable": {"thread_id": "1"}}
PLAN = [{"task": "shop"}, {"task": "cook", "after": [1], "large": True}]
PARTS = {"cook": {"subtasks": [{"task": "boil", "skills": ["fire"]}, {"task": "cut", "skills": ["knife"]}]}}


class Session:
    """A thread of a graph, by `invoke` or by `ainvoke`."""

    def __init__(self, builder, asynchronous):
        self.graph, self.asynchronous = builder.compile(InMemorySaver()), asynchronous

    def send(self, given):
        if self.asynchronous:
            return asyncio.run(self.graph.ainvoke(given, THREAD))
        return self.graph.invoke(given, THREAD)

    def start(self):
        return self.send({"messages": [("user", DINNER)]})

    def decide(self, *decisions):
        return self.send(Command(resume={"decisions": list(decisions)}))


@pytest.fixture(params=[False, True], ids=["invoke", "ainvoke"])
def session(request):
    return lambda builder: Session(builder, request.param)


def kitchen(**options):
    agents = [worker("ann", None, "fire"), worker("bob", None, "knife")]
    return create_hierarchy(agents, model=coordinator(PLAN, PARTS), **options)


YES = {"type": "approve"}


# Approval


def test_a_person_is_asked_about_the_chosen_subtasks_of_every_depth_at_once(session):
    talk = session(kitchen(approve=True))
    asked = talk.start()["__interrupt__"]
    assert len(asked) == 1
    assert asked[0].value == {
        "action_requests": [
            {"name": name, "args": {"id": id_, "task": task, "skills": skills}, "description": words}
            for name, id_, task, skills, words in (
                ("bob", "1", "shop", [], "Subtask 1, for bob: shop"),
                ("ann", "2.1", "boil", ["fire"], "Subtask 2.1, for ann: boil"),
                ("bob", "2.2", "cut", ["knife"], "Subtask 2.2, for bob: cut"),
            )
        ],
        "review_configs": [
            {"action_name": "bob", "allowed_decisions": ["approve", "edit", "reject"]},
            {"action_name": "ann", "allowed_decisions": ["approve", "edit", "reject"]},
        ],
    }
    result = plain(talk.decide(YES, YES, YES))
    assert (result["stop"], result["answer"]) == ("answer", "[1] [2]")


def test_a_subtask_that_is_refused_is_not_done_and_what_was_approved_is(session):
    talk = session(kitchen(approve=["fire"]))
    asked = talk.start()["__interrupt__"][0].value["action_requests"]
    assert [one["args"]["id"] for one in asked] == ["2.1"]
    result = plain(talk.decide({"type": "reject", "message": "No fire here."}))
    assert result["results"]["2.1"] == {
        "text": "", "agent": None, "status": "refused", "error": "a person refused it: No fire here.",
    }  # fmt: skip
    assert texts(result)["2.2"] == "bob: cut"
    assert (result["stop"], result["verdict"]["missing"]) == ("partial", ["2.1"])
    assert "2.1 (a person refused it: No fire here.)" in result["verdict"]["reason"]
    assert "ann" not in [row["agent"] for row in result["trace"] if row["subtask"] == "2.1"]
    assert result["track_record"] == {"ann": {"kept": 1, "broken": 0}, "bob": {"kept": 1, "broken": 0}}


def test_an_edit_changes_the_words_and_the_agent(session):
    talk = session(kitchen(approve=["fire"]))
    talk.start()
    result = plain(talk.decide({"type": "edit", "edited_action": {"name": "bob", "args": {"task": "warm it"}}}))
    assert texts(result)["2.1"] == "bob: warm it"
    assert next(row["task"] for row in result["plan"] if row["id"] == "2.1") == "warm it"
    assert result["notes"] == ["2.1: a person edited it and gave it to bob"]


def test_an_agent_that_needs_a_yes_does_only_what_was_approved(session):
    """bob is asked about cut alone; when ann fails at boil he may not take it, though nobody else is left."""
    agents = [worker("ann", "", "fire"), worker("bob", None, "knife")]
    talk = session(create_hierarchy(agents, model=coordinator(PLAN[1:], PARTS), approve=["bob"]))
    asked = talk.start()["__interrupt__"][0].value["action_requests"]
    assert [(one["name"], one["args"]["task"]) for one in asked] == [("bob", "cut")]
    result = plain(talk.decide(YES))
    assert attempts(result) == {
        "1.1": [("ann", "empty")], "1.2": [("bob", "done")], "1": [("hierarchy", "done")],
    }  # fmt: skip


def test_an_agent_whose_subtask_was_refused_does_nothing(session):
    agents = [worker("ann", None, "fire"), worker("bob", None, "knife")]
    talk = session(create_hierarchy(agents, model=coordinator(PLAN[1:], PARTS), approve="bob"))
    talk.start()
    result = plain(talk.decide({"type": "reject"}))
    assert "a person refused it: no reason was given" in result["results"]["1.2"]["error"]
    assert {row["agent"] for row in result["trace"]} == {"ann", "hierarchy", None}


def test_what_was_approved_is_done_by_nobody_else(session):
    """Neither by who happens to be free earlier, nor when the one that was shown fails, whatever made a yes needed."""
    waits = threading.Event()

    def late(asked):
        return f"ann: {asked} {waits.wait(0.3)}"

    plan = [{"task": str(n)} for n in range(4)]
    talk = session(create_hierarchy([worker("ann", late), worker("bob")], model=coordinator(plan), approve=True))
    asked = talk.start()["__interrupt__"][0].value["action_requests"]
    result = plain(talk.decide(*[YES] * 4))
    assert [one["agent"] for one in result["results"].values()] == [one["name"] for one in asked]
    edit = {"type": "edit", "edited_action": {"name": "ann", "args": {"task": "pay"}}}
    for needing, decision in ((True, YES), (["pay"], YES), (["pay"], edit)):
        agents = [worker("ann", "", "pay"), worker("bob")]
        model = coordinator([{"task": "pay", "skills": ["pay"]}])
        talk = session(create_hierarchy(agents, model=model, approve=needing))
        talk.start()
        assert attempts(plain(talk.decide(decision))) == {"1": [("ann", "empty")]}


def test_an_agent_that_needs_no_yes_may_take_over_from_one_that_does(session):
    agents = [worker("ann", "", "pay"), worker("bob")]
    model = coordinator([{"task": "pay", "skills": ["pay"]}])
    talk = session(create_hierarchy(agents, model=model, approve=["ann"]))
    talk.start()
    assert attempts(plain(talk.decide(YES))) == {"1": [("ann", "empty"), ("bob", "done")]}


def test_nobody_is_asked_when_nothing_needs_a_yes(session):
    talk = session(create_hierarchy([worker("ann", None, "fire")], model=coordinator(["shop"]), approve=["fire"]))
    assert plain(talk.start())["stop"] == "answer"


@pytest.mark.parametrize(
    "decisions",
    [
        [],
        [YES, YES],
        ["approve"],
        [{"type": "maybe"}],
        [{"type": "edit", "edited_action": {"name": "zoe", "args": {"task": "x"}}}],
        [{"type": "edit", "edited_action": {"name": "bob", "args": {}}}],
        [{"type": "edit", "edited_action": {"name": "bob", "args": {"task": " "}}}],
    ],
)
def test_after_wrong_decisions_the_person_is_told_and_asked_again(session, decisions):
    talk = session(kitchen(approve=["fire"]))
    talk.start()
    for _ in range(2):
        (again,) = talk.decide(*decisions)["__interrupt__"]
        said = again.value["action_requests"][0]["description"]
        assert re.search("was given.\nSubtask 2.1, for ann: boil$", said)
    assert plain(talk.decide(YES))["stop"] == "answer"


def test_waiting_for_a_person_is_no_part_of_the_makespan():
    graph = kitchen(approve=True).compile(InMemorySaver())
    graph.invoke({"messages": [("user", DINNER)]}, THREAD)
    before = graph.get_state(THREAD).values
    assert "began" not in before
    result = graph.invoke(Command(resume={"decisions": [YES, YES, YES]}), THREAD)
    assert result["trace"][0]["started"] < 5


# Workers that ask


def asking(name, calls, *skills):
    """A ReAct agent whose tool needs a person's yes."""

    @tool
    def buy(what: str) -> str:
        """Buy something."""
        calls.append(what)
        return f"bought {what}"

    script = [
        {"thought": "", "action": "buy", "input": name},
        {"thought": "", "action": "final_answer", "input": f"{name} is done"},
    ]
    model = ScriptedModel(script)
    graph = create_react([buy], model=model, approve=["buy"], name=name).compile(name=name)
    return Agent(name, skills=skills, runnable=graph)


def test_a_worker_that_waits_for_a_person_reaches_the_caller_and_goes_on(session):
    calls, done = [], []
    agents = [asking("ann", calls, "shop"), worker("bob", lambda asked: done.append(asked) or asked)]
    plan = [{"task": "shop", "skills": ["shop"]}, {"task": "cook", "after": [1]}, {"task": "lay the table"}]
    talk = session(create_hierarchy(agents, model=coordinator(plan)))
    (asked,) = talk.start()["__interrupt__"]
    assert asked.value["action_requests"][0]["args"] == {"what": "ann"}
    assert done == ["lay the table"], "what needs nothing of it is done meanwhile"
    result = plain(talk.decide(YES))
    assert (result["stop"], calls) == ("answer", ["ann"])
    assert done == ["lay the table", "cook"], "and not done again"
    assert texts(result)["1"] == "ann is done"


def test_two_workers_that_wait_are_answered_each_by_its_id(session):
    calls = []
    agents = [asking("ann", calls, "a"), asking("bob", calls, "b")]
    plan = [{"task": "one", "skills": ["a"]}, {"task": "two", "skills": ["b"]}]
    talk = session(create_hierarchy(agents, model=coordinator(plan)))
    asked = talk.start()["__interrupt__"]
    names = {one.id: one.value["action_requests"][0]["args"]["what"] for one in asked}
    assert sorted(names.values()) == ["ann", "bob"]
    kinds = {"ann": "approve", "bob": "reject"}
    result = plain(talk.send(Command(resume={id_: {"decisions": [{"type": kinds[n]}]} for id_, n in names.items()})))
    assert (calls, result["stop"]) == (["ann"], "answer")


def test_a_worker_that_failed_before_the_person_was_asked_does_not_try_again(session):
    tried = []
    agents = [worker("ann", lambda asked: tried.append(asked) or ""), asking("bob", [])]
    talk = session(create_hierarchy(agents, model=coordinator(["shop"])))
    assert talk.start()["__interrupt__"]
    result = plain(talk.decide(YES))
    assert tried == ["shop"]
    assert attempts(result) == {"1": [("ann", "empty"), ("bob", "done")]}
    assert result["performance"]["reassignments"] == 1


def test_any_graph_may_ask_anything(session):
    def ask(state):
        return {"messages": [("ai", interrupt("Which bread?"))]}

    builder = StateGraph(MessagesState)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    talk = session(create_hierarchy([builder.compile(name="ann")], model=coordinator(["shop"])))
    assert talk.start()["__interrupt__"][0].value == "Which bread?"
    assert plain(talk.send(Command(resume="rye")))["answer"] == "rye"


# A run that was killed

KILLED = """
import asyncio, json, os, signal, sys
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph_agora import Agent, create_hierarchy
from langgraph_agora.testing import ScriptedModel

folder, way, second = sys.argv[1], sys.argv[2], len(sys.argv) > 3
PLAN = [{"task": "a"}, {"task": "b"}, {"task": "c", "after": [1]}, {"task": "d", "after": [2, 3]}]
PLAN.append({"task": "e", "after": [3, 4]})

def plan(request):
    with open(f"{folder}/notes", "a") as file:
        file.write("coordinator\\n")
    if "Break the task down" in request.text:
        return {"subtasks": PLAN}
    return {"answer": "[5]", "complete": True, "missing": ""}

def agent(name):
    def answer(state):
        asked = state["messages"][-1].text.split("\\n")[0]
        with open(f"{folder}/notes", "a") as file:
            file.write(f"{name} {asked}\\n")
        if asked == "d" and not second:
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "ann" and asked == "a":
            return None
        return f"{name}'s {asked}"
    return Agent(name, runnable=RunnableLambda(answer, name=name))

builder = create_hierarchy([agent("ann"), agent("bob")], model=ScriptedModel([plan], after="repeat"))
given = None if second else {"messages": [("user", "work")]}
thread = {"configurable": {"thread_id": "t"}}

def told(result):
    print(json.dumps({key: result[key] for key in ("stop", "delegation", "track_record", "trace", "results")}))

async def arun():
    async with AsyncSqliteSaver.from_conn_string(f"{folder}/checkpoints.sqlite") as saver:
        told(await builder.compile(saver).ainvoke(given, thread, durability="sync"))

if way == "ainvoke":
    asyncio.run(arun())
else:
    with SqliteSaver.from_conn_string(f"{folder}/checkpoints.sqlite") as saver:
        told(builder.compile(saver).invoke(given, thread, durability="sync"))
"""


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_killed_run_resumes_and_no_finished_subtask_is_done_twice(tmp_path: Path, way):
    """Killed in the fourth of five subtasks, with other hash seeds before and after."""

    def process(seed, *more):
        command = [sys.executable, "-c", KILLED, str(tmp_path), way, *more]
        environment = {**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true", "PYTHONHASHSEED": seed}
        return subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment)

    killed = process("0")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = (tmp_path / "notes").read_text().splitlines()
    resumed = process("1", "again")
    assert resumed.returncode == 0, resumed.stderr
    after = (tmp_path / "notes").read_text().splitlines()[len(before) :]
    assert before[0] == "coordinator"
    assert sorted(line.split()[1] for line in before[1:]) == ["a", "a", "b", "c", "d"], "ann failed at a, bob did it"
    assert sorted(line.split()[-1] for line in after) == ["coordinator", "d", "e"], (
        "only what was cut off, and the rest"
    )
    told = json.loads(resumed.stdout)
    assert told["stop"] == "answer"
    assert set(told["results"]) == {"1", "2", "3", "4", "5"}
    assert told["delegation"]["1"]["attempts"][0] == {
        "agent": "ann", "outcome": "empty", "error": "it delivered nothing",
    }  # fmt: skip
    assert told["track_record"]["ann"]["broken"] == 1
    assert sum(one["kept"] for one in told["track_record"].values()) == 5
    assert len(told["trace"]) == 6
