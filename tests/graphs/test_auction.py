"""The auction graph: whatever agents bid or deliver, who wins is right, what is broken is told, and the run ends."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
from itertools import permutations
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import interrupt

from langgraph_agora import Agent, Budget, ConfigError, create_auction, create_react
from langgraph_agora.nodes.contracts import KINDS
from langgraph_agora.nodes.deliveries import AuctionContext
from langgraph_agora.testing import ScriptedModel

SEA = "Write a line about the sea."
STOPS = {"delivered", "partial", "breach", "no_award", "budget"}


def bidder(name, bid, *work):
    """An agent that bids (one bid, or one for each task by its first word), and delivers one thing after the other."""
    left = list(work or [f"{name}'s work"])

    def answer(state):
        asked = state["messages"][-1].text
        if "put out to tender" not in asked:
            said = left.pop(0) if len(left) > 1 else left[0]
        elif isinstance(bid, dict) and "cost" not in bid:
            said = next((one for task, one in bid.items() if f"> {task}" in asked), bid)
        else:
            said = bid
        if isinstance(said, BaseException):
            raise said
        return said(state) if callable(said) else said

    return RunnableLambda(answer, name=name)


def judge(*verdicts):
    return Agent("judge", runnable=bidder("judge", None, *verdicts))


def run(agents, task=SEA, *, config=None, context=None, **options):
    """One auction; its state is JSON, and nothing in it changes when it is stored."""
    options = {"reserve": 100, **options}
    given = {"tasks": task} if isinstance(task, list) else {"messages": [("user", task)]}
    result = create_auction(agents, **options).compile().invoke(given, config, context=context)
    assert result["stop"] in STOPS
    return plain(result)


def plain(state):
    values = {key: value for key, value in state.items() if key != "messages"}
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    return values


def model_bid(cost, capability="well", reason=""):
    return {"reason": reason, "capability": capability, "cost": cost}


def final(text):
    return {"thought": "done", "action": "final_answer", "input": text}


def record(kept=0, broken=0):
    return {"kept": kept, "broken": broken}


# A run from the bids to the payment


def test_the_lowest_bidder_does_the_work_and_is_paid_what_the_next_one_asked():
    agents = [bidder("ann", "I would do it for $10.", "The sea is wide."), bidder("bob", {"cost": 14})]
    graphs = [create_auction(agents, reserve=100).compile() for _ in range(2)]
    question = {"messages": [("user", SEA)]}
    for result in (graphs[0].invoke(question), asyncio.run(graphs[1].ainvoke(question))):
        assert result["messages"][-1].content == "The sea is wide."
        assert result["messages"][-1].name == "auction"
        assert plain(result) == {
            "answer": "The sea is wide.",
            "stop": "delivered",
            "usage": {
                "ann": {"calls": 2, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0},
                "bob": {"calls": 1, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0},
            },
            "bids": [
                {
                    "task": 0, "bidder": "ann", "cost": 10, "capability": "well", "reason": "I would do it for $10.",
                    "error": None,
                },
                {"task": 0, "bidder": "bob", "cost": 14, "capability": "well", "reason": "", "error": None},
            ],
            "awards": [
                {
                    "task": 0,
                    "round": 1,
                    "kind": "vickrey",
                    "winner": "ann",
                    "price": 14,
                    "reason": "ann asks 10, the lowest of 2 bids; it is paid the most that it could have asked without "
                    "losing to bob",
                    "refused": {},
                    "tied": [],
                    "runner_up": "bob",
                    "truthful": True,
                    "explanation": result["explanation"][0],
                }
            ],
            "contracts": [
                {
                    "task": 0,
                    "what": SEA,
                    "contractor": "ann",
                    "price": 14,
                    "deadline": 300.0,
                    "acceptance": "an answer that is not empty, by a worker that finished",
                    "status": "kept",
                    "reason": "",
                    "paid": 14,
                }
            ],
            "results": {SEA: "The sea is wide."},
            "explanation": [
                "Write a line about the sea: ann at 14, since ann asks 10, the lowest of 2 bids; it is paid the most "
                "that it could have asked without losing to bob"
            ],
            "track_record": {"ann": record(kept=1)},
        }  # fmt: skip


@pytest.mark.parametrize(("kind", "price"), [("vickrey", 14), ("first_price", 10), ("english", 13), ("vcg", 14)])
def test_every_kind_has_its_price(kind, price):
    result = run([bidder("ann", 10), bidder("bob", 14)], kind=kind)
    assert [(row["winner"], row["price"], row["kind"]) for row in result["awards"]] == [("ann", price, kind)]


def test_models_assess_themselves_bid_sealed_and_the_winner_works_with_its_tools():
    @tool
    def look(where: str) -> str:
        """Look somewhere."""
        return f"{where}: wide"

    ann = ScriptedModel([
        model_bid(10, "expertly", "I live there."),
        {"thought": "look first", "action": "look", "input": "sea"},
        final("The sea is wide."),
    ])  # fmt: skip
    bob = ScriptedModel([model_bid(14, "partly", "It is far.")])
    result = run([Agent("ann", role="You are a sailor.", model=ann, tools=[look]), Agent("bob", model=bob)])
    assert (result["answer"], result["stop"]) == ("The sea is wide.", "delivered")
    assert [(row["cost"], row["capability"], row["reason"]) for row in result["bids"]] == [
        (10, "expertly", "I live there."),
        (14, "partly", "It is far."),
    ]
    assert [request.messages[0].text.splitlines()[0] for request in ann.requests] == ["You are a sailor."] * 3
    assert "sea: wide" in ann.requests[2].text
    assert "I live there" not in bob.requests[0].text, "nobody sees the bid of another"
    assert result["usage"]["ann"]["calls"] == 3
    assert result["usage"]["ann"]["tokens_in"] > 0


def test_who_says_that_it_cannot_is_not_asked_to():
    result = run([bidder("ann", {"cost": 1, "capability": "cannot"}), bidder("bob", 14)])
    assert result["awards"][0]["winner"] == "bob"
    assert result["explanation"] == [
        "Write a line about the sea: bob at 100, since bob asks 14, the only bid that counts; it is paid the reserve. "
        "Not counted: ann (it says that it cannot do it)"
    ]


def test_a_tie_goes_to_the_first_by_name_and_is_said():
    row = run([bidder("bob", 10), bidder("ann", 10)])["awards"][0]
    assert (row["winner"], row["price"], row["tied"]) == ("ann", 10, ["ann", "bob"])
    assert "ann, bob are tied; ann comes first by name" in row["explanation"]


def test_bidders_know_what_was_said_before_the_task():
    ann = ScriptedModel([model_bid(10), final("x")])
    talk = [("user", "I love ships."), ("ai", "So do I."), ("user", "Write about them.")]
    create_auction([Agent("ann", model=ann)], reserve=100).compile().invoke({"messages": talk})
    assert [message.text for message in ann.requests[0].messages[:-1]] == ["I love ships.", "So do I."]
    assert "> Write about them." in ann.requests[0].messages[-1].text
    ann = ScriptedModel([model_bid(10), final("x")])
    given = {"messages": talk[:1], "tasks": ["Write about them."]}
    create_auction([Agent("ann", model=ann)], reserve=100).compile().invoke(given)
    assert ann.requests[0].messages[0].text == "I love ships."


# Several tasks


def test_several_tasks_are_awarded_one_after_the_other_within_capacity():
    costs = {"ann": {"one": 1, "two": 2, "three": 3}, "bob": {"one": 10, "two": 20, "three": 30}}
    agents = [bidder(name, bids) for name, bids in costs.items()]
    result = run(agents, ["one", "two", "three"])
    assert [(row["winner"], row["price"]) for row in result["awards"]] == [("ann", 10), ("bob", 100), (None, None)]
    assert (result["stop"], result["results"]) == ("partial", {"one": "ann's work", "two": "bob's work"})
    assert not result["awards"][0]["truthful"], "ann would rather have lost the first task"
    assert result["answer"].splitlines()[-1] == (
        "Not done: nobody may take it (ann: it has no capacity left; bob: it has no capacity left)."
    )
    both = run(agents, ["one", "two", "three"], capacity=3)
    assert [row["winner"] for row in both["awards"]] == ["ann"] * 3
    assert both["stop"] == "delivered"


def test_vcg_takes_one_task_a_line_and_finds_the_cheapest_way_to_do_them_all():
    ann = bidder("ann", {"wash": 3, "17 * 23": 5}, "by ann")
    bob = bidder("bob", {"wash": 2, "17 * 23": 4}, "by bob")
    result = run([ann, bob], "1. wash up\n\n- 17 * 23 = ?", kind="vcg", reserve=15)
    assert [(row["what"], row["contractor"], row["paid"]) for row in result["contracts"]] == [
        ("wash up", "ann", 13),
        ("17 * 23 = ?", "bob", 15),
    ]
    assert result["answer"] == "wash up:\nby ann\n\n17 * 23 = ?:\nby bob"
    assert all(row["truthful"] for row in result["awards"])


def test_other_kinds_take_the_whole_message_as_one_task():
    assert run([bidder("ann", 10)], "- wash up\n- dry")["contracts"][0]["what"] == "- wash up\n- dry"


def test_winners_work_at_the_same_time():
    together = threading.Barrier(2, timeout=20)
    agents = [
        bidder(name, {task: 1}, lambda state: str(together.wait())) for name, task in (("ann", "one"), ("bob", "two"))
    ]
    result = run(agents, ["one", "two"])
    assert sorted(result["results"].values()) == ["0", "1"]


def test_a_limit_on_concurrency_holds_for_the_work():
    working, most = [], []

    def work(state):
        working.append(1)
        most.append(len(working))
        working.pop()
        return "done"

    run([bidder("ann", 1, work)], [f"task {i}" for i in range(5)], capacity=5, config={"max_concurrency": 1})
    assert max(most) == 1


# Agents that say something else than a bid


class Rude:
    def __repr__(self):
        raise RuntimeError("I have no words")


BAD_BIDS = [
    None, "", "I am the best.", "10 or 12", "NaN", b"\x00", RuntimeError("down"), SystemExit(3), Rude(), [1, 2],
    asyncio.CancelledError(), {"messages": 5}, {"messages": []}, {"cost": float("nan")}, {"cost": float("inf")},
    {"cost": -1}, {"cost": True}, {"cost": "a lot"}, {"cost": Rude()}, {"cost": [1]}, {"cost": 10**400},
    '{"cost": 1} {"cost": 2}', '{"cost": NaN}', {"cost": 1, "capability": Rude()}, {"price": 1},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_BIDS, ids=lambda bad: type(bad).__name__)
def test_an_agent_that_says_nothing_usable_makes_no_bid_and_its_reason_is_kept(bad):
    agents = [
        bidder("bad", lambda state: bad if not isinstance(bad, BaseException) else raised(bad)),
        bidder("ann", 50),
    ]
    graph = create_auction(agents, reserve=100).compile()
    question = {"messages": [("user", SEA)]}
    for result in (graph.invoke(question), asyncio.run(graph.ainvoke(question))):
        assert (result["awards"][0]["winner"], result["stop"]) == ("ann", "delivered")
        row = next(row for row in plain(result)["bids"] if row["bidder"] == "bad")
        assert row["cost"] is None
        assert row["error"]
        assert result["awards"][0]["refused"] == {"bad": row["error"]}


def raised(error):
    raise error


def test_a_model_that_bids_in_prose_is_asked_again_and_then_read_for_its_one_number():
    ann = ScriptedModel(["I would do it for $10."] * 3 + [final("The sea.")])
    bob = ScriptedModel(["I am the best."] * 3)
    result = run([Agent("ann", model=ann), Agent("bob", model=bob)])
    assert [(row["cost"], row["error"]) for row in result["bids"]] == [
        (10, None),
        (None, "there is no JSON object in 'I am the best.'"),
    ]
    assert "That could not be used" in ann.requests[1].text
    assert result["usage"]["bob"]["calls"] == 3
    assert result["stop"] == "delivered"


def test_an_agent_whose_model_cannot_be_loaded_or_is_silent_makes_no_bid():
    mute = Agent("mute", model=ScriptedModel(["10"], latency=30))
    agents = [mute, Agent("zoe", model="nosuch:thing"), bidder("ann", 50)]
    result = run(agents, context=AuctionContext(model_seconds=0.2))
    assert result["awards"][0]["winner"] == "ann"
    assert "0.2 seconds" in result["awards"][0]["refused"]["mute"]
    assert "nosuch:thing" in result["awards"][0]["refused"]["zoe"]


@pytest.mark.parametrize(
    ("agents", "options", "why"),
    [
        ([bidder("ann", 101), bidder("bob", "no idea")], {}, "above the reserve of 100; bob: it said no number"),
        ([bidder("ann", 10)], {"reserve": None}, "ann bid alone, so that nothing bounds the price"),
        ([bidder("ann", 10)], {"reserve": None, "kind": "vcg"}, "its price is undefined; give a reserve"),
        ([bidder("ann", {"cost": 1, "capability": "cannot"})], {}, "ann: it says that it cannot do it"),
    ],
)
def test_no_award_is_an_outcome_with_a_reason(agents, options, why):
    result = run(agents, **options)
    assert (result["stop"], result["contracts"], result["track_record"]) == ("no_award", [], {})
    assert why in result["answer"]
    assert result["answer"].startswith("Not done: ")
    assert why in result["explanation"][0]


# Contracts that are broken


def graph_that_ends_with(stop):
    """Somebody's graph that says how it ended, as the graphs of this package do."""
    return lambda state: {"messages": [("ai", "Not quite.")], "stop": stop, "error": None}


def asks_a_person(state):
    def ask(state):
        return {"messages": [("ai", interrupt("Which sea?"))]}

    builder = StateGraph(MessagesState)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    return builder.compile(InMemorySaver()).invoke(state, {"configurable": {"thread_id": "1"}})


BAD_WORK = [
    (None, "it delivered nothing"),
    ("  \n", "it delivered nothing"),
    (RuntimeError("the sea is closed"), "it failed: RuntimeError: the sea is closed"),
    (SystemExit(3), "it failed: SystemExit: 3"),
    (asyncio.CancelledError(), "it failed: CancelledError"),
    (lambda state: threading.Event().wait(), "it gave no answer within 0.3 seconds"),
    (asks_a_person, "it waits for a person"),
    ({"messages": []}, "it delivered nothing"),
    (graph_that_ends_with("error"), "its work ended with error: Not quite."),
    (graph_that_ends_with("loop"), "its work ended with loop: Not quite."),
    (graph_that_ends_with("max_steps"), "its work ended with max_steps"),
    (graph_that_ends_with("budget"), "its work ended with budget: Not quite."),
    (graph_that_ends_with("no_award"), "its work ended with no_award"),
    (graph_that_ends_with("undecided"), "its work ended with undecided"),
    (lambda state: {"messages": [("ai", "")], "usage": {"x": {"calls": "many"}}}, "it delivered nothing"),
    (lambda state: {"messages": [("ai", "")], "usage": 5}, "it delivered nothing"),
]


@pytest.mark.parametrize(("work", "why"), BAD_WORK)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_when_the_winner_breaks_its_contract_the_task_goes_to_the_next_bidder(work, why, asynchronous):
    agents = [bidder("ann", 10, work), bidder("bob", 14), bidder("cem", 30)]
    graph = create_auction(agents, reserve=100).compile()
    question, context = {"messages": [("user", SEA)]}, AuctionContext(work_seconds=0.3)
    if asynchronous:
        result = asyncio.run(graph.ainvoke(question, context=context))
    else:
        result = graph.invoke(question, context=context)
    assert (result["answer"], result["stop"]) == ("bob's work", "delivered")
    first, second = plain(result)["contracts"]
    assert (first["contractor"], first["price"], first["status"], first["paid"]) == ("ann", 14, "broken", 0)
    assert why in first["reason"]
    assert (second["contractor"], second["price"], second["status"], second["paid"]) == ("bob", 30, "kept", 30)
    assert [(row["round"], row["truthful"]) for row in result["awards"]] == [(1, True), (2, False)]
    assert result["awards"][1]["refused"] == {"ann": f"it broke its contract: {first['reason']}"}
    assert result["track_record"] == {"ann": record(broken=1), "bob": record(kept=1)}
    assert "Not counted: ann (it broke its contract" in result["explanation"][1]


def test_when_all_break_their_contracts_the_answer_says_why():
    result = run([bidder("ann", 10, None), bidder("bob", 14, RuntimeError("tired"))])
    assert (result["stop"], result["results"], len(result["contracts"])) == ("breach", {}, 2)
    assert result["answer"] == (
        "Not done: nobody may take it (ann: it broke its contract: it delivered nothing; "
        "bob: it broke its contract: it failed: RuntimeError: tired)."
    )
    assert result["track_record"] == {"ann": record(broken=1), "bob": record(broken=1)}


def test_only_the_task_of_the_broken_contract_is_put_out_again():
    ann = bidder("ann", {"one": 1, "two": 90}, None)
    bob = bidder("bob", {"one": 50, "two": 2}, "by bob")
    cem = bidder("cem", {"one": 60, "two": 60}, "by cem")
    for kind in ("vickrey", "vcg"):
        result = run([ann, bob, cem], ["one", "two"], kind=kind)
        done = [(row["task"], row["contractor"], row["status"]) for row in result["contracts"]]
        assert done == [(0, "ann", "broken"), (1, "bob", "kept"), (0, "cem", "kept")]
        assert result["results"] == {"two": "by bob", "one": "by cem"}


def test_an_object_is_delivered_as_json_and_text_is_made_fit_to_store():
    delivered = run([bidder("ann", 1, {"line": "wide", "words": 1})])["results"][SEA]
    assert json.loads(delivered) == {"line": "wide", "words": 1}
    assert run([bidder("ann", 1, f"a{chr(0)}b{chr(0xD800)}c")])["answer"] == "ab�c"
    bad = run([bidder("ann", 1, lambda state: {"messages": [], "stop": "error", "error": f"a{chr(0xD800)}"})])
    assert bad["contracts"][0]["reason"] == "its work ended with error: a�"


# Whether a delivery counts


@pytest.mark.parametrize(
    ("accept", "status", "reason"),
    [
        (lambda task, text: True, "kept", ""),
        (lambda task, text: len(text), "kept", ""),
        (lambda task, text: "sea" in text, "broken", "the test of acceptance refused it"),
        (lambda task, text: "", "broken", "the test of acceptance refused it"),
        (lambda task, text: None, "broken", "the test of acceptance refused it"),
        (lambda task, text: f"no rhyme in {text}", "broken", "no rhyme in ann's work"),
        (lambda task, text: json.loads(text), "broken", "the test of acceptance failed on it: JSONDecodeError"),
    ],
)
def test_the_buyers_own_test_decides(accept, status, reason):
    result = run([bidder("ann", 10)], accept=accept)
    assert result["contracts"][0]["status"] == status
    assert result["contracts"][0]["reason"].startswith(reason)
    assert result["contracts"][0]["acceptance"] == "a test of the buyer's"
    assert result["contracts"][0]["paid"] == (100 if status == "kept" else 0)


@pytest.mark.parametrize(
    ("verdict", "status", "reason"),
    [
        ({"accepted": True}, "kept", ""),
        ("Yes, it does.", "kept", ""),
        ({"accepted": False, "reason": "no rhyme"}, "broken", "no rhyme"),
        ({"accepted": False, "reason": f"no{chr(0xD800)}"}, "broken", "no�"),
        ({"accepted": False}, "broken", "judge refused it"),
        ("Hm.", "kept", "accepted unseen, since judge gave no verdict: it said neither yes nor no: 'Hm.'"),
        (RuntimeError("ill"), "kept", "accepted unseen, since judge gave no verdict: it failed: RuntimeError: ill"),
    ],
)
def test_a_judge_decides_and_one_that_gives_no_verdict_changes_no_record(verdict, status, reason):
    result = run([bidder("ann", 10)], judge=judge(verdict), acceptance="It rhymes.")
    contract = result["contracts"][0]
    assert (contract["status"], contract["reason"]) == (status, reason)
    assert contract["acceptance"] == "judge judges: It rhymes."
    assert result["usage"]["judge"]["calls"] == 1
    seen = "unseen" not in reason
    assert result["track_record"] == ({"ann": record(status == "kept", status == "broken")} if seen else {})


def test_runs_at_the_same_time_lose_no_promise_in_the_store():
    store = InMemoryStore()
    graph = create_auction([bidder("ann", 10), bidder("bob", 30)], reserve=100).compile(store=store)

    async def at_once():
        await asyncio.gather(*(graph.ainvoke({"messages": [("user", SEA)]}) for _ in range(4)))

    asyncio.run(at_once())
    assert store.get(("agora", "track_record"), "ann").value == record(kept=4)


def test_a_small_reserve_is_bid_for_in_fractions():
    ann = ScriptedModel([{"reason": "", "capability": "well", "cost": 0.3}, final("so be it")])
    result = run([Agent("ann", model=ann)], reserve=0.5)
    assert (result["bids"][0]["cost"], result["awards"][0]["price"]) == (0.3, 0.5)
    assert result["usage"]["ann"]["calls"] == 2


def test_a_model_judges_what_it_is_shown_and_the_worker_knows_what_is_asked():
    ann = ScriptedModel([model_bid(10), final("The sea is wide.")])
    strict = ScriptedModel([{"reason": "no rhyme", "accepted": False}])
    result = run(
        [Agent("ann", model=ann), bidder("bob", 30, "so free, the sea")],
        judge=Agent("judge", model=ScriptedModel([*strict.script, {"accepted": True, "reason": ""}])),
        acceptance="It rhymes.",
    )
    assert ann.requests[1].messages[-1].text == f"{SEA}\n\nWhat is asked of it: It rhymes."
    assert [row["reason"] for row in result["contracts"]] == ["no rhyme", ""]
    assert result["answer"] == "so free, the sea"


# What is remembered


def test_a_thread_remembers_promises_and_the_next_auction_weighs_them():
    """ann is cheap and delivers nothing: it wins until its bid counts more than bob's, and in the end may not bid."""
    agents = [bidder("ann", 10, None), bidder("bob", 16)]
    graph = create_auction(agents, reserve=100).compile(InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    seen = []
    for _ in range(3):
        result = graph.invoke({"messages": [("user", SEA)]}, thread)
        seen.append((result["awards"][0]["winner"], result["awards"][0]["price"], len(result["contracts"])))
    assert seen == [("ann", 16, 2), ("bob", 20, 1), ("bob", 22.5, 1)]
    assert result["track_record"] == {"ann": record(broken=1), "bob": record(kept=3)}
    other = graph.invoke({"messages": [("user", SEA)]}, {"configurable": {"thread_id": "2"}})
    assert other["awards"][0]["winner"] == "ann", "another thread knows nothing of it"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_store_remembers_across_threads_and_graphs(asynchronous):
    store = InMemoryStore()
    for number, cost in enumerate([10, 12]):
        agents = [bidder("ann", cost, None), bidder("bob", 14)]
        graph = create_auction(agents, reserve=100, name=f"auction {number}").compile(store=store)
        question = {"messages": [("user", SEA)]}
        result = asyncio.run(graph.ainvoke(question)) if asynchronous else graph.invoke(question)
    assert result["awards"][0]["winner"] == "bob"
    assert store.get(("agora", "track_record"), "ann").value == record(broken=1)
    assert store.get(("agora", "track_record"), "bob").value == record(kept=2)


def test_a_record_can_be_given_and_who_broke_nearly_all_may_not_bid():
    given = {"messages": [("user", SEA)], "track_record": {"ann": record(broken=3), "zoe": record(kept=1)}}
    result = create_auction([bidder("ann", 1), bidder("bob", 50)], reserve=100).compile().invoke(given)
    assert result["awards"][0]["refused"] == {"ann": "it kept 0 of 3 promises"}
    assert result["track_record"] == {"ann": record(broken=3), "zoe": record(kept=1), "bob": record(kept=1)}


def test_a_second_task_in_the_same_conversation_starts_anew():
    graph = create_auction([bidder("ann", 10), bidder("bob", 14)], reserve=100).compile(InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    graph.invoke({"tasks": ["one", "two"]}, thread)
    result = graph.invoke({"messages": [("user", SEA)]}, thread)
    assert [len(result[key]) for key in ("bids", "awards", "contracts", "results", "explanation")] == [2, 1, 1, 1, 1]
    assert result["usage"]["ann"]["calls"] == 2


# Budgets


def modelled(*scripts):
    return [Agent(f"m{i}", model=ScriptedModel(script, after="repeat")) for i, script in enumerate(scripts)]


def test_a_budget_that_ends_among_the_bids_ends_the_run_in_words():
    agents = modelled([model_bid(10)], [model_bid(14)], ["prose"])
    result = run(agents, ["one", "two"], config={"callbacks": [Budget(max_calls=1)], "max_concurrency": 1})
    assert (result["stop"], result["awards"], result["contracts"]) == ("budget", [], [])
    assert result["answer"].count("Not done: the budget of 1 calls is used up (1 calls so far).") == 2
    assert [row["cost"] for row in result["bids"]] == [10, None, None]
    assert {row["error"] for row in result["bids"][1:]} == {"the budget of 1 calls is used up (1 calls so far)"}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_budget_that_ends_in_the_work_is_no_fault_of_the_agent(asynchronous):
    agents = modelled([model_bid(10), final("x")], [model_bid(14)])
    graph = create_auction(agents, reserve=100).compile()
    question, config = {"messages": [("user", SEA)]}, {"callbacks": [Budget(max_calls=2)]}
    result = asyncio.run(graph.ainvoke(question, config)) if asynchronous else graph.invoke(question, config)
    assert (result["stop"], result["track_record"]) == ("budget", {})
    assert [(row["contractor"], row["status"], row["paid"]) for row in result["contracts"]] == [("m0", "cancelled", 0)]
    assert result["contracts"][0]["reason"] in result["answer"]
    assert "the budget of 2 calls is used up" in result["answer"]


def test_a_budget_that_stops_somebodys_own_chain_is_no_fault_of_it_either():
    model = ScriptedModel(["thinking"], after="repeat")

    def chain(state, config):
        model.invoke(state["messages"], config)
        return "10" if "put out to tender" in state["messages"][-1].text else "done"

    result = run([RunnableLambda(chain, name="ann")], config={"callbacks": [Budget(max_calls=1)]})
    assert (result["stop"], result["track_record"]) == ("budget", {})
    assert result["contracts"][0]["status"] == "cancelled"


def test_what_was_delivered_before_the_budget_ended_is_kept():
    agents = [bidder("ann", {"one": 1}, "by ann"), *modelled([model_bid(5)])]
    config = {"callbacks": [Budget(max_calls=2)], "max_concurrency": 1}
    result = run(agents, ["one", "two"], config=config)
    assert (result["stop"], result["results"]) == ("budget", {"one": "by ann"})
    assert [row["status"] for row in result["contracts"]] == ["kept", "cancelled"]
    assert result["track_record"] == {"ann": record(kept=1)}


def test_a_budget_that_ends_before_the_judge_is_said():
    strict = Agent("judge", model=ScriptedModel([{"accepted": False, "reason": ""}]))
    config = {"callbacks": [Budget(max_calls=2)]}
    result = run(modelled([model_bid(10), final("the sea")]), judge=strict, config=config)
    assert (result["stop"], result["answer"]) == ("budget", "the sea")
    assert result["contracts"][0]["reason"].startswith("accepted unseen, since judge gave no verdict: the budget of 2")


def test_a_worker_whose_own_budget_ends_has_broken_its_contract():
    script = ScriptedModel([{"thought": "", "action": "reason", "input": "hm"}], after="repeat")
    graph = create_react(model=script).compile()

    def work(state):
        return graph.invoke(state, {"callbacks": [Budget(max_calls=1)]})

    result = run([bidder("ann", 10, work), bidder("bob", 14)], config={"callbacks": [Budget(max_calls=50)]})
    assert (result["stop"], result["answer"]) == ("delivered", "bob's work")
    assert result["contracts"][0]["reason"].startswith("its work ended with budget: the budget of 1 calls")
    assert result["usage"]["ann"]["calls"] == 2, "one for the bid, one inside the work"


# Being part of something


def test_events_tell_what_happens_as_it_happens():
    agents = [bidder("ann", 10, None), bidder("bob", 14)]
    graph = create_auction(agents, reserve=100).compile()
    events = list(graph.stream({"messages": [("user", SEA)]}, stream_mode="custom"))
    once = ["award", "working", "settled"]
    assert [event["event"] for event in events] == ["asking", "bid", "bid", *once, *once, "end"]
    assert {event["agent"] for event in events} == {"auction"}
    assert [event["contractor"] for event in events if event["event"] == "settled"] == ["ann", "bob"]
    json.dumps(events)


def test_a_cancelled_contract_is_told_too():
    graph = create_auction(modelled([model_bid(10)]), reserve=100).compile()
    config = {"callbacks": [Budget(max_calls=1)]}
    events = list(graph.stream({"messages": [("user", SEA)]}, config, stream_mode="custom"))
    assert [event["status"] for event in events if event["event"] == "settled"] == ["cancelled"]


def test_an_auction_is_a_node_of_another_graph_and_an_agent_of_another_auction():
    builder = StateGraph(MessagesState)
    builder.add_node("tender", create_auction([bidder("ann", 10, "wide")], reserve=100).compile())
    builder.add_edge(START, "tender")
    assert builder.compile().invoke({"messages": [("user", SEA)]})["messages"][-1].text == "wide"
    helpless = create_auction([bidder("zoe", "no idea")], name="helpless").compile(name="helpless")

    def subcontractor(state):
        asked = state["messages"][-1].text
        return "5" if "put out to tender" in asked else helpless.invoke(state)

    agents = [Agent("boss", runnable=RunnableLambda(subcontractor)), bidder("bob", 14)]
    result = run(agents)
    assert result["answer"] == "bob's work"
    assert result["contracts"][0]["reason"].startswith("its work ended with no_award")


def test_every_state_that_is_stored_is_plain_json():
    agents = [bidder("ann", {"one": 1, "two": 2.5}, None), bidder("bob", {"one": 50, "two": "no"})]
    graph = create_auction(agents, reserve=100, kind="vcg", capacity=2).compile(InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    graph.invoke({"tasks": ["one", "two"]}, thread)
    history = list(graph.get_state_history(thread))
    assert len(history) > 6
    for snapshot in history:
        plain(snapshot.values)


KILLED = """
import json, os, signal, sqlite3, sys, time
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph_agora.graphs.auction import create_auction

folder, second = sys.argv[1], len(sys.argv) > 2

def stored():
    # One is the empty list with which a run begins; the other two are ann's and bob's.
    with sqlite3.connect(f"{folder}/checkpoints.sqlite") as base:
        return base.execute("select count(*) from writes where channel = 'deliveries'").fetchone()[0] >= 3

def agent(name, costs):
    def answer(state):
        asked = state["messages"][-1].text
        bids = [cost for task, cost in costs.items() if f"> {task}" in asked]
        with open(f"{folder}/notes", "a") as file:
            file.write(f"{name} {'bids' if bids else asked}\\n")
        if asked == "three" and not second:
            limit = time.monotonic() + 20
            while not stored() and time.monotonic() < limit:
                pass
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "ann" and not bids:
            return None
        return str(bids[0]) if bids else f"{name}'s {asked}"
    return RunnableLambda(answer, name=name)

agents = [
    agent("ann", {"one": 1, "two": 90, "three": 90}),
    agent("bob", {"one": 30, "two": 2, "three": 90}),
    agent("cem", {"one": 40, "two": 90, "three": 3}),
]
with SqliteSaver.from_conn_string(f"{folder}/checkpoints.sqlite") as saver:
    graph = create_auction(agents, reserve=100, capacity=2).compile(saver)
    start = None if second else {"tasks": ["one", "two", "three"]}
    result = graph.invoke(start, {"configurable": {"thread_id": "t"}}, durability="sync")
    print(json.dumps([result["stop"], result["results"], result["track_record"]]))
"""


def test_a_killed_run_resumes_and_no_finished_work_is_done_twice(tmp_path: Path):
    """Killed in the third of three works that are under way, with other hash seeds before and after."""

    def process(seed, *more):
        command = [sys.executable, "-c", KILLED, str(tmp_path), *more]
        environment = {**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true", "PYTHONHASHSEED": seed}
        return subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment)

    killed = process("0")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = process("1", "again")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout) == [
        "delivered",
        {"two": "bob's two", "three": "cem's three", "one": "bob's one"},
        {"ann": record(broken=1), "bob": record(kept=2), "cem": record(kept=1)},
    ]
    notes = (tmp_path / "notes").read_text().splitlines()
    assert sorted(notes[:9]) == sorted(f"{name} bids" for name in ("ann", "bob", "cem") for _ in range(3))
    assert sorted(notes[9:12]) == ["ann one", "bob two", "cem three"]
    assert notes[12:] == ["cem three", "bob one"], "what was cut off is done again, and no other"


# Laws


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_agents_changes_nothing(kind):
    def agents():
        return [
            bidder("ann", {"one": 10, "two": 20}, "by ann"),
            bidder("bob", {"one": 10, "two": 20}, None),
            *modelled([model_bid(10), model_bid(20), final("by model")]),
        ]

    for config in ({}, {"callbacks": [Budget(max_calls=1)], "max_concurrency": 1}):
        seen = []
        for order in permutations(range(3)):
            fresh = {key: [Budget(max_calls=1)] if key == "callbacks" else one for key, one in config.items()}
            result = run([agents()[i] for i in order], ["one", "two"], kind=kind, config=fresh)
            seen.append({key: value for key, value in result.items() if key != "usage"})
        assert all(one == seen[0] for one in seen)


def test_the_hash_seed_changes_nothing():
    program = (
        "from langgraph_agora.nodes.contracts import tender\n"
        "costs = {'ann': [10, 70], 'bob': [30, 80], 'cem': [30, None], 'dan': [500, 80]}\n"
        "bids = {i: {a: {'cost': row[i]} for a, row in costs.items()} for i in (0, 1)}\n"
        "records = {'cem': {'kept': 2, 'broken': 1}, 'ann': {'kept': 0, 'broken': 1}}\n"
        "for kind in ('vickrey', 'english', 'first_price'):\n"
        "    print(tender(kind, [0, 1], bids, records, free=dict.fromkeys(costs, 2), reserve=100))\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        for seed in ("0", "1", "2")
    ]
    assert said[0].stdout.count("Awarded") == 6, said[0].stderr
    assert len({one.stdout for one in said}) == 1


def test_whatever_agents_bid_and_deliver_the_run_ends_and_the_books_are_right():
    rng = random.Random(11)
    for _ in range(40):
        bids = [None, "no idea", 0, 10, 10, 25.5, "$40", 99, 101, {"cost": 5, "capability": "cannot"}]
        works = ["done", "done", None, RuntimeError("tired"), graph_that_ends_with("loop")]
        tasks = ["one", "two", "three"][: rng.randint(1, 3)]
        names = ["ann", "bob", "cem", "dan"][: rng.randint(1, 4)]
        agents = [
            bidder(name, {task: rng.choice(bids) for task in tasks}, *(rng.choice(works) for _ in tasks))
            for name in names
        ]
        options = {"kind": rng.choice(KINDS), "capacity": rng.randint(1, 2), "reserve": rng.choice([None, 50, 100])}
        result = run(agents, tasks, **options)
        contracts = result["contracts"]
        assert {row["status"] for row in contracts} <= {"kept", "broken"}
        assert all(row["paid"] == (row["price"] if row["status"] == "kept" else 0) for row in contracts)
        assert len(result["results"]) == sum(row["status"] == "kept" for row in contracts)
        assert all([row["contractor"] for row in contracts].count(name) <= options["capacity"] for name in names)
        promises = sum(one["kept"] + one["broken"] for one in result["track_record"].values())
        assert promises == len(contracts)
        assert len(result["bids"]) == len(tasks) * len(names)
        assert all((row["cost"] is None) == (row["error"] is not None) for row in result["bids"])
        assert result["answer"].count("Not done: ") == len(tasks) - len(result["results"])


# Wrong input


async def later(task, text):
    return True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agents": []}, "0 agents were given"),
        ({"agents": ["ann", "ann"]}, "Two agents are named 'ann'"),
        ({"agents": 5}, "give a list"),
        ({"agents": [Agent("ann", tools=[5])]}, "5 was given"),
        ({"kind": "vikrey"}, "Did you mean 'vickrey'?"),
        ({"kind": None}, "There is no kind None"),
        ({"reserve": -1}, "reserve was -1"),
        ({"reserve": float("nan")}, "reserve was nan"),
        ({"reserve": float("inf")}, "reserve was inf"),
        ({"reserve": 10**13}, "from 0 to 1,000,000,000,000"),
        ({"reserve": "$50"}, "reserve was '$50'"),
        ({"reserve": True}, "reserve was True"),
        ({"capacity": 0}, "capacity was 0"),
        ({"capacity": 1.5}, "capacity was 1.5"),
        ({"capacity": True}, "capacity was True"),
        ({"step": 0}, "step was 0"),
        ({"step": float("nan")}, "step was nan"),
        ({"step": "1"}, "step was '1'"),
        ({"accept": 5}, "accept was 5"),
        ({"accept": later}, "accept was an async function"),
        ({"accept": print, "judge": Agent("judge")}, "Both accept and judge"),
        ({"judge": 5}, "5 was given"),
        ({"judge": Agent("ann")}, "The judge is named 'ann', as a bidder is"),
        ({"model": 5}, "model was 5"),
    ],
)
def test_a_wrong_argument_is_refused_in_words(options, message):
    with pytest.raises(ConfigError) as refused:
        create_auction(**{"agents": ["ann", "bob"], **options})
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"messages": []}, "There is no question"),
        ({"messages": [HumanMessage("  ")]}, "There is no question"),
        ({"tasks": []}, "There is no question"),
        ({"tasks": "one"}, "tasks was 'one'; give a list"),
        ({"tasks": ["one", ""]}, "give a list of texts"),
        ({"tasks": ["one", 2]}, "give a list of texts"),
        ({"tasks": ["one", "one"]}, "Two tasks are the same"),
        ({"tasks": ["one"], "track_record": ["ann"]}, "track_record was ['ann']"),
        ({"tasks": ["one"], "track_record": {"ann": 3}}, "The track record of 'ann' was 3"),
        ({"tasks": ["one"], "track_record": {"ann": {"kept": -1}}}, "The track record of 'ann'"),
        ({"tasks": ["one"], "track_record": {"ann": {"kept": True}}}, "The track record of 'ann'"),
        ({"tasks": ["one"], "track_record": {"ann": {"broken": 0.5}}}, "The track record of 'ann'"),
    ],
)
def test_a_run_with_wrong_input_is_refused_in_words(given, message):
    with pytest.raises(ConfigError) as refused:
        create_auction([bidder("ann", 1)], reserve=100).compile().invoke(given)
    assert message in str(refused.value)


@pytest.mark.parametrize("context", [{"work_seconds": 0}, {"work_seconds": "soon"}, {"model_seconds": -1}])
def test_wrong_settings_of_a_run_are_refused(context):
    with pytest.raises(ConfigError, match=next(iter(context))):
        run([bidder("ann", 1)], context=AuctionContext(**context))


def test_the_settings_are_described_for_studio():
    properties = create_auction(["ann"]).compile().get_context_jsonschema()["properties"]
    assert properties["work_seconds"]["description"].startswith("The deadline of every contract")


@pytest.mark.embedded
def test_the_embedded_model_bids_works_and_the_run_ends_in_an_outcome(embedded):
    agents = [Agent("ann", role="You write well."), Agent("bob", role="You are quick.")]
    result = run(agents, model=embedded, context=AuctionContext(model_seconds=40, work_seconds=40))
    assert [row["bidder"] for row in result["bids"]] == ["ann", "bob"]
    assert all((row["cost"] is None) == (row["error"] is not None) for row in result["bids"])
    assert result["answer"]
    assert result["explanation"]
