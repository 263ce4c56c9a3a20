"""Work in threads that may be left behind: a call that hangs must keep neither the caller nor the process waiting.

Threads of the standard pools are joined when a process ends; these are daemons. They wait for the next call, since a
new thread for each made a ReAct run take 5.1 ms of CPU for each model call instead of 4.0.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

MAX_IDLE = 64  # Threads that wait for the next call; more than run at once in most programs.

T = TypeVar("T")


class TimeLimitReached(TimeoutError):
    """A call took longer than it was given. A TimeoutError that the callee raised itself stays what it is."""


def left_behind(function: Callable[..., T], *arguments: Any) -> Future[T]:
    """Run `function` in a daemon thread, with this thread's context; who stops waiting leaves it behind."""
    future: Future[T] = Future()
    start(function, arguments, partial(_settle, future))
    return future


async def awaited_left_behind(seconds: float | None, function: Callable[..., T], *arguments: Any) -> T:
    """`left_behind` for the event loop; `asyncio.wrap_future` and a timeout around it would cost 1 % of a run's CPU."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    timer = None if seconds is None else loop.call_later(seconds, _settle, future, None, TimeLimitReached())
    start(function, arguments, partial(_hand_over, loop, future))
    try:
        return await future  # type: ignore[no-any-return]
    finally:
        if timer is not None:
            timer.cancel()


def start(function: Callable[..., Any], arguments: Sequence[Any], settle: Callable[[Any, Any], None]) -> None:
    """Run `function` in a daemon thread, which then calls `settle(result, error)`."""
    try:
        calls = _idle.pop()
    except IndexError:
        calls = SimpleQueue()
        threading.Thread(target=_take_calls, args=(calls,), daemon=True, name="agora-call").start()
    calls.put(partial(copy_context().run, _do, function, arguments, settle))


def _do(function: Callable[..., Any], arguments: Sequence[Any], settle: Callable[[Any, Any], None]) -> None:
    try:
        result = function(*arguments)
    except StopIteration as error:  # asyncio refuses to carry one, and the caller would wait for ever.
        settle(None, RuntimeError(f"{function} raised StopIteration: {error}"))
    except BaseException as error:
        settle(None, error)
    else:
        settle(result, None)


def _take_calls(calls: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        calls.get()()
        if len(_idle) >= MAX_IDLE:
            return
        _idle.append(calls)


_idle: list[SimpleQueue[Callable[[], None]]] = []  # One queue for each thread that waits.
os.register_at_fork(after_in_child=_idle.clear)  # Threads do not live on in a forked process.


def _settle(future: Future[Any] | asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    # Who waited no longer: a late result has nowhere to go.
    with suppress(InvalidStateError, asyncio.InvalidStateError):
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _hand_over(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], result: Any, error: Any) -> None:
    with suppress(RuntimeError):  # The loop is closed.
        loop.call_soon_threadsafe(_settle, future, result, error)
