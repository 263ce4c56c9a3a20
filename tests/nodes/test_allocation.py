"""Several tasks at once: the optimum against brute force, VCG payments, and why auctions in turn are no substitute."""

import itertools
import json
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.allocation import allocate, in_turn, vcg

FACTS = json.loads((Path(__file__).parents[1] / "data" / "auctions.json").read_text())
TABLES = [case for case in FACTS["cases"] if case["type"] == "vcg"]
WAYS = [allocate, vcg, in_turn]


def exact(number):
    return Fraction(str(number)) if isinstance(number, float) else Fraction(number)


def sizes(costs, capacities):
    return [capacities] * len(costs) if isinstance(capacities, int) else capacities


def ways_out(costs, outside):
    return outside if isinstance(outside, list) else [outside] * len(costs[0])


def brute_force(costs, capacities, outside):
    """Try every assignment: the fewest tasks left that must be done, then the lowest cost, then the first of all."""
    nobody = len(costs)
    limits, left = sizes(costs, capacities), ways_out(costs, outside)
    found = []
    for assignment in itertools.product(range(nobody + 1), repeat=len(left)):
        chosen = [left[task] if agent == nobody else costs[agent][task] for task, agent in enumerate(assignment)]
        undone = sum(cost is None and agent == nobody for cost, agent in zip(chosen, assignment, strict=True))
        impossible = chosen.count(None) > undone
        if not impossible and all(assignment.count(agent) <= limit for agent, limit in enumerate(limits)):
            found.append((undone, sum(exact(cost) for cost in chosen if cost is not None), assignment))
    undone, total, assignment = min(found)
    return undone, total, [None if agent == nobody else agent for agent in assignment]


# Facts


@pytest.mark.parametrize("case", TABLES, ids=lambda case: f"{len(case['costs'])} agents")
def test_known_tables_have_known_allocations_and_payments(case):
    found = vcg(case["costs"], case["capacity"], case["outside_cost"])
    assert found.assignment == case["expect"]["assignment"]
    assert (found.total, found.payments) == (case["expect"]["total_cost"], case["expect"]["payments"])
    assert (found.truthful, found.reason) == (True, "")
    plain = allocate(case["costs"], case["capacity"], case["outside_cost"])
    assert (plain.assignment, plain.total, plain.payments) == (found.assignment, found.total, None)


def test_to_sell_values_are_costs_below_zero():
    """The places beside a search's results: what the textbook says that VCG asks for them."""
    fact = FACTS["search_advertising"]
    costs = [[-value * clicks for clicks in fact["clicks"]] for value in fact["values"]]
    found = vcg(costs, 1, outside=0)
    assert found.assignment == [0, 1]
    assert [-payment for payment in found.payments] == [*fact["vcg_payments"], 0]


def test_the_second_price_is_the_payment_for_one_task():
    found = vcg([[9], [37], [55]], 1, outside=40)
    assert (found.assignment, found.payments) == ([0], [37, 0, 0])
    assert vcg([[9], [50]], 1, outside=40).payments == [40, 0], "nobody else is eligible: the reserve"


# Tasks that stay undone


def test_as_many_tasks_as_possible_are_done_whatever_they_cost():
    assert allocate([[1, 1], [None, 99]], 1).assignment == [0, 1]
    assert allocate([[1, 1, 1], [50, 60, 70]], 1).assignment == [1, 0, None]


@pytest.mark.parametrize(
    ("costs", "capacities", "outside", "reason"),
    [
        ([[1, None], [2, None]], 2, None, "task 1 stays undone: nobody can do it"),
        ([[1, 2]], 1, None, "task 1 stays undone: no room is left"),
        ([[1, 2]], 1, [9, 9], "task 1 stays undone: no room is left"),
        ([[1, 10]], 2, 9, "task 1 stays undone: leaving it is cheaper"),
        ([[1, 10], [1, 3]], [2, 0], 9, "task 1 stays undone: leaving it is cheaper"),
        ([[1, 2]], 0, None, "task 0 stays undone: no room is left; task 1 stays undone: no room is left"),
    ],
)
def test_the_reason_says_why_a_task_stays_undone(costs, capacities, outside, reason):
    for way in WAYS:
        found = way(costs, capacities, outside)
        assert found.reason.split("; the payment")[0] == reason


def test_a_task_that_costs_as_much_as_leaving_it_is_done():
    assert allocate([[9]], 1, outside=9).assignment == [0]
    assert in_turn([[9]], 1, outside=9).assignment == [0]


def test_some_tasks_may_be_left_and_others_not():
    found = allocate([[5, 50]], 1, outside=[20, None])
    assert (found.assignment, found.total) == ([None, 0], 70)


def test_a_payment_without_any_competition_is_undefined():
    found = vcg([[3, 5], [None, 7]], 2)
    assert found.payments == [None, 0]
    assert found.reason == "the payment of agent 0 is undefined, as nobody else would do its work: give outside="
    assert found.truthful is False
    assert vcg([[3, 5], [None, 7]], 2, outside=20).payments == [27, 0], "what the others would lose without it"
    assert in_turn([[3, 5], [None, 7]], 2).payments == [None, 0]
    assert vcg([[3, 5], [4, 7]], 2).payments == [11, 0], "it is defined where the others could do it all"


# The optimum

costs_of = st.integers(0, 4) | st.integers(-9, 9) | st.sampled_from([0.1, 0.2, 0.3, 0.1 + 0.2, Fraction(1, 3)])


@st.composite
def problems(draw, costs=costs_of):
    agents, tasks = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    cell = st.none() | costs
    table = draw(st.lists(st.lists(cell, min_size=tasks, max_size=tasks), min_size=agents, max_size=agents))
    capacities = draw(st.integers(0, 3) | st.lists(st.integers(0, 3), min_size=agents, max_size=agents))
    return table, capacities, draw(cell | st.lists(cell, min_size=tasks, max_size=tasks))


@settings(derandomize=True, deadline=None, max_examples=400)
@given(problems())
def test_the_allocation_is_the_first_of_the_best_that_brute_force_finds(problem):
    costs, capacities, outside = problem
    undone, total, assignment = brute_force(costs, capacities, outside)
    found, paid = allocate(costs, capacities, outside), vcg(costs, capacities, outside)
    assert found.assignment == paid.assignment == assignment
    assert exact(found.total) == exact(paid.total) == exact(float(total) if isinstance(found.total, float) else total)
    assert bool(found.reason) == (None in assignment)
    for agent, payment in enumerate(paid.payments):
        absent = [0 if other == agent else size for other, size in enumerate(sizes(costs, capacities))]
        undone_without, total_without, _ = brute_force(costs, absent, outside)
        if undone_without > undone:
            assert payment is None
        else:
            own = sum(exact(costs[agent][task]) for task, taker in enumerate(assignment) if taker == agent)
            assert float(payment) == float(total_without - total + own), "an agent gets what it saves the others"
            assert payment >= float(own) or agent not in assignment, "nobody works at a loss"


@pytest.mark.parametrize(
    "numbers",
    [
        [10**20 + small for small in range(6)],  # In floats they are all the same.
        [1e29, 5e-324, 3.5, 1e-20],
        [0.1, 0.2, 0.3, 0.1 + 0.2],
    ],
    ids=["large", "of all sizes", "decimal"],
)
def test_numbers_that_floats_cannot_tell_apart_are_still_compared_exactly(numbers):
    rng = random.Random(1)
    for _ in range(150):
        costs = [[rng.choice(numbers) for _ in range(4)] for _ in range(3)]
        capacities = rng.choice([2, [1, 1, 2]])
        _, total, assignment = brute_force(costs, capacities, None)
        found = allocate(costs, capacities)
        assert found.assignment == assignment
        assert found.total == (total if isinstance(found.total, int) else float(total))


def test_many_slots_need_no_huge_table():
    """300 tasks with room for 14,701: the one place of the best agent goes where it saves the most."""
    savings = [(task * 7919) % 1000 for task in range(300)]
    found = allocate([[1] * 300, *([2 + saving for saving in savings] for _ in range(49))], [1] + [300] * 49)
    assert found.assignment.index(0) == savings.index(max(savings))
    assert found.total == sum(savings) + 600 - max(savings) - 1


def test_equal_allocations_go_to_the_lowest_agents_first():
    assert allocate([[1] * 5] * 3, 2).assignment == [0, 0, 1, 1, 2]
    assert allocate([[2, 1], [2, 1]], 1).assignment == [0, 1]
    assert allocate([[1, 5, 1], [1, 5, 1], [1, 5, 1]], 1).assignment == [0, 1, 2]
    assert allocate([[0.1 + 0.2, 3], [0.3, 3]], 1).assignment == [1, 0], "0.30000000000000004 is more than 0.3"
    assert allocate([[4, 3, 9], [2, 1, 9], [9, 9, 1]], 1).assignment == [0, 1, 2], "4 + 1 = 3 + 2"


def test_numbers_keep_their_type():
    assert isinstance(vcg([[1, 2], [2, 1]], 1, 5).total, int)
    assert {type(payment) for payment in vcg([[1, 2], [2, 1.0]], 1, 5).payments} == {float}
    thirds = vcg([[Fraction(1, 3)], [Fraction(2, 3)]], 1)
    assert (thirds.total, thirds.payments) == (Fraction(1, 3), [Fraction(2, 3), 0])
    assert json.loads(json.dumps(thirds.to_dict()))["payments"] == [2 / 3, 0]
    assert vcg([[1]], 1).to_dict() == {
        "assignment": [0],
        "total": 1,
        "rule": "vcg",
        "reason": "the payment of agent 0 is undefined, as nobody else would do its work: give outside=",
        "payments": [None],
        "truthful": False,
    }


@settings(derandomize=True, deadline=None, max_examples=150)
@given(problems(st.integers(-99, 99)), st.randoms(use_true_random=False))
def test_agents_can_be_listed_in_any_order(problem, rng):
    costs, capacities, outside = problem
    order = list(range(len(costs)))
    rng.shuffle(order)
    before = vcg(costs, capacities, outside)
    limits = sizes(costs, capacities)
    after = vcg([costs[agent] for agent in order], [limits[agent] for agent in order], outside)
    assert after.total == before.total
    moved = [None if agent is None else order[agent] for agent in after.assignment]
    if moved == before.assignment:  # Always so where there is one optimum.
        assert after.payments == [before.payments[agent] for agent in order]
    else:
        together = [sum(costs[a][t] for t, a in enumerate(way) if a is not None) for way in (moved, before.assignment)]
        left = [
            sum(ways_out(costs, outside)[t] or 0 for t, a in enumerate(w) if a is None)
            for w in (moved, before.assignment)
        ]
        assert together[0] + left[0] == together[1] + left[1], "another optimum, as cheap"


# Truthfulness


def earned(found, agent, true):
    return found.payments[agent] - sum(true[task] for task, taker in enumerate(found.assignment) if taker == agent)


def tables(seed):
    rng = random.Random(seed)
    while True:
        agents, tasks = rng.randint(2, 4), rng.randint(1, 3)
        costs = [[rng.randint(0, 9) for _ in range(tasks)] for _ in range(agents)]
        yield rng, costs, [rng.randint(1, 2) for _ in range(agents)], rng.choice([12, [rng.randint(3, 12)] * tasks])


def test_no_report_but_the_true_costs_gains_under_vcg():
    tried = 0
    for rng, costs, capacities, outside in tables(7):
        honest = vcg(costs, capacities, outside)
        for agent, true in enumerate(costs):
            truth = earned(honest, agent, true)
            assert truth >= 0, "who reports the truth never loses"
            for _ in range(12):
                report = [rng.choice([None, rng.randint(0, 13), max(0, cost + rng.randint(-2, 2))]) for cost in true]
                others = [report if other == agent else row for other, row in enumerate(costs)]
                assert earned(vcg(others, capacities, outside), agent, true) <= truth, (costs, agent, report)
                tried += 1
        if tried >= 10_000:
            break


def test_second_prices_in_turn_can_be_gamed():
    fact = FACTS["in_turn_is_manipulable"]
    costs, agent = fact["costs"], fact["deviator"]
    honest = in_turn(costs, fact["capacities"], fact["outside"])
    gamed = in_turn([costs[0], fact["report"]], fact["capacities"], fact["outside"])
    assert earned(gamed, agent, costs[agent]) - earned(honest, agent, costs[agent]) == fact["gain"]
    assert honest.truthful is gamed.truthful is False
    assert honest.rule == "in turn, given"


# One task after the other


def test_each_order_gives_away_its_own_task_first():
    costs = [[3, 1, 2], [4, 9, 8]]
    assert in_turn(costs, [1, 2]).assignment == [0, 1, 1], "task 0 takes the only place of agent 0"
    assert in_turn(costs, [1, 2], order="lowest").assignment == [1, 0, 1], "1 is the lowest bid"
    assert in_turn([[3, 1, 0], [4, 9, 2]], [1, 2], order="regret").assignment == [1, 0, 1], "8 is the largest regret"
    assert in_turn(costs, [1, 2], order="lowest").payments is None


def test_a_task_that_only_one_agent_can_do_goes_first_in_the_order_of_regret():
    assert in_turn([[1, 5], [9, None]], 1, order="regret").assignment == [1, 0]
    assert in_turn([[5, 2], [8, 5]], 1, order="regret").assignment == [1, 0], "equal regrets: 2 is the lower bid"


def test_in_turn_each_task_has_its_second_price():
    assert in_turn([[3, 5], [2, 4], [9, 9]], 1).payments == [9, 3, 0]
    assert in_turn([[3], [50]], 1, outside=20).payments == [20, 0], "leaving it bounds the price"
    assert in_turn([[3, 4], [6, 7]], 2).payments == [13, 0]


def literal(costs, capacities, outside, order):
    """The two orders as they are described, with every bid looked at again for every task."""
    nobody, limits, left = len(costs), list(sizes(costs, capacities)), ways_out(costs, outside)
    huge = 10**6
    assignment, open_tasks = {}, set(range(len(left)))
    while open_tasks:
        offers = {}
        for task in open_tasks:
            bids = [(row[task], agent) for agent, row in enumerate(costs) if limits[agent] and row[task] is not None]
            offers[task] = sorted([*bids, (huge if left[task] is None else left[task], nobody)])
        if order == "lowest":
            task = min(open_tasks, key=lambda task: (offers[task][0][0], task))
        else:
            task = max(open_tasks, key=lambda t: ((offers[t] * 2)[1][0] - offers[t][0][0], -offers[t][0][0], -t))
        agent = offers[task][0][1]
        if agent != nobody:
            limits[agent] -= 1
        assignment[task] = None if agent == nobody else agent
        open_tasks.remove(task)
    return [assignment[task] for task in range(len(left))]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(problems(st.integers(0, 9)), st.sampled_from(["lowest", "regret"]))
def test_the_orders_are_those_of_the_description(problem, order):
    found = in_turn(*problem, order=order)
    assert found.assignment == literal(*problem, order)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(problems(), st.sampled_from(["given", "lowest", "regret"]))
def test_in_turn_is_never_better_than_the_optimum(problem, order):
    costs, capacities, outside = problem
    found, best = in_turn(*problem, order=order), allocate(*problem)
    left, limits = ways_out(costs, outside), sizes(costs, capacities)

    def undone(way):
        return sum(agent is None and left[task] is None for task, agent in enumerate(way.assignment))

    assert (undone(found), found.total) >= (undone(best), best.total)
    assert all(found.assignment.count(agent) <= limit for agent, limit in enumerate(limits))
    assert all(costs[agent][task] is not None for task, agent in enumerate(found.assignment) if agent is not None)


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"costs": []}, "The costs were []; give a list of lists"),
        ({"costs": [[], []]}, "The costs were [[], []]"),
        ({"costs": None}, "The costs were None"),
        ({"costs": "ab"}, "The costs were 'ab'"),
        ({"costs": [[1, 2], "ab"]}, "give a list of lists"),
        ({"costs": {0: [1]}}, "give a list of lists"),
        ({"costs": [[1, 2], [3]]}, "Agent 1 has 1 costs, agent 0 has 2"),
        ({"costs": [[1, float("nan")], [3, 4]]}, "The cost of task 1 (agent 0) is not finite: nan"),
        ({"costs": [[1, 2], [float("inf"), 4]]}, "The cost of task 0 (agent 1) is not finite: inf"),
        ({"costs": [[1, True], [3, 4]]}, "is not a number: True"),
        ({"costs": [[1, "2"], [3, 4]]}, "is not a number: '2'"),
        ({"costs": [[1, 10**30], [3, 4]]}, "is far too large"),
        ({"capacities": -1}, "The capacity of agent 0 was -1"),
        ({"capacities": [1, -1]}, "The capacity of agent 1 was -1"),
        ({"capacities": [1, 1.5]}, "The capacity of agent 1 was 1.5"),
        ({"capacities": True}, "The capacity of agent 0 was True"),
        ({"capacities": None}, "The capacity of agent 0 was None"),
        ({"capacities": [1]}, "capacities has 1 entries; give one number for all, or one for each agent: 2"),
        ({"outside": [1, 2, 3]}, "outside has 3 entries; give one number for all, or one for each task: 2"),
        ({"outside": float("nan")}, "The cost of task 0 (outside) is not finite: nan"),
        ({"outside": [1, "2"]}, "The cost of task 1 (outside) is not a number: '2'"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_wrong_arguments_are_refused_in_words(way, arguments, message):
    with pytest.raises(ConfigError) as refused:
        way(**{"costs": [[1, 2], [3, 4]], "capacities": 1, **arguments})
    assert message in str(refused.value)


@pytest.mark.parametrize(("order", "message"), [("lowset", "Did you mean 'lowest'?"), (None, "There is no order None")])
def test_an_unknown_order_is_refused(order, message):
    with pytest.raises(ConfigError) as refused:
        in_turn([[1]], 1, order=order)
    assert message in str(refused.value)


def test_a_number_too_long_to_print_is_refused_in_words():
    for arguments in ({"capacities": -(10**5000)}, {"outside": 10**5000}, {"costs": 10**5000}):
        with pytest.raises(ConfigError):
            allocate(**{"costs": [[1]], "capacities": 1, **arguments})


def test_only_who_allocates_waits_for_scipy():
    code = "import sys, langgraph_agora.nodes.auctions; print(sorted({'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
