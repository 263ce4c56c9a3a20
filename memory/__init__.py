"""What agents remember from earlier runs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .embedders import load_embedder
    from .experience import ExperienceMemory
    from .store import ChromaStore

_HOMES = {"ChromaStore": ".store", "ExperienceMemory": ".experience", "load_embedder": ".embedders"}


class Memory(Protocol):
    """What `memory=` of a graph takes: anything that recalls something for a task, an `ExperienceMemory` for one.

    The text of what is recalled, `str(...)`, is quoted to the model as data, never as instructions.
    """

    def recall(self, task: str, k: int) -> Sequence[object]:
        """Return at most `k` things that may help with `task`, best first."""


def __getattr__(name: str) -> Any:  # A graph that is given no memory loads none of it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


__all__ = ["ChromaStore", "ExperienceMemory", "Memory", "load_embedder"]
