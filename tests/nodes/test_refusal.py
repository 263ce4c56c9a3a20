"""What counts as a refusal, and what only sounds like one."""

import pytest

from langgraph_agora.nodes.refusal import refusal


@pytest.mark.parametrize(
    "text",
    [
        "I can't help with that.",
        "I cannot do this task.",
        "I\N{RIGHT SINGLE QUOTATION MARK}m sorry, but I can't assist with that request.",
        "Sorry, I am unable to complete this.",
        "Unfortunately, I'm not able to write that.",
        "As an AI language model, I cannot provide this.",
        "I refuse.",
        "I must decline: it is not my field.",
        "We won't do it.",
        "I would rather not.",
        "REFUSED: not my job",
        "That is outside my skills.",
        "I can not really help here.",
        "Sorry, I can't.",
        "I won't be able to do that.",
        "I will not be able to help you with this.",
        "Refused.",
        "Declined: I have no access.",
        "I decline to answer.",
        "We decline this task.",
    ],
)
def test_a_refusal_is_known(text):
    assert refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "I cannot find a mistake in it.",
        "I can't see any errors; the code is right.",
        "The board refused the offer.",
        "Sorry seems to be the hardest word.",
        "I will do it: here it is.",
        "We cannot conclude from this that prices rose.",
        "Refusals are rare in this data.",
        "Declined applications must be sent back by Friday.",
        "We decline 3 of 10 invoices, as asked.",
        "Request declined orders list: 1, 2, 3",
        "Refused bequest is a code smell.",
        "I can not help but admire the result: 42.",
        "Refused: 3, paid: 7.",
        "I cannot provide medical advice, but here is what is known. " + "The dose is written on the box. " * 20,
    ],
)
def test_what_says_something_is_none(text):
    assert refusal(text) is None
