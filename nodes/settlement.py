"""Settling a conflict over options when it is known what everybody thinks of each: five ways, all exact. Pure.

No way ever takes an option that is below what somebody accepts at least (its reservation): the sum of utilities is
largest at deals that a party must refuse more often than not, so every way looks at the options that all accept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any

from ..errors import ConfigError
from .consensus.voting import tally


@dataclass(frozen=True, slots=True)
class Views:
    """What each agent thinks of each option, exactly.

    Args:
        options: What can be chosen.
        utilities: Agent -> one utility for each option.
        reservation: Agent -> the utility below which it accepts nothing; 0 for who is not named.
        weights: Agent -> weight; 1 for who is not named.
        ordinal: Whether the utilities were made from rankings, so that only their order means something.
    """

    options: tuple[str, ...]
    utilities: Mapping[str, tuple[Fraction, ...]]
    reservation: Mapping[str, Fraction] = field(default_factory=dict)
    weights: Mapping[str, Fraction] = field(default_factory=dict)
    ordinal: bool = False

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents by name: nothing depends on the order in which they were given."""
        return tuple(sorted(self.utilities))

    def weight(self, agent: str) -> Fraction:
        return self.weights.get(agent, Fraction(1))

    def gain(self, agent: str, place: int) -> Fraction:
        """What an option gives an agent above its reservation."""
        return self.utilities[agent][place] - self.reservation.get(agent, Fraction(0))

    def acceptable(self) -> list[int]:
        """The places of the options that nobody must refuse, by name."""
        places = [i for i in range(len(self.options)) if all(self.gain(agent, i) >= 0 for agent in self.agents)]
        return sorted(places, key=self.options.__getitem__)

    def shares(self, place: int, among: Sequence[int]) -> list[Fraction]:
        """Each agent's gain as a share of the best it could get; 0 for who can gain nothing."""
        best = {agent: max(self.gain(agent, i) for i in among) for agent in self.agents}
        return [self.gain(a, place) / best[a] if best[a] else Fraction(0) for a in self.agents]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was decided, and why. `outcome` is None when nothing was; `payments`: agent -> what it pays."""

    strategy: str
    outcome: Any
    rationale: str
    utilities: Mapping[str, float] = field(default_factory=dict)
    payments: Mapping[str, float] = field(default_factory=dict)
    tied: tuple[str, ...] = ()

    @property
    def resolved(self) -> bool:
        """Whether there is an outcome."""
        return self.outcome is not None

    def to_dict(self) -> dict[str, Any]:
        """The settlement as JSON."""
        return {
            "strategy": self.strategy,
            "outcome": self.outcome,
            "rationale": self.rationale,
            "utilities": dict(self.utilities),
            "payments": dict(self.payments),
            "tied": list(self.tied),
        }


def views_of(
    options: Sequence[str],
    preferences: Mapping[str, Sequence[str] | Mapping[str, Any]],
    *,
    reservation: Mapping[str, Any] | None = None,
    weights: Mapping[str, Any] | None = None,
) -> Views:
    """Make views of rankings (best first; what is left out comes last) or of utilities.

    A ranking of k options gives k - 1 for the first down to 0, as a share (Borda). When only some agents gave
    utilities, all are read as rankings: numbers of different kinds cannot be weighed against each other.

    Example:
        >>> views = views_of(["tea", "milk"], {"ann": ["milk", "tea"], "bob": {"tea": 5, "milk": 1}})
        >>> views.utilities["bob"], views.ordinal
        ((Fraction(1, 1), Fraction(0, 1)), True)
    """
    ordinal = not all(isinstance(one, Mapping) for one in preferences.values())
    utilities = {
        agent: _ranked(options, one) if ordinal else tuple(exact(one[option]) for option in options)
        for agent, one in preferences.items()
    }
    return Views(
        tuple(options),
        utilities,
        {} if ordinal else {agent: exact(least) for agent, least in (reservation or {}).items()},
        {agent: exact(weight) for agent, weight in (weights or {}).items()},
        ordinal,
    )


def majority_rule(views: Views) -> Settlement:
    """The option that more than half want first; without one, instant runoff; a tie is broken by name, and said."""
    places = views.acceptable()
    if not places:
        return _refused("majority_rule", views)
    ballots = {}
    for agent in views.agents:
        order = sorted((-views.utilities[agent][i], views.options[i]) for i in places)
        ballots[agent] = [option for _, option in order]
    first = tally(ballots, rule="majority")
    counted = first if first.decided else tally(ballots, rule="irv")
    votes = ", ".join(f"{option} {score}" for option, score in sorted(first.scores.items()))
    if first.decided:
        words = f"more than half want {first.winner} first ({votes} of {len(ballots)})"
    elif counted.decided:
        words = f"nobody has more than half of the first votes ({votes}); {counted.winner} wins the instant runoff"
    else:
        words = f"{', '.join(counted.tied)} are tied ({votes}); the first by name was taken"
    winner = counted.winner or min(counted.tied)
    return _settled("majority_rule", views, winner, words, tied=counted.tied)


def weighted_compromise(views: Views) -> Settlement:
    """The acceptable option with the largest weighted sum of shares of gain; then the fairer, then the first name."""
    places = views.acceptable()
    if not places:
        return _refused("weighted_compromise", views)
    weights = [views.weight(agent) for agent in views.agents]

    def worth(place: int) -> tuple[Fraction, Fraction]:
        shares = views.shares(place, places)
        return sum((w * s for w, s in zip(weights, shares, strict=True)), Fraction(0)), min(shares)

    best = max(places, key=lambda place: (worth(place), -places.index(place)))
    total = worth(best)[0] / sum(weights)
    tied = tuple(views.options[i] for i in places if worth(i) == worth(best)) if best else ()
    words = f"it gives everybody on weighted average {float(total):.0%} of what they could gain"
    return _settled("weighted_compromise", views, views.options[best], words, tied=tied if len(tied) > 1 else ())


def arbitration(views: Views, verdict: str | None = None, judge: str = "") -> Settlement:
    """What an arbiter decided, or else by rule: the acceptable option whose smallest share of gain is largest.

    Args:
        views: What everybody thinks.
        verdict: The arbiter's choice; None when there is none, or it said nothing usable.
        judge: The arbiter's name.
    """
    places = views.acceptable()
    if not places:
        return _refused("arbitration", views)
    if verdict is not None:
        if verdict in [views.options[i] for i in places]:
            return _settled("arbitration", views, verdict, f"{judge or 'the arbiter'} decided so")
        note = f"{judge or 'the arbiter'} chose {verdict}, which somebody must refuse; by rule "
    else:
        note = f"{judge} gave no verdict; by rule " if judge else "by rule "
    shares = {place: views.shares(place, places) for place in places}
    best = max(places, key=lambda place: (min(shares[place]), sum(shares[place]), -places.index(place)))
    least = float(min(shares[best]))
    words = f"{note}the smallest share of gain is largest: nobody gets less than {least:.0%} of what it could"
    return _settled("arbitration", views, views.options[best], words)


def pivot_auction(views: Views) -> Settlement:
    """The acceptable option with the largest sum of utilities; who changes the outcome pays what it costs the others.

    Clarke, Multipart Pricing of Public Goods (1971). Truthful, but the payments go to nobody: utility must be something
    that can be paid over.
    """
    places = views.acceptable()
    if not places:
        return _refused("auction", views)

    def best_for(agents: Sequence[str]) -> tuple[int, Fraction]:
        worth = {i: sum((views.utilities[agent][i] for agent in agents), Fraction(0)) for i in places}
        place = max(places, key=lambda i: (worth[i], -places.index(i)))
        return place, worth[place]

    chosen, total = best_for(views.agents)
    payments = {}
    for agent in views.agents:
        others = [other for other in views.agents if other != agent]
        payments[agent] = best_for(others)[1] - (total - views.utilities[agent][chosen])
    paid = ", ".join(f"{agent} pays {plain(price)}" for agent, price in payments.items() if price)
    words = f"its sum of utilities is largest ({plain(total)}); {paid or 'nobody changes the outcome, so nobody pays'}"
    return _settled("auction", views, views.options[chosen], words, payments=payments)


def nash_choice(views: Views) -> Settlement:
    """The acceptable option with the largest product of gains (Nash 1950); then the fairer, then the first by name."""
    places = views.acceptable()
    if not places:
        return _refused("game_theory", views)

    def worth(place: int) -> tuple[Fraction, Fraction]:
        gains = [views.gain(agent, place) for agent in views.agents]
        return prod(gains, start=Fraction(1)), min(views.shares(place, places))

    best = max(places, key=lambda place: (worth(place), -places.index(place)))
    words = f"the product of what all gain is largest ({plain(worth(best)[0])}): the Nash bargaining choice"
    return _settled("game_theory", views, views.options[best], words)


def meet(positions: Mapping[str, Any], weights: Mapping[str, Any] | None = None) -> Settlement:
    """One number for several positions: the weighted mean of two, the weighted median of more.

    The median is the choice that wins against every other in a vote when all want a number near their own (Black 1948),
    and nobody moves it by exaggerating. An even split takes the middle of the two medians.

    Example:
        >>> meet({"ann": 10, "bob": 30, "cem": 80}).outcome, meet({"ann": 10, "bob": 30}, {"ann": 3, "bob": 1}).outcome
        (30, 15)
    """
    if not positions:
        return Settlement("weighted_compromise", None, "nobody named a number")
    share = {agent: exact((weights or {}).get(agent, 1)) for agent in positions}
    rows = sorted((exact(position), share[agent]) for agent, position in positions.items())
    total = sum((weight for _, weight in rows), Fraction(0))
    if len(rows) < 3:
        value = sum((position * weight for position, weight in rows), Fraction(0)) / total
        words = f"the weighted mean of {len(rows)} positions"
    else:
        lower = next(p for i, (p, _) in enumerate(rows) if 2 * sum(w for _, w in rows[: i + 1]) >= total)
        upper = next(p for i, (p, _) in enumerate(rows) if 2 * sum(w for _, w in rows[: i + 1]) > total)
        value = (lower + upper) / 2
        words = f"the weighted median of {len(rows)} positions, which nobody moves by exaggerating"
    far = {agent: plain(-abs(exact(position) - value)) for agent, position in sorted(positions.items())}
    return Settlement("weighted_compromise", plain(value), words, far)


WAYS = {
    "majority_rule": majority_rule,
    "weighted_compromise": weighted_compromise,
    "arbitration": arbitration,
    "auction": pivot_auction,
    "game_theory": nash_choice,
}
"""Strategy -> how it settles a conflict over options; negotiation is in `negotiation.py`."""


def exact(number: Any) -> Fraction:
    """A number as it was written: 0.1 is one tenth."""
    return number if isinstance(number, Fraction) else Fraction(str(number))


def _ranked(options: Sequence[str], given: Sequence[str] | Mapping[str, Any]) -> tuple[Fraction, ...]:
    if isinstance(given, Mapping):
        order = sorted(set(given.values()), reverse=True)
        places = {option: order.index(given[option]) for option in options}
    else:
        places = {option: given.index(option) if option in given else len(options) - 1 for option in options}
    last = len(options) - 1
    if last < 1:
        raise ConfigError(f"There are {len(options)} options; a conflict has at least 2.")
    return tuple(Fraction(last - places[option], last) for option in options)


def _refused(strategy: str, views: Views) -> Settlement:
    refused = {
        agent: [option for i, option in enumerate(views.options) if views.gain(agent, i) < 0] for agent in views.agents
    }
    words = "; ".join(f"{agent} accepts none of {', '.join(some)}" for agent, some in refused.items() if some)
    return Settlement(strategy, None, f"no option is acceptable to all: {words}")


def _settled(
    strategy: str,
    views: Views,
    option: str,
    words: str,
    *,
    payments: Mapping[str, Fraction] | None = None,
    tied: Sequence[str] = (),
) -> Settlement:
    place = views.options.index(option)
    utilities = {agent: plain(views.utilities[agent][place]) for agent in views.agents}
    paid = {agent: plain(price) for agent, price in (payments or {}).items()}
    return Settlement(strategy, option, f"{option}: {words}", utilities, paid, tuple(tied))


def plain(number: Fraction) -> float | int:
    """An exact number as JSON."""
    return int(number) if number == int(number) else float(number)
