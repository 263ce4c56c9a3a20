"""What happens when an agent loops: a ladder of three reactions, as a pure function.

1. Say what repeats, and take that exact call away: it is answered from the trace instead of being run again.
2. Narrow the choice to `reason` or `final_answer`.
3. End the run with `stop: "loop"` and the best partial answer.

A step that brings something new takes the agent off the ladder; calls that were taken away stay away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from .meta import Loop, same_call

NUDGE, NARROW, STOP = 1, 2, 3


class Guard(TypedDict):
    """Where a run stands on the ladder. `level`: 0 to 3; `blocked`: the steps whose calls were taken away."""

    level: int
    blocked: list[int]


def climb(guard: Guard, loop: Loop | None, answered: bool = True) -> Guard:
    """Return the guard after the newest step.

    Args:
        guard: Where the run stood before the step.
        loop: What `find_loop` says of the trace with the step, or None.
        answered: False when the choice was narrowed and the reply ignored that.

    Example:
        >>> climb({"level": 0, "blocked": []}, None)
        {'level': 0, 'blocked': []}
    """
    if guard["level"] >= NARROW:  # Nothing but an answer leads out from here.
        return {"level": NARROW if answered and loop is None else STOP, "blocked": guard["blocked"]}
    if loop is None:
        return {"level": 0, "blocked": guard["blocked"]}
    last = loop.steps[-1]
    blocked = guard["blocked"] if last in guard["blocked"] else [*guard["blocked"], last]
    return {"level": guard["level"] + 1, "blocked": blocked}


def taken_away(call: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], guard: Guard) -> Mapping[str, Any] | None:
    """Return the earlier step whose call this one repeats although it was taken away, or None."""
    for step in steps:
        if step["number"] in guard["blocked"] and same_call(call, step):
            return step
    return None


def note(guard: Guard, evidence: str) -> str:
    """What the model is told, in words."""
    if guard["level"] >= NARROW:
        return f"You are going round in circles: {evidence} Tools are closed now. Give the final answer."
    return f"This brings nothing new: {evidence} That call is closed now. Try something else, or give the final answer."
