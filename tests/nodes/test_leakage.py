"""What words give away of private numbers: leaks by example, and sentences that look like one and are none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.issues import issues_from
from langgraph_agora.nodes.leakage import Leak, leakage
from langgraph_agora.nodes.preferences import Preferences

ISSUES = issues_from(
    {
        "price": {"low": 0, "high": 100, "step": 5},
        "delivery_time": {"low": 1, "high": 10},
        "colour": ["red", "blue", "green"],
    }
)
# With the rest at its best the price may be up to 75; the delivery time is no reason to break off.
PRIVATE = Preferences(
    {"price": 6, "delivery_time": 3, "colour": 1},
    {"price": "low", "delivery_time": "low", "colour": {"red": 1, "blue": 0.3, "green": 0}},
    0.55,
)


def told(words, preferences=PRIVATE, issues=ISSUES):
    return [(leak.kind, leak.issue) for leak in leakage(words, preferences, issues)]


@pytest.mark.parametrize(
    "words",
    [
        "My reservation value is 0.55.",
        "My reservation utility is 55 points.",
        "I walk away below 55%.",
        "I'd rather have no deal than 0.55.",
        "I cannot accept less than 55 points of utility.",
        "I need at least 55 %.",
        "My minimum score is 55.",
        "I won't go lower than 55 percent overall.",
    ],
)
def test_the_reservation_value_as_a_number_or_in_per_cent(words):
    assert told(words) == [("reservation", None)]


@pytest.mark.parametrize(
    ("words", "issues"),
    [
        ("Price counts for 60% of my decision.", ["price"]),
        ("I weigh price at 0.6 and colour at 0.1.", ["price", "colour"]),
        ("The weight of the delivery time is 3 for me.", ["delivery_time"]),
        ("60% of what matters is the price.", ["price"]),
        ("Importance: price 0.6, delivery time 0.3, colour 0.1.", ["price", "delivery_time", "colour"]),
    ],
)
def test_the_weight_of_an_issue(words, issues):
    assert told(words) == [("weight", issue) for issue in issues]


@pytest.mark.parametrize(
    ("words", "issue"),
    [
        ("Blue is worth 0.3 to me.", "colour"),
        ("I rate blue 3 out of 10.", "colour"),
        ("Green scores 0, red scores 1.", "colour"),
        ("Red gives me 0.1 in total.", "colour"),  # Its part of the utility.
        ("A price of 40 scores 60 for me.", "price"),
    ],
)
def test_the_score_of_a_value(words, issue):
    assert told(words) == [("score", issue)]


@pytest.mark.parametrize(
    ("words", "issue"),
    [
        ("The most important is price.", "price"),
        ("Price matters most to me.", "price"),
        ("I care most about the price", "price"),
        ("My top priority is price!", "price"),
        ("The most important thing to me is the price.", "price"),
        ("I do not care about colour.", "colour"),
        ("I don’t really care about colour.", "colour"),
        ("I'm indifferent to the colour.", "colour"),
        ("Colour isn't that important to us.", "colour"),
        ("Colour does not really matter.", "colour"),
        ("Price is more important to me than delivery time.", "price"),
        ("Delivery-time matters much more than colour.", "delivery_time"),
    ],
)
def test_the_ranking_of_issues(words, issue):
    assert told(words) == [("ranking", issue)]


@pytest.mark.parametrize(
    "words",
    [
        "I can't go above 75 on price.",
        "I cannot pay more than 75.",
        "75 is the most I can pay.",
        "My budget is 75.",
        "Our maximum price is 75.",
        "We will never accept a price over 77.",  # There is no price between 75 and 80.
        "A price of at most 75, please.",
    ],
)
def test_the_limit_on_a_numeric_issue(words):
    assert told(words) == [("limit", "price")]


def test_a_lower_limit_is_one_too():
    seller = Preferences({"price": 1}, {"price": "high"}, 0.4)
    only = {"price": {"low": 0, "high": 100, "step": 10}}
    assert told("I can't go below 40.", seller, only) == [("limit", "price")]
    assert told("I can't go above 40.", seller, only) == []
    assert told("I can't go below 50.", seller, only) == []


@pytest.mark.parametrize(
    "words",
    [
        # Offers and their numbers.
        "I offer a price of 40 and delivery time 3 in red.",
        "How about 55 for the price, 3 weeks, and green?",
        "I propose 55 and 6 weeks; that is a fair deal, 60% of the list price.",
        "We offer 100 units at 75 with a delivery time of 1.",
        "I could lower the price from 80 to 75.",
        "We give a 60% discount on the price, since the price matters.",
        "I need at least 55 % of the price in advance.",
        "We deliver at least 55 pieces.",
        # Bluffs: true of nobody.
        "My reservation value is 0.4.",
        "I can't go above 60 on price.",
        "I cannot do a delivery time of less than 3.",
        "Colour is the most important to me.",
        "Delivery time matters more to me than price.",
        "I do not care about the price.",
        "Blue is worth 0.9 to me.",
        "I weigh price at 0.1 and colour at 0.6.",
        # About others, asked, supposed or denied.
        "I know that price matters most to you.",
        "You care most about price.",
        "Your reservation value is probably 0.55.",
        "They cannot pay more than 75.",
        "Does price matter most?",
        "Is 75 the most you can pay?",
        "If price is the most important to you, take 40.",
        "Price is not the most important thing.",
        # Words that have nothing to do with it.
        "The most important thing is that we find a fair price.",
        "I care about price and colour.",
        "I cannot accept your price of 80; I offer 55.",
        "Red is fine, with 0.3 kg less packing.",
        "Pricey matters most.",
        "",
        "...",
    ],
)
def test_what_is_no_leak(words):
    assert told(words) == []


def test_every_clause_is_quoted_as_it_was_said():
    words = "Take 40 in red. Price MATTERS most to me, but I cannot go above 75! And blue is worth 0.3."
    assert leakage(words, PRIVATE, ISSUES) == [
        Leak("ranking", "price", "Price MATTERS most to me"),
        Leak("limit", "price", "I cannot go above 75"),
        Leak("score", "colour", "And blue is worth 0.3"),
    ]
    assert leakage(words, PRIVATE, ISSUES)[1].to_dict() == {
        "kind": "limit",
        "issue": "price",
        "quote": "I cannot go above 75",
    }


def test_where_all_issues_weigh_the_same_there_is_no_ranking_to_give_away():
    alike = Preferences(
        {"price": 1, "delivery_time": 1, "colour": 0.0001},
        {"price": "low", "delivery_time": "low"} | {"colour": {"red": 1, "blue": 0, "green": 0}},
    )
    assert told("Price matters most to me.", alike) == [("ranking", "price")]
    alike = Preferences(dict.fromkeys(("price", "delivery_time", "colour"), 1), PRIVATE.scores)
    assert told("Price matters most to me.", alike) == []


def test_preferences_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError):
        leakage("Price matters most.", PRIVATE, {"price": [1, 2]})


WORDS = (
    "i you my your price delivery time colour red blue 0.55 55% 75 40 0.6 3/10 most important matters cannot above",
    "than more worth weight reservation at least not to me . , ? but",
)
words = st.sampled_from(" ".join(WORDS).split())


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.one_of(st.text(max_size=60), st.lists(words, max_size=15).map(" ".join)))
def test_any_words_can_be_read_and_a_leak_quotes_them(said):
    for leak in leakage(said, PRIVATE, ISSUES):
        assert leak.quote in said
        assert leak.issue in (None, "price", "delivery_time", "colour")
        assert told(leak.quote), "a clause is a leak by itself"


@pytest.mark.parametrize(
    "piece", ["price 0.6 weight ", "not ", "a", "1", " ", "i can't ", "most important ", ".", "1/"]
)
def test_a_flood_of_words_is_read_in_pieces(piece):
    """Patterns that backtrack would not come back from this."""
    leaks = leakage(piece * (100_000 // len(piece)), PRIVATE, ISSUES)
    assert {leak.kind for leak in leaks} <= {"weight"}
    assert all(len(leak.quote) <= 1_000 for leak in leaks)
