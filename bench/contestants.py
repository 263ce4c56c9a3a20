"""The same five-step job done by each contestant: one tool object, one prompt, one ChatOpenAI, built once for all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from langchain.agents import create_agent
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from openai import AsyncOpenAI, OpenAI
from openai_server import PROMPT
from typing_extensions import TypedDict

from langgraph_agora import Budget, create_react


@tool
def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


@dataclass
class Contestant:
    """A graph, and what a run of it is configured with."""

    graph: Any
    budget: bool = False

    def run(self) -> None:
        check(self.graph.invoke(self.question(), self.config()))

    async def arun(self) -> None:
        check(await self.graph.ainvoke(self.question(), self.config()))

    def question(self) -> dict[str, Any]:
        return {"messages": [HumanMessage(PROMPT)]}

    def config(self) -> dict[str, Any]:
        return {"callbacks": [Budget(max_calls=50, max_tokens=1_000_000, max_seconds=600)]} if self.budget else {}


@dataclass
class RawClient:
    """The openai client in a loop written by hand: the least that the job can cost."""

    url: str
    sync: OpenAI = field(init=False)
    aio: AsyncOpenAI = field(init=False)

    def __post_init__(self) -> None:
        self.sync, self.aio = (kind(base_url=f"{self.url}/v1", api_key="none") for kind in (OpenAI, AsyncOpenAI))
        self.tools: Any = [convert_to_openai_tool(add)]

    def run(self) -> None:
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        while self.goes_on(messages):
            reply = self.sync.chat.completions.create(model="scripted", messages=messages, tools=self.tools)
            messages.append(reply.choices[0].message.model_dump(exclude_none=True))

    async def arun(self) -> None:
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        while self.goes_on(messages):
            reply = await self.aio.chat.completions.create(model="scripted", messages=messages, tools=self.tools)
            messages.append(reply.choices[0].message.model_dump(exclude_none=True))

    def goes_on(self, messages: list[Any]) -> bool:
        calls = messages[-1].get("tool_calls", ())
        for call in calls:
            result = add.func(**json.loads(call["function"]["arguments"]))  # type: ignore[misc]
            messages.append({"role": "tool", "content": str(result), "tool_call_id": call["id"]})
        return bool(calls) or messages[-1]["role"] == "user"


class Talk(TypedDict):
    """The state of the hand-written graph."""

    messages: Annotated[list[AnyMessage], add_messages]


def hand_written(model: ChatOpenAI) -> Any:
    """A StateGraph of two nodes around the model: LangGraph without an agent."""
    bound = model.bind_tools([add])

    def call(state: Talk) -> dict[str, Any]:
        return {"messages": [bound.invoke(state["messages"])]}

    async def acall(state: Talk) -> dict[str, Any]:
        return {"messages": [await bound.ainvoke(state["messages"])]}

    builder = StateGraph(Talk)
    builder.add_node("model", RunnableLambda(call, acall))
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition, ["tools", END])
    builder.add_edge("tools", "model")
    return builder.compile()


def contestants(url: str) -> dict[str, Any]:
    """All of them, by name."""
    model = ChatOpenAI(model="scripted", base_url=f"{url}/v1", api_key="none")  # type: ignore[arg-type]
    react = create_react([add], model=model).compile()
    return {
        "openai client": RawClient(url),
        "hand-written StateGraph": Contestant(hand_written(model)),
        "create_agent": Contestant(create_agent(model, [add])),
        "create_react": Contestant(react),
        "create_react with Budget": Contestant(react, budget=True),
    }


def check(result: dict[str, Any]) -> None:
    """A run that went wrong must not look fast."""
    if result["messages"][-1].text != "I added 10 to each; done.":
        raise RuntimeError(f"The job was not done: {result}")
