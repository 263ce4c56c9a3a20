"""Mining: what holds together with failure, with success, with effort; and what newer experiences say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .mining.effects import difference
from .mining.features import Condition, Conditions, conditions_of, holds, sort_key
from .mining.outcomes import SUCCESS, Experience, Outcome, above_median, counted, efficiency, failures
from .mining.pattern import Pattern, worded
from .mining.search import SAME, Found, Key, Log, Shares, cells, correlations, given, search, tails_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Confirmation", "Pattern", "confirm", "mine"]

SHARES = Shares(one_more=0.25, one_less=0.22, two_more=0.12, two_less=0.02)
EFFORT = 0.05  # the share of all measures together
SMALL, LARGE = 200, 400  # experiences up to which single conditions, and from which pairs, have their whole share
FLIPPED = 2 / 3  # share of experiences up to which a condition is not the rule
CONFIRMED, CASES = 0.05, 50  # p, and the number of later cases


def mine(
    experiences: Iterable[Experience],
    *,
    rate: float = 0.05,
    min_support: int = 10,
    edges: Mapping[str, Sequence[float]] | None = None,
    comparable: Sequence[str] = ("task_kind", "kind", "domain"),
    self_judged: bool = False,
) -> list[Pattern]:
    """Return the patterns that statistics back, the surest first.

    All single conditions are tested, each exactly, in both directions; the surest is taken and held fixed, and all are
    tested again; then pairs of conditions. Last, what the others explain is dropped. Efficiency is the same search
    for single conditions, where the event is to take more than the median of the experiences with the same outcome
    and kind of task.

    The rate holds by construction. Where there is no pattern, how many candidates reach a given p has a known mean,
    the sum of the exact chances of each (Tarone 1990), and the chance that any does is no larger (Boole), however
    much the features depend on each other. Each part of the search (failure, success, pairs, efficiency) reports its
    best candidate only if that mean is within its share of the rate; the shares add up to 0.6 at most. Measured, 0.02
    to 0.03 of such logs have a report (bench/patterns.py).

    What is found is held fixed as strata (Cochran 1954, Mantel and Haenszel 1959), so that what only goes along with
    it is not found too. For pairs the mean may be as many times larger as there are patterns already, in the spirit
    of Benjamini and Hochberg (1995): the share of false ones among those found stays. Single conditions are not given
    that, since what they reach then is mostly half of a pair not found yet (precision .92 instead of .95 at 400).

    Args:
        experiences: Each {"features": name -> text, number or boolean, "success": True, False or None (left out),
            "seconds", "tokens", "steps", "id", "outcome_source"}; the last five are optional.
        rate: The share of logs without any pattern for which something may be reported.
        min_support: The experiences that a pattern needs on both sides: where its conditions hold, and elsewhere.
        edges: Feature -> where a number is cut, instead of its quartiles.
        comparable: Names of a feature that says of which kind a task is; the first that occurs is used, and effort is
            only compared within a kind.
        self_judged: Count outcomes whose source is "self" as well.

    Returns:
        The patterns. None from fewer than twice `min_support` experiences.

    Raises:
        ConfigError: An argument or an experience makes no sense.

    Example:
        >>> runs = [{"features": {"plan": i % 2 == 0}, "success": i % 2 == 0 or i % 7 == 0} for i in range(100)]
        >>> [pattern] = mine(runs)
        >>> pattern.kind, pattern.conditions, pattern.support, pattern.effect
        ('success', [['plan', True]], 50, 0.86)
        >>> pattern.words
        'With plan 50 of 50 succeeded, elsewhere 7 of 50: 86 points more (72 to 93).'
    """
    _check(rate, min_support)
    kept = counted(list(experiences), self_judged=self_judged)
    runs = [run for _, run in kept]
    ids = [run.get("id", place) for place, run in kept]
    conditions = conditions_of([run.get("features", {}) for run in runs], least=min_support, edges=edges)
    one, two = _scales(len(runs))
    shares = Shares(SHARES.one_more * one, SHARES.one_less * one, SHARES.two_more * two, SHARES.two_less * two)
    patterns = _patterns(conditions, failures(runs), shares, rate, min_support, ids)
    efforts = efficiency(runs, comparable)
    for outcome in efforts:
        share = EFFORT * one / len(efforts) / 2
        patterns += _patterns(conditions, outcome, Shares(share, share), rate, min_support, ids)
    return sorted(patterns, key=_order)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What newer experiences say of a pattern.

    Attributes:
        state: "candidate", "validated" or "expired".
        p: One-sided and exact, in the pattern's direction, from the newer experiences alone.
        support: In how many of them its conditions hold.
        effect: As in `Pattern`, but not looked for, so that it is not too large.
        interval: Of the effect, 95 %.
    """

    state: str
    p: float
    support: int
    effect: float
    interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "state": self.state,
            "p": self.p,
            "support": self.support,
            "effect": self.effect,
            "interval": list(self.interval),
        }


def confirm(
    pattern: Mapping[str, Any],
    newer: Iterable[Experience],
    *,
    comparable: Sequence[str] = ("task_kind", "kind", "domain"),
    self_judged: bool = False,
) -> Confirmation:
    """Ask experiences that a pattern was not found in whether it is there.

    It is validated when they show it with a one-sided p below 0.05, and expired when it has held in 50 of them and
    they do not; until then it stays a candidate. What was held fixed when it was found is held fixed again.

    Asked once, a pattern that is none is validated in 5 of 100 cases at most; asked after each of 50 cases, until the
    first answer, in 18 of 100 (a simulation of 300). So ask when there is enough, and keep the answer.

    Args:
        pattern: A pattern, or its JSON.
        newer: The experiences since then.
        comparable: As for `mine`.
        self_judged: As for `mine`.

    Example:
        >>> runs = [{"features": {"plan": i % 2 == 0}, "success": i % 2 == 0 or i % 7 == 0} for i in range(100)]
        >>> [pattern] = mine(runs)
        >>> confirm(pattern, runs[:4]).state, confirm(pattern, runs[:40]).state
        ('candidate', 'validated')
    """
    runs = [run for _, run in counted(list(newer), self_judged=self_judged)]
    measure, kind = pattern["measure"], pattern["kind"]
    outcome = failures(runs) if measure == SUCCESS else above_median(runs, measure, comparable)
    own, *others = [_where(conditions, runs)[outcome.rows] for conditions in (pattern["conditions"], *pattern["given"])]
    log = _log_of([own, *others], outcome)
    fixed = [(place, place) for place in range(1, len(others) + 1)]
    p = _p(log, (0, 0), fixed, more=kind == "failure" or (kind == "efficiency" and pattern["effect"] > 0))
    effect, interval = _signed(difference(_tables(log, (0, 0), fixed)), kind)
    support = int(own.sum())
    state = "validated" if p < CONFIRMED else "expired" if support >= CASES else "candidate"
    return Confirmation(state, p, support, effect, interval)


def _scales(count: int) -> tuple[float, float]:
    """Which part of their shares single conditions and pairs have in a log of this size.

    The larger a log, the more single conditions are found anyway, and the less has to be risked for them (Good 1992:
    p sqrt(n / 100)). Pairs hold in few experiences, so small logs have little to say of them.
    """
    return min(1.0, (SMALL / max(count, 1)) ** 0.5), min(1.0, (count / LARGE) ** 2)


def _patterns(
    conditions: Conditions, outcome: Outcome, shares: Shares, rate: float, least: int, ids: Sequence[Any]
) -> list[Pattern]:
    log = Log(conditions.columns[outcome.rows], conditions.names, outcome.event, outcome.strata)
    found = search(log, shares, rate=rate, least=least)
    named = {own.key: _named(conditions, log, own) for own in found}
    return [_pattern(conditions, log, outcome, own, given(found, own), named, ids) for own in found]


def _pattern(
    conditions: Conditions,
    log: Log,
    outcome: Outcome,
    own: Found,
    fixed: Sequence[Key],
    named: Mapping[Key, tuple[list[Condition], bool]],
    ids: Sequence[Any],
) -> Pattern:
    names, flipped = named[own.key]
    where = log.holds(own.key) ^ flipped
    kind = "efficiency" if outcome.measure != SUCCESS else "failure" if own.more ^ flipped else "success"
    effect = _signed(difference(_tables(log, own.key, fixed)), "success" if flipped ^ (kind == "success") else "")
    event = ~log.event if kind == "success" else log.event
    counts = (_counts(event[where]), _counts(event[~where]))
    rate, base = (events / cases for events, cases in counts)
    listed = [list(name) for name in names]
    others = [[list(name) for name in named[key][0]] for key in fixed]
    return Pattern(
        kind=kind,
        conditions=listed,
        measure=outcome.measure,
        effect=effect[0],
        interval=effect[1],
        support=counts[0][1],
        rate=rate,
        base_rate=base,
        lift=_lift(outcome, where) if kind == "efficiency" else rate / base if base else None,
        p=own.p,
        q=own.q,
        evidence=sorted((ids[row] for row in outcome.rows[where]), key=str),
        given=others,
        explained_by=_also(conditions, log, names, where),
        words=worded(listed, outcome.measure, counts, effect, kind=kind, given=others, leak=own.leak),
    )


def _named(conditions: Conditions, log: Log, own: Found) -> tuple[list[Condition], bool]:
    """The conditions to name, and whether they are the opposite of what was tested.

    "b fails less" and "what is not b fails more" are one pattern where the feature has only these two. The failing, or
    slower, side is named, unless it is the rule and the other the exception.
    """
    names = [conditions.names[place] for place in sorted(set(own.key))]
    opposite = [name for name, same in conditions.twins[own.key[0]] if not same and name[1] is not True]
    if own.more or len(names) > 1 or names[0][1] is True or not opposite:
        return names, False
    exception = float((~log.holds(own.key)).mean()) <= FLIPPED
    return ([opposite[0]], True) if exception else (names, False)


def _also(conditions: Conditions, log: Log, names: Sequence[Condition], where: NDArray[np.bool_]) -> list[list[Any]]:
    """Other conditions that hold in the same experiences, or nearly."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    also: set[Condition] = set()
    every = np.column_stack([np.arange(len(conditions.names))] * 2)
    for twins, correlation in zip(conditions.twins, correlations(log, every, where), strict=True):
        if abs(correlation) >= SAME:
            for (name, value), same in twins:
                if same == (correlation > 0):
                    also.add((name, value))
                elif value is True:
                    also.add((name, False))
    return [list(one) for one in sorted(also - set(names), key=sort_key) if one[0] not in {name for name, _ in names}]


def _tables(log: Log, key: Key, fixed: Sequence[Key]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Events and cases where a pattern holds, and elsewhere, in each stratum."""
    cell, where = cells(log, fixed), log.holds(key)
    parts = [cell == one for one in range(cell.max(initial=-1) + 1)]
    return [(_counts(log.event[part & where]), _counts(log.event[part & ~where])) for part in parts]


def _counts(event: NDArray[np.bool_]) -> tuple[int, int]:
    return int(event.sum()), len(event)


def _signed(found: tuple[float, tuple[float, float]], kind: str) -> tuple[float, tuple[float, float]]:
    """A difference in failing, as one in succeeding where the kind is "success"."""
    effect, (low, high) = found
    return (-effect, (-high, -low)) if kind == "success" else found


def _lift(outcome: Outcome, where: NDArray[np.bool_]) -> float | None:
    if not len(outcome.relative):
        return None
    below = median(outcome.relative[~where].tolist())
    return float(median(outcome.relative[where].tolist()) / below) if below else None


def _p(log: Log, key: Key, fixed: Sequence[Key], *, more: bool) -> float:
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    tails = tails_of(log, np.array([key]), fixed)
    return float((tails.more if more else tails.less)[0])


def _where(conditions: Sequence[Sequence[Any]], runs: Sequence[Experience]) -> NDArray[np.bool_]:
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    features = [run.get("features", {}) for run in runs]
    return np.array([all(holds(condition, row) for condition in conditions) for row in features], bool)


def _log_of(columns: Sequence[NDArray[np.bool_]], outcome: Outcome) -> Log:
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    return Log(np.stack(columns, axis=1), [("", place) for place in range(len(columns))], outcome.event, outcome.strata)


def _order(pattern: Pattern) -> tuple[Any, ...]:
    return pattern.q, pattern.p, pattern.kind, pattern.measure, [sort_key(one) for one in pattern.conditions]


def _check(rate: float, min_support: int) -> None:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
        raise ConfigError(f"rate was {rate!r}; give the share of false reports that is allowed, such as 0.05.")
    if isinstance(min_support, bool) or not isinstance(min_support, int) or min_support < 1:
        raise ConfigError(f"min_support was {min_support!r}; give a whole number of at least 1, such as 10.")
