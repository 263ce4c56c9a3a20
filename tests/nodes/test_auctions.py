"""Auctions of one item: each rule by example, what makes a rule truthful, and bids that nobody should make."""

import json
import random
from fractions import Fraction
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.auctions import KINDS, award, explain

CASES = json.loads((Path(__file__).parents[1] / "data" / "auctions.json").read_text())["cases"]
SINGLE = [case for case in CASES if case["type"] != "vcg"]
SEALED_SECOND = ("vickrey", "english", "second_score")


def quality_for(kind, agents, worth=100):
    return dict.fromkeys(agents, worth) if kind == "second_score" else None


# Each rule by example


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case["type"])
def test_known_auctions_have_known_results(case):
    found = award(case["type"], case["costs"], reserve=case.get("reserve"), quality=case.get("quality_value"))
    assert (found.winner, found.price) == (case["expect"]["winner"], case["expect"]["payment"])
    assert found.decided == (found.winner is not None) == (not found.reason)


@pytest.mark.parametrize(
    ("kind", "price", "runner_up"),
    [("first_price", 9, "bob"), ("vickrey", 7, "bob"), ("english", 8, "bob")],
)
def test_selling_is_the_mirror_of_buying(kind, price, runner_up):
    found = award(kind, {"ann": 9, "bob": 7, "cem": 3}, reserve=4, direction="sell")
    assert (found.winner, found.price, found.runner_up) == ("ann", price, runner_up)
    assert found.rejected == {"cem": "below the reserve of 4: 3"}


def test_a_bid_at_the_reserve_is_eligible():
    assert award("vickrey", {"ann": 10, "bob": 11}, reserve=10).winner == "ann"
    assert award("vickrey", {"ann": 10, "bob": 9}, reserve=10, direction="sell").winner == "ann"


@pytest.mark.parametrize("kind", SEALED_SECOND)
def test_a_lone_bidder_is_paid_the_reserve(kind):
    found = award(kind, {"ann": 3, "bob": 12}, reserve=10, quality=quality_for(kind, ["ann", "bob"]))
    assert (found.winner, found.price, found.runner_up) == ("ann", 10, None)


@pytest.mark.parametrize("kind", SEALED_SECOND)
def test_without_a_reserve_nothing_bounds_the_price_of_a_lone_bidder(kind):
    found = award(kind, {"ann": 3, "bob": float("nan")}, quality=quality_for(kind, ["ann", "bob"]))
    assert (found.decided, found.price) == (False, None)
    assert "give reserve=" in found.reason
    assert award("first_price", {"ann": 3}).price == 3, "its own bid bounds it"


@pytest.mark.parametrize("kind", ["vickrey", "english"])
def test_a_lone_buyer_pays_the_reserve_or_nothing(kind):
    assert award(kind, {"ann": 3}, direction="sell").price == 0
    assert award(kind, {"ann": 3}, direction="sell", reserve=2).price == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_tie_goes_to_the_smallest_id_and_is_said(kind):
    bids = {"cem": 4, "bob": 4, "ann": 4, "dee": 6}
    found = award(kind, bids, reserve=10, quality=quality_for(kind, bids))
    assert (found.winner, found.price, found.runner_up) == ("ann", 4, "bob")
    assert found.tied == ("ann", "bob", "cem")
    assert found.reason == "ann, bob, cem are tied, and the smallest id wins"
    assert award(kind, {"bob": 4, "ann": 5}, reserve=10, quality=quality_for(kind, bids)).tied == ()


@pytest.mark.parametrize(
    ("bids", "reason"),
    [
        ({}, "nobody bid"),
        ({"ann": None, "bob": "$12"}, "none of the bids can be used"),
        ({"ann": 11, "bob": None}, "no bid meets the reserve of 10"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_no_award_is_a_result_with_a_reason(kind, bids, reason):
    found = award(kind, bids, reserve=10, quality=quality_for(kind, bids))
    assert (found.decided, found.winner, found.price, found.reason) == (False, None, None, reason)
    assert award(kind, {}, quality=quality_for(kind, bids)).reason == "nobody bid", "without a reserve, too"


# The score: quality minus price (Che 1993)


def test_quality_can_outweigh_a_lower_bid():
    found = award("second_score", {"ann": 20, "bob": 5}, quality={"ann": 50, "bob": 30})
    assert (found.winner, found.price) == ("ann", 25), "at 25 its score is 25, that of bob"


def test_work_that_is_worth_less_than_it_costs_is_not_bought():
    found = award("second_score", {"ann": 20, "bob": 5}, quality={"ann": 15, "bob": 4})
    assert (found.winner, found.reason) == (None, "no bid is worth its price: the best score is -1")
    assert award("second_score", {"ann": 20, "bob": 5}, quality={"ann": 15, "bob": 9}).price == 9, "no rival above 0"
    assert award("second_score", {"ann": 20, "bob": 9}, quality={"ann": 15, "bob": 9}).winner == "bob", "0 is enough"


def test_nobody_is_paid_more_than_the_reserve():
    assert award("second_score", {"ann": 5, "bob": 9}, quality={"ann": 50, "bob": 20}, reserve=12).price == 12
    assert award("second_score", {"ann": 5, "bob": 9}, quality={"ann": 50, "bob": 50}, reserve=12).price == 9


def test_a_bidder_of_unknown_quality_is_rejected():
    found = award("second_score", {"ann": 5, "bob": 9, "cem": 1}, quality={"ann": 50, "bob": 20, "zoe": 9})
    assert (found.winner, found.rejected) == ("ann", {"cem": "its quality is not known; it bid 1"})


# Bids that do not count


@pytest.mark.parametrize(
    ("bid", "reason"),
    [
        (float("nan"), "not finite: nan"),
        (float("inf"), "not finite: inf"),
        (-1, "negative: -1"),
        (-0.5, "negative: -0.5"),
        (True, "not a number: True"),
        ("$12", "not a number: '$12'"),
        ("12", "not a number: '12'"),
        ([12], "not a number: [12]"),
        (None, "made no bid"),
        (10**30, "far too large"),
        (41, "above the reserve of 40: 41"),
    ],
)
def test_a_bid_that_does_not_count_is_kept_with_its_reason(bid, reason):
    found = award("vickrey", {"ann": bid, "bob": 20, "cem": 30}, reserve=40)
    assert (found.winner, found.price, found.rejected) == ("bob", 30, {"ann": reason})
    assert found.bids == {"bob": 20, "cem": 30}


def test_a_number_too_long_to_print_breaks_no_message():
    huge = 10**5000
    found = award("vickrey", {"ann": huge, "bob": -huge, "cem": {"bid": huge}, "dee": Fraction(1, huge)}, reserve=40)
    assert list(found.rejected.values()) == ["far too large", "far too large", "not a number: dict"]
    assert json.loads(json.dumps(found.to_dict()))["bids"] == {"dee": 0.0}
    with pytest.raises(ConfigError, match="The reserve is far too large"):
        award("vickrey", {"ann": 9}, reserve=huge)


def test_of_two_bids_of_an_agent_the_first_counts():
    found = award("vickrey", [("ann", 30), ("bob", 35), ("ann", 5), ("ann", 2)], reserve=40)
    assert (found.winner, found.price) == ("ann", 35)
    assert found.rejected == {"ann": "bid twice: the first bid counts, not 5, 2"}
    worse = award("vickrey", [("ann", "none"), ("bob", 35), ("ann", 5)], reserve=40)
    assert (worse.winner, worse.price) == ("bob", 40)
    assert worse.rejected == {"ann": "not a number: 'none'; bid twice: the first bid counts, not 5"}


def test_prices_keep_the_type_of_the_numbers_and_are_exact():
    bids = {"ann": 0.1, "bob": 0.3, "cem": 0.1 + 0.2}
    assert award("vickrey", bids).price == 0.3
    found = award("english", {"ann": 0.1, "bob": 0.2}, reserve=0.3, step=0.1)
    assert (found.price, found.tied) == (0.1, ()), "three tenths minus two tenths; in floats 0.09999999999999998"
    assert isinstance(award("english", {"ann": 1, "bob": 2}, reserve=9).price, int)
    assert isinstance(award("english", {"ann": 1.0, "bob": 2}, reserve=9).price, float)
    half = Fraction(1, 2)
    assert award("english", {"ann": half, "bob": 2 * half}, reserve=2, step=half).price == half
    assert award("second_score", {"ann": 0.1, "bob": 0.2}, quality={"ann": 0.3, "bob": 0.3}).price == 0.2


# The clock of an english auction


def test_the_clock_falls_until_one_is_left():
    found = award("english", {"ann": 3, "bob": 6, "cem": 8}, reserve=8)
    assert found.price == 5
    assert found.rounds == [
        {"price": 8, "active": ["ann", "bob", "cem"]},
        {"price": 7, "active": ["ann", "bob"]},
        {"price": 6, "active": ["ann", "bob"]},
        {"price": 5, "active": ["ann"]},
    ]


def test_the_clock_rises_when_something_is_sold():
    found = award("english", {"ann": 3, "bob": 1}, direction="sell")
    assert [(row["price"], len(row["active"])) for row in found.rounds] == [(0, 2), (1, 2), (2, 1)]


def test_who_leave_together_tie_at_the_price_before():
    found = award("english", {"ann": 3.7, "bob": 3.2, "cem": 9}, reserve=10)
    assert (found.winner, found.price, found.tied) == ("ann", 4, ("ann", "bob")), "the clock has not seen 3.7 from 3.2"
    assert found.rounds[-1] == {"price": 3, "active": []}


def test_nobody_works_for_less_than_nothing():
    found = award("english", {"ann": 1, "bob": 0}, reserve=10, step=3)
    assert (found.winner, found.price, found.round_count) == ("ann", 1, 4)
    assert [row["price"] for row in found.rounds] == [10, 7, 4, 1]


def test_without_a_reserve_the_clock_starts_at_the_highest_bid():
    assert award("english", {"ann": 3, "bob": 6, "cem": 8}).rounds[0]["price"] == 8


def test_a_tiny_step_costs_no_time_and_leaves_a_thousand_rounds_to_look_at():
    found = award("english", {"ann": 3, "bob": 6, "cem": 8}, reserve=10, step=1e-9)
    assert found.price == pytest.approx(6)
    assert (found.round_count, len(found.rounds)) == (4 * 10**9 + 2, 1000)
    assert (found.rounds[0]["price"], found.rounds[-1]["price"]) == (10, found.price)
    assert {len(row["active"]) for row in found.rounds} == {3, 2, 1}


def naive_clock(bids, start, step, sign):
    """An auctioneer who calls one price after the other; `sign` is -1 for a price that falls."""
    price, willing = start, sorted(bids)
    for rounds in range(1, 10_000):
        stay = [agent for agent in willing if sign * bids[agent] >= sign * price]
        if not stay:
            return willing[0], price - sign * step, rounds
        if len(stay) == 1:
            return stay[0], price, rounds
        willing, price = stay, price + sign * step
        if price < 0:
            return willing[0], price - sign * step, rounds
    raise AssertionError


amounts = st.integers(0, 12) | st.integers(0, 48).map(lambda quarters: quarters / 4)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.lists(amounts, min_size=1, max_size=5), st.sampled_from([1, 2, 0.5, 0.75, 5]), st.booleans(), amounts)
def test_the_clock_agrees_with_an_auctioneer_and_with_the_second_price(costs, step, buying, reserve):
    bids = {f"a{i}": cost for i, cost in enumerate(costs)}
    direction, sign = ("procure", -1) if buying else ("sell", 1)
    found = award("english", bids, reserve=reserve, step=step, direction=direction)
    sealed = award("vickrey", bids, reserve=reserve, direction=direction)
    assert found.decided == sealed.decided
    if found.decided:
        called = naive_clock(sealed.bids, reserve, step, sign)
        assert (found.winner, found.price, found.round_count) == called
        assert abs(found.price - sealed.price) <= step
        assert abs(bids[found.winner] - bids[sealed.winner]) <= step, "efficient up to one step"
        assert sign * (bids[found.winner] - found.price) >= 0, "nobody wins at a loss"
        assert not buying or found.round_count <= reserve / step + 1


# Truthfulness. Each bidder tries every bid of a grid while the others keep theirs.


def utility(found, agent, true, direction="procure"):
    if found.winner != agent:
        return 0
    return found.price - true if direction == "procure" else true - found.price


def gains(kind, bids, reserve, grid, direction="procure", quality=None):
    """What each deviation of each bidder gains over the truth."""
    honest = award(kind, bids, reserve=reserve, direction=direction, quality=quality)
    for agent, true in bids.items():
        truth = utility(honest, agent, true, direction)
        assert truth >= 0, "who bids the truth never loses"
        for other in grid:
            found = award(kind, {**bids, agent: other}, reserve=reserve, direction=direction, quality=quality)
            yield utility(found, agent, true, direction) - truth


@pytest.mark.parametrize("direction", ["procure", "sell"])
def test_no_deviation_from_the_truth_gains_in_a_vickrey_auction(direction):
    rng, tried = random.Random(direction), 0
    while tried < 25_000:
        bids = {f"a{i}": rng.randint(0, 12) for i in range(rng.randint(1 if direction == "sell" else 2, 4))}
        reserve = rng.choice([None, rng.randint(0, 13)])
        found = list(gains("vickrey", bids, reserve, [*range(15), 5.5], direction))
        tried += len(found)
        assert max(found) <= 0, (bids, reserve)


def test_no_deviation_from_the_truth_gains_in_a_second_score_auction():
    rng, tried = random.Random(4), 0
    while tried < 15_000:
        bids = {f"a{i}": rng.randint(0, 12) for i in range(rng.randint(2, 4))}
        quality = {agent: rng.randint(0, 15) for agent in bids}
        reserve = rng.choice([None, rng.randint(0, 13)])
        found = list(gains("second_score", bids, reserve, [*range(15), 5.5], quality=quality))
        tried += len(found)
        assert max(found) <= 0, (bids, quality, reserve)


def test_the_same_search_finds_the_gain_of_shading_in_a_first_price_auction():
    rng = random.Random(5)
    gained = 0
    for _ in range(200):
        bids = {f"a{i}": rng.randint(0, 50) for i in range(3)}
        gained += max(gains("first_price", bids, 55, range(0, 56, 2))) > 0
    assert gained / 200 > 0.5
    assert [award(kind, {"a": 1}).truthful for kind in ("first_price", "english", "vickrey")] == [False, False, True]
    assert award("second_score", {}, quality={}).truthful


# What a rule costs the buyer, with costs drawn from U[0, 1]


def equilibrium(cost, bidders):
    """What a bidder asks in the symmetric equilibrium of a first-price auction with the reserve 1."""
    return cost + (1 - cost) / bidders


def test_at_the_first_price_equilibrium_no_other_bid_is_better_on_average():
    rng, bidders, cost = random.Random(6), 3, 0.4
    draws = [[equilibrium(rng.random(), bidders) for _ in range(bidders - 1)] for _ in range(1500)]

    def earned(bid):
        rivals = ({f"b{i}": other for i, other in enumerate(draw)} for draw in draws)
        return [utility(award("first_price", {"a": bid, **others}, reserve=1), "a", cost) for others in rivals]

    best = earned(equilibrium(cost, bidders))
    for bid in (0.4, 0.45, 0.5, 0.55, 0.65, 0.7, 0.8, 0.9):
        more = [a - b for a, b in zip(earned(bid), best, strict=True)]
        assert fmean(more) < 3 * stdev(more) / sqrt(len(more)), bid
    assert fmean(best) > fmean(earned(0.9)) > fmean(earned(0.4)) == 0


@pytest.mark.parametrize("bidders", [2, 3, 5, 10])
def test_first_and_second_price_cost_the_same_on_average(bidders):
    """Revenue equivalence: both expect 2 / (n + 1), the second-lowest of n costs."""
    rng = random.Random(bidders)
    draws = [{f"a{i}": rng.random() for i in range(bidders)} for _ in range(1500)]
    shaded = [{agent: equilibrium(cost, bidders) for agent, cost in draw.items()} for draw in draws]
    second = [award("vickrey", draw, reserve=1).price for draw in draws]
    first = [award("first_price", bids, reserve=1).price for bids in shaded]
    clock = [award("english", draw, reserve=1, step=0.01).price for draw in draws[:500]]
    for prices, slack in ((second, 0), (first, 0), (clock, 0.01)):
        noise = 3.5 * stdev(prices) / sqrt(len(prices))
        assert abs(fmean(prices) - 2 / (bidders + 1)) < noise + slack


# Laws

anything = st.integers(0, 9) | st.sampled_from([0.5, 2.5, -1, float("nan"), "$3", None, True, Fraction(7, 2)])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.dictionaries(st.sampled_from(["ann", "bob", "cem", "dee", "a10", "a9"]), anything),
    st.sampled_from(KINDS),
    st.none() | st.integers(0, 9),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_the_order_of_bids_changes_nothing_and_every_award_is_json(bids, kind, reserve, selling, rng):
    direction = "sell" if selling and kind != "second_score" else "procure"
    quality = {"ann": 7, "bob": 7.5, "a10": 2, "a9": 9} if kind == "second_score" else None
    shuffled = list(bids.items())
    rng.shuffle(shuffled)
    found, *again = [
        award(kind, given, reserve=reserve, direction=direction, quality=quality)
        for given in (bids, dict(shuffled), shuffled)
    ]
    plain = json.dumps(found.to_dict(), allow_nan=False)
    assert [json.dumps(other.to_dict()) for other in again] == [plain, plain]
    assert set(found.bids) | set(found.rejected) == set(bids), "no bid is lost"
    assert found.decided == (found.winner is not None) == (found.price is not None)
    assert found.decided or found.reason
    assert explain(found).endswith(".")
    if found.decided and reserve is not None:
        assert found.price >= reserve if direction == "sell" else found.price <= reserve


# Words


@pytest.mark.parametrize(
    ("kind", "bids", "arguments", "words"),
    [
        ("first_price", {"ann": 9, "bob": 12}, {}, "ann wins and is paid 9: the lowest bid wins, and is the price."),
        (
            "vickrey",
            {"ann": 9, "bob": 12},
            {"direction": "sell"},
            "bob wins and pays 9: the highest bid wins, and the price is the next one, ann's.",
        ),
        (
            "vickrey",
            {"bob": 9, "ann": 9},
            {},
            "ann wins and is paid 9: the lowest bid wins, and the price is the next one, bob's; ann, bob are tied, and "
            "the smallest id wins.",
        ),
        (
            "vickrey",
            {"ann": 9},
            {"reserve": 20},
            "ann wins and is paid 20: it was the only eligible bidder, so the price is where bidding starts.",
        ),
        (
            "english",
            {"ann": 9, "bob": 12},
            {"reserve": 20},
            "ann wins and is paid 11: it alone stayed when the clock came to this price in round 10.",
        ),
        (
            "english",
            {"ann": 9.2, "bob": 9.5},
            {"reserve": 20},
            "ann wins and is paid 10: the last bidders left the clock together, and this was its price before they did"
            "; ann, bob are tied, and the smallest id wins.",
        ),
        (
            "second_score",
            {"ann": 9, "bob": 12},
            {"quality": {"ann": 20, "bob": 20}},
            "ann wins and is paid 12: the highest quality minus bid wins, and the price is the most it could have asked"
            " for and still won.",
        ),
        (
            "vickrey",
            {"ann": 9, "bob": "$5", "cem": 41},
            {"reserve": 8},
            "No award: no bid meets the reserve of 8. Not counted: ann (above the reserve of 8: 9), bob (not a number: "
            "'$5'), cem (above the reserve of 8: 41).",
        ),
    ],
)
def test_an_award_is_explained_in_words(kind, bids, arguments, words):
    assert explain(award(kind, bids, **arguments)) == words


def test_an_explanation_stays_short():
    words = explain(award("vickrey", {f"a{i}": "?" for i in range(8)}, reserve=3))
    assert words.endswith("a4 (not a number: '?') and 3 more.")


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "vickery"}, "Did you mean 'vickrey'?"),
        ({"kind": "vcg"}, "use vcg(costs, capacities)"),
        ({"kind": None}, "There is no auction None"),
        ({"kind": ["vickrey"]}, "There is no auction ['vickrey']"),
        ({"direction": "buy"}, "There is no direction 'buy'; give procure or sell"),
        ({"direction": "sel"}, "Did you mean 'sell'?"),
        ({"reserve": -1}, "The reserve is negative: -1"),
        ({"reserve": float("nan")}, "The reserve is not finite: nan"),
        ({"reserve": float("inf")}, "The reserve is not finite: inf"),
        ({"reserve": True}, "The reserve is not a number: True"),
        ({"reserve": "$40"}, "The reserve is not a number: '$40'"),
        ({"step": 0}, "The step was 0"),
        ({"step": -1}, "The step is negative: -1"),
        ({"step": float("nan")}, "The step is not finite: nan"),
        ({"step": "1"}, "The step is not a number: '1'"),
        ({"step": None}, "The step is not a number: None"),
        ({"bids": None}, "give a mapping agent -> bid"),
        ({"bids": "ann 9"}, "give a mapping agent -> bid"),
        ({"bids": {"ann", "bob"}}, "give a mapping agent -> bid"),
        ({"bids": [("ann", 9, 1)]}, "give a mapping agent -> bid"),
        ({"bids": ["ab"]}, "give a mapping agent -> bid"),
        ({"bids": {1: 9}}, "A bidder is named 1"),
        ({"bids": {"": 9}}, "A bidder is named ''"),
        ({"bids": [(["ann"], 9)]}, "A bidder is named ['ann']"),
        ({"quality": {"ann": 1}}, "does not look at quality"),
        ({"kind": "second_score"}, "needs agent -> what its work is worth"),
        ({"kind": "second_score", "quality": [1]}, "The quality was [1]"),
        ({"kind": "second_score", "quality": {"ann": "high"}}, "The quality of 'ann' is not a number: 'high'"),
        ({"kind": "second_score", "quality": {"ann": -1}}, "The quality of 'ann' is negative"),
        ({"kind": "second_score", "quality": {"ann": 1}, "direction": "sell"}, "has no direction sell"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, message):
    with pytest.raises(ConfigError) as refused:
        award(**{"kind": "vickrey", "bids": {"ann": 9, "bob": 12}, **arguments})
    assert message in str(refused.value)
