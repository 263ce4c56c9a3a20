"""What the reflection graph does with its memory: which runs count as what, what is mined, and what becomes of it."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.memory.experience import ExperienceMemory
from langgraph_agora.nodes.counting import as_counted, labelled
from langgraph_agora.nodes.judging import features_of_run
from langgraph_agora.nodes.learning import (
    COUNTED,
    FIT_AFTER,
    JUDGE,
    choose,
    count,
    find_patterns,
    keep_lesson,
    learn,
    left_open,
    memory_of,
    open_lessons,
)
from langgraph_agora.nodes.lessons import edit, new_lesson, pin, veto
from langgraph_agora.nodes.pattern_lessons import MOST_MINED, MOST_ON_TRIAL, key_of, keys_of, medians_of
from tests.memory.doubles import WordEmbedder

MONDAY = "2026-11-23T09:00:00+00:00"
SLOW = {"kind": "failure", "measure": "success", "conditions": [["slow", True]], "effect": 0.4, "support": 40}


class FailingEmbedder(WordEmbedder):
    """Says nothing any more once it is down."""

    is_down = False

    def embed(self, texts):
        if self.is_down:
            raise ConnectionError("the embedder is down")
        return super().embed(texts)


class Clock:
    """A second later whenever it is asked."""

    now = 1_000_000.0

    def __call__(self):
        self.now += 1
        return self.now


@pytest.fixture
def memory():
    with ExperienceMemory(embedder=WordEmbedder(), limit=None, clock=Clock()) as kept:
        yield kept


def run(id, success=True, **more):
    return {"id": id, "task": "Add two numbers.", "success": success, "outcome_source": "validator", **more}


def remember(memory, experience, mine_every=10**9, self_judged=False):
    return learn(memory, {"at": MONDAY, **experience}, mine_every, self_judged)


def on_trial(memory, text="Count twice.", **more):
    return memory.put_lesson(new_lesson(text, kind="risk", at=MONDAY, **{"pattern": None, **more}))


def runs(name, count, rates, seed=1, **more):
    """Runs that are slow in half of the cases, with these success rates: slow, and not slow."""
    draw = random.Random(f"{name} {seed}")
    for number in range(count):
        slow = draw.random() < 0.5
        success = draw.random() < rates[not slow]
        yield run(f"{name}-{number:04}", success, features={"slow": slow, "other": draw.random() < 0.5}, **more)


# Which runs count, and as what


def test_of_several_attempts_the_first_one_counts_for_a_lesson(memory):
    lesson = on_trial(memory)
    remember(memory, run("r1", True, recalled=[lesson["id"]], first={"success": False, "outcome_source": "validator"}))
    assert [trial["success"] for trial in memory.trials(lesson["id"])] == [False]


def test_of_several_attempts_the_first_one_is_mined(memory):
    """A retry repaired every failure, and went without the tool; what the first attempt did is what fails."""
    for number, one in enumerate(runs("r", 200, (0.3, 0.9))):
        first = {"features": one["features"], "success": one["success"], "outcome_source": "validator"}
        memory.add({**one, "success": True, "features": {"slow": False, "number": number % 3}, "first": first})
    [pattern] = find_patterns(memory, False).patterns
    assert (pattern["kind"], pattern["conditions"]) == ("failure", [["slow", True]])


def test_an_outcome_counts_by_its_own_source(memory):
    """A person says how the run ended, and nobody but the agent how its first attempt did."""
    lesson = on_trial(memory)
    first = {"success": False, "outcome_source": "self"}
    remember(memory, run("r1", None, outcome_source="self", recalled=[lesson["id"]], first=first))
    memory.label("r1", True)
    remember(memory, run("r2", False, outcome_source="self", recalled=[lesson["id"]]))
    assert memory.trials(lesson["id"]) == []
    assert labelled(memory) == labelled(memory, newest=10) == []
    assert [row.key for row in labelled(memory, True)] == [row.key for row in labelled(memory, True, newest=5)]

    remember(memory, run("r3", recalled=[lesson["id"]], outcome_source="self"), self_judged=True)
    found = {trial["run"]: trial["success"] for trial in memory.trials(lesson["id"])}
    assert found == {"r1": False, "r2": False, "r3": True}


def test_a_first_attempt_that_is_known_counts_where_the_end_of_the_run_is_not(memory):
    memory.add(run("r1", None, first={"success": False, "outcome_source": "environment"}))
    memory.add(run("r2", None))
    for rows in (labelled(memory), labelled(memory, newest=5)):
        assert [(row.key, row.value["success"]) for row in rows] == [("r1", False)]
    memory.add_all([run("r3"), run("r4")])
    assert [row.key for row in labelled(memory, newest=2)] == ["r3", "r4"]


def test_counting_an_experience_twice_is_counting_it_once():
    one = run("r1", True, first={"success": False})
    assert as_counted(as_counted(one)) == as_counted(one)
    assert as_counted(run("r2")) == run("r2")


def test_pruned_experiences_count_once_and_with_their_last_label():
    with ExperienceMemory(embedder=WordEmbedder(), limit=10, keep=5, clock=Clock()) as memory:
        memory.add_all(run(f"r{number:02}", task=f"Task {number}") for number in range(11))
        assert [row.key for row in labelled(memory)] == [f"r{number:02}" for number in range(11)]
        gone = ({row.key for row in labelled(memory)} - {one["id"] for one in memory.experiences()}).pop()
        made = {row.key: row.created_at for row in labelled(memory)}
        memory.label(gone, False)
        assert {row.key: row.created_at for row in labelled(memory)} == made  # Nor is it a newer run for a pattern.
        assert [row.value["success"] for row in labelled(memory) if row.key == gone] == [False]
        assert len(labelled(memory)) == len(labelled(memory, newest=50)) == 11
        assert [row.key for row in labelled(memory, newest=2)] == ["r10", gone]


def test_pruned_experiences_count_towards_the_next_look():
    with ExperienceMemory(embedder=WordEmbedder(), limit=10, keep=5) as memory:
        memory.add_all(run(f"r{number}", task=f"Task {number}") for number in range(11))
        assert remember(memory, run("last"), mine_every=12).due


def test_a_run_comes_back_as_it_is_kept(memory):
    learned = remember(memory, run("r1", task="Add\x00 two", features={"a": 1}))
    assert learned.experience == memory.get("r1")
    assert learned.experience["task"] == "Add two"


# Trials


def test_a_label_that_comes_later_supersedes_the_trial_in_its_place(memory):
    lesson = on_trial(memory)
    for number in range(3):
        remember(memory, run(f"r{number}", recalled=[lesson["id"]]))
    memory.label("r1", False)
    remember(memory, run("r3", withheld=[lesson["id"]]))
    trials = memory.trials(lesson["id"])
    assert [(one["run"], one["success"]) for one in trials] == [("r0", True), ("r1", False), ("r2", True), ("r3", True)]
    assert trials[1] == {"run": "r1", "given": True, "success": False, "at": MONDAY}
    assert [one["run"] for one in memory.trials(lesson["id"], after="r1")] == ["r2", "r3"]
    assert memory.trials(lesson["id"], after="r3") == []
    assert len(memory.trials(lesson["id"], after="nobody")) == 4


def test_a_relabelled_trial_from_before_the_mark_stays_before_it(memory):
    lesson = on_trial(memory)
    for number in range(4):
        remember(memory, run(f"r{number}", recalled=[lesson["id"]]))
    memory.put_lesson(edit(memory.lesson(lesson["id"]), "Count three times.", trials=memory.trials(lesson["id"])))
    memory.label("r0", False)
    memory.label("r3", False)
    count(memory, memory.get("r0") | {"began": "2999-01-01"})
    count(memory, memory.get("r3") | {"began": "2999-01-01"})
    assert [one["success"] for one in memory.trials(lesson["id"])] == [False, True, True, False]
    assert memory.trials(lesson["id"], after="r3") == []


def test_a_lesson_is_judged_although_the_trial_was_there_already(memory):
    """A crash between the trial and the judgement loses neither, and no look either."""
    lesson = on_trial(memory)
    for number in range(22):
        given = number % 2 == 0
        memory.add_trial(lesson["id"], f"r{number}", given=given, success=given, at=MONDAY)
    [promoted] = remember(memory, run("r20", recalled=[lesson["id"]])).changed
    assert (promoted["id"], promoted["state"]) == (lesson["id"], "active")
    assert promoted["counts"] == {"given": [10, 0], "withheld": [0, 10]}  # At 20, as if one by one.
    assert remember(memory, run("r21", False, withheld=[lesson["id"]])).changed == []


def test_between_looks_no_new_version_of_a_lesson_is_written(memory):
    lesson = on_trial(memory)
    for number in range(45):
        remember(memory, run(f"r{number}", number % 3 > 0, **{("recalled", "withheld")[number % 2]: [lesson["id"]]}))
    versions = memory.lesson_history(lesson["id"])
    assert [sum(map(sum, one["counts"].values())) for one in versions] == [0, 20, 30, 40]
    assert len(memory.trials(lesson["id"])) == 45


def test_what_a_person_orders_is_not_undone_by_a_run_that_ends_meanwhile(tmp_path):
    """The order waits for the one who is changing the lesson, in the same memory and in another one of the folder."""
    with (
        ExperienceMemory(tmp_path, WordEmbedder()) as memory,
        ExperienceMemory(tmp_path, WordEmbedder()) as other,
        ThreadPoolExecutor() as pool,
    ):
        for person in (memory, other):
            lesson = on_trial(memory, f"Count {'twice' if person is memory else 'thrice'}.")
            asked, orders = threading.Event(), []

            def order(id, *, person, asked):
                vetoed = veto(person.lesson(id))
                asked.set()
                return person.put_lesson(vetoed)

            def change(known, *, id, order, asked, orders):
                orders.append(pool.submit(order, id))
                asked.wait()
                wait(orders, timeout=0.2)  # It would be done by now, and undone by what is returned here.
                return known | {"gain": 0.3}

            ordered = partial(order, person=person, asked=asked)
            memory.change_lesson(
                lesson["id"], partial(change, id=lesson["id"], order=ordered, asked=asked, orders=orders)
            )
            orders[0].result()
            assert memory.lesson(lesson["id"])["vetoed"]
            assert [one["gain"] for one in memory.lesson_history(lesson["id"])][:2] == [0.0, 0.3]
        assert memory.change_lesson("nobody", dict) is None


def test_how_far_runs_are_counted_is_noted(memory):
    lesson = on_trial(memory)
    memory.add(run("old", recalled=[lesson["id"]]))
    remember(memory, run("r1", None))
    assert [one["run"] for one in memory.trials(lesson["id"])] == ["old"]
    [newest] = memory.shelf.rows(("experiences",), newest=True, limit=1)
    assert memory.shelf.note(COUNTED[False])["seq"] == newest.seq
    assert memory.shelf.note(COUNTED[False])["new"] == 1


def test_a_run_that_began_before_a_lesson_was_worded_anew_is_no_trial_of_it(memory):
    lesson = on_trial(memory)
    memory.put_lesson(edit(lesson, "Count three times.", at="2026-11-23T10:00:00+00:00"))
    times = {"at": "2026-11-23T12:00:00+00:00", "recalled": [lesson["id"]]}
    remember(memory, run("before", began="2026-11-23T09:59:59+00:00", **times))
    remember(memory, run("after", began="2026-11-23T10:00:00+00:00", **times))
    assert [one["run"] for one in memory.trials(lesson["id"])] == ["after"]


def test_runs_that_end_at_once_lose_no_trial_and_no_look(tmp_path):
    with ExperienceMemory(tmp_path, WordEmbedder(), limit=None) as memory, ThreadPoolExecutor(8) as pool:
        lesson = on_trial(memory)

        def end(number):
            given = number % 2 == 0
            key = "recalled" if given else "withheld"
            return remember(memory, run(f"r{number}", given, **{key: [lesson["id"]]})).changed

        changes = [one for changed in pool.map(end, range(40)) for one in changed]
        assert len(memory.trials(lesson["id"])) == 40
        assert [one["state"] for one in changes] == ["active"]  # One of the runs says so.
        assert memory.lesson(lesson["id"])["state"] == "active"


# Efficiency


def test_a_run_is_efficient_when_it_takes_no_more_than_the_median_of_its_kind(memory):
    seen = [
        run(f"{kind}-{part}", features={"domain": kind}, tokens=base * part)
        for kind, base in (("short", 100), ("long", 1000))
        for part in (1, 2, 3)
    ]
    seen += [run(f"failed-{number}", False, features={"domain": "short"}, tokens=1) for number in range(9)]
    medians = medians_of(seen, "tokens")
    assert medians == {"feature": "domain", "kinds": {"long": 2000, "short": 200}, "overall": 650}

    pattern = {**SLOW, "kind": "efficiency", "measure": "tokens", "medians": medians}
    lesson = on_trial(memory, pattern=pattern, trigger=[])
    good = {}
    for kind, tokens, success in (
        ("short", 200, True),  # As many as the median.
        ("short", 201, True),
        ("short", 100, False),
        ("long", 2000, True),
        ("long", 2001, True),
        ("other", 650, True),  # A kind that was never seen.
        ("other", 651, True),
    ):
        name = f"{kind}-{tokens}"
        remember(
            memory, run(name, success, features={"domain": kind}, tokens=tokens, recalled=[lesson["id"]], withheld=[])
        )
        good[name] = memory.trials(lesson["id"])[-1]["success"]
    assert [name for name, is_good in good.items() if is_good] == ["short-200", "long-2000", "other-650"]


def test_what_was_not_measured_is_no_trial_of_efficiency(memory):
    medians = {"feature": None, "kinds": {"None": 5}, "overall": 5}
    lesson = on_trial(memory, pattern={**SLOW, "kind": "efficiency", "measure": "steps", "medians": medians})
    remember(memory, run("r1", recalled=[lesson["id"]]))
    remember(memory, run("r2", steps=5, recalled=[lesson["id"]]))
    assert [(one["run"], one["success"]) for one in memory.trials(lesson["id"])] == [("r2", True)]


def test_an_efficiency_pattern_that_is_mined_brings_its_medians(memory):
    draw = random.Random(5)
    for number in range(400):
        long, search = draw.random() < 0.5, draw.random() < 0.5
        tokens = int((1000 if long else 100) * (1.6 if search else 1) * draw.uniform(0.9, 1.1))
        features = {"domain": "long" if long else "short", "search": search}
        memory.add(run(f"r{number}", features=features, tokens=tokens))
    [pattern] = find_patterns(memory, False).patterns
    assert (pattern["kind"], pattern["measure"]) == ("efficiency", "tokens")
    assert set(pattern["medians"]["kinds"]) == {"long", "short"}
    assert 900 < pattern["medians"]["kinds"]["long"] < 1600
    assert 90 < pattern["medians"]["kinds"]["short"] < 160


# Patterns


def test_only_the_newest_five_thousand_are_mined(memory):
    memory.add_all(runs("old", 400, (0.0, 1.0)))
    memory.add_all(runs("new", MOST_MINED - 100, (0.8, 0.8)))
    memory.add_all(runs("late", 100, (0.0, 1.0)))
    rows = labelled(memory, newest=MOST_MINED)
    assert (len(rows), rows[0].key, rows[-1].key) == (MOST_MINED, "new-0000", "late-0099")
    for pattern in find_patterns(memory, False).patterns:
        assert pattern["support"] < MOST_MINED
        assert not any(id.startswith("old") for id in pattern["evidence"])
        # Of a hundred runs in which it fails every time: with the older ones it would be more than two points.
        assert abs(pattern["effect"]) < 0.06


def test_in_an_empty_memory_nothing_is_found(memory):
    found = find_patterns(memory, False)
    assert (found.patterns, found.fresh) == ([], [])
    assert remember(memory, run("r1")).patterns == []


def test_the_evidence_that_is_kept_is_the_newest(memory):
    memory.add_all(runs("b", 200, (0.3, 0.9)))
    memory.add_all(runs("a", 200, (0.3, 0.9)))
    [pattern] = find_patterns(memory, False).patterns
    assert len(pattern["evidence"]) == 100 < pattern["support"]
    slow = [row.key for row in labelled(memory) if row.value["features"]["slow"]]
    assert pattern["evidence"] == slow[-100:]


def statuses(memory):
    return [one["status"] for one in find_patterns(memory, False).patterns]


def test_fifty_newer_runs_decide_on_a_pattern_and_the_next_fifty_anew(memory):
    memory.add_all(runs("first", 240, (0.35, 0.85)))
    assert statuses(memory) == ["candidate"]
    memory.add_all(runs("few", 60, (0.35, 0.85)))
    assert statuses(memory) == ["candidate"]  # It held in about thirty of them.
    memory.add_all(runs("more", 60, (0.35, 0.85)))
    assert statuses(memory) == ["validated"]
    memory.add_all(runs("equal", 60, (0.85, 0.85)))
    assert statuses(memory) == ["validated"]
    memory.add_all(runs("still", 60, (0.85, 0.85)))
    assert statuses(memory) == ["expired"]
    assert find_patterns(memory, False).fresh == []  # What newer runs contradict gets no lesson.
    memory.add_all(runs("back", 120, (0.35, 0.85)))
    assert statuses(memory) == ["validated"]


def test_labelling_known_runs_anew_confirms_nothing(memory):
    memory.add_all(runs("first", 240, (0.35, 0.85)))
    assert statuses(memory) == ["candidate"]
    for one in memory.experiences():
        memory.label(one["id"], one["success"])
    assert statuses(memory) == ["candidate"]


def test_a_pattern_that_is_not_found_any_more_stays_until_newer_runs_decide(memory):
    memory.add_all(runs("first", 60, (0.2, 0.9)))
    [pattern] = find_patterns(memory, False).patterns
    memory.add_all(runs("against", 90, (0.95, 0.35)))
    found = find_patterns(memory, False)
    assert [(key_of(one) == key_of(pattern), one["status"]) for one in found.patterns] == [(True, "candidate")]
    assert found.fresh == []
    memory.add_all(runs("more", 40, (0.95, 0.35)))
    assert key_of(pattern) not in [key_of(one) for one in find_patterns(memory, False).patterns]


def test_the_edge_of_a_number_does_not_make_another_pattern():
    at_least = {"kind": "failure", "measure": "success", "conditions": [["tool", "search"], ["steps", ">= 12"]]}
    drifted = at_least | {"conditions": [["steps", ">= 14.5"], ["tool", "search"]]}
    assert key_of(at_least) == key_of(drifted)
    others = (
        at_least | {"conditions": [["steps", "< 12"], ["tool", "search"]]},
        at_least | {"conditions": [["steps", ">= 12"], ["tool", "read"]]},
        at_least | {"kind": "success"},
        at_least | {"conditions": [["steps", ">= many"], ["tool", "search"]]},
    )
    assert len({key_of(one) for one in (at_least, *others)}) == 5


def long_and_failing(memory, name, low, high, count=240):
    draw = random.Random(name)
    for number in range(count):
        words = draw.randint(low, high)
        memory.add(run(f"{name}-{number}", draw.random() < (0.3 if words > 20 else 0.9), features={"words": words}))


def test_a_pattern_whose_edge_drifts_is_confirmed_and_gets_no_second_lesson(memory):
    long_and_failing(memory, "first", 1, 40)
    found = find_patterns(memory, False)
    [(fresh, _)] = found.fresh
    keep_lesson(memory, fresh, "planning", "Read it twice.", None, MONDAY)
    long_and_failing(memory, "later", 10, 50)
    again = find_patterns(memory, False)
    [pattern] = [one for one in again.patterns if key_of(one) == key_of(fresh)]
    assert pattern["conditions"] != fresh["conditions"]
    assert pattern["status"] == "validated"
    assert key_of(fresh) not in [key_of(one) for one, _ in again.fresh]


# Lessons for patterns


def planted(memory, *features, count=400):
    """Runs in which each of these makes failures more frequent, the earlier ones most."""
    draw = random.Random(3)
    for number in range(count):
        has = {name: draw.random() < 0.5 for name in features}
        hurt = sum(0.28 - 0.03 * place for place, name in enumerate(features) if has[name])
        memory.add(run(f"r{number}", draw.random() > hurt, features=has))


def test_what_is_to_be_gained_most_comes_first_and_three_lessons_at_a_time(memory):
    planted(memory, "first", "second", "third", "fourth", count=1500)
    found = find_patterns(memory, False)
    assert len(found.patterns) == 4
    gains = [abs(pattern["effect"]) * pattern["support"] for pattern, _ in found.fresh]
    assert len(gains) == 3
    assert gains == sorted((abs(one["effect"]) * one["support"] for one in found.patterns), reverse=True)[:3]
    assert json.loads(json.dumps(found.patterns)) == found.patterns


def test_patterns_wait_while_five_lessons_are_on_trial(memory):
    memory.add_all(runs("r", 200, (0.3, 0.9)))
    for number in range(MOST_ON_TRIAL):
        lesson = on_trial(memory, f"Lesson {number} of a person.")
    assert find_patterns(memory, False).fresh == []
    memory.put_lesson(pin(lesson))  # It is tried no more.
    assert len(find_patterns(memory, False).fresh) == 1


def test_a_lesson_that_did_not_help_may_be_worded_once_more(memory):
    memory.add_all(runs("r", 200, (0.3, 0.9)))
    for tried in ([], ["Take the first way."]):
        [(pattern, _)] = find_patterns(memory, False).fresh
        assert pattern["tried"] == tried
        text = ["Take the first way.", "Wait for all answers."][len(tried)]
        lesson = keep_lesson(memory, pattern, "planning", text, None, MONDAY)
        assert (lesson["text"], "tried" in lesson["pattern"]) == (text, False)
        assert find_patterns(memory, False).fresh == []  # It is on trial.
        memory.put_lesson(lesson | {"state": "retired"})
    assert find_patterns(memory, False).fresh == []
    assert len(memory.lessons()) == 2
    third = keep_lesson(memory, pattern, "planning", "Hurry up.", None, MONDAY)
    assert third["text"] != "Hurry up."
    assert len(memory.lessons()) == 2


def test_the_second_wording_is_used_up_when_it_says_the_same(memory):
    memory.add_all(runs("r", 200, (0.3, 0.9)))
    [(pattern, _)] = find_patterns(memory, False).fresh
    lesson = keep_lesson(memory, pattern, "planning", "Take the first way.", None, MONDAY)
    memory.put_lesson(lesson | {"state": "retired"})
    again = keep_lesson(memory, pattern, "planning", "Take the first way!", None, MONDAY)
    assert (again["id"], again["state"]) == (lesson["id"], "retired")
    assert find_patterns(memory, False).fresh == []


def test_after_a_veto_there_is_no_other_lesson_for_the_pattern(memory):
    memory.add_all(runs("r", 200, (0.3, 0.9)))
    [(pattern, _)] = find_patterns(memory, False).fresh
    lesson = keep_lesson(memory, pattern, "planning", "Take the first way.", None, MONDAY)
    memory.put_lesson(veto(lesson))
    assert find_patterns(memory, False).fresh == []
    kept = keep_lesson(memory, pattern, "planning", "Wait for all answers.", None, MONDAY)
    assert (kept["id"], kept["vetoed"]) == (lesson["id"], True)
    assert open_lessons(memory) == []


def test_for_one_pattern_there_is_one_lesson_whoever_words_it(memory):
    pattern = {**SLOW, "evidence": ["r1"]}
    first = keep_lesson(memory, pattern, "planning", "Take the first way.", None, MONDAY)
    second = keep_lesson(memory, pattern | {"evidence": ["r2"]}, "risk", "Wait for all answers.", None, MONDAY)
    assert second == first | {"evidence": ["r1", "r2"]}
    assert len(memory.lessons()) == 1


def test_many_who_word_a_pattern_at_once_make_one_lesson(tmp_path):
    with ExperienceMemory(tmp_path, WordEmbedder()) as memory, ThreadPoolExecutor(8) as pool:
        start = threading.Barrier(8)

        def word(number):
            start.wait()
            return keep_lesson(memory, SLOW, "planning", f"{'abcdefgh'[number] * 9}.", None, MONDAY)["id"]

        assert len(set(pool.map(word, range(8)))) == 1
        assert len(memory.lessons()) == 1


def test_a_lesson_stands_for_all_patterns_that_merged_into_it(memory):
    dear = {**SLOW, "kind": "efficiency", "measure": "tokens"}
    first = keep_lesson(memory, SLOW, "planning", "Take the first way.", None, MONDAY)
    both = keep_lesson(memory, dear, "planning", "Take the first way.", None, MONDAY)
    assert both["id"] == first["id"]
    assert keys_of(both) == [key_of(SLOW), key_of(dear)]
    other = keep_lesson(memory, dear, "planning", "Wait for all answers.", None, MONDAY)
    assert other["id"] == first["id"]


def test_without_an_embedder_lessons_are_compared_by_their_letters():
    embedder = FailingEmbedder()
    with ExperienceMemory(embedder=embedder) as memory:
        first = keep_lesson(memory, SLOW, "planning", "Take the first way.", None, MONDAY)
        embedder.is_down = True
        other = {**SLOW, "measure": "other"}
        with pytest.warns(RuntimeWarning, match="the embedder is down"):
            same = keep_lesson(memory, other, "planning", "take the first WAY.", None, MONDAY)
        with pytest.warns(RuntimeWarning, match="the embedder is down"):
            new = keep_lesson(memory, SLOW | {"measure": "third"}, "planning", "Wait for all answers.", None, MONDAY)
        assert same["id"] == first["id"]
        assert [one["id"] for one in memory.lessons()] == [first["id"], new["id"]]


def test_the_model_is_shown_the_newest_runs_that_the_pattern_is_about_and_two_others(memory):
    memory.add_all(runs("r", 300, (0.3, 0.9)))
    [(pattern, cases)] = find_patterns(memory, False).fresh
    slow = [row.value for row in labelled(memory) if row.value["features"]["slow"]][::-1]
    failed, succeeded = ([one["id"] for one in slow if one["success"] is end] for end in (False, True))
    assert pattern["kind"] == "failure"
    assert [one["id"] for one in cases] == [*failed[:4], *succeeded[:2]]


def test_open_lessons_are_neither_retired_nor_vetoed(memory):
    on_trial(memory, "One that is over.") | {"state": "retired"}
    memory.put_lesson(memory.lessons()[0] | {"state": "retired"})
    memory.put_lesson(veto(on_trial(memory, "One that nobody wants.")))
    kept = on_trial(memory, "One that is tried.")
    assert open_lessons(memory) == [kept]


# When patterns are looked for


def test_one_of_many_runs_that_end_at_once_looks_for_patterns(tmp_path):
    with ExperienceMemory(tmp_path, WordEmbedder()) as memory, ThreadPoolExecutor(8) as pool:
        memory.add_all(run(f"old-{number}") for number in range(42))
        start = threading.Barrier(8)

        def end(number):
            start.wait()
            return remember(memory, run(f"r{number}"), mine_every=50).due

        assert sorted(pool.map(end, range(8))) == [False] * 7 + [True]
        dues = [remember(memory, run(f"later-{number}"), mine_every=50).due for number in range(50)]
        assert dues == [False] * 49 + [True]


def test_runs_that_do_not_count_are_nothing_new(memory):
    for number in range(5):
        assert not remember(memory, run(f"r{number}", outcome_source="self"), mine_every=2).due
    assert [remember(memory, run(f"c{number}"), mine_every=2).due for number in range(4)] == [False, True] * 2


def test_patterns_that_wait_for_their_lessons_are_looked_at_by_the_next_run(memory):
    assert not remember(memory, run("r1"), mine_every=50).due
    left_open(memory)
    assert remember(memory, run("r2"), mine_every=50).due
    assert not remember(memory, run("r3"), mine_every=50).due


# The lessons of a run


def test_of_two_lessons_the_one_that_is_nearer_to_the_task_is_drawn(memory):
    dates, sums = on_trial(memory, "Check dates in calendars."), on_trial(memory, "Add numbers with a calculator.")
    for lesson, task in ((dates, "Which dates are in calendars?"), (sums, "Add numbers with care.")):
        for number in range(5):
            drawn = choose(memory, task, {}, f"run {number}", 1, 0)["lessons"]
            assert [one["id"] for one in drawn["given"] + drawn["withheld"]] == [lesson["id"]]


def test_the_draw_depends_on_the_run_and_on_the_seed(memory):
    on_trial(memory)
    drawn = [
        [len(choose(memory, "Add.", {}, f"r{run}", 3, seed)["lessons"]["given"]) for run in range(20)]
        for seed in (0, 1)
    ]
    assert drawn[0] != drawn[1]
    assert 0 < sum(drawn[0]) < 20
    assert drawn[0][3] == len(choose(memory, "Add.", {}, "r3", 3, 0)["lessons"]["given"])


def test_when_the_embedder_fails_lessons_are_drawn_all_the_same():
    embedder = FailingEmbedder()
    with ExperienceMemory(embedder=embedder) as memory:
        memory.put_lesson(pin(on_trial(memory)))
        memory.add(run("r1"))
        assert choose(memory, "Add two numbers.", {}, "r2", 3, 0)["error"] is None
        embedder.is_down = True
        recalled = choose(memory, "Add two numbers.", {}, "r2", 3, 0)
    assert [one["text"] for one in recalled["lessons"]["given"]] == ["Count twice."]
    assert recalled["experiences"] == []
    assert "ConnectionError: the embedder is down" in recalled["error"]


def test_a_wrong_number_of_lessons_is_no_failure_of_the_embedder(memory):
    with pytest.raises(ConfigError, match="k was -1"):
        choose(memory, "Add.", {}, "r1", -1, 0)


# The judge


def judged_run(name, draw):
    errors = draw.randrange(4)
    steps = [
        {"action": "search", "input": {"q": str(draw.random())}, "observation": str(i), "is_error": i < errors}
        for i in range(4)
    ]
    return run(name, draw.random() < 0.95 - 0.25 * errors, judged=features_of_run(steps))


def test_a_judge_is_fitted_on_two_hundred_runs_and_again_after_two_hundred_more_with_steps(memory):
    draw = random.Random(2)
    memory.add_all(judged_run(f"old-{number}", draw) for number in range(FIT_AFTER - 2))
    assert remember(memory, judged_run("r1", draw)).quality is None
    first = remember(memory, judged_run("r2", draw)).quality
    assert 0 < first["score"] < 1
    fitted = memory.shelf.note(JUDGE)

    memory.add_all(runs("no steps", 0, (1, 1)))
    memory.add_all(run(f"bare-{number}") for number in range(300))
    memory.add_all(judged_run(f"more-{number}", draw) for number in range(FIT_AFTER - 2))
    assert remember(memory, judged_run("r3", draw)).quality is not None
    assert memory.shelf.note(JUDGE) == fitted
    assert remember(memory, run("bare")).quality is None
    remember(memory, judged_run("r4", draw))
    assert memory.shelf.note(JUDGE) != fitted


def test_runs_that_all_end_alike_give_no_judge(memory):
    draw = random.Random(2)
    memory.add_all(judged_run(f"r{number}", draw) | {"success": True} for number in range(FIT_AFTER))
    assert remember(memory, judged_run("last", draw) | {"success": True}).quality is None


# The memory of a graph


def test_a_folder_is_opened_once_by_many_threads(tmp_path):
    start = threading.Barrier(8)

    def open_it(_):
        start.wait()
        return memory_of(str(tmp_path / "kept"), "ignored")

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(open_it, range(8)))
    assert len(set(map(id, opened))) == 1
    assert memory_of(None, str(tmp_path / "kept")) is opened[0]
    assert memory_of(opened[0], "elsewhere") is opened[0]
    opened[0].close()
