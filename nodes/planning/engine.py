"""The search itself: depth first over decompositions, with true backtracking, and no recursion.

Going back is taking an older search state from the stack. A search that is lost in one endless way gives a part of its
nodes to short plans; a repetition that was cut off is allowed once, twice, four times, for a task may have to be
unrolled.

Sources: SHOP2 (Nau et al., JAIR 2003) for progression over partially ordered tasks with interleaving; Knuth (1977) for
the lower bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any

from ...errors import ConfigError
from .domain import Domain, Method, Network, Operator, as_ground, numbers
from .estimates import Prices
from .facts import Args, Facts, Ground, shown
from .frontier import Cell, Failed, Node, Threads, Waits, begin, has_failed, joined, mark, state_key, tasks_key
from .needs import Early
from .plan import Plan, from_trail

MOST_OPEN = 20  # tasks that are noted as open
LOOKED_AT = 200  # dead ends that are looked at for open tasks
LEAST_WORTH = 30  # search nodes, below which it costs less to fail again than to make the key of a Python state
BETWEEN = 128  # search nodes, after which the clock is looked at
SPENT: Iterator[Any] = iter(())  # Has nothing left.
# Search nodes after which a search that has not ended looks for a short plan first: a quarter of what it may take,
# within these bounds; doubled each time. With 2,000 for all, a chain of 1,000 tasks took 28 % longer.
TURN, LONGEST_TURN = 2_000, 50_000
LEAST_DEPTH = 4
NOTHING = object()
MOST_HELD = 20_000_000  # Places that the search states on the path may have together, some 300 MB.
LEAST_GAIN = 1e-12  # What an improvement must be larger than: sums of logarithms are rounded.

GOAL = "goal"  # (GOAL, task) stands for the test of a task's goal where an operator's name stands for a step.
DONE = "\0done"  # The table of what was done before; no variable can have this name.

Repetition = tuple[Node | None, int]
Point = tuple[Threads, Waits, Any, Any, float]  # A search state: threads, waits, the state, the trail, the bound.
FIRST: Repetition = (None, 0)  # No ancestor has the same task.


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a search goes: search nodes, and seconds of the clock. None is no limit."""

    nodes: int | None = 400_000
    seconds: float | None = 30.0

    def __post_init__(self) -> None:
        for name in ("nodes", "seconds"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
                raise ConfigError(f"{name} was {value!r}; give a number above 0, or None for no limit.")


class Restricted:
    """An operator in a search that forbids some ground operators and counts what was done before."""

    __slots__ = ("operator", "without")

    def __init__(self, operator: Operator, without: frozenset[tuple[Ground, str]]) -> None:
        self.operator, self.without = operator, without

    def apply(self, state: Any, args: Args) -> Any:
        """The state after it, or None; see `Operator.apply`."""
        task = (self.operator.name, *args)
        left = state.value(DONE, task) if isinstance(state, Facts) else None
        if left:
            return state.changed([(DONE, task, left - 1 or None)])
        return None if (task, "") in self.without else self.operator.apply(state, args)


class Search:
    """One search; `run` is called once."""

    def __init__(
        self,
        domain: Domain,
        state: Any,
        network: Network,
        limits: Limits,
        prices: Prices | None,
        clock: Callable[[], float],
    ) -> None:
        self.domain, self.state, self.network, self.prices, self.clock = domain, state, network, prices, clock
        self.goals = tests_of_goals(domain)
        self.operators: Mapping[Any, Operator | Restricted] = domain.operator
        if self.goals:
            self.operators = {**domain.operator, **self.goals}
        self.without: frozenset[tuple[Ground, str]] = frozenset()
        self.prefer: Mapping[Ground, str] = {}
        # What subtasks need is tested early (see `bindings`): for a thread that is alone, and for one among others.
        self.early: tuple[Early, Early] = ("now", "always")
        self.limits = limits
        self.most = math.inf if limits.nodes is None else limits.nodes
        self.ends = None if limits.seconds is None else clock() + limits.seconds
        # The method of each task with one move at most: nothing is left to be made later.
        self.only = {k: ways[0] for k, ways in domain.methods_of.items() if len(ways) == 1 and not ways[0].is_open}
        self.unconditional = {k for k, ways in domain.methods_of.items() if all(way.is_unconditional for way in ways)}
        self.nodes = self.dead_ends = 0
        self.look = min(BETWEEN, self.most + 1)  # The number of nodes at which the limits are looked at next.
        self.first_end: tuple[Ground, Any] | None = None  # A task that could not be done, and the state in which.
        self.open: dict[Ground, Any] = {}  # Tasks that could not be done, and the state in which.
        self.pause = math.inf  # After how many search nodes it is another one's turn.
        self.allowed: float = 0  # How often a task may come back in the same state among its ancestors.
        self.deepest = math.inf  # How many choices one path may have.
        self.cuts = self.repeat_cuts = self.depth_cuts = 0
        self.failed: Failed = {}
        self.worth = 0 if domain.is_declared else LEAST_WORTH
        self.latest: dict[Ground, Node] = {}
        self.trail: Any = NOTHING  # Of the plan that was found first; of one without tasks it is None.
        self.best: tuple[float, Any] | None = None
        self.cycle: list[str] = []
        self.stopped = ""  # Which limit ended the search.
        self.last: Ground | None = None

    def restrict(self, without: frozenset[tuple[Ground, str]], done: Sequence[Ground]) -> None:
        """Forbid methods and operators, and let what was done count."""
        self.without = without
        self.operators = {
            name: Restricted(one, without) for name, one in {**self.domain.operator, **self.goals}.items()
        }
        if done:
            self.early = ("", "")  # What was done before needs nothing.
        for task in done:
            left = self.state.value(DONE, task) or 0
            self.state = self.state.changed([(DONE, task, left + 1)])

    def run(self) -> Plan:
        """Search depth first; as that can be lost in one endless way, a part of the nodes goes to short plans."""
        turn: float = max(TURN, min(LONGEST_TURN, self.most / 4))
        deepest, dive = LEAST_DEPTH, self._dive()
        while not self.stopped:
            self.pause = self.nodes + turn
            if next(dive, dive) is dive:
                if self.depth_cuts and self.trail is NOTHING:
                    turn = self.most  # It came to no end within the memory: short plans are all that is left.
                else:
                    break
            own = self.latest, self.allowed, self.cuts, self.repeat_cuts, self.depth_cuts
            ends = self.nodes + turn / 4
            while self.trail is NOTHING and not self.stopped and self.nodes < ends:
                self.allowed, self.deepest, self.cuts, self.depth_cuts, self.pause = math.inf, deepest, 0, 0, ends
                short = self._pass()
                if next(short, short) is short and not self.stopped:
                    if not self.depth_cuts:
                        return self._result()
                    deepest = deepest * 3 // 2
            self.deepest = math.inf
            self.latest, self.allowed, self.cuts, self.repeat_cuts, self.depth_cuts = own
            if self.trail is not NOTHING:
                break
            turn *= 2
        return self._result()

    def _result(self) -> Plan:
        if self.trail is not NOTHING:
            return self._plan(self.trail)
        if self.best is not None:
            return self._plan(self.best[1], optimal=not self.stopped)
        return self._nothing()

    def _dive(self) -> Iterator[None]:
        """Search; deepen when a repetition was cut, for a task may have to be unrolled (t becomes [t, step])."""
        while True:
            self.repeat_cuts = 0
            yield from self._pass()
            if self.trail is not NOTHING or self.stopped or not self.repeat_cuts:
                return
            self.allowed = self.allowed * 2 or 1

    def _pass(self) -> Iterator[None]:
        """Search once through all that `allowed` and `deepest` allow; pauses when it is another one's turn."""
        operators, prices, deepest = self.operators, self.prices, self.deepest
        # A failure counts while what is under way above it fails too (it may have been cut as a way back to there), so
        # a pass that another one interrupted does not share it.
        failed = self.failed if deepest == math.inf else {}
        self.latest = {}
        held = 0
        state: Any = self.state
        trail: Any = None
        threads, waits = begin(self.network, Node((None, None, "", None, 0)), None, (None,), 0, {})
        bound = sum(prices.least[task[0]] for _, task in self.network.tasks) if prices else 0.0
        frames: list[tuple[Iterator[Any], Any, Any, int, int, int]] = []
        while True:
            if self.nodes >= self.pause:
                yield
            alive = True
            while alive and threads:
                if len(threads) > 1:
                    threads, waits = joined(threads, waits)
                    if len(threads) > 1:
                        break
                    continue
                cell = threads[0]
                task = cell[0]
                if task is None:
                    threads, waits = joined(threads, waits)
                elif (operator := operators.get(task[0])) is None:
                    break
                else:
                    after = operator.apply(state, task[1:])
                    if after is None:
                        self._dead_end((cell,), state)
                        alive = False
                    else:
                        state = after
                        self.nodes += 1
                        alive = self.nodes < self.look or self._goes_on(cell[1].task)
                    threads, trail = ((cell[3],) if cell[3] else ()), (cell, trail)
            if alive and not threads:
                if prices is None:
                    self.trail = trail
                    return
                if self.best is None or bound < self.best[0] - LEAST_GAIN:
                    self.best = (bound, trail)
                self.cuts += 1  # What holds this plan has not failed.
            elif alive and not (failed and has_failed(failed, threads, state)):
                at, cuts, begun = (threads, waits, state, trail, bound), self.cuts, self.nodes
                size = len(threads) + 8 * len(waits) if waits else 1
                if len(frames) >= deepest or held > MOST_HELD:
                    moves, move = SPENT, None
                    self.cuts += 1
                    self.depth_cuts += 1
                elif len(threads) == 1 and (method := self.only.get(task[0])) is not None:
                    moves, move = SPENT, self._only_move(at, method)
                else:
                    moves = self._moves(at)
                    move = next(moves, None)
                frames.append((moves, threads, state, cuts, size, begun))
                held += size
                if move is not None:
                    threads, waits, state, trail, bound = move
                    continue
            while frames:
                moves, before, at, cuts, size, begun = frames[-1]
                move = next(moves, None)
                if move is not None:
                    threads, waits, state, trail, bound = move
                    break
                if self.stopped:
                    return
                frames.pop()
                held -= size
                # Where tasks come back, a failure that is not known would be unrolled again and again.
                if cuts == self.cuts and (self.nodes - begun >= self.worth or self.cycle):
                    failed.setdefault(tasks_key(before), set()).add(state_key(at))
            else:
                return

    def _moves(self, at: Point) -> Iterator[Point]:
        """The search states that come next, made one by one: a model or a long search may stand behind each."""
        return self._decomposed(at, 0) if len(at[0]) == 1 else self._interleaved(at)

    def _interleaved(self, at: Point) -> Iterator[Point]:
        """The same where any of the threads may go on."""
        threads, waits, state, trail, bound = at
        moved = False
        for place, cell in enumerate(threads):
            # Decomposing it early changes nothing for the others, so it needs no alternatives of who moves first.
            if cell[0][0] in self.unconditional:
                moved = yield from self._decomposed(at, place)
                if not moved:
                    self._dead_end((cell,), state)
                return
        for place, cell in enumerate(threads):
            # Steps are paid for when their task is decomposed: after a plan was found, all other interleavings of the
            # same steps end here.
            if self._is_beaten(bound):
                self.cuts += 1
                return
            operator = self.operators.get(cell[0][0])
            if operator is None:
                moved = (yield from self._decomposed(at, place)) or moved
            elif (after := operator.apply(state, cell[0][1:])) is not None:
                self.nodes += 1
                if self.nodes >= self.look and not self._goes_on():
                    return
                moved = True
                rest = (cell[3],) if cell[3] else ()
                yield threads[:place] + rest + threads[place + 1 :], waits, after, (cell, trail), bound
        if not moved:
            self._dead_end(threads, state)

    def _decomposed(self, at: Point, place: int) -> Generator[Point, None, bool]:
        """The task at the head of a thread replaced by what its methods make of it; whether one could be used."""
        threads, _, state, _, _ = at
        cell = threads[place]
        task = cell[0]
        usable = False
        others = threads[:place] + threads[place + 1 :]
        repetition = self._repetition(cell, others, state) if task in self.latest else FIRST
        methods = self.domain.methods_of[task[0]]
        if task in self.prefer:
            methods = tuple(sorted(methods, key=lambda one: one.id != self.prefer[task]))
        for method in methods:
            if repetition is None or (self.without and (task, method.id) in self.without):
                continue
            for network in method.networks(state, task[1:], self.domain, self.early[bool(others)]):
                usable = True
                move = self._move(at, place, method, network, others, repetition)
                if move is not None:
                    yield move
                elif self.stopped:
                    return usable
        if not others and not usable:
            self._dead_end(threads, state)
        return usable

    def _only_move(self, at: Point, method: Method) -> Point | None:
        """The one move of a task with one method: making a generator for it would take as long as the move itself."""
        threads, _, state, _, _ = at
        task = threads[0][0]
        repetition = self._repetition(threads[0], (), state) if task in self.latest else FIRST
        if repetition is not None and not (self.without and (task, method.id) in self.without):
            if method.run is not None and self.prices is None and not method.verify:
                given = method.run(state, *task[1:])
                if given is not None and given is not False:
                    return self._given(at, method, given, repetition)
            else:
                for network in method.networks(state, task[1:], self.domain, self.early[0]):
                    return self._move(at, 0, method, network, (), repetition)
        self._dead_end(threads, state)
        return None

    def _given(self, at: Point, method: Method, given: Sequence[Any], repetition: Repetition) -> Point | None:
        """As `_move`, for what a Python function returned: making a network of it first took a quarter of a search."""
        threads, waits, state, trail, bound = at
        cell = threads[0]
        self.nodes += 1
        if self.nodes >= self.look and not self._goes_on(cell[0]):
            return None
        same, repeats = repetition
        self.latest[cell[0]] = node = Node(cell, method.id, state, (), same, repeats, trail)
        first, keys = cell[3], numbers(len(given))
        for place in range(len(given) - 1, -1, -1):
            task = given[place]
            task = task if type(task) is tuple else as_ground(task)
            first = (task, node, keys[place], first, mark(task, first[4] if first else 0))
        return ((first,) if first else ()), waits, state, node, bound

    def _repetition(self, cell: Cell, others: Threads, state: Any) -> Repetition | None:
        """The nearest ancestor with the same task, and how often it came in this state; None where it is cut off."""
        task, parent, _, rest, _ = cell
        same = self._same(task, parent)
        if same is None:
            return FIRST
        match = same if _equal(same.state, state) else same.far
        if match is None or (match is not same and not _equal(match.state, state)):
            return same, 0
        is_cycle = match.rest is rest and len(match.others) == len(others) and all(map(is_, match.others, others))
        if not is_cycle and match.repeats < self.allowed:
            return same, match.repeats + 1
        self._found_cycle(match, parent, task)
        if not is_cycle:
            self.cuts += 1
            self.repeat_cuts += 1
        elif self.prices:
            self.cuts += 1  # A dearer way to a plan is still a way: it has not failed.
        return None

    def _move(
        self, at: Point, place: int, method: Method, network: Network, others: Threads, repetition: Repetition
    ) -> Point | None:
        """The search state with a network in the place of a task; None where it costs too much or a limit says so."""
        threads, waits, state, trail, bound = at
        cell = threads[place]
        task = cell[0]
        self.nodes += 1
        if self.nodes >= self.look and not self._goes_on(task):
            return None
        if self.prices:
            least = self.prices.least
            bound = bound + self.prices.of_method(method) - least[task[0]]
            bound += sum([least[one[0]] for _, one in network.tasks])
            if self._is_beaten(bound):
                self.cuts += 1
                return None
        same, repeats = repetition
        self.latest[task] = node = Node(cell, method.id, state, others, same, repeats, trail)
        if method.verify and (GOAL, task[0]) in self.goals:
            network = verified(network, task)
        threads, waits = begin(network, node, cell[3], threads, place, waits)
        return threads, waits, state, node, bound

    def _is_beaten(self, bound: float) -> bool:
        """Whether a plan is known that is as good as all that cost so much."""
        return self.best is not None and not bound < self.best[0] - LEAST_GAIN

    def _dead_end(self, threads: Threads, state: Any) -> None:
        """Note what could not be done: of each thread the nearest task upwards that has a goal, else the nearest task.

        A way to do it that somebody makes up can be judged by the goal.
        """
        self.dead_ends += 1
        if self.dead_ends == 1:
            self.first_end = (threads[0][0], state)
        if self.dead_ends > LOOKED_AT:
            return
        for task, node, *_ in threads:
            above = [] if task[0] in self.operators else [(task, state)]
            while node.task is not None and (not above or (self.goals and (GOAL, above[-1][0][0]) not in self.goals)):
                above.append((node.task, node.state))
                node = node.parent
            if above and len(self.open) < MOST_OPEN:
                found, where = above[-1] if (GOAL, above[-1][0][0]) in self.goals else above[0]
                self.open.setdefault(found, where)

    def _same(self, task: Ground, parent: Node) -> Node | None:
        """The nearest ancestor with the same ground task."""
        node = self.latest.get(task)
        while node is not None and not (node.depth <= parent.depth and parent.above(node.depth) is node):
            node = node.same
        return node

    def _goes_on(self, task: Ground | None = None) -> bool:
        """Whether the limits allow it; asked only every so many search nodes."""
        if self.nodes > self.most:
            self.stopped = self.stopped or f"{self.limits.nodes:,} search nodes"
        elif self.ends is not None and self.clock() > self.ends:
            self.stopped = self.stopped or f"{self.limits.seconds:g} seconds"
        if self.stopped:
            self.last = task or self.last
            return False
        self.look = min(self.nodes + BETWEEN, self.most + 1)
        return True

    def _found_cycle(self, match: Node, parent: Node | None, task: Ground) -> None:
        if not self.cycle:
            names, node = [shown(task[0], task[1:])], parent
            while node is not None and node.depth >= match.depth and node.task is not None:
                names.append(shown(node.task[0], node.task[1:]))
                node = node.parent
            self.cycle = names[::-1]

    def _plan(self, trail: Any, optimal: bool = False) -> Plan:
        return Plan(
            self.domain,
            self.state,
            nodes=from_trail(trail),
            root=self.network,
            optimal=optimal,
            searched=self.nodes,
            explanation=f"the search was ended by {self.stopped}; a better plan may exist" if self.stopped else "",
        )

    def _nothing(self) -> Plan:
        words = " -> ".join(self.cycle if len(self.cycle) < 12 else [*self.cycle[:5], "...", *self.cycle[-5:]])
        cycle = f" A task comes back to itself: {words}." if words else ""
        if not self.stopped:
            tried = f"all {self.nodes:,} search nodes failed" if self.nodes else "nothing can be done at the start"
            why = f"There is no plan: {tried}.{self._in_the_way()}{cycle}"
            return self._failed("no_plan", why)
        under = f", with {shown(self.last[0], self.last[1:])} under way" if self.last else ""
        why = f"No plan was found within {self.stopped}{under}; there may be one.{cycle}"
        return self._failed("limit", why)

    def _in_the_way(self) -> str:
        """What the search met first, in words: it is often what the author has overlooked."""
        if self.first_end is None:
            return ""
        task, state = self.first_end
        name = "the goal" if isinstance(task[0], tuple) else shown(task[0], task[1:])
        operator = self.domain.operator.get(task[0])
        if operator is None or operator.run is not None:
            return f" The first thing in the way: {name} cannot be done."
        words = []
        for one in operator.unmet(state, task[1:]):
            value = state.value(one.name, one.args or ())
            words.append(f"{one} (it is {'null' if value is None else value})")
        return f" The first thing in the way: {name} needs {' and '.join(words)}." if words else ""

    def _failed(self, reason: str, why: str) -> Plan:
        return Plan(
            self.domain,
            self.state,
            root=self.network,
            reason=reason,
            explanation=why,
            searched=self.nodes,
            open=tuple(self.open.items()),
        )


def tests_of_goals(domain: Domain) -> dict[Any, Operator]:
    """For each task with a goal a step that tests it; it is no part of a plan."""
    return {
        (GOAL, name): Operator(f"goal of {name}", parameters, goal)
        for name, (parameters, goal) in domain.goals.items()
        if goal
    }


def verified(network: Network, task: Ground) -> Network:
    """A network that ends with the test of its task's goal; the test has no key."""
    test: Any = (None, ((GOAL, task[0]), *task[1:]))
    after = network.after if network.after is None else (*network.after, tuple(range(len(network.tasks))))
    return Network((*network.tasks, test), after)


def _equal(one: Any, other: Any) -> bool:
    return one is other or bool(one == other)
