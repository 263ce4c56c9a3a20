"""Random domains with several ways to do most things, and plans of them that break again and again."""

import json
from collections import Counter

from langgraph_agora.nodes.planning.domain_files import read_problem
from langgraph_agora.nodes.planning.facts import Facts
from langgraph_agora.nodes.planning.repair import Failure, forbidden, repair
from langgraph_agora.nodes.planning.search import Limits, find_plan
from tests.nodes.planning.verifier import after, execute, holds, step_of, ways

LIMITS = Limits(nodes=1_500, seconds=None)


def tree(rng):
    """A domain in which every task and every step has one place, so that what was done was done for one task."""
    variables = [f"v{i}" for i in range(rng.randint(2, 5))]
    case = {"init": {**{name: rng.random() < 0.5 for name in variables}, "n": 0}, "primitives": {}, "compounds": {}}

    def step(name):
        case["primitives"][name] = _primitive(rng, variables)
        return name

    def task(name, depth):
        pool = [step(f"{name}_{letter}") for letter in "abcd"[: rng.randint(2, 4)]]
        pool += [task(f"{name}{k}", depth + 1) for k in range(rng.choice([0, 1, 1, 2]))] if depth < 2 else []
        case["compounds"][name] = _methods(rng, variables, lambda size: rng.sample(pool, min(len(pool), size)))
        return name

    root = [step(f"p{k}") if rng.random() < 0.2 else task(f"t{k}", 0) for k in range(rng.randint(1, 4))]
    return {**case, "root": _network(rng, root)}


def workshop(rng):
    """A domain in which steps and tasks stand in many places."""
    variables = [f"v{i}" for i in range(rng.randint(2, 5))]
    steps, tasks = [f"p{i}" for i in range(rng.randint(4, 8))], [f"t{i}" for i in range(rng.randint(2, 5))]
    compounds = {}
    for place, name in enumerate(tasks):
        pool = [*steps, *tasks[place + 1 :] * 2]
        compounds[name] = _methods(rng, variables, lambda size, pool=pool: rng.choices(pool, k=size))
    return {
        "init": {**{name: rng.random() < 0.5 for name in variables}, "n": 0},
        "primitives": {name: _primitive(rng, variables) for name in steps},
        "compounds": compounds,
        "root": _network(rng, rng.choices([*tasks, *tasks, *steps], k=rng.randint(1, 4))),
    }


def _primitive(rng, variables):
    effects = [[name, "=", rng.random() < 0.7] for name in rng.sample(variables, rng.choice([0, 1, 1, 1, 2]))]
    return {
        "pre": [[name, "==", rng.random() < 0.65] for name in rng.sample(variables, rng.choice([0, 0, 1, 1]))],
        "eff": effects + [["n", "+=", 1]] * (rng.random() < 0.2),
        "p": rng.choice([1, 0.9, 0.5]),
    }


def _methods(rng, variables, subtasks):
    found = []
    for number in range(rng.choice([1, 2, 3, 3])):
        conditions = [[rng.choice(variables), "==", rng.random() < 0.5]] if rng.random() < 0.2 else []
        network = _network(rng, subtasks(rng.choice([0, 1, 2, 2, 3])))
        found.append({"id": f"m{number}", "conditions": conditions, "p": rng.choice([1, 0.9, 0.8]), **network})
    return found


def _network(rng, names):
    keys = [f"s{place}" for place in range(len(names))]
    pairs = [[a, b] for place, a in enumerate(keys) for b in keys[place + 1 :] if rng.random() < 0.4]
    subtasks = [[key, name] for key, name in zip(keys, names, strict=True)]
    return {"subtasks": subtasks, "order": "total" if rng.random() < 0.5 else pairs}


class Breaking:
    """A plan that is carried out in a world where things go wrong; every mended plan is judged.

    `unique`: whether every step has one place, as in `tree`: then it is known which work must not be done again.
    """

    def __init__(self, case, rng, *, unique=False):
        self.case, self.rng, self.unique = case, rng, unique
        self.problem = read_problem(json.dumps(case))
        self.plan = self.search(self.problem.init)
        self.world = {name: value for name, value in case["init"].items() if value is not None}
        self.done, self.without, self.dropped, self.kinds = {}, set(), {}, Counter()

    def search(self, state, **options):
        problem = self.problem
        return find_plan(problem.domain, state, problem.root.tasks, order=problem.order, limits=LIMITS, **options)

    def run(self, most=60):
        """Carry it out to the end, or until there is no way; says how it ended."""
        if not self.plan:
            return "no plan"
        for _ in range(most):
            free = self.free(self.plan)
            if not free:
                return "done"
            if self.rng.random() < 0.15:
                self.change()
            failures = [failure for step in free[: self.rng.choice([1, 1, 2])] if (failure := self.do(step))]
            if failures and not self.mend(failures):
                return "exhausted"
        return "too long"

    def free(self, plan):
        """The steps that may begin, in any order."""
        left = [step for step in plan.steps if step.id not in self.done and plan.order[step.id] <= self.done.keys()]
        return self.rng.sample(left, len(left))

    def change(self):
        name = self.rng.choice(sorted(self.case["init"]))
        now = self.world.get(name)
        others = ["x", "y"] if isinstance(now, str) else [0, 1, 2]
        self.world[name] = (not now) if isinstance(now, bool) else self.rng.choice(others)

    def do(self, step):
        pre, effects = step_of(self.case, step.task)
        if not all(holds(one, self.world) for one in pre) or after(effects, self.world) is None:
            return Failure(step.id, "precondition", "it does not hold")
        if self.rng.random() < 0.25:
            failure = Failure(step.id, "error", "it is down")
            self.without.add(forbidden(self.plan, failure))
            return failure
        self.world = execute(self.case, [step.task], self.world)
        self.done[step.id] = step.task
        return None

    def mend(self, failures):
        old, done = self.plan, list(self.done)
        found = repair(
            *(old, done, Facts(self.world), failures[0]),
            also=failures[1:],
            without=frozenset(self.without),
            dropped=self.dropped,
            limits=LIMITS,
        )
        self.kinds[found.kind or "none"] += 1
        if found.plan is None:
            assert not (self.unique and self.there_is_another())
            return False
        self.judge(old, found)
        self.plan, self.dropped = found.plan, found.dropped
        return True

    def there_is_another(self):
        """Whether any plan from here does again only what was undone, whatever of that it is."""
        stale = [id_ for id_, task in self.done.items() if self.is_undone(task)][:4]
        for mask in range(2 ** len(stale)):
            again = {id_ for place, id_ in enumerate(stale) if mask >> place & 1}
            credited = [task for id_, task in self.done.items() if id_ not in again]
            if self.search(Facts(self.world), without=frozenset(self.without), done=credited):
                return True
        return False

    def is_undone(self, task):
        return any(sign == "=" and self.world.get(name) != value for name, sign, value in step_of(self.case, task)[1])

    def judge(self, old, found):
        new, left = found.plan, [step for step in found.plan.steps if step.id not in self.done]
        assert execute(self.case, [step.task for step in left], self.world) is not None
        for _ in range(3):
            assert execute(self.case, self.any_order(new, left), self.world) is not None
        self.judge_tree(new)
        # What is not below the tasks that were decomposed anew is as it was, and what was done is not forgotten.
        for node in old.nodes:
            if not {node.id, *above(old, node)} & set(found.replaced):
                assert new.by_id[node.id] == node
        for id_, task in self.done.items():
            assert (new.by_id[id_].task if id_ in new.by_id else found.dropped[id_][0]) == task
        # What failed for good is not tried again.
        assert not any((step.task, "") in self.without for step in left)
        busy = {id_ for step in left for id_ in above(new, step)}
        assert not any((new.by_id[id_].task, new.by_id[id_].method) in self.without for id_ in busy)
        if self.unique:
            # What was done for a task that went and came back since is forgotten.
            gone = {self.done[id_] for id_, (_, task) in self.dropped.items() if self.went(old, id_, task)}
            again = {step.task for step in left} & set(self.done.values()) - gone
            assert all(self.is_undone(task) for task in again)

    def went(self, plan, id_, above):
        parent = self.done[id_][0].split("_")[0]
        return above in plan.by_id and plan.by_id[above].task[0] != parent

    def any_order(self, plan, left):
        waits = {step.id: {id_ for id_ in plan.order[step.id] if id_ not in self.done} for step in left}
        while waits:
            id_ = self.rng.choice([id_ for id_, before in waits.items() if not before & waits.keys()])
            del waits[id_]
            yield plan.by_id[id_].task

    def judge_tree(self, plan):
        """Every task has the subtasks of its method, and stands before them."""
        made, seen = {0: {}}, {0}
        for node in plan.nodes:
            assert node.parent in seen
            assert node.id not in seen
            seen.add(node.id)
            made.setdefault(node.id, {})
            made[node.parent][node.key] = node.task
        for node in plan.nodes:
            if node.method:
                possible = [dict(map(tuple, way[2])) for way in ways(self.case, node.task) if way[0] == node.method]
                assert made[node.id] in possible
        assert made[0] == dict(self.problem.root.tasks)


def above(plan, node):
    while node.parent:
        node = plan.by_id[node.parent]
        yield node.id
