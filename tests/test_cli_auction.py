"""`agora run auction` as a user meets it."""

import json
from io import StringIO

import pytest
from langchain_core.runnables import RunnableLambda
from rich.console import Console
from typer.testing import CliRunner

from langgraph_agora import ConfigError, create_auction
from langgraph_agora.cli import app
from langgraph_agora.display import Display
from tests.loopback import OpenAIServer
from tests.test_cli import agora

BID = json.dumps({"reason": "I write quickly.", "capability": "well", "cost": 12})
WORK = json.dumps({"thought": "done", "action": "final_answer", "input": "The sea is wide.", "confidence": 0.9})
ACCEPTED = json.dumps({"reason": "", "accepted": True})


def auction(server, *arguments, stdin=None):
    env = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "none"}
    return agora("run", "auction", *arguments, "--model", "openai:any", env=env, stdin=stdin)


def test_agents_bid_and_the_winner_delivers_over_a_server(tmp_path):
    trace = tmp_path / "trace.jsonl"
    with OpenAIServer([BID, BID, WORK, ACCEPTED]) as server:
        done = auction(
            server, "-", "--agents", "ann,bob", "--reserve", "50", "--acceptance", "It is short.", "--json",
            "--trace", str(trace), stdin="Write a line about the sea.",
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert (result["answer"], result["stop"]) == ("The sea is wide.", "delivered")
    assert [(row["winner"], row["price"], row["tied"]) for row in result["awards"]] == [("ann", 12, ["ann", "bob"])]
    assert result["contracts"][0]["acceptance"] == "judge judges: It is short."
    rows = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [row["bidder"] for row in rows if "bidder" in row] == ["ann", "bob"]
    assert [row["winner"] for row in rows if "winner" in row] == ["ann"]
    settled = [(row["contractor"], row["status"], row["paid"]) for row in rows if "contractor" in row]
    assert settled == [("ann", "kept", 12)]
    assert rows[-1]["result"]["stop"] == "delivered"


def test_the_run_is_drawn_as_it_happens():
    def act(state):
        asked = state["messages"][-1].text
        return "I would do it for 12." if "put out to tender" in asked else None

    graph = create_auction([RunnableLambda(act, name="ann"), RunnableLambda(lambda state: "?", name="bob")], reserve=50)
    screen = StringIO()
    display = Display(Console(file=screen, width=400))
    for mode, part in graph.compile().stream({"messages": [("user", "Write.")]}, stream_mode=["custom", "values"]):
        if mode == "custom":
            display.show(part)
    display.result(part)
    drawn = screen.getvalue()
    for words in (
        "round 1 bids on: Write.",
        "ann: bids 12 I would do it for 12.",
        "bob: bids it said no number, so no cost: '?'",
        "award Write: ann at 50, since ann asks 12, the only bid that counts; it is paid the reserve. Not counted: bob",
        "contract broken by ann, paid 0: it delivered nothing",
        "Not done: nobody may take it",
        "stop: breach",
    ):
        assert words in " ".join(drawn.split())


def test_wrong_input_to_an_auction_gets_one_line():
    done = agora("run", "auction", "Write a line.", "--kind", "vikrey")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "Did you mean 'vickrey'?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--agents", "0"], "agents was 0"),
        (["--agents", "ann,ann"], "Two agents are named 'ann'"),
        (["--agents", "judge,ann", "--judge"], "The judge is named 'judge', as a bidder is"),
        (["--reserve", "nan"], "reserve was nan"),
        (["--reserve=-1"], "reserve was -1"),
        (["--capacity", "0"], "capacity was 0"),
        (["--kind", "english", "--step", "0"], "step was 0"),
        (["--budget-calls", "0"], "max_calls was 0"),
        (["--model", "nosuch"], "nosuch"),
    ],
)
def test_what_is_wrong_with_the_input_is_named(arguments, message):
    done = CliRunner().invoke(app, ["run", "auction", "Write a line.", *arguments])
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)
