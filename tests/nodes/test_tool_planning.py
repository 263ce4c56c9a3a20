"""Planning from the tools alone: a plan of calls, repaired once, or one task for an agent, and it is said which."""

import json

import pytest
from langchain_core.tools import tool

from langgraph_agora.budget import Budget
from langgraph_agora.errors import BudgetExceeded
from langgraph_agora.nodes.planning.search import find_plan
from langgraph_agora.nodes.planning.tool_plans import ROOT
from langgraph_agora.nodes.running import adrive, drive
from langgraph_agora.nodes.tool_planning import NO_TOOLS, plan_calls
from langgraph_agora.styles import AnswerStyle
from langgraph_agora.testing import ScriptedModel
from langgraph_agora.tools import calculate


@tool
def search(query: str) -> str:
    """Search the library."""
    return query


@tool
def mail(to: list[str], text: str, copies: int = 1) -> str:
    """Send a mail."""
    return text


TOOLS = {"search": search, "mail": mail}
GOAL = "Mail ann what is known of Oslo."
GOOD = {
    "calls": [
        {"tool": "search", "input": "Oslo", "after": []},
        {"tool": "mail", "input": {"to": ["ann"], "text": "$1"}, "after": []},
    ]
}
BAD = {"calls": [{"tool": "fax", "input": "Oslo"}]}


def planned(*answers, tools=TOOLS, **arguments):
    model = ScriptedModel(list(answers))
    return drive(plan_calls(tools, GOAL, model=model, config={}, **arguments)), model


@pytest.mark.parametrize("driver", ["sync", "async"])
async def test_a_plan_of_calls_takes_one_model_call(driver):
    model = ScriptedModel([GOOD])
    body = plan_calls(TOOLS, GOAL, model=model, config={})
    found = drive(body) if driver == "sync" else await adrive(body)
    assert [(one.name, one.after) for one in found.calls] == [("search_1", ()), ("mail_2", ("search_1",))]
    assert find_plan(found.domain, {}, [ROOT]).names == ["search_1", "mail_2"]
    assert (found.note, found.usage["calls"], len(model.requests)) == ("", 1, 1)


def test_a_plan_is_repaired_once_with_the_reason_fed_back():
    found, model = planned(BAD, GOOD)
    assert len(found.calls) == 2
    assert "Call 1 names 'fax'; the tools are search, mail." in model.requests[1].messages[-1].text
    assert [bool(one.refused) for one in found.attempts] == [True, False]


@pytest.mark.parametrize("answers", [(BAD, BAD), ("I would search first.", ""), (TimeoutError(), TimeoutError())])
def test_what_cannot_be_repaired_is_replaced_by_the_whole_goal_and_that_is_said(answers):
    found, model = planned(*answers)
    assert len(model.requests) == 2
    assert [(one.tool, one.input) for one in found.calls] == [("", {"goal": GOAL})]
    assert find_plan(found.domain, {}, [ROOT]).names == ["whole_1"]
    assert found.note.startswith("No plan of tool calls could be used, so the whole goal is one task for an agent. ")
    assert found.note.endswith(found.attempts[-1].refused)


def test_without_tools_nobody_is_asked():
    found, model = planned(tools={})
    assert (found.note, len(model.requests), found.calls[0].tool) == (NO_TOOLS, 0, "")


def test_one_tool_may_be_called_several_times():
    calls = {"calls": [{"tool": "search", "input": one, "after": []} for one in ("Oslo", "Bergen")]}
    found, model = planned(calls, tools={"search": search})
    assert [one.input for one in found.calls] == [{"query": "Oslo"}, {"query": "Bergen"}]
    items = schema_of(model)["properties"]["calls"]["items"]
    assert items["properties"]["tool"]["const"] == "search"


def schema_of(model):
    return model.requests[0].bound["response_format"]["json_schema"]["schema"]


def test_the_schema_takes_a_tools_own_arguments_or_a_reference_to_a_result():
    _, model = planned(GOOD)
    searching, mailing = schema_of(model)["properties"]["calls"]["items"]["anyOf"]
    assert searching["properties"]["input"] == {"type": "string", "maxLength": 1_000}
    given = mailing["properties"]["input"]
    assert given["properties"]["text"]["type"] == "string"
    assert given["properties"]["copies"]["anyOf"][1] == {"type": "string", "pattern": "^\\$[0-9]{1,2}$"}
    assert given["additionalProperties"] is False


def test_the_goal_is_quoted_as_data_and_the_tools_are_described():
    _, model = planned(GOOD)
    shown = model.requests[0].text
    assert f'"""\n{GOAL}\n"""' in shown
    assert "- mail(to: array, text: string, copies: integer): Send a mail." in shown


class SmallModel(ScriptedModel):
    """A scripted model that must be led."""

    @property
    def answer_style(self):
        return AnswerStyle(steps="json", constrain="response_format", small=True)


def test_a_small_model_is_shown_the_tools_own_examples_and_a_narrow_schema():
    model = SmallModel([{"calls": [{"tool": "calculate", "input": "17 * 23"}]}])
    found = drive(plan_calls({"calculate": calculate}, "What is 17 * 23?", model=model, config={}))
    assert [one.input for one in found.calls] == [{"expression": "17 * 23"}]
    first = model.requests[0]
    assert json.loads(first.messages[1].text)["calls"][0]["tool"] == "calculate"
    assert "pattern" in schema_of(model)["properties"]["calls"]["items"]["properties"]["input"]


def test_a_budget_that_ends_goes_through():
    model = ScriptedModel([BAD, GOOD])
    with pytest.raises(BudgetExceeded):
        drive(plan_calls(TOOLS, GOAL, model=model, config={"callbacks": [Budget(max_calls=1)]}))


@pytest.mark.embedded
def test_the_embedded_model_makes_a_plan_or_the_goal_is_one_task(embedded):
    model = embedded.model_copy(update={"max_tokens": 120})
    goal = "A baker sells 17 boxes with 23 rolls each. How many rolls is that?"
    found = drive(plan_calls({"calculate": calculate}, goal, model=model, config={}, seconds=20))
    assert bool(found.note) == (found.calls[0].tool == "")
    assert find_plan(found.domain, {}, [ROOT]).found
