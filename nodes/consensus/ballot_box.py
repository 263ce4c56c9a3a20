"""The box that ballots go into: one of each member, the first one; whatever else comes in is told apart."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .counting import Ballot


class BallotBox:
    """Takes one ballot of each member and keeps a second, different one as evidence against its sender.

    Args:
        electorate: Who may vote.

    Example:
        >>> box = BallotBox(["ann", "bob"])
        >>> box.cast("ann", "red"), box.cast("ann", "red"), box.cast("ann", "blue"), box.cast("zoe", "red")
        ('counted', 'repeated', 'conflict', 'no member')
        >>> box.ballots, box.evidence
        ({'ann': 'red'}, [{'voter': 'ann', 'first': 'red', 'second': 'blue'}])
    """

    def __init__(self, electorate: Collection[str]) -> None:
        self.electorate = tuple(electorate)
        self.ballots: dict[str, Ballot] = {}
        self.evidence: list[dict[str, Any]] = []
        self.late: list[tuple[str, Ballot]] = []
        self.closed = False

    def cast(self, voter: str, ballot: Ballot) -> str:
        """Take a ballot; says what became of it: counted, repeated, conflict, late, or no member."""
        if voter not in self.electorate:
            return "no member"
        if voter in self.ballots:
            if self.ballots[voter] == ballot:
                return "repeated"
            found = {"voter": voter, "first": self.ballots[voter], "second": ballot}
            if found not in self.evidence:
                self.evidence.append(found)
            return "conflict"
        if self.closed:
            self.late.append((voter, ballot))
            return "late"
        self.ballots[voter] = ballot
        return "counted"
