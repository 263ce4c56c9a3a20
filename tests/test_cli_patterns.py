"""`agora patterns`: what a log of runs says, and what one without patterns does not."""

import json
import random

from langgraph_agora.memory.experience import ExperienceMemory
from tests.memory.doubles import WordEmbedder
from tests.test_cli import agora


def log(count, effect, seed=1):
    """Runs in which those without a plan fail more often; from the middle on everything fails more often."""
    draw = random.Random(seed)
    for number in range(count):
        features = {"no_plan": draw.random() < 0.5, "night": draw.random() < 0.3, "tool:search": draw.random() < 0.4}
        fails = draw.random() < 0.2 + effect * (features["no_plan"] + (number >= count // 2))
        yield {"id": f"r{number}", "task": "Add", "features": features, "success": not fails, "at": "2026-01-01"}


def written(path, runs):
    path.write_text("".join(json.dumps(run) + "\n" for run in runs))
    return str(path)


def test_a_log_of_ones_own_is_mined(tmp_path):
    file = written(tmp_path / "runs.jsonl", log(400, 0.35))
    done = agora("patterns", file, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert [(one["kind"], one["conditions"]) for one in result["patterns"]] == [("failure", [["no_plan", True]])]
    assert result["patterns"][0]["support"] == len(result["patterns"][0]["evidence"])
    (change,) = result["trend"]["changes"]
    assert 150 < change["at"] < 250
    assert change["before"] > change["after"]

    shown = agora("patterns", file).stdout
    for words in ("failure", "no_plan", "success went from", "more"):
        assert words in shown


def test_a_log_without_patterns_gives_none(tmp_path):
    done = agora("patterns", written(tmp_path / "runs.jsonl", log(300, 0.0)))
    assert done.returncode == 0
    assert "no pattern in 300 experiences" in done.stdout
    assert "success of all" in done.stdout


def test_a_memory_is_mined_with_what_was_pruned(tmp_path):
    with ExperienceMemory(tmp_path, WordEmbedder(), limit=200, keep=100) as memory:
        memory.add_all(log(400, 0.35))
        assert len(memory.experiences()) < 400
    result = json.loads(agora("patterns", "--path", str(tmp_path), "--json").stdout)
    assert result["experiences"] == 400
    assert [one["conditions"] for one in result["patterns"]] == [[["no_plan", True]]]


def test_wrong_input_is_one_line(tmp_path):
    (tmp_path / "runs.jsonl").write_text("no json\n")
    for arguments in (
        (str(tmp_path / "none.jsonl"),),
        (str(tmp_path / "runs.jsonl"),),
        ("--path", str(tmp_path / "x")),
    ):
        done = agora("patterns", *arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
    assert "rate" in agora("patterns", written(tmp_path / "runs.jsonl", log(5, 0)), "--rate", "2").stderr
