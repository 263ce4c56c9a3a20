"""Where a search stands: the threads of tasks that are left, and the decompositions that led there.

A thread is a linked list of cells: tasks still to be done, one after another. A method whose subtasks are ordered puts
them in front of a thread; one whose order is partial begins a thread for each subtask that waits for none, and a join
cell at its end counts down those that wait. Nothing is ever changed, so going back is taking an older one.

Source: Myers (1983) for finding an ancestor in logarithmic time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ConfigError
from .domain import Network
from .facts import Facts, Ground

ATOMS = frozenset([str, int, float, bool, type(None)])
OWN_HASH = 1 << 60  # Numbers from 0 to this have hashes of their own.

# (task, the node that it came from, the id of the subtask, the rest, hash); a join has the task None.
Cell = tuple[Any, ...]
Threads = tuple[Any, ...]
Waits = Mapping["Instance", tuple[int, ...]]
Failed = dict[int, set[Any]]  # Search states from which there is no plan: the tasks left -> states.


class Node:
    """One decomposition on the path of the search.

    `same` is the nearest ancestor with the same ground task and `far` one further up, whose distance doubles: comparing
    the state with these two finds a cycle of any length (Brent, 1980). `repeats` counts the ancestors with the same
    task in the same state. `jump` leads to an ancestor far up. `before` is the trail of what was done before, `id` its
    number in the plan that is made at the end.
    """

    __slots__ = (
        *("before", "id", "task", "key", "parent", "method"),
        *("depth", "jump", "same", "far", "count", "repeats", "state", "rest", "others"),
    )

    def __init__(
        self,
        cell: Cell,
        method: str = "",
        state: Any = None,
        others: Threads = (),
        same: Node | None = None,
        repeats: int = 0,
        before: Any = None,
    ) -> None:
        self.task, parent, self.key, self.rest, _ = cell
        self.parent, self.method, self.state, self.others = parent, method, state, others
        self.same, self.repeats, self.before, self.id = same, repeats, before, 0
        self.far: Node | None = None
        self.count = 0
        if same is not None:
            self.count = same.count + 1
            self.far = same if same.count & (same.count - 1) == 0 or same.far is None else same.far
        if parent is None:
            self.depth, self.jump = 0, self
        else:
            self.depth = parent.depth + 1
            far = parent.jump
            self.jump = far.jump if parent.depth - far.depth == far.depth - far.jump.depth else parent

    def above(self, depth: int) -> Node:
        """Its ancestor at a depth."""
        node = self
        while node.depth > depth:
            node = node.jump if node.jump.depth >= depth else node.parent
        return node


class Instance:
    """A partially ordered network under way: what comes after it, and who waits for whom in it."""

    __slots__ = ("after", "hash", "node", "rest", "tasks", "then")

    def __init__(self, network: Network, node: Node, rest: Cell | None) -> None:
        assert network.after is not None
        self.tasks, self.after, self.node, self.rest = network.tasks, network.after, node, rest
        self.then: list[list[int]] = [[] for _ in network.tasks]
        for place, before in enumerate(network.after):
            for one in before:
                self.then[one].append(place)
        self.hash = hash((str(network.tasks), network.after, rest[4] if rest else 0))

    def thread(self, place: int) -> Cell:
        """The thread of one of its tasks, which ends with its join."""
        key, task = self.tasks[place]
        join = (None, self, place, None, hash((self.hash, place)))
        return (task, self.node, key, join, mark(task, join[4]))


def begin(network: Network, node: Node, rest: Cell | None, threads: Threads, place: int, waits: Waits) -> Any:
    """The threads and waits when the thread at a place begins with a network and goes on with the rest."""
    if network.after is None or not network.tasks:
        cell = rest
        for key, task in reversed(network.tasks):
            cell = (task, node, key, cell, mark(task, cell[4] if cell else 0))
        fresh: Threads = (cell,) if cell else ()
    else:
        instance = Instance(network, node, rest)
        waits = {**waits, instance: (*map(len, network.after), len(network.tasks))}
        fresh = tuple([instance.thread(one) for one, before in enumerate(network.after) if not before])
    return (fresh if len(threads) == 1 else threads[:place] + fresh + threads[place + 1 :]), waits


def joined(threads: Threads, waits: Waits) -> tuple[Threads, Waits]:
    """Take away the joins at the heads of threads: who waited only for them begins."""
    place = 0
    left: dict[Instance, tuple[int, ...]] | None = None  # A copy, made once: thousands of networks may end together.
    while place < len(threads):
        task, instance, member, _, _ = threads[place]
        if task is not None:
            place += 1
            continue
        left = dict(waits) if left is None else left
        counts = list(left[instance])
        counts[-1] -= 1
        fresh: list[Cell] = []
        for one in instance.then[member]:
            counts[one] -= 1
            if not counts[one]:
                fresh.append(instance.thread(one))
        if counts[-1]:
            left[instance] = tuple(counts)
        else:
            del left[instance]
            fresh = [instance.rest] if instance.rest else []
        threads = threads[:place] + tuple(fresh) + threads[place + 1 :]
    return threads, waits if left is None else left


def tasks_key(threads: Threads) -> int:
    """The same for the same tasks left."""
    return int(threads[0][4]) if len(threads) == 1 else hash(tuple(sorted([cell[4] for cell in threads])))


def state_key(state: Any) -> Any:
    """The same for equal states."""
    return state.key if isinstance(state, Facts) else frozen(state)


def has_failed(failed: Failed, threads: Threads, state: Any) -> bool:
    """Whether there is no plan from a search state with the same future: the same tasks left, in the same state."""
    states = failed.get(tasks_key(threads))
    return states is not None and state_key(state) in states


def mark(task: Ground, rest: int) -> int:
    """The hash of a task and what comes after it. Some arguments as text: hash(-1) is hash(-2), and True equals 1."""
    for arg in task:
        if type(arg) is not str and (type(arg) is not int or not 0 <= arg < OWN_HASH):
            try:
                return hash((task, str(task), rest))
            except TypeError:
                raise ConfigError(
                    f"An argument of {task[0]!r} cannot be hashed: {task[1:]!r}; use tuples for lists."
                ) from None
    return hash((task, rest))


def frozen(value: Any) -> Any:
    """Something hashable that is equal for equal values."""
    if type(value) in ATOMS:  # Nearly everything is; asking first whether it is a Mapping took three times as long.
        return value
    if isinstance(value, Mapping):
        return frozenset([(key, one if type(one) in ATOMS else frozen(one)) for key, one in value.items()])
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    return frozenset(map(frozen, value)) if isinstance(value, set) else value
