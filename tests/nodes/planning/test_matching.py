"""Free parameters of methods: the bindings under which the conditions hold, less those that can lead nowhere."""

import pickle
import random
from itertools import pairwise, permutations, product

import pytest

from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.facts import Facts
from langgraph_agora.nodes.planning.matching import bindings
from langgraph_agora.nodes.planning.search import Limits, find_plan

WAIT = Operator("wait")
OBJECTS = {"place": ["home", "inn", "mill"], "truck": ["t1", "t2"], "ship": ["s1"], "vehicle": []}
TYPES = {"truck": "vehicle", "ship": "vehicle"}


def bound(method, state, args=(), *operators, early=""):
    """What the free parameters are bound to, in the order in which it is found."""
    domain = Domain([WAIT, *operators], [method], objects=OBJECTS, types=TYPES)
    names = [name for name, _ in method.parameters[method.arity :]]
    return [tuple(one[name] for name in names) for one in bindings(method, Facts(state), args, domain, early)]


def method(conditions, *parameters, arity=0, subtasks=()):
    return Method("m", "t", parameters, conditions, subtasks, arity=arity)


def test_a_condition_binds_what_its_rows_hold():
    way = method([("road(?a, ?b)", "==", True)], "?a", "?b", arity=1)
    state = {"road(home, mill)": True, "road(home, inn)": True, "road(inn, home)": True}
    assert bound(way, state, ("home",)) == [("inn",), ("mill",)]


def test_bindings_come_in_the_order_of_the_objects_whatever_the_order_of_the_state():
    way = method([("road(?a, ?b)", "==", True)], "?a", "?b")
    roads = [(f"road({a}, {b})", True) for a in OBJECTS["place"] for b in OBJECTS["place"]]
    for seed in range(5):
        shuffled = random.Random(seed).sample(roads, len(roads))
        assert bound(way, dict(shuffled)) == list(product(OBJECTS["place"], repeat=2))


def test_a_value_can_be_a_parameter():
    way = method([("at(?t)", "==", "?p")], ("?t", "truck"), ("?p", "place"))
    assert bound(way, {"at(t1)": "mill", "at(t2)": "nowhere", "at(s1)": "inn"}) == [("t1", "mill")]


def test_a_value_that_is_bound_already_is_compared():
    way = method([("at(?t)", "==", "?p")], ("?p", "place"), ("?t", "truck"), arity=1)
    assert bound(way, {"at(t1)": "mill", "at(t2)": "inn"}, ("inn",)) == [("t2",)]


def test_true_is_not_one():
    way = method([("load(?t)", "==", True)], ("?t", "truck"))
    assert bound(way, {"load(t1)": 1, "load(t2)": True}) == [("t2",)]


def test_a_parameter_that_stands_twice_is_one_value():
    way = method([("road(?a, ?a)", "==", True)], "?a")
    assert bound(way, {"road(home, inn)": True, "road(inn, inn)": True}) == [("inn",)]


def test_variables_of_one_name_may_have_different_numbers_of_arguments():
    way = method([("free(?t)", "==", True)], ("?t", "truck"))
    assert bound(way, {"free": True, "free(t1)": True, "free(t1, inn)": True}) == [("t1",)]


def test_conditions_that_bind_nothing_are_tested_for_each_object_of_the_type():
    assert bound(method([("broken(?v)", "!=", True)], ("?v", "vehicle")), {"broken(t1)": True}) == [("t2",), ("s1",)]
    assert bound(method([("fuel(?v)", ">=", 2)], ("?v", "vehicle")), {"fuel(t1)": 3, "fuel(s1)": 1}) == [("t1",)]
    assert bound(method([("at(?v)", "==", None)], ("?v", "truck")), {"at(t1)": "inn"}) == [("t2",)]


def test_parameters_are_compared():
    way = method([("?a", "!=", "?b")], ("?a", "truck"), ("?b", "truck"))
    assert bound(way, {}) == [("t1", "t2"), ("t2", "t1")]
    assert bound(method([("?a", "==", "t2")], ("?a", "truck")), {}) == [("t2",)]


def test_rows_of_another_type_and_names_that_are_no_objects_bind_nothing():
    way = method([("parked(?v)", "==", True)], ("?v", "truck"))
    assert bound(way, {"parked(s1)": True, "parked(t2)": True, "parked(bike)": True}) == [("t2",)]
    assert bound(method([("parked(?v)", "==", True)], "?v"), {"parked(s1)": True, "parked(bike)": True}) == [("s1",)]


def test_a_method_of_a_narrower_type_is_not_for_other_arguments():
    way = method([], ("?v", "truck"), arity=1)
    domain = Domain([WAIT], [way], objects=OBJECTS, types=TYPES)
    assert [list(bindings(way, Facts(), (one,), domain)) for one in ("t1", "s1")] == [[{"?v": "t1"}], []]


def test_a_type_that_nobody_declared_says_nothing_about_arguments():
    way = method([], ("?v", "rocket"), arity=1)
    assert list(bindings(way, Facts(), (7,), Domain([WAIT], [way]))) == [{"?v": 7}]


def test_numbers_as_arguments_are_no_objects():
    way = method([("n(?x)", "==", True)], "?x", ("?v", "truck"), arity=1)
    assert bound(way, {"n(5)": True}, (5,)) == [("t1",), ("t2",)]
    assert bound(method([], ("?v", "truck"), arity=1), {}, (5,)) == []


def test_bindings_are_made_one_by_one():
    many = [f"o{number}" for number in range(2_000)]
    way = method([], "?a", "?b", "?c", "?d")
    domain = Domain([WAIT], [way], objects={"": many})
    found = bindings(way, Facts(), (), domain)  # 16,000,000,000,000 of them
    assert [next(found)["?d"] for _ in range(3)] == ["o0", "o1", "o2"]


def test_another_state_of_the_same_domain_is_not_mistaken_for_the_first():
    way = method([("road(?a, ?b)", "==", True)], "?a", "?b", arity=1)
    domain = Domain([WAIT], [way], objects=OBJECTS)
    for goal in ("inn", "mill"):
        assert [one["?b"] for one in bindings(way, Facts({f"road(home, {goal})": True}), ("home",), domain)] == [goal]


def test_a_method_of_another_domain_with_the_same_name_is_another_method():
    one, other = method([("up(?a)", "==", True)], "?a"), method([("up(?a)", "!=", True)], "?a")
    domain = Domain([WAIT], [one], objects={"": ["x", "y"]})
    state = Facts({"up(x)": True})
    assert [list(bindings(way, state, (), domain)) for way in (one, other)] == [[{"?a": "x"}], [{"?a": "y"}]]


def test_a_domain_that_was_planned_with_can_be_pickled():
    way = method([("up(?a)", "==", True)], "?a", subtasks=[("s", "wait")])
    domain = Domain([WAIT], [way], objects={"": ["x", "y"]})
    assert find_plan(domain, {"up(y)": True}, ["t"]).found
    assert find_plan(pickle.loads(pickle.dumps(domain)), {"up(y)": True}, ["t"]).names == ["wait"]


def random_condition(rng, names):
    table, arity = rng.choice([("p", 1), ("q", 2), ("r", 3), ("n", 1), ("v", 1)])
    args = ", ".join(rng.choice([*names, *names, "a", "c"]) for _ in range(arity))
    sign, value = "==", True
    if table == "n":
        sign, value = rng.choice([("<", 2), (">=", 1), ("==", 1), ("!=", 2)])
    elif table == "v":
        value = rng.choice([*names, "b"])
    elif rng.random() < 0.25:
        sign = "!="
    elif rng.random() < 0.1:
        value = None
    if rng.random() < 0.15:
        return rng.choice(names), rng.choice(["==", "!="]), rng.choice([*names, "b"])
    return f"{table}({args})", sign, value


def random_state(rng, objects):
    state = {}
    for table, arity in (("p", 1), ("q", 2), ("r", 3)):
        for args in product(objects, repeat=arity):
            if rng.random() < 0.4:
                state[f"{table}({', '.join(args)})"] = True
    for one in objects:
        state[f"n({one})"] = rng.choice([0, 1, 2, True])
        state[f"v({one})"] = rng.choice([*objects, "x", 3])
    return state


@pytest.mark.parametrize("seed", range(400))
def test_bindings_are_those_that_brute_force_finds(seed):
    rng = random.Random(seed)
    objects = {"one": ["a", "b"], "two": ["c"], "any": ["d"]}
    names = ["?w", "?x", "?y", "?z"][: rng.randint(1, 4)]
    parameters = [(name, rng.choice(["one", "two", "any", ""])) for name in names]
    way = Method(
        "m",
        "t",
        parameters,
        [random_condition(rng, names) for _ in range(rng.randint(0, 5))],
        arity=rng.randint(0, 2) % len(names),
    )
    changes = [("p(?o)", "=", None)] if rng.random() < 0.5 else []  # Whether p is static.
    domain = Domain([Operator("o", ["?o"], eff=changes)], [way], objects=objects, types={"one": "any", "two": "any"})
    state = Facts(random_state(rng, "abcd"))
    args = tuple(rng.choice("abcd") for _ in range(way.arity))
    wanted = []
    for values in product("abcd", repeat=len(names)):
        binding = dict(zip(names, values, strict=True))
        typed = all(value in domain.of_type(type_) for value, (_, type_) in zip(values, parameters, strict=True))
        if values[: way.arity] == args and typed and all(one.bound(binding).holds(state) for one in way.conditions):
            wanted.append(binding)
    found = list(bindings(way, state, args, domain))
    assert sorted(found, key=str) == sorted(wanted, key=str)


# What subtasks need


DRIVE = Operator("drive", ["?v", "?to"], [("licensed(?v)", "==", True), ("fuel(?v)", ">", 0)], [("fuel(?v)", "-=", 1)])


def test_what_a_step_needs_and_nothing_changes_is_tested_when_the_method_is_chosen():
    way = method([], ("?v", "truck"), subtasks=[("s1", "wait"), ("s2", ("drive", "?v", "inn"))])
    state = {"licensed(t2)": True, "fuel(t1)": 0, "fuel(t2)": 0}
    assert bound(way, state, (), DRIVE) == [("t1",), ("t2",)]
    assert bound(way, state, (), DRIVE, early="always") == [("t2",)]


def test_what_the_first_step_needs_is_tested_where_nothing_comes_between():
    way = method([], ("?v", "truck"), subtasks=[("s1", ("drive", "?v", "inn"))])
    state = {"licensed(t1)": True, "licensed(t2)": True, "fuel(t1)": 0, "fuel(t2)": 1}
    assert bound(way, state, (), DRIVE, early="always") == [("t1",), ("t2",)]
    assert bound(way, state, (), DRIVE, early="now") == [("t2",)]
    later = method([], ("?v", "truck"), subtasks=[("s0", "wait"), ("s1", ("drive", "?v", "inn"))])
    assert bound(later, state, (), DRIVE, early="now") == [("t1",), ("t2",)]


def chain(deep, *, ways=1):
    """go(?v) becomes go1(?v) ... becomes drive, the last one in several ways."""
    names = ["t", *[f"t{number}" for number in range(1, deep)]]
    inner = [Method("m", one, ["?v"], subtasks=[("s", (other, "?v"))]) for one, other in pairwise(names)]
    return [
        Method("top", "top", [("?v", "truck")], subtasks=[("s", ("t", "?v"))], arity=0),
        *inner,
        *[Method(f"w{way}", names[-1], ["?v"], subtasks=[("s", ("drive", "?v", "inn"))]) for way in range(ways)],
    ]


def test_what_a_step_deep_inside_needs_is_tested_at_the_top():
    trucks = [f"truck{number}" for number in range(1_000)]
    state = {f"licensed({trucks[-1]})": True, **{f"fuel({one})": 1 for one in trucks}}
    plan = find_plan(Domain([DRIVE], chain(20, ways=3), objects={"truck": trucks}), state, ["top"])
    assert plan.steps[0].task == ("drive", "truck999", "inn")
    assert plan.searched < 30


def test_what_only_some_methods_need_is_not_needed():
    walk = Operator("walk", ["?v"])
    ways = [*chain(3), Method("on_foot", "t2", ["?v"], subtasks=[("s", ("walk", "?v"))], p=0.5)]
    plan = find_plan(Domain([DRIVE, walk], ways, objects={"truck": ["t1"]}), {}, ["top"])
    assert plan.names == ["walk"]


def test_needs_that_differ_as_true_and_one_do_are_not_the_same():
    one, true = Operator("one", ["?v"], [("n(?v)", "==", 1)]), Operator("true", ["?v"], [("n(?v)", "==", True)])
    ways = [
        Method("top", "top", [("?v", "truck")], subtasks=[("s", ("t", "?v"))], arity=0),
        Method("m1", "t", ["?v"], subtasks=[("s", ("true", "?v"))]),
        Method("m2", "t", ["?v"], subtasks=[("s", ("one", "?v"))]),
    ]
    assert find_plan(Domain([one, true], ways, objects={"truck": ["t1"]}), {"n(t1)": 1}, ["top"]).names == ["one"]


def test_a_task_inside_itself_needs_what_its_way_out_needs():
    ways = [
        Method("top", "top", [("?v", "truck")], subtasks=[("s", ("t", "?v"))], arity=0),
        Method("again", "t", ["?v"], subtasks=[("s1", ("t", "?v")), ("s2", "wait")]),
        Method("out", "t", ["?v"], subtasks=[("s", ("drive", "?v", "inn"))]),
    ]
    domain = Domain([WAIT, DRIVE], ways, objects={"truck": ["t1", "t2"]})
    assert [one["?v"] for one in bindings(ways[0], Facts({"licensed(t2)": True}), (), domain, "always")] == ["t2"]


@pytest.mark.parametrize("tasks", list(permutations(["top", "outer", "inner", "last"])))
def test_what_is_needed_does_not_depend_on_the_order_of_the_tasks(tasks):
    walk = Operator("walk", ["?v"])
    ways = [
        Method("top", "top", [("?v", "truck")], subtasks=[("s", ("outer", "?v"))], arity=0),
        Method("m", "outer", ["?v"], subtasks=[("s", ("inner", "?v"))]),
        Method("m1", "inner", ["?v"], subtasks=[("s", ("drive", "?v", "inn"))]),
        Method("m2", "inner", ["?v"], subtasks=[("s", ("last", "?v"))]),
        Method("m", "last", ["?v"], [("strong(?v)", "==", True)], subtasks=[("s1", ("walk", "?v"))]),
    ]
    domain = Domain([DRIVE, walk], ways, tasks=tasks, objects={"truck": ["t1"]})
    assert find_plan(domain, {"strong(t1)": True}, ["top"]).names == ["walk"]
    assert [one["?v"] for one in bindings(ways[0], Facts(), (), domain, "always")] == ["t1"]
    only = Domain([DRIVE, walk], ways[:3], tasks=tasks, objects={"truck": ["t1"]})
    assert list(bindings(ways[0], Facts(), (), only, "always")) == []


def test_a_first_step_may_become_possible_while_the_method_waits():
    # The method has to be chosen while p holds; its step needs q, which the other task makes, taking p away.
    step, other = (
        Operator("step", ["?v"], [("q", "==", True)]),
        Operator("other", (), (), [("p", "=", None), ("q", "=", True)]),
    )
    ways = [Method("m", "t", [("?v", "truck")], [("p", "==", True)], [("s", ("step", "?v"))], arity=0)]
    plan = find_plan(
        Domain([step, other], ways, objects={"truck": ["t1"]}), {"p": True}, [("a", ["t"]), ("b", ["other"])], order=[]
    )
    assert plan.names == ["other", "step"]


def test_the_subtask_that_is_listed_first_need_not_be_the_first():
    step, make = Operator("step", ["?v"], [("q", "==", True)]), Operator("make", (), (), [("q", "=", True)])
    subtasks = [("s1", ("step", "?v")), ("s2", "make")]
    way = Method("m", "t", [("?v", "truck")], [], subtasks, order=[], arity=0)
    domain = Domain([step, make], [way], objects={"truck": ["t1"]})
    assert find_plan(domain, {}, ["t"]).names == ["make", "step"]


def test_what_was_done_before_needs_nothing():
    ways = [Method("m", "t", [("?v", "truck")], subtasks=[("s1", ("drive", "?v", "inn")), ("s2", "wait")], arity=0)]
    domain = Domain([WAIT, DRIVE], ways, objects={"truck": ["t1"]})
    state = {"licensed(t1)": True, "fuel(t1)": 0}
    assert not find_plan(domain, state, ["t"]).found
    assert find_plan(domain, state, ["t"], done=[("drive", "t1", "inn")]).names == ["drive", "wait"]


# Nothing is lost: against a search that knows none of this


def naive_plan(domain, state, network):
    """Whether there is a plan, by trying every task that waits for none in every way.

    `network`: (id, task, ids of those before it).
    """
    if not network:
        return True
    for number, (id_, task, before) in enumerate(network):
        rest = network[:number] + network[number + 1 :]
        if before:
            continue
        if task[0] in domain.operator:
            after = domain.operator[task[0]].apply(state, task[1:])
            left = [(one, other, waits - {id_}) for one, other, waits in rest]
            if after is not None and naive_plan(domain, after, left):
                return True
            continue
        for way in domain.methods_of[task[0]]:
            names = [name for name, _ in way.parameters]
            for free in product("ab", repeat=len(names) - way.arity):
                binding = dict(zip(names, [*task[1:], *free], strict=True))
                if not all(one.bound(binding).holds(state) for one in way.conditions):
                    continue
                order = way.after or [tuple(range(place)) for place in range(len(way.subtasks))]
                ids = [f"{id_}.{place}" for place in range(len(way.subtasks))]
                fresh = [
                    (
                        ids[place],
                        (one[0], *[binding.get(arg, arg) for arg in one[1:]]),
                        frozenset(ids[o] for o in order[place]),
                    )
                    for place, (_, one) in enumerate(way.subtasks)
                ]
                left = [
                    (one, other, (waits - {id_}) | set(ids) if id_ in waits else waits) for one, other, waits in rest
                ]
                if naive_plan(domain, state, fresh + left):
                    return True
    return False


def random_problem(rng):
    """Operators and two levels of tasks over two objects; some variables never change, some do."""

    def terms(names, most, effects=False):
        found = []
        for _ in range(rng.randint(0, most)):
            table = rng.choice("xyz" if effects else "xyzsst")
            arg = rng.choice([*names, "a"]) if names else "a"
            value = rng.choice([True, None]) if effects else True
            found.append((f"{table}({arg})", "=" if effects else rng.choice(["==", "==", "!="]), value))
        return found

    operators = [Operator(f"o{n}", ["?v"], terms(["?v"], 2), terms(["?v"], 2, effects=True)) for n in range(4)]
    methods = []
    for level in (1, 2):
        inside = ["o0", "o1", "o2", "o3"] if level == 1 else ["o0", "o1", "k10", "k11"]
        for number in range(2):
            for way in range(rng.randint(1, 2)):
                names = ["?v", "?w"][: rng.randint(1, 2)]
                subtasks = [
                    (f"s{place}", (rng.choice(inside), rng.choice(names))) for place in range(rng.randint(0, 2))
                ]
                pairs = [(f"s{place - 1}", f"s{place}") for place in range(1, len(subtasks)) if rng.random() < 0.5]
                order = rng.choice(["total", pairs])
                methods.append(Method(f"m{way}", f"k{level}{number}", names, terms(names, 1), subtasks, order, arity=1))
    state = {f"{table}({one})": True for table in "xyzst" for one in "ab" if rng.random() < 0.5}
    tasks = [
        (f"r{place}", (rng.choice(["k20", "k21", "k10", "o2"]), rng.choice("ab"))) for place in range(rng.randint(1, 2))
    ]
    return Domain(operators, methods, objects={"": ["a", "b"]}), state, tasks


@pytest.mark.parametrize("block", range(10))
def test_a_plan_is_found_exactly_when_there_is_one(block):
    found = 0
    for seed in range(block * 60, block * 60 + 60):
        rng = random.Random(seed)
        domain, state, tasks = random_problem(rng)
        order = rng.choice(["total", []])
        network = [(key, task, frozenset()) for key, task in tasks]
        if order == "total" and len(tasks) == 2:
            network[1] = (tasks[1][0], tasks[1][1], frozenset([tasks[0][0]]))
        wanted = naive_plan(domain, Facts(state), network)
        plan = find_plan(domain, state, tasks, order=order, limits=Limits(nodes=200_000, seconds=None))
        assert (plan.found, plan.reason) == ((True, "") if wanted else (False, "no_plan")), seed
        found += wanted
    assert 10 < found < 50
