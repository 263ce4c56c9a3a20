"""Three series of planning problems, the same for every planner: blocks, a deep chain, and a search with one way out.

Each problem stands here three times: Python functions for agora, the same functions for GTPyhop, and the domain as data
for agora. What the functions decide is one body for both; they differ in how a state is read and changed, since GTPyhop
hands an action a copy to be changed and agora wants a new state.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph_agora.nodes.planning.domain import Domain, Method, Operator

Action = tuple[Any, ...]  # the name of an operator and its arguments
Positions = dict[str, str]  # block -> what it stands on
Clear = dict[str, bool]


@dataclass(frozen=True)
class Stated:
    """A problem as agora takes it."""

    domain: Domain
    state: Mapping[str, Any]
    tasks: list[Action]


@dataclass(frozen=True)
class Foreign:
    """A problem as GTPyhop takes it: functions by their names, the variables of a state, and what is to be done."""

    actions: Mapping[str, Callable[..., Any]]
    methods: Mapping[str, Sequence[Callable[..., Any]]]
    variables: Callable[[], dict[str, Any]]
    tasks: list[Action]


@dataclass(frozen=True)
class Problem:
    """One problem, for every planner; `check` raises AssertionError when a list of actions does not solve it."""

    functions: Stated
    theirs: Foreign
    data: Stated
    check: Callable[[Sequence[Action]], None]


def blocks(count: int) -> Problem:
    """Random towers into other random towers, by the method of Gupta and Nau (Artificial Intelligence 56, 1992)."""
    rng = random.Random(f"blocks {count}")
    start, goal = towers(count, rng), towers(count, rng)
    clear = {block: block not in start.values() for block in start}

    def check(actions: Sequence[Action]) -> None:
        assert moved(start, actions) == goal

    return Problem(
        Stated(_blocks_functions(goal), {"pos": start, "clear": clear, "hand": ""}, [("achieve",)]),
        _blocks_theirs(start, clear, goal),
        _blocks_data(start, clear, goal),
        check,
    )


def towers(count: int, rng: random.Random) -> Positions:
    """Blocks put down in a random order, each on the table or on one of the towers, all as likely."""
    names = [f"b{number}" for number in range(count)]
    on, tops = {}, ["table"]
    for block in rng.sample(names, count):
        at = rng.randrange(len(tops))
        on[block] = tops[at]
        if at:
            tops[at] = block
        else:
            tops.append(block)
    return {name: on[name] for name in names}


def moved(start: Positions, actions: Sequence[Action]) -> Positions:
    """Where the blocks stand after actions; raises AssertionError where an action cannot be carried out."""
    on, held = dict(start), ""
    for name, block, *under in actions:
        free = block not in on.values()
        if name in ("pickup", "unstack"):
            assert not held
            assert free
            assert on[block] == (under[0] if under else "table")
            held, on[block] = block, "hand"
        else:
            assert held == block
            assert name == "putdown" or under[0] not in on.values()
            held, on[block] = "", under[0] if under else "table"
    assert not held
    return on


def is_done(block: str, pos: Positions, goal: Positions) -> bool:
    """Whether neither a block nor any below it has to be moved any more."""
    while block != "table":
        if goal[block] != pos[block]:
            return False
        block = pos[block]
    return True


def next_move(pos: Positions, clear: Clear, goal: Positions) -> list[Action]:
    """Move a block to its place for good; else one that is in the way to the table; nothing when all stand right."""
    waiting = ""
    for block, is_clear in clear.items():
        if is_clear and not is_done(block, pos, goal):
            where = goal[block]
            if where == "table" or (clear[where] and is_done(where, pos, goal)):
                return [("take", block), ("put", block, where), ("achieve",)]
            if not waiting and pos[block] != "table":
                waiting = block
    return [("take", waiting), ("put", waiting, "table"), ("achieve",)] if waiting else []


def take(pos: Positions, clear: Clear, block: str) -> list[Action] | None:
    """Into the hand, from where it is."""
    if not clear[block]:
        return None
    return [("pickup", block)] if pos[block] == "table" else [("unstack", block, pos[block])]


def put(hand: str, block: str, where: str) -> list[Action] | None:
    """From the hand to where it belongs."""
    if hand != block:
        return None
    return [("putdown", block)] if where == "table" else [("stack", block, where)]


def _blocks_functions(goal: Positions) -> Domain:
    def pickup(state: Any, block: str) -> Any:
        pos, clear = state["pos"], state["clear"]
        if state["hand"] or not clear[block] or pos[block] != "table":
            return None
        return {"pos": {**pos, block: "hand"}, "clear": {**clear, block: False}, "hand": block}

    def unstack(state: Any, block: str, under: str) -> Any:
        pos, clear = state["pos"], state["clear"]
        if state["hand"] or not clear[block] or pos[block] != under:
            return None
        return {"pos": {**pos, block: "hand"}, "clear": {**clear, block: False, under: True}, "hand": block}

    def putdown(state: Any, block: str) -> Any:
        if state["hand"] != block:
            return None
        return {"pos": {**state["pos"], block: "table"}, "clear": {**state["clear"], block: True}, "hand": ""}

    def stack(state: Any, block: str, under: str) -> Any:
        if state["hand"] != block or not state["clear"][under]:
            return None
        return {
            "pos": {**state["pos"], block: under},
            "clear": {**state["clear"], block: True, under: False},
            "hand": "",
        }

    return Domain(
        [Operator(action.__name__, run=action) for action in (pickup, unstack, putdown, stack)],
        [
            Method("next", "achieve", run=lambda state: next_move(state["pos"], state["clear"], goal)),
            Method("take", "take", run=lambda state, block: take(state["pos"], state["clear"], block)),
            Method("put", "put", run=lambda state, block, where: put(state["hand"], block, where)),
        ],
    )


def _blocks_theirs(start: Positions, all_clear: Clear, goal: Positions) -> Foreign:
    def pickup(state: Any, block: str) -> Any:
        if state.hand or not state.clear[block] or state.pos[block] != "table":
            return None
        state.pos[block], state.clear[block], state.hand = "hand", False, block
        return state

    def unstack(state: Any, block: str, under: str) -> Any:
        if state.hand or not state.clear[block] or state.pos[block] != under:
            return None
        state.pos[block], state.clear[block], state.clear[under], state.hand = "hand", False, True, block
        return state

    def putdown(state: Any, block: str) -> Any:
        if state.hand != block:
            return None
        state.pos[block], state.clear[block], state.hand = "table", True, ""
        return state

    def stack(state: Any, block: str, under: str) -> Any:
        if state.hand != block or not state.clear[under]:
            return None
        state.pos[block], state.clear[block], state.clear[under], state.hand = under, True, False, ""
        return state

    return Foreign(
        {action.__name__: action for action in (pickup, unstack, putdown, stack)},
        {
            "achieve": [lambda state: next_move(state.pos, state.clear, goal)],
            "take": [lambda state, block: take(state.pos, state.clear, block)],
            "put": [lambda state, block, where: put(state.hand, block, where)],
        },
        lambda: {"pos": dict(start), "clear": dict(all_clear), "hand": ""},
        [("achieve",)],
    )


def _blocks_data(start: Positions, clear: Clear, goal: Positions) -> Stated:
    """The same as data. Which blocks are done cannot be computed in a condition, so it is a variable.

    What is not clear or not done is null, not false: so only what is clear has to be looked through.
    """
    free, x, done = ("hand", "==", "empty"), ("clear(?x)", "==", True), ("done(?x)", "=", True)
    operators = [
        Operator("pickup", ["x"], [free, x, ("pos(?x)", "==", "table")], _lifted()),
        Operator("unstack", ["x", "y"], [free, x, ("pos(?x)", "==", "?y")], [*_lifted(), ("clear(?y)", "=", True)]),
        Operator("putdown", ["x"], [("hand", "==", "?x")], _put("table")),
        Operator(
            "stack",
            ["x", "y"],
            [("hand", "==", "?x"), ("clear(?y)", "==", True)],
            [*_put("?y"), ("clear(?y)", "=", None)],
        ),
        Operator("finish", ["x"], eff=[done]),
    ]
    todo, take_x = [x, ("done(?x)", "!=", True)], ("t", ("take", "?x"))
    placed = [("f", ("finish", "?x")), ("a", "achieve")]
    methods = [
        Method(
            "to_block", "achieve", ["x", "y"],
            [*todo, ("goal(?x)", "==", "?y"), ("done(?y)", "==", True), ("clear(?y)", "==", True)],
            [take_x, ("p", ("stack", "?x", "?y")), *placed], arity=0,
        ),
        Method(
            "to_table", "achieve", ["x"], [*todo, ("goal(?x)", "==", "table")],
            [take_x, ("p", ("putdown", "?x")), *placed], arity=0,
        ),
        Method(
            "away", "achieve", ["x"], [*todo, ("pos(?x)", "!=", "table")],
            [take_x, ("p", ("putdown", "?x")), ("a", "achieve")], arity=0,
        ),
        Method("all_done", "achieve"),
        Method("from_table", "take", ["x"], [("pos(?x)", "==", "table")], [("s", ("pickup", "?x"))]),
        Method("from_block", "take", ["x", "y"], [("pos(?x)", "==", "?y")], [("s", ("unstack", "?x", "?y"))], arity=1),
    ]  # fmt: skip
    state: dict[str, Any] = {"hand": "empty"}
    for block in start:
        state[f"pos({block})"], state[f"goal({block})"] = start[block], goal[block]
        state[f"clear({block})"] = clear[block] or None
        state[f"done({block})"] = is_done(block, start, goal) or None
    return Stated(Domain(operators, methods, objects={"": list(start)}), state, [("achieve",)])


def _lifted() -> list[Any]:
    return [("pos(?x)", "=", "hand"), ("clear(?x)", "=", None), ("hand", "=", "?x")]


def _put(where: str) -> list[Any]:
    return [("pos(?x)", "=", where), ("clear(?x)", "=", True), ("hand", "=", "empty")]


def deep(count: int) -> Problem:
    """A chain of tasks, each under the one before: count(n) becomes tick, count(n - 1)."""

    def counted(left: int) -> list[Action]:
        return [("tick",), ("count", left - 1)] if left else []

    def tick(state: Any) -> Any:
        return {"ticks": state["ticks"] + 1}

    def their_tick(state: Any) -> Any:
        state.ticks += 1
        return state

    def check(actions: Sequence[Action]) -> None:
        assert list(actions) == [("tick",)] * count

    data = Domain(
        [Operator("tick", pre=[("left", ">", 0)], eff=[("left", "-=", 1)])],
        [
            Method("on", "count", conditions=[("left", ">", 0)], subtasks=[("t", "tick"), ("c", "count")]),
            Method("end", "count", conditions=[("left", "==", 0)]),
        ],
    )
    return Problem(
        Stated(
            Domain([Operator("tick", run=tick)], [Method("count", "count", run=lambda state, left: counted(left))]),
            {"ticks": 0},
            [("count", count)],
        ),
        Foreign(
            {"tick": their_tick},
            {"count": [lambda state, left: counted(left)]},
            lambda: {"ticks": 0},
            [("count", count)],
        ),
        Stated(data, {"left": count}, [("count",)]),
        check,
    )


def backtracking(count: int) -> Problem:
    """Bits that are chosen one after the other, 0 first, and a check at the end that only 1 everywhere passes."""
    places = [f"p{number}" for number in range(count)]
    tasks: list[Action] = [*[("choose", place) for place in places], ("check",)]

    def assign(state: Any, place: str, bit: int) -> Any:
        return {**state, "bits": {**state["bits"], place: bit}}

    def check_all(state: Any) -> Any:
        return {**state, "passed": True} if all(state["bits"].values()) else None

    def their_assign(state: Any, place: str, bit: int) -> Any:
        state.bits[place] = bit
        return state

    def their_check(state: Any) -> Any:
        if not all(state.bits.values()):
            return None
        state.passed = True
        return state

    def check(actions: Sequence[Action]) -> None:
        assert list(actions) == [*[("assign", place, 1) for place in places], ("check",)]

    every = [(f"bit({place})", "==", 1) for place in places]
    data = Domain(
        [Operator("assign", ["i", "v"], eff=[("bit(?i)", "=", "?v")]), Operator("check", pre=every)],
        [Method(f"m{bit}", "choose", ["i"], subtasks=[("s", ("assign", "?i", bit))]) for bit in (0, 1)],
    )
    functions = Domain(
        [Operator("assign", run=assign), Operator("check", run=check_all)],
        [
            Method("m0", "choose", run=lambda state, place: [("assign", place, 0)]),
            Method("m1", "choose", run=lambda state, place: [("assign", place, 1)]),
        ],
    )
    ways = [lambda state, place: [("assign", place, 0)], lambda state, place: [("assign", place, 1)]]
    return Problem(
        Stated(functions, {"bits": {}, "passed": False}, tasks),
        Foreign(
            {"assign": their_assign, "check": their_check},
            {"choose": ways},
            lambda: {"bits": {}, "passed": False},
            tasks,
        ),
        Stated(data, {}, tasks),
        check,
    )


def stages(count: int) -> Stated:
    """Stages that are done one after the other, each in two steps, the second of which has an alternative."""
    operators = [
        Operator("prepare", ["s"], eff=[("ready(?s)", "=", True)]),
        *[
            Operator(name, ["s"], [("ready(?s)", "==", True)], [("done(?s)", "=", True)], p=p)
            for name, p in (("work", 0.9), ("work_by_hand", 0.8))
        ],
    ]
    methods = [
        Method(name, "stage", ["s"], subtasks=[("a", ("prepare", "?s")), ("b", (name, "?s"))], p=p)
        for name, p in (("work", 0.9), ("work_by_hand", 0.8))
    ]
    return Stated(Domain(operators, methods), {}, [("stage", f"s{number}") for number in range(count)])
