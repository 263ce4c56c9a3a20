"""What agents remember from earlier runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Memory(Protocol):
    """What `memory=` of a graph takes: anything that recalls texts for a task.

    What is recalled is quoted to the model as data, never as instructions.
    """

    def recall(self, task: str, k: int) -> Sequence[str]:
        """Return at most `k` texts that may help with `task`, best first."""


__all__ = ["Memory"]
