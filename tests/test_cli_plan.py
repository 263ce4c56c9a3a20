"""`agora plan` and `agora run planner` as a user meets them."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from langgraph_agora.display import Display
from langgraph_agora.graphs.planning import create_planner
from langgraph_agora.testing import ScriptedModel
from tests.loopback import OpenAIServer
from tests.test_cli import agora

ROOT = Path(__file__).parents[1]
CONFERENCE = str(ROOT / "examples" / "conference.json")
CASES = {case["id"]: case for case in json.loads((ROOT / "tests/data/planning.json").read_text())["cases"]}


def planned(tmp_path, data, *arguments):
    """What `agora plan` says of a domain."""
    file = tmp_path / "domain.json"
    file.write_text(json.dumps(data))
    done = agora("plan", str(file), "--json", *arguments)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_a_plan_is_printed_for_programs(tmp_path):
    code, result, _ = planned(tmp_path, CASES["bt1_budget"])
    assert (code, result["found"], result["reason"]) == (0, True, "")
    assert result["plan"] == ["buy_train", "ride", "pay_hotel"]
    assert (result["success_probability"], result["makespan"]) == (0.8, 3)


def test_the_makespan_is_that_of_so_many_workers(tmp_path):
    spans = [
        planned(tmp_path, CASES["po4_diamond"], *arguments)[1]["makespan"] for arguments in ((), ("--workers", "1"))
    ]
    assert spans == [7, 10]


def test_no_plan_and_not_found_within_the_limits_are_told_apart(tmp_path):
    code, result, _ = planned(tmp_path, CASES["bt6_leak_unsound"])
    assert (code, result["found"], result["plan"], result["reason"]) == (1, False, None, "no_plan")
    code, result, _ = planned(tmp_path, CASES["rec7_unbounded_counter"], "--nodes", "1000")
    assert (code, result["found"], result["reason"]) == (1, False, "limit")
    assert "1,000 search nodes" in result["explanation"]
    assert "t under way" in result["explanation"]


def test_the_best_plan_is_found_on_request(tmp_path):
    _, result, _ = planned(tmp_path, CASES["bt7_best_product"], "--optimise", "probability")
    assert (result["plan"], result["optimal"]) == (["pc", "pd"], True)


def test_tasks_can_be_named(tmp_path):
    code, result, _ = planned(tmp_path, CASES["bt2_cousin"], "--tasks", "make_green", "--tasks", "tag")
    assert (code, result["plan"]) == (0, ["write_fix", "review", "tag"])
    named = {"primitives": {"pick(o1)": {}, "ship": {"parameters": ["?a", "?b"]}}}
    code, result, _ = planned(tmp_path, named, "--tasks", "pick(o1), ship(o1, o2)")
    assert (code, result["plan"]) == (0, ["pick(o1)", "ship(o1, o2)"])


def test_the_tree_and_the_gantt_chart_are_drawn(tmp_path):
    done = agora(
        "plan",
        CONFERENCE,
        "--draw",
        "--workers",
        "2",
        "--plot",
        str(tmp_path / "g.svg"),
        "--tree",
        str(tmp_path / "t.png"),
    )
    assert done.returncode == 0
    for words in (
        "attend: in_person",
        "buy_flight, 1, p 0.95",
        "else buy_train, ride",
        "critical path",
        "12 on 2 workers",
    ):
        assert words in done.stdout
    assert (tmp_path / "g.svg").read_text().startswith("<?xml")
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")


def test_a_plan_is_saved_and_one_that_was_edited_by_hand_is_verified(tmp_path):
    saved = tmp_path / "plan.json"
    assert agora("plan", CONFERENCE, "--save", str(saved)).returncode == 0
    again = agora("plan", CONFERENCE, "--check", str(saved), "--json")
    assert json.loads(again.stdout)["plan"][0] == "buy_flight"
    saved.write_text(saved.read_text().replace("buy_flight", "buy_train"))
    edited = agora("plan", CONFERENCE, "--check", str(saved))
    assert (edited.returncode, edited.stdout) == (2, "")
    assert edited.stderr.count("\n") == 1


def test_an_hddl_problem_finds_its_domain_beside_it():
    done = agora("plan", str(ROOT / "tests/data/hddl/cousin-p1.hddl"), "--json")
    assert json.loads(done.stdout)["plan"] == ["write-fix", "review", "tag", "publish"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"primitives": {}, "root": {"subtasks": [["r1", "x"]]}}, "The domain is empty"),
        (CASES["po3_cycle"], "cycle: s1 before s2 before s1"),
        ({"primitives": {"a": {"p": 1.5}}, "root": {"subtasks": [["r1", "a"]]}}, "p was 1.5"),
        ({"primitives": {"ride": {}}, "root": {"subtasks": [["r1", "rdie"]]}}, "Did you mean 'ride'?"),
        ({"primitives": {"ride": {"parameters": ["o"]}}, "root": {"subtasks": [["r1", "ride"]]}}, "takes 1 argument"),
        ({"primitives": {"a": {"eff": [["k", "+=", 1]]}}, "root": {"subtasks": [["r1", "a"]]}}, "'k'"),
        ([], "an object"),
    ],
)
def test_a_bad_file_gets_one_line_and_exit_2(tmp_path, data, words):
    code, result, said = planned(tmp_path, data)
    assert (code, result) == (2, None)
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.json"], "nowhere.json"),
        (["nowhere.hddl"], "--domain"),
        ([CONFERENCE, "--domain", "x.hddl"], "--domain goes with an HDDL problem"),
        ([CONFERENCE, "--tasks", "fly away"], "fly away"),
        ([CONFERENCE, "--tasks", "attned"], "Did you mean 'attend'?"),
        ([CONFERENCE, "--optimise", "speed"], "probability, cost, duration"),
        ([CONFERENCE, "--plot", "plan.gif"], "plan.gif"),
    ],
)
def test_wrong_arguments_get_one_line_and_exit_2(arguments, words):
    done = agora("plan", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_domain_is_carried_out_and_drawn():
    done = agora("run", "planner", "attend", "--domain", CONFERENCE)
    assert done.returncode == 0
    for words in ("✓ 1 attend", "✓ 4 fly", "simulation", "Simulated, for no tools or agents were given"):
        assert words in done.stdout


def test_what_the_model_proposes_and_how_the_plan_is_mended_is_drawn_as_it_happens():
    def courier() -> str:
        """Send it by courier."""
        raise RuntimeError("out of order")

    def mail() -> str:
        """Send it by mail."""
        return "mailed"

    sent = {"eff": [["sent", "=", True]]}
    ways = [{"id": name, "p": p, "subtasks": [["s", name]]} for name, p in (("courier", 0.9), ("mail", 0.5))]
    domain = {
        "primitives": {"courier": sent, "mail": sent},
        "compounds": {
            "send": {"parameters": [], "methods": ways},
            "ship": {"parameters": [], "goal": [["sent", "==", True]], "methods": []},
        },
    }
    model = ScriptedModel([json.dumps({"subtasks": [name]}) for name in ("[fly]", "send")])
    graph = create_planner(json.dumps(domain), tools=[courier, mail], model=model).compile()
    screen = StringIO()
    display = Display(Console(file=screen, width=400))
    for mode, part in graph.stream({"tasks": ["ship"]}, stream_mode=["custom", "values"]):
        if mode == "custom":
            display.show(part)
    display.result(part)
    lines = [" ".join(line.split()) for line in screen.getvalue().splitlines()]
    told = [line for line in lines if line.startswith(("proposal", "contingency", "✗ failed", "✓ done"))]
    assert told[0].startswith("proposal for ship refused: ")
    assert "[fly]" in told[0], "what a model writes is no markup"
    assert told[1:] == [
        "proposal for ship accepted",
        "✗ failed 3 courier tools RuntimeError: out of order",
        "contingency send",
        "✓ done 4 mail tools mailed",
    ]


def test_another_start_leads_to_another_plan():
    done = agora("run", "planner", "attend", "--domain", CONFERENCE, "--change", "budget=90", "--json")
    result = json.loads(done.stdout)
    assert result["success"]
    assert {"buy_train", "ask_friend"} <= {row["task"] for row in result["completed"]}
    none = agora(
        "run", "planner", "travel", "--domain", CONFERENCE, "--change", "budget=9", "--proposals", "0", "--json"
    )
    assert none.returncode == 1
    assert json.loads(none.stdout)["stop"] == "no_plan"


def test_a_plan_is_made_from_the_tools_alone():
    plan = {"calls": [{"tool": "calculate", "input": {"expression": "17*23"}}]}
    with OpenAIServer([json.dumps(plan), "It is 391."]) as server:
        env = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "none"}
        done = agora("run", "planner", "What is 17*23?", "--model", "openai:any", "--json", env=env)
    result = json.loads(done.stdout)
    assert (result["answer"], result["stop"], result["completed"][0]["output"]) == ("It is 391.", "done", "391")


def test_methods_that_the_model_made_are_saved(tmp_path):
    file, saved = tmp_path / "shop.json", tmp_path / "learned.json"
    shop = {
        "primitives": {
            "pick": {"eff": [["picked", "=", True]]},
            "send": {"pre": [["picked", "==", True]], "eff": [["sent", "=", True]]},
        },
        "compounds": {"ship": {"parameters": [], "goal": [["sent", "==", True]], "methods": []}},
    }
    file.write_text(json.dumps(shop))
    with OpenAIServer([json.dumps({"subtasks": ["pick", "send"]})]) as server:
        env = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "none"}
        arguments = ("ship", "--domain", str(file), "--save", str(saved), "--model", "openai:any", "--json")
        done = agora("run", "planner", *arguments, env=env)
    assert json.loads(done.stdout)["success"]
    code, result, _ = planned(tmp_path, json.loads(saved.read_text()), "--tasks", "ship")
    assert (code, result["plan"]) == (0, ["pick", "send"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x", "--agents", "2"], "go with --domain"),
        (["attend", "--domain", CONFERENCE, "--change", "budget"], "variable=value"),
        (["atend", "--domain", CONFERENCE], "Did you mean 'attend'?"),
        (["attend", "--domain", CONFERENCE, "--approve", "flly"], "Did you mean 'fly'?"),
        (["attend", "--domain", CONFERENCE, "--max-replans", "-1"], "max_replans was -1"),
        (["", "--domain", CONFERENCE], "no question"),
    ],
)
def test_a_wrong_run_gets_one_line_and_exit_2(arguments, words):
    done = agora("run", "planner", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
