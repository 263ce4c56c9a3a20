"""Who gets which subtask: a minimum-cost matching over skills, load and record, made anew whenever somebody is free.

Two things are decided. Who may have a subtask at all: of the agents that have not failed at it, those that fit best,
also when they are at work, so that nobody takes what another one can do better. And who of these gets it now: of the
free ones, all ready subtasks looked at together, the most urgent first, then at the lowest cost.

What an agent says of its skills is believed until its work speaks: who fails twice and delivers nothing gets nothing
more while others are left, and a last attempt goes to somebody who has not failed in this run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from .allocation import allocate
from .breakdown import skill_key
from .contracts import LEAST_RELIABILITY, recorded, reliability

RECORD, LOAD = 4, 1  # What an unkept promise and a busy agent weigh in the cost.
HALF = Fraction(1, 2)

Record = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Need:
    """A subtask that wants somebody.

    Attributes:
        id: Its id.
        skills: What it takes.
        urgency: How much work waits for it; the largest goes first.
        tried: Who failed at it.
        allowed: Who may have it; None for everybody.
        first: Who gets the first attempt, if anybody in particular.
        last: Whether the next attempt is a second or later one, and the last.
    """

    id: str
    skills: tuple[str, ...] = ()
    urgency: float = 1.0
    tried: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = None
    first: str | None = None
    last: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an agent.

    Attributes:
        skills: What it says it can do; none is a generalist, which counts as having half of any skill.
        running: How many subtasks it works on now.
        taken: How many it was given in this run.
        record: Promises kept and broken at all times, {"kept", "broken"}.
        run: The same, of this run alone.
    """

    skills: tuple[str, ...] = ()
    running: int = 0
    taken: int = 0
    record: Record = field(default_factory=dict)
    run: Record = field(default_factory=dict)

    @property
    def barred(self) -> bool:
        """Whether it gets nothing more while others are left."""
        return reliability(self.run) <= LEAST_RELIABILITY or reliability(self.record) < LEAST_RELIABILITY

    @property
    def failing(self) -> bool:
        """Whether it broke more promises than it kept, in this run where there is something to go by."""
        return reliability(self.run if any(self.run.values()) else self.record) < HALF

    @property
    def proven(self) -> bool:
        """Whether it kept more promises than it broke."""
        return reliability(self.run if any(self.run.values()) else self.record) > HALF

    def lacks(self, skills: Sequence[str]) -> Fraction:
        """The share of these skills that it does not have.

        Example:
            >>> Standing(("python",)).lacks(["Python", "sql"]), Standing().lacks(["sql"])
            (Fraction(1, 2), Fraction(1, 2))
        """
        if not skills:
            return Fraction(0)
        own = {skill_key(skill) for skill in self.skills}
        had = sum(skill_key(skill) in own for skill in skills)
        return 1 - Fraction(had, len(skills)) if own else HALF


Team = Mapping[str, Standing]


def candidates(need: Need, team: Team) -> list[str]:
    """Return who may have a subtask, busy ones included, sorted; empty when nobody is left.

    Example:
        >>> team = {"ann": Standing(("sql",)), "bob": Standing(("python",)), "cem": Standing(("sql",))}
        >>> tried = frozenset({"ann", "cem"})
        >>> candidates(Need("1", ("sql",)), team), candidates(Need("1", ("sql",), tried=tried), team)
        (['ann', 'cem'], ['bob'])
    """
    open_to = [name for name in sorted(team) if _may(need, name)]
    if need.first in open_to and not need.tried:
        return [str(need.first)]
    ranks = {name: _rank(need, team[name]) for name in open_to}
    best = min(ranks.values(), default=None)
    return [name for name, rank in ranks.items() if rank == best]


def cost(need: Need, one: Standing, total: int = 0) -> Fraction:
    """What it costs to give a subtask to one of its candidates, who all lack as much: the lower, the better.

    Args:
        need: The subtask.
        one: The agent.
        total: How many subtasks all agents together were given.

    Example:
        >>> cost(Need("1", ("sql",)), Standing(("sql",))) < cost(Need("1", ("sql",)), Standing(("sql", "art")))
        True
    """
    unused = len({skill_key(skill) for skill in one.skills} - {skill_key(skill) for skill in need.skills})
    spared = Fraction(unused, 100 * (unused + 1))  # Of equal ones the specialist: the other is free for other work.
    load = one.running + Fraction(one.taken, total + 1)
    return RECORD * (1 - reliability(one.record)) + LOAD * load + spared


def match(needs: Sequence[Need], free: Mapping[str, int], team: Team) -> dict[str, str]:
    """Match subtasks that are ready with agents that are free.

    As many as possible are matched, the most urgent first (of equal ones the first in the list), and these at the
    lowest total cost; of equal totals the first agents by name. Optimal, see `allocate`.

    Args:
        needs: The subtasks that are ready.
        free: Agent -> how many more it can take.
        team: All agents.

    Returns:
        Subtask -> agent. What is missing waits, for somebody who fits better or for a place.

    Example:
        >>> team = {"ann": Standing(("sql", "art")), "bob": Standing(("sql",))}
        >>> match([Need("1", ("sql",)), Need("2", ("art",))], {"ann": 1, "bob": 1}, team)
        {'1': 'bob', '2': 'ann'}
    """
    names = [name for name in sorted(free) if free[name] > 0]
    open_to = _open_to(needs, free, team)
    ranked = sorted((need for need in needs if open_to[need.id]), key=lambda need: -need.urgency)
    ranked = _foremost(ranked, open_to, sum(free[name] for name in names))
    if not ranked:
        return {}
    total = sum(one.taken for one in team.values())
    table = [[cost(need, team[name], total) if name in open_to[need.id] else None for need in ranked] for name in names]
    dear = 1 + sum(max(row[place] or 0 for row in table) for place in range(len(ranked)))
    waiting = [dear * (len(ranked) - place) for place in range(len(ranked))]  # An urgent one outweighs all costs.
    found = allocate(table, [free[name] for name in names], waiting)
    chosen = {need.id: names[agent] for need, agent in zip(ranked, found.assignment, strict=True) if agent is not None}
    return {need.id: chosen[need.id] for need in needs if need.id in chosen}


def reason(need: Need, one: Standing) -> str:
    """Why an agent got a subtask, in words.

    Example:
        >>> reason(Need("1", ("art", "sql")), Standing(("sql",), taken=2, record={"kept": 3, "broken": 1}))
        'has 1 of 2 skills (sql); kept 3 of 4; had 2 before'
    """
    own = {skill_key(skill) for skill in one.skills}
    had = [skill for skill in need.skills if skill_key(skill) in own]
    known = one.record.get("kept", 0) + one.record.get("broken", 0)
    parts = [
        f"has {len(had)} of {len(need.skills)} skills ({', '.join(had) or 'none'})" if need.skills and own else "",
        "names no skills of its own" if need.skills and not own else "",
        f"kept {one.record.get('kept', 0)} of {known}" if known else "has no record yet",
        f"had {one.taken} before" if one.taken else "is free",
        f"after {', '.join(sorted(need.tried))} failed" if need.tried else "",
    ]
    return "; ".join(part for part in parts if part)


class Desk:
    """The delegation of one run: who has what, who failed at what, and what that says of everybody.

    Args:
        plan: The rows of the plan (see `outline`).
        team: Agent -> the skills it names.
        urgency: Subtask -> how much work waits for it.
        max_attempts: How many agents try a subtask at most.
        capacity: How many subtasks an agent works on at the same time.
        records: Agent -> {"kept", "broken"} of earlier runs.
        allowed: Subtask -> who may have it; everybody where it is missing.
        first: Subtask -> who gets the first attempt.

    Example:
        >>> plan = [{"id": "1", "skills": ["sql"]}, {"id": "2", "skills": []}]
        >>> desk = Desk(plan, {"ann": ["sql"], "bob": []}, {"1": 1, "2": 1}, max_attempts=2)
        >>> desk.assign(["1", "2"], {"ann": 1, "bob": 1})
        {'1': 'ann', '2': 'bob'}
        >>> desk.begin("ann")
        >>> desk.settle("1", "ann", kept=False)
        >>> desk.left("1"), desk.assign(["1"], {"ann": 1})
        (['bob'], {})
    """

    def __init__(
        self,
        plan: Sequence[Mapping[str, Any]],
        team: Mapping[str, Sequence[str]],
        urgency: Mapping[str, float],
        *,
        max_attempts: int,
        capacity: int = 1,
        records: Mapping[str, Record] | None = None,
        allowed: Mapping[str, Collection[str]] | None = None,
        first: Mapping[str, str] | None = None,
    ) -> None:
        self.max_attempts, self.capacity, self.urgency = max_attempts, capacity, urgency
        limits, wanted = allowed or {}, first or {}
        self.needs = {
            row["id"]: Need(
                row["id"],
                tuple(row["skills"]),
                urgency[row["id"]],
                allowed=frozenset(limits[row["id"]]) if row["id"] in limits else None,
                first=wanted.get(row["id"]),
            )
            for row in plan
        }
        # Every agent stands in it from the start: what is looked through while another thread settles never grows.
        self.team = {
            name: Standing(tuple(team[name]), record=dict((records or {}).get(name, {}))) for name in sorted(team)
        }
        self.reasons: dict[str, str] = {}

    def assign(self, ready: Sequence[str], free: Mapping[str, int]) -> dict[str, str]:
        """Match what is ready with who is free (agent -> places; who is not in it has none), and note it."""
        for name, one in self.team.items():
            self.team[name] = replace(one, running=self.capacity - free.get(name, 0))
        found = match([self.needs[id_] for id_ in ready], free, self.team)
        for id_, name in found.items():
            self.reasons[id_] = reason(self.needs[id_], self.team[name])
        return found

    def begin(self, name: str) -> None:
        """Note that an agent has begun a subtask that was assigned to it."""
        self.team[name] = replace(self.team[name], taken=self.team[name].taken + 1)

    def settle(self, id_: str, name: str, *, kept: bool) -> None:
        """Note what became of an attempt."""
        need, one = self.needs[id_], self.team[name]
        if not kept:
            tried = need.tried | {name}
            self.needs[id_] = replace(need, tried=tried, last=len(tried) + 1 == self.max_attempts)
        run, record = (recorded({name: old}, name, kept=kept)[name] for old in (one.run, one.record))
        self.team[name] = replace(self.team[name], run=run, record=record)

    def left(self, id_: str, *, but: str | None = None) -> list[str]:
        """Who may try a subtask next; empty when nobody is left or it was tried often enough.

        Args:
            id_: The subtask.
            but: Who failed at it just now, which was not noted yet.
        """
        need = self.needs[id_]
        need = replace(need, tried=need.tried | ({but} if but else set()))
        return candidates(need, self.team) if len(need.tried) < self.max_attempts else []


def expected(desk: Desk) -> dict[str, str]:
    """Who would get what if everybody was equally quick: the map that a person sees before the work begins.

    Example:
        >>> plan = [{"id": str(number), "skills": []} for number in range(3)]
        >>> expected(Desk(plan, {"ann": [], "bob": []}, {"0": 1, "1": 1, "2": 1}, max_attempts=1))
        {'0': 'ann', '1': 'bob', '2': 'ann'}
    """
    waiting, found = list(desk.needs), dict[str, str]()
    while waiting:
        given = desk.assign(waiting, dict.fromkeys(desk.team, desk.capacity))
        if not given:
            break
        for name in given.values():
            desk.begin(name)
        found |= given
        waiting = [id_ for id_ in waiting if id_ not in given]
    return {id_: found[id_] for id_ in desk.needs if id_ in found}


def _open_to(needs: Sequence[Need], free: Mapping[str, int], team: Team) -> dict[str, list[str]]:
    """Subtask -> its candidates that are free; subtasks that want the same are looked at once."""
    known: dict[Need, list[str]] = {}
    found = {}
    for need in needs:
        kind = replace(need, id="", urgency=0.0)
        if kind not in known:
            known[kind] = [name for name in candidates(need, team) if free.get(name, 0) > 0]
        found[need.id] = known[kind]
    return found


def _may(need: Need, name: str) -> bool:
    return name not in need.tried and (need.allowed is None or name in need.allowed)


def _rank(need: Need, one: Standing) -> tuple[Any, ...]:
    """How well an agent fits, the least is the best; a last attempt also looks at what it did so far."""
    lacks = one.lacks(need.skills)
    return (one.barred, one.failing, lacks, not one.proven) if need.last else (one.barred, lacks)


def _foremost(ranked: Sequence[Need], open_to: Mapping[str, Sequence[str]], places: int) -> list[Need]:
    """The subtasks that can be matched now: of those with the same candidates no more than there are places."""
    groups: dict[tuple[str, ...], int] = {}
    kept = []
    for need in ranked:
        group = tuple(open_to[need.id])
        groups[group] = groups.get(group, 0) + 1
        if groups[group] <= places:
            kept.append(need)
    return kept
