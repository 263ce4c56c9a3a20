import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.errors import GraphInterrupt
from pydantic import BaseModel, Field

from langgraph_agora.budget import Budget
from langgraph_agora.errors import BudgetExceeded
from langgraph_agora.nodes.ask import MAX_REPLY, Reply, ask, read_json, read_message, send, split_thinking
from langgraph_agora.nodes.running import adrive, drive
from langgraph_agora.testing import ScriptedModel, Use
from langgraph_agora.tools import calculate

BAD_OUTPUTS = json.loads((Path(__file__).parents[1] / "data" / "bad_model_outputs.json").read_text())
QUESTION = [HumanMessage("Who should win?")]


class Ballot(BaseModel):
    vote: Literal["a", "b", "abstain"]
    confidence: float = Field(0.5, ge=0, le=1)


class Bid(BaseModel):
    bid: float = Field(ge=0, allow_inf_nan=False)


ABSTAIN = Ballot(vote="abstain")
NO_BID = Bid(bid=0)
GOOD = '{"vote": "b"}'


def ballot(*script, **arguments):
    """Ask for a ballot; also returns the model, which remembers what it was shown."""
    model = ScriptedModel(list(script), after="fail")
    arguments = {"fallback": ABSTAIN, "config": {}, **arguments}
    return drive(ask(model, QUESTION, Ballot, **arguments)), model


def test_a_good_answer_takes_one_call_and_the_schema_goes_with_it():
    answer, model = ballot({"vote": "b", "confidence": 0.9})
    assert answer.value == Ballot(vote="b", confidence=0.9)
    assert (answer.fell_back, answer.error, len(answer.replies)) == (False, None, 1)
    sent = model.requests[0].bound["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"]["required"] == ["vote", "confidence"], "OpenAI's strict mode wants every key"
    assert sent["schema"]["additionalProperties"] is False
    assert sent["schema"]["properties"]["vote"]["enum"] == ["a", "b", "abstain"]


async def test_asking_under_a_running_loop_gives_the_same():
    model = ScriptedModel(["no idea", GOOD])
    answer = await adrive(ask(model, QUESTION, Ballot, fallback=ABSTAIN, config={}))
    assert answer.value.vote == "b"
    assert len(answer.replies) == 2


@pytest.mark.parametrize(
    "text",
    [
        f"Sure, here is my vote: {GOOD} Good luck!",
        f"```json\n{GOOD}\n```",
        f"<think>a? {{no}} b!</think>{GOOD}",
        f"the template opened the block</think>{GOOD}",
        f"I choose {{b}}: {GOOD}",
        f"[{GOOD}]",
        f"{GOOD} {{and then",
        f"\x00{GOOD[:-1]}\x07}}",
        f"{{{{{{ {GOOD}",
    ],
    ids=["prose", "fence", "think", "think closed only", "braces", "in a list", "trailing", "control", "open braces"],
)
def test_an_object_is_found_in_whatever_stands_around_it(text):
    answer, _ = ballot(text)
    assert answer.value.vote == "b"
    assert len(answer.replies) == 1


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("", "the answer was empty"),
        (None, "the answer was empty"),
        ("<think>hm</think>", "the answer was empty"),
        ("I vote for b.", "there is no JSON object in 'I vote for b.'"),
        ('["b"]', "there is no JSON object"),
        ('{"vote": "b", "confid', "cut off or malformed"),
        ('{"ballot": {"vote": "b"}', "cut off or malformed"),
        ('{"vote": "b", "confidence": NaN}', "NaN is not a finite number"),
        ('{"vote": "b", "confidence": 1e999}', "1e999 is not a finite number"),
        ('{"vote": "b", "confidence": 7}', "confidence: Input should be less than or equal to 1"),
        ('{"vote": "z"}', "vote: Input should be 'a', 'b' or 'abstain'"),
        ("{}", "vote: Field required"),
        ("{" + '"a":{' * 100_000, "nested too deep"),
        ('{"a":' * 4_000 + "1" + "}" * 4_000, "nested too deep"),
        ("x" * 10_000_000, "there is no JSON object"),
        ("{" * 10_000_000, "cut off or malformed"),
        ('{"vote": ' + "9" * 5_000 + "}", "a number of 5,000 digits is too large"),
        ("vote " + chr(0xD800) + chr(0), "there is no JSON object in 'vote �'"),
    ],
    ids=lambda case: str(case)[:25].encode("ascii", "backslashreplace").decode().replace("\x00", ""),
)
def test_a_bad_answer_is_asked_again_and_told_why(bad, told):
    answer, model = ballot(bad, GOOD)
    assert answer.value.vote == "b"
    said, quoted = model.requests[1].messages[-2:]
    assert told in quoted.text
    assert said.text
    assert len(quoted.text) < 1_000
    assert len(said.text) <= MAX_REPLY
    model.requests[1].text.encode("utf-8")  # No surrogate goes back to the provider.


def test_after_two_more_tries_the_fallback_is_taken_and_says_so():
    answer, model = ballot("first", "second", "third", "never asked")
    assert answer.value is ABSTAIN
    assert answer.fell_back
    assert "'third'" in answer.error
    assert len(answer.replies) == len(model.requests) == 3


def test_no_reask_when_none_is_wanted():
    answer, model = ballot("first", reasks=0)
    assert answer.fell_back
    assert len(model.requests) == 1


def test_a_model_that_raises_is_a_failure_and_the_fallback():
    answer, model = ballot(ConnectionError("no route to" + chr(0xD800) + " host"))
    assert answer.value is ABSTAIN
    assert answer.error == "the model failed: ConnectionError: no route to� host"
    assert answer.replies[0].failure == answer.error
    assert len(model.requests) == 1


def test_a_timeout_of_the_providers_own_keeps_its_words():
    for limit in (None, 60.0):
        answer, _ = ballot(TimeoutError("read timed out"), seconds=limit)
        assert answer.error == "the model failed: TimeoutError: read timed out"


@pytest.mark.parametrize("driver", [drive, lambda body: asyncio.run(adrive(body))], ids=["sync", "async"])
def test_a_model_that_is_too_slow_is_given_up(driver):
    slow = ScriptedModel([GOOD], latency=30)
    answer = driver(ask(slow, QUESTION, Ballot, fallback=ABSTAIN, config={}, seconds=0.1))
    assert answer.error == "the model gave no reply within 0.1 seconds"
    assert answer.replies[0].seconds < 15  # a hang guard


def test_usage_is_counted_for_every_try():
    answer, _ = ballot("two words", GOOD)
    first, second = (reply.usage() for reply in answer.replies)
    assert first == {"calls": 1, "tokens_in": 4 - 1, "tokens_out": 2, "seconds": first["seconds"]}
    assert second["tokens_in"] > first["tokens_in"]
    assert second["tokens_out"] == 2


def test_a_budget_ends_the_reasking_with_its_own_error():
    with pytest.raises(BudgetExceeded, match="1 calls"):
        ballot("no", GOOD, config={"callbacks": [Budget(max_calls=1)]})


def test_an_interrupt_is_not_a_failure_of_the_model():
    with pytest.raises(GraphInterrupt):
        ballot(GraphInterrupt())


class LengthFinishReasonError(Exception):
    """What the openai client raises when a reply in a schema reached max_tokens."""

    def __init__(self, text):
        super().__init__("length")
        message = SimpleNamespace(content=text)
        usage = SimpleNamespace(prompt_tokens=7, completion_tokens=5)
        self.completion = SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=usage)


def test_a_reply_that_reached_the_token_limit_is_a_bad_reply_and_its_tokens_count():
    budget = Budget(max_tokens=1_000)
    answer, _ = ballot(LengthFinishReasonError('{"vote": "'), GOOD, config={"callbacks": [budget]})
    assert answer.value.vote == "b"
    cut = answer.replies[0]
    assert (cut.text, cut.failure, cut.tokens_in, cut.tokens_out) == ('{"vote": "', None, 7, 5)
    assert budget.tokens_in == 7 + answer.replies[1].tokens_in


def test_a_model_that_cannot_be_constrained_is_told_the_schema_in_words():
    shown = []

    class Plain(FakeListChatModel):
        def _call(self, messages, stop=None, run_manager=None, **kwargs):
            shown.append(messages)
            return super()._call(messages, stop, run_manager, **kwargs)

    answer = drive(ask(Plain(responses=[GOOD]), QUESTION, Ballot, fallback=ABSTAIN, config={}))
    assert answer.value.vote == "b"
    assert '"abstain"' in shown[0][-1].text


def test_an_answer_given_as_a_tool_call_is_read():
    answer, _ = ballot(Use("answer", {"vote": "a"}))
    assert answer.value.vote == "a"


def test_tool_arguments_that_are_no_object_are_told():
    wrong = {"name": "calculate", "args": "2+2", "id": "1", "error": None}
    reply = read_message(AIMessage("", invalid_tool_calls=[wrong]))
    assert reply.calls[0].error == "the arguments are not a JSON object: '2+2'"
    with pytest.raises(ValueError, match="not a JSON object"):
        read_json(reply)


def test_send_offers_tools_and_reads_their_calls():
    model = ScriptedModel([[Use("calculate", {"expression": "1 + 1"}), Use("rm_rf", {"path": "/"})]])
    reply = drive(send(model, QUESTION, tools=[calculate], config={}))
    assert [(call.name, call.arguments) for call in reply.calls] == [
        ("calculate", {"expression": "1 + 1"}),
        ("rm_rf", {"path": "/"}),
    ]
    assert "tools" in model.requests[0].bound


@pytest.mark.parametrize("message", [None, "text", {"raw": None}, HumanMessage("hi")])
def test_what_is_no_model_message_is_an_empty_reply(message):
    assert read_message(message) == Reply()


def test_reasoning_and_token_probabilities_are_kept_apart_from_the_text():
    message = AIMessage(
        "yes",
        additional_kwargs={"reasoning_content": "hm"},
        response_metadata={"logprobs": {"content": [{"token": "yes", "logprob": -0.1}]}},
    )
    reply = read_message(message)
    assert (reply.text, reply.thinking, reply.tokens) == ("yes", "hm", (("yes", -0.1),))


@pytest.mark.parametrize(
    ("text", "kept", "thoughts"),
    [
        ("plain", "plain", ""),
        ("<think>one</think>two", "two", "one"),
        ("a<think>one</think>b<think>two</think>c", "abc", "one\ntwo"),
        ("a<think>never closed", "a", "never closed"),
        ("opened by the template</think>two", "two", "opened by the template"),
    ],
)
def test_thinking_is_split_off(text, kept, thoughts):
    assert split_thinking(text) == (kept, thoughts)


@pytest.mark.parametrize("case", BAD_OUTPUTS, ids=lambda case: f"{case['id']} {case['name']}")
def test_known_bad_outputs_end_in_a_valid_answer_or_the_fallback(case):
    given = case["json"]
    if isinstance(given, dict):  # A tool call whose arguments are no object.
        calls = [{**call, "args": str(call["args"]), "error": None} for call in given["tool_calls"]]
        given = AIMessage("", invalid_tool_calls=calls)
    schema, fallback = (Bid, NO_BID) if "bid" in str(given) else (Ballot, ABSTAIN)
    answer = drive(ask(ScriptedModel([given], after="repeat"), QUESTION, schema, fallback=fallback, config={}))
    if case["id"] == "model_output-03":  # The only one that holds an answer.
        assert answer.value == Bid(bid=12.5)
    else:
        assert answer.value is fallback
        assert answer.fell_back
        assert answer.error
