"""The negotiation graph: agents say what they want and argue; code works out offers, deals and what words gave away."""

import asyncio
import json

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from langgraph_agora import Agent, Budget, ConfigError, create_negotiation
from langgraph_agora.nodes.negotiating import NegotiationContext
from langgraph_agora.nodes.negotiation import Scenario, negotiate
from langgraph_agora.testing import ScriptedModel

ABOUT = {"messages": [("user", "Agree on the sale of the bicycle.")]}
ISSUES = [{"name": "price", "low": 50, "high": 150, "step": 10}, {"name": "lock", "values": ["no", "yes"]}]
SELLER = {"weights": {"price": 3, "lock": 1}, "scores": {"price": "high", "lock": {"no": 1, "yes": 0}}}
BUYER = {"weights": {"price": 2, "lock": 1}, "scores": {"price": "low", "lock": {"no": 0, "yes": 1}}}
SIDES = {"seller": {**SELLER, "reservation": 0.2}, "buyer": {**BUYER, "reservation": 0.2}}

# What a model answers when it is asked what it wants; the issues stand in the order of their names: lock, price.
SELLER_ASKED = {"importance_1": 1, "points_1": [10, 0], "importance_2": 3, "wants_2": "high", "walk_away": 20}
BUYER_ASKED = {"importance_1": 1, "points_1": [0, 10], "importance_2": 2, "wants_2": "low", "walk_away": 20}


def person(wishes, *arguments):
    """A model that says what it wants when it is asked in private, and then argues, one thing after the other."""
    left = list(arguments) or ["It is fair."]

    def answer(request):
        if "nobody else will see it" in request.text:
            return wishes
        return {"argument": left.pop(0) if len(left) > 1 else left[0]}

    return ScriptedModel([answer], after="repeat")


def sides(seller=None, buyer=None):
    return [
        Agent("seller", role="You sell a bicycle.", model=seller or person(SELLER_ASKED)),
        Agent("buyer", role="You want a bicycle.", model=buyer or person(BUYER_ASKED)),
    ]


def talk(given=None, *, config=None, context=None, **options):
    options = {"issues": ISSUES} | options
    graph = create_negotiation(given or sides(), **options).compile()
    result = graph.invoke(ABOUT, config, context=context)
    json.dumps({key: value for key, value in result.items() if key != "messages"})
    return result


def test_agents_say_what_they_want_and_come_to_the_nash_point():
    result = talk(rounds=None)
    assert result["deal"] == {"lock": "yes", "price": 120} == Scenario(ISSUES, SIDES).nash_point
    assert (result["stop"], result["distances"]["nash"], result["rounds"]) == ("agreed", 0.0, 8)
    assert result["scenario"]["agents"]["buyer"]["weights"] == {"lock": 1, "price": 2}
    assert result["scenario"]["agents"]["buyer"]["reservation"] == 0.2
    assert result["answer"].startswith("Deal: lock yes, price 120. The deal is the offer of ")
    assert result["messages"][-1].text == result["answer"]


def test_the_same_through_ainvoke_and_with_agents_in_another_order():
    graph = create_negotiation(sides()[::-1], issues=ISSUES[::-1], rounds=None).compile()
    result = asyncio.run(graph.ainvoke(ABOUT))
    assert result["deal"] == {"lock": "yes", "price": 120}
    assert result["offers"] == talk(rounds=None)["offers"]


def test_the_graph_decides_as_the_core_does():
    core = negotiate(Scenario(ISSUES, SIDES), rounds=5)
    result = talk(preferences=SIDES)
    assert (result["deal"], result["stop"], result["agreement"]) == (core.outcome, core.stop, core.agreement)
    assert [row["offer"] for row in result["offers"]] == [row["offer"] for row in core.history]


def test_who_gave_preferences_is_not_asked():
    seller = person("never asked")
    talk(sides(seller), preferences={"seller": SIDES["seller"]})
    assert not any("nobody else will see it" in request.text for request in seller.requests)


def test_only_who_makes_a_new_offer_argues_and_sees_the_others_words_as_data():
    buyer = person(BUYER_ASKED, "I have little money.")
    result = talk(sides(person(SELLER_ASKED, "It is nearly new."), buyer), rounds=None)
    spoke = [(row["round"], row["party"]) for row in result["offers"] if row["argument"]]
    assert spoke[:4] == [(1, "buyer"), (1, "seller"), (2, "seller"), (3, "buyer")]
    assert [row["argument"] for row in result["offers"] if not row["conceded"]][2:] == [""] * 7
    second = [request.text for request in buyer.requests if "Your offer is" in request.text][1]
    assert "seller offers lock yes, price 150\n> It is nearly new." in second
    assert "reservation" not in second
    assert "importance" not in second


def test_what_an_argument_gives_away_is_listed():
    result = talk(sides(person(SELLER_ASKED, "The price is what matters most to me.")))
    assert {(leak["round"], leak["party"], leak["kind"]) for leak in result["leaks"]} >= {(1, "seller", "ranking")}
    assert result["leaks"][0]["quote"] in "The price is what matters most to me."
    assert talk(sides(person(SELLER_ASKED, "The lock is what matters most to me.")))["leaks"] == [], (
        "a bluff is no leak"
    )


@pytest.mark.parametrize("said", ["I want it cheap.", None, "", {"weights": {"prize": 1}}, '{"importance_1": 99}'])
def test_an_agent_that_does_not_say_what_it_wants_is_taken_for_indifferent_and_it_is_said(said):
    vague = Agent(
        "buyer", runnable=RunnableLambda(lambda _: said if isinstance(said, dict) else {"messages": said or ""})
    )
    graph = create_negotiation([sides()[0], vague], issues=ISSUES).compile()
    wishes = [part for part in graph.stream(ABOUT, stream_mode="custom") if part["event"] == "wishes"]
    assert [(part["party"], bool(part["error"])) for part in wishes] == [("seller", False), ("buyer", True)]
    result = graph.invoke(ABOUT)
    assert (result["stop"], result["converged"], list(result["unheard"])) == ("agreed", False, ["buyer"])
    assert "Taken for indifferent" in result["rationale"]
    assert result["deal"] == {"lock": "no", "price": 150}, "who does not mind gives way"


def test_a_runnable_may_state_its_preferences_in_their_own_form():
    stated = Agent("buyer", runnable=RunnableLambda(lambda _: SIDES["buyer"]))
    assert talk([sides()[0], stated])["scenario"]["agents"]["buyer"]["weights"] == SIDES["buyer"]["weights"]


def test_reservation_values_that_leave_no_zone_end_in_a_result_that_says_so():
    greedy = {name: {**one, "reservation": 0.9} for name, one in SIDES.items()}
    result = talk(preferences=greedy)
    assert (result["stop"], result["deal"], result["agreement"], result["offers"]) == ("no_deal", None, 0.0, [])
    assert result["answer"].startswith("No deal: each party could be satisfied, but no outcome satisfies all")
    assert result["utilities"] == {"seller": 0.9, "buyer": 0.9}


def test_at_the_cap_the_best_offer_on_the_table_is_the_deal():
    result = talk(rounds=1)
    assert (result["stop"], result["rounds"], result["converged"]) == ("escalated", 1, False)
    assert result["distances"]["pareto"] == 0.0
    assert all(gain >= 0 for gain in result["gains"].values())


def test_a_mediator_speaks_for_its_text_and_the_parties_say_nothing():
    words = ScriptedModel([{"argument": "This suits both of you."}], after="repeat")
    result = talk(protocol="mediated", rounds=20, mediator=Agent("rita", role="You mediate.", model=words))
    assert {row["party"] for row in result["offers"]} == {"mediator"}
    assert result["offers"][1]["argument"] == "This suits both of you."
    assert "rita" not in result["usage"]
    assert result["usage"]["mediator"]["calls"] == sum(bool(row["argument"]) for row in result["offers"])
    assert all(gain >= 0 for gain in result["gains"].values())


def test_three_parties_with_a_veto():
    three = {
        "ann": {"weights": {"x": 1}, "scores": {"x": {"a": 3, "b": 2, "c": 0}}, "reservation": 0.5},
        "bob": {"weights": {"x": 1}, "scores": {"x": {"a": 0, "b": 2, "c": 3}}, "reservation": 0.5},
        "cem": {"weights": {"x": 1}, "scores": {"x": {"a": 0, "b": 0, "c": 3}}, "reservation": 0.5},
    }
    agents = [Agent(name, model=person(None)) for name in three]
    options = {"issues": {"x": ["a", "b", "c"]}, "preferences": three}
    assert talk(agents, **options)["stop"] == "no_deal"
    assert talk(agents, needed=2, **options)["stop"] != "no_deal"
    assert talk(agents, needed=2, veto=["ann"], **options)["deal"] == {"x": "b"}


def test_a_budget_ends_the_words_and_not_the_deal():
    result = talk(config={"callbacks": [Budget(max_calls=4)]})
    assert (result["stop"], result["deal"]) == ("budget", talk()["deal"])
    assert sum(bool(row["argument"]) for row in result["offers"]) == 2


@pytest.mark.parametrize("failure", [ConnectionError("no route"), TimeoutError("late"), RuntimeError("broken")])
def test_a_model_that_fails_says_nothing_and_the_offers_go_on(failure):
    result = talk(sides(ScriptedModel([failure], after="repeat")))
    assert result["stop"] in ("agreed", "escalated")
    assert "the model failed" in next(row["error"] for row in result["offers"] if row["party"] == "seller")


def test_issues_and_preferences_may_come_with_the_input():
    graph = create_negotiation(sides()).compile()
    result = graph.invoke({**ABOUT, "issues": ISSUES, "preferences": SIDES})
    assert result["deal"] == talk(preferences=SIDES)["deal"]
    with pytest.raises(ConfigError, match="There is nothing to negotiate about"):
        graph.invoke(ABOUT)


def test_it_goes_on_after_every_round_from_a_checkpoint():
    graph = create_negotiation(sides(), issues=ISSUES, rounds=None).compile(InMemorySaver(), interrupt_before=["talk"])
    thread = {"configurable": {"thread_id": "t"}}
    state, pauses = graph.invoke(ABOUT, thread), 0
    while graph.get_state(thread).next:
        state, pauses = graph.invoke(None, thread), pauses + 1
    assert pauses == state["rounds"] == 8
    assert state["deal"] == talk(rounds=None)["deal"]
    again = graph.invoke({"messages": [("user", "Once more.")]}, thread)
    assert again.get("offers") == [], "a second turn in the thread begins anew"


def test_in_a_second_turn_everybody_is_asked_again():
    seller = person(SELLER_ASKED)
    graph = create_negotiation(sides(seller), issues=ISSUES).compile(InMemorySaver())
    thread = {"configurable": {"thread_id": "t"}}
    for _ in range(2):
        assert graph.invoke(ABOUT, thread)["deal"]
    for _ in range(2):  # Whose preferences are given is not asked, however often they are the same.
        assert graph.invoke({**ABOUT, "preferences": SIDES}, thread)["unheard"] == {}
    assert sum("nobody else will see it" in request.text for request in seller.requests) == 2
    colours = {"name": "colour", "values": ["red", "blue"]}
    with pytest.raises(ConfigError, match="give 2 to 50"):
        graph.invoke({**ABOUT, "issues": [{**colours, "values": ["red"]}]}, thread)


def test_it_is_a_node_of_somebody_elses_graph():
    builder = StateGraph(MessagesState)
    builder.add_node("talks", create_negotiation(sides(), issues=ISSUES).compile())
    builder.add_edge(START, "talks")
    result = builder.compile().invoke(ABOUT)
    assert result["messages"][-1].text.startswith("Deal: lock yes")


def test_events_tell_what_happens_as_it_happens():
    graph = create_negotiation(sides(), issues=ISSUES, rounds=1).compile()
    told = [part["event"] for part in graph.stream(ABOUT, stream_mode="custom")]
    assert told == ["asking", "wishes", "wishes", "asking", "offer", "offer", "end"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "zeuten"}, "Did you mean 'zeuthen'"),
        ({"concession": "linaer"}, "Did you mean 'linear'"),
        ({"rounds": 0}, "rounds was 0"),
        ({"rounds": None, "protocol": "alternating"}, "does not end by itself"),
        ({"threshold": 2}, "threshold was 2"),
        ({"issues": []}, None),
        ({"issues": [{"name": "price"}]}, "number of values 0"),
        ({"issues": ISSUES[:1] * 2}, "two issues 'price'"),
        ({"preferences": {"sellr": SIDES["seller"]}}, "Did you mean 'seller'"),
        ({"preferences": {"seller": {"weights": {"price": float("nan")}}}}, "weight of 'price' was nan"),
        ({"veto": ["carl"]}, "veto parties were"),
        ({"veto": "seller"}, "give a list"),
        ({"needed": 3}, "needed was 3"),
        ({"preferences": {"seller": {"weights": {"prize": 1}}}}, "prize"),
        ({"issues": {name: list(range(50)) for name in "abcd"}}, "6,250,000 outcomes"),
        ({"mediator": "rita"}, "it speaks only in the protocol mediated"),
        ({"model": 5}, "model was 5"),
    ],
)
def test_a_wrong_argument_is_refused_in_words(options, message):
    options = {"issues": ISSUES} | options
    if message is None:  # Without issues they come with the input.
        create_negotiation(["seller", "buyer"], **options)
        return
    with pytest.raises(ConfigError) as refused:
        create_negotiation(["seller", "buyer"], **options)
    assert message in str(refused.value)


def test_wrong_preferences_and_settings_are_refused_before_anybody_is_asked():
    seller = person(SELLER_ASKED)
    graph = create_negotiation(sides(seller), issues=ISSUES).compile()
    with pytest.raises(ConfigError, match="prize"):
        graph.invoke({**ABOUT, "preferences": {"buyer": {"weights": {"prize": 1}, "scores": {}}}})
    with pytest.raises(ConfigError, match="model_seconds"):
        graph.invoke(ABOUT, context=NegotiationContext(model_seconds=0))
    assert seller.requests == []


def test_one_agent_alone_and_the_mediators_name_are_refused():
    with pytest.raises(ConfigError, match="at least 2 are needed"):
        create_negotiation(["ann"], issues=ISSUES)
    with pytest.raises(ConfigError, match="who holds the text"):
        create_negotiation(["ann", "mediator"], issues=ISSUES)


@pytest.mark.embedded
def test_the_embedded_model_comes_to_an_outcome(embedded):
    given = [Agent("seller", role="You sell a bicycle."), Agent("buyer", role="You want a cheap bicycle.")]
    result = create_negotiation(given, issues=[ISSUES[0]], rounds=2, model=embedded).compile().invoke(ABOUT)
    assert result["stop"] in ("agreed", "escalated", "arbitrated", "no_deal")
    assert result["answer"]
