"""Does a lesson help? The sequential test on runs that were given it, against runs from which it was withheld by lot.

Only the lot makes the two comparable: lessons are recalled for some tasks more than for others. And whoever looks at
a growing number of trials again and again sees some difference sooner or later, so the bar is higher at early looks
(a group-sequential test: Wang and Tsiatis, Biometrics 43, 1987, with exponent 0.1, close to O'Brien and Fleming's).
What has to pass the bar is the posterior probability that the lesson helps, which is exact in small samples too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import erfc, exp, lgamma, sqrt
from typing import Any, Literal, TypedDict

from .mining.effects import difference

FIRST, EVERY, MOST = 20, 10, 400  # The looks are at 20, 30, 40, ... and 400 trials.
LEAST = 5  # Trials in each group; with fewer the uniform prior decides, and not the runs.
SHARE = 1 / 2  # Withheld while undecided: equal groups decide soonest, and half of the harm is spared if it harms.
ACTIVE_SHARE = 0.05  # Withheld of a lesson that has proven itself, to notice when it does not help any more.
# Standard deviations at the last look. A lesson without effect is promoted in 7.4 % of all cases, and in 8.1 % where
# only a quarter is withheld; with 1.66 that was 9.1 %, for two points more power at +0.15. Retiring may err more often:
# what neither helps nor harms is to go in any case.
PROMOTE, RETIRE = 1.72, 1.5
HIGHEST = 3.5  # Standard deviations at the first looks, where ten against ten could not show more than 4.7.
_EXPONENT = 0.5 - 0.1

Trial = Mapping[str, Any]  # {"run", "given", "success", "at"}
Mark = list[Any]  # [how many trials, the last one's run]
Verdict = Literal["promote", "retire", "none"]


class Counts(TypedDict):
    """Successes and failures of runs with the lesson, and of runs from which it was withheld."""

    given: list[int]
    withheld: list[int]


def verdict(counts: Counts) -> Verdict | None:
    """Decide a trial at a look; between looks nothing is decided.

    Args:
        counts: {"given": [successes, failures], "withheld": [successes, failures]}.

    Returns:
        "promote": it helps; "retire": it harms; "none": the last look has passed and neither is shown; None: go on.

    Example:
        >>> verdict({"given": [30, 10], "withheld": [15, 25]}), verdict({"given": [31, 10], "withheld": [15, 25]})
        ('promote', None)
    """
    given, withheld = counts["given"], counts["withheld"]
    trials = size(counts)
    if not is_look(trials):
        return None
    if min(sum(given), sum(withheld)) >= LEAST:
        # The small tails are compared: one minus a tail of 1e-17 would be one.
        if better(withheld, given) <= _tail(_needed(trials, PROMOTE)):
            return "promote"
        if better(given, withheld) <= _tail(_needed(trials, RETIRE)):
            return "retire"
    return "none" if trials >= MOST else None


def is_look(trials: int) -> bool:
    """Whether a decision may be made after so many trials.

    Example:
        >>> [trials for trials in range(45) if is_look(trials)], is_look(400), is_look(401)
        ([20, 30, 40], True, True)
    """
    return trials >= MOST or (trials >= FIRST and trials % EVERY == 0)


def next_look(trials: int) -> int:
    """At how many trials the next decision may be made.

    Example:
        >>> [next_look(trials) for trials in (0, 19, 20, 35, 399)]
        [20, 20, 30, 40, 400]
    """
    return max(FIRST, min(trials - trials % EVERY + EVERY, max(MOST, trials + 1)))


def bar(trials: int, deviations: float = PROMOTE) -> float:
    """How probable it has to be, after so many trials, that a lesson helps (or, with RETIRE, that it harms).

    Example:
        >>> [round(bar(trials), 4) for trials in (20, 100, 200, 400)]
        [0.9998, 0.9986, 0.9884, 0.9573]
    """
    return 1 - _tail(_needed(trials, deviations))


def better(given: Sequence[int], withheld: Sequence[int]) -> float:
    """The probability that the first success rate is the higher one, each with a uniform prior.

    The exact sum, of terms that are all positive (Cook, Exact calculation of beta inequalities, 2005).

    Args:
        given: [successes, failures] with the lesson.
        withheld: [successes, failures] without it.

    Example:
        >>> round(better([0, 0], [0, 0]), 3), round(better([8, 2], [5, 5]), 3)
        (0.5, 0.909)
    """
    (a, b), (c, d) = ((successes + 1, failures + 1) for successes, failures in (given, withheld))
    fixed = lgamma(c + d) - lgamma(c) - lgamma(d)
    total = 0.0
    for i in range(a):
        # B(c + i, b + d) / ((b + i) B(1 + i, b) B(c, d))
        term = lgamma(c + i) + lgamma(b + d) - lgamma(b + c + d + i) - lgamma(1 + i) - lgamma(b) + lgamma(b + i)
        total += exp(term + fixed)
    return min(total, 1.0)


def effect_of(*strata: Counts) -> tuple[float, tuple[float, float]] | None:
    """The success rate with a lesson minus that without it, and its 95 % interval (Newcombe 1998, method 10).

    Args:
        strata: Counts; those of different times are weighed by what they know, and not added up, because the share
            that is withheld changes, and so may the tasks.

    Returns:
        The effect and (low, high); None while nothing can be compared.

    Example:
        >>> effect, (low, high) = effect_of({"given": [56, 14], "withheld": [48, 32]})
        >>> round(effect, 4), round(low, 4), round(high, 4)
        (0.2, 0.0524, 0.3339)
    """
    tables = [tuple((pair[0], sum(pair)) for pair in (one["given"], one["withheld"])) for one in strata if weight(one)]
    return difference([(given, withheld) for given, withheld in tables]) if tables else None


def weight(counts: Counts) -> float:
    """How many trials of two equal groups would know the effect as precisely.

    Example:
        >>> weight({"given": [30, 20], "withheld": [25, 25]}), weight({"given": [50, 45], "withheld": [4, 1]})
        (100.0, 19.0)
    """
    n, m = sum(counts["given"]), sum(counts["withheld"])
    return 4 * n * m / (n + m) if n + m else 0.0


def size(counts: Counts) -> int:
    """How many trials there are."""
    return sum(counts["given"]) + sum(counts["withheld"])


def counts_of(trials: Sequence[Trial]) -> Counts:
    """Count trials; one whose success is not known is passed over."""
    counts = no_counts()
    for trial in trials:
        if trial["success"] is not None:
            counts["given" if trial["given"] else "withheld"][0 if trial["success"] else 1] += 1
    return counts


def mark(trials: Sequence[Trial]) -> Mark | None:
    """Where trials end now; None before the first one."""
    return [len(trials), trials[-1]["run"]] if trials else None


def since(trials: Sequence[Trial], over: Mark | None) -> Sequence[Trial]:
    """The trials after a mark; all of them when its run is not among them.

    The run tells where it stands now: older trials may have come in since, from another process or an import.
    """
    if over is None:
        return trials
    number, run = over
    places = [number - 1, *reversed(range(len(trials)))]
    place = next((place for place in places if place < len(trials) and trials[place]["run"] == run), -1)
    return trials[place + 1 :]


def no_counts() -> Counts:
    """Before the first trial."""
    return {"given": [0, 0], "withheld": [0, 0]}


def measured(counts: Counts) -> dict[str, Any]:
    """The `effect`, `interval` and `better` of a lesson."""
    found = effect_of(counts)
    return {
        "effect": None if found is None else round(found[0], 4),
        "interval": None if found is None else [round(end, 4) for end in found[1]],
        "better": better(counts["given"], counts["withheld"]),
    }


def facts(counts: Counts) -> str:
    """The counts in words.

    Example:
        >>> facts({"given": [7, 3], "withheld": [5, 5]})
        '7 of 10 runs succeeded with it and 5 of 10 without'
    """
    (won, lost), (won_without, lost_without) = counts["given"], counts["withheld"]
    return f"{won} of {won + lost} runs succeeded with it and {won_without} of {won_without + lost_without} without"


def on_trial(counts: Counts) -> str:
    """Why a lesson is undecided."""
    if not size(counts):
        return "On trial: nothing is known of it yet."
    return f"On trial: {facts(counts)} ({size(counts)} of at most {MOST} trials)."


def _needed(trials: int, deviations: float) -> float:
    return min(deviations * float((MOST / min(max(trials, 1), MOST)) ** _EXPONENT), HIGHEST)


def _tail(deviations: float) -> float:
    """The upper tail of the normal distribution."""
    return erfc(deviations / sqrt(2)) / 2
