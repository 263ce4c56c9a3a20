"""All plans of a small domain, breadth first: an oracle that shares nothing with the planner."""

from tests.nodes.planning.verifier import after, holds, pairs, step_of, ways


class Oracle:
    """What there is within a bound of moves (a move decomposes a task or carries out a step).

    `plans`: (names of the steps, probability, cost, duration) of each plan; `complete`: whether the bound cut nothing.
    """

    def __init__(self, case, moves, most=3_000, every=True):
        self.case, self.plans, self.complete = case, set(), True
        root = [[key, tuple(parts)] for key, *parts in case["root"]["subtasks"]]
        state = {name: value for name, value in case["init"].items() if value is not None}
        # Tasks left as (number, task); who waits for whom as pairs of numbers.
        layer = dict.fromkeys([self.canonical(*self.network(root, pairs(case["root"], root), 0), state, (), 1.0)])
        for number in range(moves + 1):
            following = {}  # A dict keeps the order in which they came; a set would not.
            for tasks, waits, frozen, steps, p in layer:
                if not tasks:
                    self.note(steps, p)
                    continue
                if number == moves:
                    self.complete = False
                    continue
                for one in self.moves(tasks, waits, dict(frozen), steps, p):
                    following[self.canonical(*one)] = None
            if self.plans and not every:
                return
            if len(following) > most:
                self.complete = False
                return
            layer = following

    def network(self, subtasks, order, first):
        numbers = {key: first + place for place, (key, _) in enumerate(subtasks)}
        return (
            tuple((numbers[key], task) for key, task in subtasks),
            frozenset((numbers[a], numbers[b]) for a, b in order),
        )

    def moves(self, tasks, waits, state, steps, p):
        blocked = {later for _, later in waits}
        for number, task in tasks:
            if number in blocked:
                continue
            others = tuple(one for one in tasks if one[0] != number)
            if task[0] in self.case["primitives"]:
                pre, eff = step_of(self.case, task)
                new = after(eff, state) if all(holds(one, state) for one in pre) else None
                if new is not None:
                    left = frozenset(pair for pair in waits if number not in pair)
                    yield others, left, new, (*steps, task[0]), p * self.case["primitives"][task[0]].get("p", 1)
                continue
            given = self.case["compounds"][task[0]]
            ps = {one["id"]: one.get("p", 1) for one in (given["methods"] if isinstance(given, dict) else given)}
            for id_, conditions, subtasks, order in ways(self.case, task):
                if all(holds(one, state) for one in conditions):
                    made, inner = self.network(subtasks, order, 1 + max(n for n, _ in tasks))
                    yield others + made, self.spliced(waits, number, made) | inner, state, steps, p * ps[id_]

    def spliced(self, waits, number, made):
        """Who waits when a task is replaced: all of the new ones wait for what it waited for, and are waited for."""
        before, later = [a for a, b in waits if b == number], [b for a, b in waits if a == number]
        numbers = [one for one, _ in made]
        found = {pair for pair in waits if number not in pair}
        found |= {(a, one) for a in before for one in numbers} | {(one, b) for one in numbers for b in later}
        return frozenset(found | ({(a, b) for a in before for b in later} if not made else set()))

    def canonical(self, tasks, waits, state, steps, p):
        new = {number: place for place, (number, _) in enumerate(tasks)}
        return (
            tuple((new[number], task) for number, task in tasks),
            frozenset((new[a], new[b]) for a, b in waits),
            tuple(sorted(state.items())),
            steps,
            p,
        )

    def note(self, steps, p):
        given = [self.case["primitives"][name] for name in steps]
        cost, duration = sum(one.get("cost", 0) for one in given), sum(one.get("duration", 1) for one in given)
        self.plans.add((steps, p, cost, duration))

    def best(self, objective):
        place = {"probability": 1, "cost": 2, "duration": 3}[objective]
        values = [plan[place] for plan in self.plans]
        return max(values) if objective == "probability" else min(values)


def linearisations(order):
    """Every sequence of ids that keeps to an order (id -> ids before it)."""
    if not order:
        yield []
        return
    for id_ in sorted(order):
        if not order[id_]:
            rest = {other: before - {id_} for other, before in order.items() if other != id_}
            for sequence in linearisations(rest):
                yield [id_, *sequence]
