"""Auctions: who gets a task, at what price, and why. `award` is for one task; `vcg` and its neighbours are for several.

A result is always given: with a reason where there is no award. Nothing depends on the order in which bids arrive,
except that of two bids of one agent the first counts.

No other rule than vickrey, second_score and vcg makes the truth every bidder's best bid, and these three only while
bidders do not collude or bid under several names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Integral
from typing import Any

from ..errors import ConfigError, nearest
from .allocation import Allocation, allocate, in_turn, vcg
from .amounts import Number, as_given, as_json, exact, fraction, shown

__all__ = ["Allocation", "Award", "allocate", "award", "explain", "in_turn", "vcg"]

KINDS = ("first_price", "english", "vickrey", "second_score")
DIRECTIONS = ("procure", "sell")
TRUTHFUL = ("vickrey", "second_score")
BEYOND = {"procure": "above the reserve", "sell": "below the reserve"}
MAX_ROUNDS = 1000

Rank = Fraction | int


@dataclass(frozen=True, slots=True)
class Award:
    """What an auction of one item gave.

    Attributes:
        winner: None where there is no award.
        price: What the winner is paid (procure) or pays (sell), in the numbers' own type; None without an award.
        kind: The rule.
        direction: procure or sell.
        reason: Why there is no award, or that a tie was broken; else empty.
        tied: All that were equally good, where there were several; the smallest id among them wins.
        runner_up: The next best.
        rejected: Agent -> why its bid, or its second one, did not count, with what it bid.
        bids: Agent -> bid, for those that counted.
        rounds: Of an english auction: {"price", "active": who was willing}; of more than 1,000 rounds every k-th, and
            always the first and the last.
        round_count: How many rounds there were.
    """

    winner: str | None
    price: Number | None
    kind: str
    direction: str
    reason: str = ""
    tied: tuple[str, ...] = ()
    runner_up: str | None = None
    rejected: Mapping[str, str] = field(default_factory=dict)
    bids: Mapping[str, Number] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    round_count: int = 0

    @property
    def decided(self) -> bool:
        """Whether there is a winner."""
        return self.winner is not None

    @property
    def truthful(self) -> bool:
        """Whether no bidder could have gained by another bid than its true cost or value, whatever the others bid."""
        return self.kind in TRUTHFUL

    def to_dict(self) -> dict[str, Any]:
        """Return the award as plain JSON values; fractions become floats."""
        return {
            "decided": self.decided,
            "winner": self.winner,
            "price": None if self.price is None else as_json(self.price),
            "kind": self.kind,
            "direction": self.direction,
            "reason": self.reason,
            "tied": list(self.tied),
            "runner_up": self.runner_up,
            "rejected": dict(self.rejected),
            "bids": {agent: as_json(bid) for agent, bid in self.bids.items()},
            "rounds": [{"price": as_json(row["price"]), "active": list(row["active"])} for row in self.rounds],
            "round_count": self.round_count,
            "truthful": self.truthful,
        }


def award(
    kind: str,
    bids: Mapping[str, Any] | Sequence[tuple[str, Any]],
    *,
    reserve: Number | None = None,
    direction: str = "procure",
    step: Number = 1,
    quality: Mapping[str, Number] | None = None,
) -> Award:
    """Award one item by an auction.

    Args:
        kind: first_price (the best bid is the price), vickrey (the second-best bid is the price, the reserve for a lone
            bidder; Vickrey 1961), english (a clock moves from the reserve by `step` while two or more are willing; each
            bid is the limit up to which its agent stays), second_score (the highest quality minus bid wins, if it is
            not below 0, and is paid the most it could have asked for and still won; Che 1993, procure only).
        bids: Agent -> bid, or (agent, bid) pairs. A bid that is no finite number of 0 or more is rejected with the
            reason; of two bids of an agent the first counts.
        reserve: The most that is paid (procure), the least that is taken (sell); a bid equal to it is eligible. To
            procure from a lone bidder at any but its own price needs one: nothing else bounds the price.
        direction: procure (agents bid their costs, the lowest wins) or sell (values, the highest wins).
        step: By how much the clock of an english auction moves. Its price is within one step of the second-best bid.
        quality: For second_score: agent -> what its work is worth to the buyer, in units of money. The buyer sets it
            beforehand; a bidder that could raise it in its bid would.

    Returns:
        The award. Equal bids go to the smallest id, compared as text.

    Raises:
        ConfigError: An unknown kind or direction, a reserve, step or quality that is no amount, bids that are no
            mapping.

    Example:
        >>> award("vickrey", {"ann": 9, "bob": 37, "cem": 55}, reserve=40).price
        37
        >>> award("english", {"ann": 31, "bob": 25}, reserve=40).price
        30
        >>> award("second_score", {"ann": 7, "bob": 25}, quality={"ann": 47, "bob": 48}).price
        24
        >>> award("first_price", {"ann": 12}, reserve=10).reason
        'no bid meets the reserve of 10'
    """
    sale = _sale(kind, direction, reserve, step, quality)
    counted, rejected = sale.sort(_pairs(bids))
    ranks = sale.ranks(counted)
    order = sorted(counted, key=lambda agent: (ranks[agent], agent))
    obstacle = sale.obstacle(order, ranks, rejected)
    if obstacle:
        return Award(None, None, kind, direction, obstacle, rejected=rejected, bids=counted)
    tied = [agent for agent in order if ranks[agent] == ranks[order[0]]]
    rounds, round_count = sale.rounds(counted, ranks) if kind == "english" else ([], 0)
    return Award(
        order[0],
        sale.price(counted, ranks, order),
        kind,
        direction,
        f"{', '.join(tied)} are tied, and the smallest id wins" if len(tied) > 1 else "",
        tuple(tied) if len(tied) > 1 else (),
        order[1] if len(order) > 1 else None,
        rejected,
        counted,
        rounds,
        round_count,
    )


def explain(award: Award) -> str:
    """Say in a sentence or two why this agent wins at this price, or why nobody does.

    Example:
        >>> explain(award("vickrey", {"ann": 9, "bob": 37, "cem": "$5"}))
        "ann wins and is paid 37: the lowest bid wins, and the price is the next one, bob's. Not counted: cem (not a \
number: '$5')."
        >>> explain(award("vickrey", {"ann": 9}))
        'No award: ann bid alone, so that nothing bounds the price: give reserve=.'
    """
    sentences = [f"No award: {award.reason}."]
    if award.winner is not None and award.price is not None:
        verb = "is paid" if award.direction == "procure" else "pays"
        sentences = [f"{award.winner} wins and {verb} {_plain(award.price)}: {_why(award)}."]
        if award.reason:
            sentences[0] = f"{sentences[0][:-1]}; {award.reason}."
    if award.rejected:
        named = [f"{agent} ({why})" for agent, why in award.rejected.items()]
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        sentences.append(f"Not counted: {', '.join(named[:5])}{more}.")
    return " ".join(sentences)


def _why(award: Award) -> str:
    best = "lowest" if award.direction == "procure" else "highest"
    if award.kind == "first_price":
        return f"the {best} bid wins, and is the price"
    if award.kind == "second_score":
        return "the highest quality minus bid wins, and the price is the most it could have asked for and still won"
    if award.runner_up is None:
        return "it was the only eligible bidder, so the price is where bidding starts"
    if award.kind == "vickrey":
        return f"the {best} bid wins, and the price is the next one, {award.runner_up}'s"
    if award.tied:
        return "the last bidders left the clock together, and this was its price before they did"
    return f"it alone stayed when the clock came to this price in round {award.round_count}"


# The terms of an auction, and the bids under them. The best bid has the lowest rank, whatever the rule.


@dataclass(frozen=True, slots=True)
class _Sale:
    kind: str
    direction: str
    reserve: Number | None
    step: Number
    quality: Mapping[str, Number]

    def sort(self, pairs: Sequence[tuple[str, Any]]) -> tuple[dict[str, Number], dict[str, str]]:
        """The bids that count, and why the others do not."""
        given: dict[str, list[Any]] = {}
        for agent, bid in pairs:
            given.setdefault(agent, []).append(bid)
        counted: dict[str, Number] = {}
        rejected: dict[str, str] = {}
        for agent, (bid, *more) in sorted(given.items()):
            wrong = self._wrong(agent, bid)
            again = f"bid twice: the first bid counts, not {', '.join(shown(later) for later in more)}" if more else ""
            if wrong or again:
                rejected[agent] = "; ".join(filter(None, (wrong, again)))
            if not wrong:
                counted[agent] = int(bid) if isinstance(bid, Integral) else bid
        return counted, rejected

    def _wrong(self, agent: str, bid: Any) -> str:
        number = "made no bid" if bid is None else exact(bid)
        if isinstance(number, str):
            return number
        if number < 0:
            return f"negative: {_plain(bid)}"
        if self.kind == "second_score" and agent not in self.quality:
            return f"its quality is not known; it bid {_plain(bid)}"
        if self.reserve is None or self._sign * number <= self._sign * fraction(self.reserve):
            return ""
        return f"{BEYOND[self.direction]} of {_plain(self.reserve)}: {_plain(bid)}"

    def obstacle(self, order: Sequence[str], ranks: Mapping[str, Rank], rejected: Mapping[str, str]) -> str:
        """Why there is no award; empty where there is one."""
        if not order:
            if any(why.startswith(BEYOND[self.direction]) for why in rejected.values()):
                return f"no bid meets the reserve of {_plain(self.reserve)}"
            return "none of the bids can be used" if rejected else "nobody bid"
        if len(order) == 1 and self.reserve is None and self.direction == "procure" and self.kind != "first_price":
            return f"{order[0]} bid alone, so that nothing bounds the price: give reserve="
        if self.kind == "second_score" and ranks[order[0]] > 0:
            return f"no bid is worth its price: the best score is {_plain(-ranks[order[0]])}"
        return ""

    def ranks(self, bids: Mapping[str, Number]) -> dict[str, Rank]:
        """The lower, the better. In an english auction who stays longest is best, and the clock sees no more."""
        if self.kind == "second_score":
            return {agent: fraction(bid) - fraction(self.quality[agent]) for agent, bid in bids.items()}
        ranks: dict[str, Rank] = {agent: self._sign * fraction(bid) for agent, bid in bids.items()}
        if self.kind != "english":
            return ranks
        start, step = self._sign * self._start(bids), fraction(self.step)
        return {agent: -((start - rank) // step) for agent, rank in ranks.items()}

    def price(self, bids: Mapping[str, Number], ranks: Mapping[str, Rank], order: Sequence[str]) -> Number:
        """What the winner, the first of the order, is paid or pays."""
        if self.kind == "first_price":
            return bids[order[0]]
        if self.kind == "vickrey":
            return bids[order[1]] if len(order) > 1 else (self.reserve if self.reserve is not None else 0)
        if self.kind == "english":
            return self._clock(bids, [min(-int(ranks[order[0]]), self._final(ranks))])[0]
        rival = max(-ranks[order[1]], Fraction(0)) if len(order) > 1 else Fraction(0)
        most = fraction(self.quality[order[0]]) - rival
        limits = [] if self.reserve is None else [self.reserve]
        amount = min([most, *(fraction(limit) for limit in limits)])
        return as_given(amount, [*bids.values(), *(self.quality[agent] for agent in order), *limits])

    def rounds(self, bids: Mapping[str, Number], ranks: Mapping[str, Rank]) -> tuple[list[dict[str, Any]], int]:
        """The rounds of the clock, or 1,000 evenly spaced ones of more, and how many there were."""
        final = self._final(ranks)
        if self.direction == "procure":
            final = min(final, int(self._start(bids) // fraction(self.step)))  # Nobody works for less than nothing.
        kept = min(final, MAX_ROUNDS - 1)
        ticks = [number * final // max(kept, 1) for number in range(kept + 1)]
        prices = self._clock(bids, ticks)
        active = [[agent for agent in bids if -ranks[agent] >= tick] for tick in ticks]
        return [{"price": p, "active": a} for p, a in zip(prices, active, strict=True)], final + 1

    @staticmethod
    def _final(ranks: Mapping[str, Rank]) -> int:
        """The tick that ends an english auction: the first at which fewer than two are willing."""
        return int(-sorted(ranks.values())[1]) + 1 if len(ranks) > 1 else 0

    def _clock(self, bids: Mapping[str, Number], ticks: Sequence[int]) -> list[Number]:
        start, step = self._start(bids), self._sign * fraction(self.step)
        given = [number for number in (*bids.values(), self.reserve, self.step) if isinstance(number, float)]
        return [as_given(start - tick * step, given) for tick in ticks]

    def _start(self, bids: Mapping[str, Number]) -> Fraction:
        if self.reserve is not None:
            return fraction(self.reserve)
        highest = max(map(fraction, bids.values()), default=Fraction(0))
        return highest if self.direction == "procure" else Fraction(0)

    @property
    def _sign(self) -> int:
        return 1 if self.direction == "procure" else -1


def _sale(kind: Any, direction: Any, reserve: Any, step: Any, quality: Any) -> _Sale:
    if kind == "vcg":
        raise ConfigError("vcg is for several tasks at once: use vcg(costs, capacities).")
    if kind not in KINDS:
        raise ConfigError(f"There is no auction {shown(kind)}. Kinds: {', '.join(KINDS)}.{nearest(str(kind), KINDS)}")
    if direction not in DIRECTIONS:
        hint = nearest(str(direction), DIRECTIONS)
        raise ConfigError(f"There is no direction {shown(direction)}; give procure or sell.{hint}")
    if reserve is not None:
        _amount("The reserve", reserve)
    if _amount("The step", step) == 0:
        raise ConfigError("The step was 0; the clock of an english auction moves by more.")
    if kind != "second_score":
        if quality is not None:
            raise ConfigError(f"A {kind} auction does not look at quality; leave it out, or use second_score.")
        return _Sale(kind, direction, reserve, step, {})
    if direction == "sell":
        raise ConfigError("A second_score auction buys work; it has no direction sell.")
    if not isinstance(quality, Mapping):
        raise ConfigError(
            f"The quality was {shown(quality)}; second_score needs agent -> what its work is worth to you."
        )
    for agent, worth in quality.items():
        _amount(f"The quality of {shown(agent)}", worth)
    return _Sale(kind, direction, reserve, step, quality)


def _amount(name: str, value: Any) -> Fraction:
    number = exact(value)
    if isinstance(number, str):
        raise ConfigError(f"{name} is {number}; give a finite number, 0 or more.")
    if number < 0:
        raise ConfigError(f"{name} is negative: {_plain(value)}; give a finite number, 0 or more.")
    return number


def _pairs(bids: Any) -> list[tuple[str, Any]]:
    pairs = list(bids.items()) if isinstance(bids, Mapping) else bids
    whole = isinstance(pairs, list | tuple)
    if not whole or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise ConfigError(f"The bids were {shown(bids)}; give a mapping agent -> bid, or a list of (agent, bid) pairs.")
    for agent, _ in pairs:
        if not isinstance(agent, str) or not agent:
            raise ConfigError(f"A bidder is named {shown(agent)}; give its name as text.")
    return [(agent, bid) for agent, bid in pairs]


def _plain(value: Any) -> str:
    number = fraction(value)
    return str(number.numerator) if number.denominator == 1 else str(float(number))
