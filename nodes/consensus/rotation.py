"""Who proposes: CometBFT's weighted round robin (specification "Proposer selection procedure"), exact and pure.

Each turn every validator's priority grows by its stake; the one with the highest proposes and pays the total stake. So
over as many turns as there is stake, everybody proposes exactly as often as its stake says, evenly spread.
"""

from __future__ import annotations

from collections.abc import Mapping


class ProposerRotation:
    """The priorities at one height. The same stakes and heights give the same proposers everywhere.

    CometBFT leaves a remainder below the number of validators in the sum of the priorities; here the first in the order
    of names carry it, so the sum is always 0.

    Example:
        >>> rotation = ProposerRotation({"a": 1, "b": 3})
        >>> [rotation.proposer(round) for round in range(4)]
        ['b', 'a', 'b', 'b']
        >>> rotation.after({"a": 1, "b": 3}).proposer(0)  # Height 2 goes on from round 1.
        'a'
    """

    def __init__(self, stakes: Mapping[str, int], priorities: Mapping[str, int] | None = None) -> None:
        self.stakes = {name: stakes[name] for name in sorted(stakes)}
        self.total = sum(stakes.values())
        self.priorities = self._settled(priorities) if priorities is not None else dict.fromkeys(self.stakes, 0)
        self._turn = dict(self.priorities)  # After the picks so far.
        self._picks: list[str] = []

    def proposer(self, round: int) -> str | None:
        """Return who proposes in a round, counted from 0; None when nobody has stake."""
        if not self.stakes:
            return None
        while len(self._picks) <= round:
            self._picks.append(self._pick(self._turn))
        return self._picks[round]

    def after(self, stakes: Mapping[str, int]) -> ProposerRotation:
        """Return the rotation of the next height. A new validator starts at -1.125 times the total stake.

        That is so far back that nobody gains by leaving and coming again.
        """
        priorities = dict(self.priorities)
        if priorities:
            self._pick(priorities)
        total = sum(stakes.values())
        return ProposerRotation(stakes, {name: priorities.get(name, -(total + total // 8)) for name in sorted(stakes)})

    def _pick(self, priorities: dict[str, int]) -> str:
        for name, stake in self.stakes.items():
            priorities[name] += stake
        chosen = max(priorities, key=lambda name: priorities[name])  # The first in the order of names, when equal.
        priorities[chosen] -= self.total
        return chosen

    def _settled(self, priorities: Mapping[str, int]) -> dict[str, int]:
        """Priorities no further apart than twice the total stake, and with the sum 0."""
        names = list(self.stakes)
        if not names:
            return {}
        spread = max(priorities.values()) - min(priorities.values())
        ratio = max(1, -(-spread // (2 * self.total)))
        scaled = [int(priorities[name] / ratio) if ratio > 1 else priorities[name] for name in names]
        mean, left = divmod(sum(scaled), len(names))
        return {
            name: value - mean - (place < left) for place, (name, value) in enumerate(zip(names, scaled, strict=True))
        }
