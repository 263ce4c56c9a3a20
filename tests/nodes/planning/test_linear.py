"""Partial orders made total for a first, short search; and searches that take turns."""

from langgraph_agora.nodes.planning.domain import Domain, Method, Network, Operator
from langgraph_agora.nodes.planning.linear import domain_in_line, in_line
from langgraph_agora.nodes.planning.search import Limits, find_plan


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


def shopping(order=(), **options):
    """Two independent trips, each with a recursion that interleaving would multiply."""
    move = Operator(
        "move", ["?a", "?b"], [("at", "==", "?a"), ("road(?a, ?b)", "==", True)], [("at", "=", "?b")], cost=1
    )
    buy = Operator("buy", ["?x", "?a"], [("at", "==", "?a"), ("sells(?x)", "==", "?a")], [("have(?x)", "=", True)])
    stay = Operator("stay", ["?a"], [("at", "==", "?a")])
    methods = [
        Method("fetch", "fetch", ["?x", "?a"], subtasks=[("s1", ("go", "?a")), ("s2", ("buy", "?x", "?a"))], arity=1),
        Method("via", "go", ["?b", "?a"], subtasks=[("s1", ("go", "?a")), ("s2", ("move", "?a", "?b"))], arity=1),
        Method("there", "go", ["?a"], subtasks=[("s1", ("stay", "?a"))], p=0.9),
    ]
    places = ["a", "b", "c", "d"]
    roads = {f"road({one}, {other})": True for one, other in ("ab", "ba", "bc", "cb", "cd", "dc")}
    state = {"at": "a", "sells(milk)": "d", "sells(nails)": "c", **roads}
    tasks = [("t1", ("fetch", "milk")), ("t2", ("fetch", "nails"))]
    return find_plan(Domain([move, buy, stay], methods, objects={"": places}), state, tasks, order=order, **options)


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


# The best plan of tasks without an order


def unordered(n, p=1.0, order=(), **options):
    """Independent tasks, each with a dear way that is tried first and a cheap one."""
    steps = [Operator("dear", cost=5), Operator("cheap", cost=1)]
    ways = [Method("a", "t", subtasks=[("s", "dear")], p=1.0), Method("b", "t", subtasks=[("s", "cheap")], p=p)]
    return find_plan(Domain(steps, ways), {}, ["t"] * n, order=order, optimise="cost", **options)


def test_the_best_plan_of_independent_tasks_is_proven_without_trying_their_interleavings():
    plan = unordered(10, p=0.5)
    assert (plan.cost, plan.optimal) == (10, True)
    assert unordered(10, p=0.5, order="total").searched < plan.searched < 1_000  # Both searches count.
    assert plan.root.after == ((),) * 10


def test_a_search_that_would_be_lost_in_interleavings_improves_the_best_plan_without_them():
    assert shopping(order="total", optimise="cost").cost == 4
    plan = shopping(optimise="cost", limits=Limits(nodes=8_000))
    assert (plan.cost, plan.optimal) == (3, True)  # To c with the nails, and on to d.
    early = shopping(optimise="cost", limits=Limits(nodes=400))
    assert early.cost <= 4
    assert not early.optimal
    assert early.explanation == "the search was ended by 400 search nodes; a better plan may exist"
    assert early.searched == 401


def test_a_limit_without_an_order_leaves_the_best_plan_so_far():
    plan = unordered(100, p=0.5, limits=Limits(nodes=1_500))
    assert plan.found
    assert not plan.optimal
    assert plan.cost < 500  # Of the first plan.


def test_a_plan_that_only_interleaving_makes_cheaper_is_found_after_the_one_in_line():
    # The cheap way of b needs p, which holds only between the two steps of a.
    steps = [
        Operator("open", (), (), [("p", "=", True)]),
        Operator("close", (), [("p", "==", True)], [("p", "=", False)]),
        Operator("dear", cost=5),
        Operator("cheap", (), [("p", "==", True)], cost=1),
    ]
    ways = [
        Method("a", "ta", subtasks=[("s1", "open"), ("s2", "close")]),
        Method("dear", "tb", subtasks=[("s", "dear")], p=0.9),
        Method("cheap", "tb", subtasks=[("s", "cheap")], p=0.8),
    ]
    plan = find_plan(Domain(steps, ways), {}, ["ta", "tb"], order=[], optimise="cost")
    assert (plan.names, plan.cost, plan.optimal) == (["open", "cheap", "close"], 1, True)
    in_line = find_plan(Domain(steps, ways), {}, ["ta", "tb"], optimise="cost")
    assert (in_line.cost, in_line.optimal) == (5, True)


def test_interleavings_of_the_same_steps_are_not_tried_once_a_plan_is_known():
    # a and b have to be interleaved, so the first search finds nothing; the tasks beside them are independent.
    steps = [Operator(f"s{n}", (), [(f"p{n}", "==", True)], [(f"p{n + 1}", "=", True)]) for n in range(4)]
    steps += [Operator("dear", cost=5), Operator("cheap", cost=1)]
    ways = [
        Method("a", "ta", subtasks=[("s1", "s0"), ("s2", "s2")]),
        Method("b", "tb", subtasks=[("s1", "s1"), ("s2", "s3")]),
        Method("dear", "t", subtasks=[("s", "dear")], p=0.9),
        Method("cheap", "t", subtasks=[("s", "cheap")], p=0.8),
    ]
    plan = find_plan(Domain(steps, ways), {"p0": True}, ["ta", "tb", *["t"] * 8], order=[], optimise="cost")
    assert (plan.cost, plan.optimal) == (8, True)
    assert plan.searched < 20_000


def test_what_is_forbidden_is_forbidden_in_the_first_search_too():
    steps = [Operator("dear", cost=5), Operator("cheap", cost=1)]
    ways = [Method(one.name, "t", subtasks=[("s", one.name)]) for one in steps]
    without = [(("t",), "cheap")]
    plan = find_plan(Domain(steps, ways), {}, ["t", "t"], order=[], optimise="cost", without=without)
    assert (plan.names, plan.cost, plan.optimal) == (["dear", "dear"], 10, True)


def test_a_search_that_pauses_for_another_takes_no_failure_for_granted():
    # t comes back to itself at once, and that way fails; t itself has not failed when the long way has had its turn.
    bits = range(14)
    steps = [Operator(f"set{bit}{value}", (), (), [(f"b{bit}", "=", value)]) for bit in bits for value in (0, 1)]
    steps += [Operator("never", (), [("no", "==", True)]), Operator("step")]
    ways = [Method(f"v{v}", f"bit{bit}", subtasks=[("s", f"set{bit}{v}")]) for bit in bits for v in (0, 1)]
    ways += [
        Method("loop", "t", subtasks=[("s", "t")], p=1.0),
        Method("long", "t", subtasks=[*[(f"s{bit}", f"bit{bit}") for bit in bits], ("last", "never")], p=0.9),
        Method("short", "t", subtasks=[("s", "step")], p=0.5),
    ]
    assert find_plan(Domain(steps, ways), {}, ["t"]).names == ["step"]
