"""`agora vote`, `agora simulate` and `agora run consensus` as a user meets them."""

import json

import pytest

from tests.loopback import OpenAIServer
from tests.test_cli import agora

CSV = "voter,first,second\nann,red,blue\nbob,red,blue\ncem,blue,red\n"


@pytest.fixture
def ballots(tmp_path):
    path = tmp_path / "ballots.csv"
    path.write_text(CSV)
    return str(path)


def test_vote_counts_a_file_by_any_rule(ballots):
    done = agora("vote", ballots)
    assert done.returncode == 0, done.stderr
    assert "majority of 3 ballots; decided: red" in done.stdout
    counted = json.loads(agora("vote", ballots, "--rule", "borda", "--json").stdout)
    assert (counted["winner"], counted["scores"]) == ("red", {"blue": 1, "red": 2})
    said = agora("vote", ballots, "--rule", "qualified", "--threshold", "3/4").stdout
    assert "undecided: no option has at least 3/4" in said


def test_vote_reads_json_from_standard_input_and_arguments_from_the_file():
    given = {"ballots": {"ann": "a", "bob": "b", "cem": "b"}, "rule": "weighted", "weights": {"ann": 5}}
    counted = json.loads(agora("vote", "-", "--json", stdin=json.dumps(given)).stdout)
    assert (counted["rule"], counted["winner"]) == ("weighted", "a")
    more = agora("vote", "-", "--json", "--rule", "majority", "--electorate", "9", stdin=json.dumps(given))
    assert json.loads(more.stdout)["decided"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rule", "bordo"], "Did you mean 'borda'?"),
        (["--rule", "qualified", "--threshold", "7/5"], "threshold was '7/5'"),
        (["--electorate", "ann,ann"], "each once"),
        (["--quorum", "abc"], "quorum was 'abc'"),
    ],
)
def test_wrong_input_to_vote_gets_one_line(ballots, arguments, message):
    done = agora("vote", ballots, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"\xff\xfe", "not UTF-8"), (b'{"ann": ["a", "a"]}', "names an option twice")],
)
def test_an_unusable_file_gets_one_line(tmp_path, content, message):
    path = tmp_path / "ballots.json"
    if content is not None:
        path.write_bytes(content)
    done = agora("vote", str(path), "--rule", "irv")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


@pytest.mark.parametrize("protocol", ["raft", "pbft", "twins", "bft", "stake", "agreement"])
def test_simulate_runs_seeds_on_all_processors(protocol):
    done = agora("simulate", protocol, "--seeds", "30", "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["seeds"], result["violations"]) == (0, 30, 0)
    assert result["events"] > 0
    assert result["commits"] > 0
    assert result["cpu_seconds"] > 0


def test_one_seed_is_replayed_the_same_and_drawn(tmp_path):
    runs = [agora("simulate", "raft", "--seed", "3", "--faults", "drop,crash", "--trace").stdout for _ in range(2)]
    assert runs[0] == runs[1]
    assert "lead     term 1" in runs[0]
    assert runs[0].splitlines()[-1].endswith("every invariant held")
    drawing = tmp_path / "run.svg"
    agora("simulate", "raft", "--seed", "3", "--drawing", str(drawing))
    assert drawing.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["raftt"], "Did you mean 'raft'?"),
        (["raft", "--faults", "dorp"], "Did you mean 'drop'?"),
        (["raft", "--trace"], "name it with --seed"),
        (["raft", "--seeds", "0"], "--seeds"),
        (["raft", "--seed", "1", "--drawing", "run.gif"], "drawn as .svg"),
    ],
)
def test_wrong_input_to_simulate_gets_one_line(arguments, message):
    done = agora("simulate", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_agents_agree_over_a_server():
    reply = json.dumps({"reason": "It is what they asked for.", "answer": "Blue"})
    with OpenAIServer([reply] * 3) as server:
        done = agora(
            "run", "consensus", "Which colour?", "--agents", "ann,bob,cem", "--model", "openai:any", "--json",
            env={"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "none"},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["decision"], result["stop"], result["mode"]) == ("Blue", "decided", "majority")
    assert result["ballots"][0]["reason"] == "It is what they asked for."


@pytest.mark.embedded
def test_agents_vote_with_the_embedded_model(embedded, tmp_path):
    done = agora(
        "run", "consensus", "Which of these is a fruit?", "--agents", "3", "--rounds", "1", "--no-early-stop",
        "--option", "apple", "--option", "hammer", "--trace", str(tmp_path / "trace.jsonl"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "round 1" in done.stdout
    assert "agent-3" in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert {row["voter"] for row in rows[:-1]} == {"agent-1", "agent-2", "agent-3"}
    assert rows[-1]["result"]["stop"] in ("decided", "undecided")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--agents", "0"], "agents was 0"),
        (["--agents", "ann,ann"], "Two agents are named 'ann'"),
        (["--protocol", "majorty"], "Did you mean 'majority'?"),
        (["--protocol", "pbft", "--agents", "3", "--tolerate", "1"], "at least 4 agents"),
        (["--faults", "zoe=crashed"], "faults names 'zoe'"),
        (["--faults", "ann"], "agent=fault"),
    ],
)
def test_wrong_input_to_consensus_gets_one_line(arguments, message):
    done = agora("run", "consensus", "Which colour?", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr
