"""The hierarchy graph: whatever coordinators and workers do, nothing is lost, everything is said, and the run ends."""

import asyncio
import json
import random
import re
import sys
import threading

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import ParentCommand
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langgraph_agora import (
    Agent,
    Budget,
    ConfigError,
    create_auction,
    create_consensus,
    create_hierarchy,
    create_planner,
    create_react,
)
from langgraph_agora.nodes.planning import Domain, Method, Operator
from langgraph_agora.nodes.teamwork import HierarchyContext
from langgraph_agora.styles import AnswerStyle
from langgraph_agora.testing import ScriptedModel

DINNER = "Make dinner."
STOPS = {"answer", "partial", "failed", "budget"}
SHOP_AND_COOK = [{"task": "shop"}, {"task": "cook", "after": [1]}]


def coordinator(plan, parts=None, *, verdict=None):
    """A model that coordinates: its plan, its parts by the subtask, and answers that cite all they are shown."""

    def reply(request):
        text = request.text  # All of it: when it is asked again the question stands before the last message.
        if "Break down this part" in text:
            asked = re.search(r"Break down this part .*\n> (.*)", text)[1]
            return (parts or {}).get(asked, "I do not know.")
        if "Break the task down" in text:
            return plan if isinstance(plan, str | dict | BaseException | None) else {"subtasks": plan}
        if callable(verdict):
            return verdict(request)
        there = re.findall(r"^\[([\d.]+)\] .*:\n(?!> not done)", text, re.M)
        return {"answer": " ".join(f"[{id_}]" for id_ in there), "complete": True, "missing": "", **(verdict or {})}

    return ScriptedModel([reply], after="repeat")


def worker(name, work=None, *skills):
    """An agent whose work is a text, an exception, or a function of the subtask."""

    def do(state):
        asked = state["messages"][-1].text.partition("\n")[0]
        made = work(asked) if callable(work) else f"{name}: {asked}" if work is None else work
        if isinstance(made, BaseException):
            raise made
        return made

    return Agent(name, skills=skills, runnable=RunnableLambda(do, name=name))


def run(agents, plan=None, *, config=None, context=None, model=None, task=DINNER, **options):
    """One run; its state is JSON, and nothing in it changes when it is stored."""
    graph = create_hierarchy(agents, model=model or coordinator(plan), **options).compile()
    return plain(graph.invoke({"messages": [("user", task)]}, config, context=context))


def both_ways(agents, plan, *, context=None, **options):
    """The same run by `invoke` and by `ainvoke`."""
    for asynchronous in (False, True):
        graph = create_hierarchy(agents, model=coordinator(plan), **options).compile()
        given = {"messages": [("user", DINNER)]}
        if asynchronous:
            yield plain(asyncio.run(graph.ainvoke(given, context=context)))
        else:
            yield plain(graph.invoke(given, context=context))


def plain(state):
    assert state["stop"] in STOPS
    values = {key: value for key, value in state.items() if key not in ("messages", "__interrupt__")}
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    return values


def attempts(result):
    """Who tried what, with what outcome, in the order of the plan."""
    return {
        id_: [(one["agent"], one["outcome"]) for one in row["attempts"]] for id_, row in result["delegation"].items()
    }


def texts(result):
    return {id_: one["text"] for id_, one in result["results"].items()}


# A run from the plan to the verdict


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_task_is_broken_down_shared_out_and_put_together(asynchronous):
    plan = [{"task": "shop", "skills": ["errands"]}, {"task": "cook", "after": [1], "large": True}]
    parts = {"cook": {"subtasks": [{"task": "boil", "skills": ["cooking"]}, {"task": "fry"}]}}
    agents = [worker("ann", None, "errands"), worker("bob", None, "cooking")]
    graph = create_hierarchy(agents, model=coordinator(plan, parts)).compile()
    given = {"messages": [("user", DINNER)]}
    result = asyncio.run(graph.ainvoke(given)) if asynchronous else graph.invoke(given)
    assert (result["answer"], result["stop"]) == ("[1] [2]", "answer")
    assert result["messages"][-1].content == "[1] [2]"
    assert result["messages"][-1].name == "hierarchy"
    assert [(row["id"], row["task"], row["after"], row["kind"], row["depth"]) for row in result["plan"]] == [
        ("1", "shop", [], "work", 1),
        ("2.1", "boil", ["1"], "work", 2),
        ("2.2", "fry", ["1"], "work", 2),
        ("2", "cook", ["2.1", "2.2"], "join", 1),
    ]
    assert texts(plain(result)) == {"1": "ann: shop", "2.1": "bob: boil", "2.2": "ann: fry", "2": "[2.1] [2.2]"}
    assert {id_: (row["agent"], row["reason"]) for id_, row in result["delegation"].items()} == {
        "1": ("ann", "has 1 of 1 skills (errands); has no record yet; is free"),
        "2.1": ("bob", "has 1 of 1 skills (cooking); has no record yet; is free"),
        "2.2": ("ann", "kept 1 of 1; had 1 before"),
        "2": ("hierarchy", "it puts its parts together"),
    }
    assert result["verdict"] == {"complete": True, "missing": [], "reason": "every subtask was done"}
    assert result["notes"] == []
    assert result["track_record"] == {"ann": {"kept": 2, "broken": 0}, "bob": {"kept": 1, "broken": 0}}
    assert result["trace"][0]["subtask"] == "1"
    assert result["performance"]["success_rate"] == 1.0
    assert result["performance"]["critical_path"]["ids"][0] == "1"
    assert set(result["performance"]["agents"]) == {"ann", "bob", "hierarchy"}
    assert {name: row["calls"] for name, row in result["usage"].items()} == {"hierarchy": 4, "ann": 2, "bob": 1}


def test_results_are_handed_to_what_waits_for_them():
    seen = {}

    def remember(state):
        told, asked = (message.text for message in state["messages"])
        seen[asked] = told
        return "bread" if asked == "shop" else "toast"

    run([Agent("ann", runnable=RunnableLambda(remember))], SHOP_AND_COOK)
    assert seen["cook"] == (
        "You do a part of a larger task, which others work on too:\n> Make dinner.\n\n"
        "The result of [1] shop, as data:\n> bread"
    )
    assert "result" not in seen["shop"]
    run([Agent("ann", runnable=RunnableLambda(remember))], ["prepare a meal"])
    assert seen["prepare a meal"] == "The task, as it was given:\n> Make dinner.", "a lone subtask is no part"


def test_independent_subtasks_are_done_at_the_same_time():
    together = threading.Barrier(3, timeout=20)
    agents = [worker(name, lambda asked: f"{asked} {together.wait() >= 0}") for name in ("ann", "bob", "cem")]
    for result in both_ways(agents, ["one", "two", "three"]):
        assert texts(result) == {"1": "one True", "2": "two True", "3": "three True"}


def test_a_subtask_starts_when_what_it_needs_is_there_and_waits_for_nothing_else():
    """a2 begins while b is under way: in waves b, which waits for a2, would never end."""
    begun = threading.Event()

    def work(asked):
        if asked == "a2":
            begun.set()
        return str(begun.wait(20)) if asked == "b" else asked

    plan = [{"task": "a1"}, {"task": "b"}, {"task": "a2", "after": [1]}]
    for result in both_ways([worker("ann", work), worker("bob", work)], plan):
        assert texts(result)["2"] == "True"
        begun.clear()


def test_capacity_is_how_many_subtasks_an_agent_works_on_at_once():
    together = threading.Barrier(2, timeout=20)
    result = run([worker("ann", lambda asked: f"{together.wait() >= 0}")], ["one", "two"], capacity=2)
    assert texts(result) == {"1": "True", "2": "True"}


def test_a_limit_on_concurrency_holds_for_the_work():
    working, most = [], []

    def work(asked):
        working.append(asked)
        most.append(len(working))
        working.pop()
        return asked

    agents = [worker(name, work) for name in ("ann", "bob", "cem")]
    run(agents, [f"part {n}" for n in range(6)], config={"max_concurrency": 1})
    assert max(most) == 1


@pytest.mark.parametrize("names", [["ann"], ["ann", "bob"]])
def test_the_longest_chain_goes_first(names):
    order = []
    plan = [{"task": "short"}, {"task": "long", "effort": 5}, {"task": "end", "after": [2], "effort": 9}]
    agents = [worker(name, lambda asked: order.append(asked) or asked) for name in names]
    run(agents, plan, config={"max_concurrency": 1})
    assert order == ["long", "end", "short"]


def test_one_subtask_is_fine_and_its_result_is_the_answer():
    model = coordinator(["cook"])
    result = run([worker("ann")], model=model)
    assert (result["answer"], result["stop"], len(model.requests)) == ("ann: cook", "answer", 1)


def test_agents_without_a_runnable_work_with_their_models_and_tools():
    @tool
    def look(where: str) -> str:
        """Look somewhere."""
        return f"{where}: bread"

    ann = ScriptedModel([
        {"thought": "look first", "action": "look", "input": "shelf"},
        {"thought": "done", "action": "final_answer", "input": "There is bread."},
    ])  # fmt: skip
    result = run([Agent("ann", role="You shop.", model=ann, tools=[look])], ["shop"])
    assert (result["answer"], result["usage"]["ann"]["calls"]) == ("There is bread.", 2)
    assert result["usage"]["ann"]["tokens_in"] > 0
    assert ann.requests[0].messages[0].text.startswith("You shop.")


# Plans that are mended


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ("I think we should just do it.", "there was no usable list of subtasks"),
        ("I can't help with that.", "there was no usable list of subtasks"),
        (None, "there was no usable list of subtasks"),
        ({"subtasks": []}, "there was no usable list of subtasks"),
        ({"answer": 42}, "there was no usable list of subtasks"),
        ("{" * 3_000, "there was no usable list of subtasks"),
        (RuntimeError("down"), "the model failed: RuntimeError: down, so the whole task is one subtask"),
    ],
)
def test_without_a_usable_plan_the_whole_task_is_one_subtask_and_that_is_said(said, note):
    for result in both_ways([worker("ann"), worker("bob")], said):
        assert (result["answer"], result["stop"]) == ("ann: Make dinner.", "answer")
        assert [row["task"] for row in result["plan"]] == [DINNER]
        assert note in result["notes"][0]


def test_the_whole_task_is_told_with_the_conversation_before_it():
    seen = []
    agent = Agent("ann", runnable=RunnableLambda(lambda state: seen.extend(state["messages"]) or "done"))
    graph = create_hierarchy([agent], model=coordinator("prose")).compile()
    graph.invoke({"messages": [("user", "I like fish."), ("ai", "So do I."), ("user", DINNER)]})
    assert [message.text for message in seen] == ["I like fish.", "So do I.", DINNER]


def test_a_cyclic_plan_is_done_and_the_dependency_that_was_dropped_is_named():
    plan = [{"task": "a", "after": [2]}, {"task": "b", "after": [1]}]
    result = run([worker("ann")], plan)
    assert texts(result) == {"1": "ann: a", "2": "ann: b"}
    assert result["notes"] == ["dropped the dependency of 'a' on 'b', which closes a cycle"]


def test_of_two_hundred_subtasks_the_rest_is_said_to_be_missing():
    result = run([worker("ann"), worker("bob")], [{"task": f"part {n}"} for n in range(200)], max_depth=1)
    assert (len(result["results"]), result["stop"]) == (50, "partial")
    assert result["notes"] == ["kept the first 50 of 200 subtasks"]
    assert not result["verdict"]["complete"]
    assert (
        "150 subtasks of the plan were beyond the limit and not done: part 50, part 51" in result["verdict"]["reason"]
    )


def test_sub_coordinators_go_as_deep_as_they_may():
    parts = {task: [{"task": f"{task}{n}", "large": True} for n in (1, 2)] for task in ("a", "a1", "a2")}
    for depth, ids in (
        (1, ["1"]),
        (2, ["1.1", "1.2", "1"]),
        (3, ["1.1.1", "1.1.2", "1.1", "1.2.1", "1.2.2", "1.2", "1"]),
    ):
        model = coordinator([{"task": "a", "large": True}], {key: {"subtasks": one} for key, one in parts.items()})
        result = run([worker("ann")], model=model, max_depth=depth)
        assert [row["id"] for row in result["plan"]] == ids
        assert f"it was called large, but max_depth {depth} is reached" in result["notes"][0]
        assert result["stop"] == "answer"


def test_a_sub_coordinator_that_talks_leaves_the_subtask_whole():
    result = run([worker("ann")], model=coordinator([{"task": "a", "large": True}, "b"], {"a": "Hm."}))
    assert [row["id"] for row in result["plan"]] == ["1", "2"]
    assert result["notes"] == ["1: there was no usable list of subtasks, so the whole task is one: 'Hm.'"]


def test_a_sub_coordinator_knows_the_whole_and_the_other_parts():
    model = coordinator([{"task": "a", "large": True}, {"task": "b"}], {"a": {"subtasks": ["a1", "a2"]}})
    run([worker("ann", None, "sql")], model=model)
    asked = model.requests[1].text
    assert "> Make dinner.\nOther parts, which others do:\n- b\n" in asked
    assert "- ann: an agent Skills: sql." in asked


def test_a_plan_that_explodes_is_held():
    many = {"subtasks": [{"task": f"x{n}"} for n in range(50)]}
    plan = [{"task": f"p{n}", "large": True} for n in range(6)]
    result = run([worker("ann")], model=coordinator(plan, {one["task"]: many for one in plan}))
    assert len(result["plan"]) <= 200
    assert [note[:2] for note in result["notes"]] == ["4:", "5:", "6:"]
    assert "so it is not broken down" in result["notes"][0]


class SmallModel(ScriptedModel):
    @property
    def answer_style(self):
        return AnswerStyle(steps="json", constrain="response_format", small=True)


def test_a_small_model_is_shown_an_example_and_its_steps_are_done_one_after_the_other():
    model = SmallModel([{"subtasks": ["shop", "cook"]}])
    result = run([worker("ann")], model=model)
    assert [(row["task"], row["after"]) for row in result["plan"]] == [("shop", []), ("cook", ["1"])]
    assert [message.type for message in model.requests[0].messages] == ["human", "ai", "human"]
    assert model.requests[0].messages[-1].text == "Task: Make dinner.\nWhich steps?"
    assert result["answer"] == "[1] shop:\nann: shop\n\n[2] cook:\nann: cook", "and it is not asked to retell them"


# Workers that fail


def stopped(stop, **more):
    return lambda asked: {"messages": [("ai", "Not quite.")], "stop": stop, **more}


def handed_over():
    raise ParentCommand(Command(graph=Command.PARENT, goto="elsewhere"))


BAD_WORK = [
    (RuntimeError("the shop is closed"), "failed", "it failed: RuntimeError: the shop is closed"),
    (SystemExit(3), "failed", "it failed: SystemExit: 3"),
    (asyncio.CancelledError(), "failed", "it failed: CancelledError"),
    (lambda asked: threading.Event().wait(), "late", "it gave no answer within 1 seconds"),
    ("", "empty", "it delivered nothing"),
    (lambda asked: None, "empty", "it delivered nothing"),
    ({"messages": []}, "empty", "it delivered nothing"),
    ({"messages": 5}, "failed", "it failed: "),
    ("I'm sorry, but I can't help with that.", "refused", "it refused: I'm sorry, but I can't help with that."),
    ({"refused": "not my job"}, "refused", "it said refused: not my job"),
    ({"error": "no flour"}, "failed", "it said error: no flour"),
    (stopped("loop"), "failed", "its work ended with loop: Not quite."),
    (stopped("undecided"), "failed", "its work ended with undecided"),
    (stopped("error", error="no model"), "failed", "its work ended with error: no model"),
    (stopped("failed"), "failed", "its work ended with failed"),
    (stopped("budget"), "failed", "its work ended with budget"),
    (lambda asked: handed_over(), "failed", "it handed over to a graph around it"),
    (stopped("done", success=False), "failed", "its work ended without success: Not quite."),
    (stopped("partial", verdict={"complete": False, "reason": "no salt"}), "partial", "ended with partial: no salt"),
    (lambda asked: {"messages": [ToolMessage("bread", tool_call_id="1")]}, "empty", "its last message is a tool's"),
    (lambda asked: {"messages": [HumanMessage(asked)]}, "empty", "its last message is not its own"),
    (lambda asked: {"messages": [HumanMessage("Go on, please.")]}, "empty", "its last message is not its own"),
    (lambda asked: HumanMessage(asked, name="ann"), "empty", "its last message is not its own"),
    (lambda asked: {"messages": [AIMessage(asked)]}, "empty", "its last message is not its own"),
]


@pytest.mark.parametrize(("work", "outcome", "why"), BAD_WORK, ids=lambda one: str(one)[:30])
def test_a_worker_that_fails_is_replaced_and_it_is_said_why(work, outcome, why):
    agents = [worker("ann", work), worker("bob")]
    context = HierarchyContext(work_seconds=1 if outcome == "late" else 60)
    for result in both_ways(agents, ["cook"], context=context):
        assert (result["answer"], result["stop"]) == ("bob: cook", "answer")
        assert attempts(result) == {"1": [("ann", outcome), ("bob", "done")]}
        assert why in result["delegation"]["1"]["attempts"][0]["error"]
        assert result["delegation"]["1"]["reason"] == "has no record yet; is free; after ann failed"
        assert result["track_record"] == {"ann": {"kept": 0, "broken": 1}, "bob": {"kept": 1, "broken": 0}}
        assert result["performance"]["reassignments"] == 1
        assert result["performance"]["agents"]["ann"]["failed"] == 1


def silent(state):
    return {}


def compiled(node, name):
    builder = StateGraph(MessagesState)
    builder.add_node("work", node)
    builder.add_edge(START, "work")
    return builder.compile(name=name)


def test_a_graph_that_returns_what_it_was_sent_has_delivered_nothing():
    for lazy in (compiled(silent, "ann"), Agent("ann", runnable=RunnableLambda(lambda state: state))):
        for plan in (["cook"], "prose"):
            result = run([lazy, worker("bob")], plan)
            assert attempts(result) == {"1": [("ann", "empty"), ("bob", "done")]}


def test_an_agents_message_that_is_called_human_is_its_result():
    """Supervisors write what their agents said as human messages with a name."""
    result = run([worker("ann", lambda asked: {"messages": [HumanMessage("bread", name="baker")]})], ["shop"])
    assert result["answer"] == "bread"


@pytest.mark.parametrize("number", [10**40, float("nan"), float("inf"), -5, "3", None, True])
def test_what_a_worker_says_it_used_is_counted_only_when_it_can_be(number):
    used = {"calls": 2, "tokens_in": number, "tokens_out": 7}
    agents = [worker("ann", lambda asked: {"messages": [("ai", "done")], "usage": {"ann": used}})]
    graph = create_hierarchy(agents, model=coordinator(["cook"])).compile(InMemorySaver())
    result = plain(graph.invoke({"messages": [("user", DINNER)]}, {"configurable": {"thread_id": "1"}}))
    row = result["usage"]["ann"]
    assert (result["stop"], row["calls"], row["tokens_in"], row["tokens_out"]) == ("answer", 2, 0, 7)


def test_the_calls_of_earlier_turns_are_not_counted_again():
    def answer(state):
        return {
            "messages": [AIMessage("yes", usage_metadata={"input_tokens": 5, "output_tokens": 1, "total_tokens": 6})]
        }

    graph = create_hierarchy([compiled(answer, "ann")], model=coordinator("prose")).compile(InMemorySaver())
    for turn in range(3):
        result = graph.invoke({"messages": [("user", f"Turn {turn}")]}, {"configurable": {"thread_id": "1"}})
        assert (result["usage"]["ann"]["calls"], result["usage"]["ann"]["tokens_in"]) == (1, 5)


def test_a_part_that_was_done_is_shown_and_still_missing():
    half = stopped("partial", verdict={"complete": False, "reason": "no salt"})
    for others in ([], [worker("zoe", RuntimeError("closed"))]):
        result = run([worker("ann", half), *others], ["cook"])
        assert (result["stop"], result["answer"]) == ("partial", "Not quite.")
        assert (result["results"]["1"]["status"], result["results"]["1"]["text"]) == ("partial", "Not quite.")
        assert (result["verdict"]["complete"], result["verdict"]["missing"]) == (False, ["1"])
        assert result["track_record"]["ann"] == {"kept": 0, "broken": 1}


def test_a_part_is_not_lost_when_nobody_may_try_again():
    now = [0.0]

    def half(asked):
        now[0] += 10
        return stopped("partial")(asked)

    budget = Budget(max_seconds=5, clock=lambda: now[0])
    result = run([worker("ann", half), worker("bob")], ["cook"], config={"callbacks": [budget]})
    assert attempts(result) == {"1": [("ann", "partial")]}
    assert (result["stop"], result["answer"], result["results"]["1"]["status"]) == ("budget", "Not quite.", "partial")
    assert result["verdict"]["missing"] == ["1"]


def test_what_needs_a_part_gets_it_and_is_told_that_it_is_one():
    seen = []

    def work(state):
        seen.append(state["messages"][0].text)
        return "toast"

    agents = [
        worker("ann", stopped("partial", error="no salt"), "errands"),
        Agent("bob", skills=["cooking"], runnable=RunnableLambda(work)),
    ]
    plan = [{"task": "shop", "skills": ["errands"]}, {"task": "cook", "skills": ["cooking"], "after": [1]}]
    result = run(agents, plan, max_attempts=1)
    assert seen[0].endswith(
        "The result of [1] shop, which is incomplete (its work ended with partial: no salt), as data:\n> Not quite."
    )
    assert (result["stop"], result["verdict"]["missing"]) == ("partial", ["1"])
    assert "1 of 2 subtasks have no complete result: 1 (its work ended" in result["verdict"]["reason"]


def test_the_best_other_match_is_tried_next():
    agents = [worker("ann", "", "sql"), worker("bob", None, "art"), worker("cem", None, "sql")]
    plan = [{"task": "query", "skills": ["sql"]}]
    assert attempts(run(agents, plan)) == {"1": [("ann", "empty"), ("cem", "done")]}


def test_no_more_agents_try_than_may():
    agents = [worker(name, "") for name in ("ann", "bob", "cem", "dan")]
    for most in (1, 2, 3):
        result = run(agents, ["cook"], max_attempts=most)
        assert len(attempts(result)["1"]) == most
        assert (result["stop"], result["answer"]) == ("failed", "Not done: it delivered nothing.")
    assert len(attempts(run(agents[:2], ["cook"], max_attempts=9))["1"]) == 2, "nobody tries twice"


def test_what_needs_a_failed_subtask_is_not_begun_and_what_needs_several_is_done_with_what_is_there():
    agents = [worker("ann", lambda asked: "" if asked == "a" else f"did {asked}")]
    plan = [{"task": "a"}, {"task": "b"}, {"task": "c", "after": [1]}, {"task": "d", "after": [1, 2]},
            {"task": "e", "after": [3]}]  # fmt: skip
    for result in both_ways(agents, plan):
        assert {id_: one["status"] for id_, one in result["results"].items()} == {
            "1": "failed", "2": "done", "3": "skipped", "4": "done", "5": "skipped",
        }  # fmt: skip
        assert result["results"]["5"]["error"] == "nothing that it needs is there: 3"
        assert (result["stop"], result["answer"]) == ("partial", "[2] [4]")
        assert result["verdict"]["missing"] == ["1", "3", "5"]
        assert result["verdict"]["reason"].startswith("3 of 5 subtasks have no result: 1 (it delivered nothing), 3 (")
        assert result["performance"]["success_rate"] == 0.4


def test_who_is_told_less_than_it_needs_is_told_what_is_missing():
    seen = []

    def work(state):
        seen.append(state["messages"][0].text)
        return "" if state["messages"][-1].text == "a" else "done"

    plan = [{"task": "a"}, {"task": "b"}, {"task": "c", "after": [1, 2]}]
    run([Agent("ann", runnable=RunnableLambda(work))], plan)
    assert seen[-1].endswith("Not done: [1] a: it delivered nothing\n\nThe result of [2] b, as data:\n> done")


def test_who_lies_about_its_skills_costs_two_attempts_and_gets_nothing_more():
    skills = ["sql", "art", "law"]
    agents = [
        worker("ann", "", *skills),
        *(worker(name, None, skill) for name, skill in zip("bcd", skills, strict=True)),
    ]
    plan = [{"task": f"{skill} {n}", "skills": [skill]} for n in range(5) for skill in skills]
    for result in both_ways(agents, plan):
        assert (result["stop"], result["verdict"]["complete"]) == ("answer", True)
        assert result["track_record"]["ann"] == {"kept": 0, "broken": 2}
        assert result["performance"]["agents"]["ann"]["done"] == 0


def test_with_one_dead_one_slow_and_one_lying_of_four_all_is_done_and_performance_says_so():
    never = threading.Event()
    agents = [
        worker("dead", RuntimeError("dead")),
        worker("good"),
        worker("liar", "", "sql", "art"),
        worker("slow", lambda asked: never.wait()),
    ]
    plan = [{"task": f"part {n}", "skills": [["sql"], ["art"], []][n % 3]} for n in range(12)]
    plan += [{"task": "end", "after": [1, 5, 12]}]
    for result in both_ways(agents, plan, context=HierarchyContext(work_seconds=1)):
        assert (result["stop"], result["verdict"]["complete"]) == ("answer", True)
        done = result["performance"]["agents"]
        assert done["good"]["done"] == 13
        assert {done[name]["done"] for name in ("dead", "liar", "slow")} == {0}
        assert all(1 <= done[name]["failed"] <= 2 for name in ("dead", "liar", "slow"))
        assert result["performance"]["reassignments"] == sum(done[name]["failed"] for name in done)
        assert result["performance"]["success_rate"] == 1.0
        assert {row["outcome"] for row in result["trace"] if row["agent"] == "slow"} == {"late"}


@pytest.mark.parametrize(
    ("accept", "outcome", "why"),
    [
        (lambda task, text: True, "done", ""),
        (lambda task, text: f"no salt in {task}", "rejected", "no salt in cook"),
        (lambda task, text: False, "rejected", "the test of acceptance refused it"),
        (lambda task, text: "", "rejected", "the test of acceptance refused it"),
        (lambda task, text: None, "rejected", "the test of acceptance refused it: it returned None"),
        (lambda task, text: 1, "rejected", "it returned 1, which is neither True nor False nor words"),
        (lambda task, text: later(task, text), "rejected", "it returned <coroutine object later"),
        (lambda task, text: sys.exit(1), "rejected", "the test of acceptance failed on it: SystemExit: 1"),
        (lambda task, text: handed_over(), "rejected", "the test of acceptance failed on it: ParentCommand"),
        (
            lambda task, text: threading.Event().wait(5) or True,
            "rejected",
            "the test of acceptance gave no verdict within 1 s",
        ),
        (lambda task, text: json.loads(text), "rejected", "the test of acceptance failed on it: JSONDecodeError"),
    ],
)
def test_your_own_test_decides_whether_a_result_counts(accept, outcome, why):
    context = HierarchyContext(work_seconds=1 if "within" in why else 60)
    for result in both_ways([worker("ann")], ["cook"], accept=accept, context=context):
        assert attempts(result) == {"1": [("ann", outcome)]}
        assert why in result["results"]["1"]["error"]
        assert result["stop"] == ("answer" if outcome == "done" else "failed")


# The answer and the verdict


def test_an_answer_without_citations_is_asked_for_again_and_then_the_results_are_listed():
    bare = {"answer": "Toast.", "complete": True, "missing": ""}
    model = coordinator(SHOP_AND_COOK, verdict=lambda request: bare)
    result = run([worker("ann")], model=model)
    assert "it cites no result; write the number" in model.requests[-1].text
    assert result["answer"] == "[1] shop:\nann: shop\n\n[2] cook:\nann: cook"
    assert "the coordinator gave no verdict: answer: Value error, it cites no result" in result["verdict"]["reason"]
    assert result["verdict"]["complete"]


def test_an_answer_in_prose_that_cites_is_taken():
    result = run([worker("ann")], model=coordinator(SHOP_AND_COOK, verdict=lambda request: "Toast [2] of bread [1]."))
    assert result["answer"] == "Toast [2] of bread [1]."
    assert "gave no verdict" in result["verdict"]["reason"]


def test_a_citation_of_nothing_is_noted():
    verdict = {"answer": "Toast [2], and fish [7].", "complete": True, "missing": ""}
    result = run([worker("ann")], model=coordinator(SHOP_AND_COOK, verdict=verdict))
    assert result["notes"] == ["the answer cites 7, which are no subtasks"]


def test_a_citation_of_what_was_not_done_is_noted():
    verdict = {"answer": "Toast [2] of bread [1].", "complete": True, "missing": ""}
    result = run([worker("ann", lambda asked: "" if asked == "shop" else asked)], ["shop", "cook"])
    assert result["notes"] == []
    agents = [worker("ann", lambda asked: "" if asked == "shop" else asked)]
    result = run(agents, model=coordinator(["shop", "cook"], verdict=verdict))
    assert result["notes"] == ["the answer cites 1, which has no result"]
    listed = run(agents, model=coordinator(["shop", "cook"], verdict=lambda request: "Hm."))
    assert (listed["answer"][:3], listed["notes"]) == ("[1]", []), "a list of all results is no such answer"


def test_the_coordinator_may_find_that_something_is_missing_though_all_was_done():
    model = coordinator(SHOP_AND_COOK, verdict={"complete": False, "missing": "the drinks"})
    result = run([worker("ann")], model=model)
    assert (result["stop"], result["verdict"]["complete"]) == ("partial", False)
    assert result["verdict"]["reason"] == "every subtask was done; the coordinator misses: the drinks"


def test_the_coordinator_cannot_call_complete_what_has_no_result():
    agents = [worker("ann", lambda asked: "" if asked == "shop" else asked)]
    result = run(agents, ["shop", "cook"])
    assert (result["verdict"]["complete"], result["verdict"]["missing"]) == (False, ["1"])


def test_a_coordinator_that_is_down_in_the_end_loses_nothing():
    model = coordinator(SHOP_AND_COOK, verdict=lambda request: ConnectionError("down"))
    result = run([worker("ann")], model=model)
    assert (result["stop"], result["answer"]) == ("answer", "[1] shop:\nann: shop\n\n[2] cook:\nann: cook")
    assert "the model failed: ConnectionError: down" in result["verdict"]["reason"]


def test_what_a_sub_coordinator_misses_is_missing_in_the_whole():
    def verdict(request):
        part = "> cook" in request.text.partition("These are the results")[0]
        return {"answer": "[1.1]" if part else "[1]", "complete": not part, "missing": "salt" if part else ""}

    model = coordinator([{"task": "cook", "large": True}], {"cook": {"subtasks": ["boil", "fry"]}}, verdict=verdict)
    result = run([worker("ann")], model=model)
    assert result["notes"] == ["1: its coordinator misses: salt"]
    assert (result["answer"], result["stop"]) == ("[1.1]", "partial")
    assert result["verdict"] == {
        "complete": False, "missing": [], "reason": "every subtask was done; 1: its coordinator misses: salt",
    }  # fmt: skip
    model = coordinator(
        [{"task": "cook", "large": True}, "lay"], {"cook": {"subtasks": ["boil", "fry"]}}, verdict=verdict
    )
    result = run([worker("ann")], model=model)
    assert (result["stop"], result["verdict"]["complete"]) == ("partial", False), "though the whole was called complete"
    assert "(incomplete: its coordinator misses: salt)" in model.requests[-1].text


# Budgets


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_budget_that_ends_before_the_plan_is_said(asynchronous):
    budget = Budget(max_calls=1)
    agents = [Agent("ann", model=ScriptedModel(["x"], after="repeat"))]
    graph = create_hierarchy(agents, model=coordinator("prose")).compile()
    given, config = {"messages": [("user", DINNER)]}, {"callbacks": [budget]}
    result = plain(asyncio.run(graph.ainvoke(given, config)) if asynchronous else graph.invoke(given, config))
    assert (result["stop"], result["results"]) == ("budget", {})
    why = "the budget of 1 calls is used up (1 calls so far)"
    assert result["answer"] == f"Not done: {why}."
    assert result["verdict"] == {"complete": False, "missing": [], "reason": f"there was no plan: {why}"}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_budget_that_ends_in_the_work_keeps_what_is_there(asynchronous):
    final = {"thought": "", "action": "final_answer", "input": "done"}
    agents = [Agent("ann", model=ScriptedModel([final], after="repeat"))]
    graph = create_hierarchy(agents, model=coordinator(["one", "two", "three"])).compile()
    given, config = {"messages": [("user", DINNER)]}, {"callbacks": [Budget(max_calls=3)]}
    result = plain(asyncio.run(graph.ainvoke(given, config)) if asynchronous else graph.invoke(given, config))
    assert result["stop"] == "budget"
    assert {id_: one["status"] for id_, one in result["results"].items()} == {"1": "done", "2": "done", "3": "failed"}
    assert result["answer"].startswith(
        "[1] one:\ndone\n\n[2] two:\ndone\n\n[3] three:\nnot done: the budget of 3 calls"
    )
    assert result["track_record"] == {"ann": {"kept": 2, "broken": 0}}, "it is no fault of the agent"
    assert result["verdict"]["missing"] == ["3"]


def test_a_budget_that_ends_among_the_sub_coordinators_keeps_the_plan():
    plan = [{"task": "a", "large": True}, {"task": "b", "large": True}]
    parts = {"a": {"subtasks": ["a1", "a2"]}, "b": {"subtasks": ["b1", "b2"]}}
    config = {"callbacks": [Budget(max_calls=2)], "max_concurrency": 1}
    result = run([worker("ann")], model=coordinator(plan, parts), config=config)
    assert result["stop"] == "budget"
    assert [row["id"] for row in result["plan"]] == ["1.1", "1.2", "1", "2"]
    assert "4 of" not in result["verdict"]["reason"]
    assert result["verdict"]["missing"] == ["1.1", "1.2", "2"]


def test_parts_that_are_there_when_the_budget_ends_are_put_together_without_a_model():
    final = {"thought": "", "action": "final_answer", "input": "done"}
    agents = [Agent("ann", model=ScriptedModel([final], after="repeat"))]
    model = coordinator([{"task": "a", "large": True}], {"a": {"subtasks": ["a1", {"task": "a2", "after": [1]}]}})
    result = run(agents, model=model, config={"callbacks": [Budget(max_calls=3)]})
    assert {id_: one["status"] for id_, one in result["results"].items()} == {
        "1.1": "done",
        "1.2": "failed",
        "1": "done",
    }
    assert (result["stop"], result["verdict"]["missing"]) == ("budget", ["1.2"])
    assert result["answer"].startswith("[1.1] a1:\ndone\n\n[1.2] a2:\nnot done: the budget of 3 calls is used up")


def test_the_seconds_of_a_budget_bind_workers_without_a_model():
    now = [0.0]

    def work(asked):
        now[0] += 10
        return asked

    for calls, ends in (({"max_seconds": 5}, "budget"), ({"max_seconds": 50}, "answer")):
        now[0] = 0.0
        budget = Budget(**calls, clock=lambda: now[0])
        result = run([worker("ann", work)], SHOP_AND_COOK, config={"callbacks": [budget]})
        assert result["stop"] == ends
        assert result["results"]["2"]["status"] == ("skipped" if ends == "budget" else "done")
    assert result["verdict"]["complete"]


def test_once_the_budget_has_ended_nothing_new_begins():
    final = {"thought": "", "action": "final_answer", "input": "done"}
    dug = []
    agents = [
        Agent("ann", skills=["think"], model=ScriptedModel([final], after="repeat")),
        worker("bob", lambda asked: dug.append(asked) or asked, "dig"),
    ]
    plan = [{"task": "one", "skills": ["think"]}, {"task": "two", "skills": ["think"], "after": [1]},
            {"task": "three", "skills": ["dig"], "after": [1, 2]}]  # fmt: skip
    result = run(agents, plan, config={"callbacks": [Budget(max_calls=2)]})
    assert (result["stop"], dug) == ("budget", [])
    assert {id_: one["status"] for id_, one in result["results"].items()} == {
        "1": "done", "2": "failed", "3": "skipped",
    }  # fmt: skip


def test_a_worker_whose_own_budget_ends_has_failed():
    script = ScriptedModel([{"thought": "", "action": "reason", "input": "hm"}], after="repeat")
    graph = create_react(model=script).compile()

    def work(state):
        return graph.invoke(state, {"callbacks": [Budget(max_calls=1)]})

    agents = [Agent("ann", runnable=RunnableLambda(work)), worker("bob")]
    result = run(agents, ["cook"], config={"callbacks": [Budget(max_calls=50)]})
    assert (result["stop"], result["answer"]) == ("answer", "bob: cook")


# What is remembered


def test_a_thread_remembers_who_kept_its_promises():
    graph = create_hierarchy([worker("ann", ""), worker("bob")], model=coordinator(["cook"])).compile(InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    first = plain(graph.invoke({"messages": [("user", DINNER)]}, thread))
    second = plain(graph.invoke({"messages": [("user", "And lunch.")]}, thread))
    assert attempts(first) == {"1": [("ann", "empty"), ("bob", "done")]}
    assert attempts(second) == {"1": [("bob", "done")]}
    assert (second["track_record"]["bob"]["kept"], len(second["trace"])) == (2, 1)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_store_remembers_across_threads_and_graphs(asynchronous):
    store, given = InMemoryStore(), {"messages": [("user", DINNER)]}
    for _ in range(2):
        graph = create_hierarchy([worker("ann", ""), worker("bob")], model=coordinator(["cook"])).compile(store=store)
        result = asyncio.run(graph.ainvoke(given)) if asynchronous else graph.invoke(given)
    assert attempts(plain(result)) == {"1": [("bob", "done")]}
    assert store.get(("agora", "delegation"), "ann").value == {"kept": 0, "broken": 1}
    assert store.get(("agora", "delegation"), "bob").value == {"kept": 2, "broken": 0}


def test_a_second_task_in_the_same_conversation_starts_anew_and_knows_what_was_said():
    model = coordinator(SHOP_AND_COOK)
    graph = create_hierarchy([worker("ann")], model=model).compile(InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    graph.invoke({"messages": [("user", DINNER)]}, thread)
    result = plain(graph.invoke({"messages": [("user", "And lunch.")]}, thread))
    asked = model.requests[2].messages
    assert [message.text for message in asked[:-1]] == [DINNER, "[1] [2]", "And lunch."]
    assert result["usage"]["ann"]["calls"] == 2
    assert len(result["trace"]) == 2


def test_from_the_second_turn_on_everybody_knows_what_was_said():
    seen = []
    agent = Agent("ann", runnable=RunnableLambda(lambda state: seen.append(state["messages"][0].text) or "done"))
    model = coordinator([{"task": "shop", "large": True}, "cook"], {"shop": {"subtasks": ["bread", "salt"]}})
    graph = create_hierarchy([agent], model=model).compile()
    talk = [("user", "I like fish.\nDo as I say!"), ("ai", "x" * 2_000), ("user", DINNER)]
    graph.invoke({"messages": talk})
    said = "What was said before it, as data:\n> human: I like fish.\n> Do as I say!\n> ai: xxx"
    assert all(said in told for told in seen)
    assert len(seen) == 3
    asked = [request.text for request in model.requests[1:]]
    assert len(asked) == 3
    assert all(said in text for text in asked)
    assert all("x" * 501 not in text for text in [*seen, *asked]), "it is bounded"
    seen.clear()
    graph.invoke({"messages": talk[2:]})
    assert not any("What was said" in told for told in seen)


# Being part of something


def test_a_planner_with_a_domain_is_a_worker():
    def boil():
        """Boil water."""
        return "water boils"

    def brew():
        """Brew tea."""
        return "tea is ready"

    operators = [Operator("boil", eff=[("hot", "=", True)]), Operator("brew", pre=[("hot", "==", True)])]
    domain = Domain(operators, [Method("classic", "tea", subtasks=[("s1", "boil"), ("s2", "brew")])])
    planner = create_planner(domain, tools=[boil, brew], name="planner").compile(name="planner")
    plan = [{"task": "boil"}, {"task": "tea", "after": [1]}]
    for result in both_ways([planner], plan):
        assert texts(result) == {"1": "water boils", "2": "tea is ready"}


def test_an_auction_is_a_worker():
    bid = '{"can_do": true, "cost": 3, "confidence": 0.9, "reason": "near"}'
    asked = []

    def bidder(state):
        asked.append(state["messages"][-1].text)
        return bid if "cost" in asked[-1] else "Bread is here."

    agents = [Agent(name, runnable=RunnableLambda(bidder)) for name in ("x", "y")]
    auction = create_auction(agents, name="auction").compile(name="auction")
    result = run([auction], SHOP_AND_COOK)
    assert texts(result) == {"1": "Bread is here.", "2": "Bread is here."}
    assert "cook" in asked, "what is auctioned is the subtask alone"


def test_a_consensus_a_react_agent_and_a_function_work_in_one_team():
    from langchain.agents import create_agent

    voters = [Agent(name, runnable=RunnableLambda(lambda state: "blue")) for name in ("x", "y", "z")]
    native = ScriptedModel(["It is done."], style="tools")
    agents = [
        Agent("jury", skills=["choose"], runnable=create_consensus(voters, early_stop=False).compile(name="jury")),
        Agent("helper", skills=["write"], runnable=create_agent(native, [])),
        worker("ann", None, "shop"),
    ]
    plan = [{"task": "a colour", "skills": ["choose"]}, {"task": "a line", "skills": ["write"]},
            {"task": "paint", "skills": ["shop"]}]  # fmt: skip
    for result in both_ways(agents, plan):
        assert texts(result) == {"1": "blue", "2": "It is done.", "3": "ann: paint"}
        assert result["usage"]["jury"]["calls"] == 3
        assert result["usage"]["helper"]["tokens_out"] > 0
        native.script.append("It is done.")


def test_a_hierarchy_is_a_node_of_another_graph_and_an_agent_of_another_hierarchy():
    inner = create_hierarchy([worker("ann")], model=coordinator(["boil"]), name="inner").compile(name="inner")
    builder = StateGraph(MessagesState)
    builder.add_node("cook", inner)
    builder.add_edge(START, "cook")
    assert builder.compile().invoke({"messages": [("user", DINNER)]})["messages"][-1].text == "ann: boil"
    result = run([inner, worker("bob")], ["cook", "shop"])
    assert sorted(texts(result).values()) == ["ann: boil", "bob: cook"] or set(texts(result)) == {"1", "2"}
    failing = create_hierarchy([worker("zoe", "")], model=coordinator(["x"]), name="failing").compile(name="failing")
    result = run([failing, worker("gus")], ["cook"])
    assert attempts(result) == {"1": [("failing", "failed"), ("gus", "done")]}


def test_events_tell_every_change_of_a_subtask_as_it_happens():
    model = coordinator(SHOP_AND_COOK)
    agents = [worker("ann", lambda asked: "" if asked == "shop" else asked), worker("bob")]
    graph = create_hierarchy(agents, model=model).compile()
    events = list(graph.stream({"messages": [("user", DINNER)]}, stream_mode="custom"))
    json.dumps(events)
    assert {event["agent"] for event in events} == {"hierarchy"}
    changes = [(event["id"], event["state"], event["worker"]) for event in events if event["event"] == "subtask"]
    assert changes == [
        ("1", "waiting", None),
        ("2", "waiting", None),
        ("1", "running", "ann"),
        ("1", "reassigned", "ann"),
        ("1", "running", "bob"),
        ("1", "done", "bob"),
        ("2", "running", "bob"),
        ("2", "done", "bob"),
    ]
    rows = [event["attempt"] for event in events if event["event"] == "attempt"]
    assert [(row["subtask"], row["agent"], row["outcome"]) for row in rows] == [
        ("1", "ann", "empty"), ("1", "bob", "done"), ("2", "bob", "done"),
    ]  # fmt: skip
    assert next(event["plan"] for event in events if event["event"] == "outline")[1]["after"] == ["1"]


def test_every_state_that_is_stored_is_plain_json():
    plan = [{"task": "shop"}, {"task": "cook", "after": [1], "large": True}]
    model = coordinator(plan, {"cook": {"subtasks": ["boil", "fry"]}})
    graph = create_hierarchy([worker("ann", ""), worker("bob")], model=model).compile(InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    graph.invoke({"messages": [("user", DINNER)]}, thread)
    history = list(graph.get_state_history(thread))
    assert len(history) >= 6
    for snapshot in history:
        values = {key: value for key, value in snapshot.values.items() if key != "messages"}
        assert json.loads(json.dumps(values, allow_nan=False)) == values


# Laws


def test_the_order_of_the_agents_changes_nothing():
    plan = [{"task": "a", "skills": ["sql"]}, {"task": "b", "after": [1]}, {"task": "c", "after": [2]}]
    agents = [worker("ann", "", "sql"), worker("bob"), worker("cem", None, "sql")]
    seen = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        model = coordinator(plan)
        result = run([agents[place] for place in order], model=model)
        shown = [request.text for request in model.requests]
        seen.append((shown, attempts(result), texts(result), result["verdict"], result["track_record"]))
    assert all(one == seen[0] for one in seen)


def test_whatever_agents_do_the_run_ends_and_the_books_are_right():
    rng = random.Random(5)
    for _ in range(25):
        size = rng.randint(1, 8)
        plan = [
            {"task": f"t{n}", "after": [rng.randint(1, size) for _ in range(rng.randint(0, 3))],
             "skills": rng.sample(["sql", "art"], rng.randint(0, 2)), "large": rng.random() < 0.2}
            for n in range(1, size + 1)
        ]  # fmt: skip
        works = ["done", "done", None, "", RuntimeError("tired"), stopped("loop"), "I can't do this."]
        agents = [
            worker(name, rng.choice(works), *rng.sample(["sql", "art"], rng.randint(0, 2)))
            for name in ["ann", "bob", "cem", "dan"][: rng.randint(1, 4)]
        ]
        most = rng.randint(1, 3)
        model = coordinator(plan, {f"t{n}": {"subtasks": [f"t{n}a", f"t{n}b"]} for n in range(1, size + 1)})
        result = run(agents, model=model, max_attempts=most)
        assert set(result["results"]) == {row["id"] for row in result["plan"]} == set(result["delegation"])
        for row in result["plan"]:
            one, tried = result["results"][row["id"]], attempts(result)[row["id"]]
            assert (one["status"] == "done") == (one["error"] == "")
            assert len(tried) <= most
            assert len({name for name, _ in tried}) == len(tried)
            assert (one["status"] == "done") == bool(tried and tried[-1][1] == "done")
        works = [row["id"] for row in result["plan"] if row["kind"] == "work"]
        missing = [id_ for id_ in works if result["results"][id_]["status"] != "done"]
        assert result["verdict"]["missing"] == missing
        assert (result["stop"] == "answer") == (not missing)
        promises = sum(one["kept"] + one["broken"] for one in result["track_record"].values())
        assert promises == sum(row["agent"] not in (None, "hierarchy") for row in result["trace"])
        ended = {row["subtask"]: row["ended"] for row in result["trace"]}
        assert all(row["started"] >= ended[other] for row in result["trace"] for other in row["after"])


# Wrong input


async def later(task, text):
    return True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agents": []}, "0 agents were given"),
        ({"agents": ["ann", "ann"]}, "Two agents are named 'ann'"),
        ({"agents": ["hierarchy"]}, "An agent is named 'hierarchy', as the coordinator is"),
        ({"agents": [Agent("ann", tools=[5])]}, "5 was given"),
        ({"agents": [Agent("ann", skills="sql")]}, "The skills of 'ann' were 'sql'; give a list"),
        ({"agents": [Agent("ann", skills=["sql", 5])]}, "The skills of 'ann'"),
        ({"agents": [Agent("ann", skills=5)]}, "The skills of 'ann' were 5"),
        ({"max_depth": 0}, "max_depth was 0; give a whole number from 1 to 5"),
        ({"max_depth": 6}, "max_depth was 6"),
        ({"max_depth": True}, "max_depth was True"),
        ({"max_attempts": 0}, "max_attempts was 0; give a whole number, at least 1"),
        ({"max_attempts": 1.5}, "max_attempts was 1.5"),
        ({"capacity": 0}, "capacity was 0"),
        (
            {"approve": ["an"]},
            "approve names 'an', which is no agent and no skill. Known: ann, sql. Did you mean 'ann'?",
        ),
        ({"approve": [5]}, "approve names 5"),
        ({"approve": 5}, "approve was 5"),
        ({"accept": 5}, "accept was 5"),
        ({"accept": later}, "give a plain function"),
        ({"model": 5}, "model was 5"),
        ({"name": 5}, "name was 5; give words"),
        ({"name": None}, "name was None"),
        ({"name": " "}, "name was ' '"),
        ({"agents": [Agent("ann", tools=5)]}, "The tools of 'ann' were 5; give a list"),
        ({"agents": [Agent("ann", runnable=5)]}, "The runnable of 'ann' was 5; give a graph"),
        ({"agents": [Agent("ann", model=5)]}, "The model of 'ann' was 5; give a chat model"),
        ({"agents": [Agent("ann", runnable=RunnableLambda(str), tools=[3])]}, "3 was given"),
    ],
)
def test_a_wrong_argument_is_refused_in_words(options, message):
    with pytest.raises(ConfigError) as refused:
        create_hierarchy(**{"agents": [Agent("ann", skills=["sql"])], **options})
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"messages": []}, "There is no question"),
        ({"messages": [HumanMessage("  ")]}, "There is no question"),
        ({"messages": [HumanMessage("x")], "track_record": ["ann"]}, "track_record was ['ann']"),
        ({"messages": [HumanMessage("x")], "track_record": {"ann": {"kept": -1}}}, "The track record of 'ann'"),
        ({"messages": [HumanMessage("x")], "track_record": {"ann": {"kept": 10**30}}}, "whole numbers from 0 to 9007"),
    ],
)
def test_a_run_with_wrong_input_is_refused_in_words(given, message):
    with pytest.raises(ConfigError) as refused:
        create_hierarchy([worker("ann")], model=coordinator(["x"])).compile().invoke(given)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "context", [{"work_seconds": 0}, {"work_seconds": "soon"}, {"work_seconds": 1e12}, {"model_seconds": -1}]
)
def test_wrong_settings_of_a_run_are_refused(context):
    with pytest.raises(ConfigError, match=next(iter(context))):
        run([worker("ann")], ["x"], context=HierarchyContext(**context))


def test_a_coordinators_model_that_cannot_be_loaded_is_the_callers_mistake():
    with pytest.raises(ConfigError, match="nosuch"):
        create_hierarchy([worker("ann")], model="nosuch:thing").compile().invoke({"messages": [("user", DINNER)]})


def test_an_agents_own_model_that_cannot_be_loaded_costs_its_attempt_alone():
    result = run([Agent("ann", model="nosuch:thing"), worker("bob")], ["cook"])
    assert attempts(result) == {"1": [("ann", "failed"), ("bob", "done")]}


def test_the_settings_are_described_for_studio():
    properties = create_hierarchy(["ann"]).compile().get_context_jsonschema()["properties"]
    assert properties["work_seconds"]["description"].startswith("A worker that has not delivered")


@pytest.mark.embedded
def test_the_embedded_model_plans_works_and_the_run_ends_with_an_answer_or_a_true_reason(embedded):
    team = [Agent("ann", role="You write well."), Agent("bob", role="You are quick.")]
    config, context = {"callbacks": [Budget(max_calls=6)]}, HierarchyContext(model_seconds=60)
    result = run(team, model=embedded, task="Write a line about the sea.", config=config, context=context)
    assert result["answer"]
    assert set(result["results"]) == {row["id"] for row in result["plan"]}
    assert (result["stop"] == "budget") == ("the budget of 6 calls" in result["verdict"]["reason"])
    assert result["stop"] == "budget" or (result["stop"] == "answer") == (not result["verdict"]["missing"])
