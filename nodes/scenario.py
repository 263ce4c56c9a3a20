"""The scenario of a negotiation: the issues, the parties with what they want, and when a deal passes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from ..errors import ConfigError
from .issues import Value, hint, issues_from, refuse_unknown, said, shown
from .outcome_space import Party, Space
from .preferences import Preferences

Outcome = dict[str, Value]

MAX_OUTCOMES = 200_000
LARGEST_LIMIT = 2_000_000  # With twenty parties the arrays take a gigabyte.
MAX_PARTIES = 20


@dataclass(frozen=True)
class Scenario:
    """A negotiation: the issues, what each party wants, and when a deal passes.

    Args:
        issues: What `issues_from` reads.
        preferences: Party -> its `Preferences`, or the same as plain JSON; 2 to 20 parties.
        veto: Parties without which nothing passes.
        needed: How many parties must get at least their reservation value for a deal to pass; all of them without it.
            "All but one, and both with a veto" is the rule of Abdelnabi et al., LLM-Deliberation (arXiv 2309.17234).
        limit: How many outcomes (combinations of values) there may be.

    Raises:
        ConfigError: Something that makes no sense, or too many outcomes.

    Example:
        >>> issues = {"price": [10, 20, 30], "weeks": [1, 2]}
        >>> seller = Preferences({"price": 3, "weeks": 1}, {"price": "high", "weeks": "high"}, reservation=0.3)
        >>> buyer = Preferences({"price": 1, "weeks": 3}, {"price": "low", "weeks": "low"}, reservation=0.3)
        >>> scenario = Scenario(issues, {"seller": seller, "buyer": buyer})
        >>> scenario.nash_point, scenario.utility("buyer", {"price": 30, "weeks": 1})
        ({'price': 30, 'weeks': 1}, 0.75)
        >>> len(list(scenario.outcomes())), scenario.zone()
        (6, [{'price': 20, 'weeks': 1}, {'price': 30, 'weeks': 1}])
    """

    issues: Any
    preferences: Mapping[str, Any]
    veto: Collection[str] = ()
    needed: int | None = None
    limit: int = MAX_OUTCOMES

    def __post_init__(self) -> None:
        issues = issues_from(self.issues)
        object.__setattr__(self, "issues", issues)
        object.__setattr__(self, "preferences", _parties(self.preferences))
        names = tuple(self.preferences)
        listed = isinstance(self.veto, Collection) and not isinstance(self.veto, str | Mapping)
        if not listed or not all(party in names for party in self.veto):
            given, known = shown(self.veto), ", ".join(names)
            raise ConfigError(f"The veto parties were {given}; give a list out of the parties: {known}.")
        object.__setattr__(self, "veto", tuple(sorted(set(self.veto))))
        if self.needed is not None and (type(self.needed) is not int or not 1 <= self.needed <= len(names)):
            raise ConfigError(f"needed was {shown(self.needed)}; give a number from 1 to {len(names)}, the parties.")
        if type(self.limit) is not int or not 1 <= self.limit <= LARGEST_LIMIT:
            raise ConfigError(f"limit was {shown(self.limit)}; give a whole number from 1 to {LARGEST_LIMIT:,}.")
        outcomes = prod(len(issue.values) for issue in issues)
        if outcomes > self.limit:
            raise ConfigError(
                f"The issues have {outcomes:,} outcomes together; at most {self.limit:,} are allowed. Leave out issues "
                "or values, or make the steps of a range larger."
            )
        for name, preferences in self.preferences.items():
            try:
                preferences.terms(issues)
            except ConfigError as error:
                raise ConfigError(f"{name!r}: {error}") from error

    @cached_property
    def space(self) -> Space:
        """All outcomes with their utilities, as arrays; made once, at first use."""
        parties = [Party(name, p.terms(self.issues), p.reservation) for name, p in self.preferences.items()]
        sizes = [len(issue.values) for issue in self.issues]
        return Space(sizes, parties, tuple(self.veto), self.needed or len(parties))

    def outcome_at(self, index: int) -> Outcome:
        """The outcome with this number in the order of `outcomes`."""
        digits = self.space.digits(index)
        return {issue.name: issue.values[digit] for issue, digit in zip(self.issues, digits, strict=True)}

    def index(self, outcome: Any) -> int:
        """The number of an outcome in the order of `outcomes`.

        Raises:
            ConfigError: An issue is missing or unknown, or a value is none of its issue.
        """
        if not isinstance(outcome, Mapping):
            raise ConfigError(f"An outcome was {shown(outcome)}; give a mapping: issue -> value.")
        refuse_unknown("An outcome", outcome, [issue.name for issue in self.issues])
        index = 0
        for issue in self.issues:
            index = index * len(issue.values) + issue.place(said(outcome, issue.name))
        return index

    def outcomes(self) -> Iterator[Outcome]:
        """All outcomes; the issues in the order of their names, the last one changing fastest."""
        return (self.outcome_at(index) for index in range(self.space.count))

    def utility(self, party: str, outcome: Mapping[str, Any]) -> float:
        """What an outcome is worth to a party, from 0 to 1."""
        return float(self.space.utilities[self._row(party)][self.index(outcome)])

    def utilities(self) -> dict[str, list[float]]:
        """Party -> its utility for every outcome, in the order of `outcomes`."""
        return {name: self.space.utilities[row].tolist() for row, name in enumerate(self.preferences)}

    def zone(self) -> list[Outcome]:
        """The zone of possible agreement: all outcomes that pass."""
        return [self.outcome_at(int(index)) for index in self.space.passing.nonzero()[0]]

    def pareto(self) -> list[Outcome]:
        """The efficient deals: none is better for one party and worse for none. What a deal is: `Space.deals`."""
        return [self.outcome_at(index) for index in self.space.pareto]

    def ideal(self, party: str) -> float | None:
        """The best utility that a party can get from a deal; None where there is no deal."""
        space, row = self.space, self._row(party)
        return float(space.utilities[row][space.deals].max()) if len(space.deals) else None

    @property
    def nash_point(self) -> Outcome | None:
        """The deal with the largest product of gains over the reservation values (Nash 1950); see `Space.rank`."""
        return self._point(self.space.nash)

    @property
    def kalai_smorodinsky_point(self) -> Outcome | None:
        """The deal whose smallest share of what its party could gain at best is largest (Kalai, Smorodinsky 1975)."""
        return self._point(self.space.kalai_smorodinsky)

    @property
    def egalitarian(self) -> Outcome | None:
        """The deal whose smallest gain is largest (Kalai 1977)."""
        return self._point(self.space.egalitarian)

    @property
    def utilitarian(self) -> Outcome | None:
        """The deal with the largest sum of utilities."""
        return self._point(self.space.utilitarian)

    def to_dict(self) -> dict[str, Any]:
        """Return the scenario as plain JSON, to be read by `scenario_from` without loss."""
        return {
            "issues": [issue.to_dict() for issue in self.issues],
            "agents": {name: preferences.to_dict() for name, preferences in self.preferences.items()},
            "veto": list(self.veto),
            "needed": self.needed,
            "limit": self.limit,
        }

    def _point(self, index: int | None) -> Outcome | None:
        return None if index is None else self.outcome_at(index)

    def _row(self, party: str) -> int:
        if party not in self.preferences:
            names = list(self.preferences)
            raise ConfigError(f"There is no party {shown(party)}. Parties: {', '.join(names)}.{hint(party, names)}")
        return list(self.preferences).index(party)


def scenario_from(given: Any) -> Scenario:
    """Read a scenario from plain JSON: {"issues", "agents", and perhaps "veto", "needed", "limit"}.

    Raises:
        ConfigError: It makes no sense; the message names the key.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"A scenario was {shown(given)}; give an object with issues and agents.")
    refuse_unknown("The scenario", given, ("issues", "agents", "veto", "needed", "limit"))
    for key in ("issues", "agents"):
        if key not in given:
            raise ConfigError(f"The scenario has no {key}.")
    veto, limit = given.get("veto"), given.get("limit")
    if not isinstance(veto, list | tuple | None):
        raise ConfigError(f"veto was {shown(veto)}; give a list of parties.")
    return Scenario(
        given["issues"], given["agents"], veto or (), given.get("needed"), MAX_OUTCOMES if limit is None else limit
    )


def _parties(given: Any) -> dict[str, Preferences]:
    if not isinstance(given, Mapping) or not 2 <= len(given) <= MAX_PARTIES:
        number = len(given) if isinstance(given, Mapping) else shown(given)
        raise ConfigError(f"Parties: {number}; give a mapping from 2 to {MAX_PARTIES} parties to their preferences.")
    found: dict[str, Preferences] = {}
    for name, preferences in given.items():
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"The name of a party was {shown(name)}; give some text.")
        try:
            found[name] = Preferences.of(preferences)
        except ConfigError as error:
            raise ConfigError(f"{name!r}: {error}") from error
    return dict(sorted(found.items()))
