"""langgraph-agora: coordination patterns for LangGraph.

Every public name is loaded when it is first used, so `import langgraph_agora` itself costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agents import Agent
    from .budget import Budget
    from .errors import AgoraError, BudgetExceeded, ConfigError, RunError
    from .graphs.auction import create_auction
    from .graphs.consensus import create_consensus
    from .graphs.hierarchy import create_hierarchy
    from .graphs.negotiation import create_negotiation
    from .graphs.planning import create_planner
    from .graphs.react import create_react
    from .graphs.reflection import create_reflection
    from .graphs.resolution import create_resolution
    from .memory.experience import ExperienceMemory
    from .memory.store import ChromaStore
    from .models import load_model

_HOMES = {
    "Agent": ".agents",
    "AgoraError": ".errors",
    "Budget": ".budget",
    "BudgetExceeded": ".errors",
    "ChromaStore": ".memory.store",
    "ConfigError": ".errors",
    "ExperienceMemory": ".memory.experience",
    "RunError": ".errors",
    "create_auction": ".graphs.auction",
    "create_consensus": ".graphs.consensus",
    "create_hierarchy": ".graphs.hierarchy",
    "create_negotiation": ".graphs.negotiation",
    "create_planner": ".graphs.planning",
    "create_react": ".graphs.react",
    "create_reflection": ".graphs.reflection",
    "create_resolution": ".graphs.resolution",
    "load_model": ".models",
}

__all__ = [
    "Agent",
    "AgoraError",
    "Budget",
    "BudgetExceeded",
    "ChromaStore",
    "ConfigError",
    "ExperienceMemory",
    "RunError",
    "create_auction",
    "create_consensus",
    "create_hierarchy",
    "create_negotiation",
    "create_planner",
    "create_react",
    "create_reflection",
    "create_resolution",
    "load_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
