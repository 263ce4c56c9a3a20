"""The consensus graph: whatever agents say or fail to say, the ballots are counted right and the run ends."""

import asyncio
import json
import random
import threading
import time

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from langgraph_agora import Agent, Budget, ConfigError, create_consensus
from langgraph_agora.graphs.consensus import PROTOCOLS, faults_from, panel
from langgraph_agora.nodes.ballots import vote_question
from langgraph_agora.nodes.consensus.counting import RULES
from langgraph_agora.nodes.panel import pick
from langgraph_agora.testing import ScriptedModel

QUESTION = {"messages": [("user", "Which colour shall the door have?")]}


def says(name, *answers):
    """An agent that says one thing after the other, and then the last again."""
    left = list(answers)

    def answer(given):
        said = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(said, BaseException):
            raise said
        return said

    return RunnableLambda(answer, name=name)


def agents(*answers):
    return [says(f"a{i}", *(given if isinstance(given, tuple) else (given,))) for i, given in enumerate(answers)]


def decide(given, *, config=None, **options):
    result = create_consensus(given, **options).compile().invoke(QUESTION, config)
    json.dumps({key: value for key, value in result.items() if key != "messages"})
    return result


def test_agents_propose_and_the_proposals_are_the_first_ballots():
    result = decide(agents("Red", "blue", "red."), early_stop=False)
    assert (result["decision"], result["answer"], result["stop"], result["mode"]) == (
        "Red",
        "Red",
        "decided",
        "majority",
    )
    assert result["rounds"] == 1
    assert result["options"] == ["blue", "Red"]
    assert [(row["voter"], row["ballot"]) for row in result["ballots"]] == [
        ("a0", "Red"),
        ("a1", "blue"),
        ("a2", "Red"),
    ]
    assert result["dissent"] == [{"voter": "a1", "ballot": "blue", "reason": ""}]
    assert result["scores"] == {"Red": 2, "blue": 1}
    assert result["messages"][-1].content == "Red"


def test_undecided_agents_see_all_proposals_with_their_reasons_and_vote():
    models = {
        "ann": ScriptedModel([{"reason": "it is warm", "answer": "red"}, {"reason": "still", "choice": "C"}]),
        "bob": ScriptedModel([{"reason": "it is calm", "answer": "blue"}, {"reason": "ann is right", "choice": "C"}]),
        "cem": ScriptedModel([{"reason": "it is fresh", "answer": "green"}, {"reason": "no", "choice": "B"}]),
    }
    given = [Agent(name, role=f"You are {name}.", model=model) for name, model in models.items()]
    result = decide(given, early_stop=False)
    assert (result["decision"], result["rounds"], result["options"]) == ("red", 2, ["blue", "green", "red"])
    assert result["dissent"] == [{"voter": "cem", "ballot": "green", "reason": "no"}]
    asked = models["bob"].requests[1]
    assert asked.messages[0].text == "You are bob."
    assert "A: blue\n> it is calm" in asked.messages[-1].text
    assert result["usage"]["ann"]["calls"] == 2


def test_the_same_through_ainvoke():
    graph = create_consensus(agents("red", "blue", "red")).compile()
    assert asyncio.run(graph.ainvoke(QUESTION))["decision"] == "red"


@pytest.mark.parametrize(
    ("protocol", "said", "decision"),
    [
        ("majority", ("red", "red", "blue"), "red"),
        ("qualified", ("red", "red", "blue"), "red"),
        ("unanimous", ("red", "red", "blue"), None),
        ("plurality", ("red", "red", "blue", "green", "pink"), "red"),
        ("borda", (("red", "red > blue"), ("blue", "blue > red"), ("red", "red > blue")), "red"),
        ("approval", (("red", "red, blue"), ("blue", "blue"), ("red", "blue")), "blue"),
        ("irv", (("red", "red > blue"), ("blue", "blue > red"), ("red", "red > blue")), "red"),
        ("raft", ("red", "red", "blue"), "red"),
    ],
)
def test_each_protocol_decides_by_its_own_rule(protocol, said, decision):
    result = decide(agents(*said), protocol=protocol, rounds=1)
    assert result["decision"] == decision
    assert result["stop"] == ("decided" if decision else "undecided")
    assert bool(result["reason"]) == (decision is None)


def test_weights_come_from_the_agents():
    given = [Agent("ann", weight=3, runnable=says("x", "red")), *agents("blue", "blue")]
    assert decide(given, protocol="weighted")["decision"] == "red"


def test_where_agents_may_lie_nobody_has_a_third_of_the_stake():
    given = [Agent("ann", weight=100, runnable=says("x", "red")), *agents("blue", "blue", "blue")]
    result = decide(given, protocol="stake", early_stop=False)
    assert (result["decision"], result["scores"]) == ("blue", {"blue": 9, "red": 4})


def test_an_even_split_stays_undecided_and_names_the_tie():
    result = decide(agents("red", "blue"), rounds=2)
    assert (result["decision"], result["stop"], result["rounds"]) == (None, "undecided", 2)
    assert result["tied"] == ["blue", "red"]
    assert result["answer"].startswith("No decision: no option has more than half")


def test_given_options_are_voted_on_at_once():
    result = decide(agents("B", "I vote for wood.", "wood"), options=["stone", "wood"])
    assert (result["decision"], result["rounds"]) == ("wood", 1)


# Early ends


def test_a_round_ends_when_the_outstanding_ballots_cannot_change_it():
    asked, release = [], threading.Event()

    def slow(given):
        asked.append("slow")
        release.wait(20)
        return "blue"

    given = [*agents("red", "red", "red"), RunnableLambda(slow, name="s1"), RunnableLambda(slow, name="s2")]
    started = time.monotonic()
    result = decide(given)
    release.set()
    assert (result["decision"], time.monotonic() - started < 10) == ("red", True)
    assert {row["voter"] for row in result["ballots"]} == {"a0", "a1", "a2"}


def test_with_a_limit_on_concurrency_the_last_are_not_even_asked():
    result = decide(agents("red", "red", "red", "blue", "blue"), config={"max_concurrency": 1})
    assert [row["calls"] for row in result["usage"].values()] == [1, 1, 1, 0, 0]


def test_without_early_stop_everybody_is_heard():
    assert len(decide(agents("red", "red", "red", "blue", "blue"), early_stop=False)["ballots"]) == 5


@pytest.mark.parametrize("protocol", ["pbft", "bft", "stake"])
@pytest.mark.parametrize("liar", ["a0", "a3"])
def test_an_early_end_does_not_trust_what_a_liar_said(protocol, liar):
    for _ in range(5):
        assert decide(agents(*["red"] * 4), protocol=protocol, faults={liar: "lying"})["decision"] == "red"


def test_byzantine_rounds_never_decide_for_a_minority():
    result = decide(agents(*["red"] * 3, *["blue"] * 4), protocol="bft", early_stop=False)
    assert (result["decision"], result["scores"]) == ("blue", {"blue": 4, "red": 3})


# What is read as a ballot


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("B", "B"),
        ("b.", "B"),
        ("I vote for B.", "B"),
        ("Blue!", "B"),
        ("dark red", "C"),
        ("I vote for dark red", "C"),
        ("A hard question, let me think.", None),
        ("red or blue", None),
        ("", None),
    ],
)
def test_a_text_is_a_vote_only_when_it_names_one_option(said, label):
    assert pick(said, {"A": "red", "B": "blue", "C": "dark red"}) == label


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ({"reason": "Not red.", "choice": "b"}, "B"),
        ({"reason": "red is bad. " * 30, "choice": "B"}, "B"),
        ({"choice": "Blue"}, "B"),
        ('{"reason": "Not red.", "choice": "b"}', "B"),
        ("abstain", "abstain"),
        ("I do not abstain: blue", "B"),
    ],
)
def test_a_ballot_in_an_object_is_read_from_its_field_alone(said, choice):
    assert vote_question("choice", ["red", "blue"], {}).read(said).choice == choice


def test_a_ranking_may_be_given_in_letters_words_or_an_object():
    read = vote_question("ranking", ["Rome, Italy", "Paris, France"], {}).read
    assert read("Paris, France > Rome, Italy").ranking == ["B", "A"]
    assert read({"reason": "Rome last", "ranking": ["b", "a"]}).ranking == ["B", "A"]
    with pytest.raises(ValueError, match="ranking"):
        read({"ranking": ["Z"]})


def test_runnables_may_answer_in_objects_and_graphs_in_messages():
    given = [
        says("a", {"reason": "because", "answer": "red"}),
        says("b", {"messages": [{"role": "assistant", "content": "red"}]}),
        says("c", {"answer": 5}),
    ]
    result = decide(given, early_stop=False)
    assert [row["ballot"] for row in result["ballots"]] == ["red", "red", "5"]
    assert result["ballots"][0]["reason"] == "because"


def test_a_long_reason_costs_no_vote():
    given = [Agent(f"m{i}", model=ScriptedModel([{"reason": "x" * 301, "answer": "red"}])) for i in range(3)]
    result = decide(given, early_stop=False)
    assert result["decision"] == "red"
    assert result["usage"]["m0"]["calls"] == 1


def test_approving_of_the_winner_is_no_dissent():
    given = agents(("red", "red, blue"), ("blue", "blue"), ("red", "blue"))
    assert decide(given, protocol="approval", early_stop=False)["dissent"] == []


# Agents that fail


class Rude:
    def __str__(self):
        raise RuntimeError("I have no words")


BAD = [
    "", "word salad " * 100, RuntimeError("down"), None, b"\x00", {"messages": []}, {"messages": {"a": 1}},
    {"messages": 5}, Rude(), SystemExit(3), asyncio.CancelledError(), {"__interrupt__": []}, {"choice": "?"},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: type(bad).__name__)
def test_an_agent_that_says_nothing_usable_abstains(bad):
    result = decide([*agents("red", "red"), says("bad", bad)], rounds=1, early_stop=False)
    assert result["decision"] == "red"
    row = next(row for row in result["ballots"] if row["voter"] == "bad")
    assert row["ballot"] is None or row["ballot"] != "red"
    graph = create_consensus([*agents("red", "red"), says("bad", bad)], rounds=1, early_stop=False).compile()
    assert asyncio.run(graph.ainvoke(QUESTION))["decision"] == "red"


def colour_graph(name, colour):
    """An agent that is a graph: it says a colour, or asks a person when it has none."""

    def say(state):
        return {"messages": [("ai", colour or interrupt("Which colour?"))]}

    builder = StateGraph(MessagesState)
    builder.add_node("say", say)
    builder.add_edge(START, "say")
    return builder.compile(name=name)


def test_agents_that_are_graphs_run_alone_and_keep_their_answers_apart():
    given = [colour_graph("g0", "red"), colour_graph("g1", "blue"), colour_graph("g2", "red"), colour_graph("g3", None)]
    for number in range(5):
        graph = create_consensus(given, early_stop=False, rounds=1).compile(InMemorySaver())
        result = graph.invoke(QUESTION, {"configurable": {"thread_id": str(number)}})
        assert [row["ballot"] for row in result["ballots"]] == ["red", "blue", "red", None]
        assert "waits for a person" in result["ballots"][3]["error"]
        assert "__interrupt__" not in result


def test_an_agent_whose_own_model_cannot_be_loaded_abstains():
    result = decide([*agents("red", "red"), Agent("z", model="nosuch:thing")], early_stop=False)
    assert result["decision"] == "red"
    assert "nosuch:thing" in result["ballots"][2]["error"]


def test_agents_that_hang_block_nobody_under_ainvoke():
    release = threading.Event()
    hanging = [RunnableLambda(lambda given: release.wait(30) and "blue", name=f"h{i}") for i in range(6)]
    graph = create_consensus([*hanging, *agents(*["red"] * 7)]).compile()
    started = time.monotonic()
    result = asyncio.run(graph.ainvoke(QUESTION))
    release.set()
    assert (result["decision"], time.monotonic() - started < 15) == ("red", True)


@pytest.mark.parametrize("fault", ["crashed", "slow", "babbling", "lying"])
@pytest.mark.parametrize("protocol", ["majority", "raft", "bft", "pbft", "stake"])
def test_one_faulty_agent_never_blocks_what_the_rest_can_decide(fault, protocol):
    result = decide(agents("red", "red", "red", "blue"), protocol=protocol, faults={"a3": fault})
    assert (result["decision"], result["stop"]) == ("red", "decided")


def test_a_lying_agent_leaves_evidence_and_an_honest_one_never_does():
    result = decide(agents("red", "red", "blue", "red"), faults={"a2": "lying"}, early_stop=False)
    assert {found["agent"] for found in result["evidence"]} == {"a2"}
    assert result["evidence"][0]["first"] != result["evidence"][0]["second"]
    assert decide(agents("red", "blue", "green"), rounds=3)["evidence"] == []


def test_raft_needs_a_majority_of_nodes():
    result = decide(agents("red", "red", "red"), protocol="raft", faults={"a0": "crashed", "a1": "crashed"}, rounds=1)
    assert (result["decision"], result["reason"]) == (None, "1 of 3 nodes are up; Raft needs 2; not heard: a0, a1")


def test_a_silent_model_is_given_up():
    from langgraph_agora.nodes.deliberation import ConsensusContext

    given = [*agents("red", "red"), Agent("mute", model=ScriptedModel(["red"], latency=30))]
    graph = create_consensus(given, early_stop=False, rounds=1).compile()
    result = graph.invoke(QUESTION, context=ConsensusContext(model_seconds=0.2))
    assert result["decision"] == "red"
    assert "0.2 seconds" in next(row["error"] for row in result["ballots"] if row["voter"] == "mute")


def test_a_budget_ends_the_run_in_words():
    given = [Agent(f"m{i}", model=ScriptedModel([{"reason": "", "answer": "red"}])) for i in range(3)]
    result = decide(given, config={"callbacks": [Budget(max_calls=1)], "max_concurrency": 1})
    assert (result["stop"], result["decision"]) == ("budget", None)


# Laws


def test_a_thousand_runs_with_arbitrary_votes_end_and_count_right():
    """Whatever is voted, the graph's core decides by majority or says that there is none."""
    rng = random.Random(7)
    for _ in range(60):
        said = [rng.choice(["red", "blue", "green", ""]) for _ in range(rng.randint(1, 7))]
        result = decide(agents(*said), rounds=1, early_stop=False)
        top = max(set(said) - {""}, key=said.count, default=None)
        expected = top if top and 2 * said.count(top) > len(said) else None
        assert result["decision"] == expected, said


def test_a_second_question_in_the_same_conversation_starts_anew():
    graph = create_consensus(agents("red", "red", "red")).compile(InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    graph.invoke(QUESTION, thread)
    result = graph.invoke({"messages": [("user", "And the roof?")]}, thread)
    assert (result["decision"], result["rounds"]) == ("red", 1)
    assert {row["round"] for row in result["ballots"]} == {1}


def test_events_tell_what_happens_as_it_happens():
    graph = create_consensus(agents("red", "red", "blue"), early_stop=False).compile()
    kinds = [event["event"] for event in graph.stream(QUESTION, stream_mode="custom")]
    assert kinds == ["asking", "ballot", "ballot", "ballot", "tally", "end"]


# Wrong input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agents": []}, "0 agents were given"),
        ({"agents": ["ann", "ann"]}, "Two agents are named 'ann'"),
        ({"agents": ["ann", " "]}, "has no name"),
        ({"agents": 5}, "give a list"),
        ({"agents": [5]}, "5 was given"),
        ({"protocol": "majorty"}, "Did you mean 'majority'?"),
        ({"protocol": "bft", "tolerate": 1}, "at least 4 agents in bft; 3 were given"),
        ({"protocol": "pbft", "tolerate": 1}, "at least 4 agents in pbft; 3 were given"),
        ({"tolerate": -1}, "tolerate was -1"),
        ({"protocol": "qualified", "threshold": "7/5"}, "threshold was '7/5'"),
        ({"protocol": "qualified", "threshold": "abc"}, "threshold was 'abc'"),
        ({"rounds": 0}, "rounds was 0"),
        ({"faults": {"zoe": "crashed"}}, "faults names 'zoe'"),
        ({"faults": {"ann": "crashd"}}, "Did you mean 'crashed'?"),
        ({"options": ["one"]}, "give 2 to 26"),
        ({"options": ["one", "one"]}, "each once"),
        ({"options": ["Red", "red."]}, "more than case"),
        ({"options": 5}, "options was 5"),
        ({"seed": "abc"}, "seed was 'abc'"),
        ({"model": 5}, "model was 5"),
        ({"threshold": "abc"}, "threshold was 'abc'"),
        ({"agents": [Agent("ann", weight=-1)]}, "weight of 'ann' was -1"),
        ({"agents": [Agent("ann", role=5)]}, "The role of 'ann' was 5"),
        ({"protocol": "weighted", "agents": [Agent("ann", weight=-1)]}, "weight of 'ann' was -1"),
        ({"protocol": "stake", "agents": [Agent("ann", weight=float("inf"))]}, "weight of 'ann' was inf"),
    ],
)
def test_a_wrong_argument_is_refused_in_words(options, message):
    with pytest.raises(ConfigError) as refused:
        create_consensus(**{"agents": ["ann", "bob", "cem"], **options})
    assert message in str(refused.value)


def test_a_run_without_a_question_is_refused():
    with pytest.raises(ConfigError, match="There is no question"):
        create_consensus(agents("red")).compile().invoke({"messages": []})


def test_the_command_lines_words_become_agents_and_faults():
    assert [agent.name for agent in panel("3")] == ["agent-1", "agent-2", "agent-3"]
    assert len({agent.role for agent in panel("3")}) == 3
    assert faults_from("") == {}
    for wrong in ("ann", "ann=a=b"):
        with pytest.raises(ConfigError, match="agent=fault"):
            faults_from(wrong)
    with pytest.raises(ConfigError, match="agents was 0"):
        panel("0")


def test_every_protocol_is_offered():
    assert {"majority", "raft", "pbft", "bft", "stake"} <= set(PROTOCOLS)
    assert set(RULES) <= set(PROTOCOLS)
