"""Three protocols of negotiation, one round each: monotonic concession, alternating offers, a mediated text; pure.

Outcomes are numbers of a `Space`, parties stand in the order of their names, and nothing is remembered here: a round is
told the offers of the one before.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import prod

from .outcome_space import Array, Space

MEDIATOR = "mediator"

# utility given up = time ** (p / q): Faratin, Sierra and Jennings (1998), Negotiation decision functions.
CONCESSIONS = {"linear": (1, 1), "boulware": (4, 1), "conceder": (1, 4)}


@dataclass(frozen=True, slots=True)
class Past:
    """What a round starts from: its number, the cap, and the standing offer of each party (or the mediator's text)."""

    number: int
    rounds: int | None
    offers: Mapping[str, int]
    concession: str
    seed: int


@dataclass(frozen=True, slots=True)
class Round:
    """What a round brought: the offers in the order they were made, the deal, or that nothing can move any more."""

    made: Sequence[tuple[str, int, bool]]  # who, the outcome, whether it gives up something for it
    deal: int | None = None
    by: Sequence[str] = ()  # whose offer it was
    stuck: bool = False


def zeuthen(space: Space, past: Past) -> Round:
    """Monotonic concession by Zeuthen's rule: who has most to lose from a conflict concedes, and no more than it must.

    Every party opens with its best deal. Then, round by round, the party whose offer has the smallest Nash product
    concedes: it offers the deal that is best for itself among those with a larger product than any offer on the table.
    "Larger" is the order of `Space.rank`, in which no two deals are equal. An offer that gives every party at least
    what its own offer gives it is the deal.

    For two parties this is Zeuthen (1930): the willingness to risk a conflict is the share of its gain that a party
    loses by giving in, r1 = (g1(x1) - g1(x2)) / g1(x1), and the one with the smaller risk concedes. r1 <= r2 means
    g1(x2) / g1(x1) >= g2(x1) / g2(x2), and so g1(x2) g2(x2) >= g1(x1) g2(x1): the party with the smaller product
    (Harsanyi 1956). For more parties it is the product-increasing strategy of Endriss (2006), Monotonic concession
    protocols for multilateral negotiation.

    It ends, uncapped, because each round raises the smallest rank on the table and there are finitely many. It ends at
    the Nash point N: N has a higher rank than any offer that is improved on, so it is among the deals to choose from,
    and no party ever offers what is worse for itself than N. So the offer agreed on is worse than N for nobody, and
    what is better for somebody would have a higher rank than the highest: it gives everybody exactly what N does.
    """
    offers, conceding = dict(past.offers), set(space.names)
    if not offers:
        conceding = set()
        offers = {name: int(space.ladder(row)[0][0]) for row, name in enumerate(space.names)}
    else:
        ranks = {name: space.rank_of(offer) for name, offer in offers.items()}
        behind, ahead = min(ranks.values()), max(ranks.values())
        conceding = {name for name, rank in ranks.items() if rank == behind}
        for name in conceding:
            deals, standing = space.ladder(space.names.index(name))
            rung = min(int(standing.searchsorted(ahead, side="right")), len(deals) - 1)
            offers[name] = int(deals[rung])
    made = [(name, offers[name], name in conceding) for name in space.names]
    content = [offer for offer in offers.values() if _suits_all(space, offer, offers)]
    if not content:
        return Round(made)
    deal = max(content, key=space.rank_of)
    return Round(made, deal, [name for name in space.names if offers[name] == deal])


def alternating(space: Space, past: Past) -> Round:
    """Alternating offers (Rubinstein 1982) of parties whose demands fall with time.

    In each round every party offers once, in the order of names. At time t = (round - 1) / rounds it demands its best
    utility less t (linear), t^4 (boulware) or t^(1/4) (conceder) of the way to its reservation value, and offers the
    outcome that is worth just that much to it; of several, the one most like the offer on the table. The others accept
    what is worth at least as much as what they would offer next; after their last turn, whatever suits them. The deal
    is the first offer that enough accept: all, or as many as the scenario says.
    """
    rounds = past.rounds or 1
    offers, made = dict(past.offers), []
    now, later = Fraction(past.number - 1, rounds), Fraction(past.number, rounds)
    table = offers.get(space.names[-1])
    for row, name in enumerate(space.names):
        offer = _demand(space, row, now, past.concession, table)
        if offer is None:
            continue
        before = offers.get(name)
        made.append((name, offer, before is not None and bool(space.levels[row][offer] < space.levels[row][before])))
        offers[name] = table = offer
        accepting = {row}
        for other in range(len(space.names)):
            wanted = _demand(space, other, later if other < row else now, past.concession, table)
            if wanted is not None and space.levels[other][offer] >= space.levels[other][wanted]:
                accepting.add(other)
        if len(accepting) >= space.needed and accepting.issuperset(space.veto):
            return Round(made, offer, [name])
    return Round(made)


def mediated(space: Space, past: Past) -> Round:
    """A single negotiating text (Fisher; Raiffa 1982): a mediator proposes changes, and the parties say yes or no.

    The first text is drawn by lot. In a round the mediator goes through the issues in an order drawn anew and proposes
    other values for each, also drawn; the first that all accept goes into the text. If nothing was changed it tries
    pairs of issues, and if that changes nothing the text is final. A party accepts what does not make it worse off.
    While the text does not pass, a party also accepts what leaves it at least its reservation value, provided that it
    helps one that has less than that.
    """
    rng = random.Random(f"{past.seed} {past.number}")
    made, text = [], past.offers.get(MEDIATOR)
    if text is None:
        text = rng.randrange(space.count)
        made.append((MEDIATOR, text, False))
    before = text
    for issue in rng.sample(range(len(space.sizes)), len(space.sizes)):
        text = _changed(space, text, _variants(space, text, [issue]), rng)
    if text == before and len(space.sizes) > 1:
        pairs = [
            variant
            for pair in combinations(range(len(space.sizes)), 2)
            for variant in _variants(space, text, list(pair))
        ]
        text = _changed(space, text, pairs, rng)
    if text != before or not made:
        made.append((MEDIATOR, text, text != before))
    if text != before:
        return Round(made)
    return Round(made, text, [MEDIATOR]) if space.passing[text] else Round(made, stuck=True)


PROTOCOLS: dict[str, Callable[[Space, Past], Round]] = {
    "zeuthen": zeuthen,
    "alternating": alternating,
    "mediated": mediated,
}


def _suits_all(space: Space, offer: int, offers: Mapping[str, int]) -> bool:
    own = [offers[name] for name in space.names]
    return all(space.levels[row][offer] >= space.levels[row][mine] for row, mine in enumerate(own))


def _demand(space: Space, row: int, time: Fraction, concession: str, table: int | None) -> int | None:
    """What a party offers at a time from 0 to 1; None when no outcome suits it at all."""
    (order, down), gains = space.order(row), space.gains[row]
    if not len(order):
        return None
    time_power, share_power = CONCESSIONS[concession]
    best = int(gains[order[0]])
    low, high = 0, len(order) - 1  # The last place in the order that is worth what is demanded.
    while low < high:
        middle = (low + high + 1) // 2
        given_up = best - int(gains[order[middle]])
        enough = given_up**share_power <= best**share_power * time**time_power
        low, high = (middle, high) if enough else (low, middle - 1)
    alike = order[int(down.searchsorted(down[low], side="left")) : low + 1]
    return int(alike[0]) if table is None or len(alike) == 1 else _most_like(space, alike, table)


def _most_like(space: Space, outcomes: Array, other: int) -> int:
    """The outcome that has most values in common with another; the first of several."""
    common = sum((outcomes // stride) % size == (other // stride) % size for stride, size in _strides(space))
    return int(outcomes[common.argmax()])


def _strides(space: Space) -> list[tuple[int, int]]:
    """For each issue the distance between outcomes that differ in one step of it, and how many values it has."""
    return [(prod(space.sizes[place + 1 :]), size) for place, size in enumerate(space.sizes)]


def _variants(space: Space, text: int, issues: Sequence[int]) -> list[int]:
    """All outcomes that differ from the text in exactly these issues."""
    found, strides = [text], _strides(space)
    for issue in issues:
        stride, size = strides[issue]
        own = (text // stride) % size
        found = [start + (value - own) * stride for start in found for value in range(size) if value != own]
    return found


def _changed(space: Space, text: int, variants: Sequence[int], rng: random.Random) -> int:
    """The first variant, in an order drawn by lot, that every party accepts; else the text."""
    drawn = rng.sample(variants, len(variants))
    before, after = space.levels[:, [text]], space.levels[:, drawn]
    fine, better = after >= before, after > before
    if not space.passing[text]:
        short = ~space.accepts[:, text]
        fine, better = fine | space.accepts[:, drawn], better[short]
    accepted = (fine.all(axis=0) & better.any(axis=0)).nonzero()[0]
    return drawn[int(accepted[0])] if len(accepted) else text
