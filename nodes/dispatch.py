"""Jobs that depend on each other, run inside one node: each starts when what it needs is there.

Waves of `Send` wait for the slowest job of each wave, 1.6 to 1.8 times the critical path on staggered jobs; this does
not. And it is durable: a run that was killed or waits for a person, and is resumed, does no finished job again.

How: the jobs run in a small graph of their own, which is invoked inside the node and so has an executor of its own,
with room for all of them whatever the run's `max_concurrency` is. In it each job is a `@task`. Resuming, LangGraph
matches the results of tasks by the order of the calls, so all are called at once in the jobs' order, and wait inside. A
task runs a graph of one job, `turn` and `work`. When that graph has ended, its result is saved, and only then does what
needs it start; and a job that was cut off goes on with the worker that it had, whose own graph may wait for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, NotRequired

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context
from langgraph.config import get_config, get_stream_writer
from langgraph.errors import GraphInterrupt
from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from ..errors import ConfigError, RunError, nearest
from .board import Board, Released, few
from .running import Body, Node, Route, adrive, drive, is_cancelled
from .threads import left_behind

SPARE = 8  # Threads of the jobs' executor that are not for jobs: its node, and what saves results.
LIMITS = ("max_concurrency", "recursion_limit")  # Of a config: the jobs' graph has others than the run.
ENDLESS = 1_000_000  # Steps of the graph of one job: who calls for `Again` bounds it.


class Again(NamedTuple):
    """What a job's body returns to be queued again, for another worker to try.

    Args:
        note: Why, a JSON value; it is handed to `Dispatch.tried` and stands in the error when nobody takes the job.
    """

    note: Any = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a `Dispatch`.

    Inside the body `langgraph.config.get_config()` is the job's own config. A graph that it calls must be given that
    one, and not the node's: with it the graph has a checkpoint of its own, and what it asks of a person can be resumed.

    Args:
        id: Unique among the jobs.
        after: Ids of jobs that stand earlier in the sequence; it starts when they have ended.
        body: Called with the results of the jobs in `after`, by id, and with the worker it got, or None. A body as in
            `nodes/running.py`, which returns a JSON value, or `Again`. What it raises ends the whole dispatch.
    """

    id: str
    after: tuple[str, ...]
    body: Callable[[Mapping[str, Any], str | None], Body[Any]]


@dataclass(frozen=True)
class Dispatch:
    """Run jobs, each as soon as what it needs is there. `results = yield Dispatch(jobs, config)`: id -> result.

    When a job raises, nothing new starts, the jobs under way are awaited so that their results are saved, and then it
    is raised: `GraphInterrupt`s first, all of them as one, so that every person who is asked can answer. Resumed, the
    body that yields the dispatch runs again and must come to the same jobs; those that had ended are not run. As in all
    of LangGraph, a run with `durability="exit"` has saved nothing when it is killed.

    Args:
        jobs: In an order in which they could be done one after the other.
        config: The node's.
        workers: Worker -> how many jobs it takes at once.
        assign: Called with the ids of the jobs that could start, in the jobs' order, and the free places by worker
            (only workers that have one); returns job id -> worker. It is called whenever a job can start or a place is
            free, never twice at once; what it does not name keeps waiting. None: a job needs no worker.
        at_once: How many jobs work at the same time, beside the `max_concurrency` of `config`. None: no limit.
        tried: Told of every attempt that ended with `Again` (job id, worker, note) before `assign` is called next. In a
            resumed run it is told again of those before the cut, whose bodies do not run again, so that what `assign`
            knows of them may be kept in memory.

    Raises:
        ConfigError: An argument is wrong, or `assign` named a job that does not wait or a worker without a free place.

    Example:
        >>> from langgraph_agora.nodes.running import Work, drive
        >>> def body(results, worker):
        ...     return (yield Work(sum, (results.values(), 1)))
        >>> def plan():
        ...     return (yield Dispatch((Job("a", (), body), Job("b", (), body), Job("c", ("a", "b"), body)), {}))
        >>> drive(plan())
        {'a': 1, 'b': 1, 'c': 3}
    """

    jobs: tuple[Job, ...]
    config: RunnableConfig
    workers: Mapping[str, int] = field(default_factory=dict)
    assign: Callable[[Sequence[str], Mapping[str, int]], Mapping[str, str]] | None = None
    at_once: int | None = None
    tried: Callable[[str, str | None, Any], None] | None = None

    def __post_init__(self) -> None:
        _check_jobs(self.jobs)
        if self.at_once is not None and not _is_count(self.at_once, 1):
            raise ConfigError(f"at_once was {self.at_once!r}; give how many jobs work at once, at least 1, or None.")
        for worker, places in self.workers.items():
            if not _is_count(places, 0):
                raise ConfigError(f"The worker {worker!r} takes {places!r} jobs at once; give a number of at least 0.")
        if self.workers and self.assign is None:
            raise ConfigError("There are workers and no assign; give the function that says who does which job.")

    def run(self) -> dict[str, Any]:
        """Run the jobs, each in a thread of its own."""
        if not self.jobs:
            return {}
        running = _Running(self)
        token = _current.set(running)
        try:
            return _results(_JOBS.invoke({"jobs": [*running.jobs]}, self._config()))
        except GraphInterrupt as error:
            raise (running.error() or _merged([error])) from error  # LangGraph's own has no order.
        finally:
            _current.reset(token)

    async def arun(self) -> dict[str, Any]:
        """Run the jobs as tasks of the event loop; cancelled, it cancels them."""
        if not self.jobs:
            return {}
        running = _Running(self)
        token = _current.set(running)
        try:
            return _results(await _JOBS.ainvoke({"jobs": [*running.jobs]}, self._config()))
        except GraphInterrupt as error:
            raise (running.error() or _merged([error])) from error  # LangGraph's own has no order.
        finally:
            _current.reset(token)

    def _config(self) -> RunnableConfig:
        config: RunnableConfig = {
            **self.config,
            "max_concurrency": len(self.jobs) + SPARE,
            "recursion_limit": ENDLESS,
        }
        with suppress(RuntimeError):  # Outside a run there is no other config.
            # A dispatch inside a job is part of that job's checkpoint, whoever's config it was given.
            config["configurable"] = get_config().get("configurable", {})
        return config


class _Running:
    """One dispatch that is under way."""

    def __init__(self, dispatch: Dispatch) -> None:
        self.jobs = {job.id: job for job in dispatch.jobs}
        self.config = dispatch.config
        limits = [limit for limit in (dispatch.at_once, dispatch.config.get("max_concurrency")) if limit]
        self.board = Board(
            {job.id: job.after for job in dispatch.jobs},
            dispatch.workers,
            dispatch.assign,
            min(limits, default=len(self.jobs)),
            dispatch.tried,
        )
        self.attempts: set[Future[Any]] = set()
        self.abandoned = False
        try:
            self.write = get_stream_writer()
        except (RuntimeError, KeyError):  # Outside a graph nobody listens.
            self.write = _unheard

    def call_all(self, call: Callable[[str], Future[Any]]) -> Future[None]:
        """Call for all jobs, in their order; the future is done when all have ended."""
        for job, future in [(job, call(job)) for job in self.jobs]:
            future.add_done_callback(partial(self.ended, job))
        return self.board.over

    def ended(self, job: str, future: Future[Any] | asyncio.Future[Any]) -> None:
        """Hand on what came of a job; a result has been saved."""
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        self.board.ended(job, None if error else future.result(), error)

    def abandon(self) -> None:
        """Let nothing begin any more, and nobody wait for what is under way."""
        self.abandoned = True
        self.board.stop()
        for attempt in list(self.attempts):  # Threads add theirs.
            with suppress(InvalidStateError):  # It is done.
                attempt.set_exception(GraphInterrupt())

    def error(self) -> BaseException | None:
        """What ended the dispatch; what waits for a person first."""
        errors = [error for job in self.jobs if (error := self.board.errors.get(job)) is not None]
        interrupts = [error for error in errors if isinstance(error, GraphInterrupt)]
        return _merged(interrupts) if interrupts else next(iter(self.board.errors.values()), None)

    @contextmanager
    def own_context(self) -> Iterator[Context]:
        """The context of a job's body: the run's own limits, and the node's stream, which hears what jobs tell."""
        config = get_config()
        kept = {key: value for key, value in config.items() if key not in LIMITS}
        limits = {key: self.config[key] for key in LIMITS if key in self.config}  # type: ignore[literal-required]
        configurable = {
            key: value.override(stream_writer=self.write) if isinstance(value, Runtime) else value
            for key, value in config.get("configurable", {}).items()
        }
        with set_config_context({**kept, **limits, "configurable": configurable}) as context:  # type: ignore[typeddict-item]
            yield context


_current: ContextVar[_Running] = ContextVar("_current")  # The dispatch that this node or job is part of.


class _JobsState(TypedDict):
    """All jobs of a dispatch, and their results in the same order."""

    jobs: list[str]
    results: NotRequired[list[Any]]


class _JobState(TypedDict):
    """One job: the worker that has it, those who gave it up with their notes, and what came of it."""

    job: str
    tried: list[list[Any]]
    worker: NotRequired[str | None]
    done: NotRequired[bool]
    result: NotRequired[Any]


def _all_jobs(spec: None, state: _JobsState, config: RunnableConfig) -> Body[dict[str, Any]]:
    running = _current.get()
    _same(state, running)
    yield _Calls(running)
    if (error := running.error()) is not None:
        raise error
    return {"results": [running.board.results[job] for job in running.jobs]}


@dataclass(frozen=True, slots=True)
class _Calls:
    """Call for all jobs and wait for them."""

    running: _Running

    def run(self) -> None:
        try:
            self.running.call_all(_job).result()
        except BaseException:  # Ctrl-C, or no thread for each; an `invoke` that ends waits for all its threads.
            self.running.abandon()
            raise

    async def arun(self) -> None:
        await asyncio.wrap_future(self.running.call_all(_ajob))


def _run_job(job: str) -> Any:
    return _JOB.invoke({"job": job, "tried": []}).get("result")


async def _arun_job(job: str) -> Any:
    return (await _JOB.ainvoke({"job": job, "tried": []})).get("result")


# One name, since a saved result is found by it: what `invoke` began may be resumed with `ainvoke`.
_job: Callable[[str], Future[Any]] = task(name="job")(_run_job)  # type: ignore[arg-type, assignment]
_ajob: Callable[[str], Future[Any]] = task(name="job")(_arun_job)  # type: ignore[arg-type, assignment]


def _turn(spec: None, state: _JobState, config: RunnableConfig) -> Body[dict[str, Any]]:
    return {"worker": (yield _Turn(_current.get().board.wait(state["job"], state["tried"])))}


def _work(spec: None, state: _JobState, config: RunnableConfig) -> Body[dict[str, Any]]:
    worker = yield _Turn(_current.get().board.go_on(state["job"], state["worker"], state["tried"]))
    result = yield _Attempt(state["job"], worker)
    if isinstance(result, Again):
        return {"tried": [*state["tried"], [worker, result.note]]}
    return {"result": result, "done": True}


def _after_work(state: _JobState) -> str:
    return END if state.get("done") else "turn"


@dataclass(frozen=True, slots=True)
class _Turn:
    """Wait for a job's turn; the result is its worker."""

    turn: Future[str | None]

    def run(self) -> str | None:
        try:
            return self.turn.result()
        except Released:
            raise GraphInterrupt from None  # Of which nothing is saved.

    async def arun(self) -> str | None:
        try:
            return await asyncio.wrap_future(self.turn)
        except Released:
            raise GraphInterrupt from None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Run a job's body; under `invoke` in a daemon thread, which can be left behind."""

    job: str
    worker: str | None

    def run(self) -> Any:
        running = _current.get()
        with running.own_context() as context:
            attempt = context.run(left_behind, drive, self._body(running))
            running.attempts.add(attempt)
            try:
                if running.abandoned:
                    raise GraphInterrupt
                return attempt.result()
            finally:
                running.attempts.discard(attempt)

    async def arun(self) -> Any:
        running = _current.get()
        with running.own_context() as context:
            try:
                return await asyncio.create_task(adrive(self._body(running)), context=context)
            except asyncio.CancelledError as error:
                if is_cancelled(error):
                    raise
                raise RunError(f"The job {self.job!r} was cancelled from inside.") from error

    def _body(self, running: _Running) -> Body[Any]:
        job, results = running.jobs[self.job], running.board.results
        return (yield from job.body({one: results[one] for one in job.after}, self.worker))


def _graphs() -> tuple[Any, Any]:
    jobs = StateGraph(_JobsState)
    jobs.add_node("jobs", Node(_all_jobs, None, "jobs"))
    jobs.add_edge(START, "jobs")
    job = StateGraph(_JobState)
    job.add_node("turn", Node(_turn, None, "turn"))
    job.add_node("work", Node(_work, None, "work"))
    job.add_edge(START, "turn")
    job.add_edge("turn", "work")
    job.add_conditional_edges("work", Route(_after_work), ["turn", END])
    return jobs.compile(name="jobs"), job.compile(name="job")


_JOBS, _JOB = _graphs()


def _results(state: Mapping[str, Any]) -> dict[str, Any]:
    _same(state, _current.get())
    if "results" not in state:  # A graph with none around it returns what it waits for.
        raise GraphInterrupt(state.get("__interrupt__", ()))
    return dict(zip(state["jobs"], state["results"], strict=True))


def _same(state: Mapping[str, Any], running: _Running) -> None:
    """Raise unless a run that was cut off had these jobs: results are matched by their places."""
    if state["jobs"] != [*running.jobs]:
        raise RunError(
            f"The run that was cut off had the jobs {few(state['jobs'])} at this place, and now they are "
            f"{few(running.jobs)}. Give it the same jobs, or start a new thread."
        )


def _merged(errors: Iterable[GraphInterrupt]) -> GraphInterrupt:
    """One interrupt of several; LangGraph names each twice, for a task and for the node that called it."""
    return GraphInterrupt(tuple({one.id: one for error in errors for one in error.args[0]}.values()))


def _unheard(event: Any) -> None:
    pass


def _check_jobs(jobs: Sequence[Job]) -> None:
    known: set[str] = set()
    for job in jobs:
        if job.id in known:
            raise ConfigError(f"Two jobs are named {job.id!r}; give each an id of its own.")
        for other in job.after:
            if other not in known:
                later = any(one.id == other for one in jobs)
                why = "does not stand before it" if later else f"is none of the jobs.{nearest(other, known)}"
                raise ConfigError(f"The job {job.id!r} comes after {other!r}, which {why.rstrip('.')}.")
        known.add(job.id)


def _is_count(given: object, least: int) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= least
