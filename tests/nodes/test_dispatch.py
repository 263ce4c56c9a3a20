import asyncio
import json
import operator
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config, get_stream_writer
from langgraph.errors import GraphInterrupt
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import get_runtime
from langgraph.types import Command, interrupt

from langgraph_agora.budget import Budget
from langgraph_agora.errors import BudgetExceeded, ConfigError, RunError
from langgraph_agora.nodes.ask import send
from langgraph_agora.nodes.dispatch import Again, Dispatch, Job
from langgraph_agora.nodes.running import Node, Route, Work, drive
from langgraph_agora.testing import ScriptedModel

HANG = 30  # Seconds after which something that should have happened is given up.
ways = pytest.mark.parametrize("way", ["invoke", "ainvoke"])


class State(TypedDict, total=False):
    results: dict[str, Any]
    rounds: Annotated[list[dict[str, Any]], operator.add]


def one_dispatch(spec, state, config):
    results = yield Dispatch(config=config, **spec)
    return {"results": results}


def graph_of(*jobs, body=one_dispatch, saver=None, **options):
    """A graph of one node, which dispatches the jobs."""
    builder = StateGraph(State)
    builder.add_node("work", Node(body, {"jobs": jobs, **options}, "work"))
    builder.add_edge(START, "work")
    return builder.compile(saver)


def run(graph, way, given=None, **config):
    config = {"configurable": {"thread_id": "1"}, **config}
    given = {"results": {}} if given is None else given
    return graph.invoke(given, config) if way == "invoke" else asyncio.run(graph.ainvoke(given, config))


def resume(graph, way, answer=None):
    """Go on: with an answer to what was asked, or after an error."""
    config = {"configurable": {"thread_id": "1"}}
    given = None if answer is None else Command(resume=answer)
    return graph.invoke(given, config) if way == "invoke" else asyncio.run(graph.ainvoke(given, config))


class Log(list):
    """Jobs that write down that they began."""

    def job(self, name, *after, then=None):
        """A job that returns its name and its inputs, or what `then`, called with its worker, returns."""

        def body(results, worker):
            self.append(name)
            if then is not None:
                return (yield Work(then, (worker,)))
            return (yield Work(dict, ({"name": name, **results},)))

        return Job(name, after, body)


def first_free(ready, free):
    """The simplest `assign`: places in their order."""
    places = [worker for worker, count in free.items() for _ in range(count)]
    return dict(zip(ready, places, strict=False))


@ways
def test_results_come_by_id_in_the_jobs_order_and_each_job_is_given_what_it_needs(way):
    log = Log()
    jobs = [log.job("d"), log.job("a", "d"), log.job("c", "d"), log.job("b", "a", "c")]
    results = run(graph_of(*jobs), way)["results"]
    assert list(results) == ["d", "a", "c", "b"]
    d = {"name": "d"}
    assert results["a"] == {"name": "a", "d": d}
    assert results["b"] == {"name": "b", "a": {"name": "a", "d": d}, "c": {"name": "c", "d": d}}


@ways
def test_a_job_starts_when_what_it_needs_is_there_and_waits_for_nothing_else(way):
    """In waves `slow` would keep `b` from starting, and it ends only when `b` has started."""
    started = threading.Event()
    jobs = [
        Log().job("slow", then=lambda _: started.wait(HANG)),
        Log().job("a"),
        Log().job("b", "a", then=lambda _: started.set()),
    ]
    assert run(graph_of(*jobs), way)["results"]["slow"] is True


@ways
@pytest.mark.parametrize("max_concurrency", [1, None])
def test_two_hundred_jobs_end_whatever_the_max_concurrency_is(way, max_concurrency):
    """LangGraph would give them 6 threads here, or the one that the node itself has."""
    chance, log = random.Random(7), Log()
    needs = [sorted({f"j{chance.randrange(place)}" for _ in range(2)}) if place else [] for place in range(200)]
    jobs = [log.job(f"j{place}", *after) for place, after in enumerate(needs)]
    options = {} if max_concurrency is None else {"max_concurrency": max_concurrency}
    results = run(graph_of(*jobs), way, **options)["results"]
    assert list(results) == [job.id for job in jobs]
    assert sorted(log) == sorted(results)
    assert all(log.index(other) < log.index(job.id) for job in jobs for other in job.after)


class Crowd:
    """Counts who is at work, in all and by worker, and what was the most."""

    def __init__(self):
        self.lock, self.now, self.most = threading.Lock(), {}, {}

    def job(self, name, *after):
        def body(results, worker):
            assert set(results) == set(after)
            self.count(+1, worker)
            yield Work(threading.Event().wait, (0.001,))
            self.count(-1, worker)
            return name

        return Job(name, after, body)

    def count(self, step, worker):
        with self.lock:
            for who in ("all", worker):
                self.now[who] = self.now.get(who, 0) + step
                self.most[who] = max(self.most.get(who, 0), self.now[who])


@ways
@pytest.mark.parametrize(("at_once", "max_concurrency", "most"), [(2, 3, 2), (3, 2, 2), (None, 1, 1), (1, None, 1)])
def test_at_once_and_the_runs_own_max_concurrency_limit_how_many_work(way, at_once, max_concurrency, most):
    crowd = Crowd()
    jobs = [crowd.job(str(place)) for place in range(12)]
    options = {} if max_concurrency is None else {"max_concurrency": max_concurrency}
    assert len(run(graph_of(*jobs, at_once=at_once), way, **options)["results"]) == 12
    assert crowd.most["all"] == most


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_list_in_a_possible_order_ends_within_all_limits(data):
    crowd, jobs = Crowd(), []
    for place in range(data.draw(st.integers(1, 12))):
        after = data.draw(st.sets(st.integers(0, place - 1), max_size=3)) if place else ()
        jobs.append(crowd.job(str(place), *map(str, sorted(after))))
    workers = data.draw(st.dictionaries(st.sampled_from("xyz"), st.integers(1, 3), min_size=1))
    at_once = data.draw(st.none() | st.integers(1, 4))

    def plan():
        return (yield Dispatch(tuple(jobs), {}, workers, first_free, at_once))

    assert drive(plan()) == {job.id: job.id for job in jobs}
    assert all(crowd.most.get(worker, 0) <= places for worker, places in workers.items())
    assert crowd.most["all"] <= min(at_once or 12, sum(workers.values()))


@ways
def test_assign_is_shown_who_could_start_and_what_is_free_and_decides(way):
    shown, log, got = [], Log(), {}

    def assign(ready, free):
        shown.append((ready, dict(free)))
        return {"b": "bob"} if "b" in ready else first_free(ready, free)

    jobs = [
        log.job(name, *after, then=lambda worker, name=name: got.update({name: worker}))
        for name, after in {"a": (), "b": (), "c": ("b",)}.items()
    ]
    run(graph_of(*jobs, workers={"ann": 1, "bob": 1, "cem": 0}, assign=assign, at_once=1), way)
    assert shown == [
        (("a", "b"), {"ann": 1, "bob": 1}),
        (("a", "c"), {"ann": 1, "bob": 1}),
        (("c",), {"ann": 1, "bob": 1}),
    ]
    assert got == {"b": "bob", "a": "ann", "c": "ann"}
    assert log == ["b", "a", "c"]


@ways
def test_a_job_that_a_worker_gives_back_goes_to_another_and_assign_knows_why(way):
    refused, told = set(), []

    def tried(job, worker, note):
        told.append((job, worker, note))
        refused.add((job, worker))

    def assign(ready, free):
        return {job: next(worker for worker in free if (job, worker) not in refused) for job in ready[:1]}

    job = Log().job("a", then=lambda worker: f"by {worker}" if worker == "cem" else Again(f"{worker} is ill"))
    workers = {"ann": 1, "bob": 1, "cem": 1}
    assert run(graph_of(job, workers=workers, assign=assign, tried=tried), way)["results"] == {"a": "by cem"}
    assert told == [("a", "ann", "ann is ill"), ("a", "bob", "bob is ill")]


@ways
def test_a_job_without_a_worker_may_be_tried_again_too_however_often(way):
    log = Log()
    job = log.job("a", then=lambda _: Again() if len(log) < 30 else "done")
    assert run(graph_of(job), way, recursion_limit=10)["results"] == {"a": "done"}
    assert len(log) == 30


@ways
def test_jobs_that_nobody_takes_are_named_with_what_was_said_of_them(way):
    def assign(ready, free):
        return {"a": "ann"} if first.pop(0) else {}

    first = [True, False]
    jobs = [Log().job("a", then=lambda worker: Again("too hard")), Log().job("b", "a")]
    with pytest.raises(RunError, match=r"none is at work: 'a' \(ann: too hard\)\."):
        run(graph_of(*jobs, workers={"ann": 1}, assign=assign), way)


@ways
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "assign returned None"),
        ({"x": "ann"}, "named the job 'x', which does not wait. Those that do: a, b"),
        ({"b2": "ann"}, "named the job 'b2'"),
        ({"a": "eve"}, "gave the worker 'eve' 1 jobs, and it has 0 free places"),
        ({"a": "ann", "b": "ann"}, "gave the worker 'ann' 2 jobs, and it has 1 free places"),
    ],
)
def test_a_wrong_assign_is_said_and_nothing_hangs(way, given, words):
    log = Log()
    jobs = [log.job("a"), log.job("b"), log.job("b2", "b")]
    with pytest.raises(ConfigError, match=words):
        run(graph_of(*jobs, workers={"ann": 1}, assign=lambda ready, free: given), way)
    assert log == []


def nothing(results, worker):
    return (yield Work(int))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"jobs": (Job("a", (), nothing), Job("a", (), nothing))}, "Two jobs are named 'a'"),
        ({"jobs": (Job("a", ("b",), nothing), Job("b", (), nothing))}, "after 'b', which does not stand before it"),
        ({"jobs": (Job("a", ("a",), nothing),)}, "after 'a', which does not stand before it"),
        ({"jobs": (Job("sea", (), nothing), Job("b", ("see",), nothing))}, "none of the jobs. Did you mean 'sea'?"),
        ({"at_once": 0}, "at_once was 0"),
        ({"at_once": True}, "at_once was True"),
        ({"workers": {"ann": -1}, "assign": first_free}, "'ann' takes -1 jobs"),
        ({"workers": {"ann": 1}}, "workers and no assign"),
    ],
)
def test_wrong_input_is_refused_before_anything_starts(options, words):
    with pytest.raises(ConfigError, match=words):
        Dispatch(**{"jobs": (), "config": {}, **options})


def test_no_jobs_give_no_results():
    assert run(graph_of(), "invoke")["results"] == {}
    assert run(graph_of(), "ainvoke")["results"] == {}


@ways
def test_after_an_exception_nothing_new_starts_and_resumed_it_goes_on_from_there(way):
    log, broken = Log(), [True]
    jobs = [
        log.job("a"),
        log.job("fails", then=lambda _: 1 // (not broken)),
        log.job("waits"),
        log.job("next", "fails"),
    ]
    graph = graph_of(*jobs, at_once=1, saver=InMemorySaver())
    with pytest.raises(ZeroDivisionError):
        run(graph, way)
    assert log == ["a", "fails"]
    broken.clear()
    assert list(resume(graph, way)["results"]) == ["a", "fails", "waits", "next"]
    assert sorted(log[2:]) == ["fails", "next", "waits"]


@ways
def test_what_is_under_way_when_another_job_raises_ends_and_is_saved(way):
    log, broken, failed = Log(), [True], threading.Event()

    def fails(worker):
        if broken:
            failed.set()
            raise KeyError("bug")
        return "mended"

    graph = graph_of(
        log.job("slow", then=lambda _: failed.wait(HANG)),
        log.job("fails", then=fails),
        saver=InMemorySaver(),
    )
    with pytest.raises(KeyError, match="bug"):
        run(graph, way)
    broken.clear()
    assert resume(graph, way)["results"] == {"slow": True, "fails": "mended"}
    assert sorted(log) == ["fails", "fails", "slow"]


# Under asyncio a KeyboardInterrupt ends the loop before anybody else sees it.
RAISED = [
    *(("invoke", kind) for kind in (BudgetExceeded, ZeroDivisionError, KeyboardInterrupt)),
    *(("ainvoke", kind) for kind in (BudgetExceeded, ZeroDivisionError)),
]


@pytest.mark.parametrize(("way", "kind"), RAISED)
def test_whatever_a_job_raises_comes_out_of_the_node(way, kind):
    def raises(results, worker):
        yield Work(int)
        raise kind

    with pytest.raises(kind):
        run(graph_of(Job("a", (), raises), Job("b", ("a",), raises)), way)


async def test_a_job_that_cancels_itself_is_an_error_and_not_the_end_of_the_loop():
    def cancels(results, worker):
        yield Work(int)
        raise asyncio.CancelledError

    with pytest.raises(RunError, match="'a' was cancelled from inside"):
        await graph_of(Job("a", (), cancels)).ainvoke({"results": {}})


class Meeting:
    """Jobs that ask a person, and all begin before one of them asks."""

    def __init__(self, count):
        self.met = threading.Barrier(count)

    def job(self, name):
        def body(results, worker):
            yield Work(self.meet)
            return interrupt(f"{name}?")

        return Job(name, (), body)

    def meet(self):
        if not self.met.broken:
            self.met.wait(HANG)


@ways
def test_interrupts_of_several_jobs_all_reach_the_caller_and_each_is_answered_by_its_id(way):
    meeting, log = Meeting(2), Log()
    jobs = [log.job("done"), meeting.job("a"), meeting.job("b"), log.job("end", "a", "b")]
    graph = graph_of(*jobs, saver=InMemorySaver())
    asked = run(graph, way)["__interrupt__"]
    assert [one.value for one in asked] == ["a?", "b?"]
    meeting.met.abort()
    left = resume(graph, way, {asked[1].id: "yes b"})["__interrupt__"]
    assert [(one.value, one.id) for one in left] == [("a?", asked[0].id)]
    results = resume(graph, way, "yes a")["results"]
    assert results == {"done": {"name": "done"}, "a": "yes a", "b": "yes b", "end": results["end"]}
    assert log == ["done", "end"]


@ways
def test_what_waits_for_a_person_is_raised_before_an_error_of_another_job_that_came_earlier(way):
    failed, broken = threading.Event(), [True]

    def fails(results, worker):
        yield Work(int)
        if broken:
            failed.set()
            raise BudgetExceeded("no calls left")
        return "done"

    def asks(results, worker):
        yield Work(failed.wait, (HANG,))
        yield Work(threading.Event().wait, (0.5,))  # The error is known by now.
        return interrupt("asks?")

    graph = graph_of(Job("fails", (), fails), Job("asks", (), asks), saver=InMemorySaver())
    assert [one.value for one in run(graph, way)["__interrupt__"]] == ["asks?"]
    broken.clear()
    assert resume(graph, way, "yes")["results"] == {"fails": "done", "asks": "yes"}


def first_step(state):
    return {"rounds": [{"first": True}]}


def second_step(state):
    return {"rounds": [{"answer": interrupt("May I?")}]}


class Call:
    """Call a graph as a job does, with the job's own config."""

    def __init__(self, graph):
        self.graph = graph

    def run(self):
        return self.graph.invoke({"rounds": []}, get_config())

    async def arun(self):
        return await self.graph.ainvoke({"rounds": []}, get_config())


def asking_graph(log, name):
    def first(state):
        log.append(name)
        return first_step(state)

    builder = StateGraph(State)
    builder.add_sequence([("first", first), ("second", second_step)])
    builder.add_edge(START, "first")
    return builder.compile(name=name)


@pytest.mark.parametrize("ways", [("invoke", "ainvoke"), ("ainvoke", "ainvoke"), ("ainvoke", "invoke")], ids="-".join)
def test_a_graph_inside_a_job_asks_and_goes_on_where_it_was_with_the_same_worker(ways):
    """The second `assign` would give it to another one, whose graph knows nothing of the question."""
    log, told = [], []
    graphs = {name: asking_graph(log, name) for name in ("ann", "bob")}

    def body(results, worker):
        log.append(f"to {worker}")
        if worker == "ill":
            return Again("ill")
        return (yield Call(graphs[worker]))["rounds"]

    calls = iter(["ill", "ann", "bob", "bob"])

    def assign(ready, free):
        return {ready[0]: next(calls)}

    graph = graph_of(
        Job("a", (), body),
        saver=InMemorySaver(),
        workers={"ann": 1, "bob": 1, "ill": 1},
        assign=assign,
        tried=lambda *told_of: told.append(told_of),
    )
    assert [one.value for one in run(graph, ways[0])["__interrupt__"]] == ["May I?"]
    assert log == ["to ill", "to ann", "ann"]
    assert resume(graph, ways[1], "yes")["results"] == {"a": [{"first": True}, {"answer": "yes"}]}
    assert log == ["to ill", "to ann", "ann", "to ann"]
    assert told == [("a", "ill", "ill")] * 2  # Told again, since what it told before was in memory.


@ways
def test_a_job_whose_worker_is_gone_when_it_is_resumed_is_named(way):
    def asks(results, worker):
        yield Work(int)
        return interrupt("May I?")

    saver, job = InMemorySaver(), Job("a", (), asks)
    run(graph_of(job, saver=saver, workers={"ann": 1}, assign=first_free), way)
    with pytest.raises(RunError, match=r"'a' \(it was with 'ann', who takes no job now\)"):
        resume(graph_of(job, saver=saver, workers={"bob": 1}, assign=first_free), way, "yes")


def two_dispatches(spec, state, config):
    first = yield Dispatch(spec["jobs"][:1], config)
    second = yield Dispatch(spec["jobs"][1:], config)
    return {"results": first | second}


@ways
def test_two_dispatches_in_one_node_and_the_first_is_not_done_again(way):
    log = Log()
    graph = graph_of(log.job("a"), log.job("b"), Meeting(1).job("c"), body=two_dispatches, saver=InMemorySaver())
    assert len(run(graph, way)["__interrupt__"]) == 1
    results = resume(graph, way, "yes")["results"]
    assert results == {"a": {"name": "a"}, "b": {"name": "b"}, "c": "yes"}
    assert log == ["a", "b"]


def in_rounds(spec, state, config):
    results = yield Dispatch(spec["jobs"], config)
    return {"rounds": [results]}


def three_rounds(state):
    return "work" if len(state["rounds"]) < 3 else END


@ways
def test_a_node_that_is_entered_again_does_its_jobs_again(way):
    count = iter(range(100))
    builder = StateGraph(State)
    jobs = (Log().job("a", then=lambda _: next(count)), Log().job("b", "a"))
    builder.add_node("work", Node(in_rounds, {"jobs": jobs}, "work"))
    builder.add_edge(START, "work")
    builder.add_conditional_edges("work", Route(three_rounds), ["work", END])
    rounds = run(builder.compile(InMemorySaver()), way)["rounds"]
    assert rounds == [{"a": number, "b": {"name": "b", "a": number}} for number in range(3)]


@ways
def test_a_resumed_run_with_other_jobs_is_refused_since_results_would_be_mixed_up(way):
    saver, log = InMemorySaver(), Log()
    run(graph_of(log.job("a"), Meeting(1).job("b"), saver=saver), way)
    with pytest.raises(RunError, match="had the jobs a, b at this place, and now they are c, b"):
        resume(graph_of(log.job("c"), Meeting(1).job("b"), saver=saver), way, "yes")
    assert log == ["a"]


@ways
def test_jobs_dispatch_jobs_of_their_own(way):
    """With the node's config, which a body has at hand. In the last run `x` is not there to be counted before `y`."""
    log = Log()

    def dispatching(spec, state, config):
        def outer(name):
            def body(results, worker):
                return (yield Dispatch((log.job(f"{name} inner"), Meeting(1).job(f"{name} asks")), config))

            return Job(name, (), body)

        return (yield from one_dispatch({"jobs": (outer("x"), outer("y")), "at_once": 1}, state, config))

    graph = graph_of(body=dispatching, saver=InMemorySaver())
    assert [one.value for one in run(graph, way)["__interrupt__"]] == ["x asks?"]
    assert [one.value for one in resume(graph, way, "yes")["__interrupt__"]] == ["y asks?"]
    inner = {name: {f"{name} inner": {"name": f"{name} inner"}, f"{name} asks": "yes"} for name in ("x", "y")}
    assert resume(graph, way, "yes")["results"] == inner
    assert log == ["x inner", "y inner"]


def streamed(graph, way, **options):
    if way == "invoke":
        return list(graph.stream({"results": {}}, stream_mode="custom", **options))

    async def collected():
        return [event async for event in graph.astream({"results": {}}, stream_mode="custom", **options)]

    return asyncio.run(collected())


@ways
def test_what_jobs_write_to_the_stream_arrives(way):
    def tells(results, worker):
        yield Work(int)
        get_stream_writer()({"by": "writer"})
        get_runtime().stream_writer({"by": "runtime"})
        return None

    graph = graph_of(Job("a", (), tells))
    assert streamed(graph, way) == [{"by": "writer"}, {"by": "runtime"}]
    within = streamed(graph, way, subgraphs=True)
    assert [event for _, event in within] == [{"by": "writer"}, {"by": "runtime"}]
    assert within[0][0][0].startswith("work:")


@ways
def test_a_job_knows_the_runs_context_and_its_own_limits(way):
    def looks(results, worker):
        yield Work(int)
        limits = {key: get_config().get(key) for key in ("max_concurrency", "recursion_limit")}
        return {"context": get_runtime().context, "thread": get_config()["configurable"]["thread_id"], **limits}

    builder = StateGraph(State, context_schema=dict)
    builder.add_node("work", Node(one_dispatch, {"jobs": (Job("a", (), looks),)}, "work"))
    builder.add_edge(START, "work")
    graph, config = builder.compile(), {"configurable": {"thread_id": "7"}, "max_concurrency": 3, "recursion_limit": 50}
    if way == "invoke":
        found = graph.invoke({"results": {}}, config, context={"who": "ada"})
    else:
        found = asyncio.run(graph.ainvoke({"results": {}}, config, context={"who": "ada"}))
    seen = {"context": {"who": "ada"}, "thread": "7", "max_concurrency": 3, "recursion_limit": 50}
    assert found["results"]["a"] == seen


def asking_models(spec, state, config):
    model = ScriptedModel(["hello"] * 5)

    def asks(results, worker):
        reply = yield from send(model, [("user", "hi")], config=config)
        return reply.text

    return (yield from one_dispatch({"jobs": [Job(name, (), asks) for name in spec["names"]]}, state, config))


@ways
def test_a_budget_sees_the_model_calls_inside_jobs_and_ends_them(way):
    builder = StateGraph(State)
    builder.add_node("work", Node(asking_models, {"names": "abc"}, "work"))
    builder.add_edge(START, "work")
    budget = Budget(max_calls=3)
    assert run(builder.compile(), way, callbacks=[budget])["results"] == dict.fromkeys("abc", "hello")
    assert budget.calls == 3
    with pytest.raises(BudgetExceeded):
        run(builder.compile(), way, callbacks=[Budget(max_calls=2)])


async def test_a_cancelled_run_cancels_its_jobs_and_resumed_does_no_finished_one_again():
    log, waits, cancelled, patient = Log(), asyncio.Event(), [], [True]

    class Forever:
        async def arun(self):
            if patient:
                waits.set()
                await asyncio.Event().wait()

    def body(results, worker):
        try:
            yield Forever()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return "done"

    jobs = [log.job("a"), Job("b", ("a",), body), log.job("c", "b")]
    graph, config = graph_of(*jobs, saver=InMemorySaver()), {"configurable": {"thread_id": "1"}}
    running = asyncio.create_task(graph.ainvoke({"results": {}}, config))
    await waits.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cancelled == [True]
    patient.clear()
    results = (await graph.ainvoke(None, config))["results"]
    assert results == {"a": {"name": "a"}, "b": "done", "c": {"name": "c", "b": "done"}}
    assert log == ["a", "c"]


def test_outside_a_graph_jobs_run_too():
    log = Log()
    assert drive(one_dispatch({"jobs": (log.job("a"), log.job("b", "a"))}, {}, {}))["results"]["a"] == {"name": "a"}
    with pytest.raises(GraphInterrupt):
        drive(one_dispatch({"jobs": (Job("a", (), raises_interrupt), log.job("b", "a"))}, {}, {}))


def raises_interrupt(results, worker):
    yield Work(int)
    raise GraphInterrupt


INTERRUPTED = """
    import os, signal, threading
    from langgraph.graph import START, StateGraph
    from langgraph_agora.nodes.dispatch import Dispatch, Job
    from langgraph_agora.nodes.running import Node, Work

    def hangs(results, worker):
        yield Work(os.kill, (os.getpid(), signal.SIGINT))
        yield Work(threading.Event().wait)

    def body(spec, state, config):
        yield Dispatch((Job("a", (), hangs), Job("b", ("a",), hangs)), config)

    builder = StateGraph(dict)
    builder.add_node("work", Node(body, None, "work"))
    builder.add_edge(START, "work")
    try:
        builder.compile().invoke({})
    except KeyboardInterrupt:
        print("interrupted")
"""


def process(script, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    environment = {**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"}
    return subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment, check=False)


def test_ctrl_c_waits_for_no_job():
    assert process(INTERRUPTED).stdout == "interrupted\n"


KILLED = """
    import asyncio, json, os, signal, sys, threading
    from typing import Any, TypedDict
    from langgraph.checkpoint.sqlite import SqliteSaver
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.graph import START, StateGraph
    from langgraph_agora.nodes.dispatch import Dispatch, Job
    from langgraph_agora.nodes.running import Node, Work

    folder, way, plan, second = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4] == "second"
    config = {"configurable": {"thread_id": "t"}}
    hanging = threading.Barrier(1 + sum(kind == "hangs" for _, _, kind in plan))

    def work(name, kind):
        with open(f"{folder}/notes", "a") as file:
            file.write(f"{name} ")
        if kind != "ends" and not second:
            hanging.wait(30)
            if kind == "kills":
                os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()

    def job(name, after, kind):
        def body(results, worker):
            yield Work(work, (name, kind))
            return {"name": name, "from": [one["name"] for one in results.values()]}
        return Job(name, tuple(after), body)

    class State(TypedDict, total=False):
        results: dict[str, Any]

    def body(spec, state, config):
        return {"results": (yield Dispatch(spec, config))}

    builder = StateGraph(State)
    builder.add_node("work", Node(body, tuple(job(*row) for row in plan), "work"))
    builder.add_edge(START, "work")
    given = None if second else {"results": {}}

    async def arun():
        async with AsyncSqliteSaver.from_conn_string(f"{folder}/saved.sqlite") as saver:
            return await builder.compile(saver).ainvoke(given, config, durability="sync")

    if way == "ainvoke":
        result = asyncio.run(arun())
    else:
        with SqliteSaver.from_conn_string(f"{folder}/saved.sqlite") as saver:
            result = builder.compile(saver).invoke(given, config, durability="sync")
    print(json.dumps(result["results"]))
"""
# In both some end before others that stand earlier. The one that kills begins when those that hang have begun.
CHAINS = [["p1", [], "ends"], ["p2", ["p1"], "kills"], ["q1", [], "ends"], ["q2", ["q1"], "hangs"]]
LATE = [["slow", [], "hangs"], ["a", [], "ends"], ["b", ["a"], "kills"], ["c", ["b", "slow"], "ends"]]


@ways
@pytest.mark.parametrize("plan", [CHAINS, LATE], ids=["two chains", "the first is slow"])
def test_a_killed_run_resumes_with_the_right_results_and_does_no_finished_job_twice(tmp_path, way, plan):
    """Killed as soon as something begins: what it needs has been saved by then."""
    killed = process(KILLED, tmp_path, way, json.dumps(plan), "first")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = process(KILLED, tmp_path, way, json.dumps(plan), "second")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout) == {name: {"name": name, "from": after} for name, after, _ in plan}
    notes = (tmp_path / "notes").read_text().split()
    assert {name: notes.count(name) for name, _, _ in plan} == {
        name: 1 if kind == "ends" else 2 for name, _, kind in plan
    }
