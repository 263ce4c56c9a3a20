"""`agora lessons` and its picture as a person meets them."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from langgraph_agora.cli_lessons import lessons_app
from langgraph_agora.errors import ConfigError
from langgraph_agora.learning_plots import events, moving, save_learning
from langgraph_agora.memory.experience import ExperienceMemory
from langgraph_agora.nodes.lessons import counted, judged, new_lesson

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
GOOD, BAD, NEW = "Use the calculator for every sum.", "Answer at once [bold]without[/] tools.", "Check the dates twice."


def at(number):
    """When a run ended: one an hour."""
    return (START + timedelta(hours=number)).isoformat()


def filled(folder):
    """A memory of 120 runs that got better, a lesson that helps, one that harms, and one on trial."""
    with ExperienceMemory(folder, "lexical") as memory:
        memory.add_all(
            {
                "id": f"run-{i}",
                "task": f"Add {i} and {i + 1}.",
                "features": {"domain": "sums"},
                "success": i % 3 == 0 if i < 60 else i % 6 != 0,
                "at": at(i),
            }
            for i in range(120)
        )
        for text, harms in ((GOOD, False), (BAD, True)):
            pattern = {"conditions": [["domain", "sums"]], "effect": 0.3, "evidence": ["run-1", "run-2", "gone"]}
            lesson = new_lesson(text, kind="execution", pattern=pattern, at=at(10))
            memory.put_lesson(lesson)
            for i in range(20, 60):
                given = i % 2 == 0
                memory.add_trial(lesson["id"], f"run-{i}", given=given, success=given is not harms, at=at(i))
                lesson = judged(counted(lesson, memory.trials(lesson["id"])), at=at(i))
                memory.put_lesson(lesson)
        memory.put_lesson(new_lesson(NEW, kind="planning", pattern=None, at=at(70)))
        return {one["text"]: one["id"] for one in memory.lessons()}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    return folder, filled(folder)


@pytest.fixture
def memory(original, tmp_path, monkeypatch):
    """The ids of the lessons of a memory, which is a test's own."""
    folder, ids = original
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("AGORA_MEMORY", str(tmp_path))
    return ids


def agora(*arguments):
    """What a command prints; what it raises is for `cli.main` to say."""
    app = typer.Typer()
    app.add_typer(lessons_app, name="lessons")
    done = CliRunner(env={"COLUMNS": "250"}).invoke(app, ["lessons", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def asked(*arguments):
    return json.loads(agora(*arguments, "--json"))


def test_lessons_are_listed_with_what_speaks_for_them(memory):
    lines = agora().splitlines()
    assert [line.split()[0] for line in lines] == ["lesson", memory[GOOD], memory[NEW], memory[BAD]]
    assert [line.split()[1] for line in lines] == ["state", "active", "candidate", "retired"]
    for words in (GOOD, "domain sums", "10/10", "0/10", "+1.00", "0.99", "It helps: 10 of 10 runs"):
        assert words in lines[1]
    assert BAD in lines[3]  # Marks of the terminal's language are text.
    assert agora("list") == agora()


def test_lessons_are_told_to_programs(memory):
    found = asked()["lessons"]
    assert [one["state"] for one in found] == ["active", "candidate", "retired"]
    assert asked("list")["lessons"] == found


def test_one_lesson_is_shown_with_its_evidence_and_its_past(memory):
    shown = agora("show", memory[GOOD])
    for words in (GOOD, "10/10 succeeded", "evidence: 3 experiences", "failed: Add 1 and 2.", "gone  forgotten"):
        assert words in shown
    past = shown[shown.index("history") :]
    assert re.findall(r"  (\w+): ", past) == ["candidate", "active"]
    told = asked("show", memory[GOOD])
    assert (told["lesson"]["text"], [one["id"] for one in told["evidence"]]) == (GOOD, ["run-1", "run-2"])


def test_the_beginning_of_an_id_will_do_when_it_is_clear(memory):
    for id in (memory[NEW][:12], memory[NEW].removeprefix("lesson-")[:6]):
        assert NEW in agora("show", id)
    with pytest.raises(ConfigError, match="beginning of 3 lessons"):
        agora("show", "lesson-")
    with pytest.raises(ConfigError, match=r"no lesson 'lesson-zzz'.*lists the 3 there are"):
        agora("show", "lesson-zzz")


def test_a_person_pins_vetoes_edits_and_restores(memory, tmp_path):
    assert "Pinned by a person" in agora("pin", memory[NEW])
    assert asked("unpin", memory[NEW])["lesson"]["pinned"] is False
    assert "never given" in agora("veto", memory[GOOD])
    assert asked("restore", memory[GOOD])["lesson"]["state"] == "active"
    assert "on trial" in agora("restore", memory[BAD]).lower()
    edited = asked("edit", memory[GOOD], "Use the calculator twice.")["lesson"]
    assert (edited["text"], edited["state"], edited["edited"]) == ("Use the calculator twice.", "candidate", True)
    with ExperienceMemory(tmp_path) as kept:
        assert kept.lesson(memory[GOOD]) == edited
        # What was known of the old words is no trial of the new ones.
        assert counted(edited, kept.trials(memory[GOOD]))["counts"] == {"given": [0, 0], "withheld": [0, 0]}
        assert any(version["vetoed"] for version in kept.lesson_history(memory[GOOD]))


def test_an_order_that_changes_nothing_says_so(memory):
    assert "Nothing to unpin: it is active." in agora("unpin", memory[GOOD])


def test_an_edit_needs_words(memory):
    with pytest.raises(ConfigError, match="give a sentence"):
        agora("edit", memory[GOOD], "  ")


@pytest.mark.parametrize("place", ["before", "behind", "variable"])
def test_the_folder_is_named_before_or_behind_the_command_or_by_the_environment(memory, tmp_path, monkeypatch, place):
    monkeypatch.delenv("AGORA_MEMORY", raising=False)
    option = ["--path", str(tmp_path)]
    if place == "variable":
        monkeypatch.setenv("AGORA_MEMORY", str(tmp_path))
        assert NEW in agora("show", memory[NEW])
    else:
        assert NEW in agora(
            *(option if place == "before" else []), "show", memory[NEW], *(option * (place == "behind"))
        )
        assert NEW in agora(*option)


def test_looking_at_a_memory_does_not_make_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGORA_MEMORY", raising=False)
    with pytest.raises(ConfigError, match=r"no memory in \.agora/memory.*AGORA_MEMORY"):
        agora()
    assert list(tmp_path.iterdir()) == []


def test_json_before_a_command_is_refused_rather_than_ignored(memory):
    with pytest.raises(ConfigError, match="stands behind the command"):
        agora("--json", "show", memory[GOOD])


def test_a_memory_without_lessons_says_so(tmp_path):
    with ExperienceMemory(tmp_path, "lexical") as memory:
        memory.add({"task": "Add 1 and 2.", "success": True})
    assert "no lessons yet" in agora("--path", str(tmp_path))


# The picture


def test_the_picture_has_the_rate_and_marks_promotions_and_retirements(memory, tmp_path):
    picture = tmp_path / "learning.svg"
    assert "wrote" in agora("plot", "-o", str(picture))
    text = picture.read_text()
    written = re.findall("<!-- (.*?) -->", text)
    assert "a  promoted after run 40: " + GOOD in written
    assert "b  retired after run 40: " + BAD in written
    assert {"lesson promoted", "lesson retired", "success"} <= set(written)
    agora("plot", "-o", str(tmp_path / "again.svg"))
    assert (tmp_path / "again.svg").read_text() == text  # No date, no chance.


def test_a_window_moves_over_the_runs():
    outcomes = [True] * 5 + [False] * 5
    rows = moving(outcomes, 5)
    assert [number for number, *_ in rows] == [5, 6, 7, 8, 9, 10]
    assert [rate for _, rate, _, _ in rows] == [1, 0.8, 0.6, 0.4, 0.2, 0]
    assert all(low <= rate <= high for _, rate, low, high in rows)


def test_an_event_stands_behind_the_runs_that_had_ended():
    runs = [{"at": at(i)} for i in range(10)]
    version = {"text": "Plan.", "state": "active", "decided": at(4)}
    later = version | {"state": "retired", "decided": "2026-11-02T18:30:00+02:00"}  # 16:30 where the runs were.
    found = events(runs, [[version, version, later]])
    assert [(one.run, one.state) for one in found] == [(5, "active"), (9, "retired")]


@pytest.mark.parametrize(
    ("number", "window", "name", "words"),
    [
        (9, None, "a.svg", "9 runs whose success is known"),
        (20, 21, "a.svg", "give 1 to 20"),
        (20, None, "a.gif", "a picture is one of"),
        (20, None, "no/a.svg", "no folder"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, number, window, name, words):
    runs = [{"success": True, "at": at(i)} for i in range(number)] + [{"success": None, "at": at(99)}]
    with pytest.raises(ConfigError, match=words):
        save_learning(runs, [], tmp_path / name, window=window)


def test_many_events_and_words_that_look_like_a_formula_are_drawn(tmp_path):
    runs = [{"success": i % 2 == 0, "at": at(i)} for i in range(40)]
    histories = [[{"text": f"Pay $5 and $x^ {i}.", "state": "active", "decided": at(i)}] for i in range(30)]
    save_learning(runs, histories, tmp_path / "many.svg", window=40)
    written = [words.replace("\\", "") for words in re.findall("<!-- (.*?) -->", (tmp_path / "many.svg").read_text())]
    assert "l  promoted after run 12: Pay $5 and $x^ 11." in written
    assert not any("run 13" in words for words in written)


def test_trials_since_the_last_decision_are_shown_although_no_version_has_them(memory, tmp_path):
    with ExperienceMemory(tmp_path) as kept:
        for i in range(3):
            kept.add_trial(memory[NEW], f"run-{i}", given=i > 0, success=i > 1, at=at(80 + i))
        assert kept.lesson(memory[NEW])["counts"] == {"given": [0, 0], "withheld": [0, 0]}
    [listed] = [one for one in asked("list")["lessons"] if one["id"] == memory[NEW]]
    assert listed["counts"] == {"given": [1, 1], "withheld": [0, 1]}
    assert "1 of 2 runs succeeded with it and 0 of 1 without" in agora("show", memory[NEW])


def test_an_order_begins_from_the_lesson_as_it_is_and_from_all_of_its_trials(memory, tmp_path):
    with ExperienceMemory(tmp_path) as kept:
        kept.add_trial(memory[NEW], "run-1", given=True, success=True, at=at(80))
    agora("edit", memory[NEW], "Check the dates three times.")
    with ExperienceMemory(tmp_path) as kept:
        assert kept.lesson(memory[NEW])["since"] == [1, "run-1"]
    [listed] = [one for one in asked("list")["lessons"] if one["id"] == memory[NEW]]
    assert listed["counts"] == {"given": [0, 0], "withheld": [0, 0]}
    assert listed["why"].startswith("On trial anew: a person edited its text")
