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
    from .graphs.react import create_react
    from .models import load_model

_HOMES = {
    "Agent": ".agents",
    "AgoraError": ".errors",
    "Budget": ".budget",
    "BudgetExceeded": ".errors",
    "ConfigError": ".errors",
    "RunError": ".errors",
    "create_auction": ".graphs.auction",
    "create_consensus": ".graphs.consensus",
    "create_react": ".graphs.react",
    "load_model": ".models",
}

__all__ = [
    "Agent",
    "AgoraError",
    "Budget",
    "BudgetExceeded",
    "ConfigError",
    "RunError",
    "create_auction",
    "create_consensus",
    "create_react",
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
