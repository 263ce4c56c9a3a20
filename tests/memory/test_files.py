"""A memory as a JSONL file: everything into it and back, wrong lines named, nothing twice."""

import json
import os
import subprocess
import sys
import threading

import pytest

from langgraph_agora.errors import ConfigError, RunError
from langgraph_agora.memory.experience import ExperienceMemory
from langgraph_agora.memory.files import LESSON_FIELDS, Entry, read_entries, write_entries
from langgraph_agora.memory.transfer import import_file
from langgraph_agora.nodes.lessons import new_lesson
from tests.memory.doubles import WordEmbedder

LESSON = {
    "id": "l",
    "text": "Call first.",
    "kind": "planning",
    "trigger": [["tool", "web"]],
    "setting": None,
    "state": "candidate",
    "pinned": False,
    "vetoed": False,
    "pattern": {"kind": "failure"},
    "evidence": ["e0"],
    "gain": 0.2,
    "created": "2026-01-01",
    "decided": None,
    "why": "It is on trial.",
    "counts": {"given": [0, 0], "withheld": [0, 0]},
}
TRIAL = {"run": "r", "given": True, "success": True, "at": "2026-01-01"}
NOON = 1_795_867_200.0  # 2026-11-28T12:00:00Z


def noon():
    return NOON


def open_memory(path=None, **settings):
    return ExperienceMemory(path, WordEmbedder(), clock=noon, **settings)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def full():
    """Ten experiences of which five were pruned, a lesson in two versions and a trial of it."""
    memory = open_memory(limit=9, keep=5)
    memory.add_all(
        {"task": f"Book table {n}", "success": n % 3 > 0, "at": f"2026-01-{n + 1:02}", "id": f"e{n}", "seconds": n}
        for n in range(10)
    )
    memory.put_lesson(LESSON)
    memory.put_lesson(LESSON | {"state": "active"})
    memory.add_trial("l", "e7", given=True, success=True, at="2026-01-08")
    return memory


def test_everything_is_in_the_file_marked_by_its_kind(full, tmp_path):
    assert full.export(tmp_path / "all.jsonl") == 13
    read = lines(tmp_path / "all.jsonl")
    assert [line["kind"] for line in read] == ["experience"] * 10 + ["lesson"] * 2 + ["trial"]
    assert sum(line.get("pruned", False) for line in read) == 5
    assert read[0] == {"kind": "experience", **full.get("e0")} | ({"pruned": True} if "pruned" in read[0] else {})
    assert read[11] == {"kind": "lesson", "lesson": full.lesson("l")}
    assert read[12] == {"kind": "trial", "lesson": "l", "trial": full.trials("l")[0]}


def test_what_was_exported_and_imported_recalls_the_same(full, tmp_path):
    full.export(tmp_path / "all.jsonl")
    with open_memory(tmp_path / "copy") as copy:
        assert copy.import_(tmp_path / "all.jsonl") == 13
        for task in ("Book table 3", "Book table", "Something else"):
            assert [one.to_dict() for one in copy.recall(task, 5)] == [one.to_dict() for one in full.recall(task, 5)]
        assert copy.experiences() == full.experiences()
        assert copy.experiences(pruned=True) == full.experiences(pruned=True)
        assert copy.lesson_history("l") == full.lesson_history("l")
        assert copy.trials("l") == full.trials("l")
        copy.export(tmp_path / "again.jsonl")
    by_id = {line["id"]: line for line in lines(tmp_path / "all.jsonl")[:10]}
    assert {line["id"]: line for line in lines(tmp_path / "again.jsonl")[:10]} == by_id
    assert lines(tmp_path / "again.jsonl")[10:] == lines(tmp_path / "all.jsonl")[10:]


def test_importing_twice_adds_nothing(full, tmp_path):
    full.export(tmp_path / "all.jsonl")
    copy = open_memory()
    assert (copy.import_(tmp_path / "all.jsonl"), copy.import_(tmp_path / "all.jsonl")) == (13, 0)
    assert full.import_(tmp_path / "all.jsonl") == 0
    assert len(copy.experiences()) == 5
    assert len(copy.lesson_history("l")) == 2


def test_a_log_without_ids_can_be_imported_twice_too_and_equal_runs_stay_apart(tmp_path):
    log = tmp_path / "log.jsonl"
    line = '{"task": "Add", "success": true}\n'
    log.write_text(line * 3 + "\n" + '{"task": "Add", "success": false, "seconds": 2}')
    memory = open_memory()
    assert (memory.import_(log), memory.import_(log)) == (4, 0)
    assert [one["success"] for one in memory.experiences()] == [True, True, True, False]
    assert {one["at"] for one in memory.experiences()} == {"2026-11-28T12:00:00+00:00"}
    log.write_text(line * 4)
    assert memory.import_(log) == 1


WRONG = {
    "[1, 2]": "no JSON object",
    '"text"': "no JSON object",
    '{"task": "x", "success": tru}': "it is no JSON",
    '{"task": "x", "success": true, "seconds": NaN}': "NaN is no JSON number",
    '{"task": "x", "success": true, "seconds": -1}': "seconds of the experience was -1",
    '{"task": "x", "success": "yes"}': "success of the experience was 'yes'",
    '{"task": "x", "succes": true}': "Did you mean 'success'",
    '{"kind": "experiences", "task": "x", "success": true}': "Did you mean 'experience'",
    '{"kind": ["lesson"]}': "kind is",
    '{"kind": "lesson"}': "lesson was None",
    '{"kind": "lesson", "lesson": {"id": "l"}}': "lesson was",
    '{"kind": "lesson", "lesson": {"id": "l", "text": "x"}}': "kind of the lesson 'l' is missing",
    json.dumps({"kind": "lesson", "lesson": LESSON | {"evidence": 5}}): "evidence of the lesson",
    json.dumps({"kind": "lesson", "lesson": LESSON | {"evidence": [5]}}): "evidence of the lesson 'l' was [5]",
    json.dumps({"kind": "lesson", "lesson": LESSON | {"state": "activ"}}): "Did you mean 'active'",
    json.dumps({"kind": "lesson", "lesson": LESSON | {"kind": "plans"}}): "kind of the lesson",
    json.dumps({"kind": "lesson", "lesson": LESSON | {"created": "soon"}}): "created of the lesson was 'soon'",
    json.dumps({"kind": "lesson", "lesson": LESSON | {"decided": "x"}}): "decided of the lesson was 'x'",
    json.dumps({"kind": "lesson", "lesson": LESSON | {"trigger": [["x"]]}}): "trigger of the lesson",
    json.dumps({"kind": "lesson", "lesson": LESSON | {"counts": {}}}): "counts of the lesson",
    json.dumps({"kind": "trial", "lesson": "x", "trial": TRIAL}): "its lesson 'x' is neither in the file nor here",
    '{"kind": "item", "namespace": ["experiences"], "key": "k", "value": {}}': "is the memory's own",
    '{"kind": "item", "namespace": [], "key": "k", "value": {}}': "namespace of the item was []",
    '{"kind": "item", "namespace": ["a"], "value": {}}': "The item null needs a key",
    '{"kind": "item", "namespace": ["a"], "key": "k", "value": 5}': "The value of 'k' was 5",
    '{"task": "x", "success": true, "features": ' + '{"x":' * 900 + "1" + "}" * 901: "features",
    '{"kind": "trial", "lesson": "l"}': "of the trial was None",
    '{"kind": "trial", "lesson": "a b", "trial": {"run": "r", "given": true, "success": true, "at": "2026"}}': "at of",
    "\x00\xff": "it is no JSON",
    "[" * 100_000: "it is no JSON",
    '{"task": "' + "x" * 2_000_000 + '"}': "longer than",
}


@pytest.mark.parametrize("line", list(WRONG), ids=lambda line: line[:30])
def test_a_wrong_line_is_named_by_its_number_and_nothing_is_imported(tmp_path, line):
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"task": "Add", "success": true}\n\n' + line.encode("latin-1") + b"\n")
    memory = open_memory()
    with pytest.raises(ConfigError, match=r"Line 3 of log\.jsonl") as error:
        memory.import_(log)
    assert WRONG[line] in str(error.value)
    assert str(error.value).endswith("Nothing was imported.")
    assert len(str(error.value)) < 700
    assert memory.experiences() == []


def test_a_wrong_line_is_found_before_any_part_of_a_long_file_is_kept(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"task": "Add", "success": true}\n' * 5 + "{}\n")
    memory = open_memory()
    with pytest.raises(ConfigError, match="Line 6"):
        import_file(memory, log, "2026-01-01", batch=2)
    assert memory.experiences() == []


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_said_to_be_so(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be read"):
        open_memory().import_(tmp_path / name)


def test_a_file_of_many_lines_is_kept_in_parts_and_a_second_import_keeps_the_rest(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f'{{"task": "Add {n}", "success": true}}\n' for n in range(10)))
    memory = open_memory()
    assert import_file(memory, log, "2026-01-01", batch=4) == 10
    memory.forget({"task": {"$in": ["Add 8", "Add 9"]}})
    assert memory.import_(log) == 2


def test_an_import_above_the_limit_prunes(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f'{{"task": "Add {n}", "success": true}}\n' for n in range(30)))
    memory = open_memory(limit=20)
    assert memory.import_(log) == 30
    assert (len(memory.experiences()), len(memory.experiences(pruned=True))) == (16, 30)
    assert memory.import_(log) == 0


def test_what_a_file_must_say_of_a_lesson_is_what_lessons_are_made_of():
    lesson = new_lesson("Call first.", kind="planning", pattern=None, at="2026-01-01")
    assert set(LESSON_FIELDS) <= set(lesson)
    assert all(isinstance(lesson[name], kinds) for name, kinds in LESSON_FIELDS.items())


def test_a_lesson_of_the_file_goes_on_where_the_one_here_ends_and_else_the_one_here_stays(tmp_path):
    versions = [LESSON | {"state": state} for state in ("candidate", "active", "retired")]
    write_entries(tmp_path / "long.jsonl", [Entry("lesson", version) for version in versions])
    memory = open_memory()
    memory.put_lesson(versions[0])
    assert memory.import_(tmp_path / "long.jsonl") == 2
    assert memory.lesson_history("l") == versions
    other = open_memory()
    other.put_lesson(LESSON | {"pinned": True})
    assert other.import_(tmp_path / "long.jsonl") == 0
    assert len(other.lesson_history("l")) == 1


def test_every_text_comes_back_as_it_was(tmp_path):
    memory = open_memory()
    memory.add({"task": 'Say "hé",\n\u2028 then \u200d 👍\\', "success": None, "id": "e", "features": {"ключ": "ü"}})
    memory.export(tmp_path / "all.jsonl")
    copy = open_memory()
    copy.import_(tmp_path / "all.jsonl")
    assert copy.get("e") == memory.get("e")


def test_an_export_replaces_the_old_file_whole_or_not_at_all(tmp_path):
    path = tmp_path / "all.jsonl"
    path.write_text("old")

    def half():
        yield Entry("experience", {"task": "x"})
        raise RunError("the record broke")

    with pytest.raises(RunError, match="the record broke"):
        write_entries(path, half())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    assert write_entries(path, []) == 0
    assert path.read_text() == ""


def test_who_reads_the_old_file_meanwhile_reads_it_to_its_end(tmp_path):
    path = tmp_path / "all.jsonl"
    path.write_text("old")
    with path.open() as reader:
        write_entries(path, [Entry("experience", {"task": "x"})])
        assert reader.read() == "old"


def test_an_export_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(RunError, match="cannot be written"):
        open_memory().export(tmp_path / "missing" / "all.jsonl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match="cannot be written"):
        open_memory().export(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


FULL_DISK = """
import resource, signal, sys
from langgraph_agora.errors import RunError
from langgraph_agora.memory.files import Entry, write_entries
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_entries(sys.argv[1], [Entry("experience", {"task": "x" * 1000})] * 100)
except RunError as error:
    print(error)
"""


def test_on_a_full_disk_the_old_file_stays(tmp_path):
    path = tmp_path / "all.jsonl"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, timeout=60)
    assert "cannot be written" in done.stdout, done.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["all.jsonl"]


def test_reading_a_file_of_entries_gives_what_was_written(tmp_path):
    entries = [
        Entry(
            "experience",
            {"task": "t", "features": {}, "success": True, "seconds": 0, "tokens": 0, "at": "2026", "id": "e"},
        ),
        Entry("lesson", LESSON),
    ]
    entries[0].value["at"] = "2026-01-01"
    write_entries(tmp_path / "f", entries)
    assert list(read_entries(tmp_path / "f", at="2026-01-01")) == entries


def test_a_trial_may_be_of_a_lesson_that_is_here_or_comes_later_in_the_file(tmp_path):
    write_entries(tmp_path / "f", [Entry("trial", TRIAL, lesson="l"), Entry("lesson", LESSON)])
    assert open_memory().import_(tmp_path / "f") == 2
    write_entries(tmp_path / "f", [Entry("trial", TRIAL, lesson="l")])
    memory = open_memory()
    memory.put_lesson(LESSON)
    assert memory.import_(tmp_path / "f") == 1


def test_what_the_store_keeps_is_carried_along_and_found_by_the_same_words(tmp_path):
    memory = open_memory()
    memory.add({"task": "Book a table", "success": True, "id": "e"})
    memory.store.put(("users", "ann"), "drink", {"text": "green tea"}, index=["text"], ttl=30)
    memory.store.put(("users",), "all", {"n": [1, None]}, index=False)
    assert memory.export(tmp_path / "all.jsonl") == 3
    copy = open_memory()
    assert (copy.import_(tmp_path / "all.jsonl"), copy.import_(tmp_path / "all.jsonl")) == (3, 0)
    assert copy.store.get(("users",), "all").value == {"n": [1, None]}
    [(row, cosine)] = copy.shelf.nearest("green tea", 5, prefix=("users",))
    assert (row.key, row.ttl, row.expires_at) == ("drink", 30, NOON + 1800)
    assert cosine == pytest.approx(1)


def outcomes(memory):
    return {one["id"]: (one["success"], one.get("outcome_source")) for one in memory.experiences()}


def test_an_outcome_in_the_file_is_taken_over_where_it_was_unknown_or_the_word_counts_more(tmp_path):
    here = {"unknown": (None, None), "self": (True, "self"), "human": (True, "human"), "equal": (True, "validator")}
    there = {"unknown": (True, None), "self": (False, "validator"), "human": (False, "validator")}
    there |= {"equal": (False, "environment")}
    memory, other = open_memory(), open_memory()
    for known, ends in ((memory, here), (other, there)):
        known.add_all(
            {"task": id, "success": success, "id": id, "outcome_source": source}
            for id, (success, source) in ends.items()
        )
    other.export(tmp_path / "all.jsonl")
    assert (memory.import_(tmp_path / "all.jsonl"), memory.import_(tmp_path / "all.jsonl")) == (2, 0)
    changed = {"unknown": (True, "environment"), "self": (False, "validator")}
    assert outcomes(memory) == here | changed


class Noting(WordEmbedder):
    """Notes what it is asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def embed(self, texts):
        self.asked += texts
        return super().embed(texts)


def test_what_was_pruned_is_imported_as_pruned_at_once_without_a_vector(full, tmp_path):
    full.export(tmp_path / "all.jsonl")
    embedder = Noting()
    copy = ExperienceMemory(embedder=embedder, limit=None)
    copy.import_(tmp_path / "all.jsonl")
    assert sorted(embedder.asked) == sorted(
        [*(one["task"] for one in full.experiences()), "Call first.", "Call first."]
    )
    assert copy.experiences() == full.experiences()
    assert copy.check().pruned == 5


def test_two_exports_to_one_file_at_once_are_both_whole(tmp_path):
    both = threading.Barrier(2, timeout=10)
    counts = []

    def slowly():
        both.wait()
        yield Entry("experience", {"task": "x"})
        both.wait()
        yield Entry("experience", {"task": "y"})

    threads = [threading.Thread(target=lambda: counts.append(write_entries(tmp_path / "f", slowly()))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert counts == [2, 2]
    assert [line["task"] for line in lines(tmp_path / "f")] == ["x", "y"]
    assert os.listdir(tmp_path) == ["f"]


def test_a_named_pipe_is_read_once_and_imported_whole(tmp_path):
    pipe, counts = tmp_path / "pipe", []
    os.mkfifo(pipe)
    line = '{"task": "Add", "success": true}\n'
    writer = threading.Thread(target=pipe.write_text, args=(line * 3,), daemon=True)
    reader = threading.Thread(target=lambda: counts.append(open_memory().import_(pipe)), daemon=True)
    for thread in (writer, reader):
        thread.start()
    for thread in (writer, reader):
        thread.join(timeout=15)  # Who opens it a second time waits for another writer.
    assert counts == [3]
