"""A chatbot in the browser: each step of the ReAct agent appears while it runs, then the answer.

A chat is a thread of the graph's checkpointer, so a later question knows the earlier ones.

Run it: pip install chainlit, then: chainlit run examples/chainlit_app.py
Another model: AGORA_MODEL=ollama:qwen3:4b chainlit run examples/chainlit_app.py
"""

import os
from typing import Any

import chainlit as cl
from chainlit.utils import utc_now
from langgraph.checkpoint.memory import InMemorySaver

from langgraph_agora import create_react
from langgraph_agora.tools import calculate

graph = create_react([calculate], model=os.environ.get("AGORA_MODEL", "embedded")).compile(checkpointer=InMemorySaver())


@cl.on_message
async def main(message: cl.Message) -> None:
    """Answer one message of the chat."""
    steps: dict[int, cl.Step] = {}
    task = {"messages": [("user", message.content)]}
    thread = {"configurable": {"thread_id": cl.context.session.id}}
    async for event in graph.astream(task, thread, stream_mode="custom"):
        await show(event, steps)


async def show(event: dict[str, Any], steps: dict[int, cl.Step]) -> None:
    """Draw one event of the run; `steps` holds what is on the page already, by number."""
    match event["event"]:
        case "thinking":
            steps[event["number"]] = await opened("the model")
        case "thought":
            step = steps[event["number"]] = steps.get(event["number"]) or await opened(event["action"])
            step.name = event["action"]
            step.input = {"thought": event["thought"], **event["input"]}
            await step.update()
        case "step" if event["step"]["action"] != "final_answer":  # The answer comes as a message, at the end.
            step = steps.pop(event["step"]["number"])
            step.output, step.is_error = event["step"]["observation"], event["step"]["is_error"]
            await closed(step)
        case "guard":
            guard = await opened("loop guard")
            guard.output = event["evidence"]
            await closed(guard)
        case "end":
            for unfinished in steps.values():
                await unfinished.remove()
            await cl.Message(event["answer"], author="react").send()


async def opened(name: str) -> cl.Step:
    """Put a step on the page that shows as running until it is closed."""
    step = cl.Step(name, type="tool", parent_id=cl.context.current_run.id, default_open=True)
    step.start = utc_now()
    await step.send()
    return step


async def closed(step: cl.Step) -> None:
    """Show a step as done."""
    step.end = utc_now()
    await step.update()
