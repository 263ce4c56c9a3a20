"""What a vote is given and what it gives: ballots, weights, shares and the electorate, checked and made exact."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ...errors import ConfigError, nearest
from .ranking import RANKED, Counted

THRESHOLD_RULES = ("majority", "qualified", "unanimous", "weighted")
RULES = (*THRESHOLD_RULES, *RANKED)

SHARE = r"\s*\d{1,20}(\s*/\s*\d{1,20}|\.\d{0,20})?\s*|0?\.\d{1,20}"  # No exponents: 1e9999999 would take for ever.
LARGEST = 10**30  # no weight reaches it

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
    size: int  # of what shares are of
    may_vote: int
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
    if not isinstance(ballots, Mapping):
        raise ConfigError(f"The ballots are {type(ballots).__name__}; give a mapping: voter -> ballot.")
    if rule not in RULES:
        raise ConfigError(f"There is no rule {rule!r}. Rules: {', '.join(RULES)}.{nearest(str(rule), RULES)}")
    if rule == "weighted" and not weights:
        raise ConfigError("The rule weighted needs weights: voter -> weight.")
    if not isinstance(weights or {}, Mapping):
        raise ConfigError(f"The weights were {weights!r}; give a mapping: voter -> weight.")
    exact = {voter: weight_of(voter, weight) for voter, weight in (weights or {}).items()}
    known = None if options is None else _names("options", options)
    members = _members(electorate, ballots)
    inside = None if members is None else set(members)
    ignored = tuple(voter for voter in ballots if inside is not None and voter not in inside)
    read = {v: _ballot(v, b, rule, known) for v, b in ballots.items() if inside is None or v in inside}
    cast = {voter: ranking for voter, ranking in read.items() if ranking}
    abstained = tuple(voter for voter, ranking in read.items() if not ranking)
    seen = dict.fromkeys(option for ranking in cast.values() for option in ranking)
    voters = members if members is not None else (read if rule == "unanimous" else cast)
    size = electorate if isinstance(electorate, int) else len(voters)
    total = sum((exact.get(voter, 1) for voter in voters), 0) + (size - len(voters))
    may_vote = size if electorate is not None else len(read)
    return Count(rule, size, may_vote, total, cast, abstained, ignored, exact, tuple(sorted(known or seen)))


def _members(electorate: Collection[str] | int | None, ballots: Mapping[str, Ballot]) -> Collection[str] | None:
    if electorate is None:
        return None
    if isinstance(electorate, int):
        if isinstance(electorate, bool) or electorate < max(1, len(ballots)):
            raise ConfigError(
                f"The electorate is {electorate!r}, but {len(ballots)} voted; give names or their number."
            )
        return tuple(ballots)
    return _names("electorate", electorate)


def _names(what: str, given: Any) -> tuple[str, ...]:
    names = tuple(given) if isinstance(given, Collection) and not isinstance(given, str | bytes | Mapping) else ()
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names):
        raise ConfigError(f"The {what} was {given!r}; give a list of names, each once, at least one.")
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
    if not usable or not 0 < weight < LARGEST:
        given = repr(weight) if not isinstance(weight, int) or abs(weight) < LARGEST else "far too large"
        raise ConfigError(f"The weight of {voter!r} was {given}; a weight is a finite number above 0.")
    return Fraction(str(weight)) if isinstance(weight, float) else Fraction(weight)


def share_of(name: str, given: Any) -> Fraction | None:
    """A share such as "2/3" or 0.7 as an exact number; None stays None."""
    if given is None:
        return None
    text = "" if isinstance(given, bool) else str(given)
    try:
        share = Fraction(text) if re.fullmatch(SHARE, text) else None
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
        return given
    share = share_of("quorum", given)
    return 0 if share is None else -(-share.numerator * size // share.denominator)
