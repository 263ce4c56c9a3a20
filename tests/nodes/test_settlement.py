"""Settling a conflict over options: each way by example, and the laws that it keeps."""

import json
import random
from fractions import Fraction
from itertools import permutations, product
from math import prod

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.amounts import fraction, plain
from langgraph_agora.nodes.settlement import (
    WAYS,
    Views,
    arbitration,
    majority_rule,
    meet,
    nash_choice,
    pivot_auction,
    views_of,
    weighted_compromise,
)

AGENTS = ("ann", "bob", "cem", "dee")
BY_SHARE = (weighted_compromise, arbitration, nash_choice)
EFFICIENT = (*BY_SHARE, pivot_auction)  # majority_rule is so only where nobody likes two options alike.


def views(*rows, reservation=None, weights=None, options="abcdef"):
    """Views of ann, bob, ... from a row of utilities for each."""
    names = options[: len(rows[0])]
    wants = {who: dict(zip(names, row, strict=True)) for who, row in zip(AGENTS, rows, strict=False)}
    return views_of(list(names), wants, reservation=reservation, weights=weights)


def by_way(*ways):
    ways = ways or tuple(WAYS.values())
    return pytest.mark.parametrize("way", ways, ids=[one.__name__ for one in ways])


# Views.


def test_utilities_are_kept_as_they_were_written():
    seen = views_of(["x", "y"], {"ann": {"x": 0.1, "y": 2}}, reservation={"ann": 0.1}, weights={"ann": 0.5})
    assert seen.utilities == {"ann": (Fraction(1, 10), 2)}
    assert (seen.reservation, seen.weight("ann"), seen.weight("bob")) == ({"ann": Fraction(1, 10)}, Fraction(1, 2), 1)
    assert not seen.ordinal


@pytest.mark.parametrize(
    ("given", "worth"),
    [
        (["x", "y", "z"], [1, Fraction(1, 2), 0]),
        (["z"], [0, 0, 1]),  # What is left out comes last.
        (["z", "y"], [0, Fraction(1, 2), 1]),
        ({"x": 70, "y": -5, "z": 9}, [1, 0, Fraction(1, 2)]),
        ({"x": 5, "y": 5, "z": 1}, [Fraction(1, 2), Fraction(1, 2), 0]),  # Each is better than one of two others.
        ({"x": 5, "y": 1, "z": 1}, [1, 0, 0]),  # As the ranking ["x"].
    ],
)
def test_an_option_in_a_ranking_is_worth_the_share_of_others_below_it(given, worth):
    seen = views_of(["x", "y", "z"], {"ann": given, "bob": ["x"]}, reservation={"ann": -9})
    assert list(seen.utilities["ann"]) == worth
    assert seen.ordinal


def test_one_ranking_makes_all_views_ordinal_but_keeps_what_is_refused():
    wants = {"ann": {"x": 2, "y": 4, "z": 9}, "bob": ["x", "y", "z"], "cem": ["x", "z"]}
    seen = views_of(["x", "y", "z"], wants, reservation={"ann": 3})
    assert [seen.options[place] for place in seen.acceptable()] == ["y", "z"]
    assert majority_rule(seen).outcome == "z", "all three would vote for x or z, and ann must refuse x"
    nothing = views_of(["x", "y", "z"], wants, reservation={"ann": 10})
    assert majority_rule(nothing).rationale == "no option is acceptable to all: ann accepts none of x, y, z"
    below = views_of(["x", "y"], {"ann": {"x": -1, "y": 1}, "bob": ["x", "y"]})
    assert below.acceptable() == [1], "without a reservation it is 0"


def test_a_share_of_what_can_be_gained_is_one_for_who_can_gain_nothing():
    seen = views((2, 4, 3), (5, 5, 5), reservation={"ann": 2, "bob": 5})
    assert seen.shares([0, 1, 2]) == {0: [0, 1], 1: [1, 1], 2: [Fraction(1, 2), 1]}


# Each way by example. ann and bob love "a"; cem loves "c" and likes "b".

COMMON = views((9, 6, 0), (9, 6, 0), (0, 6, 9))


@pytest.mark.parametrize(
    ("way", "outcome", "why"),
    [
        (majority_rule, "a", "more than half want a first (a 2, c 1 of 3)"),
        (weighted_compromise, "b", "it gives everybody on weighted average 67% of what they could gain"),
        (arbitration, "b", "by rule the smallest share of gain is largest: nobody gets less than 67% of what it could"),
        (nash_choice, "b", "the product of the shares of gain is largest (0.296), and all gain: the Nash choice"),
    ],
)
def test_a_majority_may_leave_one_with_nothing_and_a_compromise_does_not(way, outcome, why):
    found = way(COMMON)
    # Twice 100 % and once nothing is 67 % too, so the fairer of two equal compromises is taken.
    assert (found.outcome, found.rationale, found.resolved) == (outcome, f"{outcome}: {why}", True)
    assert found.strategy == next(name for name, one in WAYS.items() if one is way)
    assert found.utilities == ({"ann": 9, "bob": 9, "cem": 0} if outcome == "a" else {"ann": 6, "bob": 6, "cem": 6})


def test_weights_move_a_compromise_and_not_a_vote():
    heavy = views((9, 6, 0), (9, 6, 0), (0, 6, 9), weights={"cem": 5})
    assert weighted_compromise(heavy).outcome == "c"
    assert majority_rule(heavy).outcome == "a"


def test_nobody_changes_the_outcome_of_an_auction_for_nothing():
    """ann alone wants the road to go north; the other two would rather have it south, worth 3 and 5 more to them."""
    found = pivot_auction(views((10, 0), (2, 5), (0, 5), options="ns"))
    assert (found.outcome, found.payments) == ("n", {"ann": 8, "bob": 0, "cem": 0})
    assert found.rationale == "n: its sum of utilities is largest (12); ann pays 8"
    free = pivot_auction(views((10, 0), (2, 1), options="ns"))
    assert free.rationale == "n: its sum of utilities is largest (12); nobody changes the outcome, so nobody pays"
    assert free.payments == {"ann": 0, "bob": 0}


def test_without_a_majority_the_first_votes_for_the_weakest_move_on():
    ranked = [list("abc")] * 4 + [list("bca")] * 3 + [list("cba")] * 2
    found = majority_rule(views_of(["a", "b", "c"], {f"v{i}": one for i, one in enumerate(ranked)}))
    assert (found.outcome, found.tied) == ("b", ())
    assert found.rationale.endswith("more than half of the first votes (a 4, b 3, c 2); b wins the instant runoff")


def test_only_what_all_accept_is_voted_on():
    refused = views((9, 5, 1), (9, 5, 1), (0, 1, 9), reservation={"cem": 1})
    assert majority_rule(refused).outcome == "b"


@by_way()
def test_of_equals_the_first_by_name_is_taken_and_all_are_named(way):
    for options in permutations("xyz"):  # In whatever order they are given.
        found = way(views((3, 3, 0), (3, 3, 0), options="".join(options)))
        first, second = sorted(options[:2])
        if way is majority_rule:  # Both like them alike, so that both vote for the first by name.
            assert (found.outcome, found.tied) == (first, ())
        else:
            assert (found.outcome, found.tied) == (first, (first, second))
            assert found.rationale.endswith(f"; {first}, {second} are tied, and the first by name was taken")


def test_a_tied_vote_is_broken_by_name():
    found = majority_rule(views_of(["y", "x"], {"ann": ["y", "x"], "bob": ["x", "y"]}))
    assert (found.outcome, found.tied) == ("x", ("x", "y"))
    assert found.rationale == (
        "x: nobody has more than half of the first votes (x 1, y 1), nor wins the instant runoff; "
        "x, y are tied, and the first by name was taken"
    )


def test_an_arbiter_decides_among_what_all_accept():
    seen = views((9, 6, 0), (0, 6, 9), reservation={"bob": 1})
    assert arbitration(seen, "c", "judy").rationale == "c: judy decided so"
    assert arbitration(seen, "c").rationale == "c: the arbiter decided so"
    rule = "by rule the smallest share of gain is largest: nobody gets less than 62% of what it could"
    for verdict, judge, why in [
        ("a", "judy", f"b: judy chose a, which somebody must refuse; {rule}"),
        ("war", "judy", f"b: judy chose war, which is no option; {rule}"),
        ("war", "", f"b: the arbiter chose war, which is no option; {rule}"),
        (None, "judy", f"b: judy gave no verdict; {rule}"),
        (None, "", f"b: {rule}"),
    ]:
        found = arbitration(seen, verdict, judge)
        assert (found.outcome, found.rationale) == ("b", why)


def test_who_can_gain_nothing_does_not_keep_an_arbiter_from_being_fair_to_the_others():
    """Were the share of cem 0, the smallest share would be 0 everywhere, and "a" the first by name."""
    assert arbitration(views((8, 4, 0), (0, 4, 8), (0, 0, 0))).outcome == "b"


def test_where_not_all_can_gain_as_many_as_possible_do():
    """Every product of gains is 0 here, also that of "a", which is worse than "b" for ann and better for nobody."""
    assert nash_choice(views((1, 5, 0), (0, 0, 3))).outcome == "b"
    assert nash_choice(views((1, 5, 9), (1, 5, 0), (0, 0, 0))).outcome == "b"
    found = nash_choice(views((1, 5, 9), (1, 5, 0), (0, 0, 0)))
    assert "and 2 of 3 gain" in found.rationale


@by_way()
def test_where_nothing_is_acceptable_to_all_it_is_said_who_refuses_what(way):
    found = way(views((5, 1), (1, 5), (3, 3), reservation={"ann": 2, "bob": 4}))
    assert (found.outcome, found.resolved, found.utilities, found.payments) == (None, False, {}, {})
    assert found.rationale == "no option is acceptable to all: ann accepts none of b; bob accepts none of a"


@by_way()
def test_where_nobody_was_heard_nothing_is_decided(way):
    assert way(views_of(["a", "b"], {})).rationale == "nobody said what it thinks of the options"


def test_thousands_of_options_are_not_all_named():
    many = [f"deal {i:04}" for i in range(3000)]
    found = weighted_compromise(views_of(many, {"ann": dict.fromkeys(many, 1)}))
    assert len(found.tied) == 3000
    assert "deal 0007 and 2992 more are tied" in found.rationale


def test_a_settlement_is_json():
    found = pivot_auction(views((0.5, 0.25), (0, 0.125)))
    assert json.loads(json.dumps(found.to_dict())) == {
        "strategy": "auction",
        "outcome": "a",
        "rationale": "a: its sum of utilities is largest (0.5); ann pays 0.125",
        "utilities": {"ann": 0.5, "bob": 0},
        "payments": {"ann": 0.125, "bob": 0},
        "tied": [],
    }
    assert (plain(Fraction(4, 2)), plain(Fraction(1, 4)), fraction(0.1)) == (2, 0.25, Fraction(1, 10))


# Laws. Small numbers, so that ties, refusals and agents who can gain nothing are frequent.


@st.composite
def any_views(draw, least=3, low=0, high=6):
    """Views of up to four agents of up to five options; the reservations are 0 to `least`."""
    n_agents, n_options = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    row = st.lists(st.integers(low, high), min_size=n_options, max_size=n_options)
    return views(
        *(draw(row) for _ in range(n_agents)),
        reservation={agent: draw(st.integers(0, least)) for agent in AGENTS[:n_agents]},
        weights={agent: draw(st.integers(1, 4)) for agent in AGENTS[:n_agents]},
    )


def lawful(examples=50):
    return settings(derandomize=True, deadline=None, max_examples=examples)


def gains(seen, option):
    return [seen.gain(agent, seen.options.index(option)) for agent in seen.agents]


def accepted(seen):
    """The options that give nobody less than its reservation, counted anew."""
    least = [seen.reservation.get(agent, 0) for agent in seen.agents]
    columns = zip(*(seen.utilities[agent] for agent in seen.agents), strict=True)
    return [o for o, column in zip(seen.options, columns, strict=True) if all(map(Fraction.__ge__, column, least))]


@by_way()
@lawful()
@given(any_views())
def test_nobody_ever_gets_less_than_its_reservation(way, seen):
    found = way(seen)
    assert found.resolved == bool(accepted(seen))
    assert not found.resolved or found.outcome in accepted(seen)
    assert set(found.tied) <= set(accepted(seen))


@lawful()
@given(any_views(), st.sampled_from([*"abcdef", None]))
def test_an_arbiter_cannot_give_anybody_less_than_its_reservation_either(seen, verdict):
    found = arbitration(seen, verdict)
    assert found.resolved == bool(accepted(seen))
    if verdict in accepted(seen):
        assert found.outcome == verdict
    else:
        assert found.outcome == arbitration(seen).outcome


@lawful()
@given(
    st.dictionaries(
        st.sampled_from(AGENTS),
        st.permutations("abc").map(list) | st.fixed_dictionaries(dict.fromkeys("abc", st.integers(-2, 5))),
        min_size=1,
    ),
    st.dictionaries(st.sampled_from(AGENTS), st.integers(-2, 5)),
    st.sampled_from(sorted(WAYS)),
)
def test_a_reservation_holds_beside_rankings_too(wants, reservation, way):
    found = WAYS[way](views_of(["a", "b", "c"], wants, reservation=reservation))
    stated = {agent: one for agent, one in wants.items() if isinstance(one, dict)}
    fine = [o for o in "abc" if all(one[o] >= reservation.get(agent, 0) for agent, one in stated.items())]
    assert found.outcome in (fine or [None])


def dominated(seen, option):
    own = gains(seen, option)
    others = (gains(seen, other) for other in accepted(seen))
    return any(other != own and all(map(Fraction.__ge__, other, own)) for other in others)


@by_way(*EFFICIENT)
@lawful(100)
@given(any_views())
def test_what_is_chosen_cannot_be_bettered_for_one_without_loss_for_another(way, seen):
    found = way(seen)
    assert not found.resolved or not dominated(seen, found.outcome)


@lawful(100)
@given(any_views(high=100))
def test_nor_can_what_a_majority_chose_where_nobody_likes_two_options_alike(seen):
    assume(all(len(set(row)) == len(row) for row in seen.utilities.values()))
    found = majority_rule(seen)
    assert not found.resolved or not dominated(seen, found.outcome)


def test_who_likes_two_options_alike_may_vote_for_the_worse_one():
    """ann and bob do not care, cem does; but they come first, and "a" comes first by name."""
    indifferent = views((5, 5), (5, 5), (0, 5))
    assert dominated(indifferent, majority_rule(indifferent).outcome)


@by_way()
@lawful()
@given(any_views(), st.randoms(use_true_random=False))
def test_the_order_of_agents_and_of_options_changes_nothing(way, seen, rng):
    agents = rng.sample(seen.agents, len(seen.agents))
    places = rng.sample(range(len(seen.options)), len(seen.options))
    shuffled = Views(
        tuple(seen.options[i] for i in places),
        {agent: tuple(seen.utilities[agent][i] for i in places) for agent in agents},
        {agent: seen.reservation[agent] for agent in reversed(agents)},
        {agent: seen.weights[agent] for agent in agents},
    )
    assert way(shuffled) == way(seen)


@by_way()
@lawful()
@given(any_views(), st.permutations(AGENTS))
def test_the_names_of_agents_do_not_matter(way, seen, names):
    new = dict(zip(AGENTS, names, strict=True))
    renamed = Views(
        seen.options, *({new[a]: one for a, one in m.items()} for m in (seen.utilities, seen.reservation, seen.weights))
    )
    before, after = way(seen), way(renamed)
    assert (after.outcome, after.tied) == (before.outcome, before.tied)
    assert after.utilities == {new[agent]: one for agent, one in before.utilities.items()}
    assert after.payments == {new[agent]: one for agent, one in before.payments.items()}


@by_way()
@lawful()
@given(any_views(), st.permutations("abcde"))
def test_the_names_of_options_matter_only_in_a_tie(way, seen, names):
    new = dict(zip("abcde", names, strict=True))
    assume(way is not majority_rule or all(len(set(row)) == len(row) for row in seen.utilities.values()))
    renamed = Views(tuple(new[option] for option in seen.options), seen.utilities, seen.reservation, seen.weights)
    before, after = way(seen), way(renamed)
    assert after.tied == tuple(sorted(new[option] for option in before.tied))
    assert after.outcome == (min(after.tied) if before.tied else new.get(before.outcome))


@by_way(*BY_SHARE, majority_rule)
@lawful()
@given(any_views(), st.lists(st.tuples(st.integers(1, 9), st.integers(-50, 50)), min_size=4, max_size=4))
def test_the_scale_on_which_an_agent_counts_does_not_matter(way, seen, scales):
    """Everybody's utilities and reservation, times a factor of its own, plus a number of its own."""
    scale = dict(zip(AGENTS, scales, strict=True))
    other = Views(
        seen.options,
        {a: tuple(scale[a][0] * one + scale[a][1] for one in row) for a, row in seen.utilities.items()},
        {a: scale[a][0] * one + scale[a][1] for a, one in seen.reservation.items()},
        seen.weights,
    )
    before, after = way(seen), way(other)
    assert (after.outcome, after.tied) == (before.outcome, before.tied)


@lawful()
@given(any_views(), st.integers(2, 9))
def test_weights_count_by_proportion(seen, factor):
    heavier = Views(seen.options, seen.utilities, seen.reservation, {a: w * factor for a, w in seen.weights.items()})
    assert weighted_compromise(heavier) == weighted_compromise(seen)


@lawful(100)
@given(any_views())
def test_each_way_takes_what_it_says(seen):
    """The sum, the smallest and the product of shares, counted anew for every option."""
    options = accepted(seen)
    assume(options)
    best = [max(column) for column in zip(*(gains(seen, option) for option in options), strict=True)]
    shares = {o: [g / b if b else Fraction(1) for g, b in zip(gains(seen, o), best, strict=True)] for o in options}
    weights = [seen.weights[agent] for agent in seen.agents]
    for way, worth in [
        (weighted_compromise, lambda own: (sum(w * s for w, s in zip(weights, own, strict=True)), min(own))),
        (arbitration, lambda own: (min(own), sum(own))),
        (nash_choice, lambda own: (sum(s > 0 for s in own), prod(s for s in own if s), min(own))),
    ]:
        most = max(worth(shares[option]) for option in options)
        tied = sorted(option for option in options if worth(shares[option]) == most)
        assert (way(seen).outcome, way(seen).tied) == (tied[0], tuple(tied) if len(tied) > 1 else ())


@lawful(100)
@given(any_views(least=0, low=1))
def test_where_all_gain_the_nash_choice_has_the_largest_product_of_gains(seen):
    products = {option: prod(gains(seen, option)) for option in accepted(seen)}
    assert products[nash_choice(seen).outcome] == max(products.values())


@lawful(100)
@given(any_views(high=100))
def test_more_than_half_of_the_first_votes_win(seen):
    options = accepted(seen)
    assume(options and all(len(set(row)) == len(row) for row in seen.utilities.values()))
    first = [max(options, key=lambda o, a=a: seen.utilities[a][seen.options.index(o)]) for a in seen.agents]
    for option in options:
        if 2 * first.count(option) > len(first):
            assert majority_rule(seen).outcome == option


# The auction: Clarke's payments.


LIES = [(-20, 0, 20), (-5, 0, 5), (-1, 0, 1)]  # Wild, bold and small: how far a number is from the truth.


def net(options, found, truth):
    """What the agents have after paying, by their true utilities."""
    return {a: row[options.index(found.outcome)] - fraction(found.payments[a]) for a, row in truth.items()}


@lawful(100)
@given(any_views())
def test_who_changes_the_outcome_pays_what_the_others_lose_by_it(seen):
    options = accepted(seen)
    assume(options)
    found = pivot_auction(seen)
    for agent in seen.agents:
        others = [a for a in seen.agents if a != agent]
        sums = {o: sum(seen.utilities[a][seen.options.index(o)] for a in others) for o in options}
        assert found.payments[agent] == max(sums.values()) - sums[found.outcome] >= 0
    after = net(seen.options, found, seen.utilities)
    assert all(after[agent] >= seen.reservation[agent] for agent in seen.agents), "payment included"


def test_no_false_utilities_pay_in_an_auction():
    """100 conflicts, for each agent 30 lies about options that all accept."""
    rng = random.Random("Clarke")
    lies = changed = 0
    for _ in range(100):
        n_agents, n_options = rng.randint(2, 4), rng.randint(2, 4)
        rows = {a: tuple(Fraction(rng.randint(0, 20)) for _ in range(n_options)) for a in AGENTS[:n_agents]}
        options = tuple("abcd"[:n_options])
        honest = pivot_auction(Views(options, rows))
        for agent, place in product(rows, range(30)):
            told = {**rows, agent: tuple(max(Fraction(0), one + rng.choice(LIES[place % 3])) for one in rows[agent])}
            found = pivot_auction(Views(options, told))
            assert net(options, found, rows)[agent] <= net(options, honest, rows)[agent], (rows, told)
            lies, changed = lies + 1, changed + (found.outcome != honest.outcome)
    assert lies > 8_000
    assert changed > 1_000


def test_but_who_falsely_refuses_an_option_can_gain():
    """No rule prevents it: what an agent must refuse is known to it alone."""
    honest = pivot_auction(views((1, 4), (9, 0), options="ns"))
    assert (honest.outcome, honest.payments["ann"]) == ("n", 0)
    refusing = pivot_auction(views((-1, 4), (9, 0), options="ns"))
    assert (refusing.outcome, refusing.payments["ann"]) == ("s", 0)


# One number.


@pytest.mark.parametrize(
    ("positions", "weights", "outcome", "why"),
    [
        ({"ann": 10, "bob": 30}, None, 20, "the weighted mean of 2 positions"),
        ({"ann": 10, "bob": 30}, {"bob": 3}, 25, "the weighted mean of 2 positions"),
        ({"ann": 0.1, "bob": 0.2}, None, 0.15, "the weighted mean of 2 positions"),  # 0.15000000000000002 in floats.
        (
            {"ann": 10, "bob": 30, "cem": 999},
            None,
            30,
            "the weighted median of 3 positions, which nobody moves closer by exaggerating",
        ),
        (
            {"ann": 10, "bob": 30, "cem": 999},
            {"cem": 3},
            999,
            "the weighted median of 3 positions, which nobody moves closer by exaggerating",
        ),
        (
            {"ann": 10, "bob": 30, "cem": 999},
            {"cem": 2},
            514.5,
            "the weighted median of 3 positions, which are evenly split",
        ),
        (
            {"ann": 1, "bob": 2, "cem": 4, "dee": 9},
            None,
            3,
            "the weighted median of 4 positions, which are evenly split",
        ),
        ({"ann": 7}, None, 7, "the only position"),
        ({}, None, None, "nobody named a number"),
    ],
)
def test_two_meet_at_the_mean_and_more_at_the_median(positions, weights, outcome, why):
    found = meet(positions, weights)
    assert (found.strategy, found.outcome, found.rationale) == ("weighted_compromise", outcome, why)
    assert found.utilities == pytest.approx({agent: -abs(one - outcome) for agent, one in positions.items()})


POSITIONS = st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 4)), min_size=3, max_size=6)


def named(rows):
    """Positions and weights of agents from pairs."""
    return {f"v{i}": p for i, (p, _) in enumerate(rows)}, {f"v{i}": w for i, (_, w) in enumerate(rows)}


@lawful()
@given(POSITIONS)
def test_no_number_is_closer_to_all_than_the_weighted_median(rows):
    def distance(number):
        return sum(weight * abs(position - number) for position, weight in rows)

    found = distance(fraction(meet(*named(rows)).outcome))
    assert found == min(distance(position) for position, _ in rows), "the least is always reached at a position"


@lawful()
@given(POSITIONS)
def test_no_majority_of_the_weight_prefers_another_number(rows):
    """Black's theorem."""
    middle = fraction(meet(*named(rows)).outcome)
    for other in (Fraction(n, 2) for n in range(-20, 21)):
        against = sum(weight for position, weight in rows if abs(position - other) < abs(position - middle))
        assert 2 * against <= sum(weight for _, weight in rows)


@lawful()
@given(POSITIONS)
def test_nobody_moves_the_median_closer_by_naming_another_number(rows):
    positions, weights = named(rows)
    found = meet(positions, weights)
    if "nobody moves" not in found.rationale:
        return
    for agent, own in positions.items():
        for told in range(-20, 21, 2):
            moved = fraction(meet({**positions, agent: told}, weights).outcome)
            assert abs(moved - own) >= abs(fraction(found.outcome) - own), (agent, told)


def test_an_even_split_can_be_moved_by_the_two_in_the_middle_and_says_nothing_else():
    honest = meet({"ann": 0, "bob": 10, "cem": 30, "dee": 40})
    assert (honest.outcome, "exaggerating" in honest.rationale) == (20, False)
    assert meet({"ann": 0, "bob": 0, "cem": 30, "dee": 40}).outcome == 15


@lawful()
@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 4)), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
    st.integers(2, 5),
    st.integers(-9, 9),
)
def test_a_number_depends_on_no_order_and_moves_with_its_scale(rows, rng, factor, shift):
    found = meet(*named(rows))
    assert min(rows)[0] <= found.outcome <= max(rows)[0]
    positions, weights = named(rows)
    names = rng.sample(sorted(positions), len(positions))
    assert meet({name: positions[name] for name in names}, {n: w * factor for n, w in weights.items()}) == found
    moved = meet(*named([(factor * position + shift, weight) for position, weight in rows]))
    assert moved.outcome == pytest.approx(factor * found.outcome + shift)


@lawful()
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 4)), min_size=2, max_size=2))
def test_the_number_of_two_is_their_weighted_mean(rows):
    (one, w), (other, v) = rows
    assert meet(*named(rows)).outcome == pytest.approx((one * w + other * v) / (w + v))


# Wrong input.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preferences": {"ann": {"x": 1}}}, "The utility of 'y' for 'ann' was None; give a finite number"),
        ({"preferences": {"ann": {"x": 1, "y": float("nan")}}}, "The utility of 'y' for 'ann' was nan"),
        ({"preferences": {"ann": {"x": 1, "y": True}}}, "The utility of 'y' for 'ann' was True"),
        ({"preferences": {"ann": {"x": 1, "y": 10**400}}}, "The utility of 'y' for 'ann' was far too large"),
        ({"preferences": {"ann": {"x": 1, "y": "much"}, "bob": ["x"]}}, "The utility of 'y' for 'ann' was 'much'"),
        ({"reservation": {"ann": float("inf")}}, "The reservation value of 'ann' was inf"),
        ({"weights": {"ann": 0}}, "The weight of 'ann' was 0; a weight is a finite number above 0"),
        ({"weights": {"ann": float("nan")}}, "The weight of 'ann' was nan"),
        ({"options": ["x"]}, "There are 1 options; a conflict has at least 2"),
    ],
)
def test_numbers_that_are_none_are_refused_in_words(arguments, message):
    given = {"options": ["x", "y"], "preferences": {"ann": {"x": 1, "y": 2}}, **arguments}
    with pytest.raises(ConfigError, match=message):
        views_of(**given)


@pytest.mark.parametrize(
    ("positions", "weights", "message"),
    [
        ({"ann": float("nan"), "bob": 1}, None, "The position of 'ann' was nan; give a finite number"),
        ({"ann": "many", "bob": 1}, None, "The position of 'ann' was 'many'"),
        ({"ann": 1, "bob": 1}, {"bob": 0}, "The weight of 'bob' was 0"),
        ({"ann": 1, "bob": 1, "cem": 1}, {"bob": -1}, "The weight of 'bob' was -1"),
    ],
)
def test_positions_that_are_none_are_refused_in_words(positions, weights, message):
    with pytest.raises(ConfigError, match=message):
        meet(positions, weights)
