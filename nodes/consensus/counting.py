"""What a vote is given and what it gives: ballots, weights, shares and the electorate, checked and made exact."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite
from typing import Any

from ...errors import ConfigError, nearest
from .ranking import RANKED, Counted

THRESHOLD_RULES = ("majority", "qualified", "unanimous", "weighted")
RULES = (*THRESHOLD_RULES, *RANKED)

Ballot = str | Sequence[str] | None
Number = int | Fraction


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a vote gave. `tied` lists the best where no single one is; `reason` says why nothing is decided."""

    decided: bool
    winner: str | None
    tied: tuple[str, ...] = ()
    scores: Mapping[str, Number] = field(default_factory=dict)
    reason: str = ""
    rule: str = ""
    counted: int = 0
    abstained: int = 0
    ignored: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values; fractions become floats."""
        return {
            "decided": self.decided,
            "winner": self.winner,
            "tied": list(self.tied),
            "scores": {option: int(s) if s == int(s) else float(s) for option, s in self.scores.items()},
            "reason": self.reason,
            "rule": self.rule,
            "counted": self.counted,
            "abstained": self.abstained,
            "ignored": list(self.ignored),
        }


@dataclass(frozen=True, slots=True)
class Count:
    """Ballots that were checked, sorted and weighed."""

    rule: str
    size: int  # of the electorate
    total: Number  # its weight
    cast: Mapping[str, tuple[str, ...]]
    abstained: tuple[str, ...]
    ignored: tuple[str, ...]
    weights: Mapping[str, Number]
    options: tuple[str, ...]

    def weight(self, voter: str) -> Number:
        return self.weights.get(voter, 1)

    @property
    def counted(self) -> Counted:
        return Counted(tuple((ranking, self.weight(voter)) for voter, ranking in self.cast.items()), self.options)

    def outcome(self, best: Sequence[str], scores: Mapping[str, Number], reason: str) -> Outcome:
        one = best[0] if len(best) == 1 and not reason else None
        return Outcome(
            one is not None,
            one,
            () if one else tuple(best),
            dict(scores),
            reason,
            self.rule,
            len(self.cast),
            len(self.abstained),
            self.ignored,
        )


def count_of(
    ballots: Mapping[str, Ballot],
    rule: str,
    electorate: Collection[str] | int | None,
    weights: Mapping[str, Any] | None,
    options: Collection[str] | None,
) -> Count:
    """Check ballots and everything that goes with them, and sort them by what can be counted."""
    if rule not in RULES:
        raise ConfigError(f"There is no rule {rule!r}. Rules: {', '.join(RULES)}.{nearest(str(rule), RULES)}")
    if rule == "weighted" and not weights:
        raise ConfigError("The rule weighted needs weights: voter -> weight.")
    exact = {voter: weight_of(voter, weight) for voter, weight in (weights or {}).items()}
    members = _members(electorate, ballots)
    ignored = tuple(voter for voter in ballots if members is not None and voter not in members)
    read = {v: _ballot(v, b, rule, options) for v, b in ballots.items() if v not in ignored}
    cast = {voter: ranking for voter, ranking in read.items() if ranking}
    abstained = tuple(voter for voter, ranking in read.items() if not ranking)
    seen = dict.fromkeys(option for ranking in cast.values() for option in ranking)
    voters = members if members is not None else (read if rule == "unanimous" else cast)
    size = electorate if isinstance(electorate, int) else len(voters)
    total = sum((exact.get(voter, 1) for voter in voters), 0) + (size - len(voters))
    return Count(rule, size, total, cast, abstained, ignored, exact, tuple(sorted(options if options else seen)))


def _members(electorate: Collection[str] | int | None, ballots: Mapping[str, Ballot]) -> Collection[str] | None:
    if electorate is None:
        return None
    if isinstance(electorate, int):
        if isinstance(electorate, bool) or electorate < max(1, len(ballots)):
            raise ConfigError(
                f"The electorate is {electorate!r}, but {len(ballots)} voted; give names or their number."
            )
        return tuple(ballots)
    names = list(electorate)
    if isinstance(electorate, str) or len(set(names)) != len(names) or not names:
        raise ConfigError(f"The electorate was {electorate!r}; give the names of the voters, each once, at least one.")
    return names


def _ballot(voter: str, ballot: Any, rule: str, options: Collection[str] | None) -> tuple[str, ...]:
    """A ballot as a ranking; an empty one is an abstention."""
    if ballot is None:
        return ()
    ranking = (ballot,) if isinstance(ballot, str) else ballot
    if isinstance(ranking, set | frozenset) and rule == "approval":
        ranking = sorted(ranking)
    if not isinstance(ranking, list | tuple) or not all(isinstance(option, str) and option for option in ranking):
        raise ConfigError(f"The ballot of {voter!r} was {ballot!r}; give an option, a list of options, or None.")
    if len(set(ranking)) != len(ranking):
        raise ConfigError(f"The ballot of {voter!r} names an option twice: {', '.join(ranking)}.")
    for option in ranking:
        if options is not None and option not in options:
            known = ", ".join(sorted(options))
            raise ConfigError(
                f"{voter!r} voted for {option!r}, which is no option. Options: {known}.{nearest(option, options)}"
            )
    return tuple(ranking)


def weight_of(voter: str, weight: Any) -> Fraction:
    """A weight as an exact number."""
    usable = isinstance(weight, int | float | Fraction) and not isinstance(weight, bool)
    if not usable or not isfinite(weight) or weight <= 0:
        raise ConfigError(f"The weight of {voter!r} was {weight!r}; a weight is a finite number above 0.")
    return Fraction(str(weight)) if isinstance(weight, float) else Fraction(weight)


def share_of(name: str, given: Any) -> Fraction | None:
    """A share such as "2/3" or 0.7 as an exact number; None stays None."""
    if given is None:
        return None
    try:
        share = None if isinstance(given, bool) else Fraction(str(given))
    except (ValueError, ZeroDivisionError):
        share = None
    if share is None or not 0 < share <= 1:
        raise ConfigError(f'{name} was {given!r}; give a share above 0 and at most 1, such as "2/3" or 0.75.')
    return share


def quorum_of(given: Any, size: int) -> int:
    """How many of `size` must vote, given as a number or as a share."""
    if given is None:
        return 0
    if isinstance(given, int) and not isinstance(given, bool) and given >= 1:
        if given > size:
            raise ConfigError(f"quorum was {given}, but only {size} may vote.")
        return given
    share = share_of("quorum", given)
    return 0 if share is None else -(-share.numerator * size // share.denominator)
