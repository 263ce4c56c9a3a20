"""`agora run hierarchy` as a user meets it: a team from a file, a live tree, a person who approves."""

import json
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from langgraph_agora import ConfigError, create_hierarchy
from langgraph_agora.cli import app
from langgraph_agora.display import Display
from langgraph_agora.nodes.team_files import read_team
from tests.graphs.test_hierarchy import coordinator, worker
from tests.loopback import OpenAIServer
from tests.test_cli import agora

PLAN = json.dumps(
    {
        "subtasks": [
            {"task": "shop", "skills": ["errands"], "after": [], "effort": 1, "large": False},
            {"task": "cook", "skills": ["cooking"], "after": [1], "effort": 2, "large": False},
        ]
    }
)
ENDS = json.dumps({"answer": "Toast [2] of bread [1].", "complete": True, "missing": ""})
TEAM = """
agents:
  - name: ann
    role: You shop.
    skills: [errands]
  - {name: bob, skills: [cooking], tools: [calculate]}
"""


@pytest.fixture
def team(tmp_path):
    (tmp_path / "team.yaml").write_text(TEAM)
    return str(tmp_path / "team.yaml")


def hierarchy(server, *arguments, stdin=None):
    env = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "none"}
    return agora("run", "hierarchy", *arguments, "--model", "openai:any", env=env, stdin=stdin)


def test_a_team_from_a_file_does_a_task_over_a_server(team, tmp_path):
    trace = tmp_path / "trace.jsonl"
    with OpenAIServer([PLAN, "Bread is here.", "It is toast.", ENDS]) as server:
        done = hierarchy(server, "-", "--agents", team, "--json", "--trace", str(trace), stdin="Make dinner.")
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert (result["answer"], result["stop"]) == ("Toast [2] of bread [1].", "answer")
    assert {id_: row["agent"] for id_, row in result["delegation"].items()} == {"1": "ann", "2": "bob"}
    assert result["results"]["2"]["text"] == "It is toast."
    rows = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [(row["subtask"], row["agent"], row["outcome"]) for row in rows if "subtask" in row] == [
        ("1", "ann", "done"),
        ("2", "bob", "done"),
    ]
    assert rows[-1]["result"]["verdict"]["complete"]


def test_a_person_at_the_terminal_approves_edits_and_rejects(team):
    with OpenAIServer([PLAN, "Rye is here."]) as server:
        done = hierarchy(
            server, "Make dinner.", "--agents", team, "--approve", "all", "--json", stdin="?\ne\nbuy rye\nn too hot\n"
        )
    result = json.loads(done.stdout)
    assert "Subtask 1, for ann: shop" in done.stderr
    assert done.stderr.count("approve?") == 3, "what is no answer is asked again"
    assert [row["task"] for row in result["plan"]] == ["buy rye", "cook"]
    assert result["results"]["2"]["error"] == "a person refused it: too hot"
    assert (result["stop"], done.returncode) == ("partial", 0)


def test_where_nobody_answers_all_is_refused(team):
    with OpenAIServer([PLAN]) as server:
        done = hierarchy(
            server, "Make dinner.", "--agents", team, "--approve", "bob", "--approve", "errands", "--json", stdin=""
        )
    result = json.loads(done.stdout)
    assert {one["error"] for one in result["results"].values()} == {"a person refused it: nobody answered"}
    assert (result["stop"], done.returncode) == ("failed", 1)


def drawn(terminal):
    plan = [{"task": "shop"}, {"task": "cook", "after": [1], "large": True}, "sing [loudly]"]
    agents = [
        worker("ann", lambda asked: "" if asked == "shop" else asked),
        worker("bob", lambda a: a if a != "fry" else ""),
    ]
    model = coordinator(plan, {"cook": {"subtasks": ["boil", "fry"]}})
    graph = create_hierarchy(agents, model=model, max_attempts=1).compile()
    screen = StringIO()
    display = Display(Console(file=screen, width=200, force_terminal=terminal, color_system=None))
    with display.working():
        for mode, part in graph.stream({"messages": [("user", "Make dinner.")]}, stream_mode=["custom", "values"]):
            if mode == "custom":
                display.show(part)
    display.result(part)
    return screen.getvalue()


def test_the_run_is_drawn_as_it_happens_and_as_a_tree_in_the_end():
    text = drawn(terminal=False)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "▶ running 1 shop ann" in lines
    assert "✗ failed 1 shop ann it delivered nothing" in lines
    assert any(line.startswith("✗ failed 2 cook nothing that it needs is there") for line in lines)
    tree = text[text.rindex("╯") :].splitlines()[1:6]
    assert [line.rstrip() for line in tree] == [
        "✗ 1 shop  ann",
        "✗ 2 cook",
        "├── ✗ 2.1 boil",
        "└── ✗ 2.2 fry",
        "✓ 3 sing [loudly]  bob",
    ]
    assert "not complete: 3 of 4 subtasks have no result: 1 (it delivered nothing), 2.1 (" in text
    assert "success 25%, reassigned 0" in text, "joins do not count"
    assert "stop: partial" in text


def test_on_a_terminal_the_tree_lives_below_what_ended():
    text = drawn(terminal=True)
    assert "running 1" not in text
    assert "✗ failed 1 shop" in text
    assert "▶ 3 sing" in text or "✓ 3 sing" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--agents", "nosuch.yaml"], "nosuch.yaml"),
        (["--agents", "0"], "agents was 0"),
        (["--agents", "ann,ann"], "Two agents are named 'ann'"),
        (["--agents", "hierarchy,ann"], "as the coordinator is"),
        (["--max-depth", "0"], "max_depth was 0"),
        (["--max-attempts", "0"], "max_attempts was 0"),
        (["--agents", "ann", "--approve", "an"], "Did you mean 'ann'?"),
        (["--budget-calls", "0"], "max_calls was 0"),
        (["--model", "nosuch"], "nosuch"),
        (["--model", "nosuch", "--work-seconds", "0"], "work_seconds was 0.0"),
        (["--model", "nosuch", "--trace", "/nosuch/trace.jsonl"], "The trace cannot be written"),
    ],
)
def test_what_is_wrong_with_the_input_is_named(arguments, message):
    done = CliRunner().invoke(app, ["run", "hierarchy", "Make dinner.", *arguments])
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)


# Team files


def test_a_team_is_read_from_yaml_or_json():
    found = read_team(TEAM, "team.yaml")
    assert [(one.name, one.role, list(one.skills), len(one.tools)) for one in found] == [
        ("ann", "You shop.", ["errands"], 0),
        ("bob", "", ["cooking"], 1),
    ]
    assert [one.model for one in read_team('["ann", {"name": "bob", "model": "embedded"}]', "t.json")] == [
        None,
        "embedded",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'t.yaml' has no list of agents"),
        ("agents: []", "has no list of agents"),
        ("agents: ann", "has no list of agents"),
        ("- 5", "an agent is a name, or an object with a name; 5 was given"),
        ("- {role: x}", "an object with a name"),
        ("- {name: ann, skils: [x]}", "'ann' has 'skils'; known: name, role, skills, tools, weight, model. Did"),
        ("- {name: ann, skills: x}", "'ann' has the skills 'x'; give a list of words"),
        ("- {name: ann, skills: [5]}", "'ann' has the skills [5]"),
        ("- {name: ann, role: 5}", "'ann' has the role 5"),
        ("- {name: ann, model: [x]}", "'ann' has the model ['x']"),
        ("- {name: ann, weight: much}", "'ann' has the weight 'much'"),
        ("- ann\n- {name: ann}", "'t.yaml': Two agents are named 'ann'"),
        ("- {name: ann, skills: ['!!']}", "'t.yaml': 'ann' has the skill '!!'"),
        ("- {name: ann, tools: [calculat]}", "'ann' has the tool 'calculat'; known: calculate. Did you mean"),
        ("a: [", "is not YAML that can be read"),
        ("- &a ann\n- *a", "aliases are not allowed"),
        ("x" * 1_000_001, "has 1,000,001 characters"),
    ],
)  # fmt: skip
def test_a_team_file_that_makes_no_sense_is_refused_in_words(text, message):
    with pytest.raises(ConfigError) as refused:
        read_team(text, "t.yaml")
    assert message in str(refused.value)


def test_the_team_of_the_examples_is_read():
    from pathlib import Path

    text = (Path(__file__).parents[1] / "examples" / "team.yaml").read_text()
    assert [agent.name for agent in read_team(text, "team.yaml")] == ["ann", "bob", "cem"]
