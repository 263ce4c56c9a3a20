import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.messages import AIMessage

from langgraph_agora.testing import ScriptedModel, Use
from langgraph_agora.tools import calculate


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("hello", "hello"),
        ({"vote": "café"}, '{"vote": "café"}'),
        (AIMessage("as it is"), "as it is"),
        (None, ""),
        (lambda request: f"you said {request.text}", "you said hi"),
    ],
)
async def test_an_entry_becomes_the_reply_sync_and_async(entry, text):
    model = ScriptedModel([entry, entry])
    assert model.invoke("hi").text == text
    assert (await model.ainvoke("hi")).text == text


def test_a_use_is_a_native_tool_call_and_a_list_of_them_are_parallel_ones():
    one = ScriptedModel([Use("calculate", {"expression": "1 + 1"}, text="let me see")]).invoke("hi")
    assert one.text == "let me see"
    assert [(call["name"], call["args"]) for call in one.tool_calls] == [("calculate", {"expression": "1 + 1"})]
    two = ScriptedModel([[Use("a"), Use("b")]]).invoke("hi")
    assert [call["name"] for call in two.tool_calls] == ["a", "b"]
    assert len({call["id"] for call in two.tool_calls}) == 2


def test_an_exception_in_the_script_is_raised():
    with pytest.raises(ConnectionError, match="down"):
        ScriptedModel([ConnectionError("down")]).invoke("hi")


def test_a_script_that_ends_fails_unless_it_repeats():
    short = ScriptedModel(["only one"])
    short.invoke("hi")
    with pytest.raises(AssertionError, match="The script has 1 replies; call 2 was not expected"):
        short.invoke("hi")
    endless = ScriptedModel(["first", "last"], after="repeat")
    assert [endless.invoke("hi").text for _ in range(4)] == ["first", "last", "last", "last"]


def test_requests_show_what_was_asked_and_what_was_bound():
    model = ScriptedModel(["a", "b"])
    model.invoke([("system", "be brief"), ("user", "hi")])
    model.bind_tools([calculate]).invoke("sum")
    plain, with_tools = model.requests
    assert plain.text == "be brief\nhi"
    assert plain.bound == {}
    assert with_tools.bound["tools"][0]["function"]["name"] == "calculate"


def test_words_count_as_tokens():
    usage = ScriptedModel(["one two three"]).invoke("four words of question").usage_metadata
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (4, 3, 7)


def test_usage_that_the_script_gives_is_kept_and_the_scripts_message_is_not_changed():
    given = AIMessage("hi")
    model = ScriptedModel([given], after="repeat")
    assert model.invoke("one two").usage_metadata["input_tokens"] == 2
    assert given.usage_metadata is None


def test_parallel_callers_get_each_entry_once():
    model, together = ScriptedModel([str(i) for i in range(8)]), threading.Barrier(8)

    def call(_):
        together.wait()
        return model.invoke("hi").text

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(call, range(8))) == [str(i) for i in range(8)]


def test_a_scripted_model_says_how_it_wants_to_be_asked_and_what_it_is_called():
    assert ScriptedModel([]).answer_style.steps == "json"
    assert ScriptedModel([], style="tools").answer_style.steps == "tools"
    assert ScriptedModel([], model="dear").model == "dear"


def test_an_empty_script_fails_with_the_same_words():
    with pytest.raises(AssertionError, match="The script has 0 replies"):
        ScriptedModel([]).invoke("hi")
    with pytest.raises(AssertionError, match="The script has 0 replies"):
        ScriptedModel([], after="repeat").invoke("hi")
