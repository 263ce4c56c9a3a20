"""How a node runs: one body for `invoke` and `ainvoke`, time limits, and work that can be left behind.

A node's body is a generator function `body(spec, state, config)`. It yields what has to be done outside (an effect: a
model call, a tool call, blocking work) and is handed the result back; it returns the state update. `Node` drives the
same body synchronously or asynchronously, so nothing is written twice and nothing needs a running loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, StructuredTool, Tool

from .threads import TimeLimitReached, awaited_left_behind, left_behind, start

GRACE = 1.0  # Seconds that cancelled work has to end.
STALE = 100  # Connections of a closed loop that a model may still hold: the OpenAI client keeps so many alive.

T = TypeVar("T")
Spec = TypeVar("Spec")


class Effect(Protocol):
    """Something that a body asks its driver to do: the same thing, blocking or awaited."""

    def run(self) -> Any:
        """Do it and block."""

    async def arun(self) -> Any:
        """Do it without blocking the event loop."""


Body = Generator[Effect, Any, T]


class Outcome(NamedTuple):
    """What an effect of several gave (its result, or the exception that it raised) and the seconds it took."""

    result: Any
    seconds: float


class Node(Runnable[Any, Any], Generic[Spec]):
    """A LangGraph node made of a module-level body and the frozen spec it works from.

    Args:
        body: Generator function `(spec, state, config) -> update`, see the module's docstring.
        spec: What the factory was given; it can be pickled when its tools and its model can.
        name: The node's name in drawings and traces.
    """

    def __init__(self, body: Callable[[Spec, Any, RunnableConfig], Body[Any]], spec: Spec, name: str) -> None:
        self.body, self.spec, self.name = body, spec, name

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the body; effects block this thread."""
        return drive(self.body(self.spec, input, config or {}))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the body; effects are awaited."""
        return await adrive(self.body(self.spec, input, config or {}))


class Route(Runnable[Any, str]):
    """A conditional edge. LangGraph would send a plain function to a thread at each `ainvoke`: 0.4 ms of CPU.

    Args:
        choose: Pure function from the state to the name of the next node.
    """

    def __init__(self, choose: Callable[[Any], str]) -> None:
        self.choose, self.name = choose, choose.__name__

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Choose."""
        return self.choose(input)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Choose, on the loop."""
        return self.choose(input)


def drive(body: Body[T]) -> T:
    """Run a body to its end, blocking on each effect; an effect's exception is raised inside the body."""
    try:
        effect = next(body)
        while True:
            try:
                result = effect.run()
            except BaseException as error:
                effect = body.throw(error)
            else:
                effect = body.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def adrive(body: Body[T]) -> T:
    """Run a body to its end, awaiting each effect; an effect's exception is raised inside the body."""
    try:
        effect = next(body)
        while True:
            try:
                result = await effect.arun()
            except BaseException as error:
                effect = body.throw(error)
            else:
                effect = body.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Work:
    """Blocking work (loading a model, opening a file): inline under `invoke`, in a thread under `ainvoke`."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()

    def run(self) -> Any:
        return self.function(*self.arguments)

    async def arun(self) -> Any:
        return await asyncio.to_thread(self.function, *self.arguments)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call of a chat model within `seconds`, with more arguments for it; late ones raise TimeLimitReached."""

    model: Runnable[Any, Any]
    messages: Sequence[Any]
    config: RunnableConfig
    seconds: float | None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def run(self) -> Any:
        if self.seconds is None:
            return self.model.invoke(self.messages, self.config, **self.arguments)
        call = partial(self.model.invoke, self.messages, self.config, **self.arguments)
        return _within(self.seconds, left_behind(call))

    async def arun(self) -> Any:
        return await _awaited_within(self.seconds, self._called())

    async def _called(self) -> Any:
        for _ in range(STALE):
            try:
                return await self.model.ainvoke(self.messages, self.config, **self.arguments)
            except RuntimeError as error:
                # A connection that was kept alive for a loop that is closed now. The failed call may have reached the
                # server, so a budget counts it; models of `load_model` keep no connections and never come here.
                if str(error) != "Event loop is closed":
                    raise
        return await self.model.ainvoke(self.messages, self.config, **self.arguments)


@dataclass(frozen=True, slots=True)
class AgentCall:
    """One call of somebody's runnable within `seconds`; late ones raise TimeLimitReached.

    One without an async body of its own runs in a daemon thread even under `ainvoke`, as a sync tool does.
    """

    runnable: Runnable[Any, Any]
    given: Any
    config: RunnableConfig
    seconds: float | None

    def run(self) -> Any:
        return _within(self.seconds, left_behind(self.runnable.invoke, self.given, self.config))

    async def arun(self) -> Any:
        lambda_ = isinstance(self.runnable, RunnableLambda) and not hasattr(self.runnable, "afunc")
        if lambda_ or type(self.runnable).ainvoke is Runnable.ainvoke:
            return await awaited_left_behind(self.seconds, self.runnable.invoke, self.given, self.config)
        return await _awaited_within(self.seconds, self.runnable.ainvoke(self.given, self.config))


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool within `seconds`, whether it was written sync or async; late ones raise TimeLimitReached.

    A sync tool runs in a daemon thread even under `ainvoke`: a thread of the loop's own pool that hangs would keep
    `asyncio.run` waiting for five minutes and the process for ever.
    """

    tool: BaseTool
    call: dict[str, Any]
    config: RunnableConfig
    seconds: float | None

    def run(self) -> Any:
        return _within(self.seconds, self._started())

    async def arun(self) -> Any:
        if is_async(self.tool):
            return await _awaited_within(self.seconds, self.tool.ainvoke(self.call, self.config))
        return await awaited_left_behind(self.seconds, self.tool.invoke, self.call, self.config)

    def _started(self) -> Future[Any]:
        if is_sync(self.tool):
            return left_behind(self.tool.invoke, self.call, self.config)
        return left_behind(asyncio.run, self.tool.ainvoke(self.call, self.config))


@dataclass(frozen=True, slots=True)
class Together:
    """Several effects at once. The result is a list of `Outcome` in their order."""

    effects: tuple[Effect, ...]

    def run(self) -> list[Outcome]:
        if len(self.effects) == 1:  # By far the most common, and it needs no second thread or task.
            return [_outcome(self.effects[0])]
        return [future.result() for future in [left_behind(_outcome, effect) for effect in self.effects]]

    async def arun(self) -> list[Outcome]:
        if len(self.effects) == 1:
            return [await _awaited_outcome(self.effects[0])]
        return await asyncio.gather(*(_awaited_outcome(effect) for effect in self.effects))


@dataclass(frozen=True, slots=True)
class UntilEnough:
    """Bodies at once, at most `at_once` of them, until `enough` says that what is there will do.

    The result is a dict from the place of a body to its result, or to the exception that it raised, in the order in
    which they came. What is still under way is cancelled, or left behind in its thread; the rest never begins.

    Args:
        bodies: What to run.
        enough: Asked after every result, with all results so far.
        at_once: How many run at the same time; None for all.
    """

    bodies: tuple[Body[Any], ...]
    enough: Callable[[dict[int, Any]], bool]
    at_once: int | None = None

    def run(self) -> dict[int, Any]:
        came: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        waiting, results, running = list(enumerate(self.bodies)), dict[int, Any](), 0
        while True:
            while waiting and running < (self.at_once or len(self.bodies)):
                place, body = waiting.pop(0)
                start(drive, (body,), partial(_put, came, place))
                running += 1
            if not running:
                return results
            place, result = came.get()
            running -= 1
            results[place] = result
            if self.enough(results):
                return results

    async def arun(self) -> dict[int, Any]:
        waiting, results, tasks = list(enumerate(self.bodies)), dict[int, Any](), dict[asyncio.Task[Any], int]()
        try:
            while True:
                while waiting and len(tasks) < (self.at_once or len(self.bodies)):
                    place, body = waiting.pop(0)
                    tasks[asyncio.create_task(adrive(body))] = place
                if not tasks:
                    return results
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(ended, key=tasks.__getitem__):
                    place = tasks.pop(task)
                    cancelled = asyncio.CancelledError() if task.cancelled() else None
                    results[place] = cancelled or task.exception() or task.result()
                    if self.enough(results):
                        return results
        finally:
            for task in tasks:
                task.cancel()
            if tasks:  # One that does not let itself be cancelled is left behind.
                await asyncio.wait(tasks, timeout=GRACE)


def _put(came: SimpleQueue[tuple[int, Any]], place: int, result: Any, error: BaseException | None) -> None:
    came.put((place, result if error is None else error))


def _outcome(effect: Effect) -> Outcome:
    clock = time.perf_counter()
    try:
        result = effect.run()
    except Exception as error:
        result = error
    return Outcome(result, time.perf_counter() - clock)


async def _awaited_outcome(effect: Effect) -> Outcome:
    clock = time.perf_counter()
    try:
        result = await effect.arun()
    except Exception as error:
        result = error
    except asyncio.CancelledError as error:
        if is_cancelled(error):
            raise
        result = error
    return Outcome(result, time.perf_counter() - clock)


def is_cancelled(error: BaseException) -> bool:
    """Whether an exception is the cancellation of this task, and not one that a callee raised by itself."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # No loop runs here.
        return False
    return task is not None and task.cancelling() > 0


def _within(seconds: float | None, future: Future[Any]) -> Any:
    try:
        return future.result(seconds)
    except TimeoutError as error:
        if future.done():
            raise
        raise TimeLimitReached from error


async def _awaited_within(seconds: float | None, work: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(seconds) as limit:  # `wait_for` would make a task of it: 2 % of a run's CPU.
            return await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimeLimitReached from error


def is_async(tool: BaseTool) -> bool:
    """Whether the tool has an async body of its own."""
    inherited = (BaseTool._arun, StructuredTool._arun, Tool._arun)
    return getattr(tool, "coroutine", None) is not None or type(tool)._arun not in inherited


def is_sync(tool: BaseTool) -> bool:
    """Whether the tool has a sync body; tools of MCP servers have none."""
    return not (hasattr(tool, "func") and tool.func is None)
