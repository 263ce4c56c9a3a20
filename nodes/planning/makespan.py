"""The shortest schedule of jobs that wait for one another, on identical workers with renewable resources.

List scheduling begins, whenever something becomes free, the ready jobs by a priority (Graham 1969: with m workers at
most 2 - 1/m times the optimum, whatever the priority). Several priorities are tried, each improved by scheduling
backwards and forwards in turn (Valls, Ballestin and Quintanilla, EJOR 2005: justification). What is left between the
best of them and the lower bound, branch and bound closes for small problems (Sprecher and Drexl, Management Science
1998: precedence tree, left shifts, cutsets).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heapify, heappop, heappush

SMALL = 60  # Jobs: up to here branch and bound is tried.
EFFORT = 120_000  # Its search nodes times the number of jobs: a node costs about as much as it has jobs.
ROUNDS = 6  # Backwards and forwards.
SLACK = 1e-9  # What sums of floats may differ by.

Needs = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Jobs:
    """A scheduling problem. Jobs are numbers from 0 in a topological order; resource 0 are the workers.

    Args:
        durations: Of each job, at least 0.
        before: For each job those that must be finished before it begins, all with smaller numbers.
        needs: For each job pairs (resource, amount); of resource 0 every job needs 1.
        capacities: How much there is of each resource.
    """

    durations: Sequence[float]
    before: Sequence[Sequence[int]]
    needs: Sequence[Needs]
    capacities: Sequence[float]
    then: list[list[int]] = field(init=False)
    tails: list[float] = field(init=False)  # The longest chain that begins with the job, itself included.

    def __post_init__(self) -> None:
        then: list[list[int]] = [[] for _ in self.durations]
        for job, before in enumerate(self.before):
            for one in before:
                then[one].append(job)
        tails = list(self.durations)
        for job in reversed(range(len(tails))):
            tails[job] += max([tails[one] for one in then[job]], default=0)
        object.__setattr__(self, "then", then)
        object.__setattr__(self, "tails", tails)

    @cached_property
    def critical_path(self) -> list[int]:
        """The longest chain of jobs that wait for one another."""
        path: list[int] = []
        ahead: Sequence[int] = range(len(self.durations))
        while ahead:
            path.append(max(ahead, key=lambda job: (self.tails[job], -job)))
            ahead = self.then[path[-1]]
        return path

    @cached_property
    def loads(self) -> list[float]:
        """The work that each resource bears: duration times amount."""
        loads = [0.0] * len(self.capacities)
        for duration, needs in zip(self.durations, self.needs, strict=True):
            for resource, amount in needs:
                loads[resource] += duration * amount
        return loads

    @cached_property
    def is_whole(self) -> bool:
        """Whether all durations are whole numbers; then the shortest schedule ends at one."""
        return all(float(one).is_integer() for one in self.durations)

    @cached_property
    def bound(self) -> float:
        """What no schedule is shorter than: the critical path, and each resource's work over its capacity."""
        spread = [load / most for load, most in zip(self.loads, self.capacities, strict=True) if load]
        least = max([*self.tails, *spread], default=0)
        return math.ceil(least - SLACK * max(1, least)) if self.is_whole else least

    @cached_property
    def backwards(self) -> Jobs:
        """The same problem with time running backwards; job j becomes the last one but j."""
        last = len(self.durations) - 1
        before = [[last - one for one in self.then[job]] for job in range(last, -1, -1)]
        return Jobs(self.durations[::-1], before, self.needs[::-1], self.capacities)

    def length(self, starts: Sequence[float]) -> float:
        """When the last job ends."""
        return max([start + duration for start, duration in zip(starts, self.durations, strict=True)], default=0)


def shortest(jobs: Jobs) -> tuple[list[float], bool]:
    """When each job begins, and whether this is proven to be the shortest schedule.

    Example:
        >>> jobs = Jobs([3, 2, 2, 1], [(), (), (), (0,)], [((0, 1),)] * 4, [2])
        >>> shortest(jobs)
        ([0.0, 0.0, 2.0, 3.0], True)
    """
    best: list[float] = []
    length = math.inf
    for priority in _priorities(jobs):
        starts = _justified(jobs, priority)
        if jobs.length(starts) < length:
            best, length = starts, jobs.length(starts)
        if _reaches(length, jobs.bound):
            return best, True
    if len(jobs.durations) > SMALL:
        return best, False
    branching = _Branching(jobs, best, length)
    branching.extend(0.0)
    return branching.best, not branching.stopped or _reaches(branching.length, jobs.bound)


def listed(jobs: Jobs, priority: Sequence[float]) -> list[float]:
    """When each job begins if always the ready job with the lowest priority number that fits is begun."""
    waits = [len(before) for before in jobs.before]
    ready = [(priority[job], job) for job, before in enumerate(waits) if not before]
    heapify(ready)
    running: list[tuple[float, int]] = []
    free = list(jobs.capacities)
    starts, now = [0.0] * len(waits), 0.0
    while ready:
        blocked = []
        while ready and free[0] >= 1:
            job = ready[0][1]
            if all(free[resource] >= amount - SLACK for resource, amount in jobs.needs[job]):
                heappop(ready)
                starts[job] = now
                heappush(running, (now + jobs.durations[job], job))
                for resource, amount in jobs.needs[job]:
                    free[resource] -= amount
            else:
                blocked.append(heappop(ready))
        for one in blocked:
            heappush(ready, one)
        now = running[0][0]
        while running and (running[0][0] <= now or not ready):
            now, job = heappop(running)
            for resource, amount in jobs.needs[job]:
                free[resource] += amount
            for after in jobs.then[job]:
                waits[after] -= 1
                if not waits[after]:
                    heappush(ready, (priority[after], after))
    return starts


def _priorities(jobs: Jobs) -> list[list[float]]:
    """What is begun first: who heads the longest chain, whatever is longest, or as they come."""
    return [[-one for one in jobs.tails], [-one for one in jobs.durations], [*map(float, range(len(jobs.durations)))]]


def _justified(jobs: Jobs, priority: Sequence[float]) -> list[float]:
    """The list schedule of a priority, improved backwards and forwards while that helps."""
    best = starts = listed(jobs, priority)
    for _ in range(ROUNDS):
        if _reaches(jobs.length(best), jobs.bound):
            break
        ends = [start + duration for start, duration in zip(starts, jobs.durations, strict=True)]
        late = listed(jobs.backwards, [-end for end in reversed(ends)])
        begun = [-start - duration for start, duration in zip(late, jobs.backwards.durations, strict=True)]
        starts = listed(jobs, begun[::-1])
        if jobs.length(starts) >= jobs.length(best):
            break
        best = starts
    return best


def _reaches(length: float, bound: float) -> bool:
    return length <= bound + SLACK * max(1.0, bound)


class _Branching:
    """Branch and bound over who begins next: as early as it can, and no earlier than those before it."""

    def __init__(self, jobs: Jobs, best: list[float], length: float) -> None:
        self.jobs, self.best, self.length = jobs, best, length
        self.nodes, self.stopped = EFFORT // len(jobs.durations), False
        self.starts: dict[int, float] = {}
        self.ends: dict[int, float] = {}
        self.waits = [len(before) for before in jobs.before]
        self.left = list(jobs.loads)
        self.seen: dict[int, list[list[float]]] = {}

    @property
    def goal(self) -> float:
        """The longest schedule that would be an improvement."""
        return self.length - (1 - SLACK if self.jobs.is_whole else SLACK * max(1.0, self.length))

    def extend(self, now: float) -> None:
        """Try all ways to go on when nothing may begin before `now`."""
        if len(self.ends) == len(self.waits):
            self.length = max(self.ends.values())
            self.best = [self.starts[job] for job in range(len(self.waits))]
            return
        for start, job in self._moves(now):
            self.nodes -= 1
            self.stopped = self.stopped or self.nodes < 0
            if self.stopped or _reaches(self.length, self.jobs.bound):
                return
            self._place(job, start, 1)
            self.extend(start)
            self._place(job, start, -1)

    def _moves(self, now: float) -> list[tuple[float, int]]:
        """The jobs that may begin next and when; none where that leads to nothing better."""
        busy = [(end, job) for job, end in self.ends.items() if end > now]
        spread = list(self.left)
        for end, job in busy:
            for resource, amount in self.jobs.needs[job]:
                spread[resource] += (end - now) * amount
        if any(now + load / most > self.goal for load, most in zip(spread, self.jobs.capacities, strict=True) if load):
            return []
        ready = [job for job, waits in enumerate(self.waits) if not waits and job not in self.ends]
        moves = [(self._earliest(job, now, sorted(busy)), job) for job in ready]
        if any(start + self.jobs.tails[job] > self.goal for start, job in moves) or self._is_dominated(now):
            return []
        # Who begins only when another could be finished already would leave a gap that the other fits into.
        first = min(start + self.jobs.durations[job] for start, job in moves)
        moves = [one for one in moves if one[0] < first or (one[0] == first and not self.jobs.durations[one[1]])]
        return sorted(moves, key=lambda one: (one[0], -self.jobs.tails[one[1]], one[1]))

    def _earliest(self, job: int, now: float, busy: Sequence[tuple[float, int]]) -> float:
        start = max([now, *[self.ends[one] for one in self.jobs.before[job]]])
        for moment in [start, *[end for end, _ in busy if end > start]]:
            free = list(self.jobs.capacities)
            for end, other in busy:
                if end > moment:
                    for resource, amount in self.jobs.needs[other]:
                        free[resource] -= amount
            if all(free[resource] >= amount - SLACK for resource, amount in self.jobs.needs[job]):
                break
        return moment

    def _is_dominated(self, now: float) -> bool:
        """Whether the same jobs were placed before, with none of them ending later."""
        placed = sum([1 << job for job in self.ends])
        ends = [now, *[max(now, self.ends[job]) for job in sorted(self.ends)]]
        known = self.seen.setdefault(placed, [])
        if any(all(one <= other for one, other in zip(old, ends, strict=True)) for old in known):
            return True
        known.append(ends)
        return False

    def _place(self, job: int, start: float, sign: int) -> None:
        duration = self.jobs.durations[job]
        if sign > 0:
            self.starts[job], self.ends[job] = start, start + duration
        else:
            del self.starts[job], self.ends[job]
        for one in self.jobs.then[job]:
            self.waits[one] -= sign
        for resource, amount in self.jobs.needs[job]:
            self.left[resource] -= sign * duration * amount
