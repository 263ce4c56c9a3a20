"""Counting votes: every rule exact, every tie said.

The rules are those of Brandt et al., Handbook of Computational Social Choice (2016), chapters 2 to 4; Schulze (2011).

A ballot is a choice ("red"), a ranking (["red", "blue"], best first, what is left out comes last together), an approval
list (rule `approval`), or None, an abstention. Rules about choices read the first of a ranking.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from itertools import combinations_with_replacement, permutations, product
from math import lcm
from typing import Any

from ...errors import ConfigError
from .counting import THRESHOLD_RULES, Ballot, Count, Number, Outcome, count_of, quorum_of, share_of, weight_of
from .ranking import Counted, standing

__all__ = ["Outcome", "capped", "tally", "tally_early"]

MAX_COMPLETIONS = 20_000  # ways to fill in the missing ballots that are tried where no formula is known


def tally(
    ballots: Mapping[str, Ballot],
    *,
    rule: str,
    electorate: Collection[str] | int | None = None,
    weights: Mapping[str, Any] | None = None,
    threshold: Any = None,
    quorum: Any = None,
    options: Collection[str] | None = None,
) -> Outcome:
    """Count ballots by a rule. Never breaks a tie: then nothing is decided, and `tied` lists the best.

    Args:
        ballots: Voter -> choice, ranking, approval list, or None for an abstention.
        rule: majority (more than half), qualified (at least `threshold`), unanimous (the same from every member),
            weighted (more than half of the weight, or at least `threshold` of it), plurality, approval, borda,
            condorcet (beats every other head to head), copeland, schulze, minimax, irv (all that share the last place
            leave together).
        electorate: Who may vote, or how many; shares are of them, and other voters are ignored. Without it shares are
            of the ballots, abstentions not counted; unanimity then still wants every voter.
        weights: Voter -> weight, a finite number above 0; 1 for who is not named.
        threshold: For qualified (default 2/3) and weighted: "2/3", 0.75, Fraction(3, 4); above 0, at most 1.
        quorum: How many must not abstain: a whole number, or a share such as "1/2" of who may vote.
        options: What may be voted for; without it whatever the ballots name.

    Returns:
        The outcome, with the scores of the rule: votes, points (borda), wins minus losses (copeland), the worst defeat
        as a negative margin (minimax), beaten rivals (condorcet, schulze), votes in the last round (irv).

    Raises:
        ConfigError: A rule, ballot, weight, threshold, quorum or electorate that makes no sense.

    Example:
        >>> tally({"ann": "red", "bob": "red", "cem": "blue"}, rule="majority").winner
        'red'
        >>> tally({"ann": "red", "bob": "blue"}, rule="majority").reason
        'no option has more than half: blue 1, red 1 of 2'
        >>> tally({"ann": ["a", "b", "c"], "bob": ["b", "a", "c"], "cem": ["b", "c", "a"]}, rule="borda").scores
        {'a': 3, 'b': 5, 'c': 1}
    """
    count = count_of(ballots, rule, electorate, weights, options)
    share = share_of("threshold", threshold)
    needed, voted = quorum_of(quorum, count.may_vote), len(count.cast)
    if electorate is not None and needed > count.may_vote:
        raise ConfigError(f"quorum was {quorum!r}, but only {count.may_vote} may vote.")
    if voted < needed:
        return count.outcome((), {}, f"the quorum of {needed} is not reached: {voted} of {count.may_vote} voted")
    if not count.cast:
        return count.outcome((), {}, "nobody voted")
    if rule in THRESHOLD_RULES:
        return _by_share(count, share)
    scores, best = standing(rule, count.counted)
    if len(best) > 1 or not best:
        why = "no option beats every other head to head" if rule == "condorcet" else f"{len(best)} options are best"
        return count.outcome(best, scores, f"{why}: {', '.join(best)}")
    return count.outcome(best, scores, "")


def tally_early(
    ballots: Mapping[str, Ballot],
    *,
    rule: str,
    electorate: Collection[str],
    options: Collection[str] | None = None,
    weights: Mapping[str, Any] | None = None,
    threshold: Any = None,
    quorum: Any = None,
) -> Outcome | None:
    """Return the outcome when the missing ballots cannot change it any more, else None.

    Sound and complete: it is certain exactly when every way to fill in the missing ballots (abstentions included) has
    the same winner, or when none of them can decide a vote by share. Only for schulze and irv, where all ways are
    tried, it stays None above 20,000 ways or six options.

    Args:
        ballots: What was cast so far.
        rule: As for `tally`, as are the others.
        electorate: Everybody who may still vote.
        options: What may be voted for; without it the missing ballots may name anything new.
        weights: Voter -> weight.
        threshold: For qualified and weighted.
        quorum: How many must not abstain.

    Raises:
        ConfigError: As for `tally`.

    Example:
        >>> members = ["ann", "bob", "cem", "dee", "eva"]
        >>> tally_early({"ann": "red", "bob": "red"}, rule="majority", electorate=members) is None
        True
        >>> tally_early({"ann": "red", "bob": "red", "cem": "red"}, rule="majority", electorate=members).winner
        'red'
    """
    now = tally(
        ballots,
        rule=rule,
        electorate=electorate,
        weights=weights,
        threshold=threshold,
        quorum=quorum,
        options=options,
    )
    missing = [member for member in electorate if member not in ballots]
    if not missing:
        return now
    count = count_of(ballots, rule, electorate, weights, options)
    needed = quorum_of(quorum, count.may_vote)
    if len(count.cast) + len(missing) < needed:
        return now  # The quorum is out of reach.
    if len(count.cast) < needed:
        return None  # They may all abstain, or make the quorum.
    if rule in THRESHOLD_RULES:
        return now if _share_is_settled(count, now, missing, share_of("threshold", threshold)) else None
    if not now.decided:
        return None
    if options is None and rule not in ("plurality", "approval", "condorcet"):
        return None  # New options would change the points of the old ones.
    names = list(options) if options is not None else [*count.counted.options, _unheard(count.counted.options)]
    wide = Counted(count.counted.ballots, tuple(names))
    if rule in ("schulze", "irv"):
        sure = _tried(rule, wide, [count.weight(member) for member in missing], now.winner)
    else:
        sure = _nobody_catches_up(rule, wide, sum((count.weight(member) for member in missing), 0), str(now.winner))
    return now if sure else None


def capped(weights: Mapping[str, Any]) -> dict[str, int]:
    """Return whole weights in the same proportions, the heaviest lowered until each is below a third of the total.

    Where one voter may lie, a third of the weight in one hand would decide alone.

    Raises:
        ConfigError: A weight is not a finite number above 0, or there are fewer than four voters.

    Example:
        >>> capped({"a": 10, "b": 1, "c": 1, "d": 1})
        {'a': 4, 'b': 3, 'c': 3, 'd': 3}
    """
    exact = {voter: weight_of(voter, weight) for voter, weight in weights.items()}
    if len(exact) < 4:
        raise ConfigError(
            f"{len(exact)} voters cannot each have less than a third of the weight; at least 4 are needed."
        )
    scale = lcm(3, *(weight.denominator for weight in exact.values()))
    whole = {voter: int(weight * scale) for voter, weight in exact.items()}
    ranked = sorted(whole.values(), reverse=True)
    limit = ranked[0]
    for heavy in (1, 2):  # With the `heavy` heaviest at the limit: limit < (rest + heavy * limit) / 3.
        if 3 * limit >= sum(min(weight, limit) for weight in ranked):
            limit = min(limit, -(-sum(ranked[heavy:]) // (3 - heavy)) - 1)
    return {voter: min(weight, max(limit, 1)) for voter, weight in whole.items()}


# Rules about shares.


def _by_share(count: Count, threshold: Fraction | None) -> Outcome:
    votes = _votes(count)
    if count.rule == "unanimous":
        same = len(votes) == 1 and len(count.cast) == count.size
        given = ", ".join(f"{option} {number}" for option, number in votes.items())
        why = f"not every member voted the same: {given} of {count.size}"
        return count.outcome(_top(votes), votes, "" if same else why)
    reached = [option for option, number in votes.items() if _reaches(count, number, threshold)]
    if len(reached) == 1:
        return count.outcome(reached, votes, "")
    given = ", ".join(f"{option} {_plain(number)}" for option, number in votes.items())
    wanted = _wanted(count.rule, threshold)
    why = f"{len(reached)} options have {wanted}" if reached else f"no option has {wanted}"
    return count.outcome(reached or _top(votes), votes, f"{why}: {given} of {_plain(count.total)}")


def _reaches(count: Count, number: Number, threshold: Fraction | None) -> bool:
    if count.rule == "unanimous":
        return number == count.total
    share = threshold if count.rule in ("qualified", "weighted") else None
    if count.rule == "qualified" and share is None:
        share = Fraction(2, 3)
    return 2 * number > count.total if share is None else number >= share * count.total


def _share_is_settled(count: Count, now: Outcome, missing: Sequence[str], threshold: Fraction | None) -> bool:
    """Votes only ever add up: a winner stays one unless a second can join it; and who cannot reach it is out."""
    left = sum((count.weight(member) for member in missing), 0)
    votes = {**_votes(count), "": 0}  # The empty name stands for an option that nobody has named yet.
    if count.rule == "unanimous":
        return len(votes) > 2 or bool(count.abstained)
    if sum(_reaches(count, number, threshold) for number in votes.values()) > 1:
        return True  # Two have reached the share, and neither can lose it.
    within = {option for option, number in votes.items() if _reaches(count, number + left, threshold)}
    if now.decided:
        return within <= {now.winner}
    return not within


def _votes(count: Count) -> dict[str, Number]:
    votes: dict[str, Number] = {}
    for voter, ranking in count.cast.items():
        votes[ranking[0]] = votes.get(ranking[0], 0) + count.weight(voter)
    return dict(sorted(votes.items()))


def _top(votes: Mapping[str, Number]) -> list[str]:
    most = max(votes.values(), default=0)
    return [option for option, number in votes.items() if number == most]


def _wanted(rule: str, threshold: Fraction | None) -> str:
    if rule == "qualified" or (threshold is not None and rule == "weighted"):
        return f"at least {threshold or Fraction(2, 3)}"
    return "more than half of the weight" if rule == "weighted" else "more than half"


def _plain(number: Number) -> str:
    return str(int(number)) if number == int(number) else f"{float(number):g}"


# Certainty before all have voted.


def _nobody_catches_up(rule: str, counted: Counted, left: Number, winner: str) -> bool:
    """The worst that the missing ballots can do to the winner for one rival: the rival first, the winner last.

    That is the worst for every pair and every score at once, so no other completion has to be tried. With `approval`
    the rival alone is approved of.
    """
    for rival in counted.options:
        if rival == winner:
            continue
        rest = [option for option in counted.options if option not in (rival, winner)]
        worst = (rival,) if rule in ("approval", "plurality") else (rival, *rest, winner)
        _, best = standing(rule, Counted((*counted.ballots, (worst, left)), counted.options))
        if list(best) != [winner]:
            return False
    return True


def _tried(rule: str, counted: Counted, weights: Sequence[Number], winner: str | None) -> bool:
    """Whether every way to fill in the missing ballots has the same winner; False when there are too many ways."""
    rankings: list[tuple[str, ...]] = [(), *permutations(counted.options)] if len(counted.options) <= 6 else []
    if not rankings:
        return False
    alike = len(set(weights)) == 1  # Then it does not matter who casts which ballot.
    ways = combinations_with_replacement(rankings, len(weights)) if alike else product(rankings, repeat=len(weights))
    for number, filled in enumerate(ways):
        if number >= MAX_COMPLETIONS:
            return False
        more = tuple((ranking, weight) for ranking, weight in zip(filled, weights, strict=True) if ranking)
        _, best = standing(rule, Counted((*counted.ballots, *more), counted.options))
        if list(best) != [winner]:
            return False
    return True


def _unheard(options: Collection[str]) -> str:
    name = "another"
    while name in options:
        name += "'"
    return name
