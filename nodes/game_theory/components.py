"""What extreme equilibria of two players add up to: maximal Nash subsets, and components of subsets that touch.

Every equilibrium is a mixture of extreme ones: of any xs and any ys where each x is in equilibrium with each y. Such
sets are the cliques of the bipartite graph of extreme equilibria (Avis, Rosenberg, Savani and von Stengel 2010).
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_SUBSETS = 10_000  # A game of 2 x n actions can have 2**n subsets, as when any two different actions are good.


def maximal_subsets(partners: Sequence[int]) -> list[list[tuple[list[int], list[int]]]] | None:
    """Group extreme equilibria into components of maximal Nash subsets.

    Args:
        partners: For each x a bit set of the ys with which it is in equilibrium, never empty.

    Returns:
        The components, each a list of subsets (numbers of xs, numbers of ys), sorted; None above 10,000 subsets.

    Example:
        >>> maximal_subsets([0b01, 0b11, 0b100])
        [[([0, 1], [0]), ([1], [0, 1])], [([2], [2])]]
    """
    components: list[tuple[list[int], int]] = []
    for x, ys in enumerate(partners):
        touching = [component for component in components if component[1] & ys]
        apart = [component for component in components if not component[1] & ys]
        joined, reached = [x], ys
        for xs, more in touching:
            joined, reached = xs + joined, reached | more
        components = [*apart, (sorted(joined), reached)]
    found = []
    for xs, _ in sorted(components):
        subsets = _cliques(xs, partners)
        if subsets is None:
            return None
        found.append(subsets)
    return found


def _cliques(xs: Sequence[int], partners: Sequence[int]) -> list[tuple[list[int], list[int]]] | None:
    """The ys of a maximal clique are what its xs have in common, so every intersection of partners is one of them."""
    common: set[int] = set()
    for x in xs:
        common |= {partners[x] & ys for ys in common} | {partners[x]}
        if len(common) > MAX_SUBSETS:
            return None
    common.discard(0)
    return sorted(([x for x in xs if ys & ~partners[x] == 0], numbers(ys)) for ys in common)


def numbers(mask: int) -> list[int]:
    """The numbers of the bits that are set."""
    return [at for at in range(mask.bit_length()) if mask >> at & 1]
