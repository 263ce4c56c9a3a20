"""Operators, methods and domains: what they do by example, and what is refused in words."""

from itertools import pairwise

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator, Task
from langgraph_agora.nodes.planning.facts import Facts, atom
from langgraph_agora.nodes.planning.reading import order_of, read_parameters, read_subtasks, read_task
from langgraph_agora.nodes.planning.terms import compare


def test_a_task_is_a_tuple_with_a_name():
    task = Task("ship", "o1", 2)
    assert (task.name, task.args, str(task), task) == ("ship", ("o1", 2), "ship(o1, 2)", ("ship", "o1", 2))


# Operators


def test_effects_are_applied_in_their_order():
    step = Operator("step", eff=[("k", "=", 1), ("k", "+=", 2), ("k", "-=", 5)])
    assert step.apply(Facts({"k": 100}), ())["k"] == -2


def test_a_step_that_cannot_be_carried_out_has_no_state_after_it_and_says_why():
    pay = Operator("pay", ["?n"], pre=[("budget", ">=", 80), ("at(?n)", "==", "desk")], eff=[("budget", "-=", 80)])
    poor = Facts({"budget": 50})
    assert pay.apply(poor, ("ann",)) is None
    assert [str(one) for one in pay.unmet(poor, ("ann",))] == ["budget >= 80", "at(ann) == desk"]
    assert pay.apply(Facts({"budget": 80, "at(ann)": "desk"}), ("ann",))["budget"] == 0


def test_a_number_that_is_not_there_cannot_be_changed():
    step = Operator("step", eff=[("k", "+=", 1)])
    assert [step.apply(Facts(values), ()) for values in ({}, {"k": "1"}, {"k": True}, {"k": None})] == [None] * 4


def test_null_takes_a_variable_away():
    forget = Operator("forget", eff=[("k", "=", None)])
    assert forget.apply(Facts({"k": 1, "n": 2}), ()) == Facts({"n": 2})


def test_a_parameter_stands_for_a_value_too():
    load = Operator("load", ["o", "t"], eff=[("in(?o)", "=", "?t")])
    assert load.apply(Facts(), ("o1", "t1"))["in(o1)"] == "t1"


@pytest.mark.parametrize(
    ("actual", "sign", "wanted", "holds"),
    [
        (1, "==", 1.0, True),
        (1, "==", True, False),
        (None, "==", None, True),
        (None, "!=", 0, True),
        (None, "<", 1, False),
        ("a", "<", "b", True),
        ("a", "<", 1, False),
        (True, ">=", 0, False),
        ((1, 2), "==", (1, 2), True),
    ],
)
def test_values_are_compared_as_json_does(actual, sign, wanted, holds):
    assert compare(actual, sign, wanted) is holds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "has no name"),
        ({"p": 1.2}, "p was 1.2; give a probability from 0 to 1"),
        ({"p": float("nan")}, "p was nan"),
        ({"cost": -1}, "cost was -1"),
        ({"duration": float("inf")}, "duration was inf"),
        ({"duration": "1"}, "duration was '1'"),
        ({"pre": [("x", "=", 1)]}, "the sign of a condition is one of ==, !=, <, <=, >, >="),
        ({"pre": [("x", "<", None)]}, "< needs a number or a text"),
        ({"pre": [("?a", "<", "?b")]}, "parameters are compared as"),
        ({"pre": [("at(?o)", "==", 1)]}, r"at\(\?o\) == 1 uses \?o, which is no parameter"),
        ({"eff": [("x", "+=", "1")]}, r"\+= needs a number"),
        ({"eff": [("x", "+=")]}, r"an effect is \[variable, sign, value\]"),
        ({"eff": [("x", "=", float("nan"))]}, "value was nan"),
        ({"eff": [("x(", "=", 1)]}, r"a variable was 'x\('"),
        ({"eff": "x"}, "eff was 'x'; give a list"),
        ({"eff": [("x", "=", 1)], "run": print}, "give pre and eff, or run"),
        ({"parameters": ["?o", "o"]}, r"two parameters are named '\?o'"),
        ({"parameters": [("?o", 1)]}, "a parameter is a name or a pair"),
        ({"resources": ["fuel"]}, "resources was"),
    ],
)
def test_a_wrong_operator_is_refused_in_words(arguments, message):
    with pytest.raises(ConfigError, match=f"(?i){message}"):
        Operator(**{"name": "step", **arguments})


# Methods


def test_a_method_gives_a_network_for_each_way_to_bind_its_free_parameters():
    drive = Method("m", "go", ["?o", "?t"], [("at(?t)", "==", "home")], [("s", ("load", "?o", "?t"))], arity=1)
    domain = Domain([Operator("load", ["?o", "?t"])], [drive], objects={"": ["t1", "t2", "t3"]})
    state = Facts({"at(t3)": "home", "at(t1)": "home", "at(t2)": "away"})
    assert [one.tasks for one in drive.networks(state, ("o1",), domain)] == [
        (("s", ("load", "o1", "t1")),),
        (("s", ("load", "o1", "t3")),),
    ]


def test_a_free_parameter_ranges_over_its_type_and_the_types_in_it():
    domain = Domain(
        [Operator("x")], objects={"truck": ["t"], "van": ["v"], "ship": ["s"]}, types={"truck": "car", "van": "car"}
    )
    assert (domain.of_type("car"), domain.of_type(""), domain.of_type("boat")) == (["t", "v"], ["t", "v", "s"], [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"id": 1}, "a method has no name"),
        ({"task": " "}, "a task has no name"),
        ({"p": -0.1}, "p was -0.1"),
        ({"subtasks": [("a", "x"), ("a", "y")]}, "two subtasks have the id 'a'"),
        ({"subtasks": ["x"]}, r"a subtask is \[id, task\]"),
        ({"subtasks": [("a", ("x", None))]}, "an argument of 'x' was None"),
        ({"subtasks": [("a", ("x", "?o"))]}, r"subtask 'a' uses \?o, which is no parameter"),
        ({"conditions": [("at(?o)", "==", 1)]}, r"uses \?o, which is no parameter"),
        ({"order": "some"}, "the order was 'some'"),
        ({"order": [("a",)]}, r"an order is a pair \[before, after\]"),
        ({"subtasks": [("a", "x"), ("b", "x")], "order": [("a", "c")]}, "there is no subtask 'c'"),
        ({"subtasks": [("a", "x")], "run": print}, "give conditions and subtasks, or run"),
        ({"verify": 1}, "verify was 1"),
    ],
)
def test_a_wrong_method_is_refused_in_words(arguments, message):
    with pytest.raises(ConfigError, match=f"(?i){message}"):
        Method(**{"id": "m", "task": "go", **arguments})


def test_a_cycle_in_an_order_is_named_from_one_of_its_tasks_to_itself():
    pairs = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")]
    with pytest.raises(ConfigError, match=r"m: the order has a cycle: b before c before d before b\.$"):
        order_of([*"abcde"], pairs, "m")


def test_a_long_order_is_read_at_once_and_a_long_cycle_is_cut_short():
    keys = [str(number) for number in range(30_000)]
    chain = list(pairwise(keys))
    assert order_of(keys, chain, "m")[-1] == (29_998,)
    with pytest.raises(ConfigError, match=r"0 before 1 before .* before \.\.\. before .* before 29999 before 0\.$"):
        order_of(keys, [*chain, (keys[-1], keys[0])], "m")


# Domains


def test_an_operator_is_carried_out_and_a_task_with_methods_is_decomposed():
    domain = Domain([Operator("ride")], [Method("m", "go", subtasks=[("s", "ride")])], tasks=["undone"])
    assert [domain.is_compound(name) for name in ("go", "undone", "ride")] == [True, True, False]
    assert domain.names == ["ride", "undone", "go"]


def test_likelier_methods_come_first_and_equal_ones_as_they_stand():
    ways = [Method(id_, "go", p=p) for id_, p in (("a", 0.5), ("b", 0.9), ("c", 0.5), ("d", 1))]
    assert [one.id for one in Domain([Operator("x")], ways).methods_of["go"]] == ["d", "b", "a", "c"]


STEPS = [
    Operator("dear", cost=5, duration=1),
    Operator("slow", cost=1, duration=9),
    Operator("quick", cost=1, duration=2),
    Operator("tenth", cost=0.1),
    Operator("fifth", cost=0.2),
    Operator("third", cost=0.3),
]


def tried(*methods, task="go"):
    return [one.id for one in Domain(STEPS, methods).methods_of[task]]


def test_of_equally_likely_methods_the_cheapest_comes_first_then_the_shortest():
    by_id = {one: Method(one, "go", subtasks=[("s", one)]) for one in ("dear", "slow", "quick")}
    likely = Method("likely", "go", subtasks=[("s1", "dear"), ("s2", "dear")])
    unlikely = Method("unlikely", "go", subtasks=[("s", "tenth")], p=0.9)
    assert tried(unlikely, *by_id.values(), likely) == ["quick", "slow", "dear", "likely", "unlikely"]


def test_what_a_method_leads_to_counts_however_deep_and_one_without_an_end_comes_last():
    ways = [
        Method("endless", "go", subtasks=[("s", "loop")]),
        Method("deep", "go", subtasks=[("s", "below0")]),
        Method("flat", "go", subtasks=[("s1", "dear")]),
        Method("again", "loop", subtasks=[("s1", "loop")]),
        *[Method("m", f"below{n}", subtasks=[("s", f"below{n + 1}")]) for n in range(99)],
        Method("dear", "below99", subtasks=[("s1", "dear"), ("s2", "tenth")]),
        Method("cheap", "below99", subtasks=[("s1", "slow")]),
    ]
    assert tried(*ways) == ["deep", "flat", "endless"]
    assert tried(*ways, task="below99") == ["cheap", "dear"]


def test_equal_methods_stay_as_they_stand_however_their_sums_are_rounded():
    # 0.1 + 0.2 + 0.3 is more than 0.3 + 0.2 + 0.1 in floating point, also where a task below adds up a part of it.
    parts = ["tenth", "fifth", "third"]
    ways = [
        Method("a", "go", subtasks=[(one, one) for one in parts]),
        Method("b", "go", subtasks=[(one, one) for one in parts[::-1]]),
        Method("c", "go", subtasks=[("s1", "two"), ("s2", "third")]),
        Method("m", "two", subtasks=[("s1", "tenth"), ("s2", "fifth")]),
    ]
    assert tried(*ways) == ["a", "b", "c"]
    assert tried(*reversed(ways)) == ["c", "b", "a"]


def test_methods_among_which_a_function_stands_stay_as_they_are_given():
    # What the function leads to is not known; it may not be taken for free.
    ways = [Method("dear", "go", subtasks=[("s", "dear")]), Method("any", "go", run=lambda state: ["dear"])]
    assert tried(*ways) == ["dear", "any"]
    assert tried(*reversed(ways)) == ["any", "dear"]


T = "t"


def way(id_="m", parameters=(), *subtasks):
    return Method(id_, T, parameters, subtasks=subtasks)


@pytest.mark.parametrize(
    ("operators", "methods", "message"),
    [
        ([], [], "the domain is empty"),
        ([Operator("a"), Operator("b"), Operator("a")], [], "two operators are named 'a'"),
        ([Operator(T)], [way()], "'t' is an operator and a task with methods"),
        ([Operator("a")], [way(), way()], "two methods of 't' have the id 'm'"),
        ([Operator("ab")], [way("m", (), ("s", "abb"))], "subtask 's': there is no task 'abb'. Did you mean 'ab'"),
        ([Operator("a", ["?x"])], [way("m", (), ("s", "a"))], r"'a' takes 1 arguments \(\?x\); 0 were given: a"),
        ([Operator("a")], [way("m", ["?x"]), way("n")], "has 0 of the task's parameters; other methods have 1"),
    ],
)
def test_a_wrong_domain_is_refused_in_words(operators, methods, message):
    with pytest.raises(ConfigError, match=f"(?i){message}"):
        Domain(operators, methods)


def test_a_domain_without_operators_may_have_methods():
    assert Domain([], [Method("m", "t", subtasks=[("s", "t")])]).names == ["t"]


@pytest.mark.parametrize("given", [None, "", [], [1], ["a", None], ["a", ["b"]], {"a": 1}, 7])
def test_what_is_no_task_is_refused(given):
    with pytest.raises(ConfigError, match="here: a"):
        read_task(given, "here")


def test_subtasks_and_parameters_have_short_and_long_forms():
    assert read_subtasks([["a", "x"], ["b", ["x", 1]], ["c", "x", 1]], "m") == (
        ("a", ("x",)),
        ("b", ("x", 1)),
        ("c", ("x", 1)),
    )
    assert read_parameters(["?a", "b", ["?c", "truck"]], "m") == (("?a", ""), ("?b", ""), ("?c", "truck"))


# States


def test_equal_states_have_equal_keys_and_others_have_others():
    one = Facts({"a": 1, "b(x, y)": "z"})
    assert one == Facts({"b(x,y)": "z", "a": 1, "c": None})
    assert one.set({"a": 2}).set({"a": 1}).key == one.key
    different = [{"a": -1}, {"a": -2}, {"a": 1}, {"a": True}, {"a": "1"}, {"a": 1.5}, {"a(1)": 1}, {}]
    assert len({Facts(values).key for values in different}) == len(different)


def test_a_state_never_changes():
    inside = [1]
    state = Facts({"k": inside})
    inside.append(2)
    later = state.set({"k": None, "n": 1})
    assert (dict(state), dict(later)) == ({"k": (1,)}, {"n": 1})


@pytest.mark.parametrize("text", ["", "(", "at(", "at)", "at(a,)", "at(,a)", "a b", 3, None])
def test_what_is_no_variable_is_refused(text):
    with pytest.raises(ConfigError, match="A variable was"):
        atom(text)
