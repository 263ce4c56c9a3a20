"""The resolution graph: every kind of conflict is settled by every strategy, says why, and teaches the next choice."""

import asyncio
import json

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore

from langgraph_agora import Agent, Budget, ConfigError, create_resolution
from langgraph_agora.nodes.conflict import STRATEGIES
from langgraph_agora.nodes.resolving import ResolutionContext
from langgraph_agora.testing import ScriptedModel

ABOUT = {"messages": [("user", "What shall the office drink?")]}
DRINKS = {"options": ["tea", "coffee", "milk"]}
PRICE = {"issue": "price", "low": 0, "high": 100}
GOODS = {"items": ["desk", "lamp"]}
DILEMMA = {"payoffs": [[[3, 0], [5, 1]], [[3, 5], [0, 1]]], "actions": [["share", "take"]] * 2}
SALE = {
    "issues": [{"name": "price", "low": 50, "high": 150, "step": 10}, {"name": "lock", "values": ["no", "yes"]}],
    "preferences": {
        "a0": {"weights": {"price": 3, "lock": 1}, "scores": {"price": "high", "lock": {"no": 1, "yes": 0}}},
        "a1": {"weights": {"price": 2, "lock": 1}, "scores": {"price": "low", "lock": {"no": 0, "yes": 1}}},
    },
}


def says(name, *answers, **about):
    """A party that says one thing after the other, and then the last again; objects are answers under a schema."""
    left = list(answers)

    def answer(_):
        said = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(said, BaseException):
            raise said
        return said

    return Agent(name, runnable=RunnableLambda(answer), **about)


def parties(*answers):
    return [says(f"a{i}", *(given if isinstance(given, tuple) else (given,))) for i, given in enumerate(answers)]


def resolve(agents, *, given=ABOUT, config=None, **options):
    result = create_resolution(agents, **options).compile().invoke(given, config)
    json.dumps({key: value for key, value in result.items() if key != "messages"})
    assert result["rationale"]
    assert result["messages"][-1].text == result["answer"]
    return result


@pytest.mark.parametrize(
    ("conflict", "said", "strategy", "outcome"),
    [
        (DRINKS, ("tea > coffee > milk", "coffee > tea", "tea"), "majority_rule", "tea"),
        (None, (("tea", "tea > milk"), ("milk", "milk > tea"), ("Tea.", "tea")), "majority_rule", "Tea"),
        (PRICE, ("30", "I say 50", "100"), "weighted_compromise", 50),
        (PRICE, ("30", "50"), "weighted_compromise", 40),
        (GOODS, ({"desk": 30, "lamp": 5}, {"desk": 25, "lamp": 8}), "auction", {"desk": "a0", "lamp": "a1"}),
        (DILEMMA, ("", ""), "game_theory", "a0: share, a1: share"),
        ({**DILEMMA, "binding_agreement": False}, ("", ""), "game_theory", "a0: take, a1: take"),
        (SALE, ("", ""), "negotiation", {"lock": "no", "price": 120}),
    ],
)
def test_auto_takes_the_strategy_that_fits(conflict, said, strategy, outcome):
    result = resolve(parties(*said), conflict=conflict)
    assert (result["strategy"], result["outcome"], result["stop"]) == (strategy, outcome, "resolved")
    assert result["rationale"].startswith(f"By {strategy}, because ")
    [entry] = result["history"]
    assert (entry["strategy"], entry["resolved"], entry["outcome"]) == (strategy, True, outcome)
    assert entry["features"] == result["features"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("conflict", "said"),
    [
        (DRINKS, ("tea > coffee > milk", "coffee > tea", "tea")),
        (PRICE, ("30", "50", "100")),
        (GOODS, ({"desk": 30, "lamp": 5}, {"desk": 25, "lamp": 8})),
        (DILEMMA, ("", "")),
        (SALE, ("", "")),
    ],
    ids=["options", "numeric", "allocation", "normal_form", "multi_issue"],
)
def test_every_strategy_settles_every_kind_of_conflict(strategy, conflict, said):
    result = resolve(parties(*said), conflict=conflict, strategy=strategy)
    assert (result["strategy"], result["stop"]) == (strategy, "resolved")
    kinds = {"options": str, "issue": int, "items": dict, "payoffs": str | list, "issues": dict}
    assert isinstance(result["outcome"], next(kind for key, kind in kinds.items() if key in conflict))


def test_the_same_through_ainvoke_and_with_the_parties_in_another_order():
    graph = create_resolution(parties("30", "50", "100")[::-1], conflict=PRICE).compile()
    result = asyncio.run(graph.ainvoke(ABOUT))
    assert result["outcome"] == 50
    assert result["utilities"] == {"a0": -20, "a1": 0, "a2": -50}


def test_models_are_asked_under_a_schema():
    ann = ScriptedModel([{"reason": "It is warm.", "answer": "tea"}, {"reason": "Still.", "ranking": ["A", "B"]}])
    bob = ScriptedModel([{"reason": "It is strong.", "answer": "coffee"}, {"reason": "No.", "ranking": ["B", "A"]}])
    cem = ScriptedModel([{"reason": "As ann.", "answer": "Tea"}, {"reason": "Yes.", "ranking": ["A"]}])
    given = [Agent(name, model=model) for name, model in {"ann": ann, "bob": bob, "cem": cem}.items()]
    result = resolve(given)
    assert result["outcome"] == "Tea"
    assert "A: Tea\n> It is warm.\n> As ann.\nB: coffee\n> It is strong." in ann.requests[1].text
    assert result["usage"]["ann"]["calls"] == 2


def test_the_order_of_the_agents_does_not_decide_who_plays_which_role():
    game = {"payoffs": [[[3, 0], [5, 1]], [[3, 9], [0, 1]]], "players": ["a0", "a1"], "binding_agreement": True}
    found = [resolve(some, conflict=game)["utilities"] for some in (parties("", ""), parties("", "")[::-1])]
    assert found[0] == found[1]
    with pytest.raises(ConfigError, match="name the agents: a0, a1"):
        create_resolution(parties("", ""), conflict={**game, "players": ["a0", "eva"]})


def test_goods_that_can_be_shared_out_in_too_many_ways_are_auctioned_or_refused_before_anybody_is_asked():
    asked = []
    silent = [Agent(name, runnable=RunnableLambda(asked.append)) for name in ("a0", "a1")]
    goods = {"items": [f"g{i}" for i in range(13)], "transferable_utility": False}
    with pytest.raises(ConfigError, match="8,192 ways"):
        resolve(silent, conflict=goods, strategy="majority_rule")
    assert asked == []
    values = {name: dict.fromkeys(goods["items"], 1 + place) for place, name in enumerate(("a0", "a1"))}
    result = resolve(silent, conflict={**goods, "values": values})
    assert (result["strategy"], set(result["outcome"].values())) == ("auction", {"a1"})
    assert "8,192 ways" in result["rationale"]


def test_a_tie_over_goods_is_said():
    goods = {"items": ["desk", "lamp"], "values": {f"a{i}": {"desk": 5, "lamp": i} for i in range(2)}}
    result = resolve(parties("", ""), conflict=goods)
    assert (result["outcome"], result["tied"]) == ({"desk": "a0", "lamp": "a1"}, ["desk"])
    assert "several value desk most" in result["rationale"]


def test_one_option_alone_is_no_agreement_of_anybody():
    assert resolve(parties("", ""), conflict={"options": ["tea"]})["rationale"] == "There is one option alone."


def test_who_agrees_from_the_start_has_no_conflict():
    result = resolve(parties("tea", "Tea.", '"tea"'))
    assert (result["strategy"], result["stop"], result["outcome"].casefold()) == ("none", "resolved", "tea")
    assert [entry["strategy"] for entry in result["history"]] == ["none"]


def test_an_arbiter_decides_what_is_a_fact_and_hears_the_reasons():
    judge = ScriptedModel([{"reason": "It was measured.", "choice": "B"}])
    said = [{"reason": f"I read {one}.", "ranking": [one]} for one in ("tea", "coffee", "milk")]
    conflict = {**DRINKS, "verifiable_fact": True}
    result = resolve(parties(*said), conflict=conflict, arbiter=Agent("rita", role="You judge.", model=judge))
    assert result["strategy"] == "arbitration"
    assert "> I read tea." in judge.requests[0].text
    shown = judge.requests[0].text
    assert f"B: {result['outcome']}" in shown
    assert "rita decided so" in result["rationale"]
    assert result["rationale"].endswith("rita: It was measured.")
    assert result["positions"][-1]["party"] == "rita"
    assert result["usage"]["rita"]["calls"] == 1


@pytest.mark.parametrize("said", ["I cannot say.", RuntimeError("ill"), ""])
def test_an_arbiter_that_gives_no_verdict_is_replaced_by_the_rule(said):
    judge = says("rita", said)
    result = resolve(parties("tea", "coffee", "tea"), conflict=DRINKS, strategy="arbitration", arbiter=judge)
    assert (result["stop"], result["outcome"]) == ("resolved", "tea")
    assert "rita gave no verdict; by rule" in result["rationale"]


def test_a_mediator_holds_the_text_of_a_negotiation():
    words = ScriptedModel([{"argument": "Meet in the middle."}], after="repeat")
    result = resolve(parties("", ""), conflict=SALE, mediator=Agent("mia", model=words), rounds=20)
    assert {row["party"] for row in result["offers"]} == {"mediator"}
    assert "Meet in the middle." in [row["argument"] for row in result["offers"]]


def test_nothing_is_decided_that_a_party_must_refuse():
    stubborn = {
        **DRINKS,
        "preferences": {"a0": {"tea": 9, "coffee": 1, "milk": 5}, "a1": {"tea": 1, "coffee": 9, "milk": 5}},
        "reservation": {"a0": 4, "a1": 4},
    }
    for strategy in STRATEGIES:
        assert resolve(parties("", ""), conflict=stubborn, strategy=strategy)["outcome"] == "milk"
    stubborn["reservation"] = {"a0": 6, "a1": 6}
    for strategy in STRATEGIES:
        result = resolve(parties("", ""), conflict=stubborn, strategy=strategy)
        assert (result["stop"], result["outcome"], result["utilities"]) == ("unresolved", None, {}), strategy
        assert "option is acceptable to all" in result["rationale"]
        assert result["history"][0]["resolved"] is False
        assert result["answer"].startswith("Not resolved. By ")


def test_weights_come_from_the_parties():
    heavy = [says("ann", "10", weight=3), says("bob", "30")]
    assert resolve(heavy, conflict=PRICE)["outcome"] == 15


@pytest.mark.parametrize("silent", ["", "well, ...", None, RuntimeError("ill"), {"number": float("nan")}])
def test_who_says_nothing_usable_is_left_out_and_it_is_said(silent):
    result = resolve(parties("30", "50", silent), conflict=PRICE)
    assert (result["outcome"], result["stop"]) == (40, "resolved")
    assert result["positions"][2]["position"] is None
    assert result["positions"][2]["error"]


@pytest.mark.parametrize(
    ("conflict", "said"),
    [(DRINKS, ("tea > milk", *[RuntimeError("ill")] * 4)), (PRICE, ("7", "", "")), (PRICE, ("7", "?"))],
)
def test_half_of_the_parties_or_less_decide_nothing(conflict, said):
    result = resolve(parties(*said), conflict=conflict)
    assert (result["stop"], result["outcome"]) == ("unresolved", None)
    assert f"Only 1 of {len(said)} parties said what they want; not heard: a1" in result["rationale"]


def test_who_was_not_heard_is_said_beside_the_outcome():
    assert "Not heard: a2." in resolve(parties("30", "50", ""), conflict=PRICE)["rationale"]


@pytest.mark.parametrize(
    ("said", "number"),
    [("12.5", 12.5), ("-5", -5), ("minus 5", -5), ("1,250", 1250), ("12.5%", None), ("3.50EUR", None), ("1.2.3", None)],
)
def test_a_position_in_prose_is_the_one_number_that_stands_alone(said, number):
    result = resolve(parties(f"I stand for {said}.", "1", "2"), conflict={"issue": "price"})
    assert result["positions"][0]["position"] == number


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_a_budget_that_ends_inside_the_strategy_is_said(calls):
    words = {"argument": "It is fair."}
    talkers = [Agent(name, model=ScriptedModel([words], after="repeat")) for name in ("a0", "a1")]
    result = resolve(talkers, conflict=SALE, rounds=5, config={"callbacks": [Budget(max_calls=calls)]})
    assert (result["stop"], bool(result["outcome"])) == ("budget", True)


def test_an_arbiter_refused_by_the_budget_is_said():
    given = {**DRINKS, "preferences": {f"a{i}": ["tea"] for i in range(3)}, "verifiable_fact": True}
    asker = ScriptedModel([{"reason": "", "choice": "A"}], after="repeat")
    spent = Budget(max_calls=1)
    asker.invoke("one call", {"callbacks": [spent]})
    judge = Agent("rita", model=asker)
    result = resolve(parties("", "", ""), conflict=given, arbiter=judge, config={"callbacks": [spent]})
    assert (result["stop"], result["outcome"]) == ("budget", "tea")


def test_a_ranking_of_things_that_are_no_options_is_data():
    result = resolve(parties({"ranking": [1, {}]}, "tea", "tea"), conflict=DRINKS)
    assert result["outcome"] == "tea"
    assert "none" in result["positions"][0]["error"]


def test_when_nobody_says_anything_it_stays_unresolved():
    for conflict in (None, DRINKS, PRICE, GOODS):
        result = resolve(parties("", ""), conflict=conflict)
        assert (result["stop"], result["outcome"]) == ("unresolved", None), conflict


@pytest.mark.parametrize("strategy", [one for one in STRATEGIES if one != "negotiation"])
def test_issues_of_which_nobody_says_what_it_wants_stay_unresolved(strategy):
    result = resolve(parties("", "?"), conflict={"issues": SALE["issues"]}, strategy=strategy)
    assert (result["stop"], result["outcome"]) == ("unresolved", None)


def test_a_negotiation_over_options_gives_utilities_in_the_parties_own_units():
    result = resolve(parties("", ""), conflict=DILEMMA, strategy="negotiation")
    assert result["utilities"] == {"a0": 3.0, "a1": 3.0}


def test_of_more_options_than_can_be_negotiated_the_fairest_are():
    values = dict.fromkeys(("desk", "lamp", "rug", "clock"), 1)
    goods = {"items": list(values), "values": {f"a{i}": values for i in range(3)}}
    result = resolve(parties("", "", ""), conflict=goods, strategy="negotiation")  # 81 ways to share them out.
    assert result["stop"] == "resolved"
    assert min(result["utilities"].values()) > 0


@pytest.mark.parametrize(("said", "outcome"), [(("7", "7"), 7), (("", ""), None)])
def test_with_one_position_or_none_there_is_nothing_to_negotiate_about(said, outcome):
    result = resolve(parties(*said), conflict=PRICE, strategy="negotiation")
    assert (result["strategy"], result["outcome"]) == ("weighted_compromise", outcome)
    assert "nothing to negotiate about" in result["rationale"]


def test_a_used_up_budget_ends_in_words():
    models = [Agent(name, model=ScriptedModel([{"reason": "", "answer": name}], after="repeat")) for name in "abc"]
    result = resolve(models, config={"callbacks": [Budget(max_calls=1)]})
    assert (result["stop"], result["outcome"]) == ("budget", None)
    assert "the budget of 1 calls is used up" in result["answer"].lower()


# Learning

FAILED = {"features": {"kind": "numeric", "n_agents": 3}, "strategy": "weighted_compromise", "resolved": False}


def test_a_strategy_that_failed_in_such_conflicts_is_passed_over():
    given = {**ABOUT, "history": [FAILED] * 3}
    judge = says("rita", "50")
    result = resolve(parties("30", "50", "100"), given=given, conflict=PRICE, arbiter=judge)
    assert result["strategy"] == "arbitration"
    assert "passed over" in result["rationale"]
    assert len(result["history"]) == 4


def test_the_history_is_kept_in_the_store_and_other_threads_learn_from_it():
    store = InMemoryStore()
    graph = create_resolution(parties("30", "50", "100"), conflict=PRICE, arbiter=says("rita", "50")).compile(
        store=store
    )
    for number in range(3):
        store.put(("agora", "conflicts"), str(number), FAILED)
    assert graph.invoke(ABOUT)["strategy"] == "arbitration"
    assert len(store.search(("agora", "conflicts"), limit=10)) == 4


def test_what_others_keep_in_the_store_is_passed_over():
    store = InMemoryStore()
    store.put(("agora", "conflicts"), "x", {"hello": 1})
    result = create_resolution(parties("30", "50"), conflict=PRICE).compile(store=store).invoke(ABOUT)
    assert (result["outcome"], len(result["history"])) == (40, 1)


def test_the_history_of_a_thread_is_kept_in_its_state_and_a_new_conflict_may_come():
    graph = create_resolution(parties("30", "50", "100")).compile(InMemorySaver())
    thread = {"configurable": {"thread_id": "t"}}
    first = graph.invoke({**ABOUT, "conflict": PRICE}, thread)
    second = graph.invoke({**ABOUT, "conflict": {**PRICE, "high": 200}}, thread)
    assert [len(first["history"]), len(second["history"])] == [1, 2]
    assert second["outcome"] == 50


# In its place


def test_each_strategy_is_a_subgraph_in_the_drawing():
    drawn = create_resolution(["ann", "bob"]).compile().get_graph(xray=True)
    assert {node.partition(":")[0] for node in drawn.nodes if ":" in node} == set(STRATEGIES)


def test_events_tell_what_happens_also_inside_the_strategy():
    graph = create_resolution(parties("", ""), conflict=SALE, rounds=2).compile()
    told = [part["event"] for _, part in graph.stream(ABOUT, stream_mode="custom", subgraphs=True)]
    assert [event for event in told if event in ("choice", "offer", "end")] == ["choice", *["offer"] * 4, "end", "end"]


def test_it_is_a_node_of_somebody_elses_graph():
    builder = StateGraph(MessagesState)
    builder.add_node("settle", create_resolution(parties("tea", "milk", "tea"), conflict=DRINKS).compile())
    builder.add_edge(START, "settle")
    assert builder.compile().invoke(ABOUT)["messages"][-1].text.startswith("tea. By majority_rule")


def test_the_model_of_the_run_reaches_the_subgraphs(tmp_path):
    graph = create_resolution(["a0", "a1"], conflict=SALE, rounds=2).compile()
    with pytest.raises(ConfigError, match="nosuch"):
        graph.invoke(ABOUT, context=ResolutionContext(model="ollam:nosuch"))


# Wrong input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "negotation"}, "Did you mean 'negotiation'"),
        ({"conflict": {"option": []}}, "Did you mean 'options'"),
        ({"conflict": {"options": "tea"}}, "options was 'tea'"),
        ({"conflict": {"kind": "wrestling"}}, "kind"),
        ({"conflict": {**PRICE, "low": 100}}, "low"),
        ({"conflict": {**DRINKS, "preferences": {"eva": ["tea"]}}}, "eva"),
        ({"conflict": {"items": ["desk"], "values": {"ann": {"desk": float("inf")}}}}, "inf"),
        ({"conflict": {"payoffs": [[[1, 2], [3]], [[1, 2], [3, 4]]]}}, "payoff"),
        ({"conflict": {"issues": [{"name": "price"}]}}, "price"),
        ({"conflict": {"payoffs": [[[[1]]], [[[1]]], [[[1]]]]}}, "3 players, but there are 2 agents"),
        ({"arbiter": "ann"}, "as a party is"),
        ({"conflict": {"issues": {name: list(range(50)) for name in "abcd"}}}, "6,250,000 outcomes"),
        ({"rounds": 0}, "rounds was 0"),
        ({"model": 5}, "model was 5"),
    ],
)
def test_a_wrong_argument_is_refused_in_words(options, message):
    with pytest.raises(ConfigError) as refused:
        create_resolution(["ann", "bob"], **options)
    assert message in str(refused.value)


def test_one_party_alone_is_refused():
    with pytest.raises(ConfigError, match="at least 2 are needed"):
        create_resolution(["ann"])


@pytest.mark.embedded
def test_the_embedded_model_comes_to_an_outcome(embedded):
    graph = create_resolution(["ann", "bob", "cem"], conflict=DRINKS, model=embedded).compile()
    result = graph.invoke(ABOUT)
    assert result["stop"] in ("resolved", "unresolved")
    assert result["answer"]
