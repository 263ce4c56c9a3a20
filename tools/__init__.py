"""What an agent can call: arithmetic, the user's own documents, and the tools of MCP servers.

Plain imports on purpose: `calculate` is a module and a tool, and a lazy name would give the module. What is slow to
load (pypdf, the MCP client) is imported when it is first used.
"""

from .calculate import CalculationError, calculate, evaluate
from .mcp import load_mcp
from .search import Documents, create_search

__all__ = ["CalculationError", "Documents", "calculate", "create_search", "evaluate", "load_mcp"]
