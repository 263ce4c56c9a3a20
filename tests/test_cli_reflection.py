"""`agora run reflection` as a user meets it: runs are remembered between commands, judged, tried again."""

import json
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from langgraph_agora import ConfigError
from langgraph_agora.cli import app
from langgraph_agora.display import Display
from langgraph_agora.memory.experience import ExperienceMemory
from tests.loopback import OpenAIServer
from tests.test_cli import agora

SUM = "What is 17 * 23?"
REFLECTED = json.dumps({"cause": "It guessed.", "next_time": "Calculate it."})
MINE = """
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph


def work(state: MessagesState):
    return {"messages": [AIMessage("It is 1,234.50.")]}


mine = StateGraph(MessagesState).add_node("work", work).add_edge(START, "work").compile(name="mine")
"""


def reflection(server, folder, *arguments, **options):
    env = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "none"}
    command = ("run", "reflection", *arguments, "--model", "openai:any", "--memory", str(folder))
    return agora(*command, env=env, **options)


def test_a_run_is_judged_tried_again_and_remembered_for_the_next_command(tmp_path):
    folder, trace = tmp_path / "memory", tmp_path / "trace.jsonl"
    calls = [{"calculate": {"expression": "17*23"}}, "It is 391."]
    with OpenAIServer(["About 400.", REFLECTED, *calls]) as server:
        options = ("--expect", "391", "--retries", "1", "--feature", "domain=sums", "--json", "--trace", str(trace))
        done = reflection(server, folder, SUM, *options)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert (result["answer"], result["improved"]) == ("It is 391.", True)
    assert [one["success"] for one in result["attempts"]] == [False, True]
    assert (
        result["experience"]["features"] | {"domain": "sums", "tool:calculate": True}
        == (result["experience"]["features"])
    )
    assert json.loads(trace.read_text().splitlines()[-1])["result"]["experience"]["id"] == result["experience"]["id"]

    with OpenAIServer(["It is 437."]) as server:
        again = json.loads(reflection(server, folder, "What is 19 * 23?", "--json").stdout)
    assert [one["task"] for one in again["recalled"]["experiences"]] == [SUM]
    assert again["experience"]["outcome_source"] == "self"
    labelled = agora("memory", "label", again["experience"]["id"], "--success", "--path", str(folder))
    assert labelled.returncode == 0, labelled.stderr
    with ExperienceMemory(folder) as memory:
        assert memory.get(again["experience"]["id"])["outcome_source"] == "human"


def test_a_graph_of_ones_own_is_named_by_its_module(tmp_path):
    (tmp_path / "mymodule.py").write_text(MINE)
    with OpenAIServer([]) as server:
        options = ("--graph", "mymodule:mine", "--expect", "1234.5", "--json")
        done = reflection(server, tmp_path / "memory", SUM, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["experience"]["success"] is True


def test_what_happens_is_drawn(tmp_path):
    with OpenAIServer(["About 400.", REFLECTED, "It is 391."]) as server:
        done = reflection(server, tmp_path / "memory", SUM, "--expect", "391", "--retries", "1")
    assert done.returncode == 0, done.stderr
    assert "failure of attempt 1, by validator" in done.stdout
    assert "reflection  It guessed. Calculate it." in done.stdout
    assert "success of attempt 2" in done.stdout


def test_lessons_patterns_and_unknown_outcomes_are_drawn():
    console = Console(file=StringIO(), width=120)
    display = Display(console)
    for event in (
        {"event": "recalled", "given": ["Count [b]twice[/b]."], "withheld": ["Hurry."]},
        {"event": "judged", "number": 1, "success": None, "score": 0.0, "source": "validator", "why": "it hung"},
        {"event": "mined", "patterns": ["runs with no_plan fail"]},
        {"event": "mined", "patterns": []},
        {"event": "memory", "error": "no server"},
        {"event": "lesson", "text": "Plan first.", "state": "active", "why": "It helps."},
    ):
        display.show({"agent": "reflection", **event})
    shown = console.file.getvalue()
    for words in (
        "lesson given  Count [b]twice[/b].",
        "lesson withheld  Hurry.",
        "outcome unknown of attempt 1, by validator  it hung",
        "pattern  runs with no_plan fail",
        "pattern  no pattern",
        "nothing was recalled: no server",
        "lesson active  Plan first.  It helps.",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--graph", "raect"), "Did you mean 'react'"),
        (("--graph", "nowhere:graph"), "cannot be loaded"),
        (("--graph", "json:nothing"), "cannot be loaded"),
        (("--graph", "json:dumps", "--retries", "-1"), "retries was -1"),
        (("--check", "json:nothing"), "--check"),
        (("--expect", ""), "--expect"),
        (("--expect", "1", "--check", "json:dumps"), "either"),
        (("--feature", "domain"), "name=value"),
        (("--lessons", "9"), "from 0 to 3"),
    ],
)
def test_wrong_input_is_refused_in_words(tmp_path, arguments, said):
    done = CliRunner().invoke(app, ["run", "reflection", SUM, *arguments, "--memory", str(tmp_path / "memory")])
    assert isinstance(done.exception, ConfigError)
    assert said in str(done.exception)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "record.sqlite3").write_text("my letters")
    with OpenAIServer([]) as server:
        done = reflection(server, tmp_path, SUM)
    assert done.returncode in (1, 2)
    assert "record" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "record.sqlite3").read_text() == "my letters"
