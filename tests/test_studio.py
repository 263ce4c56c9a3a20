"""`langgraph dev` serves the graphs: what LangGraph Studio and every client of that API get to see."""

import json
from pathlib import Path

import pytest
from langgraph_sdk import get_sync_client

from tests.serving import served

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.server, pytest.mark.embedded]

QUESTION = "What is 17 * 23?"
CONTEXT = {"model_seconds": 600.0}  # The machine may be busy.

# What a user adds: the graph as a part of one's own, and a tool that waits for a person.
MINE = """
from langgraph.graph import START, StateGraph
from langgraph_agora import create_planner, create_react, create_reflection
from langgraph_agora.nodes.planning import Domain, Method, Operator
from langgraph_agora.nodes.react import ReactState
from langgraph_agora.testing import ScriptedModel
from langgraph_agora.tools import calculate

SCRIPT = [{"action": "calculate", "input": "6 * 7"}, {"action": "final_answer", "input": "It is 42."}]
model = ScriptedModel(4 * SCRIPT)  # For four runs.
approving = create_react([calculate], approve=["calculate"], model=model).compile(name="approving")
boil, brew = Operator("boil", eff=[("hot", "=", True)]), Operator("brew", pre=[("hot", "==", True)])
domain = Domain([boil, brew], [Method("classic", "tea", subtasks=[("s1", "boil"), ("s2", "brew")])])
tea = create_planner(domain, approve=["brew"]).compile(name="tea")
def right(task, result):
    return "42" in result["answer"]


learning = create_reflection(approving, memory="memory", check=right, model=model).compile(name="learning")
outer = StateGraph(ReactState).add_node("agent", approving).add_edge(START, "agent").compile(name="outer")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The repository's langgraph.json, with graphs of a user added; the server writes into its folder."""
    folder = tmp_path_factory.mktemp("studio")
    config = json.loads((ROOT / "langgraph.json").read_text())
    config["graphs"] |= {name: f"./mine.py:{name}" for name in ("approving", "learning", "outer", "tea")}
    (folder / "langgraph.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(MINE)
    command = ("langgraph_cli", "dev", "--no-browser", "--no-reload")
    with served(*command, folder=folder, ready="/ok") as (url, log), get_sync_client(url=url, timeout=600) as client:
        yield client, log


@pytest.fixture
def client(server):
    return server[0]


def assistant(client, graph):
    (found,) = client.assistants.search(graph_id=graph)
    return found


def run(client, graph, **given):
    thread = client.threads.create()["thread_id"]
    return thread, client.runs.wait(thread, graph, **given)


def test_the_graph_is_listed_with_its_description(client):
    assert assistant(client, "react")["description"].startswith("ReAct: one agent")


def test_the_drawing_shows_the_nodes_also_inside_another_graph(client):
    drawn = client.assistants.get_graph(assistant(client, "react")["assistant_id"], xray=True)
    nodes = ["think", "act"]
    assert [node["id"] for node in drawn["nodes"]] == ["__start__", *nodes, "__end__"]
    assert {(edge["source"], edge["target"]) for edge in drawn["edges"]} >= {("think", "act"), ("act", "think")}
    nested = client.assistants.get_graph(assistant(client, "outer")["assistant_id"], xray=True)
    assert {node["id"] for node in nested["nodes"]} >= {f"agent:{node}" for node in nodes}


def test_the_schemas_tell_what_goes_in_what_comes_out_and_what_can_be_set(client):
    schemas = client.assistants.get_schemas(assistant(client, "react")["assistant_id"])
    assert list(schemas["input_schema"]["properties"]) == ["messages"]
    assert {"answer", "stop", "steps", "usage"} <= set(schemas["output_schema"]["properties"])
    assert schemas["context_schema"]["properties"]["model"]["default"] == "embedded"
    assert {"max_steps", "instructions"} <= set(schemas["context_schema"]["properties"])


@pytest.mark.parametrize("content", [QUESTION, [{"type": "text", "text": QUESTION}]], ids=["text", "blocks"])
def test_a_run_gives_the_answer_and_its_steps_and_blocks_nothing(server, content):
    client, log = server
    thread, result = run(client, "react", input={"messages": [{"role": "user", "content": content}]}, context=CONTEXT)
    assert "__error__" not in result, result
    values = client.threads.get_state(thread)["values"]
    assert "391" in values["answer"]
    assert values["stop"] == "answer"
    assert [step["action"] for step in values["steps"]] == ["calculate", "final_answer"]
    assert values["messages"][-1]["content"] == values["answer"]
    assert "BlockingError" not in log.read_text()


def test_agents_vote_over_http(server):
    client, log = server
    asked = {"messages": [{"role": "user", "content": "Which colour has the sky on a clear day?"}]}
    thread, result = run(client, "consensus", input=asked, context={"model": "embedded"})
    assert "__error__" not in result, result
    values = client.threads.get_state(thread)["values"]
    assert values["stop"] in ("decided", "undecided")
    assert values["ballots"]
    assert values["messages"][-1]["content"] == values["answer"]
    assert "BlockingError" not in log.read_text()


@pytest.mark.parametrize(
    ("pattern", "nodes", "given", "out"),
    [
        ("auction", {"assess", "award", "perform", "settle"}, {"tasks", "track_record"}, {"awards", "contracts"}),
        (
            "hierarchy",
            {"plan", "subdivide", "approve", "work", "conclude"},
            {"track_record"},
            {"plan", "delegation", "results", "performance", "verdict"},
        ),
        ("negotiation", {"elicit", "talk"}, {"issues", "preferences"}, {"deal", "offers", "leaks"}),
        ("planning", {"plan", "execute", "mend"}, {"tasks", "state"}, {"plan", "completed", "final_state", "trace"}),
        (
            "reflection",
            {"recall", "work", "analyse", "store", "adapt"},
            {"features", "inputs", "run"},
            {"experience", "recalled", "patterns", "lessons", "improved"},
        ),
        (
            "resolution",
            {"choose", "negotiation:talk", "auction:award"},
            {"conflict", "history"},
            {"strategy", "outcome"},
        ),
    ],
)
def test_the_other_patterns_are_listed_drawn_and_described(client, pattern, nodes, given, out):
    found = assistant(client, pattern)
    assert found["description"]
    drawn = client.assistants.get_graph(found["assistant_id"], xray=True)
    assert {node["id"] for node in drawn["nodes"]} >= nodes
    schemas = client.assistants.get_schemas(found["assistant_id"])
    assert set(schemas["input_schema"]["properties"]) == {"messages", *given}
    assert {"answer", "stop", "usage", *out} <= set(schemas["output_schema"]["properties"])
    assert schemas["context_schema"]["properties"]["model"]["description"].startswith("The model: embedded")


def test_a_conflict_is_resolved_over_http(server):
    client, log = server
    conflict = {"issue": "price", "low": 0, "high": 100}
    asked = {"messages": [{"role": "user", "content": "What shall the bread cost?"}], "conflict": conflict}
    thread, result = run(client, "resolution", input=asked, context=CONTEXT)
    assert "__error__" not in result, result
    values = client.threads.get_state(thread)["values"]
    assert (values["strategy"], values["stop"]) == ("weighted_compromise", "resolved")
    assert values["messages"][-1]["content"] == values["answer"]
    assert "BlockingError" not in log.read_text()


def test_a_plan_is_made_of_the_tools_and_carried_out_over_http(server):
    client, log = server
    asked = {"messages": [{"role": "user", "content": QUESTION}]}
    thread, result = run(client, "planning", input=asked, context=CONTEXT)
    assert "__error__" not in result, result
    values = client.threads.get_state(thread)["values"]
    assert values["stop"] in ("done", "exhausted", "max_replans")
    assert values["plan"]["found"]
    assert values["messages"][-1]["content"] == values["answer"]
    assert "BlockingError" not in log.read_text()


def test_a_step_of_a_plan_waits_for_a_person_over_http(server):
    client, log = server
    thread, waiting = run(client, "tea", input={"tasks": ["tea"]})
    (asked,) = waiting["__interrupt__"]
    assert asked["value"]["action_requests"][0]["name"] == "brew"
    done = client.runs.wait(thread, "tea", command={"resume": {"decisions": [{"type": "approve"}]}})
    assert [row["task"] for row in done["completed"]] == ["boil", "brew"]
    assert done["success"]
    assert "BlockingError" not in log.read_text()


def test_runs_are_remembered_over_http_and_a_person_is_asked_inside(server):
    client, log = server
    for number in range(2):
        asked = {"messages": [{"role": "user", "content": "What is 6 * 7?"}], "run": f"run-{number}"}
        thread, waiting = run(client, "learning", input=asked)
        assert waiting["__interrupt__"][0]["value"]["action_requests"][0]["name"] == "calculate"
        done = client.runs.wait(thread, "learning", command={"resume": {"decisions": [{"type": "approve"}]}})
        assert (done["answer"], done["experience"]["success"]) == ("It is 42.", True)
        assert [one["id"] for one in done["recalled"]["experiences"]] == [f"run-{one}" for one in range(number)]
    assert "BlockingError" not in log.read_text()


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_person_decides_about_a_tool_over_http(client, decision):
    thread, waiting = run(client, "approving", input={"messages": [{"role": "user", "content": "What is 6 * 7?"}]})
    (asked,) = waiting["__interrupt__"]
    assert asked["value"]["action_requests"][0]["args"] == {"expression": "6 * 7"}
    done = client.runs.wait(thread, "approving", command={"resume": {"decisions": [{"type": decision}]}})
    assert done["answer"] == "It is 42."
    assert done["steps"][0]["is_error"] == (decision == "reject")
