"""The command line as a user meets it: each test starts the real `agora`."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.loopback import OpenAIServer

AGORA = [sys.executable, "-c", "from langgraph_agora.cli import main; main()"]
QUESTION = "A baker sells 17 boxes with 23 rolls each. How many rolls is that?"


def agora(*arguments, env=None, stdin=None, timeout=120, cwd=None):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "OLLAMA_", "AGORA_"))}
    return subprocess.run(
        [*AGORA, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**clean, **(env or {})},
        input=stdin,
        cwd=cwd,
    )


@pytest.mark.embedded
def test_run_draws_the_steps_and_writes_the_trace(embedded, tmp_path):
    done = agora("run", "react", QUESTION, "--trace", str(tmp_path / "trace.jsonl"))
    assert done.returncode == 0, done.stderr
    for word in (
        "thought",
        "action",
        "calculate 17 * 23",
        "observation 391",
        "confidence 0.",
        "stop: answer",
        "tokens in",
    ):
        assert word in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert [row["action"] for row in rows[:-1]] == ["calculate", "final_answer"]
    assert rows[-1]["result"]["answer"].strip(".") == "391"


@pytest.mark.embedded
def test_json_prints_one_object_and_nothing_else(embedded):
    done = agora("run", "react", QUESTION, "--json")
    result = json.loads(done.stdout)
    assert set(result) == {"answer", "stop", "usage", "steps", "quality", "error"}
    assert (done.returncode, done.stderr) == (0, "")
    assert result["steps"][0]["metadata"]["confidence_source"] == "logprob"


@pytest.mark.embedded
def test_documents_are_searched(embedded, tmp_path):
    (tmp_path / "house.md").write_text("# House rules\n\nThe bakery opens at seven in the morning.\n")
    done = agora("run", "react", "When does the bakery open?", "--docs", str(tmp_path), "--json")
    steps = json.loads(done.stdout)["steps"]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stop"] == "answer"
    assert {step["action"] for step in steps} <= {"search", "calculate", "final_answer"}


def test_a_question_is_read_from_standard_input_and_a_server_of_ones_own_is_asked():
    with OpenAIServer(["It is 42."]) as server:
        env = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "k"}
        done = agora("run", "react", "-", "--model", "openai:any", "--json", env=env, stdin="What is 6 * 7?\n")
    assert json.loads(done.stdout)["answer"] == "It is 42."
    assert server.requests[0][1]["messages"][-1]["content"].strip() == "What is 6 * 7?"


def test_a_looping_model_is_ended_with_exit_code_0_and_a_true_reason():
    loop = {"calculate": {"expression": "1+1"}}
    with OpenAIServer([loop] * 30) as server:
        env = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "k"}
        done = agora("run", "react", "What is 1+1?", "--model", "openai:any", env=env)
    assert done.returncode == 0, done.stderr
    assert "stop: loop" in done.stdout
    assert "guard" in done.stdout
    assert len(server.requests) == 5


def test_a_dead_model_exits_with_1_and_one_line():
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "secret-key"}
    done = agora("run", "react", "hello", "--model", "openai:any", "--json", env=env)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert json.loads(done.stdout)["stop"] == "error"
    assert "secret-key" not in done.stdout + done.stderr


WRONG = {
    "no question": (["run", "react"], "question"),
    "empty question": (["run", "react", " "], "There is no question"),
    "unknown pattern": (["run", "raect", "x"], "'react'"),
    "unknown command": (["rnu"], "'run'"),
    "unknown option": (["run", "react", "x", "--max-step", "3"], "--max-steps"),
    "unknown model": (["run", "react", "x", "--model", "embeded"], "Did you mean 'embedded'?"),
    "unknown provider": (["run", "react", "x", "--model", "nobody:x"], "agora models"),
    "missing key": (["run", "react", "x", "--model", "openai:gpt-4o-mini"], "OPENAI_API_KEY is not set"),
    "missing package": (["run", "react", "x", "--model", "anthropic:claude"], "pip install langchain-anthropic"),
    "no ollama": (["run", "react", "x", "--model", "ollama:qwen3"], "ollama serve"),
    "no file": (["run", "react", "x", "--model", "embedded:/nowhere.gguf"], "There is no file"),
    "no GGUF": (["run", "react", "x", "--model", f"embedded:{__file__}"], "is not a GGUF file"),
    "no documents": (["run", "react", "x", "--docs", "/nowhere"], "/nowhere"),
    "max_steps 0": (["run", "react", "x", "--max-steps", "0"], "max_steps was 0"),
    "max_steps negative": (["run", "react", "x", "--max-steps", "-1"], "max_steps was -1"),
    "budget 0": (["run", "react", "x", "--budget-calls", "0"], "max_calls was 0"),
    "budget negative": (["run", "react", "x", "--budget-seconds", "-1"], "max_seconds was -1"),
    "malformed mcp": (["run", "react", "x", "--mcp", "{oops"], "not JSON"),
    "seconds 0": (["run", "react", "x", "--tool-seconds", "0"], "tool_seconds was 0"),
    "unwritable trace": (["run", "react", "x", "--trace", "/nowhere/t.jsonl"], "/nowhere/t.jsonl"),
    "unknown drawing": (["draw", "raect"], "Did you mean 'react'?"),
    "unknown picture": (["draw", "react", "-o", "x.gif"], ".svg, .png, .mmd"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_wrong_input_gets_one_clear_line_and_exit_code_2(arguments, words):
    done = agora(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


def test_lists_and_version():
    assert "react" in agora("graphs").stdout
    assert agora("version").stdout.startswith("langgraph-agora ")
    rows = {row["spec"]: row for row in json.loads(agora("models", "--json").stdout)}
    assert rows["openai:NAME"] == {
        "spec": "openai:NAME",
        "usable": False,
        "note": "set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own",
    }
    assert "embedded" in rows


@pytest.mark.embedded
def test_doctor_finds_a_whole_installation_whole(embedded):
    done = agora("doctor")
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    assert re.search(r"ok\s+embedded: answers", done.stdout)


@pytest.mark.parametrize(("ending", "magic"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("mmd", b"---\nconfig")])
def test_draw_writes_a_picture(tmp_path, ending, magic):
    assert agora("draw", "react", "-o", str(tmp_path / f"react.{ending}")).returncode == 0
    assert (tmp_path / f"react.{ending}").read_bytes().startswith(magic)


def test_draw_prints_mermaid():
    assert "think -.-> act" in agora("draw", "react").stdout


def test_ctrl_c_keeps_the_steps_so_far(tmp_path: Path):
    calls = [{"calculate": {"expression": f"{i}+1"}} for i in range(2)]
    trace = tmp_path / "trace.jsonl"
    with OpenAIServer([*calls, None]) as server:
        env = {**os.environ, "OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "k"}
        command = [*AGORA, "run", "react", "x", "--model", "openai:any", "--trace", str(trace)]
        run = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while len(server.requests) < 3 and time.monotonic() < deadline:
            select.select([], [], [], 0.05)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=30)
    assert run.returncode == 1
    assert "Traceback" not in out + err
    rows = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [row.get("observation") for row in rows[:2]] == ["1", "2"]
    assert rows[-1]["result"]["stop"] == "interrupted"


def test_on_a_terminal_progress_is_shown_while_the_model_works():
    with OpenAIServer(["It is 42."]) as server:
        parent, child = pty.openpty()
        env = {**os.environ, "OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "k", "TERM": "xterm"}
        command = [*AGORA, "run", "react", "x", "--model", "openai:any"]
        run = subprocess.Popen(command, env=env, stdin=child, stdout=child, stderr=child)
        os.close(child)
        shown = b""
        while True:
            try:
                part = os.read(parent, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
        run.wait(timeout=30)
    assert b"thinking" in shown
    assert b"It is 42." in shown
