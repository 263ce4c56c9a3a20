"""Who wants what: weights and scores, and the utility that they give to an outcome.

Utilities are additive, as in Keeney and Raiffa, Decisions with Multiple Objectives (1976), chapter 3: the weighted sum
of a score for each issue. All numbers are read as they were written (0.1 is one tenth) and kept as fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..errors import ConfigError
from .issues import Issue, hint, issues_from, number_of, plain, refuse_unknown, said, shown


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one party wants: utility = sum of weight times score, both from 0 to 1.

    Args:
        weights: Issue -> how much it counts: numbers of at least 0, not all 0. They are divided by their sum.
        scores: Issue -> how good each of its values is: a table from every value to a number of at least 0, or, for
            numbers, "low" (the lowest is best), "high", or {"ideal": x} (falling evenly to 0 at the farther end). A
            table whose largest number is above 1 is divided by it, so points may be given; others count as they stand.
            An issue of weight 0 needs none.
        reservation: The utility of having no deal, from 0 to 1; nothing below it is ever accepted.

    Raises:
        ConfigError: A number that is none, is negative, or is out of bounds.

    Example:
        >>> wants = Preferences({"price": 3, "colour": 1}, {"price": "low", "colour": {"red": 1, "blue": 0}}, 0.4)
        >>> utility(wants, {"price": 20, "colour": "red"}, {"price": [0, 20, 100], "colour": ["red", "blue"]})
        0.85
    """

    weights: Mapping[str, Any]
    scores: Mapping[str, Any] = field(default_factory=dict)
    reservation: Any = 0

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping) or not isinstance(self.scores, Mapping):
            raise ConfigError("weights and scores are mappings: issue -> weight, and issue -> value -> score.")
        weights = {issue: number_of(f"The weight of {shown(issue)}", w, low=0) for issue, w in self.weights.items()}
        if not any(weights.values()):
            raise ConfigError(f"The weights were {shown(dict(self.weights))}; at least one has to be above 0.")
        scores = {issue: _score(issue, given) for issue, given in self.scores.items()}
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "reservation", number_of("The reservation", self.reservation, low=0, high=1))

    @classmethod
    def of(cls, given: Any) -> Preferences:
        """Read preferences from plain JSON: {"weights", "scores", "reservation"}."""
        if isinstance(given, Preferences):
            return given
        if not isinstance(given, Mapping) or "weights" not in given:
            raise ConfigError(f"Preferences were {shown(given)}; give an object with weights, scores and reservation.")
        refuse_unknown("An agent", given, ("weights", "scores", "reservation"))
        return cls(**given)

    def terms(self, issues: Sequence[Issue]) -> list[list[Fraction]]:
        """What each value of each issue adds to the utility: weight times score, exact.

        Raises:
            ConfigError: An issue without a weight or a value without a score, or one that does not exist.
        """
        names = [issue.name for issue in issues]
        for what, named in (("weight", self.weights), ("score", self.scores)):
            for name in named:
                if name not in names:
                    raise ConfigError(
                        f"There is a {what} for {shown(name)}, which is no issue. Issues: {', '.join(names)}."
                        f"{hint(name, names)}"
                    )
        total = sum(self.weights.values())
        terms = []
        for issue in issues:
            if issue.name not in self.weights:
                raise ConfigError(f"The issue {issue.name!r} has no weight; give 0 if it does not matter.")
            weight = self.weights[issue.name] / total
            if issue.name in self.scores or weight:
                terms.append([weight * score for score in self.scale(issue)])
            else:
                terms.append([Fraction(0)] * len(issue.values))
        return terms

    def scale(self, issue: Issue) -> list[Fraction]:
        """The scores of the values of an issue, from 0 to 1, in their order.

        Raises:
            ConfigError: A value without a score, a score without a value, or a direction where there are no numbers.
        """
        given = self.scores.get(issue.name)
        if isinstance(given, Fraction | str):
            return _directed(issue, given)
        if given is None:
            raise ConfigError(f"The issue {issue.name!r} has no scores; give one for each of its values.")
        found: dict[int, Fraction] = {}
        for value, score in given.items():
            if (place := issue.place(value)) in found:
                raise ConfigError(f"The issue {issue.name!r} has two scores for {shown(value)}.")
            found[place] = score
        for place, value in enumerate(issue.values):
            if place not in found:
                raise ConfigError(f"The issue {issue.name!r} has no score for {shown(value)}.")
        largest = max(Fraction(1), *found.values())
        return [found[place] / largest for place in range(len(issue.values))]

    def to_dict(self) -> dict[str, Any]:
        """Return the preferences as plain JSON, to be read by `Preferences.of` without loss."""
        return {
            "weights": {issue: plain(weight) for issue, weight in self.weights.items()},
            "scores": {issue: _plain_score(given) for issue, given in self.scores.items()},
            "reservation": plain(self.reservation),
        }


def utility(preferences: Preferences, outcome: Mapping[str, Any], issues: Any = None) -> float:
    """What an outcome is worth, from 0 to 1: the sum of weight times score.

    Args:
        preferences: Whose utility it is.
        outcome: Issue -> value, for every issue with a weight above 0.
        issues: What `issues_from` reads; they can be left out where all scores are tables.

    Raises:
        ConfigError: An issue is missing, or a value has no score.

    Example:
        >>> utility(Preferences({"colour": 1}, {"colour": {"red": 1, "blue": 0.25}}), {"colour": "blue"})
        0.25
    """
    if issues is None:
        return float(sum(_worth(preferences, name, outcome) for name, weight in preferences.weights.items() if weight))
    total = Fraction(0)
    known = issues_from(issues)
    for issue, terms in zip(known, preferences.terms(known), strict=True):
        if any(terms):
            total += terms[issue.place(said(outcome, issue.name))]
    return float(total)


def _worth(preferences: Preferences, issue: str, outcome: Mapping[str, Any]) -> Fraction:
    """Weight times score out of a table, without knowing the issue."""
    value, table = said(outcome, issue), preferences.scores.get(issue)
    if not isinstance(table, Mapping) or value not in table:
        raise ConfigError(f"The issue {issue!r} has no score for {shown(value)} in a table; give the issues.")
    weight: Fraction = preferences.weights[issue] / sum(preferences.weights.values())
    score: Fraction = table[value] / max(Fraction(1), *table.values())
    return weight * score


# Scores.


def _score(issue: Any, given: Any) -> Any:
    """A table of exact numbers, "low", "high", or the ideal number as a fraction."""
    if given in ("low", "high"):
        return given
    if isinstance(given, Mapping) and list(given) == ["ideal"]:
        return number_of(f"The ideal of {shown(issue)}", given["ideal"])
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(
            f"The scores of {shown(issue)} were {shown(given)}; give a table from value to score, or for numbers "
            '"low", "high" or {"ideal": number}.'
        )
    return {v: number_of(f"The score of {shown(v)} in {shown(issue)}", score, low=0) for v, score in given.items()}


def _directed(issue: Issue, given: Fraction | str) -> list[Fraction]:
    if not issue.numeric:
        raise ConfigError(f"The scores of {issue.name!r} are a direction, but its values are words; give a table.")
    numbers = [Fraction(str(value)) for value in issue.values]
    low, high = min(numbers), max(numbers)
    best = given if isinstance(given, Fraction) else low if given == "low" else high
    if not low <= best <= high:
        raise ConfigError(
            f"The ideal of {issue.name!r} is {float(best):g}; give a number from {float(low):g} to {float(high):g}."
        )
    width = max(best - low, high - best)
    return [1 - abs(number - best) / width for number in numbers]


def _plain_score(given: Any) -> Any:
    if isinstance(given, Fraction):
        return {"ideal": plain(given)}
    return given if isinstance(given, str) else {str(value): plain(score) for value, score in given.items()}
