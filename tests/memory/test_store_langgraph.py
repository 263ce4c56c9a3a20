"""ChromaStore as the store of graphs and agents, in one process after another and in two at once."""

import subprocess
import sys
import uuid
from typing import Annotated

import pytest
from langchain.agents import create_agent
from langchain.tools import InjectedStore, ToolRuntime, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore

from langgraph_agora.memory.store import ChromaStore
from langgraph_agora.testing import ScriptedModel, Use

WORDS = ("tea", "rain", "train", "dog")


def count_words(texts):
    return [[0.1, *(float(text.lower().count(word)) for word in WORDS)] for text in texts]


INDEX = {"dims": 1 + len(WORDS), "embed": count_words, "fields": ["text"]}


def remember(state: MessagesState, runtime: Runtime) -> dict:
    known = runtime.store.search(("memories", "ann"), query=state["messages"][-1].text, limit=1)
    runtime.store.put(("memories", "ann"), str(len(state["messages"])), {"text": state["messages"][-1].text})
    return {"messages": [("ai", known[0].value["text"] if known else "nothing yet")]}


async def aremember(state: MessagesState, runtime: Runtime) -> dict:
    known = await runtime.store.asearch(("memories", "ann"), query=state["messages"][-1].text, limit=1)
    await runtime.store.aput(("memories", "ann"), str(len(state["messages"])), {"text": state["messages"][-1].text})
    return {"messages": [("ai", known[0].value["text"] if known else "nothing yet")]}


def graph_with(node):
    builder = StateGraph(MessagesState)
    builder.add_node("remember", node)
    builder.add_edge(START, "remember")
    builder.add_edge("remember", END)
    return builder


@pytest.fixture(params=["in memory", "on disk"])
def store(request, tmp_path):
    with ChromaStore(None if request.param == "in memory" else tmp_path / "memory", index=INDEX) as made:
        yield made


def thread():
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


def test_a_node_remembers_from_one_thread_to_another(store):
    graph = graph_with(remember).compile(store=store, checkpointer=InMemorySaver())
    said = [
        graph.invoke({"messages": [("user", text)]}, thread())["messages"][-1].text
        for text in ("I like tea", "what do I drink, tea?", "a dog")
    ]
    assert said == ["nothing yet", "I like tea", "what do I drink, tea?"]


async def test_an_async_node_remembers_too(store):
    graph = graph_with(aremember).compile(store=store)
    first = await graph.ainvoke({"messages": [("user", "I like tea")]})
    second = await graph.ainvoke({"messages": [("user", "tea?")]})
    assert [first["messages"][-1].text, second["messages"][-1].text] == ["nothing yet", "I like tea"]


async def test_a_sync_node_of_an_async_run_may_use_the_store(store):
    graph = graph_with(remember).compile(store=store)
    await graph.ainvoke({"messages": [("user", "I like tea")]})
    assert store.get(("memories", "ann"), "1").value == {"text": "I like tea"}


@tool
def save_memory(text: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """Keep something that is worth remembering."""
    store.put(("memories",), text[:20], {"text": text})
    return "kept"


@tool
def recall_memory(query: str, runtime: ToolRuntime) -> str:
    """Find what was kept."""
    return "; ".join(item.value["text"] for item in runtime.store.search(("memories",), query=query, limit=1))


SCRIPT = [
    Use("save_memory", {"text": "ann's dog is rex"}),
    Use("save_memory", {"text": "ann drinks tea"}),
    Use("recall_memory", {"query": "who is the dog?"}),
    "It is rex.",
]


def test_the_tools_of_an_agent_share_the_store(store):
    agent = create_agent(ScriptedModel(SCRIPT, style="tools"), tools=[save_memory, recall_memory], store=store)
    messages = agent.invoke({"messages": [("user", "Remember, then recall.")]})["messages"]
    assert [m.text for m in messages if m.type == "tool"] == ["kept", "kept", "ann's dog is rex"]
    assert len(store.search(("memories",))) == 2


async def test_the_tools_of_an_async_agent_share_the_store(store):
    agent = create_agent(ScriptedModel(SCRIPT, style="tools"), tools=[save_memory, recall_memory], store=store)
    messages = (await agent.ainvoke({"messages": [("user", "Remember, then recall.")]}))["messages"]
    assert [m.text for m in messages if m.type == "tool"] == ["kept", "kept", "ann's dog is rex"]


# Other processes.

CHILD = """
import sys
from langgraph_agora.memory.store import ChromaStore

WORDS = ("tea", "rain", "train", "dog")


def count_words(texts):
    return [[0.1, *(float(text.lower().count(word)) for word in WORDS)] for text in texts]


with ChromaStore(sys.argv[1], index={"dims": 5, "embed": count_words, "fields": ["text"]}) as store:
    for line in sys.stdin:
        verb, key, text = line.rstrip("\\n").split("|")
        if verb == "put":
            store.put(("shared",), key, {"text": text})
            print("put", flush=True)
        elif verb == "delete":
            store.delete(("shared",), key)
            print("deleted", flush=True)
        else:
            print(",".join(item.key for item in store.search(("shared",), query=text, limit=1)), flush=True)
"""


class Other:
    """Another process with the same memory, told line by line what to do."""

    def __init__(self, path):
        command = [sys.executable, "-c", CHILD, str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, verb, key="", text=""):
        self.process.stdin.write(f"{verb}|{key}|{text}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def test_what_one_process_put_is_there_for_the_next(tmp_path):
    with Other(tmp_path / "memory") as other:
        assert other("put", "a", "tea in the rain") == "put"
        assert other("put", "b", "the dog") == "put"
    with ChromaStore(tmp_path / "memory", index=INDEX) as store:
        assert store.get(("shared",), "a").value == {"text": "tea in the rain"}
        assert [item.key for item in store.search(("shared",), query="tea", limit=1)] == ["a"]
        assert store.list_namespaces() == [("shared",)]


def test_two_processes_see_at_once_what_the_other_puts_and_deletes(tmp_path):
    with ChromaStore(tmp_path / "memory", index=INDEX) as store, Other(tmp_path / "memory") as other:
        store.put(("shared",), "mine", {"text": "tea"})
        assert other("find", text="tea") == "mine"
        assert other("put", "theirs", "train") == "put"
        assert [item.key for item in store.search(("shared",), query="train", limit=1)] == ["theirs"]
        assert store.get(("shared",), "theirs").value == {"text": "train"}
        store.put(("shared",), "mine", {"text": "rain rain"})
        assert other("find", text="rain") == "mine"
        assert other("delete", "mine") == "deleted"
        assert store.get(("shared",), "mine") is None
        assert [item.key for item in store.search(("shared",), query="rain")] == ["theirs"]
        store.delete(("shared",), "theirs")
        assert other("find", text="train") == ""
