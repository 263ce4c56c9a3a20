"""The equilibria of one support, exactly: by linear inequalities where one player mixes, else by algebra (sympy)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import Any, NamedTuple

from .algebra import Coefficients, Root, Solutions, basis_of, free_variables, is_finite
from .game import Number
from .polytope import Row, corners, value
from .supports import Support, View

SAMPLES = 12  # points that are tried where the solutions are a curve or more
ENOUGH = 3  # of them are kept


class Point(NamedTuple):
    """An equilibrium, Fractions where it is rational; `exact` is None where words would need more than square roots."""

    mixed: tuple[tuple[Number, ...], ...]
    exact: tuple[tuple[str, ...], ...] | None


@dataclass(slots=True)
class Found:
    """What a search has found; when all the lists but `points` are empty and `ended` is true, nothing is missed."""

    points: list[Point] = field(default_factory=list)  # isolated equilibria, and some of every continuum
    infinite: list[Support] = field(default_factory=list)  # They hold a continuum.
    undecided: list[Support] = field(default_factory=list)  # Their equations have a continuum, the support perhaps not.
    sampled: list[Support] = field(default_factory=list)  # searched by Newton's method
    ended: bool = True  # whether every support was looked at


def one_mixes(view: View, found: Found) -> None:
    """All others play one action each, so that the equilibria are a polytope.

    The player's own actions are equally good and none is better, or the support would be dominated.
    """
    (player,) = view.mixing()
    size = len(view.support[player])
    own = [[Fraction(1), *[Fraction(-1)] * (size - 1)]]  # The first probability is what the others leave.
    own += [[Fraction(at == place) for at in range(size)] for place in range(1, size)]
    shares: list[list[Row]] = [[[Fraction(1)] + [Fraction(0)] * (size - 1)] for _ in view.support]
    shares[player] = list[Row](own)
    gaps = [gap for other, gap in view.gaps() if other != player]
    _add_polytope(
        view, shares, [[Fraction(a) for a in (gap[0], *(b - gap[0] for b in gap[1:]))] for gap in gaps], found
    )


def several_mix(view: View, rng: random.Random, found: Found) -> None:
    """Two or more mix: solutions of polynomial equations.

    Args:
        view: The support.
        rng: Draws points to try where the solutions are a curve.
        found: Gets what is found.
    """
    from sympy import QQ, grevlex, ring  # noqa: PLC0415  (an extra, and it takes half a second)

    names = [f"p{player}_{at}" for player, actions in enumerate(view.support) for at in actions[1:]]
    over, *_ = ring(names, QQ, grevlex)
    weights = _weights(view, over)
    basis = basis_of([over(view.mean(player, gap, weights)) for player, gap in view.indifferences()], over)
    if is_finite(basis, over):
        found.points.extend(_solved(view, basis, over, weights))
        return
    gaps = [over(view.mean(player, gap, weights)).rem(basis) for player, gap in view.gaps()]
    if all(sum(powers) <= 1 for polynomial in (*basis, *gaps) for powers in polynomial):
        free = free_variables(basis, over)
        shares = [[_row(weight.rem(basis), free) for weight in own] for own in weights]
        _add_polytope(view, shares, [_row(gap, free) for gap in gaps], found)
    else:
        _add_samples(view, basis, over, weights, rng, found)


def rational(mixed: tuple[tuple[Fraction, ...], ...]) -> Point:
    """A point whose probabilities are all rational."""
    return Point(mixed, tuple(tuple(map(str, own)) for own in mixed))


# Infinitely many solutions.


def _add_polytope(view: View, shares: Sequence[Sequence[Row]], gaps: Sequence[Row], found: Found) -> None:
    """Equilibria are where these probabilities and gaps, linear in some variables, are at least 0: add the corners."""
    ends = corners([*chain(*shares), *gaps])
    centre = [sum(numbers, Fraction(0)) / len(ends) for numbers in zip(*ends, strict=True)]
    if not ends or not all(value(row, centre) > 0 for row in chain(*shares)):
        return  # If there are any, they play fewer actions, and a smaller support has them.
    for end in ends:
        found.points.append(rational(view.spread([[value(row, end) for row in own] for own in shares], Fraction(0))))
    if len(ends) > 1:
        found.infinite.append(view.support)


def _row(polynomial: Any, free: Sequence[int]) -> Row:
    """The coefficients of a linear polynomial in the free variables."""
    powers = [tuple(int(at == variable) for at in range(polynomial.ring.ngens)) for variable in (None, *free)]
    found = [polynomial.get(one, 0) for one in powers]
    return [Fraction(int(number.numerator), int(number.denominator)) if number else Fraction(0) for number in found]


def _add_samples(
    view: View, basis: Sequence[Any], over: Any, weights: Sequence[Sequence[Any]], rng: random.Random, found: Found
) -> None:
    """Fix as many variables as the solutions have dimensions, and see whether what is left holds equilibria."""
    free, hits = free_variables(basis, over), list[Point]()
    for _ in range(SAMPLES):
        drawn = [number for actions in view.support for number in _drawn(len(actions), rng)[1:]]
        fixed = [over.gens[at] - over.domain(drawn[at].numerator, drawn[at].denominator) for at in free]
        slice_ = basis_of([*basis, *fixed], over)
        if is_finite(slice_, over):
            hits += _solved(view, slice_, over, weights)
        if len(hits) >= ENOUGH:
            break
    found.points.extend(hits)
    (found.infinite if hits else found.undecided).append(view.support)


def _drawn(size: int, rng: random.Random) -> list[Fraction]:
    """Some probabilities, none 0."""
    parts = [rng.randint(1, 97) for _ in range(size)]
    return [Fraction(part, sum(parts)) for part in parts]


# Finitely many.


def _weights(view: View, over: Any) -> list[list[Any]]:
    """The probability of every played action as a polynomial: that of the first is what the others leave."""
    gens = iter(over.gens)
    weights = []
    for actions in view.support:
        others = [next(gens) for _ in actions[1:]]
        weights.append([over.one - sum(others), *others])
    return weights


def _solved(view: View, basis: Sequence[Any], over: Any, weights: Sequence[Sequence[Any]]) -> Iterator[Point]:
    """The solutions at which all probabilities are above 0 and no action that is not played is better."""
    solutions = Solutions(basis, over)
    shares = [[solutions.expressed(weight) for weight in own] for own in weights]
    for root in solutions.real():
        if all(root.sign(share) > 0 for own in shares for share in own):
            gaps = (over(view.mean(player, gap, weights)) for player, gap in view.gaps())
            if all(root.sign(solutions.expressed(gap)) >= 0 for gap in gaps):
                yield _point(view, root, shares)


def _point(view: View, root: Root, shares: Sequence[Sequence[Coefficients]]) -> Point:
    words = view.spread([[root.text(share) for share in own] for own in shares], "0")
    exact = tuple(tuple(map(str, own)) for own in words) if all(map(all, words)) else None
    return Point(view.spread([[_value(root, share) for share in own] for own in shares], Fraction(0)), exact)


def _value(root: Root, share: Coefficients) -> Number:
    known = root.rational(share)
    return root.decimal(share) if known is None else known
