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
from .amounts import plain
from .consensus.counting import weight_of
from .consensus.voting import tally
from .issues import number_of

MOST_LISTED = 8  # options that a sentence names: there may be thousands of ways to share goods out


@dataclass(frozen=True, slots=True)
class Views:
    """What each agent thinks of each option, exactly.

    Args:
        options: What can be chosen.
        utilities: Agent -> one utility for each option.
        reservation: Agent -> the utility below which it accepts nothing; 0 for who is not named.
        weights: Agent -> weight; 1 for who is not named.
        ordinal: Whether the utilities were made from rankings, so that only their order means something.
        values: What each option stands for, as JSON; the options themselves when left out.
    """

    options: tuple[str, ...]
    utilities: Mapping[str, tuple[Fraction, ...]]
    reservation: Mapping[str, Fraction] = field(default_factory=dict)
    weights: Mapping[str, Fraction] = field(default_factory=dict)
    ordinal: bool = False
    values: tuple[Any, ...] = ()

    def value(self, place: int) -> Any:
        """What an option stands for."""
        return self.values[place] if self.values else self.options[place]

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
        """The places of the options that nobody must refuse, by name; none where nobody said anything."""
        places = [i for i in range(len(self.options)) if all(self.gain(agent, i) >= 0 for agent in self.agents)]
        return sorted(places, key=self.options.__getitem__) if self.utilities else []

    def shares(self, among: Sequence[int]) -> dict[int, list[Fraction]]:
        """Place -> each agent's gain as a share of the best that it could get; 1 for who can gain nothing."""
        best = {agent: max(self.gain(agent, i) for i in among) for agent in self.agents}
        return {i: [self.gain(a, i) / best[a] if best[a] else Fraction(1) for a in self.agents] for i in among}


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

    In a ranking an option is worth the share of the other options that stand below it (Borda). When only some agents
    gave utilities, all are read as rankings, because numbers of different kinds cannot be weighed against each other;
    what an agent refuses by its utilities it still refuses. A reservation says nothing about a ranking.

    Raises:
        ConfigError: A utility, reservation or weight that is none, or no utility for an option.

    Example:
        >>> views = views_of(["tea", "milk"], {"ann": ["milk", "tea"], "bob": {"tea": 5, "milk": 1}})
        >>> views.utilities["bob"], views.ordinal
        ((Fraction(1, 1), Fraction(0, 1)), True)
    """
    if len(options) < 2:
        raise ConfigError(f"There are {len(options)} options; a conflict has at least 2.")
    worth = {agent: _worth(agent, options, one) for agent, one in preferences.items()}
    least = {a: number_of(f"The reservation value of {a!r}", one) for a, one in (reservation or {}).items()}
    ordinal = not all(isinstance(one, Mapping) for one in preferences.values())
    if ordinal:
        stated = [agent for agent, one in preferences.items() if isinstance(one, Mapping)]
        least = {agent: _lowest_rank(worth[agent], least.get(agent, Fraction(0))) for agent in stated}
        worth = {agent: _ranked(numbers) for agent, numbers in worth.items()}
    return Views(tuple(options), worth, least, {a: weight_of(a, one) for a, one in (weights or {}).items()}, ordinal)


def majority_rule(views: Views) -> Settlement:
    """The option that more than half want first; without one, instant runoff; a tie is broken by name, and said.

    Every agent has one vote, whatever its weight. Who likes several options alike votes for them in the order of their
    names.
    """
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
        words = f"nobody has more than half of the first votes ({votes}), nor wins the instant runoff"
    return _settled("majority_rule", views, [counted.winner] if counted.winner else sorted(counted.tied), words)


def weighted_compromise(views: Views) -> Settlement:
    """The acceptable option with the largest weighted sum of shares of gain; then the fairer, then the first name."""
    places = views.acceptable()
    if not places:
        return _refused("weighted_compromise", views)
    weights = [views.weight(agent) for agent in views.agents]
    worth = {
        place: (sum((w * s for w, s in zip(weights, shares, strict=True)), Fraction(0)), min(shares))
        for place, shares in views.shares(places).items()
    }
    share = max(worth.values())[0] / sum(weights)
    words = f"it gives everybody on weighted average {float(share):.0%} of what they could gain"
    return _settled("weighted_compromise", views, _best(views, worth), words)


def arbitration(views: Views, verdict: str | None = None, judge: str = "") -> Settlement:
    """What an arbiter decided, or else by rule: the acceptable option whose smallest share of gain is largest.

    By rule equals are told apart by the sum of shares, then by name.

    Args:
        views: What everybody thinks.
        verdict: The arbiter's choice; None when there is none, or it said nothing usable.
        judge: The arbiter's name.
    """
    places = views.acceptable()
    if not places:
        return _refused("arbitration", views)
    who = judge or "the arbiter"
    if verdict in [views.options[i] for i in places]:
        return _settled("arbitration", views, [str(verdict)], f"{who} decided so")
    note = f"{judge} gave no verdict; by rule " if judge else "by rule "
    if verdict is not None:
        flaw = "somebody must refuse" if verdict in views.options else "is no option"
        note = f"{who} chose {verdict}, which {flaw}; by rule "
    worth = {place: (min(shares), sum(shares)) for place, shares in views.shares(places).items()}
    least = float(max(worth.values())[0])
    words = f"{note}the smallest share of gain is largest: nobody gets less than {least:.0%} of what it could"
    return _settled("arbitration", views, _best(views, worth), words)


def pivot_auction(views: Views) -> Settlement:
    """The acceptable option with the largest sum of utilities; who changes the outcome pays what it costs the others.

    Clarke, Multipart Pricing of Public Goods (1971). Among the options that all accept nobody gains by false utilities,
    and nobody ends below its reservation, payment included; but who falsely refuses an option can gain by it. The
    payments go to nobody: utility must be something that can be paid over. Weights do not count.
    """
    places = views.acceptable()
    if not places:
        return _refused("auction", views)
    total = {i: sum((views.utilities[agent][i] for agent in views.agents), Fraction(0)) for i in places}
    best = _best(views, total)
    chosen = views.options.index(best[0])
    payments = {}
    for agent in views.agents:
        others = {i: total[i] - views.utilities[agent][i] for i in places}
        payments[agent] = max(others.values()) - others[chosen]
    paid = ", ".join(f"{agent} pays {plain(price)}" for agent, price in payments.items() if price)
    words = f"its sum of utilities is largest ({plain(total[chosen])}); "
    words += paid or "nobody changes the outcome, so nobody pays"
    return _settled("auction", views, best, words, payments=payments)


def nash_choice(views: Views) -> Settlement:
    """The acceptable option with the largest product of gains (Nash 1950); then the fairer, then the first by name.

    Where not all can gain at once, as many as possible do, and the product is theirs: the maximum Nash welfare of
    Caragiannis et al., The Unreasonable Fairness of Maximum Nash Welfare (2019). Weights do not count.
    """
    places = views.acceptable()
    if not places:
        return _refused("game_theory", views)
    gaining = {i: sum(views.gain(agent, i) > 0 for agent in views.agents) for i in places}
    worth = {
        place: (gaining[place], prod((share for share in shares if share), start=Fraction(1)), min(shares))
        for place, shares in views.shares(places).items()
    }
    most, product, _ = max(worth.values())
    who = "all" if most == len(views.agents) else f"{most} of {len(views.agents)}"
    words = f"the product of the shares of gain is largest ({float(product):.3g}), and {who} gain: the Nash choice"
    return _settled("game_theory", views, _best(views, worth), words)


def meet(positions: Mapping[str, Any], weights: Mapping[str, Any] | None = None) -> Settlement:
    """One number for several positions: the weighted mean of two, the weighted median of more.

    The median is the choice that wins against every other in a vote when all want a number near their own (Black 1948),
    and nobody moves it closer by exaggerating. An even split takes the middle of the two medians, which those two can
    move, as both of two can the mean.

    Raises:
        ConfigError: A position or a weight that is none.

    Example:
        >>> meet({"ann": 10, "bob": 30, "cem": 80}).outcome, meet({"ann": 10, "bob": 30}, {"ann": 3, "bob": 1}).outcome
        (30, 15)
    """
    if not positions:
        return Settlement("weighted_compromise", None, "nobody named a number")
    wanted = {agent: number_of(f"The position of {agent!r}", one) for agent, one in sorted(positions.items())}
    rows = sorted((one, weight_of(agent, (weights or {}).get(agent, 1))) for agent, one in wanted.items())
    total = sum((weight for _, weight in rows), Fraction(0))
    if len(rows) < 3:
        value = sum((position * weight for position, weight in rows), Fraction(0)) / total
        words = "the weighted mean of 2 positions" if len(rows) == 2 else "the only position"
    else:
        lower = next(p for i, (p, _) in enumerate(rows) if 2 * sum(w for _, w in rows[: i + 1]) >= total)
        upper = next(p for i, (p, _) in enumerate(rows) if 2 * sum(w for _, w in rows[: i + 1]) > total)
        value = (lower + upper) / 2
        note = "which nobody moves closer by exaggerating" if lower == upper else "which are evenly split"
        words = f"the weighted median of {len(rows)} positions, {note}"
    far = {agent: plain(-abs(one - value)) for agent, one in wanted.items()}
    return Settlement("weighted_compromise", plain(value), words, far)


WAYS = {
    "majority_rule": majority_rule,
    "weighted_compromise": weighted_compromise,
    "arbitration": arbitration,
    "auction": pivot_auction,
    "game_theory": nash_choice,
}
"""Strategy -> how it settles a conflict over options; negotiation is in `negotiation.py`."""


def _worth(agent: str, options: Sequence[str], given: Sequence[str] | Mapping[str, Any]) -> tuple[Fraction, ...]:
    """A number for each option, of which only the order means something where a ranking was given."""
    if isinstance(given, Mapping):
        return tuple(number_of(f"The utility of {one!r} for {agent!r}", given.get(one)) for one in options)
    return tuple(Fraction(-(given.index(one) if one in given else len(options))) for one in options)


def _ranked(numbers: Sequence[Fraction]) -> tuple[Fraction, ...]:
    return tuple(Fraction(sum(other < own for other in numbers), len(numbers) - 1) for own in numbers)


def _lowest_rank(numbers: Sequence[Fraction], least: Fraction) -> Fraction:
    """The rank of the worst option that is accepted; 2, above every rank, where none is."""
    ranks = zip(_ranked(numbers), numbers, strict=True)
    return min((rank for rank, number in ranks if number >= least), default=Fraction(2))


def _best(views: Views, worth: Mapping[int, Any]) -> list[str]:
    """The options of the largest worth, in the order of the places given: by name."""
    most = max(worth.values())
    return [views.options[place] for place, one in worth.items() if one == most]


def _refused(strategy: str, views: Views) -> Settlement:
    places = sorted(range(len(views.options)), key=views.options.__getitem__)
    refused = {agent: [views.options[i] for i in places if views.gain(agent, i) < 0] for agent in views.agents}
    words = "; ".join(f"{agent} accepts none of {_listed(some)}" for agent, some in refused.items() if some)
    why = f"no option is acceptable to all: {words}" if refused else "nobody said what it thinks of the options"
    return Settlement(strategy, None, why)


def _settled(
    strategy: str,
    views: Views,
    best: Sequence[str],
    words: str,
    *,
    payments: Mapping[str, Fraction] | None = None,
) -> Settlement:
    """The first of the best options; a tie is said."""
    option, place = best[0], views.options.index(best[0])
    utilities = {agent: plain(views.utilities[agent][place]) for agent in views.agents}
    paid = {agent: plain(price) for agent, price in (payments or {}).items()}
    tied = tuple(best) if len(best) > 1 else ()
    if tied:
        words += f"; {_listed(tied)} are tied, and the first by name was taken"
    return Settlement(strategy, views.value(place), f"{option}: {words}", utilities, paid, tied)


def _listed(options: Sequence[str]) -> str:
    more = f" and {len(options) - MOST_LISTED} more" if len(options) > MOST_LISTED else ""
    return f"{', '.join(options[:MOST_LISTED])}{more}"
