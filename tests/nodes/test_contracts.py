"""Who may bid, who gets a task at what price, and what is remembered: the pure part of the auction graph."""

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.nodes.contracts import KINDS, admitted, amount, recorded, reliability, tender

MANY = {"ann": 9, "bob": 9, "cem": 9, "dan": 9}


def bids_of(costs):
    return {agent: {"cost": cost, "capability": "well"} for agent, cost in costs.items()}


def record(kept=0, broken=0):
    return {"kept": kept, "broken": broken}


def single(kind, costs, records=None, *, free=None, reserve=100, step=1):
    """One task put out to tender."""
    [one] = tender(kind, [0], {0: bids_of(costs)}, records or {}, free=free or MANY, reserve=reserve, step=step)
    return one


def several(costs, records=None, *, capacity=1, reserve=100, kind="vcg"):
    """Agent -> its costs of task 0, 1, ...; what came of each task."""
    tasks = range(len(next(iter(costs.values()))))
    bids = {task: bids_of({agent: row[task] for agent, row in costs.items()}) for task in tasks}
    return tender(kind, list(tasks), bids, records or {}, free=dict.fromkeys(costs, capacity), reserve=reserve)


# Who may bid


@pytest.mark.parametrize(
    ("bid", "why"),
    [
        ({"cost": None, "error": "it said no number"}, "it said no number"),
        ({"cost": None}, "it made no bid"),
        ({}, "it made no bid"),
        ({"cost": 5, "capability": "cannot"}, "it says that it cannot do it"),
        ({"cost": 100.5}, "its bid of 100.5 is above the reserve of 100"),
        ({"cost": float("nan")}, "its bid is not finite: nan"),
        ({"cost": float("inf")}, "its bid is not finite: inf"),
        ({"cost": -1}, "its bid is negative: -1"),
        ({"cost": "$5"}, "its bid is not a number: '$5'"),
        ({"cost": True}, "its bid is not a number: True"),
        ({"cost": 10**40}, "its bid is far too large"),
    ],
)
def test_a_bid_that_cannot_win_is_refused_with_its_reason(bid, why):
    assert admitted({"ann": bid}, {}, MANY, 100) == ({}, {"ann": why})


@pytest.mark.parametrize("bid", [{"cost": 0}, {"cost": 100}, {"cost": 0.5, "capability": "partly"}])
def test_a_bid_from_nothing_up_to_the_reserve_counts(bid):
    assert admitted({"ann": bid}, {}, MANY, 100) == ({"ann": bid["cost"]}, {})


def test_who_broke_too_many_promises_may_not_bid_and_two_are_not_yet_too_many():
    records = {"ann": record(broken=2), "bob": record(broken=3), "cem": record(kept=1, broken=6)}
    costs, refused = admitted(bids_of({"ann": 5, "bob": 5, "cem": 5}), records, MANY)
    assert costs == {"ann": 5}
    assert refused == {"bob": "it kept 0 of 3 promises", "cem": "it kept 1 of 7 promises"}


def test_who_has_no_capacity_left_may_not_bid():
    assert admitted(bids_of({"ann": 5}), {}, {"ann": 0}) == ({}, {"ann": "it has no capacity left"})
    assert admitted(bids_of({"ann": 5}), {}, {}) == ({}, {"ann": "it has no capacity left"})


def test_the_record_shows_what_share_of_promises_to_expect():
    assert [reliability(record(kept, broken)) for kept, broken in ((0, 0), (1, 0), (0, 1), (3, 1))] == [
        Fraction(1, 2), Fraction(2, 3), Fraction(1, 3), Fraction(2, 3)
    ]  # fmt: skip
    before = {"ann": record(kept=1)}
    assert recorded(before, "ann", kept=False) == {"ann": record(1, 1)}
    assert recorded(before, "bob", kept=True) == {"ann": record(1, 0), "bob": record(1, 0)}
    assert before == {"ann": record(1, 0)}, "a record is never changed in place"


# Winners and prices


@pytest.mark.parametrize(("kind", "price"), [("vickrey", 30), ("first_price", 10), ("english", 29), ("vcg", 30)])
def test_the_lowest_bid_wins_and_the_kind_sets_the_price(kind, price):
    one = single(kind, {"ann": 10, "bob": 30, "cem": 60})
    assert (one.winner, one.price) == ("ann", price)


@pytest.mark.parametrize(("kind", "price"), [("vickrey", 100), ("first_price", 10), ("english", 100), ("vcg", 100)])
def test_a_lone_bidder_is_paid_the_reserve(kind, price):
    assert single(kind, {"ann": 10}).price == price


@pytest.mark.parametrize("kind", ["vickrey", "english", "vcg"])
def test_without_a_reserve_a_lone_bidder_has_no_price_and_the_reason_says_so(kind):
    one = single(kind, {"ann": 10}, reserve=None)
    assert (one.winner, one.price) == (None, None)
    assert "give" in one.reason
    assert "reserve" in one.reason
    assert single("first_price", {"ann": 10}, reserve=None).price == 10


@pytest.mark.parametrize("kind", KINDS)
def test_equal_bids_go_to_the_first_by_name(kind):
    assert single(kind, {"cem": 20, "bob": 20}).winner == "bob"


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_gets_a_task_that_nobody_may_take(kind):
    one = single(kind, {"ann": 101, "bob": None})
    assert (one.winner, one.price, one.tied, one.runner_up) == (None, None, (), None)
    assert one.reason == (
        "nobody may take it (ann: its bid of 101 is above the reserve of 100; bob: it made no bid)"
    )  # fmt: skip
    assert set(one.refused) == {"ann", "bob"}
    assert single(kind, {}).reason == "nobody made a bid"


@pytest.mark.parametrize("kind", KINDS)
def test_a_promise_kept_half_as_often_has_to_be_half_as_dear(kind):
    """ann is expected to keep 2 of 3 promises, bob 1 of 3: his 20 counts like her 40."""
    records = {"ann": record(kept=1), "bob": record(broken=1)}
    assert single(kind, {"ann": 39, "bob": 20}, records).winner == "ann"
    assert single(kind, {"ann": 41, "bob": 20}, records).winner == "bob"


def test_the_winner_is_paid_the_most_with_which_it_would_still_have_won():
    records = {"ann": record(kept=1), "bob": record(broken=1)}
    one = single("vickrey", {"ann": 41, "bob": 20}, records)
    assert (one.winner, one.price) == ("bob", 20.5)
    assert single("vickrey", {"ann": 41, "bob": 20.5}, records).tied == ("ann", "bob")
    assert single("vickrey", {"ann": 41, "bob": 20.6}, records).winner == "ann"
    assert single("vickrey", {"ann": 30, "bob": 20}, records).price == 40, "ann would still have won with 40"


def test_a_good_record_lifts_no_price_above_the_reserve():
    records = {"ann": record(kept=1), "bob": record(broken=1)}
    one = single("vickrey", {"ann": 30, "bob": 60}, records)
    assert (one.winner, one.price) == ("ann", 100), "and not bob's 120"


def test_task_after_task_the_capacity_runs_out():
    first, second, third = several({"ann": [1, 2, 3], "bob": [10, 20, 30]}, kind="vickrey")
    assert [one.winner for one in (first, second, third)] == ["ann", "bob", None]
    assert second.refused == {"ann": "it has no capacity left"}
    assert [one.price for one in (first, second)] == [10, 100]


def test_all_at_once_the_total_is_lowest():
    """Task after task ann would take task 0 for 3, and the total would be 8 instead of 7."""
    assert [one.winner for one in several({"ann": [3, 5], "bob": [4, 9]})] == ["bob", "ann"]


def test_vcg_pays_each_agent_what_its_presence_saves():
    first, second = several({"ann": [3, 5], "bob": [2, 4]}, reserve=15)
    assert [(one.winner, one.price) for one in (first, second)] == [("ann", 13), ("bob", 15)]


def test_the_payment_for_several_tasks_covers_the_cost_of_each():
    """Together ann is paid 30 + 80 = 110; half of it would not cover the second task."""
    first, second = several({"ann": [10, 70], "bob": [30, 80]}, capacity=2)
    assert [one.winner for one in (first, second)] == ["ann", "ann"]
    assert first.price + second.price == 110
    assert first.price == 10 + 30 * Fraction(90, 120)
    assert second.price == 70 + 30 * Fraction(30, 120)
    first, second = several({"ann": [10, 70], "bob": [30, 80]}, capacity=2, reserve=None)
    assert (first.price, second.price) == (25, 85)


def test_without_a_reserve_vcg_awards_nothing_to_who_cannot_be_replaced():
    first, second = several({"ann": [3, 5], "bob": [2, None]}, capacity=2, reserve=None)
    assert (first.winner, first.price) == ("bob", 3)
    assert (second.winner, second.price) == (None, None)
    assert second.reason == "without ann less could be done, so that its price is undefined; give a reserve"
    assert not first.truthful, "ann would gain by saying that it cannot do the second task"


def test_vcg_leaves_a_task_that_is_dearer_than_the_reserve_once_the_record_is_weighed():
    records = {"ann": record(kept=1), "bob": record(broken=1)}
    first, second = several({"ann": [10, None], "bob": [80, 60]}, records)
    assert (first.winner, first.price) == ("ann", 100)
    assert second.winner is None
    assert second.reason == (
        "every bid that counts is above the reserve of 100 once records are weighed in "
        "(expected to keep its promise: ann 67%, bob 33%)"
    )


def test_vcg_says_whose_capacity_a_task_lacks():
    first, second, third = several({"ann": [10, 20, 50], "bob": [40, 30, None]})
    assert [one.winner for one in (first, second, third)] == ["ann", "bob", None]
    assert third.reason == "the cheapest way to do everything leaves ann no capacity for it"


def test_tasks_keep_their_numbers_when_only_some_are_left():
    bids = {4: bids_of({"ann": 10}), 7: bids_of({"ann": None})}
    for kind in KINDS:
        done = tender(kind, [4, 7], bids, {}, free=MANY, reserve=100)
        assert [(one.task, one.winner) for one in done] == [(4, "ann"), (7, None)]
        assert "task 0" not in done[1].reason


@pytest.mark.parametrize(
    ("kind", "tasks", "truthful"),
    [("vickrey", 1, True), ("vickrey", 2, False), ("vcg", 2, True), ("english", 1, False), ("first_price", 1, False)],
)
def test_only_a_single_second_price_and_vcg_are_called_truthful(kind, tasks, truthful):
    done = several({"ann": [10] * tasks, "bob": [20] * tasks}, kind=kind, capacity=2)
    assert {one.truthful for one in done} == {truthful}


# Why this winner at this price, in words

WORDS = [
    (
        "vickrey",
        {"ann": 10.0, "bob": 14},
        {},
        "ann asks 10, the lowest of 2 bids; it is paid the most that it could have asked without losing to bob",
    ),
    ("first_price", {"ann": 10, "bob": 14}, {}, "ann asks 10, the lowest of 2 bids; it is paid what it asks"),
    ("first_price", {"ann": 10}, {}, "ann asks 10, the only bid that counts; it is paid what it asks"),
    ("vickrey", {"ann": 10}, {}, "ann asks 10, the only bid that counts; it is paid the reserve"),
    (
        "english",
        {"ann": 10, "bob": 14, "cem": 90},
        {},
        "ann asks 10, the lowest of 3 bids; it is paid where the clock stood when bob left",
    ),
    (
        "english",
        {"ann": 14, "bob": 14, "cem": 90},
        {},
        "ann, bob are tied; ann comes first by name; it is paid the last price that they all took",
    ),
    (
        "vickrey",
        {"ann": 14, "bob": 14, "cem": 90},
        {},
        "ann, bob are tied; ann comes first by name; it is paid the most that it could have asked without losing to "
        "bob",
    ),
    (
        "vickrey",
        {"ann": 10, "bob": 14},
        {"ann": record(broken=1)},
        "bob asks 14, the lowest of 2 bids once records are weighed in (expected to keep its promise: ann 33%, "
        "bob 50%); it is paid the most that it could have asked without losing to ann",
    ),
    (
        "vickrey",
        {"ann": 10, "bob": 90},
        {"bob": record(broken=1)},
        "ann asks 10, the lowest of 2 bids once records are weighed in (expected to keep its promise: ann 50%, "
        "bob 33%); it is paid the reserve, at which bob still loses",
    ),
    (
        "vcg",
        {"ann": 10, "bob": 14},
        {},
        "the cheapest way to do everything gives it to ann, who is paid what its presence saves",
    ),
]


@pytest.mark.parametrize(("kind", "costs", "records", "words"), WORDS)
def test_the_reason_says_why_this_winner_at_this_price(kind, costs, records, words):
    assert single(kind, costs, records).reason == words


def test_the_reason_names_the_total_of_several_tasks():
    first, _ = several({"ann": [10, 70], "bob": [30, 80]}, capacity=2)
    assert first.reason.endswith("who is paid what its presence saves, 110 for 2 tasks")


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (10.0, "10"), (1e12, "1000000000000"), (12345.67, "12345.67"), (Fraction(1, 3), "0.333333")],
)
def test_amounts_are_written_in_full(number, words):
    assert amount(number) == words


# Laws

AGENTS = ["ann", "bob", "cem", "dan"]
counts = st.integers(0, 6)
records_of = st.dictionaries(st.sampled_from(AGENTS), st.builds(record, kept=counts, broken=counts))
amounts = st.one_of(st.integers(0, 120), st.floats(0, 120), st.decimals(0, 120, places=2).map(float), st.none())
tables = st.integers(1, 3).flatmap(
    lambda tasks: st.dictionaries(
        st.sampled_from(AGENTS), st.lists(amounts, min_size=tasks, max_size=tasks), min_size=1
    )
)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), costs=tables, records=records_of, capacity=st.integers(1, 2), data=st.data())
def test_nobody_is_paid_less_than_it_asks_or_more_than_the_reserve_and_nobody_does_too_much(
    kind, costs, records, capacity, data
):
    reserve = data.draw(st.one_of(st.none(), st.integers(0, 120), st.floats(0, 120)))
    done = several(costs, records, capacity=capacity, reserve=reserve, kind=kind)
    winners = [one.winner for one in done if one.winner is not None]
    assert all(winners.count(agent) <= capacity for agent in costs)
    for one in done:
        assert set(one.refused) <= set(costs)
        assert one.reason
        assert (one.winner is None) == (one.price is None)
        if one.winner is not None:
            assert one.winner not in one.refused
            assert one.price >= costs[one.winner][one.task]
            assert reserve is None or one.price <= reserve


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(KINDS), costs=tables, records=records_of, data=st.data())
def test_the_order_in_which_agents_are_given_changes_nothing(kind, costs, records, data):
    shuffled = {agent: costs[agent] for agent in data.draw(st.permutations(sorted(costs)))}
    turned = dict(reversed(records.items()))
    assert several(shuffled, turned, kind=kind) == several(costs, records, kind=kind)


@settings(max_examples=60, deadline=None)
@given(
    costs=st.dictionaries(st.sampled_from(AGENTS), st.integers(0, 100), min_size=2),
    records=records_of,
    step=st.sampled_from([1, 3, 0.25, 40]),
)
def test_the_english_clock_stops_within_a_step_of_the_second_price(costs, records, step):
    """Of the most reliable agent's money: a step is as much smaller for the others as their bids count more."""
    english, vickrey = single("english", costs, records, step=step), single("vickrey", costs, records)
    if english.winner is None:
        assert vickrey.winner is None
    elif english.winner == vickrey.winner:
        assert vickrey.price - step <= english.price <= vickrey.price + step
    else:
        assert english.tied, "the clock does not tell bids apart that are within one step"


def uninflated(rng):
    return {agent: record(rng.randint(0, 5), rng.randint(0, 3)) for agent in AGENTS if rng.random() < 0.7}


def test_no_bidder_gains_by_another_cost_than_its_true_one_at_second_prices():
    """6,000 deviations, with records, with and without a reserve."""
    rng = random.Random(1)
    for _ in range(300):
        costs = {agent: rng.randint(0, 60) for agent in AGENTS[: rng.randint(2, 4)]}
        records, reserve = uninflated(rng), rng.choice([None, 40, 50])
        liar = rng.choice(sorted(costs))

        def gain(said, liar=liar, costs=costs, records=records, reserve=reserve):
            one = single("vickrey", {**costs, liar: said}, records, reserve=reserve)
            return one.price - costs[liar] if one.winner == liar else 0

        honest = gain(costs[liar])
        assert honest >= 0
        for _ in range(20):
            said = max(0, costs[liar] + rng.choice([rng.randint(-30, 30), rng.uniform(-3, 3)]))
            assert gain(said) <= honest + 1e-9, (costs, records, reserve, liar, said)


def test_no_bidder_gains_by_other_costs_than_its_true_ones_with_vcg():
    """2,000 deviations over one to three tasks, with records, capacities and reserves."""
    rng = random.Random(2)
    for _ in range(200):
        tasks = rng.randint(1, 3)
        costs = {agent: [rng.randint(0, 60) for _ in range(tasks)] for agent in AGENTS[: rng.randint(2, 4)]}
        records, reserve, capacity = uninflated(rng), rng.choice([None, 40, 50]), rng.randint(1, 2)
        liar = rng.choice(sorted(costs))

        def tried(said, liar=liar, costs=costs, records=records, reserve=reserve, capacity=capacity):
            return several({**costs, liar: said}, records, reserve=reserve, capacity=capacity)

        def gain(done, liar=liar, costs=costs):
            return sum(one.price - costs[liar][one.task] for one in done if one.winner == liar)

        honest = tried(costs[liar])
        assert gain(honest) >= -1e-9
        for _ in range(10):
            said = [max(0, cost + rng.choice([0, rng.randint(-40, 60)])) for cost in costs[liar]]
            assert gain(tried(said)) <= gain(honest) + 1e-9 or not honest[0].truthful, (costs, records, liar, said)


def test_first_price_invites_a_higher_bid_than_the_truth():
    """So that the test of truthfulness above can fail."""
    assert single("first_price", {"ann": 10, "bob": 30}).price == 10
    assert single("first_price", {"ann": 29, "bob": 30}).price == 29


def test_vcg_says_when_records_decided():
    bids = {0: {"ann": {"cost": 45}, "bob": {"cost": 50}}}
    records = {"bob": {"kept": 8, "broken": 0}}
    [one] = tender("vcg", [0], bids, records, free={"ann": 1, "bob": 1}, reserve=100)
    assert one.winner == "bob"
    assert "once records are weighed in (expected to keep its promise: ann 50%, bob 90%)" in one.reason
