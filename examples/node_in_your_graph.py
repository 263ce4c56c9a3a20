"""A ReAct agent as one node of your own graph.

The agent shares the keys `messages`, `answer` and `stop` with your state; your other keys stay yours.

Run it: python examples/node_in_your_graph.py
"""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, MessagesState, StateGraph

from langgraph_agora import create_react
from langgraph_agora.tools import calculate


class Order(MessagesState, total=False):
    """Your state: your keys, and those of the agent's output that you want to see."""

    boxes: int
    rolls: int
    answer: str
    stop: str
    receipt: str


def main() -> None:
    """Take an order, let the agent count, and print the receipt."""
    order = create_order("embedded").compile().invoke({"boxes": 17, "rolls": 23})
    print(order["receipt"])


def create_order(model: str | BaseChatModel) -> StateGraph[Order, None, Order, Order]:
    """Return your graph: ask -> count (the agent) -> write."""
    builder = StateGraph(Order)
    builder.add_node("ask", ask)
    builder.add_node("count", create_react([calculate], model=model, name="count").compile())
    builder.add_node("write", write)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "count")
    builder.add_edge("count", "write")
    builder.add_edge("write", END)
    return builder


def ask(order: Order) -> dict[str, Any]:
    """Put the question; the agent's task is the last human message."""
    return {"messages": [("user", f"What is {order['boxes']} * {order['rolls']}?")]}


def write(order: Order) -> dict[str, Any]:
    """Use what the agent found, and look at how it ended: any `stop` but "answer" is no final answer."""
    if order["stop"] != "answer":
        return {"receipt": f"Please count by hand. {order['answer']}"}
    return {"receipt": f"{order['boxes']} boxes of {order['rolls']} rolls: {order['answer']}"}


if __name__ == "__main__":
    main()
