"""`agora memory` as a user meets it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from langgraph_agora.cli_memory import filter_of, memory_app
from langgraph_agora.errors import ConfigError, RunError
from langgraph_agora.memory.experience import ExperienceMemory
from langgraph_agora.nodes.lessons import new_lesson

AGORA = [sys.executable, "-c", "from langgraph_agora.cli import main; main()"]


def agora(*arguments, folder=None, cwd=None):
    """Start the real `agora memory ...`; the folder is named by the environment."""
    clean = {key: value for key, value in os.environ.items() if key != "AGORA_MEMORY"}
    clean |= {"AGORA_MEMORY": str(folder)} if folder else {}
    command = [*AGORA, "memory", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=clean, cwd=cwd)


@pytest.fixture
def run(folder, capsys):
    """Call a command in this process, about the memory of `folder`; returns what it prints."""

    def call(*arguments, path=folder, code=None):
        given = [*map(str, arguments), "--path", str(path)]
        assert memory_app(given, standalone_mode=False) == code
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out

    return call


@pytest.fixture
def read(run):
    """Call a command with --json; returns the object."""

    def call(*arguments, **settings):
        return json.loads(run(*arguments, "--json", **settings))

    return call


@pytest.fixture
def folder(tmp_path):
    """A memory of four experiences and a lesson."""
    with ExperienceMemory(tmp_path / "memory", "lexical") as memory:
        for day, (task, success) in enumerate(
            [("Book a table in Rome", True), ("Book a room in Rome", False), ("Water it", None), ("Feed the cat", True)]
        ):
            at, features = f"2026-01-0{day + 1}T12:00:00Z", {"tool": "phone" if day < 2 else "hand", "tries": day}
            memory.add({"task": task, "success": success, "id": f"e{day}", "at": at, "features": features})
        memory.put_lesson(new_lesson("Call first.", kind="planning", pattern=None, at="2026-01-05T12:00:00Z"))
    return tmp_path / "memory"


def test_add_makes_the_memory_and_recall_shows_what_helps(tmp_path):
    arguments = ("--success", "-f", "tool=phone", "-f", "tries=2", "-f", "planned=true", "--summary", "Calling worked.")
    added = agora("add", "Book a table in Rome", *arguments, "--id", "run-1", "--embedder", "lexical", cwd=tmp_path)
    assert (added.returncode, added.stdout, added.stderr) == (0, "kept run-1\n", "")
    shown = agora("recall", "Book a table in Milan", "--json", folder=tmp_path / ".agora" / "memory")
    assert (shown.returncode, shown.stderr) == (0, "")
    [one] = json.loads(shown.stdout)["recalled"]
    assert one["experience"]["features"] == {"tool": "phone", "tries": 2, "planned": True}
    assert one["experience"]["outcome_source"] == "human"
    assert one["lexical"] is True


def test_recall_shows_what_a_model_is_shown_and_why(run):
    shown = run("recall", "Book a table in Milan", "-k", "1")
    assert '[recalled] "Book a table in Rome" succeeded on 2026-01-01.' in shown
    assert "It shares words with the task" in shown


def test_list_shows_the_newest_first_and_takes_filters(run, read):
    shown = run("list")
    assert [line.split()[0] for line in shown.splitlines()] == ["id", "e3", "e2", "e1", "e0", "4"]
    assert "failure" in shown
    listed = read("list", "-w", "features.tool=phone", "-w", "features.tries>=1")
    assert [one["id"] for one in listed["experiences"]] == ["e1"]
    listed = read("list", "--where", '{"success": null}', "--limit", "1")
    assert (listed["found"], listed["experiences"][0]["id"]) == (1, "e2")


def test_label_says_how_it_ended_and_whose_word_stands(run):
    assert run("label", "e2", "--failure") == "e2: failure\n"
    assert run("label", "e2", "--success", "--source", "self") == "e2 stays failure: human said so\n"


def test_forget_takes_ids_or_a_filter_which_is_only_counted_at_first(run, read):
    assert run("forget", "--where", "features.tool=hand") == "2 match; --yes erases them for good\n"
    assert read("forget", "--where", "features.tool=hand", "--yes") == {"forgotten": 2}
    assert run("forget", "e0") == "forgot 1\n"
    assert [one["id"] for one in read("list")["experiences"]] == ["e1"]


def test_a_memory_is_carried_elsewhere(run, read, tmp_path):
    file, copy = tmp_path / "all.jsonl", tmp_path / "copy"
    assert run("export", file) == f"wrote 5 lines to {file}\n"
    assert read("import", file, "--embedder", "lexical", path=copy)["new"] == 5
    assert read("import", file, path=copy)["new"] == 0
    first, second = (
        read("recall", "Book a table", "-k", "2", path=path)["recalled"] for path in (tmp_path / "memory", copy)
    )
    assert [one["experience"] for one in first] == [one["experience"] for one in second]


def test_stats_check_and_rebuild(run, read):
    stats = read("stats")
    assert (stats["experiences"], stats["failed"], stats["unknown"], stats["lessons"]) == (4, 1, 1, {"candidate": 1})
    assert "1 candidate" in run("stats")
    assert read("check", code=0)["ok"] is True
    assert run("check", code=0).endswith("all is well\n")
    assert read("rebuild") == {"vectors": 5, "embedder": "lexical"}


def test_check_exits_with_one_when_something_is_wrong(run, read, tmp_path):
    def fails(texts):
        raise OSError("no server")

    with ExperienceMemory(tmp_path, fails) as memory, pytest.warns(RuntimeWarning):
        memory.add({"task": "Book a table", "success": True})
    shown = run("check", path=tmp_path, code=1)
    assert "1 texts have no vector" in shown
    assert "all is well" not in shown
    assert read("rebuild", "--embedder", "lexical", path=tmp_path)["vectors"] == 1
    assert read("check", path=tmp_path, code=0)["ok"] is True


def test_rebuild_saves_what_can_be_read_of_a_damaged_record(folder, run, read):
    record = folder / "record.sqlite3"
    with record.open("r+b") as file:
        file.truncate(record.stat().st_size - 100)
    with pytest.raises(RunError, match="agora memory rebuild"):
        run("list")
    found = read("rebuild")
    assert Path(found["broken"]).exists()
    assert found["saved"] > 0
    assert len(read("list")["experiences"]) > 0
    assert read("check", code=0)["ok"] is True


def test_a_memory_with_a_limit_is_not_pruned_from_the_command_line(run, read, tmp_path):
    with ExperienceMemory(tmp_path, "lexical", limit=2000) as memory:
        memory.add_all({"task": f"Task {n}", "success": True} for n in range(1001))
    run("add", "One more", path=tmp_path)
    assert read("stats", path=tmp_path)["experiences"] == 1002


MISTAKES = [
    (("recall", "x", "-k", "0"), "k was 0"),
    (("recall", "x", "-w", "tool=phone"), 'A feature is "features.tool"'),
    (("recall", "x", "-w", "tool"), "--where was 'tool'"),
    (("recall", "x", "-w", '{"tool"'), "which is no JSON"),
    (("add", " "), "task of the experience was ' '"),
    (("add", "x", "--seconds", "nan"), "seconds of the experience was nan"),
    (("add", "x", "--feature", "tool"), "give a name and a value"),
    (("add", "x", "--at", "now"), "at of the experience was 'now'"),
    (("add", "x", "--embedder", "minilmm"), "is no embedder"),
    (("label", "nobody", "--success"), "There is no experience 'nobody'"),
    (("label", "e0", "--success", "--source", "humans"), "Did you mean 'human'"),
    (("forget",), "give one of the two"),
    (("forget", "e0", "--where", "success=true"), "give one of the two"),
    (("import", "missing.jsonl"), "cannot be read"),
    (("import", "x" * 300), "cannot be read"),
    (("forget", "e0", "typo"), "no experience 'typo'; nothing was forgotten"),
    (("list", "-w", "success=true", "-w", "success=false"), "twice, true and false"),
    (("list", "-w", '{"seconds": 1, "seconds": 2}'), "a name stands in it twice"),
    (("list", "-w", '{"task":' * 100_000), "which is no JSON"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES, ids=lambda value: " ".join(value)[:30])
def test_a_mistake_is_said_in_one_line(run, arguments, words):
    with pytest.raises(ConfigError, match=re.escape(words)) as error:
        run(*arguments)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("command", [("recall", "x"), ("list",), ("label", "x", "--success"), ("check",), ("rebuild",)])
def test_only_add_and_import_make_a_memory(run, tmp_path, command):
    with pytest.raises(ConfigError, match="There is no memory in"):
        run(*command, path=tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_a_mistake_exits_with_two_and_a_run_that_went_wrong_with_one(folder, tmp_path):
    for code, words, arguments in (
        (2, "There is no memory in missing", ("recall", "x", "--path", "missing")),
        (1, "cannot be written", ("export", tmp_path / "missing" / "x.jsonl")),
    ):
        done = agora(*arguments, folder=folder)
        assert (done.returncode, done.stdout) == (code, "")
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_what_is_stored_cannot_draw_on_the_terminal(folder, run):
    with ExperienceMemory(folder) as memory:
        memory.add({"task": "Pay [bold]\x1b[2J\u202e now[/]", "success": True, "id": "attack"})
    shown = run("list")
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert "Pay [bold][2J now[/]" in shown


def test_a_filter_in_words():
    assert filter_of(None) == {}
    assert filter_of(["success=false", "features.tool=web"]) == {"success": False, "features.tool": "web"}
    assert filter_of(["seconds>=5", "seconds<9", "steps!=3"]) == {"seconds": {"$gte": 5, "$lt": 9}, "steps": {"$ne": 3}}
    assert filter_of(['features.version="5"', "task=a=b", "success=null"]) == {
        "features.version": "5",
        "task": "a=b",
        "success": None,
    }
    assert filter_of(['{"tokens": {"$in": [1, 2]}}', "success=true"]) == {"tokens": {"$in": [1, 2]}, "success": True}
    with pytest.raises(ConfigError, match="--where was"):
        filter_of(["=x"])


def test_conditions_on_one_field_all_hold_and_none_is_dropped():
    both = {"seconds": {"$gte": 5, "$eq": 7}}
    assert filter_of(["seconds>=5", "seconds=7"]) == filter_of(["seconds=7", "seconds>=5"])
    assert filter_of(["seconds>=5", "seconds=7"]) == filter_of(['{"seconds": {"$gte": 5}}', "seconds=7"]) == both
    assert filter_of(["success=true", "success=true"]) == {"success": True}
    assert filter_of(['{"features": {"tool": "web"}}']) == {"features": {"tool": "web"}}
    for twice in (["task=a", "task=b"], ["task=a", '{"task": "b"}'], ["steps>1", "steps>2"], ["steps=1", "steps=true"]):
        with pytest.raises(ConfigError, match="twice"):
            filter_of(twice)


def test_forgetting_what_two_conditions_describe_erases_nothing_else(run, read):
    with pytest.raises(ConfigError, match="twice"):
        run("forget", "-w", "features.tool=phone", "-w", "features.tool=hand", "--yes")
    assert read("list")["found"] == 4
    assert read("forget", "-w", "features.tries>=1", "-w", "features.tries=1", "--yes") == {"forgotten": 1}
    assert {one["id"] for one in read("list")["experiences"]} == {"e0", "e2", "e3"}


def test_what_comes_through_a_pipe_is_imported(folder, tmp_path):
    command = [*AGORA, "memory", "import", "/dev/stdin", "--json", "--path", str(tmp_path / "new")]
    lines = "".join(f'{{"task": "Task {n}", "success": true, "id": "e{n}"}}\n' for n in range(3))
    done = subprocess.run([*command, "--embedder", "lexical"], input=lines, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr, json.loads(done.stdout)["new"]) == (0, "", 3)
    wrong = subprocess.run(command, input="{}\n", capture_output=True, text=True, timeout=120)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "Line 1 of stdin" in wrong.stderr


@pytest.mark.parametrize("command", [("recall", "x"), ("add", "x"), ("export", "y")])
def test_a_folder_that_cannot_be_is_refused_in_one_line(run, tmp_path, command):
    with pytest.raises(ConfigError, match="There can be no memory in") as error:
        run(*command, path=tmp_path / ("x" * 300))
    assert len(str(error.value)) < 300


def own_vectors(texts):
    return [[len(text), 1.0] for text in texts]


def test_an_embedder_of_the_programs_own_is_said_to_be_one(run, tmp_path):
    with ExperienceMemory(tmp_path, own_vectors) as memory:
        memory.add({"task": "Book a table", "success": True})
    with pytest.raises(ConfigError, match=r"'own_vectors' is no embedder.* by your program, as an object"):
        run("recall", "Book a table", path=tmp_path)
    assert "Book a table" in run("list", path=tmp_path)


def test_a_memory_that_is_not_there_is_named_in_the_command_that_begins_one(run, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(f"agora memory add --path {tmp_path}")):
        run("list", path=tmp_path)
