"""Breaking a task down: whatever a coordinator says, a plan comes out that can be carried out, and repairs are said."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.nodes.breakdown import MAX_TASK, MOST, Breakdown, Subtask, break_down
from langgraph_agora.nodes.outline import expanded, outline, urgency


def tasks(found):
    return [one.task for one in found.subtasks]


def waits(found):
    """Task -> the tasks that it waits for."""
    return {one.task: [found.subtasks[place].task for place in one.after] for one in found.subtasks}


# What a coordinator may say


def test_a_list_of_subtasks_is_taken_as_it_is():
    said = {
        "subtasks": [
            {"task": "shop", "skills": ["Errands"], "effort": 2},
            {"task": "cook", "skills": ["cooking"], "after": [1], "large": True},
        ]
    }
    found = break_down(said, "dinner", ["cooking", "errands"])
    assert found == Breakdown(
        (Subtask("shop", ("errands",), (), 2.0), Subtask("cook", ("cooking",), (0,), 1.0, large=True))
    )
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


@pytest.mark.parametrize(
    "said",
    [
        ["shop", "cook"],
        {"tasks": ["shop", "cook"]},
        {"steps": [{"title": "shop"}, {"description": "cook"}]},
        {"plan": {"a": {"task": "shop"}, "b": {"task": "cook"}}},
        '{"subtasks": [{"task": "shop"}, {"task": "cook"}]}',
        '```json\n[{"task": "shop"}, {"task": "cook"}]\n```',
        'Here you go: {"subtasks": ["shop", "cook"]}. Good luck!',
    ],
)
def test_usual_other_forms_are_read_too(said):
    found = break_down(said, "dinner")
    assert (tasks(found), found.notes, found.whole) == (["shop", "cook"], (), False)


@pytest.mark.parametrize(
    "after", [[1], ["1"], 1, "1", ["shop"], ["Shop."], ["step 1"], ["Subtask #1"], [1.0], [1, 1]], ids=str
)
def test_a_dependency_is_a_number_an_id_or_the_words_of_another(after):
    found = break_down([{"task": "shop"}, {"task": "cook", "after": after}], "dinner")
    assert (waits(found), found.notes) == ({"shop": [], "cook": ["shop"]}, ())


def test_ids_of_the_coordinators_own_are_followed():
    said = [{"id": "b", "task": "cook", "depends_on": ["a"]}, {"id": "a", "task": "shop"}]
    assert waits(break_down(said, "dinner")) == {"shop": [], "cook": ["shop"]}
    assert tasks(break_down(said, "dinner")) == ["shop", "cook"], "and each stands behind what it waits for"


def test_one_subtask_is_fine():
    assert tasks(break_down({"subtasks": [{"task": "cook"}]}, "dinner")) == ["cook"]
    assert tasks(break_down({"task": "cook"}, "dinner")) == ["cook"]


def test_parts_that_were_named_already_are_not_lost():
    said = [{"task": "cook", "subtasks": [{"task": "boil"}, "fry"]}]
    assert tasks(break_down(said, "dinner")) == ["cook: boil; fry"]


# What is mended


@pytest.mark.parametrize(
    "said",
    [
        "", "I would rather not.", "I can't do that:\n1. it is late\n2. I am tired", {}, [], {"subtasks": []}, None, 5,
        {"subtasks": "none"}, [5], {"subtasks": [{"task": " "}, {"after": [1]}, None, 3]}, "[" * 5_000, '{"a":' * 5_000,
    ],
)  # fmt: skip
def test_where_there_is_no_list_the_whole_task_is_the_one_subtask(said):
    found = break_down(said, "dinner")
    assert (found.subtasks, found.whole) == ((Subtask("dinner"),), True)
    assert "the whole task is one" in found.notes[-1]


def test_a_cycle_is_opened_where_it_points_forward():
    said = [{"task": "a", "after": [3]}, {"task": "b", "after": [1]}, {"task": "c", "after": [2]}]
    found = break_down(said, "?")
    assert waits(found) == {"a": [], "b": ["a"], "c": ["b"]}
    assert found.notes == ("dropped the dependency of 'a' on 'c', which closes a cycle",)


def test_a_dependency_that_points_forward_and_closes_nothing_is_kept():
    found = break_down([{"task": "a", "after": [2]}, {"task": "b"}], "?")
    assert (tasks(found), waits(found)["a"], found.notes) == (["b", "a"], ["b"], ())


def test_dependencies_on_itself_and_on_nothing_are_dropped_and_said():
    found = break_down([{"task": "a", "after": [1, 7, "x"]}], "?")
    assert found.subtasks == (Subtask("a"),)
    assert found.notes == (
        "dropped a dependency of 'a' on itself",
        "dropped a dependency of 'a' on a subtask that does not exist: 7, x",
    )


def test_dependencies_that_count_from_zero_are_read_so():
    said = [{"task": "a"}, {"task": "b", "after": [0]}, {"task": "c", "after": [0, "1"]}]
    found = break_down(said, "?")
    assert waits(found) == {"a": [], "b": ["a"], "c": ["a", "b"]}
    assert found.notes == ("the dependencies count from 0, and were read so",)


@pytest.mark.parametrize(
    "said",
    [
        [{"task": "a", "after": [0]}, {"task": "b", "after": [1]}],
        [{"id": 1, "task": "a", "after": [0]}, {"id": 2, "task": "b", "after": [1, 0]}],
        [{"task": "a"}, {"task": "b", "after": [1]}, {"task": "c", "after": [2, 0]}],
    ],
)
def test_where_a_zero_cannot_be_a_place_the_others_count_from_one(said):
    assert waits(break_down(said, "?"))["b"] == ["a"]


@pytest.mark.parametrize("after", ["none", "None.", "n/a", "-", "nothing", ["none"], "", None, [], "NULL"], ids=str)
def test_no_dependency_in_words_is_none(after):
    found = break_down([{"task": "a"}, {"task": "b", "depends_on": after}], "?")
    assert (waits(found)["b"], found.notes) == ([], ())


def test_a_word_before_a_number_is_taken_away_and_nothing_else():
    found = break_down([{"task": "a"}, {"task": "b", "after": ["no. 1", "nobody else", "steps"]}], "?")
    assert waits(found)["b"] == ["a"]
    assert found.notes == ("dropped a dependency of 'b' on a subtask that does not exist: nobody else, steps",)


def test_a_dependency_may_be_an_object():
    said = [{"id": 1, "task": "a"}, {"id": 2, "task": "b", "after": [{"id": 1}]}, {"task": "c", "after": {"task": "b"}}]
    assert waits(break_down(said, "?")) == {"a": [], "b": ["a"], "c": ["b"]}


@pytest.mark.parametrize("number", [10**7, 10**400, "1" * 5_000, float("inf"), float("nan"), -3])
def test_a_number_that_is_no_place_is_said(number):
    found = break_down([{"task": "a"}, {"task": "b", "after": [number]}], "?")
    assert waits(found)["b"] == []
    assert found.notes[0].startswith("dropped a dependency of 'b' on a subtask that does not exist: ")


def test_large_numbers_are_ids_and_endless_ones_are_none():
    said = [
        {"id": 1_700_000_000_001, "task": "a"},
        {"id": 1_700_000_000_002, "task": "b", "after": [1_700_000_000_001]},
    ]
    assert waits(break_down(said, "?"))["b"] == ["a"]
    assert tasks(break_down([{"id": 10**5_000, "task": "a"}], "?")) == ["a"]


def test_many_repairs_of_dependencies_are_summed_up():
    said = [{"task": f"t{n}", "after": list(range(1, 51))} for n in range(50)]
    notes = break_down(said, "?").notes
    assert len(notes) == 6
    assert notes[-1] == "dropped 1270 more dependencies: on themselves, on nothing, or in a cycle"


def test_an_empty_reply_is_called_nothing():
    assert break_down(None, "?").notes[-1].endswith("the whole task is one: 'nothing'")


def test_doubles_are_merged_with_all_that_they_wait_for():
    said = [{"task": "a"}, {"task": "b"}, {"task": "c", "after": [1]}, {"task": " C. ", "after": [2], "large": True}]
    found = break_down([*said, {"task": "d", "after": [4]}], "?")
    assert waits(found) == {"a": [], "b": [], "c": ["a", "b"], "d": ["c"]}
    assert found.subtasks[2].large
    assert found.notes == ("merged 1 subtask that stood there twice",)


def test_of_two_hundred_subtasks_the_first_fifty_are_kept_and_the_others_named():
    said = [{"task": f"part {n}", "after": [n - 1] if n > 1 else []} for n in range(1, 201)]
    found = break_down(said, "?")
    assert tasks(found) == [f"part {n}" for n in range(1, MOST + 1)]
    assert found.left_out == tuple(f"part {n}" for n in range(MOST + 1, 201))
    assert found.notes == ("kept the first 50 of 200 subtasks",)
    only = break_down([{"task": "last", "after": ["part 60", 99]}, *said], "?")
    assert only.subtasks[0] == Subtask("last"), "what waits for one that is left out does not wait"
    assert only.notes == ("kept the first 50 of 201 subtasks",)


def test_what_is_whole_of_a_reply_that_was_cut_off_is_kept():
    text = json.dumps({"subtasks": [{"task": f"part {n}"} for n in range(9)]})
    found = break_down(text[: text.index("part 6") + 3], "?")
    assert tasks(found) == [f"part {n}" for n in range(6)]
    assert found.notes == ("the list was cut off or malformed; 6 subtasks could be read of it",)


def test_a_list_in_prose_is_done_one_after_the_other():
    found = break_down("Sure, let me think.\n1. Shop\n2) Cook\n- eat\n\nThat is all.", "dinner")
    assert waits(found) == {"Shop": [], "Cook": ["Shop"], "eat": ["Cook"]}
    assert found.notes == ("the subtasks were read from a list in prose, and are done one after the other",)


def test_skills_that_nobody_has_are_dropped_and_said():
    found = break_down([{"task": "a", "skills": ["SQL", "magic"], "skill": "art"}], "?", ["sql", "art"])
    assert found.subtasks[0].skills == ("art", "sql")
    assert found.notes == ("dropped skills that nobody in the team names: magic",)
    assert break_down([{"task": "a", "skills": ["magic"]}], "?").notes == (), "a team that names none"


def test_words_are_made_fit_to_store_and_cut():
    found = break_down([{"task": "a" + chr(0) + chr(0xD800), "effort": float("nan")}, {"task": "b" * 5_000}], "?")
    assert found.subtasks[0] == Subtask("a�")
    assert len(found.subtasks[1].task) < MAX_TASK + 50


@pytest.mark.parametrize("effort", [0, -1, "much", True, float("inf"), float("nan"), 1e300, None, [2]])
def test_an_effort_that_is_no_number_above_zero_is_one(effort):
    assert break_down([{"task": "a", "effort": effort}], "?").subtasks[0].effort == 1.0


# Laws

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
items = st.lists(
    st.fixed_dictionaries(
        {"task": st.sampled_from("abcdefgh") | json_values},
        optional={
            "after": st.lists(st.integers(-2, 12) | st.sampled_from("abcxyz"), max_size=4) | json_values,
            "skills": st.lists(st.sampled_from(["sql", "art", "magic"]), max_size=3) | json_values,
            "large": json_values,
            "effort": json_values,
            "id": json_values,
        },
    ),
    max_size=12,
)


def check(found, most=MOST):
    """It can be carried out: nothing waits for what stands behind it; and it is plain, and never empty."""
    assert 1 <= len(found.subtasks) <= most
    for place, one in enumerate(found.subtasks):
        assert one.task
        assert list(one.after) == sorted(set(one.after))
        assert all(0 <= other < place for other in one.after)
        assert one.effort > 0
        assert set(one.skills) <= {"sql", "art"}
    json.dumps(found.to_dict(), allow_nan=False).encode()


@given(items | json_values | st.text() | items.map(json.dumps), st.integers(1, 8))
def test_whatever_is_said_a_plan_comes_out_that_can_be_carried_out(said, most):
    check(break_down(said, "dinner", ["sql", "art"], most=most), most)


@given(items.map(json.dumps), st.integers(0, 400))
def test_a_text_that_is_cut_off_anywhere_gives_a_plan(text, length):
    check(break_down(text[:length], "dinner", ["sql", "art"]))


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40))
def test_only_what_closes_a_cycle_is_dropped(pairs):
    """A dependency that is missing in the plan is the other way round in it, perhaps by way of others."""
    said = [{"id": str(n), "task": f"t{n}", "after": [str(b) for a, b in pairs if a == n]} for n in range(12)]
    found = break_down(said, "?")
    place = {one.task: number for number, one in enumerate(found.subtasks)}
    before = []  # Place by place all that it waits for, by way of others too.
    for one in found.subtasks:
        before.append(set(one.after).union(*(before[other] for other in one.after)))
    for a, b in pairs:
        first, second = place[f"t{b}"], place[f"t{a}"]
        assert a == b or first in found.subtasks[second].after or second in before[first]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20), st.permutations(range(8)))
def test_the_order_in_which_a_subtask_names_what_it_needs_changes_nothing(pairs, order):
    def said(key):
        after = {n: sorted((b for a, b in pairs if a == n), key=key) for n in range(8)}
        return [{"id": str(n), "task": f"t{n}", "after": [str(b) for b in after[n]]} for n in range(8)]

    assert break_down(said(order.index), "?").subtasks == break_down(said(None), "?").subtasks


# The plan as rows


def test_a_subtask_that_is_broken_down_stays_as_the_join_of_its_parts():
    plan = outline(break_down([{"task": "shop"}, {"task": "cook", "after": [1]}, {"task": "eat", "after": [2]}], "?"))
    plan = expanded(plan, "2", break_down([{"task": "boil"}, {"task": "fry", "after": [1]}], "cook"))
    plan = expanded(plan, "2.2", break_down(["oil", "heat"], "fry"))
    assert [(row["id"], row["kind"], row["after"], row["parent"], row["depth"]) for row in plan] == [
        ("1", "work", [], None, 1),
        ("2.1", "work", ["1"], "2", 2),
        ("2.2.1", "work", ["1", "2.1"], "2.2", 3),
        ("2.2.2", "work", ["1", "2.1"], "2.2", 3),
        ("2.2", "join", ["2.2.1", "2.2.2"], "2", 2),
        ("2", "join", ["2.1", "2.2"], None, 1),
        ("3", "work", ["2"], None, 1),
    ]


@given(items, items, st.integers(0, 11))
def test_an_expanded_plan_can_be_carried_out_and_has_every_id_once(first, second, place):
    plan = outline(break_down(first, "?"))
    parent = plan[place % len(plan)]["id"]
    plan = expanded(plan, parent, break_down(second, "?"))
    seen = set()
    for row in plan:
        assert set(row["after"]) <= seen
        assert row["id"] not in seen
        seen.add(row["id"])
    join = next(row for row in plan if row["id"] == parent)
    assert join["after"] == [row["id"] for row in plan if row["parent"] == parent]
    json.dumps(plan, allow_nan=False)


def test_the_urgency_is_the_work_that_waits():
    rows = [("1", [], 1), ("2", ["1"], 5), ("3", ["1"], 2), ("4", ["2", "3"], 1)]
    plan = [{"id": id_, "after": after, "effort": effort} for id_, after, effort in rows]
    assert urgency(plan) == {"1": 7, "2": 6, "3": 3, "4": 1}
