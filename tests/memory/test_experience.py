"""An experience memory: what is kept, what is recalled, what is let go and what is forgotten."""

import json
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from langgraph_agora.errors import ConfigError, RunError
from langgraph_agora.memory.experience import ExperienceMemory
from langgraph_agora.memory.locks import Lock
from tests.memory.doubles import WordEmbedder

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Stands still unless it is moved."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now.timestamp()


@pytest.fixture(params=["in this process", "in a folder"])
def open_memory(request, tmp_path):
    """Opens memories on one path: of this process only, or in a folder, where they are the same memory."""
    opened = []

    def open_one(**settings):
        path = tmp_path / "memory" if request.param == "in a folder" else None
        settings = {"embedder": WordEmbedder(), "clock": Clock()} | settings
        opened.append(ExperienceMemory(path, **settings))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def memory(open_memory):
    return open_memory()


in_this_process = pytest.mark.parametrize("open_memory", ["in this process"], indirect=True)


def experience(task="Book a table", success=True, **fields):
    return {"task": task, "success": success, "at": START.isoformat()} | fields


def numbered(count, *, words=40, failing=4):
    """Experiences of so many tasks, a minute apart; every so many fails."""
    return [
        experience(
            f"Task of kind{n % words} in town{n % 7} for guest{n % 11}",
            n % failing != 0,
            id=f"e{n}",
            at=(START + timedelta(minutes=n)).isoformat(),
            features={"kind": n % words},
        )
        for n in range(count)
    ]


def tasks(recalled):
    return [one.experience["task"] for one in recalled]


def test_what_is_added_is_there_and_recalled(memory):
    id = memory.add(experience("Book a table in Rome", features={"tool": "phone"}))
    memory.add(experience("Water the plants"))
    assert memory.get(id)["features"] == {"tool": "phone"}
    assert memory.get("nobody") is None
    [one] = memory.recall("Book a table in Milan", k=1)
    assert one.experience == memory.get(id)
    assert 0.5 < one.relevance < 1
    assert str(one) == '[recalled] "Book a table in Rome" succeeded on 2026-01-01.'


def test_an_experience_without_time_or_id_gets_them(memory):
    id = memory.add({"task": "Add", "success": None})
    assert memory.get(id) == {
        "task": "Add",
        "features": {},
        "success": None,
        "seconds": 0,
        "tokens": 0,
        "at": START.isoformat(),
        "id": id,
    }


def test_equal_experiences_without_ids_are_two_runs(memory):
    first, second = memory.add_all([experience(), experience()])
    assert first != second
    assert len(memory.experiences()) == 2


def test_the_same_id_again_changes_nothing(memory):
    memory.add(experience("Book a table", id="run-1"))
    assert memory.add(experience("Burn the table", False, id="run-1")) == "run-1"
    more = [experience("Burn it", id="run-1"), experience("New", id="2"), experience("Newer", id="2")]
    assert memory.add_all(more) == ["run-1", "2", "2"]
    assert [one["task"] for one in memory.experiences()] == ["Book a table", "New"]


def test_one_wrong_experience_among_many_is_named_and_none_is_kept(memory):
    with pytest.raises(ConfigError, match=r"Experience 2: seconds .* None was kept\."):
        memory.add_all([experience(), experience(seconds=float("nan"))])
    assert memory.experiences() == []


@in_this_process
@pytest.mark.parametrize(
    "wrong",
    [{"task": "x" * 10_000_000}, {"seconds": float("nan")}, {"task": b"\x00\xff"}, {"features": {"a": {"b": 1}}}],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_lost(memory, wrong):
    memory.add(experience(id="kept"))
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        memory.add(experience(**wrong))
    assert [one["id"] for one in memory.experiences()] == ["kept"]


def test_a_task_of_many_pages_is_kept_whole_and_found_by_its_beginning(memory):
    memory.add(experience("Book a table " + "in a long story " * 6000))
    [one] = memory.recall("Book a table in a long story")
    assert len(one.experience["task"]) > 90_000
    assert len(str(one)) < 400


def test_binary_text_is_kept_as_text(memory):
    id = memory.add(experience("half a pair \ud83d and a nul \x00 in Rome"))
    assert memory.get(id)["task"] == "half a pair \ufffd and a nul  in Rome"
    assert tasks(memory.recall("half a pair in Rome")) == [memory.get(id)["task"]]


def test_experiences_come_oldest_first_by_when_they_happened(memory):
    memory.add(experience("late", at="2026-03-01T00:00:00Z"))
    memory.add(experience("early", at="2026-02-28T23:30:00-02:00", success=False))
    memory.add(experience("first", at="2025-01-01"))
    assert [one["task"] for one in memory.experiences()] == ["first", "late", "early"]
    assert [one["task"] for one in memory.experiences({"success": True})] == ["first", "late"]


def test_recall_takes_a_filter_over_fields_and_features(memory):
    memory.add(experience("Book a table", features={"tool": "phone", "tries": 1}))
    memory.add(experience("Book a room", False, features={"tool": "web", "tries": 3}))
    assert tasks(memory.recall("Book a table", where={"features.tool": "web"})) == ["Book a room"]
    assert tasks(memory.recall("Book a table", where={"success": True})) == ["Book a table"]
    assert tasks(memory.recall("Book a table", where={"features.tries": {"$gte": 2}})) == ["Book a room"]
    assert memory.recall("Book a table", where={"features.tool": "fax"}) == []


@in_this_process
@pytest.mark.parametrize("where", [{"tool": "phone"}, {"seconds": {"$more": 1}}, ["tool"]])
def test_a_wrong_filter_is_refused_also_when_nothing_is_there_yet(memory, where):
    for read in (lambda: memory.recall("x", where=where), lambda: memory.experiences(where)):
        with pytest.raises(ConfigError):
            read()


@in_this_process
@pytest.mark.parametrize(
    ("task", "k"), [(7, 3), (None, 3), ("x", 0), ("x", -1), ("x", 101), ("x", True), ("x", 2.5), ("", 3), (" \n", 3)]
)
def test_a_wrong_question_is_refused(memory, task, k):
    with pytest.raises(ConfigError, match=r"task was|k was"):
        memory.recall(task, k)


def test_recall_of_nothing_is_empty_and_loads_no_embedder():
    def fails(texts):
        raise AssertionError("it was asked")

    with ExperienceMemory(embedder=fails) as memory:
        assert memory.recall("anything") == []


def test_of_equally_near_ones_the_newer_comes_first_though_it_was_kept_first(memory):
    memory.add(experience(id="new", at="2025-12-31"))
    memory.add(experience(id="old", at="2025-06-01"))
    assert [one.experience["id"] for one in memory.recall("Book a table")] == ["new", "old"]


def test_recency_brings_up_what_is_not_among_the_nearest(memory):
    """More than k are looked at: here the nearest five are ten years old, and the sixth, a little less near, is new."""
    memory.add_all(experience("Book a table in Rome today", id=f"old{n}", at="2016-01-01") for n in range(5))
    memory.add(experience("Book a table in Rome", id="new"))
    assert memory.recall("Book a table in Rome today", k=1)[0].experience["id"] == "new"


def test_recall_by_words_alone_says_so(memory):
    memory.add(experience())
    [one] = memory.recall("Book a table")
    assert one.lexical
    assert one.why.startswith("It shares words with the task (1.00)")


def test_what_was_recalled_never_becomes_an_experience(memory):
    memory.add(experience("Book a table", summary="Call first."))
    shown = "\n".join(str(one) for one in memory.recall("Book a table"))
    memory.add(experience(f"{shown}\nBook a room", answer=f"I saw:\n{shown}\nDone.", id="next"))
    kept = memory.get("next")
    assert (kept["task"], kept["answer"]) == ("Book a room", "I saw:\nDone.")
    with pytest.raises(ConfigError, match="ids"):
        memory.add(experience(recalled="Call first."))


def test_everything_is_there_again_after_closing(tmp_path):
    with ExperienceMemory(tmp_path, WordEmbedder()) as memory:
        memory.add(experience(id="kept"))
        memory.put_lesson({"id": "l", "text": "Call first."})
        memory.add_trial("l", "run", given=True, success=True, at="2026-01-01")
    with ExperienceMemory(tmp_path, WordEmbedder()) as memory:
        assert tasks(memory.recall("Book a table")) == ["Book a table"]
        assert memory.lesson("l")["text"] == "Call first."
        assert len(memory.trials("l")) == 1


def test_another_embedder_is_refused_with_the_command_that_rebuilds(tmp_path):
    with ExperienceMemory(tmp_path, WordEmbedder()) as memory:
        memory.add(experience())
    with pytest.raises(ConfigError, match="agora memory rebuild --embedder"):
        ExperienceMemory(tmp_path, WordEmbedder(16, "others"))


def test_another_embedder_can_take_over(tmp_path):
    with ExperienceMemory(tmp_path, WordEmbedder()) as memory:
        memory.add(experience(id="e"))
        memory.put_lesson({"id": "l", "text": "Call first."})
    with ExperienceMemory(tmp_path) as memory:  # It need not know the old one for that.
        assert memory.rebuild(WordEmbedder(16, "others")) == 2
    with ExperienceMemory(tmp_path, WordEmbedder(16, "others")) as memory:
        assert tasks(memory.recall("Book a table")) == ["Book a table"]
        assert memory.check().ok


def test_without_its_index_a_memory_recalls_the_same(tmp_path):
    with ExperienceMemory(tmp_path, WordEmbedder()) as memory:
        memory.add_all(numbered(50))
        before = [one.to_dict()["experience"] for one in memory.recall("Task of kind3 in town3")]
    shutil.rmtree(tmp_path / "index", ignore_errors=True)
    with ExperienceMemory(tmp_path, WordEmbedder()) as memory:
        assert [one.to_dict()["experience"] for one in memory.recall("Task of kind3 in town3")] == before
        assert memory.check().ok


def test_a_folder_remembers_its_embedder(tmp_path):
    with ExperienceMemory(tmp_path, "lexical") as memory:
        memory.add(experience())
    with ExperienceMemory(tmp_path) as memory:
        assert memory.recall("Book a table")[0].lexical


class Unsteady(WordEmbedder):
    """Fails while it is out of order."""

    broken = True

    def embed(self, texts):
        if self.broken:
            raise RunError("the server is down")
        return super().embed(texts)


def test_when_the_embedder_fails_the_experience_is_kept_and_found_after_a_rebuild(open_memory):
    embedder = Unsteady()
    memory = open_memory(embedder=embedder)
    with pytest.warns(RuntimeWarning, match="the server is down"):
        memory.add(experience(id="kept"))
    assert memory.get("kept")["task"] == "Book a table"
    with pytest.raises(RunError, match="the server is down"):
        memory.recall("Book a table")
    embedder.broken = False
    memory.add(experience("Water the plants"))
    assert tasks(memory.recall("Book a table")) == ["Water the plants"]
    assert memory.check().unembedded == 1
    memory.rebuild()
    assert tasks(memory.recall("Book a table", k=1)) == ["Book a table"]
    assert memory.check().unembedded == 0
    assert memory.check().ok


def test_the_thousand_and_first_leaves_eight_hundred(open_memory):
    memory = open_memory()
    memory.add_all(numbered(1000))
    assert len(memory.experiences()) == 1000
    memory.add(numbered(1001)[-1])
    check = memory.check()
    assert (len(memory.experiences()), check.items, check.vectors, check.pruned) == (800, 800, 800, 201)
    assert (check.orphans, check.missing, check.problems) == (0, 0, ())
    assert memory.stats()["pruned"] == 201


def test_pruning_changes_no_statistics(open_memory):
    memory = open_memory(limit=100)
    log = [memory.get(id) for id in memory.add_all(numbered(100))]
    memory.add_all(numbered(130)[100:])
    every = memory.experiences(pruned=True)
    assert every[:100] == log
    assert len(every) == 130
    assert len(memory.experiences({"success": False}, pruned=True)) == 33


def test_what_was_pruned_is_recalled_no_more_and_known_all_the_same(open_memory):
    memory = open_memory(limit=10, keep=5)
    memory.add_all(experience("Book a table", id=f"e{n}", at=f"2025-01-{n + 1:02}") for n in range(11))
    assert [one["id"] for one in memory.experiences()] == ["e6", "e7", "e8", "e9", "e10"]
    assert {one.experience["id"] for one in memory.recall("Book a table", k=10)} == {"e6", "e7", "e8", "e9", "e10"}
    assert memory.get("e0")["task"] == "Book a table"
    memory.add(experience("Book a table", id="e0"))
    assert len(memory.experiences()) == 5


def test_what_a_living_lesson_rests_on_is_not_pruned(open_memory):
    memory = open_memory(limit=20, keep=10)
    twins = [experience("Book a table", id=f"e{n}", at=f"2025-01-{n + 1:02}") for n in range(20)]
    memory.add_all(twins)
    states = {
        "candidate": {"state": "candidate"},
        "active": {"state": "active"},
        "retired": {"state": "retired"},
        "pinned": {"state": "retired", "pinned": True},
        "vetoed": {"state": "active", "vetoed": True},
    }
    for number, (name, fields) in enumerate(states.items()):
        memory.put_lesson({"id": name, "text": name, "evidence": [f"e{number}"], **fields})
    memory.add(experience("Book a table", id="e20"))
    kept = {one["id"] for one in memory.experiences()}
    assert {"e0", "e1", "e3"} <= kept
    assert not {"e2", "e4"} & kept
    assert len(kept) == 10


def test_evidence_does_not_crowd_out_what_is_new(open_memory):
    """Half of what is kept at most: the newest five of these eighteen."""
    memory = open_memory(limit=20, keep=10)
    memory.put_lesson({"id": "l", "text": "x", "evidence": [f"e{n}" for n in range(18)], "state": "active"})
    memory.add_all(experience("Book a table", id=f"e{n}", at=f"2025-01-{n + 1:02}") for n in range(21))
    kept = [one["id"] for one in memory.experiences()]
    assert kept == ["e11", "e12", "e13", "e14", "e15", "e16", "e17", "e18", "e19", "e20"]


def test_without_a_limit_nothing_is_pruned(open_memory):
    memory = open_memory(limit=None)
    memory.add_all(numbered(1100))
    assert len(memory.experiences()) == 1100


@pytest.mark.parametrize(
    "limits",
    [
        {"limit": 0},
        {"limit": None, "keep": 800},
        {"limit": 10, "keep": 11},
        {"keep": 0},
        {"limit": True},
        {"limit": 1.5},
        {"limit": 2_000_000},
    ],
)
def test_wrong_limits_are_refused(limits):
    with pytest.raises(ConfigError, match=r"limit was|keep was"):
        ExperienceMemory(embedder=WordEmbedder(), **limits)


def test_forgetting_takes_ids_or_a_filter_and_says_how_many(memory):
    memory.add_all(numbered(8))
    assert memory.forget("e0") == 1
    assert memory.forget(["e1", "e1", "nobody"]) == 1
    assert memory.forget({"features.kind": {"$in": [2, 3]}}) == 2
    assert [one["id"] for one in memory.experiences(pruned=True)] == ["e4", "e5", "e6", "e7"]
    assert memory.get("e0") is None


@in_this_process
@pytest.mark.parametrize("wrong", [{}, "two words", 7, None, [7], {"tool": 1}])
def test_forgetting_everything_by_mistake_is_refused(memory, wrong):
    memory.add(experience())
    with pytest.raises(ConfigError):
        memory.forget(wrong)
    assert len(memory.experiences()) == 1


def test_what_was_pruned_can_be_forgotten(open_memory):
    memory = open_memory(limit=10, keep=5)
    memory.add_all(numbered(11))
    assert len(memory.experiences(pruned=True)) == 11
    assert memory.forget({"success": {"$in": [True, False]}}) == 11
    assert memory.experiences(pruned=True) == []


def test_forgotten_words_are_nowhere_in_the_folder(tmp_path):
    memory = ExperienceMemory(tmp_path, WordEmbedder(), limit=10, keep=5)
    memory.add_all(numbered(10))
    memory.add(experience("Call xylophone", id="secret", answer="zyzzyva"))
    memory.label("secret", False)
    assert any(b"zyzzyva" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert memory.forget("secret") == 1
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"zyzzyva" not in file.read_bytes()
            assert b"xylophone" not in file.read_bytes()
    memory.close()


WORDS = {
    # before -> whose later word replaces it
    None: ("self", "environment", "validator", "human"),
    "self": ("self", "environment", "validator", "human"),
    "environment": ("environment", "validator", "human"),
    "validator": ("environment", "validator", "human"),
    "human": ("human",),
}


@in_this_process
@pytest.mark.parametrize("before", WORDS)
@pytest.mark.parametrize("source", ["self", "environment", "validator", "human"])
def test_whose_word_counts_more_about_an_outcome(memory, before, source):
    told = {"success": None} if before is None else {"success": True, "outcome_source": before}
    memory.add(experience(id="e", **told))
    labelled = memory.label("e", False, source)
    assert (labelled["success"] is False) == (source in WORDS[before])
    assert memory.get("e") == labelled
    assert memory.experiences() == [labelled]


@in_this_process
def test_an_outcome_that_came_with_the_experience_is_not_replaced_by_the_agents_own_judgement(memory):
    memory.add(experience(id="e"))
    assert memory.label("e", False, "self")["success"] is True
    assert memory.label("e", False, "validator")["success"] is False


def test_the_version_before_a_label_stays_in_the_record(memory):
    memory.add(experience(id="e"))
    memory.label("e", False)
    memory.label("e", False)
    versions = [row.value["success"] for row in memory.shelf.history(("experiences",), "e")]
    assert versions == [True, False]
    assert tasks(memory.recall("Book a table")) == ["Book a table"]


def test_a_pruned_experience_can_be_labelled_and_stays_pruned(open_memory):
    memory = open_memory(limit=10, keep=5)
    memory.add_all(experience("Book a table", id=f"e{n}", at=f"2025-01-{n + 1:02}") for n in range(11))
    assert memory.label("e0", False)["success"] is False
    assert memory.get("e0")["success"] is False
    assert [one["id"] for one in memory.experiences({"success": False}, pruned=True)] == ["e0"]
    assert len(memory.experiences(pruned=True)) == 11
    assert len(memory.experiences()) == len(memory.recall("Book a table", k=10)) == 5


@in_this_process
@pytest.mark.parametrize(
    "arguments", [("nobody", True), ("e", None), ("e", "yes"), ("e", True, "humans"), (7, True), ("e", True, [])]
)
def test_a_wrong_label_is_refused(memory, arguments):
    memory.add(experience(id="e"))
    with pytest.raises(ConfigError):
        memory.label(*arguments)


def test_lessons_are_kept_with_all_their_versions(memory):
    memory.put_lesson({"id": "b", "text": "Call first.", "state": "candidate"})
    memory.put_lesson({"id": "a", "text": "Plan first."})
    memory.put_lesson({"id": "b", "text": "Call first.", "state": "active"})
    memory.put_lesson({"id": "b", "text": "Call first.", "state": "active"})
    assert {one["id"] for one in memory.lessons()} == {"a", "b"}
    assert memory.lesson("b")["state"] == "active"
    assert [one["state"] for one in memory.lesson_history("b")] == ["candidate", "active"]
    assert memory.lesson("c") is None
    assert memory.lesson_history("c") == []


def test_lessons_are_no_experiences(memory):
    memory.put_lesson({"id": "l", "text": "Book a table"})
    assert memory.experiences() == []
    assert memory.recall("Book a table") == []
    assert memory.get("l") is None


def test_how_near_lessons_are_to_a_task(memory):
    assert memory.lesson_relevance("Book a table") == {}
    memory.put_lesson({"id": "near", "text": "Book a table early."})
    memory.put_lesson({"id": "far", "text": "Water plants."})
    found = memory.lesson_relevance("Book a table")
    assert found["near"] > 0.6 > found["far"] >= 0


@in_this_process
@pytest.mark.parametrize(
    "lesson", [None, {}, {"id": "l"}, {"id": "l", "text": 7}, {"text": "x"}, {"id": "a b", "text": "x"}]
)
def test_a_wrong_lesson_is_refused(memory, lesson):
    with pytest.raises(ConfigError, match="lesson"):
        memory.put_lesson(lesson)


def test_a_run_counts_once_for_a_lesson(memory):
    assert memory.add_trial("l", "run-1", given=True, success=True, at="2026-01-02")
    assert not memory.add_trial("l", "run-1", given=False, success=False, at="2026-01-03")
    assert memory.add_trial("l", "run-2", given=False, success=True, at="2026-01-01")
    assert memory.add_trial("other", "run-1", given=True, success=True, at="2026-01-02")
    assert memory.trials("l") == [
        {"run": "run-2", "given": False, "success": True, "at": "2026-01-01"},
        {"run": "run-1", "given": True, "success": True, "at": "2026-01-02"},
    ]
    assert memory.trials("nobody") == []


@in_this_process
@pytest.mark.parametrize(
    "wrong", [{"given": None}, {"success": None}, {"success": 1}, {"at": "now"}, {"run_id": "a b"}, {"lesson_id": ""}]
)
def test_a_wrong_trial_is_refused(memory, wrong):
    arguments = {"lesson_id": "l", "run_id": "r", "given": True, "success": True, "at": "2026-01-01"} | wrong
    with pytest.raises(ConfigError, match="of the trial was"):
        memory.add_trial(**arguments)


def test_stats_say_what_is_there(memory, tmp_path):
    memory.add_all([experience(), experience(success=False), experience(success=None, at="2026-02-01")])
    memory.put_lesson({"id": "l", "text": "x", "state": "active"})
    memory.add_trial("l", "r", given=True, success=True, at="2026-01-01")
    stats = memory.stats()
    assert json.loads(json.dumps(stats)) == stats
    counts = {"experiences": 3, "pruned": 0, "succeeded": 1, "failed": 1, "unknown": 1, "trials": 1}
    assert {name: stats[name] for name in counts} == counts
    assert stats["lessons"] == {"active": 1}
    assert (stats["embedder"], stats["newest"]) == ("words", "2026-02-01")
    assert (stats["bytes"] > 0) == (stats["path"] is not None)


def test_twenty_threads_lose_nothing_and_prune_once(open_memory):
    memory = open_memory(limit=150)
    start = threading.Barrier(20)

    def work(number):
        start.wait()
        for turn in range(10):
            memory.add(experience(f"Task {turn} of thread {number}", id=f"{number}-{turn}"))
            memory.recall("Task of a thread")
            memory.add(experience("The same for all", id=f"shared-{turn}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(memory.experiences(pruned=True)) == 210
    assert 120 <= len(memory.experiences()) <= 150
    assert memory.check().ok


WRITER = """
import sys
from langgraph_agora.memory.experience import ExperienceMemory
with ExperienceMemory(sys.argv[1], "lexical", limit=60, keep=50) as memory:
    for number in range(40):
        memory.add({"task": f"Task {number} of {sys.argv[2]}", "success": True, "id": f"{sys.argv[2]}-{number}"})
        memory.recall("Task")
        memory.add_trial("l", f"run-{number}", given=True, success=True, at="2026-01-01")
"""


def test_two_processes_write_one_memory_and_prune_it(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], stderr=subprocess.PIPE, text=True)
        for name in ("ann", "bob")
    ]
    for writer in writers:
        assert writer.communicate(timeout=120)[1] == ""
    with ExperienceMemory(tmp_path, "lexical", limit=60, keep=50) as memory:
        assert len(memory.experiences(pruned=True)) == 80
        assert 50 <= len(memory.experiences()) <= 60
        assert len(memory.trials("l")) == 40
        assert memory.check().ok


ENDLESS = """
import sys
from langgraph_agora.memory.experience import ExperienceMemory
with ExperienceMemory(sys.argv[1], "lexical", limit=12, keep=8) as memory:
    for number in range(100_000):
        print(memory.add({"task": f"Task {number}", "success": number % 2 > 0, "id": f"e{number}"}), flush=True)
"""


@pytest.mark.parametrize("added", [13, 40])
def test_killed_while_it_writes_and_prunes_it_has_all_that_was_added(tmp_path, added):
    with subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        told = [writer.stdout.readline().strip() for _ in range(added)]
        writer.kill()
        told += writer.stdout.read().split("\n")[:-1]
    with ExperienceMemory(tmp_path, "lexical", limit=12, keep=8) as memory:
        known = {one["id"] for one in memory.experiences(pruned=True)}
        assert set(told) <= known
        assert len(known) <= len(told) + 1
        assert len(memory.experiences()) <= 13
        assert memory.check().ok


def test_a_memory_can_be_opened_to_be_read_only(tmp_path):
    with ExperienceMemory(tmp_path, WordEmbedder()) as memory:
        memory.add(experience(id="e"))
    with ExperienceMemory(tmp_path, WordEmbedder(), read_only=True) as memory:
        assert tasks(memory.recall("Book a table")) == ["Book a table"]
        for write, arguments in ((memory.add, [experience()]), (memory.label, ["e", False]), (memory.forget, ["e"])):
            with pytest.raises(RunError, match="nothing is kept"):
                write(*arguments)
        assert memory.get("e")["success"] is True


def test_the_same_memory_is_a_store_that_can_be_read(memory):
    store = pytest.importorskip("langgraph_agora.memory.store")
    memory.add(experience(id="e"))
    assert isinstance(memory.store, store.ChromaStore)
    assert memory.store.get(("experiences",), "e").value["task"] == "Book a table"
    with pytest.raises(ConfigError):
        memory.store.put(("experiences",), "e", {"task": "x"})


def gone_vectors(texts):
    return [[len(text), 1.0] for text in texts]


def test_pruning_needs_no_embedder_that_can_be_loaded(tmp_path):
    with ExperienceMemory(tmp_path, gone_vectors, limit=None) as memory:
        memory.add_all(numbered(12))
    with ExperienceMemory(tmp_path, limit=10, keep=8) as memory:
        with pytest.raises(ConfigError, match="'gone_vectors' is no embedder"):
            memory.recall("Task")
        (tmp_path / "empty.jsonl").touch()
        assert memory.import_(tmp_path / "empty.jsonl") == 0
        assert (len(memory.experiences()), len(memory.experiences(pruned=True))) == (8, 12)


def down(texts):
    raise OSError("the server is down")


def test_what_no_embedder_ever_saw_is_pruned_from_the_oldest_on(open_memory):
    memory = open_memory(embedder=down, limit=4, keep=2)
    with pytest.warns(RuntimeWarning, match="the server is down"):
        memory.add_all(experience(f"Task {n}", id=f"e{n}", at=f"2026-01-0{n + 1}") for n in range(5))
    assert [one["id"] for one in memory.experiences()] == ["e3", "e4"]


@pytest.mark.parametrize("way", ["add", "add_all", "import_"])
def test_pruning_that_fails_is_a_warning_since_all_is_kept(tmp_path, way):
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(experience(id="new")))
    what = {"add": experience(id="new"), "add_all": [experience(id="new")], "import_": log}
    with ExperienceMemory(tmp_path / "m", WordEmbedder(), limit=10, keep=5) as memory:
        memory.patience = 0.05
        memory.add_all(numbered(10))
        with Lock(tmp_path / "m" / "changes.lock").held():
            with pytest.warns(RuntimeWarning, match=r"All is kept, but nothing was pruned.*changes\.lock"):
                getattr(memory, way)(what[way])
            assert memory.get("new") is not None
            assert len(memory.experiences()) == 11
        memory.add(experience())
        assert len(memory.experiences()) == 5


def test_a_lock_that_is_never_given_back_is_named(tmp_path):
    with ExperienceMemory(tmp_path, WordEmbedder()) as memory:
        memory.patience = 0.05
        memory.add(experience(id="e"))
        with Lock(tmp_path / "changes.lock").held():
            for change, arguments in ((memory.label, ["e", False]), (memory.forget, ["e"])):
                with pytest.raises(RunError, match=r"changes\.lock for 0\.05 s; nothing of this call is changed"):
                    change(*arguments)
        assert memory.label("e", False)["success"] is False


def test_a_label_of_a_pruned_experience_is_one_transaction_so_no_crash_revives_it(open_memory):
    memory = open_memory(limit=10, keep=5)
    memory.add_all(experience("Book a table", id=f"e{n}", at=f"2025-01-{n + 1:02}") for n in range(11))
    statements = []
    memory.shelf._record._writer.set_trace_callback(statements.append)
    memory.label("e0", False)
    assert statements.count("BEGIN IMMEDIATE") == 1
    assert memory.shelf.get(("experiences",), "e0") is None
    assert [row.value["success"] for row in memory.shelf.history(("experiences",), "e0")] == [True, False]


def test_the_newest_come_first_and_how_many_there_are(open_memory):
    memory = open_memory(limit=10, keep=5)
    memory.add_all(numbered(10)[::-1])
    memory.add(experience("Long ago", id="old", at="2020-01-01"))
    every, here = memory.experiences(pruned=True), memory.experiences()
    assert every[0]["id"] == "old"
    assert memory.newest(3) == (here[:-4:-1], 5)
    assert memory.newest(100, pruned=True) == (every[::-1], 11)
    failures = [one for one in every if not one["success"]][::-1]
    assert memory.newest(2, {"success": False}, pruned=True) == (failures[:2], len(failures))


def test_stats_count_each_experience_once_by_its_latest_version(open_memory):
    memory = open_memory(limit=10, keep=5)
    memory.add_all(numbered(11))
    pruned = [one["id"] for one in memory.experiences(pruned=True) if one not in memory.experiences()]
    memory.label(pruned[0], False)
    memory.label(memory.experiences()[0]["id"], True)
    every = memory.experiences(pruned=True)
    outcomes = [one["success"] for one in every]
    stats = memory.stats()
    assert (stats["experiences"], stats["pruned"]) == (5, 6)
    assert (stats["succeeded"], stats["failed"]) == (outcomes.count(True), outcomes.count(False))
    assert (stats["oldest"], stats["newest"]) == (every[0]["at"], every[-1]["at"])


def test_a_rebuild_says_again_what_a_damaged_record_lost(open_memory):
    memory = open_memory()
    memory.add_all([experience(id="e"), experience("Water the plants")])
    memory.put_lesson({"id": "l", "text": "Call first."})
    with memory.shelf._record.transaction() as record:
        record.execute("DELETE FROM texts")
    assert memory.rebuild() == 3
    assert tasks(memory.recall("Book a table", k=1)) == ["Book a table"]
    assert memory.lesson_relevance("Call first.")["l"] == pytest.approx(1)
    assert memory.check().ok


def test_the_store_of_a_memory_has_its_clock(open_memory):
    clock = Clock()
    store = open_memory(clock=clock).store
    store.put(("notes",), "tea", {"text": "green"}, ttl=10)
    clock.now += timedelta(minutes=9)
    assert store.get(("notes",), "tea", refresh_ttl=False).value == {"text": "green"}
    clock.now += timedelta(minutes=2)
    assert store.get(("notes",), "tea") is None
