"""What a model proposes for a task: how it is read, when it is refused, and what is kept of it."""

import itertools
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.facts import Facts
from langgraph_agora.nodes.planning.method_needs import choices, need, need_for
from langgraph_agora.nodes.planning.proposal_reading import MOST_TASKS, json_in, read_proposal
from langgraph_agora.nodes.planning.proposals import judge_proposal, learned, lifted, trimmed
from langgraph_agora.nodes.planning.search import Limits, find_plan
from langgraph_agora.nodes.planning.terms import read_condition


def goal(*conditions, parameters=()):
    return tuple(parameters), tuple(read_condition(one, "goal") for one in conditions)


def moving(*, methods=(), tasks=("deliver",), goals=None):
    """Parcels are carried from place to place by trucks; `deliver` has no method."""
    operators = [
        Operator("load", [("?p", "parcel"), ("?t", "truck")], eff=[("at(?p)", "=", "?t")]),
        Operator("drive", [("?t", "truck"), ("?to", "place")], eff=[("at(?t)", "=", "?to")]),
        Operator(
            "drop",
            [("?p", "parcel"), ("?t", "truck"), ("?to", "place")],
            [("at(?p)", "==", "?t"), ("at(?t)", "==", "?to")],
            [("at(?p)", "=", "?to")],
        ),
        Operator("rest"),
    ]
    parameters = (("?p", "parcel"), ("?to", "place"))
    goals = {"deliver": goal(["at(?p)", "==", "?to"], parameters=parameters)} if goals is None else goals
    objects = {"parcel": ["p1", "p2"], "truck": ["t1"], "place": ["home", "inn"]}
    return Domain(operators, methods, tasks=tasks, objects=objects, goals=goals)


def wanted(domain=None, task=("deliver", "p1", "inn"), state=None):
    return need_for(domain or moving(), task, Facts(state or {}))


WORKS = ["load(p1, t1)", "drive(t1, inn)", "drop(p1, t1, inn)"]


# Reading


@pytest.mark.parametrize(
    "said",
    [
        WORKS,
        ["load p1 t1", "drive t1 inn", "drop p1, t1, inn"],
        ["(load p1 t1)", "(drive t1 inn)", "(drop p1 t1 inn)"],
        [["load", "p1", "t1"], ["drive", "t1", "inn"], ["drop", "p1", "t1", "inn"]],
        {"subtasks": WORKS},
        {"plan": [{"task": "load", "args": ["p1", "t1"]}, {"name": "drive", "args": ["t1", "inn"]}, WORKS[2]]},
        {"steps": [{"task": "load", "args": {"t": "t1", "?p": "p1"}}, {"task": ["drive", "t1", "inn"]}, WORKS[2]]},
        {"subtasks": WORKS, "order": []},
        {"subtasks": WORKS, "order": "total"},
        f"I would do this:\n```json\n{json.dumps(WORKS)}\n```\nDone.",
        f"Of these {{}} I take {json.dumps(WORKS)}"[11:],
    ],
    ids=range(11),
)
def test_one_decomposition_is_read_however_it_is_spelled(said):
    network = read_proposal(said, wanted())
    assert [task for _, task in network.tasks] == [
        ("load", "p1", "t1"),
        ("drive", "t1", "inn"),
        ("drop", "p1", "t1", "inn"),
    ]
    assert network.after is None


def test_arguments_that_are_left_out_are_the_tasks_own():
    go = Operator("go", ["?a", "?b"])
    domain = Domain(
        [go, Operator("look", ["?b"]), Operator("rest")],
        tasks=["trip"],
        goals={"trip": goal(parameters=[("?a", ""), ("?b", "")])},
    )
    network = read_proposal(["go", "look", "rest", "go()"], wanted(domain, ("trip", "home", "inn")))
    assert [task for _, task in network.tasks] == [
        ("go", "home", "inn"),
        ("look", "inn"),
        ("rest",),
        ("go", "home", "inn"),
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("I cannot do this.", "There is no list in JSON in 'I cannot do this.'."),
        ("", "There is no list in JSON in ''."),
        ('{"subtasks": ["rest"', "There is no list in JSON"),
        ("[" * 5_000, "There is no list in JSON"),
        ("[" + "9" * 5_000 + "]", "There is no list in JSON"),
        ({"answer": "rest"}, "There is no list of tasks in an object with answer."),
        (None, "There is no list of tasks in None."),
        (["rest"] * (MOST_TASKS + 1), f"The list has {MOST_TASKS + 1} tasks; give at most {MOST_TASKS}."),
        (["fly"], "There is no task 'fly'; the tasks are load, drive, drop, rest."),
        (["dirve(t1, inn)"], "There is no task 'dirve(t1, inn)'"),
        (["drvie"], "Did you mean 'drive'?"),
        ([7], "7 is no task; the tasks are load, drive, drop, rest."),
        ([["rest", ["nested"]]], "'rest' takes 0 arguments, rest; 1 were given."),
        ([["load", ["p1"], "t1"]], "a list in 'load' is no known parcel object; known: p1, p2."),
        ([{"x": 1}], "None is no task"),
        (["load"], "'inn' in 'load' is no known truck object; known: t1."),
        (["drop"], "'drop' needs its arguments: write drop(?p, ?t, ?to) with objects in it."),
        (["load(p1)"], "'load' takes 2 arguments, load(?p, ?t); 1 were given."),
        (["load(p9, t1)"], "'p9' in 'load' is no known parcel object; known: p1, p2."),
        (["load(p11, t1)"], "Did you mean 'p1'?"),
        (["load(t1, p1)"], "'t1' in 'load' is no known parcel object; known: p1, p2."),
        (["deliver"], "'deliver' cannot consist of itself; use other tasks: load, drive, drop, rest."),
        (["eval('1')"], "There is no task \"eval('1')\""),
        ({"subtasks": ["rest", "load(p1, t1)"], "order": [["rest", "fly"]]}, "there is no subtask 'fly'"),
        ({"subtasks": ["rest", "load(p1, t1)"], "order": [["rest"]]}, "an order is a pair [before, after] of ids"),
        ({"subtasks": ["rest", "load(p1, t1)"], "order": 5}, "the order was 5"),
        ({"subtasks": ["rest", "rest"], "order": [[1, 2], [2, 1]]}, "a cycle: rest before rest_2 before rest."),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_sentence_that_names_it(said, words):
    with pytest.raises(ValueError) as refused:
        read_proposal(said, wanted())
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_a_goal_to_be_reached_an_empty_list_is_refused():
    domain = moving(goals={})
    with pytest.raises(ValueError, match="The list is empty; name the tasks that deliver"):
        read_proposal([], wanted(domain))
    assert read_proposal([], wanted()).tasks == (), "with a goal it is tried out: there may be nothing left to do"
    assert judge_proposal(read_proposal([], wanted()), wanted()).startswith("At the end at(p1) == inn does not hold")
    there = wanted(state={"at(p1)": "inn"})
    assert judge_proposal(read_proposal([], there), there) == ""


def test_a_task_without_a_method_is_no_use_in_a_method():
    domain = moving(tasks=("deliver", "refuel"))
    with pytest.raises(ValueError, match="No method of 'refuel' is known; use other tasks"):
        read_proposal(["refuel"], wanted(domain))


def test_an_order_names_subtasks_by_name_by_number_or_as_they_were_written():
    for order in (
        [["load", "drop"], ["drive", "drop"]],
        [[1, 3], ["2", 3]],
        [[WORKS[0], WORKS[2]], ["drive t1 inn", 3]],
    ):
        assert read_proposal({"subtasks": WORKS, "order": order}, wanted()).after == ((), (), (0, 1))


def test_names_may_hold_spaces_and_begin_with_one_another():
    domain = Domain([Operator("load", ["?x"]), Operator("load all", ["?x"]), Operator("go home")], tasks=["trip"])
    network = read_proposal(["load all p1", "load p1", "go home", "load all(p1)"], wanted(domain, ("trip", "p1")))
    names = [("load all", "p1"), ("load", "p1"), ("go home",), ("load all", "p1")]
    assert [task for _, task in network.tasks] == names


def test_objects_are_those_of_the_domain_the_task_and_the_state():
    plain = Domain([Operator("see", ["?x"], pre=[("at(moon)", "!=", "lost")])], tasks=["tour"])
    state = {"at(bob)": "inn", "open(inn)": True, "size": 7, "list": ["a", "b"]}
    known = wanted(plain, ("tour", "ann"), state).objects
    assert known == {
        "ann": "ann",
        "moon": "moon",
        "lost": "lost",
        "bob": "bob",
        "inn": "inn",
        "7": 7,
        "a": "a",
        "b": "b",
    }
    assert read_proposal([["see", "7"]], wanted(plain, ("tour", "ann"), state)).tasks[0][1] == ("see", 7)


def test_json_is_found_in_prose_but_never_inside_of_what_is_broken():
    assert json_in('First [sic] this: {"subtasks": ["a"]} then [1]') == {"subtasks": ["a"]}
    with pytest.raises(ValueError):
        json_in('{"subtasks": ["a", ["b"]], oops')


# Judging


NOT_DONE = "At the end at(p1) == inn does not hold, so deliver(p1, inn) is not done."
CANNOT = "drop(p1, t1, inn) cannot be done"


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        (WORKS, ""),
        (["drive(t1, inn)", "load(p1, t1)", "drop(p1, t1, inn)"], ""),
        (WORKS[2:], f"{CANNOT} at the beginning: at(p1) == t1 and at(t1) == inn do not hold there."),
        ([WORKS[0], WORKS[2]], f"{CANNOT} after load(p1, t1): at(t1) == inn does not hold there."),
        (WORKS[:2], NOT_DONE),
        ([*WORKS, "load(p1, t1)"], NOT_DONE),
        ({"subtasks": WORKS, "order": [[1, 3], [2, 3]]}, ""),
        ({"subtasks": [*WORKS, "load(p1, t1)"], "order": [[1, 3], [2, 3], [3, 4]]}, NOT_DONE),
        ({"subtasks": [WORKS[2], *WORKS[:2]], "order": [[2, 1], [3, 1]]}, ""),
        (
            {"subtasks": WORKS, "order": [[3, 1]]},
            f"{CANNOT} after drive(t1, inn): at(p1) == t1 does not hold there.",
        ),
    ],
)
def test_a_proposal_is_tried_out_and_its_first_failure_is_named(said, refused):
    assert judge_proposal(read_proposal(said, wanted()), wanted()) == refused


def test_the_judge_agrees_with_plain_simulation_on_all_short_lists():
    """Exhaustively: each list of up to three tasks works exactly when applying the operators one by one does."""
    domain, task = moving(), wanted()
    known = choices(task, 100)
    works = 0
    for names in itertools.chain.from_iterable(itertools.product(known, repeat=size) for size in range(4)):
        network = read_proposal(list(names), task)
        state = task.state
        for _, (name, *args) in network.tasks:
            state = None if state is None else domain.operator[name].apply(state, tuple(args))
        expected = state is not None and state.value("at", ("p1",)) == "inn"
        assert (judge_proposal(network, task) == "") == expected, names
        works += expected
    assert works == 2, "the two ways: who comes first, the parcel or the truck"


def test_subtasks_that_are_decomposed_themselves_are_tried_with_all_their_methods():
    """The first method of fetch loads and then the truck is at the wrong place; the second one works."""
    load = ("a", ("load", "?p", "t1"))
    fetch = [
        Method(to, "fetch", [("?p", "parcel")], subtasks=[load, ("b", ("drive", "t1", to))], p=p)
        for to, p in (("home", 1.0), ("inn", 0.5))
    ]
    domain = moving(methods=fetch)
    assert judge_proposal(read_proposal(["fetch(p1)", WORKS[2]], wanted(domain)), wanted(domain)) == ""


def test_a_known_method_that_works_does_not_make_a_proposal_right():
    subtasks = [("a", ("load", "?p", "t1")), ("b", ("drive", "t1", "?to")), ("c", ("drop", "?p", "t1", "?to"))]
    known = Method("known", "deliver", [("?p", "parcel"), ("?to", "place")], subtasks=subtasks)
    task = wanted(moving(methods=[known]))
    assert judge_proposal(read_proposal(["rest"], task), task) == NOT_DONE


def test_a_task_that_leads_back_to_the_one_it_is_for_is_refused_with_the_cycle():
    again = Method("again", "arrange", [("?p", "parcel"), ("?to", "place")], subtasks=[("d", ("deliver", "?p", "?to"))])
    domain = moving(methods=[again])
    refused = judge_proposal(read_proposal(["arrange"], wanted(domain)), wanted(domain))
    assert refused.startswith("arrange(p1, inn) cannot be done at the beginning: it comes back to itself")
    assert "arrange(p1, inn) -> deliver(p1, inn) -> arrange(p1, inn)" in refused


def test_the_task_itself_may_come_back_for_other_arguments_when_a_known_method_ends_it():
    count = Operator("count", ["?n"], eff=[("at(?n)", "=", True)])
    last = Method("last", "down", ["?n"], [("zero(?n)", "==", True)], [("c", ("count", "?n"))])
    domain = Domain([count], [last], goals={"down": goal(["at(?n)", "==", True], parameters=[("?n", "")])})
    task = wanted(domain, ("down", "one"), {"zero(nought)": True})
    assert judge_proposal(read_proposal(["count", "down(nought)"], task), task) == ""
    with pytest.raises(ValueError, match="cannot consist of itself"):
        read_proposal(["count", "down(one)"], task)


def test_a_proposal_that_never_ends_is_refused_within_the_limits():
    loop = Method("loop", "spin", subtasks=[("a", "add"), ("s", "spin")])
    domain = Domain([Operator("add", eff=[("n", "+=", 1)])], [loop], tasks=["go"])
    task = wanted(domain, ("go",), {"n": 0})
    assert judge_proposal(read_proposal(["spin"], task), task).startswith("It could not be found out whether spin")


# What is kept


def test_the_arguments_of_the_task_become_parameters_and_everything_else_stays():
    method = lifted(read_proposal(WORKS, wanted()), wanted())
    assert method.parameters == (("?p", "parcel"), ("?to", "place"))
    assert [task for _, task in method.subtasks] == [
        ("load", "?p", "t1"),
        ("drive", "t1", "?to"),
        ("drop", "?p", "t1", "?to"),
    ]
    assert method.verify
    plan = find_plan(learned(moving(), method), {}, [("deliver", "p2", "home"), ("deliver", "p1", "inn")])
    assert plan.names == ["load", "drive", "drop"] * 2


def test_equal_arguments_become_the_first_parameter_and_true_is_not_1():
    go = Operator("go", ["?a", "?b"])
    domain = Domain([go], tasks=["trip"])
    task = wanted(domain, ("trip", "inn", "inn"))
    assert lifted(read_proposal(["go(inn, inn)"], task), task).subtasks == (("go", ("go", "?1", "?1")),)
    task = wanted(domain, ("trip", True, 1))
    assert lifted(read_proposal(["go(true, 1)"], task), task).subtasks == (("go", ("go", "?1", "?2")),)


def test_ids_of_methods_and_of_subtasks_are_unique():
    taken = [Method("model_1", "go", subtasks=[("s", "never")])]
    domain = Domain([Operator("never", pre=[("luck", "==", 1)]), Operator("a"), Operator("a_2")], taken)
    task = wanted(domain, ("go",))
    method = lifted(read_proposal(["a", "a_2", "a", "a"], task), task)
    assert method.id == "model_2"
    assert len({key for key, _ in method.subtasks}) == 4
    assert judge_proposal(read_proposal(["a", "a_2", "a"], task), task) == ""


def test_repetitions_for_nothing_are_left_out_and_everything_else_is_kept():
    """SmolLM2 fills its list to the end. `rest` serves no goal, and may serve another purpose: it stays."""
    task = wanted()
    padded = read_proposal(["rest", *WORKS, "rest", WORKS[1]], task)
    assert [key for key, _ in trimmed(padded, task).tasks] == ["rest", "load", "drive", "drop"]
    pump = Operator("pump", eff=[("level", "+=", 5)])
    fill = wanted(Domain([pump], tasks=["fill"], goals={"fill": goal(["level", ">=", 10])}), ("fill",), {"level": 0})
    assert len(trimmed(read_proposal(["pump"] * 4, fill), fill).tasks) == 2, "twice is needed"
    nobody_knows = wanted(moving(goals={}))
    assert len(trimmed(read_proposal(["rest", "rest"], nobody_knows), nobody_knows).tasks) == 2


@pytest.mark.parametrize("order", ["total", [["load", "drop"], ["drive", "drop"], ["drop", "off"]], []])
def test_a_goal_that_holds_only_on_the_way_is_not_reached(order):
    """After the drop the parcel is there, and then it is loaded again. Only a free order may end with the drop."""
    steps = {"load": ("load", "?p", "t1"), "drive": ("drive", "t1", "?to"), "drop": ("drop", "?p", "t1", "?to")}
    subtasks = [*steps.items(), ("off", ("load", "?p", "t1"))]
    parameters = [("?p", "parcel"), ("?to", "place")]
    for verify in (True, False):
        method = Method("m", "deliver", parameters, subtasks=subtasks, order=order, verify=verify)
        plan = find_plan(moving(methods=[method]), {}, [("deliver", "p1", "inn")])
        assert plan.found == (not verify or order == [])
        assert not plan.found or not verify or plan.final_state["at(p1)"] == "inn"


# What is needed


def test_nothing_is_needed_when_there_is_a_plan():
    assert need(find_plan(moving(), {}, ["rest"])) is None


def test_the_deepest_task_without_a_method_is_needed_where_it_has_to_be_done():
    serve = Method("m", "serve", subtasks=[("r", ("drive", "t1", "home")), ("d", ("deliver", "p1", "inn"))])
    found = need(find_plan(moving(methods=[serve]), {}, ["rest", "serve"]))
    assert (str(found), dict(found.state)) == ("deliver(p1, inn)", {"at(t1)": "home"})
    assert need(find_plan(moving(methods=[serve]), {}, ["serve"]), given_up=[("deliver", "p1", "inn")]) is None


def test_a_task_whose_method_fails_is_needed_in_the_state_where_it_was_begun():
    bad = Method("bad", "deliver", [("?p", "parcel"), ("?to", "place")], subtasks=[("d", ("drop", "?p", "t1", "?to"))])
    serve = Method("m", "serve", subtasks=[("r", ("drive", "t1", "home")), ("d", ("deliver", "p1", "inn"))])
    found = need(find_plan(moving(methods=[bad, serve]), {}, ["serve"]))
    assert (str(found), dict(found.state)) == ("deliver(p1, inn)", {"at(t1)": "home"})


def test_of_a_dead_end_the_nearest_task_with_a_goal_is_needed():
    """Nobody could say whether a method of `wrap` does the right thing; of `deliver` it can be said."""
    ship = Method("m", "deliver", [("?p", "parcel"), ("?to", "place")], subtasks=[("w", "wrap")])
    domain = moving(methods=[ship], tasks=["wrap"])
    assert str(need(find_plan(domain, {}, [("deliver", "p1", "inn")]))) == "deliver(p1, inn)"
    without = moving(methods=[ship], tasks=["wrap"], goals={})
    assert str(need(find_plan(without, {}, [("deliver", "p1", "inn")]))) == "wrap"


def test_a_task_without_any_usable_method_comes_before_one_whose_method_fails():
    domain = Domain(
        [Operator("never", pre=[("luck", "==", 1)])],
        [Method("a", "go", subtasks=[("n", "never")]), Method("b", "go", subtasks=[("h", "hole")])],
        tasks=["hole"],
    )
    plan = find_plan(domain, {}, ["go"])
    assert [task for task, _ in plan.open] == [("go",), ("hole",)]
    assert str(need(plan)) == "hole"
    assert str(need(plan, given_up=[("hole",)])) == "go"


@pytest.mark.parametrize("order", ["total", []])
def test_in_any_order_what_cannot_be_done_is_found_open(order):
    domain = moving(tasks=["deliver", "wrap"])
    plan = find_plan(domain, {}, [("drive", "t1", "home"), ("deliver", "p1", "inn"), "rest"], order=order)
    assert not plan.found
    assert ("deliver", "p1", "inn") in [task for task, _ in plan.open]


def test_what_is_open_is_bounded_however_many_dead_ends_there_are():
    holes = [f"hole{number}" for number in range(500)]
    domain = Domain([Operator("x")], [Method(name, "go", subtasks=[("s", name)]) for name in holes], tasks=holes)
    plan = find_plan(domain, {}, ["go"])
    assert [task for task, _ in plan.open] == [(name,) for name in holes[:20]]


# Laws

WORDS = st.sampled_from(["load", "p1", "rest"])
CALLS = st.sampled_from([*WORKS, "rest", "load p2 t1", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["subtasks", "order", "task", "args", "plan"]), inner, max_size=3)
    ),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None)
@given(JSON | st.text(max_size=80) | JSON.map(json.dumps) | st.lists(CALLS))
def test_whatever_is_said_is_read_or_refused_and_only_what_is_known_gets_in(said):
    task = wanted()
    try:
        network = read_proposal(said, task)
    except ValueError:
        return
    known = {"p1", "p2", "t1", "home", "inn"}
    for _, (name, *args) in network.tasks:
        assert name in ("load", "drive", "drop", "rest")
        assert set(args) <= known
    method = lifted(network, task)
    assert Domain(moving().operators, [method], objects=moving().objects, goals=moving().goals)
    assert isinstance(judge_proposal(network, task), str)


def test_every_accepted_method_reaches_its_goal_wherever_the_search_uses_it():
    """Random methods, random states: where a plan uses the method, the goal of each task holds when it is done."""
    draw = random.Random(5)
    used = 0
    for _ in range(300):
        task = wanted(state={"at(p1)": draw.choice(["t1", "home"]), "at(t1)": draw.choice(["home", "inn"])})
        names = [*WORKS, draw.choice(choices(task, 100))]
        draw.shuffle(names)
        network = read_proposal(names[draw.randint(0, 1) :], task)
        if judge_proposal(network, task):
            continue
        domain = learned(task.domain, lifted(network, task))
        other = {"at(p1)": draw.choice(["t1", "home", "inn"]), "at(t1)": draw.choice(["home", "inn"]), "at(p2)": "t1"}
        tasks = [("deliver", draw.choice(["p1", "p2"]), draw.choice(["home", "inn"])) for _ in range(2)]
        plan = find_plan(domain, other, tasks, limits=Limits(nodes=2_000))
        if not plan.found:
            continue
        used += 1
        for node in plan.children[0]:
            last = plan.steps.index(plan.steps_under(node.id)[-1])
            assert plan.states[last + 1].value("at", (node.task[1],)) == node.task[2]
    assert used > 30
