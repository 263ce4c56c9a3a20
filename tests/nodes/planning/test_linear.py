"""Partial orders made total for a first, short search."""

from langgraph_agora.nodes.planning.domain import Domain, Method, Network, Operator
from langgraph_agora.nodes.planning.linear import domain_in_line, in_line
from langgraph_agora.nodes.planning.search import find_plan


def test_tasks_keep_their_places_as_far_as_the_order_lets_them():
    network = Network(tuple((key, (key,)) for key in "abcde"), ((3,), (), (1,), (), (0, 2)))
    assert "".join(key for key, _ in in_line(network).tasks) == "bcdae"
    assert in_line(network).after is None
    network = Network(tuple((key, (key,)) for key in "abc"), ((), (), (0,)))
    assert "".join(key for key, _ in in_line(network).tasks) == "abc"


def test_a_total_order_is_left_alone():
    network = Network((("a", ("a",)), ("b", ("b",))))
    assert in_line(network) is network
    way = Method("m", "t", subtasks=[("s1", "o"), ("s2", "o")])
    assert domain_in_line(Domain([Operator("o")], [way])).methods[0] is way


def test_the_domain_in_line_is_made_once():
    domain = Domain([Operator("o")], [Method("m", "t", subtasks=[("s1", "o"), ("s2", "o")], order=[])])
    assert domain_in_line(domain) is domain_in_line(domain)
    assert domain_in_line(domain).methods[0].after is None


def shopping():
    """Two independent trips, each with a recursion that interleaving would multiply."""
    move = Operator("move", ["?a", "?b"], [("at", "==", "?a"), ("road(?a, ?b)", "==", True)], [("at", "=", "?b")])
    buy = Operator("buy", ["?x", "?a"], [("at", "==", "?a"), ("sells(?x)", "==", "?a")], [("have(?x)", "=", True)])
    stay = Operator("stay", ["?a"], [("at", "==", "?a")])
    methods = [
        Method("fetch", "fetch", ["?x", "?a"], subtasks=[("s1", ("go", "?a")), ("s2", ("buy", "?x", "?a"))], arity=1),
        Method("via", "go", ["?b", "?a"], subtasks=[("s1", ("go", "?a")), ("s2", ("move", "?a", "?b"))], arity=1),
        Method("there", "go", ["?a"], subtasks=[("s1", ("stay", "?a"))]),
    ]
    places = ["a", "b", "c", "d"]
    roads = {f"road({one}, {other})": True for one, other in ("ab", "ba", "bc", "cb", "cd", "dc")}
    state = {"at": "a", "sells(milk)": "d", "sells(nails)": "c", **roads}
    tasks = [("t1", ("fetch", "milk")), ("t2", ("fetch", "nails"))]
    return find_plan(Domain([move, buy, stay], methods, objects={"": places}), state, tasks, order=[])


def test_what_needs_no_interleaving_is_found_without_it():
    plan = shopping()
    assert plan.found
    assert plan.searched < 2_000
    assert plan.root.after == ((), ())  # The plan keeps the order that was asked for, not the one it was found in.


def test_what_needs_interleaving_is_found_all_the_same():
    steps = [Operator(f"s{n}", (), [(f"p{n}", "==", True)], [(f"p{n + 1}", "=", True)]) for n in range(4)]
    ways = [
        Method("a", "ta", subtasks=[("s1", "s0"), ("s2", "s2")]),
        Method("b", "tb", subtasks=[("s1", "s1"), ("s2", "s3")]),
    ]
    plan = find_plan(Domain(steps, ways), {"p0": True}, [("a", ("ta",)), ("b", ("tb",))], order=[])
    assert plan.names == ["s0", "s1", "s2", "s3"]


def test_that_there_is_no_plan_is_not_said_after_the_first_search():
    steps = [Operator("s0", (), [("p1", "==", True)]), Operator("s1", (), (), [("p1", "=", True)])]
    ways = [
        Method("a", "ta", subtasks=[("s1", "s1"), ("s2", "s0")], order=[]),
        Method("b", "tb", subtasks=[("s", "s0")]),
    ]
    domain = Domain(steps, ways)
    assert find_plan(domain, {}, [("b", ("tb",)), ("a", ("ta",))], order=[]).names == ["s1", "s0", "s0"]
    assert find_plan(domain, {}, ["tb", "ta"]).reason == "no_plan"
