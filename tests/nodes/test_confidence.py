import json
import math

import pytest
from pydantic import BaseModel, Field

from langgraph_agora.nodes.ask import read_json, send
from langgraph_agora.nodes.confidence import Token, token_confidence
from langgraph_agora.nodes.running import drive


def tokens(*pairs):
    return [Token(text, math.log(probability)) for text, probability in pairs]


REPLY = tokens(('{"', 0.01), ("answer", 0.02), ('": "', 0.03), ("forty", 0.9), (" two", 0.6), ('"}', 0.04))
TEXT = '{"answer": "forty two"}'


def test_the_least_sure_token_of_the_value_counts_and_the_forced_ones_around_it_do_not():
    assert token_confidence(REPLY, TEXT, "forty two") == 0.6
    assert token_confidence(REPLY, TEXT, "forty") == 0.9


def test_a_token_that_reaches_into_the_value_counts():
    joined = tokens(('{"answer": "for', 0.5), ('ty two"}', 0.7))
    assert token_confidence(joined, TEXT, "forty two") == 0.5


def test_tokens_that_the_grammar_rejected_are_passed_over():
    with_rejected = [*REPLY[:3], Token("Sure", math.log(0.001)), *REPLY[3:]]
    assert token_confidence(with_rejected, TEXT, "forty two") == 0.6


def test_the_last_occurrence_of_a_value_is_judged():
    twice = tokens(('{"thought": "', 1), ("4", 0.2), ('", "answer": "', 1), ("4", 0.8), ('"}', 1))
    assert token_confidence(twice, '{"thought": "4", "answer": "4"}', "4") == 0.8


def test_an_escaped_value_is_found_as_it_was_written():
    written = tokens(('{"a": "', 1), (r"say \"hi\"", 0.4), ('"}', 1))
    assert token_confidence(written, r'{"a": "say \"hi\""}', 'say "hi"') == 0.4


def test_a_logprob_above_zero_is_certainty_and_not_more():
    assert token_confidence([Token("yes", 0.3)], "yes", "yes") == 1.0


@pytest.mark.parametrize(
    ("given_tokens", "text", "value"),
    [([], "yes", "yes"), (REPLY, TEXT, "fifty"), (REPLY, TEXT, ""), (REPLY[:-1], TEXT, "forty"), ([], "", "x")],
    ids=["no tokens", "value absent", "empty value", "tokens end early", "empty reply"],
)
def test_none_says_that_it_cannot_be_told(given_tokens, text, value):
    assert token_confidence(given_tokens, text, value) is None


class Colour(BaseModel):
    colour: str = Field(max_length=12)


@pytest.mark.embedded
def test_the_embedded_model_gives_the_tokens_that_confidence_needs(embedded):
    schema = {**Colour.model_json_schema(), "additionalProperties": False}
    model = embedded.model_copy(update={"max_tokens": 40})
    reply = drive(send(model, [("user", "Name a colour of the sky, as JSON.")], schema=schema, config={}))
    value = read_json(reply)["colour"]
    confidence = token_confidence(reply.tokens, reply.text, value)
    assert confidence is not None, (reply.text, json.dumps(reply.tokens))
    assert 0 < confidence <= 1
    assert confidence > math.exp(min(token.logprob for token in reply.tokens))
    assert reply.tokens_out > 0
