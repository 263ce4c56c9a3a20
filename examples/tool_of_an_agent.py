"""A ReAct agent as a tool of another agent.

The outer agent comes from `langchain.agents.create_agent` and needs a model that calls tools. `main` gives it a
scripted one, so that this runs offline; give it yours instead: main("openai:gpt-4o-mini").

Run it: python examples/tool_of_an_agent.py
"""

from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, tool

from langgraph_agora import create_react
from langgraph_agora.testing import ScriptedModel, Use
from langgraph_agora.tools import calculate


def main(outer: str | BaseChatModel | None = None, inner: str | BaseChatModel = "embedded") -> None:
    """Ask the outer agent, and print the conversation."""
    agent = create_office(outer or scripted(), inner)
    result = agent.invoke({"messages": [("user", "How many rolls are in 17 boxes of 23?")]})
    for message in result["messages"]:
        print(f"{message.type}: {message.text or message.tool_calls[0]['args']}")


def create_office(outer: str | BaseChatModel, inner: str | BaseChatModel) -> Any:
    """Return the outer agent, which leaves arithmetic to the inner one."""
    return create_agent(outer, tools=[arithmetic_tool(inner)], system_prompt="Leave arithmetic to work_out.")


def arithmetic_tool(model: str | BaseChatModel) -> BaseTool:
    """Return the ReAct agent as a tool: a question in, its answer out."""
    worker = create_react([calculate], model=model, name="worker").compile()

    @tool
    def work_out(question: str) -> str:
        """Answer a question that needs arithmetic, given in full."""
        answer: str = worker.invoke({"messages": [("user", question)]})["answer"]
        return answer

    return work_out


def scripted() -> ScriptedModel:
    """Return a stand-in for the outer model: it asks the tool, then says what the tool said."""
    return ScriptedModel(
        [Use("work_out", {"question": "What is 17 * 23?"}), lambda seen: f"There are {seen.messages[-1].text} rolls."],
        style="tools",
    )


if __name__ == "__main__":
    main()
