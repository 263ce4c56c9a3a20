"""Schedules: known optima, exhaustive search on small problems, resources, and what is refused."""

import json
import math
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.scheduling import schedule, schedule_tasks
from langgraph_agora.nodes.planning.search import find_plan

CASES = json.loads((Path(__file__).parents[2] / "data/schedules.json").read_text())["cases"]


def before_of(case):
    before = {id_: [] for id_ in case["durations"]}
    for one, other in case["edges"]:
        before[other].append(one)
    return before


def faults(found, durations, before, resources=None, capacities=None):
    """What is wrong with a schedule, from the definition."""
    rows = {row.id: row for row in found.rows}
    wrong = [] if rows.keys() == durations.keys() and len(found.rows) == len(rows) else ["not each task once"]
    wrong += [f"{r.id} has another length" for r in found.rows if r.end != r.start + durations[r.id]]
    wrong += [f"{i} begins before {b} ends" for i, bs in before.items() for b in bs if rows[b].end > rows[i].start]
    for one in found.rows:
        # What takes no time collides with what is under way, not with what begins or ends then.
        beside = [row for row in found.rows if row.start < one.end and one.start < row.end and row.id != one.id]
        wrong += [f"{one.worker} is doubled" for row in beside if row.worker == one.worker]
        for kind, most in (capacities or {}).items():
            needed = sum((resources or {}).get(row.id, {}).get(kind, 0) for row in beside if row.start <= one.start)
            if needed + (resources or {}).get(one.id, {}).get(kind, 0) > most + 1e-9:
                wrong.append(f"more {kind} than there is at {one.start}")
    return wrong


def drawn(rng, n, workers, edges=0.2, whole=True, kinds=0):
    """A random problem: durations, before, resources, capacities."""
    durations = {f"t{i}": rng.randint(0, 6) if whole else rng.random() * 6 for i in range(n)}
    before = {f"t{i}": [f"t{j}" for j in range(i) if rng.random() < edges] for i in range(n)}
    capacities = {f"r{k}": rng.randint(1, 3) for k in range(kinds)}
    resources = {
        name: {kind: rng.randint(1, most) for kind, most in capacities.items() if rng.random() < 0.5}
        for name in durations
    }
    return durations, before, resources, capacities


def optimum(durations, before, workers, resources, capacities):
    """The shortest makespan: one of all orders, each task as early as it can, is optimal (Sprecher et al. 1995)."""
    needs = {name: {"": 1, **resources.get(name, {})} for name in durations}
    limits = {"": workers, **capacities}

    def fits(name, start, starts):
        moments = [start, *[s for s in starts.values() if start < s < start + durations[name]]]
        for moment in moments:
            running = [one for one, s in starts.items() if s <= moment < s + durations[one]]
            for kind, amount in needs[name].items():
                if amount + sum(needs[one].get(kind, 0) for one in running) > limits[kind]:
                    return False
        return True

    def best(starts):
        if len(starts) == len(durations):
            return max(s + durations[name] for name, s in starts.items())
        found = math.inf
        for name in durations.keys() - starts.keys():
            if all(one in starts for one in before[name]):
                ends = [s + durations[one] for one, s in starts.items()]
                first = max([0, *[starts[one] + durations[one] for one in before[name]]])
                start = next(t for t in sorted({first, *[e for e in ends if e > first]}) if fits(name, t, starts))
                found = min(found, best({**starts, name: start}))
        return found

    return best({})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['name']}, {case['workers']} workers")
def test_the_makespans_of_the_known_graphs_are_the_optima(case):
    found = schedule_tasks(case["durations"], before_of(case), case["workers"])
    assert not faults(found, case["durations"], before_of(case))
    assert found.makespan == case["opt"]
    assert found.optimal
    assert sum(case["durations"][id_] for id_ in found.critical_path) == case["critical_path"]


@pytest.mark.parametrize("seed", range(60))
def test_small_schedules_are_as_short_as_exhaustive_search_finds(seed):
    rng = random.Random(seed)
    workers = rng.randint(1, 3)
    problem = drawn(rng, rng.randint(1, 6), workers, whole=seed % 2 == 0, kinds=seed % 3)
    found = schedule_tasks(problem[0], problem[1], workers, resources=problem[2], capacities=problem[3])
    assert not faults(found, *problem)
    assert found.makespan == pytest.approx(optimum(problem[0], problem[1], workers, *problem[2:]))
    assert found.optimal
    assert found.bound <= found.makespan + 1e-9


@pytest.mark.parametrize(
    ("seed", "edges", "best"),
    [(5, 0.2, 16), (217, 0.2, 7), (333, 0.2, 9), (347, 0.1, 10), (549, 0.1, 11), (905, 0.1, 13)],
)
def test_branch_and_bound_finds_what_no_list_schedule_does(seed, edges, best):
    """Somebody has to wait here although something could be begun; the list schedules are longer by 1 or 2."""
    problem = drawn(random.Random(seed), 7, 2, edges=edges, kinds=1)
    found = schedule_tasks(problem[0], problem[1], 2, resources=problem[2], capacities=problem[3])
    assert found.makespan == best
    assert found.optimal
    assert best == optimum(problem[0], problem[1], 2, *problem[2:])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 6), st.booleans(), st.integers(0, 2))
def test_every_schedule_keeps_the_order_the_workers_and_the_resources(seed, n, workers, whole, kinds):
    problem = drawn(random.Random(seed), n, workers, whole=whole, kinds=kinds)
    found = schedule_tasks(problem[0], problem[1], workers, resources=problem[2], capacities=problem[3])
    assert not faults(found, *problem)
    longest = sum(problem[0][id_] for id_ in found.critical_path)
    assert max(longest, found.work / workers) - 1e-9 <= found.bound <= found.makespan + 1e-9 <= found.work + 2e-9
    assert found.idle == pytest.approx(workers * found.makespan - found.work)
    assert found.makespan == max(row.end for row in found.rows)
    path = found.critical_path
    assert all(one in problem[1][other] for one, other in pairwise(path))


@pytest.mark.parametrize(("workers", "makespan"), [(1, 10), (2, 7), (3, 7)])
def test_a_diamond_takes_its_critical_path_once_two_can_work(workers, makespan):
    domain = Domain(
        [Operator("start"), Operator("left", duration=5), Operator("right", duration=3), Operator("join")],
        [
            Method(
                "m",
                "job",
                subtasks=[("s1", "start"), ("s2", "left"), ("s3", "right"), ("s4", "join")],
                order=[("s1", "s2"), ("s1", "s3"), ("s2", "s4"), ("s3", "s4")],
            )
        ],
    )
    plan = find_plan(domain, {}, ["job"])
    found = schedule(plan, workers)
    assert (found.makespan, found.work, found.idle) == (makespan, 10, workers * makespan - 10)
    assert [str(plan.by_id[id_]) for id_ in found.critical_path] == ["start", "left", "join"]
    assert {row.id for row in found.rows} == {step.id for step in plan.steps}


def test_steps_share_a_resource_that_is_scarce_and_not_one_that_is_not_limited():
    domain = Domain([Operator("train", duration=2, resources={"gpu": 1})])
    plan = find_plan(domain, {}, [("a", ["train"]), ("b", ["train"])], order=[])
    assert [schedule(plan, 2, capacities=given).makespan for given in ({"gpu": 1}, {"gpu": 2}, {})] == [4, 2, 2]


def test_a_step_that_needs_more_than_there_is_is_named():
    plan = find_plan(Domain([Operator("train", resources={"gpu": 2})]), {}, ["train"])
    with pytest.raises(ConfigError, match=r"step 1 \(train\) needs 2 of 'gpu', and there is 1"):
        schedule(plan, 2, capacities={"gpu": 1})
    with pytest.raises(ConfigError, match=r"no capacity is given for it\. Did you mean 'gpus'"):
        schedule(plan, 2, capacities={"gpus": 2})


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_it_is_written_changes_nothing(seed):
    rng = random.Random(seed)
    durations, before, resources, capacities = drawn(rng, 20, 3, kinds=1)
    first = schedule_tasks(durations, before, 3, resources=resources, capacities=capacities)
    for _ in range(3):
        names = list(durations)
        rng.shuffle(names)
        again = schedule_tasks(
            {name: durations[name] for name in names},
            {name: rng.sample(before[name], len(before[name])) for name in reversed(names)},
            3,
            resources={name: resources[name] for name in names},
            capacities=dict(reversed(capacities.items())),
        )
        assert again == first


def test_two_hundred_tasks_are_near_the_bound():
    for seed in range(3):
        durations, before, _, _ = drawn(random.Random(seed), 200, 8, edges=0.02)
        found = schedule_tasks(durations, before, 8)
        assert not faults(found, durations, before)
        assert found.makespan <= 1.02 * found.bound


def test_tasks_that_take_no_time_and_none_at_all():
    found = schedule_tasks({"a": 0, "b": 0, "c": 2}, {"b": ["c"]}, 1)
    assert [tuple(row) for row in found.rows] == [("c", 0, 2, "w1"), ("a", 2, 2, "w1"), ("b", 2, 2, "w1")]
    assert schedule_tasks({}, {}, 2).makespan == 0


def test_workers_have_names_and_a_schedule_is_plain_json():
    found = schedule_tasks({1: 2, 2: 1}, {}, ["ann", "bob"])
    assert {row.id: row.worker for row in found.rows} == {1: "ann", 2: "bob"}
    data = json.loads(json.dumps(found.to_dict()))
    assert data["rows"][0] == {"id": 1, "start": 0, "end": 2, "worker": "ann"}
    assert (data["makespan"], data["idle"], data["optimal"], data["workers"]) == (2, 1, True, ["ann", "bob"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (({"a": 1, "b": 1, "c": 1}, {"a": ["b"], "b": ["a"], "c": ["b"]}, 1), "cycle: task 'a' before task 'b' before"),
        (({"a": 1}, {"a": ["a"]}, 1), "cycle: task 'a' before task 'a'"),
        (({"a": -1}, {}, 1), "duration of task 'a' was -1"),
        (({"a": math.nan}, {}, 1), "was nan"),
        (({"a": math.inf}, {}, 1), "was inf"),
        (({"a": "1"}, {}, 1), "was '1'"),
        (({"a": True}, {}, 1), "was True"),
        (({"task": 1}, {"tusk": []}, 1), "no task 'tusk' among the durations. Did you mean 'task'"),
        (({"a": 1}, {"a": ["b"]}, 1), "no task 'b'"),
        (({"a": 1, "b": 1}, {"a": "b"}, 1), "had 'b'"),
        (({1.5: 1}, {}, 1), "named 1.5"),
        (({"a": 1}, {}, 0), "workers was 0"),
        (({"a": 1}, {}, []), "one name or more"),
        (({"a": 1}, {}, ["ann", "ann"]), "each once"),
        (({"a": 1}, {}, "ann"), "a list of their names"),
        (({"a": 1}, {}, 2.0), "workers was 2.0"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        schedule_tasks(*given)


def test_resources_and_capacities_are_checked():
    with pytest.raises(ConfigError, match="needs of 'gpu' was -1"):
        schedule_tasks({"a": 1}, {}, 1, resources={"a": {"gpu": -1}})
    with pytest.raises(ConfigError, match="capacity of 'gpu' was nan"):
        schedule_tasks({"a": 1}, {}, 1, capacities={"gpu": math.nan})
    with pytest.raises(ConfigError, match="no task 'b'"):
        schedule_tasks({"a": 1}, {}, 1, resources={"b": {"gpu": 1}})


def test_what_was_not_found_cannot_be_scheduled():
    plan = find_plan(Domain([Operator("a", pre=[("x", "==", 1)])]), {}, ["a"])
    with pytest.raises(ConfigError, match="no plan to schedule"):
        schedule(plan, 1)
