import asyncio
import contextvars
import subprocess
import sys
import textwrap
import threading

import pytest
from langchain_core.tools import StructuredTool, tool

from langgraph_agora.nodes.ask import send
from langgraph_agora.nodes.running import (
    Node,
    Together,
    ToolCall,
    Work,
    adrive,
    drive,
    is_async,
    is_sync,
)
from langgraph_agora.nodes.threads import left_behind
from langgraph_agora.testing import ScriptedModel
from tests.loopback import OpenAIServer

who = contextvars.ContextVar("who", default="nobody")


@tool
def shout(word: str) -> str:
    """Say it loud."""
    return f"{word.upper()} for {who.get()}"


async def _whisper(word: str) -> str:
    await asyncio.sleep(0)
    return f"{word.lower()} for {who.get()}"


whisper = StructuredTool.from_function(coroutine=_whisper, name="whisper", description="Say it softly.")


@tool
def broken(word: str) -> str:
    """Always fails."""
    raise KeyError(word)


@tool
def exhausted(word: str) -> str:
    """Takes the first of nothing."""
    return next(iter([]))


@tool
def hangs(word: str) -> str:
    """Never ends."""
    threading.Event().wait(60)
    return word


def called(wanted, seconds=20.0, word="Hey"):
    request = {"type": "tool_call", "name": wanted.name, "args": {"word": word}, "id": "1"}
    return ToolCall(wanted, request, {}, seconds)


def body(spec, state, config):
    """Every effect once; what is raised at a yield is handled like any exception."""
    reply = yield from send(spec["model"], state["messages"], config=config)
    worked = yield Work(len, ("four",))
    try:
        yield called(broken)
    except KeyError as error:
        failed = str(error)
    outcomes = yield Together((called(shout), called(whisper), called(broken)))
    heard = [getattr(one.result, "content", None) or type(one.result).__name__ for one in outcomes]
    return {"text": reply.text, "worked": worked, "failed": failed, "heard": heard}


EXPECTED = {
    "text": "hello",
    "worked": 4,
    "failed": "'Hey'",
    "heard": ["HEY for nobody", "hey for nobody", "KeyError"],
}


def node():
    return Node(body, {"model": ScriptedModel(["hello"])}, "example")


def test_one_body_runs_sync_and_async_with_equal_results():
    state = {"messages": [("user", "hi")]}
    assert node().invoke(state) == EXPECTED
    assert asyncio.run(node().ainvoke(state)) == EXPECTED


async def test_invoke_works_inside_a_running_event_loop():
    assert node().invoke({"messages": [("user", "hi")]}) == EXPECTED


async def test_the_event_loop_stays_free_while_a_sync_tool_works():
    opened = threading.Event()

    @tool
    def waits(word: str) -> str:
        """Wait until the loop did something else."""
        return str(opened.wait(20))

    async def other():
        opened.set()

    result, _ = await asyncio.gather(called(waits).arun(), other())
    assert result.content == "True"


@pytest.mark.parametrize("used", [shout, whisper], ids=["sync tool", "async tool"])
def test_context_variables_reach_the_tool(used):
    token = who.set("Ada")
    try:
        assert called(used).run().content.endswith("for Ada")
        assert asyncio.run(called(used).arun()).content.endswith("for Ada")
    finally:
        who.reset(token)


def test_an_async_only_tool_runs_under_invoke_and_inside_a_running_loop():
    async def inside():
        return called(whisper).run()

    assert called(whisper).run().content == "hey for nobody"
    assert asyncio.run(inside()).content == "hey for nobody"


def test_tools_say_which_bodies_they_have():
    assert (is_sync(shout), is_async(shout)) == (True, False)
    assert (is_sync(whisper), is_async(whisper)) == (False, True)


@pytest.mark.parametrize("seconds", [0.1])
def test_a_hanging_tool_is_given_up(seconds):
    with pytest.raises(TimeoutError):
        called(hangs, seconds).run()
    with pytest.raises(TimeoutError):
        asyncio.run(called(hangs, seconds).arun())


def test_a_tool_that_raises_stop_iteration_does_not_leave_its_caller_waiting():
    with pytest.raises(RuntimeError, match="StopIteration"):
        called(exhausted).run()
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(called(exhausted).arun())


def test_a_late_result_has_nowhere_to_go_and_harms_nobody():
    go_on, ended = threading.Event(), threading.Event()

    def late():
        go_on.wait(20)
        ended.set()

    async def gives_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(left_behind(late)), 0.05)

    asyncio.run(gives_up())
    go_on.set()
    assert ended.wait(20)


def test_an_exception_that_the_body_does_not_handle_comes_out():
    def careless():
        yield called(broken)

    with pytest.raises(KeyError):
        drive(careless())
    with pytest.raises(KeyError):
        asyncio.run(adrive(careless()))


async def test_cancelling_the_caller_cancels_the_body():
    closed, started = [], asyncio.Event()

    class Forever:
        async def arun(self):
            started.set()
            await asyncio.Event().wait()

    def patient():
        try:
            yield Forever()
        finally:
            closed.append(True)

    task = asyncio.create_task(adrive(patient()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == [True]


HANG = """
    import asyncio, threading
    from langchain_core.tools import tool
    from langgraph_agora.graphs.react import ReactContext, create_react
    from langgraph_agora.testing import ScriptedModel

    @tool
    def hangs(word: str) -> str:
        "Never ends."
        threading.Event().wait()

    use = {"thought": "", "action": "hangs", "input": "x"}
    end = {"thought": "", "action": "final_answer", "input": "gave up"}
    graph = create_react([hangs], model=ScriptedModel([use, end])).compile()
    context = ReactContext(tool_seconds=0.2)
    question = {"messages": [("user", "hi")]}
    print(asyncio.run(graph.ainvoke(question, context=context))["answer"])
"""


def run_script(script, *arguments):
    """Run a script in a process of its own, under a hang guard; return what it printed."""
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split("\n")


def test_a_hanging_sync_tool_keeps_neither_asyncio_run_nor_the_process_from_ending():
    assert run_script(HANG)[0] == "gave up"


LOOPS = """
    import asyncio, sys
    from langchain_openai import ChatOpenAI
    from langgraph_agora.budget import Budget
    from langgraph_agora.nodes.ask import send
    from langgraph_agora.nodes.running import adrive, drive

    model = ChatOpenAI(model="m", base_url=sys.argv[1], api_key="k", max_retries=0)
    budget = Budget(max_calls=20)
    config = {"callbacks": [budget]}

    async def four_at_once():
        replies = await asyncio.gather(*(adrive(send(model, [("user", "hi")], config=config)) for _ in range(4)))
        return [reply.failure or reply.text for reply in replies]

    print(*asyncio.run(four_at_once()))
    print(drive(send(model, [("user", "hi")], config=config)).text)
    print(*asyncio.run(four_at_once()))
    print(budget.calls)
"""


def test_one_openai_client_serves_two_event_loops_and_a_sync_call_between_them():
    """Its connections are kept alive, and those of a closed loop raise "Event loop is closed" in the next one."""
    with OpenAIServer(["hello"] * 30) as server:
        printed = run_script(LOOPS, f"{server.url}/v1")
        assert printed[:3] == ["hello hello hello hello", "hello", "hello hello hello hello"]
        assert printed[3] == str(len(server.requests))  # What was sent twice is counted twice.


def test_a_thread_that_is_done_takes_the_next_call_in_a_context_of_its_own():
    def named():
        return threading.current_thread(), who.get()

    for name in ("ada", "bob", "cy", "di"):
        who.set(name)
        assert left_behind(named).result(5)[1] == name
    who.set("nobody")
    assert len({left_behind(named).result(5)[0] for _ in range(50)}) < 10


def test_a_forked_process_starts_threads_of_its_own():
    script = """
        import os, sys
        from langgraph_agora.nodes.threads import left_behind

        for _ in range(3):
            left_behind(int).result(5)
        child = os.fork()
        if child == 0:
            os._exit(left_behind(int, "7").result(5))
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=60, check=False)
    assert done.returncode == 7
