"""Mending plans: the smallest part is planned anew, what was done stays done, what failed is not tried again."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from langgraph_agora.nodes.planning import repair as core
from langgraph_agora.nodes.planning.contingencies import contingencies
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.domain_files import read_problem
from langgraph_agora.nodes.planning.facts import Facts
from langgraph_agora.nodes.planning.repair import Failure, forbidden, repair
from langgraph_agora.nodes.planning.search import Limits, find_plan
from tests.nodes.planning.mending import Breaking, tree, workshop
from tests.nodes.planning.random_domains import random_case

DATA = json.loads((Path(__file__).parents[2] / "data" / "replanning_scenarios.json").read_text())
BASE = DATA["base_domain"]
SCENARIOS = {one["id"].split("_")[0]: one for one in DATA["scenarios"]}


def error(step):
    return Failure(step, "error", "it is down")


def lost(step):
    return Failure(step, "precondition", "it does not hold")


def flags(*names):
    """Operators that each need nothing and set a flag of their own."""
    return [Operator(name, eff=[(f"{name}_done", "=", True)]) for name in names]


def way(id_, task, *steps, **options):
    return Method(id_, task, subtasks=[(f"s{place}", step) for place, step in enumerate(steps)], **options)


def step_named(plan, name):
    return next(step.id for step in plan.steps if step.task[0] == name)


def left(plan, done):
    return [str(step) for step in plan.steps if step.id not in done]


class Simulation:
    """The scenarios of the data file without a graph: how a run goes, and what is called."""

    def __init__(self, scenario, *, stored=False):
        self.problem = read_problem(json.dumps(BASE))
        self.inject = dict(scenario["inject"])
        self.world = {**BASE["init"], **({"net": "down"} if "before start" in self.inject else {})}
        self.most, self.retry = scenario.get("max_replans", 3), scenario.get("retry", 0)
        self.calls, self.seen, self.without, self.silent, self.replans = [], Counter(), set(), set(), 0
        self.plan = find_plan(self.problem.domain, self.world, self.problem.root.tasks)
        self.plan = contingencies(self.plan) if stored else self.plan
        self.done, self.kinds = [], []

    def run(self):
        while left := [step for step in self.plan.steps if step.id not in self.done]:
            failure = self.attempted(left[0])
            if failure is None:
                self.done.append(left[0].id)
            elif not self.mended(failure):
                return "aborted"
        return "success"

    def attempted(self, step):
        operator, before = self.problem.domain.operator[step.task[0]], Facts(self.world)
        if operator.unmet(before, ()):
            return lost(step.id)
        for _ in range(self.retry + 1):
            if self.call(step.task[0]):
                wanted = operator.apply(before, ())
                ended = all(self.world[one.name] == wanted[one.name] for one in operator.eff)
                self.change(step.task[0])
                return None if ended else Failure(step.id, "effect", "it has no effect")
        return error(step.id)

    def call(self, name):
        fault = self.inject.get(name, "")
        self.seen[name] += 1
        if "always" in fault or "sleeps" in fault or ("raises once" in fault and self.seen[name] == 1):
            self.calls.append(f"{name}!")
            return False
        if "unchanged" in fault and self.seen[name] == 1:
            self.calls.append(f"{name}?")
            return True
        self.calls.append(name)
        self.world |= {variable: value for variable, _, value in BASE["primitives"][name]["eff"]}
        return True

    def change(self, name):
        change = self.inject.get(f"after {name}", "") if self.seen[name] == 1 else ""
        self.world |= {"disk": "full"} if "disk" in change else {"parsed": False} if "parsed" in change else {}

    def mended(self, failure):
        pair = forbidden(self.plan, failure)
        if failure.kind == "effect" and pair not in self.silent:
            self.silent.add(pair)
        elif failure.kind != "precondition":
            self.without.add(pair)
        if self.replans == self.most:
            return False
        found = repair(self.plan, self.done, Facts(self.world), failure, without=frozenset(self.without))
        if found.plan is None:
            return False
        self.replans, self.plan = self.replans + 1, found.plan
        self.kinds.append(found.kind)
        return True


@pytest.mark.parametrize("stored", [False, True], ids=["repairs", "contingencies"])
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "x10"])
def test_the_scenarios_go_as_written(name, stored):
    run = Simulation(SCENARIOS[name], stored=stored)
    ended = run.run()
    wanted = SCENARIOS[name]
    assert (run.calls, run.replans, ended) == (wanted["tool_calls"], wanted["replans"], wanted["status"])


# What a repair keeps


def stages(number, *, down, ways=("first", "second")):
    """One task for each stage, each done by a step of its own in one way or another; a stage needs the one before."""
    operators, methods = [], []
    for stage in range(1, number + 1):
        for name in ways:
            step = f"{name}_{stage}"
            before = [(f"stage_{stage - 1}", "==", True)] if stage > 1 else []
            operators.append(Operator(step, pre=before, eff=[(f"stage_{stage}", "=", True)]))
            methods.append(way(name, f"do_{stage}", step))
    plan = find_plan(Domain(operators, methods), {}, [f"do_{stage}" for stage in range(1, number + 1)])
    done = [step.id for step in plan.steps[: down - 1]]
    state = Facts({f"stage_{stage}": True for stage in range(1, down)})
    return plan, done, state, step_named(plan, f"first_{down}")


def test_of_200_stages_only_the_one_that_failed_is_decomposed_again():
    plan, done, state, failed = stages(200, down=100)
    without = frozenset([forbidden(plan, error(failed))])
    found = repair(plan, done, state, error(failed), without=without)
    assert (found.kind, found.decompositions) == ("repair", 1)
    [replaced] = found.replaced
    assert str(plan.by_id[replaced]) == "do_100"
    assert {node for node in plan.nodes if node.parent != replaced and node.id != replaced} <= set(found.plan.nodes)
    assert left(found.plan, done)[:2] == ["second_100", "first_101"]
    assert len(found.plan.steps) == 200


def test_a_run_of_10_stages_with_one_down_for_good_takes_11_calls():
    plan, done, _, failed = stages(10, down=5)
    found = repair(
        plan, done, Facts({f"stage_{n}": True for n in range(1, 5)}), error(failed),
        without=frozenset([forbidden(plan, error(failed))]),
    )  # fmt: skip
    calls = [*done, failed, *[step.id for step in found.plan.steps if step.id not in done]]
    assert len(calls) == len(set(calls)) == 11


def test_a_new_part_keeps_the_ids_of_the_tasks_that_come_back():
    operators = flags("a", "b", "c", "d")
    methods = [way("m1", "top", "inner", "b"), way("m2", "top", "inner", "c", p=0.9), way("only", "inner", "a", "d")]
    plan = find_plan(Domain(operators, methods), {}, ["top"])
    done = [step_named(plan, "a")]
    failed = error(step_named(plan, "b"))
    found = repair(plan, done, Facts({"a_done": True}), failed, without=frozenset([(("top",), "m1")]))
    before = {str(node): node.id for node in plan.nodes}
    now = {str(node): node.id for node in found.plan.nodes}
    assert (now["top"], now["inner"], now["a"]) == (before["top"], before["inner"], before["a"])
    assert now["c"] > max(before.values())


def test_what_was_done_counts_in_another_method_of_its_task():
    methods = [way("m1", "top", "a", "b"), way("m2", "top", "a", "c", p=0.9)]
    plan = find_plan(Domain(flags("a", "b", "c"), methods), {}, ["top"])
    done = [step_named(plan, "a")]
    found = repair(
        plan, done, Facts({"a_done": True}), error(step_named(plan, "b")), without=frozenset([(("top",), "m1")])
    )
    assert left(found.plan, done) == ["c"]
    assert found.dropped == {}


def test_what_an_earlier_repair_dropped_counts_when_it_is_needed_again():
    """m1 = a, b; m2 = c, d; m3 = a, e: when b and then d have failed, a is not done a second time."""
    methods = [way("m1", "top", "a", "b"), way("m2", "top", "c", "d", p=0.9), way("m3", "top", "a", "e", p=0.8)]
    plan = find_plan(Domain(flags("a", "b", "c", "d", "e"), methods), {}, ["top"])
    a, b = step_named(plan, "a"), step_named(plan, "b")
    first = repair(plan, [a], Facts({"a_done": True}), error(b), without=frozenset([(("top",), "m1")]))
    c, d = step_named(first.plan, "c"), step_named(first.plan, "d")
    assert first.dropped == {a: (("a",), plan.by_id[a].parent)}
    second = repair(
        first.plan,
        [a, c],
        Facts({"a_done": True, "c_done": True}),
        error(d),
        without=frozenset([(("top",), "m1"), (("top",), "m2")]),
        dropped=first.dropped,
    )
    assert left(second.plan, [a, c]) == ["e"]
    assert step_named(second.plan, "a") == a
    assert second.dropped.keys() == {c}
    forgotten = repair(
        first.plan, [a, c], Facts({"a_done": True, "c_done": True}), error(d),
        without=frozenset([(("top",), "m1"), (("top",), "m2")]),
    )  # fmt: skip
    assert left(forgotten.plan, [a, c]) == ["a", "e"]


def test_a_task_that_is_done_is_not_done_in_a_better_way_when_the_whole_is_planned_anew():
    """It was done by the mirror, as the net was down; the net is up again when another task fails."""
    operators = [
        Operator("primary", pre=[("net", "==", "up")], eff=[("raw", "=", True)]),
        Operator("mirror", eff=[("raw", "=", True)]),
        *flags("x", "y"),
    ]
    methods = [
        way("best", "fetch", "primary"),
        way("other", "fetch", "mirror", p=0.5),
        way("m1", "top", "fetch", "x"),
        way("m2", "top", "fetch", "y", p=0.5),
    ]
    plan = find_plan(Domain(operators, methods), {"net": "down"}, ["top"])
    done = [step_named(plan, "mirror")]
    state = Facts({"net": "up", "raw": True})
    found = repair(plan, done, state, error(step_named(plan, "x")), without=frozenset([(("top",), "m1")]))
    assert left(found.plan, done) == ["y"]


# What the world undid


def test_only_what_was_undone_and_is_needed_is_done_again():
    operators = [
        *flags("a"),
        Operator("b", eff=[("ready", "=", True)]),
        Operator("c", pre=[("ready", "==", True)]),
    ]
    domain = Domain(operators, [way("m", "first", "a"), way("m", "second", "b"), way("m", "third", "c")])
    plan = find_plan(domain, {}, ["first", "second", "third"])
    a, b, c = (step_named(plan, name) for name in "abc")
    found = repair(plan, [a, b], Facts({"ready": False}), lost(c))
    assert left(found.plan, [a, b]) == ["b", "c"], "a was undone too, but nothing needs it"
    assert {plan.by_id[id_].task[0] for id_ in found.replaced} == {"second", "third"}
    assert step_named(found.plan, "c") not in (a, b)


def test_a_task_of_the_root_that_was_undone_is_done_again_under_a_new_id():
    operators = [Operator("open", eff=[("door", "=", "open")]), Operator("enter", pre=[("door", "==", "open")])]
    plan = find_plan(Domain(operators), {}, ["open", "enter"])
    first, second = (step.id for step in plan.steps)
    found = repair(plan, [first], Facts({"door": "shut"}), lost(second))
    assert left(found.plan, [first]) == ["open", "enter"]
    assert found.dropped.keys() == {first}


def test_what_a_later_step_undid_is_done_again_where_another_method_needs_it():
    operators = [
        Operator("open", eff=[("door", "=", "open")]),
        Operator("shut", eff=[("door", "=", "shut")]),
        *flags("ring"),
        Operator("call", pre=[("door", "==", "open")]),
    ]
    methods = [way("m1", "top", "open", "shut", "ring"), way("m2", "top", "open", "call", p=0.5)]
    plan = find_plan(Domain(operators, methods), {}, ["top"])
    done = [step.id for step in plan.steps[:2]]
    failed = error(plan.steps[2].id)
    found = repair(plan, done, Facts({"door": "shut"}), failed, without=frozenset([(("top",), "m1")]))
    assert left(found.plan, done) == ["open", "call"]


def test_a_mended_plan_keeps_the_order_of_a_method_through_a_step_that_was_done_before_its_turn():
    """m2 = x, a, y in this order, and a was done: y still waits for x, though they read and write different things."""
    methods = [way("m1", "top", "a", "b"), way("m2", "top", "x", "a", "y", p=0.5)]
    plan = find_plan(Domain(flags("a", "b", "x", "y"), methods), {}, ["top"])
    a = step_named(plan, "a")
    found = repair(plan, [a], Facts({"a_done": True}), error(step_named(plan, "b")), without={(("top",), "m1")})
    x, y = step_named(found.plan, "x"), step_named(found.plan, "y")
    assert x in found.plan.order[y]
    assert found.plan.makespan == 2


def test_tasks_without_steps_do_not_lose_the_order_around_them():
    """top = x, nothing, y: when it was mended too, y waits for x."""
    methods = [
        way("m1", "top", "a", "b"),
        way("m2", "top", "a", "x", "nothing", "y", p=0.5),
        Method("none", "nothing"),
        Method("deep", "outer", subtasks=[("s1", "nothing")]),
    ]
    plan = find_plan(Domain(flags("a", "b", "x", "y", "z"), methods), {}, ["outer", "top", "z"])
    a = step_named(plan, "a")
    found = repair(plan, [a], Facts({"a_done": True}), error(step_named(plan, "b")), without={(("top",), "m1")})
    x, y, z = (step_named(found.plan, name) for name in "xyz")
    assert (x in found.plan.order[y], y in found.plan.order[z]) == (True, True)


# What may not be tried again


def test_a_method_that_failed_for_good_is_not_used_again():
    methods = [way("m1", "top", "a"), way("m2", "top", "b", p=0.9)]
    plan = find_plan(Domain(flags("a", "b"), methods), {}, ["top"])
    failed = error(plan.steps[0].id)
    assert forbidden(plan, failed) == (("top",), "m1")
    found = repair(plan, [], Facts({}), failed, without=frozenset([(("top",), "m1")]))
    assert found.plan.names == ["b"]
    none = repair(
        found.plan, [], Facts({}), error(found.plan.steps[0].id),
        without=frozenset([(("top",), "m1"), (("top",), "m2")]),
    )  # fmt: skip
    assert none.plan is None
    assert "no plan" in none.explanation


def test_a_failed_step_of_the_root_cannot_be_replaced():
    plan = find_plan(Domain(flags("a")), {}, ["a"])
    failed = error(plan.steps[0].id)
    assert forbidden(plan, failed) == (("a",), "")
    assert repair(plan, [], Facts({}), failed, without=frozenset([(("a",), "")])).plan is None


def test_with_other_values_of_its_free_parameters_a_method_may_be_used_again():
    """One truck breaks down; the same method does it with the other."""
    drive = Operator("drive", ["?o", "?t"], eff=[("at(?o)", "=", "shop")])
    method = Method("by_truck", "deliver", ["?o", ("?t", "truck")], subtasks=[("s", ("drive", "?o", "?t"))], arity=1)
    plan = find_plan(Domain([drive], [method], objects={"truck": ["t1", "t2"]}), {}, [("deliver", "parcel")])
    failed = error(plan.steps[0].id)
    assert forbidden(plan, failed) == (("drive", "parcel", "t1"), "")
    found = repair(plan, [], Facts({}), failed, without=frozenset([forbidden(plan, failed)]))
    assert left(found.plan, []) == ["drive(parcel, t2)"]


def test_what_failed_in_one_place_is_not_left_in_the_plan_in_another():
    methods = [way("m1", "job", "a"), way("m2", "job", "b", p=0.9)]
    plan = find_plan(Domain(flags("a", "b"), methods), {}, ["job", "job"])
    found = repair(plan, [], Facts({}), error(plan.steps[0].id), without=frozenset([(("job",), "m1")]))
    assert found.plan.names == ["b", "b"]


def test_several_failures_are_mended_at_once_and_the_rest_keeps_its_ids():
    methods = [way(id_, task, f"{task}_{id_}") for task in ("left", "right", "join") for id_ in ("m1", "m2")]
    domain = Domain(flags(*[f"{task}_{id_}" for task in ("left", "right", "join") for id_ in ("m1", "m2")]), methods)
    plan = find_plan(domain, {}, ["left", "right", "join"])
    failures = [error(step_named(plan, "left_m1")), error(step_named(plan, "right_m1"))]
    without = frozenset(forbidden(plan, failure) for failure in failures)
    found = repair(plan, [], Facts({}), failures[0], also=failures[1:], without=without)
    assert (found.kind, sorted(found.plan.names)) == ("repair", ["join_m1", "left_m2", "right_m2"])
    assert step_named(found.plan, "join_m1") == step_named(plan, "join_m1")


# Stored contingencies


def test_a_stored_contingency_does_no_work_again_that_ran_beside_the_failed_step():
    """It was made for a run in which `b` had not begun; now `b` is done."""
    operators = [
        Operator("a", p=0.5, eff=[("x", "=", 1)]),
        Operator("c", eff=[("x", "=", 2)]),
        Operator("b", eff=[("y", "=", 1)]),
    ]
    methods = [way("m1", "first", "a"), way("m2", "first", "c", p=0.5), way("m", "second", "b")]
    plan = contingencies(find_plan(Domain(operators, methods), {}, [("1", ("first",)), ("2", ("second",))], order=[]))
    a, b = step_named(plan, "a"), step_named(plan, "b")
    assert [one.step for one in plan.contingencies] == [a]
    found = repair(plan, [b], Facts({"y": 1}), error(a), without=frozenset([(("first",), "m1")]))
    assert (found.kind, left(found.plan, [b])) == ("contingency", ["c"])
    assert found.plan.by_id[b] == plan.by_id[b]


def test_a_contingency_that_would_do_another_task_again_is_not_taken():
    """c rules out b1, so the contingency does b2 instead; but b1 ran beside the failed step, and is done."""
    operators = [
        Operator("a", p=0.5),
        Operator("c", eff=[("y", "=", 1)]),
        Operator("b1", pre=[("y", "==", 0)], eff=[("z", "=", 1)]),
        *flags("b2"),
    ]
    methods = [
        *[way("m1", "first", "a"), way("m2", "first", "c", p=0.5)],
        *[way("n1", "second", "b1"), way("n2", "second", "b2", p=0.5)],
    ]
    tasks = [("1", ("first",)), ("2", ("second",))]
    plan = contingencies(find_plan(Domain(operators, methods), {"y": 0}, tasks, order=[]))
    a, b1 = step_named(plan, "a"), step_named(plan, "b1")
    without = frozenset([(("first",), "m1")])
    early = repair(plan, [], Facts({"y": 0}), error(a), without=without)
    assert (early.kind, left(early.plan, [])) == ("contingency", ["c", "b2"])
    found = repair(plan, [b1], Facts({"y": 0, "z": 1}), error(a), without=without)
    assert (found.kind, left(found.plan, [b1])) == ("repair", ["c"])


def test_a_contingency_is_not_taken_when_the_world_rules_it_out():
    operators = [
        Operator("a", p=0.5),
        Operator("b", pre=[("net", "==", "up")]),
        Operator("c"),
    ]
    methods = [way("m1", "top", "a"), way("m2", "top", "b", p=0.9), way("m3", "top", "c", p=0.8)]
    plan = contingencies(find_plan(Domain(operators, methods), {"net": "up"}, ["top"]))
    without = frozenset([(("top",), "m1")])
    failed = error(plan.steps[0].id)
    assert repair(plan, [], Facts({"net": "up"}), failed, without=without).plan.names == ["b"]
    found = repair(plan, [], Facts({"net": "down"}), failed, without=without)
    assert (found.kind, found.plan.names) == ("repair", ["c"])


# Domains of Python functions


def test_tasks_of_python_functions_that_are_done_are_not_planned_again():
    def add(name):
        return Operator(name, run=lambda state: {**state, "log": [*state["log"], name]})

    methods = [Method("m1", "second", run=lambda state: ["b"]), Method("m2", "second", run=lambda state: ["c"], p=0.5)]
    domain = Domain([add("a"), add("b"), add("c")], [Method("m", "first", run=lambda state: ["a"]), *methods])
    plan = find_plan(domain, {"log": []}, ["first", "second"])
    done = [step_named(plan, "a")]
    failed = error(step_named(plan, "b"))
    found = repair(plan, done, {"log": ["a"]}, failed, without=frozenset([(("second",), "m1")]))
    assert left(found.plan, done) == ["c"]
    both = frozenset([(("second",), "m1"), (("second",), "m2")])
    assert repair(plan, done, {"log": ["a"]}, failed, without=both).plan is None


def test_a_task_of_python_functions_that_is_done_is_not_done_another_way_for_the_sake_of_the_next():
    """That b was never done would make c possible; but a was, and nobody can say what it left behind."""

    def once(name, *, needs=None):
        return Operator(name, run=lambda state: {**state, name: 1} if needs is None or needs in state else None)

    methods = [
        Method("m1", "first", run=lambda state: ["a"]),
        Method("m2", "first", run=lambda state: ["b"], p=0.5),
        Method("m1", "second", run=lambda state: ["d"]),
        Method("m2", "second", run=lambda state: ["c"], p=0.5),
    ]
    plan = find_plan(Domain([once("a"), once("b"), once("c", needs="b"), once("d")], methods), {}, ["first", "second"])
    done, failed = [step_named(plan, "a")], error(step_named(plan, "d"))
    without = frozenset([(("second",), "m1")])
    assert repair(plan, done, {"a": 1}, failed, without=without).plan is None
    assert repair(plan, [], {}, failed, without=without).plan.names == ["b", "c"]


# Limits


def test_the_seconds_are_for_all_searches_of_a_repair_together():
    """Every task above the failed step is tried, and no search of them ends by itself."""
    operators = [Operator("tick", eff=[("n", "+=", 1)]), Operator("never", pre=[("n", "<", 0)]), *flags("a")]
    endless = Method("more", "loop", subtasks=[("s1", "tick"), ("s2", "loop")])
    tower = [way("up", f"t{n}", f"t{n + 1}") for n in range(10)]
    last = [way("m1", "t10", "a"), way("m2", "t10", "loop", p=0.5)]
    plan = find_plan(Domain(operators, [endless, *tower, *last]), {"n": 0}, ["t0"])
    now = [0.0]

    def clock():
        now[0] += 0.01
        return now[0]

    limits = Limits(nodes=None, seconds=5)
    without = frozenset([(("t10",), "m1")])
    found = repair(plan, [], Facts({"n": 0}), error(plan.steps[0].id), without=without, limits=limits, clock=clock)
    assert found.plan is None
    assert "may be" in found.explanation
    assert now[0] < 6


def test_high_above_a_step_not_every_task_is_tried():
    """Of 500 tasks above it each would cost a search."""
    tower = [way("up", f"t{n}", f"t{n + 1}") for n in range(500)]
    plan = find_plan(Domain(flags("a"), [*tower, way("m1", "t500", "a")]), {}, ["t0"])
    tried = list(core._widening(plan, [error(plan.steps[0].id)], []))
    assert len(tried) < 25
    assert [min(ids) for ids in tried[:4]] == [501, 500, 499, 498]


# Laws


@pytest.mark.parametrize("part", range(4))
def test_whatever_breaks_a_mended_plan_is_sound_and_there_is_one_when_there_can_be(part):
    """Each task and step has one place, so it is known exactly what may and what may not be done again."""
    ended, kinds = Counter(), Counter()
    for seed in range(250 * part, 250 * (part + 1)):
        rng = random.Random(f"tree {seed}")
        run = Breaking(tree(rng), rng, unique=True)
        ended[run.run()] += 1
        kinds += run.kinds
    assert ended["done"] > 50
    assert ended["too long"] == 0
    assert kinds["repair"] > 50
    assert kinds["none"] > 20


@pytest.mark.parametrize("made", [workshop, random_case], ids=["many places", "recursive and lifted"])
def test_whatever_breaks_a_mended_plan_is_sound_where_steps_stand_in_many_places(made):
    ended, kinds = Counter(), Counter()
    for seed in range(400):
        rng = random.Random(f"many {seed}")
        run = Breaking(made(rng) if made is workshop else made(rng, recursion=0.1), rng)
        ended[run.run()] += 1
        kinds += run.kinds
    assert ended["done"] > 50
    assert ended["too long"] == 0
    assert kinds["repair"] > 10


def test_repairs_are_the_same_whatever_the_order_in_which_things_are_named():
    def mended(rng, names):
        operators = flags(*names)
        rng.shuffle(operators)
        methods = [way(f"m{name}", "top", name, p=0.5 if name == "b" else 0.4) for name in names]
        plan = find_plan(Domain(operators, methods), {}, ["top"])
        without = frozenset(rng.sample([(("top",), "mb"), (("other",), "mb")], 2))
        return repair(plan, [], Facts({}), error(plan.steps[0].id), without=without).plan.names

    assert {tuple(mended(random.Random(seed), "abc")) for seed in range(10)} == {("a",)}
