"""`agora judge fit` and `agora judge report` on a file of runs: what is written, printed and refused."""

import json

import pytest
import typer
from typer.testing import CliRunner

from langgraph_agora.cli_judge import judge_app
from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.calibration import Calibrations
from langgraph_agora.nodes.judging import FittedJudge, features_of_run
from langgraph_agora.nodes.meta import judge
from tests.nodes.test_judging import runs_of
from tests.test_cli import agora as started

app = typer.Typer()
app.add_typer(judge_app, name="judge")


def rows_of(number):
    """Runs of two models; what they say of their confidence carries no source in the steps."""
    for place, (steps, success, _) in enumerate(runs_of(number)):
        yield {"steps": steps, "success": success, "model": ("small", "large")[place % 5 == 0]}


ROWS = [{**row, "confidence_source": "verbalized"} for row in rows_of(220)]


def written(folder, rows):
    file = folder / "runs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def agora(*arguments, stdin=None):
    return CliRunner().invoke(app, ["judge", *arguments], input=stdin)


def refused(*arguments, stdin=None):
    done = agora(*arguments, stdin=stdin)
    assert isinstance(done.exception, ConfigError), done.output
    return str(done.exception)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The runs, the judge that was fitted on them, and what was printed."""
    folder = tmp_path_factory.mktemp("judge")
    runs, out = written(folder, [*ROWS, {**ROWS[0], "success": None}]), folder / "judge.json"
    done = agora("fit", runs, "-o", str(out))
    assert done.exit_code == 0, done.output
    return runs, out, done.stdout


def test_a_fitted_judge_is_written_with_the_calibrations_of_confidence(fitted):
    _, out, _ = fitted
    data = json.loads(out.read_text())
    read, confidence = FittedJudge.from_dict(data), Calibrations.from_dict(data["confidence"])
    assert read.report.rows == 220
    assert judge(ROWS[0]["steps"], fitted=read).heuristic is False
    assert sorted(confidence.rows) == [("large", "verbalized"), ("small", "verbalized")]
    assert confidence.apply("small", "verbalized", 0.9) is not None
    assert confidence.apply("large", "verbalized", 0.9) is None


def test_the_fit_prints_how_far_it_can_be_trusted_and_what_it_looks_at(fitted):
    _, out, printed = fitted
    for words in ("on runs not seen", "220", "AUROC", "constant", "any_stale", "too few", "small, verbalized"):
        assert words in printed
    assert f"wrote {out}" in printed.replace("\n", "")


def test_json_prints_what_is_written_and_nothing_else(fitted, tmp_path):
    runs, out, _ = fitted
    done = agora("fit", runs, "-o", str(tmp_path / "again.json"), "--json")
    assert (tmp_path / "again.json").read_text() == out.read_text()
    assert json.loads(done.stdout) == json.loads(out.read_text())
    assert done.stderr == ""


def test_a_report_measures_the_score_by_hand_the_judge_and_the_confidence(fitted):
    runs, out, _ = fitted
    told = json.loads(agora("report", runs, "--judge", str(out), "--json").stdout)
    assert told["fitted"]["brier"] < told["heuristic"]["brier"]
    assert told["heuristic"]["rows"] == told["fitted"]["rows"] == 220
    large, small = told["confidence"]
    assert (large["model"], large["source"], large["calibrated"]) == ("large", "verbalized", None)
    assert small["calibrated"]["ece"] < small["stated"]["ece"]
    table = agora("report", runs, "--judge", str(out)).stdout
    for words in ("score by hand", "score of the judge", "small, verbalized", "calibrated"):
        assert words in table
    assert "score of the judge" not in agora("report", runs).stdout


def test_a_report_needs_no_judge_and_few_runs():
    rows = [{"steps": [], "success": True}, {"steps": [], "success": None}]
    told = json.loads(agora("report", "-", "--json", stdin="\n".join(map(json.dumps, rows))).stdout)
    assert told["heuristic"]["rows"] == 1
    assert told["heuristic"]["auroc"] is None
    assert (told["fitted"], told["confidence"]) == (None, [])
    assert "-" in agora("report", "-", stdin=json.dumps(rows[0])).stdout


def test_the_source_in_the_steps_goes_before_that_of_the_row():
    step = {"action": "final_answer", "confidence": 0.9, "metadata": {"confidence_source": "logprob"}}
    row = {"steps": [step], "success": True, "confidence_source": "verbalized"}
    told = json.loads(agora("report", "-", "--json", stdin=json.dumps(row)).stdout)
    assert [(one["model"], one["source"]) for one in told["confidence"]] == [("unknown", "logprob")]
    told = json.loads(agora("report", "-", "--json", stdin=json.dumps({**row, "steps": [{"confidence": 1}]})).stdout)
    assert [(one["model"], one["source"]) for one in told["confidence"]] == [("unknown", "verbalized")]


def test_too_few_runs_are_refused_and_nothing_is_written(tmp_path):
    words = refused("fit", written(tmp_path, ROWS[:150]), "-o", str(tmp_path / "judge.json"))
    assert "150 labelled runs" in words
    assert "a fit needs 200" in words
    assert not (tmp_path / "judge.json").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "line 1: give an object with its steps"),
        ('{"steps": [], "success": true}\n\n{"success": true}', "line 3: give an object with its steps"),
        ('{"steps": ["read"], "success": true}', "line 1: give an object with its steps"),
        ('{"steps": [], "success": "yes"}', "line 1: success was 'yes'"),
        ('{"steps": [], "success": 1}', "line 1: success was 1"),
        ('{"steps": [], "success": true, "model": 7}', "line 1: model was 7"),
        ('{"steps": [], "success": true, "confidence_source": []}', "line 1: confidence_source was []"),
        ("{steps", "line 1' is not JSON"),
        ("", "None of the 0 runs"),
        ('{"steps": []}', "None of the 1 runs"),
    ],
)
def test_a_line_that_is_no_run_is_named(text, words):
    assert words in refused("report", "-", stdin=text)


def test_the_command_line_says_it_in_one_line_and_exits_with_2():
    done = started("judge", "report", "-", stdin="[1]")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "line 1: give an object with its steps" in done.stderr


def test_a_file_that_is_no_judge_or_cannot_be_written_is_refused(fitted, tmp_path):
    runs, _, _ = fitted
    (tmp_path / "other.json").write_text("[]")
    assert "This is no fitted judge" in refused("report", runs, "--judge", str(tmp_path / "other.json"))
    assert "cannot be read" in refused("report", runs, "--judge", str(tmp_path / "missing.json"))
    assert "cannot be written" in refused("fit", runs, "-o", str(tmp_path / "no" / "judge.json"))


def test_names_of_models_are_shown_as_they_are_but_for_what_no_screen_can_show():
    row = {"steps": [{"confidence": 0.9}], "success": True, "model": "[red]m[/red]"}
    assert "[red]m[/red]" in agora("report", "-", stdin=json.dumps(row)).stdout
    assert "m\ufffd, unknown" in agora("report", "-", stdin=json.dumps({**row, "model": "m\x1b\ud800"})).stdout


def test_the_runs_teach_the_judge_what_their_features_say(fitted):
    _, out, _ = fitted
    read = FittedJudge.from_dict(json.loads(out.read_text()))
    assert read.score(features_of_run(ROWS[0]["steps"])) == judge(ROWS[0]["steps"], fitted=read).score
