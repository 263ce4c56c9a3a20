"""Domain files: what they hold, what comes back when they are written, and every way to get one wrong."""

import json
import random
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.domain_files import LARGEST, Problem, read_problem, write_problem
from langgraph_agora.nodes.planning.search import find_plan, root_network
from tests.nodes.planning.random_domains import random_case
from tests.nodes.planning.test_search import CASES

SHIP = {
    "init": {"at(o1)": "home", "at(t1)": "home"},
    "objects": {"order": ["o1", "o2"], "truck": ["t1"]},
    "types": {"truck": "vehicle"},
    "primitives": {
        "load": {
            "parameters": [["?o", "order"], "?t"],
            "pre": [["at(?o)", "==", "home"]],
            "eff": [["in(?o)", "=", "?t"]],
        },
        "drive": {"parameters": ["?t"], "duration": 3, "cost": 2.5, "p": 0.9, "resources": {"fuel": 2}},
    },
    "compounds": {
        "ship": {
            "parameters": [["?o", "order"]],
            "goal": [["in(?o)", "!=", None]],
            "methods": [
                {
                    "id": "by_truck",
                    "parameters": [["?o", "order"], ["?t", "vehicle"]],
                    "conditions": [["at(?t)", "==", "home"], ["?o", "!=", "?t"]],
                    "subtasks": [["s1", "load", "?o", "?t"], ["s2", ["drive", "?t"]], ["s3", "wait"]],
                    "order": [["s1", "s2"]],
                    "p": 0.8,
                    "verify": True,
                }
            ],
        },
        "wait": [{"id": "m", "subtasks": []}],
        "undone": [],
    },
    "root": {"subtasks": [["r1", "ship", "o1"], ["r2", "wait"]], "order": [["r1", "r2"]]},
}


def with_(place, value):
    """SHIP with something else at a place such as "compounds.ship.methods.0.p"."""
    case = json.loads(json.dumps(SHIP))
    *path, last = place.split(".")
    at = case
    for key in path:
        at = at[int(key)] if isinstance(at, list) else at[key]
    at[int(last) if isinstance(at, list) else last] = value
    return case


def test_a_file_holds_all_that_a_domain_has():
    problem = read_problem(json.dumps(SHIP))
    domain = problem.domain
    [method] = domain.methods_of["ship"]
    assert (method.arity, method.after, method.p, method.verify) == (1, ((), (0,), ()), 0.8, True)
    assert (domain.operator["drive"].duration, domain.operator["drive"].resources) == (3, {"fuel": 2})
    assert [str(term) for term in domain.goals["ship"][1]] == ["in(?o) != null"]
    assert domain.of_type("vehicle") == ["t1"]
    assert (problem.root.tasks[0], problem.order) == (("r1", ("ship", "o1")), [("r1", "r2")])
    assert find_plan(domain, problem.init, problem.root.tasks, order=problem.order).names == ["load", "drive"]


def test_what_is_left_out_has_its_usual_value():
    problem = read_problem('{"primitives": {"ride": {}}, "root": {"subtasks": [["r", "ride"]]}}')
    [ride] = problem.domain.operators
    assert (ride.pre, ride.eff, ride.duration, ride.cost, ride.p, problem.init) == ((), (), 1, 0, 1, {})


@pytest.mark.parametrize("case", [SHIP, *[one for one in CASES.values() if one["kind"] == "plan"]], ids=str)
def test_what_is_written_is_read_again_as_the_same(case):
    problem = read_problem(json.dumps(case))
    text = write_problem(problem)
    assert read_problem(text) == problem
    assert write_problem(read_problem(text)) == text


def test_random_domains_survive_being_written():
    for seed in range(300):
        problem = read_problem(json.dumps(random_case(random.Random(seed))))
        assert read_problem(write_problem(problem)) == problem


def test_a_written_file_has_a_line_for_each_primitive_and_each_method():
    text = write_problem(read_problem(json.dumps(CASES["bt1_budget"])))
    assert '\n    "ride": {"pre": [["ticket", "==", "train"]], "eff": [["at", "=", "city"]]},\n' in text
    assert '\n      {"id": "by_train", "subtasks": [["s1", "buy_train"], ["s2", "ride"]], "p": 0.8}\n' in text


def test_a_method_that_names_the_tasks_parameters_its_own_way_is_written_with_their_names():
    domain = Domain(
        [Operator("load", ["?a", "?b"])],
        [
            Method("one", "ship", ["?o"], subtasks=[("s", ("load", "?o", "?o"))]),
            Method("two", "ship", ["?x", "?o"], [("at(?o)", "==", "?x")], [("s", ("load", "?x", "?o"))], arity=1),
        ],
        objects={"": ["a"]},
    )
    again = read_problem(write_problem(Problem(domain, {}, root_network([("ship", "a")])))).domain
    two = again.methods_of["ship"][1]
    assert [name for name, _ in two.parameters] == ["?o", "?o_"]
    assert (str(two.conditions[0]), two.subtasks) == ("at(?o_) == ?o", (("s", ("load", "?o", "?o_")),))


def test_a_method_that_was_added_is_written_with_the_others():
    problem = read_problem(json.dumps(SHIP))
    made = Method("made", "undone", subtasks=[("s", "wait")], p=0.5)
    more = replace(problem.domain, methods=[*problem.domain.methods, made])
    again = read_problem(write_problem(replace(problem, domain=more)))
    assert again.domain.methods_of["undone"] == (made,)
    assert again.domain.goals == problem.domain.goals


def test_a_python_function_cannot_be_written():
    domain = Domain([Operator("tick", run=lambda state: state)])
    with pytest.raises(ConfigError, match="'tick' is a Python function"):
        write_problem(Problem(domain, {}, root_network(["tick"])))


# What is said of variables


def test_a_variable_that_only_effects_write_starts_as_null_and_is_told():
    case = {"init": {"budget": 1}, "primitives": {"a": {"eff": [["bugdet", "=", 1]]}}, "root": {"subtasks": []}}
    assert read_problem(json.dumps(case)).notes == (
        "'bugdet' is not in init; it starts as null. Did you mean 'budget'?",
    )


def test_a_variable_that_nothing_sets_is_told():
    assert (
        "'cache' is not in init; nothing sets it: it is null."
        in read_problem(json.dumps(CASES["bt5_state_leak"])).notes
    )


def test_notes_stay_short():
    many = {f"p{n}": {"eff": [[f"v{n}", "=", 1]]} for n in range(100)}
    notes = read_problem(json.dumps({"primitives": many, "root": {"subtasks": []}})).notes
    assert (len(notes), notes[-1]) == (21, "80 more variables are not in init.")


def test_a_key_that_nothing_reads_is_told_inside_primitives_and_methods():
    case = {
        "comment": "for people",
        "primitives": {"ride": {"prob": 0.5, "p": 0.9, "probability": 0.8}},
        "compounds": {
            "go": [{"id": "m", "subtasks": [], "weight": 2}],
            "ship": {"methods": [{"subtasks": []}, {"subtasks": [], "likely": True}]},
        },
        "root": {"subtasks": []},
    }
    assert read_problem(json.dumps(case)).notes == (
        "primitives.ride: 'prob' is not read",
        "primitives.ride: 'probability' is not read",
        "compounds.go[0]: 'weight' is not read",
        "compounds.ship.methods[1]: 'likely' is not read",
    )


@pytest.mark.parametrize(("keys", "last"), [(20, "p0: 'x19' is not read"), (21, "2 more keys")])
def test_of_many_keys_that_nothing_reads_20_notes_are_made(keys, last):
    notes = read_problem(json.dumps({"primitives": {"p0": {f"x{n}": 1 for n in range(keys)}}})).notes
    assert len(notes) == 20
    assert last in notes[-1]


def test_keys_that_are_for_people_are_not_read():
    case = {
        **SHIP,
        "id": "x",
        "why": "y",
        "kind": "plan",
        "expect": {"p": float("nan")},
        "skip_best": True,
        "licence": "",
    }
    assert read_problem(json.dumps(case)) == read_problem(json.dumps(SHIP))


def test_a_byte_order_mark_is_passed_over():
    assert read_problem("\ufeff" + json.dumps(SHIP)) == read_problem(json.dumps(SHIP))


# Wrong files

WRONG = [
    (
        with_("compounds.ship.methods.0.subtasks.2", ["s3", "wiat"]),
        "compounds.ship.methods[0].subtasks[2]: there is no task 'wiat'. Did you mean 'wait'?",
    ),
    (
        with_("compounds.ship.methods.0.subtasks.1", ["s2", "drive"]),
        "compounds.ship.methods[0].subtasks[1]: 'drive' takes 1 arguments (?t); 0 were given",
    ),
    (
        with_("compounds.ship.methods.0.subtasks.1", ["s1", "wait"]),
        "compounds.ship.methods[0]: two subtasks have the id 's1'",
    ),
    (
        with_("compounds.ship.methods.0.subtasks.1", "wait"),
        "compounds.ship.methods[0].subtasks[1]: a subtask is [id, task]",
    ),
    (
        with_("compounds.ship.methods.0.subtasks.1", ["s2", "drive", "?x"]),
        "compounds.ship.methods[0]: subtask 's2' uses ?x, which is no parameter",
    ),
    (
        with_("compounds.ship.methods.0.order", [["s1", "s2"], ["s2", "s1"]]),
        "compounds.ship.methods[0]: the order has a cycle: s1 before s2 before s1",
    ),
    (with_("compounds.ship.methods.0.order", [["s1", "s1"]]), "the order has a cycle: s1 before s1"),
    (with_("compounds.ship.methods.0.order", [["s1", "s9"]]), "compounds.ship.methods[0]: there is no subtask 's9'"),
    (
        with_("compounds.ship.methods.0.order", "partial"),
        "compounds.ship.methods[0]: the order was 'partial'; give \"total\" or pairs",
    ),
    (
        with_("compounds.ship.methods.0.conditions.0", ["at(?t)", "=", "home"]),
        "compounds.ship.methods[0].conditions[0]: the sign of a condition is one of ==, !=",
    ),
    (with_("compounds.ship.methods.0.parameters", ["?t"]), "compounds.ship.methods[0]"),
    (
        with_("compounds.ship.methods.0.parameters", ["?t", "?o"]),
        "compounds.ship.methods[0].parameters: first come those of the task (?o)",
    ),
    (with_("compounds.ship.methods.0.p", 1.5), "compounds.ship.methods[0]: p was 1.5; give a probability from 0 to 1"),
    (with_("compounds.ship.methods.0.p", "0.5"), "compounds.ship.methods[0]: p was '0.5'"),
    (with_("compounds.ship.methods.0.id", 7), "compounds.ship.methods[0]: A method has no name: 7 was given"),
    (with_("compounds.ship.goal", [["in(?x)", "!=", None]]), "compounds.ship.goal[0]: ?x is no parameter of the task"),
    (with_("compounds.ship.goal", "done"), "compounds.ship.goal: give a list of conditions"),
    (with_("compounds.ship", 3), "compounds.ship: give a list of methods, or an object"),
    (with_("compounds.wait", ["m"]), "compounds.wait[0]: give an object"),
    (
        with_("compounds.wait.0.condition", []),
        "compounds.wait[0]: there is no key 'condition'. Did you mean 'conditions'?",
    ),
    (with_("compounds.drive", []), "'drive' is an operator and a task with methods"),
    (with_("compounds", []), "compounds: give an object"),
    (with_("primitives.drive.p", 1.01), "primitives.drive: p was 1.01; give a probability from 0 to 1"),
    (with_("primitives.drive.p", True), "primitives.drive: p was True"),
    (with_("primitives.drive.duration", -1), "primitives.drive: duration was -1; give a number of at least 0"),
    (with_("primitives.drive.pre", "x"), "primitives.drive: pre was 'x'; give a list"),
    (with_("primitives.drive.eff", [["x", "=", 1], ["x", "==", 1]]), "primitives.drive.eff[1]: the sign of an effect"),
    (with_("primitives.drive.eff", [["x", "=", {"a": 1}]]), "primitives.drive.eff[0]: A variable's value was {'a': 1}"),
    (
        with_("primitives.drive.eff", [["level", "+=", 1]]),
        "primitives.drive: 'level' has no value to change: it is not in init, and nothing sets it",
    ),
    (with_("primitives.drive.eff", [["x", "+=", "1"]]), "primitives.drive.eff[0]: += needs a number"),
    (with_("primitives.drive.effects", []), "primitives.drive: there is no key 'effects'. Did you mean 'eff'?"),
    (with_("primitives.drive.resources", {"fuel": "2"}), "primitives.drive: resource fuel was '2'"),
    (
        with_("primitives.drive.parameters", [["?t", "trukc"]]),
        "primitives.drive: ?t is of type 'trukc', which is not known. Did you mean 'truck'?",
    ),
    (with_("primitives.drive", None), "primitives.drive: give an object with parameters, pre, eff"),
    (with_("init", {"at(": 1}), "init.at(: A variable was 'at('"),
    (with_("init", {"a": {"b": 1}}), "init.a: A variable's value was {'b': 1}"),
    (with_("init", []), "init: give an object"),
    (with_("objects", {"truck": "t1"}), "objects.truck: give a list of names"),
    (with_("types", {"a": "b", "b": "a"}), "types.a: a type is part of itself: a in b in a"),
    (with_("root.subtasks.0", ["r1", "ship", "?o"]), "root.subtasks[0]: ?o stands for nothing here"),
    (with_("root.subtasks.0", ["r1", "shp", "o1"]), "root.subtasks[0]: there is no task 'shp'. Did you mean 'ship'?"),
    (with_("root.subtasks.0", ["r1", "ship"]), "root.subtasks[0]: 'ship' takes 1 arguments"),
    (with_("root.subtasks", None), "root.subtasks: give a list"),
    (with_("root.order", [["r1", "r2"], ["r2", "r1"]]), "root: the order has a cycle: r1 before r2 before r1"),
    (with_("root", []), "root: give an object"),
    ({"root": {"subtasks": []}}, "The domain is empty"),
    ({"primitive": {}, "root": {"subtasks": []}}, "there is no key 'primitive'. Did you mean 'primitives'?"),
    ([SHIP], "the domain file: give an object with init, primitives"),
]


@pytest.mark.parametrize(("case", "message"), WRONG, ids=[message[:60] for _, message in WRONG])
def test_what_is_wrong_is_said_in_one_line_with_its_place(case, message):
    with pytest.raises(ConfigError) as caught:
        read_problem(json.dumps(case))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ('{"init": {"a": 1, "a": 2}}', "'a' stands there twice"),
        ("[" * 200_000, "is not JSON"),
        ('{"init": {"a": NaN}}', "init.a: A variable's value was nan"),
        ('{"init": {"a": 1e999}}', "the number 1e999 is too large"),
        ('{"init": {"a": ' + "9" * 5_000 + "}}", "is not JSON"),
        ('{"primitives": {"p": {"p": NaN}}}', "primitives.p: p was nan"),
        ('{"primitives": {"p": {"eff": [["x", "=", -Infinity]]}}}', "primitives.p.eff[0]: A variable's value was -inf"),
        ('{"init": {"\\ud800": 1}}', "holds half of a character"),
        ("null", "give an object"),
        (" " * (LARGEST + 1), "characters; at most 20,000,000 are read"),
    ],
    ids=range(12),
)
def test_what_is_no_json_is_refused_in_words(text, message):
    with pytest.raises(ConfigError) as caught:
        read_problem(text)
    assert message in str(caught.value)


def test_fifty_thousand_primitives_are_read_and_written_in_seconds():
    """Ten megabytes; a check of each name against a list of all names took minutes."""
    n = 50_000
    names = [f"p{i}" for i in range(n)]
    case = {
        "init": {f"v{i}": 0 for i in range(n)},
        "primitives": {name: {"pre": [[f"v{i}", "==", 0]], "eff": [[f"w{i}", "=", 1]]} for i, name in enumerate(names)},
        "compounds": {
            "all": [{"subtasks": [[name, name] for name in names], "order": [list(pair) for pair in pairwise(names)]}],
            "any": [{"id": name, "subtasks": [["s", name]]} for name in names],
            **{f"t{name}": [{"subtasks": [["s", name]]}] for name in names[:10_000]},
        },
        "root": {"subtasks": [["r", "any"]]},
    }
    text = json.dumps(case)
    began = time.process_time()
    problem = read_problem(text)
    assert write_problem(problem)
    assert time.process_time() - began < 20
    assert find_plan(problem.domain, problem.init, problem.root.tasks).names == ["p0"]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
PLACES = [
    *(
        "init",
        "objects",
        "types",
        "primitives",
        "compounds",
        "root",
        "primitives.load",
        "primitives.load.pre",
        "root.order",
    ),
    *("primitives.load.eff.0", "primitives.drive.p", "primitives.drive.resources", "compounds.ship", "compounds.wait"),
    *(
        "compounds.ship.methods.0",
        "compounds.ship.methods.0.subtasks",
        "compounds.ship.methods.0.order",
        "root.subtasks",
    ),
    *("compounds.ship.methods.0.conditions.0", "compounds.ship.methods.0.parameters", "compounds.ship.goal.0"),
]


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.sampled_from(PLACES), anything)
def test_whatever_stands_anywhere_is_read_or_refused_in_words(place, value):
    try:
        problem = read_problem(json.dumps(with_(place, value)))
    except ConfigError:
        return
    assert read_problem(write_problem(problem)) == problem


@settings(derandomize=True, deadline=None)
@given(anything)
def test_any_json_is_read_or_refused_in_words(value):
    with pytest.raises(ConfigError):
        read_problem(json.dumps(value))


def test_a_file_may_hold_a_domain_alone():
    problem = read_problem(json.dumps({key: value for key, value in SHIP.items() if key != "root"}))
    assert problem.root.tasks == ()
    assert read_problem(write_problem(problem)) == problem


def test_a_task_with_arguments_in_a_text_is_refused_with_how_to_write_it():
    wrong = {**SHIP, "root": {"subtasks": [["r1", "ship(o1)"]]}}
    with pytest.raises(ConfigError, match=r"'ship\(o1\)' is a text; a task with arguments is a list: \['ship', ...\]"):
        read_problem(json.dumps(wrong))
