"""The rules that compare options by all ballots: points, duels, rounds. Each gives scores and the best, with ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

Number = int | Fraction
Scores = dict[str, Number]


class Counted(NamedTuple):
    """Ballots ready to be counted: (ranking, weight) pairs, and all the options, sorted."""

    ballots: tuple[tuple[tuple[str, ...], Number], ...]
    options: tuple[str, ...]


def standing(rule: str, counted: Counted) -> tuple[Scores, list[str]]:
    """Return the scores by a ranked rule, and the best options: one, or several that tie."""
    scores = _RULES[rule](counted)
    if rule == "condorcet":
        winners = [option for option, beaten in scores.items() if beaten == len(counted.options) - 1]
        return scores, winners or smith_set(counted)
    if rule == "irv":
        return scores, [option for option in scores if scores[option] == max(scores.values())]
    top = max(scores.values(), default=0)
    return scores, [option for option, score in scores.items() if score == top]


def margins(counted: Counted) -> dict[tuple[str, str], Number]:
    """Return for each ordered pair of options by how much weight the first is preferred to the second."""
    lead: dict[tuple[str, str], Number] = {(a, b): 0 for a in counted.options for b in counted.options if a != b}
    for ranking, weight in counted.ballots:
        place = {option: i for i, option in enumerate(ranking)}
        last = len(ranking)
        for a, b in lead:
            before = place.get(b, last) - place.get(a, last)
            if before > 0:
                lead[a, b] += weight
            elif before < 0:
                lead[a, b] -= weight
    return lead


def smith_set(counted: Counted) -> list[str]:
    """Return the smallest set of options whose members each beat every option outside it."""
    lead = margins(counted)
    wins = {a: sum(lead[a, b] > 0 for b in counted.options if b != a) for a in counted.options}
    ordered = sorted(counted.options, key=lambda option: (-wins[option], option))
    for size in range(1, len(ordered) + 1):
        inside, outside = ordered[:size], ordered[size:]
        if all(lead[a, b] > 0 for a in inside for b in outside):
            return sorted(inside)
    return []


def _plurality(counted: Counted) -> Scores:
    scores: Scores = dict.fromkeys(counted.options, 0)
    for ranking, weight in counted.ballots:
        scores[ranking[0]] += weight
    return scores


def _approval(counted: Counted) -> Scores:
    scores: Scores = dict.fromkeys(counted.options, 0)
    for ranking, weight in counted.ballots:
        for option in ranking:
            scores[option] += weight
    return scores


def _borda(counted: Counted) -> Scores:
    """An option has a point for every option below it; those left out share the points that are left."""
    scores: Scores = dict.fromkeys(counted.options, 0)
    for ranking, weight in counted.ballots:
        for place, option in enumerate(ranking):
            scores[option] += weight * (len(counted.options) - 1 - place)
        left = [option for option in counted.options if option not in ranking]
        for option in left:
            scores[option] += weight * Fraction(len(left) - 1, 2)
    return {option: int(score) if score == int(score) else score for option, score in scores.items()}


def _condorcet(counted: Counted) -> Scores:
    lead = margins(counted)
    return {a: sum(lead[a, b] > 0 for b in counted.options if b != a) for a in counted.options}


def _copeland(counted: Counted) -> Scores:
    lead = margins(counted)
    return {a: sum((lead[a, b] > 0) - (lead[a, b] < 0) for b in counted.options if b != a) for a in counted.options}


def _minimax(counted: Counted) -> Scores:
    """Minus the margin of the worst defeat (Simpson and Kramer); 0 for who is unbeaten."""
    lead = margins(counted)
    return {
        a: -max((lead[b, a] for b in counted.options if b != a and lead[b, a] > 0), default=0) for a in counted.options
    }


def _schulze(counted: Counted) -> Scores:
    """How many rivals an option beats or equals by its strongest path; the best equal or beat all of them."""
    lead = margins(counted)
    path = {pair: margin if margin > 0 else 0 for pair, margin in lead.items()}
    for via in counted.options:
        for a in counted.options:
            for b in counted.options:
                if via not in (a, b) and a != b:
                    path[a, b] = max(path[a, b], min(path[a, via], path[via, b]))
    return {a: sum(path[a, b] >= path[b, a] for b in counted.options if b != a) for a in counted.options}


def _irv(counted: Counted) -> Scores:
    """Votes in the last round; who has left before has -1. All that share the last place leave together.

    When all who are left share it, they tie. A ballot whose options have all left counts no more.
    """
    standing_still: Sequence[str] = counted.options
    scores: Scores = dict.fromkeys(counted.options, -1)
    while True:
        votes: Scores = dict.fromkeys(standing_still, 0)
        for ranking, weight in counted.ballots:
            first = next((option for option in ranking if option in votes), None)
            if first is not None:
                votes[first] += weight
        most, fewest = max(votes.values(), default=0), min(votes.values(), default=0)
        if 2 * most > sum(votes.values()) or most == fewest:
            return scores | votes
        standing_still = [option for option in standing_still if votes[option] > fewest]


_RULES: dict[str, Callable[[Counted], Scores]] = {
    "plurality": _plurality,
    "approval": _approval,
    "borda": _borda,
    "condorcet": _condorcet,
    "copeland": _copeland,
    "schulze": _schulze,
    "minimax": _minimax,
    "irv": _irv,
}
RANKED = tuple(_RULES)
