import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TypedDict

import pytest
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph

from langgraph_agora.budget import Budget
from langgraph_agora.errors import BudgetExceeded, ConfigError
from langgraph_agora.graphs.react import create_react
from langgraph_agora.testing import ScriptedModel
from langgraph_agora.tools import calculate

QUESTION = {"messages": [("user", "What is 6 * 7?")]}
SUM = {"thought": "compute", "action": "calculate", "input": "6 * 7"}
OTHER_SUM = {"thought": "check", "action": "calculate", "input": "7 * 6 + 0"}


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def chatty(**settings):
    return ScriptedModel(["four words of answer"], after="repeat", **settings)


def with_budget(budget):
    return {"callbacks": [budget]}


def test_the_call_beyond_max_calls_is_refused_before_it_is_sent():
    model, budget = chatty(), Budget(max_calls=2)
    for _ in range(2):
        model.invoke("hello", with_budget(budget))
    with pytest.raises(BudgetExceeded, match="budget of 2 calls is used up"):
        model.invoke("hello", with_budget(budget))
    assert len(model.requests) == budget.spent()["calls"] == 2
    assert budget.left() == {"calls": 0}


async def test_the_same_holds_under_ainvoke():
    model, budget = chatty(), Budget(max_calls=2)
    for _ in range(2):
        await model.ainvoke("hello", with_budget(budget))
    with pytest.raises(BudgetExceeded, match="2 calls"):
        await model.ainvoke("hello", with_budget(budget))
    assert len(model.requests) == 2


def test_tokens_are_known_after_a_call_so_the_next_one_is_refused():
    model, budget = chatty(), Budget(max_tokens=7)
    model.invoke("two words", with_budget(budget))  # 2 in, 4 out
    assert budget.left() == {"tokens": 1}
    model.invoke("two words", with_budget(budget))
    with pytest.raises(BudgetExceeded, match=r"7 tokens is used up \(12 tokens"):
        model.invoke("two words", with_budget(budget))
    assert (budget.tokens_in, budget.tokens_out, len(model.requests)) == (4, 8, 2)


def test_seconds_count_from_the_first_call():
    clock = Clock()
    model, budget = chatty(), Budget(max_seconds=10, clock=clock)
    clock.now += 1000
    assert budget.left() == {"seconds": 10}
    model.invoke("hello", with_budget(budget))
    clock.now += 9.5
    model.invoke("hello", with_budget(budget))
    clock.now += 0.5
    with pytest.raises(BudgetExceeded, match="10 seconds"):
        model.invoke("hello", with_budget(budget))
    assert len(model.requests) == 2


def test_start_lets_the_seconds_count_at_once_and_only_the_first_time():
    clock = Clock()
    budget = Budget(max_seconds=10, clock=clock)
    budget.start()
    clock.now += 4
    budget.start()
    assert budget.left() == {"seconds": 6}


def test_cost_is_tokens_times_the_price_of_a_million():
    model = chatty(model="dear")
    budget = Budget(max_cost=9, prices={"dear": (1_000_000, 2_000_000), "cheap": (1, 1)})
    model.invoke("two words", with_budget(budget))  # 2 * 1 + 4 * 2 = 10
    assert budget.spent()["cost"] == 10
    with pytest.raises(BudgetExceeded, match="9 cost"):
        model.invoke("two words", with_budget(budget))


def test_a_model_without_a_price_is_refused_since_max_cost_could_not_hold():
    model = chatty(model="unknown")
    with pytest.raises(ConfigError, match=r"no entry for the model 'unknown'.*Given: dear"):
        model.invoke("hello", with_budget(Budget(max_cost=1, prices={"dear": (1, 1)})))
    assert model.requests == []


@pytest.mark.parametrize("name", ["max_calls", "max_tokens", "max_seconds", "max_cost"])
@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), True, "5", [5]])
def test_a_limit_is_a_number_above_zero(name, limit):
    with pytest.raises(ConfigError, match=f"{name} was .*above 0"):
        Budget(**{name: limit}, prices={"m": (1, 1)})


@pytest.mark.parametrize("name", ["max_calls", "max_tokens"])
def test_calls_and_tokens_are_whole(name):
    with pytest.raises(ConfigError, match=f"{name} was 1.5; give a whole number"):
        Budget(**{name: 1.5})


def test_max_cost_needs_prices():
    with pytest.raises(ConfigError, match="max_cost was given without prices"):
        Budget(max_cost=1)


@pytest.mark.parametrize("price", [5, (1,), (1, 2, 3), (-1, 1), (1, float("nan")), ("1", "2"), (True, 1)])
def test_a_price_is_two_numbers(price):
    with pytest.raises(ConfigError, match=r"prices\['m'\] was"):
        Budget(max_cost=1, prices={"m": price})


class Inner(TypedDict):
    text: str


def test_calls_of_nested_graphs_and_foreign_runnables_count():
    model, budget = chatty(), Budget(max_calls=3)
    chain = ChatPromptTemplate.from_template("{text}") | model | RunnableLambda(lambda message: message.text)
    inner = StateGraph(Inner).add_node("say", lambda state: {"text": chain.invoke(state)}).add_edge(START, "say")
    nested = inner.compile()
    outer = (
        StateGraph(MessagesState)
        .add_node("own", lambda state: {"messages": [model.invoke(state["messages"])]})
        .add_node("nested", lambda state: {"messages": [AIMessage(nested.invoke({"text": "hello"})["text"])]})
        .add_edge(START, "own")
        .add_edge("own", "nested")
        .compile()
    )
    outer.invoke(QUESTION, with_budget(budget))
    assert budget.spent()["calls"] == 2
    chain.invoke({"text": "hello"}, with_budget(budget))
    with pytest.raises(BudgetExceeded):
        outer.invoke(QUESTION, with_budget(budget))
    assert len(model.requests) == 3


def test_a_budget_given_twice_counts_a_call_once():
    model, budget = chatty(), Budget(max_calls=5)
    RunnableLambda(lambda text: model.invoke(text, with_budget(budget))).invoke("hello", with_budget(budget))
    assert budget.spent()["calls"] == 1


def test_eight_threads_cannot_send_more_than_the_limit():
    model, budget, together = chatty(), Budget(max_calls=10), threading.Barrier(8)

    def work(_):
        together.wait()
        refused = 0
        for _ in range(5):
            try:
                model.invoke("hello", with_budget(budget))
            except BudgetExceeded:
                refused += 1
        return refused

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 30
    assert len(model.requests) == budget.calls == 10


def test_a_call_that_fails_stays_counted():
    budget = Budget(max_calls=3)
    with pytest.raises(ConnectionError):
        ScriptedModel([ConnectionError("down")]).invoke("hello", with_budget(budget))
    assert budget.left() == {"calls": 2}


def test_a_react_run_ends_with_stop_budget_and_the_best_it_has():
    model = ScriptedModel([SUM, OTHER_SUM], after="fail")
    result = create_react([calculate], model=model).compile().invoke(QUESTION, with_budget(Budget(max_calls=2)))
    assert result["stop"] == "budget"
    assert "2 calls is used up" in result["answer"]
    assert "The last result was 42" in result["answer"]
    assert result["usage"]["react"]["calls"] == len(model.requests) == 2


async def test_a_react_run_ends_the_same_way_under_ainvoke():
    model = ScriptedModel([SUM, OTHER_SUM], after="fail")
    result = await create_react([calculate], model=model).compile().ainvoke(QUESTION, with_budget(Budget(max_calls=2)))
    assert result["stop"] == "budget"
    assert "The last result was 42" in result["answer"]
    assert len(model.requests) == 2


def test_a_call_in_flight_is_given_up_when_the_seconds_end():
    graph = create_react([calculate], model=chatty(latency=30)).compile()
    budget = Budget(max_seconds=0.2)
    result = graph.invoke(QUESTION, with_budget(budget))
    assert result["stop"] == "budget"
    assert budget.spent()["seconds"] < 15  # a hang guard: the call takes 30


async def test_a_call_in_flight_is_given_up_under_ainvoke_too():
    graph = create_react([calculate], model=chatty(latency=30)).compile()
    budget = Budget(max_seconds=0.2)
    result = await graph.ainvoke(QUESTION, with_budget(budget))
    assert result["stop"] == "budget"
    assert budget.spent()["seconds"] < 15
