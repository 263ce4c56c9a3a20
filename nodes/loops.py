"""Is the agent going round in circles? A pure judgement on the steps of a ReAct trace.

`find_loop` asks for the absence of new information, not for repeated names. The common rules do otherwise and pay.
Those of OpenHands compare steps word for word, thoughts included, and know only periods 1 and 2; that of Gemini CLI
hashes name and arguments without looking at the result and waits for five rounds. So both miss loops that vary a word
or a time stamp, and both have stopped agents that were polling or working through a list.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .repeats import FINAL, THINKING, Seen, tokens
from .volatile import masked, same_text

WINDOW = 40  # A call repeated after 40 other steps is a second look, and the cost of a verdict stays bounded.
COUNTED = 8  # How many rounds of a loop are looked up for the evidence.


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop that the agent is in now.

    Attributes:
        pattern: One of repeat_action, repeat_error, alternating, cycle, thought_repeat, unknown_tool.
        first_step: The number of the first step that belongs to it.
        evidence: What repeats, how often and with what unchanged result, in one sentence for the model and the user.
        action: The action of the last step, which is part of the loop.
        steps: The numbers of the steps involved, the latest of them in a long loop; their calls are to be taken away.
    """

    pattern: str
    first_step: int
    evidence: str
    action: str
    steps: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the loop as plain JSON values."""
        return {**asdict(self), "steps": list(self.steps)}


def find_loop(
    steps: Sequence[Mapping[str, Any]], *, tools: Collection[str] = (), polling: Collection[str] = ()
) -> Loop | None:
    """Return the loop that the agent is in at the end of these steps, or None.

    A step is stale when an earlier one made the same call and got the same result. The alarm is for a call that comes
    round for the third time with only stale steps between (AAA, ABABA, ABCABCA), for one error that answers four calls
    in a row, for a second call of a tool that does not exist, and for three like thoughts in a row that add nothing.
    Errors that waiting may cure (503, timeouts, ...) are given five tries of a call and six in a row.

    Args:
        steps: The trace so far: mappings with `action`, `input`, `observation`, `thought`, `is_error`, `number`. Any
            key may be missing. Only the last 40 steps count.
        tools: The tools' names. Without them, a tool is unknown when the error says so.
        polling: Tools whose job is to be asked again: names of actions, or of the `tool` in a generic action's input.

    Returns:
        The loop with its evidence, or None when the last step brought something new or it is too early to tell.

    Example:
        >>> ask = {"action": "search", "input": {"query": "CEO of Initech"}, "observation": "Nothing found."}
        >>> find_loop([ask, ask]) is None
        True
        >>> reworded = {**ask, "input": {"query": "the Initech CEO?"}}
        >>> find_loop([ask, ask, reworded]).evidence
        'search {"query": "the Initech CEO?"} was called 3 times (steps 1, 2, 3) and the result stays: Nothing found.'
    """
    views = views_of(steps, max(0, len(steps) - WINDOW))
    if not views or views[-1].action == FINAL:
        return None
    return (
        _unknown_tool(views, {*tools, *polling} if tools else frozenset())
        or _restated_thought(views)
        or _stale_run(views, polling)
        or _same_error(views, polling)
    )


def same_call(step: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two steps make the same call up to wording, by the measure that `find_loop` uses.

    Example:
        >>> same_call({"action": "ls", "input": {"path": "src"}}, {"action": "ls", "input": '{"path": "src "}'})
        True
    """
    return Seen(step, 0).calls_same(Seen(other, 0))


def views_of(steps: Sequence[Mapping[str, Any]], start: int = 0) -> list[Seen]:
    """Return the steps from `start` on as views; a step without a number gets its position, counted from 1."""
    return [Seen(raw, position) for position, raw in enumerate(steps[start:], start + 1)]


# The four rules of find_loop. Each looks at the last step first, which is new information in most calls.


def _unknown_tool(views: list[Seen], known: Collection[str]) -> Loop | None:
    """A second call of the same missing tool, or a third missing tool in a row: the model guesses names."""
    last = views[-1]
    if not last.is_unknown(known):
        return None
    missing = [view for view in views if view.is_unknown(known)]
    involved = [view for view in missing if view.tool == last.tool]
    if len(involved) < 2:
        if len(views) < 3 or missing[-3:] != views[-3:]:
            return None
        involved = missing[-3:]
    name = last.target or last.action
    evidence = f"{name} was called {_times(involved)}, but there is no such tool: {_end(last)}"
    return _loop("unknown_tool", involved, evidence)


def _restated_thought(views: list[Seen]) -> Loop | None:
    if not restates(views):
        return None
    involved = views[-3:]
    thought = _short(views[-1].thought or _call(views[-1]), 120)
    evidence = f"The same thought came {_times(involved)} without acting on it: {thought}"
    return _loop("thought_repeat", involved, evidence)


def _stale_run(views: list[Seen], polling: Collection[str]) -> Loop | None:
    """Walk back over the trailing stale steps until one call has come round for the third (transient: fifth) time.

    With d distinct calls that takes d + 1 (3d + 1) stale steps. Each stale step points at its latest earlier twin, so
    the number of chains of such pointers is the number of distinct calls.
    """
    chains: dict[int, list[Seen]] = {}
    rounds = 1
    for length, i in enumerate(range(len(views) - 1, 0, -1), 1):
        twin = repeated(views, i, polling)
        if twin is None:
            return None
        chain = chains.pop(i, [])
        chains[twin] = [views[i], *chain]
        if views[i].is_transient:
            rounds = 3
        if length > rounds * len(chains):
            return _round_trip(views, chains)
    return None


def _round_trip(views: list[Seen], chains: dict[int, list[Seen]]) -> Loop:
    calls = []
    for i, chain in sorted(chains.items()):
        calls.append([views[i], *chain])
        while len(calls[-1]) < COUNTED and (earlier := repeated(views, i, ())) is not None:
            i = earlier
            calls[-1].insert(0, views[i])
    involved = sorted((view for call in calls for view in call), key=views.index)
    last = views[-1]
    if len(calls) == 1:
        evidence = f"{_call(last)} was called {_times(involved)} and the result stays: {_end(last)}"
        return _loop("repeat_error" if last.is_error else "repeat_action", involved, evidence)
    listed = "; ".join(f"{_call(call[-1])} -> {_short(call[-1].text or 'nothing', 60)}" for call in calls[:4])
    where = f"steps {_numbers(involved)}"
    evidence = f"The same {len(calls)} calls keep coming round ({where}) with unchanged results: {listed}"
    return _loop("alternating" if len(calls) == 2 else "cycle", involved, evidence)


def _same_error(views: list[Seen], polling: Collection[str]) -> Loop | None:
    """One error that answers every call of a tool, so the input does not matter. Thoughts between do not count."""
    last = views[-1]
    if not last.is_error or last.action in THINKING or last.polls(polling):
        return None
    involved: list[Seen] = []
    for view in reversed(views):
        if view.action in THINKING:
            continue
        if not (view.tool == last.tool and view.is_error and same_text(view.text, last.text)):
            break
        involved.insert(0, view)
    if len(involved) < (6 if last.is_transient else 4):
        return None
    name = last.target or last.action
    return _loop("repeat_error", involved, f"{name} failed {_times(involved)}, whatever the input: {_end(last)}")


def repeated(views: list[Seen], i: int, polling: Collection[str]) -> int | None:
    """Return the index of the latest earlier step that step i repeats, or None if step i is new."""
    view = views[i]
    if view.action == FINAL or view.polls(polling):
        return None
    return next((j for j in range(i - 1, -1, -1) if view.repeats(views[j])), None)


def restates(views: list[Seen]) -> bool:
    """Return whether the last three steps are thinking, with like thoughts, and the last two told nothing new."""
    run = views[-3:]
    if len(run) < 3 or any(view.action not in THINKING for view in run):
        return False
    if not (run[0].thinks_like(run[2]) and run[1].thinks_like(run[2])):
        return False
    seen = frozenset().union(*tokens(run[0].thought), *_told(run[0]))
    for view in run[1:]:
        exact, words = _told(view)
        # A new number is news; a paraphrase brings the odd new word, at most one in five in the traces tried.
        if exact - seen or len(words - seen) > 0.2 * len(words):
            return False
        seen = seen.union(*tokens(view.thought), exact, words)
    return True


def _told(view: Seen) -> tuple[frozenset[str], frozenset[str]]:
    said = [tokens(masked(text[:2000])) for text in (*view.leaves.values(), view.text)]
    return frozenset().union(*(exact for exact, _ in said)), frozenset().union(*(words for _, words in said))


# The words of the evidence.


def _loop(pattern: str, involved: list[Seen], evidence: str) -> Loop:
    numbers = tuple(view.number for view in involved)
    return Loop(pattern, numbers[0], evidence, involved[-1].action, numbers)


def _times(involved: list[Seen]) -> str:
    return f"{len(involved)} times (steps {_numbers(involved)})"


def _numbers(involved: list[Seen]) -> str:
    return ", ".join(str(view.number) for view in involved[:6]) + (", ..." if len(involved) > 6 else "")


def _call(view: Seen) -> str:
    given = view.input if isinstance(view.input, str) else json.dumps(view.input, ensure_ascii=False, default=str)
    return f"{view.action or 'no action'} {_short(given, 100)}" if view.input else (view.action or "no action")


def _end(view: Seen) -> str:
    return _short(view.text, 120) if view.text else "nothing."


def _short(text: str, limit: int) -> str:
    text = " ".join(text[: 4 * limit].split())
    return text if len(text) <= limit else text[: limit - 3] + "..."
