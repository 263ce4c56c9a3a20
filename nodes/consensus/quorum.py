"""How many are enough: the arithmetic of majorities, apart from the protocols that use it. Exact, on integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def majority(members: int) -> int:
    """Return the smallest number that is more than half of `members`.

    Example:
        >>> [majority(n) for n in (1, 2, 3, 4, 5)]
        [1, 2, 2, 3, 3]
    """
    return members // 2 + 1


def supermajority(members: int) -> int:
    """Return the smallest number that is more than two thirds of `members`: two such groups share more than a third.

    Example:
        >>> [supermajority(n) for n in (1, 3, 4, 6, 7)]
        [1, 3, 3, 5, 5]
    """
    return 2 * members // 3 + 1


def faults_tolerated(members: int) -> int:
    """Return the largest f with members >= 3f + 1: so many liars leave agreement possible (Pease et al. 1980).

    Example:
        >>> [faults_tolerated(n) for n in (1, 3, 4, 6, 7)]
        [0, 0, 1, 1, 2]
    """
    return (members - 1) // 3


def agreed_index(acknowledged: Iterable[int]) -> int:
    """Return the highest index that a majority has acknowledged, given the highest of each member.

    Example:
        >>> agreed_index([5, 3, 4]), agreed_index([5, 3]), agreed_index([])
        (4, 3, 0)
    """
    ordered = sorted(acknowledged)
    return ordered[(len(ordered) - 1) // 2] if ordered else 0


def election(granted: Mapping[str, bool], members: int) -> bool | None:
    """Return True when the votes so far win, False when they cannot win any more, None when it is open.

    Example:
        >>> election({"a": True, "b": True}, 3), election({"a": False, "b": False}, 3), election({"a": True}, 3)
        (True, False, None)
    """
    needed = majority(members)
    if sum(granted.values()) >= needed:
        return True
    against = sum(not vote for vote in granted.values())
    return False if members - against < needed else None
