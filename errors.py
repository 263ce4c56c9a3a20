"""The errors that langgraph-agora raises.

    AgoraError
    ├── ConfigError        your input is wrong (also a ValueError)
    └── RunError           the run went wrong
        └── BudgetExceeded     a limit of a `Budget` was reached; graphs turn it into `stop: "budget"`

Bad model output, a failing tool or an agent that is down are none of these: they are data in the graph's state.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class AgoraError(Exception):
    """The base of every error raised by this package."""


class ConfigError(AgoraError, ValueError):
    """The caller's input is wrong; the message says what was given, what is allowed and what to do."""


class RunError(AgoraError):
    """The input was right and the run went wrong all the same."""


class BudgetExceeded(RunError):
    """A limit of a `Budget` was reached, so a model call was not sent."""


def nearest(given: str, allowed: Iterable[str]) -> str:
    """Return a hint for a typo, to be put at the end of an error message.

    Example:
        >>> nearest("raect", ["react", "auction"])
        " Did you mean 'react'?"
        >>> nearest("xyz", ["react"])
        ''
    """
    close = get_close_matches(given, list(allowed), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
